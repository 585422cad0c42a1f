"""Permutations as tuples of images: their sign, their inverse; heads of diagrams, which sign permutations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import prod
from typing import Any, TypeVar

Permutation = tuple[int, ...]
Value = TypeVar("Value")


def sign(order: Sequence[int]) -> int:
    """The sign of the permutation that sorts different numbers: 1 where it is even, -1 where it is odd.

    >>> from eqsynth.exact.permutations import sign
    >>> sign((0, 1, 2)), sign((1, 0, 2)), sign((2, 0, 1))
    (1, -1, 1)
    """
    inversions = sum(earlier > later for place, later in enumerate(order) for earlier in order[:place])
    return -1 if inversions % 2 else 1


def signed_permutation(rows: Iterable[Iterable[Any]]) -> Permutation | None:
    """Where a matrix sends the basis vectors 0, ..., n - 1 and their negatives n, ..., 2n - 1, if it permutes those.

    >>> from eqsynth.exact.permutations import signed_permutation
    >>> signed_permutation([[0, -1], [1, 0]]), signed_permutation([[1, 1], [0, 1]])
    ((1, 2, 3, 0), None)
    """
    listed = [[(place, entry) for place, entry in enumerate(row) if entry] for row in rows]
    n = len(listed)
    if any(len(entries) != 1 or abs(entries[0][1]) != 1 for entries in listed):
        return None
    images = [-1] * n
    for image, [(place, entry)] in enumerate(listed):
        images[place] = image if entry > 0 else image + n
    return (*images, *((image + n) % (2 * n) for image in images)) if min(images, default=0) >= 0 else None


def inverse(permutation: Sequence[int]) -> Permutation:
    """The inverse of a permutation given by images.

    >>> from eqsynth.exact.permutations import inverse
    >>> inverse((1, 2, 0))
    (2, 0, 1)
    """
    images = [0] * len(permutation)
    for point, image in enumerate(permutation):
        images[image] = point
    return tuple(images)


def runs(values: Sequence[Value], head: Sequence[int]) -> list[list[Value]]:
    """Values that belong to the blocks of a head, for each of the heads that it is made of.

    >>> from eqsynth.exact.permutations import runs
    >>> runs("bdac", (1, 3, 0, 2)), runs("abc", (0, 1, 2)), runs("", ())
    ([['b', 'd'], ['a', 'c']], [['a', 'b', 'c']], [])
    """
    starts = [0, *(place for place in range(1, len(head)) if head[place] < head[place - 1])]
    if not head or len({end - start for start, end in pairwise([*starts, len(head)])}) > 1:
        return [[*values]] if head else []
    return [[*values[start:end]] for start, end in pairwise([*starts, len(head)])]


def heads_of(head: tuple[int, ...], n: int) -> list[tuple[int, ...]]:
    """The heads that a head at n is made of: n blocks each; one of fewer blocks (A(n), B(n)) is one.

    >>> from eqsynth.exact.permutations import heads_of
    >>> heads_of((1, 3, 0, 2), 2), heads_of((0, 1), 3)
    ([(1, 3), (0, 2)], [(0, 1)])
    """
    # Without a head there is nothing to cut, also where n is a letter.
    return [head[start : start + n] for start in range(0, len(head), n)] if head else []


def sorted_heads(head: tuple[int, ...], n: int) -> tuple[tuple[int, ...], int]:
    """Heads at n as diagrams have them, and the sign that sorting the blocks of each brings.

    >>> from eqsynth.exact.permutations import sorted_heads
    >>> sorted_heads((0, 1, 3, 2), 2), sorted_heads((1, 0, 2), 3)
    (((2, 3, 0, 1), -1), ((0, 1, 2), -1))
    """
    heads = heads_of(head, n)
    ordered_heads = sorted((tuple(sorted(own)) for own in heads), reverse=True)
    return tuple(block for own in ordered_heads for block in own), prod(map(sign, heads))
