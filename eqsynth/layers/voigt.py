"""Voigt's and Mandel's order of stresses, strains and elasticity in three dimensions: six numbers for each pair."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from eqsynth.errors import ShapeError, explain_calls
from eqsynth.exact.numbers import choice, flag

if TYPE_CHECKING:
    from torch import Tensor

#: The pairs of indices in the order of Voigt and Mandel: 11, 22, 33, 23, 13, 12.
PAIRS = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
#: What is written so: how many pairs of indices there are, and by what each of different indices multiplies.
KINDS = {"stress": (1, 1.0), "strain": (1, 2.0), "stiffness": (2, 1.0), "compliance": (2, 2.0)}


@explain_calls
def voigt(x: Tensor, kind: str, mandel: bool = False) -> Tensor:
    """A symmetric tensor in three dimensions in the order of Voigt, 11, 22, 33, 23, 13, 12, or of Mandel.

    >>> import torch, eqsynth as eq
    >>> strain = torch.tensor([[1.0, 6.0, 5.0], [6.0, 2.0, 4.0], [5.0, 4.0, 3.0]])[..., None]
    >>> eq.voigt(strain, "strain").flatten()
    tensor([ 1.,  2.,  3.,  8., 10., 12.])
    >>> torch.allclose(eq.from_voigt(eq.voigt(strain, "strain"), "strain"), strain)
    True

    ``x``: shape ``(*batch, 3, 3, channels)`` for a ``"stress"`` or a ``"strain"`` (``S2``), and
    ``(*batch, 3, 3, 3, 3, channels)`` for a ``"stiffness"`` or a ``"compliance"`` (``[ijkl=jikl=klij]``). The result
    has six entries for each pair. Entries of unequal indices are multiplied:

    | | Voigt | Mandel |
    | --- | --- | --- |
    | stress | 1 | sqrt 2 |
    | strain | 2 (engineering shear, gamma_23 = 2 eps_23) | sqrt 2 |
    | stiffness | 1 | sqrt 2 for each pair of unequal indices |
    | compliance | 2 for each pair of unequal indices | sqrt 2 for each |

    So stress is stiffness times strain, and strain compliance times stress, in both; with ``mandel=True`` norms and
    inverses are those of the tensors, too. Packed tensors: ``eq.voigt(eq.unpack(x, "S2"), "stress")``.

    Raises ShapeError for other axes, EqsynthError for another kind. Source: Mandel, Int. J. Solids Struct. 1 (1965).
    """
    pairs, factors = _factors(x, kind, mandel)
    axis = _start(x, [3] * (2 * pairs), kind)
    places = torch.tensor([3 * i + j for i, j in PAIRS], device=x.device)
    for at in range(axis, axis + pairs):
        x = x.flatten(at, at + 1).index_select(at, places) * factors.reshape(-1, *[1] * (x.ndim - at - 2))
    return x


@explain_calls
def from_voigt(x: Tensor, kind: str, mandel: bool = False) -> Tensor:
    """All entries of a tensor in the order of Voigt or Mandel: :func:`voigt` the other way round.

    >>> import torch, eqsynth as eq
    >>> eq.from_voigt(torch.eye(6)[..., None], "stiffness", mandel=True)[0, 1, 0, 1, 0]
    tensor(0.5000)

    ``x``: shape ``(*batch, 6, channels)``, or ``(*batch, 6, 6, channels)`` for a stiffness or a compliance.

    Raises ShapeError for other shapes, EqsynthError for another ``kind``.
    """
    pairs, factors = _factors(x, kind, mandel)
    axis = _start(x, [6] * pairs, kind)
    numbers = [PAIRS.index((min(i, j), max(i, j))) for i in range(3) for j in range(3)]
    back = torch.tensor(numbers, device=x.device)
    for at in range(axis, axis + 2 * pairs, 2):
        x = (x / factors.reshape(-1, *[1] * (x.ndim - at - 1))).index_select(at, back)
        x = x.reshape(*x.shape[:at], 3, 3, *x.shape[at + 1 :])
    return x


def _factors(x: Tensor, kind: str, mandel: bool) -> tuple[int, Tensor]:
    """How many pairs of indices there are, and by what the six entries of each are multiplied."""
    if not isinstance(x, torch.Tensor):
        raise ShapeError(f"expected a tensor, got type {type(x).__name__}")
    choice("kind", kind, tuple(KINDS))
    pairs, shear = KINDS[kind]
    shear = 2**0.5 if flag("mandel", mandel) else shear
    dtype = x.dtype if x.is_floating_point() or x.is_complex() else None
    return pairs, torch.tensor([1.0] * 3 + [shear] * 3, dtype=dtype, device=x.device)


def _start(x: Tensor, axes: list[int], kind: str) -> int:
    if x.ndim <= len(axes) or [*x.shape[-len(axes) - 1 : -1]] != axes:
        lengths = ", ".join(map(str, axes))
        raise ShapeError(f"got shape {tuple(x.shape)}, expected (*batch, {lengths}, channels) for a {kind}")
    return x.ndim - len(axes) - 1
