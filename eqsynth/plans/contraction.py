"""How to compute the polynomials of patterns: the cheapest pairwise contractions, each shared part once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, Any

from eqsynth.diagrams.patterns import Channel, GraphPattern
from eqsynth.errors import SizeError
from eqsynth.exact.limits import afford

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Up to so many factors of a connected part all orders of contraction are compared.
ALL_ORDERS = 12
#: What n stands for where orders are compared by numbers, and the most axes of a product: letters name them.
LARGE_N, MAX_AXES = 1000, 26
#: Costs are numbers in this base: a digit for each power of n.
BASE = 1 << 32

#: Axes of a tensor, by number.
Axes = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """Entries of a channel: each of its axes is one of ``axes``; those that are not in ``kept`` are summed over."""

    channel: int
    axes: Axes
    kept: Axes


@dataclass(frozen=True, slots=True, order=True)
class Pair:
    """The product of two tensors, named by their steps, summed over axes that are not in ``kept``."""

    left: int
    right: int
    left_axes: Axes
    right_axes: Axes
    kept: Axes


@dataclass(frozen=True, slots=True)
class Part:
    """A connected part of a pattern: the axes of the output that it has labels of, how it is computed.

    ``step`` is None for a vertex alone; ``order`` has for each axis of the output in ``axes`` an axis of the step.
    """

    axes: Axes
    step: int | None
    order: Axes
    internal: int


@dataclass(frozen=True, slots=True)
class Contraction:
    """Steps that compute all parts of some patterns, and the parts of each pattern.

    >>> from eqsynth.diagrams.patterns import Channel, GraphPattern
    >>> from eqsynth.plans.contraction import contraction
    >>> square = GraphPattern((), ((0, (0, 1)), (0, (1, 2)), (0, (2, 3)), (0, (0, 3))), 4)
    >>> program = contraction([square], [Channel(2, symmetric=True)])
    >>> for step in program.steps:
    ...     print(step)
    Entry(channel=0, axes=(0, 1), kept=(0, 1))
    Pair(left=0, right=0, left_axes=(0, 1), right_axes=(0, 2), kept=(1, 2))
    Pair(left=1, right=1, left_axes=(0, 1), right_axes=(0, 1), kept=())
    >>> program.cost
    'n^3 + n^2'
    """

    steps: tuple[Entry | Pair, ...]
    patterns: tuple[tuple[Part, ...], ...]

    @property
    def cost(self) -> str:
        """Multiplications and additions of all steps, as a polynomial in n."""
        powers = Counter(
            len({*step.left_axes, *step.right_axes}) if isinstance(step, Pair) else len(set(step.axes))
            for step in self.steps
            if isinstance(step, Pair) or step.kept != step.axes
        )
        terms = [(powers[power], "1" if not power else "n" if power == 1 else f"n^{power}") for power in powers]
        return " + ".join(
            text if count == 1 else f"{count}{'' if text == '1' else ' ' + text}"
            for count, text in sorted(terms, key=lambda term: term[1], reverse=True)
        ) or "0"  # fmt: skip

    def run(self, channels: Sequence[Any], einsum: Callable[..., Any]) -> list[Any]:
        """The value of each step, from arrays (*batch, n, ..) of the channels and an ``einsum`` for them."""
        values: list[Any] = []
        for step in self.steps:
            if isinstance(step, Entry):
                source = channels[step.channel]
                identity = step.axes == step.kept
                values.append(source if identity else einsum(f"...{_text(step.axes)}->...{_text(step.kept)}", source))
            else:
                text = f"...{_text(step.left_axes)},...{_text(step.right_axes)}->...{_text(step.kept)}"
                values.append(einsum(text, values[step.left], values[step.right]))
        return values


def _text(axes: Axes) -> str:
    return "".join(chr(ord("a") + axis) for axis in axes)


def contraction(patterns: Sequence[GraphPattern], channels: Sequence[Channel]) -> Contraction:
    """The contractions of some patterns, each part in the order that is cheapest for large n.

    All trees of pairwise products are compared that multiply tensors with a common vertex, and sum over a vertex as
    soon as all its factors are together: by how many products over so many vertices they take, the most vertices first.
    Equal steps, in one pattern or in several, are then one. Of connected parts with more than 12 factors the order is
    what opt_einsum finds greedily. Raises SizeError for products of tensors with more than 26 axes.
    """
    steps: dict[Entry | Pair, int] = {}
    known: dict[GraphPattern, tuple[int, Axes]] = {}
    listed = []
    for pattern in patterns:
        parts = []
        for axes, part in pattern.components():
            step: int | None = None
            own: Axes = part.labels[:1]
            if part.factors:
                if part not in known:
                    known[part] = _contracted(part, channels, steps)
                step, own = known[part]
            parts.append(Part(axes, step, tuple(own.index(label) for label in part.labels), part.internal))
        listed.append(tuple(parts))
    widest = max((len({*step.left_axes, *step.right_axes}) for step in steps if isinstance(step, Pair)), default=0)
    if widest > MAX_AXES:
        raise SizeError(
            f"these patterns need a sum over n^{widest} places at once: ask for patterns with fewer edges between as "
            "many vertices, such as trees, cycles and grids"
        )
    return Contraction(tuple(steps), tuple(listed))


def _contracted(part: GraphPattern, channels: Sequence[Channel], steps: dict[Entry | Pair, int]) -> tuple[int, Axes]:
    """Add the steps of a connected part: the number of the last one, and its vertices in order."""
    factors = [ends for _, ends in part.factors]
    whole = (1 << len(factors)) - 1

    @lru_cache(None)
    def ends_of(mask: int) -> frozenset[int]:
        return frozenset(v for place, ends in enumerate(factors) if mask >> place & 1 for v in ends)

    @lru_cache(None)
    def left_open(mask: int) -> frozenset[int]:
        return ends_of(mask) & (ends_of(whole ^ mask) | set(part.labels))

    @lru_cache(None)
    def connected(mask: int) -> bool:
        reached = mask & -mask
        while True:
            ends = ends_of(reached)
            more = sum(1 << place for place in range(len(factors)) if mask >> place & 1 and ends & ends_of(1 << place))
            if more == reached:
                return reached == mask
            reached = more

    @lru_cache(None)
    def best(mask: int) -> tuple[int, int, int]:
        """The least cost of a connected set of factors, how uneven its halves are, and the one with the lowest factor.

        Of halves that cost the same, even ones are more often the same step.
        """
        if not mask & (mask - 1):
            return 0, 0, 0
        lowest, choices = mask & -mask, []
        half = (mask - 1) & mask
        while half:
            rest = mask ^ half
            if half & lowest and connected(half) and connected(rest):
                cost = best(half)[0] + best(rest)[0] + BASE ** len(left_open(half) | left_open(rest))
                choices.append((cost, abs(half.bit_count() - rest.bit_count()), half))
            half = (half - 1) & mask
        return min(choices)

    halves = {} if len(factors) <= ALL_ORDERS else _greedy(factors, part.labels)
    known: dict[int, tuple[int, Axes, bool]] = {}

    def add(mask: int) -> tuple[int, Axes, bool]:
        """The step of a set of factors, its vertices in order, and whether these may be exchanged."""
        if mask in known:
            return known[mask]
        if not mask & (mask - 1):
            channel, ends = part.factors[mask.bit_length() - 1]
            return _entry(channel, ends, left_open(mask), channels[channel].symmetric, steps)
        half = halves[mask] if halves else best(mask)[-1]
        return _pair(add(half), add(mask ^ half), left_open(mask), steps)

    for mask in halves:  # parts before what is made of them, so that calls are not deep
        known[mask] = add(mask)
    step, own, _ = add(whole)
    return step, own


def _greedy(factors: Sequence[Axes], labels: Axes) -> dict[int, int]:
    """An order of contraction that is found step by step: for each set of factors one of the two that it is made of."""
    from opt_einsum import contract_path, get_symbol

    kept, halves = set(labels), dict[int, int]()
    text = ",".join("".join(map(get_symbol, dict.fromkeys(ends))) for ends in factors)
    expression = f"{text}->{''.join(map(get_symbol, sorted(kept)))}"
    shapes = [(LARGE_N,) * len(set(ends)) for ends in factors]
    path, _ = contract_path(expression, *shapes, shapes=True, optimize="greedy")
    masks = [1 << place for place in range(len(factors))]
    for pair in path:
        first, *rest = (masks.pop(place) for place in sorted(pair, reverse=True))
        joined = first
        for other in rest:
            joined |= other
            halves[joined] = other
        masks.append(joined)
    return halves


def _entry(
    channel: int, ends: Axes, kept: frozenset[int], symmetric: bool, steps: dict[Entry | Pair, int]
) -> tuple[int, Axes, bool]:
    symmetric = symmetric and len(set(ends)) == 2
    if symmetric and kept == {ends[1]}:
        ends = ends[::-1]
    names = tuple(dict.fromkeys(ends))
    own = tuple(vertex for vertex in names if vertex in kept)
    step = Entry(channel, tuple(map(names.index, ends)), tuple(map(names.index, own)))
    return steps.setdefault(step, len(steps)), own, symmetric and len(own) == 2


def _pair(
    left: tuple[int, Axes, bool], right: tuple[int, Axes, bool], kept: frozenset[int], steps: dict[Entry | Pair, int]
) -> tuple[int, Axes, bool]:
    """The least of the ways to write a product, so that equal ones are written alike.

    Where two ways differ in nothing but the order of the vertices, these may be exchanged in the product, too.
    """
    ways = []
    for one, other in ((left, right), (right, left)):
        turned = [(axes, axes[::-1]) if symmetric else (axes,) for _, axes, symmetric in (one, other)]
        for first, second in product(*turned):
            names = tuple(dict.fromkeys(first + second))
            numbers = tuple(map(names.index, first)), tuple(map(names.index, second))
            own = tuple(vertex for vertex in names if vertex in kept)
            ways.append((Pair(one[0], other[0], *numbers, tuple(map(names.index, own))), own))
    least, own = min(ways)
    symmetric = len(own) == 2 and (least, own[::-1]) in ways
    return steps.setdefault(least, len(steps)), own, symmetric


# --- exact counts ---------------------------------------------------------------------------------


def exact_counts(program: Contraction, matrix: NDArray[np.int64], patterns: Sequence[GraphPattern]) -> list[Any]:
    """The polynomials of patterns at a matrix of whole numbers, exactly: ints, and arrays of ints for labels.

    >>> import numpy as np
    >>> from eqsynth.diagrams.patterns import Channel, GraphPattern
    >>> from eqsynth.plans.contraction import contraction, exact_counts
    >>> path = GraphPattern((0,), ((0, (0, 1)), (0, (1, 2))), 3)
    >>> exact_counts(contraction([path], [Channel(2, True)]), np.array([[0, 1], [1, 0]]), [path])
    [array([1, 1], dtype=object)]

    Floats are used where no sum can reach 2^53, numbers of any length otherwise. Raises SizeError where arrays are too
    large.
    """
    import numpy as np

    n, largest = len(matrix), int(abs(matrix).max(initial=0))
    # What is summed over and multiplied in a part bounds all that is computed on the way.
    bound = max(
        (max(n, 1) ** part.vertices * max(largest, 1) ** part.degree for p in patterns for _, part in p.components()),
        default=0,
    )
    widest = max((len(step.kept) for step in program.steps), default=0)
    afford(
        f"counting these patterns in a graph of {n:,} vertices, with an array of n^{widest} numbers,",
        "give a smaller graph or patterns with fewer edges, or count on sparse graphs, eq.nn.GraphPolynomials(..., "
        "patterns=..., densities=False).features((edge_index, edge_attr), batch)",
        size=8 * n**widest,
    )
    source = matrix.astype(np.float64 if bound < 1 << 53 else object)
    values = program.run([source], lambda text, *arrays: np.einsum(text, *arrays, optimize=True))
    results: list[Any] = []
    for pattern, parts in zip(patterns, program.patterns, strict=True):
        total = np.ones((n,) * len(pattern.labels), object)
        for part in parts:
            if part.step is None:
                factor = np.ones(n, object) if part.axes else np.array(n, object)
            else:
                value = np.asarray(values[part.step])
                factor = value.astype(np.int64).astype(object) if value.dtype != object else value
            total = total * _placed(factor, part, len(pattern.labels))
        results.append(total if pattern.labels else int(total[()] if isinstance(total, np.ndarray) else total))
    return results


def _placed(factor: NDArray[Any], part: Part, order: int) -> NDArray[Any]:
    """A part on the axes of the output: on the diagonal where two labels are at one vertex."""
    import numpy as np

    if len(part.order) == 2 and part.order[0] == part.order[1]:
        square = np.zeros((len(factor),) * 2, object)
        np.fill_diagonal(square, factor)
        return square
    return factor.transpose(part.order).reshape([len(factor) if axis in part.axes else 1 for axis in range(order)])
