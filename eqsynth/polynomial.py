"""Polynomials with rational coefficients in the sizes and channels of a layer: what its steps cost."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import prod

#: A product of powers: (symbol, exponent) sorted by symbol.
Monomial = tuple[tuple[str, int], ...]

DIGITS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


class Polynomial(dict[Monomial, int | Fraction]):
    """A polynomial with rational coefficients: monomial to coefficient, zero terms left out.

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
        made: dict[Monomial, int | Fraction] = {}
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

    def over(self, divisor: int) -> Polynomial:
        """Divided by a whole number; coefficients stay whole where they can.

        >>> from eqsynth.polynomial import Polynomial
        >>> n = Polynomial.of("n")
        >>> print((n * n + n * -1).over(2), (n * 6).over(3))
        1/2 n² - 1/2 n 2 n
        """
        made = {monomial: Fraction(value, divisor) for monomial, value in self.items()}
        return Polynomial({monomial: int(v) if v.denominator == 1 else v for monomial, v in made.items()})

    def __call__(self, values: Mapping[str, int]) -> int:
        """The value where every symbol has one: a whole number, as of all that is counted."""
        total = sum(
            coefficient * prod(values[symbol] ** exponent for symbol, exponent in monomial)
            for monomial, coefficient in self.items()
        )
        return int(total)

    def __str__(self) -> str:
        def weight(monomial: Monomial) -> tuple[object, ...]:
            sizes = sum(exponent for symbol, exponent in monomial if not symbol.startswith("c"))
            return (-sizes, -sum(exponent for _, exponent in monomial), monomial)

        terms = []
        for monomial in sorted(self, key=weight):
            # Sizes before channels, as in n² c_in c_out.
            order = sorted(monomial, key=lambda power: (power[0].startswith("c"), power[0]))
            powers = [symbol + (str(exponent).translate(DIGITS) if exponent > 1 else "") for symbol, exponent in order]
            value = abs(self[monomial])
            coefficient = [] if value == 1 and powers else [f"{value:,}" if isinstance(value, int) else str(value)]
            terms.append((" - " if self[monomial] < 0 else " + ") + " ".join([*coefficient, *powers]))
        text = "".join(terms)
        return ("-" if text.startswith(" -") else "") + text[3:] if text else "0"
