"""Groups, spaces and problems: read, printed, refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import eqsynth as eq
from eqsynth.errors import GroupError, ParseError, SpaceError
from eqsynth.group import FAMILIES

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
        ("S(5) x", 4, "S(5)"),
        ("S(0)", 2, "n >= 1"),
        ("S(-2)", 2, "n >= 1"),
        ("S(nodes)", 2, "one letter"),
        ("S(99999999999)", 2, "leave it open"),
        ("Sp(3)", 3, "Sp(4)"),
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
