"""Weight-space networks: networks whose input is the weights of another network.

usage: python examples/weight_spaces.py [STEPS]

The hidden neurons of a network may be listed in any order: shuffle the rows of one weight matrix and the columns of
the next in the same way, and the network computes what it did before. What reads weights should not depend on that
order. Layers for it are worked out by hand for multilayer perceptrons in

    Navon et al., Equivariant Architectures for Learning in Deep Weight Spaces, arXiv 2301.12780,

and from a list that says which axes of which tensors are shuffled together, for any network, in

    Zhou et al., Universal Neural Functionals, arXiv 2402.05232.

`weight_space` takes such a list. Each kind of neuron that is shuffled by itself is a factor S(n) of a product of
groups, a weight matrix between two kinds is a tensor of order (1,1), a recurrent one of order (2,), and axes that
stay as they are (inputs, outputs, pixels of a kernel) are channels. Then `eq.Linear` has every linear layer there is,
also for kinds of different widths.

The example reads the weights of small networks and learns the mean square of what these networks compute.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from string import ascii_lowercase

import torch
from torch import Tensor, nn

import eqsynth as eq

#: Which axes the tensors of some networks have: "in", "out" and the axes of kernels stay, the others are shuffled.
PERCEPTRON = {"w1": ("h", "in"), "b1": ("h",), "w2": ("k", "h"), "b2": ("k",), "w3": ("out", "k"), "b3": ("out",)}
CONVOLUTIONS = {"c1": ("h", "in", "dy", "dx"), "b1": ("h",), "c2": ("k", "h", "dy", "dx"), "w": ("out", "k")}
RECURRENT = {"input": ("h", "in"), "again": ("h", "h"), "bias": ("h",), "output": ("out", "h")}


@dataclass(frozen=True, slots=True)
class WeightSpace:
    """The weights of one kind of network: its group, and how its tensors are laid out for eqsynth."""

    tensors: tuple[tuple[str, tuple[str, ...]], ...]
    fixed: tuple[tuple[str, int], ...]
    widths: tuple[tuple[str, int | str], ...]

    @property
    def group(self) -> str:
        """One symmetric group for each kind of neuron."""
        return " x ".join(f"S({width})" for _, width in self.widths)

    def order(self, axes: tuple[str, ...]) -> str:
        """How many axes of a tensor each factor acts on."""
        counts = [axes.count(kind) for kind, _ in self.widths]
        return str(counts[0]) if len(counts) == 1 else f"({','.join(map(str, counts))})"

    def space(self, channels: int = 1) -> str:
        """The tensors as a space of eqsynth, with so many numbers for each weight."""
        fixed = dict(self.fixed)
        sizes = [prod(fixed.get(axis, 1) for axis in axes) for _, axes in self.tensors]
        orders = [self.order(axes) for _, axes in self.tensors]
        return " + ".join(f"{size * channels}x{order}" for size, order in zip(sizes, orders, strict=True))

    def pack(self, weights: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """Tensors with a batch axis as eqsynth takes them: shuffled axes in the group's order, others as channels."""
        packed = []
        for name, axes in self.tensors:
            kinds = [kind for kind, _ in self.widths]
            shuffled = sorted(
                (place for place, axis in enumerate(axes) if axis in kinds), key=lambda p: kinds.index(axes[p])
            )
            stay = [place for place, axis in enumerate(axes) if axis not in kinds]
            x = weights[name].permute(0, *[1 + place for place in shuffled + stay])
            packed.append(x.reshape(*x.shape[: 1 + len(shuffled)], -1))
        return tuple(packed)


def weight_space(
    tensors: Mapping[str, Sequence[str]], fixed: Mapping[str, int], widths: Mapping[str, int] | None = None
) -> WeightSpace:
    """The weight space of a specification: the axes of each tensor by name.

    >>> space = weight_space(PERCEPTRON, {"in": 2, "out": 1})
    >>> space.group, space.space()
    ('S(a) x S(b)', '2x(1,0) + 1x(1,0) + 1x(1,1) + 1x(0,1) + 1x(0,1) + 1x(0,0)')
    >>> weight_space(RECURRENT, {"in": 2, "out": 1}, {"h": 3}).group
    'S(3)'

    ``fixed`` has the lengths of axes that stay as they are; all others are shuffled. ``widths`` fixes lengths of
    these, and the maps are then exact for them, also below 4; else they may have any length.
    """
    listed = tuple((name, tuple(axes)) for name, axes in tensors.items())
    kinds = list(dict.fromkeys(axis for _, axes in listed for axis in axes if axis not in fixed))
    if not kinds:
        raise ValueError("no axis is shuffled: leave one out of fixed")
    known = widths or {}
    if not set(known) <= set(kinds):
        raise ValueError(
            f"widths are for shuffled axes, {', '.join(kinds)}, not for {', '.join(set(known) - set(kinds))}"
        )
    if len(kinds) > len(ascii_lowercase):
        raise ValueError(
            f"{len(kinds)} kinds of neurons are shuffled, and there are letters for {len(ascii_lowercase)}"
        )
    named = tuple((kind, known.get(kind, letter)) for kind, letter in zip(kinds, ascii_lowercase, strict=False))
    return WeightSpace(listed, tuple(fixed.items()), named)


SPACE = weight_space(PERCEPTRON, {"in": 1, "out": 1})


def network(space: WeightSpace = SPACE, channels: int = 6) -> nn.Module:
    """From the weights of a network to a number."""
    zero, hidden = space.order(()), space.space(channels)
    spaces = [space.space(), hidden, hidden, f"{4 * channels}x{zero}", f"1x{zero}"]
    return eq.nn.MLP(space.group, spaces, normalization="mean")


# --- the example --------------------------------------------------------------------------------------


def perceptrons(count: int, h: int, k: int) -> dict[str, Tensor]:
    """Weights of random networks 1 -> h -> k -> 1."""
    shapes = {"w1": (h, 1), "b1": (h,), "w2": (k, h), "b2": (k,), "w3": (1, k), "b3": (1,)}
    return {name: torch.randn(count, *shape) for name, shape in shapes.items()}


def run(weights: Mapping[str, Tensor], x: Tensor) -> Tensor:
    """What these networks compute: points (m,) to (count, m). Sums are divided by the root of their lengths."""
    h, k = weights["b1"].shape[1], weights["b2"].shape[1]
    y = torch.tanh(weights["w1"] * x + weights["b1"].unsqueeze(-1))
    y = torch.tanh(weights["w2"] @ y / h**0.5 + weights["b2"].unsqueeze(-1))
    outputs: Tensor = weights["w3"] @ y / k**0.5 + weights["b3"].unsqueeze(-1)
    return outputs[:, 0]


def mean_square(weights: Mapping[str, Tensor]) -> Tensor:
    """The mean square of the outputs on [-2, 2], (count, 1)."""
    return run(weights, torch.linspace(-2, 2, 21)).square().mean(1, keepdim=True)


def main(steps: int = 400) -> None:
    """Train on networks of widths 8 and 6, test on these and on wider ones."""
    torch.manual_seed(0)
    net = network()
    optimizer = torch.optim.Adam(net.parameters(), 5e-3)
    for _ in range(steps):
        weights = perceptrons(128, 8, 6)
        loss = (net(SPACE.pack(weights)) - mean_square(weights)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        for h, k in ((8, 6), (12, 9)):
            weights = perceptrons(1000, h, k)
            y = mean_square(weights)
            error = (net(SPACE.pack(weights)) - y).square().mean().sqrt()
            print(f"widths {h} and {k}: error {error:.3f}, where always guessing the average errs by {y.std():.3f}")
    for name, tensors in (("perceptron", PERCEPTRON), ("convolutions", CONVOLUTIONS), ("recurrent", RECURRENT)):
        space = weight_space(tensors, {"in": 1, "out": 1, "dy": 3, "dx": 3})
        layer = eq.Linear(space.group, space.space(), space.space(), bias=False)
        maps = sum(len(basis) for basis in layer.basis.values())
        print(f"{name}: {space.group}, {space.space()}: {maps} maps between tensors")


if __name__ == "__main__":
    parser = ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("steps", nargs="?", type=int, help="how many steps to train")
    main(**{name: value for name, value in vars(parser.parse_args()).items() if value is not None})
