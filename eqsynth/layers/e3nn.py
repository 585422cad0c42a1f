"""Features and weights of e3nn, which is not needed for this: as tensors and weights of ``eq.Linear``, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from eqsynth.errors import ShapeError, SpaceError, explain_calls, require, shown
from eqsynth.exact.numbers import choice, flag
from eqsynth.families.group import Group
from eqsynth.families.hom import Hom, bias_name, weight_name
from eqsynth.spaces.space import Irrep, Space, entries_of, order_text

if TYPE_CHECKING:
    from torch import Tensor

#: What weights of a path are divided by the root of, in e3nn: all inputs of an output, or the path's times the paths.
PATHS = ("element", "path")


@explain_calls
def split_irreps(x: Tensor, irreps: str | Space) -> Tensor | tuple[Tensor, ...]:
    """Features as e3nn has them, side by side in one axis, as one tensor ``(*batch, dim, channels)`` for each irrep.

    >>> import torch, eqsynth as eq
    >>> [term.shape for term in eq.split_irreps(torch.zeros(5, 4 * 3 + 2), "4x1o + 2x0e")]
    [torch.Size([5, 3, 4]), torch.Size([5, 1, 2])]

    ``x``: shape ``(*batch, sum of channels * dim)``; in e3nn all components of a channel stand together. This is the
    input of ``eq.Linear("O(3)", irreps, ...)``: a tuple, or the tensor itself where there is one irrep.

    Raises SpaceError for what are no irreps of O(3), ShapeError for another length.
    """
    space = _space(irreps)
    lengths = [channels * dim for channels, dim in space]
    if not isinstance(x, torch.Tensor) or x.ndim < 1 or x.shape[-1] != sum(lengths):
        got = f"shape {tuple(x.shape)}" if isinstance(x, torch.Tensor) else f"type {type(x).__name__}"
        raise ShapeError(f"got {got}, expected (*batch, {sum(lengths)}), the components of {irreps}")
    pieces = zip(torch.split(x, lengths, -1), space, strict=True)
    terms = tuple(piece.reshape(*piece.shape[:-1], channels, dim).mT for piece, (channels, dim) in pieces)
    return terms if len(terms) > 1 else terms[0]


@explain_calls
def join_irreps(terms: Tensor | Sequence[Tensor], irreps: str | Space) -> Tensor:
    """The same the other way round: tensors ``(*batch, dim, channels)`` side by side in one axis, as e3nn has them.

    >>> import torch, eqsynth as eq
    >>> x = torch.arange(14.0)
    >>> torch.equal(eq.join_irreps(eq.split_irreps(x, "4x1o + 2x0e"), "4x1o + 2x0e"), x)
    True

    Raises ShapeError where the tensors do not fit.
    """
    space = _space(irreps)
    listed: list[Any] = [*terms] if isinstance(terms, tuple | list) else [terms]
    shapes = [tuple(term.shape[-2:]) if isinstance(term, torch.Tensor) else type(term).__name__ for term in listed]
    wanted = [(dim, channels) for channels, dim in space]
    if shapes != wanted:
        raise ShapeError(f"got tensors that end in {shapes}, expected {wanted}, one for each irrep of {irreps}")
    return torch.cat([term.mT.flatten(-2) for term in listed], -1)


@explain_calls
def from_e3nn(
    state: Mapping[str, Tensor],
    irreps_in: str | Space,
    irreps_out: str | Space,
    path_normalization: str = "element",
    biases: bool = True,
) -> dict[str, Tensor]:
    """The weights of an ``o3.Linear`` of e3nn as the state_dict of ``eq.Linear("O(3)", irreps_in, irreps_out)``.

    >>> import torch, eqsynth as eq
    >>> state = {"weight": torch.ones(2 * 3), "bias": torch.zeros(0)}
    >>> layer = eq.Linear("O(3)", "2x1o", "3x1o")
    >>> layer.load_state_dict(eq.from_e3nn(state, "2x1o", "3x1o"))
    <All keys matched successfully>
    >>> layer(torch.ones(3, 2))[:, 0]  # 2 / sqrt(2)
    tensor([1.4142, 1.4142, 1.4142], grad_fn=<SelectBackward0>)

    ``state``: what ``o3.Linear(...).state_dict()`` gives, with every path between equal irreps (no ``instructions``,
    no ``f_in``). Both layers then give the same numbers: e3nn divides each path by the root of the number of inputs of
    its output (``path_normalization="element"``), or of the path's own inputs times the paths (``"path"``), which here
    is in the weights. Biases that e3nn lacks are 0; ``biases=False`` leaves them out, for layers with ``bias=False``.

    Raises SpaceError for what are no irreps of O(3), ShapeError for other numbers of weights.
    """
    require("from_e3nn", state, Mapping, "give the state_dict of an o3.Linear")
    hom, biases = _hom(irreps_in, irreps_out), flag("biases", biases)
    paths, scales = _paths(hom, path_normalization)
    weights = _given(state, "weight", sum(_size(hom, path) for path in paths), hom)
    biased = [term for term, (_, dim) in enumerate(_space(hom.space_out)) if _scalar(hom, term)]
    channels = hom.space_out.channels
    given = _given(state, "bias", sum(channels[term] for term in biased), hom, zero=True).to(weights)
    converted, at = {}, 0
    for path, scale in zip(paths, scales, strict=True):
        start, at = at, at + _size(hom, path)
        block = weights[start:at].reshape(hom.space_in.channels[path[0]], channels[path[1]])
        converted[weight_name(hom, *path)] = (block.T * scale)[None].contiguous()
    at = 0
    for term in biased if biases else ():
        converted[bias_name(hom, term)] = given[at : at + channels[term]][None].clone()
        at += channels[term]
    return converted


@explain_calls
def to_e3nn(
    state: Mapping[str, Tensor],
    irreps_in: str | Space,
    irreps_out: str | Space,
    path_normalization: str = "element",
    biases: bool = True,
) -> dict[str, Tensor]:
    """The same the other way round: what ``o3.Linear(irreps_in, irreps_out, biases=biases).load_state_dict`` takes.

    >>> import torch, eqsynth as eq
    >>> weights = eq.to_e3nn(eq.Linear("O(3)", "2x1o", "3x1o").state_dict(), "2x1o", "3x1o", biases=False)
    >>> {name: tuple(value.shape) for name, value in weights.items()}
    {'weight': (6,), 'bias': (0,), 'output_mask': (9,)}

    ``biases=False`` leaves the biases out. Raises ShapeError for weights of another shape, and else as
    :func:`from_e3nn` does.
    """
    hom, biases = _hom(irreps_in, irreps_out), flag("biases", biases)
    paths, scales = _paths(hom, path_normalization)
    ours = "give the state_dict of eq.Linear for these irreps"
    require("to_e3nn", state, Mapping, ours)
    blocks = []
    for path, scale in zip(paths, scales, strict=True):
        name, shape = weight_name(hom, *path), (1, hom.space_out.channels[path[1]], hom.space_in.channels[path[0]])
        weight = state.get(name)
        if not isinstance(weight, torch.Tensor) or weight.shape != shape:
            got = f"shape {tuple(weight.shape)}" if isinstance(weight, torch.Tensor) else shown(weight)
            raise ShapeError(f"{name} of {hom} has the shape {shape}, not {got}: {ours}")
        blocks.append((weight[0] / scale).T.flatten())
    terms = [term for term in range(len(hom.space_out)) if biases and _scalar(hom, term)]
    channels = hom.space_out.channels
    like = blocks[0] if blocks else torch.zeros(0)
    known = [state.get(bias_name(hom, term), like.new_zeros(1, channels[term]))[0] for term in terms]
    reached = {path[1] for path in paths} | {*terms}
    mask = [like.new_full((wide * dim,), float(term in reached)) for term, (wide, dim) in enumerate(_space(irreps_out))]
    none = [like.new_zeros(0)]
    return {"weight": torch.cat(blocks or none), "bias": torch.cat(known or none), "output_mask": torch.cat(mask)}


def _space(irreps: str | Space) -> tuple[tuple[int, int], ...]:
    """Channels and dimension of each irrep."""
    terms = []
    for channels, order in Space.parse(irreps):
        (one,) = entries_of(order) if not isinstance(order, tuple) else (None,)
        if not isinstance(one, Irrep) or not one.spherical:
            raise SpaceError(
                f"{order_text(order)} is no irrep of O(3) as e3nn writes it: give a text such as 16x1o + 8x0e"
            )
        terms.append((channels, one.dim))
    return tuple(terms)


def _hom(irreps_in: str | Space, irreps_out: str | Space) -> Hom:
    for irreps in (irreps_in, irreps_out):
        _space(irreps)
    return Hom(Group.parse("O(3)"), Space.parse(irreps_in), Space.parse(irreps_out))


def _paths(hom: Hom, path_normalization: str) -> tuple[list[tuple[int, int]], list[float]]:
    """Pairs of equal irreps in the order of e3nn's weights, and what each weight is multiplied by."""
    choice("path_normalization", path_normalization, PATHS)
    orders_in, orders_out = hom.space_in.orders, hom.space_out.orders
    paths = [(i, o) for i, k in enumerate(orders_in) for o, lo in enumerate(orders_out) if k == lo]
    channels = hom.space_in.channels
    scales = []
    for path in paths:
        sources = [i for i, o in paths if o == path[1]]
        fan_in = sum(channels[i if path_normalization == "element" else path[0]] for i in sources)
        scales.append(fan_in**-0.5)
    return paths, scales


def _size(hom: Hom, path: tuple[int, int]) -> int:
    return hom.space_in.channels[path[0]] * hom.space_out.channels[path[1]]


def _scalar(hom: Hom, term: int) -> bool:
    """Whether an output is invariant, and has a bias."""
    return str(hom.space_out.orders[term]) == "0e"


def _given(state: Mapping[str, Any], name: str, count: int, hom: Hom, zero: bool = False) -> Tensor:
    """The weights or biases, in one axis; zeros where there may be none."""
    given = state.get(name)
    if zero and (given is None or (isinstance(given, torch.Tensor) and given.numel() == 0)):
        return torch.zeros(count)
    if not isinstance(given, torch.Tensor) or given.shape != (count,):
        got = f"shape {tuple(given.shape)}" if isinstance(given, torch.Tensor) else shown(given)
        raise ShapeError(
            f"the {name} of o3.Linear for {hom.space_in} -> {hom.space_out} has {count} numbers, not {got}: "
            "give the state_dict of that layer, made without instructions and f_in"
        )
    return given
