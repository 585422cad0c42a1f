"""Sparse tensors of graphs: layers of S(n) on the entries that are there, whole batches of graphs at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch._compile import _disable_dynamo
from torch.nn import functional

from eqsynth.errors import EqsynthError, ShapeError, SpaceError, explain_calls, shown
from eqsynth.exact.numbers import flag, whole
from eqsynth.layers.emitted import require_dtype
from eqsynth.layers.linear import Linear
from eqsynth.nn.activations import Activation, EquivariantModule, got, joined
from eqsynth.nn.networks import Residual, Sequential, problem_of
from eqsynth.nn.normalising import BatchNorm, Dropout, LayerNorm, Pool
from eqsynth.nn.positions import (
    INTEGERS,
    Nodes,
    Positions,
    Term,
    check_group,
    read,
    read_index,
    run,
    scales,
    sparse_plan,
    summed,
)
from eqsynth.spaces.space import Space, order_text, plain, twists_of

KNOWN = "eq.Linear, eq.nn.Activation, LayerNorm, BatchNorm, Dropout, Pool, Residual, Sequential and MLP"


@explain_calls
class Sparse(EquivariantModule):
    """A layer of S(n) for sparse tensors: the numbers of the dense layer, at a cost of the entries that are there.

    >>> import torch, eqsynth as eq
    >>> layer = eq.Linear("S(n)", "2x2 + 8x1", "4x2 + 16x1 + 3x0")
    >>> sparse = eq.nn.Sparse(layer)                         # the same weights
    >>> sparse
    Sparse(S(n): 2x2 + 8x1 -> 4x2 + 16x1 + 3x0, Linear)
    >>> edge_index = torch.tensor([[0, 1, 1, 2, 3, 4], [1, 0, 2, 1, 4, 3]])   # a path of 3 nodes, and a pair
    >>> edge_attr, x, batch = torch.randn(6, 2), torch.randn(5, 8), torch.tensor([0, 0, 0, 1, 1])
    >>> (index, edges), nodes, graphs = sparse(((edge_index, edge_attr), x), batch)
    >>> torch.equal(index, edge_index), edges.shape, nodes.shape, graphs.shape
    (True, torch.Size([6, 4]), torch.Size([5, 16]), torch.Size([2, 3]))
    >>> dense = torch.zeros(3, 3, 2).index_put((edge_index[0, :4], edge_index[1, :4]), edge_attr[:4])
    >>> y, _, _ = layer((dense, x[:3]))                      # the first graph alone
    >>> torch.allclose(edges[:4], y[edge_index[0, :4], edge_index[1, :4]], atol=1e-5)
    True

    Nodes of all graphs are counted through, as PyTorch Geometric does; ``batch`` has the graph of each node, in any
    order, and None is one graph. A term of order 2 and above is a pair ``(index, values)`` of shapes
    ``(order, entries)`` and ``(entries, channels)``, such as ``(edge_index, edge_attr)``, or a tensor of
    ``torch.sparse_coo`` with that many sparse axes, as long as there are nodes, and one dense axis of channels. What
    is not listed is 0; an entry that is listed several times is the sum. Terms of order 1 are ``(nodes, channels)``,
    of order 0 ``(graphs, channels)``. There is no padding. Each graph gets what it gets alone, sums scaled by its own
    n, in values and gradients; work and memory grow with nodes and entries, never with n x n. ``graphs`` is the number
    of graphs, where those at the end of the batch have no nodes.

    Outputs of order 0 and 1 are dense. Those of order 2 and above have no zeros (every row sum reaches a row), so that
    they are computed at some positions only: ``at``, an index ``(order, entries)``, or several of them of different
    orders; without it, where the inputs of that order have entries, each position once. They come as pairs with that
    index, in that order; as sparse tensors where an input is one. To have the diagonal, list it:
    ``at=torch.cat([edge_index, loops], 1)``.

    The module can be a network of eq.Linear, eq.nn.Activation, LayerNorm over channels, BatchNorm, Dropout, Pool,
    Residual, Sequential and MLP. Where a layer reads tensors of order 2 and above that another has made, of which
    only some entries are there, the result would not be that of the dense network, and it is refused, unless
    ``restrict=True`` asks for the other function: between layers, tensors are 0 outside of ``at``, or outside of
    where the inputs have entries. It is equivariant all the same, and the same as calling one Sparse after the other.

    Searches for positions are done at each call, once for all layers of a network. Hooks of the modules inside are not
    called. Torch differentiates its own sparse tensors once only: give pairs for second derivatives. ``torch.compile``
    runs this module as it is, and compiles what is around it.

    Raises EqsynthError for other groups (O(n) mixes all entries) and modules, for weights of blocks and maps with
    heads; ShapeError for indices and tensors that do not fit, entries between two graphs, nodes that are not there.
    """

    def __init__(self, module: nn.Module, restrict: bool = False) -> None:
        restrict = flag("restrict", restrict)
        hom = problem_of(module)
        super().__init__(hom.group, hom.space_in, hom.space_out)
        check_group(hom.group)
        for order in (*hom.space_in.orders, *hom.space_out.orders):
            _int(order)
        _check(module, (True,) * len(hom.space_in), restrict)
        # Orders of which some module makes tensors at chosen positions.
        self._sampled = sorted({order for part in _parts(module) for order in _high(problem_of(part).space_out)})
        self.restrict = restrict
        self.module = module

    def options(self) -> tuple[str, ...]:
        """What is inside."""
        return (type(self.module).__name__, *["restrict=True"] * self.restrict)

    # How much is there is only known when it is read: nothing for torch to compile ahead. As torch.compiler.disable,
    # which loads the compiler, a second of imports, where the class is defined and not where it is first called.
    @_disable_dynamo
    def forward(self, x: Any, batch: torch.Tensor | None = None, at: Any = None, graphs: int | None = None) -> Any:
        """The module on the entries that are there."""
        terms = _listed(x, self.space_in)
        nodes = _nodes(terms, self.space_in, batch, graphs)
        _check_size(nodes, self.group.n)
        values: list[Term] = []
        given: dict[int, list[Entries]] = {}
        for place, (term, (channels, order)) in enumerate(zip(terms, self.space_in, strict=True)):
            if _int(order) < 2:
                values.append((nodes.everywhere(_int(order)), _dense(term, place, channels, _int(order), nodes)))
                continue
            index, value = _entries(term, place, channels, _int(order), nodes)
            positions, rows = nodes.positions(index)
            given.setdefault(len(index), []).append(Entries(index, positions, rows))
            values.append((positions, summed(value, rows, len(positions))))
        own = next(self.module.parameters(), None)
        if own is not None:
            for _, value in values:
                self._require_own(value, own)
        asked = _asked(at, given, self._sampled, nodes)
        wanted = {order: nodes.everywhere(order) for order in (0, 1)}
        wanted |= {order: entries.positions for order, entries in asked.items()}
        try:
            outputs = _apply(self.module, values, wanted)
        finally:
            nodes.known.clear()
        as_tensors = any(isinstance(term, torch.Tensor) and term.layout == torch.sparse_coo for term in terms)
        return joined([_given_back(output, asked, as_tensors) for output in outputs])

    def _require_own(self, value: torch.Tensor, own: torch.Tensor) -> None:
        """Raise ShapeError where values have another device or dtype than parameters."""
        if value.device != own.device:
            raise ShapeError(
                f"the input is on {value.device}, but the parameters of this Sparse are on {own.device}: move one of "
                f"them, as by module.to({str(value.device)!r})"
            )
        require_dtype(self, value, own, False)

    def without_nodes(self, terms: Sequence[torch.Tensor], graphs: int) -> list[torch.Tensor]:
        """The outputs for graphs without nodes, dense, from the terms of their input: those of order 0 have values."""
        inputs: list[Any] = []
        device = terms[0].device
        for term, order in zip(terms, self.space_in.orders, strict=True):
            values = term if order == 0 else term.reshape(0, term.shape[-1])
            index = torch.empty(_int(order), 0, dtype=torch.long, device=device)
            inputs.append((index, values) if _int(order) > 1 else values)
        at = [torch.empty(order, 0, dtype=torch.long, device=device) for order in self._sampled]
        nodes = torch.empty(0, dtype=torch.long, device=device)
        result = self(joined(inputs), nodes, at, graphs)
        outputs = result if len(self.space_out) > 1 else (result,)
        return [
            value if order == 0 else terms[0].new_zeros(graphs, *[0] * _int(order), channels)
            for value, (channels, order) in zip(outputs, self.space_out, strict=True)
        ]


@explain_calls
@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """An index as it was given, its positions, and the row of each column among them."""

    index: torch.Tensor
    positions: Positions
    rows: torch.Tensor


# --- the modules inside ---------------------------------------------------------------------------


def _int(order: Any) -> int:
    """An order of S(n) or A(n), which is a number, or tensors whose entries go together."""
    if any(twists_of(order)):
        raise SpaceError(
            f"eq.nn.Sparse does not take {order_text(order)}: maps between twisted tensors and others have heads, "
            "which it does not run on entries. Leave .det out, or run the layers without eq.nn.Sparse"
        )
    if not isinstance(order, int):
        raise SpaceError(
            f"eq.nn.Sparse does not take {order_text(order)}: list both directions of every edge, and ask for layers "
            f"of order {order_text(plain(order))}"
        )
    return order


def _high(space: Space) -> set[int]:
    return {_int(order) for order in space.orders if _int(order) > 1}


def _parts(module: nn.Module) -> list[nn.Module]:
    """The modules that are run one by one."""
    if type(module).forward is Sequential.forward:
        return [part for child in module.children() for part in _parts(child)]
    if isinstance(module, Residual):
        return _parts(module.module)
    return [module]


def _check(module: nn.Module, whole: tuple[bool, ...], restrict: bool) -> tuple[bool, ...]:
    """Which terms of the output are whole, where those of the input are; EqsynthError for what cannot be run.

    A tensor is whole where entries that are not listed are 0. What a layer makes is not, from order 2 on: only some
    of its entries are computed.
    """
    if type(module).forward is Sequential.forward:
        for child in module.children():
            whole = _check(child, whole, restrict)
        return whole
    hom = problem_of(module)
    if isinstance(module, Residual):
        inside = _check(module.module, whole, restrict)
        return tuple(a and b for a, b in zip(whole, inside, strict=True))
    name = type(module).__name__
    if isinstance(module, Linear):
        sparse_plan(hom, module.plan.bias, module.plan.normalization, module.plan.parameters)
    elif not isinstance(module, Activation | LayerNorm | BatchNorm | Dropout | Pool):
        raise EqsynthError(f"eq.nn.Sparse does not know how to run {name} on entries: it takes {KNOWN}")
    if isinstance(module, LayerNorm) and module.over == "all":
        raise EqsynthError("eq.nn.Sparse takes eq.nn.LayerNorm with over='channels', which sees one position at a time")
    if isinstance(module, Pool) and module.reduce == "max" and _high(hom.space_in):
        raise EqsynthError("eq.nn.Sparse pools order 2 and above by sums and means: entries not listed have no maximum")
    if isinstance(module, Linear | Pool) and not all(whole) and not restrict:
        raise EqsynthError(
            f"{name}({hom}) would read a tensor of order 2 or above of which only some entries are computed, so that "
            "the result would not be that of the dense network. Let hidden spaces end at order 1, or ask for the "
            "network in which tensors are 0 outside of where the inputs have entries: eq.nn.Sparse(net, restrict=True)"
        )
    return tuple(_int(order) < 2 for order in hom.space_out.orders)


def _apply(module: Any, values: list[Term], wanted: dict[int, Positions]) -> list[Term]:
    """A module on values; what it makes of order 2 and above is computed at the wanted positions."""
    if type(module).forward is Sequential.forward:
        for child in module.children():
            values = _apply(child, values, wanted)
        return values
    if isinstance(module, Residual):
        changes = _apply(module.module, values, wanted)
        return [(at, read(value, at) + change) for value, (at, change) in zip(values, changes, strict=True)]
    if isinstance(module, Linear):
        given = module.plan
        plan = sparse_plan(given.hom, given.bias, given.normalization, given.parameters)
        return run(plan, lambda name: getattr(module, name), values, wanted)
    if isinstance(module, Pool):
        return [_pooled(value, module.reduce) for value in values]
    # What is left works on each position alone.
    places = [wanted[len(at.index)] if len(at.index) > 1 else at for at, _ in values]
    entries = [read(value, at) for value, at in zip(values, places, strict=True)]
    return list(zip(places, _pointwise(module, entries, places), strict=True))


def _pooled(value: Term, reduce: str) -> Term:
    """The sum, mean or maximum over each graph."""
    at, x = value
    order, graphs = len(at.index), at.nodes.everywhere(0)
    if not order:
        return value
    if reduce == "max":
        zeros = x.new_zeros(len(graphs), x.shape[-1])
        return graphs, zeros.scatter_reduce(0, at.graph[:, None].expand_as(x), x, "amax", include_self=False)
    total = summed(x, at.graph, len(graphs))
    return graphs, total * scales(graphs, -order, x.dtype) if reduce == "mean" else total


def _pointwise(module: nn.Module, entries: list[torch.Tensor], places: list[Positions]) -> list[torch.Tensor]:
    """A module that sees one position at a time, or the same mask for all positions of a graph."""
    if isinstance(module, Activation):
        return [function(x) for function, x in zip(module.functions, entries, strict=True)]
    if isinstance(module, Dropout):
        if not module.training:
            return entries
        masks = [
            functional.dropout(x.new_ones(len(at.nodes.sizes), x.shape[1]), module.p)
            for x, at in zip(entries, places, strict=True)
        ]
        return [x * mask[at.graph] for x, mask, at in zip(entries, masks, places, strict=True)]
    if isinstance(module, LayerNorm):
        return [module.of_rows(place, x) for place, x in enumerate(entries)]
    assert isinstance(module, BatchNorm)  # noqa: S101 - checked when it was built
    if module.training and any(len(at.index) > 1 for at in places):
        raise EqsynthError(
            "eq.nn.BatchNorm in training would take its statistics over all entries of order 2 and above, also those "
            "that are not computed: use eq.nn.LayerNorm, or call .eval()"
        )
    return module.of_rows(entries)


# --- input and output -----------------------------------------------------------------------------


def _listed(x: Any, space: Space) -> Sequence[Any]:
    count = len(space)
    if count == 1:
        return (x,)
    if not isinstance(x, tuple | list) or len(x) != count:
        given = len(x) if isinstance(x, tuple | list) else type(x).__name__
        raise ShapeError(
            f"expected a tuple of {count} terms, one per term of {space}, got {given}: call module((x0, x1), batch), "
            "where a term of order 2 is a pair (edge_index, edge_attr)"
        )
    return x


def _nodes(terms: Sequence[Any], space: Space, batch: Any, graphs: int | None) -> Nodes:
    """The nodes of the batch: its vector, or one graph of as many nodes as the terms show."""
    if graphs is not None and ((count := whole(graphs)) is None or count < 0):
        raise ShapeError(f"graphs is the number of graphs, a whole number, not {shown(graphs)}")
    graphs = whole(graphs)
    rows = {
        order: len(x) for x, order in zip(terms, space.orders, strict=True) if isinstance(x, torch.Tensor) and x.ndim
    }
    if batch is None:
        counts = [count for order, count in rows.items() if order]
        if not counts:
            raise ShapeError(
                "nothing says how many nodes there are: give batch, the graph of each node, as in module(x, batch)"
            )
        device = next(x.device for x in terms if isinstance(x, torch.Tensor))
        batch, graphs = torch.zeros(counts[0], dtype=torch.long, device=device), 1 if graphs is None else graphs
    if not isinstance(batch, torch.Tensor) or batch.ndim != 1 or batch.dtype not in INTEGERS:
        raise ShapeError("expected batch, the graph of each node, as whole numbers of shape (nodes,)")
    if batch.is_meta:
        raise ShapeError("eq.nn.Sparse reads where entries are, and tensors on the meta device do not say: pass values")
    low, high = (int(batch.min()), int(batch.max())) if len(batch) else (0, -1)
    count = rows.get(0, high + 1) if graphs is None else graphs
    if low < 0 or high >= count:
        raise ShapeError(
            f"batch names graphs from {low} to {high}, of {count}: number them from 0, and let graphs, or the rows of "
            "a term of order 0, be as many"
        )
    return Nodes.of(batch.long(), count)


def _check_size(nodes: Nodes, n: int | str) -> None:
    if isinstance(n, int) and bool((nodes.sizes != n).any()):
        sizes = sorted(set(nodes.sizes.tolist()) - {n})
        raise ShapeError(f"a graph has {sizes[0]} nodes, but the layer is for n = {n}: make it for S(n), any n")


def _dense(x: Any, place: int, channels: int, order: int, nodes: Nodes) -> torch.Tensor:
    rows, what = (len(nodes.graph), "nodes") if order else (len(nodes.sizes), "graphs")
    if not isinstance(x, torch.Tensor) or x.layout != torch.strided or x.shape != (rows, channels):
        raise ShapeError(f"input {place} has {_got(x)}, expected a dense tensor ({what}, channels): {(rows, channels)}")
    return _number(x, place, nodes)


def _number(x: torch.Tensor, place: int, nodes: Nodes) -> torch.Tensor:
    """Values on the device of the graphs that can be multiplied; else ShapeError."""
    if not (x.is_floating_point() or x.is_complex()):
        raise ShapeError(f"input {place} holds {x.dtype}: pass floating-point or complex numbers, such as x.float()")
    if x.device != nodes.graph.device:
        raise ShapeError(f"input {place} is on {x.device}, but batch on {nodes.graph.device}: move all to one device")
    return x


def _entries(x: Any, place: int, channels: int, order: int, nodes: Nodes) -> tuple[torch.Tensor, torch.Tensor]:
    """The index and the values of a sparse term."""
    count, what = len(nodes.graph), f"input {place}"
    if isinstance(x, torch.Tensor):
        shape = (*[count] * order, channels)
        fits = x.layout == torch.sparse_coo and x.shape == shape and x.sparse_dim() == order
        if not fits:
            raise ShapeError(
                f"{what} has {_got(x)}, expected a pair (index, values), or torch.sparse_coo_tensor(index, values, "
                f"{shape}) with {order} sparse axes and one dense; of a dense tensor, x.to_sparse({order})"
            )
        x = x.coalesce()
        return read_index(x.indices(), nodes, what), _number(x.values(), place, nodes)
    if not isinstance(x, tuple | list) or len(x) != 2:
        raise ShapeError(f"{what} has {_got(x)}, expected a pair (index, values), as (edge_index, edge_attr)")
    index, value = read_index(x[0], nodes, what, order), x[1]
    if not isinstance(value, torch.Tensor) or value.shape != (index.shape[1], channels):
        raise ShapeError(
            f"{what} has {index.shape[1]} entries and values of {_got(value)}, expected {(index.shape[1], channels)}"
        )
    return index, _number(value, place, nodes)


def _got(x: Any) -> str:
    if not isinstance(x, torch.Tensor):
        return got(x)
    return f"shape {tuple(x.shape)}" + (f", {x.layout}" if x.layout != torch.strided else "")


def _asked(at: Any, given: dict[int, list[Entries]], sampled: Sequence[int], nodes: Nodes) -> dict[int, Entries]:
    """For each order from 2 on the entries that are computed, with the index that is given back."""
    if not (at is None or isinstance(at, torch.Tensor | tuple | list)):
        raise ShapeError(f"at is of {got(at)}, expected an index (order, entries), as edge_index, or a list of them")
    listed = [] if at is None else [at] if isinstance(at, torch.Tensor) else list(at)
    indices = {len(index): index for index in (read_index(index, nodes, "at") for index in listed)}
    if len(indices) < len(listed):
        raise ShapeError("at has two indices of the same order: join them, torch.cat(indices, 1)")
    asked = {order: Entries(index, *nodes.positions(index)) for order, index in indices.items()}
    for order in sampled:
        if order in asked:
            continue
        if order not in given:
            raise ShapeError(
                f"nothing says at which positions tensors of order {order} are wanted, since no input has this order: "
                f"give at, an index of shape ({order}, entries)"
            )
        asked[order] = _each_once(given[order], nodes)
    return asked


def _each_once(given: Sequence[Entries], nodes: Nodes) -> Entries:
    """The entries of some inputs, in the order in which their positions are named first."""
    entries = given[0]
    if len(given) > 1:
        index = torch.cat([entries.index for entries in given], 1)
        entries = Entries(index, *nodes.positions(index))
    positions, rows = entries.positions, entries.rows
    if len(positions) == len(rows):
        return entries
    columns = torch.arange(len(rows), device=rows.device)
    first = columns.new_full((len(positions),), len(rows)).scatter_reduce(0, rows, columns, "amin").sort().values
    return Entries(entries.index[:, first], positions, rows[first])


def _given_back(value: Term, asked: dict[int, Entries], as_tensors: bool) -> Any:
    at, x = value
    order = len(at.index)
    if order < 2:
        return x
    if as_tensors:
        shape = (*[len(at.nodes.graph)] * order, x.shape[1])
        return torch.sparse_coo_tensor(at.index, x, shape, is_coalesced=True, check_invariants=False)
    return asked[order].index, x.index_select(0, asked[order].rows)
