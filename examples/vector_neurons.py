"""Vector neurons: a network for clouds of points in space that may be turned and reflected in any way.

usage: python examples/vector_neurons.py [STEPS]

A neuron usually holds a number. Here it holds a vector, an arrow in space, so that a cloud of n points with c neurons
is a tensor (n, 3, c). Turn the cloud, and all arrows turn with it; list the points in another order, and the neurons
are listed in that order, too. Linear layers may then mix neurons, never the three coordinates. This is the network of

    Deng et al., Vector Neurons: A General Framework for SO(3)-Equivariant Networks, arXiv 2104.12229 (section 3),

whose linear layer mixes the neurons of each point and leaves points apart. That is `eq.Linear("O(3)", ...)`, with the
points as one more batch axis. `eq.Linear("S(n) x O(3)", ...)` has a second map, the mean over all points. relu of a
coordinate would depend on the axes; the paper's `VNReLU` cuts off the part of an arrow that points against a learned
direction. (The paper's batch normalisation and graph convolutions are left out.) Beside it is eqsynth's own way: layers
with both maps, dot products and gates.

The example learns to tell rods, disks and balls apart from upright ones, and is tested on clouds turned at random.
"""

from __future__ import annotations

from argparse import ArgumentParser

import torch
from torch import Tensor, nn

import eqsynth as eq

#: Neurons at each point, so that both networks have about as many parameters.
CHANNELS, CHANNELS_GATED = 26, 12
NEIGHBOURS, KINDS = 6, 3
GROUP = "S(n) x O(3)"


class VNReLU(nn.Module):
    """The paper's linear layer with its non-linearity: (batch, n, 3, channels_in) to (batch, n, 3, channels_out)."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        # With these three eq.nn.Sequential and eq.testing know what the module does.
        self.group = eq.Group.parse(GROUP)
        self.space_in, self.space_out = (eq.Space.parse(f"{c}x(1,1)") for c in (channels_in, channels_out))
        self.feature = eq.Linear("O(3)", f"{channels_in}x1", f"{channels_out}x1", bias=False)
        self.direction = eq.Linear("O(3)", f"{channels_in}x1", f"{channels_out}x1", bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """What points against the direction is taken away."""
        feature, direction = self.feature(x), self.direction(x)
        along = (feature * direction).sum(-2, keepdim=True)
        size = direction.square().sum(-2, keepdim=True).clamp_min(1e-12)
        kept: Tensor = feature - along.clamp_max(0) / size * direction
        return kept


def vn_relu_by_hand(vectors: Tensor, weight: Tensor, directions: Tensor) -> Tensor:
    """The paper's formulas as they stand there: one row per neuron, (..., channels, 3), so q = W V and k = U V."""
    q, k = weight @ vectors, directions @ vectors
    unit = k / k.norm(dim=-1, keepdim=True)
    along = (q * unit).sum(-1, keepdim=True)
    return torch.where(along >= 0, q, q - along * unit)


def vector_neurons() -> nn.Module:
    """The paper's way: two layers of VNReLU, then the mean length of each neuron, which no rotation changes."""
    return eq.nn.Sequential(
        VNReLU(2, CHANNELS),
        VNReLU(CHANNELS, CHANNELS),
        eq.nn.Pool(GROUP, f"{CHANNELS}x(1,1)", "mean", "norm"),
        eq.nn.MLP(GROUP, [f"{CHANNELS}x(0,0)", f"{CHANNELS}x(0,0)", f"{KINDS}x(0,0)"]),
    )


def gated() -> nn.Module:
    """The way of eqsynth: layers that also look at the mean over points, dot products of neurons, gates."""
    hidden = f"{CHANNELS_GATED}x(1,1) + {CHANNELS_GATED}x(1,0)"
    return eq.nn.MLP(GROUP, ["2x(1,1)", hidden, hidden, f"{KINDS}x(0,0)"], normalization="mean")


# --- the example --------------------------------------------------------------------------------------


def clouds(count: int, n: int = 24) -> tuple[Tensor, Tensor]:
    """Upright clouds of n points, (count, n, 3), and their kinds: 0 a rod, 1 a disk, 2 a ball."""
    kinds = torch.randint(KINDS, (count,))
    widths = torch.tensor([[0.3, 0.3, 1.6], [1.2, 1.2, 0.3], [1.0, 1.0, 1.0]])[kinds]
    points = torch.randn(count, n, 3) * widths.unsqueeze(1) * (0.7 + 0.6 * torch.rand(count, 1, 1))
    return points - points.mean(1, keepdim=True), kinds


def neurons(points: Tensor) -> Tensor:
    """Two arrows at each point, (batch, n, 3, 2): from the centre to it, and from it to the mean of its neighbours."""
    nearest = torch.cdist(points, points).topk(NEIGHBOURS + 1, largest=False).indices[..., 1:]
    cloud = torch.arange(len(points)).reshape(-1, 1, 1)
    return torch.stack((points, points[cloud, nearest].mean(2) - points), -1)


def turned(points: Tensor) -> Tensor:
    """Each cloud turned or reflected at random."""
    turns: Tensor = torch.linalg.qr(torch.randn(len(points), 3, 3)).Q
    return points @ turns


def main(steps: int = 200) -> None:
    """Train on upright clouds, test on upright and on turned ones."""
    for name, make in (("vector neurons", vector_neurons), ("pairings and gates", gated)):
        torch.manual_seed(0)
        net = make()
        optimizer = torch.optim.Adam(net.parameters(), 1e-2)
        for _ in range(steps):
            points, kinds = clouds(64)
            loss = nn.functional.cross_entropy(net(neurons(points)), kinds)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        with torch.no_grad():
            points, kinds = clouds(500)
            shares = [(net(neurons(x)).argmax(-1) == kinds).float().mean() for x in (points, turned(points))]
        count = sum(parameter.numel() for parameter in net.parameters())
        print(f"{name}, {count} parameters: {shares[0]:.1%} of upright clouds right, {shares[1]:.1%} of turned ones")


if __name__ == "__main__":
    parser = ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("steps", nargs="?", type=int, help="how many steps to train")
    main(**{name: value for name, value in vars(parser.parse_args()).items() if value is not None})
