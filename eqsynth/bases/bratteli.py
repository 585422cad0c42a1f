"""Bratteli diagrams: how tensor powers fall into irreducible parts, and why their paths count the weights."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

from eqsynth.bases.dimension import Shape
from eqsynth.errors import GroupError, SizeError, SymbolicError
from eqsynth.families.group import Group

#: More irreducible parts than anyone counts.
MAX_PARTS = 10_000


@dataclass(frozen=True, slots=True)
class Bratteli:
    """The walks behind the maps V^inputs -> V^outputs of a group, level by level. Made by :func:`bratteli`.

    ``levels[i]`` are the irreducible parts (partitions) that some walk visits after i steps, ``edges[i]`` the pairs
    (place in level i, place in level i + 1). ``before[i][p]`` counts the walks from the start to a part,
    ``after[i][p]`` those from it to an end. A tensor factor is ``stride`` steps.
    """

    group: Group
    inputs: int
    outputs: int
    stride: int
    levels: tuple[tuple[Shape, ...], ...]
    edges: tuple[tuple[tuple[int, int], ...], ...]
    before: tuple[tuple[int, ...], ...]
    after: tuple[tuple[int, ...], ...]

    @property
    def paths(self) -> int:
        """Walks from the start to an end: as many as there are independent maps."""
        return sum(self.after[0])

    @property
    def meeting(self) -> tuple[tuple[Shape, int, int], ...]:
        """Each part that input and output share, with how often each of them holds it.

        By Schur's lemma a map sends each copy in the input to multiples of the copies in the output: the products
        of both numbers add up to ``paths``. For SO(n) and A(n), parts that differ by the sign count as one.
        """
        level = self.inputs * self.stride
        return tuple(zip(self.levels[level], self.before[level], self.after[level], strict=True))


def bratteli(group: Group, inputs: int, outputs: int) -> Bratteli:
    """The Bratteli diagram of the maps V^inputs -> V^outputs, only what lies on a walk from start to end.

    >>> from eqsynth import Group
    >>> from eqsynth.bases.bratteli import bratteli
    >>> found = bratteli(Group("SO", 3), 2, 2)
    >>> found.levels
    (((),), ((1,),), ((), (1, 1), (2,)), ((1,),), ((),))
    >>> found.paths, found.meeting
    (3, (((), 1, 1), ((1, 1), 1, 1), ((2,), 1, 1)))

    O(n), SO(n), Sp(n): each tensor factor adds or removes one box. S(n), A(n): each tensor factor is two steps,
    restriction to S(n-1), which removes a box, and induction, which adds one. Walks end at the trivial
    representation, for SO(n) and A(n) at the determinant or sign, too.

    Raises SymbolicError where n is a letter, GroupError for groups that are not S, A, O, SO or Sp.
    Source: Weyl; Halverson and Ram, math/0401314, for S(n).
    """
    n, total = group.n, inputs + outputs
    if group.family not in ("S", "A", "O", "SO", "Sp"):
        raise GroupError(f"{group} has no Bratteli diagram of partitions: ask for S, A, O, SO or Sp")
    if isinstance(n, str):
        raise SymbolicError(f"{group} leaves n open: ask for a number, such as {group.family}(4)")
    points = group.family in ("S", "A")
    start: Shape = (n,) if points else ()
    ends = [start]
    # The sign is out of reach unless this few steps can build a whole column.
    if group.family in ("SO", "A") and n <= total + 1:
        ends.append((1,) * n)
    stride = 2 if points else 1
    ahead = [{start: 1}]
    for step in range(stride * total):
        ahead.append(_step(group, step, ahead[-1]))
    back = [{end: 1 for end in ends if end in ahead[-1]}]
    for step in reversed(range(stride * total)):
        # A step that removes a box is undone by one that adds it.
        back.append({shape: ways for shape, ways in _step(group, step + 1, back[-1]).items() if shape in ahead[step]})
    back.reverse()
    levels = [tuple(sorted(reached, key=lambda shape: (sum(shape), shape))) for reached in back]
    edges = [
        tuple(
            (place, levels[step + 1].index(other))
            for place, shape in enumerate(levels[step])
            for other in _neighbours(group, step, shape)
            if other in back[step + 1]
        )
        for step in range(stride * total)
    ]
    return Bratteli(
        group,
        inputs,
        outputs,
        stride,
        tuple(levels),
        tuple(tuple(sorted(pairs)) for pairs in edges),
        tuple(tuple(ahead[step][shape] for shape in level) for step, level in enumerate(levels)),
        tuple(tuple(back[step][shape] for shape in level) for step, level in enumerate(levels)),
    )


def irreducible_dimension(group: Group, shape: Shape) -> int:
    """The dimension of an irreducible representation of S(n), O(n) or Sp(n), given by its partition.

    >>> from eqsynth import Group
    >>> from eqsynth.bases.bratteli import irreducible_dimension
    >>> irreducible_dimension(Group("O", 3), (2,)), irreducible_dimension(Group("S", 4), (2, 2))
    (5, 2)

    For A(n) and SO(n) it is that of S(n) and O(n), whose representation may fall in two halves.
    Source: the hook formula; El Samra and King, J. Phys. A 12 (1979) 2317.
    """
    offsets, hooks = dimension_factors(group.family, shape)
    return prod(int(group.n) + offset for offset in offsets) // hooks


def dimension_factors(family: str, shape: Shape) -> tuple[tuple[int, ...], int]:
    """The dimension of an irreducible part as a polynomial: the product of (n + offset), divided by a number.

    For S(n) and A(n) the first row of the partition takes what the others leave of n, and is not looked at. The rest
    of the partition is mu, of s boxes in rows mu_1, mu_2, ...: of the numbers 1 to n the hooks of the first row are
    all but n - s - mu_i + i for i = 1, ..., s, so these and the hooks of mu stay.
    """
    points = family in ("S", "A")
    shape = shape[1:] if points else shape
    columns = columns_of(shape)
    cells = [(row, column) for row, length in enumerate(shape) for column in range(length)]
    hooks = prod(shape[r] - c + columns[c] - r - 1 for r, c in cells)

    def row(place: int) -> int:
        return shape[place] if place < len(shape) else 0

    def column(place: int) -> int:
        return columns[place] if place < len(columns) else 0

    # Cells are counted from 0 here, from 1 in the paper.
    if points:
        offsets = (place + 1 - row(place) - len(cells) for place in range(len(cells)))
    elif family == "Sp":
        offsets = (row(r) + row(c) - r - c if r > c else r + c + 2 - column(r) - column(c) for r, c in cells)
    else:
        offsets = (row(r) + row(c) - r - c - 2 if r >= c else r + c - column(r) - column(c) for r, c in cells)
    return tuple(offsets), hooks


def copies(group: Group, order: int) -> dict[Shape, int]:
    """How often the tensor power V^order holds each irreducible part of S(n), O(n) or Sp(n).

    >>> from eqsynth import Group
    >>> from eqsynth.bases.bratteli import copies
    >>> copies(Group("O", 3), 2), copies(Group("S", 4), 1)
    ({(2,): 1, (1, 1): 1, (): 1}, {(4,): 1, (3, 1): 1})

    These are the walks to each part in the Bratteli diagram. For SO(n) and A(n) they are those of O(n) and S(n).
    Raises SizeError where there are more than 10,000 parts.
    """
    points = group.family in ("S", "A")
    walks: dict[Shape, int] = {(int(group.n),) if points else (): 1}
    for step in range(2 * order if points else order):
        walks = _step(group, step, walks)
        if len(walks) > MAX_PARTS:
            raise SizeError(
                f"the tensor power of order {order} of {group} has more than {MAX_PARTS:,} irreducible parts: "
                "ask for lower orders"
            )
    return walks


def columns_of(shape: Shape) -> Shape:
    """The transposed partition: the lengths of the columns."""
    return tuple(sum(1 for length in shape if length > place) for place in range(shape[0] if shape else 0))


def _step(group: Group, step: int, walks: dict[Shape, int]) -> dict[Shape, int]:
    ahead: dict[Shape, int] = {}
    for shape, ways in walks.items():
        for other in _neighbours(group, step, shape):
            ahead[other] = ahead.get(other, 0) + ways
    return ahead


def _neighbours(group: Group, step: int, shape: Shape) -> list[Shape]:
    n = int(group.n)
    if group.family in ("S", "A"):
        return list(_with_box(shape) if step % 2 else _without_box(shape))
    wider = (other for other in _with_box(shape) if _exists(group, other, n))
    return [*wider, *_without_box(shape)]


def _exists(group: Group, shape: Shape, n: int) -> bool:
    if group.family == "Sp":
        return len(shape) <= n // 2
    return sum(columns_of(shape)[:2]) <= n


def _with_box(shape: Shape) -> Iterable[Shape]:
    for row, length in enumerate(shape):
        if row == 0 or shape[row - 1] > length:
            yield (*shape[:row], length + 1, *shape[row + 1 :])
    yield (*shape, 1)


def _without_box(shape: Shape) -> Iterable[Shape]:
    for row, length in enumerate(shape):
        if row == len(shape) - 1 or shape[row + 1] < length:
            shorter = (*shape[:row], length - 1, *shape[row + 1 :])
            yield shorter if length > 1 else shorter[:-1]
