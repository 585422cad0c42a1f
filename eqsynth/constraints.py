"""The other way to the same maps: the exact null space of the generators' constraints.

It uses no diagram and grows with n^(k+l), so it serves as the oracle that diagram bases are tested
against at small sizes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eqsynth.errors import SizeError
from eqsynth.group import Group
from eqsynth.representation import generators, size

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_UNKNOWNS = 1_000


def nullspace(group: Group, inputs: int, outputs: int) -> NDArray[np.int64]:
    """A basis of all equivariant maps as integer matrices, shape ``(dim, n**outputs, n**inputs)``.

    >>> from eqsynth import Group
    >>> from eqsynth.constraints import nullspace
    >>> nullspace(Group("S", 2), 1, 1).shape
    (2, 2, 2)

    Exact: integer constraints W rho(g) = rho(g) W, reduced over the rationals.
    Raises SizeError above a thousand unknown entries.
    """
    import flint
    import numpy as np

    elements, algebra = generators(group)
    n = size(group)
    rows, columns = n**outputs, n**inputs
    if rows * columns > MAX_UNKNOWNS:
        raise SizeError(
            f"the null space of {group} {inputs} -> {outputs} has {rows * columns:,} unknowns, more than "
            f"{MAX_UNKNOWNS:,}: ask for a smaller n or lower orders, or use eq.basis"
        )
    unit_out, unit_in = np.eye(rows, dtype=np.int64), np.eye(columns, dtype=np.int64)
    blocks = [np.zeros((1, rows * columns), np.int64)]
    for g in elements:
        blocks.append(np.kron(unit_out, _power(g, inputs).T) - np.kron(_power(g, outputs), unit_in))
    for x in algebra:
        blocks.append(np.kron(unit_out, _derivative(x, inputs).T) - np.kron(_derivative(x, outputs), unit_in))
    constraints = np.unique(np.concatenate(blocks), axis=0)
    kernel, nullity = flint.fmpz_mat(constraints.tolist()).nullspace()
    found = np.array([[int(kernel[i, j]) for i in range(rows * columns)] for j in range(nullity)], dtype=object)
    return found.astype(np.int64).reshape(nullity, rows, columns)


def _power(g: NDArray[np.int64], order: int) -> NDArray[np.int64]:
    """G on the tensor power V^order."""
    import numpy as np

    power = np.ones((1, 1), np.int64)
    for _ in range(order):
        power = np.kron(power, g)
    return power


def _derivative(x: NDArray[np.int64], order: int) -> NDArray[np.int64]:
    """The Lie algebra element x on V^order: the sum over places of x in one place."""
    import numpy as np

    n = len(x)
    total = np.zeros((n**order, n**order), np.int64)
    for place in range(order):
        before, after = np.eye(n**place, dtype=np.int64), np.eye(n ** (order - 1 - place), dtype=np.int64)
        total += np.kron(np.kron(before, x), after)
    return total
