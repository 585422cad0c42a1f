"""How long it takes until a layer is there: imports and set-up, in fresh processes, against e3nn."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import eqsynth as eq
from benchmarks.layers import rated
from benchmarks.measuring import ratio

#: Processes of each kind, one of each in turn.
REPEAT = 5
#: Milliseconds of ``import eqsynth`` before torch, and our set-up over e3nn's: at most these.
MAX_IMPORT, MAX_SETUP = 200, 1.0
#: Inputs, outputs and channels of the layers, all over O(3).
LAYERS = ((2, 2, 64), (3, 3, 64), (4, 4, 64))
QUICK_LAYERS = ((1, 1, 4),)


def measure(quick: bool = False, peers: bool = True) -> list[dict[str, Any]]:
    """A row for the import of eqsynth, and one for each layer."""
    repeat = 1 if quick else REPEAT
    peers = peers and find_spec("e3nn") is not None
    imported = _ms([fresh("import")["imported"] for _ in range(repeat)])
    row = {
        "case": "import eqsynth, before torch",
        "ms": {"imported": imported},
        "ratios": rated([("milliseconds", imported, MAX_IMPORT, True)]),
    }
    return [row, *(_setups(problem, repeat, peers) for problem in (QUICK_LAYERS if quick else LAYERS))]


def _setups(problem: tuple[int, int, int], repeat: int, peers: bool) -> dict[str, Any]:
    """Set-up of one layer with an empty cache, again with what that left in the cache, and e3nn's."""
    inputs, outputs, channels = problem
    kinds = {"empty": "ours", "warm": "ours"} | ({"e3nn": "e3nn"} if peers else {})
    seconds: dict[str, list[float]] = {}
    for _ in range(repeat):
        with tempfile.TemporaryDirectory() as cache:
            for name, what in kinds.items():
                for key, value in fresh(what, "O(3)", *problem, cache=cache).items():
                    seconds.setdefault(f"{name} {key}", []).append(value)
    return {
        "case": f"O(3) {inputs} -> {outputs}, {channels} channels",
        "ms": {name: _ms(values) for name, values in seconds.items()},
        "ratios": rated(
            (f"{name} / e3nn", ratio(seconds, f"{name} made", "e3nn made"), MAX_SETUP, True)
            for name in ("empty", "warm")
        ),
    }


def fresh(*arguments: object, cache: str = "") -> dict[str, float]:
    """What ``python -m benchmarks.fresh`` prints, with its cache in this folder."""
    paths = [Path(__file__).parents[1], Path(eq.__file__).parents[1], os.environ.get("PYTHONPATH", "")]
    settings = {"PYTHONPATH": os.pathsep.join(str(path) for path in paths if path)}
    settings |= {"EQSYNTH_CACHE": cache} if cache else {}
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.fresh", *map(str, arguments)]
    printed = subprocess.run(command, env=os.environ | settings, stdout=subprocess.PIPE, text=True, check=True).stdout
    found: dict[str, float] = json.loads(printed)
    return found


def _ms(seconds: list[float]) -> float:
    return round(1e3 * statistics.median(seconds), 1)
