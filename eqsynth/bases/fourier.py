"""Two exact savings for permutations: labels that are pairwise different, and the Fourier transform over their orders.

Level c of a layer holds the diagrams with c transferred blocks. Tuples of c different labels fall into free orbits
of S_c, on which the c! ways to join two half-diagrams are a convolution: one small product per irreducible part of
S_c replaces c!^2 products. Where labels coincide a diagram is another one, with fewer transferred blocks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import cache
from math import factorial

from eqsynth.bases.basis import Basis
from eqsynth.bases.bratteli import irreducible_dimension
from eqsynth.bases.index_symmetries import images_under
from eqsynth.diagrams.diagram import Diagram
from eqsynth.errors import EqsynthError
from eqsynth.exact.partitions import partitions, set_partitions
from eqsynth.exact.polynomial import Polynomial
from eqsynth.families.group import Group
from eqsynth.spaces.space import axes_of, generators_of

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
    labels: there the relation is inverted. Between symmetric tensors a map is a sum over the orders of axes in which
    its diagram differs, and merged diagrams count for the map that they belong to, with the sign of the exchange.

    Raises EqsynthError where the basis lacks a merged diagram; no basis is known that does.
    """
    places = _places(basis)

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
        missing = [other for other in total if other not in places]
        # Of all diagrams up to exchanges of axes those that are not there are zero.
        if missing and (basis.plain_orders or basis.certificate.independence != "cosets"):
            raise EqsynthError(
                f"the basis of {basis.group} {basis.inputs} -> {basis.outputs} holds {diagram}, but not {missing[0]}, "
                "with blocks merged: its labels cannot be told apart. Ask for the plan by diagrams"
            )
        summed: Counter[int] = Counter()
        for other in total.keys() & places.keys():
            into, sign = places[other]
            summed[into] += sign * total[other]
        terms = len(basis.turned(number))
        listed += [(into, number, times * terms // len(basis.turned(into))) for into, times in summed.items() if times]
    return tuple(sorted(listed))


def _places(basis: Basis) -> dict[Diagram, tuple[int, int]]:
    """The number of the map that each diagram belongs to, up to exchanges of axes, and the sign of that exchange."""
    places = {element: (number, 1) for number, element in enumerate(basis.diagrams) if isinstance(element, Diagram)}
    sides = ((basis.outputs, 0), (basis.inputs, axes_of(basis.outputs)))
    moves = [(images_under(axes, start, ()), sign) for order, start in sides for axes, sign in generators_of(order)]
    agenda = [*places] if moves else []
    while agenda:
        diagram = agenda.pop()
        number, by = places[diagram]
        for move, sign in moves:
            (blocks, head), own = move(diagram)
            image = replace(diagram, blocks=blocks, head=head)
            if image not in places:
                places[image] = number, by * sign * own
                agenda.append(image)
    return places


def _merged(diagram: Diagram) -> Iterator[Diagram]:
    """The diagrams with some transferred blocks merged."""
    crossing = [block for block in diagram.blocks if block[0] < diagram.outputs <= block[-1]]
    others = [block for block in diagram.blocks if block not in crossing]
    for parts in set_partitions(len(crossing)):
        if len(parts) < len(crossing):
            joined = [[vertex for place in part for vertex in crossing[place]] for part in parts]
            yield Diagram.of(diagram.outputs, diagram.inputs, [*others, *joined])
