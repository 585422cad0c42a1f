"""Exact linear algebra on diagrams through their inner products, which are closed formulas.

No matrix of size n^l x n^k is ever formed.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import factorial
from typing import TYPE_CHECKING

from eqsynth.diagrams import standard
from eqsynth.diagrams.diagram import Diagram
from eqsynth.diagrams.functor import signs
from eqsynth.errors import GroupError
from eqsynth.exact.permutations import heads_of
from eqsynth.families.group import Group

if TYPE_CHECKING:
    import flint
    import numpy as np
    from numpy.typing import NDArray

#: Primes below 2^31, so that products fit in 64 bits: ranks are computed modulo the first, and modulo
#: the second if that is unlucky.
PRIMES = ((1 << 31) - 1, (1 << 31) - 19)
#: Matrices of at most this many entries are eliminated column by column, larger ones in panels of panels of columns.
SMALL = 40_000
WIDTHS = 128, 16


def joins(diagrams: Sequence[Diagram], others: Sequence[Diagram] | None = None) -> NDArray[np.int8]:
    """For every pair of a diagram and another, the number of blocks of the join of their partitions.

    >>> from eqsynth import Diagram
    >>> from eqsynth.diagrams.gram import joins
    >>> joins([Diagram(1, 1, ((0, 1),)), Diagram(1, 1, ((0,), (1,)))]).tolist()
    [[1, 1], [1, 2]]
    """
    import numpy as np

    # Each vertex carries the least vertex of its block; merging two blocks keeps the lesser.
    least = _least(diagrams if others is None else others)
    own = np.arange(len(least), dtype=np.int8)[:, None]
    counts = np.empty((len(diagrams), least.shape[1]), np.int8)
    for row, diagram in enumerate(diagrams):
        merged = least
        for block in diagram.blocks:
            for left, right in pairwise(block):
                low = np.minimum(merged[left], merged[right])
                high = np.maximum(merged[left], merged[right])
                merged = np.where(merged == high, low, merged)
        counts[row] = (merged == own).sum(0, dtype=np.int8)
    return counts


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


def inner_products(group: Group, diagrams: Sequence[Diagram], prime: int) -> NDArray[np.int64]:
    """The Gram matrix of diagrams of one kind (all headless, or all with a head) modulo a prime.

    S(n), O(n): n^loops, where every block of the join counts as a loop. Sp(n): (-n)^loops; the sign of
    each diagram is left out, which changes no rank. SO(n) with heads: sgn n! n^loops where the union
    joins the free vertices of one diagram to those of the other. A(n) with heads: n! times the identity.

    Source: arXiv 2212.08630; the closed formulas are tested against the matrices.
    """
    import numpy as np

    n = group.n
    if isinstance(n, str):
        raise GroupError(f"{group} has no Gram matrix in numbers: ask for a number in place of {n}")
    total = diagrams[0].outputs + diagrams[0].inputs if diagrams else 0
    if diagrams and diagrams[0].head and group.jellyfish:
        return np.eye(len(diagrams), dtype=np.int64) * (factorial(n) % prime)
    base = -n if group.symplectic else n
    powers = np.array([pow(base, exponent, prime) for exponent in range(total + 1)], np.int64)
    if not (diagrams and diagrams[0].head):
        return powers[joins(diagrams)]
    sign = head_signs(diagrams)
    # The union of two det-diagrams has one path per free vertex of either; the rest are loops.
    loops = np.where(sign == 0, 0, joins(diagrams) - len(diagrams[0].head))
    products: NDArray[np.int64] = powers[loops] * (factorial(n) % prime) % prime * sign
    return products


def head_signs(diagrams: Sequence[Diagram]) -> NDArray[np.int64]:
    """For every pair of det-diagrams the sign of the bijection that joins their free vertices, or 0.

    >>> from eqsynth import Diagram
    >>> from eqsynth.diagrams.gram import head_signs
    >>> head_signs([Diagram(1, 1, ((0,), (1,)), head=(0, 1))]).tolist()
    [[1]]
    """
    import numpy as np

    size = len(diagrams)
    vertices = diagrams[0].outputs + diagrams[0].inputs
    free = np.array([[diagram.blocks[block][0] for block in diagram.head] for diagram in diagrams])
    partner = np.tile(np.arange(vertices), (size, 1))
    place = np.full((size, vertices), -1)
    for row, diagram in enumerate(diagrams):
        for block in diagram.blocks:
            if len(block) == 2:
                partner[row, list(block)] = block[::-1]
        place[row, free[row]] = np.arange(free.shape[1])
    every = np.arange(size)
    signs = np.ones((size, size), np.int64)
    for row in range(size):
        ends = []
        for start in free[row]:
            # Walk along pairs of the other diagram and of this one in turn, for all others at once.
            at = np.full(size, start)
            end = np.full(size, -1)
            for _ in range(vertices // 2 + 1):
                open_ = end < 0
                end = np.where(open_ & (place[every, at] >= 0), place[every, at], end)
                at = partner[row, partner[every, at]]
            ends.append(end)
        for later, end in enumerate(ends):
            for earlier in range(later):
                signs[row] *= np.sign(end - ends[earlier])
        signs[row, (np.array(ends) < 0).any(0)] = 0
    # A path that comes back to its own diagram meets no end of the other, or a place taken twice.
    return np.where((signs == signs.T) & (signs != 0), signs, 0)


def gram_modulo(group: Group, diagrams: Sequence[Diagram], prime: int) -> flint.nmod_mat:
    """The Gram matrix of headless and head diagrams modulo a prime; the two kinds are orthogonal."""
    import numpy as np

    kinds = np.array([bool(diagram.head) for diagram in diagrams])
    products = np.zeros((len(diagrams), len(diagrams)), np.int64)
    for kind in (False, True):
        where = np.flatnonzero(kinds == kind)
        if len(where):
            products[np.ix_(where, where)] = inner_products(group, [diagrams[int(i)] for i in where], prime)
    return _modulo(products, prime)


def coarser(diagrams: Sequence[Diagram], orbits: Sequence[Diagram]) -> NDArray[np.int8]:
    """Diagrams of S(n) in the orbit basis: entry (theta, pi) is 1 where theta is coarser than pi.

    Source: arXiv 2212.08648, section 3: D_pi is the sum of X_theta over theta coarser than or equal to pi.
    """
    import numpy as np

    blocks = np.array([len(orbit.blocks) for orbit in orbits], np.int8)
    return np.asarray(joins(orbits, diagrams) == blocks[:, None], np.int8)


def relations(diagrams: Sequence[Diagram], orbits: Sequence[Diagram]) -> NDArray[np.int64]:
    """Orbit matrices of S(n) in the diagram basis, by Moebius inversion, shape (orbits, diagrams).

    The orbits with more than n blocks are zero, so their rows are all relations between diagrams.
    """
    import numpy as np

    least = _least(diagrams)
    blocks = np.array([len(diagram.blocks) for diagram in diagrams], np.int8)
    above = joins(orbits, diagrams) == blocks[None, :]
    moebius = np.zeros((len(orbits), len(diagrams)), np.int64)
    for row, orbit in enumerate(orbits):
        # The Moebius function: a block made of b merged blocks gives (-1)^(b-1) (b-1)!.
        seen = least[[block[0] for block in orbit.blocks]]
        value = np.ones(len(diagrams), np.int64)
        for index in range(1, len(seen)):
            merged = (seen[:index] == seen[index]).sum(0)
            value *= np.where(merged > 0, -merged, 1)
        moebius[row] = np.where(above[row], value, 0)
    return moebius


def greedy_basis(group: Group, diagrams: Sequence[Diagram], dimension: int) -> tuple[tuple[int, ...], int]:
    """Positions of the diagrams that are independent of all earlier ones, and the prime that proves it.

    Independent sets are a matroid, so diagrams given in order of cost yield a basis of least total
    cost. For O(n) these are the pivots of the Gram matrix. For S(n) they are the pivots of the change
    to the orbit basis; or, where fewer are to be left out than kept, the diagrams left out are the
    pivots of the relations, taken from the other end (the dual matroid). Products of several heads are
    told apart by their values at the index tuples of the standard diagrams. Ranks are computed modulo a
    prime; such a rank never exceeds the rank over Q, so the full rank is a proof, and too low a rank
    would mean an unlucky prime.
    """
    pivots: list[int] = []
    headless = [position for position, diagram in enumerate(diagrams) if not diagram.head]
    heads = [position for position, diagram in enumerate(diagrams) if diagram.head]
    several = any(len(diagram.head) > group.number for diagram in diagrams)
    for prime in PRIMES:
        pivots = []
        for positions in (headless, heads):
            if not positions:
                continue
            chosen = [diagrams[position] for position in positions]
            if group.coarsens and positions is headless:
                independent = _partition_pivots(chosen, int(group.n), prime)
            elif several:
                independent = pivots_modulo(values(group, chosen), prime)
            else:
                independent = pivots_modulo(inner_products(group, chosen, prime), prime)
            pivots += [positions[pivot] for pivot in independent]
        if len(pivots) == dimension:
            return tuple(sorted(pivots)), prime
    raise GroupError(
        f"the diagrams of {group} reach rank {len(pivots)}, not the dimension {dimension}: "
        "this contradicts the theory, please report it"
    )


def values(group: Group, diagrams: Sequence[Diagram]) -> NDArray[np.int64]:
    """Entries of diagrams across a wall at the index tuple of each standard one, shape (tuples, diagrams).

    >>> from eqsynth import Diagram, Group
    >>> from eqsynth.diagrams.gram import values
    >>> heads = (2, 3, 0, 1), (1, 3, 0, 2)
    >>> pairs = [Diagram(0, 4, ((0,), (1,), (2,), (3,)), head=head) for head in heads]
    >>> values(Group("SL", 2).between((False,) * 4, ()), pairs).tolist()
    [[1, 0], [0, 1]]

    Standard diagrams are triangular at these tuples (:mod:`eqsynth.diagrams.standard`), so that equal values are equal
    maps.
    """
    import numpy as np

    first, n = diagrams[0], group.number
    sides = group.sides or ()
    listed = standard.standard(group, first.outputs, first.inputs)
    at = np.array([standard.colours(sides, diagram) for diagram in listed]).T
    table = np.ones((at.shape[1], len(diagrams)), np.int64)
    for column, diagram in enumerate(diagrams):
        for block in diagram.blocks:
            if len(block) == 2:
                table[:, column] *= at[block[0]] == at[block[1]]
        for head in heads_of(diagram.head, n):
            table[:, column] *= signs(at[[diagram.blocks[number][0] for number in head]], n)
    return table


def _partition_pivots(diagrams: Sequence[Diagram], n: int, prime: int) -> list[int]:
    orbits = [diagram for diagram in diagrams if len(diagram.blocks) <= n]
    if 2 * len(orbits) <= len(diagrams):
        return pivots_modulo(coarser(diagrams, orbits), prime)
    vanishing = [diagram for diagram in diagrams if len(diagram.blocks) > n]
    last = len(diagrams) - 1
    left_out = {last - pivot for pivot in pivots_modulo(relations(diagrams, vanishing)[:, ::-1], prime)}
    return [position for position in range(len(diagrams)) if position not in left_out]


def _modulo(matrix: NDArray[np.int8] | NDArray[np.int64], prime: int) -> flint.nmod_mat:
    import flint

    rows, columns = matrix.shape
    # In two steps, which takes less time than one.
    return flint.nmod_mat(flint.fmpz_mat(rows, columns, matrix.ravel().tolist()), prime)


def pivots_modulo(matrix: NDArray[np.int8] | NDArray[np.int64], prime: int) -> list[int]:
    """Columns that are independent, modulo a prime below 2^31, of all columns before them.

    >>> import numpy as np
    >>> from eqsynth.diagrams.gram import pivots_modulo
    >>> pivots_modulo(np.array([[0, 1, 2], [0, 3, 6], [1, 1, 1]]), 7)
    [0, 1]
    """
    import numpy as np

    return _profile(matrix.astype(np.int64) % prime, prime, WIDTHS if matrix.size > SMALL else ())[1]


def _profile(residues: NDArray[np.int64], prime: int, widths: Sequence[int]) -> tuple[list[int], list[int]]:
    """Rows that make a square matrix with an inverse together with the pivot columns, and those columns.

    Panels of columns one after another: what a panel leaves of the others is a Schur complement.
    """
    import numpy as np

    if not widths:
        return _eliminated(residues, prime)
    left = np.arange(len(residues))
    rows: list[int] = []
    columns: list[int] = []
    for start in range(0, residues.shape[1], widths[0]):
        panel, others = residues[:, : widths[0]], residues[:, widths[0] :]
        tops, pivots = _profile(panel, prime, widths[1:])
        rows += left[tops].tolist()
        columns += [start + pivot for pivot in pivots]
        rest = np.delete(np.arange(len(left)), tops)
        left, residues = left[rest], others[rest]
        if not residues.size:
            break
        if tops:
            square = panel[tops][:, pivots]
            inverse = np.array(_modulo(square, prime).inv().tolist(), object).astype(np.int64)
            factors = _product(panel[rest][:, pivots], inverse, prime)
            residues -= _product(factors, others[tops], prime)
            residues += (residues < 0) * prime
    return rows, columns


def _product(left: NDArray[np.int64], right: NDArray[np.int64], prime: int) -> NDArray[np.int64]:
    """A product modulo a prime below 2^31, of halves of the digits in floating point: all sums are below 2^53."""
    import numpy as np

    (high, low), (high_right, low_right) = (
        ((factor >> 16).astype(float), (factor & 0xFFFF).astype(float)) for factor in (left, right)
    )
    product: NDArray[np.int64] = (high @ high_right).astype(np.int64)
    for digits in (high @ low_right + low @ high_right, low @ low_right):
        product -= product // prime * prime
        product <<= 16
        product += digits.astype(np.int64)
    product -= product // prime * prime
    return product


def _eliminated(residues: NDArray[np.int64], prime: int) -> tuple[list[int], list[int]]:
    """Rows and pivots by elimination: residues are below 2^31, so that their products fit in 64 bits."""
    import numpy as np

    residues, order = residues.copy(), np.arange(len(residues))
    pivots: list[int] = []
    for column in range(residues.shape[1]):
        row = len(pivots)
        below = np.flatnonzero(residues[row:, column])
        if not len(below):
            continue
        swapped = [row + below[0], row]
        residues[[row, row + below[0]]], order[[row, row + below[0]]] = residues[swapped], order[swapped]
        scaled = residues[row, column:] * pow(int(residues[row, column]), -1, prime) % prime
        changed = row + 1 + np.flatnonzero(residues[row + 1 :, column])
        residues[changed, column:] = (residues[changed, column:] - residues[changed, column, None] * scaled) % prime
        pivots.append(column)
    return order[: len(pivots)].tolist(), pivots


def products_of_rows(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The inner products of all pairs of rows, exact; their rank is that of the rows.

    >>> import numpy as np
    >>> from eqsynth.diagrams.gram import products_of_rows
    >>> products_of_rows(np.array([[1, 2], [0, 3]])).tolist()
    [[5, 6], [6, 9]]

    In floating point, which is many times as fast, where all sums are below 2^53.
    """
    import numpy as np

    largest = max(int(rows.max(initial=0)), -int(rows.min(initial=0)))
    wide = rows.astype(float) if largest**2 * rows.shape[1] < 1 << 53 else rows
    products: NDArray[np.int64] = (wide @ wide.T).astype(np.int64)
    return products


def rank_of(products: NDArray[np.int64]) -> int:
    """The rank of a matrix of whole numbers over Q."""
    import flint

    return int(flint.fmpz_mat(len(products), products.shape[1], products.ravel().tolist()).rank())


def independent_rows(rows: NDArray[np.int64]) -> tuple[tuple[int, ...], int]:
    """The rows that are independent over Q of all rows before them, and the prime that shows it.

    >>> import numpy as np
    >>> from eqsynth.diagrams.gram import PRIMES, independent_rows
    >>> independent_rows(np.array([[0, 0], [1, 2], [2, 4], [0, 1]])) == ((1, 3), PRIMES[0])
    True

    Rows that are independent modulo a prime are so over Q, and the exact rank says whether they are enough.
    """
    # Many means are the same, or zero.
    first = {row.tobytes(): place for place, row in reversed([*enumerate(rows)]) if row.any()}
    places = sorted(first.values())
    products = products_of_rows(rows[places])
    rank = rank_of(products)
    for prime in PRIMES:
        pivots = pivots_modulo(products, prime)
        if len(pivots) == rank:
            return tuple(places[pivot] for pivot in pivots), prime
    raise GroupError(f"vectors have rank {rank}, which no prime shows: please report it")
