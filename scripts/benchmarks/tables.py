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


def page_name(what: str, device: str) -> str:
    """The name of a page: measurements on a GPU have their own."""
    return what if device == "cpu" else f"{what}-{device}"


def machine_of(device: str) -> str:
    """The processor, in words."""
    return torch.cuda.get_device_name() if device == "cuda" else f"{platform.machine()}, single thread, CPU time"


def write(
    folder: Path,
    name: str,
    title: str,
    about: Sequence[str],
    lines: Sequence[str],
    rows: Sequence[Mapping[str, object]],
    repeat: int,
    device: str = "cpu",
) -> None:
    """``NAME.md`` with the table, and ``NAME.json`` with its numbers."""
    machine = f"{machine_of(device)}, Python {platform.python_version()}, torch {torch.__version__}"
    asked = name if device == "cpu" else f"{name} --device {device}"
    measured = f"`python scripts/bench.py {asked}` on {machine}, medians of up to {repeat}\ninterleaved runs, float32."
    name = page_name(name, device)
    text = "\n".join([f"# {title}", "", measured, *about, "", *lines, ""])
    files.write(folder / f"{name}.md", text.encode())
    kept = json.dumps({"about": machine, "rows": list(rows)}, indent=1)
    files.write(folder / f"{name}.json", f"{kept}\n".encode())
