"""Tensors in coordinates of their irreducible parts, ``64x3.irreps``: coordinates, layers, networks, refusals."""

import copy
import warnings

import numpy as np
import pytest
import torch

import eqsynth as eq
from alone import run_alone
from eqsynth import Group, Space
from eqsynth.bases.decomposed import act, matrix, parts, random_tensor, rows
from eqsynth.codegen.decomposed import FixedCode
from eqsynth.codegen.emit import emit
from eqsynth.errors import ActivationError, EqsynthError, GroupError, ParseError, ShapeError, SizeError, SpaceError
from eqsynth.families.irreps import coordinates
from eqsynth.families.representation import random_element
from eqsynth.plans.steps import Schur
from eqsynth.spaces.space import Decomposed, Twisted, axes_of, is_decomposed

PROBLEMS = [
    ("O(3)", "3x2.irreps", "2x2.irreps"),
    ("O(3)", "2x3.irreps", "2x3.irreps"),
    ("O(3)", "2x3", "2x3.irreps"),
    ("O(3)", "2x2.irreps", "1x4"),
    ("O(3)", "2x3.irreps + 2x2.irreps + 2x1 + 1x0", "1x3.irreps + 2x2 + 2x0"),
    ("O(3)", "2x2.irreps.det + 1x1", "2x3.irreps"),
    ("O(3)", "2x3.irreps + 1x3", "1x3 + 2x3.irreps"),
    ("SO(3)", "2x2.irreps", "2x3.irreps"),
    ("SO(5)", "2x2.irreps", "1x2"),
    ("O(2)", "2x3.irreps", "1x3.irreps"),
    ("O(4)", "1x2.irreps", "1x2.irreps + 2x2.det"),
    ("Sp(2)", "2x2.irreps", "2x4.irreps"),
    ("Sp(4)", "2x2.irreps", "2x2.irreps + 1x0"),
    # V of O(2) is itself times the determinant, in other coordinates.
    ("O(2)", "2x1.det + 1x1", "2x3.irreps + 1x1.det"),
    # One product for each row, of numbers alone.
    ("O(3)", "2x0.det + 1x2.irreps", "3x0.det"),
]


#: Spaces between which the weights of some pairs are entries of blocks as they are.
TO_NUMBERS = [
    ("O(3)", "2x2.irreps + 3x0", "3x0 + 2x0"),
    ("O(3)", "2x2.irreps.det + 1x3.irreps", "2x0.det + 2x0"),
    ("O(3)", "2x1 + 2x2.irreps", "2x1.det + 1x0 + 1x1"),
    ("SO(3)", "2x3.irreps + 2x2.irreps + 1x0", "2x0 + 1x3.irreps"),
    ("O(2)", "2x2.irreps + 1x0", "2x0"),
    ("O(5)", "2x2.irreps + 1x0.det", "2x0 + 2x0.det"),
    ("SO(5)", "2x2.irreps + 1x0", "2x0"),
    ("Sp(4)", "2x2.irreps + 1x0", "3x0 + 2x0"),
    ("SO(3)", "2xA3.irreps + 2x2.irreps + 1x0", "2x0"),
]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def full(text):
    return text.replace(".irreps", "")


def stored(x, group, order):
    return eq.to_irreps(x, group, order) if is_decomposed(order) else x


def listed(value):
    return [*value] if isinstance(value, tuple) else [value]


def pair_of_layers(group, space_in, space_out, **options):
    """The same layer for both kinds of storage, with the same weights."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours = eq.Linear(group, space_in, space_out, dtype=torch.float64, **options)
        meant = eq.Linear(group, full(space_in), full(space_out), dtype=torch.float64, **options)
    for parameter in meant.parameters():
        torch.nn.init.normal_(parameter)
    ours.load_state_dict(meant.state_dict())
    return ours, meant


def inputs_of(layer, batch=3):
    """Tensors with an axis for each index."""
    n = layer.hom.group.number
    return [torch.randn(batch, *[n] * axes_of(order), c, dtype=torch.float64) for c, order in layer.hom.space_in]


def one_or_all(values):
    return values[0] if len(values) == 1 else tuple(values)


# --- coordinates ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("group", "order"), [("O(3)", 3), ("SO(3)", 2), ("O(2)", 3), ("Sp(4)", 2), ("SO(5)", 2)])
def test_coordinates_are_orthonormal_and_those_of_each_irrep_beside_its_copies(group, order):
    parsed = Group.parse(group)
    table, listed_parts = matrix(parsed, order), parts(parsed, order)
    np.testing.assert_allclose(table @ table.T, np.eye(len(table)), atol=1e-12)
    element = random_element(parsed, np.random.default_rng(0))
    moved = table @ power(element, order) @ table.T
    blocks, start = np.zeros_like(moved), 0
    for part in listed_parts:
        vectors = coordinates(part.irrep)
        own = vectors @ power(element, part.irrep.order) @ vectors.T
        own = own * (np.sign(np.linalg.det(element)) if part.twisted else 1)
        size = part.irrep.dim * part.count
        blocks[start : start + size, start : start + size] = np.kron(own, np.eye(part.count))
        start += size
    np.testing.assert_allclose(moved, blocks, atol=1e-9)


def power(element, order):
    product = np.ones((1, 1))
    for _ in range(order):
        product = np.kron(product, element)
    return product


def test_coordinates_of_matrices_are_those_that_everybody_knows():
    """The cross product of the antisymmetric part, the trace; e3nn's order of the symmetric traceless part."""
    x = torch.tensor([[0.0, 3.0, -2.0], [-3.0, 0.0, 1.0], [2.0, -1.0, 0.0]])[..., None]
    y = eq.to_irreps(x + torch.eye(3)[..., None], "O(3)", 2)[..., 0]
    torch.testing.assert_close(y[:5], torch.zeros(5), atol=1e-6, rtol=0)
    torch.testing.assert_close(y[5:8].abs(), torch.tensor([1.0, 2.0, 3.0]) * 2**0.5)
    torch.testing.assert_close(y[8].abs(), torch.tensor(3**0.5))
    assert [str(part.order) for part in parts(Group("O", 3), 2)] == ["2e", "1e", "0e"]


def test_copies_stand_fastest_and_are_images_in_the_order_of_the_basis():
    (start, *_) = eq.basis("O(3)", "1o", 3).matrices()
    copies = rows(Group("O", 3), 3)[2]
    assert copies.shape == (3, 3, 27)
    first = (start @ coordinates(parts(Group("O", 3), 3)[2].irrep).T).T if start.shape[1] != 3 else start.T
    np.testing.assert_allclose(copies[:, 0], first / np.linalg.norm(first[0]), atol=1e-12)


def test_conversions_are_inverse_and_keep_gradients():
    x = torch.randn(2, 4, 3, 3, 3, 5, dtype=torch.float64, requires_grad=True)
    y = eq.to_irreps(x, "O(3)", "3.irreps")
    assert y.shape == (2, 4, 27, 5)
    # Channels are last in memory, too, as layers read them.
    assert y.is_contiguous()
    assert eq.from_irreps(y, "O(3)", 3).is_contiguous()
    torch.testing.assert_close(eq.from_irreps(y, "O(3)", 3), x)
    torch.testing.assert_close(y.square().sum(), x.square().sum())
    assert torch.autograd.gradcheck(
        lambda z: eq.to_irreps(z, "O(3)", 2), torch.randn(1, 3, 3, 2).double().requires_grad_()
    )


def test_tensors_that_are_all_zero_have_no_coordinates():
    """Alternating ones of three indices over two dimensions."""
    assert eq.to_irreps(torch.zeros(4, 2, 2, 2, 3), "O(2)", "A3").shape == (4, 0, 3)
    assert eq.from_irreps(torch.zeros(4, 0, 3), "O(2)", "A3").equal(torch.zeros(4, 2, 2, 2, 3))


# --- text --------------------------------------------------------------------------------------------------


def test_spaces_say_how_they_are_stored():
    space = Space.parse("64x3.irreps + 8x2.irreps.det + 4x0")
    assert space.orders == (Decomposed(3), Twisted(Decomposed(2)), 0)
    assert str(space) == "64x3.irreps + 8x2.irreps.det + 4x0"
    assert Space.parse(str(space)) == space
    hom = eq.Hom.parse("O(3)", "2x2.irreps", 0)
    assert eval(repr(hom), {**vars(eq), "Decomposed": Decomposed}) == hom


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("4xS2.irreps.packed", "stored in two ways"),
        ("4x2.irreps.packed", "stored in two ways"),
        ("4x1.irreps", "write 1"),
        ("4x0.irreps", "write 0"),
        ("4x2.irreps.det.det", "twice twisted"),
        ("4x2e.irreps", "leave .irreps out"),
    ],
)
def test_what_is_no_space_is_refused(text, match):
    with pytest.raises(ParseError, match=match):
        Space.parse(text)


# --- linear layers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("group", "inputs", "outputs"),
    [
        ("O(3)", "1x[ijk=ikj].irreps + 1x1", "1x[ijk=ikj].irreps + 1x1"),
        ("SO(3)", "1xS2.irreps.det + 1x[ijk=ikj].packed", "1xS2.packed + 2x3.irreps"),
        # The only map to numbers reads another tensor than the vector of its coordinate.
        ("SO(3)", "1x[ijkl=-jikl=-ijlk=klij].irreps + 1xS2.irreps", "2x0"),
        # An output that is no number has one coordinate.
        ("Sp(2)", "2x2.irreps", "2xA2.irreps + 1x0"),
        # Names of two kinds of tensors differ by a sign alone.
        ("O(4)", "2x[ijk=ikj].irreps + 1x[ijk=-ikj].irreps", "1x[ijk=-ikj].irreps"),
    ],
)
def test_symmetric_tensors_have_coordinates_of_parts(group, inputs, outputs):
    layer = eq.Linear(group, inputs, outputs, dtype=torch.float64)
    full = eq.Linear(group, inputs.replace(".irreps", ""), outputs.replace(".irreps", ""), dtype=torch.float64)
    full.load_state_dict(layer.state_dict())
    eq.verify(layer, trials=1)
    rng, n = np.random.default_rng(0), layer.plan.hom.group.number
    x = [torch.from_numpy(random_tensor(rng, order, [n], channels)) for channels, order in full.plan.hom.space_in]
    spaces = zip(layer.plan.hom.space_in.orders, full.plan.hom.space_in.orders, x, strict=True)
    stored = [eq.to_irreps(one, group, order) if is_decomposed(own) else one for own, order, one in spaces]
    spaces = zip(
        layer.plan.hom.space_out.orders, full.plan.hom.space_out.orders, listed(layer(one_or_all(stored))), strict=True
    )
    y = [eq.from_irreps(one, group, order) if is_decomposed(own) else one for own, order, one in spaces]
    assert all(torch.allclose(ours, theirs) for ours, theirs in zip(y, listed(full(one_or_all(x))), strict=True))


def test_coordinates_of_symmetric_tensors_keep_lengths():
    x = eq.symmetrise(torch.randn(2, 3, 3, 3, 3, 1, dtype=torch.float64), "[ijkl=jikl=klij]")
    stored = eq.to_irreps(x, "O(3)", "[ijkl=jikl=klij]")
    assert stored.shape == (2, 21, 1)
    assert torch.allclose(stored.square().sum((1, 2)), x.flatten(1).square().sum(1))
    assert torch.allclose(eq.from_irreps(stored, "O(3)", "[ijkl=jikl=klij].irreps"), x)
    with pytest.raises(GroupError, match="are no entries of blocks"):
        eq.Linear("O(3)", "2xS2.irreps", "2xS2.irreps", parameters="blocks")


@pytest.mark.parametrize("problem", TO_NUMBERS, ids=" ".join)
def test_the_only_map_to_numbers_has_its_weight_as_entry(problem, monkeypatch):
    """Tables of ones that nothing multiplies by: with them, layers do the same."""
    layer = eq.Linear(*problem, dtype=torch.float64)
    with monkeypatch.context() as patch:
        patch.setattr(FixedCode, "_is_one", lambda *_: False)
        emitted = emit(layer.plan, "Scaled").source
    scope = {}
    exec(compile(emitted, "emitted", "exec"), scope)
    scaled = scope["Scaled"](dtype=torch.float64)
    scaled.load_state_dict(layer.state_dict())
    ones = {name for name, _ in scaled.named_buffers()} - {name for name, _ in layer.named_buffers()}
    assert ones
    assert all(name.startswith("blocks_") for name in ones)
    for name in ones:
        torch.testing.assert_close(getattr(scaled, name), torch.ones(1, 1, dtype=torch.float64))
    rng = np.random.default_rng(0)
    x = [torch.from_numpy(random_tensor(rng, o, [layer.hom.group.number], c)) for c, o in layer.hom.space_in]
    for ours, theirs in zip(listed(layer(one_or_all(x))), listed(scaled(one_or_all(x))), strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("problem", PROBLEMS, ids=" ".join)
@pytest.mark.parametrize(
    "options",
    [{}, {"bias": False, "normalization": "sum", "parameters": "blocks"}, {"normalization": "mean"}],
    ids=["usual", "blocks", "mean"],
)
def test_layers_are_those_of_full_tensors_from_one_state_dict(problem, options):
    ours, meant = pair_of_layers(*problem, **options)
    group, given = problem[0], inputs_of(meant)
    outputs, gradients = [], []
    for layer in (ours, meant):
        xs = [x.clone().requires_grad_() for x in given]
        ys = listed(
            layer(one_or_all([stored(x, group, k) for x, k in zip(xs, layer.hom.space_in.orders, strict=True)]))
        )
        ys = [
            eq.from_irreps(y, group, k) if is_decomposed(k) else y
            for y, k in zip(ys, layer.hom.space_out.orders, strict=True)
        ]
        sum(y.sin().sum() for y in ys).backward()
        outputs.append(ys)
        gradients.append([x.grad for x in xs if x.grad is not None] + [p.grad for p in layer.parameters()])
    torch.testing.assert_close(*outputs)
    torch.testing.assert_close(*gradients)


def test_between_coordinates_nothing_is_computed_but_products():
    plan = eq.plan("O(3)", "64x3.irreps", "64x3.irreps", bias=False)
    assert [type(step).__name__ for step in plan.steps] == ["Input", "Schur", "Output"]
    costs = plan.total()
    assert costs.multiply_adds == eq.floor("O(3)", "64x3", "64x3") == plan.mixing
    (step,) = (step for step in plan.steps if isinstance(step, Schur))
    assert not step.changes(True, 0)
    assert "bmm" not in eq.Linear("O(3)", "2x3.irreps", "2x3.irreps", bias=False).source


def test_biases_are_added_to_the_products_of_the_trivial_part():
    plan = eq.plan("O(3)", "4x2.irreps + 3x0", "4x2.irreps + 3x0")
    assert [type(step).__name__ for step in plan.steps] == ["Input", "Input", "Schur", "Output", "Output"]
    (step,) = (step for step in plan.steps if isinstance(step, Schur))
    assert [one.term for one in step.constants] == [0, 1]
    assert "mix 3 irreps of p0 x1 + bias" in str(plan)
    # Where inputs and outputs do not share the trivial part, biases are spread as always.
    other = eq.plan("O(3)", "4x1.det", "4x2.irreps")
    assert [type(step).__name__ for step in other.steps][:3] == ["Input", "Schur", "Mix"]


def test_initial_weights_are_drawn_alike():
    layers = []
    for space in ("8x2.irreps", "8x2"):
        torch.manual_seed(3)
        layers.append(eq.Linear("O(3)", space, space, parameters="blocks"))
    assert torch.equal(layers[0].weight, layers[1].weight)


def test_layers_verify_and_copy_and_commute():
    layer = eq.Linear("Sp(2)", "2x2.irreps + 1x1", "2x3.irreps + 1x2")
    eq.verify(layer, trials=1)
    eq.testing.assert_equivariant(copy.deepcopy(layer), trials=1)
    assert "2x2.irreps" in repr(layer)
    wrong = eq.Linear("O(3)", "1x2.irreps", "1x2.irreps", bias=False, dtype=torch.float64)
    with pytest.raises(eq.errors.EquivarianceError):
        eq.testing.assert_equivariant(
            lambda x: wrong(x) * torch.arange(9.0, dtype=x.dtype)[:, None], "O(3)", "1x2.irreps", "1x2.irreps"
        )


def test_the_oracle_knows_the_action():
    rng = np.random.default_rng(0)
    element, x = random_element(Group("O", 3), rng), rng.standard_normal((2, 3, 3, 4))
    order = eq.Hom.parse("O(3)", "4x2.irreps", 0).space_in.orders[0]
    moved = np.einsum("ai,bj,zijc->zabc", element, element, x)
    first = act([element], order, eq.to_irreps(torch.from_numpy(x), "O(3)", 2).numpy())
    np.testing.assert_allclose(first, eq.to_irreps(torch.from_numpy(moved), "O(3)", 2).numpy(), atol=1e-12)


def test_files_stand_alone_and_are_verified(tmp_path):
    layer = eq.Linear("O(3)", "2x2.irreps", "3x4.irreps + 1x0")
    eq.export(layer, tmp_path / "layer.py")
    eq.verify(tmp_path / "layer.py", trials=1)
    text = (tmp_path / "layer.py").read_text(encoding="utf-8")
    name = next(
        line.split()[1].split("(")[0] for line in text.splitlines() if line.startswith("class ") and "nn.Module" in line
    )
    done = run_alone(text + f"\nprint([tuple(y.shape) for y in {name}(2, (3, 1))(torch.ones(5, 9, 2))])\n", tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[(5, 81, 3), (5, 1)]"


def test_programs_and_half_precision():
    layer = eq.Linear("O(3)", "2x2.irreps", "2x2.irreps").double()
    x = torch.randn(4, 9, 2).double()
    program = torch.export.export(layer, (x,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    torch.testing.assert_close(program.module()(torch.cat((x, x))), layer(torch.cat((x, x))))
    assert layer.to(torch.bfloat16)(x.to(torch.bfloat16)).dtype == torch.bfloat16
    assert layer.double()(x.reshape(2, 2, 9, 2)).shape == (2, 2, 9, 2)
    assert layer(x[:0]).shape == (0, 9, 2)


# --- around layers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda space: eq.nn.LayerNorm("O(3)", space, affine=False),
        lambda space: eq.nn.BatchNorm("O(3)", space),
        lambda space: eq.nn.NormActivation("O(3)", space),
        lambda space: eq.nn.Gated("O(3)", space),
        lambda space: eq.nn.Pairings("O(3)", space),
    ],
    ids=["layer norm", "batch norm", "norms", "gates", "pairings"],
)
def test_modules_do_the_same_in_coordinates(make):
    ours, meant = make("4x2.irreps + 3x0"), make("4x2 + 3x0")
    ours.load_state_dict(meant.state_dict())
    xs = [torch.randn(5, *[3] * k, c) for c, k in meant.space_in]
    ys = ours(tuple(stored(x, "O(3)", k) for x, k in zip(xs, ours.space_in.orders, strict=True)))
    for y, z, order in zip(ys, meant(tuple(xs)), ours.space_out.orders, strict=True):
        torch.testing.assert_close(y, stored(z, "O(3)", order), atol=1e-5, rtol=1e-5)


def test_dropout_takes_whole_channels():
    y = eq.nn.Dropout("O(3)", "16x2.irreps")(torch.ones(5, 9, 16))
    assert (y == y[:, :1]).all()


class TestNetworks:
    SPACES = ("2x3 + 1x0", "4x3 + 4x2 + 4x0", "4x3 + 4x0", "1x3")

    def test_auto_stores_hidden_tensors_where_it_pays_and_says_so(self):
        torch.manual_seed(1)
        net = eq.nn.MLP("O(3)", self.SPACES, activation="gated", norm="layer")
        torch.manual_seed(1)
        meant = eq.nn.MLP("O(3)", self.SPACES, activation="gated", norm="layer", storage="full")
        assert "4x3.irreps" in repr(net)
        assert ".irreps" not in repr(meant)
        for name, value in meant.state_dict().items():
            torch.testing.assert_close(net.state_dict()[name], value)
        x = (torch.randn(5, 3, 3, 3, 2), torch.randn(5, 1))
        torch.testing.assert_close(net(x), meant(x), atol=1e-4, rtol=1e-4)
        assert (net.space_in, net.space_out) == (meant.space_in, meant.space_out)

    @pytest.mark.parametrize("activation", ["auto", "gated", "norm"])
    @pytest.mark.parametrize("hidden", ["4x{} + 3xS2 + 2x3.det + 4x0", "4x{}.packed + 4x0"])
    def test_symmetric_tensors_are_stored_so_and_mean_the_same(self, hidden, activation):
        """With each entry once: 21 coordinates of an elasticity tensor."""
        elasticity = "[ijkl=jikl=klij]"
        spaces = [f"2x{elasticity}", hidden.format(elasticity), f"1x{elasticity}"]
        torch.manual_seed(1)
        net = eq.nn.MLP("O(3)", spaces, activation)
        torch.manual_seed(1)
        spaces[1] = spaces[1].replace(".packed", "")
        meant = eq.nn.MLP("O(3)", spaces, activation, storage="full")
        assert f"4x{elasticity}.irreps" in repr(net)
        x = eq.symmetrise(torch.randn(5, 3, 3, 3, 3, 2), elasticity)
        torch.testing.assert_close(net(x), meant(x), atol=1e-4, rtol=1e-4)

    def test_packed_tensors_are_paired_in_coordinates_and_gated_as_they_are(self):
        spaces = ["1xS2.packed", "4xS2.packed + 4x0", "1xS2.packed"]
        assert "4xS2.irreps" in repr(eq.nn.MLP("O(3)", spaces, "norm"))
        for activation in ("gated", "products"):
            net = eq.nn.MLP("O(3)", spaces, activation)
            assert ".irreps" not in repr(net)
            eq.testing.assert_equivariant(net)

    @pytest.mark.parametrize(
        ("group", "hidden", "activation"),
        [
            ("S(4)", "4x2 + 4x0", "auto"),  # relabels positions
            ("O(n)", "4x3 + 4x0", "gated"),  # open
            ("SO(4)", "4x3 + 4x0", "gated"),  # halves
            ("Sp(2)", "4x2 + 4x0", "norm"),  # its form is not the dot product
            ("O(3)", "4x2 + 4x0", "products"),
            ("O(3)", "4x2 + 4x0", "gated"),  # diagrams are quicker at order 2
            ("O(3)", "4xS2 + 4x0", "gated"),
            ("O(3)", "4x2e + 4xS3", "gated"),  # irreps beside
        ],
    )
    def test_auto_leaves_others_as_they_are(self, group, hidden, activation):
        first = hidden.split(" ")[0].replace("4x", "1x")
        net = eq.nn.MLP(group, [f"{first} + 1x0", hidden, first], activation=activation)
        assert ".irreps" not in repr(net)

    @pytest.mark.parametrize(
        ("group", "hidden", "options", "error", "match"),
        [
            ("S(4)", "4x2", {}, GroupError, "has no coordinates of irreducible parts"),
            ("SO(4)", "4x2 + 4x0", {"activation": "gated"}, GroupError, "two halves"),
            ("O(3)", "4x2 + 4x0", {"activation": "products"}, SpaceError, "storage='auto'"),
            ("Sp(4)", "4x2 + 4x0", {"activation": "norm"}, ActivationError, "not known in the coordinates of 2.irreps"),
        ],
    )
    def test_what_is_asked_for_and_cannot_be_is_refused(self, group, hidden, options, error, match):
        with pytest.raises(error, match=match):
            eq.nn.MLP(group, ["1x2 + 1x0", hidden, "1x2"], storage="irreps", **options)

    def test_storage_is_one_of_three(self):
        with pytest.raises(EqsynthError, match="full"):
            eq.nn.MLP("O(3)", ["1x2", "1x2"], storage="fast")


@pytest.mark.parametrize(("kind", "order"), [("S2", 2), ("[ijkl=jikl=klij]", 4)])
def test_norms_of_symmetric_tensors_are_those_of_full_ones(kind, order):
    x = eq.symmetrise(torch.randn(5, *[3] * order, 3, dtype=torch.float64), kind)
    numbers = torch.randn(5, 2, dtype=torch.float64)
    for module in (eq.nn.NormActivation, eq.nn.LayerNorm, eq.nn.BatchNorm, eq.nn.Pairings):
        full, stored = (
            module("O(3)", f"3x{kind}{end} + 2x0", dtype=torch.float64, device="cpu") for end in ("", ".irreps")
        )
        stored.load_state_dict(full.state_dict())
        y, plain = full((x, numbers))
        coordinates_of_y, others = stored((eq.to_irreps(x, "O(3)", kind), numbers))
        torch.testing.assert_close(coordinates_of_y, eq.to_irreps(y, "O(3)", kind))
        torch.testing.assert_close(others, plain)


# --- refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: eq.Linear("S(4)", "2x2.irreps", 2), GroupError, "no coordinates of irreducible parts"),
        (lambda: eq.Linear("O(n)", "2x2.irreps", 2), GroupError, r"ask for O\(4\)"),
        (lambda: eq.Linear("O(1,3)", "2x2.irreps", 2), GroupError, "no coordinates"),
        (lambda: eq.Linear("GL(3)", "2x2.irreps", 2), GroupError, "no coordinates"),
        (lambda: eq.Linear("SO(4)", "2x2.irreps", 2), GroupError, "falls in two halves"),
        (lambda: eq.Linear("O(4)", "2x2.irreps.det", 2), GroupError, r"ask for 2\.det"),
        (lambda: eq.Linear("O(3)", "2x7.irreps", 2), SizeError, "2,187 coordinates"),
        (lambda: eq.Linear("O(3)", "2x2.irreps", 2, method="diagrams"), GroupError, "method='irreps'"),
        (lambda: eq.Linear("S(4) x O(3)", "2x(1,2.irreps)", "1x(1,2)"), SpaceError, "write 2"),
        (lambda: eq.TensorProduct("O(3)", "2x2.irreps", "2x1", "1x1"), SpaceError, "eq.Linear before and behind"),
        (lambda: eq.Power("O(3)", "2x2.irreps", 2, "1x0"), SpaceError, "eq.Linear before and behind"),
        (lambda: eq.nn.Activation("O(3)", "2x2.irreps", "relu"), ActivationError, "mix the coordinates"),
        (lambda: eq.pack(torch.ones(9, 1), "2.irreps"), SpaceError, "eq.to_irreps"),
        (lambda: eq.to_irreps(torch.ones(3, 3), "O(3)", 2), ShapeError, "axes"),
        (lambda: eq.from_irreps(torch.ones(8, 1), "O(3)", 2), ShapeError, "length 9"),
        (lambda: eq.Linear("O(3)", "2x2.irreps", 2)(torch.ones(3, 3, 2)), ShapeError, "9, 2"),
    ],
)
def test_what_cannot_be_says_what_to_ask_for(call, error, match):
    with pytest.raises(error, match=match):
        call()
