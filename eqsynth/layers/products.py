"""``eqsynth.TensorProduct``, ``Power`` and ``PolynomialLayer``: all equivariant maps of products of inputs."""

from __future__ import annotations

from typing import Any

import torch

from eqsynth.errors import EqsynthError, explain_calls, shown
from eqsynth.exact.numbers import flag, whole
from eqsynth.families.group import Group
from eqsynth.families.hom import MAX_DEGREE, ProductHom
from eqsynth.layers.emitted import EmittedLayer, become_layer
from eqsynth.plans.products import plan_products
from eqsynth.spaces.space import Space

#: What a space may be given as.
SpaceLike = str | int | Space


@explain_calls
class TensorProduct(EmittedLayer, kind=True):
    """Every bilinear map of two inputs that commutes with a group, with one weight per map.

    >>> import torch, eqsynth as eq
    >>> layer = eq.TensorProduct("S(n)", "4x2", "8x1", "16x1")
    >>> layer
    TensorProduct(S(n): 4x2 (x) 8x1 -> 16x1, 15 maps, 7696 parameters, mode='full', bias=True, normalization='variance')
    >>> layer(torch.randn(4, 9, 9, 4), torch.randn(4, 9, 8)).shape
    torch.Size([4, 9, 16])

    Tensors are channels-last as in :class:`eqsynth.Linear`; a space of several terms takes a tuple. The maps are the
    diagrams of order k + l, ``eq.basis(group, k + l, m)``, whose first k inputs belong to u and the others to v. Each
    is computed as reductions of u, reductions of v, one contraction, one mixing of channels and one spreading: their
    outer product, which has n^(k+l) entries, is not formed, unless a map needs it whole. ``print(layer.plan)`` shows
    this. Maps of permutation and matrix groups that are no diagrams are one tied matrix, for small n and orders.

    ``mode`` says how channels meet. ``"full"``: each channel of u with each of v, ``weight`` of shape
    ``(maps, channels_out, channels_u, channels_v)``; e3nn calls this ``uvw``. ``"paired"``: each with its own, both
    inputs having equally many, then mixed, ``weight`` of shape ``(maps, channels_out, channels)``: e3nn's ``uuw``.
    It has fewer weights by a factor of the channels, and needs as much less memory.
    With several terms the weights are ``weight_i_j_o``, for terms i of u, j of v and o of the output.

    ``bias``: the constant maps, as in Linear. ``normalization`` is that of Linear, for sums in u, in v, and over both;
    initial weights give outputs of variance near 1 for independent inputs of entries with variance 1.

    ``transfer="repeat"`` or ``"pad"``, with n a letter, keeps the maps that mean the same at every size, as in Linear:

    >>> len(eq.TensorProduct("S(n)", "4x1", "8x1", "16x1", transfer="pad").basis[0, 0, 0])
    3

    Raises ParseError, GroupError, SpaceError or SizeError for the problem, ShapeError for a tensor.

    Source: arXiv 2304.14165 and 2412.10837 for the factoring of diagrams.
    """

    def __init__(
        self,
        group: str | Group,
        space_1: SpaceLike,
        space_2: SpaceLike,
        space_out: SpaceLike,
        mode: str = "full",
        bias: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
        normalization: str = "variance",
        weights: str = "own",
        transfer: str | None = None,
    ) -> None:
        problem = ProductHom.parse(group, (space_1, space_2), space_out, mode, transfer=transfer)
        plan = plan_products(problem, flag("bias", bias), normalization)
        become_layer(self, plan, device, dtype, weights)


@explain_calls
class Power(EmittedLayer, kind=True):
    """Every equivariant map of the power x (x) ... (x) x of one input, with one weight per map.

    >>> import torch, eqsynth as eq
    >>> layer = eq.Power("O(3)", "16x1", 2, "8x2 + 8x0")
    >>> layer
    Power(O(3): powers 2 of 16x1 -> 8x2 + 8x0, 3 maps, 400 parameters, bias=True, normalization='variance')
    >>> square, norm = layer(torch.randn(4, 3, 16))
    >>> square.shape, torch.allclose(square, square.transpose(1, 2))
    (torch.Size([4, 3, 3, 8]), True)

    Each channel is multiplied by itself, then channels are mixed: ``weight`` of shape ``(maps, channels_out,
    channels)``; a Linear layer before gives products of different channels. Maps that agree wherever all factors are
    equal are one map: an independent set of them is kept, exactly as many as there are. Here these are u v^T and
    v u^T. In a space of several terms, all of equally many channels, different terms are multiplied too:
    ``weight_0_0_o``, ``weight_0_1_o``, ...

    Vectors and matrices may be taken to degree 4 and above: maps are then listed up to exchanges of equal factors, with
    exactly as many as characters count, and no list of the diagrams of the whole product is made.

    >>> len(eq.Power("O(3)", "8xS2", 4, "8xS2").basis[0, 0, 0, 0, 0])                 # one term five times, to term 0
    9

    Initial weights give outputs of mean square near 1
    for independent normal inputs (exactly for n a number; at n = 16 for n a letter).

    ``transfer`` is that of TensorProduct.

    Raises EqsynthError for a degree below 1 or above 6, and what TensorProduct raises.
    """

    def __init__(
        self,
        group: str | Group,
        space: SpaceLike,
        degree: int,
        space_out: SpaceLike,
        bias: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
        normalization: str = "variance",
        weights: str = "own",
        transfer: str | None = None,
    ) -> None:
        problem = ProductHom.parse(group, (space,), space_out, "paired", (_degree(degree),), transfer=transfer)
        plan = plan_products(problem, flag("bias", bias), normalization)
        become_layer(self, plan, device, dtype, weights)


@explain_calls
class PolynomialLayer(EmittedLayer, kind=True):
    """Every equivariant polynomial of one input up to a degree, channel by channel, then mixed.

    >>> import torch, eqsynth as eq
    >>> layer = eq.PolynomialLayer("S(n)", "8x1", 2, "4x1")
    >>> layer
    PolynomialLayer(S(n): powers 1, 2 of 8x1 -> 4x1, 6 maps, 196 parameters, bias=True, normalization='variance')
    >>> layer(torch.randn(4, 9, 8)).shape
    torch.Size([4, 9, 4])

    The sum of the powers 1 to ``degree`` (:class:`Power`) and, as the bias, of degree 0, in one plan: reductions of
    the input are shared, and channels of all degrees are mixed together. ``weight_0_o`` belongs to degree 1,
    ``weight_0_0_o`` to degree 2, and so on.

    Raises EqsynthError for degrees that are not 1 to 6, and what :class:`Power` raises.
    """

    def __init__(
        self,
        group: str | Group,
        space: SpaceLike,
        degree: int,
        space_out: SpaceLike,
        bias: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
        normalization: str = "variance",
        weights: str = "own",
        transfer: str | None = None,
    ) -> None:
        degrees = tuple(range(1, _degree(degree) + 1))
        problem = ProductHom.parse(group, (space,), space_out, "paired", degrees, transfer=transfer)
        plan = plan_products(problem, flag("bias", bias), normalization)
        become_layer(self, plan, device, dtype, weights)


def _degree(degree: object) -> int:
    number = whole(degree)
    cure = ': it stands before the outputs, as in eq.Power("O(3)", "16x1", 2, "8x2")' * (number is None)
    if number is None or not 1 <= number <= MAX_DEGREE:
        raise EqsynthError(f"the degree {shown(degree)} of a power is no whole number from 1 to {MAX_DEGREE}{cure}")
    return number
