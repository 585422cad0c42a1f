"""The reference meaning of a plan, in NumPy: slow, short, and what the emitted source is tested against."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from itertools import permutations
from math import perm, prod
from typing import TYPE_CHECKING, Any

from eqsynth.bases import decomposed
from eqsynth.bases.adapted import Adapted, positions
from eqsynth.bases.basis import basis
from eqsynth.bases.decomposed import Fixed, packed, unpacked
from eqsynth.diagrams.diagram import Element
from eqsynth.diagrams.functor import index_matrix, joined_indices, matrix, split_indices, squares
from eqsynth.errors import ShapeError
from eqsynth.families.group import Group
from eqsynth.families.hom import index_sizes, indices_beside
from eqsynth.families.irreps import coordinates
from eqsynth.plans.plan import POWERS, Plan
from eqsynth.plans.steps import (
    Contract,
    Couple,
    Entry,
    Forms,
    Hodge,
    Input,
    Join,
    Mix,
    Output,
    Pack,
    Pair,
    Part,
    Reduce,
    Schur,
    Source,
    Spread,
    Step,
    Table,
    Tied,
    Twist,
    Unpack,
    Weigh,
)
from eqsynth.spaces.space import Decomposed, Irrep, Order, Stored, lengths, stored_full

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


def interpret(
    plan: Plan, parameters: Mapping[str, Array], inputs: Sequence[Array], n: int | Sequence[int]
) -> list[Array]:
    """Run a plan on inputs of shape ``(batch, n, ..., n, channels)``, one per term of every input.

    >>> import numpy as np, eqsynth as eq
    >>> from eqsynth.plans.interpret import interpret
    >>> plan = eq.plan("S(2)", 1, 0, bias=False, normalization="sum")
    >>> interpret(plan, {"weight": np.ones((1, 1, 1))}, [np.array([[[3.0], [4.0]]])], 2)
    [array([[7.]])]
    >>> plan = eq.TensorProduct("O(2)", 1, 1, 0, bias=False, normalization="sum").plan
    >>> u, v = np.array([[[3.0], [4.0]]]), np.array([[[1.0], [2.0]]])
    >>> interpret(plan, {"weight": np.ones((1, 1, 1, 1))}, [u, v], 2)
    [array([[11.]])]

    ``parameters`` has the names and shapes of the layer's state_dict; ``n`` is the size, for a product group one per
    factor. Returns one array per output term. Raises ShapeError for inputs of another shape.
    """
    return _Interpreter(plan, parameters, inputs, n).run()


class _Interpreter:
    """The values of a plan, one step after the other; their types are those that the plan infers."""

    def __init__(
        self, plan: Plan, parameters: Mapping[str, Array], inputs: Sequence[Array], n: int | Sequence[int]
    ) -> None:
        import numpy as np

        self.plan, self.inputs = plan, inputs
        self.factors = plan.hom.group.indices
        sizes = [n] * len(plan.hom.group.factors) if isinstance(n, int) else list(n)
        #: The length of each axis of the group.
        self.ns = sizes
        #: The length of each index of the group, and behind them the lengths of packed axes.
        self.sizes = index_sizes(plan.hom.group, sizes)
        self.lengths = [*self.sizes, *(symmetry.length(self.n_of(index)) for index, symmetry in plan.packs)]
        # The channels of a product are one axis, the left one's most significant.
        self.parameters = {
            name: value.reshape(*value.shape[:2], -1) if name.startswith("weight") else value
            for name, value in parameters.items()
        }
        self.batch = len(inputs[0])
        #: Complex where the inputs or the parameters are.
        self.dtype = np.result_type(float, *inputs, *parameters.values())
        self.values: dict[str, Array] = {}

    def run(self) -> list[Array]:
        """The outputs."""
        outputs = []
        for step in self.plan.steps:
            if isinstance(step, Output):
                value = self.zeros_out(step.term) if step.source is None else self.values[step.source]
                order = self.plan.problem.space_out.orders[step.term]
                outputs.append(self.split(joined_indices, value, order))
            else:
                self.values |= zip(step.writes, self.step(step), strict=True)
        return outputs

    def split(self, by: Callable[..., Array], tensor: Array, order: Order) -> Array:
        """A tensor with the indices of its axes apart, or joined to axes; the tensor where each axis is one index."""
        return by(tensor, self.plan.runs(order, self.lengths)) if self.plan.hom.group.split else tensor

    def zeros_out(self, term: int) -> Array:
        """The zero of an output term."""
        return self.zeros(self.plan.axes(self.plan.problem.space_out.orders[term]), term)

    def zeros(self, axes: Sequence[int], term: int) -> Array:
        """Zeros with the channels of an output term."""
        import numpy as np

        channels = self.plan.problem.space_out.channels[term]
        return np.zeros((self.batch, *[self.lengths[size] for size in axes], channels), self.dtype)

    def step(self, step: Step) -> list[Array]:
        """What a step writes."""
        import numpy as np

        plan, values = self.plan, self.values
        match step:
            case Input(_, term):
                channels, order = plan.problem.inputs[term]
                runs = plan.runs(order, self.lengths)
                wanted = (self.batch, *(prod(own) for count, own in runs for _ in range(count)), channels)
                if self.inputs[term].shape != wanted:
                    raise ShapeError(f"input {term} has shape {self.inputs[term].shape}, expected {wanted}")
                return [self.split(split_indices, self.inputs[term], order)]
            case Reduce(_, source):
                axes = plan.values[source].axes
                own, matrices = [self.lengths[size] for size in axes], self.pair_forms(step.forms, axes)
                summed = [size for size, axis in zip(axes, step.pattern, strict=True) if axis is None]
                power = POWERS[plan.sums(summed[0])] if summed else 0.0
                return [_reduce(values[source], step, own, matrices, power)]
            case Hodge(_, source):
                return [_hodge(values[source], step, self.factors[step.factor], POWERS[plan.sums(step.factor)])]
            case Contract(_, source):
                return [_contract(values[source], step, self.factors[step.factor])]
            case Twist(_, source, axis):
                (form,) = self.pair_forms(((axis, axis),), plan.values[source].axes)
                return [np.moveaxis(np.tensordot(form, values[source], (1, 1 + axis)), 0, 1 + axis)]
            case Join():
                return [self.join(step)]
            case Couple(_, source, coupling, sizes):
                terms = float(coupling.terms) ** POWERS[plan.normalization]
                table = coupling.table().reshape(2 * coupling.out + 1, -1) * terms
                x = values[source].reshape(len(values[source]), table.shape[1], values[source].shape[-1])
                lengths = [self.lengths[size] for size in sizes]
                return [np.einsum("kj,bjc->bkc", table, x).reshape(len(x), *lengths, x.shape[-1])]
            case Weigh():
                product = self.product(step, range(len(step.sizes)), True)
                weights = [self.weight(step.term_in, step.term_out, element) for element in step.elements]
                return [product @ weight.T for weight in weights]
            case Mix(_, operands, targets, entries, biases):
                totals = [self.zeros(step.axes_out, target.term) for target in targets]
                for entry in entries:
                    operand = operands[entry.operand]
                    weight = self.weight(operand.term, targets[entry.target].term, entry.element)
                    order = (0, *[1 + axis for axis in operand.middle], len(operand.middle) + 1)
                    mixed = np.transpose(values[operand.source], order) @ weight.T
                    totals[entry.target] += entry.sign * self.applied(step, entry, mixed)
                for entry in biases:
                    bias = entry.sign * self.bias(targets[entry.target].term)[entry.element]
                    lead = np.broadcast_to(bias, (1,) * (1 + step.axes) + bias.shape)
                    totals[entry.target] += self.applied(step, entry, lead)
                if step.fourier:
                    totals = [total * _different(total.shape[1:-1])[..., None] for total in totals]
                return totals
            case Spread(_, term, axes, parts):
                total = self.zeros(axes, term)
                for part in parts:
                    _add(total, values[part.source], part, self.pair_forms(part.forms, axes))
                return [total]
            case Tied(_, term, axes, tables, constants):
                total = self.zeros(axes, term)
                for table in tables:
                    total += self.tied(table, term).reshape(total.shape)
                if constants:
                    total = total + self.constant(term, constants, step.first).reshape(total.shape[1:])
                return [total]
            case Schur(sources, targets, bases):
                sums = [sum(self.dense(start, target, bases) for start in sources) for target in targets]
                for one in step.constants:
                    place = [end.term for end in targets].index(one.term)
                    sums[place] = np.asarray(sums[place]) + self.constant(one.term, one.elements)
                orders = [bases.outs[target.order] for target in targets]
                return [self.stored(np.asarray(total), order) for total, order in zip(sums, orders, strict=True)]
            case Pack(_, source, start):
                index, symmetry = plan.packs[step.size - len(self.sizes)]
                whole = self.repacked(joined_indices, values[source], start, index, symmetry.order)
                return [_packed(whole, start, symmetry)]
            case Unpack(_, source, start):
                index, symmetry = plan.packs[step.size - len(self.sizes)]
                whole = _unpacked(values[source], start, symmetry, self.n_of(index))
                return [self.repacked(split_indices, whole, start, index, symmetry.order)]
        raise AssertionError(f"{step!r} writes no value")

    def pair_forms(self, forms: Forms, axes: Sequence[int]) -> list[NDArray[np.int64]]:
        """The matrices of the forms of pairs of axes."""
        return [self.factors[axes[left]].pair_form(self.lengths[axes[left]]) for left, _ in forms]

    def applied(self, step: Mix, entry: Entry, value: Array) -> Array:
        """The table of an entry, if there is one, applied to the last axes of a value."""
        import numpy as np

        if not step.tabled:
            return value
        sizes = [self.sizes[factor] for factor in step.tabled.factors]
        parts = zip(step.tabled.factors, step.tabled.maps[entry.table], sizes, strict=True)
        table = reduce(np.kron, [matrix(self.factors[factor], part, size) for factor, part, size in parts])
        lead = value.shape[: 1 + step.axes]
        product = np.einsum("ji,...ic->...jc", table, value.reshape(*lead, table.shape[1], value.shape[-1]))
        given = [self.lengths[size] for size in step.tabled.given]
        return np.asarray(product.reshape(*lead, *given, value.shape[-1]))

    def stored(self, flat: Array, order: Order) -> Array:
        """A tensor of an order as it is stored, from all its entries in one axis."""
        shape = lengths(stored_full(order), self.sizes)
        return packed(flat.reshape(len(flat), *shape, flat.shape[-1]), order)

    def n_of(self, index: int) -> int:
        """The length of an axis that has an index."""
        return prod(self.sizes[own] for own in indices_beside(self.plan.hom.group, index))

    def repacked(self, by: Callable[..., Array], tensor: Array, start: int, index: int, order: int) -> Array:
        """A value with the indices of the axes that are packed apart, or joined."""
        own = indices_beside(self.plan.hom.group, index)
        if len(own) == 1:
            return tensor
        stop = 1 + start + order * (len(own) if by is joined_indices else 1)
        before, packed, behind = tensor.shape[: 1 + start], tensor.shape[1 + start : stop], tensor.shape[stop:]
        moved = by(tensor.reshape(prod(before), *packed, -1), [(order, [self.sizes[one] for one in own])])
        return moved.reshape(*before, *moved.shape[1:-1], *behind)

    # --- products of inputs -----------------------------------------------------------------------

    def product(self, step: Join | Weigh, kept: Sequence[int], full: bool) -> Array:
        """Two values multiplied, summed over the labels that are not kept; pairs of channels are one axis."""
        # The batch and the channels have labels behind those of the axes.
        batch, left, right = (len(step.sizes) + place for place in range(3))
        channels = (left, right) if full else (left, left)
        arguments: list[Any] = []
        for source, labels, channel in zip(step.sources, step.axes_read, channels, strict=True):
            arguments += [self.values[source], [batch, *labels, channel]]
        product = _einsum(*arguments, [batch, *kept, *dict.fromkeys(channels)])
        return product.reshape(*product.shape[: 1 + len(kept)], -1)

    def join(self, step: Join) -> Array:
        """The product of two values, its sums scaled."""
        # Only factors with diagrams have heads.
        scale: float = float(step.terms) ** POWERS[self.plan.normalization]
        for factor in (step.sizes[label] for label in step.scaled):
            scale *= float(self.sizes[factor]) ** POWERS[self.plan.sums(factor)]
        return self.product(step, range(step.axes), step.full) * scale

    # --- weights ----------------------------------------------------------------------------------

    def pair(self, term_in: int, term_out: int) -> Pair:
        """What the plan says about the weights between two terms."""
        return next(pair for pair in self.plan.pairs if (pair.term_in, pair.term_out) == (term_in, term_out))

    def weight(self, term_in: int, term_out: int, element: int) -> Array:
        """The weight of a map, scaled."""
        weights, pair = self.parameters[self.plan.weight_name(term_in, term_out)], self.pair(term_in, term_out)
        weight: Array = weights[element]
        for into, other, times in pair.sums:
            weight = weight + (into == element) * times * weights[other]
        for size, gain in zip(self.sizes, pair.gains, strict=True):
            weight = weight * size ** (gain / 4)
        if pair.squares:
            weight = weight * float(pair.squares[element]) ** POWERS[self.plan.normalization]
        return weight

    def bias(self, term: int) -> Array:
        """The biases of an output term, scaled."""
        import numpy as np

        squares = np.array(self.plan.bias_squares[term] or [1], float)
        biases = self.parameters[self.plan.bias_name(term)]
        return np.asarray(biases * squares[:, None] ** POWERS[self.plan.normalization])

    def constant(self, term: int, elements: Sequence[Element], first: int = 0) -> Array:
        """What elements of the bias make of an output term, from the element ``first`` on: (entries, channels)."""
        import numpy as np

        scaled = self.bias(term)[first:]
        made = [index_matrix(self.plan.hom.group, one, self.sizes).reshape(-1, 1) for one in elements]
        return np.asarray(sum(entries * value for entries, value in zip(made, scaled, strict=True)))

    def tied(self, table: Table, term: int) -> Array:
        """Weight times matrix for the maps of a table."""
        import numpy as np

        group, power = self.plan.hom.group, POWERS[self.plan.normalization]
        weight = self.parameters[self.plan.weight_name(table.term, term)]
        x = self.values[table.source].reshape(self.batch, -1, weight.shape[2])
        weight = weight[table.first : table.first + len(table.elements)]
        for size, gain in zip(self.sizes, self.pair(table.term, term).gains, strict=True):
            weight = weight * size ** (gain / 4)
        largest = [float(most) ** power for _, most in squares(group, table.elements, self.ns)]
        total: Array = np.zeros((1,))
        for element, scale, w in zip(table.elements, largest, weight, strict=True):
            total = total + np.einsum("ji,bic,oc->bjo", index_matrix(group, element, self.sizes) * scale, x, w)
        return total

    def dense(self, source: Source, target: Source, bases: Adapted | Fixed) -> Array:
        """Weight times matrix for all maps between two terms, whatever basis an emitted layer takes them to."""
        import numpy as np

        maps = basis(bases.group, bases.ins[source.order], bases.outs[target.order])
        channels = self.plan.problem.space_out.channels[target.term]
        total = np.zeros((self.batch, positions(bases.group, maps.outputs), channels), self.dtype)
        if not len(maps):
            return total
        weight = self.parameters[self.plan.weight_name(source.term, target.term)]
        if self.plan.parameters == "blocks":
            weight = block_coefficients(self.plan, self.parameters, source.term, target.term)
        else:
            largest = [float(most) for _, most in squares(bases.group, maps.diagrams, maps.sizes())]
            scale = np.array(largest) ** POWERS[self.plan.normalization]
            for size, gain in zip(maps.sizes(), self.pair(source.term, target.term).gains, strict=True):
                scale = scale * size ** (gain / 4)
            weight = weight * scale[:, None, None]
        x = unpacked(self.values[source.name], bases.ins[source.order], self.sizes)
        flat = x.reshape(len(x), -1, x.shape[-1])
        for matrix_of, w in zip(maps.matrices(), weight, strict=True):
            total += np.einsum("ji,bic,oc->bjo", matrix_of, flat, w, optimize=True)
        return total


def _einsum(*arguments: Any) -> Array:
    """``numpy.einsum`` with labels of any size."""
    import numpy as np

    labels = dict.fromkeys(label for listed in (*arguments[1::2], arguments[-1]) for label in listed)
    number = {label: place for place, label in enumerate(labels)}
    named = [[number[i] for i in value] if isinstance(value, list) else value for value in arguments]
    return np.asarray(np.einsum(*named))


def _packed(source: Array, start: int, symmetry: Stored) -> Array:
    """Each entry once: that with the first indices. Of an irrep, its coordinates."""
    import numpy as np

    if isinstance(symmetry, Irrep | Decomposed):
        change = _coordinates(symmetry)
        before, behind = source.shape[: 1 + start], source.shape[1 + start + symmetry.order :]
        product = np.einsum("ij,bjc->bic", change, source.reshape(prod(before), -1, prod(behind)))
        return np.asarray(product.reshape(*before, len(change), *behind))
    axes, n = range(symmetry.order), source.shape[1 + start]
    moved = np.moveaxis(source, [1 + start + axis for axis in axes], list(axes))
    rows = [moved[index] for index in symmetry.indices(n)]
    return np.moveaxis(np.array(rows).reshape(len(rows), *moved.shape[symmetry.order :]), 0, 1 + start)


def _coordinates(one: Irrep | Decomposed) -> Array:
    """The vectors of coordinates, orthonormal rows."""
    return coordinates(one) if isinstance(one, Irrep) else decomposed.matrix_of(one)


def _unpacked(source: Array, start: int, symmetry: Stored, n: int) -> Array:
    """All entries: in other orders of their indices they are the same, or have the sign of the order."""
    import numpy as np

    rows = np.moveaxis(source, 1 + start, 0)
    if isinstance(symmetry, Irrep | Decomposed):
        entries = np.tensordot(_coordinates(symmetry), rows, (0, 0)).reshape(*[n] * symmetry.order, *rows.shape[1:])
        axes = range(symmetry.order)
        return np.moveaxis(entries, list(axes), [1 + start + axis for axis in axes])
    entries = np.zeros((*[n] * symmetry.order, *rows.shape[1:]), rows.dtype)
    for row, index in zip(rows, symmetry.indices(n), strict=True):
        for permutation, sign in symmetry.turns():
            entries[tuple(index[axis] for axis in permutation)] = sign * row
    axes = range(symmetry.order)
    return np.moveaxis(entries, list(axes), [1 + start + axis for axis in axes])


def _contract(source: Array, step: Contract, factor: Group) -> Array:
    import numpy as np

    graph = factor.kept_graph
    assert graph is not None  # noqa: S101 - only graphs have edges
    adjacency = graph.adjacency().astype(np.float64)
    # 0 is the batch, 1 the channels.
    factors: list[object] = [part for u, v in step.edges for part in (adjacency, [2 + u, 2 + v])]
    order = [0, *(2 + label for label in step.labels), 1]
    # einsum gives new axes their length from the factors.
    product: Array = np.einsum(source, order, *factors, [0, *(2 + label for label in step.kept), 1])  # type: ignore[call-overload]  # stubs
    return product


def block_coefficients(plan: Plan, parameters: Mapping[str, Array], term_in: int, term_out: int) -> Array:
    """Coefficients of the maps of a pair, (maps, out, in), from weights that are entries of blocks."""
    import numpy as np

    step = next(step for step in plan.steps if isinstance(step, Schur))
    a = next(end.order for end in step.sources if end.term == term_in)
    b = next(end.order for end in step.targets if end.term == term_out)
    weight = parameters[plan.weight_name(term_in, term_out)]
    return np.asarray(np.einsum("dw,woi->doi", step.bases.coefficients(a, b), weight))


def _different(shape: Sequence[int]) -> Array:
    """1 where all labels are different, else 0."""
    import numpy as np

    return np.array([float(len({*index}) == len(index)) for index in np.ndindex(*shape)]).reshape(shape)


def _reduce(
    source: Array, step: Reduce, lengths: Sequence[int], matrices: Sequence[NDArray[np.int64]], power: float
) -> Array:
    import numpy as np

    # Axis 0 is the batch, 1 the channels, 2 and on the kept axes, then the summed ones.
    summed = iter(range(2 + step.axes, 2 + step.axes + len(step.pattern)))
    labels = [2 + axis if axis is not None else next(summed) for axis in step.pattern]
    operands: list[object] = [source, [0, *labels, 1]]
    for matrix_of, (left, right) in zip(matrices, step.forms, strict=True):
        operands += [matrix_of, [labels[left], labels[right]]]
    scale = np.prod([float(lengths[place]) for place, axis in enumerate(step.pattern) if axis is None]) ** power
    for left, _ in step.forms:
        scale /= lengths[left] ** power
    reduced: Array = np.einsum(*operands, [0, *range(2, 2 + step.axes), 1])  # type: ignore[call-overload]  # stubs
    return reduced * scale


def _hodge(source: Array, step: Hodge, factor: Group, power: float) -> Array:
    """Contract with epsilon entry by entry, in the order (tied, given, taken, missing), each taken one with eta."""
    import numpy as np

    n, kept, taken, given = step.n, step.tied, step.taken, step.given
    moved = np.transpose(source, (0, *[1 + axis for axis in step.order], source.ndim - 1))
    lead = (slice(None),) * (1 + step.carried)
    shape = [*moved.shape[: 1 + step.carried + kept], *[n] * given, moved.shape[-1]]
    total = np.zeros(shape, source.dtype)
    for labels in permutations(range(n)):
        sign = (-1) ** sum(labels[i] > labels[j] for j in range(n) for i in range(j))
        tied, gives = labels[:kept], labels[kept : kept + given]
        takes = labels[kept + given : kept + given + taken]
        if factor.signature is not None:
            sign *= (-1) ** sum(label >= factor.signature[0] for label in takes)
        into: Any = (*lead, *tied, *gives)
        out_of: Any = (*lead, *tied, *takes)
        total[into] += sign * moved[out_of]
    return np.asarray(total * float(perm(n - kept - given, taken)) ** power)


def _add(total: Array, source: Array, part: Part, matrices: Sequence[NDArray[np.int64]]) -> None:
    """total[..., J, :] += source[..., I, :] wherever J carries I, entry by entry of J."""
    import numpy as np

    in_form = {axis for pair in part.forms for axis in pair}
    for index in np.ndindex(*total.shape[1:-1]):
        carried: dict[int, int] = {}
        value = part.sign
        for matrix_of, (left, right) in zip(matrices, part.forms, strict=True):
            value *= int(matrix_of[index[left], index[right]])
        for place, (axis, position) in enumerate(zip(part.pattern, index, strict=True)):
            if place not in in_form and axis is not None and carried.setdefault(axis, position) != position:
                value = 0
        if value:
            into: Any = (slice(None), *index)
            out_of: Any = (slice(None), *(carried[axis] for axis in sorted(carried)))
            total[into] += value * source[out_of]
