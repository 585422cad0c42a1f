"""The algebra of diagrams: linear combinations that compose, tensor and transpose as their matrices do.

>>> from eqsynth.algebra import cap, cup, identity
>>> print(cup("O(n)") >> cap("O(n)"))
n · [y += x]
>>> print((cup("Sp(n)") @ identity("Sp(n)", 1)) >> (identity("Sp(n)", 1) @ cap("Sp(n)")))
-[y[a] += x[a]]

The functor of arXiv 2304.14144 sends a :class:`Map` to its matrix. Every product below is computed by joining
the diagrams alone, exactly, and no matrix is built; what the join leaves over is the scalar, which is
always returned beside the diagrams:

- a closed loop or floating block is a sum over one index: the factor n;
- Sp(n): along a strand the forms multiply, omega omega = -1 and omega read from right to left is -omega;
- O(p,q), SO(p,q): eta eta = 1; a head brings eta for each of its inputs, and det eta where all its legs are turned;
- a head meeting no other head follows its strands: a signed head, or zero where two of its strands meet;
- two heads meeting: epsilon[p] epsilon[q] = sum over permutations s of sgn(s) product of delta(p[i], q[s(i)]),
  and k summed strands that run from head to head leave k! times the same sum for the others;
- GL(n), SL(n), U(n), SU(n): strands of V and of V*, which orders tell apart; they join as those of O(n) and SO(n), but
  heads of one kind stay side by side, and only those of V and V* meet, so that heads of one kind are left;
- S(m) wr S(n): nested partitions join group by group and member by member, with factors n and m;
- Aut(G): bilabelled graphs are glued at their labels; a part that no label holds is its number of homomorphisms.

Source: arXiv 2304.14144, section 3; 2212.08630, section 5 (matchings and heads); 2301.10152, section 4
(jellyfish); 2307.07810 (bilabelled graphs). Signs are those of :func:`eqsynth.diagrams.functor.matrix`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, reduce
from itertools import pairwise, permutations, product
from math import factorial, lcm, prod
from numbers import Number
from operator import mul
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, cast

from eqsynth.diagrams.bilabelled import values
from eqsynth.diagrams.diagram import Diagram, Element, join
from eqsynth.diagrams.enumeration import misfit
from eqsynth.errors import (
    EqsynthError,
    GroupError,
    OperandError,
    SizeError,
    SpaceError,
    SymbolicError,
    explain_calls,
    require,
    shown,
)
from eqsynth.exact.numbers import binary, fraction, ordered, whole
from eqsynth.exact.partitions import bell, components, set_partitions
from eqsynth.exact.permutations import heads_of, sorted_heads
from eqsynth.exact.permutations import sign as sign_of
from eqsynth.exact.ring import RationalFunction
from eqsynth.families.group import Group, families_with
from eqsynth.families.hom import fitted_order, maps_of
from eqsynth.graphs.graph import Graph
from eqsynth.spaces.space import (
    Order,
    Twisted,
    Valence,
    axes_of,
    duals_of,
    of_duals,
    plain_order,
    read_order,
    twists_of,
    with_twists,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_TERMS = 250_000
#: Internal vertices of a bilabelled graph, beyond which its canonical form takes too long.
MAX_INTERNAL = 7
MAX_ENTRIES = 1_000_000
#: The most terms of a map that Jupyter shows.
MAX_SHOWN = 60


#: Coefficients are values of the one exact ring, those without letters plain numbers.
Polynomial = RationalFunction
Scalar = int | Fraction | Polynomial
#: Tensors of all kinds, perhaps with axes of V*, or twisted by the determinant.
MapOrder = int | Valence | Twisted
#: A coefficient, and a diagram: of wreath products S(m) wr S(n) a tuple of two, one for each index of an axis.
Term = tuple[Scalar, Any]
_DIAGRAM, _MAP = "write eq.Diagram.of(outputs, inputs, blocks)", "write Map.of(group, diagram)"


@explain_calls
@dataclass(frozen=True, slots=True)
class Map:
    """A linear combination of diagrams: an equivariant map from order ``inputs`` to order ``outputs``.

    >>> from fractions import Fraction
    >>> from eqsynth.algebra import Map, counit, identity, unit
    >>> mean = Fraction(1, 2) * (counit("S(n)") >> unit("S(n)"))
    >>> print(mean + identity("S(n)", 1))
    1/2 · [y[a] += x[b]] + [y[a] += x[a]]
    >>> print(mean >> mean)
    1/4 n · [y[a] += x[b]]
    >>> (mean >> mean).at(2) == mean.at(2)
    True

    ``f >> g`` is first f, then g: its matrix is g.matrix() @ f.matrix(). ``f @ g`` is the tensor product
    (Kronecker product), ``f.T`` the transpose, ``f.power(3)`` is ``f >> f >> f``, and sums, differences, multiples
    and quotients by a scalar are those of matrices; in a sum a number is that many times the identity, ``1 - p``.
    Elements of a basis are maps, too: ``eq.basis(...).map(i)``. Coefficients are exact: whole numbers, Fractions, and
    rational functions of n while n is a letter. Terms are in the order of ``Diagram.key``, each diagram once, none
    zero; :meth:`collect` brings them there.

    Equality is that of combinations. Where diagrams are dependent (n a number, and small) two of them may be one
    matrix: :func:`same` decides that.

    Raises EqsynthError for terms that are not in order or coefficients that are not exact, GroupError for
    diagrams that the group does not have and for two groups in one operation, SpaceError for orders that do
    not fit, SizeError for products of too many terms.

    For GL(n), SL(n), U(n) and SU(n) orders say which strands are of V and which of V*, and only equal ones compose:

    >>> from eqsynth.algebra import cap, cup, identity
    >>> one = identity("GL(n)", (0, 1))
    >>> print(cup("GL(n)") >> cap("GL(n)"), (one @ cup("GL(n)")).outputs)
    n · [y += x] (0,1,1,1)

    Where some elements have determinant -1, orders may be twisted by it, and only equal ones compose. Maps between
    twisted tensors and others are diagrams with a head, and two of them make maps without:

    >>> from eqsynth.algebra import epsilon
    >>> volume = epsilon("O(3)")
    >>> print(volume.inputs, volume.outputs, volume >> volume.T)
    0.det 3 6 · [y += x]

    Source: arXiv 2304.14144, section 3.
    """

    group: Group
    outputs: MapOrder
    inputs: MapOrder
    terms: tuple[Term, ...]

    def __post_init__(self) -> None:
        for side in ("outputs", "inputs"):
            object.__setattr__(self, side, _order(self.group, getattr(self, side)))
        _check_terms(self.group, self.outputs, self.inputs, self.terms)

    @classmethod
    @explain_calls
    def of(
        cls,
        group: Group | str,
        diagram: Diagram | Element,
        coefficient: Scalar = 1,
        outputs: Order | None = None,
        inputs: Order | None = None,
    ) -> Map:
        """One diagram, times a coefficient; ``outputs`` and ``inputs`` where some strands are of V*.

        For a wreath product S(m) wr S(n) the partitions of groups and of members, or one that is both.

        >>> import eqsynth as eq
        >>> from eqsynth.algebra import Map
        >>> inside, total = eq.basis("S(m) wr S(n)", 1, 1)[1], Map.of("S(m) wr S(n)", eq.Diagram(1, 1, ((0,), (1,))))
        >>> print(Map.of("S(m) wr S(n)", inside) >> total)
        m · [y[a] += x[b] ⊗ y[a] += x[b]]
        """
        group = Group.parse(group)
        if group.maps == "nested":
            nested = diagram if isinstance(diagram, tuple) else (diagram,) * len(group.indices)
            for part in nested:
                require("diagram", part, Diagram, _DIAGRAM)
            return cls.collect(group, nested[0].outputs, nested[0].inputs, [(coefficient, nested)])
        require("diagram", diagram, Diagram, _DIAGRAM)
        one = cast("Diagram", diagram)
        outputs, inputs = one.outputs if outputs is None else outputs, one.inputs if inputs is None else inputs
        return cls.collect(group, outputs, inputs, [(coefficient, one)])

    @classmethod
    def collect(cls, group: Group | str, outputs: Order, inputs: Order, terms: Iterable[Term]) -> Map:
        """The sum of terms in any order, where diagrams may repeat; no terms are the zero map."""
        group = Group.parse(group)
        return cls(group, _order(group, outputs), _order(group, inputs), _collect(terms))

    #: NumPy leaves products with its numbers and arrays to the operators below.
    __array_ufunc__: ClassVar[None] = None

    def __rshift__(self, other: Map) -> Map:
        other = self._other(other, ">>", "c * f is a multiple of f")
        self._meet(other, "compose")
        if self.outputs != other.inputs:
            hint = "; the other way round they fit" if other.outputs == self.inputs else ""
            raise SpaceError(
                f"cannot compose {_type(self)} >> {_type(other)}: the first has {self.outputs} outputs, the second "
                f"{other.inputs} inputs, and they must be equal{hint}. f >> g is first f, then g; "
                "f @ identity(group, k) adds k strands beside f"
            )
        return self._pairs(other, other.outputs, self.inputs, _composed)

    def __matmul__(self, other: Map) -> Map:
        other = self._other(other, "@", "c * f is a multiple of f, f @ identity(group, k) adds k strands beside f")
        self._meet(other, "tensor")
        outputs, inputs = _beside(self.outputs, other.outputs), _beside(self.inputs, other.inputs)
        return self._pairs(other, outputs, inputs, _tensored)

    def __rrshift__(self, other: object) -> NoReturn:
        self._other(other, ">>", "c * f is a multiple of f", left=True)
        raise AssertionError  # a map would have been asked first

    def __rmatmul__(self, other: object) -> NoReturn:
        self._other(other, "@", "c * f is a multiple of f", left=True)
        raise AssertionError

    def __pow__(self, exponent: object) -> NoReturn:
        raise OperandError(f"{_type(self)} ** {shown(exponent)} is not defined: f.power(2) is f >> f")

    @property
    def T(self) -> Map:  # noqa: N802 - the transpose, as in numpy and torch
        """The transpose."""
        terms = ((c * sign, d) for c, diagram in self.terms for sign, d in _transposed(self.group, diagram))
        return Map.collect(self.group, self.inputs, self.outputs, terms)

    def __add__(self, other: Map | Scalar) -> Map:
        other = self._summand(other, "+")
        self._meet(other, "add")
        if (self.outputs, self.inputs) != (other.outputs, other.inputs):
            raise SpaceError(
                f"cannot add {_type(self)} and {_type(other)}: a sum needs equal orders; f >> g composes, f @ g tensors"
            )
        return Map.collect(self.group, self.outputs, self.inputs, self.terms + other.terms)

    __radd__ = __add__

    def __neg__(self) -> Map:
        return self * -1

    def __sub__(self, other: Map | Scalar) -> Map:
        return self + -self._summand(other, "-")

    def __rsub__(self, other: Scalar) -> Map:  # type: ignore[misc]  # of no map: that would be asked first
        return -self + other

    def __mul__(self, scalar: Scalar) -> Map:
        if isinstance(scalar, Map):
            raise EqsynthError(
                f"{_type(self)} * {_type(scalar)} is not defined, * takes a number: "
                "f >> g composes (first f, then g), f @ g tensors"
            )
        factor = _exact(scalar)
        return Map.collect(self.group, self.outputs, self.inputs, [(c * factor, d) for c, d in self.terms])

    __rmul__ = __mul__

    def __truediv__(self, scalar: Scalar) -> Map:
        if isinstance(scalar, Map):
            raise EqsynthError(f"{_type(self)} / {_type(scalar)} is not defined, / takes a number that is not 0")
        divisor = _exact(scalar)
        if divisor == 0:
            raise EqsynthError(f"{_type(self)} / 0 is not defined: divide by a number or a polynomial that is not 0")
        return self * _exact(Polynomial(1) / divisor)

    @explain_calls
    def power(self, exponent: int) -> Map:
        """The map composed with itself; the identity for exponent 0.

        >>> from eqsynth.algebra import identity, swap
        >>> swap("O(n)").power(2) == identity("O(n)", 2)
        True

        Raises SpaceError unless there are as many outputs as inputs, EqsynthError for other exponents.
        """
        count = whole(exponent)
        if count is None or count < 0:
            raise EqsynthError(f"the exponent of a map is a whole number from 0 on, not {shown(exponent)}")
        if self.outputs != self.inputs:
            raise SpaceError(f"{_type(self)} has no powers: outputs and inputs must be as many")
        result, square = identity(self.group, self.inputs), self
        while count:
            result = result >> square if count % 2 else result
            count //= 2
            square = square >> square if count else square
        return result

    def trace(self) -> Scalar:
        """The trace, as the function :func:`trace` gives it."""
        return trace(self)

    @explain_calls
    def matrix(self, n: int | None = None) -> NDArray[Any]:
        """The exact matrix, as the function :func:`matrix` gives it; with n a letter, ``f.matrix(3)``."""
        return matrix(self, n)

    def at(self, n: int) -> Map:
        """The map at a number: n put in every coefficient.

        Raises GroupError where the group has another n already, or none such.
        """
        group = _group_at(self.group, n)
        indices = zip(self.group.indices, group.indices, strict=True)
        sizes = {str(index.n): own.number for index, own in indices if index.symbolic}
        values = [
            (c(**{letter: sizes[letter] for letter in c.letters}) if isinstance(c, Polynomial) else c, diagram)
            for c, diagram in self.terms
        ]
        return Map.collect(group, self.outputs, self.inputs, values)

    def __str__(self) -> str:
        return _sum_text(_times_text(c, f"[{self._formula(diagram)}]", " · ") for c, diagram in self.terms)

    def latex(self) -> str:
        r"""The map in LaTeX, entry by entry, without dollar signs; Jupyter shows it.

        >>> from eqsynth.algebra import cap, cup, identity
        >>> print((2 * identity("O(n)", 2) - (cap("O(n)") >> cup("O(n)"))).latex())
        y_{ab} = -\delta_{ab} \sum_{c} x_{cc} + 2 x_{ab}
        """
        sides = [(c, *self._latex(diagram)) for c, diagram in self.terms]
        right = _sum_text(_times_latex(coefficient, image) for coefficient, _, image in sides)
        axes = axes_of(self.outputs)
        left = sides[0][1] if sides else Diagram(axes, 0, tuple((axis,) for axis in range(axes))).latex()[0]
        return f"{left} = {right}"

    def _repr_latex_(self) -> str | None:
        return f"${self.latex()}$" if len(self.terms) <= MAX_SHOWN else None

    def _formula(self, diagram: Any) -> str:
        """The index formula of a diagram, or those of two."""
        parts = diagram if isinstance(diagram, tuple) else (diagram,)
        return " ⊗ ".join(part.formula(self._form) for part in parts)

    def _latex(self, diagram: Any) -> tuple[str, str]:
        """Both sides of the same in LaTeX."""
        parts = diagram if isinstance(diagram, tuple) else (diagram,)
        left, right = zip(*(part.latex(self._form) for part in parts), strict=True)
        return r" \otimes ".join(left), r" \otimes ".join(right)

    @property
    def _form(self) -> str:
        return self.group.form if self.group.paired else ""

    def _other(self, other: object, sign: str, cure: str, left: bool = False) -> Map:
        """The other operand, which must be a map."""
        if isinstance(other, Map):
            return other
        if isinstance(other, Diagram):
            cure = "a diagram knows no group: write basis.map(i) in place of basis[i], or Map.of(group, diagram)"
        elif not _is_number(other):
            cure = f"both sides are maps of {self.group}, as eq.basis(...).map(i) and eq.algebra make them"
        sides = (shown(other), _type(self)) if left else (_type(self), shown(other))
        raise OperandError(f"{sides[0]} {sign} {sides[1]} is not defined: {cure}")

    def _summand(self, other: object, sign: str) -> Map:
        """The other operand of a sum, where a number is that many times the identity."""
        if isinstance(other, Map) or not _is_number(other):
            return self._other(other, sign, "")
        scalar = _exact(other)
        if scalar == 0:
            return Map.collect(self.group, self.outputs, self.inputs, ())
        if self.outputs != self.inputs:
            raise SpaceError(
                f"{_type(self)} {sign} {shown(other)} is not defined: a number in a sum is a multiple of the identity, "
                "and that has as many outputs as inputs"
            )
        return identity(self.group, self.inputs) * scalar

    def _meet(self, other: Map, verb: str) -> None:
        if self.group != other.group:
            at = " f.at(n) puts a number for the letter." if self.group.symbolic != other.group.symbolic else ""
            raise GroupError(
                f"cannot {verb} {_type(self)} and {_type(other)}: they belong to different groups; "
                f"build both for the same one.{at}"
            )

    def _pairs(self, other: Map, outputs: Order, inputs: Order, multiply: Callable[..., tuple[Term, ...]]) -> Map:
        pairs = len(self.terms) * len(other.terms)
        if pairs > MAX_TERMS:
            raise SizeError(
                f"{len(self.terms)} times {len(other.terms)} terms are {pairs} products of diagrams, "
                f"beyond {MAX_TERMS}: multiply smaller sums"
            )
        alike = self._determinants * other._determinants > 0
        terms = (
            (left * right * scalar, diagram)
            for left, first in self.terms
            for right, second in other.terms
            for scalar, diagram in multiply(self.group, first, second, alike)
        )
        return Map.collect(self.group, outputs, inputs, terms)

    @property
    def _determinants(self) -> int:
        """How many determinants of V its terms hold, negative for those of V*; 0 where kinds of axes are not told."""
        return getattr(maps_of(self.group, self.inputs, self.outputs), "determinants", 0) or 0


@explain_calls
def compose(group: Group | str, first: Diagram, second: Diagram) -> tuple[Term, ...]:
    """First one diagram, then another: (scalar, diagram) terms whose sum is the composite.

    >>> from eqsynth import Diagram
    >>> from eqsynth.algebra import compose
    >>> cap, swap = Diagram(0, 2, ((0, 1),)), Diagram(2, 2, ((0, 3), (1, 2)))
    >>> compose("O(n)", swap, cap) == ((1, cap),)
    True
    >>> compose("Sp(n)", swap, cap) == ((-1, cap),)
    True
    >>> compose("S(n)", Diagram(1, 0, ((0,),)), Diagram(0, 1, ((0,),)))
    ((RationalFunction('n'), Diagram(outputs=0, inputs=0, blocks=(), edges=(), head=())),)

    Exactly one term for S(n), O(n), Sp(n) and wherever there is no head; none or one for one head of SO(n);
    up to n! for two heads (those of SL(n) are read as one of V and one of V*; a :class:`Map` knows its kinds). A(n): up
    to n to the number of outer blocks that meet no strand of the one head, since each of those agrees with one label of
    the head. Nothing is solved for: joining is combinatorial.

    Raises SpaceError where the orders do not fit, GroupError for a diagram that the group does not have,
    SizeError beyond 250,000 terms.

    Source: arXiv 2304.14144, section 3; 2212.08630, section 5; 2301.10152, section 4.
    """
    if isinstance(first, tuple):
        return _by_index(compose, group, first, second)
    for name, diagram in (("first", first), ("second", second)):
        require(name, diagram, Diagram, _DIAGRAM)
    group = _checked_group(group, first, second)
    if first.outputs != second.inputs:
        raise SpaceError(
            f"cannot compose {first.inputs} -> {first.outputs} with {second.inputs} -> {second.outputs}: "
            "the second must have as many inputs as the first has outputs"
        )
    return _composed(group, first, second)


@explain_calls
def tensor(group: Group | str, left: Diagram, right: Diagram) -> tuple[Term, ...]:
    """Two diagrams side by side: (scalar, diagram) terms whose matrix is the Kronecker product.

    >>> from eqsynth import Diagram
    >>> from eqsynth.algebra import tensor
    >>> rotation = Diagram(1, 1, ((0,), (1,)), head=(0, 1))
    >>> [(scalar, diagram.formula()) for scalar, diagram in tensor("SO(2)", rotation, rotation)]
    [(1, 'y[a,a] += x[b,b]'), (-1, 'y[a,b] += x[b,a]')]

    One term, except that two heads become n! headless ones, and that a head of A(n) takes up the blocks beside it.
    Raises GroupError for a diagram that the group does not have, SizeError beyond 250,000 terms.
    """
    if isinstance(left, tuple):
        return _by_index(tensor, group, left, right)
    for name, diagram in (("left", left), ("right", right)):
        require(name, diagram, Diagram, _DIAGRAM)
    return _tensored(_checked_group(group, left, right), left, right)


@explain_calls
def transpose(group: Group | str, diagram: Diagram) -> tuple[Term, ...]:
    """The diagram upside down, with the sign of moving the head's inputs before its outputs.

    >>> from eqsynth import Diagram
    >>> from eqsynth.algebra import transpose
    >>> rotation = Diagram(1, 1, ((0,), (1,)), head=(0, 1))
    >>> transpose("SO(2)", rotation) == ((-1, rotation),)
    True

    Always one term. Raises GroupError for a diagram that the group does not have.
    """
    if isinstance(diagram, tuple):
        return _by_index(transpose, group, diagram)
    require("diagram", diagram, Diagram, _DIAGRAM)
    return _transposed(_checked_group(group, diagram), diagram)


@explain_calls
def trace(map_: Map) -> Scalar:
    """The trace: every output joined to the input below it.

    >>> from eqsynth.algebra import identity, swap, trace
    >>> print(trace(identity("O(n)", 2)), trace(swap("O(n)")))
    n² n

    Raises SpaceError unless there are as many outputs as inputs.
    """
    require("map_", map_, Map, _MAP)
    if map_.outputs != map_.inputs:
        raise SpaceError(f"{_type(map_)} has no trace: outputs and inputs must be as many")
    nodes = (*range(axes_of(map_.outputs)), *range(axes_of(map_.inputs)))
    total = 0 * _power(map_.group, 0)
    for coefficient, diagram in map_.terms:
        total = total + coefficient * _closed(map_.group, [(diagram, nodes)])
    return total


@explain_calls
def inner(left: Map, right: Map) -> Scalar:
    """The inner product: the sum of the products of the entries of two matrices, the trace of left.T right.

    >>> from eqsynth.algebra import identity, inner, swap
    >>> print(inner(identity("Sp(n)", 2), swap("Sp(n)")))
    n

    Raises GroupError and SpaceError unless both have one group and equal orders; SizeError as for products.
    """
    for name, map_ in (("left", left), ("right", right)):
        require(name, map_, Map, _MAP)
    left._meet(right, "multiply")
    if (left.outputs, left.inputs) != (right.outputs, right.inputs):
        raise SpaceError(f"{_type(left)} and {_type(right)} have no inner product: it needs equal orders")
    if len(left.terms) * len(right.terms) > MAX_TERMS:
        raise SizeError(
            f"an inner product of {len(left.terms)} by {len(right.terms)} terms is beyond {MAX_TERMS} products: "
            "take it of smaller sums"
        )
    nodes = tuple(range(axes_of(left.outputs) + axes_of(left.inputs)))
    total = 0 * _power(left.group, 0)
    for coefficient, diagram in left.terms:
        for factor, other in right.terms:
            total = total + coefficient * factor * _closed(left.group, [(diagram, nodes), (other, nodes)])
    return total


@explain_calls
def same(left: Map, right: Map) -> bool:
    """Whether two maps have the same matrix, decided without one: the length of their difference is 0.

    >>> from eqsynth.algebra import cap, cup, identity, same, swap
    >>> one, crossing, hook = identity("Sp(2)", 2), swap("Sp(2)"), cap("Sp(2)") >> cup("Sp(2)")
    >>> one - crossing == hook, same(one - crossing, hook)
    (False, True)

    With n a letter the maps are equal for every n exactly when the combinations are, and the answer is that.

    Raises SpaceError for maps between other orders, EqsynthError for what are no maps.
    """
    for name, map_ in (("left", left), ("right", right)):
        require(name, map_, Map, _MAP)
    difference = left - right
    return not difference.terms if left.group.symbolic else inner(difference, difference) == 0


@explain_calls
def identity(group: Group | str, order: Order) -> Map:
    """The identity on tensors of an order.

    >>> from eqsynth.algebra import identity
    >>> print(identity("S(n)", 2))
    [y[a,b] += x[a,b]]

    Raises GroupError for groups without diagrams, SpaceError for an order that the group does not have.
    """
    order = _checked_order(Group.parse(group), order)
    return permute(group, range(axes_of(order)), order)


@explain_calls
def permute(group: Group | str, permutation: Sequence[int], inputs: Order | None = None) -> Map:
    """The map that permutes tensor axes: output axis i is input axis ``permutation[i]``, as numpy's transpose.

    >>> from eqsynth.algebra import permute
    >>> print(permute("O(n)", (1, 2, 0)))
    [y[a,b,c] += x[c,a,b]]

    ``inputs`` says which axes are those of V*, as in ``permute("GL(n)", (1, 0), (1, 1))``.

    Raises SpaceError for what is no permutation.
    """
    if not ordered(permutation):
        raise SpaceError(f"{shown(permutation)} is no permutation: list the input axis of each output axis, as (1, 0)")
    permutation = tuple(permutation)
    entries = [number for number in map(whole, permutation) if number is not None]
    order = plain_order(len(permutation))
    fitting = Group.parse(group)
    if sorted(entries) != list(range(order)):
        raise SpaceError(f"{shown(permutation)} is no permutation: name each of 0 ... {order - 1} once")
    pairs = [(output, order + entry) for output, entry in enumerate(entries)]
    below = _checked_order(fitting, order if inputs is None else inputs)
    duals = duals_of(below)
    if len(duals) != order:
        raise SpaceError(f"{shown(permutation)} permutes {order} axes, but tensors of order {below} have {len(duals)}")
    above = with_twists(of_duals([duals[entry] for entry in entries]), twists_of(below))
    return Map.of(group, Diagram.of(order, order, pairs), 1, above, below)


@explain_calls
def swap(group: Group | str) -> Map:
    """The crossing of two strands: ``permute(group, (1, 0))``.

    >>> from eqsynth.algebra import swap
    >>> print(swap("O(n)"))
    [y[a,b] += x[b,a]]

    Raises GroupError for groups without diagrams.
    """
    return permute(group, (1, 0))


@explain_calls
def cup(group: Group | str) -> Map:
    """The invariant pair 0 -> 2: the identity matrix as a vector, for Sp(n) omega, for O(p,q) eta.

    >>> from eqsynth.algebra import cup
    >>> print(cup("O(n)"), cup("Sp(n)"), cup("O(1,3)"))
    [y[a,a] += x] [y[a,b] += ω[a,b] x] [y[a,b] += η[a,b] x]

    For GL(n) it is 0 -> (1,1), the unit matrix: an axis of V and one of V*. Raises GroupError for groups without
    diagrams, such as those of matrices.
    """
    return Map.of(group, Diagram(2, 0, ((0, 1),)), outputs=(1, 1) if Group.parse(group).duals else 2)


@explain_calls
def cap(group: Group | str) -> Map:
    """The invariant form 2 -> 0, the transpose of :func:`cup`: the dot product, for Sp(n) omega, for O(p,q) eta.

    >>> from eqsynth.algebra import cap, swap
    >>> print(cap("Sp(n)"), swap("Sp(n)") >> cap("Sp(n)"))
    [y += ω[a,b] x[a,b]] -[y += ω[a,b] x[a,b]]

    For GL(n) it is (1,1) -> 0, the trace. Raises GroupError for groups without diagrams.
    """
    return Map.of(group, Diagram(0, 2, ((0, 1),)), inputs=(1, 1) if Group.parse(group).duals else 2)


@explain_calls
def merge(group: Group | str) -> Map:
    """The product of S(n) and A(n) 2 -> 1: entry by entry.

    >>> from eqsynth.algebra import merge
    >>> print(merge("S(n)"))
    [y[a] += x[a,a]]

    Raises GroupError for groups that do not have this diagram.
    """
    return Map.of(group, Diagram(1, 2, ((0, 1, 2),)))


@explain_calls
def split(group: Group | str) -> Map:
    """The coproduct of S(n) and A(n) 1 -> 2: a vector on the diagonal.

    >>> from eqsynth.algebra import merge, split
    >>> print(split("S(n)") >> merge("S(n)"))
    [y[a] += x[a]]

    Raises GroupError for groups that do not have this diagram.
    """
    return Map.of(group, Diagram(2, 1, ((0, 1, 2),)))


@explain_calls
def unit(group: Group | str) -> Map:
    """The unit of S(n) and A(n) 0 -> 1: the vector of ones.

    >>> from eqsynth.algebra import counit, unit
    >>> print(unit("S(n)") >> counit("S(n)"))
    n · [y += x]

    Raises GroupError for groups that do not have this diagram.
    """
    return Map.of(group, Diagram(1, 0, ((0,),)))


@explain_calls
def counit(group: Group | str) -> Map:
    """The counit of S(n) and A(n) 1 -> 0: the sum of the entries.

    >>> from eqsynth.algebra import counit
    >>> print(counit("S(n)"))
    [y += x[a]]

    Raises GroupError for groups that do not have this diagram.
    """
    return Map.of(group, Diagram(0, 1, ((0,),)))


@explain_calls
def edge(group: Group | str) -> Map:
    """One edge from input to output: the adjacency matrix of the graph, 1 -> 1.

    >>> from eqsynth.algebra import edge, trace
    >>> wedge = edge("Aut(petersen)") >> edge("Aut(petersen)")
    >>> print(wedge, trace(edge("Aut(petersen)") >> wedge))
    [y[a] += A[a,c] A[b,c] x[b]] 0

    Raises GroupError for a group that is not Aut(G).
    """
    group = Group.parse(group)
    if group.kept_graph is None:
        raise GroupError(f"{group} has no edges: ask for the automorphism group of a graph, such as Aut(petersen)")
    return Map.of(group, Diagram(1, 1, ((0,), (1,)), ((0, 1),)))


@explain_calls
def epsilon(group: Group | str) -> Map:
    """The Levi-Civita tensor 0 -> n of SO(n), A(n) and SL(n); for O(n), S(n) and H(n) the inputs are ``0.det``.

    >>> from eqsynth.algebra import epsilon
    >>> volume = epsilon("SO(3)")
    >>> print(volume)
    [y[a,b,c] += ε[a,b,c] x]
    >>> print(volume >> volume.T)
    6 · [y += x]

    Raises GroupError for groups without such a diagram, SymbolicError where n is a letter.
    """
    group = Group.parse(group)
    _check_group(group)
    refusal = GroupError(
        f"{group} has no Levi-Civita tensor among its diagrams: ask for SO(n), SL(n), SU(n), or A(n) above n = 1, "
        "or for O(n), S(n) or H(n), where it goes out from 0.det"
    )
    if group.maps != "diagrams":
        raise refusal
    sized = group.at(4) if group.symbolic else group
    blocks = tuple((vertex,) for vertex in range(sized.number))
    volume = Diagram(len(blocks), 0, blocks, head=tuple(range(len(blocks))))
    inputs: MapOrder = Twisted(0) if not group.duals and sized.flips else 0
    if misfit(maps_of(sized, inputs, len(blocks)), volume):
        raise refusal
    if group.symbolic:
        raise SymbolicError(f"the Levi-Civita tensor has n axes and {group} leaves n open: ask for {group.at(3)}")
    return Map.of(group, volume, inputs=inputs)


@dataclass(frozen=True, slots=True)
class Orbits:
    """A map of S(n) in the orbit basis: a diagram stands for X, 1 where indices agree exactly inside its blocks.

    >>> from eqsynth.algebra import from_orbits, identity, to_orbits
    >>> print(to_orbits(identity("S(2)", 2)))
    X[y[a,a] += x[a,a]] + X[y[a,b] += x[a,b]]
    >>> from_orbits(to_orbits(identity("S(2)", 2))) == identity("S(2)", 2)
    True

    Terms are as in :class:`Map`. Orbits with more than n blocks are zero and have no place.

    Raises GroupError for groups without orbits, EqsynthError for what are no terms.
    """

    group: Group
    outputs: int
    inputs: int
    terms: tuple[Term, ...]

    def __post_init__(self) -> None:
        _check_orbits(self.group)
        _check_terms(self.group, self.outputs, self.inputs, self.terms)
        most = self.group.n
        if isinstance(most, int) and any(len(diagram.blocks) > most for _, diagram in self.terms):
            raise EqsynthError(f"an orbit of {self.group} has at most {most} blocks: leave out the others, they are 0")

    def __str__(self) -> str:
        return _sum_text(_times_text(c, f"X[{diagram.formula()}]", " · ") for c, diagram in self.terms)


@explain_calls
def to_orbits(map_: Map) -> Orbits:
    """A map of S(n) in the orbit basis: D is the sum of X over the diagrams coarser than or equal to it.

    >>> from eqsynth.algebra import swap, to_orbits
    >>> print(to_orbits(swap("S(n)")))
    X[y[a,a] += x[a,a]] + X[y[a,b] += x[b,a]]

    Where n is a number, orbits with more than n blocks are zero and left out; what remains is a basis, so two
    maps have equal orbits exactly when they have equal matrices.

    Raises GroupError for other groups, SizeError beyond 250,000 terms. Source: arXiv 2212.08648, section 3.
    """
    require("map_", map_, Map, _MAP)
    _check_orbits(map_.group)
    n = map_.group.n
    terms = (
        (coefficient, coarser)
        for coefficient, diagram in map_.terms
        for _, coarser in _coarser(diagram)
        if isinstance(n, str) or len(coarser.blocks) <= n
    )
    return Orbits(map_.group, axes_of(map_.outputs), axes_of(map_.inputs), _collect(terms))


@explain_calls
def from_orbits(orbits: Orbits) -> Map:
    """The diagrams of a map in the orbit basis, by Moebius inversion over coarser partitions.

    >>> from eqsynth import Diagram, Group
    >>> from eqsynth.algebra import Orbits, from_orbits
    >>> apart = Orbits(Group("S", "n"), 1, 1, ((1, Diagram(1, 1, ((0,), (1,)))),))
    >>> print(from_orbits(apart))
    [y[a] += x[b]] - [y[a] += x[a]]

    The inverse of :func:`to_orbits` on every Orbits; on a Map, up to the diagrams that are dependent at n.
    Raises SizeError beyond 250,000 terms.
    """
    if not isinstance(orbits, Map):
        require("orbits", orbits, Orbits, "write to_orbits(map)")
    terms: list[Term] = []
    for coefficient, diagram in orbits.terms:
        for sizes, coarser in _coarser(diagram):
            moebius = prod((-1) ** (size - 1) * factorial(size - 1) for size in sizes)
            terms.append((coefficient * moebius, coarser))
    return Map.collect(orbits.group, orbits.outputs, orbits.inputs, terms)


@explain_calls
def matrix(map_: Map, n: int | None = None) -> NDArray[Any]:
    """The exact ``n**outputs x n**inputs`` matrix: int64, or objects (int and Fraction) where it must be.

    >>> from fractions import Fraction
    >>> from eqsynth.algebra import identity, matrix
    >>> matrix(identity("S(n)", 1) * 3, 2).tolist()
    [[3, 0], [0, 3]]
    >>> matrix(identity("S(1)", 1) * Fraction(1, 2)).tolist()
    [[Fraction(1, 2)]]

    Each diagram is read by :func:`eqsynth.diagrams.functor.matrix`. Raises SymbolicError where n is a letter and no
    number is given, SizeError beyond a million entries.
    """
    require("map_", map_, Map, _MAP)
    if n is not None:
        map_ = map_.at(n)
    above, below = axes_of(map_.outputs), axes_of(map_.inputs)
    size, total = map_.group.n, above + below
    if isinstance(size, str):
        raise SymbolicError(f"{_type(map_)} has no matrix while {size} is a letter: give a number, matrix(f, 3)")
    # A diagram has up to one index per vertex, and an array at most 32 of them.
    if total > 30 or size**total > MAX_ENTRIES:
        raise SizeError(
            f"the matrix of {_type(map_)} has {size}**{total} entries, beyond {MAX_ENTRIES}: "
            "ask for a smaller n, or compare maps with same(f, g), which builds no matrix"
        )
    import numpy as np

    from eqsynth.diagrams import functor

    numbers = [c for c, _ in map_.terms if not isinstance(c, Polynomial)]
    shared = lcm(*(c.denominator for c in numbers))
    factors = [int(c * shared) for c in numbers]
    wide = sum(map(abs, factors)) >= 2**63
    numerators: NDArray[Any] = np.zeros((size**above, size**below), object if wide else np.int64)
    for factor, (_, diagram) in zip(factors, map_.terms, strict=True):
        entries: NDArray[Any] = functor.matrix(map_.group, diagram, size)
        numerators += (entries.astype(object) if wide else entries) * factor
    if shared == 1:
        return numerators
    exact = [_rational(Fraction(int(entry), shared)) for entry in numerators.ravel()]
    rational = np.empty(len(exact), object)
    rational[:] = exact
    return rational.reshape(numerators.shape)


# Joining diagrams. A piece is a diagram and the node of each of its vertices. Nodes below outputs + inputs are
# the vertices of the result; any other node is summed over and belongs to exactly two vertices.
_Piece = tuple[Diagram, Sequence[int]]
_Node = int | tuple[int, int]


def _checked_group(group: Group | str, *diagrams: Diagram) -> Group:
    """The group, which has these diagrams."""
    group = Group.parse(group)
    for diagram in diagrams:
        _check_diagram(group, diagram)
    return group


def _transposed(group: Group, diagram: Any) -> tuple[Term, ...]:
    """The diagram upside down."""
    if isinstance(diagram, tuple):
        return _by_index(_transposed, group, diagram)
    outputs, inputs = diagram.inputs, diagram.outputs
    nodes = (*range(outputs, outputs + inputs), *range(outputs))
    return _glue(group, (outputs, inputs), [(diagram, nodes)])


def _by_index(operation: Callable[..., tuple[Term, ...]], group: Group | str, *elements: Any) -> tuple[Term, ...]:
    """What becomes of nested partitions: of the partitions of groups, times what becomes of those of members."""
    group = Group.parse(group)
    for element in elements:
        _check_diagram(group, element)
    joined = [operation(*own) for own in zip(group.indices, *elements, strict=True)]
    return _collect(
        (reduce(mul, (scalar for scalar, _ in terms)), tuple(diagram for _, diagram in terms))
        for terms in product(*joined)
    )


def _closed(group: Group, pieces: Sequence[tuple[Any, Sequence[int]]]) -> Scalar:
    """The number that pieces without open ends are."""
    if isinstance(pieces[0][0], tuple):
        indices = enumerate(group.indices)
        return reduce(mul, (_closed(index, [(parts[at], nodes) for parts, nodes in pieces]) for at, index in indices))
    return sum((scalar for scalar, _ in _glue(group, (0, 0), pieces)), 0)


def _composed(group: Group, first: Any, second: Any, alike: bool = False) -> tuple[Term, ...]:
    """First one diagram, then another; ``alike``: heads of both are of one kind, V or V*."""
    if isinstance(first, tuple):
        return _by_index(_composed, group, first, second)
    total = second.outputs + first.inputs
    middle = range(total, total + first.outputs)
    pieces = [(first, (*middle, *range(second.outputs, total))), (second, (*range(second.outputs), *middle))]
    return _glue(group, (second.outputs, first.inputs), pieces, alike)


def _tensored(group: Group, left: Any, right: Any, alike: bool = False) -> tuple[Term, ...]:
    """Two diagrams side by side."""
    if isinstance(left, tuple):
        return _by_index(_tensored, group, left, right)
    outputs, inputs = left.outputs + right.outputs, left.inputs + right.inputs
    nodes = range(outputs + inputs)
    top, bottom = nodes[:outputs], nodes[outputs:]
    pieces = [
        (left, (*top[: left.outputs], *bottom[: left.inputs])),
        (right, (*top[left.outputs :], *bottom[left.inputs :])),
    ]
    return _glue(group, (outputs, inputs), pieces, alike)


def _glue(group: Group, orders: tuple[int, int], pieces: Sequence[_Piece], alike: bool = False) -> tuple[Term, ...]:
    if group.kept_graph is not None:
        return _collect(_join_graphs(group.kept_graph, orders, pieces))
    if group.partitions:
        return _collect(_join_blocks(group, orders, pieces))
    return _collect(_join_pairs(group, orders, pieces, alike))


def _follow(
    start: int, ends: Sequence[_Node], forms: Sequence[bool], at: Mapping[_Node, Sequence[int]], seen: list[bool]
) -> tuple[_Node | None, int, int]:
    """The far end of a strand (none: closed), the sign that omegas on it leave, and how many forms it has.

    Its edges are now ``seen``.
    """
    half, reversals, along = start, 0, 0
    while True:
        seen[half >> 1] = True
        if forms[half >> 1]:
            along += 1
            reversals += half & 1
        half ^= 1
        here = at[ends[half]]
        if len(here) == 1:
            return ends[half], (-1) ** (reversals + along // 2), along
        half = here[here[0] == half]
        if half == start:
            return None, (-1) ** (reversals + along // 2), along


def _join_pairs(group: Group, orders: tuple[int, int], pieces: Sequence[_Piece], alike: bool = False) -> Iterator[Term]:
    """Matchings: follow every strand from end to end, then the closed ones; heads stand at ends of strands."""
    ends, forms, at = _edges(group, pieces)
    pairs: list[tuple[int, ...]] = []
    # Head by head and place by place: the vertex of the result where the strand ends.
    counts = [len(heads_of(diagram.head, group.number)) if diagram.head else 0 for diagram, _ in pieces]
    free: list[dict[int, int]] = [{} for _ in range(sum(counts))]
    if group.duals and len(free) > 1:
        yield from _join_heads(group, orders, (ends, forms, at), [*counts, 0][:2], alike)
        return
    across: list[tuple[int, int]] = []
    #: Head by head whether its legs have other signs than those that a head of the result has there, all or none.
    turned = [0] * len(free)
    between = 0
    sign, loops, seen = 1, 0, [False] * len(forms)
    # Vertices of the result first, from the left, so that omega is read as the functor reads it.
    starts = [node for node, halves in at.items() if len(halves) == 1]
    for node in sorted(starts, key=lambda node: (1, *node) if isinstance(node, tuple) else (0, node)):
        half = at[node][0]
        if seen[half >> 1]:
            continue
        end, strand_sign, etas = _follow(half, ends, forms, at, seen)
        sign *= strand_sign if group.symplectic else 1
        match node, end:
            case int(), int():
                pairs.append((node, end))
            case int(), (head, place):
                free[head][place] = node
                turned[head] = (etas + (node >= orders[0])) % 2
            case (head, place), (other_head, other_place):
                if head == other_head:
                    return
                across.append((place, other_place))
                between = etas % 2
    for edge in range(len(forms)):
        if not seen[edge]:
            loops += 1
            strand_sign = _follow(2 * edge, ends, forms, at, seen)[1]
            sign *= strand_sign if group.symplectic else 1
    # Each leg of a head has another label, so that signs of all legs are the determinant of the form.
    legs = between if across else (sum(turned) + len(free) + 1) % 2
    sign *= group.determinant if free and legs else 1
    scalar = _power(group, loops) * sign
    if len(free) < 2:
        order = [vertex for strands in free for _, vertex in sorted(strands.items())]
        blocks = sorted([*pairs, *((vertex,) for vertex in order)])
        tied = tuple(number for number, block in enumerate(blocks) if len(block) == 1)
        yield scalar * sign_of(order), Diagram(*orders, tuple(blocks), head=tied)
        return
    for factor, more in _determinant(group, across, *free):
        yield scalar * factor, Diagram.of(*orders, [*pairs, *more])


def _edges(group: Group, pieces: Sequence[_Piece]) -> tuple[list[_Node], list[bool], dict[_Node, list[int]]]:
    """Edge e has the ends 2e (left) and 2e + 1: the nodes there, which edges are forms, the ends at a node.

    A strand of a head ends at the node (head, place).
    """
    ends: list[_Node] = []
    forms: list[bool] = []
    heads = 0
    for diagram, nodes in pieces:
        own = heads_of(diagram.head, group.number) if diagram.head else []
        for number, block in enumerate(diagram.blocks):
            if len(block) == 1:
                head, place = divmod(diagram.head.index(number), len(own[0]))
                ends += [(heads + head, place), nodes[block[0]]]
                forms.append(group.signature is not None and block[0] >= diagram.outputs)
            else:
                left, right = block
                ends += [nodes[left], nodes[right]]
                forms.append(group.paired and (left < diagram.outputs) == (right < diagram.outputs))
        heads += len(own)
    at: dict[_Node, list[int]] = {}
    for half, node in enumerate(ends):
        at.setdefault(node, []).append(half)
    return ends, forms, at


def _join_heads(
    group: Group,
    orders: tuple[int, int],
    edges: tuple[list[_Node], list[bool], dict[_Node, list[int]]],
    counts: Sequence[int],
    alike: bool,
) -> Iterator[Term]:
    """The same with several heads across a wall: those of V and of V* that there are go in pairs.

    ``counts``: how many heads each piece has; those of one piece are of one kind.
    """
    ends, forms, at = edges
    pairs: list[tuple[int, int]] = []
    far: list[list[_Node]] = [[-1] * group.number for _ in range(sum(counts))]
    loops, seen = 0, [False] * len(forms)
    for node, halves in at.items():
        if len(halves) > 1 or seen[halves[0] >> 1]:
            continue
        end = _follow(halves[0], ends, forms, at, seen)[0]
        assert end is not None  # noqa: S101 - strands that start at an end have another
        _tie(pairs, far, node, end)
    for edge in range(len(forms)):
        if not seen[edge]:
            loops += 1
            _follow(2 * edge, ends, forms, at, seen)
    left, right = range(counts[0]), range(counts[0], sum(counts))
    meeting = [] if alike else [*zip(left, right, strict=False)]
    ways = factorial(group.number) ** len(meeting)
    if ways > MAX_TERMS:
        raise SizeError(
            f"{len(meeting)} heads of {group} that meet as many are a sum over {ways} permutations, beyond "
            f"{MAX_TERMS}: ask for a smaller n, or join fewer heads"
        )
    kept = [head for head in range(len(far)) if not any(head in two for two in meeting)]
    for scalar, more, strands in _without(meeting, pairs, far):
        vertices = [node for head in kept for node in strands[head] if isinstance(node, int)]
        blocks = sorted([*(tuple(sorted(pair)) for pair in more), *((vertex,) for vertex in vertices)])
        head, sign = sorted_heads(tuple(blocks.index((vertex,)) for vertex in vertices), group.number)
        yield _power(group, loops) * scalar * sign, Diagram(*orders, tuple(blocks), head=head)


def _tie(pairs: list[tuple[int, int]], far: list[list[_Node]], one: _Node, other: _Node) -> None:
    """A strand from one end to another: a pair of vertices, or where legs of heads lead."""
    if isinstance(one, int) and isinstance(other, int):
        pairs.append((one, other))
    for end, to in ((one, other), (other, one)):
        if isinstance(end, tuple):
            far[end[0]][end[1]] = to


def _without(
    meeting: Sequence[tuple[int, int]], pairs: list[tuple[int, int]], far: list[list[_Node]]
) -> Iterator[tuple[int, list[tuple[int, int]], list[list[_Node]]]]:
    """Heads of V and V* that meet, replaced by sums over permutations: scalars, pairs, and where other legs lead."""
    if not meeting:
        yield 1, pairs, far
        return
    (first, second), *rest = meeting
    across = {place: node[1] for place, node in enumerate(far[first]) if isinstance(node, tuple) and node[0] == second}
    rows = [place for place in range(len(far[first])) if place not in across]
    columns = [place for place in range(len(far[second])) if place not in across.values()]
    for order in permutations(columns):
        image = {**across, **dict(zip(rows, order, strict=True))}
        scalar = sign_of([image[place] for place in sorted(image)]) * factorial(len(across))
        more, strands = [*pairs], [[*legs] for legs in far]
        for row, column in zip(rows, order, strict=True):
            _tie(more, strands, strands[first][row], strands[second][column])
        yield from ((scalar * factor, *after) for factor, *after in _without(rest, more, strands))  # type: ignore[misc]


def _determinant(
    group: Group, across: Sequence[tuple[int, int]], first: dict[int, int], second: dict[int, int]
) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Two epsilons with some places summed ``across``: a sign, and how the other places are paired, each time."""
    ways = factorial(len(first))
    if ways > MAX_TERMS:
        raise SizeError(
            f"two heads of {group} that meet in {len(across)} strands are a sum over {ways} permutations, "
            f"beyond {MAX_TERMS}: ask for a smaller n, or join more strands of the heads"
        )
    rows, columns = sorted(first), sorted(second)
    image = dict([*across, *zip(rows, columns, strict=True)])
    start = sign_of([image[place] for place in sorted(image)]) * factorial(len(across))
    for order in permutations(range(len(rows))):
        yield (
            start * sign_of(order),
            [(first[row], second[columns[entry]]) for row, entry in zip(rows, order, strict=True)],
        )


def _merged(
    orders: tuple[int, int], pieces: Sequence[_Piece]
) -> tuple[dict[tuple[int, int], int], list[int], dict[int, list[int]]]:
    """Blocks that share a node merge.

    Returns the place of each (piece, block), the component of each place, and the vertices of the result
    that each component holds.
    """
    blocks = [(piece, number) for piece, (diagram, _) in enumerate(pieces) for number in range(len(diagram.blocks))]
    place = {block: position for position, block in enumerate(blocks)}
    at: dict[int, list[int]] = {}
    for piece, (diagram, nodes) in enumerate(pieces):
        for vertex, number in enumerate(diagram.labels):
            at.setdefault(nodes[vertex], []).append(place[piece, number])
    root = components(len(blocks), at.values())
    outer: dict[int, list[int]] = {component: [] for component in root}
    for node in sorted(at):
        if node < sum(orders):
            outer[root[at[node][0]]].append(node)
    return place, root, outer


def _join_blocks(group: Group, orders: tuple[int, int], pieces: Sequence[_Piece]) -> Iterator[Term]:
    """Partitions: blocks that share a node are one component; a component without a vertex of the result floats."""
    place, root, outer = _merged(orders, pieces)
    heads: list[list[int]] = []
    for piece, (diagram, _) in enumerate(pieces):
        if diagram.head:
            slots = [root[place[piece, number]] for number in diagram.head]
            if len(set(slots)) < len(slots):
                return
            if len(slots) == group.n:
                heads.append(slots)
            else:
                # The missing label is one more label, which is summed over.
                missing = len(place) + len(heads)
                outer[missing] = []
                heads.append([*slots, missing])
    match heads:
        case []:
            yield _headless(group, orders, outer.values())
        case [slots]:
            yield from _one_head(group, orders, outer, slots)
        case _:
            yield from _two_heads(group, orders, outer, heads)


def _join_graphs(graph: Graph, orders: tuple[int, int], pieces: Sequence[_Piece]) -> Iterator[Term]:
    """Bilabelled graphs: blocks that share a node become one, and a block without a vertex of the result internal."""
    place, root, outer = _merged(orders, pieces)
    edges = {
        (root[place[piece, tail]], root[place[piece, tip]])
        for piece, (diagram, _) in enumerate(pieces)
        for tail, tip in diagram.edges
    }
    labelled = sorted((component for component, nodes in outer.items() if nodes), key=outer.__getitem__)
    internal = sorted(component for component, nodes in outer.items() if not nodes)
    numbering = {component: position for position, component in enumerate((*labelled, *internal))}
    linked = components(len(numbering), [(numbering[tail], numbering[tip]) for tail, tip in edges])
    held = {linked[numbering[component]] for component in labelled}
    scalar = 1
    for part in sorted({linked[numbering[component]] for component in internal} - held):
        own = [component for component in internal if linked[numbering[component]] == part]
        inside = [edge for edge in edges if edge[0] in own]
        closed = _bilabelled(
            graph, (0, 0), [[]] * len(own), [(own.index(tail), own.index(tip)) for tail, tip in inside]
        )
        scalar *= values(graph, closed, [()])[0]
    remaining = [component for component in (*labelled, *internal) if linked[numbering[component]] in held]
    links = [(remaining.index(tail), remaining.index(tip)) for tail, tip in edges if tail in remaining]
    yield scalar, _bilabelled(graph, orders, [outer[component] for component in remaining], links)


def _bilabelled(
    graph: Graph, orders: tuple[int, int], blocks: Sequence[Sequence[int]], edges: Iterable[tuple[int, int]]
) -> Diagram:
    """The diagram whose internal blocks are numbered such that its tuple of edges is least."""
    labelled = sum(1 for block in blocks if block)
    if len(blocks) - labelled > MAX_INTERNAL:
        raise SizeError(
            f"the product has {len(blocks) - labelled} internal vertices, more than {MAX_INTERNAL}: "
            "compose smaller bilabelled graphs"
        )
    listed = list(edges)

    def renumbered(order: Sequence[int]) -> tuple[tuple[int, int], ...]:
        number = (*range(labelled), *order)
        ends = [(number[tail], number[tip]) for tail, tip in listed]
        return tuple(sorted(set(ends if graph.directed else [(min(end), max(end)) for end in ends])))

    least = min(map(renumbered, permutations(range(labelled, len(blocks)))))
    return Diagram(*orders, tuple(map(tuple, blocks)), least)


def _headless(group: Group, orders: tuple[int, int], outer: Iterable[list[int]]) -> Term:
    components = list(outer)
    blocks = [component for component in components if component]
    return _power(group, len(components) - len(blocks)), Diagram.of(*orders, blocks)


def _one_head(
    group: Group, orders: tuple[int, int], outer: dict[int, list[int]], slots: Sequence[int]
) -> Iterator[Term]:
    """The labels of the slots are all n labels, once each: a loose component agrees with one of the slots.

    Nothing floats beside a jellyfish, since every vertex of it is tied to its head.
    """
    if not group.jellyfish:
        yield from _one_loose_head(group, orders, outer, slots)
        return
    loose = [vertices for component, vertices in outer.items() if component not in slots and vertices]
    ways = len(slots) ** len(loose)
    if ways > MAX_TERMS:
        raise SizeError(
            f"a head of {group} with {len(loose)} blocks beside it is a sum of {ways} heads, beyond {MAX_TERMS}: "
            "ask for a smaller n or fewer blocks"
        )
    for choice in product(range(len(slots)), repeat=len(loose)):
        filled = [list(outer[slot]) for slot in slots]
        for vertices, slot in zip(loose, choice, strict=True):
            filled[slot] += vertices
        if sum(not vertices for vertices in filled) > 1:
            continue  # antisymmetric in two labels that are summed over
        sign = sign_of([min(vertices, default=sum(orders)) for vertices in filled])
        diagram = Diagram.of(*orders, [vertices for vertices in filled if vertices])
        jellyfish = Diagram(*orders, diagram.blocks, head=tuple(range(len(diagram.blocks))))
        yield sign, jellyfish


def _one_loose_head(
    group: Group, orders: tuple[int, int], outer: dict[int, list[int]], slots: Sequence[int]
) -> Iterator[Term]:
    """The same for a head of single vertices with others beside it, its last label being summed (B(n), B'(n))."""
    tied = [outer[slot] for slot in slots if outer[slot]]
    if len(tied) < group.number - 1:
        return  # antisymmetric in two labels that are summed over
    beside = [vertices for component, vertices in outer.items() if component not in slots]
    if group.n == 1:
        # Epsilon is 1, and so is every entry: all vertices are single, the first on the head.
        yield 1, Diagram(*orders, tuple((vertex,) for vertex in range(sum(orders))), head=(0,))
        return
    scalar, diagram = _headless(group, orders, [*tied, *beside])
    places = tuple(diagram.blocks.index(tuple(sorted(vertices))) for vertices in tied)
    yield scalar * sign_of(places), Diagram(*orders, diagram.blocks, head=tuple(sorted(places)))


def _two_heads(
    group: Group, orders: tuple[int, int], outer: dict[int, list[int]], heads: Sequence[Sequence[int]]
) -> Iterator[Term]:
    """Both heads go: the determinant of deltas holds for all labels, so its terms are headless partitions."""
    first, second = heads
    for one, other in ((first, second), (second, first)):
        if sum(not outer[slot] and slot not in other for slot in one) > 1:
            return
    across = [(first.index(slot), second.index(slot)) for slot in first if slot in second and not outer[slot]]
    summed = {first[place] for place, _ in across}
    free_first = {place: slot for place, slot in enumerate(first) if slot not in summed}
    free_second = {place: slot for place, slot in enumerate(second) if slot not in summed}
    names = [component for component in outer if component not in summed]
    number = {component: position for position, component in enumerate(names)}
    for factor, links in _determinant(group, across, free_first, free_second):
        root = components(len(names), ([number[a], number[b]] for a, b in links))
        merged: dict[int, list[int]] = {}
        for component, position in number.items():
            merged.setdefault(root[position], []).extend(outer[component])
        scalar, diagram = _headless(group, orders, merged.values())
        yield scalar * factor, diagram


def _power(group: Group, exponent: int) -> Scalar:
    """``n ** exponent``."""
    if isinstance(group.n, str):
        return Polynomial({((group.n, exponent),) if exponent else (): 1})
    return int(group.n**exponent)


def _coarser(diagram: Diagram) -> Iterator[tuple[list[int], Diagram]]:
    """Every diagram coarser than or equal to one, with how many of its blocks each block is made of."""
    count = len(diagram.blocks)
    if bell(count) > MAX_TERMS:
        raise SizeError(
            f"a diagram of {count} blocks has {bell(count)} coarser ones, beyond {MAX_TERMS}: "
            "ask for the orbits of diagrams with fewer blocks"
        )
    for groups in set_partitions(count):
        blocks = [[vertex for block in group for vertex in diagram.blocks[block]] for group in groups]
        yield [len(group) for group in groups], Diagram.of(diagram.outputs, diagram.inputs, blocks)


def _collect(terms: Iterable[Term]) -> tuple[Term, ...]:
    coefficients: dict[Diagram, Scalar] = {}
    for coefficient, diagram in terms:
        coefficients[diagram] = coefficients.get(diagram, 0) + _exact(coefficient)
    diagrams = sorted((diagram for diagram, coefficient in coefficients.items() if coefficient != 0), key=_key)
    return tuple((_exact(coefficients[diagram]), diagram) for diagram in diagrams)


@lru_cache(maxsize=65536)
def _key(diagram: Any) -> Any:
    return join(diagram).key if isinstance(diagram, tuple) else diagram.key


def _rational(value: object) -> int | Fraction:
    if type(value) is int:
        return value
    try:
        if binary(value):
            raise ValueError(value)
        exact = fraction(value)
    except ValueError:
        raise EqsynthError(
            f"the coefficient {shown(value)} is not exact: write a whole number or a Fraction, such as Fraction(1, 2)"
        ) from None
    return exact.numerator if exact.denominator == 1 else exact


def _is_number(value: object) -> bool:
    """Whether somebody means a scalar, exact or not: a number, a rational function, an expression of SymPy."""
    kinds = Number | Polynomial
    return isinstance(value, kinds) or type(value).__module__.partition(".")[0] == "sympy"


def _exact(value: object) -> Scalar:
    """The one form of a scalar: whole numbers as int, constants as numbers."""
    if type(value) is int:
        return value
    if type(value).__module__.partition(".")[0] == "sympy":
        value = Polynomial(value)
    if isinstance(value, Polynomial):
        number = value.constant
        return value if number is None else number
    return _rational(value)


def _check_group(group: Group) -> None:
    require("group", group, Group, "write eq.Group.parse(text)")
    if not group.spanning:
        known = families_with(lambda kind: kind.spanning)
        raise GroupError(f"the maps of {group} have no algebra of diagrams here: ask for one of {known}")


@lru_cache(maxsize=65536)
def _check_diagram(group: Group, diagram: Any) -> None:
    _check_group(group)
    graphs = group.kept_graph is not None
    if group.maps == "nested":
        parts = diagram if isinstance(diagram, tuple) else ()
        heads = [part.head if isinstance(part, Diagram) else None for part in parts]
        alike = heads == [()] * len(group.indices) and len({(part.outputs, part.inputs) for part in parts}) == 1
        if not alike or group.nested_misfit(*(part.blocks for part in parts), limits=False):
            formulas = " ⊗ ".join(str(part) if isinstance(part, Diagram) else shown(part) for part in parts)
            raise GroupError(f"{formulas or shown(diagram)} is no diagram of {group}: it takes {group.spanning}")
        return
    require("diagram", diagram, Diagram, _DIAGRAM)
    if group.misfit(diagram.blocks, diagram.head) if graphs else misfit(group, diagram):
        raise GroupError(
            f"{diagram}, {diagram.inputs} -> {diagram.outputs}, is no diagram of {group}: it takes {group.spanning}; "
            "eqsynth.diagrams.enumeration.diagrams lists them"
        )


def _order(group: Group, order: Any) -> MapOrder:
    """An order of a map, as a group reads it where it tells V from V*, or has determinants; checked with the terms."""
    if isinstance(group, Group) and isinstance(order, str | Twisted | tuple | list):
        if isinstance(order, str | Twisted) or group.duals:
            order = fitted_order(group, read_order(order))
        if isinstance(order, Twisted) and not group.flips:
            order = order.order
    return cast("MapOrder", order)


def _checked_order(group: Group, order: Any) -> MapOrder:
    """The same, checked by itself."""
    _check_group(group)
    order = _order(group, order)
    return order if isinstance(order, Valence) or _is_twisted(order) else plain_order(order)


def _is_twisted(order: object) -> bool:
    """Whether an order is that of all tensors, twisted by the determinant."""
    return isinstance(order, Twisted) and isinstance(order.order, int)


def _beside(first: MapOrder, second: MapOrder) -> MapOrder:
    """The order of a product; two determinants are none."""
    twisted = twists_of(first) != twists_of(second)
    return cast("MapOrder", with_twists(of_duals([*duals_of(first), *duals_of(second)]), [twisted]))


def _check_terms(group: Group, outputs: MapOrder, inputs: MapOrder, terms: Sequence[Term]) -> None:
    _check_group(group)
    allowed = group
    plain: list[Any] = [
        one if isinstance(one, Valence) or _is_twisted(one) else whole(one) for one in (outputs, inputs)
    ]
    if None not in plain:
        allowed = maps_of(group, plain[1], plain[0])
        outputs, inputs = map(axes_of, plain)
    pairs = isinstance(terms, tuple) and all(isinstance(term, tuple) and len(term) == 2 for term in terms)
    if whole(outputs) is None or whole(inputs) is None or not pairs:
        what = shown(terms if whole(outputs) is not None and whole(inputs) is not None else (outputs, inputs))
        raise EqsynthError(
            f"a map has whole numbers of outputs and inputs, and pairs (coefficient, diagram), not {what}"
        )
    letters = {index.n for index in group.indices if index.symbolic}
    for coefficient, term in terms:
        diagram = term[0] if isinstance(term, tuple) and len(term) == len(group.indices) > 1 else term
        require("a term", diagram, Diagram, _DIAGRAM)
        if (diagram.outputs, diagram.inputs) != (outputs, inputs):
            raise SpaceError(
                f"the diagram {diagram.inputs} -> {diagram.outputs} has no place in a map {inputs} -> {outputs}: "
                "terms have the orders of their sum"
            )
        _check_diagram(allowed, term)
        if type(_exact(coefficient)) is not type(coefficient) or coefficient == 0:
            raise EqsynthError(f"the coefficient {shown(coefficient)} is not in its one form: use Map.collect")
        if isinstance(coefficient, Polynomial) and not {*coefficient.letters} <= letters:
            raise EqsynthError(f"the coefficient {coefficient} is not in the size of {group}: put a number for it")
    keys = [_key(diagram) for _, diagram in terms]
    if any(later <= earlier for earlier, later in pairwise(keys)):
        raise EqsynthError("the terms are not in order, each diagram once: use Map.collect")


def _check_orbits(group: Group) -> None:
    require("group", group, Group, "write eq.Group.parse(text)")
    if not group.coarsens or group.heads:
        raise GroupError(
            f"the orbit basis is that of S(n), H(n) and S'(n), not of {group}: ask for a map of S({group.n})"
        )


def _group_at(group: Group, n: int) -> Group:
    if group.symbolic:
        number = whole(n)
        if number is None:
            raise GroupError(f"the letter of {group} stands for a whole number, not for {shown(n)}")
        return group.at(number)
    if group.n != whole(n):
        at = shown(n)
        raise GroupError(f"{group} has its n already, it cannot be {at}: build the map for {group.family}({at})")
    return group


def _type(map_: Map) -> str:
    return f"({map_.group}: {map_.inputs} -> {map_.outputs})"


def _times_text(coefficient: Scalar, what: str, times: str) -> str:
    if isinstance(coefficient, Polynomial) and coefficient.polynomial and len(coefficient.terms) > 1:
        return f"({coefficient}){times}{what}"
    if coefficient in {1, -1}:
        return what if coefficient == 1 else f"-{what}"
    return f"{coefficient}{times}{what}"


def _times_latex(coefficient: Scalar, what: str) -> str:
    if coefficient in {1, -1}:
        return what if coefficient == 1 else f"-{what}"
    several = isinstance(coefficient, Polynomial) and coefficient.polynomial and len(coefficient.terms) > 1
    text = Polynomial(coefficient).latex()
    return f"\\left({text}\\right) {what}" if several else f"{text} {what}"


def _sum_text(parts: Iterable[str]) -> str:
    text = ""
    for part in parts:
        if not text:
            text = part
        else:
            text += f" - {part[1:]}" if part.startswith("-") else f" + {part}"
    return text or "0"
