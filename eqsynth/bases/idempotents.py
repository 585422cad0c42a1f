"""Jucys-Murphy elements of the partition, Brauer and walled Brauer algebras, and the idempotents that they give.

On tensors of order k the algebra of diagrams acts as all maps that commute with the group. Its Jucys-Murphy elements
belong to the steps of the Bratteli diagram: each is a constant on a walk, and these constants tell walks apart. So the
projection to what belongs to one walk, or to all walks to one part, is a polynomial in them.

Numerators stay whole polynomials in n until the end. Central elements are sums over classes of diagrams that
permutations of axes take to one another, a few dozen where there are thousands of diagrams.

Source: Halverson and Ram, math/0401314, section 3 (partition algebra); Nazarov, J. Algebra 182 (1996) 664 (Brauer);
Brundan and Stroppel, arXiv 1107.0999, and Jung and Kim, arXiv 1508.06469 (walled Brauer).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from itertools import pairwise, product
from math import prod
from typing import TYPE_CHECKING, Any, TypeVar

from eqsynth.bases.algebra import (
    Map,
    Polynomial,
    Scalar,
    Term,
    cap,
    compose,
    counit,
    cup,
    identity,
    permute,
    swap,
    unit,
)
from eqsynth.bases.bratteli import Bratteli, bratteli, steps_order
from eqsynth.bases.dimension import stable_from
from eqsynth.diagrams import enumeration
from eqsynth.diagrams.diagram import Diagram
from eqsynth.errors import GroupError, SizeError, explain_calls
from eqsynth.exact.ring import from_flint, to_flint
from eqsynth.families.group import Group, Label
from eqsynth.families.hom import maps_of
from eqsynth.spaces.space import Order, Valence, axes_of, duals_of, order_text

if TYPE_CHECKING:
    import flint

#: The most diagrams for which idempotents of parts, and of single walks, are built.
MAX_DIAGRAMS = 10_395
MAX_WALKED = 945
#: Whole polynomials in n, by what they are coefficients of; none zero.
Sums = dict[Any, "flint.fmpz_poly"]
#: How sums are composed with an element of the algebra.
Times = Callable[[Sums], Sums]
KeyT = TypeVar("KeyT", bound=Hashable)


@explain_calls
def jucys_murphy(group: Group | str, order: str | Order) -> tuple[Map, ...]:
    """The Jucys-Murphy elements on tensors of an order, one for each step of the Bratteli diagram; they commute.

    >>> from eqsynth.algebra import jucys_murphy
    >>> for element in jucys_murphy("O(n)", 2):
    ...     print(element)
    0
    -[y[a,a] += x[b,b]] + [y[a,b] += x[b,a]]
    >>> for element in jucys_murphy("S(n)", 1):
    ...     print(element)
    (n - 1) · [y[a] += x[a]]
    [y[a] += x[b]] - [y[a] += x[a]]

    O(n), Sp(n): element j is the sum over i < j of the exchange of axes i and j, less their cap and cup. GL(n),
    U(n), of orders such as ``(2,1)``: the exchange of two axes of one kind, minus cap and cup of others. S(n): two for
    each axis m, sums of the transpositions (i m) where m is the index of the axis, on the axes before it, and on it,
    too. On a walk each is what :meth:`eqsynth.Group.step_value` says: contents of boxes.

    Raises GroupError for other groups, SizeError beyond 6 axes. Source: see the module.
    """
    group = Group.parse(group)
    _check(group)
    order = steps_order(group, order)
    axes = axes_of(order)
    if axes > 6:
        raise SizeError(
            f"Jucys-Murphy elements of order {order_text(order)} have too many terms: ask for orders up to 6"
        )
    if group.duals:
        return tuple(_walled_element(group, order, axis) for axis in range(axes))
    if group.partitions:
        elements = [_partition_element(group, axis, half) for axis in range(axes) for half in (True, False)]
    else:
        elements = [*_brauer_elements(group, axes)]
    return tuple(element @ identity(group, axes - axes_of(element.outputs)) for element in elements)


def _check(group: Group) -> None:
    known = group.stride or group.rational
    if not known or group.heads or group.signature is not None:
        group.lacks_steps()
    if not group.duals:
        group.step_value(0, (1,), ())  # raises where the family has none


def _walled_element(group: Group, order: int | Valence, axis: int) -> Map:
    """The sum over earlier axes of the exchange with one of the same kind, minus cap and cup with one of the other."""
    kinds = duals_of(order)
    total, terms = len(kinds), list[Term]()
    for earlier in range(axis):
        alike = kinds[earlier] == kinds[axis]
        strands = [(one, total + one) for one in range(total) if one not in (earlier, axis)]
        pairs = [(earlier, total + axis), (axis, total + earlier)]
        pairs = pairs if alike else [(earlier, axis), (total + earlier, total + axis)]
        terms.append((1 if alike else -1, Diagram.of(total, total, [*strands, *pairs])))
    return Map.collect(group, order, order, terms)


def _brauer_elements(group: Group, order: int) -> Iterator[Map]:
    """Each comes from the one before, x, as s x s + s - e: s exchanges the last two axes, e is their cap and cup."""
    crossing = swap(group) - (cap(group) >> cup(group))
    element = Map.collect(group, 1, 1, ())
    for axes in range(1, order + 1):
        yield element
        before = identity(group, axes - 1)
        exchange = before @ swap(group)
        element = (exchange >> (element @ identity(group, 1)) >> exchange) + before @ crossing


def _partition_element(group: Group, axes: int, half: bool) -> Map:
    """The sum over m and i != m of (i m) on ``axes`` axes, times the unit matrix E_mm (``half``) or E_im on one more.

    (i m) is 1 - (e_i - e_m)(e_i - e_m)^T: on some axes the first term, on others one of four products of unit vectors.
    Where i = m the second one vanishes, so that i may run over all numbers if any axis has it.
    """
    n: Scalar = group.n if isinstance(group.n, int) else Polynomial(group.n)
    last, total = axes, 2 * (axes + 1)
    every = identity(group, axes)
    terms: list[Term] = [(-1, diagram) for _, diagram in identity(group, axes + 1).terms]
    ones = identity(group, 1) * n if half else counit(group) >> unit(group)
    terms += (every @ ones).terms
    for chosen in product((None, (0, 0), (0, 1), (1, 0), (1, 1)), repeat=axes):
        if not any(chosen):
            continue
        ends: tuple[list[int], list[int]] = ([], [last, total - 1]) if half else ([last], [total - 1])
        strands, sign = [], 1
        for axis, pair in enumerate(chosen):
            if pair is None:
                strands.append((axis, axes + 1 + axis))
                continue
            ends[pair[0]].append(axis)
            ends[pair[1]].append(axes + 1 + axis)
            sign *= -1 if pair[0] == pair[1] else 1
        diagram = Diagram.of(axes + 1, axes + 1, [*strands, *(block for block in ends if block)])
        terms.append((sign if all(ends) else n * sign, diagram))
    return Map.collect(group, axes + 1, axes + 1, terms)


@explain_calls
def central_idempotents(group: Group | str, order: str | Order) -> dict[str, Map]:
    """The projections to the irreducible parts of tensors of an order, by the names of the parts, as exact maps.

    >>> from eqsynth.algebra import central_idempotents, trace
    >>> for name, part in central_idempotents("O(n)", 2).items():
    ...     print(name, "is", part)
    {} is 1/n · [y[a,a] += x[b,b]]
    {1,1} is 1/2 · [y[a,b] += x[a,b]] - 1/2 · [y[a,b] += x[b,a]]
    {2} is -1/n · [y[a,a] += x[b,b]] + 1/2 · [y[a,b] += x[a,b]] + 1/2 · [y[a,b] += x[b,a]]
    >>> print(trace(central_idempotents("S(n)", 2)["{n-1,1}"]))
    3 n - 3
    >>> print(central_idempotents("GL(n)", (1, 1))["{1;1}"])
    -1/n · [y[a,a] += x[b,b]] + [y[a,b] += x[a,b]]

    They are idempotent, orthogonal and central in the algebra of diagrams, add up to the identity, and the trace is
    the dimension of the part times its multiplicity. Coefficients are rational functions of n; where n is a number, it
    must be one from which diagrams are independent (2k for S(n), k for O(n), GL(n) and U(n)).

    Raises GroupError for groups that are not S(n), O(n), Sp(n), GL(n) or U(n), or too small an n, SizeError for more
    than 10,395 diagrams: orders 4 of S(n), 6 of O(n) and Sp(n), 6 axes of GL(n) and U(n) are the last, in seconds.
    Source: see the module.
    """
    group, order = _open(group, order, MAX_DIAGRAMS)
    letter = lettered(group)
    # At a number labels are other ones, but as many and in the same order.
    diagram, named = bratteli(letter, order), bratteli(group, order)
    classes = _Classes(letter, order)
    groups: dict[tuple[Label, ...], tuple[Sums, flint.fmpz_poly]] = {
        diagram.levels[-1]: (classes.identity(), constant(1))
    }
    for element, values in central_elements(letter, order):
        if max(map(len, groups)) == 1:
            break
        times, refined = classes.times(element()), {}
        for labels, (above, below) in groups.items():
            alike: dict[tuple[int, ...], list[Label]] = {}
            for label in labels:
                alike.setdefault(tuple(map(int, values[label].coeffs())), []).append(label)
            apart = {tuple(own): values[own[0]] for own in alike.values()}
            for own, found, more in _apart(above, apart, times):
                refined[own] = found, below * more
        groups = refined
    parts = {labels[0]: classes.expanded(Scaled(*part)) for labels, part in groups.items()}
    zero = Scaled({}, constant(1))
    return {
        named.name(0, own): _at(parts.get(label, zero).map(letter, order, order), group)
        for label, own in zip(diagram.levels[-1], named.levels[-1], strict=True)
    }


@explain_calls
def primitive_idempotents(group: Group | str, order: str | Order) -> dict[tuple[str, ...], Map]:
    """The projections to single irreducible subspaces of tensors, one for each walk in the Bratteli diagram.

    >>> from eqsynth.algebra import primitive_idempotents
    >>> for walk, part in primitive_idempotents("S(n)", 1).items():
    ...     print(" -> ".join(walk), "is", part)
    {n} -> {n-1} -> {n-1,1} is -1/n · [y[a] += x[b]] + [y[a] += x[a]]
    {n} -> {n-1} -> {n} is 1/n · [y[a] += x[b]]

    They are primitive, orthogonal idempotents and add up to the identity; those whose walks end at one part, to its
    central idempotent. The trace is the dimension of the part.

    Raises what :func:`central_idempotents` does, SizeError for more than 945 diagrams: orders 3 of S(n), 5 of O(n) and
    Sp(n), 6 axes of GL(n) and U(n) are the last, in seconds.
    """
    group, order = _open(group, order, MAX_WALKED)
    letter, named = lettered(group), bratteli(group, order)
    one = Scaled.of(identity(letter, order))
    return {
        tuple(named.name(step, named.levels[step][place]) for step, place in enumerate(walk)): _at(
            part.map(letter, order, order), group
        )
        for walk, part in walked(letter, order, one).items()
    }


def constant(value: int) -> flint.fmpz_poly:
    """A number as a polynomial."""
    return to_flint(Polynomial(value))[0]


@dataclass(frozen=True, slots=True)
class Scaled:
    """A map: whole polynomials for its diagrams, and one denominator."""

    above: Sums
    below: flint.fmpz_poly

    @classmethod
    def of(cls, map_: Map) -> Scaled:
        """A map, whose coefficients have at most one letter."""
        quotients = [(diagram, *to_flint(Polynomial(scalar))) for scalar, diagram in map_.terms]
        below = constant(1)
        for _, _, own in quotients:
            below = below * own // below.gcd(own)
        return cls({diagram: above * (below // own) for diagram, above, own in quotients}, below)

    def lowest(self) -> Scaled:
        """The same in lowest terms."""
        common = reduce(lambda known, one: known.gcd(one), self.above.values(), self.below)
        if common.is_one() or not self.above:
            return self
        return Scaled({diagram: above // common for diagram, above in self.above.items()}, self.below // common)

    def at(self, n: int) -> Scaled:
        """The same at a number, of what is in lowest terms."""
        numbers = {diagram: constant(int(above(n))) for diagram, above in self.above.items()}
        return Scaled({diagram: above for diagram, above in numbers.items() if above}, constant(int(self.below(n))))

    def map(self, group: Group, outputs: int | Valence, inputs: int | Valence) -> Map:
        """The same as a map."""
        known: dict[tuple[int, ...], Polynomial] = {}
        terms = []
        for diagram, above in self.above.items():
            digits = tuple(map(int, above.coeffs()))
            if digits not in known:
                known[digits] = from_flint(above, self.below, str(group.n) if group.symbolic else "n")
            terms.append((known[digits], diagram))
        return Map.collect(group, outputs, inputs, terms)


def walked(group: Group, order: int | Valence, start: Scaled) -> dict[tuple[int, ...], Scaled]:
    """A map to tensors of an order, n a letter, followed by the projection to each single copy, by walks.

    Walks are places in the levels of the Bratteli diagram. Those that give zero are left out.
    """
    diagram = bratteli(group, order)
    parts: dict[tuple[int, ...], tuple[Sums, flint.fmpz_poly]] = {(0,): (start.above, start.below)}
    for step, times in enumerate(_steps(group, order)):
        ahead = {}
        for walk, (above, below) in parts.items():
            label = diagram.levels[step][walk[-1]]
            values = {
                place: to_flint(_value(group, step, label, diagram.levels[step + 1][place]))[0]
                for before, place in diagram.edges[step]
                if before == walk[-1]
            }
            for place, found, more in _apart(above, values, times):
                ahead[(*walk, place)] = found, below * more
        parts = ahead
    return {walk: Scaled(*part).lowest() for walk, part in parts.items()}


def _apart(
    above: Sums, values: Mapping[KeyT, flint.fmpz_poly], times: Times
) -> Iterator[tuple[KeyT, Sums, flint.fmpz_poly]]:
    """What belongs to each of some values of an element, numerator and denominator; only what is not zero.

    The product of (element - value) over all other values. What several share is multiplied once: half of the values
    are taken away from the other half, and so on.
    """
    keys = [*values]
    if not above:
        return
    if len(keys) == 1:
        yield keys[0], above, constant(1)
        return
    middle = len(keys) // 2
    for own, others in ((keys[:middle], keys[middle:]), (keys[middle:], keys[:middle])):
        part = above
        for other in others:
            further = times(part)
            for one, scalar in part.items():
                further[one] = further.get(one, 0) - values[other] * scalar
            part = {one: scalar for one, scalar in further.items() if scalar}
        for key, found, below in _apart(part, {key: values[key] for key in own}, times):
            yield key, found, below * prod((values[key] - values[other] for other in others), start=1)


@lru_cache(maxsize=32)
def _steps(group: Group, order: int | Valence) -> tuple[Times, ...]:
    """What each Jucys-Murphy element makes of maps to tensors of an order."""
    return tuple(_composing(group, element) for element in jucys_murphy(group, order))


def _composing(group: Group, element: Map) -> Times:
    """What an element makes of maps before it; of each diagram it is worked out once."""
    rows: dict[Diagram, list[tuple[Diagram, flint.fmpz_poly]]] = {}
    factors = [(to_flint(Polynomial(scalar))[0], diagram) for scalar, diagram in element.terms]

    def times(sums: Sums) -> Sums:
        further: Sums = {}
        for diagram, scalar in sums.items():
            if diagram not in rows:
                rows[diagram] = [*_row(group, diagram, factors).items()]
            for joined, factor in rows[diagram]:
                further[joined] = further.get(joined, 0) + scalar * factor
        return further

    return times


def _row(group: Group, diagram: Diagram, factors: list[tuple[flint.fmpz_poly, Diagram]]) -> Sums:
    """A diagram, then a sum of diagrams."""
    row: Sums = {}
    for factor, other in factors:
        for loops, joined in compose(group, diagram, other):
            row[joined] = row.get(joined, 0) + factor * to_flint(Polynomial(loops))[0]
    return row


@lru_cache(maxsize=1 << 17)
def _joined(group: Group, first: Diagram, second: Diagram) -> tuple[Diagram, flint.fmpz_poly]:
    ((joined, factor),) = _row(group, first, [(constant(1), second)]).items()
    return joined, factor


def composed(group: Group, first: Sequence[Scaled], second: Sequence[Scaled]) -> list[list[Scaled]]:
    """Every first map, then every second one, where each pair of diagrams composes to one."""
    above, below = (list(dict.fromkeys(one for map_ in maps for one in map_.above)) for maps in (first, second))
    number: dict[Diagram, int] = {}
    table = []
    for one in above:
        row = []
        for other in below:
            joined, factor = _joined(group, one, other)
            row.append((number.setdefault(joined, len(number)), factor))
        table.append(row)
    diagrams = [*number]
    firsts, seconds = (
        [([(place[one], scalar) for one, scalar in map_.above.items()], map_.below) for map_ in maps]
        for maps, place in (
            (first, {one: at for at, one in enumerate(above)}),
            (second, {one: at for at, one in enumerate(below)}),
        )
    )

    def times(left: list[tuple[int, flint.fmpz_poly]], right: list[tuple[int, flint.fmpz_poly]]) -> Sums:
        sums = [constant(0) for _ in diagrams]
        for i, scalar in left:
            row = table[i]
            for j, other in right:
                place, factor = row[j]
                sums[place] += scalar * other * factor
        return {diagram: total for diagram, total in zip(diagrams, sums, strict=True) if total}

    return [[Scaled(times(left, right), one * other) for right, other in seconds] for left, one in firsts]


def _neighbours(kinds: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """Pairs of axes of one kind with none of it between: their exchanges give all that keep the kinds."""
    for kind in (False, True):
        yield from pairwise(axis for axis, other in enumerate(kinds) if other == kind)


class _Classes:
    """Diagrams that permutations of the axes, of outputs and inputs alike, take to one another, up to signs."""

    def __init__(self, group: Group, order: int | Valence) -> None:
        self.group, self.order = group, order
        kinds = duals_of(order)
        axes, exchanges = len(kinds), list[Diagram]()
        for axis, further in _neighbours(kinds):
            places = [*range(axes)]
            places[axis], places[further] = further, axis
            exchanges.append(permute(group, places, order).terms[0][1])
        #: For each diagram its class, and its sign there.
        self.place: dict[Diagram, tuple[int, int]] = {}
        self.members: list[list[Diagram]] = []
        #: Classes with elements that are minus themselves, which no central element has.
        self.void: set[int] = set()
        for first in enumeration.diagrams(maps_of(group, order, order), axes, axes):
            if first in self.place:
                continue
            number, listed = len(self.members), [first]
            self.place[first] = number, 1
            for one in listed:
                for exchange in exchanges:
                    ((sign, moved),) = compose(group, exchange, one)
                    ((other, moved),) = compose(group, moved, exchange)
                    sign = int(sign * other) * self.place[one][1]
                    if moved not in self.place:
                        self.place[moved] = number, sign
                        listed.append(moved)
                    elif self.place[moved][1] != sign:
                        self.void.add(number)
            self.members.append(listed)

    def identity(self) -> Sums:
        """The identity, a class by itself."""
        return {self.place[identity(self.group, self.order).terms[0][1]][0]: constant(1)}

    def times(self, element: Map) -> Times:
        """What a central element makes of sums over classes, from one member of each."""
        factors = [(to_flint(Polynomial(scalar))[0], diagram) for scalar, diagram in element.terms]
        rows: dict[int, Sums] = {}

        def row(number: int) -> Sums:
            own: Sums = {}
            for diagram, scalar in _row(self.group, self.members[number][0], factors).items():
                other, sign = self.place[diagram]
                if other not in self.void:
                    own[other] = own.get(other, 0) + scalar * sign
            size = len(self.members[number])
            # Every member gives as much, and what they give is spread evenly over the class.
            return {other: total * size // len(self.members[other]) for other, total in own.items()}

        def times(sums: Sums) -> Sums:
            further: Sums = {}
            for number, scalar in sums.items():
                if number not in rows:
                    rows[number] = row(number)
                for other, factor in rows[number].items():
                    further[other] = further.get(other, 0) + scalar * factor
            return further

        return times

    def expanded(self, sums: Scaled) -> Scaled:
        """Sums over classes as sums of diagrams."""
        lowest = sums.lowest()
        return Scaled(
            {
                one: scalar * self.place[one][1]
                for number, scalar in lowest.above.items()
                for one in self.members[number]
            },
            lowest.below,
        )


def _open(group: Group | str, order: str | Order, most: int) -> tuple[Group, int | Valence]:
    """The group and the order, where idempotents exist and can be built."""
    group = Group.parse(group)
    _check(group)
    order = steps_order(group, order)
    require_order(group, order)
    axes = axes_of(order)
    count = lettered(group).count(2 * axes) if axes <= 6 else most + 1
    if count > most:
        raise SizeError(
            f"idempotents of {group} on tensors of order {order_text(order)} are sums of more than {most:,} diagrams: "
            "ask for a lower order"
        )
    return group, order


def require_order(group: Group, order: int | Valence) -> None:
    """Raise GroupError where the algebra of diagrams on tensors of an order has no idempotents that are known here."""
    _check(group)
    least = stable_from(group, 2 * axes_of(order))
    if isinstance(group.n, int) and group.n < least:
        raise GroupError(
            f"diagrams of {group} on tensors of order {order_text(order)} are dependent, their algebra has other "
            f"parts: ask for n from {least} on, or for a letter"
        )


def lettered(group: Group) -> Group:
    """The group with a letter, where n is a number."""
    return group if group.symbolic else Group(group.family, "n")


def _at(map_: Map, group: Group) -> Map:
    return map_ if isinstance(group.n, str) else map_.at(group.n)


def _sign(diagram_stride: int, step: int) -> int:
    """Restriction takes a class sum of a smaller group, induction gives one of a larger group."""
    return 1 if (step + 1) % diagram_stride == 0 else -1


def central_elements(
    group: Group, order: int | Valence
) -> Iterator[tuple[Callable[[], Map], dict[Label, flint.fmpz_poly]]]:
    """Central elements, each with what it is on each part, n a letter: together they tell parts apart.

    First the class sum of transpositions, or the Casimir element, less what it is on the trivial part: the sum of the
    Jucys-Murphy elements x. Parts of 6 boxes and more may have equal contents, as {4,1,1} and {3,3}. For O(n) and Sp(n)
    sums of odd powers of 2 x + s are central, too (Nazarov, 1996): s is chosen so that a box that goes gives minus
    what it gave. For GL(n) and U(n) it is so for even powers, too, if axes of V* count with a minus sign: on a part
    they are sums over the boxes of one partition less those of the other.
    """
    diagram, elements = bratteli(group, order), jucys_murphy(group, order)
    signs = [_sign(diagram.stride, step) for step in range(len(elements))]
    zero = Map.collect(group, order, order, ())
    values = _values(diagram, lambda step, value: value * signs[step])
    yield lambda: sum((element * sign for element, sign in zip(elements, signs, strict=True)), zero), values
    if group.partitions:
        return
    none, box = diagram.levels[0][0], diagram.levels[1][0]
    shift = -(_value(group, 0, none, box) + _value(group, 1, box, none))
    for power in (2, 3, 4) if group.duals else (3,):
        signs = [-1 if dual and power % 2 == 0 else 1 for dual in duals_of(order)]

        def change(step: int, value: Polynomial, power: int = power, signs: list[int] = signs) -> Polynomial:
            return signs[step] * (2 * value + shift) ** power

        def element(power: int = power, signs: list[int] = signs) -> Map:
            return sum((sign * (2 * one + shift).power(power) for one, sign in zip(elements, signs, strict=True)), zero)

        yield element, _values(diagram, change)


def _value(group: Group, step: int, label: Label, other: Label) -> Polynomial:
    slope, constant = group.step_value(step, label, other)
    return Polynomial(group.n) * slope + constant


def _values(diagram: Bratteli, change: Callable[[int, Polynomial], Polynomial]) -> dict[Label, flint.fmpz_poly]:
    """The sum along a walk to each part of a function of the values of the Jucys-Murphy elements."""
    values: dict[Label, Polynomial] = {diagram.levels[0][0]: Polynomial(0)}
    for step, pairs in enumerate(diagram.edges):
        ahead: dict[Label, Polynomial] = {}
        for place, further in pairs:
            label, other = diagram.levels[step][place], diagram.levels[step + 1][further]
            ahead[other] = values[label] + change(step, _value(diagram.group, step, label, other))
        values = ahead
    return {label: to_flint(value)[0] for label, value in values.items()}
