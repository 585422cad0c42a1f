"""Networks compared by training: what the scripts train_*.py share, not an example itself.

A script makes a `Task` (data and what is predicted), a list of `Contender`s and `Baseline`s, and a `Budget`, and hands
them to `compare`. `main` does so from the command line and writes what was found:

    docs/training/NAME.json    every run, with the machine and the versions
    docs/training/NAME.svg     learning curves: error against number of training examples, and against steps
    docs/training.md           a table, between two markers that name the task

What is held equal: parameters within 5 percent, steps, batch size, Adam with a cosine schedule, the grid of learning
rates (each contender takes the one with the lowest validation loss), the training examples of each seed, and when to
stop: a run's result is its state at the check with the lowest validation loss. Errors are shares of the error of
always answering the average of the training examples: 1 is no better than that, 0 is perfect. A number is the median
over seeds, with the range.
"""

from __future__ import annotations

import argparse
import copy
import io
import json
import math
import platform
import re
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import eqsynth as eq
from eqsynth.store import files

_PAGES = Path(__file__).resolve().parents[1] / "docs" / "training"
#: Where results go: to the pages of the repository, or below the working directory where this file is a copy.
FOLDER = _PAGES if _PAGES.is_dir() else Path("training")
Tensors = tuple[Tensor, ...]
#: From the inputs of a batch to its outputs: a tensor, or one for each output; None for what is not predicted.
Predictor = Callable[..., Any]
#: How far numbers of parameters may be apart, as a share of the smallest.
TOLERANCE = 0.05
#: From this share of the error of the average on, nothing was learnt.
NOTHING_LEARNT = 0.95
CHUNK, ENTRIES = 512, 2**21  # how many examples, and entries of their inputs, are evaluated at once


@dataclass(frozen=True, slots=True)
class Data:
    """Tensors whose first axis is the examples. Targets that are NaN (padding) count nowhere."""

    inputs: Tensors
    targets: Tensors

    def __post_init__(self) -> None:
        lengths = {len(tensor) for tensor in (*self.inputs, *self.targets)}
        if len(lengths) != 1:
            raise ValueError(f"inputs and targets have {sorted(lengths)} examples")

    def __len__(self) -> int:
        return len(self.inputs[0])

    def take(self, index: Tensor | slice) -> Data:
        """Some of the examples."""
        return Data(tuple(x[index] for x in self.inputs), tuple(y[index] for y in self.targets))


Augment = Callable[[Data, torch.Generator], Data]


@dataclass(frozen=True, slots=True)
class Contender:
    """``build`` makes the module after torch has been seeded; ``augment`` moves each training batch at random."""

    name: str
    build: Callable[[], nn.Module]
    equivariant: bool = False
    augment: Augment | None = None


@dataclass(frozen=True, slots=True)
class Baseline:
    """Something without gradient descent: ``fit`` takes training examples and returns a function of the inputs."""

    name: str
    fit: Callable[[Data], Predictor]


def root_mean_squares(outputs: Sequence[Tensor | None], targets: Tensors) -> list[float | None]:
    """The error of each output, where there is a target."""
    return [None if y is None else _squares(y, t).mean().sqrt().item() for y, t in zip(outputs, targets, strict=True)]


def average(data: Data) -> Predictor:
    """Always the average target, entry by entry; the average of all entries where an entry never had a target."""
    constants = []
    for target in data.targets:
        mean = target.nanmean(0)
        constants.append(torch.where(mean.isnan(), target.nanmean(), mean))
    return lambda *inputs: tuple(c.expand(len(inputs[0]), *c.shape) for c in constants)


@dataclass(frozen=True, slots=True)
class Task:
    """What is predicted from what. ``outputs`` names each target, ``tests`` each set of test examples.

    ``loss`` takes outputs and targets; None: mean squares, each over the spread of its target, added up. ``errors``
    gives a number for each output, ``average`` the predictor that has error 1, which is called ``guess``. ``alike``
    gives the size of each example, where batches of similar sizes are faster. ``along``: where tests are named by a
    number, as "n = 50", the letter, against which errors are drawn.
    """

    name: str
    title: str
    outputs: tuple[str, ...]
    train: Data
    valid: Data
    tests: Mapping[str, Data]
    loss: Callable[[Tensors, Tensors], Tensor] | None = None
    errors: Callable[[Sequence[Tensor | None], Tensors], Sequence[float | None]] = root_mean_squares
    average: Callable[[Data], Predictor] = average
    alike: Callable[[Data], Tensor] | None = None
    guess: str = "always the average"
    along: str | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """The same for every contender. ``sizes``: numbers of training examples, the largest last."""

    sizes: tuple[int, ...]
    steps: int = 1000
    batch: int = 32
    rates: tuple[float, ...] = (1e-3, 3e-3, 1e-2)
    seeds: int = 3
    checks: int = 10


@dataclass(frozen=True, slots=True)
class Run:
    """One contender trained once. ``course``: for each test set its error, mean over outputs, at each of ``steps``.

    ``errors``: for each test set the error of each output, at the check with the lowest validation loss. ``loss``: of
    training, at the first and at the last step.
    """

    contender: str
    seed: int
    examples: int
    rate: float | None
    errors: dict[str, list[float | None]]
    steps: list[int] = field(default_factory=list)
    course: dict[str, list[float]] = field(default_factory=dict)
    loss: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """``parameters`` and ``rates`` by contender; ``raw``: errors of the average; ``checks``: what the script adds."""

    task: str
    title: str
    outputs: tuple[str, ...]
    tests: dict[str, int]
    budget: Budget
    parameters: dict[str, int]
    rates: dict[str, float]
    augmented: tuple[str, ...]
    equivariant: tuple[str, ...]
    raw: dict[str, list[float | None]]
    runs: list[Run]
    machine: dict[str, str]
    checks: dict[str, float] = field(default_factory=dict)
    guess: str = "always the average"
    along: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A report, and for each contender the module that was trained with the first seed on all examples."""

    report: Report
    models: dict[str, nn.Module]


# --- parameters -------------------------------------------------------------------------------------------


def parameters(module: nn.Module) -> int:
    """Number of weights."""
    return sum(parameter.numel() for parameter in module.parameters())


def width_for(build: Callable[[int], nn.Module], count: int, most: int = 4096) -> int:
    """The width at which ``build(width)`` has nearest to ``count`` parameters, which grow with it.

    >>> width_for(lambda width: nn.Linear(width, 2, bias=False), 100)
    50
    """
    held = cache(lambda width: parameters(build(width)))
    low, high = 1, 2
    while high < most and held(high) < count:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if held(middle) < count else (low, middle)
    return min((low, high), key=lambda width: abs(held(width) - count))


def matched(contenders: Sequence[Contender]) -> dict[str, int]:
    """Parameters of each contender; ValueError where they are more than 5 percent apart."""
    counts = {contender.name: parameters(contender.build()) for contender in contenders}
    if len(counts) != len(contenders):
        raise ValueError(f"two contenders have one name: {[contender.name for contender in contenders]}")
    if max(counts.values()) > (1 + TOLERANCE) * min(counts.values()):
        raise ValueError(f"contenders of equal size were meant, but they have {counts} parameters: see width_for")
    return counts


# --- training ---------------------------------------------------------------------------------------------


def _squares(output: Tensor, target: Tensor) -> Tensor:
    if output.shape != target.shape:
        raise ValueError(f"an output has shape {tuple(output.shape)}, its target {tuple(target.shape)}")
    present = ~target.isnan()
    return (output[present] - target[present]).square()


def _listed(outputs: Any) -> tuple[Any, ...]:
    return tuple(outputs) if isinstance(outputs, tuple | list) else (outputs,)


@torch.no_grad()
def predictions(model: Predictor, data: Data) -> tuple[Any, ...]:
    """Outputs for all examples."""
    entries = sum(x.numel() for x in data.inputs) // len(data)
    chunk = max(1, min(CHUNK, ENTRIES // max(1, entries)))
    pieces = [_listed(model(*data.take(slice(i, i + chunk)).inputs)) for i in range(0, len(data), chunk)]
    return tuple(None if parts[0] is None else torch.cat(parts) for parts in zip(*pieces, strict=True))


@dataclass(frozen=True, slots=True)
class _Judge:
    """The loss of a task, and its errors as shares of those of the average."""

    task: Task
    spreads: tuple[float, ...]
    raw: dict[str, list[float | None]]

    @classmethod
    def of(cls, task: Task) -> _Judge:
        guess = task.average(task.train)
        spreads: tuple[float, ...] = ()
        if task.loss is None:
            constants = predictions(guess, task.train)
            spreads = tuple(
                _squares(y, t).mean().item() or 1.0 for y, t in zip(constants, task.train.targets, strict=True)
            )
        raw = {name: list(task.errors(predictions(guess, data), data.targets)) for name, data in task.tests.items()}
        return cls(task, spreads, raw)

    def loss(self, outputs: Any, targets: Tensors) -> Tensor:
        listed = _listed(outputs)
        if self.task.loss is not None:
            return self.task.loss(listed, targets)
        terms = [_squares(y, t).mean() / s for y, t, s in zip(listed, targets, self.spreads, strict=True)]
        return torch.stack(terms).sum()

    def errors(self, model: Predictor) -> dict[str, list[float | None]]:
        found: dict[str, list[float | None]] = {}
        for name, data in self.task.tests.items():
            values = self.task.errors(predictions(model, data), data.targets)
            found[name] = [_share(value, by) for value, by in zip(values, self.raw[name], strict=True)]
        return found

    def valid(self, model: Predictor) -> float:
        value = self.loss(predictions(model, self.task.valid), self.task.valid.targets).item()
        return value if math.isfinite(value) else math.inf


def _share(value: float | None, by: float | None) -> float | None:
    return None if value is None or not by else value / by


def _mean(values: Sequence[float | None]) -> float:
    there = [value for value in values if value is not None]
    return sum(there) / len(there)


def _checks(budget: Budget) -> set[int]:
    return {max(1, round(budget.steps * (i + 1) / budget.checks)) for i in range(budget.checks)}


def subset(data: Data, size: int, seed: int) -> Data:
    """The training examples of a seed: a smaller size is part of a larger one."""
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
    return data.take(order[:size])


def _drawn(task: Task, data: Data, count: int, generator: torch.Generator) -> Tensor:
    """Examples at random; of similar sizes: neighbours in random order sorted by size, from a random place on."""
    order = torch.randperm(len(data), generator=generator)
    if task.alike is None:
        return order[:count]
    start = int(torch.randint(len(data), (), generator=generator))
    order = order[task.alike(data)[order].argsort(stable=True)]
    return order.roll(-start)[:count]


def train(
    task: Task, contender: Contender, budget: Budget, rate: float, seed: int, size: int
) -> tuple[Run, nn.Module, float]:
    """One training; returns the run, the module at its best check, and the validation loss there."""
    return _train(_Judge.of(task), contender, budget, rate, seed, size)


def _train(
    judge: _Judge, contender: Contender, budget: Budget, rate: float, seed: int, size: int
) -> tuple[Run, nn.Module, float]:
    torch.manual_seed(seed)
    model = contender.build()
    data, generator = subset(judge.task.train, size, seed), torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, budget.steps)
    run = Run(contender.name, seed, size, rate, {}, [0], {})
    best, state, errors = math.inf, copy.deepcopy(model.state_dict()), judge.errors(model.eval())
    for name, values in errors.items():
        run.course[name] = [_mean(values)]
    at_checks, first, last = _checks(budget), math.nan, math.nan
    for step in range(1, budget.steps + 1):
        batch = data.take(_drawn(judge.task, data, budget.batch, generator))
        if contender.augment is not None:
            batch = contender.augment(batch, generator)
        optimizer.zero_grad()
        loss = judge.loss(model.train()(*batch.inputs), batch.targets)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1)
        optimizer.step()
        schedule.step()
        last = loss.item()
        first = last if step == 1 else first
        if step in at_checks:
            valid, now = judge.valid(model.eval()), judge.errors(model)
            run.steps.append(step)
            for name, values in now.items():
                run.course[name].append(_mean(values))
            if valid < best:
                best, state, errors = valid, copy.deepcopy(model.state_dict()), now
    model.load_state_dict(state)
    return replace(run, errors=errors, loss=(first, last)), model.eval(), best


def compare(
    task: Task,
    contenders: Sequence[Contender],
    budget: Budget,
    baselines: Sequence[Baseline] = (),
    say: Callable[[str], None] = print,
) -> Found:
    """Train every contender on every number of examples with every seed, and fit the baselines to the same examples.

    The learning rate of a contender is chosen on all examples, with a seed that no run uses. Raises ValueError where
    numbers of parameters are not equal, or where there are fewer training examples than asked for.
    """
    if max(budget.sizes) > len(task.train):
        raise ValueError(f"{max(budget.sizes)} training examples were asked for, there are {len(task.train)}")
    counts, judge = matched(contenders), _Judge.of(task)
    rates: dict[str, float] = {}
    runs: list[Run] = []
    models: dict[str, nn.Module] = {}
    for baseline in (Baseline(task.guess, task.average), *baselines):
        for seed, size in _each_run(budget):
            predictor = baseline.fit(subset(task.train, size, seed))
            runs.append(Run(baseline.name, seed, size, None, judge.errors(predictor)))
    for contender in contenders:
        rate = budget.rates[0]
        if len(budget.rates) > 1:
            trials = [_train(judge, contender, budget, r, budget.seeds, budget.sizes[-1])[2] for r in budget.rates]
            rate = budget.rates[trials.index(min(trials))]
        rates[contender.name] = rate
        for seed, size in _each_run(budget):
            run, model, _ = _train(judge, contender, budget, rate, seed, size)
            runs.append(run)
            if seed == 0 and size == budget.sizes[-1]:
                models[contender.name] = model.eval()
        shown = [
            _text(runs, contender.name, budget.sizes[-1], name, i) for name, i in _columns(task.tests, task.outputs)
        ]
        say(f"   {contender.name}: {counts[contender.name]:,} parameters, learning rate {rate:g}: {'  '.join(shown)}")
    report = Report(
        task.name, task.title, task.outputs, {name: len(data) for name, data in task.tests.items()}, budget, counts,
        rates, tuple(c.name for c in contenders if c.augment), tuple(c.name for c in contenders if c.equivariant),
        judge.raw, runs, machine(), guess=task.guess, along=task.along,
    )  # fmt: skip
    return Found(report, models)


def _each_run(budget: Budget) -> Iterator[tuple[int, int]]:
    return ((seed, size) for size in budget.sizes for seed in range(budget.seeds))


def machine() -> dict[str, str]:
    """What ran it."""
    return {
        "machine": platform.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "eqsynth": eq.__version__,
        "threads": str(torch.get_num_threads()),
    }


# --- what was found ---------------------------------------------------------------------------------------


def _columns(tests: Mapping[str, Any], outputs: Sequence[str]) -> list[tuple[str, int]]:
    return [(name, i) for name in tests for i in range(len(outputs))]


def errors(runs: Sequence[Run], contender: str, size: int, test: str, output: int) -> list[float]:
    """Errors of one output over the seeds, in order; empty where it is not predicted."""
    found = [run.errors[test][output] for run in runs if (run.contender, run.examples) == (contender, size)]
    return sorted(value if math.isfinite(value) else math.inf for value in found if value is not None)


def _text(runs: Sequence[Run], contender: str, size: int, test: str, output: int) -> str:
    found = errors(runs, contender, size, test, output)
    if not found:
        return "-"
    if _number(found[0]) == _number(found[-1]):
        return _number(found[0])
    return f"{_number(statistics.median(found))} ({_number(found[0])} to {_number(found[-1])})"


def _number(value: float) -> str:
    return "diverged" if math.isinf(value) else f"{value:.3g}" if value < 10 else f"{value:.0f}"


def learns_nothing(report: Report, contender: str) -> list[str]:
    """The outputs, on the first test set, that a contender predicts no better than the average does."""
    test, size = next(iter(report.tests)), report.budget.sizes[-1]
    found = [(name, errors(report.runs, contender, size, test, i)) for i, name in enumerate(report.outputs)]
    return [name for name, values in found if values and statistics.median(values) > NOTHING_LEARNT]


def _by(report: Report | Task) -> str:
    """Whose error is 1."""
    return report.guess.removeprefix("always ")


def table(report: Report) -> list[str]:
    """A Markdown table: a row for each contender, at the largest number of training examples."""
    columns, size = _columns(report.tests, report.outputs), report.budget.sizes[-1]
    heads = [f"{report.outputs[i]}{f', {test}' if len(report.tests) > 1 else ''}" for test, i in columns]
    lines = [f"| | parameters | rate | {' | '.join(heads)} |", f"| --- |{' ---: |' * (len(heads) + 2)}"]
    for name in dict.fromkeys(run.contender for run in report.runs):
        count, rate = report.parameters.get(name), report.rates.get(name)
        cells = [_text(report.runs, name, size, test, i) for test, i in columns]
        shown = [f"{count:,}" if count else "", f"{rate:g}" if rate else "", *cells]
        lines.append(f"| {name} | {' | '.join(shown)} |")
    lines.append("")
    for name in report.parameters:
        hopeless = learns_nothing(report, name)
        if hopeless:
            lines.append(f"No better than {_by(report)}: {name}, for {', '.join(hopeless)}.")
    raw = [f"{report.outputs[i]} {report.raw[test][i]:.3g} ({test})" for test, i in columns if report.raw[test][i]]
    budget = report.budget
    lines += [
        f"{size} training examples, {', '.join(f'{n:,} to test ({name})' for name, n in report.tests.items())}; "
        f"{budget.steps:,} steps of {min(budget.batch, size)}, {budget.seeds} seeds. "
        f"The error of {_by(report)}, which is 1 in the table: {'; '.join(raw)}.",
        *(f"{name[0].upper()}{name[1:]}: {value:.1e}." for name, value in report.checks.items()),
    ]
    return lines


def write(report: Report, folder: Path) -> None:
    """NAME.json and NAME.svg in the folder, and the table in the page beside it, FOLDER.md."""
    text = json.dumps(_finite(asdict(report)), indent=1)
    text = re.sub(r"\[\s+[^\[\]{}]*?\s+\]", lambda found: re.sub(r"\s+", " ", found[0]), text)
    files.write(folder / f"{report.task}.json", f"{text}\n".encode())
    draw(report, folder / f"{report.task}.svg")
    page = folder.with_suffix(".md")
    begin, end = f"<!-- {report.task}: written by the script -->", f"<!-- {report.task}: end -->"
    block = "\n".join([begin, f"![{report.title}]({folder.name}/{report.task}.svg)", "", *table(report), end])
    old = page.read_text(encoding="utf-8") if page.exists() else f"# {folder.name.capitalize()}\n"
    if begin not in old:
        old = f"{old}\n## {report.title}\n\n{begin}\n{end}\n"
    before, _, rest = old.partition(begin)
    files.write(page, (before + block + rest.partition(end)[2]).encode())


def _finite(value: Any) -> Any:
    """Rounded to what is meant, and without infinities, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


#: Okabe and Ito's colours, distinct without colour vision, too.
COLOURS = ("#000000", "#0072B2", "#009E73", "#CC79A7", "#56B4E9")
OTHERS = ("#D55E00", "#E69F00", "#999999", "#F0E442")


def draw(report: Report, path: Path) -> None:
    """The learning curves, the same bytes for the same report: a row for each test set. Needs matplotlib."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    looks = _looks(report)
    rows, columns = (1, len(report.outputs)) if report.along else (len(report.tests), len(report.outputs) + 1)
    # Without a salt and a date of its own an SVG differs from run to run.
    with mpl.rc_context({"svg.hashsalt": "eqsynth", "font.size": 9}):
        figure = Figure(figsize=(3.3 * columns, 0.6 + 2.7 * rows), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False)
        if report.along:
            for i, axes in enumerate(grid[0]):
                _draw_along(axes, report, looks, i)
                axes.set_title(report.outputs[i], fontsize=9)
        else:
            for test, line in zip(report.tests, grid, strict=True):
                for i, axes in enumerate(line[:-1]):
                    _draw_examples(axes, report, looks, test, i)
                    axes.set_title(report.outputs[i] + (f", {test}" if rows > 1 else ""), fontsize=9)
                _draw_steps(line[-1], report, looks, test)
                line[-1].set_title("mean of all" + (f", {test}" if rows > 1 else ""), fontsize=9)
        for line in grid:
            line[0].set_ylabel(f"error / error of {_by(report)}")
        for axes in grid.flat:
            axes.axhline(1, color="#999999", linewidth=0.8, linestyle=":")
            axes.set_yscale("log")
            axes.grid(color="#DDDDDD", linewidth=0.5)
            axes.set_axisbelow(True)
            _ticks(axes.yaxis)
        handles: dict[str, Any] = {}
        for axes in grid.flat:
            handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True)) | handles
        _legend(figure, handles)
        picture = io.BytesIO()
        figure.savefig(picture, format="svg", metadata={"Date": None})
    files.write(path, picture.getvalue())


def _legend(figure: Any, handles: dict[str, Any]) -> Any:
    """A legend below, in as many columns as the figure is wide enough for, up to four."""
    for columns in range(min(4, len(handles)), 0, -1):
        legend = figure.legend(
            handles.values(), handles.keys(), loc="outside lower center", ncols=columns, frameon=False
        )
        figure.draw_without_rendering()
        if columns == 1 or legend.get_window_extent().width <= figure.bbox.width:
            return legend
        legend.remove()
    return None


def _looks(report: Report) -> dict[str, dict[str, Any]]:
    """Full lines for equivariant contenders, dashes for others, dots for what is fitted without training."""
    looks: dict[str, dict[str, Any]] = {}
    ours, others = iter(COLOURS * 9), iter(OTHERS * 9)
    for name in dict.fromkeys(run.contender for run in report.runs):
        if name in report.equivariant:
            looks[name] = {"color": next(ours), "marker": "o", "linestyle": "-"}
        elif name in report.parameters:
            looks[name] = {"color": next(others), "marker": "s", "linestyle": "--"}
        elif name != report.guess:
            looks[name] = {"color": next(others), "marker": "^", "linestyle": ":"}
    return looks


def _draw_examples(axes: Any, report: Report, looks: dict[str, dict[str, Any]], test: str, output: int) -> None:
    sizes = report.budget.sizes
    for name, look in looks.items():
        _draw_line(axes, name, look, sizes, [errors(report.runs, name, size, test, output) for size in sizes])
    _scale_along(axes, sizes)
    axes.set_xlabel("training examples")


def _draw_along(axes: Any, report: Report, looks: dict[str, dict[str, Any]], output: int) -> None:
    places = [float(test.rpartition(" ")[2]) for test in report.tests]
    for name, look in looks.items():
        lists = [errors(report.runs, name, report.budget.sizes[-1], test, output) for test in report.tests]
        _draw_line(axes, name, look, places, lists)
    _scale_along(axes, places)
    axes.set_xlabel(f"{report.along} in the test")


def _draw_line(axes: Any, name: str, look: dict[str, Any], places: Sequence[float], lists: list[list[float]]) -> None:
    """Medians of finite errors, and their ranges as shades."""
    pairs = [
        (place, values) for place, values in zip(places, lists, strict=True) if values and math.isfinite(values[-1])
    ]
    if pairs:
        at, found = [place for place, _ in pairs], [values for _, values in pairs]
        axes.plot(at, [statistics.median(values) for values in found], label=name, markersize=4, **look)
        low, high = [values[0] for values in found], [values[-1] for values in found]
        axes.fill_between(at, low, high, color=look["color"], alpha=0.15, linewidth=0)


def _scale_along(axes: Any, places: Sequence[float]) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(list(places)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())


def _draw_steps(axes: Any, report: Report, looks: dict[str, dict[str, Any]], test: str) -> None:
    for name, look in looks.items():
        runs = [r for r in report.runs if (r.contender, r.examples) == (name, report.budget.sizes[-1]) and r.course]
        if runs:
            lists = list(zip(*(run.course[test] for run in runs), strict=True))
            style = {**look, "marker": ""}
            axes.plot(runs[0].steps, [statistics.median(values) for values in lists], label=name, **style)
            low, high = [min(values) for values in lists], [max(values) for values in lists]
            axes.fill_between(runs[0].steps, low, high, color=look["color"], alpha=0.15, linewidth=0)
    axes.set_xlabel(f"steps, {report.budget.sizes[-1]} examples")


def _ticks(axis: Any) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 1e4 * low else (1,)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


# --- the command line -------------------------------------------------------------------------------------


def options(description: str, arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """--short, --seeds, --out and --force; ``out`` is None where nothing is to be written."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--short", action="store_true", help="seconds of training: does everything run?")
    parser.add_argument("--seeds", type=int, help="how many (default: 3, with --short 1)")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="where to write (default: docs/training, for a copy of this file ./training; with --short nowhere)",
    )
    parser.add_argument("--force", action="store_true", help="replace the results that are there")
    found = parser.parse_args(arguments)
    found.out = found.out or (None if found.short else FOLDER)
    return found


def main(
    description: str,
    task: Callable[[bool], tuple[Task, Sequence[Contender], Sequence[Baseline], Budget]],
    checks: Callable[[Found], dict[str, float]] = lambda found: {},
    arguments: Sequence[str] | None = None,
) -> Report:
    """Compare, print the table, and write. ``task`` is told whether it is short; ``checks`` looks at the models."""
    chosen = options(description, arguments)
    torch.set_num_threads(1)  # these tensors are small
    made, contenders, baselines, budget = task(chosen.short)
    there = [path for kind in ("json", "svg") if chosen.out and (path := chosen.out / f"{made.name}.{kind}").exists()]
    if there and not chosen.force:
        sys.exit(f"{there[0]} is there already: replace it with --force, or write elsewhere with --out")
    budget = replace(budget, seeds=chosen.seeds or (1 if chosen.short else budget.seeds))
    print(f"{made.title}: {len(made.train)} training examples, {len(made.valid)} to choose by, ", end="")
    print(", ".join(f"{len(data)} to test ({name})" for name, data in made.tests.items()))
    print(f"errors as shares of the error of {_by(made)}:", flush=True)
    found = compare(made, contenders, budget, baselines, lambda line: print(line, flush=True))
    report = replace(found.report, checks=checks(found))
    print("", *table(report), sep="\n")
    if chosen.out:
        write(report, chosen.out)
        print(f"\nwrote {chosen.out / report.task}.json, .svg and {chosen.out.with_suffix('.md')}")
    return report


if __name__ == "__main__":
    sys.exit("this module is what train_*.py share: run one of those")
