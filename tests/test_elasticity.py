"""Tensors of elasticity: constants of crystals, and the modules that take them."""

import re
import runpy
from pathlib import Path

import pytest
import torch

import eqsynth as eq
from eqsynth.errors import EqsynthError, GroupError
from eqsynth.families.crystals import CLASSES as CLASSES_OF_CRYSTALS

ELASTICITY, SIGNED = "[ijkl=jikl=klij]", "[ijkl=-jikl=klij]"

EYE = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
HALF_Z, HALF_X = [[-1, 0, 0], [0, -1, 0], [0, 0, 1]], [[1, 0, 0], [0, -1, 0], [0, 0, -1]]
QUARTER = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
DIAGONAL = [[0, 0, 1], [1, 0, 0], [0, 1, 0]]  # a third of a turn about (1, 1, 1)
# On the lattice vectors a, b (120 degrees apart) and c, where these turns have whole entries. Turns of the lattice are
# the same linear maps in other coordinates, so the tensors that they keep have the same dimension.
THIRD, SIXTH = [[0, -1, 0], [1, -1, 0], [0, 0, 1]], [[1, -1, 0], [1, 0, 0], [0, 0, 1]]
SWAP = [[0, 1, 0], [1, 0, 0], [0, 0, -1]]
ABOUT_Z = [[0, -1, 0], [1, 0, 0], [0, 0, 0]]
#: The eleven Laue classes, by turns: an inversion does nothing to a tensor of even order. Then what is no crystal.
CLASSES = {
    "triclinic -1": (eq.MatrixGroup([EYE]), 21),
    "monoclinic 2/m": (eq.MatrixGroup([HALF_Z]), 13),
    "orthorhombic mmm": (eq.MatrixGroup([HALF_Z, HALF_X]), 9),
    "tetragonal 4/m": (eq.MatrixGroup([QUARTER]), 7),
    "tetragonal 4/mmm": (eq.MatrixGroup([QUARTER, HALF_X]), 6),
    "trigonal -3": (eq.MatrixGroup([THIRD]), 7),
    "trigonal -3m": (eq.MatrixGroup([THIRD, SWAP]), 6),
    "hexagonal 6/m": (eq.MatrixGroup([SIXTH]), 5),
    "hexagonal 6/mmm": (eq.MatrixGroup([SIXTH, SWAP]), 5),
    "cubic m-3": (eq.MatrixGroup([HALF_Z, DIAGONAL]), 3),
    "cubic m-3m": (eq.MatrixGroup([QUARTER, DIAGONAL]), 3),
    "cubic, signed permutations": (eq.Group.parse("H(3)"), 3),
    "transversely isotropic": (eq.MatrixGroup([], [ABOUT_Z]), 5),
    "isotropic": (eq.Group.parse("O(3)"), 2),
    "orthorhombic by signs": (eq.Group.parse("Z(2)^3"), 9),
    "plane, oblique": (eq.MatrixGroup([[[-1, 0], [0, -1]]]), 6),
    "plane, rectangular": (eq.MatrixGroup([[[1, 0], [0, -1]]]), 4),
    "plane, square": (eq.Group.parse("H(2)"), 3),
    "plane, square without mirrors": (eq.MatrixGroup([[[0, -1], [1, 0]]]), 4),
    "plane, hexagonal": (eq.MatrixGroup([[[1, -1], [1, 0]]]), 2),
    "plane, isotropic": (eq.Group.parse("O(2)"), 2),
}


@pytest.mark.parametrize("name", CLASSES)
def test_crystals_have_so_many_elastic_constants(name):
    """As in every book on the elasticity of crystals, such as Nye, Physical Properties of Crystals."""
    group, constants = CLASSES[name]
    assert len(eq.basis(group, 0, ELASTICITY)) == constants


@pytest.mark.parametrize("text", [ELASTICITY, SIGNED])
@pytest.mark.parametrize("make", [
    lambda text: eq.nn.BatchNorm("O(3)", f"2x{text} + 2x0").eval(),
    lambda text: eq.nn.LayerNorm("O(3)", f"2x{text} + 2x0"),
    lambda text: eq.nn.LayerNorm("S(n)", f"2x{text}"),
    lambda text: eq.nn.Pool("O(3)", f"2x{text}"),
    lambda text: eq.nn.Pool("O(3)", f"2x{text}", components="norm"),
    lambda text: eq.nn.Pairings("O(3)", f"2x{text} + 2x0"),
    lambda text: eq.nn.Gated("O(3)", f"2x{text} + 1x0"),
    lambda text: eq.nn.NormActivation("O(3)", f"2x{text}"),
    lambda text: eq.Power("O(2)", f"1x{text}", 2, "2x0"),
    lambda text: eq.nn.MLP("O(2)", [f"1x{text}", f"2x{text} + 2x0", f"1x{text}"]),
    lambda text: eq.nn.MLP("O(2)", [f"1x{text}.packed", f"2x{text} + 2x0", f"1x{text}.packed"]),
])  # fmt: skip
def test_modules_take_symmetries_of_indices(make, text):
    eq.testing.assert_equivariant(make(text))


def drawn(text, n, channels=2):
    return eq.symmetrise(torch.randn(5, *[n] * 4, channels, dtype=torch.float64), text)


@pytest.mark.parametrize("text", [ELASTICITY, SIGNED])
@pytest.mark.parametrize(("group", "hidden", "hidden_packed"), [
    ("O(2)", "2x{} + 2x0", "2x{} + 2x0"),
    ("S(2)", "2x{} + 2x1", "2x{}.packed + 2x1"),
])  # fmt: skip
def test_packed_networks_are_full_ones(group, hidden, hidden_packed, text):
    full = eq.nn.MLP(group, [f"2x{text}", hidden.format(text), f"1x{text}"]).double()
    thin = eq.nn.MLP(group, [f"2x{text}.packed", hidden_packed.format(text), f"1x{text}.packed"]).double()
    thin.load_state_dict(full.state_dict())
    x = drawn(text, 2)
    torch.testing.assert_close(eq.unpack(thin(eq.pack(x, text)), text), full(x))
    torch.testing.assert_close(full(x), eq.symmetrise(full(x), text))


def test_packed_entries_are_normalised_as_full_ones():
    x = drawn(ELASTICITY, 3)
    full, thin = (eq.nn.LayerNorm("S(n)", f"2x{ELASTICITY}{stored}").double() for stored in ("", ".packed"))
    torch.testing.assert_close(thin(eq.pack(x, ELASTICITY)), eq.pack(full(x), ELASTICITY))


@pytest.mark.parametrize("text", [ELASTICITY, SIGNED])
def test_batches_are_normalised_by_the_group_in_training(text):
    """Outputs have mean square 1 for each channel, and stay in the space."""
    y = eq.nn.BatchNorm("O(3)", f"2x{text}", eps=1e-12).double()(3 * drawn(text, 3))
    torch.testing.assert_close(y.square().flatten(0, -2).mean(0), torch.ones(2, dtype=torch.float64))
    torch.testing.assert_close(y, eq.symmetrise(y, text))


@pytest.mark.parametrize("text", [ELASTICITY, SIGNED])
def test_components_that_are_packed_are_refused_with_what_to_ask_instead(text):
    space = f"2x{text}.packed + 1x0"
    for make in (
        lambda: eq.nn.LayerNorm("O(3)", space),
        lambda: eq.nn.BatchNorm("O(3)", space),
        lambda: eq.nn.Pool("O(3)", space),
        lambda: eq.nn.Pairings("O(3)", space),
        lambda: eq.nn.NormActivation("O(3)", space),
    ):
        with pytest.raises(EqsynthError, match=r"packed.*ask for \[ij.*eq\.unpack"):
            make()


#: For each point group its order, and how many constants of elasticity and of piezoelectricity are independent
#: (Nye, Physical Properties of Crystals, tables 9 and 8).
POINT_GROUPS = {
    "1": (1, 21, 18), "-1": (2, 21, 0), "2": (2, 13, 8), "m": (2, 13, 10), "2/m": (4, 13, 0), "222": (4, 9, 3),
    "mm2": (4, 9, 5), "mmm": (8, 9, 0), "4": (4, 7, 4), "-4": (4, 7, 4), "4/m": (8, 7, 0), "422": (8, 6, 1),
    "4mm": (8, 6, 3), "-42m": (8, 6, 2), "4/mmm": (16, 6, 0), "3": (3, 7, 6), "-3": (6, 7, 0), "32": (6, 6, 2),
    "3m": (6, 6, 4), "-3m": (12, 6, 0), "6": (6, 5, 4), "-6": (6, 5, 2), "6/m": (12, 5, 0), "622": (12, 5, 1),
    "6mm": (12, 5, 3), "-6m2": (12, 5, 1), "6/mmm": (24, 5, 0), "23": (12, 3, 1), "m-3": (24, 3, 0), "432": (24, 3, 0),
    "-43m": (24, 3, 1), "m-3m": (48, 3, 0),
}  # fmt: skip


def test_point_groups_of_crystals():
    for name, (order, elastic, piezoelectric) in POINT_GROUPS.items():
        group = eq.point_group(name)
        assert group.order == order, name
        assert (len(eq.basis(group, 0, ELASTICITY)), len(eq.basis(group, 0, "[ijk=ikj]"))) == (elastic, piezoelectric)
        assert eq.point_group(CLASSES_OF_CRYSTALS[name][0]) == group
    assert POINT_GROUPS.keys() == CLASSES_OF_CRYSTALS.keys()
    with pytest.raises(GroupError, match="'C5v' is no point group of crystals: they are 1, -1, 2"):
        eq.point_group("C5v")
    with pytest.raises(GroupError, match="infinitely many elements, or more than 20,000"):
        _ = eq.MatrixGroup([[[1, 1], [0, 1]]]).order
    assert eq.MatrixGroup([[[1, -1], [1, 0]]]).order == 6


# --- the scripts behind docs/training.md ------------------------------------------------------------------


def script(name, **changes):
    """The names of a script, with fewer steps."""
    names = runpy.run_path(str(Path(__file__).parents[1] / "scripts" / f"{name}.py"))
    names["main"].__globals__.update(changes)
    return names


def test_media_of_bonds_obey_their_formula():
    names = script("elasticity")
    isotropic = names["stiffness"](torch.eye(3).unsqueeze(0))[0]
    delta = torch.eye(3)
    pairs = [torch.einsum(f"{a},{b}->ijkl", delta, delta) for a, b in (("ij", "kl"), ("ik", "jl"), ("il", "jk"))]
    # The mean of n_i n_j n_k n_l is that of deltas over 15; that of l^2 is 3.
    expected = (names["KN"] - names["KT"]) * 3 / 15 * sum(pairs) + names["KT"] * (pairs[1] + pairs[2]) / 2
    torch.testing.assert_close(isotropic, expected, atol=1e-5, rtol=1e-5)
    torch.manual_seed(0)
    x, y = names["examples"](5)
    torch.testing.assert_close(eq.symmetrise(y, ELASTICITY), y)
    turn = torch.linalg.qr(torch.randn(3, 3)).Q
    turned = names["stiffness"](turn @ x.squeeze(-1) @ turn.T)
    whole = torch.einsum("zijkl,ai,bj,ck,dl->zabcd", y.squeeze(-1), *[turn] * 4)
    torch.testing.assert_close(turned, whole, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(("name", "rows"), [("elasticity", 3), ("matrix_products", 4)])
def test_scripts_train_what_the_page_names(name, rows, capsys):
    names = script(name, STEPS=1)
    names["main"]()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + rows == 2 + len(names["NETWORKS"])
    page = (Path(__file__).parents[1] / "docs" / "training.md").read_text(encoding="utf-8")
    for line in lines[2:]:
        _, network, parameters, *_ = (cell.strip() for cell in line.split("|"))
        assert re.search(rf"^\| {re.escape(network)} \| +{parameters} \|", page, re.MULTILINE), line
