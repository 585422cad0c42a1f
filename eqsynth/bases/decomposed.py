"""Tensors in the coordinates of their irreducible parts: which parts, in which order, and the orthonormal vectors.

The coordinates of V^k belong to the group and k alone, never to a layer. A part is an irrep with the coordinates that
it has as a space (``families.irreps``); its copies in V^k are the images of these under the maps of ``basis(group,
irrep, k)``, in their order, made orthonormal by Gram-Schmidt. So every equivariant map is one small matrix for each
irrep.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from eqsynth.bases import adapted
from eqsynth.bases.basis import Basis, basis
from eqsynth.bases.irreps import parts_held
from eqsynth.errors import GroupError
from eqsynth.families import representation
from eqsynth.families.group import Group
from eqsynth.families.irreps import check_parts, coordinates, irrep_of
from eqsynth.spaces.space import (
    Decomposed,
    Irrep,
    Order,
    Symmetry,
    Twisted,
    axes_of,
    entries_of,
    is_decomposed,
    stored_full,
    twists_of,
    untwisted,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

#: How far coordinates may be from orthonormal: they are exact but for rounding.
CLOSE = 1e-9


@dataclass(frozen=True, slots=True)
class Copies:
    """An irreducible part of the tensors of an order: the irrep, and how often it is there."""

    irrep: Irrep
    twisted: bool
    count: int
    #: Whether the irrep is itself times the determinant, in other coordinates.
    alike: bool = False

    @property
    def order(self) -> Order:
        """The irrep as the order of a space."""
        return Twisted(self.irrep) if self.twisted else self.irrep


@lru_cache(maxsize=256)
def parts(group: Group, order: Order) -> tuple[Copies, ...]:
    """The irreducible parts of the tensors of an order, large ones first: this is the order of their coordinates.

    >>> from eqsynth import Group
    >>> from eqsynth.bases.decomposed import parts
    >>> [(str(part.order), part.irrep.dim, part.count) for part in parts(Group("O", 3), 3)]
    [('3o', 7, 1), ('2o', 5, 2), ('1o', 3, 3), ('0o', 1, 1)]

    Coordinates stand as (part, coordinate of the irrep, copy), the last one fastest. Twisted tensors have the same
    coordinates, of parts that are twisted, unless a part is itself times the determinant.
    """
    count, (turned,) = axes_of(order), twists_of(order)
    if count > 1:
        check_parts(group, count)
    listed = []
    for label, copies in parts_held(group, untwisted(stored_full(order))).items():
        irrep, twisted = irrep_of(group, label)
        alike = group.flips and group.twisted_part(label) == label
        listed.append(Copies(irrep, twisted, copies, alike))
    listed.sort(key=lambda part: (-part.irrep.dim, str(part.order)))
    flips = turned and group.flips
    return tuple(replace(part, twisted=part.twisted != (flips and not part.alike)) for part in listed)


@lru_cache(maxsize=256)
def embeddings(group: Group, order: Order) -> tuple[Basis, ...]:
    """For each part the maps that take its irrep to the tensors of an order, as many as there are copies."""
    return tuple(basis(group, part.order, order) for part in parts(group, order))


@lru_cache(maxsize=128)
def rows(group: Group, order: Order) -> tuple[Array, ...]:
    """For each part the vectors of its coordinates, orthonormal: (coordinates of the irrep, copies, n^k).

    >>> from eqsynth import Group
    >>> from eqsynth.bases.decomposed import rows
    >>> [part.shape for part in rows(Group("O", 3), 2)]
    [(5, 1, 9), (3, 1, 9), (1, 1, 9)]
    """
    import numpy as np

    found = []
    for part, maps in zip(parts(group, order), embeddings(group, order), strict=True):
        start = coordinates(part.irrep)
        images = np.stack([start @ matrix_of_map.T for matrix_of_map in maps.matrices()], 1)
        # By Schur's lemma the inner products of copies are the same for each coordinate.
        root = np.linalg.cholesky(images[0] @ images[0].T)
        found.append(np.asarray(np.linalg.solve(root, images), np.float64))
    flat = _flat(group, order, found)
    one = untwisted(stored_full(order))
    length = replace(one, packed=True).length(group.number) if isinstance(one, Symmetry) else flat.shape[1]
    if flat.shape[0] != length or abs(flat @ flat.T - np.eye(len(flat))).max(initial=0) > CLOSE:
        raise GroupError(
            f"the coordinates of tensors of order {axes_of(order)} of {group} are not orthonormal: this contradicts "
            "the theory, please report it"
        )
    return tuple(found)


def matrix(group: Group, order: Order) -> Array:
    """The orthonormal rows that take the entries of a tensor to its coordinates.

    >>> from eqsynth import Group
    >>> from eqsynth.bases.decomposed import matrix
    >>> matrix(Group("O", 2), 2).shape
    (4, 4)
    """
    return _flat(group, order, rows(group, order))


def _flat(group: Group, order: Order, listed: Sequence[Array]) -> Array:
    """The vectors of all parts; of tensors that are all zero, as A3 of O(2), there are none."""
    import numpy as np

    none = np.zeros((0, group.number ** axes_of(order)))
    return np.concatenate([none, *(part.reshape(-1, part.shape[2]) for part in listed)])


# --- all maps between some orders --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Part:
    """An irreducible part that some input and some output order share, with the copies in each."""

    irrep: Irrep
    twisted: bool
    copies_in: tuple[int, ...]
    copies_out: tuple[int, ...]

    @property
    def dim(self) -> int:
        """Its dimension."""
        return self.irrep.dim

    @property
    def division(self) -> int:
        """The dimension of the algebra of its own maps: they are all of real type."""
        return 1

    @property
    def columns(self) -> tuple[int, ...]:
        """Coordinates, in the one class of positions that there is."""
        return (self.dim,)


@dataclass(frozen=True, slots=True)
class Fixed:
    """Bases of some orders in the coordinates of ``rows``, read as :class:`eqsynth.bases.adapted.Adapted` is.

    Where weights are entries of blocks, they are those of ``meant``, as for tensors that are stored full.
    """

    group: Group
    ins: tuple[Order, ...]
    outs: tuple[Order, ...]

    @property
    def irreps(self) -> tuple[Part, ...]:
        """The parts that inputs and outputs share."""
        return _shared(self.group, self.ins, self.outs)

    @property
    def trivial(self) -> int | None:
        """The place among the parts of that which no element changes; None where inputs and outputs do not share it."""
        found = (at for at, part in enumerate(self.irreps) if not part.irrep.order and not part.twisted)
        return next(found, None)

    @property
    def classes(self) -> tuple[tuple[tuple[range, ...], tuple[range, ...]], ...]:
        """One class of all positions."""
        sides = (tuple(range(adapted.positions(self.group, order)) for order in side) for side in (self.ins, self.outs))
        into, back = sides
        return ((into, back),)

    def stands(self, order: Order) -> bool:
        """Whether the entries of tensors as they are stored are their coordinates.

        Those of V times the determinant are not where V is itself that in other coordinates, as of O(2).
        """
        if is_decomposed(order) or axes_of(order) > 1:
            return is_decomposed(order)
        held, (twisted,) = parts(self.group, order), twists_of(order)
        return len(held) == 1 and not (twisted and held[0].alike)

    @property
    def meant(self) -> adapted.Adapted:
        """The adapted bases of the same maps, to whose blocks weights belong."""
        ins, outs = (tuple(dict.fromkeys(map(stored_full, side))) for side in (self.ins, self.outs))
        return adapted.adapted(self.group, ins, outs)

    def coefficients(self, order_in: int, order_out: int) -> Array:
        """The matrix from independent entries of the blocks, as weights have them, to coefficients of the maps."""
        meant = self.meant
        a, b = meant.ins.index(stored_full(self.ins[order_in])), meant.outs.index(stored_full(self.outs[order_out]))
        return meant.coefficients(a, b)


@lru_cache(maxsize=256)
def _shared(group: Group, ins: tuple[Order, ...], outs: tuple[Order, ...]) -> tuple[Part, ...]:
    found: dict[tuple[Irrep, bool], list[list[int]]] = {}
    for side, orders in enumerate((ins, outs)):
        for place, order in enumerate(orders):
            for part in parts(group, order):
                counts = found.setdefault((part.irrep, part.twisted), [[0] * len(ins), [0] * len(outs)])
                counts[side][place] = part.count
    listed = [Part(*key, tuple(low), tuple(high)) for key, (low, high) in found.items() if any(low) and any(high)]
    return tuple(sorted(listed, key=lambda part: (-part.dim, str(part.irrep), part.twisted)))


# --- tensors as they are stored ------------------------------------------------------------------------------


def matrix_of(one: Decomposed) -> Array:
    """The rows that take entries to coordinates, for an order of a space of some group."""
    return matrix(Group.parse(one.group), one.full)


def packed(tensor: Array, order: Order) -> Array:
    """A ``(batch, n, ..., n, channels)`` tensor as it is stored, perhaps in coordinates of irreducible parts."""
    (one, *_) = entries_of(order)
    if not isinstance(one, Decomposed):
        return representation.packed(tensor, order)
    return _product(matrix_of(one), tensor.reshape(len(tensor), -1, tensor.shape[-1]))


def unpacked(tensor: NDArray[Any], order: Order, sizes: Sequence[int]) -> NDArray[Any]:
    """The same the other way round."""
    (one, *_) = entries_of(order)
    if not isinstance(one, Decomposed):
        return representation.unpacked(tensor, order, sizes)
    full = _product(matrix_of(one).T, tensor)
    return full.reshape(len(tensor), *[sizes[0]] * one.order, tensor.shape[-1])


def act(elements: Sequence[NDArray[Any]], order: Order, tensor: NDArray[Any]) -> NDArray[Any]:
    """Elements applied to a tensor as it is stored: ``representation.act`` for all kinds of storage."""
    if not is_decomposed(order):
        return representation.act(elements, order, tensor)
    full = unpacked(tensor, order, [len(element) for element in elements])
    return packed(representation.act(elements, stored_full(order), full), order)


def random_tensor(
    rng: np.random.Generator,
    order: Order,
    sizes: Sequence[int],
    channels: int,
    batch: int = 2,
    over_complex: bool = False,
) -> NDArray[Any]:
    """A batch of random tensors as they are stored: ``representation.random_tensor`` for all kinds of storage."""
    full = stored_full(order) if is_decomposed(order) else order
    tensor = representation.random_tensor(rng, full, sizes, channels, batch, over_complex)
    return packed(tensor, order) if is_decomposed(order) else tensor


def _product(rows_of: Array, tensor: NDArray[Any]) -> Array:
    """A matrix times the positions of a (batch, positions, channels) tensor."""
    import numpy as np

    return np.asarray(np.einsum("ij,bjc->bic", rows_of, tensor))
