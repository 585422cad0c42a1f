"""Averages over a group: Weingarten functions by type, and moments of the entries of a random element.

A mean over a compact group is a sum over pairs of diagrams. Their weights are the Weingarten function, the inverse of
the Gram matrix, which depends on the type of two diagrams alone and is diagonal in the spherical functions of the type
(:mod:`eqsynth.exact.spherical`): nothing is inverted. Moments count pairs of diagrams by type, without a list of them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import permutations, product
from math import factorial, prod
from typing import Any

from eqsynth.errors import EqsynthError, GroupError, ParseError, SizeError, SymbolicError, explain_calls, shown
from eqsynth.exact.numbers import ordered, whole
from eqsynth.exact.partitions import Shape, partitions, stirling2
from eqsynth.exact.permutations import sign as sign_of
from eqsynth.exact.ring import RationalFunction, sum_of
from eqsynth.exact.spherical import MATCHINGS, PERMUTATIONS, content_roots, spherical, weight
from eqsynth.families.group import Group

#: The most pairs of entries that are averaged.
MAX_PAIRS = 12
#: The most partial diagrams that are told apart while pairs of them are counted.
MAX_STATES = 200_000
#: The most things of a set partition.
MAX_POINTS = 16

#: For each kind of matrices which types there are.
_ALPHA = {"unitary": PERMUTATIONS, "orthogonal": MATCHINGS, "symplectic": MATCHINGS}
#: Of which kind the matrices are among which those of determinant 1 are taken.
_DETERMINANT_ONE = {
    "special orthogonal": "orthogonal",
    "special unitary": "unitary",
    "even permutation": "permutation",
}
#: The largest power of a determinant, as a number of products, that is multiplied out.
MAX_PRODUCTS = 720
#: A product of entries as text: g[0,1], its conjugate g*[0,1], its modulus |g[0,1]|, each with a power.
_ENTRY = re.compile(r"\s*(?:\|g\[(\d+),\s*(\d+)\]\|\s*\^\s*(\d+)|g(\*?)\[(\d+),\s*(\d+)\](?:\s*\^\s*(\d+))?)\s*")
_EXAMPLE = 'write "g[0,0]^4 g[0,1]^2", g*[0,0] for a conjugate, |g[0,0]|^2 for the square of a modulus'


#: Terms of a sum: the roots of the denominator, with their powers, and the factor.
Terms = list[tuple[Counter[int], Fraction]]


# --- Weingarten functions -----------------------------------------------------------------------------


@cache
def by_type(pairs: int, alpha: int) -> dict[Shape, RationalFunction]:
    """The Weingarten function of U(n) (alpha = 1) or of O(n) (alpha = 2) at every type of so many pairs.

    >>> from eqsynth.bases.haar import by_type
    >>> {kind: str(value) for kind, value in by_type(2, 2).items()}
    {(2,): '-1/(n (n - 1) (n + 2))', (1, 1): '(n + 1)/(n (n - 1) (n + 2))'}
    """
    functions = spherical(pairs, alpha)
    return {
        kind: _sum(_terms({shape: own[kind] for shape, own in functions.items()}, alpha)) for kind in partitions(pairs)
    }


def _terms(parts: Mapping[Shape, Fraction], alpha: int, sign: int = 1) -> Terms:
    """The inverse Gram matrix on a function whose part of each partition has this value at the type of singletons."""
    return [
        (
            Counter({sign * root: power for root, power in content_roots(shape, alpha).items()}),
            weight(shape, alpha) * value,
        )
        for shape, value in parts.items()
        if value
    ]


def _sum(terms: Terms) -> RationalFunction:
    return sum_of(
        RationalFunction.from_roots({root: -power for root, power in roots.items()}) * factor for roots, factor in terms
    )


@explain_calls
def weingarten_function(group: str | Group, kind: Sequence[Any]) -> RationalFunction | Fraction:
    """The Weingarten function of U(n), O(n) or Sp(n) at a type, and of S(n) at two set partitions.

    >>> from eqsynth.symbolic import weingarten_function
    >>> print(weingarten_function("U(n)", (2, 1)), "and", weingarten_function("O(n)", [2]))
    -1/((n - 1) (n - 2) (n + 1) (n + 2)) and -1/(n (n - 1) (n + 2))
    >>> weingarten_function("U(2)", (1, 1, 1))
    Fraction(17, 144)
    >>> print(weingarten_function("S(n)", ([(0, 1)], [(0,), (1,)])))
    -1/(n (n - 1))

    It is the entry of :func:`weingarten` of any two such diagrams, without the matrix. ``kind``: for U(n) the cycle
    type of a permutation of k things; for O(n) and Sp(n) half the sizes of the loops of the union of two perfect
    matchings of 2 k things; k is at most 12. For S(n) both partitions, of up to 16 things. A rational function of n
    where n is a letter. At a number n at which diagrams are dependent their Gram matrix has no inverse; then it is the
    pseudo-inverse, for S(n) another inverse (G W G = G), with which averages are the same sums over all diagrams. Of
    Sp(n) it is that of O at -n, times (-1)^k; :func:`inner` says which sign a pair of diagrams has.

    How: the sum over partitions of k of their spherical functions, divided by the products of n + contents of boxes
    (Jucys-Murphy elements); nothing is inverted. For S(n) the sum over the partitions that are finer than both of two
    Moebius functions, divided by n (n - 1) ... for their blocks.

    Raises GroupError for other groups, SymbolicError for what is no type, SizeError for larger ones.
    Source: Collins and Sniady, math-ph/0402073; Collins and Matsumoto, arXiv 0903.5143; Zinn-Justin, 0907.2719.
    """
    group = Group.parse(group)
    if group.haar == "permutation":
        terms = _of_partitions(kind)
    elif group.haar in _ALPHA:
        terms = _of_type(kind, _ALPHA[group.haar], -1 if group.haar == "symplectic" else 1)
    else:
        matrix = f", or for the matrix, weingarten({str(group)!r}, 1, 1)" if group.maps == "diagrams" else ""
        raise GroupError(
            f"{group} has no Weingarten function of a type alone: ask for U(n), O(n), Sp(n) or S(n){matrix}"
        )
    if isinstance(group.n, int):
        # What has a pole there belongs to the kernel of the Gram matrix.
        terms = [(roots, factor) for roots, factor in terms if not roots[group.n]]
    return _at(_sum(terms), group)


def _of_type(kind: Any, alpha: int, sign: int) -> Terms:
    listed = [whole(size) for size in kind] if ordered(kind) else [None]
    sizes = [size for size in listed if size is not None and size > 0]
    if len(sizes) != len(listed):
        raise SymbolicError(
            f"{shown(kind)} is no type: write the sizes of cycles, or half of those of loops, as (2, 1)"
        )
    if sum(sizes) > MAX_PAIRS:
        raise SizeError(f"a Weingarten function of {sum(sizes):,} pairs is beyond {MAX_PAIRS}: ask for fewer")
    read = tuple(sorted(sizes, reverse=True))
    return _terms({shape: own[read] for shape, own in spherical(sum(read), alpha).items()}, alpha, sign)


def _of_partitions(kind: Any) -> Terms:
    two = [*kind] if ordered(kind) else []
    first, second = map(_blocks, two) if len(two) == 2 else (None, None)
    if first is None or second is None or set(first) != set(second):
        raise SymbolicError(
            f"{shown(kind)} are no two partitions of the same things: write blocks of both, ([(0, 1)], [(0,), (1,)])"
        )
    if len(first) > MAX_POINTS:
        raise SizeError(f"partitions of {len(first)} things are beyond {MAX_POINTS}: ask for smaller ones")
    meet = Counter((first[point], second[point]) for point in first)
    factors: Counter[int] = Counter()
    for cut in product(*(range(1, size + 1) for size in meet.values())):
        factor = prod(map(stirling2, meet.values(), cut))
        for side in (0, 1):
            parts: Counter[int] = Counter()
            for blocks, count in zip(meet, cut, strict=True):
                parts[blocks[side]] += count
            factor *= prod((-1) ** (count - 1) * factorial(count - 1) for count in parts.values())
        factors[sum(cut)] += factor
    return [(Counter(range(count)), Fraction(factor)) for count, factor in factors.items()]


def _blocks(listed: Any) -> dict[int, int] | None:
    """The block of each thing, by its number; None for what are no blocks."""
    if not ordered(listed):
        return None
    known: dict[int, int] = {}
    for number, block in enumerate(listed):
        points = [whole(point) for point in block] if ordered(block) else [None]
        for point in points:
            if point is None or point in known:
                return None
            known[point] = number
    return known


def _at(value: RationalFunction, group: Group) -> RationalFunction | Fraction:
    """A value at the size of a group, or with its letter in place of n."""
    if isinstance(group.n, int):
        return Fraction(in_place_of_n(value, group.n).constant or 0)
    return value if group.n == "n" else in_place_of_n(value, RationalFunction(group.n))


def in_place_of_n(value: RationalFunction, argument: RationalFunction | int) -> RationalFunction:
    """A value with another one in place of its letter, if it has one.

    >>> from eqsynth.bases.haar import in_place_of_n
    >>> from eqsynth.exact.ring import RationalFunction
    >>> print(in_place_of_n(RationalFunction("1/n"), RationalFunction("n - 1")), in_place_of_n(RationalFunction(1), 2))
    1/(n - 1) 1
    """
    return RationalFunction(value(dict.fromkeys(value.letters, argument))) if value.letters else value


# --- Moments ------------------------------------------------------------------------------------------


@explain_calls
def moment(
    group: str | Group,
    entries: str | Iterable[tuple[int, int]],
    conjugated: Iterable[tuple[int, int]] = (),
) -> RationalFunction | Fraction:
    """The mean of a product of entries of a random element g, by Haar measure: a rational function of n, or a number.

    >>> from eqsynth.symbolic import moment
    >>> print(moment("O(n)", "g[0,0]^4"), "and", moment("O(n)", "g[0,0]^2 g[1,1]^2"))
    3/(n (n + 2)) and (n + 1)/(n (n - 1) (n + 2))
    >>> print(moment("U(n)", "|g[0,0]|^2 |g[1,1]|^2"), "and", moment("S(n)", "g[0,0]^3 g[1,2]"))
    1/((n - 1) (n + 1)) and 1/(n (n - 1))
    >>> moment("O(2)", "g[0,0]^4"), moment("U(n)", [(0, 0), (1, 1)], [(0, 1), (1, 0)])(5)
    (Fraction(3, 8), Fraction(-1, 120))
    >>> moment("SO(3)", "g[0,0] g[1,1] g[2,2]"), moment("SU(2)", "g[0,0]^2 g[1,1]^2"), moment("A(3)", "g[0,1] g[1,2]")
    (Fraction(1, 6), Fraction(1, 3), Fraction(1, 3))

    ``entries``: a text, in which ``g[i,j]^3`` is a power, ``g*[i,j]`` a conjugate and ``|g[i,j]|^4`` a power of a
    modulus; or pairs (row, column), with ``conjugated`` those of conjugated entries. Rows and columns count from 0. Or
    any polynomial in entries as SymPy writes it, with ``conjugate(g[i, j])``, even powers of ``Abs(g[i, j])``, ``Sum``
    and ``Product`` over numbers:

    >>> import sympy
    >>> g, n = sympy.IndexedBase("g"), sympy.Symbol("n")
    >>> print(moment("O(n)", (g[0, 0] ** 2 + g[0, 1] ** 2) ** 2 - 8 / (n**2 + 2 * n)))
    0

    Groups: O(n), U(n), the compact symplectic group Sp(n) (unitary matrices that keep omega, whose entries are
    complex), permutation matrices S(n) and signed ones H(n), all with their invariant measure of total mass 1; with n a
    number SO(n), SU(n) and A(n). Up to 24 entries in all, for these with those of the determinants.

    **Where it holds.** At every n above all indices, small n included: no pole is among these. The rows of the entries
    are an index tuple I. A combination c of diagrams that is zero at n is so at I, too: the vector v of the entries at
    I of all diagrams is orthogonal to c. So v has no part that belongs to the kernel of the Gram matrix at n, and this
    consists of the partitions whose products of contents are zero there. The terms with a pole at n have the
    coefficient 0, and the others are the pseudo-inverse.

    How: pairs of diagrams, one for the rows and one for the columns, are counted by type in partial diagrams, of which
    equal ones count once; the Weingarten function by characters. Determinants are multiplied out: the mean over SO(n)
    and A(n) is that of f + det f over O(n) and S(n); that over SU(n) is zero unless there are t n entries more than
    conjugates, and then that of f conj(det)^t over U(n). They count from n entries on, for A(n) from n - 1 on.

    Raises ParseError for other texts, GroupError for other groups, SymbolicError for indices beyond n and for SO(n),
    SU(n), A(n) with n a letter, SizeError for more entries.
    Source: Collins and Sniady, math-ph/0402073; Collins and Matsumoto, arXiv 0903.5143.
    """
    group = Group.parse(group)
    if not group.haar:
        raise GroupError(
            f"{group} has no moments here: ask for O(n), U(n), Sp(n), S(n) or H(n), or for SO, SU or A at a number"
        )
    kind = _DETERMINANT_ONE.get(group.haar, group.haar)
    if kind != group.haar and isinstance(group.n, str):
        raise SymbolicError(
            f"determinants count in moments of {group} from n - 1 or n entries on, so that no formula holds at "
            f"every n: ask for a number, or for {group.headless}({group.n}), whose moments of fewer entries agree"
        )
    if type(entries).__module__.partition(".")[0] == "sympy":
        terms = [(moment(group, *pairs), factor) for factor, *pairs in _polynomial(entries)]
        total = sum((RationalFunction(mean) * factor for mean, factor in terms), RationalFunction(0))
        return total if group.symbolic or total.letters else Fraction(total.constant or 0)
    plain, conjugate = _entries(entries, conjugated)
    most = max((index for pair in (*plain, *conjugate) for index in pair), default=-1)
    if isinstance(group.n, int) and most >= group.n:
        raise SymbolicError(f"{group} has rows and columns 0 to {group.n - 1}, not {most}: they count from 0")
    if kind != group.haar:
        return _of_determinant_one(kind, group.number, plain, conjugate)
    return _at(_mean(kind, plain, conjugate), group)


def _mean(haar: str, plain: Pairs, conjugate: Pairs) -> RationalFunction:
    if haar in _ALPHA:
        return _by_diagrams(haar, plain, conjugate)
    return _of_permutations(haar, [*plain, *conjugate])


def _of_determinant_one(haar: str, n: int, plain: Pairs, conjugate: Pairs) -> Fraction:
    """The mean over the elements of determinant 1 among the matrices of a kind.

    With a determinant it is zero where too many rows or columns are not named: an exchange of two of these changes the
    sign, and so does a -1 in one where the group has it; diagonal matrices of SU(n) turn an unnamed row alone.
    """
    power, left = divmod(len(plain) - len(conjugate), n)
    # Half of the elements have determinant 1; of S(1) all.
    halves = [0, 1] if haar == "orthogonal" or n > 1 else [0]
    powers = halves if haar != "unitary" else [] if left else [power]
    named = min(len({pair[side] for pair in (*plain, *conjugate)}) for side in (0, 1))
    if named < n - (haar == "permutation"):
        powers = [power for power in powers if power == 0]
    total = Fraction(0)
    for power in powers:
        for entries, factor in _determinants(n, abs(power)).items():
            # The inverse of a determinant is its conjugate.
            more = (
                (plain, [*conjugate, *entries]) if haar == "unitary" and power > 0 else ([*plain, *entries], conjugate)
            )
            _afford(len(more[0]) + len(more[1]))
            total += factor * Fraction(in_place_of_n(_mean(haar, *map(sorted, more)), n).constant or 0)
    return total


def _determinants(n: int, power: int) -> Counter[tuple[tuple[int, int], ...]]:
    """A power of the determinant of an n x n matrix: products of entries, and their coefficients."""
    if not power:
        return Counter({(): 1})
    if factorial(n) ** power > MAX_PRODUCTS:
        raise SizeError(
            f"the determinant of a {n} x {n} matrix to the power {power} has too many products to be averaged: ask for "
            "fewer entries, or a smaller n"
        )
    one = {tuple(enumerate(places)): sign_of(places) for places in permutations(range(n))}
    products: Counter[tuple[tuple[int, int], ...]] = Counter({(): 1})
    for _ in range(power):
        products, before = Counter(), products
        for (known, factor), (entries, own) in product(before.items(), one.items()):
            products[tuple(sorted((*known, *entries)))] += factor * own
    return products


#: Rows and columns.
Pairs = list[tuple[int, int]]


def _entries(entries: Any, conjugated: Any) -> tuple[Pairs, Pairs]:
    """The entries and the conjugated ones, each as often as it stands in the product."""
    if not isinstance(entries, str):
        return _pairs(entries), _pairs(conjugated)
    plain, conjugate, at = Counter[tuple[int, int]](), Counter(_pairs(conjugated)), 0
    while at < len(entries):
        match = _ENTRY.match(entries, at)
        if not match:
            raise ParseError("product", entries, at, "no entry of g", _EXAMPLE)
        row, column, power, star, i, j, own = match.groups()
        if row is not None:
            if int(power) % 2:
                raise ParseError("product", entries, at, "an odd power of a modulus is no polynomial", _EXAMPLE)
            plain[int(row), int(column)] += int(power) // 2
            conjugate[int(row), int(column)] += int(power) // 2
        else:
            (conjugate if star else plain)[int(i), int(j)] += int(own or 1)
        at = match.end()
        _afford(plain.total() + conjugate.total())
    return sorted(plain.elements()), sorted(conjugate.elements())


def _polynomial(expression: Any) -> Iterator[tuple[RationalFunction, Pairs, Pairs]]:
    """The terms of a polynomial of SymPy in the entries of one matrix: coefficient, entries, conjugated entries."""
    import sympy
    from sympy.matrices.expressions.matexpr import MatrixElement

    if expression.has(sympy.Sum, sympy.Product):
        expression = expression.doit()
    example = 'write g = sympy.IndexedBase("g"), g[0, 0]**2 * conjugate(g[0, 1]) * Abs(g[1, 1])**2'
    found = sorted(expression.atoms(sympy.Indexed, MatrixElement), key=str)
    whole_matrices = expression.atoms(sympy.IndexedBase, sympy.MatrixSymbol) - {entry.args[0] for entry in found}
    if whole_matrices or not isinstance(expression, sympy.Expr):
        raise EqsynthError(f"{shown(expression)} is no polynomial in entries of g: {example}")
    if len({entry.args[0] for entry in found}) > 1:
        raise EqsynthError(f"{shown(expression)} has entries of several matrices, and one is random: {example}")
    places: dict[Any, tuple[bool, tuple[int, int]]] = {}
    plain: dict[Any, Any] = {}
    conjugate: dict[Any, Any] = {}
    for entry in found:
        (pair,) = _pairs([entry.args[1:]])
        for star, known in ((False, plain), (True, conjugate)):
            known[entry] = sympy.Dummy()
            places[known[entry]] = star, pair
    # Even powers of a modulus are powers of its square.
    even = expression.replace(
        lambda part: part.is_Pow and part.base.func is sympy.Abs and part.exp.is_even and part.exp > 0,
        lambda part: (part.base.args[0] * sympy.conjugate(part.base.args[0])) ** (part.exp / 2),
    )
    stars = {sympy.conjugate(entry): letter for entry, letter in conjugate.items()}
    changed = even.xreplace(stars).xreplace(plain)
    letters = [*places]
    try:
        terms = sympy.Poly(changed, *letters).terms() if letters else [((), changed)]
        read = [(powers, RationalFunction(factor)) for powers, factor in terms]
    except SymbolicError as error:
        raise EqsynthError(
            f"the coefficients of {shown(expression)} are no rational functions: keep roots, I and floats out of the "
            "moment, which is linear, and multiply by them behind it"
        ) from error
    except sympy.PolynomialError as error:
        raise EqsynthError(f"{shown(expression)} is no polynomial in entries of g: {example}") from error
    if len(read) > MAX_PRODUCTS:
        raise SizeError(f"{len(read):,} products of entries are beyond {MAX_PRODUCTS}: ask for a smaller sum")
    for powers, factor in read:
        sides: tuple[Pairs, Pairs] = [], []
        for letter, power in zip(letters, powers, strict=True):
            star, pair = places[letter]
            _afford(len(sides[0]) + len(sides[1]) + power)
            sides[star].extend([pair] * power)
        yield factor, *sides


def _pairs(listed: Any) -> Pairs:
    read: Pairs = []
    if not ordered(listed):
        raise EqsynthError(f"{shown(listed)} lists no entries: write pairs (row, column), [(0, 0), (0, 1)]")
    for pair in listed:
        indices = [whole(index) for index in pair] if ordered(pair) else []
        if len(indices) != 2 or any(index is None or index < 0 for index in indices):
            raise EqsynthError(f"{shown(pair)} is no row and column, two whole numbers from 0 on: write (0, 1)")
        read.append((int(indices[0] or 0), int(indices[1] or 0)))
        _afford(len(read))
    return sorted(read)


def _afford(count: int) -> None:
    if count > 2 * MAX_PAIRS:
        raise SizeError(f"a product of more than {2 * MAX_PAIRS} entries takes too long: ask for fewer")


def _of_permutations(haar: str, entries: Pairs) -> RationalFunction:
    """Entries are 0 and 1, or signs: all that are not 0 are different ones of a permutation."""
    distinct = set(entries)
    rows, columns = ({pair[side] for pair in distinct} for side in (0, 1))
    even = haar == "permutation" or all(count % 2 == 0 for count in Counter(entries).values())
    if not even or len(rows) < len(distinct) or len(columns) < len(distinct):
        return RationalFunction(0)
    return RationalFunction.from_roots(dict.fromkeys(range(len(distinct)), -1))


@dataclass(frozen=True, slots=True)
class _Form:
    """What a pair of a diagram joins: an index and its partner, with a sign if they are the other way round."""

    partner: Callable[[tuple[int, int]], tuple[int, int]]
    sign: Callable[[tuple[int, int]], int]
    #: The sign of a path that is read backwards, and of a loop of 2 pairs of each diagram.
    turned: int = 1


_FORMS = {
    "orthogonal": _Form(lambda x: x, lambda _: 1),
    "unitary": _Form(lambda x: (x[0], 1 - x[1]), lambda _: 1),
    "symplectic": _Form(lambda x: (x[0] ^ 1, 0), lambda x: 1 - 2 * (x[0] % 2), -1),
}

#: A path of pairs, of rows and of columns in turn: the columns at its ends, and how many pairs of rows it has.
Path = tuple[tuple[int, int], tuple[int, int], int]
#: Partial diagrams: their paths, in order.
State = tuple[Path, ...]


def _by_diagrams(haar: str, plain: Pairs, conjugate: Pairs) -> RationalFunction:
    """The sum over pairs of diagrams of the Weingarten function of their type."""
    form, sign = _FORMS[haar], 1
    side = 1 if haar == "unitary" else 0
    items = [((i, 0), (j, 0)) for i, j in plain]
    for i, j in conjugate:
        if haar == "symplectic":
            # The conjugate is omega g omega^-1.
            items.append(((i ^ 1, 0), (j ^ 1, 0)))
            sign *= 1 - 2 * ((i + j) % 2)
        else:
            items.append(((i, side), (j, side)))
    if len(items) % 2 or any(_unpaired(form, [item[end] for item in items]) for end in (0, 1)):
        return RationalFunction(0)
    counted = _Counted(form)
    types: Counter[Shape] = Counter()
    for state, factor in counted.rows(tuple(sorted(items))).items():
        for kind, count in counted.types(state).items():
            types[kind] += factor * count
    alpha, mirrored = _ALPHA[haar], -1 if haar == "symplectic" else 1
    functions = spherical(len(items) // 2, alpha)
    parts = {
        shape: sum((sign * count * own[kind] for kind, count in types.items()), Fraction(0))
        for shape, own in functions.items()
    }
    # The signs (-1)^k of the function at -n, and of its products of contents there, cancel.
    return _sum(_terms(parts, alpha, mirrored))


def _unpaired(form: _Form, labels: list[tuple[int, int]]) -> bool:
    """Whether no diagram pairs all of these indices."""
    counts = Counter(labels)
    return any(
        count % 2 if form.partner(label) == label else count != counts[form.partner(label)]
        for label, count in counts.items()
    )


class _Counted:
    """Pairs of diagrams, counted by type with their signs: what is left of them is worked out once."""

    def __init__(self, form: _Form) -> None:
        self.form = form
        self._rows: dict[Any, Counter[State]] = {(): Counter({(): 1})}
        self._types: dict[State, Counter[Shape]] = {(): Counter({(): 1})}

    def rows(self, items: tuple[tuple[tuple[int, int], tuple[int, int]], ...]) -> Counter[State]:
        """The diagrams that pair the rows of entries (row, column), by the paths that they make between columns."""
        if items in self._rows:
            return self._rows[items]
        counted: Counter[State] = Counter()
        (row, column), *others = items
        partner = self.form.partner(row)
        for other, count in Counter(others).items():
            if other[0] != partner:
                continue
            rest = others.copy()
            rest.remove(other)
            path, sign = self._oriented(column, other[1], 1)
            for state, factor in self.rows(tuple(rest)).items():
                counted[tuple(sorted((*state, path)))] += factor * count * sign * self.form.sign(row)
        self._remember()
        self._rows[items] = counted
        return counted

    def types(self, state: State) -> Counter[Shape]:
        """The diagrams that pair the ends of paths, by the sizes of the loops that close."""
        if state in self._types:
            return self._types[state]
        counted: Counter[Shape] = Counter()
        (start, end, size), *others = state
        partner = self.form.partner(end)
        if start == partner:
            loop = self.form.sign(start) * self.form.turned ** (size - 1)
            for kind, count in self.types(tuple(others)).items():
                counted[tuple(sorted((*kind, size), reverse=True))] += count * loop
        for other, times in Counter(others).items():
            first, last, more = other
            rest = others.copy()
            rest.remove(other)
            for near, far, turned in ((first, last, 1), (last, first, self.form.turned)):
                if near != partner:
                    continue
                path, sign = self._oriented(start, far, size + more)
                factor = times * turned * sign * self.form.sign(near)
                for kind, count in self.types(tuple(sorted((*rest, path)))).items():
                    counted[kind] += count * factor
        self._remember()
        self._types[state] = counted
        return counted

    def _oriented(self, start: tuple[int, int], end: tuple[int, int], size: int) -> tuple[Path, int]:
        """A path with the lesser end first, and its sign."""
        return ((start, end, size), 1) if start <= end else ((end, start, size), self.form.turned)

    def _remember(self) -> None:
        if len(self._rows) + len(self._types) > MAX_STATES:
            raise SizeError("these entries have too many different rows and columns to be averaged: ask for fewer")
