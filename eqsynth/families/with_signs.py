"""S'(n) and B'(n): permutations and bistochastic matrices, and their negatives. arXiv 0808.2628."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from eqsynth.exact.partitions import Blocks, with_box, without_box
from eqsynth.families.bistochastic import Bistochastic
from eqsynth.families.group import HEADED, Generators, Label
from eqsynth.families.partition_groups import PartitionGroup
from eqsynth.families.symmetric import Symmetric
from eqsynth.spaces.space import Symmetry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class WithSigns(PartitionGroup):
    """A group and the negatives of its elements: its maps between orders of even sum, and none between others.

    Parts are those of the group, with a mark on those that -1 negates.
    """

    __slots__ = ()
    haar = ""
    stride = 1
    schur = False

    def headless_blocks(self, total: int) -> Iterator[Blocks]:
        """Those of the group, on an even number of vertices."""
        return iter(()) if total % 2 else super().headless_blocks(total)

    def blocks_count(self, total: int, blocks: int) -> int:
        """How many of them have so many blocks."""
        return 0 if total % 2 else super().blocks_count(total, blocks)

    def misfit(self, blocks: Blocks, head: tuple[int, ...]) -> str:
        """Why blocks and a head are no diagram of the group; empty where they are."""
        odd = sum(map(len, blocks)) % 2
        return "it has an odd number of vertices" if odd else super().misfit(blocks, head)

    def standard_shapes(self, total: int) -> Iterator[Any]:
        """Those of the group, on an even number of vertices."""
        return iter(()) if total % 2 else super().standard_shapes(total)

    def gram_roots(self, total: int) -> Counter[int]:
        """Those of the group, or none."""
        return Counter() if total % 2 else super().gram_roots(total)

    def dimension(self, total: int) -> int:
        """That of the group, or 0."""
        return 0 if total % 2 else super().dimension(total)

    def fewest(self, total: int) -> int:
        """Those of the group, or 0."""
        return 0 if total % 2 else super().fewest(total)

    def symmetric_dimension(self, parts: Sequence[int | Symmetry]) -> int:
        """That of the group, or 0."""
        total = sum(part if isinstance(part, int) else part.order for part in parts)
        return 0 if total % 2 else super().symmetric_dimension(parts)

    @property
    def flips(self) -> bool:
        """At n = 1, too, where it is -1."""
        return type(self) in HEADED

    def start(self) -> Label:
        """The trivial part."""
        return super().start(), 0

    def exists(self, label: Label) -> bool:  # noqa: ARG002 - none
        """Irreps have no coordinates yet."""
        self._lacks("irreps with coordinates: ask for tensors of an order")

    def neighbours(self, step: int, label: Label) -> list[Label]:
        """The parts of V times a part of the group; -1 changes its sign."""
        part, sign = label
        return [(other, 1 - sign) for other in self.times_vector(step, part)]

    def times_vector(self, step: int, part: Label) -> list[Label]:
        """The parts of V times a part of the group, each as often as it is there."""
        return super().neighbours(step, part)

    def step_value(self, step: int, label: Label, other: Label) -> NoReturn:  # noqa: ARG002 - there are none
        """Not those of the group without signs: steps are other ones."""
        self.lacks_steps()

    def times_power_sum(self, label: Label, length: int) -> Counter[Label]:
        """What the group says; -1 changes the sign where the length is odd."""
        part, sign = label
        parts = super().times_power_sum(part, length)
        return Counter({(other, (sign + length) % 2): count for other, count in parts.items()})

    def twisted_part(self, label: Label) -> Label:
        """That of the group; -1 has determinant (-1)^n."""
        return super().twisted_part(label[0]), (label[1] + self.number) % 2

    def dimension_factors(self, label: Label) -> tuple[tuple[int, ...], int]:
        """That of the part of the group."""
        return super().dimension_factors(label[0])

    def boxes(self, label: Label) -> int:
        """Those of the part of the group."""
        return super().boxes(label[0])

    def sort_key(self, label: Label) -> tuple[Any, ...]:
        """As in the group, then by the sign."""
        return *super().sort_key(label[0]), label[1]

    def part_name(self, label: Label, symbol: str) -> str:
        """That of the part of the group, with a mark where -1 negates it."""
        mark = "'" if label[1] else ""
        return super().part_name(label[0], symbol) + mark

    def part_words(self, label: Label) -> str:
        """What a part is, in words; empty where it has no name."""
        words = super().part_words(label[0])
        return f"{words}; -1 negates it" if words and label[1] else words

    def generating_matrices(self) -> Generators:
        """Those of the group, and -1."""
        import numpy as np

        elements, algebra = super().generating_matrices()
        return [*elements, -np.eye(self.number, dtype=np.int64)], algebra

    def generator_count(self) -> int:
        """One more."""
        return super().generator_count() + 1

    def random_element(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """An element of the group, with a sign."""
        import numpy as np

        return np.asarray(super().random_element(rng) * rng.choice([-1.0, 1.0]))

    def pointwise(self, order: int) -> tuple[tuple[str, ...], str]:
        """As for the group, and odd where the order is."""
        demands, why = super().pointwise(order)
        return (demands, why) if demands or order % 2 == 0 else (("odd",), f"{self} flips signs")


class SignedSymmetric(WithSigns, Symmetric):
    """Permutations and their negatives S'(n) = S(n) x Z_2: set partitions of an even number of vertices.

    >>> from eqsynth import Group
    >>> group = Group.parse("S'(n)")
    >>> print(group, [group.dimension(total) for total in range(5)])
    S'(n) [1, 0, 2, 0, 15]

    Source: Banica and Speicher, arXiv 0808.2628.
    """

    __slots__ = ()
    about = "symmetric group with signs: all permutations of n points, and their negatives"
    action = "relabel the points{} in any way, or flip all signs at once"
    sources: ClassVar[dict[str, str]] = {}
    permuting = False
    spanning = "set partitions of an even number of vertices, without a head"
    walk = "Each axis of a tensor is one step that moves a box, or takes it away and puts it back, and flips the sign."

    def times_vector(self, step: int, part: Label) -> list[Label]:  # noqa: ARG002 - all steps are alike
        """Restriction to S(n-1) removes a box, induction adds one."""
        return [more for less in without_box(part) for more in with_box(less)]


class SignedBistochastic(WithSigns, Bistochastic):
    """Bistochastic orthogonal matrices and their negatives B'(n) = B(n) x Z_2.

    >>> from eqsynth import Group
    >>> [Group("B'", "n").dimension(total) for total in range(7)]
    [1, 0, 2, 0, 10, 0, 76]

    Set partitions of an even number of vertices into pairs and single ones. Source: arXiv 0808.2628.
    """

    __slots__ = ()
    about = "bistochastic group with signs: orthogonal matrices whose rows and columns sum to 1, and their negatives"
    action = "rotate or reflect the coordinates{} around the vector of ones, or flip all signs at once"
    sources: ClassVar[dict[str, str]] = {}
    spanning = "pairs and an even number of single vertices, without a head"
    walk = "Each axis of a tensor is one step that adds a box, takes one away, or stays, and flips the sign."
