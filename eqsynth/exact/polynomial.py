"""The symbols in which the cost of a layer is a polynomial: its sizes and its channels."""

from __future__ import annotations

from eqsynth.exact.ring import RationalFunction as Polynomial

__all__ = ["Polynomial", "channel_symbol", "size_symbols"]


def size_symbols(factors: int) -> list[str]:
    """The symbol of each factor's size: n, or n1, n2, ... in a product."""
    return ["n"] if factors == 1 else [f"n{number + 1}" for number in range(factors)]


def channel_symbol(side: str, term: int, terms: int) -> str:
    """The symbol of a term's channels, on the ``side`` "in" or "out": c_in, or c_in0, c_in1, ... of several terms."""
    return f"c_{side}" if terms == 1 else f"c_{side}{term}"
