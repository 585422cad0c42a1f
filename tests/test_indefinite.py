"""O(p,q) and SO(p,q): matchings and heads with a form whose diagonal has signs, through the door of all families."""

import pickle
import warnings

import numpy as np
import pytest
import torch
from torch import nn

import eqsynth as eq
from eqsynth.algebra import Map, matrix
from eqsynth.bases.constraints import nullspace
from eqsynth.bases.forms import form
from eqsynth.bases.schur import parts
from eqsynth.diagrams import functor
from eqsynth.diagrams.words import meaning
from eqsynth.errors import ActivationError, EqsynthError, EquivarianceError, GroupError, ParseError
from eqsynth.families.indefinite import IndefiniteOrthogonal, eta
from oracle import assert_all_agree, randomise

GROUPS = ["O(1,1)", "O(1,2)", "O(2,1)", "O(1,3)", "O(2,2)", "SO(1,1)", "SO(1,2)", "SO(2,1)", "SO(1,3)", "SO(2,2)"]
ORDERS = [(1, 1), (0, 2), (2, 0), (2, 1), (1, 2), (0, 3), (3, 0), (2, 2), (1, 3), (4, 0), (3, 2), (2, 4)]


def quiet(make, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make(*args, **kwargs)


# --- what the group is ----------------------------------------------------------------------------------


def test_dimensions_are_those_of_the_specification():
    lorentz = eq.Group.parse("O(1,3)")
    assert [lorentz.dimension(total) for total in (2, 4, 6, 8)] == [1, 3, 15, 105]
    assert [len(eq.basis("O(1,3)", total // 2, total // 2)) for total in (2, 4, 6, 8)] == [1, 3, 15, 105]
    assert [eq.Group.parse("SO(1,2)").dimension(total) for total in range(8)] == [
        eq.Group("SO", 3).dimension(total) for total in range(8)
    ]


@pytest.mark.parametrize("name", GROUPS)
def test_generators_and_random_elements_keep_the_form(name):
    group, rng = eq.Group.parse(name), np.random.default_rng(0)
    form_ = eta(*group.signature)
    elements, algebra = group.generating_matrices()
    for g in [*elements, *(group.random_element(rng) for _ in range(20))]:
        np.testing.assert_allclose(g.T @ form_ @ g, form_, atol=1e-12)
    for x in algebra:
        assert not (x.T @ form_ + form_ @ x).any()
    determinants = {round(np.linalg.det(group.random_element(rng))) for _ in range(40)}
    times = {bool(group.random_element(rng)[0, 0] > 0) for _ in range(40)}
    assert determinants == ({1} if group.heads else {1, -1})
    assert times == {True, False}, "both components are met"


@pytest.mark.parametrize("name", GROUPS)
@pytest.mark.parametrize(("inputs", "outputs"), ORDERS)
def test_bases_span_the_null_space_of_the_generators(name, inputs, outputs):
    group = eq.Group.parse(name)
    if group.n ** (inputs + outputs) > 300:
        assert len(eq.basis(group, inputs, outputs)) == group.dimension(inputs + outputs)
        return
    found, kernel = eq.basis(group, inputs, outputs), nullspace(group, inputs, outputs)
    assert len(found) == len(kernel)
    if len(found):
        both = np.concatenate([found.matrices(), kernel]).reshape(2 * len(found), -1).astype(float)
        assert np.linalg.matrix_rank(both) == len(found)


def test_a_group_of_matrices_has_the_same_maps():
    """What the generators say, without anything that is known of the family."""
    group = eq.Group.parse("O(1,3)")
    elements, algebra = group.generating_matrices()
    matrices = eq.MatrixGroup(elements, algebra)
    for k, lo in ((1, 1), (2, 0), (2, 2), (1, 2)):
        ours, theirs = eq.basis(group, k, lo), eq.basis(matrices, k, lo)
        assert len(ours) == len(theirs)
        if len(ours):
            both = np.concatenate([ours.matrices(), theirs.matrices()]).reshape(2 * len(ours), -1).astype(float)
            assert np.linalg.matrix_rank(both) == len(ours)


def test_signs_are_where_the_form_is():
    assert eq.basis("O(1,2)", 0, 2).matrices().reshape(3, 3).tolist() == [[1, 0, 0], [0, -1, 0], [0, 0, -1]]
    assert eq.basis("O(1,2)", 1, 1).matrices().reshape(3, 3).tolist() == np.eye(3).tolist()
    (cross,) = eq.basis("SO(1,2)", 2, 1).matrices().reshape(1, 3, 3, 3)
    # epsilon on the first axis, and on the others after eta.
    assert cross[0, 1, 2] == 1
    assert cross[1, 2, 0] == -1
    for name, k, lo in (("SO(1,2)", 3, 2), ("O(1,2)", 2, 2), ("SO(1,1)", 2, 2)):
        basis = eq.basis(name, k, lo)
        for diagram, table in zip(basis, basis.matrices(), strict=True):
            rows = [functor.row(basis.group, diagram, np.array(at), basis.group.n)
                    for at in np.ndindex(*[basis.group.n] * lo)]  # fmt: skip
            assert np.array_equal(np.array(rows), table)


def test_values_are_equal_where_p_and_q_are():
    group = eq.Group.parse("SO(1,3)")
    assert group == eq.Group.parse(" SO ( 1 , 3 ) ") != eq.Group("SO", 4) != eq.Group.parse("SO(3,1)")
    assert pickle.loads(pickle.dumps(group)) == group
    assert eval(repr(group), {"Group": eq.Group}) == group
    assert (str(group), group.at(4), group.at("n")) == ("SO(1,3)", group, eq.Group("SO", "n"))
    assert "Lorentz group" in eq.Group.parse("O(1,3)").title
    with pytest.raises(GroupError, match="n = 4, not 5"):
        group.at(5)


@pytest.mark.parametrize(("text", "message"), [
    ("O(4,0)", r"ask for O\(4\)"), ("SO(0,3)", r"ask for SO\(3\)"), ("O(p,q)", "whole numbers"),
    ("O(1,n)", "whole numbers"),
    ("O(-1,3)", "negative"), ("O(3,-1)", "negative"), ("O(1.5,2)", "whole numbers"), ("O(1,2.5)", "whole numbers"),
    ("O(1,)", "signs - is expected"), ("O(1,3", r"\) is expected"), ("O(1,3,2)", r"\) is expected"),
    ("S(1,3)", "one size"), ("Sp(2,2)", "one size"), ("O(1,3) y", "nothing more"), ("O(0,0)", r"O\(1,3\)"),
    ("O(999999,2)", "beyond the largest"),
])  # fmt: skip
def test_what_is_no_such_group_is_told_what_to_ask(text, message):
    with pytest.raises(ParseError, match=message):
        eq.Group.parse(text)


def test_numbers_of_signs_are_numbers():
    for p, q in ((1.0, 3), (True, 3), ("1", 3), (None, 1)):
        with pytest.raises(GroupError, match="whole numbers"):
            IndefiniteOrthogonal(p, q)
    assert IndefiniteOrthogonal(np.int64(1), 3) == eq.Group.parse("O(1,3)")


# --- layers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("normalization", ["variance", "mean", "sum"])
@pytest.mark.parametrize("method", ["diagrams", "matrix", "irreps"])
@pytest.mark.parametrize(("name", "spaces"), [
    ("O(1,3)", ("2x2 + 1x1", "2x2 + 1x0 + 1x1")), ("O(2,1)", ("1x3", "2x1 + 1x3")),
    ("SO(1,2)", ("2x2 + 1x1", "2x2 + 1x1")),
    ("SO(1,2)", ("1x3", "1x2 + 1x3")), ("SO(1,1)", ("2x2 + 1x1", "1x3 + 2x2 + 1x0")), ("SO(1,3)", ("2x0", "1x2")),
    ("SO(1,3)", ("1x2", "2x2")),
])  # fmt: skip
def test_oracle_interpreter_and_module_agree(name, spaces, method, normalization):
    layer = quiet(eq.Linear, name, *spaces, method=method, normalization=normalization, dtype=torch.float64)
    assert_all_agree(randomise(layer), layer.hom.group.n)


@pytest.mark.parametrize(("name", "spaces"), [
    ("O(1,3)", ("2xS2 + 1xA2", "2xS2 + 1xA2 + 1x0")),
    ("SO(1,2)", ("1xS2.packed + 1xA2", "2xA2.packed + 1xS2.packed + 1x1")),
    ("SO(2,4)", ("1x3", "1x3")), ("S(2) x O(1,2)", ("2x(1,1)", "2x(1,1) + 1x(0,2)")),
    ("O(2) x SO(1,2)", ("1x(2,2)", "1x(2,1) + 1x(0,2)")),
])  # fmt: skip
def test_symmetric_tensors_large_heads_and_products_of_groups_agree(name, spaces):
    layer = quiet(eq.Linear, name, *spaces, method="diagrams", dtype=torch.float64)
    assert_all_agree(randomise(layer), [factor.n for factor in layer.hom.group.factors])


def test_weights_belong_to_the_signature():
    """The diagrams are those of O(n), and the function is another."""
    layer = eq.Linear("O(1,3)", "2x2", "2x2")
    for other in ("O(4)", "O(n)", "O(3,1)"):
        with pytest.raises(RuntimeError, match=r"O\(1,3\)|another function"):
            eq.Linear(other, "2x2", "2x2").load_state_dict(layer.state_dict())


def test_irreducible_parts():
    """Transposes of elements are elements, so that maps are closed under transposition: the group need not be compact.

    The Hodge star of SO(1,3) squares to -1, that of SO(2,2) to 1.
    """
    assert [(part.name, str(part.dim), part.delta) for part in parts("SO(1,3)", 2, 2)] == [
        ("()", "1", 1), ("(1,1)", "6", 2), ("(2)", "9", 1),
    ]  # fmt: skip
    assert [part.delta for part in parts("SO(2,2)", 2, 2)] == [1, 1, 1, 1]


@pytest.mark.parametrize("make", [
    lambda: "O(1,3): 2x2 + 1x1 -> 2x2 + 1x1 + 1x0",
    lambda: "SO(1,3): 2x2 + 1x1 -> 2x2 + 1x1 + 1x0",
    lambda: "SO(1,2): 1x3 -> 1x2",
    lambda: "O(1,1): 1x3 -> 1x3",
    lambda: eq.TensorProduct("O(1,3)", "2x1 + 1x2", "2x1", "2x2 + 1x0 + 1x1"),
    lambda: eq.TensorProduct("SO(1,2)", "2x1 + 1x2", "2x1", "2x2 + 1x0 + 1x1"),
    lambda: eq.TensorProduct("SO(1,3)", "1x2", "1x2", "1x2 + 1x0", mode="paired"),
    lambda: eq.TensorProduct("SO(2,1)", "1x2", "1x3", "1x2"),
    lambda: eq.TensorProduct("O(1,2)", "2xS2", "2xA2", "2xS2 + 1x0"),
    lambda: eq.PolynomialLayer("O(1,3)", "2x1", 3, "2x1"),
    lambda: eq.PolynomialLayer("SO(1,2)", "1x2", 2, "1x2 + 1x1 + 1x0"),
])  # fmt: skip
def test_layers_and_products_are_proven(make):
    assert "equivariant" in str(quiet(lambda: eq.verify(make())))


def test_the_initial_scale_of_powers_counts_the_signs():
    """The mean square of x^T eta x is 2 n + (p - q)^2, that of x^T x is 2 n + n^2."""
    torch.manual_seed(0)
    for name in ("O(1,3)", "O(2,2)", "O(1,5)"):
        (pair,) = eq.Power(name, "1x1", 2, "1x0").plan.pairs
        p, q = eq.Group.parse(name).signature
        assert pair.variances[0] == pytest.approx((p + q) / (2 * (p + q) + (p - q) ** 2))


@pytest.mark.parametrize("name", ["O(1,3)", "SO(1,2)"])
def test_files_stand_alone(name, tmp_path):
    eq.export(quiet(eq.Linear, name, "2x2 + 1x1", "2x2 + 1x1 + 1x0"), tmp_path / "layer.py")
    assert "byte for byte" in str(eq.verify(tmp_path / "layer.py"))


# --- everything around ------------------------------------------------------------------------------------


def test_the_form_is_eta():
    assert form(eq.Group.parse("O(1,3)")).rows == ((1, -1, -1, -1),)
    pairs = eq.nn.Pairings("O(1,3)", "2x1 + 3x0")
    eq.testing.assert_equivariant(pairs)
    for module in (
        eq.nn.NormActivation("O(1,3)", "3x1 + 2x2"), eq.nn.Gated("SO(1,3)", "3x1 + 2x2 + 4x0"),
        eq.nn.Pool("O(1,3)", "3x2"),
        quiet(eq.nn.MLP, "SO(1,2)", ["2x1", "4x1 + 4x2 + 4x0", "2x1 + 1x0"]),
        eq.nn.Pairings("SO(2,1)", "4x2 + 2x1 + 1x0"),
    ):  # fmt: skip
        eq.testing.assert_equivariant(module)


def test_there_is_no_norm():
    for layer in (eq.nn.LayerNorm, eq.nn.BatchNorm):
        with pytest.raises(ActivationError, match=r"cannot be normalised: .*positive definite"):
            layer("O(1,3)", "8x1 + 2x0")
    with pytest.raises(EquivarianceError):
        eq.testing.assert_equivariant(eq.nn.LayerNorm("O(4)", "8x1"), "O(1,3)", "8x1", "8x1")
    with pytest.raises(ActivationError, match="entry by entry"):
        eq.nn.Activation("O(1,3)", "8x1", "tanh")


class Trace(nn.Module):
    """Commutes with O(4), not with O(1,3)."""

    group, space_in, space_out = eq.Group.parse("O(1,3)"), eq.Space.parse("1x2"), eq.Space.parse("1x0")

    def forward(self, x):
        return x.diagonal(0, -3, -2).sum(-1)


def test_what_takes_delta_for_eta_is_caught():
    with pytest.raises(EqsynthError):
        eq.testing.assert_equivariant(Trace())


@pytest.mark.parametrize("name", ["O(1,2)", "SO(1,1)", "SO(1,2)", "SO(2,1)", "SO(2,2)"])
def test_diagrams_compose_as_their_matrices_do(name):
    """Two heads that meet leave det eta, and so does a head that is turned upside down."""
    n = eq.Group.parse(name).n

    def maps(k, lo):
        return [Map.of(name, diagram) for diagram in eq.basis(name, k, lo)]

    for k, middle, lo in ((1, 2, 1), (2, 1, 2), (0, 3, 0), (3, 0, 1), (2, 2, 1), (1, 1, 1), (0, 2, 1), (2, 0, 3)):
        if n ** (k + middle) > 300 or n ** (middle + lo) > 300:
            continue
        for first in maps(k, middle):
            assert np.array_equal(matrix(first.T), matrix(first).T)
            for second in maps(middle, lo):
                assert np.array_equal(matrix(first >> second), matrix(second) @ matrix(first))
            for other in maps(k, middle):
                assert eq.algebra.inner(first, other) == (matrix(first) * matrix(other)).sum()
            for beside in (*maps(1, 1), *maps(0, 2)[:1], *maps(2, 0)[:1]):
                assert np.array_equal(matrix(first @ beside), np.kron(matrix(first), matrix(beside)))
            if k == middle:
                assert eq.algebra.trace(first) == np.trace(matrix(first))


def test_the_form_is_symmetric_and_its_own_inverse():
    for name in ("O(1,3)", "SO(1,2)"):
        cup, cap, swap, one = (
            make(name)
            for make in (eq.algebra.cup, eq.algebra.cap, eq.algebra.swap, lambda g: eq.algebra.identity(g, 1))
        )
        assert swap >> cap == cap
        assert (one @ cup) >> (cap @ one) == one
        assert cup >> cap == eq.Group.parse(name).n * eq.algebra.identity(name, 0)
    volume = eq.algebra.epsilon("SO(1,2)")
    assert str(volume >> volume.T) == "6 · [y += x]"
    assert Map.of("SO(1,2)", eq.Diagram(0, 3, ((0,), (1,), (2,)), head=(0, 1, 2))) == volume.T
    lowered = eq.algebra.epsilon("SO(1,1)")
    assert str(lowered.T) == "-[y += ε[ηa,ηb] x[a,b]]"


@pytest.mark.parametrize(("name", "k", "lo"), [
    ("O(1,2)", 2, 2), ("SO(1,2)", 2, 1), ("SO(1,2)", 3, 2), ("SO(1,1)", 2, 2), ("O(1,3)", 2, 2),
])  # fmt: skip
def test_projections_find_the_coefficients(name, k, lo):
    basis, rng = eq.basis(name, k, lo), np.random.default_rng(0)
    weights = rng.integers(-3, 4, len(basis))
    found = basis.project(np.tensordot(weights, basis.matrices(), 1)).coefficients
    assert [int(value) for value in found] == weights.tolist()


def test_symbolic_results_are_those_of_the_definite_form():
    assert eq.symbolic.gram_determinant("O(1,3)", 2, 2) == eq.symbolic.gram_determinant("O(4)", 2, 2)
    assert eq.symbolic.weingarten("SO(1,3)", 2, 2) == eq.symbolic.weingarten("SO(4)", 2, 2)
    assert eq.symbolic.dimension_table(eq.Group.parse("O(1,3)"), 4).dimensions == (1, 3)
    for name in ("O(1,2)", "SO(1,2)"):
        basis = eq.basis(name, 3, 2) if "S" in name else eq.basis(name, 3, 3)
        flat = basis.matrices().reshape(len(basis), -1)
        for row, first in enumerate(basis):
            for column, second in enumerate(basis):
                assert eq.symbolic.inner(basis.group, first, second) == flat[row] @ flat[column]


def test_words_and_formulas_name_the_form():
    basis = eq.basis("O(1,3)", 2, 2)
    assert basis.formula(0) == "y[a,b] += η[a,b] η[c,d] x[c,d]"
    assert meaning(basis.group, basis[0]) == (
        "Takes the contraction with η (the sum of η[a,b] x[a,b] over a and b) "
        "and writes it times η: on the diagonal, with its signs."
    )
    (cross,) = eq.basis("SO(1,2)", 2, 1)
    assert meaning(eq.Group.parse("SO(1,2)"), cross) == (
        "Contracts input axes 0 and 1, times the signs of η, with the last 2 indices of ε and writes the result on "
        "output axis 0."
    )
    assert "Brauer with η" in str(basis)
    assert eq.basis("SO(1,2)", 2, 1).formula(0) == "y[a] += ε[a,ηb,ηc] x[b,c]"
    assert "η = diag(+,-,-)" in eq.page.document("O(1,2)", 1, 1)["title"]
    assert "eta-trace" in str(eq.plan("O(1,3)", 2, 0))
