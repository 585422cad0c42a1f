"""Products of inputs: all multilinear equivariant maps, and polynomials of one input, as plans.

A product of tensors u and v is one tensor x = u (x) v, and an equivariant map of u and v is a linear map of x.
So the maps are the diagrams of order k + l, and what follows the product is the plan of a linear layer. The
reductions of x that it starts from are made from reductions of u and of v, by one contraction each: x is never formed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, reduce
from itertools import combinations_with_replacement, product
from math import perm, prod
from operator import mul
from pathlib import Path
from typing import Any

from eqsynth.bases.basis import Basis, basis
from eqsynth.diagrams.diagram import LETTERS, Half, MatrixMap, Orbit
from eqsynth.errors import EqsynthError, SizeError, SpaceError, abridged, shown
from eqsynth.exact.numbers import whole as whole_number
from eqsynth.exact.polynomial import Polynomial, channel_symbol
from eqsynth.families.group import Group
from eqsynth.families.hom import Hom
from eqsynth.plans.equal_operands import independent, moments
from eqsynth.plans.lowering import (
    BIAS,
    Profile,
    _largest,
    _Lowering,
    _name,
    _pair,
    _reductions,
    _squares,
    _tree,
    _Use,
    _uses,
    whole,
)
from eqsynth.plans.plan import (
    NOMINAL_N,
    NORMALIZATIONS,
    Contract,
    Cost,
    Hodge,
    Input,
    Mix,
    Part,
    Plan,
    Reduce,
    Schur,
    Step,
    Tied,
    describe,
)
from eqsynth.spaces.space import Order, Space, axes_of, axis_counts, is_packed, is_plain, order_text, plain

#: How channels meet: each with each, or each with its own.
MODES = ("full", "paired")
#: The highest degree of a power.
MAX_DEGREE = 6
#: How layers print the powers that they make.
POWERS_OF = re.compile(r"\s*powers?\s([0-9,\s]*)\sof\s(.*)", re.DOTALL)
#: The names of the operands in formulas and code; their product is x.
NAMES = "uv"
#: Letters for the axes of a contraction; those behind stand for channels and the batch.
AXES = LETTERS[:20]
#: Up to this many entries a product of each channel with its own is made entry by entry.
TINY = 128


@dataclass(frozen=True, slots=True)
class Twist:
    """``target`` is ``source`` with an axis taken through the symplectic form: sum over b of omega(a, b) source[b]."""

    target: str
    source: str
    axis: int


@dataclass(frozen=True, slots=True)
class Join:
    """``target`` is the product of two values, summed over the labels that the target lacks.

    ``left`` and ``right`` give the label of each axis of the sources; the axes of the target are the labels
    0, ..., ``axes`` - 1. A label of both sources that the target keeps is multiplied entry by entry; one that it lacks
    is contracted, and scaled as a sum is. ``sizes``: the factor of the group of each label. Channels meet each with
    each (``full``: the target's channels are pairs, the left one most significant), or each with its own. Labels of a
    Levi-Civita tensor (``heads``) are not scaled each; their sums have ``terms`` terms that are not zero.
    ``entrywise``: all products are made, then summed; otherwise the sums are products of matrices.
    """

    target: str
    sources: tuple[str, str]
    left: tuple[int, ...]
    right: tuple[int, ...]
    axes: int
    sizes: tuple[int, ...]
    full: bool
    heads: tuple[int, ...] = ()
    terms: int = 1
    entrywise: bool = False

    @property
    def summed(self) -> tuple[int, ...]:
        """The labels that are contracted."""
        return tuple(range(self.axes, len(self.sizes)))

    @property
    def scaled(self) -> tuple[int, ...]:
        """The labels whose sums are scaled by their length."""
        return tuple(label for label in self.summed if label not in self.heads)

    def equation(self) -> str:
        """The product for einsum: z is the batch, u and v are channels."""
        left, right, made = ("".join(AXES[a] for a in axes) for axes in (self.left, self.right, range(self.axes)))
        return f"z{left}u,z{right}v->z{made}uv" if self.full else f"z{left}u,z{right}u->z{made}u"


@dataclass(frozen=True, slots=True)
class Weigh:
    """Products of two values with their channels mixed on the way, for maps that contract nothing.

    targets[t][..., o] = sum over channels u, v of weight[element t, o, u, v] left[..., u] right[..., v], with labels as
    in :class:`Join`. The ``first`` value (0 or 1) meets the weights before it meets the other one, so that no tensor
    has a channel for each pair of channels. The product is number ``term_in``, the output term ``term_out``.
    """

    targets: tuple[str, ...]
    sources: tuple[str, str]
    left: tuple[int, ...]
    right: tuple[int, ...]
    sizes: tuple[int, ...]
    term_in: int
    term_out: int
    elements: tuple[int, ...]
    first: int

    @property
    def labels(self) -> str:
        """The axes for einsum: z is the batch, w the mixed channels, v those of the value that comes second."""
        left, right = ("".join(AXES[a] for a in axes) for axes in (self.left, self.right))
        made = "".join(AXES[a] for a in range(len(self.sizes)))
        channels = ("wv", "v") if self.first == 0 else ("v", "wv")
        return f"z{left}{channels[0]},z{right}{channels[1]}->z{made}w"


@dataclass(frozen=True, slots=True)
class Problem:
    """A group, the spaces that are multiplied, the space of the result, and how channels meet.

    >>> from eqsynth.plans.products import Problem
    >>> print(Problem.parse("S(n)", ["4x2", "8x1"], "16x1"))
    S(n): 4x2 (x) 8x1 -> 16x1
    >>> print(Problem.parse("O(3)", ["4x1"], "16x0", "paired", (1, 2)))
    O(3): powers 1, 2 of 4x1 -> 16x0

    With ``degrees`` the products are those of one input with itself.
    """

    group: Group
    operands: tuple[Space, ...]
    space_out: Space
    mode: str = "full"
    degrees: tuple[int, ...] = ()

    @classmethod
    def parse(
        cls,
        group: str | Group,
        operands: Sequence[str | int | Space],
        space_out: str | int | Space,
        mode: str = "full",
        degrees: tuple[int, ...] = (),
        files: bool | Path = True,
    ) -> Problem:
        """Read group and spaces as strings, or take them as they are; ``files`` as in ``Group.parse``."""
        spaces = tuple(map(Space.parse, operands))
        return cls(Group.parse(group, files), spaces, Space.parse(space_out), mode, degrees)

    @classmethod
    def read(
        cls, group: str | Group, operands: str, space_out: str | int | Space, mode: str = "full"
    ) -> Problem | None:
        """Read products as layers print them, "4x2 (x) 8x1" or "powers 1, 2 of 4x1"; None for a space alone."""
        powers = POWERS_OF.fullmatch(operands)
        if powers:
            words = [word.strip() for word in powers[1].split(",")]
            if not all(re.fullmatch("[1-9]", word) for word in words):
                raise EqsynthError(f"powers go from 1 to {MAX_DEGREE}, not {powers[1].strip()[:40]}")
            degrees = tuple(sorted(set(map(int, words))))
            return cls.parse(group, (powers[2],), space_out, "paired", degrees)
        factors = operands.split("(x)")
        if len(factors) == 1:
            return None
        if len(factors) > 2:
            raise EqsynthError(
                f"a product of {len(factors)} spaces is more than one layer: multiply two, and the result with the next"
            )
        return cls.parse(group, factors, space_out, mode)

    def __post_init__(self) -> None:
        for space in self.operands:
            Hom(self.group, space, self.space_out)
        degrees = tuple(number for number in map(whole_number, self.degrees) if number is not None)
        if len(degrees) < len(self.degrees) or not all(1 <= degree <= MAX_DEGREE for degree in degrees):
            listed = ", ".join(map(shown, self.degrees))[:40]
            raise EqsynthError(f"powers go from 1 to {MAX_DEGREE}, not {listed}")
        object.__setattr__(self, "degrees", degrees)
        for order in (order for space in (*self.operands, self.space_out) for order in space.orders):
            if not is_plain(order):
                raise SpaceError(
                    f"products of {order_text(order)} are not made: ask for order {order_text(plain(order))}, of which "
                    f"symmetric and alternating tensors are{' (after eq.unpack)' * is_packed(order)}"
                )
        if self.mode not in MODES:
            raise EqsynthError(f"there is no mode {shown(self.mode)}: ask for one of {', '.join(map(repr, MODES))}")
        if self.mode == "paired":
            wide = sorted({channels for space in self.operands for channels in space.channels})
            if len(wide) > 1:
                what = "the powers of an input" if self.degrees else 'mode="paired"'
                cure = "" if self.degrees else ', or for mode="full"'
                raise SpaceError(
                    f"{what} multiply each channel by its own, but there are terms of {wide[0]} and of {wide[-1]} "
                    f"channels: ask for equal numbers of channels{cure}"
                )

    def __str__(self) -> str:
        if self.degrees:
            return f"{self.group}: powers {', '.join(map(str, self.degrees))} of {self.operands[0]} -> {self.space_out}"
        return f"{self.group}: {' (x) '.join(map(str, self.operands))} -> {self.space_out}"

    @property
    def inputs(self) -> tuple[tuple[int, Order], ...]:
        """The terms of all operands: channels and order."""
        return tuple(term for space in self.operands for term in space)

    @property
    def terms(self) -> tuple[tuple[int, ...], ...]:
        """The products that are made, each as the numbers of the inputs that are multiplied."""
        if self.degrees:
            several = range(len(self.inputs))
            return tuple(term for d in self.degrees for term in combinations_with_replacement(several, d))
        starts = [sum(map(len, self.operands[:place])) for place in range(len(self.operands))]
        ranges = [range(start, start + len(space)) for start, space in zip(starts, self.operands, strict=True)]
        return tuple(product(*ranges))

    @property
    def hom(self) -> Hom:
        """The same as a problem of linear maps of the products."""
        made = []
        for term in self.terms:
            channels = [self.inputs[number][0] for number in term]
            wide = prod(channels) if self.mode == "full" else channels[0]
            made.append((wide, _total([self.inputs[number][1] for number in term])))
        return Hom(self.group, Space(tuple(made)), self.space_out)

    def owners(self, term: tuple[int, ...]) -> list[tuple[int, int]]:
        """For each axis of a product, the place of its operand in ``term`` and its axis there.

        Axes of the group's first factor come first, and among those the axes of the first operand.
        """
        counts = [axis_counts(self.inputs[number][1]) for number in term]
        starts = [[sum(own[:factor]) for factor in range(len(own))] for own in counts]
        return [
            (place, starts[place][factor] + axis)
            for factor in range(len(self.group.factors))
            for place, own in enumerate(counts)
            for axis in range(own[factor])
        ]


def _total(orders: Sequence[Order]) -> Order:
    if isinstance(orders[0], tuple):
        return tuple(sum(parts) for parts in zip(*map(axis_counts, orders), strict=True))
    return sum(order for order in orders if isinstance(order, int))


@dataclass(frozen=True, slots=True)
class ProductPlan(Plan):
    """A layer of products as a program. ``print(plan)`` shows its steps and their cost.

    ``before`` reduces the inputs, ``joins`` multiplies what is left of them, and ``steps`` is the plan of a linear
    layer whose inputs are these products. Where it pays, ``weighed`` multiplies and mixes at once.
    """

    problem: Problem = None  # type: ignore[assignment]  # every plan has one; the fields before have defaults
    before: tuple[Input | Reduce | Twist | Hodge, ...] = ()
    joins: tuple[Join, ...] = ()
    weighed: tuple[Weigh, ...] = ()

    def weight_name(self, term_in: int, term_out: int) -> str:
        """The parameter's name: ``weight``, or ``weight_0_1_0`` where a space has several terms."""
        if len(self.problem.terms) == len(self.hom.space_out) == 1:
            return "weight"
        return "weight_" + "_".join(map(str, (*self._places(term_in), term_out)))

    def _places(self, term_in: int) -> list[int]:
        """The inputs of a product by their numbers in their own operand."""
        problem, term = self.problem, self.problem.terms[term_in]
        if problem.degrees:
            return list(term)
        return [number - sum(map(len, problem.operands[:place])) for place, number in enumerate(term)]

    def basis(self, term_in: int, term_out: int) -> Basis:
        """The maps behind the weights of a product and an output term."""
        return maps(self.problem, term_in, term_out)

    def zero_outputs(self) -> list[str]:
        """A sentence for each output term that no map reaches."""
        return [
            f"output term {term} of {abridged(self.problem)} is always zero: no map into it has this symmetry"
            for term in range(len(self.hom.space_out))
            if not any(pair.term_out == term for pair in self.pairs) and not self.bias_dims[term]
        ]

    def _unread(self) -> list[str]:
        read = {number for pair in self.pairs for number in self.problem.terms[pair.term_in]}
        places = [(place, term) for place, space in enumerate(self.problem.operands) for term in range(len(space))]
        several = len(self.problem.operands) > 1
        return [
            f"term {term} of {NAMES[place]} of {self.problem}" if several else f"input term {term} of {self.problem}"
            for number, (place, term) in enumerate(places)
            if number not in read
        ]

    def sizes(self, n: int | None = None) -> dict[str, int]:
        """The value of every symbol in the costs; ``n`` where the group leaves a size open."""
        values = {name: size for name, size in Plan.sizes(self, n).items() if not name.startswith("c_in")}
        return values | {
            symbol: channels for symbol, (channels, _) in zip(self._channel_names(), self.problem.inputs, strict=True)
        }

    def _channel_names(self) -> list[str]:
        """The symbol of the channels of each input."""
        if self.problem.mode == "paired":
            return ["c_in"] * len(self.problem.inputs)
        return [
            f"c_{NAMES[place]}{term if len(space) > 1 else ''}"
            for place, space in enumerate(self.problem.operands)
            for term in range(len(space))
        ]

    def costs(self) -> Iterator[Cost]:
        """What each step costs, as polynomials in the sizes n and the channels.

        >>> import eqsynth as eq
        >>> layer = eq.TensorProduct("O(n)", "4x1", "8x1", "8x0", bias=False)
        >>> for cost in layer.plan.costs():
        ...     print(type(cost.step).__name__, cost.work, cost.moved)
        Input 0 0
        Input 0 0
        Join n c_u c_v n c_u + n c_v + c_u c_v
        Mix c_out c_u c_v c_u c_v + c_out
        Output 0 0
        """
        none = Polynomial()
        symbols = [Polynomial.of(symbol) for symbol in self._symbols()]
        shape: dict[str, tuple[tuple[int, ...], Polynomial]] = {}
        wide = [Polynomial.of(symbol) for symbol in self._channel_names()]

        def places(sizes: Sequence[int]) -> Polynomial:
            return reduce(mul, (symbols[factor] for factor in sizes), Polynomial.of(1))

        def elements(name: str) -> Polynomial:
            return places(shape[name][0]) * shape[name][1]

        for step in (*self.before, *self.joins, *self.weighed):
            work, moved, kept, passing = none, none, none, none
            match step:
                case Input(target, term, sizes):
                    shape[target] = sizes, wide[term]
                case Reduce(target, source, pattern, forms):
                    sizes, channels = shape[source]
                    left = {axis: sizes[place] for place, axis in enumerate(pattern) if axis is not None}
                    shape[target] = tuple(left[axis] for axis in sorted(left)), channels
                    if step.summed:
                        second = [right for _, right in forms]
                        summed = [z for place, z in enumerate(sizes) if pattern[place] is None and place not in second]
                        kept = elements(target)
                        work = kept * places(summed)
                        moved = work + kept
                case Twist(target, source):
                    shape[target] = shape[source]
                    kept = elements(target)
                    moved = kept * 2
                case Hodge(target, source, order, factor):
                    sizes, channels = shape[source]
                    shape[target] = (*(sizes[axis] for axis in order[: step.carried]), *[factor] * step.given), channels
                    kept = elements(target)
                    work = kept * perm(step.n - step.given, step.taken)
                    moved = work + kept
                case Join(target, (left_source, right_source)):
                    channels = shape[left_source][1] * (shape[right_source][1] if step.full else Polynomial.of(1))
                    shape[target] = step.sizes[: step.axes], channels
                    kept = elements(target)
                    work = places(step.sizes) * channels
                    moved = elements(left_source) + elements(right_source) + kept
                    if step.entrywise and step.summed:
                        passing = work
                        moved += work * 2
                case Weigh(targets, sources, left_axes, right_axes):
                    own, other = (shape[sources[side]][1] for side in (step.first, 1 - step.first))
                    out = len(self.hom.space_out)
                    made = Polynomial.of(channel_symbol("out", step.term_out, out)) * len(targets)
                    alone = places([step.sizes[label] for label in (left_axes, right_axes)[step.first]])
                    everywhere = places(step.sizes)
                    work = alone * own * other * made + everywhere * other * made
                    kept = alone * other * made + everywhere * made
                    moved = elements(sources[0]) + elements(sources[1]) + kept + alone * other * made
                    weights = own * other * made
                    yield Cost(step, work, moved, kept, passing, none, weights * 2, weights, 6)  # type: ignore[arg-type]
                    continue
            calls = 0 if isinstance(step, Input) else 2
            yield Cost(step, work, moved, kept, passing, calls=calls)  # type: ignore[arg-type]  # steps of their own
        for cost in Plan.costs(self):
            if not isinstance(cost.step, Input):
                yield self._named(cost)

    def _named(self, cost: Cost) -> Cost:
        """A cost with the channels of a product as those of its inputs."""
        terms, known = self.problem.terms, self._channel_names()
        if self.problem.mode == "paired":
            several = len(terms) > 1
            names = {f"c_in{number}" if several else "c_in": ["c_in"] for number in range(len(terms))}
        else:
            single = len(terms) == 1
            names = {
                "c_in" if single else f"c_in{number}": [known[each] for each in term]
                for number, term in enumerate(terms)
            }
        fields = ("work", "moved", "kept", "passing", "once_work", "once_moved", "once_kept")
        changed: dict[str, Any] = {name: _renamed(getattr(cost, name), names) for name in fields}
        return replace(cost, **changed)

    @property
    def mixing(self) -> Polynomial:
        """Multiply-adds per sample that mix channels of products."""
        work = self.total().work
        return Polynomial({m: v for m, v in work.terms.items() if any(name.startswith("c_o") for name, _ in m)})

    @property
    def floor(self) -> Polynomial | None:
        """None: Schur's lemma says nothing about products."""
        return None

    @property
    def largest(self) -> Polynomial:
        """Places of the largest value that products make, each with its channels.

        >>> import eqsynth as eq
        >>> print(eq.TensorProduct("O(3)", "4x2", "4x2", "4x2").plan.largest)
        n²
        """
        symbols = [Polynomial.of(symbol) for symbol in self._symbols()]
        axes = [*(join.sizes[: join.axes] for join in self.joins), *(step.sizes for step in self.weighed)]
        made = [reduce(mul, (symbols[factor] for factor in sizes), Polynomial.of(1)) for sizes in axes]
        return max(made, key=lambda found: found(dict.fromkeys(self._symbols(), NOMINAL_N)), default=Polynomial.of(0))

    def __str__(self) -> str:
        return Plan.__str__(self).replace(f"plan of {abridged(self.hom)}:", f"plan of {abridged(self.problem)}:", 1)

    def describe(self, step: Step | Twist | Join | Weigh | None) -> str:
        """A step in one line."""
        match step:
            case Weigh():
                left, right = (",".join(AXES[a] for a in axes) for axes in (step.left, step.right))
                maps = f"{len(step.elements)} map{'s' * (len(step.elements) != 1)}"
                factors = f"{step.sources[0]}[{left}] {step.sources[1]}[{right}]"
                return f"{', '.join(step.targets)} = {maps} of {factors}, {step.sources[step.first]} mixed first"
            case Join():
                left, right, made = (
                    ",".join(AXES[a] for a in axes) for axes in (step.left, step.right, range(step.axes))
                )
                over = f" summed over {','.join(AXES[a] for a in step.summed)}" if step.summed else ""
                return f"{step.target}[{made}] = {step.sources[0]}[{left}] {step.sources[1]}[{right}]{over}"
            case Twist(target, source, axis):
                return f"{target} = omega along axis {axis} of {source}"
            case Input(target, term):
                return f"{target} = input {self.input_name(term)}"
        return describe(step)

    def input_name(self, number: int) -> str:
        """The name of an input: its operand, and its term where there are several."""
        for place, space in enumerate(self.problem.operands):
            if number < len(space):
                return NAMES[place] + (str(number) if len(space) > 1 else "")
            number -= len(space)
        raise EqsynthError(f"there is no input {number}")


def _renamed(polynomial: Polynomial, names: Mapping[str, Sequence[str]]) -> Polynomial:
    if not set(polynomial.letters) & names.keys():
        return polynomial
    total = Polynomial()
    for monomial, value in polynomial.terms.items():
        made = Polynomial.of(value)
        for symbol, exponent in monomial:
            for name in names.get(symbol, [symbol]):
                made = made * Polynomial.of(name) ** exponent
        total = total + made
    return total


@lru_cache(maxsize=256)
def plan_products(problem: Problem, bias: bool = True, normalization: str = "variance") -> ProductPlan:
    """The plan of a layer of products.

    >>> from eqsynth.plans.products import Problem, plan_products
    >>> plan = plan_products(Problem.parse("S(n)", ["4x2", "4x2"], "4x2"))
    >>> plan.dims, str(plan.largest)
    ({(0, 0): 203}, 'n²')

    Raises EqsynthError for a normalization that does not exist, SizeError for orders that are too high.
    """
    if normalization not in NORMALIZATIONS:
        known = ", ".join(map(repr, NORMALIZATIONS))
        raise EqsynthError(f"there is no normalization {normalization!r}: ask for one of {known}")
    hom, group = problem.hom, problem.group
    for order in (*hom.space_in.orders, *hom.space_out.orders):
        if axes_of(order) > len(AXES):
            raise SizeError(f"a product of order {order} has more than {len(AXES)} axes: ask for lower orders")
    ins, outs = hom.space_in.orders, hom.space_out.orders
    zero = (0,) * len(group.factors) if isinstance(outs[0], tuple) else 0
    biases = {o: basis(group, zero, lo) for o, lo in enumerate(outs)} if bias else {}
    bases: dict[tuple[int, int], Basis] = {}
    pairs = []
    for i, o in product(range(len(ins)), range(len(outs))):
        own = bases[i, o] = maps(problem, i, o)
        if len(own):
            pair = _pair(i, o, own, normalization)
            if problem.degrees and len(problem.terms[i]) > 1:
                term = problem.terms[i]
                pair = replace(pair, variances=moments(own, problem.owners(term), term, pair))
            pairs.append(pair)
    lowering = _Products(problem)
    steps = lowering.steps(bases, biases, "diagrams" if _has_diagrams(group) else "matrix")
    return ProductPlan(
        hom,
        bias,
        normalization,
        lowering.after(steps),
        tuple(pairs),
        tuple(len(biases[o]) if bias else 0 for o in range(len(outs))),
        tuple(_largest(_squares(biases[o])) if bias else () for o in range(len(outs))),
        problem=problem,
        before=tuple(lowering.before()),
        joins=tuple(lowering.joins),
        weighed=tuple(lowering.weighed),
    )


#: The largest matrix, in entries per pair of channels, for maps of products that are no diagrams.
MAX_TIED = 1 << 22


def _check_tied(problem: Problem, term_in: int, term_out: int) -> None:
    """Raise SizeError where maps that are no diagrams would be too large a matrix."""
    axes = axes_of(problem.hom.space_in.orders[term_in]) + axes_of(problem.space_out.orders[term_out])
    n = int(problem.group.n)
    if n**axes > MAX_TIED:
        raise SizeError(
            f"the maps of {problem} are no diagrams but one matrix of {n}^{axes} entries per pair of channels, more "
            f"than {MAX_TIED:,}: ask for lower orders, or for a larger group, which has diagrams, such as S({n})"
        )


def _has_diagrams(group: Group) -> bool:
    """Whether some maps of the group are diagrams: for Aut(G) perhaps not all are."""
    return group.diagrammatic or group.kept_graph is not None


@lru_cache(maxsize=256)
def maps(problem: Problem, term_in: int, term_out: int) -> Basis:
    """The maps from a product to an output term; where equal inputs are multiplied, those that stay independent."""
    term, group = problem.terms[term_in], problem.group
    if not _has_diagrams(group):
        _check_tied(problem, term_in, term_out)
    found = basis(group, problem.hom.space_in.orders[term_in], problem.space_out.orders[term_out])
    if any(isinstance(element, Orbit | MatrixMap) for element in found.diagrams):
        _check_tied(problem, term_in, term_out)
    if len(set(term)) == len(term) or not len(found):
        return found
    kept = independent(found, problem.owners(term), term)
    return replace(found, diagrams=tuple(found.diagrams[position] for position in kept))


#: The name of a value, and the label of each of its axes.
Value = tuple[str, tuple[int, ...]]


class _Products(_Lowering):
    """The lowering of a linear layer whose inputs are products: their reductions are made by joins."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.hom)
        self.problem = problem
        self.real: list[dict[Half, str]] = [{} for _ in problem.inputs]
        self.twists: list[Twist] = []
        self.stars: list[Hodge] = []
        self.joins: list[Join] = []
        self.weighed: list[Weigh] = []
        self.biases: dict[int, Basis] = {}
        self.joined: dict[tuple[object, ...], str] = {}
        #: For each operand in turn the mark of each input.
        self.marks = [
            (NAMES[place], term, len(space) > 1)
            for place, space in enumerate(problem.operands)
            for term in range(len(space))
        ]

    def steps(
        self,
        bases: dict[tuple[int, int], Basis],
        biases: dict[int, Basis],
        method: str = "diagrams",
        schur: Schur | None = None,
    ) -> tuple[Step, ...]:
        """The steps of the linear layer, with its reductions."""
        self.biases = biases
        return super().steps(bases, biases, method, schur)

    def _mix(self, profile: Profile, uses: Sequence[_Use]) -> None:
        """One mixing, without the maps that are mixed as they are multiplied."""
        loose = not any(taken or given or tied for _, taken, given, tied in profile)
        if self.problem.mode == "full" and loose and self.hom.group.kept_graph is None:
            same: dict[tuple[int, int, Half], list[_Use]] = {}
            for use in uses:
                if use.term_in != BIAS:
                    same.setdefault((use.term_in, use.term_out, use.bottom), []).append(use)
            weighed = [use for each in same.values() if self._mix_first(each, profile) for use in each]
            uses = [use for use in uses if use not in weighed]
            if weighed and uses and all(use.term_in == BIAS for use in uses):
                # Constants were to be added where the output is mixed whole, and here nothing is any more.
                for use in uses:
                    constants = _uses(self.hom.group, BIAS, use.term_out, self.biases[use.term_out])
                    own = next(constant for constant in constants if constant.element == use.element)
                    super()._mix(own.profile, [own])
                return
        if uses:
            super()._mix(profile, uses)

    def _mix_first(self, uses: Sequence[_Use], profile: Profile) -> bool:
        """Whether maps of one product are cheaper mixed on the way; if so the step, and its places in the output."""
        first_use = uses[0]
        number, o = first_use.term_in, first_use.term_out
        values, label_sizes = self._factored(number, first_use.bottom.headless)
        (left, left_axes), (right, right_axes) = values
        if len(label_sizes) > len(first_use.bottom.kept) or not (
            set(left_axes) - set(right_axes) and set(right_axes) - set(left_axes)
        ):
            return False
        wide = [self.problem.inputs[each][0] for each in self.problem.terms[number]]
        made = len(uses) * self.problem.space_out.channels[o]
        factors = self.hom.group.factors
        lengths = [n if isinstance(n := factors[factor].n, int) else NOMINAL_N for factor in label_sizes]
        places = prod(lengths)
        work = [
            prod(lengths[label] for label in axes) * wide[0] * wide[1] * made + places * wide[1 - side] * made
            for side, axes in enumerate((left_axes, right_axes))
        ]
        first = work.index(min(work))
        if work[first] >= places * wide[0] * wide[1] * (1 + made):
            return False
        names = []
        for use in uses:
            names.append(self._fresh(_name("z", o, use.top.headless, self.several_out)))
            row = self._row(use.top, profile, "given", self._sizes(self.hom.space_out.orders[o]))
            pattern = tuple(use.middle[int(label[1])] for label in row)
            self.tops[o].setdefault(use.top.headless, []).append(Part(names[-1], pattern))
        elements = tuple(use.element for use in uses)
        axes = (left_axes, right_axes)
        self.weighed.append(Weigh(tuple(names), (left, right), *axes, tuple(label_sizes), number, o, elements, first))
        return True

    def after(self, steps: Sequence[Step]) -> tuple[Step, ...]:
        """The steps with the reductions of products replaced by joins; fills ``joins``."""
        made: dict[str, Step] = {}
        names: dict[str, str] = {}
        halves = {name: (number, half) for number, wanted in enumerate(self.bottoms) for half, name in wanted.items()}
        middle = set(self.middle_steps)
        rest = [step for step in steps if step in middle or not isinstance(step, Input | Reduce)]
        for star in [step for step in rest if isinstance(step, Hodge) and step.source in halves]:
            number, half = halves[star.source]
            if starred := self._starred(number, half, star):
                names[star.target], sizes = starred
                made.setdefault(starred[0], Input(starred[0], number, sizes))
                rest.remove(star)
        read = {name for step in rest for name in _read(step)}
        for name, (number, half) in sorted(
            halves.items(), key=lambda item: (item[1][0], len(item[1][1].kept), item[1][1].key)
        ):
            if name in read:
                values, label_sizes = self._factored(number, half)
                names[name] = self._multiply(values, len(half.kept), label_sizes, name)
                kept = tuple(label_sizes[: len(half.kept)])
                made.setdefault(names[name], Input(names[name], number, kept))
        return (*made.values(), *(_reading(step, names) for step in rest))

    def before(self) -> list[Input | Reduce | Twist | Hodge]:
        """The reductions of the inputs that the joins need."""
        made: list[Input | Reduce | Twist | Hodge] = []
        for number, wanted in enumerate(self.real):
            mark, term, several = self.marks[number]
            order = self.problem.inputs[number][1]
            # Every input is there, whether a map needs it or not.
            whole_input = whole(axes_of(order))
            for half in (whole_input, *(half for half, _ in _tree(axes_of(order), wanted, self._forms(order)))):
                wanted.setdefault(half, _name(mark, term, half, several))
            for step in _reductions(number, self._sizes(order), wanted, self._forms(order), several):
                made.append(step)  # type: ignore[arg-type]  # noqa: PERF402 - Inputs and Reduces alone
        return [*made, *self.twists, *self.stars]

    def _factored(self, number: int, half: Half) -> tuple[list[Value], list[int]]:
        """The reduced inputs that make a reduced product, with the labels of their axes, and the factor of each label.

        The first labels are the axes of the product, those behind are summed over when inputs are multiplied.
        """
        term = self.problem.terms[number]
        owners = self.problem.owners(term)
        sizes = self._sizes(self.hom.space_in.orders[number])
        forms = self._forms(self.hom.space_in.orders[number])
        #: For each operand its blocks with their labels; None is a block that is summed there.
        rows: list[list[tuple[tuple[int, ...], int | None]]] = [[] for _ in term]
        label_sizes = [sizes[half.blocks[block][0]] for block in half.kept]
        twisted: set[tuple[int, tuple[int, ...]]] = set()
        for block, vertices in enumerate(half.blocks):
            split: dict[int, list[int]] = {}
            for vertex in vertices:
                place, axis = owners[vertex]
                split.setdefault(place, []).append(axis)
            label = half.kept.index(block) if block in half.kept else None
            if label is None and len(split) > 1:
                label = len(label_sizes)
                label_sizes.append(sizes[vertices[0]])
                if vertices[0] in forms:
                    twisted.add((max(split), tuple(split[max(split)])))
            for place, axes in split.items():
                rows[place].append((tuple(axes), label))
        values: list[Value] = []
        for place, row in enumerate(rows):
            row.sort()
            kept = tuple(index for index, (_, label) in enumerate(row) if label is not None)
            source = self._operand(term[place], Half(tuple(axes for axes, _ in row), kept))
            for axis, index in enumerate(kept):
                if (place, row[index][0]) in twisted:
                    source = self._twist(source, axis)
            values.append((source, tuple(label for _, label in row if label is not None)))
        return values, label_sizes

    def _starred(self, number: int, half: Half, star: Hodge) -> tuple[str, tuple[int, ...]] | None:
        """A head that takes axes of several inputs, as a head of one of them that is contracted with the others.

        epsilon(J, I_1, I_2), where input p has the labels I_p, is applied to the input that has most of them. What
        comes out has the labels J and those of the others. None where the product itself is smaller, and for A(n),
        whose heads hold blocks that several inputs share.
        """
        values, sizes = self._factored(number, half)
        taken = star.order[star.carried :]
        shares = [sum(label in taken for label in labels) for _, labels in values]
        place = max(range(len(values)), key=lambda p: (shares[p], p))
        if self.hom.group.factors[star.factor].jellyfish or len(values) == 1 or star.given > shares[place]:
            return None
        others = [label for label in taken if label not in values[place][1]]
        given = list(range(len(sizes), len(sizes) + star.given))
        source, labels = values[place]
        carried = [label for label in labels if label not in taken]
        eaten = [label for label in labels if label in taken]
        if shares[place] * sum(shares[place + 1 :]) % 2:
            # The labels of later inputs come before this one's; there are two or more to exchange.
            eaten[:2] = eaten[1::-1]
        order = tuple(labels.index(label) for label in [*carried, *eaten])
        made = star.given + len(others)
        key = ("star", source, order, made)
        if key not in self.joined:
            self.joined[key] = self._fresh(f"{source}_h{made}")
            self.stars.append(Hodge(self.joined[key], source, order, star.factor, star.n, 0, len(eaten), made))
        values[place] = self.joined[key], (*carried, *given, *others)
        # Axes of the result come first, then what is summed.
        front = [*star.order[: star.carried], *given]
        back = [*others, *range(len(half.kept), len(sizes))]
        sizes = [*sizes, *[star.factor] * star.given]
        number_of = {label: position for position, label in enumerate([*front, *back])}
        values = [(name, tuple(number_of[label] for label in axes)) for name, axes in values]
        sizes = [sizes[label] for label in [*front, *back]]
        heads = {number_of[label] for label in others}
        terms = perm(len(taken), len(others))
        return self._multiply(values, len(front), sizes, star.target, heads, terms), tuple(sizes[: len(front)])

    def _operand(self, number: int, half: Half) -> str:
        mark, term, several = self.marks[number]
        return self.real[number].setdefault(half, _name(mark, term, half, several))

    def _twist(self, source: str, axis: int) -> str:
        key = ("twist", source, axis)
        if key not in self.joined:
            self.joined[key] = f"{source}_w{axis}"
            self.twists.append(Twist(self.joined[key], source, axis))
        return self.joined[key]

    def _multiply(
        self,
        values: list[Value],
        axes: int,
        sizes: Sequence[int],
        name: str,
        heads: Collection[int] = (),
        terms: int = 1,
    ) -> str:
        """Joins of two values at a time, in the order that makes the fewest entries; the last one has all axes."""
        while len(values) > 1:
            pairs = [(a, b) for b in range(len(values)) for a in range(b)]
            (a, b) = min(pairs, key=lambda pair: self._work(values, pair, axes))
            last = name if len(values) == 2 else f"{name}_p"
            kept = self._left(values, (a, b), axes)
            made = self._join(values[a], values[b], kept, sizes, last, heads, terms if len(values) == 2 else 1)
            values = [value for place, value in enumerate(values) if place not in (a, b)]
            values.insert(a, made)
        return values[0][0]

    @staticmethod
    def _left(values: Sequence[Value], pair: tuple[int, int], axes: int) -> tuple[int, ...]:
        """The labels that a product of two values keeps: those of the result and of the other values."""
        others = {label for place, (_, labels) in enumerate(values) if place not in pair for label in labels}
        there = {label for place in pair for label in values[place][1]}
        return tuple(sorted(label for label in there if label < axes or label in others))

    def _work(self, values: Sequence[Value], pair: tuple[int, int], axes: int) -> tuple[int, ...]:
        touched = len({label for place in pair for label in values[place][1]})
        return (len(self._left(values, pair, axes)), touched, *pair)

    def _join(
        self,
        first: Value,
        second: Value,
        kept: tuple[int, ...],
        sizes: Sequence[int],
        name: str,
        heads: Collection[int],
        terms: int,
    ) -> Value:
        full = self.problem.mode == "full"
        if not full and second < first:
            # Channel by channel a product has no order, and is made once for both.
            first, second = second, first
        summed = sorted({*first[1], *second[1]} - set(kept))
        number = {label: place for place, label in enumerate([*kept, *summed])}
        left, right = (tuple(number[label] for label in labels) for _, labels in (first, second))
        tied = tuple(number[label] for label in summed if label in heads)
        key = (first[0], second[0], left, right, len(kept), tied, terms)
        if key not in self.joined:
            self.joined[key] = self._fresh(name)
            label_sizes = tuple(sizes[label] for label in [*kept, *summed])
            sources = (first[0], second[0])
            join = Join(self.joined[key], sources, left, right, len(kept), label_sizes, full, tied, terms)
            self.joins.append(replace(join, entrywise=self._entrywise(join)))
        return self.joined[key], kept

    def _entrywise(self, join: Join) -> bool:
        """Whether a product, channel by channel, is best made entry by entry: where that is no larger, or tiny.

        The others are a matrix product for each channel, which pays only where the matrices are not tiny.
        """
        inside = set(join.left) <= set(join.right) or set(join.right) <= set(join.left)
        sizes = [self.hom.group.factors[factor].n for factor in join.sizes]
        tiny = prod(size if isinstance(size, int) else TINY + 1 for size in sizes) <= TINY
        return not join.full and (inside or not join.summed or tiny)


def _read(step: Step) -> list[str]:
    """The values that a step reads, of those that products make."""
    match step:
        case Mix():
            return [operand.source for operand in step.operands]
        case Tied():
            return [table.source for table in step.tables]
        case Reduce() | Hodge() | Contract():
            return [step.source]
    return []


def _reading(step: Step, names: Mapping[str, str]) -> Step:
    """A step that reads values under other names: one product may stand for several that are equal."""
    match step:
        case Mix():
            operands = tuple(replace(each, source=names.get(each.source, each.source)) for each in step.operands)
            return replace(step, operands=operands)
        case Tied():
            return replace(
                step, tables=tuple(replace(each, source=names.get(each.source, each.source)) for each in step.tables)
            )
        case Reduce() | Hodge() | Contract():
            return replace(step, source=names.get(step.source, step.source))
    return step
