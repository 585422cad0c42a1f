"""Characters of S_k and zonal spherical functions of (S_2k, H_k), both from Jack polynomials, by cycle type.

S_2k acts on the perfect matchings of 2 k things, and H_k, of order 2^k k!, keeps one of them. The type of two
matchings is a partition of k, half the sizes of the loops of their union; that of two permutations is the cycle type
of one behind the inverse of the other. Functions of the type fall into one part for each partition lambda of k: the
character of lambda over its degree, and the zonal spherical function of lambda. These are, up to factors, the
coefficients of Schur polynomials and of zonal polynomials in power sums, the Jack polynomials with alpha = 1 and alpha
= 2.

Source: Macdonald, Symmetric Functions and Hall Polynomials, I.7, VI.10, VII.2; Collins and Matsumoto, arXiv 0903.5143.
"""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from functools import cache
from math import factorial, prod

from eqsynth.exact.partitions import Shape, partitions, tableaux

#: What alpha is for permutations, and for perfect matchings.
PERMUTATIONS, MATCHINGS = 1, 2


@cache
def jack(shape: Shape, alpha: int) -> dict[Shape, Fraction]:
    """The Jack polynomial of a partition by monomial symmetric functions, with coefficient 1 of its own.

    >>> from eqsynth.exact.spherical import jack
    >>> {mu: str(c) for mu, c in jack((2, 1), 2).items()}, {mu: str(c) for mu, c in jack((2, 1), 1).items()}
    ({(2, 1): '1', (1, 1, 1): '3/2'}, {(2, 1): '1', (1, 1, 1): '2'})

    By the Laplace-Beltrami operator, whose eigenvalues fall strictly in the dominance order: the coefficient of mu is
    2/alpha times the sum of (a - b) c(nu), over the nu that come of mu by making two parts a and b of what was less
    apart, over the difference of the eigenvalues of lambda and mu.
    """
    total = sum(shape)
    coefficients = {shape: Fraction(1)}
    for mu in partitions(total):
        if mu >= shape:
            continue
        raised = Fraction(0)
        for i, first in enumerate(mu):
            for j in range(i + 1, len(mu)):
                for moved in range(1, mu[j] + 1):
                    parts = [*mu[:i], first + moved, *mu[i + 1 : j], mu[j] - moved, *mu[j + 1 :]]
                    nu = tuple(sorted(filter(None, parts), reverse=True))
                    raised += (first - mu[j] + 2 * moved) * coefficients.get(nu, 0)
        if raised:
            coefficients[mu] = raised * Fraction(2, alpha) / (_eigenvalue(shape, alpha) - _eigenvalue(mu, alpha))
    return coefficients


def _eigenvalue(shape: Shape, alpha: int) -> Fraction:
    return sum((row * (row - 1 - Fraction(2 * place, alpha)) for place, row in enumerate(shape)), Fraction(0))


@cache
def _power_sums(total: int) -> list[list[Fraction]]:
    """Monomial symmetric functions by power sums: a row for each partition, in the order of ``partitions``."""
    import flint

    shapes = list(partitions(total))
    rows = [_monomials(shape) for shape in shapes]
    inverse = flint.fmpq_mat(flint.fmpz_mat([[row[shape] for shape in shapes] for row in rows])).inv()
    return [[Fraction(int(entry.p), int(entry.q)) for entry in row] for row in inverse.tolist()]


def _monomials(shape: Shape) -> Counter[Shape]:
    """A product of power sums by monomial symmetric functions."""
    product: Counter[Shape] = Counter({(): 1})
    for part in shape:
        larger: Counter[Shape] = Counter()
        for mu, count in product.items():
            for raised in {0, *mu}:
                rest = list(mu)
                if raised:
                    rest.remove(raised)
                parts = tuple(sorted((*rest, raised + part), reverse=True))
                # Each exponent of that size may be the one that was raised.
                larger[parts] += count * parts.count(raised + part)
        product = larger
    return product


@cache
def spherical(total: int, alpha: int) -> dict[Shape, dict[Shape, Fraction]]:
    """For each partition its spherical function by type, 1 at the type of singletons.

    >>> from eqsynth.exact.spherical import MATCHINGS, PERMUTATIONS, spherical
    >>> {shape: [str(value[mu]) for mu in value] for shape, value in spherical(3, PERMUTATIONS).items()}
    {(3,): ['1', '1', '1'], (2, 1): ['-1/2', '0', '1'], (1, 1, 1): ['1', '-1', '1']}
    >>> {shape: [str(value[mu]) for mu in value] for shape, value in spherical(2, MATCHINGS).items()}
    {(2,): ['1', '1'], (1, 1): ['-1/2', '1']}

    Types are in the order of :func:`eqsynth.exact.partitions.partitions`.
    """
    shapes = list(partitions(total))
    sums = _power_sums(total)
    functions = {}
    for shape in shapes:
        polynomial = jack(shape, alpha)
        row = [sum((c * sums[shapes.index(mu)][at] for mu, c in polynomial.items()), Fraction(0))
               for at in range(len(shapes))]  # fmt: skip
        values = [value * centraliser(mu) * alpha ** len(mu) for mu, value in zip(shapes, row, strict=True)]
        functions[shape] = {mu: value / values[-1] for mu, value in zip(shapes, values, strict=True)}
    return functions


def centraliser(kind: Shape) -> int:
    """How many permutations commute with one of a cycle type.

    >>> from eqsynth.exact.spherical import centraliser
    >>> [centraliser(kind) for kind in ((3,), (2, 1), (1, 1, 1))]
    [3, 2, 6]
    """
    return prod(size**count * factorial(count) for size, count in Counter(kind).items())


def weight(shape: Shape, alpha: int) -> Fraction:
    """The share of a partition in the function that is 1 at the type of singletons and 0 at all others.

    >>> from eqsynth.exact.spherical import weight
    >>> str(weight((2, 1), 1)), str(weight((1, 1), 2))
    ('2/3', '2/3')

    The degree of its part over the number of permutations, or of matchings.
    """
    total = sum(shape)
    if alpha == PERMUTATIONS:
        return Fraction(tableaux(shape) ** 2, factorial(total))
    return Fraction(tableaux(tuple(2 * row for row in shape)) * 2**total * factorial(total), factorial(2 * total))


def content_roots(shape: Shape, alpha: int) -> Counter[int]:
    """The roots of the product of n + alpha (j - 1) - (i - 1) over the boxes (i, j) of a partition.

    >>> from eqsynth.exact.spherical import content_roots
    >>> content_roots((2, 1), 1), content_roots((2, 1), 2)
    (Counter({0: 1, -1: 1, 1: 1}), Counter({0: 1, -2: 1, 1: 1}))

    The product is what the sum of n^loops of the union acts by on the part of a partition: the Jucys-Murphy elements.
    """
    return Counter(line - alpha * box for line, length in enumerate(shape) for box in range(length))
