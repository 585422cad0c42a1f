"""Tensor spaces: ``16x2 + 8x1`` is 16 channels of order 2 beside 8 channels of order 1."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from eqsynth.errors import ParseError, SpaceError

#: Order of a tensor: a number, or one number per factor of a product group.
Order = int | tuple[int, ...]

MAX_ORDER = 64
MAX_CHANNELS = 1 << 24

_TERM = re.compile(r"\s*(?:(?P<channels>[0-9]+)\s*x\s*)?(?P<order>[0-9]+|\(\s*[0-9]+(?:\s*,\s*[0-9]+)*\s*,?\s*\))")
_CURE = "Write terms such as 16x2 + 8x1: channels, the letter x, the order; or an order alone."


@dataclass(frozen=True, slots=True)
class Space:
    """A direct sum of tensor powers of R^n, each with a number of channels.

    >>> from eqsynth import Space
    >>> space = Space.parse("16x2 + 8x1 + 0")
    >>> space.terms
    ((16, 2), (8, 1), (1, 0))
    >>> print(space)
    16x2 + 8x1 + 1x0

    ``terms`` is a tuple of ``(channels, order)``. For a product group an order is a tuple with
    one entry per factor: ``16x(2,1)``. A tensor of the term ``(c, k)`` has shape
    ``(*batch, n, ..., n, c)`` with k axes of length n.

    Raises ParseError for text that is no space, SpaceError for channels or orders out of range.
    """

    terms: tuple[tuple[int, Order], ...]

    def __post_init__(self) -> None:
        if not self.terms:
            raise SpaceError("a space needs at least one term, such as 16x2")
        for channels, order in self.terms:
            if not isinstance(channels, int) or isinstance(channels, bool) or channels < 1:
                raise SpaceError(f"a space cannot have {channels!r} channels: ask for 1 or more")
            if channels > MAX_CHANNELS:
                raise SpaceError(f"{channels} channels are too many: ask for at most {MAX_CHANNELS}")
            check_order(order)

    @classmethod
    def parse(cls, text: str | int | tuple[int, ...] | Space) -> Space:
        """Read ``"16x2 + 8x1"``; an order k alone (text or number) means ``1xk``."""
        if isinstance(text, Space):
            return text
        if not isinstance(text, str):
            check_order(text)
            return cls(((1, text),))
        terms: list[tuple[int, Order]] = []
        position = 0
        while True:
            match = _TERM.match(text, position)
            if match is None:
                start = len(text) - len(text[position:].lstrip())
                if "-" in text[start : start + 2]:
                    raise ParseError("space", text, start, "orders and channels are not negative", _CURE)
                raise ParseError("space", text, start, "a term is expected here", _CURE)
            order = _read_order(match["order"])
            channels = int((match["channels"] or "1")[:20])
            try:
                check_order(order)
                if not 1 <= channels <= MAX_CHANNELS:
                    raise SpaceError(f"channels go from 1 to {MAX_CHANNELS}")
            except SpaceError as error:
                raise ParseError("space", text, match.start("order"), str(error), _CURE) from None
            terms.append((channels, order))
            position = match.end()
            rest = text[position:].lstrip()
            position = len(text) - len(rest)
            if not rest:
                return cls(tuple(terms))
            if rest[0] == "x":
                raise ParseError("space", text, position + 1, "an order is expected here", _CURE)
            if rest[0] != "+":
                raise ParseError("space", text, position, "terms are joined by +", _CURE)
            position += 1

    def __str__(self) -> str:
        return " + ".join(f"{channels}x{order_text(order)}" for channels, order in self.terms)

    def __len__(self) -> int:
        return len(self.terms)

    def __iter__(self) -> Iterator[tuple[int, Order]]:
        return iter(self.terms)

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of each term."""
        return tuple(channels for channels, _ in self.terms)

    @property
    def orders(self) -> tuple[Order, ...]:
        """Order of each term."""
        return tuple(order for _, order in self.terms)


def _read_order(text: str) -> Order:
    if text.startswith("("):
        return tuple(int(number[:20]) for number in re.findall(r"\d+", text))
    return int(text[:20])


def order_text(order: Order) -> str:
    """An order as spaces print it: ``2`` or ``(2,1)``."""
    if isinstance(order, tuple):
        return "(" + ",".join(map(str, order)) + ("," if len(order) == 1 else "") + ")"
    return str(order)


def each(order: Order) -> tuple[int, ...]:
    """The order for each factor of the group."""
    return order if isinstance(order, tuple) else (order,)


def axes_of(order: Order) -> int:
    """How many axes of a group's length a tensor of this order has."""
    return sum(each(order))


def check_order(order: object) -> None:
    """Raise SpaceError unless ``order`` is a whole number, or a tuple of them, in range."""
    parts = order if isinstance(order, tuple) else (order,)
    if not parts:
        raise SpaceError("the order () is empty: give one number per factor of the group")
    for part in parts:
        if not isinstance(part, int) or isinstance(part, bool):
            raise SpaceError(f"the order {order!r} is not a whole number: ask for 0, 1, 2, ...")
        if part < 0:
            raise SpaceError(f"the order {order!r} is negative: ask for 0, 1, 2, ...")
        if part > MAX_ORDER:
            raise SpaceError(f"the order {order!r} is absurdly high: ask for at most {MAX_ORDER}")
