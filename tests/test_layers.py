"""Layers: oracle = interpreter = emitted module, values and gradients; shapes, dtypes, refusals."""

import warnings
from dataclasses import replace

import pytest
import torch

import eqsynth as eq
import oracle
from eqsynth.codegen.emit import emit
from eqsynth.errors import EqsynthError, ShapeError, VerificationError, ZeroOutputWarning
from eqsynth.layers.emitted import compile_source, layer_of
from eqsynth.plans.steps import Mix, Reduce
from eqsynth.proof.verification import check_module
from oracle import randomise

GROUPS = [
    *(
        "S(1)",
        "S(2)",
        "S(3)",
        "S(4)",
        "S(n)",
        "A(1)",
        "A(2)",
        "A(3)",
        "A(4)",
        "A(5)",
        "A(n)",
        "O(1)",
        "O(2)",
        "O(3)",
        "O(n)",
    ),
    *("SO(1)", "SO(2)", "SO(3)", "SO(4)", "SO(n)", "Sp(2)", "Sp(4)", "Sp(n)", "H(2)", "H(n)", "O(1,2)", "SO(1,2)"),
]
SEVERAL = [
    ("2x2 + 3x1", "3x1 + 4x0"),
    ("2x3 + 1x1 + 2x0", "3x3 + 2x2 + 1x0"),
    ("3x2", "2x0 + 2x2"),
    ("4x2", "1x2 + 2x2"),
    ("2x2 + 3x2", "2x2"),
    ("2x0 + 1x0", "2x2 + 1x1"),
]


def quiet_layer(*args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZeroOutputWarning)
        # What "auto" chooses for few channels would leave most plans by diagrams untried.
        plain = eq.Group.parse(args[0]).diagrammatic if isinstance(args[0], str) else args[0].diagrammatic
        kwargs = {"method": "diagrams" if plain else "auto", **kwargs}
        return randomise(eq.Linear(*args, dtype=torch.float64, **kwargs))


def sizes(layer):
    if not layer.hom.group.symbolic:
        return (layer.hom.group.n,)
    return (2, 4) if layer.hom.group.family == "Sp" else (1, 2, 4)


def assert_all_agree(layer):
    for n in sizes(layer):
        oracle.assert_all_agree(layer, n)


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("inputs", range(4))
@pytest.mark.parametrize("outputs", range(4))
def test_every_order_up_to_three(group, inputs, outputs):
    if group == "A(5)" and inputs + outputs == 6:
        group = "A(4)"  # the oracle's 282 matrices of 125 x 125 add nothing
    assert_all_agree(quiet_layer(group, f"2x{inputs}", f"3x{outputs}"))


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize(("space_in", "space_out"), SEVERAL)
def test_spaces_of_several_terms(group, space_in, space_out):
    assert_all_agree(quiet_layer(group, space_in, space_out))
    assert_all_agree(quiet_layer(group, space_in, space_out, bias=False))


@pytest.mark.parametrize("group", ["S(3)", "S(n)", "O(3)", "O(n)"])
@pytest.mark.parametrize("normalization", ["mean", "sum"])
def test_normalizations(group, normalization):
    for inputs, outputs in ((2, 2), (3, 1), (1, 3), (2, 0), (0, 2)):
        assert_all_agree(quiet_layer(group, f"2x{inputs}", f"3x{outputs}", normalization=normalization))


@pytest.mark.parametrize(
    ("group", "orders"),
    [
        ("S(3)", (4, 2)),
        ("S(2)", (4, 4)),
        ("O(3)", (4, 4)),
        ("O(2)", (5, 3)),
        ("SO(2)", (4, 4)),
        ("SO(3)", (4, 3)),
        ("Sp(2)", (5, 3)),
        ("A(3)", (4, 2)),
        ("A(2)", (2, 5)),
    ],
)
def test_higher_orders(group, orders):
    assert_all_agree(quiet_layer(group, f"1x{orders[0]}", f"2x{orders[1]}"))


@pytest.mark.parametrize(
    ("group", "channels"), [("S(n)", (5, 1)), ("S(n)", (1, 5)), ("O(3)", (7, 1)), ("O(3)", (1, 7))]
)
def test_permutations_go_to_the_narrow_side(group, channels):
    layer = quiet_layer(group, f"{channels[0]}x3", f"{channels[1]}x3")
    assert_all_agree(layer)
    top = max((step for step in layer.plan.steps if isinstance(step, Mix)), key=lambda step: step.axes)
    assert (len(top.operands) > 1) == (channels[0] < channels[1])


def test_one_set_of_weights_serves_every_size():
    symbolic = quiet_layer("S(n)", "2x2", "3x1")
    for n in (5, 6):
        fixed = quiet_layer(f"S({n})", "2x2", "3x1")
        fixed.load_state_dict(symbolic.state_dict())
        x = torch.randn(2, n, n, 2, dtype=torch.float64)
        torch.testing.assert_close(symbolic(x), fixed(x))


def test_batch_shapes():
    layer = quiet_layer("S(n)", "2x2", "3x1")
    x = torch.randn(4, 5, 6, 6, 2, dtype=torch.float64)
    y = layer(x)
    assert y.shape == (4, 5, 6, 3)
    torch.testing.assert_close(layer(x[1, 2]), y[1, 2])
    assert layer(x[:0]).shape == (0, 5, 6, 3)
    torch.testing.assert_close(layer(x.transpose(0, 1)), y.transpose(0, 1))


@pytest.mark.filterwarnings("ignore::eqsynth.errors.IgnoredInputWarning")
def test_n_is_given_where_no_input_shows_it():
    layer = quiet_layer("S(n)", "2x0", "3x2")
    assert layer(torch.randn(4, 2, dtype=torch.float64), 5).shape == (4, 5, 5, 3)
    with pytest.raises(ShapeError, match=r"call layer\(x, n\)"):
        layer(torch.randn(4, 2, dtype=torch.float64))
    for wrong in (0, -1, 2.5, "7", True, None):
        with pytest.raises(ShapeError, match="from 1 on"):
            layer(torch.randn(4, 2, dtype=torch.float64), wrong)


WRONG = [
    ("S(n)", "2x2", (3, 4, 5, 2), r"shape \(\*batch, n, n, 2\)"),
    ("S(n)", "2x2", (3, 4, 4, 3), r"shape \(\*batch, n, n, 2\)"),
    ("S(n)", "2x2", (4, 2), r"shape \(\*batch, n, n, 2\)"),
    ("S(n)", "2x2", (2,), r"shape \(\*batch, n, n, 2\)"),
    ("S(n)", "2x2", (3, 0, 0, 2), r"shape \(\*batch, n, n, 2\)"),
    ("O(3)", "2x2", (3, 4, 4, 2), r"shape \(\*batch, 3, 3, 2\)"),
    ("O(3)", "2x0", (3, 4), r"shape \(\*batch, 2\)"),
    ("S(4)", "2x1", (4,), r"shape \(\*batch, 4, 2\)"),
    ("Sp(n)", "2x1", (4, 3, 2), "n = 3 is odd"),
]


@pytest.mark.filterwarnings("ignore::eqsynth.errors.IgnoredInputWarning")
@pytest.mark.parametrize(("group", "space", "shape", "message"), WRONG)
def test_a_wrong_shape_names_the_expected_one(group, space, shape, message):
    layer = eq.Linear(group, space, 0)
    with pytest.raises(ShapeError, match=message):
        layer(torch.zeros(shape))


def test_wrong_tuples():
    layer = eq.Linear("S(n)", "2x2 + 2x1", "1x1")
    good = (torch.zeros(3, 4, 4, 2), torch.zeros(3, 4, 2))
    layer(good)
    with pytest.raises(ShapeError, match="2 tensors"):
        layer((*good, good[0]))
    with pytest.raises(ShapeError, match="batch shape"):
        layer((good[0], torch.zeros(2, 4, 2)))
    with pytest.raises(ShapeError, match=r"input 1 .*\(\*batch, 4, 2\)"):
        layer((good[0], torch.zeros(3, 5, 2)))
    for wrong in (torch.zeros(2, 4, 4, 2), None, "ab", {"a": 1, "b": 2}, [good[0]]):
        with pytest.raises(ShapeError, match="a tuple of 2 tensors"):
            layer(wrong)
    with pytest.raises(ShapeError, match="input 1 has type NoneType"):
        layer((good[0], None))
    single = eq.Linear("S(n)", "2x2", "1x1")
    for wrong in ((good[0],), None, good[0].numpy()):
        with pytest.raises(ShapeError, match="input has type"):
            single(wrong)


def test_bad_requests():
    with pytest.raises(EqsynthError, match="'variance', 'mean' or 'sum', not"):
        eq.Linear("S(3)", 1, 1, normalization="max")
    with pytest.raises(EqsynthError):
        eq.Linear("S(3)", -1, 1)
    with pytest.raises(EqsynthError, match="'variance', 'mean' or 'sum', not"):
        eq.Linear("S(3)", 1, 1, normalization=["mean"])
    with pytest.raises(EqsynthError, match="26 axes"):
        eq.plan(" x ".join(["O(n)"] * 27), (1,) * 27, (1,) * 27)


@pytest.mark.filterwarnings("always::eqsynth.errors.ZeroOutputWarning")
def test_a_zero_output_is_said_aloud():
    with pytest.warns(ZeroOutputWarning, match="output term 0 of"):
        layer = eq.Linear("O(3)", "2x2", "2x1")
    x = torch.randn(5, 3, 3, 2)
    assert torch.equal(layer(x), torch.zeros(5, 3, 2))
    assert not list(layer.parameters())


VARIANCE = [
    *[
        (f"{family}({n})", k, lo)
        for family in ("S", "O", "SO", "A")
        for n in (1, 2, 3, 4)
        for k in range(4)
        for lo in range(3)
    ],
    *[(f"Sp({n})", k, lo) for n in (2, 4) for k in range(4) for lo in range(4)],
    ("S(7)", 2, 2),
    ("O(7)", 2, 2),
]


def expected_mean_square(layer, n):
    """Exactly, over weights and inputs of unit variance: the mean over output entries."""
    hom = layer.hom
    (_, order_in), (_, order_out) = hom.space_in.terms[0], hom.space_out.terms[0]
    basis = eq.basis(hom.group, order_in, order_out)
    pair = layer.plan.pairs[0]
    total = 0.0
    for variance, matrix in zip(pair.variances, basis.matrices(n if hom.group.symbolic else None), strict=True):
        added = float((matrix != 0).sum(1).max())
        scale = added ** {"variance": -1.0, "mean": -2.0, "sum": 0.0}[layer.plan.normalization]
        total += variance * scale * (matrix**2).sum() / n**order_out * n ** (pair.gains[0] / 2)
    return total


@pytest.mark.parametrize(("group", "inputs", "outputs"), VARIANCE)
@pytest.mark.parametrize("normalization", ["variance", "sum"])
def test_variance_is_kept_exactly_at_a_fixed_size(group, inputs, outputs, normalization):
    layer = quiet_layer(group, f"2x{inputs}", f"3x{outputs}", normalization=normalization)
    if layer.plan.pairs:
        assert expected_mean_square(layer, layer.hom.group.n) == pytest.approx(1)


@pytest.mark.parametrize("family", ["S", "O", "Sp", "H"])
def test_variance_is_near_at_every_size(family):
    for inputs in range(4):
        for outputs in range(4):
            layer = quiet_layer(f"{family}(n)", f"2x{inputs}", f"3x{outputs}")
            for n in ((2, 4, 6) if family == "Sp" else (1, 2, 3, 5, 7)) if layer.plan.pairs else ():
                assert 0.799 < expected_mean_square(layer, n) < 1.201


def test_every_entry_has_a_variance_near_one():
    """Diagonals included: S(n) 2 -> 2 over many random layers."""
    torch.manual_seed(0)
    x = torch.randn(64, 12, 12, 32)
    y = torch.cat([eq.Linear("S(n)", "32x2", "32x2")(x) for _ in range(20)], -1).detach()
    variance = y.var(dim=(0, 3))
    assert 0.7 < variance.min() < variance.max() < 1.35


def test_biases_start_at_zero_and_move_each_orbit():
    layer = eq.Linear("S(n)", "2x2", "3x2")
    assert layer.bias.shape == (2, 3)
    assert not layer.bias.any()
    assert dict(eq.Linear("S(n)", "2x2", "3x2", bias=False).named_parameters()).keys() == {"weight"}


def test_parameters_follow_device_and_dtype():
    layer = eq.Linear("S(n)", "2x2", "3x2", dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in layer.parameters()} == {torch.bfloat16}
    meta = eq.Linear("S(2)", "2x3", "3x3", device="meta")
    assert {tensor.device.type for tensor in meta.parameters()} == {"meta"}
    assert {name for name, _ in meta.named_parameters()} == {"weight", "bias"}
    assert eq.Linear("S(2)", "2x3", "3x3").double()(torch.randn(2, 2, 2, 2, dtype=torch.float64)).dtype == torch.float64


def test_a_layer_shows_what_it_is():
    layer = eq.Linear("S(n)", "2x2 + 1x1", "3x1", normalization="mean")
    assert repr(layer) == "Linear(S(n): 2x2 + 1x1 -> 3x1, 7 maps, 39 parameters, bias=True, normalization='mean')"
    assert layer.hom == eq.Hom.parse("S(n)", "2x2 + 1x1", "3x1")
    assert len(layer.basis[0, 0]) == 5
    assert "class EquivariantLinear" in layer.source
    assert "z_a" in str(layer.plan) or "z0_a" in str(layer.plan)


def test_plans_evaluate_to_themselves():
    from eqsynth.bases.adapted import Irrep
    from eqsynth.diagrams import diagram
    from eqsynth.families.group import Group
    from eqsynth.families.hom import Hom
    from eqsynth.plans import plan as plans
    from eqsynth.plans import steps
    from eqsynth.spaces.space import Space

    names = {**vars(plans), **vars(steps), **vars(diagram), "Group": Group, "Hom": Hom, "Space": Space, "Irrep": Irrep}
    for method in ("auto", "diagrams", "fourier", "irreps", "matrix"):
        plan = eq.plan("S(3)", "2x3 + 1x1", "3x2", method=method)
        assert eval(repr(plan), names) == plan


def test_the_module_checker_catches_a_sabotaged_plan():
    """A sum over the wrong index is no longer equivariant, or at least no longer what was meant."""
    plan = eq.plan("S(3)", "2x2", "3x1", method="diagrams")
    steps = list(plan.steps)
    where = next(i for i, step in enumerate(steps) if isinstance(step, Reduce) and step.pattern == (0, None))
    steps[where] = replace(steps[where], pattern=(None, 0))
    with pytest.raises(VerificationError, match="differs from its plan"):
        check_module(replace(plan, steps=tuple(steps)), layer=layer_of(plan, dtype=torch.float64))


def test_the_module_checker_catches_a_wrong_sign():
    """A plan whose maps are equivariant, but not the ones that its weights are said to belong to."""
    plan = eq.plan("A(3)", "1x1", "1x1", bias=False, method="diagrams")
    steps = [
        replace(step, entries=tuple(replace(e, sign=-e.sign) for e in step.entries)) if isinstance(step, Mix) else step
        for step in plan.steps
    ]
    wrong = replace(plan, steps=tuple(steps))
    layer = compile_source(emit(wrong))(dtype=torch.float64)
    with pytest.raises(VerificationError, match="matrices of its diagrams"):
        check_module(wrong, layer=layer)


def test_verify_checks_the_very_layer_that_it_is_given():
    layer = eq.Linear("SO(3)", 2, 1, method="diagrams")
    assert "equivariant" in str(eq.verify(layer, trials=1))
    layer.epsilon_0.fill_(7.0)
    with pytest.raises(VerificationError):
        eq.verify(layer, trials=1)


def test_the_module_checker_catches_a_layer_that_is_not_equivariant():
    layer = layer_of(eq.plan("S(3)", "1x1", "1x1"), dtype=torch.float64)
    layer.register_forward_hook(lambda _module, _inputs, output: output * torch.arange(3.0)[:, None])
    with pytest.raises(VerificationError, match="not equivariant"):
        check_module(layer.plan, layer=layer)


@pytest.mark.parametrize("group", ["S(n)", "S(2)", "A(4)", "O(n)", "SO(3)", "Sp(n)", "S(n) x O(3)"])
def test_no_batch_and_no_size_is_too_small_to_train(group):
    """Empty batches, one sample, n = 1: repeated values must never be views of something else."""
    parsed = eq.Group.parse(group)
    for k, lo in ((0, 2), (1, 3), (1, 4), (0, 1), (2, 0), (2, 2)):
        orders = [(k, 0), (lo, 0)] if len(parsed.factors) > 1 else [k, lo]
        layer = quiet_layer(group, eq.Space(((2, orders[0]),)), eq.Space(((3, orders[1]),)))
        for n in (1, 2) if parsed.symbolic and "Sp" not in group else (2,):
            size = n if parsed.symbolic else parsed.n
            for batch in ((), (0,), (1,), (2,)):
                x = torch.randn(*batch, *[size] * k, 2, dtype=torch.float64, requires_grad=True)
                before = {name: value.clone() for name, value in layer.state_dict().items()}
                args = (x, size) if parsed.symbolic and not k else (x,)
                y = layer(*args)
                with torch.no_grad():
                    assert torch.equal(layer(*args), y)
                    y.detach().add_(1)
                if y.requires_grad:
                    layer(*args).sum().backward()
                assert all(torch.equal(value, before[name]) for name, value in layer.state_dict().items())


def test_subclasses_are_refused_with_the_cure():
    with pytest.raises(EqsynthError, match="attribute of your own"):
        type("Mine", (eq.Linear,), {})
