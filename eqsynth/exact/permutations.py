"""Permutations as tuples of images: their sign, their inverse."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

Permutation = tuple[int, ...]


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
