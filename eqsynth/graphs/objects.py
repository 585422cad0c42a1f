"""Graphs from what people hold: networkx and igraph graphs, matrices, lists of edges, edge_index."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any

from eqsynth.errors import GroupError, SizeError, shown
from eqsynth.exact.numbers import flag, whole
from eqsynth.graphs.colours import Pairs, attribute, colour_numbers, ignored, listed_once, merged, plain
from eqsynth.graphs.graph import MAX_EDGES, MAX_VERTICES, Graph

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: What weights may be, here: True, False, None, the name of an attribute, or one weight for each edge.
Given = Any

_KNOWN = (
    "give a graph of networkx or igraph, a path, a matrix (a list of rows, or an array), a list of edges as tuples, "
    "or an edge_index of shape (2, E)"
)


def graph_of(
    value: Any, name: str = "", n: int | None = None, directed: bool | None = None, weights: Given = None
) -> Graph:
    """The graph that an object stands for; see :meth:`eqsynth.graphs.graph.Graph.of`."""
    directed = None if directed is None else flag("directed", directed)
    if all(hasattr(value, method) for method in ("nodes", "edges", "is_directed", "is_multigraph")):
        _refuse_more(n, directed, "a networkx graph")
        return _of_networkx(value, name, weights)
    if all(hasattr(value, method) for method in ("vcount", "get_edgelist", "is_directed")):
        _refuse_more(n, directed, "an igraph graph")
        return _of_igraph(value, name, weights)
    if hasattr(value, "tocoo"):
        sparse = value.tocoo()
        return _of_sparse(sparse.shape, (sparse.row, sparse.col), sparse.data, name, directed, weights, n)
    if hasattr(value, "to_sparse_coo") and str(value.layout) != "torch.strided":
        sparse = value.to_sparse_coo().coalesce()
        if sparse.dim() != 2 or sparse.dense_dim():
            raise GroupError(f"a sparse tensor of shape {tuple(value.shape)} is no matrix of edges: {_KNOWN}")
        return _of_sparse(tuple(sparse.shape), sparse.indices(), sparse.values(), name, directed, weights, n)
    if hasattr(value, "shape") and hasattr(value, "tolist"):
        return _of_array(value, name, n, directed, weights)
    if isinstance(value, str | bytes | Mapping | Set) or not isinstance(value, Iterable):
        raise GroupError(f"{shown(value)} is no graph: {_KNOWN}")
    return _of_list([*value], name, n, directed, weights)


def _refuse_more(n: int | None, directed: bool | None, what: str) -> None:
    if n is not None or directed is not None:
        raise GroupError(f"{what} says by itself how many vertices it has, and whether it is directed: leave that out")


def _of_networkx(graph: Any, name: str, weights: Given) -> Graph:
    number = {node: position for position, node in enumerate(graph.nodes)}
    if not number:
        raise GroupError("the graph has no vertex: give one with at least 1")
    colours = [data.get("colour", data.get("color")) for _, data in graph.nodes(data=True)]
    listed = [(number[tail], number[head], data) for tail, head, data in graph.edges(data=True)]
    pairs = [(tail, head) for tail, head, _ in listed]
    values = _values([data for *_, data in listed], weights, "the graph", len(pairs))
    edges, edge_colours = merged(pairs, values, bool(graph.is_directed()))
    return Graph(
        len(number), tuple(edges), bool(graph.is_directed()), colour_numbers(colours), name, edge_colours=edge_colours
    )


def _of_igraph(graph: Any, name: str, weights: Given) -> Graph:
    if not graph.vcount():
        raise GroupError("the graph has no vertex: give one with at least 1")
    colour = next((known for known in ("colour", "color") if known in graph.vs.attributes()), "")
    colours = list(graph.vs[colour]) if colour else []
    pairs = [(int(tail), int(head)) for tail, head in graph.get_edgelist()]
    values = _values([edge.attributes() for edge in graph.es], weights, "the graph", len(pairs))
    edges, edge_colours = merged(pairs, values, bool(graph.is_directed()))
    numbers = colour_numbers(colours) if colours else ()
    return Graph(graph.vcount(), tuple(edges), bool(graph.is_directed()), numbers, name, edge_colours=edge_colours)


def _values(data: list[dict[str, Any]], weights: Given, what: str, count: int) -> Sequence[Any] | None:
    """The weights of edges with attributes: as these say, or as they were given one by one."""
    if weights is None or isinstance(weights, bool | str):
        return attribute(data, weights, what) if data else None
    return _given(weights, count)


def _given(weights: Given, count: int) -> list[Any]:
    """Weights that were given one by one, in the order of the edges."""
    listed = weights.tolist() if hasattr(weights, "tolist") else weights
    if isinstance(listed, Mapping | Set) or not isinstance(listed, Iterable):
        raise GroupError(
            f"weights={shown(weights)} are neither True, False, the name of an attribute, nor a list of one for each "
            "edge"
        )
    values = [plain(value) for value in listed]
    if len(values) != count:
        raise GroupError(f"{len(values):,} weights do not fit {count:,} edges: give one for each, in their order")
    return values


def _of_array(value: Any, name: str, n: int | None, directed: bool | None, weights: Given) -> Graph:
    """A matrix if it is square, else an edge_index, or a list of edges."""
    shape = tuple(map(int, value.shape))
    if len(shape) == 2 and shape[0] == shape[1] != 2:
        return _of_dense(value, name, directed, weights, n)
    if len(shape) == 2 and shape[0] == 2 != shape[1]:
        pairs = _pairs(zip(*value.tolist(), strict=True))
        return _of_pairs(pairs, None, "the edge_index", name, n, directed, weights)
    if len(shape) == 2 and shape[1] == 2 != shape[0]:
        return _of_pairs(_pairs(value.tolist()), None, "the list of edges", name, n, directed or False, weights)
    if shape == (2, 2):
        return _of_two_rows(value.tolist(), name, n, directed, weights)
    raise GroupError(f"an array of shape {shape} is no graph: {_KNOWN}")


def _of_list(listed: list[Any], name: str, n: int | None, directed: bool | None, weights: Given) -> Graph:
    """Tuples are edges; lists are the rows of a matrix or of an edge_index, or edges where nothing else fits."""
    if not listed:
        if n is None:
            raise GroupError("a list of no edges does not say how many vertices there are: give n, as in n=3")
        return _of_pairs([], None, "the list of edges", name, n, directed or False, weights)
    rows = [row.tolist() if hasattr(row, "tolist") else row for row in listed]
    lengths = {len(row) if isinstance(row, list | tuple) else -1 for row in rows}
    if len(lengths) != 1 or -1 in lengths:
        raise GroupError(f"{shown(listed)} is no graph: {_KNOWN}")
    (width,) = lengths
    square, two = width == len(rows), len(rows) == 2
    if not all(isinstance(row, tuple) for row in rows):
        if two and width in (2, 3):
            return _of_two_rows([list(row) for row in rows], name, n, directed, weights)
        if square:
            return _of_dense(rows, name, directed, weights, n)
        if two:
            return _of_pairs(_pairs(zip(*rows, strict=True)), None, "the edge_index", name, n, directed, weights)
    if width not in (2, 3):
        raise GroupError(f"{shown(listed)} is no graph: {_KNOWN}")
    values = [row[2] for row in rows] if width == 3 else None
    pairs = _pairs(row[:2] for row in rows)
    return _of_pairs(pairs, values, "the list of edges", name, n, directed or False, weights)


def _of_two_rows(rows: list[list[Any]], name: str, n: int | None, directed: bool | None, weights: Given) -> Graph:
    """One edge, where a matrix, a list of edges and an edge_index are the same graph; others are refused."""
    if rows != [[0, 1], [1, 0]]:
        raise GroupError(
            f"{shown(rows)} may be two edges, a matrix, or an edge_index: write edges as tuples, as [(0, 1), (1, 2)]"
        )
    return _of_pairs([(0, 1), (1, 0)], None, "the list of edges", name, n, directed or False, weights)


def _pairs(listed: Iterable[Any]) -> Pairs:
    """Edges as pairs of whole numbers."""
    pairs: Pairs = []
    for edge in listed:
        tail, head = map(whole, edge)
        if tail is None or head is None or tail < 0 or head < 0:
            raise GroupError(
                f"the edge {shown(tuple(edge))} does not join two vertices with numbers from 0 on: number the "
                "vertices, or give a networkx graph, whose nodes have names"
            )
        pairs.append((tail, head))
    if len(pairs) > MAX_EDGES:
        raise SizeError(f"a graph with more than {MAX_EDGES:,} edges is too large: ask for fewer")
    return pairs


def _of_pairs(
    pairs: Pairs,
    values: list[Any] | None,
    what: str,
    name: str,
    n: int | None,
    directed: bool | None,
    weights: Given,
) -> Graph:
    if values is not None and all(isinstance(value, dict) for value in values):
        kept = _values(values, weights, what, len(pairs))
    elif weights is None or weights is False:
        if values is not None and weights is None:
            ignored(values, what, "weights=True")
        kept = None
    elif weights is True and values is not None:
        kept = [plain(value) for value in values]
    elif isinstance(weights, bool | str):
        raise GroupError(f"{what} has no weights: give weights=[...], one for each edge, or leave weights out")
    else:
        kept = _given(weights, len(pairs))
    pairs, kept, one_way = listed_once(pairs, kept, directed, what)
    edges, colours = merged(pairs, kept, one_way)
    most = max((max(edge) for edge in edges), default=-1) + 1
    return Graph(most if n is None else n, tuple(edges), one_way, name=name, edge_colours=colours)


def _of_dense(value: Any, name: str, directed: bool | None, weights: Given, n: int | None) -> Graph:
    import numpy as np

    listed = value.tolist() if hasattr(value, "tolist") and not isinstance(value, np.ndarray) else value
    if len(listed) > MAX_VERTICES:
        raise SizeError(f"a graph on {len(listed):,} vertices is beyond the largest, {MAX_VERTICES:,}: ask for fewer")
    matrix: NDArray[Any] = np.asarray(listed)
    if matrix.dtype.kind not in "biuf":
        matrix = np.array(listed, dtype=object)
        for entry in matrix.ravel():
            if isinstance(entry, str):
                raise GroupError(f"the entry {entry!r} of the matrix is no number: write 0 where there is no edge")
    tails, heads = np.nonzero(matrix)
    entries = list(zip(tails.tolist(), heads.tolist(), matrix[tails, heads].tolist(), strict=True))
    return _of_matrix(matrix.shape, entries, name, directed, weights, n)


def _of_sparse(
    shape: tuple[int, ...], ends: Any, values: Any, name: str, directed: bool | None, weights: Given, n: int | None
) -> Graph:
    """A sparse matrix, of SciPy or torch; entries that stand at one place add up."""
    if shape[0] != shape[1]:
        raise GroupError(
            f"a matrix of {shape[0]} rows and {shape[1]} columns is no graph: it has a row for each column"
        )
    sums: dict[tuple[int, int], Any] = {}
    for tail, head, entry in zip(*(part.tolist() for part in (*ends, values)), strict=True):
        sums[tail, head] = sums[tail, head] + entry if (tail, head) in sums else entry
    entries = [(*place, entry) for place, entry in sums.items() if entry]
    return _of_matrix(shape, entries, name, directed, weights, n)


def _of_matrix(
    shape: tuple[int, ...],
    entries: list[tuple[int, int, Any]],
    name: str,
    directed: bool | None,
    weights: Given,
    n: int | None,
) -> Graph:
    """The graph whose edges are the entries of a matrix that are not 0; directed where it is not symmetric."""
    size = shape[0]
    if n is not None and n != size:
        raise GroupError(f"a matrix of {size} rows has {size} vertices, not {shown(n)}: leave n out")
    if not isinstance(weights, bool | None):
        raise GroupError(f"weights={shown(weights)}: those of a matrix are its entries, say weights=True to keep them")
    if any(entry != entry for *_, entry in entries):  # noqa: PLR0124 - not a number is not itself
        raise GroupError("the matrix has entries that are no numbers: write 0 where there is no edge")
    values = {(tail, head): entry for tail, head, entry in entries}
    if weights is None:
        ignored([*values.values()], "the matrix", "weights=True")
    kept = values if weights else dict.fromkeys(values, 1)
    symmetric = all(kept.get((head, tail)) == entry for (tail, head), entry in kept.items())
    if directed is False and not symmetric:
        raise GroupError("the matrix is not symmetric, so that the graph is directed: leave directed=False out")
    one_way = bool(directed) or not symmetric
    edges = [pair for pair in kept if one_way or pair[0] <= pair[1]]
    colours = merged(edges, [kept[pair] for pair in edges], one_way)[1] if weights else ()
    return Graph(size, tuple(edges), one_way, name=name, edge_colours=colours)
