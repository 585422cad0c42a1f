"""Bratteli diagrams: how tensor powers fall into irreducible parts, and why their paths count the weights."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import prod

from eqsynth.errors import GroupError, SizeError
from eqsynth.families.group import FAMILIES, Group, Label
from eqsynth.spaces.exchanges import cycle_types
from eqsynth.spaces.space import Symmetry

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
    levels: tuple[tuple[Label, ...], ...]
    edges: tuple[tuple[tuple[int, int], ...], ...]
    before: tuple[tuple[int, ...], ...]
    after: tuple[tuple[int, ...], ...]

    @property
    def paths(self) -> int:
        """Walks from the start to an end: as many as there are independent maps."""
        return sum(self.after[0])

    @property
    def meeting(self) -> tuple[tuple[Label, int, int], ...]:
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
    >>> diagram = bratteli(Group("SO", 3), 2, 2)
    >>> diagram.levels
    (((),), ((1,),), ((), (1, 1), (2,)), ((1,),), ((),))
    >>> diagram.paths, diagram.meeting
    (3, (((), 1, 1), ((1, 1), 1, 1), ((2,), 1, 1)))

    O(n), SO(n), Sp(n): each tensor factor adds or removes one box. S(n), A(n): each tensor factor is two steps,
    restriction to S(n-1), which removes a box, and induction, which adds one. Walks end at the trivial
    representation, for SO(n) and A(n) at the determinant or sign, too.

    Raises SymbolicError where n is a letter, GroupError for groups that are not S, A, O, SO or Sp.
    Source: Weyl; Halverson and Ram, math/0401314, for S(n).
    """
    total, stride = inputs + outputs, group.stride
    if not stride:
        known = ", ".join(name for name, kind in FAMILIES.items() if kind.stride)
        raise GroupError(f"{group} has no Bratteli diagram of partitions: ask for {known}")
    _ = group.number  # raises where it is a letter
    start, ends = group.start(), group.ends(total)
    ahead = [{start: 1}]
    for step in range(stride * total):
        ahead.append(_step(group, step, ahead[-1]))
    back = [{end: 1 for end in ends if end in ahead[-1]}]
    for step in reversed(range(stride * total)):
        # A step that removes a box is undone by one that adds it.
        back.append({shape: ways for shape, ways in _step(group, step + 1, back[-1]).items() if shape in ahead[step]})
    back.reverse()
    levels = [tuple(sorted(reached, key=group.sort_key)) for reached in back]
    edges = [
        tuple(
            (place, levels[step + 1].index(other))
            for place, shape in enumerate(levels[step])
            for other in group.neighbours(step, shape)
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


def irreducible_dimension(group: Group, shape: Label) -> int:
    """The dimension of an irreducible representation of S(n), O(n) or Sp(n), given by its partition.

    >>> from eqsynth import Group
    >>> from eqsynth.bases.bratteli import irreducible_dimension
    >>> irreducible_dimension(Group("O", 3), (2,)), irreducible_dimension(Group("S", 4), (2, 2))
    (5, 2)

    For A(n) and SO(n) it is that of S(n) and O(n), whose representation may fall in two halves.
    Source: the hook formula; El Samra and King, J. Phys. A 12 (1979) 2317.
    """
    offsets, divisor = group.dimension_factors(shape)
    return prod(group.number + offset for offset in offsets) // divisor


def copies(group: Group, order: int | Symmetry) -> dict[Label, int]:
    """How often the tensor power V^order holds each irreducible part of S(n), O(n) or Sp(n).

    >>> from eqsynth import Group
    >>> from eqsynth.bases.bratteli import copies
    >>> from eqsynth.spaces.space import Symmetry
    >>> copies(Group("O", 3), 2), copies(Group("S", 4), 1)
    ({(2,): 1, (1, 1): 1, (): 1}, {(4,): 1, (3, 1): 1})
    >>> copies(Group("O", 3), Symmetry("[ijkl=jikl=klij]", 4))
    {(): 2, (2,): 2, (4,): 1}

    These are the walks to each part in the Bratteli diagram. For SO(n) and A(n) they are those of O(n) and S(n).
    Tensors with a symmetry of indices hold a part as often as the mean, over the permutations of axes that it has, of
    signs times traces says (:meth:`eqsynth.families.group.Group.times_power_sum`).
    Raises SizeError where there are more than 10,000 parts.
    """
    if isinstance(order, Symmetry):
        return _symmetric_copies(group, order)
    walks: dict[Label, int] = {group.start(): 1}
    for step in range(group.stride * order):
        walks = _step(group, step, walks)
        _afford_parts(group, order, len(walks))
    return walks


def _symmetric_copies(group: Group, symmetry: Symmetry) -> dict[Label, int]:
    total: Counter[Label] = Counter()
    # Permutations with the same first cycles share the beginning of their walks.
    walks: dict[tuple[int, ...], Counter[Label]] = {(): Counter({group.start(): 1})}
    for lengths, signed in cycle_types(symmetry.kind, symmetry.order).items():
        for steps in range(len(lengths)):
            if lengths[: steps + 1] not in walks:
                ahead: Counter[Label] = Counter()
                for label, ways in walks[lengths[:steps]].items():
                    for other, count in group.times_power_sum(label, lengths[steps]).items():
                        ahead[other] += ways * count
                _afford_parts(group, symmetry.order, len(ahead))
                walks[lengths[: steps + 1]] = ahead
        for label, ways in walks[lengths].items():
            total[label] += signed * ways
    return {label: total[label] // symmetry.size for label in sorted(total, key=group.sort_key) if total[label]}


def _afford_parts(group: Group, order: int, count: int) -> None:
    if count > MAX_PARTS:
        raise SizeError(
            f"the tensor power of order {order} of {group} has more than {MAX_PARTS:,} irreducible parts: "
            "ask for lower orders"
        )


def _step(group: Group, step: int, walks: dict[Label, int]) -> dict[Label, int]:
    ahead: dict[Label, int] = {}
    for shape, ways in walks.items():
        for other in group.neighbours(step, shape):
            ahead[other] = ahead.get(other, 0) + ways
    return ahead
