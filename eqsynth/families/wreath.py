"""S(m) wr S(n): n groups of m points, permuted inside each group, and group by group. arXiv 2212.08648; MATHS."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import comb, factorial
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from eqsynth.errors import GroupError, SymbolicError, explain_calls, shown
from eqsynth.exact.partitions import (
    Blocks,
    Shape,
    conjugate,
    hooks,
    set_partitions,
    stirling2,
    with_box,
    without_box,
)
from eqsynth.families.group import MAX_N, Generators, Group, Label, fill
from eqsynth.families.partition_groups import Kinds, kinds_of, orbits_of_partitions
from eqsynth.families.symmetric import Symmetric
from eqsynth.spaces.space import Symmetry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: A partition, and one that cuts its blocks.
Nested = tuple[Blocks, Blocks]


@explain_calls
@dataclass(frozen=True, slots=True, init=False, repr=False)
class WreathProduct(Group):
    """A wreath product S(m) wr S(n), which permutes n groups of m points: sets of sets.

    >>> from eqsynth import Group
    >>> group = Group.parse("S(3) wr S(2)")
    >>> group.n, group.order, str(group.indices[0]), str(group.indices[1])
    (6, 72, 'S(2)', 'S(3)')
    >>> [Group.parse("S(m) wr S(n)").dimension(total) for total in (1, 2, 3, 4)]
    [1, 3, 12, 60]

    An axis has n m entries, member j of group i at place i m + j. It is an index i of S(n) and an index j of S(m): the
    maps are nested partitions, a partition of the indices i and a finer one of the indices j. One number or both may
    be letters; a size ``n`` of the group is the length of an axis, from which one letter is known, and two are not.

    Raises GroupError for other groups than symmetric ones.
    """

    maps: ClassVar[str] = "nested"
    about: ClassVar[str] = "wreath product: all permutations of the groups of points, and of the points in each group"
    action: ClassVar[str] = "relabel the groups of points{}, and the points in each group, in any way"
    diagram_kind: ClassVar[str] = "nested partition"
    sources: ClassVar[dict[str, str]] = {
        "nested partition": "a set partition (arXiv 2212.08648) whose blocks are cut into smaller ones"
    }
    permuting: ClassVar[bool] = True
    arguments: ClassVar[tuple[str, ...]] = ("stable", "nested")
    counted_by: ClassVar[str] = "chains of two partitions"
    stride: ClassVar[int] = 2
    walk: ClassVar[str] = "An axis of a tensor is two steps: boxes leave two partitions, then two come back."
    spanning: ClassVar[str] = "pairs of a partition of the groups, and one of the members that is finer"
    compound: ClassVar[bool] = True
    example: ClassVar[str] = "S(m) wr S(n)"
    how: ClassVar[str] = "Write S(3) wr S(4), or a letter for one size or both, S(3) wr S(n)."

    inner: Group
    outer: Group

    def __init__(self, inner: Group | str, outer: Group | str) -> None:
        inner, outer = Group.parse(inner), Group.parse(outer)
        for part in (inner, outer):
            if type(part) is not Symmetric:
                raise GroupError(
                    f"wreath products are those of symmetric groups, S(3) wr S(4), and Z(r) wr S(n), not of {part}: "
                    "give generators of others to eq.PermutationGroup, or take a product, S(n) x O(3), where all "
                    "points turn alike"
                )
        m, n = inner.n, outer.n
        if isinstance(m, str) and m == n:
            raise GroupError(f"{inner} wr {outer} has one letter for two sizes: write S(m) wr S(n)")
        if isinstance(m, int) and isinstance(n, int):
            if n * m > MAX_N:
                raise GroupError(f"{inner} wr {outer} has {n * m:,} points, more than {MAX_N:,}: leave a size open")
            size: int | str = n * m
        else:
            size = n if isinstance(n, str) else m
        fill(self, family="Wreath", n=size, inner=inner, outer=outer)

    def __repr__(self) -> str:
        return f"WreathProduct({self.inner!r}, {self.outer!r})"

    def __str__(self) -> str:
        return f"{self.inner} wr {self.outer}"

    # --- its sizes ----------------------------------------------------------------------------------------

    @property
    def indices(self) -> tuple[Group, ...]:
        """The groups of the two indices that an axis is made of: which group of points, and which point in it."""
        return self.outer, self.inner

    @property
    def length_text(self) -> str:
        """The length of an axis, in words and formulas: a number, or what is multiplied."""
        return " ".join(sorted((str(self.inner.n), str(self.outer.n)))) if self.symbolic else str(self.n)

    def index_lengths(self, n: int) -> tuple[int, ...]:
        """How many groups of points there are, and how many points in each."""
        own = self.at(n) if self.symbolic else self
        return tuple(part.number for part in own.indices)

    @property
    def diagrammatic(self) -> bool:
        """Nested partitions are pairs of diagrams, at every order."""
        return True

    @property
    def multiple(self) -> int:
        """The size that is known: the length of an axis is a multiple of it."""
        return next((part.number for part in (self.inner, self.outer) if not part.symbolic), 1)

    @property
    def number(self) -> int:
        """The length of an axis; raises SymbolicError where it is not known."""
        if isinstance(self.n, str):
            raise SymbolicError(f"{self} leaves a size open: ask for numbers, such as S(3) wr S(4)")
        return self.n

    def at(self, n: int | str) -> Group:
        """The group with axes of length n, in place of the letter; with another letter, the group with that one.

        >>> from eqsynth import Group
        >>> print(Group.parse("S(3) wr S(n)").at(12), Group.parse("S(m) wr S(4)").at(12))
        S(3) wr S(4) S(3) wr S(4)

        Raises SymbolicError where two letters are open, GroupError for a length that is no multiple of the other size.
        """
        if self.inner.symbolic and self.outer.symbolic:
            self._two_letters()
        known, open_outer = self.multiple, self.outer.symbolic
        if isinstance(n, int):
            if n < 1 or n % known:
                raise GroupError(
                    f"{self} has no axes of length {shown(n)}: it is a multiple of {known}, such as {known * 2}"
                )
            size: int | str = n // known
        else:
            size = n
        other = Group("S", size)
        return WreathProduct(self.inner, other) if open_outer else WreathProduct(other, self.outer)

    def _two_letters(self) -> NoReturn:
        raise SymbolicError(
            f"{self} leaves two sizes open, and the length of an axis does not tell them apart: give one of them, "
            f"S(3) wr {self.outer} or {self.inner} wr S(4)"
        )

    def require_lengths(self) -> None:
        """Raise SymbolicError where the length of an axis does not say what both sizes are."""
        if self.inner.symbolic and self.outer.symbolic:
            self._two_letters()

    # --- its diagrams -------------------------------------------------------------------------------------

    def nested_blocks(self, total: int) -> Iterator[Nested]:
        """Every nested partition that is not zero: at most n blocks, each of them cut into at most m."""
        return nested_partitions(total, *_limits(self, total))

    def count(self, total: int) -> int:
        """How many nested partitions there are on so many vertices, at large sizes."""
        return sum(_nested_counts(total, total))

    def nested_misfit(self, outer: Blocks, inner: Blocks, *, limits: bool = True) -> str:
        """Why two partitions are no nested partition, with ``limits`` one of the basis; empty where they are."""
        block_of = {vertex: number for number, block in enumerate(outer) for vertex in block}
        if any(len({block_of[vertex] for vertex in block}) > 1 for block in inner):
            return "the partition of the members does not cut the blocks of that of the groups"
        if not limits:
            return ""
        total = len(block_of)
        most, most_in_each = _limits(self, total)
        cuts = [sum(block_of[cut[0]] == number for cut in inner) for number in range(len(outer))]
        if len(outer) > most:
            return f"it has more than {most} blocks of groups"
        return f"it cuts a block into more than {most_in_each}" if max(cuts, default=0) > most_in_each else ""

    def named_by_letters(self, total: int) -> str:
        """The group as text, with letters for numbers at which it has the maps of so many vertices that letters have.

        >>> from eqsynth import Group
        >>> group = Group.parse("S(2) wr S(5)")
        >>> group.named_by_letters(2), group.named_by_letters(3)
        ('S(m) wr S(n)', 'S(2) wr S(n)')
        """
        named = [
            f"S({letter})" if part.symbolic or part.number >= total else str(part)
            for part, letter in ((self.inner, "m"), (self.outer, "n"))
        ]
        return " wr ".join(named)

    # --- how many maps there are --------------------------------------------------------------------------

    def dimension(self, total: int) -> int:
        """Orbits of index tuples: which indices are in one group, and which of those are equal."""
        most, most_in_each = _limits(self, total)
        return sum(_nested_counts(total, most_in_each)[: most + 1])

    def symmetric_dimension(self, parts: Sequence[int | Symmetry]) -> int:
        """Multisets of types of groups, each a multiset of types of members; those with a sign stand once at most.

        >>> from eqsynth import Group
        >>> from eqsynth.spaces.space import Symmetry
        >>> two = Symmetry("S", 2)
        >>> [Group.parse(text).symmetric_dimension([two, two]) for text in ("S(m) wr S(n)", "S(2) wr S(2)")]
        [31, 18]
        """
        kinds = kinds_of(parts)
        return orbits_of_nested(kinds, *_limits(self, sum(order for _, order in kinds)))

    def stable_from(self, total: int) -> int:
        """The length of axes with so many groups of so many members as there are vertices."""
        least = max(total, 1)
        known = [part.number for part in (self.inner, self.outer) if self.symbolic and not part.symbolic]
        return least * (known[0] if known else least)

    @property
    def flips(self) -> bool:
        """Whether some permutation of all points is odd: an exchange of two in a group, or of groups of odd size."""
        return self.inner.n != 1 or self.outer.n != 1

    def headed_dimension(self, total: int) -> int:
        """Orbits of index tuples of which only even permutations keep every index: then the sign is a map.

        What keeps them permutes the points of each group that are not there, and groups that are not there. So of each
        group all points but one are there at least; and all groups, or where m is 1 all but one.

        >>> from eqsynth import Group
        >>> [Group.parse("S(2) wr S(2)").headed_dimension(total) for total in range(5)]
        [0, 0, 1, 6, 28]
        """
        if self.symbolic:
            return 0
        n, m = self.outer.number, self.inner.number
        return sum(_nested_counts(total, m, max(m - 1, 1))[n - (m == 1) : n + 1]) if total >= n - 1 else 0

    # --- its irreducible parts ----------------------------------------------------------------------------

    def require_parts(self, refusal: str) -> None:
        """Raise GroupError where a size is a letter."""
        if self.symbolic:
            raise GroupError(f"{refusal} with a letter: ask for numbers, such as S(3) wr S(4)")

    def start(self) -> Label:
        """All groups with the trivial part of S(m), and of these that of S(n)."""
        return (((self.inner.number,), (self.outer.number,)),)

    def neighbours(self, step: int, label: Label) -> list[Label]:
        """Restriction to one point and the other groups takes a box from two partitions, induction puts them back.

        V is induced from the subgroup that keeps a point, S(m-1) x (S(m) wr S(n-1)). A part that S(m) alpha and the
        partition lambda of the groups with alpha name restricts to all ways to take a box from lambda, and one from
        the alpha of the group that it stood for; between the two steps the latter is a partition beta without groups.
        """
        if step % 2:
            ((beta, _), *others) = label
            held = dict(others)
            return [_label({**held, alpha: more}) for alpha in with_box(beta) for more in with_box(held.get(alpha, ()))]
        return [
            ((beta, ()), *_label({**dict(label), alpha: less}))
            for alpha, groups in label
            for less in without_box(groups)
            for beta in without_box(alpha)
        ]

    def times_power_sum(self, label: Label, length: int) -> Counter[Label]:  # noqa: ARG002 - the same for all
        """Not known here. Raises GroupError always."""
        raise GroupError(
            f"how often tensors of {self} with a symmetry of indices hold an irreducible part is not known here: ask "
            "for tensors of all kinds, an order such as 2"
        )

    def twisted_part(self, label: Label) -> Label:
        """Each alpha transposed, since points inside a group are; and each lambda where two groups are m exchanges."""
        odd = self.inner.number % 2
        return _label({conjugate(alpha): conjugate(groups) if odd else groups for alpha, groups in label})

    def part_dimension(self, label: Label) -> int:
        """How groups can be told apart by their alpha, times the dimensions of all alphas and lambdas."""
        dim = factorial(self.outer.number)
        for alpha, groups in label:
            dim *= (factorial(sum(alpha)) // hooks(alpha)) ** sum(groups)
            dim //= hooks(groups)
        return int(dim)

    def boxes(self, label: Label) -> int:
        """Those outside of the first rows."""
        return sum(sum(alpha[1:]) * sum(groups) + sum(groups[1:]) for alpha, groups in label)

    def least_order(self, label: Label) -> int:
        """A box below the first row of an alpha is an index for each group with it, and one of lambda an index."""
        first = (self.inner.number,)
        return sum(sum(groups[1:]) if alpha == first else sum(groups) * sum(alpha[1:]) for alpha, groups in label)

    def sort_key(self, label: Label) -> tuple[Any, ...]:
        """By boxes outside of the first rows, then by rows."""
        return self.boxes(label), label

    def part_name(self, label: Label, symbol: str) -> str:  # noqa: ARG002 - sizes are numbers
        """Each alpha, and behind it the partition of the groups that have it."""
        texts = [[",".join(map(str, rows)) or "-" for rows in pair] for pair in label]
        return f"({';'.join(':'.join(pair) for pair in texts)})"

    # --- its elements -------------------------------------------------------------------------------------

    @property
    def order(self) -> int:
        """All permutations of the groups, with all of the points of each."""
        self.require_numbers()
        n, m = self.outer.number, self.inner.number
        return int(factorial(n) * factorial(m) ** n)

    def generating_matrices(self) -> Generators:
        """Those of S(m) in the first group of points, and those of S(n), which move whole groups."""
        import numpy as np

        n, m = self.outer.number, self.inner.number
        inside, among = (part.generating_matrices()[0] for part in (self.inner, self.outer))
        first = []
        for move in inside:
            element = np.eye(n * m, dtype=np.int64)
            element[:m, :m] = move
            first.append(element)
        return [*first, *(np.kron(move, np.eye(m, dtype=np.int64)) for move in among)], []

    def generator_count(self) -> int:
        """Two for each of both groups."""
        return 4

    def random_element(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Uniform."""
        import numpy as np

        n, m = self.outer.number, self.inner.number
        images = [place * m + rng.permutation(m) for place in rng.permutation(n)]
        return np.asarray(np.eye(n * m)[np.concatenate(images)])

    def pointwise(self, order: int) -> tuple[tuple[str, ...], str]:  # noqa: ARG002 - the same for all
        """Any function: permutations only move entries."""
        return (), ""


def _label(held: Mapping[Shape, Shape]) -> Label:
    """Pairs of a partition and that of the groups with it, without those that no group has, in one order."""
    return tuple(sorted(((alpha, groups) for alpha, groups in held.items() if groups), reverse=True))


def split_text(text: str) -> list[str]:
    """What stands on both sides of each sign wr outside of brackets.

    >>> from eqsynth.families.wreath import split_text
    >>> split_text("S(3) wr S(n)"), split_text("Perm(2 wr 2 = 2: 1 0)")
    (['S(3) ', ' S(n)'], ['Perm(2 wr 2 = 2: 1 0)'])
    """
    sides, start = [], 0
    for sign in re.finditer(r"(?<=[)\s])wr(?=[\s(A-Za-z]|$)", text):
        if text.count("(", 0, sign.start()) <= text.count(")", 0, sign.start()):
            sides.append(text[start : sign.start()])
            start = sign.end()
    return [*sides, text[start:]]


def _limits(group: WreathProduct, total: int) -> tuple[int, int]:
    """How many blocks, and how many in each, nested partitions of so many vertices have at most."""
    return tuple(min(part.n, total) if isinstance(part.n, int) else total for part in group.indices)  # type: ignore[return-value]


def nested_partitions(total: int, most: int, most_in_each: int) -> Iterator[Nested]:
    """Pairs of a set partition, of at most ``most`` blocks, and one that cuts each into at most ``most_in_each``.

    >>> from eqsynth.families.wreath import nested_partitions
    >>> for outer, inner in nested_partitions(2, 2, 2):
    ...     print(outer, inner)
    ((0, 1),) ((0, 1),)
    ((0, 1),) ((0,), (1,))
    ((0,), (1,)) ((0,), (1,))
    """
    for inner in set_partitions(total):
        for joined in set_partitions(len(inner)):
            if len(joined) <= most and all(len(cut) <= most_in_each for cut in joined):
                yield tuple(tuple(sorted(v for block in cut for v in inner[block])) for cut in joined), inner


@lru_cache(maxsize=256)
def orbits_of_nested(kinds: Kinds, most: int, most_in_each: int) -> int:
    """How many orbits of nested partitions do not vanish under exchanges of axes, with signs of alternating parts.

    A member takes some vertices of each part, at most one of an alternating one; a group is a multiset of members, and
    the whole a multiset of groups. Two equal members, or groups, change places with a sign if they take an odd number
    of vertices of alternating parts: then there is one at most. So the number is that of pairs of multisets, counted
    by what each group takes in all: w groups that take the same can be chosen t times in C(w + t - 1, t) ways, with a
    sign in C(w, t).
    """
    orders = tuple(order for _, order in kinds)
    counted: dict[tuple[tuple[int, ...], int], int] = {(orders, 0): 1}
    for taken in product(*(range(order + 1) for order in orders)):
        if not any(taken):
            continue
        own = tuple((alternating, count) for (alternating, _), count in zip(kinds, taken, strict=True))
        members = orbits_of_partitions(own, False)
        ways = sum(number for parts, number in members.items() if parts <= most_in_each)
        odd = sum(count for alternating, count in own if alternating) % 2
        ahead: dict[tuple[tuple[int, ...], int], int] = {}
        for (left, groups), before in counted.items():
            times, rest = 0, left
            while groups + times <= most and min(rest) >= 0:
                chosen = comb(ways, times) if odd else comb(ways + times - 1, times) if ways else int(not times)
                if chosen:
                    ahead[rest, groups + times] = ahead.get((rest, groups + times), 0) + before * chosen
                times, rest = times + 1, tuple(has - takes for has, takes in zip(rest, taken, strict=True))
        counted = ahead
    return sum(number for (left, _), number in counted.items() if not any(left))


@lru_cache(maxsize=256)
def _nested_counts(total: int, most_in_each: int, least_in_each: int = 1) -> tuple[int, ...]:
    """How many nested partitions have 0, 1, ... blocks, each of them cut into so many at most, and at least."""
    cuts = [
        sum(stirling2(size, parts) for parts in range(least_in_each, min(size, most_in_each) + 1))
        for size in range(total + 1)
    ]
    counted = [[1] + [0] * total]
    for size in range(1, total + 1):
        # The block of the first vertex has some of the others.
        row = [0] * (total + 1)
        for first in range(1, size + 1):
            ways = comb(size - 1, first - 1) * cuts[first]
            for blocks in range(1, size + 1):
                row[blocks] += ways * counted[size - first][blocks - 1]
        counted.append(row)
    return tuple(counted[total])
