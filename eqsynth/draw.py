"""Pictures of diagrams and bases. Text for terminals; positions first, characters after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from eqsynth.diagram import Diagram, Element

if TYPE_CHECKING:
    from eqsynth.bases import Basis

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


def text(diagram: Diagram) -> str:
    """A diagram in box-drawing characters: outputs on top, inputs below.

    >>> from eqsynth import Diagram
    >>> from eqsynth.draw import text
    >>> print(text(Diagram(2, 2, ((0, 1), (2,), (3,)))))
    ●   ●
    ╰───╯
      ●   ●

    Each block of two or more vertices has a horizontal line of its own; where a strand crosses the
    line of another block it passes in front, without a joint.
    """
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
    rows = ["".join(row).rstrip() for row in grid]
    if diagram.outputs:
        rows.insert(0, _dots(columns[: diagram.outputs]))
    if diagram.inputs:
        rows.append(_dots(columns[diagram.outputs :]))
    return "\n".join(rows) if rows else "(empty)"


def _column(diagram: Diagram, vertex: int) -> int:
    if vertex < diagram.outputs:
        return STEP * vertex
    return STEP * (vertex - diagram.outputs) + (STEP // 2 if diagram.outputs else 0)


def _lanes(spans: Sequence[tuple[int, int]]) -> list[int]:
    """A row for each span such that spans in one row do not touch."""
    found: list[int] = []
    for index, (first, last) in enumerate(spans):
        taken = {found[other] for other in range(index) if spans[other][0] <= last and first <= spans[other][1]}
        found.append(next(lane for lane in range(len(spans)) if lane not in taken))
    return found


def _dots(columns: Sequence[int]) -> str:
    row = [" "] * (columns[-1] + 1)
    for column in columns:
        row[column] = "●"
    return "".join(row)


def cost(diagram: Diagram, n: int | str) -> str:
    """The work of one diagram per sample: multiply-adds per channel pair, additions per channel."""
    reads, writes = diagram.bottom_only + diagram.through, diagram.top_only + diagram.through
    mixing = _power(n, diagram.through)
    adds = [_power(n, blocks) for blocks, used in ((reads, diagram.bottom_only), (writes, diagram.top_only)) if used]
    return f"{mixing} C² + {' + '.join(adds)} C" if adds else f"{mixing} C²"


def _power(n: int | str, exponent: int) -> str:
    if exponent == 0:
        return "1"
    if exponent == 1:
        return str(n)
    return f"{n}{''.join('⁰¹²³⁴⁵⁶⁷⁸⁹'[int(digit)] for digit in str(exponent))}"


def picture(element: Element) -> str:
    """A basis element as text: a diagram, diagrams side by side for a product, nothing for a table."""
    if isinstance(element, Diagram):
        return text(element)
    if isinstance(element, tuple):
        pictures = [text(part).split("\n") for part in element]
        height = max(map(len, pictures))
        wide = [max(map(len, rows)) for rows in pictures]
        rows = []
        for line in range(height):
            cells = [
                (rows_[line] if line < len(rows_) else "").ljust(w) for rows_, w in zip(pictures, wide, strict=True)
            ]
            rows.append("  |  ".join(cells).rstrip())
        return "\n".join(rows)
    return ""


def _cost(basis: Basis, element: Element) -> str:
    if isinstance(element, Diagram) and basis.group.diagrammatic:
        return cost(element, basis.group.n)
    if isinstance(element, tuple):
        return " x ".join(cost(part, factor.n) for part, factor in zip(element, basis.group.factors, strict=True))
    return ""


def basis_table(basis: Basis, limit: int | None) -> str:
    """The text of ``print(basis)``."""
    maps = "map" if len(basis) == 1 else "maps"
    lines = [
        f"{basis.group}: order {basis.inputs} -> order {basis.outputs}, {len(basis)} independent equivariant {maps}",
        f"certificate: {basis.certificate}",
    ]
    counts = Counter(type(element).__name__ for element in basis.diagrams)
    if basis.group.family == "Aut":
        lines.append(f"{counts['Diagram']} bilabelled graphs, {counts['Orbit']} orbit indicators")
    if basis.group.diagrammatic:
        lines.append("outputs y on top, inputs x below; joined vertices share an index; cost for C -> C channels")
    lines.append("")
    shown = basis.diagrams if limit is None else basis.diagrams[:limit]
    pictures = [picture(element).split("\n") for element in shown]
    formulas = basis.formulas()[: len(shown)]
    wide = max((len(row) for rows in pictures for row in rows), default=0)
    wide_formula = max(map(len, formulas), default=0)
    number = len(str(max(len(basis) - 1, 0)))
    for index, (element, rows, formula) in enumerate(zip(shown, pictures, formulas, strict=True)):
        middle = len(rows) // 2
        for row, line in enumerate(rows):
            side = f"{formula:<{wide_formula}}   {_cost(basis, element)}" if row == middle else ""
            label = str(index) if row == middle else ""
            lines.append(f"{label:>{number}}   {line:<{wide}}   {side}".rstrip())
        if rows != [""]:
            lines.append("")
    if len(shown) < len(basis):
        lines.append(f"... and {len(basis) - len(shown)} more: basis.table(limit=None), or show --all, has them")
    return "\n".join(lines).rstrip()
