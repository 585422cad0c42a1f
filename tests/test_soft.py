"""Dense weights projected in PyTorch, against the span of layers and averages over whole groups."""

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import soft_symmetry
import torch

import eqsynth as eq
from eqsynth.errors import EqsynthError, EquivarianceError, ShapeError, SizeError, SymbolicError
from eqsynth.families.representation import symmetrised
from eqsynth.spaces.space import lengths

#: Every kind of group, map and space: group, spaces, and n where it is open.
PROBLEMS = [
    ("S(3)", "2x1 + 1x2", "1x0 + 2x1", None), ("S(n)", "1", "2", 3), ("O(2)", "2x1 + 1x2", "1x2 + 3x0", None),
    ("A(3)", "1", "1", None), ("SO(3)", "1", "2", None), ("SO(2)", "2x1", "2x1 + 1x2", None), ("Sp(2)", "2", "2", None),
    ("O(1,2)", "2", "2", None), ("SO(1,1)", "1x1 + 1x2", "1x1", None), ("H(2)", "1x2", "2x2", None),
    ("B(3)", "1", "2x1", None), ("GL(2)", "1x(1,1)", "1x(1,1)", None), ("S(2) wr S(2)", "2x1", "2x1", None),
    ("S(2) wr S(n)", "1", "1", 6), ("Aut(path4)", "2x1", "1", None), ("C(4)", "1x1", "2x1 + 1x0", None),
    ("Z(2)^2", "1x1 + 1x2", "1x1 + 1x2", None), (eq.MatrixGroup([[[1, 1], [0, 1]]]), "2x1", "2x1", None),
    ("S(3) x O(2)", "2x(1,1)", "1x(1,1) + 1x(1,0)", None), ("S(n) x O(m)", "1x(1,1)", "1x(0,2)", {"n": 2, "m": 3}),
    ("O(3)", "1x1.det + 1x1", "1x2", None), ("Perm(3: 1 0 2)", "1.det", "1", None),
    ("O(2)", "2xS2", "1xS2 + 1x0", None), ("S(3)", "S2.packed", "1 + A2.packed", None),
    ("O(3)", "S2.packed", "S2", None), ("O(3)", "A2", "1.det", None),
    ("O(3)", "1x2e + 1x0", "1x2 + 2x2e", None), ("SO(2)", "{2}", "2x{2} + 1x2", None), ("O(3)", "1o", "0", None),
    ("S(2) x O(2)", "1x(1,S2.packed)", "1x(1,S2)", None), ("S(4)", "{2,2} + {3,1}", "{2,2} + 1x1", None),
    ("O(3)", "[ijk=ikj].packed", "1 + [ijk=ikj].packed", None),
]  # fmt: skip


def title(problem):
    return f"{problem[0]}: {problem[1]} -> {problem[2]}"[:60]


def features(space, sizes):
    return sum(channels * int(np.prod(lengths(order, sizes))) for channels, order in space)


def dense(layer, sizes):
    """The matrix of a layer on flattened tensors."""
    shapes = [(*lengths(order, sizes), channels) for channels, order in layer.hom.space_in]
    count = sum(int(np.prod(shape)) for shape in shapes)
    unit = torch.eye(count, dtype=torch.float64)
    pieces = unit.split([int(np.prod(shape)) for shape in shapes], 1)
    # On tensors of all kinds a layer of symmetric ones, stored full, is what it makes of their nearest symmetric ones.
    terms = tuple(
        torch.from_numpy(symmetrised(piece.reshape(count, *shape).numpy(), order))
        for piece, shape, order in zip(pieces, shapes, layer.hom.space_in.orders, strict=True)
    )
    out = layer(terms if len(terms) > 1 else terms[0])
    return torch.cat([term.reshape(count, -1) for term in (out if isinstance(out, tuple) else (out,))], 1).T


def maps(group, space_in, space_out, n):
    """A matrix for each weight of a layer: all equivariant maps, by another way than bases and Gram matrices."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layer = eq.Linear(group, space_in, space_out, bias=False, dtype=torch.float64)
    given = dict.fromkeys([str(f.n) for f in layer.hom.group.factors], n) if not isinstance(n, dict) else n
    sizes = [f.at(given[f.n]).number if f.symbolic else f.number for f in layer.hom.group.factors]
    listed = []
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        for parameter in layer.parameters():
            for place in range(parameter.numel()):
                parameter.view(-1)[place] = 1.0
                listed.append(dense(layer, sizes).numpy())
                parameter.view(-1)[place] = 0.0
    spaces = layer.hom.space_out, layer.hom.space_in
    return np.array(listed).reshape(len(listed), *(features(space, sizes) for space in spaces))


@pytest.mark.parametrize("problem", PROBLEMS, ids=title)
def test_projections_are_the_nearest_layers(problem):
    columns = maps(*problem)
    given = np.random.default_rng(0).standard_normal((2, *columns.shape[1:]))
    span = columns.reshape(len(columns), given[0].size).T
    nearest = (span @ np.linalg.lstsq(span, given.reshape(2, -1).T, rcond=None)[0]).T.reshape(given.shape)
    group, space_in, space_out, n = problem
    ours = eq.nn.project(torch.from_numpy(given), group, space_in, space_out, n)
    np.testing.assert_allclose(ours.numpy(), nearest, atol=1e-10)
    again = eq.nn.project(ours, group, space_in, space_out, n)
    np.testing.assert_allclose(again, ours, atol=1e-10)
    rest = torch.from_numpy(given) - ours
    np.testing.assert_allclose(np.tensordot(columns, rest[0].numpy(), 2), 0, atol=1e-9)
    gap = eq.nn.equivariance_gap(torch.from_numpy(given), group, space_in, space_out, n)
    np.testing.assert_allclose(gap, ((given - nearest) ** 2).sum((1, 2)), atol=1e-9)


@pytest.mark.parametrize("problem", [PROBLEMS[0], PROBLEMS[5], PROBLEMS[14], PROBLEMS[23]], ids=title)
def test_projections_are_differentiable_and_batched(problem):
    group, space_in, space_out, n = problem
    columns = maps(*problem)
    weight = torch.randn(3, *columns.shape[1:], dtype=torch.float64, requires_grad=True)

    def run(w):
        return eq.nn.project(w, group, space_in, space_out, n)

    def gap(w):
        return eq.nn.equivariance_gap(w, group, space_in, space_out, n)

    other = torch.randn_like(weight)
    (gradient,) = torch.autograd.grad((run(weight) * other).sum(), weight)
    torch.testing.assert_close(gradient, run(other))
    (slope,) = torch.autograd.grad(gap(weight).sum(), weight, create_graph=True)
    torch.testing.assert_close(slope, 2 * (weight - run(weight)))
    (second,) = torch.autograd.grad((slope * other).sum(), weight)
    torch.testing.assert_close(second, 2 * (other - run(other)))
    one = torch.func.vmap(run)(weight.detach())
    torch.testing.assert_close(one, run(weight).detach())
    aside = torch.func.vmap(run, in_dims=1, out_dims=1)(weight.detach().transpose(0, 1))
    torch.testing.assert_close(aside, one.transpose(0, 1))
    _, tangent = torch.func.jvp(run, (weight.detach(),), (other,))
    torch.testing.assert_close(tangent, run(other))
    half = run(weight.detach().bfloat16())
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.double(), one, atol=0.05, rtol=0.05)
    torch.testing.assert_close(run(weight.detach() * (1 + 2j)), one * (1 + 2j))
    assert run(weight[:0]).shape == weight[:0].shape
    assert weight.detach().equal(weight)


def test_views_and_transposes_are_read_as_they_are():
    weight = torch.randn(7, 9, 9, dtype=torch.float64)
    straight = eq.nn.project(weight[2:5].transpose(1, 2).contiguous(), "O(3)", "2", "2")
    torch.testing.assert_close(eq.nn.project(weight[2:5].transpose(1, 2), "O(3)", "2", "2"), straight)


def test_the_exact_projection_is_the_same():
    for group, inputs, outputs in (("SO(3)", 2, 1), ("S(4)", 2, 2), ("A(4)", 1, 2), ("Sp(4)", 1, 3)):
        basis = eq.basis(group, inputs, outputs)
        given = np.random.default_rng(5).integers(-9, 10, basis.matrices().shape[1:])
        exact = basis.project(given).matrix().astype(float)
        ours = eq.nn.project(torch.from_numpy(given).double(), group, inputs, outputs)
        np.testing.assert_allclose(ours, exact, atol=1e-11)
        single = eq.nn.project(torch.from_numpy(given).float(), group, inputs, outputs)
        assert single.dtype == torch.float32
        np.testing.assert_allclose(single, exact, atol=1e-4)
    for group, order in (("U(2)", "(1,1)"), ("Z(3) wr S(2)", "(1,1)")):
        given = torch.randn(4, 4, dtype=torch.complex128)
        exact = eq.basis(group, order, order).project(given).matrix()
        torch.testing.assert_close(eq.nn.project(given, group, f"1x{order}", f"1x{order}"), exact)


def test_gaps_are_half_the_mean_over_the_group():
    weight = torch.randn(9, 3, dtype=torch.float64)
    total = 0.0
    for order in permutations(range(3)):
        g = torch.eye(3, dtype=torch.float64)[list(order)]
        total += float((weight - torch.kron(g, g).T @ weight @ g).square().sum()) / 6
    gap = eq.nn.equivariance_gap(weight, "S(3)", 1, 2)
    assert float(gap) == pytest.approx(total / 2)
    # A mean over half of the group is something else.
    assert float(eq.nn.equivariance_gap(weight, "A(3)", 1, 2)) < 0.99 * float(gap)


def test_layers_are_projected_in_place_with_their_biases():
    layer = torch.nn.Linear(3 * 2 + 4, 9 + 2, dtype=torch.float64)
    problem = "O(3)", "2x1 + 4x0", "1x2 + 2x0"

    def run(x):
        out = layer(torch.cat([x[0].flatten(1), x[1]], 1))
        return out[:, :9].reshape(-1, 3, 3, 1), out[:, 9:]

    with pytest.raises(EquivarianceError):
        eq.testing.assert_equivariant(run, *problem)
    weight = layer.weight
    gap = eq.nn.equivariance_gap(layer, *problem)
    before = gap - eq.nn.equivariance_gap(layer.weight, *problem)
    # The bias of the tensor may be a multiple of the identity, that of the scalars anything.
    off = layer.bias.detach()[:9].reshape(3, 3)
    assert float(before.detach()) == pytest.approx(float((off - off.trace() / 3 * torch.eye(3)).square().sum()))
    assert eq.nn.project_(layer, *problem) is layer
    assert layer.weight is weight
    assert weight.requires_grad
    assert float(eq.nn.equivariance_gap(layer, *problem).detach()) < 1e-20
    eq.testing.assert_equivariant(run, *problem)
    tensor = torch.ones(3, 3)
    tensor[0, 1] = 2.0
    assert eq.nn.project_(tensor, "S(3)", 1, 1) is tensor
    assert tensor[0, 1] == tensor[2, 1]


def test_several_groups_add_up_with_their_weights():
    weight = torch.randn(6, 6, dtype=torch.float64, requires_grad=True)
    both = {"O(3)": 0.5, eq.Group.parse("H(3)"): 2.0}
    total = eq.nn.equivariance_gap(weight, both, "2x1", "2x1")
    alone = [eq.nn.equivariance_gap(weight, group, "2x1", "2x1") for group in both]
    torch.testing.assert_close(total, 0.5 * alone[0] + 2.0 * alone[1])
    total.backward()
    assert weight.grad is not None


def test_training_on_the_gap_alone_leads_to_the_projection():
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(9, 9, dtype=torch.float64))
    meant = eq.nn.project(weight.detach(), "SO(3)", 2, 2)
    optimizer = torch.optim.SGD([weight], lr=0.5)
    eq.nn.equivariance_gap(weight, "SO(3)", 2, 2).backward()
    optimizer.step()
    torch.testing.assert_close(weight.detach(), meant)


def test_what_cannot_be_projected_is_refused_with_the_cure():
    weight = torch.zeros(3, 3)
    with pytest.raises(ShapeError, match=r"O\(3\): 1x1 -> 1x2 at n = 3 have the shape \(\.\.\., 9, 3\), not \(3, 3\)"):
        eq.nn.project(weight, "O(3)", 1, 2)
    with pytest.raises(ShapeError, match=r"pass weight\.float"):
        eq.nn.project(weight.long(), "O(3)", 1, 1)
    for given in (None, {"m": 3}, 1.5):
        with pytest.raises(SymbolicError, match="the open sizes n, and n is"):
            eq.nn.project(weight, "S(n)", 1, 1, given)
    with pytest.raises(SymbolicError, match="without n"):
        eq.nn.project(weight, "S(3)", 1, 1, 3)
    with pytest.raises(SymbolicError, match="two sizes open"):
        eq.nn.project(torch.zeros(4, 4), "S(m) wr S(n)", 1, 1, (2, 2))
    with pytest.raises(SizeError, match="beyond 1,000"):
        eq.nn.project(torch.zeros(4096, 4096), "S(8)", 4, 4)
    with pytest.raises(EqsynthError, match="equivariant as it is"):
        eq.nn.project_(eq.Linear("S(3)", 1, 1), "S(3)", 1, 1)
    with pytest.raises(EqsynthError, match=r"such as torch\.nn\.Linear"):
        eq.nn.equivariance_gap(torch.nn.ReLU(), "S(3)", 1, 1)
    with pytest.raises(EqsynthError, match="no vector"):
        eq.nn.project_(Odd(), "S(3)", 1, 1)
    for call in (eq.nn.equivariance_gap, eq.nn.project_):
        with pytest.raises(EqsynthError, match=r"Conv2d has 4 axes.*movedim"):
            call(torch.nn.Conv2d(3, 3, 3), "S(3)", 1, 1)
        with pytest.raises(EqsynthError, match="leave transfer=pad out"):
            call(torch.zeros(3, 3), "S(n)", 1, "1, transfer=pad", n=3)
    for weights in ({}, {"S(3)": -1.0}, {"S(3)": "1"}):
        with pytest.raises(EqsynthError, match="weight"):
            eq.nn.equivariance_gap(weight, weights, 1, 1)
    computed = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(3, 3))
    with pytest.raises(EqsynthError, match="computed from other parameters"):
        eq.nn.project_(computed, "S(3)", 1, 1)


class Odd(torch.nn.Module):
    """A layer whose bias is a matrix."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(3, 3))
        self.bias = torch.nn.Parameter(torch.zeros(3, 3))


def test_spaces_without_maps_have_the_whole_weight_as_a_gap():
    weight = torch.randn(1, 3)
    assert not eq.nn.project(weight, "O(3)", 1, 0).any()
    torch.testing.assert_close(eq.nn.equivariance_gap(weight, "O(3)", 1, 0), weight.square().sum())
    assert eq.nn.project(torch.zeros(0, 2), "O(2)", "1", "A3.packed").shape == (0, 2)


# --- what the docs compare --------------------------------------------------------------------------


def targets(share):
    """The targets of the script as a function of its vectors."""

    def run(x):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(soft_symmetry.torch, "randn", lambda *_: x)
            return soft_symmetry.examples(len(x), share)[1].to(x.dtype)

    return run


def test_the_field_alone_breaks_the_symmetry_of_the_task():
    eq.testing.assert_equivariant(targets(0.0), "O(3)", "4x1", "1x1", tolerance=1e-6)
    with pytest.raises(EquivarianceError):
        eq.testing.assert_equivariant(targets(0.1), "O(3)", "4x1", "1x1", tolerance=1e-6)


def test_a_network_without_gaps_commutes():
    net = soft_symmetry.dense()
    problem = "O(3)", "4x1", "1x1"
    with pytest.raises(EquivarianceError):
        eq.testing.assert_equivariant(net, *problem, trials=1)
    layers = [module for module in net.modules() if isinstance(module, soft_symmetry.Dense)]
    assert len(layers) == 3
    for layer in layers:
        eq.nn.project_(layer.linear, *layer.problem)
        assert layer.gap() < 1e-9
    eq.testing.assert_equivariant(net, *problem, trials=1)


def test_the_script_prints_a_row_for_each_road(monkeypatch, capsys):
    for name, value in {"SHARES": (0.5,), "TEST": 20, "VALIDATION": 20, "EXAMPLES": 20}.items():
        monkeypatch.setattr(soft_symmetry, name, value)
    soft_symmetry.compare(steps=2, seeds=1)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + len(soft_symmetry.ROADS) == 8
    page = (Path(eq.__file__).parents[1] / "docs" / "guide" / "soft-symmetry.md").read_text()
    for line in lines[2:]:
        start = line.split("|")[1:3]
        assert f"|{'|'.join(start)}|" in page


def test_sampling_comes_nearer_to_the_gap(monkeypatch, capsys):
    monkeypatch.setattr(soft_symmetry, "COUNTS", (1, 30))
    monkeypatch.setattr(soft_symmetry, "CHANNELS", 2)
    soft_symmetry.sampling()
    lines = capsys.readouterr().out.splitlines()[2:]
    few, many, ours = [[float(cell) for cell in line.split("|")[3:5]] for line in lines]
    assert all(a > 1.5 * b > 1e6 * c for a, b, c in zip(few, many, ours, strict=True))
