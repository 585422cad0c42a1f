"""S(n): all permutations of n points. arXiv 2212.08648; Halverson and Ram, math/0401314."""

from __future__ import annotations

from collections import Counter
from math import factorial
from typing import TYPE_CHECKING, ClassVar

from eqsynth.exact.partitions import (
    Shape,
    changed_box,
    conjugate,
    hooks,
    with_box,
    with_strip,
    without_box,
    without_strip,
)
from eqsynth.families.group import Generators, Label
from eqsynth.families.partition_groups import PartitionGroup

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Symmetric(PartitionGroup):
    """The symmetric group S(n); its maps are set partitions (arXiv 2212.08648, theorem 3.3).

    >>> from eqsynth import Group
    >>> Group("S", 3).dimension(4), Group("S", "n").dimension(4)
    (14, 15)
    """

    __slots__ = ()
    about = "symmetric group: all permutations of n points"
    action = "relabel the points{} in any way"
    sources: ClassVar[dict[str, str]] = {"partition": "set partitions, arXiv 2212.08648"}
    diagram_kind = "partition"
    permuting = True
    haar = "permutation"
    spanning = "set partitions without a head"
    stride = 2
    schur = True
    frames = "sort"
    walk = "An axis of a tensor is two steps: take a box away, then put one back, maybe elsewhere."
    counted_by = "Stirling numbers"

    def start(self) -> Label:
        """One row of n boxes."""
        return (self.number,)

    def neighbours(self, step: int, label: Label) -> list[Label]:
        """Restriction to S(n-1) removes a box, induction adds one."""
        return list(with_box(label) if step % 2 else without_box(label))

    def step_value(self, step: int, label: Label, other: Label) -> tuple[int, int]:  # noqa: ARG002 - both kinds alike
        """The content of the box that goes or comes; that at the end of the first row is what others leave of n."""
        larger = max(label, other, key=sum)
        row, content = changed_box(label, other)
        return (0, content) if row else (1, -1 - sum(larger[1:]))

    def times_power_sum(self, label: Label, length: int) -> Counter[Label]:
        """Fixed points of g^length are the points of cycles of g whose length d divides it.

        Restriction to a cycle of d points and the rest takes a border strip away, induction puts one back.
        """
        total: Counter[Label] = Counter()
        for d in range(1, min(length, self.number) + 1):
            for less, sign in without_strip(label, d) if length % d == 0 else ():
                for more, other in with_strip(less, d):
                    total[more] += sign * other
        return total

    def exists(self, label: Label) -> bool:
        """Partitions of n."""
        return label == (self.number,) or (sum(label) == self.number and len(label) > 1 and isinstance(label[0], int))

    def seats(self, label: Label) -> tuple[tuple[Shape, int, bool], ...]:
        """One index for each box below the first row, with sums that vanish."""
        return ((label[1:], 1, True),)

    def twisted_part(self, label: Label) -> Label:
        """Its transpose: the determinant is the sign."""
        return conjugate(label)

    def dimension_factors(self, label: Label) -> tuple[tuple[int, ...], int]:
        """The hook formula; the first row takes what the others leave of n, and is not looked at.

        The rest of the partition is mu, of s boxes in rows mu_1, mu_2, ...: of the numbers 1 to n the hooks of the
        first row are all but n - s - mu_i + i for i = 1, ..., s, so these and the hooks of mu stay.
        """
        rest = label[1:]
        boxes = sum(rest)
        rows = (*rest, *[0] * (boxes - len(rest)))
        return tuple(place + 1 - rows[place] - boxes for place in range(boxes)), hooks(rest)

    def part_words(self, label: Label) -> str:
        """What a part is, in words; empty where it has no name."""
        if len(label) == 1:
            return "trivial: one number that never changes"
        if label == (self.number - 1, 1) and self.number > 2:
            return "standard: vectors whose entries sum to 0"
        return "sign" if len(label) == self.number else ""

    @property
    def flips(self) -> bool:
        """Odd permutations, of two points or more."""
        return super().flips and self.n != 1

    @property
    def order(self) -> int:
        """All permutations: n!; in families that come from this one, as many as their generators make."""
        return factorial(self.number) if self.family == "S" else super().order

    def generating_matrices(self) -> Generators:
        """A transposition and a cycle."""
        import numpy as np

        unit = np.eye(self.number, dtype=np.int64)
        swap, cycle = unit.copy(), np.roll(unit, 1, axis=0)
        swap[:2] = swap[:2][::-1]
        return ([swap, cycle] if self.number > 1 else []), []

    def generator_count(self) -> int:
        """Two."""
        return 2

    def random_element(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Uniform."""
        import numpy as np

        return np.eye(self.number)[rng.permutation(self.number)]

    def pointwise(self, order: int) -> tuple[tuple[str, ...], str]:  # noqa: ARG002 - the same for all
        """Any function: permutations only move entries."""
        return (), ""
