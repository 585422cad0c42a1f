"""Networks of any kind made equivariant around them: frames, canonical forms, and modules that are not."""

import pytest
import torch
from torch import nn

import eqsynth as eq
from eqsynth.errors import EqsynthError, EquivarianceError, GroupError, ShapeError, SizeError, SpaceError


class Dense(nn.Module):
    """A perceptron between the flattened tensors of two spaces, of any number of terms."""

    def __init__(self, shapes_in, shapes_out):
        super().__init__()
        self.shapes = shapes_out
        ins, self.outs = (sum(map(numel, shapes)) for shapes in (shapes_in, shapes_out))
        self.net = nn.Sequential(nn.Linear(ins, 16), nn.Tanh(), nn.Linear(16, self.outs))

    def forward(self, x):
        terms = x if isinstance(x, tuple) else (x,)
        y = self.net(torch.cat([term.flatten(1) for term in terms], 1))
        listed = [
            part.reshape(len(y), *shape)
            for part, shape in zip(y.split([*map(numel, self.shapes)], 1), self.shapes, strict=True)
        ]
        return tuple(listed) if len(listed) > 1 else listed[0]


def numel(shape):
    return int(torch.Size(shape).numel())


def dense(group, space_in, space_out):
    from eqsynth.spaces.space import lengths

    hom = eq.Hom.parse(group, space_in, space_out)
    sizes = [factor.number for factor in hom.group.factors]
    torch.manual_seed(0)
    return Dense(*[[(*lengths(o, sizes), c) for c, o in space] for space in (hom.space_in, hom.space_out)])


FRAMES = [
    ("O(3)", "4x1", "1x1 + 2x0"), ("SO(3)", "3x1", "1x1.det + 1x2"), ("O(2)", "1x2 + 2x1", "1x2"),
    ("SO(2)", "1x2", "2x1"), ("O(1)", "2x1", "1x1"), ("S(4)", "2x1", "1x1 + 1x0"), ("S(4)", "1x2", "1x2"),
    ("S(3)", "1x3", "1x1.det"), ("C(4)", "1x1", "2x1"), ("H(2)", "2x1", "1x2"), ("A(4)", "1x1", "1x1"),
    ("Aut(path4)", "1x2", "1x1"), ("Z(2)^3", "1x1", "1x1"), ("S(4) x O(3)", "1x(1,1)", "1x(1,1) + 1x(0,0)"),
    ("S(3) x C(3)", "1x(1,1)", "1x(1,1)"), ("S(4) x S(3)", "1x(1,1)", "1x(1,1)"), ("S(3) x S(2)", "1x(2,1)", "1x(1,1)"),
    ("SO(3)", "1x1", "1x1"),
]  # fmt: skip


@pytest.mark.parametrize("problem", FRAMES, ids=" ".join)
def test_averages_over_frames_are_equivariant(problem):
    module = dense(*problem)
    with pytest.raises(EquivarianceError):
        eq.testing.assert_equivariant(module, *problem, trials=1)
    eq.testing.assert_equivariant(eq.nn.FrameAverage(module, *problem), trials=1)


@pytest.mark.parametrize(
    "problem",
    [
        ("O(3)", "4x1", "1x1 + 2x0"), ("SO(3)", "3x1", "1x1.det + 1x2"), ("O(2)", "1x2 + 2x1", "1x2"),
        ("SO(1)", "1x1", "1x1"),
        ("S(4)", "2x1", "1x1 + 1x0"), ("S(4)", "1x2", "1x2"), ("S(4) x O(2)", "1x(1,1)", "1x(1,1) + 1x(0,0)"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_canonical_forms_are_equivariant(problem):
    eq.testing.assert_equivariant(eq.nn.Canonicalise(dense(*problem), *problem), trials=1)


def test_the_average_is_over_the_frame():
    """Of one vector set whose moments are diagonal: the frame is all signs of the axes, in order of the moments."""
    x = torch.diag(torch.tensor([1.0, 2.0]))[None]
    seen = []

    class Watch(nn.Module):
        def forward(self, y):
            seen.append(y)
            return y.sum(-1, keepdim=True)

    y = eq.nn.FrameAverage(Watch(), "O(2)", "2x1", "1x1")(x)
    assert sorted(map(tuple, seen[0].flatten(1).tolist())) == sorted(
        [(a, 0.0, 0.0, b) for a in (1.0, -1.0) for b in (2.0, -2.0)]
    )
    torch.testing.assert_close(y, x.sum(-1, keepdim=True))
    eq.nn.FrameAverage(Watch(), "SO(2)", "2x1", "1x1")(x)
    assert len(seen[1]) == 2


def test_finite_groups_are_averaged_over_all_elements():
    module = dense("S(3)", "2x1", "1x1")
    x = torch.randn(5, 3, 2)
    whole = eq.nn.FrameAverage(module, "S(3)", "2x1", "1x1", frames="group")(x)
    from itertools import permutations

    total = 0
    for order in permutations(range(3)):
        total = total + module(x[:, list(order)])[:, torch.tensor(order).argsort()] / 6
    torch.testing.assert_close(whole, total)
    sorted_once = eq.nn.FrameAverage(module, "S(3)", "2x1", "1x1")(x)
    assert (sorted_once - whole).abs().max() > 1e-3
    eq.testing.assert_equivariant(eq.nn.FrameAverage(module, "S(3)", "2x1", "1x1", frames="group"))


def test_equivariant_modules_stay_as_they_are():
    layer = eq.nn.MLP("O(3)", ["4x1", "8x1 + 8x0", "2x1"])
    x = torch.randn(2, 5, 3, 4)
    torch.testing.assert_close(eq.nn.FrameAverage(layer, "O(3)", "4x1", "2x1")(x), layer(x), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(eq.nn.Canonicalise(layer, "O(3)", "4x1", "2x1")(x), layer(x), atol=1e-5, rtol=1e-4)


def test_open_sizes_and_batches_of_any_shape():
    layer = eq.Linear("S(n)", "1x1", "1x2")
    net = eq.nn.FrameAverage(layer, "S(n)", "1x1", "1x2")
    for batch in ((), (0,), (2, 3)):
        x = torch.randn(*batch, 5, 1)
        torch.testing.assert_close(net(x), layer(x))
    asks = eq.nn.FrameAverage(eq.Linear("S(n)", "1x0 + 1x1", "1x1"), "S(n)", "1x0 + 1x1", "1x1")
    assert asks.sizes == ()


def test_gradients_reach_the_module_and_what_is_canonical():
    net = eq.nn.Canonicalise(dense("O(3)", "4x1", "1x0"), "O(3)", "4x1", "1x0")
    net(torch.randn(3, 3, 4)).sum().backward()
    for part in (net.module, net.canonical):
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in part.parameters() if p.ndim > 1)


def test_too_much_symmetry_is_seen():
    """Points that are sorted by their names, and half of a frame, are no frames."""

    class Named(eq.nn.FrameAverage):
        def moves(self, terms):
            times, moves = super().moves(terms)
            return times, type(moves)((torch.arange(4).expand(len(terms[0]), 4),))

    class Half(eq.nn.FrameAverage):
        def moves(self, terms):
            times, moves = super().moves(terms)
            return times // 2, type(moves)((moves.factors[0][: times * len(terms[0]) // 2],))

    with pytest.raises(EquivarianceError):
        eq.testing.assert_equivariant(Half(dense("O(3)", "4x1", "1x1"), "O(3)", "4x1", "1x1"))
    with pytest.raises(EquivarianceError):
        eq.testing.assert_equivariant(Named(dense("S(4)", "1x1", "1x1"), "S(4)", "1x1", "1x1"))


def test_what_has_no_frame_is_refused_with_the_cure():
    plain = nn.Identity()
    with pytest.raises(GroupError, match="has no frames here"):
        eq.nn.FrameAverage(plain, "Sp(4)", "1x1", "1x1")
    with pytest.raises(GroupError, match="has no frames here"):
        eq.nn.FrameAverage(plain, "O(1,2)", "1x1", "1x1")
    with pytest.raises(GroupError, match="real orthogonal"):
        eq.nn.FrameAverage(plain, "U(2)", "1x1", "1x1")
    with pytest.raises(SizeError, match="5,040 elements"):
        eq.nn.FrameAverage(plain, "S(7)", "1x1", "1x1", frames="group")
    with pytest.raises(SpaceError, match="stored packed"):
        eq.nn.FrameAverage(plain, "O(3)", "S2.packed", "1x0")
    with pytest.raises(SpaceError, match=r"moves under O\(3\)"):
        eq.nn.FrameAverage(plain, "S(3) x O(3)", "1x(1,0)", "1x(1,0)")
    with pytest.raises(SizeError, match="128 elements"):
        eq.nn.FrameAverage(plain, "O(7)", "1x1", "1x1")(torch.randn(2, 7, 1))
    with pytest.raises(ShapeError, match="gives tensors of shapes"):
        eq.nn.FrameAverage(plain, "O(3)", "2x1", "1x1")(torch.randn(2, 3, 2))
    with pytest.raises(GroupError, match=r"take eq\.nn\.FrameAverage"):
        eq.nn.Canonicalise(plain, "C(4)", "1x1", "1x1")
    with pytest.raises(SpaceError, match="come from a network"):
        eq.nn.Canonicalise(plain, "O(3)", "4x1", "4x1", eq.Linear("O(3)", "4x1", "2x1"))
    with pytest.raises(EqsynthError, match="2 factors"):
        eq.nn.Canonicalise(plain, "S(3) x O(3)", "4x(1,1)", "4x(1,1)", [plain])
    with pytest.raises(EqsynthError, match="torch module"):
        eq.nn.FrameAverage(None, "O(3)", "4x1", "4x1")


def test_inputs_that_name_no_frame_are_refused():
    """The moments of one vector have equal axes; one vector names no second one, a matrix none; scores may be equal."""
    for space in ("1x1", "1xA2"):
        with pytest.raises(SpaceError, match="have equal axes under SO"):
            eq.nn.FrameAverage(nn.Identity(), "SO(3)", space, "1x2")
    for group, space in [("O(3)", "2x1"), ("SO(3)", "1x1"), ("O(3)", "1x2"), ("O(2)", "2xS2"), ("O(3)", "4x1.det")]:
        with pytest.raises(SpaceError, match=r"canonical forms under .* take .* vectors?"):
            eq.nn.Canonicalise(nn.Identity(), group, space, "1x1")
    with pytest.raises(SpaceError, match="different scores"):
        eq.nn.Canonicalise(nn.Identity(), "S(4) x S(3) x O(2)", "1x(1,1,1)", "1x(1,1,1)")


@pytest.mark.parametrize("rows", [2, -1])
@pytest.mark.parametrize("wrap", [eq.nn.FrameAverage, eq.nn.Canonicalise])
def test_outputs_of_other_lengths_are_refused(rows, wrap):
    module = torch.nn.ConstantPad2d((0, 0, 0, rows), 7.0)
    with pytest.raises(ShapeError, match="axes of 1 have lengths"):
        wrap(module, "S(3)", "4x1", "4x1")(torch.randn(2, 3, 4))
