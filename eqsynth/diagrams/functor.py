"""What a diagram means: its matrix, entry by entry. The reference that everything else is tested against."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, reduce
from itertools import pairwise
from math import factorial, perm, prod
from typing import TYPE_CHECKING, Any

from eqsynth.diagrams.bilabelled import counts
from eqsynth.diagrams.diagram import Diagram, Element, MatrixMap, Orbit, Single
from eqsynth.exact.permutations import heads_of, inverse
from eqsynth.families.group import Group
from eqsynth.graphs.orbits import orbit_labels, representative_array

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def matrix(group: Group, diagram: Element, n: int | Sequence[int]) -> NDArray[np.int64]:
    """The ``n**outputs x n**inputs`` integer matrix of a basis element.

    >>> from eqsynth import Diagram, Group
    >>> from eqsynth.diagrams.functor import matrix
    >>> matrix(Group("S", 2), Diagram(1, 1, ((0,), (1,))), 2).tolist()
    [[1, 1], [1, 1]]
    >>> matrix(Group("SO", 2), Diagram(1, 1, ((0,), (1,)), head=(0, 1)), 2).tolist()
    [[0, 1], [-1, 0]]

    Entry (I, J) is 1 where the indices agree inside every block, else 0; times the sign of the
    labels of the head's blocks as a permutation (for n - 1 blocks, of those and the missing label);
    for Sp(n), pairs inside one row carry omega(left, right) in place of agreement, with
    omega(2r, 2r+1) = 1 = -omega(2r+1, 2r); for O(p,q) and SO(p,q) they carry eta, and a head carries eta on each of its
    inputs. Rows are output index tuples, columns input index tuples,
    first axis most significant. Aut(G): the number of homomorphisms that send the blocks to the labels.
    Orbits: 1 on the orbit, else 0. Products: the Kronecker product, ``n`` with one size per factor; wreath products the
    same, on the indices that an axis of length n is made of.

    Source: arXiv 2212.08648 (S), 2212.08630 (O, SO, Sp), 2301.10152 (A).
    """
    import numpy as np

    if isinstance(diagram, tuple):
        sizes = [n] * len(group.factors) if isinstance(n, int) else n
        if group.maps == "nested":
            own = group.index_lengths(sizes[0])
            indices = [matrix(g, d, size) for g, d, size in zip(group.indices, diagram, own, strict=True)]
            return _of_axes(reduce(np.kron, indices), diagram[0], own)
        parts = zip(group.factors, by_factor(group, diagram), sizes, strict=True)
        return np.asarray(reduce(np.kron, [matrix(*part) for part in parts]), dtype=np.int64)
    n = n if isinstance(n, int) else n[0]
    if not isinstance(diagram, Diagram) or group.kept_graph is not None:
        return _table(group, diagram, n)
    total = diagram.outputs + diagram.inputs
    count = len(diagram.blocks)
    label = np.indices((n,) * count).reshape(count, n**count)
    value = np.ones(n**count, np.int64)
    index = [label[number] for number in diagram.labels]
    if group.symplectic:
        for block in diagram.blocks:
            left, right = block
            if (left < diagram.outputs) == (right < diagram.outputs):
                # The partner of 2r is 2r + 1 and the other way round.
                value *= 1 - 2 * (index[left] % 2)
                index[right] = index[right] ^ 1
    if group.signature is not None:
        for vertex in _turned(diagram):
            value *= _eta(group.signature, index[vertex])
    for head in heads_of(diagram.head, n):
        value *= signs(label[list(head)], n)
    place = np.zeros(n**count, np.int64)
    for position in index:
        place = n * place + position
    filled = np.zeros(n**total, np.int64)
    np.add.at(filled, place, value)
    return filled.reshape(n**diagram.outputs, n**diagram.inputs)


def index_matrix(group: Group, element: Element, sizes: Sequence[int]) -> NDArray[np.int64]:
    """The matrix on the indices that plans work on, of given lengths: that on axes, but for wreath products.

    >>> from eqsynth import Diagram, Group
    >>> from eqsynth.diagrams.functor import index_matrix
    >>> index_matrix(Group.parse("S(2) wr S(3)"), (Diagram(0, 1, ((0,),)),) * 2, (3, 2)).shape
    (1, 6)
    """
    import numpy as np

    if isinstance(element, tuple):
        parts = zip(group.indices, element, sizes, strict=True)
        return np.asarray(reduce(np.kron, [matrix(*part) for part in parts]), dtype=np.int64)
    return matrix(group, element, prod(sizes) if group.split else sizes)


def on_indices(table: MatrixMap, own: Sequence[int]) -> MatrixMap:
    """A table of axes that are made of indices of lengths ``own`` in the order that plans have these in.

    >>> from eqsynth.diagrams.diagram import MatrixMap
    >>> from eqsynth.diagrams.functor import on_indices
    >>> on_indices(MatrixMap(2, 0, ((1, 0, 1),)), (2, 2)).entries  # entry (0, 1): groups 0 and 0, members 0 and 1
    ((1, 0, 1),)
    >>> on_indices(MatrixMap(2, 0, ((2, 0, 1),)), (2, 2)).entries  # entry (0, 2): groups 0 and 1, members 0 and 0
    ((4, 0, 1),)
    """
    import numpy as np

    def places(axes: int) -> list[int]:
        numbers = np.arange(prod(own) ** axes).reshape(1, *[prod(own)] * axes, 1)
        split = split_indices(numbers, [(axes, own)]).ravel()
        return [int(place) for place in np.argsort(split)]

    rows, columns = places(table.outputs), places(table.inputs)
    entries = sorted((rows[row], columns[column], value) for row, column, value in table.entries)
    return MatrixMap(table.outputs, table.inputs, tuple(entries))


def by_factor(group: Group, element: Sequence[Single]) -> list[Element]:
    """The parts of an element of a product, those of a wreath product together, as they are in the factors' own bases.

    >>> from eqsynth import Diagram, Group
    >>> from eqsynth.diagrams.functor import by_factor
    >>> point = Diagram(0, 1, ((0,),))
    >>> by_factor(Group.parse("(S(2) wr S(3)) x O(3)"), (point, point, Diagram(0, 0, ())))[0] == (point, point)
    True
    """
    parts = iter(element)
    listed = [tuple(next(parts) for _ in factor.indices) for factor in group.factors]
    return [own if factor.split else own[0] for factor, own in zip(group.factors, listed, strict=True)]


def _of_axes(product: NDArray[np.int64], diagram: Single, sizes: Sequence[int]) -> NDArray[np.int64]:
    """A Kronecker product with rows and columns in the order of axes that are made of an index of each factor."""
    shape = product.shape
    for axes in (diagram.outputs, diagram.inputs):
        lengths = [size for size in sizes for _ in range(axes)]
        # Once for the rows and once for the columns, each time those that stand first.
        split = product.reshape(1, *lengths, -1)
        product = joined_indices(split, [(axes, sizes)]).reshape(prod(lengths), -1).T
    return product.reshape(shape)


def index_order(runs: Sequence[tuple[int, Sequence[object]]]) -> list[int]:
    """Where indices stand axis by axis, as axes split, in the order that plans have them in.

    A run is so many axes of a factor of the group, and the lengths of the indices that each of them is made of. Of a
    run all first indices come before all second ones.

    >>> from eqsynth.diagrams.functor import index_order
    >>> index_order([(2, (3, 2)), (1, (3,))])
    [0, 2, 1, 3, 4]
    """
    places, start = list[int](), 0
    for count, lengths in runs:
        several = len(lengths)
        places += [start + axis * several + index for index in range(several) for axis in range(count)]
        start += several * count
    return places


def split_indices(tensor: NDArray[Any], runs: Sequence[tuple[int, Sequence[int]]]) -> NDArray[Any]:
    """A ``(batch, n m, ..., n m, channels)`` tensor with the indices of each axis apart: all first ones, all second.

    >>> import numpy as np
    >>> from eqsynth.diagrams.functor import joined_indices, split_indices
    >>> tensor, runs = np.arange(36).reshape(1, 6, 6, 1), [(2, (3, 2))]
    >>> split = split_indices(tensor, runs)
    >>> split.shape, bool((joined_indices(split, runs) == tensor).all())
    ((1, 3, 3, 2, 2, 1), True)

    ``runs`` as in :func:`index_order`.
    """
    import numpy as np

    lengths = [length for count, own in runs for length in (*own,) * count]
    split = tensor.reshape(len(tensor), *lengths, tensor.shape[-1])
    return np.transpose(split, (0, *(1 + place for place in index_order(runs)), split.ndim - 1))


def joined_indices(tensor: NDArray[Any], runs: Sequence[tuple[int, Sequence[int]]]) -> NDArray[Any]:
    """The same the other way round."""
    import numpy as np

    order = [1 + place for place in inverse(index_order(runs))]
    whole = np.transpose(tensor, (0, *order, tensor.ndim - 1))
    return whole.reshape(len(tensor), *(prod(own) for count, own in runs for _ in range(count)), tensor.shape[-1])


def _turned(diagram: Diagram) -> list[int]:
    """The vertices whose indices eta gives a sign: one of each pair inside a row, and the inputs of a head."""
    above = diagram.outputs
    pairs = [block for block in diagram.blocks if len(block) == 2 and (block[0] < above) == (block[1] < above)]
    heads = [diagram.blocks[number][0] for number in diagram.head]
    return [left for left, _ in pairs] + [vertex for vertex in heads if vertex >= above]


def _eta(signature: tuple[int, int], index: NDArray[np.int64]) -> NDArray[np.int64]:
    """The sign of each index."""
    return 1 - 2 * (index >= signature[0])


def row(group: Group, element: Single, index: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """One row of the matrix of an element of a single group, that of an output index.

    >>> import numpy as np
    >>> from eqsynth import Diagram, Group
    >>> from eqsynth.diagrams.functor import row
    >>> row(Group("S", 2), Diagram(1, 2, ((0, 1), (2,))), np.array([1]), 2).tolist()
    [0, 0, 1, 1]
    """
    import numpy as np

    if not isinstance(element, Diagram) or group.kept_graph is not None:
        place = np.ravel_multi_index(tuple(index), (n,) * element.outputs) if element.outputs else 0
        return np.asarray(matrix(group, element, n)[place])
    # Axes of columns that a block does not touch stay of length 1 until the end.
    labels = [*index, *np.ix_(*[np.arange(n)] * element.inputs)]
    value = np.ones((1,) * element.inputs, np.int64)
    for block in element.blocks:
        for left, right in pairwise(block):
            if group.symplectic and (left < element.outputs) == (right < element.outputs):
                value = value * (labels[left] == labels[right] ^ 1) * (1 - 2 * (labels[left] % 2))
            else:
                value = value * (labels[left] == labels[right])
    if group.signature is not None:
        for vertex in _turned(element):
            value = value * _eta(group.signature, np.asarray(labels[vertex]))
    value = np.broadcast_to(value, (n,) * element.inputs).reshape(-1)
    for head in heads_of(element.head, n):
        legs = [np.broadcast_to(labels[element.blocks[number][0]], (n,) * element.inputs) for number in head]
        value = value * signs(np.array(legs).reshape(len(legs), -1), n)
    return value


def _table(group: Group, element: Element, n: int) -> NDArray[np.int64]:
    import numpy as np

    assert not isinstance(element, tuple)  # noqa: S101 - products have been taken apart
    rows, columns = n**element.outputs, n**element.inputs
    if isinstance(element, Orbit):
        labels = orbits_of(group, element.outputs + element.inputs)
        return np.asarray(labels == labels[element.representative], dtype=np.int64).reshape(rows, columns)
    if isinstance(element, MatrixMap):
        filled = np.zeros((rows, columns), np.int64)
        for row, column, value in element.entries:
            filled[row, column] = value
        return filled
    graph = group.kept_graph
    assert graph is not None  # noqa: S101 - diagrams with edges belong to graphs
    total = element.outputs + element.inputs
    indices = np.indices((n,) * total).reshape(total, n**total).T
    return np.asarray(counts(graph.adjacency(), element, indices), dtype=np.int64).reshape(rows, columns)


@lru_cache(maxsize=16)
def orbits_of(group: Group, total: int) -> NDArray[np.int64]:
    """The orbit of each index tuple under a group given by permutations; see ``orbits.orbit_labels``."""
    assert isinstance(group.n, int)  # noqa: S101 - such groups have a number of points
    labels = orbit_labels(group.permutations, group.n, total)
    labels.setflags(write=False)  # every later basis of the group reads this array
    return labels


def signs(labels: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """The Levi-Civita tensor at each column of ``labels``, n rows, or n - 1 where the missing label is last."""
    import numpy as np

    rows, columns = labels.shape
    if rows == n - 1:
        labels = np.concatenate([labels, (n * (n - 1) // 2 - labels.sum(0))[None]])
    values = np.ones(columns, np.int64)
    for later in range(1, n):
        for earlier in range(later):
            values *= np.sign(labels[later] - labels[earlier])
    return values


def terms(group: Group, diagram: Diagram, n: int) -> int:
    """How many entries of the input are added (with signs) in an entry of the output, where it is not zero.

    >>> from eqsynth import Diagram, Group
    >>> from eqsynth.diagrams.functor import terms
    >>> terms(Group("S", "n"), Diagram(1, 2, ((0, 1), (2,))), 7)
    7
    """
    summed = len(diagram.bottom.dropped)
    if not diagram.head:
        return int(n**summed)
    tied = diagram.through if group.jellyfish else 0
    return int(n**summed * prod(perm(n - given - tied, taken) for taken, given in legs(diagram, n)))


def legs(diagram: Diagram, n: int) -> list[tuple[int, int]]:
    """How many blocks of inputs alone, and of outputs alone, each head holds.

    >>> from eqsynth import Diagram
    >>> from eqsynth.diagrams.functor import legs
    >>> legs(Diagram(1, 3, ((0,), (1,), (2,), (3,)), head=(1, 2, 0, 3)), 2)
    [(2, 0), (1, 1)]
    """
    counted = []
    for head in heads_of(diagram.head, n):
        ends = [(diagram.blocks[number][0] < diagram.outputs, diagram.blocks[number][-1]) for number in head]
        taken = sum(not above for above, _ in ends)
        counted.append((taken, sum(above and last < diagram.outputs for above, last in ends)))
    return counted


def entries(diagram: Diagram, n: int) -> int:
    """How many entries of the matrix are not zero; all of them are 1 or -1."""
    loose = len(diagram.blocks) - len(diagram.head)
    heads = heads_of(diagram.head, n)
    return int(n**loose * (factorial(n) ** len(heads) if heads else 1))


def squares(group: Group, elements: Sequence[Element], n: int | Sequence[int]) -> list[tuple[int, int]]:
    """For each element the sum of squares of all entries of its matrix, and the largest such sum in a row."""
    import numpy as np

    if elements and isinstance(elements[0], tuple) and group.maps != "nested":
        return _squares_of_products(group, [element for element in elements if isinstance(element, tuple)], n)
    size = n if isinstance(n, int) else n[0]
    sums, by_label = [], dict[int, tuple[int, int]]()
    for element in elements:
        if isinstance(element, Orbit):
            by_label = by_label or _squares_of_orbits(group, element, size)
            label = orbits_of(group, element.outputs + element.inputs)[element.representative]
            sums.append(by_label[int(label)])
            continue
        if isinstance(element, Diagram) and group.kept_graph is not None:
            # Equal on each orbit: counted at one place of it.
            labels = orbits_of(group, element.outputs + element.inputs)
            values = [
                int(value) ** 2 for value in counts(group.kept_graph.adjacency(), element, representative_array(labels))
            ]
            exact = np.int64 if max(values) * labels.size < 1 << 63 else object
            rows = np.array(values, exact)[labels].reshape(size**element.outputs, -1).sum(1)
        else:
            rows = (matrix(group, element, n) ** 2).sum(1)
        sums.append((int(rows.sum()), int(rows.max())))
    return sums


def _squares_of_orbits(group: Group, element: Orbit, n: int) -> dict[int, tuple[int, int]]:
    """The same for all indicators of orbits between two orders, by their labels."""
    import numpy as np

    labels = orbits_of(group, element.outputs + element.inputs)
    first = (
        np.ravel_multi_index(tuple(representative_array(labels).T), labels.shape) if labels.ndim else np.zeros(1, int)
    )
    labels = labels.reshape(n**element.outputs, -1)
    total = np.bincount(labels.ravel())
    # Rows that an orbit reaches hold equally many of its entries.
    in_row = np.empty_like(total)
    for row in np.unique(first // labels.shape[1]):
        reached, counted = np.unique(labels[row], return_counts=True)
        in_row[reached] = counted
    return dict(enumerate(zip(total.tolist(), in_row.tolist(), strict=True)))


def _squares_of_products(
    group: Group, elements: Sequence[tuple[Single, ...]], n: int | Sequence[int]
) -> list[tuple[int, int]]:
    """The same for a product of groups: both sums are products of those of the factors."""
    sizes = [n] * len(group.factors) if isinstance(n, int) else n
    known, grouped = [], [by_factor(group, element) for element in elements]
    for factor, size, listed in zip(group.factors, sizes, zip(*grouped, strict=True), strict=True):
        single = list(dict.fromkeys(listed))
        known.append(dict(zip(single, squares(factor, single, size), strict=True)))
    parts = [[of[part] for of, part in zip(known, element, strict=True)] for element in grouped]
    return [(prod(total for total, _ in part), prod(largest for _, largest in part)) for part in parts]
