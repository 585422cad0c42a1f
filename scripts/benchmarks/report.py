"""The tables, the page and the files of a report of :mod:`benchmarks.layers`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.layers import MAX_OFF, MAX_SMALL, NAMES, NOISE
from benchmarks.tables import page_name
from eqsynth.store import files

WORDS = """\
Every layer has as many channels in as out, and no bias. Times are medians of interleaved runs; a ratio is the median
over rounds of two runs next to each other. Before a contender is timed its outputs are checked to equal the layer's
(of EMLP's basis the span is compared, of e3nn the number of maps). The contenders:

- **limit**: what any such layer must do at least: copy the input once, fill the output once, and one matrix product
  with as many multiply-adds as our plan has, all into memory that is there already. It computes nothing useful.
- **ours**: `eq.Linear`, by the method that it chooses; all methods are compared in [irreps.md](irreps.md).
  **compiled**: the same through `torch.compile`, whose products are MKL's. Layers that run as they are take large ones
  to oneDNN, so that on a CPU with AVX-512 they may be faster than compiled ones.
- **one by one**: every diagram by itself, as in the fast multiplication of arXiv 2412.10837, written from the diagrams
  in `scripts/benchmarks/onebyone.py`: reduce the input and keep the blocks that go through (one einsum), spread them
  over the output (another), mix the channels of what comes out, add. **Tuned**: the same algorithm as fast as we could
  make it: views in place of deltas, channels mixed on the smallest tensor, every diagram added to one output in place.
  Groups that are not made of such diagrams alone have neither.
- **dense**: one big matrix with tied entries, built from the basis and the weights in every call, as training must,
  then one matrix product. **Prebuilt**: the product alone, with a matrix built before, as inference may. The basis is
  kept as dense matrices.
- **e3nn**: change of basis to irreducible representations, `o3.Linear`, and back, on tensors laid out as suits e3nn.
- **EMLP**: the basis that EMLP finds by floating-point null spaces, used like the dense matrix. The notes say how
  long the basis took.

Forward + backward computes the gradients of input and weights. Peak memory counts all that torch's allocator hands
out during a forward pass beyond the input, the output included, at the worst moment; a matrix that was built before
is not counted. Where maps are orbits (Aut) the weights count as an input, since there are more of them than inputs.
Calls are torch operators, views included. The cost model fits three prices (per multiply-add, per byte, per call) to
the times of all layers on this page; multiply-adds and bytes are those of the plan.

The growth with n is the slope of the time of a layer with 16 channels on a log-log scale, of the fastest run at each
size, and should agree with max(k, l). The sizes are large enough that calls do not count and small enough that
tensors stay below some 4 MB: beyond, the first use of fresh pages makes every size dearer than the one before. Small
shapes have a bias, and are compared with the same layer written by hand with the same parameters.

Tensors above about 32 MB come in freshly mapped pages, whose first use can cost more than the arithmetic; that holds
for all contenders except the limit, which writes where it has written before."""


def met(name: str, found: dict[str, Any]) -> bool:
    """Whether a ratio meets its target; what was not measured or has no target misses none."""
    value, target = found["value"], found["target"]
    if value is None or target is None:
        return True
    slack = NOISE if name.startswith("compiled") else 1.0
    return bool(value <= target * slack if found["at_most"] else value >= target)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """A Markdown table, padded so that it also reads well in a terminal."""
    cells = [[str(cell) for cell in row] for row in (head, *rows)]
    wide = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = ["| " + " | ".join(f"{c:<{w}}" for c, w in zip(row, wide, strict=True)) + " |" for row in cells]
    return [lines[0], "| " + " | ".join("-" * w for w in wide) + " |", *lines[1:]]


def cell(row: dict[str, Any], name: str) -> str:
    """A ratio beside its target."""
    found = row["ratios"][name]
    value = "-" if found["value"] is None else f"{found['value']:g}"
    if name == "dense / ours" and found["value"] is None:
        value = "does not fit"
    if found["target"] is None:
        return value
    mark = "" if met(name, found) else " **missed**"
    return f"{value} ({'<=' if found['at_most'] else '>='} {found['target']:g}){mark}"


def tables(report: dict[str, Any]) -> dict[str, list[str]]:
    """Every table of the report, by its title."""
    cases = report["cases"]
    made = {}
    timed = {name: title for name, title in NAMES.items() if any(name in row["ms"] for row in cases)}
    made["Forward, milliseconds"] = table(
        ["case", "maps", *timed.values()],
        ([row["case"], row["maps"], *[f"{row['ms'][n]:g}" if n in row["ms"] else "-" for n in timed]] for row in cases),
    )
    first = ["ours / limit", "one by one / ours", "tuned / ours", "dense / ours", "compiled / ours"]
    made["Forward, ratios and targets"] = table(
        ["case", *first], ([row["case"], *[cell(row, name) for name in first]] for row in cases)
    )
    peers = [
        n for n in ("prebuilt / ours", "e3nn / ours", "EMLP / ours") if any(r["ratios"][n]["value"] for r in cases)
    ]
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
            ["layer", "sizes", "fastest, ms", "exponent", "max(k, l)"],
            (
                (
                    row["case"],
                    " ".join(map(str, row["sizes"])),
                    " ".join(f"{value:g}" for value in row["ms"]),
                    row["exponent"],
                    row["expected"],
                )
                for row in report["growth"]
            ),
        )
    if report["small"]:
        made["Small shapes against layers written by hand"] = table(
            [
                "case",
                "ours, us",
                "by hand, us",
                f"ratio (<= {MAX_SMALL:g})",
                "ratio, both",
                "our calls",
                "calls by hand",
            ],
            (
                (
                    row["case"],
                    row["us"]["ours"],
                    row["us"]["hand"],
                    row["ratio"],
                    row["ratio_both"],
                    row["calls"],
                    row["hand_calls"],
                )
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


def missed_ratios(rows: Iterable[dict[str, Any]]) -> list[str]:
    """Every ratio that misses its target, in words."""
    return [
        f"{row['case']}: {name} = {value['value']:g} {'>' if value['at_most'] else '<'} {value['target']:g}"
        for row in rows
        for name, value in row["ratios"].items()
        if not met(name, value)
    ]


def missed(report: dict[str, Any]) -> list[str]:
    """Every target that is missed, in words."""
    found = missed_ratios(report["cases"])
    for row in report["growth"]:
        if abs(row["exponent"] - row["expected"]) > MAX_OFF:
            found.append(f"{row['case']}: time grows as n^{row['exponent']:g}, not n^{row['expected']}")
    for row in report["small"]:
        if row["ratio"] > MAX_SMALL:
            found.append(f"{row['case']}: ours / by hand = {row['ratio']:g} > {MAX_SMALL:g}")
    return found


def command(what: str, options: dict[str, Any]) -> str:
    """The command that makes a report."""
    words = [f"python scripts/bench.py {what}", f"--repeat {options['repeat']}"]
    words += [
        flag for flag, left_out in (("--no-compile", "compiled"), ("--no-peers", "peers")) if not options[left_out]
    ]
    words += [f"--device {options['device']}"] if options["device"] != "cpu" else []
    words += ["--quick"] if options["quick"] else []
    words += [f'--cases "{options["cases"]}"'] if options["cases"] else []
    return " ".join(words)


def page(report: dict[str, Any], picture: str | None) -> str:
    """The report as a Markdown page."""
    lines = [
        "# Layers against the limit, and against other ways",
        "",
        f"`{command('layers', report['options'])}` wrote this page: {report['about']}.",
        "",
    ]
    if picture:
        lines += [f"![Time of every contender over the limit]({picture})", ""]
    lines += [WORDS, ""]
    for title, made in tables(report).items():
        lines += [f"## {title}", "", *made, ""]
        if title == "Cost model":
            model = report["cost_model"]
            lines += [
                f"Prices: {model['ns_per_multiply_add']} ns per multiply-add, {model['ns_per_byte']} ns per byte, "
                f"{model['us_per_call']} us per call. Half of the predictions are within a factor of "
                f"{model['median_factor_off']}.",
                "",
            ]
    lines += ["## Notes", ""]
    for row in report["cases"]:
        lines += [f"- {row['case']}: {NAMES[name]}: {note}" for name, note in row["notes"].items()]
    lines += ["", "Missed targets:" if missed(report) else "No target is missed.", ""]
    lines += [f"- {line}" for line in missed(report)]
    return "\n".join(lines).rstrip() + "\n"


def write(report: dict[str, Any], folder: Path) -> None:
    """layers.json, layers.svg (where matplotlib is installed) and layers.md."""
    write_files(report, folder, "layers", page)


def write_files(
    report: dict[str, Any], folder: Path, name: str, made: Callable[[dict[str, Any], str | None], str]
) -> None:
    """JSON, picture (where matplotlib is installed) and page of a report; a picture's style has the same name."""
    style, name = name, page_name(name, report["options"]["device"])
    files.write(folder / f"{name}.json", (json.dumps(report, indent=1) + "\n").encode())
    picture = None
    try:
        from benchmarks.plot import STYLES, draw
    except ImportError:
        print("no plot: pip install .[bench]", file=sys.stderr)
    else:
        picture = f"{name}.svg"
        draw(report, folder / picture, STYLES[style])
    files.write(folder / f"{name}.md", made(report, picture).encode())
