"""Normalisation, dropout over channels and pooling to invariants, all of which commute with a group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional

from eqsynth.bases.basis import basis
from eqsynth.bases.pointwise import positional, positions, require_full
from eqsynth.errors import ActivationError, ShapeError, SpaceError, explain_calls
from eqsynth.exact.numbers import bounded, choice, flag
from eqsynth.families.group import Group
from eqsynth.families.hom import fitted_space
from eqsynth.layers.emitted import require_dtype
from eqsynth.layers.linear import Linear
from eqsynth.nn.activations import (
    EquivariantModule,
    Tensors,
    all_definite,
    component_axes,
    forms_of,
    full_precision,
    joined,
    lower,
    mean_over,
    real_dtype,
    spread,
    suffix,
    whole,
)
from eqsynth.spaces.space import Order, Space, axis_counts, none_of, order_text

#: The norm of zeros, so that norms have gradients there.
LEAST_NORM = 1e-6


def _require_norm(group: Group, order: Order) -> None:
    permuted, forms = positions(group, order), forms_of(group, order)
    if not all_definite(permuted, forms):
        raise ActivationError(
            f"tensors of order {order_text(order)} of {group} cannot be normalised: no positive definite form that the "
            "group keeps is known, as in every group that is not compact, whose elements make tensors as long as they "
            "like. Normalise the terms of order 0, and bound the others with eq.nn.Gated, or with eq.nn.NormActivation "
            "where the group keeps a symmetric form"
        )


def _mean_square(x: torch.Tensor, plan: tuple[Any, ...], axes: tuple[int, ...]) -> torch.Tensor:
    permuted, forms = plan
    return mean_over(x.abs() ** 2 if x.is_complex() else x * lower(x, permuted, forms), axes, forms)


def _rows(terms: Sequence[torch.Tensor]) -> int:
    """How many values of each channel some tensors have."""
    return sum(term.shape[:-1].numel() for term in terms)


def _mean_of_all(means: list[torch.Tensor], values: list[torch.Tensor]) -> torch.Tensor:
    """The mean over several tensors, from the mean of each."""
    total = sum(value.numel() for value in values)
    parts = [mean * (value.numel() / total) for mean, value in zip(means, values, strict=True)]
    return torch.stack(parts).sum(0)


class _Normalisation(EquivariantModule):
    """Parameters of a normalisation: a scale for each channel, a shift where there are no components."""

    takes_complex = False

    def __init__(
        self, group: str | Group, space: Any, eps: float, affine: bool, device: Any, dtype: torch.dtype | None
    ) -> None:
        super().__init__(group, space, space, device, dtype)
        self.eps, self.affine = bounded("eps", eps), flag("affine", affine)
        #: Scales and variances are real numbers, shifts and means of the kind of the tensors.
        self._dtypes = (real_dtype(dtype), self._numbers(dtype))
        for place, (channels, order) in enumerate(self.space_in):
            if positional(self.group, order) != order:
                _require_norm(self.group, order)
            names = ("weight", "bias") if positional(self.group, order) == order else ("weight",)
            for name, kind in zip(names, self._dtypes, strict=False) if self.affine else ():
                empty = self._empty(channels, device=device, dtype=kind)
                self.register_parameter(f"{name}{suffix(self.space_in, place)}", nn.Parameter(empty))
        self._plans = tuple(
            (positions(self.group, order), forms_of(self.group, order)) for order in self.space_in.orders
        )
        self._free = tuple(positional(self.group, order) == order for order in self.space_in.orders)

    def reset_parameters(self) -> None:
        """Weights 1, biases 0."""
        for name, parameter in self.named_parameters(recurse=False):
            nn.init.constant_(parameter, float(name.startswith("weight")))

    def _own(self, name: str, place: int) -> torch.Tensor | None:
        """A parameter or buffer of a term; None where it has none."""
        return cast("torch.Tensor | None", getattr(self, name + suffix(self.space_in, place), None))


def batch_norm(
    rows: torch.Tensor,
    mean: torch.Tensor,
    variance: torch.Tensor,
    weight: torch.Tensor | None,
    bias: torch.Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> torch.Tensor:
    """``torch.nn.functional.batch_norm``, and the same of complex numbers: variances are means of squares of moduli."""
    if not rows.is_complex():
        return functional.batch_norm(rows, mean, variance, weight, bias, training, momentum, eps)
    centre, square = mean, variance
    if training:
        centre = rows.mean(0)
        square = ((rows - centre).abs() ** 2).mean(0)
        with torch.no_grad():
            mean.lerp_(centre.to(mean.dtype), momentum)
            variance.lerp_((square * (len(rows) / (len(rows) - 1))).to(variance.dtype), momentum)
    y = (rows - centre) * (square + eps).rsqrt()
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


@explain_calls
class LayerNorm(_Normalisation):
    """Layer normalisation that commutes with the group: each sample, and each position in it, by itself.

    >>> import torch, eqsynth as eq
    >>> norm = eq.nn.LayerNorm("S(n)", "16x2")
    >>> norm
    LayerNorm(S(n): 16x2, over='channels')
    >>> norm(torch.randn(4, 9, 9, 16)).shape
    torch.Size([4, 9, 9, 16])
    >>> eq.nn.LayerNorm("O(3)", "16x1 + 8x0")
    LayerNorm(O(3): 16x1 + 8x0, over='channels')

    Where a group only permutes positions, and at order 0, this is ``torch.nn.LayerNorm`` over the channels of each
    position; with ``over="all"``, over all positions of a sample, too. Tensors with components (O(n), SO(n)) are
    divided by the root mean square over components and channels; they have a weight for each channel and no bias, which
    would point somewhere. For U(n), SU(n) and Z(r) wr S(n) squares are those of moduli, weights real, biases complex.

    Raises ActivationError for groups without an invariant norm (Sp(n), GL(n), Lorentz), SpaceError for one channel at
    one position, and for means over all positions of packed tensors. Source: arXiv 1607.06450.
    """

    def __init__(
        self,
        group: str | Group,
        space: str | int | Space,
        over: str = "channels",
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(group, space, eps, affine, device, dtype)
        choice("over", over, ("channels", "all"))
        if over == "all":
            require_full(self.space_in, "LayerNorm with over='all'")
        self.over = over
        for (channels, order), (permuted, _), free in zip(self.space_in, self._plans, self._free, strict=True):
            if channels == 1 and free and not (over == "all" and permuted):
                cure = "over='all'" if permuted else "eq.nn.BatchNorm, or leave this term as it is"
                raise SpaceError(
                    f"one channel of order {order_text(order)} has no variance over channels, and becomes 0: use {cure}"
                )
        self.reset_parameters()

    def options(self) -> tuple[str, ...]:
        """What means are taken over."""
        return (f"over={self.over!r}",)

    def forward(self, x: Any, *others: Any) -> Tensors:
        """Normalise each term."""
        return joined(self.of_terms(self.terms_of(x, *others)))

    def of_terms(self, terms: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """The same for terms whose positions may be listed, where means are over channels."""
        outputs = []
        for place, (term, plan) in enumerate(zip(terms, self._plans, strict=True)):
            permuted, _ = plan
            weight, bias = self._own("weight", place), self._own("bias", place)
            free = self._free[place]
            if free and self.over == "channels" and not self.group.over_complex:
                require_dtype(self, term, weight, True)
                outputs.append(functional.layer_norm(term, term.shape[-1:], weight, bias, self.eps))
                continue
            axes = (*(range(-len(permuted) - 1, -1) if self.over == "all" else component_axes(permuted)), -1)
            with full_precision(term):
                value = whole(term)
                if free:
                    value = value - value.mean(axes, keepdim=True)
                value = value * (_mean_square(value, plan, axes) + self.eps).rsqrt()
                value = value if weight is None else value * weight
                value = value if bias is None else value + bias
            outputs.append(value.to(term.dtype))
        return outputs


@explain_calls
class BatchNorm(_Normalisation):
    """Batch normalisation that commutes with the group, with running statistics for evaluation.

    >>> import torch, eqsynth as eq
    >>> norm = eq.nn.BatchNorm("O(3)", "16x1 + 8x0")
    >>> norm
    BatchNorm(O(3): 16x1 + 8x0, momentum=0.1)
    >>> [y.shape for y in norm((torch.randn(64, 3, 16), torch.randn(64, 8)))]
    [torch.Size([64, 3, 16]), torch.Size([64, 8])]

    Where a group only permutes positions, and at order 0, this is ``torch.nn.BatchNorm1d`` for each channel over the
    batch and all positions. Channels with components (O(n), SO(n)) are divided by the root of their mean square norm
    per component: their mean is no invariant, so that it is not taken off, and they have no bias. For U(n), SU(n) and
    Z(r) wr S(n) variances are means of squares of moduli, weights real, means and biases complex. In evaluation the
    running statistics are used, updated in training by ``momentum``. An empty batch changes nothing.

    Raises ActivationError for groups without an invariant norm (Sp(n), GL(n), Lorentz); in training ShapeError for a
    batch with one value for each channel, which has no variance. Source: arXiv 1502.03167.
    """

    num_batches_tracked: torch.Tensor

    def __init__(
        self,
        group: str | Group,
        space: str | int | Space,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(group, space, eps, affine, device, dtype)
        require_full(self.space_in, "BatchNorm")
        self.momentum = bounded("momentum", momentum, 1)
        for place, (channels, order) in enumerate(self.space_in):
            end = suffix(self.space_in, place)
            names = ("running_var", "running_mean") if positional(self.group, order) == order else ("running_var",)
            for name, kind in reversed([*zip(names, self._dtypes, strict=False)]):
                self.register_buffer(f"{name}{end}", self._empty(channels, device=device, dtype=kind))
        self.register_buffer("num_batches_tracked", torch.tensor(0, dtype=torch.long, device=device))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weights and running variances 1, biases and running means 0."""
        super().reset_parameters()
        for name, value in self.named_buffers(recurse=False):
            value.fill_(int(name.startswith("running_var")))

    def options(self) -> tuple[str, ...]:
        """How fast the running statistics follow."""
        return (f"momentum={self.momentum}",)

    def forward(self, x: Any, *others: Any) -> Tensors:
        """Normalise each term, and in training update the running statistics."""
        return self._normalised([self.terms_of(x, *others)])[0]

    def together(self, inputs: Sequence[Any]) -> list[Tensors]:
        """Normalise several batches, of different sizes, with the statistics that they have together."""
        return self._normalised([self.terms_of(x) for x in inputs])

    def _normalised(self, inputs: Sequence[Sequence[torch.Tensor]]) -> list[Tensors]:
        columns = list(zip(*inputs, strict=True))
        self._begin(columns)
        outputs = [
            self._positions(place, column) if self._free[place] else self._components(place, column, plan)
            for place, (column, plan) in enumerate(zip(columns, self._plans, strict=True))
        ]
        return [joined(list(terms)) for terms in zip(*outputs, strict=True)]

    def of_terms(self, terms: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """The same for terms whose positions may be listed."""
        y = self._normalised([terms])[0]
        return list(y) if isinstance(y, tuple) else [y]

    def _begin(self, columns: Sequence[Sequence[torch.Tensor]]) -> None:
        """Count a batch in training, unless it is empty; raises ShapeError before any statistics change."""
        if not self.training:
            return
        rows = [_rows(column) for column in columns]
        for free, order, count in zip(self._free, self.space_in.orders, rows, strict=True):
            if free and count == 1:
                raise ShapeError(
                    f"one value for each channel of order {order_text(order)} has no variance: in training "
                    "eq.nn.BatchNorm takes a batch of 2 or more; call .eval(), or use eq.nn.LayerNorm"
                )
        if any(rows):
            self.num_batches_tracked.add_(1)

    def _positions(self, place: int, terms: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """A term without components, in each of the batches."""
        weight, bias, mean = (self._own(name, place) for name in ("weight", "bias", "running_mean"))
        if weight is not None and bias is not None and mean is not None:
            # Mixed precision of fully_shard lends parameters of another dtype than that of the buffers.
            weight, bias = weight.to(mean.dtype), bias.to(mean.dtype)
        require_dtype(self, terms[0], mean, True)
        variance = self._own("running_var", place)
        assert mean is not None  # noqa: S101 - terms without components have both
        assert variance is not None  # noqa: S101
        rows = [term.reshape(-1, term.shape[-1]) for term in terms]
        flat = batch_norm(
            torch.cat(rows) if len(rows) > 1 else rows[0],
            mean,
            variance,
            weight,
            bias,
            self.training and bool(_rows(terms)),
            self.momentum,
            self.eps,
        )
        parts = torch.split(flat, [len(row) for row in rows]) if len(rows) > 1 else (flat,)
        return [part.reshape(term.shape) for part, term in zip(parts, terms, strict=True)]

    def _components(self, place: int, terms: Sequence[torch.Tensor], plan: tuple[Any, ...]) -> list[torch.Tensor]:
        """A term with components, in each of the batches."""
        weight, running = self._own("weight", place), self._own("running_var", place)
        assert running is not None  # noqa: S101 - every term has one
        with full_precision(terms[0]):
            values = [whole(term) for term in terms]
            if self.training and _rows(terms):
                squares = [_mean_square(value, plan, tuple(range(value.ndim - 1))).flatten() for value in values]
                square = squares[0] if len(values) == 1 else _mean_of_all(squares, values)
                with torch.no_grad():
                    running.lerp_(square.detach().to(running.dtype), self.momentum)
            else:
                square = running
            scale = (square + self.eps).rsqrt()
            values = [value * scale for value in values]
            values = values if weight is None else [value * weight for value in values]
        return [value.to(term.dtype) for value, term in zip(values, terms, strict=True)]


@explain_calls
class Dropout(EquivariantModule):
    """Drops whole channels of each sample: the same mask at every position and for every component.

    >>> import torch, eqsynth as eq
    >>> drop = eq.nn.Dropout("O(3)", "16x1 + 8x0", p=0.2)
    >>> drop
    Dropout(O(3): 16x1 + 8x0, p=0.2)
    >>> y, _ = drop((torch.ones(5, 3, 16), torch.ones(5, 8)))
    >>> bool((y == y[:, :1]).all())
    True

    In training a channel is set to 0 with probability p, else multiplied by 1 / (1 - p). Dropping single entries, as
    ``torch.nn.Dropout`` does, would break the symmetry. Raises EqsynthError for a p outside of 0 to 1.
    """

    def __init__(self, group: str | Group, space: str | int | Space, p: float = 0.5) -> None:
        super().__init__(group, space, space)
        self.p = bounded("p", p, 1)

    def options(self) -> tuple[str, ...]:
        """How often a channel is dropped."""
        return (f"p={self.p}",)

    def forward(self, x: Any, *others: Any) -> Tensors:
        """Drop channels in training; the input in evaluation."""
        terms = self.terms_of(x, *others)
        if not self.training or self.p == 0:
            return joined(list(terms))
        outputs = []
        for term, (_, lengths) in zip(terms, self._shapes, strict=True):
            axes = len(lengths)
            batch = term.shape[: term.ndim - axes - 1]
            outputs.append(term * spread(self.mask(term, batch, term.shape[-1]), (False,) * axes))
        return joined(outputs)

    def mask(self, term: torch.Tensor, batch: Sequence[int], channels: int) -> torch.Tensor:
        """What each channel of each sample is multiplied by."""
        return functional.dropout(term.new_ones((*batch, channels), dtype=real_dtype(term.dtype)), self.p)


@explain_calls
class Pool(EquivariantModule):
    """Invariants of each term: sums, means or maxima over positions, and contractions or norms of components.

    >>> import torch, eqsynth as eq
    >>> pool = eq.nn.Pool("S(n)", "16x2 + 8x1", "max")
    >>> pool
    Pool(S(n): 16x2 + 8x1 -> 16x0 + 8x0, max)
    >>> [y.shape for y in pool((torch.randn(4, 9, 9, 16), torch.randn(4, 9, 8)))]
    [torch.Size([4, 16]), torch.Size([4, 8])]
    >>> eq.nn.Pool("O(3)", "16x2 + 8x1")
    Pool(O(3): 16x2 + 8x1 -> 16x0 + 8x0, mean, linear, norm)

    Where a group only permutes positions, ``reduce`` is taken over all of them. Terms with components are contracted
    first, as ``components`` says: ``"linear"``, by every linear invariant (traces), with a learned mixture of channels
    as in eq.Linear; ``"norm"``, the root mean square of each channel; ``"auto"``, linear where there are linear
    invariants, else the norm. In ``S(n) x O(3)`` norms are taken at each position, before ``reduce``. For U(n), SU(n)
    and Z(r) wr S(n) they are those of complex tensors.

    Raises ActivationError where a term has neither linear invariants nor a norm, as vectors of Sp(n), and for the
    maximum of complex numbers.
    """

    def __init__(
        self,
        group: str | Group,
        space: str | int | Space,
        reduce: str = "mean",
        components: str = "auto",
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        parsed = Group.parse(group)
        space_in = fitted_space(parsed, Space.parse(space))
        require_full(space_in, "Pool")
        zero: Order = 0 if len(parsed.factors) == 1 else (0,) * len(parsed.factors)
        pooled = Space(tuple((channels, zero) for channels in space_in.channels))
        super().__init__(parsed, space_in, pooled, device, dtype)
        choice("reduce", reduce, ("sum", "mean", "max"))
        choice("components", components, ("auto", "linear", "norm"))
        self.reduce, self.components = reduce, components
        self._plans = tuple((positions(parsed, order), forms_of(parsed, order)) for order in space_in.orders)
        self.linear = nn.ModuleDict()
        ways = []
        for place, (channels, order) in enumerate(space_in):
            ways.append(self._way(order, components))
            if ways[-1] == "linear":
                one = Space(((channels, order),)), Space(((channels, zero),))
                self.linear[str(place)] = Linear(
                    parsed, *one, False, device, dtype, "sum" if reduce == "sum" else "mean"
                )
        self.ways = tuple(ways)
        self.takes_complex = not {"norm", "max"} & {reduce, *ways}
        if parsed.over_complex and reduce == "max":
            raise ActivationError(
                f"complex numbers have no maximum, and tensors of {parsed} are complex: ask for reduce='mean' or "
                "'sum', which take components='norm', too"
            )
        # eq.Linear asks for the sizes of factors that do not act on a term; any size will do.
        letters = {factor.n for factor in parsed.factors if isinstance(factor.n, str)}
        self.unused = tuple(
            (2,) * len(letters - {f.n for f, count in zip(parsed.factors, axis_counts(order), strict=True) if count})
            for order in space_in.orders
        )

    def _way(self, order: Order, components: str) -> str:
        group = self.group
        if positional(group, order) == order:
            return self.reduce
        zero: Order = none_of(order)
        definite = all_definite(positions(group, order), forms_of(group, order))
        linear = self.reduce != "max" or not any(positions(group, order))
        linear = linear and len(basis(group, order, zero)) > 0
        if components != "norm" and linear:
            return "linear"
        if components != "linear" and definite:
            return "norm"
        why = []
        if not linear:
            why.append("it has no linear invariants" if self.reduce != "max" else "its linear invariants are no maxima")
        if not definite:
            why.append("the group keeps no norm")
        raise ActivationError(
            f"channels of order {order_text(order)} of {group} cannot be pooled with components={components!r}: "
            f"{' and '.join(why)}. Make invariants of several channels by eq.nn.Pairings, or where the group keeps no "
            "bilinear form by eq.TensorProduct and eq.Power, and pool the terms of order 0"
        )

    def options(self) -> tuple[str, ...]:
        """How invariants are made."""
        return tuple(dict.fromkeys((self.reduce, *self.ways)))

    def forward(self, x: Any, *others: Any) -> Tensors:
        """One tensor ``(*batch, channels)`` for each term."""
        outputs = []
        for place, (term, plan, way) in enumerate(zip(self.terms_of(x, *others), self._plans, self.ways, strict=True)):
            if way == "linear":
                outputs.append(self.linear[str(place)](term, *self.unused[place]))
                continue
            value, (permuted, _) = self.normed(place, term), plan
            axes = tuple(range(-len(permuted) - 1, -1))
            if axes and self.reduce == "max":
                value = value.amax(axes)
            elif axes:
                # Norms have left axes of length 1, which sums and means leave as they are.
                value = value.sum(axes) if self.reduce == "sum" else value.mean(axes)
            outputs.append(value)
        return joined(outputs)

    def normed(self, place: int, term: torch.Tensor) -> torch.Tensor:
        """The norm at each position, where norms are pooled; else the term. Positions may be listed."""
        if self.ways[place] != "norm":
            return term
        permuted, _ = self._plans[place]
        with full_precision(term):
            square = _mean_square(whole(term), self._plans[place], component_axes(permuted))
            return (square.clamp_min(0) + LEAST_NORM**2).sqrt().to(term.dtype)

    def traces(self, place: int) -> Any:
        """The layer that pools a term by its linear invariants; None where it does not."""
        return self.linear[str(place)] if self.ways[place] == "linear" else None
