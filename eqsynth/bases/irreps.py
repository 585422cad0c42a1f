"""Maps between irreps and tensors, symmetric ones too: how many, by Schur's lemma, and diagrams that are a basis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from eqsynth.bases.bratteli import copies
from eqsynth.bases.index_symmetries import added_up, over_turns, summed
from eqsynth.diagrams import functor, gram
from eqsynth.diagrams.diagram import Diagram, Single
from eqsynth.exact.limits import afford
from eqsynth.families.group import Group, Label
from eqsynth.families.hom import mixed
from eqsynth.families.irreps import vectors
from eqsynth.families.representation import packing
from eqsynth.spaces.exchanges import Turn
from eqsynth.spaces.space import (
    Irrep,
    Order,
    Symmetry,
    axes_of,
    axis_counts,
    entries_of,
    irreps_of,
    order_text,
    stored_once,
    twists_of,
)

if TYPE_CHECKING:
    from fractions import Fraction

    import numpy as np
    from numpy.typing import NDArray

#: Why maps of irreps are a basis: there are none, or the identity; or images of one vector are independent.
ARGUMENTS = ("schur", "images")
#: A diagram, and the orders of the output's axes whose sum is its map.
Turned = tuple[Diagram, tuple[Turn, ...]]


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

    >>> dimension(Group("O", 3), read_order("2e"), read_order("[ijkl=jikl=klij]"))
    2

    An irrep and its copies have the real multiples of the identity between them, or the complex ones: SO(n), A(n).
    """
    below, above = (parts_held(group, order) for order in (inputs, outputs))
    return sum(count * above.get(label, 0) * (2 if group.splits(label) else 1) for label, count in below.items())


def parts_held(group: Group, order: Order) -> dict[Label, int]:
    """How often an order holds each irreducible part, at a number n, each part under one name."""
    (one,), (kind,) = irreps_of(order), entries_of(order)
    kind = kind.full if isinstance(kind, Symmetry) else axes_of(order)
    walks: dict[Label, int] = copies(group, kind) if one is None else {one.label: 1}
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


def images(
    group: Group, diagrams: Sequence[Diagram], inputs: Order, outputs: Order
) -> tuple[NDArray[np.int64], list[tuple[Turn, ...]]]:
    """For each diagram what its map makes of one vector of an irrep, a row of whole numbers, and the turns of the map.

    They are independent exactly where the maps are: the kernel of a map of an irrep is all of it or zero. Where the
    inputs are tensors it is the transposed map of a vector of the outputs, summed over the exchanges of the inputs.
    The map of a diagram to symmetric tensors is the sum over the orders of its output axes in which it differs.
    """
    import numpy as np

    (one,), (other,) = irreps_of(inputs), irreps_of(outputs)
    n, above, below = group.number, axes_of(outputs), axes_of(inputs)
    what = f"choosing maps of {group} {order_text(inputs)} -> {order_text(outputs)}"
    parts = (*entries_of(inputs), *entries_of(outputs))
    exchanges = prod(part.size for part in parts if isinstance(part, Symmetry))
    size = n ** (above + below)
    steps = len(diagrams) * (size // 100 + exchanges * n ** (above if one else below) // 20)
    afford(what, "ask for lower orders", steps=steps, size=8 * size)
    rows, turns = [], list[tuple[Turn, ...]]()
    for diagram in diagrams:
        matrix = functor.matrix(group, diagram, n)
        if one is None:
            assert other is not None  # noqa: S101 - one of the two is an irrep
            rows.append(added_up((vectors(other)[0] @ matrix).reshape([n] * below), inputs).reshape(-1))
            turns.append(((tuple(range(above)), 1),))
            continue
        image = matrix @ vectors(one)[0]
        total, own = over_turns(image.reshape([n] * above), outputs)
        rows.append(total.reshape(-1) if other is None else vectors(other) @ total.reshape(-1))
        turns.append(own)
    length = len(rows[0]) if rows else 0
    return np.array(rows, np.int64).reshape(len(rows), length), turns


def chosen(group: Group, candidates: Sequence[Diagram], inputs: Order, outputs: Order) -> tuple[list[Turned], int]:
    """The first diagrams whose maps are independent, each with its turns, and the prime that shows it."""
    fitting = [diagram for diagram in candidates if fits(group, diagram, inputs, outputs)]
    rows, turns = images(group, fitting, inputs, outputs)
    places, prime = gram.independent_rows(rows)
    return sorted(((fitting[at], turns[at]) for at in places), key=lambda pair: pair[0].key), prime


def squares(group: Group, element: Single, turns: Sequence[Turn], inputs: Order, outputs: Order) -> Fraction:
    """The sum of the squares of all entries of a map between irreps, in their coordinates, and tensors, packed ones.

    >>> from eqsynth import Diagram, Group
    >>> from eqsynth.bases.irreps import squares
    >>> from eqsynth.spaces.space import Irrep
    >>> squares(Group("O", 3), Diagram(2, 2, ((0, 2), (1, 3))), (((0, 1), 1),), Irrep.of_degree(2), 2)
    Fraction(5, 1)
    """
    from fractions import Fraction

    (one,), (other,) = irreps_of(inputs), irreps_of(outputs)
    if one is not None and one == other and element == identity(inputs):
        return Fraction(one.dim)
    n = group.number
    matrix = summed(functor.matrix(group, element, n), outputs, [n], turns)[None]
    below, columns = on_stored(matrix, stored_once(inputs), n)
    above, rows = on_stored(below.transpose(0, 2, 1), stored_once(outputs), n, summed=False)
    squared = above[0].astype(object) ** 2
    squared = squared if rows is None else squared * rows
    squared = squared if columns is None else squared * columns[:, None]
    return sum(squared.ravel().tolist(), Fraction(0))


def on_vectors(
    tensor: NDArray[Any],
    axis: int,
    orders: Sequence[Order],
    sizes: Sequence[int],
    table: Callable[[Irrep], NDArray[Any]],
) -> NDArray[Any]:
    """A tensor with an axis for all indices of some orders, factor by factor of the group: irreps in coordinates.

    >>> import numpy as np
    >>> from eqsynth.bases.irreps import on_vectors
    >>> from eqsynth.families.irreps import vectors
    >>> from eqsynth.spaces.space import Irrep
    >>> on_vectors(np.ones((2, 27)), 1, [1, Irrep.of_degree(2)], [3], vectors).shape
    (2, 15)
    """
    import numpy as np

    before, after, ahead = tensor.shape[:axis], tensor.shape[axis + 1 :], 1
    for factor, n in enumerate(sizes):
        for order in orders:
            one, size = entries_of(order)[factor], n ** axis_counts(order)[factor]
            if isinstance(one, Irrep):
                split = tensor.reshape(prod(before) * ahead, size, -1)
                tensor, size = np.einsum("ij,bjc->bic", table(one), split), one.dim
            ahead *= size
    return np.asarray(tensor.reshape(*before, ahead, *after))


def on_stored(
    matrices: NDArray[np.int64], order: Order, n: int, summed: bool = True
) -> tuple[NDArray[np.int64], NDArray[np.object_] | None]:
    """Matrices on the stored tensors of their columns; weights of these where vectors are not of length 1.

    >>> import numpy as np
    >>> from eqsynth.bases.irreps import on_stored
    >>> from eqsynth.spaces.space import Symmetry
    >>> on_stored(np.array([[[1, 2, 3, 4]]]), Symmetry("S", 2, packed=True), 2)[0].tolist()
    [[[1, 5, 4]]]

    ``summed``: columns stand for what is read, so that equal entries of a tensor are added up; else they are taken.
    """
    from fractions import Fraction

    import numpy as np

    (one,) = entries_of(order)
    if isinstance(one, Irrep):
        coordinates = vectors(one)
        return matrices @ coordinates.T, np.array([Fraction(1, int(v)) for v in (coordinates**2).sum(1)], object)
    if not isinstance(one, Symmetry):
        return matrices, None
    count, height, _ = matrices.shape
    if one.packed:
        places, ranks, signs = packing(one, n)
        if not summed:
            return matrices[..., places], None
        packed = np.zeros((len(places), count, height), np.int64)
        np.add.at(packed, ranks[signs != 0], np.moveaxis(matrices * signs, -1, 0)[signs != 0])
        return np.moveaxis(packed, 0, -1), None
    if summed:
        tensors = added_up(matrices.reshape(count, height, *[n] * one.order), order)
        return tensors.reshape(matrices.shape), None
    return matrices, None
