"""Colours of vertices and edges: whatever people give, as numbers; several edges between two vertices as one colour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from numbers import Number
from typing import Any

from eqsynth.errors import GroupError, IgnoredWeightsWarning, shown, warn
from eqsynth.exact.numbers import fraction, whole

Pairs = list[tuple[int, int]]
#: Whether weights of edges are colours: True and False say so, a text names the attribute, None has not been asked.
Weights = bool | str | None
#: Whole numbers below are written out as they are.
MAX_WRITTEN = 10**18
#: Attributes of edges that people use for what they may mean to keep.
USUAL = ("weight", "colour", "color")


def colour_numbers(colours: Sequence[Any], what: str = "vertices") -> tuple[int, ...]:
    """Whole numbers as they are, other colours by their place in order; no colour at all is no colours.

    >>> from eqsynth.graphs.colours import colour_numbers
    >>> colour_numbers([7, 3]), colour_numbers(["red", "blue", "red"]), colour_numbers([None, None])
    ((7, 3), (1, 0, 1), ())
    """
    missing = sum(colour is None for colour in colours)
    if missing == len(colours):
        return ()
    if missing:
        raise GroupError(
            f"{missing} of {len(colours)} {what} have no colour: give every one a colour attribute, or none"
        )
    numbers = tuple(number for number in map(whole, colours) if number is not None)
    if len(numbers) == len(colours):
        return numbers
    keys = [key(colour) for colour in colours]
    kinds = {kind: number for number, kind in enumerate(sorted(set(keys)))}
    return tuple(kinds[kind] for kind in keys)


def key(colour: Any) -> tuple[str, str]:
    """A text for each colour: the same for 1 and 1.0, another for True and for the text 1.

    >>> from eqsynth.graphs.colours import key
    >>> key(1) == key(1.0), key(1) == key("1"), key(0.1 + 0.2) == key(0.3)
    (True, False, False)

    Raises GroupError for what is neither a number nor a text, nor some of these.
    """
    if not _is_value(colour):
        raise GroupError(
            f"the colour {shown(colour)} is neither a number nor a text: give colours that can be compared"
        )
    if isinstance(colour, Number) and not isinstance(colour, bool | complex):
        try:
            return "number", str(fraction(colour))
        except ValueError:
            return type(colour).__name__, repr(colour)
    return type(colour).__name__, repr(colour)


def _is_value(colour: Any) -> bool:
    """Whether a colour is the same as another exactly where both say the same."""
    if isinstance(colour, tuple):
        return all(map(_is_value, colour))
    return isinstance(colour, str | bytes | Number) and colour == colour  # noqa: PLR0124 - not a number is not itself


def listed_once(
    pairs: Pairs, values: Sequence[Any] | None, directed: bool | None, what: str
) -> tuple[Pairs, Sequence[Any] | None, bool]:
    """Edges in a list that may have each of an undirected graph in both directions; each once, and whether directed.

    >>> from eqsynth.graphs.colours import listed_once
    >>> listed_once([(0, 1), (1, 0), (1, 2), (2, 1)], None, None, "a list")
    ([(0, 1), (1, 2)], None, False)

    ``directed=None`` leaves open what a list of edges in one direction each means, and then that is asked. Raises
    GroupError where only some edges have their reverse, or where the two have other weights.
    """
    if directed:
        return pairs, values, True
    listed = set(pairs)
    back = {pair for pair in listed if pair[0] != pair[1] and pair[::-1] in listed}
    if len(back) < sum(tail != head for tail, head in listed):
        if back:
            tail, head = min(back)
            raise GroupError(
                f"{what} has the edge {tail} {head} in both directions, but others in one: remove one of the two, or "
                "say directed=True if that is meant"
            )
        if directed is None:
            raise GroupError(
                f"{what} has each edge in one direction: say directed=True, or directed=False where the other is "
                "meant, too"
            )
        return pairs, values, False
    keys = [None] * len(pairs) if values is None else [key(value) for value in values]
    counts = Counter(zip(pairs, keys, strict=True))
    for (tail, head), weight in counts:
        if tail != head and counts[(tail, head), weight] != counts[(head, tail), weight]:
            raise GroupError(
                f"{what} has other weights, or more edges, from {tail} to {head} than back: say directed=True if "
                "that is meant"
            )
    kept = [place for place, (tail, head) in enumerate(pairs) if tail <= head]
    return [pairs[place] for place in kept], None if values is None else [values[place] for place in kept], False


def merged(pairs: Pairs, values: Sequence[Any] | None, directed: bool) -> tuple[Pairs, tuple[int, ...]]:
    """Each pair of vertices once, with a colour that says how many edges there are and which weights they have.

    >>> from eqsynth.graphs.colours import merged
    >>> merged([(0, 1), (1, 0), (1, 2)], None, False)
    ([(0, 1), (1, 2)], (2, 1))
    >>> merged([(0, 1), (1, 2)], ["double", "single"], False)
    ([(0, 1), (1, 2)], (0, 1))

    Whole numbers are colours as they are, other weights by their place in order.
    """
    together: dict[tuple[int, int], list[Any]] = {}
    for place, (tail, head) in enumerate(pairs):
        ends = (tail, head) if directed or tail <= head else (head, tail)
        together.setdefault(ends, []).append(None if values is None else values[place])
    edges = list(together)
    if values is None:
        return edges, tuple(map(len, together.values()))
    if len(edges) == len(pairs):
        numbers = colour_numbers([_as_whole(value) for (value,) in together.values()], "edges")
        if all(abs(number) < MAX_WRITTEN for number in numbers):
            return edges, numbers
    kinds = [tuple(sorted(map(key, listed))) for listed in together.values()]
    places = {kind: number for number, kind in enumerate(sorted(set(kinds)), 1)}
    return edges, tuple(places[kind] for kind in kinds)


def _as_whole(value: Any) -> Any:
    """A weight, where it is a whole number as one: 2.0 is 2."""
    if isinstance(value, Number) and not isinstance(value, bool | complex):
        try:
            number = fraction(value)
        except ValueError:
            return value
        return int(number) if number.denominator == 1 else value
    return value


def attribute(listed: Sequence[dict[str, Any]], weights: Weights, what: str) -> list[Any] | None:
    """The weights of edges among their attributes, as asked; None where none are.

    >>> from eqsynth.graphs.colours import attribute
    >>> attribute([{"bond": 1}, {"bond": 2}], "bond", "a graph")
    [1, 2]

    Raises GroupError where no edge has the attribute, or only some; warns of weights that were not asked for.
    """
    if weights is None:
        for name in USUAL:
            if any(name in data for data in listed):
                values = [data.get(name) for data in listed]
                ignored(values, what, f"weights={name!r}")
        return None
    if weights is False:
        return None
    name = "weight" if weights is True else weights
    missing = sum(data.get(name) is None for data in listed)
    if missing:
        raise GroupError(
            f"{missing} of {len(listed)} edges of {what} have no attribute {name!r}: give each one, or leave weights "
            "out"
        )
    return [plain(data[name]) for data in listed]


def ignored(values: Sequence[Any], what: str, cure: str) -> None:
    """Warn of weights that nobody asked for, where they differ."""
    try:
        differ = len({None if value is None else key(plain(value)) for value in values}) > 1
    except GroupError:
        differ = True
    if differ:
        warn(
            f"the weights of the edges of {what} differ, and are not used: a symmetry may exchange edges of different "
            f"weight. Say {cure} to keep them, or weights=False if this is meant",
            IgnoredWeightsWarning,
        )


def plain(value: Any) -> Any:
    """A weight without lists, which are rows of an array."""
    value = value.tolist() if hasattr(value, "tolist") else value
    return tuple(map(plain, value)) if isinstance(value, list) else value
