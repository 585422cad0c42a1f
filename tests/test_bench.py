"""The benchmark: contenders compute the layer's map, the meters measure, it writes its files and fails where it must.

Long work shows progress and can be stopped.
"""

import io
import json
import signal
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import bench
import eqsynth as eq
from benchmarks import bases as bench_bases
from benchmarks import contenders, irreps, irreps_report, layers, measuring, peers, report, startup
from benchmarks import graphs as bench_graphs
from benchmarks import products as bench_products
from benchmarks import symmetric as bench_symmetric
from benchmarks.onebyone import OneByOne, Tuned
from eqsynth.bases import basis as bases
from eqsynth.codegen import emit
from eqsynth.families.representation import generators
from eqsynth.layers import emitted
from eqsynth.plans import lowering, products
from eqsynth.store import waiting
from oracle import dense as oracle_dense
from oracle import inputs_for, run


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(bench_bases, "CASES", (("S(3)", 2, 2, 14, 60), ("SO(3)", 1, 2, 1, 60)))


# --- bases -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("few")
def test_it_writes_a_table(tmp_path, capsys):
    assert bench.main(["bases", "--repeat", "1", "--check", "--out", str(tmp_path)]) == 0
    assert "S(3) 2 -> 2" in capsys.readouterr().out
    assert "SO(3) 1 -> 2" in (tmp_path / "bases.md").read_text()
    assert '"maps": 14' in (tmp_path / "bases.json").read_text()


@pytest.mark.usefixtures("few")
def test_a_selection_writes_nothing_unless_told_where(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bench, "FOLDER", tmp_path)
    assert bench.main(["bases", "--repeat", "1", "--cases", "SO(3)"]) == 0
    assert "S(3) 2 -> 2" not in capsys.readouterr().out
    assert not list(tmp_path.iterdir())
    assert bench.main(["bases", "--repeat", "1"]) == 0
    assert len(list(tmp_path.iterdir())) == 2


def test_it_fails_on_a_wrong_dimension_and_on_a_broken_limit(tmp_path, monkeypatch):
    out = ["--out", str(tmp_path), "--force"]
    monkeypatch.setattr(bench_bases, "CASES", (("S(3)", 2, 2, 15, 60),))
    assert bench.main(["bases", "--repeat", "1", *out]) == 1
    monkeypatch.setattr(bench_bases, "CASES", (("S(3)", 2, 2, 14, 0),))
    assert bench.main(["bases", "--repeat", "1", "--check", *out]) == 1
    assert bench.main(["bases", "--repeat", "1", *out]) == 0


def test_its_numerical_baseline_finds_the_same_dimension():
    for case in (("S(3)", 2, 2), ("SO(3)", 2, 3), ("Sp(2)", 2, 2), ("A(3)", 2, 1)):
        assert bench_bases.numerical(*case) == len(eq.basis(*case))


# --- contenders ----------------------------------------------------------------------------------------

PROBLEMS = [
    ("S(3)", 2, 2, 3),
    ("S(n)", 3, 1, 4),
    ("S(n)", 1, 3, 4),
    ("S(n)", 3, 3, 3),
    ("A(3)", 2, 2, 3),
    ("A(4)", 3, 2, 4),
    ("A(5)", 2, 2, 5),
    ("A(3)", 0, 3, 3),
    ("O(3)", 3, 3, 3),
    ("O(n)", 4, 2, 2),
    ("SO(2)", 2, 2, 2),
    ("SO(3)", 2, 3, 3),
    ("SO(3)", 3, 2, 3),
    ("SO(3)", 3, 0, 3),
    ("Sp(2)", 3, 3, 2),
    ("Sp(4)", 2, 2, 4),
    ("Sp(n)", 1, 3, 4),
    ("S(3) x O(2)", (2, 1), (1, 1), (3, 2)),
    ("A(3) x SO(2)", (1, 2), (2, 2), (3, 2)),
    ("SO(3) x SO(2)", (2, 1), (1, 3), (3, 2)),
    ("O(2) x Sp(2)", (2, 2), (2, 2), (2, 2)),
]


def problem(group, inputs, outputs, n, normalization="variance", bias=False):
    spaces = [f"{channels}x{order}".replace(" ", "") for channels, order in ((2, inputs), (3, outputs))]
    layer = eq.Linear(group, *spaces, bias=bias, dtype=torch.float64, normalization=normalization)
    sizes = n if isinstance(n, tuple) else (n,)
    return layer, sizes, inputs_for(layer, n)


def same_gradients(module, call, layer, inputs, meant):
    cotangent = torch.randn_like(meant)
    weight = layer.get_parameter("weight")
    wanted = torch.autograd.grad(meant, [inputs[0], weight], cotangent)
    made = torch.autograd.grad(call(module), [inputs[0], weight], cotangent)
    for mine, theirs in zip(made, wanted, strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("kind", [OneByOne, Tuned])
@pytest.mark.parametrize(("group", "inputs", "outputs", "n"), PROBLEMS)
def test_one_diagram_at_a_time_is_the_same_map(group, inputs, outputs, n, kind):
    for normalization in ("variance", "mean", "sum"):
        layer, sizes, xs = problem(group, inputs, outputs, n, normalization)
        one = kind(layer, sizes)
        meant = oracle_dense(layer, xs, n)[0]
        torch.testing.assert_close(one(xs[0]), meant)
    same_gradients(one, lambda module: module(xs[0]), layer, xs, meant)


@pytest.mark.parametrize(
    ("group", "inputs", "outputs", "n"), [*PROBLEMS, ("Aut(cycle4)", 1, 1, 4), ("Aut(3: 0-1 | 0 1 0)", 2, 1, 3)]
)
@pytest.mark.parametrize("sparse", [False, True])
def test_the_dense_matrix_is_the_same_map(group, inputs, outputs, n, sparse, monkeypatch):
    if sparse:
        monkeypatch.setattr(contenders, "MAX_BASIS", 0)
    for normalization in ("variance", "mean"):
        layer, sizes, xs = problem(group, inputs, outputs, n, normalization)
        dense = contenders.Dense(layer, sizes)
        assert (dense.basis.layout == torch.strided) is not sparse
        meant = run(layer, xs, n)[0]
        flat = xs[0].reshape(6, *xs[0].shape[2:])
        torch.testing.assert_close(dense(flat).reshape(meant.shape), meant)
        torch.testing.assert_close(dense.prebuilt()(flat).reshape(meant.shape), meant)
    same_gradients(dense, lambda module: module(flat).reshape(meant.shape), layer, xs, meant)
    rows, columns = dense.matrix().shape
    assert contenders.dense_entries(layer, sizes) == rows * columns


@pytest.mark.parametrize(("group", "k", "lo", "sizes", "written"), contenders.WRITTEN)
def test_layers_written_by_hand_are_the_same_map(group, k, lo, sizes, written):
    layer = eq.Linear(group, f"3x{k}", f"2x{lo}", dtype=torch.float64)
    torch.nn.init.normal_(layer.bias)
    for n in sizes:
        x = torch.randn(2, *[n] * k, 3, dtype=torch.float64, requires_grad=True)
        torch.testing.assert_close(written(layer)(x), layer(x))
        same_gradients(written(layer), lambda module, x=x: module(x), layer, [x], layer(x))


def test_a_contender_that_computes_something_else_is_refused(monkeypatch):
    case = layers.QUICK_CASES[0]
    layer = eq.Linear(case.group, f"{case.channels}x{case.inputs}", f"{case.channels}x{case.outputs}", bias=False)
    x = torch.randn(case.batch, *[case.n] * case.inputs, case.channels)
    found, _ = layers.contenders(layer, case, x, peers=False)
    assert list(found) == ["ours", "one", "tuned", "dense"]
    monkeypatch.setattr(OneByOne, "forward", lambda _, x: 2 * layer(x))
    with pytest.raises(AssertionError, match="not close"):
        layers.contenders(layer, case, x, peers=False)


def test_the_limit_multiplies_as_often_as_the_plan():
    layer = eq.Linear("S(n)", "4x2", "4x1", bias=False)
    # Two maps mix one value per sample, three mix n.
    assert contenders.multiply_adds(layer, 5, 7) == 7 * (2 + 3 * 5) * 16
    x = torch.randn(2, 5, 5, 4)
    assert measuring.operator_calls(contenders.limit(layer, x, layer(x), 5)) == 3


@pytest.mark.parametrize(("group", "inputs", "outputs"), [("O(3)", 3, 3), ("SO(3)", 2, 3), ("O(3)", 0, 2)])
def test_e3nn_has_as_many_maps_and_is_equivariant(group, inputs, outputs):
    pytest.importorskip("e3nn", reason="a peer: pip install .[bench]")
    layer = eq.Linear(group, f"2x{inputs}", f"3x{outputs}", bias=False)
    module = peers.E3nn(layer)
    turn, _ = torch.linalg.qr(torch.randn(3, 3))
    turn = turn if group == "O(3)" else turn * turn.det()

    def turned(x, order):
        whole = x.reshape(*x.shape[:2], *[3] * order)
        for _ in range(order):
            whole = torch.tensordot(whole, turn, dims=([2], [1]))  # the axis goes last, so all go round once
        return whole.reshape(x.shape)

    x = torch.randn(4, 2, 3**inputs)
    torch.testing.assert_close(module(turned(x, inputs)), turned(module(x), outputs), rtol=1e-4, atol=1e-4)


def test_emlp_spans_the_same_maps():
    pytest.importorskip("emlp", reason="a peer: pip install .[bench]")
    layer = eq.Linear("SO(3)", "2x1", "3x2", bias=False)
    basis, seconds = peers.emlp_basis(layer)
    assert basis.shape == (1, 9, 3)
    assert seconds > 0


def test_peers_with_other_maps_are_refused(monkeypatch):
    pytest.importorskip("e3nn", reason="a peer: pip install .[bench]")
    pytest.importorskip("emlp", reason="a peer: pip install .[bench]")
    monkeypatch.setattr(peers, "generators", lambda _: generators(eq.Group("A", 3)))
    with pytest.raises(ValueError, match="EMLP finds 3 maps, eqsynth 2"):
        peers.emlp_basis(eq.Linear("S(3)", "2x1", "2x1", bias=False))
    monkeypatch.setattr(peers, "_change", lambda o3, vector, _: ([(1, o3.Irrep(vector))], torch.eye(3)))
    with pytest.raises(ValueError, match="e3nn has 1 maps, eqsynth 3"):
        peers.E3nn(eq.Linear("O(3)", "2x2", "2x2", bias=False))


# --- meters and fits --------------------------------------------------------------------------------------


def test_peak_memory_of_a_known_function():
    x = torch.randn(10_000)

    def call():
        first = x * 2
        second = first * 2
        del first
        return torch.cat((second, second))

    # 40,000 bytes each. At the worst moment there are the second and what it is joined to, of twice the size.
    assert 120_000 <= measuring.peak_bytes(call) < 121_000
    assert 40_000 <= measuring.peak_bytes(lambda: x * 2) < 41_000
    assert measuring.peak_bytes(lambda: x.view(100, 100)) == 0


def test_operators_are_counted():
    x = torch.randn(4, 4)
    assert measuring.operator_calls(lambda: x.T + x) == 2
    assert measuring.operator_calls(lambda: None) == 0


def test_slope_of_a_power():
    sizes = np.array([8, 16, 64])
    assert measuring.slope(sizes, 3e-6 * sizes**2.5) == pytest.approx(2.5)


def test_costs_are_fitted_and_never_negative():
    features = np.random.default_rng(0).uniform(1, 100, (12, 3))
    prices, ratios = measuring.fit_costs(features, features @ [2.0, 0.5, 7.0])
    assert prices == pytest.approx([2, 0.5, 7])
    assert ratios == pytest.approx([1] * 12)
    prices, ratios = measuring.fit_costs(features, features @ [2.0, -0.01, 7.0])
    assert prices[1] == 0
    assert min(prices) == 0
    assert max(abs(np.array(ratios) - 1)) > 1e-4
    unused = features * [1, 0, 1]
    assert measuring.fit_costs(unused, unused @ [2.0, 1.0, 7.0])[0] == pytest.approx([2, 0, 7])


def test_runs_are_interleaved():
    order = []
    times = measuring.interleaved({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 3, least=0)
    assert "".join(order) == "aabb" + "aabb" * 3  # two of each to see how long they take, then one of two counts
    assert [len(value) for value in times.values()] == [3, 3]
    assert measuring.ratio({"a": [2.0, 6.0, 9.0], "b": [1.0, 2.0]}, "a", "b") == 2.5
    assert measuring.ratio(times, "a", "c") is None


# --- the report ---------------------------------------------------------------------------------------------


@pytest.fixture
def no_collections(monkeypatch):
    """Before each measurement garbage is collected: here among thousands of tests and all that they keep."""
    monkeypatch.setattr(measuring.gc, "collect", lambda *_: 0)


@pytest.mark.usefixtures("no_collections")
def test_a_tiny_run_from_end_to_end(tmp_path, capsys):
    command = ["layers", "--repeat", "1", "--no-compile", "--no-peers", "--quick"]
    assert bench.main([*command, "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    made = json.loads((tmp_path / "layers.json").read_text())
    text = (tmp_path / "layers.md").read_text()
    assert f"`python scripts/bench.py {' '.join(command)}`" in text.splitlines()[2]
    for title, lines in report.tables(made).items():
        assert f"## {title}" in text
        assert lines[-1] in text
        assert lines[-1] in printed
    assert [row["case"] for row in made["cases"]] == [str(case) for case in layers.QUICK_CASES]
    timed = {"limit", "ours", "prepared", "one", "dense", "prebuilt", "ours both", "dense both"}
    assert timed <= set(made["cases"][0]["ms"])
    assert "one" not in made["cases"][2]["ms"]
    assert len(made["small"]) == 14
    assert len(made["cost_model"]["predicted_over_measured"]) == 17
    assert [row["expected"] for row in made["growth"]] == [1, 2]


def test_a_selection_without_cases_says_so(tmp_path, capsys):
    assert bench.main(["layers", "--quick", "--cases", "E(8)", "--out", str(tmp_path)]) == 0
    assert "no layer's name contains 'E(8)'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_missed_targets_are_told_and_fail_a_check(monkeypatch, capsys):
    quick = ["layers", "--quick", "--cases", "cycle4", "--repeat", "1", "--no-compile", "--no-peers", "--check"]
    [case] = [case for case in layers.QUICK_CASES if "cycle4" in case.group]
    for name in ("MAX_BOTH", "MAX_MEMORY"):
        monkeypatch.setattr(layers, name, 1e9)
    monkeypatch.setattr(layers, "QUICK_CASES", (replace(case, limit=1e9, dense=0),))
    assert bench.main(quick) == 0
    monkeypatch.setattr(layers, "QUICK_CASES", (replace(case, limit=0, dense=0),))
    assert bench.main(quick) == 1
    assert "ours / limit = " in capsys.readouterr().err


def test_wrong_growth_and_slow_small_shapes_are_missed_targets():
    grown = [{"case": "S(n) 2 -> 2", "exponent": exponent, "expected": 2} for exponent in (1.8, 2.3, 3.1)]
    small = [{"case": "S(n) 1 -> 1", "ratio": ratio} for ratio in (1.5, 2.5)]
    assert report.missed({"cases": [], "growth": grown, "small": small}) == [
        "S(n) 2 -> 2: time grows as n^3.1, not n^2",
        "S(n) 1 -> 1: ours / by hand = 2.5 > 2",
    ]


def test_prices_of_a_report():
    rows = [
        {
            "case": str(number),
            "multiply_adds": 10**number,
            "bytes": 0,
            "calls": 5,
            "us": {"ours": 1e-3 * 10**number + 10},
        }
        for number in range(1, 6)
    ]
    found = layers.price(rows)
    assert found["ns_per_multiply_add"] == pytest.approx(1)
    assert found["us_per_call"] == pytest.approx(2)
    assert found["median_factor_off"] == 1
    assert list(found["predicted_over_measured"]) == ["1", "2", "3", "4", "5"]


def test_a_ratio_meets_its_target():
    for value, target, at_most, meant in (
        (2, 2, True, True),
        (2.1, 2, True, False),
        (2, 2, False, True),
        (1.9, 2, False, False),
        (None, 2, True, True),
        (5, None, True, True),
    ):
        assert report.met("ours / limit", {"value": value, "target": target, "at_most": at_most}) is meant
    assert report.met("compiled / ours", {"value": 1.04, "target": 1, "at_most": True})


def test_a_peer_that_cannot_run_is_told(monkeypatch):
    case = layers.QUICK_CASES[1]
    layer = eq.Linear(case.group, f"{case.channels}x{case.inputs}", f"{case.channels}x{case.outputs}", bias=False)
    x = torch.randn(case.batch, *[case.n] * case.inputs, case.channels)
    for name in ("e3nn", "emlp", "emlp.groups"):
        monkeypatch.setitem(sys.modules, name, None)
    found, notes = layers.contenders(layer, case, x)
    assert not {"e3nn", "emlp"} & set(found)
    assert notes["e3nn"].startswith("cannot run: ModuleNotFoundError")
    assert notes["emlp"].startswith("cannot run: ModuleNotFoundError")


def test_the_plot_is_the_same_each_time(tmp_path):
    pytest.importorskip("matplotlib", reason="the plot: pip install .[bench]")
    from benchmarks.plot import STYLES, draw

    ratios = {"ours / limit": {"value": 2.0, "target": 1.6, "at_most": True}}
    row = {"case": "S(n) 1 -> 1", "ms": {"limit": 1.0, "ours": 2.0, "one": 3.0}, "ratios": ratios}
    for name in ("a.svg", "b.svg"):
        draw({"cases": [row]}, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert b"<svg" in (tmp_path / "a.svg").read_bytes()
    rival = {"rival": "e3nn / ours", "ratios": {"e3nn / ours": {"value": 2.0, "target": 3, "at_most": False}}}
    draw({"cases": [row | rival]}, tmp_path / "irreps.svg", STYLES["irreps"])
    assert b"<svg" in (tmp_path / "irreps.svg").read_bytes()


# --- irreps -----------------------------------------------------------------------------------------------------


def unit(*entries):
    return torch.tensor(entries, dtype=torch.float32) / np.linalg.norm(entries)


def squares():
    """An orthonormal basis of the parts of a 3 x 3 matrix: trace, antisymmetric, traceless symmetric."""
    pairs = [(0, 1), (0, 2), (1, 2)]
    at = lambda i, j: torch.eye(9)[3 * i + j]  # noqa: E731
    odd = [(at(i, j) - at(j, i)) / 2**0.5 for i, j in pairs]
    even = [(at(i, j) + at(j, i)) / 2**0.5 for i, j in pairs]
    even += [unit(1, 0, 0, 0, -1, 0, 0, 0, 0), unit(1, 0, 0, 0, 1, 0, 0, 0, -2)]
    trace = unit(1, 0, 0, 0, 1, 0, 0, 0, 1)
    return {"trace": trace[None, None], "odd": torch.stack(odd)[:, None], "even": torch.stack(even)[:, None]}


def swaps():
    """The same for S(2) and a 2 x 2 matrix: two copies of the trivial part, two of the sign."""
    even = torch.stack([unit(1, 0, 0, 1), unit(0, 1, 1, 0)])
    odd = torch.stack([unit(1, 0, 0, -1), unit(0, 1, -1, 0)])
    return {"odd": odd[None], "even": even[None]}


@pytest.mark.parametrize(("group", "n", "parts"), [("O(3)", 3, squares()), ("S(2)", 2, swaps())])
def test_a_layer_by_irreps_written_by_hand_is_every_map(group, n, parts):
    layer = eq.Linear(group, "2x2", "3x2", bias=False)
    hand = contenders.ByIrreps(parts, dict(reversed(parts.items())), 2, 3)
    irreps._same_space(layer, hand, torch.randn(4, n, n, 2), n)
    # It is linear in its parameters: with independent outputs for each it makes as many maps as it has.
    units = torch.eye(2 * n * n).reshape(-1, n, n, 2)
    rows = []
    for parameter in hand.parameters():
        for one in torch.eye(parameter.numel()):
            for other in hand.parameters():
                other.data.zero_()
            parameter.data.copy_(one.reshape(parameter.shape))
            rows.append(hand(units).detach().flatten())
    assert torch.linalg.matrix_rank(torch.stack(rows)) == len(rows)


def test_what_is_not_equivariant_or_not_complete_is_refused():
    layer, parts = eq.Linear("O(3)", "2x2", "2x2", bias=False), squares()
    x = torch.randn(4, 3, 3, 2)
    hand = contenders.ByIrreps({**parts, "even": parts["even"].flip(0)}, parts, 2, 2)
    with pytest.raises(AssertionError, match="not close"):
        irreps._same_space(layer, hand, x, 3)
    hand = contenders.ByIrreps({"even": parts["even"]}, parts, 2, 2)
    with pytest.raises(AssertionError, match="4 parameters instead of 12"):
        irreps._same_space(layer, hand, x, 3)


@pytest.mark.parametrize(("group", "inputs", "outputs"), [("O(3)", 3, 3), ("O(3)", 2, 4), ("SO(3)", 1, 3)])
def test_a_layer_by_hand_with_matrices_of_e3nn(group, inputs, outputs):
    pytest.importorskip("e3nn", reason="a peer: pip install .[bench]")
    layer = eq.Linear(group, f"2x{inputs}", f"3x{outputs}", bias=False)
    hand = contenders.ByIrreps(peers.adapted(group, inputs), peers.adapted(group, outputs), 2, 3)
    irreps._same_space(layer, hand, torch.randn(4, *[3] * inputs, 2), 3)


def test_the_bare_products_multiply_as_often_as_the_layer():
    run, both = contenders.products([(1, 1, 2), (5, 3, 1)], 4, 7)
    for call, times in ((run, 1), (both, 3)):
        with FlopCounterMode(display=False) as counted:
            call()
        assert counted.get_total_flops() == times * 2 * 7 * 16 * (1 * 1 * 2 + 5 * 3 * 1)


def test_mixing_and_floor_are_counted_per_sample():
    layer = eq.Linear("S(n)", "4x2", "4x1", bias=False, method="diagrams")
    assert irreps.mixing(layer, 5) == (2 + 3 * 5) * 16
    for group, n in (("O(3)", 3), ("S(n)", 5), ("SO(2)", 2)):
        layer = eq.Linear(group, "4x2", "4x2", bias=False)
        found = irreps.shared(layer, n)
        assert irreps.floor(layer, n) == sum(size * read * made for size, read, made in found) * 16
    assert irreps.floor(eq.Linear("O(3)", "4x2", "4x2", bias=False), 3) == 9 * 16


def test_contenders_that_compute_something_else_are_refused(monkeypatch):
    case = irreps.QUICK_CASES[0]
    plain = layers.Problem.layer
    found, _ = irreps.contenders(case, case.input(), peers=False)
    assert list(found) == ["ours", "diagrams", "irreps", "matrix", "blocks", "stored", "stored prepared"]

    def changed(case, **kw):
        layer = plain(case, **kw)
        if "method" in kw:
            layer.register_forward_hook(lambda _, __, y: 2 * y)
        return layer

    monkeypatch.setattr(layers.Problem, "layer", changed)
    with pytest.raises(AssertionError, match="not close"):
        irreps.contenders(case, case.input(), peers=False)


def test_e3nn_that_is_not_there_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "e3nn", None)
    found, notes = irreps.contenders(irreps.QUICK_CASES[0], irreps.QUICK_CASES[0].input())
    assert not {"e3nn", "hand"} & set(found)
    assert notes["e3nn"].startswith("cannot run: ModuleNotFoundError")


@pytest.mark.usefixtures("no_collections")
def test_a_tiny_run_of_irreps_from_end_to_end(tmp_path, capsys):
    command = ["irreps", "--repeat", "1", "--no-peers", "--quick"]
    assert bench.main([*command, "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    made = json.loads((tmp_path / "irreps.json").read_text())
    text = (tmp_path / "irreps.md").read_text()
    assert f"`python scripts/bench.py {' '.join(command)}`" in text.splitlines()[2]
    for title, lines in irreps_report.tables(made).items():
        assert f"## {title}" in text
        assert lines[-1] in text
        assert lines[-1] in printed
    assert [row["case"] for row in made["cases"]] == [str(case) for case in irreps.QUICK_CASES]
    methods = {name for row in made["cases"] for name in row["ms"] if "both" not in name}
    stored = {"stored", "stored prepared"}
    assert methods == {"ours", "diagrams", "irreps", "fourier", "matrix", "blocks", "products", *stored}
    assert made["networks"][0]["ratios"]["full / irreps"]["value"] > 0
    imported, setup = made["fresh"]
    assert imported["ratios"]["milliseconds"]["target"] == 200
    assert {"empty imported", "empty made", "empty ran", "warm made"} <= set(setup["ms"])
    assert setup["ms"]["empty made"] < setup["ms"]["empty ran"]
    assert setup["ratios"]["empty / e3nn"]["value"] is None


def test_missed_targets_of_irreps_are_told_and_fail_a_check(monkeypatch, capsys):
    quick = ["irreps", "--quick", "--cases", "Sp(2)", "--repeat", "1", "--no-peers", "--check"]
    [case] = [case for case in irreps.QUICK_CASES if case.group == "Sp(2)"]
    monkeypatch.setattr(irreps, "QUICK_CASES", (replace(case, forward=0, both=None, floor=None),))
    assert bench.main(quick) == 0
    monkeypatch.setattr(irreps, "QUICK_CASES", (replace(case, forward=1e9, both=1e9, floor=0),))
    assert bench.main(quick) == 1
    told = capsys.readouterr().err
    for name in ("diagrams / ours = ", "diagrams / ours, both = ", "mixing / floor = "):
        assert name in told


def test_whatever_is_above_the_floor_shows(monkeypatch):
    monkeypatch.setattr(irreps, "floor", lambda layer, n: irreps.mixing(layer, n) - 1)
    row = irreps.measure(irreps.QUICK_CASES[2], layers.Options(repeat=1, peers=False))
    assert row["ratios"]["mixing / floor"]["value"] > 1


def test_slow_imports_and_setups_are_missed_targets():
    rows = [
        {"case": "import eqsynth", "ratios": layers.rated([("milliseconds", 210.0, startup.MAX_IMPORT, True)])},
        {"case": "O(3)", "ratios": layers.rated([("warm / e3nn", 1.2, startup.MAX_SETUP, True)])},
        {"case": "O(3)", "ratios": layers.rated([("warm / e3nn", None, startup.MAX_SETUP, True)])},
    ]
    assert irreps_report.missed({"cases": [], "networks": [], "fresh": rows}) == [
        "import eqsynth: milliseconds = 210 > 200",
        "O(3): warm / e3nn = 1.2 > 1",
    ]


def test_e3nn_is_set_up_in_a_fresh_process_too():
    pytest.importorskip("e3nn", reason="a peer: pip install .[bench]")
    found = startup.fresh("e3nn", "O(3)", 1, 1, 4)
    assert 0 < found["made"] < found["ran"]


# --- long work ------------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    """A terminal that tells when something was written."""

    def __init__(self):
        super().__init__()
        self.written = threading.Event()

    def isatty(self):
        return True

    def write(self, text):
        self.written.set()
        return super().write(text)


@pytest.mark.parametrize(
    ("module", "name", "work", "words"),
    [
        (bases.enumeration, "diagrams", lambda: eq.basis("S(n)", 2, 2), "choosing maps of S(n) 2 -> 2 ... 1 s"),
        (lowering, "_cheapest", lambda: eq.plan("S(n)", "3x1", "5x1"), "planning S(n): 3x1 -> 5x1 ... 1 s"),
        (emit, "_File", lambda: eq.Linear("S(n)", "3x1", "7x1"), "writing the code of S(n): 3x1 -> 7x1 ... 1 s"),
        (products, "_product_plan", lambda: eq.TensorProduct("S(n)", "3x1", "1x1", "7x1"), "planning S(n): 3x1 (x)"),
    ],
)
def test_long_work_is_told_in_a_terminal_and_changes_nothing(monkeypatch, module, name, work, words):
    terminal, slowly = Terminal(), getattr(module, name)

    def late(*problem):
        # However slow the machine is: work goes on once the terminal has shown something.
        assert terminal.written.wait(60)
        return slowly(*problem)

    caches = (bases._basis, lowering._chosen, emit.emit, products._planned, emitted.layer_class)
    expected = repr(work())
    for cache in caches:
        cache.cache_clear()
    monkeypatch.setattr(waiting, "PATIENCE", 0.001)
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(module, name, late)
    ours = repr(work())
    for cache in caches:
        cache.cache_clear()
    assert words in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[K")
    assert ours == expected


def test_nothing_is_told_where_no_terminal_reads(monkeypatch):
    pipe = io.StringIO()
    monkeypatch.setattr(waiting, "PATIENCE", 0.0)
    monkeypatch.setattr(sys, "stderr", pipe)
    with waiting.waiting("nothing"):
        pass
    pipe.close()
    with waiting.waiting("nothing, to a closed stream"):
        pass
    monkeypatch.setattr(sys, "stderr", None)
    with waiting.waiting("nothing, to none"):
        pass


def test_long_work_can_be_interrupted():
    script = (
        "import signal, sys; from eqsynth import cli; from eqsynth.diagrams import enumeration\n"
        # Where the tests run in the background, a shell has had interrupts ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "listed = enumeration.diagrams\n"
        "def told(*problem):\n"
        "    print('at work', flush=True)\n"
        "    yield from listed(*problem)\n"
        "enumeration.diagrams = told\n"
        "sys.argv[1:] = ['show', 'S(n)', '5', '6']\n"
        "cli.main()\n"
    )
    running = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert running.stdout.readline() == "at work\n"
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "Traceback" not in errors


# --- sparse graphs -----------------------------------------------------------------------------------


def test_sparse_graphs_are_measured_and_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bench_graphs, "CASES", (("two", 3, 5, 2, 2, True), ("one", 6, 6, 1, 2, False)))
    assert bench.main(["graphs", "--repeat", "1", "--out", str(tmp_path)]) == 0
    assert "| two | 8 |" in capsys.readouterr().out
    assert "| one | 6 |" in (tmp_path / "graphs.md").read_text()
    rows = json.loads((tmp_path / "graphs.json").read_text())["rows"]
    assert rows[0]["memory_ratio"] > 0
    assert rows[1]["memory_ratio"] is None


def test_sparse_layers_that_give_something_else_are_refused(monkeypatch, capsys):
    monkeypatch.setattr(bench_graphs, "CASES", (("two", 3, 5, 2, 2, True),))
    monkeypatch.setattr("eqsynth.nn.entries.scales", lambda at, *_: torch.ones(len(at), 1))
    assert bench.main(["graphs", "--repeat", "1", "--quick"]) == 1
    assert "do not give the same" in capsys.readouterr().err


# --- products -------------------------------------------------------------------------------------------


def test_products_are_measured_and_written(tmp_path, capsys):
    (case, *_) = bench_products.QUICK_CASES
    command = ["products", "--quick", "--repeat", "1", "--no-compile", "--no-peers", "--cases", str(case)]
    assert bench.main([*command, "--out", str(tmp_path)]) == 0
    assert "| 4x1 x 4x1 -> 4x1, full | ours | 1 |" in capsys.readouterr().out
    rows = json.loads((tmp_path / "products.json").read_text())["rows"]
    assert [row["contender"] for row in rows] == ["ours", "dense einsum"]
    assert rows[1]["double_ratio"] > 0


@pytest.mark.parametrize("case", bench_products.QUICK_CASES[1:])
def test_one_einsum_is_the_same_product(case, monkeypatch):
    found, _ = bench_products.contenders(case, layers.Options(peers=False))
    assert found["dense einsum"][2] == found["ours"][2] > 0
    monkeypatch.setattr(bench_products.Dense, "forward", lambda _, *x: torch.zeros_like(case.layer()(*x)))
    with pytest.raises(AssertionError, match="not close"):
        bench_products.contenders(case, layers.Options(peers=False))


def test_gpus_are_asked_for_where_they_are(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for wanted, told in ((["layers"], "sees no such device"), (["bases", "graphs"], "bases: measured on CPUs alone")):
        with pytest.raises(SystemExit):
            bench.main([*wanted, "--device", "cuda"])
        assert told in capsys.readouterr().err
    with pytest.raises(SystemExit):
        bench.main(["layer"])
    assert "layer: not known, choose from bases" in capsys.readouterr().err


# --- symmetric tensors ---------------------------------------------------------------------------------


def test_symmetric_layers_are_measured_and_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bench_symmetric, "CASES", (("O(3)", 3, 2, 2, 2),))
    assert bench.main(["symmetric", "--repeat", "1", "--out", str(tmp_path)]) == 0
    assert "| O(3) 2 -> 2, n = 3 | 2 | 3, 2 |" in capsys.readouterr().out
    assert "# Symmetric tensors" in (tmp_path / "symmetric.md").read_text()
    (row,) = json.loads((tmp_path / "symmetric.json").read_text())["rows"]
    assert row["packed_backward"] > 0


def test_symmetric_layers_that_give_something_else_are_refused(monkeypatch, capsys):
    monkeypatch.setattr(bench_symmetric, "CASES", (("O(3)", 3, 2, 2, 2),))
    pack = eq.pack
    monkeypatch.setattr(eq, "pack", lambda x, order: pack(x, order) + 1, raising=False)
    assert bench.main(["symmetric", "--repeat", "1", "--quick"]) == 1
    assert "do not give the same" in capsys.readouterr().err
