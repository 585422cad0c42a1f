"""H(n): permutations of n coordinates with signs, the symmetries of the n-cube. arXiv 0808.2628."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache
from math import comb, factorial
from typing import TYPE_CHECKING, Any, ClassVar

from eqsynth.exact.partitions import (
    Blocks,
    Shape,
    conjugate,
    hooks,
    with_box,
    with_strip,
    without_box,
    without_strip,
)
from eqsynth.families.group import Generators, Label
from eqsynth.families.partition_groups import PartitionGroup, first_row
from eqsynth.families.symmetric import Symmetric

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Hyperoctahedral(PartitionGroup):
    """Signed permutations H(n): set partitions into blocks of even size, at most n of them at each n.

    >>> from eqsynth import Group
    >>> [Group("H", "n").dimension(total) for total in (2, 4, 6, 8)], Group("H", 2).dimension(6)
    ([1, 4, 31, 379], 16)

    An irreducible part is named by two partitions with n boxes in all: those of coordinates that signs leave alone,
    and those that they flip. Source: arXiv 0808.2628 (diagrams); Macdonald, Symmetric Functions, I.B (parts).
    """

    __slots__ = ()
    about = "hyperoctahedral group: all permutations of n coordinates with signs"
    action = "permute the coordinates{} and flip signs"
    sources: ClassVar[dict[str, str]] = {"even partition": "set partitions into blocks of even size, arXiv 0808.2628"}
    diagram_kind = "even partition"
    block_size = 2
    spanning = "set partitions into blocks of even size, without a head"
    stride = 1
    walk = "Each axis of a tensor is one step that takes a box from one partition and puts one into the other."
    counted_by = "partitions into even blocks"

    def headless_blocks(self, total: int) -> Iterator[Blocks]:
        """All set partitions into blocks of even size."""
        return even_set_partitions(total)

    def blocks_count(self, total: int, blocks: int) -> int:
        """How many of them have so many blocks."""
        return even_stirling2(total, blocks)

    def gain(self, inputs: int, outputs: int) -> int:
        """Blocks have two vertices or more: outputs beyond the inputs stand in pairs, at least."""
        return max(outputs - inputs, 0)

    def start(self) -> Label:
        """One row of n boxes, and none."""
        return ((self.number,), ())

    def neighbours(self, step: int, label: Label) -> list[Label]:  # noqa: ARG002 - all steps are alike
        """A box leaves one partition, and one comes to the other: V is induced from the sign of one coordinate."""
        kept, flipped = label
        ahead = [(less, more) for less in without_box(kept) for more in with_box(flipped)]
        return ahead + [(more, less) for less in without_box(flipped) for more in with_box(kept)]

    def times_power_sum(self, label: Label, length: int) -> Counter[Label]:
        """As for permutations; a cycle of d points that flips signs counts (-1)^(length / d).

        So the strip goes back to the partition that it was taken from where length / d is even, else to the other.
        """
        total: Counter[Label] = Counter()
        for d in range(1, min(length, self.number) + 1):
            for side in (0, 1) if length % d == 0 else ():
                for less, sign in without_strip(label[side], d):
                    rest = [*label]
                    rest[side] = less
                    to = side if length // d % 2 == 0 else 1 - side
                    for more, other in with_strip(rest[to], d):
                        total[(more, rest[1]) if to == 0 else (rest[0], more)] += sign * other
        return total

    def exists(self, label: Label) -> bool:
        """Two partitions with n boxes in all."""
        return len(label) == 2 and isinstance(label[0], tuple) and sum(map(sum, label)) == self.number

    def least_order(self, label: Label) -> int:
        """One for each box of the second partition, two for each below the first row of the first."""
        kept, flipped = label
        return int(2 * sum(kept[1:]) + sum(flipped))

    def seats(self, label: Label) -> tuple[tuple[Shape, int, bool], ...]:
        """Boxes below the first row stand on two axes each, which are equal, and sums over them vanish."""
        kept, flipped = label
        return ((flipped, 1, False), (kept[1:], 2, True))

    def twisted_part(self, label: Label) -> Label:
        """Both transposed, in the other order: each flip of a sign has determinant -1."""
        kept, flipped = label
        return conjugate(flipped), conjugate(kept)

    def dimension_factors(self, label: Label) -> tuple[tuple[int, ...], int]:
        """N over the boxes of the second partition, times the dimensions of both."""
        kept, flipped = label
        boxes = sum(flipped)
        offsets, divisor = Symmetric("S", "n").dimension_factors(kept)
        return (*(-place for place in range(boxes)), *(offset - boxes for offset in offsets)), divisor * hooks(flipped)

    def boxes(self, label: Label) -> int:
        """The boxes outside of the first row."""
        kept, flipped = label
        return int(sum(kept[1:]) + sum(flipped))

    def sort_key(self, label: Label) -> tuple[Any, ...]:
        """By the number of coordinates whose signs count, then by the rows."""
        return sum(label[1]), label

    def part_name(self, label: Label, symbol: str) -> str:
        """Both partitions; with n a letter, the first row is what all others leave of it."""
        rows, flipped = ([str(length) for length in shape] for shape in label)
        if self.symbolic:
            rows[:1] = [first_row(symbol, self.boxes(label))]
        return f"({','.join(rows) or '-'};{','.join(flipped) or '-'})"

    def part_words(self, label: Label) -> str:
        """What a part is, in words; empty where it has no name."""
        n, (rows, flipped) = self.number, label
        if not flipped:
            words = {(n,): "trivial: one number that never changes", (n - 1, 1): "diagonals whose entries sum to 0"}
            return words.get(rows, "") if n > 1 or len(rows) == 1 else ""
        return "vector" if flipped == (1,) and rows == (n - 1,) * (n > 1) else ""

    @property
    def order(self) -> int:
        """All permutations with all signs."""
        return int(factorial(self.number) << self.number)

    def generating_matrices(self) -> Generators:
        """Those of S(n), and the sign of the first coordinate."""
        import numpy as np

        flip = np.eye(self.number, dtype=np.int64)
        flip[0, 0] = -1
        moves, _ = Symmetric("S", self.n).generating_matrices()
        return [*moves, flip], []

    def generator_count(self) -> int:
        """Three."""
        return 3

    def random_element(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Uniform."""
        import numpy as np

        permutation = np.eye(self.number)[rng.permutation(self.number)]
        return np.asarray(permutation * rng.choice([-1.0, 1.0], self.number))

    def pointwise(self, order: int) -> tuple[tuple[str, ...], str]:
        """Odd functions: entries are moved, and their signs flip; one entry of even order keeps its sign."""
        return ((), "") if self.n == 1 and order % 2 == 0 else (("odd",), f"{self} flips signs")


def even_set_partitions(total: int) -> Iterator[Blocks]:
    """Set partitions of ``range(total)`` into blocks of even size, by restricted growth.

    >>> from eqsynth.families.hyperoctahedral import even_set_partitions
    >>> list(even_set_partitions(4))
    [((0, 1, 2, 3),), ((0, 1), (2, 3)), ((0, 2), (1, 3)), ((0, 3), (1, 2))]
    """
    blocks: list[tuple[int, ...]] = []

    def grow(vertex: int, odd: int) -> Iterator[Blocks]:
        if vertex == total:
            yield tuple(blocks)
            return
        # Each odd block needs one more vertex of those that are left.
        for position, block in enumerate(blocks):
            odd_after = odd + (1 if len(block) % 2 == 0 else -1)
            if odd_after < total - vertex:
                blocks[position] = (*block, vertex)
                yield from grow(vertex + 1, odd_after)
                blocks[position] = block
        if odd + 1 < total - vertex:
            blocks.append((vertex,))
            yield from grow(vertex + 1, odd + 1)
            blocks.pop()

    return iter(()) if total % 2 else grow(0, 0)


@cache
def even_stirling2(total: int, blocks: int) -> int:
    """Set partitions of ``total`` elements into exactly ``blocks`` blocks of even size.

    >>> from eqsynth.families.hyperoctahedral import even_stirling2
    >>> [sum(even_stirling2(total, blocks) for blocks in range(total + 1)) for total in (2, 4, 6, 8)]
    [1, 4, 31, 379]
    """
    if not total or not blocks:
        return int(total == blocks)
    # The block of the first element has an odd number of the others.
    return sum(
        comb(total - 1, others) * even_stirling2(total - 1 - others, blocks - 1) for others in range(1, total, 2)
    )
