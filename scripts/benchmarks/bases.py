"""Time the symbolic engine.

Single thread, one process, medians of interleaved runs from cold caches. Times are compared with the
floating-point null space (SVD of the generators' constraints) of the same problem, in the same process,
where that has at most a thousand unknowns.
"""

from __future__ import annotations

import json
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import eqsynth as eq
from eqsynth.bases import basis as bases
from eqsynth.families.representation import generators
from eqsynth.store import files

#: Group, orders, dimension, limit in seconds.
CASES = (
    ("S(n)", 4, 4, 4140, 5),
    ("S(n)", 5, 5, 115975, 120),
    ("O(3)", 5, 5, 603, 10),
    ("SO(3)", 4, 3, 36, 10),
    ("A(5)", 3, 3, 282, 5),
    ("Sp(4)", 4, 4, 84, 5),
    ("S(4)", 4, 4, 2795, 20),
    ("Aut(petersen)", 1, 2, 15, 5),
    ("Aut(karate)", 1, 1, 735, 20),
    ("S(4)", 2, 2, 15, 5),
    ("O(3)", 3, 2, 0, 5),
    ("SO(3)", 3, 2, 6, 5),
    ("S(4)", 3, 3, 187, 5),
    ("S(6)", 2, 2, 15, 5),
    ("S(6)", 3, 3, 203, 5),
    ("S(8)", 2, 3, 52, 5),
)
#: Seconds that EMLP 1.0.3 (floating-point null spaces) took for the same problems on a machine like the one used here.
EMLP = {
    ("S(4)", 2, 2): "1.2",
    ("S(4)", 3, 3): "161",
    ("S(6)", 2, 2): "12, rank 1296 instead of 15",
    ("S(6)", 3, 3): "not done in 180",
    ("S(8)", 2, 3): "not done in 180",
}
MAX_UNKNOWNS = 1_000
#: Cases with more maps than this are left out of a quick run.
QUICK = 100


def seconds(run: Callable[[], object]) -> float:
    """Wall-clock time of one call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def exact(group: str, inputs: int, outputs: int) -> int:
    """The basis from cold caches; returns its size."""
    bases._basis.cache_clear()
    return len(eq.basis(group, inputs, outputs))


def numerical(group: str, inputs: int, outputs: int) -> int:
    """The dimension by singular values of the dense constraints, as numerical solvers find it."""
    elements, algebra = generators(eq.Group.parse(group))

    def power(g: np.ndarray, order: int) -> np.ndarray:
        made = np.ones((1, 1))
        for _ in range(order):
            made = np.kron(made, g)
        return made

    def derivative(x: np.ndarray, order: int) -> np.ndarray:
        n = len(x)
        places = (np.kron(np.kron(np.eye(n**p), x), np.eye(n ** (order - 1 - p))) for p in range(order))
        return sum(places, np.zeros((n**order, n**order)))

    sides = [(power(g.astype(float), inputs), power(g.astype(float), outputs)) for g in elements]
    sides += [(derivative(x.astype(float), inputs), derivative(x.astype(float), outputs)) for x in algebra]
    rows = [np.kron(np.eye(len(above)), below.T) - np.kron(above, np.eye(len(below))) for below, above in sides]
    stacked = np.concatenate(rows)
    values = np.linalg.svd(stacked, compute_uv=False)
    return int(stacked.shape[1]) - int((values > 1e-6).sum())


def unknowns(group: str, inputs: int, outputs: int) -> int:
    """Entries of the matrix that a numerical solver looks for; 0 where n is open."""
    parsed = eq.Group.parse(group)
    usable = isinstance(parsed.n, int) and parsed.family in ("S", "O", "SO", "Sp", "A")
    return int(parsed.n) ** (inputs + outputs) if usable else 0


def run(repeat: int, chosen: str = "", quick: bool = False, folder: Path | None = None, check: bool = False) -> int:
    """Run every case, print and write the table; 1 for a wrong dimension, and with ``check`` for a slow case.

    ``chosen``: only cases whose name contains this text. ``quick``: only those that are done at once.
    """
    cases = [case for case in CASES if chosen in _name(case) and not (quick and case[3] > QUICK)]
    eq.basis("S(2)", 1, 1)  # imports are not part of the first case
    times: dict[tuple[str, int, int], list[float]] = {case[:3]: [] for case in cases}
    others: dict[tuple[str, int, int], list[float]] = {case[:3]: [] for case in cases}
    for _ in range(repeat):
        for group, inputs, outputs, dimension, _ in cases:
            case = (group, inputs, outputs)
            times[case].append(seconds(lambda case=case: exact(*case)))  # type: ignore[misc]  # a default argument
            found = exact(*case)
            if found != dimension:
                print(f"{case}: {found} maps instead of {dimension}", file=sys.stderr)
                return 1
            if 0 < unknowns(*case) <= MAX_UNKNOWNS:
                others[case].append(seconds(lambda case=case: numerical(*case)))  # type: ignore[misc]
    rows = []
    for group, inputs, outputs, dimension, limit in cases:
        case = (group, inputs, outputs)
        ours = statistics.median(times[case])
        other = statistics.median(others[case]) if others[case] else None
        rows.append(
            {
                "problem": f"{group} {inputs} -> {outputs}",
                "maps": dimension,
                "seconds": round(ours, 4),
                "limit": limit,
                "svd_over_ours": round(other / ours, 1) if other else None,
                "emlp_seconds": EMLP.get(case),
            }
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    head = ("problem", "maps", "median, s", "limit, s", "SVD / ours", "EMLP 1.0.3, s")
    cells = [[str(row[key] if row[key] is not None else "-") for key in row] for row in rows]
    lines = ["| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *cells]]
    print("\n".join(lines))
    print(f"peak memory {peak} MiB")
    if folder:
        _write(rows, lines, repeat, peak, folder)
    slow = [row["problem"] for row in rows if float(str(row["seconds"])) > float(str(row["limit"]))]
    if slow:
        print(f"above the limit: {', '.join(map(str, slow))}", file=sys.stderr)
    return 1 if slow and check else 0


def _name(case: tuple[str, int, int, int, int]) -> str:
    group, inputs, outputs, *_ = case
    return f"{group} {inputs} -> {outputs}"


def _write(rows: list[dict[str, object]], lines: list[str], repeat: int, peak: int, folder: Path) -> None:
    about = f"{platform.machine()}, Python {platform.python_version()}, single thread, median of {repeat} runs"
    text = [
        "# Time to synthesise a basis",
        "",
        f"`python scripts/bench.py bases` on {about}; peak memory of all cases together {peak} MiB. Every run",
        "starts from cold caches and its dimension is checked. SVD / ours: time of a floating-point null space of the",
        "same constraints in the same process over ours, up to a thousand unknowns. EMLP: measured once, on a like",
        "machine.",
        "",
        *lines,
        "",
    ]
    files.write(folder / "bases.md", "\n".join(text).encode())
    files.write(folder / "bases.json", (json.dumps({"about": about, "rows": rows}, indent=1) + "\n").encode())
