"""Equivariant layers one diagram at a time: the fast multiplication of arXiv 2412.10837, as a readable reference.

Each diagram is applied by itself, directly from its blocks, as in the paper's algorithms (also arXiv 2304.14165):

1. reduce: blocks of inputs alone are contracted (a diagonal and a sum; for Sp(n) with the symplectic form), and so are
   blocks of the head with the Levi-Civita tensor;
2. transfer: what is left has one axis per block that goes through;
3. expand: blocks of outputs alone are filled by repetition (for Sp(n) with the symplectic form), and blocks of several
   outputs are diagonals.

:class:`OneByOne` writes each step as one einsum, and mixes the channels of what a diagram makes of the input.
:class:`Tuned` does the same as well as we know how: views in place of deltas, channels mixed on the smallest tensor of
the three steps, all diagrams added to one output in place. Neither shares anything between diagrams, which is what
eqsynth's layers add. Only plain torch operations, and nothing from eqsynth's plans or emitted source.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from math import perm

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

import eqsynth as eq
from eqsynth.spaces.space import axis_counts


@dataclass(frozen=True, slots=True)
class Block:
    """Axes of the output and of the input that share an index, for one factor of the group."""

    above: tuple[int, ...]
    below: tuple[int, ...]
    symplectic: bool  # whether a pair within one row carries the form

    @property
    def through(self) -> bool:
        """Whether the block joins both rows."""
        return bool(self.above and self.below)


@dataclass(frozen=True, slots=True)
class Head:
    """Blocks tied to the Levi-Civita tensor of size n, in its order."""

    blocks: tuple[int, ...]
    n: int


class Tuned(nn.Module):
    """Every diagram of a layer by itself, with the layer's own weights; ``sizes``: n, for each factor of the group.

    For layers without bias from one term to one term, of groups with diagrams: S, A, O, SO, Sp and their products.
    """

    scale: Tensor

    def __init__(self, layer: eq.Linear, sizes: Sequence[int]) -> None:
        super().__init__()
        self.weight = layer.get_parameter("weight")
        basis = layer.basis[0, 0]
        group = layer.hom.group
        self.shape_in = [n for n, k in zip(sizes, axis_counts(basis.inputs), strict=True) for _ in range(k)]
        self.shape_out = [n for n, k in zip(sizes, axis_counts(basis.outputs), strict=True) for _ in range(k)]
        self.diagrams = []
        scales = []
        power = {"variance": -0.5, "mean": -1.0, "sum": 0.0}[layer.plan.normalization]
        for element in range(len(basis)):
            blocks: list[Block] = []
            heads: list[Head] = []
            above = below = 0
            scale = 1.0
            for factor, n, diagram in zip(group.factors, sizes, basis.factors(element), strict=True):
                start = len(blocks)
                for block in diagram.blocks:
                    top = tuple(above + v for v in block if v < diagram.outputs)
                    bottom = tuple(below + v - diagram.outputs for v in block if v >= diagram.outputs)
                    blocks.append(Block(top, bottom, factor.family == "Sp"))
                own = blocks[start:]
                summed = sum(1 for i, block in enumerate(own) if not block.above and i not in diagram.head)
                fixed = sum(1 for i in diagram.head if own[i].above)
                # How many entries of the input are added up in an entry of the output.
                terms = n**summed * perm(n - fixed, len(diagram.head) - fixed)
                scale *= terms**power
                if factor.family in ("O", "SO", "Sp"):
                    scale *= n ** (max(diagram.outputs - diagram.inputs, 0) / 4)
                if diagram.head:
                    heads.append(Head(tuple(start + i for i in diagram.head), n))
                above, below = above + diagram.outputs, below + diagram.inputs
            self.diagrams.append(OneDiagram(blocks, heads, self.weight.dtype))
            scales.append(scale)
        self.register_buffer("scale", torch.tensor(scales, dtype=self.weight.dtype)[:, None, None])

    def forward(self, x: Tensor) -> Tensor:
        """Channels-last in and out, as in eq.Linear: the sum over diagrams."""
        batch = x.shape[: x.ndim - 1 - len(self.shape_in)]
        x = x.reshape(-1, *self.shape_in, x.shape[-1])
        y = x.new_zeros(x.shape[0], *self.shape_out, self.weight.shape[1])
        for diagram, weight in zip(self.diagrams, (self.weight * self.scale).unbind(), strict=True):
            diagram.add(y, x, weight)
        return y.reshape(*batch, *y.shape[1:])


class OneByOne(Tuned):
    """The same, each step of each diagram as one einsum."""

    def forward(self, x: Tensor) -> Tensor:
        """Channels-last in and out, as in eq.Linear: the sum over diagrams."""
        batch = x.shape[: x.ndim - 1 - len(self.shape_in)]
        x = x.reshape(-1, *self.shape_in, x.shape[-1])
        y = x.new_zeros(x.shape[0], *self.shape_out, self.weight.shape[1])
        for diagram, weight in zip(self.diagrams, (self.weight * self.scale).unbind(), strict=True):
            y = y + linear(diagram.multiply(x, self.shape_out), weight)
        return y.reshape(*batch, *y.shape[1:])


class OneDiagram:
    """One diagram: reduce, transfer, expand."""

    def __init__(self, blocks: Sequence[Block], heads: Sequence[Head], dtype: torch.dtype) -> None:
        self.blocks, self.heads = tuple(blocks), tuple(heads)
        self.epsilons = [epsilon(head.n, len(head.blocks)).to(dtype) for head in heads]
        tied = {block for head in heads for block in head.blocks}
        #: The block of each axis of the output, and of the input.
        self.above = [_holder(blocks, "above", axis) for axis in range(sum(len(block.above) for block in blocks))]
        self.below = [_holder(blocks, "below", axis) for axis in range(sum(len(block.below) for block in blocks))]
        self.forms_above = [i for i, block in enumerate(blocks) if block.symplectic and not block.below]
        self.forms_below = [i for i, block in enumerate(blocks) if block.symplectic and not block.above]
        self.summed = {i for i, block in enumerate(blocks) if not block.above and i not in tied} - {*self.forms_below}
        taken = sum(1 for block in tied if not blocks[block].above)
        given = sum(1 for block in tied if not blocks[block].below)
        #: Whether there are fewer axes to mix on before the heads than after them.
        self.mix_first = taken < given

    def multiply(self, x: Tensor, shape_out: Sequence[int]) -> Tensor:
        """The diagram's matrix times x, channel by channel: reduce and transfer, then expand."""
        batch, channels = 0, 1
        fresh = iter(range(2 + len(self.blocks), 52))
        # An index for every block; the second axis of a symplectic pair has one of its own.
        index = {block: 2 + block for block in range(len(self.blocks))}
        partner = {block: next(fresh) for block in (*self.forms_below, *self.forms_above)}
        factors: list[Tensor | list[int]] = []
        seen: list[int] = []
        axes = []
        for block in self.below:
            axes.append(partner[block] if block in partner and block in seen else index[block])
            seen.append(block)
        for block in self.forms_below:
            factors += [omega(x.shape[1 + self.below.index(block)]).to(x), [index[block], partner[block]]]
        for head, table in zip(self.heads, self.epsilons, strict=True):
            factors += [table.to(x), [index[block] for block in head.blocks]]
        made = [block for block in dict.fromkeys(self.above) if block in self.below or self._tied(block)]
        small = torch.einsum(
            x, [batch, *axes, channels], *factors, [batch, *(index[block] for block in made), channels]
        )
        factors, seen, axes = [], [], []
        for axis, block in enumerate(self.above):
            n = shape_out[axis]
            if block not in seen:
                axes.append(index[block])
                if block in self.forms_above:
                    factors += [omega(n).to(x), [index[block], partner[block]]]
                elif block not in made:
                    factors += [x.new_ones(n), [index[block]]]
            elif block in self.forms_above:
                axes.append(partner[block])
            else:
                axes.append(next(fresh))
                factors += [torch.eye(n).to(x), [index[block], axes[-1]]]
            seen.append(block)
        return torch.einsum(
            small, [batch, *(index[block] for block in made), channels], *factors, [batch, *axes, channels]
        )

    def _tied(self, block: int) -> bool:
        return any(block in head.blocks for head in self.heads)

    def add(self, y: Tensor, x: Tensor, weight: Tensor) -> None:
        """Add weight times diagram times x to y."""
        labels = list(self.below)
        for block in self.forms_below:
            x, labels = _contract_form(x, labels, block)
        x, labels = diagonal(x, labels)
        summed = [1 + axis for axis, label in enumerate(labels) if label in self.summed]
        if summed:
            x, labels = x.sum(summed), [label for label in labels if label not in self.summed]
        if self.mix_first:
            x = linear(x, weight)
        for head, table in zip(self.heads, self.epsilons, strict=True):
            x, labels = self._contract_head(x, labels, head, table)
        if not self.mix_first:
            x = linear(x, weight)
        for sign, view, order in self._views(y):
            placed = x.permute(0, *[1 + labels.index(label) for label in order if label in labels], x.ndim - 1)
            for axis, label in enumerate(order):
                if label not in labels:  # a block of outputs alone: the same at every index
                    placed = placed.unsqueeze(1 + axis)
            view.add_(placed, alpha=sign)

    def _contract_head(self, x: Tensor, labels: list[int], head: Head, table: Tensor) -> tuple[Tensor, list[int]]:
        made = [label for label in labels if label not in head.blocks or self.blocks[label].above]
        made += [block for block in head.blocks if not self.blocks[block].below]
        letters = {label: 2 + label for label in range(len(self.blocks))}  # 0 is the batch, 1 the channels
        left = [0, *[letters[label] for label in labels], 1]
        result = [0, *[letters[label] for label in made], 1]
        return torch.einsum(x, left, table, [letters[label] for label in head.blocks], result), made

    def _views(self, y: Tensor) -> Iterator[tuple[int, Tensor, list[int]]]:
        """Views of the output with one axis per block, and the sign with which the values are added there.

        A view is made when it is used: one from before an addition would not know that y needs gradients now.
        """
        labels, forms = self.above, self.forms_above
        for odds in product((0, 1), repeat=len(forms)):
            view = y
            for block, odd in zip(forms, odds, strict=True):
                view = _form(view, labels, block, odd)
            yield (-1) ** sum(odds), *diagonal(view, labels)


def epsilon(n: int, size: int) -> Tensor:
    """The Levi-Civita tensor of n labels; with ``size`` n - 1 the missing label counts as the last."""
    table = torch.zeros((n,) * size)
    for labels in permutations(range(n)):
        inversions = sum(labels[i] > labels[j] for j in range(n) for i in range(j))
        table[labels[:size]] = (-1) ** inversions
    return table


def omega(n: int) -> Tensor:
    """The symplectic form: 1 at (2r, 2r + 1), -1 at (2r + 1, 2r)."""
    table = torch.zeros(n, n)
    table[torch.arange(0, n, 2), torch.arange(1, n, 2)] = 1
    return table - table.T


def diagonal(x: Tensor, labels: Sequence[int]) -> tuple[Tensor, list[int]]:
    """The view with one axis per label, where axes with the same label share their index."""
    left = list(labels)
    for label in dict.fromkeys(labels):
        while left.count(label) > 1:
            first = left.index(label)
            second = left.index(label, first + 1)
            x = x.diagonal(0, 1 + first, 1 + second).movedim(-1, 1 + first)
            del left[second]
    return x, left


def _holder(blocks: Sequence[Block], side: str, axis: int) -> int:
    return next(i for i, block in enumerate(blocks) if axis in (block.above if side == "above" else block.below))


def _form(x: Tensor, labels: Sequence[int], block: int, odd: int) -> Tensor:
    """Where the symplectic form is 1, labels (2r, 2r + 1), or if ``odd`` where it is -1, labels (2r + 1, 2r)."""
    first, second = (1 + axis for axis, label in enumerate(labels) if label == block)
    index = [slice(None)] * x.ndim
    index[first], index[second] = slice(odd, None, 2), slice(1 - odd, None, 2)
    return x[tuple(index)]


def _contract_form(x: Tensor, labels: Sequence[int], block: int) -> tuple[Tensor, list[int]]:
    first, second = (1 + axis for axis, label in enumerate(labels) if label == block)
    plus, minus = (_form(x, labels, block, odd).diagonal(0, first, second).sum(-1) for odd in (0, 1))
    # A diagonal's axis is the last one, behind the channels, so its sum leaves the others as they were.
    return plus - minus, [label for label in labels if label != block]
