"""Coupling coefficients checked again: rotations keep them, exactly, and there is no other map."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from itertools import product
from math import isqrt

from eqsynth.bases.couplings import Coupling, Powers, ways
from eqsynth.families.irreps import harmonic_tensor

#: Rotations in two of the planes generate all rotations.
PLANES = ((0, 1), (1, 2))


def multiplicity(left: int, right: int, out: int, equal: bool = False) -> int:
    """How often a product of irreps of SO(3) holds a third: as its highest weight, less as the next one.

    ``equal``: the square of one, whose alternating part is zero.

    >>> from eqsynth.proof.couplings import multiplicity
    >>> [multiplicity(2, 1, degree) for degree in range(5)]
    [0, 1, 1, 1, 0]
    >>> [multiplicity(2, 2, degree, equal=True) for degree in range(5)]
    [1, 0, 1, 0, 1]
    """
    pairs = product(range(-left, left + 1), range(-right, right + 1))
    sums = [first + second for first, second in pairs if first <= second or not equal]
    return sums.count(out) - sums.count(out + 1)


def misfit(one: Coupling) -> str:
    """What is wrong with coupling coefficients; empty where nothing is.

    >>> from eqsynth.bases.couplings import Coupling
    >>> from eqsynth.proof.couplings import misfit
    >>> misfit(Coupling(3, 2, 4))
    ''

    They are brought from orthonormal coordinates to the whole numbers that belong to spherical harmonics, and the
    derivative of each rotation must take them to zero.
    """
    degrees = one.out, one.left, one.right
    lengths = [[_inner(one, one) for one in _polynomials(degree)] for degree in degrees]
    values: dict[tuple[int, ...], int] = {}
    for k, i, j, square in one.entries():
        whole = square * lengths[0][k] * lengths[1][i] * lengths[2][j]
        root = isqrt(abs(whole.numerator))
        if whole.denominator != 1 or root**2 != abs(whole):
            return f"the coefficient {(k, i, j)} of {one} is no whole number times lengths"
        values[k, i, j] = root if square > 0 else -root
    if not values:
        return f"{one} is zero"
    for plane in PLANES:
        turned: dict[tuple[int, ...], Fraction] = {}
        for place, degree in enumerate(degrees):
            rotation = _rotation(degree, plane)
            for at, value in values.items():
                for other, factor in rotation[at[place]].items():
                    moved = (*at[:place], other, *at[place + 1 :])
                    turned[moved] = turned.get(moved, Fraction(0)) + factor * value
        if any(turned.values()):
            return f"a rotation does not keep {one}"
    return ""


@cache
def _polynomials(degree: int) -> list[dict[Powers, int]]:
    """For each coordinate T(x, ..., x), T being its tensor."""
    tensors = (harmonic_tensor(degree, m) for m in range(-degree, degree + 1))
    return [{p: ways(p) * value for p, value in tensor.items()} for tensor in tensors]


def _inner(first: Mapping[Powers, int], second: Mapping[Powers, int]) -> Fraction:
    """The inner product of the tensors of two polynomials."""
    return sum((Fraction(value * second[p], ways(p)) for p, value in first.items() if p in second), Fraction(0))


@cache
def _rotation(degree: int, plane: tuple[int, int]) -> list[dict[int, Fraction]]:
    """For each coordinate those whose derivative by a rotation holds it, with the factor that it has there.

    Derivatives by a rotation of the axes a and b are those of polynomials: a dp/db - b dp/da.
    """
    polynomials = _polynomials(degree)
    held: list[dict[int, Fraction]] = [{} for _ in polynomials]
    for place, polynomial in enumerate(polynomials):
        derived: dict[Powers, int] = {}
        for (up, down), sign in ((plane, 1), (plane[::-1], -1)):
            for p, value in polynomial.items():
                moved = list(p)
                moved[up] += 1
                moved[down] -= 1
                key = moved[0], moved[1], moved[2]
                derived[key] = derived.get(key, 0) + sign * p[down] * value
        for other, one in enumerate(polynomials):
            if inner := _inner(one, derived):
                held[other][place] = inner / _inner(one, one)
    return held
