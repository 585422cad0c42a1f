"""Patterns: multigraphs with labelled vertices, up to isomorphism, as monomials in the entries of tensors of a graph.

A pattern has factors, entries of the input at vertices: an edge is an entry of a matrix, a mark on a vertex one of a
vector. Its polynomial sums their product over all ways to send the vertices that have no label to nodes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import comb, factorial
from typing import Any, NamedTuple

from eqsynth.errors import EqsynthError, SizeError, shown
from eqsynth.exact.numbers import ordered, whole
from eqsynth.graphs.graph import Graph

#: More patterns than these are not listed.
MAX_PATTERNS = 5_000


class Channel(NamedTuple):
    """One channel of the input: how many nodes an entry has (0, 1 or 2), and whether their order does not matter."""

    order: int
    symmetric: bool = False


#: A channel, and the vertices at which its entry is taken.
Factor = tuple[int, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class GraphPattern:
    """A multigraph with labelled vertices, whose edges and marks name channels of the input.

    >>> from eqsynth.diagrams.patterns import GraphPattern
    >>> triangle_at = GraphPattern((0,), ((0, (0, 1)), (0, (0, 2)), (0, (1, 2))), 3)
    >>> print(triangle_at)
    y[a] = sum over b c of x[a,b] x[a,c] x[b,c]

    ``labels`` has the vertex of each axis of the output, ``factors`` pairs of a channel and the vertices of its entry,
    ``vertices`` are numbered from 0. Source: arXiv 1910.06958 (bilabelled graphs), arXiv 2302.11556, section 3.
    """

    labels: tuple[int, ...]
    factors: tuple[Factor, ...]
    vertices: int

    @property
    def degree(self) -> int:
        """The number of factors."""
        return len(self.factors)

    @property
    def internal(self) -> int:
        """How many vertices have no label, and are summed over."""
        return self.vertices - len(set(self.labels))

    @property
    def key(self) -> tuple[object, ...]:
        """Sorting key: degree, then vertices."""
        return (self.degree, self.vertices, self.factors, self.labels)

    def __str__(self) -> str:
        several = any(channel for channel, _ in self.factors)
        letters = [chr(ord("a") + vertex) if vertex < 26 else f"v{vertex}" for vertex in range(self.vertices)]
        entries = [
            f"x{channel if several else ''}[{','.join(letters[vertex] for vertex in ends)}]"
            for channel, ends in self.factors
        ]
        summed = [letters[vertex] for vertex in range(self.vertices) if vertex not in self.labels]
        head = f"y[{','.join(letters[vertex] for vertex in self.labels)}] = "
        return head + (f"sum over {' '.join(summed)} of " if summed else "") + (" ".join(entries) or "1")

    def components(self) -> list[tuple[tuple[int, ...], GraphPattern]]:
        """The connected parts, each with the axes of the output that it has labels of; those with labels come first.

        >>> from eqsynth.diagrams.patterns import GraphPattern
        >>> GraphPattern((1,), ((0, (0, 2)),), 3).components()
        [((0,), GraphPattern(labels=(0,), factors=(), vertices=1)), ((), GraphPattern(labels=(), factors=((0, (0, 1)),), vertices=2))]
        """  # noqa: E501 - one result
        part = list(range(self.vertices))
        for _, ends in self.factors:
            joined = {part[vertex] for vertex in ends}
            part = [min(joined) if own in joined else own for own in part]
        parts = []
        for root in sorted(set(part)):
            own = [vertex for vertex in range(self.vertices) if part[vertex] == root]
            number = {vertex: place for place, vertex in enumerate(own)}
            axes = tuple(axis for axis, vertex in enumerate(self.labels) if vertex in number)
            factors = tuple(
                (channel, tuple(number[vertex] for vertex in ends))
                for channel, ends in self.factors
                if ends and ends[0] in number
            )
            parts.append((axes, GraphPattern(tuple(number[self.labels[axis]] for axis in axes), factors, len(own))))
        parts += [((), GraphPattern((), (factor,), 0)) for factor in self.factors if not factor[1]]
        return sorted(parts, key=lambda pair: not pair[0])


# --- isomorphism ----------------------------------------------------------------------------------


def canonical(pattern: GraphPattern, channels: Sequence[Channel]) -> GraphPattern:
    """The representative of a pattern's class of isomorphism: labelled vertices first, the least list of factors.

    >>> from eqsynth.diagrams.patterns import Channel, GraphPattern, canonical
    >>> canonical(GraphPattern((2,), ((0, (0, 1)), (0, (2, 1))), 3), [Channel(2)])
    GraphPattern(labels=(0,), factors=((0, (0, 2)), (0, (1, 2))), vertices=3)
    >>> canonical(GraphPattern((2,), ((0, (0, 1)), (0, (2, 1))), 3), [Channel(2, symmetric=True)])
    GraphPattern(labels=(0,), factors=((0, (0, 1)), (0, (1, 2))), vertices=3)

    Two patterns are isomorphic where a bijection of vertices takes labels to labels, and factors to factors of the same
    channels; ends of symmetric ones may be exchanged. Vertices are told apart by colour refinement, and what is left by
    trying: meant for some ten vertices.
    """
    incident: list[list[tuple[int, int, int]]] = [[] for _ in range(pattern.vertices)]
    for channel, ends in pattern.factors:
        for place, vertex in enumerate(ends):
            other = ends[1 - place] if len(ends) == 2 else vertex
            role = 2 if other == vertex else 0 if channels[channel].symmetric else place
            incident[vertex].append((channel, role, other))
    seats = [tuple(axis for axis, label in enumerate(pattern.labels) if label == v) for v in range(pattern.vertices)]
    least: tuple[Factor, ...] | None = None
    number: list[int] = []
    for colours in _discrete(_ranks([(not seat, seat) for seat in seats]), incident):
        factors = tuple(
            sorted((channel, _ends([colours[v] for v in ends], channels[channel])) for channel, ends in pattern.factors)
        )
        if least is None or factors < least:
            least, number = factors, colours
    return GraphPattern(tuple(number[label] for label in pattern.labels), least or (), pattern.vertices)


def _ends(ends: Sequence[int], channel: Channel) -> tuple[int, ...]:
    return tuple(sorted(ends)) if channel.symmetric else tuple(ends)


def _ranks(values: Sequence[tuple[object, ...]]) -> list[int]:
    rank = {value: place for place, value in enumerate(sorted(set(values)))}
    return [rank[value] for value in values]


def _discrete(colours: list[int], incident: Sequence[Sequence[tuple[int, int, int]]]) -> Iterator[list[int]]:
    """All colourings with a colour for each vertex, numbers from 0, that refinement and choices lead to."""
    count = -1
    while count < len(set(colours)):
        count = len(set(colours))
        seen = [tuple(sorted((c, role, colours[other]) for c, role, other in own)) for own in incident]
        colours = _ranks(list(zip(colours, seen, strict=True)))
    if count == len(colours):
        yield colours
        return
    first = next(colour for colour in range(count) if colours.count(colour) > 1)
    tried = set()
    for chosen, colour in enumerate(colours):
        # Twins lead to the same lists.
        if colour == first and (around := tuple(sorted(incident[chosen]))) not in tried:
            tried.add(around)
            single = [(other, other == first and vertex != chosen) for vertex, other in enumerate(colours)]
            yield from _discrete(_ranks(single), incident)


# --- which there are ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Kinds:
    """Which patterns are listed: without loops, with each factor once, without products of parts."""

    loops: bool = True
    multiple: bool = True
    connected: bool = False


def patterns(channels: Sequence[Channel], order: int, degree: int, kinds: Kinds | None = None) -> list[GraphPattern]:
    """All patterns with up to ``degree`` factors and ``order`` labels (0, 1 or 2), each once up to isomorphism.

    >>> from eqsynth.diagrams.patterns import Channel, patterns
    >>> for pattern in patterns([Channel(2, symmetric=True)], 1, 1):
    ...     print(pattern)
    y[a] = 1
    y[a] = x[a,a]
    y[a] = sum over b of x[a,b]
    y[a] = sum over b of x[b,b]
    y[a] = sum over b c of x[b,c]

    Their polynomials span all polynomials of this degree in the entries of the input that are equivariant under S(n),
    and are independent where n >= 2 degree + order. Raises SizeError above 5,000 patterns.
    """
    kinds = Kinds() if kinds is None else kinds
    if not kinds.connected and _at_least(channels, order, degree, kinds) > MAX_PATTERNS:
        raise _too_many(degree)
    closed = connected_patterns(channels, degree, kinds)
    by_axes = {count: _labelled(closed, channels, count) for count in range(1, order + 1)}
    covers: list[list[tuple[int, ...]]] = [[tuple(range(order))]] if order else [[]]
    if order == 2 and not kinds.connected:
        covers.append([(0,), (1,)])
    listed: list[GraphPattern] = []
    for cover in covers:
        for parts in product(*(by_axes[len(axes)] for axes in cover)):
            left = degree - sum(part.degree for part in parts)
            if left < 0:
                continue
            for more in _multisets(closed, left, kinds, len(parts)):
                listed.append(_together(list(zip(cover, parts, strict=True)), more))
                _require_few(listed, degree)
    return sorted(listed, key=lambda pattern: pattern.key)


def connected_patterns(channels: Sequence[Channel], degree: int, kinds: Kinds) -> list[GraphPattern]:
    """The connected patterns without labels, with 1 to ``degree`` factors: each is one with fewer, and a factor."""
    start = GraphPattern((), (), 1)
    level = {GraphPattern((), ((number, ()),), 0) for number, channel in enumerate(channels) if channel.order == 0}
    level = {*level, *_extended(start, channels, kinds)} if degree else set()
    listed = list(level)
    for _ in range(1, degree):
        level = {longer for pattern in level if pattern.vertices for longer in _extended(pattern, channels, kinds)}
        listed += level
        _require_few(listed, degree)
    return sorted(listed, key=lambda pattern: pattern.key)


def _extended(pattern: GraphPattern, channels: Sequence[Channel], kinds: Kinds) -> Iterator[GraphPattern]:
    """A connected pattern with one factor more."""
    count = pattern.vertices
    for number, channel in enumerate(channels):
        for ends in product(range(count + (channel.order > 1)), repeat=channel.order) if channel.order else ():
            factor = (number, ends)
            unwanted = ends == (count, count) or ends != _ends(ends, channel)
            unwanted |= not kinds.loops and len(ends) == 2 and ends[0] == ends[1]
            if unwanted or (not kinds.multiple and factor in pattern.factors):
                continue
            yield canonical(
                GraphPattern((), (*pattern.factors, factor), max(count, *ends, 0) + (count in ends)), channels
            )


def _labelled(closed: Sequence[GraphPattern], channels: Sequence[Channel], count: int) -> list[GraphPattern]:
    """The connected patterns with so many labels, a single vertex among them."""
    listed = {GraphPattern((0,) * count, (), 1)}
    for pattern in closed:
        for labels in product(range(pattern.vertices), repeat=count):
            listed.add(canonical(GraphPattern(labels, pattern.factors, pattern.vertices), channels))
        _require_few(listed, pattern.degree)
    return sorted(listed, key=lambda pattern: pattern.key)


def _multisets(
    closed: Sequence[GraphPattern], left: int, kinds: Kinds, parts: int
) -> Iterator[tuple[GraphPattern, ...]]:
    """Multisets of parts without labels, of at most ``left`` factors in all."""
    yield ()
    if kinds.connected and parts:
        return
    for place, pattern in enumerate(closed):
        if pattern.degree <= left:
            again = place if kinds.multiple or pattern.vertices else place + 1
            for more in _multisets(closed[again:], left - pattern.degree, kinds, parts + 1):
                yield (pattern, *more)


def _together(labelled: Sequence[tuple[tuple[int, ...], GraphPattern]], closed: Sequence[GraphPattern]) -> GraphPattern:
    """Parts beside each other, those with labels first."""
    labels: dict[int, int] = {}
    factors: list[Factor] = []
    count = 0
    for axes, part in [*labelled, *(((), part) for part in closed)]:
        labels |= {axis: count + vertex for axis, vertex in zip(axes, part.labels, strict=True)}
        factors += [(channel, tuple(count + vertex for vertex in ends)) for channel, ends in part.factors]
        count += part.vertices
    return GraphPattern(tuple(labels[axis] for axis in sorted(labels)), tuple(sorted(factors)), count)


def _at_least(channels: Sequence[Channel], order: int, degree: int, kinds: Kinds) -> int:
    """Fewer than there are: monomials at n nodes, over the number of permutations, for the best small n."""
    least = 0
    for n in range(1, 10):
        entries = 0
        for channel in channels:
            square = n * (n - 1) // (2 if channel.symmetric else 1) + n * kinds.loops
            entries += (1, n, square)[channel.order]
        monomials = comb(entries + degree - 1, degree) if kinds.multiple and entries else comb(entries, degree)
        least = max(least, monomials * n**order // factorial(n))
    return least


def _require_few(listed: Sequence[GraphPattern] | set[GraphPattern], degree: int) -> None:
    if len(listed) > MAX_PATTERNS:
        raise _too_many(degree)


def _too_many(degree: int) -> SizeError:
    return SizeError(
        f"there are more than {MAX_PATTERNS:,} patterns of degree {shown(degree)}: ask for a lower degree, "
        "fewer channels, or name the patterns that you want"
    )


# --- patterns as people bring them ----------------------------------------------------------------


def read_pattern(given: Any) -> tuple[GraphPattern, bool]:
    """A pattern, and whether its edges have a direction: of a graph, or of a pair of a graph and labelled vertices.

    >>> import networkx
    >>> from eqsynth.diagrams.patterns import read_pattern
    >>> read_pattern("K3")
    (GraphPattern(labels=(), factors=((0, (0, 1)), (0, (0, 2)), (0, (1, 2))), vertices=3), False)
    >>> read_pattern((networkx.DiGraph([("a", "b")]), ("b", "a")))
    (GraphPattern(labels=(1, 0), factors=((0, (0, 1)),), vertices=2), True)

    Graphs are names, eq.Graph, graphs of networkx (with several edges between two vertices, if it has them), and what
    eq.Graph.of takes. Raises EqsynthError for labels that are no vertices, or more than two.
    """
    if isinstance(given, GraphPattern):
        return given, True
    graph, labels = given if isinstance(given, tuple) and len(given) == 2 else (given, ())
    if hasattr(graph, "is_multigraph") and hasattr(graph, "nodes"):
        nodes, edges, directed = list(graph.nodes), list(graph.edges()), bool(graph.is_directed())
    else:
        read = Graph.parse(graph) if isinstance(graph, str | Graph) else Graph.of(graph, weights=False)
        nodes, edges, directed = list(range(read.n)), list(read.edges), read.directed
    number = {node: place for place, node in enumerate(nodes)}
    places = [_place(label, number) for label in labels] if ordered(labels) else [None]
    if len(places) > 2 or None in places:
        raise EqsynthError(
            f"the labels of a pattern are up to two of its vertices, not {shown(labels)}: write "
            "(graph, (0,)) for a number for each node, (graph, (0, 1)) for one for each pair"
        )
    ends = [(number[tail], number[head]) for tail, head in edges]
    factors = sorted((0, pair if directed else (min(pair), max(pair))) for pair in ends)
    return GraphPattern(tuple(place for place in places if place is not None), tuple(factors), len(nodes)), directed


def _place(label: Any, number: Mapping[Any, int]) -> int | None:
    """The number of a vertex, which may be a whole number of another library; None for what is none."""
    read = whole(label)
    try:
        return number.get(label if read is None else read)
    except TypeError:
        return None


def check_pattern(pattern: GraphPattern, channels: Sequence[Channel]) -> None:
    """Raise EqsynthError for a pattern whose labels or factors name what is not there."""
    fits = len(pattern.labels) <= 2 and all(0 <= label < pattern.vertices for label in pattern.labels)
    for channel, ends in pattern.factors:
        fits = fits and 0 <= channel < len(channels) and len(ends) == channels[channel].order
        fits = fits and all(0 <= vertex < pattern.vertices for vertex in ends)
    if not fits:
        orders = ", ".join(str(channel.order) for channel in channels)
        raise EqsynthError(
            f"{shown(pattern)} has labels that are none of its vertices, or factors that do not fit the channels of "
            f"the input, of orders {orders}: a factor is a pair (channel, vertices)"
        )
