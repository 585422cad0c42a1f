"""Drawings as data: marks at positions, to be written as SVG or TikZ. No characters, no SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from math import hypot
from typing import Any

Point = tuple[float, float]
#: Left, top, right, bottom.
Box = tuple[float, float, float, float]
#: Size of the letters and radius of the dots, in steps between neighbouring vertices.
FONT, DOT = 0.34, 0.085
#: A cautious width of a character, in font sizes.
EM = 0.65
#: The height of a head's dome.
DOME = 0.46


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
    a node), edge (of a bilabelled graph) or frame (of a table). ``arrow`` is the place of an arrowhead along the first
    curve, between 0 and 1; 0 for none.
    """

    points: tuple[Point, ...]
    block: int
    kind: str = "strand"
    arrow: float = 0.0


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
    >>> from eqsynth.diagrams.layout import drawing
    >>> swap = drawing(Group("S", "n"), Diagram(2, 2, ((0, 3), (1, 2))))
    >>> swap.kind, swap.formula, [style.mark for style in swap.styles]
    ('partition', 'y[a,b] += x[b,a]', ['a', 'b'])
    >>> swap.words
    'Transposes the input.'

    Everything lies within ``width`` and ``height``, the text included. ``styles`` has one entry per block; marks differ
    for all blocks of a diagram, dashes for those that have a strand, which come first. Each factor of a product has the
    letters and dashes that it has alone. Items later in a tuple are drawn over earlier ones. ``dataclasses.asdict``
    gives plain data.
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


def along(curve: Sequence[Point], t: float) -> tuple[Point, Point]:
    """The point at ``t`` in [0, 1] of one cubic curve, and its direction, of length 1.

    >>> from eqsynth.diagrams.shapes import along
    >>> along([(0, 0), (0, 1), (1, 1), (1, 0)], 0.5)
    ((0.5, 0.75), (1.0, 0.0))
    """
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
    slopes = ((1 - t) ** 2, 2 * t * (1 - t), t**2)
    x, y = (sum(w * point[axis] for w, point in zip(weights, curve, strict=True)) for axis in (0, 1))
    steps = [(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(curve)]
    dx, dy = (sum(w * step[axis] for w, step in zip(slopes, steps, strict=True)) for axis in (0, 1))
    length = hypot(dx, dy) or 1.0
    return (x, y), (dx / length, dy / length)


def box(item: Item) -> Box:
    """Bounds of an item with its ink; a curve lies within its control points.

    >>> from eqsynth.diagrams.shapes import Cell, box
    >>> box(Cell(1.0, 1.0, 0.5, 7, True))
    (0.75, 0.75, 1.25, 1.25)
    """
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


def shifted(item: Item, dx: float, dy: float) -> Item:
    """An item somewhere else, with its numbers rounded.

    >>> from eqsynth.diagrams.shapes import Dot, shifted
    >>> shifted(Dot(0.0, 1.0, 0), 0.12345, 0.0)
    Dot(x=0.123, y=1.0, block=0, kind='vertex')
    """
    if isinstance(item, Strand):
        return replace(item, points=tuple((rounded(x + dx), rounded(y + dy)) for x, y in item.points))
    if isinstance(item, Head):
        return replace(item, x=rounded(item.x + dx), y=rounded(item.y + dy), width=rounded(item.width))
    if isinstance(item, Cell):
        return replace(item, x=rounded(item.x + dx), y=rounded(item.y + dy), size=rounded(item.size))
    return replace(item, x=rounded(item.x + dx), y=rounded(item.y + dy))


def rounded(value: float) -> float:
    """A number with three digits after the point at most, and no minus before a zero.

    >>> from eqsynth.diagrams.shapes import rounded
    >>> rounded(-0.0001), rounded(1.23456)
    (0.0, 1.235)
    """
    return round(value, 3) + 0.0


def number(value: float) -> str:
    """A rounded number as text, the same for the same number.

    >>> from eqsynth.diagrams.shapes import number
    >>> number(0.5), number(2.0), number(-0.0001)
    ('0.5', '2', '0')
    """
    return f"{rounded(value):.3f}".rstrip("0").rstrip(".")


def arrowhead(strand: Strand) -> tuple[Point, Point, Point]:
    """The open arrowhead of a strand: the end of a wing, the tip, the end of the other wing.

    >>> from eqsynth.diagrams.shapes import Strand, arrowhead
    >>> [(rounded(x), rounded(y)) for x, y in arrowhead(Strand(((0, 0), (1, 0), (2, 0), (3, 0)), 0, "form", 0.5))]
    [(1.35, 0.1), (1.5, 0.0), (1.35, -0.1)]
    """
    (x, y), (dx, dy) = along(strand.points[:4], strand.arrow)
    back, out = 0.15, 0.1
    left, right = ((x - back * dx - side * out * dy, y - back * dy + side * out * dx) for side in (1, -1))
    return left, (x, y), right
