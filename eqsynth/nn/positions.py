"""Tensors of which few entries are there: where they are, how to find them, and a plan that runs on them alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch
from torch.nn import functional

from eqsynth.errors import EqsynthError, ShapeError, SizeError
from eqsynth.families.group import Group
from eqsynth.families.hom import Hom
from eqsynth.nn.activations import got
from eqsynth.plans.lowering import plan_hom
from eqsynth.plans.plan import POWERS, Plan
from eqsynth.plans.steps import Entry, Input, Mix, Output, Part, Pattern, Reduce, Spread, Step

#: Positions are numbered by whole numbers of 63 bits.
MAX_KEY = 2**63 - 1


# --- where entries are ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Nodes:
    """The nodes of a batch of graphs: the graph of each, and how many each graph has."""

    graph: torch.Tensor
    sizes: torch.Tensor
    #: The number of each node among those of its graph, and the largest size.
    place: torch.Tensor
    longest: int
    #: Results of look-ups, which layers of one network ask for again. To be cleared, since they refer to this object,
    #: and large tensors should not wait for the garbage collector.
    known: dict[Any, Any] = field(default_factory=dict)

    def once(self, key: Any, find: Callable[[], Any]) -> Any:
        """The result of a function, which is called once for each key."""
        if key not in self.known:
            self.known[key] = find()
        return self.known[key]

    @classmethod
    def of(cls, graph: torch.Tensor, count: int) -> Nodes:
        """From the graph of each node, in any order."""
        sizes = torch.bincount(graph, minlength=count)
        together = graph.argsort(stable=True)
        starts = sizes.cumsum(0) - sizes
        place = torch.empty_like(graph)
        place[together] = torch.arange(len(graph), device=graph.device) - starts[graph[together]]
        return cls(graph, sizes, place, int(sizes.max()) if count else 0)

    def keys(self, index: torch.Tensor) -> torch.Tensor:
        """One number for each column, different for different positions."""
        if len(self.graph) * self.longest ** (len(index) - 1) > MAX_KEY:
            raise SizeError(
                f"positions of order {len(index)} among {len(self.graph)} nodes, up to {self.longest} in a graph, "
                "cannot be numbered in 63 bits: give fewer or smaller graphs at once"
            )
        key = index[0]
        for axis in index[1:]:
            # The first node says which graph it is.
            key = key * self.longest + self.place[axis]
        return key

    def everywhere(self, order: int) -> Positions:
        """All positions of order 0, the graphs, or of order 1, the nodes."""
        return self.once(("everywhere", order), lambda: self._everywhere(order))  # type: ignore[no-any-return]

    def _everywhere(self, order: int) -> Positions:
        count = len(self.graph) if order else len(self.sizes)
        rows = torch.arange(count, device=self.graph.device)
        return Positions(self, rows.expand(order, count), self.graph if order else rows, rows)

    def positions(self, index: torch.Tensor) -> tuple[Positions, torch.Tensor]:
        """The columns of an index (order, entries), each once and sorted, and where each column went."""
        keys, where = torch.unique(self.keys(index), return_inverse=True)
        once = index.new_empty(len(index), len(keys))
        once[:, where] = index
        return Positions(self, once, self.graph[once[0]], keys), where


@dataclass(frozen=True, slots=True, eq=False)
class Positions:
    """Where entries of one order are: index (order, entries), each position once, sorted by its key.

    Order 0 has a position for each graph, order 1 one for each node.
    """

    nodes: Nodes
    index: torch.Tensor
    graph: torch.Tensor
    keys: torch.Tensor

    def __len__(self) -> int:
        return len(self.graph)

    def find(self, index: torch.Tensor, graph: torch.Tensor) -> torch.Tensor:
        """The number of each given position among these; their count where it is not there."""
        if len(index) < 2:
            return index[0] if len(index) else graph
        # In their order, keys are found three times faster: what is read next is near.
        keys, order = self.nodes.keys(index).sort()
        places = torch.searchsorted(self.keys, keys)
        if len(self):
            present = self.keys[places.clamp(max=len(self) - 1)] == keys
            places = torch.where(present, places, len(self))
        return torch.empty_like(places).scatter(0, order, places)

    def reduced(self, pattern: Pattern) -> tuple[torch.Tensor | None, torch.Tensor, Positions]:
        """For a Reduce: the rows on the diagonals (None: all), where each of them is added, and the new positions."""
        return self.nodes.once(("reduced", self, pattern), lambda: self._reduced(pattern))  # type: ignore[no-any-return]

    def _reduced(self, pattern: Pattern) -> tuple[torch.Tensor | None, torch.Tensor, Positions]:
        rows, index, graph = self.tied(pattern)
        if len(index) < 2:
            return rows, index[0] if len(index) else graph, self.nodes.everywhere(len(index))
        positions, where = self.nodes.positions(index)
        return rows, where, positions

    def tied(self, pattern: Pattern) -> tuple[torch.Tensor | None, torch.Tensor, torch.Tensor]:
        """The rows whose axes with one number in the pattern agree (None: all), their index by number, their graph."""
        return self.nodes.once(("tied", self, pattern), lambda: self._tied(pattern))  # type: ignore[no-any-return]

    def _tied(self, pattern: Pattern) -> tuple[torch.Tensor | None, torch.Tensor, torch.Tensor]:
        first: dict[int, int] = {}
        agree = None
        for axis, number in enumerate(pattern):
            if number is not None and first.setdefault(number, axis) != axis:
                same = self.index[first[number]] == self.index[axis]
                agree = same if agree is None else agree & same
        chosen = self.index[[first[number] for number in sorted(first)]]
        if agree is None:
            return None, chosen, self.graph
        rows = agree.nonzero().squeeze(1)
        return rows, chosen[:, rows], self.graph[rows]

    def read(self, pattern: Pattern, source: Term) -> tuple[torch.Tensor | None, torch.Tensor]:
        """What a source has for entries here: the rows here whose axes with one number agree (None: all), their values.

        The pattern has for each axis here the axis of the source, or None. Entries that are not there are 0.
        """
        held, value = source
        if held is self and pattern == tuple(range(len(self.index))):
            return None, value
        rows, places, missing = self.nodes.once(("read", self, pattern, held), lambda: self._looked_up(pattern, held))
        return rows, taken(value, places, missing)

    def _looked_up(self, pattern: Pattern, held: Positions) -> tuple[torch.Tensor | None, torch.Tensor, bool]:
        rows, index, graph = self.tied(pattern)
        places = held.find(index, graph)
        return rows, places, len(index) > 1 and bool((places == len(held)).any())


def taken(value: torch.Tensor, rows: torch.Tensor, missing: bool) -> torch.Tensor:
    """Rows of a value, with zeros behind its end where some are missing."""
    if missing:
        value = torch.cat((value, value.new_zeros(1, value.shape[-1])))
    return value.index_select(0, rows)


#: Values of one term, (entries, channels), and where they are.
Term = tuple[Positions, torch.Tensor]


def read(value: Term, at: Positions) -> torch.Tensor:
    """Values at other positions, 0 where there are none."""
    return at.read(tuple(range(len(at.index))), value)[1]


# --- a plan, run on the entries that are there ----------------------------------------------------


def check_group(group: Group) -> None:
    """Raise EqsynthError for groups whose maps do more than move and add up the entries of a tensor."""
    if len(group.factors) != 1 or not group.partitions:
        raise EqsynthError(
            "eq.nn.Sparse runs modules whose maps are set partitions, such as those of S(n), A(n), H(n) and B(n), not "
            f"those of {group}: call the module with dense tensors"
        )


@lru_cache(maxsize=256)
def sparse_plan(hom: Hom, bias: bool, normalization: str, parameters: str = "diagrams") -> Plan:
    """The plan by diagrams of a layer, whatever its own; raises EqsynthError where entries alone cannot run it."""
    check_group(hom.group)
    if parameters != "diagrams":
        raise EqsynthError(
            f"the weights of {hom} are entries of blocks, not of diagrams: make the layer with "
            'parameters="diagrams" for sparse tensors'
        )
    plan = plan_hom(hom, bias, normalization, "diagrams")
    if not all(_runs(step) for step in plan.steps) or any(pair.squares or pair.sums for pair in plan.pairs):
        raise EqsynthError(
            f"{hom} has diagrams with heads, which antisymmetrise over all nodes: call the layer with dense "
            f"tensors, or use S({hom.group.n}), whose maps are those without heads"
        )
    return plan


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


def run(
    plan: Plan,
    parameter: Callable[[str], torch.Tensor],
    inputs: Sequence[Term],
    wanted: Mapping[int, Positions],
) -> list[Term]:
    """The outputs of a plan at the wanted positions of each order, from values (entries, channels) at positions.

    ``parameter`` gives the parameter of a name. The steps are those of eqsynth.interpret, on what is there.
    """
    demanded = _demanded(plan, wanted)
    values: dict[str, Term] = {}
    outputs = []
    for step in plan.steps:
        match step:
            case Input(target, term):
                values[target] = inputs[term]
            case Reduce(target, source, pattern):
                values[target] = _reduce(values[source], pattern, POWERS[plan.sums(0)] * step.summed)
            case Mix():
                at = demanded[step.targets[0].name] if step.targets else wanted[0]
                mixed = _mix(step, plan, parameter, values, at)
                values |= {target.name: (at, z) for target, z in zip(step.targets, mixed, strict=True)}
            case Spread(target, _, _, parts):
                values[target] = demanded[target], _spread(parts, values, demanded[target])
            case Output(term, str(source)):
                at = wanted[_order(plan.hom, term)]
                outputs.append((at, read(values[source], at)))
    return outputs


def _order(hom: Hom, term: int) -> int:
    order = hom.space_out.orders[term]
    assert isinstance(order, int)  # noqa: S101 - one group
    return order


def _demanded(plan: Plan, wanted: Mapping[int, Positions]) -> dict[str, Positions]:
    """Where each value between mixing and output is asked for, from the outputs back."""
    asked: dict[str, list[Positions]] = {}
    demanded: dict[str, Positions] = {}
    for step in reversed(plan.steps):
        match step:
            case Output(term, str(source)):
                asked.setdefault(source, []).append(wanted[_order(plan.hom, term)])
            case Spread(target, _, sizes, parts):
                at = demanded[target] = _united(asked.get(target, []), len(sizes), wanted)
                for part in parts:
                    axes = {axis for axis in part.pattern if axis is not None}
                    if len(axes) > 1:
                        asked.setdefault(part.source, []).append(_pulled(at, part.pattern))
            case Mix(sizes, targets=targets):
                at = _united([p for target in targets for p in asked.get(target.name, [])], len(sizes), wanted)
                demanded |= {target.name: at for target in targets}
    return demanded


def _pulled(at: Positions, pattern: Pattern) -> Positions:
    """The positions of a part that is placed on others by a pattern."""
    if pattern == tuple(range(len(at.index))):
        return at
    return at.reduced(pattern)[2]


def _united(asked: Sequence[Positions], axes: int, wanted: Mapping[int, Positions]) -> Positions:
    """All positions that are asked for, each once."""
    if axes < 2:
        return wanted[axes]
    if len({id(at) for at in asked}) == 1:
        return asked[0]
    return asked[0].nodes.positions(torch.cat([at.index for at in asked], 1))[0]


def _reduce(value: Term, pattern: Pattern, power: float) -> Term:
    """Sums onto fewer axes, each graph scaled by a power of its own size."""
    at, x = value
    rows, where, reduced = at.reduced(pattern)
    x = x if rows is None else x.index_select(0, rows)
    total = summed(x, where, len(reduced))
    return reduced, total * scales(reduced, power, total.dtype) if power else total


def summed(x: torch.Tensor, where: torch.Tensor, count: int) -> torch.Tensor:
    """Rows added where they belong, in float32 at least."""
    value = x.to(torch.promote_types(x.dtype, torch.float32))
    return value.new_zeros(count, x.shape[-1]).index_add(0, where, value).to(x.dtype)


def scales(at: Positions, power: float, dtype: torch.dtype) -> torch.Tensor:
    """A power of the size of the graph of each entry, as a column; 1 for graphs without nodes, whose sums are empty."""
    sizes = at.nodes.sizes.clamp(min=1).to(torch.promote_types(dtype, torch.float32))
    return (sizes**power).to(dtype)[at.graph].unsqueeze(1)


def _mix(
    step: Mix,
    plan: Plan,
    parameter: Callable[[str], torch.Tensor],
    values: Mapping[str, Term],
    at: Positions,
) -> Sequence[torch.Tensor]:
    """One matrix product for all targets, at the same positions."""
    if not step.targets:
        return ()
    columns = [at.read(operand.middle, values[operand.source])[1] for operand in step.operands]
    ins = list(dict.fromkeys(operand.term for operand in step.operands))
    outs = list(dict.fromkeys(target.term for target in step.targets))
    widths = [plan.hom.space_out.channels[target.term] for target in step.targets]
    bias = torch.cat([_bias(step, plan, parameter, term) for term in outs]) if step.biases else None
    # Columns and rows of one matrix, sorted by term.
    columns = [x for term in ins for x, operand in zip(columns, step.operands, strict=True) if operand.term == term]
    order = [place for term in outs for place, target in enumerate(step.targets) if target.term == term]
    if columns:
        weight = torch.cat([torch.cat([_block(step, plan, parameter, i, o) for i in ins], 1) for o in outs])
        z = functional.linear(torch.cat(columns, 1) if len(columns) > 1 else columns[0], weight, bias)
    else:
        assert bias is not None  # noqa: S101 - what has no operands has a bias
        z = bias.expand(len(at), -1)
    parts = dict(zip(order, torch.split(z, [widths[place] for place in order], 1), strict=True))
    return [parts[place] for place in range(len(step.targets))]


def _block(
    step: Mix, plan: Plan, parameter: Callable[[str], torch.Tensor], term_in: int, term_out: int
) -> torch.Tensor:
    """The part of the matrix of a Mix that goes from the operands of one term to the targets of another."""
    operands = [place for place, operand in enumerate(step.operands) if operand.term == term_in]
    targets = [place for place, target in enumerate(step.targets) if target.term == term_out]
    entries = [entry for entry in step.entries if entry.target in targets and entry.operand in operands]
    shape = plan.hom.space_out.channels[term_out], plan.hom.space_in.channels[term_in]
    if not entries:
        some = parameter(plan.weight_name(step.operands[0].term, step.targets[0].term))
        return some.new_zeros(len(targets) * shape[0], len(operands) * shape[1])
    weight = parameter(plan.weight_name(term_in, term_out))
    cells = [targets.index(entry.target) * len(operands) + operands.index(entry.operand) for entry in entries]
    table = _table(weight, entries, cells, len(targets) * len(operands))
    table = table.reshape(len(targets), len(operands), *shape).transpose(1, 2)
    return table.reshape(len(targets) * shape[0], len(operands) * shape[1])


def _bias(step: Mix, plan: Plan, parameter: Callable[[str], torch.Tensor], term: int) -> torch.Tensor:
    """The biases of the targets of one term."""
    targets = [place for place, target in enumerate(step.targets) if target.term == term]
    entries = [entry for entry in step.biases if entry.target in targets]
    if not entries:
        some = parameter(plan.bias_name(step.targets[step.biases[0].target].term))
        return some.new_zeros(len(targets) * plan.hom.space_out.channels[term])
    cells = [targets.index(entry.target) for entry in entries]
    return _table(parameter(plan.bias_name(term)), entries, cells, len(targets)).flatten()


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


def _spread(parts: Sequence[Part], values: Mapping[str, Term], at: Positions) -> torch.Tensor:
    """The sum of parts at some positions: each read where it is carried, nothing off its diagonals."""
    total: torch.Tensor | None = None
    tied = []
    for part in parts:
        rows, x = at.read(part.pattern, values[part.source])
        if rows is not None:
            tied.append((rows, x))
        else:
            total = x if total is None else total + x
    for rows, x in tied:
        total = x.new_zeros(len(at), x.shape[-1]) if total is None else total
        total = total.index_add(0, rows, x)
    assert total is not None  # noqa: S101 - a Spread has parts
    return total


# --- input and output -----------------------------------------------------------------------------


def read_index(index: Any, nodes: Nodes, what: str, order: int | None = None) -> torch.Tensor:
    """Whole numbers (order, entries) that name nodes of one graph each; else ShapeError."""
    fits = isinstance(index, torch.Tensor) and index.ndim == 2 and len(index) > 1 and order in (None, len(index))
    if not fits:
        raise ShapeError(
            f"{what} has an index of {got(index)}, expected a tensor ({order or 'order'}, entries), "
            "as edge_index has (2, edges)"
        )
    if index.dtype.is_floating_point or index.dtype.is_complex or index.dtype == torch.bool:
        raise ShapeError(f"{what} has an index of {index.dtype}, expected whole numbers, such as index.long()")
    numbers: torch.Tensor = index.long()
    if numbers.numel():
        low, high = int(numbers.min()), int(numbers.max())
        if not 0 <= low <= high < len(nodes.graph):
            raise ShapeError(
                f"{what} names nodes from {low} to {high}, of {len(nodes.graph)}: number them from 0, through the batch"
            )
        graph = nodes.graph[numbers]
        if bool((graph != graph[0]).any()):
            raise ShapeError(
                f"{what} has an entry between two graphs: nodes are counted through the whole batch, and batch has "
                "the graph of each"
            )
    return numbers
