"""The plan of a layer: a straight-line program of a few steps at the level of the mathematics.

A plan has three readers: ``interpret`` (NumPy, the reference meaning), ``emit`` (PyTorch source) and
``draw``. Every value is a tensor (batch, n, ..., n, channels) with ``axes`` axes of length n.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from math import factorial, perm
from operator import mul

from eqsynth.bases.adapted import Adapted
from eqsynth.bases.fourier import Sums, irreducible_dimensions, orbits
from eqsynth.bases.schur import floor
from eqsynth.diagrams.diagram import LETTERS, Diagram, Element, MatrixMap
from eqsynth.errors import GroupError, SizeError, SymbolicError, abridged, shown
from eqsynth.exact.numbers import whole
from eqsynth.exact.polynomial import Polynomial, channel_symbol, size_symbols
from eqsynth.families.hom import Hom
from eqsynth.spaces.space import Order, Symmetry, entries_of, stored_packed
from eqsynth.spaces.space import axis_counts as each_of

#: For each axis of a source the axis of the target that it becomes, or None where it is summed.
Pattern = tuple[int | None, ...]

#: The power of n by which a sum over an index of length n is scaled, and of its squares by which a map is.
POWERS = {"variance": -0.5, "mean": -1.0, "sum": 0.0}
NORMALIZATIONS = tuple(POWERS)

#: The size and the batch for which plans are compared where they are open.
NOMINAL_N, NOMINAL_BATCH = 16, 32
#: An element read or written, and a call of an operator, take as long as this many multiply-adds.
MOVE, CALL = 4, 55_000
#: A Fourier transform takes as long as this many calls, whatever its size.
FOURIER_CALLS = 120

#: Ways to compute a layer: diagram by diagram with shared work, the same with a Fourier transform over the
#: permutations of transferred axes, in bases adapted to irreducible parts, as one matrix with tied entries.
METHODS = ("diagrams", "fourier", "irreps", "matrix")
#: What weights can be: coefficients of diagrams, or entries of the blocks of the irreps.
PARAMETERS = ("diagrams", "blocks")

#: Pairs of axes joined by the symplectic form.
Forms = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Input:
    """``target`` is the input tensor of one term; ``sizes`` names, for each axis, the factor of the group."""

    target: str
    term: int
    sizes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Reduce:
    """Source axes that share a target axis are restricted to their diagonal; None axes are summed.

    ``pattern`` has one entry per source axis. Each summed axis is scaled as the plan says. The pairs of
    summed axes in ``forms`` are contracted with the symplectic form instead, scaled once.
    """

    target: str
    source: str
    pattern: Pattern
    forms: Forms = ()

    @property
    def axes(self) -> int:
        """Axes of the target."""
        return len({axis for axis in self.pattern if axis is not None})

    @property
    def summed(self) -> int:
        """Sums over one index each."""
        return self.pattern.count(None) - len(self.forms)


@dataclass(frozen=True, slots=True)
class Hodge:
    """Contraction with the Levi-Civita tensor: antisymmetrise, then the Hodge star.

    ``order`` puts the source axes as (carried, tied, taken); the target has (carried, tied, given), where
    target[.., K, J] = scale * sum over I (and the missing label, if any) of epsilon(K, J, I) source[.., K, I].
    K has ``tied`` axes, J has ``given``, I has ``taken``, all of length n, the size of ``factor``.
    """

    target: str
    source: str
    order: tuple[int, ...]
    factor: int
    n: int
    tied: int
    taken: int
    given: int

    @property
    def carried(self) -> int:
        """Axes that the tensor does not touch."""
        return len(self.order) - self.tied - self.taken


@dataclass(frozen=True, slots=True)
class Contract:
    """Contraction with the adjacency matrix A of the graph of Aut(G).

    target[kept] = sum over the other labels of the product of A[u, v] over ``edges`` (u, v) times
    source[labels]. A label of ``kept`` that is not in ``labels`` is a new axis; one that is in neither is
    an internal vertex.
    """

    target: str
    source: str
    labels: tuple[int, ...]
    edges: tuple[tuple[int, int], ...]
    kept: tuple[int, ...]

    @property
    def along(self) -> tuple[int, bool] | None:
        """The axis that is multiplied by A, and whether by its transpose; None where A is a factor instead."""
        left = [place for place, label in enumerate(self.labels) if label not in self.kept]
        if len(self.edges) != 1 or len(left) != 1 or len(self.kept) != len(self.labels):
            return None
        ((place,), (tail, _)) = left, self.edges[0]
        return place, tail == self.labels[place]


@dataclass(frozen=True, slots=True)
class Operand:
    """One tensor that enters a Mix: axis i is axis ``middle[i]`` of ``source``."""

    source: str
    term: int
    middle: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """One tensor that a Mix makes, for one term of the output space."""

    name: str
    term: int


@dataclass(frozen=True, slots=True)
class Entry:
    """Element ``element`` of the basis (operand's term -> target's term) joins operand and target."""

    target: int
    operand: int
    element: int
    sign: int = 1


@dataclass(frozen=True, slots=True)
class Mix:
    """Channel mixing for all diagrams with the same transferred axes: one matrix product.

    target[..., o] = sum over entries and channels i of sign weight[element, o, i] * operand[..., i], plus
    bias[element, o] for the ``biases``, entries whose operand is -1. ``sizes``: the factor of each axis.
    With several ``products`` the operands are taken in as many groups, one product after the other, so that
    their copies need less memory.

    With ``fourier`` the targets are zero where two labels agree. Operands are sources in all orders of their
    axes, and one product is made for each irreducible part of the permutations of the axes.
    """

    sizes: tuple[int, ...]
    operands: tuple[Operand, ...]
    targets: tuple[Target, ...]
    entries: tuple[Entry, ...]
    biases: tuple[Entry, ...] = ()
    products: int = 1
    fourier: bool = False

    @property
    def axes(self) -> int:
        """Axes of operands and targets."""
        return len(self.sizes)

    @property
    def sources(self) -> tuple[Operand, ...]:
        """The operands, each source once."""
        return tuple({operand.source: operand for operand in reversed(self.operands)}.values())[::-1]


@dataclass(frozen=True, slots=True)
class Part:
    """One summand of a Spread. ``pattern``: for each target axis, the axis of ``source``, or None to repeat.

    Target axes that share a source axis are a diagonal: the summand is zero off it. Along the pairs of
    axes in ``forms`` the summand carries the symplectic form. It is added or, with ``sign`` -1, subtracted.
    """

    source: str
    pattern: Pattern
    forms: Forms = ()
    sign: int = 1


@dataclass(frozen=True, slots=True)
class Spread:
    """The transpose of Reduce: ``target`` is the sum of its parts, placed on its axes."""

    target: str
    term: int
    sizes: tuple[int, ...]
    parts: tuple[Part, ...]

    @property
    def axes(self) -> int:
        """Axes of the target."""
        return len(self.sizes)


@dataclass(frozen=True, slots=True)
class Table:
    """The maps from one input term in a Tied step, in the order of their weights, from weight ``first`` on."""

    source: str
    term: int
    elements: tuple[Element, ...]
    first: int = 0


@dataclass(frozen=True, slots=True)
class Tied:
    """A dense matrix whose entries are tied: target = sum over tables and elements of weight, scale, matrix.

    For maps that are tables (orbits, exact kernels), and for bilabelled graphs where that costs less. Each
    element is scaled by a power of the largest sum of squares in a row of its matrix. ``constants`` are the
    elements of the bias, from ``first`` on.
    """

    target: str
    term: int
    sizes: tuple[int, ...]
    tables: tuple[Table, ...]
    constants: tuple[Element, ...]
    first: int = 0


@dataclass(frozen=True, slots=True)
class Source:
    """A tensor that enters a Schur step: ``order`` is its place among the orders of the adapted bases."""

    name: str
    term: int
    order: int


@dataclass(frozen=True, slots=True)
class Schur:
    """All maps at once, in bases in which each is one small matrix per irreducible part.

    The sources are brought into the adapted bases; channels and copies of each part are mixed by one matrix product,
    whose matrix is linear in the weights; the targets are brought back. ``factored``: the change of basis is made
    class of positions by class, else it is one matrix.
    """

    sources: tuple[Source, ...]
    targets: tuple[Source, ...]
    bases: Adapted
    factored: bool

    @property
    def simple(self) -> bool:
        """Whether every part is there once in one input and once in one output: a product for each row will do."""
        alone = len(self.sources) == len(self.targets) == 1 and not self.factored
        return alone and all(p.copies_in == p.copies_out == (1,) for p in self.bases.irreps)

    def sizes(self, into: bool, order: int) -> list[tuple[int, int]]:
        """Rows and positions of the matrices that change the basis of an order."""
        side = 0 if into else 1
        copies = [part.copies_in[order] if into else part.copies_out[order] for part in self.bases.irreps]
        found = []
        for number, each in enumerate(self.bases.classes):
            rows = sum(part.columns[number] * m for part, m in zip(self.bases.irreps, copies, strict=True))
            found.append((rows, len(each[side][order])))
        if self.factored:
            return [pair for pair in found if pair[0]]
        return [(sum(rows for rows, _ in found), sum(there for _, there in found))]


@dataclass(frozen=True, slots=True)
class Pack:
    """The source, symmetric or alternating in the axes from ``start`` on, with one axis for them: each entry once.

    ``size`` is the size of the new axis, beyond the factors of the group a place in ``Plan.packs``; entries are
    ordered as tuples of ascending indices.
    """

    target: str
    source: str
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class Unpack:
    """The same the other way round: the axis ``start`` of the source becomes axes of length n again."""

    target: str
    source: str
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class Output:
    """The output tensor of one term is ``source``; None where it is always zero."""

    term: int
    source: str | None


Step = Input | Reduce | Hodge | Contract | Mix | Spread | Tied | Schur | Pack | Unpack | Output


@dataclass(frozen=True, slots=True)
class Pair:
    """The parameters of one (input term, output term): ``dim`` weights of basis elements.

    ``variances``: the variance of a weight at initialisation, times the fan-in, per element.
    ``gains``: for each factor the quarter powers of n by which weights are multiplied (``lower.gains``).
    ``squares``: the largest sum of squares in a row of each map, where maps are scaled as a whole.
    ``sums``: what is added to weights before the steps use them, where some mix different labels alone.
    """

    term_in: int
    term_out: int
    dim: int
    gains: tuple[int, ...]
    variances: tuple[float, ...]
    squares: tuple[int, ...] = ()
    sums: Sums = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """A layer as a program. ``print(plan)`` shows its steps and their cost.

    >>> import eqsynth as eq
    >>> plan = eq.plan("S(n)", "16x2", "32x1")
    >>> plan.dims
    {(0, 0): 5}
    >>> [type(step).__name__ for step in plan.steps]
    ['Input', 'Reduce', 'Reduce', 'Reduce', 'Reduce', 'Reduce', 'Mix', 'Mix', 'Spread', 'Output']
    """

    hom: Hom
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
    packs: tuple[tuple[int, Symmetry], ...] = ()

    def axes(self, order: Order) -> tuple[int, ...]:
        """The sizes of the axes of a tensor as it is stored: factors of the group, beyond them places in ``packs``."""
        return stored_axes(order, self.packs)

    def unpacked(self, sizes: Sequence[int], step: Pack | Unpack) -> tuple[int, ...]:
        """The sizes of a step's source (Pack) or target (Unpack), from those where the axes are packed."""
        factor, symmetry = self.packs[step.size - len(self.hom.group.factors)]
        return (*sizes[: step.start], *[factor] * symmetry.order, *sizes[step.start + 1 :])

    def packed(self, sizes: Sequence[int], step: Pack | Unpack) -> tuple[int, ...]:
        """The same the other way round."""
        _, symmetry = self.packs[step.size - len(self.hom.group.factors)]
        return (*sizes[: step.start], step.size, *sizes[step.start + symmetry.order :])

    @property
    def asked(self) -> str:
        """The method to ask for to get this plan: "auto" where it was chosen."""
        return "auto" if self.alternatives else self.method

    @property
    def dims(self) -> dict[tuple[int, int], int]:
        """Independent maps for each (input term, output term)."""
        return {(pair.term_in, pair.term_out): pair.dim for pair in self.pairs}

    def zero_outputs(self) -> list[str]:
        """A sentence for each output term that no map reaches."""
        return [
            f"output term {term} of {abridged(self.hom)} is always zero: no map into it has this symmetry"
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
        read = {pair.term_in for pair in self.pairs}
        return [f"input term {term} of {self.hom}" for term in range(len(self.hom.space_in)) if term not in read]

    def weight_name(self, term_in: int, term_out: int) -> str:
        """The parameter's name: ``weight``, or ``weight_0_1`` in a layer of several terms."""
        single = len(self.hom.space_in) == len(self.hom.space_out) == 1
        return "weight" if single else f"weight_{term_in}_{term_out}"

    def bias_name(self, term_out: int) -> str:
        """The parameter's name: ``bias``, or ``bias_1`` in a layer of several terms."""
        single = len(self.hom.space_in) == len(self.hom.space_out) == 1
        return "bias" if single else f"bias_{term_out}"

    @property
    def sums(self) -> str:
        """How the plan scales each sum over an index: maps that are tables are scaled as a whole instead."""
        return self.normalization if self.hom.group.diagrammatic else "sum"

    def sizes(self, n: int | None = None) -> dict[str, int]:
        """The value of every symbol in the costs; ``n`` where the group leaves a size open."""
        values = {}
        for symbol, factor in zip(self._symbols(), self.hom.group.factors, strict=True):
            number = factor.n if isinstance(factor.n, int) else whole(n)
            if number is None:
                given = "" if n is None else f", not {shown(n)}"
                raise SymbolicError(f"{factor} leaves n open: say which, for example n=4{given}")
            values[symbol] = number if isinstance(factor.n, int) else factor.at(number).number
        for side, space in (("in", self.hom.space_in), ("out", self.hom.space_out)):
            for term, channels in enumerate(space.channels):
                values[channel_symbol(side, term, len(space))] = channels
        return values

    def _symbols(self) -> list[str]:
        return size_symbols(len(self.hom.group.factors))

    def costs(self) -> Iterator[Cost]:
        """What each step costs, as polynomials in the sizes n and the channels.

        >>> import eqsynth as eq
        >>> for cost in eq.plan("O(n)", "8x2", "8x0", bias=False).costs():
        ...     print(type(cost.step).__name__, cost.work, cost.moved)
        Input 0 0
        Reduce 0 0
        Reduce n c_in n c_in + c_in
        Mix c_in c_out c_in + c_out
        Output 0 0
        """
        symbols = [Polynomial.of(symbol) for symbol in self._symbols()]
        symbols += [_length(symbols[factor], symmetry) for factor, symmetry in self.packs]
        spaces = {"in": self.hom.space_in, "out": self.hom.space_out}
        #: The sizes of the axes of each value, and its channels.
        shape: dict[str, tuple[tuple[int, ...], Polynomial]] = {}
        none = Polynomial()
        #: Values with memory of their own: one of several targets of a Mix is a view.
        alone = {
            name
            for step in self.steps
            for name in ([t.name for t in step.targets] if isinstance(step, Mix) else [getattr(step, "target", "")])
            if not isinstance(step, Mix) or len(step.targets) == 1
        }

        def places(sizes: Iterable[int]) -> Polynomial:
            return reduce(mul, (symbols[factor] for factor in sizes), Polynomial.of(1))

        def elements(name: str) -> Polynomial:
            sizes, channels = shape[name]
            return places(sizes) * channels

        def channels(side: str, term: int) -> Polynomial:
            return Polynomial.of(channel_symbol(side, term, len(spaces[side])))

        for step in self.steps:
            work, moved, kept, passing = none, none, none, none
            match step:
                case Input(target, term, sizes):
                    shape[target] = sizes, channels("in", term)
                case Reduce(target, source, pattern, forms):
                    sizes, wide = shape[source]
                    left = {axis: sizes[place] for place, axis in enumerate(pattern) if axis is not None}
                    shape[target] = tuple(left[axis] for axis in sorted(left)), wide
                    if step.summed:
                        second = [right for _, right in forms]
                        summed = [z for i, z in enumerate(sizes) if pattern[i] is None and i not in second]
                        work = places([*shape[target][0], *summed]) * wide
                        kept = elements(target)
                        moved = work + kept
                case Hodge(target, source, order, factor):
                    sizes, wide = shape[source]
                    held = [sizes[axis] for axis in order[: step.carried + step.tied]]
                    shape[target] = (*held, *[factor] * step.given), wide
                    kept = elements(target)
                    work = kept * perm(step.n - step.tied - step.given, step.taken)
                    moved = work + kept
                case Contract(target, source, labels, _, left):
                    _, wide = shape[source]
                    shape[target] = (0,) * len(left), wide
                    kept = elements(target)
                    work = places([0] * len({*labels, *left})) * wide
                    moved = elements(source) + kept
                case Mix(sizes, operands, targets, entries):
                    wide_in = [channels("in", operand.term) for operand in operands]
                    wide_out = sum((channels("out", target.term) for target in targets), none)
                    for entry in entries:
                        work += wide_in[entry.operand] * channels("out", targets[entry.target].term)
                    # The weights are brought into the order of the matrix once in a call.
                    once = work
                    work *= places(sizes)
                    for each in targets:
                        shape[each.name] = sizes, channels("out", each.term)
                    kept = places(sizes) * wide_out
                    if step.fourier:
                        wide = sum((channels("in", operand.term) for operand in step.sources), none)
                        yield self._fourier_cost(step, once, places(sizes), symbols[sizes[0]], wide, wide_out)
                        continue
                    if len(operands) > 1 or any(o.middle != tuple(range(step.axes)) for o in operands):
                        per = -(-len(operands) // step.products)
                        passing = places(sizes) * sum(wide_in[:per], none)
                        moved = places(sizes) * sum(wide_in, none) * 2
                    moved += places(sizes) * sum(wide_in, none) + kept * (2 * step.products - 1)
                    calls = 5 + 2 * len(operands) + len(targets)
                    yield Cost(step, work, moved, kept, passing, none, once * 2, once, calls)
                    continue
                case Spread(target, term, sizes, parts):
                    wide = channels("out", term)
                    shape[target] = sizes, wide
                    for part in parts:
                        second = [right for _, right in part.forms]
                        first = {axis: i for i, axis in reversed(list(enumerate(part.pattern))) if axis is not None}
                        touched = [
                            sizes[i]
                            for i, axis in enumerate(part.pattern)
                            if (axis is None or first[axis] == i) and i not in second
                        ]
                        work += places(touched) * wide
                        moved += places(touched) * wide * 2
                    if not any(_stays(part) and part.source in alone for part in parts):
                        kept = places([z for i, z in enumerate(sizes) if any(_spans(p, i) for p in parts)]) * wide
                case Tied(target, term, sizes, tables, _):
                    wide = channels("out", term)
                    shape[target] = sizes, wide
                    once, once_work, memory = none, none, none
                    for table in tables:
                        entries_of = places([*shape[table.source][0], *sizes]) * shape[table.source][1] * wide
                        graphs = sum(isinstance(element, Diagram) for element in table.elements)
                        once += entries_of * 2
                        memory += entries_of + shape[table.source][1] * wide * len(table.elements)
                        if self.hom.group.diagrammatic or isinstance(table.elements[0], MatrixMap):
                            once_work += entries_of * len(table.elements)
                        else:
                            once_work += shape[table.source][1] * wide * (graphs * len(table.elements))
                        work += entries_of
                        moved += elements(table.source)
                    kept = elements(target)
                    calls = 20 * len(tables)
                    yield Cost(step, work, moved + kept * len(tables), kept, none, once_work, once, memory, calls)
                    continue
                case Schur():
                    yield self._schur(step)
                    for end in step.targets:
                        counts = each_of(self.hom.space_out.orders[end.term])
                        axes = tuple(factor for factor, count in enumerate(counts) for _ in range(count))
                        shape[end.name] = axes, channels("out", end.term)
                    continue
                case Pack(target, source):
                    sizes, wide = shape[source]
                    shape[target] = self.packed(sizes, step), wide
                    kept = elements(target)
                    moved = kept * 2
                case Unpack(target, source):
                    sizes, wide = shape[source]
                    shape[target] = self.unpacked(sizes, step), wide
                    kept = elements(target)
                    moved = kept * 2
                case Output():
                    pass
            calls = {Input: 0, Output: 0, Hodge: 5, Contract: 4}.get(type(step), 2)
            if isinstance(step, Spread):
                calls = sum(6 if part.forms else 2 for part in step.parts)
            elif isinstance(step, Reduce) and step.forms:
                calls = 6
            yield Cost(step, work, moved, kept, passing, calls=calls)

    def _schur(self, step: Schur) -> Cost:
        """What a Schur step costs."""
        none = Polynomial()
        work = moved = kept = passing = once_work = once = memory = none
        calls = 6
        ends = ((True, step.sources, self.hom.space_in), (False, step.targets, self.hom.space_out))
        for into, listed, space in ends:
            for end in listed:
                wide = Polynomial.of(channel_symbol("in" if into else "out", end.term, len(space)))
                sizes = step.sizes(into, end.order)
                rows, places = sum(r for r, _ in sizes), sum(p for _, p in sizes)
                work += wide * sum(r * p for r, p in sizes)
                # Gathered if in classes, changed, brought into the order of the products or out of it.
                moved += wide * (3 * rows + places + (2 * places if step.factored else 0))
                kept += wide * (2 * rows + (places if step.factored or not into else 0))
                if step.factored:
                    # Every run of classes that are alike has its own product, and its own piece of every part.
                    calls += 3 + 3 * len({*sizes}) * len(step.bases.irreps)
        for part in step.bases.irreps:
            columns = part.dim // part.division
            into_part = sum((self._wide("in", end) * part.copies_in[end.order] for end in step.sources), none)
            back_part = sum((self._wide("out", end) * part.copies_out[end.order] for end in step.targets), none)
            work += into_part * back_part * columns
            moved += (into_part + back_part) * columns
            once += into_part * back_part * 2
            memory += into_part * back_part
            calls += 6
        for pair in self.pairs:
            source = next(end for end in step.sources if end.term == pair.term_in)
            target = next(end for end in step.targets if end.term == pair.term_out)
            entries = sum(p.copies_in[source.order] * p.copies_out[target.order] for p in step.bases.irreps)
            weights = self._wide("in", source) * self._wide("out", target)
            single = sum(p.copies_in[source.order] * p.copies_out[target.order] == 1 for p in step.bases.irreps)
            calls += 2 + 3 * len(step.bases.irreps) - 2 * single
            if self.parameters == "diagrams":
                once_work += weights * (entries * pair.dim)
                once += weights * (entries + pair.dim)
                memory += weights * entries
        calls = 16 if step.simple else calls
        return Cost(step, work, moved, kept, passing, once_work, once, memory, calls)

    def _wide(self, side: str, end: Source) -> Polynomial:
        space = self.hom.space_in if side == "in" else self.hom.space_out
        return Polynomial.of(channel_symbol(side, end.term, len(space)))

    @property
    def mixing(self) -> Polynomial:
        """Multiply-adds per sample that mix channels: at least Schur's floor (``eqsynth.floor``).

        >>> import eqsynth as eq
        >>> print(eq.plan("O(3)", "64x3", "64x3", method="irreps").mixing)
        55 c_in c_out
        """
        work = self.total().work
        return Polynomial(
            {m: value for m, value in work.terms.items() if {"c_i", "c_o"} <= {name[:3] for name, _ in m}}
        )

    @property
    def floor(self) -> Polynomial | None:
        """The least that ``mixing`` can be, by Schur's lemma; None where it is not known without adapted bases."""
        if any(isinstance(step, Schur) for step in self.steps):
            return self.mixing
        try:
            return floor(self.hom.group, self.hom.space_in, self.hom.space_out)
        except (GroupError, SizeError):
            return None

    def _fourier_cost(
        self, step: Mix, weights: Polynomial, places: Polynomial, n: Polynomial, wide: Polynomial, wide_out: Polynomial
    ) -> Cost:
        """What a Mix by Fourier transform costs: ``wide`` channels go in and ``wide_out`` come out."""
        count, dims = factorial(step.axes), irreducible_dimensions(step.axes)
        sets = orbits(n, step.axes)
        rows = sets * count
        # Each orbit takes sum of f^3 products of matrices.
        work = sets * wide * wide_out * sum(f**3 for f in dims) + rows * count * (wide + wide_out)
        # Each row that is transformed adds up ``count`` others; the rows are multiplied, and transformed back.
        # Products of several sizes are joined before.
        joined = 2 if step.axes > 2 else 0
        moved = rows * wide * (count + 2) + rows * wide_out * (count + 1 + joined) + places * wide_out
        if len(step.sources) > 1:
            moved += places * wide * 2
        pairs = [(pair, self._channel_pair(pair)) for pair in self.pairs if self._first(step, pair)]
        added = sum((channels * len(pair.sums) for pair, channels in pairs), Polynomial())
        held = sum((channels * pair.dim for pair, channels in pairs), Polynomial())
        return Cost(
            step,
            work,
            moved,
            places * wide_out,
            rows * 2 * (wide + wide_out),
            weights * count + added,
            weights * 6 + added * 3 + held * 2,
            weights * 3 + held,
            FOURIER_CALLS + 5 * len(dims),
        )

    def _first(self, step: Mix, pair: Pair) -> bool:
        """Whether a step is where the sums of a pair's weights are counted."""
        steps = [other for other in self.steps if isinstance(other, Mix) and other.fourier]
        return bool(pair.sums) and step is steps[0]

    def _channel_pair(self, pair: Pair) -> Polynomial:
        names = (("in", pair.term_in, self.hom.space_in), ("out", pair.term_out, self.hom.space_out))
        return reduce(mul, (Polynomial.of(channel_symbol(side, term, len(space))) for side, term, space in names))

    def total(self) -> Cost:
        """The costs of all steps together; ``passing`` is that of the step that needs most."""
        values = self.sizes(NOMINAL_N)
        costs = list(self.costs())
        added = {
            name: sum((getattr(cost, name) for cost in costs), Polynomial())
            for name in ("work", "moved", "kept", "once_work", "once_moved", "once_kept")
        }
        passing = max((cost.passing for cost in costs), key=lambda p: p(values))
        return Cost(None, passing=passing, calls=sum(cost.calls for cost in costs), **added)

    def estimate(self, n: int | None = None, batch: int = NOMINAL_BATCH) -> int:
        """Cost of one call, in multiply-adds that take as long: what plans are chosen by.

        ``docs/benchmarks`` holds it against measured time.
        """
        values, total = self.sizes(n or NOMINAL_N), self.total()
        return total.estimate(values, batch)

    def level_cost(self, axes: int, batch: int = NOMINAL_BATCH) -> int:
        """The part of the estimate that mixing channels on so many axes takes, heads aside."""
        values = self.sizes(NOMINAL_N)
        steps = [cost for cost in self.costs() if isinstance(cost.step, Mix) and cost.step.axes == axes]
        return sum(cost.estimate(values, batch) for cost in steps)

    def __str__(self) -> str:
        total = self.total()
        rows = [("step", "multiply-adds", "elements moved")]
        for cost in self.costs():
            rows.append((self.describe(cost.step), str(cost.work or ""), str(cost.moved or "")))
        rows.append(("total", str(total.work), str(total.moved)))
        wide = [max(len(row[column]) for row in rows) for column in range(3)]
        dims = ", ".join(str(pair.dim) for pair in self.pairs) or "0"
        symbols = ", ".join(
            f"{symbol} for {factor}"
            for symbol, factor in zip(self._symbols(), self.hom.group.factors, strict=True)
            if symbol != "n"
        )
        lines = [
            f"plan of {abridged(self.hom)}: {dims} independent maps, sums scaled by {self.normalization}; per sample:"
        ]
        lines += ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, wide, strict=True)).rstrip() for row in rows]
        lines.append(f"most memory beyond the input: {total.kept + total.passing} elements")
        if total.once_moved:
            lines.append(f"once in a call, for weights: {total.once_kept} elements of memory, {total.once_moved} moved")
        if total.once_work:
            lines[-1] += f", {total.once_work} multiply-adds"
        if levels := [str(step.axes) for step in self.steps if isinstance(step, Mix) and step.fourier]:
            lines.append(f"Fourier transform: mixing on {' and '.join(levels)} axes")
        if symbols:
            lines.append(f"sizes: {symbols}")
        values = self.sizes(NOMINAL_N)
        sizes = ", ".join(f"{name} = {value:,}" for name, value in values.items())
        lines.append(
            f"at {sizes}, in float32: {total.work(values):,} multiply-adds, "
            f"{4 * total.moved(values):,} bytes moved, {4 * (total.kept + total.passing)(values):,} bytes of memory"
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
        return "\n".join(lines)

    def describe(self, step: Step | None) -> str:
        """A step in one line; plans with steps of their own say more."""
        return describe(step)

    def _repr_html_(self) -> str:
        """What Jupyter shows: the steps as a table."""
        from html import escape

        rows = [(self.describe(cost.step), str(cost.work or ""), str(cost.moved or "")) for cost in self.costs()]
        body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>\n" for row in rows)
        heading = str(self).split("\n", 1)[0]
        return (
            f"<div><div>{escape(heading)}</div><table><thead><tr><th>step</th><th>multiply-adds</th>"
            f"<th>elements moved</th></tr></thead><tbody>\n{body}</tbody></table></div>"
        )


def _length(n: Polynomial, symmetry: Symmetry) -> Polynomial:
    """How many independent entries a symmetric or alternating tensor has: a binomial coefficient in n."""
    steps = range(symmetry.order)
    product = reduce(mul, (n + (step if symmetry.kind == "S" else -step) for step in steps), Polynomial.of(1))
    return product / factorial(symmetry.order)


def stored_axes(order: Order, packs: Sequence[tuple[int, Symmetry]]) -> tuple[int, ...]:
    """The sizes of the axes of a tensor as it is stored: factors, and beyond them places in ``packs``."""
    parts, found = entries_of(order), list[int]()
    for factor, (one, count) in enumerate(zip(parts, each_of(order), strict=True)):
        if stored_packed(one):
            found.append(len(parts) + packs.index((factor, one)))
        else:
            found += [factor] * count
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a step costs, or a whole plan (``step`` is None), as polynomials in sizes and channels.

    Per sample: multiply-adds (``work``), elements read and written (``moved``), elements of memory that stay
    until the end of the call (``kept``) or are given back after the step (``passing``). Once in a call,
    whatever the batch, for the weights: ``once_work``, ``once_moved`` and ``once_kept``.
    """

    step: Step | None
    work: Polynomial
    moved: Polynomial
    kept: Polynomial
    passing: Polynomial
    once_work: Polynomial = field(default_factory=Polynomial)
    once_moved: Polynomial = field(default_factory=Polynomial)
    once_kept: Polynomial = field(default_factory=Polynomial)
    #: Calls of torch operators, about.
    calls: int = 0

    def estimate(self, values: Mapping[str, int], batch: int) -> int:
        """The cost for a batch, in multiply-adds that take as long."""
        return int(
            batch * (self.work(values) + MOVE * self.moved(values))
            + self.once_work(values)
            + MOVE * self.once_moved(values)
            + CALL * self.calls
        )


def _spans(part: Part, axis: int) -> bool:
    """Whether a part needs an axis of the target at its full length."""
    return part.pattern[axis] is not None or any(axis in pair for pair in part.forms)


def _stays(part: Part) -> bool:
    """Whether the part is already in place, so that the others can be added to it."""
    return part.pattern == tuple(range(len(part.pattern))) and not part.forms and part.sign > 0


def describe(step: Step | None) -> str:
    """A step in one line."""
    match step:
        case Input(target, term, _):
            return f"{target} = input {term}"
        case Reduce(target, source, pattern, forms):
            what = "omega-trace" if forms else "sum" if step.summed else "diagonal"
            return f"{target} = {what} of {source} {_pattern_text(pattern)}"
        case Hodge(target, source):
            return f"{target} = epsilon of {source}: {step.taken} axes -> {step.given}"
        case Mix(_, operands, targets, entries, biases):
            made = ", ".join(target.name for target in targets)
            used = " ".join(
                operand.source + ("" if operand.middle == tuple(range(step.axes)) else _pattern_text(operand.middle))
                for operand in operands
            )
            maps = f"{len(entries)} map{'s' * (len(entries) != 1)}{' + bias' if biases else ''}"
            if step.fourier:
                used = " ".join(operand.source for operand in step.sources)
                return f"{made} = Fourier mix {maps}, labels all different: {used}"
            return f"{made} = mix {maps}: {used or 'nothing'}"
        case Spread(target, _, _, parts):
            first, *others = parts
            rest = "".join(f" {'+-'[part.sign < 0]} {_part_text(part)}" for part in others)
            return f"{target} = {'-' * (first.sign < 0)}{_part_text(first)}{rest}"
        case Tied(target, _, _, tables, constants):
            used = ", ".join(f"{len(table.elements)} maps of {table.source}" for table in tables) or "nothing"
            return f"{target} = tied matrix: {used}{' + bias' if constants else ''}"
        case Schur(sources, targets, bases, factored):
            made = ", ".join(end.name for end in targets)
            used = " ".join(end.name for end in sources)
            split = f", basis changed in {len(bases.classes)} classes of positions" if factored else ""
            return f"{made} = mix {len(bases.irreps)} irreps of {used}{split}"
        case Contract(target, source, labels, edges, left):
            factors = " ".join(f"A[{LETTERS[u]},{LETTERS[v]}]" for u, v in edges)
            made, read = (",".join(LETTERS[label] for label in each) for each in (left, labels))
            return f"{target}[{made}] = {factors} {source}[{read}]"
        case Pack(target, source, start):
            return f"{target} = each entry of {source} once, from axis {start} on"
        case Unpack(target, source, start):
            return f"{target} = all entries of {source}, from axis {start} on"
        case Output(term, source):
            return f"output {term} = {source or 'zero'}"
    return "total"


def _part_text(part: Part) -> str:
    forms = "".join(f" omega{list(pair)}" for pair in part.forms)
    return f"{part.source}{_pattern_text(part.pattern)}{forms}"


def _pattern_text(pattern: Pattern) -> str:
    return "[" + ",".join("*" if axis is None else "abcdefghijklmnopqrstuvwxyz"[axis] for axis in pattern) + "]"
