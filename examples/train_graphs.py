"""Graphs: a number, a value for each node and a value for each pair of nodes, learnt at once from small graphs.

usage: python examples/train_graphs.py [--short] [--seeds N] [--out FOLDER] [--force]

The graphs are the connected ones of networkx's atlas of all graphs of up to 7 nodes. From the adjacency matrix a
network predicts

    triangles      a number: the share of all triples of nodes that are triangles
    betweenness    for each node: the share of shortest paths between other nodes on which it lies
    resistance     for each pair of nodes: between them, when every edge is a wire of 1 ohm

Networks of S(n) keep tensors of order 2 (pairs of nodes), or of order 3, and one set of weights serves all sizes.
Order 2 tells apart no more graphs than the colours of Weisfeiler and Leman do, so that it cannot count triangles: it
sees no difference between the prism, which has two, and K(3,3), which has none (Chen et al., Can Graph Neural Networks
Count Substructures?, arXiv 2002.04025). Order 3 can. The other network is a perceptron that reads the adjacency matrix,
padded to 7 x 7, and writes all outputs at once.

First graphs of all sizes are trained on, and tested on others and on twins: pairs of graphs with equal colours, none of
which was in training. Then those of up to 6 nodes only are trained on, and tested on those of 7.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from typing import Any

import networkx as nx
import numpy as np
import torch
from torch import Tensor, nn

import eqsynth as eq
from training import Baseline, Budget, Contender, Data, Found, Task, main, parameters, width_for

LARGEST = 7
OUTPUTS = ("triangles", "betweenness", "resistance")
HEAD = "1x0 + 1x1 + 1x2"  # in the order of OUTPUTS
CHANNELS = 6  # of order 3
RATES = 3e-3, 1e-2
PAIRS = torch.triu_indices(LARGEST, LARGEST, 1)


# --- the data ---------------------------------------------------------------------------------------------


def measured(graph: nx.Graph) -> tuple[np.ndarray, float, np.ndarray, np.ndarray]:
    """Adjacency matrix, share of triangles, betweenness of each node, resistance between each two."""
    n, adjacency = len(graph), nx.to_numpy_array(graph)
    triangles = np.trace(adjacency @ adjacency @ adjacency) / max(1, n * (n - 1) * (n - 2))
    betweenness = nx.betweenness_centrality(graph)
    inverse = np.linalg.pinv(np.diag(adjacency.sum(0)) - adjacency)
    own = np.diag(inverse)
    resistance = own[:, None] + own - 2 * inverse
    np.fill_diagonal(resistance, np.nan)  # of a node with itself there is nothing to learn
    return adjacency, triangles, np.array([betweenness[node] for node in graph]), resistance


def colours(graph: nx.Graph, table: dict[Any, int]) -> tuple[int, ...]:
    """What Weisfeiler and Leman's refinement sees; ``table`` gives the same number to the same colour in all graphs."""
    colour = dict.fromkeys(graph, 0)
    for _ in graph:
        seen = {node: (colour[node], *sorted(colour[other] for other in graph[node])) for node in graph}
        colour = {node: table.setdefault(seen[node], len(table) + 1) for node in graph}
    return tuple(sorted(colour.values()))


def tensors(graphs: Sequence[nx.Graph], generator: np.random.Generator) -> Data:
    """Graphs padded to 7 nodes, their nodes in random order; what is padding in targets is NaN."""
    columns: list[list[Tensor]] = [[] for _ in range(5)]
    for graph in graphs:
        n, order = len(graph), generator.permutation(len(graph))
        adjacency, triangles, betweenness, resistance = measured(graph)
        filled = np.zeros((LARGEST, LARGEST)), np.full(LARGEST, np.nan), np.full((LARGEST, LARGEST), np.nan)
        filled[0][:n, :n] = adjacency[order][:, order]
        filled[1][:n] = betweenness[order]
        filled[2][:n, :n] = resistance[order][:, order]
        row = (filled[0][..., None], n, [triangles], filled[1][:, None], filled[2][..., None])
        for column, value in zip(columns, row, strict=True):
            column.append(torch.tensor(value, dtype=torch.int64 if isinstance(value, int) else torch.float32))
    adjacencies, sizes, *targets = (torch.stack(column) for column in columns)
    return Data((adjacencies, sizes), tuple(targets))


@cache
def atlas() -> tuple[Data, Data]:
    """Every connected graph of 2 to 7 nodes: those that colours tell apart, in random order, and twins, in pairs."""
    generator, table = np.random.default_rng(0), dict[Any, int]()
    groups: dict[tuple[int, ...], list[nx.Graph]] = {}
    for graph in nx.graph_atlas_g():
        if len(graph) > 1 and nx.is_connected(graph):
            groups.setdefault(colours(graph, table), []).append(graph)
    single = [group[0] for group in groups.values() if len(group) == 1]
    twins = [graph for group in groups.values() if len(group) > 1 for graph in group]
    shuffled = [single[place] for place in generator.permutation(len(single))]
    return tensors(shuffled, generator), tensors(twins, generator)


def relabelled(data: Data, generator: torch.Generator) -> Data:
    """Nodes in random order; padding moves too, so that every input of the perceptron is trained."""
    (adjacency, sizes), (number, nodes, pairs) = data.inputs, data.targets
    order = torch.rand(len(data), LARGEST, generator=generator).argsort(1)
    graph = torch.arange(len(data)).reshape(-1, 1, 1)
    rows, columns = order.unsqueeze(2), order.unsqueeze(1)
    moved = adjacency[graph, rows, columns], nodes[graph[..., 0], order], pairs[graph, rows, columns]
    return Data((moved[0], sizes), (number, moved[1], moved[2]))


# --- the networks -----------------------------------------------------------------------------------------


def order_two(channels: int) -> nn.Module:
    """Layers between pairs of nodes."""
    hidden = [f"{channels}x2"] * 3
    return eq.nn.Padded(eq.nn.MLP("S(n)", ["1x2", *hidden, HEAD], normalization="mean"))


def order_three(channels: int) -> nn.Module:
    """Layers between triples of nodes."""
    hidden = [f"{channels}x3"] * 2
    return eq.nn.Padded(eq.nn.MLP("S(n)", ["1x2", *hidden, HEAD], normalization="mean"))


class Perceptron(nn.Module):
    """Reads the entries above the diagonal of a padded adjacency matrix and writes all outputs."""

    def __init__(self, width: int) -> None:
        super().__init__()
        entries = PAIRS.shape[1]
        inner = nn.Linear(entries, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()
        self.layers = nn.Sequential(*inner, nn.Linear(width, 1 + LARGEST + entries))

    def forward(self, adjacency: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # noqa: ARG002 - as the others
        """A number, a value for each node, a value for each pair."""
        y: Tensor = self.layers(adjacency[:, PAIRS[0], PAIRS[1], 0])
        number, nodes, above = y.tensor_split((1, 1 + LARGEST), -1)
        pairs = y.new_zeros(len(y), LARGEST, LARGEST)
        pairs[:, PAIRS[0], PAIRS[1]] = pairs[:, PAIRS[1], PAIRS[0]] = above
        return number, nodes.unsqueeze(-1), pairs.unsqueeze(-1)


def contenders() -> list[Contender]:
    """Of equal size: as wide as it takes."""
    triples = partial(order_three, CHANNELS)
    count = parameters(triples())  # channels are whole numbers, and 203 maps 3 -> 3 make large steps: others follow
    pairs, plain = (partial(build, width_for(build, count)) for build in (order_two, Perceptron))
    return [
        Contender("S(n), order 2", pairs, equivariant=True),
        Contender("S(n), order 3", triples, equivariant=True),
        Contender("perceptron", plain),
        Contender("perceptron, relabelled", plain, augment=relabelled),
    ]


# --- the comparisons --------------------------------------------------------------------------------------


def all_sizes(short: bool) -> tuple[Task, Sequence[Contender], Sequence[Baseline], Budget]:
    """Graphs of 4 to 7 nodes, in training and in the test."""
    data, twins = atlas()
    # The three smaller ones, all triangle or none, would outweigh all others where they are chosen by.
    data = data.take(data.inputs[1] > 3)
    task = Task(
        "graphs", "Graphs: a number, nodes and pairs of nodes at once", OUTPUTS,
        data.take(slice(512)), data.take(slice(512, 612)), {"others": data.take(slice(612, None)), "twins": twins},
    )  # fmt: skip
    budget = Budget((512,), 40, 32, (1e-2,), checks=2) if short else Budget((32, 128, 512), 750, 32, RATES)
    return task, contenders(), [], budget


def larger(short: bool) -> tuple[Task, Sequence[Contender], Sequence[Baseline], Budget]:
    """Graphs of up to 6 nodes in training, of 7 in the test."""
    data, _ = atlas()
    small, large = (data.take(torch.nonzero((data.inputs[1] < LARGEST) == side)[:, 0]) for side in (True, False))
    task = Task(
        "larger_graphs", "Graphs larger than any in training", OUTPUTS,
        small.take(slice(106)), small.take(slice(106, None)), {"7 nodes": large},
    )  # fmt: skip
    return (
        task,
        contenders(),
        [],
        Budget((106,), 40, 32, (1e-2,), checks=2) if short else Budget((106,), 500, 32, RATES),
    )


@torch.no_grad()
def checks(found: Found) -> dict[str, float]:
    """What the networks see of twins, and whether relabelling changes anything."""
    noticed: dict[str, float] = {}
    data, twins = atlas()
    pairs = twins.targets[0].reshape(-1, 2)
    raw = found.report.raw["twins"][0] or 1.0
    floor = (pairs - pairs.mean(1, keepdim=True)).square().mean().sqrt().item()
    noticed["least error for triangles of twins that a network of order 2 can have"] = floor / raw
    for name, model in found.models.items():
        number = model(*twins.inputs)[0].reshape(-1, 2)
        noticed[f"largest difference in triangles that it sees between twins, {name}"] = _largest(number.diff(dim=1))
    whole = data.take(data.inputs[1] == LARGEST)
    order = torch.randperm(LARGEST, generator=torch.Generator().manual_seed(0))
    for name, model in found.models.items():
        number, nodes, pairs = model(*whole.inputs)
        moved = model(whole.inputs[0][:, order][:, :, order], whole.inputs[1])
        meant = number, nodes[:, order], pairs[:, order][:, :, order]
        worst = max(_largest(a - b) for a, b in zip(moved, meant, strict=True))
        noticed[f"largest change by relabelling the nodes of graphs, {name}"] = worst
    return noticed


def _largest(difference: Tensor) -> float:
    return difference.abs().max().item()


if __name__ == "__main__":
    main("Learn three quantities of graphs.", all_sizes, checks)
    print()
    main("Learn them from graphs of up to 6 nodes.", larger)
