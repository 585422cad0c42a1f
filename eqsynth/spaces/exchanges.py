"""Symmetries of the indices of a tensor: groups of permutations with signs, as equations between its entries.

``[ijkl=jikl=klij]`` says C_ijkl = C_jikl = C_klij, ``[ij=-ji]`` says C_ij = -C_ji. What follows from equations is a
group H of permutations of the indices, each with a sign. Two texts that say the same are the same group, and a group
has one text. A tensor of the symmetry is fixed by each element of H times its sign.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import permutations
from math import factorial, prod

from eqsynth.errors import SpaceError, shown
from eqsynth.exact.partitions import components, partitions
from eqsynth.exact.permutations import inverse
from eqsynth.exact.permutations import sign as sign_of

#: An order of axes and a sign: what is done to a tensor. Axis i of the result is axis ``axes[i]``.
Turn = tuple[tuple[int, ...], int]

#: The largest number of elements of a symmetry that is neither symmetric nor alternating in all indices.
MAX_ELEMENTS = 10_000
#: The letters of indices; texts of symmetries begin with the ninth, i, where there are enough behind it.
LETTERS = "abcdefghijklmnopqrstuvwxyz"
_WORD = re.compile(r"\s*([+-]?)\s*([A-Za-z]+)\s*")
_CURE = (
    "write equations between entries, such as [ijkl=jikl=klij] or [ij=-ji]: the same letters, each once, in other "
    "orders (Young symmetrisers, [2,1], are not supported)"
)


def generated(generators: Sequence[Turn], most: int | None = None) -> dict[tuple[int, ...], int] | None:
    """All permutations that some generate, with their signs; None where there are more than ``most``.

    >>> from eqsynth.spaces.exchanges import generated
    >>> generated([((1, 2, 0), 1)])
    {(0, 1, 2): 1, (1, 2, 0): 1, (2, 0, 1): 1}

    Raises SpaceError where signs contradict each other.
    """
    identity = tuple(range(len(generators[0][0])))
    signs = {identity: 1}
    agenda = [identity]
    for at in agenda:
        for axes, sign in generators:
            image, reached = tuple([at[axis] for axis in axes]), signs[at] * sign
            if image not in signs:
                signs[image] = reached
                agenda.append(image)
                if most is not None and len(agenda) > most:
                    return None
            elif signs[image] != reached:
                raise SpaceError("a tensor is its own negative")
    return signs


@lru_cache(maxsize=1024)
def normal_form(text: str) -> tuple[str, int]:
    """The text that all equations with the same meaning share, and the number of indices.

    >>> from eqsynth.spaces.exchanges import normal_form
    >>> normal_form("[abcd = bacd = abdc = cdab]"), normal_form("[ij=-ji]"), normal_form("[ij=ij]")
    (('[ijkl=jikl=klij]', 4), ('A', 2), ('', 2))

    Tensors that are symmetric or alternating in all indices are ``S`` and ``A``, and those without any symmetry have
    no text. Others are written with the generators that move the fewest indices and come first in the alphabet.

    Raises SpaceError for what is no such text, for equations that only zero solves, and for groups of more than 10,000
    elements.
    """
    generators = _read(text)
    order = len(generators[0][0])
    exchanges = [(axes, sign) for axes, sign in generators if len(_moves(axes)) == 2]
    try:
        if order > 1 and not any(components(order, [_moves(axes) for axes, _ in exchanges])):
            # All exchanges of two indices, and so all permutations, are there.
            kind = "S" if exchanges[0][1] > 0 else "A"
            if any(sign != (1 if kind == "S" else sign_of(axes)) for axes, sign in generators):
                raise SpaceError("a tensor is its own negative")
            return kind, order
        elements = _closure(generators)
    except SpaceError:
        raise SpaceError(f"{shown(text)} is a contradiction: only the tensor 0 is equal to its own negative") from None
    if elements is None:
        raise SpaceError(
            f"{shown(text)} stands for more than {MAX_ELEMENTS:,} permutations of {order} indices: write S{order} or "
            f"A{order} for tensors that are symmetric or alternating in all of them, or ask for fewer equations"
        )
    if len(elements) == 1:
        return "", order
    if len(elements) == factorial(order):
        return ("S" if min(elements.values()) > 0 else "A"), order
    return written(_minimal(elements)), order


def _read(text: str) -> list[Turn]:
    """The permutations of a text, the identity first."""
    words = text[1:-1].split("=")
    first, listed = "", list[Turn]()
    lead = 1
    for word in words:
        match = _WORD.fullmatch(word)
        letters = match[2] if match else ""
        first = first or letters
        if not match or sorted(letters) != sorted(first) or len({*first}) < len(first):
            raise SpaceError(f"{shown(text)} is no symmetry of indices: {_CURE}")
        if len(first) > len(LETTERS):
            raise SpaceError(f"{shown(text)} has {len(first)} indices: ask for at most {len(LETTERS)}")
        sign = -1 if match[1] == "-" else 1
        lead = lead if listed else sign
        listed.append((inverse([first.index(letter) for letter in letters]), lead * sign))
    return [*dict.fromkeys(listed)]


def _closure(turns: Sequence[Turn]) -> dict[tuple[int, ...], int] | None:
    """The group that some generate: those that are already there are left out, so that few are multiplied."""
    chosen: list[Turn] = []
    elements: dict[tuple[int, ...], int] | None = {tuple(range(len(turns[0][0]))): 1}
    for axes, sign in turns:
        if elements is not None and elements.get(axes) != sign:
            chosen.append((axes, sign))
            elements = generated(chosen, MAX_ELEMENTS)
    return elements


def _minimal(elements: Mapping[tuple[int, ...], int]) -> list[Turn]:
    """Generators of a group that depend on it alone, none of which can be left out."""
    chosen: list[Turn] = []
    known: Mapping[tuple[int, ...], int] = {tuple(range(len(next(iter(elements))))): 1}
    # Those of the text are inverse to the orders of axes.
    for word in sorted(elements, key=lambda word: (len(_moves(word)), _moves(word), word)):
        if len(known) < len(elements) and inverse(word) not in known:
            chosen.append((inverse(word), elements[word]))
            known = generated(chosen) or {}
    for turn in chosen[::-1]:
        others = [other for other in chosen if other is not turn]
        if others and len(generated(others) or ()) == len(elements):
            chosen = others
    return chosen


def _moves(axes: Sequence[int]) -> list[int]:
    """The places that a permutation moves."""
    return [place for place, axis in enumerate(axes) if place != axis]


def written(generators: Sequence[Turn]) -> str:
    """The text of generators.

    >>> from eqsynth.spaces.exchanges import written
    >>> written([((1, 0, 2), -1)])
    '[ijk=-jik]'
    """
    order = len(generators[0][0])
    letters = LETTERS[8:] if order <= len(LETTERS) - 8 else LETTERS
    words = ["-" * (sign < 0) + "".join(letters[axis] for axis in inverse(axes)) for axes, sign in generators]
    return f"[{'='.join([letters[:order], *words])}]"


@lru_cache(maxsize=1024)
def generators(kind: str, order: int) -> tuple[Turn, ...]:
    """Permutations that generate all others: exchanges of neighbours for ``S`` and ``A``, else those of the text.

    >>> from eqsynth.spaces.exchanges import generators
    >>> generators("A", 3)
    (((1, 0, 2), -1), ((0, 2, 1), -1))
    >>> generators("[ijk=jki]", 3)
    (((2, 0, 1), 1),)
    """
    if kind not in ("S", "A"):
        return tuple(_read(kind)[1:])
    axes, sign = range(order), 1 if kind == "S" else -1
    return tuple(((*axes[:axis], axis + 1, axis, *axes[axis + 2 :]), sign) for axis in range(order - 1))


@lru_cache(maxsize=64)
def _elements(kind: str, order: int) -> tuple[Turn, ...]:
    return tuple(sorted((generated(generators(kind, order)) or {}).items()))


def size(kind: str, order: int) -> int:
    """How many permutations there are."""
    return factorial(order) if kind in ("S", "A") else len(_elements(kind, order))


def sign_in(kind: str, axes: tuple[int, ...]) -> int:
    """The sign of a permutation, 0 where it is not there."""
    if kind in ("S", "A"):
        return 1 if kind == "S" else sign_of(axes)
    return dict[tuple[int, ...], int](_elements(kind, len(axes))).get(axes, 0)


def elements(kind: str, order: int) -> Iterator[Turn]:
    """All permutations, sorted, with their signs."""
    if kind in ("S", "A"):
        return ((axes, 1 if kind == "S" else sign_of(axes)) for axes in permutations(range(order)))
    return iter(_elements(kind, order))


@lru_cache(maxsize=1024)
def steps(kind: str, order: int) -> tuple[tuple[Turn, ...], ...]:
    """Sums in a row that make up the sum over all permutations: each over these, with signs, and the tensor itself.

    >>> from eqsynth.spaces.exchanges import steps
    >>> steps("A", 3)
    ((((1, 0, 2), -1),), (((2, 1, 0), -1), ((0, 2, 1), -1)))

    For S and A: after axes 0, ..., j - 1 are done, every order of axes 0, ..., j is one of theirs, or one of them and
    then an exchange of j with one axis. Else: the permutations that leave axes 0, ..., j in place are a group, and
    each that leaves those before j is one of these behind one of a list that says what comes to j.
    """
    if kind in ("S", "A"):
        sign = 1 if kind == "S" else -1
        return tuple(
            tuple((_exchange(order, earlier, later), sign) for earlier in range(later)) for later in range(1, order)
        )
    left, listed = [*_elements(kind, order)], []
    for axis in range(order):
        first: dict[int, Turn] = {}
        for turn in left:
            first.setdefault(turn[0][axis], turn)
        left = [turn for turn in left if turn[0][axis] == axis]
        others = tuple(turn for image, turn in first.items() if image != axis)
        listed += [others] * bool(others)
    return tuple(listed)


def _exchange(order: int, earlier: int, later: int) -> tuple[int, ...]:
    axes = [*range(order)]
    axes[earlier], axes[later] = later, earlier
    return tuple(axes)


@lru_cache(maxsize=1024)
def cycle_types(kind: str, order: int) -> Mapping[tuple[int, ...], int]:
    """How many permutations have cycles of these lengths, each counted with its sign.

    >>> from eqsynth.spaces.exchanges import cycle_types
    >>> cycle_types("[ijk=jki]", 3)
    Counter({(3,): 2, (1, 1, 1): 1})
    """
    if kind in ("S", "A"):
        odd = -1 if kind == "A" else 1
        return Counter(
            {
                lengths: odd ** (order - len(lengths)) * (factorial(order) // _centraliser(lengths))
                for lengths in partitions(order)
            }
        )
    counted: Counter[tuple[int, ...]] = Counter()
    for axes, sign in elements(kind, order):
        root = components(order, enumerate(axes))
        counted[tuple(sorted(Counter(root).values(), reverse=True))] += sign
    return counted


def _centraliser(lengths: tuple[int, ...]) -> int:
    """How many permutations commute with one that has cycles of these lengths."""
    return prod(length**count * factorial(count) for length, count in Counter(lengths).items())


def length_coefficients(kind: str, order: int) -> list[int]:
    """The number of independent entries as a polynomial in n: its coefficients from n^0 on, times the group's order.

    >>> from eqsynth.spaces.exchanges import length_coefficients
    >>> length_coefficients("[ijk=jki]", 3)  # (n^3 + 2 n) / 3
    [0, 2, 0, 1]

    Orbits of index tuples, without those in which an entry is its own negative (Burnside's lemma with signs): the mean
    over the permutations of n to the number of cycles, times the sign.
    """
    if kind in ("S", "A"):
        return _falling(order, 1 if kind == "S" else -1)
    coefficients = [0] * (order + 1)
    for lengths, count in cycle_types(kind, order).items():
        coefficients[len(lengths)] += count
    return coefficients


def _falling(order: int, step: int) -> list[int]:
    """The coefficients of n (n + step) (n + 2 step) ..., of so many factors."""
    coefficients = [0, 1]
    for factor in range(1, order):
        raised, kept = [0, *coefficients], [factor * step * count for count in coefficients]
        coefficients = [a + b for a, b in zip(raised, [*kept, 0], strict=True)]
    return coefficients
