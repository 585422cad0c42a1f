"""Time layers against the limit of the machine and against other ways to compute the same map."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("KINETO_LOG_LEVEL", "5")  # the profiler that measures memory talks on stderr

import torch
from torch import Tensor, nn

import eqsynth as eq
from benchmarks.contenders import MAX_DENSE, WRITTEN, Dense, dense_entries, limit, multiply_adds
from benchmarks.measuring import fit_costs, interleaved, operator_calls, peak_bytes, ratio, slope
from benchmarks.onebyone import OneByOne

#: Forward and backward over forward, compiled over eager, extra memory over input and output, and ours over
#: written by hand at small shapes: at most these.
MAX_BOTH, MAX_COMPILED, MAX_MEMORY, MAX_SMALL = 4.0, 1.0, 3.0, 2.0
#: What is lost in noise is no miss: compiled and eager code often take the same time.
NOISE = 1.05


@dataclass(frozen=True, slots=True)
class Case:
    """A layer with as many channels in as out. Targets: ours / limit at most, one by one and dense / ours at least."""

    group: str
    inputs: int
    outputs: int
    channels: int
    n: int
    batch: int
    limit: float
    one: float | None
    dense: float | None

    def __str__(self) -> str:
        return (
            f"{self.group} {self.inputs} -> {self.outputs}, n = {self.n}, batch {self.batch}, {self.channels} channels"
        )


CASES = (
    Case("S(n)", 2, 2, 64, 64, 8, 1.6, 2, None),
    Case("S(n)", 2, 2, 16, 64, 8, 2.5, 2, None),
    Case("S(n)", 2, 2, 16, 32, 8, 2.5, 2, 20),
    Case("S(n)", 3, 3, 64, 16, 4, 1.6, 5, 20),
    Case("O(3)", 3, 3, 64, 3, 64, 2, 3, 5),
    Case("SO(3)", 2, 3, 64, 3, 64, 2.5, 3, 1),
    Case("Sp(4)", 3, 3, 64, 4, 64, 2.5, 3, 1),
    Case("A(5)", 2, 2, 64, 5, 64, 2.5, 3, 1),
    Case("Aut(karate)", 1, 1, 16, 34, 64, 3, None, 5),
    Case("Aut(karate)", 2, 1, 16, 34, 64, 3, None, 5),
)
#: Orders and sizes over which the growth of the time is measured, at 16 channels and batch 1.
GROWTH = (
    (1, 1, (4096, 8192, 16384, 32768)),
    (2, 2, (64, 96, 128, 192)),
    (2, 1, (128, 192, 256, 384)),
    (1, 2, (128, 192, 256, 384)),
    (3, 3, (16, 20, 24, 32)),
)
#: Sizes that take no time, for tests and a first look.
QUICK_CASES = (
    Case("S(n)", 2, 2, 4, 5, 2, 1.6, 2, 20),
    Case("SO(3)", 2, 3, 4, 3, 2, 2.5, 3, 1),
    Case("Aut(cycle4)", 1, 1, 4, 4, 2, 3, None, 5),
)
QUICK_GROWTH = ((1, 1, (16, 64)), (2, 2, (4, 8)))
#: Names of the contenders in the order of the table.
NAMES = {
    "limit": "limit",
    "ours": "ours",
    "compiled": "compiled",
    "one": "one by one",
    "dense": "dense",
    "prebuilt": "dense, prebuilt",
    "e3nn": "e3nn",
    "emlp": "EMLP",
}


@dataclass(frozen=True, slots=True)
class Options:
    """What ``python scripts/bench.py`` was asked for."""

    repeat: int = 9
    compiled: bool = True
    peers: bool = True
    quick: bool = False
    cases: str = ""


def forward(call: Callable[[Tensor], object], x: Tensor) -> Callable[[], object]:
    """A run of the forward pass without gradients."""

    def run() -> object:
        with torch.no_grad():
            return call(x)

    return run


def both(module: nn.Module, x: Tensor) -> Callable[[], object]:
    """A run of the forward and the backward pass, gradients of input and weights."""
    leaf = x.clone().requires_grad_()
    cotangent = torch.randn_like(module(leaf))

    def run() -> None:
        module.zero_grad()
        leaf.grad = None
        module(leaf).backward(cotangent)

    return run


def contenders(
    layer: eq.Linear, case: Case, x: Tensor, peers: bool = True
) -> tuple[dict[str, tuple[nn.Module, Tensor]], dict[str, str]]:
    """Everything that computes the layer's map, with its input, and notes on what is missing or special.

    Raises AssertionError where outputs differ from the layer's.
    """
    found: dict[str, tuple[nn.Module, Tensor]] = {"ours": (layer, x)}
    notes: dict[str, str] = {}
    sizes = (case.n,)
    y = layer(x).detach()

    def agrees(module: nn.Module) -> nn.Module:
        with torch.no_grad():
            torch.testing.assert_close(module(x).reshape(y.shape), y, rtol=1e-3, atol=1e-3)
        return module

    if layer.hom.group.diagrammatic:
        found["one"] = agrees(OneByOne(layer, sizes)), x
    if dense_entries(layer, sizes) <= MAX_DENSE:
        dense = Dense(layer, sizes)
        found["dense"] = agrees(dense), x
        if dense.basis.layout != torch.strided:
            notes["dense"] = "the basis is a sparse matrix, times the weights"
    else:
        notes["dense"] = f"a matrix of {dense_entries(layer, sizes) * 4 / 1e9:,.0f} GB does not fit"
    if peers:
        found |= _peers(layer, case, x, notes)
    return found, notes


def _peers(layer: eq.Linear, case: Case, x: Tensor, notes: dict[str, str]) -> dict[str, tuple[nn.Module, Tensor]]:
    from benchmarks.peers import MAX_UNKNOWNS, E3nn, emlp_basis

    found: dict[str, tuple[nn.Module, Tensor]] = {}
    if case.group in ("O(3)", "SO(3)"):
        try:
            found["e3nn"] = E3nn(layer), x.movedim(-1, 1).reshape(len(x), case.channels, -1).contiguous()
        except Exception as error:  # noqa: BLE001 - a peer that cannot run is reported, whatever the reason
            notes["e3nn"] = _why(error)
    if layer.hom.group.diagrammatic and not layer.hom.group.symbolic and case.n ** (case.inputs + case.outputs) <= MAX_UNKNOWNS:
        try:
            basis, took = emlp_basis(layer)
            found["emlp"] = Dense(layer, (case.n,), basis), x
            notes["emlp"] = f"basis found in {took:.1f} s"
        except Exception as error:  # noqa: BLE001
            notes["emlp"] = _why(error)
    return found


def _why(error: Exception) -> str:
    text = str(error).splitlines()[0] if str(error) else ""
    return f"cannot run: {type(error).__name__}: {text}"


def measure(case: Case, options: Options) -> dict[str, Any]:
    """Times, memory and ratios of one case; all contenders have been checked to compute the same map."""
    layer = eq.Linear(case.group, f"{case.channels}x{case.inputs}", f"{case.channels}x{case.outputs}", bias=False)
    x = torch.randn(case.batch, *[case.n] * case.inputs, case.channels)
    y = layer(x).detach()
    found, notes = contenders(layer, case, x, options.peers)
    runs = {"limit": limit(layer, x, y, case.n)}
    for name, (module, given) in found.items():
        runs[name] = forward(module, given)
        runs[f"{name} both"] = both(module, given)
        if name == "dense":
            assert isinstance(module, Dense)  # noqa: S101 - for the type checker
            runs["prebuilt"] = forward(module.prebuilt(), given)
    if options.compiled:
        try:
            torch._dynamo.reset()
            start = time.perf_counter()
            compiled = forward(torch.compile(layer), x)
            compiled()
            runs["compiled"] = compiled
            notes["compiled"] = f"compiled in {time.perf_counter() - start:.0f} s"
        except Exception as error:  # noqa: BLE001 - without a C++ compiler the rest can still be measured
            notes["compiled"] = _why(error)
    times = interleaved(runs, options.repeat)
    both_ends = (x.numel() + y.numel()) * x.element_size()
    memory = {name: round(peak_bytes(runs[name]) / both_ends, 2) for name in runs if name in NAMES and name != "limit"}
    row: dict[str, Any] = {
        "case": str(case),
        "maps": len(layer.basis[0, 0]),
        "ms": {name: round(1e3 * statistics.median(value), 4) for name, value in times.items()},
        "memory": memory,
        "notes": notes,
        **features(layer, runs["ours"], case.n, case.batch),
    }
    targets: list[tuple[str, float | None, float | None, bool]] = [
        ("ours / limit", ratio(times, "ours", "limit"), case.limit, True),
        ("one by one / ours", ratio(times, "one", "ours"), case.one, False),
        ("dense / ours", ratio(times, "dense", "ours"), case.dense, False),
        ("prebuilt / ours", ratio(times, "prebuilt", "ours"), None, False),
        ("e3nn / ours", ratio(times, "e3nn", "ours"), None, False),
        ("EMLP / ours", ratio(times, "emlp", "ours"), None, False),
        ("compiled / ours", ratio(times, "compiled", "ours"), MAX_COMPILED, True),
        ("forward + backward / forward", ratio(times, "ours both", "ours"), MAX_BOTH, True),
        ("one by one / ours, both", ratio(times, "one both", "ours both"), None, False),
        ("dense / ours, both", ratio(times, "dense both", "ours both"), None, False),
        ("e3nn / ours, both", ratio(times, "e3nn both", "ours both"), None, False),
        ("memory / (input + output)", memory["ours"], MAX_MEMORY, True),
    ]
    row["ratios"] = {
        name: {"value": None if value is None else round(value, 2), "target": target, "at_most": at_most}
        for name, value, target, at_most in targets
    }
    return row


def met(name: str, found: dict[str, Any]) -> bool:
    """Whether a ratio meets its target; what was not measured or has no target misses none."""
    value, target = found["value"], found["target"]
    if value is None or target is None:
        return True
    slack = NOISE if name.startswith("compiled") else 1.0
    return bool(value <= target * slack if found["at_most"] else value >= target)


def features(layer: eq.Linear, run: Callable[[], object], n: int, batch: int) -> dict[str, int]:
    """What the cost model prices: multiply-adds and bytes moved of the plan, and calls of torch operators."""
    moved = sum(elements(n) for _, _, elements in layer.plan.costs())
    return {
        "multiply_adds": batch * multiply_adds(layer, n),
        "bytes": 4 * batch * moved,
        "calls": operator_calls(run),
    }


def small_shapes(options: Options) -> list[dict[str, Any]]:
    """Ours against layers written by hand at small sizes, batch 1, where calls cost more than arithmetic."""
    rows = []
    for group, k, lo, sizes, written in WRITTEN:
        for channels in (4, 16):
            layer = eq.Linear(group, f"{channels}x{k}", f"{channels}x{lo}")
            hand = written(layer)
            for n in sizes:
                x = torch.randn(1, *[n] * k, channels)
                torch.testing.assert_close(hand(x), layer(x), rtol=1e-4, atol=1e-4)
                runs = {
                    "ours": forward(layer, x),
                    "hand": forward(hand, x),
                    "ours both": both(layer, x),
                    "hand both": both(hand, x),
                }
                times = interleaved(runs, options.repeat)
                row = {
                    "case": f"{group} {k} -> {lo}, n = {n}, batch 1, {channels} channels",
                    "us": {name: round(1e6 * statistics.median(value), 1) for name, value in times.items()},
                    "ratio": round(ratio(times, "ours", "hand") or 0, 2),
                    "ratio_both": round(ratio(times, "ours both", "hand both") or 0, 2),
                    "hand_calls": operator_calls(runs["hand"]),
                    **features(layer, runs["ours"], n, 1),
                }
                rows.append(row)
    return rows


def growth(options: Options) -> list[dict[str, Any]]:
    """How the time of S(n) layers grows with n: the slope on a log-log scale, beside max(k, l)."""
    rows = []
    for k, lo, sizes in QUICK_GROWTH if options.quick else GROWTH:
        layer = eq.Linear("S(n)", f"16x{k}", f"16x{lo}", bias=False)
        inputs = {str(n): torch.randn(1, *[n] * k, 16) for n in sizes}
        times = interleaved({n: _at(layer, x, int(n)) for n, x in inputs.items()}, options.repeat)
        seconds = [statistics.median(times[str(n)]) for n in sizes]
        rows.append(
            {
                "case": f"S(n) {k} -> {lo}",
                "sizes": list(sizes),
                "ms": [round(1e3 * value, 4) for value in seconds],
                "exponent": round(slope(sizes, seconds), 2),
                "expected": max(k, lo),
            }
        )
    return rows


def _at(layer: eq.Linear, x: Tensor, n: int) -> Callable[[], object]:
    needs_n = layer.hom.space_in.orders == (0,)
    return forward((lambda given: layer(given, n)) if needs_n else layer, x)


def price(rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The cost model: time = a multiply-adds + b bytes + c calls, with prices that suit all rows best.

    Rows have the keys of :func:`features` and either ``ms`` or ``us`` with the time of ``ours``.
    """
    listed = list(rows)
    seconds = [row["ms"]["ours"] / 1e3 if "ms" in row else row["us"]["ours"] / 1e6 for row in listed]
    prices, predicted = fit_costs([[row["multiply_adds"], row["bytes"], row["calls"]] for row in listed], seconds)
    return {
        "ns_per_multiply_add": float(f"{prices[0] * 1e9:.4g}"),
        "ns_per_byte": float(f"{prices[1] * 1e9:.4g}"),
        "us_per_call": float(f"{prices[2] * 1e6:.4g}"),
        "predicted_over_measured": {
            row["case"]: round(value, 2) for row, value in zip(listed, predicted, strict=True)
        },
    }


# --- the report -----------------------------------------------------------------------------------------


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """A Markdown table, padded so that it also reads well in a terminal."""
    cells = [[str(cell) for cell in row] for row in (head, *rows)]
    wide = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = ["| " + " | ".join(f"{c:<{w}}" for c, w in zip(row, wide, strict=True)) + " |" for row in cells]
    return [lines[0], "| " + " | ".join("-" * w for w in wide) + " |", *lines[1:]]


def tables(report: dict[str, Any]) -> dict[str, list[str]]:
    """Every table of the report, by its title."""
    cases = report["cases"]

    def cell(row: dict[str, Any], name: str) -> str:
        found = row["ratios"][name]
        value = "-" if found["value"] is None else f"{found['value']:g}"
        if name == "dense / ours" and found["value"] is None:
            value = "does not fit"
        if found["target"] is None:
            return value
        mark = "" if met(name, found) else " **missed**"
        return f"{value} ({'<=' if found['at_most'] else '>='} {found['target']:g}){mark}"

    made = {}
    timed = {name: title for name, title in NAMES.items() if any(name in row["ms"] for row in cases)}
    made["Forward, milliseconds"] = table(
        ["case", "maps", *timed.values()],
        ([row["case"], row["maps"], *[f"{row['ms'][n]:g}" if n in row["ms"] else "-" for n in timed]] for row in cases),
    )
    first = ["ours / limit", "one by one / ours", "dense / ours", "compiled / ours"]
    made["Forward, ratios and targets"] = table(
        ["case", *first], ([row["case"], *[cell(row, name) for name in first]] for row in cases)
    )
    peers = [n for n in ("prebuilt / ours", "e3nn / ours", "EMLP / ours") if any(r["ratios"][n]["value"] for r in cases)]
    if peers:
        made["Forward, ratios without targets"] = table(
            ["case", *peers], ([row["case"], *[cell(row, name) for name in peers]] for row in cases)
        )
    second = [name for name in cases[0]["ratios"] if "both" in name or "backward" in name] if cases else []
    made["Forward + backward"] = table(
        ["case", "ours, ms", *second],
        ([row["case"], f"{row['ms']['ours both']:g}", *[cell(row, name) for name in second]] for row in cases),
    )
    kept = [name for name in timed if name != "limit"]
    made["Peak memory of a forward / (input + output)"] = table(
        ["case", *[timed[name] for name in kept]],
        ([row["case"], *[row["memory"].get(name, "-") for name in kept]] for row in cases),
    )
    if report["growth"]:
        made["Growth with n"] = table(
            ["layer", "sizes", "ms", "exponent", "max(k, l)"],
            (
                [row["case"], " ".join(map(str, row["sizes"])), " ".join(f"{v:g}" for v in row["ms"])]
                + [row["exponent"], row["expected"]]
                for row in report["growth"]
            ),
        )
    if report["small"]:
        made["Small shapes against layers written by hand"] = table(
            ["case", "ours, us", "by hand, us", f"ratio (<= {MAX_SMALL:g})", "ratio, both", "our calls", "calls by hand"],
            (
                [row["case"], row["us"]["ours"], row["us"]["hand"], row["ratio"], row["ratio_both"]]
                + [row["calls"], row["hand_calls"]]
                for row in report["small"]
            ),
        )
    model = report["cost_model"]
    rows = {row["case"]: row for row in (*cases, *report["small"])}
    made["Cost model"] = table(
        ["case", "multiply-adds", "bytes", "calls", "predicted / measured"],
        (
            [name, f"{rows[name]['multiply_adds']:,}", f"{rows[name]['bytes']:,}", rows[name]["calls"], value]
            for name, value in model["predicted_over_measured"].items()
        ),
    )
    return made


def missed(report: dict[str, Any]) -> list[str]:
    """Every target that is missed, in words."""
    found = []
    for row in report["cases"]:
        for name, value in row["ratios"].items():
            if not met(name, value):
                sign = ">" if value["at_most"] else "<"
                found.append(f"{row['case']}: {name} = {value['value']:g} {sign} {value['target']:g}")
    for row in report["small"]:
        if row["ratio"] > MAX_SMALL:
            found.append(f"{row['case']}: ours / by hand = {row['ratio']:g} > {MAX_SMALL:g}")
    return found


WORDS = """\
Every layer maps tensors with as many channels in as out, without bias; times are medians of interleaved runs, ratios are
medians over rounds of two runs next to each other. A contender's outputs are checked to equal the layer's before it is
timed (EMLP: the spans of the bases are compared; e3nn: the numbers of maps). The contenders:

- **limit**: what any such layer must do at least: copy the input once, fill the output once, and one matrix product with as
  many multiply-adds as our plan has, all into memory that is there already. It computes nothing useful.
- **ours**: `eq.Linear`. **compiled**: the same through `torch.compile`.
- **one by one**: every diagram by itself: sum and take diagonals of the input, mix channels on what is left, spread it over
  the output, add. This is the fast multiplication of arXiv 2412.10837, written from the diagrams in
  `scripts/benchmarks/onebyone.py`. Groups that are not made of such diagrams alone have none.
- **dense**: the map as one big matrix in which entries are tied: built from the basis and the weights in every call, as
  training must, then one matrix product. **prebuilt**: the product alone, with a matrix that was built before, as inference may.
  The basis is held as dense matrices, or, above 100 million entries (Aut(karate) 2 -> 1: 20,170 maps), as one sparse
  matrix that multiplies the weights.
- **e3nn**: change of basis to irreducible representations, `o3.Linear`, and back, on tensors laid out as e3nn likes them.
- **EMLP**: the basis that EMLP finds by floating-point null spaces, used like the dense matrix; its set-up time is in the notes.

Forward + backward computes the gradients of input and weights. Peak memory counts all that torch's allocator hands out during a
forward pass beyond the input, the output included, at the worst moment (matrices that **prebuilt** keeps were there before).
Calls are torch operators, views included. The cost model fits three prices, per multiply-add, byte and call, to the times of
all layers below; its bytes are those of the plan. On any machine, tensors above about 32 MB come in freshly mapped pages,
whose first use costs more than the arithmetic; this holds for all contenders alike."""


def run(options: Options) -> dict[str, Any]:
    """Measure everything that was asked for."""
    warnings.simplefilter("ignore")  # of third parties, about each other
    torch.set_num_threads(1)
    torch.manual_seed(0)
    chosen = [case for case in (QUICK_CASES if options.quick else CASES) if options.cases in str(case)]
    rows = []
    for case in chosen:
        start = time.perf_counter()
        rows.append(measure(case, options))
        shown = rows[-1]["ratios"]["ours / limit"]
        print(f"{case}: {shown['value']} of the limit ({time.perf_counter() - start:.0f} s)", file=sys.stderr, flush=True)
    whole = not options.cases
    small = small_shapes(options) if whole else []
    about = f"float32, single thread, {platform.machine()}, torch {torch.__version__}, medians of {options.repeat} runs"
    return {
        "about": about,
        "options": asdict(options),
        "cases": rows,
        "growth": growth(options) if whole else [],
        "small": small,
        "cost_model": price([*rows, *small]) if rows or small else {"predicted_over_measured": {}},
    }


def page(report: dict[str, Any], command: str, picture: str | None) -> str:
    """The report as a Markdown page."""
    lines = ["# Layers against the limit, and against other ways", "", f"`{command}` wrote this page: {report['about']}.", ""]
    if picture:
        lines += [f"![Time of every contender over the limit]({picture})", ""]
    lines += [WORDS, ""]
    for title, made in tables(report).items():
        lines += [f"## {title}", "", *made, ""]
        if title == "Cost model":
            model = report["cost_model"]
            lines += [
                f"Prices: {model['ns_per_multiply_add']} ns per multiply-add, {model['ns_per_byte']} ns per byte, "
                f"{model['us_per_call']} us per call.",
                "",
            ]
    lines += ["## Notes", ""]
    for row in report["cases"]:
        lines += [f"- {row['case']}: {NAMES[name]}: {note}" for name, note in row["notes"].items()]
    lines += ["", "Missed targets:" if missed(report) else "No target is missed.", ""]
    lines += [f"- {line}" for line in missed(report)]
    return "\n".join(lines).rstrip() + "\n"


def write(report: dict[str, Any], folder: Path, command: str) -> None:
    """layers.json, layers.svg (where matplotlib is installed) and layers.md."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "layers.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    picture = None
    try:
        from benchmarks.plot import draw
    except ImportError:
        print("no plot: pip install .[bench]", file=sys.stderr)
    else:
        picture = "layers.svg"
        draw(report, folder / picture)
    (folder / "layers.md").write_text(page(report, command, picture), encoding="utf-8")
