"""GL(n) and SL(n): all invertible linear maps of R^n, and those of determinant 1."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

from eqsynth.errors import GroupError
from eqsynth.exact.partitions import Blocks, Shape, changed_box, hooks
from eqsynth.exact.permutations import sorted_heads
from eqsynth.families.group import Generators, Label
from eqsynth.families.matching_groups import MatchingGroup
from eqsynth.families.matrix import exponential
from eqsynth.families.special_orthogonal import SpecialOrthogonal
from eqsynth.families.walled import Walled, fewest_boxes, label_of, weight_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Elements are exponentials of matrices with entries of at most this over the root of n: well conditioned ones.
SMALL = 0.6


class GeneralLinear(MatchingGroup):
    """The general linear group GL(n): walled Brauer diagrams, pairs of an axis of V and one of V*.

    >>> import eqsynth as eq
    >>> [len(eq.basis(f"GL({n})", 3, 3)) for n in (1, 2, 3)]
    [1, 5, 6]
    >>> eq.basis("GL(n)", (1, 1), (1, 1)).formulas()
    ['y[a,a] += x[b,b]', 'y[a,b] += x[a,b]']

    V = R^n and its dual V* are two kinds of axis: an order is ``(k,k')``, k axes of V and then k' of V*; k alone has
    axes of V only. An element g acts on V* as the transpose of its inverse. A pair across the rows joins axes of one
    kind, a pair inside a row one of V and one of V*. Seen as outputs of the other kind, inputs make a axes of V and b
    of V*: there are maps for a = b alone, the permutations of a things.
    """

    __slots__ = ()
    about = "general linear group: all invertible linear maps of R^n"
    action = "change the coordinates{} by any invertible matrix"
    diagram_kind = "walled Brauer"
    sources: ClassVar[dict[str, str]] = {"walled Brauer": "matchings of V with V*, first fundamental theorem of GL(n)"}
    duals = True
    counted_by = "pairs of standard tableaux with at most n rows"
    walk = (
        "An axis of V is one step that adds a box to the first partition or takes one from the second, an axis of V* "
        "goes the other way round; outputs are axes of the other kind."
    )
    spanning = "perfect matchings of V with V*"
    stride = 0
    rational = True

    def between(self, inputs: tuple[bool, ...], outputs: tuple[bool, ...]) -> Walled:
        """The maps between tensors, as those of a group; for each axis whether it is one of V*."""
        return Walled(self, inputs, outputs, self.heads)

    def _balanced(self, total: int) -> Walled:
        """Those to numbers from as many axes of V as of V*; there are none where ``total`` is odd."""
        return self.between(tuple(axis >= total // 2 for axis in range(total)), ())

    def headless_blocks(self, total: int) -> Iterator[Blocks]:
        """Those on as many axes of V as of V*."""
        return self._balanced(total).headless_blocks(total)

    def rows(self, order: int, through: int) -> None:
        """Rows with equally many pairs do not all fit together."""

    def count(self, total: int) -> int:
        """How many diagrams there are on as many axes of V as of V*."""
        return self._balanced(total).count(total) if total % 2 == 0 else 0

    def dimension(self, total: int) -> int:
        """How many maps there are V^k -> V^k, 2 k = ``total``, or to numbers from as many axes of V as of V*."""
        return self._balanced(total).dimension(total) if total % 2 == 0 else 0

    def stable_from(self, total: int) -> int:
        """Half of the sum of both orders."""
        return max(total // 2, 1)

    def gram_roots(self, total: int) -> Counter[int]:
        """The numbers z that the Gram determinant of all of them is a product of n - z of."""
        return self._balanced(total).gram_roots(total) if total % 2 == 0 else Counter()

    @property
    def form(self) -> str:
        """There is no invariant form on V."""
        return "none"

    @property
    def flips(self) -> bool:
        """Raises GroupError: determinants are no signs."""
        raise GroupError(
            f"{self} has elements of all determinants, by which tensors are scaled, not twisted: ask for orders "
            f"without .det, or for S{self.family.removeprefix('G')}({self.n}), where all determinants are 1"
        )

    @property
    def order(self) -> int:
        """There are infinitely many elements."""
        return self._infinite()

    def start(self) -> Label:
        """Two empty partitions."""
        return (), ()

    def exists(self, label: Label) -> bool:
        """Two partitions with at most n rows together."""
        return len(label) == 2 and all(isinstance(one, tuple) for one in label) and sum(map(len, label)) <= self.number

    def neighbours(self, step: int, label: Label) -> list[Label]:
        """Of tensors of V alone; ``between`` knows of which kind an axis is."""
        return self.between((False,) * (step + 1), ()).neighbours(step, label)

    def seats(self, label: Label) -> tuple[tuple[Shape, int, bool], ...]:
        """The boxes of the first partition are indices on V, those of the second on V*."""
        rows, others = label
        return (rows, 1, False), (others, 1, False)

    def step_value(self, step: int, label: Label, other: Label) -> tuple[int, int]:  # noqa: ARG002 - the box says it
        """The content c of a box that comes, to either partition; of one that goes -(n + c).

        It is half of what the Casimir element is on the new part less what it is on the old one and on one axis, and on
        two partitions that element is n times the number of boxes plus twice the sum of their contents.
        """
        one, another = next(pair for pair in zip(label, other, strict=True) if pair[0] != pair[1])
        content = changed_box(one, another)[1]
        return (0, content) if sum(another) > sum(one) else (-1, -content)

    def times_power_sum(self, label: Label, length: int) -> Counter[Label]:
        """Weyl's character formula: an entry of the highest weight, plus n, n - 1, ..., 1, is moved by the length.

        Antisymmetry puts the entries in order again, with a sign, and is zero where two are equal.
        """
        n, total = self.number, Counter[Label]()
        entries = [entry + n - place for place, entry in enumerate(weight_of(label, n))]
        for place in range(n):
            moved = [entry + length * (place == other) for other, entry in enumerate(entries)]
            if len({*moved}) == n:
                passed = sum((moved[place] - entry) * (other - place) < 0 for other, entry in enumerate(moved))
                ordered = sorted(moved, reverse=True)
                total[label_of(tuple(entry - n + at for at, entry in enumerate(ordered)))] += (-1) ** passed
        return total

    def boxes(self, label: Label) -> int:
        """Those of both partitions."""
        return sum(map(sum, label))

    def sort_key(self, label: Label) -> tuple[Any, ...]:
        """By the number of boxes, then by the rows."""
        return self.boxes(label), label

    def part_name(self, label: Label, symbol: str) -> str:  # noqa: ARG002 - n does not stand in it
        """Both partitions."""
        return f"({';'.join(','.join(map(str, shape)) or '-' for shape in label)})"

    def part_words(self, label: Label) -> str:
        """What a part is, in words; empty where it has no name."""
        words = {
            ((), ()): "one number that never changes",
            ((1,), ()): "vector",
            ((), (1,)): "dual vector",
            ((1,), (1,)): "matrices of trace 0",
        }
        return words.get(label, "")

    def dimension_factors(self, label: Label) -> tuple[tuple[int, ...], int]:
        """Weyl's formula: contents and hooks of both partitions, and a factor for each row of one and of the other.

        With x = n + 1 - i - j for row i of lambda and j of mu it is x (x + lambda_i + mu_j) over (x + lambda_i)
        (x + mu_j). Denominators cancel (King, J. Math. Phys. 11 (1970) 280).
        """
        offsets = Counter(c - r for shape in label for r, length in enumerate(shape) for c in range(length))
        for (i, row), (j, other) in product(*map(enumerate, label)):
            offsets.update((-1 - i - j, row + other - 1 - i - j))
            offsets.subtract((row - 1 - i - j, other - 1 - i - j))
        return tuple(sorted(offsets.elements())), prod(map(hooks, label))

    def generating_matrices(self) -> Generators:
        """A reflection; of the Lie algebra the matrices with a single 1 beside the diagonal, and one on it."""
        import numpy as np

        reflection, corner = np.eye(self.number, dtype=np.int64), np.zeros((self.number, self.number), np.int64)
        reflection[0, 0], corner[0, 0] = -1, 1
        return [reflection], [corner, *shears(self.number)]

    def random_element(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """The exponential of a small random matrix, times a reflection half of the time."""
        element = near_one(self.number, rng)
        element[0] *= rng.choice([-1.0, 1.0])
        return element


class SpecialLinear(GeneralLinear):
    """The special linear group SL(n): the maps of GL(n), and n axes of one kind on a head.

    >>> import eqsynth as eq
    >>> [eq.basis("SL(3)", *orders).formulas() for orders in ((2, (0, 1)), (3, 0))]
    [['y[a] += ε[a,b,c] x[b,c]'], ['y += ε[a,b,c] x[a,b,c]']]
    >>> [eq.Group("SL", 2).between((), (False,) * k).dimension(k) for k in (2, 4, 6)]
    [1, 2, 5]

    With a axes of V and b of V*, inputs seen as outputs of the other kind, there are maps where a - b is t times n.
    Each determinant is a head of n axes of one kind, epsilon; |t| of them make products of epsilons, which tableaux
    tell to be independent (:mod:`eqsynth.diagrams.standard`):

    >>> eq.basis("SL(2)", 4, 0).formulas()
    ['y += ε[b,c] ε[a,d] x[a,b,c,d]', 'y += ε[b,d] ε[a,c] x[a,b,c,d]']
    """

    __slots__ = ()
    about = "special linear group: the linear maps of R^n of determinant 1"
    action = "change the coordinates{} by any matrix of determinant 1"
    sources: ClassVar[dict[str, str]] = SpecialOrthogonal.sources
    heads = True
    headless = "GL"
    arguments = (*GeneralLinear.arguments, "values")
    spanning = "perfect matchings of V with V*, and n single vertices of one kind tied to the head with pairs"

    def misfit(self, blocks: Blocks, head: tuple[int, ...]) -> str:
        """Why blocks and a head are no diagram, whatever kinds the axes are of; empty where they are."""
        if head and (self.symbolic or len(head) % self.number or head != sorted_heads(head, self.number)[0]):
            return f"its head has {len(head)} vertices, or not in order"
        tied = {*head}
        others = tuple(block for number, block in enumerate(blocks) if number not in tied)
        alone = all(len(blocks[number]) == 1 for number in head)
        return super().misfit(others, ()) if alone else "its head does not hold single vertices"

    @property
    def form(self) -> str:
        """There is none on V but for SL(2), which is Sp(2)."""
        return "omega" if self.n == 2 else super().form

    def stable_from(self, total: int) -> int:
        """Where no determinant fits any more."""
        return total + 1

    def joined(self, label: Label) -> Label:
        """Of the pairs of partitions that differ by determinants, that of the fewest boxes, those of V first.

        >>> from eqsynth import Group
        >>> Group("SL", 2).joined(((), (1,))), Group("SL", 3).joined(((2, 1), ())), Group("SL", 3).joined(((1, 1), ()))
        (((1,), ()), ((1,), (1,)), ((), (1,)))
        """
        return fewest_boxes(label, self.number)

    def times_power_sum(self, label: Label, length: int) -> Counter[Label]:
        """The same, with one name for parts that differ by determinants."""
        total = Counter[Label]()
        for other, count in super().times_power_sum(label, length).items():
            total[self.joined(other)] += count
        return total

    @property
    def order(self) -> int:
        """Of a single coordinate nothing but 1 has the determinant 1; there are infinitely many elements above."""
        return 1 if self.number == 1 else self._infinite()

    @property
    def flips(self) -> bool:
        """All determinants are 1."""
        return False

    def generating_matrices(self) -> Generators:
        """Of the Lie algebra the matrices with a single 1 beside the diagonal."""
        return [], shears(self.number)

    def random_element(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """The exponential of a small random matrix, over the root of its determinant."""
        import numpy as np

        element = near_one(self.number, rng)
        return np.asarray(element / np.linalg.det(element) ** (1 / self.number))


def shears(n: int) -> list[NDArray[np.int64]]:
    """The matrices with a single 1 just above or below the diagonal, which generate the Lie algebra of SL(n).

    >>> from eqsynth.families.linear import shears
    >>> [x.tolist() for x in shears(2)]
    [[[0, 1], [0, 0]], [[0, 0], [1, 0]]]
    """
    import numpy as np

    listed = []
    for row in range(n - 1):
        for place in ((row, row + 1), (row + 1, row)):
            shear = np.zeros((n, n), np.int64)
            shear[place] = 1
            listed.append(shear)
    return listed


def near_one(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """The exponential of a small random matrix."""
    import numpy as np

    return np.asarray(exponential(1.0, rng.uniform(-SMALL, SMALL, (n, n)) / np.sqrt(n)))
