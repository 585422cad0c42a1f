"""The picture of a report: the time of every contender over that of one, a row per case. Needs matplotlib."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from eqsynth.store import files

#: Colour and mark of each contender (Okabe and Ito: distinct without colour vision, too).
LOOKS = {
    "ours": ("ours", "#000000", "o"),
    "compiled": ("compiled", "#999999", "o"),
    "one": ("one by one", "#0072B2", "s"),
    "tuned": ("one by one, tuned", "#56B4E9", "s"),
    "dense": ("dense", "#D55E00", "D"),
    "prebuilt": ("dense, prebuilt", "#E69F00", "d"),
    "e3nn": ("e3nn", "#009E73", "^"),
    "emlp": ("EMLP", "#CC79A7", "v"),
}


@dataclass(frozen=True, slots=True)
class Style:
    """``over``: whose time is 1. ``target``: the ratio with the target, or the key under which a row names it."""

    looks: Mapping[str, tuple[str, str, str]]
    over: str
    target: str
    across: str
    mark: str


LAYERS = Style(
    LOOKS,
    "limit",
    "ours / limit",
    "time of a forward pass / limit (one copy, one fill, one matrix product)",
    "target of ours",
)
IRREPS = Style(
    {
        "ours": ("ours", "#000000", "o"),
        "diagrams": ("diagrams", "#0072B2", "s"),
        "irreps": ("irreps, forced", "#56B4E9", "x"),
        "fourier": ("fourier, forced", "#E69F00", "+"),
        "matrix": ("matrix, forced", "#F0E442", "*"),
        "blocks": ("blocks", "#999999", "d"),
        "e3nn": ("e3nn", "#009E73", "^"),
        "hand": ("by hand", "#D55E00", "D"),
        "products": ("products alone", "#CC79A7", "v"),
    },
    "ours",
    "rival",
    "time of a forward pass / ours (right of 1: slower than ours)",
    "target: e3nn, or diagrams without e3nn, here or to the right",
)
STYLES = {"layers": LAYERS, "irreps": IRREPS}


def draw(report: dict[str, Any], path: Path, style: Style = LAYERS) -> None:
    """Write the picture, the same bytes for the same report."""
    rows = report["cases"]
    # Without a salt and a date of its own an SVG differs from run to run.
    with mpl.rc_context({"svg.hashsalt": "eqsynth", "font.size": 9}):
        figure = Figure(figsize=(10, 1.6 + 0.45 * len(rows)), layout="constrained")
        axes = figure.add_subplot()
        for name, (label, colour, mark) in style.looks.items():
            found = [
                (row["ms"][name] / row["ms"][style.over], place) for place, row in enumerate(rows) if name in row["ms"]
            ]
            if found:
                across, down = zip(*found, strict=True)
                axes.plot(across, down, mark, color=colour, label=label, markersize=6, linestyle="none")
        targets = [row["ratios"][row.get(style.target, style.target)]["target"] for row in rows]
        axes.plot(targets, range(len(rows)), "|", color="#CC0000", markersize=18, markeredgewidth=2, label=style.mark)
        axes.axvline(1, color="#000000", linewidth=0.8)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(style.across)
        axes.set_yticks(range(len(rows)), [row["case"] for row in rows])
        axes.invert_yaxis()
        axes.grid(axis="both", color="#DDDDDD", linewidth=0.5)
        axes.set_axisbelow(True)
        figure.legend(loc="outside lower center", ncols=4, frameon=False)
        picture = io.BytesIO()
        figure.savefig(picture, format="svg", metadata={"Date": None})
    files.write(path, picture.getvalue())
