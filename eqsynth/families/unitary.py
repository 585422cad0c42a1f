"""U(n) and SU(n): the unitary linear maps of C^n. Their maps are those of GL(n) and SL(n), over the complex numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eqsynth.families.hermitian import Hermitian
from eqsynth.families.linear import GeneralLinear, SpecialLinear

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Unitary(Hermitian, GeneralLinear):
    """The unitary group U(n) on complex tensors: the diagrams of GL(n), with complex weights; V* is the conjugate of V.

    >>> import eqsynth as eq
    >>> [len(eq.basis(f"U({n})", 3, 3)) for n in (1, 2, 3)]
    [1, 5, 6]
    >>> eq.Linear("U(2)", "4x1", "8x1").weight.dtype
    torch.complex64

    GL(n) over the complex numbers is the complexification of U(n), so that both have the same complex-linear maps
    (Weyl's unitarian trick). The inverse of g is its conjugate transpose: g acts on V* as its conjugate, and the
    conjugate of a vector, ``x.conj()``, is a vector of V*.
    """

    __slots__ = ()
    about = "unitary group: the linear maps of C^n that keep lengths"
    action = "change the coordinates{} by any unitary matrix"
    haar = "unitary"

    def random_element(self, rng: np.random.Generator) -> NDArray[Any]:
        """By Haar measure."""
        return unitary_element(self.number, rng)


class SpecialUnitary(Hermitian, SpecialLinear):
    """The special unitary group SU(n) on complex tensors: the diagrams of SL(n), with complex weights.

    >>> import eqsynth as eq
    >>> eq.basis("SU(3)", 2, (0, 1)).formulas()
    ['y[a] += ε[a,b,c] x[b,c]']
    """

    __slots__ = ()
    about = "special unitary group: the linear maps of C^n of determinant 1 that keep lengths"
    action = "change the coordinates{} by any unitary matrix of determinant 1"
    headless = "U"
    haar = "special unitary"

    def random_element(self, rng: np.random.Generator) -> NDArray[Any]:
        """By Haar measure."""
        import numpy as np

        element = unitary_element(self.number, rng)
        element[0] /= np.linalg.det(element)
        return element


def unitary_element(n: int, rng: np.random.Generator) -> NDArray[Any]:
    """A random element of U(n), by Haar measure.

    >>> import numpy as np
    >>> from eqsynth.families.unitary import unitary_element
    >>> g = unitary_element(3, np.random.default_rng(0))
    >>> bool(np.allclose(g @ g.conj().T, np.eye(3)))
    True
    """
    import numpy as np

    q, r = np.linalg.qr(rng.standard_normal((n, n)) + 1j * rng.standard_normal((n, n)))
    diagonal = np.diag(r)
    return np.asarray(q * (diagonal / np.abs(diagonal)))
