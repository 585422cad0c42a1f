"""Groups, spaces and problems: read, printed, refused."""

import pickle

import networkx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import eqsynth as eq
from eqsynth.errors import GroupError, ParseError, SpaceError
from eqsynth.families.group import FAMILIES

orders = st.one_of(st.integers(0, 6), st.lists(st.integers(0, 4), min_size=1, max_size=3).map(tuple))
spaces = st.lists(st.tuples(st.integers(1, 10_000), orders), min_size=1, max_size=4).map(
    lambda terms: eq.Space(tuple(terms))
)


@given(spaces)
def test_a_space_reads_what_it_prints(space):
    assert eq.Space.parse(str(space)) == space
    assert eval(repr(space), {"Space": eq.Space}) == space


@given(spaces, st.text(" \t", max_size=3))
def test_white_space_in_spaces_is_free(space, gap):
    loose = gap + str(space).replace("+", gap + "+" + gap).replace("x", gap + "x" + gap) + gap
    assert eq.Space.parse(loose) == space


@pytest.mark.parametrize("text", ["S(5)", "S(n)", "O(3)", "O(m)", "SO(3)", "Sp(4)", "A(5)"])
def test_a_group_reads_what_it_prints(text):
    group = eq.Group.parse(text)
    assert str(group) == text
    assert eval(repr(group), {"Group": eq.Group}) == group
    assert eq.Group.parse(f"  {group.family} ( {group.n} ) ") == group


def test_a_problem_reads_what_it_prints():
    hom = eq.Hom.parse("S(n)", "16x2+8x1", 0)
    assert str(hom) == "S(n): 16x2 + 8x1 -> 1x0"
    assert eval(repr(hom), {"Hom": eq.Hom, "Group": eq.Group, "Space": eq.Space}) == hom


@pytest.mark.parametrize(
    ("text", "position", "cure"),
    [
        ("Q(3)", 0, "The families are S(n), O(n)"),
        ("so(3)", 0, "Did you mean SO"),
        ("Symm(3)", 0, "The families are"),
        ("S", 1, "S(5)"),
        ("S(", 2, "S(5)"),
        ("S(5", 3, "S(5)"),
        ("S(5) x", 6, "S(5)"),
        ("S(0)", 2, "n >= 1"),
        ("S(-2)", 2, "n >= 1"),
        ("S(nodes)", 2, "one letter"),
        ("S(99999999999)", 2, "leave it open"),
        ("Sp(3)", 3, "Sp(4)"),
        ("S(3) x Z2", 8, "S'(n) and B'(n) have one sign for all"),
        ("C2(3x4)", 1, "Write C(5): so many points"),
        ("D4", 1, "Write D(4)."),
        ("GL(2,C)", 4, "GL(n, C) and U(p,q) have the maps of U(n)"),
        ("SU(1,1)", 4, "write U(2) or SU(2)"),
        ("Sp(2,2)", 4, "the Lorentz group is O(1,3)"),
        ("", 0, "S(5)"),
    ],
)
def test_a_bad_group_is_refused_at_its_place(text, position, cure):
    with pytest.raises(ParseError) as caught:
        eq.Group.parse(text)
    assert caught.value.position == position
    assert cure in str(caught.value)
    assert f"    {text}\n    {' ' * position}^" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 0),
        ("16x", 3),
        ("16x2 +", 6),
        ("16x2 8x1", 5),
        ("16*2", 2),
        ("x2", 0),
        ("-1", 0),
        ("4x-1", 2),
        ("0x2", 2),
        ("16x999", 3),
        ("99999999999x1", 12),
        ("4x(1,", 2),
        ("4x()", 2),
    ],
)
def test_a_bad_space_is_refused_at_its_place(text, position):
    with pytest.raises(ParseError) as caught:
        eq.Space.parse(text)
    assert caught.value.position == position
    assert "16x2 + 8x1" in str(caught.value)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_sizes_that_no_group_has(family):
    for n in (0, -3, True, 2.5, "nodes", ""):
        with pytest.raises(GroupError):
            eq.Group(family, n)


OTHERS = [
    "S(4) x O(3)",
    "S(n) x Sp(m) x A(3)",
    "Aut(petersen)",
    "Aut(cycle5)",
    "Aut(3: 0-1 1-2)",
    "Aut(4: 0>1 1>2 2>2 | 0 0 1 1)",
    "Perm(4: 1 2 3 0, 1 0 2 3)",
    "Perm(2: )",
    "Matrix([[0,1/2],[2,0]]; )",
    "Matrix([[-1,0],[0,1]]; [[0,1],[1,0]])",
]


@pytest.mark.parametrize("text", OTHERS)
def test_every_other_kind_of_group_reads_what_it_prints(text):
    group = eq.Group.parse(text)
    assert str(group) == text
    assert eq.Group.parse(str(group)) == group
    assert eval(repr(group), {name: getattr(eq, name) for name in eq.__all__}) == group
    assert pickle.loads(pickle.dumps(group)) == group
    assert group.title


def test_graphs_come_from_files_and_from_networkx(tmp_path):
    path = networkx.path_graph(3)
    networkx.write_graph6(path, tmp_path / "p3.g6", header=False)
    (tmp_path / "p3.edgelist").write_text("0 1\n1 2\n")
    networkx.write_graphml(path, tmp_path / "p3.graphml")
    inline = eq.Group.parse("Aut(3: 0-1 1-2)")
    for suffix in ("g6", "edgelist", "graphml"):
        assert eq.Group.parse(f"Aut({tmp_path / 'p3'}.{suffix})") == inline
    assert eq.Aut(path) == inline == eq.Aut(eq.Graph.of(path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Aut(nosuch)", "no graph called"),
        ("Aut(missing.g6)", "missing.g6"),
        ("Aut(", r"\) is expected"),
        ("Aut(3: 0-1 1+2)", "an edge is expected"),
        ("Aut(3: 0-1 1>2)", "mixes"),
        ("Aut(3: 0-9)", "9"),
        ("Aut(3: 0-1 | a)", "whole numbers"),
        ("Perm(3: 0 0 1)", "no permutation"),
        ("Perm(3)", "does not list"),
        ("Matrix([[1,1],[1,1]]; )", "not invertible"),
        ("Matrix([[1,1]]; )", "no square"),
        ("Matrix(; )", "at least one matrix"),
        ("Matrix([[1/0]]; )", "no matrix"),
        ("Matrix([[100000000000000000000,0],[0,1]]; )", "no matrix"),
        ("Perm(\u00b2: 0)", "does not list"),
        ("S(" + "9" * 5000 + ")", "leave it open"),
        ("Matrix([[1]] [[1,0],[0,1]]; )", "one size"),
        ("S(3) x Aut(petersens)", "petersen"),
        ("S(3) x", "a group name is expected"),
    ],
)
def test_what_is_no_other_group(text, message):
    with pytest.raises(eq.EqsynthError, match=message):
        eq.Group.parse(text)


def test_absurdly_long_numbers_are_refused():
    for text in ("9" * 5000, "9" * 5000 + "x1", "1x(" + "9" * 5000 + ",1)"):
        with pytest.raises(ParseError):
            eq.Space.parse(text)


def test_orders_of_a_product_have_one_entry_per_factor():
    for order in (2, (1,), (1, 1, 1)):
        with pytest.raises(SpaceError, match="one entry per factor"):
            eq.basis("S(3) x O(2)", order, (1, 1))


def test_orders_that_no_space_has():
    for order in (-1, 1000, 1.5, True, (), (1, -1)):
        with pytest.raises(SpaceError):
            eq.Space(((1, order),))
    for channels in (0, -4, 1 << 40, 2.0):
        with pytest.raises(SpaceError):
            eq.Space(((channels, 1),))
    with pytest.raises(SpaceError):
        eq.Space(())


def test_a_tuple_order_needs_a_product_group():
    with pytest.raises(SpaceError, match="product group"):
        eq.Hom.parse("S(3)", "4x(2,1)", "1x1")


def test_every_error_has_one_root():
    from eqsynth import errors

    found = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
    assert len(found) > 5
    for error in found:
        assert issubclass(error, (eq.EqsynthError, Warning))
