"""Products: oracle = interpreter = emitted module, values and gradients; equivariance, costs, refusals."""

import copy
import io
import pickle
import subprocess
import sys
import warnings
from math import prod

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.func import functional_call, vmap

import eqsynth as eq
from eqsynth.errors import EqsynthError, GroupError, ParseError, ShapeError, SizeError, SpaceError, ZeroOutputWarning
from eqsynth.functor import matrix, squares
from eqsynth.interpret_products import interpret_products
from eqsynth.products import Join, Problem, plan_products
from eqsynth.space import each
from eqsynth.symmetric import independent
from oracle import randomise, shape

D4 = eq.PermutationGroup([(1, 2, 3, 0), (3, 2, 1, 0)])
LORENTZ = eq.MatrixGroup([[[-1, 0], [0, 1]]], [[[0, 1], [1, 0]]])
GROUPS = ["S(1)", "S(2)", "S(3)", "S(n)", "A(2)", "A(3)", "A(4)", "O(1)", "O(2)", "O(3)", "O(n)"]
GROUPS += ["SO(1)", "SO(2)", "SO(3)", "SO(4)", "SO(n)", "Sp(2)", "Sp(4)", "Sp(n)"]
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
    left = list(inputs)
    operands = []
    for space in layer.problem.operands:
        terms, left = left[: len(space)], left[len(space) :]
        operands.append(tuple(terms) if len(terms) > 1 else terms[0])
    needs_n = layer.problem.group.symbolic and not any(any(each(order)) for _, order in layer.problem.inputs)
    found = layer(*operands, *([n] if needs_n else []))
    return list(found) if isinstance(found, tuple) else [found]


def outer(layer, inputs, term, sizes):
    """The dense product of some inputs, (batch, all axes, channels)."""
    counts = [each(layer.problem.inputs[number][1]) for number in term]
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
            found = plan.basis(i, o)
            if not len(found):
                continue
            maps = torch.tensor(np.array([matrix(problem.group, d, sizes) for d in found.diagrams])).double()
            scale = (maps**2).sum(-1).amax(-1) ** power
            for factor, size, k, lo in zip(problem.group.factors, sizes, each(found.inputs), each(order), strict=True):
                scale = scale * (size ** (max(lo - k, 0) / 4) if factor.family in ("O", "SO", "Sp") else 1.0)
            weight = parameters[plan.weight_name(i, o)].flatten(2) * scale[:, None, None]
            total = total + torch.einsum("doc,dyx,bxc->byo", weight, maps, outer(layer, inputs, term, sizes))
        if plan.bias_dims[o]:
            zero = tuple(0 for _ in sizes) if isinstance(order, tuple) else 0
            maps = torch.tensor(eq.basis(problem.group, zero, order).matrices(sizes)).double()
            scale = (maps**2).sum(-1).amax(-1) ** power
            total = total + torch.einsum("do,dyx->yo", parameters[plan.bias_name(o)] * scale[:, None], maps)
        outputs.append(total.reshape(*batch, *shape(order, sizes), c_out))
    return outputs


def assert_all_agree(layer, n):
    inputs = inputs_for(layer, n)
    ours, meant = run(layer, inputs, n), dense(layer, inputs, n)
    parameters = {name: value.detach().numpy() for name, value in layer.named_parameters()}
    flat = [x.detach().numpy().reshape(-1, *x.shape[2:]) for x in inputs]
    reference = interpret_products(layer.plan, parameters, flat, sizes_of(layer, n))
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
        layer = product_layer(group, "2x2", "2x1", "3x1", mode="paired", normalization=normalization)
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
    [("S(2) x O(2)", [2, 2]), ("S(n) x SO(3)", [2, 3]), ("Sp(2) x A(3)", [2, 3]), ("O(n) x S(m)", [2, 3])],
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
            maps = torch.tensor(found.matrices(sizes)).double()
            values = torch.einsum("dyx,bx->dby", maps, flat).flatten(1)
            rank = int(torch.linalg.matrix_rank(values, atol=1e-8)) if len(found) else 0
            yield rank, len(layer.plan.basis(i, o)), (i, o)


@pytest.mark.parametrize("group", ["S(2)", "S(3)", "S(5)", "A(3)", "O(1)", "O(2)", "O(4)", "SO(2)", "SO(3)", "Sp(2)",
                                   "Sp(4)", "Aut(path3)", D4, LORENTZ], ids=str)  # fmt: skip
def test_maps_of_powers_are_independent_and_all(group):
    for arguments in (("1x1", 2, "1x2"), ("1x1 + 1x0", 3, "1x1"), ("1x2", 2, "1x0"), ("1x1", 3, "1x0")):
        layer = made(eq.Power, group, *arguments)
        for rank, kept, which in dimension_on_symmetric(layer, eq.Group.parse(group).n):
            assert rank == kept, which
