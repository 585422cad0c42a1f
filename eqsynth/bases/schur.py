"""Schur's lemma, counted: the irreducible parts that two spaces share, and the least that mixing channels costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from math import prod

from eqsynth.bases.bratteli import MAX_PARTS, copies, dimension_polynomial
from eqsynth.bases.dimension import stable_from
from eqsynth.errors import GroupError, SizeError, SymbolicError, explain_calls
from eqsynth.exact.polynomial import Polynomial, channel_symbol, size_symbols
from eqsynth.families.group import Group, Label, families_with
from eqsynth.families.hom import Hom, fitted_order
from eqsynth.families.irreps import irrep_text
from eqsynth.spaces.space import (
    Order,
    Space,
    Symmetry,
    Valence,
    axes_of,
    entries_of,
    irreps_of,
    order_text,
    orders_of,
    read_order,
    twists_of,
)


@dataclass(frozen=True, slots=True)
class Part:
    """An irreducible part over the real numbers, and how often each term of two spaces holds it.

    ``dim`` is its real dimension, a polynomial in the sizes that are letters. The maps from the part to itself are
    the real numbers (``delta`` 1) or the complex numbers (``delta`` 2). ``text``: how spaces write it, with one entry
    for each factor of the group. Made by :func:`parts`.
    """

    name: str
    dim: Polynomial
    delta: int
    copies_in: tuple[int, ...]
    copies_out: tuple[int, ...]
    text: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Irreps:
    """What tensors of an order consist of: irreducible parts and how often each is there. Made by :func:`irreps`.

    >>> import eqsynth as eq
    >>> whole = eq.irreps("SO(2)", 2)
    >>> [(part.text, part.copies_in) for part in whole.parts], str(whole.dim)
    ([(('{}',), (2,)), (('{2}',), (1,))], '4')
    """

    group: Group
    order: Order
    parts: tuple[Part, ...]

    def __iter__(self) -> Iterator[tuple[str, int]]:
        """The parts as spaces write them, and how often each is there."""
        return iter([(_entry(part.text), part.copies_in[0]) for part in self.parts])

    @property
    def dim(self) -> Polynomial:
        """The sum of the dimensions of all parts: that of the tensors, a power of n where they have no symmetry."""
        return sum((part.dim * part.copies_in[0] for part in self.parts), Polynomial())

    @property
    def space(self) -> Space:
        """The same tensors as a space of irreps, a channel for each copy: 1x0e + 1x1e + 1x2e of O(3), 2.

        Raises SymbolicError where n is a letter, GroupError where a part is half of one of a larger group.
        """
        if any(factor.symbolic for factor in self.group.factors):
            raise SymbolicError(f"{self.group} leaves a size open, and irreps are spaces at a number: ask for one")
        if lacking := [factor for factor in self.group.factors if not factor.stride or factor.split]:
            raise GroupError(f"irreps of {lacking[0]} have no coordinates here: ask for tensors of an order")
        halves = [text for text, _ in self if text.rstrip(")")[-1] in "+-"]
        if halves:
            raise GroupError(
                f"{halves[0]} is half of a part of a larger group, which has no coordinates: ask for tensors"
            )
        return Space.parse(" + ".join(f"{count}x{text}" for text, count in self))

    def __str__(self) -> str:
        rows = [("irrep", "times", "dimension", "its own maps")]
        kinds = {1: "complex multiples" if self.group.over_complex else "real multiples", 2: "complex multiples"}
        rows += [(_entry(p.text), str(p.copies_in[0]), str(p.dim), kinds[p.delta]) for p in self.parts]
        wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
        title = f"{self.group}: tensors of order {order_text(self.order)}, of dimension {self.dim}"
        return "\n".join([title, *("  ".join(map(str.ljust, row, wide)).rstrip() for row in rows)])


@explain_calls
def irreps(group: str | Group, order: str | Order) -> Irreps:
    """What tensors of an order consist of under a group: every irreducible part, its dimension, how often it is there.

    >>> import eqsynth as eq
    >>> print(eq.irreps("O(3)", 2))
    O(3): tensors of order 2, of dimension 9
    irrep  times  dimension  its own maps
    0e     1      1          real multiples
    1e     1      3          real multiples
    2e     1      5          real multiples
    >>> print(eq.irreps("S(n)", 2))
    S(n): tensors of order 2, of dimension n²
    irrep      times  dimension           its own maps
    {n}        2      1                   real multiples
    {n-1,1}    3      n - 1               real multiples
    {n-2,1,1}  1      1/2 n² - 3/2 n + 1  real multiples
    {n-2,2}    1      1/2 n² - 3/2 n      real multiples

    Irreps are written as in spaces: partitions, and for O(3) and SO(3) degree and parity. Multiplicities are walks
    in the Bratteli diagram, dimensions come from the hook and Weyl formulas. With n a letter all holds from the n on
    at which the number of maps from the tensors to themselves no longer changes. A sign + or - behind a name is one
    of two halves into which a part of a larger group falls.

    >>> print(eq.irreps("O(3)", "[ijkl=jikl=klij]"))  # elasticity
    O(3): tensors of order [ijkl=jikl=klij], of dimension 21
    irrep  times  dimension  its own maps
    0e     2      1          real multiples
    2e     2      5          real multiples
    4e     1      9          real multiples

    >>> print(eq.irreps("U(n)", (1, 1)))
    U(n): tensors of order (1,1), of dimension n²
    irrep  times  dimension  its own maps
    {-;-}  1      1          complex multiples
    {1;1}  1      n² - 1     complex multiples

    Those of GL(n), SL(n), U(n) and SU(n) are pairs of partitions: {lambda;mu} is the largest part of tensors whose
    axes of V have the symmetry lambda, and those of V* mu. Pairs that differ by determinants are one for SL(n), SU(n).

    Raises GroupError for groups whose parts are not known; SizeError for more than 10,000 parts.
    """
    parsed = Group.parse(group)
    asked = fitted_order(parsed, read_order(order))
    space = Space(((1, asked),))
    return Irreps(parsed, asked, parts(parsed, space, space))


def _entry(texts: Sequence[str]) -> str:
    return texts[0] if len(texts) == 1 else f"({','.join(texts)})"


@explain_calls
def floor(group: str | Group, space_in: str | int | Space, space_out: str | int | Space) -> Polynomial:
    """The fewest multiply-adds per sample in which any method can mix the channels of a layer, by Schur's lemma.

    >>> import eqsynth as eq
    >>> print(eq.floor("O(3)", "8x3", "8x3"))
    55 c_in c_out
    >>> print(eq.floor("S(n)", "16x2 + 8x1", "32x2"))
    n² c_in0 c_out + 6 n c_in0 c_out + 3 n c_in1 c_out - 4 c_in0 c_out - c_in1 c_out
    >>> plan = eq.plan("O(3)", "8x3", "8x3", bias=False, method="diagrams")
    >>> eq.floor("O(3)", "8x3", "8x3")(plan.sizes()), plan.total().multiply_adds(plan.sizes())
    (3520, 12960)
    >>> import sympy
    >>> sympy.sympify(eq.floor("O(n)", 2, 2)), eq.floor("O(n)", 2, 2)(c_in=1, c_out=2)
    (c_in*c_out*n**2, RationalFunction('2 n²'))

    A map with the symmetry sends each copy of an irreducible part in the input to multiples of its copies in the
    output, the same multiples along the whole part: one matrix product per part, of (copies in times channels) by
    (copies out times channels), with dim columns. All these multiples are weights and independent, so that no change
    of basis makes the products smaller; changes of basis themselves are not counted, biases neither. A product of
    matrices is counted as usual, without the tricks of fast matrix multiplication. Where the multiples are complex
    numbers, of which a real part of dimension dim has dim / 2, each takes four real multiply-adds: twice dim in all.
    On complex tensors (U(n), SU(n)) multiply-adds are those of complex numbers, in plans, too.

    The symbols are those of ``Plan.sizes`` and ``Plan.costs``. With n a letter the polynomial holds from the n on at
    which the number of maps no longer changes (``dimension.stable_from``: n >= k + l for S(n), from order k to l).

    Raises GroupError for groups whose parts have no labels (those of graphs, permutations and matrices, O(p,q), wreath
    products) and their products, SizeError for orders with more than 10,000 irreducible parts.
    """
    hom = Hom.parse(group, space_in, space_out)
    total = Polynomial()
    for part in parts(hom.group, hom.space_in, hom.space_out):
        wide_in, wide_out = _wide("in", hom.space_in, part.copies_in), _wide("out", hom.space_out, part.copies_out)
        total += part.dim * part.delta * wide_in * wide_out
    return total


def parts(group: str | Group, space_in: str | int | Space, space_out: str | int | Space) -> tuple[Part, ...]:
    """The irreducible parts over the real numbers that input and output share.

    >>> from eqsynth.bases.schur import parts
    >>> for part in parts("A(4)", 2, 1):
    ...     print(part.name, part.dim, part.delta, part.copies_in, part.copies_out)
    (4) 1 1 (2,) (1,)
    (3,1) 3 1 (4,) (1,)
    >>> [(part.name, str(part.dim)) for part in parts("S(n)", 2, 2)]
    [('(n)', '1'), ('(n-1,1)', 'n - 1'), ('(n-2,1,1)', '1/2 n² - 3/2 n + 1'), ('(n-2,2)', '1/2 n² - 3/2 n')]

    Parts of GL(n) and U(n) are named by pairs of partitions, all absolutely irreducible; so are those of SL(n) and
    SU(n), by the shorter of the pairs that differ by determinants. Those of S(n), O(n) and Sp(n) are named by
    partitions and are absolutely irreducible. In A(n) and SO(n) two parts that differ by the sign are one. A part that
    is its own partner falls in two halves: partitions equal to their
    transpose in A(n), those with n/2 rows in SO(n). Each half is real where it is its own conjugate, since it is
    then the only one of its kind in a real part and so kept by conjugation. Otherwise the halves are each other's
    conjugates, and together one part of complex type: in SO(n) where n/2 is odd, in A(n) where (n - d)/2 is odd, for
    a partition with d boxes on its diagonal. In a product of two parts of complex type the pair is two parts.

    Raises as :func:`floor` does. Source: Weyl; James and Kerber, The Representation Theory of the Symmetric Group, 2.5.
    """
    hom = Hom.parse(group, space_in, space_out)
    if not all(factor.stride or factor.rational for factor in hom.group.factors):
        known = families_with(lambda kind: kind.stride or kind.rational)
        raise GroupError(
            f"the irreducible parts of {hom.group} are not known from partitions: ask for {known} or a product of these"
        )
    for factor in hom.group.factors:
        if factor.stride:
            factor.require_parts(f"the irreducible parts of {hom.group} are not known from partitions")
    columns = [list(zip(*map(orders_of, space.orders), strict=True)) for space in (hom.space_in, hom.space_out)]
    symbols = size_symbols(len(hom.group.factors))
    over = [hom.group.over_complex] * len(symbols)
    shared = reduce(_times, map(_factor_parts, hom.group.factors, symbols, *columns, over))
    return tuple(part for part in shared if any(part.copies_in) and any(part.copies_out))


def _wide(side: str, space: Space, copies_of: Sequence[int]) -> Polynomial:
    """The channels of all terms together, each as often as its term holds a part."""
    return sum(
        (Polynomial.of(channel_symbol(side, term, len(space))) * count for term, count in enumerate(copies_of)),
        Polynomial(),
    )


def _factor_parts(
    group: Group, symbol: str, orders_in: Sequence[Order], orders_out: Sequence[Order], over_complex: bool
) -> list[Part]:
    """The parts that some input and some output term share, for a group that is no product.

    ``over_complex``: of complex tensors, where parts of complex type fall in two.
    """
    total = max(map(axes_of, orders_in)) + max(map(axes_of, orders_out))
    enough = stable_from(group, total)
    # From there on no two shared parts differ by the sign, and a letter has the parts of any number.
    stable = isinstance(group.n, str) or group.n >= enough
    sized = group.at(enough) if isinstance(group.n, str) else group
    # Where no head fits, twisted tensors and others have no part in common.
    apart = isinstance(group.n, str) or (group.n > total + 1 and not group.split)
    held = {order: _held(sized, order, stable, apart) for order in {*orders_in, *orders_out}}
    shapes_in, shapes_out = ({shape for order in orders for shape in held[order]} for orders in (orders_in, orders_out))
    shared = []
    for key in sorted(shapes_in & shapes_out, key=lambda key: (key[1], group.boxes(key[0]), key[0])):
        shape, twisted = key
        dim = dimension_polynomial(group, shape, symbol)
        name = group.part_name(shape, symbol) + " det" * twisted
        text = irrep_text(group, shape, twisted)
        into, out = (tuple(held[order].get(key, 0) for order in orders) for orders in (orders_in, orders_out))
        if stable or not sized.splits(shape):
            shared.append(Part(name, dim, 1, into, out, (text,)))
        elif sized.complex_halves(shape) and not over_complex:
            shared.append(Part(name, dim, 2, into, out, (text,)))
        else:
            shared += [Part(name + sign, dim / 2, 1, into, out, (text + sign,)) for sign in "+-"]
    return shared


def _times(first: list[Part], second: list[Part]) -> list[Part]:
    """The parts of a product of two groups."""
    if len(first) * len(second) > MAX_PARTS:
        raise SizeError(f"the spaces share more than {MAX_PARTS:,} irreducible parts: ask for lower orders")
    products = []
    for one in first:
        for two in second:
            name, dim, text = f"{one.name} x {two.name}", one.dim * two.dim, one.text + two.text
            into, out = (
                tuple(map(prod, zip(*pair, strict=True)))
                for pair in ((one.copies_in, two.copies_in), (one.copies_out, two.copies_out))
            )
            if one.delta == two.delta == 2:
                # With u and its conjugate u', w and w': u w beside u' w', and u w' beside u' w.
                products += [
                    Part(f"({name}){sign}", dim / 2, 2, into, out, (*text[:-1], text[-1] + sign)) for sign in "+-"
                ]
            else:
                products.append(Part(name, dim, one.delta * two.delta, into, out, text))
    return products


def _held(group: Group, order: Order, stable: bool, apart: bool) -> dict[tuple[Label, bool], int]:
    """The copies of parts in tensors of an order, and whether they are twisted, for those that are kept apart."""
    (one,) = irreps_of(order)
    (kind,) = entries_of(order)
    tensors = kind if isinstance(kind, Symmetry | Valence) else axes_of(order)
    walks = copies(group, tensors) if one is None else {one.label: 1}
    walks = walks if stable else _joined(group, walks)
    twisted = any(twists_of(order)) and group.flips
    if twisted and not apart:
        walks = {group.twisted_part(shape): count for shape, count in walks.items()}
    return {(shape, twisted and apart): count for shape, count in walks.items()}


def _joined(group: Group, walks: dict[Label, int]) -> dict[Label, int]:
    """The copies of parts, with labels that name the same part joined: in A(n), SO(n) those that differ by a sign."""
    joined: dict[Label, int] = {}
    for shape, count in walks.items():
        first = group.joined(shape)
        joined[first] = joined.get(first, 0) + count
    return joined
