"""Group elements as matrices, and how they act on tensors. For checks and the oracle, not for layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eqsynth.errors import SymbolicError
from eqsynth.group import Group

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def random_element(group: Group, rng: np.random.Generator) -> NDArray[np.float64]:
    """A random element of the group as an n x n matrix.

    >>> import numpy as np
    >>> from eqsynth import Group
    >>> from eqsynth.representation import random_element
    >>> g = random_element(Group("O", 3), np.random.default_rng(0))
    >>> bool(np.allclose(g @ g.T, np.eye(3)))
    True

    Uniform over the finite groups, Haar over O(n) and SO(n); for Sp(n), which is not compact, a
    product of random transvections of moderate size.
    """
    import numpy as np

    n = size(group)
    match group.family:
        case "S" | "A":
            found = np.eye(n)[rng.permutation(n)]
            if group.family == "A" and np.linalg.det(found) < 0:
                found = found[[1, 0, *range(2, n)]]
            return found
        case "O" | "SO":
            q, r = np.linalg.qr(rng.standard_normal((n, n)))
            found = np.asarray(q * np.sign(np.diag(r)))
            if group.family == "SO" and np.linalg.det(found) < 0:
                found[:, 0] = -found[:, 0]
            return found
        case _:
            form, found = omega(n).astype(float), np.eye(n)
            for _ in range(2 * n):
                vector = rng.standard_normal(n) / np.sqrt(n)
                found = found @ (np.eye(n) + 0.5 * np.outer(vector, vector @ form))
            return found


def omega(n: int) -> NDArray[np.int64]:
    """The symplectic form: 1 at (2r, 2r+1), -1 at (2r+1, 2r), else 0."""
    import numpy as np

    return np.kron(np.eye(n // 2, dtype=np.int64), np.array([[0, 1], [-1, 0]]))


def generators(group: Group) -> tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]]:
    """Integer matrices that generate the group: elements g, and elements X that generate its Lie algebra.

    A map W is equivariant exactly when W rho(g) = rho(g) W for all g, and W drho(X) = drho(X) W for all X.
    """
    import numpy as np

    n = size(group)
    unit = np.eye(n, dtype=np.int64)
    match group.family:
        case "S":
            swap, cycle = unit.copy(), np.roll(unit, 1, axis=0)
            swap[:2] = swap[:2][::-1]
            return ([swap, cycle] if n > 1 else []), []
        case "A":
            threes = []
            for last in range(2, n):
                three = unit.copy()
                three[[0, 1, last]] = three[[1, last, 0]]
                threes.append(three)
            return threes, []
        case "O" | "SO":
            reflection = unit.copy()
            reflection[0, 0] = -1
            rotations = []
            for axis in range(n - 1):
                rotation = np.zeros((n, n), np.int64)
                rotation[axis, axis + 1], rotation[axis + 1, axis] = 1, -1
                rotations.append(rotation)
            return ([reflection] if group.family == "O" else []), rotations
        case _:
            # X = S omega with S symmetric: omega X is symmetric up to sign.
            algebra, form = [], omega(n)
            for row in range(n):
                for column in range(row, n):
                    symmetric = np.zeros((n, n), np.int64)
                    symmetric[row, column] = symmetric[column, row] = 1
                    algebra.append(symmetric @ form)
            return [], algebra


def act(element: NDArray[np.float64], tensor: NDArray[np.float64]) -> NDArray[np.float64]:
    """The element applied to every axis of length n of a ``(batch, n, ..., n, channels)`` tensor."""
    import numpy as np

    for axis in range(1, tensor.ndim - 1):
        tensor = np.moveaxis(np.tensordot(element, tensor, axes=(1, axis)), 0, axis)
    return tensor


def size(group: Group) -> int:
    """The number n; raises SymbolicError where it is a letter."""
    if isinstance(group.n, str):
        raise SymbolicError(f"{group} leaves n open: ask for a number, such as {group.family}(3)")
    return group.n
