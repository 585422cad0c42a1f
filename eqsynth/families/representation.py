"""Group elements as matrices, and how they act on tensors. For checks and the oracle, not for layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from eqsynth.errors import SymbolicError
from eqsynth.exact.limits import afford
from eqsynth.families.group import Group, Matrix, MatrixGroup, permutation_generators
from eqsynth.spaces.space import (
    Order,
    Symmetry,
    each,
    entries_of,
    is_packed,
    is_plain,
    lengths,
    stored_full,
    stored_packed,
    symmetrising,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def random_element(group: Group, rng: np.random.Generator) -> NDArray[np.float64]:
    """A random element of the group as an n x n matrix.

    >>> import numpy as np
    >>> from eqsynth import Group
    >>> from eqsynth.families.representation import random_element
    >>> g = random_element(Group("O", 3), np.random.default_rng(0))
    >>> bool(np.allclose(g @ g.T, np.eye(3)))
    True

    Uniform over S(n) and A(n), products of a random number of generators for other finite groups, Haar over O(n)
    and SO(n); for Sp(n), which is not compact, a product of random transvections of moderate size.
    """
    import numpy as np

    n = size(group)
    afford_elements(group)
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
        case "Aut" | "Perm":
            found = np.eye(n)
            moves = permutation_generators(group)
            # A random number of moves: always four of a cycle of four points would be none at all.
            for choice in rng.integers(0, max(len(moves), 1), rng.integers(1, 8 * len(moves) + 2)) if moves else ():
                found = found[list(moves[choice])]
            return found
        case "Matrix":
            return _random_product(*generators(group), rng)
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


def generators(group: Group) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
    """Exact matrices that generate the group: elements g, and elements X that generate its Lie algebra.

    A map W is equivariant exactly when W rho(g) = rho(g) W for all g, and W drho(X) = drho(X) W for all X.
    """
    import numpy as np

    n = size(group)
    afford_elements(group)
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
        case "Aut" | "Perm":
            return [unit[:, list(inverse(g))] for g in permutation_generators(group)], []
        case "Matrix":
            assert isinstance(group, MatrixGroup)  # noqa: S101 - for the type checker
            return [_floats(g) for g in group.generators], [_floats(x) for x in group.lie_algebra]
        case _:
            # X = S omega with S symmetric: omega X is symmetric up to sign.
            algebra, form = [], omega(n)
            for row in range(n):
                for column in range(row, n):
                    symmetric = np.zeros((n, n), np.int64)
                    symmetric[row, column] = symmetric[column, row] = 1
                    algebra.append(symmetric @ form)
            return [], algebra


def afford_elements(group: Group) -> None:
    """Refuse a group whose generators are too large, or too many, to be written as matrices."""
    n = size(group)
    count = {"S": 2, "Matrix": 1, "Sp": n * (n + 1) // 2}.get(group.family, n)
    if group.family in ("Aut", "Perm"):
        count = len(permutation_generators(group))
    what = f"{count:,} elements of {group} as matrices"
    afford(what, "ask for a smaller n, or for n = a letter", size=8 * max(count, 2) * n * n)


def inverse(permutation: Sequence[int]) -> tuple[int, ...]:
    """The inverse of a permutation given by images."""
    found = [0] * len(permutation)
    for point, image in enumerate(permutation):
        found[image] = point
    return tuple(found)


def _floats(rows: Matrix) -> NDArray[Any]:
    import numpy as np

    return np.array([[entry if entry.denominator > 1 else int(entry) for entry in row] for row in rows], dtype=object)


def _random_product(elements: list[Any], algebra: list[Any], rng: np.random.Generator) -> NDArray[np.float64]:
    """A product of generators, their inverses and exponentials of small elements of the Lie algebra."""
    import numpy as np

    moves = [np.array(g, dtype=float) for g in elements]
    moves += [np.linalg.inv(g) for g in moves]
    for x in algebra:
        moves.append(_exponential(rng.uniform(-0.5, 0.5), np.array(x, dtype=float)))
    found = np.eye(len(moves[0]))
    # A random number of moves: an even number of quarter turns is never one quarter turn.
    for choice in rng.integers(0, len(moves), rng.integers(1, 2 * len(moves) + 2)):
        found = found @ moves[choice]
    return found


def _exponential(length: float, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The exponential of an element of the Lie algebra, scaled to a length of at most 1."""
    import numpy as np

    small = x * (length / max(1.0, float(np.abs(x).sum(0).max())))
    term = total = np.eye(len(small))
    for order in range(1, 30):
        term = term @ small / order
        total = total + term
    return total


def elements_to_try(
    factors: Sequence[Group], rng: np.random.Generator, more: int
) -> Iterator[list[NDArray[np.float64]]]:
    """Elements of a product of groups, a matrix for each factor: all generators, then ``more`` random ones.

    >>> import numpy as np
    >>> from eqsynth import Group
    >>> from eqsynth.families.representation import elements_to_try
    >>> tried = list(elements_to_try([Group("O", 3)], np.random.default_rng(0), 2))
    >>> len(tried), [round(float(np.linalg.det(g))) for (g,) in tried][:2]
    (4, [-1, 1])

    Each generator of each factor is tried by itself, so that every component of the group is reached (reflections, odd
    permutations, time reversal), then one generic element of the connected part. Whatever commutes with all of these
    commutes with the group, but for accidents of the random numbers.
    """
    import numpy as np

    for factor in factors:
        afford_elements(factor)
    units = [np.eye(size(factor)) for factor in factors]
    for place, factor in enumerate(factors):
        elements, algebra = generators(factor)
        tried = [np.array(element, dtype=float) for element in elements]
        if algebra:
            generic = sum(rng.uniform(0.5, 1.5) * np.array(x, dtype=float) for x in algebra)
            tried.append(_exponential(0.9, np.asarray(generic)))
        for element in tried:
            yield [element if at == place else unit for at, unit in enumerate(units)]
    for _ in range(more):
        yield [random_element(factor, rng) for factor in factors]


def act(elements: Sequence[NDArray[np.float64]], order: Order, tensor: NDArray[np.float64]) -> NDArray[np.float64]:
    """Elements, one per factor, applied to the axes of a ``(batch, n, ..., n, channels)`` tensor."""
    import numpy as np

    if is_packed(order):
        return packed(act(elements, stored_full(order), unpacked(tensor, order, [len(g) for g in elements])), order)
    axis = 1
    for element, count in zip(elements, each(order), strict=True):
        for _ in range(count):
            tensor = np.moveaxis(np.tensordot(element, tensor, axes=(1, axis)), 0, axis)
            axis += 1
    return tensor


def packing(symmetry: Symmetry, n: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The places of the packed entries among all n^k, and for each of all its packed place and its sign (perhaps 0).

    >>> from eqsynth.families.representation import packing
    >>> from eqsynth.spaces.space import Symmetry
    >>> [found.tolist() for found in packing(Symmetry("A", 2), 3)]
    [[1, 2, 5], [0, 0, 1, 0, 0, 2, 1, 2, 0], [0, 1, 1, -1, 0, 1, -1, -1, 0]]
    """
    import numpy as np

    k, alternating = symmetry.order, symmetry.kind == "A"
    index = np.indices((n,) * k).reshape(k, n**k)
    sign = np.ones(n**k, np.int64)
    for later in range(k if alternating else 0):
        for earlier in range(later):
            sign *= np.sign(index[later] - index[earlier])
    ascending = (np.diff(index, axis=0) >= (1 if alternating else 0)).all(0)
    places = np.flatnonzero(ascending)
    least = np.ravel_multi_index(tuple(np.sort(index, axis=0)), (n,) * k) if n else np.zeros(0, np.int64)
    ranks = np.where(sign != 0, np.searchsorted(places, least), 0)
    return places, ranks, sign


def packed(tensor: NDArray[np.float64], order: Order) -> NDArray[np.float64]:
    """A ``(batch, n, ..., n, channels)`` tensor as it is stored: the axes that an order packs become one."""
    axis = 1
    for one, count in zip(entries_of(order), each(order), strict=True):
        if stored_packed(one):
            n = tensor.shape[axis]
            flat = tensor.reshape(*tensor.shape[:axis], n**count, *tensor.shape[axis + count :])
            tensor, count = flat.take(packing(one, n)[0], axis), 1  # noqa: PLW2901 - one axis is left
        axis += count
    return tensor


def unpacked(tensor: NDArray[np.float64], order: Order, sizes: Sequence[int]) -> NDArray[np.float64]:
    """The same the other way round."""
    import numpy as np

    axis = 1
    for one, count, n in zip(entries_of(order), each(order), sizes, strict=True):
        if stored_packed(one):
            _, ranks, sign = packing(one, n)
            after = tensor.shape[axis + 1 :]
            # Without entries there are none to take.
            shape = (*tensor.shape[:axis], n**count, *after)
            taken = tensor.take(ranks, axis) if tensor.shape[axis] else np.zeros(shape)
            full = np.asarray(taken * sign.reshape(-1, *[1] * len(after)), np.float64)
            tensor = full.reshape(*tensor.shape[:axis], *[n] * count, *after)
        axis += count
    return tensor


def symmetrised(tensor: NDArray[np.float64], order: Order) -> NDArray[np.float64]:
    """The mean of a ``(batch, n, ..., n, channels)`` tensor over all exchanges of symmetric axes, with signs.

    Axes that are packed have no exchanges.
    """
    kept = tuple(1 if stored_packed(one) else one for one in entries_of(order))
    for later, earlier, sign in symmetrising(kept):
        exchanged = sum(tensor.swapaxes(1 + axis, 1 + later) for axis in earlier)
        tensor = (tensor + sign * exchanged) / (1 + len(earlier))
    return tensor


def random_tensor(
    rng: np.random.Generator, order: Order, sizes: Sequence[int], channels: int, batch: int = 2
) -> NDArray[np.float64]:
    """A batch of random tensors with the symmetry of an order, as they are stored."""
    tensor = rng.standard_normal((batch, *lengths(stored_full(order), sizes), channels))
    return tensor if is_plain(order) else packed(symmetrised(tensor, stored_full(order)), order)


def size(group: Group) -> int:
    """The number n; raises SymbolicError where it is a letter."""
    if isinstance(group.n, str):
        raise SymbolicError(f"{group} leaves n open: ask for a number, such as {group.family}(3)")
    return group.n
