"""Train networks of O(3) on squares of symmetric matrices: ``python scripts/matrix_products.py`` prints a table."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

import eqsynth as eq

STEPS, SEEDS, SPACE = 1500, 3, "16xS2 + 16x0"


def pairings() -> nn.Module:
    """Pairings and gates alone, which is what ``MLP`` takes where they reach the target."""
    gated = eq.nn.Gated("O(3)", SPACE)
    return eq.nn.Sequential(
        eq.Linear("O(3)", "1xS2", gated.space_in),
        eq.nn.Pairings("O(3)", gated.space_in),
        gated,
        eq.Linear("O(3)", SPACE, "1xS2"),
    )


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "`MLP`, products": lambda: eq.nn.MLP("O(3)", ["1xS2", SPACE, "1xS2"]),
    "pairings and gates": pairings,
    '`MLP`, `"gated"`': lambda: eq.nn.MLP("O(3)", ["1xS2", SPACE, "1xS2"], "gated"),
    "one `PolynomialLayer`": lambda: eq.PolynomialLayer("O(3)", "1xS2", 2, "1xS2"),
}


def examples(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random symmetric matrices and their squares."""
    e = torch.randn(count, 3, 3)
    e = (e + e.mT) / 2
    return e[..., None], (e @ e)[..., None]


def trained(make: Callable[[], nn.Module], seed: int) -> tuple[float, int]:
    """The relative error on 1,000 test examples after training on 512, and the number of parameters."""
    torch.manual_seed(seed)
    (x, y), (test_x, test_y) = examples(512), examples(1000)
    net = make()
    optimiser = torch.optim.Adam(net.parameters(), 0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    for _ in range(STEPS):
        batch = torch.randint(512, (64,))
        loss = (net(x[batch]) - y[batch]).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        error = (net(test_x) - test_y).norm() / test_y.norm()
    return float(error), sum(parameter.numel() for parameter in net.parameters())


def main() -> None:
    """Print the table of docs/training.md."""
    print("| | parameters | error, median (range) |\n| --- | ---: | ---: |")
    for name, make in NETWORKS.items():
        runs = [trained(make, seed) for seed in range(SEEDS)]
        least, middle, most = sorted(error for error, _ in runs)
        print(f"| {name} | {runs[0][1]:,} | {middle:.2g} ({least:.2g} to {most:.2g}) |")


if __name__ == "__main__":
    main()
