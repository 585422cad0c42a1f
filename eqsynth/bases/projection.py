"""The orthogonal projection of any matrix to the equivariant maps, exact, for every group."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from math import lcm, prod
from typing import TYPE_CHECKING, Any

from eqsynth.bases import basis as bases
from eqsynth.bases.basis import CHOICES, Basis
from eqsynth.bases.spans import Span, span_of
from eqsynth.errors import GroupError, ShapeError, SizeError, explain_calls, require
from eqsynth.exact.numbers import binary, fraction
from eqsynth.spaces.space import axis_counts, order_text, orders_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from eqsynth.bases.spans import Exact


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """The projection of a matrix to the span of a basis: ``coefficients[i]`` times map i, added up.

    >>> import eqsynth as eq
    >>> from eqsynth.symbolic import project
    >>> projection = project(eq.basis("S(n)", 1, 1), [[1, 0], [0, 3]], n=2)
    >>> [str(one) for one in projection.coefficients], projection.matrix().astype(int).tolist()
    (['0', '2'], [[2, 0], [0, 2]])

    ``coefficients`` has shape ``(len(basis), *batch)``: Fractions, or float64 (complex128) for a matrix of floats (a
    tensor if that was one). ``n`` is the size, for a product of groups one for each factor. :meth:`matrix` has the
    shape of the matrix that was projected.
    """

    basis: Basis
    n: int | tuple[int, ...]
    coefficients: Any

    def matrix(self) -> Any:
        """The projected matrix, entries of the same kind as the coefficients."""
        import numpy as np

        tensor = _is_tensor(self.coefficients)
        numbers = self.coefficients.resolve_conj().numpy() if tensor else self.coefficients
        sizes = self.n if isinstance(self.n, tuple) else (self.n,)
        parts = _parts(self.basis, sizes)
        batch, exact = numbers.shape[1:], numbers.dtype == object
        arranged = np.zeros((prod(batch), len(self.basis)), numbers.dtype)
        arranged[:, _places(self.basis, [part.basis for part in parts])] = numbers.reshape(
            len(self.basis), prod(batch)
        ).T
        numbers = arranged.reshape(prod(batch), *(part.span.count for part in parts))
        for axis, part in enumerate(parts, 1):
            if part.values is not None:
                numbers = _along(numbers, axis, partial(_times, matrix=part.values))
        below = 1
        if exact:
            terms = prod(max(part.span.count, 1) * part.span.largest for part in parts)
            numbers, below = _whole(numbers, terms)
        for axis, part in enumerate(parts, 1):
            numbers = _along(numbers, axis, part.span.add_up)
        shapes = _shapes(self.basis, sizes)
        out = _joined(numbers, shapes).reshape(*batch, prod(row for row, _ in shapes), prod(col for _, col in shapes))
        if exact:
            return _fractions(out, below)
        if not tensor:
            return out
        import torch

        return torch.from_numpy(out)


@explain_calls
def project(basis: Basis, matrix: Any, n: int | Sequence[int] | None = None) -> Projection:
    """The orthogonal projection of any n^l x n^k matrix onto the span of a basis.

    >>> import eqsynth as eq
    >>> from eqsynth.symbolic import project
    >>> projection = project(eq.basis("S(2)", 1, 1), [[1, 2], [3, 5]])
    >>> print(*projection.coefficients)
    5/2 1/2
    >>> print(projection.matrix())
    [[Fraction(3, 1) Fraction(5, 2)]
     [Fraction(5, 2) Fraction(3, 1)]]
    >>> print(*project(eq.basis("C(3)", 1, 1), [[1, 2, 3], [0, 0, 0], [0, 0, 1]]).coefficients)
    2/3 2/3 1

    ``matrix`` has shape ``(*batch, n**l, n**k)``; batch axes, such as output and input channels, are
    projected one by one. Whole numbers, Fractions and texts such as ``"1/3"`` are projected exactly. Floats and complex
    numbers (a NumPy array or a torch tensor, of any precision) are projected in float64 with exactly inverted
    Gram matrices. ``n`` is needed where the group leaves it open; for a product of groups one for each factor.

    The projection is the average of rho_l(g)^-1 M rho_k(g) over a group of orthogonal (unitary) matrices. For Sp(n),
    GL(n), SL(n), O(p,q) and SO(p,q) it is that over the compact group with the same equivariant maps; for groups given
    by other matrices, which need have none, it is what is nearest. Only for SO(n) and A(n) with n a letter it is less,
    at sizes at which a head would fit: that basis has none. The coefficients are those of the diagrams as they are: a
    layer that scales its diagrams needs them divided by its scales.

    Diagrams take one pass over their entries that are not zero, without a list of them; orbits of permutations are
    averaged, one pass for all; a product of groups is projected factor by factor, and its Gram matrix is never formed.
    Groups of other matrices, and tensors with symmetries of indices, take the exact Gram matrix of the whole maps.
    Between tensors with such symmetries, stored full, matrices are averaged over the exchanges of inputs and of
    outputs, too: that is the nearest map between them.

    Raises ShapeError for a matrix of another shape or of other things than numbers, SymbolicError where
    n is missing or the diagrams are dependent at this n, SizeError for heads beyond n = 9 and for more than 1000
    maps that are no orbits, GroupError for irreps, whose coordinates are no fractions (:func:`eqsynth.nn.project`).
    Source: Collins and Sniady, math-ph/0402073, for the coefficients W(<D, M>).
    """
    import numpy as np

    require("basis", basis, Basis, "write eq.basis(group, inputs, outputs)")
    basis.refuse_irreps()
    sizes = basis.sizes(n)
    parts, shapes = _parts(basis, sizes), _shapes(basis, sizes)
    tensor = _is_tensor(matrix)
    given = _array(matrix.detach().cpu() if tensor else matrix)
    expected = (prod(row for row, _ in shapes), prod(column for _, column in shapes))
    if given.shape[-2:] != expected or given.ndim < 2:
        at = sizes[0] if len(sizes) == 1 else sizes
        raise ShapeError(
            f"a map of {basis.group} from order {order_text(basis.inputs)} to {order_text(basis.outputs)} at n = {at} "
            f"is a matrix of shape (..., {expected[0]}, {expected[1]}), not {given.shape}: rows are output indices, "
            "the first axis most significant"
        )
    batch, exact, below = given.shape[:-2], given.dtype == object, 1
    numbers = given.reshape(prod(batch), *expected)
    if exact:
        numbers, below = _whole(numbers, prod(expected) * prod(part.span.largest for part in parts))
    numbers = _split(numbers, shapes)
    for axis, part in enumerate(parts, 1):
        numbers = _along(numbers, axis, part.span.pair)
    if exact:
        numbers = _fractions(numbers, below)
    for axis, part in enumerate(parts, 1):
        numbers = _along(numbers, axis, part.solve)
    places = _places(basis, [part.basis for part in parts])
    listed = numbers.reshape(prod(batch), len(basis))[:, places]
    coefficients: Any = np.ascontiguousarray(listed.T).reshape(len(basis), *batch)
    if tensor and not exact:
        import torch

        coefficients = torch.from_numpy(coefficients)
    return Projection(basis, sizes if len(sizes) > 1 else sizes[0], coefficients)


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """A basis of one factor, its span, and the basis in the vectors of that."""

    basis: Basis
    span: Span
    values: Exact | None

    def solve(self, rows: NDArray[Any]) -> NDArray[Any]:
        """The coefficients of the basis from inner products with the vectors of the span."""
        solved = _times(rows, self.span.inverse)
        if isinstance(self.values, tuple):
            return _times(solved, tuple(1 / value for value in self.values))
        return solved if self.values is None else _times(solved, self.values.inv())


def _parts(basis: Basis, sizes: Sequence[int]) -> list[_Part]:
    listed = [basis] if basis.group.maps != "factors" else [_factor(basis, place) for place in range(len(sizes))]
    return [_Part(part, *span_of(part, n)) for part, n in zip(listed, sizes, strict=True)]


def _factor(basis: Basis, place: int) -> Basis:
    """The basis of a factor whose elements a basis of a product is made of."""
    used = {basis.factor_parts(index)[place] for index in range(len(basis))}
    factor = basis.group.factors[place]
    inputs, outputs = orders_of(basis.inputs)[place], orders_of(basis.outputs)[place]
    for choose in CHOICES:
        try:
            part = bases.basis(factor, inputs, outputs, choose=choose)
        except (GroupError, SizeError):
            continue
        if not used or used == {*part.diagrams}:
            return part
    raise GroupError(
        f"the maps of {basis.group} {order_text(basis.inputs)} -> {order_text(basis.outputs)} are not those of its "
        "factors: take them from eq.basis"
    )


def _places(basis: Basis, parts: Sequence[Basis]) -> NDArray[np.int64]:
    """The number of each element of the basis among all tuples of maps of the factors, the first most significant."""
    import numpy as np

    if len(parts) == 1:
        return np.arange(len(basis))
    places = np.zeros(len(basis), np.int64)
    for factor, part in enumerate(parts):
        number = {element: at for at, element in enumerate(part.diagrams)}
        own = [number[basis.factor_parts(index)[factor]] for index in range(len(basis))]
        places = places * len(part) + np.array(own, np.int64)
    return places


def _shapes(basis: Basis, sizes: Sequence[int]) -> list[tuple[int, int]]:
    """How many rows and columns the maps of each factor have."""
    counted = zip(axis_counts(basis.outputs), axis_counts(basis.inputs), sizes, strict=True)
    return [(n**above, n**below) for above, below, n in counted]


def _split(matrices: NDArray[Any], shapes: Sequence[tuple[int, int]]) -> NDArray[Any]:
    """Matrices ``(batch, rows, columns)`` as ``(batch, rows x columns of factor 1, of factor 2, ...)``."""
    import numpy as np

    several = len(shapes)
    split = matrices.reshape(len(matrices), *(row for row, _ in shapes), *(column for _, column in shapes))
    split = split.transpose(0, *(axis for place in range(1, several + 1) for axis in (place, place + several)))
    return np.ascontiguousarray(split).reshape(len(matrices), *map(prod, shapes))


def _joined(split: NDArray[Any], shapes: Sequence[tuple[int, int]]) -> NDArray[Any]:
    """The same the other way round."""
    several = len(shapes)
    apart = split.reshape(len(split), *(length for shape in shapes for length in shape))
    return apart.transpose(0, *range(1, 2 * several, 2), *range(2, 2 * several + 1, 2))


def _along(numbers: NDArray[Any], axis: int, change: Callable[[NDArray[Any]], NDArray[Any]]) -> NDArray[Any]:
    """What a function of rows makes of an axis of an array."""
    import numpy as np

    moved = np.moveaxis(numbers, axis, -1)
    rows = np.ascontiguousarray(moved).reshape(prod(moved.shape[:-1]), moved.shape[-1])
    changed = change(rows)
    return np.moveaxis(changed.reshape(*moved.shape[:-1], changed.shape[1]), -1, axis)


def _times(rows: NDArray[Any], matrix: Exact) -> NDArray[Any]:
    """Each row as a vector times an exact matrix; Fractions stay so."""
    import flint
    import numpy as np

    if isinstance(matrix, tuple):
        diagonal = np.array([*matrix, None], object)[:-1]
        scaled: NDArray[Any] = rows * (diagonal if rows.dtype == object else diagonal.astype(np.float64))
        return scaled
    count = matrix.nrows()
    if rows.dtype != object:
        floats = np.array([int(entry.p) / int(entry.q) for entry in matrix.entries()]).reshape(count, count)
        return np.asarray(rows @ floats.T)
    entries = [flint.fmpq(entry.numerator, entry.denominator) for entry in rows.T.ravel()]
    solved = (matrix * flint.fmpq_mat(count, len(rows), entries)).entries() if rows.size else []
    fractions = np.empty(rows.T.shape, object)
    fractions.ravel()[:] = [Fraction(int(entry.p), int(entry.q)) for entry in solved]
    return fractions.T


def _is_tensor(matrix: Any) -> bool:
    return type(matrix).__module__.split(".")[0] == "torch" and hasattr(matrix, "detach")


def _array(matrix: Any) -> NDArray[Any]:
    """An array of float64 or complex128, or of objects that are whole numbers and fractions."""
    import numpy as np

    try:
        if _is_tensor(matrix) and matrix.is_complex():
            matrix = matrix.resolve_conj().numpy()
        elif _is_tensor(matrix):
            matrix = matrix.double().numpy() if matrix.is_floating_point() else matrix.numpy()
        given = np.asarray(matrix)
        # Numbers as texts, which NumPy would make of all entries where it finds one.
        given = np.array(matrix, object) if given.dtype.kind == "U" else given
        if given.dtype.kind in "iub":
            return given.astype(object)
        if given.dtype.kind in "fc" and not np.isfinite(given).all():
            raise TypeError
        if given.dtype.kind in "fc":
            return np.ascontiguousarray(given, np.float64 if given.dtype.kind == "f" else np.complex128)
        if given.dtype != object:
            raise TypeError
        exact = np.empty(given.shape, object)
        exact.ravel()[:] = [fraction(entry) for entry in given.flat]
        return exact.astype(np.float64) if any(map(binary, given.flat)) else exact
    except (TypeError, ValueError):
        pass
    raise ShapeError(
        "a matrix to project holds whole numbers, Fractions, texts such as '1/3' or floats in rows of equal length"
    )


def _whole(numbers: NDArray[Any], terms: int) -> tuple[NDArray[Any], int]:
    """Numerators over one denominator: int64 where sums of ``terms`` of them fit, else objects."""
    import numpy as np

    below = lcm(*(int(entry.denominator) for entry in numbers.flat))
    scaled = np.empty(numbers.size, object)
    scaled[:] = [int(entry.numerator) * (below // int(entry.denominator)) for entry in numbers.flat]
    largest = max((abs(entry) for entry in scaled), default=0)
    fits = largest * terms < 1 << 62
    return np.ascontiguousarray(scaled.reshape(numbers.shape), np.int64 if fits else object), below


def _fractions(numbers: NDArray[Any], below: int) -> NDArray[np.object_]:
    import numpy as np

    fractions = np.empty(numbers.size, object)
    fractions[:] = [Fraction(int(entry), below) for entry in numbers.flat]
    return fractions.reshape(numbers.shape)
