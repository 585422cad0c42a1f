"""The nearest equivariant map: exact for every group, against least squares and averages that know no diagram."""

from fractions import Fraction
from itertools import permutations, product
from math import prod

import numpy as np
import pytest
import sympy

import eqsynth as eq
from eqsynth.bases.projection import Projection
from eqsynth.bases.spans import Labelled, span_of
from eqsynth.errors import EqsynthError, GroupError, ShapeError, SizeError, SymbolicError

SHEAR = eq.MatrixGroup([[[1, 1], [0, 1]]])
SWAP = eq.MatrixGroup([[[3, -4], [2, -3]]])
#: Every kind of group, of map and of order: group, inputs, outputs, and n where it is left open.
PROBLEMS = [
    ("S(3)", 2, 1, None), ("S(2)", 2, 2, None), ("S(n)", 1, 1, 4), ("A(3)", 1, 1, None), ("A(3)", 2, 1, None),
    ("O(2)", 2, 2, None), ("O(3)", "1.det", 2, None), ("SO(3)", 1, 2, None), ("SO(2)", 2, 2, None),
    ("Sp(2)", 2, 2, None), ("H(2)", 2, 2, None), ("B(3)", 1, 1, None), ("B(2)", 2, 1, None), ("S'(3)", 1, 1, None),
    ("B'(3)", 1, 1, None), ("O(1,2)", 2, 2, None), ("SO(1,2)", 1, 2, None), ("GL(2)", "(1,1)", "(1,1)", None),
    ("SL(2)", "2", "2", None), ("U(2)", "(1,1)", "(1,1)", None), ("SU(2)", 2, 0, None),
    ("Z(3) wr S(2)", "(1,1)", "(1,1)", None), ("S(2) wr S(2)", 1, 1, None), ("S(2) wr S(3)", 2, 0, None),
    ("S(3) wr S(n)", 1, 1, 6), ("Aut(path4)", 1, 1, None), ("Aut(cycle4)", 2, 1, None),
    ("Perm(4: 1 2 3 0)", 1, 1, None), ("Perm(3: 1 0 2)", "1.det", 1, None), ("D(4)", 1, 1, None),
    ("C4(2x2)", 1, 1, None), ("Z(2)^3", 2, 1, None), ("Z(2)^2", 2, 2, None), (SHEAR, 1, 1, None), (SWAP, 1, 1, None),
    (SWAP, 1, 2, None), ("S(2) x O(2)", "(1,1)", "(1,1)", None), ("Aut(path4) x SO(2)", "(1,1)", "(0,2)", None),
    ("S(n) x Perm(3: 1 2 0)", "(1,1)", "(1,0)", (2, 3)), ("S(2) x O(2)", "(0,1.det)", "(1,1.det)", None),
    ("S(2) x S(2) x S(2)", "(1,0,1)", "(1,1,0)", None), ("O(2)", "S2", "S2", None), ("S(3)", "A2", 1, None),
    ("Aut(path4)", "S2", 0, None), ("S(2) x O(2)", "(1,S2)", "(1,S2)", None), ("O(3)", 1, 0, None),
    ("S(4)", 0, 0, None),
]  # fmt: skip


def names(problem):
    return f"{problem[0]} {problem[1]} {problem[2]}"[:50]


def whole_maps(basis, n):
    """The maps of a basis on all tensors, by their matrices: the mean over the exchanges of the inputs, as well."""
    matrices = basis.matrices(n).astype(float)
    if basis.plain_orders:
        return matrices
    sizes = basis.sizes(n)
    lengths = [size for size, k in zip(sizes, axes(basis.inputs), strict=True) for _ in range(k)]
    x = np.eye(matrices.shape[2]).reshape(-1, *lengths)
    from eqsynth.families.representation import symmetrised

    mean = symmetrised(x[..., None], basis.inputs)[..., 0].reshape(len(x), -1)
    return matrices @ mean.T


def axes(order):
    from eqsynth.spaces.space import axis_counts

    return axis_counts(order)


@pytest.mark.parametrize("problem", PROBLEMS, ids=names)
def test_projections_are_exact_idempotent_and_orthogonal(problem):
    group, inputs, outputs, n = problem
    basis = eq.basis(group, inputs, outputs)
    maps = whole_maps(basis, n)
    rng = np.random.default_rng(len(basis))
    given = rng.integers(-9, 10, maps.shape[1:]).astype(object)
    given.flat[0] = Fraction(1, 3)
    projection = basis.project(given, n)
    assert isinstance(projection, Projection)
    assert all(type(c) is Fraction for c in projection.coefficients)
    matrix = projection.matrix()
    assert all(type(entry) is Fraction for entry in matrix.flat)
    # What is taken away is orthogonal to every map, exactly: for symmetric tensors their means have denominators.
    rest = (given - matrix).reshape(-1)
    exact = [[Fraction(entry).limit_denominator(1000) for entry in row.ravel()] for row in maps]
    assert all(sum((a * b for a, b in zip(row, rest, strict=True)), Fraction(0)) == 0 for row in exact)
    # What is left is made of the maps with these coefficients: floats that know no Gram matrix.
    nearest = np.linalg.lstsq(maps.reshape(len(maps), given.size).T, given.astype(float).ravel(), rcond=None)[0]
    np.testing.assert_allclose(projection.coefficients.astype(float), nearest, atol=1e-9)
    np.testing.assert_allclose(matrix.astype(float), np.tensordot(nearest, maps, 1), atol=1e-9)
    again = basis.project(matrix, n)
    assert (again.matrix() == matrix).all()
    assert (again.coefficients == projection.coefficients).all()
    floats = basis.project(given.astype(float), n)
    np.testing.assert_allclose(floats.matrix(), matrix.astype(float), atol=1e-10)


@pytest.mark.parametrize("problem", PROBLEMS[::5], ids=names)
def test_batches_tensors_and_complex_numbers(problem):
    import torch

    group, inputs, outputs, n = problem
    basis = eq.basis(group, inputs, outputs)
    rng = np.random.default_rng(0)
    shape = basis.matrices(n).shape[1:]
    given = rng.integers(-9, 10, (2, 3, *shape))
    one_by_one = np.array([[basis.project(one, n).matrix() for one in row] for row in given])
    projection = basis.project(given, n)
    assert projection.coefficients.shape == (len(basis), 2, 3)
    assert (projection.matrix() == one_by_one).all()
    tensor = torch.from_numpy(given).to(torch.float32)
    result = basis.project(tensor, n).matrix()
    assert result.dtype == torch.float64
    np.testing.assert_allclose(result.numpy(), one_by_one.astype(float), atol=1e-10)
    mixed = basis.project(given[0] + 1j * given[1], n)
    assert mixed.coefficients.dtype == np.complex128
    np.testing.assert_allclose(mixed.matrix(), (one_by_one[0] + 1j * one_by_one[1]).astype(complex), atol=1e-10)


def moved(images, tensor):
    """Axes that a permutation moves: entry (i, j, ...) goes to (images[i], images[j], ...)."""
    back = np.argsort(images)
    return tensor[np.ix_(*[back] * tensor.ndim)]


@pytest.mark.parametrize(
    ("group", "elements"),
    [
        ("S(3)", [*permutations(range(3))]),
        ("A(3)", [(0, 1, 2), (1, 2, 0), (2, 0, 1)]),
        ("C(4)", [tuple((i + s) % 4 for i in range(4)) for s in range(4)]),
        ("D(4)", [tuple((f * i + s) % 4 for i in range(4)) for s in range(4) for f in (1, -1)]),
        ("Aut(path4)", [(0, 1, 2, 3), (3, 2, 1, 0)]),
        ("S(2) wr S(2)", [p for p in permutations(range(4)) if p[0] // 2 == p[1] // 2]),
    ],
)
def test_projections_are_averages_over_permutations(group, elements):
    n = len(elements[0])
    given = np.random.default_rng(1).integers(-9, 10, (n, n, n)).astype(object)
    mean = sum(moved(images, given) for images in elements) * Fraction(1, len(elements))
    assert (eq.basis(group, 2, 1).project(given.reshape(n, n * n)).matrix() == mean.reshape(n, n * n)).all()


def test_projections_are_averages_over_signs_and_turns():
    given = np.random.default_rng(2).integers(-9, 10, (4, 4)).astype(object)
    turn = np.array([[0, -1], [1, 0]])
    powers = [np.linalg.matrix_power(turn, k) for k in range(4)]
    flips = [np.diag(signs) for signs in product((1, -1), repeat=2)]
    swaps = [flip @ np.eye(2, dtype=int)[list(order)] for flip in flips for order in permutations(range(2))]
    for group, elements in (
        (eq.MatrixGroup([turn.tolist()]), powers), ("Z(2)^2", flips), ("H(2)", swaps),
    ):  # fmt: skip
        mean = sum(np.kron(g, g).T @ given @ np.kron(g, g) for g in elements) * Fraction(1, len(elements))
        assert (eq.basis(group, 2, 2).project(given).matrix() == mean).all(), group
    # Elements of a product act each on axes of their own; a determinant gives signs besides.
    twisted = [
        round(np.linalg.det(g)) * np.kron(np.eye(2, dtype=int)[list(p)], g) for g in swaps for p in ((0, 1), (1, 0))
    ]
    plain = [np.kron(np.eye(2, dtype=int)[list(p)], g) for g in swaps for p in ((0, 1), (1, 0))]
    mean = sum(a.T @ given @ b for a, b in zip(plain, twisted, strict=True)) * Fraction(1, 16)
    assert (eq.basis("S(2) x H(2)", "(1,1.det)", "(1,1)").project(given).matrix() == mean).all()


def test_numbers_of_sympy_are_exact():
    half = sympy.Rational(1, 2)
    projection = eq.basis("C(2)", 1, 1).project([[half, "1/3"], [0, 1]])
    assert projection.coefficients.tolist() == [Fraction(3, 4), Fraction(1, 6)]


def test_products_never_form_their_gram_matrix():
    """The maps of the product are more than a Gram matrix may have; those of each factor are few."""
    basis = eq.basis("S(4) x S(4)", "(2,2)", "(2,2)", choose="standard")
    assert len(basis) == 15 * 15
    rng = np.random.default_rng(3)
    coefficients = rng.integers(-5, 6, len(basis))
    matrix = np.tensordot(coefficients, basis.matrices(), 1)
    assert basis.project(matrix).coefficients.tolist() == coefficients.tolist()


def test_bases_that_are_chosen_otherwise_keep_their_order():
    for choose in ("cheapest", "standard"):
        basis = eq.basis("S(2) x O(2)", "(0,3)", "(1,3)", choose=choose)
        coefficients = np.arange(1, len(basis) + 1)
        assert basis.project(np.tensordot(coefficients, basis.matrices(), 1)).coefficients.tolist() == [*coefficients]


def test_orbits_share_no_entry_and_are_no_matrix():
    span, values = span_of(eq.basis("Perm(5: 1 2 3 4 0)", 2, 2), 5)
    assert isinstance(span, Labelled)
    assert span.count == 125
    assert values is None
    signed, _ = span_of(eq.basis("Z(2)^3", 2, 2), 3)
    assert isinstance(signed, Labelled)
    assert (signed.signs == 0).any()


def test_refusals_say_what_to_ask():
    with pytest.raises(ShapeError, match=r"at n = \(2, 3\) is a matrix of shape \(\.\.\., 6, 6\), not \(2, 2\)"):
        eq.basis("S(2) x O(3)", "(1,1)", "(1,1)").project([[1, 2], [3, 4]])
    with pytest.raises(SymbolicError, match="2 factors"):
        eq.basis("S(n) x O(m)", "(1,1)", "(1,1)").project(np.eye(4), (2, 2, 2))
    with pytest.raises(GroupError, match="diagrams on the tensors"):
        eq.basis("O(3)", "2e", 2).project(np.eye(9))
    with pytest.raises(SizeError, match=r"4,140 diagrams .* beyond 1,000"):
        eq.basis("S(n)", 4, 4).project(np.zeros((16, 16)), 2)
    with pytest.raises(EqsynthError):
        eq.basis("C(3)", 1, 1).project([["x"]])


def test_a_wrong_gram_matrix_would_be_seen():
    """Projections that forget how large orbits are, or that maps overlap, are not orthogonal."""
    basis = eq.basis("O(2)", 2, 2)
    maps = basis.matrices()
    given = np.arange(16).reshape(4, 4)
    paired = np.tensordot(maps, given, 2)
    careless = np.tensordot(paired / (maps**2).sum((1, 2)), maps, 1)
    assert abs(np.tensordot(maps, given - careless, 2)).max() > 1
    assert prod((given - careless).shape) == 16
