"""What a plan costs, step by step: polynomials in sizes and channels, to print and to choose by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from math import factorial, perm
from operator import mul
from typing import TYPE_CHECKING

from eqsynth.bases.fourier import irreducible_dimensions, orbits
from eqsynth.diagrams.diagram import Diagram, MatrixMap
from eqsynth.exact.polynomial import Polynomial, channel_symbol, size_symbols
from eqsynth.families.hom import indices_beside
from eqsynth.plans.steps import (
    Contract,
    Couple,
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
    Tabled,
    Tied,
    Twist,
    Unpack,
    Weigh,
    summed_whole,
)
from eqsynth.spaces import exchanges
from eqsynth.spaces.space import Decomposed, Irrep, Stored, Symmetry

if TYPE_CHECKING:
    from eqsynth.families.hom import Problem
    from eqsynth.plans.infer import Packs, Value

#: An element read or written, and a call of an operator, take as long as this many multiply-adds.
ELEMENT, CALL = 4, 55_000
#: A Fourier transform takes as long as this many calls, whatever its size.
FOURIER_CALLS = 120
ZERO, ONE = Polynomial(), Polynomial.of(1)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a step costs, or a whole plan (``step`` is None), as polynomials in sizes and channels.

    Per sample: multiply-adds, elements read and written (``traffic``), elements of memory that stay until the end of
    the call (``memory``) or are given back after the step (``scratch``). Once in a call, whatever the batch, for the
    weights: ``weight_multiply_adds``, ``weight_traffic`` and ``weight_memory``.
    """

    step: Step | None
    multiply_adds: Polynomial = field(default_factory=Polynomial)
    traffic: Polynomial = field(default_factory=Polynomial)
    memory: Polynomial = field(default_factory=Polynomial)
    scratch: Polynomial = field(default_factory=Polynomial)
    weight_multiply_adds: Polynomial = field(default_factory=Polynomial)
    weight_traffic: Polynomial = field(default_factory=Polynomial)
    weight_memory: Polynomial = field(default_factory=Polynomial)
    #: Calls of torch operators, about.
    calls: int = 0

    def estimate(self, values: Mapping[str, int], batch: int) -> int:
        """The cost for a batch, in multiply-adds that take as long."""
        return int(
            batch * (self.multiply_adds(values) + ELEMENT * self.traffic(values))
            + self.weight_multiply_adds(values)
            + ELEMENT * self.weight_traffic(values)
            + CALL * self.calls
        )


def total(costs: Sequence[Cost], values: Mapping[str, int]) -> Cost:
    """The costs of all steps together; ``scratch`` is that of the step that needs most, at some sizes."""
    added = {
        name: sum((getattr(cost, name) for cost in costs), ZERO)
        for name in (
            "multiply_adds",
            "traffic",
            "memory",
            "weight_multiply_adds",
            "weight_traffic",
            "weight_memory",
        )
    }
    scratch = max((cost.scratch for cost in costs), key=lambda p: p(values))
    return Cost(None, scratch=scratch, calls=sum(cost.calls for cost in costs), **added)


class Costing:
    """What costs depend on: the problem, the types of the values, and the weights of the plan."""

    def __init__(
        self,
        problem: Problem,
        steps: Sequence[Step],
        values: Mapping[str, Value],
        pairs: Sequence[Pair],
        packs: Packs,
        parameters: str,
    ) -> None:
        self.problem, self.steps, self.values = problem, steps, values
        self.pairs, self.packs, self.parameters = pairs, packs, parameters
        #: Values with memory of their own: one of several targets of a Mix is a view.
        several = (step for step in steps if isinstance(step, Mix) and len(step.targets) > 1)
        self.views = {name for step in several for name in step.writes}

    def costs(self) -> Iterator[Cost]:
        """What each step costs, in order."""
        return map(self._cost, self.steps)

    # --- sizes ------------------------------------------------------------------------------------

    def _length(self, size: int) -> Polynomial:
        """The length of an axis."""
        symbols = size_symbols(len(self.problem.group.indices))
        if size < len(symbols):
            return Polynomial.of(symbols[size])
        index, symmetry = self.packs[size - len(symbols)]
        own = indices_beside(self.problem.group, index)
        return _entries(reduce(mul, (Polynomial.of(symbols[one]) for one in own)), symmetry)

    def _irrep(self, size: int) -> Irrep | None:
        """The irrep whose coordinates an axis has."""
        _, one = self.packs[size - len(self.problem.group.indices)]
        return one if isinstance(one, Irrep) else None

    def places(self, sizes: Iterable[int]) -> Polynomial:
        """The entries of a value with axes of these sizes, for one channel."""
        return reduce(mul, map(self._length, sizes), ONE)

    def _inputs(self, numbers: Sequence[int]) -> Polynomial:
        """The channels of a product of inputs; each channel meets its own, or each of the others."""
        symbols = self.problem.channel_symbols
        return reduce(mul, (Polynomial.of(symbols[i]) for i in (numbers if self.problem.full else numbers[:1])), ONE)

    def _in(self, term: int) -> Polynomial:
        return self._inputs(self.problem.terms[term])

    def _out(self, term: int) -> Polynomial:
        return Polynomial.of(channel_symbol("out", term, len(self.problem.space_out)))

    def _channels(self, name: str) -> Polynomial:
        value = self.values[name]
        return self._inputs(value.inputs) if value.output is None else self._out(value.output)

    def _elements(self, name: str) -> Polynomial:
        """All entries of a value, with its channels."""
        return self.places(self.values[name].axes) * self._channels(name)

    # --- one step each ----------------------------------------------------------------------------

    def _cost(self, step: Step) -> Cost:
        match step:
            case Input() | Output():
                return Cost(step)
            case Reduce(target, source, pattern, forms):
                if not step.summed:
                    return Cost(step, calls=6 if forms else 2)
                sizes, second = self.values[source].axes, [right for _, right in forms]
                summed = [z for i, z in enumerate(sizes) if pattern[i] is None and i not in second]
                memory = self._elements(target)
                multiply_adds = memory * self.places(summed)
                return Cost(step, multiply_adds, multiply_adds + memory, memory, calls=6 if forms else 2)
            case Hodge(target):
                memory = self._elements(target)
                multiply_adds = memory * perm(step.n - step.tied - step.given, step.taken)
                return Cost(step, multiply_adds, multiply_adds + memory, memory, calls=5)
            case Contract(target, source, labels, _, kept):
                new = [step.factor] * len({*kept} - {*labels})
                multiply_adds = self.places([*self.values[source].axes, *new]) * self._channels(source)
                memory = self._elements(target)
                return Cost(step, multiply_adds, self._elements(source) + memory, memory, calls=4)
            case Pack(target, source, _, size) | Unpack(target, source, _, size) if (
                irrep := self._irrep(size)
            ) is not None:
                # A product of matrices, where coordinates are not the entries.
                memory, given = self._elements(target), self._elements(source)
                products = (given * irrep.dim) if isinstance(step, Pack) else (memory * irrep.dim)
                return Cost(step, products if irrep.order > 1 else ZERO, memory + given, memory, calls=2)
            case Twist(target) | Pack(target) | Unpack(target):
                memory = self._elements(target)
                return Cost(step, ZERO, memory * 2, memory, calls=2)
            case Join():
                return self._join(step)
            case Couple(target, source, coupling):
                memory, given = self._elements(target), self._elements(source)
                products = ZERO if coupling.trivial else given * (2 * coupling.out + 1)
                return Cost(step, products, memory + given, memory, calls=2)
            case Weigh():
                return self._weigh(step)
            case Mix():
                return self._fourier(step) if step.fourier else self._tabled(step) if step.tabled else self._mix(step)
            case Spread():
                return self._spread(step)
            case Tied():
                return self._tied(step)
            case Schur():
                return self._schur(step)

    def _join(self, step: Join) -> Cost:
        left, right = step.sources
        memory = self._elements(step.target)
        multiply_adds = self.places(step.sizes) * self._channels(step.target)
        traffic = self._elements(left) + self._elements(right) + memory
        if step.entrywise and step.summed:
            return Cost(step, multiply_adds, traffic + multiply_adds * 2, memory, multiply_adds, calls=2)
        return Cost(step, multiply_adds, traffic, memory, calls=2)

    def _weigh(self, step: Weigh) -> Cost:
        own, other = (self._channels(step.sources[side]) for side in (step.first, 1 - step.first))
        mixed = self._out(step.term_out) * len(step.targets)
        alone = self._elements(step.sources[step.first]) / own
        everywhere = self.places(step.sizes)
        memory = alone * other * mixed + everywhere * mixed
        weights = own * other * mixed
        return Cost(
            step,
            alone * own * other * mixed + everywhere * other * mixed,
            self._elements(step.sources[0]) + self._elements(step.sources[1]) + memory + alone * other * mixed,
            memory,
            weight_traffic=weights * 2,
            weight_memory=weights,
            calls=6,
        )

    def _mix(self, step: Mix) -> Cost:
        wide_in = [self._in(operand.term) for operand in step.operands]
        wide_out = sum((self._out(target.term) for target in step.targets), ZERO)
        # The weights are brought into the order of the matrix once in a call.
        weights = self._weights(step)
        places = self.places(step.sizes)
        memory = places * wide_out
        scratch, traffic = ZERO, places * sum(wide_in, ZERO) + memory * (2 * step.products - 1)
        if len(step.operands) > 1 or any(o.middle != tuple(range(step.axes)) for o in step.operands):
            per = -(-len(step.operands) // step.products)
            scratch = places * sum(wide_in[:per], ZERO)
            traffic += places * sum(wide_in, ZERO) * 2
        calls = 5 + 2 * len(step.operands) + len(step.targets)
        return Cost(step, weights * places, traffic, memory, scratch, ZERO, weights * 2, weights, calls)

    def _tabled(self, step: Mix) -> Cost:
        """A mix that applies tables: its matrix is made once in a call, of all tables, and has rows for their axes."""
        assert step.tabled  # noqa: S101 - such steps come here
        wide_in = sum((self._in(operand.term) for operand in step.operands), ZERO)
        wide_out = sum((self._out(target.term) for target in step.targets), ZERO)
        rows, columns = self.places(step.tabled.given) * wide_out, self.places(step.tabled.taken) * wide_in
        riding, entries = self.places(step.sizes), rows * columns
        combined = ZERO if step.tabled.orbits else self._combined(step.tabled) * wide_in * wide_out
        memory, moved = riding * rows, riding * columns
        calls = 12 + 2 * len(step.operands) + len(step.targets)
        return Cost(
            step, entries * riding, moved * 3 + memory, memory, moved, combined, entries * 4, entries * 2, calls
        )

    def _combined(self, tabled: Tabled) -> Polynomial:
        """What it takes to add up tables that are not disjoint, for a pair of channels."""
        grid = tabled.grid
        if grid is None:
            return self.places((*tabled.taken, *tabled.given)) * len(tabled.maps)
        # Factor by factor, from the last: a graph is a sum of orbits, of which there are about as many; a matrix of all
        # entries.
        cells, work, maps = ONE, ZERO, len(tabled.maps)
        for factor, own in reversed([*zip(tabled.factors, grid, strict=True)]):
            entries = self.places([factor] * tabled.axes(factor))
            cells *= entries if any(isinstance(part, MatrixMap) for part in own) else Polynomial.of(len(own))
            work += cells * maps
            maps //= len(own)
        return work

    def _weights(self, step: Mix) -> Polynomial:
        """The entries of the matrix of a mix that are weights."""
        counts: dict[tuple[int, int], int] = {}
        for entry in step.entries:
            pair = step.operands[entry.operand].term, step.targets[entry.target].term
            counts[pair] = counts.get(pair, 0) + 1
        return sum((self._in(i) * self._out(o) * count for (i, o), count in counts.items()), ZERO)

    def _fourier(self, step: Mix) -> Cost:
        """A mix by Fourier transform over the permutations of its axes."""
        wide = sum((self._in(operand.term) for operand in step.sources), ZERO)
        wide_out = sum((self._out(target.term) for target in step.targets), ZERO)
        weights, places = self._weights(step), self.places(step.sizes)
        count, dims = factorial(step.axes), irreducible_dimensions(step.axes)
        sets = orbits(self._length(step.sizes[0]), step.axes)
        rows = sets * count
        # Each row that is transformed adds up ``count`` others; the rows are multiplied, and transformed back.
        # Products of several sizes are joined before.
        joined = 2 if step.axes > 2 else 0
        traffic = rows * wide * (count + 2) + rows * wide_out * (count + 1 + joined) + places * wide_out
        if len(step.sources) > 1:
            traffic += places * wide * 2
        pairs = [(pair, self._in(pair.term_in) * self._out(pair.term_out)) for pair in self._summed(step)]
        added = sum((channels * len(pair.sums) for pair, channels in pairs), ZERO)
        held = sum((channels * pair.dim for pair, channels in pairs), ZERO)
        return Cost(
            step,
            # Each orbit takes sum of f^3 products of matrices.
            sets * wide * wide_out * sum(f**3 for f in dims) + rows * count * (wide + wide_out),
            traffic,
            places * wide_out,
            rows * 2 * (wide + wide_out),
            weights * count + added,
            weights * 6 + added * 3 + held * 2,
            weights * 3 + held,
            FOURIER_CALLS + 5 * len(dims),
        )

    def _summed(self, step: Mix) -> list[Pair]:
        """The pairs whose weights are summed for Fourier transforms, where a step is the first that is one."""
        first = next(other for other in self.steps if isinstance(other, Mix) and other.fourier)
        return [pair for pair in self.pairs if pair.sums] if step is first else []

    def _spread(self, step: Spread) -> Cost:
        wide = self._out(step.term)
        touched = ZERO
        for part in step.parts:
            second = [right for _, right in part.forms]
            first = {axis: i for i, axis in reversed(list(enumerate(part.pattern))) if axis is not None}
            touched += self.places(
                step.sizes[i]
                for i, axis in enumerate(part.pattern)
                if (axis is None or first[axis] == i) and i not in second
            )
        memory = ZERO
        if not any(_stays(part) and part.source not in self.views for part in step.parts):
            spanned = [size for i, size in enumerate(step.sizes) if any(_spans(part, i) for part in step.parts)]
            memory = self.places(spanned) * wide
        calls = sum(6 if part.forms else 2 for part in step.parts)
        return Cost(step, touched * wide, touched * wide * 2, memory, calls=calls)

    def _tied(self, step: Tied) -> Cost:
        wide, group = self._out(step.term), self.problem.group
        weight_multiply_adds = weight_traffic = weight_memory = multiply_adds = traffic = ZERO
        for table in step.tables:
            channels = self._channels(table.source) * wide
            entries = self._elements(table.source) * self.places(step.sizes) * wide
            maps = len(table.elements)
            weight_traffic += entries * 2
            weight_memory += entries + channels * maps
            if summed_whole(group, table.elements):
                weight_multiply_adds += entries * maps
            else:
                graphs = sum(isinstance(element, Diagram) for element in table.elements)
                weight_multiply_adds += channels * (graphs * maps)
            multiply_adds += entries
            traffic += self._elements(table.source)
        memory = self._elements(step.target)
        traffic += memory * len(step.tables)
        once = weight_multiply_adds, weight_traffic, weight_memory
        return Cost(step, multiply_adds, traffic, memory, ZERO, *once, 20 * len(step.tables))

    def _schur(self, step: Schur) -> Cost:
        multiply_adds = traffic = memory = weight_multiply_adds = weight_traffic = weight_memory = ZERO
        calls = 6
        for into, ends in ((True, step.sources), (False, step.targets)):
            for end in ends:
                wide, sizes = self._end(into, end), step.sizes(into, end.order)
                if not step.changes(into, end.order):
                    # Parts are taken out of it, or joined to it.
                    traffic += wide * sum(rows for rows, _ in sizes)
                    memory += wide * sum(rows for rows, _ in sizes)
                    continue
                rows, places = sum(r for r, _ in sizes), sum(p for _, p in sizes)
                multiply_adds += wide * sum(r * p for r, p in sizes)
                # Gathered if in classes, changed, brought into the order of the products or out of it.
                traffic += wide * (3 * rows + places + (2 * places if step.factored else 0))
                memory += wide * (2 * rows + (places if step.factored or not into else 0))
                if step.factored:
                    # Every run of classes that are alike has its own product, and its own piece of every part.
                    calls += 3 + 3 * len({*sizes}) * len(step.bases.irreps)
        for part in step.bases.irreps:
            columns = part.dim // part.division
            wide_in = sum((self._end(True, end) * part.copies_in[end.order] for end in step.sources), ZERO)
            wide_out = sum((self._end(False, end) * part.copies_out[end.order] for end in step.targets), ZERO)
            multiply_adds += wide_in * wide_out * columns
            traffic += (wide_in + wide_out) * columns
            weight_traffic += wide_in * wide_out * 2
            weight_memory += wide_in * wide_out
            calls += 6
        for pair in self.pairs:
            source = next(end for end in step.sources if end.term == pair.term_in)
            target = next(end for end in step.targets if end.term == pair.term_out)
            blocks = [p.copies_in[source.order] * p.copies_out[target.order] for p in step.bases.irreps]
            channels = self._in(pair.term_in) * self._out(pair.term_out)
            calls += 2 + 3 * len(blocks) - 2 * blocks.count(1)
            if self.parameters == "diagrams":
                weight_multiply_adds += channels * (sum(blocks) * pair.dim)
                weight_traffic += channels * (sum(blocks) + pair.dim)
                weight_memory += channels * sum(blocks)
        calls += 4 * len(step.constants)
        once = weight_multiply_adds, weight_traffic, weight_memory
        return Cost(step, multiply_adds, traffic, memory, ZERO, *once, 16 if step.simple else calls)

    def _end(self, into: bool, end: Source) -> Polynomial:
        """The channels of a source or target of a Schur step."""
        return self._in(end.term) if into else self._out(end.term)


def _entries(n: Polynomial, symmetry: Stored) -> Polynomial:
    """How many independent entries a tensor has: a polynomial in n, of symmetric tensors a binomial coefficient."""
    if isinstance(symmetry, Irrep):
        return Polynomial.of(symmetry.dim)
    if isinstance(symmetry, Decomposed):
        return _entries(n, symmetry.full) if isinstance(symmetry.full, Symmetry) else n**symmetry.order
    coefficients = exchanges.length_coefficients(symmetry.kind, symmetry.order)
    return sum((count * n**power for power, count in enumerate(coefficients)), ZERO) / symmetry.size


def _spans(part: Part, axis: int) -> bool:
    """Whether a part needs an axis of the target at its full length."""
    return part.pattern[axis] is not None or any(axis in pair for pair in part.forms)


def _stays(part: Part) -> bool:
    """Whether the part is already in place, so that the others can be added to it."""
    return part.pattern == tuple(range(len(part.pattern))) and not part.forms and part.sign > 0
