"""Mixing by the Fourier transform over S_c: exact change of weights, the transform itself, plans, layers."""

import sys
from collections import Counter
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.func import functional_call, jvp, vmap

import eqsynth as eq
from alone import run_alone
from eqsynth.bases import fourier
from eqsynth.codegen import emit
from eqsynth.errors import EqsynthError
from eqsynth.exact.polynomial import Polynomial
from eqsynth.families.hom import Hom
from eqsynth.layers.emitted import compile_source
from eqsynth.plans.interpret import interpret
from eqsynth.plans.lowering import _fourier_plan, plan_by
from eqsynth.plans.steps import Mix
from oracle import assert_all_agree, inputs_for, randomise, run


@pytest.fixture(autouse=True)
def _double():
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def plan_of(group, space_in, space_out, levels, bias=True, normalization="variance"):
    return _fourier_plan(Hom.parse(group, space_in, space_out), bias, normalization, levels)


def layer_of(plan, **kwargs):
    made = emit.emit(plan)
    layer = compile_source(made)(**kwargs)
    layer.plan, layer.hom, layer.source = plan, plan.hom, made.source
    return layer


def pair_of(group, space_in, space_out, levels, **kwargs):
    """A layer by Fourier transform and the one by diagrams, with the same weights."""
    plan = plan_of(group, space_in, space_out, levels, **kwargs)
    mine = randomise(layer_of(plan))
    theirs = layer_of(plan_by(plan.hom, plan.bias, plan.normalization, "diagrams"))
    theirs.load_state_dict(mine.state_dict())
    return mine, theirs


def levels_of(plan):
    return [step.axes for step in plan.steps if isinstance(step, Mix) and step.fourier]


# --- the change of weights ------------------------------------------------------------------------------


def on_different(diagram, n):
    """The matrix of a diagram, kept where its transferred labels are pairwise different: entry by entry."""
    shape = (n,) * (diagram.outputs + diagram.inputs)
    made = np.zeros(shape, int)
    crossing = [block for block in diagram.blocks if block[0] < diagram.outputs <= block[-1]]
    for index in np.ndindex(*shape):
        agree = all(len({index[vertex] for vertex in block}) == 1 for block in diagram.blocks)
        labels = [index[block[0]] for block in crossing]
        made[index] = agree and len({*labels}) == len(labels)
    return made


@pytest.mark.parametrize(
    ("group", "k", "l", "n", "levels"),
    [
        ("S(n)", 2, 2, 3, {2}),
        ("S(n)", 3, 3, 3, {2, 3}),
        ("S(n)", 3, 3, 3, {3}),
        ("S(n)", 3, 3, 3, {2}),
        ("S(n)", 2, 3, 2, {2}),
        ("S(3)", 3, 3, 3, {2, 3}),
        ("S(4)", 3, 3, 4, {3}),
    ],
)
def test_diagrams_are_sums_of_diagrams_on_different_labels(group, k, l, n, levels):  # noqa: E741
    found = eq.basis(group, k, l)
    matrices = found.matrices(n)
    made = {}
    for number, diagram in enumerate(found.diagrams):
        apart = diagram.through in levels
        made[number] = on_different(diagram, n).reshape(n**l, -1) if apart else matrices[number]
    total = {number: matrix.copy() for number, matrix in made.items()}
    for into, element, times in fourier.sums(found, levels):
        total[element] += times * made[into]
    for number, matrix in total.items():
        assert np.array_equal(matrix, matrices[number]), str(found[number])


def test_sums_invert_the_levels_between():
    found = eq.basis("S(n)", 3, 3)
    times = Counter(times for _, _, times in fourier.sums(found, {3}))
    # Three pairs may merge, and merging all three is counted three times too often, less once.
    assert times == {1: 18, -2: 6}
    assert not fourier.sums(found, set())


def test_a_basis_that_lacks_a_merged_diagram_is_refused():
    found = eq.basis("S(n)", 2, 2)
    less = type(found)(found.group, 2, 2, tuple(d for d in found.diagrams if len(d.blocks) > 1), found.certificate)
    with pytest.raises(EqsynthError, match="merged"):
        fourier.sums(less, {2})


# --- plans ----------------------------------------------------------------------------------------------


def mixing(plan, n):
    """Multiply-adds of the mixing for one pair of channels."""
    work = plan.total().multiply_adds
    size = dict.fromkeys("n", n)
    found = {m: v for m, v in work.terms.items() if {"c_in", "c_out"} <= {symbol for symbol, _ in m}}
    return Polynomial(found)({**size, "c_in": 1, "c_out": 1})


def test_multiply_adds():
    assert mixing(plan_of("S(64)", "64x2", "64x2", [2], bias=False), 64) == 4612
    assert mixing(plan_of("S(16)", "64x3", "64x3", [2, 3], bias=False), 16) == 15865
    assert mixing(plan_by(Hom.parse("S(16)", 3, 3), False, "variance", "diagrams"), 16) == 44633


def test_levels_are_chosen_by_cost():
    for group, space, levels in [("S(16)", "64x3", [2, 3]), ("S(64)", "64x2", [2]), ("S(n)", "64x3", [2, 3])]:
        made = plan_by(Hom.parse(group, space, space), True, "variance", "fourier")
        assert levels_of(made) == levels
        assert made.estimate(16) < plan_by(made.hom, True, "variance", "diagrams").estimate(16)
        assert f"Fourier transform: mixing on {' and '.join(map(str, levels))} axes" in str(made)
    # Few channels: nothing gains, and the level that loses least is transformed.
    assert len(levels_of(plan_by(Hom.parse("S(4)", 3, 3), True, "variance", "fourier"))) == 1
    # No level has two axes: the plan by diagrams is all there is.
    with pytest.raises(EqsynthError, match="ask for method='diagrams'"):
        plan_by(Hom.parse("S(4)", 2, 1), True, "variance", "fourier")
    assert "fourier" not in dict(eq.plan("S(4)", 2, 1).alternatives)


def test_plan_prints():
    plan = plan_of("S(n)", 2, 2, [2])
    assert "z_ab = Fourier mix 2 maps, labels all different: x_ab" in str(plan)
    assert "n² c_in c_out" in str(plan)
    assert "Fourier mix" in plan._repr_html_()
    half = Polynomial.of("n") * Polynomial.of("n") + Polynomial.of("n") * -3
    assert str(half / 2) == "1/2 n² - 3/2 n"
    assert str(half * -1) == "-n² + 3 n"
    assert (half / 2)({"n": 5}) == 5


@pytest.mark.parametrize("group", ["O(3)", "Sp(4)", "SO(3)", "Aut(petersen)", "S(3) x S(3)"])
def test_other_groups_are_refused(group):
    order = (1, 1) if " x " in group else 2
    space = f"1x({order[0]},{order[1]})" if " x " in group else order
    with pytest.raises(EqsynthError, match="orders in which a map reads positions"):
        plan_by(Hom.parse(group, space, space), True, "variance", "fourier")


# --- layers ---------------------------------------------------------------------------------------------

CASES = [
    ("S(n)", "2x2", "3x2", 3, [2]),
    ("S(n)", "2x2", "3x2", 1, [2]),
    ("S(n)", "2x3", "1x3", 4, [2, 3]),
    ("S(n)", "1x3", "2x3", 2, [2, 3]),
    ("S(n)", "1x3", "2x3", 3, [3]),
    ("S(1)", "2x2", "3x2", 1, [2]),
    ("S(2)", "2x2", "3x3", 2, [2]),
    ("S(3)", "2x2", "3x3", 3, [2]),
    ("S(4)", "2x3", "1x3", 4, [2, 3]),
    ("S(4)", "1x3", "2x3", 4, [2]),
    ("S(n)", "2x2 + 3x1 + 1x3", "2x3 + 2x0 + 1x2", 3, [2, 3]),
    ("S(3)", "2x2 + 1x1 + 2x2", "2x3 + 2x2", 3, [2]),
    ("A(3)", "2x2", "2x2", 3, [2]),
    ("A(4)", "1x2", "2x3", 4, [2]),
]


@pytest.mark.parametrize(("group", "space_in", "space_out", "n", "levels"), CASES)
def test_oracle_interpreter_and_layer_agree(group, space_in, space_out, n, levels):
    for normalization in ("variance", "mean", "sum"):
        plan = plan_of(group, space_in, space_out, levels, normalization=normalization)
        assert_all_agree(randomise(layer_of(plan)), n)


@settings(max_examples=20, deadline=None)
@given(
    n=st.integers(1, 5),
    letter=st.booleans(),
    orders=st.tuples(st.integers(2, 3), st.integers(2, 3)),
    levels=st.sets(st.integers(2, 3), min_size=1),
    bias=st.booleans(),
    normalization=st.sampled_from(["variance", "mean", "sum"]),
)
def test_same_function_as_the_diagrams(n, letter, orders, levels, bias, normalization):
    group = "S(n)" if letter else f"S({n})"
    mine, theirs = pair_of(group, *orders, sorted(levels), bias=bias, normalization=normalization)
    inputs = inputs_for(mine, n)
    ours, expected = run(mine, inputs, n), run(theirs, inputs, n)
    torch.testing.assert_close(ours, expected)
    names, found = zip(*mine.named_parameters(), strict=True)
    others = [dict(theirs.named_parameters())[name] for name in names]
    cotangent = torch.randn_like(ours[0])
    left = torch.autograd.grad(ours, [*inputs, *found], cotangent)
    right = torch.autograd.grad(expected, [*inputs, *others], cotangent)
    torch.testing.assert_close(left, right)


def test_four_axes():
    # Orders 0 -> 4 and 4 -> 0 come along; of 4 -> 4 only the fourth level is new.
    plan = plan_of("S(n)", 4, 4, [4], bias=False)
    (step,) = [step for step in plan.steps if isinstance(step, Mix) and step.fourier]
    layer = randomise(layer_of(plan))
    names = sys.modules[type(layer).__module__].__dict__
    tables = names["_tuples"](5, 4, layer.young_4)
    weights = torch.randn(24, 1, 1)
    x = torch.randn(2, 5, 5, 5, 5, 1)
    dims = ((2, 1), (1, 2), (2, 3))
    made = names["_mix_orbits"](x.reshape(2, 625, 1), weights, layer.shares_4, dims, *tables).reshape(x.shape)
    assert f"{dims}" in layer.source
    assert [operand.middle for operand in step.operands] == list(permutations(range(4)))
    different = torch.tensor([len({*index}) == 4 for index in np.ndindex(5, 5, 5, 5)]).reshape(5, 5, 5, 5, 1)
    moved = [x.permute(0, *(1 + axis for axis in order), 5) for order in permutations(range(4))]
    wanted = sum(weight * each for weight, each in zip(weights.flatten(), moved, strict=True)) * different
    torch.testing.assert_close(made, wanted)


def test_the_interpreter_sees_whether_labels_may_agree():
    plan = plan_of("S(3)", 2, 2, [2])
    everywhere = [replace(step, fourier=False) if isinstance(step, Mix) else step for step in plan.steps]
    broken = replace(plan, steps=tuple(everywhere))
    parameters = {name: value.detach().numpy() for name, value in randomise(layer_of(plan)).named_parameters()}
    x = [np.random.default_rng(0).normal(size=(1, 3, 3, 1))]
    (right,), (wrong,) = (interpret(each, parameters, x, 3) for each in (plan, broken))
    assert not np.allclose(right, wrong)


@pytest.mark.parametrize("group", ["S(4)", "S(n)"])
def test_derivatives(group):
    mine, theirs = pair_of(group, "2x3", "1x3", [2, 3])
    x, tangent = torch.randn(2, 2, 4, 4, 4, 2)

    def second(layer):
        z = x.clone().requires_grad_()
        (gradient,) = torch.autograd.grad((layer(z) ** 3).sum(), z, create_graph=True)
        return torch.autograd.grad((gradient**2).sum(), [z, layer.weight])

    torch.testing.assert_close(second(mine), second(theirs))
    torch.testing.assert_close(jvp(mine, (x,), (tangent,)), jvp(theirs, (x,), (tangent,)))
    for axis in range(2):
        torch.testing.assert_close(vmap(mine, axis, axis)(x.unsqueeze(axis)), mine(x).unsqueeze(axis))
    several = {name: torch.stack([value, 2 * value]) for name, value in mine.named_parameters()}
    made, wanted = (vmap(lambda p, m=m: functional_call(m, p, (x,)))(several) for m in (mine, theirs))
    torch.testing.assert_close(made, wanted)


@pytest.mark.parametrize("group", ["S(4)", "S(n)"])
def test_dtypes_devices_and_batches(group):
    mine, _ = pair_of(group, "2x2", "3x2", [2])
    x = torch.randn(2, 4, 4, 2)
    expected = mine(x)
    tables = {name: value.clone() for name, value in mine.named_buffers()}
    for dtype in (torch.bfloat16, torch.float16, torch.float32):
        made = mine.to(dtype)(x.to(dtype))
        assert made.dtype == dtype
        torch.testing.assert_close(made.double(), expected, rtol=0.1, atol=0.3)
    # Tables are made again in double precision, not rounded twice.
    mine.double()
    assert all(torch.equal(value, tables[name]) for name, value in mine.named_buffers())
    mine.float()
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(mine(x.float()).double(), expected, rtol=0.1, atol=0.3)
    assert mine(x[:0].float()).shape == (0, 4, 4, 3)
    empty = layer_of(mine.plan, device="meta")
    assert empty(torch.empty(5, 4, 4, 2, device="meta")).shape == (5, 4, 4, 3)
    filled = empty.to_empty(device="cpu")
    filled.load_state_dict(mine.state_dict())
    torch.testing.assert_close(filled.double()(x), mine.double()(x))


@pytest.mark.usefixtures("open_sizes")
@pytest.mark.parametrize(
    ("group", "dynamic", "backend"), [("S(4)", None, "eager"), ("S(n)", None, "eager"), ("S(n)", True, "aot_eager")]
)
def test_compile(group, dynamic, backend):
    mine, _ = pair_of(group, "2x2", "3x2", [2])
    torch._dynamo.reset()
    compiled = torch.compile(mine, fullgraph=True, dynamic=dynamic, backend=backend)
    for n in [4, 6] if group == "S(n)" else [4]:
        x = torch.randn(3, n, n, 2, requires_grad=True)
        torch.testing.assert_close(compiled(x), mine(x))
        left, right = (torch.autograd.grad(each(x).square().sum(), [x, mine.weight]) for each in (compiled, mine))
        torch.testing.assert_close(left, right)


def test_exported_file_runs_alone(tmp_path):
    mine, _ = pair_of("S(n)", "2x2", "3x2", [2])
    eq.export(mine.plan, tmp_path / "made.py")
    x = torch.randn(2, 4, 4, 2)
    torch.save((mine.state_dict(), x, mine(x)), tmp_path / "data.pt")
    script = (
        "import sys, torch; sys.path.insert(0, '.'); torch.set_default_dtype(torch.float64); import made\n"
        "layer = made.EquivariantLinear(); state, x, y = torch.load('data.pt'); layer.load_state_dict(state)\n"
        "torch.testing.assert_close(layer(x), y)"
    )
    done = run_alone(script, tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("open_sizes")
def test_n_stays_open_in_exports_of_the_plan_by_diagrams_alone():
    from eqsynth.errors import ExportError
    from eqsynth.project.exporting import program

    with pytest.raises(ExportError, match="torch cannot export"):
        program(eq.plan("S(n)", "1x2", "1x2", method="fourier"), "pt2")
    assert program(eq.plan("S(n)", "1x2", "1x2"), "pt2")
