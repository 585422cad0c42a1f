"""The plan of a layer: a straight-line program of a few steps at the level of the mathematics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import lcm
from typing import TypeVar

from eqsynth.bases.schur import floor
from eqsynth.diagrams.diagram import Half
from eqsynth.errors import GroupError, SizeError, SymbolicError, abridged, shown
from eqsynth.exact.numbers import whole
from eqsynth.exact.polynomial import Polynomial, channel_symbol, size_symbols
from eqsynth.families.hom import Hom, Problem, bias_name, indices_of, weight_name
from eqsynth.plans.cost import Cost, Costing, total
from eqsynth.plans.infer import Value, check_weights, infer, stored_axes
from eqsynth.plans.steps import Input, Join, Mix, Pair, Schur, Step, Weigh, describe
from eqsynth.spaces.space import Order, Stored, axis_counts, entries_of, stored_packed
from eqsynth.store.screen import Screen

#: The length of an axis: a number, or what code calls it.
T = TypeVar("T")

#: The power of n by which a sum over an index of length n is scaled, and of its squares by which a map is.
POWERS = {"variance": -0.5, "mean": -1.0, "sum": 0.0}
NORMALIZATIONS = tuple(POWERS)

#: What a plan is laid out for where it is not said: any number of columns.
ANY = Screen()
#: The size and the batch for which plans are compared where they are open.
NOMINAL_N, NOMINAL_BATCH = 16, 32

#: The half-diagram of a value by its name, and whether it leads to an output.
Halves = Mapping[str, tuple[Half, bool]]

#: Ways to compute a layer: diagram by diagram with shared work, the same with a Fourier transform over the
#: permutations of transferred axes, in bases adapted to irreducible parts, as one matrix with tied entries.
METHODS = ("diagrams", "fourier", "irreps", "matrix")
#: What weights can be: coefficients of diagrams, or entries of the blocks of the irreps.
PARAMETERS = ("diagrams", "blocks")


@dataclass(frozen=True, slots=True)
class Plan:
    """A layer as a program. ``print(plan)`` shows its steps and their cost.

    >>> import eqsynth as eq
    >>> plan = eq.plan("S(n)", "16x2", "32x1")
    >>> plan.dims
    {(0, 0): 5}
    >>> [type(step).__name__ for step in plan.steps]
    ['Input', 'Reduce', 'Reduce', 'Reduce', 'Reduce', 'Reduce', 'Mix', 'Mix', 'Spread', 'Output']

    Layers of products are plans too: their inputs are multiplied by Join and Weigh steps. Raises PlanError for steps
    that do not fit together.
    """

    problem: Problem
    bias: bool
    normalization: str
    steps: tuple[Step, ...]
    pairs: tuple[Pair, ...]
    bias_dims: tuple[int, ...]
    #: For each output term, the largest square in each constant: 1, but for Aut(G) and matrix groups.
    bias_squares: tuple[tuple[int, ...], ...]
    #: Ways to compute the layer with their estimated cost, the chosen one first, where there were several.
    alternatives: tuple[tuple[str, int], ...] = ()
    #: How the layer is computed: "diagrams", "fourier", "irreps" or "matrix".
    method: str = "diagrams"
    #: What weights are: coefficients of diagrams, or entries of the blocks of the irreps.
    parameters: str = "diagrams"
    #: The axes that hold each entry of a symmetric or alternating tensor once: factor of the group, and its kind.
    packs: tuple[tuple[int, Stored], ...] = ()
    #: The half-diagrams of values that are reductions of an input, or that spread to an output; for drawings.
    halves: Halves = field(default_factory=dict, repr=False, compare=False)
    #: The same problem as one of linear maps: of the products of the inputs, where inputs are multiplied.
    hom: Hom = field(init=False, repr=False, compare=False)
    #: The type of every value, by name.
    values: Mapping[str, Value] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.problem.group.require_lengths()
        object.__setattr__(self, "hom", self.problem.hom)
        check_weights(self.problem, self.pairs, self.bias_dims, self.bias_squares)
        values = infer(self.problem, self.steps, self.dims, self.bias_dims, self.packs)
        object.__setattr__(self, "values", values)

    def axes(self, order: Order) -> tuple[int, ...]:
        """The sizes of the axes of a tensor as it is stored: factors of the group, beyond them places in ``packs``."""
        return stored_axes(self.hom.group, order, self.packs)

    def runs(self, order: Order, lengths: Sequence[T]) -> list[tuple[int, list[T]]]:
        """The axes of a tensor as it is stored: for each factor how many, and what indices each of them is made of.

        ``lengths``: that of each size, of indices and beyond them of packed axes.
        """
        stored, runs = iter(self.axes(order)), list[tuple[int, list[T]]]()
        counted = zip(indices_of(self.hom.group), entries_of(order), axis_counts(order), strict=True)
        for own, entry, count in counted:
            packed = stored_packed(entry)
            sizes = [next(stored) for _ in range(1 if packed else count * len(own))]
            runs.append((1, [lengths[sizes[0]]]) if packed else (count, [lengths[index] for index in own]))
        return runs

    @property
    def asked(self) -> str:
        """The method to ask for to get this plan: "auto" where it was chosen."""
        return "auto" if self.alternatives else self.method

    @property
    def dims(self) -> dict[tuple[int, int], int]:
        """Independent maps for each (input term, output term); products of inputs are numbered as ``problem.terms``."""
        return {(pair.term_in, pair.term_out): pair.dim for pair in self.pairs}

    def zero_outputs(self) -> list[str]:
        """A sentence for each output term that no map reaches."""
        return [
            f"output term {term} of {abridged(self.problem)} is always zero: no map into it has this symmetry"
            for term in range(len(self.hom.space_out))
            if not any(pair.term_out == term for pair in self.pairs) and not self.bias_dims[term]
        ]

    def ignored_inputs(self) -> list[str]:
        """A sentence for each input term that no map reads; none where all outputs are zero, which says as much.

        >>> import eqsynth as eq
        >>> eq.plan("SO(3)", "2x1", "1x0").ignored_inputs()
        ['input term 0 of SO(3): 2x1 -> 1x0 is ignored: no map out of it has this symmetry']
        """
        if len(self.zero_outputs()) == len(self.hom.space_out):
            return []
        return [f"{what} is ignored: no map out of it has this symmetry" for what in self._unread()]

    def notes(self) -> list[str]:
        """What a user of the layer may not expect: outputs that are always zero, and inputs that are ignored."""
        return [*self.zero_outputs(), *self.ignored_inputs()]

    def _unread(self) -> list[str]:
        problem = self.problem
        read = {number for pair in self.pairs for number in problem.terms[pair.term_in]}
        unread = [number for number in range(len(problem.inputs)) if number not in read]
        return [f"{problem.input_title(number)} {problem}" for number in unread]

    def weight_name(self, term_in: int, term_out: int) -> str:
        """The parameter's name: ``weight``, or ``weight_0_1`` in a layer of several terms."""
        return weight_name(self.problem, term_in, term_out)

    def bias_name(self, term_out: int) -> str:
        """The parameter's name: ``bias``, or ``bias_1`` in a layer of several terms."""
        return bias_name(self.problem, term_out)

    def sums(self, factor: int) -> str:
        """How the plan scales each sum over an index of a factor; maps that are tables are scaled as a whole."""
        return self.normalization if self.hom.group.indices[factor].diagrammatic else "sum"

    def sizes(self, n: int | None = None) -> dict[str, int]:
        """The value of every symbol in the costs; ``n`` where the group leaves a size open.

        Raises SymbolicError where a size is left open and none is given.
        """
        lengths: list[int] = []
        for factor in self.hom.group.factors:
            number = factor.n if isinstance(factor.n, int) else whole(n)
            if number is None:
                given = "" if n is None else f", not {shown(n)}"
                example = 4 * factor.multiple if factor.multiple > 2 else 4
                raise SymbolicError(f"{factor} leaves n open: say which, for example n={example}{given}")
            own = number if isinstance(factor.n, int) else factor.at(number).number
            lengths += factor.index_lengths(own)
        values = dict(zip(self._symbols(), lengths, strict=True))
        problem = self.problem
        for symbol, (channels, _) in zip(problem.channel_symbols, problem.inputs, strict=True):
            values[symbol] = channels
        for term, channels in enumerate(problem.space_out.channels):
            values[channel_symbol("out", term, len(problem.space_out))] = channels
        return values

    @property
    def _nominal(self) -> int:
        """The size for which plans are compared, or the next one that there is."""
        return NOMINAL_N + -NOMINAL_N % lcm(*(f.multiple for f in self.hom.group.factors if f.symbolic))

    def _symbols(self) -> list[str]:
        return size_symbols(len(self.hom.group.indices))

    def costs(self) -> Iterator[Cost]:
        """What each step costs, as polynomials in the sizes n and the channels.

        >>> import eqsynth as eq
        >>> for cost in eq.plan("O(n)", "8x2", "8x0", bias=False).costs():
        ...     print(type(cost.step).__name__, cost.multiply_adds, cost.traffic)
        Input 0 0
        Reduce 0 0
        Reduce n c_in n c_in + c_in
        Mix c_in c_out c_in + c_out
        Output 0 0
        >>> layer = eq.TensorProduct("O(n)", "4x1", "8x1", "8x0", bias=False)
        >>> for cost in layer.plan.costs():
        ...     print(type(cost.step).__name__, cost.multiply_adds, cost.traffic)
        Input 0 0
        Input 0 0
        Join n c_u c_v n c_u + n c_v + c_u c_v
        Mix c_out c_u c_v c_u c_v + c_out
        Output 0 0
        """
        return self._costing.costs()

    @property
    def mixing(self) -> Polynomial:
        """Multiply-adds per sample that mix channels: at least Schur's floor (``eqsynth.floor``).

        >>> import eqsynth as eq
        >>> print(eq.plan("O(3)", "64x3", "64x3", method="irreps").mixing)
        55 c_in c_out
        """
        terms = self.total().multiply_adds.terms
        ends = {monomial: {name[:3] for name, _ in monomial if name.startswith("c_")} for monomial in terms}
        return Polynomial({m: count for m, count in terms.items() if "c_o" in ends[m] and len(ends[m]) > 1})

    @property
    def floor(self) -> Polynomial | None:
        """The least that ``mixing`` can be, by Schur's lemma; None where it is not known without adapted bases.

        None for products too: channels may be mixed before inputs are multiplied, and the lemma is about linear maps.
        And for maps that are not all that commute with the group.
        """
        if self.problem.multilinear or self.hom.transfer:
            return None
        if any(isinstance(step, Schur) for step in self.steps):
            return self.mixing
        try:
            return floor(self.hom.group, self.hom.space_in, self.hom.space_out)
        except (GroupError, SizeError):
            return None

    @property
    def largest(self) -> Polynomial:
        """Places of the largest value that products of inputs make, each with its channels.

        >>> import eqsynth as eq
        >>> print(eq.TensorProduct("O(3)", "4x2", "4x2", "4x2").plan.largest)
        n²
        """
        products = [name for step in self.steps if isinstance(step, Join | Weigh) for name in step.writes]
        places = [self._costing.places(self.values[name].axes) for name in products]
        return max(places, key=lambda product: product(dict.fromkeys(self._symbols(), NOMINAL_N)), default=Polynomial())

    @property
    def _costing(self) -> Costing:
        return Costing(self.problem, self.steps, self.values, self.pairs, self.packs, self.parameters)

    def total(self) -> Cost:
        """The costs of all steps together; ``scratch`` is that of the step that needs most."""
        return total(list(self.costs()), self.sizes(self._nominal))

    def estimate(self, n: int | None = None, batch: int = NOMINAL_BATCH) -> int:
        """Cost of one call, in multiply-adds that take as long: what plans are chosen by.

        ``docs/benchmarks`` holds it against measured time.
        """
        return self.total().estimate(self.sizes(n or self._nominal), batch)

    def level_cost(self, axes: int, batch: int = NOMINAL_BATCH) -> int:
        """The part of the estimate that mixing channels on so many axes takes, heads aside."""
        values = self.sizes(self._nominal)
        steps = [cost for cost in self.costs() if isinstance(cost.step, Mix) and cost.step.axes == axes]
        return sum(cost.estimate(values, batch) for cost in steps)

    def __str__(self) -> str:
        return self.table()

    def table(self, screen: Screen = ANY) -> str:
        """The text of ``print(plan)``, laid out for a terminal.

        >>> import eqsynth as eq
        >>> from eqsynth.store.screen import Screen
        >>> max(map(len, eq.plan("S(n)", "1x3", "1x3").table(Screen(80)).splitlines())) <= 80
        True
        """
        costs, rows = self.total(), []
        for cost in self.costs():
            rows.append((self.describe(cost.step), str(cost.multiply_adds or ""), str(cost.traffic or "")))
        rows.append(("total", str(costs.multiply_adds), str(costs.traffic)))
        dims = ", ".join(str(pair.dim) for pair in self.pairs) or "0"
        maps = "map" if dims == "1" else "maps"
        symbols = ", ".join(
            f"{symbol} for {factor}"
            for symbol, factor in zip(self._symbols(), self.hom.group.indices, strict=True)
            if symbol != "n"
        )
        head = (
            f"plan of {abridged(self.problem)}: {dims} independent {maps}, "
            f"sums scaled by {self.normalization}; per sample:"
        )
        lines = [f"most memory beyond the input: {costs.memory + costs.scratch} elements"]
        if costs.weight_traffic:
            lines.append(
                f"once in a call, for weights: {costs.weight_memory} elements of memory, {costs.weight_traffic} moved"
            )
        if costs.weight_multiply_adds:
            lines[-1] += f", {costs.weight_multiply_adds} multiply-adds"
        if levels := [str(step.axes) for step in self.steps if isinstance(step, Mix) and step.fourier]:
            lines.append(f"Fourier transform: mixing on {' and '.join(levels)} axes")
        if symbols:
            lines.append(f"sizes: {symbols}")
        values = self.sizes(self._nominal)
        sizes = ", ".join(f"{name} = {value:,}" for name, value in values.items())
        lines.append(
            f"at {sizes}, in float32: {costs.multiply_adds(values):,} multiply-adds, "
            f"{4 * costs.traffic(values):,} bytes moved, {4 * (costs.memory + costs.scratch)(values):,} bytes of memory"
        )
        least_work = self.floor
        if least_work is not None:
            spent, floor_at = self.mixing(values), least_work(values)
            share = f", {spent / floor_at:.2f} times Schur's floor of {floor_at:,}" if floor_at else ""
            lines.append(f"mixing channels: {spent:,} of these multiply-adds{share}")
        if self.alternatives:
            (chosen, least), *others = self.alternatives
            rest = "; ".join(f"{name}: {value:,}" for name, value in others)
            lines.append(
                f"chosen: {chosen}, which costs as much as {least:,} multiply-adds for {NOMINAL_BATCH} samples ({rest})"
            )
        steps = screen.columns(("step", "multiply-adds", "elements moved"), rows)
        return "\n".join([*screen.wrapped(head), *steps, *(piece for line in lines for piece in screen.wrapped(line))])

    def describe(self, step: Step | None) -> str:
        """A step in one line; "total" for the costs of all."""
        match step:
            case None:
                return "total"
            case Input(target, number):
                return f"{target} = input {self.problem.input_name(number)}"
        return describe(step)

    def _repr_html_(self) -> str:
        """What Jupyter shows: the steps as a table."""
        from html import escape

        rows = [
            (self.describe(cost.step), str(cost.multiply_adds or ""), str(cost.traffic or "")) for cost in self.costs()
        ]
        body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>\n" for row in rows)
        heading = str(self).split("\n", 1)[0]
        return (
            f"<div><div>{escape(heading)}</div><table><thead><tr><th>step</th><th>multiply-adds</th>"
            f"<th>elements moved</th></tr></thead><tbody>\n{body}</tbody></table></div>"
        )
