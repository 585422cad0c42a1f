"""Time layers against the limit of the machine and against other ways to compute the same map."""

from __future__ import annotations

import math
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

import eqsynth as eq
from benchmarks.contenders import MAX_BACKWARD, MAX_DENSE, WRITTEN, Dense, dense_entries, limit, multiply_adds
from benchmarks.measuring import fit_costs, interleaved, operator_calls, peak_bytes, ratio, slope
from benchmarks.onebyone import OneByOne, Tuned
from benchmarks.tables import machine_of

#: Forward and backward over forward, compiled over eager, extra memory over input and output, and ours over
#: written by hand at small shapes: at most these.
MAX_BOTH, MAX_COMPILED, MAX_MEMORY, MAX_SMALL = 4.0, 1.0, 3.0, 2.0
#: How far the exponent of the growth of the time may be from max(k, l).
MAX_OFF = 0.35
#: What is lost in noise is no miss: compiled and eager code often take the same time.
NOISE = 1.05


@dataclass(frozen=True, slots=True)
class Problem:
    """A layer with as many channels in as out and no bias, and the size of its input."""

    group: str
    inputs: int
    outputs: int
    channels: int
    n: int
    batch: int

    def __str__(self) -> str:
        return (
            f"{self.group} {self.inputs} -> {self.outputs}, n = {self.n}, batch {self.batch}, {self.channels} channels"
        )

    def layer(self, **options: Any) -> eq.Linear:
        """The layer; ``options`` of eq.Linear."""
        space_in, space_out = (f"{self.channels}x{order}" for order in (self.inputs, self.outputs))
        return eq.Linear(self.group, space_in, space_out, bias=False, **options)

    def input(self) -> Tensor:
        """A random input."""
        return torch.randn(self.batch, *[self.n] * self.inputs, self.channels)


@dataclass(frozen=True, slots=True)
class Case(Problem):
    """Targets: ours / limit at most, one by one and dense / ours at least."""

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
    Case("Aut(karate)", 1, 1, 16, 34, 64, 3, None, 5),
    Case("Aut(karate)", 2, 1, 16, 34, 64, 3, None, 5),
)
#: Orders and sizes over which the growth of the time is measured, at 16 channels and batch 1.
GROWTH = (
    (1, 1, (8192, 16384, 32768, 65536)),
    (2, 2, (96, 128, 192, 256)),
    (2, 1, (192, 256, 384, 512)),
    (1, 2, (192, 256, 384, 512)),
    (3, 3, (24, 28, 32, 40)),
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
    "prepared": "prepared",
    "compiled": "compiled",
    "one": "one by one",
    "tuned": "one by one, tuned",
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
    device: str = "cpu"


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
        found["tuned"] = agrees(Tuned(layer, sizes)), x
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
            found["e3nn"] = E3nn(layer), channels_first(x)
        except Exception as error:  # noqa: BLE001 - a peer that cannot run is reported, whatever the reason
            notes["e3nn"] = why(error)
    if (
        layer.hom.group.diagrammatic
        and not layer.hom.group.symbolic
        and case.n ** (case.inputs + case.outputs) <= MAX_UNKNOWNS
    ):
        try:
            basis, took = emlp_basis(layer)
            found["emlp"] = Dense(layer, (case.n,), basis), x
            notes["emlp"] = f"basis found in {took:.1f} s"
        except Exception as error:  # noqa: BLE001
            notes["emlp"] = why(error)
    return found


def on_device(found: dict[str, tuple[nn.Module, Tensor]], device: str) -> dict[str, tuple[nn.Module, Tensor]]:
    """The same contenders where they are to be measured: they have been checked on the CPU."""
    return {name: (module.to(device), given.to(device)) for name, (module, given) in found.items()}


def channels_first(x: Tensor) -> Tensor:
    """(batch, channels, n^k), the layout that suits e3nn."""
    return x.movedim(-1, 1).reshape(len(x), x.shape[-1], -1).contiguous()


def why(error: Exception) -> str:
    """The first line of an error, and the first that says error: where a compiler's output follows."""
    lines = str(error).splitlines()
    chosen = [*lines[:1], *[line for line in lines[1:] if "error:" in line][:1]]
    return f"cannot run: {': '.join([type(error).__name__, *chosen])}"


def measure(case: Case, options: Options) -> dict[str, Any]:
    """Times, memory and ratios of one case; all contenders have been checked to compute the same map."""
    layer, x = case.layer(), case.input()
    y = layer(x).detach()
    found, notes = contenders(layer, case, x, options.peers)
    found["prepared"] = case.layer(), x
    found, x, y = on_device(found, options.device), x.to(options.device), y.to(options.device)
    eq.nn.prepare(found["prepared"][0])
    runs = {"limit": limit(layer, x, y, case.n)}
    for name, (module, given) in found.items():
        runs[name] = forward(module, given)
        if name == "prepared":
            continue  # a backward pass computes all anew
        if name != "dense" or dense_entries(layer, (case.n,)) <= MAX_BACKWARD:
            runs[f"{name} both"] = both(module, given)
        else:
            notes["dense"] = "forward only: the gradient of so large a matrix would not fit"
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
            notes["compiled"] = why(error)
    times = interleaved(runs, options.repeat, device=options.device)
    held = x.numel() + y.numel()
    if not layer.hom.group.diagrammatic:
        # Where maps are orbits there may be more weights than inputs: they count as an input.
        held += sum(parameter.numel() for parameter in layer.parameters())
    both_ends = held * x.element_size()
    memory = {
        name: round(peak_bytes(runs[name], options.device) / both_ends, 2)
        for name in runs
        if name in NAMES and name != "limit"
    }
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
        ("tuned / ours", ratio(times, "tuned", "ours"), None, False),
        ("dense / ours", ratio(times, "dense", "ours"), case.dense, False),
        ("prebuilt / ours", ratio(times, "prebuilt", "ours"), None, False),
        ("e3nn / ours", ratio(times, "e3nn", "ours"), None, False),
        ("ours / prepared", ratio(times, "ours", "prepared"), None, False),
        ("EMLP / ours", ratio(times, "emlp", "ours"), None, False),
        ("compiled / ours", ratio(times, "compiled", "ours"), MAX_COMPILED, True),
        ("forward + backward / forward", ratio(times, "ours both", "ours"), MAX_BOTH, True),
        ("one by one / ours, both", ratio(times, "one both", "ours both"), None, False),
        ("dense / ours, both", ratio(times, "dense both", "ours both"), None, False),
        ("e3nn / ours, both", ratio(times, "e3nn both", "ours both"), None, False),
        ("memory / (input + output)", memory["ours"], MAX_MEMORY, True),
    ]
    row["ratios"] = rated(targets)
    return row


def rated(found: Iterable[tuple[str, float | None, float | None, bool]]) -> dict[str, dict[str, Any]]:
    """The ratios of a row by name, from (name, value, target, whether that is the most or the least allowed)."""
    return {
        name: {"value": None if value is None else round(value, 2), "target": target, "at_most": at_most}
        for name, value, target, at_most in found
    }


def features(layer: eq.Linear, run: Callable[[], object], n: int, batch: int) -> dict[str, int]:
    """What the cost model prices: multiply-adds and bytes moved of the plan, and calls of torch operators."""
    values, total = layer.plan.sizes(n), layer.plan.total()
    return {
        "multiply_adds": multiply_adds(layer, n, batch),
        "bytes": 4 * (batch * total.traffic(values) + total.weight_traffic(values)),
        "calls": operator_calls(run),
    }


def small_shapes(options: Options) -> list[dict[str, Any]]:
    """Ours against layers written by hand at small sizes, batch 1, where calls cost more than arithmetic."""
    rows = []
    for group, k, lo, sizes, written in WRITTEN:
        for channels in (4, 16):
            layer = eq.Linear(group, f"{channels}x{k}", f"{channels}x{lo}", device=options.device)
            hand = written(layer)
            for n in sizes:
                x = torch.randn(1, *[n] * k, channels, device=options.device)
                torch.testing.assert_close(hand(x), layer(x), rtol=1e-4, atol=1e-4)
                runs = {
                    "ours": forward(layer, x),
                    "hand": forward(hand, x),
                    "ours both": both(layer, x),
                    "hand both": both(hand, x),
                }
                times = interleaved(runs, options.repeat, device=options.device)
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
    """How the time of S(n) layers grows with n: the slope on a log-log scale, beside max(k, l).

    Of each size the fastest run counts: a slope has no other contender that noise would fall on alike.
    """
    rows = []
    for k, lo, sizes in QUICK_GROWTH if options.quick else GROWTH:
        layer = eq.Linear("S(n)", f"16x{k}", f"16x{lo}", bias=False, device=options.device)
        inputs = {str(n): torch.randn(1, *[n] * k, 16, device=options.device) for n in sizes}
        times = interleaved({n: forward(layer, x) for n, x in inputs.items()}, options.repeat, device=options.device)
        seconds = [min(times[str(n)]) for n in sizes]
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
        "median_factor_off": round(math.exp(statistics.median(abs(math.log(value)) for value in predicted)), 2),
        "predicted_over_measured": {row["case"]: round(value, 2) for row, value in zip(listed, predicted, strict=True)},
    }


@contextmanager
def _compiler_cache() -> Iterator[None]:
    """A cache of torch.compile that is ours alone: nothing is there yet, and nobody else empties it meanwhile."""
    name = "TORCHINDUCTOR_CACHE_DIR"
    before = os.environ.get(name)
    with tempfile.TemporaryDirectory() as folder:
        os.environ[name] = folder
        try:
            yield
        finally:
            del os.environ[name]
            if before is not None:
                os.environ[name] = before


def about(options: Options) -> str:
    """What was measured with."""
    return f"float32, {machine_of(options.device)}, torch {torch.__version__}, medians of {options.repeat} runs"


def run(options: Options) -> dict[str, Any]:
    """Measure everything that was asked for."""
    warnings.simplefilter("ignore")  # of third parties, about each other
    torch.set_num_threads(1)
    torch.manual_seed(0)
    chosen = [case for case in (QUICK_CASES if options.quick else CASES) if options.cases in str(case)]
    rows = []
    with _compiler_cache():
        for case in chosen:
            start = time.perf_counter()
            rows.append(measure(case, options))
            shown = rows[-1]["ratios"]["ours / limit"]["value"]
            took = time.perf_counter() - start
            print(f"{case}: {shown} of the limit ({took:.0f} s)", file=sys.stderr, flush=True)
    whole = not options.cases
    small = small_shapes(options) if whole else []
    return {
        "about": about(options),
        "options": asdict(options),
        "cases": rows,
        "growth": growth(options) if whole else [],
        "small": small,
        "cost_model": price([*rows, *small]) if rows or small else {"predicted_over_measured": {}},
    }
