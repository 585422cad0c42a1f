"""Polynomial maps of high degree: patterns up to isomorphism, in place of all diagrams of a product of equal factors.

A map of x (x) x (x) y sees only the mean of a diagram over exchanges of equal factors and of symmetric axes. Diagrams
up to these exchanges are patterns: multigraphs with the blocks as vertices, and the factors as edges and marks. They
grow factor by factor, each once up to isomorphism. How many maps are independent is known from characters; where there
are as many patterns, these are a basis, since they span all maps, else their values at random tensors say which are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import factorial, prod
from typing import TYPE_CHECKING

from eqsynth.bases.basis import Basis, Certificate, cost_key
from eqsynth.bases.dimension import power_dimension
from eqsynth.diagrams.diagram import Diagram
from eqsynth.diagrams.enumeration import count, misfit
from eqsynth.diagrams.functor import signs
from eqsynth.diagrams.gram import pivots_modulo
from eqsynth.diagrams.patterns import Channel, Factor, GraphPattern, canonical
from eqsynth.errors import GroupError, SizeError
from eqsynth.exact.partitions import set_partitions
from eqsynth.families.group import Group
from eqsynth.families.hom import ProductHom, maps_of
from eqsynth.plans.contraction import contraction
from eqsynth.spaces.exchanges import Turn
from eqsynth.spaces.space import Order, Symmetry, all_turns, axes_of, entries_of, order_text, stored_full

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: What certificates of maps of powers say.
ARGUMENTS = ("patterns", "tensors")
#: Up to so many diagrams of the product of all factors these are listed themselves, elsewhere.
FEW = 900
#: More maps than these make no layer.
MAX_MAPS = 4_000
#: Values are residues modulo this prime: sums of up to 2,048 products of two fit in 64 bits.
PRIME = (1 << 26) - 5
#: The largest size whose Levi-Civita tensor is made.
MAX_HEAD = 6
#: More random tensors than there are maps, at which values are taken.
SPARE = 8


def power_maps(problem: ProductHom, number: int, term_out: int) -> Basis | None:
    """The maps of a product of inputs, ``problem.terms[number]``, that are independent; None where others list them.

    >>> from eqsynth.families.hom import ProductHom
    >>> from eqsynth.plans.powers import power_maps
    >>> maps = power_maps(ProductHom.parse("O(3)", ["1xS2"], "1xS2", "paired", (4,)), 0, 0)
    >>> print(maps.certificate)  # doctest: +ELLIPSIS
    9 of 12 diagrams; independent: their values at random tensors have full rank modulo 67108859; complete: ... 9

    For products of high order, with equal or symmetric inputs of order 0, 1 and 2, of a group that is no product and
    has partitions or matchings. Raises SizeError for more than 4,000 maps.
    """
    inputs, outputs = problem.hom.space_in.orders[number], stored_full(problem.space_out.orders[term_out])
    powers = _powers(problem, number, outputs)
    if powers is None or powers.exchanges == 1 or powers.diagrams <= FEW:
        return None
    few = powers.diagrams // (powers.exchanges * len([*all_turns(outputs)]))
    dimension = few if few > MAX_MAPS else powers.dimension
    if dimension > MAX_MAPS:
        raise SizeError(
            f"there are {'at least ' * (few > MAX_MAPS)}{dimension:,} maps {order_text(inputs)} -> "
            f"{order_text(outputs)} of {problem}, and more than {MAX_MAPS:,} make no layer: ask for a lower degree, "
            "lower orders, or S2 where matrices are symmetric"
        )
    listed = sorted(powers.patterns(), key=lambda pattern: cost_key(powers.diagram(pattern)))
    spanning, prime = len(listed), 0
    if spanning != dimension:
        tests = powers.random(dimension + SPARE)
        listed, prime = [listed[pivot] for pivot in pivots_modulo(powers.values(listed, tests), PRIME)], PRIME
    if len(listed) != dimension:
        raise GroupError(
            f"{len(listed)} maps of {problem} are found, but the dimension is {dimension}: this contradicts the "
            "theory, please report it"
        )
    listed.sort(key=lambda pattern: powers.diagram(pattern).key)
    turns = tuple(map(powers.turns, listed))
    certificate = Certificate(dimension, spanning, "tensors" if prime else "patterns", prime)
    diagrams, single = tuple(map(powers.diagram, listed)), all(len(one) == 1 for one in turns)
    return Basis(problem.group, inputs, outputs, diagrams, certificate, () if single else turns)


def independent_values(maps: Basis, problem: ProductHom, number: int) -> tuple[int, ...] | None:
    """The places of maps of a product, all there are, that are independent, by their values; None where it is too much.

    >>> import eqsynth as eq
    >>> from eqsynth.families.hom import ProductHom
    >>> from eqsynth.plans.powers import independent_values
    >>> independent_values(eq.basis("O(2)", 6, 0), ProductHom.parse("O(2)", ["1xS2"], 0, "paired", (3,)), 0)
    (0, 1)
    """
    powers = _powers(problem, number, maps.outputs)
    if powers is None:
        return None
    dimension = powers.dimension
    patterns = [powers.pattern(maps.flat(place)) for place in range(len(maps))]
    pivots = tuple(pivots_modulo(powers.values(patterns, powers.random(dimension + SPARE)), PRIME))
    return pivots if len(pivots) == dimension else None


def check_powers(maps: Basis, problem: ProductHom, number: int) -> str:
    """What is wrong with maps of :func:`power_maps`, without listing patterns; empty where nothing is.

    >>> from dataclasses import replace
    >>> from eqsynth.families.hom import ProductHom
    >>> from eqsynth.plans.powers import check_powers, power_maps
    >>> problem = ProductHom.parse("O(3)", ["1xS2"], "1xS2", "paired", (4,))
    >>> maps = power_maps(problem, 0, 0)
    >>> check_powers(maps, problem, 0), check_powers(replace(maps, diagrams=maps.diagrams[:1] * 9), problem, 0)
    ('', 'their values at random tensors have rank 1')

    Each diagram is one of the group, there are as many as the dimension, and their values at other random tensors than
    those that chose them are independent.
    """
    powers = _powers(problem, number, maps.outputs)
    if powers is None:
        return f"{problem} is no product of powers with patterns"
    wrong = [why for place in range(len(maps)) if (why := misfit(powers.allowed, maps.flat(place)))]
    if wrong:
        return wrong[0]
    if len(maps) != powers.dimension:
        return f"there are {len(maps)}, but the dimension is {powers.dimension}"
    patterns = [powers.pattern(maps.flat(place)) for place in range(len(maps))]
    rank = len(pivots_modulo(powers.values(patterns, powers.random(len(maps) + SPARE, seed=1)), PRIME))
    if rank < len(maps):
        return f"their values at random tensors have rank {rank}"
    turned = [powers.turns(pattern) for pattern in patterns]
    fits = turned == [maps.turned(place) for place in range(len(maps))]
    return "" if fits else "a map is not added in all orders of the axes of its output"


def _powers(problem: ProductHom, number: int, outputs: Order) -> _Powers | None:
    """The product as factors with patterns; None where there are none."""
    group, orders = problem.group, [stored_full(problem.inputs[place][1]) for place in problem.terms[number]]
    if not group.diagrammatic or group.duals or len(group.factors) > 1 or max(map(axes_of, orders)) > 2:
        return None
    parts = [part for order in orders for part in entries_of(order) if isinstance(part, int | Symmetry)]
    allowed = maps_of(group, problem.hom.space_in.orders[number], outputs)
    powers = _Powers(allowed, tuple(zip(problem.terms[number], parts, strict=True)), outputs)
    return None if powers.tied > MAX_HEAD or allowed.grows((), powers.total) is None else powers


@dataclass(frozen=True, slots=True)
class _Powers:
    """A product of factors, each the number of an input and its space, and the space of the output."""

    #: What says which diagrams there are.
    allowed: Group
    factors: tuple[tuple[int, int | Symmetry], ...]
    outputs: Order

    @property
    def total(self) -> int:
        """The number of vertices of diagrams."""
        return axes_of(self.outputs) + sum(axes_of(part) for _, part in self.factors)

    @property
    def diagrams(self) -> int:
        """How many diagrams there are of the product of all factors."""
        return self.allowed.dimension(self.total) if self.allowed.rule == "blocks" else count(self.allowed, self.total)

    @property
    def exchanges(self) -> int:
        """The number of exchanges of equal factors, and of axes of symmetric ones."""
        equal = prod(map(factorial, Counter(number for number, _ in self.factors).values()))
        return equal * prod(part.size for _, part in self.factors if isinstance(part, Symmetry))

    @property
    def tied(self) -> int:
        """How many vertices hang on a head, where there may be one."""
        return self.allowed.n if self.allowed.heads and isinstance(self.allowed.n, int) else 0

    @property
    def dimension(self) -> int:
        """How many independent maps there are, from representation theory alone."""
        powers = Counter(self.factors)
        return power_dimension(self.allowed, [(part, times) for (_, part), times in powers.items()], *self._above)

    @property
    def _above(self) -> tuple[int | Symmetry, ...]:
        return tuple(part for part in entries_of(self.outputs) if isinstance(part, int | Symmetry))

    @property
    def channels(self) -> list[Channel]:
        """The inputs by number; those that are not there are numbers."""
        channels = [Channel(0)] * (max(number for number, _ in self.factors) + 1)
        for number, part in self.factors:
            channels[number] = Channel(axes_of(part), isinstance(part, Symmetry))
        return channels

    # --- which there are ----------------------------------------------------------------------------------

    def patterns(self) -> set[GraphPattern]:
        """All patterns, each once up to isomorphism and symmetries of the output."""
        above, channels = axes_of(self.outputs), self.channels
        more = self.total - above
        level = set()
        for blocks in set_partitions(above):
            labels = tuple(next(b for b, block in enumerate(blocks) if axis in block) for axis in range(above))
            level |= self._kept(GraphPattern(labels, (), len(blocks)), channels, more)
        for number, part in self.factors:
            more -= axes_of(part)
            level = {
                longer
                for pattern in level
                for ends in _ends(pattern.vertices, channels[number])
                for longer in self._kept(
                    GraphPattern(
                        pattern.labels,
                        (*pattern.factors, (number, ends)),
                        max([pattern.vertices, *(end + 1 for end in ends)]),
                    ),
                    channels,
                    more,
                )
            }
        return {pattern for pattern in level if not misfit(self.allowed, self.diagram(pattern))}

    def _kept(self, pattern: GraphPattern, channels: Sequence[Channel], more: int) -> set[GraphPattern]:
        """A pattern by the representative of its class, if it may grow into a diagram with so many vertices more."""
        if not self.allowed.grows(_sizes(pattern), more):
            return set()
        turned = (
            canonical(
                GraphPattern(tuple(pattern.labels[axis] for axis in axes), pattern.factors, pattern.vertices), channels
            )
            for axes, _ in all_turns(self.outputs)
        )
        return {min(turned, key=lambda one: one.key)}

    def diagram(self, pattern: GraphPattern) -> Diagram:
        """One of the diagrams of a pattern."""
        ends = [*pattern.labels, *(vertex for _, own in pattern.factors for vertex in own)]
        blocks: list[list[int]] = [[] for _ in range(pattern.vertices)]
        for place, vertex in enumerate(ends):
            blocks[vertex].append(place)
        listed = tuple(sorted(map(tuple, blocks)))
        single = tuple(number for number, block in enumerate(listed) if len(block) == 1)
        head = single if self.tied and len(single) == self.tied else ()
        return Diagram(len(pattern.labels), len(ends) - len(pattern.labels), listed, head=head)

    def pattern(self, diagram: Diagram) -> GraphPattern:
        """The pattern of a diagram, with the blocks as vertices."""
        labels, start, factors = diagram.labels, diagram.outputs, []
        for number, part in self.factors:
            factors.append((number, labels[start : start + axes_of(part)]))
            start += axes_of(part)
        return GraphPattern(labels[: diagram.outputs], tuple(factors), len(diagram.blocks))

    # --- their values ---------------------------------------------------------------------------------------

    def random(self, points: int, symmetric: bool = True, seed: int = 0) -> list[NDArray[np.int64]]:
        """Residues for each input at so many points, and for the output: those that values are summed with."""
        import numpy as np

        rng, n = np.random.default_rng(seed), self._size()
        spaces: dict[int, int | Symmetry] = dict(self.factors)
        (above,) = self._above
        listed = []
        parts = [*(spaces.get(number, 0) for number in range(len(self.channels))), above]
        for place, part in enumerate(parts):
            axes = axes_of(part)
            tensor = rng.integers(0, PRIME, (points, *[n] * axes))
            turns = [*all_turns(part)] if symmetric or place < len(parts) - 1 else []
            # A sum over all exchanges has the symmetry.
            total = [sign * tensor.transpose(0, *(1 + axis for axis in axes)) for axes, sign in turns] or [tensor]
            listed.append(sum(total[1:], total[0]) % PRIME)
        return listed

    def values(self, patterns: Sequence[GraphPattern], tests: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
        """For each point the sums of entries of the output times residues, for each pattern, modulo the prime."""
        import numpy as np

        def einsum(text: str, *arrays: NDArray[np.int64]) -> NDArray[np.int64]:
            return np.asarray(np.einsum(text, *arrays) % PRIME)

        n, spaces = self._size(), dict[int, int | Symmetry](self.factors)
        marks = max(spaces) + 1
        # An exchange of alternating axes changes a sign, which contractions know nothing of.
        channels = [
            Channel(axes_of(part), isinstance(part, Symmetry) and part.kind == "S")
            for part in (spaces.get(number, 0) for number in range(marks))
        ]
        head = signs(np.indices((n,) * self.tied).reshape(n, -1), n) if self.tied else np.ones(1, np.int64)
        pairs = self.allowed.pair_form(n)
        closed = [self._closed(pattern, marks) for pattern in patterns]
        every = [*channels, Channel(axes_of(self.outputs)), Channel(2), Channel(self.tied)]
        program = contraction(closed, every)
        steps = program.run([*tests, pairs % PRIME, head.reshape((n,) * self.tied) % PRIME], einsum)
        columns = np.ones((len(tests[0]), len(patterns)), np.int64)
        for column, connected in enumerate(program.patterns):
            for one in connected:
                columns[:, column] = columns[:, column] * (n if one.step is None else steps[one.step]) % PRIME
        return columns

    def _closed(self, pattern: GraphPattern, marks: int) -> GraphPattern:
        """The pattern with the axes of the output at one more factor, and forms of pairs and heads at others."""
        above = len(pattern.labels)
        ends = [*pattern.labels, *(vertex for _, own in pattern.factors for vertex in own)]
        vertices, extra = pattern.vertices, list[Factor]()
        diagram = self.diagram(pattern)
        for block in diagram.blocks if self.allowed.symplectic else ():
            if len(block) == 2 and (block[0] < above) == (block[1] < above):
                extra.append((marks + 1, (ends[block[0]], vertices)))
                ends[block[1]] = vertices
                vertices += 1
        if diagram.head:
            extra.append((marks + 2, tuple(ends[diagram.blocks[number][0]] for number in diagram.head)))
        left = iter(ends[above:])
        factors = [(number, tuple(next(left) for _ in own)) for number, own in pattern.factors]
        if above:
            extra.append((marks, tuple(ends[:above])))
        return GraphPattern((), (*factors, *extra), vertices)

    def turns(self, pattern: GraphPattern) -> tuple[Turn, ...]:
        """The orders of the axes of the output, with signs, in which a map is another one."""
        turns = [*all_turns(self.outputs)]
        if len(turns) == 1:
            return tuple(turns)
        turned = [
            GraphPattern(tuple(pattern.labels[axis] for axis in axes), pattern.factors, pattern.vertices)
            for axes, _ in turns
        ]
        values = self.values(turned, self.random(SPARE, symmetric=False))
        images: dict[bytes, Turn] = {}
        for (axes, sign), column in zip(turns, values.T, strict=True):
            images.setdefault((sign * column % PRIME).tobytes(), (axes, sign))
        return tuple(images.values())

    def _size(self) -> int:
        """The size at which values are taken: where n is a letter, one at which all diagrams are independent."""
        if isinstance(self.allowed.n, int):
            return self.allowed.n
        stable = self.allowed.stable_from(self.total)
        return stable + -stable % self.allowed.multiple


def _sizes(pattern: GraphPattern) -> list[int]:
    """How many axes meet at each vertex."""
    met = Counter([*pattern.labels, *(vertex for _, ends in pattern.factors for vertex in ends)])
    return [met[vertex] for vertex in range(pattern.vertices)]


def _ends(vertices: int, channel: Channel) -> Iterator[tuple[int, ...]]:
    """The ways to put one more factor at vertices that are there, and at new ones."""
    for ends in product(range(vertices + channel.order), repeat=channel.order):
        new = [vertex for vertex in ends if vertex >= vertices]
        if (
            (new == [] or new[0] == vertices)
            and new != [vertices + 1]
            and not (channel.symmetric and ends != tuple(sorted(ends)))
        ):
            yield ends
