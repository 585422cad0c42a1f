"""Which pointwise functions are allowed: the decision against numbers, refusals as carefully as permissions."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import eqsynth as eq
from eqsynth.bases.pointwise import PROPERTIES, Demand, demand, gates, positional, positions
from eqsynth.errors import ActivationError, EqsynthError
from eqsynth.families.representation import act, random_element
from eqsynth.nn.activations import read_function
from eqsynth.spaces.space import axis_counts

QUARTER = eq.MatrixGroup([[[0, -1], [1, 0]]])
MINUS = eq.MatrixGroup([[[-1, 0], [0, -1]]])
SIGNED = eq.MatrixGroup([[[0, -1, 0], [1, 0, 0], [0, 0, 1]], [[1, 0, 0], [0, 0, 1], [0, 1, 0]]])
SCALES = eq.MatrixGroup([[[0, 2], ["1/2", 0]]])
TORUS = eq.MatrixGroup([], [[[1, 0], [0, -1]]])
SHEAR = eq.MatrixGroup([], [[[0, 0], [1, 0]]])
BOTH = eq.MatrixGroup([[[-2, 0], [0, 3]]])
LORENTZ = eq.MatrixGroup(
    [[[-1, 0, 0], [0, 1, 0], [0, 0, 1]]], [[[0, 1, 0], [1, 0, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, 1], [0, -1, 0]]]
)
SKEW = eq.MatrixGroup([[[0, -1], [1, -1]]])
MOVES = eq.MatrixGroup([[[0, 1, 0], [0, 0, 1], [1, 0, 0]]])

#: What each family asks for at orders 1, 2 and 3; order 0 never asks for anything.
ANY, ODD, HOMOGENEOUS, LINEAR = (), ("odd",), ("homogeneous",), ("linear",)
DEMANDS = {
    "S(3)": (ANY, ANY, ANY),
    "S(1)": (ANY, ANY, ANY),
    "A(4)": (ANY, ANY, ANY),
    "Aut(petersen)": (ANY, ANY, ANY),
    "Perm(4: 1 2 3 0)": (ANY, ANY, ANY),
    "O(1)": (ODD, ANY, ODD),
    "SO(1)": (ANY, ANY, ANY),
    "O(2)": (LINEAR,) * 3,
    "O(3)": (LINEAR,) * 3,
    "SO(2)": (LINEAR,) * 3,
    "SO(3)": (LINEAR,) * 3,
    "Sp(2)": (LINEAR,) * 3,
    "Sp(4)": (LINEAR,) * 3,
    QUARTER: (ODD, ODD, ODD),
    MINUS: (ODD, ANY, ODD),
    SIGNED: (ODD, ODD, ODD),
    MOVES: (ANY, ANY, ANY),
    SCALES: (HOMOGENEOUS,) * 3,
    TORUS: (HOMOGENEOUS,) * 3,
    BOTH: (("homogeneous", "odd"),) * 3,
    LORENTZ: (LINEAR,) * 3,
    SHEAR: (LINEAR,) * 3,
    SKEW: (LINEAR,) * 3,
}
CASES = [(group, order, found[order - 1]) for group, found in DEMANDS.items() for order in (1, 2, 3)]


def elements_of(group, count=6):
    """Random elements, and the generators themselves, which random products may miss."""
    rng = np.random.default_rng(0)
    found = [random_element(group, rng) for _ in range(count)]
    if isinstance(group, eq.MatrixGroup):
        found += [np.array(g, dtype=float) for g in group.generators]
    return found


def error(name, matrices, order, x):
    """The largest difference between f(g x) and g f(x), relative to the values."""
    function = read_function(name)[0]

    def f(array):
        return function(torch.from_numpy(array)).numpy()

    worst = 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        for g in matrices:
            left, right = f(act([g], order, x)), act([g], order, f(x))
            scale = max(1.0, np.nanmax(np.abs(right)), np.nanmax(np.abs(left)))
            worst = max(worst, float(np.nan_to_num(np.abs(left - right) / scale, nan=1.0).max()))
    return worst


def samples(n, order, seed=0):
    """Small and large entries: some functions bend only beyond 6, others are straight there."""
    entries = np.random.default_rng(seed).standard_normal((40, *(n,) * order, 1))
    return entries * np.geomspace(0.5, 30, 40).reshape(40, *(1,) * (order + 1))


@pytest.mark.parametrize(("group", "order", "expected"), CASES, ids=str)
def test_what_each_family_asks_for(group, order, expected):
    assert demand(eq.Group.parse(group), order).properties == expected
    assert demand(eq.Group.parse(group), 0) == Demand()


@pytest.mark.parametrize(("group", "order", "_expected"), [case for case in CASES if case[1] < 3], ids=str)
def test_numbers_confirm_every_permission_and_every_refusal(group, order, _expected):
    """Each named function: allowed ones commute, and for refused ones there is a counterexample."""
    group = eq.Group.parse(group)
    x, matrices = samples(group.n, order), elements_of(group)
    for name, properties in PROPERTIES.items():
        found = error(name, matrices, order, x)
        if demand(group, order).allows(properties):
            assert found < 1e-9, name
            eq.nn.Activation(group, f"1x{order}", name)
        else:
            assert found > 1e-3, name
            with pytest.raises(ActivationError, match=f"^{name} cannot be applied entry by entry"):
                eq.nn.Activation(group, f"1x{order}", name)


@pytest.mark.parametrize("family", ["S", "A"])
def test_permutations_of_open_size_allow_everything(family):
    for order in range(4):
        assert demand(eq.Group(family, "n"), order).free


@pytest.mark.parametrize("family", ["O", "SO", "Sp"])
def test_an_open_size_is_refused_although_n_may_be_one(family):
    assert demand(eq.Group(family, "n"), 0).free
    for order in range(1, 4):
        assert demand(eq.Group(family, "n"), order).properties == LINEAR


values = st.sampled_from([1, -1, 2, -2, Fraction(1, 2), 3])


@st.composite
def monomial_groups(draw):
    n = draw(st.integers(1, 3))
    moved = draw(st.permutations(range(n)))
    signs = draw(st.sampled_from([st.just(1), st.sampled_from([1, -1]), st.just(-1), values]))
    return eq.MatrixGroup([[[draw(signs) if b == moved[a] else 0 for b in range(n)] for a in range(n)]])


@settings(max_examples=120, deadline=None)
@given(monomial_groups(), st.integers(0, 3), st.sampled_from(sorted(PROPERTIES)))
def test_matrices_with_one_entry_in_a_row(group, order, name):
    """The decision is exact: a named function is allowed where it commutes, and nowhere else."""
    matrices = [np.array(g, dtype=float) for g in group.generators]
    commutes = error(name, matrices, order, samples(group.n, order)) < 1e-9
    assert demand(group, order).allows(PROPERTIES[name]) == commutes


@st.composite
def mixing_groups(draw):
    n = draw(st.integers(2, 3))
    rows = draw(st.lists(st.lists(st.integers(-2, 2), min_size=n, max_size=n), min_size=n, max_size=n))
    if not any(sum(map(bool, row)) > 1 for row in rows) or round(np.linalg.det(rows)) == 0:
        rows = [[int(a == b) + (a == 0 and b == 1) for b in range(n)] for a in range(n)]
    return eq.MatrixGroup([rows])


@settings(max_examples=80, deadline=None)
@given(mixing_groups(), st.integers(1, 2), st.sampled_from(sorted(PROPERTIES)))
def test_matrices_with_several_entries_in_a_row(group, order, name):
    matrices = [np.array(g, dtype=float) for g in group.generators]
    commutes = error(name, matrices, order, samples(group.n, order)) < 1e-9
    assert demand(group, order).properties == LINEAR
    assert commutes == (name == "identity")


PRODUCTS = {
    ("S(n) x O(3)", (2, 0)): ANY,
    ("S(n) x O(3)", (0, 1)): LINEAR,
    ("S(n) x O(3)", (1, 2)): LINEAR,
    ("S(n) x S(m)", (2, 3)): ANY,
    ("S(n) x O(1)", (2, 1)): ODD,
    ("O(1) x O(1)", (1, 1)): ODD,
    ("O(1) x O(1)", (2, 2)): ANY,
    ("O(3) x SO(1)", (0, 4)): ANY,
    ("S(2) x Sp(2)", (0, 0)): ANY,
}


@pytest.mark.parametrize(("problem", "expected"), PRODUCTS.items(), ids=str)
def test_products_ask_for_what_their_acting_factors_ask(problem, expected):
    text, order = problem
    assert demand(eq.Group.parse(text), order).properties == expected


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from(["S(2)", "S(3)", "A(3)", "O(1)", "O(2)", "SO(1)"]), min_size=2, max_size=2),
    st.tuples(st.integers(0, 2), st.integers(0, 2)),
    st.sampled_from(["relu", "tanh", "identity", "cos", "abs", "silu"]),
)
def test_products_in_numbers(names, order, function):
    group = eq.Group.parse(" x ".join(names))
    rng = np.random.default_rng(0)
    shape = [factor.n for factor, count in zip(group.factors, order, strict=True) for _ in range(count)]
    x = rng.standard_normal((12, *shape, 1)) * 2
    f = read_function(function)[0]
    worst = 0.0
    for _ in range(8):
        g = [random_element(factor, rng) for factor in group.factors]
        left, right = f(torch.from_numpy(act(g, order, x))).numpy(), act(g, order, f(torch.from_numpy(x)).numpy())
        worst = max(worst, float(np.abs(left - right).max()))
    assert demand(group, order).allows(PROPERTIES[function]) == (worst < 1e-9)


def test_positions_and_gates():
    group = eq.Group.parse("S(n) x O(3)")
    assert positions(group, (2, 1)) == (True, True, False)
    assert positional(group, (2, 1)) == (2, 0)
    assert str(gates(group, eq.Space.parse("4x(1,1) + 2x(1,0) + 3x(0,2)"))) == "4x(1,0) + 3x(0,0)"
    assert gates(eq.Group.parse("S(n)"), eq.Space.parse("4x2")) is None
    assert positional(MINUS, 2) == 2
    assert positional(MINUS, 1) == 0
    with pytest.raises(EqsynthError, match="one entry per factor"):
        gates(group, eq.Space.parse("4x1"))


def test_named_properties_are_true():
    """Each name has exactly the properties that numbers show."""
    points = torch.linspace(-6, 6, 241, dtype=torch.float64)
    for name, properties in PROPERTIES.items():
        f = read_function(name)[0]
        assert torch.allclose(f(-points), -f(points)) == ("odd" in properties), name
        assert torch.allclose(f(3 * points), 3 * f(points)) == ("homogeneous" in properties), name


# --- the module ---------------------------------------------------------------------------------


def test_a_refusal_says_why_and_what_to_do():
    with pytest.raises(ActivationError) as refused:
        eq.nn.Activation("O(3)", "8x2", torch.relu)
    message = str(refused.value)
    for part in ("relu", "order 2 of O(3)", "several non-zero entries", "2401.09235", "eq.nn.Gated", "NormActivation"):
        assert part in message
    with pytest.raises(ActivationError, match=r"only odd functions.*tanh.*odd=True"):
        eq.nn.Activation("O(1)", "8x1", "silu")
    with pytest.raises(ActivationError, match=r"relu is homogeneous.*tanh"):
        eq.nn.Activation("O(1)", "8x1", "relu")
    with pytest.raises(ActivationError, match=r"m > 0.*leaky_relu.*homogeneous=True"):
        eq.nn.Activation(TORUS, "8x1", "tanh")
    with pytest.raises(ActivationError, match=r"flip signs, and generators rescale.*Gated"):
        eq.nn.Activation(BOTH, "8x1", "tanh")
    with pytest.raises(ActivationError, match=r"order \(1,1\) of S\(n\) x O\(3\): elements of O\(3\)"):
        eq.nn.Activation("S(n) x O(3)", "2x(1,0) + 8x(1,1)", "relu")


def test_functions_of_ones_own():
    x = torch.randn(5, 1, 2, dtype=torch.float64)
    with pytest.raises(ActivationError, match="not known to be odd"):
        eq.nn.Activation("O(1)", "2x1", lambda t: t**3)
    cubes = eq.nn.Activation("O(1)", "2x1", lambda t: t**3, odd=True)
    assert torch.equal(cubes(x), x**3)
    with pytest.raises(ActivationError, match=r"is said to be odd, but"):
        eq.nn.Activation("O(1)", "2x1", lambda t: t**3 + 1e-4, odd=True)
    with pytest.raises(ActivationError, match=r"is said to be odd, but"):
        eq.nn.Activation("O(1)", "2x1", torch.nn.Hardtanh(-1, 2))
    with pytest.raises(ActivationError, match=r"is said to be homogeneous, but"):
        eq.nn.Activation(TORUS, "2x1", torch.tanh, homogeneous=True)
    eq.nn.Activation(TORUS, "2x1", lambda t: t.clamp_min(0), homogeneous=True)
    # Saying so does not help where nothing but the identity commutes.
    with pytest.raises(ActivationError, match="several non-zero entries"):
        eq.nn.Activation("O(3)", "2x1", torch.tanh, odd=True, homogeneous=True)


@pytest.mark.parametrize(
    "function",
    [
        torch.nn.Softmax(-1),
        torch.nn.Softmax(0),
        torch.nn.LayerNorm(4),
        torch.nn.Dropout(0.5),
        lambda t: t - t.mean(),
        lambda t: t.sort(0).values,
        lambda t: t.sum(-1),
        lambda t: t * torch.arange(t.numel()).reshape(t.shape),
    ],
    ids=range(8),
)
def test_functions_that_are_not_pointwise_are_refused(function):
    with pytest.raises(ActivationError, match=r"by itself|cannot be tried"):
        eq.nn.Activation("S(n)", "4x1", function)


def test_wrong_functions():
    with pytest.raises(ActivationError, match=r"no function 'rleu'.*relu"):
        eq.nn.Activation("S(n)", "4x1", "rleu")
    with pytest.raises(ActivationError, match="no function"):
        eq.nn.Activation("S(n)", "4x1", 3)
    with pytest.raises(ActivationError, match="2 functions were given for the 1 terms"):
        eq.nn.Activation("S(n)", "4x1", ("relu", "tanh"))
    with pytest.raises(ActivationError, match="last"):
        eq.nn.Activation("S(n)", "7x1", torch.nn.PReLU(7))


def test_functions_and_modules_of_torch_are_known():
    for function in (torch.tanh, torch.nn.functional.tanh, torch.nn.Tanh(), "tanh", torch.sin, torch.nn.Softsign()):
        eq.nn.Activation("O(1)", "2x1", function)
    for function in (torch.relu, torch.nn.ReLU(), torch.nn.PReLU(), torch.abs, torch.nn.LeakyReLU(0.3), "leaky_relu"):
        eq.nn.Activation(TORUS, "2x1", function)
    for function in (None, "identity", torch.nn.Identity()):
        eq.nn.Activation("O(3)", "2x1", function)


def test_a_function_for_each_term():
    act_each = eq.nn.Activation("S(n) x O(3)", "2x(1,0) + 3x(1,1) + 1x(0,0)", ("relu", None, torch.nn.SiLU()))
    assert repr(act_each) == "Activation(S(n) x O(3): 2x(1,0) + 3x(1,1) + 1x(0,0), relu, identity, SiLU)"
    inputs = torch.randn(5, 4, 2), torch.randn(5, 4, 3, 3), torch.randn(5, 1)
    outputs = act_each(inputs)
    assert torch.equal(outputs[0], inputs[0].relu())
    assert torch.equal(outputs[1], inputs[1])
    assert torch.equal(outputs[2], torch.nn.functional.silu(inputs[2]))
    assert [axis_counts(order) for order in act_each.space_out.orders] == [(1, 0), (1, 1), (0, 0)]


def test_parameters_of_functions_are_trained():
    act_learned = eq.nn.Activation("S(n)", "4x1", torch.nn.PReLU())
    assert len(list(act_learned.parameters())) == 1
    act_learned(torch.randn(3, 5, 4)).sum().backward()
    assert next(act_learned.parameters()).grad is not None
