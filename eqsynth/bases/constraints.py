"""The other way to the same maps: the exact null space of the generators' constraints.

It uses no diagram and grows with n^(k+l). It is how groups given by matrices get their bases, and the
oracle that diagram bases are tested against at small sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from math import lcm
from typing import TYPE_CHECKING, Any

from eqsynth.errors import GroupError, SizeError
from eqsynth.exact.partitions import components
from eqsynth.families.group import Group
from eqsynth.families.hom import mixed
from eqsynth.families.matrix import determinant
from eqsynth.families.representation import generators
from eqsynth.spaces.space import Order, axes_of, duals_of, order_text

if TYPE_CHECKING:
    import flint
    import numpy as np
    from numpy.typing import NDArray

MAX_UNKNOWNS = 2_500
#: Lifted kernels with larger entries are refused: their squares would not fit.
MAX_LIFTED = 1 << 20
PRIMES = ((1 << 31) - 1, (1 << 61) - 1)


def nullspace(group: Group, given: Order, wanted: Order) -> NDArray[np.int64]:
    """A basis of all equivariant maps as integer matrices, shape ``(dim, n**outputs, n**inputs)``.

    ``given`` and ``wanted`` are orders of tensors of all kinds, perhaps twisted by the determinant, or with axes of V*.

    >>> from eqsynth import Group
    >>> from eqsynth.bases.constraints import nullspace
    >>> nullspace(Group("S", 2), 1, 1).shape
    (2, 2, 2)

    Exact: the constraints W rho(g) = rho(g) W are reduced modulo a prime, the kernel is lifted to
    rational numbers and tested against every constraint in whole numbers. The kernel modulo a prime is
    never smaller than the rational one, so a lift that passes is the whole of it.

    Raises SizeError above 2,500 unknown entries.
    """
    import numpy as np

    n = group.number
    inputs, outputs, names = axes_of(given), axes_of(wanted), f"{order_text(given)} -> {order_text(wanted)}"
    rows, columns = n**outputs, n**inputs
    if rows * columns > MAX_UNKNOWNS:
        raise SizeError(
            f"the null space of {group} {names} has {rows * columns:,} unknowns, more than "
            f"{MAX_UNKNOWNS:,}: ask for a smaller n or lower orders, or for a group with diagrams"
        )
    elements, algebra = ([_integers(g, max(inputs, outputs)) for g in listed] for listed in generators(group))
    unit_out, unit_in = np.eye(rows, dtype=np.int64), np.eye(columns, dtype=np.int64)
    below, above = duals_of(given), duals_of(wanted)
    signs = [determinant(g) if mixed(group, given, wanted) else 1 for g in elements]
    constraints = [
        _whole(np.kron(unit_out, _power(g, below).T) - int(sign) * np.kron(_power(g, above), unit_in))
        for g, sign in zip(elements, signs, strict=True)
    ]
    constraints += [
        _whole(np.kron(unit_out, _derivative(x, below).T) - np.kron(_derivative(x, above), unit_in)) for x in algebra
    ]
    for prime in PRIMES:
        kernel = _lifted_kernel(constraints, rows * columns, prime)
        if kernel is not None and all(not (constraint @ kernel.T).any() for constraint in constraints):
            return kernel.reshape(len(kernel), rows, columns)
    raise GroupError(
        f"the null space of {group} {names} has entries too large to lift: ask for generators with smaller numbers"
    )


def _lifted_kernel(constraints: list[NDArray[Any]], unknowns: int, prime: int) -> NDArray[Any] | None:
    """Kernel vectors, one per free column, as primitive whole numbers; None where a lift fails."""
    import numpy as np

    # Each constraint is asked of the solutions of those before it, which soon are few.
    solutions: NDArray[np.int64] | None = None
    for constraint in constraints:
        # Each row once, and none that says nothing: there are many of both.
        useful = [*{row.tobytes(): row % prime for row in constraint if row.any()}.values()]
        if not useful:
            continue
        if solutions is not None and not len(solutions):
            break
        asked = np.array(useful)
        if solutions is None:
            solutions = _kernel(asked, prime)
        else:
            kernel = _kernel(_times(asked, np.ascontiguousarray(solutions.T), prime), prime)
            solutions = _times(kernel, solutions, prime)
    if solutions is None:
        solutions = np.eye(unknowns, dtype=np.int64)
    # One solution per free column, the later ones first: from the right, they are in echelon form.
    vectors = []
    for row in _reduced(solutions[:, ::-1], prime)[::-1, ::-1]:
        vector: dict[int, Fraction] = {}
        for place in np.flatnonzero(row).tolist():
            lifted = _rational(int(row[place]), prime)
            if lifted is None:
                return None
            vector[place] = lifted
        scale = lcm(*(value.denominator for value in vector.values()))
        if any(abs(value * scale) > MAX_LIFTED for value in vector.values()):
            return None
        whole = [0] * unknowns
        for place, value in vector.items():
            whole[place] = int(value * scale)
        vectors.append(whole)
    return np.array(vectors, dtype=np.int64).reshape(len(vectors), unknowns)


def _matrix(rows: NDArray[np.int64], prime: int) -> flint.nmod_mat:
    import flint

    height, width = rows.shape
    return flint.nmod_mat(flint.fmpz_mat(height, width, rows.ravel().tolist()), prime)


def _entries(matrix: flint.nmod_mat, rows: int) -> NDArray[np.int64]:
    import numpy as np

    columns = matrix.ncols()
    return np.fromiter(map(int, matrix.entries()[: rows * columns]), np.int64, rows * columns).reshape(rows, columns)


def _reduced(rows: NDArray[np.int64], prime: int) -> NDArray[np.int64]:
    """The rows of the reduced echelon form that are not zero."""
    echelon, rank = _matrix(rows, prime).rref()
    return _entries(echelon, rank)


def _times(left: NDArray[np.int64], right: NDArray[np.int64], prime: int) -> NDArray[np.int64]:
    """The product of two matrices of residues; the left one has few entries in a row that are not zero.

    >>> import numpy as np
    >>> from eqsynth.bases.constraints import _times
    >>> _times(np.array([[0, 3], [0, 0], [1, 1]]), np.array([[1, 2], [3, 4]]), 7).tolist()
    [[2, 5], [0, 0], [4, 6]]
    """
    import numpy as np

    if prime >= 1 << 31:  # products of residues do not fit in 64 bits
        return _entries(_matrix(left, prime) * _matrix(right, prime), len(left))
    product = np.zeros((len(left), right.shape[1]), np.int64)
    # The first entries of all rows, then the second ones, and so on.
    rows, columns = left.nonzero()
    place = np.arange(len(rows)) - np.searchsorted(rows, rows)
    for turn in range(place.max(initial=-1) + 1):
        here = place == turn
        at = rows[here]
        product[at] = (product[at] + left[at, columns[here], None] * right[columns[here]]) % prime
    return product


def _kernel(rows: NDArray[np.int64], prime: int) -> NDArray[np.int64]:
    """The kernel of a matrix of residues, one row per free column.

    Unknowns that no equation joins, directly or through others, are solved for apart: there are few in each part.
    """
    import numpy as np

    # Each equation once.
    rows = np.array([*{row.tobytes(): row for row in rows if row.any()}.values()]).reshape(-1, rows.shape[1])
    part = np.array(components(rows.shape[1], [np.flatnonzero(row).tolist() for row in rows]), np.int64)
    first = part[(rows != 0).argmax(1)] if len(rows) else part[:0]
    vectors = []
    for root in np.unique(part):
        columns = np.flatnonzero(part == root)
        own = rows[first == root][:, columns]
        for solution in _solved(own, prime):
            vector = np.zeros(rows.shape[1], np.int64)
            vector[columns] = solution
            vectors.append(vector)
    return np.array(vectors, np.int64).reshape(-1, rows.shape[1])


def _solved(rows: NDArray[np.int64], prime: int) -> NDArray[np.int64]:
    """The same for unknowns that the equations join."""
    import numpy as np

    columns = rows.shape[1]
    if not len(rows):
        return np.eye(columns, dtype=np.int64)
    if columns == 1:
        return np.zeros((0, 1), np.int64)
    reduced = _reduced(rows, prime)
    pivots = (reduced != 0).argmax(1)
    free = np.setdiff1d(np.arange(columns), pivots)
    kernel = np.zeros((len(free), columns), np.int64)
    kernel[np.arange(len(free)), free] = 1
    kernel[:, pivots] = -reduced[:, free].T % prime
    return kernel


@lru_cache(maxsize=1024)
def _rational(residue: int, prime: int) -> Fraction | None:
    """The fraction with small numerator and denominator that has this residue."""
    bound = int((prime // 2) ** 0.5)
    old, new = (prime, 0), (residue, 1)
    while new[0] > bound:
        quotient = old[0] // new[0]
        old, new = new, (old[0] - quotient * new[0], old[1] - quotient * new[1])
    return Fraction(new[0], new[1]) if new[1] and abs(new[1]) <= bound else None


def _integers(matrix: NDArray[Any], order: int) -> NDArray[Any]:
    """The matrix in machine integers, where its entries are whole and products of so many of them are not large."""
    if matrix.dtype != object or any(entry.denominator != 1 for entry in matrix.ravel()):
        return matrix
    largest = max((abs(int(entry)) for entry in matrix.ravel()), default=0)
    return matrix.astype("int64") if max(largest, 2) ** order * order < 1 << 31 else matrix


def _whole(matrix: NDArray[Any]) -> NDArray[np.int64]:
    """The matrix times the least number that makes it whole."""
    import numpy as np

    if matrix.dtype != object:
        return matrix
    scale = lcm(*{entry.denominator for entry in matrix.ravel()})
    return np.array([[int(entry * scale) for entry in row] for row in matrix], dtype=np.int64)


def _power(g: NDArray[Any], duals: Sequence[bool]) -> NDArray[Any]:
    """G on a product of copies of V and of V*, one for each axis."""
    import numpy as np

    power = np.ones((1, 1), np.int64)
    dual = _inverse(g).T if any(duals) else g
    for is_dual in duals:
        power = np.kron(power, dual if is_dual else g)
    return power


def _inverse(g: NDArray[Any]) -> NDArray[Any]:
    """The exact inverse, with fractions as entries where some are not whole."""
    import flint
    import numpy as np

    entries = [flint.fmpq(entry.numerator, entry.denominator) for entry in map(Fraction, g.ravel().tolist())]
    inverse = flint.fmpq_mat(len(g), len(g), entries).inv()
    exact = [Fraction(int(entry.p), int(entry.q)) for entry in inverse.entries()]
    listed = np.array(exact, object).reshape(g.shape)
    return listed.astype(np.int64) if all(entry.denominator == 1 for entry in exact) else listed


def _derivative(x: NDArray[Any], duals: Sequence[bool]) -> NDArray[Any]:
    """The Lie algebra element x on such a product: the sum over places of x in one place, -x transposed on V*."""
    import numpy as np

    n, order = len(x), len(duals)
    total = np.zeros((n**order, n**order), x.dtype)
    for place, dual in enumerate(duals):
        before, after = np.eye(n**place, dtype=np.int64), np.eye(n ** (order - 1 - place), dtype=np.int64)
        total = total + np.kron(np.kron(before, -x.T if dual else x), after)
    return total
