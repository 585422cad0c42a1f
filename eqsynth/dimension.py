"""Dimensions of the spaces of equivariant maps, from representation theory alone.

They use no diagram, which is why they can prove that a set of diagrams is complete.
"""

from __future__ import annotations

from collections.abc import Callable

from eqsynth.enumeration import bell, matchings, stirling2
from eqsynth.group import Group

Shape = tuple[int, ...]


def dimension(group: Group, total: int) -> int:
    """How many independent equivariant maps V^k -> V^l there are, for k + l = ``total``.

    >>> from eqsynth import Group
    >>> from eqsynth.dimension import dimension
    >>> dimension(Group("S", 3), 4), dimension(Group("SO", 3), 7), dimension(Group("S", "n"), 4)
    (14, 36, 15)

    With n a letter the answer holds for every n that is large enough (see :func:`stable_from`).

    Source: S(n) and A(n) by Stirling numbers (arXiv 2212.08648, 2301.10152); O, SO and Sp by walks in
    their branching graphs (Weyl; 2212.08630): partitions whose first two columns have length at most n
    together, respectively partitions with at most n/2 rows.
    """
    n = group.n
    if isinstance(n, str):
        return bell(total) if group.family in ("S", "A") else matchings(total)
    match group.family:
        case "S":
            return sum(stirling2(total, blocks) for blocks in range(min(n, total) + 1))
        case "A":
            heads = stirling2(total, n) + stirling2(total, n - 1) if n > 1 else 0
            return dimension(Group("S", n), total) + heads
        case "O":
            return _walks(total, (), lambda shape: _first_two_columns(shape) <= n)
        case "SO":
            fits = lambda shape: _first_two_columns(shape) <= n  # noqa: E731 - the same rule twice
            return _walks(total, (), fits) + _walks(total, (1,) * n, fits)
        case _:
            return _walks(total, (), lambda shape: len(shape) <= n // 2)


def stable_from(group: Group, total: int) -> int:
    """The least n from which the dimension no longer changes and every headless diagram is needed."""
    match group.family:
        case "S":
            return max(total, 1)
        case "A":
            return total + 2
        case "O":
            return max((total + 1) // 2, 1)
        case "SO":
            return total + 1
        case _:
            return max(total + total % 2, 2)


def _walks(total: int, end: Shape, fits: Callable[[Shape], bool]) -> int:
    """Walks of length ``total`` from the empty partition to ``end``, each step one box more or less."""
    # Walk half of the way from both ends and meet.
    first = _spread({(): 1}, total - total // 2, fits)
    second = _spread({end: 1} if fits(end) else {}, total // 2, fits)
    return sum(ways * second.get(shape, 0) for shape, ways in first.items())


def _spread(walks: dict[Shape, int], steps: int, fits: Callable[[Shape], bool]) -> dict[Shape, int]:
    for _ in range(steps):
        ahead: dict[Shape, int] = {}
        for shape, ways in walks.items():
            for other in _neighbours(shape):
                if fits(other):
                    ahead[other] = ahead.get(other, 0) + ways
        walks = ahead
    return walks


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
