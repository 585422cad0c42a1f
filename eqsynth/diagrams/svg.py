"""Drawings as SVG: one self-contained element; in files on white paper, within pages in their text colour."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt
from xml.sax.saxutils import escape, quoteattr, unescape

from eqsynth.diagrams.shapes import DOME, DOT, EM, FONT, Drawing, Head, Point, Strand, arrowhead, number
from eqsynth.errors import EqsynthError

#: Pixels per step between vertices.
SCALE = 40.0
#: Size of captions, in steps.
CAPTION = 0.3
#: Strokes with at least 3:1 contrast on white and on near-black, told apart by the colour-blind as far as eight can be.
COLOURS = ("#0b78b4", "#d1590a", "#0d8a68", "#b5589b", "#8a7a1e", "#5b6fd6", "#c4455e", "#7a7f87")
#: Dash patterns in steps: solid, dashed, dotted, dash-dot, and so on. Seven, so that colour and dash together
#: tell 56 strands apart; letters tell all blocks of a diagram apart.
DASHES = (
    "",
    "0.2 0.12",
    "0.04 0.1",
    "0.2 0.09 0.04 0.09",
    "0.4 0.12",
    "0.3 0.08 0.1 0.08",
    "0.2 0.08 0.04 0.08 0.04 0.08",
)
#: The only rules: a file on its own, also as the image of a page, is dark ink on white paper whatever the system
#: prefers, since it cannot see the page around it; within a page ink is the page's text colour, and there is no paper.
STYLE = ":root.eqsynth-drawing{color:#1b1f24}:root.eqsynth-drawing>.eq-paper{fill:#fff}"
#: Attributes, not rules: what is shared by all marks of a drawing is inherited, and pages may restyle it by class.
INK = 'fill="none" stroke="currentColor" stroke-width="0.06" stroke-linecap="round" stroke-linejoin="round"'
WIDTHS = {"leg": "0.04", "wire": "0.04", "edge": "0.07", "frame": "0.04"}
SERIF = "Georgia, 'Times New Roman', serif"
MONO = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"


class Picture(str):
    """One ``<svg>`` element as text, which Jupyter shows as the picture that it is.

    >>> from eqsynth.diagrams.svg import sheet
    >>> sheet([], [], "nothing")
    <picture: nothing>
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<picture: {unescape(self.partition('<title>')[2].partition('</title>')[0])}>"

    def _repr_svg_(self) -> str:
        return str(self)


def svg(drawing: Drawing, title: str = "", width: float | None = None) -> Picture:
    """A drawing as one ``<svg>`` element, for a file or within a page.

    >>> from eqsynth import Diagram
    >>> from eqsynth.diagrams.layout import drawing
    >>> from eqsynth.diagrams.svg import svg
    >>> svg(drawing("S(n)", Diagram(1, 1, ((0, 1),)))).split(">")[1]
    '<title'

    ``title`` stands for the formula as the accessible name; ``width`` is in pixels, 40 per step between vertices
    if it is None. The element has no ids; its style rules are scoped by the class ``eqsynth-drawing``. Within a page,
    ink is the ``color`` of the page around it, and there is no paper. As a file, or as the image of a page, it is dark
    ink on white paper, on light pages and on dark ones: such a picture does not see which it is on.
    """
    name = title or drawing.formula
    return _document(drawing.width, drawing.height, name, drawing.words, body(drawing), width)


def sheet(drawings: Sequence[Drawing], captions: Sequence[str], title: str, columns: int | None = None) -> Picture:
    """Drawings in a grid with a caption below each, as one ``<svg>`` element.

    >>> from eqsynth import Diagram
    >>> from eqsynth.diagrams.layout import drawing
    >>> from eqsynth.diagrams.svg import sheet
    >>> one = drawing("S(n)", Diagram(1, 1, ((0, 1),)))
    >>> sheet([one, one], ["0", "1"], "twice").count("<circle")
    4
    """
    width, height, places, texts = grid(drawings, captions, columns)
    parts = [
        f'<g transform="translate({number(x)} {number(y)})">{body(drawing)}</g>'
        for (x, y), drawing in zip(places, drawings, strict=True)
    ]
    parts += [_text(x, y, text, "caption") for x, y, text in texts]
    words = " ".join(f"{caption}: {d.words}" for d, caption in zip(drawings, captions, strict=True))
    return _document(width, height, title, words, "\n".join(parts), None)


def grid(
    drawings: Sequence[Drawing], captions: Sequence[str], columns: int | None = None
) -> tuple[float, float, list[Point], list[tuple[float, float, str]]]:
    """Width and height of a sheet, the corner of each drawing, and the captions with their centres.

    >>> from eqsynth.diagrams.svg import grid
    >>> grid([], [])[2:]
    ([], [])
    """
    wide, tall = cell_size(drawings, captions)
    columns = columns or columns_of(len(drawings), wide, tall)
    places, texts = [], []
    for index, (drawing, caption) in enumerate(zip(drawings, captions, strict=True)):
        x, y = (index % columns) * wide, (index // columns) * tall
        places.append((x + (wide - drawing.width) / 2, y + 0.15 + (tall - 1.1 - drawing.height) / 2))
        texts.append((x + wide / 2, y + tall - 0.55, caption))
    return columns * wide, max(1, ceil(len(drawings) / columns)) * tall, places, texts


def cell_size(
    drawings: Sequence[Drawing], captions: Sequence[str], letter: float = CAPTION * EM
) -> tuple[float, float]:
    """Width and height that each drawing of a sheet gets, its caption included, where a ``letter`` is so wide."""
    wide = max([0.0, *(d.width for d in drawings), *(letter * len(caption) for caption in captions)]) + 0.7
    return wide, max([0.0, *(d.height for d in drawings)]) + 1.1


def columns_of(count: int, wide: float, tall: float) -> int:
    """How many cells of a sheet stand side by side."""
    return max(1, min(count, max(3, ceil(sqrt(1.4 * count * tall / wide)))))


def cards(drawings: Sequence[Drawing], captions: Sequence[str], heading: str, notes: Sequence[str]) -> str:
    """Drawings as cards in a piece of HTML, for notebooks; pointing at one shows what it does in words.

    >>> from eqsynth import Diagram
    >>> from eqsynth.diagrams.layout import drawing
    >>> from eqsynth.diagrams.svg import cards
    >>> one = drawing("S(n)", Diagram(1, 1, ((0, 1),)))
    >>> cards([one], ["0"], "a title", ["a note"]).count("<figure")
    1
    """
    style = 'style="margin:0;padding:6px 10px;border:1px solid #8888;border-radius:6px;text-align:center"'
    shown = "".join(
        f"<figure title={quoteattr(drawing.words)} {style}>{svg(drawing)}"
        f"<figcaption><code>{escape(caption)}</code></figcaption></figure>\n"
        for drawing, caption in zip(drawings, captions, strict=True)
    )
    said = "".join(f"<div>{escape(note)}</div>" for note in notes)
    grid_style = "display:flex;flex-wrap:wrap;gap:10px;align-items:flex-end;margin-top:8px"
    return f'<div><b>{escape(heading)}</b>{said}<div style="{grid_style}">\n{shown}</div></div>'


def png(source: str, scale: float = 2.0) -> bytes:
    """An SVG on white as PNG, with the library resvg_py, which the extra ``draw`` installs.

    >>> from eqsynth.diagrams.svg import png, sheet
    >>> png(sheet([], [], "nothing"))[1:4]  # doctest: +SKIP
    b'PNG'

    Raises EqsynthError where it is missing.
    """
    try:
        import resvg_py
    except ImportError:
        raise EqsynthError(
            "PNG needs the library resvg_py, which is not installed: pip install 'eqsynth[draw]' or "
            "pip install resvg_py, or write SVG, which needs nothing"
        ) from None
    return bytes(resvg_py.svg_to_bytes(svg_string=source, background="white", zoom=scale))


def levels(
    rows: Sequence[tuple[str, Sequence[tuple[str, str]]]],
    edges: Sequence[Sequence[tuple[int, int]]],
    title: str,
    words: str,
) -> str:
    """Rows of named vertices, each with a number under its name, and the lines between neighbouring rows.

    ``edges[i]`` are pairs (place in row i, place in row i + 1); a row has a name, which stands to its left.
    """
    longest = max(len(name) for _, row in rows for name, _ in row)
    step, gap = max(1.0, EM * FONT * longest + 0.3), 1.3
    widest = max(len(row) for _, row in rows)
    left = EM * CAPTION * max(len(name) for name, _ in rows) + 0.4

    def point(level: int, place: int) -> Point:
        return left + step * (place + (widest - len(rows[level][1]) + 1) / 2), 0.5 + gap * level

    parts = []
    for level, pairs in enumerate(edges):
        for one, two in pairs:
            (x, y), (to_x, to_y) = point(level, one), point(level + 1, two)
            path = f"M{_pair((x, y + 0.45))}L{_pair((to_x, to_y - 0.25))}"
            parts.append(f'<path d="{path}" stroke-width="0.03"/>')
    for level, (name, row) in enumerate(rows):
        parts.append(_text(left / 2, point(level, 0)[1], name, "word", CAPTION))
        for place, (text, count) in enumerate(row):
            x, y = point(level, place)
            parts += [_text(x, y, text, "word"), _text(x, y + 0.3, count, "word", 0.8 * CAPTION)]
    return _document(left + step * widest + 0.2, 0.5 + gap * len(rows), title, words, "\n".join(parts), None)


def _document(width: float, height: float, title: str, words: str, inside: str, pixels: float | None) -> Picture:
    shown = width * SCALE if pixels is None else pixels
    size = f'width="{number(shown)}" height="{number(shown * height / width)}"'
    return Picture(
        f'<svg xmlns="http://www.w3.org/2000/svg" class="eqsynth-drawing" role="img" aria-label={quoteattr(title)} '
        f'{size} viewBox="0 0 {number(width)} {number(height)}"><title>{escape(title)}</title>'
        f"<desc>{escape(words)}</desc><style>{STYLE}</style>\n"
        f'<rect class="eq-paper" width="{number(width)}" height="{number(height)}" fill="none"/>\n'
        f"<g {INK}>\n{inside}\n</g>\n</svg>\n"
    )


def body(drawing: Drawing) -> str:
    """The marks of a drawing without the element around them, in steps between vertices.

    >>> from eqsynth import Diagram
    >>> from eqsynth.diagrams.layout import drawing
    >>> from eqsynth.diagrams.svg import body
    >>> body(drawing("S(n)", Diagram(0, 1, ((0,),)))).count("<circle")
    1
    """
    parts = [_strand(drawing, strand) for strand in drawing.strands]
    parts += [_head(head) for head in drawing.heads]
    for cell in drawing.cells:
        half, corner = cell.size / 2, (cell.x - cell.size / 2, cell.y - cell.size / 2)
        square = f"M{_pair(corner)}h{number(cell.size)}v{number(cell.size)}h{number(-cell.size)}z"
        # Entries below zero are hollow, so that signs need no colour.
        fill = ' fill-opacity="0.16"' if cell.numbered else ""
        kind = f' fill="currentColor"{fill}' if cell.value > 0 else ""
        parts.append(f'<path d="{square}"{kind} stroke-width="0.02"/>')
        if cell.numbered:
            size = min(FONT, 1.4 * half / max(1, EM * len(str(cell.value))))
            text = str(cell.value).replace("-", "−")
            parts.append(_text(cell.x, cell.y, text, "word", size))
    for dot in drawing.dots:
        radius = number(DOT * (1.35 if dot.kind == "node" else 1))
        circle = f'<circle cx="{number(dot.x)}" cy="{number(dot.y)}" r="{radius}"'
        if dot.kind == "index":
            place = f'x="{number(dot.x - DOT)}" y="{number(dot.y - DOT)}"'
            circle = f'<rect {place} width="{number(2 * DOT)}" height="{number(2 * DOT)}"'
        look = 'stroke-width="0.04"' if dot.kind == "free" else f'fill="{_colour(drawing, dot.block)}" stroke="none"'
        parts.append(f"{circle} {look}/>")
    parts += [_text(label.x, label.y, label.text, label.kind) for label in drawing.labels]
    return "\n".join(parts)


def _strand(drawing: Drawing, strand: Strand) -> str:
    path = _path(strand.points)
    look = f' stroke="{_colour(drawing, strand.block)}"' if strand.block >= 0 else ""
    look += f' stroke-width="{WIDTHS[strand.kind]}"' if strand.kind in WIDTHS else ""
    dash = (
        DASHES[drawing.styles[strand.block].dash % len(DASHES)] if strand.block >= 0 and strand.kind != "wire" else ""
    )
    look += f' stroke-dasharray="{dash}"' if dash else ""
    drawn = f'<path class="eq-{strand.kind}" d="{path}"{look}/>'
    if strand.arrow:
        tip = "L".join(map(_pair, arrowhead(strand)))
        drawn += f'<path class="eq-tip" d="M{tip}"{look.split(" stroke-dash")[0]}/>'
    return drawn


def _head(head: Head) -> str:
    half, tall = head.width / 2, DOME if head.up else -DOME
    # Two quarter ellipses; 0.5523 makes a cubic curve of each.
    side, knee = half * 0.5523, tall * 0.5523
    x, y = head.x, head.y
    points = [
        (x - half, y),
        (x - half, y - knee),
        (x - side, y - tall),
        (x, y - tall),
        (x + side, y - tall),
        (x + half, y - knee),
        (x + half, y),
    ]
    return f'<path class="eq-head" d="{_path(points)}Z" fill="currentColor" fill-opacity="0.14" stroke-width="0.04"/>'


def _text(x: float, y: float, text: str, kind: str, size: float = 0) -> str:
    size = size or (CAPTION if kind == "caption" else FONT)
    font = MONO if kind == "caption" else SERIF
    slant = ' font-style="italic"' if kind == "index" else ""
    # The baseline that centres lower-case letters and digits, more or less.
    place = f'x="{number(x)}" y="{number(y + 0.32 * size)}"'
    return (
        f'<text class="eq-{kind}" {place} font-family="{font}" font-size="{number(size)}"{slant} text-anchor="middle" '
        f'fill="currentColor" stroke="none">{escape(text)}</text>'
    )


def _colour(drawing: Drawing, block: int) -> str:
    return COLOURS[drawing.styles[block].dash % len(COLOURS)] if block >= 0 else "currentColor"


def _path(points: Sequence[Point]) -> str:
    """A chain of cubic curves as the data of a path."""
    return f"M{_pair(points[0])}C{' '.join(map(_pair, points[1:]))}"


def _pair(point: Point) -> str:
    return f"{number(point[0])} {number(point[1])}"
