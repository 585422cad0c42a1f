"""The diagrams that a basis leaves out, each as an exact combination of those it keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING

from eqsynth.bases import symbolic
from eqsynth.bases.basis import Basis
from eqsynth.diagrams import bilabelled, enumeration, functor
from eqsynth.diagrams.diagram import Diagram, Element, Orbit
from eqsynth.errors import SizeError
from eqsynth.families.hom import maps_of
from eqsynth.graphs.graph import Graph
from eqsynth.graphs.orbits import representative_array
from eqsynth.spaces.space import axes_of, order_text

if TYPE_CHECKING:
    import flint

#: The most diagrams that are explained one by one, and the largest basis in which that is done.
MAX_LEFT_OUT = 400
MAX_BASIS = 400


@dataclass(frozen=True, slots=True)
class Relation:
    """A left-out ``element``: the sum of ``coefficient`` times basis element ``i`` over the pairs in ``terms``.

    ``terms`` lists the coefficients that are not zero, by the number of the basis element.
    """

    element: Element
    terms: tuple[tuple[int, Fraction], ...]

    def __str__(self) -> str:
        return " ".join(
            f"{'-' if value < 0 else '+' if place else ''}{' ' if place else ''}"
            f"{'' if abs(value) == 1 else f'{abs(value)} '}[{number}]"
            for place, (number, value) in enumerate(self.terms)
        ) or "0"  # fmt: skip


def left_out(basis: Basis) -> int:
    """How many of the diagrams that were considered are not in the basis.

    >>> import eqsynth as eq
    >>> from eqsynth.bases.relations import left_out
    >>> left_out(eq.basis("S(2)", 2, 2)), left_out(eq.basis("S(n)", 2, 2))
    (7, 0)
    """
    return basis.certificate.spanning - len(basis)


def relations(basis: Basis) -> tuple[Relation, ...]:
    """Every diagram that the basis leaves out, with its exact coefficients in the basis.

    >>> import eqsynth as eq
    >>> from eqsynth.bases.relations import relations
    >>> for relation in relations(eq.basis("S(2)", 1, 2)):
    ...     print(relation.element, "=", relation)
    y[a,b] += x[b] = -[0] + [1] + 2 [2] - [3]

    The matrices obey these equations at the group's own n. For S, O, SO, Sp and A the coefficients solve the Gram
    matrix of the basis; for Aut(G), the values on one index tuple per orbit, and what is left out are bilabelled
    graphs that were tried and orbit indicators. A product leaves out what its factors leave out: ask for the
    factors. Other groups leave nothing out.

    Raises SizeError above 400 left-out diagrams, or 400 in the basis.
    Source: arXiv 2212.08648, 2212.08630.
    """
    count = 0 if len(basis.group.factors) > 1 else left_out(basis)
    if not count:
        return ()
    if count > MAX_LEFT_OUT or len(basis) > MAX_BASIS:
        raise SizeError(
            f"the basis of {basis.group} {order_text(basis.inputs)} -> {order_text(basis.outputs)} has "
            f"{len(basis):,} elements and leaves out "
            f"{count:,}; relations are computed for up to {MAX_BASIS} and {MAX_LEFT_OUT}: ask for lower orders"
        )
    if basis.group.kept_graph is not None:
        return _graph_relations(basis, basis.group.kept_graph)
    chosen, inputs, outputs = basis.plain()
    group = maps_of(basis.group, basis.inputs, basis.outputs)
    listed = enumeration.diagrams(group, outputs, inputs)
    missing = sorted(set(listed) - set(chosen), key=lambda diagram: diagram.key)
    inner = symbolic.gram(group, diagrams=[*chosen, *missing]).at()
    import flint

    size = len(chosen)
    gram = flint.fmpz_mat([[int(entry) for entry in row[:size]] for row in inner[:size]])
    paired = flint.fmpz_mat([[int(entry) for entry in row[size:]] for row in inner[:size]])
    return _solved(missing, gram, paired)


def _graph_relations(basis: Basis, graph: Graph) -> tuple[Relation, ...]:
    import flint
    import numpy as np

    inputs, outputs = axes_of(basis.inputs), axes_of(basis.outputs)
    group, chosen = basis.group, set(basis.diagrams)
    labels = functor.orbits_of(group, inputs + outputs)
    least = representative_array(labels)
    limits = bilabelled.Budget()
    tried = islice(
        bilabelled.candidates(
            outputs, inputs, graph.directed, graph.loops, limits.internal, limits.edges
        ),
        basis.certificate.spanning - len(least),
    )  # fmt: skip
    orbits = (Orbit(outputs, inputs, tuple(map(int, index))) for index in least)
    considered: list[Element] = [*tried, *orbits]
    missing = [element for element in considered if element not in chosen]
    adjacency = graph.adjacency()

    def values(element: Element) -> list[int]:
        if isinstance(element, Diagram):
            return [int(value) for value in bilabelled.counts(adjacency, element, least)]
        assert isinstance(element, Orbit)  # noqa: S101 - the other kind in a basis of Aut(G)
        return np.all(least == element.representative, axis=1).astype(int).tolist()  # type: ignore[no-any-return]

    square = flint.fmpz_mat([values(element) for element in basis.diagrams]).transpose()
    return _solved(missing, square, flint.fmpz_mat([values(element) for element in missing]).transpose())


def _solved(missing: Sequence[Element], square: flint.fmpz_mat, sides: flint.fmpz_mat) -> tuple[Relation, ...]:
    import flint

    solved = flint.fmpq_mat(square).solve(flint.fmpq_mat(sides))
    return tuple(
        Relation(
            element,
            tuple(
                (row, Fraction(int(value.p), int(value.q)))
                for row in range(solved.nrows())
                if (value := solved[row, column]) != 0
            ),
        )
        for column, element in enumerate(missing)
    )
