"""Plans from the user's cache, proven anew: the data must add up exactly the diagrams of the basis.

Only S(n) and O(n) are kept so: their plans have no signs, so that each weight can be followed from input to output
by joining blocks. The plans of other groups are made again from their bases.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from operator import add
from typing import Any

from eqsynth import cache, enumeration
from eqsynth.bases import MAKERS, WORTH_KEEPING, Basis, basis
from eqsynth.diagram import Diagram
from eqsynth.errors import CatalogError, GroupError
from eqsynth.group import Hom
from eqsynth.lower import gains, plan_by, plan_hom
from eqsynth.plans import (
    NORMALIZATIONS,
    Entry,
    Input,
    Mix,
    Operand,
    Output,
    Pair,
    Part,
    Pattern,
    Plan,
    Reduce,
    Spread,
    Step,
    Target,
)
from eqsynth.space import axes_of

#: Names of values: they become names in emitted code, so they have to look like these and like nothing else.
NAME = re.compile(r"[xyz][0-9]*(_[a-z0-9]+)*")
#: More ways from a value to an output than any plan has.
MAX_PLACES = 100_000

Blocks = tuple[tuple[int, ...], ...]


def recalled_plan(hom: Hom, bias: bool, normalization: str, method: str = "auto", parameters: str = "diagrams") -> Plan:
    """The plan of a problem; that by diagrams from the cache where it is there and right, else made and kept.

    >>> import eqsynth as eq
    >>> from eqsynth.recall import recalled_plan
    >>> hom = eq.Hom.parse("S(n)", 2, 1)
    >>> recalled_plan(hom, True, "sum") == eq.plan("S(n)", 2, 1, normalization="sum")
    True
    """
    if normalization in NORMALIZATIONS and method in ("auto", "diagrams") and worth_keeping(hom):
        return plan_hom(hom, bias, normalization, method, parameters, _recalled(hom, bool(bias), normalization))
    return plan_hom(hom, bias, normalization, method, parameters)


def plain_plan(hom: Hom, bias: bool, normalization: str) -> Plan:
    """The plan that shows the maps, whatever the channels: by diagrams, or by tables where there are none."""
    made = []
    for method in ("diagrams",) if hom.group.diagrammatic else ("diagrams", "matrix"):
        try:
            made.append(recalled_plan(hom, bias, normalization, method))
        except GroupError:
            continue
    return min(made, key=lambda plan: plan.estimate())


@lru_cache(maxsize=256)
def _recalled(hom: Hom, bias: bool, normalization: str) -> Plan:
    problem = {"kind": "plan", "hom": str(hom), "bias": bias, "normalization": normalization}
    made = cache.made_by((*MAKERS, "cosets", "lower", "plans", "polynomial", "recall"))
    found = cache.remembered(problem, made, lambda entry: from_data(hom, bias, normalization, entry.get("plan")))
    if isinstance(found, Plan):
        return found
    plan = plan_by(hom, bias, normalization, "diagrams")
    data = to_data(plan)
    if data is not None:
        cache.remember(problem, made, {"plan": data})
    return plan


def worth_keeping(hom: Hom) -> bool:
    """Whether the plan of a problem is kept: a group whose plans can be proven, and enough diagrams."""
    if hom.group.family not in ("S", "O"):
        return False
    orders = [axes_of(k) + axes_of(lo) for k in hom.space_in.orders for lo in hom.space_out.orders]
    return sum(enumeration.count(hom.group, total) for total in orders) >= WORTH_KEEPING


def to_data(plan: Plan) -> dict[str, Any] | None:
    """A plan as plain data; None for one that :func:`from_data` would not give back."""
    steps = [_step_data(step) for step in plan.steps]
    if None in steps:
        return None
    pairs = [
        [pair.term_in, pair.term_out, _runs(value.hex() for value in pair.variances)] for pair in plan.pairs
    ]  # fmt: skip
    data = {"steps": steps, "pairs": pairs}
    try:
        return data if from_data(plan.hom, plan.bias, plan.normalization, data) == plan else None
    except CatalogError:
        return None


def _step_data(step: Step) -> list[Any] | None:
    match step:
        case Input(target, term, sizes):
            return ["input", target, term, len(sizes)]
        case Reduce(target, source, pattern):
            return ["reduce", target, source, list(pattern)]
        case Mix(sizes, operands, targets, entries, biases, products, False):
            return [
                "mix",
                len(sizes),
                [[operand.source, operand.term, list(operand.middle)] for operand in operands],
                [[target.name, target.term] for target in targets],
                [number for entry in entries for number in (entry.target, entry.operand, entry.element)],
                [number for entry in biases for number in (entry.target, entry.element)],
                products,
            ]
        case Spread(target, term, sizes, parts):
            return ["spread", target, term, len(sizes), [[part.source, list(part.pattern)] for part in parts]]
        case Output(term, source):
            return ["output", term, source]
    return None


def _runs(values: Iterable[str]) -> list[list[Any]]:
    """Values with how often each stands in a row."""
    found: list[list[Any]] = []
    for value in values:
        if found and found[-1][0] == value:
            found[-1][1] += 1
        else:
            found.append([value, 1])
    return found


def from_data(hom: Hom, bias: bool, normalization: str, data: Any) -> Plan:
    """The plan that :func:`to_data` wrote down, if it is one and computes what it must; else CatalogError."""
    try:
        match data:
            case {"steps": list(listed), "pairs": list(pair_data), **rest} if not rest:
                steps = tuple(_step(each) for each in listed)
            case _:
                raise CatalogError("its plan has no steps and pairs")
        outs = hom.space_out.orders
        ins = hom.space_in.orders
        needed = {(i, o): basis(hom.group, k, lo) for i, k in enumerate(ins) for o, lo in enumerate(outs)}
        constants = {o: basis(hom.group, 0, lo) for o, lo in enumerate(outs)} if bias else {}
        pairs = tuple(_pair(each, needed) for each in pair_data)
        if [(pair.term_in, pair.term_out) for pair in pairs] != [at for at, found in needed.items() if len(found)]:
            raise CatalogError("its pairs of terms are not those of the problem")
        check_meaning(steps, hom, needed, constants)
    except (TypeError, ValueError, IndexError, KeyError, OverflowError, AttributeError) as error:
        # Data of a wrong shape fails in one of these ways; none of it has been used for anything.
        if isinstance(error, CatalogError):
            raise
        raise CatalogError(f"its plan is malformed: {error!r}") from None
    dims = tuple(len(constants[o]) if bias else 0 for o in range(len(outs)))
    return Plan(hom, bias, normalization, steps, pairs, dims, tuple(() for _ in outs))


def _pair(data: Any, needed: dict[tuple[int, int], Basis]) -> Pair:
    term_in, term_out, runs = data
    found = needed[_count(term_in), _count(term_out)]
    if sum(_count(times) for _, times in runs) != len(found):
        raise CatalogError("there is not one variance for each map")
    variances = tuple(value for text, times in runs for value in [float.fromhex(text)] * times)
    if not all(0 < value < 1e300 for value in {*variances}):
        raise CatalogError("a variance is no positive number")
    return Pair(term_in, term_out, len(found), gains(found), variances)


def _count(value: Any) -> int:
    """A whole number that is not negative and has a few digits."""
    if type(value) is not int or not 0 <= value < 10**9:
        raise CatalogError(f"{str(value)[:40]} is no count")
    return value


def _counts(values: Any) -> tuple[int, ...]:
    if type(values) is not list or {*map(type, values)} - {int} or min(values, default=0) < 0:
        raise CatalogError("a list of counts is expected")
    return tuple(values)


def _pattern(values: Any) -> Pattern:
    if type(values) is not list:
        raise CatalogError("a pattern is a list")
    return tuple(None if value is None else _count(value) for value in values)


def _name(text: Any) -> str:
    if type(text) is not str or len(text) > 100 or not NAME.fullmatch(text):
        raise CatalogError(f"{str(text)[:40]!r} cannot name a value")
    return text


def _step(data: Any) -> Step:
    match data:
        case ["input", target, term, axes]:
            return Input(_name(target), _count(term), _axes(axes))
        case ["reduce", target, source, pattern]:
            return Reduce(_name(target), _name(source), _pattern(pattern))
        case ["mix", axes, list(operands), list(targets), entries, biases, products]:
            listed, constants = iter(_counts(entries)), iter(_counts(biases))
            return Mix(
                _axes(axes),
                tuple(Operand(_name(source), _count(term), _counts(middle)) for source, term, middle in operands),
                tuple(Target(_name(name), _count(term)) for name, term in targets),
                tuple(Entry(*three) for three in zip(listed, listed, listed, strict=True)),
                tuple(Entry(target, -1, element) for target, element in zip(constants, constants, strict=True)),
                _count(products),
            )
        case ["spread", target, term, axes, list(parts)]:
            listed_parts = tuple(Part(_name(source), _pattern(pattern)) for source, pattern in parts)
            return Spread(_name(target), _count(term), _axes(axes), listed_parts)
        case ["output", term, source]:
            return Output(_count(term), None if source is None else _name(source))
    raise CatalogError("a step of its plan is none that is known")


def _axes(count: Any) -> tuple[int, ...]:
    if _count(count) > 64:
        raise CatalogError(f"a value has {count} axes")
    return (0,) * int(count)


def check_meaning(
    steps: tuple[Step, ...], hom: Hom, needed: dict[tuple[int, int], Basis], constants: dict[int, Basis]
) -> None:
    """Raise CatalogError unless the steps add up weight times diagram, each element of each basis once.

    A value on the input side is a tensor whose axes are blocks of input vertices, with other blocks summed; a value
    on the output side is placed on blocks of output vertices. A weight between the two is the diagram that joins
    them. Plans with signs, forms, heads or tables are refused.
    """
    below: dict[str, tuple[int, Blocks, Blocks]] = {}
    mixed: dict[str, tuple[Mix, int]] = {}
    spread: set[str] = set()
    outputs = 0
    for step in steps:
        match step:
            case Input(name, term, sizes):
                fits = term < len(hom.space_in) and len(sizes) == axes_of(hom.space_in.orders[term])
                _require(fits, "an input is not there")
                below[_new(name, below, mixed, spread)] = (
                    term,
                    tuple((vertex,) for vertex in range(axes_of(hom.space_in.orders[term]))),
                    (),
                )
            case Reduce(name, source, pattern, ()):
                term, axes, summed = below[source]
                below[_new(name, below, mixed, spread)] = (term, *_merged(axes, summed, pattern))
            case Mix(sizes, operands, targets, entries, biases, products):
                _require(1 <= products <= max(1, len(operands)), "a mix has a wrong number of products")
                _require(not step.fourier, "a mix is a Fourier transform")
                for operand in operands:
                    term, axes, _ = below[operand.source]
                    _require(operand.term == term, "an operand names another term than its value has")
                    _require(sorted(operand.middle) == list(range(len(axes))) == list(range(len(sizes))), "a mix bends")
                for place, target in enumerate(targets):
                    mixed[_new(target.name, below, mixed, spread)] = (step, place)
                _require(all(entry.sign == 1 for entry in (*entries, *biases)), "a weight has a sign")
            case Spread(name, _, _, parts):
                for part in parts:
                    _require(not part.forms, "a spreading has forms")
                    _require(part.source in mixed or part.source in spread, "a spreading has another source")
                spread.add(_new(name, below, mixed, spread))
            case Output(term, source):
                _require(term == outputs and term < len(hom.space_out), "the outputs are not in order")
                outputs += 1
                _require(source is None or source in mixed or source in spread, "an output has no source")
            case _:
                raise CatalogError("a step of its plan is none that can be proven")
    _require(outputs == len(hom.space_out), "an output is missing")
    _sum_up(steps, hom, below, needed, constants)


def _sum_up(
    steps: tuple[Step, ...],
    hom: Hom,
    below: dict[str, tuple[int, Blocks, Blocks]],
    needed: dict[tuple[int, int], Basis],
    constants: dict[int, Basis],
) -> None:
    """Follow every output back to the mixes, and compare each weight's diagram with its element."""
    places: dict[str, list[tuple[int, Blocks, Blocks]]] = {}
    left = MAX_PLACES
    heights = [axes_of(order) for order in hom.space_out.orders]
    open_ = {at: [d.blocks if isinstance(d, Diagram) else None for d in found] for at, found in needed.items()}
    open_ |= {(-1, o): [d.blocks if isinstance(d, Diagram) else None for d in found] for o, found in constants.items()}
    for step in reversed(steps):
        match step:
            case Output(term, str(source)):
                whole = tuple((vertex,) for vertex in range(heights[term]))
                places.setdefault(source, []).append((term, whole, ()))
            case Spread(name, term, sizes, parts):
                for at, axes, repeated in places.get(name, ()):
                    _require(at == term and len(sizes) == len(axes), "a value is placed on other axes than it has")
                    for part in parts:
                        left -= 1
                        _require(left > 0, "its plan has too many ways")
                        places.setdefault(part.source, []).append((at, *_merged(axes, repeated, part.pattern)))
            case Mix(sizes, operands, targets, entries, biases):
                above = [places.get(target.name, []) for target in targets]
                for target, ways in zip(targets, above, strict=True):
                    for at, axes, _ in ways:
                        _require(at == target.term and len(axes) == len(sizes), "a mix is placed on other axes")
                # For each operand and output term: the blocks of its axes and those summed, numbered after the outputs.
                ends = {
                    (place, term): _moved(below[operand.source], operand.middle, heights[term])
                    for place, operand in enumerate(operands)
                    for term in {target.term for target in targets}
                }
                for entry in (*entries, *biases):
                    for term, axes, repeated in above[entry.target]:
                        if entry.operand < 0:
                            key, joined = (-1, term), [*axes, *repeated]
                        else:
                            key = (operands[entry.operand].term, term)
                            through, summed = ends[entry.operand, term]
                            joined = [*map(add, axes, through), *repeated, *summed]
                        joined.sort()
                        wanted = open_[key]
                        _require(wanted[entry.element] == tuple(joined), "a weight belongs to another diagram")
                        wanted[entry.element] = None
    _require(not any(blocks is not None for wanted in open_.values() for blocks in wanted), "a diagram is left out")


def _moved(value: tuple[int, Blocks, Blocks], middle: tuple[int, ...], by: int) -> tuple[Blocks, Blocks]:
    _, axes, summed = value
    shifted, ends = (tuple(tuple(vertex + by for vertex in block) for block in blocks) for blocks in (axes, summed))
    return tuple(shifted[axis] for axis in middle), ends


def _merged(axes: Blocks, others: Blocks, pattern: Pattern) -> tuple[Blocks, Blocks]:
    """Axes that share an entry of the pattern become one; those with None join the others."""
    _require(len(pattern) == len(axes), "a pattern has another length than its value has axes")
    count = 1 + max((axis for axis in pattern if axis is not None), default=-1)
    _require(count <= len(axes), "a pattern names an axis that is not there")
    merged: list[tuple[int, ...]] = [()] * count
    for block, axis in zip(axes, pattern, strict=True):
        if axis is None:
            others = (*others, block)
        else:
            merged[axis] = tuple(sorted((*merged[axis], *block)))
    _require(all(merged), "a pattern leaves an axis out")
    return tuple(merged), others


def _new(name: str, *made: Iterable[str]) -> str:
    _require(not any(name in names for names in made), f"the value {name} is made twice")
    return name


def _require(fact: bool, otherwise: str) -> None:
    if not fact:
        raise CatalogError(otherwise)
