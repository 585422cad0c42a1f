"""Gram matrices, determinants, Weingarten functions and projections, against dense matrices and group averages."""

import itertools
from dataclasses import replace
from fractions import Fraction

import flint
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import eqsynth as eq
from eqsynth.bases import dimension as dimensions
from eqsynth.bases import spans, symbolic
from eqsynth.bases.projection import project
from eqsynth.bases.symbolic import (
    ExactMatrix,
    Product,
    RationalFunction,
    degenerate_sizes,
    dimension_table,
    gram,
    gram_determinant,
    inner,
    weingarten,
)
from eqsynth.diagrams import enumeration, functor
from eqsynth.errors import EqsynthError, GroupError, ShapeError, SizeError, SymbolicError
from eqsynth.exact.matrix import interpolated
from eqsynth.families.representation import generators

SIZES = {"S": (1, 2, 3), "O": (1, 2, 3), "SO": (1, 2, 3, 4), "Sp": (2, 4), "A": (1, 2, 3, 4)}
#: Bases of every family, in and out of the stable range, small enough to write out.
BASES = ["S(2)", "S(3)", "S(4)", "O(2)", "O(3)", "SO(2)", "SO(3)", "Sp(2)", "Sp(4)", "A(2)", "A(3)", "A(4)"]


def stacked(group, diagrams, n):
    """One row per diagram: its matrix, flattened."""
    rows = [functor.matrix(group, diagram, n).ravel() for diagram in diagrams]
    return np.array(rows, object).reshape(len(rows), -1 if rows else 1)


def identity(size):
    return np.array([[Fraction(int(i == j)) for j in range(size)] for i in range(size)], object).reshape(size, size)


def random_whole(rng, *shape):
    return rng.integers(-9, 10, shape).astype(object)


def kron_power(element, order):
    found = np.array([[1]], object)
    for _ in range(order):
        found = np.kron(found, element)
    return found


# --- values


def test_rational_functions_are_reduced_and_print_factored():
    value = RationalFunction.of((0, 2, 2), (0, 4, 4, -8))
    assert (value.numerator.coefficients, value.denominator.coefficients) == ((-1, -1), (-2, -2, 4))
    assert str(value) == "-(n + 1)/(2 (n - 1) (2 n + 1))"
    assert value(2) == Fraction(-3, 10)
    assert str(RationalFunction.of((0,), (3, 1))) == "0"
    assert str(RationalFunction.of((1,), (1, 2, 1))) == "1/(n + 1)²"
    assert str(RationalFunction.of((1,), (0, 0, 1), "d")) == "1/d²"
    assert str(RationalFunction.of((-3, 0, 1), (2,))) == "1/2 n² - 3/2"
    with pytest.raises(SymbolicError, match="pole at n = 1"):
        value(1)
    with pytest.raises(SymbolicError, match="zero"):
        RationalFunction.of((1,), (0,))


def test_rational_functions_compare_with_numbers():
    assert RationalFunction((3,)) == 3
    assert RationalFunction((1,), (2,)) == Fraction(1, 2)
    assert RationalFunction(()) == 0 == RationalFunction((0,))
    assert RationalFunction((0, 1)) != 1
    assert RationalFunction((0, 1)) != RationalFunction((0, 1), letter="d")
    assert RationalFunction((2,)) == RationalFunction((2,), letter="d")
    assert len({RationalFunction((3,)), RationalFunction((3,), letter="d"), RationalFunction((0, 1))}) == 2
    assert RationalFunction((3,)) != "3"


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=6), st.integers(-5, 5))
@settings(deadline=None, max_examples=40)
def test_interpolation_finds_the_polynomial(coefficients, start):
    polynomial = flint.fmpz_poly(coefficients)
    points = [int(polynomial(start + step)) for step in range(len(coefficients))]
    assert interpolated(points, start) == polynomial


@given(st.data())
@settings(deadline=None, max_examples=30)
def test_the_product_of_exact_matrices_is_entry_by_entry(data):
    entry = st.builds(
        RationalFunction.of, st.lists(st.integers(-9, 9), max_size=3), st.sampled_from([(1,), (5, 1), (-3,), (7, 0, 1)])
    )
    rows, shared, columns = (data.draw(st.integers(1, 3)) for _ in range(3))

    def draw(height, width):
        found = [data.draw(entry) for _ in range(height * width)]
        return ExactMatrix(tuple(found), tuple(tuple(range(r * width, (r + 1) * width)) for r in range(height)))

    first, second = draw(rows, shared), draw(shared, columns)
    for n in range(1, 9):
        assert ((first @ second).at(n) == first.at(n) @ second.at(n)).all()


def test_exact_matrices_refuse_what_does_not_fit():
    found = gram("S(n)", 1, 1)
    with pytest.raises(ShapeError, match="2 columns"):
        found @ gram("S(n)", 2, 1)
    with pytest.raises(ShapeError, match="determinant"):
        ExactMatrix.of([[1, 2]]).det()
    with pytest.raises(SizeError, match="gram_determinant"):
        gram("S(n)", 3, 3).det()
    with pytest.raises(SymbolicError, match="pole"):
        weingarten("S(n)", 1, 1).at(1)


# --- inner products


@pytest.mark.parametrize("family", sorted(SIZES))
def test_inner_products_are_traces(family):
    """One pair at a time and as a matrix, against the matrices that the diagrams mean."""
    checked = 0
    for n in SIZES[family]:
        group = eq.Group(family, n)
        for total in range(6 if family in "SA" else 7):
            if n**total > 1100:
                continue
            for inputs in {0, total // 2, total}:
                listed = list(enumeration.diagrams(group, total - inputs, inputs))
                if not listed:
                    continue
                rows = stacked(group, listed, n)
                traces = rows @ rows.T
                assert (gram(group, diagrams=listed).at() == traces).all()
                if len(listed) < 60:
                    found = [[inner(group, one, two) for two in listed] for one in listed]
                    assert found == traces.tolist()
                    checked += len(listed) ** 2
    assert checked > 100


@pytest.mark.parametrize("family", ["S", "O", "Sp", "H"])
def test_inner_products_with_n_open_are_polynomials(family):
    for inputs, outputs in ((1, 1), (0, 2), (2, 2), (3, 1), (0, 4), (1, 5)):
        if family == "S" and inputs + outputs > 5:
            continue
        basis = eq.basis(f"{family}(n)", inputs, outputs)
        for n in (2, 4):
            rows = stacked(basis.group, basis, n)
            assert (gram(basis).at(n) == rows @ rows.T).all()
        assert all(gram(basis)[i, j] == inner(basis.group, basis[i], basis[j]) for i in (0, -1) for j in (0, -1))


def test_the_signs_of_sp_are_needed():
    """Without the sign of each diagram the closed formula is wrong, so the test above can fail."""
    basis = eq.basis("Sp(4)", 2, 2)
    rows = stacked(basis.group, basis, 4)
    plain = np.array([[(-4) ** int(power) for power in row] for row in symbolic.grams.joins(basis.diagrams)], object)
    assert not (plain == rows @ rows.T).all()
    assert (abs(plain) == abs(rows @ rows.T)).all()


def test_a_head_in_another_order_changes_the_sign():
    straight = eq.Diagram(1, 1, ((0,), (1,)), head=(0, 1))
    turned = replace(straight, head=(1, 0))
    for text in ("SO(2)", "A(2)"):
        group = eq.Group.parse(text)
        rows = stacked(group, (straight, turned), 2)
        assert gram(group, diagrams=(straight, turned)).at().tolist() == (rows @ rows.T).tolist() == [[2, -2], [-2, 2]]


def test_inner_products_that_do_not_exist():
    loop = eq.Diagram(1, 1, ((0, 1),))
    head = eq.Diagram(1, 1, ((0,), (1,)), head=(0, 1))
    with pytest.raises(EqsynthError, match="same orders"):
        inner("S(n)", loop, eq.Diagram(0, 2, ((0, 1),)))
    with pytest.raises(SymbolicError, match="leaves n open"):
        inner("SO(n)", head, head)
    for text in ("S(2)", "O(2)", "SO(3)", "Sp(2)", "A(4)"):
        with pytest.raises(GroupError, match="no diagram of"):
            inner(text, loop, head)
    with pytest.raises(GroupError, match="no diagram of"):
        inner("O(2)", loop, eq.Diagram(1, 1, ((0,), (1,))))
    with pytest.raises(GroupError, match="no diagram of"):
        inner("S(2)", loop, replace(loop, edges=((0, 0),)))


def test_gram_says_what_is_missing():
    with pytest.raises(EqsynthError, match="orders are missing"):
        gram("S(n)")
    with pytest.raises(SizeError, match="4,140"):
        gram("S(n)", 4, 4)
    with pytest.raises(EqsynthError, match="same orders"):
        gram("S(n)", diagrams=(eq.Diagram(1, 1, ((0, 1),)), eq.Diagram(0, 1, ((0,),))))


def test_gram_of_nothing():
    assert gram("O(n)", 2, 1).shape == weingarten("O(n)", 2, 1).shape == (0, 0)
    assert str(gram_determinant("O(n)", 2, 1)) == "1"
    assert gram_determinant("O(3)", 2, 1) == 1
    assert gram("S(n)", 0, 0)[0, 0] == weingarten("S(n)", 0, 0)[0, 0] == weingarten("Sp(n)", 0, 0)[0, 0] == 1


# --- determinants


@pytest.mark.parametrize(
    ("group", "inputs", "outputs", "text"),
    [
        ("S(n)", 0, 1, "n"),
        ("S(n)", 1, 1, "n² (n - 1)"),
        ("S(n)", 2, 1, "n⁵ (n - 1)⁴ (n - 2)"),
        ("S(n)", 2, 2, "n¹⁵ (n - 1)¹⁴ (n - 2)⁷ (n - 3)"),
        ("O(n)", 1, 1, "n"),
        ("O(n)", 2, 2, "n³ (n - 1)² (n + 2)"),
        ("O(n)", 3, 3, "n¹⁵ (n - 1)¹⁴ (n - 2)⁵ (n + 2)¹⁰ (n + 4)"),
        ("Sp(n)", 2, 2, "n³ (n - 2) (n + 1)²"),
        ("Sp(d)", 3, 3, "d¹⁵ (d - 2)¹⁰ (d - 4) (d + 1)¹⁴ (d + 2)⁵"),
    ],
)
def test_determinants_in_closed_form_and_by_interpolation(group, inputs, outputs, text):
    found = gram_determinant(group, inputs, outputs)
    assert str(found) == text
    assert gram(group, inputs, outputs).det() == found.expand()


@pytest.mark.parametrize("group", ["S(n)", "O(n)", "Sp(n)"])
def test_every_split_of_the_orders_has_the_same_determinant(group):
    for inputs in range(5):
        found = gram(group, inputs, 4 - inputs).det()
        assert found == gram_determinant(group, inputs, 4 - inputs).expand() == gram_determinant(group, 2, 2).expand()


def test_the_determinant_of_52_partitions():
    assert gram("S(n)", 2, 3).det() == gram_determinant("S(n)", 2, 3).expand()


@pytest.mark.parametrize(("group", "half"), [("O(n)", 4), ("Sp(n)", 4), ("S(n)", 3)])
def test_larger_determinants_at_single_sizes(group, half):
    """105 matchings and 203 partitions."""
    found, basis = gram_determinant(group, half, half), gram(group, half, half)
    size = basis.shape[0]
    for n in (-5, -4, 3, 7, 12):
        table = [int(value(n)) for value in basis.values]
        assert int(flint.fmpz_mat(size, size, [table[i] for row in basis.index for i in row]).det()) == found(n)


def test_the_interpolated_determinant_can_disagree():
    found = gram("O(n)", 2, 2)
    tampered = ExactMatrix(found.values, ((found.index[0][0],) * 3, *found.index[1:]))
    assert tampered.det() != gram_determinant("O(n)", 2, 2).expand()


def test_determinants_at_numbers_are_those_of_the_basis():
    for text in BASES:
        assert gram_determinant(text, 2, 2) > 0
    assert gram_determinant("S(5)", 2, 2) == gram_determinant("S(n)", 2, 2)(5)
    assert gram_determinant("O(2)", 2, 2) == gram_determinant("O(n)", 2, 2)(2)


@pytest.mark.parametrize("group", ["S(3)", "S(4)", "O(2)", "O(3)", "Sp(4)", "Sp(6)", "SO(3)", "SO(7)", "A(3)", "A(6)"])
def test_determinants_at_numbers_are_determinants(group):
    """With closed formulas and without."""
    for inputs, outputs in ((2, 2), (1, 2)):
        numbers = gram(group, inputs, outputs).at()
        assert (
            gram_determinant(group, inputs, outputs)
            == flint.fmpz_mat(numbers.shape[0], numbers.shape[1], [int(e) for e in numbers.flat]).det()
        )


def test_so_and_a_with_n_open_are_o_and_s():
    assert gram_determinant("SO(n)", 3, 3) == gram_determinant("O(n)", 3, 3)
    assert gram_determinant("A(n)", 2, 2) == gram_determinant("S(n)", 2, 2)
    assert weingarten("SO(n)", 2, 2) == weingarten("O(n)", 2, 2)
    assert weingarten("A(n)", 2, 1) == weingarten("S(n)", 2, 1)


@pytest.mark.parametrize("family", ["S", "O", "Sp", "H"])
def test_multiplicities_are_what_the_dimension_falls_short(family):
    """The rank at n is the number of diagrams less the power of n - root: all roots are simple in each module."""
    for total in range(9 if family == "S" else 11):
        found = dict(gram_determinant(f"{family}(n)", total, 0).roots)
        for n in range(2 if family == "Sp" else 1, 9, 2 if family == "Sp" else 1):
            group = eq.Group(family, n)
            assert enumeration.count(group, total) - found.get(n, 0) == dimensions.dimension(group, total)


@pytest.mark.parametrize("family", ["S", "O", "SO", "Sp", "A", "H"])
def test_degenerate_sizes_are_where_diagrams_outnumber_the_dimension(family):
    step = 2 if family == "Sp" else 1
    for total in range(9):
        expected = tuple(
            n
            for n in range(step, 12, step)
            if enumeration.count(eq.Group(family, n), total) > dimensions.dimension(eq.Group(family, n), total)
        )
        found = degenerate_sizes(f"{family}(n)", total // 2, total - total // 2)
        assert found == expected
        if family in ("S", "O", "Sp", "H") and found:
            assert max(found) + step == dimensions.stable_from(eq.Group(family, "n"), total)
    with pytest.raises(SymbolicError, match=rf"{family}\(n\)"):
        degenerate_sizes(f"{family}(4)", 1, 1)


def test_products():
    found = Product.from_roots(((0, 2), (1, 1), (-2, 3)))
    assert str(found) == "n² (n - 1) (n + 2)³"
    assert (found.degree, found(2)) == (6, 256)
    assert found.expand()(5) == found(5)


# --- Weingarten functions


def test_known_weingarten_functions():
    ortho, sympl = weingarten("O(n)", 2, 2), weingarten("Sp(n)", 2, 2)
    diagonal = RationalFunction.of((1, 1), (0, -2, 1, 1))
    assert ortho[0, 0] == ortho[1, 1] == diagonal
    assert ortho[0, 1] == ortho[1, 2] == RationalFunction.of((-1,), (0, -2, 1, 1))
    # n -> -n, and a sign for every pair of diagrams.
    assert sympl[0, 0] == RationalFunction.of((-1, 1), (0, -2, -1, 1))
    assert {str(sympl[0, 1]), str(sympl[1, 2])} <= {"1/(n (n - 2) (n + 1))", "-1/(n (n - 2) (n + 1))"}
    # S(n) at m = 2: [[n^2, n], [n, n]] has determinant n^2 (n - 1).
    partitions = weingarten("S(n)", 1, 1)
    assert str(partitions) == "1/(n (n - 1))  -1/(n (n - 1))\n-1/(n (n - 1)) 1/(n - 1)"
    # The fourth moment of an entry of a random orthogonal matrix is 3/(n (n + 2)).
    assert all(ortho.at(n).sum() == Fraction(3, n * (n + 2)) for n in range(2, 9))


@pytest.mark.parametrize(
    ("group", "inputs", "outputs"),
    [
        *(("S(n)", total, 0) for total in range(4)),
        ("S(n)", 2, 2),
        ("S(n)", 1, 3),
        ("S(n)", 2, 3),
        ("S(n)", 3, 3),
        ("O(n)", 1, 1),
        ("O(n)", 2, 2),
        ("O(n)", 3, 3),
        ("O(n)", 4, 4),
        ("Sp(n)", 1, 1),
        ("Sp(n)", 1, 3),
        ("Sp(n)", 3, 3),
        ("Sp(n)", 5, 3),
    ],
)
def test_gram_times_weingarten_is_one(group, inputs, outputs):
    """As rational functions, for up to 203 diagrams."""
    left = gram(group, inputs, outputs)
    product = left @ weingarten(group, inputs, outputs)
    size = range(left.shape[0])
    assert all(product[i, j] == int(i == j) for i in size for j in size)


def test_945_matchings_at_one_size():
    """One row of the product, at a number."""
    left, right = gram("O(n)", 5, 5), weingarten("O(n)", 5, 5)
    assert len(right.values) == 7
    values, inverse = [value(11) for value in left.values], [value(11) for value in right.values]
    row = [values[i] for i in left.index[3]]
    for column in (0, 3, 944):
        found = sum(entry * inverse[index[column]] for entry, index in zip(row, right.index, strict=True))
        assert found == int(column == 3)


@pytest.mark.parametrize("group", BASES)
def test_at_a_number_the_basis_is_inverted_in_and_out_of_the_stable_range(group):
    for inputs, outputs in ((1, 1), (2, 2), (1, 2), (3, 1)):
        basis = eq.basis(group, inputs, outputs)
        rows = stacked(basis.group, basis, basis.size())
        assert ((rows @ rows.T) @ weingarten(basis).at() == identity(len(basis))).all()


def test_numbers_in_place_of_the_letter():
    assert (weingarten("S(n)", 2, 2, n=5).at() == weingarten("S(n)", 2, 2).at(5)).all()
    assert (weingarten(eq.basis("O(n)", 2, 2), n=3).at() == weingarten("O(3)", 2, 2).at()).all()
    with pytest.raises(SymbolicError, match=r"basis of O\(1\)"):
        weingarten("O(n)", 2, 2, n=1)
    with pytest.raises(SymbolicError, match=r"basis of S\(3\)"):
        weingarten("S(n)", 2, 2, n=3)
    with pytest.raises(GroupError):
        weingarten("Sp(n)", 2, 2, n=3)
    with pytest.raises(SymbolicError, match="not 5"):
        weingarten("S(3)", 2, 2, n=5)


def test_a_part_of_a_family_has_no_closed_inverse():
    basis = eq.basis("S(n)", 2, 2)
    part = replace(basis, diagrams=basis.diagrams[3:7])
    with pytest.raises(SymbolicError, match="not all diagrams"):
        weingarten(part)
    assert (gram(part).at(5) @ weingarten(part, n=5).at() == identity(4)).all()


# --- projections


def exact_average(elements, matrix, inputs, outputs):
    total = 0
    for element in elements:
        total = total + kron_power(element.T, outputs) @ matrix @ kron_power(element, inputs)
    return total * Fraction(1, len(elements))


def permutations_of(n, even):
    for order in itertools.permutations(range(n)):
        matrix = np.eye(n, dtype=int)[list(order)]
        if not even or round(np.linalg.det(matrix)) == 1:
            yield matrix.astype(object)


@pytest.mark.parametrize("group", ["S(2)", "S(3)", "S(4)", "A(2)", "A(3)", "A(4)"])
def test_the_projection_is_the_average_over_the_group(group):
    rng = np.random.default_rng(0)
    n = eq.Group.parse(group).n
    elements = list(permutations_of(n, even=group.startswith("A")))
    for inputs, outputs in ((0, 0), (1, 1), (2, 1), (0, 3), (2, 2)):
        matrix = random_whole(rng, n**outputs, n**inputs)
        found = project(eq.basis(group, inputs, outputs), matrix)
        assert (found.matrix() == exact_average(elements, matrix, inputs, outputs)).all()
        assert all(type(entry) is Fraction for entry in [*found.coefficients.flat, *found.matrix().flat])


@pytest.mark.parametrize("group", BASES)
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (1, 2), (2, 2), (4, 0)])
def test_the_projection_is_orthogonal_and_onto_the_equivariant_maps(group, inputs, outputs):
    """The residual is orthogonal to the span, and the projection commutes with all generators: exactly."""
    rng = np.random.default_rng(1)
    basis = eq.basis(group, inputs, outputs)
    n = basis.size()
    matrix, other = random_whole(rng, 2, n**outputs, n**inputs)
    found = project(basis, matrix).matrix()
    assert found.shape == matrix.shape
    rows = stacked(basis.group, basis, n)
    if len(basis):
        assert not (rows @ (matrix - found).ravel()).any()
        assert (project(basis, matrix).coefficients @ rows == found.ravel()).all()
    discrete, algebra = generators(basis.group)
    for element in discrete:
        assert (found @ kron_power(element, inputs) == kron_power(element, outputs) @ found).all()
    for element in algebra:
        lifted = [
            sum(
                np.kron(np.kron(kron_power(np.eye(n, dtype=int), i), element), np.eye(n ** (order - 1 - i), dtype=int))
                for i in range(order)
            )
            if order
            else np.zeros((1, 1), int)
            for order in (inputs, outputs)
        ]
        assert (found @ lifted[0].astype(object) == lifted[1].astype(object) @ found).all()
    # Idempotent; nothing is left of the residual; symmetric.
    assert (project(basis, found).matrix() == found).all()
    assert not project(basis, matrix - found).coefficients.any()
    assert (found * other).sum() == (matrix * project(basis, other).matrix()).sum()


@pytest.mark.parametrize("group", BASES)
def test_the_projection_keeps_the_basis(group):
    basis = eq.basis(group, 2, 2)
    # All of them at once, along a batch axis.
    found = project(basis, basis.matrices())
    assert (found.coefficients == identity(len(basis))).all()
    assert (found.matrix() == basis.matrices()).all()


def test_the_projection_commutes_with_the_group():
    """Rational orthogonal elements; for Sp(2) rotations are in the compact form."""
    rng = np.random.default_rng(2)
    turn = np.array([[Fraction(3, 5), Fraction(4, 5)], [Fraction(-4, 5), Fraction(3, 5)]], object)
    flip = np.array([[0, 1], [1, 0]], object)
    for group, element in (("O(2)", turn), ("O(2)", flip), ("SO(2)", turn), ("Sp(2)", turn), ("S(2)", flip)):
        basis = eq.basis(group, 2, 2)
        matrix = random_whole(rng, 4, 4)
        moved = kron_power(element, 2) @ matrix @ kron_power(element, 2).T
        assert (project(basis, moved).matrix() == project(basis, matrix).matrix()).all()
    # An element outside the group is noticed.
    basis, head = eq.basis("SO(2)", 1, 1), eq.basis("SO(2)", 1, 1).matrices()[-1]
    assert (project(basis, flip @ head @ flip.T).matrix() != project(basis, head).matrix()).any()


def test_projections_with_n_open():
    basis = eq.basis("S(n)", 2, 1)
    matrix = random_whole(np.random.default_rng(3), 4, 16)
    found = project(basis, matrix, n=4)
    assert (found.matrix() == project(eq.basis("S(4)", 2, 1), matrix).matrix()).all()
    with pytest.raises(SymbolicError, match="leaves n open"):
        project(basis, matrix)
    with pytest.raises(SymbolicError, match=r"basis of S\(2\)"):
        project(basis, random_whole(np.random.default_rng(3), 2, 4), n=2)


@given(
    st.sampled_from(["S(3)", "O(2)", "SO(3)", "Sp(2)", "A(3)"]),
    st.lists(st.fractions(max_denominator=10**6), min_size=27, max_size=27),
)
@settings(deadline=None, max_examples=30)
def test_rational_in_rational_out(group, entries):
    basis = eq.basis(group, 2, 1)
    n = basis.size()
    matrix = np.array(entries[: n**3], object).reshape(n, n * n)
    found = project(basis, matrix.tolist())
    if not len(basis):
        assert not found.matrix().any()
        return
    rows = stacked(basis.group, basis, n)
    expected = weingarten(basis).at() @ (rows @ matrix.ravel())
    assert found.coefficients.tolist() == expected.tolist()
    assert (found.matrix().ravel() == expected @ rows).all()


def test_huge_whole_numbers_stay_exact():
    basis = eq.basis("S(3)", 1, 1)
    matrix = np.array([[10**40 + 3 * i + j for j in range(3)] for i in range(3)], object)
    found = project(basis, matrix).matrix()
    assert found[0, 0] == Fraction(sum(matrix[i, i] for i in range(3)), 3)
    assert found[0, 1] == Fraction(matrix.sum() - sum(matrix[i, i] for i in range(3)), 6)


@pytest.mark.parametrize(
    ("group", "inputs", "outputs", "n"),
    [
        ("S(n)", 2, 2, 20),
        ("S(3)", 3, 3, None),
        ("O(5)", 3, 3, None),
        ("Sp(4)", 3, 3, None),
        ("SO(4)", 3, 3, None),
        ("A(5)", 2, 2, None),
        ("S(n)", 1, 0, 1000),
    ],
)
def test_floats_are_projected_to_twelve_digits(group, inputs, outputs, n):
    rng = np.random.default_rng(4)
    basis = eq.basis(group, inputs, outputs)
    size = basis.size(n)
    matrix = rng.integers(-1000, 1000, (size**outputs, size**inputs))
    found, exact = project(basis, matrix / 8, n), project(basis, matrix, n)
    assert found.coefficients.dtype == found.matrix().dtype == np.float64
    expected = exact.coefficients.astype(float) / 8
    scale = max(1.0, abs(expected).max())
    assert abs(found.coefficients - expected).max() < 1e-12 * scale
    assert abs(found.matrix() - exact.matrix().astype(float) / 8).max() < 1e-12 * scale * len(basis)


def test_small_chunks_change_nothing(monkeypatch):
    matrix = random_whole(np.random.default_rng(5), 2, 16, 16)
    for group in ("S(4)", "O(4)", "SO(4)", "Sp(4)", "A(4)"):
        basis = eq.basis(group, 2, 2)
        before = project(basis, matrix)
        for chunk in (1, 7, 100):
            monkeypatch.setattr(spans, "CHUNK", chunk)
            after = project(basis, matrix)
            assert (before.coefficients == after.coefficients).all()
            assert (before.matrix() == after.matrix()).all()
        monkeypatch.undo()


def test_tensors_come_back_as_tensors():
    torch.manual_seed(0)
    basis = eq.basis("O(3)", 2, 2)
    matrix = torch.randn(2, 4, 9, 9, requires_grad=True)
    found = project(basis, matrix)
    assert isinstance(found.coefficients, torch.Tensor)
    assert found.coefficients.shape == (len(basis), 2, 4)
    assert found.coefficients.dtype == found.matrix().dtype == torch.float64
    one = project(basis, matrix[1, 2].detach().double().numpy())
    assert np.allclose(found.coefficients[:, 1, 2].numpy(), one.coefficients, rtol=0, atol=1e-14)
    assert np.allclose(found.matrix()[1, 2].numpy(), one.matrix(), rtol=0, atol=1e-14)
    assert project(basis, torch.eye(9, dtype=torch.int64)).coefficients.dtype == object


def test_a_dense_weight_becomes_the_weights_of_a_layer():
    torch.manual_seed(0)
    n = 4
    layer = eq.Linear("S(4)", "3x2", "2x1", bias=False, normalization="sum").double()
    with torch.no_grad():
        for weight in layer.parameters():
            weight.normal_()
    units = torch.eye(n * n * 3, dtype=torch.float64).reshape(n * n * 3, n, n, 3)
    dense = layer(units).detach().reshape(n * n, 3, n, 2).permute(3, 1, 2, 0)
    found = project(eq.basis("S(4)", 2, 1), dense)
    (weight,) = layer.parameters()
    assert torch.allclose(found.coefficients, weight.detach(), rtol=0, atol=1e-12)
    assert torch.allclose(found.matrix(), dense, rtol=0, atol=1e-12)


def test_matrices_of_another_shape_are_refused():
    basis = eq.basis("S(3)", 2, 1)
    for shape in ((9, 3), (3,), (27,), (3, 3)):
        with pytest.raises(ShapeError, match=r"shape \(\.\.\., 3, 9\)"):
            project(basis, np.zeros(shape))
    for wrong in ([["a"] * 9] * 3, np.full((3, 9), complex(0, np.nan)), [[1, 2], [3]], None):
        with pytest.raises(ShapeError, match=r"holds whole numbers|matrix of shape"):
            project(basis, wrong)


def test_heads_that_would_hurt_are_refused():
    basis = eq.basis("A(10)", 9, 0)
    head = next(diagram for diagram in enumeration.diagrams(basis.group, 0, 9) if diagram.head)
    with pytest.raises(SizeError, match="n = 9"):
        spans._boxes(basis.group, head, 10)


# --- dimensions


def test_dimension_tables():
    found = dimension_table("S", 4)
    assert (found.sizes, found.dimensions, found.stable, found.stable_from) == ((1, 2, 3, 4), (1, 8, 14, 15), 15, 4)
    assert (found(2), found(50)) == (8, 15)
    assert dimension_table("O(n)", 8).dimensions == (1, 35, 91, 105)
    assert dimension_table("Sp", 8, 8).dimensions == (14, 84, 104, 105)
    assert dimension_table("A(n)", 4).dimensions == (1, 16, 27, 22, 16, 15)
    assert dimension_table("SO", 4, 5).dimensions == (1, 6, 3, 4, 3)
    with pytest.raises(GroupError):
        dimension_table("V", 4)


@pytest.mark.parametrize("family", ["S", "O", "SO", "Sp", "A", "H"])
def test_the_dimension_is_stable_from_where_it_says(family):
    for total in range(8):
        found = dimension_table(family, total, 14)
        after = [d for n, d in zip(found.sizes, found.dimensions, strict=True) if n >= found.stable_from]
        assert after
        assert set(after) == {found.stable}
        assert found.dimensions == tuple(found(n) for n in found.sizes)
