"""Bratteli diagrams: how tensor powers fall into irreducible parts, and why their paths count the weights."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import prod

from eqsynth.bases.dimension import short_products, stable_from
from eqsynth.errors import SizeError, SpaceError, explain_calls
from eqsynth.exact.polynomial import Polynomial
from eqsynth.families.group import Group, Label
from eqsynth.families.hom import fitted_order
from eqsynth.families.irreps import irrep_text
from eqsynth.spaces.exchanges import cycle_types
from eqsynth.spaces.space import (
    Order,
    Symmetry,
    Valence,
    axes_of,
    duals_of,
    is_plain,
    order_text,
    plain_order,
    read_order,
    tensor_parts,
)

#: More irreducible parts than anyone counts.
MAX_PARTS = 10_000


@dataclass(frozen=True, slots=True)
class Bratteli:
    """The walks behind tensor powers, or behind the maps V^inputs -> V^outputs, level by level: see :func:`bratteli`.

    ``levels[i]`` are the irreducible parts (partitions) that some walk visits after i steps, ``edges[i]`` the pairs
    (place in level i, place in level i + 1). ``before[i][p]`` counts the walks from the start to a part,
    ``after[i][p]`` those from it to an end. A tensor factor is ``stride`` steps. Where n is a letter, labels are those
    of a number from which nothing changes any more, and :meth:`name` writes them with the letter.
    """

    group: Group
    inputs: int | Valence
    outputs: int | Valence | None
    stride: int
    levels: tuple[tuple[Label, ...], ...]
    edges: tuple[tuple[tuple[int, int], ...], ...]
    before: tuple[tuple[int, ...], ...]
    after: tuple[tuple[int, ...], ...]

    @property
    def paths(self) -> int:
        """Walks from the start to an end: as many as there are independent maps, if outputs are given."""
        return sum(self.after[0])

    @property
    def meeting(self) -> tuple[tuple[Label, int, int], ...]:
        """Each part that input and output share, with how often each of them holds it.

        By Schur's lemma a map sends each copy in the input to multiples of the copies in the output: the products
        of both numbers add up to ``paths``. For SO(n) and A(n), parts that differ by the sign count as one.
        """
        level = axes_of(self.inputs) * self.stride
        return tuple(zip(self.levels[level], self.before[level], self.after[level], strict=True))

    @property
    def parts(self) -> tuple[tuple[str, int, Polynomial], ...]:
        """The parts of V^inputs that walks visit: name, multiplicity, dimension (a polynomial in n, if n is a letter).

        >>> import eqsynth as eq
        >>> [(name, times, str(dim)) for name, times, dim in eq.bratteli("S(n)", 1).parts]
        [('{n-1,1}', 1, 'n - 1'), ('{n}', 1, '1')]
        """
        level = axes_of(self.inputs) * self.stride
        return tuple((self.name(level, shape), times, self.dimension(shape)) for shape, times, _ in self.meeting)

    def name(self, level: int, label: Label) -> str:
        """A part of a level as text, as :func:`eqsynth.irreps` writes it; between two factors, a part of S(n-1)."""
        if level % self.stride:
            return f"{{{self.group.part_name(label, f'{self.group.n}-1')[1:-1]}}}"
        return irrep_text(self.group, label)

    def dimension(self, label: Label) -> Polynomial:
        """The dimension of a part: a polynomial in n where n is a letter."""
        return dimension_polynomial(self.group, label)

    def __str__(self) -> str:
        rows = [("step", "irreps, each with the number of walks to it")]
        for level, (labels, counts) in enumerate(zip(self.levels, self.before, strict=True)):
            entries = (f"{self.name(level, label)} {count}" for label, count in zip(labels, counts, strict=True))
            rows.append((self._step_name(level), "   ".join(entries)))
        wide = max(len(step) for step, _ in rows)
        return "\n".join([self._title, *(f"{step.ljust(wide)}  {text}" for step, text in rows)])

    def _repr_svg_(self) -> str:
        """What Jupyter shows: a row of parts for each step, with the number of walks to each."""
        from eqsynth.diagrams import svg

        rows = [
            (
                self._step_name(level),
                [(self.name(level, label), str(count)) for label, count in zip(labels, counts, strict=True)],
            )
            for level, (labels, counts) in enumerate(zip(self.levels, self.before, strict=True))
        ]
        return svg.levels(rows, self.edges, self._title, str(self))

    def _step_name(self, level: int) -> str:
        """How many tensor factors there are after a level, and of which kind the last is; halves of S(n)."""
        if self.group.duals and level:
            duals = (*duals_of(self.inputs), *(not dual for dual in duals_of(self.outputs or 0)))
            return f"{level} V{'*' * duals[level - 1]}"
        return f"{level}/{self.stride}" if level % self.stride else str(level // self.stride)

    @property
    def _title(self) -> str:
        if self.outputs is None:
            return f"{self.group}: tensors of order {order_text(self.inputs)}, step by step"
        ends = f"from order {order_text(self.inputs)} to order {order_text(self.outputs)}"
        return f"{self.group}: the {self.paths} maps {ends}, as walks"


@explain_calls
def bratteli(group: Group | str, inputs: str | Order, outputs: str | Order | None = None) -> Bratteli:
    """The Bratteli diagram: how tensors of order ``inputs`` fall into irreducible parts, one tensor factor at a time.

    >>> import eqsynth as eq
    >>> diagram = eq.bratteli("O(n)", 2)
    >>> print(diagram)
    O(n): tensors of order 2, step by step
    step  irreps, each with the number of walks to it
    0     {} 1
    1     {1} 1
    2     {} 1   {1,1} 1   {2} 1
    >>> [str(dim) for _, _, dim in diagram.parts]
    ['1', '1/2 n² - 1/2 n', '1/2 n² + 1/2 n - 1']

    Jupyter draws it. With ``outputs`` it shows only what lies on a walk from start to end, and walks are counted by
    the maps V^inputs -> V^outputs:

    >>> diagram = eq.bratteli("SO(3)", 2, 2)
    >>> diagram.levels
    (((),), ((1,),), ((), (1, 1), (2,)), ((1,),), ((),))
    >>> diagram.paths, diagram.meeting
    (3, (((), 1, 1), ((1, 1), 1, 1), ((2,), 1, 1)))

    O(n), SO(n), Sp(n): each tensor factor adds or removes one box. S(n), A(n): each tensor factor is two steps,
    restriction to S(n-1), which removes a box, and induction, which adds one. GL(n), SL(n), U(n), SU(n), whose orders
    may be ``(k,k')``: an axis of V adds a box to the first of two partitions or removes one from the second, an axis of
    V* the other way round, and outputs are walked as inputs of the other kind:

    >>> print(eq.bratteli("GL(n)", (2, 1)))
    GL(n): tensors of order (2,1), step by step
    step  irreps, each with the number of walks to it
    0     {-;-} 1
    1 V   {1;-} 1
    2 V   {1,1;-} 1   {2;-} 1
    3 V*  {1;-} 2   {1,1;1} 1   {2;1} 1

    Walks end at the trivial representation, for SO(n) and A(n) at the determinant or sign, too. With n a letter all
    holds from the n on at which the number of maps does not change any more.

    Raises GroupError for groups without such walks, SizeError for more than 10,000 parts. Source: Weyl; Halverson and
    Ram, math/0401314, for S(n); Benkart et al., J. Algebra 166 (1994) 529, for GL(n).
    """
    group = Group.parse(group)
    group.require_parts(f"{group} has no Bratteli diagram of partitions")
    given, wanted = steps_order(group, inputs), None if outputs is None else steps_order(group, outputs)
    total = axes_of(given) + axes_of(wanted or 0)
    sized = group
    if isinstance(group.n, str):
        sized = group.at(stable_from(group, 2 * total if wanted is None or group.duals else total))
    maps = sized.between(duals_of(given), duals_of(wanted or 0))
    ahead = [{maps.start(): 1}]
    for step in range(maps.stride * total):
        ahead.append(_step(maps, step, ahead[-1]))
        _afford_parts(group, given, len(ahead[-1]))
    ends = ahead[-1] if wanted is None else maps.ends(total)
    back = [{end: 1 for end in ends if end in ahead[-1]}]
    for step in reversed(range(maps.stride * total)):
        reached = {
            shape: sum(back[-1].get(other, 0) for other in maps.neighbours(step, shape)) for shape in ahead[step]
        }
        back.append({shape: ways for shape, ways in reached.items() if ways})
    back.reverse()
    levels = [tuple(sorted(reached, key=sized.sort_key)) for reached in back]
    edges = [
        tuple(
            (place, levels[step + 1].index(other))
            for place, shape in enumerate(levels[step])
            for other in maps.neighbours(step, shape)
            if other in back[step + 1]
        )
        for step in range(maps.stride * total)
    ]
    return Bratteli(
        group,
        given,
        wanted,
        maps.stride,
        tuple(levels),
        tuple(tuple(sorted(pairs)) for pairs in edges),
        tuple(tuple(ahead[step][shape] for shape in level) for step, level in enumerate(levels)),
        tuple(tuple(back[step][shape] for shape in level) for step, level in enumerate(levels)),
    )


def steps_order(group: Group, order: str | Order) -> int | Valence:
    """An order of all tensors; with axes of V and V* where the group tells them apart."""
    if not group.duals:
        read = read_order(order)
        return plain_order(read if isinstance(read, int) else order)
    fitted = fitted_order(group, read_order(order))
    if not isinstance(fitted, int | Valence) or not is_plain(fitted):
        raise SpaceError(
            f"walks take one plain axis at a step, not {order_text(fitted)}: ask for an order such as (2,1)"
        )
    return fitted


def dimension_polynomial(group: Group, label: Label, symbol: str = "") -> Polynomial:
    """The dimension of a part of S(n), O(n) or Sp(n), in ``symbol`` or the group's own letter if n is one.

    >>> from eqsynth import Group
    >>> from eqsynth.bases.bratteli import dimension_polynomial
    >>> print(dimension_polynomial(Group("O", "n"), (2,)))
    1/2 n² + 1/2 n - 1
    """
    if isinstance(group.n, int):
        return Polynomial.of(irreducible_dimension(group, label))
    offsets, hooks = group.dimension_factors(label)
    n = Polynomial(symbol or group.n)
    return prod((n + offset for offset in offsets), start=Polynomial(1)) / hooks


def irreducible_dimension(group: Group, shape: Label) -> int:
    """The dimension of an irreducible representation of S(n), O(n) or Sp(n), given by its partition.

    >>> from eqsynth import Group
    >>> from eqsynth.bases.bratteli import irreducible_dimension
    >>> irreducible_dimension(Group("O", 3), (2,)), irreducible_dimension(Group("S", 4), (2, 2))
    (5, 2)

    For A(n) and SO(n) it is that of S(n) and O(n), whose representation may fall in two halves.
    Source: the hook formula; El Samra and King, J. Phys. A 12 (1979) 2317.
    """
    return group.part_dimension(shape)


def copies(group: Group, order: int | Symmetry | Valence) -> dict[Label, int]:
    """How often the tensor power V^order holds each irreducible part of S(n), O(n) or Sp(n).

    >>> from eqsynth import Group
    >>> from eqsynth.bases.bratteli import copies
    >>> from eqsynth.spaces.space import Symmetry, valence
    >>> copies(Group("O", 3), 2), copies(Group("S", 4), 1)
    ({(2,): 1, (1, 1): 1, (): 1}, {(4,): 1, (3, 1): 1})
    >>> copies(Group("O", 3), Symmetry("[ijkl=jikl=klij]", 4))
    {(): 2, (2,): 2, (4,): 1}
    >>> copies(Group("GL", 3), valence((1, 1)))
    {((), ()): 1, ((1,), (1,)): 1}

    These are the walks to each part in the Bratteli diagram. For SO(n) and A(n) they are those of O(n) and S(n).
    Tensors with a symmetry of indices hold a part as often as the mean, over the permutations of axes that it has, of
    signs times traces says (:meth:`eqsynth.families.group.Group.times_power_sum`).
    Raises SizeError where there are more than 10,000 parts.
    """
    if group.duals or isinstance(order, Valence):
        return _copies_across(group, order)
    if isinstance(order, Symmetry):
        return _symmetric_copies(group, order)
    walks: dict[Label, int] = {group.start(): 1}
    for step in range(group.stride * order):
        walks = _step(group, step, walks)
        _afford_parts(group, order, len(walks))
    return walks


def _copies_across(group: Group, order: int | Symmetry | Valence) -> dict[Label, int]:
    """The same where some axes are of V*."""
    maps, total = group.between(duals_of(order), ()), Counter[Label]()
    for parts, times in short_products(tensor_parts(order), ordered=True).items():
        for label, ways in maps.copies(parts).items():
            total[label] += times * ways
        _afford_parts(group, axes_of(order), len(total))
    return {label: total[label] for label in sorted(total, key=group.sort_key) if total[label]}


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


def _afford_parts(group: Group, order: int | Valence, count: int) -> None:
    if count > MAX_PARTS:
        raise SizeError(
            f"the tensor power of order {order_text(order)} of {group} has more than {MAX_PARTS:,} irreducible parts: "
            "ask for lower orders"
        )


def _step(group: Group, step: int, walks: dict[Label, int]) -> dict[Label, int]:
    ahead: dict[Label, int] = {}
    for shape, ways in walks.items():
        for other in group.neighbours(step, shape):
            ahead[other] = ahead.get(other, 0) + ways
    return ahead
