"""Two exact savings for permutations: labels that are pairwise different, and the Fourier transform over their orders.

Level c of a layer holds the diagrams with c transferred blocks. Tuples of c different labels fall into free orbits
of S_c, on which the c! ways to join two half-diagrams are a convolution: one small product per irreducible part of
S_c replaces c!^2 products. Where labels coincide a diagram is another one, with fewer transferred blocks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from functools import cache
from math import factorial

from eqsynth.bases.basis import Basis
from eqsynth.bases.bratteli import irreducible_dimension
from eqsynth.diagrams.diagram import Diagram
from eqsynth.errors import EqsynthError
from eqsynth.exact.partitions import partitions, set_partitions
from eqsynth.exact.polynomial import Polynomial
from eqsynth.families.group import Group

#: (into, element, times): the weight of map ``into`` grows by ``times`` the weight of map ``element``.
Sums = tuple[tuple[int, int, int], ...]


def irreducible_dimensions(c: int) -> tuple[int, ...]:
    """The dimensions of the irreducible parts of S_c, in increasing order.

    >>> from eqsynth.bases.fourier import irreducible_dimensions
    >>> irreducible_dimensions(4)
    (1, 1, 2, 3, 3)
    """
    return tuple(sorted(irreducible_dimension(Group("S", c), shape) for shape in partitions(c)))


def orbits(n: Polynomial, c: int) -> Polynomial:
    """How many sets of c labels there are: n over c.

    >>> from eqsynth.bases.fourier import orbits
    >>> from eqsynth.exact.polynomial import Polynomial
    >>> print(orbits(Polynomial.of("n"), 2))
    1/2 n² - 1/2 n
    """
    falling = Polynomial.of(1)
    for less in range(c):
        falling *= n + (-less)
    return falling / factorial(c)


def sums(basis: Basis, levels: Collection[int]) -> Sums:
    """How weights change when the diagrams of some levels act on pairwise different labels alone.

    >>> import eqsynth as eq
    >>> from eqsynth.bases.fourier import sums
    >>> basis = eq.basis("S(n)", 2, 2)
    >>> [(str(basis[into]), str(basis[element]), times) for into, element, times in sums(basis, {2})]
    [('y[a,a] += x[a,a]', 'y[a,b] += x[a,b]', 1), ('y[a,a] += x[a,a]', 'y[a,b] += x[b,a]', 1)]

    Diagram d is the sum, over all ways to merge transferred blocks, of the merged diagram on pairwise different
    labels. Merging changes no summed block, so both are scaled alike. Diagrams of the other levels act on all
    labels: there the relation is inverted.

    Raises EqsynthError where the basis lacks a merged diagram; no basis is known that does.
    """
    places = {element: number for number, element in enumerate(basis.diagrams)}

    @cache
    def different(diagram: Diagram) -> Counter[Diagram]:
        """A diagram on pairwise different labels, in what the levels hold."""
        combination = Counter({diagram: 1})
        if diagram.through not in levels:
            for other in _merged(diagram):
                combination.subtract(different(other))
        return combination

    listed = []
    for number, diagram in enumerate(basis.diagrams):
        if not isinstance(diagram, Diagram) or diagram.head or diagram.through not in levels:
            continue
        total: Counter[Diagram] = Counter()
        for other in _merged(diagram):
            total.update(different(other))
        if missing := [other for other in total if other not in places]:
            raise EqsynthError(
                f"the basis of {basis.group} {basis.inputs} -> {basis.outputs} holds {diagram}, but not {missing[0]}, "
                "with blocks merged: its labels cannot be told apart. Ask for the plan by diagrams"
            )
        listed += [(places[into], number, times) for into, times in total.items() if times]
    return tuple(sorted(listed))


def _merged(diagram: Diagram) -> Iterator[Diagram]:
    """The diagrams with some transferred blocks merged."""
    crossing = [block for block in diagram.blocks if block[0] < diagram.outputs <= block[-1]]
    others = [block for block in diagram.blocks if block not in crossing]
    for parts in set_partitions(len(crossing)):
        if len(parts) < len(crossing):
            joined = [[vertex for place in part for vertex in crossing[place]] for part in parts]
            yield Diagram.of(diagram.outputs, diagram.inputs, [*others, *joined])
