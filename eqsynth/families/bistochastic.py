"""B(n): orthogonal matrices whose rows and columns sum to 1. arXiv 0808.2628."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations, product
from math import comb
from typing import TYPE_CHECKING, ClassVar

from eqsynth.exact.partitions import Blocks, Shape, matchings, partial_matchings
from eqsynth.families.group import Generators, Group, Label
from eqsynth.families.matching_groups import even_tableaux, matching_shapes, orthogonal_element
from eqsynth.families.orthogonal import Orthogonal
from eqsynth.families.partition_groups import PartitionGroup, kinds_of
from eqsynth.spaces.space import Symmetry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Bistochastic(PartitionGroup):
    """Bistochastic orthogonal matrices B(n): set partitions into pairs and single vertices.

    >>> from eqsynth import Group
    >>> [Group("B", "n").dimension(total) for total in (1, 2, 3, 4, 5)], Group("B", 2).dimension(4)
    ([1, 2, 4, 10, 26], 8)

    Such a matrix fixes the vector of ones and is any orthogonal matrix on the vectors of sum 0: B(n) is O(n-1) acting
    on R + R^(n-1), and its irreducible parts are those of O(n-1).

    Which diagrams are a basis at every n: those whose pairs alone are standard for O(n-1). Write each pair as
    P + J/n, P the projection to vectors of sum 0 and J all ones: a diagram is itself with P for its pairs, plus
    diagrams with more single vertices. So they are triangular to products of ones and matchings of R^(n-1), which are
    independent for different sets of single vertices. Source: Banica and Speicher, arXiv 0808.2628.
    """

    __slots__ = ()
    about = "bistochastic group: all orthogonal matrices whose rows and columns sum to 1"
    action = "rotate or reflect the coordinates{} around the vector of ones"
    sources: ClassVar[dict[str, str]] = {
        "partial matching": "set partitions into pairs and single vertices, arXiv 0808.2628"
    }
    diagram_kind = "partial matching"
    spanning = "set partitions into pairs and single vertices, without a head"
    arguments = ("stable", "gram", "standard")
    rule = "standard"
    coarsens = False
    jellyfish = False
    singles = True
    stride = 1
    walk = "Each axis of a tensor is one step that adds a box, takes one away, or stays."

    @property
    def standard_size(self) -> int:
        """That of the orthogonal group on vectors of sum 0."""
        return self.number - 1

    def headless_blocks(self, total: int) -> Iterator[Blocks]:
        """All partial matchings."""
        for singles in range(total % 2, total + 1, 2):
            yield from partial_matchings(total, singles)

    def rows(self, order: int, through: int) -> list[tuple[Blocks, tuple[int, ...]]] | None:
        """Single vertices go on, or stay."""
        return [
            (blocks, kept)
            for blocks in Bistochastic.headless_blocks(self, order)
            for count in range(through + 1)
            for kept in combinations([i for i, block in enumerate(blocks) if len(block) == 1], count)
        ]

    def grows(self, sizes: Sequence[int], more: int) -> bool | None:
        """Pairs and single vertices."""
        return super().grows(sizes, more) if max(sizes, default=0) <= 2 else False

    def blocks_count(self, total: int, blocks: int) -> int:
        """How many diagrams there are with so many blocks: each pair saves one."""
        pairs = total - blocks
        return comb(total, 2 * pairs) * matchings(2 * pairs) if pairs >= 0 else 0

    def misfit(self, blocks: Blocks, head: tuple[int, ...]) -> str:
        """Why blocks and a head are no diagram of the group; empty where they are."""
        if any(len(block) > 2 for block in blocks):
            return "a block has more than two vertices"
        return super().misfit(blocks, head)

    def standard_shapes(self, total: int) -> Iterator[Shape]:
        """Those of perfect matchings, for the orthogonal group on vectors of sum 0."""
        return matching_shapes(total, self.standard_size)

    def gram_roots(self, total: int) -> Counter[int]:
        """A factor n for each single vertex, and for pairs the roots of O(n-1), one larger."""
        roots: Counter[int] = Counter()
        for singles in range(total % 2, total + 1, 2):
            sets, pairs = comb(total, singles), total - singles
            roots[0] += sets * singles * matchings(pairs)
            for root, power in Orthogonal("O", "n").gram_roots(pairs).items():
                roots[root + 1] += sets * power
        return roots

    def dimension(self, total: int) -> int:
        """For each set of single vertices the maps of O(n-1) between the others."""
        size = total if isinstance(self.n, str) else self.standard_size
        return sum(comb(total, paired) * even_tableaux(paired, size, True) for paired in range(0, total + 1, 2))

    def fewest(self, total: int) -> int:
        """Those of B(2): any even number of vertices is paired."""
        return 1 << max(total - 1, 0) if self.number > 1 else 1

    def stable_from(self, total: int) -> int:
        """That of O(n-1), and one more."""
        return total // 2 + 1

    def symmetric_dimension(self, parts: Sequence[int | Symmetry]) -> int:
        """Of R + W: S^k is the sum of S^j(W), j <= k, and A^k that of A^k(W) and A^(k-1)(W)."""
        return self.between_parts(
            Orthogonal("O", "n" if isinstance(self.n, str) else max(self.standard_size, 1)), parts
        )

    def between_parts(self, inner: Group, parts: Sequence[int | Symmetry]) -> int:
        """The same, counted with maps of another kind between vectors of sum 0."""
        kinds = kinds_of(parts)
        most = sum(order for _, order in kinds)
        choices = [range(max(order - 1, 0), order + 1) if upright else range(order + 1) for upright, order in kinds]
        total = 0
        for orders in product(*choices) if most else [()]:
            if self.n == 1 and any(orders):
                continue
            shapes = [
                order if order == 1 else Symmetry("A" if upright else "S", order)
                for (upright, _), order in zip(kinds, orders, strict=True)
                if order
            ]
            total += inner.symmetric_dimension(shapes)
        return total

    def start(self) -> Label:
        """The empty partition."""
        return ()

    def neighbours(self, step: int, label: Label) -> list[Label]:
        """The vector of ones stays, and vectors of sum 0 add or take away a box."""
        inner = self._vectors
        return [label, *(inner.neighbours(step, label) if inner else ())]

    def times_power_sum(self, label: Label, length: int) -> Counter[Label]:
        """The vector of ones gives 1, the others what they do for O(n-1)."""
        inner = self._vectors.times_power_sum(label, length) if self._vectors else Counter()
        inner[label] += 1
        return inner

    def twisted_part(self, label: Label) -> Label:
        """That of O(n-1)."""
        return self._vectors.twisted_part(label) if self._vectors else label

    def dimension_factors(self, label: Label) -> tuple[tuple[int, ...], int]:
        """Those of O(n-1)."""
        offsets, divisor = Orthogonal("O", "n").dimension_factors(label)
        return tuple(offset - 1 for offset in offsets), divisor

    def boxes(self, label: Label) -> int:
        """All of them."""
        return sum(label)

    def part_name(self, label: Label, symbol: str) -> str:  # noqa: ARG002 - no row is left open
        """The partition."""
        return f"({','.join(map(str, label))})"

    def part_words(self, label: Label) -> str:
        """What a part is, in words; empty where it has no name."""
        words = {(): "scalar: one number that never changes", (1,): "vectors whose entries sum to 0"}
        return words.get(label, "")

    @property
    def _vectors(self) -> Orthogonal | None:
        """The group of the vectors of sum 0, where there are any."""
        return Orthogonal("O", self.number - 1) if self.number > 1 else None

    @property
    def flips(self) -> bool:
        """Reflections of the vectors of sum 0, where there are any."""
        return super().flips and self.n != 1

    def generating_matrices(self) -> Generators:
        """The exchange of two coordinates, and rotations of three neighbouring ones around their vector of ones."""
        import numpy as np

        exchange = np.eye(self.number, dtype=np.int64)
        exchange[:2] = exchange[:2][::-1].copy()
        turn = np.array([[0, 1, -1], [-1, 0, 1], [1, -1, 0]])
        turns = []
        for axis in range(self.number - 2):
            turns.append(np.zeros((self.number, self.number), np.int64))
            turns[-1][axis : axis + 3, axis : axis + 3] = turn
        return [exchange] if self.number > 1 else [], turns

    def random_element(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """By Haar measure: a random element of O(n-1) in an orthonormal basis that begins with the vector of ones."""
        import numpy as np

        n = self.number
        basis, _ = np.linalg.qr(np.column_stack([np.ones(n), np.eye(n)[:, 1:]]))
        inner = np.eye(n)
        inner[1:, 1:] = orthogonal_element(n - 1, rng)
        return np.asarray(basis @ inner @ basis.T)

    def pointwise(self, order: int) -> tuple[tuple[str, ...], str]:
        """Multiples of the identity; B(1) and B(2) are S(1) and S(2)."""
        return ((), "") if isinstance(self.n, int) and self.n <= 2 else Group.pointwise(self, order)
