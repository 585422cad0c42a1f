"""Matrices over the exact ring that have few different entries: products, determinants, values at numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from itertools import pairwise, starmap
from math import prod
from operator import mul
from typing import TYPE_CHECKING, Any, overload

from more_itertools import all_equal, chunked, dotproduct

from eqsynth.errors import EqsynthError, ShapeError, SizeError, shown
from eqsynth.exact.numbers import whole
from eqsynth.exact.ring import RationalFunction, from_flint, to_flint

if TYPE_CHECKING:
    import flint
    import numpy as np
    import sympy
    from numpy.typing import NDArray

#: The largest number of rows of a matrix of polynomials whose determinant is interpolated.
MAX_DETERMINANT = 150
#: The most entries that a repr or a formula shows, and the longest repr that can be evaluated.
MAX_SHOWN = 100
MAX_REPR = 600


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ExactMatrix:
    """A matrix of rational functions that has few different entries.

    >>> from eqsynth.symbolic import gram, weingarten
    >>> matrix = gram("O(n)", 2, 2)
    >>> print(matrix)
    n² n  n
    n  n² n
    n  n  n²
    >>> print(matrix[0, 1], matrix.shape, matrix.at(2).tolist()[0][0], matrix.det())
    n (3, 3) 4 n⁶ - 3 n⁴ + 2 n³
    >>> print(matrix @ weingarten("O(n)", 2, 2))
    1 0 0
    0 1 0
    0 0 1
    >>> weingarten("S(n)", 1, 1)
    ExactMatrix.of([['1/(n (n - 1))', '-1/(n (n - 1))'], ['-1/(n (n - 1))', '1/(n - 1)']])
    >>> import sympy
    >>> sympy.Matrix(gram("S(n)", 1, 1))
    Matrix([
    [n**2, n],
    [   n, n]])

    ``values`` are the different entries and ``index`` says which of them stands where. ``matrix[i]`` is a row,
    ``matrix[i, j]`` an entry, and iteration goes over the rows.
    """

    values: tuple[RationalFunction, ...]
    index: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, rows: Iterable[Iterable[object]]) -> ExactMatrix:
        """The matrix with these rows, entries as :class:`RationalFunction` reads them.

        >>> from eqsynth.symbolic import ExactMatrix
        >>> print(ExactMatrix.of([["n", 1], ["1/n", 2]]).det())
        (2 n² - 1)/n

        Raises ShapeError for rows of different lengths.
        """
        listed = [[RationalFunction(entry) for entry in row] for row in rows]
        if not all_equal(map(len, listed)):
            raise ShapeError("rows of different lengths are no matrix: write as many entries in each")
        width = len(listed[0]) if listed else 0
        values, index = indexed((entry for row in listed for entry in row), len(listed), width)
        return cls(tuple(values), index)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return (len(self.index), len(self.index[0]) if self.index else 0)

    @property
    def rows(self) -> tuple[tuple[RationalFunction, ...], ...]:
        """The rows, of entries."""
        return tuple(self)

    @property
    def letters(self) -> tuple[str, ...]:
        """The letters that occur in entries."""
        return letters_of(self.values)

    def __len__(self) -> int:
        return len(self.index)

    def __iter__(self) -> Iterator[tuple[RationalFunction, ...]]:
        return (tuple(self.values[i] for i in row) for row in self.index)

    @overload
    def __getitem__(self, place: int) -> tuple[RationalFunction, ...]: ...
    @overload
    def __getitem__(self, place: tuple[int, int]) -> RationalFunction: ...
    def __getitem__(self, place: int | tuple[int, int]) -> RationalFunction | tuple[RationalFunction, ...]:
        if isinstance(place, tuple):
            row, column = place
            return self.values[self.index[row][column]]
        if (number := whole(place)) is None:
            raise ShapeError(f"{place!r} is no place in a matrix: write matrix[i] for a row, matrix[i, j] for an entry")
        return tuple(self.values[i] for i in self.index[number])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ExactMatrix):
            return NotImplemented
        if self.shape != other.shape:
            return False
        pairs = {pair for rows in zip(self.index, other.index, strict=True) for pair in zip(*rows, strict=True)}
        return all(self.values[i] == other.values[j] for i, j in pairs)

    def __hash__(self) -> int:
        return hash((self.shape, frozenset(self.values[i] for row in self.index for i in row)))

    def at(self, n: int | Mapping[str, int] = 1) -> NDArray[np.object_]:
        """The matrix at a number n, an object array of Fractions; raises SymbolicError at a pole."""
        import numpy as np

        table = np.empty(len(self.values), object)
        table[:] = [Fraction(value(n)) for value in self.values]
        return table[np.array(self.index, np.int64).reshape(self.shape)]

    def to_sympy(self) -> sympy.Matrix:
        """The matrix as one of SymPy, which is mutable.

        >>> from eqsynth.symbolic import gram
        >>> gram("S(n)", 1, 1).to_sympy().det()
        n**3 - n**2
        """
        from sympy import Matrix, sympify

        table = [sympify(value) for value in self.values]
        return Matrix(*self.shape, [table[i] for row in self.index for i in row])

    def _sympy_(self) -> Any:
        return self.to_sympy().as_immutable()

    def __matmul__(self, other: ExactMatrix) -> ExactMatrix:
        """The exact product.

        Both factors are brought to a common denominator, and the numerators are multiplied by
        Kronecker's substitution: at n = 2^bits, with room for every coefficient of the result.
        """
        import flint

        if not isinstance(other, ExactMatrix):
            return NotImplemented
        if self.shape[1] != other.shape[0]:
            raise ShapeError(f"a matrix with {self.shape[1]} columns cannot multiply one with {other.shape[0]} rows")
        letters = letters_of((*self.values, *other.values))
        if len(letters) > 1:
            columns = list(zip(*other, strict=True))
            return ExactMatrix.of([dotproduct(row, column) for column in columns] for row in self)
        letter = letters[0] if letters else "n"
        (left, below_left), (right, below_right) = self._numerators(), other._numerators()
        largest = [max((abs(int(c)) for p in ps for c in p.coeffs()), default=0) for ps in (left, right)]
        terms = max((p.length() for p in left), default=0)
        bits = (2 * self.shape[1] * terms * prod(largest)).bit_length() + 1
        base = 1 << bits
        first, second = (
            flint.fmpz_mat(*m.shape, [table[i] for row in m.index for i in row])
            for m, table in ((self, [p(base) for p in left]), (other, [p(base) for p in right]))
        )
        entries = (first * second).entries()
        values, index = indexed(map(int, entries), self.shape[0], other.shape[1])
        below = below_left * below_right
        return ExactMatrix(tuple(from_flint(flint.fmpz_poly(_digits(e, bits)), below, letter) for e in values), index)

    def _numerators(self) -> tuple[list[flint.fmpz_poly], flint.fmpz_poly]:
        """Numerators over the least common denominator, in one letter."""
        import flint

        parts = [to_flint(value) for value in self.values]
        below = flint.fmpz_poly([1])
        for _, den in parts:
            below = below * (den // below.gcd(den))
        return [numerator * (below // den) for numerator, den in parts], below

    def det(self) -> RationalFunction:
        """The determinant of a square matrix, for one letter by interpolation.

        >>> from eqsynth.symbolic import gram, weingarten
        >>> weingarten("S(n)", 1, 1).det() * gram("S(n)", 1, 1).det() == 1
        True

        The sum over the rows of the largest degree in each bounds the degree; its values at one more
        whole number than that, each computed exactly, determine it. With several letters, by elimination.

        Raises ShapeError for a matrix that is not square, SizeError above 150 rows: ``gram_determinant`` knows
        closed formulas.
        """
        import flint

        rows, columns = self.shape
        if rows != columns:
            raise ShapeError(f"a {rows} x {columns} matrix has no determinant: ask for that of a square one")
        if rows > MAX_DETERMINANT:
            raise SizeError(
                f"the determinant of a {rows} x {rows} matrix of polynomials takes too long, more than "
                f"{MAX_DETERMINANT} rows: ask gram_determinant, which has closed formulas for whole families"
            )
        letters = self.letters
        if len(letters) > 1:
            return self._eliminated()
        numerators, below = self._numerators()
        # What n divides in a whole row is taken out: every entry of a Gram matrix has a factor n.
        tables = [[int(c) for c in numerator.coeffs()] for numerator in numerators]
        lows = [next((power for power, c in enumerate(table) if c), len(table)) for table in tables]
        low = [min(lows[i] for i in row) for row in self.index]
        degree = sum(max(max(len(tables[i]) - 1, 0) for i in row) for row in self.index) - sum(low)
        degree = max(degree, 0)  # a row of zeros
        start = -(degree // 2)
        points = []
        for n in range(start, start + degree + 1):
            known: dict[tuple[int, int], int] = {}
            for row, out in zip(self.index, low, strict=True):
                for i in set(row):
                    known.setdefault((i, out), _value(tables[i][out:], n))
            numbers = [known[i, out] for row, out in zip(self.index, low, strict=True) for i in row]
            points.append(int(flint.fmpz_mat(rows, rows, numbers).det()))
        shift = flint.fmpz_poly([0, 1]) ** sum(low)
        return from_flint(interpolated(points, start) * shift, below**rows, letters[0] if letters else "n")

    def _eliminated(self) -> RationalFunction:
        """The determinant by Gaussian elimination over the field of rational functions."""
        rows, sign = [list(row) for row in self], 1
        for place in range(len(rows)):
            pivot = next((number for number in range(place, len(rows)) if rows[number][place]), None)
            if pivot is None:
                return RationalFunction(0)
            if pivot != place:
                rows[place], rows[pivot], sign = rows[pivot], rows[place], -sign
            for row in rows[place + 1 :]:
                if row[place]:
                    factor = row[place] / rows[place][place]
                    row[place:] = [e - factor * p for e, p in zip(row[place:], rows[place][place:], strict=True)]
        return reduce(mul, (rows[place][place] for place in range(len(rows))), RationalFunction(sign))

    def __str__(self) -> str:
        texts = [str(value) for value in self.values]
        widths = [max((len(texts[row[c]]) for row in self.index), default=0) for c in range(self.shape[1])]
        lines = [" ".join(texts[i].ljust(width) for i, width in zip(row, widths, strict=True)) for row in self.index]
        return "\n".join(line.rstrip() for line in lines)

    def __repr__(self) -> str:
        if prod(self.shape) <= MAX_SHOWN:
            text = f"ExactMatrix.of({[[str(entry) for entry in row] for row in self]})"
            if len(text) <= MAX_REPR:
                return text
        rows, columns = self.shape
        entries = ", ".join(str(value) for value in self.values[:4]) + ", ..." * (len(self.values) > 4)
        return f"<ExactMatrix {rows} x {columns} of {shown(entries, MAX_REPR)[1:-1]}>"

    def _repr_latex_(self) -> str | None:
        if prod(self.shape) > MAX_SHOWN:
            return None
        rows = " \\\\ ".join(" & ".join(entry.latex() for entry in row) for row in self)
        return f"$\\begin{{pmatrix}}{rows}\\end{{pmatrix}}$"


def letters_of(values: Iterable[RationalFunction]) -> tuple[str, ...]:
    """The letters of some values together.

    >>> from eqsynth.exact.matrix import letters_of
    >>> from eqsynth.exact.ring import RationalFunction
    >>> letters_of(map(RationalFunction, ["n", "1/m", 2]))
    ('m', 'n')
    """
    return tuple(sorted({letter for value in values for letter in value.letters}))


def indexed(entries: Iterable[Any], rows: int, columns: int) -> tuple[list[Any], tuple[tuple[int, ...], ...]]:
    """The different entries of a matrix given row by row, and which of them stands where.

    >>> from eqsynth.exact.matrix import indexed
    >>> indexed("abba", 2, 2)
    (['a', 'b'], ((0, 1), (1, 0)))
    """
    places: dict[Any, int] = {}
    index = [places.setdefault(entry, len(places)) for entry in entries]
    return list(places), tuple(map(tuple, chunked(index, columns, strict=True))) if columns else ((),) * rows


def _value(coefficients: Sequence[int], n: int) -> int:
    return reduce(lambda high, low: high * n + low, reversed(coefficients), 0)


def _digits(value: int, bits: int) -> list[int]:
    """The coefficients of a polynomial, of either sign, from its value at 2^bits."""
    digits = []
    while value:
        low = value & ((1 << bits) - 1)
        low -= (low >> (bits - 1)) << bits
        digits.append(low)
        value = (value - low) >> bits
    return digits


def interpolated(points: Sequence[int], start: int) -> flint.fmpz_poly:
    """The polynomial with whole coefficients through ``points`` at start, start + 1, ... (Newton).

    >>> from eqsynth.exact.matrix import interpolated
    >>> interpolated([1, 4, 9], 1)
    x^2
    """
    import flint

    differences, row = [], list(points)
    while row:
        differences.append(row[0])
        row = list(starmap(lambda before, after: after - before, pairwise(row)))
    polynomial = flint.fmpq_poly([0])
    for order in reversed(range(len(differences))):
        polynomial = polynomial * flint.fmpq_poly([-(start + order), 1]) / (order + 1) + differences[order]
    if polynomial.denom() != 1:
        raise EqsynthError("an interpolated polynomial has coefficients that are not whole: please report it")
    return polynomial.numer()
