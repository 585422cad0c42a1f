"""Sizes: train on graphs of 50 nodes, and test on graphs of up to 400.

usage: python examples/train_sizes.py [--short] [--seeds N] [--out FOLDER] [--force]

The graphs are dense: nodes of three kinds, and for each two kinds a probability that nodes of them are joined, drawn
for each graph anew. Each node has a number, Gaussian around one for its kind. From the adjacency matrix and these
numbers x a network predicts

    triangles   a number: the share of triples of nodes that are triangles, sum of A_ij A_jk A_ki / n^3
    weighted    for each node: the same with numbers, sum over j, k of A_ij A_jk A_ki x_j x_k / n^2

Both are functions of the graphon that the graph is a sample of, up to chance: they mean the same at every n. (After
Levin et al., On transferring transferability, arXiv 2505.23599, which trains on 50 nodes and tests on up to 2,000.)

All networks have layers of S(n) between pairs of nodes and nodes, n a letter, and differ in which maps these have, and
by what sums are divided. `transfer="repeat"` keeps the maps that mean the same at every size: those that commute with
repeating each node. The cube of the share of edges is what a graph without structure would have for triangles.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn

import eqsynth as eq
from training import Baseline, Budget, Contender, Data, Found, Task, main, parameters, width_for

SMALL, LARGE = 50, (50, 100, 200, 400)
OUTPUTS = ("triangles", "weighted")
KINDS = 3
WIDTH = 8
SHORT = Budget((100,), 25, 16, (1e-2,), checks=1)
STEPS, RATES = 300, (3e-3, 1e-2)


# --- the data ---------------------------------------------------------------------------------------------


def answers(a: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """The share of triangles (count, 1) and weighted triangles at each node (count, n, 1), for A (count, n, n)."""
    n = a.shape[1]
    triangles = (a @ a * a).sum((1, 2)).unsqueeze(1) / n**3
    weighted = a * x.mT
    return triangles, (weighted @ a * weighted).sum(2, keepdim=True) / n**2


@cache
def graphs(count: int, n: int, seed: int) -> Data:
    """Adjacency matrices (n, n, 1) and numbers of nodes (n, 1); targets: triangles (1), weighted triangles (n, 1)."""
    generator = torch.Generator().manual_seed(seed)
    draw, uniform = partial(torch.randn, generator=generator), partial(torch.rand, generator=generator)
    chances = 0.1 + 0.8 * uniform(count, KINDS, KINDS)
    chances = torch.triu(chances) + torch.triu(chances, 1).mT
    means = draw(count, KINDS)
    kinds = torch.randint(KINDS, (count, n), generator=generator)
    graph = torch.arange(count).reshape(-1, 1, 1)
    joined = uniform(count, n, n) < chances[graph, kinds.unsqueeze(2), kinds.unsqueeze(1)]
    a = torch.triu(joined.float(), 1)
    a = a + a.mT
    x = (means.gather(1, kinds) + 0.5 * draw(count, n)).unsqueeze(2)
    return Data((a.unsqueeze(3), x), answers(a, x))


def average(data: Data) -> Callable[..., tuple[Tensor, ...]]:
    """The same number for all graphs, and for all nodes, however many there are."""
    number, node = (target.mean() for target in data.targets)
    return lambda a, x: (number.expand(len(a), 1), node.expand(x.shape))


def edges_cubed(_data: Data) -> Callable[..., Any]:
    """Triangles as if all pairs of nodes had the same chance of an edge; nothing for nodes."""
    return lambda a, x: (a.mean((1, 2)) ** 3, None)


# --- the networks -----------------------------------------------------------------------------------------


class Network(nn.Module):
    """Layers of S(n) between symmetric pairs of nodes, and nodes."""

    def __init__(self, width: int, **options: Any) -> None:
        super().__init__()
        hidden = f"{width}xS2 + {width}x1"
        self.layers = eq.nn.MLP("S(n)", ["1xS2 + 1x1", hidden, hidden, "1x0 + 1x1"], activation="silu", **options)

    def forward(self, a: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """Adjacency matrices (count, n, n, 1) and numbers (count, n, 1) to a number each, and one for each node."""
        number, nodes = self.layers((a, x))
        return number, nodes


WAYS: dict[str, dict[str, Any]] = {
    "maps that transfer, means": {"transfer": "repeat"},
    "all maps, means": {"normalization": "mean"},
    "all maps, variances kept": {"normalization": "variance"},
    "maps that transfer by padding, sums": {"transfer": "pad"},
}


def contenders() -> list[Contender]:
    """Of equal size: fewer maps, more channels."""
    count = parameters(Network(WIDTH, **WAYS["all maps, means"]))
    made = []
    for name, options in WAYS.items():
        build = partial(_network, options)
        made.append(Contender(name, partial(build, width_for(build, count)), equivariant=True))
    return made


def _network(options: dict[str, Any], width: int) -> Network:
    return Network(width, **options)


# --- the comparison ---------------------------------------------------------------------------------------


def sizes(short: bool) -> tuple[Task, Sequence[Contender], Sequence[Baseline], Budget]:
    """Trained at n = 50, tested at larger n; fewer graphs of the largest sizes."""
    tests = {
        f"n = {n}": graphs(10 if short else min(200, 2_000_000 // n**2), n, 10 + n)
        for n in (LARGE[:2] if short else LARGE)
    }
    budget = SHORT if short else Budget((1000,), STEPS, 16, RATES, checks=2)
    task = Task(
        "sizes", "Graphs of 50 nodes in training, of up to 400 in the test", OUTPUTS,
        graphs(budget.sizes[-1], SMALL, 1), graphs(20 if short else 200, SMALL, 2), tests,
        average=average, along="n",
    )  # fmt: skip
    return task, contenders(), [Baseline("edges cubed", edges_cubed)], budget


@torch.no_grad()
def checks(found: Found) -> dict[str, float]:
    """Whether each network gives the same for a graph of 400 nodes, each of 50 eight times."""
    noticed = {}
    a, x = graphs(3, SMALL, 3).inputs
    many = a.repeat_interleave(8, 1).repeat_interleave(8, 2), x.repeat_interleave(8, 1)
    for name, model in found.models.items():
        pairs = zip(model(*many), model(a, x), strict=True)
        changes = [(y if y.ndim == 2 else y[:, ::8]) - z for y, z in pairs]
        worst = max((d.abs().max() / t.std()).item() for d, t in zip(changes, graphs(3, SMALL, 3).targets, strict=True))
        noticed[f"largest change, in units of the spread, where each node stands there eight times, {name}"] = worst
    return noticed


if __name__ == "__main__":
    main("Learn two quantities of graphs of 50 nodes, and try them on larger ones.", sizes, checks)
