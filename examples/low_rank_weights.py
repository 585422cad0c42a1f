"""Networks that read low-rank weights U V^T, whatever basis the factors are written in: GL(r)-equivariant layers.

usage: python examples/low_rank_weights.py [STEPS]

Fine-tuned models come as pairs of thin matrices: U with m rows and V with n rows, r columns each, whose product U V^T
is added to a weight (LoRA). The pair says more than the product: U g and V g^-T, for any invertible g, are the same
weight written otherwise. A network about the weight should not see the difference,

    Putterman, Lim, Gelberg, Jegelka and Maron, Learning on LoRAs: GL-Equivariant Processing of Low-Rank Weight Spaces
    for Large Finetuned Models, arXiv 2410.04207.

As tensors of GL(r): a row of U is a vector (the transpose of g acts on it, which is any element, too), a row of V one
of the dual space. So U is `m x 1`, m channels of vectors, and V is `n x (0,1)`. Between vectors only multiples of the
identity commute, so linear layers mix the rows: A U and B V. Products pair vectors with dual vectors: a U^T-row with a
V^T-row, the entries of U V^T.

The example learns the squared size of U V^T from pairs as they come from training, and is tested on the same weights
written in other bases.
"""

from __future__ import annotations

from argparse import ArgumentParser

import torch
from torch import Tensor, nn

import eqsynth as eq

M, N, R, CHANNELS = 6, 5, 2, 8


class Network(nn.Module):
    """From a pair (U, V) of shapes (batch, r, m) and (batch, r, n) to a number for each weight."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = eq.Linear("GL(r)", f"{M}x1 + {N}x(0,1)", f"{CHANNELS}x1 + {CHANNELS}x(0,1)")
        self.pair = eq.TensorProduct("GL(r)", f"{CHANNELS}x1", f"{CHANNELS}x(0,1)", f"{4 * CHANNELS}x0")
        self.head = nn.Linear(4 * CHANNELS, 1)

    def forward(self, u: Tensor, v: Tensor) -> Tensor:
        """One number for each pair."""
        products = self.pair(*self.mix((u, v)))
        y: Tensor = self.head(products.square())
        return y


class HandWritten(nn.Module):
    """The same network in plain torch, with the weights of a ``Network``."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        copied = {name.replace(".", "_"): nn.Parameter(p.detach().clone()) for name, p in net.named_parameters()}
        self.weights = nn.ParameterDict(copied)

    def forward(self, u: Tensor, v: Tensor) -> Tensor:
        """One number for each pair."""
        w = self.weights
        u, v = u @ w["mix_weight_0_0"][0].T, v @ w["mix_weight_1_1"][0].T
        # All entries of U V^T, over the root of r as sums of r products are, then mixtures of them.
        entries = torch.einsum("brm,brn->bmn", u, v) / u.shape[1] ** 0.5
        products = torch.einsum("bmn,omn->bo", entries, w["pair_weight"][0]) + w["pair_bias"][0]
        return nn.functional.linear(products.square(), w["head_weight"], w["head_bias"])


# --- the example --------------------------------------------------------------------------------------


def weights(count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Pairs U and V as tensors of GL(r), and the mean square of the entries of U V^T."""
    u, v = torch.randn(count, R, M), torch.randn(count, R, N)
    return u, v, torch.einsum("brm,brn->bmn", u, v).square().mean((1, 2), keepdim=True)[:, 0]


def rewritten(u: Tensor, v: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    """The same weights in another basis: U^T becomes g U^T, V^T becomes g^-T V^T."""
    return g @ u, torch.linalg.inv(g).T @ v


class Plain(nn.Module):
    """A perceptron that reads the entries of both factors."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(R * (M + N), 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 1)
        )

    def forward(self, u: Tensor, v: Tensor) -> Tensor:
        """One number for each pair."""
        y: Tensor = self.layers(torch.cat((u.flatten(1), v.flatten(1)), 1))
        return y


def main(steps: int = 300) -> None:
    """Train both networks, test them on weights in the first basis and in another one."""
    torch.manual_seed(0)
    u, v, y = weights(2000)
    other = rewritten(u, v, torch.tensor([[2.0, 1.0], [0.0, 0.5]]))
    for name, net in (("GL(r)", Network()), ("plain", Plain())):
        optimizer = torch.optim.Adam(net.parameters(), 5e-3)
        for _ in range(steps):
            *pair, wanted = weights(128)
            loss = (net(*pair) - wanted).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            errors = [float((net(*pair) - y).square().mean().sqrt()) for pair in ((u, v), other)]
        count = sum(p.numel() for p in net.parameters())
        print(f"{name} network, {count} parameters: error {errors[0]:.3f}, in another basis {errors[1]:.3f}")
    print(f"always guessing the average errs by {y.std():.3f}")


if __name__ == "__main__":
    parser = ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("steps", nargs="?", type=int, help="how many steps to train")
    main(**{name: value for name, value in vars(parser.parse_args()).items() if value is not None})
