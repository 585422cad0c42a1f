"""Comparisons by training: the harness, which must notice what goes wrong, and every script in its short form."""

import ast
import json
import re
import runpy
import sys
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import pytest
import torch
import train_graphs
import train_molecules
from torch import nn

import training
from training import Baseline, Budget, Contender, Data, Task

ROOT = Path(__file__).parents[1]
#: Every comparison; another test trains on several machines.
COMPARISONS = sorted(path for path in (ROOT / "examples").glob("train_*.py") if path.stem != "train_distributed")
#: The others are run by test_training_fixed, test_training_points and test_training_evidence.
SCRIPTS = [path for path in COMPARISONS if path.stem in ("train_graphs", "train_molecules")]
NONE = float("nan")


# --- the harness ------------------------------------------------------------------------------------------


def numbers(count, seed):
    x = torch.randn(count, 4, generator=torch.Generator().manual_seed(seed))
    return Data((x,), (x[:, :1] * 2, x[:, 1:3] - x[:, 2:4]))


def toy(**changes):
    task = Task("toy", "A toy", ("one", "two"), numbers(64, 0), numbers(30, 1), {"new": numbers(50, 2)})
    return replace(task, **changes)


class Net(nn.Module):
    """``deaf`` hears nothing of its input."""

    def __init__(self, width=8, deaf=False):
        super().__init__()
        self.layers, self.deaf = nn.Sequential(nn.Linear(4, width), nn.SiLU(), nn.Linear(width, 3)), deaf

    def forward(self, x):
        y = self.layers(0 * x if self.deaf else x)
        return y[:, :1], y[:, 1:]


BUDGET = Budget((16, 64), 60, 16, (1e-2, 3e-2), checks=3)
HEARS, DEAF = Contender("hears", Net, equivariant=True), Contender("deaf", lambda: Net(deaf=True))


def silent(_line):
    pass


@pytest.fixture(scope="module")
def found():
    def zero(_data):
        return lambda x: (torch.zeros(len(x), 1), None)

    return training.compare(toy(), [HEARS, DEAF], BUDGET, [Baseline("always zero", zero)], silent)


def test_what_learns_and_what_does_not(found):
    """Two contenders of equal size; the one that cannot learn is named, in the table too."""
    report = found.report
    assert report.parameters == {"hears": 67, "deaf": 67}
    assert training.learns_nothing(report, "hears") == []
    assert training.learns_nothing(report, "deaf") == ["one", "two"]
    assert "No better than the average: deaf, for one, two." in training.table(report)
    assert not any("No better than the average: hears" in line for line in training.table(report))
    runs = [run for run in report.runs if run.contender == "hears"]
    assert len(runs) == 2 * 3
    assert all(run.loss[1] < run.loss[0] / 2 for run in runs)
    assert all(run.steps == [0, 20, 40, 60] and len(run.course["new"]) == 4 for run in runs)


def test_more_examples_help(found):
    few, many = (median(training.errors(found.report.runs, "hears", size, "new", 1)) for size in (16, 64))
    assert many < few < 1


def test_the_average_has_error_one_and_baselines_may_leave_outputs_out(found):
    report = found.report
    assert training.errors(report.runs, "always the average", 64, "new", 0) == [1.0] * 3
    assert len(training.errors(report.runs, "always zero", 64, "new", 0)) == 3
    assert training.errors(report.runs, "always zero", 64, "new", 1) == []
    assert any(re.fullmatch(r"\| always zero \|  \|  \| [\d.]+ \| - \|", line) for line in training.table(report))
    guess = training.average(toy().train)
    raw = training.root_mean_squares(training.predictions(guess, toy().tests["new"]), toy().tests["new"].targets)
    assert report.raw["new"] == raw


def test_the_models_are_those_of_the_report(found):
    run = next(run for run in found.report.runs if (run.contender, run.seed, run.examples) == ("hears", 0, 64))
    test = toy().tests["new"]
    errors = training.root_mean_squares(training.predictions(found.models["hears"], test), test.targets)
    assert [error / by for error, by in zip(errors, found.report.raw["new"], strict=True)] == run.errors["new"]


def test_equal_runs_are_equal():
    task = toy()
    first, again, other = (training.train(task, HEARS, BUDGET, 1e-2, seed, 64)[0] for seed in (0, 0, 1))
    assert first == again
    assert first.errors != other.errors


def test_the_best_rate_is_taken_and_divergence_is_seen():
    found = training.compare(toy(), [HEARS], replace(BUDGET, rates=(1e-9, 3e-2), seeds=1), say=silent)
    assert found.report.rates == {"hears": 3e-2}
    broken = Contender("broken", _Broken)
    report = training.compare(toy(), [broken], replace(BUDGET, sizes=(64,), seeds=1), say=silent).report
    assert any(line.startswith("| broken | 67 |") and "diverged" in line for line in training.table(report))
    assert training.learns_nothing(report, "broken") == ["one", "two"]


class _Broken(Net):
    def forward(self, x):
        return tuple(y / 0 for y in super().forward(x))


def test_networks_of_unequal_size_are_refused():
    wide = Contender("wide", lambda: Net(width=9))
    with pytest.raises(ValueError, match=r"equal size were meant.*'wide': 75"):
        training.compare(toy(), [HEARS, wide], BUDGET, say=silent)
    with pytest.raises(ValueError, match="two contenders have one name"):
        training.matched([HEARS, HEARS])
    assert training.matched([Contender("a", lambda: Net(30)), Contender("b", lambda: Net(31))]) == {"a": 243, "b": 251}


@pytest.mark.parametrize("count", [1, 60, 67, 1000])
def test_the_nearest_width_is_found(count):
    width = training.width_for(Net, count, most=400)
    distances = [abs(training.parameters(Net(w)) - count) for w in range(1, 513)]
    assert abs(training.parameters(Net(width)) - count) == min(distances)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="99 training examples were asked for, there are 64"):
        training.compare(toy(), [HEARS], replace(BUDGET, sizes=(99,)), say=silent)
    with pytest.raises(ValueError, match=r"have \[2, 3\] examples"):
        Data((torch.ones(3, 1),), (torch.ones(2, 1),))
    short = Contender("short", lambda: nn.Linear(4, 1))
    task = toy(outputs=("two",), train=Data(toy().train.inputs, toy().train.targets[1:]))
    task = replace(task, tests={"new": Data(toy().tests["new"].inputs, toy().tests["new"].targets[1:])})
    with pytest.raises(ValueError, match=r"output has shape \(50, 1\), its target \(50, 2\)"):
        training.train(task, short, BUDGET, 1e-2, 0, 64)


def test_targets_that_are_missing_count_nowhere():
    outputs = torch.tensor([[1.0, 5.0], [3.0, 7.0]]), None
    targets = torch.tensor([[1.0, NONE], [1.0, NONE]]), torch.ones(2, 1)
    assert training.root_mean_squares(outputs, targets) == [pytest.approx(2**0.5), None]
    constants = training.average(Data((torch.ones(2, 1),), targets))(torch.ones(5, 1))
    assert constants[0].tolist() == [[1.0, 1.0]] * 5  # nothing is known of the second: the average of all
    heard = Data(toy().train.inputs, tuple(torch.where(t > 1, torch.tensor(NONE), t) for t in toy().train.targets))
    run, _, _ = training.train(toy(train=heard), HEARS, BUDGET, 1e-2, 0, 64)
    assert run.loss[1] < run.loss[0]


def test_training_examples_of_a_seed_are_nested_and_batches_of_like_sizes_are_random():
    data = toy().train
    small, large = (training.subset(data, size, 3).inputs[0] for size in (10, 40))
    assert torch.equal(large[:10], small)
    assert not torch.equal(training.subset(data, 10, 4).inputs[0], small)
    sizes = torch.arange(60) // 10
    task, generator = toy(alike=lambda _: sizes), torch.Generator().manual_seed(0)
    drawn = [training._drawn(task, Data((sizes,), ()), 10, generator) for _ in range(300)]
    assert all(len(set(index.tolist())) == 10 for index in drawn)
    assert all(len(sizes[index].unique()) <= 2 for index in drawn)
    assert torch.cat(drawn).bincount(minlength=60).min() > 20


def test_only_training_batches_are_augmented():
    seen = []

    def moved(data, generator):
        seen.append((len(data), torch.rand((), generator=generator).item()))
        return Data(data.inputs, tuple(-target for target in data.targets))

    run, _, _ = training.train(toy(), Contender("moved", Net, augment=moved), BUDGET, 3e-2, 0, 64)
    assert len(seen) == BUDGET.steps
    assert {count for count, _ in seen} == {16}
    assert len({value for _, value in seen}) == BUDGET.steps
    assert run.loss[1] < run.loss[0] / 2
    assert training._mean(run.errors["new"]) > 0.9  # it has learnt the opposite; the first check is no good either


def test_losses_and_errors_of_ones_own():
    def loss(outputs, targets):
        return (outputs[0] - targets[0]).abs().mean() + 0 * outputs[1].sum()

    def worst(outputs, targets):
        return [(y - t).abs().max().item() for y, t in zip(outputs, targets, strict=True)]

    def zeros(data):
        return lambda x: tuple(torch.zeros(len(x), t.shape[1]) for t in data.targets)

    task = toy(loss=loss, errors=worst, average=zeros)
    run, _, _ = training.train(task, HEARS, BUDGET, 3e-2, 0, 64)
    assert run.errors["new"][0] < 0.5 < run.errors["new"][1]


# --- what is written --------------------------------------------------------------------------------------


def test_writing_is_repeatable_and_leaves_other_text_alone(found, tmp_path):
    folder, page = tmp_path / "training", tmp_path / "training.md"
    training.write(found.report, folder)
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(first) == {"toy.json", "toy.svg"}
    text = page.read_text()
    page.write_text(f"{text}\nWhat this means.\n\n## Another\n")
    training.write(found.report, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first
    assert page.read_text() == f"{text}\nWhat this means.\n\n## Another\n"
    training.write(replace(found.report, title="Changed", checks={"largest change": 1e-7}), folder)
    assert page.read_text().count("toy.svg") == 1
    assert page.read_text().endswith("What this means.\n\n## Another\n")
    assert "Largest change: 1.0e-07." in page.read_text()


def test_json_has_no_numbers_that_json_does_not_have(found, tmp_path):
    broken = replace(found.report.runs[-1], errors={"new": [float("inf"), NONE]}, loss=(NONE, 1 / 3))
    training.write(replace(found.report, runs=[*found.report.runs[:-1], broken]), tmp_path / "training")
    text = (tmp_path / "training" / "toy.json").read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    read = json.loads(text)
    assert read["runs"][-1]["loss"] == [None, 0.333333]
    assert read["machine"]["torch"] == torch.__version__


@pytest.mark.parametrize(("width", "columns"), [(12, 4), (6, 2), (1, 1)])
def test_legends_are_not_wider_than_the_picture(width, columns):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, 3), layout="constrained")
    axes = figure.subplots()
    handles = {f"a network with a name, {i}": axes.plot([0, 1])[0] for i in range(5)}
    legend = training._legend(figure, handles)
    assert figure.legends == [legend]
    assert legend._ncols == columns
    assert [text.get_text() for text in legend.get_texts()] == list(handles)


def test_matplotlib_is_loaded_only_to_draw():
    for path in (ROOT / "examples").glob("train*.py"):
        named = ast.unparse(ast.Module([x for x in ast.parse(path.read_text()).body if not hasattr(x, "args")], []))
        tops = [line for line in named.splitlines() if re.match("(import|from) ", line)]
        assert tops
        assert not any("matplotlib" in line for line in tops)


# --- the data ---------------------------------------------------------------------------------------------


def test_twins_are_the_graphs_that_order_two_cannot_tell_apart():
    others, twins = train_graphs.atlas()
    assert (len(others), len(twins)) == (955, 40)
    numbers = twins.targets[0].reshape(-1, 2)
    assert (numbers[:, 0] != numbers[:, 1]).any()
    torch.manual_seed(0)
    with torch.no_grad():
        two, three = (
            build(4)(*twins.inputs)[0].reshape(-1, 2).diff(dim=1).abs()
            for build in (train_graphs.order_two, train_graphs.order_three)
        )
    assert two.max() < 1e-6
    assert (three > 1e-5).all()


def test_quantities_of_graphs():
    """A path of three nodes: its middle lies on the one path between the ends, which are 2 ohms apart."""
    import networkx as nx

    adjacency, triangles, betweenness, resistance = train_graphs.measured(nx.path_graph(3))
    assert triangles == 0
    assert betweenness.tolist() == [0, 1, 0]
    assert np.allclose(resistance[np.triu_indices(3, 1)], [1, 2, 1])
    assert train_graphs.measured(nx.complete_graph(4))[1] == pytest.approx(1)
    assert adjacency.sum() == 4


def test_moved_examples_are_the_same_examples():
    """Invariants of graphs and molecules do not change; vectors and values of nodes go where their inputs go."""
    generator = torch.Generator().manual_seed(0)
    data = train_graphs.atlas()[0].take(slice(50))
    moved = train_graphs.relabelled(data, generator)
    degrees, betweenness = (torch.stack([d.inputs[0].sum(2), d.targets[1]], -1) for d in (data, moved))
    for one, other in zip(degrees.nan_to_num(-1), betweenness.nan_to_num(-1), strict=True):
        assert sorted(one.round(decimals=5).flatten(1).tolist()) == sorted(other.round(decimals=5).flatten(1).tolist())
    molecules = train_molecules.molecules()
    turned = train_molecules.moved(molecules, generator)
    for place in (0, 70, 147):
        n = int(turned.inputs[2][place])
        kinds, positions = (x[place, :n].double().numpy() for x in turned.inputs[:2])
        q = train_molecules.charges([list(train_molecules.ELEMENTS)[i] for i in kinds.argmax(1)], positions)
        assert np.allclose(q @ positions, turned.targets[1][place, :, 0], atol=1e-4)
    assert not torch.allclose(turned.targets[1], molecules.targets[1], atol=0.1)


def test_energies_are_those_of_ase():
    from ase.data import g2_1

    for name, symbols in (("H2O", "OHH"), ("C2H4", "CCHHHH"), ("LiF", "LiF")):
        meant = g2_1.get_atomization_energy(name) * 0.04336411
        atoms = ["Li", "F"] if name == "LiF" else list(symbols)
        assert train_molecules.atomisation(name, atoms) == pytest.approx(meant, rel=1e-5)


def test_charges_are_those_of_lowest_energy():
    """No other charges of the same sum have less; hydrogen is the positive end of water."""
    symbols, positions = ["O", "H", "H"], np.array([[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]])
    q = train_molecules.charges(symbols, positions)
    assert abs(q.sum()) < 1e-12
    assert q[0] < -0.1
    assert q[1] == pytest.approx(q[2])
    assert train_molecules.charges(["O", "O"], positions[:2]) == pytest.approx([0, 0])


# --- the scripts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_every_script_runs_and_its_networks_learn(path, tmp_path, monkeypatch, capsys):
    """In short form: the first or second equivariant contender beats the average, and its loss falls."""
    monkeypatch.setattr(sys, "argv", [str(path), "--short", "--out", str(tmp_path / "training")])
    runpy.run_path(str(path), run_name="__main__")
    shown, reports = capsys.readouterr().out, sorted((tmp_path / "training").glob("*.json"))
    assert reports
    for written in reports:
        report = json.loads(written.read_text())
        assert written.with_suffix(".svg").read_text().startswith("<?xml")
        assert f"training/{report['task']}.svg" in (tmp_path / "training.md").read_text()
        assert max(report["parameters"].values()) <= 1.05 * min(report["parameters"].values())
        assert {name for name, value in report["parameters"].items() if f"{name}: {value:,} parameters" in shown}
        test = next(iter(report["tests"]))
        scores = {}
        for run in report["runs"]:
            if run["contender"] in report["equivariant"]:
                assert run["loss"][1] < run["loss"][0]
                scores[run["contender"]] = sum(run["errors"][test]) / len(report["outputs"]), run["loss"]
        error, loss = min(scores.values())
        assert error < 0.85
        assert loss[1] < 0.7 * loss[0]


def test_short_runs_write_nothing_unless_told(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "FOLDER", tmp_path / "training")
    assert training.options("", ["--short"]).out is None
    assert training.options("", []).out == tmp_path / "training"
    assert training.options("", ["--short", "--out", "x"]).out == Path("x")
    report = training.main("", lambda _: (toy(), [HEARS], [], replace(BUDGET, sizes=(64,))), arguments=["--short"])
    assert report.budget.seeds == 1
    assert not list(tmp_path.iterdir())


def test_guide_and_page_name_every_script():
    guide, page = ((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("guide/examples.md", "training.md"))
    assert len(COMPARISONS) >= 2
    for path in COMPARISONS:
        assert f"python examples/{path.name}" in guide
        assert f"python examples/{path.name}" in page
        usage = f"usage: python examples/{path.name} [--short] [--seeds N] [--out FOLDER] [--force]\n"
        assert usage in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "training").glob("*.json")), ids=lambda path: path.stem)
def test_the_page_shows_what_was_measured(path):
    """Each number of a committed table is in the committed report; at least three seeds, equal sizes, a picture."""
    report, page = json.loads(path.read_text()), (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    block = page.split(f"<!-- {path.stem}: written by the script -->")[1].split(f"<!-- {path.stem}: end -->")[0]
    assert path.with_suffix(".svg").exists()
    assert report["budget"]["seeds"] >= 3
    assert max(report["parameters"].values()) <= 1.05 * min(report["parameters"].values())
    size, test = report["budget"]["sizes"][-1], next(iter(report["tests"]))
    for name, count in report["parameters"].items():
        runs = [run for run in report["runs"] if (run["contender"], run["examples"]) == (name, size)]
        value = training._number(median(run["errors"][test][0] for run in runs))
        assert re.search(rf"^\| {re.escape(name)} \| {count:,} \| \S+ \| {re.escape(value)} ", block, re.MULTILINE)
