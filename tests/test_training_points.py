"""Training on points: charged particles by the protocol of the literature, and molecules with messages."""

import itertools
import json
import math
from functools import partial
from pathlib import Path
from statistics import median

import pytest
import torch
import train_molecules
import train_nbody as nbody
from torch.testing import assert_close

from training import Data, main, matched, predictions, root_mean_squares

ROOT = Path(__file__).parents[1]


# --- the data ---------------------------------------------------------------------------------------------


def by_hand(x, v, q, steps):
    """Step by step and pair by pair, with numbers of Python."""
    x, v, q = x.tolist(), v.tolist(), q.tolist()
    for _ in range(steps):
        for i, j in itertools.product(range(5), repeat=2):
            if i == j:
                continue
            distance = math.dist(x[i], x[j])
            for k in range(len(x[0])):
                v[i][k] += 0.001 * q[i] * q[j] * (x[i][k] - x[j][k]) / distance**3
        x = [[a + 0.001 * b for a, b in zip(one, speed, strict=True)] for one, speed in zip(x, v, strict=True)]
    return torch.tensor(x), torch.tensor(v)


@pytest.mark.parametrize("d", [2, 5])
def test_trajectories_are_those_of_coulombs_law(d):
    """From the start for 7 steps, and for 30; particles begin with speed 0.5, charges are 1 and -1."""
    start = nbody.trajectories(d, 3, seen=0, ahead=7)
    x, v, q = start.inputs
    assert x.shape == v.shape == start.targets[0].shape == (3, 5, d)
    assert_close(v.norm(dim=2), torch.full((3, 5), 0.5))
    assert set(q.flatten().tolist()) == {-1.0, 1.0}
    later = nbody.trajectories(d, 3, seen=7, ahead=23)
    for place in range(3):
        after, speed = by_hand(x[place], v[place], q[place], 7)
        assert_close(after - x[place], start.targets[0][place], atol=1e-5, rtol=1e-4)
        assert_close((after, speed), (later.inputs[0][place], later.inputs[1][place]), atol=1e-4, rtol=1e-4)
        end, _ = by_hand(x[place], v[place], q[place], 30)
        assert_close(end - after, later.targets[0][place], atol=1e-4, rtol=1e-3)


def test_forces_are_cut_off_and_opposite():
    x = torch.tensor([[[0.0], [0.05]], [[0.0], [0.0]]], dtype=torch.float64)  # two particles, in the plane
    assert nbody.forces(x, torch.tensor([[1.0], [-1.0]]).double()).flatten().tolist() == [100, -100, 0, 0]
    assert_close(nbody.forces(2 * x, torch.ones(2, 1).double())[0, 0, 0].item(), -100.0, atol=1e-9, rtol=0)
    assert_close(nbody.forces(4 * x, torch.ones(2, 1).double())[0, 1, 0].item(), 25.0)


def test_the_protocol_is_that_of_the_literature(monkeypatch):
    """3,000, 2,000 and 2,000 trajectories, none twice, seen after 3,100 steps, 1,000 steps later."""
    asked = []

    def numbered(*arguments, **named):
        asked.append((arguments, named))
        place = torch.arange(7000.0).reshape(-1, 1, 1).expand(-1, 5, 3)
        return Data((place, place, place[..., 0]), (place,))

    monkeypatch.setattr(nbody, "trajectories", numbered)
    task, _, _, budget = nbody.comparison(3, False)
    assert asked == [((3, 7000), {"seen": 3100, "ahead": 1000})]
    parts = task.train, task.valid, task.tests["others"]
    assert [len(part) for part in parts] == [3000, 2000, 2000]
    assert torch.equal(torch.cat([part.inputs[0] for part in parts]), numbered().inputs[0])
    assert max(budget.sizes) == 3000
    assert budget.seeds == 3


def test_moving_straight_on_errs_as_is_published():
    """0.0819 in arXiv 2102.09844, a linear function of velocities, fitted; here on few trajectories."""
    data = nbody.trajectories(3, 250)
    guess = nbody.straight_on(data)
    (error,) = root_mean_squares(predictions(guess, data), data.targets)
    assert 0.06 < error**2 < 0.11


def test_moved_trajectories_are_trajectories():
    """What is simulated from moved particles is where moved particles get."""
    data = nbody.trajectories(3, 8, seen=0, ahead=7)
    moved = nbody.moved(data, torch.Generator().manual_seed(0))
    for place in range(3):
        after, _ = by_hand(*(x[place] for x in moved.inputs), 7)
        assert_close(after - moved.inputs[0][place], moved.targets[0][place], atol=1e-5, rtol=1e-3)
    assert (moved.inputs[0] - data.inputs[0]).abs().max() > 0.1


def test_pairs_are_those_of_one_trajectory():
    edges = nbody.edges(3)
    assert edges.shape == (2, 3 * 20)
    assert (edges[0] != edges[1]).all()
    assert torch.equal(edges[0] // 5, edges[1] // 5)
    assert len(set(zip(*edges.tolist(), strict=True))) == 60


# --- the networks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("d", [2, 3])
def test_networks_of_particles_turn_with_them_or_not(d):
    contenders = nbody.contenders(d)
    assert len(matched(contenders)) == 5
    data = nbody.trajectories(d, 6, seen=0, ahead=7)
    for contender in contenders:
        torch.manual_seed(0)
        model = contender.build().double()
        inputs = tuple(x.double() for x in data.inputs)
        with torch.no_grad():
            meant = nbody.moved(Data(inputs, (model(*inputs),)), torch.Generator().manual_seed(1))
            far = meant.inputs[0] + 3, *meant.inputs[1:]
            change = (model(*far) - meant.targets[0]).abs().max().item()
        assert (change < 1e-5) == contender.equivariant, contender.name


@pytest.fixture(scope="module")
def planar(tmp_path_factory):
    """Particles in the plane, in short form."""
    folder = tmp_path_factory.mktemp("docs") / "training"
    return main("short", partial(nbody.comparison, 2), nbody.checks, ["--short", "--out", str(folder)]), folder


def test_particles_in_short_form(planar, capsys):
    report, folder = planar
    capsys.readouterr()
    (ours,) = (run for run in report.runs if run.contender == "messages of O(2)")
    assert ours.loss[1] < 0.7 * ours.loss[0]
    assert ours.errors["others"][0] < 0.7
    squares = {name: value for name, value in report.checks.items() if name.startswith("mean square")}
    assert len(squares) == 7
    raw = report.raw["others"][0]
    assert squares["mean square of errors, median, always the average"] == pytest.approx(raw**2)
    assert squares["mean square of errors, median, messages of O(2)"] == pytest.approx(
        (ours.errors["others"][0] * raw) ** 2
    )
    assert (folder / "nbody_2.svg").exists()


def test_molecules_are_read_without_their_padding():
    """Messages turn and relabel with the atoms; no molecule changes what is said of another, nor does padding."""
    data = train_molecules.molecules().take(slice(6))
    for build in (train_molecules.Messages, partial(train_molecules.Messages, places=True)):
        torch.manual_seed(0)
        model = build(8)
        with torch.no_grad():
            energy, dipole = model(*data.inputs)
            assert energy.shape == (6, 1)
            assert dipole.shape == (6, 3, 1)
            meant = train_molecules.moved(Data(data.inputs, (energy, dipole)), torch.Generator().manual_seed(0))
            assert_close(model(*meant.inputs), meant.targets, atol=1e-4, rtol=1e-4)
            alone = model(*(x[2:3] for x in data.inputs))
            assert_close(alone, (energy[2:3], dipole[2:3]), atol=1e-4, rtol=1e-4)


def test_places_in_the_periodic_table():
    """The atomic number is the last noble gas's and the column, left out what lies between."""
    from ase.data import atomic_numbers

    for symbol, (row, column) in train_molecules.PERIODIC.items():
        assert atomic_numbers[symbol] == (0, 2, 10)[row - 1] + column
    assert train_molecules.PLACES[list(train_molecules.ELEMENTS).index("C")].tolist() == [0, 0]
    assert train_molecules.PLACES[list(train_molecules.ELEMENTS).index("Cl")].tolist() == [1, 1.5]


# --- the page ---------------------------------------------------------------------------------------------


def test_guide_and_page_name_the_script():
    for name in ("guide/examples.md", "training.md"):
        assert "python examples/train_nbody.py" in (ROOT / "docs" / name).read_text(encoding="utf-8")
    usage = "usage: python examples/train_nbody.py [--short] [--seeds N] [--out FOLDER] [--force]\n"
    assert usage in (ROOT / "examples" / "train_nbody.py").read_text(encoding="utf-8")


def medians(name, test, output=0):
    """The median error of each contender in a committed report, in the unit of the data."""
    report = json.loads((ROOT / "docs" / "training" / f"{name}.json").read_text(encoding="utf-8"))
    size, raw = report["budget"]["sizes"][-1], report["raw"][test][output]
    found = {}
    for run in report["runs"]:
        if run["examples"] == size and run["errors"][test][output] is not None:
            found.setdefault(run["contender"], []).append(run["errors"][test][output] * raw)
    return {contender: median(values) for contender, values in found.items()}


def test_what_the_page_says_of_particles():
    """Mean squares in thousandths, and that messages err least, in each dimension."""
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    page = page.partition("Mean squares, in thousandths")[2].partition("| published")[0]
    rows = {line.split(" | ")[0][2:]: line.split(" | ")[1:] for line in page.splitlines() if line.startswith("| ")}
    for place, d in enumerate((3, 2, 5)):
        squares = {name: value**2 * 1000 for name, value in medians(f"nbody_{d}", "others").items()}
        assert min(squares, key=squares.get) == f"messages of O({d})"
        for name, square in squares.items():
            shown = float(rows[name.removesuffix(f" of O({d})")][place].split()[0])
            assert shown == pytest.approx(square, rel=0.02, abs=0.005)


def test_what_the_page_says_of_messages_in_molecules():
    energies = medians("molecules_messages", "as listed")
    told, plain = energies["messages of O(3), periodic table"], energies["messages of O(3)"]
    assert told < energies["numbers of atoms, linear"] / 1.5
    assert told == pytest.approx(energies["S(n), turned"], rel=0.1)  # as much: ranges overlap
    assert plain > energies["S(n), turned"]
    dipoles = medians("molecules_messages", "as listed", 1)
    others = dipoles["S(n), turned"], medians("molecules", "as listed", 1)["S(n) x O(3)"]
    assert dipoles["messages of O(3), periodic table"] < min(others) / 2
