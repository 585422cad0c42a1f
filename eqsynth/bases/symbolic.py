"""Exact algebra of diagrams as functions of n: Gram matrices, their determinants and inverses.

All sizes are exact: whole numbers, fractions, and rational functions of n. No matrix of size
n^l x n^k is formed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, reduce
from itertools import chain, combinations, permutations
from math import factorial, prod
from operator import mul
from typing import TYPE_CHECKING, Any

from eqsynth.bases import basis as bases
from eqsynth.bases import dimension
from eqsynth.bases.basis import Basis
from eqsynth.bases.haar import by_type, in_place_of_n
from eqsynth.bases.matrix_units import matrix_units
from eqsynth.diagrams import enumeration
from eqsynth.diagrams import gram as grams
from eqsynth.diagrams.diagram import Diagram, Element
from eqsynth.errors import EqsynthError, GroupError, SizeError, SymbolicError, explain_calls, require, shown
from eqsynth.exact.limits import afford
from eqsynth.exact.matrix import ExactMatrix, indexed
from eqsynth.exact.numbers import choice, whole
from eqsynth.exact.partitions import components
from eqsynth.exact.permutations import sign as sign_of
from eqsynth.exact.permutations import sorted_heads
from eqsynth.exact.ring import RationalFunction, from_flint
from eqsynth.exact.spherical import MATCHINGS, PERMUTATIONS
from eqsynth.families.group import Group, families_with
from eqsynth.families.hom import fitted_order, maps_of
from eqsynth.spaces.space import (
    Order,
    Twisted,
    Valence,
    axes_of,
    is_plain,
    plain_order,
    read_order,
)

if TYPE_CHECKING:
    import flint
    import numpy as np
    from numpy.typing import NDArray

#: Bases of the maps between two tensor powers that have exact coordinates in each other.
BASES = ("diagrams", "orbits", "irreps")
#: The largest number of diagrams of a Gram matrix, and of one whose determinant is interpolated.
MAX_ROWS = 1_000
MAX_DETERMINANT = 150


# --- Values -------------------------------------------------------------------------------------------


#: Gram determinants are values as every other; a product of roots is not multiplied out.
Product = RationalFunction


def _number(n: object) -> int:
    """A size that is put in place of the letter, as a plain int: those of NumPy overflow."""
    number = whole(n)
    if number is None:
        raise SymbolicError(f"the letter stands for a whole number, not for {shown(n)}")
    return number


# --- Inner products -----------------------------------------------------------------------------------


@explain_calls
def inner(group: str | Group, first: Diagram, second: Diagram) -> RationalFunction | int:
    """The inner product trace(D^T E) of two diagrams: a polynomial in n, or an int where n is a number.

    >>> from eqsynth import Diagram
    >>> from eqsynth.symbolic import inner
    >>> identity, swap = Diagram(2, 2, ((0, 2), (1, 3))), Diagram(2, 2, ((0, 3), (1, 2)))
    >>> print(inner("O(n)", identity, swap), inner("S(3)", identity, identity))
    n 9
    >>> cap_cup = Diagram(2, 2, ((0, 1), (2, 3)))
    >>> print(inner("Sp(n)", identity, cap_cup), inner("Sp(n)", swap, cap_cup))
    n -n

    S(n), O(n): n^loops, one loop for each block of the join. Sp(n): s(D) s(E) (-1)^(m/2) (-n)^loops,
    m = k + l vertices, with s(D) = (-1)^(crossings of D, all vertices on one line). SO(n) with heads:
    sgn(sigma) n! n^loops where the union joins the free vertices by a bijection sigma, else 0. SL(n) with several
    heads: n^loops times a sum over colourings (:func:`signed_colourings`).
    A(n) with heads: the sign between the heads times n! for equal blocks, else 0. A diagram with a
    head is orthogonal to those without.

    The sign of Sp(n): omega applied to every input is orthogonal and turns all pairs into omega(left,
    right). Along a loop of p pairs of D and p of E, oriented so that both run from odd to even
    vertices, the p factors omega omega^T = 1 give n; the permutation from D's oriented vertices to
    E's is then a p-cycle, of sign (-1)^(p-1), against s(D) s(E) for pairs oriented left to right.

    Raises EqsynthError for diagrams of different orders, GroupError for a diagram that the group
    lacks, SymbolicError for a head where n is a letter. Source: arXiv 2212.08648, 2212.08630.
    """
    group = Group.parse(group)
    if group.maps == "nested":
        return _nested_inner(group, first, second)
    _check(group, (first, second))
    if (first.outputs, first.inputs) != (second.outputs, second.inputs):
        raise EqsynthError(
            f"a diagram {first.inputs} -> {first.outputs} has no inner product with one "
            f"{second.inputs} -> {second.outputs}: ask for two of the same orders"
        )
    factor, power = _monomial(group, first, second)
    if isinstance(group.n, int):
        return int(factor * group.n**power)
    return RationalFunction({((group.n, power),) if power else (): factor})


def _check(group: Group, diagrams: Sequence[Diagram]) -> None:
    if group.maps == "nested":
        raise GroupError(
            f"of {group} there is the Gram matrix of its nested partitions alone, gram({str(group)!r}, 1, 1): its "
            "determinant is gram(...).det()"
        )
    if group.maps != "diagrams":
        known = families_with(lambda kind: kind.maps == "diagrams")
        raise GroupError(f"{group} has no closed inner products: ask for one of {known}")
    for diagram in diagrams:
        require("diagrams", diagram, Diagram, "write eq.Diagram.of(outputs, inputs, blocks)")
        if diagram.head and group.heads and group.symbolic:
            raise SymbolicError(f"{diagram} has a head, and {group} leaves n open: ask for a number in place of n")
        # Inner products know the sign of any order of the head.
        size = len(diagram.head) if group.symbolic else group.number
        head = sorted_heads(diagram.head, size)[0] if diagram.head else ()
        problem = enumeration.misfit(group, replace(diagram, head=head))
        if problem:
            raise GroupError(f"{diagram} is no diagram of {group}, {problem}: ask for one of enumeration.diagrams")


def _monomial(group: Group, first: Diagram, second: Diagram) -> tuple[int, int]:
    """The inner product as factor x n^power."""
    if bool(first.head) != bool(second.head):
        return 0, 0
    if first.head and group.jellyfish:
        if first.blocks != second.blocks:
            return 0, 0
        return sign_of([first.head.index(block) for block in second.head]) * factorial(int(group.n)), 0
    root = components(first.outputs + first.inputs, (*first.blocks, *second.blocks))
    loops = len(set(root))
    if first.head:
        ends = {root[first.blocks[block][0]]: place for place, block in enumerate(first.head)}
        sigma = [ends.get(root[second.blocks[block][0]], -1) for block in second.head]
        if sorted(sigma) != list(range(len(first.head))):
            return 0, 0
        size = int(group.n) if len(sigma) > int(group.n) else len(sigma)
        return signed_colourings(tuple(sigma), size) * factorial(int(group.n)), loops - len(sigma)
    if group.symplectic:
        return _crossing_sign(first) * _crossing_sign(second) * (-1) ** (len(root) // 2 + loops), loops
    return 1, loops


@lru_cache(maxsize=1 << 14)
def signed_colourings(joined: tuple[int, ...], n: int) -> int:
    """The sum of a product of epsilons times another, over n!: leg i of the first ones is leg ``joined[i]`` there.

    >>> from eqsynth.bases.symbolic import signed_colourings
    >>> signed_colourings((1, 0, 2), 3), signed_colourings((0, 1, 2, 3), 2), signed_colourings((0, 2, 1, 3), 2)
    (-1, 2, 1)

    Heads have n legs each, and legs that are joined have one label: a sum over colourings of a graph that has n edges
    at each head, so that n colours meet there, of the product of the signs in which they do. With one head on either
    side it is the sign of a permutation. The labels of the first head are taken in order, once for n! ways.
    """
    heads = len(joined) // n
    if heads <= 1:
        return sign_of(joined)
    total = 0
    other: list[list[int]] = [[-1] * n for _ in range(heads)]

    def colour(head: int, sign: int) -> None:
        nonlocal total
        if head == heads:
            total += sign * prod(map(sign_of, other))
            return
        legs = joined[head * n : (head + 1) * n]
        for labels in permutations(range(n)) if head else (range(n),):
            if not any(label in other[leg // n] for leg, label in zip(legs, labels, strict=True)):
                for leg, label in zip(legs, labels, strict=True):
                    other[leg // n][leg % n] = label
                colour(head + 1, sign * sign_of(labels))
                for leg in legs:
                    other[leg // n][leg % n] = -1

    colour(0, 1)
    return total


def _crossing_sign(diagram: Diagram) -> int:
    crossings = sum(1 for (_, b), (c, d) in combinations(diagram.blocks, 2) if c < b < d)
    return 1 - 2 * (crossings % 2)


# --- Gram matrices ------------------------------------------------------------------------------------


@explain_calls
def gram(
    subject: Basis | Group | str,
    inputs: str | Order | None = None,
    outputs: str | Order | None = None,
    *,
    diagrams: Sequence[Diagram] | None = None,
) -> ExactMatrix:
    """The Gram matrix of a basis, of ``eq.basis(group, inputs, outputs)``, or of given diagrams of a group.

    >>> from eqsynth.symbolic import gram
    >>> print(gram("S(n)", 1, 1))
    n² n
    n  n
    >>> import eqsynth as eq
    >>> print(gram(eq.basis("SO(2)", 1, 1)))
    2 0
    0 2

    >>> print(gram("S(m) wr S(n)", 1, 1))
    m² n² m² n m n
    m² n  m² n m n
    m n   m n  m n

    >>> print(gram("O(3)", "1.det", 2))
    6

    Entry (i, j) is :func:`inner` of diagrams i and j, for wreath products that of nested partitions: a polynomial where
    n is a letter, else a number. Between two tensors that the determinant twists maps are those between others.
    The size is ``len(basis) x len(basis)``.

    Raises SizeError above 1000 diagrams, and what :func:`inner` raises. Source: arXiv 2212.08630.
    """
    group = subject.group if isinstance(subject, Basis) else Group.parse(subject)
    if group.maps == "nested" and diagrams is None:
        return _nested_gram(group, nested_elements(subject, inputs, outputs))
    group, listed = diagrams_of(subject, inputs, outputs, diagrams)
    return _gram(group, listed)


@explain_calls
def change_of_basis(
    group: str | Group, inputs: int, outputs: int, to: str = "orbits", start: str | None = None
) -> ExactMatrix:
    """The exact change between diagrams, orbits and irreps: columns are the old basis in coordinates of the new one.

    >>> from eqsynth.symbolic import change_of_basis
    >>> print(change_of_basis("S(n)", 1, 1))
    1 0
    1 1
    >>> change_of_basis("S(n)", 1, 1, to="diagrams").to_sympy()
    Matrix([
    [ 1, 0],
    [-1, 1]])
    >>> print(change_of_basis("O(n)", 2, 2, to="irreps"))
    n 1 1
    0 1 -1
    0 1 1
    >>> print(change_of_basis("O(n)", 2, 2, start="irreps", to="diagrams"))
    1/n 0    -1/n
    0   1/2  1/2
    0   -1/2 1/2

    ``to`` and ``start`` are ``"diagrams"``, ``"orbits"`` or ``"irreps"``; ``start`` is by itself diagrams, and orbits
    where ``to`` is diagrams. Swapped they give the inverse. Diagrams and orbits are listed by the diagrams of
    ``eq.basis(group, inputs, outputs)`` with n a letter; with n a number those of at most n blocks are left. An orbit
    is where indices agree exactly inside blocks. Irreps are the matrix units of :func:`eqsynth.algebra.matrix_units`,
    part by part and row by row: a column holds the matrices to which a map comes down on the copies of each irrep.
    Above, x -> tr(x) 1 is n on the trivial part, and the exchange of axes is 1, -1, 1.

    How: matrix units U are orthogonal, so that their inverse is D^-1 U^T G, with G the Gram matrix of diagrams and D
    the squares of units.

    Raises GroupError for orbits of groups that are not S(n), H(n) or S'(n), SizeError above 1000 diagrams, and what
    ``matrix_units`` raises. Source: arXiv 2212.08648, section 3, for orbits.
    """
    group = Group.parse(group)
    choice("to", to, BASES)
    start = ("orbits" if to == "diagrams" else "diagrams") if start is None else start
    choice("start", start, BASES)
    if group.duals and "irreps" in (to, start):
        matrix_units(group, inputs, outputs)  # raises: there are none
    inputs, outputs = plain_order(inputs), plain_order(outputs)
    _check(group, ())
    count = dimension.dimension(group, inputs + outputs)
    if count > MAX_ROWS:
        _refuse(group, count)
    most = group.n if isinstance(group.n, int) and group.coarsens else inputs + outputs
    every = sorted(enumeration.diagrams(group, outputs, inputs), key=lambda diagram: diagram.key)
    listed = [diagram for diagram in every if len(diagram.blocks) <= most]
    changes = {"diagrams": _no_change, "orbits": _orbits_to_diagrams, "irreps": _irreps_to_diagrams}
    (first, _), (_, second) = (changes[kind](group, listed) for kind in (start, to))
    return second @ first


#: What there is between two bases: columns in diagrams, and diagrams in them.
Change = tuple[ExactMatrix, ExactMatrix]


def _no_change(_: Group, diagrams: Sequence[Diagram]) -> Change:
    unit = ExactMatrix.of([int(one == other) for other in diagrams] for one in diagrams)
    return unit, unit


def _orbits_to_diagrams(group: Group, diagrams: Sequence[Diagram]) -> Change:
    if not group.coarsens or group.heads:
        raise GroupError(f"the orbit basis is that of S(n), H(n) and S'(n), not of {group}: ask for one of these")
    changes = []
    for table in (grams.relations(diagrams, diagrams).T, grams.coarser(diagrams, diagrams)):
        values, index = indexed(table.ravel().tolist(), len(diagrams), len(diagrams))
        changes.append(ExactMatrix(tuple(map(RationalFunction, values)), index))
    return changes[0], changes[1]


def _irreps_to_diagrams(group: Group, diagrams: Sequence[Diagram]) -> Change:
    """The matrix units U, and U^-1 = D^-1 U^T G: they are orthogonal for the Gram matrix G, with squares D."""
    if not diagrams:
        return _no_change(group, diagrams)
    parts = matrix_units(group, diagrams[0].inputs, diagrams[0].outputs)
    rows = [
        {diagram: RationalFunction(scalar) for scalar, diagram in unit.terms}
        for part in parts.values()
        for row in part
        for unit in row
    ]
    zero = RationalFunction(0)
    transposed = ExactMatrix.of([row.get(diagram, zero) for diagram in diagrams] for row in rows)
    units = ExactMatrix(transposed.values, tuple(zip(*transposed.index, strict=True)))
    lowered = transposed @ _gram(group, tuple(diagrams))
    squares = lowered @ units
    return units, ExactMatrix.of([entry / squares[i, i] for entry in row] for i, row in enumerate(lowered))


def nested_elements(
    subject: Basis | Group | str, inputs: str | Order | None = None, outputs: str | Order | None = None
) -> tuple[Element, ...]:
    """The nested partitions of a basis of a wreath product."""
    if isinstance(subject, Basis):
        return subject.nested()
    group = Group.parse(subject)
    if inputs is None or outputs is None:
        raise EqsynthError(f"the orders are missing: write ({shown(str(group))}, inputs, outputs), or give a basis")
    inputs, outputs = _plain(group, inputs), _plain(group, outputs)
    count = dimension.dimension(group, axes_of(inputs) + axes_of(outputs))
    if count > MAX_ROWS:
        _refuse(group, count)
    return bases.basis(group, inputs, outputs).nested()


def _nested_inner(group: Group, first: Element, second: Element) -> RationalFunction | int:
    """The inner product of two nested partitions."""
    for element in (first, second):
        require("nested partitions", element, tuple, f"take elements of eq.basis({str(group)!r}, 1, 1)")
        parts: tuple[object, ...] = element  # type: ignore[assignment]
        for part in parts if len(parts) == len(group.indices) else (None,):
            require("nested partitions", part, Diagram, f"take elements of eq.basis({str(group)!r}, 1, 1)")
    pairs = zip(group.indices, first, second, strict=True)  # type: ignore[arg-type]
    return reduce(mul, (inner(*pair) for pair in pairs))  # type: ignore[arg-type]


def _nested_gram(group: Group, elements: Sequence[Element]) -> ExactMatrix:
    """Inner products of nested partitions: those of the partitions of both indices, multiplied."""
    if len(elements) > MAX_ROWS:
        _refuse(group, len(elements))
    listed = [element if isinstance(element, tuple) else () for element in elements]
    rows = zip(*listed, strict=True) if listed else [()] * len(group.indices)
    columns = [tuple(part for part in row if isinstance(part, Diagram)) for row in rows]
    powers = [_monomials(index, column)[1] for index, column in zip(group.indices, columns, strict=True)]
    entries = [*zip(*(power.ravel().tolist() for power in powers), strict=True)]
    distinct, places = indexed(entries, len(elements), len(elements))
    values = []
    for entry in distinct:
        value = RationalFunction(1)
        for index, power in zip(group.indices, entry, strict=True):
            key = ((str(index.n), power),) if power else ()
            value *= index.n**power if isinstance(index.n, int) else RationalFunction({key: 1})
        values.append(value)
    return ExactMatrix(tuple(values), places)


def diagrams_of(
    subject: Basis | Group | str,
    inputs: str | Order | None = None,
    outputs: str | Order | None = None,
    diagrams: Sequence[Diagram] | None = None,
) -> tuple[Group, tuple[Diagram, ...]]:
    """The diagrams of a basis, of all maps between two orders, or those that are given; and whose they are."""
    if isinstance(subject, Basis):
        listed = subject.plain()[0]
        group = maps_of(subject.group, subject.inputs, subject.outputs)
    elif diagrams is not None:
        require("diagrams", diagrams, Sequence, "give a list of diagrams")
        group, listed = Group.parse(subject), tuple(diagrams)
        _check(group, listed)
    elif inputs is None or outputs is None:
        given = shown(str(subject) if isinstance(subject, Group) else subject)
        raise EqsynthError(f"the orders are missing: write ({given}, inputs, outputs), or give a basis")
    else:
        group = Group.parse(subject)
        _check(group, ())
        inputs, outputs = _plain(group, inputs), _plain(group, outputs)
        allowed = maps_of(group, inputs, outputs)
        count = dimension.dimension(allowed, axes_of(inputs) + axes_of(outputs))
        if count > MAX_ROWS:
            _refuse(group, count)
        group, listed = allowed, bases.basis(group, inputs, outputs).plain()[0]
    if len(listed) > MAX_ROWS:
        _refuse(group, len(listed))
    if len({(diagram.outputs, diagram.inputs) for diagram in listed}) > 1:
        raise EqsynthError("diagrams of different orders have no inner product: give diagrams of the same orders")
    _check(group, listed)
    return group, listed


def _plain(group: Group, order: str | Order) -> Order:
    """An order of all tensors as a group reads it: a number, ``(k,k')`` with two kinds of axes, ``1.det`` twisted."""
    if isinstance(order, str | Twisted) or (group.duals and isinstance(order, tuple | list | Valence)):
        fitted = fitted_order(group, read_order(order))
        if isinstance(fitted, int | Valence) or (isinstance(fitted, Twisted) and is_plain(fitted)):
            return fitted
    return plain_order(order)


def _refuse(group: Group, count: int) -> None:
    raise SizeError(f"a Gram matrix of {count:,} diagrams of {group} is beyond {MAX_ROWS:,}: ask for lower orders")


@lru_cache(maxsize=32)
def _gram(group: Group, diagrams: tuple[Diagram, ...]) -> ExactMatrix:
    import numpy as np

    factors, powers = _monomials(group, diagrams)
    number = group.n if isinstance(group.n, int) else None
    if number is not None:
        table: NDArray[Any] = np.array([number**power for power in range(_vertices(diagrams) + 1)], object)
        entries = (factors * table[powers]).ravel().tolist()
    else:
        entries = list(zip(factors.ravel().tolist(), powers.ravel().tolist(), strict=True))
    distinct, index = indexed(entries, *factors.shape)
    values = tuple(
        RationalFunction(entry)
        if number is not None
        else RationalFunction({((str(group.n), entry[1]),) if entry[1] else (): entry[0]})
        for entry in distinct
    )
    return ExactMatrix(values, index)


def _vertices(diagrams: Sequence[Diagram]) -> int:
    return diagrams[0].outputs + diagrams[0].inputs if diagrams else 0


def _monomials(group: Group, diagrams: Sequence[Diagram]) -> tuple[NDArray[np.object_], NDArray[np.int64]]:
    """All inner products as factor x n^power, from arrays of joins."""
    import numpy as np

    size = len(diagrams)
    powers = grams.joins(diagrams).astype(np.int64)
    factors = np.ones((size, size), np.int64).astype(object)
    if group.symplectic:
        sign = np.array([_crossing_sign(diagram) for diagram in diagrams])
        half = _vertices(diagrams) // 2
        factors = (np.outer(sign, sign) * (1 - 2 * ((powers + half) % 2))).astype(object)
    heads = np.array([bool(diagram.head) for diagram in diagrams], bool)
    if heads.any():
        where = np.flatnonzero(heads)
        factors[np.not_equal.outer(heads, heads)] = 0
        for row in where.tolist():
            for column in where.tolist():
                if not group.jellyfish or diagrams[row].blocks == diagrams[column].blocks:
                    factor, power = _monomial(group, diagrams[row], diagrams[column])
                else:
                    factor, power = 0, 0
                factors[row, column], powers[row, column] = factor, power
        powers[factors == 0] = 0
    return factors, powers


@explain_calls
def gram_determinant(group: str | Group, inputs: str | Order, outputs: str | Order) -> RationalFunction | int:
    """The determinant of the Gram matrix of ``eq.basis(group, inputs, outputs)``, factored where n is a letter.

    >>> from eqsynth.symbolic import gram_determinant
    >>> print(gram_determinant("S(n)", 1, 1), "and", gram_determinant("Sp(n)", 2, 2))
    n² (n - 1) and n³ (n - 2) (n + 1)²
    >>> gram_determinant("S(3)", 1, 1)
    18

    With n a letter the closed formulas are proven, for any orders. Write m = inputs + outputs.

    S(n): D_pi is the sum of the orbit matrices X_theta over theta coarser than or equal to pi, which is
    unitriangular; the X_theta are orthogonal, of square norm n (n - 1) ... (n - t + 1) for t blocks. The
    determinant is the product of these norms.

    O(n): G commutes with all permutations of the m = 2k vertices, on which the span of all matchings is
    the sum of the Specht modules of 2 lambda, lambda a partition of k, each once; the sum of
    n^loops(D, E) E over all matchings E is the product of n + J_1, n + J_3, ..., n + J_(2k-1) applied to
    D, with J the Jucys-Murphy elements; hence G is the number z = product of n + 2j - i - 1 over the
    boxes (i, j) of lambda (i, j from 1, written n + 2(j - 1) - (i - 1)) there, and the determinant the
    product of z to the power of the dimension of the module (hook formula).

    B(n): with P, the projection to vectors of sum 0, for each pair, which is a unitriangular change, G falls into
    blocks, one for each set of single vertices: n for each of these, times the matrix of O(n-1) on the others.

    Sp(n): G is that of O at -n, up to signs that cancel in the determinant. SO(n) and A(n) with n a
    letter have the diagrams, and so the determinant, of O(n) and S(n).

    GL(n), U(n), with k = a permutations: the sum of n^cycles over them is the product of n + J_i, which is the number
    product of n + j - i over the boxes of lambda there, once for each pair of tableaux of lambda.

    Raises SizeError above 1000 diagrams where n is a number.
    Source: Zinn-Justin, arXiv 0907.2719; Collins and Matsumoto, arXiv 0903.5143; arXiv 2212.08648.
    """
    import flint

    group = Group.parse(group)
    _check(group, ())
    inputs, outputs = _plain(group, inputs), _plain(group, outputs)
    open_ = maps_of(group if group.symbolic else group.at("n"), inputs, outputs)
    total = axes_of(inputs) + axes_of(outputs)
    if isinstance(group.n, int):
        _, listed = diagrams_of(group, inputs, outputs)
        if len(listed) == enumeration.count(open_, total) and not any(d.head for d in listed):
            return int(_determinant(open_, total)(group.n))
        matrix = _gram(group, listed)
        return int(flint.fmpz_mat(*matrix.shape, [int(v) for v in _flat(matrix)]).det())
    return _determinant(open_, total)


def _determinant(group: Group, total: int) -> RationalFunction:
    return RationalFunction.from_roots(group.gram_roots(total), str(group.n))


def _flat(matrix: ExactMatrix) -> Iterator[RationalFunction]:
    return (matrix.values[i] for row in matrix.index for i in row)


@explain_calls
def degenerate_sizes(group: str | Group, inputs: str | Order, outputs: str | Order) -> tuple[int, ...]:
    """The sizes n >= 1 at which the diagrams that the family has at that n are dependent.

    >>> from eqsynth.symbolic import degenerate_sizes
    >>> degenerate_sizes("S(n)", 2, 2), degenerate_sizes("O(n)", 4, 4), degenerate_sizes("Sp(n)", 3, 3)
    ((1, 2, 3), (1, 2, 3), (2, 4))
    >>> degenerate_sizes("SO(n)", 3, 4)
    (1, 3, 5)

    S, O and Sp: the roots of :func:`gram_determinant` at which the group exists. SO and A have diagrams
    with a head at some n. Those of A(n) are orthogonal and not zero. Those of SO(n) with m - n even are
    dependent once there is a pair besides the n free vertices, because antisymmetrising n + 1 indices
    gives zero; so are those of SL(n) with a pair.

    Raises SymbolicError for a group with a number, where ``len(eq.basis(...))`` tells.
    """
    group = Group.parse(group)
    _check(group, ())
    if not group.symbolic:
        raise SymbolicError(f"{group} has one size only: ask for {group.family}(n)")
    determinant = gram_determinant(group, inputs, outputs)
    assert not isinstance(determinant, int)  # noqa: S101 - n is a letter
    step = group.multiple
    sizes = {root for root, _ in determinant.roots if root > 0 and root % step == 0}
    inputs, outputs = _plain(group, inputs), _plain(group, outputs)
    sizes.update(maps_of(group, inputs, outputs).degenerate_heads(axes_of(inputs) + axes_of(outputs)))
    return tuple(sorted(sizes))


# --- Weingarten functions -----------------------------------------------------------------------------


@explain_calls
def weingarten(
    subject: Basis | Group | str,
    inputs: str | Order | None = None,
    outputs: str | Order | None = None,
    *,
    n: int | None = None,
) -> ExactMatrix:
    """The inverse of the Gram matrix of a basis: rational functions of n, or numbers at a number n.

    >>> from eqsynth.symbolic import weingarten
    >>> print(weingarten("O(n)", 2, 2)[0, 0])
    (n + 1)/(n (n - 1) (n + 2))
    >>> print(weingarten("S(2)", 1, 1))
    1/2  -1/2
    -1/2 1

    Rows and columns follow the diagrams of the basis. With a letter, ``n`` puts a number in its place,
    which must not be one of :func:`degenerate_sizes`.

    How: for S(n) by the orthogonal orbit matrices, W = sum over t of M_t^T M_t / (n (n-1) ... (n-t+1)), M_t the rows
    of the Moebius function at the partitions with t blocks. For O(n), W(D, E) depends on the cycle type of the union
    of D and E alone: :func:`weingarten_function`, a sum of zonal spherical functions. Sp(n) is O(-n) up to signs. For
    GL(n), SL(n), U(n) and SU(n) it depends on the cycle type of a permutation alone, and is a sum of characters: the
    Weingarten function of the unitary group.

    Raises SizeError above 1000 diagrams, SymbolicError at an n where the diagrams are dependent.
    Source: Collins and Sniady, math-ph/0402073; Collins and Matsumoto, arXiv 0903.5143.
    """
    group, listed = diagrams_of(subject, inputs, outputs)
    if n is not None:
        n = _number(n)
        if not group.symbolic and n != group.n:
            raise SymbolicError(f"{group} has n = {group.n}, not {n}: leave the argument out")
        group.resized(n)  # raises for a size that the family lacks
    if group.symbolic and n is None:
        total = _vertices(listed)
        if len(listed) not in (0, enumeration.count(group, total)) or len(set(listed)) != len(listed):
            raise SymbolicError(
                f"{len(listed)} diagrams are not all diagrams of {group}: a part of a family has no closed "
                f"inverse, give a number, weingarten(..., n=4), or take eq.basis"
            )
        return _weingarten(group, listed)
    inverse = inverse_gram(group, listed, int(group.n) if n is None else n)
    distinct, index = indexed([(int(e.p), int(e.q)) for e in inverse.entries()], len(listed), len(listed))
    return ExactMatrix(tuple(RationalFunction(p, q) for p, q in distinct), index)


@lru_cache(maxsize=8)
def inverse_gram(group: Group, elements: tuple[Element, ...], n: int) -> flint.fmpq_mat:
    """The inverse of the Gram matrix of diagrams, or of nested partitions, at a number n."""
    import flint

    if group.maps == "nested":
        matrix = _nested_gram(group.at(n) if group.symbolic else group, elements)
    else:
        matrix = _gram(group, tuple(element for element in elements if isinstance(element, Diagram)))
    table = [int(value(n)) for value in matrix.values]
    numbers = flint.fmpz_mat(*matrix.shape, [table[i] for row in matrix.index for i in row])
    try:
        return flint.fmpq_mat(numbers).inv()
    except ZeroDivisionError:
        group = group.at(n)
        raise SymbolicError(
            f"the {len(elements)} diagrams are dependent at n = {n}, so that their Gram matrix has no inverse: "
            f"ask for the basis of {group}"
        ) from None


@lru_cache(maxsize=32)
def _weingarten(group: Group, diagrams: tuple[Diagram, ...]) -> ExactMatrix:
    if not diagrams:
        return ExactMatrix((), ())
    if group.coarsens:
        return _weingarten_partitions(diagrams, str(group.n))
    if group.singles:
        return _weingarten_partial_matchings(diagrams, str(group.n))
    return _weingarten_matchings(diagrams, str(group.n), group.symplectic, walled=group.sides is not None)


def _weingarten_partitions(diagrams: tuple[Diagram, ...], letter: str) -> ExactMatrix:
    import flint
    import numpy as np

    total = _vertices(diagrams)
    rows = grams.relations(diagrams, diagrams).astype(float)
    blocks = np.array([len(diagram.blocks) for diagram in diagrams])
    # Whole numbers far below 2^53 in floats: exact, and much faster to multiply.
    layers = np.stack([rows[blocks == t].T @ rows[blocks == t] for t in range(total + 1)], axis=-1)
    size = len(diagrams)
    kinds, index = indexed(map(tuple, layers.reshape(-1, total + 1).astype(np.int64).tolist()), size, size)
    norms = [flint.fmpz_poly([1])]
    for t in range(total):
        norms.append(norms[-1] * flint.fmpz_poly([-t, 1]))
    values = []
    for kind in kinds:
        above = flint.fmpz_poly([0])
        for t, factor in enumerate(kind):
            above += factor * (norms[total] // norms[t])
        values.append(from_flint(above, norms[total], letter))
    return ExactMatrix(tuple(values), index)


def _weingarten_partial_matchings(diagrams: tuple[Diagram, ...], letter: str) -> ExactMatrix:
    """The sum over sets of single vertices of B^T W B.

    W belongs to the pairs with P, the projection to vectors of sum 0, in place of deltas: it is that of O(n-1), over n
    for each single vertex. B writes such pairs, P = delta - ones/n, in diagrams.
    """
    column = {diagram.blocks: place for place, diagram in enumerate(diagrams)}
    n = RationalFunction(letter)
    rows: list[dict[int, RationalFunction]] = []
    alone: list[tuple[int, ...]] = []
    for diagram in diagrams:
        pairs = [block for block in diagram.blocks if len(block) == 2]
        alone.append(tuple(block[0] for block in diagram.blocks if len(block) == 1))
        split: dict[int, RationalFunction] = {}
        for kept in chain.from_iterable(combinations(pairs, count) for count in range(len(pairs) + 1)):
            singles = {*range(_vertices(diagrams))} - {vertex for pair in kept for vertex in pair}
            blocks = tuple(sorted([*kept, *((vertex,) for vertex in singles)]))
            split[column[blocks]] = (-1 / n) ** (len(pairs) - len(kept))
        rows.append(split)
    inner: list[dict[int, RationalFunction]] = [{} for _ in diagrams]
    for free in {*alone}:
        places = [place for place, own in enumerate(alone) if own == free]
        number = {v: i for i, v in enumerate(v for v in range(_vertices(diagrams)) if v not in free)}
        matchings = tuple(
            Diagram(len(number), 0, tuple((number[b[0]], number[b[1]]) for b in diagrams[p].blocks if len(b) == 2))
            for p in places
        )
        values = _weingarten_matchings(matchings, letter, False, shift=-1)
        for i, row in enumerate(places):
            inner[row] = {other: values[i, j] / n ** len(free) for j, other in enumerate(places)}
    change, weights = (_filled(listed, len(diagrams)) for listed in (rows, inner))
    transposed = ExactMatrix(change.values, tuple(zip(*change.index, strict=True)))
    return transposed @ weights @ change


def _filled(rows: Sequence[Mapping[int, RationalFunction]], columns: int) -> ExactMatrix:
    """The matrix with these entries in each row by their columns, and zeros."""
    zero = RationalFunction(0)
    values, index = indexed((row.get(at, zero) for row in rows for at in range(columns)), len(rows), columns)
    return ExactMatrix(tuple(values), index)


def _weingarten_matchings(
    diagrams: tuple[Diagram, ...], letter: str, symplectic: bool, shift: int = 0, walled: bool = False
) -> ExactMatrix:
    """That of O(n), of Sp(n), of O(n + shift), or of GL(n), whose matchings go across a wall."""
    import numpy as np

    half = _vertices(diagrams) // 2
    types = _cycle_types(diagrams, diagrams)
    kinds, starts = np.unique(types[0], return_index=True)
    functions = by_type(half, PERMUTATIONS if walled else MATCHINGS)
    n = RationalFunction(letter)
    signs = np.ones(len(diagrams), np.int64)
    argument, factor = n + shift, 1
    if symplectic:
        # G at -n is G of O(n) up to (-1)^(m/2) and a sign for each diagram; so is its inverse.
        argument, factor = -n, (-1) ** half
        signs = np.array([_crossing_sign(diagram) for diagram in diagrams])
    place = {
        int(kind): factor * in_place_of_n(functions[_type_of(diagrams[0], diagrams[int(start)])], argument)
        for kind, start in zip(kinds, starts, strict=True)
    }
    pairs = zip(types.ravel().tolist(), np.outer(signs, signs).ravel().tolist(), strict=True)
    distinct, index = indexed(pairs, *types.shape)
    return ExactMatrix(tuple(sign * place[kind] for kind, sign in distinct), index)


def _cycle_types(diagrams: Sequence[Diagram], others: Sequence[Diagram]) -> NDArray[np.int64]:
    """For every pair of matchings a number that tells the sizes of the loops of their union."""
    import numpy as np

    total = _vertices(diagrams)
    least = np.array([[min(d.blocks[label]) for label in d.labels] for d in others]).reshape(len(others), total).T
    codes = (total + 1) ** np.arange(total + 1, dtype=np.int64)
    types = np.zeros((len(diagrams), len(others)), np.int64)
    for row, diagram in enumerate(diagrams):
        merged = least
        for left, right in diagram.blocks:
            low = np.minimum(merged[left], merged[right])
            high = np.maximum(merged[left], merged[right])
            merged = np.where(merged == high, low, merged)
        for root in range(total):
            sizes = (merged == root).sum(0)
            types[row] += np.where(sizes > 0, codes[sizes // 2], 0)
    return types


def _type_of(first: Diagram, second: Diagram) -> tuple[int, ...]:
    """The sizes of the loops of the union of two matchings, as a partition of half of the vertices."""
    partner = [
        dict(pair for left, right in d.blocks for pair in ((left, right), (right, left))) for d in (first, second)
    ]
    seen: set[int] = set()
    sizes = []
    for start in partner[0]:
        size, at = 0, start
        while at not in seen:
            seen.update((at, partner[0][at]))
            at, size = partner[1][partner[0][at]], size + 1
        if size:
            sizes.append(size)
    return tuple(sorted(sizes, reverse=True))


# --- Dimensions ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DimensionTable:
    """The dimension of the equivariant maps as a function of n, for k + l = ``total``.

    >>> from eqsynth.symbolic import dimension_table
    >>> table = dimension_table("S(n)", 3)
    >>> table.sizes, table.dimensions, table.stable, table.stable_from
    ((1, 2, 3), (1, 4, 5), 5, 3)

    ``dimensions[i]`` belongs to ``sizes[i]``; from ``stable_from`` on it is ``stable``.
    """

    family: str
    total: int
    sizes: tuple[int, ...]
    dimensions: tuple[int, ...]
    stable: int
    stable_from: int

    def __call__(self, n: int) -> int:
        """The dimension at any n."""
        n = _number(n)
        return (
            self.stable
            if n >= self.stable_from
            else dimension.dimension(Group.parse(f"{self.family}({n})"), self.total)
        )

    def __str__(self) -> str:
        shown = ", ".join(f"{size}: {value}" for size, value in zip(self.sizes, self.dimensions, strict=True))
        return f"{self.family}(n), k + l = {self.total}: {shown}; {self.stable} from n = {self.stable_from} on"


@explain_calls
def dimension_table(family: str | Group, total: int, up_to: int | None = None) -> DimensionTable:
    """The dimensions at n = 1, 2, ... up to ``up_to`` (until stable if left out), and the stable value.

    >>> from eqsynth.symbolic import dimension_table
    >>> print(dimension_table("S", 4))
    S(n), k + l = 4: 1: 1, 2: 8, 3: 14, 4: 15; 15 from n = 4 on
    >>> dimension_table("Sp(n)", 6).dimensions, dimension_table("A", 4, 5).dimensions
    ((5, 14, 15), (1, 16, 27, 22, 16))

    ``family`` is a name such as ``"S"``, or a group such as ``"S(n)"``. Sp(n) has even sizes only.
    The dimension is no polynomial in n: it is constant once n is large enough.

    Raises GroupError for an unknown family. Source: see :func:`eqsynth.bases.dimension.dimension`.
    """
    group = Group(family, "n") if isinstance(family, str) and family.rstrip("'").isalpha() else Group.parse(family)
    _check(group, ())
    total = plain_order(total)
    up_to = None if up_to is None else _number(up_to)
    group = group.at("n")
    stable_from = dimension.stable_from(group, total)
    step = group.multiple
    afford("a table of dimensions", "leave up_to out, or lower it", steps=up_to or 0)
    sizes = tuple(range(step, (stable_from if up_to is None else up_to) + 1, step))
    stable = dimension.dimension(group, total)
    changing = sum(size < stable_from for size in sizes)
    dimensions = tuple(dimension.dimension(group.at(size), total) for size in sizes[:changing])
    dimensions += (stable,) * (len(sizes) - changing)
    return DimensionTable(group.family, total, sizes, dimensions, stable, stable_from)
