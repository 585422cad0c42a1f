"""Tensors of graphs of which few entries are there: where they are, how to find them, and what layers do with them.

eq.nn.Sparse runs these functions, and files of networks with one carry them: ``codegen/carry.py`` copies their text,
without annotations, ValueError in place of ShapeError. They use nothing but torch, each other and ``samples.py``.

The order of a term is that in nodes. The shape of an entry is that of its components, channels last: numbers, or the
letters that stand for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import nn

from eqsynth.errors import ShapeError, SizeError

#: For each axis the axis that it becomes, or None: eqsynth.plans.steps says what patterns mean.
Pattern = tuple[int | None, ...]
#: An element of a basis, the place of its weights in a table, and its sign.
Cell = tuple[int, int, int]


# --- where entries are ----------------------------------------------------------------------------


class GraphNodes:
    """The nodes of a batch of graphs: the graph of each, and how many each graph has."""

    __slots__ = ("graph", "known", "longest", "place", "sizes")

    def __init__(self, graph: torch.Tensor, count: int) -> None:
        """From the graph of each node, in any order."""
        sizes = torch.bincount(graph, minlength=count)
        together = graph.argsort(stable=True)
        starts = sizes.cumsum(0) - sizes
        place = torch.empty_like(graph)
        place[together] = torch.arange(len(graph), device=graph.device) - starts[graph[together]]
        self.graph, self.sizes = graph, sizes
        # The number of each node among those of its graph, and the largest size.
        self.place, self.longest = place, int(sizes.max()) if count else 0
        # Results of look-ups, which layers of one network ask for again. To be cleared, since they refer to this
        # object, and large tensors should not wait for the garbage collector.
        self.known: dict[Any, Any] = {}

    def once(self, key: Any, find: Callable[[], Any]) -> Any:
        """The result of a function, which is called once for each key."""
        if key not in self.known:
            self.known[key] = find()
        return self.known[key]

    def keys(self, index: torch.Tensor) -> torch.Tensor:
        """One number for each column, different for different positions."""
        if len(self.graph) * self.longest ** (len(index) - 1) >= 2**63:
            raise SizeError(
                f"positions of order {len(index)} among {len(self.graph)} nodes, up to {self.longest} in a graph, "
                "cannot be numbered in 63 bits: give fewer or smaller graphs at once"
            )
        key = index[0]
        for axis in index[1:]:
            # The first node says which graph it is.
            key = key * self.longest + self.place[axis]
        return key

    def everywhere(self, order: int) -> TensorPositions:
        """All positions of order 0, the graphs, or of order 1, the nodes."""
        count = len(self.graph) if order else len(self.sizes)
        rows = torch.arange(count, device=self.graph.device)
        graph = self.graph if order else rows
        every: TensorPositions = self.once(
            ("everywhere", order), lambda: TensorPositions(self, rows.expand(order, count), graph, rows)
        )
        return every

    def positions(self, index: torch.Tensor) -> tuple[TensorPositions, torch.Tensor]:
        """The columns of an index (order, entries), each once and sorted, and where each column went."""
        keys, where = torch.unique(self.keys(index), return_inverse=True)
        once = index.new_empty(len(index), len(keys))
        once[:, where] = index
        return TensorPositions(self, once, self.graph[once[0]], keys), where


class TensorPositions:
    """Where entries of one order are: index (order, entries), each position once, sorted by its key.

    Order 0 has a position for each graph, order 1 one for each node.
    """

    __slots__ = ("__weakref__", "graph", "index", "keys", "nodes")

    def __init__(self, nodes: GraphNodes, index: torch.Tensor, graph: torch.Tensor, keys: torch.Tensor) -> None:
        self.nodes, self.index, self.graph, self.keys = nodes, index, graph, keys

    def __len__(self) -> int:
        return len(self.graph)

    def find(self, index: torch.Tensor, graph: torch.Tensor) -> torch.Tensor:
        """The number of each given position among these; their count where it is not there."""
        if len(index) < 2:
            return index[0] if len(index) else graph
        # In their order, keys are found three times faster: what is read next is near.
        keys, order = self.nodes.keys(index).sort()
        places = torch.searchsorted(self.keys, keys)
        if len(self):
            present = self.keys[places.clamp(max=len(self) - 1)] == keys
            places = torch.where(present, places, len(self))
        return torch.empty_like(places).scatter(0, order, places)

    def reduced(self, pattern: Pattern) -> tuple[torch.Tensor | None, torch.Tensor, TensorPositions]:
        """For a sum: the rows on the diagonals (None: all), where each of them is added, and the new positions."""
        found: Any = self.nodes.once(("reduced", self, pattern), lambda: self.sought_reduced(pattern))
        return found[0], found[1], found[2]

    def sought_reduced(self, pattern: Pattern) -> tuple[torch.Tensor | None, torch.Tensor, TensorPositions]:
        """The same, sought anew."""
        rows, index, graph = self.tied(pattern)
        if len(index) < 2:
            return rows, index[0] if len(index) else graph, self.nodes.everywhere(len(index))
        positions, where = self.nodes.positions(index)
        return rows, where, positions

    def tied(self, pattern: Pattern) -> tuple[torch.Tensor | None, torch.Tensor, torch.Tensor]:
        """The rows whose axes with one number in the pattern agree (None: all), their index by number, their graph."""
        found: Any = self.nodes.once(("tied", self, pattern), lambda: self.sought_tied(pattern))
        return found[0], found[1], found[2]

    def sought_tied(self, pattern: Pattern) -> tuple[torch.Tensor | None, torch.Tensor, torch.Tensor]:
        """The same, sought anew."""
        first: dict[int, int] = {}
        agree = None
        for axis, number in enumerate(pattern):
            if number is not None and first.setdefault(number, axis) != axis:
                same = self.index[first[number]] == self.index[axis]
                agree = same if agree is None else agree & same
        chosen = self.index[[first[number] for number in sorted(first)]]
        if agree is None:
            return None, chosen, self.graph
        rows = agree.nonzero().squeeze(1)
        return rows, chosen[:, rows], self.graph[rows]

    def read(self, pattern: Pattern, source: Term) -> tuple[torch.Tensor | None, torch.Tensor]:
        """What a source has for entries here: the rows here whose axes with one number agree (None: all), their values.

        The pattern has for each axis here the axis of the source, or None. Entries that are not there are 0.
        """
        held, value = source
        if held is self and pattern == tuple(range(len(self.index))):
            return None, value
        found = self.nodes.once(("read", self, pattern, held), lambda: self.sought_read(pattern, held))
        rows, places, missing = found
        if missing:
            value = torch.cat((value, value.new_zeros(1, value.shape[-1])))
        return rows, value.index_select(0, places)

    def sought_read(self, pattern: Pattern, held: TensorPositions) -> tuple[torch.Tensor | None, torch.Tensor, bool]:
        """Where a source is read, and whether some of it is not there."""
        rows, index, graph = self.tied(pattern)
        places = held.find(index, graph)
        return rows, places, len(index) > 1 and bool((places == len(held)).any())


#: Values of one term, (entries, components and channels), and where they are.
Term = tuple[TensorPositions, torch.Tensor]


# --- what the steps of a layer do -----------------------------------------------------------------


def read(value: Term, at: TensorPositions) -> torch.Tensor:
    """Values at other positions, 0 where there are none."""
    return at.read(tuple(range(len(at.index))), value)[1]


def reduced(value: Term, pattern: Pattern, power: float = 0) -> Term:
    """Sums onto fewer axes, each graph scaled by a power of its own size."""
    at, x = value
    rows, where, left = at.reduced(pattern)
    x = x if rows is None else x.index_select(0, rows)
    total = summed(x, where, len(left))
    return left, total * scales(left, power, total.dtype) if power else total


def summed(x: torch.Tensor, where: torch.Tensor, count: int) -> torch.Tensor:
    """Rows added where they belong, in float32 at least."""
    value = x.to(torch.promote_types(x.dtype, torch.float32))
    return value.new_zeros(count, x.shape[-1]).index_add(0, where, value).to(x.dtype)


def scales(at: TensorPositions, power: float, dtype: torch.dtype) -> torch.Tensor:
    """A power of the size of the graph of each entry, as a column; 1 for graphs without nodes, whose sums are empty."""
    real = dtype.to_real() if dtype.is_complex else dtype
    sizes = at.nodes.sizes.clamp(min=1).to(torch.promote_types(real, torch.float32))
    return (sizes**power).to(real)[at.graph].unsqueeze(1)


def united(asked: Sequence[TensorPositions]) -> TensorPositions:
    """All positions that are asked for, each once."""
    if all(at is asked[0] for at in asked):
        return asked[0]
    return asked[0].nodes.positions(torch.cat([at.index for at in asked], 1))[0]


def spread(parts: Sequence[tuple[Term, Pattern]], at: TensorPositions) -> Term:
    """The sum of parts at some positions: each read where it is carried, nothing off its diagonals."""
    whole, tied = [], []
    for source, pattern in parts:
        rows, x = at.read(pattern, source)
        if rows is None:
            whole.append(x)
        else:
            tied.append((rows, x))
    total = sum(whole[1:], whole[0]) if whole else tied[0][1].new_zeros(len(at), tied[0][1].shape[-1])
    for rows, x in tied:
        total = total.index_add(0, rows, x)
    return at, total


def by_maps(weight: torch.Tensor, nodes: int, components: int, numbers: Sequence[int] | None = None) -> torch.Tensor:
    """Weights by maps of nodes, then of components: (maps, maps, out, in).

    ``numbers``: which weight a product of maps has, where these are not in order; that behind the last is 0.
    """
    if numbers is not None:
        if len(weight) in numbers:
            weight = torch.cat((weight, weight.new_zeros(1, *weight.shape[1:])))
        weight = weight[torch.tensor(numbers, device=weight.device)]
    return weight.reshape(nodes, components, *weight.shape[1:])


def block(weight: torch.Tensor, cells: Sequence[Cell], targets: int, operands: int) -> torch.Tensor:
    """The matrices from the operands of one term to the targets of another, one for each map of components.

    ``cells``: the map of nodes between a target and an operand, ``target * operands + operand``, and its sign.
    """
    elements, places, signs = [list(column) for column in zip(*cells)]
    # Weights in a row are a view.
    in_order = elements == list(range(elements[0], elements[0] + len(elements)))
    chosen = weight[elements[0] : elements[0] + len(elements)] if in_order else weight[elements]
    if -1 in signs:
        chosen = chosen * chosen.new_tensor(signs).reshape(-1, 1, 1, 1)
    if places != list(range(targets * operands)):
        where = torch.tensor(places, device=weight.device)
        chosen = chosen.new_zeros(targets * operands, *chosen.shape[1:]).index_add(0, where, chosen)
    maps, wide_out, wide_in = chosen.shape[1:]
    table = chosen.reshape(targets, operands, maps, wide_out, wide_in).permute(2, 0, 3, 1, 4)
    return table.reshape(maps, targets * wide_out, operands * wide_in)


def mixed_channels(
    columns: Sequence[Sequence[torch.Tensor]],
    blocks: Sequence[Sequence[torch.Tensor]],
    biases: Sequence[torch.Tensor],
    at: TensorPositions,
) -> Sequence[torch.Tensor]:
    """For each term of the output its targets beside each other, from the operands of each of the input."""
    bias = torch.cat([one[0] for one in biases]) if biases else None
    widths = [one.shape[1] for one in biases] if biases else [row[0].shape[1] for row in blocks]
    x = [value for column in columns for value in column]
    if not x:  # what has no operands has a bias
        return torch.split(torch.cat([one[0] for one in biases]).expand(len(at), -1), widths, 1)
    weight = torch.cat([torch.cat([one[0] for one in row], 1) for row in blocks])
    z = nn.functional.linear(torch.cat(x, 1) if len(x) > 1 else x[0], weight, bias)
    return torch.split(z, widths, 1)


def mixed_components(
    layer: nn.Module,
    columns: Sequence[Sequence[torch.Tensor]],
    shapes: Sequence[Sequence[int]],
    weights: dict[str, torch.Tensor],
    sizes: Sequence[int],
    at: TensorPositions,
) -> Sequence[torch.Tensor]:
    """The same by a layer of the group that acts on components, whose samples are the positions."""
    rows = [[value.reshape(len(at), *shape) for value in column] for column, shape in zip(columns, shapes)]
    x = [torch.cat(row, -1) if len(row) > 1 else row[0] for row in rows]
    if not x:  # what has no operands has a bias: a number that is 0 stands for them
        x = [next(iter(weights.values())).new_zeros(len(at), 1)]
    y = torch.func.functional_call(layer, weights, (x[0] if len(x) == 1 else tuple(x), *sizes))
    return [one.flatten(1) for one in (y if isinstance(y, tuple) else (y,))]


def parted(z: torch.Tensor, shape: Sequence[int], count: int) -> list[torch.Tensor]:
    """The values of targets of one term, whose channels stand beside each other for each component."""
    *components, wide = shape
    z = z.reshape(len(z), torch.Size(components).numel(), count * wide)
    return [part.flatten(1) for part in torch.split(z, wide, 2)]


@lru_cache(maxsize=256)
def component_layer(kind: Any, device: torch.device, dtype: torch.dtype) -> Any:
    """A layer of a class, without parameters of its own: calls bring them."""
    return without_weights(kind(device="meta", dtype=dtype), device)


def without_weights(layer: Any, device: torch.device) -> Any:
    """A layer on the meta device as one on another, without its parameters."""
    for name, parameter in layer.named_parameters():
        empty = torch.empty(0, device=device, dtype=parameter.dtype)
        setattr(layer, name, nn.Parameter(empty, requires_grad=False))
    if hasattr(layer, "reset_tables"):
        layer.reset_tables()
    return layer


# --- what modules do that see one position at a time, and sums over them --------------------------


def at_positions(
    terms: Sequence[Term], shapes: Sequence[Sequence[int]], wanted: Mapping[int, TensorPositions]
) -> tuple[list[TensorPositions], list[torch.Tensor]]:
    """Where terms are wanted, and their values there, (entries, components, channels)."""
    places = [wanted[len(at.index)] if len(at.index) > 1 else at for at, _ in terms]
    values = [read(term, at).reshape(len(at), *shape) for term, at, shape in zip(terms, places, shapes)]
    return places, values


def flattened(places: Sequence[TensorPositions], values: Sequence[torch.Tensor]) -> list[Term]:
    """The inverse of at_positions."""
    return [(at, y.flatten(1)) for at, y in zip(places, values)]


def added(terms: Sequence[Term], changes: Sequence[Term]) -> list[Term]:
    """Terms with their changes, where these are."""
    return [(at, read(term, at) + change) for term, (at, change) in zip(terms, changes)]


def masked(x: torch.Tensor, mask: torch.Tensor, at: TensorPositions) -> torch.Tensor:
    """Values times the mask of their graph, (graphs, channels)."""
    rows = mask[at.graph]
    return x * rows.reshape(len(rows), *[1] * (x.ndim - 2), rows.shape[-1])


def pooled(at: TensorPositions, x: torch.Tensor, reduce: str, nothing: float) -> Term:
    """Sums, means or maxima over components and over each graph, entries that are not there ``nothing``."""
    order, graphs = len(at.index), at.nodes.everywhere(0)
    axes = tuple(range(1, x.ndim - 1))
    if axes:
        x = x.amax(axes) if reduce == "max" else x.sum(axes) if reduce == "sum" else x.mean(axes)
    if not order:
        return graphs, x
    if reduce == "max":
        zeros = x.new_zeros(len(graphs), x.shape[-1])
        return graphs, zeros.scatter_reduce(0, at.graph[:, None].expand_as(x), x, "amax", include_self=False)
    total = summed(x, at.graph, len(graphs))
    if order > 1 and nothing:
        there = torch.bincount(at.graph, minlength=len(graphs))
        total = total + nothing * (at.nodes.sizes**order - there).to(x.dtype)[:, None]
    return graphs, total * scales(graphs, -order, x.dtype) if reduce == "mean" else total


# --- input and output -----------------------------------------------------------------------------


class TensorEntries:
    """An index as it was given, its positions, and the row of each column among them."""

    __slots__ = ("index", "positions", "rows")

    def __init__(self, index: torch.Tensor, positions: TensorPositions, rows: torch.Tensor) -> None:
        self.index, self.positions, self.rows = index, positions, rows


def computed_on_entries(
    terms: Sequence[Any],
    batch: Any,
    at: Any,
    graphs: Any,
    n: int | str,
    orders: Sequence[int],
    shapes: Sequence[Sequence[int]],
    shapes_out: Sequence[Sequence[int]],
    sampled: Sequence[int],
    compute: Callable[[list[Term], dict[int, TensorPositions]], Sequence[Term]],
) -> Any:
    """The outputs for a batch of graphs: ``compute`` gets terms, and for each order where they are wanted.

    ``sampled``: the orders of which only some entries are computed.
    """
    nodes = nodes_of(terms, orders, batch, graphs, n)
    values, given = read_terms(terms, orders, shapes, nodes)
    asked = asked_entries(at, given, sampled, nodes)
    wanted = {order: nodes.everywhere(order) for order in (0, 1)}
    wanted.update({order: entries.positions for order, entries in asked.items()})
    try:
        outputs = compute(values, wanted)
    finally:
        nodes.known.clear()
    return given_back(outputs, shapes_out, asked, terms)


def listed_terms(x: Any, space: str, count: int) -> Sequence[Any]:
    """One input for each of so many terms, dense or sparse; ShapeError for another number of them."""
    if count == 1:
        return (x,)
    if not isinstance(x, (tuple, list)) or len(x) != count:
        given = len(x) if isinstance(x, (tuple, list)) else type(x).__name__
        raise ShapeError(
            f"expected a tuple of {count} terms, one per term of {space}, got {given}: call module((x0, x1), batch), "
            "where a term of order 2 is a pair (edge_index, edge_attr)"
        )
    return x


def letters_shown(terms: Sequence[Any], shapes: Sequence[Sequence[int | str]]) -> dict[str, int]:
    """The lengths of components that are letters, from the tensors; what does not fit is refused later."""
    known: dict[str, int] = {}
    for term, shape in zip(terms, shapes):
        value = term[1] if isinstance(term, (tuple, list)) and len(term) == 2 else term
        if isinstance(value, torch.Tensor) and value.ndim >= len(shape):
            for size, length in zip(value.shape[value.ndim - len(shape) :], shape):
                if isinstance(length, str):
                    known.setdefault(length, size)
    return known


def letters_given(letters: Sequence[str], sizes: Any) -> dict[str, int]:
    """The sizes of the letters that no input shows, and of no others."""
    given = {} if sizes is None else sizes if isinstance(sizes, dict) else {"": sizes}
    if {*given} != {*letters} or any(type(size) is not int or size < 1 for size in given.values()):
        wanted = ", ".join(f"{letter!r}: 4" for letter in letters)
        why = f"no input shows these lengths: give sizes={{{wanted}}}" if letters else "the input shows all of them"
        raise ShapeError(f"sizes of components are {sizes!r}, but {why}")
    return {**given}


def nodes_of(terms: Sequence[Any], orders: Sequence[int], batch: Any, graphs: Any, n: int | str) -> GraphNodes:
    """The nodes of the batch: its vector, or one graph of as many nodes as the terms show; n in each, if a number."""
    if graphs is not None and (type(graphs) is not int or graphs < 0):
        raise ShapeError(f"graphs is the number of graphs, a whole number, not {graphs!r}")
    rows = {order: len(x) for x, order in zip(terms, orders) if isinstance(x, torch.Tensor) and x.ndim}
    if batch is None:
        counts = [count for order, count in rows.items() if order]
        if not counts:
            raise ShapeError(
                "nothing says how many nodes there are: give batch, the graph of each node, as in module(x, batch)"
            )
        device = next(x.device for x in terms if isinstance(x, torch.Tensor))
        batch, graphs = torch.zeros(counts[0], dtype=torch.long, device=device), 1 if graphs is None else graphs
    if not isinstance(batch, torch.Tensor) or batch.ndim != 1 or not whole_numbers(batch):
        tensor = isinstance(batch, torch.Tensor)
        got = f"{batch.dtype} of shape {tuple(batch.shape)}" if tensor else type(batch).__name__
        raise ShapeError(
            f"batch is {got}, expected the graph of each node, whole numbers of shape (nodes,); several inputs are one "
            "tuple before it, as in module((edges, x), batch)"
        )
    if batch.is_meta:
        raise ShapeError("where entries are is read, and tensors on the meta device do not say: pass values")
    low, high = (int(batch.min()), int(batch.max())) if len(batch) else (0, -1)
    count = rows.get(0, high + 1) if graphs is None else graphs
    if low < 0 or high >= count:
        raise ShapeError(
            f"batch names graphs from {low} to {high}, of {count}: number them from 0, and let graphs, or the rows of "
            "a term of order 0, be as many"
        )
    if count > 2**28:
        raise ShapeError(f"there are {count:,} graphs, more than {2**28:,}: number them one after the other, from 0")
    nodes = GraphNodes(batch.long(), count)
    if isinstance(n, int) and bool((nodes.sizes != n).any()):
        sizes = sorted({*nodes.sizes.tolist()} - {n})
        raise ShapeError(f"a graph has {sizes[0]} nodes, but the layer is for n = {n}: make it for S(n), any n")
    return nodes


def read_terms(
    terms: Sequence[Any], orders: Sequence[int], shapes: Sequence[Sequence[int]], nodes: GraphNodes
) -> tuple[list[Term], dict[int, list[TensorEntries]]]:
    """The values of each term with their positions, and for each order from 2 on the entries that were given."""
    values = []
    given: dict[int, list[TensorEntries]] = {}
    for place, (term, order, shape) in enumerate(zip(terms, orders, shapes)):
        if order < 2:
            value = dense_term(term, place, shape, order, nodes)
            values.append((nodes.everywhere(order), value.flatten(1)))
            continue
        index, value = entries_of_term(term, place, shape, order, nodes)
        positions, rows = nodes.positions(index)
        given.setdefault(len(index), []).append(TensorEntries(index, positions, rows))
        values.append((positions, summed(value.flatten(1), rows, len(positions))))
    return values, given


def dense_term(x: Any, place: int, shape: Sequence[int], order: int, nodes: GraphNodes) -> torch.Tensor:
    """A term of order 0 or 1; ShapeError for what is none."""
    rows, what = (len(nodes.graph), "nodes") if order else (len(nodes.sizes), "graphs")
    if not isinstance(x, torch.Tensor) or x.layout != torch.strided or x.shape != (rows, *shape):
        axes = f"{what}, {'components, ' * (len(shape) > 1)}channels"
        raise ShapeError(f"input {place} has {described(x)}, expected a dense tensor ({axes}): {(rows, *shape)}")
    return numbers_at(x, place, nodes)


def numbers_at(x: torch.Tensor, place: int, nodes: GraphNodes) -> torch.Tensor:
    """Values on the device of the graphs that can be multiplied; else ShapeError."""
    if x.layout != torch.strided:
        raise ShapeError(f"input {place} is no dense tensor: pass one, as by .to_dense()")
    if not (x.is_floating_point() or x.is_complex()) or x.element_size() == 1:
        raise ShapeError(f"input {place} holds {x.dtype}: pass floating-point or complex numbers, such as x.float()")
    if x.device != nodes.graph.device:
        raise ShapeError(f"input {place} is on {x.device}, but batch on {nodes.graph.device}: move all to one device")
    return x


def entries_of_term(
    x: Any, place: int, shape: Sequence[int], order: int, nodes: GraphNodes
) -> tuple[torch.Tensor, torch.Tensor]:
    """The index and the values of a sparse term."""
    what = f"input {place}"
    if isinstance(x, torch.Tensor):
        full = (*[len(nodes.graph)] * order, *shape)
        fits = x.layout == torch.sparse_coo and x.shape == full and x.sparse_dim() == order
        if not fits:
            dense = "one dense" if len(shape) == 1 else f"{len(shape)} dense ones"
            raise ShapeError(
                f"{what} has {described(x)}, expected a pair (index, values), or torch.sparse_coo_tensor(index, "
                f"values, {full}) with {order} sparse axes and {dense}; of a dense tensor, x.to_sparse({order})"
            )
        x = x.coalesce()
        return read_index(x.indices(), nodes, what), numbers_at(x.values(), place, nodes)
    if not isinstance(x, (tuple, list)) or len(x) != 2:
        raise ShapeError(f"{what} has {described(x)}, expected a pair (index, values), as (edge_index, edge_attr)")
    index, value = read_index(x[0], nodes, what, order), x[1]
    if not isinstance(value, torch.Tensor) or value.shape != (index.shape[1], *shape):
        given, count = described(value), index.shape[1]
        raise ShapeError(f"{what} has {count} entries and values of {given}, expected {(count, *shape)}")
    return index, numbers_at(value, place, nodes)


def read_index(index: Any, nodes: GraphNodes, what: str, order: int | None = None) -> torch.Tensor:
    """Whole numbers (order, entries) that name nodes of one graph each; else ShapeError."""
    fits = isinstance(index, torch.Tensor) and index.ndim == 2 and len(index) > 1 and order in (None, len(index))
    if not fits:
        raise ShapeError(
            f"{what} has an index of {described(index)}, expected a tensor ({order or 'order'}, entries), "
            "as edge_index has (2, edges)"
        )
    if not whole_numbers(index):
        raise ShapeError(f"{what} has an index of {index.dtype}, expected whole numbers, such as index.long()")
    if index.is_meta or index.layout != torch.strided or index.device != nodes.graph.device:
        raise ShapeError(
            f"{what} has an index on {index.device}, expected a dense tensor where nodes are, on {nodes.graph.device}"
        )
    numbers: torch.Tensor = index.long()
    if numbers.numel():
        low, high = int(numbers.min()), int(numbers.max())
        if not 0 <= low <= high < len(nodes.graph):
            raise ShapeError(
                f"{what} names nodes from {low} to {high}, of {len(nodes.graph)}: number them from 0, through the batch"
            )
        graph = nodes.graph[numbers]
        if bool((graph != graph[0]).any()):
            raise ShapeError(
                f"{what} has an entry between two graphs: nodes are counted through the whole batch, and batch has "
                "the graph of each"
            )
    return numbers


def whole_numbers(x: torch.Tensor) -> bool:
    """Whether a tensor can number nodes."""
    return x.dtype in (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


def described(x: Any) -> str:
    """What was given where something else is expected."""
    if isinstance(x, torch.Tensor):
        return f"shape {tuple(x.shape)}" + (f", {x.layout}" if x.layout != torch.strided else "")
    name = f"type {type(x).__name__}"
    return f"{name} (torch.from_numpy makes it a tensor)" if type(x).__module__.startswith("numpy") else name


def asked_entries(
    at: Any, given: Mapping[int, Sequence[TensorEntries]], sampled: Sequence[int], nodes: GraphNodes
) -> dict[int, TensorEntries]:
    """For each order from 2 on the entries that are computed, with the index that is given back."""
    if not (at is None or isinstance(at, (torch.Tensor, tuple, list))):
        raise ShapeError(
            f"at is of {described(at)}, expected an index (order, entries), as edge_index, or a list of them"
        )
    listed = [] if at is None else [at] if isinstance(at, torch.Tensor) else at
    indices = {len(index): index for index in [read_index(index, nodes, "at") for index in listed]}
    if len(indices) < len(listed):
        raise ShapeError("at has two indices of the same order: join them, torch.cat(indices, 1)")
    asked = {order: TensorEntries(index, *nodes.positions(index)) for order, index in indices.items()}
    for order in sampled:
        if order in asked:
            continue
        if order not in given:
            raise ShapeError(
                f"nothing says at which positions tensors of order {order} are wanted, since no input has this order: "
                f"give at, an index of shape ({order}, entries)"
            )
        asked[order] = each_once(given[order], nodes)
    return asked


def each_once(given: Sequence[TensorEntries], nodes: GraphNodes) -> TensorEntries:
    """The entries of some inputs, in the order in which their positions are named first."""
    entries = given[0]
    if len(given) > 1:
        index = torch.cat([entries.index for entries in given], 1)
        entries = TensorEntries(index, *nodes.positions(index))
    positions, rows = entries.positions, entries.rows
    if len(positions) == len(rows):
        return entries
    columns = torch.arange(len(rows), device=rows.device)
    first = columns.new_full((len(positions),), len(rows)).scatter_reduce(0, rows, columns, "amin").sort().values
    return TensorEntries(entries.index[:, first], positions, rows[first])


def given_back(
    outputs: Sequence[Term], shapes: Sequence[Sequence[int]], asked: Mapping[int, TensorEntries], terms: Sequence[Any]
) -> Any:
    """Outputs as they are given to the caller: sparse tensors of torch where one of the inputs is one."""
    as_tensors = any(isinstance(term, torch.Tensor) and term.layout == torch.sparse_coo for term in terms)
    given: list[Any] = []
    for (at, value), shape in zip(outputs, shapes):
        order, x = len(at.index), value.reshape(len(value), *shape)
        if order < 2:
            given.append(x)
        elif as_tensors:
            full = (*[len(at.nodes.graph)] * order, *shape)
            given.append(torch.sparse_coo_tensor(at.index, x, full, is_coalesced=True, check_invariants=False))
        else:
            given.append((asked[order].index, x.index_select(0, asked[order].rows)))
    return given[0] if len(given) == 1 else tuple(given)
