"""The steps of a plan: what each reads, what it writes, and what it means.

Every value is a tensor (batch, axes, channels). Each axis has a size: the number of a factor of the group, whose n
is its length, or beyond them a place in ``Plan.packs``. ``infer`` gives the type of every value; interpreter, emitter,
costs and the sparse engine say what a step does, each once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from itertools import product

from eqsynth.bases.adapted import Adapted, Irrep
from eqsynth.bases.couplings import Coupling
from eqsynth.bases.decomposed import Fixed
from eqsynth.bases.decomposed import Part as IrrepPart
from eqsynth.bases.fourier import Sums
from eqsynth.diagrams.diagram import LETTERS, Element, MatrixMap, Orbit, Single
from eqsynth.errors import counted
from eqsynth.families.group import Group
from eqsynth.spaces.space import Order, is_decomposed, stored_full, stored_once

#: For each axis of a source the axis of the target that it becomes, or None where it is summed.
Pattern = tuple[int | None, ...]
#: Pairs of axes joined by the form of the group, omega or eta.
Forms = tuple[tuple[int, int], ...]
#: Letters for the axes of a contraction; those behind stand for channels and the batch.
AXES = LETTERS[:20]


#: Fields that only steps of products with tables or graphs have a value for are shown where they have one.
RARE = {"rare": True}


class Shown:
    """A dataclass that is shown without its rare fields where they have their defaults."""

    __slots__ = ()

    def __repr__(self) -> str:
        listed = [(one, getattr(self, one.name)) for one in fields(self)]  # type: ignore[arg-type]  # of dataclasses
        shown = [f"{one.name}={value!r}" for one, value in listed if not one.metadata or value != one.default]
        return f"{type(self).__name__}({', '.join(shown)})"


class OneToOne:
    """A step that reads one value, ``source``, and writes one, ``target``."""

    __slots__ = ()
    source: str
    target: str

    @property
    def reads(self) -> tuple[str, ...]:
        """The values that the step needs."""
        return (self.source,)

    @property
    def writes(self) -> tuple[str, ...]:
        """The values that the step makes."""
        return (self.target,)


@dataclass(frozen=True, slots=True)
class Input:
    """``target`` is the input tensor of one term; ``sizes`` names, for each axis, the factor of the group."""

    target: str
    term: int
    sizes: tuple[int, ...]

    @property
    def reads(self) -> tuple[str, ...]:
        """The values that the step needs."""
        return ()

    @property
    def writes(self) -> tuple[str, ...]:
        """The values that the step makes."""
        return (self.target,)


@dataclass(frozen=True, slots=True)
class Reduce(OneToOne):
    """Source axes that share a target axis are restricted to their diagonal; None axes are summed.

    ``pattern`` has one entry per source axis. A summed axis is scaled as the plan says. A pair of summed axes in
    ``forms`` is contracted with the form of the group instead, scaled once: ``form``, omega or eta. One step makes
    diagonals, or one sum; beside a sum the other axes keep their order.
    """

    target: str
    source: str
    pattern: Pattern
    forms: Forms = ()
    form: str = field(default="omega", repr=False)  # the group says it, too

    @property
    def axes(self) -> int:
        """Axes of the target."""
        return len({axis for axis in self.pattern if axis is not None})

    @property
    def summed(self) -> int:
        """Sums over one index each."""
        return self.pattern.count(None) - len(self.forms)


@dataclass(frozen=True, slots=True)
class Hodge(OneToOne):
    """Contraction with the Levi-Civita tensor: antisymmetrise, then the Hodge star.

    ``order`` puts the source axes as (carried, tied, taken); the target has (carried, tied, given), where
    target[.., K, J] = scale * sum over I (and the missing label, if any) of epsilon(K, J, I) source[.., K, I].
    Where the group keeps eta, each of the labels I has its sign.
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


@dataclass(frozen=True, slots=True, repr=False)
class Contract(Shown, OneToOne):
    """Contraction with the adjacency matrix A of the graph of Aut(G).

    target[kept] = sum over the other labels of the product of A[u, v] over ``edges`` (u, v) times
    source[labels]. A label of ``kept`` that is not in ``labels`` is a new axis; one that is in neither is
    an internal vertex. ``factor``: the factor of the group that keeps the graph; labels of the axes of others have no
    edges.
    """

    target: str
    source: str
    labels: tuple[int, ...]
    edges: tuple[tuple[int, int], ...]
    kept: tuple[int, ...]
    factor: int = field(default=0, metadata=RARE)

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


@dataclass(frozen=True, slots=True, repr=False)
class Entry(Shown):
    """Element ``element`` of the basis (operand's term -> target's term) joins operand and target.

    ``table``: the number of its map, where the Mix applies some.
    """

    target: int
    operand: int
    element: int
    sign: int = 1
    table: int = field(default=0, metadata=RARE)


@dataclass(frozen=True, slots=True)
class Tabled:
    """Maps of factors of a product that are tables, which a Mix applies as it mixes channels.

    ``maps``: the tables, each an element for each of ``factors``; its matrix is their Kronecker product. It takes axes
    of the sizes ``taken`` to axes of the sizes ``given``.
    """

    factors: tuple[int, ...]
    taken: tuple[int, ...]
    given: tuple[int, ...]
    maps: tuple[tuple[Single, ...], ...]

    @property
    def orbits(self) -> bool:
        """Whether all tables are orbits, which are disjoint."""
        return all(isinstance(part, Orbit) for parts in self.maps for part in parts)

    @property
    def grid(self) -> tuple[tuple[Single, ...], ...] | None:
        """The elements of each factor, where the tables are all products of theirs, in order; None where some lack."""
        own = tuple(tuple(dict.fromkeys(parts)) for parts in zip(*self.maps, strict=True))
        return own if self.maps == tuple(product(*own)) else None

    def axes(self, factor: int) -> int:
        """How many axes of a factor are taken and given."""
        return (*self.taken, *self.given).count(factor)


@dataclass(frozen=True, slots=True, repr=False)
class Mix(Shown):
    """Channel mixing for all diagrams with the same transferred axes: one matrix product.

    target[..., o] = sum over entries and channels i of sign weight[element, o, i] * operand[..., i], plus
    bias[element, o] for the ``biases``, entries whose operand is -1. ``sizes``: the factor of each axis.
    With several ``products`` the operands are taken in as many groups, one product after the other, so that
    their copies need less memory.

    With ``fourier`` the targets are zero where two labels agree. Operands are sources in all orders of their
    axes, and one product is made for each irreducible part of the permutations of the axes.

    With ``tabled`` operands and targets have more axes behind these, those of factors whose maps are tables. Each entry
    applies one of the tables there, and the matrix of the product has rows and columns for them, too.
    """

    sizes: tuple[int, ...]
    operands: tuple[Operand, ...]
    targets: tuple[Target, ...]
    entries: tuple[Entry, ...]
    biases: tuple[Entry, ...] = ()
    products: int = 1
    fourier: bool = False
    tabled: Tabled | None = field(default=None, metadata=RARE)

    @property
    def axes(self) -> int:
        """Axes of operands and targets on which channels are mixed alone."""
        return len(self.sizes)

    @property
    def axes_in(self) -> tuple[int, ...]:
        """The sizes of the axes of operands."""
        return (*self.sizes, *self.tabled.taken) if self.tabled else self.sizes

    @property
    def axes_out(self) -> tuple[int, ...]:
        """The sizes of the axes of targets."""
        return (*self.sizes, *self.tabled.given) if self.tabled else self.sizes

    @property
    def sources(self) -> tuple[Operand, ...]:
        """The operands, each source once."""
        return tuple({operand.source: operand for operand in reversed(self.operands)}.values())[::-1]

    @property
    def reads(self) -> tuple[str, ...]:
        """The values that the step needs."""
        return tuple(dict.fromkeys(operand.source for operand in self.operands))

    @property
    def writes(self) -> tuple[str, ...]:
        """The values that the step makes."""
        return tuple(target.name for target in self.targets)


@dataclass(frozen=True, slots=True)
class Part:
    """One summand of a Spread. ``pattern``: for each target axis, the axis of ``source``, or None to repeat.

    Target axes that share a source axis are a diagonal: the summand is zero off it. Along the pairs of
    axes in ``forms`` the summand carries the form of the group, ``form``. It is added or, with ``sign`` -1, subtracted.
    """

    source: str
    pattern: Pattern
    forms: Forms = ()
    sign: int = 1
    form: str = field(default="omega", repr=False)  # the group says it, too


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

    @property
    def reads(self) -> tuple[str, ...]:
        """The values that the step needs."""
        return tuple(dict.fromkeys(part.source for part in self.parts))

    @property
    def writes(self) -> tuple[str, ...]:
        """The values that the step makes."""
        return (self.target,)


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

    @property
    def reads(self) -> tuple[str, ...]:
        """The values that the step needs."""
        return tuple(table.source for table in self.tables)

    @property
    def writes(self) -> tuple[str, ...]:
        """The values that the step makes."""
        return (self.target,)


@dataclass(frozen=True, slots=True)
class Source:
    """A tensor that enters a Schur step: ``order`` is its place among the orders of the adapted bases."""

    name: str
    term: int
    order: int


def summed_whole(group: Group, elements: Iterable[Element]) -> bool:
    """Whether some maps are no sums of orbits: then the matrix is the sum of all of theirs, entry by entry.

    >>> import eqsynth as eq
    >>> from eqsynth.plans.steps import summed_whole
    >>> group = eq.Group.parse("Aut(3: 0-1*5 0-2*7 1-2*7)")
    >>> [summed_whole(group, eq.basis(group, 1, order).diagrams) for order in (1, "S2")]
    [False, True]
    """
    return group.diagrammatic or any(isinstance(element, MatrixMap | tuple) for element in elements)


def as_read(order: Order, fixed: bool) -> Order:
    """The order of a tensor as a Schur step reads it: symmetric ones each entry once; where bases are fixed, full.

    >>> from eqsynth.plans.steps import as_read
    >>> from eqsynth.spaces.space import Symmetry
    >>> print(as_read(Symmetry("S", 2), fixed=False))
    S2.packed
    """
    if not fixed:
        return stored_once(order)
    return order if is_decomposed(order) else stored_full(order)


@dataclass(frozen=True, slots=True)
class Constants:
    """The elements of the bias of an output term."""

    term: int
    elements: tuple[Element, ...]


@dataclass(frozen=True, slots=True)
class Schur:
    """All maps at once, in bases in which each is one small matrix per irreducible part.

    The sources are brought into the adapted bases; channels and copies of each part are mixed by one matrix product,
    whose matrix is linear in the weights; the targets are brought back. Tensors that are stored in coordinates of
    irreducible parts are in their basis already: bases are ``Fixed`` then. ``factored``: the change of basis is made
    class of positions by class, else it is one matrix. ``constants``: the elements of the biases, which are added to
    the products of the trivial part.
    """

    sources: tuple[Source, ...]
    targets: tuple[Source, ...]
    bases: Adapted | Fixed
    factored: bool
    constants: tuple[Constants, ...] = ()

    @property
    def reads(self) -> tuple[str, ...]:
        """The values that the step needs."""
        return tuple(end.name for end in self.sources)

    @property
    def writes(self) -> tuple[str, ...]:
        """The values that the step makes."""
        return tuple(end.name for end in self.targets)

    @property
    def simple(self) -> bool:
        """Whether every part is there once in one input and once in one output: a product for each row will do."""
        alone = len(self.sources) == len(self.targets) == 1 and not self.factored
        return alone and all(p.copies_in == p.copies_out == (1,) for p in self.bases.irreps)

    def changes(self, into: bool, order: int) -> bool:
        """Whether the basis of an order is changed: it is not where tensors have coordinates of irreducible parts."""
        orders = self.bases.ins if into else self.bases.outs
        return not (isinstance(self.bases, Fixed) and self.bases.stands(orders[order]))

    def sizes(self, into: bool, order: int) -> list[tuple[int, int]]:
        """Rows and positions of the matrices that change the basis of an order."""
        side = 0 if into else 1
        irreps: tuple[Irrep | IrrepPart, ...] = self.bases.irreps
        copies = [part.copies_in[order] if into else part.copies_out[order] for part in irreps]
        sizes = []
        for number, positions in enumerate(self.bases.classes):
            rows = sum(part.columns[number] * m for part, m in zip(irreps, copies, strict=True))
            sizes.append((rows, len(positions[side][order])))
        if self.factored:
            return [(rows, columns) for rows, columns in sizes if rows]
        return [(sum(rows for rows, _ in sizes), sum(columns for _, columns in sizes))]


@dataclass(frozen=True, slots=True)
class Pack(OneToOne):
    """The source, symmetric or alternating in the axes from ``start`` on, with one axis for them: each entry once.

    ``size`` is the size of the new axis, beyond the factors of the group a place in ``Plan.packs``; entries are
    ordered as tuples of ascending indices.
    """

    target: str
    source: str
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class Unpack(OneToOne):
    """The same the other way round: the axis ``start`` of the source becomes axes of length n again."""

    target: str
    source: str
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class Twist(OneToOne):
    """``target`` is ``source`` with an axis taken through the form of the group: sum over b of form(a, b) source[b]."""

    target: str
    source: str
    axis: int
    form: str = field(default="omega", repr=False)  # the group says it, too


@dataclass(frozen=True, slots=True)
class Join:
    """``target`` is the product of two values, summed over the labels that the target lacks.

    ``left`` and ``right`` give the label of each axis of the sources; the axes of the target are the labels
    0, ..., ``axes`` - 1. A label of both sources that the target keeps is multiplied entry by entry; one that it lacks
    is contracted, and scaled as a sum is. ``sizes``: the factor of the group of each label. Channels meet each with
    each (``full``: the target's channels are pairs, the left one most significant), or each with its own. Labels of a
    Levi-Civita tensor (``heads``) are not scaled each; their sums have ``terms`` terms that are not zero.
    ``entrywise``: all products are made, then summed; otherwise the sums are products of matrices.
    """

    target: str
    sources: tuple[str, str]
    left: tuple[int, ...]
    right: tuple[int, ...]
    axes: int
    sizes: tuple[int, ...]
    full: bool
    heads: tuple[int, ...] = ()
    terms: int = 1
    entrywise: bool = False

    @property
    def axes_read(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The labels of the axes of both sources."""
        return self.left, self.right

    @property
    def reads(self) -> tuple[str, ...]:
        """The values that the step needs."""
        return self.sources

    @property
    def writes(self) -> tuple[str, ...]:
        """The values that the step makes."""
        return (self.target,)

    @property
    def summed(self) -> tuple[int, ...]:
        """The labels that are contracted."""
        return tuple(range(self.axes, len(self.sizes)))

    @property
    def scaled(self) -> tuple[int, ...]:
        """The labels whose sums are scaled by their length."""
        return tuple(label for label in self.summed if label not in self.heads)

    def equation(self) -> str:
        """The product for einsum: z is the batch, u and v are channels."""
        left, right, kept = ("".join(AXES[a] for a in axes) for axes in (self.left, self.right, range(self.axes)))
        return f"z{left}u,z{right}v->z{kept}uv" if self.full else f"z{left}u,z{right}u->z{kept}u"


@dataclass(frozen=True, slots=True)
class Couple(OneToOne):
    """Coordinates of an irrep of O(3) or SO(3) in the product of two: each entry of it times coupling coefficients.

    The first axes of the source are those of the two irreps, the axes of the target those of the third, of the degrees
    that ``coupling`` says; numbers have none. The sums are scaled as those of the diagram of the coupling are.
    """

    target: str
    source: str
    coupling: Coupling
    sizes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Weigh:
    """Products of two values with their channels mixed on the way, for maps that contract nothing.

    targets[t][..., o] = sum over channels u, v of weight[element t, o, u, v] left[..., u] right[..., v], with labels as
    in :class:`Join`. The ``first`` value (0 or 1) meets the weights before it meets the other one, so that no tensor
    has a channel for each pair of channels. The product is number ``term_in``, the output term ``term_out``.
    """

    targets: tuple[str, ...]
    sources: tuple[str, str]
    left: tuple[int, ...]
    right: tuple[int, ...]
    sizes: tuple[int, ...]
    term_in: int
    term_out: int
    elements: tuple[int, ...]
    first: int

    @property
    def axes_read(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The labels of the axes of both sources."""
        return self.left, self.right

    @property
    def reads(self) -> tuple[str, ...]:
        """The values that the step needs."""
        return self.sources

    @property
    def writes(self) -> tuple[str, ...]:
        """The values that the step makes."""
        return self.targets

    @property
    def labels(self) -> str:
        """The axes for einsum: z is the batch, w the mixed channels, v those of the value that comes second."""
        left, right = ("".join(AXES[a] for a in axes) for axes in (self.left, self.right))
        every = "".join(AXES[a] for a in range(len(self.sizes)))
        channels = ("wv", "v") if self.first == 0 else ("v", "wv")
        return f"z{left}{channels[0]},z{right}{channels[1]}->z{every}w"


@dataclass(frozen=True, slots=True)
class Output:
    """The output tensor of one term is ``source``; None where it is always zero."""

    term: int
    source: str | None

    @property
    def reads(self) -> tuple[str, ...]:
        """The values that the step needs."""
        return () if self.source is None else (self.source,)

    @property
    def writes(self) -> tuple[str, ...]:
        """The values that the step makes."""
        return ()


Step = (
    Input
    | Reduce
    | Hodge
    | Contract
    | Twist
    | Join
    | Couple
    | Weigh
    | Mix
    | Spread
    | Tied
    | Schur
    | Pack
    | Unpack
    | Output
)


@dataclass(frozen=True, slots=True)
class Pair:
    """The parameters of one (product of inputs, output term): ``dim`` weights of basis elements.

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


def describe(step: Step) -> str:
    """A step in one line."""
    match step:
        case Input(target, term):
            return f"{target} = input {term}"
        case Reduce(target, source, pattern, forms):
            what = f"{step.form}-trace" if forms else "sum" if step.summed else "diagonal"
            return f"{target} = {what} of {source} {_pattern_text(pattern)}"
        case Hodge(target, source):
            return f"{target} = epsilon of {source}: {counted(step.taken, 'axis', 'axes')} -> {step.given}"
        case Mix(_, operands, targets, entries, biases):
            named = ", ".join(target.name for target in targets)
            read = " ".join(
                operand.source
                + ("" if operand.middle == tuple(range(len(operand.middle))) else _pattern_text(operand.middle))
                for operand in operands
            )
            maps = f"{counted(len(entries), 'map')}{' + bias' if biases else ''}"
            if step.fourier:
                read = " ".join(operand.source for operand in step.sources)
                return f"{named} = Fourier mix {maps}, labels all different: {read}"
            if step.tabled:
                maps += f", {counted(len(step.tabled.maps), 'table')}"
            return f"{named} = mix {maps}: {read or 'nothing'}"
        case Spread(target, _, _, ()):
            return f"{target} = nothing"
        case Spread(target, _, _, parts):
            first, *others = parts
            rest = "".join(f" {'+-'[part.sign < 0]} {_part_text(part)}" for part in others)
            return f"{target} = {'-' * (first.sign < 0)}{_part_text(first)}{rest}"
        case Tied(target, _, _, tables, constants):
            read = (
                ", ".join(f"{counted(len(table.elements), 'map')} of {table.source}" for table in tables) or "nothing"
            )
            return f"{target} = tied matrix: {read}{' + bias' if constants else ''}"
        case Schur(sources, targets, bases, factored, constants):
            named = ", ".join(end.name for end in targets)
            read = " ".join(end.name for end in sources)
            classes = counted(len(bases.classes), "class", "classes") if factored else ""
            split = f", basis changed in {classes} of positions" if factored else ""
            return (
                f"{named} = mix {counted(len(bases.irreps), 'irrep')} of {read}{' + bias' if constants else ''}{split}"
            )
        case Contract(target, source, labels, edges):
            factors = " ".join(f"A[{_labels(edge)}]" for edge in edges)
            return f"{target}[{_labels(step.kept)}] = {factors} {source}[{_labels(labels)}]"
        case Pack(target, source, start):
            return f"{target} = each entry of {source} once, from axis {start} on"
        case Unpack(target, source, start):
            return f"{target} = all entries of {source}, from axis {start} on"
        case Twist(target, source, axis):
            return f"{target} = {step.form} along axis {axis} of {source}"
        case Join(target, sources):
            over = f" summed over {_labels(step.summed)}" if step.summed else ""
            left, right = (f"{source}[{_labels(axes)}]" for source, axes in zip(sources, step.axes_read, strict=True))
            return f"{target}[{_labels(range(step.axes))}] = {left} {right}{over}"
        case Couple(target, source, coupling):
            degrees = f"degrees {coupling.left} and {coupling.right}"
            return f"{target} = the part of degree {coupling.out} of {source}, of {degrees}"
        case Weigh(targets, sources):
            left, right = (f"{source}[{_labels(axes)}]" for source, axes in zip(sources, step.axes_read, strict=True))
            maps = counted(len(step.elements), "map")
            return f"{', '.join(targets)} = {maps} of {left} {right}, {sources[step.first != 0]} mixed first"
        case Output(term, source):
            return f"output {term} = {source or 'zero'}"


def _labels(axes: Iterable[int]) -> str:
    return ",".join(_label(axis) for axis in axes)


def _label(axis: int) -> str:
    """A letter; the number of an axis that no tensor has, which a refusal names."""
    return LETTERS[axis] if 0 <= axis < len(LETTERS) else str(axis)


def _part_text(part: Part) -> str:
    forms = "".join(f" {part.form}{list(pair)}" for pair in part.forms)
    return f"{part.source}{_pattern_text(part.pattern)}{forms}"


def _pattern_text(pattern: Pattern) -> str:
    return "[" + ",".join("*" if axis is None else _label(axis) for axis in pattern) + "]"
