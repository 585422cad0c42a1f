"""The invariant graph network with its 15 operations, and what becomes of them on graphs of 1, 2 and 3 nodes.

usage: python examples/invariant_graph_network.py [STEPS]

A graph of n nodes is an n x n table: entry (i, j) says whether there is an edge from i to j. Number the nodes in
another way, and rows and columns are shuffled alike. There are 15 linear maps from such tables to such tables that go
along with that (transpose, sum up the rows, copy the diagonal, ...), 5 to a number per node, 2 to a number per graph.
They were listed in

    Maron et al., Invariant and Equivariant Graph Networks, arXiv 1812.09902 (appendix A),

and `OPERATIONS` has them by hand, one line each. eqsynth finds the same maps, in another order:
`ORDER_OF_EQSYNTH` says which is which.

On fewer than 4 nodes the 15 operations are no longer independent: 1, 8 and 14 of them are enough for n = 1, 2 and 3.
`eq.Linear("S(3)", ...)` has 14 weights there, and still every map that the 15 operations make: `weights_at` converts.

The example learns how unequal the degrees of random graphs are, and is tested on larger graphs.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable
from fractions import Fraction

import flint
import torch
from torch import Tensor, nn

import eqsynth as eq

CHANNELS = 16


# Tensors are channels-last: (batch, n, n, c), (batch, n, c) or (batch, c). These keep the lists below to a line each.


def diagonal(x: Tensor) -> Tensor:
    """The n entries (i, i)."""
    return x.diagonal(dim1=1, dim2=2).transpose(1, 2)


def on_diagonal(v: Tensor) -> Tensor:
    """A number per node, written on the diagonal."""
    return torch.diag_embed(v.transpose(1, 2), dim1=1, dim2=2)


def on_rows(v: Tensor) -> Tensor:
    """Entry (i, j) is v[i]."""
    return v.unsqueeze(2).expand(-1, -1, v.shape[1], -1)


def on_columns(v: Tensor) -> Tensor:
    """Entry (i, j) is v[j]."""
    return v.unsqueeze(1).expand(-1, v.shape[1], -1, -1)


def at_nodes(s: Tensor, n: int) -> Tensor:
    """A number per graph, at every node."""
    return s.unsqueeze(1).expand(-1, n, -1)


#: (order in, order out) -> the operations. ``add`` is torch.sum, as in the paper, or torch.mean.
OPERATIONS: dict[tuple[int, int], list[Callable[..., Tensor]]] = {
    (2, 2): [
        lambda x, n, add: x,  # 1, 2: identity and transpose
        lambda x, n, add: x.transpose(1, 2),
        lambda x, n, add: on_diagonal(diagonal(x)),  # 3: the diagonal
        lambda x, n, add: on_rows(add(x, 2)),  # 4, 5, 6: row sums on rows, columns, diagonal
        lambda x, n, add: on_columns(add(x, 2)),
        lambda x, n, add: on_diagonal(add(x, 2)),
        lambda x, n, add: on_rows(add(x, 1)),  # 7, 8, 9: column sums on rows, columns, diagonal
        lambda x, n, add: on_columns(add(x, 1)),
        lambda x, n, add: on_diagonal(add(x, 1)),
        lambda x, n, add: on_rows(
            at_nodes(add(x, (1, 2)), n)
        ),  # 10, 11: the sum of all entries everywhere, on the diagonal
        lambda x, n, add: on_diagonal(at_nodes(add(x, (1, 2)), n)),
        lambda x, n, add: on_rows(at_nodes(add(diagonal(x), 1), n)),  # 12, 13: the sum of the diagonal, likewise
        lambda x, n, add: on_diagonal(at_nodes(add(diagonal(x), 1), n)),
        lambda x, n, add: on_rows(diagonal(x)),  # 14, 15: the diagonal on rows, columns
        lambda x, n, add: on_columns(diagonal(x)),
    ],
    (2, 1): [
        lambda x, n, add: diagonal(x),
        lambda x, n, add: add(x, 2),
        lambda x, n, add: add(x, 1),
        lambda x, n, add: at_nodes(add(x, (1, 2)), n),
        lambda x, n, add: at_nodes(add(diagonal(x), 1), n),
    ],
    (2, 0): [lambda x, n, add: add(x, (1, 2)), lambda x, n, add: add(diagonal(x), 1)],
    (1, 0): [lambda x, n, add: add(x, 1)],
    (0, 0): [lambda x, n, add: x],
    (0, 1): [lambda x, n, add: at_nodes(x, n)],
    (0, 2): [lambda x, n, add: on_rows(at_nodes(x, n)), lambda x, n, add: on_diagonal(at_nodes(x, n))],
}
#: Operation i of the list above is diagram ORDER_OF_EQSYNTH[k, l][i] of eq.basis("S(n)", k, l).
ORDER_OF_EQSYNTH = {
    (2, 2): (13, 14, 4, 8, 11, 5, 9, 12, 6, 3, 1, 2, 0, 7, 10),
    (2, 1): (2, 3, 4, 1, 0),
    (2, 0): (1, 0),
    (1, 0): (0,),
    (0, 0): (0,),
    (0, 1): (0,),
    (0, 2): (1, 0),
}


def operate(
    pair: tuple[int, int], x: Tensor, weight: Tensor, n: int, add: Callable[..., Tensor] = torch.mean
) -> Tensor:
    """Every operation k -> l by hand, each behind its matrix of channels; ``weight`` in eqsynth's order."""
    y = torch.zeros(())
    for operation, place in zip(OPERATIONS[pair], ORDER_OF_EQSYNTH[pair], strict=True):
        y = y + operation(x @ weight[place].T, n, add)
    return y


def network() -> nn.Module:
    """From adjacency matrices (batch, n, n, 1) to a number per graph (batch, 1): 2 -> 2, then 2 -> 1 and 2 -> 0."""
    spaces = ["1x2", f"{CHANNELS}x2", f"{CHANNELS}x1 + {CHANNELS}x0", "1x0"]
    return eq.nn.MLP("S(n)", spaces, normalization="mean")


class HandWritten(nn.Module):
    """The same network in plain torch, with the weights of ``network()``."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        copied = {name.replace(".", "_"): nn.Parameter(p.detach().clone()) for name, p in net.named_parameters()}
        self.weights = nn.ParameterDict(copied)

    def forward(self, x: Tensor) -> Tensor:
        """A number per graph."""
        w, n, one = self.weights, x.shape[1], x.new_ones(len(x), 1)
        edges = operate((2, 2), x, w["0_weight"], n) + operate((0, 2), one, w["0_bias"].unsqueeze(-1), n)
        edges = torch.relu(edges)
        nodes = operate((2, 1), edges, w["2_weight_0_0"], n) + operate((0, 1), one, w["2_bias_0"].unsqueeze(-1), n)
        graph = operate((2, 0), edges, w["2_weight_0_1"], n) + w["2_bias_1"]
        nodes, graph = torch.relu(nodes), torch.relu(graph)
        y: Tensor = (
            w["4_bias_0"] + operate((1, 0), nodes, w["4_weight_0_0"], n) + operate((0, 0), graph, w["4_weight_1_0"], n)
        )
        return y


# --- graphs of 1, 2 and 3 nodes -----------------------------------------------------------------------


def matrices(n: int) -> list[list[list[int]]]:
    """The 15 operations as n² x n² matrices of whole numbers."""
    units = torch.eye(n * n, dtype=torch.int64).reshape(n * n, n, n, 1)
    return [operation(units, n, torch.sum).reshape(n * n, n * n).T.tolist() for operation in OPERATIONS[2, 2]]


def rank(made: list[list[list[int]]]) -> int:
    """How many of these matrices are independent, exactly."""
    return int(flint.fmpz_mat([[int(entry) for row in matrix for entry in row] for matrix in made]).rank())


def coordinates(n: int) -> list[list[Fraction]]:
    """Each of the 15 operations as a combination of the maps of ``eq.basis(f"S({n})", 2, 2)``, exactly."""
    basis, found = eq.basis(f"S({n})", 2, 2), []
    for matrix in matrices(n):
        nearest = basis.project(matrix)
        if nearest.matrix().tolist() != matrix:
            raise ValueError("an operation lies outside of the span of the basis")
        found.append(list(nearest.coefficients))
    return found


def weights_at(n: int, weight: Tensor) -> Tensor:
    """The weights of ``eq.Linear(f"S({n})", ...)`` that do what 15 weights of OPERATIONS do with sums."""
    table = torch.tensor([[float(entry) for entry in row] for row in coordinates(n)], dtype=weight.dtype)
    return torch.einsum("ij,ioc->joc", table, weight)


# --- the example --------------------------------------------------------------------------------------


def graphs(count: int, n: int) -> tuple[Tensor, Tensor]:
    """Random graphs, denser around some nodes than others; the variance of their degrees, as shares of n."""
    pull = torch.rand(count, n, 1)
    edges = (torch.rand(count, n, n) < pull * pull.transpose(1, 2)).float().triu(1)
    edges = edges + edges.transpose(1, 2)
    degrees = edges.mean(2)
    return edges.unsqueeze(-1), 10 * degrees.var(1, correction=0, keepdim=True)


def main(steps: int = 300) -> None:
    """Train on graphs of 6 to 13 nodes, test on 10 and on 30; then count operations on small graphs."""
    torch.manual_seed(0)
    net = network()
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    for step in range(steps):
        x, y = graphs(64, 6 + step % 8)
        loss = (net(x) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        for n in (10, 30):
            x, y = graphs(500, n)
            error, spread = (net(x) - y).square().mean().sqrt(), y.std()
            print(f"graphs of {n}: error {error:.3f}, where always guessing the average errs by {spread:.3f}")
        x, _ = graphs(4, 7)
        print(f"largest difference to the network written by hand: {(net(x) - HandWritten(net)(x)).abs().max():.1e}")
    for n in (1, 2, 3, 4):
        known = len(eq.basis(f"S({n})", 2, 2))
        print(f"n = {n}: {rank(matrices(n)):2} of the 15 operations are independent; eqsynth has {known} maps")


if __name__ == "__main__":
    parser = ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("steps", nargs="?", type=int, help="how many steps to train")
    main(**{name: value for name, value in vars(parser.parse_args()).items() if value is not None})
