"""Rational functions as texts: for a terminal, and in LaTeX."""

from __future__ import annotations

import re
from collections.abc import Iterable
from math import gcd

from eqsynth.exact.numbers import raised
from eqsynth.exact.ring import Monomial, RationalFunction, Terms, factored, linear, root_key


class _Style:
    """How powers, letters and quotients are written."""

    def power(self, base: str, power: int) -> str:
        """A power, the base in parentheses where it needs them."""
        return base if power == 1 else base + raised(power)

    def letter(self, letter: str) -> str:
        return letter

    def number(self, above: int, below: int = 1) -> str:
        return _grouped(above) + (f"/{_grouped(below)}" if below > 1 else "")

    def quotient(self, above: str, below: str) -> str:
        single = " " not in below or re.fullmatch(r"\([^()]*\)[⁰¹²³⁴⁵⁶⁷⁸⁹]*", below)
        return f"{above}/{below}" if single else f"{above}/({below})"


def _grouped(number: int) -> str:
    """The digits of a number, with commas up to the length at which Python still writes it."""
    try:
        return f"{number:,}"
    except ValueError:
        import flint

        return str(flint.fmpz(number))


class _Latex(_Style):
    def power(self, base: str, power: int) -> str:
        return base if power == 1 else f"{base}^{{{power}}}"

    def letter(self, letter: str) -> str:
        name, _, index = letter.partition("_")
        if index:
            return f"{name}_{{\\mathrm{{{index}}}}}"
        stem = name.rstrip("0123456789")
        return f"{stem}_{{{name[len(stem) :]}}}" if stem != name else letter

    def number(self, above: int, below: int = 1) -> str:
        above_text, below_text = (_grouped(side).replace(",", "") for side in (above, below))
        return f"\\frac{{{above_text}}}{{{below_text}}}" if below > 1 else above_text

    def quotient(self, above: str, below: str) -> str:
        bare = [side[1:-1] if side.count("(") == 1 and side[0] + side[-1] == "()" else side for side in (above, below)]
        return f"\\frac{{{bare[0]}}}{{{bare[1]}}}"


_PLAIN, _LATEX = _Style(), _Latex()


def text(value: RationalFunction) -> str:
    """The text of a value, which :func:`eqsynth.exact.reading.read` reads: polynomials as sums, the rest in factors.

    >>> from eqsynth.exact.ring import RationalFunction
    >>> from eqsynth.exact.writing import text
    >>> text(RationalFunction("(n^2 - 1)/n^2"))
    '(n - 1) (n + 1)/n²'
    """
    return _text(value, _PLAIN)


def latex(value: RationalFunction) -> str:
    r"""The same in LaTeX.

    >>> from eqsynth.exact.ring import RationalFunction
    >>> from eqsynth.exact.writing import latex
    >>> print(latex(RationalFunction("(n^2 - 1)/n^2")))
    \frac{(n - 1) (n + 1)}{n^{2}}
    """
    return _text(value, _LATEX)


def _text(value: RationalFunction, style: _Style) -> str:
    if (
        value._factors is not None
        and value._factors[1:3] in ((1, 1), (-1, 1))
        and value.degree == len(value.roots) == 1
    ):
        # One factor alone is a sum as others are.
        return _sum_text(*value._parts()[:2], style)
    if value._factors is not None:
        letter, top, bottom, roots = value._factors
        ordered = sorted(roots.items(), key=lambda pair: root_key(pair[0]))
        factors = [(linear(letter, root), power) for root, power in ordered]
        above, below = ([(t, s * power) for t, power in factors if s * power > 0] for s in (1, -1))
    else:
        terms, divisor, under = value._parts()
        if under is None:
            return _sum_text(terms, divisor, style)
        top, above = factored(terms)
        content, below = factored(under)
        bottom = divisor * content
    sign, top = ("-", -top) if top < 0 else ("", top)
    if not below:
        return sign + _product_text(style.number(top, bottom), above, style)
    upper = _product_text(style.number(top), above, style)
    return sign + style.quotient(upper, _product_text(style.number(bottom), below, style))


def _product_text(number: str, factors: Iterable[tuple[Terms, int]], style: _Style) -> str:
    pieces = []
    for terms, power in factors:
        text = _sum_text(terms, 1, style)
        pieces.append(style.power(f"({text})" if len(terms) > 1 else text, power))
    return " ".join(pieces if number == "1" and pieces else [number, *pieces])


def _sum_text(terms: Terms, divisor: int, style: _Style) -> str:
    def weight(monomial: Monomial) -> tuple[object, ...]:
        sizes = sum(power for letter, power in monomial if not letter.startswith("c"))
        return (-sizes, -sum(power for _, power in monomial), monomial)

    text = ""
    for monomial in sorted(terms, key=weight):
        # Sizes before channels, as in n² c_in c_out.
        ordered = sorted(monomial, key=lambda power: (power[0].startswith("c"), power[0]))
        powers = [style.power(style.letter(letter), power) for letter, power in ordered]
        value, common = terms[monomial], gcd(terms[monomial], divisor)
        size = style.number(abs(value) // common, divisor // common)
        text += (" - " if text else "-") if value < 0 else " + " if text else ""
        text += " ".join(powers if size == "1" and powers else [size, *powers])
    return text or "0"
