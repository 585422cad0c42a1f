"""Exact linear algebra on diagrams through their inner products, which are closed formulas.

No matrix of size n^l x n^k is ever formed: <D, E> = n^(blocks of the join of D and E) for S(n) and O(n).
"""

from __future__ import annotations

from collections.abc import Sequence
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


def joins(diagrams: Sequence[Diagram]) -> NDArray[np.int8]:
    """For every pair of diagrams, the number of blocks of the join of their partitions.

    >>> from eqsynth import Diagram
    >>> from eqsynth.gram import joins
    >>> joins([Diagram(1, 1, ((0, 1),)), Diagram(1, 1, ((0,), (1,)))]).tolist()
    [[1, 1], [1, 2]]
    """
    import numpy as np

    vertices = diagrams[0].outputs + diagrams[0].inputs if diagrams else 0
    # Each vertex carries the least vertex of its block; merging two blocks keeps the lesser.
    least = np.empty((vertices, len(diagrams)), np.int8)
    for column, diagram in enumerate(diagrams):
        for block in diagram.blocks:
            for vertex in block:
                least[vertex, column] = block[0]
    own = np.arange(vertices, dtype=np.int8)[:, None]
    found = np.empty((len(diagrams), len(diagrams)), np.int8)
    for row, diagram in enumerate(diagrams):
        merged = least.copy()
        for block in diagram.blocks:
            for left, right in zip(block, block[1:], strict=False):
                low = np.minimum(merged[left], merged[right])
                high = np.maximum(merged[left], merged[right])
                merged = np.where(merged == high, low, merged)
        found[row] = (merged == own).sum(0, dtype=np.int8)
    return found


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


def greedy_basis(group: Group, diagrams: Sequence[Diagram], dimension: int) -> tuple[tuple[int, ...], int]:
    """Positions of the diagrams that are independent of all earlier ones, and the prime that proves it.

    The pivots of the Gram matrix modulo a prime: independent sets are a matroid, so diagrams given
    in order of cost yield a basis of least total cost. A rank modulo a prime never exceeds the rank
    over Q, so as many pivots as ``dimension`` are a proof; too few would mean an unlucky prime.
    """
    pivots: tuple[int, ...] = ()
    for prime in PRIMES:
        reduced, rank = gram_modulo(group, diagrams, prime).rref()
        pivots = tuple(
            next(column for column in range(reduced.ncols()) if int(reduced[row, column])) for row in range(rank)
        )
        if rank == dimension:
            return pivots, prime
    raise GroupError(
        f"the diagrams of {group} reach rank {len(pivots)}, not the dimension {dimension}: "
        "this contradicts the theory, please report it"
    )
