"""Group elements as matrices, and how they act on tensors. For checks and the oracle, not for layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from eqsynth.exact.limits import afford
from eqsynth.families.group import Generators, Group
from eqsynth.families.irreps import coordinates
from eqsynth.families.matrix import exponential
from eqsynth.spaces.space import (
    Irrep,
    Order,
    Symmetry,
    axis_counts,
    duals_of,
    entries_of,
    is_packed,
    is_plain,
    lengths,
    stored_full,
    stored_packed,
    symmetrising,
    twists_of,
    untwisted,
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

    Uniform over S(n), A(n) and H(n), products of a random number of generators for other finite groups, Haar over O(n)
    and SO(n); for Sp(n), which is not compact, a product of random transvections of moderate size.
    """
    afford_elements(group)
    return group.random_element(rng)


def generators(group: Group) -> Generators:
    """Exact matrices that generate the group: elements g, and elements X that generate its Lie algebra.

    A map W is equivariant exactly when W rho(g) = rho(g) W for all g, and W drho(X) = drho(X) W for all X.
    """
    afford_elements(group)
    return group.generating_matrices()


def afford_elements(group: Group) -> None:
    """Refuse a group whose generators are too large, or too many, to be written as matrices."""
    n, count = group.number, group.generator_count()
    what = f"{count:,} elements of {group} as matrices"
    afford(what, "ask for a smaller n, or for n = a letter", size=8 * max(count, 2) * n * n)


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
    units = [np.eye(factor.number) for factor in factors]
    for place, factor in enumerate(factors):
        elements, algebra = generators(factor)
        tried = [np.array(element, dtype=complex if factor.over_complex else float) for element in elements]
        if factor.over_complex:
            # Generators of the complexified algebra have exponentials that are not unitary.
            tried.append(factor.random_element(rng))
        elif algebra:
            generic = sum(rng.uniform(0.5, 1.5) * np.array(x, dtype=float) for x in algebra)
            tried.append(exponential(0.9, np.asarray(generic)))
        for element in tried:
            yield [element if at == place else unit for at, unit in enumerate(units)]
    for _ in range(more):
        yield [random_element(factor, rng) for factor in factors]


def act(elements: Sequence[NDArray[np.float64]], order: Order, tensor: NDArray[np.float64]) -> NDArray[np.float64]:
    """Elements, one per factor, applied to the axes of a ``(batch, n, ..., n, channels)`` tensor.

    Tensors that the determinant of a factor twists are multiplied by that of its element, 1 or -1; on axes of V* an
    element acts as the transpose of its inverse.
    """
    import numpy as np

    for element, twisted in zip(elements, twists_of(order), strict=True):
        if twisted:
            tensor = tensor * np.sign(np.linalg.det(element))
    order = untwisted(order)
    if is_packed(order):
        return packed(act(elements, stored_full(order), unpacked(tensor, order, [len(g) for g in elements])), order)
    owners = [element for element, count in zip(elements, axis_counts(order), strict=True) for _ in range(count)]
    for axis, (element, dual) in enumerate(zip(owners, duals_of(order), strict=True), 1):
        matrix = np.linalg.inv(element).T if dual else element
        tensor = np.moveaxis(np.tensordot(matrix, tensor, axes=(1, axis)), 0, axis)
    return tensor


def packing(symmetry: Symmetry, n: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The places of the packed entries among all n^k, and for each of all its packed place and its sign (perhaps 0).

    >>> from eqsynth.families.representation import packing
    >>> from eqsynth.spaces.space import Symmetry
    >>> [found.tolist() for found in packing(Symmetry("A", 2), 3)]
    [[1, 2, 5], [0, 0, 1, 0, 0, 2, 1, 2, 0], [0, 1, 1, -1, 0, 1, -1, -1, 0]]
    """
    import numpy as np

    if not symmetry.short:
        return _packing_of_orbits(symmetry, n)
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


def _packing_of_orbits(symmetry: Symmetry, n: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The same where not all indices are exchanged: the first of the places that permutations carry to each other."""
    import numpy as np

    afford(f"the {n**symmetry.order:,} places of {symmetry.full}", "ask for a smaller n", size=64 * n**symmetry.order)
    places = np.arange(n**symmetry.order).reshape((n,) * symmetry.order)
    least, sign = places.reshape(-1).copy(), np.ones(n**symmetry.order, np.int64)
    vanishing = np.zeros(n**symmetry.order, bool)
    for axes, by in symmetry.turns():
        image = places.transpose(axes).reshape(-1)
        sign = np.where(image < least, by, sign)
        least = np.minimum(image, least)
        if by < 0:
            vanishing |= image == places.reshape(-1)
    first = np.flatnonzero((least == places.reshape(-1)) & ~vanishing)
    return first, np.where(vanishing, 0, np.searchsorted(first, least)), np.where(vanishing, 0, sign)


def packed(tensor: NDArray[np.float64], order: Order) -> NDArray[np.float64]:
    """A ``(batch, n, ..., n, channels)`` tensor as it is stored: the axes that an order packs become one."""
    import numpy as np

    axis = 1
    for one, count in zip(entries_of(order), axis_counts(order), strict=True):
        if stored_packed(one):
            shape = tensor.shape
            flat = tensor.reshape(*shape[:axis], prod(shape[axis : axis + count]), *shape[axis + count :])
            if isinstance(one, Irrep):
                tensor = np.moveaxis(np.tensordot(coordinates(one), flat, axes=(1, axis)), 0, axis)
            elif isinstance(one, Symmetry):
                tensor = flat.take(packing(one, shape[axis])[0], axis)
            count = 1  # noqa: PLW2901 - one axis is left
        axis += count
    return tensor


def unpacked(tensor: NDArray[Any], order: Order, sizes: Sequence[int]) -> NDArray[Any]:
    """The same the other way round."""
    import numpy as np

    axis = 1
    for one, count, n in zip(entries_of(order), axis_counts(order), sizes, strict=True):
        if isinstance(one, Irrep) and one.packed:
            full = np.moveaxis(np.tensordot(coordinates(one), tensor, axes=(0, axis)), 0, axis)
            tensor = full.reshape(*full.shape[:axis], *[n] * count, *full.shape[axis + 1 :])
        elif stored_packed(one) and isinstance(one, Symmetry):
            _, ranks, sign = packing(one, n)
            after = tensor.shape[axis + 1 :]
            # Without entries there are none to take.
            shape = (*tensor.shape[:axis], n**count, *after)
            taken = tensor.take(ranks, axis) if tensor.shape[axis] else np.zeros(shape, tensor.dtype)
            full = np.asarray(taken * sign.reshape(-1, *[1] * len(after)))
            tensor = full.reshape(*tensor.shape[:axis], *[n] * count, *after)
        axis += count
    return tensor


def symmetrised(tensor: NDArray[np.float64], order: Order) -> NDArray[np.float64]:
    """The mean of a ``(batch, n, ..., n, channels)`` tensor over all exchanges of its indices, with signs.

    Axes that are packed have no exchanges.
    """
    unpacked = tuple(1 if stored_packed(one) else one for one in entries_of(order))
    channels = tensor.ndim - 1
    for step in symmetrising(unpacked):
        exchanged = sum(sign * tensor.transpose(0, *(1 + axis for axis in axes), channels) for axes, sign in step)
        tensor = (tensor + exchanged) / (1 + len(step))
    return tensor


def random_tensor(
    rng: np.random.Generator,
    order: Order,
    sizes: Sequence[int],
    channels: int,
    batch: int = 2,
    over_complex: bool = False,
) -> NDArray[Any]:
    """A batch of random tensors with the symmetry of an order, as they are stored; perhaps of complex numbers."""
    shape = (batch, *lengths(stored_full(order), sizes), channels)
    tensor = rng.standard_normal(shape)
    if over_complex:
        tensor = tensor + 1j * rng.standard_normal(shape)
    return tensor if is_plain(order) else packed(symmetrised(tensor, stored_full(order)), order)
