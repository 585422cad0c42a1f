"""Tests of symmetry for modules of your own."""

from eqsynth.proof.testing import (
    assert_equivariant,
    assert_transfers,
)

__all__ = [
    "assert_equivariant",
    "assert_transfers",
]
