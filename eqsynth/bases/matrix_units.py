"""Matrix units: the algebra of diagrams written as matrices, one block for each irreducible part.

Walks w, v in the Bratteli diagram that end at one part give a map E_wv from the copy that v names to the copy that w
names, and E_wv E_vu = E_wu. The copies are those of Young's seminormal form: Jucys-Murphy elements are diagonal there.

Source: Young; Ram and Wenzl, J. Algebra 145 (1992) 378; Halverson and Ram, math/0401314.
"""

from __future__ import annotations

from eqsynth.bases.algebra import Map, identity, transpose
from eqsynth.bases.bratteli import bratteli
from eqsynth.bases.idempotents import Scaled, Sums, composed, constant, lettered, require_order, walked
from eqsynth.diagrams import enumeration
from eqsynth.errors import GroupError, SizeError, explain_calls
from eqsynth.families.group import Group
from eqsynth.spaces.space import plain_order

#: The most diagrams between inputs and outputs: as many units are made, each a sum of them.
MAX_UNITS = 203
#: The maps E_wv of a part: a row for each walk w of the outputs, a column for each walk v of the inputs.
Units = tuple[tuple[Map, ...], ...]


@explain_calls
def matrix_units(group: Group | str, inputs: int, outputs: int) -> dict[str, Units]:
    """The maps between single copies of irreps, for each part that inputs and outputs share, in rows and columns.

    >>> from eqsynth.algebra import matrix_units
    >>> for name, rows in matrix_units("S(n)", 1, 1).items():
    ...     print(name, "has", rows[0][0])
    {n-1,1} has -1/n · [y[a] += x[b]] + [y[a] += x[a]]
    {n} has 1/n · [y[a] += x[b]]
    >>> E = matrix_units("O(n)", 3, 3)["{1}"]
    >>> len(E), len(E[0]), E[2][1] >> E[0][2] == E[0][1], E[2][1] >> E[1][0] == 0 * E[2][0]
    (3, 3, True, True)

    ``E[w][v]`` goes from copy v of the inputs to copy w of the outputs; copies are numbered as the walks of
    :func:`primitive_idempotents` that end at the part, and ``E[w][w]`` are these idempotents. ``E[w][v] >> E[u][w]``
    is ``E[u][v]``, between any orders, and other products are zero: in these coordinates a composition of maps is
    a product of one matrix for each part. Together they are a basis of all maps, and orthogonal for :func:`inner`.

    Normalisation: nothing is divided by a square root, so that coefficients are rational functions of n. With r the
    least order that has the part, v its first walk there, C_w = E_w d E_v for the first diagram d from order r
    to the other for which this is not zero: C_w^T C_w is a number c_w times E_v, and E_wv is C_w C_v^T / c_v.
    So the transpose of ``E[w][v]`` is c_w / c_v times ``E[v][w]``.

    Raises what :func:`primitive_idempotents` does, GroupError for groups with V*, SizeError for more than 203 diagrams
    from inputs to outputs: orders that add up to 6 for S(n) and to 8 for O(n) and Sp(n) are the last, in seconds.
    """
    group = Group.parse(group)
    if group.duals:
        raise GroupError(
            f"matrix units of {group} are not known here: ask for central_idempotents or primitive_idempotents, "
            "or for matrix units of S(n), O(n) or Sp(n)"
        )
    inputs, outputs = plain_order(inputs), plain_order(outputs)
    small, large = sorted((inputs, outputs))
    require_order(group, large)
    letter = lettered(group)
    if inputs + outputs > 10 or (count := letter.count(inputs + outputs)) > MAX_UNITS:
        many = f"{count:,}" if inputs + outputs <= 10 else "many"
        raise SizeError(
            f"matrix units of {group} from order {inputs} to order {outputs} are {many} sums of as many diagrams, more "
            f"than {MAX_UNITS}: ask for lower orders"
        )
    names = [[name for name, _, _ in bratteli(letter, order).parts] for order in range(large + 1)]
    shared = zip(names[small], bratteli(group, small).parts, strict=True)
    result = {}
    for name, (own, _, _) in shared:
        if name not in names[large]:
            continue
        least = next(order for order in range(small + 1) if name in names[order])
        start = _first_copy(letter, least, names[least].index(name))
        columns = {
            order: _columns(group, start, least, order, bratteli(letter, order).before[-1][names[order].index(name)])
            for order in {inputs, outputs}
        }
        result[own] = _units(group, start if group.symbolic else start.at(group.number), columns, inputs, outputs)
    return result


def _first_copy(group: Group, order: int, place: int) -> Scaled:
    """The projection to the first single copy of a part in tensors of an order, n a letter."""
    copies = walked(group, order, Scaled.of(identity(group, order)))
    return next(part for walk, part in copies.items() if walk[-1] == place)


def _columns(group: Group, start: Scaled, least: int, order: int, copies: int) -> list[Scaled]:
    """The map to each copy of a part in tensors of an order that the first diagram gives by which one is not zero."""
    letter, found = lettered(group), dict[tuple[int, ...], Scaled]()
    listed = sorted(enumeration.diagrams(letter, order, least), key=lambda diagram: diagram.key)
    for diagram in listed:
        if len(found) == copies:
            break
        one = constant(1)
        ((given,),) = composed(letter, [start], [Scaled({diagram: one}, one)])
        for walk, part in walked(letter, order, given).items():
            column = part if group.symbolic else part.at(group.number)
            if column.above:
                found.setdefault(walk, column)
    return [found[walk] for walk in sorted(found)]


def _units(group: Group, start: Scaled, columns: dict[int, list[Scaled]], inputs: int, outputs: int) -> Units:
    """C_w C_v^T / c_v for all columns."""
    one, rows = next(iter(start.above)), []
    for column in columns[inputs]:
        row = _turned(group, column)
        ((square,),) = composed(group, [column], [row])
        factor, divisor = square.below * start.above[one], square.above[one] * start.below
        rows.append(Scaled({diagram: above * factor for diagram, above in row.above.items()}, row.below * divisor))
    table = composed(group, [row.lowest() for row in rows], columns[outputs])
    return tuple(
        tuple(unit.lowest().map(group, outputs, inputs) for unit in units) for units in zip(*table, strict=True)
    )


def _turned(group: Group, column: Scaled) -> Scaled:
    """The transpose."""
    above: Sums = {}
    for diagram, scalar in column.above.items():
        ((sign, turned),) = transpose(group, diagram)
        above[turned] = scalar * int(sign)
    return Scaled(above, column.below)
