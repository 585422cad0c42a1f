"""eq.nn: every module commutes with its group or is refused; references, torch's machinery, building and refusing."""

import copy
import pickle
import warnings
from itertools import islice

import pytest
import torch
import torch._dynamo.testing
from test_activations import BOTH, LORENTZ, QUARTER, SCALES, SKEW, TORUS
from torch import nn
from torch.autograd import gradcheck, gradgradcheck
from torch.func import functional_call, vmap
from torch.testing import assert_close

import eqsynth as eq
from eqsynth.bases.pointwise import demand
from eqsynth.errors import (
    ActivationError,
    EqsynthError,
    EquivarianceError,
    IgnoredInputWarning,
    ShapeError,
    SpaceError,
    ZeroOutputWarning,
)

#: A space for each family: positions, components and invariants.
FAMILIES = {
    "S(n)": "3x2 + 2x1 + 4x0",
    "S(3)": "3x2 + 2x1 + 4x0",
    "A(4)": "3x2 + 2x1 + 4x0",
    "Aut(petersen)": "2x1 + 4x0",
    "Perm(4: 1 2 3 0)": "3x2 + 2x1 + 4x0",
    "O(n)": "3x2 + 2x1 + 4x0",
    "O(1)": "3x2 + 2x1 + 4x0",
    "O(3)": "2x3 + 3x2 + 2x1 + 4x0",
    "SO(2)": "3x2 + 2x1 + 4x0",
    "SO(3)": "3x2 + 2x1 + 4x0",
    "SO(n)": "3x2 + 2x1 + 4x0",
    "Sp(n)": "3x2 + 2x1 + 4x0",
    "Sp(4)": "3x2 + 2x1 + 4x0",
    QUARTER: "3x2 + 2x1 + 4x0",
    SKEW: "3x2 + 2x1 + 4x0",
    SCALES: "3x2 + 2x1 + 4x0",
    TORUS: "3x2 + 2x1 + 4x0",
    BOTH: "3x2 + 2x1 + 4x0",
    LORENTZ: "3x2 + 2x1 + 4x0",
    "O(1,3)": "3x2 + 2x1 + 4x0",
    "SO(1,2)": "3x2 + 2x1 + 4x0",
    "S(n) x O(3)": "2x(2,0) + 3x(1,1) + 2x(0,2) + 2x(1,0) + 4x(0,0)",
    "S(n) x Sp(m)": "3x(1,1) + 2x(1,0) + 4x(0,0)",
    "S(n) x S(m)": "3x(1,1) + 2x(2,0) + 4x(0,0)",
    "O(n) x SO(m)": "3x(1,1) + 2x(2,0) + 4x(0,0)",
}
USUAL = {(): "silu", ("odd",): "sin", ("homogeneous",): "leaky_relu"}


def usual(group, space):
    """The most that the theorem allows, term by term."""
    space = eq.Space.parse(space)
    asked = [demand(eq.Group.parse(group), order).properties for order in space.orders]
    return eq.nn.Activation(group, space, tuple(USUAL.get(properties, "identity") for properties in asked))


def quiet(make, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZeroOutputWarning)
        return make(*args, **kwargs)


MODULES = {
    "activation": usual,
    "gated": eq.nn.Gated,
    "gated, other functions": lambda g, s: eq.nn.Gated(g, s, torch.nn.functional.softplus, torch.tanh),
    "norm activation": eq.nn.NormActivation,
    "norm activation, plain": lambda g, s: eq.nn.NormActivation(g, s, "tanh", "relu", affine=False),
    "pairings": eq.nn.Pairings,
    "layer norm": eq.nn.LayerNorm,
    "layer norm, all": lambda g, s: eq.nn.LayerNorm(g, s, over="all", affine=False),
    "batch norm": eq.nn.BatchNorm,
    "dropout": lambda g, s: eq.nn.Dropout(g, s, 0.5),
    "pool": lambda g, s: eq.nn.Pool(g, s, "sum"),
    "pool, max": lambda g, s: eq.nn.Pool(g, s, "max"),
    "pool, norm": lambda g, s: eq.nn.Pool(g, s, "mean", "norm"),
    "residual": lambda g, s: eq.nn.Residual(eq.nn.Sequential(eq.nn.Dropout(g, s), usual(g, s))),
    "MLP": lambda g, s: quiet(eq.nn.MLP, g, [s, s, s]),
    "MLP, gated, dropout": lambda g, s: quiet(eq.nn.MLP, g, [s, s, s], "gated", dropout=0.2),
    "MLP, norm": lambda g, s: quiet(eq.nn.MLP, g, [s, s, s], "norm"),
    "MLP, layer norm": lambda g, s: quiet(eq.nn.MLP, g, [s, s, s], norm="layer"),
    "MLP, batch norm": lambda g, s: quiet(eq.nn.MLP, g, [s, s, s], norm="batch"),
}
NORMS = {"layer norm", "layer norm, all", "batch norm", "MLP, layer norm", "MLP, batch norm"}
FIRST_ORDER = {"pool", "pool, max", "pool, norm"}
POSITIONS_ONLY = {"S(n)", "S(3)", "A(4)", "Aut(petersen)", "Perm(4: 1 2 3 0)", "S(n) x S(m)"}
UNIFORM = {"norm activation", "norm activation, plain", "MLP, norm"}
#: What each family is refused, apart from pairings where no tensor has components.
REFUSED = {
    **dict.fromkeys(["Sp(n)", "Sp(4)", "S(n) x Sp(m)"], NORMS | FIRST_ORDER | UNIFORM),
    **dict.fromkeys([TORUS, LORENTZ, "O(1,3)", "SO(1,2)"], NORMS | FIRST_ORDER),
    BOTH: {*NORMS, *FIRST_ORDER, *UNIFORM, "pairings"},
}


def refused(group, name):
    return name in REFUSED.get(group, ()) or (group in POSITIONS_ONLY and name == "pairings")


@pytest.mark.parametrize("group", FAMILIES, ids=str)
@pytest.mark.parametrize("name", MODULES)
def test_every_module_commutes_or_is_refused(group, name):
    torch.manual_seed(0)
    if refused(group, name):
        with pytest.raises((ActivationError, SpaceError), match=r"eq\.nn|order 0|activation='gated'"):
            MODULES[name](group, FAMILIES[group])
        return
    module = MODULES[name](group, FAMILIES[group])
    letters = {factor.n for factor in module.group.factors if isinstance(factor.n, str)}
    # Whole networks at one size, their parts at several.
    sizes = {letter: 4 if letter == "n" else 2 for letter in letters} if name.startswith("MLP") else None
    eq.testing.assert_equivariant(module, n=sizes, trials=2)
    if any(isinstance(part, eq.nn.BatchNorm | eq.nn.Dropout) for part in module.modules()):
        eq.testing.assert_equivariant(module.eval(), n=sizes, trials=2)


@pytest.mark.parametrize("group", ["S(n)", "O(3)", "Sp(4)", LORENTZ, "S(n) x O(3)"], ids=str)
def test_a_module_that_is_spoilt_is_noticed(group):
    """The same check, on modules that do something to one position or one component."""
    for name in ("gated", "dropout", "activation"):
        module = MODULES[name](group, FAMILIES[group])

        def spoil(_module, _inputs, output):
            first = output[0].clone()
            first[:, 0] *= 1.1
            return (first, *output[1:])

        module.register_forward_hook(spoil)
        with pytest.raises(EquivarianceError, match=r"is not equivariant under .*\n?.*"):
            eq.testing.assert_equivariant(module)


# --- against references -------------------------------------------------------------------------


def test_layer_norm_is_that_of_torch_where_positions_are_permuted():
    ours, theirs = eq.nn.LayerNorm("S(n)", "6x2"), nn.LayerNorm(6)
    x = torch.randn(3, 4, 4, 6)
    assert_close(ours(x), theirs(x))
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    everything = eq.nn.LayerNorm("S(n)", "6x2", over="all")(x)
    assert_close(everything, torch.nn.functional.layer_norm(x, (4, 4, 6)))
    scalars = eq.nn.LayerNorm("O(3)", "6x0")
    assert_close(scalars(x[:, 0, 0]), theirs(x[:, 0, 0]))


def test_layer_norm_of_vectors():
    x = torch.randn(5, 3, 8, dtype=torch.float64)
    norm = eq.nn.LayerNorm("O(3)", "8x1", eps=0.0, dtype=torch.float64)
    y = norm(x)
    assert_close(y.square().mean((1, 2)), torch.ones(5, dtype=torch.float64))
    assert_close(y, x / x.square().mean((1, 2), keepdim=True).sqrt())
    assert dict(norm.named_parameters()).keys() == {"weight"}
    # At each position of S(n), not over positions; over="all" over them, too.
    x = torch.randn(5, 4, 3, 8, dtype=torch.float64)
    by_position = eq.nn.LayerNorm("S(n) x O(3)", "8x(1,1)", eps=0.0)(x)
    assert_close(by_position.square().mean((2, 3)), torch.ones(5, 4, dtype=torch.float64))
    over_all = eq.nn.LayerNorm("S(n) x O(3)", "8x(1,1)", over="all", eps=0.0)(x)
    assert_close(over_all.square().mean((1, 2, 3)), torch.ones(5, dtype=torch.float64))


@pytest.mark.parametrize(("group", "shape"), [("S(n)", (7, 4, 4, 6)), ("O(3)", (7, 6))])
def test_batch_norm_is_that_of_torch_without_components(group, shape):
    ours, theirs = eq.nn.BatchNorm(group, f"6x{len(shape) - 2}"), nn.BatchNorm1d(6)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    for _ in range(3):
        x = torch.randn(shape) * 2 + 1
        assert_close(ours(x).reshape(-1, 6), theirs(x.reshape(-1, 6)))
    for name, value in theirs.state_dict().items():
        assert_close(ours.state_dict()[name], value)
    assert_close(ours.eval()(x).reshape(-1, 6), theirs.eval()(x.reshape(-1, 6)))


def test_batch_norm_of_vectors_and_its_running_statistics():
    norm = eq.nn.BatchNorm("O(3)", "6x1", eps=0.0, dtype=torch.float64)
    scales = torch.arange(1.0, 7.0, dtype=torch.float64)
    for _ in range(200):
        x = torch.randn(64, 3, 6, dtype=torch.float64) * scales
        y = norm(x)
    assert_close(y.square().mean((0, 1)), torch.ones(6, dtype=torch.float64))
    assert_close(norm.running_var, scales.square(), rtol=0.2, atol=0.0)
    assert_close(norm.eval()(x), x / norm.running_var.sqrt())
    assert norm.num_batches_tracked == 200
    assert not hasattr(norm, "bias")


def test_dropout_drops_whole_channels_of_each_sample():
    drop = eq.nn.Dropout("S(n) x O(3)", "50x(1,1) + 50x(0,0)", p=0.3)
    y, z = drop((torch.ones(40, 5, 3, 50), torch.ones(40, 50)))
    assert torch.equal(y, y[:, :1, :1].expand_as(y))
    kept = 1 / 0.7
    for values in (y[:, 0, 0], z):
        assert torch.all((values == 0) | ((values - kept).abs() < 1e-6))
        assert 0.2 < (values == 0).float().mean() < 0.4
    x = torch.randn(40, 5, 3, 50), torch.randn(40, 50)
    assert all(torch.equal(a, b) for a, b in zip(drop.eval()(x), x, strict=True))
    for p in (-0.1, 1.5):
        with pytest.raises(EqsynthError, match="a number from 0 to 1"):
            eq.nn.Dropout("S(n)", "4x1", p)


def test_pooling():
    x, z = torch.randn(5, 4, 4, 6), torch.randn(5, 2)
    for reduce, function in (("sum", torch.sum), ("mean", torch.mean), ("max", torch.amax)):
        y, same = eq.nn.Pool("S(n)", "6x2 + 2x0", reduce)((x, z))
        assert_close(y, function(x, (1, 2)))
        assert torch.equal(same, z)
    vectors = torch.randn(5, 4, 3, 6)
    pool = eq.nn.Pool("S(n) x O(3)", "6x(1,1)", "max")
    assert_close(pool(vectors), vectors.square().mean(2).sqrt().amax(1))
    vectors = torch.randn(5, 4, 3, 3, 6)
    assert_close(eq.nn.Pool("S(n) x O(3)", "6x(1,2)", "max")(vectors), vectors.square().mean((2, 3)).sqrt().amax(1))
    assert eq.nn.Pool("S(n) x O(3)", "6x(1,2)").options() == ("mean", "linear")
    traces = eq.nn.Pool("O(3)", "6x2")
    assert_close(traces(torch.eye(3)[:, :, None].expand(5, 3, 3, 6)).std(0), torch.zeros(6))
    assert [type(part).__name__ for part in traces.linear.values()] == ["Linear"]
    with pytest.raises(ActivationError, match=r"order 1 of Sp\(4\).*no linear invariants.*no norm.*eq\.nn\.Pairings"):
        eq.nn.Pool("Sp(4)", "6x1")
    with pytest.raises(ActivationError, match="no linear invariants"):
        eq.nn.Pool("O(3)", "6x1", components="linear")
    with pytest.raises(EqsynthError, match="'median'"):
        eq.nn.Pool("S(n)", "6x1", "median")
    eq.testing.assert_equivariant(eq.nn.Pool("S(n) x O(m)", "6x(0,2)", components="linear"))
    eq.testing.assert_equivariant(eq.nn.Pool("Sp(4)", "6x2"))


def test_gates_multiply():
    gated = eq.nn.Gated("S(n) x O(3)", "2x(1,1) + 3x(0,2) + 4x(1,0)", "relu", "tanh")
    assert str(gated.space_in) == "2x(1,1) + 3x(0,2) + 4x(1,0) + 2x(1,0) + 3x(0,0)"
    x = [torch.randn(5, *shape) for shape in ((4, 3, 2), (3, 3, 3), (4, 4), (4, 2), (3,))]
    a, b, c = gated(tuple(x))
    assert_close(a, x[0] * x[3].tanh()[:, :, None])
    assert_close(b, x[1] * x[4].tanh()[:, None, None])
    assert_close(c, x[2].relu())


def test_norms_scale():
    act = eq.nn.NormActivation("O(3)", "6x2 + 2x0", "tanh", "relu", eps=0.0)
    nn.init.normal_(act.weight_0)
    nn.init.normal_(act.bias_0)
    x, z = torch.randn(5, 3, 3, 6), torch.randn(5, 2)
    size = x.square().mean((1, 2), keepdim=True).sqrt()
    y, w = act((x, z))
    assert_close(y, x * (act.weight_0 * size + act.bias_0).tanh())
    assert_close(w, z.relu())
    lorentz = eq.nn.NormActivation(LORENTZ, "6x1", "tanh")
    x = torch.randn(5, 3, 6)
    square = (-(x[:, 0] ** 2) + x[:, 1] ** 2 + x[:, 2] ** 2) * lorentz_sign(lorentz)
    assert_close(lorentz(x), x * (square / 3**0.5).tanh()[:, None])


def lorentz_sign(module):
    """The form is found up to a factor; its sign is that of its first entry, which is negative for (-, +, +)."""
    from eqsynth.bases.forms import form

    return -1 if form(module.group).rows[0][0] > 0 else 1


def test_the_norm_has_finite_gradients_at_zero():
    for module in (eq.nn.NormActivation("O(3)", "2x1"), eq.nn.LayerNorm("O(3)", "2x1"), eq.nn.Pool("O(3)", "2x1")):
        x = torch.zeros(4, 3, 2, requires_grad=True)
        module(x).sum().backward()
        assert torch.isfinite(x.grad).all()


def test_pairings_are_forms_of_mixtures():
    pair = eq.nn.Pairings("O(3)", "6x1 + 4x0")
    x, z = torch.randn(5, 3, 6), torch.randn(5, 4)
    same, w = pair((x, z))
    assert torch.equal(same, x)
    left, right = x @ pair.left_0_1.T, x @ pair.right_0_1.T
    assert_close(w, z + (left * right).sum(1) / 3**0.5)
    pair = eq.nn.Pairings("Sp(4)", "6x1 + 4x0")
    x = torch.randn(5, 4, 6)
    omega = torch.tensor([[0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 0, 1], [0, 0, -1, 0]]).float()
    left, right = x @ pair.left_0_1.T, x @ pair.right_0_1.T
    assert_close(pair((x, z))[1], z + torch.einsum("bic,ij,bjc->bc", left, omega, right) / 2)


@pytest.mark.parametrize("group", ["O(3)", "Sp(4)", LORENTZ, SKEW, TORUS], ids=str)
def test_pairings_keep_variance(group):
    torch.manual_seed(0)
    n = eq.Group.parse(group).n
    for order in (1, 2):
        pair = eq.nn.Pairings(group, f"64x{order} + 256x0")
        y = pair((torch.randn(512, *(n,) * order, 64), torch.zeros(512, 256)))[1]
        assert 0.7 < y.var() < 1.4


def test_pairings_need_two_terms():
    for space in ("8x1", "8x0", "8x2 + 4x1"):
        with pytest.raises(SpaceError, match=r"nothing can be paired.*16x1 \+ 8x0"):
            eq.nn.Pairings("O(3)", space)
    with pytest.raises(ActivationError, match="keeps no bilinear form"):
        eq.nn.Pairings(BOTH, "8x1 + 4x0")


def test_refused_normalisation_says_why():
    for group in ("Sp(4)", "Sp(n)", LORENTZ, TORUS):
        for layer in (eq.nn.LayerNorm, eq.nn.BatchNorm):
            with pytest.raises(ActivationError, match=r"cannot be normalised: .*positive definite.*eq\.nn\.Gated"):
                layer(group, "8x1 + 2x0")
            layer(group, "8x0")
    with pytest.raises(
        ActivationError, match=r"order 1 of Sp\(4\): its invariant form is alternating.*eq\.nn\.Pairings"
    ):
        eq.nn.NormActivation("Sp(4)", "8x1")
    with pytest.raises(ActivationError, match=r"keeps no bilinear form.*eq\.nn\.Gated"):
        eq.nn.NormActivation(BOTH, "8x1")
    eq.testing.assert_equivariant(eq.nn.NormActivation("Sp(4)", "8x2"))


def test_the_euclidean_norm_would_not_do_for_them():
    """Why they are refused: what LayerNorm does for O(n) breaks Sp(n) and the Lorentz group."""
    for group in ("Sp(4)", LORENTZ, TORUS):
        n = eq.Group.parse(group).n
        wrong = eq.nn.LayerNorm(f"O({n})", "8x1")
        with pytest.raises(EquivarianceError):
            eq.testing.assert_equivariant(wrong, group, "8x1", "8x1")
        wrong = eq.nn.NormActivation(f"O({n})", "8x1")
        with pytest.raises(EquivarianceError):
            eq.testing.assert_equivariant(wrong, group, "8x1", "8x1")


def test_entrywise_dropout_would_not_do():
    for group in ("S(5)", "O(3)"):
        with pytest.raises(EquivarianceError):
            eq.testing.assert_equivariant(nn.Dropout(0.5), group, "8x1", "8x1")


def test_one_channel_has_no_variance():
    with pytest.raises(SpaceError, match="BatchNorm"):
        eq.nn.LayerNorm("O(3)", "8x1 + 1x0")
    with pytest.raises(SpaceError, match="over='all'"):
        eq.nn.LayerNorm("S(n)", "1x1")
    eq.nn.LayerNorm("S(n)", "1x1", over="all")
    eq.nn.LayerNorm("O(3)", "1x1")
    with pytest.raises(EqsynthError, match="'channels' or 'all'"):
        eq.nn.LayerNorm("S(n)", "4x1", over="rows")


# --- building ------------------------------------------------------------------------------------


def test_what_does_not_fit_is_named():
    linear = eq.Linear("S(n)", "1x2", "8x1")
    with pytest.raises(SpaceError, match="modules 0 and 1 do not fit: Linear gives 8x1, but Activation takes 8x2"):
        eq.nn.Sequential(linear, eq.nn.Activation("S(n)", "8x2"))
    with pytest.raises(SpaceError, match=r"Linear commutes with S\(n\), but Activation with S\(5\)"):
        eq.nn.Sequential(linear, eq.nn.Activation("S(5)", "8x1"))
    with pytest.raises(EqsynthError, match=r"ReLU does not say .*eq\.nn\.Activation.*group, space_in and space_out"):
        eq.nn.Sequential(linear, nn.ReLU())
    with pytest.raises(EqsynthError, match="at least one"):
        eq.nn.Sequential()
    with pytest.raises(SpaceError, match="goes from 1x2 to 8x1"):
        eq.nn.Residual(linear)


def test_a_sequence_is_a_sequence():
    parts = [eq.Linear("S(n)", "1x2", "8x1"), eq.nn.Activation("S(n)", "8x1"), eq.Linear("S(n)", "8x1", "2x0")]
    net = eq.nn.Sequential(*parts)
    assert list(net) == parts
    assert len(net) == 3
    assert net[1] is parts[1]
    assert list(net[1:]) == parts[1:]
    assert str(net[1:].space_in) == "8x1"
    assert [name for name, _ in net.named_parameters()] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    x = torch.randn(3, 5, 5, 1)
    assert torch.equal(net(x), parts[2](parts[1](parts[0](x))))
    assert "(0): Linear(S(n): 1x2 -> 8x1" in repr(net)


class Mine(nn.Module):
    """A module of a user's own, which takes n."""

    group, space_in, space_out = "S(n)", "3x0", "3x1"

    def forward(self, x, n):
        return x.unsqueeze(-2).expand(*x.shape[:-1], n, 3)


def test_sizes_are_passed_along():
    down, up = eq.Linear("S(n)", "2x1", "3x0"), eq.Linear("S(n)", "3x0", "2x1")
    net = eq.nn.Residual(eq.nn.Sequential(down, eq.nn.Activation("S(n)", "3x0"), up))
    assert net.sizes == ()
    x = torch.randn(4, 7, 2)
    assert_close(net(x), x + up(down(x).relu(), 7))
    open_end = eq.nn.Sequential(eq.nn.Activation("S(n)", "3x0"), eq.nn.Sequential(up))
    assert open_end.sizes == ("n",)
    z = torch.randn(4, 3)
    assert open_end(z, 5).shape == open_end(z, n=5).shape == (4, 5, 2)
    for wrong in ((), (5, 6)):
        with pytest.raises(ShapeError, match=r"module\(x, n\)"):
            open_end(z, *wrong)
    with pytest.raises(ShapeError, match=r"module\(x\)"):
        net(x, 7)
    assert eq.nn.Sequential(down, Mine())(x).shape == (4, 7, 3)
    eq.testing.assert_equivariant(eq.nn.Sequential(down, Mine()))
    eq.testing.assert_equivariant(Mine())
    with pytest.warns(ZeroOutputWarning, match="of order 2, is made of constant tensors alone, .* a term of order 2"):
        eq.nn.MLP("O(3)", ["4x1", "16x1 + 16x0", "1x2"])  # multiples of the identity
    assert isinstance(eq.nn.MLP("O(3)", ["4x1", "8x1 + 8x0 + 8x2", "1x2"])[1], eq.PolynomialLayer)
    with (
        pytest.warns(IgnoredInputWarning, match="input term 0 of this network, of order .* no path leads from it"),
        pytest.warns(ZeroOutputWarning, match="output term 0 of this network, of order .* is constant"),
    ):
        two = eq.nn.MLP("S(n) x O(m)", ["2x(1,0)", "3x(0,1) + 3x(0,0)", "1x(1,1)"])
    assert two.sizes == ("m",)
    assert two(torch.randn(4, 6, 2), 3).shape == (4, 6, 3, 1)
    both = quiet(eq.nn.MLP, "S(n) x O(m)", ["2x(0,0)", "3x(1,0)", "1x(1,2)"])
    assert both.sizes == ("m", "n")
    assert both(torch.randn(4, 2), 3, 6).shape == both(torch.randn(4, 2), n=6, m=3).shape == (4, 6, 3, 3, 1)
    eq.testing.assert_equivariant(both)


def test_exported_layers_fit_in(tmp_path):
    path = tmp_path / "layer.py"
    eq.export(eq.Linear("S(n)", "2x0", "8x1"), path)
    namespace = {}
    exec(path.read_text(), namespace)
    layer = namespace["EquivariantLinear"]()
    net = eq.nn.Sequential(layer, eq.nn.Activation("S(n)", "8x1"))
    assert net.sizes == ("n",)
    assert net(torch.randn(3, 2), 5).shape == (3, 5, 8)


def kinds(net):
    return [type(module).__name__ for module in net]


def test_the_parts_of_an_mlp():
    assert kinds(eq.nn.MLP("S(n)", ["1x2", "4x1", "1x0"])) == ["Linear", "Activation", "Linear"]
    # Odd functions alone would never reach the invariants.
    for group in ("O(1)", "H(3)"):
        assert kinds(eq.nn.MLP(group, ["2x1", "4x1 + 2x0", "1x0"])) == ["Linear", "Pairings", "Gated", "Linear"]
    assert eq.nn.MLP("S(n)", ["2xA2", "4xA2", "1xA2"])[1].names == ("tanh",)
    assert quiet(eq.nn.MLP, TORUS, ["2x1", "4x1 + 2x0", "1x1 + 1x0"])[1].names == ("leaky_relu", "relu")
    for group in ("O(3)", "Sp(4)", LORENTZ):
        assert kinds(eq.nn.MLP(group, ["2x1", "4x1 + 2x0", "1x1"])) == ["Linear", "Pairings", "Gated", "Linear"]
    with pytest.warns(
        ZeroOutputWarning, match=r"this network is constant: nothing of 2x1 reaches 4x0, .* Give spaces\[1\] .* order 1"
    ):
        assert kinds(eq.nn.MLP("O(3)", ["2x1", "4x0", "1x0"])) == ["Linear", "Activation", "Linear"]
    full = eq.nn.MLP("O(3)", ["2x1", "4x1 + 2x0", "4x1 + 2x0", "1x1"], "norm", norm="batch", dropout=0.1)
    assert kinds(full) == ["Linear", *["BatchNorm", "NormActivation", "Dropout", "Linear"] * 2]
    with pytest.raises(ActivationError, match=r"relu cannot be .*O\(3\)"):
        eq.nn.MLP("O(3)", ["2x1", "4x1", "1x1"], "relu")
    with pytest.raises(ActivationError, match=r"keeps no bilinear form.*activation='gated'"):
        eq.nn.MLP(BOTH, ["2x1", "4x1", "1x1"])
    for wrong in (["2x1"], "2x1", []):
        with pytest.raises(EqsynthError, match="list of spaces"):
            eq.nn.MLP("S(n)", wrong)
    with pytest.raises(EqsynthError, match="'layer' or 'batch'"):
        eq.nn.MLP("S(n)", ["2x1", "2x1", "2x1"], norm="group")
    learned = eq.nn.MLP("S(n)", ["2x1", "2x1", "2x1", "2x1"], nn.PReLU())
    assert learned[1].functions[0] is not learned[3].functions[0]


PRODUCTS = ["Linear", "PolynomialLayer", "Gated", "Linear"]


@pytest.mark.parametrize(
    ("group", "spaces", "reached"),
    [
        ("O(3)", ["1xS2", "4xS2 + 4x0", "1xS2"], False),  # matrix products
        ("O(3)", ["1x2", "4x2 + 4x0", "1x2"], False),
        ("O(n)", ["2x1", "4x2 + 4x1 + 4x0", "1x2"], False),  # u v^T
        ("SO(3)", ["2x1", "4x1 + 4x0", "1x1"], False),  # cross products
        ("O(3)", ["2x1", "4x1 + 4x1.det + 4x0", "1x1.det"], False),
        ("Sp(4)", ["1xS2", "4xS2 + 4x0", "1xS2"], False),
        ("S(n) x O(3)", ["2x(1,1)", "4x(1,2) + 4x(1,1) + 4x(1,0)", "1x(1,2)"], False),
        # Functions of vectors with values in vectors or numbers are sums of vectors times functions of pairings.
        ("O(3)", ["2x1", "4x1 + 4x0", "1x1 + 1x0"], True),
        ("O(n)", ["2x1", "4x1 + 4x0", "1x0"], True),
        ("Sp(4)", ["2x1", "4x1 + 4x0", "1x1"], True),
        ("S(n) x O(3)", ["2x(1,1)", "4x(1,1) + 4x(1,0)", "1x(1,1)"], True),
        # Too many products: 10,395 diagrams for O(n).
        ("O(n)", ["2x4", "4x4 + 4x0", "1x4"], True),
    ],
)
def test_products_stand_where_gates_and_pairings_do_not_reach(group, spaces, reached):
    assert kinds(eq.nn.MLP(group, spaces)) == (["Linear", "Pairings", "Gated", "Linear"] if reached else PRODUCTS)


def test_pairings_can_be_asked_for_where_products_would_be_taken():
    """All else is as without asking."""
    spaces = ["1xS2", "8xS2 + 8x0", "8x0", "1x0"]
    net = eq.nn.MLP("O(3)", spaces, "pairings")
    assert kinds(eq.nn.MLP("O(3)", spaces))[:3] == PRODUCTS[:3]
    assert kinds(net) == ["Linear", "Pairings", "Gated", "Linear", "Activation", "Linear"]
    assert kinds(eq.nn.MLP("Sp(4)", spaces[:2] + spaces[3:], "pairings")) == ["Linear", "Pairings", "Gated", "Linear"]
    assert kinds(eq.nn.MLP("S(n)", ["1x2", "8x2", "1x0"], "pairings")) == ["Linear", "Activation", "Linear"]
    eq.testing.assert_equivariant(net)
    # Without pairings the square of a matrix of trace 0 is out of reach: nothing of it is of order 0.
    x = eq.symmetrise(torch.randn(5, 3, 3, 1), "S2")
    x = x - torch.eye(3)[:, :, None] * x.diagonal(dim1=1, dim2=2).sum(2)[..., None, None] / 3
    values = [quiet(eq.nn.MLP, "O(3)", spaces, activation)(x) for activation in ("gated", "pairings")]
    assert [bool((value - value[:1]).abs().max() > 1e-5) for value in values] == [False, True]


@pytest.mark.parametrize(
    ("group", "terms", "bilinear"),
    [
        ("O(3)", "2x2", lambda x: x[..., 0] @ x[..., 1]),
        ("O(3)", "1xS2", lambda x: x[..., 0] @ x[..., 0]),
        ("SO(3)", "2x1", lambda x: torch.linalg.cross(x[..., 0], x[..., 1])),
        ("SO(3)", "2x2", lambda x: x[..., 0] @ x[..., 1].mT),
    ],
)
def test_products_are_in_the_span_of_the_features(group, terms, bilinear):
    """With weights of which each output channel has its own, least squares finds the target; without products not."""
    torch.manual_seed(0)
    order, options = terms.split("x")[1], {"bias": False, "dtype": torch.float64}
    net = eq.nn.MLP(group, [terms, f"8x{order} + 8x0", f"1x{order}"], **options)
    assert kinds(net) == PRODUCTS
    factors = net[1].problem.operands[0]
    x = torch.randn(300, *[3] * (2 if "2" in order else 1), eq.Space.parse(terms).channels[0], dtype=torch.float64)
    x = (x + x.transpose(1, 2)) / 2 if order == "S2" else x
    target = bilinear(x).reshape(-1, 1)
    for degree in (1, 2):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", IgnoredInputWarning)
            wide = eq.PolynomialLayer(group, factors, degree, f"400x{order}", **options)
        features = wide(net[0](x)).reshape(-1, 400)
        weights = torch.linalg.lstsq(features, target, driver="gelsd").solution
        error = (features @ weights - target).norm() / target.norm()
        assert error < 1e-6 if degree == 2 else error > 0.3


def test_products_on_request():
    for group, spaces in (("S(n)", ["2x1", "4x1", "1x0"]), ("O(3)", ["2x1", "4x1 + 4x0", "1x1"])):
        net = eq.nn.MLP(group, spaces, "products", norm="layer")
        assert kinds(net) == ["Linear", "LayerNorm", "PolynomialLayer", "Gated", "Linear"]
        eq.testing.assert_equivariant(net)
    with pytest.raises(ActivationError, match=r"no product of tensors of orders 2 of .* reaches 4x0"):
        eq.nn.MLP(BOTH, ["3x2", "3x2 + 4x0", "1x0"], "products")
    # Squares of vectors make no vector: one set of channels is enough, and is read through the invariants.
    assert str(net[2].space_in) == "4x1"
    assert str(eq.nn.MLP("SO(3)", ["2x1", "4x1 + 4x0", "1x1"])[1].space_in) == "4x1 + 4x1"


def test_products_into_twisted_tensors_of_permutations():
    """Signs of permutations need products of different channels: u[0] v[1] - u[1] v[0] and so on."""
    for activation in ("auto", "products"):
        torch.manual_seed(0)
        net = eq.nn.MLP("S(3)", ["2x1", "3x0.det + 3x0 + 3x1", "1x0.det"], activation)
        assert kinds(net) == PRODUCTS
        assert net(torch.randn(5, 3, 2)).abs().min() > 0
        eq.testing.assert_equivariant(net)


@pytest.mark.parametrize(
    ("group", "spaces", "reached"),
    [
        ("O(3)", ["2x1o", "4x1o + 4x1e + 4x0e", "1x1e"], False),  # cross products
        ("O(3)", ["1x2e", "4x2e + 4x0e", "1x2e"], False),
        ("O(3)", ["2x1o + 1x0e", "4x1o + 4x2e + 4x0e", "1x2e + 1x0e"], False),
        ("O(3)", ["2x1o", "3x0e + 3x1o + 3x2e + 3x3o + 3x4e", "3x0e + 3x1o + 3x2e + 3x3o + 3x4e", "1x3o"], False),
        ("SO(4)", ["1x1", "4x1 + 4x{2} + 4x{}", "1x{2}"], False),
        ("S(4)", ["2x{3,1}", "4x{3,1} + 4x{2,2} + 4x{4}", "1x{2,2}"], False),
        ("H(3)", ["2x1", "4x1 + 4x{2,1;-} + 4x0", "1x{2,1;-}"], False),
        ("S(n) x O(3)", ["2x(1,1o)", "4x(1,1o) + 4x(1,2e) + 4x(1,0e)", "1x(0,2e)"], False),
        ("O(3)", ["2x1o", "4x1o + 4x0e", "1x1o + 1x0e"], True),
        ("O(3)", ["2x1o", "4x1o + 4x0e", "1x0e"], True),
    ],
)
def test_products_of_irreps_stand_where_gates_and_pairings_do_not_reach(group, spaces, reached):
    """What users of e3nn write first; 0e stands as order 0, which pairings and gates read."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net = eq.nn.MLP(group, spaces)
    assert kinds(net)[:4] == (["Linear", "Pairings", "Gated", "Linear"] if reached else PRODUCTS)
    assert net.space_out == eq.Space.parse(spaces[-1]) or "{" in spaces[-1]
    eq.testing.assert_equivariant(net)


def test_products_of_irreps_are_in_coordinates():
    spaces = ["4x0e + 3x1o + 1x2e", "4x0 + 3x1o + 3x1e + 1x2e + 2x0o", "1x1o + 1x1e"]
    net = eq.nn.MLP("O(3)", spaces, "products")
    assert str(net[2].space_out) == "3x1o + 3x1e"
    assert not any(type(step).__name__ == "Unpack" for step in net[1].plan.steps)
    _, pseudovector = net(tuple(torch.randn(5, dim, channels) for dim, channels in ((1, 4), (3, 3), (5, 1))))
    assert pseudovector.abs().min() > 0
    eq.testing.assert_equivariant(net)


def test_what_takes_two_products_is_said():
    with pytest.warns(ZeroOutputWarning, match="add a hidden space, or take activation='products'"):
        eq.nn.MLP("O(3)", ["2x1o", "3x0e + 3x1o + 3x2e + 3x3o", "1x3o"])


def test_products_leave_out_what_they_do_not_reach():
    net = eq.nn.MLP("O(3)", ["2x1", "3x0.det + 3x1 + 3x0", "1x1"], "products")
    assert str(net[1].space_out) == "3x1 + 3x0"
    net(torch.randn(4, 3, 2)).square().sum().backward()
    assert all(parameter.grad.abs().sum() for parameter in net.parameters())
    with pytest.warns(ZeroOutputWarning, match="give the hidden spaces terms of more orders, or add a hidden space$"):
        eq.nn.MLP("Z(3) wr S(3)", ["2x1", "3x1 + 3x0", "1x1 + 1x0"], "products")


@pytest.mark.parametrize("activation", ["auto", "gated", "norm", "pairings"])
@pytest.mark.parametrize("group", FAMILIES, ids=str)
def test_every_parameter_of_an_mlp_gets_a_gradient(group, activation):
    """Else DistributedDataParallel would wait for gradients that never come."""
    hidden, made = FAMILIES[group], 0
    first, last = eq.Space.parse(hidden).terms[0], eq.Space.parse(hidden).terms[-1]
    for start, end in ((first, first), (first, last), (first, (1, last[1])), (last, last)):
        for norm in (None, "layer"):
            spaces = [eq.Space((start,)), hidden, hidden, eq.Space((end,))]
            try:
                net = quiet(eq.nn.MLP, group, spaces, activation, norm)
            except ActivationError:
                continue  # no pairing, no norm: refused elsewhere
            x = inputs_for(net, dtype=torch.float32, m=4)
            sum(y.cos().sum() for y in flat(net(x, *[4] * len(net.sizes)))).backward()
            assert [name for name, p in net.named_parameters() if p.grad is None] == []
            made += 1
    assert made or activation == "norm" or group in (BOTH,)


def test_what_nothing_reads_is_left_out():
    net = eq.nn.MLP("O(3)", ["4x1", "6x1 + 5x0", "1x0"])
    assert [str(module.space_in) for module in net] == ["4x1", *["6x1 + 5x0"] * 3]
    assert [name for name, _ in net.named_parameters()] == [
        *("0.weight_0_0", "0.bias_1", "1.left_0_1", "1.right_0_1", "3.weight_1_0", "3.bias_0")
    ]
    # The first gates are there: what comes behind them reads the vectors.
    longer = eq.nn.MLP("O(3)", ["4x1", "6x1 + 5x0", "6x1 + 5x0", "1x0"])
    assert str(longer[1].space_in) == "6x1 + 5x0 + 6x0"
    assert str(eq.nn.MLP("O(3)", ["4x1", "6x1 + 5x0", "1x1"])[1].space_in) == "6x1 + 6x0"
    with pytest.warns(ZeroOutputWarning, match="this network is constant: nothing of 4x1 reaches"):
        assert kinds(eq.nn.MLP("O(3)", ["4x1", "6x1 + 5x0", "1x0"], "gated")) == ["Linear", "Gated", "Linear"]
    eq.testing.assert_equivariant(net)
    with pytest.raises(SpaceError, match="nothing of the hidden space 6x1 reaches 1x0: O\\(3\\) has no linear map"):
        eq.nn.MLP("O(3)", ["4x1", "6x1", "1x0"])


def test_terms_that_are_not_gated_pass():
    gated = eq.nn.Gated("O(3)", "4x1 + 3x1 + 2x0", gated=(False, True, True))
    assert str(gated.space_in) == "4x1 + 3x1 + 2x0 + 3x0"
    x = tuple(torch.randn(5, *([3] if k else []), c) for c, k in gated.space_in)
    vectors, others, _ = gated(x)
    assert torch.equal(vectors, x[0])
    assert_close(others, x[1] * torch.sigmoid(x[3]).unsqueeze(1))
    with pytest.raises(ActivationError, match=r"gated is .*, but 2x1 \+ 2x0 has 2 terms"):
        eq.nn.Gated("O(3)", "2x1 + 2x0", gated=(True,))


@pytest.mark.parametrize("group", ["O(3)", "Sp(4)", LORENTZ], ids=str)
def test_an_mlp_makes_invariants_of_vectors(group):
    """By linear maps and gates alone a number could not depend on vectors."""
    torch.manual_seed(0)
    net = eq.nn.MLP(group, ["4x1", "16x1 + 16x0", "1x0"])
    x = torch.randn(64, eq.Group.parse(group).n, 4)
    assert net(x).std() > 0.01
    eq.testing.assert_equivariant(net)


def test_an_mlp_learns():
    """Squared distances between points, from points: quadratic, invariant."""
    torch.manual_seed(0)
    net = eq.nn.MLP("O(3)", ["2x1", "8x1 + 8x0", "1x0"])
    x = torch.randn(256, 3, 2)
    y = (x[..., :1] - x[..., 1:]).square().sum(1)
    optimiser = torch.optim.Adam(net.parameters(), 0.02)
    for _ in range(150):
        loss = (net(x) - y).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 0.1 * y.var()


# --- in the hands of torch ------------------------------------------------------------------------


def inputs_for(module, batch=(5,), dtype=torch.float64, n=4, m=3):
    lengths = {"n": n, "m": m}
    tensors = []
    for channels, order in module.space_in:
        counts = order if isinstance(order, tuple) else (order,)
        shape = [
            lengths.get(f.n, f.n) for f, count in zip(module.group.factors, counts, strict=True) for _ in range(count)
        ]
        tensors.append(torch.randn(*batch, *shape, channels, dtype=dtype))
    return tensors[0] if len(tensors) == 1 else tuple(tensors)


def flat(outputs):
    return outputs if isinstance(outputs, tuple) else (outputs,)


NET_SPACES = {
    "S(n)": "2x2 + 3x0",
    "O(3)": "2x1 + 3x0",
    "Sp(n)": "2x1 + 3x0",
    LORENTZ: "2x1 + 3x0",
    "S(n) x O(3)": "2x(1,1) + 3x(1,0)",
}


def nets(dtype=torch.float64):
    for group, space in NET_SPACES.items():
        norm = "layer" if group in ("S(n)", "O(3)", "S(n) x O(3)") else None
        yield quiet(eq.nn.MLP, group, [space, space, space], norm=norm, dtype=dtype)
        if norm:
            yield eq.nn.Sequential(
                eq.nn.BatchNorm(group, space, dtype=dtype),
                eq.nn.NormActivation(group, space, dtype=dtype),
                eq.nn.Dropout(group, space),
                eq.nn.Pool(group, space, dtype=dtype),
            )


NETS = range(8)


def net_at(number, dtype=torch.float64):
    torch.manual_seed(0)
    return next(islice(nets(dtype), number, None))


@pytest.mark.parametrize("number", NETS)
def test_copies_pickles_and_states(number):
    net = net_at(number).eval()
    x = inputs_for(net)
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert repr(twin) == repr(net)
        for ours, theirs in zip(flat(twin(x)), flat(net(x)), strict=True):
            assert torch.equal(ours, theirs)
    other = net_at(number)
    for parameter in other.parameters():
        nn.init.zeros_(parameter)
    other.load_state_dict(net.state_dict())
    for ours, theirs in zip(flat(other.eval()(x)), flat(net(x)), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("number", NETS)
def test_meta_devices_and_gradients(number):
    net = net_at(number).eval()
    with torch.device("meta"):
        empty = net_at(number).eval()
    assert {value.device.type for value in empty.state_dict().values()} <= {"meta"}
    filled = empty.to_empty(device="cpu")
    filled.load_state_dict(net.state_dict())
    x = inputs_for(net, (2,))
    for ours, theirs in zip(flat(filled(x)), flat(net(x)), strict=True):
        assert torch.equal(ours, theirs)
    tensors = [tensor.requires_grad_() for tensor in flat(x)]
    run = net if isinstance(x, tuple) else lambda *xs: net(xs[0])
    assert gradcheck(lambda *xs: run(tuple(xs)), tensors, fast_mode=True)
    assert gradgradcheck(lambda *xs: run(tuple(xs)), tensors, fast_mode=True)


@pytest.mark.parametrize("number", NETS)
def test_shapes_without_numbers_and_empty_batches(number):
    net = net_at(number).eval()
    x = flat(inputs_for(net))
    shapes = [tensor.shape for tensor in flat(net(x))]
    on_meta = copy.deepcopy(net).to("meta")
    assert [tensor.shape for tensor in flat(on_meta(tuple(tensor.to("meta") for tensor in x)))] == shapes
    assert [tensor.shape[1:] for tensor in flat(net(tuple(tensor[:0] for tensor in x)))] == [s[1:] for s in shapes]


@pytest.mark.parametrize("number", [1, 4])
def test_export(number):
    net = net_at(number).eval()
    x = inputs_for(net)
    program = torch.export.export(net, (x,)).module()
    for ours, theirs in zip(flat(program(x)), flat(net(x)), strict=True):
        assert_close(ours, theirs)


@pytest.mark.parametrize("number", NETS)
def test_vmap(number):
    net = net_at(number).eval()
    x = inputs_for(net, (3, 2))
    meant = flat(net(x))
    for ours, theirs in zip(flat(vmap(net)(x)), meant, strict=True):
        assert_close(ours, theirs)
    values = dict(net.named_parameters())
    shared = vmap(lambda p: functional_call(net, p, (x,)))({name: value[None] for name, value in values.items()})
    for ours, theirs in zip(flat(shared), meant, strict=True):
        assert_close(ours[0], theirs)


@pytest.mark.parametrize(("number", "training"), [*((n, False) for n in (2, 3, 5, 7)), (1, True), (3, True), (7, True)])
def test_one_graph(number, training):
    torch._dynamo.reset()
    net = net_at(number).train(training)
    for part in net.modules():
        if isinstance(part, eq.nn.Dropout):
            part.p = 0.0
    other = copy.deepcopy(net)
    compiled = torch.compile(other, fullgraph=True, backend="aot_eager" if training else "eager")
    x = inputs_for(net)
    for ours, theirs in zip(flat(compiled(x)), flat(net(x)), strict=True):
        assert_close(ours, theirs)
    for ours, theirs in zip(other.buffers(), net.buffers(), strict=True):
        assert_close(ours, theirs)
    torch._dynamo.reset()


@pytest.mark.usefixtures("open_sizes")
@pytest.mark.parametrize("number", [0, 1, 4, 6])
def test_one_graph_for_every_batch_and_size(number):
    torch._dynamo.reset()
    net = net_at(number).eval()
    counter = torch._dynamo.testing.CompileCounterWithBackend("eager")
    compiled = torch.compile(net, fullgraph=True, backend=counter, dynamic=True)
    with torch._dynamo.config.patch(error_on_recompile=True):
        for n, batch in ((4, 5), (6, 3), (8, 7)):  # torch takes equal lengths for one
            x = inputs_for(net, (batch,), n=n)
            for ours, theirs in zip(flat(compiled(x)), flat(net(x)), strict=True):
                assert_close(ours, theirs)
    assert counter.frame_count == 1
    torch._dynamo.reset()


def test_compiled_dropout():
    torch._dynamo.reset()
    drop = eq.nn.Dropout("O(3)", "400x1")
    y = torch.compile(drop, fullgraph=True, backend="aot_eager")(torch.ones(4, 3, 400))
    assert torch.equal(y, y[:, :1].expand_as(y))
    assert 0.3 < (y == 0).float().mean() < 0.7


@pytest.mark.parametrize("number", NETS)
def test_low_precision(number):
    net = net_at(number, torch.float32).eval()
    x = inputs_for(net, dtype=torch.float32)
    meant = flat(net(x))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loose = flat(net(x))
    for ours, theirs in zip(loose, meant, strict=True):
        assert (ours.float() - theirs).abs().max() < 0.1 * theirs.abs().max().clamp_min(1)
    narrow = copy.deepcopy(net).bfloat16()
    outputs = flat(narrow(tuple(tensor.bfloat16() for tensor in flat(x))))
    assert {tensor.dtype for tensor in outputs} == {torch.bfloat16}


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((4, 5, 6, 2), r"shape \(\*batch, n, n, 2\) with n >= 1, channels last, for 2x2 of S\(n\)"),
        ((4, 5, 5, 3), "2x2"),
        ((5, 2), "2x2"),
        ((4, 0, 0, 2), "2x2"),
    ],
)
def test_wrong_shapes(shape, message):
    for module in (eq.nn.Activation("S(n)", "2x2"), eq.nn.LayerNorm("S(n)", "2x2"), eq.nn.Pool("S(n)", "2x2")):
        with pytest.raises(ShapeError, match=message):
            module(torch.zeros(shape))


def test_wrong_tuples():
    act = eq.nn.Activation("S(n)", "2x2 + 3x1")
    good = torch.zeros(4, 5, 5, 2), torch.zeros(4, 5, 3)
    act(good)
    act(list(good))
    for wrong in (good[0], good[:1], (*good, good[0]), None):
        with pytest.raises(ShapeError, match="a tuple of 2 tensors"):
            act(wrong)
    with pytest.raises(ShapeError, match="input 1 has shape"):
        act((good[0], torch.zeros(4, 6, 3)))
    with pytest.raises(ShapeError, match="batch shape"):
        act((good[0], torch.zeros(3, 5, 3)))
    with pytest.raises(ShapeError, match="type NoneType"):
        act((good[0], None))
    with pytest.raises(ShapeError, match=r"shape \(4, 3, 8\)"):
        eq.nn.Gated("Sp(n)", "8x1")((torch.zeros(4, 3, 8), torch.zeros(4, 8)))
    with pytest.raises(ShapeError, match="call module"):
        eq.nn.MLP("S(n)", ["1x1", "1x0", "1x1"])(3)


def test_modules_print_what_they_are():
    shown = {
        "Gated(Sp(4): 2x1 + 2x0 -> 2x1, silu, gate=sigmoid)": eq.nn.Gated("Sp(4)", "2x1"),
        "LayerNorm(S(n): 2x1, over='all')": eq.nn.LayerNorm("S(n)", "2x1", "all"),
        "Pairings(S(n) x O(3): 2x(1,1) + 2x(1,0), (1,1) -> (1,0))": eq.nn.Pairings("S(n) x O(3)", "2x(1,1) + 2x(1,0)"),
    }
    for text, module in shown.items():
        assert repr(module) == text
        assert str(module.group) in text
        assert isinstance(module.space_in, eq.Space)


@pytest.mark.parametrize("norm", ["layer", "batch"])
def test_names_of_weights_are_the_same_in_training_and_evaluation(norm):
    for group, spaces in (("S(n)", ["1x2", "4x2 + 4x1", "2x0"]), ("O(3)", ["1x1", "4x1 + 4x0", "1x1 + 1x0"])):
        net = eq.nn.MLP(group, spaces, norm=norm)
        names = list(net.train().state_dict())
        assert names == list(net.eval().state_dict())
        assert names
