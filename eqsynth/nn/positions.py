"""Plans and products of tensors of which few entries are there, run on these alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from eqsynth.exact.limits import afford
from eqsynth.families.hom import Hom
from eqsynth.nn.entries import TensorPositions, Term, read, reduced, spread, summed, united
from eqsynth.plans.plan import POWERS, Plan
from eqsynth.plans.steps import Input, Mix, Output, Pattern, Reduce, Spread

#: Axes of a term, by number.
Axes = tuple[int, ...]


# --- a plan, run on the entries that are there ----------------------------------------------------


class Mixing(Protocol):
    """How the channels of operands are mixed into those of targets, at the same positions."""

    def __call__(self, step: Mix, values: Mapping[str, Term], at: TensorPositions) -> Mapping[str, torch.Tensor]:
        """The values of the targets, by name, from those of the operands."""

    def nothing(self, term: int, at: TensorPositions) -> torch.Tensor:
        """The zeros of an output that no map reaches."""


def run(plan: Plan, mixing: Mixing, inputs: Sequence[Term], wanted: Mapping[int, TensorPositions]) -> list[Term]:
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
                values[target] = reduced(values[source], pattern, power(plan, step))
            case Mix():
                if step.targets:
                    at = demanded[step.targets[0].name]
                    values |= {name: (at, z) for name, z in mixing(step, values, at).items()}
            case Spread(target, parts=parts):
                values[target] = spread([(values[part.source], part.pattern) for part in parts], demanded[target])
            case Output(term, source):
                at = wanted[_order(plan.hom, term)]
                outputs.append((at, mixing.nothing(term, at) if source is None else read(values[source], at)))
    return outputs


def power(plan: Plan, step: Reduce) -> float:
    """The power of the size of a graph by which its sums are scaled."""
    return POWERS[plan.sums(0)] * step.summed


def _order(hom: Hom, term: int) -> int:
    order = hom.space_out.orders[term]
    assert isinstance(order, int)  # noqa: S101 - one group
    return order


@dataclass(frozen=True, slots=True)
class Demand:
    """Where a value between mixing and output is asked for: everywhere at an order below 2, or where others are.

    ``readers``: a value, or an output by its order, and the pattern by which it reads this one, None for as it is.
    """

    axes: int
    readers: tuple[tuple[str | int, Pattern | None], ...]


def demands(plan: Plan) -> dict[str, Demand]:
    """Where values are asked for, from the outputs back. The targets of a Mix share one."""
    readers: dict[str, list[tuple[str | int, Pattern | None]]] = {}
    found: dict[str, Demand] = {}
    for step in reversed(plan.steps):
        match step:
            case Output(term, str(source)):
                readers.setdefault(source, []).append((_order(plan.hom, term), None))
            case Spread(target, _, sizes, parts):
                found[target] = Demand(len(sizes), tuple(readers.get(target, ())))
                for part in parts:
                    whole = part.pattern == tuple(range(len(sizes)))
                    readers.setdefault(part.source, []).append((target, None if whole else part.pattern))
            case Mix(sizes, targets=targets):
                listed = [one for target in targets for one in readers.get(target.name, ())]
                found |= {target.name: Demand(len(sizes), tuple(dict.fromkeys(listed))) for target in targets}
    return found


def _demanded(plan: Plan, wanted: Mapping[int, TensorPositions]) -> dict[str, TensorPositions]:
    """Where each value between mixing and output is computed."""
    demanded: dict[str, TensorPositions] = {}

    def pulled(reader: str | int, pattern: Pattern | None) -> TensorPositions:
        at = demanded[reader] if isinstance(reader, str) else wanted[reader]
        return at if pattern is None else at.reduced(pattern)[2]

    for name, demand in demands(plan).items():
        listed = [pulled(*one) for one in demand.readers] if demand.axes > 1 else [wanted[demand.axes]]
        demanded[name] = united(listed)
    return demanded


# --- products ---------------------------------------------------------------------------------------


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
