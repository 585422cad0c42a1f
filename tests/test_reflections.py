"""Z(r) wr S(n): partitions with V minus V* a multiple of r in each block, complex tensors, refusals."""

import copy
import pickle
import re
import warnings
from itertools import pairwise, permutations, product

import numpy as np
import pytest
import torch

import eqsynth as eq
from eqsynth.algebra import Map, matrix
from eqsynth.bases.constraints import nullspace
from eqsynth.bases.dimension import symmetric_dimension
from eqsynth.diagrams import enumeration
from eqsynth.errors import ActivationError, GroupError, ParseError, ShapeError
from eqsynth.exact.partitions import set_partitions
from eqsynth.families.hom import fitted_order, maps_of
from eqsynth.families.representation import act
from eqsynth.project.syncing import derived_name
from eqsynth.show.page import html
from eqsynth.spaces.space import Symmetry, axes_of, duals_of
from eqsynth.symbolic import dimension_table, gram, gram_determinant, weingarten

ORDERS = [0, 1, 2, (0, 1), (1, 1), (0, 2), (2, 1), (0, 1, 1)]


def elements(group):
    """Every element, as a matrix."""
    roots = np.exp(2j * np.pi * np.arange(group.r) / group.r)
    for images in permutations(range(group.n)):
        for phases in product(roots, repeat=group.n):
            yield np.eye(group.n)[list(images)] * np.array(phases)


def problems(group):
    for pair in product(ORDERS, ORDERS):
        inputs, outputs = (fitted_order(group, order) for order in pair)
        yield inputs, outputs, maps_of(group, inputs, outputs), axes_of(inputs) + axes_of(outputs)


# --- the group ----------------------------------------------------------------------------------------------


def test_text_is_read_as_it_prints():
    for text in ("Z(3) wr S(4)", "Z(12) wr S(n)", "Z(4) wr S(1)"):
        group = eq.Group.parse(text)
        assert str(group) == text
        for same in (eval(repr(group), {"Group": eq.Group}), pickle.loads(pickle.dumps(group)), copy.copy(group)):
            assert same == group
            assert hash(same) == hash(group)
    assert eq.Group.parse(" Z( 3 )wr S(2) x O(3)").factors[0] == eq.Group.parse("Z(3) wr S(2)")
    assert eq.Group.parse("Z(3) wr S(2)") != eq.Group.parse("Z(4) wr S(2)")
    assert eq.Group.parse("Z(3) wr S(n)").at(4) == eq.Group.parse("Z(3) wr S(4)")


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("Z(2) wr S(n)", r"is H\(n\), on real tensors: write that"),
        ("Z(1) wr S(3)", r"is S\(3\), on real tensors: write that"),
        ("Z(0) wr S(n)", "a number from 3 to 1,000, not 0"),
        ("Z(-3) wr S(n)", "not -3"),
        ("Z(r) wr S(n)", "not 'r'"),
        ("Z(3000) wr S(n)", "not 3000"),
        ("Z(3) wr O(3)", r"a wreath product of Z\(r\) is one with S\(n\)"),
        ("Z(3) wr S(0)", "ask for n >= 1"),
        ("S(3) wr Z(3)", "Z"),
        ("Z(3) wr S(2) wr S(2)", "more than two groups"),
    ],
)
def test_what_is_no_group_is_told_what_is(text, cure):
    with pytest.raises(ParseError, match=cure):
        eq.Group.parse(text)


# --- dimensions and bases -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Z(3) wr S(1)", "Z(3) wr S(2)", "Z(3) wr S(3)", "Z(4) wr S(2)", "Z(5) wr S(2)"])
def test_dimensions_are_means_of_traces(name):
    """The dimension is the mean of tr(g)^a conj(tr(g))^b, a axes of V and b of V*, inputs seen as outputs."""
    group = eq.Group.parse(name)
    traces = np.array([np.trace(g) for g in elements(group)])
    assert len(traces) == group.order
    for _, _, maps, total in problems(group):
        left = sum(maps.sides)
        mean = np.mean(traces**left * traces.conj() ** (total - left))
        assert abs(mean - maps.dimension(total)) < 1e-6
    for total in range(8):
        mean = np.mean(traces ** (total - total // 2) * traces.conj() ** (total // 2))
        assert abs(mean - group.dimension(total)) < 1e-6


@pytest.mark.parametrize("name", ["Z(3) wr S(1)", "Z(3) wr S(2)", "Z(3) wr S(3)", "Z(4) wr S(2)"])
def test_bases_are_independent_and_commute_with_the_group(name):
    group, rng = eq.Group.parse(name), np.random.default_rng(0)
    moves, algebra = group.generating_matrices()
    assert not algebra
    for inputs, outputs, maps, total in problems(group):
        if total > 5:
            continue
        basis = eq.basis(group, inputs, outputs)
        assert len(basis) == maps.dimension(total)
        flat = basis.matrices().reshape(len(basis), group.n**total)
        assert np.linalg.matrix_rank(flat) == len(basis) if len(basis) else not flat.size
        assert sorted(d.blocks for d in enumeration.diagrams(maps, axes_of(outputs), axes_of(inputs))) == sorted(
            blocks
            for blocks in set_partitions(total)
            if all(sum(1 if maps.sides[v] else -1 for v in block) % group.r == 0 for block in blocks)
        )
        x = rng.standard_normal((2, *[group.n] * axes_of(inputs), 1))
        for g in (*moves, group.random_element(rng)):
            for element in basis.matrices():
                before, after = (tensor.reshape(2, -1) @ element.T for tensor in (x, act([g], inputs, x)))
                moved = act([g], outputs, before.reshape(2, *[group.n] * axes_of(outputs), 1))
                np.testing.assert_allclose(after, moved.reshape(2, -1), atol=1e-10)


@pytest.mark.parametrize("name", ["Z(3) wr S(2)", "Z(4) wr S(2)"])
def test_dimensions_are_those_of_null_spaces(name):
    """Without diagrams: the maps W with rho(g) W = W rho(g) for the generators, by singular values."""
    group = eq.Group.parse(name)
    for inputs, outputs, maps, total in problems(group):
        if total > 5:
            continue
        rows = []
        for g in group.generating_matrices()[0]:
            above, below = (_power(g, duals_of(order)) for order in (outputs, inputs))
            rows.append(np.kron(above, np.eye(len(below))) - np.kron(np.eye(len(above)), below.T))
        values = np.linalg.svd(np.concatenate(rows), compute_uv=False)
        assert (values < 1e-9).sum() == maps.dimension(total)


def _power(g, duals):
    power = np.ones((1, 1))
    for dual in duals:
        power = np.kron(power, g.conj() if dual else g)
    return power


def test_numbers_of_maps():
    counts = [eq.Group.parse("Z(3) wr S(n)").dimension(total) for total in range(9)]
    assert counts[::2] == [1, 1, 3, 17, 155]
    assert len(eq.basis("Z(3) wr S(n)", 0, 3)) == len(eq.basis("Z(3) wr S(n)", 2, (0, 1))) == 1
    assert len(eq.basis("Z(4) wr S(n)", 0, 3)) == 0
    # Beyond the order, the roots of unity are as all numbers of length 1.
    assert [len(eq.basis(f"Z({r}) wr S(2)", 2, 2)) for r in (3, 4, 5, 900)] == [3, 3, 3, 3]
    assert dimension_table("Z(3) wr S(n)", 6).dimensions == (1, 11, 17)


@pytest.mark.parametrize("n", [1, 2, "n"])
def test_symmetric_tensors_are_counted_twice(n):
    group = eq.Group.parse(f"Z(3) wr S({n})")
    for inputs, outputs in product([2, "S2", "A2", "S3", "A3", "S4"], repeat=2):
        basis = eq.basis(group, inputs, outputs)
        parts = (basis.inputs, basis.outputs)
        assert len(basis) == symmetric_dimension(maps_of(group, *parts), *parts)
        at = basis.matrices(None if n != "n" else 4)
        assert np.linalg.matrix_rank(at.reshape(len(at), -1)) == len(at) if len(at) else not at.size
    assert isinstance(parts[0], Symmetry)


def test_the_exact_null_space_is_refused():
    with pytest.raises(GroupError, match="roots of unity"):
        nullspace(eq.Group.parse("Z(3) wr S(2)"), 1, 1)


# --- algebra and symbolic results ---------------------------------------------------------------------------


def test_composition_is_a_functor():
    group = "Z(3) wr S(n)"
    for orders in (((1, 1), (1, 1), 0), (2, (0, 1), 2), (0, 3, (1, 2, 1))):
        maps = [[Map.of(group, diagram, 1, b, a) for diagram in eq.basis(group, a, b)] for a, b in pairwise(orders)]
        for first, second in product(*maps):
            both = first >> second
            np.testing.assert_array_equal(matrix(both, 2), matrix(second, 2) @ matrix(first, 2))
            assert (first @ second).T == first.T @ second.T


def test_gram_matrices_and_weingarten_functions():
    group = "Z(3) wr S(n)"
    assert gram(group, 2, 2).det() == gram_determinant(group, 2, 2)
    assert str(gram_determinant(group, 2, 2)) == "n³ (n - 1)²"
    basis = eq.basis(group, 2, 2)
    both = gram(basis) @ weingarten(basis)
    assert [[str(v) for v in row] for row in both.rows] == np.eye(len(basis), dtype=int).astype(str).tolist()


# --- layers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "Z(3) wr S(2): 2x(1,1) + 1x1 -> 3x(1,1) + 2x0 + 1x(0,2)",
        "Z(3) wr S(n): 2x2 -> 2x2 + 1x(0,1)",
        "Z(4) wr S(2): 1x(2,1) -> 2x(2,1)",
        "Z(3) wr S(2): 2xS2 -> 2xS2 + 1x2",
        "Z(3) wr S(2): 2xS2.packed -> 2x(0,1)",
        "Z(3) wr S(n): 2x1 (x) 2x1 -> 2x(0,1)",
        "Z(3) wr S(n): 2x1 (x) 2x(0,1) -> 2x0 + 1x(1,1)",
        "Z(4) wr S(2): powers 1, 2, 3 of 2x1 -> 2x(0,1)",
        "Z(3) wr S(2) x O(2): 2x((1,1),1) -> 2x(0,1)",
    ],
)
def test_layers_are_proven(text):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = eq.verify(text, trials=2)
    assert any("equivariant" in check for check in report.checks)


def test_exported_files_are_proven(tmp_path):
    eq.export(eq.plan("Z(3) wr S(n)", "2x(1,1)", "2x(1,1)"), tmp_path / "layer.py")
    eq.verify(tmp_path / "layer.py", trials=1)


def test_pages_and_names_of_files():
    text = html("Z(3) wr S(2)", 2, 2)
    assert "Z(3) wr S(2)" in text
    assert "n³ (n - 1)²" in text
    assert re.fullmatch(r"Z_3_wr_S4_[0-9a-f]{8}_2x2_to_2x2", derived_name(eq.Hom.parse("Z(3) wr S(4)", "2x2", "2x2")))


def test_every_method_is_the_same_function():
    layer = eq.Linear("Z(3) wr S(2)", "2x2", "2x2 + 1x(0,1)", bias=False, dtype=torch.complex128)
    x = torch.randn(3, 2, 2, 2, dtype=torch.complex128)
    for method in ("matrix", "irreps"):
        other = eq.Linear("Z(3) wr S(2)", "2x2", "2x2 + 1x(0,1)", bias=False, method=method, dtype=torch.complex128)
        other.load_state_dict({**layer.state_dict(), **{k: v for k, v in other.state_dict().items() if "extra" in k}})
        for ours, theirs in zip(other(x), layer(x), strict=True):
            torch.testing.assert_close(ours, theirs)
    with pytest.raises(GroupError, match="Fourier transform: it is written for real numbers"):
        eq.Linear("Z(3) wr S(2)", "2x2", "2x2", method="fourier")


def test_products_of_entries_by_hand():
    """Entry by entry, x x goes to V* where r = 3: cube roots of unity have squares that are their conjugates."""
    layer = eq.TensorProduct("Z(3) wr S(n)", "2x1", "3x1", "4x(0,1)", bias=False, normalization="sum")
    u, v = torch.randn(5, 7, 2, dtype=torch.complex64), torch.randn(5, 7, 3, dtype=torch.complex64)
    torch.testing.assert_close(layer(u, v), torch.einsum("bni,bnj,oij->bno", u, v, layer.weight[0]))
    with pytest.raises(ShapeError, match="complex numbers"):
        layer(u.real, v.real)


@pytest.mark.parametrize("name", ["Z(3) wr S(2)", "Z(4) wr S(n)"])
def test_modules_of_complex_tensors(name):
    space = "2x(1,1) + 2x1 + 2x0"
    for module in (
        eq.nn.NormActivation(name, space),
        eq.nn.Gated(name, space),
        eq.nn.Pairings(name, space),
        eq.nn.LayerNorm(name, space),
        eq.nn.BatchNorm(name, space),
        eq.nn.MLP(name, [space, space, space]),
    ):
        eq.testing.assert_equivariant(module, trials=1)
    with pytest.raises(ActivationError, match=r"complex numbers.* use eq\.nn\.NormActivation"):
        eq.nn.Activation(name, space, "relu")


def test_what_is_refused():
    with pytest.raises(GroupError, match=r"without \.det"):
        eq.verify("Z(3) wr S(2): 1x1.det -> 1")


def test_symmetric_axes_of_v_beside_those_of_its_dual():
    # The mean of the character of V times those of S2 V* and V over all 18 elements.
    assert len(eq.basis("Z(3) wr S(2)", "(S2,1)", 1)) == 2
    eq.verify("Z(3) wr S(2): (S2,1) -> 1")


def test_sparse_tensors_are_read_where_they_are():
    layer = eq.Linear("Z(3) wr S(n)", "2x2", "3x2", bias=False)
    x = torch.zeros(4, 4, 2, dtype=torch.complex64)
    for place in ((0, 0), (1, 2), (3, 3)):
        x[place] = torch.randn(2, dtype=torch.complex64)
    every = torch.cartesian_prod(torch.arange(4), torch.arange(4)).T
    y = eq.nn.Sparse(layer)(x.to_sparse(2), at=every)
    torch.testing.assert_close(y.to_dense(), layer(x))
