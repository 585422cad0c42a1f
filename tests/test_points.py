"""Messages between points: they turn with the points, ignore translations, are smooth; neighbour lists."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck
from torch.testing import assert_close

import eqsynth as eq
from eqsynth.errors import EqsynthError, EquivarianceError, GroupError, ShapeError, SizeError
from eqsynth.nn import points as support

PATH = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])


# --- symmetry -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("group", "space_in", "space_out", "options"),
    [
        ("O(3)", "2x0 + 1x1", "2x0 + 2x1 + 1x2", {}),
        ("O(3)", "2xS2", "1x1.det + 1xS2", {"traceless": True, "basis": "gaussian", "reduce": "mean"}),
        ("SO(3)", "2x1", "2x1 + 1x0", {"degree": 1}),
        ("O(2)", "1x1 + 2x0", "1x1 + 1x0", {"degree": 3, "traceless": True, "channels": 3}),
        ("O(1)", "2x0", "1x1", {}),
        ("O(4)", "1x1", "2x0 + 1x1", {"degree": 1}),
        ("O(1,3)", "2x0 + 1x1", "1x0 + 1x1", {"basis": "gaussian"}),
        ("SO(1,1)", "1x1", "1x2", {"traceless": True}),
        ("H(3)", "1x1", "2x1 + 1x2", {"degree": 1}),
        ("Matrix([[0,-1],[1,0]]; )", "1x1", "1x1 + 1x0", {"degree": 1}),
        # irreps in and out, beside tensors, and tensors in coordinates of irreps
        ("O(3)", "2x1o + 1x0e", "2x2e + 1x1e + 1x3", {"degree": 3}),
        ("O(3)", "1x6e", "1x6e + 1x7o", {"degree": 11, "reduce": "mean"}),
        ("O(3)", "1x2.irreps + 1x1", "1x3.irreps.det + 1x2e + 1x0", {}),
        ("SO(3)", "1x2e + 1x1", "1xS2.irreps + 1x2o", {"channels": 2}),
        ("O(4)", "1x{2}", "1x{1,1} + 1xS2.irreps", {}),
        ("S(4)", "1x{3,1}", "1x{2,2}", {}),
        # no distances
        ("Sp(4)", "1x1 + 1x0", "2x0 + 1x{2}", {"cutoff": None}),
        ("Sp(2)", "1x2.irreps", "1x2.irreps", {"cutoff": None, "reduce": "mean"}),
        ("SL(2)", "1x(0,1)", "1x(1,0)", {"cutoff": None, "degree": 3}),
        ("GL(3)", "1x(0,1)", "1x0 + 1x(1,1)", {"cutoff": None}),
        ("SO(3)", "1x2e", "1x1o + 1x0e", {"cutoff": None}),
    ],
)
def test_messages_turn_with_the_points_and_ignore_translations(group, space_in, space_out, options):
    layer = eq.nn.Message(group, space_in, space_out, **{"cutoff": 3.0, "hidden": 4, **options})
    eq.testing.assert_equivariant(layer, positions=True, trials=2)


class Broken(torch.nn.Module):
    group, space_in, space_out = "O(3)", "1x0", "1x1"

    def __init__(self, of):
        super().__init__()
        self.of = of

    def forward(self, x, positions):
        return self.of(x, positions)


@pytest.mark.parametrize(
    ("of", "right"),
    [
        (lambda x, p: x[:, None] * (p - p.mean(0))[..., None], True),
        (lambda x, p: x[:, None] * p[..., None], False),  # translations
        (lambda x, p: x[:, None] * (p - p[0])[..., None], False),  # another order
        (lambda x, p: x[:, None] * (p - p.mean(0)).abs()[..., None], False),  # rotations
    ],
)
def test_translations_orders_and_rotations_are_tried(of, right):
    if right:
        eq.testing.assert_equivariant(Broken(of), positions=True)
        return
    with pytest.raises(EquivarianceError, match="not equivariant"):
        eq.testing.assert_equivariant(Broken(of), positions=True)
    with pytest.raises(EqsynthError, match="vectors of one group"):
        eq.testing.assert_equivariant(torch.relu, "S(n) x O(3)", "1x(1,0)", "1x(1,0)", positions=True)


def test_a_whole_network_of_points():
    class Net(torch.nn.Module):
        group, space_in, space_out = "O(3)", "2x0", "1x1"

        def __init__(self):
            super().__init__()
            self.first = eq.nn.Message("O(3)", "2x0", "4x0 + 3x1 + 3x0", 3.0)
            self.gate = eq.nn.Gated("O(3)", "4x0 + 3x1")
            self.last = eq.nn.Message("O(3)", "4x0 + 3x1", "1x1", 3.0)

        def forward(self, x, positions):
            return self.last(self.gate(self.first(x, positions)), positions)

    eq.testing.assert_equivariant(Net(), positions=True, trials=2)


# --- values ---------------------------------------------------------------------------------------


def test_a_message_by_hand():
    """From numbers to a number and a vector: a radial function of each channel, times 1 and the direction."""
    torch.manual_seed(0)
    layer = eq.nn.Message("O(3)", "2x0", "1x0 + 1x1", 2.0, degree=1).double()
    x, positions = torch.randn(3, 2).double(), torch.rand(3, 3).double()
    number, vector = layer(x, positions, PATH)
    mixed = x @ layer.mix.weight[0].T + layer.mix.bias[0]
    to_number, to_vector = layer.product.weight_0_0_0[0, 0, :, 0], layer.product.weight_0_1_1[0, 0, :, 0]
    meant_number, meant_vector = torch.zeros(3, 1).double(), torch.zeros(3, 3, 1).double()
    for i, j in PATH.T.tolist():
        r = positions[j] - positions[i]
        u = r.norm() / 2.0
        waves = torch.stack([2**0.5 * torch.sin(n * torch.pi * u) / u for n in range(1, 9)])
        smooth = 1 - 28 * u**6 + 48 * u**7 - 21 * u**8
        scaled = mixed[i] * layer.radial(waves) * smooth
        meant_number[j] += to_number @ scaled
        meant_vector[j] += (to_vector @ scaled) * (3**0.5 * r / r.norm())[:, None]
    assert_close((number, vector), (meant_number, meant_vector))
    average = eq.nn.Message("O(3)", "2x0", "1x0 + 1x1", 2.0, degree=1, reduce="mean").double()
    average.load_state_dict(layer.state_dict())
    u = (positions[PATH[1]] - positions[PATH[0]]).norm(dim=1) / 2.0
    near = torch.zeros(3).double().index_add(0, PATH[1], 1 - 28 * u**6 + 48 * u**7 - 21 * u**8)
    assert near.max() > 1
    assert_close(average(x, positions, PATH)[0], number / near.clamp(min=1)[:, None])


def test_numbers_of_edges_are_read_beside_distances():
    """Each message is that of a layer whose perceptron hears of the edge; zeros change nothing, others do."""
    torch.manual_seed(0)
    layer = eq.nn.Message("O(2)", "2x0 + 1x1", "1x0 + 1x1", 2.0, degree=1, hidden=4, edge_dim=3, dtype=torch.float64)
    assert "edge_dim=3" in repr(layer)
    x = torch.randn(3, 2).double(), torch.randn(3, 2, 1).double()
    positions, kinds = torch.rand(3, 2).double(), torch.randn(4, 3).double()
    plain = eq.nn.Message("O(2)", "2x0 + 1x1", "1x0 + 1x1", 2.0, degree=1, hidden=4, dtype=torch.float64)
    shared = {name: w for name, w in layer.state_dict().items() if not name.startswith("radial.0")}
    plain.load_state_dict(shared, strict=False)
    first, heard = layer.radial[0], plain.radial[0]
    meant = [0, 0]
    for edge in range(4):  # one by one: what is said of an edge is a bias of the first layer
        with torch.no_grad():
            heard.weight.copy_(first.weight[:, :8])
            heard.bias.copy_(first.bias + first.weight[:, 8:] @ kinds[edge])
        meant = [a + b for a, b in zip(meant, plain(x, positions, PATH[:, edge : edge + 1]), strict=True)]
    assert_close(list(layer(x, positions, PATH, edge_attr=kinds)), meant)
    kinds.requires_grad_()
    sum(y.square().sum() for y in layer(x, positions, PATH, edge_attr=kinds)).backward()
    assert (kinds.grad.abs().sum(1) > 0).all()


class Charged(torch.nn.Module):
    """``wrong`` gives edges a coordinate, which turns."""

    group, space_in, space_out = "O(3)", "1x0", "1x1"

    def __init__(self, wrong):
        super().__init__()
        self.message, self.wrong = eq.nn.Message("O(3)", "1x0", "1x1", 3.0, edge_dim=1, hidden=4), wrong

    def forward(self, x, positions):
        edges, _ = eq.nn.neighbors(positions, 3.0)
        both = (positions[edges[1]] - positions[edges[0]])[:, :1] if self.wrong else x[edges[0]] * x[edges[1]]
        return self.message(x, positions, edges, edge_attr=both)


def test_numbers_of_edges_and_the_symmetry():
    eq.testing.assert_equivariant(Charged(False), positions=True, trials=2)
    with pytest.raises(EquivarianceError, match="not equivariant"):
        eq.testing.assert_equivariant(Charged(True), positions=True)


@settings(max_examples=10, deadline=None)
@given(d=st.integers(1, 5), degree=st.integers(0, 4), signs=st.integers(0, 5), seed=st.integers(0, 1000))
def test_traceless_parts_have_no_trace_and_differ_from_powers_by_traces(d, degree, signs, seed):
    make = torch.Generator().manual_seed(seed)
    x = torch.randn(3, d, dtype=torch.float64, generator=make)
    eta = torch.ones(d).double()
    eta[: min(signs, d - 1)] = -1
    square = (x * x * eta).sum(1)
    plain = support.tensor_powers(x, degree, square, None)
    parts = support.tensor_powers(x, degree, square, torch.diag(eta))
    # What is orthogonal to a traceless tensor, as other.other = 0: both have the same product with its powers.
    for k, (power, part) in enumerate(zip(plain, parts, strict=True)):
        assert power.shape == part.shape == (3, *[d] * k)
        for axes in itertools.combinations(range(1, k + 1), 2):
            trace = (part.movedim(axes, (-2, -1)) * torch.diag(eta)).sum((-2, -1))
            assert_close(trace, torch.zeros_like(trace), atol=1e-9, rtol=0)
            assert_close(part, part.transpose(*axes))
    if degree >= 2 and d >= 2:
        assert_close(parts[2], plain[2] - (square / d)[:, None, None] * torch.diag(eta))


# --- irreps ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1.0, 3**0.5])
def test_harmonics_are_the_traceless_powers_in_coordinates(scale):
    x = torch.nn.functional.normalize(torch.randn(4, 3).double()) * scale
    meant = support.tensor_powers(x, 4, (x * x).sum(1), torch.eye(3).double())
    own = support.harmonics(x, support.raising(11))
    assert_close(own[:2], meant[:2])
    for k in (2, 3, 4):
        full = eq.unpack(own[k].unsqueeze(-1), f"{k}{'eo'[k % 2]}").squeeze(-1)
        # |x^k| without its traces, k! / (2k - 1)!! for a vector of length 1, is brought to 2k + 1 for one of root 3
        share = math.factorial(k) / math.prod(range(1, 2 * k, 2))
        assert_close(full, meant[k] * ((2 * k + 1) / 3**k / share) ** 0.5)
    for k, power in enumerate(own):
        assert power.shape == ((4, 2 * k + 1) if k else (4,))
        assert_close(power.reshape(4, -1).square().sum(1), torch.full((4,), (2 * k + 1) * (scale**2 / 3) ** k).double())


def test_numbers_and_vectors_are_irreps():
    """The same weights give the same messages: 0e is a number, 1o a vector, x, y, z."""
    torch.manual_seed(0)
    own = eq.nn.Message("O(3)", "4x1o + 2x0e", "3x1o + 2x0e + 1x1e", 2.0, dtype=torch.float64)
    tensors = "4x1 + 2x0", "3x1 + 2x0 + 1x1.det"
    other = eq.nn.Message("O(3)", *tensors, 2.0, dtype=torch.float64, traceless=True)
    # What weights belong to is said of spaces by their names: 1o is not 1.
    weights = {name: value for name, value in own.state_dict().items() if not name.endswith("_extra_state")}
    other.load_state_dict(weights, strict=False)
    assert weights.keys() == dict(other.named_parameters()).keys()
    vectors, numbers, points = torch.randn(5, 3, 4).double(), torch.randn(5, 2).double(), torch.rand(5, 3).double()
    ours = own((vectors, numbers.unsqueeze(1)), points)
    meant = other((vectors, numbers), points)
    assert min(y.abs().max() for y in meant) > 0.01
    assert_close((ours[0], ours[1].squeeze(1), ours[2]), meant)


def test_traceless_powers_give_the_same_messages_with_fewer_weights():
    torch.manual_seed(0)
    spaces, points = ("1xS2.packed + 1x1", "1xS2.packed + 1x1.det + 1x0"), torch.rand(4, 3).double()
    x = torch.randn(4, 6, 1).double(), torch.randn(4, 3, 1).double()
    harmonic, powers = (
        eq.nn.Message("O(3)", *spaces, 3.0, degree=3, hidden=4, traceless=traceless, dtype=torch.float64)
        for traceless in (True, False)
    )
    for name in ("mix", "radial"):
        getattr(powers, name).load_state_dict(getattr(harmonic, name).state_dict())
    reached = []
    for layer in (harmonic, powers):
        weights = [parameter for parameter in layer.product.parameters() if parameter.numel()]
        y = torch.cat([y.flatten() for y in layer(x, points)])
        rows = [torch.cat([g.flatten() for g in torch.autograd.grad(one, weights, retain_graph=True)]) for one in y]
        reached.append(torch.stack(rows))
    ranks = [int(torch.linalg.matrix_rank(one)) for one in (*reached, torch.cat(reached, 1))]
    assert ranks == [13] * 3  # as many as there are couplings of 2e + 0e + 1o with 0e, 1o, 2e, 3o
    assert [one.shape[1] for one in reached] == [13, 20]


@pytest.mark.parametrize("reduce", ["sum", "mean"])
def test_tensors_stored_as_irreps_are_the_same_messages(reduce):
    torch.manual_seed(0)
    stored, full = (
        eq.nn.Message("O(3)", f"2x2{end} + 1x1", f"2xS2{end} + 1x3{end}.det", 2.0, reduce=reduce, dtype=torch.float64)
        for end in (".irreps", "")
    )
    full.load_state_dict(stored.state_dict())
    x, v, points = torch.randn(4, 3, 3, 2).double(), torch.randn(4, 3, 1).double(), torch.rand(4, 3).double()
    ours, meant = stored((eq.to_irreps(x, "O(3)", 2), v), points), full((x, v), points)
    assert_close(ours, tuple(eq.to_irreps(y, "O(3)", order) for y, order in zip(meant, ("S2", 3), strict=True)))


# --- no distances ---------------------------------------------------------------------------------


def test_areas_in_phase_space_by_hand():
    """Steps of a trajectory, then the form of each step with the next; what is said of an edge weighs it."""
    torch.manual_seed(0)
    along, states = torch.tensor([[0, 1, 2], [1, 2, 3]]), torch.randn(4, 4).double()
    steps = eq.nn.Message("Sp(4)", "1x0", "1x1", cutoff=None, degree=1, dtype=torch.float64)
    areas = eq.nn.Message("Sp(4)", "1x1", "1x0", cutoff=None, degree=1, edge_dim=1, dtype=torch.float64)
    assert repr(areas) == "Message(Sp(4): 1x1 -> 1x0, cutoff=None, degree=1, sum, edge_dim=1)"
    assert steps.radial is None
    said, ones = torch.tensor([[0.5], [-1.0], [2.0]]).double(), torch.ones(4, 1).double()
    first = steps(ones, states, along)
    second = areas(first, states, along, edge_attr=said)
    difference = states[1:] - states[:-1]
    (of_step,), (of_area,) = steps.product.parameters(), areas.product.parameters()
    factor = (steps.mix.weight + steps.mix.bias).sum() * of_step.sum()
    assert_close(first[1:, :, 0], factor * difference)
    a, b = difference[:-1].reshape(2, 2, 2), difference[1:].reshape(2, 2, 2)
    form = (a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]).sum(1)
    # A sum over an index of length 4 is divided by its root.
    weight = areas.radial(said)[1:, 0] * areas.mix.weight.sum() * of_area.sum() / 2 * factor
    assert not second[:2].any()
    assert second[2:].abs().min() > 1e-4
    assert_close(second[2:, 0], weight * form)
    # All pairs, where no edges are given; their mean.
    every = torch.tensor([[1, 2, 0, 2, 0, 1], [0, 0, 1, 1, 2, 2]])
    mean = eq.nn.Message("Sp(4)", "1x0", "1x1", cutoff=None, degree=1, reduce="mean", dtype=torch.float64)
    mean.load_state_dict(steps.state_dict())
    assert_close(2 * mean(ones[:3], states[:3]), steps(ones[:3], states[:3], every))


# --- smoothness -----------------------------------------------------------------------------------


def test_messages_vanish_smoothly_at_the_cutoff():
    layer = eq.nn.Message("O(2)", "1x0", "1x0 + 1x1", 1.5).double()
    x = torch.ones(2, 1).double()

    def at(distance):
        positions = torch.stack((torch.zeros(2).double(), torch.stack((distance, distance * 0))))
        return torch.cat([y.flatten() for y in layer(x, positions, torch.tensor([[0, 1], [1, 0]]))])

    for distance, least, most in ((1.0, 1e-4, 99), (1.5 - 1e-4, 0, 1e-8), (1.6, 0, 0)):
        size = at(torch.tensor(distance).double()).abs().max()
        assert least <= size <= most
    slope = torch.autograd.functional.jacobian(at, torch.tensor(1.5 - 1e-6).double())
    assert slope.abs().max() < 1e-8


def test_points_at_one_place_and_no_edges():
    layer = eq.nn.Message("O(3)", "1x0 + 1x1", "1x0 + 1x1", 2.0)
    positions = torch.zeros(2, 3, requires_grad=True)
    y = layer((torch.ones(2, 1), torch.ones(2, 3, 1)), positions, torch.tensor([[0, 1], [1, 0]]))
    (gradient,) = torch.autograd.grad(sum(z.square().sum() for z in y), positions, create_graph=True)
    assert torch.isfinite(gradient).all()
    for points in (0, 3):
        x = torch.ones(points, 1), torch.ones(points, 3, 1)
        number, vector = layer(x, torch.zeros(points, 3), torch.empty(2, 0, dtype=torch.long))
        assert (number.shape, vector.shape) == ((points, 1), (points, 3, 1))
        assert not number.any()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_features_may_have_other_digits_than_positions(dtype):
    torch.manual_seed(0)
    layer = eq.nn.Message("O(3)", "2x0", "1x0 + 1x1", 2.0)
    x, positions = torch.randn(4, 2), torch.rand(4, 3)
    meant = layer(x, positions)
    edges, _ = eq.nn.neighbors(positions, 2.0)
    found = layer.to(dtype)(x.to(dtype), positions, edges)
    assert {y.dtype for y in found} == {dtype}
    assert_close([y.float() for y in found], list(meant), atol=0.05, rtol=0.05)


# --- derivatives ----------------------------------------------------------------------------------


def test_forces_and_their_derivatives():
    torch.manual_seed(0)
    layer = eq.nn.Message("O(3)", "1x0 + 1x1", "1x0", 3.0, functions=3, hidden=3, channels=2).double()
    x = torch.randn(3, 1).double(), torch.randn(3, 3, 1).double()
    positions = torch.randn(3, 3).double().requires_grad_()

    def energy(positions):
        return layer(x, positions, PATH).sum()

    assert gradcheck(energy, positions)
    assert gradgradcheck(energy, positions)
    (forces,) = torch.autograd.grad(energy(positions), positions, create_graph=True)
    assert_close(forces.sum(0), torch.zeros(3).double())  # no force on the whole
    forces.square().sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in layer.radial[0].parameters())


def test_exported_programs_take_other_points_and_edges():
    layer = eq.nn.Message("O(3)", "1x1o", "1x2e", 2.0, hidden=4)

    def arguments(points):
        edges = torch.stack((torch.arange(points - 1), torch.arange(1, points)))
        return torch.randn(points, 3, 1), torch.rand(points, 3), edges

    sizes = {0: torch.export.Dim("points")}, {0: torch.export.Dim("points")}, {1: torch.export.Dim("edges")}
    program = torch.export.export(layer, arguments(5), dynamic_shapes=sizes, strict=True)
    others = arguments(9)
    assert_close(program.module()(*others), layer(*others))


# --- neighbours -----------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(
    points=st.integers(0, 12), d=st.integers(1, 4), graphs=st.integers(1, 3), seed=st.integers(0, 1000),
    chunk=st.sampled_from([1, 20, 1 << 22]), few=st.sampled_from([0, 1 << 22]), periodic=st.booleans(),
)  # fmt: skip
def test_neighbours_are_the_pairs_within_the_cutoff(points, d, graphs, seed, chunk, few, periodic):
    """Points of a lattice, so that many distances are the cutoff exactly, in cells or not, in boxes or not."""
    make = torch.Generator().manual_seed(seed)
    d = min(d, 2) if periodic else d
    x, batch = torch.randint(-9, 9, (points, d), generator=make) / 4, torch.randint(graphs, (points,), generator=make)
    cell = torch.eye(d) + torch.triu(torch.randint(-2, 3, (d, d), generator=make) / 4, 1) if periodic else None
    cutoff = float(torch.randint(2, 6, (), generator=make)) / 4
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(support, "CHUNK", chunk)
        patch.setattr(support, "FEW_PAIRS", few)
        found, shifts = eq.nn.neighbors(x, cutoff, None if periodic else batch, cell)
    meant = []
    # All images that may be near, of points that are up to 3 boxes away from each other.
    for image in itertools.product(range(-14, 15), repeat=d) if periodic else [(0,) * d]:
        shift = torch.tensor(image, dtype=x.dtype) @ (torch.zeros(d, d) if cell is None else cell)
        near = (x[None] + shift - x[:, None]).square().sum(-1) < cutoff**2
        near &= torch.tensor(any(image)) | ~torch.eye(points, dtype=torch.bool)
        near &= torch.tensor(periodic) | (batch[:, None] == batch)
        meant += [[i, j, *shift.tolist()] for i, j in near.nonzero().tolist()]
    assert (shifts is None) == (not periodic)
    listed = torch.cat((found.T, torch.zeros(found.shape[1], d) if shifts is None else shifts), 1).tolist()
    assert sorted(listed) == sorted(meant)
    assert found.T.tolist() == sorted(found.T.tolist())


def test_pairs_come_in_both_directions_where_rounding_decides():
    torch.manual_seed(0)
    cell = torch.tensor([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]]) + 0.01
    atoms = torch.rand(20, 3)
    for cutoff in (atoms[0] - atoms[1]).norm().item(), (atoms[3] + cell[1] - atoms[2]).norm().item():
        edges, shifts = eq.nn.neighbors(atoms, cutoff, cell=cell)
        there = {(i, j, *shift) for (i, j), shift in zip(edges.T.tolist(), shifts.tolist(), strict=True)}
        assert there == {(j, i, *(-number for number in shift)) for i, j, *shift in there}


@pytest.mark.parametrize(
    ("cell", "counts"),
    [
        (torch.eye(3), {1.1: 6, 1.5: 18, 1.8: 26, 2.1: 32}),
        (torch.tensor([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]]), {1.5: 12, 2.1: 18}),  # cubic close packing
        (torch.tensor([[1.0, 0], [0.5, 0.75**0.5]]), {1.1: 6, 1.8: 12}),
        (torch.tensor([[1.0, 0], [7.0, 1]]), {1.1: 4, 1.5: 8}),  # a skew cell of the square lattice
    ],
)
def test_crystals_have_their_numbers_of_neighbours(cell, counts):
    d = len(cell)
    for cutoff, count in counts.items():
        for positions in (torch.zeros(1, d), torch.full((1, d), 12.3)):
            edges, shifts = eq.nn.neighbors(positions, cutoff, cell=cell)
            assert edges.shape == (2, count)
            assert bool((shifts.norm(dim=1) < cutoff).all())


def test_a_crystal_is_the_same_in_a_larger_cell():
    """The energy per cell of one that is doubled, with atoms outside of the box, is twice as large."""
    torch.manual_seed(0)
    layer = eq.nn.Message("O(3)", "1x0", "1x0", 1.6).double()
    cell = torch.eye(3).double() + 0.1 * torch.randn(3, 3).double()
    atoms = torch.rand(2, 3).double()
    x = torch.tensor([[1.0], [2.0]]).double()

    def energy(x, positions, cell):
        edges, shifts = eq.nn.neighbors(positions, 1.6, cell=cell)
        return layer(x, positions, edges, shifts=shifts).sum()

    double = cell.clone()
    double[0] *= 2
    more = torch.cat((atoms, atoms + cell[0] + 4 * cell[1]))
    assert_close(energy(torch.cat((x, x)), more, double), 2 * energy(x, atoms, cell))


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("group", "options", "message"),
    [
        ("Sp(4)", {}, "keeps no symmetric form.*itself is 0.*cutoff=None"),
        ("GL(3)", {}, "keeps no symmetric form.*no form of two vectors.*cutoff=None"),
        ("Sp(4)", {"cutoff": None, "traceless": True}, "traceless parts are there for .*leave traceless out"),
        ("U(2)", {}, "complex numbers, and positions are real"),
        ("U(2)", {"cutoff": None}, "complex numbers, and positions are real"),
        ("O(n)", {}, "a number of coordinates"),
        ("S(n) x O(3)", {}, "a number of coordinates"),
        ("O(3)", {"degree": 5}, "degree is a whole number from 0 to 4, not 5; traceless=True goes to 11"),
        ("O(3)", {"degree": 12, "traceless": True}, "degree is a whole number from 0 to 11"),
        ("O(2)", {"degree": 5, "traceless": True}, "degree is a whole number from 0 to 4, not 5$"),
        ("O(3)", {"cutoff": 0}, "cutoff is a distance above 0"),
        ("O(3)", {"basis": "fourier"}, "basis"),
        ("O(3)", {"reduce": "max"}, "reduce"),
        ("O(3)", {"hidden": 0}, "hidden is a whole number from 1"),
        ("O(3)", {"edge_dim": -1}, "edge_dim is a whole number from 0"),
    ],
)
def test_what_cannot_be_is_refused(group, options, message):
    space = "1x(1,1)" if " x " in group or group == "GL(3)" else "1x1"
    with pytest.raises(EqsynthError, match=message):
        eq.nn.Message(group, space, space, **{"cutoff": 1.0, **options})


def test_tensors_that_do_not_fit_are_refused():
    layer, x, positions = eq.nn.Message("O(3)", "1x0", "1x0", 2.0), torch.ones(3, 1), torch.rand(3, 3)
    for arguments, message in (
        ((x,), r"messages need positions.*positions=True"),
        ((x, positions[:2]), r"expected floating-point numbers of shape \(3, 3\)"),
        ((x, positions, PATH.float()), "edge_index is of"),
        ((x, positions, PATH + 1), "names points from 1 to 3, of 3"),
        ((x, positions, PATH, torch.tensor([0, 0, 1])), "joins points of two graphs"),
        ((x, positions, PATH, torch.zeros(2).long()), "batch is of"),
        ((x, positions, None, torch.zeros(2).long()), "the graph of each of 3 points"),
        ((x, positions, PATH, None, torch.zeros(3, 3)), r"one for each edge, of shape \(4, 3\)"),
        ((x[0], positions), "features"),
        ((x, positions, PATH, None, None, torch.ones(4, 1)), "reads no numbers of edges.*edge_dim"),
    ):
        with pytest.raises(ShapeError, match=message):
            layer(*arguments)
    layer = eq.nn.Message("O(3)", "1x0", "1x0", 2.0, edge_dim=2)
    for edges, kinds, message in (
        (None, torch.ones(4, 2), "2 numbers of each edge.*the edge_index it belongs to"),
        (PATH, None, r"edge_attr is of type NoneType, expected floating-point numbers of shape \(4, 2\)"),
        (PATH, torch.ones(4, 1), r"edge_attr is of shape \(4, 1\), expected floating-point numbers of shape \(4, 2\)"),
        (PATH, torch.ones(4, 2).long(), "expected floating-point numbers"),
    ):
        with pytest.raises(ShapeError, match=message):
            layer(x, positions, edges, edge_attr=kinds)
    with pytest.raises(ShapeError, match="independent vectors"):
        eq.nn.neighbors(positions, 1.0, cell=torch.ones(3, 3))
    with pytest.raises(ShapeError, match="one graph"):
        eq.nn.neighbors(positions, 1.0, torch.zeros(3).long(), torch.eye(3))
    with pytest.raises(GroupError, match="not mixed in one layer: ask for"):
        eq.nn.Message("O(3)", "1x2e + 1x2.irreps", "1x0", 1.0)


# --- what was wrong once --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("group", "points"),
    [("O(3)", [[0.0, 0, 0], [1, 0, 0], [1, 0, 0]]), ("O(1,3)", [[0.0, 0, 0, 0], [0.3, 0.3, 0, 0], [0.1, 0.5, 0, 0]])],
)
@pytest.mark.parametrize("basis", ["bessel", "gaussian"])
def test_training_on_forces_of_points_at_one_place(group, points, basis):
    """Also on light-like pairs, where r.r = 0: second derivatives of sin(t) / t at 0."""
    torch.manual_seed(0)
    layer = eq.nn.Message(group, "1x0", "1x0", 2.0, basis=basis)
    positions = torch.tensor(points, requires_grad=True)
    edges = torch.tensor([[0, 1, 1, 2, 0, 2, 0], [1, 0, 2, 1, 2, 0, 0]])
    (forces,) = torch.autograd.grad(layer(torch.ones(3, 1), positions, edges).sum(), positions, create_graph=True)
    forces.square().sum().backward()
    assert all(one.grad.isfinite().all() for one in (positions, *layer.parameters()))


def test_bessel_functions_near_zero():
    u = torch.tensor([0.0, 1e-9, 1e-4, 0.0316, 0.0319, 0.2, 0.7], dtype=torch.float64)
    expected = torch.stack([2**0.5 * math.pi * n * torch.sinc(n * u) for n in range(1, 9)], 1)
    torch.testing.assert_close(support.radial_functions(u, 8, "bessel", False), expected, atol=1e-10, rtol=1e-10)
    near = torch.full((1,), 2.5e-5, requires_grad=True)
    (slope,) = torch.autograd.grad(support.radial_functions(near, 1, "bessel", False).sum(), near)
    assert slope.item() == pytest.approx(-(2**0.5) * math.pi**3 / 3 * 2.5e-5, rel=1e-4)


def test_means_do_not_see_what_is_beyond_the_cutoff():
    torch.manual_seed(0)
    for group, near, far in (("Matrix([[0,-1],[1,1]]; )", [0.5, 0.0], [30.0, 0.0]), ("O(2)", [0.5, 0.0], [0.0, 30.0])):
        layer = eq.nn.Message(group, "1x0", "1x0", 2.0, degree=0, reduce="mean", dtype=torch.float64)
        points = torch.tensor([[0.0, 0.0], near, far], dtype=torch.float64)
        x, every = torch.ones(3, 1, dtype=torch.float64), torch.tensor([[1, 2, 0, 2, 0, 1], [0, 0, 1, 1, 2, 2]])
        alone = layer(x[:2], points[:2])[0]
        torch.testing.assert_close(layer(x, points)[0], alone)
        torch.testing.assert_close(layer(x, points, every)[0], alone)
        values = (
            [0.0, 0.0]
            if group != "O(2)"
            else [
                layer(x, torch.tensor([[0.0, 0.0], near, [0.0, 2 + step]], dtype=torch.float64), every)[0].item()
                for step in (-1e-3, 1e-3)
            ]
        )
        assert abs(values[0] - values[1]) < 1e-6


def test_intervals_have_a_sign():
    torch.manual_seed(0)
    for basis in ("bessel", "gaussian"):
        layer = eq.nn.Message("O(1,3)", "1x0", "1x0", 2.0, degree=0, basis=basis)
        time, space = (
            layer(torch.ones(2, 1), torch.tensor([[0.0] * 4, step])) for step in ([1.0, 0, 0, 0], [0.0, 1, 0, 0])
        )
        assert abs(time[0] - space[0]) > 1e-4


def test_what_is_no_number_stays_none():
    layer = eq.nn.Message("O(3)", "1x0", "1x0", 2.0)
    positions, edges = torch.tensor([[0.0, 0, 0], [math.nan, 0, 0]]), torch.tensor([[1], [0]])
    assert layer(torch.ones(2, 1), positions, edges)[0].isnan().all()
    for wrong in (positions, positions.nan_to_num(math.inf), torch.empty(2, 3, device="meta")):
        with pytest.raises(ShapeError, match="no finite numbers, or no entries"):
            eq.nn.neighbors(wrong, 1.0)
    with pytest.raises(ShapeError, match="finite floating-point numbers as rows"):
        eq.nn.neighbors(torch.zeros(1, 2), 1.1, cell=torch.diag(torch.tensor([1.0, math.inf])))
    with pytest.raises(ShapeError, match="shifts are of"):
        layer(torch.ones(2, 1), torch.zeros(2, 3), edges, shifts=torch.zeros(1, 3, dtype=torch.complex64))
    with pytest.raises(ShapeError, match=r"convert the module|torch\.float64"):
        layer(torch.ones(2, 1, dtype=torch.float64), torch.zeros(2, 3), edges)


def test_boxes_much_smaller_than_the_cutoff():
    """A line of one point each 0.02: 49 on either side are nearer than 0.99; and what would take hours is refused."""
    edges, shifts = eq.nn.neighbors(torch.zeros(1, 1), 0.99, cell=torch.tensor([[0.02]]))
    assert edges.shape == (2, 98)
    torch.testing.assert_close(shifts.sort(0).values[:49], -0.02 * torch.arange(49, 0, -1)[:, None])
    with pytest.raises(SizeError, match=r"a cutoff that is 1,010 times as long.*check the units"):
        eq.nn.neighbors(torch.zeros(1, 3), 1.0, cell=torch.eye(3) / 1000)


def test_points_far_outside_of_their_box():
    torch.manual_seed(0)
    cell = torch.tensor([[1.0, 0.2], [0.0, 1.1]], dtype=torch.float64)
    inside = torch.rand(5, 2, dtype=torch.float64) @ cell
    away = inside + torch.tensor([[40.0, -3], [0, 0], [-7, 9], [1000, 1], [2, 2]], dtype=torch.float64) @ cell
    vectors = []
    for points in (inside, away):
        (source, target), shifts = eq.nn.neighbors(points, 1.2, cell=cell)
        r = points[target] + shifts - points[source]
        rows = torch.cat((source[:, None], target[:, None], r.round(decimals=6)), 1)
        vectors.append(sorted(rows.tolist()))
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-5)
