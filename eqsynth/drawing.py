"""Drawings as data: where the vertices, strands, edges, heads and letters of a diagram go. No characters, no SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from math import hypot, sqrt
from typing import Any

from eqsynth.diagram import Diagram, Element, Orbit, Tensor
from eqsynth.group import Aut, Group

Point = tuple[float, float]
#: Size of the letters and radius of the dots, in steps between neighbouring vertices.
FONT, DOT = 0.34, 0.085
#: A cautious width of a character, in font sizes.
EM = 0.65
MARGIN = 0.12
#: Half the width that a leg needs at the head, and the height of the head's dome.
LEG, DOME = 0.14, 0.46
#: Tables with more entries are drawn without numbers.
NUMBERED = 150


@dataclass(frozen=True, slots=True)
class Style:
    """How a block is told apart: the letters of its index, and the number of its colour and dash pattern."""

    mark: str
    dash: int


@dataclass(frozen=True, slots=True)
class Dot:
    """A vertex. ``kind``: vertex, node (of a bilabelled graph), index (of an orbit), or free (a leg that is summed)."""

    x: float
    y: float
    block: int
    kind: str = "vertex"


@dataclass(frozen=True, slots=True)
class Strand:
    """A chain of cubic Bezier curves, 1 + 3 m points.

    ``kind``: strand, form (a symplectic pair, with an arrow from left to right), leg (to a head), wire (from a label to
    a node), edge (of a bilabelled graph) or frame (of a table).
    """

    points: tuple[Point, ...]
    block: int
    kind: str = "strand"
    arrow: bool = False


@dataclass(frozen=True, slots=True)
class Head:
    """The Levi-Civita tensor: a dome on a flat side at height ``y``, which faces down or, if not ``up``, up."""

    x: float
    y: float
    width: float
    up: bool


@dataclass(frozen=True, slots=True)
class Label:
    """A text, centred. ``kind``: index (a letter of the formula), or word."""

    x: float
    y: float
    text: str
    kind: str = "index"


@dataclass(frozen=True, slots=True)
class Cell:
    """An entry of a table that is not zero: a square of side ``size`` around a point."""

    x: float
    y: float
    size: float
    value: int
    numbered: bool


Item = Dot | Strand | Head | Label | Cell


@dataclass(frozen=True, slots=True)
class Drawing:
    """The picture of one basis element, in steps between vertices; x to the right, y down, origin at the top left.

    >>> from eqsynth import Diagram, Group
    >>> from eqsynth.drawing import drawing
    >>> swap = drawing(Group("S", "n"), Diagram(2, 2, ((0, 3), (1, 2))))
    >>> swap.kind, swap.formula, [style.mark for style in swap.styles]
    ('partition', 'y[a,b] += x[b,a]', ['a', 'b'])
    >>> swap.words
    'The output at (a, b) receives the input at (b, a).'

    Everything lies within ``width`` and ``height``, the text included. ``styles`` has one entry per block; marks differ
    for all blocks of a diagram, dashes for those that have a strand, which come first. Items later in a
    tuple are drawn over earlier ones. ``dataclasses.asdict`` gives plain data.
    """

    kind: str
    formula: str
    words: str
    width: float
    height: float
    styles: tuple[Style, ...] = ()
    strands: tuple[Strand, ...] = ()
    heads: tuple[Head, ...] = ()
    cells: tuple[Cell, ...] = ()
    dots: tuple[Dot, ...] = ()
    labels: tuple[Label, ...] = ()

    def data(self) -> dict[str, Any]:
        """The drawing as dictionaries, lists and numbers, ready for JSON."""
        return asdict(self)


def drawing(group: Group | str | None, element: Element) -> Drawing:
    """The drawing of a basis element: outputs on the top row, inputs on the bottom row.

    >>> from eqsynth import Diagram
    >>> from eqsynth.drawing import drawing
    >>> [strand.kind for strand in drawing("Sp(4)", Diagram(0, 2, ((0, 1),))).strands]
    ['form']

    A block of several vertices is drawn as arcs between neighbours in a row and one strand from row to row. The group
    says what pairs and heads mean; None draws a diagram as well as that can be done alone.

    Source: arXiv 2212.08648 (partitions), 2212.08630 (pairings), 2301.10152 (jellyfish), 2307.07810 (bilabelled graphs).
    """
    group = Group.parse(group) if group is not None else None
    sketch = _Sketch()
    parts = element if isinstance(element, tuple) else (element,)
    factors = group.factors if group is not None else (None,) * len(parts)
    height = max(_height(factor, part) for factor, part in zip(factors, parts, strict=True))
    for number, (factor, part) in enumerate(zip(factors, parts, strict=True)):
        if number:
            sketch.items.append(Label(sketch.x + 0.1, height / 2, "⊗", "word"))
            sketch.x += 1.1
        if isinstance(part, Tensor):
            _draw_table(sketch, factor, part)
        elif isinstance(part, Orbit):
            _draw_orbit(sketch, part, height)
        elif part.edges or () in part.blocks or (factor is not None and factor.family == "Aut"):
            _draw_graph(sketch, factor, part, height)
        else:
            _draw_diagram(sketch, factor, part, height)
        sketch.x = max(sketch.x, sketch.bounds()[2])
    return sketch.finish(kind(group, element), formula(group, element), words(group, element))


def kind(group: Group | None, element: Element) -> str:
    """What sort of picture an element has, in the words of the papers.

    >>> from eqsynth import Diagram, Group
    >>> from eqsynth.drawing import kind
    >>> kind(Group("SO", 2), Diagram(1, 1, ((0,), (1,)), head=(0, 1)))
    'head (Levi-Civita)'
    """
    if isinstance(element, tuple):
        factors = group.factors if group is not None else (None,) * len(element)
        return " x ".join(kind(factor, part) for factor, part in zip(factors, element, strict=True))
    if not isinstance(element, Diagram):
        return "orbit" if isinstance(element, Orbit) else "matrix"
    family = group.family if group is not None else ""
    if family == "Aut" or element.edges or () in element.blocks:
        return "bilabelled graph"
    if element.head:
        tied = family == "A" or (not family and len(element.head) == len(element.blocks))
        return "jellyfish" if tied else "head (Levi-Civita)"
    return {"O": "Brauer", "SO": "Brauer", "Sp": "symplectic Brauer"}.get(family, "partition")


def formula(group: Group | None, element: Element) -> str:
    """The index formula of an element; the group says whether pairs within a row carry a form."""
    if isinstance(element, tuple):
        factors = group.factors if group is not None else (None,) * len(element)
        return " ⊗ ".join(formula(factor, part) for factor, part in zip(factors, element, strict=True))
    return element.formula(_symplectic(group)) if isinstance(element, Diagram) else element.formula()


def words(group: Group | None, element: Element) -> str:
    """The index formula in words, for people who hear it read.

    >>> from eqsynth import Diagram, Group
    >>> from eqsynth.drawing import words
    >>> words(Group("S", "n"), Diagram(1, 2, ((0, 1), (2,))))
    'The output at (a) receives the input at (a, b), summed over b.'
    """
    if isinstance(element, tuple):
        factors = group.factors if group is not None else (None,) * len(element)
        said = (words(factor, part) for factor, part in zip(factors, element, strict=True))
        return " ".join(f"On factor {number}: {text}" for number, text in enumerate(said, 1))
    if isinstance(element, Tensor):
        return f"A matrix: {element.formula()}."
    if isinstance(element, Orbit):
        at = [str(index) for index in element.representative]
        ends = "and likewise at every image of these indices"
        return f"{_received(at[: element.outputs], at[element.outputs :])}, {ends}."
    letters, marks = element.letters(_symplectic(group)), element.marks(_symplectic(group))
    above, below = marks[: element.outputs], marks[element.outputs :]
    said = _received(above, below)
    if element.head:
        said += f", times the sign of {', '.join(letters[block][0] for block in element.head)} (Levi-Civita)"
    said += "".join(f", times the form omega of {', '.join(pair)}" for pair in letters if len(pair) == 2)
    said += "".join(f", times the adjacency of {letters[t][0]} and {letters[h][0]}" for t, h in element.edges)
    summed = [letter for of_block in letters for letter in of_block if letter not in above]
    return said + (f", summed over {', '.join(summed)}." if summed else ".")


def _received(above: Sequence[str], below: Sequence[str]) -> str:
    to, source = (f" at ({', '.join(row)})" if row else "" for row in (above, below))
    return f"The output{to} receives the input{source}"


def _symplectic(group: Group | None) -> bool:
    return group is not None and group.family == "Sp"


@dataclass(slots=True)
class _Sketch:
    """Items in the making; ``x`` is the left end of the panel that is being drawn."""

    x: float = 0.0
    items: list[Item] = field(default_factory=list)
    styles: list[Style] = field(default_factory=list)

    def bounds(self) -> tuple[float, float, float, float]:
        boxes = [_box(item) for item in self.items] or [(0.0, 0.0, 0.0, 0.0)]
        lows, highs = [box[:2] for box in boxes], [box[2:] for box in boxes]
        return (*(min(low[axis] for low in lows) for axis in (0, 1)), *(max(high[axis] for high in highs) for axis in (0, 1)))  # type: ignore[return-value]

    def add_styles(self, marks: Sequence[str], joined: Sequence[bool]) -> list[int]:
        """Styles for the blocks of a panel; blocks with a strand get the first dashes."""
        first, taken = len(self.styles), sum(style.dash >= 0 for style in self.styles)
        order = sorted(range(len(marks)), key=lambda block: not joined[block])
        self.styles += [Style(mark, taken + order.index(block)) for block, mark in enumerate(marks)]
        return [first + block for block in range(len(marks))]

    def finish(self, kind: str, formula: str, words: str) -> Drawing:
        left, top, right, bottom = self.bounds()
        moved = [_moved(item, MARGIN - left, MARGIN - top) for item in self.items]
        return Drawing(
            kind, formula, words, _round(right - left + 2 * MARGIN), _round(bottom - top + 2 * MARGIN), tuple(self.styles),
            tuple(item for item in moved if isinstance(item, Strand)), tuple(item for item in moved if isinstance(item, Head)),
            tuple(item for item in moved if isinstance(item, Cell)), tuple(item for item in moved if isinstance(item, Dot)),
            tuple(item for item in moved if isinstance(item, Label)),
        )  # fmt: skip


def _box(item: Item) -> tuple[float, float, float, float]:
    """Bounds of an item with its ink; a curve lies within its control points."""
    if isinstance(item, Strand):
        xs, ys = [x for x, _ in item.points], [y for _, y in item.points]
        grow = 0.12 if item.arrow else 0.04
        return (min(xs) - grow, min(ys) - grow, max(xs) + grow, max(ys) + grow)
    if isinstance(item, Head):
        half = item.width / 2 + 0.04
        above, below = (DOME, 0.0) if item.up else (0.0, DOME)
        return (item.x - half, item.y - above - 0.04, item.x + half, item.y + below + 0.04)
    if isinstance(item, Label):
        half, tall = FONT * EM * len(item.text) / 2, FONT * 0.6
        return (item.x - half, item.y - tall, item.x + half, item.y + tall)
    half = item.size / 2 if isinstance(item, Cell) else DOT * 1.4
    return (item.x - half, item.y - half, item.x + half, item.y + half)


def _moved(item: Item, dx: float, dy: float) -> Item:
    if isinstance(item, Strand):
        return replace(item, points=tuple((_round(x + dx), _round(y + dy)) for x, y in item.points))
    if isinstance(item, Head):
        return replace(item, x=_round(item.x + dx), y=_round(item.y + dy), width=_round(item.width))
    if isinstance(item, Cell):
        return replace(item, x=_round(item.x + dx), y=_round(item.y + dy), size=_round(item.size))
    return replace(item, x=_round(item.x + dx), y=_round(item.y + dy))


def _round(value: float) -> float:
    return round(value, 3) + 0.0


def _depth(span: float) -> float:
    """How far an arc over ``span`` steps leaves its row."""
    return 0.36 * sqrt(max(span, 0))


def _height(group: Group | None, element: Element) -> float:
    """The distance of the rows: the same for all elements of a basis that are drawn in the same way."""
    if isinstance(element, tuple | Tensor):
        return 0.0
    deep = _depth(element.outputs - 1) + _depth(element.inputs - 1)
    if isinstance(element, Diagram):
        if group is not None and group.family == "Aut":
            return 2.6
        if element.edges or () in element.blocks:
            return 2.6
        if element.head:
            return max(deep + 1.1, 2.0)
    return max(deep + 0.5, 1.5)


def _rows(sketch: _Sketch, element: Diagram | Orbit, height: float) -> list[Point]:
    """Both rows, centred over each other."""
    wide = max(element.outputs, element.inputs)
    return [
        (sketch.x + place + (wide - row) / 2, y)
        for row, y in ((element.outputs, 0.0), (element.inputs, height))
        for place in range(row)
    ]


def _write_marks(sketch: _Sketch, at: Sequence[Point], outputs: int, height: float, marks: Sequence[str]) -> None:
    for vertex, ((x, y), mark) in enumerate(zip(at, marks, strict=True)):
        sketch.items.append(Label(x, y + (-0.36 if vertex < outputs else 0.36), mark))
    if not at:
        sketch.items.append(Label(sketch.x + 0.5, height / 2, "(empty)", "word"))


def _arc(at: Sequence[Point], left: int, right: int, height: float) -> tuple[Point, ...]:
    (x, y), (last, _) = at[left], at[right]
    tip = y + (1 if y < height / 2 else -1) * _depth(last - x) * 4 / 3
    return ((x, y), (x, tip), (last, tip), (last, y))


def _down(start: Point, end: Point) -> tuple[Point, ...]:
    """A curve that is upright at both ends."""
    bend = (start[1] + end[1]) / 2
    return (start, (start[0], bend), (end[0], bend), end)


def _draw_block(sketch: _Sketch, at: Sequence[Point], block: Sequence[int], outputs: int, height: float, style: int, symplectic: bool) -> None:
    above, below = [v for v in block if v < outputs], [v for v in block if v >= outputs]
    for row in (above, below):
        for left, right in zip(row, row[1:], strict=False):
            form = symplectic and len(row) == len(block)
            sketch.items.append(Strand(_arc(at, left, right, height), style, "form" if form else "strand", form))
    if above and below:
        top, bottom = min(((t, b) for t in above for b in below), key=lambda ends: abs(at[ends[0]][0] - at[ends[1]][0]))
        sketch.items.append(Strand(_down(at[top], at[bottom]), style))


def _draw_diagram(sketch: _Sketch, group: Group | None, diagram: Diagram, height: float) -> None:
    at = _rows(sketch, diagram, height)
    letters = ["".join(of_block) for of_block in diagram.letters(_symplectic(group))]
    joined = [len(block) > 1 or number in diagram.head for number, block in enumerate(diagram.blocks)]
    style = sketch.add_styles(letters, joined)
    start = len(sketch.items)
    for number, block in enumerate(diagram.blocks):
        _draw_block(sketch, at, block, diagram.outputs, height, style[number], _symplectic(group))
    if diagram.head:
        missing = group is not None and group.family == "A" and len(diagram.head) + 1 == group.n
        _draw_head(sketch, at, diagram, height, style, [i for i in sketch.items[start:] if isinstance(i, Strand)], missing)
    for vertex, number in enumerate(diagram.labels):
        sketch.items.append(Dot(*at[vertex], style[number]))
    _write_marks(sketch, at, diagram.outputs, height, diagram.marks(_symplectic(group)))


def _draw_head(sketch: _Sketch, at: Sequence[Point], diagram: Diagram, height: float, style: Sequence[int], strands: Sequence[Strand], missing: bool) -> None:
    """The head where it hides least, and a leg from each of its blocks, to the nearest vertex."""
    blocks = [diagram.blocks[number] for number in diagram.head]
    up = sum(block[-1] >= diagram.outputs for block in blocks) * 2 >= len(blocks)
    legs = len(blocks) + missing
    width = max(2 * LEG * (legs + 1), 0.7)
    flat = height / 2 + (DOME / 2 if up else -DOME / 2)
    samples = [point for strand in strands for point in _sampled(strand.points)]

    def chosen(x: float) -> list[int]:
        away = 0 if up else diagram.outputs  # vertices on the side of the dome are a little farther
        return [min(block, key=lambda v: abs(at[v][0] - x) + 0.4 * ((v < diagram.outputs) == (away == 0))) for block in blocks]

    def hidden(x: float) -> tuple[float, float]:
        inside = sum(abs(px - x) < width / 2 + 0.1 and abs(py - height / 2) < DOME / 2 + 0.1 for px, py in samples)
        reach = sum(abs(at[vertex][0] - x) for vertex in chosen(x))
        return (inside > 0) * 2.0 + 0.1 * inside + reach / len(blocks), x

    right = max(x for x, _ in at)
    slots = [sketch.x - 0.25 + 0.25 * step for step in range(int((right - sketch.x + 1.0) * 4) + 1)]
    x = min(slots, key=hidden)
    ends = list(zip(chosen(x), (style[number] for number in diagram.head), strict=True))
    for side in (True, False):
        here = sorted((end for end in ends if ((at[end[0]][1] > flat) == up) == side), key=lambda end: at[end[0]])
        places = len(here) + (missing and side)
        for place, (vertex, number) in enumerate(here):
            foot = x + (2 * place + 1 - places) * LEG
            tip = flat
            if not side:
                tip += (-1 if up else 1) * DOME * sqrt(1 - min(1.0, 2 * abs(foot - x) / width) ** 2)
            sketch.items.append(Strand(_down(at[vertex], (foot, tip)), number, "leg"))
        if missing and side:
            foot, tip = x + (places - 1) * LEG, flat + (0.3 if up else -0.3)
            sketch.items.append(Strand(((foot, flat), (foot, tip), (foot, tip), (foot, tip)), -1, "leg"))
            sketch.items.append(Dot(foot, tip + (DOT if up else -DOT), -1, "free"))
    sketch.items.append(Head(x, flat, width, up))
    sketch.items.append(Label(x, flat + (-0.42 if up else 0.42) * DOME, "ε", "word"))


def _sampled(points: Sequence[Point], pieces: int = 8) -> list[Point]:
    return [along(points[first : first + 4], step / pieces)[0] for first in range(0, len(points) - 3, 3) for step in range(pieces + 1)]


def along(curve: Sequence[Point], t: float) -> tuple[Point, Point]:
    """The point at ``t`` in [0, 1] of one cubic curve, and its direction, of length 1.

    >>> from eqsynth.drawing import along
    >>> along([(0, 0), (0, 1), (1, 1), (1, 0)], 0.5)
    ((0.5, 0.75), (1.0, 0.0))
    """
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
    slopes = ((1 - t) ** 2, 2 * t * (1 - t), t**2)
    x, y = (sum(w * point[axis] for w, point in zip(weights, curve, strict=True)) for axis in (0, 1))
    steps = [(b[0] - a[0], b[1] - a[1]) for a, b in zip(curve, curve[1:], strict=False)]
    dx, dy = (sum(w * step[axis] for w, step in zip(slopes, steps, strict=True)) for axis in (0, 1))
    length = hypot(dx, dy) or 1.0
    return (x, y), (dx / length, dy / length)


def _draw_graph(sketch: _Sketch, group: Group | None, diagram: Diagram, height: float) -> None:
    """A bilabelled graph: nodes between the rows, a wire to each label, and edges between nodes."""
    at = _rows(sketch, diagram, height)
    letters = [of_block[0] for of_block in diagram.letters()]
    style = sketch.add_styles(letters, [True] * len(letters))
    near: dict[int, list[int]] = {number: [] for number in range(len(letters))}
    for tail, tip in diagram.edges:
        near[tail].append(tip)
        near[tip].append(tail)
    nodes: dict[int, Point] = {}
    wires: list[Strand] = []
    middle = sketch.x + max(diagram.outputs, diagram.inputs) / 2 - 0.5
    # Blocks that join the rows first, then those of one row, then internal ones, from the left.
    order = sorted(range(len(letters)), key=lambda number: (_layer(diagram, number)[0], diagram.blocks[number]))
    for number in order:
        block = diagram.blocks[number]
        _, level = _layer(diagram, number)
        around = [at[vertex][0] for vertex in block] or [nodes[other][0] for other in near[number] if other in nodes]
        wished = sum(around) / len(around) if around else middle
        taken = [point for wire in wires for point in _sampled(wire.points)]
        node = _free_place(wished, height * level, list(nodes.values()), taken)
        nodes[number] = node
        wires += [Strand(_down(at[vertex], node), style[number], "wire") for vertex in block]
    sketch.items += wires
    # Undirected edges name the lesser block first, so without a group any other edge shows a direction.
    directed = group.graph.directed if isinstance(group, Aut) else any(tail > tip for tail, tip in diagram.edges)
    drawn: list[Strand] = []
    for tail, tip in diagram.edges:
        drawn.append(_edge(nodes, tail, tip, drawn, directed))
    sketch.items += drawn
    for vertex, number in enumerate(diagram.labels):
        sketch.items.append(Dot(*at[vertex], style[number]))
    for number, (x, y) in sorted(nodes.items()):
        sketch.items.append(Dot(x, y, style[number], "node"))
        if not diagram.blocks[number]:
            sketch.items.append(Label(x + 0.2, y - 0.24, letters[number]))
    _write_marks(sketch, at, diagram.outputs, height, diagram.marks())


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


def _edge(nodes: dict[int, Point], tail: int, tip: int, drawn: Sequence[Strand], directed: bool) -> Strand:
    (x, y), (u, v) = nodes[tail], nodes[tip]
    if tail == tip:
        return Strand(((x, y), (x + 0.75, y - 0.6), (x + 0.75, y + 0.6), (x, y)), -1, "edge", directed)
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
    return Strand(best[1], -1, "edge", directed)


def _draw_orbit(sketch: _Sketch, orbit: Orbit, height: float) -> None:
    """The least index tuple of an orbit: its numbers at the vertices, equal ones joined."""
    at = _rows(sketch, orbit, height)
    seen = sorted(set(orbit.representative))
    groups = [[v for v, index in enumerate(orbit.representative) if index == value] for value in seen]
    style = sketch.add_styles([str(value) for value in seen], [len(block) > 1 for block in groups])
    for number, block in enumerate(groups):
        _draw_block(sketch, at, block, orbit.outputs, height, style[number], symplectic=False)
    for vertex, value in enumerate(orbit.representative):
        sketch.items.append(Dot(*at[vertex], style[seen.index(value)], "index"))
    _write_marks(sketch, at, orbit.outputs, height, [str(value) for value in orbit.representative])


def _draw_table(sketch: _Sketch, group: Group | None, tensor: Tensor) -> None:
    """The matrix itself: a square for each entry that is not zero."""
    rows, columns = 1 + max(row for row, _, _ in tensor.entries), 1 + max(column for _, column, _ in tensor.entries)
    if group is not None and isinstance(group.n, int):
        rows, columns = group.n**tensor.outputs, group.n**tensor.inputs
    size = min(0.5, 6.0 / max(rows, columns))
    wide, tall = columns * size, rows * size
    for x, inner in ((sketch.x, 0.12), (sketch.x + wide, -0.12)):
        corners = [(x + inner, 0.0), (x, 0.0), (x, tall), (x + inner, tall)]
        points = [corners[0], *(p for a, b in zip(corners, corners[1:], strict=False) for p in (a, b, b))]
        sketch.items.append(Strand(tuple(points), -1, "frame"))
    for row, column, value in tensor.entries:
        place = (sketch.x + (column + 0.5) * size, (row + 0.5) * size)
        sketch.items.append(Cell(*place, size * 0.84, value, rows * columns <= NUMBERED))
