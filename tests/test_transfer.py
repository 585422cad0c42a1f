"""Maps that mean the same at every size: the rule on blocks against matrices, layers, files, and networks."""

import io
from dataclasses import replace
from functools import reduce

import numpy as np
import pytest
import torch

import eqsynth as eq
from eqsynth.diagrams.transfer import commutes
from eqsynth.errors import EqsynthError, EquivarianceError, GroupError, SpaceError, VerificationError, WeightsError
from eqsynth.families import hom as spaces
from eqsynth.families.hom import TRANSFERS, parse_problem
from eqsynth.project.catalog import Problem, check_entry, make_entry
from eqsynth.project.syncing import layer_of, read_project, sync
from eqsynth.proof.verification import check_basis
from eqsynth.spaces.space import axis_counts
from tests import terminal

WAYS = tuple(TRANSFERS)
#: Dimensions in MATHS: orders k and l, all maps, with repeating, with zeros.
COUNTS = [(1, 1, 2, 2, 1), (2, 1, 5, 5, 3), (1, 2, 5, 3, 1), (2, 2, 15, 10, 5), (2, 0, 2, 2, 2), (3, 1, 15, 15, 10)]


def larger(group, n, way, times):
    """The size to which an axis of length n grows, and the matrix that enlarges it: written down once more."""
    factors = []
    for index, length in zip(group.indices, group.index_lengths(n), strict=True):
        if not index.symbolic:
            factors.append(np.eye(length, dtype=int))
        elif way == "repeat":
            factors.append(np.kron(np.eye(length, dtype=int), np.ones((times, 1), int)))
        else:
            factors.append(np.eye(length + (times - 1) * index.multiple, length, dtype=int))
    matrix = reduce(np.kron, factors)
    return len(matrix), matrix


def mistakes(group, k, lo, way, n, times):
    """For each map of a basis L(large) E - E L(small), where the sums are divided by what they add up."""
    basis = eq.basis(group, k, lo)
    sizes = [n] * len(basis.group.factors)
    pairs = [
        larger(factor, factor.n if isinstance(factor.n, int) else size, way, times)
        for factor, size in zip(basis.group.factors, sizes, strict=True)
    ]
    small = [len(matrix.T) for _, matrix in pairs]
    axes = [
        reduce(np.kron, [m for (_, m), count in zip(pairs, axis_counts(order), strict=True) for _ in range(count)], 1)
        for order in (basis.inputs, basis.outputs)
    ]
    enlarge_in, enlarge_out = (np.atleast_2d(one) for one in axes)
    listed = []
    for before, after in zip(
        basis.matrices(small).astype(float), basis.matrices([size for size, _ in pairs]).astype(float), strict=True
    ):
        scales = [np.abs(one).sum(1).max() if way == "repeat" else 1 for one in (before, after)]
        listed.append((after / scales[1] @ enlarge_in - enlarge_out @ before / scales[0]).ravel())
    return basis, np.array(listed).reshape(len(basis), -1)


CASES = [
    *(("S(n)", k, lo, max(k + lo, 1)) for k in range(4) for lo in range(4) if k + lo <= 4),
    *(("A(n)", k, lo, 3) for k, lo in ((1, 1), (2, 1), (1, 2))),
    *(("H(n)", k, lo, k + lo) for k, lo in ((1, 1), (2, 2), (1, 3), (3, 1), (2, 0), (0, 2))),
    *(("B(n)", k, lo, 4) for k, lo in ((1, 1), (2, 1), (1, 2), (2, 2))),
    *(("O(n)", k, lo, 4) for k, lo in ((1, 1), (2, 2), (3, 1), (1, 3))),
    *(("Sp(n)", k, lo, 4) for k, lo in ((1, 1), (2, 2), (2, 0))),
    *(("S(n) x O(2)", (1, k), (lo, k), 3) for k, lo in ((1, 1), (1, 2), (2, 1))),
    *(("S(n) x S(m)", (1, 1), (lo, 1), 3) for lo in (1, 2)),
    *(("S(2) wr S(n)", k, lo, 6) for k, lo in ((1, 1), (2, 1), (1, 2))),
    *(("S(m) wr S(2)", k, lo, 6) for k, lo in ((1, 1), (2, 1), (1, 2))),
    ("Z(3) wr S(n)", "(1,1)", "(1,1)", 4),
    ("GL(n)", "(1,1)", "(1,1)", 4),
]


@pytest.mark.parametrize(("group", "k", "lo", "n"), CASES)
@pytest.mark.parametrize("way", WAYS)
def test_the_rule_on_blocks_against_matrices(group, k, lo, n, way):
    """Exactly the maps that the rule names commute, and no combination of the others does."""
    basis, wrong = mistakes(group, k, lo, way, n, 3)
    index = [one for one in basis.group.indices if one.symbolic]
    if any(way not in one.transfers for one in index):
        assert not any(way in basis.transfers(number) for number in range(len(basis)))
        return
    kept = [number for number in range(len(basis)) if way in basis.transfers(number)]
    assert [number for number, one in enumerate(wrong) if np.abs(one).max(initial=0) < 1e-9] == kept
    assert np.linalg.matrix_rank(wrong, tol=1e-9) == len(basis) - len(kept)
    assert len(eq.basis(group, k, lo, transfer=way)) == len(kept)


@pytest.mark.parametrize(("k", "lo", "every", "repeated", "padded"), COUNTS)
def test_numbers_of_maps(k, lo, every, repeated, padded):
    assert [len(eq.basis("S(n)", k, lo, transfer=way)) for way in (None, *WAYS)] == [every, repeated, padded]


def test_a_head_is_there_at_one_size_alone():
    head = eq.Diagram(1, 1, ((0,), (1,)), head=(0, 1))
    assert not commutes("repeat", head)
    assert not commutes("pad", head)


def test_bases_say_what_they_are_and_are_checked():
    basis = eq.basis("S(n)", 1, 2, transfer="repeat")
    assert "that commutes with repeated nodes from x" in str(basis)
    assert str(basis.certificate).startswith("3 of 5 diagrams; independent: part of a basis")
    assert check_basis(basis).endswith("3 of them commute with repeated nodes")
    table = eq.basis("S(n)", 1, 2).table(sizes=True)
    assert [line.split()[-2] for line in table.splitlines() if "y[a" in line] == [
        "-",
        "repeat",
        "pad",
        "repeat",
        "repeat",
    ]
    other = eq.basis("S(n)", 1, 2, transfer="pad")
    with pytest.raises(VerificationError, match="not the 3 of all"):
        check_basis(replace(other, transfer="repeat"))


LAYERS = [
    ("S(n)", "2x2 + 1x1 + 1x0", "3x2 + 2x1 + 2x0"),
    ("S(n)", "1xS2 + 1xA2.packed", "2xS2.packed + 1xA2 + 1x0"),
    ("H(n)", "1x1 + 1x2", "1x3 + 1x1"),
    ("U(n)", "1x(1,1)", "1x(1,1) + 1x0"),
    ("S(n) x O(3)", "2x(2,1)", "1x(1,1) + 1x(2,1)"),
    ("S(n) x Perm(3: 1 2 0)", "1x(1,1)", "1x(2,1)"),
    ("S(2) wr S(n)", "1x2", "1x1 + 1x2"),
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("group", "space_in", "space_out"), LAYERS)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_layers_carry_over_and_others_do_not(group, space_in, space_out, way):
    layer = eq.Linear(group, space_in, space_out, transfer=way)
    eq.testing.assert_transfers(layer, way)
    eq.testing.assert_equivariant(layer, trials=1)
    every = eq.Linear(group, space_in, space_out, normalization=TRANSFERS[way])
    counts = [sum(one.plan.dims.values()) + sum(one.plan.bias_dims) for one in (layer, every)]
    assert counts[0] < counts[1]
    with pytest.raises(EquivarianceError, match=r"does not carry over from .*n = .* to .*n = "):
        eq.testing.assert_transfers(every, way)


def test_layers_are_proven():
    report = str(eq.verify("S(n): 2x2 + 1x1 -> 2x2 + 1x0, transfer=repeat"))
    assert "10 of them commute with repeated nodes" in report
    assert "and with weight times matrix, diagram by diagram" in report
    eq.verify("H(n): 1x1 -> 1x3, transfer=pad")


def test_weights_biases_and_state():
    layer = eq.Linear("S(n)", "2x1", "3x2 + 4x0", transfer="pad")
    assert {name: (*value.shape,) for name, value in layer.named_parameters()} == {
        "weight_0_0": (1, 3, 2), "weight_0_1": (1, 4, 2), "bias_1": (1, 4),
    }  # fmt: skip
    assert repr(layer).startswith("Linear(S(n): 2x1 -> 3x2 + 4x0, transfer=pad, 2 maps, 18 parameters")
    assert layer.plan.normalization == "sum"
    assert layer.weights_of == "eqsynth 1; S(n): 1 -> 2 + 0; transfer=pad; normalization=sum; parameters=diagrams"
    copy = torch.load(_saved(layer), weights_only=False)
    x = torch.randn(5, 2)
    assert all(torch.equal(a, b) for a, b in zip(copy(x), layer(x), strict=True))
    # All maps 2 -> 0 commute with repeating: the shapes are the same, the functions would be, and yet they are told.
    one, other = eq.Linear("S(n)", 2, 0, transfer="repeat"), eq.Linear("S(n)", 2, 0, transfer="pad")
    with pytest.raises(WeightsError, match="transfer=repeat"):
        other.load_state_dict(one.state_dict())


def _saved(layer):
    file = io.BytesIO()
    torch.save(layer, file)
    file.seek(0)
    return file


def test_first_weights_have_the_variance_of_all_layers():
    """Where nothing is summed it does not depend on n; what is summed scales as its normalization says."""
    layer = eq.Linear("S(n)", "64x1", "64x1", bias=False, transfer="pad")
    assert layer.plan.pairs[0].variances == (0.8,)
    torch.manual_seed(0)
    for n in (10, 40):
        assert 0.7 < float(layer(torch.randn(20, n, 64)).detach().var()) < 0.9
    assert eq.Linear("H(n)", 1, 3, transfer="pad").plan.pairs[0].gains == (0,)
    assert eq.Linear("H(n)", 1, 3).plan.pairs[0].gains == (2,)


def test_files_plans_and_projects(tmp_path):
    text = "S(n): 4x2 -> 4x1, transfer=repeat"
    file = tmp_path / "layer.py"
    done = terminal.eqsynth("synth", "S(n)", "4x2", "4x1", "--transfer", "repeat", "-o", str(file))
    assert "5 maps" in done.stderr
    assert 'transfer = "repeat"' in file.read_text()
    assert "every linear map with this symmetry that commutes with repeated nodes" in file.read_text().lower()
    assert str(eq.verify(file)).startswith(f"verified {text}")
    assert layer_of(text).name == "Sn_4x2_to_4x1_transfer_repeat"
    (tmp_path / "eqsynth.toml").write_text(f'[eqsynth]\nto = "layers"\n[layers.Nodes]\nhom = "{text}"\n')
    sync(read_project(tmp_path / "eqsynth.toml"))
    exported = (tmp_path / "layers" / "nodes.py").read_text()
    assert exported.split("class Nodes")[1] == file.read_text().split("class EquivariantLinear")[1]
    scope = {}
    exec(exported, scope)
    module, layer = scope["Nodes"](), eq.Linear("S(n)", "4x2", "4x1", transfer="repeat")
    module.load_state_dict(layer.state_dict())
    x = torch.randn(3, 6, 6, 4)
    assert torch.equal(module(x), layer(x))
    assert repr(module) == "Nodes(S(n): 4x2 -> 4x1, transfer='repeat')"


def test_what_the_command_shows():
    done = terminal.eqsynth("show", "S(n)", "1", "2", "--transfer", "pad")
    assert "1 independent equivariant map" in done.stdout
    shown = terminal.eqsynth("show", "S(n)", "1", "2", "--sizes").stdout
    assert "transfer: repeat, commutes with repeated nodes" in shown
    cards = eq.page.document("S(n)", 1, 2)["maps"]
    assert [card["transfers"] for card in cards] == [[], ["repeat"], ["pad"], ["repeat"], ["repeat"]]


def test_the_catalog_keeps_them():
    problem = Problem.of(parse_problem("S(n): 1x1 -> 1x2, transfer=repeat"))
    assert problem.normalization == "mean"
    check_entry(problem.key, make_entry(problem), prove=True, run=True)


#: Two inputs, or one and the powers of it.
PRODUCTS = [
    ("S(n)", ("2x1", "3x2"), "2x1 + 1x0"), ("S(n)", ("1x1", "1x1"), "1x2"), ("S(n)", ("1xS2", "2x1"), "1x1"),
    ("H(n)", ("1x1", "1x1"), "1x2"), ("U(n)", ("1x1", "1x(0,1)"), "1x(1,1) + 1x0"),
    ("S(n) x O(3)", ("1x(1,1)", "1x(1,1)"), "1x(1,0) + 1x(2,0)"), ("S(2) wr S(n)", ("1x1", "1x1"), "1x1"),
    ("S(n)", ("2x1",), "2x1 + 1x2"), ("S(n)", ("1x2",), "1x1"), ("O(n)", ("1x1",), "1x2"), ("H(n)", ("1xS2",), "1xS2"),
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("group", "given", "wanted"), PRODUCTS)
def test_products_carry_over_and_others_do_not(group, given, wanted, way):
    dtype = torch.complex128 if group == "U(n)" else torch.float64

    def layer(**how):
        if len(given) > 1:
            return eq.TensorProduct(group, *given, wanted, dtype=dtype, **how)
        return eq.PolynomialLayer(group, *given, 2, wanted, dtype=dtype, **how)

    def assert_transfers(one):
        called = (lambda x: one(*x)) if len(given) > 1 else one
        eq.testing.assert_transfers(called, way, group, " + ".join(given), wanted)

    own, every = layer(transfer=way), layer(normalization=TRANSFERS[way])
    assert_transfers(own)
    counts = [sum(one.plan.dims.values()) + sum(one.plan.bias_dims) for one in (own, every)]
    # With outputs of order 1 at most no block has two of them.
    assert (counts[0] < counts[1]) == (way == "pad" or "2" in wanted.partition("x")[2] or "(1,1)" in wanted)
    if counts[0] < counts[1]:
        with pytest.raises(EquivarianceError, match="does not carry over"):
            assert_transfers(every)
    eq.verify(own, trials=1)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("group", "given", "degree", "wanted"), [
    ("S(n)", "1", 2, "2"), ("S(n)", "1", 3, "1"), ("S(n)", "2", 2, "0"), ("O(n)", "1", 2, "2"), ("S(n)", "S2", 2, "1"),
])  # fmt: skip
def test_no_combination_of_other_powers_carries_over(group, given, degree, wanted, way):
    """Of all maps, one by one: those weights for which larger inputs give the larger output are as many as are kept."""
    every = eq.Power(group, given, degree, wanted, False, normalization=TRANSFERS[way], dtype=torch.float64)
    kept = eq.Power(group, given, degree, wanted, False, transfer=way, dtype=torch.float64)
    count, n = sum(every.plan.dims.values()), 6
    torch.manual_seed(1)
    axes = 2 if given != "1" else 1
    small = torch.randn(2 * count + 8, *[n] * axes, 1, dtype=torch.float64)
    small = (small + small.transpose(1, 2)) / 2 if given == "S2" else small

    def enlarged(x, axes):
        for axis in range(1, 1 + axes):
            more = x.new_zeros([3 if at == axis else size for at, size in enumerate(x.shape)])
            x = x.repeat_interleave(2, axis) if way == "repeat" else torch.cat([x, more], axis)
        return x

    wrong = []
    for number in range(count):
        with torch.no_grad():
            every.weight.copy_(torch.arange(count)[:, None, None] == number)
            wrong.append((every(enlarged(small, axes)) - enlarged(every(small), int(wanted))).flatten())
    assert np.linalg.matrix_rank(torch.stack(wrong).numpy(), tol=1e-8) == count - sum(kept.plan.dims.values())


def test_products_are_read_shown_and_written(tmp_path):
    text = "S(n): 2x1 (x) 2x2 -> 2x1, transfer=pad"
    plan = eq.plan(text)
    assert (str(plan.problem), plan.normalization) == (text, "sum")
    assert plan == eq.plan("S(n)", "2x1 (x) 2x2", "2x1", transfer="pad")
    assert eval(repr(plan.problem), vars(spaces)) == plan.problem
    powers = eq.plan("S(n): powers 1, 2 of 2x1 -> 2x1, transfer=repeat")
    assert (powers.problem.transfer, powers.dims) == ("repeat", {(0, 0): 2, (1, 0): 4})
    path = tmp_path / "layer.py"
    eq.export(plan, path)
    assert "that commutes with nodes of zeros: 10 independent maps" in path.read_text()
    assert "byte for byte" in eq.verify(path, trials=1).checks[0]
    layer = eq.TensorProduct("S(n)", "2x1", "2x2", "2x1", transfer="pad")
    with pytest.raises(WeightsError, match="transfer=pad"):
        eq.TensorProduct("S(n)", "2x1", "2x2", "2x1", normalization="sum").load_state_dict(layer.state_dict())
    shown = terminal.eqsynth("show", "S(n)", "1x1 (x) 1x1", "1x1", "--transfer", "pad", "--sizes").stdout
    assert "this symmetry that commutes with nodes of zeros" in " ".join(shown.split())
    assert shown.count("repeat, pad   partition") == 3
    refused = terminal.eqsynth(
        "show", "S(n)", "1x1 (x) 1x1", "1x1", "--transfer", "pad", "--html", "page.html", cwd=tmp_path
    )
    assert "pages show all maps" in " ".join(refused.stderr.split())
    problem = Problem.of(parse_problem(text))
    assert problem.normalization == "sum"
    check_entry(problem.key, make_entry(problem), prove=True, run=True)


def test_problems_are_read_as_they_print():
    hom = eq.Hom.parse("S(n)", 2, 1, transfer="pad")
    assert parse_problem(str(hom)) == hom == eval(repr(hom), vars(spaces))
    assert str(eq.plan("S(n): 2 -> 1", transfer="pad").hom) == str(hom)


@pytest.mark.parametrize(("group", "space", "way", "error", "why"), [
    ("S(5)", 1, "repeat", GroupError, r"S\(5\) has one size, .*: ask for a letter, as in S\(n\)"),
    ("Aut(petersen)", 1, "pad", GroupError, "has one size"),
    ("Sp(n)", 1, "repeat", GroupError, "ask for transfer='pad'"),
    ("S(n)", "1x0.det", "pad", SpaceError, "without .det and irreps"),
    ("S(n)", 1, "padd", EqsynthError, "did you mean 'pad'"),
])  # fmt: skip
def test_what_makes_no_sense_is_refused(group, space, way, error, why):
    with pytest.raises(error, match=why):
        eq.Linear(group, space, space, transfer=way)


def test_transfer_brings_its_normalization():
    with pytest.raises(EqsynthError, match="takes 'mean', leave normalization out"):
        eq.Linear("S(n)", 1, 1, normalization="sum", transfer="repeat")
    with pytest.raises(EqsynthError, match="says transfer=pad"):
        eq.Linear("S(n)", 1, "1x1, transfer=pad", transfer="repeat")
    with pytest.raises(EqsynthError, match="says transfer=pad"):
        eq.plan("S(n): 2x1 (x) 2x1 -> 2x1, transfer=pad", transfer="repeat")
    with pytest.raises(EqsynthError, match="takes 'sum', leave normalization out"):
        eq.Power("S(n)", 1, 2, 1, normalization="mean", transfer="pad")


@pytest.mark.parametrize(("group", "first", "second", "space_out"), [
    ("S(n)", "2x1 + 1x0", "1x2 + 1xS2.packed", "1x1 + 1x0"),
    ("S(n)", "2x0", "2x0", "2x2"),
    ("U(n)", "1x1", "1x(0,1)", "1x(1,1) + 1x0"),
])  # fmt: skip
def test_products_of_two_inputs_are_tried_as_they_are(group, first, second, space_out):
    layer = eq.TensorProduct(group, first, second, space_out, transfer="repeat")
    eq.testing.assert_transfers(layer, "repeat")
    eq.testing.assert_equivariant(layer, trials=1)
    every = eq.TensorProduct(group, first, second, space_out, normalization="variance")
    with pytest.raises(EquivarianceError, match="TensorProduct does not carry over from n = 2 to n = 4"):
        eq.testing.assert_transfers(every, "repeat", n=2)
    with pytest.raises(EqsynthError, match="leave space_in out, or give all of them"):
        eq.testing.assert_transfers(layer, "repeat", space_in=1)
    torch.nn.init.ones_(next(layer.parameters()))
    layer.register_forward_hook(_spoiled)
    with pytest.raises(EquivarianceError, match="TensorProduct is not equivariant under"):
        eq.testing.assert_equivariant(layer, n=3, trials=6)


def _spoiled(_module, _inputs, y):
    """Of the first output the first row alone."""
    listed = list(y) if isinstance(y, tuple) else [y]
    listed[0] = listed[0] * (torch.arange(listed[0].shape[1]) == 0).reshape(-1, *[1] * (listed[0].ndim - 2))
    return tuple(listed) if isinstance(y, tuple) else listed[0]


def test_whole_networks():
    graphon = eq.nn.Sequential(
        eq.Linear("S(n)", "1x2", "8x2 + 8x1", transfer="repeat"),
        eq.nn.Activation("S(n)", "8x2 + 8x1", "sigmoid"),
        eq.Linear("S(n)", "8x2 + 8x1", "2x0 + 1x1", transfer="repeat"),
    )
    eq.testing.assert_transfers(graphon, "repeat")
    padded = eq.nn.Sequential(
        eq.Linear("S(n)", "3x1", "8x1", transfer="pad"),
        eq.nn.Activation("S(n)", "8x1", "relu"),
        eq.Linear("S(n)", "8x1", "2x0", transfer="pad"),
    )
    eq.testing.assert_transfers(padded, "pad", n=4)
    # The bias of the usual layers is no zero at absent nodes.
    with pytest.raises(EquivarianceError, match=r"Linear does not carry over from n = 2 to n = 3 with nodes of zeros"):
        eq.testing.assert_transfers(eq.Linear("S(n)", "3x1", "8x1", normalization="sum"), "pad")
    with pytest.raises(EquivarianceError, match="gives tensors of shapes"):
        eq.testing.assert_transfers(lambda x: x[:, :2], "repeat", "S(n)", "1x1", "1x1")
    with pytest.raises(EquivarianceError, match="it gives nan already at n = 2, at entry"):
        eq.testing.assert_transfers(lambda x: x / 0 * float("nan"), "repeat", "S(n)", "1x1", "1x1")
    with pytest.raises(EquivarianceError, match="with nodes of zeros"):
        eq.testing.assert_transfers(graphon, "pad")
    with pytest.raises(EquivarianceError, match="with nodes of zeros"):
        eq.testing.assert_transfers(eq.Linear("S(n)", 1, 1, transfer="repeat"), "pad")
    with pytest.raises(GroupError, match="has one size"):
        eq.testing.assert_transfers(torch.relu, "pad", "S(3)", "1x1", "1x1")


@pytest.mark.parametrize(("group", "spaces", "way", "more"), [
    ("S(n)", ["1x2", "4x2 + 4x1", "3x0"], "repeat", {"norm": "layer"}),
    ("S(n)", ["1x2", "4x2 + 4x1", "2x1"], "pad", {}),
    ("O(n)", ["2x2 + 1x0", "2x2 + 2x0", "1x0 + 1x2"], "pad", {"activation": "gated"}),
    ("S(n) x O(3)", ["1x(1,1)", "4x(1,1) + 4x(1,0)", "1x(0,1)"], "repeat", {}),
    ("O(n)", ["2x1", "2x1 + 2x2", "1x0"], "pad", {"activation": "products"}),
    ("S(n) x O(3)", ["1x(1,1)", "2x(1,1) + 2x(1,0)", "1x(0,1)"], "repeat", {"activation": "products"}),
])  # fmt: skip
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_perceptrons(group, spaces, way, more):
    torch.manual_seed(0)
    network = eq.nn.MLP(group, spaces, transfer=way, **more)
    layers = [one for one in network if isinstance(one, eq.Linear | eq.PolynomialLayer)]
    assert {one.plan.hom.transfer for one in layers} == {way}
    assert any(isinstance(one, eq.PolynomialLayer) for one in layers) == (more == {"activation": "products"})
    eq.testing.assert_transfers(network, way, n=2, trials=2)


@pytest.mark.parametrize(("group", "options", "why"), [
    ("S(n)", {"transfer": "pad", "activation": "sigmoid"}, "sigmoid is not zero at zero"),
    ("S(n)", {"transfer": "pad", "norm": "batch"}, "BatchNorm adds a bias at absent nodes"),
    ("O(n)", {"transfer": "repeat"}, "Pairings divide sums by roots of n: take activation='gated'"),
    ("O(n)", {"transfer": "pad", "activation": "norm"}, "NormActivation divides norms"),
    ("S(3)", {"transfer": "pad"}, "has one size"),
    ("S(n)", {"transfer": "pad", "spaces": ["1x1", "4x0", "1x1"]}, "but 0 that commutes with nodes of zeros between"),
    ("S(n)", {"transfer": "pad", "activation": "products", "spaces": ["1x0", "4x1", "1x1"]}, r"reaches .* of zeros"),
    ("O(3)", {"activation": "products", "spaces": ["1x0", "4x1", "1x1"]}, r"O\(3\) has no linear map but 0 between"),
])  # fmt: skip
def test_perceptrons_whose_parts_do_not_carry_over_are_refused(group, options, why):
    with pytest.raises(EqsynthError, match=why):
        eq.nn.MLP(group, **{"spaces": ["1x1", "4x1 + 4x0", "1x1"], **options})
