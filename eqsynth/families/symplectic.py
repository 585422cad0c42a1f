"""Sp(n): the linear maps of R^n, n even, that keep the symplectic form. arXiv 2212.08630."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, ClassVar

from eqsynth.exact.partitions import Shape, matchings, partitions
from eqsynth.families.group import Generators, Label
from eqsynth.families.matching_groups import MatchingGroup, even_tableaux, twice

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Symplectic(MatchingGroup):
    """The symplectic group Sp(n): perfect matchings, whose pairs inside a row carry omega.

    >>> from eqsynth import Group
    >>> Group("Sp", 2).dimension(6), Group("Sp", "n").dimension(6)
    (5, 15)
    """

    __slots__ = ()
    about = "symplectic group: the linear maps of R^n that keep omega"
    action = "change the coordinates{} by a map that keeps the symplectic form ω"
    sources: ClassVar[dict[str, str]] = {
        "symplectic Brauer": "perfect matchings with the form ω inside a row, arXiv 2212.08630"
    }
    diagram_kind = "symplectic Brauer"
    symplectic = True
    haar = "symplectic"
    #: Repeated coordinates are no pairs of omega any more.
    transfers = ("pad",)
    spanning = "perfect matchings without a head"

    @property
    def multiple(self) -> int:
        """Omega pairs the coordinates."""
        return 2

    def dimension(self, total: int) -> int:
        """One for each standard tableau with at most n rows, all columns even.

        All columns are even where all rows of the conjugate are, which has as many tableaux.
        """
        return matchings(total) if isinstance(self.n, str) else even_tableaux(total, self.n // 2, False)

    def has_invariant(self, shape: Shape) -> bool:
        """Where every column is even: rows come in pairs of equal length."""
        if isinstance(self.n, int) and len(shape) > self.n:
            return False
        return len(shape) % 2 == 0 and all(a == b for a, b in zip(shape[::2], shape[1::2], strict=True))

    def stable_from(self, total: int) -> int:
        """The sum of both orders, or the even number above it."""
        return max(total + total % 2, 2)

    def standard_shapes(self, total: int) -> Iterator[Shape]:
        """All columns are even where each row stands twice; at most n rows."""
        for half in () if total % 2 else partitions(total // 2):
            if 2 * len(half) <= self.number:
                yield twice(half)

    def exists(self, label: Label) -> bool:
        """Partitions with at most n/2 rows."""
        return len(label) <= self.number // 2

    @staticmethod
    def offset(r: int, c: int, row: Callable[[int], int], column: Callable[[int], int]) -> int:
        """What is added to n in the factor of a cell."""
        return row(r) + row(c) - r - c if r > c else r + c + 2 - column(r) - column(c)

    def pair_form(self, n: int) -> NDArray[np.int64]:
        """The matrix omega."""
        return omega(n)

    def part_words(self, label: Label) -> str:
        """What a part is, in words; empty where it has no name."""
        words = {
            (): "one number that never changes",
            (1,): "vector",
            (2,): "symmetric matrices",
            (1, 1): "antisymmetric matrices without their ω part",
        }
        return words.get(label, "")

    def generating_matrices(self) -> Generators:
        """X = S omega with S symmetric: omega X is symmetric up to sign."""
        import numpy as np

        n, form = self.number, omega(self.number)
        algebra = []
        for row in range(n):
            for column in range(row, n):
                symmetric = np.zeros((n, n), np.int64)
                symmetric[row, column] = symmetric[column, row] = 1
                algebra.append(symmetric @ form)
        return [], algebra

    def generator_count(self) -> int:
        """The dimension of the group."""
        return self.number * (self.number + 1) // 2

    def random_element(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """A product of random transvections of moderate size: the group is not compact."""
        import numpy as np

        n = self.number
        form, element = omega(n).astype(float), np.eye(n)
        for _ in range(2 * n):
            vector = rng.standard_normal(n) / np.sqrt(n)
            element = element @ (np.eye(n) + 0.5 * np.outer(vector, vector @ form))
        return element


def omega(n: int) -> NDArray[np.int64]:
    """The symplectic form: 1 at (2r, 2r+1), -1 at (2r+1, 2r), else 0."""
    import numpy as np

    return np.kron(np.eye(n // 2, dtype=np.int64), np.array([[0, 1], [-1, 0]]))
