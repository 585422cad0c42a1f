"""B(n), S'(n), B'(n): easy groups whose diagrams are some of the set partitions, through the door of all families."""

import warnings
from itertools import product

import numpy as np
import pytest
import torch

import eqsynth as eq
from eqsynth.algebra import Map, matrix
from eqsynth.bases.basis import from_data, to_data
from eqsynth.bases.constraints import nullspace
from eqsynth.bases.schur import parts
from eqsynth.diagrams import functor
from eqsynth.diagrams.standard import excess
from eqsynth.errors import ActivationError, CatalogError, EqsynthError, GroupError, ParseError, VerificationError
from eqsynth.proof.verification import check_basis
from oracle import assert_all_agree, randomise

FAMILIES = ["B", "S'", "B'"]


def quiet(make):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make()


# --- what the groups are --------------------------------------------------------------------------------


def test_dimensions_are_those_of_the_specification():
    """Involutions, partitions and involutions of an even number of vertices."""
    assert [eq.Group("B", "n").dimension(total) for total in range(6)] == [1, 1, 2, 4, 10, 26]
    assert [eq.Group("S'", "n").dimension(total) for total in range(7)] == [1, 0, 2, 0, 15, 0, 203]
    assert [eq.Group("B'", "n").dimension(total) for total in range(7)] == [1, 0, 2, 0, 10, 0, 76]
    assert [eq.Group("B", 3).dimension(total) for total in range(8)] == [1, 1, 2, 4, 10, 26, 71, 197]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_bases_span_the_null_space_of_the_generators(family, n):
    group = eq.Group(family, n)
    for total in range(7):
        if n**total > 100:
            break
        for inputs, outputs in {(total, 0), (total // 2, total - total // 2)}:
            kernel = nullspace(group, inputs, outputs)
            for choose in ("auto", "standard"):
                basis = eq.basis(group, inputs, outputs, choose=choose)
                assert len(basis) == len(kernel) == group.dimension(total)
                if len(basis):
                    both = np.concatenate([basis.matrices(), kernel]).reshape(2 * len(basis), -1).astype(float)
                    assert np.linalg.matrix_rank(both) == len(basis)
        assert len(list(group.headless_blocks(total))) == group.count(total)


@pytest.mark.parametrize("family", FAMILIES)
def test_elements_are_orthogonal_and_keep_the_line_of_ones(family):
    rng = np.random.default_rng(0)
    for n in (1, 2, 4):
        group = eq.Group(family, n)
        elements, algebra = group.generating_matrices()
        signs = set()
        for g in [*elements, *(group.random_element(rng) for _ in range(20))]:
            np.testing.assert_allclose(g @ g.T, np.eye(n), atol=1e-12)
            sums = g.sum(0)
            np.testing.assert_allclose(sums, sums[0], atol=1e-12)
            signs.add(round(sums[0]))
        assert signs == ({1} if family == "B" else {1, -1})
        for x in algebra:
            assert not (x + x.T).any()
            assert not x.sum(0).any()


@pytest.mark.parametrize(("family", "n", "k"), [(f, n, k) for f in FAMILIES for n in (1, 2, 4) for k in (1, 2, 3)])
def test_irreducible_parts_fill_the_space(family, n, k):
    """Their dimensions add up to n^k, and the squares of their multiplicities to the number of maps."""
    shared = parts(f"{family}({n})", k, k)
    assert sum(int(str(part.dim)) * part.copies_in[0] for part in shared) == n**k
    assert sum(part.copies_in[0] ** 2 for part in shared) == eq.Group(family, n).dimension(2 * k)


def test_parts_with_names():
    named = [(part.name, str(part.dim), part.copies_in) for part in parts("B(n)", 2, 2)]
    assert named[:2] == [("()", "1", (2,)), ("(1)", "n - 1", (2,))]
    assert [part.name for part in parts("S'(4)", 1, 1)] == ["(4)'", "(3,1)'"]
    assert [part.name for part in parts("S'(n)", 1, 1)] == ["(n)'", "(n-1,1)'"]
    (walks,) = eq.page.document("S'(4)", 1, 1)["walks"]
    assert walks
    assert eq.Group("B'", 4).part_words(((1,), 1)) == "vectors whose entries sum to 0; -1 negates it"


@pytest.mark.parametrize("family", FAMILIES)
def test_symmetric_dimensions_are_ranks(family):
    for n, pair in product(
        (1, 2, 3), (("S2", "S2"), ("S3", "1"), ("A2", "2"), ("S2", "A2"), ("S3", "A3"), ("S2", "S4"))
    ):
        basis = eq.basis(f"{family}({n})", *pair)  # raises where the ranks of means are not the dimension
        assert basis.certificate.dimension == len(basis)


def test_symmetric_dimensions_for_large_n():
    """S^2(R + W) has two trivial parts, one W and one traceless S^2(W)."""
    assert len(eq.basis("B(n)", "S2", "S2")) == len(eq.basis("B'(n)", "S2", "S2")) == 6
    assert len(eq.basis("S'(n)", "S2", "S2")) == len(eq.basis("S(n)", "S2", "S2")) == 9


# --- standard diagrams -----------------------------------------------------------------------------------


def test_standard_diagrams_are_kept_without_ranks():
    """5 -> 5 of B(3) has 9,496 diagrams, of which a rule keeps a basis."""
    basis = eq.basis("B(3)", 5, 5)
    assert (basis.certificate.independence, basis.certificate.spanning) == ("standard", 9496)
    assert len(basis) == eq.Group("B", 3).dimension(10)
    assert check_basis(basis)
    assert all(not excess(basis.group, diagram) for diagram in basis)
    crossing = eq.Diagram(2, 4, ((0, 3), (1, 4), (2, 5)))
    assert "3, longer than 2, which is n - 1" in excess(eq.Group("B", 3), crossing)
    assert not excess(eq.Group("B", 4), crossing)


def test_the_checkers_refuse_what_is_no_basis():
    basis = eq.basis("B(2)", 2, 2)
    assert from_data(basis.group, 2, 2, to_data(basis)) == basis
    with pytest.raises(CatalogError):
        from_data(basis.group, 2, 2, to_data(eq.basis("S(2)", 2, 2)))
    every = eq.basis("B(n)", 2, 2).diagrams
    dependent = (*every[:7], every[9])
    assert np.linalg.matrix_rank([functor.matrix(basis.group, diagram, 2).ravel() for diagram in dependent]) == 7
    for diagrams, why in ((dependent, "dependent"), (eq.basis("S'(2)", 2, 2).diagrams, "vertices")):
        with pytest.raises(VerificationError, match=why):
            check_basis(type(basis)(basis.group, 2, 2, diagrams, basis.certificate))


# --- algebra and symbolic results ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["B(2)", "B(3)", "S'(2)", "B'(3)"])
def test_composition_is_a_functor(name):
    def maps(k, lo):
        return [Map.of(name, diagram) for diagram in eq.basis(name, k, lo)]

    for k, middle, lo in ((1, 1, 1), (2, 2, 0), (0, 2, 2), (1, 2, 1), (2, 1, 1), (1, 1, 3)):
        for first in maps(k, middle):
            assert np.array_equal(matrix(first.T), matrix(first).T)
            for second in maps(middle, lo):
                assert np.array_equal(matrix(first >> second), matrix(second) @ matrix(first))
            for other in maps(k, middle):
                assert eq.algebra.inner(first, other) == (matrix(first) * matrix(other)).sum()


@pytest.mark.parametrize(("name", "k"), [("B(n)", 1), ("B(n)", 2), ("B'(n)", 2), ("S'(n)", 2), ("B'(n)", 1)])
def test_gram_and_weingarten_matrices(name, k):
    gram, inverse = eq.symbolic.gram(name, k, k), eq.symbolic.weingarten(name, k, k)
    one = eq.symbolic.ExactMatrix.of(np.eye(len(gram), dtype=int).tolist())
    assert inverse @ gram == one
    if len(gram) <= 10:
        assert gram.det() == eq.symbolic.gram_determinant(name, k, k)
    family = eq.Group.parse(name).family
    singular = [n for n in range(1, 6) if eq.Group(family, n).dimension(2 * k) < len(gram)]
    assert list(eq.symbolic.degenerate_sizes(name, k, k)) == singular


def test_determinants_are_products():
    assert str(eq.symbolic.gram_determinant("B(n)", 1, 1)) == "n² (n - 1)"
    assert str(eq.symbolic.weingarten("B(n)", 1, 1)[1, 1]) == "1/(n - 1)"
    assert eq.symbolic.gram_determinant("S'(n)", 2, 2) == eq.symbolic.gram_determinant("S(n)", 2, 2)
    for family, total in product(FAMILIES[1:], (1, 3, 5)):
        assert eq.symbolic.gram_determinant(f"{family}(n)", total, 0) == 1
        assert eq.symbolic.degenerate_sizes(f"{family}(n)", total, 0) == ()
    assert str(eq.symbolic.dimension_table("B'", 2)) == str(eq.symbolic.dimension_table("B'(n)", 2))


@pytest.mark.parametrize("name", ["B(3)", "S'(2)", "B'(2)"])
def test_projections_find_the_coefficients(name):
    basis, rng = eq.basis(name, 2, 2), np.random.default_rng(0)
    weights = rng.integers(-3, 4, len(basis))
    projection = basis.project(np.tensordot(weights, basis.matrices(), 1))
    assert [int(value) for value in projection.coefficients] == weights.tolist()


def test_the_orbit_basis_is_that_of_closed_families():
    maps = eq.algebra.identity("S'(n)", 2)
    assert eq.algebra.from_orbits(eq.algebra.to_orbits(maps)) == maps
    with pytest.raises(GroupError, match="orbit basis"):
        eq.algebra.to_orbits(eq.algebra.identity("B(n)", 2))


# --- layers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "method"), [
    ("B(3)", "diagrams"), ("B(3)", "matrix"), ("B(3)", "irreps"), ("S'(3)", "fourier"), ("S'(2)", "irreps"),
    ("B'(3)", "diagrams"), ("B'(2)", "matrix"),
])  # fmt: skip
def test_oracle_interpreter_and_module_agree(name, method):
    layer = quiet(lambda: eq.Linear(name, "2x2 + 1x1", "1x2 + 1x1 + 1x0", method=method, dtype=torch.float64))
    assert_all_agree(randomise(layer), layer.hom.group.n)


@pytest.mark.parametrize("make", [
    lambda: "B(n): 2x2 + 1x1 -> 2x2 + 1x1 + 1x0",
    lambda: "B'(3): 1x3 + 1x1 -> 1x3 + 1x1",
    lambda: "S'(n): 2x2 -> 2x2 + 1x0",
    lambda: eq.Linear("B(n)", "2xS2.packed", "2xS2 + 1x0"),
    lambda: eq.Linear("B(3)", "2xA2.packed + 1xS2", "2xA2"),
    lambda: eq.Linear("B(3) x O(2)", "2x(2,1)", "2x(1,1)"),
    lambda: eq.Linear("S'(n) x B(m)", "2x(1,1)", "2x(1,1)"),
    lambda: eq.TensorProduct("B(n)", "2x1", "2x1", "2x2 + 1x1"),
    lambda: eq.TensorProduct("S'(n)", "2x1", "2x1", "2x2 + 1x0"),
    lambda: eq.PolynomialLayer("B(3)", "2x1", 3, "2x1"),
])  # fmt: skip
def test_layers_and_products_are_proven(make):
    assert "equivariant" in str(quiet(lambda: eq.verify(make())))


def test_ways_that_a_group_lacks_are_refused():
    with pytest.raises(GroupError, match="orders in which a map reads positions"):
        eq.plan("B(n)", 2, 2, method="fourier")
    with pytest.raises(GroupError, match="pairs and single vertices"):
        eq.algebra.merge("B(n)")
    for text, why in (
        ("B'(0)", "n >= 1"),
        ("H'(3)", "no family"),
        ("S''(3)", "size"),
        ("S'", "size"),
        ("B(1,2)", "one size"),
    ):
        with pytest.raises(ParseError, match=why):
            eq.Group.parse(text)
    assert eq.Group.parse("S\u2019(4) x B\u2032(n)") == eq.Group.parse("S'(4) x B'(n)")


def test_activations_and_norms():
    eq.testing.assert_equivariant(eq.nn.Activation("S'(n)", "3x1 + 2x2", "tanh"))
    eq.testing.assert_equivariant(eq.nn.Activation("S'(n)", "2x2", "relu"))
    eq.testing.assert_equivariant(eq.nn.Activation("B(2)", "2x1", "relu"))
    for name, space in (("S'(n)", "3x1"), ("B(n)", "3x1"), ("B'(4)", "3x2")):
        with pytest.raises(ActivationError):
            eq.nn.Activation(name, space, "relu")
    for name in ("B(n)", "S'(3)", "B'(n)"):
        for module in (
            eq.nn.LayerNorm(name, "2x2 + 1x1"),
            eq.nn.NormActivation(name, "2x2 + 1x1"),
            eq.nn.Pool(name, "2x2"),
        ):
            eq.testing.assert_equivariant(module)
    quiet(lambda: eq.testing.assert_equivariant(eq.nn.MLP("B(3)", ["2x2", "4x2 + 4x0", "2x2 + 1x0"])))


def test_files_stand_alone(tmp_path):
    eq.export(eq.Linear("S'(n)", "2x2", "2x2 + 1x0"), tmp_path / "signed.py")
    eq.export(eq.Linear("B(3)", "2x2", "2x1"), tmp_path / "bistochastic.py")
    for name in ("signed", "bistochastic"):
        assert "byte for byte" in str(eq.verify(tmp_path / f"{name}.py"))


def test_projects_keep_groups_with_an_apostrophe(tmp_path):
    """The lock file once took its own record for an edit of somebody else."""
    from eqsynth.project.syncing import Project, compare, layer_of, sync

    texts = ("S'(n): 4x1 -> 4x1", "B'(n) x S(3): 1x(1,1) -> 1x(1,1)", "B(3): 4x1 -> 4x1")
    project = Project("signs", tmp_path / "layers", tuple(map(layer_of, texts)))
    assert sync(project).changes
    assert not compare(project).changes
    assert {path.name for path in (tmp_path / "layers").iterdir()} >= {"s_prime_n_4x1_to_4x1.py", "b3_4x1_to_4x1.py"}


@pytest.mark.parametrize(("attempt", "cure"), [
    (lambda: eq.Linear("O(3)", "8xS2 (x) 8xS2", "8xS2"), "TensorProduct"),
    (lambda: eq.Linear("O(3)", "8x1 x 8x1", "8x2"), "TensorProduct"),
    (lambda: eq.nn.Pairings("S(n)", "3x2 + 3x0"), "not only relabels"),
])  # fmt: skip
def test_what_a_first_user_tries_is_told_what_to_write(attempt, cure):
    with pytest.raises(EqsynthError, match=cure):
        attempt()
