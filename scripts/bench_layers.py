"""Time layers against the limit of the machine and against other ways to compute the same map.

usage: python scripts/bench_layers.py [--repeat N] [--compile]

Float32, single thread, one process, medians of interleaved runs. Per case, forward without gradients:

- limit: one copy of the input, one fill of the output, one matrix product with the plan's own
  multiply-adds, all into memory that is there already;
- dense: the weight-tied matrix built from the basis, then one matrix product (where it fits);
- one by one: every diagram by itself (reduce, mix, spread, add), the algorithm of arXiv 2412.10837,
  made of the same steps as ours.

Writes docs/benchmarks/layers.md and layers.json.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

import eqsynth as eq
from eqsynth.emit import emit
from eqsynth.lower import _Lowering
from eqsynth.module import compile_source
from eqsynth.plans import Mix, Pair
from eqsynth.space import each

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "benchmarks"
#: The dense matrix beyond this many entries is left out.
MAX_DENSE = 300_000_000


@dataclass(frozen=True, slots=True)
class Case:
    """A layer with as many channels in as out, and the targets: ours / limit, one by one / ours, dense / ours."""

    group: str
    inputs: int
    outputs: int
    channels: int
    n: int
    batch: int
    limit: float
    one: float | None
    dense: float | None


CASES = (
    Case("S(n)", 2, 2, 64, 64, 8, 1.6, 2, None),
    Case("S(n)", 2, 2, 16, 64, 8, 2.5, 2, None),
    Case("S(n)", 2, 2, 16, 32, 8, 2.5, 2, 20),
    Case("S(n)", 3, 3, 64, 16, 4, 1.6, 5, 20),
    Case("O(3)", 3, 3, 64, 3, 64, 2, 3, 5),
    Case("SO(3)", 2, 3, 64, 3, 64, 2.5, 3, 1),
    Case("Sp(4)", 3, 3, 64, 4, 64, 2.5, 3, 1),
    Case("A(5)", 2, 2, 64, 5, 64, 2.5, 3, 1),
)


class OneByOne(nn.Module):
    """Every diagram as a layer of its own; the outputs are added up."""

    def __init__(self, layer: eq.Linear) -> None:
        super().__init__()
        weight = layer.get_parameter("weight")
        hom, found = layer.hom, layer.basis[0, 0]
        (pair,) = layer.plan.pairs
        self.layers: list[nn.Module] = []
        for element in range(len(found)):
            single = replace(found, diagrams=(found[element],))
            steps = _Lowering(hom).steps({(0, 0): single}, {})
            one = Pair(0, 0, 1, pair.gains, pair.variances[:1])
            plan = replace(layer.plan, bias=False, steps=steps, pairs=(one,), bias_dims=(0,))
            made = compile_source(emit(plan))()
            del made.weight
            made.weight = weight.detach()[element : element + 1]
            self.layers.append(made)

    def forward(self, x: Tensor) -> Tensor:
        """The sum over diagrams."""
        total: Tensor = self.layers[0](x)
        for layer in self.layers[1:]:
            total = total + layer(x)
        return total


class Dense(nn.Module):
    """The weight-tied matrix, built from the basis in every call as training must."""

    def __init__(self, layer: eq.Linear, n: int) -> None:
        super().__init__()
        found = layer.basis[0, 0]
        matrices = torch.from_numpy(found.matrices(n if layer.hom.group.symbolic else None)).float()
        most = (matrices**2).sum(-1).amax(-1)
        (pair,) = layer.plan.pairs
        self.weight = layer.get_parameter("weight")
        self.register_buffer("basis", matrices * (most**-0.5 * n ** (sum(pair.gains) / 4))[:, None, None])

    def forward(self, x: Tensor) -> Tensor:
        """One product with a matrix of size n^l C x n^k C."""
        basis: Tensor = self.get_buffer("basis")
        dim, rows, columns = basis.shape
        c_out, c_in = self.weight.shape[1:]
        matrix = torch.mm(basis.reshape(dim, -1).T, self.weight.reshape(dim, -1)).reshape(rows, columns, c_out, c_in)
        flat = matrix.permute(0, 2, 1, 3).reshape(rows * c_out, columns * c_in)
        return nn.functional.linear(x.reshape(-1, columns * c_in), flat)


def medians(runs: dict[str, Callable[[], object]], repeat: int) -> dict[str, float]:
    """Milliseconds of each run, interleaved; short runs are repeated within a measurement."""
    inner = {}
    for name, run in runs.items():
        run()
        start = time.perf_counter()
        run()
        inner[name] = max(1, int(0.01 / (time.perf_counter() - start)))
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeat):
        for name, run in runs.items():
            start = time.perf_counter()
            for _ in range(inner[name]):
                run()
            times[name].append((time.perf_counter() - start) / inner[name] * 1e3)
    return {name: statistics.median(values) for name, values in times.items()}


def measure(case: Case, repeat: int, compiled: bool) -> dict[str, object]:
    """Times of one case, and the check that all contenders compute the same map."""
    channels, n = case.channels, case.n
    layer = eq.Linear(case.group, f"{channels}x{case.inputs}", f"{channels}x{case.outputs}", bias=False)
    x = torch.randn(case.batch, *[n] * case.inputs, channels)
    y = layer(x).detach()
    multiply_adds = case.batch * sum(work(n) for step, work, _ in layer.plan.costs() if isinstance(step, Mix))
    rows = y.numel() // channels
    inner = max(1, round(multiply_adds / rows / channels))
    left, right = torch.randn(rows, inner), torch.randn(inner, channels)
    copied, filled, product = torch.empty_like(x), torch.empty_like(y), torch.empty(rows, channels)
    leaf, cotangent = x.clone().requires_grad_(), torch.randn_like(y)

    def limit() -> None:
        copied.copy_(x)
        filled.fill_(1)
        torch.mm(left, right, out=product)

    def both() -> None:
        layer.zero_grad()
        leaf.grad = None
        layer(leaf).backward(cotangent)

    def forward(module: nn.Module | Callable[[Tensor], Tensor]) -> Callable[[], object]:
        def run() -> object:
            with torch.no_grad():
                return module(x)

        return run

    one = OneByOne(layer)
    torch.testing.assert_close(one(x).detach(), y, rtol=1e-3, atol=1e-3)
    runs = {"limit": limit, "ours": forward(layer), "one": forward(one), "both": both}
    size = n ** (sum(each(case.inputs)) + sum(each(case.outputs)))
    if size * channels**2 <= MAX_DENSE:
        dense = Dense(layer, n)
        torch.testing.assert_close(dense(x).detach().reshape(y.shape), y, rtol=1e-3, atol=1e-3)
        runs["dense"] = forward(dense)
    if compiled:
        runs["compiled"] = forward(torch.compile(layer))
    found = medians(runs, repeat)
    ours = found["ours"]
    return {
        "case": f"{case.group} {case.inputs} -> {case.outputs}, n = {n}, batch {case.batch}, {channels} channels",
        "ms": {name: round(value, 3) for name, value in found.items()},
        "ours / limit": round(ours / found["limit"], 2),
        "target": case.limit,
        "one by one / ours": round(found["one"] / ours, 1),
        "target one": case.one,
        "dense / ours": round(found["dense"] / ours, 1) if "dense" in found else None,
        "target dense": case.dense,
        "both / forward": round(found["both"] / ours, 2),
        "compiled / ours": round(found["compiled"] / ours, 2) if compiled else None,
    }


def main(arguments: list[str]) -> int:
    """Measure every case, print and write the table."""
    parser = argparse.ArgumentParser(description="Time layers.")
    parser.add_argument("--repeat", type=int, default=9, help="measurements of each contender, interleaved")
    parser.add_argument("--compile", action="store_true", help="also time torch.compile")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    head = [
        "case",
        "ours, ms",
        "ours / limit (target)",
        "one by one / ours",
        "dense / ours",
        "forward + backward / forward",
    ]
    if options.compile:
        head.append("compiled / eager")
    lines = ["| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head))]
    print("\n".join(lines), flush=True)
    rows = []
    for case in CASES:
        row = measure(case, options.repeat, options.compile)
        rows.append(row)
        times = row["ms"]
        assert isinstance(times, dict)  # noqa: S101 - built above
        cells = [
            str(row["case"]),
            str(times["ours"]),
            f"{row['ours / limit']} ({row['target']})",
            f"{row['one by one / ours']} ({row['target one'] or '-'})",
            f"{row['dense / ours'] or 'does not fit'} ({row['target dense'] or '-'})",
            f"{row['both / forward']} (4)",
        ]
        if options.compile:
            cells.append(f"{row['compiled / ours']} (1)")
        lines.append("| " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    about = (
        f"float32, single thread, {platform.machine()}, torch {torch.__version__}, "
        f"medians of {options.repeat} interleaved runs"
    )
    text = [
        "# Layers against the limit",
        "",
        f"`python scripts/bench_layers.py{' --compile' if options.compile else ''}`: {about}.",
        "Targets in brackets: at most for the limit and the backward pass, at least for the other contenders.",
        "",
        *lines,
        "",
        "\n\n".join((__doc__ or "").split("\n\n")[2:4]),
        "",
    ]
    (FOLDER / "layers.md").write_text("\n".join(text), encoding="utf-8")
    (FOLDER / "layers.json").write_text(json.dumps({"about": about, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
