"""Dimensions of the spaces of equivariant maps, from representation theory alone.

They use no diagram, which is why they can prove that a set of diagrams is complete.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise, product

from eqsynth.diagrams.enumeration import bell, matchings, partition_count, partitions, stirling2, tableaux
from eqsynth.exact.limits import afford
from eqsynth.families.group import Group
from eqsynth.spaces.space import MAX_ORDER, Symmetry

Shape = tuple[int, ...]


def dimension(group: Group, total: int) -> int:
    """How many independent equivariant maps V^k -> V^l there are, for k + l = ``total``.

    >>> from eqsynth import Group
    >>> from eqsynth.bases.dimension import dimension
    >>> dimension(Group("S", 3), 4), dimension(Group("SO", 3), 7), dimension(Group("S", "n"), 4)
    (14, 36, 15)

    With n a letter the answer holds for every n that is large enough (see :func:`stable_from`).

    Source: S(n) and A(n) by Stirling numbers (arXiv 2212.08648, 2301.10152). O, SO and Sp by Schur-Weyl duality:
    V^m is the sum over partitions of m with at most n rows of an irrep of GL(n), as often as there are standard
    tableaux, and it has one invariant of O(n) if all rows are even, of SO(n) also if there are n odd rows, and of Sp(n)
    if all columns are even (Macdonald, Symmetric Functions, I.5 and VII.2); none otherwise.

    Raises SizeError for numbers of partitions that take too long to go through.
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
        case "Sp":
            # All columns are even where all rows of the conjugate are, which has as many tableaux.
            return _even_tableaux(total, n // 2, False)
        case _:
            return _even_tableaux(total, n, True) + (_odd_tableaux(total, n) if group.family == "SO" else 0)


def afford_partitions(what: str, total: int, largest: int) -> None:
    """Refuse to go through more partitions of half of ``total`` than one call may."""
    half = total // 2
    steps = 8 * total * partition_count(half, min(largest, half))
    afford(what, "ask for lower orders, or for a size that is small or beyond half of their sum", steps=steps)


def _even_tableaux(total: int, most: int, rows: bool) -> int:
    """Standard tableaux of shapes of ``total`` boxes, all rows even, with at most so many rows, or pairs of columns."""
    half = total // 2
    if total % 2:
        return 0
    if most >= half:
        return matchings(total)
    # One list serves every size; only where it is very long each size has a list of its own.
    listed = _even_tableaux_of(half, half if total <= MAX_ORDER else most, rows)
    return sum(count for size, count in listed.items() if size <= most)


@lru_cache(maxsize=256)
def _even_tableaux_of(half: int, most: int, rows: bool) -> Mapping[int, int]:
    """The same, by the number of rows, or of pairs of columns."""
    afford_partitions(f"the dimension for {2 * half} vertices", 2 * half, most)
    counted: Counter[int] = Counter()
    for parts in partitions(half, most):
        shape = _conjugate(parts) if rows else parts
        counted[parts[0] if parts else 0] += tableaux(tuple(2 * length for length in shape))
    return counted


def _odd_tableaux(total: int, n: int) -> int:
    """The same of shapes with n rows, all of them odd."""
    if total < n or (total - n) % 2:
        return 0
    half = (total - n) // 2
    afford_partitions(f"the dimension of SO({n}) for {total} vertices", 2 * half, n)
    shapes = (_conjugate(columns) for columns in partitions(half, n))
    return sum(tableaux(tuple(2 * row + 1 for row in (*shape, *[0] * (n - len(shape))))) for shape in shapes)


def symmetric_dimension(group: Group, *parts: int | Symmetry) -> int:
    """The same between symmetric, alternating and other tensors: how many equivariant maps and constants there are.

    >>> from eqsynth import Group
    >>> from eqsynth.bases.dimension import symmetric_dimension
    >>> from eqsynth.spaces.space import Symmetry
    >>> two = Symmetry("S", 2)
    >>> [symmetric_dimension(Group(family, "n"), two, two) for family in ("S", "O", "Sp")]
    [9, 2, 1]

    ``parts`` are the tensor spaces that are multiplied, of inputs and outputs alike; a number is that many plain axes.

    Source: S(n) and A(n): multisets of block types, where types that an exchange gives a sign stand once at most
    (arXiv 2503.11276 for symmetric inputs and outputs). O, SO and Sp: the polynomial representations with an
    invariant (even rows, all rows odd, even columns), counted by Pieri's rule (Macdonald, Symmetric Functions, I.5).
    """
    plain = sum(part for part in parts if isinstance(part, int))
    listed = [(part.kind == "A", part.order) for part in parts if isinstance(part, Symmetry)]
    kinds = (*listed, *[(False, 1)] * plain)
    if group.family in ("S", "A"):
        total = sum(order for _, order in kinds)
        if isinstance(group.n, str):
            return sum(_partitions(kinds, False).get(blocks, 0) for blocks in range(total + 1))
        found = sum(_partitions(kinds, False).get(blocks, 0) for blocks in range(group.n + 1))
        if group.family == "A" and group.n > 1:
            found += sum(_partitions(kinds, True).get(blocks, 0) for blocks in (group.n, group.n - 1))
        return found
    shapes: dict[Shape, int] = {(): 1}
    for alternating, order in kinds:
        added: dict[Shape, int] = {}
        for shape, ways in shapes.items():
            for larger in _pieri(shape, order, alternating):
                added[larger] = added.get(larger, 0) + ways
        shapes = added
    return sum(ways for shape, ways in shapes.items() if _has_invariant(group, shape))


def _has_invariant(group: Group, shape: Shape) -> bool:
    """Whether a polynomial representation of GL(n) has an invariant of the group (then there is just one)."""
    n = group.n
    if isinstance(n, int) and len(shape) > n:
        return False
    if group.family == "Sp":
        # Every column is even: rows come in pairs of equal length.
        return len(shape) % 2 == 0 and all(a == b for a, b in zip(shape[::2], shape[1::2], strict=True))
    if all(row % 2 == 0 for row in shape):
        return True
    return group.family == "SO" and len(shape) == n and all(row % 2 for row in shape)


def _pieri(shape: Shape, boxes: int, upright: bool) -> list[Shape]:
    """All shapes with so many boxes more, no two of them in one column; ``upright``: in one row."""
    if upright:
        return [_conjugate(larger) for larger in _pieri(_conjugate(shape), boxes, False)]
    rows = [*shape, 0]
    # No two new boxes in a column: a row grows at most to the old length of the row above.
    room = [boxes, *(above - row for above, row in pairwise(rows))]
    return [
        tuple(row + more for row, more in zip(rows, added, strict=True) if row + more)
        for added in product(*(range(min(boxes, space) + 1) for space in room))
        if sum(added) == boxes
    ]


def _conjugate(shape: Shape) -> Shape:
    return tuple(sum(1 for row in shape if row > column) for column in range(shape[0])) if shape else ()


@lru_cache(maxsize=256)
def _partitions(kinds: tuple[tuple[bool, int], ...], head: bool) -> dict[int, int]:
    """Orbits of set partitions that do not vanish, by their number of blocks; with the sign of a head or without.

    A block takes some vertices of each part, at most one of an alternating part. The exchange of two blocks of one
    type brings a sign for each alternating part in it, and one for a head: then the type stands once at most.
    """
    limits = [range((1 if alternating else order) + 1) for alternating, order in kinds]
    types = [each for each in product(*limits) if any(each)]
    found: dict[tuple[Sequence[int], int], int] = {(tuple(order for _, order in kinds), 0): 1}
    for each in types:
        odd = (sum(count for (alternating, _), count in zip(kinds, each, strict=True) if alternating) + head) % 2
        ahead: dict[tuple[Sequence[int], int], int] = {}
        for (left, blocks), ways in found.items():
            most = min(has // takes for has, takes in zip(left, each, strict=True) if takes)
            for times in range(min(most, 1) + 1 if odd else most + 1):
                rest = tuple(has - times * takes for has, takes in zip(left, each, strict=True))
                ahead[rest, blocks + times] = ahead.get((rest, blocks + times), 0) + ways
        found = ahead
    return {blocks: ways for (left, blocks), ways in found.items() if not any(left)}


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
