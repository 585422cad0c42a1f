"""Polynomials in the sizes and channels of a layer: what its steps cost, and what no layer can do without."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING

from eqsynth.errors import EqsynthError

if TYPE_CHECKING:
    from fractions import Fraction

#: A product of powers: (symbol, exponent) sorted by symbol.
Monomial = tuple[tuple[str, int], ...]

DIGITS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


class Polynomial(dict[Monomial, "int | Fraction"]):
    """A polynomial with exact coefficients: monomial to coefficient, zero terms left out.

    >>> from fractions import Fraction
    >>> from eqsynth.exact.polynomial import Polynomial
    >>> n, c = Polynomial.of("n"), Polynomial.of("c")
    >>> print(n * n * c * 3 + c + 5)
    3 n² c + c + 5
    >>> (n * n * c * 3 + c + 5)({"n": 2, "c": 10})
    135
    >>> print(n * (n + -3) * Fraction(1, 2))
    1/2 n² - 3/2 n

    Whole coefficients are plain numbers, so that equal polynomials are equal values.
    """

    @classmethod
    def of(cls, factor: str | int | Fraction) -> Polynomial:
        """A symbol, or a number."""
        if isinstance(factor, str):
            return cls({((factor, 1),): 1})
        return cls.exact({(): factor})

    @classmethod
    def exact(cls, terms: Mapping[Monomial, int | Fraction]) -> Polynomial:
        """The polynomial with these terms, some perhaps zero."""
        return cls(
            {monomial: int(value) if value.denominator == 1 else value for monomial, value in terms.items() if value}
        )

    def __add__(self, other: Polynomial | int | Fraction) -> Polynomial:
        other = other if isinstance(other, Polynomial) else Polynomial.of(other)
        merged = {monomial: self.get(monomial, 0) + other.get(monomial, 0) for monomial in [*self, *other]}
        return Polynomial.exact(merged)

    def __mul__(self, other: Polynomial | int | Fraction) -> Polynomial:
        other = other if isinstance(other, Polynomial) else Polynomial.of(other)
        made: dict[Monomial, int | Fraction] = {}
        for left, first in self.items():
            for right, second in other.items():
                powers = dict(left)
                for symbol, exponent in right:
                    powers[symbol] = powers.get(symbol, 0) + exponent
                monomial = tuple(sorted(powers.items()))
                made[monomial] = made.get(monomial, 0) + first * second
        return Polynomial.exact(made)

    def __pow__(self, exponent: int) -> Polynomial:
        made = Polynomial.of(1)
        for _ in range(exponent):
            made *= self
        return made

    def over(self, divisor: int) -> Polynomial:
        """Divided by a whole number; coefficients stay whole where they can.

        >>> from eqsynth.exact.polynomial import Polynomial
        >>> n = Polynomial.of("n")
        >>> print((n * n + n * -1).over(2), (n * 6).over(3))
        1/2 n² - 1/2 n 2 n
        """
        from fractions import Fraction  # not loaded where nothing is divided

        return self * Fraction(1, divisor)

    def __call__(self, values: Mapping[str, int]) -> int:
        """The value where every symbol has one: a count, so a whole number."""
        value = sum(
            coefficient * prod(values[symbol] ** exponent for symbol, exponent in monomial)
            for monomial, coefficient in self.items()
        )
        if value.denominator != 1:
            raise EqsynthError(f"{self} counts nothing at {dict(values)}: its value, {value}, is not whole")
        return int(value)

    def __str__(self) -> str:
        def weight(monomial: Monomial) -> tuple[object, ...]:
            sizes = sum(exponent for symbol, exponent in monomial if not symbol.startswith("c"))
            return (-sizes, -sum(exponent for _, exponent in monomial), monomial)

        text = ""
        for monomial in sorted(self, key=weight):
            # Sizes before channels, as in n² c_in c_out.
            order = sorted(monomial, key=lambda power: (power[0].startswith("c"), power[0]))
            powers = [symbol + (str(exponent).translate(DIGITS) if exponent > 1 else "") for symbol, exponent in order]
            value = self[monomial]
            size = f"{abs(value.numerator):,}" + (f"/{value.denominator:,}" if value.denominator > 1 else "")
            text += (" - " if text else "-") if value < 0 else " + " if text else ""
            text += " ".join(powers if size == "1" and powers else [size, *powers])
        return text or "0"


def size_symbols(factors: int) -> list[str]:
    """The symbol of each factor's size: n, or n1, n2, ... in a product."""
    return ["n"] if factors == 1 else [f"n{number + 1}" for number in range(factors)]


def channel_symbol(side: str, term: int, terms: int) -> str:
    """The symbol of a term's channels, on the ``side`` "in" or "out": c_in, or c_in0, c_in1, ... of several terms."""
    return f"c_{side}" if terms == 1 else f"c_{side}{term}"
