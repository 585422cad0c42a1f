"""The maps of a group that is no product as vectors: inner products with them, their exact Gram matrix, their sums.

A vector has an entry for each row and column of a matrix, rows first. Diagrams are never written out: their entries
that are not zero lie in boxes. Maps that share no entry, as orbits do, are one list of labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from itertools import permutations
from math import factorial, prod
from typing import TYPE_CHECKING, Any

from eqsynth.bases import basis as bases
from eqsynth.bases.basis import Basis
from eqsynth.bases.index_symmetries import added_up
from eqsynth.bases.irreps import on_stored
from eqsynth.bases.symbolic import MAX_ROWS, diagrams_of, inverse_gram, nested_elements
from eqsynth.diagrams import functor
from eqsynth.diagrams.bilabelled import counts
from eqsynth.diagrams.diagram import Diagram, Element, MatrixMap, Orbit
from eqsynth.errors import SizeError
from eqsynth.exact.permutations import heads_of
from eqsynth.families.group import Group
from eqsynth.families.hom import mixed
from eqsynth.graphs.orbits import orbit_count, representative_array
from eqsynth.spaces.space import (
    Order,
    Symmetry,
    axes_of,
    entries_of,
    is_plain,
    order_text,
)

if TYPE_CHECKING:
    import flint
    import numpy as np
    from numpy.typing import NDArray

    #: An exact matrix, or the diagonal of one.
    Exact = flint.fmpq_mat | tuple[Fraction, ...]

#: The largest n whose n! permutations are listed, for a diagram with a head.
MAX_HEAD = 9
#: How many entries of a matrix are gathered at once.
CHUNK = 1 << 18


@dataclass(frozen=True, slots=True, eq=False)
class Span:
    """Independent vectors of so many entries, and the inverse of their Gram matrix."""

    count: int
    entries: int
    inverse: Exact

    def pair(self, flat: NDArray[Any]) -> NDArray[Any]:
        """The inner product of each row of ``flat`` with each vector, shape ``(rows, count)``."""
        raise NotImplementedError

    def add_up(self, factors: NDArray[Any]) -> NDArray[Any]:
        """The sum of the vectors with each row of factors, shape ``(rows, entries)``."""
        raise NotImplementedError

    @property
    def largest(self) -> int:
        """The largest entry of a vector, without its sign."""
        return 1


# --- Diagrams -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """The entries of a diagram that are not zero: at corner + sum of steps x (0 .. sizes - 1), with a sign."""

    corners: NDArray[np.int64]
    signs: NDArray[np.int64]
    sizes: tuple[int, ...]
    steps: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Diagrams(Span):
    """Diagrams: a pass over its entries that are not zero for each."""

    boxes: tuple[Boxes, ...]

    def pair(self, flat: NDArray[Any]) -> NDArray[Any]:
        """Sums over boxes."""
        import numpy as np

        paired = np.zeros((len(flat), self.count), flat.dtype)
        for column, boxes in enumerate(self.boxes):
            for window, taken, signs in _windows(flat, boxes):
                inside = tuple(range(2, window.ndim))
                sums = window[:, taken].sum(axis=inside) if inside else window[:, taken]
                paired[:, column] = paired[:, column] + sums @ signs.astype(flat.dtype)
        return paired

    def add_up(self, factors: NDArray[Any]) -> NDArray[Any]:
        """No entry of a diagram comes twice."""
        import numpy as np

        out = np.zeros((len(factors), self.entries), factors.dtype)
        for column, boxes in enumerate(self.boxes):
            for window, taken, signs in _windows(out, boxes):
                added = np.outer(factors[:, column], signs.astype(out.dtype))
                window[:, taken] += added.reshape(*added.shape, *[1] * len(boxes.sizes))
        return out


def _windows(flat: NDArray[Any], boxes: Boxes) -> Iterator[tuple[NDArray[Any], Any, NDArray[np.int64]]]:
    """The box at every corner, as a view; with which corners to take next, and their signs."""
    import numpy as np

    item = flat.itemsize
    window = np.lib.stride_tricks.as_strided(
        flat,
        (len(flat), int(boxes.corners.max()) + 1, *boxes.sizes),
        (flat.strides[0], item, *(item * step for step in boxes.steps)),
    )
    together = max(1, CHUNK // (max(len(flat), 1) * prod(boxes.sizes)))
    for start in range(0, len(boxes.corners), together):
        corners = boxes.corners[start : start + together]
        # One corner as a slice is a view; several are gathered.
        taken: Any = corners if len(corners) > 1 else slice(int(corners[0]), int(corners[0]) + 1)
        yield window, taken, boxes.signs[start : start + together]


def _boxes(group: Group, diagram: Diagram, n: int) -> Boxes:
    import numpy as np

    total = diagram.outputs + diagram.inputs
    place = [n ** (total - 1 - vertex) for vertex in range(total)]
    corners, signs = np.zeros(1, np.int64), np.ones(1, np.int64)
    sizes, steps = [], []
    for number, block in enumerate(diagram.blocks):
        if number in diagram.head:
            continue
        step = sum(place[vertex] for vertex in block)
        if group.symplectic and (block[0] < diagram.outputs) == (block[1] < diagram.outputs):
            # omega: +1 at (2r, 2r + 1), -1 at (2r + 1, 2r).
            corners = np.concatenate([corners + place[block[1]], corners + place[block[0]]])
            signs = np.concatenate([signs, -signs])
            sizes.append(n // 2)
            steps.append(2 * step)
        else:
            if group.signature is not None and (block[0] < diagram.outputs) == (block[1] < diagram.outputs):
                # A box for each index, with the sign of eta.
                corners = np.concatenate([corners + index * step for index in range(n)])
                signs = np.concatenate([signs * sign for sign in np.diag(group.pair_form(n))])
                continue
            sizes.append(n)
            steps.append(step)
    heads = heads_of(diagram.head, n)
    if heads and factorial(n) ** len(heads) > factorial(MAX_HEAD):
        raise SizeError(
            f"a head at n = {n} has {n}! terms, and there are {len(heads)}: projections with heads go up to "
            f"n = {MAX_HEAD}, or as many terms in all"
        )
    for head in heads:
        orders = _permutations(n)
        tied = [sum(place[vertex] for vertex in diagram.blocks[number]) for number in head]
        places, own = orders[: len(tied)].T @ np.array(tied, np.int64), functor.signs(orders, n)
        for leg, number in enumerate(head):
            if group.signature is not None and diagram.blocks[number][0] >= diagram.outputs:
                own = own * np.diag(group.pair_form(n))[orders[leg]]
        corners, signs = np.add.outer(corners, places).ravel(), np.multiply.outer(signs, own).ravel()
    return Boxes(corners, signs, tuple(sizes), tuple(steps))


@cache
def _permutations(n: int) -> NDArray[np.int64]:
    """All permutations of n labels, one per column."""
    import numpy as np

    return np.array(list(permutations(range(n))), np.int64).T


def _nested_boxes(element: Element, sizes: Sequence[int]) -> Boxes:
    """The same for a nested partition: an axis is made of two indices, and each has blocks of its own."""
    import numpy as np

    assert isinstance(element, tuple)  # noqa: S101 - a diagram for each index
    lengths, steps = [], []
    for index, (diagram, size) in enumerate(zip(element, sizes, strict=True)):
        assert isinstance(diagram, Diagram)  # noqa: S101 - nested partitions have no tables
        total, inside = diagram.outputs + diagram.inputs, prod(sizes[index + 1 :])
        for block in diagram.blocks:
            lengths.append(size)
            steps.append(inside * sum(prod(sizes) ** (total - 1 - vertex) for vertex in block))
    return Boxes(np.zeros(1, np.int64), np.ones(1, np.int64), tuple(lengths), tuple(steps))


def _of_diagrams(basis: Basis, n: int) -> Diagrams:
    entries = n ** (axes_of(basis.inputs) + axes_of(basis.outputs))
    if basis.group.maps == "nested":
        elements: tuple[Element, ...] = nested_elements(basis)
        group, lengths = basis.group, basis.group.index_lengths(n)
        boxes = [_nested_boxes(element, lengths) for element in elements]
    else:
        group, diagrams = diagrams_of(basis)
        boxes, elements = [_boxes(group, diagram, n) for diagram in diagrams], diagrams
    return Diagrams(len(elements), entries, inverse_gram(group, elements, n), tuple(boxes))


# --- Maps that share no entry -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Labelled(Span):
    """Maps that share no entry, each 1 or -1: which of them an entry belongs to, and its sign or 0."""

    labels: NDArray[np.int64]
    signs: NDArray[np.int64]

    def pair(self, flat: NDArray[Any]) -> NDArray[Any]:
        """Sums over the entries of each map."""
        import numpy as np

        paired = np.zeros((self.count, len(flat)), flat.dtype)
        np.add.at(paired, self.labels, (flat * self.signs.astype(flat.dtype)).T)
        return paired.T

    def add_up(self, factors: NDArray[Any]) -> NDArray[Any]:
        """Each entry is looked up."""
        looked_up: NDArray[Any] = factors[:, self.labels] * self.signs.astype(factors.dtype)
        return looked_up


def _labelled(labels: NDArray[np.int64], signs: NDArray[np.int64], count: int) -> Labelled:
    import numpy as np

    sizes = np.bincount(labels, np.abs(signs), count).tolist()
    return Labelled(count, len(labels), tuple(Fraction(1, int(size)) for size in sizes), labels, signs)


def _of_orbits(group: Group, total: int) -> Labelled:
    import numpy as np

    labels = functor.orbits_of(group, total).reshape(-1)
    return _labelled(labels, np.ones(len(labels), np.int64), orbit_count(labels))


def _of_tables(maps: Sequence[MatrixMap], entries: int, columns: int) -> Labelled | None:
    """Maps given by their entries, if they share none and all are 1 or -1."""
    import numpy as np

    listed = [
        (row * columns + column, number, value) for number, one in enumerate(maps) for row, column, value in one.entries
    ]
    places = [place for place, _, _ in listed]
    if len({*places}) < len(places) or any(abs(value) != 1 for _, _, value in listed):
        return None
    labels, signs = np.zeros(entries, np.int64), np.zeros(entries, np.int64)
    labels[places] = [number for _, number, _ in listed]
    signs[places] = [value for _, _, value in listed]
    return _labelled(labels, signs, len(maps))


# --- Matrices -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Rows(Span):
    """Maps as rows of whole numbers; entries count by their ``weights``, whose roots make up for unnormalised ones."""

    rows: NDArray[np.int64]
    weights: NDArray[np.object_] | None = None

    def pair(self, flat: NDArray[Any]) -> NDArray[Any]:
        """One product of matrices."""
        import numpy as np

        return np.asarray(flat @ self._of_kind(flat).T)

    def add_up(self, factors: NDArray[Any]) -> NDArray[Any]:
        """The same."""
        import numpy as np

        return np.asarray(factors @ self._of_kind(factors))

    @property
    def largest(self) -> int:
        """The largest entry of a row, without its sign."""
        return int(abs(self.rows).max(initial=1))

    def _of_kind(self, other: NDArray[Any]) -> NDArray[Any]:
        return self.rows.astype(other.dtype) if other.dtype.kind in "iO" else self.floats()

    def floats(self) -> NDArray[np.float64]:
        """The rows in the coordinates in which all entries count alike."""
        import numpy as np

        scales = 1.0 if self.weights is None else np.sqrt(self.weights.astype(np.float64))
        return np.asarray(self.rows * scales, np.float64)


def _of_rows(rows: NDArray[np.int64], weights: NDArray[np.object_] | None = None) -> Rows:
    import flint

    count, entries = rows.shape
    if weights is None:
        products = rows.astype(object) @ rows.T.astype(object) if abs(rows).max(initial=0) > 1 << 20 else rows @ rows.T
        listed = [flint.fmpq(int(entry)) for entry in products.ravel()]
    else:
        products = (rows.astype(object) * weights) @ rows.T.astype(object)
        listed = [flint.fmpq(int(entry.numerator), int(entry.denominator)) for entry in map(Fraction, products.ravel())]
    inverse = flint.fmpq_mat(count, count, listed).inv() if count else flint.fmpq_mat(0, 0)
    return Rows(count, entries, inverse, rows, weights)


def symmetric_rows(basis: Basis, n: int) -> tuple[NDArray[np.int64], int]:
    """The maps of tensors with symmetries as matrices, summed over the exchanges of the inputs; how many these are."""
    refuse_many(basis)
    axes = [n] * axes_of(basis.inputs)
    summed = added_up(basis.matrices(n).reshape(len(basis), n ** axes_of(basis.outputs), *axes), basis.inputs)
    exchanges = prod(one.size for one in entries_of(basis.inputs) if isinstance(one, Symmetry))
    return summed.reshape(len(basis), n ** (axes_of(basis.outputs) + len(axes))), exchanges


def refuse_many(basis: Basis) -> None:
    """Raise SizeError where the Gram matrix of a basis is too large."""
    if len(basis) > MAX_ROWS:
        raise SizeError(
            f"a Gram matrix of {len(basis):,} maps of {basis.group} {order_text(basis.inputs)} -> "
            f"{order_text(basis.outputs)} is beyond {MAX_ROWS:,}: ask for lower orders"
        )


# --- Which of them a group has ------------------------------------------------------------------------


def span_of(basis: Basis, n: int) -> tuple[Span, Exact | None]:
    """The span of a basis of a group that is no product, and the basis in its vectors, a column each; None: the same.

    Between tensors with symmetries of indices, stored full, the maps are the nearest ones on all tensors.
    """
    import flint
    import numpy as np

    if not basis.plain_orders:
        rows, exchanges = symmetric_rows(basis, n)
        return _of_rows(rows), tuple([Fraction(1, exchanges)] * len(basis))
    group, entries = basis.group, n ** (axes_of(basis.inputs) + axes_of(basis.outputs))
    if not basis.diagrams:
        return _of_rows(np.zeros((0, entries), np.int64)), None
    if group.diagrammatic and all(isinstance(one, Diagram | tuple) for one in basis.diagrams):
        return _of_diagrams(basis, n), None
    if all(isinstance(element, MatrixMap) for element in basis.diagrams):
        return _of_matrices(basis, n), None
    span = _of_orbits(group, axes_of(basis.inputs) + axes_of(basis.outputs))
    if group.kept_graph is None:
        return span, None
    refuse_many(basis)
    return span, flint.fmpq_mat(flint.fmpz_mat(_values(basis).tolist()))


def _of_matrices(basis: Basis, n: int) -> Span:
    maps = [element for element in basis.diagrams if isinstance(element, MatrixMap)]
    columns, entries = n ** axes_of(basis.inputs), n ** (axes_of(basis.inputs) + axes_of(basis.outputs))
    labelled = _of_tables(maps, entries, columns)
    if labelled is not None:
        return labelled
    refuse_many(basis)
    return _of_rows(basis.matrices(n).reshape(len(basis), entries))


def _values(basis: Basis) -> NDArray[np.int64]:
    """The value of each element of a basis of orbits and bilabelled graphs (columns) on each orbit (rows)."""
    import numpy as np

    labels, graph = (
        functor.orbits_of(basis.group, axes_of(basis.inputs) + axes_of(basis.outputs)),
        basis.group.kept_graph,
    )
    values = np.zeros((len(basis), len(basis)), np.int64)
    for column, element in enumerate(basis.diagrams):
        if isinstance(element, Orbit):
            values[labels[element.representative], column] = 1
        elif isinstance(element, Diagram) and graph is not None:
            values[:, column] = counts(graph.adjacency(), element, representative_array(labels))
    return values


@lru_cache(maxsize=128)
def stored_span(group: Group, inputs: Order, outputs: Order) -> Span:
    """The maps between two orders of a group that is no product as matrices on tensors as they are stored.

    >>> from eqsynth import Group
    >>> from eqsynth.bases.spans import stored_span
    >>> from eqsynth.spaces.space import Symmetry
    >>> span = stored_span(Group("O", 3), Symmetry("S", 2, packed=True), 0)
    >>> span.rows.tolist(), span.inverse
    ([[1, 0, 0, 1, 0, 1]], [1/3])
    """
    plain_orders = is_plain(inputs) and is_plain(outputs)
    if plain_orders and group.maps in ("orbits", "graphs") and not mixed(group, inputs, outputs):
        return _of_orbits(group, axes_of(inputs) + axes_of(outputs))
    basis, n = bases.basis(group, inputs, outputs), group.number
    if plain_orders:
        return span_of(basis, n)[0]
    refuse_many(basis)
    matrices = basis.matrices()
    below, columns = on_stored(matrices, inputs, n)
    above, rows = on_stored(below.transpose(0, 2, 1), outputs, n, summed=False)
    count = len(basis)
    flat = above.transpose(0, 2, 1).reshape(count, above.shape[1] * above.shape[2])
    if rows is None and columns is None:
        return _of_rows(flat)
    import numpy as np

    ones = [np.full(length, Fraction(1), object) for length in (above.shape[2], above.shape[1])]
    weights = np.multiply.outer(ones[0] if rows is None else rows, ones[1] if columns is None else columns)
    return _of_rows(flat, weights.reshape(-1))
