"""Dimensions of the spaces of equivariant maps, from representation theory alone.

They use no diagram, which is why they can prove that a set of diagrams is complete.
"""

from __future__ import annotations

from eqsynth.enumeration import bell, matchings, stirling2
from eqsynth.errors import GroupError
from eqsynth.group import Group

Shape = tuple[int, ...]


def dimension(group: Group, total: int) -> int:
    """How many independent equivariant maps V^k -> V^l there are, for k + l = ``total``.

    >>> from eqsynth import Group
    >>> from eqsynth.dimension import dimension
    >>> dimension(Group("S", 3), 4), dimension(Group("O", 3), 8), dimension(Group("S", "n"), 4)
    (14, 91, 15)

    With n a letter the answer holds for every n that is large enough (see :func:`stable_from`).

    Source: MATHS: S(n) by Stirling numbers; O(n) by walks in the lattice of partitions whose first
    two columns have length at most n together (Weyl; arXiv 2212.08630, section 3).
    """
    n = group.n
    match group.family:
        case "S":
            return (
                bell(total)
                if isinstance(n, str)
                else sum(stirling2(total, blocks) for blocks in range(min(n, total) + 1))
            )
        case "O":
            return matchings(total) if isinstance(n, str) else orthogonal_walks(n, total)
        case _:
            raise GroupError(f"{group} has no dimension formula yet: ask for S(n) or O(n)")


def stable_from(group: Group, total: int) -> int:
    """The least n from which the dimension no longer changes and every diagram is needed."""
    match group.family:
        case "S":
            return max(total, 1)
        case "O":
            return max(total // 2, 1)
        case _:
            raise GroupError(f"{group} has no dimension formula yet: ask for S(n) or O(n)")


def orthogonal_walks(n: int, total: int) -> int:
    """Closed walks of length ``total`` from the empty partition in the branching graph of O(n)."""
    if total % 2:
        return 0
    # A closed walk is a walk to some shape and another one back from it.
    walks: dict[Shape, int] = {(): 1}
    for _ in range(total // 2):
        ahead: dict[Shape, int] = {}
        for shape, ways in walks.items():
            for other in _neighbours(shape):
                if _first_two_columns(other) <= n:
                    ahead[other] = ahead.get(other, 0) + ways
        walks = ahead
    return sum(ways * ways for ways in walks.values())


def _neighbours(shape: Shape) -> list[Shape]:
    found = [(*shape, 1)]
    for row, length in enumerate(shape):
        if row == 0 or shape[row - 1] > length:
            found.append((*shape[:row], length + 1, *shape[row + 1 :]))
        if row == len(shape) - 1 or shape[row + 1] < length:
            shorter = (*shape[:row], length - 1, *shape[row + 1 :])
            found.append(shorter if length > 1 else shorter[:-1])
    return found


def _first_two_columns(shape: Shape) -> int:
    return len(shape) + sum(1 for length in shape if length > 1)
