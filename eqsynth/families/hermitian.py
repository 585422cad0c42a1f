"""What groups of unitary matrices have in common: U(n), SU(n), Z(r) wr S(n)."""

from __future__ import annotations

from eqsynth.families.group import Group


class Hermitian(Group):
    """What is said once of all groups of unitary matrices."""

    __slots__ = ()

    @property
    def over_complex(self) -> bool:
        """Tensors and weights are complex numbers."""
        return True

    @property
    def form(self) -> str:
        """The Hermitian form."""
        return "hermitian"
