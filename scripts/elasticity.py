"""Train networks on the elasticity of media made of bonds: ``python scripts/elasticity.py`` prints a table.

Grains or fibres are held together by bonds. If a strain E moves the ends of all bonds alike, a bond of length l and
direction n stores the energy l^2 (KN (n.En)^2 + KT (|En|^2 - (n.En)^2)) / 2, and the stiffness C is the second
derivative of the mean energy by E. Bonds are normally distributed, with a covariance A that is the microstructure.
Networks predict C from A: a symmetric matrix in, a tensor with the symmetries of elasticity out.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

import eqsynth as eq

ELASTICITY = "[ijkl=jikl=klij]"
KN, KT = 1.0, 0.2
STEPS, SEEDS, EXAMPLES = 800, 3, 256


def directions() -> tuple[torch.Tensor, torch.Tensor]:
    """Points of the sphere, (points, 3), and weights that add up to 1: a rule exact for polynomials of degree 47."""
    height, weight = (torch.from_numpy(values).float() for values in np.polynomial.legendre.leggauss(24))
    angle = torch.arange(48) * (2 * torch.pi / 48)
    across = (1 - height.square()).sqrt().unsqueeze(1)
    points = torch.stack((across * angle.cos(), across * angle.sin(), height.unsqueeze(1).expand(-1, 48)), -1)
    return points.reshape(-1, 3), (weight / 2 / 48).repeat_interleave(48)


def stiffness(covariance: torch.Tensor) -> torch.Tensor:
    """C, (count, 3, 3, 3, 3), of each covariance, (count, 3, 3)."""
    points, weight = directions()
    # Bonds are s R u, with R R^T = A, u uniform on the sphere, and 3 the mean of s^2.
    bond = points @ torch.linalg.cholesky(covariance).mT
    n = bond / bond.norm(dim=-1, keepdim=True)
    pairs = (n.unsqueeze(-1) * bond.unsqueeze(-2)).flatten(2)
    fourth = 3 * (pairs.mT @ (weight.unsqueeze(-1) * pairs)).reshape(-1, 3, 3, 3, 3)
    # |E n|^2 l^2 has the mean E_ij A_jk E_ki.
    across = eq.symmetrise(torch.einsum("zik,jl->zijkl", covariance, torch.eye(3)).unsqueeze(-1), ELASTICITY)
    result: torch.Tensor = (KN - KT) * fourth + KT * across.squeeze(-1)
    return result


def examples(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random covariances, in random directions, and their stiffness."""
    root = torch.eye(3) + 0.5 * torch.randn(count, 3, 3)
    covariance = root @ root.mT + 0.05 * torch.eye(3)
    covariance = covariance / covariance.diagonal(dim1=1, dim2=2).mean(1).reshape(-1, 1, 1)
    return covariance.unsqueeze(-1), stiffness(covariance).unsqueeze(-1)


def equivariant(matrix: str, target: str) -> nn.Module:
    """Products of A with itself, made into tensors of order 4, which are gated and mixed twice."""
    hidden = f"8x{target} + 32x0"
    gates = [eq.nn.Gated("O(3)", hidden) for _ in range(2)]
    return eq.nn.Sequential(
        eq.PolynomialLayer("O(3)", f"1x{matrix}", 2, gates[0].space_in),
        gates[0],
        eq.Linear("O(3)", hidden, gates[1].space_in),
        gates[1],
        eq.Linear("O(3)", hidden, f"1x{target}"),
    )


class Plain(nn.Module):
    """A perceptron from the 6 numbers of A to the 21 of C."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        inner = nn.Linear(6, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()
        self.layers = nn.Sequential(*inner, nn.Linear(width, 21))

    def forward(self, a: torch.Tensor) -> torch.Tensor:
        """As the others."""
        return eq.unpack(self.layers(eq.pack(a, "S2").squeeze(-1)).unsqueeze(-1), ELASTICITY)


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    f"`S2` to `{ELASTICITY}`": lambda: equivariant("S2", ELASTICITY),
    "`2` to `4`": lambda: equivariant("2", "4"),
    "perceptron": Plain,
}


def trained(make: Callable[[], nn.Module], seed: int) -> tuple[float, float, int]:
    """The relative error on 500 test examples, seconds of training, and the number of parameters."""
    torch.manual_seed(seed)
    (x, y), (test_x, test_y) = examples(EXAMPLES), examples(500)
    net = make()
    optimiser = torch.optim.Adam(net.parameters(), 0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    net(x[:2])
    start = time.perf_counter()
    for _ in range(STEPS):
        batch = torch.randint(EXAMPLES, (64,))
        loss = (net(x[batch]) - y[batch]).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    seconds = time.perf_counter() - start
    with torch.no_grad():
        error = (net(test_x) - test_y).norm() / test_y.norm()
    return float(error), seconds, sum(parameter.numel() for parameter in net.parameters())


def main() -> None:
    """Print the table of docs/training.md."""
    torch.set_num_threads(1)
    print("| | parameters | error, median (range) | ms a step |\n| --- | ---: | ---: | ---: |")
    for name, make in NETWORKS.items():
        runs = [trained(make, seed) for seed in range(SEEDS)]
        least, middle, most = sorted(error for error, *_ in runs)
        fastest = min(seconds for _, seconds, _ in runs) / STEPS * 1000
        print(f"| {name} | {runs[0][2]:,} | {middle:.2g} ({least:.2g} to {most:.2g}) | {fastest:.2g} |", flush=True)


if __name__ == "__main__":
    main()
