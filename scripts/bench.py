"""Measure eqsynth: how long bases take, and how fast layers are; tables, JSON and plots in docs/benchmarks.

usage: python scripts/bench.py [bases] [layers] [irreps] [graphs] [symmetric] [--repeat N] [--no-compile] [--no-peers]
                               [--cases TEXT] [--quick] [--check] [--out FOLDER] [--force]

Single thread, one process (fresh ones for set-up), medians of interleaved runs. Other packages are measured where
they are installed (``pip install .[bench]``). With ``--cases`` or ``--quick`` nothing is written unless ``--out`` says
where. Files that are there already are replaced with ``--force`` only.
"""

from __future__ import annotations

import os

# Before numpy and torch are loaded: single thread.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import sys
from pathlib import Path
from types import ModuleType

WHAT = ("bases", "layers", "irreps", "graphs", "symmetric")
FOLDER = Path(__file__).resolve().parents[1] / "docs" / "benchmarks"


def main(arguments: list[str]) -> int:
    """Run what was asked for, print and write it; returns the exit status."""
    parser = argparse.ArgumentParser(description="Measure eqsynth: bases and layers.")
    parser.add_argument("what", nargs="*", choices=WHAT, help="what to measure (default: all)")
    parser.add_argument(
        "--repeat", type=int, default=9, help="measurements of each contender, interleaved (bases: a third)"
    )
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True, help="time torch.compile too")
    parser.add_argument("--peers", action=argparse.BooleanOptionalAction, default=True, help="time other packages too")
    parser.add_argument("--cases", default="", metavar="TEXT", help="only cases whose name contains this text")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does everything run?")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a target is missed")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where to write (default: docs/benchmarks)")
    parser.add_argument("--force", action="store_true", help="replace files that are there already")
    options = parser.parse_args(arguments)
    folder = options.out or (None if options.cases or options.quick else FOLDER)
    wanted = options.what or WHAT
    if folder and not options.force:
        names = [f"{what}.{kind}" for what in wanted for kind in ("json", "md", "svg")]
        there = ", ".join(name for name in names if os.path.lexists(folder / name))
        if there:
            parser.error(f"{folder} has {there} already: replace with --force, or write elsewhere with --out")
    failed = False
    if "bases" in wanted:
        from benchmarks import bases

        status = bases.run(max(1, round(options.repeat / 3)), options.cases, options.quick, folder, options.check)
        failed = failed or bool(status)
    for what in ("layers", "irreps"):
        if what in wanted:
            failed = _compare(what, options, folder) or failed
    if "graphs" in wanted:
        from benchmarks import graphs

        failed = bool(graphs.run(options.repeat, options.cases, options.quick, folder)) or failed
    if "symmetric" in wanted:
        from benchmarks import symmetric

        failed = bool(symmetric.run(options.repeat, options.cases, options.quick, folder)) or failed
    return int(failed)


def _compare(what: str, options: argparse.Namespace, folder: Path | None) -> bool:
    """Measure layers and contenders, print and write tables; whether a target that is to be checked is missed."""
    from benchmarks import irreps, irreps_report, layers, report

    measured: ModuleType = layers if what == "layers" else irreps
    written: ModuleType = report if what == "layers" else irreps_report
    found = measured.run(layers.Options(options.repeat, options.compile, options.peers, options.quick, options.cases))
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
    return bool(slow and options.check)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
