"""The exact ring: its laws, against SymPy, and equal values by whichever door they come."""

import copy
import pickle
import subprocess
import sys
import time
from decimal import Decimal
from fractions import Fraction
from itertools import product

import flint
import numpy as np
import pytest
import sympy
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from more_itertools import polynomial_from_roots

import eqsynth as eq
from eqsynth.bases import algebra, symbolic
from eqsynth.diagrams import enumeration
from eqsynth.errors import EqsynthError, ParseError, ShapeError, SizeError, SymbolicError
from eqsynth.exact import matrix as matrix_module
from eqsynth.exact import ring
from eqsynth.exact.matrix import ExactMatrix
from eqsynth.exact.ring import RationalFunction

few = settings(max_examples=60, deadline=None)
numbers = st.one_of(st.integers(-9, 9), st.fractions(-3, 3, max_denominator=7))
N = RationalFunction("n")


def polynomials(letters):
    monomials = st.dictionaries(st.sampled_from(letters), st.integers(1, 3), max_size=2)
    keys = monomials.map(lambda powers: tuple(sorted(powers.items())))
    return st.dictionaries(keys, numbers, max_size=3).map(RationalFunction)


def products_of_roots(letter):
    roots = st.dictionaries(st.integers(-3, 3), st.integers(-2, 3), max_size=3)
    return st.builds(lambda powers, c: RationalFunction.from_roots(powers, letter, c), roots, numbers)


def values_in(letters):
    quotients = st.builds(lambda p, q: p / q, polynomials(letters), polynomials(letters).filter(bool))
    return st.one_of(polynomials(letters), quotients, products_of_roots(letters[0]), numbers.map(RationalFunction))


several, single = values_in(["n", "m", "c_in"]), values_in(["n"])


# --- laws


@few
@given(several, several, several)
def test_the_laws_of_a_field(a, b, c):
    assert a + b == b + a
    assert a * b == b * a
    assert (a + b) + c == a + (b + c)
    assert (a * b) * c == a * (b * c)
    assert a * (b + c) == a * b + a * c
    assert a + 0 == a == a * 1 == +a
    assert a - b == -(b - a)
    assert a - a == 0 == a * 0
    assert bool(a) == (a != 0)
    if b:
        assert b / b == 1 == b * b**-1
        assert a / b * b == a
        assert 1 / b == b**-1
    for left, right in ((a + b, b + a), (a * b, b * a), (a * (b + c), a * b + a * c)):
        assert hash(left) == hash(right)


@few
@given(several, several)
def test_equal_values_are_in_one_form(a, b):
    """Lowest terms: what two ways make has the same text, unless one of them is a product of roots."""
    one, other = ((a + b) * (a - b)).expand(), (a * a - b * b).expand()
    assert one == other
    assert hash(one) == hash(other)
    assert str(one) == str(other)
    assert repr(one) == repr(other)


@few
@given(several)
def test_values_can_be_read_again(a):
    for again in (RationalFunction(str(a)), eval(repr(a)), pickle.loads(pickle.dumps(a)), copy.deepcopy(a)):
        assert again == a
        assert hash(again) == hash(a)
        assert str(again) == str(a)
    ascii_text = str(a).translate({ord(digit): f"^{number}" for number, digit in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")})
    assert RationalFunction(ascii_text) == a


@few
@given(several, st.integers(-3, 4))
def test_powers_are_repeated_products(a, power):
    assume(a or power >= 0)
    expected = RationalFunction(1)
    for _ in range(abs(power)):
        expected *= a
    assert a**power == (expected if power >= 0 else 1 / expected)


@few
@given(several, several, st.fixed_dictionaries(dict.fromkeys(("n", "m", "c_in"), numbers)))
def test_values_at_numbers(a, b, at):
    try:
        left, right = a(at), b(at)
    except SymbolicError:
        assert 0 in (a.denominator(at), b.denominator(at))
        return
    assert type(left) in (int, Fraction)
    assert (type(left) is int) == (left == int(left))
    assert (a + b)(at) == left + right
    assert (a * b)(at) == left * right
    partly = a({"n": at["n"]})
    assert partly == left if not isinstance(partly, RationalFunction) else partly(at) == left
    assert a.numerator(at) == left * a.denominator(at)


@few
@given(single, single)
def test_values_in_place_of_letters(a, b):
    try:
        composed = a(b)
    except SymbolicError:
        return
    at = Fraction(101, 7)
    assert RationalFunction(composed)(at) == a(b(at))


@few
@given(numbers, numbers)
def test_numbers_are_numbers(a, b):
    one, other = RationalFunction(a), RationalFunction(b)
    assert (one == b) == (a == b) == (one == other)
    assert hash(one) == hash(a)
    assert {one: 1}.get(a) == {a: 1}.get(one) == 1
    assert [one < other, one <= b, one > b, one >= other] == [a < b, a <= b, a > b, a >= b]
    assert one.constant == a == one() == one(n=3)
    assert float(one) == float(a)
    assert one.letters == ()
    assert sympy.sympify(one) == sympy.Rational(a)


# --- products of roots


@few
@given(products_of_roots("n"), products_of_roots("n"), numbers)
def test_products_of_roots_are_the_values_that_they_expand_to(a, b, c):
    plain = a.expand()
    assert plain == a
    assert hash(plain) == hash(a)
    assert plain.roots == a.roots
    assert plain.degree == a.degree
    assert plain.polynomial == a.polynomial
    assert plain.letters == a.letters
    for combined, expected in (
        (a * b, plain * b.expand()),
        (c * a, c * plain),
        (a**2, plain * plain),
        (a + b, plain + b),
    ):
        assert combined == expected
        assert hash(combined) == hash(expected)
    if b:
        assert a / b == plain / b.expand()
    assert plain(11) == a(11)


@few
@given(st.lists(st.integers(-5, 5), max_size=6))
def test_the_roots_are_those_of_the_polynomial(roots):
    value = RationalFunction.from_roots([(root, 1) for root in roots])
    assert list(value.coefficients) == polynomial_from_roots(roots)[::-1]
    assert sorted(root for root, power in value.expand().roots for _ in range(power)) == sorted(roots)


def test_products_of_any_degree():
    huge = symbolic.gram_determinant("S(n)", 12, 12)
    assert huge.degree > 10**16
    assert huge * huge / huge == huge != 2 * huge
    assert hash(2 * huge / 2) == hash(huge)
    assert huge != N
    assert huge / huge == 1
    assert eval(repr(symbolic.gram_determinant("S(n)", 3, 3))) == symbolic.gram_determinant("S(n)", 3, 3)
    for refused in (lambda: huge + 1, lambda: huge(3.5), lambda: huge(30), lambda: (N + 1) ** 10**9, huge.expand):
        with pytest.raises((SizeError, SymbolicError)):
            refused()


def test_large_products_are_left_to_flint(monkeypatch):
    m = RationalFunction("m")
    one, other = (sum((letter**k / 3 for k in range(1, 50)), RationalFunction(0)) for letter in (N, m))
    square, mixed = one * one, one * other
    monkeypatch.setattr(ring, "MANY", 10**6)
    assert (one * one, one * other) == (square, mixed)
    assert len(mixed.terms) == 49**2


@pytest.mark.parametrize("name", ["_times", "_reduced"])
def test_the_laws_notice_broken_arithmetic(monkeypatch, name):
    a, b = N / 2 + 1, N**2 / 2 - 3
    right = getattr(ring, name)
    broken = {"_times": lambda p, _: right(p, p), "_reduced": ring._element}

    def laws_hold():
        return (a * (b + b), a + a) == (a * b * 2, N + 2)

    assert laws_hold()
    monkeypatch.setattr(ring, name, broken[name])
    assert not laws_hold()


# --- SymPy


@few
@given(several, several)
def test_sympy_computes_the_same(a, b):
    left, right = sympy.sympify(a), sympy.sympify(b)
    for ours, theirs in ((a + b, left + right), (a * b, left * right), (a - b, left - right)):
        assert sympy.cancel(sympy.sympify(ours) - theirs) == 0
        assert ours == theirs
    if b:
        assert sympy.cancel(sympy.sympify(a / b) - left / right) == 0


@few
@given(several)
def test_there_and_back(a):
    expression = sympy.sympify(a)
    assert isinstance(expression, sympy.Expr)
    assert RationalFunction(expression) == a
    assert hash(RationalFunction(expression)) == hash(a)
    assert expression.free_symbols <= a.free_symbols
    assert {str(symbol) for symbol in a.free_symbols} == set(a.letters)


def test_sympy_on_either_side():
    n = sympy.Symbol("n")
    assert N + n == n + N == 2 * N
    assert isinstance(N + n, RationalFunction)
    assert isinstance(n + N, sympy.Expr)
    ours = RationalFunction("n")
    assert ours == n
    assert n == ours
    assert N * sympy.Rational(1, 2) == N / 2
    assert N * sympy.sqrt(2) == sympy.sqrt(2) * n
    assert ours != sympy.sqrt(2)
    assert N(n + 1) == N + 1
    assert RationalFunction((n + 1) ** 2 / n**-1) == N * (N + 1) ** 2
    assert sympy.limit(sympy.sympify((N + 1) / (2 * N)), n, sympy.oo) == sympy.Rational(1, 2)
    assert n * algebra.identity("S(n)", 1) == algebra.identity("S(n)", 1) * N
    with pytest.raises(SymbolicError, match="no exact scalar"):
        RationalFunction(sympy.pi)


@few
@given(st.data())
def test_determinants_are_those_of_sympy(data):
    size = data.draw(st.integers(0, 3))
    entries = data.draw(st.sampled_from([single, polynomials(["n"]), values_in(["n", "m"])]))
    rows = [[data.draw(entries) for _ in range(size)] for _ in range(size)]
    matrix = ExactMatrix.of(rows)
    assert sympy.cancel(sympy.sympify(matrix.det()) - matrix.to_sympy().det(method="berkowitz")) == 0
    assert ((matrix @ matrix).det() == matrix.det() ** 2) is True


def test_inverses_are_those_of_sympy():
    for group, orders in (("S(n)", (1, 1)), ("O(n)", (2, 2)), ("Sp(n)", (1, 3)), ("S(n)", (2, 1))):
        gram, weingarten = symbolic.gram(group, *orders), symbolic.weingarten(group, *orders)
        assert sympy.simplify(gram.to_sympy().inv() - sympy.Matrix(weingarten)).is_zero_matrix
        assert weingarten.det() * symbolic.gram_determinant(group, *orders) == 1
        assert gram.det() == symbolic.gram_determinant(group, *orders)


def test_matrices_are_matrices():
    matrix = symbolic.weingarten("O(n)", 2, 2)
    assert matrix.rows[0] == matrix[0] == next(iter(matrix))
    assert matrix[0, 0] ** 2 == matrix[0][0] * matrix[-3, 0]
    assert [len(row) for row in matrix] == [3] * len(matrix)
    assert sympy.Matrix(matrix) == matrix.to_sympy() == sympy.sympify(matrix)
    assert matrix.letters == ("n",)
    assert np.array(matrix, object).shape == (3, 3)
    small = symbolic.weingarten("S(n)", 1, 1)
    assert eval(repr(small)) == small
    assert hash(eval(repr(small))) == hash(small)
    assert ExactMatrix.of(small) == small != ExactMatrix.of([["n", 1], [1, "n"]])
    assert repr(symbolic.gram("S(n)", 3, 2)).startswith("<ExactMatrix 52 x 52 of n")
    assert small._repr_latex_().startswith(r"$\begin{pmatrix}\frac{1}{n (n - 1)} & -\frac{1}{n")
    assert symbolic.gram("S(n)", 3, 2)._repr_latex_() is None
    for wrong in (lambda: matrix["n"], lambda: ExactMatrix.of([[1], [1, 2]]), lambda: ExactMatrix.of([[1, 2]]).det()):
        with pytest.raises(ShapeError):
            wrong()
    assert sympy.latex(small) == small.latex()
    for rows in ([[1, N], [0, Fraction(1, 2)]], np.array([[1, 2], [3, 4]]), iter([iter([1]), iter([2])])):
        listed = [list(row) for row in rows]
        assert ExactMatrix.of(listed) == ExactMatrix.of(sympy.Matrix(listed)) == ExactMatrix.of(map(iter, listed))
    for kind in (sympy.Matrix, sympy.ImmutableMatrix, sympy.SparseMatrix):
        assert ExactMatrix.of(kind([[1, sympy.Symbol("n")]])) == ExactMatrix.of([[1, "n"]])
        assert ExactMatrix.of(kind(2, 0, [])).shape == (2, 0)
    two = ExactMatrix.of([["n", "m"], [1, 0]])
    assert two @ two == ExactMatrix.of([["n² + m", "n m"], ["n", "m"]])
    assert two.det() == -RationalFunction("m")


# --- one value by every door


@pytest.mark.parametrize("group", ["S(n)", "O(n)", "Sp(n)", "S(3)", "O(2)", "Sp(4)", "SO(3)", "A(3)"])
def test_inner_products_by_both_doors(group):
    parsed = eq.Group.parse(group)
    for first, second in product(enumeration.diagrams(parsed, 2, 2), repeat=2):
        one = symbolic.inner(parsed, first, second)
        other = algebra.inner(algebra.Map.of(parsed, first), algebra.Map.of(parsed, second))
        assert one == other
        assert hash(one) == hash(other)
        assert str(one) == str(other)


def test_costs_floors_and_symbolic_results_mix():
    floor = eq.floor("S(n)", "2x2", "2x2")
    cost = eq.plan("S(n)", "2x2", "2x2", method="diagrams").mixing
    assert cost - floor == RationalFunction("(n² + 3 n + 8) c_in c_out") - 0 * floor
    assert floor({"n": 10, "c_in": 1, "c_out": 2}) == 312
    per_pair = floor / (RationalFunction("c_in") * RationalFunction("c_out"))
    assert per_pair == N**2 + 6 * N - 4
    assert per_pair * symbolic.weingarten("S(n)", 1, 1)[1, 1] == (N**2 + 6 * N - 4) / (N - 1)
    assert str(floor) == "n² c_in c_out + 6 n c_in c_out - 4 c_in c_out"
    assert sympy.sympify(floor) == sympy.sympify("n**2*c_in*c_out + 6*n*c_in*c_out - 4*c_in*c_out")
    doors = (eq.algebra.Polynomial, eq.symbolic.RationalFunction, eq.symbolic.Product)
    assert all(door is RationalFunction for door in doors)
    weighted = symbolic.weingarten("O(n)", 1, 1)[0, 0] * algebra.identity("O(n)", 1)
    assert algebra.trace(weighted) == 1
    assert weighted.at(3) == algebra.identity("O(3)", 1) * Fraction(1, 3)


def test_letters_in_calls_and_terms():
    assert N(n=3) == N({"n": 3, "m": 4}) == RationalFunction(3)(m=4) == 3
    assert RationalFunction(POSITIVE) == N
    listed = {(("n", 2), ("c", -1), ("n", 1)): 3, (("m", 0),): 1}
    assert RationalFunction(listed) == 3 * N**3 / RationalFunction("c") + 1


def test_what_is_read():
    assert RationalFunction((0, 2, 2), (0, -2, 0, 2)) == 1 / (N - 1) == RationalFunction("1/(n - 1)")
    assert RationalFunction({(("n", 2),): Fraction(1, 2), (): 1}) == N**2 / 2 + 1
    assert RationalFunction("n^2 - 1", "n+1") == N - 1
    assert RationalFunction("-2 (n-1)**2*n / 4") == -((N - 1) ** 2) / 2 * N
    for half in (
        Fraction(1, 2),
        sympy.Rational(1, 2),
        flint.fmpq(1, 2),
        Decimal("0.5"),
        "1/2",
        RationalFunction("n/(2n)"),
    ):
        assert RationalFunction(half) == Fraction(1, 2)
    for two in (2, np.int8(2), torch.tensor(2), sympy.Integer(2), flint.fmpz(2)):
        assert N + two == N + 2
        assert N(two) == 2
    assert [str(entry) for entry in np.array([1, 2], object) * N] == ["n", "2 n"]
    assert range(10)[RationalFunction(3)] == 3
    with pytest.raises(TypeError):
        range(10)[N]
    with pytest.raises(TypeError):
        float(N)
    with pytest.raises(TypeError):
        N + "1"


@pytest.mark.parametrize(
    "value", [0.5, np.float32(0.5), np.float64(2), torch.tensor(0.5), sympy.Float(2), flint.arb(1)]
)
def test_floats_are_refused(value):
    for refused in (
        lambda: N + value,
        lambda: value * N if isinstance(value, float) else N * value,
        lambda: N / value,
        lambda: N(value),
        lambda: RationalFunction(value),
        lambda: N * sympy.Symbol("m") * value,
    ):
        with pytest.raises(EqsynthError, match=r"float, which is not exact.* (Fraction|Rational)\(1, 2\)"):
            refused()
    ours = N + 0
    assert ours != value


POSITIVE = sympy.Symbol("n", positive=True)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: N / 0, SymbolicError, "is zero"),
        (lambda: (1 / N) / (N - N), SymbolicError, "is zero"),
        (lambda: (1 / N)(0), SymbolicError, "pole at n = 0"),
        (lambda: RationalFunction.from_roots({2: -1})(2), SymbolicError, "pole at n = 2"),
        (lambda: N < N * 2, SymbolicError, "no order"),
        (lambda: N(True), SymbolicError, "not for True"),
        (lambda: N("3"), SymbolicError, "not for '3'"),
        (lambda: (N * RationalFunction("m"))(2), SymbolicError, "letters m, n"),
        (lambda: N ** Fraction(1, 2), SymbolicError, "whole number"),
        (lambda: (N * RationalFunction("m")).coefficients, SymbolicError, "ask for its terms"),
        (lambda: (1 / N).terms, SymbolicError, "no polynomial"),
        (lambda: RationalFunction("n", (0, 1)), SymbolicError, "list of coefficients"),
        (lambda: RationalFunction(None), SymbolicError, "no exact scalar"),
        (lambda: RationalFunction("n $ 2"), ParseError, "no number"),
        (lambda: RationalFunction("1/2n"), ParseError, r"write 1/\(2 n\) or n/2"),
        (lambda: RationalFunction("n/2 m"), ParseError, "divided by"),
        (lambda: RationalFunction("n +"), ParseError, "no rational function"),
        (lambda: RationalFunction("(" * 1000), ParseError, "no rational function"),
        (lambda: RationalFunction("1" * 5000), ParseError, "no number"),
        (lambda: RationalFunction("n + " * 50_000), SizeError, "too long"),
        (lambda: RationalFunction.from_roots({Fraction(1, 2): 1}), SymbolicError, "no root and its power"),
        (lambda: RationalFunction.from_roots({1: 0.5}), SymbolicError, "no root and its power"),
        (lambda: N**10_000_000 / (N + 1), SizeError, "ask for a lower one"),
        (lambda: RationalFunction("2^999999999"), SizeError, "digits"),
        (lambda: RationalFunction("(a + b + c + d)^2000"), SizeError, "multiplied out"),
        (lambda: RationalFunction({1: 2}), SymbolicError, "1 is no product of powers"),
        (lambda: RationalFunction({"n": 2}), SymbolicError, "'n' is no product of powers"),
        (lambda: RationalFunction({(("n", 0.5),): 2}), SymbolicError, "is no product of powers"),
        (lambda: RationalFunction({(("n+1", 1),): 2}), SymbolicError, "no letter that can be written"),
        (lambda: RationalFunction((1, 2), letter=5), SymbolicError, "5 is no letter"),
        (lambda: RationalFunction.from_roots([1, 2]), SymbolicError, "1 is no root and its power"),
        (lambda: RationalFunction.from_roots(["ab"]), SymbolicError, "'ab' is no root and its power"),
        (lambda: RationalFunction.from_roots(3), SymbolicError, "3 lists no roots"),
        (lambda: RationalFunction.from_roots({1: 2}, "n + 1"), SymbolicError, "no letter"),
        (lambda: N(m=3), SymbolicError, "there is no letter m in n: name n"),
        (lambda: (N * RationalFunction("c"))(n=3, m=1, k=2), SymbolicError, "no letter k, m in n c: name c or n"),
        (lambda: N({"n": 3}, m=2), SymbolicError, "no letter m"),
        (lambda: RationalFunction(POSITIVE / (1 + sympy.Symbol("n"))), SymbolicError, "two symbols with the name n"),
        (lambda: ExactMatrix.of(sympy.Matrix([POSITIVE, sympy.Symbol("n")])), SymbolicError, "two symbols"),
        (lambda: ExactMatrix.of([1, 2]), ShapeError, r"\[1, 2\] is no matrix: write its rows"),
        (lambda: ExactMatrix.of(None), ShapeError, "None is no matrix"),
        (lambda: ExactMatrix.of(3), ShapeError, "3 is no matrix"),
        (lambda: ExactMatrix.of("ab"), ShapeError, "'ab' is no matrix"),
        (lambda: ExactMatrix.of(["ab", "cd"]), ShapeError, "is no matrix"),
        (lambda: ExactMatrix.of([{1, 2}]), ShapeError, "is no matrix"),
        (lambda: ExactMatrix.of({1: [2]}), ShapeError, "is no matrix"),
    ],
)
def test_what_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def letters_matrix(size, letters=None):
    """A matrix of different letters, or of polynomials in some."""
    if letters is None:
        return ExactMatrix.of([[f"x{row}_{column}" for column in range(size)] for row in range(size)])
    entry = sum(map(RationalFunction, letters), RationalFunction(0)) ** 2
    return ExactMatrix.of([[entry + row * column for column in range(size)] for row in range(size)])


SUM = sum((RationalFunction(f"y{place}") for place in range(20)), RationalFunction(0))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ((N**100_000 - 1) / (N**99_999 - 1)).roots, "to factor a polynomial of 100,000 terms"),
        (lambda: SUM**4 * SUM**4, "a result in 20 letters"),
        (lambda: SUM**4 / RationalFunction("y0") * SUM**4, "a result in 20 letters"),
        (lambda: letters_matrix(12).det(), "12 x 12 matrix in 144 letters"),
        (lambda: letters_matrix(60, "ab").det(), "60 x 60 matrix in 2 letters"),
        (
            lambda: ExactMatrix.of([[N**5_000 + (i + j) % 2 for i in range(60)] for j in range(60)]).det(),
            "a determinant of",
        ),
        (
            lambda: ExactMatrix.of([["a", "b"] * 70] * 140) @ ExactMatrix.of([["a"] * 140] * 140),
            "a product of matrices",
        ),
    ],
)
def test_what_takes_too_long_is_refused_before_it_starts(call, message):
    start = time.process_time()
    with pytest.raises(SizeError, match=message):
        call()
    assert time.process_time() - start < 10


def test_large_values_are_computed_and_written():
    quotient = (N**20_000 - 1) / (N**19_999 - 1)
    assert quotient.degree == 1
    assert str(quotient).startswith("(n¹⁹⁹⁹⁹ + n¹⁹⁹⁹⁸ + ")
    assert repr(quotient).startswith("<(n¹⁹⁹⁹⁹ + ")
    # Every product of 8 entries, none twice.
    determinant = letters_matrix(8).det()
    assert len(determinant.terms) == 40_320
    assert sum(determinant.terms.values()) == 0
    assert determinant({letter: int(letter[1] == letter[3]) for letter in determinant.letters}) == 1


@few
@given(st.data())
def test_determinants_by_minors_and_by_elimination_agree(data):
    size = data.draw(st.integers(1, 4))
    entries = st.one_of(st.just(RationalFunction(0)), polynomials(["n", "m"]))
    rows = ExactMatrix.of([[data.draw(entries) for _ in range(size)] for _ in range(size)])
    numerators = [[ring.to_polynomial(e.numerator.terms, ("m", "n")) for e in row] for row in rows]
    assert matrix_module._by_minors(numerators) == matrix_module._by_elimination(numerators)
    at = {"n": data.draw(st.integers(-3, 3)), "m": 2}
    assert rows.det()(at) == ExactMatrix.of([[entry(at) for entry in row] for row in rows]).det()


# --- how it looks


@pytest.mark.parametrize(
    ("value", "text", "latex"),
    [
        ("n^2 - 1", "n² - 1", "n^{2} - 1"),
        ("(n + 1)/(n (n - 1)^12)", "(n + 1)/(n (n - 1)¹²)", r"\frac{n + 1}{n (n - 1)^{12}}"),
        ("-n/2 + 1000 c_in0", "-1/2 n + 1,000 c_in0", r"-\frac{1}{2} n + 1000 c_{\mathrm{in0}}"),
        ("2 n2 (n1 + 1)", "2 n1 n2 + 2 n2", "2 n_{1} n_{2} + 2 n_{2}"),
        ("-3 n (n - 1)", "-3 n (n - 1)", "-3 n (n - 1)"),
        ("1/(2 n)", "1/(2 n)", r"\frac{1}{2 n}"),
        ("0", "0", "0"),
    ],
)
def test_texts(value, text, latex):
    read = RationalFunction(value)
    assert str(read) == text
    assert read.latex() == latex
    assert read._repr_latex_() == f"${latex}$"
    assert sympy.latex(read) == latex
    assert repr(read) == f"RationalFunction({text!r})"


def test_long_values_are_cut():
    long = sum((N**power for power in range(100)), RationalFunction(0))
    assert len(repr(long)) < 2 * ring.MAX_REPR
    assert repr(long).startswith("<n⁹⁹ + ")
    digits = RationalFunction(10**5000)
    assert str(digits) == "1" + "0" * 5000
    assert repr(digits).startswith("<1000")


def test_polynomials_need_neither_flint_nor_sympy_nor_fractions():
    code = (
        "import sys; from eqsynth.exact.ring import RationalFunction as R; n = R('n');"
        "v = n * (n - 1) / 2 * R('c') ** 2; print(v, v({'n': 4, 'c': 3}), hash(v) == hash(v + 0), repr(n));"
        "print([m for m in ('flint', 'sympy', 'numpy', 'fractions', 'more_itertools') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1/2 n² c² - 1/2 n c² 54 True RationalFunction('n')\n[]\n"


@pytest.mark.parametrize(
    "text", ["1/((k - n) n)", "k/((k - n) n^3)", "(n + 1)/((m - n)^2 n)", "1/(n (n - k))", "1/(k - n)^2", "1/(k - n)"]
)
def test_quotients_are_read_back_as_they_were(text):
    """1/((k - n) n) was once written as 1/(k - n) n."""
    value = RationalFunction(text)
    assert RationalFunction(str(value)) == value
    assert eval(repr(value)) == value


@pytest.mark.parametrize("text", ["1e5", "1e-3", "0x10", "1_000", "½", "n½", "٣", "2 n½"])
def test_numbers_in_other_notations_are_no_letters(text):
    with pytest.raises(ParseError):
        RationalFunction(text)


def test_letters_can_be_written_again():
    for name in ("1", "x+1", "", "a b", "½"):
        with pytest.raises(SymbolicError, match="no letter"):
            RationalFunction(sympy.Symbol(name))
    for other in (sympy.Dummy("n"), sympy.Symbol("n", commutative=False)):
        with pytest.raises(SymbolicError, match="plain"):
            RationalFunction(other)
    with pytest.raises(SymbolicError, match="name all"):
        RationalFunction("n")(4, n=3)
