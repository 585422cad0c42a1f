"""The type of every value of a plan: its axes, its channels, and whether it holds a batch.

This is the one place that knows shapes. It refuses a plan whose steps do not fit; interpreter, emitter, costs, the
sparse engine and pages read what it says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, product, starmap
from typing import NoReturn

from eqsynth.bases.adapted import sound
from eqsynth.bases.decomposed import Fixed
from eqsynth.diagrams.diagram import Diagram, Element, Orbit, Single
from eqsynth.errors import PlanError
from eqsynth.families.group import Group
from eqsynth.families.hom import Problem, index_counts, indices_beside, indices_of, negated
from eqsynth.plans.steps import (
    Contract,
    Couple,
    Forms,
    Hodge,
    Input,
    Join,
    Mix,
    Output,
    Pack,
    Pair,
    Pattern,
    Reduce,
    Schur,
    Source,
    Spread,
    Step,
    Tabled,
    Tied,
    Twist,
    Unpack,
    Weigh,
    as_read,
    describe,
)
from eqsynth.spaces.space import (
    Irrep,
    Order,
    Stored,
    axis_counts,
    entries_of,
    is_packed,
    order_text,
    stored_packed,
)

#: The axes that hold each entry of a symmetric or alternating tensor once: factor of the group, and its kind.
Packs = Sequence[tuple[int, Stored]]


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor (batch, axes, channels) of a plan.

    >>> import eqsynth as eq
    >>> plan = eq.plan("S(n)", "16x2", "32x1")
    >>> plan.values["x_a1"]
    Value(axes=(0,), inputs=(0,), output=None, batch=True)

    ``axes``: the size of each axis, a factor of the group or beyond them a place in ``Plan.packs``. ``inputs``: those
    whose channels the value has, multiplied; none once channels are mixed, and then ``output`` is the output term whose
    channels it has. ``batch`` is False for what is made of parameters alone.
    """

    axes: tuple[int, ...]
    inputs: tuple[int, ...] = ()
    output: int | None = None
    batch: bool = True


def stored_axes(group: Group, order: Order, packs: Packs) -> tuple[int, ...]:
    """The sizes of the axes of a tensor as it is stored: indices of the group, and beyond them places in ``packs``.

    Raises PlanError where these lack the packed axis of the tensor.
    """
    if not is_packed(order):
        return full_axes(group, order)
    axes = list[int]()
    for own, entry, count in zip(indices_of(group), entries_of(order), axis_counts(order), strict=True):
        if stored_packed(entry):
            if (own[0], entry) not in packs:
                raise PlanError(f"a plan with the order {order_text(order)} has no packed axis for it")
            axes.append(len(group.indices) + packs.index((own[0], entry)))
        else:
            axes += [index for index in own for _ in range(count)]
    return tuple(axes)


def full_axes(group: Group, order: Order) -> tuple[int, ...]:
    """The index, by its place in ``group.indices``, that each axis of a tensor with all its entries is."""
    return tuple(index for index, count in enumerate(index_counts(group, order)) for _ in range(count))


def check_weights(
    problem: Problem, pairs: Sequence[Pair], bias_dims: Sequence[int], bias_squares: Sequence[Sequence[int]]
) -> None:
    """Raise PlanError unless all that is said about weights and biases is said once, and of each of them."""
    ends = [(pair.term_in, pair.term_out) for pair in pairs]
    places = {*product(range(len(problem.terms)), range(len(problem.space_out)))}
    factors = len(problem.group.indices)
    fitting = all(
        pair.dim > 0
        and len(pair.variances) == pair.dim
        and len(pair.squares) in (0, pair.dim)
        and min(pair.squares, default=1) > 0
        and len(pair.gains) == factors
        and all(0 <= min(into, other) <= max(into, other) < pair.dim for into, other, _ in pair.sums)
        for pair in pairs
    )
    if not (len({*ends}) == len(ends) and places >= {*ends} and fitting):
        raise PlanError(f"a plan of {problem} does not say once of each weight, and of no other, how it is scaled")
    outputs = len(problem.space_out)
    counts = len(bias_dims) == len(bias_squares) == outputs and min(bias_dims) >= 0
    if not counts or any(
        len(known) not in (0, dim) or min(known, default=1) < 1
        for known, dim in zip(bias_squares, bias_dims, strict=True)
    ):
        raise PlanError(f"a plan of {problem} does not say of each bias how it is scaled")


def infer(
    problem: Problem,
    steps: Sequence[Step],
    dims: Mapping[tuple[int, int], int],
    bias_dims: Sequence[int],
    packs: Packs = (),
) -> dict[str, Value]:
    """The type of every value, by name.

    ``dims``: how many weights there are for each (number of a product of inputs, output term); ``bias_dims``: how many
    biases for each output term. Raises PlanError for a step that reads what no step before it writes, writes what is
    there or what no step reads, or does not fit what it reads; for weights that do not exist, or that are not read
    exactly once; for outputs of another shape than their term, or missing. Inputs may stay unread, for no map may
    depend on them; those of products are all there.
    """
    if len({*packs}) < len(packs):
        raise PlanError(f"a plan of {problem} names a packed axis twice")
    if not all(index in range(len(problem.group.indices)) for index, _ in packs):
        raise PlanError(f"a plan of {problem} packs an index that the group has not")
    inference = _Inference(problem, dims, bias_dims, packs)
    for step in steps:
        inference.add(step)
    inference.finish()
    return inference.values


def _is_table(factor: Group, part: Single) -> bool:
    """Whether an element can be one of a group without diagrams at every order."""
    if isinstance(part, Diagram):
        return factor.kept_graph is not None
    if isinstance(part, Orbit):
        return factor.permuting and max(part.representative, default=0) < factor.number
    rows, columns = factor.number**part.outputs, factor.number**part.inputs
    return all(row < rows and column < columns for row, column, _ in part.entries)


class _Inference:
    """The values so far, and the weights that were read."""

    def __init__(
        self, problem: Problem, dims: Mapping[tuple[int, int], int], bias_dims: Sequence[int], packs: Packs
    ) -> None:
        self.problem, self.dims, self.bias_dims, self.packs = problem, dims, bias_dims, packs
        self.factors = problem.group.indices
        self.terms = problem.terms
        self.values: dict[str, Value] = {}
        self.inputs: set[int] = set()
        #: The names of the inputs.
        self.given: set[str] = set()
        self.outputs: list[int] = []
        #: The elements that steps read, of each (product, output term), and of each bias, whose product is -1.
        self.read: dict[tuple[int, int], set[int]] = {}
        #: The values that steps read.
        self.needed: set[str] = set()
        self.step: Step | None = None

    def add(self, step: Step) -> None:
        """Check a step, and write down the types of what it writes."""
        self.step = step
        match step:
            case Input():
                values = [self._input(step)]
            case Reduce():
                values = [self._reduce(step)]
            case Hodge():
                values = [self._hodge(step)]
            case Contract():
                values = [self._contract(step)]
            case Twist():
                values = [self._twist(step)]
            case Join():
                values = [self._join(step)]
            case Couple():
                values = [self._couple(step)]
            case Weigh():
                values = self._weigh(step)
            case Mix():
                values = self._mix(step)
            case Spread():
                values = [self._spread(step)]
            case Tied():
                values = [self._tied(step)]
            case Schur():
                values = self._schur(step)
            case Pack():
                values = [self._pack(step)]
            case Unpack():
                values = [self._unpack(step)]
            case Output():
                values = []
                self._output(step)
        sizes = range(len(self.factors) + len(self.packs))
        for name, value in zip(step.writes, values, strict=True):
            self._require(name not in self.values, f"{name} is written twice")
            self._require(all(size in sizes for size in value.axes), f"there are no axes of sizes {value.axes}")
            self.values[name] = value
        self.needed.update(step.reads)

    def finish(self) -> None:
        """Every output is there once, in order, and every weight and every value is read."""
        if self.outputs != list(range(len(self.problem.space_out))):
            raise PlanError(f"a plan of {self.problem} gives the output terms {self.outputs}, in this order")
        if self.problem.multilinear and (missing := sorted(set(range(len(self.problem.inputs))) - self.inputs)):
            raise PlanError(f"a plan of {self.problem} lacks input {self.problem.input_name(missing[0])}")
        counts = {pair: dim for pair, dim in self.dims.items() if dim}
        counts |= {(-1, term): dim for term, dim in enumerate(self.bias_dims) if dim}
        for (term_in, term_out), dim in counts.items():
            if unread := sorted(set(range(dim)) - self.read.get((term_in, term_out), set())):
                what = "bias" if term_in < 0 else f"weight of {term_in} ->"
                raise PlanError(
                    f"no step of a plan of {self.problem} reads element {unread[0]} of the {what} {term_out}"
                )
        for name, value in self.values.items():
            if name not in self.needed and name not in self.given:
                raise PlanError(f"no step of a plan of {self.problem} reads {name}, of axes {value.axes}")

    # --- what steps have in common ------------------------------------------------------------------

    def _fail(self, why: str) -> NoReturn:
        assert self.step is not None  # noqa: S101 - a step is being checked
        raise PlanError(f"a step of a plan of {self.problem} does not fit, {describe(self.step)[:200]}: {why}")

    def _require(self, holds: bool, why: str) -> None:
        if not holds:
            self._fail(why)

    def _value(self, name: str) -> Value:
        if name not in self.values:
            self._fail(f"no step before writes {name}")
        return self.values[name]

    def _same(self, what: str, axes: Sequence[int], expected: Sequence[int]) -> None:
        if tuple(axes) != tuple(expected):
            self._fail(f"{what} has axes of sizes {tuple(axes)}, not {tuple(expected)}")

    def _output_term(self, term: int) -> None:
        self._require(0 <= term < len(self.problem.space_out), f"there is no output term {term}")

    def _input_term(self, term: int) -> None:
        self._require(0 <= term < len(self.terms), f"there is no product {term} of inputs")

    def _channels(self, name: str, term_in: int) -> None:
        """Raise unless a value has the channels of a product of inputs."""
        value = self._value(name)
        self._input_term(term_in)
        ours, theirs = value.inputs, self.terms[term_in]
        if not self.problem.full:
            # Each channel meets its own, in any order of the factors.
            ours, theirs = tuple(sorted(ours)), tuple(sorted(theirs))
        self._require(
            value.output is None and ours == theirs, f"{name} has not the channels of the inputs {self.terms[term_in]}"
        )

    def _elements(self, term_in: int, term_out: int, elements: Sequence[int]) -> None:
        """Raise unless there are such weights, or for the product -1 such biases, not yet read; they are read now."""
        dim = self.bias_dims[term_out] if term_in < 0 else self.dims.get((term_in, term_out), 0)
        if elements and not 0 <= min(elements) <= max(elements) < dim:
            self._fail(f"elements {min(elements)} to {max(elements)} of {dim} are read")
        known = self.read.setdefault((term_in, term_out), set())
        for element in elements:
            if element in known:
                self._fail(f"element {element} is read a second time")
            known.add(element)

    def _forms(self, forms: Forms, pattern: Pattern, axes: Sequence[int], form: str) -> None:
        """Raise unless pairs of axes that nothing else touches have the form that is named."""
        places = [place for pair in forms for place in pair]
        fitting = len(set(places)) == len(places) and all(
            0 <= left < right < len(axes)
            and pattern[left] is None
            and pattern[right] is None
            and axes[left] == axes[right] < len(self.factors)
            and self.factors[axes[left]].paired
            and self.factors[axes[left]].form == form
            for left, right in forms
        )
        self._require(fitting, f"the pairs {forms} are no pairs of axes with the form {form}")

    def _joined(self, pattern: Pattern, axes: Sequence[int]) -> tuple[int, ...]:
        """The size of each axis that a pattern names, which must be the same wherever it is named."""
        self._require(len(pattern) == len(axes), f"the pattern has {len(pattern)} entries for {len(axes)} axes")
        sizes: dict[int, int] = {}
        for axis, size in zip(pattern, axes, strict=True):
            if axis is not None and sizes.setdefault(axis, size) != size:
                self._fail(f"axis {axis} has the sizes {sizes[axis]} and {size}")
        self._require(sorted(sizes) == list(range(len(sizes))), f"the pattern names the axes {sorted(sizes)}")
        alone = [axis is not None and pattern.count(axis) == 1 for axis in pattern]
        unpacked = all(one or size < len(self.factors) for one, size in zip(alone, axes, strict=True))
        self._require(unpacked, "a packed axis is no index to sum, to repeat or to make equal to another")
        return tuple(sizes[axis] for axis in range(len(sizes)))

    def _order(self, order: Sequence[int], count: int) -> None:
        self._require(sorted(order) == list(range(count)), f"{tuple(order)} is no order of {count} axes")

    # --- one step each ----------------------------------------------------------------------------

    def _input(self, step: Input) -> Value:
        self._require(0 <= step.term < len(self.problem.inputs), f"there is no input {step.term}")
        self._require(step.term not in self.inputs, f"input {step.term} is read twice")
        self._same(
            step.target, step.sizes, stored_axes(self.problem.group, self.problem.inputs[step.term][1], self.packs)
        )
        self.inputs.add(step.term)
        self.given.add(step.target)
        return Value(step.sizes, (step.term,))

    def _reduce(self, step: Reduce) -> Value:
        source = self._value(step.source)
        axes = self._joined(step.pattern, source.axes)
        self._forms(step.forms, step.pattern, source.axes, step.form)
        kept = [axis for axis in step.pattern if axis is not None]
        once = step.summed == 1 and kept == list(range(step.axes))
        self._require(once or None not in step.pattern, "it is more than one sum, with the other axes in their order")
        return replace(source, axes=axes)

    def _hodge(self, step: Hodge) -> Value:
        source = self._value(step.source)
        self._order(step.order, len(source.axes))
        axes = [source.axes[axis] for axis in step.order]
        counts = step.tied, step.taken, step.given
        self._require(min(counts) >= 0 and step.carried >= 0, f"{counts} axes are tied, taken and given")
        self._require(step.factor in range(len(self.factors)), f"there is no factor {step.factor}")
        self._same("what epsilon takes", axes[step.carried :], [step.factor] * (step.tied + step.taken))
        factor = self.factors[step.factor]
        self._require(factor.n == step.n, f"epsilon has {step.n} labels, and n is {factor.n}")
        orders = self.problem.hom.space_in.orders + self.problem.space_out.orders
        own = indices_of(self.problem.group).index(indices_beside(self.problem.group, step.factor))
        twisted = any(negated(self.problem.group, order)[own] for order in orders)
        self._require(factor.heads or (factor.diagrammatic and twisted), f"{factor} has no epsilon")
        left = step.n - sum(counts)
        self._require(0 <= left <= 1, f"{left} of the {step.n} labels of epsilon are left")
        self._require(not step.tied or factor.jellyfish, f"no axes are tied to the epsilon of {factor}")
        return replace(source, axes=(*axes[: step.carried + step.tied], *[step.factor] * step.given))

    def _contract(self, step: Contract) -> Value:
        source = self._value(step.source)
        self._require(step.factor in range(len(self.factors)), f"there is no factor {step.factor}")
        factor, ends = self.factors[step.factor], {end for edge in step.edges for end in edge}
        self._require(factor.kept_graph is not None, f"{factor} has no edges")
        self._require(bool(step.edges), "no edge of A is read")
        self._require(len(set(step.labels)) == len(step.labels), "two axes have one label")
        self._require(len(step.labels) == len(source.axes), f"{len(source.axes)} axes have {len(step.labels)} labels")
        size = dict(zip(step.labels, source.axes, strict=True))
        left = {*step.labels} - {*step.kept}
        touched = [axis for label, axis in size.items() if label in ends | left]
        self._same(step.source, touched, [step.factor] * len(touched))
        self._require(len(set(step.edges)) == len(step.edges), "an edge stands twice")
        known = {*step.labels, *ends}
        self._require(min(known, default=0) >= 0, f"there is no label {min(known, default=0)}")
        self._require(len(set(step.kept)) == len(step.kept) and known >= {*step.kept}, f"{step.kept} are no labels")
        return replace(source, axes=tuple(size.get(label, step.factor) for label in step.kept))

    def _twist(self, step: Twist) -> Value:
        source = self._value(step.source)
        inside = 0 <= step.axis < len(source.axes) and source.axes[step.axis] < len(self.factors)
        factor = self.factors[source.axes[step.axis]] if inside else None
        fitting = factor is not None and factor.paired and factor.form == step.form
        self._require(fitting, f"axis {step.axis} has no form {step.form}")
        return source

    def _labelled(self, sources: tuple[str, str], axes_read: Sequence[Sequence[int]], sizes: Sequence[int]) -> Value:
        """The product of two values whose axes have labels, with all labels as axes."""
        left, right = map(self._value, sources)
        for name, value, labels in zip(sources, (left, right), axes_read, strict=True):
            inside = len(set(labels)) == len(labels) and all(0 <= label < len(sizes) for label in labels)
            self._require(inside, f"{name} has labels {tuple(labels)}")
            self._same(name, value.axes, [sizes[label] for label in labels])
            self._require(value.output is None, f"the channels of {name} are mixed")
        missing = set(range(len(sizes))) - {label for labels in axes_read for label in labels}
        self._require(not missing, f"no factor has the labels {sorted(missing)}")
        return Value(tuple(sizes), left.inputs + right.inputs, None, left.batch or right.batch)

    def _join(self, step: Join) -> Value:
        product = self._labelled(step.sources, step.axes_read, step.sizes)
        both = set(step.left) & set(step.right)
        self._require(0 <= step.axes <= len(step.sizes) and both >= set(step.summed), "a label of one factor is summed")
        self._require(step.full == self.problem.full, "channels meet in another way")
        self._require(not (step.full and step.entrywise), "pairs of channels are not multiplied entry by entry")
        self._require({*step.heads} <= {*step.summed} and step.terms >= 1, f"the labels {step.heads} are not summed")
        return replace(product, axes=product.axes[: step.axes])

    def _couple(self, step: Couple) -> Value:
        source, one = self._value(step.source), step.coupling
        read, wanted = self._degrees(source.axes), [degree for degree in (one.left, one.right) if degree]
        self._require(read == wanted, f"{step.source} has the degrees {read}, and is coupled as {wanted}")
        given, wanted = self._degrees(step.sizes), [one.out][: one.out]
        self._require(given == wanted, f"{step.target} has the degrees {given}, not {wanted}")
        possible = abs(one.left - one.right) <= one.out <= one.left + one.right
        self._require(possible, f"no map of degrees {one.left} and {one.right} leads to {one.out}")
        return replace(source, axes=step.sizes)

    def _degrees(self, axes: Sequence[int]) -> list[int]:
        """The degrees of the irreps of O(3) whose coordinates some axes have, numbers left out; -1 of other axes."""
        spherical, count = self.problem.group.spherical, len(self.factors)
        kinds = [self.packs[size - count][1] if count <= size < count + len(self.packs) else None for size in axes]
        listed = [1 if 0 <= size < count and spherical else -1 for size in axes]
        for place, one in enumerate(kinds):
            if isinstance(one, Irrep) and one.spherical:
                listed[place] = one.order
        return [degree for degree in listed if degree]

    def _weigh(self, step: Weigh) -> list[Value]:
        product = self._labelled(step.sources, step.axes_read, step.sizes)
        self._output_term(step.term_out)
        self._input_term(step.term_in)
        self._require(
            self.problem.full and product.inputs == self.terms[step.term_in], "channels are another product's"
        )
        self._require(len(step.targets) == len(step.elements) > 0, "targets are not one per map")
        self._require(step.first in (0, 1), f"there is no factor {step.first} to mix first")
        self._elements(step.term_in, step.term_out, step.elements)
        return [Value(product.axes, (), step.term_out, product.batch) for _ in step.targets]

    def _mix(self, step: Mix) -> list[Value]:
        self._tables(step.tabled, {entry.table for entry in (*step.entries, *step.biases)})
        for operand in step.operands:
            value = self._value(operand.source)
            self._channels(operand.source, operand.term)
            self._order(operand.middle, len(value.axes))
            self._same(operand.source, [value.axes[axis] for axis in operand.middle], step.axes_in)
        for target in step.targets:
            self._output_term(target.term)
        entries = (*step.entries, *step.biases)
        targets, operands = range(len(step.targets)), range(len(step.operands))
        self._require(all(entry.target in targets for entry in entries), "an element joins a target that is not there")
        self._require(all(entry.operand in operands for entry in step.entries), "an operand is not there")
        self._require(all(entry.operand == -1 for entry in step.biases), "a bias has an operand")
        self._require(all(entry.sign in (1, -1) for entry in entries), "a sign is not 1 or -1")
        places = {(entry.target, entry.operand, entry.table) for entry in entries}
        self._require(len(places) == len(entries), "two elements join the same operand and target")
        self._require(not step.tabled or step.products == 1, "tables are applied in one product")
        self._require(not (step.biases and step.tabled and step.tabled.taken), "a bias has no axes to apply a table to")
        self._require({entry.target for entry in entries} == {*targets}, "a target is made of nothing")
        self._require({entry.operand for entry in step.entries} == {*operands}, "an operand is mixed into nothing")
        # What is emitted has one block of weights for each pair of terms.
        for ends in (step.operands, step.targets):
            terms = [end.term for end in ends]
            self._require(len(list(groupby(terms))) == len(set(terms)), "a term's operands or targets stand apart")
        read: dict[tuple[int, int], list[int]] = {}
        for entry in step.entries:
            pair = step.operands[entry.operand].term, step.targets[entry.target].term
            read.setdefault(pair, []).append(entry.element)
        for entry in step.biases:
            read.setdefault((-1, step.targets[entry.target].term), []).append(entry.element)
        for pair, elements in read.items():
            self._elements(*pair, elements)
        self._require(1 <= step.products <= max(1, len(step.operands)), f"there are {step.products} products")
        if step.fourier:
            # Labels that are all different fall into orbits of S_c.
            fitting = len(set(step.sizes)) == 1 < step.axes and step.sizes[0] < len(self.factors)
            fitting = fitting and self.factors[step.sizes[0]].partitions and not (step.biases or step.tabled)
            self._require(fitting, "there is no Fourier transform of such axes")
        return [Value(step.axes_out, (), target.term, bool(step.operands)) for target in step.targets]

    def _tables(self, tabled: Tabled | None, used: set[int]) -> None:
        """Raise unless there are the tables that entries use, and no others, and they fit their factors."""
        if not tabled:
            self._require(used <= {0}, f"there are no tables {sorted(used)}")
            return
        self._require(used == set(range(len(tabled.maps))), "a table is not there, or is not used")
        self._require(len(set(tabled.maps)) == len(tabled.maps), "a table stands twice")
        in_order = all(0 <= one < len(self.factors) for one in tabled.factors)
        in_order = in_order and bool(tabled.factors) and list(tabled.factors) == sorted({*tabled.factors})
        self._require(in_order, f"there are no factors {tabled.factors}")
        for factor in tabled.factors:
            self._require(not self.factors[factor].diagrammatic, f"{self.factors[factor]} has diagrams, and no tables")
        for parts in tabled.maps:
            self._require(len(parts) == len(tabled.factors), f"a table has {len(parts)} factors")
            of_factor = zip((self.factors[factor] for factor in tabled.factors), parts, strict=True)
            self._require(all(starmap(_is_table, of_factor)), "a table is that of another group")
            for side, axes in ((0, tabled.taken), (1, tabled.given)):
                counts = [(part.inputs, part.outputs)[side] for part in parts]
                own = zip(tabled.factors, counts, strict=True)
                self._same("a table", axes, [factor for factor, count in own for _ in range(count)])

    def _spread(self, step: Spread) -> Value:
        self._output_term(step.term)
        self._require(bool(step.parts), "it adds up nothing")
        for part in step.parts:
            source = self._value(part.source)
            self._require(source.output == step.term, f"{part.source} has not the channels of output term {step.term}")
            self._same(part.source, source.axes, self._joined(part.pattern, step.sizes))
            self._forms(part.forms, part.pattern, step.sizes, part.form)
            self._require(part.sign in (1, -1), f"{part.source} has the sign {part.sign}")
        batch = any(self.values[part.source].batch for part in step.parts)
        return Value(step.sizes, (), step.term, batch)

    def _tied(self, step: Tied) -> Value:
        self._output_term(step.term)
        self._require(bool(step.tables or step.constants), "it adds up nothing")
        self._same(step.target, step.sizes, full_axes(self.problem.group, self.problem.space_out.orders[step.term]))
        for table in step.tables:
            self._channels(table.source, table.term)
            sizes = full_axes(self.problem.group, self.problem.hom.space_in.orders[table.term])
            self._same(table.source, self._value(table.source).axes, sizes)
            self._maps(table.elements, len(sizes), len(step.sizes))
            self._elements(table.term, step.term, range(table.first, table.first + len(table.elements)))
        self._maps(step.constants, 0, len(step.sizes))
        self._elements(-1, step.term, range(step.first, step.first + len(step.constants)))
        return Value(step.sizes, (), step.term, bool(step.tables))

    def _maps(self, elements: Sequence[Element], inputs: int, outputs: int) -> None:
        for element in elements:
            parts = element if isinstance(element, tuple) else (element,)
            # A table is one of whole axes.
            times = len(self.factors) if self.problem.group.maps == "nested" and len(parts) == 1 else 1
            axes = times * sum(part.inputs for part in parts), times * sum(part.outputs for part in parts)
            self._require(axes == (inputs, outputs), f"a map takes {axes[0]} axes to {axes[1]}")

    def _schur(self, step: Schur) -> list[Value]:
        ends: list[tuple[Source, Sequence[Order], Sequence[Order]]] = []
        ends += [(end, self.problem.hom.space_in.orders, step.bases.ins) for end in step.sources]
        ends += [(end, self.problem.space_out.orders, step.bases.outs) for end in step.targets]
        for end, orders, listed in ends:
            known = 0 <= end.term < len(orders) and 0 <= end.order < len(listed)
            fits = known and listed[end.order] == as_read(orders[end.term], isinstance(step.bases, Fixed))
            self._require(fits, f"{end.name} is not of the order of term {end.term}")
        asked = [{end.order for end in side} for side in (step.sources, step.targets)]
        there = [{*range(len(orders))} for orders in (step.bases.ins, step.bases.outs)]
        self._require(asked == there, "the bases are adapted to other orders, too")
        right = step.bases.group == self.problem.group and (isinstance(step.bases, Fixed) or sound(step.bases))
        self._require(right, "the bases are not adapted to the maps")
        whole = isinstance(step.bases, Fixed) and step.factored
        self._require(not whole, "what is in the basis of its parts has no change of basis to be factored")
        for end in step.sources:
            self._channels(end.name, end.term)
            self._same(end.name, self._value(end.name).axes, self._axes(step.bases.ins[end.order]))
            for to in step.targets:
                self._elements(end.term, to.term, range(self.dims.get((end.term, to.term), 0)))
        for one in step.constants:
            orders = [step.bases.outs[end.order] for end in step.targets if end.term == one.term]
            self._require(len(orders) == 1, f"term {one.term} has a bias and is no target")
            self._maps(one.elements, 0, sum(axis_counts(orders[0])))
            self._elements(-1, one.term, range(len(one.elements)))
        return [Value(self._axes(step.bases.outs[end.order]), (), end.term) for end in step.targets]

    def _axes(self, order: Order) -> tuple[int, ...]:
        return stored_axes(self.problem.group, order, self.packs)

    def _packing(self, step: Pack | Unpack) -> list[int]:
        """The axes that a step packs or unpacks."""
        place = step.size - len(self.factors)
        self._require(0 <= place < len(self.packs), f"there is no packed axis of size {step.size}")
        index, symmetry = self.packs[place]
        return [own for own in indices_beside(self.problem.group, index) for _ in range(symmetry.order)]

    def _pack(self, step: Pack) -> Value:
        source = self._value(step.source)
        packed = self._packing(step)
        self._require(step.start >= 0, f"there is no axis {step.start}")
        stop = step.start + len(packed)
        self._same("what is packed", source.axes[step.start : stop], packed)
        return replace(source, axes=(*source.axes[: step.start], step.size, *source.axes[stop:]))

    def _unpack(self, step: Unpack) -> Value:
        source = self._value(step.source)
        packed = self._packing(step)
        self._require(step.start >= 0, f"there is no axis {step.start}")
        self._same("what is unpacked", source.axes[step.start : step.start + 1], [step.size])
        axes = (*source.axes[: step.start], *packed, *source.axes[step.start + 1 :])
        return replace(source, axes=axes)

    def _output(self, step: Output) -> None:
        self._output_term(step.term)
        self.outputs.append(step.term)
        if step.source is None:
            return
        value = self._value(step.source)
        self._require(value.output == step.term, f"{step.source} has not the channels of output term {step.term}")
        self._same(
            step.source,
            value.axes,
            stored_axes(self.problem.group, self.problem.space_out.orders[step.term], self.packs),
        )
