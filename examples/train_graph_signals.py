"""Signals on a graph: a frustrated magnet on the icosahedron.

usage: python examples/train_graph_signals.py [--short] [--seeds N] [--out FOLDER] [--force]

At each of the 12 corners of an icosahedron sits a spin, up or down. Two that are joined by an edge would rather be
opposed, but in a triangle only two of the three pairs can be: the magnet is frustrated. A magnetic field, a number at
each corner, pulls at the spins. From the fields a network predicts

    magnetisation    for each corner: how far its spin is up on average, in thermal equilibrium
    free energy      a number, counted from that without fields

which are known exactly, by a sum over all 4096 states. Turn or reflect the icosahedron, and fields and magnetisations
are turned alike; the free energy stays. These 120 symmetries are `Aut(icosahedron)`.

Beside its layers are those of S(12), which take all corners for alike and cannot know which are joined; a graph
convolution written by hand, which knows the edges and is equivariant too, but has two maps where Aut(icosahedron) has
four; and perceptrons.

A second comparison breaks the symmetry: the spin at corner 0 is held by a field that no network is told of. Now
Aut(icosahedron) is too much: it must treat all corners alike. The symmetries of the icosahedron with corner 0 in a
colour of its own, 10 of them, are right again.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial

import torch
from torch import Tensor, nn

import eqsynth as eq
from eqsynth.graphs import Graph
from training import Baseline, Budget, Contender, Data, Found, Task, main, parameters, width_for

GRAPH = Graph.named("icosahedron")
N = GRAPH.n
ADJACENCY = torch.from_numpy(GRAPH.adjacency()).float()
DEFECT = 3.0  # the field that holds corner 0
WARMTH = 1.5  # temperature, in units of the coupling
CHANNELS, MARKED_CHANNELS, LAYERS = 24, 11, 3
SHORT = Budget((256,), 60, 64, (1e-2,), checks=1)


# --- the data ---------------------------------------------------------------------------------------------


def answers(fields: Tensor, defect: float = 0) -> tuple[Tensor, Tensor]:
    """Fields (count, 12) to magnetisations (count, 12) and free energies (count, 1), 0 without fields: exact sums."""
    states = 1.0 - 2 * ((torch.arange(2**N).unsqueeze(1) >> torch.arange(N)) & 1)
    coupled = ((states @ ADJACENCY) * states).sum(1) / 2
    pulled = torch.cat((fields, torch.zeros(1, N))) + defect * torch.eye(N)[0]
    exponents = -(coupled - pulled @ states.T) / WARMTH
    energies = -WARMTH * exponents.logsumexp(-1, keepdim=True)
    return (exponents.softmax(-1) @ states)[:-1], energies[:-1] - energies[-1]


def magnets(count: int, seed: int, defect: float = 0) -> Data:
    """Random fields (12, 1); targets: magnetisations (12, 1), free energy (1)."""
    fields = torch.randn(count, N, generator=torch.Generator().manual_seed(seed))
    magnetisation, energy = answers(fields, defect)
    return Data((fields.unsqueeze(-1),), (magnetisation.unsqueeze(-1), energy))


@cache
def symmetries() -> Tensor:
    """All 120 permutations of the corners, as products of the generators of the group."""
    found, new = {tuple(range(N))}, [tuple(range(N))]
    while new:
        new = [tuple(g[i] for i in p) for p in new for g in GRAPH.automorphisms()]
        new = [p for p in dict.fromkeys(new) if p not in found]
        found.update(new)
    return torch.tensor(sorted(found))


def turned(data: Data, generator: torch.Generator) -> Data:
    """Each sample turned or reflected at random."""
    chosen = symmetries()[torch.randint(len(symmetries()), (len(data),), generator=generator)]
    (fields,), (magnetisation, energy) = data.inputs, data.targets
    sample = torch.arange(len(data)).unsqueeze(1)
    return Data((fields[sample, chosen],), (magnetisation[sample, chosen], energy))


# --- the networks -----------------------------------------------------------------------------------------


def equivariant(group: str | eq.Group, channels: int) -> nn.Module:
    """Linear layers of a group, with relu between them."""
    # Means, since after relu all numbers are positive, and sums of these grow from layer to layer.
    return eq.nn.MLP(group, ["1x1", *[f"{channels}x1"] * LAYERS, "1x1 + 1x0"], normalization="mean")


class Convolution(nn.Module):
    """A graph convolution by hand: a matrix for each corner itself, one for the sum of its neighbours."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.itself = nn.Linear(channels_in, channels_out)
        self.neighbours = nn.Linear(channels_in, channels_out, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Each corner has 5 neighbours."""
        y: Tensor = self.itself(x) + self.neighbours(ADJACENCY @ x) / 5**0.5
        return y


class Convolutions(nn.Module):
    """As many layers as the others, then a number for each corner and the sum of numbers for the whole."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner: list[nn.Module] = [Convolution(1, channels), nn.ReLU()]
        for _ in range(LAYERS - 1):
            inner += [Convolution(channels, channels), nn.ReLU()]
        self.inner = nn.Sequential(*inner)
        self.corner, self.whole = Convolution(channels, 1), nn.Linear(channels, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Magnetisations (12, 1), free energy (1)."""
        x = self.inner(x)
        return self.corner(x), self.whole(x.sum(1) / N**0.5)


class Perceptron(nn.Module):
    """Reads all fields and writes everything."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = nn.Linear(N, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()
        self.layers = nn.Sequential(*inner, nn.Linear(width, N + 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """As Convolutions."""
        y: Tensor = self.layers(x[..., 0])
        return y[:, :N].unsqueeze(-1), y[:, N:]


def contenders(count: int) -> dict[str, Contender]:
    """Of equal size: as wide as it takes."""
    groups: dict[str, str | eq.Group] = {"Aut(icosahedron)": eq.Aut(GRAPH), f"S({N})": f"S({N})"}
    found: dict[str, Contender] = {}
    for name, group in groups.items():
        build = partial(equivariant, group)
        found[name] = Contender(name, partial(build, width_for(build, count, 64)), equivariant=True)
    name, plain = "graph convolutions", partial(Perceptron, width_for(Perceptron, count))
    found[name] = Contender(name, partial(Convolutions, width_for(Convolutions, count)), equivariant=True)
    found["perceptron"] = Contender("perceptron", plain)
    found["turned"] = Contender("perceptron, turned", plain, augment=turned)
    return found


def marked() -> Contender:
    """The symmetries that leave corner 0 where it is."""
    group = eq.Aut(Graph(N, GRAPH.edges, colours=(1,) + (0,) * (N - 1)))
    return Contender("Aut(corner 0 marked)", partial(equivariant, group, MARKED_CHANNELS), equivariant=True)


# --- the comparisons --------------------------------------------------------------------------------------


def symmetric(short: bool) -> tuple[Task, Sequence[Contender], Sequence[Baseline], Budget]:
    """All corners alike."""
    task = Task(
        "graph_signals", "A frustrated magnet on the icosahedron", ("magnetisation", "free energy"),
        magnets(1024, 0), magnets(256, 1), {"other fields": magnets(200 if short else 1000, 2)},
    )  # fmt: skip
    budget = SHORT if short else Budget((32, 128, 1024), 600, 64, (3e-3, 1e-2))
    return task, list(contenders(parameters(equivariant(eq.Aut(GRAPH), CHANNELS))).values()), [], budget


def held(short: bool) -> tuple[Task, Sequence[Contender], Sequence[Baseline], Budget]:
    """Corner 0 held by a field that is the same in all samples, and no input."""
    task = Task(
        "graph_signals_defect", "The same magnet, held at one corner", ("magnetisation", "free energy"),
        magnets(1024, 0, DEFECT), magnets(256, 1, DEFECT), {"other fields": magnets(200 if short else 1000, 2, DEFECT)},
    )  # fmt: skip
    others = contenders(parameters(marked().build()))
    chosen = [others[name] for name in ("Aut(icosahedron)", "graph convolutions", "perceptron")]
    budget = SHORT if short else Budget((128, 1024), 600, 64, (1e-2,))
    return task, [marked(), *chosen], [], budget


@torch.no_grad()
def checks(found: Found) -> dict[str, float]:
    """What turning the icosahedron changes."""
    data = magnets(20, 3)
    noticed = {}
    for name, model in found.models.items():
        magnetisation, energy = model(*data.inputs)
        worst = 0.0
        for p in symmetries():
            other, same = model(data.inputs[0][:, p])
            worst = max(worst, (other - magnetisation[:, p]).abs().max().item(), (same - energy).abs().max().item())
        noticed[f"largest change by any of the 120 symmetries, {name}"] = worst
    return noticed


if __name__ == "__main__":
    main("Learn how a frustrated magnet answers to fields.", symmetric, checks)
    print()
    main("Learn it for a magnet that is held at one corner.", held)
