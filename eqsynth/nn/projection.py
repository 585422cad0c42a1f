"""The nearest equivariant map of dense weights in PyTorch, and how far from it they are: symmetry as a penalty."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from eqsynth.bases.spans import CHUNK, Boxes, Diagrams, Labelled, Rows, Span, stored_span
from eqsynth.errors import EqsynthError, ShapeError, SpaceError, SymbolicError, counted, explain_calls, shown
from eqsynth.exact.numbers import bounded, whole
from eqsynth.families.group import Group
from eqsynth.families.hom import Hom
from eqsynth.spaces.space import Order, Space, is_decomposed, lengths, none_of, order_text, orders_of, stored_full

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Sizes in place of letters: one for all, or one for each.
Sizes = int | Mapping[str, int] | None


@explain_calls
def project(
    weight: torch.Tensor,
    group: str | Group,
    space_in: str | int | Space,
    space_out: str | int | Space,
    n: Sizes = None,
) -> torch.Tensor:
    """The equivariant map nearest to a matrix of weights: its orthogonal projection, differentiable.

    >>> import torch, eqsynth as eq
    >>> weight = torch.tensor([[1.0, 2.0], [3.0, 5.0]])
    >>> eq.nn.project(weight, "S(2)", "1", "1")
    tensor([[3.0000, 2.5000],
            [2.5000, 3.0000]])
    >>> dense = torch.nn.Linear(3 * 4, 3 * 3 * 8)
    >>> eq.nn.project(dense.weight, "O(3)", "4x1", "8x2").shape
    torch.Size([72, 12])

    ``weight``: shape ``(*batch, features_out, features_in)``, as that of a dense layer between tensors of the two
    spaces, channels last and flattened, terms one after the other: ``16x2 + 8x1`` at n = 5 has 5 * 5 * 16 + 5 * 8
    features. With one channel it is the matrix of shape ``(*batch, n**l, n**k)``. Every matrix of the batch, and for
    each pair of channels the map between them, is projected by itself. Floats and complex numbers of any precision;
    ``n`` is the size of a letter, or a dict of sizes. Groups, orders and spaces are those of eq.Linear: symmetric and
    packed tensors, irreps, twisted ones and products of groups. Where tensors are packed it is nearest in their packed
    entries.

    Diagrams are contracted with the weights by strided sums, the coefficients are found by the exactly inverted Gram
    matrix, in float64, and added up again: no diagram is written out as a matrix, and a product of groups goes factor
    by factor. For groups of permutations means over orbits take one pass. The projection is its own gradient.

    Raises ShapeError for weights of another shape or of whole numbers, SymbolicError without a number for n, SizeError
    for more than 1000 diagrams, and what eq.basis raises. Source: :func:`eqsynth.symbolic.project`, which is exact.
    """
    problem = _problem(group, space_in, space_out, n)
    return problem.projected(_checked(weight, problem))


@explain_calls
def equivariance_gap(
    layer: nn.Module | torch.Tensor,
    group: str | Group | Mapping[str | Group, float],
    space_in: str | int | Space,
    space_out: str | int | Space,
    n: Sizes = None,
) -> torch.Tensor:
    """How far a dense layer is from commuting with a group: ``|W - PW|^2``, exactly and without samples of the group.

    >>> import torch, eqsynth as eq
    >>> layer = torch.nn.Linear(3 * 4, 3 * 8)
    >>> gap = eq.nn.equivariance_gap(layer, "O(3)", "4x1", "8x1")
    >>> gap.backward()  # a penalty to add to any loss
    >>> eq.nn.project_(layer, "O(3)", "4x1", "8x1")
    Linear(in_features=12, out_features=24, bias=True)
    >>> bool(eq.nn.equivariance_gap(layer, "O(3)", "4x1", "8x1") < 1e-10)
    True
    >>> eq.nn.equivariance_gap(torch.eye(2), {"S(2)": 1.0, "Z(2)^2": 0.1}, "1", "1")
    tensor(0.)

    ``layer`` is a ``torch.nn.Linear``, or any module with a ``weight`` of that layout and perhaps a ``bias``, or a
    tensor as in :func:`project`. The sum of squares of what the nearest equivariant map leaves; of a layer that of its
    bias as well, as a map from order 0. A scalar, for a batch of matrices one for each. Divide by ``|W|^2`` for a
    share.

    With a dict in place of the group the result is the sum over its groups, each times its weight: several symmetries
    of the same spaces, each as far as the task wants it (arXiv 2306.00356). For groups of orthogonal matrices
    it is half the mean of ``|W - rho(g)^-1 W rho(g)|^2`` over all g, which sampling comes near to.

    Raises what :func:`project` raises, and EqsynthError for what has no weight, or weights that are no numbers.
    """
    weight, bias = _weights_of(layer)
    total: Any = 0
    for one, factor in _weighted(group):
        problem = _problem(one, space_in, space_out, n)
        squares = _squares(weight, problem)
        if bias is not None:
            squares = squares + _squares(bias[:, None], problem.of_biases())
        total = total + factor * squares
    return total  # type: ignore[no-any-return]  # there is a group


@explain_calls
def project_(
    layer: Any,
    group: str | Group,
    space_in: str | int | Space,
    space_out: str | int | Space,
    n: Sizes = None,
) -> Any:
    """Replace the weights of a dense layer, or of a tensor, by the nearest equivariant ones, in place; gives it back.

    >>> import torch, eqsynth as eq
    >>> layer = eq.nn.project_(torch.nn.Linear(4 * 4, 4), "S(n)", "1x2", "1x1", n=4)
    >>> eq.testing.assert_equivariant(lambda x: layer.double()(x.flatten(1))[..., None], "S(4)", "1x2", "1x1")

    As :func:`project`, for the bias too. To train under an exact symmetry eq.Linear has fewer weights and costs less.
    Raises EqsynthError where the weight is no parameter but computed from others, as ``torch.nn.utils.parametrize``
    does.
    """
    weight, bias = _weights_of(layer)
    problem = _problem(group, space_in, space_out, n)
    if isinstance(layer, nn.Module) and "weight" not in layer._parameters:
        raise EqsynthError(
            f"the weight of {type(layer).__name__} is computed from other parameters: project it where it is used, "
            "eq.nn.project(layer.weight, ...)"
        )
    with torch.no_grad():
        weight.copy_(problem.projected(_checked(weight, problem)))
        if bias is not None:
            bias.copy_(problem.of_biases().projected(_checked(bias[:, None], problem.of_biases()))[:, 0])
    return layer


def _weights_of(layer: Any) -> tuple[torch.Tensor, torch.Tensor | None]:
    if isinstance(layer, torch.Tensor):
        return layer, None
    weight, bias = (getattr(layer, name, None) for name in ("weight", "bias"))
    if isinstance(getattr(layer, "hom", None), Hom):
        raise EqsynthError(f"{type(layer).__name__} of eqsynth is equivariant as it is: give a torch.nn.Linear")
    if not isinstance(layer, nn.Module) or not isinstance(weight, torch.Tensor):
        raise EqsynthError(f"give a layer with a weight, such as torch.nn.Linear, or a tensor, not {shown(layer)}")
    if weight.ndim != 2:
        raise EqsynthError(
            f"the weight of {type(layer).__name__} has {counted(weight.ndim, 'axis', 'axes')}, not one for outputs and "
            "one for inputs: give a tensor in which these come last, as layer.weight.movedim((0, 1), (-2, -1)) of a "
            "convolution"
        )
    if bias is not None and not (isinstance(bias, torch.Tensor) and bias.ndim == 1):
        raise EqsynthError(f"the bias of {type(layer).__name__} is no vector: give its weight, layer.weight")
    return weight, bias


def _weighted(group: Any) -> list[tuple[Any, float]]:
    if not isinstance(group, Mapping):
        return [(group, 1.0)]
    if not group:
        raise EqsynthError("several groups have a weight each, as in {'O(3)': 1.0, 'S(3)': 0.1}: give one or more")
    return [(one, bounded("the weight of a group", factor)) for one, factor in group.items()]


def _squares(weight: torch.Tensor, problem: _Problem) -> torch.Tensor:
    """The sum of squares of what the projection leaves."""
    rest = _checked(weight, problem)
    rest = rest - problem.projected(rest)
    return (rest.abs() if rest.is_complex() else rest).square().sum((-2, -1))


# --- the problem --------------------------------------------------------------------------------------


def _problem(group: Any, space_in: Any, space_out: Any, n: Sizes) -> _Problem:
    hom = Hom.parse(group, space_in, space_out)
    if hom.transfer:
        raise EqsynthError(f"projections are those to all maps between two spaces: leave transfer={hom.transfer} out")
    for order in (*hom.space_in.orders, *hom.space_out.orders):
        if is_decomposed(order):
            raise SpaceError(
                f"projections take tensors with an axis for each index, and {order_text(order)} is stored in "
                f"coordinates of irreducible parts: ask for {order_text(stored_full(order))}, and take what there "
                "is to it by eq.from_irreps"
            )
    return _Problem(hom, _sizes(hom.group, n))


def _sizes(group: Group, n: Any) -> tuple[int, ...]:
    """The size of each factor of a group."""
    for factor in group.factors:
        factor.require_lengths()
    letters = sorted({str(factor.n) for factor in group.factors if factor.symbolic})
    given = dict(n) if isinstance(n, Mapping) else dict.fromkeys(letters, n)
    read = {letter: whole(given.get(letter)) for letter in letters}
    if {*given} != {*letters} or None in read.values() or (n is not None and not letters):
        example = f"n={dict.fromkeys(letters, 4)}" if len(letters) > 1 else "n=4" if letters else "without n"
        what = f"the open sizes {', '.join(letters)}" if letters else "no open size"
        raise SymbolicError(f"{group} has {what}, and n is {shown(n)}: write {example}")
    return tuple(f.at(read[str(f.n)] or 0).number if f.symbolic else f.number for f in group.factors)


@dataclass(frozen=True, slots=True)
class _Problem:
    """Dense weights between two spaces, and the maps of a group there."""

    hom: Hom
    sizes: tuple[int, ...]

    def of_biases(self) -> _Problem:
        """The same for biases: maps from order 0."""
        zero = Space(((1, none_of(self.hom.space_out.orders[0])),))
        return _Problem(Hom(self.hom.group, zero, self.hom.space_out), self.sizes)

    def features(self, space: Space) -> list[int]:
        """How many entries the tensors of each term have, channels included."""
        return [channels * prod(lengths(order, self.sizes)) for channels, order in space]

    def projected(self, weight: torch.Tensor) -> torch.Tensor:
        """The projection of weights of the right shape."""
        hom = self.hom
        ins, outs = self.features(hom.space_in), self.features(hom.space_out)
        rows = [
            torch.cat(
                [
                    self._block(block, term_in, term_out)
                    for block, term_in in zip(torch.split(row, ins, -1), hom.space_in, strict=True)
                ],
                -1,
            )
            for row, term_out in zip(torch.split(weight, outs, -2), hom.space_out, strict=True)
        ]
        return torch.cat(rows, -2)

    def _block(self, block: torch.Tensor, term_in: tuple[int, Order], term_out: tuple[int, Order]) -> torch.Tensor:
        """The weights of a pair of terms: all pairs of channels become one batch, each factor one axis."""
        (wide, below), (high, above) = term_in, term_out
        columns, rows = (self._of_factors(order) for order in (below, above))
        batch, several = block.shape[:-2], len(rows)
        apart = block.reshape(prod(batch), *rows, high, *columns, wide)
        pairs = [axis for place in range(1, several + 1) for axis in (place, place + several + 1)]
        order = (0, several + 1, 2 * several + 2, *pairs)
        split = apart.permute(order)
        flat = split.reshape(prod(batch) * high * wide, *(a * b for a, b in zip(rows, columns, strict=True)))
        spans = tuple(
            stored_span(factor.at(n) if factor.symbolic else factor, *orders)
            for factor, n, *orders in zip(
                self.hom.group.factors, self.sizes, orders_of(below), orders_of(above), strict=True
            )
        )
        back = [order.index(axis) for axis in range(len(order))]
        return _projected(flat, spans).reshape(split.shape).permute(back).reshape(block.shape)

    def _of_factors(self, order: Order) -> list[int]:
        """How many entries the indices of each factor have."""
        return [prod(lengths(one, [n])) for one, n in zip(orders_of(order), self.sizes, strict=True)]


def _checked(weight: Any, problem: _Problem) -> torch.Tensor:
    hom = problem.hom
    expected = tuple(sum(problem.features(space)) for space in (hom.space_out, hom.space_in))
    if not isinstance(weight, torch.Tensor) or not (weight.is_floating_point() or weight.is_complex()):
        given = weight.dtype if isinstance(weight, torch.Tensor) else shown(weight)
        raise ShapeError(f"weights are a tensor of floats or complex numbers, not {given}: pass weight.float()")
    if weight.ndim < 2 or tuple(weight.shape[-2:]) != expected:
        raise ShapeError(
            f"weights {hom} at n = {', '.join(map(str, problem.sizes))} have the shape (..., {expected[0]}, "
            f"{expected[1]}), not {tuple(weight.shape)}: outputs and inputs are flattened, channels last"
        )
    return weight


# --- the projection -----------------------------------------------------------------------------------


class _Projected(torch.autograd.Function):
    """The projection of ``(batch, entries of factor 1, of factor 2, ...)``: linear and its own adjoint."""

    @staticmethod
    def forward(flat: torch.Tensor, spans: tuple[Span, ...]) -> torch.Tensor:
        # Sums over many entries of half precision would lose what they add up.
        wide = flat.float() if flat.dtype in (torch.float16, torch.bfloat16) else flat
        for axis, span in enumerate(spans, 1):
            moved = wide.movedim(axis, -1)
            rows = moved.reshape(prod(moved.shape[:-1]), span.entries).contiguous()
            wide = _added_up(span, _solved(span, _paired(span, rows))).reshape(moved.shape).movedim(-1, axis)
        return wide.to(flat.dtype, copy=wide is flat)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:  # noqa: ARG004 - as torch calls it
        ctx.spans = inputs[1]

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        return _projected(gradient, ctx.spans), None

    @staticmethod
    def jvp(ctx: Any, tangent: torch.Tensor, _: None) -> Any:
        return _projected(tangent, ctx.spans)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int, None], flat: torch.Tensor, spans: tuple[Span, ...]) -> Any:  # noqa: ARG004 - as torch calls it
        batched = flat.movedim(in_dims[0], 0)
        joined = batched.reshape(prod(batched.shape[:2]), *batched.shape[2:])
        return _projected(joined, spans).reshape(batched.shape), 0


def _projected(flat: torch.Tensor, spans: tuple[Span, ...]) -> torch.Tensor:
    return _Projected.apply(flat, spans)  # type: ignore[no-untyped-call,no-any-return]  # torch has no hint


def _paired(span: Span, rows: torch.Tensor) -> torch.Tensor:
    """The inner products of rows with the vectors of a span."""
    if isinstance(span, Diagrams):
        return torch.stack([_box_sum(rows, boxes) for boxes in span.boxes], -1)
    if isinstance(span, Labelled):
        labels, signs = _tables(span, rows.device)
        signed = rows if signs is None else rows * signs.to(rows.dtype)
        return rows.new_zeros(len(rows), span.count).index_add_(1, labels, signed)
    return rows @ _constant(_matrix(span), rows).T


def _added_up(span: Span, factors: torch.Tensor) -> torch.Tensor:
    """The sums of the vectors of a span with these factors."""
    if isinstance(span, Diagrams):
        out = factors.new_zeros(len(factors), span.entries)
        for column, boxes in enumerate(span.boxes):
            _add_box(out, factors[:, column], boxes)
        return out
    if isinstance(span, Labelled):
        labels, signs = _tables(span, factors.device)
        chosen = factors.index_select(1, labels)
        return chosen if signs is None else chosen * signs.to(factors.dtype)
    return factors @ _constant(_matrix(span), factors)


def _solved(span: Span, paired: torch.Tensor) -> torch.Tensor:
    """The coefficients from inner products, by the inverse of the Gram matrix: in float64 where the device has it."""
    if isinstance(span.inverse, tuple):
        return paired * _constant(_inverse(span), paired)
    wide = torch.complex128 if paired.is_complex() else torch.float64
    wide = paired.dtype if paired.device.type == "mps" else wide
    exact = paired.to(wide)
    return (exact @ _constant(_inverse(span), exact)).to(paired.dtype)


def _constant(array: NDArray[np.float64], like: torch.Tensor) -> torch.Tensor:
    """Numbers on the device and in the dtype of a tensor; not kept there, as fake tensors would be."""
    return torch.from_numpy(array).to(like.dtype).to(like.device)


def _box_sum(rows: torch.Tensor, boxes: Boxes) -> torch.Tensor:
    """The signed sum of each row over the entries of a diagram."""
    inside = [*range(2, 2 + len(boxes.sizes))]
    total = rows.new_zeros(len(rows))
    for window, corners, signs in _windows(rows, boxes):
        taken = window if corners is None else window.index_select(1, corners)
        total = total + ((taken.sum(inside) if inside else taken) * signs.to(rows.dtype)).sum(1)
    return total


def _add_box(out: torch.Tensor, factors: torch.Tensor, boxes: Boxes) -> None:
    """Add each factor times a diagram to a row of ``out``."""
    for window, corners, signs in _windows(out, boxes):
        added = (factors[:, None] * signs.to(out.dtype)).reshape(len(out), len(signs), *[1] * len(boxes.sizes))
        if corners is None:
            window.add_(added)
        else:
            # No entry of a diagram comes twice.
            window[:, corners] += added


def _windows(rows: torch.Tensor, boxes: Boxes) -> Iterator[tuple[torch.Tensor, torch.Tensor | None, torch.Tensor]]:
    """The box at every corner, as a view: with the corners to take, None where there is one, and their signs."""
    where, by = boxes.corners.tolist(), torch.from_numpy(boxes.signs).to(rows.device)
    entries, offset = rows.shape[1], rows.storage_offset()
    if len(where) == 1:
        shape, strides = (len(rows), 1, *boxes.sizes), (entries, 1, *boxes.steps)
        yield rows.as_strided(shape, strides, offset + where[0]), None, by
        return
    window = rows.as_strided((len(rows), max(where) + 1, *boxes.sizes), (entries, 1, *boxes.steps), offset)
    corners = torch.from_numpy(boxes.corners).to(rows.device)
    together = max(1, CHUNK // (max(len(rows), 1) * prod(boxes.sizes)))
    for start in range(0, len(where), together):
        yield window, corners[start : start + together], by[start : start + together]


def _tables(span: Labelled, device: torch.device) -> tuple[torch.Tensor, torch.Tensor | None]:
    signs = None if (span.signs == 1).all() else torch.from_numpy(span.signs).to(device)
    return torch.tensor(span.labels, device=device), signs


@lru_cache(maxsize=128)
def _matrix(span: Span) -> NDArray[np.float64]:
    assert isinstance(span, Rows)  # noqa: S101 - the third kind
    return span.floats()


@lru_cache(maxsize=128)
def _inverse(span: Span) -> NDArray[np.float64]:
    """The inverse of the Gram matrix, or its diagonal, as floats."""
    import numpy as np

    if isinstance(span.inverse, tuple):
        return np.array([float(value) for value in span.inverse])
    listed = [int(entry.p) / int(entry.q) for entry in span.inverse.entries()]
    return np.array(listed, np.float64).reshape(span.count, span.count)
