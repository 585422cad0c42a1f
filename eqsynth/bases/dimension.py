"""Dimensions of the spaces of equivariant maps, from representation theory alone.

They use no diagram, which is why they can prove that a set of diagrams is complete.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import product
from math import factorial, prod

from eqsynth.exact.limits import afford
from eqsynth.families.group import Group
from eqsynth.spaces import exchanges
from eqsynth.spaces.space import Symmetry, Valence


def dimension(group: Group, total: int) -> int:
    """How many independent equivariant maps V^k -> V^l there are, for k + l = ``total``.

    >>> from eqsynth import Group
    >>> from eqsynth.bases.dimension import dimension
    >>> dimension(Group("S", 3), 4), dimension(Group("SO", 3), 7), dimension(Group("S", "n"), 4)
    (14, 36, 15)

    With n a letter the answer holds for every n that is large enough (see :func:`stable_from`).

    Source: S(n) and A(n) by Stirling numbers (arXiv 2212.08648, 2301.10152). O, SO and Sp by Schur-Weyl duality:
    V^m is the sum over partitions of m with at most n rows of an irrep of GL(n), as often as there are standard
    tableaux, and it has one invariant of O(n) if all rows are even, of SO(n) also if there are n odd rows, and of Sp(n)
    if all columns are even (Macdonald, Symmetric Functions, I.5 and VII.2); none otherwise.

    Raises SizeError for numbers of partitions that take too long to go through.
    """
    return group.dimension(total)


def symmetric_dimension(group: Group, *parts: int | Symmetry | Valence) -> int:
    """The same between tensors with symmetries of indices: how many equivariant maps and constants there are.

    >>> from eqsynth import Group
    >>> from eqsynth.bases.dimension import symmetric_dimension
    >>> from eqsynth.spaces.space import Symmetry
    >>> two = Symmetry("S", 2)
    >>> [symmetric_dimension(Group(name, "n"), two, two) for name in ("S", "O", "Sp")]
    [9, 2, 1]
    >>> elasticity = Symmetry("[ijkl=jikl=klij]", 4)
    >>> symmetric_dimension(Group("O", 3), elasticity, elasticity)
    9

    ``parts`` are the tensor spaces that are multiplied, of inputs and outputs alike; a number is that many plain axes.
    Which are axes of V* the group says itself (``Group.between``).

    Source: S(n) and A(n): multisets of block types, where types that an exchange gives a sign stand once at most
    (arXiv 2503.11276 for symmetric inputs and outputs). O, SO and Sp: the polynomial representations with an
    invariant (even rows, all rows odd, even columns), counted by Pieri's rule (Macdonald, Symmetric Functions, I.5).
    Other symmetries: the number is linear in the cycle index of a symmetry, which is a sum of products of those of
    symmetric tensors, with whole coefficients (:func:`symmetric_parts`).
    """
    total = short_products(parts, ordered=group.sides is not None)
    return sum(count * group.symmetric_dimension(listed) for listed, count in total.items() if count)


def power_dimension(group: Group, powers: Sequence[tuple[int | Symmetry, int]], *others: int | Symmetry) -> int:
    """The same for polynomial maps: of degree m in a tensor x of each of the spaces, for pairs (space, m).

    >>> from eqsynth import Group
    >>> from eqsynth.bases.dimension import power_dimension
    >>> from eqsynth.spaces.space import Symmetry
    >>> stress = Symmetry("S", 2)
    >>> [power_dimension(Group("O", 3), [(stress, m)], stress) for m in (1, 2, 3, 4)]
    [2, 4, 6, 9]

    ``others`` are the spaces of outputs, and of inputs that the maps are linear in. Products of m equal factors are the
    symmetric power of their space, whose character is the plethysm of h_m and that of the space: the mean over
    permutations of the factors of products of its values at powers of an element (Macdonald, Symmetric Functions, I.8).
    """
    sums = [*(_power_parts(*power) for power in powers), *map(_short_parts, _pieces(others))]
    total = _multiplied(sums, ordered=group.sides is not None)
    return sum(count * group.symmetric_dimension(listed) for listed, count in total.items() if count)


def short_products(parts: Sequence[int | Symmetry | Valence], ordered: bool) -> Counter[tuple[int | Symmetry, ...]]:
    """A product of tensor spaces as a sum of products of symmetric, alternating and plain tensors, each so often.

    >>> from eqsynth.bases.dimension import short_products
    >>> from eqsynth.spaces.space import Symmetry
    >>> dict(short_products([Symmetry("[ijkl=jikl=klij]", 4)], ordered=False)) == {
    ...     (Symmetry("S", 4),): 1, (1, Symmetry("S", 3)): -1, (Symmetry("S", 2), Symmetry("S", 2)): 1}
    True

    ``ordered``: it matters which parts lie where, as with axes of V and of V*; else equal products are counted once.
    """
    return _multiplied([_short_parts(piece) for piece in _pieces(parts)], ordered)


def _pieces(parts: Sequence[int | Symmetry | Valence]) -> list[int | Symmetry]:
    """Parts without those that are products themselves."""
    return [
        piece
        for part in parts
        for piece in (
            [part.order] if isinstance(part, Valence) else part.pieces if isinstance(part, Symmetry) else [part]
        )
    ]


def _multiplied(
    sums: Sequence[Sequence[tuple[tuple[int | Symmetry, ...], int]]], ordered: bool
) -> Counter[tuple[int | Symmetry, ...]]:
    """The product of sums of products of spaces."""
    afford("counting maps between these symmetries", "ask for fewer indices", steps=300 * prod(map(len, sums)))
    total: Counter[tuple[int | Symmetry, ...]] = Counter()
    for chosen in product(*sums):
        listed = [part for terms, _ in chosen for part in terms]
        total[tuple(listed if ordered else sorted(listed, key=str))] += prod(n for _, n in chosen)
    return total


def _short_parts(part: int | Symmetry) -> list[tuple[tuple[int | Symmetry, ...], int]]:
    """Products of symmetric, alternating and plain tensors, each so often, that add up to a part."""
    if isinstance(part, int) or part.short:
        return [((part,), 1)]
    return _of_orders(symmetric_parts(part))


def _of_orders(parts: Mapping[tuple[int, ...], int]) -> list[tuple[tuple[int | Symmetry, ...], int]]:
    return [(tuple(Symmetry("S", k) if k > 1 else k for k in orders), count) for orders, count in parts.items()]


@lru_cache(maxsize=256)
def _power_parts(part: int | Symmetry, degree: int) -> list[tuple[tuple[int | Symmetry, ...], int]]:
    """The same for the symmetric power of a part."""
    if degree == 1:
        return _short_parts(part)
    index = Counter({(1,) * part: 1}) if isinstance(part, int) else exchanges.cycle_types(part.kind, part.order)
    size = 1 if isinstance(part, int) else part.size
    total: Counter[tuple[int, ...]] = Counter()
    for kind, times in exchanges.cycle_types("S", degree).items():
        for chosen in product(index.items(), repeat=len(kind)):
            lengths = [length * cycle for length, (cycles, _) in zip(kind, chosen, strict=True) for cycle in cycles]
            total[tuple(sorted(lengths))] += times * size ** (degree - len(kind)) * prod(count for _, count in chosen)
    return _of_orders(_in_symmetric(total, factorial(degree) * size**degree))


@lru_cache(maxsize=256)
def symmetric_parts(symmetry: Symmetry) -> Mapping[tuple[int, ...], int]:
    """Products of symmetric tensors, each so often, that add up to the tensors of a symmetry, for every group.

    >>> from eqsynth.bases.dimension import symmetric_parts
    >>> from eqsynth.spaces.space import Symmetry
    >>> symmetric_parts(Symmetry("[ijkl=jikl=klij]", 4))  # S4 + S2 x S2 - S3 x V
    {(4,): 1, (3, 1): -1, (2, 2): 1}

    The character of GL(n) on the tensors of a symmetry is its cycle index: the mean over its permutations of their
    signs times products of power sums, one for each cycle. That on symmetric tensors of order k is the complete
    symmetric function h_k, and power sums are polynomials in these, by Newton's identities: the power sum p_k is
    k h_k - p_1 h_(k-1) - ... - p_(k-1) h_1 (Macdonald, Symmetric Functions, I.2).
    """
    return _in_symmetric(exchanges.cycle_types(symmetry.kind, symmetry.order), symmetry.size)


def _in_symmetric(index: Mapping[tuple[int, ...], int], size: int) -> dict[tuple[int, ...], int]:
    """A cycle index, products of power sums times so much, as a combination of products of symmetric functions h."""
    powers: list[Counter[tuple[int, ...]]] = [Counter({(): 1})]
    for k in range(1, max(map(sum, index), default=0) + 1):
        power: Counter[tuple[int, ...]] = Counter({(k,): k})
        for j in range(1, k):
            for orders, count in powers[j].items():
                power[tuple(sorted((*orders, k - j), reverse=True))] -= count
        powers.append(power)
    total: Counter[tuple[int, ...]] = Counter()
    for lengths, signed in index.items():
        term: Counter[tuple[int, ...]] = Counter({(): signed})
        for length in lengths:
            larger: Counter[tuple[int, ...]] = Counter()
            for (a, count), (b, other) in product(term.items(), powers[length].items()):
                larger[tuple(sorted((*a, *b), reverse=True))] += count * other
            term = larger
        total.update(term)
    return {orders: count // size for orders, count in sorted(total.items(), reverse=True) if count}


def stable_from(group: Group, total: int) -> int:
    """The least n from which the dimension no longer changes and every headless diagram is needed."""
    return group.stable_from(total)
