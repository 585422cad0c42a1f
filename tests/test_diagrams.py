"""Diagrams: counts, halves, pictures."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

import eqsynth as eq
from eqsynth.diagrams.diagram import LETTERS, Half
from eqsynth.diagrams.text import text
from eqsynth.errors import EqsynthError
from eqsynth.exact import partitions
from eqsynth.plans.lowering import DIGITS, _marks, parent, whole

BELL = [1, 1, 2, 5, 15, 52, 203, 877, 4140, 21147]


@st.composite
def diagrams(draw):
    outputs, inputs = draw(st.integers(0, 5)), draw(st.integers(0, 5))
    labels = draw(st.lists(st.integers(0, 5), min_size=outputs + inputs, max_size=outputs + inputs))
    blocks = {}
    for vertex, label in enumerate(labels):
        blocks.setdefault(label, []).append(vertex)
    return eq.Diagram.of(outputs, inputs, blocks.values())


def test_as_many_partitions_and_matchings_as_there_should_be():
    for total, expected in enumerate(BELL):
        listed = list(partitions.set_partitions(total))
        assert len(set(listed)) == len(listed) == expected == partitions.bell(total)
    for total in range(11):
        listed = list(partitions.perfect_matchings(tuple(range(total))))
        assert len(set(listed)) == len(listed) == partitions.matchings(total)


@given(diagrams())
def test_halves_and_middle_determine_the_diagram(diagram):
    """Gluing the halves along the middle gives the diagram back."""
    top, bottom, middle = diagram.top, diagram.bottom, diagram.middle
    blocks = [list(top.blocks[block]) for block in top.dropped]
    blocks += [[vertex + diagram.outputs for vertex in bottom.blocks[block]] for block in bottom.dropped]
    for position, block in enumerate(top.kept):
        joined = bottom.blocks[bottom.kept[middle[position]]]
        blocks.append([*top.blocks[block], *(vertex + diagram.outputs for vertex in joined)])
    assert eq.Diagram.of(diagram.outputs, diagram.inputs, blocks) == diagram
    assert len(middle) == diagram.through
    assert diagram.through + diagram.top_only + diagram.bottom_only == len(diagram.blocks)


@given(diagrams())
def test_a_diagram_evaluates_to_itself(diagram):
    assert eval(repr(diagram), {"Diagram": eq.Diagram}) == diagram


@given(diagrams())
def test_every_reduction_ends_at_the_whole_tensor(diagram):
    half, steps = diagram.bottom, 0
    while (link := parent(half)) is not None:
        half = link.source
        steps += 1
        assert len(link.pattern) == len(half.kept)
    assert half == whole(diagram.inputs)
    assert steps <= 2 * diagram.inputs


@given(diagrams())
def test_a_picture_joins_what_the_diagram_joins(diagram):
    """Follow the strands, character by character: connected dots are blocks, and nothing else is."""
    rows = text(diagram).split("\n")
    if not diagram.blocks:
        assert rows == ["(empty)"]
        return
    width = max(map(len, rows))
    grid = [row.ljust(width) for row in rows]
    ways = {
        "│": "UD", "─": "LR", "╰": "UR", "╯": "UL", "╭": "DR", "╮": "DL",
        "┴": "ULR", "┬": "DLR", "┤": "UDL", "├": "UDR",
    }  # fmt: skip
    move = {"U": (-1, 0), "D": (1, 0), "L": (0, -1), "R": (0, 1)}
    opposite = {"U": "D", "D": "U", "L": "R", "R": "L"}
    vertex_at = {}
    for vertex in range(diagram.outputs + diagram.inputs):
        top = vertex < diagram.outputs
        row = 0 if top else len(grid) - 1
        place = vertex if top else vertex - diagram.outputs
        columns = [column for column, mark in enumerate(grid[row]) if mark == "●"]
        vertex_at[row, columns[place]] = vertex
    found = set()
    for row, column in vertex_at:
        found.add(frozenset(follow(grid, ways, move, opposite, vertex_at, row, column, diagram)))
    assert found == {frozenset(block) for block in diagram.blocks}


def follow(grid, ways, move, opposite, vertex_at, row, column, diagram):
    vertex = vertex_at[row, column]
    way = "D" if vertex < diagram.outputs else "U"
    reached, agenda, seen = {vertex}, [(row, column, way)], set()
    while agenda:
        row, column, way = agenda.pop()
        row, column = row + move[way][0], column + move[way][1]
        if (row, column, way) in seen or not 0 <= row < len(grid):
            continue
        seen.add((row, column, way))
        mark = grid[row][column]
        if mark == "●":
            reached.add(vertex_at[row, column])
        elif mark in ways and opposite[way] in ways[mark]:
            agenda += [(row, column, on) for on in ways[mark] if on != opposite[way]]
        elif mark == "│" and way in "LR":
            agenda.append((row, column, way))  # passes behind
    return reached


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, 1, ((0,),)), "partition"),
        ((1, 1, ((0, 0), (1,))), "partition"),
        ((1, 1, ((1,), (0,))), "in order"),
        ((2, 0, ((1, 0),)), "in order"),
        ((1, 1, ((0, 1),), ((0, 1),)), "edge"),
        ((1, 1, ((0, 1),), (), (0, 0)), "head"),
        ((1, 1, ((0, 1),), (), (3,)), "head"),
    ],
)
def test_what_is_no_diagram(arguments, message):
    with pytest.raises(EqsynthError, match=message):
        eq.Diagram(*arguments)


def test_a_basis_prints_formula_and_cost():
    printed = str(eq.basis("S(3)", 2, 2))
    assert "y[a,b] += x[b,a]" in str(eq.basis("S(n)", 2, 2))
    assert "14 of 15 diagrams" in printed
    assert "full rank modulo" in printed
    assert Counter(printed)["C"] >= 14
    assert "143 more" in str(eq.basis("S(n)", 3, 3))


@given(st.lists(st.tuples(st.integers(0, 11), st.booleans()), min_size=12, max_size=12))
def test_different_reductions_have_different_names(vertices):
    """The marks of a half-diagram of twelve vertices can be read back."""
    blocks = {}
    for vertex, (label, _) in enumerate(vertices):
        blocks.setdefault(label, []).append(vertex)
    rows = sorted(tuple(block) for block in blocks.values())
    half = Half(tuple(rows), tuple(i for i, row in enumerate(rows) if vertices[row[0]][1]))
    marks = _marks(half)
    assert marks.isidentifier() or marks[0] in DIGITS
    read = {mark: tuple(v for v in range(12) if marks[v] == mark) for mark in marks}
    assert sorted(read.values()) == rows
    assert sorted(row for mark, row in read.items() if mark in LETTERS) == [rows[i] for i in half.kept]
