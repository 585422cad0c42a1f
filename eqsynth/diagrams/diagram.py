"""Diagrams: set partitions of output and input vertices, with edges and a head where groups need them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from eqsynth.errors import EqsynthError, explain_calls, shown
from eqsynth.exact.numbers import flag, ordered, whole
from eqsynth.exact.permutations import runs

LETTERS = "abcdefghijklmnopqrstuvwxyz"
#: The tensors that an input is the product of, by name, and how many axes each has; none where it is no product.
Multiplied = Sequence[tuple[str, int]]
#: The most entries of a table that its formula lists.
LISTED_ENTRIES = 4
#: What formulas call the forms that pairs within a row carry.
SYMBOLS = {"omega": "\u03c9", "eta": "\u03b7"}


@explain_calls
@dataclass(frozen=True, slots=True)
class Half:
    """One row of a diagram: a partition of the row, and which blocks are kept (go on to the other row).

    >>> from eqsynth import Diagram
    >>> Diagram(1, 2, ((0, 2), (1,))).bottom
    Half(blocks=((0,), (1,)), kept=(1,), head=())

    Vertices are numbered from 0 within the row. A bottom half says how an input is reduced: take
    the diagonal on each block, sum over the blocks that are not kept. A top half says the
    transpose: how a small tensor is spread over the output. Blocks of the ``head`` are kept for the
    Levi-Civita tensor; the other kept blocks are transferred.
    """

    blocks: tuple[tuple[int, ...], ...]
    kept: tuple[int, ...]
    head: tuple[int, ...] = ()

    @property
    def key(self) -> tuple[object, ...]:
        """Sorting key: coarse partitions first, then fewer kept blocks."""
        return (len(self.blocks), self.blocks, self.kept, self.head)

    @property
    def headless(self) -> Half:
        """The same reduction without the head: its blocks are kept like the others."""
        return Half(self.blocks, self.kept)

    @property
    def dropped(self) -> tuple[int, ...]:
        """The blocks that are not kept."""
        return tuple(block for block in range(len(self.blocks)) if block not in self.kept)


#: A diagram as its top half, its bottom half, and the middle that joins them.
Factored = tuple[Half, Half, tuple[int, ...]]


@explain_calls
@dataclass(frozen=True, slots=True)
class Diagram:
    """A (k, l)-diagram: ``outputs`` = l vertices on top, ``inputs`` = k at the bottom, in blocks.

    >>> from eqsynth import Diagram
    >>> transpose = Diagram(2, 2, ((0, 3), (1, 2)))
    >>> print(transpose.formula())
    y[a,b] += x[b,a]
    >>> transpose.through, transpose.bottom_only, transpose.top_only
    (2, 0, 0)

    Vertices are numbered outputs first, left to right, then inputs, left to right. Blocks are
    sorted by their least vertex; a block without vertices (internal, Aut(G) only) comes last.
    ``edges`` are pairs of block numbers (Aut(G)); ``head`` is the ordered tuple of the blocks tied
    to the Levi-Civita tensor (SO(n), A(n)). The group says what each piece means.

    A product of several Levi-Civita tensors (SL(n), SU(n)) is several heads one behind the other, those with larger
    first blocks first, so that each begins where the numbers fall:

    >>> print(Diagram(0, 4, ((0,), (1,), (2,), (3,)), head=(1, 3, 0, 2)))
    y += ε[b,d] ε[a,c] x[a,b,c,d]

    Raises EqsynthError for blocks that do not partition the vertices. Source: arXiv 2304.14144, section 3; 2301.10152
    for heads.
    """

    outputs: int
    inputs: int
    blocks: tuple[tuple[int, ...], ...]
    edges: tuple[tuple[int, int], ...] = ()
    head: tuple[int, ...] = ()
    #: ``factored``, once it is known.
    _factored: Factored | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        try:
            self._check()
        except TypeError:
            raise EqsynthError(
                f"blocks {shown(self.blocks)}, edges {shown(self.edges)} and head {shown(self.head)} are no tuples of "
                "whole numbers: write blocks as ((0, 2), (1, 3)), edges as ((0, 1),), a head as (0, 1)"
            ) from None

    def _check(self) -> None:
        vertices = [vertex for block in self.blocks for vertex in block]
        if {*map(type, vertices), type(self.outputs), type(self.inputs)} != {int}:
            self._read_numbers()
            vertices = [vertex for block in self.blocks for vertex in block]
        vertices.sort()
        count = len(vertices)
        if count != self.outputs + self.inputs or vertices != list(range(count)) or min(self.outputs, self.inputs) < 0:
            raise EqsynthError(
                f"the blocks {shown(self.blocks)} do not partition the {shown(self.outputs)} + {shown(self.inputs)} "
                "vertices: each vertex belongs to exactly one block"
            )
        if any(block != tuple(sorted(block)) for block in self.blocks) or list(self.blocks) != sorted(
            self.blocks, key=_least
        ):
            raise EqsynthError(f"the blocks {shown(self.blocks)} are not in order: use Diagram.of")
        count = len(self.blocks)
        if any(not 0 <= block < count for edge in self.edges for block in edge):
            raise EqsynthError(f"an edge of {shown(self.edges)} names a block that is not there")
        if len(set(self.head)) != len(self.head) or any(not 0 <= block < count for block in self.head):
            raise EqsynthError(f"the head {shown(self.head)} must name different blocks that are there")

    def _read_numbers(self) -> None:
        """Turn whole numbers of other libraries into plain ints."""
        outputs, inputs = whole(self.outputs), whole(self.inputs)
        read = [[(whole(vertex), vertex) for vertex in block] for block in self.blocks]
        wrong = [vertex for block in read for number, vertex in block if number is None]
        if outputs is None or inputs is None or wrong or min(outputs, inputs) < 0:
            what = wrong[0] if wrong else (self.outputs, self.inputs)
            raise EqsynthError(f"a diagram has whole numbers of vertices, numbered from 0, not {shown(what)}")
        blocks = tuple(tuple(number for number, _ in block if number is not None) for block in read)
        for name, value in (("outputs", outputs), ("inputs", inputs), ("blocks", blocks)):
            object.__setattr__(self, name, value)

    @classmethod
    @explain_calls
    def of(cls, outputs: int, inputs: int, blocks: Iterable[Iterable[int]]) -> Diagram:
        """A diagram without edges or head from blocks in any order.

        Raises EqsynthError for blocks that are not lists of vertices.
        """
        if not ordered(blocks) or not all(map(ordered, blocks := [*blocks])):
            raise EqsynthError(f"blocks are lists of vertices, such as [(0, 2), (1, 3)], not {shown(blocks)}")
        return cls(outputs, inputs, tuple(sorted((tuple(sorted(block)) for block in blocks), key=_least)))

    @property
    def labels(self) -> tuple[int, ...]:
        """The number of the block of each vertex."""
        labels = [0] * (self.outputs + self.inputs)
        for number, block in enumerate(self.blocks):
            for vertex in block:
                labels[vertex] = number
        return tuple(labels)

    @property
    def through(self) -> int:
        """Blocks that join both rows (transferred blocks)."""
        return sum(1 for block in self.blocks if _through(block, self.outputs))

    @property
    def bottom_only(self) -> int:
        """Blocks of input vertices alone."""
        return sum(1 for block in self.blocks if block and block[0] >= self.outputs)

    @property
    def top_only(self) -> int:
        """Blocks of output vertices alone."""
        return sum(1 for block in self.blocks if block and block[-1] < self.outputs)

    @property
    def inside(self) -> bool:
        """Whether a block of several vertices lies in one row."""
        return any(len(block) > 1 and (block[0] < self.outputs) == (block[-1] < self.outputs) for block in self.blocks)

    @property
    def top(self) -> Half:
        """The output row; kept are the transferred blocks and those of the head."""
        return self.factored[0]

    @property
    def bottom(self) -> Half:
        """The input row; kept are the transferred blocks and those of the head."""
        return self.factored[1]

    @property
    def middle(self) -> tuple[int, ...]:
        """For each transferred block, by its place in the top row, its place in the bottom row."""
        return self.factored[2]

    @property
    def factored(self) -> Factored:
        """The rows and how they are joined: ``top``, ``bottom`` and ``middle`` at once, found once."""
        if self._factored is not None:
            return self._factored
        above: list[tuple[tuple[int, ...], int, int]] = []
        below: list[tuple[tuple[int, ...], int, int]] = []
        for number, block in enumerate(self.blocks):
            if not block:
                continue
            cut = 0
            while cut < len(block) and block[cut] < self.outputs:
                cut += 1
            through = 0 < cut < len(block)
            # Transferred blocks carry their place above, the others -1 and their place on the head, or -1.
            place = len(above) if through else -1
            tied = self.head.index(number) if not through and number in self.head else -1
            if cut:
                above.append((block[:cut], place, tied))
            if cut < len(block):
                below.append((tuple([vertex - self.outputs for vertex in block[cut:]]), place, tied))
        below.sort()
        joined = [place for _, place, _ in below if place >= 0]
        middle = tuple(sorted(range(len(joined)), key=joined.__getitem__))
        factored = _row(above), _row(below), middle
        object.__setattr__(self, "_factored", factored)
        return factored

    @property
    def key(self) -> tuple[object, ...]:
        """The order of a basis: headless first, then by transferred blocks, top, bottom and middle."""
        top, bottom, middle = self.factored
        inner = (len(self.blocks), self.edges, self.head)
        return (bool(self.head), len(middle), len(top.head), top.key, bottom.key, middle, inner)

    def __str__(self) -> str:
        return self.formula()

    def _repr_svg_(self) -> str:
        """What Jupyter shows; the group of a basis would add the direction of symplectic pairs."""
        from eqsynth.diagrams.layout import drawing
        from eqsynth.diagrams.svg import svg

        return svg(drawing(None, self))

    def letters(self, paired: bool = False) -> tuple[tuple[str, ...], ...]:
        """The letters of each block in the index formula: one, or two for a pair that carries the form."""
        if not flag("paired", paired) and len(self.blocks) <= len(LETTERS):
            return tuple(zip(LETTERS[: len(self.blocks)], strict=True))
        free = iter([*LETTERS, *(f"i{number}" for number in range(self.outputs + self.inputs))])
        formed = [paired and len(block) == 2 and not _through(block, self.outputs) for block in self.blocks]
        return tuple(tuple(next(free) for _ in range(2 if form else 1)) for form in formed)

    def marks(self, paired: bool = False) -> tuple[str, ...]:
        """The letter of each vertex in the index formula.

        >>> from eqsynth import Diagram
        >>> Diagram(2, 2, ((0, 3), (1, 2))).marks()
        ('a', 'b', 'b', 'a')
        """
        return self._marks(self.letters(paired))

    def _marks(self, letters: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
        marks = [""] * (self.outputs + self.inputs)
        for block, own in zip(self.blocks, letters, strict=True):
            for place, vertex in enumerate(block):
                marks[vertex] = own[place % len(own)]
        return tuple(marks)

    def formula(self, form: str = "", multiplied: Multiplied = ()) -> str:
        """The map as an index formula: one letter per block, first letters for the outputs.

        A head is an epsilon with the letters tied to it (for A(n), a dot stands for the letter that is
        missing). With the ``form`` omega or eta pairs within a row are that, with two letters; with eta a head has
        it on the letters of its inputs.

        >>> from eqsynth import Diagram
        >>> Diagram(1, 3, ((0, 2), (1, 3))).formula(multiplied=[("u", 2), ("v", 1)])
        'y[a] += u[b,a] v[b]'

        Raises EqsynthError for another form.
        """
        if form and form not in SYMBOLS:
            raise EqsynthError(f"there is no form {shown(form)}: ask for one of {', '.join(map(repr, SYMBOLS))}")
        letters = self.letters(bool(form))
        marks = self._marks(letters)
        named = [of_block[0] for of_block in letters]
        symbol = SYMBOLS.get(form, "")
        forms = [f"{symbol}[{','.join(of_block)}] " for of_block in letters if len(of_block) == 2] if form else []
        y, x = indexed("y", marks[: self.outputs]), _entry(marks[self.outputs :], multiplied)
        tied = [symbol * (form == "eta" and self.blocks[at][0] >= self.outputs) + named[at] for at in self.head]
        head = "".join(f"\u03b5[{','.join(own)}] " for own in runs(tied, self.head))
        edges = "".join(f"A[{named[tail]},{named[tip]}] " for tail, tip in self.edges)
        return f"{y} += {head}{''.join(forms)}{edges}{x}"

    def latex(self, form: str = "") -> tuple[str, str]:
        r"""The map in LaTeX: the entry of the output, and what it is of the input, sums and deltas written out.

        >>> from eqsynth import Diagram
        >>> Diagram(2, 2, ((0, 1), (2, 3))).latex()
        ('y_{ab}', '\\delta_{ab} \\sum_{c} x_{cc}')

        Each output axis has a letter of its own. ``form`` is as in :meth:`formula`.

        Raises EqsynthError for another form.
        """
        if form and form not in SYMBOLS:
            raise EqsynthError(f"there is no form {shown(form)}: ask for one of {', '.join(map(repr, SYMBOLS))}")
        total = self.outputs + self.inputs
        names = [*LETTERS, *(f"i_{{{number}}}" for number in range(total + len(self.blocks)))]
        marks, free = names[: self.outputs] + [""] * self.inputs, iter(names[self.outputs :])
        summed, factors, named = [], [], []
        for block in self.blocks:
            above = [marks[vertex] for vertex in block if vertex < self.outputs]
            split = bool(form) and len(block) == 2 and not _through(block, self.outputs)
            own = above or [next(free) for _ in range(2 if split else 1)]
            summed += [] if above else own
            for place, vertex in enumerate(block):
                marks[vertex] = marks[vertex] or own[place if split else 0]
            symbol = f"\\{form}" if split else "\\delta"
            factors += [f"{symbol}_{{{one}{other}}}" for one, other in ([own] if split else pairwise(above))]
            named.append(own[0])
        factors += [f"A_{{{named[tail]}{named[tip]}}}" for tail, tip in self.edges]
        if self.head:
            factors += [f"\\varepsilon_{{{''.join(own)}}}" for own in runs([named[at] for at in self.head], self.head)]
            below = [named[at] for at in self.head if self.blocks[at][0] >= self.outputs]
            factors += [f"\\eta_{{{letter}{letter}}}" for letter in below] if form == "eta" else []
        sums = [f"\\sum_{{{','.join(summed)}}}"] if summed else []
        sides = [
            f"{name}_{{{''.join(of)}}}" if of else name
            for name, of in (("y", marks[: self.outputs]), ("x", marks[self.outputs :]))
        ]
        # What is not summed over stands before the sum.
        outer = [factor for factor in factors if factor.startswith("\\delta")]
        inner = [factor for factor in factors if not factor.startswith("\\delta")]
        return sides[0], " ".join([*outer, *sums, *inner, sides[1]])


@dataclass(frozen=True, slots=True)
class Orbit:
    """The indicator of one orbit of a permutation group on index tuples (outputs, then inputs).

    >>> from eqsynth.diagrams.diagram import Orbit
    >>> Orbit(1, 1, (0, 2)).formula()
    'y[0] += x[2], and the images'
    """

    outputs: int
    inputs: int
    representative: tuple[int, ...]

    def formula(self, multiplied: Multiplied = ()) -> str:
        """The entry at the orbit's least index tuple."""
        into, entry = self.representative[: self.outputs], self.representative[self.outputs :]
        return f"{indexed('y', into)} += {_entry(entry, multiplied)}, and the images"


@dataclass(frozen=True, slots=True)
class MatrixMap:
    """A map given by its entries: (row, column, value), all others zero. For groups given by matrices.

    >>> from eqsynth.diagrams.diagram import MatrixMap
    >>> MatrixMap(1, 1, ((0, 0, 1), (1, 1, -1))).formula()
    '2 entries, first 1 at row 0, column 0'
    >>> MatrixMap(1, 1, ((0, 0, 1), (1, 1, -1))).formula(2)
    'y[0] += x[0], y[1] += -x[1]'
    """

    outputs: int
    inputs: int
    entries: tuple[tuple[int, int, int], ...]

    def formula(self, n: int | None = None, multiplied: Multiplied = ()) -> str:
        """The sums of entries, row by row; of many the first one, and how many there are.

        Without the length n of the axes, which index tuples are those of rows and columns is not known.
        """
        row, column, value = self.entries[0]
        count = len(self.entries)
        if n is None:
            return f"{count} entries, first {value} at row {row}, column {column}"
        sums: dict[str, str] = {}
        for row, column, value in self.entries if count <= LISTED_ENTRIES else self.entries[:1]:
            into = indexed("y", unravelled(row, n, self.outputs))
            size = "" if abs(value) == 1 else f"{abs(value)} "
            sign = ("-" if value < 0 else "") if into not in sums else (" - " if value < 0 else " + ")
            source = _entry(unravelled(column, n, self.inputs), multiplied)
            sums[into] = f"{sums.get(into, '')}{sign}{size}{source}"
        text = ", ".join(f"{into} += {summands}" for into, summands in sums.items())
        return text if count <= LISTED_ENTRIES else f"{text}, ... {count:,} entries"


#: One element of a basis of a group that is no product.
Single = Diagram | Orbit | MatrixMap


class Parts(tuple[Single, ...]):
    """One element of a basis of a product of groups: a tuple with an element for each factor.

    >>> import eqsynth as eq
    >>> eq.basis("S(n) x O(3)", (1, 1), (1, 1))[0].formula()
    'y[a] += x[b] ⊗ y[a] += x[a]'
    """

    __slots__ = ()

    def formula(self) -> str:
        """The index formulas of the parts."""
        return " ⊗ ".join([part.formula() for part in self])


#: One element of a basis; for a product group, a tuple with an element for each factor.
Element = Single | tuple[Single, ...]


def table_key(part: Single) -> tuple[int, tuple[int, ...]]:
    """What sorts elements in tables: diagrams first, then orbits by their indices, then matrices.

    >>> from eqsynth.diagrams.diagram import Orbit, table_key
    >>> table_key(Diagram(1, 0, ((0,),))) < table_key(Orbit(1, 1, (0, 0))) < table_key(Orbit(1, 1, (0, 1)))
    True
    """
    return (1, part.representative) if isinstance(part, Orbit) else (2 * isinstance(part, MatrixMap), ())


def join(diagrams: Sequence[Diagram]) -> Diagram:
    """Diagrams of the factors of a product as one: outputs of all factors in turn, then inputs.

    >>> from eqsynth.diagrams.diagram import Diagram, join
    >>> print(join([Diagram(1, 1, ((0, 1),)), Diagram(0, 2, ((0, 1),))]).formula())
    y[a] += x[a,b,b]
    """
    outputs, inputs = sum(d.outputs for d in diagrams), sum(d.inputs for d in diagrams)
    blocks: list[tuple[tuple[int, ...], bool]] = []
    above, below = 0, outputs
    for diagram in diagrams:
        for number, block in enumerate(diagram.blocks):
            shifted = (v + above if v < diagram.outputs else v - diagram.outputs + below for v in block)
            blocks.append((tuple(shifted), number in diagram.head))
        above, below = above + diagram.outputs, below + diagram.inputs
    blocks.sort()
    head = tuple(number for number, (_, tied) in enumerate(blocks) if tied)
    return Diagram(outputs, inputs, tuple(block for block, _ in blocks), head=head)


def indexed(name: str, marks: Sequence[object]) -> str:
    """An entry of a tensor as formulas have it.

    >>> from eqsynth.diagrams.diagram import indexed
    >>> indexed("x", ["a", "b"]), indexed("y", [])
    ('x[a,b]', 'y')
    """
    return f"{name}[{','.join(map(str, marks))}]" if marks else name


def _entry(marks: Sequence[object], multiplied: Multiplied) -> str:
    """An entry of the input, or of the tensors that it is the product of."""
    if not multiplied:
        return indexed("x", marks)
    starts = [sum(axes for _, axes in multiplied[:place]) for place in range(len(multiplied))]
    return " ".join(
        indexed(name, marks[start : start + axes]) for start, (name, axes) in zip(starts, multiplied, strict=True)
    )


def unravelled(place: int, n: int, axes: int) -> list[int]:
    """The index tuple of a row or a column, the first axis most significant."""
    return [place // n ** (axes - 1 - axis) % n for axis in range(axes)]


def _through(block: Sequence[int], outputs: int) -> bool:
    return bool(block) and block[0] < outputs <= block[-1]


@lru_cache(maxsize=1 << 16)
def _half(rows: tuple[tuple[int, ...], ...], kept: tuple[int, ...], head: tuple[int, ...]) -> Half:
    """A half-diagram, one object for equal ones: a basis has thousands of diagrams and few halves."""
    return Half(rows, kept, head)


def _row(rows: Sequence[tuple[tuple[int, ...], int, int]]) -> Half:
    # Lists are made faster than generators run, and a basis asks for thousands of rows.
    return _half(
        tuple([row for row, _, _ in rows]),
        tuple([index for index, (_, place, tied) in enumerate(rows) if tied >= 0 or place >= 0]),
        tuple([index for _, index in sorted((tied, index) for index, (_, _, tied) in enumerate(rows) if tied >= 0)]),
    )


def _least(block: Sequence[int]) -> float:
    return block[0] if block else float("inf")
