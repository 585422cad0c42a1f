"""Other ways to compute a layer's map: the limit of the machine, dense matrices, and layers written by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import linear

import eqsynth as eq
from eqsynth.diagrams.diagram import Element, Orbit
from eqsynth.diagrams.functor import matrix, orbits_of
from eqsynth.families.representation import act, random_element
from eqsynth.plans.plan import POWERS
from eqsynth.plans.steps import Contract, Mix, Schur, Tied
from eqsynth.spaces.space import Order, axis_counts

#: The basis as dense matrices beyond this many entries is held as a sparse matrix.
MAX_BASIS = 1_000_000_000
#: The dense matrix beyond this many entries is left out (float32: 1.2 GB, three times while it is built), and its
#: gradient beyond this many (as much again).
MAX_DENSE, MAX_BACKWARD = 300_000_000, 100_000_000


def multiply_adds(layer: eq.Linear, n: int, batch: int) -> int:
    """Multiply-adds of the plan's matrix products, which mix channels."""
    values = layer.plan.sizes(n)
    products = [cost for cost in layer.plan.costs() if isinstance(cost.step, Mix | Tied | Contract | Schur)]
    return sum(batch * cost.multiply_adds(values) + cost.weight_multiply_adds(values) for cost in products)


def limit(layer: eq.Linear, x: Tensor, y: Tensor, n: int) -> Callable[[], object]:
    """One copy of the input, one fill of the output, one matrix product with the plan's own multiply-adds.

    All into memory that is there already. Groups with diagrams multiply one row per output entry by a matrix
    with a column per channel, the others one row per sample by a matrix with a column per output entry and channel.
    """
    rows = y.numel() // y.shape[-1] if layer.hom.group.diagrammatic else len(x)
    columns = y.numel() // rows
    inner = max(1, round(multiply_adds(layer, n, len(x)) / rows / columns))
    left, right = torch.randn(rows, inner, device=x.device), torch.randn(inner, columns, device=x.device)
    copied, filled, product = torch.empty_like(x), torch.empty_like(y), torch.empty_like(left @ right)

    def run() -> None:
        copied.copy_(x)
        filled.fill_(1)
        torch.mm(left, right, out=product)

    return run


# --- the dense matrix with tied entries ---------------------------------------------------------------


def _volume(order: Order, sizes: Sequence[int]) -> int:
    """Entries of a tensor with one channel."""
    return prod(n**axes for n, axes in zip(sizes, axis_counts(order), strict=True))


def dense_entries(layer: eq.Linear, sizes: Sequence[int]) -> int:
    """Entries of the dense matrix: (n^l channels out) x (n^k channels in)."""
    found = layer.basis[0, 0]
    c_out, c_in = layer.get_parameter("weight").shape[1:]
    return c_in * c_out * _volume(found.inputs, sizes) * _volume(found.outputs, sizes)


class Dense(nn.Module):
    """The matrix with tied entries, built from the weights in every call as training must, then one product.

    ``prebuilt`` keeps the matrix instead (forward only). ``basis`` of shape (maps, n^l, n^k) may come from
    elsewhere, and then the weights are its own.
    """

    basis: Tensor
    built: Tensor | None = None

    def __init__(self, layer: eq.Linear, sizes: Sequence[int], basis: Tensor | None = None) -> None:
        super().__init__()
        weight = layer.get_parameter("weight")
        found = layer.basis[0, 0]
        self.rows = _volume(found.outputs, sizes)
        self.columns = _volume(found.inputs, sizes)
        if basis is not None:
            self.weight = nn.Parameter(torch.randn(len(basis), *weight.shape[1:], dtype=weight.dtype))
            made = basis.to(weight.dtype).reshape(len(basis), -1).T
        else:
            self.weight = weight
            made = _scaled_basis(layer, sizes)
        self.register_buffer("basis", made if made.layout != torch.strided else made.contiguous())

    def matrix(self) -> Tensor:
        """The dense matrix, a row per output index and channel."""
        maps, c_out, c_in = self.weight.shape
        flat = self.weight.reshape(maps, -1)
        entries = (
            torch.mm(self.basis, flat) if self.basis.layout == torch.strided else torch.sparse.mm(self.basis, flat)
        )
        placed = entries.reshape(self.rows, self.columns, c_out, c_in).permute(0, 2, 1, 3)
        return placed.reshape(self.rows * c_out, self.columns * c_in)

    def prebuilt(self) -> Callable[[Tensor], Tensor]:
        """The layer for inference: one product with a matrix that is there already."""
        matrix = self.matrix().detach()
        return lambda x: linear(x.reshape(-1, matrix.shape[1]), matrix)

    def forward(self, x: Tensor) -> Tensor:
        """Flat outputs, (batch, n^l channels)."""
        matrix = self.matrix()
        return linear(x.reshape(-1, matrix.shape[1]), matrix)


def _scaled_basis(layer: eq.Linear, sizes: Sequence[int]) -> Tensor:
    """The basis as one matrix with a column per map, scaled as the layer scales it; sparse where it is large."""
    found, dtype = layer.basis[0, 0], layer.get_parameter("weight").dtype
    power = POWERS[layer.plan.normalization]
    factors = zip(layer.hom.group.factors, sizes, axis_counts(found.inputs), axis_counts(found.outputs), strict=True)
    gain = prod(n ** (factor.gain(k, lo) / 4) for factor, n, k, lo in factors)
    shape = (_volume(found.outputs, sizes), _volume(found.inputs, sizes))
    whole = torch.empty(len(found), prod(shape), dtype=dtype) if len(found) * prod(shape) <= MAX_BASIS else None
    indices, values = [], []
    for index, element in enumerate(found):
        one = _entries(layer, element, sizes).reshape(shape)
        scale = float((one**2).sum(1).max()) ** power * gain
        if whole is not None:
            whole[index] = torch.from_numpy(one.reshape(-1)).to(dtype) * scale
            continue
        (places,) = one.reshape(-1).nonzero()
        indices.append(np.stack((places, np.full(len(places), index))))
        values.append(one.reshape(-1)[places] * scale)
    if whole is not None:
        return whole.T
    where, what = torch.from_numpy(np.concatenate(indices, 1)), torch.from_numpy(np.concatenate(values)).to(dtype)
    return torch.sparse_coo_tensor(where, what, (prod(shape), len(found)), check_invariants=True).coalesce()


def _entries(layer: eq.Linear, element: Element, sizes: Sequence[int]) -> NDArray[np.int64]:
    """The matrix of one map; an orbit's comes from a table of all orbits that is made once."""
    if not isinstance(element, Orbit):
        return matrix(layer.hom.group, element, sizes)
    labels = orbits_of(layer.hom.group, element.outputs + element.inputs)
    return np.asarray(labels == labels[element.representative], np.int64)


# --- one matrix product per irreducible representation -------------------------------------------------

#: For each irreducible representation that input and output share: dimension, copies in the input, in the output.
Shared = Sequence[tuple[int, int, int]]


class ByIrreps(nn.Module):
    """What a PyTorch programmer writes by Schur's lemma: change of basis, a matrix product per irrep, and back.

    ``inputs`` and ``outputs``: for each irreducible representation an orthonormal basis of its copies, of shape
    (dimension, copies, n^order), the same matrices of the group in every copy. Tensors are channels-last, and the
    parameters are the blocks themselves: one matrix (copies out x channels out, copies in x channels in) for each.
    """

    into: Tensor
    back: Tensor

    def __init__(
        self, inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor], channels_in: int, channels_out: int
    ) -> None:
        super().__init__()
        names = [name for name in inputs if name in outputs]
        self.channels_out = channels_out
        self.shared = [(len(inputs[name]), inputs[name].shape[1], outputs[name].shape[1]) for name in names]
        self.blocks = nn.ParameterList(
            torch.randn(made * channels_out, read * channels_in) * (read * channels_in) ** -0.5
            for _, read, made in self.shared
        )
        self.register_buffer("into", torch.cat([inputs[name].flatten(0, 1) for name in names]))
        self.register_buffer("back", torch.cat([outputs[name].flatten(0, 1) for name in names]).T.contiguous())

    def forward(self, x: Tensor) -> Tensor:
        """(batch, n, ..., n, channels) to (batch, n^l, channels)."""
        batch, channels = len(x), x.shape[-1]
        # bmm on an expanded matrix is faster here than matmul, which may copy to have one product.
        changed = torch.bmm(self.into.expand(batch, -1, -1), x.reshape(batch, -1, channels))
        parts = torch.split(changed, [size * read for size, read, _ in self.shared], 1)
        mixed = [
            linear(part.reshape(batch * size, read * channels), block).reshape(batch, size * made, self.channels_out)
            for part, block, (size, read, made) in zip(parts, self.blocks, self.shared, strict=True)
        ]
        return torch.bmm(self.back.expand(batch, -1, -1), torch.cat(mixed, 1))


def products(
    shared: Shared, channels: int, batch: int, device: str = "cpu"
) -> tuple[Callable[[], object], Callable[[], object]]:
    """The bare matrix products of such a layer into memory that is there already: forward, and with the gradients."""
    random = partial(torch.randn, device=device)
    given = [
        (random(batch * size, read * channels), random(read * channels, made * channels)) for size, read, made in shared
    ]
    made = [left @ right for left, right in given]
    gradients = [(torch.empty_like(left), torch.empty_like(right)) for left, right in given]

    def run() -> None:
        for (left, right), out in zip(given, made, strict=True):
            torch.mm(left, right, out=out)

    def both() -> None:
        run()
        for (left, right), out, (to_left, to_right) in zip(given, made, gradients, strict=True):
            torch.mm(out, right.T, out=to_left)
            torch.mm(left.T, out, out=to_right)

    return run, both


def check_equivariant(call: Callable[[Tensor], Tensor], layer: eq.Linear, x: Tensor, n: int) -> None:
    """Raises AssertionError unless a map commutes with a random element of the layer's group, in single precision."""
    found = layer.basis[0, 0]
    group = eq.Group.parse(f"{found.group.family}({n})")
    element = random_element(group, np.random.default_rng(0))

    def moved(tensor: Tensor, order: Order) -> Tensor:
        axes = [n] * axis_counts(order)[0]
        whole = tensor.detach().double().numpy().reshape(len(tensor), *axes, -1)
        return torch.from_numpy(act([element], order, whole)).float()

    with torch.no_grad():
        turned = call(moved(x, found.inputs))
        meant = moved(call(x), found.outputs)
    torch.testing.assert_close(turned.reshape(meant.shape), meant, rtol=1e-3, atol=1e-3)


# --- written by hand, with the parameters of eq.Linear ------------------------------------------------


class Written(nn.Module):
    """A layer written by hand that shares the parameters of an eq.Linear with one term in and out and a bias."""

    def __init__(self, layer: eq.Linear) -> None:
        super().__init__()
        self.weight, self.bias = layer.get_parameter("weight"), layer.get_parameter("bias")


class DeepSets(Written):
    """S(n) 1 -> 1: each element, and the sum over all."""

    def forward(self, x: Tensor) -> Tensor:
        """(batch, n, channels) to the same."""
        everything, own = self.weight.unbind()
        total = linear(x.sum(1, keepdim=True) * x.shape[1] ** -0.5, everything, self.bias[0])
        return linear(x, own) + total


class Edges(Written):
    """S(n) 2 -> 2: the 15 operations on a matrix per channel, computed once each and mixed level by level."""

    def forward(self, x: Tensor) -> Tensor:
        """(batch, n, n, channels) to the same."""
        r, (_, c_out, c_in) = x.shape[1] ** -0.5, self.weight.shape
        diagonal = x.diagonal(dim1=1, dim2=2).mT
        rows, columns = x.sum(2) * r, x.sum(1) * r
        trace, total = diagonal.sum(1) * r, rows.sum(1) * r
        # Weights are ordered by what they make, then by what they read, both in the order of the names here.
        whole = self.weight[:4].reshape(2, 2, c_out, c_in).transpose(1, 2).reshape(2 * c_out, 2 * c_in)
        nodes = self.weight[4:13].reshape(3, 3, c_out, c_in).transpose(1, 2).reshape(3 * c_out, 3 * c_in)
        to_trace, to_all = linear(torch.cat((trace, total), 1), whole, self.bias.flatten()).chunk(2, 1)
        to_diagonal, to_rows, to_columns = linear(torch.cat((diagonal, rows, columns), 2), nodes).chunk(3, 2)
        y = linear(x, self.weight[13]) + linear(x.transpose(1, 2), self.weight[14])
        y = y + (to_rows + to_all[:, None])[:, :, None] + to_columns[:, None]
        y.diagonal(dim1=1, dim2=2).add_((to_diagonal + to_trace[:, None]).mT)
        return y


class Matrices(Written):
    """O(n) 2 -> 2: the trace, the matrix and its transpose."""

    def forward(self, x: Tensor) -> Tensor:
        """(batch, n, n, channels) to the same."""
        by_trace, straight, turned = self.weight.unbind()
        n = x.shape[1]
        trace = linear(x.diagonal(dim1=1, dim2=2).sum(-1) * n**-0.5, by_trace, self.bias[0])
        y = linear(x, straight) + linear(x.transpose(1, 2), turned)
        y.diagonal(dim1=1, dim2=2).add_(trace[:, :, None])
        return y


#: Group, orders, sizes, and the layer that a PyTorch programmer would write.
WRITTEN = (
    ("S(n)", 1, 1, (3, 5, 8), DeepSets),
    ("S(n)", 2, 2, (3, 5, 8), Edges),
    ("O(3)", 2, 2, (3,), Matrices),
)
