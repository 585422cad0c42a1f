"""Silly sizes, orders and texts: each is answered or refused, with an error of ours, within a number of steps."""

import sys

import networkx
import numpy as np
import pytest
import torch

import eqsynth as eq
from eqsynth.bases import algebra, symbolic
from eqsynth.errors import EqsynthError

# What finds automorphisms loads pictures of graphs when it is first used; those lines are not the probe's.
eq.Graph.named("bull").automorphisms()

#: Lines of Python that a probe may run before it answers.
MOST = 3_000_000


class TooManyLinesError(Exception):
    """Not an error of eqsynth, so that nobody takes it for a refusal."""


def lines_of(call):
    """How many lines of Python a call runs, up to MOST; what it raises of ours counts as an answer."""
    count = 0

    def trace(_frame, event, _argument):
        nonlocal count
        if event == "line":
            count += 1
            if count > MOST:
                raise TooManyLinesError
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    except EqsynthError:
        pass
    finally:
        sys.settrace(before)
    return count


GROUPS = [
    *("S(1000000)", "S(n)", "S(1)", "A(1000000)", "A(2)", "O(1000000)", "O(n)", "O(1)", "SO(64)", "SO(1)"),
    *("Sp(1000000)", "Sp(2)", "Aut(complete1)", "Aut(empty2000)", "Aut(petersen)", "Perm(1: 0)", "Perm(2: 1 0)"),
    *("Matrix([[-1]]; )", "S(1000000) x O(64)", "S(n) x S(m)"),
]
ORDERS = [("64", "64"), ("20", "21"), ("S40", "S40"), ("A64", "1"), ("0", "64")]
TEXTS = [
    *(
        "Matrix([[1e99999999]]; )",
        "Matrix([" + "[0] " * 40 + "x; )",
        "Matrix([[1/0]]; )",
        "Matrix([[" + "1" * 3_000 + "]]; )",
    ),
    *("Perm(999999999: 0 1)", "Perm(3: " + ", " * 5_000 + ")", "x".join(["S(2)"] * 300), "S(" + "9" * 5000 + ")"),
    *(
        "Aut(" + "(" * 500 + ")",
        "Aut(9999999999999999: 0-1)",
        "Aut(3: " + "0-1 " * 20_000 + "x)",
        "Aut(complete99999999)",
    ),
    *(
        "Aut(hypercube64)",
        "Aut(3: 0-1 | " + "9" * 5000 + " 0 0)",
        "Aut(3:)",
        "Aut(3: 0>1 1-2)",
        "SU(2)",
        "GL(3)",
        "E(3)",
    ),
    *("S (2", "", " ", "(", "S(2))", "O(-1)", "Sp(3)", "S(\u0663)", "\x00"),
]
SPACES = [
    *("1x" + "9" * 4000, "9" * 4000 + "x1", "+" * 3000, "1x(1," * 500, "1x2 + " * 2000, "16777217x1", "1x65", "0x1"),
    *("1xS1", "1xA0", "S2.packed.packed", "x", "1x-1", "(,)", "1x(1,1)", "1.5x2"),
]

PROBES = {
    **{f"basis {g} {k} -> {lo}": (lambda g=g, k=k, lo=lo: basis_at(g, k, lo)) for g in GROUPS for k, lo in ORDERS},
    **{f"text {place}": (lambda text=text: eq.Group.parse(text)) for place, text in enumerate(TEXTS)},
    **{f"space {place}": (lambda text=text: eq.Space.parse(text)) for place, text in enumerate(SPACES)},
    "wide layer": lambda: eq.Linear("S(n)", "1000000x2", "1000000x2"),
    "wide product": lambda: eq.TensorProduct("S(n)", "1000x2", "1000x2", "1000x2"),
    "wide power": lambda: eq.Power("S(n)", "16777216x1", 2, "16777216x1"),
    "high power": lambda: eq.Power("O(3)", "1x3", 6, "1x3"),
    "higher power": lambda: eq.Power("S(n)", "1x3", 6, "1x3"),
    "power of 99": lambda: eq.Power("S(n)", "1x1", 99, "1x1"),
    "polynomial": lambda: eq.PolynomialLayer("Sp(4)", "1x5", 5, "1x5"),
    "product": lambda: eq.TensorProduct("Aut(petersen)", "1x5", "1x5", "1x5"),
    "S14": lambda: eq.Linear("O(3)", "1x2", "1xS14"),
    "packed": lambda: eq.Linear("S(3)", "1xS30.packed", "1xS30.packed"),
    "symmetrise": lambda: eq.symmetrise(torch.zeros(*[2] * 14, 1), "S14"),
    "alternate": lambda: eq.symmetrise(torch.zeros(*[1] * 20, 1), "A20"),
    "verify S": lambda: eq.verify("S(1000000): 1x1 -> 1x1"),
    "verify Sp": lambda: eq.verify("Sp(2000): 1x1 -> 1x1"),
    "verify SO": lambda: eq.verify("SO(100000): 1x1 -> 1x1"),
    "assert": lambda: eq.testing.assert_equivariant(torch.relu, "O(100000)", "1x1", "1x1"),
    "gram": lambda: symbolic.gram("O(n)", 10, 9),
    "large gram": lambda: symbolic.gram("S(n)", 32, 32),
    "determinant": lambda: symbolic.gram_determinant("O(n)", 64, 64),
    "weingarten": lambda: symbolic.weingarten("O(n)", 30, 30),
    "degenerate": lambda: symbolic.degenerate_sizes("SO(n)", 64, 64),
    "table O": lambda: symbolic.dimension_table("O", 40),
    "long table": lambda: symbolic.dimension_table("Sp", 40, 10**6),
    "floor": lambda: eq.floor("O(64)", "1x14", "1x14"),
    "floor of S": lambda: eq.floor("S(1000)", "1x20", "1x20"),
    "identity": lambda: algebra.identity("S(n)", 64),
    "matrices": lambda: eq.basis("S(n)", 2, 2).matrices(10**6),
    "matrices of True": lambda: eq.basis("S(n)", 2, 2).matrices(True),
    "many vertices": lambda: eq.Aut(networkx.empty_graph(100_000)),
    "large matrix": lambda: eq.MatrixGroup([np.eye(100)]),
    "many points": lambda: eq.PermutationGroup([range(10**5)]),
    "export": lambda: eq.export(eq.Hom.parse("S(n)", "1x20", "1x20"), "/dev/null"),
    "catalog": lambda: eq.plan("A(64)", "1x30", "1x30"),
}


def basis_at(group, inputs, outputs):
    group = eq.Group.parse(group)
    one = tuple if len(group.factors) > 1 else (lambda parts: next(iter(parts)))
    return eq.basis(group, one([inputs] * len(group.factors)), one([outputs] * len(group.factors)))


def test_there_are_many_probes():
    assert len(PROBES) >= 150


@pytest.fixture(scope="module", autouse=True)
def everything_is_loaded():
    """Lines of imports are not counted."""
    eq.basis("Aut(path3)", 1, 1)
    eq.symmetrise(torch.zeros(2, 2, 1), "S2")
    eq.verify("S(n): 1x1 -> 1x1", trials=1)
    eq.verify("Matrix([[-1]]; ): 1x1 -> 1x1", trials=1)
    eq.floor("O(3)", "1x1", "1x1")
    symbolic.weingarten("O(n)", 1, 1)
    eq.PolynomialLayer("S(n)", "1x1", 2, "1x1")


@pytest.mark.filterwarnings("ignore::eqsynth.errors.ZeroOutputWarning")
@pytest.mark.parametrize("name", PROBES)
def test_an_answer_in_time(name):
    assert lines_of(PROBES[name]) <= MOST


def test_the_count_ends_what_does_not():
    def forever():
        while True:
            pass

    with pytest.raises(TooManyLinesError):
        lines_of(forever)
