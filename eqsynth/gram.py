"""Exact linear algebra on diagrams through their inner products, which are closed formulas.

No matrix of size n^l x n^k is ever formed: <D, E> = n^(blocks of the join of D and E) for S(n) and O(n).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from eqsynth.diagram import Diagram
from eqsynth.errors import GroupError
from eqsynth.group import Group

if TYPE_CHECKING:
    import flint
    import numpy as np
    from numpy.typing import NDArray

#: Mersenne primes: ranks are computed modulo the first, and modulo the others if that is unlucky.
PRIMES = ((1 << 31) - 1, (1 << 61) - 1)


def joins(diagrams: Sequence[Diagram], others: Sequence[Diagram] | None = None) -> NDArray[np.int8]:
    """For every pair of a diagram and another, the number of blocks of the join of their partitions.

    >>> from eqsynth import Diagram
    >>> from eqsynth.gram import joins
    >>> joins([Diagram(1, 1, ((0, 1),)), Diagram(1, 1, ((0,), (1,)))]).tolist()
    [[1, 1], [1, 2]]
    """
    import numpy as np

    # Each vertex carries the least vertex of its block; merging two blocks keeps the lesser.
    least = _least(diagrams if others is None else others)
    own = np.arange(len(least), dtype=np.int8)[:, None]
    found = np.empty((len(diagrams), least.shape[1]), np.int8)
    for row, diagram in enumerate(diagrams):
        merged = least
        for block in diagram.blocks:
            for left, right in pairwise(block):
                low = np.minimum(merged[left], merged[right])
                high = np.maximum(merged[left], merged[right])
                merged = np.where(merged == high, low, merged)
        found[row] = (merged == own).sum(0, dtype=np.int8)
    return found


def _least(diagrams: Sequence[Diagram]) -> NDArray[np.int8]:
    """The least vertex in the block of each vertex, shape (vertices, diagrams)."""
    import numpy as np

    vertices = diagrams[0].outputs + diagrams[0].inputs if diagrams else 0
    least = np.empty((vertices, len(diagrams)), np.int8)
    for column, diagram in enumerate(diagrams):
        for block in diagram.blocks:
            for vertex in block:
                least[vertex, column] = block[0]
    return least


def gram_modulo(group: Group, diagrams: Sequence[Diagram], prime: int) -> flint.nmod_mat:
    """The Gram matrix of the diagrams modulo a prime."""
    import flint
    import numpy as np

    if group.family not in ("S", "O") or isinstance(group.n, str):
        raise GroupError(f"{group} has no Gram matrix in numbers: ask for S(n) or O(n) with n a number")
    total = diagrams[0].outputs + diagrams[0].inputs if diagrams else 0
    powers = np.array([pow(group.n, exponent, prime) for exponent in range(total + 1)], np.int64)
    size = len(diagrams)
    return flint.nmod_mat(size, size, powers[joins(diagrams)].ravel().tolist(), prime)


def coarser(diagrams: Sequence[Diagram], orbits: Sequence[Diagram]) -> NDArray[np.int8]:
    """Diagrams of S(n) in the orbit basis: entry (theta, pi) is 1 where theta is coarser than pi.

    Source: arXiv 2212.08648, section 3: D_pi is the sum of X_theta over theta coarser than or equal to pi.
    """
    import numpy as np

    blocks = np.array([len(orbit.blocks) for orbit in orbits], np.int8)
    found: NDArray[np.int8] = (joins(orbits, diagrams) == blocks[:, None]).astype(np.int8)
    return found


def relations(diagrams: Sequence[Diagram], orbits: Sequence[Diagram]) -> NDArray[np.int64]:
    """Orbit matrices of S(n) in the diagram basis, by Moebius inversion, shape (orbits, diagrams).

    The orbits with more than n blocks are zero, so their rows are all relations between diagrams.
    """
    import numpy as np

    least = _least(diagrams)
    blocks = np.array([len(diagram.blocks) for diagram in diagrams], np.int8)
    above = joins(orbits, diagrams) == blocks[None, :]
    found = np.zeros((len(orbits), len(diagrams)), np.int64)
    for row, orbit in enumerate(orbits):
        # The Moebius function: a block made of b merged blocks gives (-1)^(b-1) (b-1)!.
        seen = least[[block[0] for block in orbit.blocks]]
        value = np.ones(len(diagrams), np.int64)
        for index in range(1, len(seen)):
            merged = (seen[:index] == seen[index]).sum(0)
            value *= np.where(merged > 0, -merged, 1)
        found[row] = np.where(above[row], value, 0)
    return found


def greedy_basis(group: Group, diagrams: Sequence[Diagram], dimension: int) -> tuple[tuple[int, ...], int]:
    """Positions of the diagrams that are independent of all earlier ones, and the prime that proves it.

    Independent sets are a matroid, so diagrams given in order of cost yield a basis of least total
    cost. For O(n) these are the pivots of the Gram matrix. For S(n) they are the pivots of the change
    to the orbit basis; or, where fewer are to be left out than kept, the diagrams left out are the
    pivots of the relations, taken from the other end (the dual matroid). Ranks are computed modulo a
    prime; such a rank never exceeds the rank over Q, so the full rank is a proof, and too low a rank
    would mean an unlucky prime.
    """
    pivots: list[int] = []
    for prime in PRIMES:
        if group.family == "S" and isinstance(group.n, int):
            if 2 * dimension <= len(diagrams):
                kept = [diagram for diagram in diagrams if len(diagram.blocks) <= group.n]
                pivots = _pivots(coarser(diagrams, kept), prime)
            else:
                zero = [diagram for diagram in diagrams if len(diagram.blocks) > group.n]
                last = len(diagrams) - 1
                left_out = {last - pivot for pivot in _pivots(relations(diagrams, zero)[:, ::-1], prime)}
                pivots = [position for position in range(len(diagrams)) if position not in left_out]
        else:
            pivots = _pivots(gram_modulo(group, diagrams, prime), prime)
        if len(pivots) == dimension:
            return tuple(pivots), prime
    raise GroupError(
        f"the diagrams of {group} reach rank {len(pivots)}, not the dimension {dimension}: "
        "this contradicts the theory, please report it"
    )


def _pivots(matrix: flint.nmod_mat | NDArray[np.int8] | NDArray[np.int64], prime: int) -> list[int]:
    """Columns that are independent of all columns before them, modulo a prime."""
    import flint

    if not isinstance(matrix, flint.nmod_mat):
        rows, columns = matrix.shape
        matrix = flint.nmod_mat(rows, columns, (matrix.astype("int64") % prime).ravel().tolist(), prime)
    reduced, rank = matrix.rref()
    found: list[int] = []
    column = 0
    for row in range(rank):
        while not int(reduced[row, column]):
            column += 1
        found.append(column)
        column += 1
    return found
