"""The reference meaning of a plan, in NumPy: slow, short, and what the emitted source is tested against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, combinations_with_replacement, permutations
from math import perm
from typing import TYPE_CHECKING, Any

from eqsynth.bases.adapted import Adapted, positions
from eqsynth.bases.basis import basis
from eqsynth.diagrams.functor import matrix, squares
from eqsynth.errors import ShapeError
from eqsynth.families.symplectic import omega
from eqsynth.plans.plan import (
    POWERS,
    Contract,
    Hodge,
    Input,
    Mix,
    Output,
    Pack,
    Part,
    Plan,
    Reduce,
    Schur,
    Source,
    Spread,
    Table,
    Tied,
    Unpack,
)
from eqsynth.spaces.space import Symmetry, all_turns, axis_counts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


def interpret(
    plan: Plan,
    parameters: Mapping[str, Array],
    inputs: Sequence[Array],
    n: int | Sequence[int],
    given: Mapping[str, Array] | None = None,
) -> list[Array]:
    """Run a plan on inputs of shape ``(batch, n, ..., n, channels)``, one per input term.

    >>> import numpy as np, eqsynth as eq
    >>> from eqsynth.plans.interpret import interpret
    >>> plan = eq.plan("S(2)", 1, 0, bias=False, normalization="sum")
    >>> interpret(plan, {"weight": np.ones((1, 1, 1))}, [np.array([[[3.0], [4.0]]])], 2)
    [array([[7.]])]

    ``parameters`` has the names and shapes of the layer's state_dict; ``n`` is the size, for a product
    group one per factor. ``given``: values that are known and need no input, by name. Returns one array per
    output term.
    """
    import numpy as np

    base = [n] * len(plan.hom.group.factors) if isinstance(n, int) else list(n)
    ns = [*base, *(symmetry.length(base[factor]) for factor, symmetry in plan.packs)]
    power = POWERS[plan.normalization]
    given = given or {}
    batch = next(iter((*inputs, *given.values()))).shape[0]
    values: dict[str, Array] = dict(given)
    sizes: dict[str, tuple[int, ...]] = {}
    outputs: list[Array] = []

    def zeros(axes: Sequence[int], term: int) -> Array:
        return np.zeros((batch, *[ns[factor] for factor in axes], plan.hom.space_out.channels[term]))

    for step in plan.steps:
        match step:
            case Input(target, term, axes):
                wanted = (batch, *[ns[factor] for factor in axes], plan.hom.space_in.channels[term])
                found = given[target] if target in given else inputs[term]
                if found.shape != wanted:
                    raise ShapeError(f"input {term} has shape {found.shape}, expected {wanted}")
                values[target], sizes[target] = found, axes
            case Reduce(target, source, pattern):
                values[target] = _reduce(
                    values[source], step, [ns[factor] for factor in sizes[source]], POWERS[plan.sums]
                )
                kept = {axis: sizes[source][place] for place, axis in enumerate(pattern) if axis is not None}
                sizes[target] = tuple(kept[axis] for axis in sorted(kept))
            case Hodge(target, source, order, factor):
                values[target] = _hodge(values[source], step, power)
                left = order[: step.carried + step.tied]
                sizes[target] = (*(sizes[source][axis] for axis in left), *[factor] * step.given)
            case Contract(target, source, labels, edges, kept):
                values[target] = _contract(plan, values[source], labels, edges, kept)
                sizes[target] = (0,) * len(kept)
            case Mix(axes, operands, targets, entries, biases):
                for index, made in enumerate(targets):
                    total = zeros(axes, made.term)
                    for entry in entries:
                        if entry.target == index:
                            operand = operands[entry.operand]
                            weight = _weight(plan, parameters, operand.term, made.term, entry.element, base)
                            order = (0, *[1 + axis for axis in operand.middle], len(axes) + 1)
                            total += entry.sign * np.transpose(values[operand.source], order) @ weight.T
                    for entry in biases:
                        if entry.target == index:
                            total += entry.sign * _bias(plan, parameters, made.term)[entry.element]
                    if step.fourier:
                        total *= _different(total.shape[1:-1])[..., None]
                    values[made.name], sizes[made.name] = total, axes
            case Spread(target, term, axes, parts):
                total = zeros(axes, term)
                for part in parts:
                    _add(total, values[part.source], part)
                values[target], sizes[target] = total, axes
            case Tied(target, term, axes, tables, constants):
                total = zeros(axes, term)
                for table in tables:
                    total += _tied(plan, parameters, table, term, values[table.source], power).reshape(total.shape)
                scaled = _bias(plan, parameters, term)[step.first :] if constants else ()
                for element, value in zip(constants, scaled, strict=True):
                    total += (matrix(plan.hom.group, element, base) * value[None, :]).reshape(total.shape[1:])
                values[target], sizes[target] = total, axes
            case Schur(sources, ends, bases):
                for end in ends:
                    orders = axis_counts(plan.hom.space_out.orders[end.term])
                    axes = tuple(factor for factor, count in enumerate(orders) for _ in range(count))
                    total = zeros(axes, end.term)
                    for start in sources:
                        x = values[start.name]
                        total += _dense(plan, parameters, start, end, x, bases, power).reshape(total.shape)
                    values[end.name], sizes[end.name] = total, axes
            case Pack(target, source, start, size):
                _, symmetry = plan.packs[size - len(base)]
                values[target] = _packed(values[source], start, symmetry)
                sizes[target] = plan.packed(sizes[source], step)
            case Unpack(target, source, start, size):
                factor, symmetry = plan.packs[size - len(base)]
                values[target] = _unpacked(values[source], start, symmetry, base[factor])
                sizes[target] = plan.unpacked(sizes[source], step)
            case Output(term, None):
                outputs.append(zeros(plan.axes(plan.hom.space_out.orders[term]), term))
            case Output(term, str(source)):
                outputs.append(values[source])
    return outputs


def _packed(source: Array, start: int, symmetry: Symmetry) -> Array:
    """Each entry once: that with ascending indices."""
    import numpy as np

    axes, n = range(symmetry.order), source.shape[1 + start]
    listed = combinations_with_replacement if symmetry.kind == "S" else combinations
    moved = np.moveaxis(source, [1 + start + axis for axis in axes], list(axes))
    rows = [moved[index] for index in listed(range(n), symmetry.order)]
    return np.moveaxis(np.array(rows).reshape(len(rows), *moved.shape[symmetry.order :]), 0, 1 + start)


def _unpacked(source: Array, start: int, symmetry: Symmetry, n: int) -> Array:
    """All entries: in other orders of their indices they are the same, or have the sign of the order."""
    import numpy as np

    rows = np.moveaxis(source, 1 + start, 0)
    found = np.zeros((*[n] * symmetry.order, *rows.shape[1:]))
    listed = combinations_with_replacement if symmetry.kind == "S" else combinations
    for row, index in zip(rows, listed(range(n), symmetry.order), strict=True):
        for turn, sign in all_turns(symmetry.full):
            found[tuple(index[axis] for axis in turn)] = sign * row
    axes = range(symmetry.order)
    return np.moveaxis(found, list(axes), [1 + start + axis for axis in axes])


def _contract(
    plan: Plan, source: Array, labels: Sequence[int], edges: Sequence[tuple[int, int]], kept: Sequence[int]
) -> Array:
    import numpy as np

    graph = plan.hom.group.kept_graph
    assert graph is not None  # noqa: S101 - only graphs have edges
    adjacency = graph.adjacency().astype(np.float64)
    # 0 is the batch, 1 the channels.
    factors: list[object] = [part for u, v in edges for part in (adjacency, [2 + u, 2 + v])]
    order = [0, *(2 + label for label in labels), 1]
    # einsum gives new axes their length from the factors.
    found: Array = np.einsum(source, order, *factors, [0, *(2 + label for label in kept), 1])  # type: ignore[call-overload]  # stubs
    return found


def _tied(plan: Plan, parameters: Mapping[str, Array], table: Table, term: int, source: Array, power: float) -> Array:
    import numpy as np

    group = plan.hom.group
    ns = [int(factor.n) for factor in group.factors]
    weight = parameters[plan.weight_name(table.term, term)]
    x = source.reshape(len(source), -1, weight.shape[2])
    weight = weight[table.first : table.first + len(table.elements)]
    gains = next(pair.gains for pair in plan.pairs if (pair.term_in, pair.term_out) == (table.term, term))
    for size, gain in zip(ns, gains, strict=True):
        weight = weight * size ** (gain / 4)
    terms = zip(squares(group, table.elements, ns), table.elements, weight, strict=True)
    return np.asarray(
        sum(np.einsum("ji,bic,oc->bjo", matrix(group, d, ns) * float(most) ** power, x, w) for (_, most), d, w in terms)
    )


def block_coefficients(plan: Plan, parameters: Mapping[str, Array], term_in: int, term_out: int) -> Array:
    """Coefficients of the maps of a pair, (maps, out, in), from weights that are entries of blocks."""
    import numpy as np

    step = next(step for step in plan.steps if isinstance(step, Schur))
    a = next(end.order for end in step.sources if end.term == term_in)
    b = next(end.order for end in step.targets if end.term == term_out)
    weight = parameters[plan.weight_name(term_in, term_out)]
    return np.asarray(np.einsum("dw,woi->doi", step.bases.coefficients(a, b), weight))


def _dense(
    plan: Plan,
    parameters: Mapping[str, Array],
    source: Source,
    end: Source,
    x: Array,
    bases: Adapted,
    power: float,
) -> Array:
    """Weight times matrix for all maps between two terms, whatever basis an emitted layer takes them to."""
    import numpy as np

    found = basis(bases.group, bases.ins[source.order], bases.outs[end.order])
    y = np.zeros((len(x), positions(bases.group, found.outputs), plan.hom.space_out.channels[end.term]))
    if not len(found):
        return y
    weight = parameters[plan.weight_name(source.term, end.term)]
    if plan.parameters == "blocks":
        weight = block_coefficients(plan, parameters, source.term, end.term)
    else:
        scale = np.array([float(most) for _, most in squares(bases.group, found.diagrams, found.sizes())]) ** power
        gains = next(p.gains for p in plan.pairs if (p.term_in, p.term_out) == (source.term, end.term))
        for size, gain in zip(found.sizes(), gains, strict=True):
            scale = scale * size ** (gain / 4)
        weight = weight * scale[:, None, None]
    flat = x.reshape(len(x), -1, x.shape[-1])
    for matrix_of, w in zip(found.matrices(), weight, strict=True):
        y += np.einsum("ji,bic,oc->bjo", matrix_of, flat, w, optimize=True)
    return y


def _weight(
    plan: Plan, parameters: Mapping[str, Array], term_in: int, term_out: int, element: int, ns: Sequence[int]
) -> Array:
    weights = parameters[plan.weight_name(term_in, term_out)]
    weight: Array = weights[element]
    for pair in plan.pairs:
        if (pair.term_in, pair.term_out) == (term_in, term_out):
            for into, other, times in pair.sums:
                weight = weight + (into == element) * times * weights[other]
            for size, gain in zip(ns, pair.gains, strict=True):
                weight = weight * size ** (gain / 4)
            if pair.squares:
                weight = weight * float(pair.squares[element]) ** POWERS[plan.normalization]
    return weight


def _different(shape: Sequence[int]) -> Array:
    """1 where all labels are different, else 0."""
    import numpy as np

    return np.array([float(len({*index}) == len(index)) for index in np.ndindex(*shape)]).reshape(shape)


def _bias(plan: Plan, parameters: Mapping[str, Array], term: int) -> Array:
    import numpy as np

    squares = np.array(plan.bias_squares[term] or [1], float)
    return np.asarray(parameters[plan.bias_name(term)] * squares[:, None] ** POWERS[plan.normalization])


def _reduce(source: Array, step: Reduce, lengths: Sequence[int], power: float) -> Array:
    import numpy as np

    # Axis 0 is the batch, 1 the channels, 2 and on the kept axes, then the summed ones.
    summed = iter(range(2 + step.axes, 2 + step.axes + len(step.pattern)))
    labels = [2 + axis if axis is not None else next(summed) for axis in step.pattern]
    operands: list[object] = [source, [0, *labels, 1]]
    for left, right in step.forms:
        operands += [omega(lengths[left]), [labels[left], labels[right]]]
    scale = np.prod([float(lengths[place]) for place, axis in enumerate(step.pattern) if axis is None]) ** power
    for left, _ in step.forms:
        scale /= lengths[left] ** power
    found: Array = np.einsum(*operands, [0, *range(2, 2 + step.axes), 1])  # type: ignore[call-overload]  # stubs
    return found * scale


def _hodge(source: Array, step: Hodge, power: float) -> Array:
    """Contract with epsilon entry by entry, in the order (tied, given, taken, missing)."""
    import numpy as np

    n, kept, taken, given = step.n, step.tied, step.taken, step.given
    moved = np.transpose(source, (0, *[1 + axis for axis in step.order], source.ndim - 1))
    lead = (slice(None),) * (1 + step.carried)
    shape = [*moved.shape[: 1 + step.carried + kept], *[n] * given, moved.shape[-1]]
    total = np.zeros(shape)
    for labels in permutations(range(n)):
        sign = (-1) ** sum(labels[i] > labels[j] for j in range(n) for i in range(j))
        tied, gives = labels[:kept], labels[kept : kept + given]
        takes = labels[kept + given : kept + given + taken]
        into: Any = (*lead, *tied, *gives)
        out_of: Any = (*lead, *tied, *takes)
        total[into] += sign * moved[out_of]
    return np.asarray(total * float(perm(n - kept - given, taken)) ** power)


def _add(total: Array, source: Array, part: Part) -> None:
    """total[..., J, :] += source[..., I, :] wherever J carries I, entry by entry of J."""
    import numpy as np

    in_form = {axis for pair in part.forms for axis in pair}
    for index in np.ndindex(*total.shape[1:-1]):
        carried: dict[int, int] = {}
        value = part.sign
        for left, right in part.forms:
            value *= int(omega(total.shape[1 + left])[index[left], index[right]])
        for place, (axis, position) in enumerate(zip(part.pattern, index, strict=True)):
            if place not in in_form and axis is not None and carried.setdefault(axis, position) != position:
                value = 0
        if value:
            into: Any = (slice(None), *index)
            out_of: Any = (slice(None), *(carried[axis] for axis in sorted(carried)))
            total[into] += value * source[out_of]
