"""Maps between tensors that the determinant twists and others: diagrams with a head, family by family.

A map W with W(g x) = det(g) g W(x) is one of the elements of determinant 1 that all others change in sign. Where those
are a family with heads, it is made of these heads: O(n) and SO(n), S(n) and A(n), O(p,q) and SO(p,q). In the other
families it is the Levi-Civita tensor of n labels, too:

- H(n): a flip of one coordinate changes the sign of the map, so that each of the n labels stands at an odd number of
  vertices. Permutations say how these blocks are tied: n blocks of odd size, all of them, in a jellyfish.
- S'(n): the determinant of -1 is (-1)^n: the heads of A(n) on m vertices, where m - n is even.
- S(m) wr S(n): an epsilon for each group, on its m points or all but one, and where m is odd one for the groups.
- B(n) is O(n-1) on the vectors of sum 0: n - 1 single vertices on a head of n labels, the last of which is summed, and
  pairs and single vertices beside it. B'(n): these where m - n is even.

Each class here answers what a group answers about its diagrams, and all of its diagrams have a head.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields
from functools import cache
from itertools import combinations
from math import comb

from eqsynth.exact.partitions import Blocks, Shape, matchings, partial_matchings, set_partitions
from eqsynth.families.alternating import Alternating
from eqsynth.families.bistochastic import Bistochastic
from eqsynth.families.group import Group, fill
from eqsynth.families.hyperoctahedral import Hyperoctahedral
from eqsynth.families.indefinite import IndefiniteSpecialOrthogonal
from eqsynth.families.matching_groups import odd_tableaux
from eqsynth.families.partition_groups import kinds_of, orbits_of_partitions
from eqsynth.families.special_orthogonal import SpecialOrthogonal
from eqsynth.families.wreath import WreathProduct
from eqsynth.spaces.space import Symmetry, axes_of


class Heads(Group):
    """What they have in common: the name and size of the group, and diagrams with a head alone.

    >>> from eqsynth import Group
    >>> heads = Group("O", 3).headed
    >>> print(heads, [heads.dimension(total) for total in (3, 4, 5)], heads.count(5))
    O(3) [1, 0, 6] 10
    """

    __slots__ = ()
    heads = True

    def __init__(self, whole: Group) -> None:
        fill(self, **{field.name: getattr(whole, field.name) for field in fields(whole)})

    def headless_blocks(self, total: int) -> Iterator[Blocks]:  # noqa: ARG002 - none on any number
        """None."""
        return iter(())

    def count(self, total: int) -> int:
        """How many diagrams there are on so many vertices."""
        return self.headed_count(total)

    def dimension(self, total: int) -> int:
        """How many independent maps there are."""
        return self.headed_dimension(total)

    def symmetric_dimension(self, parts: Sequence[int | Symmetry]) -> int:
        """The same between symmetric, alternating and plain tensors."""
        return self.headed_symmetric_dimension(parts)

    def standard_shapes(self, total: int) -> Iterator[Shape]:
        """The shapes of the tableaux that are read as standard diagrams."""
        return self.headed_shapes(total)

    def gram_roots(self, total: int) -> Counter[int]:  # noqa: ARG002 - none on any number
        """None: with n a letter there are no diagrams."""
        return Counter()

    def fewest(self, total: int) -> int:  # noqa: ARG002 - there may be none
        """None, perhaps."""
        return 0

    def misfit(self, blocks: Blocks, head: tuple[int, ...]) -> str:
        """Why blocks and a head are no diagram of a map that changes sign; empty where they are."""
        return super().misfit(blocks, head) if head else "it has no head"

    def stable_from(self, total: int) -> int:
        """Where no head fits any more."""
        return total + 2


class SymmetricHeads(Heads, Alternating):
    """Those of S(n): the heads of A(n)."""

    __slots__ = ()


class SignedHeads(Heads):
    """Those of a group and its negatives: the determinant of -1 is (-1)^n, so that m - n is even."""

    __slots__ = ()

    def fits(self, total: int) -> bool:
        """Whether there are any on so many vertices."""
        return isinstance(self.n, int) and (total - self.n) % 2 == 0

    def headed_blocks(self, total: int) -> Iterator[tuple[Blocks, tuple[int, ...]]]:
        """Those of the group."""
        return super().headed_blocks(total) if self.fits(total) else iter(())

    def headed_count(self, total: int) -> int:
        """How many there are."""
        return super().headed_count(total) if self.fits(total) else 0

    def headed_dimension(self, total: int) -> int:
        """How many independent maps there are."""
        return super().headed_dimension(total) if self.fits(total) else 0

    def headed_symmetric_dimension(self, parts: Sequence[int | Symmetry]) -> int:
        """The same between symmetric, alternating and plain tensors."""
        return super().headed_symmetric_dimension(parts) if self.fits(axes_of(tuple(parts))) else 0

    def misfit(self, blocks: Blocks, head: tuple[int, ...]) -> str:
        """Why blocks and a head are no diagram; empty where they are."""
        fits = self.symbolic or self.fits(sum(map(len, blocks)))
        return super().misfit(blocks, head) if fits else f"its number of vertices and {self.n} are not both even or odd"


class SignedSymmetricHeads(SignedHeads, Alternating):
    """Those of S'(n): the heads of A(n) on m vertices, m - n even; one block and no other at n = 1."""

    __slots__ = ()

    def _head_sizes(self) -> tuple[int, ...]:
        return (1,) if self.n == 1 else super()._head_sizes()


class HyperoctahedralHeads(Heads, Hyperoctahedral):
    """Those of H(n): partitions into n blocks of odd size, all tied to the head."""

    __slots__ = ()

    def headed_blocks(self, total: int) -> Iterator[tuple[Blocks, tuple[int, ...]]]:
        """Partitions into n blocks of odd size."""
        for blocks in set_partitions(total) if self.headed_count(total) else ():
            if len(blocks) == self.n and all(len(block) % 2 for block in blocks):
                yield blocks, tuple(range(len(blocks)))

    def headed_count(self, total: int) -> int:
        """How many there are."""
        return odd_stirling2(total, self.n) if isinstance(self.n, int) else 0

    def headed_symmetric_dimension(self, parts: Sequence[int | Symmetry]) -> int:
        """Their orbits."""
        return 0 if isinstance(self.n, str) else orbits_of_partitions(kinds_of(parts), True, 2, 1).get(self.n, 0)

    def misfit(self, blocks: Blocks, head: tuple[int, ...]) -> str:
        """Why blocks and a head are no diagram; empty where they are."""
        if any(len(block) % 2 == 0 for block in blocks):
            return "a block has an even number of vertices"
        if head != tuple(range(len(blocks))):
            return "its head does not hold all blocks in order"
        return "" if len(head) == self.n else f"its head has {len(head)} blocks"


class OrthogonalHeads(Heads, SpecialOrthogonal):
    """Those of O(n): the heads of SO(n)."""

    __slots__ = ()
    has_invariant = SpecialOrthogonal.headed_invariant

    def headed_symmetric_dimension(self, parts: Sequence[int | Symmetry]) -> int:
        """Polynomial representations that have an invariant of SO(n) which reflections change in sign."""
        return SpecialOrthogonal.symmetric_dimension(self, parts)


class IndefiniteHeads(OrthogonalHeads, IndefiniteSpecialOrthogonal):
    """Those of O(p,q): the heads of SO(p,q)."""

    __slots__ = ()


class BistochasticHeads(Heads, Bistochastic):
    """Those of B(n): n - 1 single vertices on a head of n labels, and pairs and single vertices beside it."""

    __slots__ = ()

    @property
    def _tied(self) -> int:
        """How many vertices hang on the head."""
        return self.number - 1

    def headed_blocks(self, total: int) -> Iterator[tuple[Blocks, tuple[int, ...]]]:
        """All of them."""
        for singles in () if self.symbolic else range(self._tied, total + 1):
            for blocks in partial_matchings(total, singles):
                alone = [number for number, block in enumerate(blocks) if len(block) == 1]
                for head in combinations(alone, self._tied):
                    yield blocks, head

    def headed_count(self, total: int) -> int:
        """How many there are."""
        if self.symbolic:
            return 0
        singles = range(self._tied, total + 1)
        return sum(comb(total, s) * matchings(total - s) * comb(s, self._tied) for s in singles)

    def headed_dimension(self, total: int) -> int:
        """For each set of single vertices beside the head the maps of O(n-1) between the others."""
        if self.symbolic:
            return 0
        return sum(comb(total, others) * odd_tableaux(others, self._tied) for others in range(total + 1))

    def headed_symmetric_dimension(self, parts: Sequence[int | Symmetry]) -> int:
        """Those of O(n-1), as for the maps without a head."""
        return 0 if self.symbolic else self.between_parts(OrthogonalHeads(Group("O", self._tied)), parts)

    def headed_shapes(self, total: int) -> Iterator[Shape]:
        """Those of O(n-1)."""
        return OrthogonalHeads(Group("O", self._tied)).headed_shapes(total)

    def misfit(self, blocks: Blocks, head: tuple[int, ...]) -> str:
        """Why blocks and a head are no diagram; empty where they are."""
        if self.symbolic or len(head) != self._tied:
            return f"its head has {len(head)} vertices"
        if any(len(blocks[number]) != 1 for number in head) or list(head) != sorted(head):
            return "its head does not hold single vertices in order"
        return Bistochastic.misfit(self, blocks, ())


class SignedBistochasticHeads(SignedHeads, BistochasticHeads):
    """Those of B'(n): those of B(n) on m vertices, m - n even.

    At n = 1 all vertices are single, the first on a head.
    """

    __slots__ = ()

    @property
    def _tied(self) -> int:
        """How many vertices hang on the head."""
        return max(self.number - 1, 1)

    def headed_blocks(self, total: int) -> Iterator[tuple[Blocks, tuple[int, ...]]]:
        """Those of B(n)."""
        if self.n == 1 and self.fits(total):
            return iter([(tuple((vertex,) for vertex in range(total)), (0,))])
        return super().headed_blocks(total)

    def headed_count(self, total: int) -> int:
        """How many there are."""
        return int(self.fits(total)) if self.n == 1 else super().headed_count(total)

    def headed_dimension(self, total: int) -> int:
        """That of B(n), or 0."""
        return int(self.fits(total)) if self.n == 1 else super().headed_dimension(total)

    def headed_symmetric_dimension(self, parts: Sequence[int | Symmetry]) -> int:
        """That of B(n), or 0; at n = 1 there is one tensor, and none that is alternating."""
        if self.n == 1:
            return int(self.fits(axes_of(tuple(parts))) and not any(kind for kind, _ in kinds_of(parts)))
        return super().headed_symmetric_dimension(parts)

    def misfit(self, blocks: Blocks, head: tuple[int, ...]) -> str:
        """Why blocks and a head are no diagram; empty where they are."""
        total = sum(map(len, blocks))
        if self.n == 1 and self.fits(total) and (head != (0,) or len(blocks) < total):
            return "its first vertex is not on the head, or others stand in pairs"
        return super().misfit(blocks, head)


class NestedHeads(Heads, WreathProduct):
    """Those of S(m) wr S(n), which are counted, and found as a null space."""

    __slots__ = ()

    def headed_count(self, total: int) -> int:
        """How many there are."""
        return self.headed_dimension(total)


@cache
def odd_stirling2(total: int, blocks: int) -> int:
    """Set partitions of ``total`` elements into exactly ``blocks`` blocks of odd size.

    >>> from eqsynth.families.heads import odd_stirling2
    >>> [odd_stirling2(total, 2) for total in (2, 3, 4, 6)]
    [1, 0, 4, 16]
    """
    if not total or not blocks:
        return int(total == blocks)
    # The block of the first element has an even number of the others.
    return sum(comb(total - 1, others) * odd_stirling2(total - 1 - others, blocks - 1) for others in range(0, total, 2))
