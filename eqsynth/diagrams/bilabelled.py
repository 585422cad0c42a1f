"""Bilabelled graphs: the diagrams of Aut(G), whose matrices count homomorphisms to G.

A diagram's blocks are vertices of a small graph H: blocks with output or input vertices are labelled, blocks
without are internal. Its ``edges`` are the edges of H. The entry at (I, J) is the number of homomorphisms
H -> G that send the labelled blocks to the labels I, J; it is 0 if the labels disagree inside a block.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, permutations
from typing import TYPE_CHECKING, Any

from eqsynth.diagrams.diagram import Diagram
from eqsynth.errors import EqsynthError, SizeError, VerificationError
from eqsynth.exact.limits import afford
from eqsynth.exact.partitions import bell, set_partitions
from eqsynth.graphs.graph import Graph
from eqsynth.graphs.orbits import orbit_count, orbit_labels, representative_array

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: A Mersenne prime: rank modulo it never exceeds the rank over Q, so a full rank is a proof.
PRIME = (1 << 31) - 1
MAX_INTERNAL = 50
MAX_ENTRIES = 1 << 25


@dataclass(frozen=True, slots=True)
class Budget:
    """How far :func:`choose` searches: diagrams tried, their size, and arithmetic in all, whatever the machine.

    >>> from eqsynth.diagrams.bilabelled import Budget
    >>> Budget(candidates=100)
    Budget(candidates=100, internal=4, edges=6, multiply_adds=1000000000)

    ``internal`` vertices and ``edges`` bound each diagram, ``multiply_adds`` are counted roughly.
    """

    candidates: int = 1_000
    internal: int = 4
    edges: int = 6
    multiply_adds: int = 1_000_000_000

    def __post_init__(self) -> None:
        if min(self.candidates, self.internal, self.edges, self.multiply_adds) < 0:
            raise SizeError(f"{self} has a negative limit: ask for limits of 0 or more")


@dataclass(frozen=True, slots=True)
class Chosen:
    """A basis: bilabelled graphs, then the numbers of the orbits whose indicators complete it.

    >>> from eqsynth.diagrams.bilabelled import choose
    >>> from eqsynth.graphs.graph import Graph
    >>> from eqsynth.graphs.orbits import orbit_labels
    >>> petersen = Graph.named("petersen")
    >>> chosen = choose(petersen, orbit_labels(petersen.automorphisms(), 10, 2), 1, 1)
    >>> [(d.blocks, d.edges) for d in chosen.diagrams], chosen.orbits, chosen.tried
    ([(((0,), (1,)), ()), (((0, 1),), ()), (((0,), (1,)), ((0, 1),))], (), 3)

    ``tried`` is how many diagrams were evaluated.
    """

    diagrams: tuple[Diagram, ...]
    orbits: tuple[int, ...]
    tried: int


def candidates(
    outputs: int, inputs: int, directed: bool = False, loops: bool = False, max_internal: int = 4, max_edges: int = 6
) -> Iterator[Diagram]:
    """Bilabelled graphs, by number of internal vertices, then of edges, each once up to isomorphism.

    >>> from eqsynth.diagrams.bilabelled import candidates
    >>> [(d.blocks, d.edges) for d in candidates(1, 0, max_internal=1, max_edges=1)]
    [(((0,),), ()), (((0,), ()), ((0, 1),))]

    Each internal vertex is connected to a labelled one: a part that is not would only be a scalar factor.
    ``loops`` allows edges from a vertex to itself; in an undirected graph the lesser block comes first.
    """
    count = bell(outputs + inputs)
    afford(f"{count:,} partitions of {outputs + inputs} axes", "ask for lower orders", steps=20 * count)
    partitions = [Diagram(outputs, inputs, blocks) for blocks in set_partitions(outputs + inputs)]
    partitions.sort(key=lambda diagram: diagram.key)
    for internal in range(max_internal + 1):
        for size in range(internal, max_edges + 1):
            for partition in partitions:
                labelled = len(partition.blocks)
                total = labelled + internal
                if internal and not labelled:
                    continue
                pairs = [
                    (tail, head)
                    for tail in range(total)
                    for head in range(total)
                    if tail < head or (directed and tail > head) or (loops and tail == head)
                ]
                blocks = partition.blocks + ((),) * internal
                for edges in combinations(pairs, size):
                    if _attached(edges, labelled, total) and _least_form(edges, labelled, total, directed):
                        yield Diagram(outputs, inputs, blocks, edges)


def _attached(edges: Sequence[tuple[int, int]], labelled: int, total: int) -> bool:
    """Whether every internal vertex is connected to a labelled one."""
    reached = set(range(labelled))
    grew = len(reached) < total
    while grew:
        ends = {end for edge in edges if edge[0] in reached or edge[1] in reached for end in edge}
        grew = not ends <= reached
        reached |= ends
    return len(reached) == total


def _least_form(edges: tuple[tuple[int, int], ...], labelled: int, total: int, directed: bool) -> bool:
    """Whether no renumbering of the internal vertices gives a lesser tuple of edges."""
    for order in permutations(range(labelled, total)):
        number = (*range(labelled), *order)
        renumbered = [(number[tail], number[head]) for tail, head in edges]
        if not directed:
            renumbered = [(min(edge), max(edge)) for edge in renumbered]
        if tuple(sorted(renumbered)) < edges:
            return False
    return True


def values(graph: Graph, diagram: Diagram, representatives: Sequence[Sequence[int]]) -> list[int]:
    """Entries of the diagram's matrix at the given index tuples, exactly; outputs first, then inputs.

    >>> from eqsynth import Diagram
    >>> from eqsynth.diagrams.bilabelled import values
    >>> from eqsynth.graphs.graph import Graph
    >>> walks = Diagram(1, 1, ((0,), (1,), ()), ((0, 2), (1, 2)))  # of two steps
    >>> values(Graph.named("C5"), walks, [(0, 0), (0, 1), (0, 2)])
    [2, 0, 1]

    Source: arXiv 2307.07810, the (k, l)-bilabelled graph homomorphism matrices.
    """
    import numpy as np

    total = diagram.outputs + diagram.inputs
    if any(len(tuple_) != total for tuple_ in representatives):
        raise EqsynthError(f"the diagram has {total} vertices: give index tuples of length {total}")
    indices = np.array([list(tuple_) for tuple_ in representatives], np.int64).reshape(len(representatives), total)
    if indices.size and not 0 <= indices.min() <= indices.max() < graph.n:
        raise EqsynthError(f"{graph} has the vertices 0 to {graph.n - 1}: give index tuples of these")
    return [int(value) for value in counts(graph.adjacency(), diagram, indices)]


def counts(adjacency: NDArray[np.int64], diagram: Diagram, indices: NDArray[np.int64]) -> NDArray[Any]:
    """:func:`values` at the rows of an array, as whole numbers: floats below 2^53, Python's above.

    >>> import numpy as np
    >>> from eqsynth import Diagram
    >>> from eqsynth.diagrams.bilabelled import counts
    >>> counts(np.array([[0, 1], [1, 0]]), Diagram(1, 1, ((0,), (1,)), ((0, 1),)), np.array([[0, 0], [0, 1]]))
    array([0., 1.])
    """
    import numpy as np

    n = len(adjacency)
    labelled = [block for block in diagram.blocks if block]
    internal = len(diagram.blocks) - len(labelled)
    if internal > MAX_INTERNAL:
        raise SizeError(f"a diagram with {internal} internal vertices is too large: ask for at most {MAX_INTERNAL}")
    # No count and no partial sum exceeds n^internal, so floats are exact below 2^53.
    matrix = adjacency.astype(np.float64 if n**internal < 1 << 53 else object)
    labels = indices[:, [block[0] for block in labelled]]
    alive = np.ones(len(indices), bool)
    for block in labelled:
        alive &= (indices[:, block] == indices[:, block[:1]]).all(1)
    for tail, head in diagram.edges:
        if max(tail, head) < len(labelled):
            alive &= adjacency[labels[:, tail], labels[:, head]] != 0
    entries = np.zeros(len(indices), matrix.dtype)
    rows = np.flatnonzero(alive)
    step = max(1, (1 << 22) // _widest(diagram, n)[0])
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        entries[part] = _sum_internal(matrix, diagram, labels[part])
    return entries


def _sum_internal(matrix: NDArray[Any], diagram: Diagram, labels: NDArray[np.int64]) -> NDArray[Any]:
    """The sum over the labels of internal blocks of the product over their edges, for each row of labels."""
    import numpy as np

    rows, first = labels.shape
    single = {block: np.ones((rows, len(matrix)), matrix.dtype) for block in range(first, len(diagram.blocks))}
    # A factor is an array and what its axes are: -1 for the rows, the number of an internal block otherwise.
    factors: list[tuple[tuple[int, ...], NDArray[Any]]] = []
    for tail, head in diagram.edges:
        if tail == head and tail >= first:
            single[tail] *= np.diagonal(matrix)
        elif tail >= first and head >= first:
            factors.append(((tail, head), matrix))
        elif tail >= first:
            single[tail] *= matrix[:, labels[:, head]].T
        elif head >= first:
            single[head] *= matrix[labels[:, tail]]
    factors += [((-1, block), array) for block, array in single.items()]
    for block, others in _elimination(diagram):
        touching = [factor for factor in factors if block in factor[0]]
        factors = [factor for factor in factors if block not in factor[0]]
        axes = (-1, *others)
        letter = {axis: place for place, axis in enumerate((*axes, block))}
        operands: list[Any] = []
        for own, array in touching:
            operands += [array, [letter[axis] for axis in own]]
        summed = np.einsum(
            *operands, [letter[axis] for axis in axes], optimize="greedy" if len(touching) > 1 else False
        )
        factors.append((axes, summed))
    product = np.ones(rows, matrix.dtype)
    for _, array in factors:
        product = product * array
    return product


def _elimination(diagram: Diagram) -> list[tuple[int, tuple[int, ...]]]:
    """Internal blocks in the order in which they are summed, each with the internal blocks it is then tied to."""
    first = sum(1 for block in diagram.blocks if block)
    ties: dict[int, set[int]] = {block: set() for block in range(first, len(diagram.blocks))}
    for tail, head in diagram.edges:
        if tail >= first and head >= first and tail != head:
            ties[tail].add(head)
            ties[head].add(tail)
    order = []
    while ties:
        block = min(ties, key=lambda other: (len(ties[other]), other))
        others = ties.pop(block)
        for other in others:
            ties[other] |= others
            ties[other] -= {block, other}
        order.append((block, tuple(sorted(others))))
    return order


def _widest(diagram: Diagram, n: int) -> tuple[int, int]:
    """For one index tuple: entries of the largest intermediate, and multiply-adds in all."""
    sizes = [n ** (1 + len(others)) for _, others in _elimination(diagram)]
    return max(sizes, default=1), 1 + sum(sizes)


def choose(graph: Graph, labels: NDArray[np.int64], outputs: int, inputs: int, budget: Budget | None = None) -> Chosen:
    """A basis of the equivariant maps: the first independent bilabelled graphs, completed by orbit indicators.

    >>> from eqsynth.diagrams.bilabelled import choose
    >>> from eqsynth.graphs.graph import Graph
    >>> from eqsynth.graphs.orbits import orbit_labels
    >>> path = Graph.named("path3")
    >>> chosen = choose(path, orbit_labels(path.automorphisms(), 3, 2), 1, 1)
    >>> len(chosen.diagrams), chosen.orbits
    (5, ())

    ``labels`` are the orbits of the graph's automorphisms on (outputs + inputs)-tuples. A diagram is kept if
    it raises the rank, modulo a prime, of the values on one tuple per orbit. Diagrams and indicators are
    independent modulo the prime, hence over Q, and as many as there are orbits: a proof that they are a basis.
    Diagrams do not see colours of vertices or edges; orbits that only colours tell apart are left to indicators.

    Raises EqsynthError for labels of another shape.
    """
    import numpy as np

    total = outputs + inputs
    if labels.shape != (graph.n,) * total:
        raise EqsynthError(
            f"orbit labels of shape {labels.shape} do not fit {inputs} -> {outputs} on {graph}: ask for "
            f"orbit_labels(graph.automorphisms(), {graph.n}, {total})"
        )
    budget = Budget() if budget is None else budget
    indices = representative_array(labels)
    size = highest = len(indices)
    if graph.colours or graph.edge_colours:
        uncoloured = replace(graph, colours=(), edge_colours=())
        highest = orbit_count(orbit_labels(uncoloured.automorphisms(), graph.n, total))
    adjacency = graph.adjacency()
    span = _Span(size)
    independent: list[Diagram] = []
    seen: set[bytes] = set()
    tried = spent = 0
    for diagram in candidates(outputs, inputs, graph.directed, graph.loops, budget.internal, budget.edges):
        spent += size * (_widest(diagram, graph.n)[1] + len(independent))
        full = len(independent) == highest or (len(independent) + 1) * size > max(MAX_ENTRIES, size)
        if full or tried == budget.candidates or spent > budget.multiply_adds:
            break
        tried += 1
        vector = (counts(adjacency, diagram, indices) % PRIME).astype(np.int64)
        digest = hashlib.blake2b(vector.tobytes(), digest_size=16).digest()
        if digest not in seen:
            seen.add(digest)
            if span.add(vector):
                independent.append(diagram)
    return Chosen(tuple(independent), span.missing(), tried)


def separator(diagram: Diagram) -> tuple[int, ...]:
    """A smallest set of blocks that every path from an output block to an input block meets.

    >>> from eqsynth import Diagram
    >>> from eqsynth.diagrams.bilabelled import separator
    >>> separator(Diagram(2, 2, ((0,), (1,), (2,), (3,), ()), ((0, 4), (1, 4), (2, 4), (3, 4))))
    (4,)

    Channels are mixed on these blocks, at a cost of n^(their number); among smallest sets it is the one
    nearest to the outputs.
    """
    outer = {number for number, block in enumerate(diagram.blocks) if block and block[0] < diagram.outputs}
    inner = {number for number, block in enumerate(diagram.blocks) if block and block[-1] >= diagram.outputs}
    both = outer & inner
    others = [number for number in range(len(diagram.blocks)) if number not in both]
    for size in range(len(others) + 1):
        for more in combinations(others, size):
            cut = both | set(more)
            if not below(diagram, cut) & outer - cut:
                return tuple(sorted(cut))
    raise AssertionError("all blocks together separate the rows")


def below(diagram: Diagram, cut: Collection[int]) -> set[int]:
    """The blocks that are joined to an input block by edges that avoid ``cut``, outside ``cut``."""
    reached = {
        number
        for number, block in enumerate(diagram.blocks)
        if block and block[-1] >= diagram.outputs and number not in cut
    }
    grew = True
    while grew:
        ends = {end for edge in diagram.edges if reached.intersection(edge) for end in edge if end not in cut}
        grew = not ends <= reached
        reached |= ends
    return reached


def affordable(graph: Graph, labels: NDArray[np.int64], outputs: int, inputs: int, chosen: Chosen) -> Chosen:
    """The basis with fewer graphs and more orbits, where graphs would cost more than the whole matrix.

    >>> from eqsynth.diagrams.bilabelled import affordable, choose
    >>> from eqsynth.graphs.graph import Graph
    >>> from eqsynth.graphs.orbits import orbit_labels
    >>> frucht = Graph.named("frucht")
    >>> labels = orbit_labels(frucht.automorphisms(), 12, 2)
    >>> chosen = affordable(frucht, labels, 1, 1, choose(frucht, labels, 1, 1))
    >>> len(chosen.diagrams), len(chosen.orbits)
    (14, 130)

    Orbits take a matrix of n^(outputs + inputs) entries; each graph adds n^(blocks of its separator). Where orbits
    are needed, the first graphs are kept while together they cost no more than the matrix.
    """
    import numpy as np

    if not chosen.orbits:
        return chosen
    room = graph.n ** (outputs + inputs)
    graphs: list[Diagram] = []
    for diagram in chosen.diagrams:
        room -= graph.n ** len(separator(diagram))
        if room < 0:
            break
        graphs.append(diagram)
    indices = representative_array(labels)
    span = _Span(len(indices))
    for diagram in graphs:
        span.add((counts(graph.adjacency(), diagram, indices) % PRIME).astype(np.int64))
    return Chosen(tuple(graphs), span.missing(), chosen.tried)


def check_basis(graph: Graph, labels: NDArray[np.int64], chosen: Chosen) -> None:
    """Raise VerificationError unless diagrams and orbit indicators are a basis, by another elimination.

    >>> from eqsynth.diagrams.bilabelled import check_basis, choose
    >>> from eqsynth.graphs.graph import Graph
    >>> from eqsynth.graphs.orbits import orbit_labels
    >>> frucht = Graph.named("frucht")
    >>> labels = orbit_labels(frucht.automorphisms(), 12, 1)
    >>> check_basis(frucht, labels, choose(frucht, labels, 1, 0))

    As many as there are orbits, and the determinant of the diagrams' values on the other orbits is not zero.
    """
    import flint
    import numpy as np

    size, rank = orbit_count(labels), len(chosen.diagrams)
    if rank + len(set(chosen.orbits)) != size or len(set(chosen.orbits)) != len(chosen.orbits):
        raise VerificationError(
            f"{rank} diagrams and {len(set(chosen.orbits))} orbits are no basis of dimension {size}: choose again"
        )
    others = np.setdiff1d(np.arange(size), np.array(chosen.orbits, np.int64))
    indices, adjacency = representative_array(labels)[others], graph.adjacency()
    rows = [int(x) % PRIME for diagram in chosen.diagrams for x in counts(adjacency, diagram, indices)]
    if len(others) != rank or int(flint.nmod_mat(rank, rank, rows, PRIME).rank()) != rank:
        raise VerificationError("the diagrams depend on each other modulo the prime: choose again")


class _Span:
    """Vectors modulo the prime in reduced form: each row ends in a 1, where all other rows are 0."""

    def __init__(self, size: int) -> None:
        import numpy as np

        self._rows = np.zeros((min(size, 8), size), np.int64)
        self._ends: list[int] = []

    def add(self, vector: NDArray[np.int64]) -> bool:
        """Take in a vector; whether it was outside the span."""
        import numpy as np

        rank = len(self._ends)
        rows = self._rows[:rank]
        ends = np.array(self._ends, np.int64)
        factors = vector[ends]
        used = np.flatnonzero(factors)
        vector = (vector - (rows[used] * factors[used, None] % PRIME).sum(0)) % PRIME
        places = np.flatnonzero(vector)
        if not len(places):
            return False
        end = int(places[-1])
        vector = vector * pow(int(vector[end]), -1, PRIME) % PRIME
        touched = np.flatnonzero(rows[:, end])
        rows[touched] = (rows[touched] - rows[touched, end][:, None] * vector) % PRIME
        if rank == len(self._rows):
            grown = np.zeros((min(2 * rank, self._rows.shape[1]), self._rows.shape[1]), np.int64)
            grown[:rank] = self._rows
            self._rows = grown
        self._rows[rank] = vector
        self._ends.append(end)
        return True

    def missing(self) -> tuple[int, ...]:
        """Unit vectors that complete the span, the first independent ones: all but the ends of rows."""
        ends = set(self._ends)
        return tuple(place for place in range(self._rows.shape[1]) if place not in ends)
