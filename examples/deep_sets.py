"""Deep Sets: a network for sets of any size, whose members come in no order.

usage: python examples/deep_sets.py [STEPS]

A set is a table with one row per member. Shuffle the rows, and nothing that matters has changed: a number per member
should be shuffled in the same way, a number per set should stay. Between one feature vector per member and the next
there are only two such linear maps: use the member's own features, or the sum (here the mean) over all members. That
is the layer of

    Zaheer et al., Deep Sets, arXiv 1703.06114 (Lemma 3),

and it is what eqsynth finds for S(n), order 1 -> 1. `HandWritten` is the same network without eqsynth.

The example learns the variance of a set of numbers from small sets, and is tested on larger ones.
"""

from __future__ import annotations

from argparse import ArgumentParser

import torch
from torch import Tensor, nn

import eqsynth as eq

CHANNELS = 32


def network() -> nn.Module:
    """From sets of numbers (batch, n, 1) to a number per set (batch, 1)."""
    spaces = ["1x1", f"{CHANNELS}x1", f"{CHANNELS}x1", f"{CHANNELS}x0", "1x0"]
    return eq.nn.MLP("S(n)", spaces, normalization="mean")


def members(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Order 1 -> 1 by hand: a matrix for the mean of the members, and one for each member itself."""
    mean, itself = weight
    y: Tensor = x.mean(-2, keepdim=True) @ mean.T + x @ itself.T + bias[0]
    return y


def pooled(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Order 1 -> 0 by hand: a matrix for the mean of the members."""
    return x.mean(-2) @ weight[0].T + bias[0]


class HandWritten(nn.Module):
    """The same network in plain torch, with the weights of ``network()``."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        linear = [module for module in net.modules() if isinstance(module, eq.Linear)]
        self.weights = nn.ParameterList([layer.get_parameter("weight").detach().clone() for layer in linear])
        self.biases = nn.ParameterList([layer.get_parameter("bias").detach().clone() for layer in linear])

    def forward(self, x: Tensor) -> Tensor:
        """A number per set."""
        w, b = self.weights, self.biases
        x = torch.relu(members(x, w[0], b[0]))
        x = torch.relu(members(x, w[1], b[1]))
        x = torch.relu(pooled(x, w[2], b[2]))
        y: Tensor = x @ w[3][0].T + b[3][0]
        return y


def sets(count: int, n: int) -> tuple[Tensor, Tensor]:
    """Sets of n numbers, of different widths and centres, and their variances."""
    x = torch.randn(count, n, 1) * torch.rand(count, 1, 1) + torch.randn(count, 1, 1)
    return x, x.var(1, correction=0)


def main(steps: int = 600) -> None:
    """Train on sets of 5 to 12 numbers, test on these sizes and on 100."""
    torch.manual_seed(0)
    net = network()
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    for step in range(steps):
        x, y = sets(128, 5 + step % 8)
        loss = (net(x) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        for n in (5, 12, 100):
            x, y = sets(2000, n)
            error, spread = (net(x) - y).square().mean().sqrt(), y.std()
            print(f"sets of {n:3}: error {error:.3f}, where always guessing the average errs by {spread:.3f}")
        x, _ = sets(4, 9)
        by_hand = HandWritten(net)(x)
        print(f"largest difference to the network written by hand: {(net(x) - by_hand).abs().max():.1e}")


if __name__ == "__main__":
    parser = ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("steps", nargs="?", type=int, help="how many steps to train")
    main(**{name: value for name, value in vars(parser.parse_args()).items() if value is not None})
