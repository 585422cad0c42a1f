"""What groups have in common whose diagrams are set partitions: S(n), A(n), H(n)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import combinations, product
from operator import mul

from eqsynth.exact.partitions import Blocks, set_partitions, stirling2
from eqsynth.families.group import Group, Label
from eqsynth.spaces.space import Symmetry

#: For each part of a tensor space whether it is alternating, and its number of axes.
Kinds = tuple[tuple[bool, int], ...]


class PartitionGroup(Group):
    """A group whose diagrams are set partitions; their change to the orbit basis is unitriangular at every n."""

    __slots__ = ()
    partitions = True
    arguments = ("stable", "blocks", "orbits")
    rule = "blocks"

    coarsens = True
    jellyfish = True

    #: The sizes that blocks may have are the multiples of this number.
    block_size = 1

    def headless_blocks(self, total: int) -> Iterator[Blocks]:
        """All set partitions."""
        return set_partitions(total)

    def rows(self, order: int, through: int) -> list[tuple[Blocks, tuple[int, ...]]] | None:
        """Any blocks go on, where they may have any size."""
        if self.block_size > 1:
            return None
        return [
            (blocks, kept)
            for blocks in set_partitions(order)
            for count in range(min(through, len(blocks)) + 1)
            for kept in combinations(range(len(blocks)), count)
        ]

    def grows(self, sizes: Sequence[int], more: int) -> bool | None:
        """At most n blocks, each with the vertices that it lacks; of those with a head nobody knows."""
        if self.heads:
            return None
        few = self.rule != "blocks" or isinstance(self.n, str) or len(sizes) <= self.n
        return few and sum(-size % self.block_size for size in sizes) <= more

    def blocks_count(self, total: int, blocks: int) -> int:
        """How many diagrams without a head there are with so many blocks."""
        return stirling2(total, blocks)

    def count(self, total: int) -> int:
        """How many diagrams there are on so many vertices."""
        return sum(self.blocks_count(total, blocks) for blocks in range(total + 1))

    def misfit(self, blocks: Blocks, head: tuple[int, ...]) -> str:
        """Why blocks and a head are no diagram of the group; empty where they are."""
        if head:
            return "it has a head"
        if self.block_size > 1 and any(len(block) % self.block_size for block in blocks):
            return f"a block has a number of vertices that {self.block_size} does not divide"
        return ""

    def dimension(self, total: int) -> int:
        """The diagrams with at most n blocks: one for each orbit on index tuples that does not vanish."""
        if isinstance(self.n, str):
            return sum(self.blocks_count(total, blocks) for blocks in range(total + 1))
        return sum(self.blocks_count(total, blocks) for blocks in range(min(self.n, total) + 1))

    def gram_roots(self, total: int) -> Counter[int]:
        """Those of n (n - 1) ... (n - t + 1), the square norm of the orbit matrix of t blocks."""
        roots: Counter[int] = Counter()
        for blocks in range(total + 1):
            for root in range(blocks):
                roots[root] += self.blocks_count(total, blocks)
        return roots

    def stable_from(self, total: int) -> int:
        """From as many points on as there can be blocks, each label can be a point of its own."""
        return max(total // self.block_size, 1)

    def symmetric_dimension(self, parts: Sequence[int | Symmetry]) -> int:
        """Multisets of block types, where types that an exchange gives a sign stand once at most (arXiv 2503.11276)."""
        kinds = kinds_of(parts)
        total = sum(order for _, order in kinds)
        most = total if isinstance(self.n, str) else self.n
        counted = orbits_of_partitions(kinds, False, self.block_size)
        return sum(counted.get(blocks, 0) for blocks in range(most + 1))

    def boxes(self, label: Label) -> int:
        """The boxes below the first row: all labels have n boxes."""
        return sum(label[1:])

    def part_name(self, label: Label, symbol: str) -> str:
        """The partition; with n a letter, the first row is what the others leave of it."""
        rows = [str(length) for length in label]
        if self.symbolic:
            rows[0] = first_row(symbol, sum(label[1:]))
        return f"({','.join(rows)})"


def first_row(symbol: str, others: int) -> str:
    """What other rows leave of a letter, or of one less, ``n-1``."""
    letter, _, less = symbol.partition("-")
    others += int(less or 0)
    return f"{letter}-{others}" if others else letter


def kinds_of(parts: Sequence[int | Symmetry]) -> Kinds:
    """The parts of a tensor space, each plain axis as a part of its own."""
    axes = sum(part for part in parts if isinstance(part, int))
    listed = [(part.kind == "A", part.order) for part in parts if isinstance(part, Symmetry)]
    return (*listed, *[(False, 1)] * axes)


@lru_cache(maxsize=256)
def orbits_of_partitions(
    kinds: Kinds, head: bool, block_size: int = 1, remainder: int = 0, weights: tuple[int, ...] = ()
) -> dict[int, int]:
    """Orbits of set partitions that do not vanish, by their number of blocks; with the sign of a head or without.

    Sizes of blocks are multiples of ``block_size``, plus ``remainder``; vertices of part i count ``weights[i]`` times.

    A block takes some vertices of each part, at most one of an alternating part. The exchange of two blocks of one
    type brings a sign for each alternating part in it, and one for a head: then the type stands once at most.
    """
    limits = [range((1 if alternating else order) + 1) for alternating, order in kinds]
    weights = weights or (1,) * len(kinds)
    types = [
        taken for taken in product(*limits) if any(taken) and sum(map(mul, taken, weights)) % block_size == remainder
    ]
    counted: dict[tuple[Sequence[int], int], int] = {(tuple(order for _, order in kinds), 0): 1}
    done = 0
    for taken in reversed(types):
        first = next(place for place, takes in enumerate(taken) if takes)
        if first > done:
            # No later type takes of the parts before it.
            counted = {state: ways for state, ways in counted.items() if not any(state[0][:first])}
            done = first
        odd = (sum(count for (alternating, _), count in zip(kinds, taken, strict=True) if alternating) + head) % 2
        ahead: dict[tuple[Sequence[int], int], int] = {}
        for (left, blocks), ways in counted.items():
            most = min(has // takes for has, takes in zip(left, taken, strict=True) if takes)
            for times in range(min(most, 1) + 1 if odd else most + 1):
                rest = tuple(has - times * takes for has, takes in zip(left, taken, strict=True))
                ahead[rest, blocks + times] = ahead.get((rest, blocks + times), 0) + ways
        counted = ahead
    return {blocks: ways for (left, blocks), ways in counted.items() if not any(left)}
