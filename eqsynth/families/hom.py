"""The problem itself: a group, the spaces that maps start from, and the space that they lead to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate, combinations_with_replacement, pairwise, product
from math import prod
from pathlib import Path
from typing import TypeVar

from eqsynth.errors import EqsynthError, GroupError, SpaceError, explain_calls, shown
from eqsynth.exact.numbers import choice, whole
from eqsynth.exact.polynomial import channel_symbol
from eqsynth.families.group import Group
from eqsynth.families.irreps import fitted
from eqsynth.spaces.exchanges import Turn
from eqsynth.spaces.space import (
    Order,
    Space,
    Symmetry,
    axes_of,
    axis_counts,
    duals_of,
    entries_of,
    has_duals,
    irreps_of,
    is_decomposed,
    of_duals,
    order_text,
    orders_of,
    stored_full,
    twists_of,
    valence,
    with_twists,
)

#: How the channels of two inputs meet: each with each, or each with its own.
MODES = ("full", "paired")
#: The highest degree of a power.
MAX_DEGREE = 6
#: How layers print the powers that they make.
POWERS_OF = re.compile(r"\s*powers?\s([0-9,\s]*)\sof\s(.*)", re.DOTALL)
#: What a problem looks like, in messages.
EXAMPLES = "S(n): 16x2 -> 32x2, or a product as O(3): 4x1 (x) 4x2 -> 8x1"
#: The ways to grow n that maps may commute with, and the normalization that each of them takes.
TRANSFERS = {"repeat": "mean", "pad": "sum"}
#: How a problem of such maps ends as text.
TRANSFER = re.compile(r"(.*),\s*transfer\s*=\s*(\w+)\s*", re.DOTALL)
#: The names of the inputs of a product in formulas and code.
NAMES = "uv"


@explain_calls
@dataclass(frozen=True, slots=True)
class Hom:
    """The problem itself: every linear map between two spaces that commutes with a group.

    >>> from eqsynth import Hom
    >>> hom = Hom.parse("S(n)", "16x2 + 8x1", "32x1")
    >>> print(hom)
    S(n): 16x2 + 8x1 -> 32x1
    >>> eval(repr(hom)) == hom
    True
    >>> Hom.parse("S(n)", "16x2", "32x1", transfer="repeat") == Hom.parse("S(n)", "16x2", "32x1, transfer=repeat")
    True

    ``transfer`` asks for the maps alone that mean the same at every size, see :mod:`eqsynth.diagrams.transfer`.

    Raises SpaceError for orders that do not fit the group, EqsynthError for another ``transfer``.
    """

    group: Group
    space_in: Space
    space_out: Space
    transfer: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.group, Group) or not all(isinstance(s, Space) for s in (self.space_in, self.space_out)):
            raise EqsynthError("a Hom is made of a Group and two Spaces: for texts write eq.Hom.parse(...)")
        for name in ("space_in", "space_out"):
            object.__setattr__(self, name, fitted_space(self.group, getattr(self, name)))
        check_transfer(self.transfer, self.group, (*self.space_in.orders, *self.space_out.orders))

    @classmethod
    def parse(
        cls,
        group: str | Group,
        space_in: str | int | Space,
        space_out: str | int | Space,
        files: bool | Path = True,
        transfer: str | None = None,
    ) -> Hom:
        """Read group and spaces as strings, or take them as they are; ``files`` as in :meth:`Group.parse`.

        The text of the outputs may end with ``transfer=repeat`` or ``transfer=pad``, as a problem prints.
        """
        text, told = _transfer_in(space_out)
        return with_transfer(cls(Group.parse(group, files), Space.parse(space_in), Space.parse(text), told), transfer)

    def __str__(self) -> str:
        return f"{self.group}: {self.space_in} -> {self.space_out}{f', transfer={self.transfer}' * bool(self.transfer)}"

    def __repr__(self) -> str:
        more = f", transfer={self.transfer!r}" if self.transfer else ""
        return f"Hom(group={self.group!r}, space_in={self.space_in!r}, space_out={self.space_out!r}{more})"

    # What every problem says, that of a product too: a linear map has one input, and each of its terms is read alone.

    @property
    def hom(self) -> Hom:
        """The problem of linear maps: this one."""
        return self

    @property
    def operands(self) -> tuple[Space, ...]:
        """The spaces of the inputs."""
        return (self.space_in,)

    @property
    def inputs(self) -> tuple[tuple[int, Order], ...]:
        """The terms of all inputs: channels and order."""
        return self.space_in.terms

    @property
    def terms(self) -> tuple[tuple[int, ...], ...]:
        """The numbers of the inputs whose maps have weights of their own."""
        return tuple((number,) for number in range(len(self.space_in)))

    @property
    def multilinear(self) -> bool:
        """Whether inputs are multiplied."""
        return False

    @property
    def full(self) -> bool:
        """Whether channels meet each with each; with one input there is nothing to meet."""
        return False

    def input_name(self, number: int) -> str:
        """What plans call an input."""
        return str(number)

    def input_title(self, number: int) -> str:
        """What messages call an input."""
        return f"input term {number} of"

    def places(self, number: int) -> tuple[int, ...]:
        """The inputs of ``terms[number]`` by their numbers in their own space."""
        return (number,)

    def multiplied(self, number: int) -> tuple[tuple[tuple[str, int], ...], ...]:  # noqa: ARG002 - which input it is makes no difference
        """The inputs that make up x of formulas: x itself."""
        return ()

    @property
    def channel_symbols(self) -> tuple[str, ...]:
        """The symbols of the channels of the inputs, in costs."""
        return tuple(channel_symbol("in", number, len(self.space_in)) for number in range(len(self.space_in)))


@explain_calls
@dataclass(frozen=True, slots=True)
class ProductHom:
    """Every multilinear map of some spaces, or polynomial map of one, that commutes with a group.

    >>> from eqsynth.families.hom import ProductHom
    >>> print(ProductHom.parse("S(n)", ["4x2", "8x1"], "16x1"))
    S(n): 4x2 (x) 8x1 -> 16x1
    >>> print(ProductHom.parse("O(3)", ["4x1"], "16x0", "paired", (1, 2)))
    O(3): powers 1, 2 of 4x1 -> 16x0

    ``mode`` says how channels meet. With ``degrees`` the products are those of one input with itself. Such a map is a
    linear map of the product of the inputs (``hom``). ``transfer`` is that of :class:`Hom`, for these linear maps.
    """

    group: Group
    operands: tuple[Space, ...]
    space_out: Space
    mode: str = "full"
    degrees: tuple[int, ...] = ()
    transfer: str | None = None

    @classmethod
    def parse(
        cls,
        group: str | Group,
        operands: Sequence[str | int | Space],
        space_out: str | int | Space,
        mode: str = "full",
        degrees: tuple[int, ...] = (),
        files: bool | Path = True,
        transfer: str | None = None,
    ) -> ProductHom:
        """Read group and spaces as strings, or take them as they are; the rest is as in ``Hom.parse``."""
        spaces = tuple(map(Space.parse, operands))
        text, told = _transfer_in(space_out)
        own = cls(Group.parse(group, files), spaces, Space.parse(text), mode, degrees, told)
        return with_transfer(own, transfer)

    def __post_init__(self) -> None:
        homs = [Hom(self.group, space, self.space_out, self.transfer) for space in self.operands]
        for order in (order for hom in homs for space in (hom.space_in, hom.space_out) for order in space.orders):
            if is_decomposed(order):
                raise SpaceError(
                    f"products are made of tensors with an axis for each index, and {order_text(order)} is stored in "
                    f"coordinates of irreducible parts: ask for {order_text(stored_full(order))}, and let the "
                    "eq.Linear before and behind give and take that"
                )
        object.__setattr__(self, "operands", tuple(hom.space_in for hom in homs))
        object.__setattr__(self, "space_out", fitted_space(self.group, self.space_out))
        degrees = tuple(number for number in map(whole, self.degrees) if number is not None)
        if len(degrees) < len(self.degrees) or not all(1 <= degree <= MAX_DEGREE for degree in degrees):
            listed = ", ".join(map(shown, self.degrees))[:40]
            raise EqsynthError(f"powers go from 1 to {MAX_DEGREE}, not {listed}")
        object.__setattr__(self, "degrees", degrees)
        choice("mode", self.mode, MODES)
        if self.mode == "paired":
            wide = sorted({channels for space in self.operands for channels in space.channels})
            if len(wide) > 1:
                what = "powers of an input" if self.degrees else 'products with mode="paired"'
                cure = "" if self.degrees else ', or for mode="full"'
                raise SpaceError(
                    f"{what} multiply each channel by its own, but there are terms of {wide[0]} and of {wide[-1]} "
                    f"channels: ask for equal numbers of channels{cure}"
                )

    def __str__(self) -> str:
        product_of = " (x) ".join(map(str, self.operands))
        if self.degrees:
            product_of = f"powers {', '.join(map(str, self.degrees))} of {product_of}"
        return f"{self.group}: {product_of} -> {self.space_out}{f', transfer={self.transfer}' * bool(self.transfer)}"

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
        """The same as a problem of linear maps of the products, as tensors of all kinds; irreps are the tensors too."""
        return _of_products(self)

    def owners(self, term: tuple[int, ...], whole: bool = False) -> list[tuple[int, int]]:
        """For each axis of a product, the place of its operand in ``term`` and its axis there.

        Axes of the group's first factor come first, and among those the axes of the first operand. Axes made of two
        indices count as two, as in plans, unless ``whole``.
        """
        orders = [self.inputs[number][1] for number in term]
        counts = [axis_counts(order) if whole else index_counts(self.group, order) for order in orders]
        starts = [[sum(own[:factor]) for factor in range(len(own))] for own in counts]
        return [
            (place, starts[place][factor] + axis)
            for factor in range(len(counts[0]))
            for place, own in enumerate(counts)
            for axis in range(own[factor])
        ]

    @property
    def multilinear(self) -> bool:
        """Whether inputs are multiplied."""
        return True

    @property
    def full(self) -> bool:
        """Whether channels meet each with each."""
        return self.mode == "full"

    @property
    def named_inputs(self) -> list[tuple[str, int, bool]]:
        """For each input its operand's name, its place there, and whether there are others."""
        return [
            (NAMES[operand], place, len(space) > 1)
            for operand, space in enumerate(self.operands)
            for place in range(len(space))
        ]

    def input_name(self, number: int) -> str:
        """What plans call an input: its operand, and its term where there are several."""
        name, place, several = self.named_inputs[number]
        return f"{name}{place}" if several else name

    def input_title(self, number: int) -> str:
        """What messages call an input."""
        name, place, _ = self.named_inputs[number]
        return f"term {place} of {name} of" if len(self.operands) > 1 else f"input term {place} of"

    def places(self, number: int) -> tuple[int, ...]:
        """The inputs of ``terms[number]`` by their numbers in their own space."""
        return tuple(self.named_inputs[factor][1] for factor in self.terms[number])

    def multiplied(self, number: int) -> tuple[tuple[tuple[str, int], ...], ...]:
        """The inputs that make up x of formulas: for each factor of the group the name and number of axes of each.

        >>> from eqsynth.families.hom import ProductHom
        >>> ProductHom.parse("O(3)", ["4x1", "4x2"], "8x1").multiplied(0)
        ((('u', 1), ('v', 2)),)
        """
        term = self.terms[number]
        return tuple(
            tuple((self.input_name(one), index_counts(self.group, self.inputs[one][1])[factor]) for one in term)
            for factor in range(len(self.group.indices))
        )

    @property
    def channel_symbols(self) -> tuple[str, ...]:
        """The symbols of the channels of the inputs, in costs: those of paired channels are equally many."""
        names = [f"c_{name}{place if several else ''}" for name, place, several in self.named_inputs]
        return tuple(names if self.full else ["c_in"] * len(names))


#: What a plan is made for.
Problem = Hom | ProductHom


def check_transfer(transfer: str | None, group: Group, orders: Sequence[Order]) -> None:
    """Refuse a way to grow n that is none, or that makes no sense for a group or for tensors of some order.

    >>> from eqsynth import Group
    >>> from eqsynth.families.hom import check_transfer
    >>> check_transfer("repeat", Group.parse("S(n) x O(3)"), [(2, 1)])
    >>> check_transfer("repeat", Group.parse("S(5)"), [1])
    Traceback (most recent call last):
    ...
    eqsynth.errors.GroupError: S(5) has one size, and transfer='repeat' is about all: ask for a letter, as in S(n)
    """
    if transfer is None:
        return
    choice("transfer", transfer, (None, *TRANSFERS))
    open_ = [index for index in group.indices if index.symbolic]
    if not open_:
        raise GroupError(f"{group} has one size, and transfer={transfer!r} is about all: ask for a letter, as in S(n)")
    for index in open_:
        if transfer not in index.transfers:
            raise GroupError(
                f"transfer={transfer!r} makes no sense for {index}: with its coordinates enlarged so, the form that it "
                f"keeps is another one; ask for {' or '.join(f'transfer={way!r}' for way in index.transfers)}"
            )
    for order in orders:
        parts = zip(group.factors, negated(group, order), irreps_of(order), strict=True)
        for factor, negates, irrep in parts:
            if factor.symbolic and (negates or irrep):
                raise SpaceError(
                    f"{order_text(order)} of {factor} is another space at another size, not a larger one: "
                    "transfer is for tensors, without .det and irreps"
                )


def weight_name(problem: Problem, term_in: int, term_out: int) -> str:
    """What weights of a term of inputs and an output are called in a state_dict: ``weight``, or ``weight_0_1``.

    >>> from eqsynth.families.hom import Hom, weight_name
    >>> weight_name(Hom.parse("O(3)", 1, 1), 0, 0), weight_name(Hom.parse("O(3)", "2x1 + 2x0", 1), 1, 0)
    ('weight', 'weight_1_0')
    """
    single = len(problem.terms) == len(problem.space_out) == 1
    return "weight" if single else "_".join(map(str, ("weight", *problem.places(term_in), term_out)))


def bias_name(problem: Problem, term_out: int) -> str:
    """What biases of an output are called in a state_dict: ``bias``, or ``bias_1`` where there are several terms."""
    single = len(problem.terms) == len(problem.space_out) == 1
    return "bias" if single else f"bias_{term_out}"


def parse_problem(text: str, files: bool | Path = True, mode: str | None = None) -> Problem:
    """Read a problem as it prints, one of linear maps or of products; ``files`` as in :meth:`Group.parse`.

    >>> from eqsynth.families.hom import parse_problem
    >>> print(parse_problem("S(n): 16 x 2 -> 32 x 2"))
    S(n): 16x2 -> 32x2
    >>> parse_problem("O(3): 4x1 (x) 4x1 -> 4x2", mode="paired").mode
    'paired'
    >>> parse_problem("O(3): powers 1, 2 of 4x1 -> 4x2").degrees
    (1, 2)

    ``mode`` says how the channels of a product of two spaces meet, which the text does not: "full" if it is None.

    Raises EqsynthError for other text, for three factors, and for a mode where no two spaces are multiplied.
    """
    return problem_of(*problem_parts(text), files, mode)


def problem_parts(text: str) -> tuple[str, str, str]:
    """The texts of the group, of the inputs and of the outputs in that of a problem, unread.

    >>> from eqsynth.families.hom import problem_parts
    >>> problem_parts("O(3): 4x1 (x) 4x1 -> 4x2")
    ('O(3)', '4x1 (x) 4x1', '4x2')

    Raises EqsynthError where there are not three parts.
    """
    left, arrow, space_out = text.rpartition("->") if isinstance(text, str) else ("", "", "")
    group, colon, inputs = left.rpartition(":")
    if not arrow or not colon:
        raise EqsynthError(f"cannot read the problem {shown(text)}: write it as {EXAMPLES}")
    return group.strip(), inputs.strip(), space_out.strip()


def problem_of(
    group: str | Group,
    inputs: str | int | Space,
    space_out: str | int | Space,
    files: bool | Path = True,
    mode: str | None = None,
) -> Problem:
    """The same of its parts: ``inputs`` is a space, a product "4x2 (x) 8x1", or "powers 1, 2 of 4x1".

    >>> from eqsynth.families.hom import problem_of
    >>> print(problem_of("S(n)", "powers 2 of 4x1", "4x2"))
    S(n): powers 2 of 4x1 -> 4x2
    """
    if not isinstance(inputs, str) or not is_product(inputs):
        _check_mode(mode)
        return Hom.parse(group, inputs, space_out, files)
    powers = POWERS_OF.fullmatch(inputs)
    if powers:
        words = [word.strip() for word in powers[1].split(",")]
        if not all(re.fullmatch("[1-9]", word) for word in words):
            raise EqsynthError(f"powers go from 1 to {MAX_DEGREE}, not {powers[1].strip()[:40]}")
        degrees = tuple(sorted(set(map(int, words))))
        problem = ProductHom.parse(group, (powers[2],), space_out, "paired", degrees, files)
        _check_mode(mode, "paired")
        return problem
    factors = inputs.split("(x)")
    if len(factors) > 2:
        raise EqsynthError(
            f"a product of {len(factors)} spaces is more than one layer: multiply two, and the result with the next"
        )
    return ProductHom.parse(group, factors, space_out, "full" if mode is None else mode, files=files)


def _transfer_in(space_out: str | int | Space) -> tuple[str | int | Space, str | None]:
    """Outputs, and what their text says of maps that mean the same at every size."""
    match = TRANSFER.fullmatch(space_out) if isinstance(space_out, str) else None
    return (match[1], match[2]) if match else (space_out, None)


ProblemT = TypeVar("ProblemT", bound=Hom | ProductHom)


def with_transfer(problem: ProblemT, transfer: str | None) -> ProblemT:
    """The problem of those maps alone that mean the same at every size, where that is asked for.

    >>> from eqsynth.families.hom import parse_problem, with_transfer
    >>> print(with_transfer(parse_problem("S(n): 2 -> 1"), "repeat"))
    S(n): 1x2 -> 1x1, transfer=repeat
    """
    if transfer is None:
        return problem
    if problem.transfer not in (None, transfer):
        raise EqsynthError(f"{problem} says transfer={problem.transfer}, and not {shown(transfer)}: say one")
    return replace(problem, transfer=transfer)


def is_product(inputs: object) -> bool:
    """Whether inputs are written as a product of spaces, or as powers of one.

    >>> from eqsynth.families.hom import is_product
    >>> is_product("4x1 (x) 4x2"), is_product("powers 1, 2 of 4x1"), is_product("2,1"), is_product(2)
    (True, True, False, False)
    """
    return isinstance(inputs, str) and ("(x)" in inputs or POWERS_OF.fullmatch(inputs) is not None)


def _check_mode(mode: str | None, *known: str) -> None:
    if mode is not None and mode not in known:
        raise EqsynthError(
            f"the mode {shown(mode)} is for products of two spaces, such as 4x2 (x) 4x1"
            + (": powers are always paired, leave it out" if known else ": leave it out")
        )


@lru_cache(maxsize=1024)
def _of_products(problem: ProductHom) -> Hom:
    products = []
    for term in problem.terms:
        channels = [problem.inputs[number][0] for number in term]
        total = _total([problem.inputs[number][1] for number in term])
        products.append((prod(channels) if problem.full else channels[0], total))
    return Hom(problem.group, Space(tuple(products)), problem.space_out, problem.transfer)


def _total(orders: Sequence[Order]) -> Order:
    entries = zip(*map(entries_of, orders), strict=True)
    total = tuple(of_duals([dual for part in parts for dual in duals_of(part)]) for parts in entries)
    twists = [sum(parts) % 2 == 1 for parts in zip(*map(twists_of, orders), strict=True)]
    return with_twists(total if isinstance(orders[0], tuple) else total[0], twists)


def negated(group: Group, order: Order) -> tuple[bool, ...]:
    """For each factor of a group whether its elements of determinant -1 negate tensors of an order besides.

    >>> from eqsynth import Group
    >>> from eqsynth.families.hom import negated
    >>> from eqsynth.spaces.space import Twisted
    >>> negated(Group.parse("SO(2) x O(3)"), (Twisted(1), Twisted(2)))
    (False, True)

    Raises GroupError where the order is twisted by determinants that are no signs.
    """
    return tuple(twisted and factor.flips for factor, twisted in zip(group.factors, twists_of(order), strict=True))


def mixed(group: Group, inputs: Order, outputs: Order) -> bool:
    """Whether elements of determinant -1 of a group that is no product act on two orders with different signs.

    >>> from eqsynth import Group
    >>> from eqsynth.families.hom import mixed
    >>> from eqsynth.spaces.space import Twisted
    >>> mixed(Group("O", 3), Twisted(1), 2), mixed(Group("SO", 3), Twisted(1), 2)
    (True, False)
    """
    return negated(group, inputs) != negated(group, outputs)


def maps_of(group: Group, inputs: Order, outputs: Order) -> Group:
    """What is asked about the diagrams between two orders of a group that is no product.

    The group itself; where one of them is twisted by the determinant, its maps that are (:attr:`Group.headed`); where
    it tells V from V*, what it says about diagrams on these axes (:meth:`Group.between`).
    """
    if group.duals:
        return group.between(duals_of(inputs), duals_of(outputs))
    return group.headed if mixed(group, inputs, outputs) else group


def index_counts(group: Group, order: Order) -> tuple[int, ...]:
    """How many axes of a tensor are indices of each of ``group.indices``.

    >>> from eqsynth import Group
    >>> from eqsynth.families.hom import index_counts
    >>> index_counts(Group.parse("S(4) x O(3)"), (2, 1)), index_counts(Group.parse("S(2) wr S(3)"), 2)
    ((2, 1), (2, 2))
    """
    counted = zip(group.factors, axis_counts(order), strict=True)
    return tuple(count for factor, count in counted for _ in factor.indices)


def index_sizes(group: Group, sizes: Sequence[int]) -> list[int]:
    """The length of each of ``group.indices``, from the lengths of the axes of each factor.

    >>> from eqsynth import Group
    >>> from eqsynth.families.hom import index_sizes
    >>> index_sizes(Group.parse("S(n) x O(3)"), [5, 3]), index_sizes(Group.parse("S(2) wr S(n)"), [6])
    ([5, 3], [3, 2])
    """
    return [length for factor, n in zip(group.factors, sizes, strict=True) for length in factor.index_lengths(n)]


def indices_of(group: Group) -> list[range]:
    """For each factor the places of its indices in ``group.indices``.

    >>> from eqsynth import Group
    >>> from eqsynth.families.hom import indices_of
    >>> indices_of(Group.parse("(S(2) wr S(3)) x O(3)"))
    [range(0, 2), range(2, 3)]
    """
    stops = [*accumulate(len(factor.indices) for factor in group.factors)]
    return [range(start, stop) for start, stop in pairwise((0, *stops))]


def indices_beside(group: Group, index: int) -> range:
    """The places of the indices that an axis has beside an index, and of that index.

    >>> from eqsynth import Group
    >>> from eqsynth.families.hom import indices_beside
    >>> [indices_beside(Group.parse("(S(2) wr S(3)) x O(3)"), index) for index in range(3)]
    [range(0, 2), range(0, 2), range(2, 3)]
    """
    return next(own for own in indices_of(group) if index in own)


def split_turn(group: Group, counts: Sequence[int], turn: Turn) -> Turn:
    """An order of the axes of an output as one of their indices; axes of a group whose axes are single stay.

    >>> from eqsynth import Group
    >>> from eqsynth.families.hom import split_turn
    >>> split_turn(Group("S", 3), (2,), ((1, 0), 1)), split_turn(Group.parse("S(2) wr S(3)"), (2,), ((1, 0), 1))
    (((1, 0), 1), ((1, 0, 3, 2), 1))
    """
    axes, sign = turn
    places, first = list[int](), 0
    for factor, count in zip(group.factors, counts, strict=True):
        for _ in factor.indices:
            start = len(places)
            places += [start + axis - first for axis in axes[first : first + count]]
        first += count
    return tuple(places), sign


def fitted_space(group: Group, space: Space) -> Space:
    """The space with each order as :func:`fitted_order` reads it for a group."""
    orders = [fitted_order(group, order) for order in space.orders]
    return Space(tuple(zip(space.channels, orders, strict=True))) if orders != [*space.orders] else space


@lru_cache(maxsize=4096)
def fitted_order(group: Group, order: Order) -> Order:
    """The order as a group reads it: ``(k,k')`` are axes of V and V* where there are two kinds, else two factors.

    >>> from eqsynth import Group
    >>> from eqsynth.families.hom import fitted_order
    >>> fitted_order(Group("GL", 3), (1, 1)), fitted_order(Group.parse("S(3) x O(2)"), (1, 1))
    (Valence(runs=(1, 1)), (1, 1))

    Raises SpaceError unless the order has one entry per factor of the group, and axes of V* only where there are some.
    """
    count = len(group.factors)
    if count == 1 and group.duals and isinstance(order, tuple):
        if not all(isinstance(one, int | Symmetry) for one in order):
            raise SpaceError(
                f"the order {order_text(order)} is none of {group}: axes of V and V* are numbers, (1,1), or symmetries "
                "of some of either kind, (S2,1) and (0,A2); ask for those"
            )
        order = valence([one for one in order if isinstance(one, int | Symmetry)])
    if count == 1 and isinstance(order, tuple):
        raise SpaceError(
            f"the order {order_text(order)} has one entry per factor of a product group, or for V and V* one each, but "
            f"{group} has one factor and no axes of V*: write a plain number such as {axes_of(order)}"
        )
    if count > 1 and (not isinstance(order, tuple) or len(order) != count):
        example = ",".join(["1"] * count)
        raise SpaceError(
            f"the order {order_text(order)} does not fit {group}: give one entry per factor, such as ({example})"
        )
    for factor, one in zip(group.factors, orders_of(order), strict=True):
        if has_duals(one) and not factor.duals:
            raise SpaceError(
                f"the order {order_text(order)} has axes of V*, and {factor} does not tell V* from V: write "
                f"{axes_of(one)} in place of {one}"
                if factor.maps != "matrices"
                else f"the order {order_text(order)} has axes of V*, and {factor} has axes of V alone: ask for GL(n), "
                "SL(n), U(n) or SU(n), or give V + V* as one space of twice the size"
            )
    negated(group, order)
    return fitted(group, order)
