"""layer.prepare(): the same numbers, and never those of weights that have changed since."""

import copy
import dataclasses
import pickle
import threading

import pytest
import torch
from torch.autograd import forward_ad
from torch.func import functional_call, vmap
from torch.nn.utils import parametrizations
from torch.testing import assert_close
from torch.utils._pytree import tree_leaves, tree_map

import eqsynth as eq

LAYERS = {
    "irreps": (lambda: eq.Linear("O(3)", "2x4", "3x4"), [(3, 3, 3, 3, 2)], ()),
    "diagrams": (lambda: eq.Linear("S(n)", "2x2 + 3x1", "2x1 + 1x2"), [(5, 5, 2), (5, 3)], ()),
    "rows": (lambda: eq.Linear("O(3)", "2x2.irreps", "3x2.irreps"), [(9, 2)], ()),
    "one part": (lambda: eq.Linear("O(3)", "2x4.irreps", "3x0", bias=False), [(81, 2)], ()),
    "fourier": (lambda: eq.Linear("S(n)", "2x3", "2x3", method="fourier"), [(4, 4, 4, 2)], ()),
    "matrix": (lambda: eq.Linear("Perm(4: 1 2 3 0)", "2x1", "3x1"), [(4, 2)], ()),
    "constants": (lambda: eq.Linear("S(n)", "2x0", "3x2"), [(2,)], (3,)),
    "product": (lambda: eq.TensorProduct("O(3)", "2x1", "3x1", "2x2"), [(3, 2), (3, 3)], ()),
    "power": (lambda: eq.Power("S(n)", "2x1", 2, "3x1"), [(4, 2)], ()),
}
#: Of these there are but views of weights to be kept, which is not worth a look at the weights in every call.
VIEWS = ("constants", "product")


def ready(name="irreps"):
    """A prepared layer, and the arguments of a call."""
    make, shapes, sizes = LAYERS[name]
    torch.manual_seed(0)
    layer = make()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    inputs = [torch.randn(2, *shape) for shape in shapes]
    given = (tuple(inputs),) if name == "diagrams" else tuple(inputs)
    return layer.prepare(), (*given, *sizes)


def used(layer, arguments):
    """Whether a call takes what was prepared: then values that are not true show."""
    kept = layer.__dict__.get("_prepared")
    if kept is None:
        return False
    before = layer(*arguments)
    layer.__dict__["_prepared"] = dataclasses.replace(kept, values=tuple(value + 1 for value in kept.values))
    after = layer(*arguments)
    layer.__dict__["_prepared"] = kept
    return not all(map(torch.equal, tree_leaves(before), tree_leaves(after)))


def anew(layer, arguments):
    """What a copy of the layer, never prepared, computes."""
    return copy.deepcopy(layer)(*arguments)


@pytest.mark.parametrize("name", LAYERS)
@torch.no_grad()
def test_the_same_numbers_call_after_call(name):
    layer, arguments = ready(name)
    wanted = anew(layer, arguments)
    for _ in range(3):
        results = layer(*arguments)
        assert all(map(torch.equal, tree_leaves(results), tree_leaves(wanted)))
        # What is returned is the caller's to write to.
        tree_map(torch.Tensor.zero_, results)
    assert used(layer, arguments) is (name not in VIEWS)


def grow(layer):
    layer.weight.mul_(2)


def step(layer):
    with torch.enable_grad():
        optimiser = torch.optim.SGD(layer.parameters(), lr=1.0)
        layer(torch.ones(1, 3, 3, 3, 3, 2)).sum().backward()
        optimiser.step()


def replace(layer):
    layer.weight = torch.nn.Parameter(2 * layer.weight)


def swap_data(layer):
    layer.weight.data = 2 * layer.weight.data


def swap_data_again(layer):
    """A third tensor may stand where the first one did, had nobody held that."""
    for _ in range(4):
        layer.weight.data = 2 * layer.weight.data


def transpose_data(layer):
    weight = layer.weight
    weight.data = weight.data.as_strided(weight.shape, (weight.stride(0), 1, weight.shape[1]))


def through_a_view(layer):
    layer.weight[0].detach().mul_(2)


def under_inference_mode(layer):
    with torch.inference_mode():
        layer.weight.mul_(2)


def load(layer):
    layer.load_state_dict({name: 2 * value for name, value in layer.state_dict().items() if "extra" not in name}, False)


def assign(layer):
    state = {name: 2 * value for name, value in layer.state_dict().items() if "extra" not in name}
    layer.load_state_dict(state, strict=False, assign=True)


def as_vector(layer):
    vector = torch.nn.utils.parameters_to_vector(layer.parameters())
    torch.nn.utils.vector_to_parameters(2 * vector, layer.parameters())


def parametrize(layer):
    parametrizations.weight_norm(layer)
    layer.parametrizations.weight.original0.mul_(2)


def prune(layer, name="weight"):
    from torch.nn.utils import prune

    prune.random_unstructured(layer, name, 0.5)


def table(layer):
    layer.get_buffer(next(iter(layer._buffers))).mul_(2)


CHANGES = (
    grow, step, replace, swap_data, swap_data_again, transpose_data, through_a_view, under_inference_mode, load, assign,
    as_vector, parametrize, prune, table,
)  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
@torch.no_grad()
def test_no_change_of_weights_is_missed(change):
    layer, arguments = ready()
    before = layer(*arguments)
    change(layer)
    after = layer(*arguments)
    assert not torch.allclose(before, after)
    layer.__dict__.pop("_prepared", None)
    assert torch.equal(after, layer(*arguments))


@torch.no_grad()
def test_weights_of_another_call_are_used():
    layer, arguments = ready()
    before = layer(*arguments)
    values = {name: 2 * value for name, value in layer.named_parameters()}
    torch.testing.assert_close(functional_call(layer, values, arguments), 2 * before)
    torch.testing.assert_close(layer(*arguments, weights=values), 2 * before)
    several = {name: torch.stack((value, 3 * value)) for name, value in layer.named_parameters()}
    both = vmap(lambda values: functional_call(layer, values, arguments))(several)
    torch.testing.assert_close(both, torch.stack((before, 3 * before)), rtol=1e-4, atol=1e-4)
    assert used(layer, arguments)


def test_gradients_are_those_of_an_unprepared_layer():
    layer, arguments = ready()
    assert not used(layer, arguments)
    grads = torch.autograd.grad(layer(*arguments).square().sum(), [*layer.parameters()])
    fresh = copy.deepcopy(layer)
    wanted = torch.autograd.grad(fresh(*arguments).square().sum(), [*fresh.parameters()])
    assert all(map(torch.equal, grads, wanted))
    # Frozen weights need none: what was prepared is used, and the gradient of the input is there.
    layer.requires_grad_(False)
    x = arguments[0].requires_grad_()
    assert used(layer, arguments)
    torch.testing.assert_close(
        torch.autograd.grad(layer(x).square().sum(), x), torch.autograd.grad(fresh(x).square().sum(), x)
    )


def test_prepared_in_inference_mode_gradients_of_inputs_are_there():
    layer, arguments = ready()
    layer.requires_grad_(False)
    with torch.inference_mode():
        layer.prepare()
    x = arguments[0].requires_grad_()
    (grad,) = torch.autograd.grad(layer(x).sum(), x)
    assert grad.abs().sum() > 0


@torch.no_grad()
def test_tangents_of_weights():
    layer, arguments = ready()
    names = dict(layer.named_parameters())
    with forward_ad.dual_level():
        duals = {name: forward_ad.make_dual(value, value) for name, value in names.items()}
        y, tangent = forward_ad.unpack_dual(functional_call(layer, duals, arguments))
    torch.testing.assert_close(tangent, y)


@torch.no_grad()
def test_not_under_autocast_nor_transforms():
    layer, arguments = ready()
    fresh = copy.deepcopy(layer)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(layer(*arguments), fresh(*arguments))
        assert not used(layer, arguments)
        assert layer.prepare().__dict__["_prepared"] is None
    layer.prepare()
    torch.testing.assert_close(vmap(layer)(*arguments), fresh(*arguments))
    with torch.inference_mode():
        assert used(layer, arguments)


@pytest.mark.filterwarnings("ignore:.*:torch.jit.TracerWarning", "ignore:.*torch.jit.trace.*:DeprecationWarning")
@torch.no_grad()
def test_traces_and_exports_keep_parameters():
    layer, arguments = ready("matrix")
    layer.weight.requires_grad_(False)
    traced, program = torch.jit.trace(layer, arguments), torch.export.export(layer, arguments).module()
    compiled = torch.compile(layer, backend="eager", fullgraph=True)
    compiled(*arguments)
    layer.weight.mul_(2)
    wanted = anew(layer, arguments)
    for program_of in (traced, compiled):
        torch.testing.assert_close(program_of(*arguments), wanted)
    if program.weight.data_ptr() != layer.weight.data_ptr():
        program.weight.mul_(2)
    torch.testing.assert_close(program(*arguments), wanted)


@torch.no_grad()
def test_dropped_by_training_moves_copies_and_loading():
    layer, arguments = ready()
    assert layer.eval().__dict__["_prepared"] is not None
    for drop in (layer.train, layer.double, lambda: load(layer), lambda: layer.to("meta")):
        layer.prepare()
        drop()
        assert "_prepared" not in layer.__dict__
    layer, arguments = ready()
    for other in (copy.deepcopy(layer), copy.copy(layer), pickle.loads(pickle.dumps(layer))):
        assert "_prepared" not in other.__dict__
        assert torch.equal(other(*arguments), layer(*arguments))
    assert used(layer, arguments)


@torch.no_grad()
def test_nothing_is_prepared_of_tensors_that_tell_nothing():
    with torch.inference_mode():
        layer = LAYERS["irreps"][0]().prepare()
    assert layer.__dict__["_prepared"] is None
    assert LAYERS["irreps"][0]().to("meta").prepare().__dict__["_prepared"] is None


@torch.no_grad()
def test_threads_see_one_set_of_weights_or_the_other():
    layer, arguments = ready("matrix")
    first = layer(*arguments)
    wrong, stop = [], threading.Event()

    def call():
        while not stop.is_set():
            # Its own values at both ends of a call: weights stay, only what is prepared comes and goes.
            if not torch.equal(layer(*arguments), first):
                wrong.append(1)

    threads = [threading.Thread(target=call) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(200):
        layer.prepare()
        layer.train()
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong


@torch.no_grad()
def test_networks():
    net = eq.nn.MLP("O(3)", ["2x1", "3x2 + 2x1", "2x1"]).eval()
    x = torch.randn(4, 3, 2)
    wanted = net(x)
    assert eq.nn.prepare(net) is net
    layers = [layer for layer in net.modules() if isinstance(layer, eq.Linear)]
    # The weights of the last layer are used as they are, so that there is nothing to keep.
    assert [layer.__dict__["_prepared"] is not None for layer in layers] == [True, False]
    assert torch.equal(net(x), wanted)


@pytest.mark.parametrize("name", ["weight", "bias"])
@torch.no_grad()
def test_nothing_is_prepared_of_weights_that_are_made_of_others(name):
    """The tensors that these are made of are not looked at."""
    x = torch.randn(4, 9, 2)
    for change in (parametrizations.weight_norm, prune):
        layer = eq.Linear("O(3)", "2x2.irreps", "3x4.irreps")
        torch.nn.init.normal_(layer.bias)
        change(layer, name)
        before = layer.prepare()(x)
        for parameter in layer.parameters():
            parameter.mul_(2)
        assert not torch.allclose(layer(x), before)
        assert layer.__dict__["_prepared"] is None


# --- what was wrong once --------------------------------------------------------------------------


@torch.no_grad()
def test_tables_follow_weights_that_are_assigned():
    """torch.nn.Linear can be made on the meta device and take its weights from a state_dict."""
    layer, arguments = ready("rows")
    with torch.device("meta"):
        empty = LAYERS["rows"][0]()
    empty.load_state_dict(layer.state_dict(), assign=True)
    assert torch.equal(empty(*arguments), layer(*arguments))


@pytest.mark.parametrize("spaces", [("2x3", "2x1"), ("2x1", "2x3"), ("2x3", "1x2 + 2x1")], ids=str)
def test_layers_by_irreducible_parts_of_one_copy(spaces):
    layer = eq.Linear("O(3)", *spaces, dtype=torch.float64)
    x = torch.randn(2, *[3] * int(spaces[0][-1]), 2, dtype=torch.float64)
    with torch.no_grad():
        expected = layer(x)
        assert_close(layer.prepare()(x), expected)


@pytest.mark.parametrize("optimiser", [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.Adagrad])
def test_fused_optimisers_are_seen(optimiser):
    """They change weights without raising the versions of these."""
    torch.manual_seed(0)
    layer = eq.Linear("O(3)", "2x3", "3x3").eval().prepare()
    steps, x = optimiser(layer.parameters(), 0.1, fused=True), torch.randn(2, 3, 3, 3, 2)
    layer(x).square().sum().backward()
    steps.step()
    with torch.no_grad():
        assert_close(layer(x), copy.deepcopy(layer)(x))
