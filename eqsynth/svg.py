"""Drawings as SVG: one self-contained element that also works many times within one page, light or dark."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt
from xml.sax.saxutils import escape, quoteattr

from eqsynth.drawing import DOME, DOT, EM, FONT, Drawing, Head, Point, Strand, along

#: Pixels per step between vertices.
SCALE = 40.0
#: Size of captions, in steps.
CAPTION = 0.3
#: Strokes with at least 3:1 contrast on white and on near-black, told apart by the colour-blind as far as eight can be.
COLOURS = ("#0b78b4", "#d1590a", "#0d8a68", "#b5589b", "#8a7a1e", "#5b6fd6", "#c4455e", "#7a7f87")
#: Dash patterns in steps: solid, dashed, dotted, dash-dot, and so on.
DASHES = ("", "0.2 0.12", "0.04 0.1", "0.2 0.09 0.04 0.09", "0.4 0.12", "0.1 0.1", "0.3 0.08 0.1 0.08", "0.2 0.08 0.04 0.08 0.04 0.08")
#: The rules of every drawing. Ink is the text colour of the page; alone, a file follows the reader's preference.
STYLE = """
.eqsynth-drawing{font:italic 0.34px Georgia,'Times New Roman',serif}
.eqsynth-drawing path{fill:none;stroke:currentColor;stroke-width:.06;stroke-linecap:round;stroke-linejoin:round}
.eqsynth-drawing .eq-leg,.eqsynth-drawing .eq-wire{stroke-width:.04}
.eqsynth-drawing .eq-edge{stroke-width:.07}
.eqsynth-drawing text{fill:currentColor;text-anchor:middle}
.eqsynth-drawing .eq-caption{font:0.3px ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace}
.eqsynth-drawing .eq-word{font-style:normal}
.eqsynth-drawing .eq-ink{fill:currentColor}
:root.eqsynth-drawing{color:#1b1f24}
@media (prefers-color-scheme:dark){:root.eqsynth-drawing{color:#e6e9ee}}
"""


def svg(drawing: Drawing, title: str = "", width: float | None = None) -> str:
    """A drawing as one ``<svg>`` element, for a file or within a page.

    >>> from eqsynth import Diagram
    >>> from eqsynth.drawing import drawing
    >>> from eqsynth.svg import svg
    >>> svg(drawing("S(n)", Diagram(1, 1, ((0, 1),)))).split(">")[1]
    '<title'

    ``title`` stands for the formula as the accessible name; ``width`` is in pixels, 40 per step between vertices without
    it. The element has no ids; its style rules are scoped by the class ``eqsynth-drawing``; ink is the
    ``color`` of the page around it.
    """
    name = title or drawing.formula
    return _document(drawing.width, drawing.height, name, drawing.words, body(drawing), width)


def sheet(drawings: Sequence[Drawing], captions: Sequence[str], title: str, columns: int | None = None) -> str:
    """Drawings in a grid with a caption below each, as one ``<svg>`` element.

    >>> from eqsynth import Diagram
    >>> from eqsynth.drawing import drawing
    >>> from eqsynth.svg import sheet
    >>> one = drawing("S(n)", Diagram(1, 1, ((0, 1),)))
    >>> sheet([one, one], ["0", "1"], "twice").count("<g ")
    2
    """
    cells = [(0.0, 0.0)] if not drawings else [(d.width, d.height) for d in drawings]
    wide = max([cell[0] for cell in cells] + [CAPTION * EM * len(caption) for caption in captions]) + 0.7
    tall = max(cell[1] for cell in cells) + 1.1
    columns = columns or min(max(len(drawings), 1), max(1, ceil(sqrt(len(drawings) * tall / wide * 1.4))))
    parts = []
    for index, (drawing, caption) in enumerate(zip(drawings, captions, strict=True)):
        x, y = (index % columns) * wide, (index // columns) * tall
        left, top = x + (wide - drawing.width) / 2, y + 0.15 + (tall - 1.1 - drawing.height) / 2
        parts.append(f'<g transform="translate({_number(left)} {_number(top)})">{body(drawing)}</g>')
        parts.append(_text(x + wide / 2, y + tall - 0.55, caption, "eq-caption"))
    rows = ceil(len(drawings) / columns)
    words = " ".join(f"{caption}: {d.words}" for d, caption in zip(drawings, captions, strict=True))
    return _document(columns * wide, max(rows, 1) * tall, title, words, "\n".join(parts), None)


def _document(width: float, height: float, title: str, words: str, inside: str, pixels: float | None) -> str:
    shown = width * SCALE if pixels is None else pixels
    size = f'width="{_number(shown)}" height="{_number(shown * height / width)}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="eqsynth-drawing" role="img" aria-label={quoteattr(title)} '
        f'{size} viewBox="0 0 {_number(width)} {_number(height)}"><title>{escape(title)}</title>'
        f"<desc>{escape(words)}</desc><style>{STYLE}</style>\n{inside}\n</svg>\n"
    )


def body(drawing: Drawing) -> str:
    """The marks of a drawing without the element around them, in steps between vertices.

    >>> from eqsynth import Diagram
    >>> from eqsynth.drawing import drawing
    >>> from eqsynth.svg import body
    >>> body(drawing("S(n)", Diagram(0, 1, ((0,),)))).count("<circle")
    1
    """
    parts = [_strand(drawing, strand) for strand in drawing.strands]
    parts += [_head(head) for head in drawing.heads]
    for cell in drawing.cells:
        half, corner = cell.size / 2, (cell.x - cell.size / 2, cell.y - cell.size / 2)
        square = f"M{_pair(corner)}h{_number(cell.size)}v{_number(cell.size)}h{_number(-cell.size)}z"
        # Entries below zero are hollow, so that signs need no colour.
        fill = ' fill-opacity="0.16"' if cell.numbered else ""
        kind = f' class="eq-ink"{fill}' if cell.value > 0 else ""
        parts.append(f'<path d="{square}"{kind} stroke-width="0.02"/>')
        if cell.numbered:
            size = min(FONT, 1.4 * half / max(1, EM * len(str(cell.value))))
            text = str(cell.value).replace("-", "−")
            parts.append(_text(cell.x, cell.y, text, "eq-word", size))
    for dot in drawing.dots:
        colour = _colour(drawing, dot.block)
        if dot.kind == "free":
            parts.append(f'<circle cx="{_number(dot.x)}" cy="{_number(dot.y)}" r="{DOT}" fill="none" stroke="currentColor" stroke-width="0.04"/>')
        elif dot.kind == "index":
            parts.append(f'<rect x="{_number(dot.x - DOT)}" y="{_number(dot.y - DOT)}" width="{2 * DOT}" height="{2 * DOT}" fill="{colour}"/>')
        else:
            radius = DOT * (1.35 if dot.kind == "node" else 1)
            parts.append(f'<circle cx="{_number(dot.x)}" cy="{_number(dot.y)}" r="{_number(radius)}" fill="{colour}"/>')
    parts += [_text(label.x, label.y, label.text, "eq-word" if label.kind == "word" else "") for label in drawing.labels]
    return "\n".join(parts)


def _strand(drawing: Drawing, strand: Strand) -> str:
    first, *rest = strand.points
    path = f"M{_pair(first)}C{' '.join(_pair(point) for point in rest)}"
    look = f' stroke="{_colour(drawing, strand.block)}"'
    dash = DASHES[drawing.styles[strand.block].dash % len(DASHES)] if strand.block >= 0 and strand.kind != "wire" else ""
    look += f' stroke-dasharray="{dash}"' if dash else ""
    drawn = f'<path class="eq-{strand.kind}" d="{path}"{look}/>'
    if strand.arrow:
        drawn += f'<path class="eq-tip" d="{_tip(strand)}"{look.split(" stroke-dash")[0]}/>'
    return drawn


def _tip(strand: Strand) -> str:
    """An open arrowhead in the middle of a strand."""
    (x, y), (dx, dy) = along(strand.points[:4], 0.54)
    back, out = 0.15, 0.1
    wings = [(x - back * dx - side * out * dy, y - back * dy + side * out * dx) for side in (1, -1)]
    return f"M{_pair(wings[0])}L{_pair((x, y))}L{_pair(wings[1])}"


def _head(head: Head) -> str:
    half, tall = head.width / 2, DOME if head.up else -DOME
    # Two quarter ellipses; 0.5523 makes a cubic curve of each.
    side, knee = half * 0.5523, tall * 0.5523
    x, y = head.x, head.y
    points = [(x - half, y), (x - half, y - knee), (x - side, y - tall), (x, y - tall), (x + side, y - tall), (x + half, y - knee), (x + half, y)]
    curve = f"M{_pair(points[0])}C{' '.join(_pair(point) for point in points[1:])}Z"
    return f'<path class="eq-head eq-ink" d="{curve}" fill-opacity="0.14"/>'


def _text(x: float, y: float, text: str, name: str, size: float = 0) -> str:
    kind = f' class="{name}"' if name else ""
    scaled = f' style="font-size:{_number(size)}px"' if size else ""
    drop = 0.35 * (size or (CAPTION if name == "eq-caption" else FONT))
    return f'<text x="{_number(x)}" y="{_number(y + drop)}"{kind}{scaled}>{escape(text)}</text>'


def _colour(drawing: Drawing, block: int) -> str:
    return COLOURS[drawing.styles[block].dash % len(COLOURS)] if block >= 0 else "currentColor"


def _pair(point: Point) -> str:
    return f"{_number(point[0])} {_number(point[1])}"


def _number(value: float) -> str:
    """Three digits after the point at most, and no minus before a zero."""
    return f"{round(value, 3) + 0.0:.3f}".rstrip("0").rstrip(".")
