"""Graphs of PyTorch Geometric, or of anything with the same attributes, as dense padded tensors and back."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch

from eqsynth.errors import ShapeError, explain_calls, shown
from eqsynth.exact.limits import afford_tensors
from eqsynth.exact.numbers import flag, whole
from eqsynth.nn.activations import got
from eqsynth.nn.entries import whole_numbers

#: The dtypes of values of nodes and edges that torch adds up.
ADDED = (
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
    torch.bool,
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
    torch.complex64,
    torch.complex128,
)
#: More nodes or graphs than a batch can have.
MAX_COUNT = 1 << 28


@explain_calls
def from_pyg(data: Any, n: int | None = None, sparse: bool = False) -> tuple[Any, torch.Tensor, torch.Tensor]:
    """The edges, the nodes and the sizes of graphs, padded for eq.nn.Padded; or as they are for eq.nn.Sparse.

    >>> import torch, eqsynth as eq
    >>> from types import SimpleNamespace
    >>> batch = SimpleNamespace(                     # a torch_geometric.data.Batch of a path and a single node
    ...     x=torch.randn(4, 8), edge_index=torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), ptr=torch.tensor([0, 3, 4])
    ... )
    >>> edges, nodes, sizes = eq.nn.from_pyg(batch)
    >>> edges.shape, nodes.shape, sizes
    (torch.Size([2, 3, 3, 1]), torch.Size([2, 3, 8]), tensor([3, 1]))
    >>> net = eq.nn.Padded(eq.Linear("S(n)", "1x2 + 8x1", "4x0"))
    >>> net((edges, nodes), sizes).shape
    torch.Size([2, 4])
    >>> (edge_index, edge_attr), nodes, graph = eq.nn.from_pyg(batch, sparse=True)
    >>> edge_attr.shape, nodes.shape, graph
    (torch.Size([4, 1]), torch.Size([4, 8]), tensor([0, 0, 0, 1]))
    >>> eq.nn.Sparse(eq.Linear("S(n)", "1x2 + 8x1", "4x0"))(((edge_index, edge_attr), nodes), graph).shape
    torch.Size([2, 4])

    ``data`` is a ``torch_geometric.data.Data`` or ``Batch``, a list of ``Data``, or any object with ``edge_index``
    (2, E) and, where there are such, ``x`` (nodes, C) and ``edge_attr`` (E, C), with axes of components before the
    channels in a product of groups, as (nodes, 3, C) of S(n) x O(3), ``ptr`` or ``batch``, ``num_nodes``:
    PyTorch Geometric is not needed. The result has shapes ``(graphs, N, N, C)``, ``(graphs, N, C)`` and ``(graphs,)``;
    N is the largest size, or ``n``. Gradients flow to ``x`` and ``edge_attr``, and their dtypes are kept.
    With ``sparse=True`` nothing is padded: the edges are a pair ``(edge_index, edge_attr)``, nodes are ``(nodes, C)``,
    and instead of sizes there is the graph of each node. What eq.nn.Sparse gives needs no way back: it is
    ``edge_index``, ``edge_attr`` and ``x`` already. Graphs without
    nodes at the end of a batch leave no trace there: call ``eq.nn.Sparse(...)(x, batch, graphs=data.num_graphs)``.

    ``edges[g, i, j]`` is the edge from i to j, ``edge_index[0]`` to ``edge_index[1]``, as in ``to_dense_adj``. Nothing
    is mirrored: an undirected graph lists both directions. Several edges from i to j are added. Self-loops are on the
    diagonal. A node without edges has a row and a column of zeros. Without ``edge_attr`` an edge is 1, without ``x`` a
    node is 1. Nodes are counted by ``ptr``, ``batch``, ``x`` or ``num_nodes``, the first of these that is there; if
    none is, up to the last node that has an edge. Graphs at the end of a ``batch`` that have no nodes are counted by
    ``ptr`` or ``num_graphs`` only.

    Raises ShapeError for what does not fit: edges between graphs, a ``batch`` that is not sorted, a graph above ``n``.
    """
    sparse = flag("sparse", sparse)
    if n is not None and (n := whole(size := n)) is None:
        raise ShapeError(f"n is a number of nodes to pad graphs to, not {shown(size)}")
    if isinstance(data, list | tuple):
        data = _joined(data)
    edge_index = _edges(data)
    sizes = _sizes(data, edge_index)
    longest = int(sizes.max()) if len(sizes) else 0
    if n is not None and sparse:
        raise ShapeError("sparse graphs are not padded: n cannot be given")
    if n is not None and n < longest:
        raise ShapeError(f"a graph has {longest} nodes, which is more than n = {n}")
    wide = longest if n is None else n
    graph = torch.repeat_interleave(sizes)
    total = len(graph)
    _check_edges(edge_index, graph)
    here = edge_index.device
    x, edge_attr = _columns(data, "x", total, here), _columns(data, "edge_attr", edge_index.shape[1], here)
    given = next((values for values in (x, edge_attr) if values is not None and values.is_floating_point()), None)
    one = torch.ones(1, 1, device=edge_index.device, dtype=None if given is None else given.dtype)
    x = one.expand(total, 1) if x is None else x
    edge_attr = one.expand(edge_index.shape[1], 1) if edge_attr is None else edge_attr
    if sparse:
        return (edge_index, edge_attr), x, graph
    channels = wide * edge_attr.shape[1:].numel() + x.shape[1:].numel()
    size = len(sizes) * wide * channels * edge_attr.element_size()
    afford_tensors(f"{len(sizes)} graphs padded to {wide:,} nodes", "use sparse=True", size, x.device)
    source, target = edge_index
    # The place of a node in its graph.
    place = torch.arange(total, device=graph.device) - (sizes.cumsum(0) - sizes)[graph]
    count = len(sizes)
    nodes = x.new_zeros(count * wide, *x.shape[1:]).index_add(0, graph * wide + place, x)
    row = (graph[source] * wide + place[source]) * wide + place[target]
    edges = edge_attr.new_zeros(count * wide * wide, *edge_attr.shape[1:]).index_add(0, row, edge_attr)
    edges = edges.reshape(count, wide, wide, *edges.shape[1:])
    return edges, nodes.reshape(count, wide, *nodes.shape[1:]), sizes


@explain_calls
def to_pyg(
    edges: torch.Tensor | None,
    nodes: torch.Tensor | None,
    sizes: Any,
    edge_index: torch.Tensor | None = None,
    make: Callable[..., Any] = SimpleNamespace,
) -> Any:
    """Padded tensors as one object with the attributes of a batch of PyTorch Geometric: the inverse of from_pyg.

    >>> import torch, eqsynth as eq
    >>> batch = eq.nn.to_pyg(torch.eye(3).reshape(1, 3, 3, 1), torch.ones(1, 3, 8), [2])
    >>> batch.edge_index.tolist(), batch.edge_attr.tolist(), batch.x.shape, batch.ptr.tolist()
    ([[0, 1], [0, 1]], [[1.0], [1.0]], torch.Size([2, 8]), [0, 2])

    The object has ``x``, ``edge_index``, ``edge_attr``, ``batch``, ``ptr`` and ``num_nodes``. ``make`` makes it of
    keywords: give ``torch_geometric.data.Batch``. Edges are the entries that are not 0 in every channel; or those of
    ``edge_index``, numbered as in a batch: for what a network says of the edges of its input, give the input's
    ``edge_index``. Edges or nodes may be None, and are then left out. Gradients flow.

    Raises ShapeError for tensors and sizes that do not fit.
    """
    for name, given in (("edges", edges), ("nodes", nodes)):
        if given is not None and not isinstance(given, torch.Tensor):
            raise ShapeError(f"{name} are a tensor or None, not {got(given)}")
    shapes = [tuple(values.shape) for values in (edges, nodes) if values is not None]
    fits = edges is None or (edges.ndim > 3 and edges.shape[1] == edges.shape[2])
    fits = fits and (nodes is None or nodes.ndim > 2) and bool(shapes) and len({shape[:2] for shape in shapes}) == 1
    if not fits:
        raise ShapeError(f"expected edges (graphs, N, N, ..., C) and nodes (graphs, N, ..., C), got shapes {shapes}")
    for name, given in (("edges", edges), ("nodes", nodes)):
        _values(SimpleNamespace(**{name: given}), name)
    if edges is not None and nodes is not None and edges.device != nodes.device:
        raise ShapeError(f"edges are on {edges.device}, and nodes on {nodes.device}: move one of them")
    some = edges if edges is not None else nodes
    assert some is not None  # noqa: S101 - one of them is there
    count, wide = shapes[0][:2]
    try:
        table = torch.as_tensor(sizes, device=some.device)
    except (TypeError, ValueError, RuntimeError):
        raise ShapeError(f"expected {count} sizes, whole numbers, not {shown(sizes)}") from None
    if (table.numel() and not whole_numbers(table)) or table.shape != (count,):
        raise ShapeError(f"expected {count} sizes, whole numbers, got {table.dtype} of shape {tuple(table.shape)}")
    if count and not 0 <= int(table.min()) <= int(table.max()) <= wide:
        raise ShapeError(f"sizes go from {int(table.min())} to {int(table.max())}, expected 0 to {wide}")
    table = table.long()
    graph = torch.repeat_interleave(table)
    ptr = _starts(table)
    place = torch.arange(len(graph), device=graph.device) - ptr[:-1][graph]
    attributes: dict[str, Any] = {"batch": graph, "ptr": ptr, "num_nodes": len(graph)}
    if nodes is not None:
        attributes["x"] = nodes[graph, place]
    if edge_index is None and edges is not None:
        present = torch.arange(wide, device=graph.device) < table.unsqueeze(1)
        edge_mask = (edges != 0).flatten(3).any(-1) & present.unsqueeze(1) & present.unsqueeze(2)
        where, i, j = edge_mask.nonzero().T
        edge_index = torch.stack((ptr[where] + i, ptr[where] + j))
    if edge_index is not None:
        edge_index = _edges(SimpleNamespace(edge_index=edge_index))
        if edge_index.device != graph.device:
            raise ShapeError(f"edge_index is on {edge_index.device}, and tensors on {graph.device}: move one of them")
        attributes["edge_index"] = edge_index
        source, target = edge_index
        _check_edges(edge_index, graph)
        if edges is not None:
            attributes["edge_attr"] = edges[graph[source], place[source], place[target]]
    if not callable(make):
        raise ShapeError(f"make is what makes the batch, such as torch_geometric.data.Batch, not {shown(make)}")
    return make(**attributes)


def _check_edges(edge_index: torch.Tensor, graph: torch.Tensor) -> None:
    """Raise ShapeError unless every edge joins nodes of one graph."""
    if not edge_index.numel():
        return
    low, high = int(edge_index.min()), int(edge_index.max())
    if not 0 <= low <= high < len(graph):
        raise ShapeError(f"edge_index names nodes from {low} to {high}, of {len(graph)}")
    if not torch.equal(graph[edge_index[0]], graph[edge_index[1]]):
        raise ShapeError("an edge joins two graphs: edge_index counts the nodes of the whole batch, as Batch does")


def _starts(sizes: torch.Tensor) -> torch.Tensor:
    """Where each graph begins among the nodes of a batch, and their number."""
    return torch.cat((sizes.new_zeros(1), sizes.cumsum(0)))


def _joined(graphs: Any) -> SimpleNamespace:
    """One batch of single graphs."""
    if not graphs:
        raise ShapeError("expected at least one graph")
    indices = [_edges(graph) for graph in graphs]
    counts = [int(_sizes(graph, index).sum()) for graph, index in zip(graphs, indices, strict=True)]
    sizes = torch.tensor(counts, device=indices[0].device)
    ptr = _starts(sizes)
    attributes: dict[str, Any] = {"ptr": ptr, "num_nodes": sum(counts)}
    attributes["edge_index"] = torch.cat([index + start for index, start in zip(indices, ptr[:-1], strict=True)], 1)
    for name in ("x", "edge_attr"):
        values = [value for graph in graphs if (value := _values(graph, name)) is not None]
        if len(values) not in (0, len(graphs)):
            raise ShapeError(f"some of these graphs have {name}, and some have not")
        if len({value.shape[1:] for value in values}) > 1:
            raise ShapeError(f"{name} of these graphs has {sorted({value[:1].numel() for value in values})} channels")
        attributes[name] = torch.cat(values) if values else None
    return SimpleNamespace(**attributes)


def _edges(data: Any) -> torch.Tensor:
    """The edges of a graph or of a batch, as numbers of nodes; raises ShapeError for others."""
    edge_index = _values(data, "edge_index")
    if edge_index is None or edge_index.ndim != 2 or edge_index.shape[0] != 2:
        raise ShapeError("expected graphs with an edge_index of shape (2, edges), not sparse adjacency matrices")
    return _counted(edge_index, "edge_index")


def _counted(values: torch.Tensor, name: str) -> torch.Tensor:
    """Whole numbers of any type; an empty tensor is often one of floats."""
    if values.numel() and not whole_numbers(values):
        raise ShapeError(f"{name} holds {values.dtype}, which are no numbers of nodes or graphs: pass {name}.long()")
    return values.long()


def _values(data: Any, name: str) -> torch.Tensor | None:
    """A tensor that a graph has, or None."""
    values = getattr(data, name, None)
    if values is not None and (not isinstance(values, torch.Tensor) or not values.ndim):
        raise ShapeError(f"{name} is a tensor with a row for each node, edge or graph, not {got(values)}")
    if values is not None and (values.is_meta or values.layout != torch.strided):
        raise ShapeError(f"{name}, of {got(values)}, is no dense tensor with entries: pass one, as by .to_dense()")
    return values


def _sizes(data: Any, edge_index: torch.Tensor) -> torch.Tensor:
    """How many nodes each graph has."""
    ptr, batch, x = (_values(data, name) for name in ("ptr", "batch", "x"))
    if ptr is not None:
        ptr = _counted(ptr, "ptr")
        if ptr.ndim != 1 or bool((ptr[1:] < ptr[:-1]).any()) or (len(ptr) and int(ptr[0])):
            raise ShapeError("ptr, where each graph begins among the nodes, goes up: 0, ..., the number of nodes")
        _few("ptr ends with", int(ptr[-1]) if len(ptr) else 0)
        return ptr[1:] - ptr[:-1]
    if batch is not None:
        batch = _counted(batch, "batch")
        if batch.ndim != 1 or (len(batch) and (int(batch[0]) < 0 or bool((batch[1:] < batch[:-1]).any()))):
            raise ShapeError("batch, the graph of each node, must be sorted: 0, ..., 0, 1, ..., 1, ...")
        _few("batch counts graphs up to", int(batch[-1]) if len(batch) else 0)
        return torch.bincount(batch, minlength=_count(data, "num_graphs") or 0)
    # PyTorch Geometric guesses num_nodes, with a warning, where x is not there.
    count = len(x) if x is not None else _count(data, "num_nodes")
    if count is None:
        count = int(edge_index.max()) + 1 if edge_index.numel() else 0
        _few("edge_index counts nodes up to", count)
    return torch.tensor([count], device=edge_index.device)


def _few(what: str, count: int) -> None:
    if count >= MAX_COUNT:
        raise ShapeError(
            f"{what} {count:,}, and a batch has fewer than {MAX_COUNT:,} nodes and graphs: give it in parts"
        )


def _count(data: Any, name: str) -> int | None:
    """A number that a graph or a batch says of itself, or None."""
    given = getattr(data, name, None)
    count = whole(given)
    if given is not None and (count is None or not 0 <= count < MAX_COUNT):
        raise ShapeError(f"{name} is a whole number from 0 on, and below {MAX_COUNT:,}, not {shown(given)}")
    return count


def _columns(data: Any, name: str, rows: int, device: torch.device) -> torch.Tensor | None:
    """Values of nodes or of edges, with an axis of channels."""
    values = _values(data, name)
    if values is None:
        return None
    if len(values) != rows:
        raise ShapeError(f"{name} has shape {tuple(values.shape)}, expected ({rows}, ..., channels)")
    if values.dtype not in ADDED or values.device != device:
        raise ShapeError(
            f"{name} holds {values.dtype} on {values.device}, expected numbers that torch adds up, as torch.float32, "
            f"where edge_index is, on {device}"
        )
    return values.unsqueeze(1) if values.ndim == 1 else values
