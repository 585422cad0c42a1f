"""GL(n), SL(n), U(n), SU(n): axes of V and V*, walled diagrams, determinants, complex tensors."""

import copy
import math
import pickle
import warnings
from fractions import Fraction
from itertools import pairwise, permutations, product

import flint
import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import eqsynth as eq
from eqsynth import Diagram
from eqsynth.algebra import Map, character, kronecker, matrix
from eqsynth.bases.bratteli import irreducible_dimension
from eqsynth.bases.constraints import nullspace
from eqsynth.bases.dimension import symmetric_dimension
from eqsynth.bases.pointwise import demand
from eqsynth.bases.relations import relations
from eqsynth.diagrams import enumeration, functor, standard
from eqsynth.diagrams.gram import values
from eqsynth.errors import ActivationError, EqsynthError, GroupError, ParseError, ShapeError, SpaceError, WeightsError
from eqsynth.exact.permutations import heads_of
from eqsynth.exact.polynomial import Polynomial
from eqsynth.families.hom import fitted_order, maps_of
from eqsynth.families.representation import act
from eqsynth.families.walled import weight_of
from eqsynth.project.networks import network_artifact
from eqsynth.spaces.space import (
    Space,
    Symmetry,
    Valence,
    all_turns,
    axes_of,
    duals_of,
    order_text,
    plain,
    read_order,
    tensor_parts,
    valence,
)
from eqsynth.symbolic import degenerate_sizes, gram, gram_determinant, weingarten

ORDERS = [0, 1, 2, (0, 1), (1, 1), (0, 2), (2, 1), (0, 1, 1), (1, 1, 1)]


def dimension(group, inputs, outputs):
    group = eq.Group.parse(group)
    inputs, outputs = fitted_order(group, inputs), fitted_order(group, outputs)
    return maps_of(group, inputs, outputs).dimension(axes_of(inputs) + axes_of(outputs))


def rank(rows):
    return int(flint.fmpz_mat(rows).rank()) if rows else 0


# --- orders -----------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 4), min_size=1, max_size=6))
def test_orders_are_read_as_they_are_written(runs):
    order = valence(runs)
    assert axes_of(order) == sum(runs)
    assert duals_of(order) == tuple(place % 2 == 1 for place, run in enumerate(runs) for _ in range(run))
    group = eq.Group("GL", 3)
    assert fitted_order(group, read_order(order_text(order))) == fitted_order(group, tuple(runs)) == order
    hom = eq.Hom.parse(group, Space(((2, tuple(runs)),)), 0)
    assert eq.Hom.parse(group, str(hom.space_in), 0) == hom
    assert eval(repr(order), {"Valence": Valence}) == order
    product_of = eq.Hom.parse("S(n) x GL(3)", f"2x(1,{order_text(order)})", "1x(0,0)")
    assert product_of.space_in.orders == ((1, order),)


@pytest.mark.parametrize(
    ("text", "error", "cure"),
    [
        ("O(3): 1x(1,1) -> 1", SpaceError, "write a plain number such as 2"),
        ("S(2) x O(2): 1x((1,1),1) -> 1x(1,1)", SpaceError, r"S\(2\) does not tell V\* from V: write 2 in place"),
        ("Matrix([[0,1],[-1,0]]; ) x O(2): 1x((1,1),1) -> 1x(1,1)", SpaceError, "V alone: ask for GL"),
        ("GL(2): (S2,1.det) -> 1", SpaceError, "symmetries of some of either kind"),
        ("GL(2): (S2.packed,1) -> 1", SpaceError, r"one run alone, \(0,S2.packed\): write \(S2,1\)"),
        ("O(2) x GL(2): 1x(1,(0,1.det)) -> 1x(0,0)", ParseError, "have no determinant"),
        ("S(2) x O(2): 1x((0,S2),1) -> 1x(0,1)", SpaceError, r"write 2 in place of \(0,S2\)"),
        ("GL(2) x O(2): 1x(1,1,1) -> 1", SpaceError, "one entry per factor"),
        ("GL(2): 1x1.det -> 1", GroupError, r"without .det, or for SL\(2\)"),
        ("U(2): 1x1.det -> 1", GroupError, r"without .det, or for SU\(2\)"),
        ("SU(3): 1x((1,1),2) -> 1", SpaceError, "axes of V and V"),
        ("GL(2) x O(2): 1x((1,a),1) -> 1", ParseError, r"write \(\(1,1\),2\)"),
        *(
            (f"{name}: 1x(0,1) -> 1x0", SpaceError, r"no axes of V\*: write a plain number such as 1")
            for name in ("O(1,3)", "S(n)", "C(3)", "Matrix([[1,1],[0,1]]; )", "S(2) wr S(n)")
        ),
        ("GL(2): 1xV* -> 1x0", ParseError, r"a dual vector, of V\*, is \(0,1\)"),
        ("GL(2): 1x1* -> 1x0", ParseError, r"a dual vector, of V\*, is \(0,1\)"),
        ("GL(2): 1x(1,1*) -> 1x0", ParseError, r"a dual vector, of V\*, is \(0,1\)"),
        ("GL(2): 1x(1,1).irreps -> 1x0", ParseError, "leave .irreps out"),
        ("O(2) x O(2): 1x(2,1).packed -> 1x(0,0)", ParseError, r"write \(S2.packed,0\)"),
        ("SL(2): 1x(1,1).det -> 1x0", ParseError, "no .det where all are 1"),
    ],
)
def test_what_is_no_order_is_told_what_is(text, error, cure):
    with pytest.raises(error, match=cure):
        eq.verify(text)


# --- dimensions -------------------------------------------------------------------------------------------


def test_dimensions_are_those_of_the_specification():
    numbers = {1: [1] * 6, 2: [1, 2, 5, 14, 42, 132], 3: [1, 2, 6, 23, 103, 513]}
    for n, wanted in numbers.items():
        assert [dimension(f"GL({n})", a, a) for a in range(1, 7)] == wanted
        assert [dimension(f"U({n})", (a, a), 0) for a in range(1, 7)] == wanted
        assert [dimension(f"GL({n})", (a - 1, 1), (a - 1, 1)) for a in range(1, 7)] == wanted
    assert [dimension("SL(2)", (0, b), (a,)) for a, b in ((2, 0), (4, 0))] == [1, 2]
    assert [dimension("SL(2)", (b,), (a,)) for a, b in ((2, 0), (4, 0), (3, 1), (4, 2))] == [1, 2, 2, 5]
    assert dimension("SL(3)", 0, 3) == dimension("SU(3)", 3, 0) == dimension("SU(3)", 0, (0, 3)) == 1
    assert [dimension("GL(n)", a, a) for a in range(6)] == list(map(math.factorial, range(6)))


@pytest.mark.parametrize("name", ["GL(1)", "GL(2)", "SL(1)", "SL(2)", "U(2)", "SU(3)"])
def test_bases_are_the_exact_null_space(name):
    group = eq.Group.parse(name)
    for pair in product(ORDERS, ORDERS):
        inputs, outputs = (fitted_order(group, order) for order in pair)
        total = axes_of(inputs) + axes_of(outputs)
        if group.n**total > 82 or total > 5:
            continue
        kernel = nullspace(group, inputs, outputs)
        rows = kernel.reshape(len(kernel), group.n**total).tolist()
        allowed = maps_of(group, inputs, outputs)
        assert allowed.dimension(total) == len(kernel)
        basis = eq.basis(group, inputs, outputs)
        ours = basis.matrices().reshape(len(basis), group.n**total).tolist()
        assert rank(ours) == rank(ours + rows) == len(kernel)
        # Standard diagrams: as many, listed as the rule says, and independent.
        listed = [*standard.standard(allowed, axes_of(outputs), axes_of(inputs))]
        every = [*enumeration.diagrams(allowed, axes_of(outputs), axes_of(inputs))]
        assert len(every) == allowed.count(total)
        assert not any(enumeration.misfit(allowed, diagram) for diagram in every)
        assert {*listed} == {diagram for diagram in every if not standard.excess(allowed, diagram)}
        matrices = [functor.matrix(group, diagram, group.n).ravel().tolist() for diagram in listed]
        assert rank(matrices) == len(listed) == len(kernel)


@pytest.mark.parametrize(
    ("name", "inputs", "outputs"), [("SL(2)", 6, 0), ("SL(2)", (3, 1), (0, 2)), ("SU(3)", 6, 0), ("SL(1)", (1, 3), 0)]
)
def test_several_determinants(name, inputs, outputs):
    """Products of epsilons: as many as pairs of tableaux, chosen by their values where standard ones are triangular."""
    group = eq.Group.parse(name)
    cheapest, chosen = (eq.basis(name, inputs, outputs, choose=way) for way in ("cheapest", "standard"))
    below, above = axes_of(cheapest.inputs), axes_of(cheapest.outputs)
    allowed = maps_of(group, cheapest.inputs, cheapest.outputs)
    assert {len(heads_of(diagram.head, group.n)) for diagram in cheapest} == {abs(allowed.determinants)}
    assert (cheapest.certificate.independence, chosen.certificate.independence) == ("values", "standard")
    every = [*enumeration.diagrams(allowed, above, below)]
    assert len({*every}) == allowed.count(above + below) == cheapest.certificate.spanning
    assert not any(enumeration.misfit(allowed, diagram) for diagram in every)
    assert {*chosen} == {diagram for diagram in every if not standard.excess(allowed, diagram)}
    triangle = [[*row] for row in values(allowed, [*standard.standard(allowed, above, below)])]
    assert abs(int(flint.fmpz_mat([[int(entry) for entry in row] for row in triangle]).det())) == 1
    matrices = cheapest.matrices().reshape(len(cheapest), -1)
    assert rank(matrices.tolist()) == rank([*matrices.tolist(), *chosen.matrices().reshape(len(chosen), -1).tolist()])
    assert [[int(value) for value in row] for row in gram(cheapest).rows] == (matrices @ matrices.T).tolist()
    for relation in relations(cheapest)[:3]:
        combined = sum(coefficient * matrices[number] for number, coefficient in relation.terms)
        assert (functor.matrix(group, relation.element, group.n).ravel() == combined).all()


def test_products_of_determinants_vanish_where_too_many_axes_are_antisymmetrised():
    assert degenerate_sizes("SL(n)", 4, 0) == (2,)
    assert eq.basis("SL(2)", 4, 0).matrices().shape == (2, 1, 16)
    # No sum of products of two epsilons is there for symmetric tensors.
    assert len(eq.basis("SL(2)", "S4", 0)) == len(eq.basis("SL(3)", "S6", 0)) == 0
    # The discriminant of two quadratic forms.
    assert len(eq.basis("SL(2)", "(S2,0,S2)", 0)) == 1


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_standard_permutations_are_those_without_long_increasing_subsequences(n):
    for a in range(6):
        words = sum(standard.longest(word) <= n for word in permutations(range(a)))
        group = eq.Group("GL", n)
        assert (
            words
            == dimension(group, a, a)
            == len({*standard.standard(group.between((False,) * a, (False,) * a), a, a)})
        )


def test_many_diagrams_need_no_ranks():
    basis = eq.basis("GL(2)", 8, 8)
    assert (len(basis), basis.certificate.independence, basis.certificate.spanning) == (1430, "standard", 40320)
    with pytest.raises(eq.errors.SizeError):
        eq.basis("GL(n)", 10, 10)


@pytest.mark.parametrize("name", ["GL(2)", "SL(2)", "SL(3)", "U(2)", "SU(3)"])
def test_maps_commute_with_elements_of_the_whole_group(name):
    group, rng = eq.Group.parse(name), np.random.default_rng(0)
    signs = set()
    for pair in (((1, 1), (1, 1)), (2, (0, 1)), ((0, 1), 1), ((2, 1), 1)):
        inputs, outputs = (fitted_order(group, order) for order in pair)
        basis = eq.basis(group, inputs, outputs)
        x = rng.standard_normal((3, *[group.n] * axes_of(inputs), 1))
        for _ in range(4):
            g = group.random_element(rng)
            assert np.linalg.cond(g) < 50
            signs.add(np.sign(np.round(np.linalg.det(g), 9)).real)
            for element in basis.matrices():
                before, after = (tensor.reshape(3, -1) @ element.T for tensor in (x, act([g], inputs, x)))
                moved = act([g], outputs, before.reshape(3, *[group.n] * axes_of(outputs), 1))
                np.testing.assert_allclose(after, moved.reshape(3, -1), atol=1e-10)
    assert signs == {-1.0, 1.0} or name != "GL(2)"


@pytest.mark.parametrize(
    ("name", "inputs", "outputs"),
    [
        ("GL(2)", "(S2,1)", "1"),
        ("GL(2)", "(0,S2)", "(0,2)"),
        ("GL(3)", "(A2,1)", "(1,0)"),
        ("SL(2)", "(0,S2)", "S2"),
        ("SL(2)", "(S2,1)", "(1,A2)"),
        ("GL(1)", "(S2,S2)", "(1,1)"),
    ],
)
def test_symmetric_tensors_with_axes_of_the_dual(name, inputs, outputs):
    """As many maps as the means of the exact null space over exchanges have rank."""
    group, basis = eq.Group.parse(name), eq.basis(name, inputs, outputs)
    kernel = nullspace(group, plain(basis.inputs), plain(basis.outputs))
    total = axes_of(basis.outputs)
    tensors = kernel.reshape(len(kernel), *[group.n] * (total + axes_of(basis.inputs)))
    means = sum(
        sign * other * np.transpose(tensors, (0, *(1 + axis for axis in (*axes, *(total + place for place in places)))))
        for axes, sign in all_turns(basis.outputs)
        for places, other in all_turns(basis.inputs)
    )
    rows = means.reshape(len(kernel), -1).tolist()
    assert (
        len(basis)
        == rank(rows)
        == symmetric_dimension(
            maps_of(group, basis.inputs, basis.outputs), *tensor_parts(basis.inputs), *tensor_parts(basis.outputs)
        )
    )
    assert (basis.inputs, basis.outputs) == tuple(fitted_order(group, read_order(text)) for text in (inputs, outputs))
    hom = eq.Hom.parse(group, f"2x{inputs}", f"1x{outputs}")
    assert eq.Hom.parse(group, str(hom.space_in), str(hom.space_out)) == hom


# --- irreducible parts --------------------------------------------------------------------------------------


def test_parts_add_up_to_the_tensors_and_their_squares_to_the_maps():
    for name in ("GL(1)", "GL(2)", "U(3)", "SL(1)", "SL(2)", "SU(3)", "SL(4)", "GL(n)"):
        group = eq.Group.parse(name)
        for text in ("0", "1", "(0,1)", "(1,1)", "3", "(2,1)", "(S2,1)", "(0,A2)", "[ijk=jki]"):
            order = fitted_order(group, read_order(text))
            listed = eq.irreps(group, text)
            maps = symmetric_dimension(maps_of(group, order, order), *tensor_parts(order), *tensor_parts(order))
            assert sum(part.copies_in[0] ** 2 for part in listed.parts) == maps
            if not isinstance(order, Symmetry):
                assert str(listed.dim) == str(Polynomial.of(group.n) ** axes_of(order))
    assert str(eq.irreps("SU(3)", (2, 1))).splitlines()[2:] == [
        "{1;-}  2      3          complex multiples",
        "{-;2}  1      6          complex multiples",
        "{2;1}  1      15         complex multiples",
    ]
    with pytest.raises(GroupError, match="no coordinates here"):
        _ = eq.irreps("U(2)", 1).space


def test_dimensions_of_parts_are_those_of_weyl():
    shapes = [(), (1,), (2,), (1, 1), (2, 1), (3, 1), (2, 2, 1)]
    for n, first, second in product(range(1, 6), shapes, shapes):
        if len(first) + len(second) <= n:
            weight = weight_of((first, second), n)
            weyl = math.prod(Fraction(weight[i] - weight[j] + j - i, j - i) for i in range(n) for j in range(i + 1, n))
            assert irreducible_dimension(eq.Group("GL", n), (first, second)) == weyl


@pytest.mark.parametrize("name", ["GL(1)", "GL(2)", "U(3)", "SL(2)", "SU(3)", "GL(n)", "SL(n)"])
def test_walks_in_the_bratteli_diagram_count_parts_and_maps(name):
    for order in ((2, 1), (1, 2), (3, 0)):
        listed = {part.text[0]: part.copies_in[0] for part in eq.irreps(name, order).parts}
        diagram = eq.bratteli(name, order)
        assert {label: times for label, times, _ in diagram.parts} == listed
        assert diagram.levels[0] == (((), ()),)
        for other in ((1, 1), (2, 1), (0, 0)):
            walks = eq.bratteli(name, order, other)
            assert walks.paths == len(eq.basis(name, order, other)), (order, other)
            assert walks.paths == sum(one * two for _, one, two in walks.meeting)
            for level, pairs in enumerate(walks.edges):
                ahead, back = [0] * len(walks.levels[level + 1]), [0] * len(walks.levels[level])
                for start, stop in pairs:
                    ahead[stop] += walks.before[level][start]
                    back[start] += walks.after[level + 1][stop]
                assert (tuple(ahead), tuple(back)) == (walks.before[level + 1], walks.after[level])
    assert "2 V*  " in str(eq.bratteli(name, (1, 1)))
    assert eq.page.document(name, (1, 1), (1, 1))["walks"][0]["paths"] == len(eq.basis(name, (1, 1), (1, 1)))
    with pytest.raises(SpaceError, match="one plain axis"):
        eq.bratteli(name, "(S2,1)")


@pytest.mark.parametrize("name", ["GL(2)", "U(3)", "SL(2)", "SU(3)"])
def test_characters_of_parts_add_up_to_traces_on_tensors(name):
    """The trace of g on V^k V*^l, a product of traces of g and of its inverse, at random elements."""
    group = eq.Group.parse(name)
    g = group.random_element(np.random.default_rng(0))
    powers = {f"{letter}{k}": np.trace(np.linalg.matrix_power(g, sign * k)) for letter, sign in (("t", 1), ("s", -1))
              for k in range(1, 5)}  # fmt: skip
    for k, lo in ((2, 1), (1, 2), (3, 0), (0, 3), (2, 2)):
        total = 0
        for part in eq.irreps(name, (k, lo)).parts:
            polynomial = character(name, part.text[0])
            assert at_identity(polynomial, group.n) == part.dim
            total += part.copies_in[0] * sum(
                float(factor) * math.prod(powers[letter] ** power for letter, power in monomial)
                for monomial, factor in polynomial.terms.items()
            )
        np.testing.assert_allclose(total, powers["t1"] ** k * powers["s1"] ** lo)


def at_identity(polynomial, n):
    """The dimension: traces of all powers are n."""
    return polynomial(**dict.fromkeys(polynomial.letters, n)) if polynomial.letters else polynomial


def test_products_of_parts_have_their_dimensions():
    assert kronecker("SU(3)", "{1;1}", "{1;1}") == {
        "{-;-}": 1, "{1;1}": 2, "{-;3}": 1, "{3;-}": 1, "{2;2}": 1
    }  # fmt: skip
    assert kronecker("SU(2)", "{3;-}", "{-;2}") == {"{1;-}": 1, "{3;-}": 1, "{5;-}": 1}
    assert character("O(1,3)", "{2,1}") == character("O(4)", "{2,1}")
    assert kronecker("GL(n)", "{1;-}", "{1;1}") == {"{1;-}": 1, "{1,1;1}": 1, "{2;1}": 1}
    for name, n in (("U(2)", 2), ("SL(3)", 3), ("GL(n)", 7), ("SU(n)", 7)):
        for one, two in product(["{1;1}", "{2;1}", "{2;-}"], ["{1;1}", "{2;-}"]):
            found = kronecker(name, one, two)
            dims = {text: at_identity(character(name, text), n) for text in (one, two, *found)}
            assert sum(times * dims[text] for text, times in found.items()) == dims[one] * dims[two]
            assert min(found.values()) > 0


@pytest.mark.parametrize(("name", "text", "cure"), [
    ("GL(n)", "{2}", "two partitions"), ("O(n)", "{2;1}", "a partition"), ("SU(2)", "{1,1,1;-}", "eq.irreps"),
    ("U(2)", "{1;-}.det", "columns"), ("H(n)", (1,), "ask for S"), ("S'(n)", (1,), "ask for S"),
    ("B'(n)", "{1}", "ask for S"), ("Z(3) wr S(2)", "{1}", "ask for S"),
])  # fmt: skip
def test_what_is_no_irrep_is_told_what_is(name, text, cure):
    for asked in (lambda: character(name, text), lambda: kronecker(name, text, text)):
        with pytest.raises(GroupError, match=cure):
            asked()


def test_floors():
    assert str(eq.floor("U(n)", "8x(1,1)", "8x(1,1)")) == "n² c_in c_out"
    assert str(eq.floor("SL(2)", "8x2", "8x(0,2)")) == "4 c_in c_out"
    assert str(eq.floor("S(n) x U(2)", "8x(1,1)", "8x(1,1)")) == "2 n1 c_in c_out"
    # Over the complex numbers a part of complex type is two, and its multiples one number each.
    assert str(eq.floor("SO(2) x U(1)", "8x(1,1)", "8x(1,1)")) == "2 c_in c_out"
    plan = eq.plan("U(2)", "8x(1,1)", "8x(1,1)")
    assert plan.floor(plan.sizes()) <= plan.mixing(plan.sizes())


# --- algebra and symbolic results ---------------------------------------------------------------------------


def test_composition_is_a_functor():
    for orders in (((1, 1), (2, 1), 1), ((0, 1), (1, 2), (0, 1)), ((1, 1), (1, 1), (1, 1))):
        maps = [[Map.of("GL(n)", diagram, 1, b, a) for diagram in eq.basis("GL(n)", a, b)] for a, b in pairwise(orders)]
        for first, second in product(*maps):
            both = first >> second
            assert (both.inputs, both.outputs) == (first.inputs, second.outputs)
            np.testing.assert_array_equal(matrix(both, 2), matrix(second, 2) @ matrix(first, 2))
            np.testing.assert_array_equal(matrix((first @ second).T, 2), np.kron(matrix(first, 2), matrix(second, 2)).T)
            assert (first @ second).T == first.T @ second.T
    one = eq.algebra.identity("GL(n)", (1, 1))
    assert (eq.algebra.cup("GL(n)") >> one >> eq.algebra.cap("GL(n)")).terms[0][0](5) == 5
    assert eq.algebra.trace(one)(3) == 9


def test_heads_compose():
    volume = eq.algebra.epsilon("SL(3)")
    dual = Map.of("SL(3)", Diagram(0, 3, ((0,), (1,), (2,)), head=(0, 1, 2)))
    assert dual == volume.T
    assert matrix(volume >> dual).tolist() == [[6]]
    np.testing.assert_array_equal(matrix(dual >> volume), matrix(volume) @ matrix(dual))
    # Heads of one kind stay side by side, those of V and V* meet.
    np.testing.assert_array_equal(matrix(volume @ volume), np.kron(matrix(volume), matrix(volume)))
    both = dual >> volume
    assert len(both.terms) == 6
    three = volume @ volume @ dual
    np.testing.assert_array_equal(matrix(three), np.kron(np.kron(matrix(volume), matrix(volume)), matrix(dual)))
    assert {len(diagram.head) for _, diagram in three.terms} == {3}


@pytest.mark.parametrize(
    ("make", "cure"),
    [
        (
            lambda: eq.algebra.swap("GL(n)") >> eq.algebra.cap("GL(n)"),
            r"the second \(1,1\) inputs, and they must be equal",
        ),
        (lambda: Map.of("GL(n)", Diagram(0, 2, ((0, 1),))), "pairs of V with V"),
        (lambda: eq.algebra.identity("O(n)", (1, 1)), "is not a whole number"),
        (lambda: eq.algebra.permute("GL(n)", (1, 0), (1, 1, 1)), "permutes 2 axes"),
    ],
)
def test_strands_of_two_kinds_are_not_joined(make, cure):
    with pytest.raises(EqsynthError, match=cure):
        make()


def test_gram_matrices_and_weingarten_functions():
    assert str(gram_determinant("GL(n)", 2, 2)) == "n² (n - 1) (n + 1)"
    assert str(weingarten("U(n)", 2, 2)[0, 1]) == "-1/(n (n - 1) (n + 1))"
    assert str(weingarten("U(n)", (3, 3), 0)[0, 0]) == "(n² - 2)/(n (n - 1) (n - 2) (n + 1) (n + 2))"
    assert gram("GL(n)", (2, 1), (2, 1)).det() == gram_determinant("GL(n)", (2, 1), (2, 1))
    numbers = [[int(value) for value in row] for row in gram("GL(2)", 3, 3).rows]
    assert gram_determinant("GL(2)", 3, 3) == flint.fmpz_mat(numbers).det()
    assert degenerate_sizes("GL(n)", 3, 3) == (1, 2)
    assert degenerate_sizes("SL(n)", 2, (0, 1)) == ()
    # Three products of two determinants of 2, and at n = 1 four diagrams with a pair, all of them 1.
    assert degenerate_sizes("SL(n)", 3, (0, 1)) == (2,)
    assert degenerate_sizes("SL(n)", 3, (1, 1)) == (1, 3)
    for basis in (eq.basis("U(n)", (2, 1), (2, 1)), eq.basis("SL(3)", 2, (0, 1)), eq.basis("GL(2)", 3, 3)):
        both = gram(basis) @ weingarten(basis)
        unit = np.eye(len(basis), dtype=int).astype(str).tolist()
        assert [[str(value) for value in row] for row in both.rows] == unit


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=5)
def test_projection_is_idempotent(seed):
    basis = eq.basis("GL(2)", (1, 1), (1, 1))
    matrix = np.random.default_rng(seed).integers(-9, 9, (4, 4))
    once = basis.project(matrix)
    again = basis.project(once.matrix())
    assert (once.coefficients == again.coefficients).all()
    kernel = nullspace(basis.group, basis.inputs, basis.outputs)
    assert all((np.asarray(matrix - once.matrix()) * element).sum() == 0 for element in kernel)


# --- layers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "GL(2): 2x(1,1) + 1x1 -> 3x(1,1) + 2x0 + 1x(0,1)",
        "GL(n): 2x(2,1) -> 2x1",
        "SL(3): 2x2 + 1x(1,1) -> 2x(0,1) + 1x0",
        "SL(2): 2x2 -> 2x0",
        "GL(3): 2xS2.packed -> 2xS2 + 1x2",
        "O(2) x SL(2): 2x(1,2) -> 2x(1,0)",
        "GL(n): 2x(1,1) (x) 2x(1,1) -> 2x(1,1)",
        "GL(r): 2x1 (x) 2x(0,1) -> 2x0 + 1x(1,1)",
        "GL(2): powers 1, 2 of 2x(1,1) -> 2x(1,1)",
        "U(2): 2x(1,1) + 1x1 -> 3x(1,1) + 2x0",
        "U(n): 2x(1,1) -> 2x(1,1)",
        "SU(3): 2x2 -> 2x2 + 1x(0,1)",
        "SU(3): 2x1 (x) 2x1 -> 2x(0,1)",
        "U(2) x O(3): 2x((1,1),1) -> 2x(0,1)",
        "U(2): 2xA2 -> 2xA2.packed",
        "SL(2): 2x(2,1) (x) 1x1 -> 2x(0,2) + 1x0",
        "SL(2) x O(2): 1x(2,1) -> 2x((0,2),1)",
        "GL(2): 1x(0,S2.packed) + 1x(S2,1) -> 2x(0,S2.packed) + 2x1",
        "Z(3) wr S(n): 1x(0,S2) -> 1x1 + 1x(0,S2)",
    ],
)
def test_layers_are_proven(text):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = eq.verify(text, trials=2)
    assert any("equivariant" in check for check in report.checks)


@pytest.mark.parametrize("method", ["irreps", "matrix"])
@pytest.mark.parametrize("name", ["GL(2)", "SU(2)"])
def test_other_methods_are_the_same_function(name, method):
    layer = eq.Linear(name, "2x(2,1)", "2x(2,1) + 1x1", bias=False, dtype=torch.complex128)
    other = eq.Linear(name, "2x(2,1)", "2x(2,1) + 1x1", bias=False, method=method, dtype=torch.complex128)
    other.load_state_dict({**layer.state_dict(), **{k: v for k, v in other.state_dict().items() if "extra" in k}})
    x = torch.randn(3, 2, 2, 2, 2, dtype=torch.complex128)
    torch.testing.assert_close(other(x), layer(x))
    eq.verify(eq.plan(name, "2x(2,1)", "2x(2,1)", method=method), trials=1)


def test_exported_files_are_proven(tmp_path):
    for place, (group, into, out) in enumerate([("GL(n)", "2x(1,1)", "2x(1,1)"), ("SU(2)", "2x1", "2x1 + 1x(0,1)")]):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            path = tmp_path / f"layer_{place}.py"
            eq.export(eq.plan(group, into, out), path)
            eq.verify(path, trials=1)


def test_low_rank_pairs_by_hand():
    """U is r x m, V is r x n, and g turns them to g U and g^-T V: layers are matrices on rows, products U^T V."""
    layer = eq.Linear("GL(r)", "4x1 + 5x(0,1)", "3x1 + 2x(0,1)")
    u, v = torch.randn(7, 2, 4), torch.randn(7, 2, 5)
    first, second = layer((u, v))
    torch.testing.assert_close(first, u @ layer.weight_0_0[0].T)
    torch.testing.assert_close(second, v @ layer.weight_1_1[0].T)
    assert len(dict(layer.named_parameters())) == 2
    product_of = eq.TensorProduct("GL(r)", "4x1", "5x(0,1)", "3x0", bias=False, normalization="sum")
    expected = torch.einsum("bim,bin,omn->bo", u, v, product_of.weight[0])
    torch.testing.assert_close(product_of(u, v), expected)


def test_messages_name_the_group_that_was_asked_for():
    layer = eq.Linear("SU(2)", "2x(1,1)", "2x(1,1)")
    with pytest.raises(WeightsError, match=r"they are those of SU\(2\): 1 -> 1.*\n *the layer is +SU\(2\): \(1,1\)"):
        layer.load_state_dict({**layer.state_dict(), **eq.Linear("SU(3)", 1, 1).state_dict()})


# --- complex numbers ----------------------------------------------------------------------------------------


def test_weights_are_complex_with_the_right_variance():
    torch.manual_seed(0)
    layer = eq.Linear("U(2)", "200x(1,1)", "200x(1,1)")
    assert layer.weight.dtype == layer.bias.dtype == torch.complex64
    real, imaginary = layer.weight.real, layer.weight.imag
    torch.testing.assert_close(real.var(), imaginary.var(), rtol=0.05, atol=0)
    x = torch.randn(100, 2, 2, 200, dtype=torch.complex64)
    assert abs(layer(x).detach().abs().square().mean() - 1) < 0.1
    reals = eq.Linear("GL(2)", "200x(1,1)", "200x(1,1)")
    own = layer.weight.abs().square().mean((1, 2))
    torch.testing.assert_close(own, reals.weight.square().mean((1, 2)), rtol=0.05, atol=0)
    assert eq.Linear("U(2)", 1, 1, dtype=torch.complex128).weight.dtype == torch.complex128


def test_complex_layers_are_inspected():
    layer = eq.Linear("U(2)", "2x(1,1)", "2x(1,1)", bias=False)
    with torch.no_grad():
        layer.weight.real.zero_()
        layer.weight[0] = 0
    first, second = eq.inspect(layer).uses
    assert (first.element, second.share) == (1, 0)
    assert abs(first.norm - float(layer.weight[1].detach().abs().square().sum().sqrt())) < 1e-6


def test_kinds_of_numbers_are_not_mixed():
    x = torch.randn(3, 2, 1)
    with pytest.raises(ShapeError, match=r"tensors of U\(2\) are complex numbers: pass .* x.to\(torch.complex64\)"):
        eq.Linear("U(2)", 1, 1)(x)
    with pytest.raises(ShapeError, match=r"u holds torch.float32, and tensors of U\(2\)"):
        eq.TensorProduct("U(2)", 1, "(0,1)", 0)(x, x)
    with pytest.raises(EqsynthError, match=r"complex numbers, not torch\.float32: ask for dtype=torch\.complex64"):
        eq.Linear("U(2)", 1, 1, dtype=torch.float32)
    with pytest.raises(ShapeError, match=r"is torch.complex64, but .* torch.float32"):
        eq.Linear("GL(2)", 1, 1)(x.to(torch.complex64))
    with pytest.raises(ShapeError, match="are complex numbers"):
        eq.nn.NormActivation("U(2)", 1)(x)


def test_conjugates_are_vectors_of_the_dual():
    rng = np.random.default_rng(0)
    g = torch.from_numpy(eq.Group("U", 3).random_element(rng))
    layer = eq.TensorProduct("U(3)", "2x1", "2x(0,1)", "4x0 + 2x(1,1)", dtype=torch.complex128)
    x = torch.randn(5, 3, 2, dtype=torch.complex128)
    turned = torch.einsum("ij,bjc->bic", g, x)
    numbers, matrices = layer(x, x.conj())
    again, moved = layer(turned, turned.conj())
    torch.testing.assert_close(again, numbers)
    torch.testing.assert_close(moved, torch.einsum("ij,bjkc,lk->bilc", g, matrices, g.conj()))


@pytest.mark.filterwarnings("ignore:Complex modules are a new feature")
def test_complex_layers_do_what_real_ones_do(tmp_path):
    layer = eq.Linear("SU(2)", "2x(1,1)", "2x(1,1) + 1x0", dtype=torch.complex128)
    x = torch.randn(3, 2, 2, 2, dtype=torch.complex128, requires_grad=True)
    assert torch.autograd.gradcheck(lambda value: layer(value)[0], (x,))
    layer, x = (part.to(torch.complex64) for part in (layer, x.detach()))
    y = layer(x)
    safetensors.torch.save_file(layer.state_dict(), tmp_path / "weights.safetensors")
    other = eq.Linear("SU(2)", "2x(1,1)", "2x(1,1) + 1x0")
    other.load_state_dict(safetensors.torch.load_file(tmp_path / "weights.safetensors"))
    for same in (other, pickle.loads(pickle.dumps(layer)), copy.deepcopy(layer)):
        torch.testing.assert_close(same(x), y)
    # Autocast leaves complex numbers as they are.
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(layer(x), y, rtol=0, atol=0)
    compiled = torch.compile(layer, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), y)


# --- eq.nn --------------------------------------------------------------------------------------------------

SPACES = {
    "U(2)": "2x(1,1) + 2x1 + 2x0",
    "SU(3)": "2x(1,1) + 2x(0,1) + 2x0",
    "S(n) x U(2)": "2x(1,(1,1)) + 2x(1,0)",
    "GL(2)": "2x(1,1) + 2x1 + 2x0",
    "SL(2)": "2x(1,1) + 2x1 + 2x0",
}


@pytest.mark.parametrize("name", ["U(2)", "SU(3)", "S(n) x U(2)"])
def test_modules_of_complex_tensors(name):
    space = SPACES[name]
    for module in (
        eq.nn.NormActivation(name, space),
        eq.nn.Gated(name, space),
        eq.nn.Pairings(name, space),
        eq.nn.MLP(name, [space, space, space]),
        eq.nn.LayerNorm(name, space),
        eq.nn.LayerNorm(name, space, over="all"),
        eq.nn.BatchNorm(name, space),
        eq.nn.Dropout(name, space),
        eq.nn.Pool(name, space, components="norm"),
    ):
        eq.testing.assert_equivariant(module, trials=1)
    with pytest.raises(ActivationError, match=r"complex numbers.* use eq\.nn\.NormActivation"):
        eq.nn.Activation(name, space, "relu")
    with pytest.raises(ActivationError, match=r"no maximum.* ask for reduce='mean'"):
        eq.nn.Pool(name, space, "max")


@pytest.mark.filterwarnings("ignore:Complex modules:UserWarning")
def test_normalised_complex_tensors_have_mean_square_1():
    x = 3 * torch.randn(99, 2, 6, dtype=torch.complex64), 2 + 5j * torch.randn(99, 6, dtype=torch.complex64)
    for norm in (eq.nn.LayerNorm("U(2)", "6x1 + 6x0"), eq.nn.BatchNorm("U(2)", "6x1 + 6x0", momentum=1)):
        y, numbers = norm(x)
        dims = (1, 2) if isinstance(norm, eq.nn.LayerNorm) else (0, 1)
        torch.testing.assert_close(
            (y.abs() ** 2).mean(dims), torch.ones(y.shape[0] if dims[0] else 6), rtol=1e-3, atol=0
        )
        mean = numbers.mean(-1 if dims[0] else 0)
        torch.testing.assert_close(mean, torch.zeros_like(mean), rtol=0, atol=1e-4)
        assert (norm.weight_0.dtype, norm.bias_1.dtype) == (torch.float32, torch.complex64)
    # In evaluation the running statistics are used, here those of the last batch.
    before, after = norm(x)[1], norm.eval()(x)[1]
    torch.testing.assert_close(after, before, rtol=0.02, atol=0.02)
    # What is real stays real; what children hold is converted as ever.
    net = torch.nn.Sequential(eq.nn.NormActivation("U(2)", "6x1 + 6x0"), norm).to(torch.complex128)
    kinds = {name.split(".")[1][:4]: value.dtype for name, value in net.named_parameters()}
    assert {name: value.dtype for name, value in norm.named_buffers()} == {
        "running_var_0": torch.float64,
        "running_mean_1": torch.complex128,
        "running_var_1": torch.float64,
        "num_batches_tracked": torch.int64,
    }
    assert kinds == {"weig": torch.float64, "bias": torch.complex128}
    assert net[0].bias_0.dtype == torch.float64
    assert all(y.dtype == torch.complex128 for y in net(tuple(one.to(torch.complex128) for one in x)))
    assert eq.nn.Pool("U(2)", "6x(1,1)").to(torch.complex128).linear["0"].weight.dtype == torch.complex128


@pytest.mark.filterwarnings("error")
def test_conversions_of_real_numbers_leave_complex_modules_alone():
    for make in (eq.nn.LayerNorm, eq.nn.BatchNorm, eq.nn.NormActivation, lambda *of: eq.Linear(*of, of[1])):
        module = make("U(2)", "2x1 + 2x0")
        kinds = {name: value.dtype for name, value in module.state_dict().items()}
        for convert in (module.double, module.half, module.float, lambda own=module: own.to("cpu")):
            assert {name: value.dtype for name, value in convert().state_dict().items()} == kinds
        before = copy.deepcopy(module.state_dict())
        for kind in (torch.float64, torch.float32) if any(value.is_complex() for value in before.values()) else ():
            with pytest.raises(EqsynthError, match=r"are complex numbers, not .* module.to\(torch.complex128\)"):
                module.to(kind)
        assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert next(eq.nn.NormActivation("U(2)", 1).to(torch.float64).parameters()).dtype == torch.float64
    assert next(eq.nn.NormActivation("O(2)", 1).double().parameters()).dtype == torch.float64


@pytest.mark.filterwarnings("error:Casting complex", "ignore:Complex modules")
def test_files_convert_complex_numbers_as_layers_do():
    space = "2x(1,1) + 2x0"
    makers = (lambda *of: eq.Linear(*of, of[1]), eq.nn.LayerNorm, eq.nn.BatchNorm)
    net = eq.nn.Sequential(*(make("SU(3)", space) for make in makers))
    file = {}
    exec(compile(network_artifact(net).source, "network", "exec"), file)
    twin = file["Network"]()
    for convert in (lambda one: one.double(), lambda one: one.to(torch.complex128)):
        kinds = [{name: value.dtype for name, value in convert(one).state_dict().items()} for one in (net, twin)]
        assert kinds[0] == kinds[1]
    with pytest.raises(ValueError, match=r"are complex numbers, not .* module\.to\(torch\.complex128\)"):
        twin.to(torch.float64)
    # Tables of constants are made anew in the new precision.
    layer = eq.Linear("SU(2)", "1x2", "1x2")
    exec(compile(layer.source, "layer", "exec"), file)
    alone = file["EquivariantLinear"]()
    alone.load_state_dict(layer.state_dict())
    x = torch.randn(4, 2, 2, 1, dtype=torch.complex128)
    y, meant = alone.to(torch.complex128)(x), layer.to(torch.complex128)(x)
    torch.testing.assert_close(y, meant, rtol=1e-12, atol=1e-12)
    with pytest.raises(ValueError, match=r"are complex numbers, not torch\.float32"):
        alone.to(torch.float32)


def test_a_phase_is_not_seen_by_sizes():
    scale = eq.nn.NormActivation("U(2)", "2x1 + 2x0")
    x = torch.randn(5, 2, 2, dtype=torch.complex64), torch.randn(5, 2, dtype=torch.complex64)
    phase = torch.exp(1j * torch.rand(5, 1))
    for ours, moved in zip(scale(x), scale((x[0] * phase[:, None], x[1] * phase)), strict=True):
        torch.testing.assert_close(moved, ours * phase.reshape(5, *[1] * (ours.ndim - 1)))


def test_what_real_groups_refuse():
    assert demand(eq.Group("GL", 3), 1).properties == ("linear",)
    for name, space in (("GL(2)", SPACES["GL(2)"]), ("SL(3)", "2x(1,1) + 2x0")):
        for kind in (eq.nn.NormActivation, eq.nn.Pairings):
            with pytest.raises(ActivationError, match=r"eq\.TensorProduct and eq\.Power, which pair axes of V"):
                kind(name, space)
        eq.testing.assert_equivariant(eq.nn.Gated(name, space), trials=1)
    # SL(2) is Sp(2), and keeps omega on V and on V*.
    eq.testing.assert_equivariant(eq.nn.Pairings("SL(2)", SPACES["SL(2)"] + " + 2x(0,1)"), trials=1)
