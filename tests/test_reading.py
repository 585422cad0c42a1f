"""What people type and bring: numbers of every library, texts of every kind, read exactly, in few steps, or refused."""

import contextlib
import inspect
import os
import random
import re
import signal
import sys
from decimal import Decimal
from fractions import Fraction
from functools import partial
from pathlib import Path

import flint
import mpmath
import numpy as np
import pytest
import sympy
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

import eqsynth as eq
from eqsynth.bases import algebra, symbolic
from eqsynth.cli import _order
from eqsynth.errors import EqsynthError, GroupError, ParseError, ShapeError, VerificationError, abridged, shown
from eqsynth.exact.numbers import binary, fraction, whole
from eqsynth.families.hom import ProductHom, parse_problem, problem_of
from eqsynth.families.text import ELSEWHERE
from eqsynth.project.catalog import known_hom
from eqsynth.project.syncing import project_of
from eqsynth.spaces.space import read_order
from terminal import eqsynth

# --- Numbers ------------------------------------------------------------------------------------------

#: Ways to write a whole number, each of some library.
WHOLE = [
    int,
    np.int8,
    np.int64,
    np.uint16,
    np.array,
    torch.tensor,
    lambda n: torch.tensor(n, dtype=torch.int32),
    sympy.Integer,
    flint.fmpz,
]
#: Ways to write a fraction of which every library has the value exactly.
DYADIC = [
    float,
    np.float16,
    np.float32,
    np.float64,
    np.longdouble,
    lambda x: np.array(float(x), np.float32),
    lambda x: torch.tensor(float(x)),
    lambda x: torch.tensor(float(x), dtype=torch.bfloat16),
    lambda x: torch.tensor(float(x), requires_grad=True),
    lambda x: sympy.Float(float(x)),
    lambda x: mpmath.mpf(float(x)),
    lambda x: Decimal(float(x)),
]
#: Ways to write any fraction.
RATIONAL = [
    Fraction,
    str,
    lambda x: f" {x.numerator}/{x.denominator} ",
    lambda x: sympy.Rational(x.numerator, x.denominator),
    lambda x: flint.fmpq(x.numerator, x.denominator),
    lambda x: np.array(x, object),
]
small = st.integers(1, 100)


@given(small, st.sampled_from(WHOLE))
def test_whole_numbers_of_every_library_are_read(number, kind):
    assert whole(kind(number)) == number
    assert type(whole(kind(number))) is int
    assert fraction(kind(number)) == number


@given(st.integers(-100, 100), st.integers(0, 5), st.sampled_from([*DYADIC, *RATIONAL]))
def test_fractions_of_every_library_are_read_exactly(numerator, halves, kind):
    value = Fraction(numerator, 2**halves)
    assert fraction(kind(value)) == value


@given(st.fractions(max_denominator=10**6), st.sampled_from(RATIONAL))
def test_fractions_that_no_float_stores_are_read_exactly(value, kind):
    assert fraction(kind(value)) == value
    assert not binary(kind(value))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_is_the_fraction_that_it_stores(value):
    assert fraction(value) == Fraction(value)
    assert binary(value)


NO_NUMBERS = [
    True,
    np.True_,
    torch.tensor(True),
    np.array(True),
    None,
    "",
    "x",
    "1/0",
    "1e99999999",
    "9" * 100,
    b"1",
    1j,
    object(),
    float("nan"),
    float("inf"),
    np.float32("nan"),
    Decimal("NaN"),
    Decimal("sNaN"),
    Decimal("Infinity"),
    [1],
    Decimal("1e999999999"),
    Decimal("-1e999999999"),
    Decimal("1e-999999999"),
    sympy.Float(2) ** 9999999,
    mpmath.mpf(2) ** -9999999,
    sympy.sqrt(2),
    sympy.pi,
    sympy.I,
    sympy.nan,
    sympy.oo,
    sympy.zoo,
    sympy.Symbol("x"),
    sympy.true,
    flint.arb(1) / 3,
    flint.nmod(3, 7),
    flint.fmpz_poly([1]),
    torch.tensor([3]),
    np.array([[1]]),
    torch.tensor(1.0, device="meta"),
    np.complex64(1),
    "\u0663",
    "\u00b2",
]


@pytest.mark.parametrize("value", NO_NUMBERS, ids=range(len(NO_NUMBERS)))
def test_what_is_no_exact_number_is_refused(value):
    with pytest.raises(ValueError, match=r"no number|no rational number|truth value|an array"):
        fraction(value)
    assert whole(value) is None
    with pytest.raises(eq.EqsynthError):
        eq.MatrixGroup([], [[[value]]])
    with pytest.raises(eq.EqsynthError):
        eq.PermutationGroup([[value]])
    with pytest.raises(eq.EqsynthError):
        eq.Space(((1, value),))
    with pytest.raises(eq.EqsynthError):
        eq.Space(((value, 1),))


def test_a_small_float32_matrix_is_the_matrix_that_it_says():
    """Entries of -0.5 in float32 were once read as 0: a group with every map in place of the rotations."""
    turn = np.array([[0, -0.5], [0.5, 0]], np.float32)
    assert len(eq.basis(eq.MatrixGroup([], [turn]), 1, 1)) == len(eq.basis("SO(2)", 1, 1)) == 2
    exact = eq.MatrixGroup([], [[[0, "-1/2"], ["1/2", 0]]])
    for kind in (np.asarray, torch.tensor, sympy.Matrix, lambda x: x.tolist(), lambda x: torch.tensor(x).bfloat16()):
        assert eq.MatrixGroup([], [kind(turn)]) == exact
    assert eq.MatrixGroup([], [flint.fmpq_mat([[0, -1], [1, 0]]) / 2]) == exact
    assert eq.MatrixGroup([], turn[None]) == exact


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (1 / 3, "write '1/3'"),
        (np.float32(1 / 3), "write '1/3'"),
        (np.float16(1 / 3), "write '1/3'"),
        (torch.tensor(2 / 3).bfloat16(), "write '2/3'"),
        (0.1, "write '1/10'"),
        (-1 / 7, "write '-1/7'"),
        (3**0.5 / 2, r"near sqrt\(3/4\), which is irrational"),
        (np.float32(-(0.5**0.5)), r"near -sqrt\(1/2\), which is irrational"),
        (3.14159265358979, "no short fraction"),
        (1e-320, "no short fraction"),
        (1e7, "beyond 1000000"),
        ("1/1000001", "beyond 1000000"),
        (sympy.sqrt(3) / 2, "irrational; take a basis"),
        (1j, "read exactly"),
        (True, "truth value"),
    ],
)
def test_entries_that_a_matrix_group_cannot_have_say_what_to_write(value, message):
    with pytest.raises(eq.EqsynthError, match=message):
        eq.MatrixGroup([], [[[value]]])


@example(Fraction(163, 16), float)
@example(Fraction(481, 343), np.float32)
@example(Fraction(174763, 245), np.float32)
@given(st.fractions(max_denominator=1000, min_value=-1000, max_value=1000), st.sampled_from([float, np.float32]))
def test_no_rounded_float_becomes_another_entry(value, kind):
    """Either the float stores the fraction, and that is read, or it is refused with the fraction as the cure."""
    stored = fraction(kind(value))
    message = refusal(lambda: eq.MatrixGroup([], [[[kind(value)]]]))
    if not message:
        assert eq.MatrixGroup([], [[[kind(value)]]]).lie_algebra == (((value,),),)
    elif abs(value.numerator) < 1000 and value.denominator < 100:
        assert stored != value
        assert f"write '{value}'" in message


def refusal(call):
    """The message of the error of ours that a call raises; empty without one. Any other error fails the test."""
    try:
        call()
    except eq.EqsynthError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("given_", [5, "[[1]]", [[0, 1], [-1, 0]], [None], [[[1], [2, 3]]], [[]], [[[]]]])
def test_what_is_no_list_of_matrices(given_):
    with pytest.raises(eq.EqsynthError):
        eq.MatrixGroup(given_)


@given(st.integers(2, 4), st.sampled_from(WHOLE))
@settings(deadline=None, max_examples=30)
def test_numbers_of_every_library_are_sizes_orders_and_channels(number, kind):
    n = kind(number)
    assert repr(eq.Group("S", n)) == f"Group(family='S', n={number})"
    assert repr(eq.Space(((n, kind(1)),))) == f"Space(terms=(({number}, 1),))"
    assert eq.Space.parse(n) == eq.Space.parse(number)
    assert read_order((n, "S2")) == read_order((number, "S2"))
    assert eq.basis("O(3)", n, kind(2)) is eq.basis("O(3)", number, 2)
    assert eq.PermutationGroup([[kind(1), kind(0)]], kind(2)) == eq.Group.parse("Perm(2: 1 0)")
    assert eq.Graph(n, ((kind(0), kind(1)),), colours=(n,) * number) == eq.Graph(
        number, ((0, 1),), colours=(number,) * number
    )
    assert repr(eq.Diagram(kind(1), kind(1), ((kind(0), kind(1)),))) == repr(eq.Diagram(1, 1, ((0, 1),)))
    maps = eq.basis("S(n)", 1, 1)
    assert maps.sizes(n) == maps.sizes([n]) == (number,)
    assert eq.plan("S(n)", 1, 1).sizes(n)["n"] == number
    assert maps.project([[kind(1)] * number] * number, n).n == number
    assert symbolic.gram("O(n)", n, kind(2)) == symbolic.gram("O(n)", number, 2)
    assert str(symbolic.dimension_table("S", n, n)) == str(symbolic.dimension_table("S", number, number))
    assert algebra.identity("S(n)", n).at(n) == algebra.identity(f"S({number})", number)
    assert algebra.permute("O(n)", [kind(1), kind(0)]) == algebra.swap("O(n)")
    assert ProductHom.parse("O(3)", ["1x1"], "1x0", "paired", (n,)).degrees == (number,)


def test_large_sizes_of_other_libraries_do_not_overflow():
    """The numbers of NumPy wrap around silently."""
    n, number = np.int64(10**6), 10**6
    value = symbolic.weingarten("O(n)", 3, 3)[0, 0]
    assert value(n) == value(number)
    determinant = symbolic.gram_determinant("O(n)", 3, 3)
    assert determinant(n) == determinant(number)
    assert determinant.expand()(n) == determinant(number)
    letter = algebra.Polynomial("n")
    assert (letter * letter * letter * letter)(n) == number**4
    loops = algebra.counit("S(n)") @ algebra.counit("S(n)") @ algebra.counit("S(n)") @ algebra.counit("S(n)")
    assert algebra.inner(loops, loops)(n) == number**4


#: Calls that take a whole number in range, and nothing else.
NEED_A_NUMBER = {
    "size": lambda value: eq.Group("S", value),
    "points": lambda value: eq.PermutationGroup([], value),
    "image": lambda value: eq.PermutationGroup([[0, value]]),
    "channels": lambda value: eq.Space(((value, 1),)),
    "order": lambda value: eq.Space(((1, value),)),
    "order of a basis": lambda value: eq.basis("S(3)", value, 1),
    "order in a tuple": lambda value: eq.basis("S(3) x O(2)", (value, 1), (1, 1)),
    "n of matrices": lambda value: eq.basis("S(n)", 1, 1).matrices([value]),
    "n of a plan": lambda value: eq.plan("S(n)", 1, 1).sizes(value),
    "vertices": lambda value: eq.Diagram(value, 1, ((0, 1, 2),)),
    "vertex": lambda value: eq.Diagram(1, 1, ((0, value),)),
    "order of a determinant": lambda value: symbolic.gram_determinant("O(n)", value, 2),
    "total of a table": lambda value: symbolic.dimension_table("S", value),
    "n of a map": lambda value: algebra.identity("S(n)", 1).at(value),
    "permutation": lambda value: algebra.permute("S(n)", [value, 0]),
    "degree": lambda value: eq.Power("O(3)", "1x1", value, "1x0"),
    "trials": lambda value: eq.verify("S(2): 1x0 -> 1x0", trials=value if value < 10 else -value),
    "vertices of a graph": lambda value: eq.Graph(value, ()),
    "end of an edge": lambda value: eq.Graph(3, ((0, value),)),
    "colour": lambda value: eq.Graph(1, (), colours=(value if abs(value) < 10 else 1.5,)),
}


@pytest.mark.parametrize("call", NEED_A_NUMBER)
@pytest.mark.parametrize(
    "value", [1.0, 0.5, np.float64(1), True, np.True_, Decimal(1), 10**5000, -(10**5000)], ids=shown
)
def test_sizes_and_orders_that_are_no_whole_numbers_in_range_are_refused(call, value):
    assert 0 < len(refusal(lambda: NEED_A_NUMBER[call](value))) < 1000


def test_coefficients_are_exact():
    one = algebra.identity("S(n)", 1)
    for half in (Fraction(1, 2), sympy.Rational(1, 2), flint.fmpq(1, 2), Decimal("0.5"), "1/2"):
        assert one * half == one * Fraction(1, 2)
    for half in (0.5, np.float32(0.5), True, "x", 1j, float("nan"), torch.tensor(0.5)):
        with pytest.raises(eq.EqsynthError, match="not exact"):
            one * half
    maps = eq.basis("S(2)", 1, 1)
    exact = maps.project([[Fraction(1, 3), 0], [0, 1]]).coefficients.tolist()
    for rows in ([["1/3", 0], ["0", 1]], np.array([["1/3", "0"], ["0", "1.0"]]), [["1/3", Fraction(0)], [0, "1e0"]]):
        assert maps.project(rows).coefficients.tolist() == exact
    for third in (sympy.Rational(1, 3), flint.fmpq(1, 3)):
        assert maps.project([[third, 0], [0, 1]]).coefficients.tolist() == exact
    for wrong in ([[None, 0], [0, 1]], [[sympy.sqrt(2), 0], [0, 1]], "ab", [[1], [2, 3]]):
        with pytest.raises(eq.EqsynthError):
            maps.project(wrong)


# --- Texts --------------------------------------------------------------------------------------------

entries = st.fractions(min_value=-50, max_value=50, max_denominator=50)


def square(n):
    return st.lists(st.lists(entries, min_size=n, max_size=n), min_size=n, max_size=n)


def matrix_groups():
    return st.integers(1, 3).flatmap(
        lambda n: st.lists(square(n), min_size=1, max_size=3).map(lambda values: eq.MatrixGroup([], values))
    )


@st.composite
def graph_groups(draw):
    n = draw(st.integers(1, 6))
    ends = st.integers(0, n - 1)
    edges = draw(st.lists(st.tuples(ends, ends), max_size=8))
    colours = draw(st.one_of(st.just(()), st.lists(st.integers(0, 99), min_size=n, max_size=n).map(tuple)))
    return eq.Aut(eq.Graph(n, tuple(edges), draw(st.booleans()), colours))


permutation_groups = st.integers(1, 9).flatmap(
    lambda n: st.lists(st.permutations(range(n)), max_size=3).map(lambda g: eq.PermutationGroup(g, n))
)
families = st.builds(
    eq.Group,
    st.sampled_from(["S", "O", "A", "SO", "Sp", "H"]),
    st.one_of(st.integers(1, 50).map(lambda n: 2 * n), st.just("n")),
)
products = st.lists(families, min_size=2, max_size=4).map(eq.ProductGroup)
groups = st.one_of(matrix_groups(), graph_groups(), permutation_groups, families, products)


@given(groups)
@settings(deadline=None)
def test_every_group_reads_what_it_prints_without_files(group):
    text = str(group)
    assert eq.Group.parse(text, files=False) == group
    assert str(eq.Group.parse(text)) == text
    assert eval(repr(group), {name: getattr(eq, name) for name in eq.__all__}) == group
    loose = text.replace(",", " , ").replace("(", " ( ").replace(")", " ) ").replace(";", " ; ")
    assert eq.Group.parse(loose, files=False) == group


#: Everything that reads text, each with what it takes apart from that.
READERS = {
    "group": lambda text: eq.Group.parse(text, files=False),
    "space": eq.Space.parse,
    "order": read_order,
    "entry of an order": lambda text: read_order((text, 1)),
    "order on the command line": _order,
    "problem": lambda text: parse_problem(text, files=False),
    "stored problem": known_hom,
    "products": lambda text: problem_of("S(3)", text, "1x1"),
    "graph": eq.Graph.named,
    "Aut": lambda text: eq.Group.parse(f"Aut({text})", files=False),
    "Perm": lambda text: eq.Group.parse(f"Perm({text})", files=False),
    "Matrix": lambda text: eq.Group.parse(f"Matrix({text})", files=False),
    "entry": lambda text: eq.MatrixGroup([], [[[text]]]),
    "family": lambda text: eq.Group(text, 3),
}
PACKAGE = str(Path(eq.__file__).parent)


def steps(call):
    """How many lines of eqsynth's code a call runs."""
    count = 0

    def trace(frame, event, _):
        nonlocal count
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        message = refusal(call)
    finally:
        sys.settrace(before)
    assert len(message) < 3_000
    return count


PIECES = [
    *"SOA()[]{},;:|x+->.0123456789/ \t\n\"'#eEn\u00b2\u0663\u00d7\0",
    "Sp",
    "SO",
    "Aut(",
    "Perm(",
    "Matrix(",
    "[[0]]",
    "[0] ",
    ".packed",
    "S2",
    "16x2",
    " x ",
    "->",
    "(x)",
    "powers 1, 2 of ",
    "cycle",
    "petersen",
    "K3,3",
    "0-1",
    "1e9",
    "-1/2",
    "9" * 50,
]


def built(text):
    """The vertices and edges of the graphs that a text names: steps that build them read nothing."""
    size = 0
    for name in {*re.findall(r"[a-z]+\d+(?:[x,]\d+)?", text, re.IGNORECASE), text.strip()}:
        with contextlib.suppress(EqsynthError):
            graph = eq.Graph.named(name)
            size += graph.n + len(graph.edges)
    return size


def most_steps(text):
    """How many steps a text may take to be read, and the graphs that it names to be built."""
    return 2_000 + 60 * len(text) + 40 * min(len(text), 100) ** 2 + 30 * built(text)


@pytest.mark.parametrize("reader", READERS)
@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join), st.text(max_size=20), st.integers(0, 60))
@settings(deadline=None, max_examples=80)
@example("Perm(999999999: 0 1)", "", 0)
@example("Matrix([[1e99999999]]; )", "", 0)
def test_no_text_raises_anything_but_our_errors_and_none_takes_many_steps(reader, text, other, place):
    mixed = text[:place] + other + text[place:]
    assert steps(lambda: READERS[reader](mixed)) < most_steps(mixed)


@pytest.mark.parametrize("text", ["C99", "K25", "K90", " grid9x9 ", "K5,40", "petersen", "K33", "cycle999"])
def test_steps_that_build_a_named_graph_are_its_own(text):
    for reader in ("graph", "Aut"):
        READERS[reader](text)
        assert steps(lambda reader=reader: READERS[reader](text)) < most_steps(text)
    assert built("3x1") == built("C99999") == built("x9") == 0
    assert built("S(n): 2 -> 1") == 0


#: Beginnings, pieces that are repeated, and endings at which parsers that go back and forth take for ever.
HOSTILE = [
    ("Matrix([", "[0] ", "x; )"),
    ("Matrix(", "[", ""),
    ("Matrix(", "]", ")"),
    ("Matrix(", "[[0]],", ""),
    ("Matrix([[", "1,", "]]; )"),
    ("", "(", ""),
    ("", ")", ""),
    ("", " ", "q"),
    ("", "x", "q"),
    ("S(3)", " x", ""),
    ("S(3)", " ", "x"),
    ("S(3", " ", "q"),
    ("", "9", "q"),
    ("(1", " ", "q"),
    ("(1", ",1", "q"),
    ("(1", " , 1", "q"),
    ("1x", " ", "q"),
    ("1", " + 1", " +"),
    ("", "1+", ""),
    ("powers 1", " ", "q"),
    ("powers 1", ",1", "q"),
    ("powers ", "1", "q"),
    ("powers 1", " , 1", " of"),
    ("", "(x)", ""),
    ("Aut(", "0-1 ", ")"),
    ("3: ", "0-1 ", "q"),
    ("3:", " ", "q"),
    ("", "3", ": 0-1"),
    ("3: 0-1 | ", "0 ", "q"),
    ("cycle", "9", ""),
    ("Perm(3: ", "0 1 2, ", ")"),
    ("Perm(3: ", "0 ", ")"),
    ("Perm(", "3", ": 0)"),
    ("a", "a", "(3)"),
    ("Aut", " ", "(petersen)"),
    ("S(n): ", "1x1 + ", "1 -> 1"),
    ("S(n): 1 ", "-> ", ""),
    ("", ":", "->"),
    ("-", "1", "/"),
    ("1.", "0", "e1"),
    ("", "\n", ""),
    ("S(2)", " x S(2)", ""),
    ("S(2)", " x S(2)", "q"),
    ("", "Aut(", ""),
    ("", "\0", ""),
    ("K", "3", ",3"),
    ("", ",", ""),
]


@pytest.mark.parametrize("reader", READERS)
def test_steps_grow_with_the_length_of_a_text(reader):
    for start, piece, end in HOSTILE:
        # A little text first loads what is loaded late.
        few, many = (steps(lambda text=start + piece * times + end: READERS[reader](text)) for times in (200, 800))
        assert many <= 4 * few + 2_000, (start, piece, end)


@contextlib.contextmanager
def processor_time(seconds):
    """Stops what takes longer, regular expressions too."""

    def stop(*_):
        raise TimeoutError(f"not done in {seconds} s of processor time")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def test_texts_of_any_length_are_read_in_time_that_no_one_notices():
    """Regular expressions run in C, where no steps are counted: they get a limit of processor time, far above need."""
    with processor_time(120):
        for read in READERS.values():
            for start, piece, end in HOSTILE:
                text = start + piece * (30_000 // len(piece)) + end
                assert len(refusal(partial(read, text))) < 3000


def test_the_limit_of_processor_time_stops_regular_expressions():
    with pytest.raises(TimeoutError), processor_time(0.05):
        re.match("(a+)+$", "a" * 40 + "b")


@pytest.mark.parametrize(
    "text", ["USp(4)", "Unitary(1)", "SE(3)", "E(3)", "PGL(3)", "Lorentz", "O(p,q)", "S(3, 1)", "Cyclic(4)", "Dih(5)"]
)
def test_groups_that_are_no_families_are_told_what_there_is_instead(text):
    with pytest.raises(ParseError) as caught:
        eq.Group.parse(text)
    assert "Did you mean" not in str(caught.value)
    assert any(cure in str(caught.value) for cure in ELSEWHERE.values())


def test_the_cures_of_groups_that_are_no_families_work():
    assert len(eq.basis("C(5)", 1, 1)) == 5
    assert len(eq.basis("D(5)", 1, 1)) == len(eq.basis("Aut(cycle5)", 1, 1)) == 3
    assert len(eq.basis("C4(5x5)", 1, 0)) == 7
    assert len(eq.basis("D4(5x5)", 1, 0)) == len(eq.basis("Aut(grid5x5)", 1, 0)) == 6
    assert len(eq.basis("Matrix([[0,-1],[1,0]] [[1,0],[0,-1]]; )", 1, 1)) == 1
    with pytest.raises(ParseError, match=r"Write SO\(3\)"):
        eq.Group.parse("SO3")
    with pytest.raises(ParseError, match="Did you mean Aut"):
        eq.Group.parse("aut(petersen)")


def test_paths_networkx_and_texts_where_objects_are_expected(tmp_path):
    path = tmp_path / "p3.edgelist"
    path.write_text("0 1\n1 2\n")
    assert eq.Aut(path) == eq.Aut(str(path)) == eq.Aut("3: 0-1 1-2")
    assert eq.ProductGroup(["S(3)", "O(2)"]) == eq.Group.parse("S(3) x O(2)")
    for call in (
        lambda: eq.Aut(tmp_path / "missing.g6"),
        lambda: eq.Aut(tmp_path),
        lambda: eq.Aut(5),
        lambda: eq.Group.parse(path),
        lambda: eq.Group(5, 3),
        lambda: eq.Group([], 3),
        lambda: eq.Hom("S(3)", "1x1", "1x1"),
        lambda: eq.ProductGroup("S(3)"),
        lambda: eq.ProductGroup(5),
        lambda: eq.PermutationGroup(5),
        lambda: eq.PermutationGroup([5]),
        lambda: eq.Space(5),
        lambda: eq.Space("16x2"),
        lambda: eq.Diagram(-1, 1, ()),
        lambda: parse_problem(5),
    ):
        with pytest.raises(eq.EqsynthError):
            call()


def public_callables():
    found = []
    for module in (eq, eq.nn, eq.testing, eq.symbolic, eq.algebra):
        for name in getattr(module, "__all__", None) or vars(module):
            value = getattr(module, name)
            ours = getattr(value, "__module__", "").startswith("eqsynth") and not name.startswith("_")
            if ours and callable(value) and not (isinstance(value, type) and issubclass(value, Exception)):
                found.append(value)
    return found


@pytest.mark.parametrize("function", public_callables(), ids=lambda function: function.__name__)
def test_a_misspelt_keyword_is_a_type_error_that_names_it(function):
    """The rule is Python's own, here as everywhere: no keyword is swallowed, and none fails later or elsewhere."""
    needed = [
        p
        for p in inspect.signature(function).parameters.values()
        if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD
    ]
    with pytest.raises(TypeError, match="biass"):
        function(*["S(3)"] * len(needed), biass=True)


# --- Long groups in messages --------------------------------------------------------------------------


def test_groups_that_are_written_out_are_short_in_messages_and_whole_where_they_are_read():
    group = eq.MatrixGroup([np.diag([1] * 9 + [-1])])
    assert eq.Group.parse(str(group)) == group
    short = abridged(group)
    assert len(short) < 100 < len(str(group))
    assert abridged(short) == short
    layer = eq.Linear(group, "1x1", "1x1")
    for text in (
        repr(layer),
        str(layer.plan),
        str(eq.basis(group, 1, 1)),
        repr(eq.nn.LayerNorm(group, "1x1")),
        str(eq.inspect(layer)),
    ):
        assert short in text
        assert str(group) not in text
    for call in (
        lambda: layer(torch.zeros(3, 4)),
        lambda: eq.basis(group, (1, 1), 1),
        lambda: eq.nn.Activation(group, "1x1", "relu"),
    ):
        with pytest.raises(eq.EqsynthError) as caught:
            call()
        assert short in str(caught.value)
        assert str(group) not in str(caught.value)
    assert f'group = "{group}"' in layer.source
    assert short in repr(eq.TensorProduct(group, "1x0", "1x1", "1x1"))


@given(st.text("Matrix(Perm)Aut 0", max_size=400))
def test_abridged_texts_are_those_of_the_same_groups(text):
    short = abridged(text)
    assert abridged(short) == short
    assert text == short or len(short) < len(text)


def test_errors_of_long_texts_show_the_place_alone():
    with pytest.raises(ParseError) as caught:
        eq.Space.parse(" + ".join(["1x1"] * 500) + " + q")
    assert len(str(caught.value)) < 800
    _, line, mark, _ = str(caught.value).split("\n")
    assert line[mark.index("^")] == "q"


# --- Texts that come from elsewhere -------------------------------------------------------------------

#: Every way to write the graph of a file.
DISGUISES = [
    "Aut({})",
    "Aut ({})",
    " Aut( {} ) ",
    "Aut\t(\n{}\n)",
    "S(2) x Aut({})",
    "S(2) x Aut ({})",
    "Aut({}) x S(2)",
    "S(n)xAut({})xO(3)",
    "Aut({}) ",
    "Aut(({}))",
    "Aut(./{})",
    "Perm({})",
    "Matrix({})",
]


@pytest.fixture
def secret(tmp_path, monkeypatch):
    """A folder where opening anything is noticed, with a graph file in it that fails to read, and a pipe."""
    (tmp_path / "secret.edgelist").write_text("the password is swordfish\nthe password is swordfish\n")
    os.mkfifo(tmp_path / "pipe.g6")
    monkeypatch.chdir(tmp_path)
    opened = []
    monkeypatch.setattr(eq.Graph, "read", lambda path, *_, **__: opened.append(path))
    yield tmp_path
    assert opened == []


@pytest.mark.parametrize("disguise", DISGUISES)
def test_no_text_from_elsewhere_opens_a_file(disguise, secret):
    for file in ("secret.edgelist", "pipe.g6", str(secret / "secret.edgelist")):
        text = f"{disguise.format(file)}: 1x1 -> 1x1"
        for read in (lambda text: parse_problem(text, files=False), known_hom):
            with pytest.raises(eq.EqsynthError) as caught:
                read(text)
            assert "swordfish" not in str(caught.value)
        for source in (exported(text), exported(text, products=True)):
            path = secret / "layer.py"
            path.write_text(source)
            with pytest.raises(eq.EqsynthError) as caught:
                eq.verify(path)
            assert "swordfish" not in str(caught.value)


def exported(text, *, products=False):
    """An exported layer that names another group."""
    whole_source = (
        eq.TensorProduct("S(3)", "1x1", "1x1", "1x1") if products else eq.Linear("S(3)", "1x1", "1x1")
    ).source
    return whole_source.replace('group = "S(3)"', f"group = {text.rpartition(':')[0]!r}")


def test_a_project_names_graph_files_beside_itself(tmp_path):
    (tmp_path / "p3.edgelist").write_text("0 1\n1 2\n")
    for text in (
        "Aut(p3.edgelist): 1 -> 1",
        "Aut ( p3.edgelist ) : 1 -> 1",
        f"Aut({tmp_path / 'p3.edgelist'}): 1 -> 1",
    ):
        data = {"eqsynth": {"to": "layers"}, "layers": {"Swap": {"hom": text}}}
        (layer,) = project_of(data, tmp_path / "eqsynth.toml").layers
        assert layer.hom.group == eq.Aut("3: 0-1 1-2")


FIELDS = ["group", "space_in", "space_out", "normalization", "bias_terms", "method"]
PRODUCT_FIELDS = ["group", "space_u", "space_v", "space_out", "mode", "normalization", "bias_terms", "degrees"]
WRONG = [
    "(x,)",
    "4",
    "None",
    "()",
    "(0,)",
    '("a",)',
    "(1, 99)",
    "(True,)",
    '"q"',
    '""',
    "1.5",
    "b'S(3)'",
    "[1]",
    "{}",
    "f()",
    "-x",
    "1j",
    '"Matrix([[1e99999999]]; )"',
    '"Matrix([' + "[0] " * 28 + 'x; )"',
    '"Perm(999999999: 0 1)"',
    '"S(" + "3)"',
    "True",
    "(" * 50 + ")" * 50,
    "-" * 150 + "1",
    '"9" * 10',
    '"\\0"',
    '"\\ud800"',
    "10 ** 10 ** 10",
    '"S(3)", "S(3)"',
    "lambda: 0",
    "9" * 5000,
    "...",
    '"mean"',
    '"sum"',
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda text: shown(text, 30))
def test_every_malformed_field_of_an_exported_file_is_one_clear_error(wrong, tmp_path):
    made = {
        "linear": (eq.Linear("S(3)", "1x1", "1x1").source, FIELDS),
        "product": (eq.PolynomialLayer("S(3)", "1x1", 2, "1x1").source, PRODUCT_FIELDS),
    }
    path = tmp_path / "layer.py"
    for source, fields in made.values():
        lines = source.split("\n")
        for field in fields:
            at = [number for number, line in enumerate(lines) if line.startswith(f"    {field} = ")]
            for number in at:
                path.write_text("\n".join([*lines[:number], f"    {field} = {wrong}", *lines[number + 1 :]]))
                if path.read_text() == source:
                    continue
                with pytest.raises(eq.EqsynthError) as caught:
                    eq.verify(path)
                assert len(str(caught.value)) < 3_000


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0",
        b"\xff\xfe",
        b"x = 1\n",
        b"class A: pass\n",
        b"class A:\n    group = 'S(3)'\n",
        b"(" * 100_000,
        b"-" * 200_000 + b"1",
        b"class A:\n    a.b = 1\n    (a, b) = 1, 2\n    a[0] = 3\n    a: int = 4\n",
        b"a" + b".a" * 100_000,
        b"def f(:\n",
    ],
    ids=lambda content: shown(content, 30),
)
def test_what_is_no_exported_file(content, tmp_path):
    path = tmp_path / "layer.py"
    path.write_bytes(content)
    with pytest.raises((VerificationError, eq.EqsynthError)):
        eq.verify(path)


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.py")
    for path in (tmp_path / "pipe.py", tmp_path, "/dev/zero", "a\0b", ""):
        with pytest.raises(eq.EqsynthError):
            eq.verify(path)


def test_sabotaged_exported_files_are_refused(tmp_path):
    """Some characters of a file are exchanged at random: never a raw error, never a pass."""
    draw = random.Random(0)
    source = eq.Linear("Aut(path3)", "2x1", "1x1 + 1x0").source
    head = source.index("class EquivariantLinear")
    path = tmp_path / "layer.py"
    for _ in range(150):
        place = draw.randrange(head, head + 500)
        length = draw.randrange(4)
        changed = (
            source[:place] + "".join(draw.choice(PIECES) for _ in range(draw.randrange(3))) + source[place + length :]
        )
        path.write_text(changed, newline="")
        if changed == source:
            continue
        with pytest.raises(eq.EqsynthError):
            eq.verify(path)


@pytest.mark.parametrize("option", [("--seed", "-1"), ("--trials", "0"), ("--seed", "x")])
def test_wrong_numbers_on_the_command_line_are_no_traceback(option):
    done = eqsynth("verify", "S(2): 1x1 -> 1x1", *option)
    assert done.returncode
    assert "Traceback" not in done.stderr
    assert option[0] in done.stderr


@pytest.mark.parametrize(
    "options",
    [{"seed": -1}, {"seed": 1.5}, {"trials": 0}, {"trials": True}, {"seed": 1 << 99}, {"dtype": "x"}],
    ids=str,
)
def test_trials_and_seeds_that_are_no_numbers_of_them(options):
    layer = eq.Linear("S(2)", "1x1", "1x1")
    with pytest.raises(eq.EqsynthError):
        eq.testing.assert_equivariant(layer, **options)
    if "dtype" not in options:
        with pytest.raises(eq.EqsynthError):
            eq.verify(layer, **options)
    eq.testing.assert_equivariant(layer, trials=np.int64(1), seed=np.uint8(3))


@pytest.mark.parametrize("value", [
    torch.tensor(0.1, dtype=torch.bfloat16), torch.tensor(1 / 3).to(torch.float8_e4m3fn), torch.tensor(0.7).half(),
])  # fmt: skip
def test_short_floats_are_no_fractions(value):
    with pytest.raises(GroupError, match=r"write '|binary digits"):
        eq.MatrixGroup([[[value]]])


def test_what_is_no_number_is_not_projected():
    for wrong in (float("nan"), float("inf")):
        with pytest.raises(ShapeError, match="holds whole numbers"):
            eq.basis("H(2)", 1, 1).project([[wrong, 2], [3, 4]])
