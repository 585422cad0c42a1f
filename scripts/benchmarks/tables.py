"""Tables of measurements as Markdown, and as JSON beside it."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from eqsynth.store import files


def table(head: Sequence[str], rows: Sequence[Mapping[str, object]]) -> list[str]:
    """The lines of a Markdown table."""
    cells = [[str(value if value is not None else "-") for value in row.values()] for row in rows]
    return ["| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *cells]]


def write(
    folder: Path,
    name: str,
    title: str,
    about: Sequence[str],
    lines: Sequence[str],
    rows: Sequence[Mapping[str, object]],
    repeat: int,
) -> None:
    """``NAME.md`` with the table, and ``NAME.json`` with its numbers."""
    machine = f"{platform.machine()}, Python {platform.python_version()}, torch {torch.__version__}, single thread"
    measured = f"`python scripts/bench.py {name}` on {machine}, medians of up to {repeat}\ninterleaved runs, float32."
    text = "\n".join([f"# {title}", "", measured, *about, "", *lines, ""])
    files.write(folder / f"{name}.md", text.encode())
    kept = json.dumps({"about": machine, "rows": list(rows)}, indent=1)
    files.write(folder / f"{name}.json", f"{kept}\n".encode())
