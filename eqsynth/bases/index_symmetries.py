"""Maps between tensors with symmetries of indices: maps of all tensors, up to permutations of axes (double cosets)."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from eqsynth.diagrams import functor, gram
from eqsynth.diagrams.diagram import Diagram, Element, join
from eqsynth.errors import SizeError
from eqsynth.exact.limits import afford
from eqsynth.exact.partitions import Blocks
from eqsynth.exact.permutations import inverse, runs, sorted_heads
from eqsynth.families.group import Group
from eqsynth.families.hom import index_counts, split_turn
from eqsynth.families.representation import packing
from eqsynth.spaces.exchanges import Turn
from eqsynth.spaces.space import (
    Order,
    Symmetry,
    all_turns,
    axes_of,
    axis_counts,
    entries_of,
    generators_of,
    lengths,
    order_text,
    stored_full,
    symmetrising,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: The largest number of entries of matrices that are averaged over permutations.
MAX_ENTRIES = 50_000_000
#: Arrays of NumPy have at most 64 axes, in older versions 32.
MAX_AXES = 30
#: The largest number of entries that one sum of squares is computed from.
MAX_SQUARES = 1_000_000
#: What tells diagrams of the same orders apart: blocks and head.
Key = tuple[Blocks, tuple[int, ...]]
#: Places of the elements that are selected, and for each the permutations of axes whose sum is its map.
Selection = tuple[tuple[int, ...], tuple[tuple[Turn, ...], ...]]


def permuted(diagram: Diagram, swap: Sequence[int], start: int, forms: Container[int]) -> tuple[Diagram, int]:
    """A diagram with the vertices from ``start`` on exchanged, vertex ``start + i`` to ``start + swap[i]``, and a sign.

    >>> from eqsynth import Diagram
    >>> from eqsynth.bases.index_symmetries import permuted
    >>> permuted(Diagram(0, 2, ((0, 1),)), (1, 0), 0, forms=(0, 1))
    (Diagram(outputs=0, inputs=2, blocks=((0, 1),), edges=(), head=()), -1)

    ``forms``: the vertices whose pairs inside one row carry omega(left, right).
    """
    (blocks, head), sign = image(diagram, swap, start, forms)
    return Diagram(diagram.outputs, diagram.inputs, blocks, head=head), sign


def image(diagram: Diagram, swap: Sequence[int], start: int, forms: Container[int]) -> tuple[Key, int]:
    """The same as blocks and a head, without the checks of a diagram.

    >>> from eqsynth import Diagram
    >>> from eqsynth.bases.index_symmetries import image
    >>> image(Diagram(0, 3, ((0, 1), (2,))), (2, 1, 0), 0, ())
    ((((0,), (1, 2)), ()), 1)
    """
    return images_under(swap, start, forms)(diagram)


def images_under(swap: Sequence[int], start: int, forms: Container[int]) -> Callable[[Diagram], tuple[Key, int]]:
    """What :func:`image` says of diagrams of the same orders, for long lists: what becomes of a block is kept.

    >>> from eqsynth import Diagram
    >>> from eqsynth.bases.index_symmetries import images_under
    >>> reverse = images_under((2, 1, 0), 0, ())
    >>> reverse(Diagram(0, 3, ((0, 1), (2,)))), reverse(Diagram(0, 3, ((0,), (1, 2))))
    (((((0,), (1, 2)), ()), 1), ((((0, 1), (2,)), ()), 1))
    """
    end = start + len(swap)
    known: dict[tuple[int, ...], tuple[int, ...]] = {}
    negated: set[tuple[int, ...]] = set()

    def move(block: tuple[int, ...], outputs: int) -> tuple[int, ...]:
        vertices = [start + swap[vertex - start] if start <= vertex < end else vertex for vertex in block]
        turned = len(vertices) == 2 and vertices[0] > vertices[1] and block[0] in forms
        if turned and (vertices[0] < outputs) == (vertices[1] < outputs):
            negated.add(block)
        known[block] = moved = tuple(sorted(vertices))
        return moved

    def moved_diagram(diagram: Diagram) -> tuple[Key, int]:
        moved = [known.get(block) or move(block, diagram.outputs) for block in diagram.blocks]
        sign = -1 if negated and sum(block in negated for block in diagram.blocks) % 2 else 1
        blocks = tuple(sorted(moved))
        if not diagram.head:
            return (blocks, ()), sign
        heads = tuple(blocks.index(moved[number]) for number in diagram.head)
        head, swapped = sorted_heads(heads, len(runs(heads, diagram.head)[0]))
        return (blocks, head), sign * swapped

    return moved_diagram


def forms_of(group: Group, vertices: int) -> range:
    """The vertices whose pairs inside one row carry the symplectic form: all or none."""
    return range(vertices if group.symplectic else 0)


def by_diagrams(group: Group, elements: Sequence[Element], inputs: Order, outputs: Order) -> Selection | None:
    """One diagram of each orbit that does not vanish; None where permutations of axes lead out of the elements.

    >>> from eqsynth import Diagram, Group
    >>> from eqsynth.bases.index_symmetries import by_diagrams
    >>> from eqsynth.spaces.space import Symmetry
    >>> maps = Diagram(2, 2, ((0, 2), (1, 3))), Diagram(2, 2, ((0, 3), (1, 2))), Diagram(2, 2, ((0, 1), (2, 3)))
    >>> by_diagrams(Group("O", "n"), maps, Symmetry("A", 2), 2)
    ((0,), ((((0, 1), 1),),))

    Permutations of axes carry diagrams to diagrams, up to a sign. Sums over orbits are independent where the diagrams
    are, and all of them make up all maps where the diagrams do. An orbit vanishes where a permutation carries a
    diagram to its own negative.
    """
    diagrams = [
        join([part for part in element if isinstance(part, Diagram)]) if isinstance(element, tuple) else element
        for element in elements
        if isinstance(element, Diagram | tuple)
    ]
    if len(diagrams) < len(elements) or any(diagram.edges or () in diagram.blocks for diagram in diagrams):
        return None
    place = {(diagram.blocks, diagram.head): number for number, diagram in enumerate(diagrams)}
    forms = forms_of(group, axes_of(inputs) + axes_of(outputs))
    above, below = generators_of(outputs), generators_of(inputs)
    own_above, own_below = (
        [split_turn(group, axis_counts(order), turn) for turn in turns] if group.split else turns
        for order, turns in ((outputs, above), (inputs, below))
    )

    def images(exchanges: Sequence[Turn], start: int) -> list[list[tuple[int, int]]] | None:
        """For each swap and diagram the number of its image, and the sign."""
        tables = []
        for axes, sign in exchanges:
            row = []
            moved = images_under(axes, start, forms)
            for diagram in diagrams:
                key, other = moved(diagram)
                number = place.get(key)
                if number is None:
                    return None
                row.append((number, sign * other))
            tables.append(row)
        return tables

    to_above, to_below = images(own_above, 0), images(own_below, sum(index_counts(group, outputs)))
    if to_above is None or to_below is None:
        return None
    orbit, vanishing = _components(len(diagrams), [*to_above, *to_below])
    coset, _ = _components(len(diagrams), to_below)
    # The least of an orbit has the bottom row, and then the top row, that the others of its kind have.
    keys = [(*_row_key(d), d.middle, d.key) for d in diagrams]
    least: dict[int, int] = {}
    for number in sorted(range(len(diagrams)), key=keys.__getitem__):
        least.setdefault(orbit[number], number)
    representatives = sorted(number for root, number in least.items() if root not in vanishing)
    identity = tuple(range(axes_of(outputs)))
    return tuple(representatives), tuple(
        _coset_representatives(number, coset, identity, above, to_above) for number in representatives
    )


def _row_key(diagram: Diagram) -> tuple[tuple[object, ...], tuple[object, ...]]:
    return diagram.bottom.key, diagram.top.key


def _components(size: int, tables: Sequence[Sequence[tuple[int, int]]]) -> tuple[list[int], set[int]]:
    """The least member of the component of each number, and the components in which signs contradict each other."""
    root, sign = [-1] * size, [1] * size
    contradicting: set[int] = set()
    for start in range(size):
        if root[start] >= 0:
            continue
        root[start] = start
        agenda = [start]
        while agenda:
            at = agenda.pop()
            for table in tables:
                to, by = table[at]
                if root[to] < 0:
                    root[to], sign[to] = start, sign[at] * by
                    agenda.append(to)
                elif sign[to] != sign[at] * by:
                    contradicting.add(start)
    return root, contradicting


def _coset_representatives(
    number: int,
    coset: Sequence[int],
    identity: tuple[int, ...],
    above: Sequence[Turn],
    tables: Sequence[Sequence[tuple[int, int]]],
) -> tuple[Turn, ...]:
    """One order of the output's axes for each image of a map of symmetric inputs."""
    by_coset: dict[int, Turn] = {coset[number]: (identity, 1)}
    agenda = [(number, (identity, 1))]
    while agenda:
        at, (axes, sign) = agenda.pop(0)
        for (swap, by), table in zip(above, tables, strict=True):
            to, _ = table[at]
            if coset[to] not in by_coset:
                permutation = (tuple(axes[axis] for axis in inverse(swap)), sign * by)
                by_coset[coset[to]] = permutation
                agenda.append((to, permutation))
    return tuple(sorted(by_coset.values(), key=lambda permutation: permutation[0]))


def afford_orbits(group: Group, count: int, inputs: Order, outputs: Order) -> None:
    """Refuse what is too much for :func:`by_diagrams` of so many diagrams, before they are there. Raises SizeError."""
    afford(
        f"choosing among the {count:,} maps of {group} {order_text(stored_full(inputs))} -> "
        f"{order_text(stored_full(outputs))} of tensors of all kinds",
        "ask for lower orders",
        steps=count * (300 + 20 * len([*generators_of(inputs), *generators_of(outputs)])),
    )


def afford_entries(group: Group, count: int, inputs: Order, outputs: Order) -> None:
    """Refuse what is too much for :func:`by_entries` of so many elements, before they are there. Raises SizeError."""
    n = [int(factor.n) for factor in group.factors]
    entries = count * prod(prod(lengths(stored_full(order), n)) for order in (outputs, inputs))
    axes = axes_of(inputs) + axes_of(outputs)
    if axes > MAX_AXES:
        raise SizeError(
            f"maps of {group} {order_text(inputs)} -> {order_text(outputs)} have {axes} axes, more than {MAX_AXES}: "
            "ask for lower orders"
        )
    if entries > MAX_ENTRIES:
        raise SizeError(
            f"the maps of {group} {order_text(inputs)} -> {order_text(outputs)} have {entries:,} entries, and choosing "
            f"among more than {MAX_ENTRIES:,} takes too long: ask for lower orders, or for tensors of all kinds"
        )
    orders = prod(one.size for one in entries_of(outputs) if isinstance(one, Symmetry))
    afford(
        f"choosing maps of {group} {order_text(inputs)} -> {order_text(outputs)} in {orders:,} orders of axes",
        "ask for a symmetric part of lower order, or for tensors of all kinds",
        steps=entries * orders // 20,
    )


def by_entries(group: Group, elements: Sequence[Element], inputs: Order, outputs: Order) -> tuple[Selection, int]:
    """The same from the matrices: the first elements whose means over permutations are independent; and the prime.

    Raises SizeError where the matrices are too large.
    """
    import numpy as np

    afford_entries(group, len(elements), inputs, outputs)
    n = [int(factor.n) for factor in group.factors]
    lengths_out, lengths_in = (lengths(stored_full(order), n) for order in (outputs, inputs))
    means = np.zeros((len(elements), prod(lengths_out) * prod(lengths_in)), np.int64)
    listed = []
    for element, mean in zip(elements, means, strict=True):
        matrix = np.asarray(functor.matrix(group, element, n), np.int64)
        total, turns = over_turns(added_up(matrix.reshape(*lengths_out, *lengths_in), inputs), outputs)
        mean[:] = total.reshape(-1)
        listed.append(turns)
    pivots, prime = gram.independent_rows(means)
    return (pivots, tuple(listed[pivot] for pivot in pivots)), prime


def over_turns(tensor: NDArray[np.int64], outputs: Order) -> tuple[NDArray[np.int64], tuple[Turn, ...]]:
    """The sum of all that exchanges of the first axes, those of the outputs, make of a tensor, once each, and these.

    >>> import numpy as np
    >>> from eqsynth.bases.index_symmetries import over_turns
    >>> from eqsynth.spaces.space import Symmetry
    >>> over_turns(np.array([[1, 2], [2, 5]]), Symmetry("S", 2))[1]
    (((0, 1), 1),)
    """
    import numpy as np

    outer, turns = axes_of(outputs), [*all_turns(outputs)]
    flat = tensor.reshape(*tensor.shape[:outer], -1)
    # Weighted sums over the other axes show which images differ; that equal ones are equal is looked up.
    weights = np.random.default_rng(0).integers(1 << 62, size=flat.shape[-1])
    images = _images(flat @ weights, turns)
    own = [turn for turn, first in images if first == images[0][1]]
    if not all(np.array_equal(_turned(tensor, turn), tensor) for turn in own):
        images = _images(tensor, turns)
    distinct = tuple(turn for turn, first in images if turn == first)
    total = np.zeros_like(tensor)
    for turn in distinct:
        total += _turned(tensor, turn)
    return total, distinct


def _turned(tensor: NDArray[np.int64], turn: Turn) -> NDArray[np.int64]:
    """The tensor with its first axes exchanged."""
    axes, sign = turn
    moved = tensor.transpose(*axes, *range(len(axes), tensor.ndim))
    return moved if sign == 1 else -moved


def _images(tensor: NDArray[np.int64], turns: Iterable[Turn]) -> list[tuple[Turn, Turn]]:
    """Each exchange, and the first one that makes the same of a tensor."""
    firsts: dict[bytes, Turn] = {}
    return [(turn, firsts.setdefault(_turned(tensor, turn).tobytes(), turn)) for turn in turns]


def added_up(tensors: NDArray[np.int64], order: Order) -> NDArray[np.int64]:
    """The sum over all exchanges of the last axes, with signs; not the mean, so that numbers stay whole.

    >>> import numpy as np
    >>> from eqsynth.bases.index_symmetries import added_up
    >>> from eqsynth.spaces.space import Symmetry
    >>> added_up(np.array([[1, 2], [3, 4]]), Symmetry("S", 2)).tolist()
    [[2, 5], [5, 8]]
    """
    start = tensors.ndim - axes_of(order)
    for step in symmetrising(order):
        moved = [(sign, (*range(start), *(start + axis for axis in axes))) for axes, sign in step]
        tensors = tensors + sum(sign * tensors.transpose(axes) for sign, axes in moved)
    return tensors


def summed(matrix: NDArray[np.int64], outputs: Order, sizes: Sequence[int], turns: Sequence[Turn]) -> NDArray[np.int64]:
    """A matrix of a map with its output axes in several orders, added up with signs.

    >>> import numpy as np
    >>> from eqsynth.bases.index_symmetries import summed
    >>> summed(np.eye(4, dtype=int), 2, [2], (((0, 1), 1), ((1, 0), -1))).tolist()[1]
    [0, 1, -1, 0]
    """
    import numpy as np

    split = matrix.reshape(*lengths(stored_full(outputs), sizes), -1)
    added = np.zeros_like(split)
    for axes, sign in turns:
        added += sign * np.transpose(split, (*axes, len(axes)))
    return added.reshape(matrix.shape)


def squares(
    group: Group,
    element: Element,
    permutations: Sequence[Turn],
    inputs: Order,
    outputs: Order,
    n: int,
) -> int | None:
    """The sum of the squares of all entries of a map of one group, from packed tensors to packed ones.

    >>> from eqsynth import Diagram, Group
    >>> from eqsynth.bases.index_symmetries import squares
    >>> from eqsynth.spaces.space import Symmetry
    >>> squares(Group("S", 3), Diagram(0, 2, ((0,), (1,))), (((), 1),), Symmetry("S", 2), 0, 3)  # 3 + 3 * 2**2
    15

    None where that takes more than a million entries. Rows that an element of the group carries to each other, up to
    signs, have equal sums, and are added up once.
    """
    import numpy as np

    (count,), (above,) = axis_counts(inputs), axis_counts(outputs)
    if n**above > MAX_SQUARES:
        return None
    index = np.indices((n,) * above).reshape(above, n**above).T
    (one,) = entries_of(outputs)
    if isinstance(one, Symmetry):
        index = index[packing(one, n)[0]]
    rows, counts = _rows(group, index, n)
    if len(rows) * len(permutations) * n**count > MAX_SQUARES:
        return None
    (one,) = entries_of(inputs)
    places = packing(one, n)[1:] if isinstance(one, Symmetry) else None
    # Diagrams give single rows; whatever else is a table, which is made once.
    diagram = element if isinstance(element, Diagram) and group.diagrammatic else None
    table = functor.matrix(group, element, n) if diagram is None else np.zeros((0, 0), np.int64)
    total = 0
    for row, times in zip(rows, counts, strict=True):
        # Axis i of what is added is axis axes[i] of the map.
        entries: NDArray[Any] = np.zeros(n**count, np.int64)
        for axes, sign in permutations:
            at = row[np.argsort(axes)]
            if diagram is not None:
                entries += sign * functor.row(group, diagram, at, n)
            else:
                entries += sign * table[np.ravel_multi_index(tuple(at), (n,) * above) if above else 0]
        if places:
            ranks, signs = places
            # Sums of whole numbers far below 2**53.
            entries = np.bincount(ranks, entries * signs)
        total += int(times) * int((entries**2).sum())
    return total


def _rows(group: Group, index: NDArray[np.int64], n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """One of the rows that the group carries to each other, up to signs, and how many there are of each."""
    import numpy as np

    if not group.diagrammatic:
        return index, np.ones(len(index), np.int64)
    pairs = [(a, b) for b in range(index.shape[1]) for a in range(b)]
    partner = index ^ 1 if group.symplectic else index
    if group.split:
        # Which indices are in one group of points, too.
        coarse = index // group.index_lengths(n)[-1]
        pairs_of = (index, index), (coarse, coarse)
    else:
        pairs_of = (index, index), (index, partner)
    alike = [one[:, a] == other[:, b] for a, b in pairs for one, other in pairs_of]
    kinds = np.array([np.zeros(len(index), bool), *alike]).T
    _, first, counts = np.unique(kinds, axis=0, return_index=True, return_counts=True)
    return index[first], counts
