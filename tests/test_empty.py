"""Batches without samples, graphs without nodes: they go through every module, or are refused with nothing changed."""

import copy
from types import SimpleNamespace

import pytest
import torch
from torch.testing import assert_close

import eqsynth as eq
from eqsynth.errors import EqsynthError, ShapeError
from eqsynth.nn.activations import axis_lengths
from eqsynth.nn.networks import problem_of
from eqsynth.spaces.space import lengths

SPACES = [
    ("S(n)", "2x2 + 3x1 + 2x0"), ("S(n)", "4xS2.packed"), ("S(n)", "4xA2.packed"), ("S(3)", "2x1"), ("A(4)", "2x2"),
    ("O(3)", "4x1 + 4x0"), ("O(n)", "4x2 + 4x0"), ("SO(3)", "2xS2"), ("Sp(4)", "2x2"),
    ("S(n) x O(3)", "4x(1,1) + 4x(1,0)"),
    ("Aut(path3)", "2x1"), ("Matrix([[0,-1],[1,0]]; )", "2x2"),
]  # fmt: skip
MODULES = {
    "Linear": lambda group, space: eq.Linear(group, space, space),
    "Linear, blocks": lambda group, space: eq.Linear(group, space, space, parameters="blocks"),
    "Linear, fourier": lambda group, space: eq.Linear(group, space, space, method="fourier"),
    "Linear, matrix": lambda group, space: eq.Linear(group, space, space, method="matrix"),
    "Activation": lambda group, space: eq.nn.Activation(group, space, "tanh"),
    "Gated": eq.nn.Gated,
    "NormActivation": eq.nn.NormActivation,
    "Pairings": eq.nn.Pairings,
    "LayerNorm": eq.nn.LayerNorm,
    "LayerNorm, all": lambda group, space: eq.nn.LayerNorm(group, space, over="all"),
    "BatchNorm": eq.nn.BatchNorm,
    "Dropout": eq.nn.Dropout,
    "Pool": eq.nn.Pool,
    "Pool, max": lambda group, space: eq.nn.Pool(group, space, "max"),
    "Pool, norm": lambda group, space: eq.nn.Pool(group, space, "sum", components="norm"),
    "MLP": lambda group, space: eq.nn.MLP(group, [space, space, space], norm="batch", dropout=0.1),
    "Residual": lambda group, space: eq.nn.Residual(eq.Linear(group, space, space)),
}


def made(name, group, space):
    """The module, unless the group does not allow it."""
    try:
        return MODULES[name](group, space)
    except EqsynthError:
        return None


def inputs(module, batch, n):
    hom = problem_of(module)
    sizes = [factor.n if isinstance(factor.n, int) else n for factor in hom.group.factors]
    terms = [
        torch.randn(*batch, *lengths(order, sizes), channels, requires_grad=True) for channels, order in hom.space_in
    ]
    return terms[0] if len(terms) == 1 else tuple(terms)


def tensors(y):
    return y if isinstance(y, tuple) else (y,)


@pytest.mark.filterwarnings("ignore::eqsynth.errors.ZeroOutputWarning")
@pytest.mark.parametrize("name", MODULES)
def test_an_empty_batch_goes_through_and_changes_nothing(name):
    tried = 0
    for group, space in SPACES:
        module = made(name, group, space)
        for batch in ((0,), (2, 0)) if module is not None else ():
            before = copy.deepcopy(module.state_dict())
            outputs = tensors(module(inputs(module, batch, 4)))
            assert all(y.shape[: len(batch)] == batch for y in outputs)
            if any(y.requires_grad for y in outputs):
                sum(y.sum() for y in outputs).backward()
            assert all(p.grad is None or torch.isfinite(p.grad).all() for p in module.parameters())
            after = module.state_dict()
            assert all(torch.equal(before[key], after[key]) for key in before)
            tried += 1
    assert tried


@pytest.mark.filterwarnings("ignore::eqsynth.errors.ZeroOutputWarning")
@pytest.mark.parametrize("batch", [(0,), (2, 0)])
def test_an_empty_batch_goes_through_products(batch):
    for group, u, v, out in [
        ("S(n)", "2x2", "2x1", "2x1"),
        ("O(3)", "2x1", "2x1 + 2x0", "2x2 + 2x0"),
        ("SO(3)", "2x1", "2x1", "2x1"),
    ]:
        for layer in (
            eq.TensorProduct(group, u, v, out),
            eq.Power(group, u, 2, out),
            eq.PolynomialLayer(group, u, 2, out),
        ):
            n = 3
            spaces = layer.problem.operands
            given = []
            for space in spaces:
                terms = [torch.randn(*batch, *[n] * order, channels) for channels, order in space]
                given.append(terms[0] if len(terms) == 1 else tuple(terms))
            outputs = tensors(layer(*given))
            assert all(y.shape[: len(batch)] == batch for y in outputs)
            if any(y.requires_grad for y in outputs):
                sum(y.sum() for y in outputs).backward()
            assert all(p.grad is None or torch.isfinite(p.grad).all() for p in layer.parameters())


@pytest.mark.filterwarnings("ignore::eqsynth.errors.ZeroOutputWarning")
@pytest.mark.parametrize("name", MODULES)
def test_no_nodes_are_refused_at_once(name):
    for group, space in [("S(n)", "2x2 + 3x1"), ("S(n)", "4x1"), ("O(n)", "2x1 + 2x0")]:
        module = made(name, group, space)
        if module is None:
            continue
        before = copy.deepcopy(module.state_dict())
        with pytest.raises(ShapeError, match="n >= 1"):
            module(inputs(module, (2,), 0))
        assert all(torch.equal(before[key], value) for key, value in module.state_dict().items())


@pytest.mark.parametrize(("group", "space"), [("S(n)", "2x0 + 3x1"), ("O(3)", "2x1 + 3x0"), ("S(n)", "2x1")])
def test_batch_normalisation_refuses_one_value_before_anything_changes(group, space):
    norm = eq.nn.BatchNorm(group, space)
    before = copy.deepcopy(norm.state_dict())
    with pytest.raises(ShapeError, match=r"one value for each channel.*\.eval\(\)"):
        norm(inputs(norm, (1,), 1))
    assert all(torch.equal(before[key], value) for key, value in norm.state_dict().items())
    norm.eval()(inputs(norm, (1,), 1))


def test_batch_normalisation_goes_on_after_an_empty_batch():
    norm, other = eq.nn.BatchNorm("O(3)", "4x1"), eq.nn.BatchNorm("O(3)", "4x1")
    x = torch.randn(8, 3, 4)
    norm(x[:0])
    assert torch.equal(norm(x), other(x))
    assert torch.equal(norm.running_var, other.running_var)


@pytest.mark.parametrize("order", ["S2", "A2", "S3"])
def test_packing_of_empty_batches_and_no_channels(order):
    k = int(order[1])
    for shape in ((0, *[4] * k, 2), (3, *[4] * k, 0), (2, 0, *[4] * k, 1)):
        x = torch.randn(shape)
        assert eq.unpack(eq.pack(eq.symmetrise(x, order), order), order).shape == shape


# --- graphs without nodes inside a batch ---------------------------------------------------------------


BATCH = SimpleNamespace(
    x=torch.randn(3, 8, generator=torch.Generator().manual_seed(0)),
    edge_index=torch.tensor([[0, 1, 2], [1, 0, 2]]),
    ptr=torch.tensor([0, 2, 2, 3]),
)
NETS = [
    lambda: eq.Linear("S(n)", "1x2 + 8x1", "4x0"),
    lambda: eq.Linear("S(n)", "1x2 + 8x1", "4x1"),
    lambda: eq.Linear("S(n)", "1x2 + 8x1", "4x2 + 2x1 + 3x0"),
    lambda: eq.nn.Sequential(
        eq.Linear("S(n)", "1x2 + 8x1", "4x1 + 3x0"),
        eq.nn.Activation("S(n)", "4x1 + 3x0"),
        eq.Linear("S(n)", "4x1 + 3x0", "2x1 + 2x0"),
    ),
    lambda: eq.nn.Sequential(eq.Linear("S(n)", "1x2 + 8x1", "4x1"), eq.nn.Pool("S(n)", "4x1", "max")),
    lambda: eq.nn.MLP("S(n)", ["1x2 + 8x1", "4x1 + 3x0", "4x1 + 3x0", "2x0"], norm="layer"),
]


def with_random_weights(net):
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.uniform_(-1, 1)
    return net


@pytest.mark.parametrize("make", NETS)
def test_a_graph_without_nodes_gets_what_sparse_tensors_give(make):
    net = with_random_weights(make())
    edges, nodes, sizes = eq.nn.from_pyg(BATCH)
    assert sizes.tolist() == [2, 0, 1]
    (index, values), x, graph = eq.nn.from_pyg(BATCH, sparse=True)
    dense = tensors(eq.nn.Padded(net)((edges, nodes), sizes))
    with torch.no_grad():
        listed = eq.nn.Sparse(net)(((index, values), x), graph, graphs=3)
    for y, z, (_, order) in zip(
        dense, tensors(listed) if len(dense) > 1 else (listed,), problem_of(net).space_out, strict=True
    ):
        assert torch.isfinite(y).all()
        if order == 0:
            assert torch.allclose(y, z, atol=1e-5)
        else:
            assert not y[1].any()
    # The others are what they are without the empty one.
    for y, z in zip(dense, tensors(eq.nn.Padded(net)((edges[[0, 2]], nodes[[0, 2]]), sizes[[0, 2]])), strict=True):
        assert torch.allclose(y[[0, 2]], z, atol=1e-6)
    sum(y.sum() for y in dense).backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in net.parameters())


def test_only_graphs_without_nodes():
    net = with_random_weights(eq.Linear("S(n)", "1x1", "2x0"))
    y = eq.nn.Padded(net)(torch.randn(2, 3, 1), [0, 0])
    assert torch.equal(y, net.bias.expand(2, 2))
    assert eq.nn.Padded(eq.Linear("S(n)", "1x1", "2x1"))(torch.randn(0, 3, 1), []).shape == (0, 3, 2)


@pytest.mark.parametrize("graphs", [0, 2])
def test_batches_without_nodes(graphs):
    """A batch as PyTorch Geometric has it, from the graphs to the file of the network."""
    none = torch.zeros(2, 0, dtype=torch.long)
    batch = SimpleNamespace(
        x=torch.zeros(0, 2), edge_index=none, edge_attr=torch.zeros(0, 1), ptr=torch.zeros(graphs + 1, dtype=torch.long)
    )
    edges, nodes, sizes = eq.nn.from_pyg(batch)
    assert edges.shape == (graphs, 0, 0, 1)
    net = eq.nn.MLP("S(n)", ["1x2 + 2x1", "3x2 + 3x0", "2x1 + 3x0"], norm="layer")
    padded = eq.nn.Padded(net)
    y, pooled = padded((edges, nodes), sizes)
    assert y.shape == (graphs, 0, 2)
    larger = padded((edges.new_zeros(graphs, 2, 2, 1), nodes.new_zeros(graphs, 2, 2)), sizes)[1]
    assert_close(pooled, larger)
    assert eq.nn.to_pyg(None, y, sizes).x.shape == (0, 2)
    for module in (net, eq.Linear("S(n)", "1x2", "1x1")):
        with pytest.raises(ShapeError, match="n >= 1"):
            module((edges, nodes) if module is net else edges)


def test_batch_statistics_of_no_nodes_do_not_change():
    net = eq.nn.Sequential(eq.Linear("S(n)", "2x1", "3x1"), eq.nn.BatchNorm("S(n)", "3x1"))
    before = copy.deepcopy(net.state_dict())
    assert not eq.nn.Padded(net)(torch.randn(2, 3, 2), [0, 0]).any()
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())


LAYERS = {
    "Linear": lambda: eq.Linear("S(n) x O(3)", "2x(1,2) + 2x(1,0) + 2x(0,0)", "3x(0,0) + 2x(0,2)"),
    "Pool, norm": lambda: eq.nn.Pool("S(n) x O(3)", "4x(1,1) + 3x(0,1)", "sum", "norm"),
    "Pool, max": lambda: eq.nn.Pool("S(n) x S(m)", "4x(1,1)", "max"),
    "PolynomialLayer": lambda: eq.PolynomialLayer("S(n)", "3x2 + 3x0", 2, "2x0"),
    "Pairings": lambda: eq.nn.Pairings("S(n) x O(3)", "3x(1,1) + 2x(1,0) + 3x(0,1) + 2x(0,0)"),
    "O(n)": lambda: eq.Linear("O(n)", "2x2 + 2x0", "3x0"),
    "Sp(n)": lambda: eq.Linear("Sp(n)", "2x2 + 2x0", "3x0"),
}


@pytest.mark.parametrize("name", LAYERS)
def test_samples_of_size_zero_get_at_order_0_what_larger_ones_of_zeros_get(name):
    layer = with_random_weights(LAYERS[name]())
    hom = problem_of(layer)
    full = {"n": 4, "m": 3}
    terms = [
        torch.randn(3, *[full.get(size, size) for size in axis_lengths(hom.group, order)], channels)
        for channels, order in hom.space_in
    ]
    y = tensors(eq.nn.Padded(layer)(terms[0] if len(terms) == 1 else tuple(terms), {"n": [2, 0, 4]}))
    lengths = [axis_lengths(hom.group, order) for order in hom.space_in.orders]
    zeros = [term[1:2] * float("n" not in axes) for term, axes in zip(terms, lengths, strict=True)]
    meant = tensors(layer(zeros[0] if len(zeros) == 1 else tuple(zeros)))
    for ours, theirs, order in zip(y, meant, hom.space_out.orders, strict=True):
        if "n" in axis_lengths(hom.group, order):
            assert not ours[1].any()
        else:
            assert torch.allclose(ours[1:2], theirs, atol=1e-5)


def test_what_has_no_meaning_without_nodes_is_refused():
    class Own(torch.nn.Module):
        group, space_in, space_out = "S(n)", "2x1", "2x0"

        def forward(self, x):
            return x.sum(-2)

    with pytest.raises(ShapeError, match=r"size 0.*Own.*Leave such samples out"):
        eq.nn.Padded(Own())(torch.randn(2, 3, 2), [0, 2])
    norm = eq.nn.Padded(eq.nn.Sequential(eq.nn.BatchNorm("S(n)", "2x1"), eq.Linear("S(n)", "2x1", "2x0")))
    before = copy.deepcopy(norm.state_dict())
    with pytest.raises(ShapeError, match="leave such samples out"):
        norm(torch.randn(2, 3, 2), [0, 2])
    assert all(torch.equal(before[key], value) for key, value in norm.state_dict().items())


def test_padding_and_back():
    samples = [torch.randn(2, 2, 1), torch.randn(0, 0, 1), torch.randn(1, 1, 1)]
    x, sizes = eq.nn.pad(samples)
    assert sizes.tolist() == [2, 0, 1]
    assert all(torch.equal(a, b) for a, b in zip(eq.nn.unpad(x, sizes), samples, strict=True))


def test_sparse_batches_without_graphs_or_nodes():
    net = with_random_weights(eq.Linear("S(n)", "2x2 + 3x1", "2x2 + 3x1 + 1x0"))
    sparse = eq.nn.Sparse(net)
    none = torch.empty(0, dtype=torch.long)
    for graphs in (0, 2):
        (_, edges), nodes, y = sparse(((none.expand(2, 0), torch.randn(0, 2)), torch.randn(0, 3)), none, graphs=graphs)
        assert (edges.shape, nodes.shape, y.shape) == ((0, 2), (0, 3), (graphs, 1))
        assert torch.equal(y, net.bias_2.expand(graphs, 1))


@pytest.mark.filterwarnings("ignore::eqsynth.errors.IgnoredInputWarning")
@pytest.mark.parametrize(
    ("group", "one", "other"),
    [("S(1)", "2xA2.packed + 1x1", "2x1"), ("S(1) x S(2)", "2x(A2.packed,0) + 1x(1,1)", "2x(1,0)")],
)
def test_packed_tensors_without_entries_stand_first(group, one, other):
    """Alternating matrices of one coordinate have no entry, from which the number of samples could be counted."""
    eq.verify(eq.TensorProduct(group, one, other, other), trials=1)
