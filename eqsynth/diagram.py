"""Diagrams: set partitions of output and input vertices, with edges and a head where groups need them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from eqsynth.errors import EqsynthError

LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Half:
    """One row of a diagram: a partition of the row, and which blocks are kept (go on to the other row).

    >>> from eqsynth import Diagram
    >>> Diagram(1, 2, ((0, 2), (1,))).bottom
    Half(blocks=((0,), (1,)), kept=(1,))

    Vertices are numbered from 0 within the row. A bottom half says how an input is reduced: take
    the diagonal on each block, sum over the blocks that are not kept. A top half says the
    transpose: how a small tensor is spread over the output.
    """

    blocks: tuple[tuple[int, ...], ...]
    kept: tuple[int, ...]

    @property
    def key(self) -> tuple[object, ...]:
        """Sorting key: coarse partitions first, then fewer kept blocks."""
        return (len(self.blocks), self.blocks, self.kept)

    @property
    def dropped(self) -> tuple[int, ...]:
        """The blocks that are not kept."""
        return tuple(block for block in range(len(self.blocks)) if block not in self.kept)


@dataclass(frozen=True, slots=True)
class Diagram:
    """A (k, l)-diagram: ``outputs`` = l vertices on top, ``inputs`` = k at the bottom, in blocks.

    >>> from eqsynth import Diagram
    >>> transpose = Diagram(2, 2, ((0, 3), (1, 2)))
    >>> print(transpose.formula())
    y[a,b] += x[b,a]
    >>> transpose.through, transpose.bottom_only, transpose.top_only
    (2, 0, 0)

    Vertices are numbered outputs first, left to right, then inputs, left to right. Blocks are
    sorted by their least vertex; a block without vertices (internal, Aut(G) only) comes last.
    ``edges`` are pairs of block numbers (Aut(G)); ``head`` is the ordered tuple of the blocks tied
    to the Levi-Civita tensor (SO(n), A(n)). The group says what each piece means.

    Source: arXiv 2304.14144, section 3; 2301.10152 for heads.
    """

    outputs: int
    inputs: int
    blocks: tuple[tuple[int, ...], ...]
    edges: tuple[tuple[int, int], ...] = ()
    head: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        vertices = sorted(vertex for block in self.blocks for vertex in block)
        if vertices != list(range(self.outputs + self.inputs)):
            raise EqsynthError(
                f"the blocks {self.blocks} do not partition the {self.outputs} + {self.inputs} "
                "vertices: each vertex belongs to exactly one block"
            )
        if any(block != tuple(sorted(block)) for block in self.blocks) or list(self.blocks) != sorted(
            self.blocks, key=_least
        ):
            raise EqsynthError(f"the blocks {self.blocks} are not in order: use Diagram.of")
        count = len(self.blocks)
        if any(not 0 <= block < count for edge in self.edges for block in edge):
            raise EqsynthError(f"an edge of {self.edges} names a block that is not there")
        if len(set(self.head)) != len(self.head) or any(not 0 <= block < count for block in self.head):
            raise EqsynthError(f"the head {self.head} must name different blocks that are there")

    @classmethod
    def of(cls, outputs: int, inputs: int, blocks: Iterable[Iterable[int]]) -> Diagram:
        """A diagram without edges or head from blocks in any order."""
        return cls(outputs, inputs, tuple(sorted((tuple(sorted(block)) for block in blocks), key=_least)))

    @property
    def labels(self) -> tuple[int, ...]:
        """The number of the block of each vertex."""
        found = [0] * (self.outputs + self.inputs)
        for number, block in enumerate(self.blocks):
            for vertex in block:
                found[vertex] = number
        return tuple(found)

    @property
    def through(self) -> int:
        """Blocks that join both rows (transferred blocks)."""
        return sum(1 for block in self.blocks if block and block[0] < self.outputs <= block[-1])

    @property
    def bottom_only(self) -> int:
        """Blocks of input vertices alone."""
        return sum(1 for block in self.blocks if block and block[0] >= self.outputs)

    @property
    def top_only(self) -> int:
        """Blocks of output vertices alone."""
        return sum(1 for block in self.blocks if block and block[-1] < self.outputs)

    @property
    def top(self) -> Half:
        """The output row, with the transferred blocks kept."""
        return self._half(0, self.outputs)

    @property
    def bottom(self) -> Half:
        """The input row, with the transferred blocks kept."""
        return self._half(self.outputs, self.outputs + self.inputs)

    def _half(self, start: int, stop: int) -> Half:
        rows = []
        for block in self.blocks:
            row = tuple(vertex - start for vertex in block if start <= vertex < stop)
            if row:
                rows.append((row, len(row) < len(block)))
        rows.sort()
        return Half(tuple(row for row, _ in rows), tuple(i for i, (_, kept) in enumerate(rows) if kept))

    @property
    def middle(self) -> tuple[int, ...]:
        """For each kept block of the top, left to right, which kept block of the bottom it joins."""
        transferred = [block for block in self.blocks if block and block[0] < self.outputs <= block[-1]]
        entries = [min(vertex for vertex in block if vertex >= self.outputs) for block in transferred]
        return tuple(sorted(entries).index(entry) for entry in entries)

    @property
    def key(self) -> tuple[object, ...]:
        """The order of a basis: transferred blocks, then top, bottom and middle."""
        return (self.through, self.top.key, self.bottom.key, self.middle)

    def formula(self) -> str:
        """The map as an index formula: one letter per block, first letters for the outputs."""
        labels = [LETTERS[label] if label < 26 else f"i{label}" for label in self.labels]
        top, bottom = labels[: self.outputs], labels[self.outputs :]
        y = f"y[{','.join(top)}]" if top else "y"
        x = f"x[{','.join(bottom)}]" if bottom else "x"
        return f"{y} += {x}"


def _least(block: Sequence[int]) -> float:
    return block[0] if block else float("inf")
