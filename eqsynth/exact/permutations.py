"""Permutations as tuples of images: their sign, their inverse."""

from __future__ import annotations

from collections.abc import Sequence

Permutation = tuple[int, ...]


def sign(order: Sequence[int]) -> int:
    """The sign of the permutation that sorts different numbers: 1 where it is even, -1 where it is odd.

    >>> from eqsynth.exact.permutations import sign
    >>> sign((0, 1, 2)), sign((1, 0, 2)), sign((2, 0, 1))
    (1, -1, 1)
    """
    inversions = sum(earlier > later for place, later in enumerate(order) for earlier in order[:place])
    return -1 if inversions % 2 else 1


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
