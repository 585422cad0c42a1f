"""A toy of lattice gauge theory: functions of SU(3) matrices on the links of a lattice that no change of gauge changes.

usage: python examples/lattice_gauge.py [STEPS]

On a square lattice each link carries a matrix of SU(3). A gauge transformation is a matrix g(x) at each site x: the
link from x to y becomes g(x) U g(y)^-1. What can be measured does not depend on it. Products of links around a small
square (a plaquette) become g(x) W g(x)^-1: tensors of order (1,1), an axis of V and one of V*, at one site each. A
network on them that commutes with SU(3) commutes with all gauge transformations,

    Favoni, Ipp, Mueller and Schuh, Lattice gauge equivariant convolutional neural networks, arXiv 2012.12901.

Their bilinear layers are `eq.TensorProduct("SU(3)", "cx(1,1)", "cx(1,1)", "dx(1,1)")`: products of matrices in both
orders and traces, complex weights. `by_hand` writes them with matrices.

The example learns the action of a lattice, a sum of squares of plaquettes, from products alone.
"""

from __future__ import annotations

from argparse import ArgumentParser

import torch
from torch import Tensor, nn

import eqsynth as eq

SIZE, CHANNELS = 4, 4


def special_unitary(*shape: int, n: int = 3, near: float = 1.0) -> Tensor:
    """Random matrices of SU(n): exponentials of traceless anti-Hermitian ones."""
    a = near * torch.randn(*shape, n, n, dtype=torch.complex64)
    a = a - a.mH
    trace = a.diagonal(0, -2, -1).mean(-1)
    u: Tensor = torch.linalg.matrix_exp(a - trace[..., None, None] * torch.eye(n))
    return u


def links(count: int, near: float = 0.4) -> Tensor:
    """Lattices with periodic boundary: (count, 2 directions, SIZE, SIZE, 3, 3)."""
    return special_unitary(count, 2, SIZE, SIZE, near=near)


def gauged(u: Tensor, g: Tensor) -> Tensor:
    """A gauge transformation, g of shape (count, SIZE, SIZE, 3, 3)."""
    moved = [g @ u[:, way] @ g.roll(-1, 1 + way).mH for way in (0, 1)]
    return torch.stack(moved, 1)


def plaquettes(u: Tensor) -> Tensor:
    """The product around the square at each site, and its inverse: (count, SIZE, SIZE, 3, 3, 2 channels)."""
    first, second = u[:, 0], u[:, 1]
    w = first @ second.roll(-1, 1) @ first.roll(-1, 2).mH @ second.mH
    return torch.stack((w, w.mH), -1)


class Network(nn.Module):
    """A number for each lattice from the plaquettes at each site; sites are a batch axis."""

    def __init__(self) -> None:
        super().__init__()
        matrices = f"{CHANNELS}x(1,1)"
        self.mix = eq.Linear("SU(3)", "2x(1,1)", matrices)
        self.product = eq.TensorProduct("SU(3)", matrices, matrices, f"{matrices} + {CHANNELS}x0", mode="paired")
        self.scale = eq.nn.NormActivation("SU(3)", f"{matrices} + {CHANNELS}x0")
        self.head = eq.Linear("SU(3)", f"{matrices} + {CHANNELS}x0", "1x0")

    def forward(self, w: Tensor) -> Tensor:
        """Plaquettes (count, sites, sites, 3, 3, 2) to numbers (count,)."""
        mixed = self.mix(w)
        y = self.head(self.scale(self.product(mixed, mixed)))
        total: Tensor = y.real.mean((1, 2))[:, 0]
        return total


def by_hand(weights: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """The paired product of SU(3) matrices (batch, 3, 3, c) in plain torch: six maps, in the order of the basis.

    ``weights`` are those of ``eq.TensorProduct("SU(3)", "cx(1,1)", "cx(1,1)", "dx(1,1)", mode="paired",
    normalization="sum", bias=False)``.
    """
    one = torch.eye(3, dtype=a.dtype)
    products = {
        "y[a,a] += u[b,b] v[c,c]": torch.einsum("biic,bjjc,kl->bklc", a, b, one),
        "y[a,a] += u[b,c] v[c,b]": torch.einsum("bijc,bjic,kl->bklc", a, b, one),
        "y[a,b] += u[a,b] v[c,c]": torch.einsum("bklc,bjjc->bklc", a, b),
        "y[a,b] += u[a,c] v[c,b]": torch.einsum("bkjc,bjlc->bklc", a, b),
        "y[a,b] += u[c,c] v[a,b]": torch.einsum("bjjc,bklc->bklc", a, b),
        "y[a,b] += u[c,b] v[a,c]": torch.einsum("bkjc,bjlc->bklc", b, a),
    }
    basis = eq.basis("SU(3)", (1, 1, 1, 1), (1, 1))
    formulas = basis.formulas([[("u", 2), ("v", 2)]])
    mixed = [products[formula] @ weight.T for formula, weight in zip(formulas, weights, strict=True)]
    return torch.stack(mixed).sum(0)


def action(u: Tensor) -> Tensor:
    """What is learned: the mean of Re tr W² over all plaquettes, beside that of |tr W|²."""
    w = plaquettes(u)[..., 0]
    trace = torch.einsum("...ii->...", w)
    square = torch.einsum("...ij,...ji->...", w, w)
    return (square.real + trace.abs().square() / 3).mean((1, 2))


def main(steps: int = 200) -> None:
    """Train on lattices in one gauge, test in another."""
    torch.manual_seed(0)
    net = Network()
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(steps):
        u = links(16)
        loss = (net(plaquettes(u)) - action(u)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    u, g = links(200), special_unitary(200, SIZE, SIZE)
    with torch.no_grad():
        ours, other = net(plaquettes(u)), net(plaquettes(gauged(u, g)))
    error = (ours - action(u)).square().mean().sqrt()
    print(f"error {error:.3f}, always guessing the average errs by {action(u).std():.3f}")
    print(f"largest difference in another gauge: {(ours - other).abs().max():.1e}")


if __name__ == "__main__":
    parser = ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("steps", nargs="?", type=int, help="how many steps to train")
    main(**{name: value for name, value in vars(parser.parse_args()).items() if value is not None})
