"""Automorphism groups of graphs; their maps are bilabelled graphs and orbits. arXiv 2307.07810."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from eqsynth.errors import (
    EqsynthError,
    GroupError,
    IgnoredWeightsWarning,
    ParseError,
    counted,
    explain_calls,
    shown,
    warn,
)
from eqsynth.exact.partitions import Blocks
from eqsynth.exact.permutations import Permutation
from eqsynth.families.group import Group, fill
from eqsynth.families.permutation import PermutingGroup
from eqsynth.families.text import checked_name, named_text, split_name
from eqsynth.graphs.graph import Graph

_WRITTEN_GRAPH = re.compile(r"\s*[0-9]+\s*:")
_WEIGHTED = re.compile(r"(?P<file>.*?)\s*\|\s*weights\s*")


@explain_calls
@dataclass(frozen=True, slots=True, init=False, repr=False)
class Aut(PermutingGroup):
    """The automorphism group of a graph, acting on its n vertices.

    >>> from eqsynth import Aut
    >>> print(Aut("petersen"), Aut("petersen").n)
    Aut(petersen) 10
    >>> print(Aut("3: 0-1 1-2"))
    Aut(3: 0-1 1-2)

    ``graph`` is a name (``petersen``, ``cycle5``, ...), a file (graph6, edge list, GraphML; as text or as a path), a
    graph of networkx or igraph, a matrix, a list of edges, an edge_index, an eqsynth Graph, or text: the number of
    vertices and edges ``0-1`` (``0>1`` in a directed graph; ``0-1*2`` where edges have colours, or where there are
    two), then perhaps ``| 0 0 1``, a colour for each vertex. Colours, directions and loops are kept by the
    automorphisms.

    >>> Aut([(0, 1), (1, 2), (2, 0)]).order, Aut([(0, 1, 5), (1, 2, 7), (2, 0, 7)], weights=True).order
    (6, 2)
    >>> Aut([(0, 1, 5), (1, 2, 7), (2, 0, 7)], weights=True), Aut([(0, 1), (0, 1), (1, 2), (2, 0)])
    (Aut('3: 0-1*5 0-2*7 1-2*7'), Aut('3: 0-1*2 0-2 1-2'))

    ``weights=True`` makes the weights of edges colours; ``weights``, ``directed`` and ``n`` as in :meth:`Graph.of`, for
    files as in :meth:`Graph.read`; in text ``Aut(roads.edgelist | weights)``. By default weights are not used, and a
    warning says so where they differ. With a ``name`` messages and layers say that in place of the edges.

    >>> Aut([(0, 1), (1, 2)], name="water")
    <Aut water: 3 vertices, 2 edges>

    ``order`` is the number of automorphisms, ``generators`` has permutations that generate them.

    Raises GroupError, ParseError or ExportError for what is no graph.
    Source: arXiv 2307.07810.
    """

    action: ClassVar[str] = "relabel the vertices{} by a symmetry of the graph"
    diagram_kind: ClassVar[str] = "bilabelled graph"
    sources: ClassVar[dict[str, str]] = {
        "bilabelled graph": "homomorphisms of small graphs into the graph, arXiv 2307.07810"
    }
    maps: ClassVar[str] = "graphs"
    arguments: ClassVar[tuple[str, ...]] = ("representatives",)
    spanning: ClassVar[str] = "bilabelled graphs: set partitions, internal blocks, and edges"
    how: ClassVar[str] = (
        "Write Aut(petersen), Aut(molecule.g6), or Aut(3: 0-1 1-2 | 0 1 0) with vertices, edges and colours."
    )

    graph: Graph
    name: str

    def __init__(
        self, graph: Any, *, n: int | None = None, directed: bool | None = None, weights: Any = None, name: str = ""
    ) -> None:
        asked = {"n": n, "directed": directed, "weights": weights}
        if isinstance(graph, str):
            own, graph = split_name(graph) if _names_no_file(graph) else ("", graph)
            name = checked_name(name) or own
        if isinstance(graph, Graph):
            _refuse_asked(asked, "an eqsynth Graph")
            read = graph
        elif isinstance(graph, str):
            read = _graph_of_given_text(graph, asked)
        elif isinstance(graph, os.PathLike):
            _refuse_asked({"n": n}, "a file")
            read = Graph.read(Path(graph), False if directed is None else directed, weights)
        else:
            read = Graph.of(graph, n=n, directed=directed, weights=weights)
        fill(self, family="Aut", n=read.n, graph=_canonical_name(read), name=_checked(name, read))

    def __repr__(self) -> str:
        if self.name:
            edges = counted(len(self.graph.edges), "edge")
            return f"<Aut {self.name}: {self.n:,} {'vertex' if self.n == 1 else 'vertices'}, {edges}>"
        return f"Aut({str(self)[4:-1]!r})"

    def __str__(self) -> str:
        return named_text("Aut", self.name, self.graph.name or _written(self.graph))

    @property
    def unnamed(self) -> Group:
        """The same group without its name."""
        return Aut(self.graph) if self.name else self

    @property
    def order(self) -> int:
        """The number of automorphisms."""
        return self.graph.automorphism_count()

    @property
    def generators(self) -> tuple[Permutation, ...]:
        """Automorphisms that generate all others."""
        return self.permutations

    @property
    def kept_graph(self) -> Graph:
        """The graph."""
        return self.graph

    @property
    def permutations(self) -> tuple[Permutation, ...]:
        """Generators of the group."""
        return _automorphisms(self.graph)

    @classmethod
    def of_text(cls, inside: str, files: bool | Path) -> Aut:
        """Read the text, the name or the file of a graph."""
        name, rest = split_name(inside) if _names_no_file(inside) else ("", inside)
        return cls(graph_of_text(rest, files), name=name)

    def misfit(self, blocks: Blocks, head: tuple[int, ...]) -> str:  # noqa: ARG002 - any blocks do
        """Why blocks and a head are no diagram of the group; empty where they are."""
        return "it has a head" if head else ""

    @property
    def title(self) -> str:
        """What the group is, in words."""
        graph = self.graph
        kind = "directed " if graph.directed else ""
        said = f"{self.name}, the automorphism" if self.name else "automorphism"
        colours = f" of {len(set(graph.edge_colours))} colours" if graph.edge_colours else ""
        return f"{said} group of a {kind}graph with {graph.n} vertices and {len(graph.edges)} edges{colours}"


@lru_cache(maxsize=64)
def _automorphisms(graph: Graph) -> tuple[Permutation, ...]:
    return graph.automorphisms()


def _canonical_name(graph: Graph) -> Graph:
    """The graph with its name where the name alone makes it again, else without a name."""
    if graph.name:
        try:
            again = Graph.named(graph.name)
        except EqsynthError:
            again = None
        if again is not None and again == graph:
            return graph
    # A directed graph without edges is an undirected one.
    directed = graph.directed and bool(graph.edges)
    return Graph(graph.n, graph.edges, directed, graph.colours, edge_colours=graph.edge_colours)


def _written(graph: Graph) -> str:
    """A graph with all its edges and colours, as text."""
    sign = ">" if graph.directed else "-"
    marks = [f"*{colour}" if colour != 1 else "" for colour in graph.edge_colours or [1] * len(graph.edges)]
    edges = "".join(f" {tail}{sign}{tip}{mark}" for (tail, tip), mark in zip(graph.edges, marks, strict=True))
    colours = " | " + " ".join(map(str, graph.colours)) if graph.colours else ""
    return f"{graph.n}:{edges}{colours}"


def _names_no_file(text: str) -> bool:
    """Whether what stands behind a name and = is a graph that is written out, or has a name of its own."""
    name, rest = split_name(text)
    if not name or _WRITTEN_GRAPH.match(rest):
        return bool(name)
    try:
        return bool(Graph.named(rest))
    except EqsynthError:
        return False


def _checked(name: str, graph: Graph) -> str:
    """The name of a group; GroupError for that of another graph."""
    checked = checked_name(name)
    try:
        other = bool(checked) and Graph.named(checked) != graph
    except EqsynthError:
        return checked
    if other:
        raise GroupError(f"{shown(checked)} is the name of another graph: give a name of its own")
    return checked


def _refuse_asked(asked: dict[str, Any], what: str) -> None:
    given = [name for name, value in asked.items() if value is not None]
    if given:
        raise GroupError(f"{' and '.join(given)} cannot be given with {what}, which says it by itself: leave it out")


def _graph_of_given_text(text: str, asked: dict[str, Any]) -> Graph:
    """A graph from text; what is asked beside it belongs to a file."""
    if all(value is None for value in asked.values()):
        return graph_of_text(text)
    try:
        # A file has a name that is none of a graph.
        _refuse_asked(asked, f"the graph {graph_of_text(text, False)}")
    except ParseError:
        raise
    except GroupError:
        if _WRITTEN_GRAPH.match(text) or not Path(text).suffix:
            raise
    _refuse_asked({"n": asked["n"]}, "a file")
    directed = asked["directed"]
    return Graph.read(Path(text), False if directed is None else directed, asked["weights"])


def graph_of_text(text: str, files: bool | Path = True) -> Graph:
    """A graph that is written out, has a name, or is a file."""
    if _WRITTEN_GRAPH.match(text):
        return _written_graph(text)
    if files is False:
        return Graph.named(text)
    weighted = _WEIGHTED.fullmatch(text)
    if weighted:
        return Graph.read(weighted["file"] if files is True else files / weighted["file"], weights=True)
    return Graph.parse(text, None if files is True else files)


def _written_graph(text: str) -> Graph:
    size, _, rest = text.partition(":")
    edges, _, colours = rest.partition("|")
    cure = (
        "Write edges as 0-1, or 0>1 in a directed graph, with a colour as 0-1*2, and colours of vertices after |: "
        "3: 0-1 1-2 | 0 1 0"
    )
    listed: list[tuple[int, int]] = []
    directed: set[bool] = set()
    marks: list[int] = []
    for word in re.finditer(r"\S+", edges):
        match = re.fullmatch(r"([0-9]{1,9})([->])([0-9]{1,9})(?:\*(-?[0-9]{1,18}))?", word[0])
        if match is None:
            raise ParseError("graph", text, len(size) + 1 + word.start(), "an edge is expected here", cure)
        listed.append((int(match[1]), int(match[3])))
        directed.add(match[2] == ">")
        marks.append(int(match[4] or 1))
    if len(directed) > 1:
        raise GroupError(f"the graph {shown(text)} mixes 0-1 and 0>1: write all edges one way")
    for word in re.finditer(r"\S+", colours):
        if not re.fullmatch("-?[0-9]{1,18}", word[0]):
            at = len(size) + len(edges) + 2 + word.start()
            raise ParseError("graph", text, at, "colours are whole numbers", "Write | 0 1 0, one per vertex.")
    vertices = int(size.strip()[:20])
    graph = Graph(
        vertices, tuple(listed), True in directed, tuple(map(int, colours.split())), edge_colours=tuple(marks)
    )
    if len(graph.edges) < len(listed):
        warn(
            f"edges that stand twice in {shown(text)} count once: write 0-1*2 where there are two edges",
            IgnoredWeightsWarning,
        )
    return graph
