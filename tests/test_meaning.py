"""Weights say which function they belong to, and load into no other one; integers are no input."""

import copy
import importlib.util
import inspect
import io
import pickle
import tempfile
import warnings
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, load_model, save_file, save_model
from torch import nn
from torch.func import functional_call
from torch.testing import assert_close

import eqsynth as eq
from eqsynth.codegen.meaning import LENGTH, weights_of
from eqsynth.errors import EqsynthError, ShapeError, WeightsError
from eqsynth.nn.activations import axis_lengths
from eqsynth.project.exporting import program

KEY = "_extra_state"


def quiet(make, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make(*args, **kwargs)


def load(path, name="EquivariantLinear"):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


def inputs(group, space, n=4, dtype=torch.float64, batch=2):
    group = eq.Group.parse(group)
    tensors = []
    for channels, order in eq.Space.parse(space):
        lengths = [length if isinstance(length, int) else n for length in axis_lengths(group, order)]
        tensors.append(torch.randn(batch, *lengths, channels).to(dtype))
    return tensors[0] if len(tensors) == 1 else tuple(tensors)


# --- the text -------------------------------------------------------------------------------------


def text(*args, **kwargs):
    return weights_of(eq.plan(*args, **kwargs)).removeprefix("eqsynth 1; ")


def test_what_does_not_change_the_function_is_left_out():
    assert text("S(n)", "16x2 + 8x1", "4x1") == "S(n): 2 + 1 -> 1; normalization=variance; parameters=diagrams"
    assert text("S(m)", 2, 1) == text("S(n)", "3x2", "5x1", bias=False) == text("S(7)", 2, 1, method="matrix")
    assert text("O(3)", "S2", "S2") == text("O(3)", "S2.packed", "S2.packed")
    assert text("S(n) x O(m)", (1, 1), (1, 1)) == text("S(5) x O(3)", (1, 1), (1, 1))
    # Nothing is summed: every normalization is the same.
    assert text("O(3)", 1, 1, normalization="mean") == text("SO(5)", 1, 1) == "O(n): 1 -> 1; parameters=diagrams"
    assert text("A(5)", 1, 1) == text("S(n)", 1, 1)


def test_what_changes_the_function_is_told():
    options = [{}, {"normalization": "mean"}, {"normalization": "sum"}, {"parameters": "blocks"}]
    problems = [("O(3)", 2, 2), ("SO(2)", 2, 2), ("O(3)", 2, "S2"), ("Sp(4)", 2, 2), ("Sp(2)", 2, 2)]
    texts = [text(*problem, **option) for problem in problems for option in options[:3]]
    texts += [text("S(2)", 2, 2), text("S(3)", 2, 2), text("O(3)", 2, 2, parameters="blocks")]
    texts += [
        text("Aut(petersen)", 1, 1),
        text("Aut(cycle6)", 1, 1),
        text("O(3)", "2 + 2", 2),
        text("O(3)", 2, "2 + 2"),
    ]
    assert len({*texts}) == len(texts)


def test_products_say_how_they_multiply():
    assert eq.TensorProduct("O(3)", "2x1", "2x1", "1x0", mode="paired").weights_of == (
        "eqsynth 1; O(n): 1 (x) 1 -> 0; mode=paired; normalization=variance; parameters=diagrams"
    )
    assert "powers 1, 2 of 1 -> 0; normalization" in eq.PolynomialLayer("S(n)", "2x1", 2, "1x0").weights_of


def test_long_texts_end_with_a_digest():
    generators = [[*range(1, 60), 0], [1, 0, *range(2, 60)]]
    swapped = [generators[0], [1, 0, *range(2, 58), 59, 58]]
    one, other = (text(eq.PermutationGroup(given), 1, 1) for given in (generators, swapped))
    assert one != other
    assert "... sha256=" in one
    assert len(weights_of(eq.plan(eq.PermutationGroup(generators), 1, 1)).encode()) <= LENGTH


FAMILIES = ("S", "A", "O", "SO", "Sp", "H")
ORDERS = (0, 1, 2, 3, "S2", "A2", "S3")


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from((2, 4, 5, 6)),
    st.sampled_from(ORDERS),
    st.sampled_from(ORDERS),
    st.sampled_from(("variance", "mean", "sum")),
)
def test_equal_texts_are_equal_functions(n, k, lo, normalization):
    """At n, the layers of all families, with the number and with the letter: whose texts agree, the outputs do."""
    first = {}
    for other, size in product(FAMILIES, (n, "n")):
        if other == "Sp" and n % 2:
            continue
        layer = quiet(eq.Linear, f"{other}({size})", k, lo, normalization=normalization, dtype=torch.float64)
        if not list(layer.parameters()):
            continue
        known = first.setdefault(layer.weights_of, layer)
        torch.manual_seed(0)
        for parameter in known.parameters():
            parameter.data.normal_()
        layer.load_state_dict(known.state_dict())
        order = eq.Space.parse(k).orders[0]
        x = inputs(f"S({n})", k)
        x = x if isinstance(order, int) else eq.symmetrise(x, k)
        assert_close(at_size(layer, x, n), at_size(known, x, n))


def at_size(layer, x, n):
    """The output for n, which a layer is told where its input does not show it."""
    return layer(x, n) if "n" in inspect.signature(layer.forward).parameters else layer(x)


def test_the_numbers_of_symmetric_maps_are_those_of_the_letter():
    """Weights of S(n) are those of S(5), map by map, also between symmetric tensors."""
    for n, k, lo in product((4, 5, 6), (1, "S2", "A2"), (1, "S2", "A2")):
        number, letter = eq.basis(f"S({n})", k, lo), eq.basis("S(n)", k, lo)
        assert (number.diagrams, number.turns) == (letter.diagrams, letter.turns)


# --- mismatches -------------------------------------------------------------------------------------

OTHERS = [
    (("O(3)", "2x2", "2x2"), {"normalization": "mean"}, ("O(3)", "2x2", "2x2"), {}, "normalization='mean'"),
    (("O(3)", "2x2", "2x2"), {"parameters": "blocks"}, ("O(3)", "2x2", "2x2"), {}, "those of O\\(3\\)"),
    (("O(3)", "2x2", "2x2"), {}, ("Sp(4)", "2x2", "2x2"), {}, "those of O\\(3\\)|those of O\\(n\\)"),
    (("SO(2)", "2x1", "2x1"), {"bias": False}, ("S(n)", "2x1", "2x1"), {"bias": False}, "those of SO\\(2\\)"),
]


@pytest.mark.parametrize(("saved", "how", "wanted", "other", "message"), OTHERS)
def test_weights_of_another_function_are_refused(saved, how, wanted, other, message, tmp_path):
    state = eq.Linear(*saved, **how).state_dict()
    layer = eq.Linear(*wanted, **other)
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    assert [value.shape for value in before.values()] == [value.shape for value in state.values()]
    for strict, assign in product((True, False), (True, False)):
        with pytest.raises(WeightsError, match=message) as caught:
            layer.load_state_dict(state, strict=strict, assign=assign)
        assert "delete '_extra_state'" in str(caught.value)
        assert_close(dict(layer.state_dict()), before, rtol=0, atol=0)
    eq.export(layer, tmp_path / "mine.py")
    with pytest.raises(RuntimeError, match="delete '_extra_state'"):
        load(tmp_path / "mine.py")().load_state_dict(state)
    with pytest.raises(EqsynthError, match="no weights of"):
        program(layer.plan, "pt2", state)
    del state[KEY]
    assert layer.load_state_dict(state).missing_keys == []
    load(tmp_path / "mine.py")().load_state_dict(state, strict=True)


def test_a_network_names_the_layer():
    def net(**how):
        return eq.nn.Sequential(eq.Linear("S(n)", "1x2", "2x1"), eq.Linear("S(n)", "2x1", "1x0", **how))

    with pytest.raises(WeightsError, match=r"delete '1\._extra_state'"):
        net().load_state_dict(net(normalization="mean").state_dict())


def test_the_conversion_that_is_told_is_right():
    for group, k, lo, n in (("S(n)", 2, 1, 5), ("O(3)", 2, 2, 3), ("SO(3)", 2, 1, 3), ("Sp(4)", 3, 1, 4)):
        mean = eq.Linear(group, k, lo, bias=False, normalization="mean", dtype=torch.float64)
        layer = eq.Linear(group, k, lo, bias=False, dtype=torch.float64)
        with pytest.raises(WeightsError, match=r"t \*\* -0\.5"):
            layer.load_state_dict(mean.state_dict())
        matrices = eq.basis(group, k, lo).matrices(None if group != "S(n)" else n, turned=False)
        t = torch.tensor((matrices**2).sum(2).max(1), dtype=torch.float64)
        layer.load_state_dict({"weight": mean.weight * t[:, None, None] ** -0.5})
        x = inputs(group, k, n)
        assert_close(layer(x), mean(x))


def test_what_differs_from_the_default_is_shown(tmp_path):
    layer = eq.Linear("O(3)", "2x2", "2x2", bias=False, normalization="mean", parameters="blocks")
    eq.export(layer, tmp_path / "mine.py")
    for shown in (repr(layer), repr(load(tmp_path / "mine.py")())):
        for part in ("bias=False", "normalization='mean'", "parameters='blocks'"):
            assert part in shown
    eq.export(eq.Linear("O(3)", "2x2", "2x2"), tmp_path / "usual.py")
    assert repr(load(tmp_path / "usual.py")()) == "EquivariantLinear(O(3): 2x2 -> 2x2)"
    product_layer = eq.TensorProduct("O(3)", "2x1", "2x1", "1x0", mode="paired")
    eq.export(product_layer, tmp_path / "product.py")
    assert repr(load(tmp_path / "product.py")()).endswith("mode='paired')")


# --- what becomes of state_dicts --------------------------------------------------------------------

LAYERS = {
    "linear": lambda: eq.Linear("S(n)", "2x2", "3x1"),
    "irreps": lambda: eq.Linear("SO(3)", "4x2", "4x2", method="irreps"),
    "terms": lambda: eq.Linear("O(3)", "2x1 + 1x0", "2x1 + 1x0"),
    "product": lambda: eq.TensorProduct("O(3)", "2x1", "2x1", "1x0"),
    "power": lambda: eq.Power("O(3)", "2x1", 2, "1x0"),
    "network": lambda: eq.nn.MLP("S(n)", ["1x2", "4x1", "1x0"], norm="batch"),
    "sparse": lambda: eq.nn.Sparse(eq.Linear("S(n)", "2x2", "3x1")),
    "padded": lambda: eq.nn.Padded(eq.Linear("S(n)", "2x2", "3x1")),
    "bias alone": lambda: quiet(eq.Linear, "O(3)", "1x1", "1x0"),
    "nothing": lambda: quiet(eq.Linear, "O(3)", "1x1", "1x0", bias=False),
}


def assert_loads(make, state):
    module = make()
    assert not any(module.load_state_dict(state, strict=True))
    for name, value in module.named_parameters():
        assert_close(value, state[name], check_dtype=False, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("name", LAYERS)
def test_state_dicts_of_all_kinds(name, tmp_path):
    make = LAYERS[name]
    module = make()
    state = module.state_dict()
    texts = [key for key in state if key.endswith(KEY)]
    assert all(state[key].dtype == torch.uint8 and state[key].shape == (LENGTH,) for key in texts)
    assert bool(texts) == (name != "nothing")
    assert_loads(make, {key: value for key, value in state.items() if key not in texts})  # as saved by 0.1.0
    assert_loads(make, state)
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    assert_loads(make, torch.load(file, weights_only=True))
    save_file(state, tmp_path / "weights.safetensors")
    assert_loads(make, load_file(tmp_path / "weights.safetensors"))
    save_model(module, str(tmp_path / "model.safetensors"))
    assert load_model(make(), str(tmp_path / "model.safetensors")) == (set(), [])
    for twin in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert_loads(make, twin.state_dict())
    # Means over models, and casts.
    assert_loads(make, {key: 0.9 * value + 0.1 * value for key, value in state.items()})
    for dtype in (torch.float64, torch.float16, torch.bfloat16):
        assert_loads(make, {key: value.to(dtype) for key, value in state.items()})
    averaged = torch.optim.swa_utils.AveragedModel(module)
    averaged.update_parameters(module)
    assert_loads(make, averaged.module.state_dict())
    assert not any(make().load_state_dict(state, assign=True))


def test_layers_on_meta_refuse_weights_of_another_function():
    """What has values is compared, wherever the layer is; a state_dict on meta has none, and stays on meta."""
    other = eq.Linear("O(3)", "2x2", "2x2").state_dict()
    with torch.device("meta"):
        layer, network = (
            eq.Linear("O(3)", "2x2", "2x2", normalization="mean"),
            nn.Sequential(eq.Linear("O(3)", "2x2", "2x2", normalization="mean")),
        )
    for module, prefix in ((layer, ""), (network, "0.")):
        for strict in (True, False):
            with pytest.raises(WeightsError, match=rf"delete '{prefix}_extra_state'"):
                module.load_state_dict({prefix + key: value for key, value in other.items()}, strict, assign=True)
        assert all(value.is_meta for value in module.state_dict().values())
        without = {prefix + key: value.to("meta") for key, value in other.items()}
        module.load_state_dict(without, assign=True)
        assert all(value.is_meta for value in module.state_dict().values())
        with pytest.raises(WeightsError):
            module.load_state_dict({prefix + key: value for key, value in other.items()}, assign=True)


def test_meta_fake_and_odd_states():
    layer = eq.Linear("S(n)", "2x2", "3x1")
    lazy = eq.Linear("S(n)", "2x2", "3x1", device="meta")
    assert {value.device.type for value in lazy.state_dict().values()} == {"meta"}
    lazy.load_state_dict(layer.state_dict(), assign=True)
    assert torch.equal(lazy.weight, layer.weight)
    eq.Linear("S(n)", "2x2", "3x1", device="meta", normalization="mean").load_state_dict(
        eq.Linear("S(n)", "2x2", "3x1", device="meta").state_dict(), assign=True
    )
    with torch._subclasses.FakeTensorMode(allow_non_fake_inputs=True):
        eq.Linear("S(n)", "2x2", "3x1").load_state_dict(eq.Linear("S(n)", "2x2", "3x1").state_dict())
    for odd in (torch.full((7,), float("nan")), torch.randn(LENGTH), "text", torch.zeros(0)):
        with pytest.raises(WeightsError, match="delete '_extra_state'"):
            layer.load_state_dict({**layer.state_dict(), KEY: odd})


@pytest.mark.parametrize("name", ["linear", "terms", "network"])
def test_functional_calls_take_a_state_dict(name):
    module = LAYERS[name]()
    x = inputs(module.group, str(module.space_in), dtype=torch.float32)
    expected = module.eval()(x)
    assert_close(functional_call(module, dict(module.named_parameters()), (x,)), expected)
    assert_close(functional_call(module, module.state_dict(), (x,)), expected)
    twin = LAYERS[name]().eval()
    torch.nn.utils.vector_to_parameters(nn.utils.parameters_to_vector(module.parameters()), twin.parameters())
    twin.load_state_dict(module.state_dict())
    assert_close(twin(x), expected)


def test_programs_have_weights_and_no_text():
    layer = eq.Linear("S(n)", "2x2", "3x1")
    x = torch.randn(3, 4, 4, 2)
    exported = torch.export.export(layer, (x,))
    assert_close(exported.module()(x), layer(x))
    file = io.BytesIO(program(layer.plan, "pt2", layer.state_dict()))
    assert_close(torch.export.load(file).module()(x), layer(x))


def test_fully_sharded_models_and_checkpoints():
    """One process, with torch's own functions for state_dicts and checkpoints of many."""
    import torch.distributed as dist
    from torch.distributed import checkpoint
    from torch.distributed.checkpoint import state_dict as states
    from torch.distributed.fsdp import fully_shard

    def net(**how):
        torch.manual_seed(0)
        first, last = eq.Linear("S(n)", "2x2", "4x1", **how), eq.Linear("S(n)", "4x1", "2x0", **how)
        return eq.nn.Sequential(first, last)

    with tempfile.TemporaryDirectory() as folder:
        store = f"file://{folder}/meeting"
        dist.init_process_group("gloo", init_method=store, rank=0, world_size=1)
        try:
            whole, split = net(), fully_shard(net())
            assert list(split.state_dict()) == list(whole.state_dict())
            full = states.StateDictOptions(full_state_dict=True)
            for options in (states.StateDictOptions(), full):
                found = states.get_model_state_dict(split, options=options)
                assert "0._extra_state" in found
                states.set_model_state_dict(split, found, options=options)
            whole.load_state_dict(states.get_model_state_dict(split, options=full))
            broadcast = states.StateDictOptions(full_state_dict=True, broadcast_from_rank0=True)
            states.set_model_state_dict(split, whole.state_dict(), options=broadcast)
            checkpoint.save({"model": split.state_dict()}, checkpoint_id=f"{folder}/saved")
            other = fully_shard(net(normalization="mean"))
            state = {"model": other.state_dict()}
            checkpoint.load(state, checkpoint_id=f"{folder}/saved")
            with pytest.raises(WeightsError, match="normalization='variance'"):
                other.load_state_dict(state["model"])
            with pytest.raises(WeightsError, match="normalization='variance'"):
                states.set_model_state_dict(other, whole.state_dict(), options=full)
            # A checkpoint of 0.1.0 has no such entries, which torch is told.
            old = {key: value for key, value in split.state_dict().items() if not key.endswith(KEY)}
            checkpoint.save({"model": old}, checkpoint_id=f"{folder}/old")
            state = {"model": split.state_dict()}
            planner = checkpoint.DefaultLoadPlanner(allow_partial_load=True)
            checkpoint.load(state, checkpoint_id=f"{folder}/old", planner=planner)
            split.load_state_dict(state["model"])
        finally:
            dist.destroy_process_group()


# --- integers ---------------------------------------------------------------------------------------

TAKEN = {
    "S(n)": lambda: eq.Linear("S(n)", "2x2", "2x1"),
    "Sp(4)": lambda: eq.Linear("Sp(4)", "2x2", "2x0"),
    "O(3)": lambda: eq.Linear("O(3)", "2x1", "2x1"),
    "petersen": lambda: eq.Linear("Aut(petersen)", "2x1", "2x1"),
    "irreps": lambda: eq.Linear("SO(3)", "2x2", "2x2", method="irreps"),
    "matrix": lambda: eq.Linear("SO(3)", "2x2", "2x2", method="matrix"),
    "packed": lambda: eq.Linear("S(5)", "2xS2.packed", "2x1"),
    "terms": lambda: eq.Linear("O(3)", "2x1 + 2x0", "2x1 + 2x0"),
    "zero": lambda: quiet(eq.Linear, "O(3)", "2x1", "2x0"),
    "nothing": lambda: quiet(eq.Linear, "O(3)", "2x1", "2x0", bias=False),
    "power": lambda: eq.Power("O(3)", "2x1", 2, "2x0"),
    "activation": lambda: eq.nn.Activation("S(n)", "2x2"),
    "norms": lambda: eq.nn.NormActivation("O(3)", "2x1"),
    "batch": lambda: eq.nn.BatchNorm("O(3)", "2x1"),
    "layer": lambda: eq.nn.LayerNorm("S(n)", "2x1"),
    "dropout": lambda: eq.nn.Dropout("S(n)", "2x1"),
    "pool": lambda: eq.nn.Pool("S(n)", "2x1"),
}


@pytest.mark.parametrize("name", TAKEN)
def test_integers_are_refused_everywhere(name):
    module = TAKEN[name]()
    for dtype in (torch.uint8, torch.int64, torch.bool):
        x = inputs(module.group, str(module.space_in), dtype=dtype)
        with pytest.raises(ShapeError, match=f"holds {dtype}: pass floating-point or complex numbers"):
            module(x)
    with pytest.raises(ShapeError):
        torch.compile(module, backend="eager")(x)
    for real in (torch.float32, torch.float64):
        module.to(real)
        y = module(inputs(module.group, str(module.space_in), dtype=real))
        assert {one.dtype for one in (y if isinstance(y, tuple) else (y,))} == {real}
    module.float()
    with torch.autocast("cpu", torch.bfloat16):
        module(inputs(module.group, str(module.space_in), dtype=torch.bfloat16))


def test_integers_are_refused_by_files_and_products(tmp_path):
    eq.export(eq.Linear("Sp(4)", "1x2", "1x0"), tmp_path / "mine.py")
    with pytest.raises(ValueError, match=r"holds torch\.uint8: pass floating-point"):
        load(tmp_path / "mine.py")()(torch.ones(4, 4, 1, dtype=torch.uint8))
    layer = eq.TensorProduct("O(3)", "2x1", "2x1", "1x0")
    u = torch.randn(5, 3, 2)
    for operands in ((u.long(), u), (u, u.long())):
        with pytest.raises(ShapeError, match=r"[uv] holds torch\.int64"):
            layer(*operands)


@pytest.mark.filterwarnings("ignore:Complex modules")
def test_complex_numbers_are_numbers():
    layer = eq.Linear("S(n)", "2x2", "2x1").to(torch.complex64)
    assert layer(torch.randn(3, 4, 4, 2, dtype=torch.complex64)).dtype == torch.complex64


# --- TorchScript --------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("name", ["linear", "product", "network"])
def test_script_says_what_to_take_instead(name):
    module = LAYERS[name]()
    with pytest.raises(EqsynthError, match=r"torch.jit.trace\(module, x\)"):
        torch.jit.script(module)
    with pytest.raises(EqsynthError, match=r"torch\.export"):
        torch.jit.script(nn.Sequential(module))
    if name == "linear":
        x = torch.randn(3, 4, 4, 2)
        assert_close(torch.jit.trace(module, x)(x), module(x))
