"""Set partitions, perfect matchings, partitions of numbers and Young tableaux: listed and counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import combinations, pairwise, zip_longest
from math import factorial, prod

#: A partition of a number: the lengths of the rows of its Young diagram, in decreasing order.
Shape = tuple[int, ...]
#: A set partition: its blocks in increasing order, by least element.
Blocks = tuple[tuple[int, ...], ...]


def components(count: int, links: Iterable[Sequence[int]]) -> list[int]:
    """For each of ``count`` things the least thing that it is linked with.

    >>> from eqsynth.exact.partitions import components
    >>> components(5, [(0, 3), (1, 4, 3)])
    [0, 0, 2, 0, 0]
    """
    root = list(range(count))

    def find(thing: int) -> int:
        while root[thing] != thing:
            root[thing] = thing = root[root[thing]]
        return thing

    for first, *others in links:
        for other in others:
            low, high = sorted((find(first), find(other)))
            root[high] = low
    return [find(thing) for thing in range(count)]


def set_partitions(total: int) -> Iterator[Blocks]:
    """Set partitions of ``range(total)``, blocks by least element, by restricted growth.

    >>> from eqsynth.exact.partitions import set_partitions
    >>> list(set_partitions(2))
    [((0, 1),), ((0,), (1,))]
    """
    blocks: list[tuple[int, ...]] = []

    def grow(vertex: int) -> Iterator[Blocks]:
        if vertex == total:
            yield tuple(blocks)
            return
        for position, block in enumerate(blocks):
            blocks[position] = (*block, vertex)
            yield from grow(vertex + 1)
            blocks[position] = block
        blocks.append((vertex,))
        yield from grow(vertex + 1)
        blocks.pop()

    return grow(0)


def perfect_matchings(vertices: tuple[int, ...]) -> Iterator[Blocks]:
    """Perfect matchings of an increasing tuple of vertices, pairs by least element; none of an odd number."""
    if len(vertices) % 2:
        return
    if not vertices:
        yield ()
        return
    first, rest = vertices[0], vertices[1:]
    for position, partner in enumerate(rest):
        for others in perfect_matchings(rest[:position] + rest[position + 1 :]):
            yield ((first, partner), *others)


def partial_matchings(total: int, singles: int) -> Iterator[Blocks]:
    """Set partitions of ``range(total)`` into pairs and so many single vertices.

    >>> from eqsynth.exact.partitions import partial_matchings
    >>> list(partial_matchings(3, 1))
    [((0,), (1, 2)), ((0, 2), (1,)), ((0, 1), (2,))]
    """
    for alone in combinations(range(total), singles):
        others = tuple(vertex for vertex in range(total) if vertex not in alone)
        for pairs in perfect_matchings(others):
            yield tuple(sorted([*pairs, *((vertex,) for vertex in alone)]))


@cache
def stirling2(total: int, blocks: int) -> int:
    """Set partitions of ``total`` elements into exactly ``blocks`` blocks."""
    if total == blocks:
        return 1
    if blocks == 0 or blocks > total:
        return 0
    return blocks * stirling2(total - 1, blocks) + stirling2(total - 1, blocks - 1)


def bell(total: int) -> int:
    """Set partitions of ``total`` elements."""
    return sum(stirling2(total, blocks) for blocks in range(total + 1))


def matchings(total: int) -> int:
    """Perfect matchings of ``total`` vertices: (total - 1)!!, or 0 for an odd number."""
    return 0 if total % 2 else prod(range(1, total, 2))


def partitions(total: int, largest: int | None = None) -> Iterator[Shape]:
    """Partitions of a number, parts in decreasing order, none larger than ``largest``.

    >>> from eqsynth.exact.partitions import partitions
    >>> list(partitions(4, 2))
    [(2, 2), (2, 1, 1), (1, 1, 1, 1)]
    """
    if total == 0:
        yield ()
        return
    for first in range(min(total, total if largest is None else largest), 0, -1):
        for rest in partitions(total - first, first):
            yield (first, *rest)


@cache
def partition_count(total: int, largest: int) -> int:
    """How many partitions there are; they are as many as those with at most ``largest`` parts."""
    if total == 0:
        return 1
    return sum(partition_count(total - first, min(first, total - first)) for first in range(1, min(total, largest) + 1))


def conjugate(shape: Sequence[int]) -> Shape:
    """The transposed partition: the lengths of the columns.

    >>> from eqsynth.exact.partitions import conjugate
    >>> conjugate((3, 1))
    (2, 1, 1)
    """
    columns: Shape = ()
    for count, (row, below) in reversed([*enumerate(pairwise((*shape, 0)), 1)]):
        columns += (count,) * (row - below)
    return columns


def hooks(shape: Sequence[int]) -> int:
    """The product of the hook lengths of a partition.

    >>> from eqsynth.exact.partitions import hooks
    >>> hooks((2, 1)), hooks(())
    (3, 1)
    """
    columns = conjugate(shape)
    return prod(
        length - column + columns[column] - row - 1 for row, length in enumerate(shape) for column in range(length)
    )


def tableaux(shape: Sequence[int]) -> int:
    """Standard Young tableaux of a shape, by the hook formula: the dimension of an irrep of a symmetric group.

    >>> from eqsynth.exact.partitions import tableaux
    >>> tableaux((2, 1)), tableaux((2, 2)), tableaux(())
    (2, 2, 1)
    """
    return factorial(sum(shape)) // hooks(shape)


def with_box(shape: Shape) -> Iterator[Shape]:
    """The partitions with one box more.

    >>> from eqsynth.exact.partitions import with_box, without_box
    >>> list(with_box((2, 1))), list(without_box((2, 1)))
    ([(3, 1), (2, 2), (2, 1, 1)], [(1, 1), (2,)])
    """
    for row, length in enumerate(shape):
        if row == 0 or shape[row - 1] > length:
            yield (*shape[:row], length + 1, *shape[row + 1 :])
    yield (*shape, 1)


def without_box(shape: Shape) -> Iterator[Shape]:
    """The partitions with one box less."""
    for row, length in enumerate(shape):
        if row == len(shape) - 1 or shape[row + 1] < length:
            shorter = (*shape[:row], length - 1, *shape[row + 1 :])
            yield shorter if length > 1 else shorter[:-1]


def changed_box(one: Shape, other: Shape) -> tuple[int, int]:
    """The row and the content, column minus row, of the box that one of two partitions has and the other has not.

    >>> from eqsynth.exact.partitions import changed_box
    >>> changed_box((2, 1), (3, 1)), changed_box((2, 1), (2,))
    ((0, 2), (1, -1))
    """
    pairs = enumerate(zip_longest(one, other, fillvalue=0))
    row, longest = next((row, max(lengths)) for row, lengths in pairs if lengths[0] != lengths[1])
    return row, longest - 1 - row


def with_strip(shape: Shape, size: int) -> Iterator[tuple[Shape, int]]:
    """The partitions with a border strip of so many boxes more, and the sign: -1 for an odd number of rows below one.

    >>> from eqsynth.exact.partitions import with_strip, without_strip
    >>> list(with_strip((1,), 2)), list(without_strip((2, 1), 3))
    ([((3,), 1), ((1, 1, 1), -1)], [((), -1)])

    Source: the Murnaghan-Nakayama rule (Macdonald, Symmetric Functions, I.3, example 11).
    """
    # Rows as different numbers: a strip is a number that grows, and its height the numbers that it passes.
    numbers = [length + size + len(shape) - 1 - row for row, length in enumerate((*shape, *[0] * size))]
    return _moved(numbers, size)


def without_strip(shape: Shape, size: int) -> Iterator[tuple[Shape, int]]:
    """The partitions with a border strip of so many boxes less, and the sign."""
    return _moved([length + len(shape) - 1 - row for row, length in enumerate(shape)], -size)


def _moved(numbers: list[int], step: int) -> Iterator[tuple[Shape, int]]:
    for number in numbers:
        to = number + step
        if to >= 0 and to not in numbers:
            low, high = sorted((number, to))
            passed = sum(low < other < high for other in numbers)
            rows = sorted((*(other for other in numbers if other != number), to), reverse=True)
            lengths = (other - (len(rows) - 1 - row) for row, other in enumerate(rows))
            yield tuple(length for length in lengths if length), (-1) ** passed
