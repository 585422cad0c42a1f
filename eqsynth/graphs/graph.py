"""Graphs, by name, from files or from networkx, and the generators of their automorphism groups."""

from __future__ import annotations

import difflib
import importlib
import re
from ast import literal_eval
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from itertools import chain, combinations, islice, repeat
from math import factorial, prod
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from eqsynth.errors import EqsynthError, ExportError, GroupError, SizeError, VerificationError, explain_calls, shown
from eqsynth.exact.numbers import flag, fraction, ordered, whole
from eqsynth.graphs.colours import USUAL, Weights, attribute, colour_numbers, ignored, listed_once, merged
from eqsynth.graphs.orbits import orbit_labels, representative_array
from eqsynth.store import files

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Permutation = tuple[int, ...]
Edges = Iterable[tuple[int, int]]
#: Classes of vertices, each in order.
Classes = list[tuple[int, ...]]

MAX_VERTICES = 5_000
MAX_EDGES = 2_000_000
#: Twins that are joined are looked for among edges of so many colours.
MAX_TWIN_COLOURS = 8
#: Larger files are refused unread.
MAX_FILE = 50_000_000
#: Longer lines of edge lists are refused, and more lines than a graph may have vertices and edges.
MAX_LINE = 10_000

#: Graphs with a name of their own: the function of networkx that builds them, and what they are.
NAMED: dict[str, tuple[str, str]] = {
    "bull": ("bull_graph", "a triangle with two horns: 5 vertices"),
    "cube": ("cubical_graph", "the edges of the cube: 8 vertices, 48 symmetries"),
    "desargues": ("desargues_graph", "20 vertices, 240 symmetries"),
    "diamond": ("diamond_graph", "the complete graph on 4 vertices less one edge"),
    "dodecahedron": ("dodecahedral_graph", "20 vertices, 120 symmetries"),
    "frucht": ("frucht_graph", "3-regular on 12 vertices with no symmetry at all"),
    "heawood": ("heawood_graph", "points and lines of the Fano plane: 14 vertices, 336 symmetries"),
    "house": ("house_graph", "a triangle on a square: 5 vertices"),
    "icosahedron": ("icosahedral_graph", "12 vertices, 120 symmetries"),
    "karate": ("karate_club_graph", "Zachary's karate club, unweighted: 34 vertices, 480 symmetries"),
    "moebius-kantor": ("moebius_kantor_graph", "16 vertices, 96 symmetries"),
    "octahedron": ("octahedral_graph", "6 vertices, 48 symmetries"),
    "pappus": ("pappus_graph", "18 vertices, 216 symmetries"),
    "petersen": ("petersen_graph", "10 vertices, 120 symmetries"),
    "tetrahedron": ("tetrahedral_graph", "the complete graph on 4 vertices"),
    "tutte": ("tutte_graph", "3-regular on 46 vertices, 3 symmetries"),
}


@dataclass(frozen=True, slots=True)
class GraphFamily:
    """A series of graphs: its name with sizes, a short form, the least size, and what it is."""

    name: str
    short: str
    least: int
    title: str
    build: Callable[..., tuple[int, Edges]]
    sizes: int = 1
    directed: bool = False

    @property
    def pattern(self) -> str:
        """How a member is written, sizes as letters."""
        return self.name + ("N" if self.sizes == 1 else "AxB")


def _grid(rows: int, columns: int, wrap: bool = False) -> tuple[int, Edges]:
    def edges() -> Iterator[tuple[int, int]]:
        for row in range(rows):
            for column in range(columns):
                here = row * columns + column
                if wrap or column + 1 < columns:
                    yield here, row * columns + (column + 1) % columns
                if wrap or row + 1 < rows:
                    yield here, (row + 1) % rows * columns + column

    return rows * columns, edges()


#: Graphs with a name and sizes, such as ``cycle5`` (also ``C5``), ``grid3x4``.
FAMILIES: dict[str, GraphFamily] = {
    series.name: series
    for series in (
        GraphFamily("cycle", "C", 3, "N vertices in a ring", lambda n: (n, ((i, (i + 1) % n) for i in range(n)))),
        GraphFamily("path", "P", 1, "N vertices in a row", lambda n: (n, ((i, i + 1) for i in range(n - 1)))),
        GraphFamily("complete", "K", 1, "all edges on N vertices", lambda n: (n, combinations(range(n), 2))),
        GraphFamily("empty", "", 1, "N vertices, no edge", lambda n: (n, ())),
        GraphFamily("star", "", 1, "vertex 0 joined to N leaves", lambda n: (n + 1, ((0, i + 1) for i in range(n)))),
        GraphFamily(
            "hypercube",
            "Q",
            1,
            "the 2^N corners of a cube",
            lambda n: (2**n, ((i, i | 1 << b) for i in range(2**n) for b in range(n) if not i >> b & 1)),
        ),
        GraphFamily(
            "dicycle",
            "",
            2,
            "N vertices in a ring, edges one way",
            lambda n: (n, ((i, (i + 1) % n) for i in range(n))),
            directed=True,
        ),
        GraphFamily(
            "dipath",
            "",
            1,
            "N vertices in a row, edges one way",
            lambda n: (n, ((i, i + 1) for i in range(n - 1))),
            directed=True,
        ),
        GraphFamily("grid", "", 1, "A rows of B vertices", _grid, sizes=2),
        GraphFamily("torus", "", 3, "a grid that wraps around", lambda a, b: _grid(a, b, wrap=True), sizes=2),
        GraphFamily(
            "bipartite",
            "K",
            1,
            "A vertices each joined to B others",
            lambda a, b: (a + b, ((i, a + j) for i in range(a) for j in range(b))),
            sizes=2,
        ),
    )
}

_SIZED = re.compile(r"(?P<word>[a-z]+)(?P<first>\d+)(?:[x,](?P<second>\d+))?", re.IGNORECASE)
_READABLE = ".g6, .s6, .edgelist, .edges, .txt or .graphml"


@explain_calls
@dataclass(frozen=True, slots=True, repr=False)
class Graph:
    """A graph on the vertices 0 .. n - 1, directed or not, with loops and colours of vertices and edges if wanted.

    >>> from eqsynth.graphs.graph import Graph
    >>> square = Graph(4, ((1, 0), (1, 2), (2, 3), (3, 0)))
    >>> square
    Graph(n=4, edges=((0, 1), (0, 3), (1, 2), (2, 3)), directed=False, colours=(), name='')
    >>> eval(repr(square)) == square
    True
    >>> print(square, Graph.named("C4"))
    graph(4 vertices, 4 edges) cycle4

    Edges are kept sorted and once each; in an undirected graph the lesser vertex comes first, in a
    directed one the tail. ``colours`` is empty, or has one number per vertex, which automorphisms keep; so do those of
    edges, ``edge_colours``, one number per edge (none where all are the same).

    >>> Graph(3, ((1, 2), (0, 1)), edge_colours=(2, 1))
    Graph(n=3, edges=((0, 1), (1, 2)), directed=False, colours=(), name='', edge_colours=(1, 2))

    Raises GroupError for edges or colours that do not fit, SizeError above 5,000 vertices or
    two million edges.
    """

    n: int
    edges: tuple[tuple[int, int], ...]
    directed: bool = False
    colours: tuple[int, ...] = ()
    name: str = ""
    edge_colours: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "directed", flag("directed", self.directed))
        if not isinstance(self.name, str):
            raise GroupError(f"the name of a graph is a text, not {shown(self.name)}: write name='{shown(self.name)}'")
        n = whole(self.n)
        if n is None or n < 1:
            raise GroupError(f"a graph has a whole number of vertices, at least 1, not {shown(self.n)}")
        if n > MAX_VERTICES:
            raise SizeError(f"a graph on {shown(n)} vertices is beyond the largest, {MAX_VERTICES:,}: ask for fewer")
        if any(isinstance(given, Mapping | Set) for given in (self.colours, self.edge_colours)):
            raise GroupError("a dict or a set of colours has no order: list them, [colours[v] for v in range(n)]")
        colours_listed = ordered(self.colours) and ordered(self.edge_colours)
        if not colours_listed or not (ordered(self.edges) or isinstance(self.edges, Mapping | Set)):
            raise GroupError(
                "edges of a graph are a list of pairs, and its colours a list of numbers, not "
                f"{shown(self.edges if colours_listed else self.colours)}"
            )
        edges = self._coloured_edges(n)
        object.__setattr__(self, "colours", tuple(islice(self.colours, n + 1)))
        colours = tuple(colour for colour in map(whole, self.colours) if colour is not None)
        if len(self.colours) not in (0, n) or len(colours) != len(self.colours):
            raise GroupError(
                f"the colours {shown(self.colours)} do not fit a graph on {n} vertices: give one whole number "
                "for each vertex, or none at all"
            )
        object.__setattr__(self, "n", n)
        object.__setattr__(self, "edges", tuple(sorted(edges)))
        object.__setattr__(self, "colours", colours)
        alike = len(set(edges.values())) < 2
        object.__setattr__(self, "edge_colours", () if alike else tuple(edges[edge] for edge in self.edges))

    def _coloured_edges(self, n: int) -> dict[tuple[int, int], int]:
        """The edges, the lesser vertex first in an undirected graph, with their colours."""
        given = tuple(islice(self.edge_colours, MAX_EDGES + 1))
        read = tuple(colour for colour in map(whole, given) if colour is not None)
        edges: dict[tuple[int, int], int] = {}
        count = 0
        for count, (edge, colour) in enumerate(zip(self.edges, chain(read, repeat(0)), strict=False), 1):
            if count > MAX_EDGES:
                raise SizeError(f"a graph with more than {MAX_EDGES:,} edges is too large: ask for fewer")
            tail, head = _ends(edge, n)
            ends = (tail, head) if self.directed or tail <= head else (head, tail)
            if edges.setdefault(ends, colour) != colour:
                raise GroupError(f"the edge {tail} {head} has the colours {edges[ends]} and {colour}: give it one")
        if len(read) not in (0, count) or len(read) != len(given):
            raise GroupError(
                f"the colours {shown(given)} do not fit a graph of {count} edges: give one whole number for each "
                "edge, in their order, or none at all"
            )
        return edges

    @classmethod
    @explain_calls
    def parse(cls, text: str | Graph, folder: Path | None = None) -> Graph:
        """A graph from a name, or from a file (in ``folder``) if ``text`` has a suffix or is a file that is there.

        >>> from eqsynth.graphs.graph import Graph
        >>> Graph.parse("petersen").n
        10
        """
        if isinstance(text, Graph):
            return text
        try:
            return cls.named(text)
        except GroupError as error:
            if not isinstance(text, str):
                raise
            path = text if folder is None else str(folder / text)
            if _is_file(path):
                return cls.read(path)
            raise error from None

    @classmethod
    @explain_calls
    def named(cls, name: str) -> Graph:
        """A graph of :data:`NAMED`, such as ``petersen``, or of :data:`FAMILIES`, such as ``cycle5`` or ``C5``.

        >>> from eqsynth.graphs.graph import Graph
        >>> Graph.named("path3").edges
        ((0, 1), (1, 2))
        >>> str(Graph.named("K3,3"))
        'bipartite3x3'

        Raises GroupError for a name that is not known, and suggests others; SizeError for too many vertices.
        """
        if not isinstance(name, str):
            raise GroupError(
                f"a graph is named by a string such as 'petersen', not {shown(name)}; for networkx: Graph.of"
            )
        text = name.strip()
        if text.lower() in NAMED:
            function, _ = NAMED[text.lower()]
            return replace(cls.of(getattr(_need("networkx"), function)(), weights=False), name=text.lower())
        match = _SIZED.fullmatch(text)
        family = _family(match["word"], 2 if match["second"] else 1) if match else None
        if match is None or family is None:
            raise GroupError(f"there is no graph called {shown(name)}: {_suggest(text[:40])}")
        sizes = [int(size[:10]) for size in (match["first"], match["second"]) if size]
        if min(sizes) < family.least:
            raise GroupError(
                f"there is no graph {shown(name)}: {family.pattern} ({family.title}) starts at {family.least} "
                f"for {'N' if family.sizes == 1 else 'A and B'}"
            )
        # 2^N is not worked out for a large N.
        vertices, edges = family.build(*(min(size, MAX_VERTICES + 1) for size in sizes))
        if vertices > MAX_VERTICES:
            raise SizeError(
                f"{shown(name)} has more than {MAX_VERTICES:,} vertices, the most there may be: ask for fewer"
            )
        edges = tuple(islice(edges, MAX_EDGES + 1))
        return cls(vertices, edges, family.directed, name=family.name + "x".join(map(str, sizes)))

    @classmethod
    @explain_calls
    def of(
        cls, graph: Any, name: str = "", *, n: int | None = None, directed: bool | None = None, weights: Any = None
    ) -> Graph:
        """The graph of an object: of networkx or igraph, a matrix, a list of edges, or an edge_index.

        >>> import networkx
        >>> import numpy as np
        >>> from eqsynth.graphs.graph import Graph
        >>> Graph.of(networkx.DiGraph([("a", "b"), ("b", "c")]))
        Graph(n=3, edges=((0, 1), (1, 2)), directed=True, colours=(), name='')
        >>> Graph.of([(0, 1), (1, 2)]) == Graph.of(np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]]))
        True
        >>> Graph.of([(0, 1, 1.5), (1, 2, 2.5), (2, 3, 1.5)], weights=True).edge_colours
        (0, 1, 0)

        - networkx and igraph: vertices are numbered in the order of the nodes. The attribute ``colour`` or ``color`` of
          nodes, if every one has it, becomes the colours. Several edges between two vertices have their number as a
          colour.
        - A square array or list of rows is a matrix: edges are the entries that are not 0, directed where it is not
          symmetric.
        - Tuples are edges; an array of shape (2, E), as of PyTorch Geometric, has their ends in its rows. Each edge of
          an undirected graph may stand once, or each in both directions; an edge_index with edges in one direction
          needs ``directed``. ``n`` says how many vertices there are, if the last have no edges.

        ``weights`` says whether the weights of edges are colours, which automorphisms keep: ``True`` (the attribute
        ``weight``, entries of a matrix, the third of each tuple), the name of another attribute, or a list of one
        weight for each edge. Equal weights, exactly, are one colour. By default they are not used, and a warning says
        so where they differ; ``False`` says that this is meant.

        Raises GroupError for what is no graph, or may mean two things.
        """
        from eqsynth.graphs.objects import graph_of

        return graph_of(graph, name, n, directed, weights)

    @classmethod
    @explain_calls
    def read(cls, path: str | PathLike[str], directed: bool = False, weights: Weights = None) -> Graph:
        r"""A graph from a file, whose suffix says the format; its name is the path.

        >>> import tempfile
        >>> from pathlib import Path
        >>> from eqsynth.graphs.graph import Graph
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "square.edgelist")
        ...     _ = path.write_text("a b\nb c\nc d\nd a\n")
        ...     Graph.read(path).edges
        ((0, 1), (0, 3), (1, 2), (2, 3))

        - ``.g6`` graph6 and ``.s6`` sparse6, one graph in the file.
        - ``.edgelist``, ``.edges``, ``.txt``: a line per edge, two labels with blanks, tabs, commas or semicolons
          between, the same in all lines; a line with one label, below the edges, is a vertex; lines that begin with
          ``#`` or ``%`` and a blank are comments. Further columns are numbers or ``{...}``, such as weights. In tables
          with commas, semicolons or tabs, labels with blanks or delimiters stand in quotation marks; brackets, as in
          ``(0, 1)``, hold a label together. In an undirected graph either all edges are listed in both directions or
          none. Vertices are in numerical order if all labels are whole numbers, otherwise in order of appearance.
          ``directed`` reads each edge as tail, head. A line that may mean two things is refused, among them a first
          line ``5`` or ``5 4`` that may count vertices and edges.
        - ``.graphml``: directed as the file says; a vertex attribute ``colour`` or ``color`` gives the colours.

        ``weights=True`` makes the weights of edges colours, which automorphisms keep (in GraphML the attribute
        ``weight``; in ``{...}`` the key), a text those of another name; ``False`` leaves them out. Without it they are
        not used, and a warning says so where they differ. So it is with edges that are repeated in an edge list; in the
        other formats their number is a colour.

        Raises ExportError if the file cannot be read, GroupError where weights that are asked for are not there.
        """
        path, directed = files.path_of(path), flag("directed", directed)
        suffix = path.suffix.lower()
        if suffix not in (".g6", ".s6", ".edgelist", ".edges", ".txt", ".graphml"):
            raise ExportError(f"cannot read {path}: its suffix is {suffix!r}; name a file {_READABLE}")
        if directed and suffix in (".g6", ".s6", ".graphml"):
            raise GroupError(f"{path} says by itself whether it is directed: leave out directed=True")
        try:
            content = files.read(path, MAX_FILE)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ExportError(f"cannot read the graph file {path}: {reason}; check the path") from error
        if not content.strip():
            raise ExportError(f"cannot read a graph from {path}: the file is empty")
        if suffix in (".edgelist", ".edges", ".txt"):
            return _read_edge_list(content, path, directed, weights)
        if suffix == ".graphml":
            return _read_graphml(content, path, weights)
        if weights:
            raise GroupError(f"{path} is of a format without weights: leave weights out")
        return _read_line(content, suffix, path)

    def __repr__(self) -> str:
        shown = ("n", "edges", "directed", "colours", "name", *(["edge_colours"] if self.edge_colours else []))
        return f"Graph({', '.join(f'{field}={getattr(self, field)!r}' for field in shown)})"

    def __str__(self) -> str:
        if self.name:
            return self.name
        kind = "digraph" if self.directed else "graph"
        colours = f", {len(set(self.colours))} colours" if self.colours else ""
        vertices = "vertex" if self.n == 1 else "vertices"
        edges = "edge" if len(self.edges) == 1 else "edges"
        if self.edge_colours:
            colours = f" in {len(set(self.edge_colours))} colours{colours}"
        return f"{kind}({self.n} {vertices}, {len(self.edges)} {edges}{colours})"

    @property
    def loops(self) -> bool:
        """Whether some vertex has an edge to itself."""
        return any(tail == head for tail, head in self.edges)

    def adjacency(self) -> NDArray[np.int64]:
        """The adjacency matrix, shape (n, n): row = tail, column = head; 0 or 1, a loop once.

        >>> from eqsynth.graphs.graph import Graph
        >>> Graph.named("path3").adjacency().tolist()
        [[0, 1, 0], [1, 0, 1], [0, 1, 0]]
        """
        import numpy as np

        matrix = np.zeros((self.n, self.n), np.int64)
        if self.edges:
            tails, heads = np.array(self.edges).T
            matrix[tails, heads] = 1
            if not self.directed:
                matrix[heads, tails] = 1
        return matrix

    def automorphisms(self) -> tuple[Permutation, ...]:
        """Generators of the automorphism group; vertex i goes to ``generator[i]``. None for the trivial group.

        >>> from eqsynth.graphs.graph import Graph
        >>> Graph.named("path4").automorphisms()
        ((3, 2, 1, 0),)
        >>> Graph.named("frucht").automorphisms()
        ()

        Found by BLISS through igraph, with colours of vertices and edges, directions and loops (a loop acts as a
        colour); each generator is checked against the edges and colours before it is given out.

        Raises VerificationError if a generator fails the check.
        """
        levels, arcs, kinds = self._collapsed()
        generators = [tuple(images) for images in _bliss(arcs, kinds, self.directed, "automorphism_group")]
        for classes in reversed(levels):
            generators = _lifted(generators, classes)
        generators.sort()
        keeps = _keeper(self)
        for generator in generators:
            if not keeps(generator):
                raise VerificationError(
                    f"{shown(generator)} was found as a symmetry of {self}, but does not keep its edges and colours: "
                    "please report it"
                )
        return tuple(generators)

    def automorphism_count(self) -> int:
        """The number of automorphisms, exactly.

        >>> from eqsynth.graphs.graph import Graph
        >>> Graph.named("petersen").automorphism_count()
        120
        """
        levels, arcs, kinds = self._collapsed()
        inside = prod(_inside(classes) for classes in reversed(levels))
        return int(_bliss(arcs, kinds, self.directed, "count_automorphisms")) * inside

    def _arcs(self) -> NDArray[Any]:
        """The adjacency matrix, with the number of the colour of each edge, from 1 on."""
        import numpy as np

        if not self.edge_colours:
            return self.adjacency().astype(bool)
        numbers = {colour: number for number, colour in enumerate(sorted(set(self.edge_colours)), 1)}
        matrix = np.zeros((self.n, self.n), np.min_scalar_type(len(numbers)))
        tails, heads = np.array(self.edges).T
        matrix[tails, heads] = [numbers[colour] for colour in self.edge_colours]
        if not self.directed:
            matrix[heads, tails] = matrix[tails, heads]
        return matrix

    def _collapsed(self) -> tuple[list[Classes], NDArray[Any], list[int]]:
        """The graph with each class of twins made one vertex, again and again: the classes, then edges and colours.

        Vertices are twins if they have the same neighbours but for each other. All permutations of a class are
        automorphisms, and each automorphism is one of them after one of the classes. So complete graphs, stars, copies
        of an edge and the like need few generators, and take no time.
        """
        import numpy as np

        arcs = self._arcs()
        looped = np.diagonal(arcs).tolist()
        np.fill_diagonal(arcs, 0)
        kinds = _numbered(list(zip(self.colours or [0] * self.n, looped, strict=True)))
        levels: list[Classes] = []
        while len(classes := _twins(arcs, kinds)) < len(kinds):
            levels.append(classes)
            kinds = _numbered([(kinds[c[0]], len(c), int(arcs[c[0], c[-1]])) for c in classes])
            first = [members[0] for members in classes]
            arcs = arcs[np.ix_(first, first)]
        return levels, arcs, kinds


def _numbered(kinds: Sequence[tuple[Any, ...]]) -> list[int]:
    numbers = {kind: number for number, kind in enumerate(sorted(set(kinds)))}
    return [numbers[kind] for kind in kinds]


def _twins(arcs: NDArray[Any], kinds: Sequence[int]) -> Classes:
    """Classes of vertices of the same kind and neighbours, in the order of their least members.

    Either no two of a class are joined or all are, by edges of one colour, and then each counts as its own neighbour.
    Only the first colours are looked at: twins are found to save time.
    """
    import numpy as np

    classes: list[tuple[int, ...]] = []
    single = set(range(len(kinds)))
    for own in range(1 + min(int(arcs.max(initial=0)), MAX_TWIN_COLOURS)):
        np.fill_diagonal(arcs, own)
        groups: dict[tuple[int, bytes, bytes], list[int]] = {}
        sides = [np.packbits(side, axis=1) if side.dtype == bool else side for side in (arcs, arcs.T)]
        for vertex, (row, column) in enumerate(zip(*sides, strict=True)):
            groups.setdefault((kinds[vertex], row.tobytes(), column.tobytes()), []).append(vertex)
        classes += [tuple(members) for members in groups.values() if len(members) > 1]
    np.fill_diagonal(arcs, 0)
    for members in classes:
        single -= set(members)
    return sorted([*classes, *((vertex,) for vertex in single)])


def _lifted(quotient: Sequence[Permutation], classes: Classes) -> list[Permutation]:
    """Generators of a graph's automorphisms from those of its classes of twins."""
    n = sum(map(len, classes))
    lifted = []
    for generator in quotient:
        images = [0] * n
        for members, to in zip(classes, generator, strict=True):
            for vertex, image in zip(members, classes[to], strict=True):
                images[vertex] = image
        lifted.append(tuple(images))
    # One class of each orbit is enough: the generators above carry it to the others.
    for number in representative_array(orbit_labels(quotient, len(classes), 1)).ravel().tolist():
        members = classes[number]
        # A transposition and a cycle generate all permutations.
        for cycle in {members[:2], members} if len(members) > 1 else ():
            images = [*range(n)]
            for vertex, image in zip(cycle, (*cycle[1:], cycle[0]), strict=True):
                images[vertex] = image
            lifted.append(tuple(images))
    return lifted


def _inside(classes: Classes) -> int:
    """How many permutations keep each class of twins."""
    return prod(factorial(len(members)) for members in classes)


def _bliss(arcs: NDArray[Any], kinds: Sequence[int], directed: bool, method: str) -> Any:
    """What BLISS says of the graph with these edges and colours; without igraph where no two vertices are alike.

    BLISS knows colours of vertices. Those of edges are binary numbers: there is a copy of the vertices for each digit,
    with the edges whose colour has it, and each vertex is joined to its next copy.
    """
    if len(set(kinds)) == len(kinds):
        return [] if method == "automorphism_group" else 1
    import numpy as np

    n, sides = len(kinds), arcs if directed else np.triu(arcs)
    digits = int(arcs.max(initial=0)).bit_length() or 1
    ends: list[list[int]] = []
    for digit in range(digits):
        here = sides if digits == 1 else (sides >> digit) & 1
        ends += (np.argwhere(here) + digit * n).tolist()
        ends += [[vertex + (digit - 1) * n, vertex + digit * n] for vertex in range(n if digit else 0)]
    graph = _need("igraph").Graph(n * digits, ends, directed=directed)
    colours = [kind + digit * (max(kinds) + 1) for digit in range(digits) for kind in kinds]
    said = getattr(graph, method)(color=colours)
    return said if method == "count_automorphisms" else [images[:n] for images in said]


def is_automorphism(graph: Graph, permutation: Sequence[int]) -> bool:
    """Whether a permutation of the vertices keeps edges, directions, loops and colours of vertices and edges.

    >>> from eqsynth.graphs.graph import Graph, is_automorphism
    >>> is_automorphism(Graph.named("C4"), (1, 2, 3, 0)), is_automorphism(Graph.named("C4"), (1, 0, 2, 3))
    (True, False)
    """
    return _keeper(graph)(permutation)


def _keeper(graph: Graph) -> Callable[[Sequence[int]], bool]:
    """:func:`is_automorphism` for many permutations of one graph."""
    import numpy as np

    n = graph.n
    # Edges are sorted, hence their numbers too.
    ends = np.array(graph.edges, np.int64).reshape(-1, 2)
    numbers = ends[:, 0] * n + ends[:, 1]
    colours = np.array(graph.edge_colours)

    def keeps(permutation: Sequence[int]) -> bool:
        if sorted(permutation) != list(range(n)):
            return False
        if graph.colours and any(graph.colours[permutation[i]] != graph.colours[i] for i in range(n)):
            return False
        images = np.array(permutation, np.int64)
        moves = images != np.arange(n)
        # Different edges go to different places: it is enough that each edge that moves goes to an edge.
        moving = moves[ends].any(1)
        moved = images[ends[moving]]
        if not graph.directed:
            moved.sort(axis=1)
        wanted = moved[:, 0] * n + moved[:, 1]
        if not len(wanted):
            return True
        places = np.minimum(np.searchsorted(numbers, wanted), len(numbers) - 1)
        same = not graph.edge_colours or np.array_equal(colours[places], colours[moving])
        return bool(np.all(numbers[places] == wanted)) and same

    return keeps


def _ends(edge: Any, n: int) -> tuple[int, int]:
    """The two vertices of an edge."""
    pair = edge if type(edge) is tuple else tuple(islice(edge, 3)) if ordered(edge) else ()
    if len(pair) == 2:
        tail, head = whole(pair[0]), whole(pair[1])
        if tail is not None and head is not None and 0 <= tail < n and 0 <= head < n:
            return tail, head
    raise GroupError(
        f"{shown(edge)} is no edge of a graph on {n} vertices: an edge is a pair of numbers from 0 to {n - 1}"
    )


def _family(word: str, sizes: int) -> GraphFamily | None:
    for series in FAMILIES.values():
        if series.sizes == sizes and (word.lower() == series.name or (series.short and word.upper() == series.short)):
            return series
    return None


def _suggest(name: str) -> str:
    patterns = [series.pattern for series in FAMILIES.values()]
    words = {**{known: known for known in NAMED}, **{series.name: series.pattern for series in FAMILIES.values()}}
    close = difflib.get_close_matches(re.sub(r"[\d,x]+$", "", name.lower()), words, n=3, cutoff=0.6)
    near = f"Did you mean {' or '.join(words[word] for word in close)}? " if close else ""
    return f"{near}Named graphs are {', '.join(NAMED)}; with sizes {', '.join(patterns)}. For a file, give {_READABLE}."


def _is_file(text: str) -> bool:
    try:
        return bool(Path(text).suffix) or Path(text).is_file()
    except (OSError, ValueError):
        return False


def _read_line(content: bytes, suffix: str, path: Path) -> Graph:
    """The graph of a graph6 or sparse6 file; sizes are checked before anything is built."""
    lines = [line for line in content.removeprefix(b"\xef\xbb\xbf").split() if line]
    if len(lines) != 1:
        raise ExportError(f"cannot read one graph from {path}: it holds {len(lines)}; keep one graph per file")
    kind = _FORMATS[suffix]

    def refuse(why: str) -> NoReturn:
        raise ExportError(f"cannot read {path}: it is not {kind} ({why}); check the file or rename it by its format")

    line = lines[0].removeprefix(f">>{kind}<<".encode())
    if (suffix == ".s6") != line.startswith(b":"):
        refuse("sparse6 begins with a colon, and graph6 does not")
    sixes = [byte - 63 for byte in line.removeprefix(b":")]
    if not sixes or not 0 <= min(sixes) <= max(sixes) < 64:
        refuse("it has signs that are not used")
    wide = 1 if sixes[0] < 63 else 4 if sixes[1:2] != [63] else 8
    digits, data = sixes[{1: 0, 4: 1, 8: 2}[wide] : wide], sixes[wide:]
    if len(digits) < {1: 1, 4: 3, 8: 6}[wide]:
        refuse("it ends within the number of vertices")
    n = sum(digit << 6 * place for place, digit in enumerate(reversed(digits)))
    if n > MAX_VERTICES:
        raise SizeError(
            f"{path} says that its graph has {n:,} vertices, more than {MAX_VERTICES:,}, the most there may be"
        )
    if n == 0:
        raise GroupError(f"{path}: the graph has no vertex: give one with at least 1")
    edges = _graph6_edges(n, data, refuse) if suffix == ".g6" else _sparse6_edges(n, data, refuse)
    pairs, colours = merged(edges, None, False)
    return Graph(n, tuple(pairs), name=path.as_posix(), edge_colours=colours)


def _graph6_edges(n: int, data: list[int], refuse: Callable[[str], NoReturn]) -> list[tuple[int, int]]:
    """Bits of pairs (i, j), i < j, in the order of j, then of i."""
    import numpy as np

    pairs = n * (n - 1) // 2
    if len(data) != (pairs + 5) // 6:
        refuse(f"{n} vertices need {(pairs + 5) // 6:,} signs, not {len(data):,}")
    bits = np.unpackbits(np.array(data, np.uint8).reshape(-1, 1), axis=1)[:, 2:].ravel()
    places = np.flatnonzero(bits[:pairs])
    if bits[pairs:].any():
        refuse("it goes on behind the last pair of vertices")
    starts = np.arange(n) * (np.arange(n) - 1) // 2
    later = np.searchsorted(starts, places, side="right") - 1
    return list(zip((places - starts[later]).tolist(), later.tolist(), strict=True))


def _sparse6_edges(n: int, data: list[int], refuse: Callable[[str], NoReturn]) -> list[tuple[int, int]]:
    """Words of a bit that says whether the vertex goes up by one, and a vertex: to go to, or to join."""
    if n == 1 and data:
        refuse("networkx and nauty write loops at a single vertex in two ways")
    width = (n - 1).bit_length()
    most = (width + 1) * (MAX_EDGES + n)
    if 6 * len(data) > most:
        raise SizeError(f"the graph has more than {MAX_EDGES:,} edges, the most there may be: ask for fewer")
    edges: list[tuple[int, int]] = []
    vertex = bits = value = 0
    for position, six in enumerate(data):
        value, bits = value << 6 | six, bits + 6
        while bits > width:
            bits -= width + 1
            word, value = value >> bits, value & ((1 << bits) - 1)
            vertex += word >> width
            other = word & ((1 << width) - 1)
            if max(vertex, other) >= n:
                # Ones fill up the last sign.
                if position + 1 < len(data):
                    refuse("it goes on behind the last vertex")
                return edges
            if other > vertex:
                vertex = other
            else:
                edges.append((other, vertex))
    return edges


_FORMATS = {".g6": "graph6", ".s6": "sparse6"}


def _read_graphml(content: bytes, path: Path, weights: Weights) -> Graph:
    """The one graph of a GraphML file, read in one pass; what it cannot hold here is refused."""
    from xml.parsers import expat

    reader = _GraphML(path, weights)
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = reader.text, reader.doctype
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        if isinstance(error, EqsynthError):
            raise
        raise ExportError(f"cannot read {path}: it is not GraphML ({error}); check the file") from error
    return reader.graph()


class _GraphML:
    """What a GraphML file says, element by element: vertices, edges and colours; other data is left out."""

    _OF = "http://graphml.graphdrawing.org/"
    _DEPTH = 100

    def __init__(self, path: Path, weights: Weights) -> None:
        self.path, self.weights = path, weights
        self.open: list[str] = []
        self.directed: bool | None = None
        self.edges: list[tuple[str, str]] = []
        #: The keys of what edges may have, with their names and types; what they have, and what those without it get.
        self.names: dict[str, tuple[str, str]] = {}
        self.attributes: list[dict[str, str]] = []
        self.usual: dict[str, str] = {}
        #: The keys of colours with their types, and what a vertex without one gets.
        self.types: dict[str, str] = {}
        self.default: dict[str, str] = {}
        self.vertices: dict[str, dict[str, str]] = {}
        self.vertex = self.key = ""
        self.read: list[str] | None = None

    def refuse(self, why: str) -> NoReturn:
        """Say what the file has that cannot be read."""
        raise ExportError(f"cannot read {self.path}: {why}")

    def doctype(self, *_: object) -> None:
        """A DOCTYPE may define entities that grow without bound."""
        self.refuse("it may define entities of its own; save it without a DOCTYPE")

    def start(self, tag: str, given: dict[str, str]) -> None:
        """An element begins."""
        space, _, name = tag.rpartition(" ")
        within, foreign = self.open[-1] if self.open else "", bool(space) and not space.startswith(self._OF)
        self.open.append("" if foreign else name)
        if len(self.open) > self._DEPTH:
            self.refuse(f"it has elements in each other, {self._DEPTH} deep")
        if len(self.open) == 1 and (foreign or name != "graphml"):
            self.refuse(f"it is not GraphML, but {name}; check the file or rename it by its format")
        if self.read is not None:
            self.refuse("a colour has parts of its own: give numbers or texts")
        if foreign:
            return
        if name == "graph":
            if within != "graphml" or self.directed is not None:
                self.refuse("it holds more than one graph; keep one graph per file, none in a vertex")
            if given.get("edgedefault") not in ("directed", "undirected"):
                self.refuse('the graph does not say edgedefault="directed" or "undirected"')
            self.directed = given["edgedefault"] == "directed"
        elif name == "hyperedge":
            self.refuse("it has hyperedges: write a graph whose edges join two vertices")
        elif name == "node" and within == "graph":
            self._node(given)
        elif name == "edge" and within == "graph":
            self._edge(given)
        elif name == "key" and within == "graphml":
            self._key(given)
        elif (
            (name == "default" and within == "key" and self.key)
            or (name == "data" and within == "node" and given.get("key") in self.types)
            or (name == "data" and within == "edge" and given.get("key") in self.names)
        ):
            self.key = given.get("key", self.key)
            self.read = []

    def _key(self, given: dict[str, str]) -> None:
        """A kind of data: colours of vertices, and what edges have under a name that counts."""
        self.key, kind, name = "", given.get("for", "all"), given.get("attr.name", "")
        wanted = {None: USUAL, False: (), True: ("weight",)}.get(self.weights, (self.weights,))  # type: ignore[arg-type]
        if kind in ("node", "all") and name in ("colour", "color"):
            self.key = given.get("id", "")
            self.types[self.key] = given.get("attr.type", "string")
        if kind in ("edge", "all") and name in wanted:
            self.key = given.get("id", "")
            self.names[self.key] = name, given.get("attr.type", "string")

    def _node(self, given: dict[str, str]) -> None:
        self.vertex = given.get("id", "")
        if "id" not in given or self.vertex in self.vertices:
            self.refuse(f"the vertex id {shown(given.get('id'))} is missing or stands twice: give each its own")
        if len(self.vertices) == MAX_VERTICES:
            raise SizeError(f"{self.path} has more than {MAX_VERTICES:,} vertices, the most there may be")
        self.vertices[self.vertex] = {}

    def _edge(self, given: dict[str, str]) -> None:
        if not {"source", "target"} <= set(given):
            self.refuse("an edge has no source or no target")
        if given.get("directed", str(self.directed).lower()) != str(self.directed).lower():
            self.refuse("some edges are directed and others are not: write all one way")
        if len(self.edges) == MAX_EDGES:
            raise SizeError(f"{self.path} has more than {MAX_EDGES:,} edges, the most there may be: ask for fewer")
        self.edges.append((given["source"], given["target"]))
        self.attributes.append({})

    def text(self, text: str) -> None:
        """Text between elements, kept where it is a colour."""
        if self.read is not None:
            self.read.append(text)

    def end(self, _: str) -> None:
        """An element ends."""
        name = self.open.pop()
        if self.read is not None and name in ("default", "data"):
            text, self.read = "".join(self.read), None
            if name == "data":
                (self.attributes[-1] if self.open[-1] == "edge" else self.vertices[self.vertex])[self.key] = text
                return
            if self.key in self.types:
                self.default[self.key] = text
            if self.key in self.names:
                self.usual[self.key] = text

    def graph(self) -> Graph:
        """The graph, once the file is read."""
        if self.directed is None:
            self.refuse("it holds no graph")
        if not self.vertices:
            raise GroupError(f"{self.path}: the graph has no vertex: give one with at least 1")
        number = {vertex: position for position, vertex in enumerate(self.vertices)}
        pairs = []
        for edge in self.edges:
            if not (edge[0] in number and edge[1] in number):
                self.refuse(f"the edge {shown(edge)} has an end that is no vertex of the graph")
            pairs.append((number[edge[0]], number[edge[1]]))
        try:
            colours = colour_numbers([self._colour({**self.default, **own}) for own in self.vertices.values()])
            texts = [{**self.usual, **own} for own in self.attributes]
            data = [
                {self.names[key][0]: self._value(text, self.names[key][1]) for key, text in own.items()}
                for own in texts
            ]
            values = attribute(data, self.weights, str(self.path)) if data else None
            edges, edge_colours = merged(pairs, values, self.directed)
        except GroupError as error:
            raise GroupError(f"{self.path}: {error}") from None
        return Graph(len(number), tuple(edges), self.directed, colours, self.path.as_posix(), edge_colours)

    def _colour(self, texts: dict[str, str]) -> Any:
        """The colour of a vertex; None where it has none."""
        if len(texts) > 1:
            self.refuse("a vertex has two colours: keep one attribute of this name")
        return next((self._value(text, self.types[key]) for key, text in texts.items()), None)

    def _value(self, text: str, kind: str) -> Any:
        """A colour or a weight, as its key says how to read it."""
        try:
            match kind:
                case "boolean":
                    return {"true": True, "false": False, "1": True, "0": False}[text.strip().lower()]
                case "int" | "long" | "float" | "double":
                    number = fraction(text)
                    return int(number) if number.denominator == 1 else number
        except (ValueError, KeyError):
            self.refuse(f"the colour {shown(text)} is no {kind}")
        return text


#: Words that head the columns of tables of edges.
_HEADERS = {
    *("source", "target", "src", "dst", "from", "to", "tail", "head", "start", "end", "u", "v", "i", "j", "a", "b"),
    *("node1", "node2", "node_1", "node_2", "id1", "id2", "from_node", "to_node", "fromnodeid", "tonodeid"),
}
_NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?(?:nan|inf)", re.ASCII)
_COUNT = re.compile(r"[0-9]{1,18}", re.ASCII)
_CLOSING = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of an edge list: its number, its text, and the fields of it."""

    number: int
    text: str
    fields: tuple[str, ...]


def _read_edge_list(content: bytes, path: Path, directed: bool, weights: Weights) -> Graph:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ExportError(f"cannot read the edge list {path}: it is no UTF-8 text; save it as UTF-8") from error
    lines = _table(re.split(r"\r\n|\n|\r", text), path)
    if not lines:
        raise ExportError(f"cannot read a graph from {path}: it has comments and blank lines only")
    labels: dict[str, None] = {}
    first: dict[tuple[str, str], _Line] = {}
    for line in lines:
        labels.update(dict.fromkeys(line.fields[:2]))
        if len(line.fields) > 1:
            first.setdefault((line.fields[0], line.fields[1]), line)
    if not directed:
        _check_directions(first, path)
    place = {label: position for position, label in enumerate(_in_order(list(labels), path))}
    listed = [line for line in lines if len(line.fields) > 1]
    pairs = [(place[line.fields[0]], place[line.fields[1]]) for line in listed]
    values = _weights(listed, weights, path)
    pairs, values, _ = listed_once(pairs, values, directed, str(path))
    edges, colours = merged(pairs, values, directed)
    if not weights and values is None and len(edges) < len(pairs):
        if weights is None:
            ignored(colours, f"{path}, some of which are repeated,", _kept_so(path))
        colours = ()
    return Graph(len(place), tuple(edges), directed, name=path.as_posix(), edge_colours=colours)


def _weights(lines: Sequence[_Line], weights: Weights, path: Path) -> Sequence[Any] | None:
    """The third columns of an edge list where they are asked for, or the attributes ``{...}`` that stand there."""
    if not lines or weights is False or len(lines[0].fields) < 3:
        # Without a column for them, several edges are what there is.
        if isinstance(weights, str):
            raise GroupError(f"{path} has no attributes {{...}} of edges: leave weights out")
        return None
    columns = [line.fields[2:] for line in lines]
    if all(len(fields) == 1 and fields[0].startswith("{") for fields in columns):
        try:
            return attribute([_dictionary(line, path) for line in lines], weights, str(path))
        except ExportError:
            if weights is not None:
                raise
            return None
    if weights is None:
        ignored([tuple(map(_number, fields)) for fields in columns], str(path), _kept_so(path))
        return None
    if isinstance(weights, str):
        raise GroupError(f"{path} has columns without names: say weights=True to keep what is in them")
    return [tuple(map(_number, fields)) if len(fields) > 1 else _number(fields[0]) for fields in columns]


def _kept_so(path: Path) -> str:
    """How the weights of a file are kept, in Python and in text."""
    return f"weights=True, or in text Aut({path} | weights),"


def _number(field: str) -> Any:
    """A weight in an edge list: a number, or a text that says what it is."""
    try:
        number = fraction(field)
    except ValueError:
        # What is not a number is not the same as another.
        return float("nan") if field.strip("+-").lower() == "nan" else field
    return int(number) if number.denominator == 1 else number


def _dictionary(line: _Line, path: Path) -> dict[str, Any]:
    """The attributes of an edge as networkx writes them."""
    try:
        data = literal_eval(line.fields[2])
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise ExportError(f"cannot read the attributes in {path}, line {line.number}: {shown(line.fields[2])}")
    return data


def _check_directions(first: Mapping[tuple[str, str], _Line], path: Path) -> None:
    """Each edge may be listed once, or each in both directions; where only some are, directions may be meant."""
    both = [edge for edge in first if edge[0] != edge[1] and edge[::-1] in first]
    if both and len(both) < sum(tail != head for tail, head in first):
        (tail, head), line, other = both[0], first[both[0]], first[both[0][::-1]]
        raise GroupError(
            f"{path}: the edge {tail} {head} is in line {line.number} and again in line {other.number}, the other way "
            "round, but other edges are listed one way: remove one, or read it with directed=True if that is meant"
        )


def _in_order(labels: list[str], path: Path) -> list[str]:
    """Labels in numerical order if all are whole numbers, otherwise as they appear."""
    numbers: dict[Any, str] = {}
    for label in labels:
        # Labels with a point, as tables of numbers have them, are no other vertices.
        if not re.fullmatch(r"[-+]?[0-9]{1,18}(\.[0-9]{0,15})?([eE][-+]?[0-9]{1,2})?", label):
            continue
        other = numbers.setdefault(fraction(label) if re.search("[.eE]", label) else int(label), label)
        if other != label:
            raise GroupError(f"{path}: the labels {other} and {label} are the same number: write one way for a vertex")
    if not all(re.fullmatch(r"[-+]?[0-9]{1,18}", label) for label in labels):
        return labels
    return [numbers[number] for number in sorted(numbers)]


def _table(lines: Sequence[str], path: Path) -> list[_Line]:
    """The lines with edges or vertices, each split into fields; refuses what may mean two things, with the line."""

    def refuse(line: _Line, why: str) -> NoReturn:
        shown = line.text if len(line.text) <= 80 else line.text[:77] + "..."
        raise ExportError(f"cannot read {path}, line {line.number}: {why}\n    {shown}")

    listed: list[_Line] = []
    for number, text in enumerate(lines, 1):
        line = _Line(number, text, ())
        bare = text.strip(" \t")
        if not bare:
            continue
        if len(text) > MAX_LINE:
            refuse(line, f"it has more than {MAX_LINE:,} characters")
        if len(listed) == MAX_VERTICES + MAX_EDGES:
            raise SizeError(f"{path} has more than {len(listed):,} lines, the most that are read: ask for fewer edges")
        if bare.startswith("%%MatrixMarket"):
            refuse(line, "a Matrix Market file, whose first line is no edge: write its edges without it")
        if bare.startswith("# GMT "):
            refuse(
                line, "networkx.write_adjlist begins so, and lists of neighbours look like edges: use write_edgelist"
            )
        if bare[0] in "#%":
            if _like_an_edge(bare):
                refuse(line, "a comment, or an edge of a vertex whose label begins so? Put a blank behind the sign")
            continue
        listed.append(line)
    texts = [line.text for line in listed]
    outside = [_without_brackets(text) for text in texts]
    used = [{mark for mark in "\t,;" if mark in text.strip(" ")} for text in outside]
    delimiter = next((mark for mark in "\t,;" if any(mark in marks for marks in used)), " ")
    unmarked = delimiter == " " or any(text.endswith("}") for text in texts)
    lines_read = []
    quoted: dict[str, bool] = {}
    for line, marks_used, text in zip(listed, used, outside, strict=True):
        if marks_used - {delimiter}:
            refuse(line, "tabs, commas and semicolons are mixed: use one of them in the whole file")
        if delimiter == "\t" and not marks_used and " " in text.strip():
            refuse(line, "blanks, where other lines have tabs: use tabs in the whole file")
        fields, marks = _fields(line, delimiter, refuse)
        if any(marks) and unmarked:
            refuse(
                line,
                "quotation marks are read only in tables with commas, semicolons or tabs, without {...}",
            )
        if marks == (True,) and re.search(r"[\t,;]", fields[0]):
            refuse(line, "a label with a delimiter, or two labels with quotation marks?")
        for field, mark in zip(fields[:2], marks, strict=False):
            if field.startswith("{") and not mark:
                refuse(line, "braces in place of a label: put it in quotation marks")
            if quoted.setdefault(field, mark) != mark:
                refuse(line, f"the label {field} stands with quotation marks here and without them elsewhere")
        if all(re.fullmatch(r"[0-9]+[->][0-9]+", field) for field in fields) and not any(marks):
            refuse(
                line, "labels, or edges as in Aut(3: 0-1 1-2)? Write one edge in a line, its ends with a blank between"
            )
        lines_read.append(_Line(line.number, line.text, fields))
    if lines_read and all(len(line.fields) == 1 for line in lines_read):
        refuse(lines_read[0], "no line has two labels: put a blank, a tab, a comma or a semicolon between them")
    if lines_read:
        _refuse_counts(lines_read[0], lines_read[1:], refuse)
    lines_read = _without_header(lines_read, delimiter, refuse)
    widths = {len(line.fields) for line in lines_read if len(line.fields) > 1}
    for line in lines_read:
        if len(line.fields) == 1 and widths - {2}:
            refuse(line, "one label, where other lines have more columns than two: a vertex, or part of a label?")
        if len(line.fields) > 1 and len(line.fields) != max(widths):
            refuse(
                line,
                f"{len(line.fields)} columns, where other lines have {max(widths)}: give all lines a weight or none, "
                "and put labels with blanks or delimiters in quotation marks, in a table with commas",
            )
        for field in line.fields[2:]:
            if not _is_weight(field):
                refuse(
                    line,
                    f"{field!r} is no weight, so that it may be part of a label: put labels with blanks or delimiters "
                    "in quotation marks, and keep two labels and weights in a line",
                )
    return lines_read


def _like_an_edge(comment: str) -> bool:
    """Whether a comment may be an edge of a vertex whose label begins with its sign."""
    if comment.endswith("}"):
        return True
    if comment[1:2] != " " and re.search(r"[\t,;]", comment):
        return True
    words = re.sub(r"[(\[{].*[)\]}]", "x", comment[1:200]).split()
    return comment[1:2] not in " \t#%!:=*-" and len(words) in (2, 3) and not words[0].endswith(":")


def _refuse_counts(first: _Line, rest: Sequence[_Line], refuse: Callable[[_Line, str], NoReturn]) -> None:
    """Refuse a first line that may say how many vertices and edges there are, as it does in other formats."""
    cure = "Make it a comment with # in front, name each vertex without an edge in a line of its own below the edges"
    if first.fields[0].startswith("*"):
        refuse(first, "a file of Pajek: keep only its edges, two labels in each line")
    _refuse_dimacs((first, *rest), refuse)
    _refuse_tables((first, *rest), refuse)
    labels = [field for line in rest for field in line.fields[:2]]
    if not labels or not all(map(_COUNT.fullmatch, [*first.fields, *labels])):
        return
    vertices, numbers, edges = int(first.fields[0]), set(map(int, labels)), [e for e in rest if len(e.fields) > 1]

    def counted(numbers: Iterable[int], count: int) -> bool:
        """Whether labels are some of 0 .. count - 1, or of 1 .. count."""
        listed = sorted(numbers)
        return listed[-1] < count or (listed[0] > 0 and listed[-1] == count)

    match [int(field) for field in first.fields]:
        case [_]:
            # Where 1 .. n are the labels, both are the same graph.
            if counted(numbers, vertices) and len(numbers | {vertices}) != vertices:
                refuse(first, f"the number of vertices, or a vertex? {cure}, and move the line there if it is one")
        case [_, count]:
            listed = len(edges) in (count, 2 * count)
            neighbours = len(rest) == vertices and sum(len(line.fields) for line in rest) == 2 * count
            if counted(numbers, vertices) and (listed or neighbours):
                refuse(first, f"the numbers of vertices and edges, or an edge? {cure}, and move the line if it is one")
        case [rows, columns, count] if len(edges) == count:
            ends = [[int(line.fields[side]) for line in edges] for side in (0, 1)]
            if counted(ends[0], rows) and counted(ends[1], columns):
                refuse(first, f"the numbers of rows, columns and edges, or an edge? {cure}, and move the line if it is")


def _refuse_dimacs(lines: Sequence[_Line], refuse: Callable[[_Line, str], NoReturn]) -> None:
    """Refuse lines that begin with a word for what they are: ``p`` for the counts, ``e`` or ``a`` for an edge."""
    for line in lines:
        counts = all(map(_COUNT.fullmatch, line.fields[-2:]))
        if line.fields[0] == "p" and counts and (line is lines[0] or not _NUMBER.fullmatch(line.fields[1])):
            refuse(line, "a file of DIMACS: keep only its edges, two labels in each line")
    if lines[0].fields[0] in ("e", "a") and all(
        line.fields[0] == lines[0].fields[0]
        and len(line.fields) > 2
        and all(map(_COUNT.fullmatch, line.fields[1:3]))
        and all(map(_NUMBER.fullmatch, line.fields[3:]))
        for line in lines
    ):
        refuse(
            lines[0],
            f"an edge of a file of DIMACS, or of a vertex {lines[0].fields[0]}? Keep two labels in each line",
        )


def _refuse_tables(lines: Sequence[_Line], refuse: Callable[[_Line, str], NoReturn]) -> None:
    """Refuse what may be a matrix of a graph, or lists of neighbours, in place of edges with weights."""
    rows = [line.fields for line in lines]
    width, height = len(rows[0]), len(rows)
    if height < 2 or width < 2 or any(len(row) != width for row in rows):
        return
    cure = "write one edge in each line, two labels without further columns"
    if _like_a_matrix(rows):
        refuse(
            lines[0],
            f"a row of a matrix, or an edge? For edges, {cure}; for a matrix, use "
            "eq.Graph.of(networkx.from_numpy_array(matrix))",
        )
    own = {row[0] for row in rows}
    if height > 2 < width and len(own) == height and all(own.issuperset(row) and len({*row}) == width for row in rows):
        refuse(lines[0], f"a vertex with its neighbours, or an edge with weights? In both cases {cure}")


def _like_a_matrix(rows: Sequence[Sequence[str]]) -> bool:
    """Whether rows of equal length may be those of a matrix, perhaps with names of vertices above or beside it."""
    width, height = len(rows[0]), len(rows)
    if width == 2:
        # The one edge of two vertices is the same graph either way.
        return height == 2 and _binary(rows) and [list(map(float, row)) for row in rows] != [[0, 1], [1, 0]]
    if height == width and all(_NUMBER.fullmatch(field) for row in rows for field in row):
        table = [[float(field) for field in row] for row in rows]
        if table == list(map(list, zip(*table, strict=True))) or not any(table[i][i] for i in range(width)):
            return True
    if _binary(rows):
        return True
    above, left = rows[0], [row[0] for row in rows]
    inside = [row[1:] for row in rows]
    return (
        (height == width + 1 and len({*above}) == width and _binary(rows[1:]))
        or (height + 1 == width > 3 and len({*left}) == height and _binary(inside))
        or (height == width > 3 and len({*above[1:]}) == len({*left[1:]}) == width - 1 and _binary(inside[1:]))
    )


def _binary(rows: Sequence[Sequence[str]]) -> bool:
    """Whether all fields are 0 or 1."""
    return all(_NUMBER.fullmatch(field) and float(field) in (0, 1) for row in rows for field in row)


def _without_header(lines: list[_Line], delimiter: str, refuse: Callable[[_Line, str], NoReturn]) -> list[_Line]:
    """The lines below a header of a table; a first line that may be one or an edge is refused."""
    if not lines or len(lines[0].fields) < 2:
        return lines
    words, rest = lines[0].fields, {field for line in lines[1:] for field in line.fields[:2]}
    if any(word in rest for word in words[:2]):
        return lines
    named = words[0] != words[1] and all(word.lower() in _HEADERS for word in words[:2])
    numbers = bool(rest) and all(re.fullmatch(r"[-+]?[0-9]+", label) for label in rest)
    if delimiter != " " and named and numbers and not any(_is_weight(word) for word in words[2:]):
        return lines[1:]
    if (named and len(words[0]) > 1) or (numbers and not any(_NUMBER.fullmatch(word) for word in words[:2])):
        refuse(lines[0], "a header, or an edge? Remove it, or make it a comment with # in front")
    return lines


def _is_weight(field: str) -> bool:
    """Whether a field is what may stand in a third column: a number or the attributes of an edge."""
    return bool(_NUMBER.fullmatch(field)) or (field.startswith("{") and field.endswith("}"))


def _without_brackets(text: str) -> str:
    """A line without what is in brackets or quotation marks."""
    outside: list[str] = []
    closing: list[str] = []
    mark = ""
    for place, sign in enumerate(text):
        if mark:
            mark = "" if sign == mark and text[place - 1] != "\\" else mark
        elif sign in "\"'" and (closing or place == 0 or text[place - 1] in " \t,;"):
            mark = sign
        elif sign in _CLOSING:
            closing.append(_CLOSING[sign])
        elif closing and sign == closing[-1]:
            closing.pop()
        elif not closing:
            outside.append(sign)
    return "".join(outside)


def _fields(
    line: _Line, delimiter: str, refuse: Callable[[_Line, str], NoReturn]
) -> tuple[tuple[str, ...], tuple[bool, ...]]:
    """The fields of a line, and which of them stood in quotation marks.

    Brackets, as in the labels (0, 1) that networkx writes for tuples, hold a field together.
    """
    text = line.text
    fields: list[str] = []
    marks: list[bool] = []
    place, end = 0, len(text)
    blanks = " " if delimiter == "\t" else " \t"
    while True:
        while place < end and text[place] in blanks:
            place += 1
        if place == end:
            if fields and delimiter != " ":
                refuse(line, "the last column is empty")
            break
        if text[place] in "\"'":
            field, place = _quoted(line, place, refuse)
            marks.append(True)
        else:
            field, place = _plain(line, place, delimiter, refuse)
            marks.append(False)
        if not field.strip():
            refuse(line, "an empty label, or two delimiters in a row")
        fields.append(field)
        while place < end and text[place] in blanks:
            place += 1
        if place == end:
            break
        if delimiter != " ":
            if text[place] != delimiter:
                refuse(line, "a blank within a label: put it in quotation marks")
            place += 1
    return tuple(fields), tuple(marks)


def _quoted(line: _Line, place: int, refuse: Callable[[_Line, str], NoReturn]) -> tuple[str, int]:
    """A field in quotation marks, which two of them in a row stand for inside."""
    text, mark, pieces = line.text, line.text[place], []
    while True:
        close = text.find(mark, place + 1)
        if close < 0:
            refuse(line, "a quotation mark that is not closed")
        pieces.append(text[place + 1 : close])
        if text[close + 1 : close + 2] != mark:
            break
        place = close + 1
    if text[close + 1 : close + 2] not in ("", " ", "\t", ",", ";"):
        refuse(line, "a quotation mark within a label: put the label in the other kind of marks")
    field = mark.join(pieces)
    if field != field.strip(" \t,;"):
        refuse(line, "a label that begins or ends with a blank or a delimiter")
    return field, close + 1


def _plain(line: _Line, place: int, delimiter: str, refuse: Callable[[_Line, str], NoReturn]) -> tuple[str, int]:
    """A field without quotation marks, up to the delimiter."""
    text, start, mark = line.text, place, ""
    closing: list[str] = []
    while place < len(text):
        sign = text[place]
        if mark:
            if sign == "\\":
                place += 1
            elif sign == mark:
                mark = ""
        elif closing and sign in "\"'":
            mark = sign
        elif sign in _CLOSING:
            if sign == "{" and not closing and place > start and text[place - 1] == " ":
                refuse(line, "braces within a label: put it in quotation marks")
            closing.append(_CLOSING[sign])
        elif sign in ")]}":
            if not closing or closing.pop() != sign:
                refuse(line, f"{sign} closes nothing: put labels with brackets in quotation marks")
        elif not closing:
            if sign == delimiter or (delimiter != "\t" and sign in " \t"):
                break
            if sign == "#":
                refuse(line, "# begins a comment, or is part of a label? Put comments in lines of their own")
        place += 1
    if closing or mark:
        refuse(line, "a bracket that is not closed: put labels with brackets in quotation marks")
    field = text[start:place].rstrip(" ")
    return field, place


def _need(package: str) -> Any:
    """The package, or an error that says how to get it."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise EqsynthError(f"graphs need the package {package}, which is not here: pip install {package}") from error
