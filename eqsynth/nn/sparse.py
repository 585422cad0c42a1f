"""Sparse tensors of graphs: layers of S(n) on the entries that are there, whole batches of graphs at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch._compile import _disable_dynamo

from eqsynth.errors import EqsynthError, ShapeError, explain_calls
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
    joined,
)
from eqsynth.nn.entries import (
    TensorPositions,
    Term,
    added,
    at_positions,
    computed_on_entries,
    flattened,
    letters_given,
    letters_shown,
    listed_terms,
    masked,
    pooled,
)
from eqsynth.nn.folded import check_group, component_lengths, component_shape, folded, node_order, run_linear
from eqsynth.nn.networks import Residual, Sequential, problem_of, sizes_asked
from eqsynth.nn.normalising import LEAST_NORM, BatchNorm, Dropout, LayerNorm, Pool
from eqsynth.spaces.space import Space

#: Modules that work on each position alone.
ENTRYWISE = Activation | Gated | NormActivation | Pairings | LayerNorm | BatchNorm
#: Why batch normalisation of entries is refused in training.
NO_ENTRIES = (
    "eq.nn.BatchNorm in training would take its statistics over all entries of order 2 and above, also those that are "
    "not computed: use eq.nn.LayerNorm, or call .eval()"
)
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
        #: Orders of which some module makes tensors at chosen positions.
        self.sampled = sorted({order for part in _parts(module) for order in _high(problem_of(part).space_out)})
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
        terms = listed_terms(x, str(self.space_in), len(self.space_in))
        letters = self._letters(terms, sizes)

        def compute(values: list[Term], wanted: dict[int, TensorPositions]) -> list[Term]:
            own = next(self.module.parameters(), None)
            if own is not None:
                for _, value in values:
                    self._require_own(value, own)
            return _apply(self.module, values, wanted, letters)

        shapes, shapes_out = (_shapes(self.group, space, letters) for space in (self.space_in, self.space_out))
        orders = [node_order(order) for order in self.space_in.orders]
        return computed_on_entries(
            terms, batch, at, plain(graphs), self.group.factors[0].n, orders, shapes, shapes_out, self.sampled, compute
        )

    def _letters(self, terms: Sequence[Any], sizes: Any) -> dict[str, int]:
        """The sizes of the letters of components, from what was given and from the shapes of the input."""
        given = {letter: plain(size) for letter, size in sizes.items()} if isinstance(sizes, Mapping) else sizes
        known = letters_given(self.sizes, given)
        shapes = [(*component_lengths(self.group, order), channels) for channels, order in self.space_in]
        for length, size in letters_shown(terms, shapes).items():
            if isinstance(length, PackedLength):
                known.setdefault(length.letter, length.symmetry.side(size))
            else:
                known.setdefault(length, size)
        return known

    def thinned(self, inputs: Sequence[Any], rng: Any) -> list[Any]:
        """Dense arrays of a batch, of which about half of the entries of order 2 and above are 0: for eq.testing."""
        thin = []
        for x, order in zip(inputs, map(node_order, self.space_in.orders), strict=True):
            kept = rng.random(x.shape[: 1 + order]) < 0.5
            thin.append(x * kept.reshape(*kept.shape, *[1] * (x.ndim - kept.ndim)) if order > 1 else x)
        return thin

    def entries_of(self, x: Any, *sizes: int) -> tuple[Any, ...]:
        """The arguments of a call for dense tensors with one batch axis, of which zeros are not listed: for checks.

        ``sizes`` are those that the dense module asks for. Outputs are asked for everywhere, with ``restrict=True``
        where the inputs have entries.
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
            for order in self.sampled
            if not self.restrict or order not in orders
        }
        at = [index.flatten(1) for index in everywhere.values()]
        batch = torch.arange(count).repeat_interleave(n)
        letters = {name: size for name, size in known.items() if name in self.sizes} or None
        return joined(inputs), batch, at, count, letters

    def on_dense(self, x: Any, *sizes: int) -> Any:
        """The module on dense tensors as ``entries_of`` lists them, and 0 elsewhere: for eq.testing."""
        arguments = self.entries_of(x, *sizes)
        result, count = self(*arguments), arguments[3]
        n = len(arguments[1]) // count if count else 0
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


def plain(number: Any) -> Any:
    """A whole number of any type as one of Python; anything else as it is, to be refused."""
    return number if (known := whole(number)) is None else known


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
        if module.external:
            raise EqsynthError(
                f"{module} has no weights of its own, and eq.nn.Sparse passes none: leave weights='external' out, and "
                "give other weights to a call by torch.func.functional_call(sparse, {'module.weight': w}, (x, batch))"
            )
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


def _apply(
    module: Any, values: list[Term], wanted: dict[int, TensorPositions], letters: Mapping[str, int]
) -> list[Term]:
    """A module on values; what it makes of order 2 and above is computed at the wanted positions."""
    if type(module).forward is Sequential.forward:
        for child in module.children():
            values = _apply(child, values, wanted, letters)
        return values
    if isinstance(module, Residual):
        changes = _apply(module.module, values, wanted, letters)
        return added(values, changes)
    if isinstance(module, Linear):
        return run_linear(module, values, wanted, letters)
    hom = problem_of(module)
    if isinstance(module, Pool):
        shapes = _shapes(hom.group, hom.space_in, letters)
        return [_pooled(module, place, value, shapes[place], letters) for place, value in enumerate(values)]
    # What is left works on each position alone.
    places, entries = at_positions(values, _shapes(hom.group, hom.space_in, letters), wanted)
    return flattened(places, _pointwise(module, entries, places))


def _shapes(group: Group, space: Space, letters: Mapping[str, int]) -> list[tuple[int, ...]]:
    """The components and channels of an entry of each term."""
    return [(*component_shape(group, order, letters), channels) for channels, order in space]


def _pooled(module: Pool, place: int, value: Term, shape: tuple[int, ...], letters: Mapping[str, int]) -> Term:
    """The invariants of a term: traces, or sums, means or maxima over components and over each graph."""
    at, x = value
    if (layer := module.traces(place)) is not None:
        return run_linear(layer, [value], {order: at.nodes.everywhere(order) for order in (0, 1)}, letters)[0]
    # Norms of entries that are not there differ from 0 by rounding alone, as those of dense tensors.
    nothing = LEAST_NORM if module.ways[place] == "norm" else 0.0
    return pooled(at, module.normed(place, x.reshape(len(at), *shape)), module.reduce, nothing)


def _pointwise(module: Any, entries: list[torch.Tensor], places: list[TensorPositions]) -> list[torch.Tensor]:
    """A module that sees one position at a time, or the same mask for all positions of a graph."""
    if isinstance(module, Dropout):
        if not module.training:
            return entries
        masks = [module.mask(x, (len(at.nodes.sizes),), x.shape[-1]) for x, at in zip(entries, places, strict=True)]
        return [masked(*one) for one in zip(entries, masks, places, strict=True)]
    if isinstance(module, BatchNorm) and module.training and any(len(at.index) > 1 for at in places):
        raise EqsynthError(NO_ENTRIES)
    made: list[torch.Tensor] = module.of_terms(entries)
    return made
