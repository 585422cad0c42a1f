"""Products, graphs, permutations, matrices: bases against the null space, layers against the oracle."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from flint import fmpz_mat

import eqsynth as eq
from eqsynth.bases.constraints import nullspace
from eqsynth.diagrams.diagram import MatrixMap, Orbit
from eqsynth.errors import GroupError, SizeError, VerificationError
from eqsynth.proof.verification import check_basis
from oracle import assert_all_agree, randomise


def lorentz(n):
    """O(1, n - 1): reflections of time and space, a boost and rotations."""
    reflections = [np.diag([-1] + [1] * (n - 1)).tolist(), np.diag([1, -1] + [1] * (n - 2)).tolist()]
    algebra = []
    for axis in range(n - 1):
        x = np.zeros((n, n), int)
        x[axis, axis + 1], x[axis + 1, axis] = 1, 1 if axis == 0 else -1
        algebra.append(x.tolist())
    return eq.MatrixGroup(reflections, algebra)


def rubik():
    """The cube group on its 48 moving facelets: six quarter turns as products of 4-cycles."""
    cycles = [
        [(1, 3, 8, 6), (2, 5, 7, 4), (9, 33, 25, 17), (10, 34, 26, 18), (11, 35, 27, 19)],
        [(9, 11, 16, 14), (10, 13, 15, 12), (1, 17, 41, 40), (4, 20, 44, 37), (6, 22, 46, 35)],
        [(17, 19, 24, 22), (18, 21, 23, 20), (6, 25, 43, 16), (7, 28, 42, 13), (8, 30, 41, 11)],
        [(25, 27, 32, 30), (26, 29, 31, 28), (3, 38, 43, 19), (5, 36, 45, 21), (8, 33, 48, 24)],
        [(33, 35, 40, 38), (34, 37, 39, 36), (3, 9, 46, 32), (2, 12, 47, 29), (1, 14, 48, 27)],
        [(41, 43, 48, 46), (42, 45, 47, 44), (14, 22, 30, 38), (15, 23, 31, 39), (16, 24, 32, 40)],
    ]
    generators = []
    for turn in cycles:
        images = list(range(48))
        for cycle in turn:
            for here, there in zip(cycle, cycle[1:] + cycle[:1], strict=True):
                images[here - 1] = there - 1
        generators.append(images)
    return eq.PermutationGroup(generators)


TABLES = [
    eq.Aut("cycle4"),
    eq.Aut("path3"),
    eq.Aut("4: 0>1 1>2 2>0 2>3 3>3"),
    eq.Aut("4: 0-1 1-2 2-3 | 0 1 1 1"),
    eq.PermutationGroup([(1, 2, 3, 0)]),
    eq.PermutationGroup([(1, 2, 0, 4, 3)]),
    eq.PermutationGroup([], n=2),
    lorentz(3),
    eq.MatrixGroup([[[0, -1], [1, 0]]]),
    eq.MatrixGroup([[["3/5", "-4/5"], ["4/5", "3/5"]]]),
]


@pytest.mark.parametrize("group", TABLES, ids=str)
def test_the_span_is_the_null_space(group):
    for inputs, outputs in ((0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (1, 2), (2, 1)):
        basis = eq.basis(group, inputs, outputs)
        size = group.n ** (inputs + outputs)
        ours = basis.matrices().reshape(len(basis), size)
        exact = nullspace(group, inputs, outputs).reshape(-1, size)
        ranks = [fmpz_mat(m.tolist()).rank() if len(m) else 0 for m in (ours, exact, np.concatenate([ours, exact]))]
        assert ranks == [len(basis)] * 3
        assert check_basis(basis)


@pytest.mark.parametrize(("graph", "counts"), [("cycle4", (1, 3, 10)), ("path3", (2, 5, 14)), ("petersen", (1, 3, 15))])
def test_automorphism_dimensions_of_the_specification(graph, counts):
    for m, expected in enumerate(counts, 1):
        assert len(eq.basis(f"Aut({graph})", m // 2, m - m // 2)) == expected


def test_symmetric_graphs_need_no_orbit_indicators_and_asymmetric_ones_say_how_many():
    for graph in ("cycle4", "path3", "petersen", "cycle6", "cube", "cycle8"):
        assert not any(isinstance(element, Orbit) for element in eq.basis(f"Aut({graph})", 1, 1))
    basis = eq.basis("Aut(frucht)", 1, 1)
    orbits = sum(isinstance(element, Orbit) for element in basis)
    assert len(basis) == 144
    assert f"{144 - orbits} bilabelled graphs, {orbits} orbit indicators" in str(basis)
    assert 0 < orbits < 144


def test_the_karate_club():
    basis = eq.basis("Aut(karate)", 1, 1)
    assert len(basis) == 735
    assert "735 maps for 735 orbits" in check_basis(basis)


def test_known_groups_in_disguise():
    """All permutations by generators are S(n); a cycle's reflections and rotations are a dihedral group."""
    assert len(eq.basis(eq.PermutationGroup([(1, 0, 2, 3), (1, 2, 3, 0)]), 2, 2)) == len(eq.basis("S(4)", 2, 2))
    dihedral = eq.PermutationGroup([(1, 2, 3, 4, 0), (4, 3, 2, 1, 0)])
    assert [len(eq.basis(dihedral, 1, m)) for m in (0, 1, 2)] == [len(eq.basis("Aut(cycle5)", 1, m)) for m in (0, 1, 2)]
    rotation = eq.MatrixGroup([], [[[0, 1, 0], [-1, 0, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, 1], [0, -1, 0]]])
    assert [len(eq.basis(rotation, 1, m)) for m in range(4)] == [len(eq.basis("SO(3)", 1, m)) for m in range(4)]


def unitary(n):
    """U(n) on C^n as R^(2n), by its Lie algebra: a + bi is [[a, -b], [b, a]]."""
    algebra = []
    for a in range(n):
        for b in range(a + 1):
            entries = [{(a, b): 1j, (b, a): 1j}] + [{(a, b): 1, (b, a): -1}] * (a != b)
            for z in entries:
                x = np.zeros((2 * n, 2 * n), int)
                for (row, column), value in z.items():
                    real, imaginary = int(complex(value).real), int(complex(value).imag)
                    x[2 * row : 2 * row + 2, 2 * column : 2 * column + 2] = [[real, -imaginary], [imaginary, real]]
                algebra.append(x.tolist())
    return eq.MatrixGroup([], algebra)


def test_unitary_groups_as_groups_of_real_matrices():
    """U(1) is SO(2). Order 2 of U(2) has two irreducible parts twice and four once: 2 * 2^2 + 4 maps."""
    orders = [(1, 1), (2, 0), (2, 1), (2, 2)]
    assert [len(eq.basis(unitary(1), *o)) for o in orders] == [len(eq.basis("SO(2)", *o)) for o in orders]
    assert [len(eq.basis(unitary(2), *o)) for o in orders] == [2, 2, 0, 12]
    layer = eq.Linear(unitary(2), "2x1", "2x2 + 2x1 + 1x0")
    randomise(layer)
    eq.verify(layer)


def test_the_lorentz_group():
    """O(1, 3) has the invariants of O(4): traces with the metric in place of the identity."""
    group = lorentz(4)
    assert [len(eq.basis(group, m, 0)) for m in range(5)] == [1, 0, 1, 0, 3]
    (metric,) = eq.basis(group, 0, 2)
    assert np.array_equal(np.abs(eq.basis(group, 0, 2).matrices().reshape(4, 4)), np.eye(4))
    assert eq.basis(group, 0, 2).matrices().reshape(4, 4).trace() in (2, -2)
    assert isinstance(metric, MatrixMap)


def test_the_cube_group():
    """48 facelets in two orbits; each sees itself, the rest of its piece, the rest of its kind, the other kind."""
    group = rubik()
    assert len(eq.basis(group, 0, 1)) == 2
    basis = eq.basis(group, 1, 1)
    assert check_basis(basis) == f"{len(basis)} maps, one for each orbit"
    assert len(basis) == (1 + 2 + 1) + (1 + 1 + 1) + 2


PRODUCTS = [
    "S(2) x O(2)",
    "S(3) x Sp(2)",
    "SO(2) x A(3)",
    "S(n) x O(3)",
    "S(n) x S(m)",
    "O(n) x SO(2)",
    "S(2) x S(2) x O(2)",
]


@pytest.mark.parametrize("group", PRODUCTS)
def test_the_matrices_of_a_product_are_kronecker_products(group):
    parsed = eq.Group.parse(group)
    order = (1,) * len(parsed.factors)
    sizes = [factor.n if isinstance(factor.n, int) else 2 + place for place, factor in enumerate(parsed.factors)]
    parts = [eq.basis(factor, 1, 1).matrices(size) for factor, size in zip(parsed.factors, sizes, strict=True)]
    expected = set()
    for each in product(*parts):
        kron = np.ones((1, 1), np.int64)
        for matrix in each:
            kron = np.kron(kron, matrix)
        expected.add(kron.tobytes())
    basis = eq.basis(group, order, order)
    assert {matrix.tobytes() for matrix in basis.matrices(sizes)} == expected
    assert check_basis(basis)


def test_dimensions_of_products_multiply():
    assert len(eq.basis("S(2) x O(2)", (2, 2), (2, 2))) == 8 * 3
    assert len(eq.basis("S(4) x O(3)", (2, 1), (1, 1))) == 5


LAYERS = [
    ("Aut(petersen)", "2x1 + 1x0", "3x1 + 2x0"),
    ("Aut(4: 0>1 1>2 2>2 | 0 0 1 1)", "2x1", "3x2 + 1x0"),
    ("Aut(frucht)", "2x1", "3x1"),
    ("Perm(4: 1 2 3 0)", "2x2 + 1x0", "3x1 + 1x2"),
    ("Perm(3: )", "2x1", "3x1"),
    ("Matrix([[0,1],[-1,0]]; )", "2x1 + 1x2", "3x1 + 2x0"),
    ("S(2) x O(2)", "2x(2,2)", "3x(2,2)"),
    ("S(3) x O(3)", "2x(2,1) + 1x(0,0)", "3x(1,1) + 2x(1,0)"),
    ("S(n) x O(3)", "2x(2,1) + 1x(0,0)", "3x(1,1) + 2x(1,0)"),
    ("SO(3) x Sp(2)", "2x(1,1)", "1x(2,1) + 2x(1,1)"),
    ("S(n) x S(m)", "2x(1,1)", "3x(1,1) + 1x(2,0)"),
    ("Sp(n) x A(3)", "2x(1,1)", "3x(1,1) + 1x(3,1)"),
    ("A(3) x S(2)", "2x(1,2)", "1x(1,2)"),
    ("A(3) x A(3)", "1x(2,1)", "1x(1,2)"),
    ("S(2) x A(3)", "1x(1,2)", "1x(2,1)"),
]


@pytest.mark.parametrize(("group", "space_in", "space_out"), LAYERS)
@pytest.mark.parametrize("normalization", ["variance", "mean", "sum"])
def test_oracle_interpreter_and_module_agree(group, space_in, space_out, normalization):
    layer = randomise(eq.Linear(group, space_in, space_out, dtype=torch.float64, normalization=normalization))
    letters = sorted({factor.n for factor in layer.hom.group.factors if isinstance(factor.n, str)})
    # Different letters get different sizes.
    sizes = [2 + 2 * letters.index(f.n) if isinstance(f.n, str) else f.n for f in layer.hom.group.factors]
    assert_all_agree(layer, sizes)


@pytest.mark.parametrize(("group", "space_in", "space_out"), LAYERS)
def test_the_verifier_accepts_them(group, space_in, space_out):
    report = eq.verify(eq.Hom.parse(group, space_in, space_out), trials=2)
    assert "equivariant" in str(report)


def test_sizes_of_letters_that_no_input_shows_are_arguments():
    layer = eq.Linear("S(n) x O(m)", "2x(0,0)", "3x(1,0) + 1x(0,2)")
    y, z = layer(torch.randn(5, 2), 4, 7)
    assert y.shape == (5, 7, 3)  # letters in alphabetical order: m = 4, n = 7
    assert z.shape == (5, 4, 4, 1)


def test_wrong_shapes_of_products_name_the_expected_one():
    layer = eq.Linear("S(4) x O(3)", "2x(1,1)", "2x(1,1)")
    with pytest.raises(eq.EqsynthError, match=r"shape \(\*batch, 4, 3, 2\)"):
        layer(torch.zeros(5, 3, 4, 2))


@pytest.mark.parametrize("group", ["Aut(frucht)", "Perm(4: 1 2 3 0)", "Matrix([[0,1],[-1,0]]; )", "S(3) x O(2)"])
def test_the_checker_catches_tampering(group):
    parsed = eq.Group.parse(group)
    order = (1, 1) if len(parsed.factors) > 1 else 1
    basis = eq.basis(group, order, order)
    assert check_basis(basis)
    for tampered in (basis.diagrams[1:], (*basis.diagrams, basis[0]), (*basis.diagrams[1:], basis[1])):
        with pytest.raises(VerificationError):
            check_basis(replace(basis, diagrams=tampered))


@pytest.mark.parametrize(
    ("group", "message"),
    [("Matrix([[0,1],[-1,0]]; )", "does not commute with a generator"), ("Matrix([[0,-1],[1,1]]; )", "do not span")],
)
def test_the_checker_catches_a_map_that_is_not_equivariant(group, message):
    basis = eq.basis(group, 1, 1)
    wrong = MatrixMap(1, 1, ((0, 0, 1),))
    with pytest.raises(VerificationError, match=message):
        check_basis(replace(basis, diagrams=(basis[0], wrong)))


def test_what_is_too_large_says_so_first():
    with pytest.raises(SizeError, match="tuples"):
        eq.basis("Aut(karate)", 3, 2)
    with pytest.raises(SizeError, match="unknowns"):
        eq.basis(lorentz(4), 3, 3)
    with pytest.raises(SizeError, match="maps"):
        eq.basis("S(n) x S(m)", (4, 4), (4, 4))


def test_only_diagrams_have_a_flat_form():
    with pytest.raises(GroupError, match="not a diagram"):
        eq.basis("Perm(3: 1 2 0)", 1, 1).flat(0)
    with pytest.raises(GroupError, match="alone"):
        eq.basis("Perm(3: 1 2 0)", 1, 1).plain()


def test_the_four_problems_that_a_numerical_solver_gets_wrong_or_cannot_do():
    """Floating-point null spaces: rank 1296 for S(6) 2 -> 2, no answer in three minutes for the last two."""
    assert len(eq.basis("S(4)", 3, 3)) == 187
    assert len(eq.basis("S(6)", 2, 2)) == 15
    assert len(eq.basis("S(6)", 3, 3)) == 203
    assert len(eq.basis("S(8)", 2, 3)) == 52


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: eq.Group("O(3)"), r"'O\(3\)' is a group as text, and no family: write eq.Group.parse\('O\(3\)'\)"),
        (lambda: eq.Group("O"), r"has a size: write eq.Group\('O', 3\)"),
        (lambda: eq.Group("Aut", 3), r"^eq.Group takes a family and a size, and Aut is read from text: Write Aut\(pe"),
        (lambda: type(eq.Group("O", 3))("Aut", 3), r"^eq.Group takes a family and a size, and Aut is read from text"),
        (
            lambda: type(eq.Group("O", 3))("S", 3),
            r"Orthogonal holds no groups of the family S: write eq.Group",
        ),
        (lambda: eq.Group("Q", 3), "there is no group family 'Q'"),
        (lambda: eq.Group(3), "there is no group family 3"),
        (lambda: eq.Group(family="S"), r"has a size: write eq.Group\('S', 3\)"),
        (lambda: eq.Group(""), "there is no group family ''"),
    ],
)
def test_what_is_no_family_and_size_is_told_what_to_write(call, message):
    with pytest.raises(GroupError, match=message):
        call()
