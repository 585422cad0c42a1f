"""Elements of a basis as plain data, and back with every check that needs no algebra.

A list of diagrams is a table of halves, a table of middles, and three numbers for each diagram: any such data that
is accepted gives diagrams that are well formed, different from each other, and in the order of a basis.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, pairwise, permutations, product
from typing import Any

from eqsynth.diagrams.diagram import Diagram, Element, Half, MatrixMap, Orbit
from eqsynth.errors import CatalogError, EqsynthError

#: Which blocks a head holds: none, those that are not transferred, or all.
NO_HEAD, TIED, WHOLE = 0, 1, 2


def encode(elements: Sequence[Element]) -> dict[str, Any]:
    """Elements as lists of whole numbers.

    >>> import eqsynth as eq
    >>> from eqsynth.diagrams.codec import decode, encode
    >>> basis = eq.basis("O(n)", 1, 1)
    >>> encode(basis.diagrams)
    {'bottoms': [[[0], [0], []]], 'middles': [[0]], 'rows': [0, 0, 0, 0], 'tops': [[[0], [0], []]]}
    >>> decode(encode(basis.diagrams), 1, 1) == basis.diagrams
    True
    """
    diagrams = [element for element in elements if isinstance(element, Diagram)]
    if elements and len(diagrams) == len(elements):
        table = _encode_table(diagrams)
        if table is not None:
            return table
    return {"elements": [_encode_one(element) for element in elements]}


def decode(data: Any, inputs: int | tuple[int, ...], outputs: int | tuple[int, ...]) -> tuple[Element, ...]:
    """The elements that :func:`encode` made; CatalogError for any other data."""
    match data:
        case {"elements": list(listed), **rest} if not rest:
            return tuple(_decode_one(entry, inputs, outputs) for entry in listed)
        case {"tops": list(tops), "bottoms": list(bottoms), "middles": list(middles), "rows": list(rows), **rest}:
            if not rest and isinstance(inputs, int) and isinstance(outputs, int):
                return _decode_table(tops, bottoms, middles, rows, inputs, outputs)
    raise CatalogError("its elements are neither a list nor a table of halves")


def _encode_table(diagrams: Sequence[Diagram]) -> dict[str, Any] | None:
    if any(diagram.edges or () in diagram.blocks for diagram in diagrams):
        return None
    kinds = [_head_kind(diagram) for diagram in diagrams]
    pairs = [(diagram.top, diagram.bottom) for diagram in diagrams]
    tops = sorted({top for top, _ in pairs}, key=lambda half: half.key)
    bottoms = sorted({bottom for _, bottom in pairs}, key=lambda half: half.key)
    middles = sorted({diagram.middle for diagram in diagrams})
    top_of, bottom_of = ({half: place for place, half in enumerate(halves)} for halves in (tops, bottoms))
    middle_of = {middle: place for place, middle in enumerate(middles)}
    rows = [
        number
        for diagram, (top, bottom), kind in zip(diagrams, pairs, kinds, strict=True)
        for number in (kind, top_of[top], bottom_of[bottom], middle_of[diagram.middle])
    ]
    table = {
        "tops": [_encode_half(half) for half in tops],
        "bottoms": [_encode_half(half) for half in bottoms],
        "middles": [list(middle) for middle in middles],
        "rows": rows,
    }
    try:
        again = decode(table, diagrams[0].inputs, diagrams[0].outputs)
    except CatalogError:
        return None
    return dict(sorted(table.items())) if again == tuple(diagrams) else None


def _head_kind(diagram: Diagram) -> int:
    if not diagram.head:
        return NO_HEAD
    return WHOLE if diagram.through and len(diagram.head) == len(diagram.blocks) else TIED


def _encode_half(half: Half) -> list[Any]:
    labels = [0] * sum(map(len, half.blocks))
    for number, block in enumerate(half.blocks):
        for vertex in block:
            labels[vertex] = number
    return [labels, list(half.kept), list(half.head)]


def _numbers(value: Any) -> list[int]:
    """A list of whole numbers that are not negative."""
    if type(value) is not list or not all(type(number) is int and number >= 0 for number in value):
        raise CatalogError("a list of whole numbers is expected")
    return value


def _decode_half(data: Any, order: int) -> Half:
    if type(data) is not list or len(data) != 3:
        raise CatalogError("a half of a diagram is a list of three lists")
    labels, kept, head = map(_numbers, data)
    blocks: list[tuple[int, ...]] = []
    for vertex, label in enumerate(labels):
        if label > len(blocks):
            raise CatalogError("the blocks of a half are not numbered in order")
        if label == len(blocks):
            blocks.append(())
        blocks[label] += (vertex,)
    if len(labels) != order:
        raise CatalogError(f"a half of a diagram has {len(labels)} vertices, not {order}")
    for chosen in (kept, head):
        if chosen != sorted({*chosen}) or any(block >= len(blocks) for block in chosen):
            raise CatalogError("the kept blocks of a half are not there, or not in order")
    if not set(head) <= set(kept):
        raise CatalogError("the head of a half is not kept")
    return Half(tuple(blocks), tuple(kept), tuple(head))


def _halves(data: list[Any], order: int) -> list[Half]:
    halves = [_decode_half(entry, order) for entry in data]
    keys = [half.key for half in halves]
    if any(earlier >= later for earlier, later in pairwise(keys)):
        raise CatalogError("the halves are not in order, or one stands twice")
    return halves


def _decode_table(
    tops_data: list[Any], bottoms_data: list[Any], middles_data: list[Any], rows: list[Any], inputs: int, outputs: int
) -> tuple[Diagram, ...]:
    tops, bottoms = _halves(tops_data, outputs), _halves(bottoms_data, inputs)
    middles = [tuple(_numbers(middle)) for middle in middles_data]
    if any(sorted(middle) != list(range(len(middle))) for middle in middles):
        raise CatalogError("a middle is no permutation")
    if middles != sorted({*middles}):
        raise CatalogError("the middles are not in order, or one stands twice")
    if len(rows) % 4 or {*map(type, rows)} - {int} or min(rows, default=0) < 0:
        raise CatalogError("the rows of the table are not four whole numbers each")
    return join(tops, bottoms, middles, rows)


def all_joined(tops: Sequence[Half], bottoms: Sequence[Half]) -> tuple[Diagram, ...]:
    """Every diagram without a head that has one of the tops and one of the bottoms, in the order of a basis.

    >>> from eqsynth.diagrams.codec import all_joined
    >>> from eqsynth.diagrams.diagram import Half
    >>> halves = [Half(((0,),), kept) for kept in ((), (0,))]
    >>> [diagram.formula() for diagram in all_joined(halves, halves)]
    ['y[a] += x[b]', 'y[a] += x[a]']
    """
    tops, bottoms = (sorted(halves, key=lambda half: half.key) for halves in (tops, bottoms))
    through = sorted({len(half.kept) for half in tops} & {len(half.kept) for half in bottoms})
    middles = sorted(middle for count in through for middle in permutations(range(count)))
    rows: list[int] = []
    for count in through:
        above, below = ([i for i, half in enumerate(halves) if len(half.kept) == count] for halves in (tops, bottoms))
        fitting = [number for number, middle in enumerate(middles) if len(middle) == count]
        rows.extend(chain.from_iterable((NO_HEAD, *row) for row in product(above, below, fitting)))
    return join(tops, bottoms, middles, rows)


def join(
    tops: Sequence[Half], bottoms: Sequence[Half], middles: Sequence[tuple[int, ...]], rows: Sequence[int]
) -> tuple[Diagram, ...]:
    """The diagrams of a table: for each the kind of its head, and its top, bottom and middle by their numbers."""
    outputs, inputs = (sum(map(len, halves[0].blocks)) if halves else 0 for halves in (tops, bottoms))
    # For each top: its blocks, those that go through, and whether all others are in the head, and so on below.
    above = [(half.blocks, [b for b in half.kept if b not in half.head], half.head) for half in tops]
    below = []
    for half in bottoms:
        shifted = [tuple(vertex + outputs for vertex in block) for block in half.blocks]
        through = [shifted[block] for block in half.kept if block not in half.head]
        kinds = sorted((shifted[block], block in half.head) for block in half.dropped + half.head)
        tied_ends = [place for place, (_, tied) in enumerate(kinds) if tied]
        below.append((through, tuple(block for block, _ in kinds), tied_ends))
    # Diagrams that are put together from checked halves need no check of their own, which would take longest here.
    new, set_outputs, set_inputs = object.__new__, _setter("outputs"), _setter("inputs")
    set_blocks, set_edges, set_head = _setter("blocks"), _setter("edges"), _setter("head")
    set_factored = _setter("_factored")
    diagrams: list[Diagram] = []
    last: tuple[int, ...] = (-1,)
    entries = iter(rows)
    for kind, top, bottom, number in zip(entries, entries, entries, entries, strict=True):
        try:
            blocks, crossing, tied_above = above[top]
            through, ends, tied_below = below[bottom]
            middle = middles[number]
        except IndexError:
            raise CatalogError("a row of the table names a half or middle that is not there") from None
        here = (kind != NO_HEAD, len(middle), len(tied_above), top, bottom, number)
        if here <= last:
            raise CatalogError("the diagrams are not in the order of a basis, or one stands twice")
        if len(crossing) != len(middle) or len(through) != len(middle):
            raise CatalogError("a middle does not fit its halves")
        last = here
        joined = [*blocks, *ends]
        for block, place in zip(crossing, middle, strict=False):
            joined[block] += through[place]
        head: tuple[int, ...] = ()
        if kind or tied_above or tied_below:
            head = (*tied_above, *(len(blocks) + place for place in tied_below))
            if kind == WHOLE and middle and len(head) + len(middle) == len(joined):
                head = tuple(range(len(joined)))
            elif kind != TIED or not head:
                raise CatalogError("a diagram has another head than its row says")
        diagram = new(Diagram)
        set_outputs(diagram, outputs)
        set_inputs(diagram, inputs)
        set_blocks(diagram, tuple(joined))
        set_edges(diagram, ())
        set_head(diagram, head)
        set_factored(diagram, (tops[top], bottoms[bottom], middle))
        diagrams.append(diagram)
    return tuple(diagrams)


def _setter(name: str) -> Any:
    return getattr(Diagram, name).__set__


def _encode_one(element: Element) -> dict[str, Any]:
    if isinstance(element, tuple):
        return {"product": [_encode_one(part) for part in element]}
    if isinstance(element, Orbit):
        return {"orbit": list(element.representative)}
    if isinstance(element, MatrixMap):
        return {"entries": [list(entry) for entry in element.entries]}
    data: dict[str, Any] = {"blocks": [list(block) for block in element.blocks]}
    if element.edges:
        data["edges"] = [list(edge) for edge in element.edges]
    if element.head:
        data["head"] = list(element.head)
    return data


def _decode_one(data: Any, inputs: int | tuple[int, ...], outputs: int | tuple[int, ...]) -> Element:
    if isinstance(inputs, tuple) or isinstance(outputs, tuple):
        match data:
            case {"product": list(parts), **rest} if (
                not rest and isinstance(inputs, tuple) and isinstance(outputs, tuple)
                and len(parts) == len(inputs) == len(outputs)
            ):  # fmt: skip
                decoded = [_decode_one(p, k, lo) for p, k, lo in zip(parts, inputs, outputs, strict=True)]
                singles = tuple(part for part in decoded if not isinstance(part, tuple))
                if len(singles) == len(decoded):
                    return singles
        raise CatalogError("an element of a product is not an element for each factor")
    match data:
        case {"orbit": representative, **rest} if not rest:
            index = tuple(_numbers(representative))
            if len(index) == inputs + outputs:
                return Orbit(outputs, inputs, index)
        case {"entries": list(entries), **rest} if not rest and entries:
            rows = tuple(tuple(entry) for entry in entries if type(entry) is list)
            if len(rows) == len(entries) and all(
                len(row) == 3 and all(type(x) is int for x in row) and min(row[:2]) >= 0 and row[2] for row in rows
            ):
                return MatrixMap(outputs, inputs, rows)
        case {"blocks": list(blocks), **rest} if rest.keys() <= {"edges", "head"}:
            edges = tuple(tuple(_numbers(edge)) for edge in _list(rest.get("edges", [])))
            if all(len(edge) == 2 for edge in edges):
                try:
                    return Diagram(
                        outputs,
                        inputs,
                        tuple(tuple(_numbers(block)) for block in blocks),
                        edges,  # type: ignore[arg-type]
                        tuple(_numbers(rest.get("head", []))),
                    )
                except EqsynthError as error:
                    raise CatalogError(f"a diagram is malformed: {error}") from None
    raise CatalogError("an element is no diagram, orbit or matrix of these orders")


def _list(value: Any) -> list[Any]:
    if type(value) is not list:
        raise CatalogError("a list is expected")
    return value
