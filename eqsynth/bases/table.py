"""Bases for people and programs: tables for terminals, and the same as data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from itertools import zip_longest
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from eqsynth.diagrams import words
from eqsynth.diagrams.diagram import Multiplied
from eqsynth.diagrams.legend import legend
from eqsynth.diagrams.text import picture
from eqsynth.diagrams.transfer import WORDS
from eqsynth.errors import SizeError, abridged, counted
from eqsynth.spaces.space import Order, is_number, numbers, order_text
from eqsynth.store.screen import NARROWEST, Screen

if TYPE_CHECKING:
    from eqsynth.bases.basis import Basis
    from eqsynth.diagrams.shapes import Drawing

#: The most characters of the words beside a picture before they are broken.
LINE = 84
#: What a table is laid out for where it is not said: any number of columns.
ANY = Screen()
#: The most drawings in one file.
MOST = 1_000


def heading(basis: Basis, characters: bool = True) -> list[str]:
    """The lines above the pictures of a basis: its size, its certificate, and how to read the pictures.

    ``characters``: whether pictures are made of characters.

    >>> import eqsynth as eq
    >>> from eqsynth.bases.table import heading
    >>> heading(eq.basis("O(3)", 2, 1))[2]
    'Every linear map with this symmetry from x, a 3 × 3 matrix, to y, a vector of 3 numbers, is zero.'
    """
    such = f" that commutes with {WORDS[basis.transfer]}" if basis.transfer else ""
    x, y = words.space(basis.group, basis.inputs), words.space(basis.group, basis.outputs)
    sums = "is a weighted sum of these." if len(basis) else "is zero."
    lines = [
        f"{abridged(basis.group)}: order {order_text(basis.inputs)} -> order {order_text(basis.outputs)}, "
        f"{counted(len(basis), 'independent equivariant map')}",
        words.symmetry(basis.group),
        f"Every linear map with this symmetry{such} from x, {x}, to y, {y}, {sums}",
        f"certificate: {basis.certificate}",
    ]
    counts = Counter(type(element).__name__ for element in basis.diagrams)
    if basis.group.kept_graph is not None:
        graphs, orbits = counted(counts["Diagram"], "bilabelled graph"), counted(counts["Orbit"], "orbit indicator")
        lines.append(f"{graphs}, {orbits}")
    return lines + reading(basis, characters=characters)


def reading(basis: Basis, multiplied: Sequence[Multiplied] = (), characters: bool = True) -> list[str]:
    """How to read the pictures of a basis: its legend, then the kinds of maps with their sources.

    >>> import eqsynth as eq
    >>> from eqsynth.bases.table import reading
    >>> reading(eq.basis("S(n)", 1, 1))[-1]
    'partition: set partitions, arXiv 2212.08648'
    """
    elements = basis.diagrams
    lines = how_to_read(basis, multiplied, characters)
    if lines and basis.group.diagrammatic and not multiplied:
        lines[0] += "; cost for C -> C channels"
    if basis.group.maps == "nested":
        kinds = [words.kind(basis.group, element) for element in elements]
    else:
        kinds = [words.kind(*part) for element in elements for part in words.parts(basis.group, element)]
    return lines + [f"{kind}: {words.SOURCES[kind]}" for kind in dict.fromkeys(kinds)]


def how_to_read(basis: Basis, multiplied: Sequence[Multiplied] = (), characters: bool = False) -> list[str]:
    """The legend of the pictures of a basis; none where there is no map."""
    turned = any(len(basis.turned(number)) > 1 for number in range(len(basis)))
    sides = basis.inputs, basis.outputs
    return legend(basis.group, basis.diagrams, *sides, multiplied, turned, characters) if len(basis) else []


def basis_table(
    basis: Basis,
    limit: int | None,
    index: int | None = None,
    multiplied: Sequence[Multiplied] = (),
    above: Sequence[str] | None = None,
    sizes: bool = False,
    screen: Screen = ANY,
) -> str:
    r"""The text of ``print(basis)``: a row for each of the first ``limit`` elements, or for element ``index`` alone.

    ``multiplied``: what the input is the product of (``ProductHom.multiplied``); ``above``: another heading; ``sizes``:
    whether there is a column that says with which ways to grow n a map commutes. On a narrow ``screen`` the cells of
    columns that do not fit stand below each other, and below a picture that leaves no room beside it.

    >>> import eqsynth as eq
    >>> from eqsynth.bases.table import basis_table
    >>> print(basis_table(eq.basis("O(n)", 1, 1), None).split("\n\n")[1])
        diagram   formula        cost   from
    """
    above = heading(basis) if above is None else above
    lines = [*(piece for line in above for piece in screen.wrapped(line)), ""]
    if sizes:
        note = "transfer: repeat, commutes with repeated nodes, sums/n; pad, commutes with nodes of zeros"
        lines[-1:] = [*screen.wrapped(note), ""]
    chosen = range(len(basis))[:limit] if index is None else [index]
    shown = [basis.diagrams[number] for number in chosen]
    pictures = [screen.text(picture(element, basis.group, multiplied)).split("\n") for element in shown]
    columns = {
        "formula": [words.formula(basis.group, basis[number], basis.turned(number), multiplied) for number in chosen],
        "cost": ["" if multiplied else words.cost(basis.group, element) for element in shown],
        "transfer": [", ".join(basis.transfers(number)) or "-" for number in chosen] if sizes else [],
        "from": [words.kind(basis.group, element) for element in shown],
    }
    columns = {name: [*map(screen.text, cells)] for name, cells in columns.items() if any(cells)}
    drawn = any(rows != [""] for rows in pictures)
    wide = max([len("diagram") * drawn, *(len(row) for rows in pictures for row in rows)])
    digits = len(str(max(len(basis) - 1, 0)))
    cells, room = _aside(columns, screen, digits + wide + 6)
    table = [("", ["diagram" if drawn else ""], cells[0])] if cells[0] else []
    for number, rows, element, aside in zip(chosen, pictures, shown, cells[1:], strict=True):
        meaning = words.meaning_of_product if multiplied else words.meaning
        meant = meaning(basis.group, element), words.permuted(basis.turned(number))
        said = wrap(screen.text(" ".join(filter(None, meant))), min(LINE, room))
        # The formula stands beside the middle of the picture, the words below the formula.
        table.append((str(number), rows, [*[""] * (len(rows) // 2), *aside, *said]))
    below = screen.width is not None and screen.width < room + digits + wide + 6
    for label, left, right in table if shown else []:
        number_line = len(left) // 2
        if below:
            lines += [
                f"{label if row == number_line else '':>{digits}}   {mark}".rstrip() for row, mark in enumerate(left)
            ]
            lines += [f"{'':{digits}}   {text}" for text in right if text]
        for row, (mark, text) in enumerate(zip_longest(left, right, fillvalue="")) if not below else ():
            lines.append(f"{label if row == number_line else '':>{digits}}   {mark:<{wide}}   {text}".rstrip())
        lines.append("")
    if index is None and len(shown) < len(basis):
        lines.append(f"... and {len(basis) - len(shown)} more: basis.table(limit=None), or show --all, has them")
    return "\n".join(lines).rstrip()


def _aside(columns: dict[str, list[str]], screen: Screen, left: int) -> tuple[list[list[str]], int]:
    """What stands beside the pictures, ``left`` columns from the edge: the head and a list of lines for each map.

    Cells in columns, without a head one below the other where that is too wide; and how many columns words have.
    """
    widths = {name: max(map(len, (name, *cells))) for name, cells in columns.items()}
    room = LINE if screen.width is None else screen.width - left
    rows = [[*columns], *map(list, zip(*columns.values(), strict=True))]
    if screen.width is None or sum(widths.values()) + 3 * (len(widths) - 1) <= room:
        return [["   ".join(map(str.ljust, row, widths.values()))] for row in rows], room
    # Where a picture is nearly as wide as the screen, words stand below it.
    room = room if room >= NARROWEST else screen.width - 8
    beside = []
    for first, *others in rows[1:]:
        named = "   ".join(f"{name} {cell}" for name, cell in zip([*columns][1:], others, strict=True) if cell)
        beside.append([*screen.wrapped(first, within=room), *screen.wrapped(named, within=room)])
    return [[], *beside], room


def basis_data(basis: Basis, index: int | None = None, multiplied: Sequence[Multiplied] = ()) -> dict[str, Any]:
    """A basis as dictionaries, lists, numbers and text, ready for JSON; with ``index``, of that element alone.

    >>> import eqsynth as eq
    >>> from eqsynth.bases.table import basis_data
    >>> data = basis_data(eq.basis("S(n)", 1, 1))
    >>> data["dimension"], data["elements"][1]["formula"], data["elements"][1]["factors"][0]["blocks"]
    (2, 'y[a] += x[a]', ((0, 1),))

    Each element has its ``index``, ``kind``, ``formula``, what it does in ``words``, ``cost``, its ``drawing``, in
    ``transfers`` with which ways to grow n it commutes (:meth:`Basis.transfers`), and in ``factors`` for each factor of
    the group the blocks, edges and head of the diagram, or the table.
    """
    from eqsynth.diagrams import layout

    chosen = range(len(basis)) if index is None else [index]
    elements = []
    for number in chosen:
        element = basis.diagrams[number]
        drawn = layout.drawing(basis.group, element, basis.turned(number), multiplied)
        elements.append({
            "index": number, "kind": drawn.kind, "formula": drawn.formula, "words": drawn.words,
            "cost": "" if multiplied else words.cost(basis.group, element),
            "transfers": list(basis.transfers(number)),
            "factors": [asdict(part) for _, part in words.parts(basis.group, element)], "drawing": drawn.data(),
        })  # fmt: skip
    return {
        "group": str(basis.group), "inputs": _data(basis.inputs), "outputs": _data(basis.outputs),
        "dimension": len(basis),
        "certificate": {**asdict(basis.certificate), "text": str(basis.certificate)}, "elements": elements,
    }  # fmt: skip


def _data(order: Order) -> int | tuple[int, ...] | str:
    """An order as plain data: numbers, or the text of one with symmetric parts."""
    return numbers(order) if is_number(order) else order_text(order)


def drawings(
    basis: Basis, limit: int | None = None, multiplied: Sequence[Multiplied] = ()
) -> tuple[list[Drawing], list[str]]:
    r"""The drawings of a basis, and a caption for each: number and formula.

    >>> import eqsynth as eq
    >>> from eqsynth.bases.table import drawings
    >>> drawings(eq.basis("O(n)", 1, 1))[1]
    ['0\xa0\xa0y[a] += x[a]']

    Raises SizeError above 1,000 pictures.
    """
    from eqsynth.diagrams import layout

    if len(basis) > MOST and limit is None:
        raise SizeError(
            f"{basis.group} {order_text(basis.inputs)} -> {order_text(basis.outputs)} has {len(basis):,} maps, "
            f"more than {MOST:,} pictures do no good in one file: choose one with --index, or ask for lower orders"
        )
    listed = enumerate(basis.diagrams[:limit])
    drawn = [layout.drawing(basis.group, element, basis.turned(number), multiplied) for number, element in listed]
    # No-break spaces, which SVG and HTML keep.
    return drawn, [f"{number}\u00a0\u00a0{drawing.formula}" for number, drawing in enumerate(drawn)]
