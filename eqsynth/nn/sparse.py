"""Sparse tensors of graphs: layers of S(n) on the entries that are there, whole batches of graphs at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch._compile import _disable_dynamo

from eqsynth.errors import EqsynthError, ShapeError, explain_calls, shown
from eqsynth.exact.numbers import flag, whole
from eqsynth.families.group import Group
from eqsynth.layers.emitted import require_dtype
from eqsynth.layers.linear import Linear
from eqsynth.nn.activations import (
    Activation,
    EquivariantModule,
    Gated,
    NormActivation,
    PackedLength,
    Pairings,
    got,
    joined,
)
from eqsynth.nn.folded import check_group, component_lengths, component_shape, folded, node_order, run_linear
from eqsynth.nn.networks import Residual, Sequential, problem_of, sizes_asked
from eqsynth.nn.normalising import BatchNorm, Dropout, LayerNorm, Pool
from eqsynth.nn.positions import INTEGERS, Nodes, Positions, Term, read, read_index, scales, summed
from eqsynth.spaces.space import Space

#: Modules that work on each position alone.
ENTRYWISE = Activation | Gated | NormActivation | Pairings | LayerNorm | BatchNorm
#: More graphs than a batch can have.
MAX_GRAPHS = 1 << 28
KNOWN = (
    "eq.Linear, eq.nn.Activation, Gated, NormActivation, Pairings, LayerNorm, BatchNorm, Dropout, Pool, Residual, "
    "Sequential and MLP"
)


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
    >>> vectors = eq.nn.Sparse(eq.Linear("S(n) x O(3)", "2x(2,1)", "4x(1,1)"))
    >>> vectors((edge_index, torch.randn(6, 3, 2)), batch).shape
    torch.Size([5, 3, 4])

    Nodes of all graphs are counted through, as PyTorch Geometric does; ``batch`` has the graph of each node, in any
    order, and None is one graph. A term of order 2 and above is a pair ``(index, values)`` of shapes
    ``(order, entries)`` and ``(entries, channels)``, such as ``(edge_index, edge_attr)``, or a tensor of
    ``torch.sparse_coo`` with that many sparse axes, as long as there are nodes, and one dense axis of channels. What
    is not listed is 0; an entry that is listed several times is the sum. Terms of order 1 are ``(nodes, channels)``,
    of order 0 ``(graphs, channels)``. There is no padding. Each graph gets what it gets alone, sums scaled by its own
    n, in values and gradients; work and memory grow with nodes and entries, never with n x n. ``graphs`` is the number
    of graphs, where those at the end of the batch have no nodes.

    Products with other groups, as ``S(n) x O(3)``, have components in between, as the dense layer has: nodes are
    ``(nodes, 3, channels)`` in order ``(1,1)``, values of edges ``(entries, 3, 3, channels)`` in order ``(2,2)``. The
    first factor is that of the nodes; the others may be any groups, and tensors any of theirs (symmetric, packed,
    twisted, irreps). Lengths of components that are letters and that no input shows are ``sizes``, as in
    ``sizes={"m": 4}``.

    Outputs of order 0 and 1 are dense. Those of order 2 and above have no zeros (every row sum reaches a row), so that
    they are computed at some positions only: ``at``, an index ``(order, entries)``, or several of them of different
    orders; without it, where the inputs of that order have entries, each position once. They come as pairs with that
    index, in that order; as sparse tensors where an input is one. To have the diagonal, list it:
    ``at=torch.cat([edge_index, loops], 1)``.

    The module can be a network of eq.Linear, eq.nn.Activation, Gated, NormActivation, Pairings, LayerNorm over
    channels, BatchNorm, Dropout, Pool, Residual, Sequential and MLP. Where a layer reads tensors of order 2 and above
    that another has made, of which only some entries are there, the result would not be that of the dense network, and
    it is refused, unless ``restrict=True`` asks for the other function: between layers, tensors are 0 outside of
    ``at``, or outside of where the inputs have entries. It is equivariant all the same, and the same as calling one
    Sparse after the other.

    Searches for positions are done at each call, once for all layers of a network. Hooks of the modules inside are not
    called. Torch differentiates its own sparse tensors once only: give pairs for second derivatives. ``torch.compile``
    runs this module as it is, and compiles what is around it.

    Raises EqsynthError for other groups (O(n) mixes all entries) and modules, for weights of blocks and maps of S(n)
    with heads; ShapeError for indices and tensors that do not fit, entries between two graphs, nodes that are not
    there.
    """

    def __init__(self, module: nn.Module, restrict: bool = False) -> None:
        restrict = flag("restrict", restrict)
        hom = problem_of(module)
        super().__init__(hom.group, hom.space_in, hom.space_out)
        check_group(hom.group)
        for order in (*hom.space_in.orders, *hom.space_out.orders):
            node_order(order)
        _check(module, (True,) * len(hom.space_in), restrict)
        #: The letters of components whose sizes no input shows.
        letters = {length for order in hom.space_in.orders for length in component_lengths(hom.group, order)}
        shown = {length.letter if isinstance(length, PackedLength) else length for length in letters}
        self.sizes = tuple(sorted(set(sizes_asked(module)) - shown - {hom.group.factors[0].n}))
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
    def forward(
        self, x: Any, batch: torch.Tensor | None = None, at: Any = None, graphs: int | None = None, sizes: Any = None
    ) -> Any:
        """The module on the entries that are there."""
        terms = listed_terms(x, self.space_in)
        letters = self._letters(terms, sizes)
        nodes = nodes_of(terms, self.space_in, batch, graphs, self.group.factors[0].n)
        values, given = read_terms(terms, self.space_in, _shapes(self.group, self.space_in, letters), nodes)
        own = next(self.module.parameters(), None)
        if own is not None:
            for _, value in values:
                self._require_own(value, own)
        asked = asked_entries(at, given, self._sampled, nodes)
        wanted = {order: nodes.everywhere(order) for order in (0, 1)}
        wanted |= {order: entries.positions for order, entries in asked.items()}
        try:
            outputs = _apply(self.module, values, wanted, letters)
        finally:
            nodes.known.clear()
        shapes = _shapes(self.group, self.space_out, letters)
        return given_back(outputs, shapes, asked, terms)

    def _letters(self, terms: Sequence[Any], sizes: Any) -> dict[str, int]:
        """The sizes of the letters of components, from what was given and from the shapes of the input."""
        known = _sizes_given(self.sizes, sizes)
        for term, order in zip(terms, self.space_in.orders, strict=True):
            value = term[1] if isinstance(term, tuple | list) and len(term) == 2 else term
            lengths = component_lengths(self.group, order)
            if not isinstance(value, torch.Tensor) or value.ndim < len(lengths) + 1:
                continue  # refused with its shape, later
            for length, size in zip(lengths, value.shape[value.ndim - len(lengths) - 1 : -1], strict=True):
                if isinstance(length, PackedLength):
                    known.setdefault(length.letter, length.symmetry.side(size))
                elif isinstance(length, str):
                    known.setdefault(length, size)
        return known

    def thinned(self, inputs: Sequence[Any], rng: Any) -> list[Any]:
        """Dense arrays of a batch, of which about half of the entries of order 2 and above are 0: for eq.testing."""
        thin = []
        for x, order in zip(inputs, map(node_order, self.space_in.orders), strict=True):
            kept = rng.random(x.shape[: 1 + order]) < 0.5
            thin.append(x * kept.reshape(*kept.shape, *[1] * (x.ndim - kept.ndim)) if order > 1 else x)
        return thin

    def on_dense(self, x: Any, *sizes: int) -> Any:
        """The module on dense tensors with one batch axis, of which zeros are not listed: for eq.testing.

        ``sizes`` are those that the dense module asks for. Outputs are computed everywhere, with ``restrict=True``
        where the inputs have entries, and are 0 elsewhere.
        """
        terms = x if len(self.space_in) > 1 else (x,)
        known = dict(zip(sizes_asked(self.module), sizes, strict=True))
        orders, letter = list(map(node_order, self.space_in.orders)), self.group.factors[0].n
        own = letter if isinstance(letter, int) else known.get(letter, 0)
        n = next((x.shape[1] for x, order in zip(terms, orders, strict=True) if order), own)
        count = len(terms[0])
        inputs: list[Any] = []
        for term, order in zip(terms, orders, strict=True):
            if order < 2:
                inputs.append(term.flatten(0, 1) if order else term)
                continue
            where = (term != 0).flatten(1 + order).any(-1).nonzero().T
            inputs.append((where[:1] * n + where[1:], term[tuple(where)]))
        everywhere = {
            order: torch.cartesian_prod(*[torch.arange(n)] * order).T[:, None] + n * torch.arange(count)[:, None]
            for order in self._sampled
            if not self.restrict or order not in orders
        }
        at = [index.flatten(1) for index in everywhere.values()]
        batch = torch.arange(count).repeat_interleave(n)
        letters = {name: size for name, size in known.items() if name in self.sizes} or None
        result = self(joined(inputs), batch, at, count, letters)
        outputs = []
        for y, wanted in zip(result if len(self.space_out) > 1 else [result], self.space_out.orders, strict=True):
            nodes = node_order(wanted)
            if nodes < 2:
                outputs.append(y.unflatten(0, (count, n)) if nodes else y)
                continue
            index, value = y
            full = value.new_zeros(count, *[n] * nodes, *value.shape[1:])
            outputs.append(full.index_put((index[0] // n, *(index % n)), value))
        return joined(outputs)

    def _require_own(self, value: torch.Tensor, own: torch.Tensor) -> None:
        """Raise ShapeError where values have another device or dtype than parameters."""
        if value.device != own.device:
            raise ShapeError(
                f"the input is on {value.device}, but the parameters of this Sparse are on {own.device}: move one of "
                f"them, as by module.to({str(value.device)!r})"
            )
        require_dtype(self, value, own, False)


@explain_calls
@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """An index as it was given, its positions, and the row of each column among them."""

    index: torch.Tensor
    positions: Positions
    rows: torch.Tensor


# --- the modules inside ---------------------------------------------------------------------------


def _high(space: Space) -> set[int]:
    return {node_order(order) for order in space.orders if node_order(order) > 1}


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
        folded(hom, module.plan.bias, module.plan.normalization, module.plan.parameters)
    elif not isinstance(module, ENTRYWISE | Dropout | Pool):
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
    return tuple(node_order(order) < 2 for order in hom.space_out.orders)


def _apply(module: Any, values: list[Term], wanted: dict[int, Positions], letters: Mapping[str, int]) -> list[Term]:
    """A module on values; what it makes of order 2 and above is computed at the wanted positions."""
    if type(module).forward is Sequential.forward:
        for child in module.children():
            values = _apply(child, values, wanted, letters)
        return values
    if isinstance(module, Residual):
        changes = _apply(module.module, values, wanted, letters)
        return [(at, read(value, at) + change) for value, (at, change) in zip(values, changes, strict=True)]
    if isinstance(module, Linear):
        return run_linear(module, values, wanted, letters)
    hom = problem_of(module)
    if isinstance(module, Pool):
        shapes = _shapes(hom.group, hom.space_in, letters)
        return [_pooled(module, place, value, shapes[place], letters) for place, value in enumerate(values)]
    # What is left works on each position alone.
    places = [wanted[len(at.index)] if len(at.index) > 1 else at for at, _ in values]
    shapes = _shapes(hom.group, hom.space_in, letters)
    entries = [
        read(value, at).reshape(len(at), *shape) for value, at, shape in zip(values, places, shapes, strict=True)
    ]
    made = _pointwise(module, entries, places)
    return [(at, y.flatten(1)) for at, y in zip(places, made, strict=False)]


def _shapes(group: Group, space: Space, letters: Mapping[str, int]) -> list[tuple[int, ...]]:
    """The components and channels of an entry of each term."""
    return [(*component_shape(group, order, letters), channels) for channels, order in space]


def _pooled(module: Pool, place: int, value: Term, shape: tuple[int, ...], letters: Mapping[str, int]) -> Term:
    """The invariants of a term: traces, or sums, means or maxima over components and over each graph."""
    at, x = value
    order, graphs = len(at.index), at.nodes.everywhere(0)
    if (layer := module.traces(place)) is not None:
        return run_linear(layer, [value], {0: graphs, 1: at.nodes.everywhere(1)}, letters)[0]
    x = module.normed(place, x.reshape(len(at), *shape))
    axes = tuple(range(1, x.ndim - 1))
    if axes:
        x = x.amax(axes) if module.reduce == "max" else x.sum(axes) if module.reduce == "sum" else x.mean(axes)
    if not order:
        return graphs, x
    if module.reduce == "max":
        zeros = x.new_zeros(len(graphs), x.shape[-1])
        return graphs, zeros.scatter_reduce(0, at.graph[:, None].expand_as(x), x, "amax", include_self=False)
    total = summed(x, at.graph, len(graphs))
    if order > 1:
        # Norms of entries that are not there differ from 0 by rounding alone, as those of dense tensors.
        nothing = module.normed(place, x.new_zeros(1, *shape)).flatten()[0]
        there = torch.bincount(at.graph, minlength=len(graphs))
        total = total + nothing * (at.nodes.sizes**order - there).to(x.dtype)[:, None]
    return graphs, total * scales(graphs, -order, x.dtype) if module.reduce == "mean" else total


def _pointwise(module: Any, entries: list[torch.Tensor], places: list[Positions]) -> list[torch.Tensor]:
    """A module that sees one position at a time, or the same mask for all positions of a graph."""
    if isinstance(module, Dropout):
        if not module.training:
            return entries
        masks = [module.mask(x, (len(at.nodes.sizes),), x.shape[-1]) for x, at in zip(entries, places, strict=True)]
        return [
            x * mask[at.graph][(slice(None), *[None] * (x.ndim - 2))]
            for x, mask, at in zip(entries, masks, places, strict=True)
        ]
    if isinstance(module, BatchNorm) and module.training and any(len(at.index) > 1 for at in places):
        raise EqsynthError(
            "eq.nn.BatchNorm in training would take its statistics over all entries of order 2 and above, also those "
            "that are not computed: use eq.nn.LayerNorm, or call .eval()"
        )
    made: list[torch.Tensor] = module.of_terms(entries)
    return made


# --- input and output -----------------------------------------------------------------------------


def listed_terms(x: Any, space: Space) -> Sequence[Any]:
    """One input for each term, dense or sparse; ShapeError for another number of them."""
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


def _sizes_given(letters: tuple[str, ...], sizes: Any) -> dict[str, int]:
    """The sizes of the letters that no input shows, and of no others."""
    given = {} if sizes is None else dict(sizes) if isinstance(sizes, Mapping) else {"": sizes}
    known = {letter: whole(size) for letter, size in given.items()}
    if set(known) != set(letters) or any(size is None or size < 1 for size in known.values()):
        wanted = ", ".join(f"{letter!r}: 4" for letter in letters)
        why = f"no input shows these lengths: give sizes={{{wanted}}}" if letters else "the input shows all of them"
        raise ShapeError(f"sizes of components are {shown(sizes)}, but {why}")
    return {letter: size for letter, size in known.items() if size is not None}


def nodes_of(terms: Sequence[Any], space: Space, batch: Any, graphs: int | None, n: int | str) -> Nodes:
    """The nodes of the batch: its vector, or one graph of as many nodes as the terms show; n in each, if a number."""
    if graphs is not None and ((count := whole(graphs)) is None or count < 0):
        raise ShapeError(f"graphs is the number of graphs, a whole number, not {shown(graphs)}")
    graphs = whole(graphs)
    rows = {
        node_order(order): len(x)
        for x, order in zip(terms, space.orders, strict=True)
        if isinstance(x, torch.Tensor) and x.ndim
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
    if count > MAX_GRAPHS:
        raise ShapeError(
            f"there are {count:,} graphs, more than {MAX_GRAPHS:,}: number them one after the other, from 0"
        )
    nodes = Nodes.of(batch.long(), count)
    if isinstance(n, int) and bool((nodes.sizes != n).any()):
        sizes = sorted(set(nodes.sizes.tolist()) - {n})
        raise ShapeError(f"a graph has {sizes[0]} nodes, but the layer is for n = {n}: make it for S(n), any n")
    return nodes


def read_terms(
    terms: Sequence[Any], space: Space, shapes: Sequence[tuple[int, ...]], nodes: Nodes
) -> tuple[list[Term], dict[int, list[Entries]]]:
    """The values of each term with their positions, and for each order from 2 on the entries that were given."""
    values: list[Term] = []
    given: dict[int, list[Entries]] = {}
    for place, (term, full_order, shape) in enumerate(zip(terms, space.orders, shapes, strict=True)):
        order = node_order(full_order)
        if order < 2:
            values.append((nodes.everywhere(order), _dense(term, place, shape, order, nodes).flatten(1)))
            continue
        index, value = _entries(term, place, shape, order, nodes)
        positions, rows = nodes.positions(index)
        given.setdefault(len(index), []).append(Entries(index, positions, rows))
        values.append((positions, summed(value.flatten(1), rows, len(positions))))
    return values, given


def _dense(x: Any, place: int, shape: tuple[int, ...], order: int, nodes: Nodes) -> torch.Tensor:
    rows, what = (len(nodes.graph), "nodes") if order else (len(nodes.sizes), "graphs")
    if not isinstance(x, torch.Tensor) or x.layout != torch.strided or x.shape != (rows, *shape):
        axes = f"{what}, {'components, ' * (len(shape) > 1)}channels"
        raise ShapeError(f"input {place} has {_got(x)}, expected a dense tensor ({axes}): {(rows, *shape)}")
    return _number(x, place, nodes)


def _number(x: torch.Tensor, place: int, nodes: Nodes) -> torch.Tensor:
    """Values on the device of the graphs that can be multiplied; else ShapeError."""
    if x.layout != torch.strided:
        raise ShapeError(f"input {place} is no dense tensor: pass one, as by .to_dense()")
    if not (x.is_floating_point() or x.is_complex()) or x.element_size() == 1:
        raise ShapeError(f"input {place} holds {x.dtype}: pass floating-point or complex numbers, such as x.float()")
    if x.device != nodes.graph.device:
        raise ShapeError(f"input {place} is on {x.device}, but batch on {nodes.graph.device}: move all to one device")
    return x


def _entries(x: Any, place: int, shape: tuple[int, ...], order: int, nodes: Nodes) -> tuple[torch.Tensor, torch.Tensor]:
    """The index and the values of a sparse term."""
    what = f"input {place}"
    if isinstance(x, torch.Tensor):
        full = (*[len(nodes.graph)] * order, *shape)
        fits = x.layout == torch.sparse_coo and x.shape == full and x.sparse_dim() == order
        if not fits:
            dense = "one dense" if len(shape) == 1 else f"{len(shape)} dense ones"
            raise ShapeError(
                f"{what} has {_got(x)}, expected a pair (index, values), or torch.sparse_coo_tensor(index, values, "
                f"{full}) with {order} sparse axes and {dense}; of a dense tensor, x.to_sparse({order})"
            )
        x = x.coalesce()
        return read_index(x.indices(), nodes, what), _number(x.values(), place, nodes)
    if not isinstance(x, tuple | list) or len(x) != 2:
        raise ShapeError(f"{what} has {_got(x)}, expected a pair (index, values), as (edge_index, edge_attr)")
    index, value = read_index(x[0], nodes, what, order), x[1]
    if not isinstance(value, torch.Tensor) or value.shape != (index.shape[1], *shape):
        raise ShapeError(
            f"{what} has {index.shape[1]} entries and values of {_got(value)}, expected {(index.shape[1], *shape)}"
        )
    return index, _number(value, place, nodes)


def _got(x: Any) -> str:
    if not isinstance(x, torch.Tensor):
        return got(x)
    return f"shape {tuple(x.shape)}" + (f", {x.layout}" if x.layout != torch.strided else "")


def asked_entries(at: Any, given: dict[int, list[Entries]], sampled: Sequence[int], nodes: Nodes) -> dict[int, Entries]:
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


def given_back(
    outputs: Sequence[Term], shapes: Sequence[tuple[int, ...]], asked: dict[int, Entries], terms: Sequence[Any]
) -> Any:
    """Outputs as they are given to the caller: sparse tensors of torch where one of the inputs is one."""
    as_tensors = any(isinstance(term, torch.Tensor) and term.layout == torch.sparse_coo for term in terms)
    return joined([_given_back(y, shape, asked, as_tensors) for y, shape in zip(outputs, shapes, strict=True)])


def _given_back(value: Term, shape: tuple[int, ...], asked: dict[int, Entries], as_tensors: bool) -> Any:
    at, x = value
    order, x = len(at.index), x.reshape(len(x), *shape)
    if order < 2:
        return x
    if as_tensors:
        full = (*[len(at.nodes.graph)] * order, *shape)
        return torch.sparse_coo_tensor(at.index, x, full, is_coalesced=True, check_invariants=False)
    return asked[order].index, x.index_select(0, asked[order].rows)
