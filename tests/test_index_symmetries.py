"""Any symmetry of indices: equations between entries in place of an order, [ijkl=jikl=klij]."""

from collections import Counter
from fractions import Fraction
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_symmetric_tensors import every_plan

import eqsynth as eq
from eqsynth.bases import index_symmetries
from eqsynth.bases.dimension import symmetric_dimension
from eqsynth.codegen import runtime
from eqsynth.errors import EqsynthError, ParseError, ShapeError
from eqsynth.exact.partitions import components
from eqsynth.families.representation import packed, packing, random_element, random_tensor, symmetrised, unpacked
from eqsynth.proof.verification import check_basis
from eqsynth.spaces.exchanges import cycle_types, elements
from eqsynth.spaces.space import Space, Symmetry, all_turns, axes_of, read_order
from oracle import assert_all_agree, randomise

ELASTICITY, MINOR, PIEZO = "[ijkl=jikl=klij]", "[ijkl=jikl=ijlk]", "[ijk=ikj]"
SIGNED, CYCLIC = "[ijkl=-jikl=klij]", "[ijk=jki]"
GROUPS = ("O(3)", "SO(3)", "S(3)", "O(2)")
#: Null spaces of the equations of the generators, worked out elsewhere.
TABLE = [
    (ELASTICITY, ELASTICITY, (9, 9, 86, 6)),
    ("S2", ELASTICITY, (4, 4, 26, 3)),
    (MINOR, MINOR, (16, 16, 224, 10)),
    ("S2", MINOR, (5, 5, 40, 4)),
    (PIEZO, PIEZO, (6, 6, 56, 5)),
    (1, PIEZO, (2, 2, 10, 2)),
    (SIGNED, SIGNED, (2, 2, 8, 1)),
    (CYCLIC, CYCLIC, (3, 3, 22, 2)),
    ("A2", CYCLIC, (0, 1, 5, 0)),
]
SYMMETRIES = (ELASTICITY, MINOR, PIEZO, SIGNED, CYCLIC, "[ijk=-ikj]", "[ijkl=jkli]", "[ijkl=-jkli]", "[ijkl=jilk]")


def symmetry(text):
    return read_order(text)


@pytest.mark.parametrize(("inputs", "outputs", "counts"), TABLE)
def test_there_are_so_many_maps(inputs, outputs, counts):
    for group, count in zip(GROUPS, counts, strict=True):
        maps = eq.basis(group, inputs, outputs)
        assert len(maps) == count
        if group == "O(2)" or inputs in (1, "S2", "A2"):  # the others take seconds each
            check_basis(maps)


@pytest.mark.parametrize(("text", "size"), [(ELASTICITY, 21), (MINOR, 36), (PIEZO, 18), (CYCLIC, 11), (SIGNED, 6)])
def test_there_are_so_many_entries(text, size):
    assert symmetry(text).length(3) == size == len(symmetry(text).indices(3)) == len(packing(symmetry(text), 3)[0])
    assert symmetry(text).side(size) == 3
    assert symmetry(text).side(size + 1) == 0


def matrices_of(text, n):
    """The permutations that equations generate, by multiplying matrices until nothing is new."""
    first, *others = text.strip("[]").split("=")
    eye = np.eye(n ** len(first))
    swaps = []
    for word in others:
        split = eye.reshape(*[n] * len(first), -1)
        axes = *map(first.index, word.strip("-")), len(first)
        swaps.append((-1) ** word.count("-") * np.transpose(split, axes).reshape(len(eye), -1))
    group = {eye.tobytes(): eye}
    agenda = [eye]
    while agenda:
        matrix = agenda.pop()
        for swap in swaps:
            image = swap @ matrix + 0.0  # without negative zeros
            if image.tobytes() not in group:
                group[image.tobytes()] = image
                agenda.append(image)
    return list(group.values())


def projector(text, n):
    return np.mean(matrices_of(text, n), axis=0)


def test_maps_of_elasticity_are_those_of_e3nn():
    """The span of the maps is the commutant of O(3) on the tensors that ``ijkl=jikl=klij`` fixes."""
    project = projector(ELASTICITY, 3)
    rng = np.random.default_rng(0)
    delta = np.eye(3)

    # By Weyl, all maps of O(3) are made of deltas: every pairing of the eight indices.
    def pairings(left):
        if not left:
            yield []
        for partner in left[1:]:
            rest = [index for index in left if index not in (left[0], partner)]
            yield from ([(left[0], partner), *others] for others in pairings(rest))

    spanning = []
    for pairs in pairings([*range(8)]):
        arguments = [part for pair in pairs for part in (delta, list(pair))]
        spanning.append(project @ np.einsum(*arguments, [*range(8)]).reshape(81, 81) @ project)
    spanning = np.array(spanning).reshape(len(spanning), -1)
    ours = np.array([matrix @ project for matrix in eq.basis("O(3)", ELASTICITY, ELASTICITY).matrices()])
    ours = ours.reshape(len(ours), -1)
    for rows in (ours, spanning, np.concatenate([ours, spanning])):
        assert np.linalg.matrix_rank(rows) == 9
    g = random_element(eq.Group.parse("O(3)"), rng)
    rho = np.kron(np.kron(g, g), np.kron(g, g))
    for row in ours.reshape(-1, 81, 81):
        np.testing.assert_allclose(rho @ row, row @ rho, atol=1e-10)
        np.testing.assert_allclose(project @ row, row, atol=1e-10)
    layer = eq.Linear("O(3)", f"1x{ELASTICITY}", f"1x{ELASTICITY}", bias=False)
    assert sum(weight.numel() for weight in layer.parameters()) == 9


@pytest.mark.parametrize("text", SYMMETRIES)
@pytest.mark.parametrize("name", ["S(2)", "O(2)", "SO(2)", "Sp(2)", "H(2)"])
def test_dimensions_are_means_of_traces(text, name):
    """The rank of the mean over permutations, of the maps to numbers: the invariants of all tensors, symmetrised."""
    group, order = eq.Group.parse(name), symmetry(text).order
    invariants = eq.basis(group, 0, order).matrices().reshape(-1, 2**order)
    rank = np.linalg.matrix_rank(invariants @ projector(text, 2).T) if len(invariants) else 0
    assert symmetric_dimension(group, symmetry(text)) == rank == len(eq.basis(group, 0, text))


@pytest.mark.parametrize("name", ["GL(2)", "SL(2)", "SL(3)", "U(1)", "SU(3)", "Z(3) wr S(2)", "Z(4) wr S(2)"])
def test_groups_with_dual_axes_count_every_symmetry(name):
    """As many as there are independent means of the maps of all tensors."""
    group = eq.Group.parse(name)
    sides = {text: projector(text, group.n) for text in (CYCLIC, "[ijk=-jik]", "[ij=ji]", "[ij=-ji]")}
    for (inputs, right), (outputs, left) in product(sides.items(), repeat=2):
        whole = eq.basis(group, axes_of(read_order(inputs)), axes_of(read_order(outputs)))
        means = [(left @ matrix @ right).ravel() for matrix in whole.matrices()]
        rank = np.linalg.matrix_rank(means) if means else 0
        assert len(eq.basis(group, inputs, outputs)) == rank, (inputs, outputs)
    assert len(eq.basis("GL(n)", ELASTICITY, ELASTICITY)) == 2
    assert len(eq.basis("U(2) x S(2)", ("[ijk=-ikj]", 1), (3, 1))) == 2 * 2


@pytest.mark.parametrize(
    ("texts", "normal"),
    [
        (["[ij=ji]", "S2", "[ab = +ba]"], "S2"),
        (["[ij=-ji]", "[-ij=ji]", "A2"], "A2"),
        (["[ijk=jik=ikj]", "[ijk=jki=jik]", "S3"], "S3"),
        (["[ijk=jki=-jik]", "A3"], "A3"),
        ([ELASTICITY, "[abcd=bacd=abdc=cdab]", "[ijkl=klij=ijlk]", "[pqrs=qprs=qpsr=rspq]"], ELASTICITY),
        ([CYCLIC, "[ijk=kij]", "[zxy=yzx]"], CYCLIC),
        (["[ij=ij]", "2", "[ij]"], "2"),
        (["[i]", "1"], "1"),
    ],
)
def test_texts_of_one_meaning_are_one(texts, normal):
    orders = [read_order(text) for text in texts]
    assert len({*orders}) == 1
    assert str(orders[0]) == normal
    assert read_order(normal) == orders[0]


TURN = st.integers(2, 4).flatmap(
    lambda k: st.lists(st.tuples(st.permutations(range(k)), st.booleans()), min_size=1, max_size=3)
)


@given(TURN)
@settings(max_examples=40, deadline=None)
def test_normal_forms_generate_the_same(listed):
    k = len(listed[0][0])
    words = ["-" * sign + "".join("abcd"[place] for place in axes) for axes, sign in listed]
    text = f"[{'='.join(['abcd'[:k], *words])}]"
    with_signs = projector(text, 2)
    if any((matrix == -np.eye(2**k)).all() for matrix in matrices_of(text, 2)):
        with pytest.raises(ParseError, match="contradiction"):
            read_order(text)
        return
    order = read_order(text)
    if isinstance(order, int):
        np.testing.assert_array_equal(with_signs, np.eye(2**k))
        return
    mean = sum(sign * np.eye(2**k).reshape(*[2] * k, -1).transpose(*axes, k) for axes, sign in order.turns())
    np.testing.assert_allclose(mean.reshape(2**k, -1) / order.size, with_signs, atol=1e-12)
    assert read_order(str(order)) == order == Symmetry(str(order) if not order.short else order.kind, k)
    assert round(np.trace(with_signs)) == order.length(2)
    if not order.short:
        tables = packing(order, 2)
        for own, carried in zip(tables, runtime._packing_of(2, order.kind.strip("[]")), strict=True):
            np.testing.assert_array_equal(own, carried.numpy())


@pytest.mark.parametrize("text", SYMMETRIES)
def test_packed_tensors_hold_each_entry_once(text):
    order, rng = symmetry(text), np.random.default_rng(0)
    x = random_tensor(rng, order, [3], 2)
    flat = x.reshape(2, -1, 2)
    np.testing.assert_allclose(np.einsum("ij,bjc->bic", projector(text, 3), flat), flat, atol=1e-12)
    stored = packed(x, Symmetry(order.kind, order.order, True))
    assert stored.shape == (2, order.length(3), 2)
    np.testing.assert_allclose(unpacked(stored, Symmetry(order.kind, order.order, True), [3]), x, atol=1e-12)
    np.testing.assert_allclose(symmetrised(x, order), x, atol=1e-12)
    entries = torch.from_numpy(x)
    torch.testing.assert_close(eq.pack(entries, text), torch.from_numpy(stored))
    torch.testing.assert_close(eq.unpack(eq.pack(entries, text), text), entries)
    noise = rng.standard_normal(x.shape)
    means = sum(s * np.transpose(noise, (0, *(1 + a for a in axes), order.order + 1)) for axes, s in all_turns(order))
    torch.testing.assert_close(eq.symmetrise(torch.from_numpy(noise), text), torch.from_numpy(means / order.size))


LAYERS = [
    ("O(3)", 3, "2x{E}.packed + 1xS2", "1x{E} + 2x1"),
    ("S(n)", 2, "2x{C}.packed", "1x{P}.packed + 1x{C}.packed"),
    ("SO(3)", 3, "1x{P}", "2x{C}.packed + 1xA2"),
    ("Sp(2)", 2, "2x[ijk=-ikj].packed", "1x[ijk=-ikj].packed + 1x1"),
    ("S(2) x O(2)", 2, "1x({C}.packed,1)", "2x({P},1) + 1x({C}.packed,1)"),
    ("S(n)", 1, "1x[ijk=-ikj].packed + 1x1", "1x[ijk=-ikj].packed"),
    ("C(4)", 4, "2x{C}.packed", "1x[ij=-ji] + 1x1"),
    ("O(3)", 3, "2x{P}.det", "1xA2 + 1x{P}.packed"),
    # Exchanges that are not in the symmetry, but keep it: outputs are placed in another order.
    ("O(2)", 2, "5x{C}.packed", "1x{C}.packed"),
    ("O(2)", 2, "1x{C}.packed", "5x{C}.packed"),
]


@pytest.mark.parametrize(("group", "n", "space_in", "space_out"), LAYERS)
@pytest.mark.filterwarnings("ignore::eqsynth.errors.ZeroOutputWarning")
def test_layers_interpreters_and_oracles_agree(monkeypatch, group, n, space_in, space_out):
    names = {"E": ELASTICITY, "C": CYCLIC, "P": PIEZO}
    for layer in every_plan(monkeypatch, group, space_in.format(**names), space_out.format(**names)):
        assert_all_agree(randomise(layer), n)


@pytest.mark.parametrize(("inputs", "outputs"), [("S2", "S2"), (ELASTICITY, 0), (PIEZO, CYCLIC), (1, PIEZO)])
def test_projections_are_symmetric_in_inputs_and_outputs(inputs, outputs):
    """Of one entry alone: the mean over the exchanges of both, projected by floating-point least squares."""
    maps = eq.basis("S(3)", inputs, outputs)
    above, below = (3 ** (read_order(k).order if isinstance(k, str) else k) for k in (outputs, inputs))
    given = np.zeros((above, below), int)
    given[above // 2, below // 3] = 13
    projection = maps.project(given)
    mean = projector_of(inputs)
    rows = np.array([matrix @ mean for matrix in maps.matrices()]).reshape(len(maps), -1)
    nearest = np.linalg.lstsq(rows.T, given.ravel().astype(float), rcond=None)[0]
    np.testing.assert_allclose(projection.coefficients.astype(float), nearest, atol=1e-10)
    matrix = projection.matrix()
    np.testing.assert_allclose(matrix.astype(float), (nearest @ rows).reshape(above, below), atol=1e-10)
    assert all(isinstance(entry, Fraction) for entry in matrix.flat)
    assert (matrix != 0).any()
    assert (maps.project(matrix).matrix() == matrix).all()
    np.testing.assert_allclose(maps.project(given.astype(float)).matrix(), matrix.astype(float), atol=1e-10)


def projector_of(order):
    if isinstance(order, int):
        return np.eye(3**order)
    return projector("[ij=ji]" if order == "S2" else order, 3)


def test_weights_are_the_same_full_and_packed():
    full = eq.Linear("O(3)", f"4xS2 + 4x{ELASTICITY}", f"4x{ELASTICITY}")
    thin = eq.Linear("O(3)", f"4xS2.packed + 4x{ELASTICITY}.packed", f"4x{ELASTICITY}.packed")
    thin.load_state_dict(full.state_dict())
    x, y = eq.symmetrise(torch.randn(2, 3, 3, 4), "S2"), eq.symmetrise(torch.randn(2, 3, 3, 3, 3, 4), ELASTICITY)
    out = thin((eq.pack(x, "S2"), eq.pack(y, ELASTICITY)))
    torch.testing.assert_close(eq.unpack(out, ELASTICITY), full((x, y)), atol=1e-4, rtol=1e-4)


def test_products_powers_and_networks_take_them():
    product_layer = eq.TensorProduct("O(3)", f"2x{ELASTICITY}", "2xS2", "2xS2", mode="paired")
    x, y = eq.symmetrise(torch.randn(1, 3, 3, 3, 3, 2), ELASTICITY), eq.symmetrise(torch.randn(1, 3, 3, 2), "S2")
    g = torch.from_numpy(random_element(eq.Group.parse("O(3)"), np.random.default_rng(0))).float()
    turned = torch.einsum("ai,bj,ck,dl,zijklx->zabcdx", g, g, g, g, x), torch.einsum("ai,bj,zijx->zabx", g, g, y)
    expected = torch.einsum("ai,bj,zijx->zabx", g, g, product_layer(x, y))
    torch.testing.assert_close(product_layer(*turned), expected, atol=1e-4, rtol=1e-4)
    for layer in (eq.nn.NormActivation("O(3)", f"2x{PIEZO}", "relu"), eq.nn.Gated("O(3)", f"2x{PIEZO}", "relu")):
        assert PIEZO in repr(layer)
    with pytest.raises(EqsynthError, match=r"exchanges of axes flip the signs of \[ijk=-ikj\] tensors"):
        eq.nn.Activation("S(n)", "2x[ijk=-ikj]", "relu")
    assert eq.nn.Activation("S(n)", f"2x{CYCLIC}.packed", "relu")(torch.randn(11, 2)).shape == (11, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("8x[ij=ji=-ij]", "contradiction"),
        ("8x[ij=-ij]", "contradiction"),
        ("8x[ijk=jik=-ikj]", "contradiction"),
        ("8x[2,1]", "no symmetry of indices"),
        ("8x[ij=jk]", "no symmetry of indices"),
        ("8x[ii=ii]", "no symmetry of indices"),
        ("8x[]", "no symmetry of indices"),
        ("8x[ij=ji", "an order is expected here"),
        ("8x[ij=ij].packed", "only tensors with a symmetry can be packed"),
        ("8xS2,S2", r"\[ijkl=jikl=ijlk\] is symmetric in the first two"),
        ("8xS(2,2)", r"\[ijkl=jikl=ijlk\] is symmetric in the first two"),
        ("[abcdefghijk=bcdefghijka=bcadefghijk]", "more than 10,000 permutations"),
        ("[abcdefghijklmnopqrstuvwxyzA=bacdefghijklmnopqrstuvwxyzA]", "at most 26"),
    ],
)
def test_what_is_no_symmetry_is_refused(text, message):
    with pytest.raises(ParseError, match=message):
        Space.parse(text)


def test_all_exchanges_are_seen_without_listing_them():
    letters = "abcdefghijklmnop"
    swaps = [letters[:i] + letters[i + 1] + letters[i] + letters[i + 2 :] for i in range(15)]
    assert read_order(f"[{'='.join([letters, *swaps])}]") == Symmetry("S", 16)


# --- Voigt and Mandel ----------------------------------------------------------------------------------


def test_voigt_keeps_hookes_law_and_mandel_norms_too():
    c = eq.symmetrise(torch.randn(2, 3, 3, 3, 3, 1, dtype=torch.float64), ELASTICITY)
    strain = eq.symmetrise(torch.randn(2, 3, 3, 1, dtype=torch.float64), "S2")
    stress = torch.einsum("zijklx,zklx->zijx", c, strain)
    for mandel in (False, True):
        small = torch.einsum("zijx,zjx->zix", eq.voigt(c, "stiffness", mandel), eq.voigt(strain, "strain", mandel))
        torch.testing.assert_close(small, eq.voigt(stress, "stress", mandel))
        for x, kind in ((c, "stiffness"), (c, "compliance"), (strain, "strain"), (stress, "stress")):
            torch.testing.assert_close(eq.from_voigt(eq.voigt(x, kind, mandel), kind, mandel), x)
        # A compliance is the inverse of its stiffness.
        inverse = torch.linalg.inv(eq.voigt(c, "stiffness", mandel)[..., 0])[..., None]
        back = torch.einsum("zijklx,zklx->zijx", eq.from_voigt(inverse, "compliance", mandel), stress)
        torch.testing.assert_close(back, strain)
    torch.testing.assert_close(eq.voigt(stress, "stress", mandel=True).norm(), stress.norm())
    assert eq.voigt(strain, "strain")[0, 3, 0] == 2 * strain[0, 1, 2, 0]
    with pytest.raises(ShapeError, match="expected"):
        eq.voigt(torch.randn(2, 2, 1), "stress")
    with pytest.raises(EqsynthError, match="kind"):
        eq.voigt(torch.randn(3, 3, 1), "force")


def test_cycle_types_of_all_permutations():
    for kind in ("S", "A"):
        counted: Counter[tuple[int, ...]] = Counter()
        for axes, sign in elements(kind, 5):
            counted[tuple(sorted(Counter(components(5, enumerate(axes))).values(), reverse=True))] += sign
        assert cycle_types(kind, 5) == counted
    assert [str(irrep) for irrep, _ in eq.irreps("O(3)", "S11")] == ["1o", "3o", "5o", "7o", "9o", "11o"]


def test_a_product_is_told_which_symmetry_to_write():
    for asked, cure in (("S2.irreps", "S2"), ("S2.irreps.det", "S2.det"), ("2.irreps", "2")):
        with pytest.raises(eq.errors.SpaceError, match=rf"write {cure}$"):
            eq.Space(((1, (eq.Space.parse(asked).orders[0], 1)),))


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("order", ["S2", "A2", "A3", "S4", "[ijk=-jik]", "[ijkl=jikl=klij]", "2"])
def test_each_image_is_added_once(order, weighted, monkeypatch):
    """Also where the sums that tell images apart are all the same."""
    outputs, draw = read_order(order), np.random.default_rng(0)
    if not weighted:
        zeros = SimpleNamespace(integers=lambda _, size: np.zeros(size, np.int64))
        monkeypatch.setattr(np.random, "default_rng", lambda _: zeros)
    for high in (1, 2, 5):
        tensor = draw.integers(0, high, [2] * (axes_of(outputs) + 1))
        for tried in (tensor, index_symmetries.over_turns(tensor, outputs)[0]):
            images = {}
            for axes, sign in all_turns(outputs):
                image = sign * tried.transpose(*axes, axes_of(outputs))
                images.setdefault(tuple(image.ravel()), ((axes, sign), image))
            total, turns = index_symmetries.over_turns(tried, outputs)
            assert turns == tuple(turn for turn, _ in images.values())
            assert np.array_equal(total, sum(image for _, image in images.values()))
