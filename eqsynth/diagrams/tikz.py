"""Drawings as TikZ, for papers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from eqsynth.diagrams.shapes import DOME, DOT, Drawing, Head, Point, Strand, arrowhead, number
from eqsynth.diagrams.svg import COLOURS, DASHES, WIDTHS, cell_size, columns_of
from eqsynth.exact.numbers import flag

#: Centimetres per step between vertices.
SCALE = 0.9
#: A cautious width of a character of a caption, in steps.
LETTER = 0.15
#: What LaTeX writes for the characters of formulas.
TEX = {"ε": r"\varepsilon", "ω": r"\omega", "η": r"\eta", "⊗": r"\otimes", "−": "-"}
#: The words in formulas.
WORDS = re.compile(
    r", and the images|, \.\.\. [\d,]+ entries|[\d,]+ entries, first .*| in \d+ orders of the axes of y(, with signs)?"
)
#: A picture is as wide as the line at most: a wider one is scaled down. Pictures follow each other as words do, so
#: that TeX breaks their rows where the line ends.
FRAGMENT = r"""% Put \usepackage{tikz} before \begin{document}, and \input this file where the pictures go.
\par\begingroup
\def\eqsynthfit#1{\leavevmode\setbox0\hbox{#1}\ifdim\wd0>\linewidth\resizebox{\linewidth}{!}{\box0}\else\box0\fi}%
\parindent=0pt \baselineskip=0pt \lineskip=0.3cm \spaceskip=0pt \centering
%s
\par
\endgroup
"""
#: The page is as large as the pictures. Lengths of pages have other names in LuaTeX; the origin is an inch from the
#: corner in all of pdfTeX, LuaTeX and XeTeX.
PAGE = r"""\documentclass{article}
\usepackage{tikz}
\begin{document}
\ifdefined\pagewidth \let\pdfpagewidth\pagewidth \let\pdfpageheight\pageheight \fi
\setbox1\vbox{\hsize=%scm \linewidth=\hsize
%s}
\pdfpagewidth=\wd1 \pdfpageheight=\dimexpr\ht1+\dp1\relax
\hoffset=-1in \voffset=-1in
\shipout\box1
\end{document}
"""


def tikz(drawing: Drawing, standalone: bool = False) -> str:
    r"""A drawing as LaTeX for ``\input``, or with ``standalone`` as a document.

    >>> from eqsynth import Diagram
    >>> from eqsynth.drawing import drawing
    >>> from eqsynth.tikz import tikz
    >>> picture = drawing("S(n)", Diagram(0, 1, ((0,),)))
    >>> [line for line in tikz(picture).splitlines() if "node" in line]
    ['\\node[anchor=base, inner sep=0pt] at (0.239,0.689) {$a$};']

    A paper needs ``\usepackage{tikz}`` and nothing else, with pdflatex, lualatex or xelatex. A step between vertices is
    0.9 cm; a drawing that is wider than the line is scaled down to it.
    """
    return _finished([_picture(drawing)], drawing.width, standalone)


def sheet(drawings: Sequence[Drawing], captions: Sequence[str], standalone: bool = False) -> str:
    r"""Drawings with a caption below each, as LaTeX for ``\input``, or with ``standalone`` as a document.

    >>> from eqsynth import Diagram
    >>> from eqsynth.drawing import drawing
    >>> from eqsynth.tikz import sheet
    >>> sheet([drawing("S(n)", Diagram(1, 1, ((0, 1),)))] * 2, ["0", "1"]).count(r"\begin{tikzpicture}")
    2

    Rows of drawings end where the line ends, in one column or in two; they may go on over pages.
    """
    wide, tall = cell_size(drawings, captions, LETTER)
    pictures = [_picture(*pair, wide, tall) for pair in zip(drawings, captions, strict=True)]
    return _finished(pictures, wide * columns_of(len(drawings), wide, tall), standalone)


def _finished(pictures: Sequence[str], width: float, standalone: bool) -> str:
    fitted = "\n\\penalty0\n".join(f"\\eqsynthfit{{%\n{picture}}}%" for picture in pictures)
    fragment = FRAGMENT.replace("%s", fitted)
    return PAGE % (number(width * SCALE + 0.05), fragment) if flag("standalone", standalone) else fragment


def _picture(drawing: Drawing, caption: str = "", wide: float = 0, tall: float = 0) -> str:
    """A drawing in the middle of its cell, over its caption."""
    x, y = (max(wide - drawing.width, 0) / 2, max(tall - 1.1 - drawing.height, 0) / 2 + (0.15 if caption else 0))
    used = {style.dash % len(COLOURS) for style in drawing.styles}
    return "\n".join(
        [
            rf"\begin{{tikzpicture}}[x={SCALE}cm, y=-{SCALE}cm, line cap=round, line join=round]",
            *(rf"\definecolor{{eqsynth{index}}}{{HTML}}{{{COLOURS[index][1:].upper()}}}" for index in sorted(used)),
            rf"\path (0,0) rectangle ({number(max(wide, drawing.width))},{number(max(tall, drawing.height))});",
            rf"\begin{{scope}}[shift={{{_at((x, y))}}}]",
            *_body(drawing),
            r"\end{scope}",
            *([rf"\node[font=\small] at {_at((wide / 2, tall - 0.55))} {{{_math(caption)}}};"] if caption else []),
            r"\end{tikzpicture}",
        ]
    )


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
    formula = WORDS.sub(lambda words: rf"\mbox{{{words[0]}}}", formula.replace("] ", r"]\, "))
    spaced = formula.replace("+=", r"\mathrel{+}=")
    return f"{place}{'~~' if gap else ''}${spaced}$"


def _colour(drawing: Drawing, block: int) -> str:
    if block < 0:
        return "black"
    return f"eqsynth{drawing.styles[block].dash % len(COLOURS)}"


def _at(point: Point) -> str:
    return f"({number(point[0])},{number(point[1])})"
