"""Tensors with symmetries of indices in PyTorch: each entry stored once, all of them, and the nearest such tensor."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch

from eqsynth.bases.decomposed import matrix
from eqsynth.errors import ShapeError, SpaceError, explain_calls, shown
from eqsynth.families.group import Group
from eqsynth.families.hom import fitted_order
from eqsynth.families.irreps import coordinates
from eqsynth.families.representation import packing
from eqsynth.spaces.exchanges import Turn
from eqsynth.spaces.space import (
    Decomposed,
    Irrep,
    Order,
    Symmetry,
    Valence,
    axes_of,
    axis_counts,
    entries_of,
    irreps_of,
    is_decomposed,
    is_packed,
    is_plain,
    order_text,
    read_order,
    stored_full,
    symmetrising,
    untwisted,
)

#: The kind of irreps of O(3), among those of symmetries.
HARMONIC = "Y"

if TYPE_CHECKING:
    from torch import Tensor


@explain_calls
def pack(x: Tensor, order: str | Order) -> Tensor:
    """A tensor with a symmetry of its indices, each entry once: what layers of ``16xS2.packed`` read and give.

    >>> import torch, eqsynth as eq
    >>> x = torch.tensor([[1.0, 2.0], [2.0, 3.0]])[..., None]
    >>> eq.pack(x, "S2").flatten()
    tensor([1., 2., 3.])
    >>> torch.equal(eq.unpack(eq.pack(x, "S2"), "S2"), x)
    True

    ``x``: shape ``(*batch, n, ..., n, channels)``. The result: ``(*batch, entries, channels)``, of entries that are
    equal, up to signs, the one with the first indices, sorted as tuples: i <= j for ``S2``; for ``2e`` and other irreps
    of O(3) ``(*batch, 5, channels)``, the coordinates of the part of ``x`` that belongs to the irrep. For a product
    group the order is a tuple, ``"(S2,1)"``; where some parts are ``.packed`` only these are packed. That ``x`` is
    symmetric is not checked: :func:`symmetrise` makes it so.

    >>> eq.pack(torch.ones(3, 3, 3, 3, 1), "[ijkl=jikl=klij]").shape  # elasticity
    torch.Size([21, 1])

    Raises ShapeError where ``x`` has other axes, SpaceError for an order without a symmetry.
    """
    parts = _read(_text(order))
    axis = _start(x, sum(count for _, count, _ in parts))
    for kind, count, chosen in parts:
        if kind == HARMONIC:
            x = _changed(x, axis, count)
        elif chosen:
            n = _side(x, axis, count)
            flat = x.flatten(axis, axis + count - 1)
            x = flat.index_select(axis, _tables(kind, count, n, x.device)[0])
        axis += 1 if chosen else count
    return x


@explain_calls
def unpack(x: Tensor, order: str | Order) -> Tensor:
    """All entries of a packed tensor: :func:`pack` the other way round.

    >>> import torch, eqsynth as eq
    >>> eq.unpack(torch.tensor([1.0, 2.0, 3.0])[:, None], "A2")[..., 0]
    tensor([[ 0.,  1.,  2.],
            [-1.,  0.,  3.],
            [-2., -3.,  0.]])

    ``x``: shape ``(*batch, entries, channels)``; ``eq.unpack(x, "2e")`` are symmetric matrices of trace 0. Raises
    ShapeError where no n gives so many entries.
    """
    parts = _read(_text(order))
    axis = _start(x, sum(1 if chosen else count for _, count, chosen in parts))
    for kind, count, chosen in parts:
        if kind == HARMONIC:
            x = _times(_coordinates(count, x), x, axis, 0)
            x = x.reshape(*x.shape[:axis], *[3] * count, *x.shape[axis + 1 :])
        elif chosen:
            n = _side_of(kind, count, x.shape[axis])
            _, ranks, signs = _tables(kind, count, n, x.device)
            x = x.index_select(axis, ranks)
            if kind != "S":
                x = x * signs.to(x.dtype).reshape(-1, *[1] * (x.ndim - axis - 1))
            x = x.reshape(*x.shape[:axis], *[n] * count, *x.shape[axis + 1 :])
        axis += count
    return x


@explain_calls
def to_irreps(x: Tensor, group: str | Group, order: str | Order) -> Tensor:
    """A tensor in the coordinates of its irreducible parts: what layers of ``16x3.irreps`` read and give.

    >>> import torch, eqsynth as eq
    >>> x = torch.randn(5, 3, 3, 16)
    >>> eq.to_irreps(x, "O(3)", 2).shape
    torch.Size([5, 9, 16])
    >>> torch.allclose(eq.from_irreps(eq.to_irreps(x, "O(3)", 2), "O(3)", 2), x, atol=1e-5)
    True

    ``x``: shape ``(*batch, n, ..., n, channels)``; the result: ``(*batch, n^k, channels)``, orthonormal coordinates, so
    that norms and inner products are the same. They stand part by part, large irreps first, of O(3) in e3nn's
    coordinates: for each part its coordinates, and for each of these its copies. ``eqsynth.bases.decomposed.parts``
    lists the parts. ``order`` is ``3`` or ``"3.irreps"``, which mean the same here; of ``"S2"`` and other symmetric
    tensors, with all entries, there are as many coordinates as independent entries.

    Raises ShapeError where ``x`` has other axes, GroupError where the group has no such coordinates.
    """
    table, count, n = _decomposition(group, order, x)
    axis = _start(x, count)
    if tuple(x.shape[axis : axis + count]) != (n,) * count:
        raise ShapeError(f"got shape {tuple(x.shape)}, expected {count} axes of length {n} from axis {axis} on")
    return _times(table, x.flatten(axis, axis + count - 1), axis, 1)


@explain_calls
def from_irreps(x: Tensor, group: str | Group, order: str | Order) -> Tensor:
    """The tensor with these coordinates of its irreducible parts: :func:`to_irreps` the other way round.

    >>> import torch, eqsynth as eq
    >>> eq.from_irreps(torch.zeros(9, 1), "O(3)", 2).shape
    torch.Size([3, 3, 1])

    ``x``: shape ``(*batch, n^k, channels)``, fewer coordinates for ``"S2"``.

    Raises ShapeError for another length, GroupError as ``to_irreps``.
    """
    table, count, n = _decomposition(group, order, x)
    axis = _start(x, 1)
    if x.shape[axis] != len(table):
        raise ShapeError(f"got shape {tuple(x.shape)}, expected an axis of length {len(table)} before the channels")
    full = _times(table, x, axis, 0)
    return full.reshape(*x.shape[:axis], *[n] * count, x.shape[-1])


def _decomposition(group: str | Group, order: str | Order, x: Tensor) -> tuple[Tensor, int, int]:
    """The matrix from entries to coordinates, the number of indices, and n."""
    parsed = Group.parse(group)
    asked = read_order(order)
    full, count = untwisted(stored_full(asked)), axes_of(asked)
    if isinstance(full, tuple | Irrep | Valence):
        raise SpaceError(
            f"{order_text(asked)} is not stored in coordinates of irreducible parts: give an order such as 3, or S2"
        )
    fitted_order(parsed, Decomposed(count, kind=full.kind if isinstance(full, Symmetry) else ""))
    if not isinstance(x, torch.Tensor):
        raise ShapeError(f"expected a tensor, got type {type(x).__name__}")
    if not (x.is_floating_point() or x.is_complex()):
        raise ShapeError(f"coordinates are no whole numbers, and the tensor holds {x.dtype}: pass x.float()")
    return _decomposed(parsed, full, x.device, x.dtype), count, parsed.number


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]  # a table for each dtype and device
def _decomposed(group: Group, order: Order, device: torch.device, dtype: torch.dtype) -> Tensor:
    return torch.from_numpy(matrix(group, order)).to(device=device, dtype=dtype)


def _changed(x: Tensor, axis: int, count: int) -> Tensor:
    """The coordinates of a tensor in an irrep: of the nearest tensor that belongs to it."""
    if tuple(x.shape[axis : axis + count]) != (3,) * count:
        raise ShapeError(f"got shape {tuple(x.shape)}, expected {count} axes of length 3 from axis {axis} on")
    flat = x.reshape(*x.shape[:axis], 3**count, *x.shape[axis + count :])
    return _times(_coordinates(count, x), flat, axis, 1)


def _times(matrix: Tensor, x: Tensor, axis: int, side: int) -> Tensor:
    """A matrix, or with ``side`` 0 its transpose, times one axis of a tensor."""
    product: Tensor = torch.tensordot(x, matrix, ([axis], [side]))
    return product.movedim(-1, axis)


def _coordinates(degree: int, x: Tensor) -> Tensor:
    return torch.from_numpy(coordinates(Irrep.of_degree(degree))).to(device=x.device, dtype=x.dtype)


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]  # a number for each length
def _side_of(kind: str, order: int, entries: int) -> int:
    """The n for which there are so many entries."""
    one = Symmetry(kind, order)
    if n := one.side(entries):
        return n
    if not entries:
        raise ShapeError(f"a packed tensor of {one} without entries does not say what n is")
    first = one.order if one.short else one.least
    known = ", ".join(str(one.length(n)) for n in range(first, first + 5))
    raise ShapeError(f"{one} tensors have {known}, ... entries (n = {first}, {first + 1}, ...), not {entries}")


@explain_calls
def symmetrise(x: Tensor, order: str | Order) -> Tensor:
    """The nearest tensor of a symmetry: the mean over all orders of the axes that it allows, with their signs.

    >>> import torch, eqsynth as eq
    >>> eq.symmetrise(torch.tensor([[1.0, 2.0], [4.0, 3.0]])[..., None], "S2")[..., 0]
    tensor([[1., 3.],
            [3., 3.]])

    ``x``: shape ``(*batch, n, ..., n, channels)``; the result has the same. Orders as for :func:`pack`.

    Raises ShapeError for other shapes, SpaceError for orders without a symmetry.
    """
    parts = _read(text := _text(order))
    if HARMONIC in [kind for kind, _, _ in parts]:
        raise SpaceError(f"coordinates of {text} have no axes to exchange: eq.pack gives those of any tensor")
    start = axis = _start(x, sum(count for _, count, _ in parts))
    for kind, count, _ in parts:
        if kind:
            _side(x, axis, count)
        axis += count
    for step in _steps(text):
        moved = [(sign, x.permute(*range(start), *(start + at for at in axes), x.ndim - 1)) for axes, sign in step]
        x = (x + sum(sign * one for sign, one in moved)) / (1 + len(moved))
    return x


def _text(order: str | Order) -> str:
    return order if isinstance(order, str) else order_text(read_order(order))


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]  # read once for each text
def _read(text: str) -> tuple[tuple[str, int, bool], ...]:
    """The kinds of the parts of an order, empty for plain ones, how many axes each has, and whether it is packed."""
    read = read_order(text)
    for irrep in filter(None, irreps_of(read)):
        if not irrep.spherical:
            raise SpaceError(
                f"{irrep} is an irrep of several groups: change its coordinates by eq.Linear, or name one of O(3), "
                "such as 2e"
            )
    if is_plain(read):
        raise SpaceError(
            f"{shown(text)} has no symmetric or alternating part: ask for an order such as 'S2', '[ijk=ikj]' or "
            "'(A3,1)'"
        )
    if is_decomposed(read):
        raise SpaceError(
            f"{shown(text)} belongs to a group: write eq.to_irreps(x, 'O(3)', {axes_of(read)}), and eq.from_irreps"
        )
    some = is_packed(read)
    return tuple(
        (one.kind, one.order, one.packed or not some)
        if isinstance(one, Symmetry)
        else (HARMONIC, one.order, True)
        if isinstance(one, Irrep)
        else ("", count, False)
        for one, count in zip(entries_of(read), axis_counts(read), strict=True)
    )


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]  # the same
def _steps(text: str) -> tuple[tuple[Turn, ...], ...]:
    """Sums in a row that make up the sum over all exchanges of axes."""
    return tuple(map(tuple, symmetrising(read_order(text))))


def _start(x: Tensor, axes: int) -> int:
    if not isinstance(x, torch.Tensor):
        raise ShapeError(f"expected a tensor (*batch, {axes} axes of indices, channels), got type {type(x).__name__}")
    if x.ndim <= axes:
        raise ShapeError(f"got shape {tuple(x.shape)}, expected (*batch, {axes} axes of indices, channels)")
    return x.ndim - axes - 1


def _side(x: Tensor, axis: int, count: int) -> int:
    if len({*x.shape[axis : axis + count]}) > 1:
        raise ShapeError(f"got shape {tuple(x.shape)}, expected {count} axes of one length n from axis {axis} on")
    return int(x.shape[axis])


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]  # tables of whole numbers, once for each n
def _tables(kind: str, order: int, n: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    places, ranks, signs = (torch.from_numpy(table).to(device) for table in _found(Symmetry(kind, order), n))
    return places, ranks, signs


@lru_cache(maxsize=64)
def _found(symmetry: Symmetry, n: int):  # type: ignore[no-untyped-def]  # noqa: ANN202 - NumPy is not loaded here
    return packing(symmetry, n)
