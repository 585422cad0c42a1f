"""Batches of graphs with few edges: eq.nn.Sparse against the same layer on padded dense tensors, and pelican-lite."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

import eqsynth as eq
from benchmarks.layers import Options
from benchmarks.measuring import interleaved, peak_bytes, ratio
from benchmarks.tables import table, write

SPACE, CHANNELS = "16x2 + 16x1", 16
#: Name, the smallest and the largest number of nodes, graphs, edges for each node, whether n x n fits.
CASES = (
    ("32 molecules", 15, 29, 32, 2, True),
    ("128 molecules", 15, 29, 128, 2, True),
    ("32 dense graphs of 25 nodes", 25, 25, 32, 40, True),
    ("32 graphs of 50 to 100 nodes", 50, 100, 32, 4, True),
    ("8 graphs of 200 nodes", 200, 200, 8, 6, True),
    ("4 graphs of 500 nodes", 500, 500, 4, 6, True),
    ("a graph of 1,000 nodes", 1000, 1000, 1, 10, True),
    ("a graph of 200,000 nodes", 200_000, 200_000, 1, 10, False),
)
QUICK = 1000


def batch_of(low: int, high: int, graphs: int, degree: int, device: str = "cpu") -> Any:
    """Random graphs with as many edges in each direction, and random values, as a batch of PyTorch Geometric."""
    make = torch.Generator().manual_seed(0)
    sizes = torch.randint(low, high + 1, (graphs,), generator=make)
    graph = torch.repeat_interleave(sizes)
    tail = torch.randint(len(graph), (len(graph) * degree // 2,), generator=make)
    starts = sizes.cumsum(0) - sizes
    far = torch.rand(len(tail), generator=make, dtype=torch.float64) * sizes[graph[tail]]
    head = starts[graph[tail]] + far.long()
    index = torch.cat((torch.stack((tail, head)), torch.stack((head, tail))), 1)
    index = torch.unique(index, dim=1)
    values = [torch.randn(count, CHANNELS, generator=make) for count in (index.shape[1], len(graph))]
    parts = {"edge_index": index, "edge_attr": values[0], "x": values[1], "batch": graph}
    return SimpleNamespace(**{name: part.to(device) for name, part in parts.items()})


def contenders(batch: Any, fits: bool) -> dict[str, Callable[[], Sequence[torch.Tensor]]]:
    """Forward calls that give edges and nodes: on entries, and where it fits on padded tensors."""
    layer = eq.Linear("S(n)", SPACE, SPACE, device=batch.x.device)
    sparse, padded = eq.nn.Sparse(layer), eq.nn.Padded(layer)
    edges, nodes, graph = eq.nn.from_pyg(batch, sparse=True)
    leaves = [edges[1].requires_grad_(), nodes.requires_grad_()]

    def entries() -> Sequence[torch.Tensor]:
        (_, y), x = sparse(((edges[0], leaves[0]), leaves[1]), graph)
        return y, x

    if not fits:
        return {"sparse": entries}
    wide, x_wide, sizes = eq.nn.from_pyg(batch)
    inputs = wide.detach().requires_grad_(), x_wide.detach().requires_grad_()

    def dense() -> Sequence[torch.Tensor]:
        y, x = padded(inputs, sizes)
        return y, x

    y, x = dense()
    back = eq.nn.to_pyg(y, x, sizes, edges[0])
    for ours, theirs in zip(entries(), (back.edge_attr, back.x), strict=True):
        if not torch.allclose(ours, theirs, atol=1e-3, rtol=1e-3):
            raise ValueError("the sparse layer and the padded one do not give the same")
    return {"sparse": entries, "padded": dense}


def edges_alone(batch: Any, peers: bool) -> dict[str, Callable[[], Sequence[torch.Tensor]]]:
    """Forward calls from edges and loops to edges and loops, 15 maps: ours, and pelican-lite's where it is installed.

    pelican-lite scales maps in another way, so that weights do not mean the same and results are not compared.
    """
    loops = torch.arange(len(batch.x), device=batch.x.device).expand(2, -1)
    index = torch.cat((batch.edge_index, loops), 1)
    values = torch.cat((batch.edge_attr, batch.x)).requires_grad_()
    device = values.device
    sparse = eq.nn.Sparse(eq.Linear("S(n)", f"{CHANNELS}x2", f"{CHANNELS}x2", bias=False, device=device))
    calls: dict[str, Callable[[], Sequence[torch.Tensor]]] = {
        "edges": lambda: [sparse((index, values), batch.batch)[1]]
    }
    try:
        from pelican.layers import Aggregator2to2
    except ImportError:
        return calls
    if peers:
        module = Aggregator2to2(CHANNELS, CHANNELS, aggr="sum").to(device)
        calls["pelican"] = lambda: [module(values, index, batch.batch)]
    return calls


def run(options: Options, folder: Path | None = None) -> int:
    """Measure every case, print and write the table; 1 where results differ."""
    rows, repeat, device = [], options.repeat, options.device
    torch.set_num_threads(1)
    for name, low, high, graphs, degree, fits in CASES:
        if options.cases not in name or (options.quick and low * graphs > QUICK):
            continue
        batch = batch_of(low, high, graphs, degree, device)
        try:
            calls = contenders(batch, fits) | edges_alone(batch, options.peers)
        except ValueError as error:
            print(f"{name}: {error}", file=sys.stderr)
            return 1
        with torch.no_grad():
            forward = interleaved(calls, repeat, device=device)
        both = {what: partial(_backward, call) for what, call in calls.items()}
        trained = interleaved(both, repeat, device=device)
        rows.append(
            _row(name, batch, forward, trained, {what: peak_bytes(call, device) for what, call in both.items()})
        )
    head = ("batch", "nodes", "edges", "forward, ms", "with backward, ms", "memory, MB", "padded / sparse: forward",
            "with backward", "memory", "2 -> 2 alone: forward, ms", "pelican-lite / ours: forward",
            "with backward")  # fmt: skip
    lines = table(head, rows)
    print("\n".join(lines))
    if folder:
        about = [
            f"The layer is S(n): {SPACE} -> {SPACE}, as `eq.nn.Sparse(layer)` on edges and nodes, and as",
            "`eq.nn.Padded(layer)` on padded dense tensors; both are seen to give the same before they are measured.",
            "Memory is the most that is held at once in a forward and backward pass, beyond the input. The time to",
            "make dense tensors of the graphs is not counted. Random graphs, edges in both directions.",
            "The last columns are of a layer 2 -> 2 with its 15 maps on edges and loops, ours and that of pelican-lite",
            "where it is installed (`pip install .[bench]`): 15 aggregates side by side, then one matrix product.",
        ]
        write(folder, "graphs", "Batches of sparse graphs", about, lines, rows, repeat, device)
    return 0


def _backward(call: Callable[[], Sequence[torch.Tensor]]) -> None:
    torch.cat([y.flatten() for y in call()]).sum().backward()  # type: ignore[no-untyped-call]


def _row(name: str, batch: Any, forward: Any, trained: Any, peaks: dict[str, int]) -> dict[str, object]:
    def shown(value: float | None) -> float | None:
        return None if value is None else round(value, 1)

    return {
        "batch": name,
        "nodes": len(batch.x),
        "edges": len(batch.edge_attr),
        "forward_ms": shown(statistics.median(forward["sparse"]) * 1e3),
        "backward_ms": shown(statistics.median(trained["sparse"]) * 1e3),
        "memory_mb": shown(peaks["sparse"] / 1e6),
        "forward_ratio": shown(ratio(forward, "padded", "sparse")),
        "backward_ratio": shown(ratio(trained, "padded", "sparse")),
        "memory_ratio": shown(peaks["padded"] / peaks["sparse"] if "padded" in peaks else None),
        "edges_ms": shown(statistics.median(forward["edges"]) * 1e3),
        "pelican_forward_ratio": shown(ratio(forward, "pelican", "edges")),
        "pelican_backward_ratio": shown(ratio(trained, "pelican", "edges")),
    }
