"""Diagrams as text for terminals: box-drawing characters, the indices of an orbit, a small matrix."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from eqsynth.diagrams import words
from eqsynth.diagrams.diagram import Diagram, Element, Half, MatrixMap, Multiplied, Orbit
from eqsynth.families.group import Group

#: Columns between neighbouring vertices; bottom vertices stand half a step to the right, so that
#: no two vertical strands ever share a column.
STEP = 4
UP, DOWN, LEFT, RIGHT = 1, 2, 4, 8
GLYPHS = {
    UP | DOWN: "│",
    LEFT | RIGHT: "─",
    UP | RIGHT: "╰",
    UP | LEFT: "╯",
    DOWN | RIGHT: "╭",
    DOWN | LEFT: "╮",
    UP | LEFT | RIGHT: "┴",
    DOWN | LEFT | RIGHT: "┬",
    UP | DOWN | LEFT: "┤",
    UP | DOWN | RIGHT: "├",
}
#: A vertex, a vertex of a block that is tied to a Levi-Civita head, and the direction of a symplectic pair.
VERTEX, TIED, ARROW = "●", "○", "▸"
#: Tables with more rows or columns than this are not printed.
WIDEST = 32


def text(diagram: Diagram, group: Group | None = None) -> str:
    """A diagram in box-drawing characters: outputs on top, inputs below.

    >>> from eqsynth import Diagram
    >>> from eqsynth.diagrams.text import text
    >>> print(text(Diagram(2, 2, ((0, 1), (2,), (3,)))))
    ●   ●
    ╰───╯
      ●   ●

    Each block of two or more vertices has a horizontal line of its own; where a strand crosses the
    line of another block it passes in front, without a joint. With a group, vertices tied to a head are
    circles, symplectic pairs within a row have an arrow, and for Aut(G) vertices are the letters of the
    formula, with the edges of the bilabelled graph in a line of their own.
    """
    dots = [VERTEX] * (diagram.outputs + diagram.inputs)
    if group is not None and diagram.head:
        dots = [TIED if number in diagram.head else VERTEX for number in diagram.labels]
    if group is not None and group.kept_graph is not None:
        dots = list(diagram.marks())
    columns = [_column(diagram, vertex) for vertex in range(diagram.outputs + diagram.inputs)]
    joined = [block for block in diagram.blocks if len(block) > 1]
    lanes = _lanes([(min(columns[v] for v in block), max(columns[v] for v in block)) for block in joined])
    width = max(columns, default=0) + 1
    height = max(lanes, default=-1) + 1
    grid = [[" "] * width for _ in range(height)]
    strands: list[tuple[int, int, int]] = []
    for block, lane in zip(joined, lanes, strict=True):
        ends = {columns[vertex]: (UP if vertex < diagram.outputs else DOWN) for vertex in block}
        first, last = min(ends), max(ends)
        for column in range(first, last + 1):
            mask = (LEFT if column > first else 0) | (RIGHT if column < last else 0) | ends.get(column, 0)
            grid[lane][column] = GLYPHS[mask]
        strands += [(lane, column, way) for column, way in ends.items()]
    for lane, column, way in strands:
        for row in range(lane) if way == UP else range(lane + 1, height):
            grid[row][column] = "│"
    for block, lane in zip(joined, lanes, strict=True):
        first, last = columns[block[0]], columns[block[-1]]
        if group is not None and group.symplectic and (block[0] < diagram.outputs) == (block[-1] < diagram.outputs):
            free = [column for column in range(first + 1, last) if grid[lane][column] == GLYPHS[LEFT | RIGHT]]
            grid[lane][min(free, key=lambda column: abs(2 * column - first - last))] = ARROW
    rows = ["".join(row).rstrip() for row in grid]
    if diagram.edges and group is not None:
        names, line = diagram.letters(), "→" if words.directed(group) else "─"
        rows.insert((len(rows) + 1) // 2, " ".join(f"{names[a][0]}{line}{names[b][0]}" for a, b in diagram.edges))
    if diagram.outputs:
        rows.insert(0, _row(columns[: diagram.outputs], dots))
    if diagram.inputs:
        rows.append(_row(columns[diagram.outputs :], dots[diagram.outputs :]))
    return "\n".join(rows) if rows else "(empty)"


def _column(diagram: Diagram, vertex: int) -> int:
    if vertex < diagram.outputs:
        return STEP * vertex
    return STEP * (vertex - diagram.outputs) + (STEP // 2 if diagram.outputs else 0)


def _lanes(spans: Sequence[tuple[int, int]]) -> list[int]:
    """A row for each span such that spans in one row do not touch."""
    lanes: list[int] = []
    for index, (first, last) in enumerate(spans):
        taken = {lanes[other] for other in range(index) if spans[other][0] <= last and first <= spans[other][1]}
        lanes.append(next(lane for lane in range(len(spans)) if lane not in taken))
    return lanes


def _row(columns: Sequence[int], marks: Sequence[str]) -> str:
    row = ""
    for column, mark in zip(columns, marks, strict=False):
        row = row.ljust(column) + mark
    return row


def picture(element: Element, group: Group | None = None, multiplied: Sequence[Multiplied] = ()) -> str:
    """A basis element as text: a diagram, diagrams side by side for a product, the indices of an orbit, a matrix.

    >>> from eqsynth import Diagram, Group
    >>> from eqsynth.diagrams.text import picture
    >>> print(picture(Diagram(0, 2, ((0, 1),)), Group("Sp", 4)))
    ╭─▸─╮
    ●   ●

    Without a group heads and forms are left out, and tables are empty. With ``multiplied`` the names of what the input
    is the product of stand below its axes.

    >>> print(picture(Diagram(1, 2, ((0, 2), (1,))), multiplied=[[("u", 1), ("v", 1)]]))
    ●
    ╰─────╮
      ●   ●
      u   v
    """
    if isinstance(element, Diagram | Orbit) and multiplied:
        return "\n".join(filter(None, (picture(element, group), _names(element, multiplied[0]))))
    if isinstance(element, Diagram):
        return text(element, group)
    if isinstance(element, tuple):
        own = [[of_factor] for of_factor in multiplied] or [[]] * len(element)
        parts = zip(words.parts(group, element), own, strict=True)
        pictures = [picture(part, factor, of_factor).split("\n") for (factor, part), of_factor in parts]
        wide = [max(map(len, rows)) for rows in pictures]
        lines = zip_longest(*pictures, fillvalue="")
        return "\n".join("  |  ".join(map(str.ljust, line, wide)).rstrip() for line in lines)
    if group is None:
        return ""
    return _orbit(element) if isinstance(element, Orbit) else _table(element, group)


def _orbit(orbit: Orbit) -> str:
    """The indices of the representative where a diagram has its dots."""
    marks = [str(index) for index in orbit.representative]
    step = _step(orbit)
    rows = []
    if orbit.outputs:
        rows.append(_row([step * place for place in range(orbit.outputs)], marks))
    if orbit.inputs:
        shift = step // 2 if orbit.outputs else 0
        rows.append(_row([step * place + shift for place in range(orbit.inputs)], marks[orbit.outputs :]))
    return "\n".join(rows) or "(empty)"


def _step(orbit: Orbit) -> int:
    """Columns between the indices of an orbit."""
    return max([STEP, *(len(str(index)) + 2 for index in orbit.representative)])


def _names(element: Diagram | Orbit, multiplied: Multiplied) -> str:
    """The name of what the input is the product of, below each of its axes."""
    step = STEP if isinstance(element, Diagram) else _step(element)
    names = [name for name, axes in multiplied for _ in range(axes)]
    shift = step // 2 if element.outputs else 0
    return _row([step * place + shift for place in range(element.inputs)], names)


def _table(tensor: MatrixMap, group: Group) -> str:
    """The matrix, a dot for each zero; nothing where it is too large to read."""
    assert isinstance(group.n, int)  # noqa: S101 - groups given by matrices have a size
    rows, columns = group.n**tensor.outputs, group.n**tensor.inputs
    if max(rows, columns) > WIDEST:
        return ""
    cells = [["·"] * columns for _ in range(rows)]
    for row, column, value in tensor.entries:
        cells[row][column] = str(value).replace("-", "−")
    wide = max(len(cell) for line in cells for cell in line)
    return "\n".join(" ".join(cell.rjust(wide) for cell in line) for line in cells)


def fragment(half: Half, above: bool) -> str:
    """A half-diagram in one line, inputs below and outputs ``above``; nothing where its blocks are tangled.

    >>> from eqsynth.diagrams.diagram import Half
    >>> from eqsynth.diagrams.text import fragment
    >>> fragment(Half(((0, 1), (2,)), (0,)), False), fragment(Half(((0, 2), (1,)), (0, 1)), True)
    ('╭┴╮ •', '╰┬│─╯')
    """
    # Blocks of inputs lead up, those of outputs down.
    left, right, joint, leg = "╰╯┴┬" if above else "╭╮┬┴"
    kept = {vertex for block in half.kept for vertex in half.blocks[block]}
    several = {vertex for block in half.blocks for vertex in block if len(block) > 1}
    line = list(" ".join("│" if v in kept else "•" for v in range(sum(map(len, half.blocks)))))
    covered: set[int] = set()
    for number, block in enumerate(half.blocks):
        first, last = block[0], block[-1]
        inside = set(range(first + 1, last)) - {*block}
        if first == last:
            continue
        if covered & {*range(first, last + 1)} or inside & several:
            return ""
        covered |= {*range(first, last + 1)}
        line[2 * first], line[2 * last] = left, right
        for column in range(2 * first + 1, 2 * last):
            if column % 2:
                line[column] = "─"
            elif column // 2 not in inside:
                line[column] = joint
        if number in half.kept:
            line[2 * first + 1] = leg
    return "".join(line)
