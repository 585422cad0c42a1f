"""The algebra of diagrams: every law is checked on matrices, and every checker is shown something that fails it."""

import operator
import pickle
import subprocess
import sys
from fractions import Fraction
from functools import cache, reduce
from itertools import pairwise, permutations, product
from math import comb, factorial

import flint
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

import eqsynth as eq
from eqsynth.bases import algebra
from eqsynth.bases.algebra import (
    Map,
    Orbits,
    Polynomial,
    cap,
    compose,
    counit,
    cup,
    epsilon,
    from_orbits,
    identity,
    inner,
    matrix,
    merge,
    permute,
    same,
    split,
    swap,
    tensor,
    to_orbits,
    trace,
    transpose,
    unit,
)
from eqsynth.diagrams import enumeration, functor
from eqsynth.errors import EqsynthError, GroupError, OperandError, SizeError, SpaceError, SymbolicError
from eqsynth.exact.partitions import components
from eqsynth.exact.permutations import sign

NAMES = [
    "S(1)", "S(2)", "S(3)", "O(2)", "O(3)", "SO(1)", "SO(2)", "SO(3)", "SO(4)",
    "Sp(2)", "Sp(4)", "A(1)", "A(2)", "A(3)", "A(4)",
    "O(1,2)", "SO(1,1)", "SO(1,2)",
]  # fmt: skip
HEADLESS = ["S(n)", "O(n)", "SO(n)", "Sp(n)", "A(n)", "S(2)", "O(2)", "Sp(2)"]
ENTRIES = 5000
SPACE = {
    "Map": Map, "Group": eq.Group, "Diagram": eq.Diagram, "Fraction": Fraction, "RationalFunction": Polynomial,
    "Orbits": Orbits,
}  # fmt: skip
few = settings(max_examples=50, deadline=None)
# Listed once: Hypothesis takes longer to build and check a strategy than to draw from it.
FRACTIONS = sorted({Fraction(top, bottom) for bottom in range(1, 5) for top in range(-2 * bottom, 2 * bottom + 1)})
NUMBERS = [*range(-3, 4), *FRACTIONS]
numbers = st.sampled_from(NUMBERS)
in_n = st.sampled_from(
    [*NUMBERS, *(Polynomial(c, letter="n") for size in range(4) for c in product(range(-2, 3), repeat=size))]
)


@cache
def pool(group, outputs, inputs):
    """The diagrams with a head, and those without."""
    listed = list(enumeration.diagrams(group, outputs, inputs))
    return [d for d in listed if d.head], [d for d in listed if not d.head]


@cache
def spanning(group, outputs, inputs):
    return frozenset(enumeration.diagrams(group, outputs, inputs))


@cache
def reference(group, diagram):
    return functor.matrix(group, diagram, group.n)


def value(group, terms, outputs, inputs):
    """The matrix of (scalar, diagram) terms, each of which must be in the spanning set."""
    total = np.zeros((group.n**outputs, group.n**inputs), np.int64)
    for scalar, diagram in terms:
        assert diagram in spanning(group, outputs, inputs)
        total += scalar * reference(group, diagram)
    return total


def fits(group, *orders):
    size = 2 if group.symbolic else max(group.n, 2)
    return sum(orders) <= 6 and size ** sum(orders) <= ENTRIES


@cache
def chains(group, joins, most):
    """Orders k0, k1, ... such that maps between neighbours are small and there are diagrams at all."""
    good = {(k, j): fits(group, k, j) and any(pool(group, j, k)) for k, j in product(range(most + 1), repeat=2)}
    return [
        orders for orders in product(range(most + 1), repeat=joins + 1) if all(good[pair] for pair in pairwise(orders))
    ]


def some_orders(data, group, joins, most=3, allowed=lambda *_: True):
    orders = [orders for orders in chains(group, joins, most) if allowed(*orders)]
    return orders[data.draw(st.integers(0, len(orders) - 1))]


@cache
def with_head_or_without(group, outputs, inputs):
    return st.one_of(*map(st.sampled_from, filter(None, pool(group, outputs, inputs))))


def a_diagram(data, group, outputs, inputs):
    return data.draw(with_head_or_without(group, outputs, inputs))


def a_map(data, group, outputs, inputs):
    scalars = in_n if group.symbolic else numbers
    terms = [(data.draw(scalars), a_diagram(data, group, outputs, inputs)) for _ in range(data.draw(st.integers(1, 2)))]
    return Map.collect(group, outputs, inputs, terms)


# The functor.


def keeps_composition(group, first, second):
    found = value(group, compose(group, first, second), second.outputs, first.inputs)
    return np.array_equal(found, reference(group, second) @ reference(group, first))


def keeps_tensor(group, left, right):
    found = value(group, tensor(group, left, right), left.outputs + right.outputs, left.inputs + right.inputs)
    return np.array_equal(found, np.kron(reference(group, left), reference(group, right)))


def keeps_transpose(group, diagram):
    ((scalar, turned),) = transpose(group, diagram)
    return np.array_equal(
        value(group, [(scalar, turned)], diagram.inputs, diagram.outputs), reference(group, diagram).T
    )


@pytest.mark.parametrize("name", NAMES)
@few
@given(st.data())
def test_composition_is_the_product_of_matrices(name, data):
    group = eq.Group.parse(name)
    k, j, m = some_orders(data, group, 2, most=4, allowed=lambda k, _, m: fits(group, k, m))
    assert keeps_composition(group, a_diagram(data, group, j, k), a_diagram(data, group, m, j))


@pytest.mark.parametrize("name", NAMES)
@few
@given(st.data())
def test_tensor_is_the_kronecker_product(name, data):
    group = eq.Group.parse(name)
    k, j = some_orders(data, group, 1)
    m, p = some_orders(data, group, 1, allowed=lambda m, p: fits(group, k, j, m, p))
    assert keeps_tensor(group, a_diagram(data, group, j, k), a_diagram(data, group, p, m))


@pytest.mark.parametrize("name", NAMES)
@few
@given(st.data())
def test_transposing_transposes_the_matrix(name, data):
    group = eq.Group.parse(name)
    k, j = some_orders(data, group, 1, most=4)
    assert keeps_transpose(group, a_diagram(data, group, j, k))


@pytest.mark.parametrize(("name", "most"), [("SO(2)", 4), ("SO(3)", 5), ("A(2)", 4), ("A(3)", 4)])
def test_every_pair_of_heads_composes(name, most):
    """Exhaustive where the signs are: heads on both sides, at every split of their strands."""
    group, met = eq.Group.parse(name), 0
    for k, j, m in product(range(most + 1), repeat=3):
        if max(k + j, j + m, k + m) <= most:
            for first, second in product(pool(group, j, k)[0], pool(group, m, j)[0]):
                assert keeps_composition(group, first, second)
                met += 1
    assert met > 50


@pytest.mark.parametrize("name", ["S(2)", "O(3)", "SO(2)", "Sp(2)", "A(2)"])
@few
@given(st.data())
def test_sums_and_multiples_are_those_of_matrices(name, data):
    group = eq.Group.parse(name)
    k, j = some_orders(data, group, 1)
    f, g, factor = a_map(data, group, j, k), a_map(data, group, j, k), data.draw(numbers)
    assert np.array_equal(matrix(f + g), matrix(f) + matrix(g))
    assert np.array_equal(matrix(f - g), matrix(f) - matrix(g))
    assert np.array_equal(matrix(factor * f), factor * matrix(f))
    assert (f - f).terms == (0 * f).terms == ()
    assert inner(f, g) == (matrix(f) * matrix(g)).sum()
    assert inner(f, g) == trace(f.T >> g)
    assert same(f, g) == np.array_equal(matrix(f), matrix(g))


@pytest.mark.parametrize("name", ["S(2)", "O(3)", "SO(2)", "Sp(2)", "Sp(4)", "A(3)"])
@few
@given(st.data())
def test_the_trace_is_that_of_the_matrix(name, data):
    group = eq.Group.parse(name)
    order = data.draw(st.integers(0, 2))
    f = a_map(data, group, order, order)
    assert trace(f) == matrix(f).trace()


# Sabotage: what the laws above would say to an algebra without its scalars.


def broken(group, j, k, m):
    """How many pairs of diagrams fail the functor law."""
    firsts, seconds = reduce(operator.iadd, pool(group, j, k), []), reduce(operator.iadd, pool(group, m, j), [])
    return sum(not keeps_composition(group, first, second) for first, second in product(firsts, seconds))


@pytest.mark.parametrize(
    ("name", "scalar", "orders"),
    [
        ("S(2)", "_power", (1, 1, 1)),
        ("O(2)", "_power", (2, 0, 0)),
        ("SO(2)", "sign_of", (2, 2, 0)),
        ("SO(3)", "sign_of", (1, 2, 2)),
        ("A(3)", "sign_of", (2, 1, 1)),
        ("SO(2)", "factorial", (2, 0, 0)),
        ("A(2)", "factorial", (2, 0, 0)),
    ],
)
def test_without_the_scalar_the_law_breaks(monkeypatch, name, scalar, orders):
    group = eq.Group.parse(name)
    assert broken(group, *orders) == 0
    monkeypatch.setattr(algebra, scalar, lambda *_: 1)
    assert broken(group, *orders) > 0


def test_plain_matching_composition_breaks_the_law_of_sp():
    group = eq.Group("Sp", 2)
    first, second = swap(group).terms[0][1], cap(group).terms[0][1]
    ((scalar, plain),) = compose("O(2)", first, second)
    right, wrong = reference(group, second) @ reference(group, first), scalar * reference(group, plain)
    assert not np.array_equal(right, wrong)
    assert np.array_equal(right, -wrong)


@pytest.mark.parametrize("scalar", ["_power", "sign_of"])
def test_without_the_scalar_composition_is_not_associative(monkeypatch, scalar):
    """The laws that look at no matrix can fail too."""
    f, g, h = (cup("S(n)"), cap("S(n)"), unit("S(n)"))
    turn = next(Map.of("SO(2)", d) for d in pool(eq.Group("SO", 2), 1, 1)[0])
    assert inner(f >> g >> h, f >> g >> h) == Polynomial("n³")
    assert turn >> turn == -identity("SO(2)", 1)
    monkeypatch.setattr(algebra, scalar, lambda *_: 1)
    whole = inner(f >> g >> h, f >> g >> h) == Polynomial("n³")
    assert not (whole and turn >> turn == -identity("SO(2)", 1))


# The category.


@pytest.mark.parametrize("name", HEADLESS)
@few
@given(st.data())
def test_a_category_with_tensor_and_transpose(name, data):
    """Without heads the laws hold term by term."""
    group = eq.Group.parse(name)
    k, j, m, p = some_orders(data, group, 3, most=2)
    f, g, h = a_map(data, group, j, k), a_map(data, group, m, j), a_map(data, group, p, m)
    assert (f >> g) >> h == f >> (g >> h)
    assert identity(group, k) >> f == f == f >> identity(group, j)
    assert (f @ g) @ h == f @ (g @ h)
    assert identity(group, 0) @ f == f == f @ identity(group, 0)
    assert (f @ identity(group, j)) >> (identity(group, j) @ g) == f @ g
    assert f == f.T.T
    assert (f >> g).T == g.T >> f.T
    assert (f @ g).T == f.T @ g.T
    assert f >> (g + g * 2) == (f >> g) * 3


@pytest.mark.parametrize("name", ["SO(1)", "SO(2)", "SO(3)", "A(2)", "A(3)"])
@few
@given(st.data())
def test_the_same_laws_with_heads_hold_of_matrices(name, data):
    """Where heads are expanded the order of expansion shows in the terms, and not in the map."""
    group = eq.Group.parse(name)
    k, j, m, p = some_orders(data, group, 3, most=2, allowed=lambda *orders: sum(orders) <= 6)
    f, g, h = a_map(data, group, j, k), a_map(data, group, m, j), a_map(data, group, p, m)
    assert same((f >> g) >> h, f >> (g >> h))
    assert identity(group, k) >> f == f == f >> identity(group, j)
    assert same((f @ g) >> (identity(group, j) @ h), f @ (g >> h))
    assert f == f.T.T
    assert same((f >> g).T, g.T >> f.T)
    assert same((f @ g).T, f.T @ g.T)


@pytest.mark.parametrize("name", ["S(n)", "O(n)", "Sp(n)", "SO(2)", "A(2)"])
@few
@given(st.data())
def test_interchange(name, data):
    group = eq.Group.parse(name)
    k, j, m = some_orders(data, group, 2, most=2)
    p, q, r = some_orders(data, group, 2, most=1)
    f, h = a_map(data, group, j, k), a_map(data, group, m, j)
    g, i = a_map(data, group, q, p), a_map(data, group, r, q)
    assert same((f @ g) >> (h @ i), (f >> h) @ (g >> i))


@pytest.mark.parametrize("name", HEADLESS + NAMES)
def test_snakes(name):
    group = eq.Group.parse(name)
    one, bent = identity(group, 1), -1 if group.family == "Sp" else 1
    assert (cup(group) @ one) >> (one @ cap(group)) == bent * one
    assert (one @ cup(group)) >> (cap(group) @ one) == bent * one
    assert cap(group) == cup(group).T


@pytest.mark.parametrize("name", [*HEADLESS, "SO(2)", "A(2)"])
@few
@given(st.data())
def test_permutations_compose_and_slide(name, data):
    group = eq.Group.parse(name)
    first, second = data.draw(st.permutations(range(4))), data.draw(st.permutations(range(4)))
    together = [first[place] for place in second]
    assert permute(group, first) >> permute(group, second) == permute(group, together)
    assert permute(group, first) >> permute(group, first).T == identity(group, 4)
    k, j = some_orders(data, group, 1, most=2)
    f, one = a_map(data, group, j, k), identity(group, 1)
    left = permute(group, [*range(1, k + 1), 0])
    right = permute(group, [*range(1, j + 1), 0])
    assert same((one @ f) >> right, left >> (f @ one))


def test_permute_is_numpys_transpose():
    x = np.arange(8).reshape(2, 2, 2)
    for order in permutations(range(3)):
        assert np.array_equal(matrix(permute("O(2)", order)) @ x.ravel(), x.transpose(order).ravel())


@pytest.mark.parametrize("name", ["S(n)", "A(n)", "S(2)", "A(3)"])
def test_a_special_commutative_frobenius_algebra(name):
    one, m, w = identity(name, 1), merge(name), split(name)
    assert (m @ one) >> m == (one @ m) >> m
    assert (unit(name) @ one) >> m == one == (w >> (counit(name) @ one))
    assert swap(name) >> m == m
    assert w >> m == one
    assert (w @ one) >> (one @ m) == m >> w == (one @ w) >> (m @ one)
    assert unit(name) >> w == cup(name)
    assert m >> counit(name) == cap(name)


# Symbolic and numeric.


@pytest.mark.parametrize("family", ["S", "O", "SO", "Sp", "A", "H"])
@few
@given(st.data())
def test_what_holds_for_a_letter_holds_for_every_number(family, data):
    group = eq.Group(family, "n")
    k, j, m = some_orders(data, group, 2, most=2)
    f, g = a_map(data, group, j, k), a_map(data, group, m, j)
    for n in (2, 4) if family == "Sp" else (1, 2, 3, 4):
        assert (f >> g).at(n) == f.at(n) >> g.at(n)
        assert np.array_equal(matrix(f >> g, n), matrix(g, n) @ matrix(f, n))
        assert f.T.at(n) == f.at(n).T
        if n < 4:
            assert (f @ g).at(n) == f.at(n) @ g.at(n)
        length = inner(f, f)
        assert (length(n) if isinstance(length, Polynomial) else length) == inner(f.at(n), f.at(n))


@few
@given(*[st.lists(st.fractions(-3, 3, max_denominator=5), max_size=4)] * 2, st.integers(-4, 4))
def test_polynomials_are_a_ring(left, right, n):
    one, other = Polynomial(left), Polynomial(right)
    at = lambda scalar: scalar(n) if isinstance(scalar, Polynomial) else scalar  # noqa: E731
    assert at(one + other) == at(one) + at(other)
    assert at(one - other) == at(one) - at(other)
    assert at(one * other) == at(one) * at(other)
    assert one - one == 0
    assert eval(repr(one), SPACE) == one
    assert hash(one + other) == hash(other + one)


# Heads.


@pytest.mark.parametrize("name", ["SO(1)", "SO(2)", "SO(3)", "SO(4)", "A(2)", "A(3)", "A(4)"])
def test_two_heads_become_a_determinant(name):
    group = eq.Group.parse(name)
    n, volume = group.n, epsilon(name)
    assert volume >> volume.T == factorial(n) * identity(group, 0)
    outer = volume.T >> volume
    orders = [Map.of(group, permute(group, order).terms[0][1], sign(order)) for order in permutations(range(n))]
    assert outer == sum(orders[1:], orders[0])


@pytest.mark.parametrize("name", ["SO(2)", "SO(3)", "SO(4)", "A(2)", "A(3)"])
def test_joining_two_strands_of_a_head_gives_zero(name):
    n = eq.Group.parse(name).n
    joined = cap(name) @ identity(name, n - 2)
    assert (epsilon(name) >> joined).terms == ()
    assert epsilon(name) >> (swap(name) @ identity(name, n - 2)) == -epsilon(name)


def test_what_jellyfish_do():
    volume, ones = epsilon("A(3)"), counit("A(3)")
    one = identity("A(3)", 1)
    sides = volume >> (one @ one @ ones)
    ((scalar, jelly),) = sides.terms
    assert (scalar, len(jelly.blocks), len(jelly.head)) == (1, 2, 2)
    # Summing a second strand is antisymmetric in two labels, hence zero.
    assert (sides >> (one @ ones)).terms == ()
    # Merging two strands asks two labels to agree and to differ.
    assert (volume >> (merge("A(3)") @ one)).terms == ()
    # A block beside a head agrees with one of its labels, or with the missing one.
    beside = sides @ unit("A(3)")
    assert [(c, len(d.blocks)) for c, d in beside.terms] == [(1, 2), (1, 2), (1, 3)]
    # Copying a strand keeps the head.
    assert (volume >> (split("A(3)") @ one @ one)).terms[0][1].head == (0, 1, 2)


def test_turning_twice_is_turning_around():
    (turn,) = pool(eq.Group("SO", 2), 1, 1)[0]
    assert compose("SO(2)", turn, turn) == ((-1, eq.Diagram(1, 1, ((0, 1),))),)


# The traps of the mathematics.


def test_trap_sp_carries_signs():
    one = identity("Sp(n)", 1)
    assert swap("Sp(n)") >> cap("Sp(n)") == -cap("Sp(n)")
    assert (one @ cup("Sp(n)")) >> (cap("Sp(n)") @ one) == -one
    assert cup("Sp(n)") >> cap("Sp(n)") == Polynomial("n") * identity("Sp(n)", 0)
    assert np.array_equal(matrix(cap("Sp(2)")), [[0, 1, -1, 0]])


def rank(group, diagrams):
    maps = [Map.of(group, diagram) for diagram in diagrams]
    return flint.fmpz_mat([[inner(left, right) for left in maps] for right in maps]).rank() if maps else 0


@pytest.mark.parametrize(("n", "expected"), [(1, 1), (2, 8), (3, 14), (4, 15), (5, 15)])
def test_trap_the_bell_number_is_the_dimension_for_large_n_only(n, expected):
    assert rank(eq.Group("S", n), enumeration.diagrams(eq.Group("S", n), 2, 2)) == expected


@pytest.mark.parametrize(("family", "n"), [("O", 1), ("O", 2), ("O", 3), ("Sp", 2), ("Sp", 4), ("Sp", 6)])
def test_trap_when_matchings_are_independent(family, n):
    group = eq.Group(family, n)
    for m in (2, 4, 6):
        listed = list(enumeration.diagrams(group, m // 2, m - m // 2))
        independent = m <= (2 * n if family == "O" else n)
        assert (rank(group, listed) == len(listed)) == independent


@pytest.mark.parametrize(("n", "dimension"), [(2, 3), (3, 6), (4, 10)])
def test_trap_det_diagrams_are_dependent_at_two_more_vertices(n, dimension):
    """At m = n the one det-diagram counts, at m = n + 2 fewer than all; dimensions by the walks to (1^n)."""
    group = eq.Group("SO", n)
    assert rank(group, pool(group, n, 0)[0]) == 1
    heads = pool(group, n, 2)[0]
    assert rank(group, heads) == dimension < len(heads) == comb(n + 2, 2)


def test_trap_the_first_alternating_group_adds_nothing():
    assert list(enumeration.diagrams(eq.Group("A", 1), 1, 2)) == list(enumeration.diagrams(eq.Group("S", 1), 1, 2))
    with pytest.raises(GroupError, match=r"A\(n\) above n = 1"):
        epsilon("A(1)")


@pytest.mark.parametrize("name", ["SO(2)", "SO(3)", "A(2)", "A(3)"])
def test_heads_are_orthogonal_to_what_has_none(name):
    group = eq.Group.parse(name)
    for k, j in product(range(3), repeat=2):
        heads, plain = pool(group, j, k)
        for left, right in product(heads, plain):
            assert inner(Map.of(group, left), Map.of(group, right)) == 0
        if group.family == "A":
            for left, right in product(heads, repeat=2):
                assert (inner(Map.of(group, left), Map.of(group, right)) == 0) == (left != right)


@pytest.mark.parametrize("family", ["S", "O", "Sp", "H"])
def test_inner_products_are_powers_of_n(family):
    """S: the blocks of the join. O: the loops of the union, Sp: the same up to sign."""
    group = eq.Group(family, "n")
    for left, right in product(enumeration.diagrams(group, 2, 2), repeat=2):
        joined = components(4, [*left.blocks, *right.blocks])
        found = inner(Map.of(group, left), Map.of(group, right))
        assert found in {Polynomial([0] * len(set(joined)) + [sign]) for sign in (1, -1)}
        assert family == "Sp" or found(1) == 1


# Orbits.


def indicator(diagram, n):
    """The orbit of a diagram, by its definition."""
    total = diagram.outputs + diagram.inputs
    found = np.zeros((n,) * total, np.int64)
    labels = diagram.labels
    for index in product(range(n), repeat=total):
        found[index] = all((index[a] == index[b]) == (labels[a] == labels[b]) for a in range(total) for b in range(a))
    return found.reshape(n**diagram.outputs, n**diagram.inputs)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
@few
@given(st.data())
def test_diagrams_are_sums_of_orbits(size, data):
    group = eq.Group("S", size)
    k, j = some_orders(data, group, 1, most=2)
    f = a_map(data, group, j, k)
    orbits = to_orbits(f)
    total = sum((c * indicator(d, size) for c, d in orbits.terms), np.zeros((size**j, size**k), np.int64))
    assert np.array_equal(total, matrix(f))
    assert all(len(diagram.blocks) <= size for _, diagram in orbits.terms)
    back = from_orbits(orbits)
    assert np.array_equal(matrix(back), matrix(f))
    assert to_orbits(back) == orbits
    assert back == f or k + j > size
    g = a_map(data, group, j, k)
    assert (to_orbits(f) == to_orbits(g)) == same(f, g)


@few
@given(st.data())
def test_orbits_there_and_back_for_a_letter(data):
    group = eq.Group("S", "n")
    k, j = some_orders(data, group, 1)
    f = a_map(data, group, j, k)
    orbits = to_orbits(f)
    assert from_orbits(orbits) == f
    assert eval(repr(orbits), SPACE) == orbits
    other = Orbits(group, j, k, f.terms)
    assert to_orbits(from_orbits(other)) == other
    assert to_orbits(f * -1) == Orbits(group, j, k, tuple((-c, d) for c, d in orbits.terms))


def test_moebius_inversion_needs_its_factor(monkeypatch):
    apart = Orbits(eq.Group("S", 3), 0, 3, ((1, eq.Diagram.of(0, 3, [[0], [1], [2]])),))
    assert np.array_equal(matrix(from_orbits(apart)), indicator(apart.terms[0][1], 3))
    monkeypatch.setattr(algebra, "factorial", lambda _: 1)
    assert not np.array_equal(matrix(from_orbits(apart)), indicator(apart.terms[0][1], 3))


# Values.


@pytest.mark.parametrize("name", [*NAMES, *HEADLESS])
@few
@given(st.data())
def test_a_map_evaluates_to_itself(name, data):
    group = eq.Group.parse(name)
    k, j = some_orders(data, group, 1)
    f = a_map(data, group, j, k)
    assert eval(repr(f), SPACE) == f
    assert hash(eval(repr(f), SPACE)) == hash(f)
    assert pickle.loads(pickle.dumps(f)) == f
    assert Map.collect(group, j, k, reversed(f.terms)) == f
    keys = [diagram.key for _, diagram in f.terms]
    assert keys == sorted(keys)
    assert str(f).count("[y") == len(f.terms)


def test_maps_print_as_formulas():
    one, ones, n = identity("S(n)", 1), counit("S(n)") >> unit("S(n)"), Polynomial("n")
    assert str(n * one + Fraction(3, 2) * ones) == "3/2 · [y[a] += x[b]] + n · [y[a] += x[a]]"
    assert str((n * n - 1) * one - ones) == "-[y[a] += x[b]] + (n² - 1) · [y[a] += x[a]]"
    assert str(0 * one) == "0"
    assert str(n * Fraction(-1, 2) + 1) == "-1/2 n + 1"
    assert str(cup("Sp(n)")) == "[y[a,b] += ω[a,b] x]"
    assert str(to_orbits(one - ones)) == "-X[y[a] += x[b]]"


def test_matrices_are_exact():
    one = identity("S(2)", 1)
    assert matrix(one).dtype == np.int64
    assert matrix(one * 10**30)[0, 0] == 10**30
    third = matrix(one * Fraction(1, 3))
    assert third[0, 0] + third[0, 0] + third[0, 0] == 1
    assert matrix(cup("O(n)"), 3).tolist() == [[1], [0], [0], [0], [1], [0], [0], [0], [1]]
    assert matrix(0 * one).tolist() == [[0, 0], [0, 0]]


def test_loads_neither_arrays_nor_tensors():
    code = (
        "import sys, eqsynth.algebra as a; f = a.cup('S(n)') >> a.cap('S(n)'); print(f);"
        "print([m for m in ('flint', 'sympy', 'numpy', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "n · [y += x]\n[]\n"


def test_a_number_in_a_sum_is_a_multiple_of_the_identity():
    total, one = unit("S(n)"), identity("S(n)", 1)
    mean = (counit("S(n)") >> total) / Polynomial("n")
    assert 1 - mean == one - mean
    assert mean - Fraction(1, 2) == mean - one / 2
    assert (1 - mean).power(2) == 1 - mean
    assert np.int64(2) + mean == mean + 2 * one == mean + sympy.Integer(2)
    assert mean + Polynomial("n") == mean + Polynomial("n") * one
    assert total + 0 == total == 0 + total
    assert sum([total, total]) == 2 * total


STRAND = eq.Diagram(1, 1, ((0, 1),))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: cup("S(n)") >> cup("S(n)"), SpaceError, r"\(S\(n\): 0 -> 2\) >> \(S\(n\): 0 -> 2\): the first has 2"),
        (lambda: cap("S(n)") >> identity("S(n)", 2), SpaceError, "the other way round they fit"),
        (lambda: cup("S(n)") >> cap("O(n)"), GroupError, r"S\(n\): 0 -> 2\) and \(O\(n\): 2 -> 0"),
        (lambda: cup("S(n)") @ cap("S(3)"), GroupError, r"f.at\(n\) puts a number"),
        (lambda: cup("S(n)") + cap("S(n)"), SpaceError, "a sum needs equal orders"),
        (lambda: cup("S(n)") * 0.5, EqsynthError, r"Fraction\(1, 2\)"),
        (lambda: cup("S(n)") * cap("S(n)"), EqsynthError, "f >> g composes"),
        (lambda: cup("S(n)") * Polynomial("m"), EqsynthError, r"not in the size of S\(n\)"),
        (lambda: Map(eq.Group("S", 2), 1, 1, ((0, STRAND),)), EqsynthError, "Map.collect"),
        (lambda: Map(eq.Group("S", 2), 1, 1, ((1, STRAND), (1, STRAND))), EqsynthError, "Map.collect"),
        (lambda: Map(eq.Group("S", 2), 1, 2, ((1, STRAND),)), SpaceError, "1 -> 1 has no place in a map 2 -> 1"),
        (lambda: merge("O(3)"), GroupError, r"^y\[a\] \+= x\[a,a\], 2 -> 1, is no diagram of O\(3\): it takes perfect"),
        (lambda: epsilon("SO(n)"), SymbolicError, r"ask for SO\(3\)"),
        (lambda: permute("O(n)", (0, 2)), SpaceError, "name each of 0 ... 1 once"),
        (lambda: trace(cup("O(n)")), SpaceError, "as many"),
        (lambda: inner(cup("O(n)"), cap("O(n)")), SpaceError, "equal orders"),
        (lambda: compose("O(n)", STRAND, eq.Diagram(0, 2, ((0, 1),))), SpaceError, "as many inputs"),
        (lambda: matrix(cup("O(n)")), SymbolicError, r"matrix\(f, 3\)"),
        (lambda: matrix(identity("O(10)", 4)), SizeError, "same"),
        (lambda: cup("O(3)").at(4), GroupError, r"O\(4\)"),
        (lambda: cup("Sp(n)").at(3), GroupError, r"Sp\(4\)"),
        (lambda: epsilon("SO(10)") @ epsilon("SO(10)"), SizeError, "smaller n"),
        (lambda: epsilon("A(9)") @ identity("A(9)", 6), SizeError, "fewer blocks"),
        (lambda: to_orbits(cup("O(3)")), GroupError, "the orbit basis is that of S"),
        (lambda: to_orbits(identity("S(n)", 12)), SizeError, "fewer blocks"),
        (lambda: Orbits(eq.Group("S", 1), 1, 1, ((1, eq.Diagram.of(1, 1, [[0], [1]])),)), EqsynthError, "at most 1"),
        (lambda: identity("S(n)", 1) >> 3, OperandError, r"\(S\(n\): 1 -> 1\) >> 3 is not defined: c \* f"),
        (lambda: 3 >> identity("S(n)", 1), OperandError, r"3 >> \(S\(n\): 1 -> 1\) is not defined: c \* f"),
        (lambda: identity("S(n)", 1) @ 2, OperandError, r"adds k strands beside f"),
        (lambda: 2 @ identity("S(n)", 1), TypeError, r"2 @ \(S"),
        (lambda: identity("S(n)", 1) >> STRAND, OperandError, r"write basis\.map\(i\) in place of basis\[i\]"),
        (lambda: STRAND + identity("S(n)", 1), OperandError, r"write basis\.map\(i\) in place of basis\[i\]"),
        (lambda: identity("S(3)", 1) >> np.eye(3), OperandError, r"both sides are maps of S\(3\)"),
        (lambda: np.eye(3) @ identity("S(3)", 1), OperandError, r"both sides are maps of S\(3\)"),
        (lambda: np.array([1, 2]) * identity("S(3)", 1), EqsynthError, "is not exact"),
        (lambda: identity("S(3)", 1) - "x", OperandError, "- 'x' is not defined: both sides"),
        (lambda: identity("S(n)", 1) ** 2, OperandError, r"f\.power\(2\) is f >> f"),
        (lambda: merge("S(n)") + 1, SpaceError, "2 -> 1.* a number in a sum is a multiple of the identity"),
        (lambda: identity("S(n)", 1) + 0.5, EqsynthError, r"Fraction\(1, 2\)"),
    ],
)
def test_what_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


GRAPHS = ["Aut(path3)", "Aut(cycle4)", "Aut(3: 0>1 1>2 2>2)", "Aut(4: 0-1 1-2 2-3 1-1)"]


@st.composite
def bilabelled(draw, group, outputs, inputs):
    """Any partition of the vertices, up to two internal blocks, any edges."""
    parsed = eq.Group.parse(group)
    total = outputs + inputs
    labels = draw(st.lists(st.integers(0, 2), min_size=total, max_size=total))
    blocks = sorted(tuple(v for v in range(total) if labels[v] == label) for label in set(labels))
    count = len(blocks) + draw(st.integers(0, 2))
    pairs = [(i, j) for i in range(count) for j in range(count) if parsed.graph.directed or i <= j]
    edges = draw(st.lists(st.sampled_from(pairs), max_size=3, unique=True)) if pairs else []
    padded = (*blocks, *((),) * (count - len(blocks)))
    return Map.of(parsed, eq.Diagram(outputs, inputs, padded, tuple(sorted(edges))))


@few
@given(st.data(), st.sampled_from(GRAPHS))
def test_bilabelled_graphs_compose_as_their_matrices(data, group):
    k, m, lo = (data.draw(st.integers(0, 2)) for _ in range(3))
    f, g = data.draw(bilabelled(group, m, k)), data.draw(bilabelled(group, lo, m))
    assert np.array_equal(matrix(f >> g), matrix(g) @ matrix(f))
    assert np.array_equal(matrix(f @ g), np.kron(matrix(f), matrix(g)))
    assert np.array_equal(matrix(f.T), matrix(f).T)
    assert (f >> g).T == g.T >> f.T
    assert trace(f.T >> f) == np.trace(matrix(f) @ matrix(f).T) == inner(f, f)


def test_bilabelled_graphs_by_hand():
    edge = algebra.edge("Aut(petersen)")
    adjacency = eq.Aut("petersen").graph.adjacency()
    assert np.array_equal(matrix(edge), adjacency)
    assert np.array_equal(matrix(edge >> edge), adjacency @ adjacency)
    assert trace(edge >> edge) == 30  # each of the 15 edges, both ways
    assert str(unit("Aut(petersen)") >> counit("Aut(petersen)")) == "10 · [y += x]"
    assert edge >> identity("Aut(petersen)", 1) == edge
    with pytest.raises(GroupError, match="no edges"):
        algebra.edge("S(3)")


def test_gluing_without_the_scalar_breaks_the_law(monkeypatch):
    star = Map.of("Aut(path3)", eq.Diagram(0, 1, ((0,), ()), ((0, 1),)))
    broken = unit("Aut(path3)") >> star
    monkeypatch.setattr(algebra, "values", lambda *_: [1])
    assert (unit("Aut(path3)") >> star) != broken
    assert matrix(broken).item() == 4  # twice the edges of the path
