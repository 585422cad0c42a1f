"""Characters of irreducible parts, and how often products of two parts hold each part, by walks.

An irreducible part with the boxes kappa is what the Schur functor S_kappa(V) holds beyond parts of fewer boxes. The
character of S_kappa(V) is the sum over cycle types rho of chi^kappa(rho) / z_rho times traces of powers, and these
multiply a part as the family says (``times_power_sum``). Both results below are this one recursion. A part of GL(n) has
boxes on V and on V*: S_kappa(V) times S_mu(V*), whose traces are those of powers of the inverse, of negative length.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any, cast

from eqsynth.errors import EqsynthError, GroupError, SizeError, explain_calls, shown
from eqsynth.exact.numbers import ordered, whole
from eqsynth.exact.partitions import Shape, partitions, without_strip
from eqsynth.exact.ring import RationalFunction
from eqsynth.exact.spherical import centraliser
from eqsynth.families.group import Group, Label
from eqsynth.families.irreps import irrep_text
from eqsynth.spaces.space import Irrep, Twisted, read_order

#: The most boxes of a part, those that do not come with n, whose character is taken.
MAX_BOXES = 10
#: A part as text or as rows; for groups that tell V from V* a pair of such rows.
IrrepLike = str | Sequence[int] | Sequence[Sequence[int]]


@explain_calls
def character(group: Group | str, irrep: IrrepLike, cycles: Sequence[int] | None = None) -> RationalFunction | int:
    """The character of an irreducible part, as a polynomial in t1, t2, ..., where tk is the trace of the k-th power.

    Of groups that tell V from V* also in s1, s2, ..., traces of powers of the inverse: for unitary g the conjugates.

    >>> from eqsynth.algebra import character
    >>> print(character("O(n)", "{2}"), "and", character("S(n)", "{n-1,1}"))
    1/2 t1² + 1/2 t2 - 1 and t1 - 1
    >>> character("S(5)", "{3,2}", (2, 2, 1)), character("O(3)", "1o")
    (1, RationalFunction('t1'))
    >>> print(character("U(n)", "{1;1}"), "and", character("SU(3)", "{2;-}"))
    s1 t1 - 1 and 1/2 t1² + 1/2 t2

    With ``cycles``, the lengths of the cycles of a permutation, the value there. Irreps are written as in
    :func:`eqsynth.irreps`; partitions may be lists of rows, ``((1,), (1,))``. At the identity, tk = sk = n, it is the
    dimension.

    Raises GroupError for groups other than S(n), O(n), Sp(n), GL(n), SL(n), U(n) and SU(n), and for what is no irrep of
    the group;
    SizeError for more than 10 boxes (below the first row for S(n)). Source: Macdonald, Symmetric Functions, I.7.
    """
    group = Group.parse(group)
    sized, label = _read(group, irrep)
    polynomial = _character(sized, label)
    if cycles is None:
        return polynomial
    lengths = _cycles(group, cycles)
    traces = {letter: sum(d for d in lengths if int(letter[1:]) % d == 0) for letter in polynomial.letters}
    value = polynomial(**traces) if traces else polynomial
    return int(value)


@explain_calls
def kronecker(group: Group | str, first: str | Sequence[int], second: str | Sequence[int]) -> dict[str, int]:
    """How often the tensor product of two irreducible parts holds each part: for S(n), Kronecker's coefficients.

    >>> from eqsynth.algebra import kronecker
    >>> kronecker("S(5)", "{4,1}", "{3,2}")
    {'{3,2}.det': 1, '{3,1,1}': 1, '{3,2}': 1, '{4,1}': 1}
    >>> kronecker("S(n)", "{n-1,1}", "{n-1,1}")
    {'{n-2,1,1}': 1, '{n-2,2}': 1, '{n-1,1}': 1, '{n}': 1}
    >>> kronecker("O(3)", "1o", "2e")
    {'1o': 1, '2o': 1, '3o': 1}
    >>> kronecker("SU(3)", "{1;-}", "{-;1}"), kronecker("SU(3)", "{1;1}", "{1;-}")
    ({'{-;-}': 1, '{1;1}': 1}, {'{1;-}': 1, '{-;2}': 1, '{2;1}': 1})

    ``.det`` is times the sign or the determinant: {3,2}.det is {2,2,1}. With n a letter it holds for all large n:
    reduced Kronecker coefficients for S(n), Newell-Littlewood coefficients for O(n) and Sp(n); those of GL(n) are
    sums of Littlewood-Richardson coefficients.

    Raises what :func:`character` does.
    """
    group = Group.parse(group)
    read = [_read(group, irrep) for irrep in (first, second)]
    sized = max((one for one, _ in read), key=lambda one: one.number)
    labels = [_lengthened(label, own, sized) for own, label in read]
    one, two = sorted(labels, key=sized.boxes, reverse=True)
    product = _times(sized, one, two)
    return {irrep_text(group, label): product[label] for label in sorted(product, key=sized.sort_key)}


def _lengthened(label: Label, own: Group, sized: Group) -> Label:
    """The label at a larger number; where labels have as many boxes as there are points, the first row grows."""
    longer = sized.number - own.number
    return (label[0] + longer, *label[1:]) if longer and own.partitions else label


@lru_cache(maxsize=1024)
def _character(group: Group, label: Label) -> RationalFunction:
    shapes = _boxes(group, label)
    total = RationalFunction(1)
    for letter, shape in zip("ts", shapes, strict=False):
        own = RationalFunction(0)
        for kind, value in _cycle_index(shape):
            term = RationalFunction(value)
            for length in kind:
                term *= RationalFunction(f"{letter}{length}")
            own += term
        total *= own
    for other, count in _schur_functor(group, group.start(), shapes).items():
        total -= _character(group, other) * count if other != label else 0
    return total


@lru_cache(maxsize=1024)
def _times(group: Group, label: Label, second: Label) -> Counter[Label]:
    """The product of two parts: the first times the second's Schur functor, less its other parts times the first."""
    shapes = _boxes(group, second)
    product = _schur_functor(group, label, shapes)
    for other, count in _schur_functor(group, group.start(), shapes).items():
        if other != second:
            for part, times in _times(group, label, other).items():
                product[part] -= count * times
    return Counter({part: times for part, times in product.items() if times})


def _cycle_index(shape: Shape) -> list[tuple[Shape, Fraction]]:
    """The cycle types of permutations of the boxes, each with what its traces of powers are multiplied by."""
    values = ((kind, Fraction(_symmetric_character(shape, kind), centraliser(kind))) for kind in partitions(sum(shape)))
    return [(kind, value) for kind, value in values if value]


def _schur_functor(group: Group, label: Label, shapes: Sequence[Shape]) -> Counter[Label]:
    """A part times S_shape(V), and S_shape(V*) for a second shape, as a sum of parts."""
    parts = Counter({label: 1})
    for kind_of_axis, shape in zip((1, -1), shapes, strict=False):
        total: dict[Label, Fraction] = {}
        for kind, value in _cycle_index(shape):
            walks = parts
            for length in kind:
                ahead: Counter[Label] = Counter()
                for part, ways in walks.items():
                    for other, count in group.times_power_sum(part, kind_of_axis * length).items():
                        ahead[other] += ways * count
                walks = ahead
            for part, ways in walks.items():
                total[part] = total.get(part, Fraction(0)) + value * ways
        parts = Counter({part: int(times) for part, times in total.items() if times})
    return parts


@lru_cache(maxsize=65536)
def _symmetric_character(shape: Shape, kind: Shape) -> int:
    """The character of the symmetric group of as many points as boxes, by the rule of Murnaghan and Nakayama."""
    if not kind:
        return 1
    return sum(sign * _symmetric_character(less, kind[1:]) for less, sign in without_strip(shape, kind[0]))


def _boxes(group: Group, label: Label) -> list[Shape]:
    """The boxes of a part that do not come with n: those on V and, where there are such axes, those on V*."""
    shapes = [shape for shape, _, _ in group.seats(label)]
    if sum(map(sum, shapes)) > MAX_BOXES:
        raise SizeError(
            f"the part {irrep_text(group, label)} has more than {MAX_BOXES} boxes that do not come with n: "
            "ask for one with fewer, or for the part times the determinant"
        )
    return shapes


def _cycles(group: Group, cycles: Sequence[int]) -> list[int]:
    numbers = [whole(length) for length in cycles] if ordered(cycles) else [None]
    lengths = [length for length in numbers if length is not None and length > 0]
    if not group.permuting or len(lengths) < len(numbers):
        raise EqsynthError(
            f"{shown(cycles)} is no list of lengths of cycles of an element of {group}: put traces of its powers in "
            "the polynomial instead, as in character(group, irrep)(t1=3, t2=3)"
        )
    if isinstance(group.n, int) and sum(lengths) != group.n:
        raise EqsynthError(f"cycles of {sum(lengths)} points are none of {group}: list cycles of length 1, too")
    return lengths


def _two_partitions(irrep: IrrepLike) -> bool:
    pair = ordered(irrep) and len(irrep) == 2
    return pair and all(ordered(rows) and all(whole(row) is not None for row in rows) for rows in cast("Any", irrep))


def _read(group: Group, irrep: IrrepLike) -> tuple[Group, Label]:
    """A part as text or as rows, and the group at a number: with n a letter one at which nothing is special."""
    if not group.schur:
        raise GroupError(
            f"characters of {group} are not known here: ask for S(n), O(n), Sp(n), GL(n), SL(n), U(n) or SU(n)"
        )
    if group.duals and _two_partitions(irrep):
        irrep = f"{{{';'.join(','.join(map(str, cast('Sequence[int]', rows))) or '-' for rows in irrep)}}}"
    if not isinstance(irrep, str) and not (ordered(irrep) and all(whole(row) is not None for row in irrep)):
        raise EqsynthError(f"{shown(irrep)} is no irrep: write a text such as '{{2,1}}', or the rows of a partition")
    text = irrep.strip() if isinstance(irrep, str) else f"{{{','.join(map(str, irrep))}}}"
    first_row = re.escape(str(group.n)) + "(?:-([0-9]{1,3}))?"
    match = re.fullmatch(r"\{" + first_row + r"((?:,[0-9]{1,3})*)\}", text.replace(" ", ""))
    if group.symbolic and match:
        rest = tuple(int(row) for row in match[2].split(",")[1:])
        sized = group.at(4 * sum(rest) + 4)
        label: Label = (sized.number - sum(rest), *rest)
        fits = sum(rest) == int(match[1] or 0) and list(rest) == sorted(rest, reverse=True) and 0 not in rest
        if not fits or not sized.partitions:
            raise GroupError(f"{text} is no irrep of {group}: see eq.irreps({str(group)!r}, 2)")
        return sized, label
    order = read_order(text)
    one, twisted = (order.order, True) if isinstance(order, Twisted) else (order, False)
    if not isinstance(one, Irrep) or (one.spherical and not group.spherical):
        raise GroupError(f"{text} is no irrep of {group}: write {_written(group)}")
    label = one.label
    if any(isinstance(part, tuple) for part in label) != group.rational:
        raise GroupError(f"{text} is no irrep of {group}: write {_written(group)}")
    sized = group.at(4 * group.boxes(label) + 4) if group.symbolic else group
    if not sized.exists(label) or (group.symbolic and (twisted or sized.partitions)):
        raise GroupError(f"{text} is no irrep of {group}: see eq.irreps({str(group)!r}, 2)")
    if twisted and group.rational:
        raise GroupError(f"{text} is not named so for {group}: determinants add columns of n boxes, write {{2,1;-}}")
    return sized, sized.twisted_part(label) if twisted else sized.joined(label)


def _written(group: Group) -> str:
    """How irreps of a group are named."""
    return (
        "two partitions, for V and for V*, such as {2,1;1} or {2;-}" if group.rational else "a partition, such as {2,1}"
    )
