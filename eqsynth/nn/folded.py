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
from torch import nn
from torch.nn import functional

from eqsynth.bases.basis import basis
from eqsynth.errors import EqsynthError, ShapeError, SpaceError
from eqsynth.families.group import Group
from eqsynth.families.hom import Hom, bias_name, weight_name
from eqsynth.families.product import ProductGroup
from eqsynth.layers.emitted import layer_of
from eqsynth.layers.linear import Linear
from eqsynth.nn.activations import PackedLength, axis_lengths, joined
from eqsynth.nn.networks import sizes_asked
from eqsynth.nn.positions import Positions, Term, run, scales
from eqsynth.plans.lowering import plan_hom
from eqsynth.plans.plan import Plan
from eqsynth.plans.steps import Entry, Input, Mix, Output, Reduce, Spread, Step
from eqsynth.spaces.space import Order, Space, none_of, order_text, orders_of, plain, twists_of

#: The weights by maps of S(n), then of the other factors, by number (None: in order), and how many maps of each. Where
#: a product of maps has no weight, the number is that of the weights.
Numbers = tuple[tuple[int, ...] | None, int, int]


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
    return Folded(hom, plan, {end: counts for end, counts in numbers.items() if counts is not None}, gains)


def _runs(step: Step) -> bool:
    match step:
        case Reduce():
            return not step.forms
        case Mix():
            return not step.fourier
        case Spread():
            return not any(part.forms for part in step.parts)
        case Output():
            return step.source is not None
    return isinstance(step, Input)


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


def run_linear(
    layer: Linear, values: Sequence[Term], wanted: Mapping[int, Positions], sizes: Mapping[str, int]
) -> list[Term]:
    """A layer on values (entries, components and channels) at positions; ``sizes`` has the letters of components."""
    given = layer.plan
    parts = folded(given.hom, given.bias, given.normalization, given.parameters)
    like = next(layer.parameters(), values[0][1])
    return run(parts.plan, Mixer(parts, lambda name: getattr(layer, name), sizes, like), values, wanted)


@dataclass(frozen=True, slots=True)
class Mixer:
    """Mixes the channels of values at the same positions, and with them the components."""

    parts: Folded
    #: The parameter of a name.
    parameter: Callable[[str], torch.Tensor]
    sizes: Mapping[str, int]
    #: A tensor with the device and the dtype of the parameters.
    like: torch.Tensor

    def __call__(
        self, step: Mix, columns: Mapping[int, Sequence[torch.Tensor]], at: Positions
    ) -> Sequence[torch.Tensor]:
        """A value for each target of a step, from the values of its operands."""
        gains = self._gains(step)
        outs = list(dict.fromkeys(target.term for target in step.targets))
        by = self._by_channels if other_factors(self.parts.hom.group) is None else self._by_components
        total: Sequence[torch.Tensor] = ()
        for place, gain in enumerate(gains):
            one = replace(step, biases=() if place else step.biases)
            mixed = by(one, columns, at, outs, gain)
            mixed = [z * scales(at, gain / 4, z.dtype) for z in mixed] if gain else mixed
            total = [a + b for a, b in zip(total, mixed, strict=True)] if total else mixed
        split: dict[int, torch.Tensor] = {}
        for term, z in zip(outs, total, strict=True):
            places = [place for place, target in enumerate(step.targets) if target.term == term]
            split |= zip(places, self._by_targets(z, term, len(places)), strict=True)
        return [split[place] for place in range(len(step.targets))]

    def _gains(self, step: Mix) -> list[int]:
        """The powers of n^(1/4) by which weights of the step are multiplied, 0 first where there are biases."""
        terms_in = {operand.term for operand in step.operands}
        terms_out = {target.term for target in step.targets}
        gains = {gain for (i, o), gain in self.parts.gains.items() if i in terms_in and o in terms_out}
        return sorted(gains | {0} if step.biases or not gains else gains)

    def _by_targets(self, z: torch.Tensor, term: int, count: int) -> Sequence[torch.Tensor]:
        """The values of the targets of one term, whose channels stand beside each other for each component."""
        if other_factors(self.parts.hom.group) is None or count == 1:
            return torch.split(z, z.shape[1] // count, 1)
        channels, order = self.parts.hom.space_out.terms[term]
        components = prod(component_shape(self.parts.hom.group, order, self.sizes))
        return [part.flatten(1) for part in torch.split(z.reshape(len(z), components, count * channels), channels, 2)]

    def _by_channels(
        self, step: Mix, columns: Mapping[int, Sequence[torch.Tensor]], at: Positions, outs: list[int], gain: int
    ) -> Sequence[torch.Tensor]:
        """For each term its targets beside each other, from the weights with one gain: one matrix product."""
        bias = torch.cat([self._bias(step, o)[0] for o in outs]) if step.biases else None
        channels = self.parts.hom.space_out.channels
        widths = [sum(target.term == o for target in step.targets) * channels[o] for o in outs]
        if not columns:
            assert bias is not None  # noqa: S101 - what has no operands has a bias
            return torch.split(bias.expand(len(at), -1), widths, 1)
        blocks = [[self._block(step, i, o, gain)[0] for i in columns] for o in outs]
        weight = torch.cat([torch.cat(row, 1) for row in blocks])
        x = [value for i in columns for value in columns[i]]
        z = functional.linear(torch.cat(x, 1) if len(x) > 1 else x[0], weight, bias)
        return torch.split(z, widths, 1)

    def _by_components(
        self, step: Mix, columns: Mapping[int, Sequence[torch.Tensor]], at: Positions, outs: list[int], gain: int
    ) -> Sequence[torch.Tensor]:
        """The same by a layer of the other factors, whose samples are the positions."""
        hom, ins, others = self.parts.hom, list(columns), other_factors(self.parts.hom.group)
        assert others is not None  # noqa: S101 - there are components
        space_in = tuple((len(columns[i]) * hom.space_in.channels[i], other_order(hom.space_in.orders[i])) for i in ins)
        space_out = tuple(
            (sum(target.term == o for target in step.targets) * hom.space_out.channels[o],
             other_order(hom.space_out.orders[o])) for o in outs
        )  # fmt: skip
        x = [
            torch.cat([value.reshape(len(at), *self._shape(i)) for value in columns[i]], -1) if len(columns[i]) > 1
            else columns[i][0].reshape(len(at), *self._shape(i)) for i in ins
        ]  # fmt: skip
        if not ins:
            # What has no operands has a bias: a number that is 0 stands for them.
            space_in, x = ((1, none_of(space_out[0][1])),), [self.like.new_zeros(len(at), 1)]
        problem = Hom(others, Space(space_in), Space(space_out))
        plan = plan_hom(problem, bool(step.biases), self.parts.plan.normalization)
        weights: dict[str, torch.Tensor] = {}
        for pair in plan.pairs:
            out = outs[pair.term_out]
            empty = self.like.new_zeros(pair.dim, space_out[pair.term_out][0], space_in[pair.term_in][0])
            weights[plan.weight_name(pair.term_in, pair.term_out)] = (
                self._block(step, ins[pair.term_in], out, gain, pair.dim) if ins else empty
            )
        for place, count in enumerate(plan.bias_dims):
            if count:
                weights[plan.bias_name(place)] = self._bias(step, outs[place], count)
        layer = _component_layer(plan, self.like.device, self.like.dtype)
        sizes = [self.sizes[letter] for letter in sizes_asked(layer)]
        made = torch.func.functional_call(layer, weights, (joined(x), *sizes))
        return [y.flatten(1) for y in (made if len(outs) > 1 else (made,))]

    def _shape(self, term: int) -> tuple[int, ...]:
        """The components and channels of an input term."""
        channels, order = self.parts.hom.space_in.terms[term]
        return *component_shape(self.parts.hom.group, order, self.sizes), channels

    # --- weights ------------------------------------------------------------------------------------

    def _own(self, term_in: int | None, term_out: int) -> torch.Tensor:
        """The weights of two terms by maps of S(n), then of the other factors: (maps, maps, channels...)."""
        order, nodes, components = self.parts.numbers[term_in, term_out]
        hom = self.parts.hom
        weight = self.parameter(bias_name(hom, term_out) if term_in is None else weight_name(hom, term_in, term_out))
        if order is not None:
            if len(weight) in order:
                weight = torch.cat((weight, weight.new_zeros(1, *weight.shape[1:])))
            weight = weight[torch.tensor(order, device=weight.device)]
        return weight.reshape(nodes, components, *weight.shape[1:])

    def _block(self, step: Mix, term_in: int, term_out: int, gain: int, maps: int = 1) -> torch.Tensor:
        """The matrices from the operands of one term to the targets of another, one for each map of other factors."""
        hom = self.parts.hom
        operands = [place for place, operand in enumerate(step.operands) if operand.term == term_in]
        targets = [place for place, target in enumerate(step.targets) if target.term == term_out]
        entries = [entry for entry in step.entries if entry.target in targets and entry.operand in operands]
        shape = hom.space_out.channels[term_out], hom.space_in.channels[term_in]
        known = (term_in, term_out) in self.parts.numbers
        if not entries or not known or self.parts.gains[term_in, term_out] != gain:
            return self.like.new_zeros(maps, len(targets) * shape[0], len(operands) * shape[1])
        cells = [targets.index(entry.target) * len(operands) + operands.index(entry.operand) for entry in entries]
        table = _table(self._own(term_in, term_out), entries, cells, len(targets) * len(operands))
        table = table.reshape(len(targets), len(operands), maps, *shape).permute(2, 0, 3, 1, 4)
        return table.reshape(maps, len(targets) * shape[0], len(operands) * shape[1])

    def _bias(self, step: Mix, term: int, maps: int = 1) -> torch.Tensor:
        """The biases of the targets of one term, one row for each constant of other factors."""
        hom = self.parts.hom
        targets = [place for place, target in enumerate(step.targets) if target.term == term]
        entries = [entry for entry in step.biases if entry.target in targets]
        if not entries or (None, term) not in self.parts.numbers:
            return self.like.new_zeros(maps, len(targets) * hom.space_out.channels[term])
        cells = [targets.index(entry.target) for entry in entries]
        return _table(self._own(None, term), entries, cells, len(targets)).transpose(0, 1).flatten(1)


def _table(weight: torch.Tensor, entries: Sequence[Entry], cells: list[int], count: int) -> torch.Tensor:
    """The weights of entries, each in its cell of a table with ``count`` cells."""
    elements = [entry.element for entry in entries]
    first = elements[0]
    in_order = elements == list(range(first, first + len(elements)))
    chosen = weight[first : first + len(elements)] if in_order else weight[elements]
    if any(entry.sign != 1 for entry in entries):
        signs = chosen.new_tensor([entry.sign for entry in entries])
        chosen = chosen * signs.reshape(-1, *[1] * (chosen.ndim - 1))
    if cells == list(range(count)):
        return chosen
    return chosen.new_zeros(count, *chosen.shape[1:]).index_add(0, torch.tensor(cells, device=weight.device), chosen)


@lru_cache(maxsize=256)
def _component_layer(plan: Plan, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """The layer of a plan, without parameters of its own: the call brings them."""
    layer = layer_of(plan, "meta", dtype)
    for name, parameter in layer.named_parameters():
        empty: Any = torch.empty(0, device=device, dtype=parameter.dtype)
        setattr(layer, name, nn.Parameter(empty, requires_grad=False))
    if hasattr(layer, "reset_tables"):
        layer.reset_tables()
    return layer  # type: ignore[no-any-return]
