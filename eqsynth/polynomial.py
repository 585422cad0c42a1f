"""Polynomials with whole coefficients in the sizes and channels of a layer: what its steps cost."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

#: A product of powers: (symbol, exponent) sorted by symbol.
Monomial = tuple[tuple[str, int], ...]

DIGITS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


class Polynomial(dict[Monomial, int]):
    """A polynomial with whole coefficients: monomial to coefficient, zero terms left out.

    >>> from eqsynth.polynomial import Polynomial
    >>> n, c = Polynomial.of("n"), Polynomial.of("c")
    >>> print(n * n * c * 3 + c + 5)
    3 n² c + c + 5
    >>> (n * n * c * 3 + c + 5)({"n": 2, "c": 10})
    135
    """

    @classmethod
    def of(cls, factor: str | int) -> Polynomial:
        """A symbol, or a whole number."""
        if isinstance(factor, str):
            return cls({((factor, 1),): 1})
        return cls({(): factor} if factor else {})

    def __add__(self, other: Polynomial | int) -> Polynomial:
        other = Polynomial.of(other) if isinstance(other, int) else other
        merged = {monomial: self.get(monomial, 0) + other.get(monomial, 0) for monomial in [*self, *other]}
        return Polynomial({monomial: value for monomial, value in merged.items() if value})

    def __mul__(self, other: Polynomial | int) -> Polynomial:
        other = Polynomial.of(other) if isinstance(other, int) else other
        made: dict[Monomial, int] = {}
        for left, first in self.items():
            for right, second in other.items():
                powers = dict(left)
                for symbol, exponent in right:
                    powers[symbol] = powers.get(symbol, 0) + exponent
                monomial = tuple(sorted(powers.items()))
                made[monomial] = made.get(monomial, 0) + first * second
        return Polynomial({monomial: value for monomial, value in made.items() if value})

    def __pow__(self, exponent: int) -> Polynomial:
        made = Polynomial.of(1)
        for _ in range(exponent):
            made *= self
        return made

    def __call__(self, values: Mapping[str, int]) -> int:
        """The value where every symbol has one."""
        return sum(
            coefficient * prod(values[symbol] ** exponent for symbol, exponent in monomial)
            for monomial, coefficient in self.items()
        )

    def __str__(self) -> str:
        def weight(monomial: Monomial) -> tuple[object, ...]:
            sizes = sum(exponent for symbol, exponent in monomial if not symbol.startswith("c"))
            return (-sizes, -sum(exponent for _, exponent in monomial), monomial)

        terms = []
        for monomial in sorted(self, key=weight):
            # Sizes before channels, as in n² c_in c_out.
            order = sorted(monomial, key=lambda power: (power[0].startswith("c"), power[0]))
            powers = [symbol + (str(exponent).translate(DIGITS) if exponent > 1 else "") for symbol, exponent in order]
            coefficient = [] if self[monomial] == 1 and powers else [f"{self[monomial]:,}"]
            terms.append(" ".join([*coefficient, *powers]))
        return " + ".join(terms) or "0"
