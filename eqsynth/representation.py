"""Group elements as matrices, and how they act on tensors. For checks and the oracle, not for layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eqsynth.errors import GroupError, SymbolicError
from eqsynth.group import Group

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def random_element(group: Group, rng: np.random.Generator) -> NDArray[np.float64]:
    """A random element of the group as an n x n matrix: uniform over S(n), Haar over O(n).

    >>> import numpy as np
    >>> from eqsynth import Group
    >>> from eqsynth.representation import random_element
    >>> g = random_element(Group("O", 3), np.random.default_rng(0))
    >>> bool(np.allclose(g @ g.T, np.eye(3)))
    True
    """
    import numpy as np

    n = size(group)
    match group.family:
        case "S":
            return np.eye(n)[rng.permutation(n)]
        case "O":
            q, r = np.linalg.qr(rng.standard_normal((n, n)))
            return np.asarray(q * np.sign(np.diag(r)))
        case _:
            raise GroupError(f"{group} has no random elements yet: ask for S(n) or O(n)")


def generators(group: Group) -> tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]]:
    """Integer matrices that generate the group: elements g, and a basis X of a generating Lie algebra.

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
        case "O":
            reflection = unit.copy()
            reflection[0, 0] = -1
            rotations = []
            for axis in range(n - 1):
                rotation = np.zeros((n, n), np.int64)
                rotation[axis, axis + 1], rotation[axis + 1, axis] = 1, -1
                rotations.append(rotation)
            return [reflection], rotations
        case _:
            raise GroupError(f"{group} has no generators yet: ask for S(n) or O(n)")


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
