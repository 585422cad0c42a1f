"""Matrix units: the algebra of diagrams written as matrices, one block for each irreducible part.

Walks w, v in the Bratteli diagram that end at one part give a map E_wv from the copy that v names to the copy that w
names, and E_wv E_vu = E_wu. The copies are those of Young's seminormal form: Jucys-Murphy elements are diagonal there.

Source: Young; Ram and Wenzl, J. Algebra 145 (1992) 378; Halverson and Ram, math/0401314.
"""

from __future__ import annotations

from functools import lru_cache

from eqsynth.bases.algebra import Map, trace
from eqsynth.bases.bratteli import bratteli
from eqsynth.bases.idempotents import primitive_idempotents
from eqsynth.diagrams import enumeration
from eqsynth.errors import explain_calls
from eqsynth.families.group import Group
from eqsynth.spaces.space import plain_order

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

    Raises what :func:`primitive_idempotents` does: orders up to 2 for S(n), up to 4 for O(n) and Sp(n). These take
    seconds.
    """
    group, inputs, outputs = Group.parse(group), plain_order(inputs), plain_order(outputs)
    orders = sorted({inputs, outputs})
    copies = {order: _copies(group, order) for order in reversed(range(orders[-1] + 1))}
    result = {}
    for name, _, dim in bratteli(group, orders[0]).parts:
        if name not in copies[orders[-1]]:
            continue
        least = next(order for order in range(orders[0] + 1) if name in copies[order])
        start = copies[least][name][0]
        columns = {order: [_column(start, copy) for copy in copies[order][name]] for order in orders}
        rows = [column.T / (trace(column >> column.T) / dim) for column in columns[inputs]]
        result[name] = tuple(tuple(row >> column for row in rows) for column in columns[outputs])
    return result


@lru_cache(maxsize=16)
def _copies(group: Group, order: int) -> dict[str, list[Map]]:
    """The projections to single copies, by the part that they are copies of."""
    parts: dict[str, list[Map]] = {}
    for walk, idempotent in primitive_idempotents(group, order).items():
        parts.setdefault(walk[-1], []).append(idempotent)
    return parts


def _column(start: Map, copy: Map) -> Map:
    """The first map from one copy to another that a diagram between their tensors gives."""
    group, inputs, outputs = start.group, start.inputs, copy.outputs
    listed = sorted(enumeration.diagrams(group, outputs, inputs), key=lambda diagram: diagram.key)  # type: ignore[arg-type]
    ways = (start >> (Map.collect(group, outputs, inputs, [(1, diagram)]) >> copy) for diagram in listed)
    return next(way for way in ways if way.terms)
