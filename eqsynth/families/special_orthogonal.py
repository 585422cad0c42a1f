"""SO(n): the rotations of R^n. arXiv 2212.08630."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import comb
from typing import TYPE_CHECKING, ClassVar

from eqsynth.exact.partitions import Blocks, Shape, matchings, partial_matchings, partitions
from eqsynth.families.group import Generators, Label
from eqsynth.families.matching_groups import odd_tableaux, rotations, twice
from eqsynth.families.orthogonal import Orthogonal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class SpecialOrthogonal(Orthogonal):
    """The special orthogonal group SO(n): the maps of O(n), and n free vertices on a head beside pairs.

    >>> from eqsynth import Group
    >>> Group("SO", 3).dimension(3), Group("SO", 3).dimension(7), Group("SO", "n").dimension(3)
    (1, 36, 0)
    """

    __slots__ = ()
    about = "special orthogonal group: the rotations of R^n"
    action = "rotate the coordinates{}"
    sources: ClassVar[dict[str, str]] = {"head (Levi-Civita)": "matchings with n free vertices, arXiv 2212.08630"}
    heads = True
    schur = False
    headless = "O"
    haar = "special orthogonal"
    twist = "determinant"
    spanning = "perfect matchings, and n single vertices tied to the head with pairs"

    def headed_blocks(self, total: int) -> Iterator[tuple[Blocks, tuple[int, ...]]]:
        """Diagrams with n free vertices, tied to the head, and pairs."""
        for blocks in partial_matchings(total, self.n) if isinstance(self.n, int) else ():
            yield blocks, tuple(number for number, block in enumerate(blocks) if len(block) == 1)

    def count(self, total: int) -> int:
        """How many diagrams there are on so many vertices."""
        return super().count(total) + self.headed_count(total)

    def headed_count(self, total: int) -> int:
        """How many of them have a head."""
        n = self.n
        return 0 if isinstance(n, str) or n > total else comb(total, n) * matchings(total - n)

    def degenerate_heads(self, total: int) -> Iterable[int]:
        """Where there is a pair besides the n free vertices: antisymmetrising n + 1 indices gives zero."""
        return range(total - 2, 0, -2)

    def misfit(self, blocks: Blocks, head: tuple[int, ...]) -> str:
        """Why blocks and a head are no diagram of the group; empty where they are."""
        if not head or isinstance(self.n, str):
            return super().misfit(blocks, head)
        if any(len(blocks[number]) != 1 for number in head) or list(head) != sorted(head):
            return "its head does not hold single vertices in order"
        if len(head) != self.n:
            return f"its head has {len(head)} vertices"
        return super().misfit(tuple(block for number, block in enumerate(blocks) if number not in head), ())

    def dimension(self, total: int) -> int:
        """That of O(n), and one for each standard tableau with n rows, all of them odd."""
        return super().dimension(total) + self.headed_dimension(total)

    def headed_dimension(self, total: int) -> int:
        """One for each standard tableau with n rows, all of them odd."""
        return 0 if isinstance(self.n, str) else odd_tableaux(total, self.n)

    def has_invariant(self, shape: Shape) -> bool:
        """Where all rows are even, or all n of them odd."""
        return super().has_invariant(shape) or self.headed_invariant(shape)

    def headed_invariant(self, shape: Shape) -> bool:
        """Where all n rows are odd: reflections change the sign of this one."""
        return len(shape) == self.n and all(row % 2 for row in shape)

    def standard_shapes(self, total: int) -> Iterator[Shape]:
        """Those of O(n), and one row more, of n boxes, which makes n columns odd."""
        yield from super().standard_shapes(total)
        yield from self.headed_shapes(total)

    def headed_shapes(self, total: int) -> Iterator[Shape]:
        """The shapes of standard diagrams with a head."""
        n = self.number
        for half in partitions((total - n) // 2, n) if total >= n and (total - n) % 2 == 0 else ():
            yield (n, *twice(half))

    def stable_from(self, total: int) -> int:
        """Where no head fits any more."""
        return total + 1

    def joined(self, label: Label) -> Label:
        """Of two partitions that differ by the determinant, by n - c for the first column of c, the shorter."""
        return label if 2 * len(label) <= self.number else self.twisted_part(label)

    def splits(self, label: Label) -> bool:
        """A partition with n/2 rows falls in two halves."""
        return 2 * len(label) == self.number

    def complex_halves(self, label: Label) -> bool:  # noqa: ARG002 - the same for all
        """Where n/2 is odd (Weyl)."""
        return self.number % 4 == 2

    def generating_matrices(self) -> Generators:
        """Rotations in neighbouring coordinates."""
        return [], rotations(self.number)

    def random_element(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """By Haar measure."""
        import numpy as np

        element = super().random_element(rng)
        if np.linalg.det(element) < 0:
            element[:, 0] = -element[:, 0]
        return element

    def pointwise(self, order: int) -> tuple[tuple[str, ...], str]:
        """Multiples of the identity; at n = 1 there is one element."""
        return ((), "") if self.n == 1 else super().pointwise(order)
