"""O(n): all rotations and reflections of R^n. arXiv 2212.08630."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from eqsynth.exact.partitions import conjugate, matchings
from eqsynth.families.group import Generators, Label
from eqsynth.families.matching_groups import MatchingGroup, even_tableaux, orthogonal_element, rotations

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Orthogonal(MatchingGroup):
    """The orthogonal group O(n); its maps are perfect matchings (arXiv 2212.08630, theorem 3.2).

    >>> from eqsynth import Group
    >>> Group("O", 3).dimension(8), Group("O", "n").dimension(8)
    (91, 105)
    """

    __slots__ = ()
    about = "orthogonal group: all rotations and reflections of R^n"
    action = "rotate or reflect the coordinates{}"
    sources: ClassVar[dict[str, str]] = {"Brauer": "perfect matchings, arXiv 2212.08630"}
    diagram_kind = "Brauer"
    haar = "orthogonal"
    spanning = "perfect matchings without a head"
    frames = "pca"

    def dimension(self, total: int) -> int:
        """One for each standard tableau with at most n rows, all of them even."""
        return matchings(total) if isinstance(self.n, str) else even_tableaux(total, self.n, True)

    @property
    def spherical(self) -> bool:
        """Those of O(3) and SO(3)."""
        return self.n == 3 and self.signature is None

    def stable_from(self, total: int) -> int:
        """No n + 1 vectors of fewer than 2 (n + 1) are antisymmetrised."""
        return max((total + 1) // 2, 1)

    def twisted_part(self, label: Label) -> Label:
        """The partition with n - c boxes in the first column in place of c."""
        columns = (self.number - len(label), *conjugate(label)[1:])
        return conjugate(columns) if columns[0] else ()

    def part_words(self, label: Label) -> str:
        """What a part is, in words; empty where it has no name."""
        n = self.number
        if n > 1 and label == (1,) * n:
            return "determinant: a scalar that reflections negate"
        like = "antisymmetric matrices (for n = 3, like vectors)" if n == 3 else "antisymmetric matrices"
        words = {
            (): "scalar: one number that never changes",
            (1,): "vector",
            (2,): "symmetric matrices of trace 0",
            (1, 1): like,
            (3,): "symmetric, traceless, order 3",
        }
        return words.get(label, "")

    def generating_matrices(self) -> Generators:
        """A reflection, and rotations in neighbouring coordinates."""
        import numpy as np

        reflection = np.eye(self.number, dtype=np.int64)
        reflection[0, 0] = -1
        return [reflection], rotations(self.number)

    def random_element(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """By Haar measure."""
        return orthogonal_element(self.number, rng)

    def pointwise(self, order: int) -> tuple[tuple[str, ...], str]:
        """Multiples of the identity; at n = 1 the group is a sign."""
        if self.n == 1:
            return (("odd",), f"{self} flips signs") if order % 2 else ((), "")
        return super().pointwise(order)
