"""What emitted code has to know about values before a line is printed: who owns memory, its layout, what is broadcast.

The first of two passes: it looks at a plan and gives data. The second one, ``printing``, decides nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Literal

from eqsynth.families.group import Group
from eqsynth.families.hom import indices_beside
from eqsynth.plans.plan import Plan
from eqsynth.plans.steps import (
    Contract,
    Couple,
    Hodge,
    Input,
    Join,
    Mix,
    Output,
    Pack,
    Part,
    Reduce,
    Schur,
    Spread,
    Step,
    Tied,
    Twist,
    Unpack,
    Weigh,
)

#: Up to this many entries a step is one matrix; beyond, tables whose size is that of the tensors.
SMALL = 4096
#: A Levi-Civita tensor: n, how many axes are tied, taken and given, and how many labels have the sign + of eta: all n
#: where there is none.
Epsilon = tuple[int, int, int, int, int]
#: How a sum gets memory of its own, where parts are to be added to it in place: zeros, its value repeated, or copied.
Memory = Literal["", "zeros", "repeated", "copied", "contiguous"]


def epsilon_of(step: Hodge, group: Group) -> Epsilon:
    """The Levi-Civita tensor that a step contracts with."""
    signature = group.indices[step.factor].signature
    return step.n, step.tied, step.taken, step.given, step.n if signature is None else signature[0]


def is_small(epsilon: Epsilon) -> bool:
    """Whether a Levi-Civita tensor is applied as a matrix."""
    n, tied, taken, given, _ = epsilon
    return bool(n ** (2 * tied + taken + given) <= SMALL)


@dataclass(frozen=True, slots=True)
class Layout:
    """What is known of a value's memory.

    ``needs``: the inputs and parameters that it depends on; ``repeated``: the places (0 is the batch, then the axes)
    along which it has length 1 and is yet to be repeated; ``owned``: a tensor of full shape that no one else holds, so
    that others may be added to it in place; ``contiguous``, whatever the strides of the input; ``strided``: a view with
    long strides, or what einsum makes, whose strides are unknown.
    """

    needs: frozenset[str]
    repeated: frozenset[int] = frozenset()
    owned: bool = False
    contiguous: bool = False
    strided: bool = False


@dataclass(frozen=True, slots=True)
class Summand:
    """A part of a sum. ``inside``: the sum so far depends on all that the part does, and may be changed in place.

    Else torch.func, which maps over what the part depends on, needs a new tensor.
    """

    part: Part
    inside: bool


@dataclass(frozen=True, slots=True)
class Sum:
    """How a Spread adds up: to the memory of ``base``, one of its parts, or to new memory.

    ``placed`` parts are added as views; ``embedded`` ones reach a diagonal, or carry a form, and are added in place.
    ``memory`` is what the sum of the placed ones needs before; ``anew``: what was a base is a new tensor by now.
    """

    base: Part | None
    placed: tuple[Summand, ...]
    embedded: tuple[Summand, ...]
    memory: Memory = ""
    anew: bool = False


@dataclass(frozen=True, slots=True)
class MergedHeads:
    """Heads and their places in one output as one small matrix, for all targets of a Mix together.

    ``name`` is the value that stands for them in ``spread``; ``parts``: the part of each head.
    """

    name: str
    number: int
    heads: tuple[Hodge, ...]
    spread: Spread
    parts: tuple[Part, ...]


@dataclass(slots=True)
class Analysis:
    """What printing needs, by the names of values.

    ``together``: for the first target of a Mix, the heads that are applied to all its targets at once; ``merged``: the
    same where these are one matrix with their places in the output; ``inlined``: heads that are written where they are
    used, so that their memory is given back there.
    """

    layouts: dict[str, Layout] = field(default_factory=dict)
    sums: dict[str, Sum] = field(default_factory=dict)
    together: dict[str, tuple[Hodge, ...]] = field(default_factory=dict)
    merged: dict[str, MergedHeads] = field(default_factory=dict)
    inlined: set[str] = field(default_factory=set)
    #: Heads that are emitted with the Mix that they follow.
    done: set[str] = field(default_factory=set)


def analyse(plan: Plan) -> Analysis:
    """What printing the code of a plan needs to know.

    >>> import eqsynth as eq
    >>> from eqsynth.codegen.analysis import analyse
    >>> analyse(eq.plan("S(n)", 1, 2, bias=False)).sums["y_ab"].memory
    'contiguous'
    """
    analyser = _Analyser(plan)
    for step in plan.steps:
        analyser.add(step)
    return analyser.result


class _Analyser:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.result = Analysis()
        self.layouts = self.result.layouts
        placed = Counter(part.source for step in plan.steps if isinstance(step, Spread) for part in step.parts)
        #: Values that are part of several others, or of one in several orders of its axes.
        self.shared = {source for source, times in placed.items() if times > 1}
        self.read_by_mixes = Counter(o.source for step in plan.steps if isinstance(step, Mix) for o in step.operands)
        self.stand_ins: dict[str, Part] = {}

    def add(self, step: Step) -> None:
        """The layouts of what a step writes."""
        layouts = self.layouts
        match step:
            case Input(target, number):
                layouts[target] = Layout(frozenset({f"x{number}"}))
            case Reduce(target, source):
                # Only the batch can be repeated here: axes are later.
                strided = not step.summed and not step.forms
                layouts[target] = Layout(layouts[source].needs, layouts[source].repeated, strided=strided)
            case Hodge(target, source):
                if target not in self.result.done:
                    layouts[target] = self._after(source, own=True)
                    if self.read_by_mixes[target] == 1:
                        self.result.inlined.add(target)
            case Contract(target, source):
                own = self._after(source, own=True)
                layouts[target] = own if step.along is not None else replace(own, contiguous=False)
            case Twist(target, source):
                layouts[target] = Layout(layouts[source].needs)
            case Join(target, sources):
                layouts[target] = Layout(self._needs(sources), strided=True)
            case Couple(target, source, coupling):
                new = not coupling.trivial
                strided = self.layouts[source].strided and not new
                layouts[target] = Layout(self._needs((source,)), owned=new, contiguous=new, strided=strided)
            case Weigh(targets, sources):
                weight = self.plan.weight_name(step.term_in, step.term_out)
                layouts |= dict.fromkeys(targets, Layout(self._needs(sources) | {weight}))
            case Mix():
                self._mix(step)
            case Spread():
                self._spread(step)
            case Tied():
                needs = {self.plan.weight_name(table.term, step.term) for table in step.tables}
                needs |= {self.plan.bias_name(step.term)} if step.constants else set()
                needs |= self._needs(step.reads)
                layouts[step.target] = self._made(needs, bool(step.tables))
            case Schur(sources, targets):
                for end in targets:
                    pairs = [(source.term, end.term) for source in sources]
                    weights = {self.plan.weight_name(*pair) for pair in pairs if pair in self.plan.dims}
                    weights |= {self.plan.bias_name(one.term) for one in step.constants if one.term == end.term}
                    layouts[end.name] = self._made(weights | self._needs(step.reads), True)
            case Pack(target, source) | Unpack(target, source):
                layouts[target] = Layout(layouts[source].needs, owned=True, contiguous=True)
            case Output():
                pass

    def _needs(self, names: Iterable[str]) -> frozenset[str]:
        return frozenset[str]().union(*(self.layouts[name].needs for name in names))

    def _after(self, source: str, own: bool) -> Layout:
        """The layout of what is computed from a source axis by axis; ``own``: in memory of its own."""
        layout = self.layouts[source]
        own = own and not layout.repeated
        return Layout(layout.needs, layout.repeated, owned=own, contiguous=own)

    @staticmethod
    def _made(needs: Iterable[str], batch: bool) -> Layout:
        """The layout of a new tensor; without a batch, of one that is made of parameters alone."""
        repeated = frozenset() if batch else frozenset({0})
        return Layout(frozenset(needs), repeated, owned=batch, contiguous=batch)

    # --- mixing -----------------------------------------------------------------------------------

    def _mix(self, step: Mix) -> None:
        pairs = {(step.operands[entry.operand].term, step.targets[entry.target].term) for entry in step.entries}
        needs = {self.plan.weight_name(*pair) for pair in pairs}
        needs |= {self.plan.bias_name(step.targets[entry.target].term) for entry in step.biases}
        layout = self._made(needs | self._needs(step.reads), bool(step.operands))
        single = len(step.targets) == 1
        for name in step.writes:
            # Several targets are views of one product.
            self.layouts[name] = layout if single else replace(layout, owned=False, contiguous=False)
        if single or step.fourier or step.tabled:
            return
        # Heads that come after the mixing are the same for all targets, and applied to them together.
        heads = tuple(head for head in self.plan.steps if isinstance(head, Hodge) and head.source in step.writes)
        if tuple(head.source for head in heads) != step.writes:
            return
        self.result.done |= {head.target for head in heads}
        merged = self._merged(step, heads)
        if merged is not None:
            self.result.merged[step.writes[0]] = merged
            self.layouts[merged.name] = self._after(step.writes[0], own=True)
            return
        self.result.together[step.writes[0]] = heads
        for head in heads:
            self.layouts[head.target] = self._after(head.source, own=False)

    def _merged(self, step: Mix, heads: Sequence[Hodge]) -> MergedHeads | None:
        """Heads and their places in one output as one small matrix, where all targets of a Mix go to one tensor."""
        targets = {head.target for head in heads}
        spreads = [s for s in self.plan.steps if isinstance(s, Spread) and targets & {*s.reads}]
        if len(spreads) != 1 or len({target.term for target in step.targets}) > 1:
            return None
        (spread,) = spreads
        parts = [part for part in spread.parts if part.source in targets]
        part_of = {part.source: part for part in parts}
        straight = all(sorted(part.pattern, key=str) == list(range(spread.axes)) and part.sign > 0 for part in parts)
        lengths = [self._number(size) for size in (*step.sizes, *spread.sizes)]
        if part_of.keys() != targets or len(parts) != len(part_of) or not straight or None in lengths:
            return None
        entries = len(heads) * prod(length for length in lengths if length is not None)
        if not is_small(epsilon_of(heads[0], self.plan.problem.group)) or entries > SMALL:
            return None
        number = len(self.stand_ins)
        name = f"{spread.target}_h{number or ''}"
        self.stand_ins |= dict.fromkeys((head.target for head in heads), Part(name, tuple(range(spread.axes))))
        return MergedHeads(name, number, tuple(heads), spread, tuple(part_of[head.target] for head in heads))

    def _number(self, size: int) -> int | None:
        """The length of an axis, where it is known."""
        factors = self.plan.problem.group.indices
        if size < len(factors):
            n = factors[size].n
            return n if isinstance(n, int) else None
        index, symmetry = self.plan.packs[size - len(factors)]
        own = [factors[one].n for one in indices_beside(self.plan.problem.group, index)]
        known = [n for n in own if isinstance(n, int)]
        return symmetry.length(prod(known)) if len(known) == len(own) else None

    # --- sums ---------------------------------------------------------------------------------------

    def _spread(self, step: Spread) -> None:
        parts = list(dict.fromkeys(self.stand_ins.get(part.source, part) for part in step.parts))
        parts.sort(key=lambda part: part not in self.stand_ins.values())
        placed = [part for part in parts if not _embeds(part)]
        embedded = [part for part in parts if _embeds(part)]
        # A tensor of our own that is already in place takes the other parts.
        base = next((part for part in placed if self._takes(part, step)), None)
        if base is not None:
            placed.remove(base)
            summands, needs = self._summands(placed, self.layouts[base.source].needs)
            self.layouts[base.source] = replace(self.layouts[base.source], owned=False)
            inside, needs = self._summands(embedded, needs)
            anew = not all(summand.inside for summand in summands)
            self.result.sums[step.target] = Sum(base, summands, inside, anew=anew)
            self.layouts[step.target] = Layout(needs, owned=True, contiguous=True)
            return
        repeated = frozenset(range(step.axes + 1))
        for part in placed:
            repeated &= self._missing(part)
        needs = self._needs(part.source for part in placed)
        memory: Memory = ""
        if embedded:
            if not placed or repeated:
                needs |= self.layouts[embedded[0].source].needs
                memory = "repeated" if placed else "zeros"
            else:
                memory = "copied" if len(placed) == 1 else "contiguous"
            repeated = frozenset()
        inside, needs = self._summands(embedded, needs)
        self.result.sums[step.target] = Sum(None, tuple(Summand(part, True) for part in placed), inside, memory)
        own = not repeated and (bool(embedded) or len(placed) > 1)
        self.layouts[step.target] = Layout(needs, repeated, owned=own, contiguous=own and bool(embedded))

    def _summands(self, parts: Sequence[Part], needs: frozenset[str]) -> tuple[tuple[Summand, ...], frozenset[str]]:
        """Parts that are added one after the other to what has these needs, and the needs of their sum."""
        summands = []
        for part in parts:
            theirs = self.layouts[part.source].needs
            summands.append(Summand(part, theirs <= needs))
            needs |= theirs
        return tuple(summands), needs

    def _takes(self, part: Part, step: Spread) -> bool:
        """Whether the other parts can be added to a part in place."""
        layout = self.layouts[part.source]
        straight = part.pattern == tuple(range(step.axes)) and part.sign > 0
        return layout.owned and layout.contiguous and straight and part.source not in self.shared

    def _missing(self, part: Part) -> frozenset[int]:
        return missing(part, self.layouts[part.source].repeated)


def missing(part: Part, repeated: frozenset[int]) -> frozenset[int]:
    """The places (0 is the batch) at which a part, with its axes in the order of the target, has length 1.

    ``repeated``: those at which its source has.
    """
    places = {1 + place for place, axis in enumerate(part.pattern) if axis is None or 1 + axis in repeated}
    return frozenset(places | ({0} & repeated))


def _embeds(part: Part) -> bool:
    """Whether a part reaches a diagonal alone, or carries a form."""
    axes = [axis for axis in part.pattern if axis is not None]
    return len(set(axes)) < len(axes) or bool(part.forms)
