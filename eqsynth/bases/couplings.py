"""Products of two irreps of O(3) or SO(3) in the coordinates of a third: coupling coefficients, exactly.

There is one equivariant map, up to a factor, where the degrees satisfy the triangle inequality, and none elsewhere. On
symmetric tensors without traces it contracts s = (a + b - c) / 2 pairs of indices, one of each tensor; where a + b - c
is odd, (a + b - c - 1) / 2, and epsilon takes one more of each and gives one. An entry of such a tensor depends on how
often x, y and z stand among its indices alone, so that sums go over these numbers, and no tensor is written out.

Source: the real spherical harmonics of ``families.irreps``; Varshalovich, Moskalev and Khersonskii, Quantum Theory of
Angular Momentum, chapter 8.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations
from math import comb
from typing import TYPE_CHECKING

from eqsynth.diagrams.diagram import Diagram
from eqsynth.families.group import Group
from eqsynth.families.irreps import harmonic_tensor
from eqsynth.spaces.space import Irrep, Order, entries_of, twists_of

if TYPE_CHECKING:
    from fractions import Fraction

    import flint
    import numpy as np
    from numpy.typing import NDArray

#: How often x, y and z stand among some indices.
Powers = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Coupling:
    """The map of a product of tensors of the degrees ``left`` and ``right`` to those of the degree ``out``.

    >>> from eqsynth.bases.couplings import Coupling
    >>> Coupling(1, 1, 0).entries()                      # the dot product
    [(0, 0, 0, Fraction(1, 1)), (0, 1, 1, Fraction(1, 1)), (0, 2, 2, Fraction(1, 1))]
    >>> Coupling(1, 1, 1).entries()[:2]                  # the cross product
    [(0, 1, 2, Fraction(1, 1)), (0, 2, 1, Fraction(-1, 1))]
    >>> Coupling(2, 2, 2).square, Coupling(11, 11, 11).dims
    (Fraction(7, 12), (23, 23, 23))
    """

    left: int
    right: int
    out: int

    @property
    def dims(self) -> tuple[int, int, int]:
        """The numbers of coordinates, in the order of ``table``."""
        return 2 * self.out + 1, 2 * self.left + 1, 2 * self.right + 1

    @property
    def pairs(self) -> int:
        """How many pairs of indices are contracted."""
        return (self.left + self.right - self.out) // 2

    @property
    def crossed(self) -> bool:
        """Whether epsilon takes an index of each tensor and gives one.

        Then the map has the other parity than its tensors, and exchanging two of equal degree changes its sign.
        """
        return (self.left + self.right - self.out) % 2 == 1

    @property
    def trivial(self) -> bool:
        """Whether a number is multiplied with a tensor: coordinates stay as they are."""
        return 0 in (self.left, self.right)

    @property
    def terms(self) -> int:
        """How many terms that are not zero the sums over single indices have, all together."""
        return int(3**self.pairs) * (2 if self.crossed else 1)

    @property
    def diagram(self) -> Diagram:
        """The map on tensors with an axis for each index."""
        first, second = self.out, self.out + self.left
        taken = self.pairs + self.crossed
        ahead, behind = self.left - taken, self.right - taken
        blocks: list[tuple[int, ...]] = [(place, first + place) for place in range(ahead)]
        blocks += [(ahead + place, second + taken + place) for place in range(behind)]
        blocks += [(first + ahead + place, second + place) for place in range(self.pairs)]
        tied = (self.out - 1, first + self.left - 1, second + taken - 1) if self.crossed else ()
        rows: list[tuple[int, ...]] = sorted([*blocks, *((vertex,) for vertex in tied)])
        head = tuple(place for place, row in enumerate(rows) if len(row) == 1)
        return Diagram(self.out, self.left + self.right, tuple(rows), (), head)

    def entries(self) -> list[tuple[int, int, int, Fraction]]:
        """The entries that are not zero, in orthonormal coordinates: (out, left, right, square with the entry's sign).

        Each is the square root of a fraction, since whole numbers are divided by lengths alone.
        """
        return _entries(self)

    @property
    def square(self) -> Fraction:
        """The sum of the squares of the entries for one coordinate of the output; it is the same for each."""
        from fractions import Fraction

        return sum((abs(value) for row, _, _, value in self.entries() if row == 0), Fraction(0))

    def table(self) -> NDArray[np.float64]:
        """The entries as an array (out, left, right)."""
        return _table(self)


def coupling(group: Group, inputs: tuple[Order, ...], output: Order) -> Coupling | None:
    """The one map of a product of two irreps into a third, all in the coordinates of spherical harmonics; else None.

    >>> from eqsynth import Group
    >>> from eqsynth.bases.couplings import coupling
    >>> from eqsynth.spaces.space import Irrep
    >>> coupling(Group("O", 3), (Irrep.of_degree(2), 1), Irrep.of_degree(3))
    Coupling(left=2, right=1, out=3)
    >>> coupling(Group("O", 3), (Irrep.of_degree(2), 2), Irrep.of_degree(3))     # 2 is no irrep

    Numbers and vectors are irreps too: their entries are their coordinates. None also where there is no map.
    """
    orders = (*inputs, output)
    if not is_coupled(group, inputs, output):
        return None
    left, right, out = (degree_of(order) for order in orders)
    assert left is not None and right is not None and out is not None  # noqa: S101, PT018 - all are irreps
    one = Coupling(left, right, out)
    twisted = sum(sum(twists_of(order)) for order in orders) % 2 == 1
    allowed = not group.flips or one.crossed == twisted
    return one if abs(left - right) <= out <= left + right and allowed else None


def is_coupled(group: Group, inputs: tuple[Order, ...], output: Order) -> bool:
    """Whether the maps of a product are known from degrees alone: that of two irreps of O(3) or SO(3) into a third.

    Products of numbers and vectors alone are those of tensors.
    """
    orders = (*inputs, output)
    if len(group.factors) > 1 or not group.spherical or len(inputs) != 2:
        return False
    some = any(isinstance(one, Irrep) for order in orders for one in entries_of(order))
    return some and all(degree_of(order) is not None for order in orders)


def degree_of(order: Order) -> int | None:
    """The degree of an irrep with the coordinates of spherical harmonics, numbers and vectors too; None of others.

    >>> from eqsynth.bases.couplings import degree_of
    >>> from eqsynth.spaces.space import Irrep
    >>> degree_of(Irrep.of_degree(3)), degree_of(1), degree_of(2)
    (3, 1, None)
    """
    (one,) = entries_of(order)
    if isinstance(one, Irrep):
        return one.order if one.spherical and one.packed else None
    return one if one in (0, 1) else None


@lru_cache(maxsize=512)
def _entries(one: Coupling) -> list[tuple[int, int, int, Fraction]]:
    from fractions import Fraction

    values = _whole_numbers(one)
    out, left, right = (_squares(degree) for degree in (one.out, one.left, one.right))
    listed = []
    for (k, i, j), value in sorted(values.items()):
        listed.append((k, i, j, Fraction(abs(value) * value, out[k] * left[i] * right[j])))
    return listed


@lru_cache(maxsize=512)
def _table(one: Coupling) -> NDArray[np.float64]:
    import numpy as np

    table = np.zeros(one.dims)
    for k, i, j, value in one.entries():
        table[k, i, j] = abs(value) ** 0.5 * (1 if value > 0 else -1)
    return table


def _squares(degree: int) -> list[int]:
    """The squares of the lengths of the tensors of each coordinate."""
    return [
        sum(ways(p) * value**2 for p, value in harmonic_tensor(degree, m).items()) for m in range(-degree, degree + 1)
    ]


def ways(p: Powers) -> int:
    """In how many orders so many x, y and z can stand.

    >>> from eqsynth.bases.couplings import ways
    >>> ways((2, 1, 0))
    3
    """
    x, y, z = p
    return comb(x + y + z, x) * comb(y + z, y)


def _listed(degree: int) -> list[Powers]:
    return [(a, b, degree - a - b) for a in range(degree + 1) for b in range(degree + 1 - a)]


def _whole_numbers(one: Coupling) -> dict[tuple[int, int, int], int]:
    """The inner products of the tensors of the output with the map of those of the inputs."""
    taken = one.pairs + one.crossed
    shared, ahead, behind = (_listed(d) for d in (one.pairs, one.left - taken, one.right - taken))
    total: dict[tuple[int, int, int], int] = {}
    none = (0, 0, 0)
    units = [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
    # What epsilon takes of each tensor, and gives, with its sign.
    crosses: list[tuple[Powers, Powers, Powers, int]] = [(none, none, none, 1)]
    if one.crossed:
        crosses = [
            (units[p], units[q], units[r], 1 if (r, p, q) in ((0, 1, 2), (1, 2, 0), (2, 0, 1)) else -1)
            for r, p, q in permutations(range(3))
        ]
    for in_left, in_right, in_out, sign in crosses:
        # (left, ahead) x shared, times shared x (right, behind)
        first = _matrix(one.left, ahead, shared, in_left)
        second = _matrix(one.right, behind, shared, in_right, [sign * ways(p) for p in shared]).transpose()
        columns = _matrix(one.out, ahead, behind, in_out, [ways(p) for p in behind], [ways(p) for p in ahead])
        product = (first * second).entries()
        width, split = (2 * one.right + 1) * len(behind), len(behind)
        rows = [
            [
                product[(i * len(ahead) + a) * width + j * split + b]
                for a in range(len(ahead))
                for b in range(len(behind))
            ]
            for i in range(2 * one.left + 1)
            for j in range(2 * one.right + 1)
        ]
        _add(total, rows, columns, one, len(ahead) * len(behind))
    return {place: value for place, value in total.items() if value}


def _matrix(
    degree: int,
    rows: list[Powers],
    columns: list[Powers],
    more: Powers,
    column_factors: list[int] | None = None,
    row_factors: list[int] | None = None,
) -> flint.fmpz_mat:
    """The tensors of all coordinates of a degree by what stands among some of their indices, and among the rest."""
    import flint

    tensors = [harmonic_tensor(degree, m) for m in range(-degree, degree + 1)]
    entries = [
        tensor.get((p[0] + q[0] + more[0], p[1] + q[1] + more[1], p[2] + q[2] + more[2]), 0)
        * (column_factors[at] if column_factors else 1)
        * (row_factors[place] if row_factors else 1)
        for tensor in tensors
        for place, p in enumerate(rows)
        for at, q in enumerate(columns)
    ]
    return flint.fmpz_mat(len(tensors) * len(rows), len(columns), entries)


def _add(
    total: dict[tuple[int, int, int], int],
    rows: list[list[flint.fmpz]],
    columns: flint.fmpz_mat,
    one: Coupling,
    inner: int,
) -> None:
    """Add the sums over all indices of the output: those of each product of two tensors with each of the output's."""
    import flint

    out, _, right = one.dims
    left = flint.fmpz_mat(len(rows), inner, [value for row in rows for value in row])
    sums = (left * flint.fmpz_mat(out, inner, columns.entries()).transpose()).entries()
    for place, value in enumerate(sums):
        if value:
            pair, k = divmod(place, out)
            key = (k, *divmod(pair, right))
            total[key] = total.get(key, 0) + int(value)
