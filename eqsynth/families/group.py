"""Groups, by name (``S(5)``, ``O(n)``, ``Aut(petersen)``, ``S(4) x O(3)``) or by generators, and ``Hom``."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eqsynth.errors import EqsynthError, GroupError, ParseError, SpaceError, shown
from eqsynth.exact.limits import afford
from eqsynth.exact.numbers import binary, fraction, precision, whole
from eqsynth.graphs.graph import Graph
from eqsynth.spaces.space import Order, Space, axes_of, order_text

if TYPE_CHECKING:
    from fractions import Fraction

MAX_N = 1_000_000
#: Largest numerator and denominator of the entries of matrix groups.
MAX_ENTRY = 1_000_000
#: Largest denominator of a fraction that a float is thought to be meant as, and the least bits that such a float has.
MAX_MEANT = 1_000
#: Halves, quarters, ... of a float that nobody means otherwise.
PLAIN = 64
LEAST_BITS = 8


@dataclass(frozen=True, slots=True)
class Family:
    """What a name such as ``S`` stands for."""

    name: str
    title: str
    even: bool = False


FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family("S", "symmetric group: all permutations of n points"),
        Family("O", "orthogonal group: all rotations and reflections of R^n"),
        Family("A", "alternating group: the even permutations of n points"),
        Family("SO", "special orthogonal group: the rotations of R^n"),
        Family("Sp", "symplectic group: the linear maps of R^n that keep omega", even=True),
    )
}

_GROUP = re.compile(r"\s*(?P<family>[A-Za-z]+)(?P<open>\s*\(\s*)?(?P<size>-?\w+)?(?P<close>\s*\))?")
_WRITTEN_GRAPH = re.compile(r"\s*[0-9]+\s*:")
_CURE = "Write a family and a size, such as S(5) or O(3); a letter, S(n), leaves the size open."


@dataclass(frozen=True, slots=True)
class Group:
    """A group acting on R^n: a family and a size, which may be a letter.

    >>> from eqsynth import Group
    >>> Group.parse("S(5)")
    Group(family='S', n=5)
    >>> print(Group.parse("O(n)"), Group.parse("O(n)").symbolic)
    O(n) True

    Raises ParseError for text that is no group, GroupError for a size that the family lacks.
    """

    family: str
    n: int | str

    def __post_init__(self) -> None:
        family = FAMILIES.get(self.family) if isinstance(self.family, str) else None
        if family is None:
            raise GroupError(f"there is no group family {shown(self.family)}: {_suggest(str(self.family))}")
        if isinstance(self.n, str):
            if not (len(self.n) == 1 and self.n.isalpha() and self.n.isascii()):
                raise GroupError(f"a symbolic size is one letter, not {shown(self.n)}: write {self.family}(n)")
            _make(self, n=str(self.n))
            return
        n = whole(self.n)
        if n is None:
            raise GroupError(f"the size of a group is a whole number or a letter, not {shown(self.n)}")
        if n < 1:
            raise GroupError(
                f"{self.family}({shown(n)}) does not act on anything: ask for n >= {2 if family.even else 1}"
            )
        if n > MAX_N:
            raise GroupError(
                f"{self.family}({shown(n)}) is beyond the largest size, {MAX_N}: leave it open, {self.family}(n)"
            )
        if family.even and n % 2:
            near = f"{self.family}({n + 1})"
            raise GroupError(f"{self.family}({n}) does not exist, omega needs an even dimension: ask for {near}")
        _make(self, n=n)

    @classmethod
    def parse(cls, text: str | Group, files: bool | Path = True) -> Group:
        """Read ``"S(5)"`` or ``"O(n)"``.

        A graph in ``Aut(...)`` may be a file: with ``files=False`` none is opened, as text from elsewhere needs; with
        a folder it is one beside that.
        """
        if isinstance(text, Group):
            return text
        if not isinstance(text, str):
            graph = ": for a graph write eq.Aut(graph)" if hasattr(text, "nodes") else ""
            raise GroupError(f"a group is a string such as 'S(5)', not {shown(text)}{graph}")
        pieces = _pieces(text)
        if len(pieces) == 1:
            return _parse_factor(text, 0, len(text), files)
        return ProductGroup([_parse_factor(text, start, stop, files) for start, stop in pieces])

    def __str__(self) -> str:
        return f"{self.family}({self.n})"

    @property
    def factors(self) -> tuple[Group, ...]:
        """The factors of a product; a group that is no product is its own only factor."""
        return (self,)

    @property
    def symbolic(self) -> bool:
        """Whether n is a letter."""
        return isinstance(self.n, str)

    @property
    def title(self) -> str:
        """What the group is, in words."""
        return FAMILIES[self.family].title

    @property
    def diagrammatic(self) -> bool:
        """Whether the group has diagrams at every order; the others are handled through tables."""
        return self.family in FAMILIES


Permutation = tuple[int, ...]
Matrix = tuple[tuple["Fraction", ...], ...]


def _make(group: Group, **values: object) -> None:
    for name, value in values.items():
        object.__setattr__(group, name, value)


@dataclass(frozen=True, slots=True, init=False, repr=False)
class PermutationGroup(Group):
    """The group of permutations of n points that some permutations generate.

    >>> from eqsynth import PermutationGroup
    >>> print(PermutationGroup([(1, 2, 3, 0)]))
    Perm(4: 1 2 3 0)

    Each generator lists the images of 0, ..., n - 1. Its maps are spanned by the orbits on index tuples.
    Raises GroupError for what is no permutation.
    """

    generators: tuple[Permutation, ...]

    def __init__(self, generators: Iterable[Sequence[int]], n: int | None = None) -> None:
        try:
            given: list[tuple[Any, ...]] = [tuple(generator) for generator in generators]
        except TypeError:
            given = [("",)]
        listed = tuple(tuple(image for image in map(whole, generator) if image is not None) for generator in given)
        if any(len(read) != len(generator) for read, generator in zip(listed, given, strict=True)):
            raise GroupError(f"generators are lists of images, such as [[1, 2, 3, 0]], not {shown(generators)}")
        if n is None:
            if not listed:
                raise GroupError("a permutation group without generators needs n: PermutationGroup([], n=4)")
            n = len(listed[0])
        points = whole(n)
        if points is None or not 1 <= points <= MAX_N:
            raise GroupError(f"a permutation group acts on 1 to {MAX_N} points, not on {shown(n)}")
        for generator in listed:
            if len(generator) != points or sorted(generator) != list(range(points)):
                raise GroupError(
                    f"{shown(generator)} is no permutation of 0, ..., {points - 1}: list the image of each point once"
                )
        _make(self, family="Perm", n=points, generators=listed)

    def __repr__(self) -> str:
        return f"PermutationGroup({self.generators!r}, {self.n})"

    def __str__(self) -> str:
        return f"Perm({self.n}: {', '.join(' '.join(map(str, g)) for g in self.generators)})"

    @property
    def title(self) -> str:
        """What the group is, in words."""
        return f"group of permutations of {self.n} points with {len(self.generators)} generators"


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Aut(Group):
    """The automorphism group of a graph, acting on its n vertices.

    >>> from eqsynth import Aut
    >>> print(Aut("petersen"), Aut("petersen").n)
    Aut(petersen) 10
    >>> print(Aut("3: 0-1 1-2"))
    Aut(3: 0-1 1-2)

    ``graph`` is a name (``petersen``, ``cycle5``, ...), a file (graph6, edge list, GraphML; as text or as a path), a
    networkx graph, an eqsynth Graph, or text: the number of vertices and edges ``0-1`` (``0>1`` in a directed
    graph), then perhaps ``| 0 0 1``, a colour for each vertex. Colours, directions and loops are kept by
    the automorphisms; edge weights are ignored.

    Raises GroupError, ParseError or ExportError for what is no graph.
    Source: arXiv 2307.07810.
    """

    graph: Graph

    def __init__(self, graph: Any) -> None:
        if isinstance(graph, str):
            found = _graph(graph)
        elif isinstance(graph, os.PathLike):
            found = Graph.read(Path(graph))
        else:
            found = graph if isinstance(graph, Graph) else Graph.of(graph)
        _make(self, family="Aut", n=found.n, graph=_canonical_name(found))

    def __repr__(self) -> str:
        return f"Aut({str(self)[4:-1]!r})"

    def __str__(self) -> str:
        graph = self.graph
        if graph.name:
            return f"Aut({graph.name})"
        edges = "".join(f" {tail}{'>' if graph.directed else '-'}{tip}" for tail, tip in graph.edges)
        # A directed graph without edges is an undirected one.
        colours = " | " + " ".join(map(str, graph.colours)) if graph.colours else ""
        return f"Aut({graph.n}:{edges}{colours})"

    @property
    def title(self) -> str:
        """What the group is, in words."""
        graph = self.graph
        kind = "directed " if graph.directed else ""
        return f"automorphism group of a {kind}graph with {graph.n} vertices and {len(graph.edges)} edges"


def _canonical_name(graph: Graph) -> Graph:
    """The graph with its name where the name alone makes it again, else without a name."""
    if graph.name:
        try:
            again = Graph.named(graph.name)
        except EqsynthError:
            again = None
        if again is not None and again == graph:
            return graph
    return Graph(graph.n, graph.edges, graph.directed and bool(graph.edges), graph.colours)


def _graph(text: str, files: bool | Path = True) -> Graph:
    """A graph that is written out, has a name, or is a file."""
    if _WRITTEN_GRAPH.match(text):
        return _graph_of_text(text)
    if files is False:
        return Graph.named(text)
    return Graph.parse(text, None if files is True else files)


def _graph_of_text(text: str) -> Graph:
    size, _, rest = text.partition(":")
    edges, _, colours = rest.partition("|")
    cure = "Write edges as 0-1, or 0>1 in a directed graph, and colours after |: 3: 0-1 1-2 | 0 1 0"
    listed: list[tuple[int, int]] = []
    directed: set[bool] = set()
    for word in re.finditer(r"\S+", edges):
        match = re.fullmatch(r"([0-9]{1,9})([->])([0-9]{1,9})", word[0])
        if match is None:
            raise ParseError("graph", text, len(size) + 1 + word.start(), "an edge is expected here", cure)
        listed.append((int(match[1]), int(match[3])))
        directed.add(match[2] == ">")
    if len(directed) > 1:
        raise GroupError(f"the graph {shown(text)} mixes 0-1 and 0>1: write all edges one way")
    for word in re.finditer(r"\S+", colours):
        if not re.fullmatch("[0-9]{1,18}", word[0]):
            at = len(size) + len(edges) + 2 + word.start()
            raise ParseError("graph", text, at, "colours are whole numbers", "Write | 0 1 0, one per vertex.")
    vertices = int(size.strip()[:20])
    return Graph(vertices, tuple(listed), True in directed, tuple(map(int, colours.split())))


@dataclass(frozen=True, slots=True, init=False, repr=False)
class MatrixGroup(Group):
    """A group of n x n matrices: finitely many generators, and elements that generate its Lie algebra.

    >>> from eqsynth import MatrixGroup
    >>> boost, rotation = [[0, 1, 0], [1, 0, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, 1], [0, -1, 0]]
    >>> lorentz = MatrixGroup([[[-1, 0, 0], [0, 1, 0], [0, 0, 1]]], [boost, rotation])
    >>> print(lorentz.n, len(lorentz.generators), len(lorentz.lie_algebra))
    3 1 2

    Entries are whole numbers, fractions, or texts such as ``"1/2"``, with numerators and denominators up to a
    million; matrices of NumPy, SymPy, FLINT and torch are read as they are, and a float is the fraction that it stores:
    0.5 is 1/2, 0.1 is refused, write ``"1/10"``. Its maps are the exact null space of W rho_k(g) = rho_l(g) W and
    W drho_k(X) = drho_l(X) W, all on tensor powers of R^n.

    Raises GroupError for matrices that are not square, not of one size, not rational, or (generators)
    not invertible.
    """

    generators: tuple[Matrix, ...]
    lie_algebra: tuple[Matrix, ...]

    def __init__(self, generators: Iterable[Any] = (), lie_algebra: Iterable[Any] = ()) -> None:
        elements, algebra = _matrices(generators), _matrices(lie_algebra)
        sizes = {len(value) for value in (*elements, *algebra)}
        if len(sizes) != 1:
            what = "at least one matrix" if not sizes else f"matrices of one size, not of {shown(sorted(sizes))}"
            raise GroupError(f"a matrix group needs {what}")
        for value in elements:
            if not _invertible(value):
                raise GroupError(
                    f"the generator {shown(_matrix_text(value))} is not invertible, so no group contains it"
                )
        _make(self, family="Matrix", n=sizes.pop(), generators=elements, lie_algebra=algebra)

    def __repr__(self) -> str:
        each = [
            [[[str(x) for x in row] for row in value] for value in values]
            for values in (self.generators, self.lie_algebra)
        ]
        return f"MatrixGroup({each[0]!r}, {each[1]!r})"

    def __str__(self) -> str:
        elements, algebra = (" ".join(map(_matrix_text, each)) for each in (self.generators, self.lie_algebra))
        return f"Matrix({elements}; {algebra})"

    @property
    def title(self) -> str:
        """What the group is, in words."""
        return (
            f"group of {self.n} x {self.n} matrices with {len(self.generators)} generators "
            f"and {len(self.lie_algebra)} generators of its Lie algebra"
        )


def _matrices(values: Any) -> tuple[Matrix, ...]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise GroupError(f"generators are a list of matrices, such as [[[0, 1], [-1, 0]]], not {shown(values)}")
    return tuple(map(_matrix, values))


def _matrix(value: Any) -> Matrix:
    try:
        # Matrices of NumPy, SymPy, FLINT and torch; those of SymPy would list their entries without rows.
        # Arrays keep their scalars, whose type says how exact they are.
        listed = value.tolist() if hasattr(value, "tolist") and not hasattr(value, "dtype") else value
        rows = tuple(tuple(map(_entry, row)) for row in listed)
    except (TypeError, ValueError) as error:
        why = (
            str(error)
            if isinstance(error, ValueError)
            else "a matrix is a list of rows, and generators are a list of matrices"
        )
        raise GroupError(f"{shown(value)} is no matrix of whole numbers and fractions: {why}") from error
    if not rows or any(len(row) != len(rows) for row in rows):
        raise GroupError(f"{shown(value)} is no square matrix")
    return rows


def _entry(value: Any) -> Fraction:
    """An entry of a matrix group, exactly; ValueError for others, which says what to write instead."""
    try:
        entry = fraction(value)
    except ValueError as error:
        rational = getattr(value, "is_rational", None) is not False
        raise ValueError(str(error) if rational else f"{shown(value)} is irrational; {_OTHER_BASIS}") from None
    rounded = binary(value) and entry.denominator > 1
    # Short binary fractions, such as 163/16, are meant as they are; others may have come through a shorter float.
    bits = precision(value) if rounded else 0
    if entry.denominator > PLAIN:
        bits = min(entry.numerator.bit_length(), bits)
    # A short fraction that a float of so many bits comes as near to as it can; halves and quarters it stores.
    meant = _short_fraction(entry, bits) if rounded else None
    if meant is not None and meant.denominator & (meant.denominator - 1):
        raise ValueError(f"{shown(value)} is a float, which stores no {meant}: write '{meant}', since eqsynth is exact")
    if max(abs(entry.numerator), entry.denominator) <= MAX_ENTRY:
        return entry
    if not rounded:
        raise ValueError(f"{shown(value)} has a numerator or denominator beyond {MAX_ENTRY}")
    square = _short_fraction(entry * entry, bits - 1)
    if square is not None:
        root = f"{'-' if entry < 0 else ''}sqrt({square})"
        raise ValueError(f"{shown(value)} is a float near {root}, which is irrational; {_OTHER_BASIS}")
    raise ValueError(f"{shown(value)} is a float that is no short fraction: write the one that is meant, such as '1/3'")


def _short_fraction(stored: Fraction, bits: int) -> Fraction | None:
    """A fraction of small denominator that agrees in so many bits, if that is no accident."""
    short = stored.limit_denominator(min(1 << max(bits // 2 - 1, 0), MAX_MEANT))
    return short if bits >= LEAST_BITS and abs(stored - short) * (1 << bits) <= 2 * abs(stored) else None


_OTHER_BASIS = (
    "take a basis in which entries are fractions, such as two edges of a hexagon for its turns: [[0, -1], [1, 1]]"
)


def _invertible(value: Matrix) -> bool:
    """Whether the determinant is not zero: known modulo a prime, except where it is zero there."""
    import flint

    size = len(value)
    cure = "give smaller matrices"
    afford(f"the determinant of a {size} x {size} matrix", cure, steps=size**3 // 100)
    for prime in ((1 << 61) - 1, (1 << 31) - 1):
        rows = [[entry.numerator * pow(entry.denominator, -1, prime) % prime for entry in row] for row in value]
        if int(flint.nmod_mat(rows, prime).det()):
            return True
    digits = sum(max(entry.denominator for entry in row).bit_length() for row in value)
    afford(f"the exact determinant of a {size} x {size} matrix", cure, steps=size**4 * (digits + 20) // 6000)
    entries = [[flint.fmpq(entry.numerator, entry.denominator) for entry in row] for row in value]
    return bool(flint.fmpq_mat(entries).det() != 0)


def _matrix_text(value: Matrix) -> str:
    return "[" + ",".join("[" + ",".join(map(str, row)) + "]" for row in value) + "]"


@dataclass(frozen=True, slots=True, init=False, repr=False)
class ProductGroup(Group):
    """A product of groups, each acting on index axes of its own (local symmetries).

    >>> from eqsynth import Group
    >>> product = Group.parse("S(4) x O(3)")
    >>> print(product, [str(factor) for factor in product.factors])
    S(4) x O(3) ['S(4)', 'O(3)']

    Orders are tuples with one entry per factor; the axes of the first factor come first. The maps are
    products of the factors' maps: dimensions multiply.
    """

    parts: tuple[Group, ...]

    def __init__(self, factors: Iterable[Group | str]) -> None:
        if isinstance(factors, str) or not isinstance(factors, Iterable):
            raise GroupError(f"a product is made of a list of groups, not of {shown(factors)}")
        listed = tuple(part for factor in factors for part in Group.parse(factor).factors)
        if len(listed) < 2:
            raise GroupError("a product needs two or more groups, such as S(4) x O(3)")
        for part in listed:
            if not part.diagrammatic:
                raise GroupError(
                    f"{part} cannot be a factor yet: products are made of {', '.join(FAMILIES)}. "
                    "A product of permutation groups acting on one set of points is a PermutationGroup"
                )
        _make(self, family="Product", n=0, parts=listed)

    def __repr__(self) -> str:
        return f"ProductGroup({list(self.parts)!r})"

    def __str__(self) -> str:
        return " x ".join(map(str, self.parts))

    @property
    def factors(self) -> tuple[Group, ...]:
        """The groups that are multiplied."""
        return self.parts

    @property
    def symbolic(self) -> bool:
        """Whether the size of a factor is a letter."""
        return any(part.symbolic for part in self.parts)

    @property
    def title(self) -> str:
        """What the group is, in words."""
        return "product of " + " and ".join(f"the {part.title}" for part in self.parts)

    @property
    def diagrammatic(self) -> bool:
        """Products are made of groups with diagrams."""
        return True


@lru_cache(maxsize=64)
def permutation_generators(group: Group) -> tuple[Permutation, ...]:
    """Generators of a permutation group or of the automorphism group of a graph."""
    if isinstance(group, Aut):
        return group.graph.automorphisms()
    if isinstance(group, PermutationGroup):
        return group.generators
    raise GroupError(f"{group} is not given by permutations")


def _pieces(text: str) -> list[tuple[int, int]]:
    """The places of the factors: text between the signs x outside of brackets."""
    depth, start, before, found = 0, 0, "", []
    for position, mark in enumerate(text):
        depth += (mark == "(") - (mark == ")")
        if mark == "x" and depth == 0 and before == ")":
            found.append((start, position))
            start = position + 1
        before = before if mark.isspace() else mark
    return [*found, (start, len(text))]


def _parse_factor(text: str, start: int, stop: int, files: bool | Path) -> Group:
    lead = start + len(text[start:stop]) - len(text[start:stop].lstrip())
    match = _GROUP.match(text, start, stop)
    if match is None:
        raise ParseError("group", text, lead, "a group name is expected", _CURE)
    name = match["family"]
    if name not in FAMILIES and name not in OTHERS:
        raise ParseError("group", text, match.start("family"), f"no family is called {shown(name)}", _suggest(name))
    if not match["open"]:
        digits = re.compile(r"[_\[ ]?([0-9]{1,7})").match(text, match.end("family"))
        cure = f"Write {name}({digits[1]})." if digits and name in FAMILIES else _CURE
        raise ParseError("group", text, match.end("family"), "( and a size are expected here", cure)
    if name in OTHERS:
        inside = match.end("open")
        close = text.rfind(")", inside, stop)
        if close < 0:
            raise ParseError("group", text, stop, ") is expected here", _CURE)
        if text[close + 1 : stop].strip():
            raise ParseError("group", text, close + 1, "nothing more is expected here", _CURE)
        try:
            return _parse_other(name, text[inside:close].strip(), files)
        except EqsynthError as error:
            raise ParseError("group", text, inside, str(error), OTHERS[name]) from None
    if not match["size"]:
        raise ParseError("group", text, match.end("open"), "a size is expected here", _CURE)
    if not match["close"]:
        signs = text[match.end() : stop].lstrip().startswith((",", ";"))
        cure = ELSEWHERE["Lorentz"] if signs else _CURE
        raise ParseError("group", text, match.end("size"), ") is expected here", cure)
    rest = text[match.end() : stop]
    if rest.strip():
        at = match.end() + len(rest) - len(rest.lstrip())
        raise ParseError("group", text, at, "nothing more is expected here", _CURE)
    size = match["size"]
    try:
        return Group(name, int(size[:20]) if re.fullmatch(r"-?[0-9]+", size) else size)
    except GroupError as error:
        raise ParseError("group", text, match.start("size"), str(error), _CURE) from None


#: Families that are given by a graph or by generators, and how to write them.
OTHERS = {
    "Aut": "Write Aut(petersen), Aut(molecule.g6), or Aut(3: 0-1 1-2 | 0 1 0) with vertices, edges and colours.",
    "Perm": "Write Perm(4: 1 2 3 0, 1 0 2 3): the number of points, then the images under each generator.",
    "Matrix": "Write Matrix([[0,1],[-1,0]]; ): generators, a semicolon, generators of the Lie algebra.",
}

_COMPLEX = (
    "Complex matrices are real ones of twice the size, with [[a, -b], [b, a]] for a + bi: U(1) is SO(2), and U(n) and "
    "SU(n) are eq.MatrixGroup([], generators of the Lie algebra), SU(2) with three matrices of 4 x 4."
)
_RIGID = (
    "A layer that commutes with translations, too, reads differences of positions (to a neighbour, or to the mean): "
    "take those with O(n), or with SO(n) where mirror images differ."
)
_LORENTZ = (
    "A group that keeps a form with signs, O(1,3) and the like, is an eq.MatrixGroup of reflections, boosts and "
    "rotations: examples/lorentz.py has it. Sp(n) keeps the symplectic form."
)
_LINEAR = (
    "GL(n) and SL(n) are eq.MatrixGroup([], generators of the Lie algebra): the matrices with a single 1, for SL(n) of "
    "trace 0."
)
_CYCLIC = (
    "Rotations of n points in a ring are Perm(4: 1 2 3 0), those of the plane by a quarter Matrix([[0,-1],[1,0]]; )."
)
_DIHEDRAL = (
    "Rotations and reflections of n points in a ring are Aut(cycle5), those of the plane Matrix([[0,-1],[1,0]] "
    "[[1,0],[0,-1]]; )."
)
_SIGNED = "Permutations with signs are an eq.MatrixGroup of signed permutation matrices."
#: Names of groups that are no families here, and what there is instead.
ELSEWHERE = {
    **dict.fromkeys(("U", "SU", "USp", "Unitary"), _COMPLEX),
    **dict.fromkeys(("SE", "E", "ISO", "Euclidean", "T", "Translation", "Galilei", "Aff"), _RIGID),
    **dict.fromkeys(("Lorentz", "Poincare", "Minkowski"), _LORENTZ),
    **dict.fromkeys(("GL", "SL", "PGL", "PSL"), _LINEAR),
    **dict.fromkeys(("C", "Z", "Cyclic", "Cyc"), _CYCLIC),
    **dict.fromkeys(("D", "Dih", "Dihedral"), _DIHEDRAL),
    **dict.fromkeys(("B", "BC", "Hyperoctahedral"), _SIGNED),
    **dict.fromkeys(("Sym", "Symmetric"), "The group of all permutations is S(n)."),
    **dict.fromkeys(("Alt", "Alternating"), "The group of even permutations is A(n)."),
    **dict.fromkeys(("Orthogonal", "Rot", "Rotation"), "Rotations are SO(n), and with reflections O(n)."),
    "Symplectic": "The symplectic group is Sp(n), n even.",
    **dict.fromkeys(("Spin", "Pin"), "Tensors of R^n see no more of Spin(n) and Pin(n) than SO(n) and O(n)."),
    **dict.fromkeys(("Trivial", "Identity"), "The group of one element is Perm(4: ), with a number of points."),
}


def _parse_other(name: str, inside: str, files: bool | Path) -> Group:
    if name == "Aut":
        return Aut(_graph(inside, files))
    if name == "Perm":
        size, colon, rest = inside.partition(":")
        generators = [part.split() for part in rest.split(",") if part.strip()]
        numbers = [size.strip(), *(word for generator in generators for word in generator)]
        if not colon or not all(word.isascii() and word.isdecimal() for word in numbers):
            raise GroupError(f"{shown(inside)} does not list permutations")
        if any(len(word) > 9 for word in numbers):
            raise GroupError("the numbers of points are too large")
        return PermutationGroup([[int(word) for word in generator] for generator in generators], int(size))
    elements, _, algebra = inside.partition(";")
    return MatrixGroup(_matrices_of_text(elements), _matrices_of_text(algebra))


def _matrices_of_text(text: str) -> list[list[list[str]]]:
    """Matrices as ``[[0,1],[-1,0]] [[1,0],[0,1]]``: in brackets rows in brackets, with or without commas between."""
    matrices: list[list[list[str]]] = []
    depth = 0
    for match in re.finditer(r"[\[\]]|[^\[\]]+", text):
        piece = match[0]
        if piece == "[" and depth < 2:
            depth += 1
            if depth == 1:
                matrices.append([])
            else:
                matrices[-1].append([])
        elif piece == "]" and depth:
            depth -= 1
        elif depth == 2 and piece != "[":
            matrices[-1][-1] = [entry.strip() for entry in piece.split(",")]
        elif piece.strip() not in ("", ","):
            at = text[match.start() : match.start() + 20]
            raise GroupError(f"a matrix such as [[0,1],[-1,0]] is expected at {at!r}")
    if depth:
        raise GroupError(f"a matrix ends without ]: {shown(text)}")
    return matrices


def _suggest(name: str) -> str:
    known = ", ".join([*(f"{family}(n)" for family in FAMILIES), *(f"{other}(...)" for other in OTHERS)])
    names = {other.lower(): other for other in (*ELSEWHERE, *FAMILIES, *OTHERS)}
    close = difflib.get_close_matches(name[:20].lower(), names, n=1, cutoff=0.7)
    near = names.get(name.lower()) or (names[close[0]] if close else "")
    if near in ELSEWHERE:
        return f"{ELSEWHERE[near]} The families are {known}."
    return f"Did you mean {near}? The families are {known}." if near else f"The families are {known}."


@dataclass(frozen=True, slots=True)
class Hom:
    """The problem itself: every linear map between two spaces that commutes with a group.

    >>> from eqsynth import Hom
    >>> hom = Hom.parse("S(n)", "16x2 + 8x1", "32x1")
    >>> print(hom)
    S(n): 16x2 + 8x1 -> 32x1
    >>> eval(repr(hom)) == hom
    True
    """

    group: Group
    space_in: Space
    space_out: Space

    def __post_init__(self) -> None:
        if not isinstance(self.group, Group) or not all(isinstance(s, Space) for s in (self.space_in, self.space_out)):
            raise EqsynthError("a Hom is made of a Group and two Spaces: for texts write eq.Hom.parse(...)")
        for space in (self.space_in, self.space_out):
            for order in space.orders:
                check_order_fits(self.group, order)

    @classmethod
    def parse(
        cls, group: str | Group, space_in: str | int | Space, space_out: str | int | Space, files: bool | Path = True
    ) -> Hom:
        """Read group and spaces as strings, or take them as they are; ``files`` as in :meth:`Group.parse`."""
        return cls(Group.parse(group, files), Space.parse(space_in), Space.parse(space_out))

    def __str__(self) -> str:
        return f"{self.group}: {self.space_in} -> {self.space_out}"


def check_order_fits(group: Group, order: Order) -> None:
    """Raise SpaceError unless the order has one entry per factor of the group."""
    count = len(group.factors)
    if count == 1 and isinstance(order, tuple):
        raise SpaceError(
            f"the order {order_text(order)} has one entry per factor of a product group, "
            f"but {group} has one factor: write a plain number such as {axes_of(order)}"
        )
    if count > 1 and (not isinstance(order, tuple) or len(order) != count):
        example = ",".join(["1"] * count)
        raise SpaceError(
            f"the order {order_text(order)} does not fit {group}: give one entry per factor, such as ({example})"
        )
