"""Schur's floor: the irreducible parts of tensor spaces, and the multiply-adds that no mixing can do without."""

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import eqsynth as eq
from eqsynth.bases.bratteli import copies, irreducible_dimension
from eqsynth.bases.dimension import dimension, stable_from
from eqsynth.bases.schur import parts
from eqsynth.errors import GroupError, SizeError
from eqsynth.exact.polynomial import Polynomial
from eqsynth.spaces.exchanges import length_coefficients
from eqsynth.spaces.space import read_order

ONE = {"c_in": 1, "c_out": 1}
FAMILIES = ["S", "A", "O", "SO", "Sp", "H"]


def maps(found):
    """Independent maps between the spaces that hold these parts."""
    return sum(part.delta * part.copies_in[0] * part.copies_out[0] for part in found)


def size_of(family, n):
    return n + n % 2 if family == "Sp" else n


# --- known numbers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("group", "order", "least"),
    [
        ("O(3)", 2, 9),
        ("O(3)", 3, 55),
        ("O(3)", 4, 369),
        ("O(3)", 5, 2691),
        ("S(64)", 2, 4476),
        ("S(16)", 3, 13528),
        ("S(8)", 4, 82822),
        # V is one part of complex type: a complex number times a complex number.
        ("SO(2)", 1, 4),
        ("A(3)", 1, 5),
        # Two lines that only a reflection tells apart, 2 * 2, and one part of complex type.
        ("SO(2)", 2, 8),
        ("A(1)", 3, 1),
        ("A(2)", 2, 16),
        ("O(1)", 3, 1),
    ],
)
def test_known_floors(group, order, least):
    assert eq.floor(group, order, order)(ONE) == least


@pytest.mark.parametrize(
    ("group", "orders", "text"),
    [
        ("S(n)", (2, 2), "n² c_in c_out + 6 n c_in c_out - 4 c_in c_out"),
        ("O(n)", (2, 2), "n² c_in c_out"),
        ("O(m)", (3, 3), "5/3 n³ c_in c_out + 10/3 n c_in c_out"),
        ("O(n)", (2, 1), "0"),
        ("S(4) x O(n)", ((2, 2), (2, 2)), "36 n2² c_in c_out"),
        ("S(64)", ("4x2", "2x2 + 0"), "4,476 c_in c_out0 + 2 c_in c_out1"),
    ],
)
def test_floors_print_in_the_symbols_of_plans(group, orders, text):
    found = eq.floor(group, *orders)
    assert str(found) == text
    used = set(found.letters)
    assert used <= set(eq.plan(group, *orders).sizes(5))


# --- parts against the maps themselves ----------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_parts_count_the_maps_of_every_basis(family):
    for n in range(2 if family == "Sp" else 1, 8, 2 if family == "Sp" else 1):
        for inputs in range(4):
            for outputs in range(4 if inputs < 3 else 3):
                found = parts(eq.Group(family, n), inputs, outputs)
                assert maps(found) == len(eq.basis(eq.Group(family, n), inputs, outputs)), (n, inputs, outputs)


@settings(max_examples=150)
@given(st.sampled_from(FAMILIES), st.integers(1, 12), st.integers(0, 5), st.integers(0, 5))
def test_parts_count_the_maps_at_every_size(family, n, inputs, outputs):
    group = eq.Group(family, size_of(family, n))
    assert maps(parts(group, inputs, outputs)) == dimension(group, inputs + outputs)
    assert sum(part.dim({}) * part.copies_in[0] for part in parts(group, inputs, inputs)) == group.n**inputs


SYMMETRIES = ("S2", "A2", "A3", "S4", "[ijk=jki]", "[ijk=-jik]", "[ijkl=jikl=klij]")


@pytest.mark.parametrize("name", ["O(1)", "O(2)", "O(3)", "SO(3)", "SO(4)", "Sp(2)", "Sp(4)", "O(1,2)", "S(2)", "S(5)",
                                  "A(4)", "H(1)", "H(3)", "B(1)", "B(3)", "S'(3)", "B'(4)"])  # fmt: skip
def test_parts_of_symmetric_tensors(name):
    group = eq.Group.parse(name)
    # Traces of powers: the first power is a tensor factor.
    walks = Counter({group.start(): 1})
    for order in range(1, 5):
        ahead = Counter()
        for label, ways in walks.items():
            for other, count in group.times_power_sum(label, 1).items():
                ahead[other] += ways * count
        walks = ahead
        assert {label: ways for label, ways in walks.items() if ways} == copies(group, order)
    for order in SYMMETRIES:
        symmetry = read_order(order)
        held = copies(group, symmetry)
        assert min(held.values(), default=1) > 0
        size = sum(
            c * group.number**power for power, c in enumerate(length_coefficients(symmetry.kind, symmetry.order))
        )
        assert sum(irreducible_dimension(group, label) * ways for label, ways in held.items()) == size // symmetry.size
        if len(order) == 2:
            assert maps(parts(group, order, 2)) == len(eq.basis(group, order, 2))
            assert maps(parts(group, order, order)) == len(eq.basis(group, order, order))


def test_the_table_of_elasticity():
    assert str(eq.irreps("O(3)", "[ijkl=jikl=klij]").space) == "2x0e + 2x2e + 1x4e"
    assert str(eq.irreps("O(3)", "A2").space) == "1x1e"
    assert str(eq.irreps("O(3)", "S2.det").space) == "1x0o + 1x2o"
    assert str(eq.irreps("S(n)", "S2").dim) == "1/2 n² + 1/2 n"
    assert [name for name, _ in eq.irreps("S(n) x O(3)", "(1,S2)")] == ["({n},0e)", "({n},2e)", "({n-1,1},0e)",
                                                                        "({n-1,1},2e)"]  # fmt: skip
    # 2 · 2 · 1 + 2 · 2 · 5 + 9
    assert str(eq.floor("O(3)", "[ijkl=jikl=klij]", "[ijkl=jikl=klij]")) == "33 c_in c_out"


PRODUCTS = [
    ("SO(2) x SO(2)", (1, 1), (1, 1)),
    ("SO(2) x A(3)", (1, 2), (1, 1)),
    ("A(4) x SO(2)", (1, 2), (2, 2)),
    ("SO(2) x SO(2) x A(3)", (1, 1, 1), (1, 1, 1)),
    ("S(3) x O(2)", (2, 1), (1, 1)),
    ("A(5) x Sp(2)", (1, 2), (2, 2)),
]


@pytest.mark.parametrize(("group", "inputs", "outputs"), PRODUCTS)
def test_parts_of_products_count_the_maps(group, inputs, outputs):
    sizes = [factor.n for factor in eq.Group.parse(group).factors]
    assert maps(parts(group, inputs, outputs)) == len(eq.basis(group, inputs, outputs))
    held = parts(group, inputs, inputs)
    filled = prod(n**k for n, k in zip(sizes, inputs, strict=True))
    assert sum(part.dim({}) * part.copies_in[0] for part in held) == filled


def measured(group, order):
    """Dimension and type of every irreducible subspace of a tensor space, from its commutant alone.

    A random symmetric element of the commutant has one eigenvalue per irreducible subspace; what the commutant
    does inside of it is a division algebra of dimension 1, 2 or 4.
    """
    commutant = eq.basis(group, order, order).matrices().astype(float)
    weights = np.random.default_rng(0).standard_normal(len(commutant))
    random = np.tensordot(weights, commutant, 1)
    values, vectors = np.linalg.eigh(random + random.T)
    edges = [0, *(1 + np.flatnonzero(np.diff(values) > 1e-6)), len(values)]
    found = Counter()
    for start, stop in pairwise(edges):
        inside = vectors[:, start:stop]
        restricted = (inside.T @ commutant @ inside).reshape(len(commutant), -1)
        found[stop - start, int(np.linalg.matrix_rank(restricted, tol=1e-6))] += 1
    return found


@pytest.mark.parametrize(
    ("group", "order"),
    [
        *[(f"S({n})", k) for n, k in [(1, 2), (2, 3), (3, 3), (4, 3), (5, 2)]],
        # A(3), A(4): 3-cycles are not conjugate to their inverses; A(5), A(6): they are; A(7): complex again.
        *[(f"A({n})", k) for n, k in [(1, 2), (2, 3), (3, 1), (3, 3), (4, 1), (4, 2), (4, 3), (5, 2), (5, 3), (6, 3)]],
        *[(f"O({n})", k) for n, k in [(1, 3), (2, 4), (3, 3), (4, 3), (5, 2)]],
        # Halves: a pair of conjugates for n = 2 and 6, real for n = 4.
        *[(f"SO({n})", k) for n, k in [(1, 3), (2, 1), (2, 4), (3, 4), (4, 2), (4, 3), (5, 2), (6, 3)]],
        ("SO(2) x SO(2)", (1, 1)),
        ("A(3) x SO(2)", (2, 2)),
        ("A(4) x O(2)", (2, 1)),
    ],
)
def test_dimensions_and_types_are_those_of_the_commutant(group, order):
    expected = Counter()
    for part in parts(group, order, order):
        expected[part.dim({}), part.delta] += part.copies_in[0]
    assert measured(group, order) == expected


def test_counting_maps_notices_a_forgotten_type():
    wrong = [replace(part, delta=1) for part in parts("A(4)", 2, 2)]
    assert maps(wrong) < len(eq.basis("A(4)", 2, 2))


def test_the_measurement_sees_a_complex_type():
    assert measured("SO(2)", 1) == {(2, 2): 1}
    assert measured("O(2)", 1) == {(2, 1): 1}
    assert {(part.dim({}), part.delta) for part in parts("SO(6)", 3, 3)} >= {(20, 2)}
    assert [(part.name, part.dim({})) for part in parts("SO(4)", 2, 2) if part.name[-1] in "+-"] == [
        ("(1,1)+", 3),
        ("(1,1)-", 3),
    ]


# --- letters ------------------------------------------------------------------------------------------


@settings(max_examples=100)
@given(st.sampled_from(FAMILIES), st.integers(0, 4), st.integers(0, 4), st.integers(0, 3))
def test_letters_stand_for_every_number_that_is_large_enough(family, inputs, outputs, more):
    n = stable_from(eq.Group(family, "n"), inputs + outputs) + (2 * more if family == "Sp" else more)
    of_letter, of_number = (eq.floor(eq.Group(family, size), inputs, outputs) for size in ("n", n))
    assert of_letter({"n": n, **ONE}) == of_number(ONE)
    shared = [parts(eq.Group(family, size), inputs, outputs) for size in ("n", n)]
    assert [part.dim({"n": n}) for part in shared[0]] == [part.dim({}) for part in shared[1]]


def test_below_the_stable_range_letters_and_numbers_differ():
    assert eq.floor("S(n)", 2, 2)({"n": 2, **ONE}) != eq.floor("S(2)", 2, 2)(ONE)


def test_products_with_letters():
    of_letters = eq.floor("S(n) x SO(m)", "2x(2,2) + (1,0)", "(2,2)")
    values = {"n1": 7, "n2": 6, "c_in0": 2, "c_in1": 1, "c_out": 1}
    assert of_letters(values) == eq.floor("S(7) x SO(6)", "2x(2,2) + (1,0)", "(2,2)")(values)


# --- spaces of several terms --------------------------------------------------------------------------


@pytest.mark.parametrize("group", ["S(3)", "A(3)", "O(3)", "SO(2)", "SO(4)", "Sp(2)", "S(n)"])
def test_terms_add_up(group):
    channels = {"c_in0": 3, "c_in1": 5, "c_in2": 2, "c_out0": 7, "c_out1": 4, "n": 9}
    found = eq.floor(group, "3x2 + 5x1 + 2x0", "7x2 + 4x3")(channels)
    single = [[eq.floor(group, k, outputs)({"n": 9, **ONE}) for outputs in (2, 3)] for k in (2, 1, 0)]
    assert found == sum(single[i][j] * channels[f"c_in{i}"] * channels[f"c_out{j}"] for i in range(3) for j in range(2))
    swapped = eq.floor(group, "7x2 + 4x3", "3x2 + 5x1 + 2x0")
    assert (
        swapped({key.replace("in", "?").replace("out", "in").replace("?", "out"): v for key, v in channels.items()})
        == found
    )


@pytest.mark.parametrize(
    ("group", "space_in", "space_out", "n"),
    [
        ("S(n)", "8x2", "8x2", 64),
        ("S(n)", "8x3 + 2x1", "4x2", 6),
        ("S(3)", "8x2", "8x2", None),
        ("A(3)", "8x2", "8x2", None),
        ("O(3)", "8x4", "8x4", None),
        ("SO(2)", "8x2", "8x2", None),
        ("SO(3)", "4x3 + 2x1", "4x2", None),
        ("Sp(4)", "4x3", "4x3", None),
        ("S(4) x O(3)", "4x(2,2)", "4x(1,2)", None),
        ("SO(2) x SO(2)", "4x(1,1)", "4x(1,1)", None),
    ],
)
def test_no_plan_mixes_with_less(group, space_in, space_out, n):
    for method in ("auto", "diagrams", *(["matrix", "irreps"] if n is None else [])):
        plan = eq.plan(group, space_in, space_out, bias=False, method=method)
        values = plan.sizes(n)
        least = eq.floor(group, space_in, space_out)(values)
        assert 0 < least <= plan.mixing(values)
        assert method != "irreps" or least == plan.mixing(values)


# --- dimensions and polynomials -----------------------------------------------------------------------


def test_dimensions_of_huge_groups_are_quick_and_right():
    group = eq.Group("S", 1_000_000)
    assert irreducible_dimension(group, (999_999, 1)) == 999_999
    assert sum(count * irreducible_dimension(group, shape) for shape, count in copies(group, 3).items()) == 10**18
    shapes = [(5,), (4, 1), (3, 2), (3, 1, 1), (2, 2, 1), (2, 1, 1, 1), (1,) * 5]
    assert [irreducible_dimension(eq.Group("S", 5), shape) for shape in shapes] == [1, 4, 5, 6, 5, 4, 1]


def test_polynomials_with_fractions():
    n, half = Polynomial.of("n"), Fraction(1, 2)
    choose = n * (n + -1) * half
    assert str(choose) == "1/2 n² - 1/2 n"
    assert choose({"n": 7}) == 21
    assert type(choose({"n": 7})) is int
    assert choose + choose == n * n + n * -1
    assert all(type(value) is int for value in (choose * 2).terms.values())
    assert str(n * -1 + 3) == "-n + 3"
    assert str(n * Fraction(-4001, 1000) + -2000) == "-4,001/1,000 n - 2,000"
    assert (n * half)({"n": 3}) == Fraction(3, 2)


# --- what is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize("group", ["Aut(petersen)", "Perm(4: 1 2 3 0)", "Matrix([[0,1],[-1,0]]; )"])
def test_groups_without_partitions_are_refused(group):
    with pytest.raises(GroupError, match=r"ask for S\(n\), O\(n\), A\(n\)"):
        eq.floor(group, 1, 1)


def test_absurd_orders_are_refused():
    with pytest.raises(SizeError, match="ask for lower orders"):
        eq.floor("O(n)", 60, 60)
    with pytest.raises(SizeError, match="ask for lower orders"):
        eq.floor("O(n) x O(n)", (18, 18), (18, 18))
