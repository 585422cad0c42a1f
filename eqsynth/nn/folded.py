"""Linear layers on sparse tensors: the maps of S(n) on entries, those of other factors of a product on components.

The maps of S(n) x G are products of maps of S(n) and of G. A value of the plan for S(n) alone holds, for each of its
entries, all components and channels in one axis; where that plan mixes channels, a layer of G mixes components, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import prod
from typing import Any

import torch

from eqsynth.bases.basis import basis
from eqsynth.errors import EqsynthError, ShapeError, SpaceError
from eqsynth.families.group import Group
from eqsynth.families.hom import Hom, bias_name, weight_name
from eqsynth.families.product import ProductGroup
from eqsynth.layers.emitted import layer_of
from eqsynth.layers.linear import Linear
from eqsynth.nn.activations import PackedLength, axis_lengths
from eqsynth.nn.entries import (
    Cell,
    TensorPositions,
    Term,
    block,
    by_maps,
    mixed_channels,
    mixed_components,
    parted,
    scales,
    without_weights,
)
from eqsynth.nn.networks import sizes_asked
from eqsynth.nn.positions import run
from eqsynth.plans.lowering import plan_hom
from eqsynth.plans.plan import Plan
from eqsynth.plans.steps import Entry, Input, Mix, Operand, Output, Reduce, Spread, Step
from eqsynth.spaces.space import Order, Space, none_of, order_text, orders_of, plain, twists_of

#: The weights by maps of S(n), then of the other factors, by number (None: in order), and how many maps of each. Where
#: a product of maps has no weight, the number is that of the weights.
Numbers = tuple[tuple[int, ...] | None, int, int]
NONE: Numbers = (None, 0, 0)


# --- the two sides of a group and of an order -----------------------------------------------------


def check_group(group: Group) -> None:
    """Raise EqsynthError for groups whose maps do more than move and add up the entries of a tensor."""
    first, *others = group.factors
    if not first.partitions:
        moved = next((factor for factor in others if factor.partitions), None)
        cure = "call the module with dense tensors"
        if moved is not None:
            cure = f"name the group of the nodes first, {' x '.join(map(str, (moved, first)))}, or {cure}"
        raise EqsynthError(
            "eq.nn.Sparse runs modules whose maps are set partitions, such as those of S(n), A(n), H(n) and B(n), or "
            f"of their products with other groups, as S(n) x O(3), not those of {group}: {cure}"
        )
    if isinstance(first.n, str) and any(factor.n == first.n for factor in others):
        raise EqsynthError(
            f"{group} gives components as many entries as a graph has nodes, so that graphs of different sizes have "
            f"tensors of different shapes: name other factors by other letters or numbers, as {first} x S(m)"
        )


def other_factors(group: Group) -> Group | None:
    """The group that acts on components: all factors but the first."""
    others = group.factors[1:]
    return None if not others else others[0] if len(others) == 1 else ProductGroup(others)


def node_order(order: Order) -> int:
    """The order of a tensor in nodes, which is a number; SpaceError for others."""
    first = orders_of(order)[0]
    if twists_of(order)[0]:
        raise SpaceError(
            f"eq.nn.Sparse does not take {order_text(order)}: maps between twisted tensors and others have heads, "
            "which it does not run on entries. Leave .det out, or run the layers without eq.nn.Sparse"
        )
    if not isinstance(first, int):
        raise SpaceError(
            f"eq.nn.Sparse does not take {order_text(order)}: list both directions of every edge, and ask for layers "
            f"of order {order_text(plain(order))}"
        )
    return first


def other_order(order: Order) -> Order:
    """The order of the components of each entry; 0 where there are no other factors."""
    others = orders_of(order)[1:]
    return 0 if not others else others[0] if len(others) == 1 else others


def component_lengths(group: Group, order: Order) -> tuple[int | str, ...]:
    """The lengths of the axes of components."""
    return axis_lengths(group, order)[node_order(order) :]


def component_shape(group: Group, order: Order, sizes: Mapping[str, int]) -> tuple[int, ...]:
    """The same in numbers; ShapeError for letters that nothing says."""
    shape = []
    for length in component_lengths(group, order):
        letter = length.letter if isinstance(length, PackedLength) else length
        if isinstance(letter, str) and letter not in sizes:
            raise ShapeError(f"no input has an axis of length {letter}: give its size, sizes={{{letter!r}: 4}}")
        if isinstance(length, PackedLength):
            shape.append(length.symmetry.length(sizes[length.letter]))
        else:
            shape.append(sizes[length] if isinstance(length, str) else length)
    return tuple(shape)


# --- a layer, taken apart -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Folded:
    """A layer of S(n) x G: its plan for S(n), and which of its weights belong to a map of S(n) and one of G."""

    hom: Hom
    plan: Plan
    #: For each pair of terms with maps, and for each output term with constants (its input is None).
    numbers: Mapping[tuple[int | None, int], Numbers]
    #: For each pair of terms the power of n^(1/4) by which its weights are multiplied, n the size of the graph.
    gains: Mapping[tuple[int, int], int]
    #: What each Mix of the plan does with channels and components.
    mixings: Mapping[Mix, Mixing]

    def parameter(self, term_in: int | None, term_out: int) -> str:
        """The name of the weights between two terms, or of the biases of one."""
        return bias_name(self.hom, term_out) if term_in is None else weight_name(self.hom, term_in, term_out)


@lru_cache(maxsize=256)
def folded(hom: Hom, bias: bool, normalization: str, parameters: str = "diagrams") -> Folded:
    """A layer taken apart, whatever its own plan; raises EqsynthError where entries alone cannot run it."""
    check_group(hom.group)
    if parameters != "diagrams":
        raise EqsynthError(
            f"the weights of {hom} are entries of blocks, not of diagrams: make the layer with "
            'parameters="diagrams" for sparse tensors'
        )
    spaces = [
        Space(tuple((channels, node_order(order)) for channels, order in space))
        for space in (hom.space_in, hom.space_out)
    ]
    nodes = hom if len(hom.group.factors) == 1 else Hom(hom.group.factors[0], spaces[0], spaces[1])
    plan = plan_hom(nodes, bias, normalization, "diagrams")
    if not all(_runs(step) for step in plan.steps) or any(pair.squares or pair.sums for pair in plan.pairs):
        raise EqsynthError(
            f"{hom} has diagrams with heads, which antisymmetrise over all nodes: call the layer with dense "
            f"tensors, or use S({nodes.group.n}), whose maps are those without heads"
        )
    pairs = [(i, o) for i in range(len(hom.space_in)) for o in range(len(hom.space_out))]
    ends: list[tuple[int | None, int]] = [*pairs, *[(None, o) for o in range(len(hom.space_out)) if bias]]
    numbers = {(i, o): _numbers(hom, i, o) for i, o in ends}
    gains = {(pair.term_in, pair.term_out): sum(pair.gains) for pair in plan.pairs}
    layer = Folded(hom, plan, {end: counts for end, counts in numbers.items() if counts is not None}, gains, {})
    return replace(layer, mixings={step: mixing_of(layer, step) for step in plan.steps if isinstance(step, Mix)})


def _runs(step: Step) -> bool:
    match step:
        case Reduce():
            return not step.forms
        case Mix():
            return not step.fourier
        case Spread():
            return not any(part.forms for part in step.parts)
    return isinstance(step, Input | Output)


def _numbers(hom: Hom, term_in: int | None, term_out: int) -> Numbers | None:
    """The numbers of the maps of a product, by the maps of both sides; None where there are none."""
    group, wanted = hom.group, hom.space_out.orders[term_out]
    given = none_of(wanted) if term_in is None else hom.space_in.orders[term_in]
    maps = basis(group, given, wanted, transfer=hom.transfer)
    others = other_factors(group)
    if not len(maps):
        return None
    if others is None:
        return None, len(maps), 1
    own = {maps.parts(number): number for number in range(len(maps))}
    nodes = basis(group.factors[0], node_order(given), node_order(wanted))
    components = basis(others, other_order(given), other_order(wanted))
    order = tuple(
        own.get((*nodes.parts(first), *components.parts(second)), len(maps))
        for first in range(len(nodes))
        for second in range(len(components))
    )
    return None if order == tuple(range(len(order))) else order, len(nodes), len(components)


# --- how channels are mixed, and with them components -----------------------------------------------


@dataclass(frozen=True, slots=True)
class Block:
    """The matrices from the operands of one term to the targets of another, one for each map of other factors.

    ``name``: that of the weights, or of the biases, which have one operand of one channel; None where all are 0.
    """

    name: str | None
    numbers: Numbers
    cells: tuple[Cell, ...]
    targets: int
    operands: int
    #: Maps of other factors, channels of a target, channels of an operand.
    shape: tuple[int, int, int]

    @property
    def size(self) -> tuple[int, int, int]:
        """Maps, rows and columns."""
        maps, wide_out, wide_in = self.shape
        return maps, self.targets * wide_out, self.operands * wide_in


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a mixing whose weights have one power of n^(1/4), ``gain``, in front."""

    gain: int
    #: By term of the output, then of the input.
    blocks: tuple[tuple[Block, ...], ...]
    #: By term of the output; none where there are none.
    biases: tuple[Block, ...]
    #: The plan of the layer of the other factors that mixes components; None where there are none.
    plan: Plan | None = None


@dataclass(frozen=True, slots=True)
class Mixing:
    """What a Mix does, one matrix product, or layer of the other factors, for each part."""

    #: The terms of the input, each with its operands, and those of the output, each with the names of its targets.
    operands: Mapping[int, tuple[Operand, ...]]
    targets: Mapping[int, tuple[str, ...]]
    parts: tuple[Part, ...]


def mixing_of(layer: Folded, step: Mix) -> Mixing:
    """What a step of the plan for S(n) does with channels and components."""
    operands: dict[int, list[int]] = {}
    targets: dict[int, list[int]] = {}
    for place, operand in enumerate(step.operands):
        operands.setdefault(operand.term, []).append(place)
    for place, target in enumerate(step.targets):
        targets.setdefault(target.term, []).append(place)
    gains = {gain for (i, o), gain in layer.gains.items() if i in operands and o in targets}
    first = sorted(gains | {0} if step.biases or not gains else gains)
    return Mixing(
        {i: tuple(step.operands[place] for place in places) for i, places in operands.items()},
        {o: tuple(step.targets[place].name for place in places) for o, places in targets.items()},
        tuple(
            _part(layer, step, operands, targets, gain, bool(step.biases) and not place)
            for place, gain in enumerate(first)
        ),
    )


def _part(
    layer: Folded,
    step: Mix,
    operands: Mapping[int, list[int]],
    targets: Mapping[int, list[int]],
    gain: int,
    biased: bool,
) -> Part:
    hom, others = layer.hom, other_factors(layer.hom.group)
    ins, outs = list(operands), list(targets)

    def of(i: int | None, o: int, entries: Sequence[Entry], maps: int) -> Block:
        rows, columns = targets[o], [-1] if i is None else operands[i]
        there = [entry for entry in entries if entry.target in rows and entry.operand in columns]
        cells = [
            (one.element, rows.index(one.target) * len(columns) + columns.index(one.operand), one.sign) for one in there
        ]
        known = (i, o) in layer.numbers and (i is None or layer.gains[i, o] == gain)
        shape = maps, hom.space_out.channels[o], 1 if i is None else hom.space_in.channels[i]
        if not cells or not known:
            return Block(None, NONE, (), len(rows), len(columns), shape)
        return Block(layer.parameter(i, o), layer.numbers[i, o], tuple(cells), len(rows), len(columns), shape)

    if others is None:
        blocks = tuple(tuple(of(i, o, step.entries, 1) for i in ins) for o in outs)
        return Part(gain, blocks, tuple(of(None, o, step.biases, 1) for o in outs) if biased else ())
    space_out = [(len(targets[o]) * hom.space_out.channels[o], other_order(hom.space_out.orders[o])) for o in outs]
    # What has no operands has a bias: a number that is 0 stands for them.
    space_in = [(len(operands[i]) * hom.space_in.channels[i], other_order(hom.space_in.orders[i])) for i in ins] or [
        (1, none_of(space_out[0][1]))
    ]
    problem = Hom(others, Space(tuple(space_in)), Space(tuple(space_out)))
    plan = plan_hom(problem, biased, layer.plan.normalization)
    dims = {(pair.term_in, pair.term_out): pair.dim for pair in plan.pairs}
    blocks = tuple(
        tuple(of(i, o, step.entries, dims.get((place, row), 0)) for place, i in enumerate(ins))
        or (Block(None, NONE, (), len(targets[o]), 1, (dims.get((0, row), 0), hom.space_out.channels[o], 1)),)
        for row, o in enumerate(outs)
    )
    biases = tuple(of(None, o, step.biases, plan.bias_dims[row]) for row, o in enumerate(outs)) if biased else ()
    return Part(gain, blocks, biases, plan)


def weights_by_name(plan: Plan, blocks: Sequence[Sequence[Any]], biases: Sequence[Any]) -> dict[str, Any]:
    """What the layer of other factors takes for its weights and biases, by name."""
    named = {plan.weight_name(pair.term_in, pair.term_out): blocks[pair.term_out][pair.term_in] for pair in plan.pairs}
    return named | {plan.bias_name(place): biases[place] for place, count in enumerate(plan.bias_dims) if count}


def run_linear(
    layer: Linear, values: Sequence[Term], wanted: Mapping[int, TensorPositions], sizes: Mapping[str, int]
) -> list[Term]:
    """A layer on values (entries, components and channels) at positions; ``sizes`` has the letters of components."""
    given = layer.plan
    parts = folded(given.hom, given.bias, given.normalization, given.parameters)
    like = next(layer.parameters(), values[0][1])
    return run(parts.plan, Mixer(parts, lambda name: getattr(layer, name), sizes, like), values, wanted)


@dataclass(frozen=True, slots=True)
class Mixer:
    """Mixes the channels of values at the same positions, and with them the components."""

    layer: Folded
    #: The parameter of a name.
    parameter: Callable[[str], torch.Tensor]
    sizes: Mapping[str, int]
    #: A tensor with the device and the dtype of the parameters.
    like: torch.Tensor

    def __call__(self, step: Mix, values: Mapping[str, Term], at: TensorPositions) -> Mapping[str, torch.Tensor]:
        """The values of the targets, by name, from those of the operands."""
        mixing, space_out = self.layer.mixings[step], self.layer.hom.space_out
        columns = [
            [at.read(operand.middle, values[operand.source])[1] for operand in listed]
            for listed in mixing.operands.values()
        ]
        total: Sequence[torch.Tensor] = ()
        for part in mixing.parts:
            mixed = self._mixed(part, mixing, columns, at)
            mixed = [z * scales(at, part.gain / 4, z.dtype) for z in mixed] if part.gain else mixed
            total = [a + b for a, b in zip(total, mixed, strict=True)] if total else mixed
        named: dict[str, torch.Tensor] = {}
        for (term, names), z in zip(mixing.targets.items(), total, strict=True):
            named |= zip(names, parted(z, self._shape(space_out, term), len(names)), strict=True)
        return named

    def nothing(self, term: int, at: TensorPositions, count: int = 1) -> torch.Tensor:
        """The zeros of an output that no map reaches, or of as many targets."""
        return self.like.new_zeros(len(at), count * prod(self._shape(self.layer.hom.space_out, term)))

    def _shape(self, space: Space, term: int) -> tuple[int, ...]:
        """The components and channels of an entry of a term."""
        return (*component_shape(self.layer.hom.group, space.orders[term], self.sizes), space.channels[term])

    def _mixed(
        self, part: Part, mixing: Mixing, columns: Sequence[Sequence[torch.Tensor]], at: TensorPositions
    ) -> Sequence[torch.Tensor]:
        """For each term of the output its targets beside each other."""
        blocks = [[self._weights(one) for one in row] for row in part.blocks]
        biases = [self._weights(one)[..., 0] for one in part.biases]
        if part.plan is None:
            return mixed_channels(columns, blocks, biases, at)
        weights = weights_by_name(part.plan, blocks, biases)
        if not columns and not weights:
            return [self.nothing(term, at, len(names)) for term, names in mixing.targets.items()]
        shapes = [self._shape(self.layer.hom.space_in, term) for term in mixing.operands]
        layer = _component_layer(part.plan, self.like.device, self.like.dtype)
        sizes = [self.sizes[letter] for letter in sizes_asked(layer)]
        return mixed_components(layer, columns, shapes, weights, sizes, at)

    def _weights(self, one: Block) -> torch.Tensor:
        if one.name is None:
            return self.like.new_zeros(one.size)
        order, nodes, components = one.numbers
        weight = self.parameter(one.name)
        weight = weight if weight.ndim == 3 else weight.unsqueeze(-1)
        return block(by_maps(weight, nodes, components, order), one.cells, one.targets, one.operands)


@lru_cache(maxsize=256)
def _component_layer(plan: Plan, device: torch.device, dtype: torch.dtype) -> Any:
    """The layer of a plan, without parameters of its own: the call brings them."""
    return without_weights(layer_of(plan, "meta", dtype), device)
