"""Plans changed in one place: any step dropped, doubled or exchanged with another, any value in a step another one."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from types import NoneType
from typing import Any, get_args, get_type_hints

import numpy as np

import eqsynth as eq
from eqsynth.diagrams.diagram import Diagram, MatrixMap, Orbit
from eqsynth.errors import EqsynthError
from eqsynth.families.representation import random_tensor
from eqsynth.plans.interpret import interpret
from eqsynth.plans.plan import Plan


def parameters_for(plan, rng):
    """Random weights and biases of the names and shapes that a plan's layer has."""
    problem, made = plan.problem, {}
    for pair in plan.pairs:
        wide = [problem.inputs[number][0] for number in problem.terms[pair.term_in]]
        shape = pair.dim, problem.space_out.channels[pair.term_out], *(wide if problem.full else wide[:1])
        made[plan.weight_name(pair.term_in, pair.term_out)] = rng.standard_normal(shape)
    for term, dim in enumerate(plan.bias_dims):
        if dim:
            made[plan.bias_name(term)] = rng.standard_normal((dim, problem.space_out.channels[term]))
    return made


def sizes_for(plan, least=3):
    """A size for each factor of a plan's group; different letters have different ones."""
    factors = plan.hom.group.factors
    letters = sorted({factor.n for factor in factors if isinstance(factor.n, str)})
    step = max(factor.multiple for factor in factors)
    sizes = [least + least % step + step * number for number in range(len(letters))]
    return [factor.n if isinstance(factor.n, int) else sizes[letters.index(factor.n)] for factor in factors]


def inputs_for(plan, rng, sizes, batch=2):
    return [random_tensor(rng, order, sizes, channels, batch) for channels, order in plan.problem.inputs]


def same_function(plan, other, least=(4, 5)):
    """Whether two plans give the same numbers for random inputs and weights, at sizes that checks do not try."""
    for number, size in enumerate(least):
        rng = np.random.default_rng(number)
        sizes = sizes_for(plan, size)
        inputs, parameters = inputs_for(plan, rng, sizes), parameters_for(plan, rng)
        ours, theirs = (interpret(each, parameters, inputs, sizes) for each in (plan, other))
        for mine, other_one in zip(ours, theirs, strict=True):
            if mine.shape != other_one.shape or not np.allclose(mine, other_one, rtol=1e-11, atol=1e-11):
                return False
    return True


def changed_values(value: Any, hint: Any, names: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Other values of the same type for one of a step, or of a plan: each with what it does in words."""
    if NoneType in get_args(hint) and value is not None:
        yield f"{value} -> None", None
    if isinstance(value, bool):
        yield f"{value} -> {not value}", not value
    elif isinstance(value, int):
        for other in dict.fromkeys((value - 1, value + 1, 0)):
            if other != value:
                yield f"{value} -> {other}", other
    elif isinstance(value, float):
        yield f"{value} -> {value * 1.01}", value * 1.01
    elif isinstance(value, str):
        for name in names:
            if name != value:
                yield f"{value} -> {name}", name
    elif value is None:
        yield "None -> 0", 0
    elif isinstance(value, tuple):
        kinds = [kind for kind in (hint, *get_args(hint)) if getattr(kind, "__origin__", None) is tuple] or [tuple]
        inside = get_args(kinds[0])
        open_ended = Ellipsis in inside
        for place, inner in enumerate(value):
            kind = inside[0 if open_ended else place] if inside else None
            for what, changed in changed_values(inner, kind, names):
                yield f"[{place}] {what}", (*value[:place], changed, *value[place + 1 :])
            if open_ended:
                yield f" without [{place}]", (*value[:place], *value[place + 1 :])
                yield f" with [{place}] twice", (*value[:place], inner, *value[place:])
            for other in range(place):
                swapped = [*value]
                swapped[place], swapped[other] = swapped[other], swapped[place]
                if tuple(swapped) != value:
                    yield f" with [{place}] and [{other}] exchanged", tuple(swapped)
    elif is_dataclass(value) and not isinstance(value, Diagram | Orbit | MatrixMap | eq.Group):
        hints = get_type_hints(type(value))
        for field in fields(value):
            for what, changed in changed_values(getattr(value, field.name), hints[field.name], names):
                try:
                    made = replace(value, **{field.name: changed})
                except EqsynthError:
                    continue
                yield f".{field.name}{what if what[0] == ' ' or what[0] == '[' else ' ' + what}", made


def changed_steps(plan: Plan) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """The steps of a plan with one change, and what it is."""
    steps, names = plan.steps, (*plan.values, "another")
    for place, step in enumerate(steps):
        kind = type(step).__name__
        yield f"without {kind} {place}", (*steps[:place], *steps[place + 1 :])
        yield f"{kind} {place} twice", (*steps[:place], step, *steps[place:])
        for other in range(place):
            swapped = [*steps]
            swapped[place], swapped[other] = swapped[other], swapped[place]
            yield f"steps {place} and {other} exchanged", tuple(swapped)
        for what, changed in changed_values(step, None, names):
            yield f"{kind} {place}{what}", (*steps[:place], changed, *steps[place + 1 :])


def changed_plans(plan: Plan) -> list[tuple[str, dict[str, Any]]]:
    """All changes of a plan: of its steps, and of what it says about weights and packed axes."""
    hints = get_type_hints(Plan)
    made = [(what, {"steps": steps}) for what, steps in changed_steps(plan)]
    for name in ("pairs", "bias", "bias_dims", "bias_squares", "packs"):
        for what, changed in changed_values(getattr(plan, name), hints[name], ()):
            made.append((f"{name}{what}", {name: changed}))
    return made
