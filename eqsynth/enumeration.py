"""Every diagram that a group allows, and how many there are before they are listed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from math import prod

from eqsynth.diagram import Diagram
from eqsynth.errors import GroupError
from eqsynth.group import Group


def diagrams(group: Group, outputs: int, inputs: int) -> Iterator[Diagram]:
    """Every diagram of the group's spanning set, one at a time, always in the same order.

    >>> from eqsynth import Group
    >>> from eqsynth.enumeration import diagrams
    >>> [d.formula() for d in diagrams(Group("O", 3), 1, 1)]
    ['y[a] += x[a]']

    For S(n) these are all set partitions (n does not matter), for O(n) all perfect matchings.
    Source: arXiv 2212.08648, theorem 3.3 (S(n)); 2212.08630, theorem 3.2 (O(n)).
    """
    total = outputs + inputs
    match group.family:
        case "S":
            pieces = set_partitions(total)
        case "O":
            pieces = perfect_matchings(tuple(range(total)))
        case _:
            raise GroupError(f"{group} has no diagrams yet: ask for S(n) or O(n)")
    for blocks in pieces:
        yield Diagram(outputs, inputs, blocks)


def count(group: Group, total: int) -> int:
    """How many diagrams :func:`diagrams` lists for ``total`` vertices."""
    match group.family:
        case "S":
            return bell(total)
        case "O":
            return matchings(total)
        case _:
            raise GroupError(f"{group} has no diagrams yet: ask for S(n) or O(n)")


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
    """Perfect matchings of an increasing tuple of vertices, pairs by least element."""
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


def matchings(total: int) -> int:
    """Perfect matchings of ``total`` vertices: (total - 1)!!, or 0 for an odd number."""
    return 0 if total % 2 else prod(range(1, total, 2))
