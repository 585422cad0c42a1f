"""What one verifier must catch, written down: wrong plans, wrong code, wrong layers, wrong files, wrong bases."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest
import torch
from sabotage import run_source
from test_checkers import Sabotaged, one_entry

import eqsynth as eq
from eqsynth.codegen.artifact import artifact_of
from eqsynth.errors import EquivarianceError, PlanError, VerificationError
from eqsynth.plans.steps import (
    Contract,
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
    Weigh,
)
from eqsynth.proof import verification
from eqsynth.proof.verification import check_basis
from oracle import ways

#: Plans of all groups, with all kinds of steps.
GOOD: dict[str, Callable[[], object]] = {
    "S(n)": lambda: eq.plan("S(n)", "1x2", "1x2"),
    "S(3), means": lambda: eq.plan("S(3)", "1x2", "1x1", normalization="mean", method="diagrams"),
    "S(n), two": lambda: eq.plan("S(n)", "1x1 + 1x1", "1x1 + 1x1"),
    "S(3), Fourier": lambda: eq.plan("S(3)", "1x2", "1x2", method="fourier"),
    "S(3), matrix": lambda: eq.plan("S(3)", "1x1", "1x1", method="matrix"),
    "A(3)": lambda: eq.plan("A(3)", "1x2", "1x1", method="diagrams"),
    "H(n)": lambda: eq.plan("H(n)", "1x2", "1x2"),
    "O(n)": lambda: eq.plan("O(n)", "1x1", "1x3"),
    "O(3)": lambda: eq.plan("O(3)", "1x2", "1x2", method="diagrams"),
    "O(2), irreps": lambda: eq.plan("O(2)", "1x2", "1x2", method="irreps"),
    "O(2), blocks": lambda: eq.plan("O(2)", "1x2", "1x2", parameters="blocks"),
    "SO(3)": lambda: eq.plan("SO(3)", "1x2", "1x1", method="diagrams"),
    "Sp(4)": lambda: eq.plan("Sp(4)", "1x3", "1x1", method="diagrams"),
    "Sp(n)": lambda: eq.plan("Sp(n)", "1x2", "1x2"),
    "O(1,2)": lambda: eq.plan("O(1,2)", "1x2", "1x2", method="diagrams"),
    "SO(1,2)": lambda: eq.plan("SO(1,2)", "1x2", "1x1", method="diagrams"),
    "cycle": lambda: eq.plan("Aut(cycle4)", "1x1", "1x2", method="diagrams"),
    "arrows": lambda: eq.plan("Aut(dicycle4)", "1x1", "1x1", method="diagrams"),
    "Perm": lambda: eq.plan("Perm(3: 1 2 0)", "1x1", "1x1", method="matrix"),
    "Matrix": lambda: eq.plan("Matrix([[0,1],[-1,0]]; )", "1x1", "1x1", method="matrix"),
    "S(n) x O(m)": lambda: eq.plan("S(n) x O(m)", "1x(1,1)", "1x(1,1)"),
    "graph beside": lambda: next(ways(("S(n) x Aut(dicycle4)", "1x(1,1)", "1x(1,1)"))),
    "orbits beside": lambda: eq.plan("S(n) x Perm(3: 1 2 0)", "1x(1,1)", "1x(1,1)"),
    "orbits of two": lambda: eq.plan("Perm(2: 1 0) x Perm(3: 1 2 0)", "1x(1,1)", "1x(1,1)", method="diagrams"),
    "graphs in tables": lambda: list(ways(("O(2) x Aut(path3)", "1x(1,1)", "1x(1,1)")))[1],
    "matrices beside": lambda: eq.plan("Matrix([[0,1],[-1,0]]; ) x O(2)", "1x(1,2)", "1x(1,2)", method="diagrams"),
    "packed": lambda: eq.plan("S(n)", "1xS2.packed", "1xS2.packed"),
    "alternating": lambda: eq.plan("O(n)", "1xA2.packed", "1x2"),
    "product": lambda: eq.TensorProduct("S(n)", "2x1", "3x1", "1x1").plan,
    "cross product": lambda: eq.TensorProduct("SO(3)", "1x1", "1x1", "1x1").plan,
    "Lorentz product": lambda: eq.TensorProduct("SO(1,2)", "1x1", "1x1", "1x1").plan,
    "symplectic product": lambda: eq.TensorProduct("Sp(n)", "1x1", "1x1", "1x2 + 1x0").plan,
    "wide product": lambda: eq.TensorProduct("S(n)", "8x1", "8x1", "1x2").plan,
    "coupling": lambda: eq.TensorProduct("O(3)", "1x2e", "1x2e", "1x3e").plan,
    "powers": lambda: eq.PolynomialLayer("S(n)", "1x1", 2, "1x1").plan,
}


@cache
def good(name):
    return GOOD[name]()


# --- plans ---------------------------------------------------------------------------------------


def place(plan, kind, number):
    return [at for at, step in enumerate(plan.steps) if isinstance(step, kind)][number]


def step(name, kind, number=0, **values):
    """A plan with other values in one step; functions are given the step."""

    def make():
        plan = good(name)
        at = place(plan, kind, number)
        old = plan.steps[at]
        new = replace(old, **{key: value(old) if callable(value) else value for key, value in values.items()})
        assert new != old
        return replace(plan, steps=(*plan.steps[:at], new, *plan.steps[at + 1 :]))

    return make


def steps(name, change):
    """A plan with other steps."""
    return lambda: replace(good(name), steps=tuple(change(list(good(name).steps))))


def pair(name, **values):
    def make():
        first, *others = good(name).pairs
        new = replace(first, **{key: value(first) if callable(value) else value for key, value in values.items()})
        return replace(good(name), pairs=(new, *others))

    return make


def nth(field, number, **values):
    """A tuple of a step with other values in one of its elements; functions are given that element."""

    def make(of):
        listed = list(getattr(of, field))
        made = {key: value(listed[number]) if callable(value) else value for key, value in values.items()}
        listed[number] = replace(listed[number], **made)
        return tuple(listed)

    return make


def exchanged(field, a=0, b=1):
    def make(of):
        listed = list(getattr(of, field))
        listed[a], listed[b] = listed[b], listed[a]
        return tuple(listed)

    return make


def crossed(field, key, a=0, b=1):
    """A tuple of a step in which two elements have exchanged one of their values."""

    def make(of):
        listed = list(getattr(of, field))
        mine, other = getattr(listed[a], key), getattr(listed[b], key)
        assert mine != other
        listed[a], listed[b] = replace(listed[a], **{key: other}), replace(listed[b], **{key: mine})
        return tuple(listed)

    return make


def minus(each):
    return -each.sign


def opposite(of):
    return replace(of, entries=tuple((row, column, -value) for row, column, value in of.entries))


PLANS = {
    # Input and Output.
    "two inputs exchanged": (
        "S(n), two",
        steps(
            "S(n), two",
            lambda s: [replace(each, term=1 - each.term) if isinstance(each, Input) else each for each in s],
        ),
    ),
    "two outputs exchanged": (
        "S(n), two",
        steps(
            "S(n), two",
            lambda s: [replace(each, term=1 - each.term) if isinstance(each, Output) else each for each in s],
        ),
    ),
    "an output that is zero": ("S(n)", step("S(n)", Output, source=None)),
    "an output of a part": ("S(n)", step("S(n)", Output, source="z_ab")),
    # Reduce.
    "a sum over the other index": ("S(n)", step("S(n)", Reduce, 2, pattern=lambda s: s.pattern[::-1])),
    "a trace of what has no diagonal": ("S(n)", step("S(n)", Reduce, 1, source="x_a1")),
    "a sum that reads another sum": ("S(n)", step("S(n)", Reduce, -1, source="x_aa")),
    "a map that reads another reduction": ("S(n)", step("S(n)", Mix, 1, operands=nth("operands", 1, source="x_1a"))),
    "a form on other axes": ("Sp(4)", step("Sp(4)", Reduce, pattern=(None, None, 0), forms=((0, 1),))),
    "a form that is a sum": ("Sp(n)", step("Sp(n)", Reduce, forms=())),
    "a trace without its signs": ("O(1,2)", step("O(1,2)", Reduce, pattern=(0, 0), forms=())),
    "a trace without its signs, named as it was": ("O(1,2)", step("O(1,2)", Reduce, forms=())),
    # Hodge.
    "a head tied to a sign": ("SO(1,2)", step("SO(1,2)", Hodge, tied=1, taken=1, given=0)),
    "a head with its axes exchanged": ("SO(3)", step("SO(3)", Hodge, order=lambda s: s.order[::-1])),
    "a head tied to the other axis": ("A(3)", step("A(3)", Hodge, -1, order=lambda s: s.order[::-1])),
    "a head that is tied and gives nothing": ("A(3)", step("A(3)", Hodge, 1, tied=1, taken=1, given=0)),
    "a head of the diagonal": ("A(3)", step("A(3)", Hodge, source="x_a1")),
    # Contract.
    "arrows turned round": ("arrows", step("arrows", Contract, edges=lambda s: tuple(edge[::-1] for edge in s.edges))),
    "an edge that is not there": ("cycle", step("cycle", Contract, edges=(), kept=lambda s: s.labels or s.kept)),
    "an edge that becomes a loop": ("cycle", step("cycle", Contract, -1, edges=((0, 0),), labels=(0,), kept=(0,))),
    "a value that is not contracted": ("cycle", step("cycle", Mix, 1, operands=nth("operands", 1, source="x_a"))),
    # Mix.
    "two weights exchanged": ("S(n)", step("S(n)", Mix, 2, entries=crossed("entries", "element"))),
    "two operands exchanged": ("S(n)", step("S(n)", Mix, 1, operands=crossed("operands", "source"))),
    "two targets exchanged": ("S(n)", step("S(n)", Mix, 1, targets=crossed("targets", "name"))),
    "a map that is dropped": (
        "O(3)",
        step("O(3)", Mix, 1, entries=lambda s: s.entries[:1], operands=lambda s: s.operands[:1]),
    ),
    "a map at another place": ("S(n)", step("S(n)", Mix, 0, entries=crossed("entries", "operand", 0, 1))),
    "a map twice": ("O(3)", step("O(3)", Mix, 1, entries=lambda s: (*s.entries, replace(s.entries[0], operand=1)))),
    "a sign": ("O(3)", step("O(3)", Mix, 1, entries=nth("entries", 0, sign=minus))),
    "a sign of a head": ("A(3)", step("A(3)", Mix, -1, entries=nth("entries", -1, sign=minus))),
    "a sign of a bias": ("O(3)", step("O(3)", Mix, biases=nth("biases", 0, sign=minus))),
    "a transposition": ("O(3)", step("O(3)", Mix, 1, operands=crossed("operands", "middle"))),
    "a bias at another target": ("S(n)", step("S(n)", Mix, 0, biases=nth("biases", 0, target=lambda e: 1 - e.target))),
    "a bias that is dropped": ("O(3)", step("O(3)", Mix, biases=())),
    "a bias that nobody counts": (
        "O(3)",
        lambda: replace(
            good("O(3)"),
            steps=tuple(replace(each, biases=()) if isinstance(each, Mix) else each for each in good("O(3)").steps),
            bias_dims=(0,),
            bias_squares=((),),
        ),
    ),
    "a Fourier transform that is none": ("S(3), Fourier", step("S(3), Fourier", Mix, -1, fourier=False)),
    "labels that agree, not counted apart": ("S(3), Fourier", pair("S(3), Fourier", sums=())),
    "labels that agree, counted twice": ("S(3), Fourier", pair("S(3), Fourier", sums=lambda p: p.sums * 2)),
    # Tables and graphs of factors.
    "arrows of a factor turned round": (
        "graph beside",
        step("graph beside", Contract, -1, edges=lambda s: tuple(edge[::-1] for edge in s.edges)),
    ),
    "a graph that is not contracted": (
        "graph beside",
        step("graph beside", Mix, -1, operands=nth("operands", 1, source="x_ab")),
    ),
    "two tables exchanged": (
        "orbits beside",
        step("orbits beside", Mix, -1, tabled=lambda s: replace(s.tabled, maps=s.tabled.maps[::-1])),
    ),
    "a table for another map": ("orbits beside", step("orbits beside", Mix, -1, entries=crossed("entries", "table"))),
    "a map without its table": (
        "orbits beside",
        step("orbits beside", Mix, -1, entries=lambda s: s.entries[1:]),
    ),
    "an orbit of another factor": (
        "orbits of two",
        step(
            "orbits of two",
            Mix,
            -1,
            tabled=lambda s: replace(s.tabled, maps=(s.tabled.maps[1], s.tabled.maps[0], *s.tabled.maps[2:])),
        ),
    ),
    "a graph for an orbit": (
        "graphs in tables",
        step("graphs in tables", Mix, -1, tabled=lambda s: replace(s.tabled, maps=s.tabled.maps[::-1])),
    ),
    "a matrix of another sign": (
        "matrices beside",
        step(
            "matrices beside",
            Mix,
            -1,
            tabled=lambda s: replace(s.tabled, maps=tuple((opposite(m),) for (m,) in s.tabled.maps)),
        ),
    ),
    "the axes of two factors exchanged": (
        "matrices beside",
        step(
            "matrices beside",
            Mix,
            -1,
            operands=lambda s: tuple(replace(o, middle=(*o.middle[1::-1], *o.middle[2:])) for o in s.operands),
        ),
    ),
    "a scale of a table": (
        "graph beside",
        pair("graph beside", squares=lambda p: (p.squares[0] * 4, *p.squares[1:])),
    ),
    "a sum that is no table's": ("graphs in tables", pair("graphs in tables", squares=())),
    # Spread.
    "a part that is dropped": ("S(n)", step("S(n)", Spread, -1, parts=lambda s: s.parts[:-1])),
    "a part twice": ("S(n)", step("S(n)", Spread, -1, parts=lambda s: (*s.parts, s.parts[0]))),
    "a bias added twice": ("O(3)", step("O(3)", Spread, -1, parts=lambda s: (*s.parts, s.parts[-1]))),
    "a part that is subtracted": ("S(n)", step("S(n)", Spread, -1, parts=nth("parts", -1, sign=-1))),
    "a part on the other axis": (
        "S(n)",
        step("S(n)", Spread, -1, parts=nth("parts", 1, pattern=lambda p: p.pattern[::-1])),
    ),
    "a diagonal that is spread": ("S(n)", step("S(n)", Spread, -1, parts=nth("parts", -1, pattern=(0, None)))),
    "a form that is a diagonal": ("Sp(n)", step("Sp(n)", Spread, -1, parts=nth("parts", -1, forms=()))),
    "a form that is subtracted": ("Sp(n)", step("Sp(n)", Spread, -1, parts=nth("parts", -1, sign=-1))),
    "a form that is the diagonal": ("O(1,2)", step("O(1,2)", Spread, -1, parts=nth("parts", -1, forms=()))),
    "a form of signs that is subtracted": ("O(1,2)", step("O(1,2)", Spread, -1, parts=nth("parts", -1, sign=-1))),
    # Tied.
    "two orbits exchanged": ("Perm", step("Perm", Tied, tables=nth("tables", 0, elements=exchanged("elements")))),
    "an orbit that is dropped": (
        "Perm",
        step("Perm", Tied, tables=nth("tables", 0, elements=lambda t: t.elements[1:])),
    ),
    "an orbit twice": (
        "Perm",
        step("Perm", Tied, tables=nth("tables", 0, elements=lambda t: (*t.elements[1:], t.elements[1]))),
    ),
    "two kernels exchanged": ("Matrix", step("Matrix", Tied, tables=nth("tables", 0, elements=exchanged("elements")))),
    "a matrix without its bias": ("Perm", step("Perm", Tied, constants=())),
    "two diagrams of a matrix exchanged": (
        "S(3), matrix",
        step("S(3), matrix", Tied, tables=nth("tables", 0, elements=exchanged("elements"))),
    ),
    # Schur.
    "bases of another combination": (
        "O(2), irreps",
        step("O(2), irreps", Schur, bases=lambda s: replace(s.bases, seed=s.bases.seed + 1)),
    ),
    "an irreducible part that is dropped": (
        "O(2), irreps",
        step("O(2), irreps", Schur, bases=lambda s: replace(s.bases, irreps=s.bases.irreps[1:])),
    ),
    "two irreducible parts exchanged": (
        "O(2), blocks",
        step("O(2), blocks", Schur, bases=lambda s: replace(s.bases, irreps=s.bases.irreps[::-1])),
    ),
    # Pack and Unpack.
    "another kind of packed axis": (
        "packed",
        lambda: replace(good("packed"), packs=((0, replace(good("packed").packs[0][1], kind="A")),)),
    ),
    "a packed sum of nothing symmetric": ("packed", step("packed", Pack, source="x_ab")),
    "what is mixed packed as it is read": (
        "packed",
        steps("packed", lambda s: [replace(each, source="p") if isinstance(each, Output) else each for each in s]),
    ),
    "a sign of an alternating tensor": (
        "alternating",
        step("alternating", Mix, -1, entries=nth("entries", 0, sign=minus)),
    ),
    # Twist, Join, Weigh.
    "a form that is left out": (
        "symplectic product",
        step("symplectic product", Join, sources=("u_a", "v_a")),
    ),
    "a form on the other input": (
        "symplectic product",
        step("symplectic product", Join, sources=("v_a_w0", "v_a_w0")),
    ),
    "a form twice": (
        "symplectic product",
        steps(
            "symplectic product",
            lambda s: [
                *s[:3],
                replace(s[2], target="again", source="v_a_w0"),
                *[replace(each, sources=("u_a", "again")) if isinstance(each, Join) else each for each in s[3:]],
            ],
        ),
    ),
    "signs that are left out": ("Lorentz product", step("Lorentz product", Join, sources=("u_a", "v_a_h2"))),
    "signs on both inputs": (
        "Lorentz product",
        steps(
            "Lorentz product",
            lambda s: [
                *s[:3],
                replace(s[2], target="v_a_w0", source="v_a"),
                *[replace(one, source="v_a_w0") if isinstance(one, Hodge) else one for one in s[3:]],
            ],
        ),
    ),
    "two products exchanged": ("product", step("product", Join, 3, left=(), right=(0,), sources=("u_1", "v_a"))),
    "a cross product the other way round": (
        "cross product",
        step("cross product", Join, right=lambda s: s.right[::-1]),
    ),
    "a cross product of one with itself": (
        "cross product",
        step("cross product", Join, sources=lambda s: (s.sources[1], s.sources[1])),
    ),
    "a head that is scaled": ("cross product", step("cross product", Join, heads=(), terms=1)),
    "a scale of a head": ("cross product", step("cross product", Join, terms=1)),
    "a scale of a product": ("product", step("product", Join, 0, terms=2)),
    "two weighed products exchanged": ("wide product", step("wide product", Weigh, elements=exchanged("elements"))),
    "two factors exchanged": ("wide product", step("wide product", Weigh, left=(1,), right=(0,))),
    "irreps multiplied the other way round": (
        "coupling",
        step("coupling", Join, left=lambda s: s.right, right=lambda s: s.left),
    ),
    "the square of an irrep": ("coupling", step("coupling", Join, sources=lambda s: (s.sources[1], s.sources[1]))),
    "a product of other inputs": ("powers", step("powers", Join, -1, sources=("u_a", "u_a"), left=(0,), right=(0,))),
    # What a plan says about weights.
    "a gain that is missing": ("O(n)", pair("O(n)", gains=(0,))),
    "a wrong power of n": ("O(n)", pair("O(n)", gains=lambda p: (p.gains[0] + 1,))),
    "a scale of a map": ("cycle", pair("cycle", squares=lambda p: (p.squares[0] * 4, *p.squares[1:]))),
    "a scale of no map": ("cycle", pair("cycle", squares=())),
    "a variance": ("S(n)", pair("S(n)", variances=lambda p: (p.variances[0] * 2, *p.variances[1:]))),
    "all variances exchanged": ("packed", pair("packed", variances=lambda p: p.variances[::-1])),
    "another normalization": ("S(3), means", lambda: replace(good("S(3), means"), normalization="sum")),
    "a weight that is not counted": (
        "S(n)",
        pair("S(n)", dim=lambda p: p.dim - 1, variances=lambda p: p.variances[1:]),
    ),
    "a problem of another group": ("S(n)", lambda: replace(good("S(n)"), problem=eq.Hom.parse("O(n)", "1x2", "1x2"))),
    "a problem of a larger group": ("H(n)", lambda: replace(good("H(n)"), problem=eq.Hom.parse("O(n)", "1x2", "1x2"))),
    "a problem of a smaller group": (
        "O(3)",
        lambda: replace(good("O(3)"), problem=eq.Hom.parse("SO(3)", "1x2", "1x1")),
    ),
    "a form without signs": ("O(1,2)", lambda: replace(good("O(1,2)"), problem=eq.Hom.parse("O(3)", "1x2", "1x2"))),
    "another graph": ("cycle", lambda: replace(good("cycle"), problem=eq.Hom.parse("Aut(path4)", "1x1", "1x2"))),
    "two groups exchanged": (
        "S(n) x O(m)",
        lambda: replace(good("S(n) x O(m)"), problem=eq.Hom.parse("O(m) x S(n)", "1x(1,1)", "1x(1,1)")),
    ),
}


def refused(subject):
    """Whether the verifier refuses, in its own words."""
    with pytest.raises((VerificationError, PlanError)) as caught:
        eq.verify(subject() if callable(subject) and not isinstance(subject, torch.nn.Module) else subject, trials=1)
    return str(caught.value)


@pytest.mark.parametrize("name", GOOD)
def test_good_plans_pass(name):
    assert eq.verify(good(name), trials=1)
    assert eq.verify(replace(good(name)), trials=1)


@pytest.mark.parametrize("name", PLANS)
def test_wrong_plans_are_refused(name):
    _, make = PLANS[name]
    assert len(refused(make)) > 20


def test_plans_that_cannot_be_tried_must_be_those_that_are_made(monkeypatch):
    """Where matrices are too large to be compared, two weights exchanged would be equivariant and pass unseen."""
    plan = good("O(3)")
    wrong = step("O(3)", Mix, 1, entries=crossed("entries", "element"))()
    refused(wrong)
    monkeypatch.setattr(verification, "MAX_MEANING", 0)
    assert eq.verify(plan, trials=1)
    assert "too large to compare" in refused(wrong)
    # At n = 1 all partitions are one map.
    monkeypatch.setattr(verification, "MAX_MEANING", 20)
    wrong = step("S(n)", Mix, 2, entries=crossed("entries", "element"))()
    assert eq.verify(good("S(n)"), trials=1)
    assert "too large to compare" in refused(wrong)


# --- emitted source ------------------------------------------------------------------------------

#: The plan, a pattern in its source, and what stands there instead.
CODE = {
    "a wrong power of normalization": ("S(n)", r"\*\* -0\.5", "** -0.51"),
    "a sum that is a mean": ("S(n)", r"\.sum\(", ".mean("),
    "a sum that is not scaled": ("S(n)", r"(\.sum\(\d\)) \* r\b", r"\1"),
    "a sum that is scaled twice": ("S(n)", r"(\.sum\(\d\)) \* r\b", r"\1 * r * r"),
    "a sum along another axis": ("S(n)", r"\.sum\(2\)", ".sum(1)"),
    "two weights exchanged": ("S(n)", r"self\.weight\[0:(\d)\]", r"self.weight[0:\1].flip(0)"),
    "a weight too far": ("O(3)", r"self\.weight\.transpose", "self.weight.roll(1, 0).transpose"),
    "a bias twice": ("S(n)", r"self\.bias\[", "2 * self.bias["),
    "a bias that is dropped": ("S(n)", r"self\.bias\[", "0 * self.bias["),
    "a transposition that is none": ("O(3)", r"x_ab\.transpose\(1, 2\)", "x_ab"),
    "a diagonal of the wrong step": ("S(n)", r":: n \+ 1\]", ":: n]"),
    "a gain that is missing": ("O(n)", r"self\.weight \* n \*\* 0\.5", "self.weight"),
    "a form with the wrong sign": ("Sp(n)", r"alpha=-1", "alpha=1"),
    "a form that is symmetric": ("Sp(n)", r"(\[\.\.\., ::2\]) - ", r"\1 + "),
    "a head with the wrong sign": ("SO(3)", r"_multiply\(self\.", "-_multiply(self."),
    "a table that is altered": ("SO(3)", r'(self\._table\("epsilon_0", epsilon_0)\)', r"\1.abs())"),
    "signs of eta at other places": ("O(1,2)", r"\[\.\.\., :1\]\.flatten", "[..., 2:].flatten"),
    "a graph without a direction": ("arrows", r'(self\._table\("adjacency", )A\)', r"\1A.maximum(A.T))"),
    "a scale of the maps": ("cycle", r"\[4, 4, ", "[4, 1, "),
    "an order of weights": ("cycle", r"\[0, 1, 6\]", "[1, 0, 6]"),
    "places of a table": ("orbits beside", r"\[self\.m(\d)_places\]", r"[self.m\1_places.flip(0)]"),
    "the entries of a table in another order": (
        "matrices beside",
        r"self\.m(\d)_maps @",
        r"self.m\1_maps.flip(0) @",
    ),
    "graphs of a table": ("graphs in tables", r"self\.m(\d)_maps @", r"self.m\1_maps.flip(1) @"),
    "a product of orbits": ("orbits of two", r"\(3 \* places_0", "(1 * places_0"),
    "edges of a factor": ("graph beside", r'(self\._table\("adjacency", )A\)', r"\1A.T)"),
    "orbits in another order": (
        "Perm",
        r"index_select\(0, self\.t0_0_places\)",
        "index_select(0, self.t0_0_places.flip(0))",
    ),
    "a product that is summed elsewhere": ("product", r'"zau,zav->zuv"', '"zau,zbv->zuv"'),
    "a product with channels exchanged": ("product", r'->zauv", u_a, v_a\)', '->zavu", u_a, v_a)'),
    "packed entries with the wrong sign": ("alternating", r"signs_0\b(?=[^,]*\[)", "signs_0.abs()"),
    "a condition on n": ("S(n)", r"\n( +)return ", r"\n\1if n == 1:\n\1    z_ab = 2 * z_ab\n\1return "),
    "a condition on two letters": (
        "S(n) x O(m)",
        r"\n( +)return ",
        r"\n\1if n != m:\n\1    z_ab = 2 * z_ab\n\1return ",
    ),
    "a condition on an empty batch": (
        "S(n)",
        r"\n( +)return ",
        r"\n\1if not z_ab.numel():\n\1    return z_ab[..., 0]\n\1return ",
    ),
    "an entry at one place": ("S(n)", r"\n( +)return ", r"\n\1z_ab[:1, :1, :1] += 1\n\1return "),
}


def module(name, pattern, instead):
    """The module that a plan's source defines, with a change."""
    source = artifact_of(good(name)).source
    changed, count = re.subn(pattern, instead, source)
    assert count, f"{pattern} is not in the source of {name}"
    made = run_source(changed)
    type(made).plan = good(name)
    return made


@pytest.mark.parametrize("name", sorted({name for name, *_ in CODE.values()}))
def test_good_code_passes(name):
    assert eq.verify(module(name, "^", ""), trials=1)


@pytest.mark.parametrize("what", CODE)
def test_wrong_code_is_refused(what):
    refused(module(*CODE[what]))


# --- layers --------------------------------------------------------------------------------------

#: What a layer does to its output, from output and input.
LAYERS = {
    "twice at n = 1": lambda y, x: 2 * y if x.shape[-2] == 1 else y,
    "twice at n = 5": lambda y, x: 2 * y if x.shape[-2] == 5 else y,
    "transposed at n = 2": lambda y, x: y.transpose(-3, -2) if x.shape[-2] == 2 else y,
    "an empty batch of another shape": lambda y, x: y[..., :1, :] if x.numel() == 0 else y,
    "a batch of one": lambda y, x: -y if x.shape[:-3] == (1,) else y,
    "no batch": lambda y, x: -y if x.ndim == 3 else y,
    "an entry": lambda y, _: y + one_entry(y),
    "an entry of the last sample": lambda y, _: y + one_entry(y.flip(0)).flip(0) if y.ndim > 3 else y,
    "a constant": lambda y, _: y + 1e-6,
    "a constant that commutes": lambda y, _: y + torch.eye(y.shape[-2], dtype=y.dtype)[..., None],
    "a part of the input": lambda y, x: y + 1e-6 * x,
    "its own mean": lambda y, _: y + 1e-6 * y.mean((-3, -2), keepdim=True),
    "a square": lambda y, _: y + 1e-6 * y**2,
    "not a number": lambda y, _: y + float("nan"),
    "rounded": lambda y, _: y.float().double(),
    "another type": lambda y, _: y[..., 0],
}


@pytest.mark.parametrize("what", LAYERS)
def test_wrong_layers_are_refused(what):
    layer = eq.Linear("S(n)", "1x2", "1x2")
    refused(Sabotaged(layer, LAYERS[what]))


def test_layers_of_another_class_are_refused():
    """A copy that is made anew from the problem would hide what the class of a layer computes."""
    layer = eq.Linear("S(n)", "1x1", "1x1")
    assert eq.verify(layer, trials=1)
    own = type(layer)
    changed = {"forward": lambda self, x: own.forward(self, x).cumsum(-2)}
    layer.__class__ = type("Changed", (own,), changed, generated=True)
    refused(layer)
    for module_of in (layer, torch.nn.Sequential(layer)):
        with pytest.raises(EquivarianceError):
            eq.testing.assert_equivariant(module_of, "S(n)", "1x1", "1x1")


def test_layers_of_other_maps_are_refused():
    """The layer of a smaller group is not that of a larger one, though its weights may fit."""
    layer = eq.Linear("A(3)", "1x1", "1x1")
    layer.plan = eq.plan("S(3)", "1x1", "1x1")
    assert "parameters of shapes" in refused(layer)


# --- files ---------------------------------------------------------------------------------------

FILES = {
    "a number": lambda text: text.replace("-0.5", "-0.4"),
    "a sign": lambda text: text.replace(" + ", " - ", 1) if " + " in text else text.replace("+= ", "-= ", 1),
    "a group": lambda text: text.replace('group = "S(n)"', 'group = "S(m)"'),
    "a space": lambda text: text.replace('space_in = "1x2"', 'space_in = "2x2"'),
    "a normalization": lambda text: text.replace('normalization = "variance"', 'normalization = "mean"'),
    "no bias": lambda text: text.replace("bias_terms = True", "bias_terms = False"),
    "a method": lambda text: text.replace('method = "diagrams"', 'method = "fourier"'),
    "a line more": lambda text: text + "\nimport os\n",
    "a line less": lambda text: text.rstrip().rpartition("\n")[0] + "\n",
    "a comment": lambda text: text.replace("# sum", "# no sum", 1) if "# sum" in text else text + "# more\n",
    "an import": lambda text: text.replace("import torch\n", "import torch, os\n", 1),
    "a class more": lambda text: text + "\n\nclass Other:\n    pass\n",
    "no class": lambda text: text.replace("class ", "klass "),
    "nothing": lambda _: "",
}


@pytest.mark.parametrize("what", FILES)
def test_changed_files_are_refused(what, tmp_path):
    path = tmp_path / "layer.py"
    source = artifact_of(good("S(n)")).source
    path.write_text(source, encoding="utf-8")
    assert eq.verify(path, trials=1)
    changed = FILES[what](source)
    assert changed != source
    path.write_text(changed, encoding="utf-8")
    refused(path)


# --- bases and certificates ----------------------------------------------------------------------

BASES = {
    "a map that is dropped": (("S(n)", 2, 1), lambda basis: replace(basis, diagrams=basis.diagrams[1:])),
    "a map twice": (("O(3)", 2, 2), lambda basis: replace(basis, diagrams=(*basis.diagrams[1:], basis.diagrams[1]))),
    "a map of another group": (
        ("O(3)", 1, 1),
        lambda basis: replace(basis, diagrams=eq.basis("S(n)", 1, 1).diagrams[:1]),
    ),
    "a map of another order": (("S(n)", 1, 1), lambda basis: replace(basis, diagrams=eq.basis("S(n)", 2, 0).diagrams)),
    "a larger group": (("SO(3)", 2, 1), lambda basis: replace(basis, group=eq.Group.parse("O(3)"))),
    "a smaller group": (("S(n)", 1, 1), lambda basis: replace(basis, group=eq.Group.parse("Perm(3: 1 2 0)"))),
    "another graph": (("Aut(cycle4)", 1, 1), lambda basis: replace(basis, group=eq.Group.parse("Aut(path4)"))),
    "another size": (("S(2)", 2, 2), lambda basis: replace(basis, group=eq.Group.parse("S(3)"))),
    "a dimension": (("Sp(2)", 2, 2), lambda basis: replace(basis, certificate=replace(basis.certificate, dimension=1))),
    "an argument": (
        ("S(2)", 2, 2),
        lambda basis: replace(basis, certificate=replace(basis.certificate, independence="stable")),
    ),
    "a prime": (("O(2)", 3, 3), lambda basis: replace(basis, certificate=replace(basis.certificate, prime=7))),
    "an orbit twice": (("Perm(3: 1 2 0)", 1, 1), lambda basis: replace(basis, diagrams=basis.diagrams[:1] * 3)),
    "a sum that is left out": (("S(n)", 2, "S2"), lambda basis: replace(basis, turns=())),
    "a factor of a product": (
        ("S(2) x O(2)", (1, 1), (1, 1)),
        lambda basis: replace(basis, diagrams=basis.diagrams[::-1][:1] * 2),
    ),
}


@pytest.mark.parametrize("what", BASES)
def test_wrong_bases_are_refused(what):
    problem, change = BASES[what]
    basis = eq.basis(*problem)
    assert check_basis(basis)
    with pytest.raises(VerificationError):
        check_basis(change(basis))


def test_a_wrong_basis_is_seen_by_the_verifier(monkeypatch):
    """A plan is checked against bases that are proven again, whatever made it."""
    plan = eq.plan("O(2)", "1x2", "1x2", method="diagrams")
    usual = eq.basis("O(2)", 2, 2)
    wrong = replace(usual, diagrams=(usual.diagrams[0], usual.diagrams[0], usual.diagrams[2]))
    monkeypatch.setattr(verification.bases, "basis", lambda *_, **__: wrong)
    refused(plan)


def test_the_list_is_long_and_covers_every_kind_of_step():
    assert len(PLANS) + len(CODE) + len(LAYERS) + len(FILES) + len(BASES) > 120
    plans = [good(name) for name in {name for name, _ in PLANS.values()}]
    assert {type(each) for plan in plans for each in plan.steps} == set(Step.__args__)
