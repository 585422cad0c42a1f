"""Groups of matrices, given by generators and elements of the Lie algebra; their maps are exact null spaces."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from eqsynth.errors import GroupError, counted, explain_calls, shown
from eqsynth.exact.limits import afford
from eqsynth.exact.numbers import binary, fraction, ordered, precision
from eqsynth.exact.permutations import Permutation, signed_permutation
from eqsynth.families.group import Generators, Group, fill
from eqsynth.families.text import checked_name, named_text, split_name

if TYPE_CHECKING:
    from fractions import Fraction

    import numpy as np
    from numpy.typing import NDArray

#: Largest numerator and denominator of the entries of matrix groups.
MAX_ENTRY = 1_000_000
#: Largest denominator of a fraction that a float is thought to be meant as, and the least bits that such a float has.
MAX_MEANT = 1_000
#: Up to this denominator fractions are looked for in the shortest floats, too.
LEAST_MEANT = 16
#: Halves, quarters, ... of a float that nobody means otherwise.
PLAIN = 64
LEAST_BITS = 8
#: Binary digits of bfloat16, float16, float32 and float64: that by chance the last are zero makes no shorter float.
FLOATS = (8, 11, 24, 53)

Matrix = tuple[tuple["Fraction", ...], ...]


@explain_calls
@dataclass(frozen=True, slots=True, init=False, repr=False)
class MatrixGroup(Group):
    """A group of n x n matrices: finitely many generators, and elements that generate its Lie algebra.

    >>> from eqsynth import MatrixGroup
    >>> boost, rotation = [[0, 1, 0], [1, 0, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, 1], [0, -1, 0]]
    >>> lorentz = MatrixGroup([[[-1, 0, 0], [0, 1, 0], [0, 0, 1]]], [boost, rotation])
    >>> print(lorentz.n, len(lorentz.generators), len(lorentz.lie_algebra))
    3 1 2

    Entries are whole numbers, fractions, or texts such as ``"1/2"``, with numerators and denominators up to a
    million; matrices of NumPy, SymPy, FLINT and torch are read as they are, and a float is the fraction that it stores:
    0.5 is 1/2, 0.1 is refused, write ``"1/10"``. Its maps are the exact null space of W rho_k(g) = rho_l(g) W and
    W drho_k(X) = drho_l(X) W, all on tensor powers of R^n. Where all generators are permutation matrices with signs, as
    those of the symmetries of a cube, this is read off from orbits of index tuples, at once and at higher orders; and
    the ``order`` of the group is known.

    >>> quarter = MatrixGroup([[[0, -1], [1, 0]]], name="quarter turns")
    >>> quarter, quarter.order
    (<MatrixGroup quarter turns: 2 x 2, 1 generator, 0 of its Lie algebra>, 4)

    With a ``name`` messages and layers say that in place of the matrices.

    Raises GroupError for matrices that are not square, not of one size, not rational, or (generators)
    not invertible, and for a name that could be read as a family.
    """

    action: ClassVar[str] = "change the coordinates{} by a matrix of the group"
    sources: ClassVar[dict[str, str]] = {"matrix": "the exact null space of the generators' equations"}
    maps: ClassVar[str] = "matrices"
    arguments: ClassVar[tuple[str, ...]] = ("kernel",)
    how: ClassVar[str] = "Write Matrix([[0,1],[-1,0]]; ): generators, a semicolon, generators of the Lie algebra."

    generators: tuple[Matrix, ...]
    lie_algebra: tuple[Matrix, ...]
    name: str

    def __init__(self, generators: Iterable[Any] = (), lie_algebra: Iterable[Any] = (), name: str = "") -> None:
        elements, algebra = _matrices(generators), _matrices(lie_algebra)
        sizes = {len(value) for value in (*elements, *algebra)}
        if len(sizes) != 1:
            what = "at least one matrix" if not sizes else f"matrices of one size, not of {shown(sorted(sizes))}"
            raise GroupError(f"a matrix group needs {what}")
        for value in elements:
            if not _invertible(value):
                raise GroupError(
                    f"the generator {shown(_matrix_text(value))} is not invertible, so no group contains it"
                )
        fill(self, family="Matrix", n=sizes.pop(), generators=elements, lie_algebra=algebra, name=checked_name(name))

    def __repr__(self) -> str:
        if self.name:
            generators = counted(len(self.generators), "generator")
            algebra = f"{len(self.lie_algebra)} of its Lie algebra"
            return f"<MatrixGroup {self.name}: {self.n} x {self.n}, {generators}, {algebra}>"
        texts = [
            [[[str(x) for x in row] for row in value] for value in values]
            for values in (self.generators, self.lie_algebra)
        ]
        return f"MatrixGroup({texts[0]!r}, {texts[1]!r})"

    def __str__(self) -> str:
        elements, algebra = (" ".join(map(_matrix_text, matrices)) for matrices in (self.generators, self.lie_algebra))
        return named_text("Matrix", self.name, f"{elements}; {algebra}")

    @property
    def unnamed(self) -> Group:
        """The same group without its name."""
        return MatrixGroup(self.generators, self.lie_algebra) if self.name else self

    @classmethod
    def of_text(cls, inside: str, files: bool | Path) -> Group:  # noqa: ARG003 - it names no files
        """Read ``[[0,1],[-1,0]];``: generators, a semicolon, generators of the Lie algebra."""
        name, written = split_name(inside)
        elements, _, algebra = written.partition(";")
        return MatrixGroup(_matrices_of_text(elements), _matrices_of_text(algebra), name)

    def generating_matrices(self) -> Generators:
        """The generators, as exact objects."""
        return [_objects(g) for g in self.generators], [_objects(x) for x in self.lie_algebra]

    def generator_count(self) -> int:
        """They are written out already."""
        return 1

    @property
    def signed_permutations(self) -> tuple[Permutation, ...] | None:
        """The generators as permutations of the basis vectors and their negatives, if they are that."""
        if self.lie_algebra:
            return None
        listed = tuple(images for images in map(signed_permutation, self.generators) if images is not None)
        return listed if len(listed) == len(self.generators) else None

    def random_element(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """A product of generators, their inverses and exponentials of small elements of the Lie algebra."""
        import numpy as np

        moves = [np.array(g, dtype=float) for g in map(_objects, self.generators)]
        moves += [np.linalg.inv(g) for g in moves]
        moves += [exponential(rng.uniform(-0.5, 0.5), np.array(_objects(x), dtype=float)) for x in self.lie_algebra]
        element = np.eye(self.number)
        # A random number of moves: an even number of quarter turns is never one quarter turn.
        for choice in rng.integers(0, len(moves), rng.integers(1, 2 * len(moves) + 2)):
            element = element @ moves[choice]
        return element

    @property
    def flips(self) -> bool:
        """Whether a generator has determinant -1. Raises GroupError where one has neither that nor 1."""
        determinants = [determinant(_objects(g)) for g in self.generators]
        traces = [sum(x[place][place] for place in range(len(x))) for x in self.lie_algebra]
        if any(abs(value) != 1 for value in determinants) or any(traces):
            one = next((str(value) for value in determinants if abs(value) != 1), "that is no sign")
            raise GroupError(
                f"{self} has elements of determinant {one}, by which tensors are scaled, not twisted: ask for orders "
                "without .det, or for a group whose generators have determinant 1 or -1"
            )
        return -1 in determinants

    def pointwise(self, order: int) -> tuple[tuple[str, ...], str]:
        """What generators ask for: an entry of g on V^order is a product of so many entries of g, and so on."""
        properties: set[str] = set()
        reasons = []
        for g in self.generators:
            entries = [[entry for entry in row if entry] for row in g]
            if any(len(row) > 1 for row in entries):
                return ("linear",), "generators of the group have rows with several non-zero entries"
            values = {row[0] for row in entries}
            signs = {value > 0 for value in values}
            if signs == {True, False} or (signs == {False} and order % 2):
                properties.add("odd")
                reasons.append("generators flip signs")
            if any(abs(value) != 1 for value in values):
                properties.add("homogeneous")
                reasons.append("generators rescale entries")
        for x in self.lie_algebra:
            # exp(t X) has the entry t X[a][b] + O(t^2) beside a diagonal near 1; a diagonal X gives positive factors.
            if any(entry for a, row in enumerate(x) for b, entry in enumerate(row) if a != b):
                return ("linear",), "one-parameter subgroups have rows with several non-zero entries"
            if any(x[a][a] for a in range(len(x))):
                properties.add("homogeneous")
                reasons.append("one-parameter subgroups rescale entries")
        return tuple(sorted(properties)), ", and ".join(dict.fromkeys(reasons))

    @property
    def form(self) -> str:
        """The dot product, where g^T g = 1 for the generators and X^T = -X for those of the Lie algebra."""
        if self.signed_permutations is not None:
            return "delta"
        places = range(self.number)
        orthogonal = all(
            sum(row[a] * row[b] for row in g) == (a == b) for g in self.generators for a in places for b in range(a + 1)
        )
        orthogonal = orthogonal and all(
            x[a][b] == -x[b][a] for x in self.lie_algebra for a in places for b in range(a + 1)
        )
        return "delta" if orthogonal else ""

    @property
    def title(self) -> str:
        """What the group is, in words."""
        said = f"{self.name}, a group" if self.name else "group"
        return (
            f"{said} of {self.n} x {self.n} matrices with {len(self.generators)} generators "
            f"and {len(self.lie_algebra)} generators of its Lie algebra"
        )


def _matrices(values: Any) -> tuple[Matrix, ...]:
    if not ordered(values):
        raise GroupError(f"generators are a list of matrices, such as [[[0, 1], [-1, 0]]], not {shown(values)}")
    return tuple(map(_matrix, values))


def _matrix(value: Any) -> Matrix:
    try:
        # Matrices of NumPy, SymPy, FLINT and torch; those of SymPy would list their entries without rows.
        # Arrays keep their scalars, whose type says how exact they are.
        listed = value.tolist() if hasattr(value, "tolist") and not hasattr(value, "dtype") else value
        if not all(map(ordered, (listed, *listed))):
            raise TypeError(listed)
        rows = tuple(tuple(map(_entry, row)) for row in listed)
    except (TypeError, ValueError) as error:
        why = (
            str(error)
            if isinstance(error, ValueError)
            else "a matrix is a list of rows, and generators are a list of matrices"
        )
        raise GroupError(f"{shown(value)} is no matrix of whole numbers and fractions: {why}") from error
    if not rows or any(len(row) != len(rows) for row in rows):
        raise GroupError(f"{shown(value)} is no square matrix")
    return rows


def _entry(value: Any) -> Fraction:
    """An entry of a matrix group, exactly; ValueError for others, which says what to write instead."""
    try:
        entry = fraction(value)
    except ValueError as error:
        rational = getattr(value, "is_rational", None) is not False
        raise ValueError(str(error) if rational else f"{shown(value)} is irrational; {_OTHER_BASIS}") from None
    rounded = binary(value) and entry.denominator > 1
    # Short binary fractions, such as 163/16, are meant as they are; others may have come through a shorter float.
    bits = precision(value) if rounded else 0
    if rounded and "float8" in str(getattr(value, "dtype", "")):
        raise ValueError(f"{shown(value)} is a float of few binary digits, which any fraction near it may have been")
    if entry.denominator > PLAIN:
        used = abs(entry.numerator).bit_length()
        bits = min(next((length for length in FLOATS if length >= used), bits), bits)
    # A short fraction that a float of so many bits comes as near to as it can; halves and quarters it stores.
    meant = _short_fraction(entry, bits) if rounded else None
    if meant is not None and meant.denominator & (meant.denominator - 1):
        raise ValueError(f"{shown(value)} is a float, which stores no {meant}: write '{meant}', since eqsynth is exact")
    if max(abs(entry.numerator), entry.denominator) <= MAX_ENTRY:
        return entry
    if not rounded:
        raise ValueError(f"{shown(value)} has a numerator or denominator beyond {MAX_ENTRY}")
    square = _short_fraction(entry * entry, bits - 1)
    if square is not None:
        root = f"{'-' if entry < 0 else ''}sqrt({square})"
        raise ValueError(f"{shown(value)} is a float near {root}, which is irrational; {_OTHER_BASIS}")
    raise ValueError(f"{shown(value)} is a float that is no short fraction: write the one that is meant, such as '1/3'")


def _short_fraction(stored: Fraction, bits: int) -> Fraction | None:
    """A fraction of small denominator that agrees in so many bits, if that is no accident."""
    simpler = max(stored.denominator - 1, 1)
    short = stored.limit_denominator(min(max(1 << max(bits // 2 - 1, 0), LEAST_MEANT), MAX_MEANT, simpler))
    return short if bits >= LEAST_BITS and abs(stored - short) * (1 << bits) <= 2 * abs(stored) else None


_OTHER_BASIS = (
    "take a basis in which entries are fractions, such as two edges of a hexagon for its turns: [[0, -1], [1, 1]]"
)


def _invertible(value: Matrix) -> bool:
    """Whether the determinant is not zero: known modulo a prime, except where it is zero there."""
    import flint

    size = len(value)
    cure = "give smaller matrices"
    afford(f"the determinant of a {size} x {size} matrix", cure, steps=size**3 // 100)
    for prime in ((1 << 61) - 1, (1 << 31) - 1):
        rows = [[entry.numerator * pow(entry.denominator, -1, prime) % prime for entry in row] for row in value]
        if int(flint.nmod_mat(rows, prime).det()):
            return True
    digits = sum(max(entry.denominator for entry in row).bit_length() for row in value)
    afford(f"the exact determinant of a {size} x {size} matrix", cure, steps=size**4 * (digits + 20) // 6000)
    entries = [[flint.fmpq(entry.numerator, entry.denominator) for entry in row] for row in value]
    return bool(flint.fmpq_mat(entries).det() != 0)


def _matrix_text(value: Matrix) -> str:
    return "[" + ",".join("[" + ",".join(map(str, row)) + "]" for row in value) + "]"


def _matrices_of_text(text: str) -> list[list[list[str]]]:
    """Matrices as ``[[0,1],[-1,0]] [[1,0],[0,1]]``: in brackets rows in brackets, with or without commas between."""
    matrices: list[list[list[str]]] = []
    depth = 0
    for match in re.finditer(r"[\[\]]|[^\[\]]+", text):
        piece = match[0]
        if piece == "[" and depth < 2:
            depth += 1
            if depth == 1:
                matrices.append([])
            else:
                matrices[-1].append([])
        elif piece == "]" and depth:
            depth -= 1
        elif depth == 2 and piece != "[":
            matrices[-1][-1] = [entry.strip() for entry in piece.split(",")]
        elif piece.strip() not in ("", ","):
            at = text[match.start() : match.start() + 20]
            raise GroupError(f"a matrix such as [[0,1],[-1,0]] is expected at {at!r}")
    if depth:
        raise GroupError(f"a matrix ends without ]: {shown(text)}")
    return matrices


def _objects(rows: Matrix) -> NDArray[Any]:
    import numpy as np

    return np.array([[entry if entry.denominator > 1 else int(entry) for entry in row] for row in rows], dtype=object)


def determinant(matrix: NDArray[Any]) -> Fraction:
    """The exact determinant of a matrix of whole numbers or fractions."""
    from fractions import Fraction

    import flint

    rows = [[flint.fmpq(*Fraction(entry).as_integer_ratio()) for entry in row] for row in matrix.tolist()]
    value = flint.fmpq_mat(rows).det()
    return Fraction(int(value.p), int(value.q))


def exponential(length: float, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The exponential of an element of the Lie algebra, scaled to a length of at most 1."""
    import numpy as np

    small = x * (length / max(1.0, float(np.abs(x).sum(0).max())))
    term = total = np.eye(len(small))
    for order in range(1, 30):
        term = term @ small / order
        total = total + term
    return total
