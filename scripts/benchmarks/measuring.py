"""Interleaved timing, peak memory of a call, calls of torch operators, and the fits over all cases."""

from __future__ import annotations

import ctypes
import gc
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode

#: A measurement lasts at least this long, in seconds: short runs are repeated within it.
LEAST = 0.01
#: Settings of malloc: blocks above the first are mapped, what is free at the end above the second is given back.
M_MMAP_THRESHOLD, M_TRIM_THRESHOLD = -3, -1
#: What a clock can tell, in seconds.
SHORTEST = 1e-7
#: Seconds that a contender may take in all; at least two measurements are made.
BUDGET = 4.0
#: From this many seconds on, a call is not repeated where once will do.
SLOW = 1.0

Runs = Mapping[str, Callable[[], object]]


def keep_memory() -> None:
    """From here on the C library keeps memory that is freed, where it is that of GNU.

    Else outputs of 1 to 30 MB may be mapped anew in each call, and their page faults take longer than all else.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    for parameter in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD):
        mallopt(parameter, 1 << 30)


def _nothing() -> None:
    """CPUs are not waited for."""


def wait_for(device: str) -> Callable[[], None]:
    """Waits until all that was asked of a device is done."""
    return torch.cuda.synchronize if device == "cuda" else _nothing


def interleaved(runs: Runs, repeat: int, least: float = LEAST, device: str = "cpu") -> dict[str, list[float]]:
    """Seconds per call of each run, ``repeat`` measurements (fewer of slow ones), one of each in turn.

    On CPUs these are seconds of CPU time, which others on the machine change least; GPUs are waited for.

    Before each measurement a run has a call that does not count, slow ones excepted. Whatever ran before has left the
    caches warm for runs that use the same memory and cold for others: the same layer twice differed by 5 percent.
    """
    inner, rounds, fast = {}, {}, {}
    wait, clock = wait_for(device), time.process_time if device == "cpu" else time.perf_counter
    gc.collect()
    for name, run in runs.items():
        took = _once(run, wait, clock)
        if took < SLOW:
            took = _once(run, wait, clock)  # the first call may have set things up
        inner[name] = max(1, round(least / took))
        fast[name] = took < SLOW
        rounds[name] = max(2, min(repeat, int(BUDGET / (took * inner[name]))))
    times: dict[str, list[float]] = {name: [] for name in runs}
    gc.disable()  # collections would fall on one contender or another by chance
    try:
        for turn in range(repeat):
            for name, run in runs.items():
                if turn < rounds[name]:
                    if fast[name]:
                        run()
                    wait()
                    start = clock()
                    for _ in range(inner[name]):
                        run()
                    wait()
                    times[name].append(max(clock() - start, SHORTEST) / inner[name])
    finally:
        gc.enable()
    return times


def _once(run: Callable[[], object], wait: Callable[[], None], clock: Callable[[], float]) -> float:
    start = clock()
    run()
    wait()
    return max(clock() - start, SHORTEST)


def ratio(times: Mapping[str, Sequence[float]], one: str, other: str) -> float | None:
    """The median over rounds of time of one / time of other, measured next to each other; None where one is missing."""
    if one not in times or other not in times:
        return None
    return statistics.median(a / b for a, b in zip(times[one], times[other], strict=False))


def peak_bytes(run: Callable[[], object], device: str = "cpu") -> int:
    """The most memory that a call holds at once beyond what was there before, its result included, in bytes.

    A first call may set things up that stay: call once before.
    Torch's CPU allocator tells the profiler of every allocation and release inside operators; the peak is the
    largest running sum. Scratch space that a library takes from elsewhere is not seen.
    """
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        kept = run()
        torch.cuda.synchronize()
        del kept
        return torch.cuda.max_memory_allocated() - before
    with _silent(), profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        kept = run()
    del kept
    results: Any = recorded.profiler
    events = [event for event in results.kineto_results.events() if event.name() == "[memory]"]
    total = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        total += event.nbytes()
        peak = max(peak, total)
    return peak


@contextmanager
def _silent() -> Iterator[None]:
    """No standard error: the profiler writes lines there when it starts and stops, at every log level."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls += 1
        return func(*args, **(kwargs or {}))


def operator_calls(run: Callable[[], object]) -> int:
    """How many torch operators a call reaches, views included."""
    with _Counter() as counter:
        run()
    return int(counter.calls)


def slope(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """The exponent e of time ~ n^e: least squares on logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def fit_costs(features: Sequence[Sequence[float]], seconds: Sequence[float]) -> tuple[list[float], list[float]]:
    """Prices of the features, none below zero, and predicted / measured for each row.

    Least squares on relative errors. With three features every choice of which prices are zero is tried.
    """
    rows = np.asarray(features, float) / np.asarray(seconds, float)[:, None]
    count = rows.shape[1]
    best, prices = np.inf, np.zeros(count)
    for size in range(1, count + 1):
        for chosen in combinations(range(count), size):
            part = rows[:, chosen]
            widths = np.linalg.norm(part, axis=0)
            if not widths.all():
                continue
            found = np.linalg.lstsq(part / widths, np.ones(len(rows)), rcond=None)[0] / widths
            error = float(((part @ found - 1) ** 2).sum())
            if (found >= 0).all() and error < best:
                best, prices = error, np.zeros(count)
                prices[list(chosen)] = found
    return [float(price) for price in prices], [float(value) for value in rows @ prices]
