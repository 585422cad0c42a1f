"""Sparse tensors of graphs: the numbers of the dense layer, at the cost of the entries that are there."""

import copy
import gc
import pickle
import warnings
import weakref
from functools import lru_cache
from types import SimpleNamespace

import pytest
import torch
import torch._dynamo.testing
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

import eqsynth as eq
from eqsynth.errors import EqsynthError, ShapeError, SizeError
from eqsynth.nn import entries as support
from eqsynth.nn.entries import summed
from eqsynth.nn.folded import component_shape, node_order
from eqsynth.nn.networks import problem_of, sizes_asked
from eqsynth.plans.interpret import interpret

EDGES = torch.tensor([[0, 1, 1, 2, 3, 4], [1, 0, 2, 1, 4, 3]])
PATH_AND_PAIR = torch.tensor([0, 0, 0, 1, 1])


# --- random graphs, and the dense layer for each of them alone ------------------------------------


#: The size of the letters of components.
M = {"m": 3}


def batch_of(space, sizes, entries, seed=0, shuffled=False, group="S(n)"):
    """Terms of a batch: pairs (index, values) with repeated entries and loops, and dense nodes and graphs."""
    make = torch.Generator().manual_seed(seed)
    group, dtype = eq.Group.parse(group), torch.float64
    graph = torch.repeat_interleave(torch.tensor(sizes, dtype=torch.long))
    if shuffled:
        graph = graph[torch.randperm(len(graph), generator=make)]
    terms = []
    for channels, full_order in eq.Space.parse(space):
        order, shape = node_order(full_order), (*component_shape(group, full_order, M), channels)
        rows, index = {0: len(sizes), 1: len(graph)}.get(order), None
        if rows is None:
            index = index_of(graph, order, entries, make)
            rows = index.shape[1]
        values = torch.randn(rows, *shape, dtype=dtype.to_complex() if group.over_complex else dtype, generator=make)
        terms.append(values.requires_grad_() if index is None else (index, values.requires_grad_()))
    return terms, graph


def index_of(graph, order, entries, make):
    """An index of entries within one graph each."""
    columns = []
    for _ in range(entries if len(graph) else 0):
        first = int(torch.randint(len(graph), (), generator=make))
        own = (graph == graph[first]).nonzero().squeeze(1)
        others = own[torch.randint(len(own), (order - 1,), generator=make)]
        columns.append(torch.cat((torch.tensor([first]), others)))
    return torch.stack(columns, 1) if columns else torch.empty(order, 0, dtype=torch.long)


def dense_term(term, order, own, number):
    """A term of one graph, with the nodes ``own``, as the dense layer takes it."""
    if order == 0:
        return term[number]
    if order == 1:
        return term[own]
    index, values = term
    shape = (len(own),) * order
    inside = torch.isin(index[0], own)
    places = torch.searchsorted(own, index[:, inside].contiguous())
    return values.new_zeros(*shape, *values.shape[1:]).index_put(tuple(places), values[inside], accumulate=True)


def alone(module, terms, graph, count, at):
    """For each output its rows as the module gives them for each graph alone, at the positions asked for."""
    hom = problem_of(module)
    orders, outs = hom.space_in.orders, hom.space_out
    rows = []
    dtype = torch.complex128 if takes_complex(module) else torch.float64
    for full_order, channels in zip(outs.orders, outs.channels, strict=True):
        order = node_order(full_order)
        length = {0: count, 1: len(graph)}.get(order, at[order].shape[1] if order in at else 0)
        rows.append(torch.zeros(length, *component_shape(hom.group, full_order, M), channels, dtype=dtype))
    asked = sizes_asked(module)
    orders, wanted = map(node_order, orders), list(map(node_order, outs.orders))
    orders = list(orders)
    for number in range(count):
        own = (graph == number).nonzero().squeeze(1)
        if not len(own):
            continue
        inputs = [dense_term(term, order, own, number) for term, order in zip(terms, orders, strict=True)]
        made = module(
            inputs[0] if len(inputs) == 1 else tuple(inputs), *[{"n": len(own), **M}[letter] for letter in asked]
        )
        for place, (y, order) in enumerate(zip(made if isinstance(made, tuple) else (made,), wanted, strict=True)):
            if order == 0:
                rows[place] = rows[place].index_put((torch.tensor([number]),), y)
            elif order == 1:
                rows[place] = rows[place].index_put((own,), y)
            else:
                inside = torch.isin(at[order][0], own).nonzero().squeeze(1)
                places = torch.searchsorted(own, at[order][:, inside].contiguous())
                rows[place] = rows[place].index_put((inside,), y[tuple(places)])
    return rows


def listed(y, spaces):
    return [y] if len(spaces) == 1 else list(y)


def takes_complex(module):
    return problem_of(module).group.over_complex


def assert_exact(module, sizes, entries, seed=0, shuffled=False, **options):
    """Values and gradients, of inputs and weights, are those of the dense module for each graph alone."""
    wide = {torch.complex64: torch.complex128}
    module = module._apply(lambda p: p.to(wide.get(p.dtype, p.dtype))) if takes_complex(module) else module.double()
    sparse = eq.nn.Sparse(module, **options)
    terms, graph = batch_of(sparse.space_in, sizes, entries, seed, shuffled, sparse.group)
    make = torch.Generator().manual_seed(seed + 1)
    at = {order: index_of(graph, order, entries + 3, make) for order in sparse.sampled}
    x = terms[0] if len(terms) == 1 else tuple(terms)
    letters = {letter: M[letter] for letter in sparse.sizes} or None
    found = listed(sparse(x, graph, list(at.values()), len(sizes), letters), sparse.space_out)
    orders = list(map(node_order, sparse.space_out.orders))
    for place, order in enumerate(orders):
        if order > 1:
            index, found[place] = found[place]
            assert torch.equal(index, at[order])
    meant = alone(module, terms, graph, len(sizes), at)
    there = torch.tensor(sizes) > 0
    weights = [torch.randn(y.shape, dtype=y.dtype, generator=make) for y in meant]
    for place, order in enumerate(orders):
        if order == 0:  # graphs without nodes have no dense result
            found[place] = torch.where(there.reshape(-1, *[1] * (found[place].ndim - 1)), found[place], 0.0)
    assert_close(found, meant)
    leaves = [term[1] if isinstance(term, tuple) else term for term in terms] + list(module.parameters())
    gradients = [
        torch.autograd.grad(
            sum((w * y).sum().real for w, y in zip(weights, outputs, strict=True)), leaves,
            allow_unused=True, materialize_grads=True,
        )
        for outputs in (found, meant)
    ]  # fmt: skip
    assert_close(*gradients)


PROBLEMS = [
    ("S(n)", "2x2", "3x2"),
    ("S(n)", "2x2 + 3x1 + 2x0", "2x2 + 3x1 + 2x0"),
    ("S(n)", "2x2 + 1x2", "1x1 + 2x1 + 2x0 + 1x2"),
    ("S(n)", "2x1", "2x2"),
    ("S(n)", "2x0", "1x1 + 1x2"),
    ("S(n)", "1x3 + 1x2", "1x1 + 1x2"),
    ("S(n)", "1x3", "1x3"),
    ("S(n)", "1x4", "1x1 + 1x0"),
    ("A(n)", "2x2", "2x2"),
    ("B(n)", "2x2 + 1x1", "2x2 + 1x0"),
    ("S'(n)", "2x2", "1x2 + 1x0"),
    ("H(n)", "2x2 + 1x0", "1x2 + 1x4"),
]
PRODUCTS = [
    ("S(n) x O(3)", "2x(2,1) + 3x(1,1) + 2x(1,0) + 1x(0,2)", "1x(2,1) + 2x(1,1) + 2x(1,2) + 1x(0,0)"),
    ("S(n) x O(3)", "1x(1,0) + 1x(2,0)", "2x(1,2) + 1x(2,2) + 1x(0,0)"),
    ("S(n) x SO(3)", "2x(2,1) + 1x(1,2)", "1x(1,1) + 2x(0,2) + 1x(2,0)"),
    ("S(n) x Sp(2)", "2x(2,2) + 1x(1,1)", "1x(1,2) + 2x(2,1)"),
    ("S(n) x O(1,2)", "1x(1,2) + 1x(2,1)", "1x(1,0) + 1x(2,1)"),
    ("S(n) x H(2)", "1x(2,2)", "2x(1,2) + 1x(1,0)"),
    ("S(n) x S(m)", "1x(2,1) + 1x(1,2)", "2x(1,1) + 1x(0,1)"),
    ("S(n) x S(m)", "1x(2,0)", "2x(1,1) + 1x(1,0)"),
    ("S(n) x A(3)", "2x(1,1)", "1x(2,1)"),
    ("S(n) x U(2)", "1x(2,(1,0)) + 1x(1,(1,1))", "1x(1,(1,0)) + 1x(0,(0,0)) + 1x(2,(1,1))"),
    ("S(n) x Aut(path3)", "1x(2,1)", "2x(1,1) + 1x(1,0)"),
    ("S(n) x C(4)", "1x(2,1)", "1x(1,1)"),
    ("S(n) x Matrix([[0,-1],[1,0]]; )", "1x(2,1)", "2x(1,1) + 1x(1,0)"),
    ("S(n) x S(m) x O(2)", "1x(2,1,1)", "1x(1,1,1) + 1x(0,0,2)"),
    ("S(n) x O(3)", "2x(2,S2) + 1x(1,A2.packed)", "1x(1,S2.packed) + 1x(1,2)"),
    ("S(n) x O(3)", "2x(2,1) + 1x(1,1.det)", "1x(1,2.det) + 1x(1,1.det)"),
    ("S(n) x O(3)", "2x(2,2) + 1x(1,1o)", "1x(1,1o) + 1x(1,2e) + 1x(2,0e)"),
    ("H(n) x O(2)", "1x(1,1) + 1x(0,0)", "1x(3,1) + 1x(2,2)"),
    ("B(n) x SO(2)", "1x(2,1)", "1x(2,1) + 1x(1,1)"),
]
SIZES = st.lists(st.integers(0, 6), min_size=1, max_size=4).filter(sum)


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: "{}: {} -> {}".format(*p))
@settings(max_examples=6, deadline=None)
@given(
    sizes=SIZES,
    entries=st.integers(0, 20),
    seed=st.integers(0, 10_000),
    shuffled=st.booleans(),
    normalization=st.sampled_from(["variance", "mean", "sum"]),
)
def test_each_graph_gets_what_the_dense_layer_gives_it_alone(problem, sizes, entries, seed, shuffled, normalization):
    torch.manual_seed(seed)
    layer = eq.Linear(*problem, normalization=normalization)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    assert_exact(layer, sizes, entries, seed, shuffled)


@pytest.mark.parametrize("problem", PRODUCTS, ids=lambda p: "{}: {} -> {}".format(*p))
@settings(max_examples=4, deadline=None)
@given(sizes=SIZES, entries=st.integers(0, 20), seed=st.integers(0, 10_000), shuffled=st.booleans())
def test_products_of_groups_get_what_the_dense_layer_gives(problem, sizes, entries, seed, shuffled):
    """One way to scale sums for each problem: another makes another layer."""
    layer = product_layer(problem)
    torch.manual_seed(seed)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    assert_exact(layer, sizes, entries, seed, shuffled)


@pytest.mark.filterwarnings("ignore::eqsynth.errors.ZeroOutputWarning")
@pytest.mark.parametrize("group", ["S(n)", "S(n) x O(2)", "S(n) x S(m)"])
@pytest.mark.parametrize("transfer", ["repeat", "pad"])
def test_maps_that_mean_the_same_at_every_size(group, transfer):
    spaces = ("2x2 + 1x0", "1x2 + 2x1") if group == "S(n)" else ("2x(2,1) + 1x(1,0)", "1x(2,1) + 2x(1,1) + 1x(0,0)")
    layer = eq.Linear(group, *spaces, transfer=transfer)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    assert_exact(layer, [4, 0, 2], 9)


@lru_cache
def product_layer(problem):
    scales = ["variance", "mean", "sum"]
    return eq.Linear(*problem, normalization=scales[PRODUCTS.index(problem) % 3])


@pytest.mark.parametrize(
    ("group", "space_in", "space_out", "n"),
    [("S(5)", "4x2", "4x2", 5), ("S(3)", "2x2", "2x2", 3), ("A(5)", "2x2", "2x1", 5), ("S(2)", "1x2 + 1x1", "1x2", 2)],
)
def test_fixed_sizes_take_the_plan_by_diagrams_with_the_same_weights(group, space_in, space_out, n):
    layer = eq.Linear(group, space_in, space_out)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    assert_exact(layer, [n, n], 9)
    with pytest.raises(ShapeError, match=f"a graph has 4 nodes, but the layer is for n = {n}"):
        eq.nn.Sparse(layer)(
            tuple(batch_of(space_in, [n, 4], 3)[0]) if "+" in space_in else batch_of(space_in, [n, 4], 3)[0][0],
            torch.repeat_interleave(torch.tensor([n, 4])),
        )


def test_some_of_these_layers_have_plans_of_other_methods():
    assert {eq.Linear(g, s, s).plan.method for g, s in (("S(5)", "4x2"), ("S(n)", "4x2"))} == {"matrix", "diagrams"}


def test_the_interpreter_says_the_same():
    layer = eq.Linear("S(n)", "2x2 + 1x1", "2x2 + 1x0", normalization="mean").double()
    terms, graph = batch_of("2x2 + 1x1", [5], 8)
    at = index_of(graph, 2, 10, torch.Generator().manual_seed(3))
    (_, edges), number = eq.nn.Sparse(layer)(terms, at=at)
    inputs = [dense_term(t, k, torch.arange(5), 0)[None].detach().numpy() for t, k in zip(terms, (2, 1), strict=True)]
    meant = interpret(layer.plan, {k: v.detach().numpy() for k, v in layer.named_parameters()}, inputs, 5)
    assert_close(edges.detach(), torch.from_numpy(meant[0][0])[tuple(at)])
    assert_close(number.detach(), torch.from_numpy(meant[1]))


def test_graphs_without_nodes_get_the_bias():
    layer = eq.Linear("S(n)", "2x2", "3x0 + 1x1")
    torch.nn.init.normal_(layer.bias_0)
    y, nodes = eq.nn.Sparse(layer)((EDGES, torch.randn(6, 2)), PATH_AND_PAIR + 1, graphs=4)
    assert_close(y[[0, 3]], layer.bias_0.expand(2, 3))
    assert nodes.shape == (5, 1)
    assert torch.isfinite(y).all()


def test_no_nodes_and_no_graphs():
    layer = eq.nn.Sparse(eq.Linear("S(n)", "2x2 + 1x1", "3x2 + 1x1 + 2x0"))
    nothing = torch.empty(2, 0, dtype=torch.long)
    (index, edges), nodes, graphs = layer(((nothing, torch.empty(0, 2)), torch.empty(0, 1)), nothing[0])
    assert [tuple(y.shape) for y in (index, edges, nodes, graphs)] == [(2, 0), (0, 3), (0, 1), (0, 2)]


# --- cost -----------------------------------------------------------------------------------------


class Largest(TorchDispatchMode):
    """The number of elements of the largest tensor that any operation makes."""

    most = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for y in out if isinstance(out, tuple | list) else (out,):
            if isinstance(y, torch.Tensor):
                self.most = max(self.most, y._nnz() * y.shape[-1] if y.is_sparse else y.numel())
        return out


def test_vectors_on_200_000_nodes_and_edges():
    n, entries, channels = 200_000, 250_000, 2
    index, values = torch.randint(n, (2, entries)), torch.randn(entries, 3, channels, requires_grad=True)
    net = eq.nn.Sparse(eq.Linear("S(n) x O(3)", "2x(2,1) + 2x(1,1)", "2x(2,1) + 1x(1,1) + 1x(0,1)"))
    with Largest() as seen:
        (_, edges), nodes, whole = net(((index, values), torch.randn(n, 3, channels)), at=index)
        (edges.sum() + nodes.sum() + whole.sum()).backward()
    assert edges.shape == (entries, 3, 2)
    assert seen.most <= 8 * 3 * channels * (entries + 1)
    assert torch.isfinite(values.grad).all()


@pytest.mark.parametrize("form", ["pairs", "sparse tensors"])
def test_a_graph_of_200_000_nodes(form):
    """An n x n tensor of it would have 160 GB for each channel: nothing larger than the entries is made."""
    n, entries, channels = 200_000, 250_000, 2
    index = torch.randint(n, (2, entries))
    values, x = torch.randn(entries, channels, requires_grad=True), torch.randn(n, channels)
    net = eq.nn.Sparse(eq.Linear("S(n)", "2x2 + 2x1", "2x2 + 1x1 + 1x0"))
    edges = (
        (index, values)
        if form == "pairs"
        else torch.sparse_coo_tensor(index, values, (n, n, channels), check_invariants=True)
    )
    with Largest() as seen:
        y, nodes, number = net((edges, x))
        made = y[1] if form == "pairs" else y.values()
        (made.sum() + nodes.sum() + number.sum()).backward()
    # The operands of the widest mixing stand beside each other: two on edges, four on nodes.
    assert seen.most <= 8 * channels * (entries + 1)
    assert values.grad.shape == (entries, channels)
    assert torch.isfinite(values.grad).all()


def test_many_graphs_need_no_padding():
    sizes = [2] * 300 + [600]
    terms, graph = batch_of("1x2 + 1x1", sizes, 0)
    index = torch.stack((torch.arange(len(graph)), torch.arange(len(graph))))
    with Largest() as seen:
        eq.nn.Sparse(eq.Linear("S(n)", "1x2 + 1x1", "1x2 + 1x0").double())(
            ((index, torch.ones(len(graph), 1).double()), terms[1]), graph
        )
    assert seen.most <= 8 * len(graph) < len(sizes) * max(sizes)


def test_nothing_large_waits_for_the_garbage_collector(monkeypatch):
    made, init = [], support.GraphNodes.__init__

    def watched(nodes, *args):
        init(nodes, *args)
        made.extend(weakref.ref(tensor) for tensor in (nodes.place, nodes.sizes))

    monkeypatch.setattr(support.GraphNodes, "__init__", watched)
    gc.disable()
    try:
        eq.nn.Sparse(eq.Linear("S(n)", "2x2", "2x2"))((EDGES, torch.randn(6, 2)), PATH_AND_PAIR)
        assert len(made) == 2
        assert [ref() for ref in made] == [None, None]
    finally:
        gc.enable()


# --- forms of tensors -----------------------------------------------------------------------------


def test_sparse_tensors_in_and_out():
    layer = eq.Linear("S(n)", "2x2 + 1x1", "3x2 + 1x1").double()
    index = torch.tensor([[2, 0, 1, 0, 2], [1, 1, 1, 1, 2]])  # 0, 1 twice, and loops
    values, x = torch.randn(5, 2, dtype=torch.float64), torch.randn(3, 1, dtype=torch.float64)
    edges = torch.sparse_coo_tensor(index, values, (3, 3, 2), check_invariants=True).requires_grad_()
    y, nodes = eq.nn.Sparse(layer)((edges, x))
    dense = edges.detach().to_dense().requires_grad_()
    meant, meant_nodes = layer((dense, x))
    assert y.is_sparse
    assert y.is_coalesced()
    assert y.shape == (3, 3, 3)
    assert y.indices().tolist() == [[0, 1, 2, 2], [1, 1, 1, 2]]
    assert_close(y.values(), meant[tuple(y.indices())])
    assert_close(nodes, meant_nodes)
    torch._validate_sparse_coo_tensor_args(y.indices(), y.values(), y.shape, True)
    # The same network again, on what it gave.
    again, _ = eq.nn.Sparse(eq.Linear("S(n)", "3x2 + 1x1", "3x2 + 1x1").double())((y, nodes))
    assert again.shape == y.shape
    (y.values().sum() + nodes.sum()).backward()
    (meant[tuple(y.indices())].sum() + meant_nodes.sum()).backward()
    assert_close(edges.grad.to_dense()[tuple(y.indices())], dense.grad[tuple(y.indices())])


def test_the_index_given_back_is_that_of_the_input_each_position_once():
    net = eq.nn.Sparse(eq.Linear("S(n)", "1x2", "2x2"))
    index = torch.tensor([[2, 0, 2, 1, 0], [1, 1, 1, 1, 1]])
    found, values = net((index, torch.ones(5, 1)), torch.zeros(3, dtype=torch.long))
    assert found.tolist() == [[2, 0, 1], [1, 1, 1]]
    asked, twice = net((index, torch.ones(5, 1)), torch.zeros(3, dtype=torch.long), at=index)
    assert torch.equal(asked, index)
    assert_close(twice, values[[0, 1, 0, 2, 1]])


def test_several_inputs_of_one_order_are_joined_where_none_is_asked_for():
    net = eq.nn.Sparse(eq.Linear("S(n)", "1x2 + 1x2", "1x2"))
    a, b = torch.tensor([[1, 0], [0, 1]]), torch.tensor([[0, 2], [1, 2]])
    index, values = net(((a, torch.ones(2, 1)), (b, torch.ones(2, 1))), torch.zeros(3, dtype=torch.long))
    assert index.tolist() == [[1, 0, 2], [0, 1, 2]]
    assert values.shape == (3, 1)


def test_orders_of_nodes_and_of_edges_do_not_matter():
    """Relabelled nodes, and edges in another order, give relabelled outputs."""
    net = eq.nn.Sparse(eq.Linear("S(n)", "2x2 + 1x1", "2x2 + 1x1 + 1x0").double())
    (edges, x), graph = batch_of("2x2 + 1x1", [4, 3], 12)
    move, sort = torch.randperm(7), torch.randperm(12)
    place = move.argsort()
    (index, y), nodes, graphs = net((edges, x), graph, edges[0])
    (other, z), moved, same = net(
        ((place[edges[0]][:, sort], edges[1][sort]), x[move]), graph[move], place[edges[0]][:, sort]
    )
    assert_close(place[index][:, sort], other)
    assert_close((y[sort], nodes[move], graphs), (z, moved, same))


@pytest.mark.parametrize("listed", [True, False])
def test_graphs_of_pytorch_geometric(listed):
    """Padded or as they are, the same: edges and nodes of the batch, and its graphs."""
    path = SimpleNamespace(edge_index=EDGES[:, :4], x=torch.randn(3, 2), edge_attr=torch.randn(4, 1))
    pair = SimpleNamespace(edge_index=EDGES[:, 4:] - 3, x=torch.randn(2, 2), edge_attr=torch.randn(2, 1))
    joined = {"x": torch.cat((path.x, pair.x)), "edge_attr": torch.cat((path.edge_attr, pair.edge_attr))}
    data = [path, pair] if listed else SimpleNamespace(edge_index=EDGES, batch=PATH_AND_PAIR, **joined)
    layer = eq.Linear("S(n)", "1x2 + 2x1", "3x2 + 2x1 + 1x0")
    edges, nodes, graph = eq.nn.from_pyg(data, sparse=True)
    assert torch.equal(edges[0], EDGES)
    assert torch.equal(graph, PATH_AND_PAIR)
    (index, edges), nodes, graphs = eq.nn.Sparse(layer)((edges, nodes), graph)
    dense, x, sizes = eq.nn.from_pyg(data)
    dense, x, meant = eq.nn.Padded(layer)((dense, x), sizes)
    back = eq.nn.to_pyg(dense, x, sizes, EDGES)
    assert_close((index, edges, nodes, graphs), (back.edge_index, back.edge_attr, back.x, meant))
    with pytest.raises(ShapeError, match="not padded"):
        eq.nn.from_pyg(data, n=4, sparse=True)


@pytest.mark.parametrize("problem", [("S(n)", "1x2", "1x2 + 1x1"), ("S(n) x O(2)", "1x(2,1)", "1x(2,1) + 1x(1,1)")])
def test_gradients_to_second_order(problem):
    layer = eq.Linear(*problem).double()
    terms, graph = batch_of(problem[1], [3, 2], 4, group=problem[0])
    index, values = terms[0]
    at = index_of(graph, 2, 4, torch.Generator().manual_seed(1))

    def outputs(values, *parameters):
        names = [name for name, _ in sparse.named_parameters()]
        (_, edges), nodes = torch.func.functional_call(
            sparse, dict(zip(names, parameters, strict=True)), ((index, values), graph, at)
        )
        return torch.sin(edges), torch.sin(nodes)

    sparse = eq.nn.Sparse(layer)
    leaves = [values, *[p.detach().requires_grad_() for p in sparse.parameters()]]
    assert gradcheck(outputs, leaves)
    assert gradgradcheck(outputs, leaves)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_dtypes_and_autocast(dtype):
    layer = eq.Linear("S(n)", "2x2", "2x1", bias=False).to(dtype)
    (index, values), graph = batch_of("2x2", [40, 9], 300)[0][0], torch.tensor([0] * 40 + [1] * 9)
    values = values.detach()
    found = eq.nn.Sparse(layer)((index, values.to(dtype)), graph)
    meant = eq.nn.Sparse(copy.deepcopy(layer).double())((index, values.to(dtype).double()), graph)
    assert found.dtype == dtype
    assert_close(found.double(), meant, atol=4 * torch.finfo(dtype).eps, rtol=4 * torch.finfo(dtype).eps)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = eq.nn.Sparse(layer.float())((index, values.float()), graph)
    assert mixed.dtype == torch.bfloat16
    assert_close(mixed.double(), meant, atol=0.05, rtol=0.05)


# --- weights --------------------------------------------------------------------------------------


def test_weights_are_those_of_the_layer():
    layer = eq.Linear("S(n)", "2x2", "2x1")
    before = list(layer.state_dict())
    sparse = eq.nn.Sparse(layer)
    assert [id(p) for p in sparse.parameters()] == [id(p) for p in layer.parameters()]
    assert list(sparse.module.state_dict()) == before == ["weight", "bias", "_extra_state"]
    x = (EDGES, torch.randn(6, 2))
    y = sparse(x, PATH_AND_PAIR)
    y.sum().backward()
    assert layer.weight.grad is not None
    for other in (copy.deepcopy(sparse), pickle.loads(pickle.dumps(sparse))):
        assert_close(other(x, PATH_AND_PAIR), y)
    assert repr(sparse) == "Sparse(S(n): 2x2 -> 2x1, Linear)"


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # torch looks at it behind a graph break
def test_compiled_models_run_it_as_it_is():
    torch._dynamo.reset()
    sparse = eq.nn.Sparse(eq.Linear("S(n)", "2x2", "2x2 + 1x1"))

    def model(x, batch):
        (_, edges), nodes = sparse(x, batch)
        return torch.relu(edges), nodes.sin()

    x = (EDGES, torch.randn(6, 2, requires_grad=True))
    counter = torch._dynamo.testing.CompileCounter()
    assert_close(torch.compile(model, backend=counter)(x, PATH_AND_PAIR), model(x, PATH_AND_PAIR))
    assert counter.op_count == 2
    torch._dynamo.reset()


# --- networks -------------------------------------------------------------------------------------

NETWORKS = {
    "hidden nodes": lambda: eq.nn.MLP("S(n)", ["2x2 + 3x1", "4x1 + 2x0", "3x1 + 2x2 + 1x0"], "tanh"),
    "layer norm": lambda: eq.nn.MLP("S(n)", ["2x2", "4x1", "3x2"], norm="layer", dropout=0.5).eval(),
    "batch norm, evaluation": lambda: eq.nn.MLP("S(n)", ["2x2", "4x1", "3x1"], norm="batch").eval(),
    "behind the last layer": lambda: eq.nn.Sequential(
        eq.Linear("S(n)", "2x2", "3x2"), eq.nn.LayerNorm("S(n)", "3x2"), eq.nn.Activation("S(n)", "3x2", "sigmoid")
    ),
    "batch norm of edges": lambda: eq.nn.Sequential(
        eq.Linear("S(n)", "2x2", "3x2"), eq.nn.BatchNorm("S(n)", "3x2")
    ).eval(),
    "residual": lambda: eq.nn.Residual(eq.nn.MLP("S(n)", ["2x2 + 1x1", "3x1", "2x2 + 1x1"])),
    "pooled, sum": lambda: eq.nn.Pool("S(n)", "2x2 + 1x1 + 1x0", "sum"),
    "pooled, mean": lambda: eq.nn.Pool("S(n)", "2x3 + 1x1", "mean"),
    "pooled, max": lambda: eq.nn.Sequential(eq.Linear("S(n)", "2x2", "3x1"), eq.nn.Pool("S(n)", "3x1", "max")),
    "gates and pairings": lambda: eq.nn.MLP(
        "S(n) x O(3)", ["2x(2,1) + 1x(1,1)", "4x(1,1) + 3x(1,0) + 2x(0,0)", "2x(1,1) + 1x(0,0) + 1x(2,1)"], norm="layer"
    ),
    "norms of edges": lambda: eq.nn.Sequential(
        eq.Linear("S(n) x SO(3)", "2x(2,1)", "3x(2,1) + 2x(1,2)"),
        eq.nn.BatchNorm("S(n) x SO(3)", "3x(2,1) + 2x(1,2)"),
        eq.nn.NormActivation("S(n) x SO(3)", "3x(2,1) + 2x(1,2)"),
    ).eval(),
    "pooled, traces": lambda: eq.nn.Pool("S(n) x O(3)", "2x(2,2) + 1x(0,2)", "mean"),
    "pooled, norms": lambda: eq.nn.Pool("S(n) x O(3)", "2x(2,1) + 1x(1,1) + 1x(0,1)", "sum"),
    "pooled, both": lambda: eq.nn.Pool("S(n) x S(m)", "2x(1,1) + 1x(0,1)", "max"),
    "relu of a table": lambda: eq.nn.MLP("S(n) x S(m)", ["2x(2,1)", "3x(1,1)", "2x(1,0)"], norm="layer"),
    "an activation alone": lambda: eq.nn.Activation("S(n)", "2x2 + 1x1", "sigmoid"),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_that_are_exact(name):
    torch.manual_seed(0)
    module = NETWORKS[name]()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, 0.1)
    assert_exact(module, [4, 1, 5], 11)


@pytest.mark.parametrize(
    "module",
    [
        eq.Linear("S(n)", "2x2 + 1x1", "2x2 + 1x0"), eq.Linear("S(n)", "2x0", "2x2"), eq.Linear("H(n)", "1x1", "1x3"),
        eq.Linear("S(n) x SO(3)", "1x(2,1) + 1x(1,2)", "1x(2,1) + 1x(0,2)"),
        eq.Linear("S(n) x S(m)", "1x(2,0)", "1x(1,1)"), eq.Linear("S(3) x O(1,2)", "1x(2,1)", "1x(1,1)"),
        eq.nn.MLP("S(3) x O(2)", ["1x(2,1)", "2x(2,1) + 2x(1,1) + 2x(1,0)", "1x(2,1) + 1x(0,0)"]),
    ],
)  # fmt: skip
def test_they_are_equivariant(module):
    sizes = {"n": 4, "m": 2} if "x S(m)" in str(module) else 4 if problem_of(module).group.symbolic else None
    eq.testing.assert_equivariant(eq.nn.Sparse(module, restrict=isinstance(module, eq.nn.MLP)), n=sizes, trials=2)


def test_what_is_not_equivariant_is_seen(monkeypatch):
    sparse = eq.nn.Sparse(eq.Linear("S(n) x O(3)", "1x(2,1)", "1x(1,1)"))
    monkeypatch.setattr(support, "summed", lambda x, where, count: summed(x, where, count).cumsum(0))
    with pytest.raises(eq.errors.EquivarianceError, match="not equivariant"):
        eq.testing.assert_equivariant(sparse)


def deep():
    return eq.nn.MLP("S(n)", ["2x2", "3x2 + 2x1", "2x2", "2x1"], "sigmoid").double()


def test_hidden_edges_are_refused_unless_they_are_asked_for():
    with pytest.raises(EqsynthError, match=r"only some entries are computed.*restrict=True"):
        eq.nn.Sparse(deep())
    assert repr(eq.nn.Sparse(deep(), restrict=True)) == "Sparse(S(n): 2x2 -> 2x1, MLP, restrict=True)"


def test_restricted_networks_keep_zeros_outside_and_are_chains_of_layers():
    net = deep()
    (index, values), graph = batch_of("2x2", [4], 6)[0][0], torch.zeros(4, dtype=torch.long)
    found = eq.nn.Sparse(net, restrict=True)((index, values), graph)
    dense = dense_term((index, values), 2, torch.arange(4), 0)
    mask = torch.zeros(4, 4, 1).double().index_put(tuple(index), torch.tensor(1.0).double())
    x = dense
    for part in net:
        x = part(x)
        x = tuple(y * mask if y.ndim == 3 else y for y in x) if isinstance(x, tuple) else x * mask if x.ndim == 3 else x
    assert_close(found, x)
    assert not torch.allclose(found, net(dense))
    chain = (index, values)
    for part in net:
        chain = eq.nn.Sparse(part)(chain, graph)
    assert_close(found, chain)
    # With every position listed it is the dense network.
    everything = torch.cartesian_prod(torch.arange(4), torch.arange(4)).T
    assert_close(eq.nn.Sparse(net, restrict=True)((index, values), graph, at=everything), net(dense))


def test_restricted_residual_blocks_add_at_the_positions_asked_for():
    block = eq.nn.Residual(eq.Linear("S(n)", "2x2", "2x2")).double()
    (index, values), graph = batch_of("2x2", [4], 6)[0][0], torch.zeros(4, dtype=torch.long)
    at = torch.tensor([[0, 3], [0, 2]])
    dense = dense_term((index, values), 2, torch.arange(4), 0)
    _, found = eq.nn.Sparse(block)((index, values), graph, at)
    assert_close(found, block(dense)[tuple(at)])


def test_batch_statistics_in_training_are_those_of_padded_batches():
    net = eq.nn.MLP("S(n)", ["2x2", "4x1", "3x1"], norm="batch").double()
    other = copy.deepcopy(net)
    (index, values), graph = batch_of("2x2", [4, 2, 4], 20)[0][0], torch.repeat_interleave(torch.tensor([4, 2, 4]))
    found = eq.nn.Sparse(net)((index, values), graph)
    graphs = [dense_term((index, values), 2, (graph == g).nonzero().squeeze(1), g) for g in range(3)]
    x, sizes = eq.nn.pad(graphs)
    assert_close(found, torch.cat(eq.nn.unpad(eq.nn.Padded(other)(x, sizes), sizes)))
    assert_close(net.state_dict(), other.state_dict())
    edges = eq.nn.Sequential(eq.Linear("S(n)", "2x2", "3x2"), eq.nn.BatchNorm("S(n)", "3x2")).double()
    with pytest.raises(EqsynthError, match="statistics over all entries"):
        eq.nn.Sparse(edges)((index, values), graph)


def test_dropout_draws_one_mask_for_each_graph():
    drop = eq.nn.Sparse(eq.nn.Dropout("S(n)", "50x2 + 50x1", 0.5))
    (index, y), nodes = drop(((EDGES, torch.ones(6, 50)), torch.ones(5, 50)), PATH_AND_PAIR)
    for rows, graph in ((y, PATH_AND_PAIR[index[0]]), (nodes, PATH_AND_PAIR)):
        assert {*rows.unique().tolist()} == {0.0, 2.0}
        first, second = rows[graph == 0], rows[graph == 1]
        assert (first == first[0]).all()
        assert (second == second[0]).all()
        assert (first[0] != second[0]).any()


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: eq.Linear("O(3)", "1x2", "1x2"), r"maps are set partitions"),
        (lambda: eq.Linear("O(3) x S(n)", "1x(1,1)", "1x(1,1)"), r"nodes first, S\(n\) x O\(3\)"),
        (lambda: eq.Linear("S(n) x O(n)", "1x(1,1)", "1x(1,1)"), r"other letters or numbers, as S\(n\) x S\(m\)"),
        (lambda: eq.Linear("S(n) x O(3)", "1x(S2,1)", "1x(1,1)"), r"list both directions.*order \(2,1\)"),
        (lambda: eq.Linear("S(3) x O(3)", "1x(1.det,1)", "1x(1.det,1)"), r"Leave .det out"),
        (lambda: eq.Linear("A(3) x O(3)", "1x(1,1)", "1x(2,1)"), r"diagrams with heads"),
        (lambda: eq.Linear("Aut(petersen)", "1x1", "1x1"), r"maps are set partitions"),
        (lambda: eq.nn.LayerNorm("O(3)", "4x1"), r"maps are set partitions"),
        (lambda: eq.Linear("A(4)", "1x2", "1x2"), r"diagrams with heads.*use S\(4\)"),
        (lambda: eq.Linear("S(4)", "1x2", "1x2", parameters="blocks"), "entries of blocks"),
        (lambda: eq.nn.LayerNorm("S(n)", "4x2", over="all"), "over='channels'"),
        (lambda: eq.nn.Pool("S(n)", "4x2", "max"), "sums and means"),
        (lambda: eq.TensorProduct("S(n)", "1x1", "1x1", "1x1"), "does not"),
        (lambda: torch.nn.Linear(2, 2), "does not say what its group"),
        (lambda: eq.nn.Sparse(eq.Linear("S(n)", "1x2", "1x1")), "does not know how to run Sparse"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = make()
    with pytest.raises(EqsynthError, match=message):
        eq.nn.Sparse(module)


X, VALUES = torch.randn(5, 1), torch.randn(6, 2)
WRONG = [
    ((EDGES, VALUES), "expected a tuple of 2 terms|type Tensor|expected a pair"),
    (((EDGES, VALUES),), "expected a tuple of 2 terms"),
    ((torch.randn(5, 5, 2), X), r"x.to_sparse\(2\)"),
    ((torch.randn(5, 5, 2).to_sparse(), X), "with 2 sparse axes and one dense"),
    ((torch.sparse_coo_tensor(EDGES, VALUES, (9, 9, 2), check_invariants=True), X), r"\(5, 5, 2\)"),
    (((EDGES.T, VALUES), X), r"shape \(6, 2\), expected a tensor \(2, entries\)"),
    (((EDGES[0], VALUES), X), r"expected a tensor \(2, entries\)"),
    (((EDGES.float(), VALUES), X), "whole numbers"),
    (((EDGES, VALUES[:5]), X), r"has 6 entries and values of shape .*, expected \(6, 2\)"),
    (((EDGES, VALUES[:, :1]), X), r"has 6 entries and values of shape .*, expected \(6, 2\)"),
    (((EDGES + 1, VALUES), X), "names nodes from 1 to 5, of 5"),
    (((EDGES - 1, VALUES), X), "names nodes from -1 to 3"),
    (((EDGES.flip(1) * torch.tensor([[1], [0]]), VALUES), X), "between two graphs"),
    (((EDGES, VALUES), X[:4]), r"expected a dense tensor \(nodes, channels\): \(5, 1\)"),
    (((EDGES, VALUES), X.to_sparse()), "torch.sparse_coo, expected a dense tensor"),
    ((("edges", VALUES), X), "index of type str"),
    (((EDGES, VALUES), torch.tensor(1.0)), r"has shape \(\), expected a dense tensor"),
]


@pytest.mark.parametrize(("x", "message"), WRONG)
def test_tensors_that_do_not_fit_are_refused(x, message):
    with pytest.raises(ShapeError, match=message):
        eq.nn.Sparse(eq.Linear("S(n)", "2x2 + 1x1", "1x2"))(x, PATH_AND_PAIR)


def test_batches_and_positions_that_do_not_fit_are_refused():
    net, x = eq.nn.Sparse(eq.Linear("S(n)", "2x2", "1x2")), (EDGES, VALUES)
    for batch, message in (
        (None, "nothing says how many nodes"),
        (PATH_AND_PAIR.float(), r"batch is torch.float32 of shape \(5,\), expected the graph of each node, whole"),
        (PATH_AND_PAIR[None], r"batch is torch.int64 of shape \(1, 5\)"),
        ([0, 0, 0, 1, 1], "batch is list"),
        (PATH_AND_PAIR - 1, "names graphs from -1"),
    ):
        with pytest.raises(ShapeError, match=message):
            net(x, batch)
    with pytest.raises(ShapeError, match=r"one tuple before it, as in module\(\(edges, x\), batch\)"):
        eq.nn.Sparse(eq.Linear("S(n)", "2x2 + 1x1", "1x1"))(x, X, PATH_AND_PAIR)
    with pytest.raises(ShapeError, match="names graphs from 0 to 1, of 1"):
        net(x, PATH_AND_PAIR, graphs=1)
    with pytest.raises(ShapeError, match="at names nodes from 0 to 7"):
        net(x, PATH_AND_PAIR, at=torch.tensor([[0], [7]]))
    with pytest.raises(ShapeError, match="at has an entry between two graphs"):
        net(x, PATH_AND_PAIR, at=torch.tensor([[0], [4]]))
    with pytest.raises(ShapeError, match="two indices of the same order"):
        net(x, PATH_AND_PAIR, at=(EDGES, EDGES))
    with pytest.raises(ShapeError, match=r"give at, an index of shape \(2, entries\)"):
        eq.nn.Sparse(eq.Linear("S(n)", "1x1", "1x2"))(X, PATH_AND_PAIR)


def test_components_that_do_not_fit_are_refused():
    net = eq.nn.Sparse(eq.Linear("S(n) x O(3)", "1x(2,1) + 1x(1,0)", "1x(1,1) + 1x(0,0)"))
    with pytest.raises(ShapeError, match=r"has 6 entries and values of shape \(6, 1\), expected \(6, 3, 1\)"):
        net(((EDGES, VALUES[:, :1]), X), PATH_AND_PAIR)
    vectors = torch.randn(6, 3, 1)
    with pytest.raises(ShapeError, match=r"expected a dense tensor \(nodes, channels\): \(5, 1\)"):
        net(((EDGES, vectors), torch.randn(5, 3, 1)), PATH_AND_PAIR)
    with pytest.raises(ShapeError, match=r"sizes of components are 3, but the input shows all of them"):
        net(((EDGES, vectors), X), PATH_AND_PAIR, sizes=3)
    open_length = eq.nn.Sparse(eq.Linear("S(n) x S(m)", "2x(2,0)", "1x(1,1)"))
    assert open_length((EDGES, VALUES), PATH_AND_PAIR, sizes={"m": 4}).shape == (5, 4, 1)
    for sizes in (None, {"k": 4}, {"m": 0}, 4):
        with pytest.raises(ShapeError, match=r"no input shows these lengths: give sizes=\{'m': 4\}"):
            open_length((EDGES, VALUES), PATH_AND_PAIR, sizes=sizes)
    table = eq.nn.Sparse(eq.Linear("S(n) x S(m)", "2x(2,1) + 1x(1,1)", "1x(1,1)"))
    with pytest.raises(ShapeError, match=r"expected a dense tensor \(nodes, components, channels\): \(5, 4, 1\)"):
        table(((EDGES, torch.randn(6, 4, 2)), torch.randn(5, 3, 1)), PATH_AND_PAIR)


def test_vectors_in_the_layout_of_pytorch_geometric():
    data = SimpleNamespace(
        edge_index=EDGES, batch=PATH_AND_PAIR, x=torch.randn(5, 3, 2), edge_attr=torch.randn(6, 3, 1)
    )
    layer = eq.Linear("S(n) x O(3)", "1x(2,1) + 2x(1,1)", "3x(2,1) + 2x(1,1) + 1x(0,2)", normalization="mean")
    torch.nn.init.normal_(layer.bias_2)
    edges, nodes, graph = eq.nn.from_pyg(data, sparse=True)
    (index, edges), nodes, graphs = eq.nn.Sparse(layer)((edges, nodes), graph)
    dense, x, sizes = eq.nn.from_pyg(data)
    dense, x, meant = eq.nn.Padded(layer)((dense, x), sizes)
    back = eq.nn.to_pyg(dense, x, sizes, EDGES)
    assert_close((index, edges, nodes, graphs), (back.edge_index, back.edge_attr, back.x, meant))
    assert eq.nn.to_pyg(dense, x, sizes).edge_attr.shape == (13, 3, 3)


def test_positions_beyond_63_bits_are_refused():
    net = eq.nn.Sparse(eq.Linear("S(n)", "1x5", "1x0"))
    index = torch.tensor([[0], [1], [2], [3], [4]])
    with pytest.raises(SizeError, match="63 bits"):
        net((index, torch.ones(1, 1)), torch.zeros(10_000, dtype=torch.long))
    # Many small graphs are no more than their positions.
    net((index, torch.ones(1, 1)), torch.arange(10_000) // 10)


# --- the checks can fail --------------------------------------------------------------------------


def sabotaged_scales(at, power, dtype):
    """Means over all nodes of the batch."""
    return torch.full((len(at), 1), float(len(at.nodes.graph)) ** power, dtype=dtype)


def sabotaged_find(self, index, graph):
    """Entries that are not there read as their neighbours."""
    if len(index) < 2:
        return index[0] if len(index) else graph
    return torch.searchsorted(self.keys, self.nodes.keys(index)).clamp(max=len(self) - 1)


@pytest.mark.parametrize(
    ("owner", "name", "wrong"),
    [(support, "scales", sabotaged_scales), (support.TensorPositions, "find", sabotaged_find)],
)
def test_the_comparison_sees_wrong_sums_and_wrong_neighbours(monkeypatch, owner, name, wrong):
    layer = eq.Linear("S(n)", "2x2", "2x2 + 1x1")
    assert_exact(layer, [4, 3], 10)
    monkeypatch.setattr(owner, name, wrong)
    with pytest.raises(AssertionError):
        assert_exact(layer, [4, 3], 10)
