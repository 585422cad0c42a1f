"""Every diagram that a group allows, and how many there are before they are listed."""

from __future__ import annotations

from collections.abc import Iterator

from eqsynth.diagrams.codec import all_joined
from eqsynth.diagrams.diagram import Diagram, Half
from eqsynth.families.group import Group


def diagrams(group: Group, outputs: int, inputs: int) -> Iterator[Diagram]:
    """Every diagram of the group's spanning set, one at a time, always in the same order.

    >>> from eqsynth import Group
    >>> from eqsynth.diagrams.enumeration import diagrams
    >>> [d.formula() for d in diagrams(Group("SO", 2), 1, 1)]
    ['y[a] += x[a]', 'y[a] += \u03b5[a,b] x[b]']

    S(n): all set partitions; H(n): those into blocks of even size; B(n): those into pairs and single vertices; S'(n),
    B'(n): those of S(n), B(n) on an even number of vertices. O(n), Sp(n): all perfect matchings. SO(n): those
    of O(n), then diagrams with n free vertices, tied to the head, and pairs. A(n), n > 1: those of S(n), then
    partitions into n or n - 1 blocks, all tied to the head. With n a letter, large n is meant, where no head fits.

    Source: arXiv 2212.08648, theorem 3.3 (S(n)); 2212.08630, theorems 3.2 to 3.6 (O, Sp, SO);
    2301.10152 (A(n)).
    """
    total = outputs + inputs
    if next(group.headless_blocks(total), None) is not None:
        yield from _headless(group, outputs, inputs)
    for blocks, head in group.headed_blocks(total):
        yield Diagram(outputs, inputs, blocks, head=head)


def _headless(group: Group, outputs: int, inputs: int) -> Iterator[Diagram]:
    through = min(outputs, inputs)
    tops, bottoms = (group.rows(order, through) for order in (outputs, inputs))
    if tops is not None and bottoms is not None:
        yield from all_joined(*([Half(blocks, kept) for blocks, kept in rows] for rows in (tops, bottoms)))
        return
    for blocks in group.headless_blocks(outputs + inputs):
        yield Diagram(outputs, inputs, blocks)


def count(group: Group, total: int) -> int:
    """How many diagrams :func:`diagrams` lists for ``total`` vertices."""
    return group.count(total)


def misfit(group: Group, diagram: Diagram) -> str:
    """Why a diagram is not one of those that :func:`diagrams` lists for the group; empty where it is.

    >>> from eqsynth import Diagram, Group
    >>> from eqsynth.diagrams.enumeration import misfit
    >>> misfit(Group("O", 3), Diagram(1, 1, ((0,), (1,))))
    'its blocks are no pairs'

    Decided from the diagram alone: nothing is listed, so that a check need not trust the listing.
    """
    if diagram.edges:
        return "it has edges"
    if not all(diagram.blocks):
        return "it has a block without vertices"
    return group.misfit(diagram.blocks, diagram.head)
