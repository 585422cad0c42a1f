"""The types of plans: what is inferred is what is computed, what does not fit is refused, and no change of a plan
passes unseen."""

import ast
import inspect
import warnings
from collections import Counter
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutations import changed_plans, inputs_for, parameters_for, same_function, sizes_for

import eqsynth as eq
from eqsynth.bases.couplings import Coupling
from eqsynth.errors import (
    EqsynthError,
    IgnoredInputWarning,
    PlanError,
    SpaceError,
    VerificationError,
    ZeroOutputWarning,
)
from eqsynth.plans import infer
from eqsynth.plans.interpret import _Interpreter
from eqsynth.plans.steps import (
    Contract,
    Couple,
    Hodge,
    Input,
    Join,
    Mix,
    Output,
    Pack,
    Reduce,
    Schur,
    Spread,
    Step,
    Tied,
    Twist,
    Unpack,
    Weigh,
    describe,
)
from oracle import ways

METHODS = ("diagrams", "fourier", "irreps", "matrix")


def quiet(make):
    """A layer's plan, without the warnings of outputs that are zero and of inputs that are ignored."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZeroOutputWarning)
        warnings.simplefilter("ignore", IgnoredInputWarning)
        made = make()
    return getattr(made, "plan", made)


# --- what is inferred is what is computed --------------------------------------------------------

#: Groups, and the most axes of input and output together.
GROUPS = {
    "S(n)": 5, "S(3)": 4, "A(n)": 4, "A(3)": 4, "H(n)": 5, "H(2)": 4, "O(n)": 6, "O(3)": 4, "SO(n)": 4, "SO(2)": 5,
    "SO(3)": 5, "Sp(n)": 6, "Sp(2)": 4, "Aut(path3)": 3, "Aut(cycle4)": 3, "Aut(dicycle4)": 3, "Aut(bull)": 2,
    "Perm(3: 1 2 0)": 3, "Matrix([[0,1],[-1,0]]; )": 4, "O(1,2)": 4, "SO(1,1)": 4, "SO(1,2)": 4,
}  # fmt: skip
#: Problems of several terms, of products of groups, and of symmetric tensors.
SEVERAL = [
    ("S(n)", "2x2 + 1x1", "2x2 + 1x0"),
    ("S(3)", "2x2 + 3x1 + 2x2", "2x1 + 1x0"),
    ("SO(3)", "1x1 + 2x2", "3x1 + 1x2 + 1x0"),
    ("Sp(n)", "1x2 + 2x2", "1x2 + 2x0"),
    ("Aut(path3)", "1x1 + 2x0", "2x1 + 1x0"),
    ("S(n) x O(m)", "2x(1,1) + 1x(0,2)", "2x(1,1) + 3x(1,0)"),
    ("S(n) x S(m)", "2x(1,1)", "2x(1,1)"),
    ("S(3) x SO(2)", "2x(1,2)", "2x(1,1)"),
    ("SO(2) x SO(3)", "2x(2,2)", "2x(2,1)"),
    ("Sp(n) x Sp(2)", "1x(1,1)", "2x(1,1)"),
    ("A(3) x SO(2)", "1x(1,1)", "2x(2,2)"),
    ("S(n)", "2xS2.packed", "1xS2.packed + 2xA2.packed"),
    ("S(4)", "2xS3.packed", "2xS2.packed"),
    ("O(n)", "2xS2.packed + 1xA2", "1xS2.packed + 3xA2.packed"),
    ("SO(3)", "1xS2.packed", "2xA2.packed + 1x1"),
    ("Sp(4)", "1xA2.packed", "1xA2.packed + 1xS2"),
    ("O(1,2)", "1xS2.packed + 1xA2", "1xA2.packed + 1xS2"),
    ("O(1,2) x SO(1,1)", "1x(2,1)", "1x(2,2) + 1x(1,0)"),
    ("S(n) x O(3)", "1x(S2.packed,1)", "2x(1,A2.packed) + 1x(S2.packed,1)"),
    ("S(n) x S(m)", "1x(S2.packed,A2.packed)", "2x(S2.packed,A2.packed)"),
    ("S(n)", "2xA3", "2xA2"),
    ("Aut(cycle4)", "1xS2.packed", "2xS2"),
    ("S(n) x Perm(3: 1 2 0)", "2x(1,1) + 1x(0,1)", "2x(1,1)"),
    ("SO(2) x Aut(path3)", "1x(1,1)", "2x(1,2)"),
    ("Matrix([[0,1],[-1,0]]; ) x Aut(dicycle4)", "1x(1,1)", "1x(2,1)"),
    ("O(2) x Perm(2: 1 0)", "1x(S2.packed,A2.packed)", "2x(S2,1)"),
]
#: Products of inputs.
PRODUCTS = [
    ("S(n)", "2x1", "3x2", "2x1"),
    ("S(3)", "2x2 + 2x1", "2x1", "2x2 + 1x0"),
    ("O(n)", "2x1", "3x2", "2x1"),
    ("SO(3)", "2x1 + 2x2", "2x1", "2x1 + 1x0"),
    ("SO(3)", "2x2", "2x2", "2x3"),
    ("SO(2)", "2x2", "2x2", "2x2"),
    ("Sp(n)", "2x1 + 2x2", "2x1", "2x2 + 1x0"),
    ("O(1,3)", "2x1 + 2x2", "2x1", "2x2 + 1x0"),
    ("SO(1,2)", "2x1 + 2x2", "2x1", "2x1 + 1x0"),
    ("A(3)", "2x1", "2x1", "2x1"),
    ("H(n)", "2x1", "2x1", "2x2"),
    ("Aut(path3)", "2x1", "2x1", "2x1"),
    ("Perm(3: 1 2 0)", "1x1", "1x1", "1x1"),
    ("Matrix([[0,1],[-1,0]]; )", "1x1", "1x1", "1x2"),
    ("S(n) x O(m)", "2x(1,1)", "2x(1,0)", "2x(1,1)"),
    ("S(n) x S(m)", "2x(1,1)", "2x(1,1)", "2x(1,1)"),
    ("S(n)", "30x1", "30x1", "2x2"),
    ("S(n) x Perm(2: 1 0)", "2x(1,1)", "2x(1,0)", "2x(1,1)"),
    ("SO(2) x Aut(path3)", "1x(1,1)", "1x(1,0)", "1x(0,1)"),
    ("O(3)", "2x2e + 2x1o", "2x2e + 2x1 + 2x0", "2x3o + 2x0 + 2x0e + 2x1o"),
]
POWERS = [
    ("S(n)", "2x1 + 2x0", 2, "2x1"),
    ("O(3)", "2x1", 3, "2x1 + 1x0"),
    ("SO(3)", "1x1 + 1x1", 3, "1x0"),
    ("SO(3)", "1x1", 4, "1x1"),
    ("Sp(n)", "2x1", 2, "1x2"),
    ("SO(1,2)", "2x1", 3, "2x1 + 1x0"),
    ("A(4)", "2x1", 2, "1x1"),
    ("Aut(path3)", "1x1", 2, "1x1"),
    ("SO(3)", "2x2e + 2x0e", 2, "2x2e + 2x0e"),
    ("S(n) x O(m)", "2x(1,1)", 2, "1x(1,0)"),
    ("S(n) x Perm(2: 1 0)", "1x(1,1)", 2, "1x(1,0)"),
]


def by_methods(group, space_in, space_out, biases=(True, False)):
    for method, bias in product(METHODS, biases):
        try:
            yield eq.plan(group, space_in, space_out, method=method, bias=bias)
        except EqsynthError:
            assert method != "diagrams" or not eq.Group.parse(group).diagrammatic


def plans_of(what):
    """The plans of one line of the tables above, by all methods."""
    if isinstance(what, str):
        for k, lo in product(range(4), range(4)):
            if k + lo <= GROUPS[what]:
                yield from by_methods(what, f"2x{k}", f"3x{lo}", [(k + lo) % 2 == 0])
    elif len(what) == 3:
        yield from by_methods(*what)
    elif isinstance(what[2], int):
        for kind, bias in product((eq.PolynomialLayer, eq.Power), (True, False)):
            yield quiet(lambda kind=kind, bias=bias: kind(*what, bias=bias))
    else:
        for mode, bias in product(("full", "paired"), (True, False)):
            try:
                yield quiet(lambda mode=mode, bias=bias: eq.TensorProduct(*what, mode=mode, bias=bias))
            except EqsynthError:
                assert mode == "paired"


def elements_read(plan):
    """How often the steps of a plan read each element of each weight, and of each bias, whose product is -1."""
    read = Counter()
    for step in plan.steps:
        match step:
            case Mix(_, operands, targets, entries, biases):
                read.update((operands[e.operand].term, targets[e.target].term, e.element) for e in entries)
                read.update((-1, targets[entry.target].term, entry.element) for entry in biases)
            case Weigh():
                read.update((step.term_in, step.term_out, element) for element in step.elements)
            case Tied(_, term, _, tables, constants):
                read.update(
                    (table.term, term, table.first + place) for table in tables for place in range(len(table.elements))
                )
                read.update((-1, term, step.first + place) for place in range(len(constants)))
            case Schur(sources, targets):
                pairs = ((start.term, end.term) for start, end in product(sources, targets))
                read.update((*pair, element) for pair in pairs for element in range(plan.dims.get(pair, 0)))
    return read


class Noting(dict):
    """Values by name, and which of them were read."""

    def __init__(self):
        super().__init__()
        self.read = set()

    def __getitem__(self, name):
        self.read.add(name)
        return super().__getitem__(name)


def computed(plan, rng, parameters):
    """The values that the interpreter really makes, step by step; what a step reads and writes is as it says."""
    sizes = sizes_for(plan)
    run = _Interpreter(plan, parameters, inputs_for(plan, rng, sizes), sizes)
    values = run.values = Noting()
    for step in plan.steps:
        values.read = set()
        if isinstance(step, Output):
            made = []
            if step.source is not None:
                assert values[step.source].shape == run.zeros_out(step.term).shape
        else:
            made = run.step(step)
        assert values.read == set(step.reads), describe(step)
        assert len(made) == len(step.writes), describe(step)
        assert not set(step.writes) & set(values)
        values |= zip(step.writes, made, strict=True)
    return run, values


def channels(plan, value):
    if value.output is not None:
        assert not value.inputs
        return plan.problem.space_out.channels[value.output]
    wide = [plan.problem.inputs[number][0] for number in value.inputs]
    return int(np.prod(wide)) if plan.problem.full else wide[0]


def check_types(plan):
    rng = np.random.default_rng(0)
    parameters = parameters_for(plan, rng)
    run, values = computed(plan, rng, parameters)
    assert set(values) == set(plan.values)
    for name, value in plan.values.items():
        lengths = [run.lengths[size] for size in value.axes]
        assert values[name].shape == (2, *lengths, channels(plan, value)), (str(plan.problem), name)
    _, others = computed(plan, rng, parameters)
    for name, value in plan.values.items():
        # What has no batch is made of parameters alone.
        assert value.batch or np.array_equal(values[name], others[name])
    weights = {(*pair, element) for pair, dim in plan.dims.items() for element in range(dim)}
    biases = {(-1, term, element) for term, dim in enumerate(plan.bias_dims) for element in range(dim)}
    assert elements_read(plan) == dict.fromkeys(weights | biases, 1)
    read = {name for step in plan.steps for name in step.reads}
    inputs = {step.target for step in plan.steps if isinstance(step, Input)}
    assert set(plan.values) - inputs <= read <= set(plan.values)
    assert len(inputs) == len(plan.problem.inputs) or not plan.problem.multilinear
    return {type(step) for step in plan.steps}


@pytest.mark.parametrize("what", [*GROUPS, *SEVERAL, *PRODUCTS, *POWERS], ids=str)
def test_values_are_what_is_inferred(what):
    assert [check_types(plan) for plan in plans_of(what)]


def test_every_kind_of_step_is_among_them():
    kinds = [Input, Reduce, Hodge, Contract, Twist, Join, Couple, Weigh, Mix, Spread, Tied, Schur, Pack, Unpack, Output]
    assert set(kinds) == set(Step.__args__)
    some = ["SO(2)", "Aut(cycle4)", "Perm(3: 1 2 0)", SEVERAL[11], PRODUCTS[6], *PRODUCTS[-2:]]
    assert {kind for what in some for plan in plans_of(what) for kind in check_types(plan)} == set(kinds)


# --- what does not fit is refused ------------------------------------------------------------------

#: Plans with all kinds of steps.
GOOD = {
    "several": lambda: eq.plan("S(n)", "2x2 + 1x1", "2x2 + 1x0"),
    "fourier": lambda: eq.plan("S(3)", "2x2", "2x2", method="fourier"),
    "head": lambda: eq.plan("SO(3)", "2x2", "2x1 + 1x2", method="diagrams"),
    "tied head": lambda: eq.plan("A(3)", "2x2", "2x1", method="diagrams"),
    "forms": lambda: eq.plan("Sp(4)", "2x2 + 1x1", "2x2", method="diagrams"),
    "rotations": lambda: eq.plan("O(3)", "2x2", "2x2", method="diagrams"),
    "graph": lambda: eq.plan("Aut(cycle4)", "1x1", "1x2", method="diagrams"),
    "packed graph": lambda: eq.plan("Aut(cycle4)", "1xS2.packed", "2xS2.packed", method="diagrams"),
    "table": lambda: eq.plan("Perm(3: 1 2 0)", "2x1 + 1x0", "2x1", method="matrix"),
    "irreps": lambda: eq.plan("O(2)", "2x2 + 1x0", "2x2", method="irreps"),
    "stored": lambda: eq.plan("O(2)", "2x2.irreps", "1x2.irreps"),
    "two heads": lambda: eq.plan("SO(2) x SO(3)", "1x(1,1)", "1x(1,2)", method="diagrams"),
    "two groups": lambda: eq.plan("S(n) x O(m)", "2x(1,1) + 1x(0,2)", "2x(1,1)"),
    "packed": lambda: eq.plan("S(4)", "1xS3.packed", "1xS2.packed", method="diagrams"),
    "packed too": lambda: eq.plan("S(n)", "2xS2.packed", "1xS2.packed + 1xS2"),
    "full": lambda: quiet(lambda: eq.TensorProduct("Sp(n)", "2x1 + 1x2", "1x1", "2x2 + 1x0")),
    "paired": lambda: eq.TensorProduct("SO(3)", "2x1", "2x1", "2x1", mode="paired").plan,
    "power": lambda: eq.PolynomialLayer("S(n)", "2x1", 2, "2x1").plan,
    "tables": lambda: eq.plan("S(n) x Perm(3: 1 2 0)", "2x(1,1) + 1x(0,1)", "2x(1,1)"),
    "two tables": lambda: eq.plan("Matrix([[0,1],[-1,0]]; ) x Perm(2: 1 0)", "1x(1,1)", "1x(1,1)", method="diagrams"),
    "graph beside": lambda: next(ways(("S(n) x Aut(cycle4)", "2x(1,1)", "2x(1,1)"))),
    "wide": lambda: eq.TensorProduct("S(n)", "30x1", "30x1", "2x2").plan,
    "coupled": lambda: eq.TensorProduct("O(3)", "2x2e", "2x1 + 2x0", "2x3o + 2x2e + 2x1").plan,
}
made = {}


def good(name):
    if name not in made:
        made[name] = GOOD[name]()
    return made[name]


def step_of(plan, kind, number=0):
    """The place of a step of a kind in a plan, and the step."""
    return [(place, step) for place, step in enumerate(plan.steps) if isinstance(step, kind)][number]


def changed(name, kind, number=0, **values):
    """A good plan with other values in one step; those that are functions are given the step."""
    plan = good(name)
    place, step = step_of(plan, kind, number)
    values = {key: value(step) if callable(value) else value for key, value in values.items()}
    return lambda: replace(plan, steps=(*plan.steps[:place], replace(step, **values), *plan.steps[place + 1 :]))


def with_first(field, **values):
    """The first element of a tuple in a step with other values."""

    def make(step):
        first, *others = getattr(step, field)
        return (replace(first, **values), *others)

    return make


def without(name, kind, number=0):
    plan = good(name)
    place, _ = step_of(plan, kind, number)
    return lambda: replace(plan, steps=(*plan.steps[:place], *plan.steps[place + 1 :]))


def again(name, kind, number=0, **values):
    """A step twice, the second time with other values."""
    plan = good(name)
    place, step = step_of(plan, kind, number)
    return lambda: replace(plan, steps=(*plan.steps[: place + 1], replace(step, **values), *plan.steps[place + 1 :]))


def with_pair(name, **values):
    plan = good(name)
    return lambda: replace(plan, pairs=(replace(plan.pairs[0], **values), *plan.pairs[1:]))


def with_bases(**values):
    return changed("irreps", Schur, bases=lambda step: replace(step.bases, **values))


def instead(name, number, *steps):
    """A plan with other steps in the place of one."""
    plan = good(name)
    return lambda: replace(plan, steps=(*plan.steps[:number], *steps, *plan.steps[number + 1 :]))


def reading(which, number, field, before, **values):
    """A plan with one step more, and another that reads what it writes."""
    step = good(which).steps[number]
    return instead(which, number, before, replace(step, **{field: with_first(field, **values)(step)}))


def with_tables(name, number=0, **values):
    """A plan one of whose mixes with tables has other ones."""
    mixes = [step for step in good(name).steps if isinstance(step, Mix)]
    which = [place for place, step in enumerate(mixes) if step.tabled][number]
    return changed(name, Mix, which, tabled=lambda step: replace(step.tabled, **values))


def entry(number, **values):
    """The entries of a Mix, one of them with other values."""
    return lambda step: tuple(
        replace(each, **values) if place == number else each for place, each in enumerate(step.entries)
    )


def part(number, **values):
    """The parts of a Spread, one of them with other values."""
    return lambda step: tuple(
        replace(each, **values) if place == number else each for place, each in enumerate(step.parts)
    )


#: What a plan does wrong, what is said of it, and the plan.
BAD = {
    # Names of values, inputs, outputs.
    "written twice": ("x0_aa is written twice", again("several", Reduce)),
    "before it is written": ("no step before writes y0_ab", changed("several", Reduce, source="y0_ab")),
    "an unread value": (
        r"no step of a plan of .* reads unread, of axes \(0,\)",
        again("several", Reduce, target="unread"),
    ),
    "no such input": ("there is no input 7", changed("several", Input, term=7)),
    "an input twice": ("input 0 is read twice", again("several", Input, target="again")),
    "an input of another shape": (
        r"x0_ab has axes of sizes \(0,\), not \(0, 0\)",
        changed("several", Input, sizes=(0,)),
    ),
    "packed axes that nobody knows": ("order S3.packed has no packed axis", lambda: replace(good("packed"), packs=())),
    "a product without an input": ("lacks input u1", without("full", Input, 1)),
    "an output twice": (r"gives the output terms \[0, 0, 1\], in this order", again("several", Output)),
    "no output": (r"gives the output terms \[1\]", without("several", Output)),
    "no such output": ("there is no output term 2", changed("several", Output, term=2)),
    "an output of an input": (
        "x0_ab has not the channels of output term 0",
        changed("several", Output, source="x0_ab"),
    ),
    "an output of another shape": (
        r"y0_1a has axes of sizes \(0,\), not \(0, 0\)",
        changed("several", Output, source="y0_1a"),
    ),
    "an output that is zero": ("reads y0_ab", changed("several", Output, source=None)),
    "axes of no factor": (r"there are no axes of sizes \(3,\)", changed("irreps", Mix, sizes=(3,))),
    # Weights.
    "a weight that is not there": (
        "elements 0 to 99 of 14 are read",
        changed("fourier", Mix, entries=entry(1, element=99)),
    ),
    "a weight twice": ("element 1 is read a second time", changed("fourier", Mix, entries=entry(0, element=1))),
    "a weight in two steps": (
        "element 0 is read a second time",
        changed("fourier", Mix, 1, entries=entry(0, element=0)),
    ),
    "an unread weight": (
        "reads element 3 of the weight of 0 -> 0",
        with_pair("table", dim=4, variances=(1.0,) * 4, squares=()),
    ),
    "an unread bias": (
        "reads element 1 of the bias 0",
        lambda: replace(good("table"), bias_dims=(2,), bias_squares=((1, 1),)),
    ),
    "a weight without variance": ("does not say once of each weight", with_pair("several", variances=())),
    "a pair twice": (
        "does not say once of each weight",
        lambda: replace(good("several"), pairs=good("several").pairs * 2),
    ),
    "a bias of no output": ("does not say of each bias", lambda: replace(good("several"), bias_dims=(1, 1, 1))),
    # Reduce.
    "too short a pattern": ("the pattern has 1 entries for 2 axes", changed("several", Reduce, pattern=(0,))),
    "a diagonal of other lengths": ("axis 0 has the sizes 0 and 1", changed("two groups", Reduce, pattern=(0, 0))),
    "a gap in a pattern": (r"the pattern names the axes \[0, 2\]", changed("several", Reduce, pattern=(0, 2))),
    "a sum over a packed axis": (
        "a packed axis is no index to sum",
        changed("packed too", Reduce, source="p", pattern=(None,)),
    ),
    "two sums": ("it is more than one sum", changed("several", Reduce, pattern=(None, None))),
    "a form of one axis": (r"the pairs \(\(0, 0\),\) are no pairs of axes", changed("forms", Reduce, forms=((0, 0),))),
    "a form of a rotation": (
        "with the form omega",
        changed("rotations", Reduce, pattern=(None, None), forms=((0, 1),)),
    ),
    # Hodge.
    "no order of axes": (r"\(0, 0\) is no order of 2 axes", changed("head", Hodge, order=(0, 0))),
    "a negative head": (r"\(-1, 2, 1\) axes are tied, taken and given", changed("head", Hodge, tied=-1)),
    "a head of no factor": ("there is no factor 3", changed("head", Hodge, factor=3)),
    "a head of another factor": (
        r"what epsilon takes has axes of sizes",
        changed("two heads", Hodge, factor=lambda step: 1 - step.factor),
    ),
    "a head of another n": ("epsilon has 4 labels, and n is 3", changed("head", Hodge, n=4)),
    "a head of a group without": (
        r"O\(3\) has no epsilon",
        instead("rotations", 1, Hodge("x_aa", "x_ab", (0, 1), 0, 3, 0, 2, 1)),
    ),
    "a head that gives too much": ("-1 of the 3 labels of epsilon are left", changed("head", Hodge, given=2)),
    "a head that ties": (r"no axes are tied to the epsilon of SO\(3\)", changed("head", Hodge, tied=1, taken=1)),
    # Contract.
    "a graph where there is none": (
        r"S\(n\) has no edges",
        instead("several", 2, Contract("x0_11", "x0_aa", (0,), ((0, 1),), ())),
    ),
    "two labels alike": ("two axes have one label", changed("packed graph", Contract, labels=(0, 0))),
    "a packed axis with a label": (
        r"p has axes of sizes \(1,\), not \(0,\)",
        changed("packed graph", Contract, 2, source="p"),
    ),
    "no edge": ("no edge of A is read", changed("packed graph", Contract, edges=())),
    "an edge twice": ("an edge stands twice", changed("graph", Contract, edges=((0, 1), (0, 1)))),
    "a negative label": ("there is no label -1", changed("graph", Contract, edges=((0, -1),))),
    "a graph of no factor": ("there is no factor 2", changed("graph beside", Contract, factor=2)),
    "a graph of another factor": (r"S\(n\) has no edges", changed("graph beside", Contract, factor=0)),
    "an axis without a label": ("2 axes have 1 labels", changed("graph beside", Contract, 1, labels=(0,), kept=(0, 1))),
    "an axis of another factor": (
        r"has axes of sizes \(0,\), not \(1,\)",
        changed("graph beside", Contract, 1, labels=(1, 0)),
    ),
    "a label from nowhere": (r"\(0, 2\) are no labels", changed("graph", Contract, kept=(0, 2))),
    # Twist, Join, Weigh.
    "a form along no axis": ("axis 1 has no form", changed("full", Twist, axis=1)),
    "a label twice": (r"u0_a has labels \(5,\)", changed("full", Join, left=(5,))),
    "a label of another length": (
        r"u1_ab has axes of sizes \(0, 0\), not \(0,\)",
        changed("full", Join, sources=("u1_ab", "v_a_w0")),
    ),
    "a product of mixed channels": (
        "the channels of z_11 are mixed",
        instead("wide", 12, good("wide").steps[12], Join("more", ("z_11", "z_11"), (), (), 0, (), True)),
    ),
    "a label of no factor": (r"no factor has the labels \[1\]", changed("full", Join, sizes=(0, 0))),
    "a sum over one factor": ("a label of one factor is summed", changed("wide", Join, 3, axes=0)),
    "the wrong channels": ("channels meet in another way", changed("full", Join, full=False)),
    "pairs entry by entry": (
        "pairs of channels are not multiplied entry by entry",
        changed("full", Join, entrywise=True),
    ),
    "a head that is not summed": (r"the labels \(0,\) are not summed", changed("paired", Join, heads=(0,))),
    "no such product": ("there is no product 9 of inputs", changed("full", Weigh, term_in=9)),
    "the product before the first": ("there is no product -1 of inputs", changed("full", Weigh, term_in=-1)),
    "another product's channels": ("channels are another product's", changed("full", Weigh, term_in=1)),
    "a map without a target": ("targets are not one per map", changed("full", Weigh, elements=(1,))),
    "a third factor": ("there is no factor 2 to mix first", changed("full", Weigh, first=2)),
    # Couple.
    "degrees of other irreps": (
        r"has the degrees \[2, 1\], and is coupled as \[1, 2\]",
        changed("coupled", Couple, coupling=Coupling(1, 2, 3)),
    ),
    "a part of another degree": (
        r"has the degrees \[3\], not \[2\]",
        changed("coupled", Couple, coupling=Coupling(2, 1, 2)),
    ),
    "a part that there is not": (
        "no map of degrees 2 and 0 leads to 1",
        instead("coupled", 12, Couple("more", "x_u_v1", Coupling(2, 0, 1), (0,)), good("coupled").steps[12]),
    ),
    "coordinates of no irrep": (
        r"has the degrees \[-1\]",
        instead("packed", 1, Couple("more", "p", Coupling(2, 0, 2), (0,)), good("packed").steps[1]),
    ),
    # Mix.
    "another input's channels": (
        r"x0_11 has not the channels of the inputs \(1,\)",
        changed("several", Mix, operands=with_first("operands", term=1)),
    ),
    "an operand of another shape": (
        r"x0_aa has axes of sizes \(0,\), not \(\)",
        changed("several", Mix, operands=with_first("operands", source="x0_aa", middle=(0,))),
    ),
    "no such target": (
        "an element joins a target that is not there",
        changed("several", Mix, entries=entry(0, target=7)),
    ),
    "no such operand": ("an operand is not there", changed("several", Mix, entries=entry(0, operand=7))),
    "a bias of an operand": ("a bias has an operand", changed("several", Mix, biases=with_first("biases", operand=0))),
    "a sign of 2": ("a sign is not 1 or -1", changed("several", Mix, entries=entry(0, sign=2))),
    "two weights at one place": (
        "two elements join the same operand and target",
        changed("several", Mix, entries=lambda step: (*step.entries, replace(step.entries[0], element=1))),
    ),
    "a target of nothing": (
        "a target is made of nothing",
        changed("several", Mix, targets=lambda step: (*step.targets, step.targets[0])),
    ),
    "an operand for nothing": (
        "an operand is mixed into nothing",
        changed("several", Mix, operands=lambda step: (*step.operands, step.operands[0])),
    ),
    "operands of a term apart": (
        "a term's operands or targets stand apart",
        changed("power", Mix, operands=lambda step: (step.operands[1], step.operands[0], *step.operands[2:])),
    ),
    "no products": ("there are 0 products", changed("several", Mix, products=0)),
    "a Fourier transform of rotations": (
        "there is no Fourier transform of such axes",
        changed("rotations", Mix, 1, fourier=True),
    ),
    # Mix with tables.
    "tables that nobody applies": (r"there are no tables \[0, 1\]", changed("several", Mix, entries=entry(0, table=1))),
    "a table that is not there": (
        "a table is not there, or is not used",
        changed("tables", Mix, 1, entries=entry(0, table=9)),
    ),
    "a table that stands twice": (
        "a table stands twice",
        changed(
            "tables",
            Mix,
            1,
            tabled=lambda step: replace(step.tabled, maps=(step.tabled.maps[1], *step.tabled.maps[1:])),
        ),
    ),
    "tables of no factor": (r"there are no factors \(\)", with_tables("tables", factors=())),
    "tables of diagrams": (r"S\(n\) has diagrams, and no tables", with_tables("tables", factors=(0,))),
    "tables of fewer factors": ("a table has 2 factors", with_tables("two tables", factors=(1,))),
    "tables of two factors exchanged": (
        "a table is that of another group",
        changed("two tables", Mix, tabled=lambda s: replace(s.tabled, maps=tuple(m[::-1] for m in s.tabled.maps))),
    ),
    "tables of other axes": (r"a table has axes of sizes \(\), not \(1,\)", with_tables("tables", 1, taken=())),
    "tables in two products": ("tables are applied in one product", changed("tables", Mix, 1, products=2)),
    "a bias of what is taken": (
        "a bias has no axes to apply a table to",
        changed("tables", Mix, 1, biases=lambda step: (replace(step.entries[0], operand=-1),)),
    ),
    # Spread.
    "no parts": ("y0_1a = nothing: it adds up nothing", changed("several", Spread, parts=())),
    "a part of an input": (
        "x0_aa has not the channels of output term 0",
        changed("several", Spread, parts=part(0, source="x0_aa")),
    ),
    "a part of another shape": (
        r"z0_ab has axes of sizes \(0, 0\), not \(0,\)",
        changed("several", Spread, parts=part(0, source="z0_ab")),
    ),
    "a part twice": ("z0_1a has the sign 2", changed("several", Spread, parts=part(0, sign=2))),
    # Tied.
    "no tables": ("it adds up nothing", changed("table", Tied, tables=(), constants=())),
    "a matrix of another shape": (r"t_a has axes of sizes \(\), not \(0,\)", changed("table", Tied, sizes=())),
    "a table of another shape": (
        r"x_s has axes of sizes \(\), not \(0,\)",
        reading("table", 2, "tables", Reduce("x_s", "x0_a", (None,)), source="x_s"),
    ),
    "maps of other axes": (
        "a map takes 1 axes to 1",
        changed("table", Tied, constants=lambda step: step.tables[0].elements[:1]),
    ),
    # Schur.
    "an order that is not there": (
        "x0_ab is not of the order of term 0",
        changed("irreps", Schur, sources=with_first("sources", order=7)),
    ),
    "an order that is not asked for": ("the bases are adapted to other orders, too", with_bases(outs=(2, 2))),
    "other bases": ("the bases are not adapted to the maps", with_bases(seed=7)),
    "bases of another shape": (
        r"x_s has axes of sizes \(0,\), not \(0, 0\)",
        reading("irreps", 2, "sources", Reduce("x_s", "x0_ab", (0, 0)), name="x_s"),
    ),
    "a bias of no target": (
        "term 1 has a bias and is no target",
        changed("stored", Schur, constants=lambda step: (replace(step.constants[0], term=1),)),
    ),
    "parts whose basis is factored": ("no change of basis to be factored", changed("stored", Schur, factored=True)),
    # Pack and Unpack.
    "a packed axis named twice": (
        "names a packed axis twice",
        lambda: replace(good("packed"), packs=good("packed").packs * 2),
    ),
    "a packed axis of no index": (
        "packs an index that the group has not",
        lambda: replace(good("packed"), packs=(good("packed").packs[0], (1, good("packed").packs[1][1]))),
    ),
    "a packed axis of no size": ("there is no packed axis of size 7", changed("packed", Unpack, size=7)),
    "unpacked before the first": ("there is no axis -1", changed("packed", Unpack, start=-1)),
    "unpacked where it is full": (
        r"what is unpacked has axes of sizes \(\), not \(1,\)",
        changed("packed", Unpack, start=1),
    ),
    "packed before the first": ("there is no axis -2", changed("packed", Pack, start=-2)),
    "packed beyond the last": (
        r"what is packed has axes of sizes \(0,\), not \(0, 0\)",
        changed("packed", Pack, start=1),
    ),
}


def refusal(make):
    with pytest.raises(PlanError) as caught:
        make()
    return caught


@pytest.mark.parametrize("name", GOOD)
def test_good_plans_are_good(name):
    """What is made anew of the same steps is the same plan, and every check has a plan here that passes it."""
    assert replace(good(name)) == good(name)


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit_is_refused(name):
    message, make = BAD[name]
    caught = refusal(make)
    assert caught.match(message)
    assert "a plan of " in str(caught.value) or "a plan with " in str(caught.value)


def test_every_check_fails_somewhere():
    """Each line of infer.py that refuses is reached by a bad plan."""
    path = Path(inspect.getfile(infer))
    checks = set()
    names = {"_require", "_fail", "_same"}
    for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(function, ast.FunctionDef) or function.name in names:
            continue
        for node in ast.walk(function):
            called = isinstance(node, ast.Call) and ast.unparse(node.func).removeprefix("self.")
            if called in names or isinstance(node, ast.Raise):
                checks.add(node.lineno)
    reached = {
        frame.lineno + 1 for _, make in BAD.values() for frame in refusal(make).traceback if Path(frame.path) == path
    }
    assert sorted(checks - reached) == []


# --- no change passes ----------------------------------------------------------------------------

every_change = {}


def changes_of(name):
    if name not in every_change:
        every_change[name] = changed_plans(good(name))
    return every_change[name]


def fate(name, values):
    """What becomes of a changed plan; "passed" is what must not be."""
    plan = good(name)
    try:
        other = replace(plan, **values)
    except (PlanError, SpaceError):  # a symmetry of another kind is no space
        return "refused"
    try:
        eq.verify(other, trials=1)
    except VerificationError:
        return "found wrong"
    return "the same" if same_function(plan, other) else "passed"


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_no_change_of_a_plan_passes(data):
    name = data.draw(st.sampled_from(sorted(GOOD)))
    changes = changes_of(name)
    what, values = changes[data.draw(st.integers(0, len(changes) - 1))]
    assert fate(name, values) != "passed", (name, what)


def test_changes_have_all_fates():
    """What is changed is refused, found wrong, or only written in another way, and the test above can tell."""
    fates = {}
    for name, wanted in (
        ("several", "x0_ab -> x0_aa"),
        ("several", "Mix 8.entries with [1] and [0] exchanged"),
        ("several", "Mix 8.entries[0] .element 0 -> 1"),
    ):
        found = next(values for what, values in changes_of(name) if wanted in what)
        fates[wanted] = fate(name, found)
    assert list(fates.values()) == ["refused", "the same", "refused"]
    plan = good("rotations")
    first, second = plan.steps[4].entries
    swapped = replace(plan.steps[4], entries=(replace(first, element=2), replace(second, element=1)))
    assert fate("rotations", {"steps": (*plan.steps[:4], swapped, *plan.steps[5:])}) == "found wrong"
    assert not same_function(plan, replace(plan, steps=(*plan.steps[:4], swapped, *plan.steps[5:])))
