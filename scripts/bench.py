"""Measure eqsynth: how long bases take, and how fast layers are; tables, JSON and plots in docs/benchmarks.

usage: python scripts/bench.py [bases] [layers] [irreps] [products] [graphs] [symmetric] [--repeat N] [--no-compile]
                               [--no-peers] [--device cuda] [--cases TEXT] [--quick] [--check] [--out FOLDER] [--force]

Single thread, one process (fresh ones for set-up), medians of interleaved runs. Layers, irreps, products and graphs are
measured on a GPU with ``--device cuda``; what is written is then called layers-cuda.md and so on. Other packages are
measured where they are installed (``pip install .[bench]``). With ``--cases`` or ``--quick`` nothing is written unless
``--out`` says where. Files that are there already are replaced with ``--force`` only.
"""

from __future__ import annotations

import os

# Before numpy and torch are loaded: single thread.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.layers import Options

WHAT = ("bases", "layers", "irreps", "products", "graphs", "symmetric")
#: What can be measured on a GPU.
ON_DEVICES = ("layers", "irreps", "products", "graphs")
FOLDER = Path(__file__).resolve().parents[1] / "docs" / "benchmarks"


def main(arguments: list[str]) -> int:
    """Run what was asked for, print and write it; returns the exit status."""
    parser = argparse.ArgumentParser(description="Measure eqsynth: bases and layers.")
    # argparse itself takes an empty list for a choice, and refuses it.
    parser.add_argument("what", nargs="*", metavar="WHAT", help=f"{', '.join(WHAT)} (default: all)")
    parser.add_argument(
        "--repeat", type=int, default=9, help="measurements of each contender, interleaved (bases: a third)"
    )
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True, help="time torch.compile too")
    parser.add_argument("--peers", action=argparse.BooleanOptionalAction, default=True, help="time other packages too")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where to measure (default: cpu)")
    parser.add_argument("--cases", default="", metavar="TEXT", help="only cases whose name contains this text")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does everything run?")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a target is missed")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where to write (default: docs/benchmarks)")
    parser.add_argument("--force", action="store_true", help="replace files that are there already")
    options = parser.parse_args(arguments)
    folder = options.out or (None if options.cases or options.quick else FOLDER)
    if unknown := [what for what in options.what if what not in WHAT]:
        parser.error(f"{', '.join(unknown)}: not known, choose from {', '.join(WHAT)}")
    wanted = options.what or (WHAT if options.device == "cpu" else ON_DEVICES)
    if options.device != "cpu":
        _require_device(parser, options.device, wanted)
    if folder and not options.force:
        from benchmarks.tables import page_name

        names = [f"{page_name(what, options.device)}.{kind}" for what in wanted for kind in ("json", "md", "svg")]
        there = ", ".join(name for name in names if os.path.lexists(folder / name))
        if there:
            parser.error(f"{folder} has {there} already: replace with --force, or write elsewhere with --out")
    if not options.quick:
        from benchmarks.measuring import keep_memory

        keep_memory()
    failed = [_measure(what, options, folder) for what in WHAT if what in wanted]
    return int(any(failed))


def _require_device(parser: argparse.ArgumentParser, device: str, wanted: Sequence[str]) -> None:
    """End with a message where there is no such device, or something is measured on CPUs alone."""
    import torch

    if alone := [what for what in wanted if what not in ON_DEVICES]:
        parser.error(
            f"{', '.join(alone)}: measured on CPUs alone, leave out --device or ask for {', '.join(ON_DEVICES)}"
        )
    if not torch.cuda.is_available():
        parser.error(f"--device {device}: torch {torch.__version__} sees no such device here, leave out --device")


def _measure(what: str, options: argparse.Namespace, folder: Path | None) -> bool:
    """Measure, print and write one kind of thing; whether it failed."""
    from benchmarks import bases, graphs, layers, products, symmetric

    if what == "bases":
        repeat = max(1, round(options.repeat / 3))
        return bool(bases.run(repeat, options.cases, options.quick, folder, options.check))
    if what == "symmetric":
        return bool(symmetric.run(options.repeat, options.cases, options.quick, folder))
    asked = layers.Options(options.repeat, options.compile, options.peers, options.quick, options.cases, options.device)
    if what == "graphs":
        return bool(graphs.run(asked, folder))
    if what == "products":
        return bool(products.run(asked, folder))
    return _compare(what, asked, folder, options.check)


def _compare(what: str, options: Options, folder: Path | None, check: bool) -> bool:
    """Measure layers and contenders, print and write tables; whether a target that is to be checked is missed."""
    from benchmarks import irreps, irreps_report, layers, report

    measured: ModuleType = layers if what == "layers" else irreps
    written: ModuleType = report if what == "layers" else irreps_report
    found = measured.run(options)
    if not found["cases"]:
        print(f"no layer's name contains {options.cases!r}", file=sys.stderr)
        return False
    for title, lines in written.tables(found).items():
        print("", title, *lines, sep="\n")
    for row in found["cases"]:
        for name, note in row["notes"].items():
            print(f"{row['case']}: {measured.NAMES[name]}: {note}")
    slow = written.missed(found)
    for line in slow:
        print(f"missed: {line}", file=sys.stderr)
    if folder:
        written.write(found, folder)
    return bool(slow and check)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
