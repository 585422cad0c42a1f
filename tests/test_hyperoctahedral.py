"""Signed permutations: everything that the other families have, through the door that they came in by."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import eqsynth as eq
from eqsynth.bases.bratteli import irreducible_dimension
from eqsynth.bases.constraints import nullspace
from eqsynth.bases.schur import parts
from eqsynth.diagrams.diagram import Diagram
from eqsynth.diagrams.enumeration import diagrams
from eqsynth.errors import ActivationError, GroupError, ParseError, VerificationError
from eqsynth.families.hom import parse_problem
from eqsynth.proof.verification import check_basis
from oracle import randomise


def elements(n):
    """Every element of H(n) as a matrix."""
    for order in itertools.permutations(range(n)):
        for signs in itertools.product((1, -1), repeat=n):
            yield np.diag(signs) @ np.eye(n, dtype=int)[list(order)]


def mean_trace(n, total):
    """The mean of trace(g)^total: the number of invariants, by averaging."""
    traces = [int(np.trace(g)) for g in elements(n)]
    count, rest = divmod(sum(trace**total for trace in traces), len(traces))
    assert rest == 0
    return count


def test_dimensions_are_those_of_the_specification():
    """Blocks of even size: 1, 4, 31, 379 of them."""
    assert [eq.Group("H", "n").dimension(total) for total in (2, 4, 6, 8)] == [1, 4, 31, 379]
    assert [len(eq.basis("H(n)", total // 2, total // 2)) for total in (2, 4, 6, 8)] == [1, 4, 31, 379]
    assert not len(eq.basis("H(n)", 2, 1))


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_dimensions_are_means_of_traces(n):
    for total in range(9):
        assert eq.Group("H", n).dimension(total) == mean_trace(n, total)


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (0, 2), (2, 1), (2, 2), (3, 1), (4, 0), (3, 3)])
def test_bases_span_the_null_space_of_the_generators(n, inputs, outputs):
    if n ** (inputs + outputs) > 800:
        pytest.fail("the null space is meant to be small")
    found = eq.basis(f"H({n})", inputs, outputs)
    kernel = nullspace(found.group, inputs, outputs)
    assert len(found) == len(kernel)
    if len(found):
        both = np.concatenate([found.matrices(), kernel]).reshape(2 * len(found), -1)
        assert np.linalg.matrix_rank(both) == len(found)


def test_generators_make_the_whole_group():
    """A transposition, a cycle and a flip give all 2^n n! elements."""
    moves, algebra = eq.Group("H", 3).generating_matrices()
    reached, agenda = {np.eye(3, dtype=int).tobytes()}, [np.eye(3, dtype=int)]
    while agenda:
        element = agenda.pop()
        for move in moves:
            image = move.astype(int) @ element
            if image.tobytes() not in reached:
                reached.add(image.tobytes())
                agenda.append(image)
    assert not algebra
    assert len(reached) == 48


def test_parts_are_pairs_of_partitions():
    found = parts("H(n)", 2, 2)
    assert [(part.name, str(part.dim), part.copies_in) for part in found] == [
        ("(n;-)", "1", (1,)),
        ("(n-1,1;-)", "n - 1", (1,)),
        ("(n-2;1,1)", "1/2 n² - 1/2 n", (1,)),
        ("(n-2;2)", "1/2 n² - 1/2 n", (1,)),
    ]
    # The squares of the dimensions of all parts add up to the order of the group.
    group, seen = eq.Group("H", 3), {((3,), ())}
    for _ in range(6):
        seen |= {other for label in seen for other in group.neighbours(0, label)}
    assert sum(irreducible_dimension(group, label) ** 2 for label in seen) == 48


@pytest.mark.parametrize("method", ["diagrams", "matrix", "irreps", "fourier"])
def test_every_method_gives_the_same_function(method):
    plain = randomise(eq.Linear("H(4)", "2x2 + 1x1", "3x2 + 1x0 + 1x1", method="diagrams"))
    other = eq.Linear("H(4)", "2x2 + 1x1", "3x2 + 1x0 + 1x1", method=method)
    other.load_state_dict(plain.state_dict())
    inputs = torch.randn(5, 4, 4, 2, dtype=torch.float64), torch.randn(5, 4, 1, dtype=torch.float64)
    for one, two in zip(plain.double()(inputs), other.double()(inputs), strict=True):
        torch.testing.assert_close(one, two)


def test_weights_for_a_letter_serve_every_size():
    layer, small = eq.Linear("H(n)", "2x2", "2x2"), eq.Linear("H(5)", "2x2", "2x2")
    small.load_state_dict(layer.state_dict())
    x = torch.randn(3, 5, 5, 2)
    torch.testing.assert_close(small(x), layer(x))


def test_odd_functions_commute_and_others_are_refused():
    eq.testing.assert_equivariant(eq.nn.Activation("H(n)", "3x1 + 2x2", "tanh"))
    with pytest.raises(ActivationError, match=r"H\(n\) flips signs.*tanh"):
        eq.nn.Activation("H(n)", "3x1", "relu")
    eq.nn.Activation("H(n)", "3x0", "relu")
    eq.nn.Activation("H(1)", "3x2", "relu")


@pytest.mark.parametrize("module", [
    lambda: eq.nn.MLP("H(3)", ["2x2", "4x2 + 4x0", "2x2 + 1x0"]),
    lambda: eq.nn.LayerNorm("H(n)", "2x2 + 1x1"),
    lambda: eq.nn.NormActivation("H(n)", "2x2 + 1x1"),
    lambda: eq.nn.Pool("H(n)", "2x2"),
    lambda: eq.Linear("H(n)", "2xS2 + 2xA2", "2xA2 + 2xS2"),
    lambda: eq.PolynomialLayer("H(3)", "2x1", 3, "2x1"),
    lambda: eq.Linear("H(3) x O(2)", "2x(2,1)", "2x(0,1)"),
    lambda: eq.Linear("H(n)", "2xS2.packed", "2xS2 + 1x0"),
])  # fmt: skip
def test_modules_have_the_symmetry(module):
    eq.testing.assert_equivariant(module())


class OnlyMoves(nn.Module):
    """Commutes with permutations, but not with signs."""

    group, space_in, space_out = eq.Group("H", 3), eq.Space.parse("2x1"), eq.Space.parse("2x1")

    def forward(self, x):
        return x + x.mean(-2, keepdim=True)


def test_what_forgets_the_signs_is_caught():
    with pytest.raises(eq.EqsynthError):
        eq.testing.assert_equivariant(OnlyMoves())


def test_products_are_proven():
    assert "equivariant" in str(eq.verify(eq.TensorProduct("H(n)", "2x1", "2x1", "2x2 + 1x0")))


@pytest.mark.parametrize("problem", ["H(2): 1x3 -> 1x3", "H(2): 1x4 -> 1x2", "H(3): 1x4 -> 1x4", "H(2): 1xS4 -> 1xS2"])
def test_bases_of_dependent_diagrams_are_proven(problem):
    """The checker once took all set partitions for diagrams of H(n)."""
    hom = parse_problem(problem)
    assert "maps" in check_basis(eq.basis(hom.group, hom.space_in.orders[0], hom.space_out.orders[0]))


def test_dependent_diagrams_are_refused():
    found = eq.basis("H(2)", 3, 3)
    left_out = next(d for d in diagrams(found.group, 3, 3) if d not in found.diagrams and len(d.blocks) == 3)
    three = [d for d in found.diagrams if len(d.blocks) == 3]
    exchanged = [replace(found, diagrams=tuple(sorted([*(e for e in found if e != d), left_out], key=lambda d: d.key)))
                 for d in three or found.diagrams]  # fmt: skip
    assert any(refused(basis) for basis in exchanged)


def refused(basis):
    try:
        check_basis(basis)
    except VerificationError:
        return True
    return False


def test_layers_are_proven_and_exported(tmp_path):
    assert "equivariant" in str(eq.verify("H(3): 2x2 + 1x3 -> 2x2 + 1x1"))
    eq.export(eq.Linear("H(n)", "2x2", "2x2"), tmp_path / "h.py")
    assert "byte for byte" in str(eq.verify(tmp_path / "h.py"))


def test_sparse_inputs_give_what_dense_ones_give():
    net = eq.nn.Sequential(
        eq.Linear("H(n)", "2x2", "3x2", bias=False), eq.nn.Activation("H(n)", "3x2", "tanh")
    ).double()
    edges = torch.tensor([[0, 1, 1, 2, 3, 3], [1, 0, 2, 1, 3, 0]])
    values = torch.randn(6, 2, dtype=torch.float64)
    dense = torch.zeros(1, 4, 4, 2, dtype=torch.float64)
    dense[0, edges[0], edges[1]] = values
    batch = torch.zeros(4, dtype=torch.long)
    index, entries = eq.nn.Sparse(net)((edges, values), batch)
    torch.testing.assert_close(entries, net(dense)[0, index[0], index[1]])


def test_symbolic_results():
    assert str(eq.symbolic.gram_determinant("H(n)", 2, 2)) == "n⁴ (n - 1)³"
    assert str(eq.symbolic.weingarten("H(n)", 1, 1)) == "1/n"
    assert eq.symbolic.degenerate_sizes("H(n)", 3, 3) == (1, 2)
    cup, cap = eq.algebra.cup("H(n)"), eq.algebra.cap("H(n)")
    assert str(cup >> cap) == "n · [y += x]"
    maps = eq.algebra.identity("H(n)", 2) + eq.algebra.swap("H(n)") * 3
    assert eq.algebra.from_orbits(eq.algebra.to_orbits(maps)) == maps
    # The mean over the group leaves the mean of the diagonal.
    assert str(eq.basis("H(2)", 1, 1).project([[1, 2], [3, 4]]).coefficients[0]) == "5/2"


def test_what_is_no_signed_permutation_is_refused():
    with pytest.raises(GroupError, match="blocks of even size"):
        eq.algebra.merge("H(n)")
    with pytest.raises(ParseError, match=r"with signs is H\(n\)"):
        eq.Group.parse("BC(3)")
    assert eq.Group("H", 3).misfit(Diagram(1, 2, ((0, 1, 2),)).blocks, ()) != ""


def test_the_page_names_parts_by_pairs():
    (section,) = eq.page.document("H(3)", 2, 2)["walks"]
    assert section["paths"] == 4
    assert section["levels"][0] == [[[3], []]]
    assert section["words"]["[[3],[]]"].startswith("trivial")
    assert [line[0] for line in section["meeting"]] == [[[2, 1], []], [[3], []], [[1], [1, 1]], [[1], [2]]]
