"""Where the vertices, strands, edges, heads and letters of a diagram go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import ceil, floor, hypot, sqrt

from eqsynth.diagrams import words
from eqsynth.diagrams.diagram import Diagram, Element, MatrixMap, Multiplied, Orbit
from eqsynth.diagrams.shapes import (
    DOME,
    DOT,
    Box,
    Cell,
    Dot,
    Drawing,
    Head,
    Item,
    Label,
    Point,
    Strand,
    Style,
    along,
    arrowhead,
    box,
    rounded,
    shifted,
)
from eqsynth.exact.permutations import runs
from eqsynth.families.group import Group

MARGIN = 0.12
#: Half the width that a leg needs at the head.
LEG = 0.14
#: Tables with more entries are drawn without numbers.
NUMBERED = 150


def drawing(
    group: Group | str | None,
    element: Element,
    turns: Sequence[tuple[Sequence[int], int]] = (),
    multiplied: Sequence[Multiplied] = (),
) -> Drawing:
    """The drawing of a basis element: outputs on the top row, inputs on the bottom row.

    >>> from eqsynth import Diagram
    >>> from eqsynth.diagrams.layout import drawing
    >>> [strand.kind for strand in drawing("Sp(4)", Diagram(0, 2, ((0, 1),))).strands]
    ['form']

    A block of several vertices is drawn as arcs between neighbours in a row and one strand from row to row. The group
    says what pairs and heads mean; None draws a diagram as well as that can be done alone. ``turns``: the
    permutations of the output's axes over which a map of symmetric tensors is added, with signs (``Basis.turned``).
    ``multiplied``: the names of what the input is the product of stand below its axes (``ProductHom.multiplied``).

    Source: arXiv 2212.08648 (partitions), 2212.08630 (pairings), 2301.10152 (jellyfish), 2307.07810 (graphs).
    """
    group = Group.parse(group) if group is not None else None
    sketch = _Sketch()
    parts = words.parts(group, element)
    height = max(_height(factor, part) for factor, part in parts)
    for number, (factor, part) in enumerate(parts):
        panel = _Sketch(first=len(sketch.styles))
        if isinstance(part, MatrixMap):
            _draw_table(panel, factor, part)
        elif isinstance(part, Orbit):
            _draw_orbit(panel, part, height)
        elif part.edges or () in part.blocks or (factor is not None and factor.kept_graph is not None):
            _draw_graph(panel, factor, part, height)
        else:
            _draw_diagram(panel, factor, part, height)
        if multiplied and not isinstance(part, MatrixMap):
            _write_names(panel, part, height, multiplied[number])
        sketch.append(panel, height)
    meaning = words.meaning_of_product if multiplied else words.meaning
    said = " ".join(filter(None, (meaning(group, element), words.permuted(turns))))
    return sketch.finish(words.kind(group, element), words.formula(group, element, turns, multiplied), said)


@dataclass(slots=True)
class _Sketch:
    """Items in the making. ``styles`` are those of blocks, which are numbered from ``first``."""

    first: int = 0
    items: list[Item] = field(default_factory=list)
    styles: list[Style] = field(default_factory=list)

    def bounds(self) -> Box:
        left, top, right, bottom = zip(*(box(item) for item in self.items), strict=True)
        return min(left), min(top), max(right), max(bottom)

    def number(self, marks: Sequence[str], joined: Sequence[bool]) -> list[int]:
        """Numbers in the whole drawing for the blocks of this panel; ``joined``: whether a block has a strand.

        Each panel counts its dashes from 0, those with a strand first: a factor of a product looks as it does alone.
        """
        order = sorted(range(len(marks)), key=lambda block: not joined[block])
        self.styles += [Style(mark, order.index(block)) for block, mark in enumerate(marks)]
        return [self.first + block for block in range(len(marks))]

    def strands(self) -> list[Strand]:
        return [item for item in self.items if isinstance(item, Strand)]

    def samples(self, *kinds: str) -> list[Point]:
        """Points on all strands of the given kinds."""
        return [point for strand in self.strands() if strand.kind in kinds for point in _sampled(strand.points)]

    def append(self, panel: _Sketch, height: float) -> None:
        """Another factor's panel, to the right of what is there, behind a product sign."""
        left = panel.bounds()[0]
        right = self.bounds()[2] if self.items else left
        if self.items:
            self.items.append(Label(right + 0.45, height / 2, "⊗", "word"))
            right += 0.9
        self.items += [shifted(item, right - left, 0.0) for item in panel.items]
        self.styles += panel.styles

    def finish(self, kind: str, formula: str, meaning: str) -> Drawing:
        left, top, right, bottom = self.bounds()
        placed = [shifted(item, MARGIN - left, MARGIN - top) for item in self.items]
        size = (rounded(right - left + 2 * MARGIN), rounded(bottom - top + 2 * MARGIN))
        return Drawing(
            kind, formula, meaning, *size, tuple(self.styles),
            strands=tuple(item for item in placed if isinstance(item, Strand)),
            heads=tuple(item for item in placed if isinstance(item, Head)),
            cells=tuple(item for item in placed if isinstance(item, Cell)),
            dots=tuple(item for item in placed if isinstance(item, Dot)),
            labels=tuple(item for item in placed if isinstance(item, Label)),
        )  # fmt: skip


def _depth(span: float) -> float:
    """How far an arc over ``span`` steps leaves its row."""
    return 0.2 + 0.15 * span if span > 0 else 0.0


def _height(group: Group | None, element: Element) -> float:
    """The distance of the rows: the same for all elements of a basis that are drawn in the same way."""
    if isinstance(element, tuple | MatrixMap):
        return 0.0
    deep = _depth(element.outputs - 1) + _depth(element.inputs - 1)
    if isinstance(element, Diagram):
        if group is not None and group.kept_graph is not None:
            return 2.8
        if element.edges or () in element.blocks:
            return 2.8
        if element.head:
            return max(deep + 1.1, 2.0)
    return max(deep + 0.5, 1.5)


def _rows(element: Diagram | Orbit, height: float) -> list[Point]:
    """Both rows, centred over each other."""
    wide = max(element.outputs, element.inputs)
    return [
        (place + (wide - row) / 2, y)
        for row, y in ((element.outputs, 0.0), (element.inputs, height))
        for place in range(row)
    ]


def _write_marks(sketch: _Sketch, at: Sequence[Point], outputs: int, height: float, marks: Sequence[str]) -> None:
    for vertex, ((x, y), mark) in enumerate(zip(at, marks, strict=True)):
        sketch.items.append(Label(x, y + (-0.36 if vertex < outputs else 0.36), mark))
    if not sketch.items:
        sketch.items.append(Label(0.0, height / 2, "(empty)", "word"))


def _write_names(sketch: _Sketch, element: Diagram | Orbit, height: float, multiplied: Multiplied) -> None:
    """A line below the axes of each tensor that the input is the product of, and its name."""
    below = _rows(element, height)[element.outputs :]
    start = 0
    for name, axes in multiplied:
        if axes:
            left, right = below[start][0] - 0.3, below[start + axes - 1][0] + 0.3
            ends = ((left, height + 0.62), (right, height + 0.62))
            sketch.items.append(Strand((ends[0], *ends, ends[1]), -1, "frame"))
            sketch.items.append(Label((left + right) / 2, height + 0.88, name))
        start += axes


def _arc(at: Sequence[Point], left: int, right: int, height: float) -> tuple[Point, ...]:
    (x, y), (last, _) = at[left], at[right]
    tip = y + (1 if y < height / 2 else -1) * _depth(last - x) * 4 / 3
    return ((x, y), (x, tip), (last, tip), (last, y))


def _down(start: Point, end: Point) -> tuple[Point, ...]:
    """A curve that is upright at both ends."""
    bend = (start[1] + end[1]) / 2
    return (start, (start[0], bend), (end[0], bend), end)


def _draw_block(
    sketch: _Sketch,
    at: Sequence[Point],
    block: Sequence[int],
    outputs: int,
    height: float,
    style: int,
    symplectic: bool,
) -> None:
    above, below = [v for v in block if v < outputs], [v for v in block if v >= outputs]
    for row in (above, below):
        for left, right in pairwise(row):
            form = symplectic and len(row) == len(block)
            sketch.items.append(Strand(_arc(at, left, right, height), style, "form" if form else "strand"))
    if above and below:
        top, bottom = min(((t, b) for t in above for b in below), key=lambda ends: abs(at[ends[0]][0] - at[ends[1]][0]))
        sketch.items.append(Strand(_down(at[top], at[bottom]), style))


def _draw_diagram(sketch: _Sketch, group: Group | None, diagram: Diagram, height: float) -> None:
    at = _rows(diagram, height)
    letters = ["".join(of_block) for of_block in diagram.letters(bool(words.form_of(group)))]
    joined = [len(block) > 1 or number in diagram.head for number, block in enumerate(diagram.blocks)]
    style = sketch.number(letters, joined)
    for number, block in enumerate(diagram.blocks):
        _draw_block(sketch, at, block, diagram.outputs, height, style[number], words.symplectic(group))
    sketch.items = [
        _pointed(item, sketch) if isinstance(item, Strand) and item.kind == "form" else item for item in sketch.items
    ]
    if diagram.head:
        missing = group is not None and group.jellyfish and len(diagram.head) + 1 == group.n
        for head in runs(diagram.head, diagram.head):
            _draw_head(sketch, at, diagram, head, height, style, missing)
    for vertex, number in enumerate(diagram.labels):
        sketch.items.append(Dot(*at[vertex], style[number]))
    _write_marks(sketch, at, diagram.outputs, height, diagram.marks(bool(words.form_of(group))))


def _draw_head(
    sketch: _Sketch,
    at: Sequence[Point],
    diagram: Diagram,
    head: Sequence[int],
    height: float,
    style: Sequence[int],
    missing: bool,
) -> None:
    """A head where it hides least, and a leg from each of its blocks, to the nearest vertex."""
    blocks = [diagram.blocks[number] for number in head]
    up = sum(block[-1] >= diagram.outputs for block in blocks) * 2 >= len(blocks)
    width = max(2 * LEG * (len(blocks) + 1), 0.7)
    flat = height / 2 + (DOME / 2 if up else -DOME / 2)
    samples = sketch.samples("strand")
    drawn = [item for item in sketch.items if isinstance(item, Head)]

    def feet(x: float) -> list[int]:
        """The vertex of each block that a head at ``x`` holds; those on the side of the dome are a little farther."""
        away = {v: 0.4 * ((at[v][1] > flat) != up) for block in blocks for v in block}
        return [min(block, key=lambda v: abs(at[v][0] - x) + away[v]) for block in blocks]

    def hidden(place: tuple[float, int]) -> tuple[float, float, int]:
        """Strands behind the head and its whisker, then the reach of the legs."""
        x, way = place
        whisker = (x + way * (width / 2 + 0.1), x + way * (width / 2 + 0.5)) if missing else (x, x)
        low, high = min(x - width / 2 - 0.1, *whisker), max(x + width / 2 + 0.1, *whisker)
        inside = sum(low < px < high and abs(py - height / 2) < DOME / 2 + 0.1 for px, py in samples)
        inside += sum(abs(other.x - x) < (other.width + width) / 2 + 0.1 for other in drawn)
        return 100.0 * inside + sum(abs(at[v][0] - x) for v in feet(x)), -x, -way

    first, last = min(x for x, _ in at) - width / 2 - 0.5, max(x for x, _ in at) + width / 2 + 0.5
    slots = [step / 4 for step in range(floor(4 * first), ceil(4 * last) + 1)]
    x, way = min(((x, way) for x in slots for way in (-1, 1)), key=hidden)
    held = list(zip(feet(x), (style[number] for number in head), strict=True))
    for side in (True, False):
        here = sorted((end for end in held if ((at[end[0]][1] > flat) == up) == side), key=lambda end: at[end[0]])
        for place, (vertex, number) in enumerate(here):
            foot, tip = x + (2 * place + 1 - len(here)) * LEG, flat
            if not side:
                tip += (-1 if up else 1) * DOME * sqrt(1 - min(1.0, 2 * abs(foot - x) / width) ** 2)
            sketch.items.append(Strand(_down(at[vertex], (foot, tip)), number, "leg"))
    if missing:
        # The leg whose index is summed: a whisker.
        root, end = (x + way * width / 2, flat), (x + way * (width / 2 + 0.2), flat)
        sketch.items.append(Strand((root, root, end, end), -1, "leg"))
        sketch.items.append(Dot(end[0] + way * DOT, flat, -1, "free"))
    sketch.items.append(Head(x, flat, width, up))
    sketch.items.append(Label(x, flat + (-0.42 if up else 0.42) * DOME, "ε", "word"))


def _pointed(strand: Strand, sketch: _Sketch) -> Strand:
    """The strand with an arrowhead near its middle, where no other strand is close."""
    others = [point for other in sketch.strands() if other is not strand for point in _sampled(other.points, 16)]

    def clear(t: float) -> float:
        (x, y), _ = along(strand.points[:4], t)
        return min([0.25, *(hypot(x - px, y - py) for px, py in others)])

    return replace(strand, arrow=max((0.54, 0.4, 0.68, 0.3, 0.78), key=clear))


def _sampled(points: Sequence[Point], pieces: int = 8) -> list[Point]:
    return [
        along(points[first : first + 4], step / pieces)[0]
        for first in range(0, len(points) - 3, 3)
        for step in range(pieces + 1)
    ]


def _draw_graph(sketch: _Sketch, group: Group | None, diagram: Diagram, height: float) -> None:
    """A bilabelled graph: nodes between the rows, a wire to each label, and edges between nodes."""
    at = _rows(diagram, height)
    letters = [of_block[0] for of_block in diagram.letters()]
    style = sketch.number(letters, [True] * len(letters))
    near: dict[int, list[int]] = {number: [] for number in range(len(letters))}
    for tail, tip in diagram.edges:
        near[tail].append(tip)
        near[tip].append(tail)
    # Internal nodes leave the line of blocks that join the rows, so that edges can be told apart.
    bent = any(_layer(diagram, number)[0] == 0 for number in near)
    nodes: dict[int, Point] = {}
    wires: list[Strand] = []
    middle = max(diagram.outputs, diagram.inputs) / 2 - 0.5
    # Blocks that join the rows first, then those of one row, then internal ones, from the left.
    order = sorted(range(len(letters)), key=lambda number: (_layer(diagram, number)[0], diagram.blocks[number]))
    for number in order:
        block = diagram.blocks[number]
        level = _layer(diagram, number)[1] + (0.14 * (-1) ** number if bent and not block else 0.0)
        around = [at[vertex][0] for vertex in block] or [nodes[other][0] for other in near[number] if other in nodes]
        wished = sum(around) / len(around) if around else middle
        taken = [point for wire in wires for point in _sampled(wire.points)]
        node = _free_place(wished, height * level, list(nodes.values()), taken)
        nodes[number] = node
        wires += [Strand(_down(at[vertex], node), style[number], "wire") for vertex in block]
    sketch.items += wires
    # Undirected edges name the lesser block first, so without a group any other edge shows a direction.
    graph = None if group is None else group.kept_graph
    directed = graph.directed if graph is not None else any(tail > tip for tail, tip in diagram.edges)
    drawn: list[Strand] = []
    for tail, tip in diagram.edges:
        drawn.append(_edge(nodes, tail, tip, drawn))
    sketch.items += [_pointed(edge, sketch) if directed else edge for edge in drawn]
    for vertex, number in enumerate(diagram.labels):
        sketch.items.append(Dot(*at[vertex], style[number]))
    for number, (x, y) in sorted(nodes.items()):
        sketch.items.append(Dot(x, y, style[number], "node"))
        if not diagram.blocks[number]:
            others = [place for other, place in nodes.items() if other != number]
            sketch.items.append(_letter(sketch, (x, y), letters[number], others))
    _write_marks(sketch, at, diagram.outputs, height, diagram.marks())


def _letter(sketch: _Sketch, node: Point, text: str, others: Sequence[Point]) -> Label:
    """The letter of an internal node, beside it where it covers no other letter and as few lines as possible."""
    written = [box(item) for item in sketch.items if isinstance(item, Label)]
    taken = [*sketch.samples("edge", "wire"), *others]
    taken += [point for strand in sketch.strands() if strand.arrow for point in arrowhead(strand)]

    def room(label: Label) -> tuple[bool, float]:
        left, top, right, bottom = box(label)
        clear = all(right <= a or c <= left or bottom <= b or d <= top for a, b, c, d in written)
        return clear, min([0.3, *(hypot(label.x - x, label.y - y) for x, y in taken)])

    shifts = ((0.26, 0), (-0.26, 0), (0.2, -0.22), (-0.2, -0.22), (0.2, 0.22), (-0.2, 0.22), (0, -0.34), (0, 0.34))
    return max((Label(node[0] + dx, node[1] + dy, text) for dx, dy in shifts), key=room)


def _layer(diagram: Diagram, number: int) -> tuple[int, float]:
    block = diagram.blocks[number]
    if not block:
        return (2, 0.5)
    if block[0] < diagram.outputs <= block[-1]:
        return (0, 0.5)
    return (1, 0.27 if block[0] < diagram.outputs else 0.73)


def _free_place(wished: float, y: float, nodes: Sequence[Point], taken: Sequence[Point]) -> Point:
    """The place nearest to the wish that is clear of nodes and wires."""
    shifts = sorted((0.25 * step for step in range(-60, 61)), key=lambda shift: (abs(shift), -shift))
    for clear in (0.28, 0.0):
        for shift in shifts:
            x = wished + shift
            if all(hypot(x - px, y - py) > 0.6 for px, py in nodes) and all(
                hypot(x - px, y - py) >= clear for px, py in taken
            ):
                return (x, y)
    return (wished, y)


def _edge(nodes: dict[int, Point], tail: int, tip: int, drawn: Sequence[Strand]) -> Strand:
    (x, y), (u, v) = nodes[tail], nodes[tip]
    if tail == tip:
        return Strand(((x, y), (x + 0.75, y - 0.6), (x + 0.75, y + 0.6), (x, y)), -1, "edge")
    length = hypot(u - x, v - y)
    away = (-(v - y) / length, (u - x) / length)
    others = [point for number, point in nodes.items() if number not in (tail, tip)]
    others += [point for edge in drawn for point in _sampled(edge.points)[3:-3]]
    best: tuple[float, tuple[Point, ...]] | None = None
    for bow in (0.0, 0.35, -0.35, 0.7, -0.7, 1.0, -1.0):
        bent = tuple(
            (x + (u - x) * part + bow * away[0], y + (v - y) * part + bow * away[1]) for part in (1 / 3, 2 / 3)
        )
        curve = ((x, y), *bent, (u, v))
        inner = _sampled(curve)[2:-2]
        gap = min((hypot(px - ox, py - oy) for px, py in inner for ox, oy in others), default=1.0)
        if best is None or min(gap, 0.2) > min(best[0], 0.2) + 1e-9:
            best = (gap, curve)
    assert best is not None  # noqa: S101 - the loop above has seven rounds
    return Strand(best[1], -1, "edge")


def _draw_orbit(sketch: _Sketch, orbit: Orbit, height: float) -> None:
    """The least index tuple of an orbit: its numbers at the vertices, equal ones joined."""
    at = _rows(orbit, height)
    seen = sorted(set(orbit.representative))
    groups = [[v for v, index in enumerate(orbit.representative) if index == value] for value in seen]
    style = sketch.number([str(value) for value in seen], [len(block) > 1 for block in groups])
    for number, block in enumerate(groups):
        _draw_block(sketch, at, block, orbit.outputs, height, style[number], symplectic=False)
    for vertex, value in enumerate(orbit.representative):
        sketch.items.append(Dot(*at[vertex], style[seen.index(value)], "index"))
    _write_marks(sketch, at, orbit.outputs, height, [str(value) for value in orbit.representative])


def _draw_table(sketch: _Sketch, group: Group | None, tensor: MatrixMap) -> None:
    """The matrix itself: a square for each entry that is not zero."""
    rows, columns = 1 + max(row for row, _, _ in tensor.entries), 1 + max(column for _, column, _ in tensor.entries)
    if group is not None and isinstance(group.n, int):
        rows, columns = group.n**tensor.outputs, group.n**tensor.inputs
    size = min(0.5, 6.0 / max(rows, columns))
    wide, tall = columns * size, rows * size
    for x, inner in ((-0.12, 0.12), (wide + 0.12, -0.12)):
        corners = [(x + inner, 0.0), (x, 0.0), (x, tall), (x + inner, tall)]
        points = [corners[0], *(p for a, b in pairwise(corners) for p in (a, b, b))]
        sketch.items.append(Strand(tuple(points), -1, "frame"))
    for row, column, value in tensor.entries:
        place = ((column + 0.5) * size, (row + 0.5) * size)
        sketch.items.append(Cell(*place, size * 0.84, value, rows * columns <= NUMBERED))
