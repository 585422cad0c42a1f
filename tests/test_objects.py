"""Results that go on: maps of a basis, Bratteli diagrams, idempotents, characters, changes of basis."""

import operator
import re
from collections import Counter
from fractions import Fraction
from functools import reduce
from itertools import combinations, product
from math import factorial
from xml.etree import ElementTree

import numpy as np
import pytest
import sympy

import eqsynth as eq
from eqsynth.algebra import (
    Map,
    central_idempotents,
    character,
    epsilon,
    identity,
    jucys_murphy,
    kronecker,
    matrix_units,
    primitive_idempotents,
    to_orbits,
    trace,
)
from eqsynth.bases.bratteli import steps_order
from eqsynth.bases.idempotents import central_elements
from eqsynth.errors import EqsynthError, GroupError, SizeError, SpaceError, SymbolicError
from eqsynth.exact.partitions import partitions
from eqsynth.exact.ring import from_flint
from eqsynth.exact.spherical import centraliser
from eqsynth.families.symplectic import omega
from eqsynth.symbolic import ExactMatrix, change_of_basis, degenerate_sizes, weingarten_function

# --- maps ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("group", "inputs", "outputs", "n"), [
    ("S(n)", 2, 1, 3), ("S(2)", 2, 2, None), ("O(n)", 2, 2, 2), ("SO(3)", 1, 2, None), ("Sp(2)", 2, 2, None),
    ("GL(n)", "(1,1)", "(1,1)", 2), ("H(n)", 2, 2, 2), ("O(1,2)", 2, 2, None),
])  # fmt: skip
def test_maps_of_a_basis_have_its_matrices(group, inputs, outputs, n):
    basis = eq.basis(group, inputs, outputs)
    for index, matrix in enumerate(basis.matrices(n)):
        assert (basis.map(index).matrix(n) == matrix).all()
        assert ((basis.map(index) / 3).matrix(n) == matrix * Fraction(1, 3)).all()
        assert basis.map(index).terms == ((1, basis[index]),)


@pytest.mark.parametrize("group", ["S(n)", "O(n)", "Sp(n)", "SO(2)"])
def test_powers_and_traces_are_those_of_matrices(group):
    basis = eq.basis(group, 2, 2)
    sum_of_all = reduce(operator.add, (basis.map(index) * (index + 1) for index in range(len(basis))))
    n = None if basis.group.n == 2 else 2
    matrix = sum_of_all.matrix(n)
    for exponent in range(4):
        assert (sum_of_all.power(exponent).matrix(n) == np.linalg.matrix_power(matrix, exponent)).all()
    value = sum_of_all.trace()
    assert (value if n is None else value(n)) == np.trace(matrix)


def entries(latex, group, n):
    """The matrix that a map in LaTeX with one term says, from its factors alone."""
    right = latex.split(" = ")[1]
    tensors = {"delta": np.eye(n, dtype=int), "omega": omega(n) if n % 2 == 0 else None}
    if group.signature is not None:
        tensors["eta"] = np.diag([1] * group.signature[0] + [-1] * group.signature[1])
    if group.heads and n < 4:
        tensors["varepsilon"] = epsilon(f"SO({n})").matrix().reshape((n,) * n)
    factors = re.findall(r"\\(delta|omega|eta|varepsilon)_\{(\w+)\}", right)
    unit, into, out = np.ones(n, int), *(re.search(name + r"_\{(\w+)\}", latex) for name in "xy")
    rows, columns = (found[1] if found else "" for found in (out, into))
    summed = re.search(r"\\sum_\{([\w,]+)\}", right)
    free = {*rows, *(summed[1].split(",") if summed else ())}
    assert set(columns) <= free
    # Each axis of the input is an axis of the matrix, equal to its letter in the formula.
    own = [chr(ord("A") + place) for place in range(len(columns))]
    parts = [
        ",".join([*(letters for _, letters in factors), *map("".join, zip(own, columns, strict=True)), *sorted(free)])
    ]
    operands = [*(tensors[name] for name, _ in factors), *([np.eye(n, dtype=int)] * len(own)), *([unit] * len(free))]
    matrix = np.einsum(f"{parts[0]}->{rows}{''.join(own)}", *operands)
    return matrix.reshape(n ** len(rows), -1)


@pytest.mark.parametrize(("group", "n", "orders"), [
    ("S(n)", 2, (2, 2)), ("O(3)", 3, (2, 2)), ("Sp(2)", 2, (2, 2)), ("SO(3)", 3, (1, 2)), ("O(1,2)", 3, (3, 1)),
    ("SO(1,2)", 3, (2, 1)),
])  # fmt: skip
def test_latex_says_what_the_matrix_is(group, n, orders):
    basis = eq.basis(group, *orders)
    for index in range(len(basis)):
        one = basis.map(index)
        assert (entries(one.latex(), basis.group, n) == one.matrix(n if basis.group.symbolic else None)).all()
        assert one._repr_latex_() == f"${one.latex()}$"


def test_maps_in_latex():
    one = eq.basis("S(n)", 1, 1).map(1)
    assert (one * Map.trace(one) / 2 - one).latex() == r"y_{a} = \left(\frac{1}{2} n - 1\right) x_{a}"
    assert (one - one).latex() == "y_{a} = 0"
    assert eq.basis("S(n)", 0, 0).map(0).latex() == "y = x"


@pytest.mark.parametrize(("call", "error", "why"), [
    (lambda: eq.basis("S(n) x O(3)", "(1,1)", "(1,1)").map(0), GroupError, "products of maps of its factors"),
    (lambda: eq.basis("C(5)", 1, 1).map(0), GroupError, r"tables: .* B'\(n\), .* O\(p,q\), .* Z\(r\) wr S\(n\), Aut"),
    (lambda: eq.basis("S(n)", "S2", "S2").map(0), GroupError, "ask for the orders 2 -> 2"),
    (lambda: eq.basis("O(3)", "1.det", 2).map(0) >> identity("O(3)", "2.det"), SpaceError, "first has 2 outputs"),
    (lambda: eq.basis("S(n)", 1, 1).map(2), EqsynthError, "count from 0"),
    (lambda: eq.basis("S(n)", 1, 2).map(0).power(2), SpaceError, "has no powers"),
    (lambda: identity("S(n)", 1).power(-1), EqsynthError, "whole number from 0"),
    (lambda: identity("S(n)", 1) / 0, EqsynthError, "/ 0 is not defined"),
    (lambda: identity("S(n)", 1) / identity("S(n)", 1), EqsynthError, "takes a number"),
    (lambda: eq.bratteli("C(3)", 2), GroupError, "no Bratteli diagram"),
    (lambda: jucys_murphy("H(n)", 2), GroupError, "no Jucys-Murphy elements"),
    (lambda: jucys_murphy("S'(n)", 2), GroupError, "no Jucys-Murphy elements"),
    (lambda: central_idempotents("S(3)", 2), GroupError, "ask for n from 4 on"),
    (lambda: central_idempotents("GL(2)", (2, 1)), GroupError, r"order \(2,1\) are dependent.*ask for n from 3 on"),
    (lambda: central_idempotents("SU(3)", (1, 1)), GroupError, r"ask for S\(n\), O\(n\), Sp\(n\), GL\(n\) or U\(n\)"),
    (lambda: central_idempotents("U(n)", (4, 3)), SizeError, "more than 10,395 diagrams"),
    (lambda: jucys_murphy("GL(n)", "S2"), SpaceError, "one plain axis at a step"),
    (lambda: matrix_units("U(n)", (1, 1), (1, 1)), GroupError, "ask for central_idempotents"),
    (lambda: change_of_basis("U(n)", (1, 1), (1, 1), to="irreps"), GroupError, "ask for central_idempotents"),
    (lambda: central_idempotents("S(n)", 5), SizeError, "more than 10,395 diagrams"),
    (lambda: primitive_idempotents("S(n)", 4), SizeError, "more than 945 diagrams: ask for a lower order"),
    (lambda: kronecker("S(n)", "{n-2,1}", "{n}"), GroupError, "is no irrep"),
    (lambda: kronecker("S(4)", "{2,1}", "{4}"), GroupError, "is no irrep"),
    (lambda: character("A(4)", "{4}"), GroupError, "are not known"),
    (lambda: character("U(n)", "{11;-}"), SizeError, "the part {11;-} has more than 10 boxes"),
    (lambda: character("O(n)", ((1,), (1,))), EqsynthError, "is no irrep"),
    (lambda: character("S(4)", "{3,1}", (2, 1)), EqsynthError, "cycles of length 1"),
    (lambda: character("O(3)", "1o", (1, 1, 1)), EqsynthError, "put traces"),
    (lambda: change_of_basis("O(n)", 1, 1), GroupError, "orbit basis"),
    (lambda: change_of_basis("H(n)", 1, 1, to="irreps"), GroupError, "no Jucys-Murphy elements"),
    (lambda: change_of_basis("O(n)", 1, 1, to="irrep"), EqsynthError, "did you mean 'irreps'"),
    (lambda: matrix_units("S(n)", 3, 4), SizeError, r"877 sums of as many diagrams, more than 203"),
    (lambda: matrix_units("O(n)", 30, 30), SizeError, "many sums of as many diagrams"),
    (lambda: matrix_units("S(5)", 1, 3), GroupError, "ask for n from 6 on"),
    *((lambda group=group: epsilon(group), GroupError, "no Levi-Civita tensor.*ask for SO") for group in (
        "GL(2)", "U(n)", "B(3)", "Z(3) wr S(2)", "S(2) wr S(3)", "S(m) wr S(n)", "Sp(n)", "Aut(petersen)")),
    (lambda: epsilon("S(n) x O(3)"), GroupError, r"no algebra of diagrams.*S\(m\) wr S\(n\), Z\(r\) wr S\(n\), Aut"),
    (lambda: epsilon("H(n)"), SymbolicError, r"ask for H\(3\)"),
    (lambda: identity("S(3) x O(3)", (1, 1)), GroupError, "no algebra of diagrams"),
    *((lambda group=group: degenerate_sizes(group, 1, 1), GroupError, r"no closed inner products.*Z\(r\) wr S\(n\)$")
      for group in ("C(5)", "S(3) x O(3)", "Aut(petersen)")),
    (lambda: degenerate_sizes("S(2) wr S(3)", 1, 1), GroupError, "nested partitions alone"),
    (lambda: degenerate_sizes("Z(3) wr S(2)", 1, 1), SymbolicError, r"ask for Z\(3\) wr S\(n\)$"),
    (lambda: weingarten_function("S(2) wr S(3)", (1,)), GroupError, r"or S\(n\)$"),
    (lambda: weingarten_function("SU(2)", (1,)), GroupError, "for the matrix, weingarten"),
    (lambda: eq.Group.parse("S(2) wr S(n)").order, SymbolicError, r"S\(2\) wr S\(n\) leaves sizes open"),
    (lambda: eq.Group.parse("S(3) x C(3)").generators, GroupError, "factor.generators for factor in group.factors"),
])  # fmt: skip
def test_what_is_refused(call, error, why):
    with pytest.raises(error, match=why):
        call()


# --- Bratteli diagrams --------------------------------------------------------------------------------


@pytest.mark.parametrize("group", ["S(n)", "O(n)", "Sp(n)", "H(n)", "B(n)"])
@pytest.mark.parametrize("order", [0, 1, 3])
def test_parts_of_tensors_with_n_a_letter(group, order):
    diagram = eq.bratteli(group, order)
    n = eq.symbolic.RationalFunction("n")
    assert sum(times * dim for _, times, dim in diagram.parts) == n**order
    assert sum(times**2 for _, times, _ in diagram.parts) == len(eq.basis(group, order, order))
    assert sorted((name, times) for name, times, _ in diagram.parts) == sorted(eq.irreps(group, order))
    number = 8
    at = eq.bratteli(group.replace("n", "8"), order)
    assert [(times, dim(number)) for _, times, dim in diagram.parts] == [(times, dim) for _, times, dim in at.parts]


def test_a_bratteli_diagram_prints_and_draws():
    diagram = eq.bratteli("S(n)", 1, 1)
    assert str(diagram).splitlines() == [
        "S(n): the 2 maps from order 1 to order 1, as walks",
        "step  irreps, each with the number of walks to it",
        "0     {n} 1",
        "1/2   {n-1} 1",
        "1     {n-1,1} 1   {n} 1",
        "3/2   {n-1} 2",
        "2     {n} 2",
    ]
    root = ElementTree.fromstring(diagram._repr_svg_())
    drawn = Counter(element.tag.rpartition("}")[2] for element in root.iter())
    assert drawn["path"] == sum(map(len, diagram.edges))
    assert drawn["text"] == len(diagram.levels) + 2 * sum(map(len, diagram.levels))
    assert all(
        re.fullmatch(r"M[-\d. ]+L[-\d. ]+", path.get("d")) for path in root.iter("{http://www.w3.org/2000/svg}path")
    )


# --- idempotents --------------------------------------------------------------------------------------

SMALL = [
    ("O(n)", 2), ("O(n)", 3), ("Sp(n)", 2), ("S(n)", 1), ("S(n)", 2), ("S(5)", 2), ("O(3)", 2), ("O(4)", 3),
    ("GL(n)", "(2,1)"), ("U(n)", "(1,1,1)"), ("GL(3)", "(0,3)"),
]  # fmt: skip


@pytest.mark.parametrize(("group", "order"), SMALL)
def test_idempotents_are_projections_to_the_parts(group, order):
    parts, basis = central_idempotents(group, order), eq.basis(group, order, order)
    known = {name: times * dim for name, times, dim in eq.bratteli(group, order).parts}
    assert {name: trace(part) for name, part in parts.items()} == known
    assert sum(parts.values(), identity(group, order) * 0) == identity(group, order)
    for name, part in parts.items():
        for other in [*parts][: [*parts].index(name) + 1]:
            assert part >> parts[other] == (part if name == other else part * 0)
        for index in range(1, len(basis), 5):
            assert part >> basis.map(index) == basis.map(index) >> part


@pytest.mark.parametrize(("group", "order"), [one for one in SMALL if one != ("O(n)", 3)])
def test_primitive_idempotents_are_projections_to_single_parts(group, order):
    walks = primitive_idempotents(group, order)
    dims = {name: dim for name, _, dim in eq.bratteli(group, order).parts}
    central = central_idempotents(group, order)
    assert Counter(walk[-1] for walk in walks) == {n: times for n, times, _ in eq.bratteli(group, order).parts}
    for name, part in central.items():
        assert sum((one for walk, one in walks.items() if walk[-1] == name), part * 0) == part
    for walk, part in walks.items():
        assert trace(part) == dims[walk[-1]]
        assert part >> part == part


@pytest.mark.parametrize(("group", "order"), [("S(n)", 3), ("O(n)", 4), ("U(n)", "(2,2)")])
def test_idempotents_of_higher_orders(group, order):
    """203, 105 and 24 diagrams: traces, and what they add up to."""
    parts, walks = central_idempotents(group, order), primitive_idempotents(group, order)
    known = {name: (times, dim) for name, times, dim in eq.bratteli(group, order).parts}
    assert {name: trace(part) for name, part in parts.items()} == {name: t * dim for name, (t, dim) in known.items()}
    assert sum(parts.values()) == sum(walks.values()) == identity(group, order)
    for name, part in parts.items():
        own = [one for walk, one in walks.items() if walk[-1] == name]
        assert len(own) == known[name][0]
        assert sum(own) == part
        assert {trace(one) for one in own} == {known[name][1]}


@pytest.mark.parametrize("order", ["6", "(4,2)", "(3,3)", "(1,1,1,1,1,1)"])
def test_central_elements_of_walled_diagrams_tell_parts_apart(order):
    """({2};{1,1}) and ({1,1};{2}) have equal contents: even powers, with a sign for V*, tell them apart."""
    group, low = eq.Group("GL", "n"), steps_order(eq.Group("GL", "n"), "(1,2)")
    values = [one for _, one in central_elements(group, steps_order(group, order))]
    assert len({tuple(str(one[label]) for one in values) for label in values[0]}) == len(values[0])
    for element, own in central_elements(group, low):
        known = element()
        for part, value in zip(central_idempotents(group, low).values(), own.values(), strict=True):
            assert part >> known == known >> part == part * from_flint(value)


@pytest.mark.parametrize(("family", "shapes"), [("O", 19), ("Sp", 19), ("S", 12)])
def test_central_elements_tell_parts_apart(family, shapes):
    """Beyond 5 boxes contents do not; what elements are on parts is what composing with the projections says."""
    group, low = eq.Group(family, "n"), 2 if family == "S" else 3
    values = [one for _, one in central_elements(group, 4 if family == "S" else 6)]
    told = {tuple(str(one[label]) for one in values) for label in values[0]}
    assert len(told) == len(values[0]) == shapes
    assert (len({str(value) for value in values[0].values()}) < shapes) == (family != "S")
    for element, own in central_elements(group, low):
        known = element()
        for part, value in zip(central_idempotents(group, low).values(), own.values(), strict=True):
            assert part >> known == known >> part == part * from_flint(value)


@pytest.mark.parametrize(("group", "order", "steps"), [
    ("O(n)", 3, 3), ("Sp(n)", 3, 3), ("S(n)", 2, 4), ("U(n)", "(2,2)", 4), ("GL(n)", (1, 1, 1), 3),
])  # fmt: skip
def test_jucys_murphy_elements_commute(group, order, steps):
    elements = jucys_murphy(group, order)
    assert len(elements) == steps
    for one, two in combinations(elements, 2):
        assert one >> two == two >> one


def test_jucys_murphy_elements_of_permutations_are_sums_of_transpositions():
    n, order = 4, 2
    total = np.zeros((n**order, n**order), int)
    for one, two in combinations(range(n), 2):
        exchange = np.eye(n, dtype=int)
        exchange[[one, two]] = exchange[[two, one]]
        total += np.kron(exchange, exchange)
    elements = [element.matrix(n) for element in jucys_murphy("S(n)", order)]
    class_sum = sum(elements[1::2]) - sum(elements[::2]) + n * (n - 1) // 2 * np.eye(n**order, dtype=int)
    assert (class_sum == total).all()


# --- characters ---------------------------------------------------------------------------------------


def test_orders_may_be_texts():
    assert str(eq.bratteli("S(n)", "2")) == str(eq.bratteli("S(n)", 2))
    assert central_idempotents("O(n)", "2") == central_idempotents("O(n)", 2)
    with pytest.raises(SpaceError, match="the order 'S2' is not a whole number"):
        jucys_murphy("O(n)", "S2")


def test_pairs_of_partitions_are_parts():
    assert character("U(n)", ((1,), (1,))) == character("U(n)", "{1;1}")
    assert kronecker("GL(n)", ((1,), ()), ((), (1,))) == {"{-;-}": 1, "{1;1}": 1}


@pytest.mark.parametrize("n", [1, 3, 5])
def test_characters_of_permutations_are_orthonormal_and_give_kroneckers_coefficients(n):
    kinds = [*partitions(n)]
    table = {shape: [character(f"S({n})", shape, kind) for kind in kinds] for shape in kinds}
    weights = [Fraction(1, centraliser(kind)) for kind in kinds]

    def inner(*rows):
        return sum(np.prod(values) * weight for *values, weight in zip(*rows, weights, strict=True))

    for one in kinds:
        assert character(f"S({n})", one)({f"t{k}": n for k in range(1, n + 1)}) == table[one][kinds.index((1,) * n)]
        for two in kinds:
            assert inner(table[one], table[two]) == (one == two)
            named = kronecker(f"S({n})", one, two)
            product = {shape: inner(table[one], table[two], table[shape]) for shape in kinds}
            assert sorted(named.values()) == sorted(times for times in product.values() if times)
            values = [sum(times * character(f"S({n})", name, kind) for name, times in named.items()) for kind in kinds]
            assert values == [a * b for a, b in zip(table[one], table[two], strict=True)]
    assert sum(row[kinds.index((1,) * n)] ** 2 for row in table.values()) == factorial(n)


@pytest.mark.parametrize("group", ["S(n)", "O(n)", "Sp(n)", "O(3)", "S(4)", "Sp(4)"])
def test_dimensions_and_characters_multiply(group):
    order = 2
    parts = {name: dim for name, _, dim in eq.bratteli(group, order).parts}
    larger = {name: dim for name, _, dim in eq.bratteli(group, 2 * order).parts}
    for one, dim in parts.items():
        for two, other in parts.items():
            product = kronecker(group, one, two)
            assert product == kronecker(group, two, one)
            assert sum(times * larger[name] for name, times in product.items()) == dim * other


def test_a_character_is_the_trace():
    turn = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]])
    traces = {f"t{k}": int(np.trace(np.linalg.matrix_power(turn, k))) for k in (1, 2)}
    projection = central_idempotents("O(3)", 2)["2e"].matrix()
    assert np.trace(projection @ np.kron(turn, turn)) == character("O(3)", "2e")(**traces)


# --- changes of basis ---------------------------------------------------------------------------------


CHANGES = [
    ("S(n)", 2, 1, "orbits"), ("S(2)", 2, 2, "orbits"), ("H(n)", 2, 2, "orbits"), ("S(n)", 0, 0, "orbits"),
    ("S(n)", 1, 2, "irreps"), ("S(4)", 2, 1, "irreps"), ("O(n)", 1, 3, "irreps"), ("Sp(n)", 2, 2, "irreps"),
    ("O(n)", 2, 1, "irreps"),
]  # fmt: skip


@pytest.mark.parametrize(("group", "inputs", "outputs", "kind"), CHANGES)
def test_changes_of_basis_are_inverse(group, inputs, outputs, kind):
    there = change_of_basis(group, inputs, outputs, to=kind)
    back = change_of_basis(group, inputs, outputs, start=kind, to="diagrams")
    size = len(eq.basis(group, inputs, outputs))
    unit = ExactMatrix.of([[int(row == column) for column in range(size)] for row in range(size)])
    assert there @ back == back @ there == unit
    assert there.to_sympy().shape == (size, size)


def test_orbits_and_irreps_change_through_diagrams():
    through = change_of_basis("S(n)", 1, 1, to="irreps") @ change_of_basis("S(n)", 1, 1, to="diagrams")
    assert change_of_basis("S(n)", 1, 1, start="orbits", to="irreps") == through
    assert through.to_sympy() == change_of_basis("S(n)", 1, 1, start="irreps", to="orbits").to_sympy().inv()


@pytest.mark.parametrize(("group", "one", "two"), [("S(4)", 1, 2), ("O(n)", 1, 3), ("Sp(n)", 2, 2), ("O(4)", 1, 3)])
def test_matrix_units_multiply_as_matrices(group, one, two):
    there, back = matrix_units(group, one, two), matrix_units(group, two, one)
    square = matrix_units(group, two, two)
    dims = {name: dim for name, _, dim in eq.bratteli(group, two).parts}
    assert sum(len(rows) * len(rows[0]) for rows in there.values()) == len(eq.basis(group, one, two))
    for name, rows in there.items():
        for (w, row), (u, column) in product(enumerate(rows), enumerate(zip(*back[name], strict=True))):
            for (v, unit), (t, other) in product(enumerate(row), enumerate(column)):
                assert other >> unit == (square[name][w][u] if v == t else square[name][w][u] * 0)
                assert (unit >> other).trace() == (dims[name] if w == u and v == t else 0)
    diagonal = [rows[w][w] for rows in square.values() for w in range(len(rows))]
    assert reduce(operator.add, diagonal) == identity(group, two)


def test_a_composition_is_a_product_of_blocks():
    """Coordinates of f >> g are those of g times those of f, part by part; at n = 6 numbers, as matrices say."""
    first, second = eq.basis("S(n)", 1, 2), eq.basis("S(n)", 2, 1)
    f = sum((first.map(index) * (index + 1) for index in range(5)), first.map(0) * 0)
    g = sum((second.map(index) * (index * index - 2) for index in range(5)), second.map(0) * 0)
    blocks = [_blocks(map_) for map_ in (f, g, f >> g)]
    assert blocks[0].keys() == {"{n-1,1}", "{n}"}
    for name, block in blocks[2].items():
        assert (blocks[1][name] * blocks[0][name]).applyfunc(sympy.cancel) == block
    standard, trivial = (blocks[2][name][0].subs("n", 6) for name in ("{n-1,1}", "{n}"))
    assert sympy.Matrix((f >> g).matrix(6)).eigenvals() == {standard: 5, trivial: 1}


def _blocks(map_):
    """The matrix of a map on each part, in SymPy."""
    basis = eq.basis("S(n)", map_.inputs, map_.outputs)
    scalars = {diagram: scalar for scalar, diagram in map_.terms}
    column = ExactMatrix.of([[scalars.get(diagram, 0)] for diagram in basis])
    entries = (change_of_basis("S(n)", map_.inputs, map_.outputs, to="irreps") @ column).to_sympy()
    blocks, at = {}, 0
    for name, rows in matrix_units("S(n)", map_.inputs, map_.outputs).items():
        height, width = len(rows), len(rows[0])
        blocks[name] = entries[at : at + height * width, :].reshape(height, width).applyfunc(sympy.cancel)
        at += height * width
    return blocks


def test_a_column_is_a_diagram_as_a_sum_of_orbits():
    basis = eq.basis("S(n)", 2, 1)
    there = change_of_basis("S(n)", 2, 1)
    for column in range(len(basis)):
        orbits = {diagram for _, diagram in to_orbits(basis.map(column)).terms}
        assert orbits == {basis[row] for row in range(len(basis)) if there[row, column] == 1}
