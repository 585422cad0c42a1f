"""Weights that are passed to a layer: their names and shapes, one set for a call or one for each sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

from eqsynth.errors import ShapeError, shown
from eqsynth.families.hom import ProductHom
from eqsynth.plans.plan import Plan

Weights = torch.Tensor | Mapping[str, torch.Tensor] | tuple[torch.Tensor, ...] | list[torch.Tensor]


def weight_shapes(plan: Plan) -> dict[str, tuple[int, ...]]:
    """The shape of each weight and bias of a layer, by name."""
    problem, outs = plan.problem, plan.problem.space_out.channels
    shapes: dict[str, tuple[int, ...]] = {}
    for pair in plan.pairs:
        wide: tuple[int, ...] = (plan.hom.space_in.channels[pair.term_in],)
        if isinstance(problem, ProductHom) and problem.full:
            wide = tuple(problem.inputs[place][0] for place in problem.terms[pair.term_in])
        shapes[plan.weight_name(pair.term_in, pair.term_out)] = (pair.dim, outs[pair.term_out], *wide)
    for term, dim in enumerate(plan.bias_dims):
        if dim:
            shapes[plan.bias_name(term)] = (dim, outs[term])
    return shapes


def with_weights(layer: Any, given: Callable[..., Any], weights: Weights | None, args: Any, kwargs: Any) -> Any:
    """What a layer computes with weights that are passed; ``given`` takes them by name, as one set for all samples."""
    named, batch = _named(layer, weights)
    if not batch:
        return given(layer, named, *args, **kwargs)
    leaves, structure = tree_flatten((args, kwargs))
    for x in leaves:
        if isinstance(x, torch.Tensor) and x.shape[: len(batch)] != batch:
            raise ShapeError(
                f"the weights have batch axes {tuple(batch)}, but an input has shape {tuple(x.shape)}: its first axes "
                "are the batch axes of the weights, one set for each sample"
            )
    tensors = [isinstance(x, torch.Tensor) for x in leaves]
    own = {name: value for name, value in named.items() if value.ndim > len(layer.weight_shapes[name])}
    fixed = {name: value for name, value in named.items() if name not in own}
    flat = [x.flatten(0, len(batch) - 1) if is_tensor else x for x, is_tensor in zip(leaves, tensors, strict=True)]

    def one(own: dict[str, torch.Tensor], *inputs: Any) -> Any:
        whole = iter(inputs)
        args, kwargs = tree_unflatten(
            [next(whole) if t else x for x, t in zip(leaves, tensors, strict=True)], structure
        )
        return given(layer, {**fixed, **own}, *args, **kwargs)

    inputs = [x for x, is_tensor in zip(flat, tensors, strict=True) if is_tensor]
    own = {name: value.flatten(0, len(batch) - 1) for name, value in own.items()}
    if not inputs[0].shape[0]:
        # Without samples there is nothing to map over: one that is left out again.
        own, inputs = tree_map(lambda x: torch.cat((x, x.new_zeros(1, *x.shape[1:]))), (own, inputs))
        return tree_map(lambda y: y[:0].reshape(*batch, *y.shape[1:]), torch.func.vmap(one)(own, *inputs))
    return tree_map(lambda y: y.unflatten(0, batch), torch.func.vmap(one)(own, *inputs))


def _named(layer: Any, weights: Weights | None) -> tuple[dict[str, torch.Tensor], torch.Size]:
    """The weights of a call by name, those of the layer where none are passed, and their batch axes."""
    shapes, kind = layer.weight_shapes, type(layer).__name__
    if weights is None:
        raise ShapeError(f"this {kind} has no weights of its own: pass them, layer(x, weights=w), of {shapes}")
    if isinstance(weights, torch.Tensor):
        weights = (weights,)
    if isinstance(weights, tuple | list):
        if len(weights) > len(shapes):
            raise ShapeError(f"{len(weights)} weights are passed, but this {kind} has {len(shapes)}: {shapes}")
        weights = dict(zip(shapes, weights, strict=False))
    if not isinstance(weights, Mapping):
        raise ShapeError(f"weights={shown(weights)} is no tensor, and no dict of tensors: pass tensors of {shapes}")
    if strange := [name for name in weights if name not in shapes]:
        raise ShapeError(f"this {kind} has no weight {shown(strange[0])}: its weights are {shapes}")
    if layer.external and (absent := [name for name in shapes if name not in weights]):
        raise ShapeError(f"{absent[0]} is missing, and this {kind} has no weights of its own: pass all of {shapes}")
    batch = torch.Size()
    for name, value in weights.items():
        own = _batch(name, value, shapes[name])
        if own and batch and own != batch:
            raise ShapeError(
                f"{name} has batch axes {tuple(own)}, but others have {tuple(batch)}: give all the same ones, or none"
            )
        batch = own or batch
    named = {name: weights[name] if name in weights else getattr(layer, name) for name in shapes}
    _require_dtype(layer, named)
    return named, batch


def _batch(name: str, value: Any, shape: tuple[int, ...]) -> torch.Size:
    if not isinstance(value, torch.Tensor) or value.ndim < len(shape) or value.shape[-len(shape) :] != shape:
        got = f"shape {tuple(value.shape)}" if isinstance(value, torch.Tensor) else f"type {type(value).__name__}"
        raise ShapeError(f"{name} has {got}, expected a tensor of shape (*batch, {', '.join(map(str, shape))})")
    return value.shape[: value.ndim - len(shape)]


def _require_dtype(layer: nn.Module, named: Mapping[str, torch.Tensor]) -> None:
    """Refuse weights of several dtypes, or of another than the tables of the layer."""
    kinds = {value.dtype for value in named.values()}
    tables = {table.dtype for table in layer._buffers.values() if table is not None and table.is_floating_point()}
    own = {kind for kind in tables if kind not in kinds and kind.to_complex() not in kinds}
    if len(kinds) > 1 or own:
        raise ShapeError(
            f"the weights are {', '.join(map(str, sorted(kinds | own, key=str)))} with those of the layer: convert "
            f"them, w.to(dtype), or the layer, layer.to({next(iter(kinds))})"
        )
