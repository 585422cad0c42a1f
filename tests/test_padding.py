"""Samples of different sizes in one batch: each as if it were alone; graphs of PyTorch Geometric."""

import copy
import pickle
import sys
import warnings
from types import SimpleNamespace

import pytest
import torch
import torch._dynamo.testing
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.autograd import gradcheck
from torch.testing import assert_close

import eqsynth as eq
from eqsynth.errors import EqsynthError, ShapeError, ZeroOutputWarning

SPACE = "3x2 + 2x1 + 4x0"


def quiet(make, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZeroOutputWarning)
        return make(*args, **kwargs)


def batch_of(module, sizes, **junk):
    """Padded inputs of a module of one letter, with numbers or NaN in the padding, that ask for gradients."""
    longest = max(sizes)
    made = []
    for channels, lengths in module._shapes if hasattr(module, "_shapes") else eq.nn.Padded(module)._shapes:
        x = torch.randn(len(sizes), *(longest if n == "n" else n for n in lengths), channels, dtype=torch.float64)
        for place, size in enumerate(sizes):
            for axis, n in enumerate(lengths):
                if n == "n":
                    x[place].narrow(axis, size, longest - size).fill_(junk.get("fill", float("nan")))
        made.append(x.requires_grad_())
    return made


def listed(y):
    return list(y) if isinstance(y, tuple | list) else [y]


def given_as(terms):
    return terms[0] if len(terms) == 1 else tuple(terms)


def cut(x, lengths, size):
    for axis, n in enumerate(lengths, start=1):
        x = x.narrow(axis, 0, size) if n == "n" else x
    return x


def alone(padded, terms, sizes, asked=()):
    """The module for each sample by itself, zeros behind, in a plain loop."""
    rows = []
    for place, size in enumerate(sizes):
        one = [
            cut(x[place : place + 1], lengths, size).contiguous()
            for x, (_, lengths) in zip(terms, padded._shapes, strict=True)
        ]
        made = []
        for y, lengths in zip(
            listed(padded.module(given_as(one), *[size for _ in asked])), padded._shapes_out, strict=True
        ):
            wide = y.new_zeros([1, *(max(sizes) if n == "n" else n for n in lengths), y.shape[-1]])
            wide[tuple(slice(length) for length in y.shape)] = y
            made.append(wide)
        rows.append(made)
    return [torch.cat(column) for column in zip(*rows, strict=True)]


def assert_exact(module, sizes, same=assert_close):
    """Values, zeros in the padding, and gradients of inputs and weights are those of each sample alone."""
    padded = eq.nn.Padded(module.double())
    terms = batch_of(padded, sizes)
    found, meant = listed(padded(given_as(terms), sizes)), alone(padded, terms, sizes)
    weights = [torch.randn_like(y) for y in meant]
    tensors = [*terms, *module.parameters()]
    gradients = []
    for outputs in (found, meant):
        loss = sum((w * y).sum() for w, y in zip(weights, outputs, strict=True))
        gradients.append(torch.autograd.grad(loss, tensors, allow_unused=True, materialize_grads=True))
    assert all(torch.isfinite(y).all() for y in found)
    same(found, meant)
    assert_close(gradients[0], gradients[1])
    for place, size in enumerate(sizes):
        for g, (_, lengths) in zip(gradients[0], padded._shapes, strict=False):
            there = torch.zeros_like(g[place], dtype=torch.bool)
            cut(there[None], lengths, size).fill_(True)
            assert (g[place][~there] == 0).all()


def bitwise(found, meant):
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(found, meant, strict=True))


LAYERS = {
    **{f"linear, {way}": lambda way=way: eq.Linear("S(n)", SPACE, SPACE, normalization=way) for way in
       ("variance", "mean", "sum")},
    "layer norm": lambda: eq.nn.LayerNorm("S(n)", SPACE),
    "layer norm, all": lambda: eq.nn.LayerNorm("S(n)", SPACE, over="all"),
    "batch norm, evaluation": lambda: eq.nn.BatchNorm("S(n)", SPACE).eval(),
    "pool, sum": lambda: eq.nn.Pool("S(n)", SPACE, "sum"),
    "pool, mean": lambda: eq.nn.Pool("S(n)", SPACE, "mean"),
    "pool, max": lambda: eq.nn.Pool("S(n)", SPACE, "max"),
    # sigmoid(0) is not 0: the padding must be filled behind the last layer.
    "activation": lambda: eq.nn.Activation("S(n)", SPACE, "sigmoid"),
    "gated": lambda: eq.nn.Gated("S(n)", SPACE),
    "MLP": lambda: eq.nn.MLP("S(n)", [SPACE, SPACE, "2x2 + 3x0"], norm="layer"),
    "norm activation": lambda: quiet(eq.nn.MLP, "S(n) x O(3)", ["2x(1,1)", "3x(1,1) + 4x(1,0)", "2x(1,1)"], "norm"),
    "pool of points": lambda: eq.nn.Pool("S(n) x O(3)", "2x(1,1) + 3x(2,0)", "max", "norm"),
    "residual": lambda: eq.nn.Residual(eq.nn.MLP("S(n)", [SPACE, "4x0", SPACE])),
    "sizes from the whole": lambda: eq.nn.MLP("S(n)", ["3x2", "4x0", "2x1"]),
    "one term": lambda: eq.Linear("S(n)", "3x2", "2x1"),
    "points": lambda: quiet(eq.nn.MLP, "S(n) x O(3)", ["2x(1,1)", "3x(1,1) + 4x(1,0) + 2x(0,0)", "1x(0,1) + 2x(1,0)"]),
    "even permutations": lambda: eq.Linear("A(n)", "3x2", "2x1"),
    "rotations in any dimension": lambda: quiet(eq.nn.MLP, "O(n)", ["3x1", "4x1 + 2x0", "1x2 + 1x0"]),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_each_sample_is_what_it_is_alone(name):
    torch.manual_seed(0)
    assert_exact(LAYERS[name](), [3, 5, 2, 3, 4, 5])


@pytest.mark.parametrize("name", LAYERS)
def test_bit_for_bit_where_the_same_kernels_run(name):
    """Sizes that are all different: the module is called with each sample alone."""
    torch.manual_seed(0)
    assert_exact(LAYERS[name](), [4, 2, 5, 3], bitwise)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=7), st.integers(0, 4))
def test_every_list_of_sizes(sizes, more):
    torch.manual_seed(len(sizes))
    assert_exact(eq.nn.MLP("S(n)", ["2x2 + 1x1", "2x2 + 2x1", "2x1 + 1x0"]), sizes)
    # More padding than the largest sample needs changes nothing.
    net = eq.nn.Padded(eq.Linear("S(n)", "2x2", "2x1", dtype=torch.float64))
    x = torch.randn(len(sizes), max(sizes) + more, max(sizes) + more, 2, dtype=torch.float64)
    small = x[:, : max(sizes), : max(sizes)]
    assert torch.equal(net(x, sizes)[:, : max(sizes)], net(small, sizes))
    assert (net(x, sizes)[:, max(sizes) :] == 0).all()


def test_the_check_notices_padding_that_leaks():
    class Leaky(eq.nn.Padded):
        def forward(self, x, sizes):  # noqa: ARG002 - what is wrong with it
            return self.module(x)

    module = eq.Linear("S(n)", "3x2", "2x1").double()
    padded, sizes = Leaky(module), [2, 4]
    (x,) = batch_of(padded, sizes, fill=0.0)
    with pytest.raises(AssertionError):
        assert_close([padded(x, sizes)], alone(padded, [x], sizes))
    (nan,) = batch_of(padded, sizes)
    assert not torch.isfinite(padded(nan, sizes)).all()
    assert torch.isfinite(eq.nn.Padded(module)(nan, sizes)).all()


def test_second_derivatives():
    net = eq.nn.Padded(eq.nn.MLP("S(n)", ["1x2", "2x1", "1x0"], "tanh", dtype=torch.float64))
    x = torch.randn(3, 3, 3, 1, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: net(x, [2, 3, 2]), x)
    torch.autograd.gradgradcheck(lambda x: net(x, [2, 3, 2]), x)


def test_sizes_may_be_a_tensor_a_list_or_a_mask():
    net, x = eq.nn.Padded(eq.Linear("S(n)", "3x2", "2x1")), torch.randn(3, 4, 4, 3)
    y = net(x, [2, 4, 1])
    mask = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]]).bool()
    for sizes in (
        torch.tensor([2, 4, 1]),
        torch.tensor([2, 4, 1], dtype=torch.uint8),
        mask,
        mask.tolist(),
        {"n": mask},
    ):
        assert torch.equal(net(x, sizes), y)


def test_several_batch_axes_and_none_at_all():
    net, x = eq.nn.Padded(eq.nn.MLP("S(n)", ["3x2", "4x1", "2x1"])), torch.randn(2, 3, 4, 4, 3)
    sizes = torch.tensor([[1, 4, 2], [3, 4, 2]])
    assert_close(net(x, sizes), net(x.flatten(0, 1), sizes.flatten()).unflatten(0, (2, 3)))
    assert net(x[:0], sizes[:0]).shape == (0, 3, 4, 2)
    assert net(torch.zeros(0, 4, 4, 3), []).shape == (0, 4, 2)
    with pytest.raises(ShapeError, match="with a batch axis"):
        net(x[0, 0], [])


def test_several_letters():
    layer = eq.Linear("S(n) x S(m)", "2x(1,1)", "3x(1,0) + 2x(0,1)", dtype=torch.float64)
    net, x = eq.nn.Padded(layer), torch.randn(3, 4, 5, 2, dtype=torch.float64)
    n, m = [2, 4, 2], [5, 3, 1]
    rows, columns = net(x, {"n": n, "m": torch.tensor(m)})
    for place in range(3):
        row, column = layer(x[place : place + 1, : n[place], : m[place]])
        assert_close(rows[place, : n[place]], row[0])
        assert_close(columns[place, : m[place]], column[0])
        assert (rows[place, n[place] :] == 0).all()
        assert (columns[place, m[place] :] == 0).all()
    # A letter without sizes has no padding.
    assert_close(net(x, {"n": n})[1][2], layer(x[2:, :2])[1][0])
    with pytest.raises(ShapeError, match="which of m, n are these sizes of"):
        net(x, n)
    with pytest.raises(ShapeError, match="'k', but the letters are m, n"):
        net(x, {"k": n})


def test_sizes_that_no_input_shows():
    net = eq.nn.Padded(eq.Linear("S(n)", "3x0", "2x1"))
    x = torch.randn(3, 3)
    y = net(x, [2, 4, 1])
    assert y.shape == (3, 4, 2)
    assert_close(y[0, :2], net.module(x[:1], 2)[0])
    mask = torch.arange(6) < torch.tensor([2, 4, 1]).unsqueeze(1)
    assert_close(net(x, mask)[:, :4], y)
    assert net(x, mask).shape == (3, 6, 2)
    with pytest.raises(ShapeError, match="no input has an axis of length n"):
        net(x, {})


# --- normalisation over the batch, dropout ---------------------------------------------------------


def test_batch_norm_takes_what_is_there_of_all_samples():
    torch.manual_seed(0)
    sizes = [2, 4, 3, 2]
    net = eq.nn.Padded(eq.nn.Residual(eq.nn.Sequential(eq.nn.BatchNorm("S(n)", "3x2"))).double())
    (x,) = batch_of(net, sizes)
    reference = nn.BatchNorm1d(3, dtype=torch.float64)
    rows = torch.cat([sample.reshape(-1, 3) for sample in eq.nn.unpad(x, sizes)])
    meant = rows + reference(rows)
    found = torch.cat([sample.reshape(-1, 3) for sample in eq.nn.unpad(net(x, sizes), sizes)])
    assert_close(found, meant)
    norm = net.module.module[0]
    assert_close(norm.running_mean, reference.running_mean)
    assert_close(norm.running_var, reference.running_var)
    assert norm.num_batches_tracked == 1


def test_batch_norm_of_components():
    torch.manual_seed(0)
    norm = eq.nn.BatchNorm("S(n) x O(3)", "2x(1,1)").double()
    net, sizes = eq.nn.Padded(norm), [2, 5, 3]
    (x,) = batch_of(net, sizes)
    rows = torch.cat([sample.reshape(-1, 2) for sample in eq.nn.unpad(x, sizes, norm.group, norm.space_in)])
    square = rows.square().mean(0)
    y = torch.cat([s.reshape(-1, 2) for s in eq.nn.unpad(net(x, sizes), sizes, norm.group, norm.space_in)])
    assert_close(y, rows / (square + norm.eps).sqrt())
    assert_close(norm.running_var, 0.9 + 0.1 * square)


def test_batch_norm_in_a_network_whose_layers_ask_for_n():
    torch.manual_seed(0)
    net = eq.nn.Padded(eq.nn.MLP("S(n)", ["3x2", "4x0", "2x1"], norm="batch").double())
    x, sizes = torch.randn(4, 5, 5, 3, dtype=torch.float64), [5, 2, 5, 3]
    first, norm, act, last = net.module
    hidden = torch.cat([first(one[None]) for one in eq.nn.unpad(x, sizes)])
    hidden = act(copy.deepcopy(norm)(hidden))
    for found, one, n in zip(eq.nn.unpad(net(x, sizes), sizes), hidden, sizes, strict=True):
        assert_close(found, last(one[None], n)[0])


def test_batch_norm_that_cannot_be_reached_is_refused():
    class Own(nn.Module):
        group, space_in, space_out = "S(n)", "3x1", "3x1"

        def __init__(self, norm):
            super().__init__()
            self.norm = norm

        def forward(self, x):
            return self.norm(x)

    x = torch.randn(2, 4, 3)
    net = eq.nn.Padded(Own(eq.nn.BatchNorm("S(n)", "3x1")))
    with pytest.raises(EqsynthError, match=r"Own has batch normalisation inside.*LayerNorm.*\.eval\(\)"):
        net(x, [2, 4])
    assert net(x, [4, 4]).shape == x.shape
    assert net.eval()(x, [2, 4]).shape == x.shape
    with pytest.raises(EqsynthError, match="Own has batch normalisation"):
        eq.nn.Padded(eq.nn.Sequential(Own(nn.BatchNorm1d(4))))(x, [2, 4])


def test_dropout_draws_for_each_sample():
    torch.manual_seed(0)
    net, sizes = eq.nn.Padded(eq.nn.Dropout("S(n)", "64x1", 0.5)), [2, 3, 2, 3]
    samples = eq.nn.unpad(net(torch.ones(4, 3, 64), sizes), sizes)
    assert all((sample == sample[:1]).all() for sample in samples)
    assert len({tuple(sample[0].tolist()) for sample in samples}) == 4


# --- torch's machinery, refusals ---------------------------------------------------------------------


def test_copies_pickles_and_weights():
    net = eq.nn.Padded(eq.nn.MLP("S(n)", ["2x2", "4x1", "1x0"]))
    x, sizes = torch.randn(3, 4, 4, 2), [2, 4, 3]
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(other(x, sizes), net(x, sizes))
    assert {f"module.{name}" for name in net.module.state_dict()} == set(net.state_dict())


def test_compiled_inside():
    """After the first sizes torch compiles once for all: no more graphs, whatever sizes come."""
    counter = torch._dynamo.testing.CompileCounter()
    net = eq.nn.MLP("S(n)", ["2x2", "4x1", "1x1"])
    padded, plain = eq.nn.Padded(torch.compile(net, backend=counter)), eq.nn.Padded(net)
    counts = []
    for sizes in ([2, 3, 3, 5, 5, 5], [7, 8, 8], [4, 9, 4, 6, 6, 6]):
        x = torch.randn(len(sizes), max(sizes), max(sizes), 2)
        assert_close(padded(x, sizes), plain(x, sizes))
        counts.append(counter.frame_count)
    assert counts[0] >= 1
    assert counts[-1] == counts[-2] <= 4


def test_forces_through_eq_compile():
    net = eq.nn.MLP("S(n)", ["2x1", "4x1", "1x0"], "tanh", dtype=torch.float64)
    sizes, found = [2, 4, 2], []
    x = torch.randn(3, 4, 2, dtype=torch.float64, requires_grad=True)
    for module in (net, eq.compile(net, backend="eager")):
        (force,) = torch.autograd.grad(eq.nn.Padded(module)(x, sizes).sum(), x, create_graph=True)
        found.append(torch.autograd.grad(force.square().sum(), [x, *net.parameters()], allow_unused=True)[:3])
    assert_close(*found)
    assert eq.nn.Sequential(eq.compile(net, backend="eager")).space_in == net.space_in


def test_a_padded_network_commutes_with_relabelling():
    """In the public check, whose samples have one size, beside a larger sample whose padding would be seen."""

    class Among(nn.Module):
        group, space_in, space_out = "S(n)", "2x2", "3x1"

        def __init__(self):
            super().__init__()
            self.net = eq.nn.Padded(eq.nn.MLP("S(n)", ["2x2", "4x2", "3x1"], norm="layer"))

        def forward(self, x):
            n = x.shape[1]
            wide = nn.functional.pad(x, (0, 0, 0, 2, 0, 2), value=7.0)
            large = torch.ones_like(wide[:1])
            return self.net(torch.cat((large, wide)), [n + 2] + [n] * len(x))[1:, :n]

    eq.testing.assert_equivariant(Among())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast(dtype):
    net, x = eq.nn.Padded(eq.nn.MLP("S(n)", ["2x2", "4x2", "3x1"], norm="layer")), torch.randn(3, 4, 4, 2)
    with torch.autocast("cpu", dtype):
        y, meant = net(x, [2, 4, 3]), net.module(x[1:2])
    assert y.dtype == meant.dtype
    assert_close(y[1:2], meant, rtol=0.05, atol=0.05)


@pytest.mark.parametrize(
    ("sizes", "why"),
    [
        ([2, 5, 1], r"sample 1 is said to have n = 5, expected 0 to 4"),
        ([2, -1, 1], r"n = -1"),
        ([2, 4], r"sizes have shape \(2,\), but the batch has \(3,\)"),
        ([[2, 4, 1]], r"sizes have shape \(1, 3\)"),
        ([2.0, 4.0, 1.0], r"whole numbers"),
        ([[True, False, True, False]] * 3, r"holes.*must come first"),
        ([[True] * 3] * 3, r"the mask has shape \(3, 3\), expected \(3, 4\)"),
        ([[True] * 4] * 2, r"the mask has shape \(2, 4\), expected \(3, 4\)"),
    ],
)
def test_sizes_that_are_refused(sizes, why):
    net = eq.nn.Padded(eq.Linear("S(n)", "3x2", "2x1"))
    with pytest.raises(ShapeError, match=why):
        net(torch.randn(3, 4, 4, 3), sizes)


def test_the_way_out_of_a_mask_with_holes():
    """What the message says: the nodes that are there first, everything else along with them."""
    torch.manual_seed(0)
    net = eq.nn.Padded(eq.Linear("S(n)", "2x2", "3x1"))
    x, mask = torch.randn(2, 4, 4, 2), torch.tensor([[False, True, False, True], [True, True, False, True]])
    order = mask.int().argsort(dim=-1, descending=True, stable=True)
    x = x.take_along_dim(order[:, :, None, None], 1).take_along_dim(order[:, None, :, None], 2)
    y = net(x, mask.sum(-1))
    again = net(x, mask.take_along_dim(order, 1))
    assert torch.equal(y, again)
    assert (y[0, 2:] == 0).all()
    assert (y[0, :2] != 0).all()


def test_modules_and_tensors_that_are_refused():
    with pytest.raises(EqsynthError, match=r"all samples of S\(3\) have the same size"):
        eq.nn.Padded(eq.Linear("S(3)", "1x1", "1x1"))
    with pytest.raises(EqsynthError, match="already"):
        eq.nn.Padded(eq.nn.Padded(eq.Linear("S(n)", "1x1", "1x1")))
    with pytest.raises(EqsynthError, match="does not say what its group"):
        eq.nn.Padded(nn.Linear(3, 3))
    net = eq.nn.Padded(eq.Linear("S(n)", "1x2 + 1x1", "1x1"))
    for x in (torch.randn(2, 3, 3, 1), (torch.randn(2, 3, 3, 1), torch.randn(2, 4, 1))):
        with pytest.raises(ShapeError):
            net(x, [2, 3])


def test_pad_and_unpad():
    samples = [(torch.randn(n, n, 2), torch.randn(n, 3), torch.randn(4)) for n in (2, 5, 1)]
    x, sizes = eq.nn.pad(samples)
    assert [term.shape for term in x] == [(3, 5, 5, 2), (3, 5, 3), (3, 4)]
    assert sizes.tolist() == [2, 5, 1]
    assert sum(int((term != 0).sum()) for term in x) == sum(term.numel() for sample in samples for term in sample)
    back = eq.nn.unpad(x, sizes)
    assert all(
        torch.equal(a, b) for ours, theirs in zip(back, samples, strict=True) for a, b in zip(ours, theirs, strict=True)
    )
    tables, sizes = eq.nn.pad([torch.ones(2, 3, 1), torch.ones(4, 1, 1)], "S(n) x S(m)", "1x(1,1)")
    assert {letter: values.tolist() for letter, values in sizes.items()} == {"n": [2, 4], "m": [3, 1]}
    assert [s.shape for s in eq.nn.unpad(tables, sizes, "S(n) x S(m)", "1x(1,1)")] == [(2, 3, 1), (4, 1, 1)]


def test_pad_takes_nested_tensors():
    rows = [torch.randn(2, 3), torch.randn(4, 3)]
    for layout in (torch.jagged, torch.strided):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            nested = torch.nested.nested_tensor(rows, layout=layout)
            x, sizes = eq.nn.pad(nested)
        assert torch.equal(x, eq.nn.pad(rows)[0])
        assert sizes.tolist() == [2, 4]


@pytest.mark.parametrize(
    ("samples", "more", "why"),
    [
        ([], (), "expected a list of samples"),
        ([torch.ones(2, 3, 1)], (), "an axis of 3 where n is 2"),
        ([(torch.ones(2, 2, 1), torch.ones(3, 1))], (), "an axis of 3 where n is 2"),
        ([torch.ones(2, 2, 1), torch.ones(3, 1)], (), "sample 1 has shapes"),
        ([torch.ones(2, 2, 1), torch.ones(2, 2, 2)], (), "sample 1 has shapes"),
        ([torch.ones(4), torch.ones(4)], (), "no term has an axis of length n"),
        ([torch.ones(2, 3, 1)], ("S(n) x O(3)",), "Give the space"),
        ([torch.ones(2, 3, 1)], ("S(n) x O(3)", "1x(2,1)"), "are not those of"),
    ],
)
def test_samples_that_are_refused(samples, more, why):
    with pytest.raises(ShapeError, match=why):
        eq.nn.pad(samples, *more)


# --- PyTorch Geometric -------------------------------------------------------------------------------


def graphs():
    """A triangle with two edges 0 -> 1, a loop and a node without edges; and a single node."""
    one = SimpleNamespace(
        x=torch.arange(8.0).reshape(4, 2) + 1,
        edge_index=torch.tensor([[0, 0, 1, 2, 2], [1, 1, 2, 0, 2]]),
        edge_attr=torch.tensor([[1.0], [2.0], [3.0], [4.0], [5.0]]),
    )
    two = SimpleNamespace(x=torch.ones(1, 2), edge_index=torch.zeros(2, 0).long(), edge_attr=torch.zeros(0, 1))
    return one, two


def test_graphs_become_tensors():
    edges, nodes, sizes = eq.nn.from_pyg(list(graphs()))
    assert sizes.tolist() == [4, 1]
    # Several edges are added, nothing is mirrored, loops are on the diagonal.
    assert edges[0, ..., 0].tolist() == [[0, 3, 0, 0], [0, 0, 3, 0], [4, 0, 5, 0], [0, 0, 0, 0]]
    assert edges[1].count_nonzero() == 0
    assert nodes[1].tolist() == [[1, 1], [0, 0], [0, 0], [0, 0]]
    assert torch.equal(nodes[0], graphs()[0].x)
    assert eq.nn.from_pyg(list(graphs()), n=6)[0].shape == (2, 6, 6, 1)


def test_a_batch_is_the_list_of_its_graphs():
    one, two = graphs()
    batch = SimpleNamespace(
        x=torch.cat((two.x, one.x, two.x)), edge_index=one.edge_index + 1, edge_attr=one.edge_attr[:, 0]
    )
    meant = eq.nn.from_pyg([two, one, two])
    for more in ({"ptr": torch.tensor([0, 1, 5, 6])}, {"batch": torch.tensor([0, 1, 1, 1, 1, 2])}):
        assert_close(eq.nn.from_pyg(SimpleNamespace(**vars(batch), **more)), meant)
    alone = eq.nn.from_pyg(one)
    assert torch.equal(alone[0][0], meant[0][1])
    assert alone[2].tolist() == [4]


def test_graphs_without_features():
    index = torch.tensor([[0, 1], [1, 0]])
    edges, nodes, sizes = eq.nn.from_pyg(SimpleNamespace(edge_index=index))
    assert edges[0, ..., 0].tolist() == [[0, 1], [1, 0]]
    assert nodes[0].tolist() == [[1], [1]]
    _, nodes, sizes = eq.nn.from_pyg(SimpleNamespace(edge_index=index, num_nodes=3))
    assert sizes.tolist() == [3]
    assert nodes.shape == (1, 3, 1)
    half = eq.nn.from_pyg(SimpleNamespace(edge_index=index, x=torch.ones(2, 1, dtype=torch.float64)))
    assert half[0].dtype == half[1].dtype == torch.float64
    trailing = SimpleNamespace(edge_index=index, batch=torch.tensor([0, 0]), num_graphs=2)
    assert eq.nn.from_pyg(trailing)[2].tolist() == [2, 0]


def test_gradients_reach_the_graphs_and_come_back():
    one, two = graphs()
    one.x.requires_grad_(), one.edge_attr.requires_grad_()
    edges, nodes, sizes = eq.nn.from_pyg([one, two])
    net = eq.nn.Padded(eq.Linear("S(n)", "1x2 + 2x1", "3x2 + 2x1"))
    edges, nodes = net((edges, nodes), sizes)
    out = eq.nn.to_pyg(edges, nodes, sizes, one.edge_index)
    assert out.edge_attr.shape == (5, 3)
    assert out.x.shape == (5, 2)
    out.edge_attr.sum().backward()
    assert one.x.grad.abs().sum() > 0
    assert one.edge_attr.grad.abs().sum() > 0


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=5), st.integers(0, 99))
def test_there_and_back(sizes, seed):
    torch.manual_seed(seed)
    samples = [((torch.rand(n, n, 2) + 1) * (torch.rand(n, n, 1) < 0.5), torch.randn(n, 3)) for n in sizes]
    (edges, nodes), table = eq.nn.pad(samples)
    batch = eq.nn.to_pyg(edges, nodes, table)
    assert_close(eq.nn.from_pyg(batch), (edges, nodes, table))
    assert batch.num_nodes == sum(sizes) == len(batch.x)
    assert batch.ptr[-1] == sum(sizes)
    del batch.ptr
    assert_close(eq.nn.from_pyg(batch), (edges, nodes, table))
    only = eq.nn.to_pyg(edges, None, table, make=dict)
    assert "x" not in only
    assert torch.equal(only["edge_index"], batch.edge_index)
    assert set(eq.nn.to_pyg(None, nodes, table, make=dict)) == {"batch", "ptr", "num_nodes", "x"}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({}, "edge_index"),
        ({"edge_index": torch.zeros(3, 2)}, "edge_index of shape"),
        ({"edge_index": torch.tensor([[0], [2]]), "x": torch.ones(2, 1)}, "names nodes from 0 to 2, of 2"),
        ({"edge_index": torch.tensor([[0], [1]]), "ptr": torch.tensor([0, 1, 2])}, "joins two graphs"),
        ({"edge_index": torch.tensor([[0], [1]]), "batch": torch.tensor([1, 0])}, "sorted"),
        ({"edge_index": torch.tensor([[0], [1]]), "edge_attr": torch.ones(2, 1)}, "edge_attr has shape"),
        ({"edge_index": torch.tensor([[0], [1]]), "x": torch.ones(3, 1), "ptr": torch.tensor([0, 2])}, "x has shape"),
        ({"edge_index": torch.tensor([[0], [1]]), "ptr": torch.tensor([0, 1 << 60])}, "fewer than 268,435,456 nodes"),
        ({"edge_index": torch.tensor([[0], [1 << 60]])}, "edge_index counts nodes up to"),
        ({"edge_index": torch.zeros(2, 0), "batch": torch.tensor([0, 1 << 60])}, "batch counts graphs up to"),
        ({"edge_index": torch.zeros(2, 0), "ptr": torch.tensor([-5, 2])}, "goes up: 0"),
        ({"edge_index": torch.zeros(2, 0), "x": torch.ones(2, 1).to(torch.uint16)}, "x holds torch.uint16"),
        ({"edge_index": torch.zeros(2, 0), "x": torch.ones(2, 1).to_sparse()}, "no dense tensor"),
        ({"edge_index": torch.zeros(2, 1, device="meta").long()}, "no dense tensor"),
    ],
)
def test_graphs_that_are_refused(data, why):
    with pytest.raises(ShapeError, match=why):
        eq.nn.from_pyg(SimpleNamespace(**data))


def test_more_that_is_refused():
    one, two = graphs()
    with pytest.raises(ShapeError, match="4 nodes, which is more than n = 3"):
        eq.nn.from_pyg(one, n=3)
    with pytest.raises(ShapeError, match="some of these graphs have edge_attr"):
        eq.nn.from_pyg([one, SimpleNamespace(x=two.x, edge_index=two.edge_index)])
    with pytest.raises(ShapeError, match="at least one graph"):
        eq.nn.from_pyg([])
    edges, nodes, sizes = eq.nn.from_pyg([one, two])
    for wrong in ((edges, nodes[:1], sizes), (None, None, sizes), (nodes, nodes, sizes), (edges, nodes, [5, 1]),
                  (edges, nodes, [4]), (edges, nodes, [4.0, 1.0])):  # fmt: skip
        with pytest.raises(ShapeError, match="expected"):
            eq.nn.to_pyg(*wrong)
    with pytest.raises(ShapeError, match="joins two graphs"):
        eq.nn.to_pyg(edges, nodes, sizes, torch.tensor([[0], [4]]))
    with pytest.raises(ShapeError, match="names nodes from 0 to 5, of 5"):
        eq.nn.to_pyg(edges, nodes, sizes, torch.tensor([[0], [5]]))


def test_pytorch_geometric_is_not_needed():
    assert "torch_geometric" not in sys.modules
