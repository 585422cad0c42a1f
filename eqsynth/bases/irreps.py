"""Maps between irreps and tensors: how many there are, by Schur's lemma, and diagrams that are a basis of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from eqsynth.bases.bratteli import copies
from eqsynth.diagrams import functor, gram
from eqsynth.diagrams.diagram import Diagram, Single
from eqsynth.errors import GroupError
from eqsynth.exact.limits import afford
from eqsynth.families.group import Group, Label
from eqsynth.families.hom import mixed
from eqsynth.families.irreps import vectors
from eqsynth.spaces.space import Order, axes_of, irreps_of, is_plain, order_text, twists_of

if TYPE_CHECKING:
    from fractions import Fraction

    import numpy as np
    from numpy.typing import NDArray

#: Why maps of irreps are a basis: there are none, or the identity; or images of one vector are independent.
ARGUMENTS = ("schur", "images")


def has_irreps(*orders: Order) -> bool:
    """Whether some part of some orders is an irrep."""
    return any(one is not None for order in orders for one in irreps_of(order))


def dimension(group: Group, inputs: Order, outputs: Order) -> int:
    """How many independent maps there are between two orders, irreps among them, by Schur's lemma alone.

    >>> from eqsynth import Group
    >>> from eqsynth.bases.irreps import dimension
    >>> from eqsynth.families.irreps import fitted
    >>> from eqsynth.spaces.space import read_order
    >>> plane, group = fitted(Group("SO", 2), read_order("{2}")), Group("SO", 2)
    >>> dimension(Group("O", 3), read_order("2e"), 4), dimension(group, plane, plane)
    (6, 2)

    An irrep and its copies have the real multiples of the identity between them, or the complex ones: SO(n), A(n).
    Raises GroupError for symmetric and alternating tensors, whose copies of irreps are not counted.
    """
    below, above = (parts_held(group, order) for order in (inputs, outputs))
    return sum(count * above.get(label, 0) * (2 if group.splits(label) else 1) for label, count in below.items())


def parts_held(group: Group, order: Order) -> dict[Label, int]:
    """How often an order holds each irreducible part, at a number n, each part under one name."""
    (one,) = irreps_of(order)
    if one is None and not is_plain(order):
        raise GroupError(
            f"maps between irreps of {group} and tensors {order_text(order)} are not counted: ask for tensors of all "
            f"kinds, {axes_of(order)}, or make them symmetric before"
        )
    walks: dict[Label, int] = copies(group, axes_of(order)) if one is None else {one.label: 1}
    if any(twists_of(order)) and group.flips:
        walks = {group.twisted_part(label): count for label, count in walks.items()}
    joined: dict[Label, int] = {}
    for label, count in walks.items():
        first = group.joined(label)
        joined[first] = joined.get(first, 0) + count
    return joined


def unchanged(group: Group, inputs: Order, outputs: Order) -> bool:
    """Whether all maps are multiples of the identity between equal irreps."""
    (one,), (other,) = irreps_of(inputs), irreps_of(outputs)
    same = one is not None and one == other and not mixed(group, inputs, outputs)
    return same and dimension(group, inputs, outputs) == 1


def identity(order: Order) -> Diagram:
    """The diagram that does nothing."""
    count = axes_of(order)
    return Diagram(count, count, tuple((axis, count + axis) for axis in range(count)))


def fits(group: Group, diagram: Diagram, inputs: Order, outputs: Order) -> bool:
    """Whether a diagram need not vanish on irreps: in their rows each vertex goes on to the other row, or to the head.

    All others lead through tensors with fewer axes, which do not hold the irrep. Signed permutations may have pairs.
    """
    rows = ((outputs, 0, diagram.outputs), (inputs, diagram.outputs, diagram.outputs + diagram.inputs))
    for order, start, stop in rows:
        (one,) = irreps_of(order)
        if one is None or (group.partitions and any(axes > 1 for _, axes, _ in group.seats(one.label) if group.stride)):
            continue
        for number, block in enumerate(diagram.blocks):
            own = [vertex for vertex in block if start <= vertex < stop]
            if own and (len(own) > 1 or (len(block) == 1 and number not in diagram.head)):
                return False
    return True


def images(group: Group, diagrams: Sequence[Diagram], inputs: Order, outputs: Order) -> NDArray[np.int64]:
    """For each diagram what it makes of one vector of an irrep, as whole numbers: a row.

    They are independent exactly where the maps are: the kernel of a map of an irrep is all of it or zero. Where the
    inputs are tensors it is the transposed map of a vector of the outputs.
    """
    import numpy as np

    (one,), (other,) = irreps_of(inputs), irreps_of(outputs)
    n = group.number
    size = n ** (axes_of(inputs) + axes_of(outputs))
    what = f"choosing maps of {group} {order_text(inputs)} -> {order_text(outputs)}"
    afford(what, "ask for lower orders", steps=len(diagrams) * size // 100, size=8 * size)
    rows = []
    for diagram in diagrams:
        matrix = functor.matrix(group, diagram, n)
        if one is not None:
            image = matrix @ vectors(one)[0]
            rows.append(image if other is None else vectors(other) @ image)
        elif other is not None:
            rows.append(vectors(other)[0] @ matrix)
    length = len(rows[0]) if rows else 0
    return np.array(rows, np.int64).reshape(len(rows), length)


def chosen(
    group: Group, candidates: Sequence[Diagram], inputs: Order, outputs: Order
) -> tuple[tuple[Diagram, ...], int]:
    """The first diagrams that are independent, and the prime that shows it."""
    fitting = [diagram for diagram in candidates if fits(group, diagram, inputs, outputs)]
    rows = images(group, fitting, inputs, outputs)
    places, prime = gram.independent_rows(rows)
    return tuple(sorted((fitting[place] for place in places), key=lambda diagram: diagram.key)), prime


def squares(group: Group, element: Single, inputs: Order, outputs: Order) -> Fraction:
    """The sum of the squares of all entries of a map between irreps, in their coordinates, and tensors.

    >>> from eqsynth import Diagram, Group
    >>> from eqsynth.bases.irreps import squares
    >>> from eqsynth.spaces.space import Irrep
    >>> squares(Group("O", 3), Diagram(2, 2, ((0, 2), (1, 3))), Irrep.of_degree(2), 2)
    Fraction(5, 1)
    """
    from fractions import Fraction

    import numpy as np

    (one,), (other,) = irreps_of(inputs), irreps_of(outputs)
    if one is not None and one == other and element == identity(inputs):
        return Fraction(one.dim)
    matrix: NDArray[np.int64] = functor.matrix(group, element, group.number)
    weights = np.ones((1, 1), object)
    if one is not None:
        rows = vectors(one)
        matrix = matrix @ rows.T
        weights = np.array([Fraction(1, int((row**2).sum())) for row in rows], object)[None, :]
    if other is not None:
        rows = vectors(other)
        matrix = rows @ matrix
        weights = weights * np.array([Fraction(1, int((row**2).sum())) for row in rows], object)[:, None]
    total = sum((matrix.astype(object) ** 2 * weights).ravel().tolist(), Fraction(0))
    return Fraction(total)
