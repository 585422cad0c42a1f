"""What groups have in common whose diagrams are perfect matchings: O(n), SO(n), Sp(n).

Dimensions by Schur-Weyl duality: V^m is the sum over partitions of m with at most n rows of an irrep of GL(n), as often
as there are standard tableaux, and it has one invariant of O(n) if all rows are even, of SO(n) also if there are n odd
rows, and of Sp(n) if all columns are even (Macdonald, Symmetric Functions, I.5 and VII.2); none otherwise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise, product
from math import comb
from typing import TYPE_CHECKING, ClassVar

from eqsynth.exact.limits import afford
from eqsynth.exact.partitions import (
    Blocks,
    Shape,
    changed_box,
    conjugate,
    hooks,
    matchings,
    partial_matchings,
    partition_count,
    partitions,
    perfect_matchings,
    tableaux,
    with_box,
    with_strip,
    without_box,
    without_strip,
)
from eqsynth.families.group import Group, Label
from eqsynth.families.partition_groups import kinds_of
from eqsynth.spaces.space import MAX_ORDER, Symmetry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class MatchingGroup(Group):
    """A group whose diagrams are perfect matchings, perhaps with a head on single vertices."""

    __slots__ = ()
    stride = 1
    schur = True
    arguments: ClassVar[tuple[str, ...]] = ("stable", "gram", "standard")
    rule = "standard"

    def headless_blocks(self, total: int) -> Iterator[Blocks]:
        """All perfect matchings."""
        return perfect_matchings(tuple(range(total)))

    def rows(self, order: int, through: int) -> list[tuple[Blocks, tuple[int, ...]]] | None:
        """Pairs stay in their row, and single vertices go on."""
        return [
            (blocks, tuple(i for i, block in enumerate(blocks) if len(block) == 1))
            for count in range(order % 2, min(order, through) + 1, 2)
            for blocks in partial_matchings(order, count)
        ]

    def grows(self, sizes: Sequence[int], more: int) -> bool:
        """Single vertices await a partner, or all n of them hang on the head."""
        tied = self.n if self.heads and isinstance(self.n, int) else 0
        return max(sizes, default=0) <= 2 and sizes.count(1) <= more + tied

    def count(self, total: int) -> int:
        """How many diagrams there are on so many vertices."""
        return matchings(total)

    def misfit(self, blocks: Blocks, head: tuple[int, ...]) -> str:
        """Why blocks and a head are no diagram of the group; empty where they are."""
        if head:
            return "it has a head"
        return "its blocks are no pairs" if any(len(block) != 2 for block in blocks) else ""

    def fewest(self, total: int) -> int:
        """A Catalan number, where n > 1: no two of so many pairs cross, or none lies inside another."""
        half = total // 2
        return comb(2 * half, half) // (half + 1) if self.number > 1 and total % 2 == 0 else 0

    def standard_shapes(self, total: int) -> Iterator[Shape]:
        """All columns are even where each row stands twice; at most n columns."""
        return matching_shapes(total, self.number)

    def gram_roots(self, total: int) -> Counter[int]:
        """One z for each box of each shape with even rows, as often as there are tableaux; see ``gram_determinant``."""
        roots: Counter[int] = Counter()
        if total % 2:
            return roots
        afford_partitions(f"the determinant of {self} on {total} vertices", total, total // 2)
        sign = -1 if self.symplectic else 1
        for shape in partitions(total // 2):
            size = tableaux(tuple(2 * length for length in shape))
            for row, length in enumerate(shape):
                for column in range(length):
                    roots[sign * (row - 2 * column)] += size
        return roots

    def gain(self, inputs: int, outputs: int) -> int:
        """Outputs beyond the inputs stand in pairs."""
        return max(outputs - inputs, 0)

    def has_invariant(self, shape: Shape) -> bool:
        """Whether a polynomial representation of GL(n) has an invariant of the group (then there is just one)."""
        if isinstance(self.n, int) and len(shape) > self.n:
            return False
        return all(row % 2 == 0 for row in shape)

    def symmetric_dimension(self, parts: Sequence[int | Symmetry]) -> int:
        """Polynomial representations with an invariant, counted by Pieri's rule (Macdonald, I.5)."""
        shapes: dict[Shape, int] = {(): 1}
        for alternating, order in kinds_of(parts):
            added: dict[Shape, int] = {}
            for shape, ways in shapes.items():
                for larger in pieri(shape, order, alternating):
                    added[larger] = added.get(larger, 0) + ways
            shapes = added
        return sum(ways for shape, ways in shapes.items() if self.has_invariant(shape))

    @property
    def order(self) -> int:
        """Of a single coordinate, which signs may flip; there are infinitely many elements above."""
        if self.number > 1:
            self._infinite()
        return 1 + len(self.generating_matrices()[0])

    def start(self) -> Label:
        """The empty partition."""
        return ()

    def exists(self, label: Label) -> bool:
        """Whether a partition names an irreducible part at this n."""
        return not any(isinstance(part, tuple) for part in label) and sum(conjugate(label)[:2]) <= self.number

    def neighbours(self, step: int, label: Label) -> list[Label]:  # noqa: ARG002 - all steps are alike
        """A tensor factor adds or removes one box."""
        return [*(other for other in with_box(label) if self.exists(other)), *without_box(label)]

    def step_value(self, step: int, label: Label, other: Label) -> tuple[int, int]:  # noqa: ARG002 - all steps are alike
        """The content c of a box that comes; of one that goes -(c + n - 1), for Sp -(c + n + 1) (Nazarov 1996)."""
        content = changed_box(label, other)[1]
        return (0, content) if sum(other) > sum(label) else (-1, (-1 if self.symplectic else 1) - content)

    def times_power_sum(self, label: Label, length: int) -> Counter[Label]:
        """Border strips come and go; where the length is even, the part itself is added, for Sp taken away.

        Characters of O and Sp are what skewing by a product C over i <= j (O) or i < j (Sp) of 1 - x_i x_j leaves of
        those of GL. The derivation by the power sum p_r maps C to -(p_r + e) C, with e = 1 (O) or -1 (Sp) for r even,
        else 0, so that p_r commutes with the skewing up to strips that go, and e. Labels of too many rows are then
        modified (King, J. Math. Phys. 12 (1971) 1588; Koike and Terada, J. Algebra 107 (1987) 466).
        """
        total: Counter[Label] = Counter()
        if length % 2 == 0:
            total[label] += -1 if self.symplectic else 1
        for other, sign in (*with_strip(label, length), *without_strip(label, length)):
            name, factor = self._modified(other)
            if factor:
                total[name] += sign * factor
        return total

    def _modified(self, shape: Shape) -> tuple[Shape, int]:
        """The label that a partition of too many rows stands for, and the sign; 0 where it stands for none."""
        sign, twisted = 1, False
        while not self.exists(shape):
            rows = len(shape)
            size = 2 * rows - self.number - (2 if self.symplectic else 0)
            # The border strip that begins at the foot of the first column.
            row = next((row for row in range(rows) if shape[row] + rows - 1 - row == size), None)
            if row is None:
                return shape, 0
            sign *= (-1) ** (shape[row] - (0 if self.symplectic else 1))
            twisted = twisted != (not self.symplectic)
            shape = tuple(length for length in (*shape[:row], *(one - 1 for one in shape[row + 1 :])) if length)
        return (self.twisted_part(shape) if twisted else shape), sign

    def dimension_factors(self, label: Label) -> tuple[tuple[int, ...], int]:
        """El Samra and King, J. Phys. A 12 (1979) 2317; cells are counted from 0 here, from 1 in the paper."""
        columns = conjugate(label)
        cells = [(row, column) for row, length in enumerate(label) for column in range(length)]

        def row(place: int) -> int:
            return int(label[place]) if place < len(label) else 0

        def column(place: int) -> int:
            return columns[place] if place < len(columns) else 0

        return tuple(self.offset(r, c, row, column) for r, c in cells), hooks(label)

    @staticmethod
    def offset(r: int, c: int, row: Callable[[int], int], column: Callable[[int], int]) -> int:
        """What is added to n in the factor of a cell; ``row`` and ``column`` give lengths."""
        return row(r) + row(c) - r - c - 2 if r >= c else r + c - column(r) - column(c)


def matching_shapes(total: int, columns: int) -> Iterator[Shape]:
    """The shapes with even columns, at most so many."""
    for half in () if total % 2 else partitions(total // 2, columns):
        yield twice(half)


def twice(rows: Shape) -> Shape:
    """The shape with each row two times."""
    return tuple(row for row in rows for _ in range(2))


def orthogonal_element(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """A random element of O(n), by Haar measure."""
    import numpy as np

    q, r = np.linalg.qr(rng.standard_normal((n, n)))
    return np.asarray(q * np.sign(np.diag(r)))


def rotations(n: int) -> list[NDArray[np.int64]]:
    """Generators of the Lie algebra of SO(n): rotations in neighbouring coordinates."""
    import numpy as np

    listed = []
    for axis in range(n - 1):
        rotation = np.zeros((n, n), np.int64)
        rotation[axis, axis + 1], rotation[axis + 1, axis] = 1, -1
        listed.append(rotation)
    return listed


def afford_partitions(what: str, total: int, largest: int) -> None:
    """Refuse to go through more partitions of half of ``total`` than one call may."""
    half = total // 2
    steps = 8 * total * partition_count(half, min(largest, half))
    afford(what, "ask for lower orders, or for a size that is small or beyond half of their sum", steps=steps)


def even_tableaux(total: int, most: int, rows: bool) -> int:
    """Standard tableaux of shapes of ``total`` boxes, all rows even, with at most so many rows, or pairs of columns."""
    half = total // 2
    if total % 2:
        return 0
    if most >= half:
        return matchings(total)
    # One list serves every size, but for sizes of which it would be a small part, or where it is very long.
    own = total > MAX_ORDER or 8 * partition_count(half, most) < partition_count(half, half)
    listed = _even_tableaux_of(half, most if own else half, rows)
    return sum(count for size, count in listed.items() if size <= most)


@lru_cache(maxsize=256)
def _even_tableaux_of(half: int, most: int, rows: bool) -> Mapping[int, int]:
    """The same, by the number of rows, or of pairs of columns."""
    afford_partitions(f"the dimension for {2 * half} vertices", 2 * half, most)
    counted: Counter[int] = Counter()
    for parts in partitions(half, most):
        shape = conjugate(parts) if rows else parts
        counted[parts[0] if parts else 0] += tableaux(tuple(2 * length for length in shape))
    return counted


def odd_tableaux(total: int, n: int) -> int:
    """The same of shapes with n rows, all of them odd."""
    if total < n or (total - n) % 2:
        return 0
    half = (total - n) // 2
    afford_partitions(f"the dimension of SO({n}) for {total} vertices", 2 * half, n)
    shapes = (conjugate(columns) for columns in partitions(half, n))
    return sum(tableaux(tuple(2 * row + 1 for row in (*shape, *[0] * (n - len(shape))))) for shape in shapes)


def pieri(shape: Shape, boxes: int, upright: bool) -> list[Shape]:
    """All shapes with so many boxes more, no two of them in one column; ``upright``: in one row."""
    if upright:
        return [conjugate(larger) for larger in pieri(conjugate(shape), boxes, False)]
    rows = [*shape, 0]
    # No two new boxes in a column: a row grows at most to the old length of the row above.
    room = [boxes, *(above - row for above, row in pairwise(rows))]
    return [
        tuple(row + more for row, more in zip(rows, added, strict=True) if row + more)
        for added in product(*(range(min(boxes, space) + 1) for space in room))
        if sum(added) == boxes
    ]
