"""A(n): the even permutations of n points. arXiv 2301.10152."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import factorial
from typing import TYPE_CHECKING, ClassVar

from eqsynth.exact.partitions import Blocks, conjugate, set_partitions, stirling2
from eqsynth.families.group import Generators, Label
from eqsynth.families.partition_groups import kinds_of, orbits_of_partitions
from eqsynth.families.symmetric import Symmetric
from eqsynth.spaces.space import Symmetry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Alternating(Symmetric):
    """The alternating group A(n): the maps of S(n), and partitions into n or n - 1 blocks, all tied to a head.

    >>> from eqsynth import Group
    >>> Group("A", 3).count(2), Group("A", "n").count(2)
    (3, 2)
    """

    __slots__ = ()
    about = "alternating group: the even permutations of n points"
    action = "relabel the points{} by an even permutation"
    sources: ClassVar[dict[str, str]] = {"jellyfish": "partitions whose blocks hang on one head, arXiv 2301.10152"}
    heads = True
    schur = False
    headless = "S"
    haar = "even permutation"
    twist = "sign"
    frames = ""
    spanning = "set partitions, and those with n or n - 1 blocks all tied to the head (n a number above 1)"

    def _head_sizes(self) -> tuple[int, ...]:
        return (self.n, self.n - 1) if isinstance(self.n, int) and self.n > 1 else ()

    def headed_blocks(self, total: int) -> Iterator[tuple[Blocks, tuple[int, ...]]]:
        """Partitions into n or n - 1 blocks, all tied to the head."""
        sizes = self._head_sizes()
        for blocks in set_partitions(total) if sizes else ():
            if len(blocks) in sizes:
                yield blocks, tuple(range(len(blocks)))

    def headed_count(self, total: int) -> int:
        """How many diagrams with a head there are on so many vertices: all are independent."""
        return sum(stirling2(total, blocks) for blocks in self._head_sizes())

    def count(self, total: int) -> int:
        """How many diagrams there are on so many vertices."""
        return super().count(total) + self.headed_count(total)

    def misfit(self, blocks: Blocks, head: tuple[int, ...]) -> str:
        """Why blocks and a head are no diagram of the group; empty where they are."""
        if not head:
            return super().misfit(blocks, head)
        if isinstance(self.n, str):
            return "it has a head"
        if head != tuple(range(len(blocks))):
            return "its head does not hold all blocks in order"
        return "" if len(head) in self._head_sizes() else "its head has no n or n - 1 blocks"

    def dimension(self, total: int) -> int:
        """That of S(n), and diagrams with a head, which are orthogonal (arXiv 2301.10152)."""
        return super().dimension(total) + self.headed_count(total)

    def symmetric_dimension(self, parts: Sequence[int | Symmetry]) -> int:
        """That of S(n), and orbits of diagrams with a head."""
        return super().symmetric_dimension(parts) + self.headed_symmetric_dimension(parts)

    def headed_symmetric_dimension(self, parts: Sequence[int | Symmetry]) -> int:
        """Orbits of diagrams with a head."""
        counted = orbits_of_partitions(kinds_of(parts), True)
        return sum(counted.get(size, 0) for size in self._head_sizes())

    def stable_from(self, total: int) -> int:
        """Where no head fits any more."""
        return total + 2

    def joined(self, label: Label) -> Label:
        """Partitions that are each other's transpose differ by the sign."""
        return max(label, conjugate(label))

    def splits(self, label: Label) -> bool:
        """A partition that is its own transpose falls in two halves."""
        return self.number > 1 and label == conjugate(label)

    def complex_halves(self, label: Label) -> bool:
        """Where (n - d)/2 is odd, with d boxes on the diagonal (James and Kerber, 2.5)."""
        diagonal = sum(1 for row, length in enumerate(label) if length > row)
        return (self.number - diagonal) % 4 == 2

    @property
    def order(self) -> int:
        """Half of all permutations; the one that there is of one point."""
        return max(factorial(self.number) // 2, 1)

    def generating_matrices(self) -> Generators:
        """Cycles of three points, two of them the first."""
        import numpy as np

        unit = np.eye(self.number, dtype=np.int64)
        cycles = []
        for last in range(2, self.number):
            cycle = unit.copy()
            cycle[[0, 1, last]] = cycle[[1, last, 0]]
            cycles.append(cycle)
        return cycles, []

    def generator_count(self) -> int:
        """One for each point but two."""
        return self.number

    def random_element(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Uniform."""
        import numpy as np

        element = super().random_element(rng)
        return element[[1, 0, *range(2, self.number)]] if np.linalg.det(element) < 0 else element
