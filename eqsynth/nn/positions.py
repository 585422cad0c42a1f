"""Tensors of which few entries are there: where they are, how to find them, and a plan that runs on them alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

from eqsynth.errors import ShapeError, SizeError
from eqsynth.exact.limits import afford
from eqsynth.families.hom import Hom
from eqsynth.nn.activations import got
from eqsynth.plans.plan import POWERS, Plan
from eqsynth.plans.steps import Input, Mix, Output, Part, Pattern, Reduce, Spread

#: Positions are numbered by whole numbers of 63 bits.
MAX_KEY = 2**63 - 1
#: The types of numbers of nodes.
INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


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
#: Axes of a term, by number.
Axes = tuple[int, ...]


def read(value: Term, at: Positions) -> torch.Tensor:
    """Values at other positions, 0 where there are none."""
    return at.read(tuple(range(len(at.index))), value)[1]


# --- a plan, run on the entries that are there ----------------------------------------------------


class Mixing(Protocol):
    """How the channels of operands are mixed into those of targets, at the same positions."""

    def __call__(
        self, step: Mix, columns: Mapping[int, Sequence[torch.Tensor]], at: Positions
    ) -> Sequence[torch.Tensor]:
        """A value for each target, from the values of the operands of each term."""


def run(plan: Plan, mixing: Mixing, inputs: Sequence[Term], wanted: Mapping[int, Positions]) -> list[Term]:
    """The outputs of a plan at the wanted positions of each order, from values (entries, channels) at positions.

    The steps are those of eqsynth.interpret, on what is there.
    """
    demanded = _demanded(plan, wanted)
    values: dict[str, Term] = {}
    outputs = []
    for step in plan.steps:
        match step:
            case Input(target, term):
                values[target] = inputs[term]
            case Reduce(target, source, pattern):
                values[target] = reduced(values[source], pattern, POWERS[plan.sums(0)] * step.summed)
            case Mix():
                if step.targets:
                    at = demanded[step.targets[0].name]
                    mixed = mixing(step, _columns(step, values, at), at)
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


def reduced(value: Term, pattern: Pattern, power: float = 0) -> Term:
    """Sums onto fewer axes, each graph scaled by a power of its own size."""
    at, x = value
    rows, where, left = at.reduced(pattern)
    x = x if rows is None else x.index_select(0, rows)
    total = summed(x, where, len(left))
    return left, total * scales(left, power, total.dtype) if power else total


def product(left: Term, right: Term, left_axes: Axes, right_axes: Axes, kept: Axes) -> Term:
    """The product of two terms whose axes are named by numbers, of which some agree, summed over those not kept.

    Entries meet in a join over the axes that agree: time and memory grow with the pairs of entries that do.
    """
    if not set(right_axes) <= set(left_axes):
        if not set(left_axes) <= set(right_axes):
            return _join(left, right, left_axes, right_axes, kept)
        left, right, left_axes, right_axes = right, left, right_axes, left_axes
    at, x = left
    y = at.read(tuple(right_axes.index(axis) if axis in right_axes else None for axis in left_axes), right)[1]
    whole = tuple(kept.index(axis) if axis in kept else None for axis in left_axes)
    return (at, x * y) if whole == tuple(range(len(left_axes))) else reduced((at, x * y), whole)


def _join(left: Term, right: Term, left_axes: Axes, right_axes: Axes, kept: Axes) -> Term:
    (at, x), (other, y) = left, right
    nodes = at.nodes
    shared = [axis for axis in left_axes if axis in right_axes]
    keys = nodes.keys(at.index[[left_axes.index(axis) for axis in shared]])
    sought, order = nodes.keys(other.index[[right_axes.index(axis) for axis in shared]]).sort()
    first = torch.searchsorted(sought, keys)
    counts = torch.searchsorted(sought, keys, right=True) - first
    pairs = int(counts.sum())
    what = f"a product of sparse tensors in which {pairs:,} pairs of entries meet"
    afford(what, "give smaller graphs, or patterns of less degree", size=8 * (len(kept) + 4) * pairs)
    rows = torch.arange(len(at), device=keys.device).repeat_interleave(counts)
    within = torch.arange(pairs, device=keys.device) - (counts.cumsum(0) - counts)[rows]
    others = order[first[rows] + within]
    value = x.index_select(0, rows) * y.index_select(0, others)
    ends = [
        at.index[left_axes.index(axis)][rows] if axis in left_axes else other.index[right_axes.index(axis)][others]
        for axis in kept
    ]
    if len(kept) < 2:
        into = nodes.everywhere(len(kept))
        return into, summed(value, ends[0] if ends else at.graph[rows], len(into))
    into, where = nodes.positions(torch.stack(ends))
    return into, summed(value, where, len(into))


def summed(x: torch.Tensor, where: torch.Tensor, count: int) -> torch.Tensor:
    """Rows added where they belong, in float32 at least."""
    value = x.to(torch.promote_types(x.dtype, torch.float32))
    return value.new_zeros(count, x.shape[-1]).index_add(0, where, value).to(x.dtype)


def scales(at: Positions, power: float, dtype: torch.dtype) -> torch.Tensor:
    """A power of the size of the graph of each entry, as a column; 1 for graphs without nodes, whose sums are empty."""
    real = dtype.to_real() if dtype.is_complex else dtype
    sizes = at.nodes.sizes.clamp(min=1).to(torch.promote_types(real, torch.float32))
    return (sizes**power).to(real)[at.graph].unsqueeze(1)


def _columns(step: Mix, values: Mapping[str, Term], at: Positions) -> dict[int, list[torch.Tensor]]:
    """What the operands of each term have at some positions."""
    columns: dict[int, list[torch.Tensor]] = {}
    for operand in step.operands:
        columns.setdefault(operand.term, []).append(at.read(operand.middle, values[operand.source])[1])
    return columns


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
    if index.dtype not in INTEGERS:
        raise ShapeError(f"{what} has an index of {index.dtype}, expected whole numbers, such as index.long()")
    if index.is_meta or index.layout != torch.strided or index.device != nodes.graph.device:
        raise ShapeError(
            f"{what} has an index on {index.device}, expected a dense tensor where nodes are, on {nodes.graph.device}"
        )
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
