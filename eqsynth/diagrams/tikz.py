"""Drawings as TikZ, for papers."""

from __future__ import annotations

from collections.abc import Sequence

from eqsynth.diagrams.shapes import DOME, DOT, Drawing, Head, Point, Strand, arrowhead, number
from eqsynth.diagrams.svg import COLOURS, DASHES, WIDTHS, grid

#: Centimetres per step between vertices.
SCALE = 0.9
#: What LaTeX writes for the characters of formulas.
TEX = {"ε": r"\varepsilon", "ω": r"\omega", "η": r"\eta", "⊗": r"\otimes", "−": "-"}
PAGE = r"""\documentclass{article}
\usepackage{tikz}
\begin{document}
%% The page is as large as the picture, with no further package.
\setbox0\hbox{%%
%s}
\pdfpagewidth=\wd0 \pdfpageheight=\dimexpr\ht0+\dp0\relax
\pdfhorigin=0pt \pdfvorigin=0pt \hoffset=0pt \voffset=0pt
\shipout\box0
\end{document}
"""


def tikz(drawing: Drawing, standalone: bool = False) -> str:
    r"""A drawing as a ``tikzpicture``, or with ``standalone`` as a document for pdflatex.

    >>> from eqsynth import Diagram
    >>> from eqsynth.diagrams.layout import drawing
    >>> from eqsynth.diagrams.tikz import tikz
    >>> print(tikz(drawing("S(n)", Diagram(0, 1, ((0,),)))).splitlines()[-3])
    \node[anchor=base, inner sep=0pt] at (0.239,0.689) {$a$};

    A picture needs ``\usepackage{tikz}``; a step between vertices is 0.9 cm.
    """
    return _picture(drawing.width, drawing.height, [(0.0, 0.0, drawing)], [], standalone)


def sheet(drawings: Sequence[Drawing], captions: Sequence[str], standalone: bool = True) -> str:
    r"""Drawings in a grid with a caption below each, as a document for pdflatex, or else one ``tikzpicture``.

    >>> from eqsynth import Diagram
    >>> from eqsynth.diagrams.layout import drawing
    >>> from eqsynth.diagrams.tikz import sheet
    >>> sheet([drawing("S(n)", Diagram(1, 1, ((0, 1),)))] * 2, ["0", "1"]).count(r"\begin{scope}")
    2
    """
    width, height, places, texts = grid(drawings, captions)
    return _picture(width, height, [(x, y, d) for (x, y), d in zip(places, drawings, strict=True)], texts, standalone)


def _picture(
    width: float,
    height: float,
    placed: Sequence[tuple[float, float, Drawing]],
    texts: Sequence[tuple[float, float, str]],
    standalone: bool,
) -> str:
    lines = [rf"\begin{{tikzpicture}}[x={SCALE}cm, y=-{SCALE}cm, line cap=round, line join=round]"]
    used = {style.dash % len(COLOURS) for _, _, drawing in placed for style in drawing.styles}
    lines += [rf"\definecolor{{eqsynth{index}}}{{HTML}}{{{COLOURS[index][1:].upper()}}}" for index in sorted(used)]
    lines.append(rf"\path (0,0) rectangle ({number(width)},{number(height)});")
    for x, y, drawing in placed:
        lines += [rf"\begin{{scope}}[shift={{{_at((x, y))}}}]", *_body(drawing), r"\end{scope}"]
    lines += [rf"\node[font=\small] at {_at((x, y))} {{{_math(text)}}};" for x, y, text in texts]
    lines.append(r"\end{tikzpicture}")
    picture = "\n".join(lines)
    return PAGE % picture if standalone else picture + "\n"


def _body(drawing: Drawing) -> list[str]:
    lines = [line for strand in drawing.strands for line in _strand(drawing, strand)]
    lines += [_head(head) for head in drawing.heads]
    for cell in drawing.cells:
        half = cell.size / 2
        corners = f"{_at((cell.x - half, cell.y - half))} rectangle {_at((cell.x + half, cell.y + half))}"
        fill = f"fill=black!{16 if cell.numbered else 100}, " if cell.value > 0 else ""
        lines.append(rf"\draw[{fill}line width=0.3pt] {corners};")
        if cell.numbered:
            lines.append(rf"\node[inner sep=0pt, font=\tiny] at {_at((cell.x, cell.y))} {{${cell.value}$}};")
    for dot in drawing.dots:
        radius = DOT * (1.35 if dot.kind == "node" else 1)
        box = f"{_at((dot.x - DOT, dot.y - DOT))} rectangle {_at((dot.x + DOT, dot.y + DOT))}"
        shape = box if dot.kind == "index" else f"{_at((dot.x, dot.y))} circle[radius={number(radius * SCALE)}cm]"
        lines.append(rf"\draw {shape};" if dot.kind == "free" else rf"\fill[{_colour(drawing, dot.block)}] {shape};")
    lines += [
        rf"\node[anchor=base, inner sep=0pt] at {_at((label.x, label.y + 0.09))} {{{_math(label.text)}}};"
        for label in drawing.labels
    ]
    return lines


def _strand(drawing: Drawing, strand: Strand) -> list[str]:
    width = float(WIDTHS.get(strand.kind, "0.06")) * 20
    look = f"{_colour(drawing, strand.block)}, line width={number(width)}pt"
    dash = (
        DASHES[drawing.styles[strand.block].dash % len(DASHES)] if strand.block >= 0 and strand.kind != "wire" else ""
    )
    pattern = " ".join(
        f"{'off' if place % 2 else 'on'} {number(float(length) * SCALE)}cm" for place, length in enumerate(dash.split())
    )
    path = _at(strand.points[0])
    for place in range(1, len(strand.points) - 2, 3):
        one, two, end = strand.points[place : place + 3]
        path += f" .. controls {_at(one)} and {_at(two)} .. {_at(end)}"
    lines = [rf"\draw[{look}{f', dash pattern={pattern}' if dash else ''}] {path};"]
    if strand.arrow:
        lines.append(rf"\draw[{look}] {' -- '.join(map(_at, arrowhead(strand)))};")
    return lines


def _head(head: Head) -> str:
    half, tall = head.width / 2, DOME if head.up else -DOME
    # In these coordinates y points down, so an arc over the flat side has a negative angle.
    angle = "-180" if head.up else "180"
    radii = f"x radius={number(half * SCALE)}cm, y radius={number(abs(tall) * SCALE)}cm"
    arc = f"arc[start angle=180, delta angle={angle}, {radii}]"
    return rf"\draw[fill=black!14] {_at((head.x - half, head.y))} {arc} -- cycle;"


def _math(text: str) -> str:
    if text == "(empty)":
        return text
    for character, name in TEX.items():
        text = text.replace(character, f"{name} ")
    place, gap, formula = text.rpartition("\u00a0\u00a0")
    if " entries, " in formula:
        return f"{place}~~{formula}"
    words = formula.removesuffix(", and the images")
    spaced = words.replace("+=", r"\mathrel{+}=").replace("] ", r"]\, ")
    return f"{place}{'~~' if gap else ''}${spaced}$" + (", and the images" if words != formula else "")


def _colour(drawing: Drawing, block: int) -> str:
    if block < 0:
        return "black"
    return f"eqsynth{drawing.styles[block].dash % len(COLOURS)}"


def _at(point: Point) -> str:
    return f"({number(point[0])},{number(point[1])})"
