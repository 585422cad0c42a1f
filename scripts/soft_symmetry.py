"""Train networks on a task whose symmetry is broken a little: ``python scripts/soft_symmetry.py`` prints a table.

``--sampling`` prints another one: the gap of a dense layer by random elements of the group, and exactly.

Four vectors go in, one comes out. Without the field it turns with them: O(3). A field along the last axis adds a share
of a vector that always points there.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import prod

import numpy as np
import torch
from torch import nn

import eqsynth as eq
from eqsynth.families.representation import random_element
from eqsynth.spaces.space import lengths

SHARES = (0.0, 0.1, 0.5)
#: The penalty is added in every fourth step, four times: it changes slowly, and costs more than the step.
EVERY = 4
STEPS, SEEDS, EXAMPLES, VALIDATION, TEST = 600, 3, 256, 256, 2_000
#: How many random elements are drawn.
COUNTS = (1, 10, 100, 1_000)
CHANNELS = 8
HIDDEN = ["4x1", "12x1 + 12x0", "12x1 + 12x0", "1x1"]


def examples(count: int, share: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Vectors ``(count, 3, 4)`` and targets ``(count, 3, 1)``, of which ``share`` is the size of the broken part."""
    x = torch.randn(count, 3, 4)
    products = x.mT @ x
    factors = torch.stack(
        [
            torch.tanh(products[:, 1, 2]),
            2 / (1 + products[:, 3, 3]),
            torch.tanh(products[:, 0, 0] - products[:, 1, 1]),
            torch.tanh(products[:, 0, 1] - products[:, 2, 3]),
        ],
        -1,
    )
    kept = x @ factors[..., None] / 2
    field = torch.zeros(count, 3, 1)
    field[:, 2, 0] = 1.5 * torch.tanh(x[:, 2, 0] + x[:, 0, 1] * x[:, 0, 2])
    return x, kept + share * field


class Dense(nn.Module):
    """A dense layer in place of an equivariant one: between the same tensors, flattened."""

    def __init__(self, layer: eq.Linear) -> None:
        super().__init__()
        hom = layer.hom
        self.problem = hom.group, hom.space_in, hom.space_out
        ins, self.shapes = ([(*lengths(o, [3]), wide) for wide, o in space] for space in (hom.space_in, hom.space_out))
        self.linear = nn.Linear(sum(map(prod, ins)), sum(map(prod, self.shapes)))

    def forward(self, x: torch.Tensor | tuple[torch.Tensor, ...]) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """As the layer in whose place it stands."""
        terms = x if isinstance(x, tuple) else (x,)
        y = self.linear(torch.cat([term.flatten(1) for term in terms], 1))
        parts = torch.split(y, [*map(prod, self.shapes)], 1)
        shaped = [part.reshape(len(y), *shape) for part, shape in zip(parts, self.shapes, strict=True)]
        return shaped[0] if len(shaped) == 1 else tuple(shaped)

    def gap(self) -> torch.Tensor:
        """How far the weights are from those of the layer."""
        return eq.nn.equivariance_gap(self.linear, *self.problem)


def strict() -> nn.Module:
    """Linear layers, pairings of vectors and gates."""
    return eq.nn.MLP("O(3)", HIDDEN)


def dense() -> nn.Module:
    """The same with dense linear layers: where their gap is zero it commutes with O(3)."""
    return nn.Sequential(
        *[Dense(module) if isinstance(module, eq.Linear) else module for module in strict().children()]
    )


def penalised() -> nn.Module:
    """The same, begun at the nearest equivariant weights, as large as they were."""
    net = dense()
    for layer in net.children():
        if isinstance(layer, Dense):
            with torch.no_grad():
                size = layer.linear.weight.norm()
                weight = eq.nn.project_(layer.linear, *layer.problem).weight
                weight.mul_(size / weight.norm())
    return net


def perceptron() -> nn.Module:
    """A network that knows nothing of vectors."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(12, 64),
        nn.SiLU(),
        nn.Linear(64, 64),
        nn.SiLU(),
        nn.Linear(64, 3),
        nn.Unflatten(1, (3, 1)),
    )


@dataclass(frozen=True)
class Road:
    """A way to use the symmetry: how a network is made, and the rates and weights of its penalty that are tried."""

    make: Callable[[], nn.Module]
    rates: tuple[float, ...] = (0.003, 0.01)
    penalties: tuple[float, ...] = (0.0,)


ROADS = {
    "strict": Road(strict),
    "the same, dense": Road(dense),
    "dense, penalty": Road(penalised, (0.01,), (0.03, 0.3)),
    "perceptron": Road(perceptron),
    "frame average of it": Road(lambda: eq.nn.FrameAverage(perceptron(), "O(3)", "4x1", "1x1")),
    "canonical form of it": Road(lambda: eq.nn.Canonicalise(perceptron(), "O(3)", "4x1", "1x1")),
}


def error(net: nn.Module, data: tuple[torch.Tensor, torch.Tensor]) -> float:
    """The root mean square of the difference, relative to that of the targets."""
    with torch.no_grad():
        return float((net(data[0]) - data[1]).norm() / data[1].norm())


def trained(road: Road, rate: float, weight: float, seed: int, share: float, steps: int) -> tuple[float, float, float]:
    """The error on validation examples, that on test examples, and milliseconds a step."""
    torch.manual_seed(seed)
    (x, y), validation, test = (examples(count, share) for count in (EXAMPLES, VALIDATION, TEST))
    net = road.make()
    layers = [module for module in net.modules() if isinstance(module, Dense)]
    optimiser = torch.optim.Adam(net.parameters(), rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    start = time.process_time()
    for step in range(steps):
        batch = torch.randint(EXAMPLES, (64,))
        loss = (net(x[batch]) - y[batch]).square().mean()
        if weight and step % EVERY == 0:
            loss = loss + EVERY * weight * torch.stack([layer.gap() for layer in layers]).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    spent = (time.process_time() - start) / steps * 1_000
    return error(net, validation), error(net, test), spent


def compare(steps: int, seeds: int) -> None:
    """Print the table of docs/guide/soft-symmetry.md."""
    print(f"| | parameters | ms a step | {' | '.join(f'field {share:g}' for share in SHARES)} |")
    print("| --- | ---: | ---: |" + " ---: |" * len(SHARES), flush=True)
    for name, road in ROADS.items():
        cells, times = [], []
        for share in SHARES:
            tries = [(rate, weight) for rate in road.rates for weight in road.penalties]
            best = []
            for seed in range(seeds):
                runs = [trained(road, rate, weight, seed, share, steps) for rate, weight in tries]
                times += [run[2] for run in runs]
                best.append(min(runs)[1])
            best.sort()
            cells.append(f"{best[len(best) // 2]:.2g} ({best[0]:.2g} to {best[-1]:.2g})")
        count = sum(parameter.numel() for parameter in road.make().parameters())
        print(f"| {name} | {count:,} | {min(times):.2g} | {' | '.join(cells)} |", flush=True)


def sampling() -> None:
    """Print the table of docs/guide/projection.md: means over random elements of O(3), and the exact projection."""
    group, space, c = "O(3)", f"{CHANNELS}x2", CHANNELS
    problem = group, space, space
    torch.manual_seed(0)
    weight = torch.randn(9 * c, 9 * c, dtype=torch.float64)
    # In fractions, pairs of channels one by one: the truth.
    blocks = weight.reshape(9, c, 9, c).permute(1, 3, 0, 2).numpy()
    numbers = np.vectorize(Fraction, otypes=[object])(blocks)
    nearest = eq.basis(group, 2, 2).project(numbers).matrix()
    gap = float(((numbers - nearest) ** 2).sum())
    truth = torch.from_numpy(nearest.astype(float)).permute(2, 0, 3, 1).reshape(9 * c, 9 * c)
    rng = np.random.default_rng(0)

    def moved() -> torch.Tensor:
        g = torch.from_numpy(random_element(eq.Group.parse(group), rng))
        turned = torch.einsum("ai,bj,abcdef,dk,el->ijcklf", g, g, weight.reshape(3, 3, c, 3, 3, c), g, g)
        return turned.reshape(9 * c, 9 * c)

    def errors(mean: torch.Tensor, ours: float) -> tuple[float, float]:
        return abs(ours / gap - 1), float((mean - truth).norm() / weight.norm())

    print("| | ms | error of the gap | error of the projection |\n| --- | ---: | ---: | ---: |")
    for count in COUNTS:
        start, listed = time.process_time(), []
        for _ in range(repeats := max(3, 100 // count)):
            images = torch.stack([moved() for _ in range(count)])
            squares = (weight - images).square().sum((1, 2)) / 2
            listed.append(errors(images.mean(0), float(squares.mean())))
        spent = (time.process_time() - start) / repeats * 1_000
        of_gap, of_mean = np.mean(listed, 0)
        print(f"| random elements: {count:,} | {spent:,.1f} | {of_gap:.1g} | {of_mean:.1g} |", flush=True)
    eq.nn.project(weight, *problem)
    start = time.process_time()
    for _ in range(10):
        ours, projected = eq.nn.equivariance_gap(weight, *problem), eq.nn.project(weight, *problem)
    spent = (time.process_time() - start) * 100
    of_gap, of_mean = errors(projected, float(ours))
    print(f"| `equivariance_gap`, `project` | {spent:.1f} | {of_gap:.0e} | {of_mean:.0e} |", flush=True)


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sampling", action="store_true", help="compare the exact gap with random elements")
    parser.add_argument("--short", action="store_true", help="a few steps of one seed")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.sampling:
        sampling()
    else:
        compare(5 if asked.short else STEPS, 1 if asked.short else SEEDS)


if __name__ == "__main__":
    main()
