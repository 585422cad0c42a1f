"""Symmetric and alternating tensors: S2 and A2 in place of an order, stored full or packed."""

import itertools
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import eqsynth as eq
import terminal
from alone import run_alone
from eqsynth.bases import index_symmetries
from eqsynth.bases.constraints import nullspace
from eqsynth.bases.dimension import symmetric_dimension
from eqsynth.codegen import runtime
from eqsynth.diagrams import functor
from eqsynth.diagrams.diagram import MatrixMap
from eqsynth.errors import (
    ActivationError,
    EquivarianceError,
    ExportError,
    GroupError,
    ParseError,
    ShapeError,
    SpaceError,
    VerificationError,
)
from eqsynth.exact.permutations import sign as sign_of
from eqsynth.families.representation import packed, packing, random_tensor, symmetrised, unpacked
from eqsynth.plans import lowering as lower
from eqsynth.plans.lowering import plan_by
from eqsynth.project.exporting import program
from eqsynth.proof.verification import check_basis
from eqsynth.spaces.space import (
    Space,
    Symmetry,
    all_turns,
    is_packed,
    lengths,
    order_text,
    read_order,
    stored_full,
)
from oracle import assert_all_agree, randomise

S2, A2, S3, A3 = (Symmetry(kind, order) for order in (2, 3) for kind in "SA")
SPACES = [
    ("2xS2", "3xS2"),
    ("2xA2", "1xA2 + 1xS2"),
    ("2xS2.packed", "3xS2.packed"),
    ("2x2 + 1xS2.packed + 1x1", "1xA2.packed + 2xS2 + 1x2 + 1x0"),
    ("1xS3", "2xS3.packed + 1x1"),
    ("1x1 + 1xA3.packed", "1xS3 + 1xA3"),
]
GROUPS = [("S(n)", 4), ("S(3)", 3), ("A(4)", 4), ("A(3)", 3), ("O(n)", 3), ("O(2)", 2), ("SO(3)", 3), ("SO(2)", 2),
          ("Sp(4)", 4), ("Sp(n)", 4), ("H(n)", 3), ("H(2)", 2)]  # fmt: skip
TABLES = [("Aut(petersen)", 10), ("Aut(path3)", 3), ("Aut(3: 0-1*5 0-2*7 1-2*7)", 3), ("Perm(3: 1 2 0)", 3)]


@pytest.fixture(autouse=True)
def no_zero_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", eq.errors.ZeroOutputWarning)
        yield


def every_plan(monkeypatch, group, space_in, space_out):
    """The layers by both ways to mix channels: on all entries, and on each entry once."""
    ways = lower._ways
    for choice in (0, -1):
        with monkeypatch.context() as patch:
            patch.setattr(lower, "_ways", lambda *given, choice=choice: [ways(*given)[choice]])
            for cache in (lower.plan_by, lower._chosen):
                cache.cache_clear()
            try:
                yield eq.Linear(group, space_in, space_out, method="diagrams", dtype=torch.float64)
            except GroupError:
                yield eq.Linear(group, space_in, space_out, dtype=torch.float64)  # maps that are tables
    for cache in (lower.plan_by, lower._chosen):
        cache.cache_clear()


# --- spaces ---------------------------------------------------------------------------------------


def test_spaces_with_symmetric_parts_read_and_print():
    space = Space.parse("16xS2 + 8 x A3.packed + S2 + 2x(S2, 1) + S1 + 3xA0")
    assert str(space) == "16xS2 + 8xA3.packed + 1xS2 + 2x(S2,1) + 1x1 + 3x0"
    assert eval(repr(space), {"Space": Space, "Symmetry": Symmetry}) == space
    assert read_order(["S2", 1]) == (S2, 1)
    hom = eq.Hom.parse("S(n) x O(3)", "2x(S2.packed,A2)", "1x(0,0)")
    assert eq.Hom.parse("S(n) x O(3)", str(hom.space_in), "1x(0,0)") == hom
    assert lengths((S2, Symmetry("A", 3, packed=True)), [4, 5]) == [4, 4, 10]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("16xT2", "an order is expected"),
        ("2.packed", "can be packed"),
        ("16xS2.pack", "an order is expected"),
        ("16xS", "an order is expected"),
        ("S2packed", "a term is expected"),
        ("S99", "absurdly high"),
    ],
)
def test_what_is_no_symmetric_space_is_refused_with_a_reason(text, message):
    with pytest.raises((ParseError, SpaceError), match=message):
        Space.parse(text)


def test_symmetries_are_checked():
    for kind, order, message in [
        ("T", 2, "no tensors of kind"),
        ("S", 1, "nothing to exchange"),
        ("A", -1, "negative"),
    ]:
        with pytest.raises(SpaceError, match=message):
            Symmetry(kind, order)
    with pytest.raises(SpaceError, match="one entry per factor"):
        eq.basis("S(n) x O(3)", "S2", "S2")
    with pytest.raises(SpaceError, match="a space of 4 channels"):
        eq.basis("S(n)", "4xS2", 1)
    with pytest.raises(SpaceError, match="a space of 2 terms"):
        eq.basis("S(n)", "S2 + 1", 1)
    for text in ("2.packed", "S1.packed", "A0.packed"):
        with pytest.raises(ParseError, match="can be packed"):
            Space.parse(text)
    with pytest.raises(SpaceError, match="True or False"):
        Symmetry("S", 2, packed="no")
    assert Space.parse(("S2", 1)) == Space.parse("(S2,1)")


# --- bases ----------------------------------------------------------------------------------------


def test_numbers_of_maps_that_are_known():
    # Bipartite partitions of (k, k): OEIS A002774.
    assert [len(eq.basis("S(n)", Symmetry("S", k), Symmetry("S", k))) for k in (2, 3, 4)] == [9, 31, 109]
    # Sym^k of O(n) is a sum of harmonics of degrees k, k - 2, ...; that of Sp(n) and every Alt^k of SO(n) below n / 2
    # is irreducible.
    assert [len(eq.basis("O(n)", Symmetry("S", k), Symmetry("S", k))) for k in (2, 3, 4, 5)] == [2, 2, 3, 3]
    assert [len(eq.basis("Sp(n)", Symmetry("S", k), Symmetry("S", k))) for k in (2, 3, 4)] == [1, 1, 1]
    assert [len(eq.basis("SO(5)", Symmetry("A", k), Symmetry("A", k))) for k in (2, 3)] == [1, 1]
    # Self-dual and anti-self-dual two-forms.
    assert len(eq.basis("SO(4)", "A2", "A2")) == 2
    assert len(eq.basis("SO(3)", "A2", 1)) == 1
    assert len(eq.basis("O(3)", "A3", 0)) == 0
    assert len(eq.basis("SO(3)", "A3", 0)) == 1


@pytest.mark.parametrize(
    "name",
    [
        "S(1)",
        "S(3)",
        "S(n)",
        "A(2)",
        "A(3)",
        "A(4)",
        "O(1)",
        "O(2)",
        "O(n)",
        "SO(2)",
        "SO(3)",
        "Sp(2)",
        "Sp(4)",
        "Sp(n)",
    ],
)
def test_dimensions_without_diagrams_are_those_of_diagrams(name):
    group = eq.Group.parse(name)
    listed = [0, 1, 2, S2, A2, 3, S3, A3]
    for inputs, outputs in itertools.product(listed, listed):
        assert symmetric_dimension(group, inputs, outputs) == len(eq.basis(group, inputs, outputs)), (inputs, outputs)


@pytest.mark.parametrize(("name", "inputs", "outputs"), [
    ("S(3)", S2, S2), ("S(4)", A2, 2), ("A(3)", S2, A2), ("O(2)", S3, 1), ("O(3)", S2, A2), ("SO(2)", S2, S2),
    ("Sp(2)", 2, S2), ("Sp(4)", A2, A2), ("Aut(path3)", S2, S2), ("Aut(cycle4)", A2, A2), ("Perm(3: 1 2 0)", S2, 2),
])  # fmt: skip
def test_bases_span_every_map_that_the_generators_allow(name, inputs, outputs):
    """The null space of the generators' constraints, restricted to symmetric tensors, is the span of the basis."""
    found = eq.basis(name, inputs, outputs)
    n = found.size()
    k, lo = (_axes(order) for order in (inputs, outputs))
    maps = np.array(nullspace(found.group, k, lo), float).reshape(-1, n**lo, n**k)
    above, below = (_projection(order, n) for order in (outputs, inputs))
    restricted = (above @ maps @ below).reshape(len(maps), n ** (k + lo))
    ours = found.matrices() @ below
    # Outputs have their symmetry already.
    np.testing.assert_allclose(above @ ours, ours, atol=1e-12)
    ours = ours.reshape(len(found), n ** (k + lo))
    for rows in (restricted, ours, np.concatenate([restricted, ours])):
        assert (np.linalg.matrix_rank(rows) if len(rows) else 0) == len(found)


def _axes(order):
    return order.order if isinstance(order, Symmetry) else order


def _projection(order, n):
    """The matrix that projects all tensors to those of an order."""
    k = _axes(order)
    units = np.eye(n**k).reshape(n**k, *[n] * k, 1)
    return symmetrised(units, order).reshape(n**k, n**k)


def test_bases_of_products_are_products():
    found = eq.basis("S(n) x O(3)", ("S2", "A2"), ("S2", "A2"))
    assert len(found) == 9
    assert found.certificate.independence == "product"
    check_basis(found)
    assert {len(turns) for turns in found.turns} == {1, 2}


def test_bases_say_what_they_are():
    text = str(eq.basis("S(n)", "A2", "A2"))
    assert "order A2 -> order A2" in text
    assert "an alternating n × n matrix" in text
    assert "y[a,b], -y[b,a] += x[a,c]" in text
    assert "Subtracts the transpose of the result." in " ".join(text.split())
    assert eq.basis("O(n)", 1, "S3").formulas() == ["y[a,b,b], y[b,a,b], y[b,b,a] += x[a]"]
    assert eq.basis("S(n)", 3, "A3").formulas()[-1] == "y[a,b,c] += x[a,b,c] in 6 orders of the axes of y, with signs"


@pytest.mark.parametrize("name", ["S(n)", "S(3)", "O(3)", "SO(2)", "Sp(4)", "Aut(path4)", "Perm(4: 1 2 3 0)"])
def test_proofs_are_checked_again(name):
    for inputs, outputs in ((S2, S2), (A2, S2), (1, S2), (A2, A2), (2, S2)):
        basis = eq.basis(name, inputs, outputs)
        assert f"{len(basis)} map" in check_basis(basis)


def test_proofs_of_wrong_bases_fail():
    good = eq.basis("S(n)", "S2", "S2")
    fields = {name: getattr(good, name) for name in ("group", "inputs", "outputs", "diagrams", "certificate", "turns")}
    fewer = eq.Certificate(8, 15, "cosets")
    twin = eq.Diagram(2, 2, ((0,), (1, 2), (3,)))  # the same as y[a,b] += x[a,c] up to permutations
    twins = (*good.diagrams[:6], twin, *good.diagrams[7:])
    for changes, message in [
        ({"diagrams": good.diagrams[:-1], "turns": good.turns[:-1], "certificate": fewer}, "dimension"),
        ({"diagrams": twins}, "the same up to exchanges"),
        ({"turns": ((((0, 1), 1), ((0, 1), 1)), *good.turns[1:])}, "in all orders"),
        ({"turns": ((((0, 1), -1),), *good.turns[1:])}, "in all orders"),
        ({"certificate": eq.Certificate(9, 15, "stable")}, "proves nothing"),
    ]:
        with pytest.raises(VerificationError, match=message):
            check_basis(eq.Basis(**{**fields, **changes}))
    turned = eq.basis("O(3)", 1, "S3")
    table = eq.basis("Perm(3: 1 2 0)", "S2", "S2")
    rotations = eq.basis(eq.MatrixGroup([[[0, -1], [1, 0]]]), "S2", "S2")
    for wrong, message in [
        (replace(good, turns=tuple(turns[:1] for turns in good.turns)), "in all orders"),
        (replace(good, turns=()), "in all orders"),
        (replace(turned, turns=()), "not the symmetry"),
        (replace(table, diagrams=(MatrixMap(2, 2, ((0, 1, 1), (0, 3, 1))), *table.diagrams[1:])), "both together"),
        (replace(table, diagrams=(MatrixMap(2, 2, ((1, 0, 1),)), *table.diagrams[1:])), "not the symmetry"),
        (replace(rotations, diagrams=(MatrixMap(2, 2, ((0, 0, 1),)), *rotations.diagrams[1:])), "both together"),
    ]:
        with pytest.raises(VerificationError, match=message):
            check_basis(wrong)
    small = eq.basis("O(2)", "S2", "S2")
    twice = (small.diagrams[0], small.diagrams[0])
    with pytest.raises(VerificationError, match="rank"):
        check_basis(eq.Basis(small.group, small.inputs, small.outputs, twice, small.certificate))


@given(st.permutations(range(4)), st.permutations(range(4)))
def test_signs_of_permutations_multiply(first, second):
    assert sign_of([first[i] for i in second]) == sign_of(first) * sign_of(second)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(["S(n)", "O(n)", "Sp(n)", "SO(3)", "A(4)"]), st.integers(0, 10_000), st.data())
def test_moved_diagrams_are_moved_matrices(name, seed, data):
    """What exchanges do to diagrams is what they do to matrices."""
    group = eq.Group.parse(name)
    inputs, outputs = data.draw(st.sampled_from([(2, 2), (3, 1), (1, 3), (2, 1), (4, 0)]))
    found = eq.basis(group, inputs, outputs)
    if not len(found):
        return
    diagram = found[seed % len(found)]
    n = group.n if isinstance(group.n, int) else 4
    lower_row = data.draw(st.booleans()) if outputs else True
    count, start = (inputs, outputs) if lower_row else (outputs, 0)
    swap = data.draw(st.permutations(range(count)))
    image, sign = index_symmetries.permuted(
        diagram, [swap.index(axis) for axis in range(count)], start, index_symmetries.forms_of(group, inputs + outputs)
    )
    split = [functor.matrix(group, d, n).reshape([n] * (inputs + outputs)) for d in (diagram, image)]
    axes = list(range(inputs + outputs))
    axes[start : start + count] = [start + axis for axis in swap]
    np.testing.assert_array_equal(np.transpose(split[0], axes), sign * split[1])


# --- layers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("group", "n", "method", "space_in", "space_out"),
    [
        ("O(3)", 3, "irreps", "1x[ijk=ikj].packed + 1xA2", "1x[ijk=ikj] + 1xS3.packed"),
        ("Aut(path3)", 3, "irreps", "1xA2 + 1xS3.packed", "1xS2 + 1xA2.packed + 1x1"),
        ("C(3)", 3, "irreps", "1x[ijk=jki] + 1x1", "1xS2.packed"),
        ("S(2) x O(2)", 2, "irreps", "1x(S2.packed,2)", "1x(S2,S2.packed) + 1x(1,S2)"),
        ("S(n)", 3, "fourier", "1x[ijk=ikj] + 1xS2.packed", "1xS3 + 1xA2.packed + 1x2"),
        ("A(4)", 4, "fourier", "1xS2 + 1xA2", "1xS2.packed + 1xA2"),
    ],
)
def test_every_method_gives_the_same(group, n, method, space_in, space_out):
    assert_all_agree(randomise(eq.Linear(group, space_in, space_out, method=method, dtype=torch.float64)), n)


def test_the_method_is_chosen_by_cost():
    elasticity = "8x[ijkl=jikl=klij].packed"
    plan = eq.plan("O(3)", elasticity, elasticity)
    assert plan.method == "irreps"
    assert plan.mixing == eq.floor("O(3)", elasticity, elasticity)
    assert plan.mixing(plan.sizes()) < eq.plan("O(3)", elasticity, elasticity, method="diagrams").mixing(plan.sizes())
    assert [name for name, _ in eq.plan("S(5)", "4xS2", "4xS2").alternatives] == ["diagrams", "irreps", "fourier"]


@pytest.mark.parametrize(("space_in", "space_out"), [("1xS2.packed", "1xA2 + 1xS3"), ("1xA2", "1xA2.packed")])
def test_entries_of_blocks_are_weights(space_in, space_out):
    layer = randomise(eq.Linear("S(3)", space_in, space_out, parameters="blocks", dtype=torch.float64))
    eq.verify(layer, trials=1)


@pytest.mark.parametrize(("group", "n"), [*GROUPS, *TABLES])
@pytest.mark.parametrize(("space_in", "space_out"), SPACES)
def test_layers_are_weight_times_matrix(monkeypatch, group, n, space_in, space_out):
    if group == "Aut(petersen)" and "3" in space_out:
        return  # matrices of a million entries: the smaller graph has the same code
    for layer in every_plan(monkeypatch, group, space_in, space_out):
        assert_all_agree(randomise(layer), n)


@pytest.mark.parametrize("normalization", ["mean", "sum"])
@pytest.mark.parametrize(("group", "n"), [("S(n)", 3), ("SO(3)", 3), ("Sp(4)", 4), ("Aut(path4)", 4)])
def test_layers_by_other_normalisations(group, n, normalization):
    layer = eq.Linear(group, "1x1 + 2xS2", "2xS2.packed + 1xA2", normalization=normalization, dtype=torch.float64)
    assert_all_agree(randomise(layer), n)


def test_layers_of_product_groups(monkeypatch):
    spaces = "2x(S2.packed,1) + 1x(1,S2) + 1x(S2.packed,S2.packed)", "2x(S2.packed,1) + 1x(1,A2) + 1x(S2,S2.packed)"
    for layer in every_plan(monkeypatch, "S(n) x O(3)", *spaces):
        assert_all_agree(randomise(layer), 2)


@pytest.mark.parametrize(("group", "n"), [("S(n)", 5), ("O(3)", 3), ("Sp(4)", 4), ("SO(3)", 3)])
@pytest.mark.parametrize("order", ["S2", "A2", "S3"])
def test_packed_layers_are_full_layers_with_the_same_weights(group, n, order):
    full = randomise(eq.Linear(group, f"3x{order}", f"2x{order}", dtype=torch.float64))
    stored = eq.Linear(group, f"3x{order}.packed", f"2x{order}.packed", dtype=torch.float64)
    stored.load_state_dict(full.state_dict())
    x = eq.symmetrise(torch.randn(4, *[n] * int(order[1]), 3, dtype=torch.float64), order)
    torch.testing.assert_close(eq.pack(full(x), order), stored(eq.pack(x, order)))
    torch.testing.assert_close(full(x), eq.unpack(stored(eq.pack(x, order)), order))


def test_symmetric_layers_are_plain_layers_with_tied_weights():
    """A map between symmetric tensors is a map between all tensors, so that a plain layer can be given its weights."""
    ours = randomise(eq.Linear("S(n)", "2xS2", "3xS2", bias=False, normalization="sum", dtype=torch.float64))
    plain = eq.Linear("S(n)", "2x2", "3x2", bias=False, normalization="sum", dtype=torch.float64)
    fewer, more = (torch.from_numpy(eq.basis("S(n)", k, k).matrices(5)).double() for k in ("S2", 2))
    # Coefficients of the fewer maps in the basis of all: exact, since 15 diagrams are independent at n = 5.
    tied = torch.linalg.lstsq(more.flatten(1).T, fewer.flatten(1).T).solution.round()
    torch.testing.assert_close(tied.T @ more.flatten(1), fewer.flatten(1))
    with torch.no_grad():
        plain.weight.copy_(torch.einsum("pd,doi->poi", tied, ours.weight))
    x = eq.symmetrise(torch.randn(2, 7, 7, 2, dtype=torch.float64), "S2")
    torch.testing.assert_close(ours(x), plain(x))
    assert ours.weight.numel() == 9 / 15 * plain.weight.numel()


def test_symmetric_layers_do_less_work():
    for group, order, most in [
        ("S(64)", 2, 0.3),
        ("S(n)", 2, 0.6),
        ("O(3)", 4, 0.02),
        ("O(3)", 3, 0.1),
        ("Sp(4)", 3, 0.1),
    ]:
        plain = plan_by(eq.Hom.parse(group, f"64x{order}", f"64x{order}"), True, "variance", "diagrams")
        less = plan_by(eq.Hom.parse(group, f"64xS{order}", f"64xS{order}"), True, "variance", "diagrams")
        stored = plan_by(
            eq.Hom.parse(group, f"64xS{order}.packed", f"64xS{order}.packed"), True, "variance", "diagrams"
        )
        work = [p.mixing(p.sizes(64 if p.hom.group.symbolic else None)) for p in (plain, less, stored)]
        assert work[1] <= most * work[0]
        assert work[2] <= work[1]


@pytest.mark.parametrize(("group", "spaces", "n"), [
    ("S(n)", ("64xS2", "64xS2"), 8), ("S(n)", ("64xS2", "64xS2"), 40), ("S(n)", ("64x1", "64xS2"), 16),
    ("S(n)", ("64xS2", "64x1"), 16), ("S(n)", ("64xA2", "64xA2"), 16), ("O(3)", ("64xS4", "64xS4"), 3),
    ("O(8)", ("64xS3", "64xS3"), 8), ("Sp(4)", ("64xA2", "64xA2"), 4), ("SO(3)", ("64x2", "64xS2"), 3),
])  # fmt: skip
def test_variance_in_is_variance_out(group, spaces, n):
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    ((channels, order),) = Space.parse(spaces[0]).terms
    found = []
    for _ in range(5):
        x = random_tensor(rng, order, [n], channels, 8)
        layer = eq.Linear(group, *spaces, bias=False, dtype=torch.float64)
        found.append(layer(torch.from_numpy(x / np.sqrt((x**2).mean()))).pow(2).mean().item())
    assert 0.6 < np.median(found) < 1.6


@pytest.mark.filterwarnings("ignore:`torch._prims_common.check`:FutureWarning")  # inductor's own use of it
@pytest.mark.usefixtures("plain_kernels", "open_sizes")
@pytest.mark.parametrize(
    ("group", "space_in", "space_out", "sizes", "backend"),
    [
        ("S(n)", "2xS2.packed + 1x1", "2xA2.packed", (5, 6), "inductor"),
        ("S(n)", "2xA2.packed", "2xS2.packed", (5, 6), "eager"),
        ("S(n)", "2xS2.packed + 1x1", "2xS2.packed + 2xA2.packed", (5, 6), "eager"),
        ("O(3)", "2xS2.packed + 1x1", "2xS2.packed + 2xA2.packed", (3,), "aot_eager"),
    ],
)
def test_layers_compile_with_packed_tensors(group, space_in, space_out, sizes, backend):
    layer = eq.Linear(group, space_in, space_out, dtype=torch.float64)
    # Each kernel takes a second: those of derivatives are tried with all kinds of layers.
    layer.requires_grad_(backend != "inductor")
    compiled = torch.compile(layer, fullgraph=True, dynamic=len(sizes) > 1, backend=backend)
    entries = {"S2": lambda n: n * (n + 1) // 2, "A2": lambda n: n * (n - 1) // 2, "1": lambda n: n}
    for n in sizes:
        terms = [term.removesuffix(".packed").split("x") for term in space_in.split(" + ")]
        inputs = tuple(torch.randn(2, entries[order](n), int(wide), dtype=torch.float64) for wide, order in terms)
        x = inputs if len(inputs) > 1 else inputs[0]
        found, meant = compiled(x), layer(x)
        for ours, theirs in zip(found, meant, strict=True) if isinstance(meant, tuple) else [(found, meant)]:
            torch.testing.assert_close(ours, theirs)


def test_open_sizes_are_read_from_packed_tensors():
    layer = eq.Linear("S(n)", "2xS2.packed", "3x1")
    assert layer(torch.randn(7, 15, 2)).shape == (7, 5, 3)
    for shape in ((7, 14, 2), (7, 0, 2), (15,)):
        with pytest.raises(ShapeError, match=r"n_S2 = n \* \(n \+ 1\) // 2"):
            layer(torch.randn(shape))
    for at_one in (1, 2):
        spaces = "1xA2 + 1xA3.packed + 2xA2.packed", "2x3 + 2x2 + 1xS2"
        empty = eq.Linear("SO(n)", *spaces, bias=False, dtype=torch.float64)
        assert_all_agree(randomise(empty), at_one)
    mixed = eq.Linear("S(n)", "1x1 + 1xA2.packed", "1xA2.packed")
    assert mixed((torch.randn(1, 1), torch.randn(0, 1))).shape == (0, 1)
    assert mixed((torch.randn(9, 1, 1), torch.randn(9, 0, 1))).shape == (9, 0, 1)
    with pytest.raises(ShapeError, match="n_A2, 1"):
        mixed((torch.randn(5, 1), torch.randn(9, 1)))


@pytest.mark.parametrize("spaces", [("2xS2.packed", "3xS2 + 1xA2"), ("1xA3 + 1xS2", "2xS3.packed")])
@pytest.mark.parametrize("group", ["S(n)", "SO(3)", "Sp(4)", "Perm(3: 1 2 0)"])
def test_layers_are_verified_exported_and_pickled(tmp_path, group, spaces):
    import pickle

    layer = randomise(eq.Linear(group, *spaces, dtype=torch.float64))
    assert "equivariant" in str(eq.verify(layer))
    eq.testing.assert_equivariant(layer)
    eq.export(layer, tmp_path / "layer.py")
    assert "verified" in str(eq.verify(tmp_path / "layer.py"))
    n = layer.hom.group.n if isinstance(layer.hom.group.n, int) else 4
    rng = np.random.default_rng(0)
    inputs = tuple(torch.from_numpy(random_tensor(rng, k, [n], c)) for c, k in layer.hom.space_in)
    x = inputs[0] if len(inputs) == 1 else inputs
    torch.save({"weights": layer.state_dict(), "x": x, "y": layer(x)}, tmp_path / "data.pt")
    code = (
        "import sys, torch; sys.path.insert(0, '.')\n"
        "from layer import EquivariantLinear\n"
        "data = torch.load('data.pt', weights_only=True); layer = EquivariantLinear(dtype=torch.float64)\n"
        "layer.load_state_dict(data['weights']); torch.testing.assert_close(layer(data['x']), data['y'])\n"
    )
    done = run_alone(code, tmp_path)
    assert done.returncode == 0, done.stderr
    again = pickle.loads(pickle.dumps(layer))
    assert again.hom == layer.hom
    torch.testing.assert_close(again(x), layer(x))


def test_programs_of_packed_layers(tmp_path):
    layer = randomise(eq.Linear("O(3)", "2xS2.packed", "3xA2.packed + 1xS2"))
    (tmp_path / "layer.pt2").write_bytes(program(layer.plan, "pt2", layer.state_dict()))
    exported = torch.export.load(tmp_path / "layer.pt2").module()
    x = torch.randn(5, 6, 2)
    for ours, meant in zip(exported(x), layer(x), strict=True):
        torch.testing.assert_close(ours, meant)
    with pytest.raises(ExportError, match="packs tensors of open size"):
        program(eq.plan("S(n)", "1xS2.packed", 1), "pt2")
    with pytest.raises(ExportError, match="packs tensors of open size"):
        program(eq.plan("S(n)", 2, "1xA2.packed"), "onnx")


def test_command_line_knows_symmetric_orders(tmp_path):
    def run(*arguments):
        found = terminal.eqsynth(*arguments, cwd=tmp_path)
        return found.returncode, found.stdout + found.stderr

    assert "order S2 -> order A2" in run("show", "S(n)", "S2", "A2")[1]
    assert "order (S2,1) -> order (A2,1)" in run("show", "S(n) x O(3)", "S2,1", "(A2,1)")[1]
    assert run("show", "S(n)", "T2", "A2")[0] == 1
    assert run("synth", "O(3)", "4xS2", "2xS2.packed", "-o", "layer.py")[0] == 0
    assert "verified O(3): 4xS2 -> 2xS2.packed" in run("verify", "layer.py")[1]


# --- packing --------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(["S", "A"]), st.integers(2, 4), st.integers(1, 4), st.integers(0, 1000))
def test_packing_holds_each_entry_once(kind, order, n, seed):
    symmetry = Symmetry(kind, order)
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(2, *[n] * order, 3, generator=generator, dtype=torch.float64)
    sym = eq.symmetrise(x, symmetry)
    torch.testing.assert_close(eq.symmetrise(sym, symmetry), sym)
    for axes, sign in all_turns(symmetry):
        torch.testing.assert_close(sym, sign * sym.permute(0, *(1 + a for a in axes), order + 1))
    stored = eq.pack(sym, symmetry)
    assert stored.shape == (2, symmetry.length(n), 3)
    listed = itertools.combinations_with_replacement if kind == "S" else itertools.combinations
    for place, index in enumerate(listed(range(n), order)):
        torch.testing.assert_close(stored[:, place], sym[:, *index])
    if stored.shape[1]:
        torch.testing.assert_close(eq.unpack(stored, symmetry), sym)
        reference = packed(sym.numpy(), Symmetry(kind, order, packed=True))
        np.testing.assert_allclose(stored.numpy(), reference)
    again = unpacked(stored.numpy(), Symmetry(kind, order, packed=True), [n])
    np.testing.assert_allclose(again, sym.numpy(), atol=1e-12)


@pytest.mark.parametrize(("kind", "order"), [("S", 2), ("A", 2), ("S", 3), ("A", 3), ("S", 4), ("A", 4)])
@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_tables_of_emitted_layers_are_those_of_packing(kind, order, n):
    symmetry = Symmetry(kind, order)
    for ours, meant in zip(runtime._packing(n, order, kind == "A"), packing(symmetry, n), strict=True):
        np.testing.assert_array_equal(ours.numpy(), meant)
    if symmetry.length(n):
        side = runtime._side(symmetry.length(n), order, kind == "A")
        assert symmetry.length(side) == symmetry.length(n)
    assert runtime._side(0, order, kind == "A") == 0


def test_packing_of_products():
    rng = np.random.default_rng(0)
    for order in ("(S2,1)", "(2,A2)", "(S2,A2)", "(S2.packed,A2)", ("A2", "S2.packed")):
        read = read_order(order)
        full = stored_full(read)
        everything = Space.parse(order_text(full)).orders[0]
        chosen = (
            read
            if is_packed(read)
            else tuple(Symmetry(one.kind, one.order, packed=True) if isinstance(one, Symmetry) else one for one in full)
        )
        x = torch.from_numpy(symmetrised(rng.standard_normal((2, *lengths(full, [4, 3]), 5)), everything))
        torch.testing.assert_close(eq.symmetrise(x, order), x)
        assert eq.pack(x, order).shape == (2, *lengths(chosen, [4, 3]), 5)
        np.testing.assert_allclose(eq.pack(x, order), packed(x.numpy(), chosen))
        torch.testing.assert_close(eq.unpack(eq.pack(x, order), order), x)


def test_packing_compiles():
    x = eq.symmetrise(torch.randn(4, 4, 2), "A2")

    @torch.compile(fullgraph=True, backend="aot_eager")
    def there_and_back(x):
        return eq.unpack(eq.pack(x, "A2") * 2, "A2") + eq.symmetrise(x, "A2")

    torch.testing.assert_close(there_and_back(x), 3 * x)


def test_packing_refuses_what_does_not_fit():
    with pytest.raises(ShapeError, match=r"S2 tensors have 3, 6, 10, 15, 21, \.\.\. entries"):
        eq.unpack(torch.randn(7, 1), "S2")
    with pytest.raises(ShapeError, match="without entries does not say what n is"):
        eq.unpack(torch.randn(0, 1), "A2")
    with pytest.raises(ShapeError, match="expected"):
        eq.pack(torch.randn(3, 4, 1), "S2")
    with pytest.raises(ShapeError, match="expected"):
        eq.symmetrise(torch.randn(3, 1), "S2")
    with pytest.raises(ShapeError, match="expected"):
        eq.unpack(torch.randn(3), "S2")
    for order in (2, "2", "(2,1)", (0, 1)):
        with pytest.raises(SpaceError, match="no symmetric or alternating part"):
            eq.pack(torch.randn(3, 3, 1), order)


# --- what takes them, and what refuses them -----------------------------------------------------------


@pytest.mark.parametrize("make", [
    lambda: eq.nn.Activation("S(n)", "2xS2 + 1xS2.packed", "relu"),
    lambda: eq.nn.Activation("S(n)", "2xA2 + 1xA2.packed", "tanh"),
    lambda: eq.nn.LayerNorm("S(n)", "4xS2 + 4xA2 + 4xS2.packed"),
    lambda: eq.nn.LayerNorm("O(3)", "4xS2 + 4xA2"),
    lambda: eq.nn.BatchNorm("S(n)", "4xS2 + 4xA2").eval(),
    lambda: eq.nn.Dropout("S(n)", "4xS2 + 4xA2.packed", 0.3),
    lambda: eq.nn.Pool("S(n)", "4xS2 + 4xA2"),
    lambda: eq.nn.Pool("O(3)", "4xS2"),
    lambda: eq.nn.Pool("S(n) x O(3)", "4x(S2,S2)"),
    lambda: eq.nn.MLP("S(n)", ["1xS2.packed", "4x0", "1xS2.packed"]),
    lambda: eq.nn.Activation("S(1)", "2xA2.packed", "tanh"),
    lambda: eq.nn.Sequential(
        eq.Linear("S(n)", "1x1 + 1xA2", "2xA2.packed + 1x1"), eq.nn.Activation("S(n)", "2xA2.packed + 1x1", "tanh")),
    lambda: eq.nn.NormActivation("O(3)", "4xS2", "sigmoid"),
    lambda: eq.nn.MLP("O(3)", ["1x2", "4xS2 + 4x0", "4xS2 + 2x0"]),
    lambda: eq.nn.MLP("S(n)", ["1xS2", "4xS2 + 4x1", "2x1"]),
    lambda: eq.nn.MLP("S(n)", ["1xS2.packed", "4xS2.packed + 4x1", "2x1"]),
    lambda: eq.nn.Sequential(
        eq.Linear("S(n)", "1xA2.packed + 1x1", "2xS2"), eq.Linear("S(n)", "2xS2", "1x1")),
])  # fmt: skip
def test_modules_of_networks_keep_the_symmetry(make):
    eq.testing.assert_equivariant(make())


def test_modules_that_leave_the_space_are_noticed():
    class Rows(torch.nn.Module):
        def forward(self, x):
            return x + x.sum(2, keepdim=True)

    for module, spaces in [
        (torch.nn.ReLU(), ("4xA2", "4xA2")),
        (torch.nn.Identity(), ("4x2", "4xS2")),
        (Rows(), ("4xS2", "4xS2")),
    ]:
        with pytest.raises(EquivarianceError, match="leaves the space"):
            eq.testing.assert_equivariant(module, "S(n)", *spaces)
    with pytest.raises(EquivarianceError, match="not equivariant"):
        eq.testing.assert_equivariant(torch.nn.ReLU(), "S(n)", "4xA2.packed", "4xA2.packed")


def test_padded_graphs_of_symmetric_tensors_are_what_they_are_alone():
    net = eq.nn.Padded(eq.nn.MLP("S(n)", ["1xS2", "4xS2 + 2xA2 + 4x1", "2xS2 + 1x0"])).double()
    graphs = [eq.symmetrise(torch.randn(n, n, 1, dtype=torch.float64), "S2") for n in (3, 5)]
    padded = torch.zeros(2, 5, 5, 1, dtype=torch.float64)
    for place, graph in enumerate(graphs):
        padded[place, : len(graph), : len(graph)] = graph
    edges, whole = net(padded, torch.tensor([3, 5]))
    for place, graph in enumerate(graphs):
        alone = net.module(graph[None])
        torch.testing.assert_close(edges[place, : len(graph), : len(graph)], alone[0][0])
        torch.testing.assert_close(whole[place], alone[1][0])
    torch.testing.assert_close(edges, eq.symmetrise(edges, "S2"))


def test_outputs_of_modules_stay_alternating():
    x = eq.symmetrise(torch.randn(3, 4, 4, 2), "A2")
    for made in (
        eq.nn.Activation("S(n)", "2xA2", "tanh"),
        eq.nn.LayerNorm("S(n)", "2xA2"),
        eq.nn.Dropout("S(n)", "2xA2"),
    ):
        y = made(x)
        torch.testing.assert_close(y, eq.symmetrise(y, "A2"))


def test_modules_refuse_what_would_break_the_symmetry():
    with pytest.raises(ActivationError, match="flips the signs of alternating tensors"):
        eq.nn.Activation("S(n)", "2xA2", "relu")
    with pytest.raises(SpaceError, match=r"packed: ask for S2, and use eq\.unpack"):
        eq.nn.LayerNorm("O(3)", "2xS2.packed")
    with pytest.raises(SpaceError, match=r"packed: ask for A2"):
        eq.nn.LayerNorm("S(n)", "2xA2.packed")
    with pytest.raises(SpaceError, match=r"eq\.nn\.Sparse does not take S2"):
        eq.nn.Sparse(eq.Linear("S(n)", "2xS2", 1))
    for pad in (
        lambda: eq.nn.Padded(eq.Linear("S(n)", "2xS2.packed", 1)),
        lambda: eq.nn.unpad(torch.randn(2, 10, 1), torch.tensor([3, 4]), "S(n)", "1xS2.packed"),
    ):
        with pytest.raises(SpaceError, match=r"no axis of length n to pad: ask for S2"):
            pad()
    for summed in (lambda: eq.nn.Pool("S(n)", "1xS2.packed"), lambda: eq.nn.BatchNorm("S(n)", "1xS2.packed")):
        with pytest.raises(SpaceError, match="adds up all entries"):
            summed()
    with pytest.warns(eq.errors.ZeroOutputWarning, match="network is constant"):
        eq.nn.MLP("S(n) x O(3)", ["1x(1,1)", "8x(S2,0) + 8x(1,1)", "1x(0,0)"])
    relu = eq.nn.Activation("S(n)", "1xS2.packed + 1x1", "relu")
    for entries, n in ((7, 3), (6, 4)):
        with pytest.raises(ShapeError, match="n_S2"):
            relu((torch.randn(entries, 1), torch.randn(n, 1)))
    with pytest.raises(GroupError, match="ask for method='diagrams'"):
        eq.plan("S(4)", "1xS2", 1, method="matrix")
    with pytest.raises(GroupError, match="sums of them"):
        eq.basis("S(n)", "S2", "S2").plain()


@pytest.mark.parametrize("group", ["O(3)", "SO(3)"])
def test_all_orbits_of_dependent_diagrams_are_a_basis_where_they_are_as_many_as_the_dimension(group):
    """Ranks of matrices were too much: 945 diagrams of 59,049 entries, in 120 orders of axes."""
    basis = eq.basis(group, "S5", "S5")
    assert (len(basis), basis.certificate.spanning) == (3, 945)
    assert check_basis(basis) == "3 maps, one for each orbit of all diagrams under exchanges of axes"
    for changed in (basis.diagrams[:1] * 3, (*basis.diagrams[:2], basis.diagrams[1])):
        with pytest.raises(VerificationError):
            check_basis(replace(basis, diagrams=changed))
    assert eq.plan(group, "2xS5", "2xS5", method="irreps").mixing == eq.floor(group, "2xS5", "2xS5")


def test_entries_of_packed_maps_that_are_zero_up_to_rounding_connect_nothing():
    """Sums of entries and their negatives are 0 with or without rounding, by the library and the machine."""
    layer = eq.Linear("O(2)", "1xS2.det", "1x[ijkl=klij]", method="irreps", bias=False)
    eq.verify(layer, trials=1)
