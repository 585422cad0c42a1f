"""How to read pictures of maps: one legend for tables, pages and notebooks, with a line for each mark that occurs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from eqsynth.diagrams import words
from eqsynth.diagrams.diagram import Diagram, Element, MatrixMap, Multiplied, Orbit, Single
from eqsynth.families.group import Group
from eqsynth.spaces.space import Irrep, Order, Symmetry, entries_of

#: The names of marks: in drawings, and in pictures made of characters.
MARKS = {
    "vertices": ("dots", "vertices"),
    "head": ("dots that hang on the dome", "vertices ○"),
    "omega": ("an arrow", "a mark ▸"),
    "node": ("discs between the rows are vertices of a graph, thick lines edges", "letters joined by a line are edges"),
    "orbit": ("squares with numbers", "numbers in place of vertices"),
    "beside": ("pictures beside each other, with ⊗ between,", "pictures beside each other, with | between,"),
    "entry": (
        "a square is an entry of the matrix that is not zero, full where positive, hollow where negative",
        "numbers are the entries of the matrix, points its zeros",
    ),
}


def legend(
    group: Group,
    elements: Sequence[Element],
    inputs: Order,
    outputs: Order,
    multiplied: Sequence[Multiplied] = (),
    turned: bool = False,
    characters: bool = False,
) -> list[str]:
    """Lines on how to read the pictures of maps from order ``inputs`` to order ``outputs``.

    >>> import eqsynth as eq
    >>> from eqsynth.diagrams.legend import legend
    >>> for line in legend(eq.Group.parse("Sp(4)"), eq.basis("Sp(4)", 2, 2), 2, 2):
    ...     print(line)
    outputs y on top, inputs x below; joined dots share an index
    an arrow joins two axes of one row: ω, with ω[2k,2k+1] = 1 and ω[2k+1,2k] = -1

    Each is there where its mark occurs. ``multiplied``: the names of what x is the product of; ``turned``: whether maps
    are added in several orders of the output's axes; ``characters``: whether pictures are made of characters, as in
    terminals.
    """
    parts = [pair for element in elements for pair in words.parts(group, element)]
    lines = [*_rows(group, parts, multiplied, characters), *_marks(group, parts, characters)]
    if group.maps == "nested":
        outer, inner = group.indices
        lines.append(
            f"{_mark('beside', characters)} have the same axes: left, which indices agree in their group, {outer}; "
            f"right, which agree in their member, {inner}"
        )
    elif len(group.indices) > 1:
        lines.append(f"{_mark('beside', characters)} are for one factor each; their entries are multiplied")
    return lines + _orders(inputs, outputs, turned)


def _mark(name: str, characters: bool) -> str:
    return MARKS[name][characters]


def _rows(
    group: Group, parts: Sequence[tuple[Group | None, Single]], multiplied: Sequence[Multiplied], characters: bool
) -> Iterator[str]:
    """What the two rows are, and what it means that vertices are joined or alone."""
    if not all(isinstance(part, MatrixMap) for _, part in parts):
        below = "inputs below" if multiplied else "inputs x below"
        yield f"outputs y on top, {below}; joined {_mark('vertices', characters)} share an index"
    if characters:
        return
    alone = {
        block[0] < part.outputs
        for _, part in parts
        if isinstance(part, Diagram) and not part.edges
        for number, block in enumerate(part.blocks)
        if len(block) == 1 and number not in part.head
    }
    if alone:
        said = [("an input that nothing joins is summed", False), ("an output that nothing joins is repeated", True)]
        yield "; ".join(what for what, above in said if above in alone)
    if group.duals:
        yield "in each row axes of V come first, then those of its dual V*"
    if multiplied:
        names = dict.fromkeys(name for listed in multiplied for name, _ in listed)
        yield f"lines below the dots say which axes are those of {' and of '.join(names)}"


def _marks(group: Group, parts: Sequence[tuple[Group | None, Single]], characters: bool) -> Iterator[str]:
    """What marks mean besides vertices and strands."""
    listed = [(factor or group, part) for factor, part in parts if isinstance(part, Diagram)]
    inside = {words.form_of(factor) for factor, part in listed if part.inside}
    if "omega" in inside:
        omega = "ω, with ω[2k,2k+1] = 1 and ω[2k+1,2k] = -1"
        yield f"{_mark('omega', characters)} joins two axes of one row: {omega}"
    if "eta" in inside:
        yield "a pair inside a row is η: equal indices, times the sign that the form has there"
    heads = [(factor, part) for factor, part in listed if part.head]
    if heads:
        yield f"{_mark('head', characters)} are tied to the head: the Levi-Civita tensor ε of their indices"
    if any(isinstance(factor.n, int) and len(part.head) < factor.n for factor, part in heads):
        yield "a head that lacks one index takes the one that is missing, or sums over it"
    if any(words.form_of(factor) == "eta" and part.bottom.head for factor, part in heads):
        yield "inputs come to the head through η, with its signs"
    for arrows in sorted({words.directed(factor) for factor, part in listed if part.edges or () in part.blocks}):
        one = "a→b is an edge" if arrows else "a and b are neighbours"
        yield f"{_mark('node', characters)}: A[a,b] is 1 where {one}, else 0; others are summed"
    if any(isinstance(part, Orbit) for _, part in parts):
        yield f"{_mark('orbit', characters)} are one index tuple; the map is 1 wherever the group moves it, else 0"
    if any(isinstance(part, MatrixMap) for _, part in parts):
        yield _mark("entry", characters)


def _orders(inputs: Order, outputs: Order, turned: bool) -> list[str]:
    """What symmetries of indices and irreps add to the pictures."""
    lines = []
    if turned:
        lines.append("symmetric outputs: a map is the sum of its picture over the orders of axes in its formula")
    if any(isinstance(one, Symmetry) for one in entries_of(inputs)):
        lines.append("symmetric inputs: of pictures that differ by an exchange of their axes one is drawn")
    if any(isinstance(one, Irrep) for order in (inputs, outputs) for one in entries_of(order)):
        lines.append(
            "irreps are drawn as the tensors that they are; of a result, the part in the output's irrep counts"
        )
    return lines
