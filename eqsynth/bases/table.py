"""Bases for people and programs: text pictures and tables for terminals, and the same as data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from itertools import zip_longest
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from eqsynth import words
from eqsynth.diagram import Diagram, Element, Orbit, Tensor
from eqsynth.errors import SizeError, abridged
from eqsynth.group import Aut, Group
from eqsynth.space import Order, is_plain, order_text, plain

if TYPE_CHECKING:
    from eqsynth.bases import Basis
    from eqsynth.figure import Drawing

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
#: The most characters of the words beside a picture before they are broken.
LINE = 84
#: The most drawings in one file.
MOST = 1_000


def text(diagram: Diagram, group: Group | None = None) -> str:
    """A diagram in box-drawing characters: outputs on top, inputs below.

    >>> from eqsynth import Diagram
    >>> from eqsynth.draw import text
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
    if group is not None and group.family == "Aut":
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
        if group is not None and group.family == "Sp" and (block[0] < diagram.outputs) == (block[-1] < diagram.outputs):
            free = [column for column in range(first + 1, last) if grid[lane][column] == GLYPHS[LEFT | RIGHT]]
            grid[lane][min(free, key=lambda column: abs(2 * column - first - last))] = ARROW
    rows = ["".join(row).rstrip() for row in grid]
    if diagram.edges and group is not None:
        names, line = diagram.letters(), "→" if isinstance(group, Aut) and group.graph.directed else "─"
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
    found: list[int] = []
    for index, (first, last) in enumerate(spans):
        taken = {found[other] for other in range(index) if spans[other][0] <= last and first <= spans[other][1]}
        found.append(next(lane for lane in range(len(spans)) if lane not in taken))
    return found


def _row(columns: Sequence[int], marks: Sequence[str]) -> str:
    row = ""
    for column, mark in zip(columns, marks, strict=False):
        row = row.ljust(column) + mark
    return row


def picture(element: Element, group: Group | None = None) -> str:
    """A basis element as text: a diagram, diagrams side by side for a product, the indices of an orbit, a matrix.

    >>> from eqsynth import Diagram, Group
    >>> from eqsynth.draw import picture
    >>> print(picture(Diagram(0, 2, ((0, 1),)), Group("Sp", 4)))
    ╭─▸─╮
    ●   ●

    Without a group heads and forms are left out, and tables are empty.
    """
    if isinstance(element, Diagram):
        return text(element, group)
    if isinstance(element, tuple):
        pictures = [picture(part, factor).split("\n") for factor, part in words.parts(group, element)]
        wide = [max(map(len, rows)) for rows in pictures]
        lines = zip_longest(*pictures, fillvalue="")
        return "\n".join("  |  ".join(map(str.ljust, line, wide)).rstrip() for line in lines)
    if group is None:
        return ""
    return _orbit(element) if isinstance(element, Orbit) else _table(element, group)


def _orbit(orbit: Orbit) -> str:
    """The indices of the representative where a diagram has its dots."""
    marks = [str(index) for index in orbit.representative]
    step = max(STEP, *(len(mark) + 2 for mark in marks)) if marks else STEP
    rows = []
    if orbit.outputs:
        rows.append(_row([step * place for place in range(orbit.outputs)], marks))
    if orbit.inputs:
        shift = step // 2 if orbit.outputs else 0
        rows.append(_row([step * place + shift for place in range(orbit.inputs)], marks[orbit.outputs :]))
    return "\n".join(rows) or "(empty)"


def _table(tensor: Tensor, group: Group) -> str:
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


def heading(basis: Basis) -> list[str]:
    """The lines above the pictures of a basis: its size, its certificate, and how to read the pictures.

    >>> import eqsynth as eq
    >>> from eqsynth.draw import heading
    >>> heading(eq.basis("O(3)", 2, 1))[2]
    'Every linear map with this symmetry from x, a 3 × 3 matrix, to y, a vector of 3 numbers, is zero.'
    """
    maps = "map" if len(basis) == 1 else "maps"
    x, y = words.space(basis.group, basis.inputs), words.space(basis.group, basis.outputs)
    sums = "is a weighted sum of these." if len(basis) else "is zero."
    lines = [
        f"{abridged(basis.group)}: order {order_text(basis.inputs)} -> order {order_text(basis.outputs)}, "
        f"{len(basis)} independent equivariant {maps}",
        words.symmetry(basis.group),
        f"Every linear map with this symmetry from x, {x}, to y, {y}, {sums}",
        f"certificate: {basis.certificate}",
    ]
    counts = Counter(type(element).__name__ for element in basis.diagrams)
    if basis.group.family == "Aut":
        lines.append(f"{counts['Diagram']} bilabelled graphs, {counts['Orbit']} orbit indicators")
    if basis.group.diagrammatic:
        lines.append("outputs y on top, inputs x below; joined vertices share an index; cost for C -> C channels")
    parts = [part for element in basis.diagrams for part in words.parts(basis.group, element)]
    if any(isinstance(part, Diagram) and part.head for _, part in parts):
        lines.append(f"vertices {TIED} are tied to the head: the Levi-Civita tensor ε of their indices")
    lines += [f"{kind}: {words.SOURCES[kind]}" for kind in dict.fromkeys(words.kind(*part) for part in parts)]
    return lines


def basis_table(basis: Basis, limit: int | None, index: int | None = None) -> str:
    r"""The text of ``print(basis)``: a row for each of the first ``limit`` elements, or for element ``index`` alone.

    >>> import eqsynth as eq
    >>> from eqsynth.draw import basis_table
    >>> print(basis_table(eq.basis("O(n)", 1, 1), None).split("\n\n")[1])
        diagram   formula        cost   from
    """
    lines = [*heading(basis), ""]
    chosen = range(len(basis))[:limit] if index is None else [index]
    shown = [basis.diagrams[number] for number in chosen]
    pictures = [picture(element, basis.group).split("\n") for element in shown]
    columns = {
        "formula": [words.formula(basis.group, basis[number], basis.turned(number)) for number in chosen],
        "cost": [words.cost(basis.group, element) for element in shown],
        "from": [words.kind(basis.group, element) for element in shown],
    }
    drawn = any(rows != [""] for rows in pictures)
    wide = max([len("diagram") * drawn, *(len(row) for rows in pictures for row in rows)])
    widths = {name: max(map(len, (name, *cells))) for name, cells in columns.items() if any(cells)}
    digits = len(str(max(len(basis) - 1, 0)))
    table = [("", ["diagram" if drawn else ""], ["   ".join(name.ljust(width) for name, width in widths.items())])]
    for number, rows, element, *cells in zip(chosen, pictures, shown, *(columns[name] for name in widths), strict=True):
        aside = "   ".join(cell.ljust(width) for cell, width in zip(cells, widths.values(), strict=True))
        meant = words.meaning(basis.group, element), words.turned(basis.turned(number))
        said = wrap(" ".join(filter(None, meant)), LINE)
        # The formula stands beside the middle of the picture, the words below the formula.
        table.append((str(number), rows, [*[""] * (len(rows) // 2), aside, *said]))
    for label, left, right in table if shown else []:
        number_line = len(left) // 2
        for row, (mark, text) in enumerate(zip_longest(left, right, fillvalue="")):
            lines.append(f"{label if row == number_line else '':>{digits}}   {mark:<{wide}}   {text}".rstrip())
        lines.append("")
    if index is None and len(shown) < len(basis):
        lines.append(f"... and {len(basis) - len(shown)} more: basis.table(limit=None), or show --all, has them")
    return "\n".join(lines).rstrip()


def basis_data(basis: Basis, index: int | None = None) -> dict[str, Any]:
    """A basis as dictionaries, lists, numbers and text, ready for JSON; with ``index``, of that element alone.

    >>> import eqsynth as eq
    >>> from eqsynth.draw import basis_data
    >>> data = basis_data(eq.basis("S(n)", 1, 1))
    >>> data["dimension"], data["elements"][1]["formula"], data["elements"][1]["factors"][0]["blocks"]
    (2, 'y[a] += x[a]', ((0, 1),))

    Each element has its ``index``, ``kind``, ``formula``, what it does in ``words``, ``cost``, its ``drawing``, and in
    ``factors`` for each factor of the group the blocks, edges and head of the diagram, or the table.
    """
    from eqsynth import drawing

    chosen = range(len(basis)) if index is None else [index]
    elements = []
    for number in chosen:
        element = basis.diagrams[number]
        drawn = drawing.drawing(basis.group, element, basis.turned(number))
        elements.append({
            "index": number, "kind": drawn.kind, "formula": drawn.formula, "words": drawn.words,
            "cost": words.cost(basis.group, element),
            "factors": [asdict(part) for _, part in words.parts(basis.group, element)], "drawing": drawn.data(),
        })  # fmt: skip
    return {
        "group": str(basis.group), "inputs": _data(basis.inputs), "outputs": _data(basis.outputs),
        "dimension": len(basis),
        "certificate": {**asdict(basis.certificate), "text": str(basis.certificate)}, "elements": elements,
    }  # fmt: skip


def _data(order: Order) -> int | tuple[int, ...] | str:
    """An order as plain data: numbers, or the text of one with symmetric parts."""
    return plain(order) if is_plain(order) else order_text(order)


def drawings(basis: Basis, limit: int | None = None) -> tuple[list[Drawing], list[str]]:
    r"""The drawings of a basis, and a caption for each: number and formula.

    >>> import eqsynth as eq
    >>> from eqsynth.draw import drawings
    >>> drawings(eq.basis("O(n)", 1, 1))[1]
    ['0\xa0\xa0y[a] += x[a]']

    Raises SizeError above 1,000 pictures.
    """
    from eqsynth import drawing

    if len(basis) > MOST and limit is None:
        raise SizeError(
            f"{basis.group} {order_text(basis.inputs)} -> {order_text(basis.outputs)} has {len(basis):,} maps, "
            f"more than {MOST:,} pictures do no good in one file: choose one with --index, or ask for lower orders"
        )
    listed = enumerate(basis.diagrams[:limit])
    drawn = [drawing.drawing(basis.group, element, basis.turned(number)) for number, element in listed]
    # No-break spaces, which SVG and HTML keep.
    return drawn, [f"{number}\u00a0\u00a0{found.formula}" for number, found in enumerate(drawn)]
