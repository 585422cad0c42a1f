"""Matrices over the exact ring that have few different entries: products, determinants, values at numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from itertools import pairwise, starmap
from math import comb, prod
from operator import add
from typing import TYPE_CHECKING, Any, overload

from more_itertools import all_equal, chunked, dotproduct

from eqsynth.errors import EqsynthError, ShapeError, SizeError, SymbolicError, explain_calls, shown
from eqsynth.exact.limits import afford
from eqsynth.exact.numbers import ordered, whole
from eqsynth.exact.ring import RationalFunction, check_symbols, from_flint, from_quotient, to_flint, to_polynomial

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


@explain_calls
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
    @explain_calls
    def of(cls, rows: Iterable[Iterable[object]] | sympy.Matrix) -> ExactMatrix:
        """The matrix with these rows, entries as :class:`RationalFunction` reads them; a matrix of SymPy is its rows.

        >>> import sympy
        >>> from eqsynth.symbolic import ExactMatrix
        >>> print(ExactMatrix.of([["n", 1], ["1/n", 2]]).det())
        (2 n² - 1)/n
        >>> print(ExactMatrix.of(sympy.Matrix([[1, 2], [3, sympy.Symbol("n")]])))
        1 2
        3 n

        Raises ShapeError for what is no list of rows of one length.
        """
        matrix: Any = rows
        if type(rows).__module__.partition(".")[0] == "sympy" and hasattr(rows, "tolist"):
            check_symbols(rows)
            if len(matrix.shape) == 2 and 0 in matrix.shape:
                return cls((), ((),) * matrix.shape[0])
            matrix = matrix.tolist()
        given = _listed(matrix, rows)
        listed = [[RationalFunction(entry) for entry in _listed(row, rows)] for row in given]
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
        match [whole(number) for number in (place if isinstance(place, tuple) else (place,))], self.shape:
            case [int(row)], (rows, _) if -rows <= row < rows:
                return tuple(self.values[i] for i in self.index[row])
            case [int(row), int(column)], (rows, columns) if -rows <= row < rows and -columns <= column < columns:
                return self.values[self.index[row][column]]
        raise ShapeError(
            f"{shown(place)} is no place in a matrix of {self.shape[0]} rows and {self.shape[1]} columns: write "
            "matrix[i] for a row, matrix[i, j] for an entry"
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ExactMatrix):
            return NotImplemented
        if self.shape != other.shape:
            return False
        pairs = {pair for rows in zip(self.index, other.index, strict=True) for pair in zip(*rows, strict=True)}
        return all(self.values[i] == other.values[j] for i, j in pairs)

    def __hash__(self) -> int:
        return hash((self.shape, frozenset(self.values[i] for row in self.index for i in row)))

    @explain_calls
    def at(self, n: int | Mapping[str, int] = 1) -> NDArray[np.object_]:
        """The matrix at a number n, an object array of Fractions; raises SymbolicError at a pole."""
        import numpy as np

        table = np.empty(len(self.values), object)
        numbers = [value(n) for value in self.values]
        if left := letters_of(number for number in numbers if isinstance(number, RationalFunction)):
            raise SymbolicError(
                f"no number stands for {', '.join(left)}: write matrix.at({{{left[0]!r}: 5}}), and so for all"
            )
        table[:] = list(map(Fraction, numbers))
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
            products = self.shape[0] * self.shape[1] * other.shape[1]
            afford(f"a product of matrices in {len(letters)} letters", "put numbers for letters", steps=50 * products)
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
        whole number than that, each computed exactly, determine it. With several letters, from minors of the first
        rows, or by elimination without fractions (Bareiss), whichever takes less.

        Raises ShapeError for a matrix that is not square, SizeError above 150 rows, and for what would take too long:
        ``gram_determinant`` knows closed formulas.
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
            return self._of_several_letters()
        numerators, below = self._numerators()
        # What n divides in a whole row is taken out: every entry of a Gram matrix has a factor n.
        tables = [[int(c) for c in numerator.coeffs()] for numerator in numerators]
        lows = [next((power for power, c in enumerate(table) if c), len(table)) for table in tables]
        low = [min(lows[i] for i in row) for row in self.index]
        degree = sum(max(max(len(tables[i]) - 1, 0) for i in row) for row in self.index) - sum(low)
        degree = max(degree, 0)  # a row of zeros
        cure = "take fewer rows or lower degrees, or ask gram_determinant"
        afford(f"a determinant of degree up to {degree:,}", cure, steps=(degree + 1) * rows**3 // 30)
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

    def _of_several_letters(self) -> RationalFunction:
        """The determinant over several letters: that of numerators, over the product of the rows' denominators."""
        letters = self.letters
        rows, below = [], to_polynomial({(): 1}, letters)
        for row in self:
            sides = [[to_polynomial(side.terms, letters) for side in (e.numerator, e.denominator)] for e in row]
            shared = to_polynomial({(): 1}, letters)
            for _, under in sides:
                shared = shared * (under // shared.gcd(under))
            rows.append([above * (shared // under) for above, under in sides])
            below = below * shared
        by_minors, by_elimination = _minors_steps(rows, len(letters)), _elimination_steps(rows, len(letters))
        afford(
            f"the determinant of a {len(rows)} x {len(rows)} matrix in {len(letters)} letters",
            "put numbers for letters, or take fewer rows",
            steps=min(by_minors, by_elimination),
        )
        compute = _by_minors if by_minors <= by_elimination else _by_elimination
        return from_quotient(compute(rows), below, letters)

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

    def latex(self) -> str:
        r"""The matrix in LaTeX, without dollar signs.

        >>> from eqsynth.symbolic import ExactMatrix
        >>> print(ExactMatrix.of([["n", 1]]).latex())
        \begin{pmatrix}n & 1\end{pmatrix}
        """
        rows = " \\\\ ".join(" & ".join(entry.latex() for entry in row) for row in self)
        return f"\\begin{{pmatrix}}{rows}\\end{{pmatrix}}"

    def _latex(self, printer: object) -> str:  # noqa: ARG002 - what sympy.latex calls
        return self.latex()

    def _repr_latex_(self) -> str | None:
        return None if prod(self.shape) > MAX_SHOWN else f"${self.latex()}$"


def _listed(values: Any, matrix: Any) -> list[Any]:
    """Rows, or the entries of one, as a list; refuses what has none, or no order."""
    if not ordered(values):
        raise ShapeError(f"{shown(matrix)} is no matrix: write its rows, as in [[1, 'n'], ['1/n', 2]]")
    return list(values)


#: Above so many rows the minors of a matrix are too many to be counted.
MAX_MINORS = 14


def _most_terms(degrees: Sequence[int]) -> int:
    """How many terms a polynomial has at most: of that degree in each letter, and of no more in all of them."""
    total, *separate = degrees
    return min(comb(total + len(separate), total), prod(degree + 1 for degree in separate))


def _row_degrees(row: Sequence[Any]) -> list[int]:
    """The largest degree of entries in all letters together, and in each."""
    degrees = [(max(entry.total_degree(), 0), *(max(one, 0) for one in entry.degrees())) for entry in row]
    return [max(column) for column in zip(*degrees, strict=True)]


def _minors_steps(rows: Sequence[Sequence[Any]], letters: int) -> int:
    """A bound for the steps of :func:`_by_minors`: how many terms are multiplied, each as long as there are letters."""
    if len(rows) > MAX_MINORS:
        return 10**30
    terms, degrees, steps = {0: 1}, [0] * (1 + letters), 0
    for row in rows:
        degrees = list(map(add, degrees, _row_degrees(row)))
        longer: dict[int, int] = {}
        for chosen, count in terms.items():
            for column, entry in enumerate(row):
                if entry and not chosen >> column & 1:
                    steps += count * len(entry)
                    longer[chosen | 1 << column] = longer.get(chosen | 1 << column, 0) + count * len(entry)
        terms = {chosen: min(count, _most_terms(degrees)) for chosen, count in longer.items()}
    return steps * letters


def _by_minors(rows: Sequence[Sequence[Any]]) -> Any:
    """The determinant, from those of the first rows and any columns, one row more at a time (Laplace)."""
    minors = {0: rows[0][0] * 0 + 1}
    for row in rows:
        longer: dict[int, Any] = {}
        for chosen, minor in minors.items():
            for column, entry in enumerate(row):
                if entry and not chosen >> column & 1:
                    term = entry * minor * (-1) ** (chosen >> column).bit_count()
                    place = chosen | 1 << column
                    longer[place] = longer[place] + term if place in longer else term
        minors = longer
    return minors.get((1 << len(rows)) - 1, rows[0][0] * 0)


def _elimination_steps(rows: Sequence[Sequence[Any]], letters: int) -> int:
    """A bound for the steps of :func:`_by_elimination`, whose entries are minors; FLINT takes 20 in the time of one."""
    by_row = sorted(map(_row_degrees, rows), reverse=True)
    widths = sorted((sum(map(len, row)) for row in rows), reverse=True)
    steps, degrees, product = 0, [0] * (1 + letters), 1
    for stage, (more, width) in enumerate(zip(by_row, widths, strict=True)):
        degrees, product = list(map(add, degrees, more)), min(product * width, 10**15)
        steps += (len(rows) - stage) ** 2 * min(product, _most_terms(degrees)) ** 2
    return steps * letters // 20


def _by_elimination(rows: Sequence[Sequence[Any]]) -> Any:
    """The determinant by elimination without fractions: each division leaves nothing over (Bareiss)."""
    matrix, sign, before = [list(row) for row in rows], 1, rows[0][0] * 0 + 1
    for place in range(len(matrix) - 1):
        pivot = next((number for number in range(place, len(matrix)) if matrix[number][place]), None)
        if pivot is None:
            return before * 0
        if pivot != place:
            matrix[place], matrix[pivot], sign = matrix[pivot], matrix[place], -sign
        first = matrix[place]
        for row in matrix[place + 1 :]:
            factor = row[place]
            for column in range(place + 1, len(matrix)):
                row[column] = (row[column] * first[place] - factor * first[column]) // before
        before = first[place]
    return matrix[-1][-1] * sign


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
