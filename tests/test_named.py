"""Finite groups by name, permutations with signs, and the names and orders of groups."""

import pickle
from dataclasses import replace
from itertools import product
from math import factorial

import flint
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import eqsynth as eq
from eqsynth.bases.constraints import nullspace
from eqsynth.diagrams.diagram import MatrixMap
from eqsynth.errors import (
    ActivationError,
    EquivarianceError,
    GroupError,
    ParseError,
    SizeError,
    SpaceError,
    SymbolicError,
    VerificationError,
    abridged,
)
from eqsynth.exact.permutations import signed_permutation
from eqsynth.families.group import FAMILIES
from eqsynth.families.hom import parse_problem
from eqsynth.families.representation import random_element
from eqsynth.graphs import orbits
from eqsynth.graphs.orbits import burnside_count, elements, group_order, signed_count, signed_orbits, signed_tables
from eqsynth.project import syncing
from eqsynth.proof.verification import check_basis
from eqsynth.show.page import document
from oracle import assert_all_agree, randomise

RINGS = [f"{family}({n})" for family in "CD" for n in range(1, 7)]
IMAGES = [f"{family}({m}x{m})" for family in ("C4", "D4") for m in range(1, 4)]
SIGNS = [f"Z(2)^{k}" for k in range(1, 5)]
SHIFT, SWAP = np.eye(4, dtype=int)[[1, 2, 3, 0]].tolist(), np.eye(4, dtype=int)[[1, 0, 2, 3]].tolist()
CUBE = eq.MatrixGroup([SHIFT, SWAP, np.diag([-1, 1, 1, 1]).tolist()], name="cube in four dimensions")


def spans(maps, kernel):
    """Whether two bases of integer matrices span the same maps."""
    rows = [block.reshape(len(block), block.shape[1] * block.shape[2]) for block in (maps, kernel)]
    ranks = [flint.fmpz_mat(part.tolist()).rank() if len(part) else 0 for part in (*rows, np.concatenate(rows))]
    return len({*ranks, len(maps), len(kernel)}) == 1


# -- which maps there are


@pytest.mark.parametrize("text", [*RINGS, *IMAGES, *SIGNS])
def test_maps_are_the_exact_null_space_of_the_generators(text):
    group = eq.Group.parse(text)
    for inputs, outputs in product(range(3), repeat=2):
        if group.n ** (inputs + outputs) <= 130:
            assert spans(eq.basis(group, inputs, outputs).matrices(), nullspace(group, inputs, outputs))


@pytest.mark.parametrize("text", [*RINGS, *IMAGES])
def test_maps_are_as_many_as_burnside_counts(text):
    group = eq.Group.parse(text)
    for total in range(5):
        if group.n**total < 10_000:
            assert len(eq.basis(group, total // 2, total - total // 2)) == burnside_count(
                group.generators, group.n, total
            )


def test_maps_of_a_ring_are_circulant_and_those_of_signs_diagonal():
    circulant = eq.basis("C(5)", 1, 1).matrices()
    assert all(np.array_equal(np.roll(matrix, (1, 1), (0, 1)), matrix) for matrix in circulant)
    assert all(np.array_equal(np.diag(np.diag(matrix)), matrix) for matrix in eq.basis("Z(2)^5", 1, 1).matrices())
    assert [len(eq.basis("Z(2)^3", k, 2)) for k in range(4)] == [3, 0, 21, 0]
    # Orbits of pixels under the symmetries of a square, and one for each distance in a ring.
    assert [len(eq.basis(f"D4({m}x{m})", 1, 0)) for m in range(1, 7)] == [1, 1, 3, 3, 6, 6]
    assert [len(eq.basis(f"D({n})", 1, 1)) for n in range(1, 9)] == [1, 2, 2, 3, 3, 4, 4, 5]


def test_images_turn_as_arrays_do():
    rng = np.random.default_rng(0)
    image = rng.standard_normal((5, 5))
    turned = {np.rot90(image, k).tobytes() for k in range(4)}
    mirrored = turned | {np.rot90(image.T, k).tobytes() for k in range(4)}
    for text, images in (("C4(5x5)", turned), ("D4(5x5)", mirrored)):
        group = eq.Group.parse(text)
        assert {image.ravel()[list(element)].tobytes() for element in elements(group.generators, 25)} == images


# -- text


@pytest.mark.parametrize("text", [*RINGS, *IMAGES, *SIGNS, "Z(2)^64", "C(1000)", "D4(20x20)"])
def test_text_repr_and_pickle_give_the_same_group(text):
    group = eq.Group.parse(text)
    assert str(group) == text
    for again in (
        eq.Group.parse(str(group)),
        eval(repr(group), {"Group": eq.Group}),
        pickle.loads(pickle.dumps(group)),
    ):
        assert again == group
        assert hash(again) == hash(group)
        assert again.generators == group.generators


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("C(n)", r"C\(n\) has no letter for its size"),
        ("D(n)", r"D\(n\) has no letter"),
        ("Z(2)^k", r"Z\(2\)\^k has no letter"),
        ("C4(nxn)", r"C4\(mxm\) has no letter"),
        ("C(0)", "a number from 1 to 1,000,000, not '0'"),
        ("D(-3)", "a number from 1"),
        ("C(1000001)", "a number from 1 to 1,000,000"),
        ("Z(2)^0", "a number from 1 to 64"),
        ("C(2.5)", "a number from 1"),
        ("C4(3x5)", r"ask for a square, C4\(3x3\).*Aut\(grid3x5\)"),
        ("D4(5)", r"the form of an image, such as D4\(5x5\)"),
        ("Z(2)", r"Z\(2\)\^1, or exchanges two points, C\(2\)"),
        ("Z(3)", r"write C\(3\)"),
        ("Z(3)^2", "powers of"),
        ("C(5)^2", r"for signs alone, Z\(2\)\^k"),
        ("S(5)^2", "nothing more is expected"),
        ("C5", r"Write C\(5\)"),
        ("C(5", r"\) is expected"),
        ("C(5) D(5)", "nothing more|a number from"),
        ("Cyclic(4)", r"C\(5\)"),
        ("Dih(4)", r"D\(5\)"),
    ],
)
def test_what_is_no_group_says_what_to_write(text, message):
    with pytest.raises(ParseError, match=message):
        eq.Group.parse(text)


def test_families_of_generators_take_no_letters_elsewhere():
    with pytest.raises(GroupError, match=r"read from text: Write C\(5\)"):
        eq.Group("C", 5)
    assert eq.Group.parse(" Z(2) ^ 3 ") == eq.Group.parse("Z(2)^3")
    # What stands in Aut(...) are names of graphs.
    assert str(eq.Aut("C5")) == "Aut(cycle5)"


# -- orders


@pytest.mark.parametrize("text", [*RINGS, *IMAGES, *SIGNS, "S(4)", "A(4)", "H(3)", "S(1)", "A(1)", "O(1)", "SO(1)"])
def test_orders_count_elements(text):
    group = eq.Group.parse(text)
    matrices = group.generating_matrices()[0]
    listed = elements([signed_permutation(matrix) for matrix in matrices], 2 * group.n)
    assert group.order == len(listed)
    assert type(group.order) is int
    moved = [np.array(g) for g in group.generators] if not group.permuting else []
    assert all(np.array_equal(g, matrix) for g, matrix in zip(moved, matrices, strict=False))


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_orders_of_families_are_those_of_their_generators(family):
    for n in (1, 2, 3, 4):
        if n % FAMILIES[family](family, 2).multiple:
            continue
        group = eq.Group(family, n)
        matrices, algebra = group.generating_matrices()
        signed = [signed_permutation(matrix) for matrix in matrices]
        if algebra or None in signed:
            with pytest.raises(GroupError, match=r"infinitely many|is not known"):
                _ = group.order
        else:
            assert group.order == len(elements(signed, 2 * n))


def test_orders_of_large_groups_are_exact():
    assert eq.Group.parse("S(30)").order == factorial(30)
    cycle, swap = (*range(1, 60), 0), (1, 0, *range(2, 60))
    assert eq.PermutationGroup([cycle, swap]).order == factorial(60)
    assert eq.PermutationGroup([(1, 2, 0, *range(3, 11)), (0, *range(2, 11), 1)]).order == factorial(11)
    assert eq.PermutationGroup([(1, 2, 0, *range(3, 9)), (*range(1, 9), 0)]).order == factorial(9) // 2
    assert eq.Group.parse("S(3) x A(4)").order == 72
    assert eq.Aut("complete30").order == factorial(30)
    assert CUBE.order == 384 == eq.Group.parse("H(4)").order
    assert eq.MatrixGroup([[[0, -1], [1, 0]]]).order == 4
    assert eq.PermutationGroup([], n=3).order == 1
    assert eq.PermutationGroup([tuple((i + 1) % 300 for i in range(300))]).order == 300


@pytest.mark.parametrize(
    ("group", "error", "message"),
    [
        ("O(3)", GroupError, "infinitely many"),
        ("Sp(2)", GroupError, "infinitely many"),
        ("O(1,3)", GroupError, "infinitely many"),
        ("SO(1000000)", GroupError, "infinitely many"),
        ("S(3) x O(2)", GroupError, r"^O\(2\) has infinitely"),
        ("Matrix(; [[0,1],[-1,0]])", GroupError, "infinitely many"),
        ("Matrix([[1,1],[0,1]]; )", GroupError, "is not known: it has infinitely many"),
        ("S(n)", SymbolicError, "leaves n open"),
    ],
)
def test_groups_without_an_order_say_so(group, error, message):
    with pytest.raises(error, match=message):
        _ = eq.Group.parse(group).order


def test_generators_are_public_where_there_are_some(monkeypatch):
    assert eq.Group.parse("S(3)").generators == ((1, 0, 2), (2, 0, 1))
    assert eq.Aut("path3").generators == ((2, 1, 0),)
    assert eq.Group.parse("H(1)").generators[-1] == ((-1,),)
    with pytest.raises(GroupError, match="no list generates"):
        _ = eq.Group.parse("SO(2)").generators
    monkeypatch.setattr(orbits, "MAX_ELEMENTS", 300)
    with pytest.raises(SizeError, match="fewer points"):
        group_order([(*range(1, 200), 0), (1, 0, *range(2, 200))], 200)


# -- permutations with signs


@st.composite
def signed_groups(draw):
    n = draw(st.integers(1, 3))
    generators = []
    for _ in range(draw(st.integers(1, 3))):
        order = draw(st.permutations(range(n)))
        signs = draw(st.lists(st.sampled_from([1, -1]), min_size=n, max_size=n))
        generators.append(
            [[sign * (place == column) for column in range(n)] for place, sign in zip(order, signs, strict=True)]
        )
    return eq.MatrixGroup(generators)


@settings(max_examples=40, deadline=None)
@given(signed_groups(), st.integers(0, 2), st.integers(0, 2))
def test_orbits_with_signs_are_the_basis_of_the_null_space_map_by_map(group, inputs, outputs):
    """Not only the same span: weights of layers that were made from the null space keep their meaning."""
    kernel = nullspace(group, inputs, outputs)
    basis = eq.basis(group, inputs, outputs)
    assert np.array_equal(basis.matrices(), kernel)
    assert len(kernel) == signed_count(group.signed_permutations, group.n, inputs + outputs)
    assert check_basis(basis)


def test_symmetries_of_the_cube_at_orders_that_null_spaces_do_not_reach():
    hyper = eq.Group.parse("H(4)")
    for inputs, outputs, count in ((3, 3, 31), (2, 3, 0), (2, 2, 4), (0, 6, 31)):
        basis = eq.basis(CUBE, inputs, outputs)
        assert len(basis) == count
        if count:
            assert spans(basis.matrices(), eq.basis(hyper, inputs, outputs).matrices())
            assert "keeps its sign" in check_basis(basis)
    with pytest.raises(SizeError, match="tuples"):
        eq.basis(CUBE, 6, 6)
    with pytest.raises(SizeError, match=r"entries, more than 200,000: ask for a smaller n"):
        eq.basis("Matrix([[1,0,0],[0,1,0],[0,0,1]]; )", 6, 6)


def test_what_permutes_with_signs_and_what_does_not():
    assert eq.MatrixGroup([[[0, -1], [1, 0]]]).signed_permutations == ((1, 2, 3, 0),)
    for matrix in ([[1, 1], [0, 1]], [[2, 0], [0, 1]], [["1/2", 0], [0, 1]]):
        assert eq.MatrixGroup([matrix]).signed_permutations is None
    assert eq.MatrixGroup([], [[[0, 1], [-1, 0]]]).signed_permutations is None
    assert signed_permutation([[1, 0], [1, 0]]) is None
    with pytest.raises(GroupError, match="negatives go to negatives"):
        signed_orbits([(1, 0, 2, 3)], 2, 2)
    labels, signs = signed_orbits([(2, 1, 0, 3)], 2, 1)
    assert signs.tolist() == [0, 1]
    assert [places.tolist() for places, _ in signed_tables(labels, signs)] == [[1]]


def test_the_checker_of_orbits_with_signs_catches_tampering():
    basis = eq.basis(CUBE, 1, 1)
    (element,) = basis.diagrams
    flipped = MatrixMap(1, 1, tuple((row, column, -value if row else value) for row, column, value in element.entries))
    for diagrams in ((flipped,), (element, element), (MatrixMap(1, 1, ()),), (replace(element, entries=()),)):
        number = len(diagrams)
        certificate = replace(basis.certificate, dimension=number, spanning=number)
        with pytest.raises(VerificationError):
            check_basis(replace(basis, diagrams=diagrams, certificate=certificate))
    certificate = replace(basis.certificate, dimension=0, spanning=0)
    with pytest.raises(VerificationError, match="has 1 maps"):
        check_basis(replace(basis, diagrams=(), certificate=certificate))


# -- layers

LAYERS = ["C(4)", "D(5)", "C4(2x2)", "D4(3x3)", "Z(2)^3", CUBE]


@pytest.mark.parametrize("group", LAYERS, ids=str)
def test_layers_agree_with_the_oracle_by_every_method(group):
    size = eq.Group.parse(group).n
    spaces = ("2x1 + 1x0", "1x1 + 2x0") if size > 5 else ("2x2 + 1x0", "1x2 + 2x0")
    for method in ("auto", "matrix", "irreps"):
        layer = randomise(eq.Linear(group, *spaces, method=method, dtype=torch.float64))
        assert_all_agree(layer, size)
    for method in ("diagrams", "fourier"):
        with pytest.raises(GroupError, match=r"(?i)ask for (another )?method"):
            eq.Linear(group, *spaces, method=method)


@pytest.mark.parametrize("group", ["D(4)", "C4(2x2)", "Z(2)^2"])
def test_products_networks_files_and_pages(group, tmp_path):
    product_layer = eq.TensorProduct(group, "2x1", "2x1", "2x2 + 2x0")
    assert eq.verify(product_layer)
    network = eq.nn.MLP(group, ["1x1", "4x1 + 4x0", "2x0"]).double()
    eq.testing.assert_equivariant(network)
    path = tmp_path / "layer.py"
    eq.export(eq.Linear(group, "2x1", "3x1"), path)
    assert eq.verify(path)
    page = document(group, 1, 1)
    assert page["group"] == group
    assert page["title"] == eq.Group.parse(group).title
    text = f"{group}: 1x1 -> 1x1"
    assert str(parse_problem(text)) == text


def test_projects_hold_them_under_their_texts(tmp_path):
    homs = [f"{group}: 1x1 -> 1x1" for group in ("C(5)", "D4(2x2)", "Z(2)^3", *NAMED[:3], NAMED[2].unnamed)]
    layers = "".join(f"[layers.Layer{number}]\nhom = '{hom}'\n" for number, hom in enumerate(homs))
    (tmp_path / "eqsynth.toml").write_text(f"[eqsynth]\nto = 'layers'\n{layers}")
    project = syncing.read_project(tmp_path / "eqsynth.toml")
    assert [str(layer.hom) for layer in project.layers] == homs
    assert len(syncing.sync(project).changes) == len(homs) + 2
    # What was written is read again as what it was.
    assert syncing.sync(project).changes == ()
    assert str(syncing.derived_name(eq.Hom.parse("C4(3x3)", "4x1", "4x1"))) == "C4_3x3_4x1_to_4x1"


def test_refusals_are_those_of_the_kind_of_group():
    with pytest.raises(ActivationError, match="odd"):
        eq.nn.Activation("Z(2)^3", "2x1", "relu")
    eq.nn.Activation("D4(3x3)", "2x1", "relu")
    with pytest.raises(GroupError, match=r"C\(5\) has no closed inner products"):
        eq.symbolic.gram("C(5)", 1, 1)
    with pytest.raises(GroupError, match="have no algebra of diagrams here"):
        eq.algebra.identity("C(5)", 1)
    broken = eq.Linear("S(5)", "1x1", "1x1")
    eq.testing.assert_equivariant(broken, "C(5)", "1x1", "1x1")
    wider = eq.Linear("C(5)", "1x1", "1x1")
    with pytest.raises(EquivarianceError):
        eq.testing.assert_equivariant(wider, "S(5)", "1x1", "1x1")


def test_random_elements_are_of_the_group():
    for text in ("D(5)", "C4(3x3)", "Z(2)^3"):
        group = eq.Group.parse(text)
        known = {np.array(g, float).tobytes() for g in _matrices(group)}
        rng = np.random.default_rng(0)
        drawn = {(random_element(group, rng) + 0.0).tobytes() for _ in range(80)}
        assert drawn <= known
        assert len(drawn) > group.order // 2


def _matrices(group):
    """Every element as a matrix."""
    n = group.n
    for element in elements([signed_permutation(m) for m in group.generating_matrices()[0]], 2 * n):
        matrix = np.zeros((n, n))
        for column, image in enumerate(element[:n]):
            matrix[image % n, column] = 1 if image < n else -1
        yield matrix


# -- names

NAMED = [
    eq.PermutationGroup([(1, 2, 3, 0)], name="Rubik 2x2"),
    CUBE,
    eq.Aut([(0, 1, 2), (1, 2, 1)], weights=True, name="water"),
    eq.Aut("petersen", name="P-10"),
    eq.MatrixGroup([[[0, -1], [1, 0]]], name="4/m"),
    eq.PermutationGroup([(1, 2, 0)], name="-43m"),
]


@pytest.mark.parametrize("group", NAMED, ids=repr)
def test_names_stand_in_messages_and_texts_give_the_group_back(group):
    assert repr(group).startswith(f"<{type(group).__name__} {group.name}: ")
    assert group.title.startswith(f"{group.name}, ")
    for again in (eq.Group.parse(str(group)), pickle.loads(pickle.dumps(group))):
        assert again == group
        assert again.name == group.name
        assert again.unnamed == group.unnamed != group
    assert abridged(f"maps of {group}, order 1") == f"maps of {group.name}, order 1"
    hom = eq.Hom.parse(group, "2x1", "2x1")
    assert str(parse_problem(str(hom))) == str(hom)
    with pytest.raises(SpaceError, match=f"but {group.name} has one factor"):
        eq.basis(group, (1, 1), 1)
    layer = eq.Linear(group, "2x1", "2x1")
    assert repr(layer).startswith(f"Linear({group.name}: 2x1 -> 2x1, ")
    assert str(eq.basis(group, 1, 1)).startswith(f"{group.name}: order 1")
    assert eq.page.document(group, 1, 1)["group"] == group.name


@pytest.mark.parametrize("group", NAMED, ids=repr)
def test_names_change_no_weights(group, tmp_path):
    layer, plain = (eq.Linear(each, "2x1", "2x1") for each in (group, group.unnamed))
    plain.load_state_dict(layer.state_dict())
    x = torch.randn(3, group.n, 2)
    torch.testing.assert_close(plain(x), layer(x))
    eq.nn.Sequential(layer, plain)
    path = tmp_path / "layer.py"
    eq.export(layer, path)
    assert f"verified {group.name}: " in str(eq.verify(path))


def test_two_groups_of_one_name_are_two():
    one, two = (eq.PermutationGroup([images], name="ring") for images in ((1, 2, 0), (1, 0, 2)))
    assert one != two
    assert len(eq.basis(one, 1, 1)) == 3
    assert len(eq.basis(two, 1, 1)) == 5


@pytest.mark.parametrize(
    "name",
    ["S(5)", "S5", "S 5", "C4", "O_3", "Aut", "Z2", "Sn", "D-4", "a: b", "a = b", "a(b)", "", " a", "a ", "x" * 41,
     "-", "/m", "4/", "a x b", "a\nb", 'a"b', "a{b}", "a;b"],
)  # fmt: skip
def test_names_that_could_be_read_as_something_else_are_refused(name):
    makers = (
        lambda: eq.PermutationGroup([(1, 0)], name=name),
        lambda: eq.MatrixGroup([[[-1]]], name=name),
        lambda: eq.Aut([(0, 1)], name=name),
    )
    for make in makers:
        if not name:
            assert not make().name
            continue
        with pytest.raises(GroupError, match="name"):
            make()


def test_names_are_texts_and_none_of_another_graph():
    with pytest.raises(GroupError, match="is a text, not 5"):
        eq.PermutationGroup([(1, 0)], name=5)
    with pytest.raises(GroupError, match=r"'B_4' reads as a member of the family B, .* name='group B_4'"):
        eq.PermutationGroup([(1, 0)], name="B_4")
    assert eq.PermutationGroup([(1, 0)], name="group B_4").name == "group B_4"
    with pytest.raises(GroupError, match="'a x b' reads as a product"):
        eq.PermutationGroup([(1, 0)], name="a x b")
    with pytest.raises(GroupError, match="name of another graph"):
        eq.Aut([(0, 1)], name="petersen")
    with pytest.raises(ParseError, match=r"Aut\(a = b\)'") as caught:
        eq.Group.parse("Aut(a = b)")
    line, mark = str(caught.value).split("\n")[1:3]
    assert line.strip() == "Aut(a = b)"
    assert mark.index("^") == line.index("a = b")
