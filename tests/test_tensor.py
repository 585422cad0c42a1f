"""Products: oracle = interpreter = emitted module, values and gradients; equivariance, costs, refusals."""

import copy
import io
import pickle
import warnings
from dataclasses import replace
from itertools import product
from math import prod

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.func import functional_call, vmap

import eqsynth as eq
from alone import run_alone
from eqsynth.bases.dimension import symmetric_dimension
from eqsynth.diagrams.functor import matrix
from eqsynth.errors import (
    EqsynthError,
    ParseError,
    ShapeError,
    SizeError,
    SpaceError,
    VerificationError,
    ZeroOutputWarning,
)
from eqsynth.families.hom import Hom, ProductHom, parse_problem, problem_of
from eqsynth.families.representation import act, random_element, random_tensor
from eqsynth.plans.interpret import interpret
from eqsynth.plans.products import maps, plan_products
from eqsynth.plans.steps import Hodge, Join, Weigh
from eqsynth.project.exporting import program
from eqsynth.spaces.space import Space, axis_counts, entries_of
from oracle import randomise, shape

D4 = eq.PermutationGroup([(1, 2, 3, 0), (3, 2, 1, 0)])
LORENTZ = eq.MatrixGroup([[[-1, 0], [0, 1]]], [[[0, 1], [1, 0]]])
GROUPS = ["S(1)", "S(2)", "S(3)", "S(n)", "A(2)", "A(3)", "A(4)", "O(1)", "O(2)", "O(3)", "O(n)"]
GROUPS += ["SO(1)", "SO(2)", "SO(3)", "SO(4)", "SO(n)", "Sp(2)", "Sp(4)", "Sp(n)", "H(2)", "H(n)"]
ORDERS = [(0, 0, 0), (0, 1, 1), (1, 0, 2), (1, 1, 0), (1, 1, 1), (1, 1, 2), (2, 1, 1), (1, 2, 2), (2, 2, 0), (2, 2, 1)]


def made(kind, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZeroOutputWarning)
        return randomise(kind(*args, dtype=torch.float64, **kwargs))


def product_layer(*args, **kwargs):
    return made(eq.TensorProduct, *args, **kwargs)


def sizes_of(layer, n):
    factors = layer.problem.group.factors
    ns = [n] * len(factors) if isinstance(n, int) else n
    return [f.n if isinstance(f.n, int) else size for f, size in zip(factors, ns, strict=True)]


def inputs_for(layer, n, batch=(2, 3)):
    sizes = sizes_of(layer, n)
    return [
        torch.randn(*batch, *shape(k, sizes), c, dtype=torch.float64, requires_grad=True)
        for c, k in layer.problem.inputs
    ]


def run(layer, inputs, n=None):
    operands = operands_of(layer, inputs)
    needs_n = layer.problem.group.symbolic and not any(any(axis_counts(order)) for _, order in layer.problem.inputs)
    found = layer(*operands, *([n] if needs_n else []))
    return list(found) if isinstance(found, tuple) else [found]


def outer(layer, inputs, term, sizes):
    """The dense product of some inputs, (batch, all axes, channels)."""
    counts = [axis_counts(layer.problem.inputs[number][1]) for number in term]
    full = layer.problem.mode == "full"
    value = None
    for number in term:
        x = inputs[number].reshape(-1, prod(shape(layer.problem.inputs[number][1], sizes)), inputs[number].shape[-1])
        if value is None:
            value = x
        elif full:
            value = torch.einsum("zic,zjd->zijcd", value, x).flatten(1, 2).flatten(-2)
        else:
            value = torch.einsum("zic,zjc->zijc", value, x).flatten(1, 2)
    # Axes are operand by operand now, and are to be factor by factor.
    of_axis = [
        (factor, place) for place, own in enumerate(counts) for factor, count in enumerate(own) for _ in range(count)
    ]
    order = sorted(range(len(of_axis)), key=lambda axis: of_axis[axis])
    lengths = [sizes[factor] for factor, _ in of_axis]
    value = value.reshape(len(value), *lengths, -1).permute(0, *[1 + axis for axis in order], 1 + len(order))
    return value.reshape(len(value), prod(lengths), -1)


def dense(layer, inputs, n):
    """What a layer must compute, from integer matrices applied to the outer product."""
    plan, problem, sizes = layer.plan, layer.problem, sizes_of(layer, n)
    power = {"variance": -0.5, "mean": -1.0, "sum": 0.0}[plan.normalization]
    parameters = dict(layer.named_parameters())
    order_0 = problem.inputs[0][1]
    batch = inputs[0].shape[: inputs[0].ndim - 1 - len(shape(order_0, sizes))]
    outputs = []
    for o, (c_out, order) in enumerate(problem.space_out):
        total = torch.zeros(batch.numel(), prod(shape(order, sizes)), c_out, dtype=torch.float64)
        for i, term in enumerate(problem.terms):
            found = maps(problem, i, o)
            if not len(found):
                continue
            matrices = torch.tensor(np.array([matrix(problem.group, d, sizes) for d in found.diagrams])).double()
            scale = (matrices**2).sum(-1).amax(-1) ** power
            for factor, size, k, lo in zip(
                problem.group.factors, sizes, axis_counts(found.inputs), axis_counts(order), strict=True
            ):
                scale = scale * (size ** (max(lo - k, 0) / 4) if factor.family in ("O", "SO", "Sp", "H") else 1.0)
            weight = parameters[plan.weight_name(i, o)].flatten(2) * scale[:, None, None]
            total = total + torch.einsum("doc,dyx,bxc->byo", weight, matrices, outer(layer, inputs, term, sizes))
        if plan.bias_dims[o]:
            zero = tuple(0 for _ in sizes) if isinstance(order, tuple) else 0
            matrices = torch.tensor(eq.basis(problem.group, zero, order).matrices(sizes)).double()
            scale = (matrices**2).sum(-1).amax(-1) ** power
            total = total + torch.einsum("do,dyx->yo", parameters[plan.bias_name(o)] * scale[:, None], matrices)
        outputs.append(total.reshape(*batch, *shape(order, sizes), c_out))
    return outputs


def assert_all_agree(layer, n):
    inputs = inputs_for(layer, n)
    ours, meant = run(layer, inputs, n), dense(layer, inputs, n)
    parameters = {name: value.detach().numpy() for name, value in layer.named_parameters()}
    flat = [x.detach().numpy().reshape(-1, *x.shape[2:]) for x in inputs]
    reference = interpret(layer.plan, parameters, flat, sizes_of(layer, n))
    for mine, theirs, third in zip(ours, meant, reference, strict=True):
        assert mine.shape == theirs.shape
        assert mine.is_contiguous()
        torch.testing.assert_close(mine, theirs)
        torch.testing.assert_close(mine.detach().reshape(third.shape), torch.from_numpy(third))
    cotangents = [torch.randn_like(y) for y in ours]
    wanted = [*inputs, *layer.parameters()]
    loss, oracle_loss = (sum((y * g).sum() for y, g in zip(ys, cotangents, strict=True)) for ys in (ours, meant))
    if not loss.requires_grad:
        assert not oracle_loss.requires_grad
        return
    gradients = torch.autograd.grad(loss, wanted, allow_unused=True)
    expected = torch.autograd.grad(oracle_loss, wanted, allow_unused=True)
    for x, mine, theirs in zip(wanted, gradients, expected, strict=True):
        zero = torch.zeros_like(x)
        torch.testing.assert_close(zero if mine is None else mine, zero if theirs is None else theirs)


def sizes(group):
    group = eq.Group.parse(group)
    if not group.symbolic:
        return (group.n,)
    return (2, 4) if group.family == "Sp" else (1, 3)


# --- oracle = interpreter = emitted -----------------------------------------------------------------


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("orders", ORDERS)
def test_every_family_and_several_orders(group, orders):
    k, lo, m = orders
    layer = product_layer(group, f"2x{k}", f"3x{lo}", f"2x{m}")
    for n in sizes(group):
        assert_all_agree(layer, n)


@pytest.mark.parametrize("group", ["S(3)", "S(n)", "O(3)", "SO(3)", "Sp(n)", "A(3)"])
def test_paired_channels_and_normalizations(group):
    for normalization in ("variance", "mean", "sum"):
        for orders in (("2x2", "2x1", "3x1"), ("2x2", "2x2", "2x0" if group == "A(3)" else "2x2")):
            layer = product_layer(group, *orders, mode="paired", normalization=normalization)
            for n in sizes(group):
                assert_all_agree(layer, n)


@pytest.mark.parametrize("group", ["S(n)", "O(2)", "SO(3)", "Sp(4)", "A(3)"])
def test_spaces_of_several_terms(group):
    for bias in (True, False):
        layer = product_layer(group, "2x1 + 1x2", "3x1 + 2x0", "2x0 + 2x2", bias=bias)
        assert_all_agree(layer, 3)
    layer = product_layer(group, "2x1 + 2x0", "2x1", "2x1 + 1x2", mode="paired")
    assert_all_agree(layer, 3)


@pytest.mark.parametrize("group", ["Aut(path3)", "Aut(cycle4)", D4, LORENTZ, "Aut(3: 0>1 1>2)"], ids=str)
@pytest.mark.parametrize("mode", ["full", "paired"])
def test_groups_with_tables(group, mode):
    n = eq.Group.parse(group).n
    for spaces in (("2x1", "2x1", "3x1"), ("2x1 + 2x0", "2x1", "1x0 + 2x1"), ("2x1", "2x1", "1x2")):
        assert_all_agree(product_layer(group, *spaces, mode=mode), n)


@pytest.mark.parametrize(
    ("group", "n"),
    [
        ("S(2) x O(2)", [2, 2]),
        ("S(n) x SO(3)", [2, 3]),
        ("Sp(2) x A(3)", [2, 3]),
        ("O(n) x S(m)", [2, 3]),
        ("SO(2) x SO(2)", [2, 2]),
    ],
)
def test_products_of_groups(group, n):
    assert_all_agree(product_layer(group, "2x(1,1)", "3x(1,0)", "2x(1,1) + 1x(0,1)"), n)
    assert_all_agree(product_layer(group, "2x(1,1)", "2x(0,1)", "2x(1,2)", mode="paired"), n)


@pytest.mark.parametrize("group", [*GROUPS, "Aut(path3)", D4, LORENTZ], ids=str)
@pytest.mark.parametrize("layer", ["power", "polynomial"])
def test_powers(group, layer):
    kind = eq.Power if layer == "power" else eq.PolynomialLayer
    for arguments in (("2x1", 2, "3x1"), ("2x2", 2, "2x0 + 1x2"), ("2x1 + 2x0", 3, "2x1"), ("2x1", 4, "1x0")):
        small = eq.Group.parse(group).n in (1, 2, 3) or arguments[0] != "2x1" or arguments[1] < 4
        if small and not (isinstance(group, str) and group == "SO(4)" and "2x2" in arguments):
            built = made(kind, group, *arguments)
            for n in sizes(group):
                assert_all_agree(built, n)


def test_powers_of_products_of_groups():
    assert_all_agree(made(eq.PolynomialLayer, "S(2) x O(2)", "2x(1,1) + 2x(0,1)", 2, "2x(1,0) + 1x(0,2)"), [2, 2])
    assert_all_agree(made(eq.Power, "S(n) x Sp(m)", "2x(1,1)", 2, "2x(1,0) + 1x(0,2)"), [2, 2])


def dimension_on_symmetric(layer, n):
    """The rank of all maps as functions of one input, from values at random inputs."""
    problem, sizes = layer.problem, sizes_of(layer, n)
    for i, term in enumerate(problem.terms):
        for o, order in enumerate(problem.space_out.orders):
            found = eq.basis(problem.group, problem.hom.space_in.orders[i], order)
            values = [torch.randn(60, *shape(k, sizes), c, dtype=torch.float64)[..., :1] for c, k in problem.inputs]
            flat = outer(layer, values, term, sizes)[..., 0]
            matrices = torch.tensor(found.matrices(sizes)).double()
            values = torch.einsum("dyx,bx->dby", matrices, flat).flatten(1)
            rank = int(torch.linalg.matrix_rank(values, atol=1e-8)) if len(found) else 0
            yield rank, len(maps(layer.problem, i, o)), (i, o)


@pytest.mark.parametrize("group", ["S(2)", "S(3)", "S(5)", "A(3)", "O(1)", "O(2)", "O(4)", "SO(2)", "SO(3)", "Sp(2)",
                                   "Sp(4)", "Aut(path3)", D4, LORENTZ], ids=str)  # fmt: skip
def test_maps_of_powers_are_independent_and_all(group):
    for arguments in (("1x1", 2, "1x2"), ("1x1 + 1x0", 3, "1x1"), ("1x2", 2, "1x0"), ("1x1", 3, "1x0")):
        layer = made(eq.Power, group, *arguments)
        for rank, kept, which in dimension_on_symmetric(layer, eq.Group.parse(group).n):
            assert rank == kept, which


# --- what the layers promise ------------------------------------------------------------------------


def assert_equivariant(layer, n, tolerance=1e-8):
    rng = np.random.default_rng(0)
    factors, sizes = layer.problem.group.factors, sizes_of(layer, n)
    elements = [
        random_element(eq.Group(f.family, size) if f.symbolic else f, rng)
        for f, size in zip(factors, sizes, strict=True)
    ]
    inputs = [x.detach().flatten(0, 1) for x in inputs_for(layer, n)]
    moved = [
        torch.from_numpy(act(elements, k, x.numpy())) for x, (_, k) in zip(inputs, layer.problem.inputs, strict=True)
    ]
    for after, before, order in zip(
        run(layer, moved, n), run(layer, inputs, n), layer.problem.space_out.orders, strict=True
    ):
        expected = act(elements, order, before.detach().numpy())
        torch.testing.assert_close(after.detach(), torch.from_numpy(expected), rtol=tolerance, atol=tolerance)


EVERY = ["S(4)", "S(n)", "A(3)", "A(4)", "O(3)", "O(n)", "SO(2)", "SO(3)", "SO(4)", "Sp(4)", "Aut(cycle5)", LORENTZ]


@pytest.mark.parametrize("group", EVERY, ids=str)
def test_equivariance_under_random_elements(group):
    n = 4 if eq.Group.parse(group).symbolic else eq.Group.parse(group).n
    assert_equivariant(product_layer(group, "2x1 + 1x2" if n < 5 else "2x1", "2x1", "2x1 + 1x0"), n)
    assert_equivariant(made(eq.PolynomialLayer, group, "2x1", 2, "2x1 + 1x0"), n)


def test_the_equivariance_checker_notices():
    n, broken = 4, product_layer("S(4)", "2x1", "2x1", "2x1", bias=False)
    forward = broken.forward
    broken.forward = lambda u, v: forward(u, v) + u[..., :1]
    assert_equivariant(broken, n)
    broken.forward = lambda u, v: forward(u, v) + u[..., :1].abs() * torch.arange(n).double()[:, None]
    with pytest.raises(AssertionError):
        assert_equivariant(broken, n)


def test_bilinearity():
    layer = product_layer("SO(3)", "2x2 + 1x1", "3x1", "2x1 + 1x2", bias=False)
    u0, u1, v = inputs_for(layer, 3)
    w0, w1, x = inputs_for(layer, 3)
    for a, b, c, d in zip(
        run(layer, [u0 + 2 * w0, u1 + 2 * w1, v]), run(layer, [u0, u1, v]), run(layer, [w0, w1, v]),
        run(layer, [u0, u1, -3 * v]), strict=True,
    ):  # fmt: skip
        torch.testing.assert_close(a, b + 2 * c)
        torch.testing.assert_close(d, -3 * b)
    shifted = [p - q for p, q in zip(run(layer, [u0, u1, v + x]), run(layer, [u0, u1, v]), strict=True)]
    torch.testing.assert_close(shifted, run(layer, [u0, u1, x]))


@pytest.mark.parametrize(
    ("group", "spaces"),
    [
        ("SO(4)", ("2x3", "2x1", "2x0")),
        ("SO(4)", ("2x1", "2x3", "2x0")),
        ("SO(5)", ("1x1", "1x1", "1x3")),
        ("SO(2)", ("1x3", "1x1", "1x2")),
    ],
)
def test_heads_that_take_axes_of_both_inputs(group, spaces):
    layer = product_layer(group, *spaces)
    assert_all_agree(layer, layer.problem.group.n)


def test_heads_that_take_axes_of_three_inputs():
    layer = made(eq.PolynomialLayer, "SO(3)", "1x1 + 1x1 + 1x1", 3, "1x0 + 1x1")
    assert any(step.taken for step in layer.plan.steps if isinstance(step, Hodge))
    assert_all_agree(layer, 3)


def test_batch_shapes():
    for build in LAYERS:
        layer = build(dtype=torch.float64)
        n = 4 if layer.problem.group.symbolic else layer.problem.group.n
        inputs = inputs_for(layer, n)
        (y, *_) = run(layer, inputs)
        torch.testing.assert_close(run(layer, [x[1, 2] for x in inputs])[0], y[1, 2])
        torch.testing.assert_close(run(layer, [x.transpose(0, 1) for x in inputs])[0], y.transpose(0, 1))
        assert run(layer, [x[:0] for x in inputs])[0].shape == y[:0].shape


def test_powers_stand_in_networks():
    layer = eq.PolynomialLayer("S(n)", "8x1", 2, "4x1 + 2x0")
    eq.testing.assert_equivariant(layer)
    net = eq.nn.Sequential(eq.Linear("S(n)", "3x2", "8x1"), layer, eq.Linear("S(n)", "4x1 + 2x0", "1x0"))
    assert net(torch.randn(2, 5, 5, 3)).shape == (2, 1)
    eq.testing.assert_equivariant(net)


def test_powers_are_homogeneous():
    layer = made(eq.Power, "S(n)", "2x1", 3, "2x1", bias=False)
    (x,) = inputs_for(layer, 4)
    torch.testing.assert_close(layer(2 * x), 8 * layer(x))


def test_known_products_are_among_the_maps():
    cross = eq.TensorProduct("SO(3)", 1, 1, 1, bias=False, normalization="sum", dtype=torch.float64)
    torch.nn.init.ones_(cross.weight)
    u, v = torch.randn(2, 5, 3, 1, dtype=torch.float64)
    torch.testing.assert_close(cross(u, v), torch.linalg.cross(u, v, dim=1))
    matrices = eq.TensorProduct("S(n)", 2, 2, 2, bias=False, normalization="sum", dtype=torch.float64)
    formulas = matrices.basis[0, 0, 0].formulas()
    torch.nn.init.zeros_(matrices.weight)
    matrices.weight.data[formulas.index("y[a,b] += x[a,c,c,b]")] = 1
    x, y = torch.randn(2, 5, 6, 6, 1, dtype=torch.float64)
    torch.testing.assert_close(matrices(x, y)[..., 0], x[..., 0] @ y[..., 0])


def test_the_outer_product_is_not_formed():
    def largest(group, k, lo, m):
        return str(plan_products(ProductHom.parse(group, (k, lo), m)).largest)

    for group in ("S(n)", "O(3)", "O(n)", "Sp(n)", "SO(3)", "SO(4)"):
        assert largest(group, 2, 2, 2) == "n²"
        assert largest(group, 2, 2, 0) == "1"
    assert largest("SO(3)", 2, 2, 1) == "n"
    # Here a map is the outer product itself.
    assert largest("S(n)", 1, 1, 2) == "n²"
    assert largest("O(3)", 2, 2, 4) == "n⁴"


def test_channels_are_mixed_first_where_nothing_is_contracted():
    """No tensor has n^2 places and a channel for each pair of channels."""
    plan = plan_products(ProductHom.parse("S(n)", ("16x1", "16x1"), "16x2"))
    assert [step.elements for step in plan.steps if isinstance(step, Weigh)] == [(13, 14)]
    for cost in plan.costs():
        for name in ("memory", "scratch"):
            assert not any({("n", 2), ("c_u", 1), ("c_v", 1)} <= set(term) for term in getattr(cost, name).terms)
    assert "mixed first" in str(plan)
    for spaces in (("3x1", "2x1", "2x2"), ("2x2", "3x1", "2x2 + 1x3"), ("2x2 + 3x1", "2x1", "2x3")):
        for bias in (True, False):
            for group in ("S(n)", "O(n)", "Sp(2)", "SO(3)"):
                layer = product_layer(group, *spaces, bias=bias, normalization="mean")
                assert_all_agree(layer, 3 if group in ("S(n)", "O(n)") else 2)
    assert_all_agree(product_layer("S(n) x O(m)", "2x(1,0)", "2x(1,1)", "2x(2,1)"), [2, 3])


def test_matrix_products_cost_n_cubed():
    plan = plan_products(ProductHom.parse("S(n)", (2, 2), 2))
    costs = [(cost.step, cost.multiply_adds) for cost in plan.costs() if isinstance(cost.step, Join)]
    made_by = {plan.describe(step).partition(" = ")[2]: work for step, work in costs}
    assert str(made_by["u_ab[a,c] v_ab[c,b] summed over c"]) == "n³ c_u c_v"
    at = plan.sizes(1000) | {"c_u": 1, "c_v": 1, "c_out": 1}
    assert plan.total().multiply_adds(at) < 40 * 1000**3
    assert (plan.total().memory + plan.total().scratch)(at) < 600 * 1000**2


def test_memory_in_practice():
    n, channels = 24, 2
    layer = eq.TensorProduct("O(n)", f"{channels}x2", f"{channels}x2", f"{channels}x2")
    x = torch.randn(1, n, n, channels)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        layer(x, x)
    largest = max(event.self_cpu_memory_usage for event in profile.key_averages(group_by_input_shape=True))
    assert 0 < largest < 4 * n**4 * channels**2 / 4


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (eq.TensorProduct, ("S(n)", "32x1", "32x1", "128x2")),
        (eq.TensorProduct, ("O(3)", "32x2", "32x1", "128x1")),
        (eq.TensorProduct, ("SO(3)", "32x1", "32x1", "128x1")),
        (eq.TensorProduct, ("S(4)", "128x2", "128x1", "128x1", "paired")),
        (eq.Power, ("S(4)", "128x1", 2, "128x2")),
        (eq.Power, ("SO(3)", "128x2", 2, "128x1")),
        (eq.Power, ("Sp(4)", "128x1", 2, "128x2")),
        (eq.PolynomialLayer, ("S(n)", "128x1", 3, "128x1")),
    ],
)
def test_initial_scale(kind, arguments):
    torch.manual_seed(0)
    layer = kind(*arguments, bias=False)
    n = 16 if layer.problem.group.symbolic else layer.problem.group.n
    inputs = [torch.randn(64, *shape(k, [n]), c) for c, k in layer.problem.inputs]
    (y,) = run(layer, inputs)
    assert 0.7 < float(y.detach().square().mean()) < 1.3


def test_a_power_is_the_product_with_itself():
    """Weights of a power, on the diagrams that it keeps, in a tensor product of x and x."""
    power = made(eq.Power, "O(n)", "2x2", 2, "3x2", bias=False)
    both = product_layer("O(n)", "2x2", "2x2", "3x2", mode="paired", bias=False)
    kept, every = power.basis[0, 0, 0].diagrams, both.basis[0, 0, 0].diagrams
    assert len(kept) < len(every)
    torch.nn.init.zeros_(both.weight)
    both.weight.data[[every.index(diagram) for diagram in kept]] = power.weight.data
    (x,) = inputs_for(power, 3)
    torch.testing.assert_close(power(x), both(x, x))


@settings(max_examples=15)
@given(st.data())
def test_random_problems(data):
    group = data.draw(
        st.sampled_from(["S(2)", "S(3)", "S(n)", "A(3)", "O(2)", "O(n)", "SO(2)", "SO(3)", "Sp(2)", "Sp(n)"])
    )
    order = st.integers(0, 2)
    mode = data.draw(st.sampled_from(["full", "paired"]))
    channels = [2, 2] if mode == "paired" else [2, 3]
    spaces = [
        " + ".join(f"{c}x{data.draw(order)}" for _ in range(data.draw(st.integers(1, 2)))) for c in (*channels, 2)
    ]
    n = 2 if "Sp" in group else 3
    if data.draw(st.booleans()):
        layer = product_layer(group, *spaces, mode=mode, bias=data.draw(st.booleans()))
    else:
        layer = made(eq.PolynomialLayer, group, spaces[0], 2, spaces[2])
    assert_all_agree(layer, n)
    assert_equivariant(layer, n)


# --- as a module --------------------------------------------------------------------------------------


LAYERS = [
    lambda **kw: eq.TensorProduct("S(n)", "2x2", "3x1", "2x2", **kw),
    lambda **kw: eq.TensorProduct("SO(3)", "2x2 + 3x1", "3x1", "2x2 + 2x0", **kw),
    lambda **kw: eq.TensorProduct("Sp(n)", "2x2", "2x2", "2x2", mode="paired", normalization="mean", **kw),
    lambda **kw: eq.TensorProduct("Aut(path3)", "2x1", "2x1", "2x1", **kw),
    lambda **kw: eq.PolynomialLayer("A(3)", "2x1", 2, "2x1", **kw),
]


@pytest.mark.parametrize("build", LAYERS)
def test_ordinary_module(build):
    layer = build(dtype=torch.float64)
    n = 4 if layer.problem.group.symbolic else layer.problem.group.n
    inputs = inputs_for(layer, n)
    expected = run(layer, inputs)
    for again in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        torch.testing.assert_close(run(again, inputs), expected)
        assert repr(again) == repr(layer)
    blank = build(device="meta", dtype=torch.float64).to_empty(device="cpu")
    blank.reset_parameters()
    blank.load_state_dict(layer.state_dict())
    torch.testing.assert_close(run(blank, inputs), expected)
    rounded = build(dtype=torch.float32).double()
    rounded.load_state_dict(layer.state_dict())
    torch.testing.assert_close(run(rounded, inputs), expected)
    compiled = torch.compile(layer, fullgraph=True, backend="eager", dynamic=False)
    torch.testing.assert_close(run_with(compiled, layer, inputs), expected)
    stacked = {name: torch.stack([p, 2 * p]) for name, p in layer.named_parameters()}
    both = vmap(lambda p: functional_call(layer, p, operands_of(layer, inputs)))(stacked)
    torch.testing.assert_close(first(both)[0], expected[0])
    torch.testing.assert_close(first(vmap(layer)(*operands_of(layer, inputs))), expected[0])
    small = [x.detach()[:1, :1].requires_grad_() for x in inputs]
    assert torch.autograd.gradgradcheck(lambda *xs: tuple(run(layer, xs)), small)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        single = build()
        loss = first(single(*operands_of(layer, [x.detach().float() for x in inputs]))).float().square().sum()
    loss.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in single.parameters())


def operands_of(layer, inputs):
    left, operands = list(inputs), []
    for space in layer.problem.operands:
        terms, left = left[: len(space)], left[len(space) :]
        operands.append(tuple(terms) if len(terms) > 1 else terms[0])
    return tuple(operands)


def run_with(module, layer, inputs):
    found = module(*operands_of(layer, inputs))
    return list(found) if isinstance(found, tuple) else [found]


def first(found):
    return found[0] if isinstance(found, tuple) else found


def test_exported_files_need_torch_alone(tmp_path):
    data = []
    for number, build in enumerate(LAYERS):
        layer = build(dtype=torch.float64)
        artifact = eq.export(layer, tmp_path / f"made{number}.py", name="Made")
        assert "eqsynth" not in artifact.source.split('"' * 3)[2]
        assert artifact.source.replace("class Made", "class EquivariantProduct") == layer.source
        n = 4 if layer.problem.group.symbolic else layer.problem.group.n
        inputs = [x.detach() for x in inputs_for(layer, n)]
        data.append((layer.state_dict(), operands_of(layer, inputs), run(layer, inputs)))
    torch.save(data, tmp_path / "data.pt")
    code = (
        "import sys; sys.path.insert(0, '.')\n"
        "import torch; from importlib import import_module\n"
        "for number, (state, operands, expected) in enumerate(torch.load('data.pt')):\n"
        "    layer = import_module(f'made{number}').Made().double(); layer.load_state_dict(state)\n"
        "    found = layer(*operands); found = found if isinstance(found, tuple) else (found,)\n"
        "    torch.testing.assert_close(list(found), list(expected)); print(number)"
    )
    done = run_alone(code, tmp_path)
    assert done.stdout.split() == [str(number) for number in range(len(LAYERS))], done.stderr


def test_plans_print_themselves():
    plan = eq.TensorProduct("O(n)", "4x2", "8x2", "4x2").plan
    text = str(plan)
    assert text.startswith("plan of O(n): 4x2 (x) 8x2 -> 4x2: 15 independent maps")
    assert "x_a11b[a,b] = u_ab[a,c] v_ab[c,b] summed over c" in text
    assert "u_11[] v_11[]" in plan._repr_html_()
    twisted = str(eq.TensorProduct("Sp(4)", 1, 1, 0).plan)
    assert "v_a_w0 = omega along axis 0 of v_a" in twisted


# --- refusals -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "why"),
    [
        (("Q(3)", 1, 1, 1), ParseError, "Q"),
        (("S(3)", "1y1", 1, 1), ParseError, "space"),
        (("S(3)", (1, 1), 1, 1), SpaceError, "factor"),
        (("S(3)", "2x1", "3x1", 1, "paired"), SpaceError, "full"),
        (("S(3)", 1, 1, 1, "each"), EqsynthError, "'full' or 'paired', not"),
        (("S(30)", 12, 12, 1), SizeError, "axes"),
        (("S(n)", 6, 6, 6), SizeError, "diagrams"),
        ((eq.PermutationGroup([[*range(1, 50), 0]]), 2, 1, 2), SizeError, "lower orders"),
    ],
)
def test_refused_problems(arguments, error, why):
    with pytest.raises(error, match=why):
        eq.TensorProduct(*arguments)


def test_refused_powers():
    for degree in (0, -1, 7, 1.5, True, "2"):
        with pytest.raises(EqsynthError, match="degree"):
            eq.Power("S(3)", 1, degree, 1)
    with pytest.raises(SpaceError, match="its own"):
        eq.Power("S(3)", "2x1 + 3x1", 2, 1)
    with pytest.raises(EqsynthError, match="normalization"):
        eq.Power("S(3)", 1, 2, 1, normalization="max")
    with pytest.warns(ZeroOutputWarning, match="output term 0"):
        eq.Power("Sp(4)", 1, 2, 0, bias=False)
    with pytest.raises(EqsynthError, match="subclassed"):
        type("Mine", (eq.Power,), {})


def test_refused_tensors():
    layer = eq.TensorProduct("S(n)", "2x2 + 1x1", "3x1", "2x1")
    u = (torch.randn(4, 5, 5, 2), torch.randn(4, 5, 1))
    v = torch.randn(4, 5, 3)
    assert layer(u, v).shape == (4, 5, 2)
    for wrong_u, wrong_v, why in (
        (u[0], v, "tuple of 2"),
        ((u[0], u[1][..., :0]), v, r"u1 has shape \(4, 5, 0\)"),
        (u, v[:, :4], "expected a tensor of shape"),
        (u, v[:3], "same batch shape"),
        (u, None, r"v is missing: call layer\(\(u0, u1\), v\)"),
        ((u[0][:, :, :4], u[1]), v, "u0"),
        ((u[0][:, :0, :0], u[1][:, :0]), v[:, :0], "n >= 1"),
    ):
        with pytest.raises(ShapeError, match=why):
            layer(wrong_u, wrong_v)
    scalars = eq.TensorProduct("S(n)", 0, 0, 1)
    assert scalars(torch.randn(2, 1), torch.randn(2, 1), 5).shape == (2, 5, 1)
    with pytest.raises(ShapeError, match="from 1 on"):
        scalars(torch.randn(2, 1), torch.randn(2, 1), 0)
    odd = eq.TensorProduct("Sp(n)", 1, 1, 0)
    with pytest.raises(ShapeError, match="even"):
        odd(torch.randn(2, 3, 1), torch.randn(2, 3, 1))


# --- symmetric and alternating tensors ------------------------------------------------------------------------

SYMMETRIC = [
    ("O(3)", "2xS2", "2xS2", "2xS2", 5),
    ("O(n)", "2xS2 + 2x1", "2xA2", "2xS2 + 1x1", None),
    ("S(n)", "2xS2", "2xS2", "2xS2", 66),
    ("S(3)", "2xS2", "2x1", "2xS2", None),
    ("SO(3)", "2xA2", "2x1", "2x0", 1),
    ("Sp(4)", "2xS2", "2xA2", "2xS2", None),
    ("Sp(n)", "2xA2", "2xA2", "2xS2", 1),
    ("A(4)", "2xS2", "2x1", "2xA2", None),
    ("H(3)", "2xS2", "2xS2", "2xS2", None),
    ("O(2)", "2xA2", "2xA2", "2xS2", 1),
    ("O(3)", "2xS2.packed", "2xS2.packed", "2xS2.packed", 5),
    ("S(n)", "2xS2.packed", "2xS3.packed", "2xS2", None),
    ("O(n)", "2xA2.packed", "2x1", "2x1", 1),
    ("Aut(path3)", "2xS2", "2x1", "1xS2", None),
    ("Perm(4: 1 2 3 0)", "2xS2", "2x1", "1xA2", None),
    ("S(n) x O(m)", "2x(S2.packed,1)", "2x(1,1)", "1x(1,0)", None),
]


@pytest.mark.parametrize(("group", "u", "v", "w", "count"), SYMMETRIC)
@pytest.mark.parametrize("mode", ["full", "paired"])
def test_products_of_symmetric_tensors(group, u, v, w, count, mode):
    """Strain and diffusion tensors: every map, once, computed as its diagrams say, equivariant."""
    layer = product_layer(group, u, v, w, mode=mode)
    maps_of = sum(pair.dim for pair in layer.plan.pairs)
    assert count in (None, maps_of)
    report = eq.verify(layer, trials=1)
    assert sum("relative error" in check for check in report.checks) == 3


ENDS = ["S2", "A2", 1, "S3", "A3", 0]


@pytest.mark.parametrize("family", ["S", "O", "Sp", "H", "A", "SO"])
def test_products_of_symmetric_tensors_are_as_many_as_there_are(family):
    """The dimension counts the three tensors as one, without diagrams or exchanges."""
    group = eq.Group(family, "n")
    for u, v, w in product(ENDS, ENDS[:4], [*ENDS[:4], 0]):
        problem = ProductHom.parse(group, (u, v), w)
        parts = [entries_of(Space.parse(order).orders[0])[0] for order in (u, v, w)]
        assert len(maps(problem, 0, 0)) == symmetric_dimension(group, *parts), (u, v, w)


@pytest.mark.parametrize("group", ["S(2)", "S(3)", "A(3)", "O(2)", "O(3)", "SO(2)", "SO(3)", "Sp(2)", "H(2)", D4,
                                   LORENTZ], ids=str)  # fmt: skip
def test_at_small_n_products_of_symmetric_tensors_are_independent_and_all(group):
    """Their values on random symmetric tensors have full rank, which is that of all maps of the product."""
    group = eq.Group.parse(group)
    n = int(group.n)
    rng = np.random.default_rng(0)
    for (u, v), w in product((("S2", "S2"), ("A2", 1), ("S2", "A2")), (0, 1, "S2")):
        problem = ProductHom.parse(group, (u, v), w)
        draws = [random_tensor(rng, order, [n], 1, 60) for _, order in problem.inputs]
        outer_product = np.einsum("bi,bj->bij", *(x.reshape(60, -1) for x in draws)).reshape(60, -1)
        every = eq.basis(group, sum(axis_counts(order)[0] for _, order in problem.inputs), w)
        ours = maps(problem, 0, 0)
        ranks = []
        for basis_of in (every, ours):
            matrices = basis_of.matrices().astype(float)
            values = np.einsum("dyx,bx->dby", matrices, outer_product)
            ranks.append(np.linalg.matrix_rank(values.reshape(len(values), -1), tol=1e-8) if len(values) else 0)
        assert ranks[0] == ranks[1] == len(ours), (u, v, w)


def test_packed_terms_that_no_map_reads():
    """Stored full or packed, a term that is ignored is said to be, and what other terms do stays."""
    for u, v, w in (("2x1 + 2xS2.packed", "2x0", "2x1"), ("2x3", "2xS2.packed + 2x1", "2x0")):
        with pytest.warns(eq.errors.IgnoredInputWarning):
            layer = eq.TensorProduct("O(3)", u, v, w)
        eq.verify(layer, trials=1)
    with pytest.warns(ZeroOutputWarning):
        eq.verify(eq.Power("H(5)", "1xA2.packed", 2, "1xA2.packed"), trials=1)


def test_products_that_would_take_long_are_refused_or_quick():
    with pytest.raises(SizeError, match="maps 6 -> 0 of a product would take about"):
        eq.TensorProduct("Aut(cycle5)", "1xS3", "1xS3", "1x0")
    with pytest.raises(SizeError, match="ask for lower orders"):
        eq.TensorProduct("O(3)", "1xS10.packed", "1x0", "1x0")
    # 10,395 pairings of 12 copies are not counted for each of 30 maps.
    assert eq.Power("S(n)", "1x1", 6, "1x1").plan.dims == {(0, 0): 30}


def test_powers_of_symmetric_tensors():
    cube = eq.Power("O(3)", "2xS2.packed", 3, "1xS2.packed")
    # The cube of S is S^3, S^2 tr S, S (tr S)^2, S tr S^2, and 1 times tr S^3, tr S tr S^2, (tr S)^3.
    assert sum(pair.dim for pair in cube.plan.pairs) == 6
    eq.verify(cube, trials=1)
    assert eq.Power("Sp(2)", "2xS2", 2, "2x0").plan.dims == {(0, 0): 1}
    with pytest.warns(ZeroOutputWarning):
        assert eq.Power("SO(3)", "2xA2", 2, "1x1").plan.dims == {}


def test_products_of_symmetric_tensors_start_near_variance_one():
    for group, u, v, w in (("O(3)", "S2", "S2", "S2"), ("S(16)", "S2", "S2", "S2"), ("S(16)", "S2", 1, "S2")):
        n = int(eq.Group.parse(group).n)
        squares, rng = [], np.random.default_rng(0)
        for seed in range(10):
            torch.manual_seed(seed)
            layer = eq.TensorProduct(group, f"8x{u}", f"8x{v}", f"8x{w}", mode="paired")
            x = [torch.from_numpy(random_tensor(rng, order, [n], 8, 32)).float() for _, order in layer.problem.inputs]
            squares.append(float((layer(*x).detach() ** 2).mean()))
        assert 0.6 < np.mean(squares) < 1.7


def test_a_product_of_symmetric_tensors_is_read_saved_and_told(tmp_path):
    layer = eq.TensorProduct("O(3)", "2xS2", "3xS2.packed", "2xS2")
    assert "2xS2 (x) 3xS2.packed -> 2xS2, 5 maps" in repr(layer)
    assert problem_of("O(3)", "2xS2 (x) 3xS2.packed", "2xS2") == layer.problem
    eq.export(layer, tmp_path / "stress.py")
    assert "byte for byte" in str(eq.verify(tmp_path / "stress.py", trials=1))
    other = eq.TensorProduct("O(3)", "2x2", "3x2", "2x2")
    with pytest.raises((RuntimeError, eq.errors.WeightsError)):
        other.load_state_dict(layer.state_dict())
    # How a tensor is stored does not change the function.
    full = eq.TensorProduct("O(3)", "2xS2", "3xS2", "2xS2.packed")
    full.load_state_dict(layer.state_dict())
    u, v = (random_tensor(np.random.default_rng(1), eq.Space.parse("S2").orders[0], [3], c, 4) for c in (2, 3))
    u, v = torch.from_numpy(u).float(), torch.from_numpy(v).float()
    torch.testing.assert_close(eq.pack(layer(u, eq.pack(v, "S2")), "S2"), full(u, v))


PROGRAMS = {
    "two inputs": lambda: eq.TensorProduct("S(n)", "2x2", "3x1", "2x1"),
    "terms": lambda: eq.TensorProduct("O(3)", "2x1 + 2x0", "2x1", "2x1 + 1x0", mode="paired"),
    "a power": lambda: eq.Power("Sp(n)", "3x1", 2, "2x2"),
    "an open size that no input shows": lambda: eq.TensorProduct("S(n)", "2x0", "2x0", "1x1"),
}


@pytest.mark.usefixtures("open_sizes", "one_exporter")
@pytest.mark.filterwarnings("ignore:`isinstance:FutureWarning")  # torch's exporter, of its own use
@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("form", ["pt2", "onnx"])
def test_programs_of_products_serve_every_batch_and_size(name, form):
    layer = PROGRAMS[name]()
    content = program(layer.plan, form, layer.state_dict())
    if form == "onnx":
        runtime = pytest.importorskip("onnxruntime")
        session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    else:
        run = torch.export.load(io.BytesIO(content)).module()
    for batch, n in ((1, 4), (5, 6), (2, 8)):
        x = [torch.randn(batch, *shape(order, sizes_of(layer, n)), c) for c, order in layer.problem.inputs]
        given = [*x] if len(layer.problem.operands[0]) == 1 else [tuple(x[:-1]), x[-1]]
        given += [n] * (name == "an open size that no input shows")
        expected = layer(*given)
        expected = expected if isinstance(expected, tuple) else (expected,)
        if form == "onnx":
            arrays = [*(tensor.numpy() for tensor in x), *([np.array(n)] if len(given) > len(x) else [])]
            ours = [torch.from_numpy(y) for y in session.run(None, dict(zip(names_of(session), arrays, strict=True)))]
        else:
            ours = run(*given)
            ours = ours if isinstance(ours, tuple) else (ours,)
        torch.testing.assert_close(list(ours), list(expected))


def names_of(session):
    return [put.name for put in session.get_inputs()]


@pytest.mark.parametrize("build", LAYERS)
def test_verify(build, tmp_path):
    layer = build()
    report = eq.verify(layer, trials=2)
    assert any("weight times matrix" in check for check in report.checks)
    eq.export(layer, tmp_path / "made.py", name="Made")
    assert "byte for byte" in str(eq.verify(tmp_path / "made.py", trials=1))
    text = (tmp_path / "made.py").read_text()
    (tmp_path / "made.py").write_text(text.replace("_ab = ", "_ba = ").replace("u_a = ", "w_a = "))
    with pytest.raises(VerificationError, match="differs from what eqsynth emits"):
        eq.verify(tmp_path / "made.py")


def test_verify_notices_a_wrong_layer(monkeypatch):
    layer = eq.TensorProduct("O(3)", "2x2", "2x1", "2x1")
    forward = type(layer).forward
    with monkeypatch.context() as patch:
        patch.setattr(type(layer), "forward", lambda self, u, v: forward(self, u.transpose(-3, -2), v))
        with pytest.raises(VerificationError, match="differs from its plan"):
            eq.verify(layer)
        patch.setattr(type(layer), "forward", lambda self, u, v: forward(self, u, v).abs())
        with pytest.raises(VerificationError, match="not equivariant"):
            eq.verify(layer)
    eq.verify(layer)


def test_the_checker_notices_a_wrong_plan(monkeypatch):
    layer = product_layer("O(2)", "2x2", "2x1", "2x1")
    assert_all_agree(layer, 2)
    steps = list(layer.plan.steps)
    place = next(i for i, s in enumerate(steps) if isinstance(s, Join) and len(s.left) == 2 and s.left != (1, 0))
    steps[place] = replace(steps[place], left=steps[place].left[::-1])
    monkeypatch.setattr(type(layer), "plan", replace(layer.plan, steps=tuple(steps)))
    with pytest.raises(AssertionError):
        assert_all_agree(layer, 2)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: eq.TensorProduct("S(n)", "4x2 + 1x0", "3x1", "2x1"),
        lambda: eq.TensorProduct("S(4) x O(3)", "2x(1,1)", "2x(1,1)", "2x(1,0)", "paired"),
        lambda: eq.Power("O(3)", "4x1", 2, "3x2 + 3x0"),
        lambda: eq.PolynomialLayer("S(n)", "4x1", 3, "3x1"),
    ],
)
def test_a_problem_is_read_as_it_is_printed(layer):
    problem = layer().problem
    mode = None if problem.degrees else problem.mode
    assert parse_problem(str(problem), mode=mode) == problem
    report = eq.verify(str(problem), trials=1)
    assert report.subject == str(problem)


@pytest.mark.parametrize(
    ("operands", "mode", "message"),
    [
        ("1 (x) 1 (x) 1", "full", "multiply two, and the result with the next"),
        ("4x1 (x) 4y1", "full", "cannot read the space"),
        ("4x1 (x) ", "full", "a term is expected"),
        ("2x1 (x) 3x1", "paired", "ask for equal numbers of channels"),
        ("1 (x) 1", "sideways", "not 'sideways'"),
        ("powers 2 of 4x1", "full", "powers are always paired, leave it out"),
        ("4x1", "paired", "products of two spaces, such as 4x2 .x. 4x1: leave it out"),
        ("1 (x) 1", 3, "mode is .* not 3"),
        ("powers 0, 2 of 4x1", "full", "powers go from 1 to 6, not 0, 2"),
        ("power 7 of 4x1", "full", "powers go from 1 to 6, not 7"),
    ],
)
def test_problems_that_are_none_are_refused(operands, mode, message):
    with pytest.raises(eq.EqsynthError, match=message):
        parse_problem(f"S(n): {operands} -> 1", mode=mode)


def test_a_space_alone_is_no_product():
    assert problem_of("S(n)", "4x2 + 8x1", "1") == Hom.parse("S(n)", "4x2 + 8x1", "1")
    assert problem_of("S(n) x O(3)", "4x(1,1)", "1x(0,0)") == Hom.parse("S(n) x O(3)", "4x(1,1)", "1x(0,0)")
