"""An equivariant multilayer perceptron for the Lorentz group O(1,3): physics that looks the same to every observer.

usage: python examples/lorentz.py [STEPS]

A moving particle has an energy and a momentum, four numbers (E, px, py, pz). Another observer, turned or moving at
another speed, measures other numbers: a Lorentz transformation g of ours, one that keeps E² - px² - py² - pz². A
network that commutes with these transformations is right for all observers once it is right for one. The recipe, for
any group of matrices,

    Finzi et al., A Practical Method for Constructing Equivariant Multilayer Perceptrons for Arbitrary Matrix Groups,
    arXiv 2104.09459,

solves linear equations, one set for each generator, for all equivariant linear maps, and puts bilinear layers and
gates between them. There they are solved numerically, and in general they must be. The maps of O(1,3) are known at
every order without any equation: pairings of axes, with the metric inside a row. `ALGEBRA` is the way for a group that
is no family: whole-number generators of its Lie algebra (three boosts, three rotations) and two reflections. Both have
the same maps, and eqsynth finds the second as an exact null space.

The example learns the squared mass of two particles together from particles that are slow for one observer, and is
tested by a fast one.
"""

from __future__ import annotations

from argparse import ArgumentParser

import torch
from torch import Tensor, nn

import eqsynth as eq

CHANNELS = 16


def generator(i: int, j: int, sign: int) -> list[list[int]]:
    """The 4 x 4 matrix with 1 at (i, j) and sign at (j, i)."""
    return [[1 if (a, b) == (i, j) else sign if (a, b) == (j, i) else 0 for b in range(4)] for a in range(4)]


BOOSTS = [generator(0, axis, 1) for axis in (1, 2, 3)]
ROTATIONS = [generator(1, 2, -1), generator(1, 3, -1), generator(2, 3, -1)]
TIME = [[-1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
MIRROR = [[1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
LORENTZ = eq.Group.parse("O(1,3)")
ALGEBRA = eq.MatrixGroup([TIME, MIRROR], BOOSTS + ROTATIONS)
METRIC = torch.tensor([1.0, -1.0, -1.0, -1.0])


def network(group: eq.Group = LORENTZ) -> nn.Module:
    """From two four-vectors (batch, 4, 2) to a number that all observers agree on (batch, 1)."""
    hidden = f"{CHANNELS}x1 + {CHANNELS}x0"
    return eq.nn.MLP(group, ["2x1", hidden, hidden, "1x0"])


class HandWritten(nn.Module):
    """The same network in plain torch, with the weights of ``network()``."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        copied = {name.replace(".", "_"): nn.Parameter(p.detach().clone()) for name, p in net.named_parameters()}
        self.weights = nn.ParameterDict(copied)

    def pair(self, vectors: Tensor, layer: int, end: str) -> Tensor:
        """The Minkowski product of two mixtures of channels, halved: a sum of four products of variance 1."""
        left, right = (vectors @ self.weights[f"{layer}_{side}_0_{end}"].T for side in ("left", "right"))
        return torch.einsum("bic,bic,i->bc", left, right, METRIC.to(left)) / 2

    def forward(self, x: Tensor) -> Tensor:
        """A number for each pair of four-vectors."""
        w, still = self.weights, x.new_ones(len(x), 1)
        # Between vectors only multiples of the identity commute; from vectors to numbers nothing does.
        vectors, numbers, gates = x @ w["0_weight_0_0"][0].T, still * w["0_bias_1"], still * w["0_bias_2"]
        # Products are added to numbers and gates; gates scale the vectors.
        numbers, gates = numbers + self.pair(vectors, 1, "1"), gates + self.pair(vectors, 1, "2")
        vectors, numbers = vectors * torch.sigmoid(gates).unsqueeze(1), nn.functional.silu(numbers)
        vectors, numbers = vectors @ w["3_weight_0_0"][0].T, numbers @ w["3_weight_1_1"][0].T + w["3_bias_1"]
        # The output is made of numbers alone: the last vectors are multiplied with each other, and need no gates.
        numbers = nn.functional.silu(numbers + self.pair(vectors, 4, "1"))
        y: Tensor = numbers @ w["6_weight_1_0"][0].T + w["6_bias_0"]
        return y


def tensors_by_hand(x: Tensor, weight: Tensor) -> Tensor:
    """Order 2 -> 2 by hand: the tensor itself, its transpose, and the metric times its trace.

    ``weight`` is that of an eq.Linear with normalization="sum": one matrix of channels for each map.
    """
    trace, itself, transpose = weight
    metric = torch.diag(METRIC).to(x)
    whole = torch.einsum("bijc,ij,kl->bklc", x, metric, metric)
    y: Tensor = x @ itself.T + x.transpose(1, 2) @ transpose.T + whole @ trace.T
    return y


# --- the example --------------------------------------------------------------------------------------


def particles(count: int) -> tuple[Tensor, Tensor]:
    """Two slow particles each, (count, 4, 2), and the squared mass of both together, (count, 1)."""
    momenta, masses = torch.randn(count, 3, 2) * 0.7, 0.2 + torch.rand(count, 1, 2)
    energies = (masses.square() + momenta.square().sum(1, keepdim=True)).sqrt()
    both = torch.cat((energies, momenta), 1)
    together = both.sum(2)
    return both, (together.square() * METRIC).sum(1, keepdim=True)


def seen_by_another(x: Tensor, speed: float = 1.5) -> Tensor:
    """The same particles, measured by an observer who moves along z (``speed`` is the rapidity)."""
    boost = torch.linalg.matrix_exp(speed * torch.tensor(BOOSTS[2], dtype=x.dtype))
    return torch.einsum("ij,bjc->bic", boost, x)


def trained(net: nn.Module, steps: int) -> nn.Module:
    """Train on particles of the first observer."""
    optimizer = torch.optim.Adam(net.parameters(), 5e-3)
    for _ in range(steps):
        x, y = particles(128)
        loss = (net(x) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return net


def main(steps: int = 400) -> None:
    """Train a Lorentz network and a plain one, test both with two observers."""
    for space in (1, 2, 3, 4):
        print(f"invariants of order {space}: {len(eq.basis(LORENTZ, space, 0))}", end="\n" if space == 4 else ", ")
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Flatten(), nn.Linear(8, 48), nn.SiLU(), nn.Linear(48, 48), nn.SiLU(), nn.Linear(48, 1))
    with torch.no_grad():
        x, y = particles(2000)
        other = seen_by_another(x)
    for name, net in (("Lorentz", network()), ("plain", plain)):
        trained(net, steps)
        with torch.no_grad():
            errors = [(net(seen) - y).square().mean().sqrt() for seen in (x, other)]
        count = sum(p.numel() for p in net.parameters())
        print(f"{name} network, {count} parameters: error {errors[0]:.3f}, for the fast observer {errors[1]:.3f}")
    print(f"always guessing the average errs by {y.std():.3f}")


if __name__ == "__main__":
    parser = ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("steps", nargs="?", type=int, help="how many steps to train")
    main(**{name: value for name, value in vars(parser.parse_args()).items() if value is not None})
