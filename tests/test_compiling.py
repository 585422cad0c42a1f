"""eq.compile: what torch compiles, with derivatives of every order."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck, gradgradcheck
from torch.testing import assert_close

import eqsynth as eq
from oracle import randomise

CASES = {
    "S(n)": ("S(n)", "2x1", "1x2", 3),
    "O(3)": ("O(3)", "1x2", "2x2", 3),
    "SO(3)": ("SO(3)", "1x1", "1x2", 3),
    "Sp(4)": ("Sp(4)", "2x1", "1x1", 4),
    "A(4)": ("A(4)", "1x1", "1x1", 4),
    "petersen": ("Aut(petersen)", "1x1", "1x1", 10),
}
LAYERS = {**CASES, "O(3) to 0": ("O(3)", "2x2", "1x0", 3)}


@pytest.fixture(autouse=True)
def fresh_compiler():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def layer_of(name):
    torch.manual_seed(0)
    group, space_in, space_out, _ = LAYERS[name]
    return randomise(eq.Linear(group, space_in, space_out, dtype=torch.float64))


def input_of(name, batch=2):
    _, space_in, _, n = LAYERS[name]
    channels, order = map(int, space_in.split("x"))
    return torch.randn(batch, *[n] * order, channels, dtype=torch.float64, requires_grad=True)


def penalty(run, x, module):
    """The gradients of a loss that is made of gradients: forces to be fitted, or a penalty."""
    energy = run(x).sin().sum()
    (force,) = torch.autograd.grad(energy, x, create_graph=True)
    return torch.autograd.grad(energy + force.square().sum(), [x, *module.parameters()])


def assert_same(found, expected):
    for ours, theirs in zip(found, expected, strict=True):
        assert_close(ours, theirs)


def third(run, x, module):
    first = torch.autograd.grad(run(x).sin().sum(), x, create_graph=True)[0]
    second = torch.autograd.grad(first.pow(3).sum(), [x, *module.parameters()], create_graph=True)
    return torch.autograd.grad(sum(part.square().sum() for part in second), [x, *module.parameters()])


@pytest.mark.parametrize("name", CASES)
def test_first_and_second_derivatives(name):
    layer, x = layer_of(name), input_of(name)
    # What aot_eager makes of one kind of graph it makes of the others: by diagrams, and by tables.
    whole = name in ("O(3)", "A(4)")
    compiled = eq.compile(layer, backend="aot_eager" if whole else "eager")
    if whole:
        # Derivatives against differences; tests/test_torch.py does that with those of every layer itself.
        inputs = (x, *layer.parameters())
        assert gradcheck(lambda *_: compiled(x), inputs, fast_mode=True, check_undefined_grad=False)
        assert gradgradcheck(lambda *_: compiled(x), inputs, fast_mode=True, check_undefined_grad=False)
    assert_close(compiled(x), layer(x))
    assert_same(penalty(compiled, x, layer), penalty(layer, x, layer))


def test_gradients_that_are_not_given():
    layer, x = layer_of("O(3)"), input_of("O(3)")
    compiled = eq.compile(layer, backend="eager")
    assert gradgradcheck(compiled, (x,), fast_mode=True, check_undefined_grad=True)


@pytest.mark.usefixtures("open_sizes")
def test_batches_of_other_sizes():
    layer, (x, *others) = layer_of("S(n)"), [input_of("S(n)", batch) for batch in (5, 7, 11)]
    compiled = eq.compile(layer, backend="eager", dynamic=True)
    assert_same(penalty(compiled, x, layer), penalty(layer, x, layer))
    with torch._dynamo.config.patch(error_on_recompile=True):
        for x in others:
            assert_same(penalty(compiled, x, layer), penalty(layer, x, layer))


@pytest.mark.filterwarnings("ignore:`torch._prims_common.check`:FutureWarning")  # inductor's own use of it
@pytest.mark.usefixtures("plain_kernels")
def test_second_derivatives_in_compiled_kernels():
    layer, x = layer_of("O(3) to 0"), input_of("O(3) to 0")
    assert_same(penalty(eq.compile(layer), x, layer), penalty(layer, x, layer))


def test_third_derivatives():
    layer, x = layer_of("SO(3)"), input_of("SO(3)")
    compiled = eq.compile(layer, backend="eager")
    assert_same(third(compiled, x, layer), third(layer, x, layer))


def test_torch_alone_refuses_double_backward():
    """The reason for eq.compile. When this test fails, torch has learnt it: say so in the guide, and think again."""
    layer, x = layer_of("O(3)"), input_of("O(3)")
    with pytest.raises(RuntimeError, match="double backward"):
        penalty(torch.compile(layer, backend="aot_eager"), x, layer)


def test_every_order_is_captured_as_one_graph():
    graphs = []

    def backend(graph, _):
        graphs.append(graph)
        return graph

    layer, x = layer_of("O(3)"), input_of("O(3)")
    compiled = eq.compile(layer, backend=backend)
    compiled(x)
    assert len(graphs) == 1
    compiled(x).sin().sum().backward()
    assert len(graphs) == 2
    penalty(compiled, x, layer)
    made = len(graphs)
    assert made > 2
    penalty(compiled, x, layer)
    assert len(graphs) == made


def test_more_layers_than_torch_compiles_one_function():
    limit = 8  # the default of torch._dynamo.config.recompile_limit
    for channels in range(1, limit + 3):
        layer = eq.Linear("O(3)", f"{channels}x1", "1x1")
        x = torch.randn(2, 3, channels)
        assert_close(eq.compile(layer, backend="eager")(x), layer(x))


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = eq.Linear("SO(3)", "2x1", "3x2 + 2x0")
        self.last = eq.Linear("SO(3)", "3x2 + 2x0", "4x1")

    def forward(self, x, scale):
        tensors, scalars = self.first(x)
        y = self.last((tensors * scalars.sum(-1)[..., None, None, None].tanh(), scalars.relu()))
        halves = (1 - y).split(2, -1)
        return y * scale, halves[0].square().sum((-1, -2)) + halves[1].norm(dim=-1).sum(-1)


@pytest.mark.filterwarnings("ignore::eqsynth.errors.IgnoredInputWarning")
def test_a_network_with_several_outputs_and_other_arguments():
    torch.manual_seed(1)
    network = Network().double()
    compiled = eq.compile(network, backend="eager")
    x = torch.randn(4, 3, 2, dtype=torch.float64, requires_grad=True)
    for scale in (1, True, 0.5):
        assert_same(compiled(x, scale), network(x, scale=scale))
    # The first output has no part in the loss.
    energies = penalty(lambda x: compiled(x, scale=2)[1], x, network)
    assert_same(energies, penalty(lambda x: network(x, 2)[1], x, network))


def test_inputs_in_a_tuple_and_a_size():
    layer = randomise(eq.Linear("S(n)", "2x0 + 1x0", "2x1", dtype=torch.float64))
    compiled = eq.compile(layer, backend="eager")
    inputs = torch.randn(3, 2, dtype=torch.float64), torch.randn(3, 1, dtype=torch.float64)
    for n in (2, 5):
        assert_close(compiled(inputs, n), layer(inputs, n))
        assert_close(compiled(inputs, n=n), layer(inputs, n))
    with pytest.raises(eq.EqsynthError, match="expected"):
        compiled(inputs[:1], 2)


def test_only_what_is_needed_is_differentiated():
    layer, x = layer_of("O(3)"), input_of("O(3)")
    layer.requires_grad_(False)
    compiled = eq.compile(layer, backend="eager")
    compiled(x).sin().sum().backward()
    assert layer.weight.grad is None
    assert not compiled(x.detach()).requires_grad
    layer.requires_grad_(True)
    x = x.detach()
    compiled(x).sin().sum().backward()
    wanted = torch.autograd.grad(layer(x).sin().sum(), layer.weight)[0]
    assert_close(layer.weight.grad, wanted)


def test_copies_are_independent_and_follow_their_own_module():
    layer, x = layer_of("SO(3)"), input_of("SO(3)")
    compiled = eq.compile(layer, backend="eager")
    expected = compiled(x)
    for other in (copy.deepcopy(compiled), pickle.loads(pickle.dumps(compiled))):
        with torch.no_grad():
            other.module.weight.mul_(2)
        assert_close(other(x), other.module(x))
        assert not torch.allclose(other(x), expected)
        assert_close(compiled(x), expected)
        other.float()
        assert_close(other(x.float()), other.module(x.float()))
    assert [*compiled.state_dict()] == ["module.weight", "module.bias", "module._extra_state"]


@pytest.mark.parametrize("inside", [False, True])
def test_autocast_is_the_same_in_the_backward_pass(inside):
    layer, x = layer_of("SO(3)").float(), input_of("SO(3)").detach().float().requires_grad_()

    def gradients(run):
        with torch.autocast("cpu", torch.bfloat16):
            y = run(x)
        assert y.dtype == torch.bfloat16
        with torch.autocast("cpu", torch.bfloat16, enabled=inside):
            return torch.autograd.grad(y.float().sin().sum(), [x, *layer.parameters()])

    for ours, theirs in zip(gradients(eq.compile(layer, backend="aot_eager")), gradients(layer), strict=True):
        assert_close(ours, theirs, rtol=0.05, atol=0.05)


def test_inside_of_a_compiled_model():
    layer, x = layer_of("O(3)"), input_of("O(3)")
    model = nn.Sequential(eq.compile(layer, backend="eager"), nn.Tanh())
    for outer in (torch.compile(model, fullgraph=True, backend="eager"), eq.compile(model, backend="eager")):
        assert_close(outer(x), layer(x).tanh())
    assert_same(penalty(outer, x, layer), penalty(lambda x: layer(x).tanh(), x, layer))


@pytest.mark.parametrize(
    ("part", "why"), [(nn.Dropout(), "random numbers"), (nn.BatchNorm1d(3), "buffers")], ids=["dropout", "batch norm"]
)
def test_modules_that_compute_something_else_each_time_are_refused(part, why):
    model = nn.Sequential(nn.Linear(3, 3), part)
    compiled = eq.compile(model, backend="eager")
    x = torch.randn(2, 3)
    with pytest.raises(eq.EqsynthError, match=why):
        compiled(x)
    compiled.eval()
    assert_close(compiled(x), model(x))
    compiled.train()
    with pytest.raises(eq.EqsynthError, match=why):
        compiled(x)


class Lists(nn.Module):
    def forward(self, x):
        return {"x": x}


def test_outputs_that_are_no_tensors_are_refused():
    with pytest.raises(eq.EqsynthError, match="neither a tensor nor a tuple"):
        eq.compile(Lists(), backend="eager")(torch.ones(1))
