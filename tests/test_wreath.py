"""Wreath products S(m) wr S(n): sets of sets, whose maps are nested partitions."""

from dataclasses import replace
from itertools import product
from math import factorial

import numpy as np
import pytest
import torch

import eqsynth as eq
from eqsynth.diagrams.diagram import Diagram
from eqsynth.errors import EqsynthError, GroupError, ParseError, ShapeError, SizeError, SymbolicError, VerificationError
from eqsynth.families.group import Group
from eqsynth.families.wreath import nested_partitions
from eqsynth.page import document
from eqsynth.project.exporting import program
from eqsynth.proof.verification import check_basis
from oracle import dense, randomise

SIZES = [(1, 3), (2, 2), (2, 3), (3, 1), (3, 2)]


def permutations(m, n):
    """The same group by its generators, handled through orbits."""
    return eq.PermutationGroup(Group.parse(f"S({m}) wr S({n})").generators)


def elements(m, n):
    """The wreath product, element by element: the generators, multiplied until nothing is new."""
    generators = [tuple(images) for images in Group.parse(f"S({m}) wr S({n})").generators]
    known, agenda = {tuple(range(m * n))}, [tuple(range(m * n))]
    while agenda:
        here = agenda.pop()
        for move in generators:
            there = tuple(move[place] for place in here)
            if there not in known:
                known.add(there)
                agenda.append(there)
    return known


@pytest.mark.parametrize(("m", "n"), SIZES)
def test_the_elements_keep_the_groups_of_points_and_are_all_that_do(m, n):
    group = Group.parse(f"S({m}) wr S({n})")
    every = elements(m, n)
    assert len(every) == group.order == factorial(m) ** n * factorial(n)
    assert all(
        len({place // m for place in images[start : start + m]}) == 1
        for images in every
        for start in range(0, n * m, m)
    )
    rng = np.random.default_rng(0)
    drawn = {tuple(int(place) for place in group.random_element(rng).argmax(1)) for _ in range(20)}
    assert drawn <= every
    assert len(drawn) > min(len(every), 20) // 3


def test_stable_dimensions_are_those_of_the_specification():
    assert [Group.parse("S(m) wr S(n)").dimension(total) for total in range(6)] == [1, 1, 3, 12, 60, 358]
    assert [len(list(nested_partitions(total, total, total))) for total in range(5)] == [1, 1, 3, 12, 60]


@pytest.mark.parametrize(("m", "n"), SIZES)
def test_dimensions_are_means_of_fixed_points(m, n):
    fixed = [sum(place == at for at, place in enumerate(images)) for images in elements(m, n)]
    for total in range(7):
        assert Group.parse(f"S({m}) wr S({n})").dimension(total) * len(fixed) == sum(count**total for count in fixed)


@pytest.mark.parametrize(("m", "n"), SIZES)
@pytest.mark.parametrize(("inputs", "outputs"), [(0, 1), (1, 1), (2, 1), (0, 3), (2, 2)])
def test_bases_span_the_orbits(m, n, inputs, outputs):
    own, orbits = (eq.basis(group, inputs, outputs) for group in (f"S({m}) wr S({n})", permutations(m, n)))
    assert len(own) == len(orbits)
    # Rows of orbits are disjoint, so a map of the group is known from its values on one index tuple of each.
    values = own.matrices().reshape(len(own), -1)
    table = orbits.matrices().reshape(len(orbits), -1)
    representatives = table.argmax(1)
    coordinates = values[:, representatives]
    assert (coordinates @ table == values).all()
    assert round(abs(np.linalg.det(coordinates.astype(float)))) == 1, "the change to orbits is unitriangular"
    assert check_basis(own)


def test_composition_is_that_of_matrices():
    """The maps are closed under products and transposes."""
    first, second = eq.basis("S(2) wr S(2)", 1, 2).matrices(), eq.basis("S(2) wr S(2)", 2, 1).matrices()
    space = eq.basis("S(2) wr S(2)", 2, 2).matrices().reshape(-1, 256)
    products = np.array([(a @ b).ravel() for a, b in product(first, second)])
    assert np.linalg.matrix_rank(np.concatenate([space, products])) == len(space)
    assert np.linalg.matrix_rank(
        np.concatenate([first.reshape(len(first), -1), second.transpose(0, 2, 1).reshape(len(second), -1)])
    ) == len(first)


@pytest.mark.parametrize(
    ("hom", "n"),
    [
        (("S(2) wr S(3)", "2x2 + 1x0", "3x2 + 2x1"), 6),
        (("S(3) wr S(n)", "2x2 + 2x1", "2x2"), 6),
        (("S(m) wr S(2)", "2x1", "2x2 + 1x0"), 4),
        (("S(2) wr S(2)", "1x0", "2x3"), 4),
        (("S(1) wr S(3)", "2x1", "2x2"), 3),
    ],
)
@pytest.mark.parametrize("normalization", ["variance", "sum"])
def test_layers_are_sums_of_their_maps_and_so_are_their_gradients(hom, n, normalization):
    layer = randomise(eq.Linear(*hom, normalization=normalization, dtype=torch.float64))
    inputs = [
        torch.randn(2, *[n] * order, channels, dtype=torch.float64, requires_grad=True)
        for channels, order in layer.hom.space_in
    ]
    outputs = layer(
        tuple(inputs) if len(inputs) > 1 else inputs[0],
        *([] if any(k for _, k in layer.hom.space_in) or not layer.hom.group.symbolic else [n]),
    )
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    expected = dense(layer, inputs, n)
    wanted = [*inputs, *layer.parameters()]
    seeds = [torch.randn_like(y) for y in outputs]
    ours = torch.autograd.grad(outputs, wanted, seeds)
    theirs = torch.autograd.grad(expected, wanted, seeds)
    for y, z in zip((*outputs, *ours), (*expected, *theirs), strict=True):
        torch.testing.assert_close(y, z)


@pytest.mark.parametrize(
    "problem",
    [
        "S(2) wr S(3): 2x2 -> 3x1",
        "S(3) wr S(n): 2x1 -> 2x2",
        "S(m) wr S(2): 1x1 -> 1x1",
        "S(2) wr S(n): 1x0 -> 2x1",
        "S(2) wr S(2): 2x1 (x) 2x1 -> 2x2",
        "S(2) wr S(n): 2x1 (x) 1x1 -> 2x1",
        "S(2) wr S(2): powers 1, 2 of 2x1 -> 2x1",
    ],
)
def test_everything_is_verified(problem):
    assert "equivariant" in str(eq.verify(problem))


def test_the_layer_is_not_that_of_a_smaller_or_a_larger_group():
    """Values of a fixed layer move with the wreath product, and not with permutations that tear groups apart."""
    layer = randomise(eq.Linear("S(2) wr S(2)", "1x1", "1x1", dtype=torch.float64))
    x = torch.randn(4, 1, dtype=torch.float64)
    kept = torch.tensor([[1, 0, 2, 3], [2, 3, 0, 1], [1, 2, 3, 0]])
    moved = [torch.allclose(layer(x[images]), layer(x)[images]) for images in kept]
    assert moved == [True, True, False]


def test_weights_serve_every_size():
    letter, number = eq.Linear("S(3) wr S(n)", "2x1", "2x1"), eq.Linear("S(3) wr S(4)", "2x1", "2x1")
    number.load_state_dict(letter.state_dict())
    x = torch.randn(3, 12, 2)
    torch.testing.assert_close(letter(x), number(x))
    small = eq.Linear("S(1) wr S(4)", "2x1", "2x1")
    with pytest.raises(RuntimeError, match="another function"):
        small.load_state_dict(letter.state_dict())


def test_networks(tmp_path):
    network = eq.nn.MLP("S(2) wr S(n)", ["2x2", "4x2 + 4x1", "3x0"])
    eq.testing.assert_equivariant(network)
    for module in (
        eq.nn.LayerNorm("S(2) wr S(n)", "2x2 + 2x1"),
        eq.nn.NormActivation("S(2) wr S(n)", "2x2 + 1x1"),
        eq.nn.Gated("S(2) wr S(n)", "2x2"),
        eq.nn.Pool("S(2) wr S(n)", "2x2"),
    ):
        eq.testing.assert_equivariant(module.eval())
    with pytest.raises(EqsynthError, match="Sparse"):
        eq.nn.Sparse(eq.Linear("S(2) wr S(n)", "2x2", "2x1"))
    eq.export(eq.Linear("S(3) wr S(n)", "2x1", "2x2"), tmp_path / "sets.py")
    assert "ok" in str(eq.verify(tmp_path / "sets.py"))


def test_programs_keep_the_number_of_groups_open(tmp_path):
    layer = eq.Linear("S(3) wr S(n)", "2x1", "2x2")
    (tmp_path / "sets.pt2").write_bytes(program(layer.plan, "pt2", layer.state_dict()))
    x = torch.randn(4, 9, 2)
    torch.testing.assert_close(torch.export.load(tmp_path / "sets.pt2").module()(x), layer(x))


def test_pages_and_shares():
    page = document("S(2) wr S(3)", 1, 1)
    assert page["count"] == 3
    assert document("S(2) wr S(n)", 1, 1)["spaces"] == ["a vector of 2 n numbers"] * 2
    assert "nested partition" in str(eq.basis("S(m) wr S(n)", 1, 1))
    shares = eq.inspect(eq.Linear("S(2) wr S(n)", "2x1", "2x1")).uses
    assert sum(use.share for use in shares) == pytest.approx(1)


def test_gram_matrices_are_polynomials_in_both_sizes():
    table = eq.symbolic.gram("S(m) wr S(n)", 1, 2)
    for m, n in ((2, 3), (3, 2)):
        matrices = eq.basis("S(m) wr S(n)", 1, 2)
        at = replace(matrices, group=Group.parse(f"S({m}) wr S({n})")).matrices().reshape(len(matrices), -1)
        ours = [[int(table[i, j](m=m, n=n)) for j in range(len(at))] for i in range(len(at))]
        assert ours == (at @ at.T).tolist()
    assert str(eq.symbolic.gram("S(2) wr S(3)", 1, 1)[0, 0]) == "36"
    with pytest.raises(GroupError, match="nested partitions alone"):
        eq.symbolic.gram_determinant("S(2) wr S(n)", 1, 1)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda maps: maps.diagrams[:-1], "dimension"),
        (lambda maps: (*maps.diagrams[:-1], maps.diagrams[0]), "twice"),
        (lambda maps: (*maps.diagrams[:-1], maps.diagrams[-1][::-1]), "cut"),
        (lambda maps: (*maps.diagrams[:-1], maps.diagrams[-1][:1]), "no nested partition"),
        (lambda maps: (*maps.diagrams[:-1], (Diagram(2, 0, ((0, 1),)),) * 2), "does not map"),
    ],
)
def test_sabotaged_bases_are_refused(change, fault):
    maps = eq.basis("S(2) wr S(3)", 1, 1)
    diagrams = list(maps.diagrams)
    # The last element is the one whose inner partition is finer.
    diagrams.sort(key=lambda parts: len(parts[1].blocks) - len(parts[0].blocks))
    maps = replace(maps, diagrams=tuple(diagrams))
    broken = change(maps)
    certificate = replace(maps.certificate, dimension=len(broken))
    with pytest.raises(VerificationError, match=fault):
        check_basis(replace(maps, diagrams=tuple(broken), certificate=certificate))


def test_nested_partitions_beyond_the_sizes_are_refused():
    stable = eq.basis("S(m) wr S(n)", 1, 1)
    for group in ("S(1) wr S(3)", "S(3) wr S(1)"):
        own = eq.basis(group, 1, 1)
        wrong = replace(own, diagrams=stable.diagrams, certificate=replace(own.certificate, dimension=len(stable)))
        with pytest.raises(VerificationError, match="than 1"):
            check_basis(wrong)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("S(3) wr", "expected"),
        ("wr S(3)", "no family"),
        ("S(3) wr O(3)", "symmetric groups"),
        ("S(n) wr S(n)", "one letter for two sizes"),
        ("S(3) wr S(0)", "does not act"),
        ("S(2) wr S(2) wr S(2)", "of two groups"),
        ("S(9999) wr S(9999)", "more than"),
        ("S(2) wr Q(3)", "no family"),
    ],
)
def test_what_is_no_wreath_product_is_refused(text, fault):
    with pytest.raises(ParseError, match=fault):
        Group.parse(text)


def test_requests_that_have_no_answer_say_why():
    with pytest.raises(GroupError, match="no factor of a product"):
        Group.parse("S(2) x S(3) wr S(2)")
    with pytest.raises(SizeError, match="nested partitions"):
        eq.basis("S(1) wr S(2)", 6, 6)
    with pytest.raises(SymbolicError, match="does not tell them apart"):
        eq.Linear("S(m) wr S(n)", "1x1", "1x1")
    with pytest.raises(GroupError, match="symmetric or alternating"):
        eq.Linear("S(2) wr S(2)", "1xS2", "1x1")
    for synthesise in (
        lambda: eq.TensorProduct("S(2) wr S(2)", "1xS2", 1, 1),
        lambda: eq.Power("S(2) wr S(n)", "A2", 2, 0),
    ):
        with pytest.raises(GroupError, match="symmetric or alternating tensors yet: ask for the order 2"):
            synthesise()
    with pytest.raises(GroupError, match="determinant"):
        eq.Linear("S(2) wr S(2)", "1x1.det", "1x1")
    for method in ("matrix", "irreps", "fourier"):
        with pytest.raises(GroupError, match="ask for method='diagrams'"):
            eq.Linear("S(2) wr S(2)", "1x1", "1x1", method=method)
    layer = eq.Linear("S(3) wr S(n)", "1x1", "1x1")
    with pytest.raises(ShapeError, match=r"3 \* n"):
        layer(torch.randn(2, 7, 1))
    with pytest.raises(ShapeError, match="multiple of 3"):
        eq.Linear("S(3) wr S(n)", "1x0", "1x1")(torch.randn(2, 1), 7)
    with pytest.raises(GroupError, match="multiple of 3"):
        eq.basis("S(3) wr S(n)", 1, 1).matrices(7)
    assert eq.basis("S(3) wr S(n)", 1, 1).matrices(6).shape == (3, 6, 6)
    names = {"WreathProduct": eq.WreathProduct, "Group": Group}
    assert eval(repr(layer.hom.group), names) == layer.hom.group
