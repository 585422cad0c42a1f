"""Diagrams of groups that tell V from V*: pairs of one vertex on either side of a wall, and heads of determinants.

A vertex is on the left of the wall if it is an output of V or an input of V*, else on the right: a map between tensors
is an invariant of a copies of V and b of V*, a and b being how many there are on the left and on the right. GL(n)
has invariants for a = b alone: sums of permutations (first fundamental theorem). SL(n) has others where a - b is t
times n: they hold t determinants of n vertices each.

Dimensions by Schur-Weyl duality: V^a is the sum over partitions of a with at most n rows of an irrep of GL(n), as often
as there are standard tableaux. So there are sums of f^lambda f^mu, lambda being mu with t columns of length n in front.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from math import comb, factorial
from typing import ClassVar

from eqsynth.exact.limits import afford
from eqsynth.exact.partitions import Blocks, Shape, partition_count, partitions, tableaux
from eqsynth.exact.permutations import sorted_heads
from eqsynth.families.group import Group, Label, fill
from eqsynth.families.matching_groups import MatchingGroup, pieri
from eqsynth.spaces.space import Symmetry


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Walled(MatchingGroup):
    """What a group that tells V from V* says about its diagrams between tensors whose axes are of these kinds.

    >>> from eqsynth import Group
    >>> maps = Group("GL", 2).between((False,) * 3, (False,) * 3)
    >>> maps.count(6), maps.dimension(6)
    (6, 5)

    ``inputs`` and ``outputs`` say for each axis whether it is one of V*.
    """

    spanning: ClassVar[str] = "pairs of V with V*, inputs counted as outputs of the other kind"

    inputs: tuple[bool, ...]
    outputs: tuple[bool, ...]
    special: bool

    def __init__(self, whole: Group, inputs: tuple[bool, ...], outputs: tuple[bool, ...], special: bool) -> None:
        fill(self, family=whole.family, n=whole.n, inputs=inputs, outputs=outputs, special=special)

    def resized(self, n: int) -> Walled:
        """The same at a number n."""
        return Walled(self.at(n), self.inputs, self.outputs, self.special)

    @property
    def sides(self) -> tuple[bool, ...]:
        """For each vertex, outputs first, whether it is on the left."""
        return (*(not dual for dual in self.outputs), *self.inputs)

    @property
    def vertices(self) -> tuple[list[int], list[int]]:
        """The vertices on the left, and those on the right."""
        sides = self.sides
        return [v for v, left in enumerate(sides) if left], [v for v, left in enumerate(sides) if not left]

    @property
    def determinants(self) -> int | None:
        """How many determinants the maps hold, negative for those on the right; None where there are no maps."""
        left, right = map(len, self.vertices)
        if left == right:
            return 0
        if not self.special or isinstance(self.n, str) or (left - right) % self.n:
            return None
        return (left - right) // self.n

    def headless_blocks(self, total: int) -> Iterator[Blocks]:  # noqa: ARG002 - of these vertices
        """All ways to join each vertex on the left with one on the right."""
        left, right = self.vertices
        for images in permutations(right) if len(left) == len(right) else ():
            yield tuple(sorted((min(pair), max(pair)) for pair in zip(left, images, strict=True)))

    def rows(self, order: int, through: int) -> None:
        """Rows with equally many pairs do not all fit together."""

    def headed_blocks(self, total: int) -> Iterator[tuple[Blocks, tuple[int, ...]]]:
        """Diagrams with n vertices of one side on each head, and pairs."""
        if not self.headed_count(total):
            return
        more, fewer = sorted(self.vertices, key=len, reverse=True)
        for tied in combinations(more, len(more) - len(fewer)):
            others = [vertex for vertex in more if vertex not in tied]
            heads = [*_parts(tied, self.number)]
            for images in permutations(fewer):
                pairs = [(min(pair), max(pair)) for pair in zip(others, images, strict=True)]
                blocks = tuple(sorted([*pairs, *((vertex,) for vertex in tied)]))
                number = {block[0]: place for place, block in enumerate(blocks)}
                for parts in heads:
                    yield blocks, tuple(number[vertex] for part in reversed(parts) for vertex in part)

    def count(self, total: int) -> int:
        """How many diagrams there are."""
        left, right = map(len, self.vertices)
        return factorial(left) if left == right else self.headed_count(total)

    def headed_count(self, total: int) -> int:  # noqa: ARG002 - of these vertices
        """How many of them have a head, or several: ways to tie vertices to heads, which have no order."""
        times = abs(self.determinants or 0)
        if not times:
            return 0
        orders = int(factorial(self.number) ** times) * factorial(times)
        return factorial(max(map(len, self.vertices))) // orders

    def headed_dimension(self, total: int) -> int:
        """How many of them are independent."""
        return self.dimension(total) if self.determinants else 0

    def degenerate_heads(self, total: int) -> Iterable[int]:  # noqa: ARG002 - of these vertices
        """Where there is anything besides the n vertices on a head: antisymmetrising n + 1 indices gives zero."""
        fewer, more = sorted(map(len, self.vertices))
        tied = more - fewer
        sizes = (n for n in range(1, tied + 1) if tied % n == 0 and (fewer or n < tied))
        # At n = 1 heads are numbers: all diagrams without pairs are one.
        return [n for n in sizes if n > 1 or fewer] if self.special and tied else ()

    def misfit(self, blocks: Blocks, head: tuple[int, ...]) -> str:
        """Why blocks and a head are no diagram; empty where they are."""
        sides, singles = self.sides, [block[0] for block in blocks if len(block) == 1]
        if len(singles) + 2 * (len(blocks) - len(singles)) != len(sides) or any(len(block) > 2 for block in blocks):
            return f"it has no pairs and single vertices on {len(sides)} vertices"
        if any(sides[block[0]] == sides[block[1]] for block in blocks if len(block) == 2):
            return "a pair joins two axes of V, or two of V*, counted as outputs"
        if sorted(blocks[number][0] for number in head) != singles:
            return "its single vertices are not on a head"
        if head and (not self.special or self.symbolic or len({sides[vertex] for vertex in singles}) > 1):
            return f"it has a head of {len(head)} vertices"
        if head and (len(head) % self.number or head != sorted_heads(head, self.number)[0]):
            return f"its head has {len(head)} vertices, or not in order"
        return ""

    def dimension(self, total: int) -> int:  # noqa: ARG002 - of these vertices
        """Pairs of standard tableaux, one of them with so many columns of length n more."""
        times, (left, right) = self.determinants, map(len, self.vertices)
        if times is None:
            return 0
        least = min(left, right)
        if isinstance(self.n, str) or (times == 0 and self.n >= left):
            return factorial(left)
        n, columns = self.n, abs(times)
        steps = 8 * (max(left, right) + 1) * partition_count(least, min(n, least))
        afford(f"the dimension of {self} for {left + right} vertices", "ask for lower orders", steps=steps)
        shapes = (shape for shape in partitions(least) if len(shape) <= n)
        return sum(tableaux(shape) * tableaux(_with_columns(shape, n, columns)) for shape in shapes)

    def symmetric_dimension(self, parts: Sequence[int | Symmetry]) -> int:
        """The same between symmetric, alternating and plain tensors, by Pieri's rule; inputs come first."""
        shapes: tuple[dict[Shape, int], dict[Shape, int]] = ({(): 1}, {(): 1})
        sides = iter((*self.inputs, *(not dual for dual in self.outputs)))
        for part in parts:
            for count in (part.order,) if isinstance(part, Symmetry) else (1,) * part:
                left, *_ = (next(sides) for _ in range(count))
                added: Counter[Shape] = Counter()
                for shape, ways in shapes[left].items():
                    for larger in pieri(shape, count, isinstance(part, Symmetry) and part.kind == "A"):
                        if isinstance(self.n, str) or len(larger) <= self.n:
                            added[larger] += ways
                shapes[left].clear()
                shapes[left].update(added)
        times = self.determinants
        if times is None:
            return 0
        fewer, more = shapes if times >= 0 else shapes[::-1]
        columns = abs(times)
        return sum(
            ways * more.get(_with_columns(shape, self.number, columns) if columns else shape, 0)
            for shape, ways in fewer.items()
        )

    def copies(self, parts: Sequence[int | Symmetry]) -> Counter[Label]:
        """How often tensors of the inputs hold each irreducible part, at a number n.

        Walks in the rational Bratteli diagram: an axis of V adds 1 to an entry of a highest weight, one of V* takes 1
        away, and symmetric or alternating tensors a strip (Pieri).
        """
        weights: Counter[tuple[int, ...]] = Counter({(0,) * self.number: 1})
        duals = iter(self.inputs)
        for part in parts:
            for count in (part.order,) if isinstance(part, Symmetry) else (1,) * part:
                dual, *_ = (next(duals) for _ in range(count))
                alternating = isinstance(part, Symmetry) and part.kind == "A"
                ahead: Counter[tuple[int, ...]] = Counter()
                for weight, ways in weights.items():
                    for larger in _with_strip(_dual(weight) if dual else weight, count, alternating):
                        ahead[_dual(larger) if dual else larger] += ways
                weights = ahead
        return Counter({label_of(weight): ways for weight, ways in weights.items()})

    def start(self) -> Label:
        """Two empty partitions."""
        return (), ()

    def neighbours(self, step: int, label: Label) -> list[Label]:
        """An axis of V adds 1 to an entry of the highest weight, one of V* takes 1 away; outputs the other way round.

        >>> from eqsynth import Group
        >>> maps = Group("GL", 3).between((False, True), ())
        >>> maps.neighbours(0, ((), ())), maps.neighbours(1, ((1,), ()))
        ([((1,), ())], [((), ()), ((1,), (1,))])
        """
        dual = (*self.inputs, *(not dual for dual in self.outputs))[step]
        weight = weight_of(label, self.number)
        labels = [
            label_of(_dual(larger) if dual else larger)
            for larger in _with_strip(_dual(weight) if dual else weight, 1, False)
        ]
        return sorted(fewest_boxes(one, self.number) for one in labels) if self.special else sorted(labels)

    def stable_from(self, total: int) -> int:  # noqa: ARG002 - of these vertices
        """As many as there are axes on either side, or where no head fits any more."""
        left, right = map(len, self.vertices)
        return max(left, 1) if left == right else abs(left - right) + 1 if self.special else 1

    def fewest(self, total: int) -> int:  # noqa: ARG002 - of these vertices
        """A Catalan number where n > 1: permutations without increasing subsequences of three."""
        left, right = map(len, self.vertices)
        return comb(2 * left, left) // (left + 1) if self.number > 1 and left == right else 0

    def standard_shapes(self, total: int) -> Iterator[Shape]:  # noqa: ARG002 - of these vertices
        """Shapes with at most n columns; with a row of n boxes above for each head."""
        times = self.determinants
        for shape in () if times is None else partitions(min(map(len, self.vertices)), self.number):
            yield (*(self.number,) * abs(times or 0), *shape)

    def gram_roots(self, total: int) -> Counter[int]:
        """One z for each box of each shape, as often as there are pairs of tableaux.

        The sum of n^cycles over permutations is the product of n + J, J the Jucys-Murphy elements, whose eigenvalues
        are the contents of the boxes.
        """
        roots: Counter[int] = Counter()
        left, right = map(len, self.vertices)
        if left != right:
            return roots
        steps = 8 * total * partition_count(left, left)
        afford(f"the determinant of {self} on {total} vertices", "ask for lower orders", steps=steps)
        for shape in partitions(left):
            for row, length in enumerate(shape):
                for column in range(length):
                    roots[row - column] += tableaux(shape) ** 2
        return roots


def _parts(vertices: tuple[int, ...], size: int) -> Iterator[list[tuple[int, ...]]]:
    """All ways to cut vertices into parts of one size, each way in the order of the first vertices.

    >>> from eqsynth.families.walled import _parts
    >>> [*_parts((0, 1, 2, 3), 2)]
    [[(0, 1), (2, 3)], [(0, 2), (1, 3)], [(0, 3), (1, 2)]]
    """
    if not vertices:
        yield []
        return
    for others in combinations(vertices[1:], size - 1):
        rest = tuple(vertex for vertex in vertices[1:] if vertex not in others)
        yield from ([(vertices[0], *others), *more] for more in _parts(rest, size))


def label_of(weight: tuple[int, ...]) -> tuple[Shape, Shape]:
    """A highest weight of GL(n) as two partitions: its entries above 0, and those below without their signs.

    >>> from eqsynth.families.walled import label_of, weight_of
    >>> label_of((2, 0, -1)), weight_of(((2,), (1,)), 4)
    (((2,), (1,)), (2, 0, 0, -1))
    """
    return tuple(entry for entry in weight if entry > 0), tuple(-entry for entry in reversed(weight) if entry < 0)


def weight_of(label: Label, n: int) -> tuple[int, ...]:
    """The same the other way round."""
    rows, others = label
    return (*rows, *[0] * (n - len(rows) - len(others)), *(-row for row in reversed(others)))


def fewest_boxes(label: Label, n: int) -> Label:
    """Of the pairs of partitions that differ by determinants, that of the fewest boxes, those of V first."""
    weight = weight_of(label, n)
    shifted = [tuple(entry - by for entry in weight) for by in {*weight}]
    return min(map(label_of, shifted), key=lambda pair: (sum(map(sum, pair)), sum(pair[1])))


def _dual(weight: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(-entry for entry in reversed(weight))


def _with_strip(weight: tuple[int, ...], boxes: int, upright: bool) -> Iterator[tuple[int, ...]]:
    """All weights with so many boxes more, no two of them in one column; ``upright``: in one row."""
    least, n = weight[-1], len(weight)
    for larger in pieri(tuple(entry - least for entry in weight if entry > least), boxes, upright):
        if len(larger) <= n:
            yield tuple(entry + least for entry in (*larger, *[0] * (n - len(larger))))


def _with_columns(shape: Shape, n: int, columns: int) -> Shape:
    """A shape with so many columns of length n in front.

    >>> from eqsynth.families.walled import _with_columns
    >>> _with_columns((2, 1), 3, 1), _with_columns((2, 1), 3, 0)
    ((3, 2, 1), (2, 1))
    """
    return tuple(length + columns for length in (*shape, *[0] * (n - len(shape)))) if columns else shape
