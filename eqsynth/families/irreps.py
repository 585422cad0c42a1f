"""Irreps with coordinates: which spaces of tensors they are, and the vectors that their coordinates belong to.

The tensors of an irrep are those with as many indices as it takes at least. They vanish under every trace (matchings),
or where two indices agree and when they are summed over one (partitions), and exchanges of their axes act as on the
first standard tableau. Vectors are whole numbers and orthogonal; divided by their lengths they are orthonormal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import combinations, product
from math import comb, factorial, gcd, prod
from typing import TYPE_CHECKING, Any

from eqsynth.errors import GroupError, SizeError
from eqsynth.families.group import Group
from eqsynth.spaces.space import Decomposed, FactorOrder, Irrep, Order, Twisted, is_decomposed, orders_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: The highest degree of irreps of O(3) and SO(3), and the most entries of tensors that others are looked for in.
MAX_DEGREE = 11
MAX_PLACES = 1_300
#: The same of whole tensors in the coordinates of their parts, for all of which vectors are found.
MAX_COORDINATES = 400
#: The largest number in vectors: inner products of such ones are exact in 64 bits.
MAX_VALUE = 1 << 24


def fitted(group: Group, order: Order) -> Order:
    """An order with its irreps as those of a group: with their dimensions, and each written in one way.

    >>> from eqsynth import Group
    >>> from eqsynth.families.irreps import fitted
    >>> from eqsynth.spaces.space import read_order
    >>> print(fitted(Group("O", 3), read_order("{2}")), fitted(Group("O", 3), read_order("{1,1}")))
    2e 1e
    >>> fitted(Group("S", 4), read_order("{2,2}"))
    Irrep(label=(2, 2), group='S(4)', order=2, dim=2)

    Where an irrep has fewer indices as another one times the determinant, it is that one. Raises GroupError where
    the group has no such irrep, or it falls in two parts, or has no coordinates; SizeError where these take too long
    to find.
    """
    parts = orders_of(order)
    if len(parts) == 1 and is_decomposed(order):
        return _decomposed(group, parts[0])
    if len(parts) != len(group.factors) or not any(map(_is_irrep, parts)):
        return order
    fits = tuple(
        _fitted(factor, part) if _is_irrep(part) else part for factor, part in zip(group.factors, parts, strict=True)
    )
    return fits if isinstance(order, tuple) else fits[0]


def _is_irrep(part: object) -> bool:
    return isinstance(part.order if isinstance(part, Twisted) else part, Irrep)


def _fitted(group: Group, part: FactorOrder) -> FactorOrder:
    twisted = isinstance(part, Twisted)
    one = part.order if isinstance(part, Twisted) else part
    assert isinstance(one, Irrep)  # noqa: S101 - asked for irreps alone
    label, other = _irrep(group, one)
    return (
        Twisted(label)
        if other != (twisted and group.flips) or (twisted and not group.flips and one.spherical)
        else label
    )


def _decomposed(group: Group, part: FactorOrder) -> FactorOrder:
    """Tensors in the coordinates of the irreducible parts that a group has."""
    twisted = isinstance(part, Twisted)
    one = part.order if isinstance(part, Twisted) else part
    assert isinstance(one, Decomposed)  # noqa: S101 - asked for these alone
    if one.group != str(group):
        labels = check_parts(group, one.order)
        if twisted and group.flips and (same := [label for label in labels if group.twisted_part(label) == label]):
            raise GroupError(
                f"the part {Irrep(same[0])} of {group} is itself times the determinant, in other coordinates: ask for "
                f"{one.order}.det"
            )
    named = replace(one, group=str(group))
    return Twisted(named) if twisted else named


@lru_cache(maxsize=256)
def check_parts(group: Group, order: int) -> tuple[Any, ...]:
    """The irreducible parts of V^order.

    Raises GroupError, or SizeError, unless all of them have coordinates here, and are of real type.
    """
    asked, cure = f"{order}.irreps", f"ask for tensors of order {order} as they are"
    if len(group.factors) > 1 or not group.stride or group.signature is not None or group.over_complex or group.duals:
        group._lacks(f"coordinates of irreducible parts, {asked}: {cure}")
    if group.partitions or group.split:
        group._lacks(f"coordinates of irreducible parts, {asked}: its layers work on entries as they are, {cure}")
    if group.symbolic:
        raise GroupError(
            f"irreducible parts have coordinates where n is a number alone, and {group} leaves it open: ask for "
            f"{group.at(4)}, or for tensors of order {order} as they are"
        )
    if group.number**order > MAX_COORDINATES:
        raise SizeError(
            f"{asked} of {group} has {group.number**order:,} coordinates, more than {MAX_COORDINATES:,}: {cure}"
        )
    labels = {group.start()}
    for step in range(group.stride * order):
        labels = {other for label in labels for other in group.neighbours(step % group.stride, label)}
        if halves := [label for label in labels if group.splits(group.joined(label))]:
            raise GroupError(
                f"the part {Irrep(halves[0])} of tensors of order {order} falls in two halves under {group}, which "
                f"have no coordinates here: {cure}"
            )
    return tuple(sorted(labels, key=group.sort_key))


def has_parts(group: Group, order: int) -> bool:
    """Whether all irreducible parts of V^order have coordinates here.

    >>> from eqsynth import Group
    >>> from eqsynth.families.irreps import has_parts
    >>> has_parts(Group("O", 3), 3), has_parts(Group("SO", 4), 2), has_parts(Group("S", 4), 2)
    (True, False, False)
    """
    try:
        check_parts(group, order)
    except (GroupError, SizeError):
        return False
    return True


@lru_cache(maxsize=256)
def _irrep(group: Group, one: Irrep) -> tuple[Irrep, bool]:
    """An irrep of a group, and whether it is the one asked for only times the determinant."""
    if one.spherical and not group.spherical:
        raise GroupError(f"{one} names an irrep of O(3), and of SO(3): those of {group} are written {_example(group)}")
    if one.order > MAX_DEGREE and one.spherical:
        raise SizeError(f"irreps of {group} have degrees up to {MAX_DEGREE}, not {one.order}: ask for a lower one")
    if one.spherical or one.group == str(group):
        return one, False
    if not group.stride or group.split or group.signature is not None:
        listed = (group.stride or group.rational) and not (group.split and group.symbolic)
        where = f", whose irreps eq.irreps({str(group)!r}, 2) lists" if listed else ""
        group._lacks(f"irreps with coordinates, such as {one}: ask for tensors of an order{where}")
    if group.symbolic:
        raise GroupError(
            f"{one} has coordinates where n is a number alone, and {group} leaves it open: ask for {group.at(4)}, or "
            f"for tensors of an order, whose irreps eq.irreps({str(group)!r}, 2) counts with n as a letter"
        )
    if not group.exists(one.label):
        raise GroupError(
            f"{group} has no irrep {one}: {_example(group)} is one; eq.irreps({str(group)!r}, 2) lists some"
        )
    named = group.joined(one.label)
    if group.splits(named) and not group.complex_halves(named):
        raise GroupError(f"{one} falls in two parts under {group}, which have no coordinates here: ask for tensors")
    label, twisted = shortest(group, one.label)
    if group.spherical:
        return Irrep.of_degree(sum(label)), twisted
    dim = group.part_dimension(label)
    order = group.least_order(label)
    if group.number**order > 60 * MAX_PLACES:
        raise SizeError(
            f"{one} of {group} is found in tensors of {order} axes, which are too large: ask for another one"
        )
    return Irrep(label, str(group), order, dim), twisted


def irrep_of(group: Group, label: Any) -> tuple[Irrep, bool]:
    """The irrep that a label names, and whether it is that one only times the determinant.

    >>> from eqsynth import Group
    >>> from eqsynth.families.irreps import irrep_of
    >>> one, twisted = irrep_of(Group("O", 3), (1, 1))
    >>> print(one, twisted)
    1o True
    """
    return _irrep(group, Irrep(label))


def twists(group: Group) -> bool:
    """Whether irreps can be told from themselves times a determinant or sign, in the group or a larger one."""
    return bool(group.stride and not group.split and group.signature is None and (group.twist or group.flips))


def shortest(group: Group, label: Any) -> tuple[Any, bool]:
    """Of an irrep and the same times the determinant the one with fewer indices, and whether it is the other one.

    >>> from eqsynth import Group
    >>> from eqsynth.families.irreps import shortest
    >>> shortest(Group("O", 3), (2, 1)), shortest(Group("SO", 3), (1, 1))
    (((2,), True), ((1,), False))
    """
    if twists(group):
        other = group.twisted_part(label)
        if group.least_order(other) < group.least_order(label):
            return other, group.flips
    return label, False


def _example(group: Group) -> str:
    group = group.at(4) if group.symbolic else group
    label = group.start()
    ahead = label
    for step in range(group.stride):
        ahead = group.neighbours(step, ahead)[-1]
    return str(Irrep(ahead))


def irrep_text(group: Group, label: Any, twisted: bool = False) -> str:
    """How a space names a part; with n a letter the first row is what others leave of it."""
    if not group.symbolic and twists(group):
        label, other = shortest(group, label)
        twisted = twisted != other
    one = Irrep.of_degree(sum(label)) if group.spherical and len(label) < 2 else None
    if one is not None:
        return str(Twisted(one) if twisted else one)
    rows, _, mark = group.part_name(label, str(group.n))[1:].rpartition(")")
    return f"{{{rows}}}{mark}" + ".det" * twisted


@lru_cache(maxsize=128)
def vectors(one: Irrep) -> NDArray[np.int64]:
    """The tensors of each coordinate, times whole numbers: orthogonal rows (dim, n^order).

    >>> from eqsynth.families.irreps import vectors
    >>> from eqsynth.spaces.space import Irrep
    >>> vectors(Irrep.of_degree(1)).tolist(), vectors(Irrep.of_degree(2))[2].reshape(3, 3).tolist()
    ([[1, 0, 0], [0, 1, 0], [0, 0, 1]], [[-1, 0, 0], [0, 2, 0], [0, 0, -1]])

    Of O(3) and SO(3) they are the real spherical harmonics as polynomials in x, y, z, with the order and signs of
    e3nn: y is the polar axis, and the coordinates of degree 1 are x, y, z. Of others: the null space of the equations
    above, a vector for each free entry in turn, from which those before are taken away.
    """
    import numpy as np

    if one.spherical:
        return _harmonics(one.order)
    group = Group.parse(one.group)
    rows = orthogonal(_null_space(group, one.label))
    if len(rows) != one.dim:
        raise GroupError(
            f"{one} of {group} has {len(rows)} vectors, but the dimension {one.dim}: this contradicts the theory, "
            "please report it"
        )
    if max(abs(value) for row in rows for value in row) > MAX_VALUE:
        raise SizeError(f"the coordinates of {one} of {group} have numbers above {MAX_VALUE:,}: ask for tensors")
    return np.array(rows, np.int64).reshape(one.dim, group.number**one.order)


@lru_cache(maxsize=128)
def coordinates(one: Irrep) -> NDArray[np.float64]:
    """The same rows, divided by their lengths: from tensors to coordinates; transposed, back."""
    import numpy as np

    rows = vectors(one).astype(np.float64)
    return np.asarray(rows / np.sqrt((rows**2).sum(1, keepdims=True)))


# --- spherical harmonics ------------------------------------------------------------------------------


def _harmonics(degree: int) -> NDArray[np.int64]:
    """Real spherical harmonics of a degree as symmetric tensors, in whole numbers."""
    import numpy as np

    index = np.indices((3,) * degree).reshape(degree, 3**degree)
    powers = [(index == axis).sum(0) for axis in range(3)]
    rows = []
    for m in range(-degree, degree + 1):
        table = np.zeros((degree + 1,) * 3, np.int64)
        for p, value in harmonic_tensor(degree, m).items():
            table[p] = value
        rows.append(table[tuple(powers)])
    return np.stack(rows)


@lru_cache(maxsize=256)
def harmonic_tensor(degree: int, m: int) -> dict[tuple[int, int, int], int]:
    """A multiple of the real spherical harmonic as a symmetric tensor: its entries by how often x, y, z stand in them.

    >>> from eqsynth.families.irreps import harmonic_tensor
    >>> harmonic_tensor(2, -1), harmonic_tensor(2, 0)
    ({(1, 1, 0): 1}, {(0, 0, 2): -1, (0, 2, 0): 2, (2, 0, 0): -1})

    They are whole numbers in lowest terms.
    """
    # The coefficient of a monomial is that of each of its tensor's entries times how many there are.
    whole = {p: c * prod(map(factorial, p)) for p, c in harmonic(degree, m).items()}
    divisor = gcd(*whole.values())
    return {p: value // divisor for p, value in whole.items()}


def harmonic(degree: int, m: int) -> dict[tuple[int, int, int], int]:
    """A multiple of the real spherical harmonic: coefficients of x^a y^b z^c.

    >>> from eqsynth.families.irreps import harmonic
    >>> harmonic(2, -1), harmonic(2, 0)
    ({(1, 1, 0): 1}, {(0, 0, 2): -1, (0, 2, 0): 2, (2, 0, 0): -1})

    The derivative number abs(m) of the Legendre polynomial in y, made homogeneous with x² + y² + z², times the real
    part of (z + i x)^m, or for m < 0 the imaginary one of (z + i x)^(-m). No sign (-1)^m. Source: DLMF 14; e3nn.
    """
    order = abs(m)
    # (2^degree degree!) P(y) is the derivative number degree of (y² - 1)^degree.
    legendre = {
        2 * k - degree: comb(degree, k) * (-1) ** (degree - k) * factorial(2 * k) // factorial(2 * k - degree)
        for k in range(-(-degree // 2), degree + 1)
    }
    divisor = gcd(*legendre.values())
    polar = {p - order: c // divisor * factorial(p) // factorial(p - order) for p, c in legendre.items() if p >= order}
    result: dict[tuple[int, int, int], int] = {}
    for power, coefficient in sorted(polar.items(), reverse=True):
        half = (degree - order - power) // 2
        for i, j in product(range(half + 1), repeat=2):
            if i + j > half:
                continue
            ways = coefficient * factorial(half) // (factorial(i) * factorial(j) * factorial(half - i - j))
            for turn in range(m < 0, order + 1, 2):
                sign = (-1) ** (turn // 2)
                key = (2 * i + turn, power + 2 * (half - i - j), 2 * j + order - turn)
                result[key] = result.get(key, 0) + sign * comb(order, turn) * ways
    common = gcd(*result.values())
    return {key: value // common for key, value in sorted(result.items()) if value}


# --- null spaces ----------------------------------------------------------------------------------------


def _null_space(group: Group, label: Any) -> list[list[int]]:
    """The tensors of an irrep, in whole numbers."""
    import flint

    n, seats = group.number, group.seats(label)
    count = sum(sum(shape) for shape, _, _ in seats)
    listed = [index for index in product(range(n), repeat=count) if not group.partitions or len({*index}) == count]
    if len(listed) > MAX_PLACES:
        raise SizeError(
            f"the coordinates of {Irrep(label)} of {group} are looked for among {len(listed):,} entries, more than "
            f"{MAX_PLACES:,}: ask for tensors, or for an irrep with fewer boxes"
        )
    number = {index: place for place, index in enumerate(listed)}
    equations = {row for row in _equations(group, seats, number) if row}
    matrix = flint.fmpz_mat(max(len(equations), 1), len(listed))
    for row, equation in enumerate(sorted(equations)):
        for place, value in equation:
            matrix[row, place] = value
    reduced, divisor, rank = matrix.rref()
    pivots, column = [], 0
    for row in range(rank):
        while reduced[row, column] == 0:
            column += 1
        pivots.append(column)
    axes = [axes for shape, axes, _ in seats for _ in range(sum(shape))]
    places = [
        _place([value for value, times in zip(index, axes, strict=True) for _ in range(times)], n) for index in listed
    ]
    kernel = []
    for free in sorted({*range(len(listed))} - {*pivots}):
        entries = [0] * n ** sum(axes)
        entries[places[free]] = int(divisor)
        for at, pivot in enumerate(pivots):
            entries[places[pivot]] = -int(reduced[at, free])
        kernel.append(entries)
    return kernel


def _place(index: list[int], n: int) -> int:
    place = 0
    for value in index:
        place = place * n + value
    return place


Equation = tuple[tuple[int, int], ...]


def _equations(group: Group, seats: Any, number: dict[tuple[int, ...], int]) -> Iterator[Equation]:
    """What the entries of a tensor fulfil: sums of whole multiples of them that are zero."""
    count, start = sum(sum(shape) for shape, _, _ in seats), 0
    for shape, _, summed in seats:
        contents = [column - row for row, length in enumerate(shape) for column in range(length)]
        for own, content in enumerate(contents):
            seat = start + own
            for index, place in number.items():
                # The sum of all exchanges with a box before has the content of the box as its only value.
                swapped = [_swapped(index, earlier, seat) for earlier in range(start, seat)]
                yield _collected([*((number[other], 1) for other in swapped), (place, -content)])
            if summed:
                yield from _sums(number, (seat,), {(value,): 1 for value in range(group.number)})
        start += sum(shape)
    if not group.partitions:
        form = group.pair_form(group.number)
        entries: dict[tuple[int, ...], int] = {
            (int(a), int(b)): int(form[a, b]) for a, b in zip(*form.nonzero(), strict=True)
        }
        for pair in combinations(range(count), 2):
            yield from _sums(number, pair, entries)


def _swapped(index: tuple[int, ...], first: int, second: int) -> tuple[int, ...]:
    changed = list(index)
    changed[first], changed[second] = changed[second], changed[first]
    return tuple(changed)


def _sums(
    number: dict[tuple[int, ...], int], at: tuple[int, ...], values: dict[tuple[int, ...], int]
) -> Iterator[Equation]:
    """One equation for each choice of the other indices: the sum over those ``at`` some places, with factors."""
    of_rest: dict[tuple[int, ...], list[tuple[int, int]]] = {}
    for index, place in number.items():
        factor = values.get(tuple(index[seat] for seat in at))
        if factor:
            rest = tuple(value for seat, value in enumerate(index) if seat not in at)
            of_rest.setdefault(rest, []).append((place, factor))
    yield from map(_collected, of_rest.values())


def _collected(terms: list[tuple[int, int]]) -> Equation:
    total: dict[int, int] = {}
    for place, value in terms:
        total[place] = total.get(place, 0) + value
    return tuple(sorted((place, value) for place, value in total.items() if value))


def orthogonal(rows: list[list[int]]) -> list[list[int]]:
    """Rows with those before taken away, in lowest terms: orthogonal, in whole numbers.

    >>> from eqsynth.families.irreps import orthogonal
    >>> orthogonal([[1, -1, 0], [1, 0, -1]])
    [[1, -1, 0], [1, 1, -2]]
    """
    done: list[list[int]] = []
    for row in rows:
        for known in done:
            square, inner = (sum(map(lambda a, b: a * b, known, other)) for other in (known, row))
            if inner:
                row = [square * value - inner * by for value, by in zip(row, known, strict=True)]  # noqa: PLW2901
        divisor = gcd(*row)
        done.append([value // divisor for value in row])
    return done
