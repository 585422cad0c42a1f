"""Every diagram that a group allows, and how many there are before they are listed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import combinations
from math import comb, factorial, prod

from eqsynth.diagrams.diagram import Diagram
from eqsynth.families.group import Group


def diagrams(group: Group, outputs: int, inputs: int) -> Iterator[Diagram]:
    """Every diagram of the group's spanning set, one at a time, always in the same order.

    >>> from eqsynth import Group
    >>> from eqsynth.diagrams.enumeration import diagrams
    >>> [d.formula() for d in diagrams(Group("SO", 2), 1, 1)]
    ['y[a] += x[a]', 'y[a] += \u03b5[a,b] x[b]']

    S(n): all set partitions. O(n), Sp(n): all perfect matchings. SO(n): those of O(n), then diagrams
    with n free vertices, tied to the head, and pairs. A(n), n > 1: those of S(n), then partitions into
    n or n - 1 blocks, all tied to the head. With n a letter, large n is meant, where no head fits.

    Source: arXiv 2212.08648, theorem 3.3 (S(n)); 2212.08630, theorems 3.2 to 3.6 (O, Sp, SO);
    2301.10152 (A(n)).
    """
    total, n = outputs + inputs, group.n
    match group.family:
        case "S" | "A":
            pieces = set_partitions(total)
        case _:
            pieces = perfect_matchings(tuple(range(total)))
    for blocks in pieces:
        yield Diagram(outputs, inputs, blocks)
    if isinstance(n, str):
        return
    if group.family == "SO":
        for free in combinations(range(total), n):
            rest = tuple(vertex for vertex in range(total) if vertex not in free)
            for pairs in perfect_matchings(rest):
                blocks = tuple(sorted([*pairs, *((vertex,) for vertex in free)]))
                yield Diagram(outputs, inputs, blocks, head=tuple(blocks.index((vertex,)) for vertex in free))
    if group.family == "A" and n > 1:
        for blocks in set_partitions(total):
            if len(blocks) in (n, n - 1):
                yield Diagram(outputs, inputs, blocks, head=tuple(range(len(blocks))))


def count(group: Group, total: int) -> int:
    """How many diagrams :func:`diagrams` lists for ``total`` vertices."""
    n = group.n
    match group.family:
        case "S":
            return bell(total)
        case "A":
            heads = 0 if isinstance(n, str) or n == 1 else stirling2(total, n) + stirling2(total, n - 1)
            return bell(total) + heads
        case "SO":
            heads = 0 if isinstance(n, str) or n > total else comb(total, n) * matchings(total - n)
            return matchings(total) + heads
        case _:
            return matchings(total)


def misfit(group: Group, diagram: Diagram) -> str:
    """Why a diagram is not one of those that :func:`diagrams` lists for the group; empty where it is.

    >>> from eqsynth import Diagram, Group
    >>> from eqsynth.diagrams.enumeration import misfit
    >>> misfit(Group("O", 3), Diagram(1, 1, ((0,), (1,))))
    'its blocks are no pairs'

    Decided from the diagram alone: nothing is listed, so that a check need not trust the listing.
    """
    n = group.n
    head = [diagram.blocks[block] for block in diagram.head]
    if diagram.edges:
        return "it has edges"
    if not all(diagram.blocks):
        return "it has a block without vertices"
    if head and (group.family not in ("SO", "A") or isinstance(n, str)):
        return "it has a head"
    if group.family in ("S", "A"):
        if head and diagram.head != tuple(range(len(diagram.blocks))):
            return "its head does not hold all blocks in order"
        # A head that got here has a number for n.
        wrong = bool(head) and (n == 1 or len(head) not in (int(n), int(n) - 1))
        return "its head has no n or n - 1 blocks" if wrong else ""
    if any(len(block) != 1 for block in head) or list(diagram.head) != sorted(diagram.head):
        return "its head does not hold single vertices in order"
    if head and len(head) != n:
        return f"its head has {len(head)} vertices"
    if any(len(block) != 2 for number, block in enumerate(diagram.blocks) if number not in diagram.head):
        return "its blocks are no pairs"
    return ""


def set_partitions(total: int) -> Iterator[tuple[tuple[int, ...], ...]]:
    """Set partitions of ``range(total)``, blocks by least element, by restricted growth."""
    blocks: list[tuple[int, ...]] = []

    def grow(vertex: int) -> Iterator[tuple[tuple[int, ...], ...]]:
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


def perfect_matchings(vertices: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], ...]]:
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


def partitions(total: int, largest: int | None = None) -> Iterator[tuple[int, ...]]:
    """Partitions of a number, parts in decreasing order, none larger than ``largest``.

    >>> from eqsynth.diagrams.enumeration import partitions
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


def tableaux(shape: tuple[int, ...]) -> int:
    """Standard Young tableaux of a shape, by the hook formula: the dimension of an irrep of a symmetric group.

    >>> from eqsynth.diagrams.enumeration import tableaux
    >>> tableaux((2, 1)), tableaux((2, 2)), tableaux(())
    (2, 2, 1)
    """
    columns = [sum(1 for length in shape if length > column) for column in range(shape[0] if shape else 0)]
    hooks = (
        length - column + columns[column] - row - 1 for row, length in enumerate(shape) for column in range(length)
    )
    return factorial(sum(shape)) // prod(hooks)


def matchings(total: int) -> int:
    """Perfect matchings of ``total`` vertices: (total - 1)!!, or 0 for an odd number."""
    return 0 if total % 2 else prod(range(1, total, 2))
