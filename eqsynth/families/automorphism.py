"""Automorphism groups of graphs; their maps are bilabelled graphs and orbits. arXiv 2307.07810."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from eqsynth.errors import EqsynthError, GroupError, ParseError, shown
from eqsynth.exact.partitions import Blocks
from eqsynth.exact.permutations import Permutation
from eqsynth.families.group import fill
from eqsynth.families.permutation import PermutingGroup
from eqsynth.graphs.graph import Graph

_WRITTEN_GRAPH = re.compile(r"\s*[0-9]+\s*:")


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Aut(PermutingGroup):
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

    def __init__(self, graph: Any) -> None:
        if isinstance(graph, str):
            graph = graph_of_text(graph)
        elif isinstance(graph, os.PathLike):
            graph = Graph.read(graph)
        else:
            graph = graph if isinstance(graph, Graph) else Graph.of(graph)
        fill(self, family="Aut", n=graph.n, graph=_canonical_name(graph))

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
        return cls(graph_of_text(inside, files))

    def misfit(self, blocks: Blocks, head: tuple[int, ...]) -> str:  # noqa: ARG002 - any blocks do
        """Why blocks and a head are no diagram of the group; empty where they are."""
        return "it has a head" if head else ""

    @property
    def title(self) -> str:
        """What the group is, in words."""
        graph = self.graph
        kind = "directed " if graph.directed else ""
        return f"automorphism group of a {kind}graph with {graph.n} vertices and {len(graph.edges)} edges"


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
    return Graph(graph.n, graph.edges, graph.directed and bool(graph.edges), graph.colours)


def graph_of_text(text: str, files: bool | Path = True) -> Graph:
    """A graph that is written out, has a name, or is a file."""
    if _WRITTEN_GRAPH.match(text):
        return _written_graph(text)
    if files is False:
        return Graph.named(text)
    return Graph.parse(text, None if files is True else files)


def _written_graph(text: str) -> Graph:
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
        if not re.fullmatch("-?[0-9]{1,18}", word[0]):
            at = len(size) + len(edges) + 2 + word.start()
            raise ParseError("graph", text, at, "colours are whole numbers", "Write | 0 1 0, one per vertex.")
    vertices = int(size.strip()[:20])
    return Graph(vertices, tuple(listed), True in directed, tuple(map(int, colours.split())))
