"""Symmetric and alternating tensors in PyTorch: each entry stored once, all of them, and the nearest such tensor."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch

from eqsynth.errors import ShapeError, SpaceError, explain_calls, shown
from eqsynth.families.irreps import coordinates
from eqsynth.families.representation import packing
from eqsynth.spaces.space import (
    Entry,
    Irrep,
    Order,
    Symmetry,
    axis_counts,
    entries_of,
    irreps_of,
    is_packed,
    is_plain,
    read_order,
    symmetrising,
)

if TYPE_CHECKING:
    from torch import Tensor


@explain_calls
def pack(x: Tensor, order: str | Order) -> Tensor:
    """A symmetric or alternating tensor with each entry once: what layers of ``16xS2.packed`` read and give.

    >>> import torch, eqsynth as eq
    >>> x = torch.tensor([[1.0, 2.0], [2.0, 3.0]])[..., None]
    >>> eq.pack(x, "S2").flatten()
    tensor([1., 2., 3.])
    >>> torch.equal(eq.unpack(eq.pack(x, "S2"), "S2"), x)
    True

    ``x``: shape ``(*batch, n, ..., n, channels)``. The result: ``(*batch, entries, channels)``, the entries with
    ascending indices, sorted as tuples; for ``2e`` and other irreps of O(3) it is ``(*batch, 5, channels)``, the
    coordinates of the part of ``x`` that belongs to the irrep. For a product group the order is a tuple, ``"(S2,1)"``;
    where some parts are ``.packed`` only these are packed. That ``x`` is symmetric is not checked: :func:`symmetrise`
    makes it so.

    Raises ShapeError where ``x`` has other axes, SpaceError for an order without symmetric or alternating parts.
    """
    parts = _read(order)
    axis = _start(x, sum(count for _, count, _ in parts))
    for one, count, chosen in parts:
        if isinstance(one, Irrep):
            x = _changed(x, one, axis, count)
        elif chosen:
            n = _side(x, axis, count)
            flat = x.flatten(axis, axis + count - 1)
            x = flat.index_select(axis, _tables(one.kind, one.order, n, x.device)[0])  # type: ignore[union-attr]
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
    parts = _read(order)
    axis = _start(x, sum(1 if chosen else count for _, count, chosen in parts))
    for one, count, chosen in parts:
        if isinstance(one, Irrep):
            x = _times(_coordinates(one, x), x, axis, 0)
            x = x.reshape(*x.shape[:axis], *[3] * count, *x.shape[axis + 1 :])
        elif chosen and isinstance(one, Symmetry):
            n = one.side(x.shape[axis])
            if not n:
                raise ShapeError(_no_side(one, x.shape[axis]))
            _, ranks, signs = _tables(one.kind, one.order, n, x.device)
            x = x.index_select(axis, ranks)
            if one.kind == "A":
                x = x * signs.to(x.dtype).reshape(-1, *[1] * (x.ndim - axis - 1))
            x = x.reshape(*x.shape[:axis], *[n] * count, *x.shape[axis + 1 :])
        axis += count
    return x


def _changed(x: Tensor, one: Irrep, axis: int, count: int) -> Tensor:
    """The coordinates of a tensor in an irrep: of the nearest tensor that belongs to it."""
    if tuple(x.shape[axis : axis + count]) != (3,) * count:
        raise ShapeError(f"got shape {tuple(x.shape)}, expected {count} axes of length 3 from axis {axis} on")
    flat = x.reshape(*x.shape[:axis], 3**count, *x.shape[axis + count :])
    return _times(_coordinates(one, x), flat, axis, 1)


def _times(matrix: Tensor, x: Tensor, axis: int, side: int) -> Tensor:
    """A matrix, or with ``side`` 0 its transpose, times one axis of a tensor."""
    product: Tensor = torch.tensordot(x, matrix, ([axis], [side]))
    return product.movedim(-1, axis)


def _coordinates(one: Irrep, x: Tensor) -> Tensor:
    return torch.from_numpy(coordinates(one)).to(device=x.device, dtype=x.dtype)


def _no_side(one: Symmetry, entries: int) -> str:
    if not entries:
        return f"a packed tensor of {one.full} without entries does not say what n is"
    known = ", ".join(str(one.length(n)) for n in range(one.order, one.order + 5))
    return f"{one.full} tensors have {known}, ... entries (n = {one.order}, {one.order + 1}, ...), not {entries}"


@explain_calls
def symmetrise(x: Tensor, order: str | Order) -> Tensor:
    """The nearest symmetric or alternating tensor: the mean over all orders of the axes, with signs for ``A``.

    >>> import torch, eqsynth as eq
    >>> eq.symmetrise(torch.tensor([[1.0, 2.0], [4.0, 3.0]])[..., None], "S2")[..., 0]
    tensor([[1., 3.],
            [3., 3.]])

    ``x``: shape ``(*batch, n, ..., n, channels)``; the result has the same. Orders as for :func:`pack`.
    """
    parts = _read(order)
    if irreps := [one for one, _, _ in parts if isinstance(one, Irrep)]:
        raise SpaceError(f"coordinates of {irreps[0]} have no axes to exchange: eq.pack gives those of any tensor")
    start = axis = _start(x, sum(count for _, count, _ in parts))
    for one, count, _ in parts:
        if isinstance(one, Symmetry):
            _side(x, axis, count)
        axis += count
    for later, earlier, sign in symmetrising(tuple(one for one, _, _ in parts)):
        exchanged = [x.transpose(start + axis, start + later) for axis in earlier]
        x = (x + sign * sum(exchanged[1:], exchanged[0])) / (1 + len(exchanged))
    return x


def _read(order: str | Order) -> list[tuple[Entry, int, bool]]:
    """The parts of an order, how many axes each has, and whether it is packed."""
    read = read_order(order)
    for irrep in filter(None, irreps_of(read)):
        if not irrep.spherical:
            raise SpaceError(
                f"{irrep} is an irrep of several groups: change its coordinates by eq.Linear, or name one of O(3), "
                "such as 2e"
            )
    if is_plain(read):
        raise SpaceError(
            f"{shown(order)} has no symmetric or alternating part: ask for an order such as 'S2' or '(A3,1)'"
        )
    some = is_packed(read)
    return [
        (one, count, isinstance(one, Irrep) or (isinstance(one, Symmetry) and (one.packed or not some)))
        for one, count in zip(entries_of(read), axis_counts(read), strict=True)
    ]


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
