"""Dimensions of the spaces of equivariant maps, from representation theory alone.

They use no diagram, which is why they can prove that a set of diagrams is complete.
"""

from __future__ import annotations

from eqsynth.families.group import Group
from eqsynth.spaces.space import FactorAxes, Valence


def dimension(group: Group, total: int) -> int:
    """How many independent equivariant maps V^k -> V^l there are, for k + l = ``total``.

    >>> from eqsynth import Group
    >>> from eqsynth.bases.dimension import dimension
    >>> dimension(Group("S", 3), 4), dimension(Group("SO", 3), 7), dimension(Group("S", "n"), 4)
    (14, 36, 15)

    With n a letter the answer holds for every n that is large enough (see :func:`stable_from`).

    Source: S(n) and A(n) by Stirling numbers (arXiv 2212.08648, 2301.10152). O, SO and Sp by Schur-Weyl duality:
    V^m is the sum over partitions of m with at most n rows of an irrep of GL(n), as often as there are standard
    tableaux, and it has one invariant of O(n) if all rows are even, of SO(n) also if there are n odd rows, and of Sp(n)
    if all columns are even (Macdonald, Symmetric Functions, I.5 and VII.2); none otherwise.

    Raises SizeError for numbers of partitions that take too long to go through.
    """
    return group.dimension(total)


def symmetric_dimension(group: Group, *parts: FactorAxes) -> int:
    """The same between symmetric, alternating and other tensors: how many equivariant maps and constants there are.

    >>> from eqsynth import Group
    >>> from eqsynth.bases.dimension import symmetric_dimension
    >>> from eqsynth.spaces.space import Symmetry
    >>> two = Symmetry("S", 2)
    >>> [symmetric_dimension(Group(name, "n"), two, two) for name in ("S", "O", "Sp")]
    [9, 2, 1]

    ``parts`` are the tensor spaces that are multiplied, of inputs and outputs alike; a number is that many plain axes.
    Which are axes of V* the group says itself (``Group.between``).

    Source: S(n) and A(n): multisets of block types, where types that an exchange gives a sign stand once at most
    (arXiv 2503.11276 for symmetric inputs and outputs). O, SO and Sp: the polynomial representations with an
    invariant (even rows, all rows odd, even columns), counted by Pieri's rule (Macdonald, Symmetric Functions, I.5).
    """
    return group.symmetric_dimension([part.order if isinstance(part, Valence) else part for part in parts])


def stable_from(group: Group, total: int) -> int:
    """The least n from which the dimension no longer changes and every headless diagram is needed."""
    return group.stable_from(total)
