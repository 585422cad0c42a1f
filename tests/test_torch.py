"""Layers in the hands of torch: derivatives, vmap, compiler, exporters, low precision, copies, parallel training."""

import ast
import copy
import importlib.util
import io
import pickle
import sys
from dataclasses import dataclass
from functools import cache

import pytest
import torch
import torch._dynamo.testing
from torch import nn
from torch.autograd import gradcheck, gradgradcheck
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, stack_module_state, vmap
from torch.nn.utils import parametrize
from torch.testing import assert_close

import eqsynth as eq
from eqsynth.spaces.space import axis_counts
from oracle import randomise, shape, sizes_of


@dataclass(frozen=True)
class Case:
    """A layer for each kind of step that the emitter knows, and the sizes to run it at."""

    group: str
    space_in: str
    space_out: str
    sizes: tuple[int, ...]
    method: str = "diagrams"
    parameters: str = "diagrams"

    def layer(self, **options):
        how = {"method": self.method, "parameters": self.parameters}
        return eq.Linear(self.group, self.space_in, self.space_out, **how, **options)


CASES = {
    "S(n)": Case("S(n)", "2x2", "3x2", (4, 5, 7)),
    "S(n) wide": Case("S(n)", "3x2 + 2x1", "2x2 + 4x0", (4, 5, 7)),
    "S(n) narrow": Case("S(n)", "2x2 + 3x1", "3x2 + 4x1", (4, 5, 7)),
    "S(n) from scalars": Case("S(n)", "2x0", "3x2", (4, 5, 7)),
    "S(3)": Case("S(3)", "2x2", "3x2", (3,)),
    "S(2) dependent": Case("S(2)", "1x3 + 1x1", "1x3", (2,)),
    "O(n)": Case("O(n)", "2x2", "3x2", (4, 5, 7)),
    "O(3) 3 to 3": Case("O(3)", "1x3", "2x3", (3,)),
    "O(3) 1 to 3": Case("O(3)", "2x1", "1x3", (3,)),
    "SO(3)": Case("SO(3)", "2x2", "2x3", (3,)),
    "SO(6) by tables": Case("SO(6)", "1x3", "1x3", (6,)),
    "Sp(n)": Case("Sp(n)", "2x2", "1x2 + 2x0", (4, 6, 8)),
    "Sp(4)": Case("Sp(4)", "2x2", "3x2", (4,)),
    "Sp(4) 3 to 3": Case("Sp(4)", "1x3", "1x3", (4,)),
    "A(4)": Case("A(4)", "1x2", "2x2", (4,)),
    "A(5)": Case("A(5)", "1x2", "2x2", (5,)),
    "petersen": Case("Aut(petersen)", "2x1", "3x1", (10,)),
    "petersen 2 to 1": Case("Aut(petersen)", "1x2", "2x1", (10,)),
    "karate": Case("Aut(karate)", "1x1", "2x1", (34,), "matrix"),
    "permutations": Case("Perm(4: 1 2 3 0)", "2x2 + 1x0", "3x1 + 1x2", (4,), "matrix"),
    "matrices": Case("Matrix([[0,1],[-1,0]]; )", "2x1 + 1x2", "3x1 + 2x0", (2,), "matrix"),
    "S(4) by Fourier": Case("S(4)", "2x3", "2x2", (4,), "fourier"),
    "S(n) by Fourier": Case("S(n)", "2x2 + 1x1", "2x2", (4, 5, 7), "fourier"),
    "O(3) by irreps": Case("O(3)", "2x3 + 1x1", "3x3", (3,), "irreps"),
    "O(3) row by row": Case("O(3)", "2x2", "3x2", (3,), "irreps"),
    "SO(2) by irreps": Case("SO(2)", "2x2", "2x0 + 1x2", (2,), "irreps"),
    "O(3) blocks": Case("O(3)", "2x2", "3x4", (3,), "irreps", "blocks"),
    "SO(3) by a matrix": Case("SO(3)", "2x2", "2x3", (3,), "matrix"),
    "product": Case("S(n) x O(3)", "2x(2,1) + 1x(0,0)", "3x(1,1) + 2x(1,0)", (4, 5, 7)),
}


@cache
def made(name):
    torch.manual_seed(0)
    case = CASES[name]
    return randomise(case.layer(dtype=torch.float64))


def layer_of(name, dtype=torch.float64):
    """A layer of our own: making one of 735 maps takes seconds, copying does not."""
    return copy.deepcopy(made(name)).to(dtype)


def sizes_at(layer, n):
    return sizes_of(layer, [n if isinstance(factor.n, str) else factor.n for factor in layer.hom.group.factors])


def inputs_at(layer, n, batch=(2,), dtype=torch.float64):
    sizes = sizes_at(layer, n)
    return [torch.randn(*batch, *shape(order, sizes), c, dtype=dtype) for c, order in layer.hom.space_in]


def arguments(layer, inputs, n):
    """What ``forward`` takes: one tensor or a tuple, and n where no input shows it."""
    shown = any(any(axis_counts(order)) for order in layer.hom.space_in.orders)
    extra = (n,) if layer.hom.group.symbolic and not shown else ()
    return (inputs[0] if len(inputs) == 1 else tuple(inputs), *extra)


def tensors(made):
    return made if isinstance(made, tuple) else (made,)


class Setting:
    """A layer as a function of tensors: its parameters, by name, and then its inputs."""

    def __init__(self, name, batch=(2,)):
        self.layer = layer_of(name)
        self.n = CASES[name].sizes[0]
        self.parameters = {key: value.detach() for key, value in self.layer.named_parameters()}
        self.inputs = inputs_at(self.layer, self.n, batch)
        self.values = [*self.parameters.values(), *self.inputs]
        self.names = [*self.parameters, *(f"input {i}" for i in range(len(self.inputs)))]

    def __call__(self, *values):
        count = len(self.parameters)
        parameters = dict(zip(self.parameters, values[:count], strict=True))
        return tensors(functional_call(self.layer, parameters, arguments(self.layer, values[count:], self.n)))

    def flat(self, *values):
        return torch.cat([y.flatten() for y in self(*values)])

    def of(self, place):
        """The outputs as a function of one tensor: an affine one, since layers are linear in each."""
        return lambda value: self.flat(*[value if i == place else v for i, v in enumerate(self.values)])

    def places(self, kind):
        return [i for i, name in enumerate(self.names) if name.startswith(kind)]


# --- derivatives --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_first_derivatives_forward_and_backward(name):
    # Random projections of the Jacobian where it has a thousand columns; entry by entry otherwise, for a batch of one.
    setting = Setting(name, batch=(1,))
    values = [value.requires_grad_() for value in setting.values]
    assert gradcheck(setting, values, fast_mode=name == "karate")
    setting = Setting(name)
    values = [value.requires_grad_() for value in setting.values]
    assert gradcheck(setting, values, fast_mode=True, check_forward_ad=True, check_batched_grad=True)


@pytest.mark.parametrize("name", CASES)
def test_second_derivatives(name):
    setting = Setting(name)
    values = [value.requires_grad_() for value in setting.values]
    assert gradgradcheck(setting, values, fast_mode=True, check_fwd_over_rev=True, check_batched_grad=True)


@pytest.mark.parametrize("name", CASES)
def test_jacobians_forward_and_reverse_agree_with_differences(name):
    """A layer is affine in each tensor alone, so that differences are derivatives."""
    setting = Setting(name, batch=())
    for place, value in enumerate(setting.values):
        f = setting.of(place)
        zero = f(value)
        # Every column of a small Jacobian, a hundred or so of a large one.
        some = range(0, value.numel(), 1 + value.numel() // 200)
        steps = torch.eye(value.numel(), dtype=value.dtype)[some].reshape(-1, *value.shape)
        differences = torch.stack([f(value + step) - zero for step in steps], -1)
        for jacobian in (jacrev, jacfwd):
            assert_close(jacobian(f)(value).flatten(1)[:, some], differences)
        direction = torch.randn_like(value)
        assert_close(jvp(f, (value,), (direction,)), (zero, f(value + direction) - zero))


@pytest.mark.parametrize("name", CASES)
def test_hessians_of_a_square(name):
    """Of |f|^2 for affine f: twice the Jacobian times itself."""
    setting = Setting(name, batch=())
    for place, value in enumerate(setting.values):
        if value.numel() > 1000:
            continue  # the weights of the karate club: a Hessian of two million entries, which takes seconds
        f = setting.of(place)
        jacobian = torch.autograd.functional.jacobian(f, value).flatten(1)
        found = hessian(lambda v, f=f: f(v).square().sum())(value)
        assert_close(found.reshape(value.numel(), value.numel()), 2 * jacobian.T @ jacobian)


# --- vmap ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_vmap_over_inputs(name):
    setting = Setting(name, batch=(3,))
    meant = setting(*setting.values)
    dims = tuple([None] * len(setting.parameters) + [0] * len(setting.inputs))
    for ours, theirs in zip(vmap(setting, dims)(*setting.values), meant, strict=True):
        assert_close(ours, theirs)
    # The mapped axis last, after the channels, and put back there.
    moved = [*setting.parameters.values(), *(x.movedim(0, -1).contiguous() for x in setting.inputs)]
    dims = tuple([None] * len(setting.parameters) + [-1] * len(setting.inputs))
    for ours, theirs in zip(vmap(setting, dims, -1)(*moved), meant, strict=True):
        assert_close(ours, theirs.movedim(0, -1))


def test_vmap_over_inputs_where_the_bias_alone_fills_the_output():
    for group, orders in (("SO(3)", (1, 3)), ("S(n)", (1, 3)), ("O(3)", (2, 2))):
        layer = randomise(eq.Linear(group, f"1x{orders[0]}", f"1x{orders[1]}", dtype=torch.float64))
        x = torch.randn(2, *[3] * orders[0], 1, dtype=torch.float64)
        assert_close(vmap(layer)(x), layer(x))


@pytest.mark.parametrize("name", CASES)
def test_an_ensemble_of_layers(name):
    layers = [randomise(layer_of(name)) for _ in range(3)]
    parameters, buffers = stack_module_state(layers)
    n = CASES[name].sizes[0]
    inputs = [torch.stack(xs) for xs in zip(*(inputs_at(layer, n) for layer in layers), strict=True)]

    def run(parameters, buffers, *xs):
        return tensors(functional_call(layers[0], (parameters, buffers), arguments(layers[0], xs, n)))

    each_its_own = vmap(run)(parameters, buffers, *inputs)
    shared = vmap(run, (0, 0, *[None] * len(inputs)))(parameters, buffers, *(x[0] for x in inputs))
    for place, layer in enumerate(layers):
        mine = tensors(layer(*arguments(layer, [x[place] for x in inputs], n)))
        same = tensors(layer(*arguments(layer, [x[0] for x in inputs], n)))
        for ours, ours_shared, theirs, theirs_shared in zip(each_its_own, shared, mine, same, strict=True):
            assert_close(ours[place], theirs)
            assert_close(ours_shared[place], theirs_shared)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("kind", ["weight", "bias", "input"])
def test_vmap_over_one_tensor_alone(kind, name):
    """As in a sweep of one weight, or a Hessian with respect to a bias by hand."""
    setting = Setting(name)
    for place in setting.places(kind):
        stack = torch.randn(3, *setting.values[place].shape, dtype=torch.float64)
        # Stacked first, and last.
        meant = torch.stack([setting.of(place)(value) for value in stack])
        assert_close(vmap(setting.of(place))(stack), meant)
        assert_close(vmap(setting.of(place), -1)(stack.movedim(0, -1).contiguous()), meant)


@pytest.mark.parametrize("name", CASES)
def test_gradients_per_sample(name):
    setting = Setting(name, batch=(3,))
    count = len(setting.parameters)

    def loss(parameters, *xs):
        return sum(y.square().sum() for y in setting(*parameters, *xs))

    parameters = tuple(setting.values[:count])
    found = vmap(grad(loss), (None, *[0] * len(setting.inputs)))(parameters, *setting.inputs)
    for place in range(3):
        wanted = [value.clone().requires_grad_() for value in parameters]
        expected = torch.autograd.grad(loss(wanted, *(x[place] for x in setting.inputs)), wanted)
        for ours, theirs in zip(found, expected, strict=True):
            assert_close(ours[place], theirs)


# --- the compiler -------------------------------------------------------------------------------


@pytest.fixture
def fresh_compiler():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def leaves(layer, inputs):
    return [*inputs, *layer.parameters()]


def values_and_gradients(run, layer, inputs, n):
    inputs = [x.clone().requires_grad_() for x in inputs]
    outputs = tensors(run(*arguments(layer, inputs, n)))
    return outputs, torch.autograd.grad(sum(y.square().sum() for y in outputs), leaves(layer, inputs))


def mark_open(layer, inputs):
    """Say that the batch and n are open; torch refuses to compile where the code fixes one of them."""
    for x, (_, order) in zip(inputs, layer.hom.space_in, strict=True):
        letters = [
            isinstance(f.n, str)
            for f, k in zip(layer.hom.group.factors, axis_counts(order), strict=True)
            for _ in range(k)
        ]
        for axis in [0, *(place + 1 for place, letter in enumerate(letters) if letter)]:
            torch._dynamo.mark_dynamic(x, axis)


class Together(nn.Module):
    """Layers side by side, each with its own arguments."""

    def __init__(self, layers):
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, *given):
        return tuple(y for layer, x in zip(self.layers, given, strict=True) for y in tensors(layer(*x)))


def assert_one_graph_serves(cases, layers, backend):
    """What torch compiles for the first sizes computes layers side by side, and their derivatives, at all others."""
    together = Together(layers)
    counter = torch._dynamo.testing.CompileCounterWithBackend(backend)
    compiled = torch.compile(together, fullgraph=True, backend=counter, dynamic=True)
    with torch._dynamo.config.patch(error_on_recompile=True):
        for turn, batch in enumerate((2, 3, 6)):
            sizes = [case.sizes[turn % len(case.sizes)] for case in cases]
            inputs = [inputs_at(layer, n, (batch,)) for layer, n in zip(layers, sizes, strict=True)]
            found = []
            for run in (compiled, together):
                copies = [[x.clone().requires_grad_() for x in xs] for xs in inputs]
                for layer, xs in zip(layers, copies, strict=True):
                    mark_open(layer, xs)
                outputs = run(*(arguments(*each) for each in zip(layers, copies, sizes, strict=True)))
                of = [*(x for xs in copies for x in xs), *together.parameters()]
                found.append((*outputs, *torch.autograd.grad(sum(y.square().sum() for y in outputs), of)))
            for ours, theirs in zip(*found, strict=True):
                assert_close(ours, theirs)
    assert counter.frame_count == 1


#: Compiled to kernels, which take a second each; their like in more axes are captured as graphs.
KERNELS = {
    "S(n) 2 to 1": Case("S(n)", "2x2", "2x1", (4, 5, 7)),
    "O(n) 2 to 2": Case("O(n)", "2x2", "2x2", (4, 5, 7)),
    "SO(3) 1 to 2": Case("SO(3)", "2x1", "1x2", (3,)),
    "Sp(4) 2 to 2": Case("Sp(4)", "1x2", "1x2", (4,)),
    "petersen": CASES["petersen"],
}

#: Captured with their derivatives, in few axes where more of them show nothing else: together they have every kind of
#: step, and every function that layers call, which `test_graphs_with_derivatives_have_every_step_and_function` holds.
DERIVED = {
    "S(n) wide": Case("S(n)", "1x2 + 1x1", "1x1 + 4x0", (4, 5, 7)),
    "S(n) from scalars": Case("S(n)", "2x0", "3x1", (4, 5, 7)),
    "SO(3)": Case("SO(3)", "2x1", "2x2", (3,)),
    "Sp(n)": Case("Sp(n)", "2x1", "1x1 + 2x0", (4, 6, 8)),
    "product": Case("S(n) x O(3)", "1x(1,1)", "1x(0,1)", (4, 5, 7)),
    **{name: CASES[name] for name in ("SO(6) by tables", "karate", "matrices")},
    "S(4) by Fourier": Case("S(4)", "1x2", "1x2", (4,), "fourier"),
    **{name: CASES[name] for name in ("O(3) by irreps", "SO(2) by irreps")},
}


SMALL = KERNELS | DERIVED


@cache
def small(name):
    same = CASES.get(name) == SMALL[name]
    return made(name) if same else randomise(SMALL[name].layer(dtype=torch.float64))


def parts(layer):
    """The kinds of its steps, and the functions that its file calls."""
    lines = ast.walk(ast.parse(layer.source))
    called = {ast.unparse(node.func).rpartition(".")[-1] for node in lines if isinstance(node, ast.Call)}
    return {type(step).__name__ for step in layer.plan.steps} | called


@pytest.mark.usefixtures("fresh_compiler", "open_sizes")
@pytest.mark.parametrize("name", [name for name in CASES if CASES[name] not in SMALL.values()])
def test_one_graph_for_every_batch_and_size(name):
    assert_one_graph_serves([CASES[name]], [made(name)], "eager")


@pytest.mark.usefixtures("fresh_compiler", "open_sizes")
@pytest.mark.parametrize("name", DERIVED)
def test_one_graph_with_derivatives_for_every_batch_and_size(name):
    assert_one_graph_serves([DERIVED[name]], [small(name)], "aot_eager")


def test_graphs_with_derivatives_have_every_step_and_function():
    covered = set().union(*(parts(small(name)) for name in SMALL))
    assert {name: parts(made(name)) - covered for name in CASES if parts(made(name)) - covered} == {}


@pytest.mark.filterwarnings("ignore:`torch._prims_common.check`:FutureWarning")  # inductor's own use of it
@pytest.mark.usefixtures("fresh_compiler", "open_sizes", "plain_kernels")
def test_compiled_kernels_for_every_batch_and_size():
    assert_one_graph_serves([*KERNELS.values()], [small(name) for name in KERNELS], "inductor")


@pytest.mark.usefixtures("fresh_compiler")
def test_the_check_for_one_graph_can_fail():
    compiled = torch.compile(layer_of("S(n)"), fullgraph=True, backend="eager", dynamic=False)
    with torch._dynamo.config.patch(error_on_recompile=True):
        compiled(torch.randn(2, 4, 4, 2, dtype=torch.float64))
        with pytest.raises(torch._dynamo.exc.RecompileError):
            compiled(torch.randn(2, 5, 5, 2, dtype=torch.float64))


@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.parametrize("name", ["SO(3)", "Sp(4) 2 to 2"])
def test_second_derivatives_inside_a_compiled_function(name):
    """Where torch can: it compiles a Hessian, but gives no double backward through a graph of its own."""
    layer = small(name)
    n = SMALL[name].sizes[0]

    def gradient_of_squared_gradient(*xs):
        def energy(*xs):
            return sum(y.square().sum() for y in tensors(layer(*arguments(layer, xs, n))))

        return grad(lambda *xs: grad(energy)(*xs).square().sum())(*xs)

    compiled = torch.compile(gradient_of_squared_gradient, fullgraph=True, backend="aot_eager")
    inputs = inputs_at(layer, n)
    assert_close(compiled(*inputs), gradient_of_squared_gradient(*inputs))


@pytest.mark.usefixtures("fresh_compiler")
def test_double_backward_through_a_captured_graph():
    layer = layer_of("SO(3)")
    compiled = torch.compile(layer, fullgraph=True, backend="eager")

    def penalty(run, x):
        x = x.clone().requires_grad_()
        (first,) = torch.autograd.grad(run(x).square().sum(), x, create_graph=True)
        return torch.autograd.grad(first.square().sum(), leaves(layer, [x]), allow_unused=True)

    x = torch.randn(2, 3, 3, 2, dtype=torch.float64)
    for ours, theirs in zip(penalty(compiled, x), penalty(layer, x), strict=True):
        assert_close(ours, theirs)


# --- torch.export and ONNX ----------------------------------------------------------------------


def open_axes(layer):
    """The dynamic shapes of ``forward``'s arguments: the batch, and every axis whose length is a letter."""
    batch, n = torch.export.Dim("batch", min=2, max=64), torch.export.Dim("n", min=2, max=64)
    if layer.hom.group.family == "Sp":
        n = 2 * torch.export.Dim("half", min=2, max=32)
    found = []
    for order in layer.hom.space_in.orders:
        axes = {0: batch}
        letters = [
            isinstance(f.n, str)
            for f, k in zip(layer.hom.group.factors, axis_counts(order), strict=True)
            for _ in range(k)
        ]
        axes.update({place + 1: n for place, letter in enumerate(letters) if letter})
        found.append(axes)
    first = found[0] if len(found) == 1 else tuple(found)
    return first, *([torch.export.Dim.DYNAMIC] if any_size_given(layer) else [])


def any_size_given(layer):
    return len(arguments(layer, inputs_at(layer, 4, ()), 4)) > 1


#: Written as ONNX, too; tests/test_sync.py writes some of the others.
ONNX = (
    *("O(n) 2 to 2", "SO(3) 1 to 2", "Sp(4) 2 to 2", "S(n) wide", "SO(3)", "karate", "matrices"),
    *("O(3) 1 to 3", "petersen 2 to 1", "permutations"),
)


@pytest.mark.usefixtures("open_sizes", "one_exporter")
@pytest.mark.filterwarnings(
    # torch's exporter warns of its own guess at names of axes, and of its own use of a deprecated check.
    "ignore:# The axis name:UserWarning",
    "ignore:`isinstance:FutureWarning",
)
@pytest.mark.parametrize("name", dict.fromkeys((*SMALL, *ONNX)))
def test_exports_with_open_batch_and_size(name, tmp_path):
    case, layer = (SMALL[name], small(name)) if name in SMALL else (CASES[name], made(name))
    first = arguments(layer, inputs_at(layer, case.sizes[0], (3,)), case.sizes[0])
    program = torch.export.export(layer, first, dynamic_shapes=open_axes(layer))
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    runs = [torch.export.load(file).module()]
    if name in ONNX:
        import onnxruntime

        path = tmp_path / "layer.onnx"
        torch.onnx.export(program, f=path, dynamo=True, external_data=False, verbose=False)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

        def run(*x):
            given = [torch.as_tensor(leaf).numpy() for leaf in torch.utils._pytree.tree_leaves(x)]
            named = {put.name: value for put, value in zip(session.get_inputs(), given, strict=True)}
            return tuple(map(torch.from_numpy, session.run(None, named)))

        runs.append(run)
    for n, batch in zip((case.sizes * 2)[-2:], (2, 7), strict=True):
        x = arguments(layer, inputs_at(layer, n, (batch,)), n)
        for run in runs:
            for ours, meant in zip(tensors(run(*x)), tensors(layer(*x)), strict=True):
                assert_close(ours, meant)


@pytest.mark.usefixtures("open_sizes")
@pytest.mark.parametrize("normalization", ["variance", "mean"])
def test_strict_export(normalization):
    layer = eq.Linear("S(n)", "4x2 + 2x1", "3x2 + 2x0", normalization=normalization)
    x = torch.randn(3, 5, 5, 4), torch.randn(3, 5, 2)
    program = torch.export.export(layer, (x,), dynamic_shapes=open_axes(layer), strict=True)
    y = torch.randn(7, 9, 9, 4), torch.randn(7, 9, 2)
    for ours, meant in zip(program.module()(y), layer(y), strict=True):
        assert_close(ours, meant)


# --- low and mixed precision --------------------------------------------------------------------


def rounding(ours, meant):
    """Root mean square of the error, relative to that of the values."""
    return ((ours.double() - meant).square().mean().sqrt() / meant.square().mean().sqrt()).item()


def plain_rounding(layer, o, run):
    """The rounding error of torch.nn.Linear with as many inputs per output as output term o has."""
    fan_in = sum(
        pair.dim * layer.hom.space_in.terms[pair.term_in][0] for pair in layer.plan.pairs if pair.term_out == o
    )
    plain = nn.Linear(fan_in, 64).double()
    x = torch.randn(256, fan_in, dtype=torch.float64)
    return rounding(run(copy.deepcopy(plain).float(), x.float()), plain(x))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("way", ["autocast", "bfloat16", "float16"])
def test_low_precision_costs_little_more_than_in_a_plain_layer(way, name):
    """Less than four times the error of torch.nn.Linear: a layer adds up a few rounded tensors where that has one."""
    layer = layer_of(name)
    n = CASES[name].sizes[0]
    inputs = inputs_at(layer, n, (16,))
    meant = tensors(layer(*arguments(layer, inputs, n)))

    def run(module, *args):
        if way == "autocast":
            with torch.autocast("cpu", torch.bfloat16):
                return module(*args)
        dtype = getattr(torch, way)
        return module.to(dtype)(*torch.utils._pytree.tree_map_only(torch.Tensor, lambda x: x.to(dtype), args))

    found = tensors(run(layer.float(), *arguments(layer, [x.float() for x in inputs], n)))
    for o, (ours, theirs) in enumerate(zip(found, meant, strict=True)):
        assert ours.dtype == (torch.float16 if way == "float16" else torch.bfloat16)
        assert rounding(ours, theirs) < 4 * plain_rounding(layer, o, run)


@pytest.mark.parametrize("name", CASES)
def test_gradients_under_autocast(name):
    torch.manual_seed(0)  # how far bfloat16 rounds depends on the numbers
    layer = layer_of(name)
    n = CASES[name].sizes[0]
    inputs = inputs_at(layer, n, (16,))
    _, expected = values_and_gradients(layer, layer, inputs, n)

    def lowered(*args):
        with torch.autocast("cpu", torch.bfloat16):
            return layer(*args)

    _, found = values_and_gradients(lowered, layer.float(), [x.float() for x in inputs], n)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == torch.float32
        assert rounding(ours, theirs) < 0.05


@pytest.mark.parametrize("name", CASES)
def test_double_is_as_exact_as_a_layer_born_double(name):
    case = CASES[name]
    born = made(name)
    raised = case.layer().double()
    raised.load_state_dict(born.state_dict())
    n = case.sizes[0]
    x = arguments(born, inputs_at(born, n), n)
    for ours, theirs in zip(tensors(raised(*x)), tensors(born(*x)), strict=True):
        assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


# --- devices ------------------------------------------------------------------------------------


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", CASES)
def test_cuda_agrees_with_the_cpu(name):
    layer = layer_of(name)
    there = copy.deepcopy(layer).cuda()
    assert {tensor.device.type for tensor in (*there.parameters(), *there.buffers())} <= {"cuda"}
    for n in CASES[name].sizes:
        inputs = inputs_at(layer, n, (3,))
        meant, expected = values_and_gradients(layer, layer, inputs, n)
        found, gradients = values_and_gradients(there, there, [x.cuda() for x in inputs], n)
        for ours, theirs in zip((*found, *gradients), (*meant, *expected), strict=True):
            assert ours.device.type == "cuda"
            assert_close(ours.cpu(), theirs)


@pytest.mark.parametrize("name", CASES)
def test_built_on_the_meta_device_and_filled_later(name):
    """Two ways: empty memory and reset_parameters, or the tensors of a checkpoint as they are."""
    case = CASES[name]
    layer = layer_of(name, torch.float32)
    n = case.sizes[0]
    x = arguments(layer, inputs_at(layer, n, dtype=torch.float32), n)
    with torch.device("meta"):
        lazy = case.layer()
    assert {parameter.device.type for parameter in lazy.parameters()} == {"meta"}
    lazy = lazy.to_empty(device="cpu")
    lazy.reset_parameters()
    lazy.load_state_dict(layer.state_dict())
    moved = copy.deepcopy(layer).to(device="meta").to_empty(device="cpu")
    moved.reset_parameters()
    moved.load_state_dict(layer.state_dict())
    for twin in (lazy, moved):
        for ours, theirs in zip(tensors(twin(*x)), tensors(layer(*x)), strict=True):
            assert_close(ours, theirs)


# --- copies -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_copies_and_pickles(name):
    layer = made(name)
    n = CASES[name].sizes[0]
    x = arguments(layer, inputs_at(layer, n), n)
    before = [y.detach().clone() for y in tensors(layer(*x))]
    buffer = io.BytesIO()
    torch.save(layer, buffer)
    buffer.seek(0)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), torch.load(buffer, weights_only=False)):
        assert type(twin) is type(layer)
        assert isinstance(twin, eq.Linear)
        for ours, theirs in zip(tensors(twin(*x)), before, strict=True):
            assert torch.equal(ours, theirs)
        for tensor in (*twin.parameters(), *twin.buffers()):
            tensor.data.zero_()
    for ours, theirs in zip(tensors(layer(*x)), before, strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("name", CASES)
def test_checkpoints_hold_weights_and_what_they_are_of(name):
    layer = made(name)
    case = CASES[name]
    buffer = io.BytesIO()
    torch.save(layer.state_dict(), buffer)
    buffer.seek(0)
    state = torch.load(buffer, weights_only=True)
    assert list(state) == [*(key for key, _ in layer.named_parameters()), "_extra_state"]
    n = case.sizes[0]
    x = arguments(layer, inputs_at(layer, n), n)
    for assign in (False, True):
        twin = case.layer(dtype=torch.float64)
        twin.load_state_dict(state, assign=assign)
        for ours, theirs in zip(tensors(twin(*x)), tensors(layer(*x)), strict=True):
            assert torch.equal(ours, theirs)


class Doubled(nn.Module):
    def forward(self, weight):
        return 2 * weight

    def right_inverse(self, weight):
        return weight / 2


@pytest.mark.parametrize("name", ["S(n)", "SO(3)", "petersen", "permutations"])
def test_torch_may_wrap_the_class_of_a_layer(name):
    """As torch.nn.utils.parametrize and fully_shard do, though users may not subclass."""
    layer = layer_of(name)
    n = CASES[name].sizes[0]
    x = arguments(layer, inputs_at(layer, n), n)
    meant = tensors(layer(*x))
    weight = next(key for key, _ in layer.named_parameters())
    parametrize.register_parametrization(layer, weight, Doubled())
    assert isinstance(layer, eq.Linear)
    for twin in (layer, copy.deepcopy(layer)):
        for ours, theirs in zip(tensors(twin(*x)), meant, strict=True):
            assert_close(ours, theirs)
    with pytest.raises(RuntimeError, match="parametrized modules"):
        pickle.dumps(layer)
    parametrize.remove_parametrizations(layer, weight)
    for ours, theirs in zip(tensors(pickle.loads(pickle.dumps(layer))(*x)), meant, strict=True):
        assert_close(ours, theirs)


def test_replicas_as_data_parallel_makes_them():
    layer = layer_of("SO(3)")
    replica = layer._replicate_for_data_parallel()
    for name, parameter in layer.named_parameters():
        setattr(replica, name, parameter.detach() * 2)
    x = torch.randn(2, 3, 3, 2, dtype=torch.float64)
    assert type(replica) is type(layer)
    assert_close(replica(x), 2 * layer(x))


@pytest.mark.parametrize("name", ["S(n)", "SO(3)", "petersen"])
@pytest.mark.usefixtures("fresh_compiler", "open_sizes")
def test_an_exported_file_in_the_hands_of_torch(name, tmp_path, monkeypatch):
    layer = layer_of(name)
    eq.export(layer, tmp_path / "exported_layer.py", name="Mine")
    spec = importlib.util.spec_from_file_location("exported_layer", tmp_path / "exported_layer.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "exported_layer", module)
    spec.loader.exec_module(module)
    mine = module.Mine(dtype=torch.float64)
    mine.load_state_dict(layer.state_dict())
    n = CASES[name].sizes[0]
    x = inputs_at(layer, n)[0]
    meant = layer(x)
    program = torch.export.export(mine, (x,), dynamic_shapes=open_axes(layer))
    for twin in (
        mine,
        copy.deepcopy(mine),
        pickle.loads(pickle.dumps(mine)),
        torch.compile(mine, fullgraph=True, backend="aot_eager"),
        program.module(),
        vmap(mine),
    ):
        assert_close(twin(x), meant)
