"""Wreath products S(m) wr S(n): sets of sets, whose maps are nested partitions."""

from dataclasses import replace
from functools import reduce
from itertools import product
from math import factorial

import numpy as np
import pytest
import torch

import eqsynth as eq
from eqsynth.algebra import Map, Polynomial, cap, cup, identity, inner, same
from eqsynth.bases.bratteli import copies
from eqsynth.bases.dimension import symmetric_dimension
from eqsynth.diagrams.diagram import Diagram
from eqsynth.errors import (
    EqsynthError,
    GroupError,
    ParseError,
    ShapeError,
    SizeError,
    SpaceError,
    SymbolicError,
    VerificationError,
)
from eqsynth.exact.permutations import sign
from eqsynth.families.group import Group
from eqsynth.families.wreath import nested_partitions
from eqsynth.page import document
from eqsynth.project.exporting import program
from eqsynth.proof.verification import check_basis
from eqsynth.spaces.space import (
    Symmetry,
    Twisted,
    all_turns,
    axis_counts,
    entries_of,
    lengths,
    orders_of,
    read_order,
    untwisted,
)
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


# --- they compose -------------------------------------------------------------------------------------


def at(value, sizes):
    """A coefficient with numbers for its letters."""
    return value(**{letter: sizes[letter] for letter in value.letters}) if isinstance(value, Polynomial) else value


def matrix_at(map_, m, n):
    """The matrix of a map with letters, at numbers."""
    terms = [(at(scalar, {"m": m, "n": n}), element) for scalar, element in map_.terms]
    return Map.collect(Group.parse(f"S({m}) wr S({n})"), map_.outputs, map_.inputs, terms).matrix()


def test_nested_partitions_compose_as_their_matrices():
    """Products, transposes, Kronecker products, traces and inner products, with factors of m and n."""
    m, n, up, down = 3, 2, eq.basis("S(m) wr S(n)", 1, 2), eq.basis("S(m) wr S(n)", 2, 1)
    sizes = {"m": m, "n": n}
    ups, downs = ([maps.map(number) for number in range(len(maps))] for maps in (up, down))
    first, second = ([matrix_at(map_, m, n) for map_ in maps] for maps in (ups, downs))
    for (f, a), (g, b) in product(zip(ups, first, strict=True), zip(downs[::3], second[::3], strict=True)):
        assert (matrix_at(f >> g, m, n) == b @ a).all()
        assert at((g >> f).trace(), sizes) == np.trace(a @ b)
    for (f, a), (number, b) in product(zip(ups[::4], first[::4], strict=True), enumerate(first)):
        assert at(inner(f, ups[number]), sizes) == (a * b).sum() == at(symbolic_inner(f, up[number]), sizes)
    assert (matrix_at(ups[1].T, m, n) == first[1].T).all()
    assert (matrix_at(ups[4] @ downs[2], m, n) == np.kron(first[4], second[2])).all()


def symbolic_inner(map_, element):
    ((_, own),) = map_.terms
    return eq.symbolic.inner(map_.group, own, element)


def test_maps_of_nested_partitions_print_and_take_numbers():
    total = eq.basis("S(3) wr S(n)", 1, 1).map(0)
    assert str(total >> total) == "3 n · [y[a] += x[b] ⊗ y[a] += x[b]]"
    assert (total >> total).at(6) == 6 * total.at(6)
    assert total.matrix(6).tolist() == [[1] * 6] * 6
    assert identity("S(m) wr S(n)", 1).latex() == r"y_{a} \otimes y_{a} = x_{a} \otimes x_{a}"
    assert same(cup("S(2) wr S(2)") >> cap("S(2) wr S(2)"), 4 * identity("S(2) wr S(2)", 0))
    group, one = "S(3) wr S(n)", Diagram(1, 1, ((0, 1),))
    for refused in ((one,), (1, one), (one, Diagram(2, 0, ((0, 1),)))):
        with pytest.raises(EqsynthError):
            Map.of(group, refused)
    with pytest.raises(GroupError, match="finer"):
        Map.of(group, (Diagram(1, 1, ((0,), (1,))), one))
    with pytest.raises(GroupError, match="multiple of 3"):
        total.at(5)
    with pytest.raises(EqsynthError, match="nested partitions"):
        eq.symbolic.inner(group, one, one)


# --- symmetric tensors, and those that the determinant twists ------------------------------------------------


def symmetrised(kind, n):
    """An orthonormal basis of the tensors of a kind, as columns."""
    order = read_order(kind)
    (count,) = axis_counts(order)
    tensors = np.eye(n**count).reshape(-1, *[n] * count)
    means = [sign * tensors.transpose(0, *(1 + axis for axis in axes)) for axes, sign in all_turns(order)]
    values, vectors = np.linalg.eigh((sum(means) / len(means)).reshape(n**count, -1))
    return vectors[:, values > 0.5], count


def null_space(group, inputs, outputs):
    """How many maps between two kinds of tensors commute with the generators, and the bases of these tensors."""
    (below, k), (above, lo) = symmetrised(inputs, group.n), symmetrised(outputs, group.n)
    unit, total = np.eye(below.shape[1] * above.shape[1]), 0
    for images in group.generators:
        move = np.eye(group.n)[list(images)]
        small, large = (reduce(np.kron, [move] * count, np.eye(1)) for count in (k, lo))
        moved = np.kron(above.T @ large @ above, below.T @ small @ below) - unit
        total = total + moved.T @ moved
    return int((np.linalg.eigvalsh(total) < 1e-8).sum()), below, above


@pytest.mark.parametrize(("m", "n"), [(2, 2), (3, 1)])
def test_maps_of_symmetric_tensors_are_those_of_a_null_space(m, n):
    group = Group.parse(f"S({m}) wr S({n})")
    for inputs, outputs in (("S2", "S2"), ("A2", "S2"), ("1", "[ijk=jik]"), ("A3", "1")):
        maps, (count, below, above) = eq.basis(group, inputs, outputs), null_space(group, inputs, outputs)
        assert len(maps) == count
        assert check_basis(maps)
        matrices = maps.matrices()
        # Outputs have their symmetry, and the maps are independent where the inputs have theirs.
        read = np.array([above.T @ matrix @ below for matrix in matrices]).reshape(
            count, above.shape[1] * below.shape[1]
        )
        assert not count or np.linalg.matrix_rank(read) == count
        for matrix in matrices:
            np.testing.assert_allclose(above @ above.T @ matrix @ below, matrix @ below, atol=1e-9)


def test_symmetric_tensors_are_counted_without_diagrams():
    stable = Group.parse("S(m) wr S(n)")
    two, three = Symmetry("S", 2), Symmetry("S", 3)
    counted = [symmetric_dimension(stable, *parts) for parts in ((two,), (two, two), (three,), (Symmetry("A", 2), 1))]
    assert counted == [3, 31, 6, 3]
    for kind in ("S2", "A2", "S3", "[ijk=jik]"):
        assert len(eq.basis(stable, kind, 1)) == symmetric_dimension(stable, read_order(kind), 1)


@pytest.mark.parametrize(("m", "n"), [(1, 1), (1, 3), (2, 1), (2, 2), (2, 3), (3, 2)])
def test_twisted_dimensions_are_means_of_signs_times_fixed_points(m, n):
    every = [(sign(images), sum(place == at for at, place in enumerate(images))) for images in elements(m, n)]
    group = Group.parse(f"S({m}) wr S({n})")
    for total in range(7):
        assert group.headed_dimension(total) * len(every) == sum(by * count**total for by, count in every)
    assert group.flips == any(by < 0 for by, _ in every)


@pytest.mark.parametrize(("inputs", "outputs"), [("1.det", 1), (2, "0.det"), ("1.det", "1.det"), ("2.det", 1)])
def test_twisted_tensors_have_the_maps_of_the_permutations(inputs, outputs):
    own, other = (eq.basis(group, inputs, outputs) for group in ("S(2) wr S(2)", permutations(2, 2)))
    assert len(own) == len(other)
    assert check_basis(own)
    assert eq.page.document("S(2) wr S(2)", inputs, outputs)["count"] == len(own)


def test_a_letter_has_no_maps_of_twisted_tensors_to_others():
    assert len(eq.basis("S(2) wr S(n)", "1.det", 1)) == 0
    assert len(eq.basis("S(2) wr S(n)", "1.det", "1.det")) == 3
    maps = eq.basis("S(2) wr S(2)", "1.det", 1)
    none = replace(maps, diagrams=(), certificate=replace(maps.certificate, dimension=0, spanning=0))
    with pytest.raises(VerificationError, match="0 maps, but the dimension of the equivariant maps is 1"):
        check_basis(none)


# --- irreducible parts --------------------------------------------------------------------------------


@pytest.mark.parametrize(("m", "n", "order"), [(2, 2, 2), (2, 3, 2), (1, 3, 2), (4, 2, 1)])
def test_irreps_are_the_eigenspaces_of_a_random_map(m, n, order):
    """A symmetric map without further symmetry has an eigenvalue for each copy of an irrep."""
    group = Group.parse(f"S({m}) wr S({n})")
    matrices = eq.basis(group, order, order).matrices()
    mixed = np.tensordot(np.random.default_rng(0).standard_normal(len(matrices)), matrices, 1)
    values = np.linalg.eigvalsh(mixed + mixed.T)
    starts = [0, *(1 + np.flatnonzero(np.diff(values) > 1e-7)), len(values)]
    parts = list(eq.irreps(group, order).parts)
    dims = [int(str(part.dim)) for part in parts]
    own = [dim for part, dim in zip(parts, dims, strict=True) for _ in range(part.copies_in[0])]
    assert sorted(np.diff(starts)) == sorted(own)
    floor = sum(dim * part.copies_in[0] ** 2 for part, dim in zip(parts, dims, strict=True))
    assert eq.floor(group, order, order)(c_in=1, c_out=1) == floor
    # A part comes with the least order that holds it.
    assert {label for label in copies(group, order) if group.least_order(label) == order} == {*copies(group, order)} - {
        *copies(group, order - 1)
    }


def test_walks_are_as_many_as_maps():
    assert [eq.bratteli("S(2) wr S(3)", 1, lo).paths for lo in (1, 2)] == [3, 11]
    assert "{1:-;2:2}" in str(eq.bratteli("S(2) wr S(3)", 1))
    assert eq.floor("(S(2) wr S(2)) x O(3)", "1x(1,1)", "1x(1,1)")(c_in=1, c_out=1) == 12
    assert eq.plan("S(2) wr S(3)", 1, 1, method="matrix").floor == eq.floor("S(2) wr S(3)", 1, 1)


# --- layers -------------------------------------------------------------------------------------------


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
        "S(3) wr S(n): 1xA2.packed -> 1xS2.packed",
        "S(2) wr S(2): 1x1.det + 1x1 -> 1x1 + 1x0.det",
        "(S(2) wr S(n)) x O(2): 1x(1,1) + 1x(0,0) -> 2x(1,1)",
        "O(2) x (S(2) wr S(2)): 1x(1,1) (x) 1x(1,0) -> 1x(0,1)",
        "(S(2) wr S(2)) x Perm(3: 1 2 0): 1x(1,1) -> 1x(0,1)",
        "(S(m) wr S(2)) x O(2): 1x(S2.packed,1) -> 1x(1,1)",
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
    assert eq.symbolic.gram("S(m) wr S(n)", "1.det", "2.det") == table
    assert str(eq.symbolic.gram("S(2) wr S(n)", "1.det", 2)) == ""


def test_maps_that_are_no_nested_partitions_have_no_gram_matrix_and_do_not_compose():
    for orders, fault in ((("1.det", 2), "are tables"), (("S2", 1), "sums of them: ask for the orders 2 -> 1")):
        maps = eq.basis("S(2) wr S(2)", *orders)
        for asked in (lambda maps=maps: eq.symbolic.gram(maps), lambda maps=maps: maps.map(0)):
            with pytest.raises(GroupError, match=fault):
                asked()
    with pytest.raises(EqsynthError, match="takes tuple, not MatrixMap"):
        eq.symbolic.inner("S(2) wr S(2)", *[eq.basis("S(2) wr S(2)", "1.det", 1)[0]] * 2)
    with pytest.raises(SpaceError, match="the order 'S2' is not a whole number"):
        eq.symbolic.gram("S(2) wr S(2)", "S2", 1)


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
        ("S(2) wr S(2) wr S(2)", "where they permute points, give generators"),
        ("(S(2) wr S(2)) wr S(2)", "give generators of others to eq.PermutationGroup"),
        ("S(9999) wr S(9999)", "more than"),
        ("S(2) wr Q(3)", "no family"),
    ],
)
def test_what_is_no_wreath_product_is_refused(text, fault):
    with pytest.raises(ParseError, match=fault):
        Group.parse(text)


def test_brackets_close_factors_and_what_they_hold_is_no_wreath_product():
    assert Group.parse("(S(2)) wr (S(n))") == Group.parse("S(2) wr S(n)")
    assert Group.parse("((Z(3))) wr (S(n))") == Group.parse("Z(3) wr S(n)")
    named = eq.PermutationGroup([[1, 2, 3, 0]], name="2 wr 2")
    assert Group.parse(str(named)) == named
    assert Group.parse(f"S(2) wr S(3) x {named}").factors == (Group.parse("S(2) wr S(3)"), named)


def test_one_matrix_is_the_same_function():
    for problem in (("S(2) wr S(3)", "2x1 + 1x2", "1x2"), ("(S(2) wr S(2)) x O(2)", "2x(1,1)", "1x(1,1)")):
        layers = [eq.Linear(*problem, method=method, dtype=torch.float64) for method in ("diagrams", "matrix")]
        randomise(layers[0])
        layers[1].load_state_dict(layers[0].state_dict())
        sizes = [factor.number for factor in layers[0].hom.group.factors]
        inputs = tuple(
            torch.randn(2, *lengths(order, sizes), channels, dtype=torch.float64)
            for channels, order in layers[0].hom.space_in
        )
        first, second = (layer(inputs if len(inputs) > 1 else inputs[0]) for layer in layers)
        torch.testing.assert_close(first, second)


@pytest.mark.parametrize("order", [(1, 1), (2, 1), (1, 0)])
def test_maps_of_products_are_those_of_a_null_space(order):
    turn = np.array([[np.cos(1), -np.sin(1)], [np.sin(1), np.cos(1)]])
    sets = [np.eye(4)[list(images)] for images in Group.parse("S(2) wr S(2)").generators]
    moves = [(move, np.eye(2)) for move in sets] + [(np.eye(4), turn), (np.eye(4), np.diag([1.0, -1.0]))]
    maps = eq.basis("(S(2) wr S(2)) x O(2)", (1, 1), order).matrices()
    constraints = []
    for one, other in moves:
        below, above = (reduce(np.kron, [one] * k + [other] * lo, np.eye(1)) for k, lo in ((1, 1), order))
        constraints.append(np.kron(above, below) - np.eye(len(above) * len(below)))
        np.testing.assert_allclose(above @ maps, maps @ below, atol=1e-9)
    rows = np.concatenate(constraints)
    assert rows.shape[1] - np.linalg.matrix_rank(rows) == len(maps)
    assert not len(maps) or np.linalg.matrix_rank(maps.reshape(len(maps), -1)) == len(maps)


def test_products_are_read_as_they_print():
    for text in ("(S(3) wr S(4)) x O(3)", "S(n) x (S(m) wr S(2)) x O(2)", "(Z(3) wr S(2)) x S(4)"):
        group = Group.parse(text)
        assert str(group) == text
        assert Group.parse(text.replace("(S(3) wr S(4))", "S(3) wr S(4)")) == group
        assert (
            eval(repr(group), {"ProductGroup": eq.ProductGroup, "WreathProduct": eq.WreathProduct, "Group": Group})
            == group
        )
    assert str(Group.parse("((S(3)))")) == "S(3)"
    for text, fault in (
        ("()", "name is expected"),
        ("(S(3)", r"\) is expected"),
        ("(S(3) wr S(2)) wr S(2)", "not of S"),
    ):
        with pytest.raises(ParseError, match=fault):
            Group.parse(text)
    with pytest.raises(GroupError, match="take another letter"):
        Group.parse("(S(2) wr S(n)) x S(n)")
    with pytest.raises(SymbolicError, match="does not tell them apart"):
        eq.Linear("(S(m) wr S(n)) x O(3)", "1x(1,1)", "1x(1,1)")
    with pytest.raises(GroupError, match=r"leave \.det out there"):
        eq.basis("(S(2) wr S(2)) x O(2)", ("1.det", 1), (1, 1))


def test_sizes_of_products_are_lengths_of_axes():
    layer = eq.Linear("(S(2) wr S(n)) x O(2)", "2x(0,1)", "1x(1,1)")
    assert layer(torch.randn(3, 2, 2), 6).shape == (3, 6, 2, 1)
    with pytest.raises(ShapeError, match="multiple of 2"):
        layer(torch.randn(3, 2, 2), 7)
    with pytest.raises(ShapeError, match=r"2 \* n, 2"):
        eq.Linear("(S(2) wr S(n)) x O(2)", "2x(1,1)", "1x(1,1)")(torch.randn(3, 5, 2, 2))
    for way in ("repeat", "pad"):
        eq.testing.assert_transfers(eq.Linear("(S(2) wr S(n)) x O(2)", "2x(1,1)", "2x(1,1)", transfer=way), way)


def test_networks_of_products_and_symmetric_tensors():
    eq.testing.assert_equivariant(eq.nn.MLP("(S(2) wr S(n)) x O(2)", ["1x(1,1)", "2x(1,1)", "1x(1,1)"]))
    eq.testing.assert_equivariant(eq.nn.NormActivation("S(2) wr S(n)", "2xS2.packed"))
    maps = eq.basis("(S(2) wr S(2)) x O(2)", (1, 1), (1, 1))
    assert maps.project(np.tensordot([1, 2, 3], maps.matrices(), 1)).coefficients.tolist() == [1, 2, 3]
    assert eq.nn.equivariance_gap(torch.eye(8), maps.group, (1, 1), (1, 1)) < 1e-9


def test_requests_that_have_no_answer_say_why():
    with pytest.raises(SizeError, match="nested partitions"):
        eq.basis("S(1) wr S(2)", 6, 6)
    with pytest.raises(SymbolicError, match="does not tell them apart"):
        eq.Linear("S(m) wr S(n)", "1x1", "1x1")
    with pytest.raises(GroupError, match=r"ask for 2\.det and 1"):
        eq.basis("S(2) wr S(2)", "S2.det", 1)
    with pytest.raises(GroupError, match=r"ask for method='matrix'$"):
        eq.Linear("S(2) wr S(2)", "1x1.det", "1x1", method="diagrams")
    for method in ("irreps", "fourier"):
        with pytest.raises(GroupError, match="method='diagrams' or 'matrix'"):
            eq.Linear("S(2) wr S(2)", "1x1", "1x1", method=method)
    for asked in (lambda: eq.irreps("S(2) wr S(n)", 1), lambda: eq.bratteli("S(m) wr S(2)", 1)):
        with pytest.raises(GroupError, match="ask for numbers"):
            asked()
    with pytest.raises(GroupError, match="tensors of all kinds"):
        eq.irreps("S(2) wr S(2)", "S2")
    with pytest.raises(GroupError, match="characters of"):
        eq.algebra.character("S(2) wr S(2)", (2,))
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


@pytest.mark.parametrize(
    ("group", "power", "output"),
    [
        ("(S(2) wr S(2)) x C(3)", ("1x(1,1)", 2), "1x(0,1)"),
        ("(S(2) wr S(2)) x S(3)", ("1x(0,1)", 3), "1x(0,1)"),
        ("S(2) wr S(2)", ("1x1.det", 3), "1x1"),
        ("S(2) wr S(2)", ("1x1", 2), "1x1.det"),
    ],
)
def test_powers_have_as_many_maps_as_characters_say(group, power, output):
    layer = eq.Power(group, *power, output, bias=False, dtype=torch.float64)
    order, wanted = layer.problem.inputs[0][1], layer.problem.space_out.orders[0]
    total, elements = 0, [np.eye(1)]
    for factor in Group.parse(group).factors:
        closed = _closed([np.eye(factor.number)[list(images)] for images in factor.generators])
        elements = [(*(one if isinstance(one, tuple) else ()), other) for one in elements for other in closed]
    for element in elements:
        powers = [_trace([np.linalg.matrix_power(one, k) for one in element], order) for k in range(1, power[1] + 1)]
        total += _complete(powers) * _trace(element, wanted)
    maps = layer.basis[(0,) * (power[1] + 1)]
    assert len(maps) * len(elements) == round(total)
    eq.verify(layer)


def _closed(generators):
    listed = {one.tobytes(): one for one in [np.eye(len(generators[0]))]}
    agenda = [*listed.values()]
    while agenda:
        here = agenda.pop()
        for moved in (one @ here for one in generators):
            if moved.tobytes() not in listed:
                listed[moved.tobytes()] = moved
                agenda.append(moved)
    return [*listed.values()]


def _trace(element, order):
    parts = zip(element, entries_of(untwisted(order)), orders_of(order), strict=True)
    return np.prod(
        [np.trace(one) ** k * (np.linalg.det(one) if isinstance(part, Twisted) else 1) for one, k, part in parts]
    )


def _complete(sums):
    """The complete symmetric function, whose power sums these are."""
    values = [1.0]
    for m in range(1, len(sums) + 1):
        values.append(sum(sums[k - 1] * values[m - k] for k in range(1, m + 1)) / m)
    return values[-1]
