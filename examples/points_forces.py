"""Energies and forces of clusters of atoms, from messages between neighbours.

usage: python examples/points_forces.py [STEPS]

The energy of some atoms does not depend on where they are and how they are turned, only on how they lie to each other;
forces, its derivatives by the positions with the opposite sign, turn with the atoms. A network that makes the energy of
messages between neighbours, products of features with directions, knows both, and PyTorch differentiates it. Training
on forces differentiates twice. In the order of tensors it is a network as in

    Thomas et al., Tensor field networks, arXiv 1802.08219,
    Batzner et al., E(3)-equivariant graph neural networks for interatomic potentials, arXiv 2101.03164,

with plain tensors in place of spherical harmonics; points of any dimension would do, with "O(2)" in place of "O(3)".

The energies here are those of pairs (Morse) and of triples of atoms (Axilrod and Teller), computed exactly. The
example learns them from clusters of 4 atoms, and is tested on others, on clusters that were turned and moved, and on
clusters of 6 atoms.
"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

import torch
from torch import Tensor, nn

import eqsynth as eq

CUTOFF, CHANNELS = 4.0, 8


class Potential(nn.Module):
    """From positions (atoms, 3), and the cluster of each atom, to the energy of each cluster."""

    group, space_in, space_out = "O(3)", "1x0", "1x0"

    def __init__(self) -> None:
        super().__init__()
        hidden = f"{2 * CHANNELS}x0 + {CHANNELS}x1"
        gated = eq.nn.Gated("O(3)", hidden)
        self.first = eq.nn.Message("O(3)", "1x0", gated.space_in, CUTOFF, degree=1)
        self.gate = gated
        self.second = eq.nn.Message("O(3)", hidden, f"{2 * CHANNELS}x0", CUTOFF, degree=1)
        self.last = eq.nn.MLP("O(3)", [f"{4 * CHANNELS}x0", f"{2 * CHANNELS}x0", "1x0"])

    def forward(self, x: Tensor, positions: Tensor, edge_index: Tensor | None = None) -> Tensor:
        """The part of each atom in the energy, (atoms, 1), from what it is, (atoms, 1)."""
        numbers, vectors = self.gate(self.first(x, positions, edge_index))
        y: Tensor = self.last(torch.cat((numbers, self.second((numbers, vectors), positions, edge_index)), -1))
        return y


def clusters(count: int, atoms: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Positions of all atoms, the cluster of each, energies (clusters,) and forces (all atoms, 3)."""
    # Atoms near the corners of a cube, none too near to another.
    corners = torch.cartesian_prod(*[torch.tensor([0.0, 1.3])] * 3)
    chosen = torch.rand(count, 8).argsort(1)[:, :atoms]
    x = (corners[chosen] + 0.2 * torch.randn(count, atoms, 3)).requires_grad_()
    energies = exact(x)
    forces = -torch.autograd.grad(energies.sum(), x)[0]
    batch = torch.arange(count).repeat_interleave(atoms)
    return x.detach().flatten(0, 1), batch, energies.detach(), forces.flatten(0, 1)


def exact(x: Tensor) -> Tensor:
    """Energies of clusters (clusters, atoms, 3): pairs, and triples by their angles."""
    i, j = torch.combinations(torch.arange(x.shape[1])).T
    r = (x[:, i] - x[:, j]).norm(dim=-1)
    pairs = ((1 - torch.exp(-1.5 * (r - 1.3))).square() - 1).sum(1)
    a, b, c = torch.combinations(torch.arange(x.shape[1]), 3).T
    sides = [x[:, b] - x[:, a], x[:, c] - x[:, b], x[:, a] - x[:, c]]
    lengths = [side.norm(dim=-1) for side in sides]
    cosines = [-(sides[k] * sides[k - 1]).sum(-1) / (lengths[k] * lengths[k - 1]) for k in range(3)]
    triples = (1 + 3 * cosines[0] * cosines[1] * cosines[2]) / (lengths[0] * lengths[1] * lengths[2]) ** 3
    energies: Tensor = pairs + 0.3 * triples.sum(1)
    return energies


def predicted(net: nn.Module, x: Tensor, batch: Tensor, training: bool = False) -> tuple[Tensor, Tensor]:
    """Energies (clusters,) and forces (atoms, 3)."""
    x = x.detach().requires_grad_()
    edge_index, _ = eq.nn.neighbors(x, CUTOFF, batch)
    parts = net(x.new_ones(len(x), 1), x, edge_index).squeeze(1)
    energies = parts.new_zeros(int(batch.max()) + 1).index_add(0, batch, parts)
    (slopes,) = torch.autograd.grad(energies.sum(), x, create_graph=training)
    return energies, -slopes


def turned(x: Tensor, forces: Tensor) -> tuple[Tensor, Tensor]:
    """The same atoms, turned or mirrored, and elsewhere."""
    g, _ = torch.linalg.qr(torch.randn(3, 3))
    return x @ g.T + 10 * torch.randn(3), forces @ g.T


def main(steps: int = 300) -> None:
    """Train on energies and forces, and test."""
    torch.manual_seed(0)
    net = Potential()
    optimizer = torch.optim.Adam(net.parameters(), 5e-3)
    for _ in range(steps):
        x, batch, energies, forces = clusters(32, 4)
        found, slopes = predicted(net, x, batch, True)
        loss: Any = (found - energies).square().mean() + (slopes - forces).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"{sum(p.numel() for p in net.parameters())} parameters")
    for atoms in (4, 6):
        x, batch, energies, forces = clusters(200, atoms)
        for where, (points, meant) in (("", (x, forces)), (", turned and moved", turned(x, forces))):
            found, slopes = predicted(net, points, batch)
            errors = [(a - b).square().mean().sqrt() for a, b in ((found, energies), (slopes, meant))]
            print(
                f"clusters of {atoms} atoms{where}: error of energies {errors[0]:.3f}, of forces {errors[1]:.3f}; "
                f"they spread by {energies.std():.3f} and {forces.std():.3f}"
            )


if __name__ == "__main__":
    parser = ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("steps", nargs="?", type=int, default=300, help="how many steps to train")
    main(**vars(parser.parse_args()))
