"""Texts as rational functions: what ``str`` writes, and what people type."""

from __future__ import annotations

import re

from eqsynth.errors import ParseError, SizeError
from eqsynth.exact.ring import RationalFunction, rooted

#: The longest text that is read.
MAX_TEXT = 100_000
#: Characters of the longest number or letter.
MAX_DIGITS = 4_000

_DIGITS = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_PLAIN = str.maketrans(_DIGITS, "0123456789")
_CURE = "write it like 1/(n - 1) or 2 n^2 c - 1/2"
_TOKEN = re.compile(rf"\s*(?:([0-9][0-9,]*)|([^\W\d{_DIGITS}][^\W{_DIGITS}]*)|([{_DIGITS}]+)|(\*\*|[-+*/^()]))\s*")


def is_letter(name: str) -> bool:
    """Whether a name is read as one letter, and so can be written as one.

    >>> from eqsynth.exact.reading import is_letter
    >>> is_letter("c_in"), is_letter("n+1"), is_letter("½")
    (True, False, False)
    """
    match = _TOKEN.fullmatch(name)
    return match is not None and match.lastindex == 2 and match[2] == name and name.isidentifier()


def read(text: str) -> RationalFunction:
    """The rational function that a text writes; powers as superscripts, ``^`` or ``**``.

    >>> from eqsynth.exact.reading import read
    >>> print(read("2*n^2 (n - 1)"), "and", read("n**2/(n + 1) - 1/2 n"))
    2 n² (n - 1) and n (n - 1)/(2 (n + 1))

    Factors beside each other are multiplied, but ``1/2n`` is asked to be written out. Raises ParseError at the place
    that does not parse, SizeError for texts and powers that are too long.
    """
    if len(text) > MAX_TEXT:
        raise SizeError(f"a text of {len(text):,} characters is too long: write at most {MAX_TEXT:,}")
    tokens: list[tuple[str, str, int]] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or len(match[0].strip()) > MAX_DIGITS:
            raise ParseError("rational function", text, position, "no number, letter or sign of arithmetic", _CURE)
        group = match.lastindex or 1
        if group == 1 and re.match(r"[eE][-+]?[0-9]|[xX][0-9a-fA-F]|_", text[match.end(1) :]):
            why = "a float, or a number in another notation"
            raise ParseError("rational function", text, position, why, "write it as a fraction, such as 1/1000")
        if group == 2 and not is_letter(match[2]):
            raise ParseError("rational function", text, position, "no letter that can be written again", _CURE)
        token = match[group].replace(",", "").translate(_PLAIN) if group != 2 else match[group]
        tokens.append((("number", "letter", "power", token.replace("**", "^"))[group - 1], token, match.start(group)))
        position = match.end()
    return _Reader(text, tokens).read()


class _Reader:
    """Recursive descent over tokens: sums of products of powers."""

    def __init__(self, text: str, tokens: list[tuple[str, str, int]]) -> None:
        self.text, self.tokens, self.at, self.depth = text, [*tokens, ("end", "", len(text))], 0, 0

    def read(self) -> RationalFunction:
        value = self.sum()
        if self.tokens[self.at][0] != "end":
            raise self.wrong()
        return value

    def wrong(self, why: str = "no rational function", cure: str = _CURE) -> ParseError:
        return ParseError("rational function", self.text, self.tokens[self.at][2], why, cure)

    def taken(self, *kinds: str) -> str | None:
        """The next token where it is one of these kinds."""
        kind, token, _ = self.tokens[self.at]
        if kind not in kinds:
            return None
        self.at += 1
        return token

    def sum(self) -> RationalFunction:
        sign = self.taken("-", "+")
        total = self.product() * (-1 if sign == "-" else 1)
        while sign := self.taken("-", "+"):
            term = self.product()
            total = total - term if sign == "-" else total + term
        return total

    def product(self) -> RationalFunction:
        start, divided = self.at, False
        total = self.power()
        while True:
            division = self.taken("/")
            beside = self.tokens[self.at][0] in ("number", "letter", "(")
            if division is None and beside and divided and not self.fraction_before(start):
                raise self.wrong("is this divided by, or multiplied with?", "write 1/(2 n) or n/2")
            divided = division is not None or (divided and not beside)
            if division is None and not beside and self.taken("*") is None:
                return total
            factor = rooted(self.power())
            total = total / factor if division else rooted(total) * factor

    def fraction_before(self, start: int) -> bool:
        """Whether all since a place is a number over a number, and a space, as in ``1/2 n``."""
        kinds = [kind for kind, _, _ in self.tokens[start : self.at]]
        return kinds == ["number", "/", "number"] and self.text[self.tokens[self.at][2] - 1].isspace()

    def power(self) -> RationalFunction:
        base = self.atom()
        if token := self.taken("power"):
            return rooted(base) ** int(token)
        if self.taken("^"):
            sign = -1 if self.taken("-") else 1
            if (token := self.taken("number")) is None:
                raise self.wrong()
            return rooted(base) ** (sign * int(token))
        return base

    def atom(self) -> RationalFunction:
        if token := self.taken("number"):
            return RationalFunction(int(token))
        if token := self.taken("letter"):
            return RationalFunction(token)
        self.depth += 1
        if self.depth > 50 or self.taken("(") is None:
            raise self.wrong()
        value = self.sum()
        if self.taken(")") is None:
            raise self.wrong()
        self.depth -= 1
        return value
