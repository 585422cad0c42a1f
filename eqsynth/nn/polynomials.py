"""Polynomials of graphs: sums over the places where a pattern fits, and layers that combine them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch._compile import _disable_dynamo
from torch.nn import functional

from eqsynth.bases.pointwise import positional
from eqsynth.diagrams.patterns import Channel, GraphPattern, Kinds, check_pattern, patterns, read_pattern
from eqsynth.errors import EqsynthError, GroupError, SpaceError, explain_calls, shown
from eqsynth.exact.numbers import flag, ordered, whole
from eqsynth.families.group import Group
from eqsynth.graphs.graph import Graph
from eqsynth.layers.emitted import require_dtype
from eqsynth.nn.activations import EquivariantModule, axis_lengths, joined, suffix
from eqsynth.nn.entries import (
    GraphNodes,
    TensorPositions,
    Term,
    asked_entries,
    given_back,
    listed_terms,
    nodes_of,
    read_terms,
    reduced,
    scales,
)
from eqsynth.nn.positions import product
from eqsynth.nn.sparse import plain as plain_number
from eqsynth.plans.contraction import Contraction, Entry, Part, contraction, exact_counts
from eqsynth.spaces.space import Space, Symmetry, axes_of, order_text, plain


@explain_calls
class GraphPolynomials(EquivariantModule):
    r"""All equivariant polynomials of graphs up to a degree, or those of chosen patterns, combined with weights.

    >>> import torch, eqsynth as eq
    >>> layer = eq.nn.GraphPolynomials("S(n)", "1xS2", "8x1 + 4x0", degree=3, loops=False, multiple=False)
    >>> layer
    GraphPolynomials(S(n): 1xS2 -> 8x1 + 4x0, degree=3, loops=False, multiple=False, 22 + 9 patterns)
    >>> print(layer.patterns[0][4], layer.patterns[1][4], sep="\n")
    y[a] = sum over b c of x[a,b] x[b,c]
    y[] = sum over a b c of x[a,b] x[a,c] x[b,c]
    >>> nodes, graphs = layer(torch.ones(5, 9, 9, 1))                    # 5 graphs of 9 nodes
    >>> nodes.shape, graphs.shape
    (torch.Size([5, 9, 8]), torch.Size([5, 4]))
    >>> edge_index = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])          # a path
    >>> triangles = eq.nn.GraphPolynomials("S(n)", "1xS2", "1x0", patterns=["K3", "P2"], densities=False)
    >>> triangles.features((edge_index, torch.ones(4, 1)), batch=torch.tensor([0, 0, 0]))
    tensor([[0., 4.]])

    A monomial in the entries of the input, summed over all nodes that it may be taken at, is a *pattern*: a multigraph
    whose edges are entries of order 2, with marks for those of order 1 and vertices with labels for the axes of the
    output. ``patterns`` has those of each term of the output, each once up to isomorphism; constants are among them, so
    that there is no other bias. For an adjacency matrix the sum counts the homomorphisms of the pattern. Inputs have
    any channels of order 0, 1 and 2 (``S2``, symmetric matrices, has fewer patterns: say it where edges have no
    direction), outputs order 0, 1 or 2.

    Up to ``degree`` the patterns span every polynomial that commutes with S(n). ``loops=False`` leaves out entries on
    the diagonal, for inputs where these are 0; ``multiple=False`` the powers of entries, for inputs of zeros and ones;
    ``connected=True`` products of polynomials of lower degree. ``patterns`` in place of a degree are graphs (a name,
    eq.Graph, of networkx), or pairs ``(graph, labels)`` with the vertices that are the axes of the output; edges
    without direction need an input ``S2``. Each term of the output gets those with as many labels as it has axes.

    With ``densities`` sums are means, so that values do not grow with n. ``features(x)`` gives the polynomials
    themselves, ``cost`` what they take: each is contracted two factors at a time in the order that is cheapest for
    large n, and what patterns share is computed once.

    Dense inputs are ``(*batch, n, n, channels)``. Sparse ones are as in eq.nn.Sparse: pairs
    ``(edge_index, edge_attr)``, with ``batch``, ``at`` and ``graphs``; then products are joins of entries, and nothing
    with an entry for each pair of nodes is made: trees cost as much as there are edges, cycles as there are walks.

    Graphs may have no nodes; sums over these are 0.

    Raises GroupError for groups that do not permute nodes, SpaceError for other orders, SizeError above 5,000 patterns.
    Source: arXiv 2302.11556, section 3 (equivariant graph polynomials); 2306.05838 (homomorphism counts as features).
    """

    takes_empty = True

    def __init__(
        self,
        group: str | Group,
        space_in: str | int | Space,
        space_out: str | int | Space,
        degree: int | None = None,
        patterns: Sequence[Any] | None = None,
        loops: bool = True,
        multiple: bool = True,
        connected: bool = False,
        densities: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(group, space_in, space_out, device, dtype)
        self.kinds = Kinds(flag("loops", loops), flag("multiple", multiple), flag("connected", connected))
        self.densities = flag("densities", densities)
        _require_nodes(self.group, self.space_in, self.space_out)
        self._channels = [
            Channel(axes_of(order), isinstance(order, Symmetry))
            for channels, order in self.space_in
            for _ in range(channels)
        ]
        self.degree = None if degree is None else whole(degree)
        if (degree is None) == (patterns is None) or (degree is not None and (self.degree is None or self.degree < 0)):
            raise EqsynthError(
                f"GraphPolynomials takes a degree, a whole number, or a list of patterns, not degree={shown(degree)} "
                f"and patterns={shown(patterns)}: write degree=3, or patterns=['K3', 'C4']"
            )
        by_order = self._given(patterns) if self.degree is None else self._up_to(self.degree)
        #: The patterns of each term of the output.
        self.patterns = tuple(by_order[order] for _, order in self._places())
        self._programs = {order: contraction(listed, self._channels) for order, listed in by_order.items()}
        for place, (channels, _) in enumerate(self.space_out):
            empty = self._empty(channels, len(self.patterns[place]), device=device, dtype=dtype)
            self.register_parameter(f"weight{suffix(self.space_out, place)}", nn.Parameter(empty))
        self.reset_parameters()

    def _orders(self) -> list[int]:
        return sorted({order for _, order in self._places()})

    def _up_to(self, degree: int) -> dict[int, tuple[GraphPattern, ...]]:
        return {order: tuple(patterns(self._channels, order, degree, self.kinds)) for order in self._orders()}

    def _given(self, given: Any) -> dict[int, tuple[GraphPattern, ...]]:
        if not ordered(given):
            raise EqsynthError(f"patterns are a list of graphs, not {shown(given)}: write patterns=['K3', 'C4']")
        by_order: dict[int, list[GraphPattern]] = {order: [] for order in self._orders()}
        for one in given:
            pattern, directed = read_pattern(one)
            check_pattern(pattern, self._channels)
            if not directed and not self._channels[0].symmetric:
                raise EqsynthError(
                    f"edges of {shown(one)} have no direction, and entries of {self.space_in} have one: write "
                    "the input as 1xS2 where it is symmetric, or give a directed graph"
                )
            if len(pattern.labels) not in by_order:
                raise EqsynthError(
                    f"{shown(one)} has {len(pattern.labels)} labels, and no term of {self.space_out} as many axes: "
                    "label other vertices, (graph, (0,)), or add a term"
                )
            by_order[len(pattern.labels)].append(pattern)
        for order, listed in by_order.items():
            if not listed:
                raise EqsynthError(
                    f"no pattern has {order} labels, as terms of order {order} need: give some, as (graph, labels)"
                )
        return {order: tuple(listed) for order, listed in by_order.items()}

    def reset_parameters(self) -> None:
        """Uniform weights, bounded by one over the root of the number of patterns, as in torch.nn.Linear."""
        for weight in self._parameters.values():
            assert weight is not None  # noqa: S101 - all are registered with values
            bound = max(weight.shape[1], 1) ** -0.5
            nn.init.uniform_(weight, -bound, bound)

    def options(self) -> tuple[str, ...]:
        """What is asked for, and how many patterns each term of the output has."""
        asked = [] if self.degree is None else [f"degree={self.degree}"]
        off = [f"{name}=False" for name in ("loops", "multiple") if not getattr(self.kinds, name)]
        off += ["connected=True"] * self.kinds.connected + ["densities=False"] * (not self.densities)
        return (*asked, *off, f"{' + '.join(str(len(listed)) for listed in self.patterns)} patterns")

    @property
    def cost(self) -> str:
        """Multiplications and additions for one dense sample, as polynomials in n for each order of output."""
        return "; ".join(f"order {order}: {program.cost}" for order, program in self._programs.items())

    def forward(self, x: Any, batch: torch.Tensor | None = None, at: Any = None, graphs: int | None = None) -> Any:
        """The combinations of all polynomials, for each term of the output."""
        return self._run(x, batch, at, graphs, mixed=True)

    def features(self, x: Any, batch: torch.Tensor | None = None, at: Any = None, graphs: int | None = None) -> Any:
        """The polynomials, one channel for each of ``patterns``, in place of their combinations."""
        return self._run(x, batch, at, graphs, mixed=False)

    def _run(self, x: Any, batch: Any, at: Any, graphs: Any, mixed: bool) -> Any:
        if self._sparse(x) or any(given is not None for given in (batch, at, graphs)):
            return self._on_entries(x, batch, at, graphs, mixed)
        terms = self.terms_of(x)
        channels = [channel for term in terms for channel in term.unbind(-1)]
        shape = (*terms[0].shape[: terms[0].ndim - axes_of(self.space_in.orders[0]) - 1], self._size(terms))
        values = {
            order: _on_tensors(program, channels, shape, order, self.densities)
            for order, program in self._programs.items()
        }
        return joined([self._term(values[order], place, mixed) for place, order in self._places()])

    def _places(self) -> list[tuple[int, int]]:
        """Each term of the output, and its order."""
        return [(place, axes_of(order)) for place, order in enumerate(self.space_out.orders)]

    def _term(self, value: torch.Tensor, place: int, mixed: bool) -> torch.Tensor:
        if not mixed:
            return value
        weight = self._parameters[f"weight{suffix(self.space_out, place)}"]
        assert weight is not None  # noqa: S101 - registered with values
        require_dtype(self, value, weight)
        return functional.linear(value, weight)

    def _size(self, terms: Sequence[torch.Tensor]) -> int:
        """The number of nodes, which some term shows, or the group."""
        for term, order in zip(terms, self.space_in.orders, strict=True):
            if axes_of(order):
                return term.shape[-2]
        (n,) = axis_lengths(self.group, 1)
        return n if isinstance(n, int) else 1

    def _sparse(self, x: Any) -> bool:
        """Whether some term of order 2 is a pair of index and values, or a sparse tensor."""
        several = len(self.space_in) > 1 and isinstance(x, tuple | list) and len(x) == len(self.space_in)
        terms = x if several else [x] if len(self.space_in) == 1 else []
        return any(
            axes_of(order) == 2
            and (isinstance(term, tuple | list) or (isinstance(term, torch.Tensor) and term.layout == torch.sparse_coo))
            for term, order in zip(terms, self.space_in.orders, strict=True)
        )

    # What is there is only known when it is read, as in eq.nn.Sparse.
    @_disable_dynamo
    def _on_entries(self, x: Any, batch: Any, at: Any, graphs: Any, mixed: bool) -> Any:
        space = Space(tuple((channels, plain(order)) for channels, order in self.space_in))
        terms = listed_terms(x, str(space), len(space))
        (n,) = axis_lengths(self.group, 1)
        orders = [axes_of(order) for order in space.orders]
        nodes = nodes_of(terms, orders, batch, plain_number(graphs), n)
        values, given = read_terms(terms, orders, [(channels,) for channels in space.channels], nodes)
        self._require_device(values[0][1].device)
        channels = [(held, value[:, [place]]) for held, value in values for place in range(value.shape[1])]
        asked = asked_entries(at, given, [order for order in self._programs if order == 2], nodes)
        wanted = {order: nodes.everywhere(order) for order in (0, 1)}
        wanted |= {order: entries.positions for order, entries in asked.items()}
        try:
            columns = {
                order: _at_positions(program, channels, wanted[order], self.densities)
                for order, program in self._programs.items()
            }
        finally:
            nodes.known.clear()
        outputs = [(wanted[order], self._term(columns[order], place, mixed)) for place, order in self._places()]
        return given_back(outputs, [value.shape[1:] for _, value in outputs], asked, terms)


def _require_nodes(group: Group, space_in: Space, space_out: Space) -> None:
    if len(group.factors) > 1 or positional(group, 1) != 1:
        raise GroupError(
            f"polynomials of graphs are sums over nodes, which {group} does not permute: ask for S(n), a number in "
            "place of n, or another group of permutations"
        )
    for space, most in ((space_in, (0, 1, 2, Symmetry("S", 2))), (space_out, (0, 1, 2))):
        for order in space.orders:
            if order not in most:
                listed = ", ".join(order_text(one) for one in most)
                raise SpaceError(f"polynomials of graphs know no order {order_text(order)} here: ask for {listed}")
    (n,) = axis_lengths(group, 1)
    if (
        isinstance(n, str)
        and not any(axes_of(order) for order in space_in.orders)
        and any(map(axes_of, space_out.orders))
    ):
        raise SpaceError(f"nothing of {space_in} shows how many nodes {space_out} has: add a term of order 1 or 2")


# --- on dense tensors -----------------------------------------------------------------------------


def _on_tensors(
    program: Contraction, channels: Sequence[torch.Tensor], shape: Sequence[int], order: int, densities: bool
) -> torch.Tensor:
    """The polynomials of one order, (*batch, n, .., patterns), from batch and n in ``shape``."""
    *batch, n = shape
    values = program.run(channels, torch.einsum)
    full = (*batch, *[n] * order)
    columns = []
    for parts in program.patterns:
        column = channels[0].new_ones(())
        for part in parts:
            if part.step is not None:
                value = values[part.step]
            else:
                value = channels[0].new_ones(*batch, n) if part.axes else channels[0].new_full(batch, n)
            if densities and part.internal:
                value = value * float(max(n, 1)) ** -part.internal
            column = column * _on_axes(value, part, order)
        columns.append(column.expand(full))
    return torch.stack(columns, -1)


def _on_axes(value: torch.Tensor, part: Part, order: int) -> torch.Tensor:
    """A part on the axes of the output: on the diagonal where two labels are at one vertex."""
    if not part.axes:
        return value[(..., *[None] * order)]
    if len(part.axes) < order:
        return value.unsqueeze(-1 if part.axes == (0,) else -2)
    if order < 2:
        return value
    if part.order[0] == part.order[1]:
        return torch.diag_embed(value)
    return value if part.order == (0, 1) else value.transpose(-1, -2)


# --- on entries that are there --------------------------------------------------------------------


def _at_positions(program: Contraction, channels: Sequence[Term], at: TensorPositions, densities: bool) -> torch.Tensor:
    """The polynomials of one order at some positions, (positions, patterns)."""
    values: list[Term] = []
    for step in program.steps:
        if isinstance(step, Entry):
            values.append(_summed_entry(step, channels[step.channel]))
        else:
            left, right = values[step.left], values[step.right]
            values.append(product(left, right, step.left_axes, step.right_axes, step.kept))
    ones = channels[0][1].new_ones
    columns = []
    for parts in program.patterns:
        column = ones(len(at), 1)
        for part in parts:
            held, value = _vertex(part, at.nodes, ones) if part.step is None else values[part.step]
            if densities and part.internal:
                value = value * scales(held, -part.internal, value.dtype)
            axis = dict(zip(part.axes, part.order, strict=True))
            rows, own = at.read(tuple(map(axis.get, range(len(at.index)))), (held, value))
            column = column * (own if rows is None else own.new_zeros(len(at), 1).index_copy(0, rows, own))
        columns.append(column)
    return torch.cat(columns, 1)


def _vertex(part: Part, nodes: GraphNodes, ones: Callable[..., torch.Tensor]) -> Term:
    """A vertex alone: 1 at each node, or their number in each graph."""
    at = nodes.everywhere(len(part.axes[:1]))
    value = ones(len(at), 1)
    return at, value if part.axes else value * nodes.sizes[:, None]


def _summed_entry(step: Entry, source: Term) -> Term:
    """Entries of a channel on the diagonal, if two axes agree, and summed over axes that are not kept."""
    names = tuple(dict.fromkeys(step.axes))
    value = source if step.axes == names else reduced(source, step.axes)
    kept = tuple(step.kept.index(axis) if axis in step.kept else None for axis in names)
    return value if kept == tuple(range(len(names))) else reduced(value, kept)


# --- exact counts ---------------------------------------------------------------------------------


@explain_calls
def count_homomorphisms(pattern: Any, graph: Any) -> Any:
    """How many maps of vertices take the edges of a pattern to edges of a graph, exactly.

    >>> import networkx, eqsynth as eq
    >>> eq.nn.count_homomorphisms("K4", "K5"), eq.nn.count_homomorphisms("C5", "petersen")
    (120, 120)
    >>> eq.nn.count_homomorphisms([networkx.path_graph(2), (networkx.path_graph(3), (1,))], "path3")
    [4, array([1, 4, 1], dtype=object)]

    Patterns and graphs are names, eq.Graph, graphs of networkx and all that eq.Graph.of takes; a pair
    ``(graph, labels)`` is a pattern whose one or two labelled vertices stay where they are, with a count for each node
    or pair of nodes. A list of patterns gives a list; what they share is computed once. Counts are Python's ints, of
    any length, also in the arrays. Colours and weights of the graph are not used.

    Patterns may have any number of edges: a tree of k vertices takes k products with a vector, a cycle products of
    matrices. Raises EqsynthError for a pattern without directions and a graph with them, SizeError where a graph is too
    large for what a pattern takes: graphs are tensors here, with an entry for each pair, and a clique of k takes n^k.
    Source: Lovasz, Large networks and graph limits, section 5.2.
    """
    several = isinstance(pattern, list)
    target = Graph.parse(graph) if isinstance(graph, str | Graph) else Graph.of(graph, weights=False)
    channels = [Channel(2, symmetric=not target.directed)]
    listed = []
    for one in pattern if several else [pattern]:
        own, directed = read_pattern(one)
        check_pattern(own, channels)
        if target.directed and not directed:
            raise EqsynthError(
                f"{target} is directed, and edges of the pattern {shown(one)} have no direction: give a directed one"
            )
        listed.append(own)
    counts = exact_counts(contraction(listed, channels), target.adjacency(), listed)
    return counts if several else counts[0]
