"""Weingarten functions by type, moments of entries: published values, recursions, projections, groups, spheres."""

from fractions import Fraction
from itertools import permutations, product
from math import comb, factorial, prod

import numpy as np
import pytest
import sympy

import eqsynth as eq
from eqsynth.bases.haar import by_type, in_place_of_n
from eqsynth.errors import EqsynthError, GroupError, ParseError, SizeError, SymbolicError
from eqsynth.exact.partitions import partitions, set_partitions
from eqsynth.exact.ring import RationalFunction
from eqsynth.exact.spherical import MATCHINGS, PERMUTATIONS, centraliser, jack, spherical, weight
from eqsynth.symbolic import gram, moment, weingarten, weingarten_function

N = sympy.Symbol("n")

#: Collins, math-ph/0205010 (U); Collins and Sniady, math-ph/0402073, section 6 (O), with n for d.
PUBLISHED = {
    "U(n)": {
        (1,): "1/n",
        (1, 1): "1/(n^2 - 1)",
        (2,): "-1/(n (n^2 - 1))",
        (1, 1, 1): "(n^2 - 2)/(n (n^2 - 1) (n^2 - 4))",
        (2, 1): "-1/((n^2 - 1) (n^2 - 4))",
        (3,): "2/(n (n^2 - 1) (n^2 - 4))",
        (1, 1, 1, 1): "(n^4 - 8 n^2 + 6)/(n^2 (n^2 - 1) (n^2 - 4) (n^2 - 9))",
        (2, 1, 1): "-1/(n (n^2 - 1) (n^2 - 9))",
        (2, 2): "(n^2 + 6)/(n^2 (n^2 - 1) (n^2 - 4) (n^2 - 9))",
        (3, 1): "(2 n^2 - 3)/(n^2 (n^2 - 1) (n^2 - 4) (n^2 - 9))",
        (4,): "-5/(n (n^2 - 1) (n^2 - 4) (n^2 - 9))",
    },
    "O(n)": {
        (1,): "1/n",
        (1, 1): "(n + 1)/(n (n - 1) (n + 2))",
        (2,): "-1/(n (n - 1) (n + 2))",
        (1, 1, 1): "(n^2 + 3 n - 2)/(n (n - 1) (n - 2) (n + 2) (n + 4))",
        (2, 1): "-1/(n (n - 1) (n - 2) (n + 4))",
        (3,): "2/(n (n - 1) (n - 2) (n + 2) (n + 4))",
    },
}


@pytest.mark.parametrize(("group", "kind"), [(group, kind) for group, table in PUBLISHED.items() for kind in table])
def test_published_values(group, kind):
    assert weingarten_function(group, kind) == RationalFunction(PUBLISHED[group][kind])


def test_the_function_of_one_cycle():
    """A Catalan number over n (n^2 - 1) (n^2 - 4) ...: Collins, math-ph/0205010."""
    n = RationalFunction("n")
    for size in (2, 5, 8):
        below = n * prod(n**2 - i**2 for i in range(1, size))
        assert (
            weingarten_function("U(n)", (size,))
            == (-1) ** (size - 1) * Fraction(comb(2 * size - 2, size - 1), size) / below
        )


# --- spherical functions --------------------------------------------------------------------------------


def character(shape, kind):
    """By the rule of Murnaghan and Nakayama, with beta numbers."""
    if not kind:
        return 1
    beta = [row + len(shape) - 1 - place for place, row in enumerate(shape)]
    total = 0
    for place, number in enumerate(beta):
        moved = number - kind[0]
        if moved < 0 or moved in beta:
            continue
        passed = sum(moved < other < number for other in beta)
        rest = sorted([*beta[:place], moved, *beta[place + 1 :]], reverse=True)
        smaller = tuple(b - (len(rest) - 1 - i) for i, b in enumerate(rest))
        total += (-1) ** passed * character(smaller, kind[1:])
    return total


def test_characters():
    for total in range(1, 7):
        for shape, values in spherical(total, PERMUTATIONS).items():
            degree = character(shape, (1,) * total)
            assert values == {kind: Fraction(character(shape, kind), degree) for kind in partitions(total)}


@pytest.mark.parametrize("alpha", [PERMUTATIONS, MATCHINGS])
def test_spherical_functions_are_orthogonal_and_complete(alpha):
    for total in (1, 2, 5, 8):
        functions = spherical(total, alpha)
        sizes = {kind: Fraction(1, centraliser(kind) * alpha ** len(kind)) for kind in partitions(total)}
        for shape, values in functions.items():
            for other, theirs in functions.items():
                inner = sum(sizes[kind] * values[kind] * theirs[kind] for kind in sizes)
                assert (inner != 0) == (shape == other)
        unit = {kind: sum(weight(shape, alpha) * own[kind] for shape, own in functions.items()) for kind in sizes}
        assert unit == {kind: kind == (1,) * total for kind in sizes}


def test_zonal_polynomials():
    """Those of James, Annals of Mathematical Statistics 35 (1964), over their first coefficients."""
    assert jack((2,), 2) == {(2,): 1, (1, 1): Fraction(2, 3)}
    assert jack((3,), 2) == {(3,): 1, (2, 1): Fraction(3, 5), (1, 1, 1): Fraction(2, 5)}
    assert jack((2, 1), 2) == {(2, 1): 1, (1, 1, 1): Fraction(3, 2)}


# --- Weingarten functions -------------------------------------------------------------------------------


def cycle_type(permutation):
    seen, sizes = set(), []
    for start in range(len(permutation)):
        at, size = start, 0
        while at not in seen:
            seen.add(at)
            at, size = permutation[at], size + 1
        sizes += [size] * (size > 0)
    return tuple(sorted(sizes, reverse=True))


def of_type(kind):
    """A permutation with these cycles, in which the last things are those of the smallest."""
    images, start = [], 0
    for size in kind:
        images += [start + (place + 1) % size for place in range(size)]
        start += size
    return images


@pytest.mark.parametrize("pairs", range(1, 9))
def test_the_recursion_of_the_unitary_group(pairs):
    """n W(s) + the sum over i of W((i last) s) is W of the others if s keeps the last thing, else 0: rows of g g*."""
    n = 11
    values = {kind: value(n) for kind, value in by_type(pairs, PERMUTATIONS).items()}
    fewer = {kind: in_place_of_n(value, n) for kind, value in by_type(pairs - 1, PERMUTATIONS).items()}
    for kind, value in values.items():
        images = of_type(kind)
        swapped = [
            [last if image == i else i if image == last else image for image in images]
            for last in [pairs - 1] for i in range(last)
        ]  # fmt: skip
        total = n * value + sum(values[cycle_type(one)] for one in swapped)
        assert total == (fewer[kind[:-1]] if kind[-1] == 1 else 0)


def loop_type(matching):
    """With the pairs (0, 1), (2, 3), ..."""
    seen, sizes = set(), []
    for start in matching:
        at, size = start, 0
        while at not in seen:
            seen |= {at, at ^ 1}
            at, size = matching[at ^ 1], size + 1
        sizes += [size] * (size > 0)
    return tuple(sorted(sizes, reverse=True))


@pytest.mark.parametrize("pairs", range(1, 9))
def test_the_recursion_of_the_orthogonal_group(pairs):
    """The same with pairs of two rows of g g^T."""
    n, last = 17, 2 * pairs - 1
    values = {kind: value(n) for kind, value in by_type(pairs, MATCHINGS).items()}
    fewer = {kind: in_place_of_n(value, n) for kind, value in by_type(pairs - 1, MATCHINGS).items()}
    for kind, value in values.items():
        matching, start = {}, 0
        for size in kind:
            places = range(start, start + 2 * size)
            for a, b in zip(places[1::2], [*places[2::2], places[0]], strict=True):
                matching[a], matching[b] = b, a
            start += 2 * size
        assert loop_type(matching) == kind
        total = n * value
        for i in range(last - 1):
            swap = {i: last - 1, last - 1: i}
            total += values[loop_type({swap.get(a, a): swap.get(b, b) for a, b in matching.items()})]
        assert total == (fewer[kind[:-1]] if kind[-1] == 1 else 0)


def test_against_the_whole_matrices():
    for group, half in (("O(n)", 3), ("Sp(n)", 2)):
        basis, matrix = eq.basis(group, half, half), weingarten(group, half, half)
        base = [vertex for pair in basis[0].blocks for vertex in pair]
        for other, value in zip(basis, matrix.rows[0], strict=True):
            place = {vertex: number for number, vertex in enumerate(base)}
            matching = {place[a]: place[b] for pair in other.blocks for a, b in (pair, pair[::-1])}
            expected = weingarten_function(group, loop_type(matching))
            assert value in (expected, -expected) if group == "Sp(n)" else value == expected
    blocks = [diagram.blocks for diagram in eq.basis("S(n)", 2, 2)]
    matrix = weingarten("S(n)", 2, 2)
    for i, j in product(range(0, len(blocks), 2), range(len(blocks))):
        assert weingarten_function("S(n)", (blocks[i], blocks[j])) == matrix[i, j]


def test_at_numbers_it_is_the_pseudo_inverse():
    shape = list(permutations(range(3)))
    for n in (1, 2, 3):
        matrix = np.array(
            [[float(n) ** len(cycle_type([p[q.index(i)] for i in range(3)])) for q in shape] for p in shape]
        )
        row = [float(weingarten_function(f"U({n})", cycle_type([q.index(i) for i in range(3)]))) for q in shape]
        assert np.allclose(np.linalg.pinv(matrix)[0], row)
    blocks = list(set_partitions(3))
    for n in (1, 2, 3, 4):
        diagrams = [eq.Diagram.of(0, 3, one) for one in blocks]
        inner = gram("S(n)", 0, 3, diagrams=diagrams).at(n).astype(float)
        other = np.array([[float(weingarten_function(f"S({n})", (a, b))) for b in blocks] for a in blocks])
        assert np.allclose(inner @ other @ inner, inner)


# --- moments --------------------------------------------------------------------------------------------

PROJECTIONS = [
    *((f"O({n})", 4, 0) for n in (1, 2, 3)),
    *(
        ("O(2)", 6, 0),
        ("Sp(2)", 4, 0),
        ("Sp(4)", 4, 0),
        ("Sp(2)", 6, 0),
        ("S(2)", 3, 0),
        ("S(3)", 4, 0),
        ("H(3)", 4, 0),
    ),
    *((f"U({n})", 2, 2) for n in (1, 2, 3)),
    ("U(2)", 3, 3),
]


@pytest.mark.parametrize(("group", "plain", "conjugated"), PROJECTIONS)
def test_against_projections(group, plain, conjugated):
    """The mean of tensor powers of g is the projection to what all elements keep, at every n: by bases at that n."""
    order = f"({plain},{conjugated})" if conjugated else plain
    basis = eq.basis(group, order, 0)
    n, total = basis.size(), plain + conjugated
    rows = basis.matrices().reshape(len(basis), -1).astype(float)
    projection = rows.T @ np.linalg.inv(rows @ rows.T) @ rows if len(basis) else np.zeros((n**total,) * 2)
    rng = np.random.default_rng(0)
    places = [divmod(int(place), n**total) for place in rng.integers(0, n ** (2 * total), 25)]
    places += [tuple(map(int, place)) for place in rng.permutation(np.argwhere(abs(projection) > 1e-9))[:25]]
    for row, column in places:
        indices = [*zip(np.unravel_index(row, (n,) * total), np.unravel_index(column, (n,) * total), strict=True)]
        ours = moment(group, indices[:plain], indices[plain:])
        assert abs(float(ours) - projection[row, column]) < 1e-9
        if group[0] in "OUH" or group == "S(3)":
            general = moment(group[:2] + "n)", indices[:plain], indices[plain:])
            assert general(n) == ours if general.letters else general == ours


@pytest.mark.parametrize("group", ["S(4)", "H(3)", "A(3)", "A(2)"])
def test_against_all_elements(group):
    n = int(group[2])
    elements = [np.eye(n, dtype=int)[list(p)] for p in permutations(range(n))]
    if group[0] == "A":
        elements = [e for e in elements if np.linalg.det(e) > 0]
    if group[0] == "H":
        elements = [e * np.array(signs) for e in elements for signs in product((1, -1), repeat=n)]
    rng = np.random.default_rng(1)
    for _ in range(40):
        count = int(rng.integers(0, 5))
        pairs = [(int(i), int(j)) for i, j in rng.integers(0, n - 1, (count, 2))]
        pairs += pairs[: int(rng.integers(0, count + 1))]
        mean = Fraction(sum(int(prod(e[i, j] for i, j in pairs)) for e in elements), len(elements))
        assert moment(group, pairs) == mean


@pytest.mark.parametrize("group", ["SO(2)", "SO(3)", "SU(2)", "SU(3)", "A(4)"])
def test_the_determinant_of_a_random_element_is_one(group):
    """Its mean is 1, and that of its square; with two rows exchanged -1; expanded along a row, 0 with another row."""
    n = int(group[3 if group[1].isalpha() else 2])
    products = [(prod((-1) ** (p[i] > p[j]) for j in range(n) for i in range(j)), p) for p in permutations(range(n))]

    def mean(*rows):
        return sum(sign * moment(group, [*zip(rows, p, strict=True), *extra]) for sign, p in products)

    extra = []
    assert mean(*range(n)) == 1 == -mean(1, 0, *range(2, n))
    assert mean(0, 0, *range(2, n)) == 0
    extra = [(i, i) for i in range(n)] if group != "SO(3)" else [(0, 0), (0, 0)]
    assert mean(*range(n)) == moment(group, extra)


def test_small_rotations_by_hand():
    """Of SO(2): g00 = g11 = cos, g01 = -g10. Of SU(2): rows (a, b) and (-b*, a*), where |a|^2 is uniform in [0, 1]."""
    for power in range(4):
        assert moment("SO(2)", f"g[0,0]^{power} g[1,1]^{power}") == Fraction(comb(2 * power, power), 4**power)
        assert moment("SU(2)", f"g[0,0]^{power} g[1,1]^{power}") == Fraction(1, power + 1)
        assert moment("SU(2)", f"g*[0,1]^{power} g*[1,0]^{power}") == Fraction((-1) ** power, power + 1)
    assert moment("SO(2)", "g[0,1] g[1,0]") == Fraction(-1, 2)
    assert moment("SU(3)", "g[0,0] g[1,0] g[2,2]") == moment("SU(3)", "g[0,0]^2") == 0
    assert moment("SO(9)", "g[0,0]^2") == Fraction(1, 9)


@pytest.mark.parametrize("group", ["A(1)", "S(1)", "SO(1)", "SU(1)", "SO(2)", "SU(3)", "A(2)", "A(3)"])
def test_the_mean_of_one_is_one(group):
    """A mean over half of the elements is over none of the others: S(1) has no odd permutation."""
    assert moment(group, "") == 1
    if group.endswith("(1)"):
        assert moment(group, "g[0,0]^3" if group != "SU(1)" else "|g[0,0]|^2") == 1


def test_sums_of_sympy():
    """By hand: lengths of rows; means of traces of blocks; each expression against texts."""
    g, h, (n, x) = sympy.IndexedBase("g"), sympy.MatrixSymbol("h", 3, 3), sympy.symbols("n x")
    star = sympy.conjugate
    assert moment("O(n)", sympy.expand((g[0, 0] ** 2 + g[0, 1] ** 2) ** 2)) == 8 / (n * (n + 2))
    assert moment("U(n)", (g[0, 0] * star(g[0, 0]) + sympy.Abs(g[0, 1]) ** 2) ** 3) == 24 / (n * (n + 1) * (n + 2))
    assert moment("O(n)", (g[0, 0] + g[1, 1]) ** 2) == 2 / n == sympy.sympify(moment("O(n)", (g[0, 0] + g[1, 1]) ** 2))
    assert moment("U(n)", g[0, 0] * g[1, 1] * star(g[0, 1]) * star(g[1, 0])) == moment(
        "U(n)", "g[0,0] g[1,1] g*[0,1] g*[1,0]"
    )
    assert moment("SO(3)", h[0, 0] * h[1, 1] * h[2, 2]) == Fraction(1, 6)
    assert moment("O(3)", sum(h[0, j] ** 2 for j in range(3))) == 1 == moment("O(3)", sympy.Integer(1))
    assert moment("O(n)", x * g[0, 0] ** 2 + n) == x / n + n
    i = sympy.Symbol("i")
    assert moment("O(n)", sympy.Sum(g[i, 0] ** 2, (i, 0, 2))) == 3 / n
    assert moment("SO(3)", sympy.Product(g[i, i], (i, 0, 2))) == Fraction(1, 6)


@pytest.mark.parametrize(("expression", "why"), [
    ("sqrt(g[0, 0])", "no polynomial in entries"), ("Abs(g[0, 0])", "no polynomial in entries"),
    ("g[0, 0] / g[0, 1]", "no polynomial in entries"), ("g[0, 0] ** n", "no polynomial in entries"),
    ("sqrt(2) * g[0, 0]", "coefficients of .* no rational functions"), ("g", "no polynomial in entries"),
    ("I * g[0, 0]", "keep roots, I and floats out"), ("Trace(MatrixSymbol('g', 3, 3))", "no polynomial in entries"),
    ("Eq(g[0, 0], 0)", "no polynomial in entries"), ("Sum(g[n, 0], (n, 0, Symbol('m')))", "no row and column"),
    ("g[0, 0] * IndexedBase('h')[0, 0]", "entries of several matrices"), ("g[0, n]", "no row and column"),
    ("g[0, 0] ** 30", "more than 24 entries"), ("Add(*(g[0, j] for j in range(40))) ** 2", "beyond 720"),
])  # fmt: skip
def test_what_is_no_polynomial_in_entries_is_refused(expression, why):
    names = {**vars(sympy), "g": sympy.IndexedBase("g"), "n": sympy.Symbol("n")}
    with pytest.raises(EqsynthError, match=why):
        moment("O(n)", eval(expression, names))


def test_rows_are_uniform_on_spheres():
    """Moments of points of spheres: products of (a - 1)!! over n (n + 2) ..., of a! over n (n + 1) ..., to 8 pairs."""
    n = RationalFunction("n")
    for powers in ((16,), (8, 8), (4, 4, 4, 4), (2, 2, 2, 2, 2, 2), (6, 2), (3, 1)):
        text = " ".join(f"g[0,{j}]^{power}" for j, power in enumerate(powers))
        even = all(power % 2 == 0 for power in powers)
        above = prod(prod(range(1, power, 2)) for power in powers) * even
        assert moment("O(n)", text) == above / prod(n + 2 * i for i in range(sum(powers) // 2))
        halves = [power // 2 for power in powers]
        text = " ".join(f"|g[{j},0]|^{2 * half}" for j, half in enumerate(halves))
        above = prod(map(factorial, halves))
        assert moment("U(n)", text) == above / prod(n + i for i in range(sum(halves)))
        # The sphere of Sp(n) is that of C^n, too.
        assert moment("Sp(n)", text) == above / prod(n + i for i in range(sum(halves)))


def test_moments_are_values_of_the_ring_and_of_sympy():
    value = moment("O(n)", "g[0,0]^2 g[1,1]^2")
    assert value == (N + 1) / (N * (N - 1) * (N + 2))
    assert sympy.simplify(sympy.sympify(value) - (N + 1) / (N * (N - 1) * (N + 2))) == 0
    assert str(moment("U(m)", "|g[0,0]|^2")) == "1/m"
    assert weingarten_function("O(m)", (1, 1)) == RationalFunction("(m + 1)/(m (m - 1) (m + 2))")
    assert moment("O(n)", "") == moment("U(n)", []) == 1
    assert moment("O(n)", "g[0,0] g[0,1]") == moment("U(n)", "g[0,0]^2") == 0
    assert moment("O(n)", "g*[0,0] g[0,0]") == moment("O(n)", "g[0,0]^2")
    assert type(moment("O(3)", "g[0,0]^2")) is Fraction
    assert type(moment("S(n)", "g[0,0] g[0,1]")) is RationalFunction


def test_the_whole_of_a_row_is_one():
    """Rows have length 1 and are orthogonal, with many entries more, at 8 pairs."""
    rest = "g[1,1]^4 g[2,1]^4 g[1,3]^2 g[0,1]^2"
    n = RationalFunction("n")
    sums = sum(moment("O(n)", f"g[0,{j}]^2 {rest}") for j in range(4)) + (n - 4) * moment("O(n)", f"g[0,9]^2 {rest}")
    assert sums == moment("O(n)", rest)


@pytest.mark.parametrize(("group", "entries", "error", "why"), [
    ("O(n)", "g[0,0]^2 h[0,1]", ParseError, "no entry of g"),
    ("U(n)", "|g[0,0]|^3", ParseError, "odd power"),
    ("SO(n)", "g[0,0]^2", SymbolicError, r"ask for a number, or for O\(n\), whose moments of fewer"),
    ("SU(2)", [(0, 0), (1, 1)] * 7, SizeError, "more than 24"),
    ("SO(7)", [(i, i) for i in range(7)], SizeError, "too many products"),
    ("SO(1,3)", "g[0,0]^2", GroupError, "no moments"),
    ("O(1,3)", "g[0,0]^2", GroupError, "no moments"),
    ("S'(n)", "g[0,0]^2", GroupError, "no moments"),
    ("O(3)", "g[0,3]^2", SymbolicError, "rows and columns 0 to 2, not 3"),
    ("O(n)", "g[0,0]^26", SizeError, "more than 24"),
    ("O(n)", f"g[0,0]^{10**30}", SizeError, "more than 24"),
    ("O(n)", [(0, -1)], EqsynthError, "no row and column"),
])  # fmt: skip
def test_what_there_is_not_is_refused(group, entries, error, why):
    with pytest.raises(error, match=why):
        moment(group, entries)


@pytest.mark.parametrize(("group", "kind", "error", "why"), [
    ("A(n)", (1,), GroupError, "no Weingarten function of a type"),
    ("U(n)", (2, 0), SymbolicError, "no type"),
    ("U(n)", (13,), SizeError, "beyond 12"),
    ("S(n)", ([(0,)], [(1,)]), SymbolicError, "no two partitions"),
    ("S(n)", ([range(17)], [range(17)]), SizeError, "beyond 16"),
])  # fmt: skip
def test_types_that_there_are_not_are_refused(group, kind, error, why):
    with pytest.raises(error, match=why):
        weingarten_function(group, kind)
