"""Jucys-Murphy elements of the partition and Brauer algebras, and the idempotents that they give.

On tensors of order k the algebra of diagrams acts as all maps that commute with the group. Its Jucys-Murphy elements
belong to the steps of the Bratteli diagram: each is a constant on a walk, and these constants tell walks apart. So the
projection to what belongs to one walk, or to all walks to one part, is a polynomial in them.

Source: Halverson and Ram, math/0401314, section 3 (partition algebra); Nazarov, J. Algebra 182 (1996) 664 (Brauer).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from eqsynth.bases.algebra import Map, Polynomial, Scalar, Term, cap, compose, counit, cup, identity, swap, unit
from eqsynth.bases.bratteli import Bratteli, bratteli
from eqsynth.bases.dimension import stable_from
from eqsynth.diagrams.diagram import Diagram
from eqsynth.errors import GroupError, SizeError, explain_calls
from eqsynth.families.group import Group
from eqsynth.spaces.space import plain_order

#: The most diagrams for which idempotents of parts, and of single walks, are built.
MAX_DIAGRAMS = 1_000
MAX_WALKED = 105


@explain_calls
def jucys_murphy(group: Group | str, order: int) -> tuple[Map, ...]:
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

    O(n), Sp(n): element j is the sum over i < j of the exchange of axes i and j, less their cap and cup. S(n): two for
    each axis m, sums of the transpositions (i m) where m is the index of the axis, on the axes before it, and on it,
    too. On a walk each is what :meth:`eqsynth.Group.step_value` says: contents of boxes.

    Raises GroupError for groups that are not S(n), O(n) or Sp(n), SizeError beyond order 6. Source: see the module.
    """
    group, order = Group.parse(group), plain_order(order)
    _check(group)
    if order > 6:
        raise SizeError(f"Jucys-Murphy elements of order {order} have too many terms: ask for orders up to 6")
    if group.partitions:
        elements = [_partition_element(group, axis, half) for axis in range(order) for half in (True, False)]
    else:
        elements = [*_brauer_elements(group, order)]
    return tuple(element @ identity(group, order - int(element.outputs)) for element in elements)  # type: ignore[arg-type]


def _check(group: Group) -> None:
    if not group.stride or group.heads or group.signature is not None:
        raise GroupError(f"{group} has no Jucys-Murphy elements here: ask for S(n), O(n) or Sp(n)")
    group.step_value(0, (1,), ())  # raises where the family has none


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
def central_idempotents(group: Group | str, order: int) -> dict[str, Map]:
    """The projections to the irreducible parts of tensors of an order, by the names of the parts, as exact maps.

    >>> from eqsynth.algebra import central_idempotents, trace
    >>> for name, part in central_idempotents("O(n)", 2).items():
    ...     print(name, "is", part)
    {} is 1/n · [y[a,a] += x[b,b]]
    {1,1} is 1/2 · [y[a,b] += x[a,b]] - 1/2 · [y[a,b] += x[b,a]]
    {2} is -1/n · [y[a,a] += x[b,b]] + 1/2 · [y[a,b] += x[a,b]] + 1/2 · [y[a,b] += x[b,a]]
    >>> print(trace(central_idempotents("S(n)", 2)["{n-1,1}"]))
    3 n - 3

    They are idempotent, orthogonal and central in the algebra of diagrams, add up to the identity, and the trace is
    the dimension of the part times its multiplicity. Coefficients are rational functions of n; where n is a number, it
    must be one from which diagrams are independent (2k for S(n), k for O(n)).

    Raises GroupError for groups that are not S(n), O(n) or Sp(n), or too small an n, SizeError for more than 1,000
    diagrams: orders 3 of S(n), 5 of O(n) and Sp(n) are the last. Source: see the module.
    """
    group, order = _open(group, order, MAX_DIAGRAMS)
    letter = _lettered(group)
    # At a number labels are other ones, but as many and in the same order.
    diagram, named = bratteli(letter, order), bratteli(group, order)
    central, values = _central(letter, order), _values(diagram)[-1]
    labels = diagram.levels[-1]
    powers = _powers(central, len(labels))
    result = {}
    for label, own in zip(labels, named.levels[-1], strict=True):
        # Lagrange's polynomial: 1 at the value of this part, 0 at those of the others.
        coefficients: list[Polynomial] = [Polynomial(1)]
        for other in labels:
            if other != label:
                scale = 1 / (values[label] - values[other])
                shifted = [Polynomial(0), *coefficients]
                coefficients = [
                    (shifted[i] - (coefficients[i] * values[other] if i < len(coefficients) else 0)) * scale
                    for i in range(len(shifted))
                ]
        terms = (
            (coefficient * scalar, one)
            for coefficient, power in zip(coefficients, powers, strict=True)
            for one, scalar in power.items()
        )
        projection = Map.collect(letter, order, order, terms)
        result[named.name(0, own)] = _at(projection, group)
    return result


@explain_calls
def primitive_idempotents(group: Group | str, order: int) -> dict[tuple[str, ...], Map]:
    """The projections to single irreducible subspaces of tensors, one for each walk in the Bratteli diagram.

    >>> from eqsynth.algebra import primitive_idempotents
    >>> for walk, part in primitive_idempotents("S(n)", 1).items():
    ...     print(" -> ".join(walk), "is", part)
    {n} -> {n-1} -> {n-1,1} is -1/n · [y[a] += x[b]] + [y[a] += x[a]]
    {n} -> {n-1} -> {n} is 1/n · [y[a] += x[b]]

    They are primitive, orthogonal idempotents and add up to the identity; those whose walks end at one part, to its
    central idempotent. The trace is the dimension of the part.

    Raises what :func:`central_idempotents` does, SizeError for more than 105 diagrams: orders 2 of S(n), 4 of O(n) and
    Sp(n) are the last.
    """
    group, order = _open(group, order, MAX_WALKED)
    letter = _lettered(group)
    diagram, named = bratteli(letter, order), bratteli(group, order)
    walked: dict[tuple[int, ...], Map] = {(0,): identity(letter, order)}
    for step, element in enumerate(jucys_murphy(letter, order)):
        ahead: dict[tuple[int, ...], Map] = {}
        for walk, projection in walked.items():
            label = diagram.levels[step][walk[-1]]
            places = [other for place, other in diagram.edges[step] if place == walk[-1]]
            values = {place: _step_value(diagram, step, label, diagram.levels[step + 1][place]) for place in places}
            for place in places:
                part = projection
                for other in places:
                    if other != place:
                        part = ((part >> element) - part * values[other]) / (values[place] - values[other])
                ahead[(*walk, place)] = part
        walked = ahead
    return {
        tuple(named.name(step, named.levels[step][place]) for step, place in enumerate(walk)): _at(part, group)
        for walk, part in walked.items()
    }


def _open(group: Group | str, order: int, most: int) -> tuple[Group, int]:
    """The group and the order, where idempotents exist and can be built."""
    group, order = Group.parse(group), plain_order(order)
    _check(group)
    count = _lettered(group).count(2 * order) if order <= 6 else most + 1
    if count > most:
        raise SizeError(f"idempotents of {group} on tensors of order {order} are sums of more than {most:,} diagrams")
    least = stable_from(group, 2 * order)
    if isinstance(group.n, int) and group.n < least:
        raise GroupError(
            f"diagrams of {group} on tensors of order {order} are dependent, their algebra has other parts: "
            f"ask for n from {least} on, or for a letter"
        )
    return group, order


def _lettered(group: Group) -> Group:
    return group if group.symbolic else Group(group.family, "n")


def _at(map_: Map, group: Group) -> Map:
    return map_ if isinstance(group.n, str) else map_.at(group.n)


def _step_value(diagram: Bratteli, step: int, label: object, other: object) -> Polynomial:
    slope, constant = diagram.group.step_value(step, label, other)  # type: ignore[arg-type]
    return Polynomial(diagram.group.n) * slope + constant


def _sign(diagram_stride: int, step: int) -> int:
    """Restriction takes a class sum of a smaller group, induction gives one of a larger group."""
    return 1 if (step + 1) % diagram_stride == 0 else -1


def _central(group: Group, order: int) -> Map:
    """The class sum of transpositions, or the Casimir element, less what it is on the trivial part."""
    signs = (_sign(group.stride, step) for step in range(group.stride * order))
    zero = Map.collect(group, order, order, ())
    return sum((element * sign for element, sign in zip(jucys_murphy(group, order), signs, strict=True)), zero)


def _values(diagram: Bratteli) -> list[dict[object, Polynomial]]:
    """What the central element is on each part of each level."""
    values: list[dict[object, Polynomial]] = [{diagram.levels[0][0]: Polynomial(0)}]
    for step, pairs in enumerate(diagram.edges):
        ahead: dict[object, Polynomial] = {}
        for place, further in pairs:
            label, other = diagram.levels[step][place], diagram.levels[step + 1][further]
            gain = _step_value(diagram, step, label, other) * _sign(diagram.stride, step)
            ahead[other] = values[-1][label] + gain
        values.append(ahead)
    return values


def _powers(central: Map, count: int) -> list[dict[Diagram, Scalar]]:
    """The first powers of an element, from the identity on; each product of two diagrams is taken once."""
    rows: dict[Diagram, dict[Diagram, Scalar]] = {}
    powers: list[dict[Diagram, Scalar]] = [
        {diagram: scalar for scalar, diagram in identity(central.group, central.inputs).terms}
    ]
    while len(powers) < count:
        further: dict[Diagram, Scalar] = {}
        for diagram, scalar in powers[-1].items():
            if diagram not in rows:
                rows[diagram] = {}
                for factor, other in central.terms:
                    for loops, joined in compose(central.group, diagram, other):
                        rows[diagram][joined] = rows[diagram].get(joined, 0) + factor * loops
            for joined, factor in rows[diagram].items():
                further[joined] = further.get(joined, 0) + scalar * factor
        powers.append({diagram: scalar for diagram, scalar in further.items() if scalar != 0})
    return powers
