"""Exact bases of equivariant maps, made of diagrams, with the certificate that proves them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any, cast, overload

from eqsynth.bases import dimension as dimensions
from eqsynth.bases import index_symmetries, irreps
from eqsynth.diagrams import codec, enumeration, functor, gram, standard, words
from eqsynth.diagrams.bilabelled import PRIME, affordable, choose
from eqsynth.diagrams.diagram import Diagram, Element, MatrixMap, Multiplied, Orbit, Parts, Single, join
from eqsynth.diagrams.transfer import transfers
from eqsynth.errors import CatalogError, EqsynthError, GroupError, SizeError, SymbolicError, explain_calls, shown
from eqsynth.exact.limits import afford
from eqsynth.exact.numbers import choice, flag, whole
from eqsynth.families.group import Group, families_with
from eqsynth.families.hom import check_transfer, fitted_order, maps_of, mixed
from eqsynth.graphs.orbits import representatives, signed_orbits, signed_tables
from eqsynth.spaces.exchanges import Turn
from eqsynth.spaces.space import (
    FactorOrder,
    Order,
    axes_of,
    axis_counts,
    is_number,
    is_plain,
    order_text,
    orders_of,
    plain,
    products,
    read_order,
    stored_full,
    tensor_parts,
    untwisted,
)
from eqsynth.store import cache
from eqsynth.store.waiting import waiting

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from eqsynth.bases.algebra import Map
    from eqsynth.bases.projection import Projection
    from eqsynth.exact.permutations import Permutation

#: The most orders of axes that maps of symmetric tensors are added up in, each a term of a plan.
MAX_TURNS = 5_000
#: The largest set of diagrams that is listed, and the largest that a Gram matrix is built for.
MAX_DIAGRAMS = 1_000_000
MAX_GRAM = 6_000
#: How independent diagrams are chosen among dependent ones.
CHOICES = ("auto", "cheapest", "standard")
#: From this many listed diagrams on a basis is kept in the user's cache, if reading it leaves nothing to choose.
WORTH_KEEPING = 500
#: The folders that decide what is in the entry of a basis: all that this module uses.
MAKERS = ("exact", "graphs", "spaces", "families", "diagrams", "bases")
#: How many elements are shown unless told otherwise.
SHOWN = 60
#: The largest number of entries that ``matrices`` fills.
MAX_ENTRIES = 50_000_000
#: The largest number of entries of tables that are listed one by one.
MAX_LISTED = 200_000


@dataclass(frozen=True, slots=True)
class Certificate:
    """Why a set of diagrams is a basis: its size, and the argument for its independence.

    >>> import eqsynth as eq
    >>> certificate = eq.basis("O(3)", 3, 3).certificate
    >>> certificate.dimension, certificate.spanning, certificate.independence
    (15, 15, 'stable')
    >>> print(eq.basis("S(n)", 1, 1).certificate)
    2; independent: all diagrams are independent at this size; complete: the dimension is 2

    ``dimension`` comes from representation theory; ``spanning`` elements were considered.
    ``independence`` names the argument: ``"stable"`` (the group's theorem for large n), ``"blocks"``
    (S(n): partitions into at most n blocks; their change to the orbit basis is unitriangular), ``"standard"``
    (O(n), SO(n), Sp(n): words without subsequences longer than n, see :mod:`eqsynth.diagrams.standard`),
    ``"orbits"`` (S(n): coordinates in the orbit basis of full rank modulo ``prime``), ``"gram"`` (the
    Gram matrix has full rank modulo ``prime``), ``"values"`` (SL(n), SU(n), products of several determinants: values
    on the index tuples at which standard diagrams are triangular), ``"disjoint"`` (orbits), ``"representatives"``
    (Aut(G): values on one index tuple per orbit), ``"kernel"`` (groups given by matrices), ``"product"``, ``"nested"``
    (wreath products: at most n blocks of at most m, unitriangular to the orbit basis), or for symmetric and
    alternating tensors ``"cosets"`` (permutations of axes carry diagrams of a basis to each other: one diagram of each
    orbit is left), ``"orbits of all"`` (all diagrams have no more orbits than the dimension) and ``"means"`` (means
    over permutations of axes have full rank modulo ``prime``), or for irreps
    ``"schur"`` (there is no map but the identity), ``"coupling"`` (a product of two irreps of O(3) holds a third once
    at most, :mod:`eqsynth.bases.couplings`) and ``"images"`` (images of a vector have full rank modulo ``prime``), or
    for maps that mean the same at every size ``"transfer"`` (those of a basis whose blocks say so, see
    :mod:`eqsynth.diagrams.transfer`), or for products of equal factors ``"patterns"`` (all patterns, as many as the
    dimension) and ``"tensors"`` (values at random tensors of full rank modulo ``prime``), :mod:`eqsynth.plans.powers`.
    """

    dimension: int
    spanning: int
    independence: str
    prime: int = 0

    def __str__(self) -> str:
        why = {
            "stable": "all diagrams are independent at this size",
            "blocks": "partitions into at most n blocks are unitriangular to the orbit basis",
            "standard": "words without monotone subsequences longer than n have leading terms of their own",
            "disjoint": "orbits are disjoint",
            "representatives": f"their values on one tuple per orbit have full rank modulo {self.prime}",
            "kernel": "each has a place of its own in the exact kernel of the generators' constraints",
            "product": "products of the factors' bases",
            "nested": "at most n blocks of at most m are unitriangular to the orbit basis",
            "cosets": "orbits of independent diagrams under permutations of axes are disjoint",
            "orbits of all": "there are no other orbits of diagrams under permutations of axes",
            "means": f"their means over permutations of axes have full rank modulo {self.prime}",
            "transfer": "part of a basis, and no combination of the rest commutes at every size",
            "schur": "multiples of the identity, or zero, by Schur's lemma",
            "coupling": "a product of two irreps of O(3) holds a third once at most, and the map is not zero",
            "images": f"images of one vector of an irrep have full rank modulo {self.prime}",
            "gram": f"their Gram matrix has full rank modulo {self.prime}",
            "patterns": "up to exchanges of equal factors and axes there are no others",
            "tensors": f"their values at random tensors have full rank modulo {self.prime}",
            "orbits": f"their coordinates in the orbit basis have full rank modulo {self.prime}",
            "values": f"their values on one tuple per standard diagram have full rank modulo {self.prime}",
        }[self.independence]
        of = f" of {self.spanning} diagrams" if self.spanning != self.dimension else ""
        return f"{self.dimension}{of}; independent: {why}; complete: the dimension is {self.dimension}"


@dataclass(frozen=True, slots=True)
class Basis:
    """A basis of all linear maps V^k -> V^l, V = R^n, that commute with a group.

    >>> import eqsynth as eq
    >>> basis = eq.basis("S(3)", 2, 1)
    >>> len(basis), basis[0].formula()
    (5, 'y[a] += x[b,b]')
    >>> basis.matrices().shape
    (5, 3, 9)

    A basis is a sequence of :class:`Diagram`; ``print`` shows each with its picture, index formula
    and cost. Element i belongs to ``weight[i]`` of a layer made for the same group and orders.

    Where outputs are symmetric or alternating, map i is the sum over ``turns[i]``: the output of the diagram with its
    axes in another order, times a sign, for each image that differs. Maps of symmetric inputs read them as they are.

    Methods that make matrices raise SymbolicError where n is open and not given, SizeError where they do not fit.
    """

    group: Group
    inputs: Order
    outputs: Order
    diagrams: tuple[Element, ...]
    certificate: Certificate
    turns: tuple[tuple[Turn, ...], ...] = ()
    #: With which way to grow n all maps commute, where these alone were asked for.
    transfer: str | None = None

    def __post_init__(self) -> None:
        if any(type(element) is tuple for element in self.diagrams[:1]):
            listed = tuple([Parts(self.parts(index)) for index in range(len(self))])
            object.__setattr__(self, "diagrams", listed)

    def __len__(self) -> int:
        return len(self.diagrams)

    def __iter__(self) -> Iterator[Single | Parts]:
        return iter(cast("tuple[Single | Parts, ...]", self.diagrams))

    @overload
    def __getitem__(self, index: int) -> Single | Parts: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Single | Parts, ...]: ...
    def __getitem__(self, index: int | slice) -> Single | Parts | tuple[Single | Parts, ...]:
        return cast("tuple[Single | Parts, ...]", self.diagrams)[index]

    @explain_calls
    def map(self, index: int) -> Map:
        """Element ``index`` as a map that composes, since it knows its group: ``>>``, ``@``, ``.T``, ``+``, ``/ 2``.

        >>> import eqsynth as eq
        >>> basis = eq.basis("S(n)", 1, 1)
        >>> print(basis.map(0) >> basis.map(0))
        n · [y[a] += x[b]]
        >>> print(basis.map(0) / 2 - basis.map(1), "with trace", basis.map(1).trace())
        1/2 · [y[a] += x[b]] - [y[a] += x[a]] with trace n

        ``basis[index]`` is the diagram alone, a value without a group that several bases share. See
        :class:`eqsynth.algebra.Map`. Raises GroupError for elements that are not single diagrams: those of products,
        of tables, and between symmetric tensors. EqsynthError for a number that the basis does not have.
        """
        from eqsynth.bases.algebra import Map

        diagrams = self.nested() if self.group.maps == "nested" else self.plain()[0]
        number = whole(index)
        if number is None or not -len(self) <= number < len(self):
            raise EqsynthError(f"a basis of {len(self)} maps has none numbered {shown(index)}: count from 0")
        return Map.of(self.group, diagrams[number], 1, self.outputs, self.inputs)

    def flat(self, index: int) -> Diagram:
        """Element ``index`` as one diagram on all axes of the tensors."""
        parts = self.factors(index)
        return parts[0] if len(parts) == 1 else join(parts)

    def factors(self, index: int) -> tuple[Diagram, ...]:
        """Element ``index`` as one diagram for each factor of the group.

        Raises GroupError for elements that are not diagrams.
        """
        parts = self.parts(index)
        diagrams = tuple([part for part in parts if isinstance(part, Diagram)])
        if len(diagrams) < len(parts):
            raise GroupError(f"{self.formula(index)}: this element of {self.group} is not a diagram")
        return diagrams

    def parts(self, index: int) -> tuple[Single, ...]:
        """Element ``index`` as one element for each factor of the group, or for each index of an axis that has two."""
        element = self.diagrams[index]
        return element if isinstance(element, tuple) else (element,)

    def factor_parts(self, index: int) -> list[Element]:
        """Element ``index`` as one element of the basis of each factor of the group."""
        several = self.group.maps == "factors"
        return functor.by_factor(self.group, self.parts(index)) if several else [self.diagrams[index]]

    def factor_bases(self) -> tuple[Basis, ...]:
        """The bases of the factors of the group, those that layers use; the basis itself where there is one factor."""
        if self.group.maps != "factors":
            return (self,)
        problems = zip(self.group.factors, orders_of(self.inputs), orders_of(self.outputs), strict=True)
        return tuple(basis(*problem) for problem in problems)

    def plain(self) -> tuple[tuple[Diagram, ...], int, int]:
        """The elements, which must be diagrams of a single group, and the orders k and l.

        Raises GroupError for products and for groups that are handled through tables.
        """
        listed = tuple(element for element in self.diagrams if isinstance(element, Diagram))
        inputs, outputs = untwisted(self.inputs), untwisted(self.outputs)
        if len(listed) != len(self) or isinstance(inputs, tuple) or isinstance(outputs, tuple):
            known = families_with(lambda kind: kind.spanning)
            raise GroupError(
                f"maps of {self.group} are products of maps of its factors: take those, basis.factor_bases()"
                if self.group.maps == "factors"
                else f"maps {order_text(self.inputs)} -> {order_text(self.outputs)} of {self.group} are not "
                f"diagrams alone, but tables: take eq.basis(...).matrices(), or ask for one of {known}"
            )
        self.refuse_irreps()
        if not self.plain_orders:
            raise GroupError(
                f"maps {order_text(self.inputs)} -> {order_text(self.outputs)} of {self.group} are no diagrams, but "
                f"sums of them: ask for the orders {order_text(plain(self.inputs))} -> "
                f"{order_text(plain(self.outputs))}"
            )
        return listed, axes_of(inputs), axes_of(outputs)

    def nested(self) -> tuple[Element, ...]:
        """The elements, which must be nested partitions of a wreath product.

        Raises GroupError between symmetric tensors, and between twisted ones and others.
        """
        given, wanted = order_text(self.inputs), order_text(self.outputs)
        if not self.plain_orders:
            raise GroupError(
                f"maps {given} -> {wanted} of {self.group} are no nested partitions, but sums of them: ask for the "
                f"orders {order_text(plain(self.inputs))} -> {order_text(plain(self.outputs))}"
            )
        if not all(isinstance(element, tuple) for element in self.diagrams):
            raise GroupError(
                f"maps {given} -> {wanted} of {self.group} are tables, no nested partitions: take "
                "eq.basis(...).matrices(), or ask for orders that are both twisted by the determinant, or neither"
            )
        return self.diagrams

    def refuse_irreps(self) -> None:
        """Raise GroupError where inputs or outputs are irreps, whose maps are not the matrices of diagrams."""
        if irreps.has_irreps(self.inputs, self.outputs):
            raise GroupError(
                f"maps {order_text(self.inputs)} -> {order_text(self.outputs)} of {self.group} are diagrams on the "
                f"tensors that the irreps are: ask for the orders {order_text(plain(self.inputs))} -> "
                f"{order_text(plain(self.outputs))}"
            )

    def formulas(self, multiplied: Sequence[Multiplied] = ()) -> list[str]:
        """The index formula of every element; ``multiplied``: what x is the product of (``ProductHom.multiplied``)."""
        return [self.formula(index, multiplied) for index in range(len(self))]

    def formula(self, index: int, multiplied: Sequence[Multiplied] = ()) -> str:
        """The index formula of an element."""
        return words.formula(self.group, self.diagrams[index], self.turned(index), multiplied)

    def turned(self, index: int) -> tuple[Turn, ...]:
        """The orders of axes and signs whose sum is map ``index``: just the order that there is, for plain outputs."""
        return self.turns[index] if self.turns else ((tuple(range(axes_of(self.outputs))), 1),)

    def transfers(self, index: int) -> tuple[str, ...]:
        """With which ways to grow a size that is a letter map ``index`` commutes.

        >>> import eqsynth as eq
        >>> basis = eq.basis("S(n)", 1, 2)
        >>> [(basis.formula(number), basis.transfers(number)) for number in (0, 2, 4)]
        [('y[a,a] += x[b]', ()), ('y[a,a] += x[a]', ('pad',)), ('y[a,b] += x[b]', ('repeat',))]

        ``"repeat"``: with repeating every node, where sums are divided by n; ``"pad"``: with more nodes of zeros, where
        sums are plain. Decided on the blocks of the diagram: see :mod:`eqsynth.diagrams.transfer`, which proves it.
        """
        return transfers(self.group, self.diagrams[index])

    @property
    def plain_orders(self) -> bool:
        """Whether neither inputs nor outputs are symmetric or alternating."""
        return is_plain(self.inputs) and is_plain(self.outputs)

    def matrices(self, n: int | Sequence[int] | None = None, turned: bool = True) -> NDArray[np.int64]:
        """The basis as integer matrices, shape ``(len(self), n**outputs, n**inputs)``.

        ``n`` is needed when the group leaves it open, and then any size that the group has will do; for a
        product group, one size per factor. Rows and columns run over index tuples with the first axis
        most significant.

        Tensors are stored full here; matrices of maps of symmetric tensors act on tensors that are symmetric. With
        ``turned=False`` they are those of the diagrams alone, before they are added in several orders of the outputs.

        Raises SizeError above 50 million entries, SymbolicError without a number for n.
        """
        import numpy as np

        turned, sizes = flag("turned", turned), self.sizes(n)
        rows = prod(size**order for size, order in zip(sizes, axis_counts(self.outputs), strict=True))
        columns = prod(size**order for size, order in zip(sizes, axis_counts(self.inputs), strict=True))
        entries = len(self) * rows * columns
        if entries > MAX_ENTRIES:
            raise SizeError(
                f"the {len(self)} matrices of {self.group} {order_text(self.inputs)} -> "
                f"{order_text(self.outputs)} at n = {sizes[0]} have "
                f"{entries:,} entries, more than {MAX_ENTRIES:,}: ask for a smaller n, or use eq.Linear, "
                "which never forms them"
            )
        filled = np.zeros((len(self), rows, columns), np.int64)
        for index, element in enumerate(self.diagrams):
            filled[index] = functor.matrix(self.group, element, sizes)
            if self.turns and turned:
                filled[index] = index_symmetries.summed(filled[index], self.outputs, sizes, self.turns[index])
        return filled

    def project(self, matrix: Any, n: int | None = None) -> Projection:
        """The exact orthogonal projection of any matrix onto the equivariant maps; see ``symbolic.project``.

        >>> import eqsynth as eq
        >>> eq.basis("S(2)", 1, 1).project([[1, 2], [3, 4]]).coefficients
        array([Fraction(5, 2), Fraction(0, 1)], dtype=object)
        """
        from eqsynth.bases.projection import project

        return project(self, matrix, n)

    def size(self, n: int | None = None) -> int:
        """The number n: the group's own, or the one given where the group leaves it open."""
        return self.sizes(n)[0]

    def sizes(self, n: int | Sequence[int] | None = None) -> tuple[int, ...]:
        """The size of each factor of the group: its own, or the one given where it is left open.

        Raises SymbolicError where a size is missing, or another than the group's own.
        """
        factors = self.group.factors
        single = n is None or isinstance(n, str) or not isinstance(n, Iterable) or whole(n) is not None
        given: list[Any] = [n] * len(factors) if single else [*n]  # type: ignore[misc]
        if len(given) != len(factors):
            raise SymbolicError(f"{self.group} has {len(factors)} factors, not {len(given)}: give one size for each")
        numbers: list[int] = []
        for factor, wanted in zip(factors, given, strict=True):
            if isinstance(factor.n, int):
                if wanted is not None and whole(wanted) != factor.n and (len(factors) == 1 or not single):
                    raise SymbolicError(f"{factor} has n = {factor.n}, not {shown(wanted)}: leave the argument out")
                numbers.append(factor.n)
                continue
            number = whole(wanted)
            if number is None:
                given_text = "" if wanted is None else f", not {shown(wanted)}"
                example = 4 * factor.multiple if factor.multiple > 2 else 4
                raise SymbolicError(f"{factor} leaves n open: say which, for example n={example}{given_text}")
            numbers.append(factor.at(number).number)
        return tuple(numbers)

    def __str__(self) -> str:
        return self.table()

    def table(self, limit: int | None = SHOWN, sizes: bool = False) -> str:
        """The basis as text: number, picture, formula, cost, kind, words; ``limit=None`` shows every row.

        ``sizes=True`` adds a column that says which maps mean the same at every size, :meth:`transfers`.
        """
        from eqsynth.bases.table import basis_table

        return basis_table(self, limit, sizes=flag("sizes", sizes))

    def _repr_html_(self) -> str:
        """What Jupyter shows: a card for each of the first 60 elements."""
        from eqsynth.bases import table
        from eqsynth.diagrams import svg

        title, *notes = table.heading(self, characters=False)
        if len(self) > SHOWN:
            notes.append(f"the first {SHOWN}; {len(self) - SHOWN} more: print(basis.table(limit=None)) has them")
        return svg.cards(*table.drawings(self, SHOWN), title, notes)


@explain_calls
def basis(
    group: str | Group,
    inputs: str | Order,
    outputs: str | Order,
    *,
    choose: str = "auto",
    transfer: str | None = None,
) -> Basis:
    """The exact basis of all equivariant maps V^inputs -> V^outputs.

    >>> import eqsynth as eq
    >>> [len(eq.basis(f"S({n})", 2, 2)) for n in (1, 2, 3, 4)]
    [1, 8, 14, 15]
    >>> len(eq.basis("O(n)", 3, 3))
    15

    >>> len(eq.basis("O(n)", "S2", "S2")), len(eq.basis("O(n)", "A2", "A2"))
    (2, 1)
    >>> eq.basis("O(3)", "1.det", 2).formulas()
    ['y[a,b] += ε[a,b,c] x[c]']

    ``group`` is a string such as ``"S(5)"``, ``"O(3)"`` or ``"S(n)"``; ``inputs`` and ``outputs`` are
    the orders k and l, or ``"S2"`` and ``"A2"`` for symmetric and alternating tensors; ``"1.det"`` are tensors that
    elements also multiply by their determinant. With n a letter the
    basis is exact for every n that is large enough (``dimension.stable_from``); below that it still spans for
    S(n), O(n) and Sp(n), while SO(n) and A(n) have further maps there. A number in place of the letter gives a
    true basis at that n, proven complete by the dimension formula.

    >>> [eq.basis("O(2)", 3, 3, choose=way).certificate.independence for way in ("cheapest", "standard")]
    ['gram', 'standard']

    ``choose`` says which diagrams are kept where they are dependent. ``"cheapest"``: those that cost a layer least,
    chosen by exact ranks among at most 6,000. ``"standard"``: those that a rule on each diagram alone keeps, without
    ranks and so for many more: S(n) and A(n) partitions into at most n blocks, O(n), SO(n) and Sp(n) words without
    long monotone subsequences (:func:`eqsynth.diagrams.standard.standard`). ``"auto"`` is the cheapest up to that
    limit and the standard one beyond it; layers and plans use this one. The certificate says which it is.

    >>> [len(eq.basis("S(n)", 2, 2, transfer=way)) for way in (None, "repeat", "pad")]
    [15, 10, 5]

    ``transfer``, with n a letter, keeps the maps that mean the same at every size: those that commute with repeating
    every node, sums divided by n (``"repeat"``), or with nodes of zeros (``"pad"``); see :meth:`Basis.transfers`.

    Raises ParseError or GroupError for the group, or where it has no standard diagrams; SpaceError for the orders;
    SizeError for a spanning set of more than a million diagrams, or as many standard ones.

    Source: arXiv 2212.08648 (S), 2212.08630 (O, SO, Sp), 2301.10152 (A); 1504.02586, 1408.3592 (standard).
    """
    choice("choose", choose, CHOICES)
    group = Group.parse(group)
    inputs, outputs = (stored_full(fitted_order(group, read_order(order))) for order in (inputs, outputs))
    if transfer is None:
        return _basis(group, inputs, outputs, choose)
    check_transfer(transfer, group, (inputs, outputs))
    return _transferring(group, inputs, outputs, choose, transfer)


@lru_cache(maxsize=256)
def _transferring(group: Group, inputs: Order, outputs: Order, choose: str, transfer: str) -> Basis:
    whole = _basis(group, inputs, outputs, choose)
    kept = [index for index in range(len(whole)) if transfer in whole.transfers(index)]
    certificate = Certificate(len(kept), whole.certificate.spanning, "transfer")
    turns = tuple(whole.turns[index] for index in kept) if whole.turns else ()
    diagrams = tuple(whole.diagrams[index] for index in kept)
    return replace(whole, diagrams=diagrams, certificate=certificate, turns=turns, transfer=transfer)


@lru_cache(maxsize=256)
def _basis(group: Group, inputs: Order, outputs: Order, choose: str) -> Basis:
    with waiting(f"choosing maps of {group} {order_text(inputs)} -> {order_text(outputs)}"):
        return _chosen(group, inputs, outputs, choose)


def _chosen(group: Group, inputs: Order, outputs: Order, choose: str) -> Basis:
    """The basis of a problem, taken from the user's cache or chosen."""
    if group.maps == "factors":
        return _product_basis(group, orders_of(inputs), orders_of(outputs), choose)
    plain_orders = is_plain(inputs) and is_plain(outputs)
    if group.maps == "nested" and takes_kernel(group, inputs, outputs):
        return _signed_nested_basis(group, inputs, outputs)
    if group.maps == "nested" and plain_orders:
        return _nested_basis(group, inputs, outputs, choose)
    if choose == "standard" and not (plain_orders and group.diagrammatic):
        raise GroupError(
            f"{group} {order_text(inputs)} -> {order_text(outputs)} has no standard diagrams, which are there for "
            f"{families_with(lambda kind: kind.maps in ('diagrams', 'nested'))}, and tensors that are neither "
            "symmetric nor alternating: leave choose out"
        )
    if irreps.has_irreps(inputs, outputs):
        return _irrep_basis(group, inputs, outputs)
    if not plain_orders:
        return _symmetric_basis(group, inputs, outputs, choose)
    if takes_kernel(group, inputs, outputs):
        return _kernel_basis(group, inputs, outputs)
    if group.maps != "diagrams":
        return _orbit_basis(group, inputs, outputs)
    argument = _plain_argument(group, inputs, outputs, choose)
    if choose != "auto" and argument == _plain_argument(group, inputs, outputs, "auto"):
        return _basis(group, inputs, outputs, "auto")
    allowed, total = maps_of(group, inputs, outputs), axes_of(inputs) + axes_of(outputs)
    listed = (dimensions.dimension if argument == "standard" else enumeration.count)(allowed, total)
    if not argument or listed < WORTH_KEEPING:
        return _diagram_basis(group, inputs, outputs, choose)
    named = [axes_of(order) if is_number(order) else order_text(order) for order in (inputs, outputs)]
    problem = {"kind": "basis", "group": str(group), "inputs": named[0], "outputs": named[1]}
    if choose != "auto":
        problem["choose"] = choose
    maker = cache.made_by(MAKERS)
    stored = cache.remembered(problem, maker, "basis", lambda data: from_data(group, inputs, outputs, data, choose))
    if isinstance(stored, Basis):
        return stored
    with cache.no_collection():
        chosen = _diagram_basis(group, inputs, outputs, choose)
    cache.remember(problem, maker, lambda: {"basis": to_data(chosen)})
    return chosen


def takes_kernel(group: Group, inputs: Order, outputs: Order) -> bool:
    """Whether the maps between two orders are an exact null space.

    So they are for groups of matrices, and between twisted orders and others for groups of permutations.
    """
    return group.maps == "matrices" or (group.maps in ("orbits", "graphs", "nested") and mixed(group, inputs, outputs))


def _plain_argument(group: Group, inputs: Order, outputs: Order, choose: str) -> str:
    """Why certain diagrams are a basis, where no linear algebra chooses them; empty where it does.

    ``"stable"``: all of them; ``"blocks"``: those with at most n blocks, and those with a head; ``"standard"``: those
    whose words have no long subsequence.

    Raises SizeError where there are too many diagrams to list, or to choose among.
    """
    total = axes_of(inputs) + axes_of(outputs)
    problem, group = f"{group} {order_text(inputs)} -> {order_text(outputs)}", maps_of(group, inputs, outputs)
    spanning = enumeration.count(group, total)
    rule = "" if group.symbolic else group.rule
    if spanning > MAX_DIAGRAMS and (rule != "standard" or choose == "cheapest"):
        # Too many are refused before anything else is counted.
        raise _too_many(problem, f"{spanning:,} diagrams", total)
    if not group.symbolic and group.fewest(total) > MAX_DIAGRAMS:
        raise _too_many(problem, f"at least {group.fewest(total):,} independent maps", total)
    dimension = dimensions.dimension(group, total)
    if dimension == spanning:
        if spanning > MAX_DIAGRAMS:
            raise _too_many(problem, f"{spanning:,} diagrams", total)
        return "stable"
    if choose == "standard" or (choose == "auto" and spanning > MAX_GRAM):
        if dimension > MAX_DIAGRAMS:
            raise _too_many(problem, f"{dimension:,} independent maps", total)
        if rule == "standard":
            afford(f"listing {dimension:,} maps of {problem}", "ask for lower orders", steps=25 * total * dimension)
        return rule
    if spanning > MAX_GRAM:
        raise SizeError(
            f"{problem} has {spanning:,} dependent diagrams, and choosing the cheapest among more than {MAX_GRAM:,} "
            "takes too long: ask for choose='standard', for lower orders, or for "
            f"n >= {dimensions.stable_from(group, total)}, where all are independent"
        )
    return ""


def _too_many(problem: str, what: str, total: int) -> SizeError:
    return SizeError(
        f"{problem} has {what}, more than {MAX_DIAGRAMS:,}: ask for lower orders; the sum of both orders counts, "
        f"here {total}"
    )


def to_data(basis: Basis) -> dict[str, Any]:
    """The elements and the certificate of a basis as plain data for :mod:`eqsynth.cache`."""
    return {**codec.encode(basis.diagrams), "certificate": _certificate_data(basis.certificate)}


def from_data(group: Group, inputs: Order, outputs: Order, data: Any, choose: str = "auto") -> Basis:
    """The basis of a problem, if it is the one that :func:`to_data` wrote down; CatalogError for any other data.

    Where all diagrams are independent, or all with at most n blocks, or all standard ones, there is nothing to choose:
    diagrams that the group allows, in the order of a basis and as many as the dimension, are the basis. All others are
    chosen anew and compared, since checking a choice takes as long as making it.
    """
    inputs, outputs = (fitted_order(group, order) for order in (inputs, outputs))
    try:
        if group.maps == "diagrams" and is_plain(inputs) and is_plain(outputs):
            argument = _plain_argument(group, inputs, outputs, choose)
            if argument:
                return _listed_basis(group, inputs, outputs, argument, data)
        expected = _basis(group, inputs, outputs, choose)
    except CatalogError:
        raise
    except EqsynthError as error:
        raise CatalogError(f"there is no basis to compare it with: {error}") from error
    expected_data = to_data(expected)
    # True == 1, and only one of them is a number.
    if data != expected_data or cache.canonical(data) != cache.canonical(expected_data):
        raise CatalogError(
            f"the basis of {group}, {order_text(inputs)} -> {order_text(outputs)}, is wrong: it is another one"
        )
    return expected


def _listed_basis(group: Group, inputs: Order, outputs: Order, argument: str, data: Any) -> Basis:
    allowed, below, above = maps_of(group, inputs, outputs), axes_of(inputs), axes_of(outputs)
    dimension = dimensions.dimension(allowed, below + above)
    certificate = Certificate(dimension, enumeration.count(allowed, below + above), argument)

    def require(fact: bool, otherwise: str) -> None:
        if not fact:
            names = f"{order_text(inputs)} -> {order_text(outputs)}"
            raise CatalogError(f"the basis of {group}, {names}, is wrong: {otherwise}")

    match data:
        case {"certificate": [*given], **rest}:
            # True == 1, and only one of them is a number.
            exact = [*map(type, given)] == [int, int, str, int] and given == _certificate_data(certificate)
            require(exact, f"its certificate is not {_certificate_data(certificate)}")
        case _:
            raise CatalogError("its basis is no list of elements with a certificate")
    require(not rest.get("elements"), "its diagrams are not in a table")
    elements = codec.decode(rest, below, above)
    require(len(elements) == dimension, f"it has {len(elements)} elements, but the dimension is {dimension}")
    for element in elements:
        if not isinstance(element, Diagram):
            require(False, "it has an element that is no diagram")
        else:
            require(not (why := enumeration.misfit(allowed, element)), why)
            fits = argument != "blocks" or element.head or len(element.blocks) <= group.number
            require(bool(fits), "a diagram has more than n blocks")
            if argument == "standard":
                require(not (why := standard.excess(allowed, element)), why)
    return Basis(group, inputs, outputs, elements, certificate)


def _certificate_data(proof: Certificate) -> list[Any]:
    return [proof.dimension, proof.spanning, proof.independence, proof.prime]


def _irrep_basis(group: Group, inputs: Order, outputs: Order) -> Basis:
    """The basis where inputs or outputs are irreps: diagrams, on the tensors that the irreps are."""
    dimension, total = irreps.dimension(group, inputs, outputs), axes_of(inputs) + axes_of(outputs)
    allowed = maps_of(group, inputs, outputs)
    spanning = enumeration.count(allowed, total)
    if dimension == 0 or irreps.unchanged(group, inputs, outputs):
        elements: tuple[Diagram, ...] = (irreps.identity(inputs),) if dimension else ()
        return Basis(group, inputs, outputs, elements, Certificate(dimension, spanning, "schur"))
    if spanning > MAX_DIAGRAMS:
        raise _too_many(f"{group} {order_text(inputs)} -> {order_text(outputs)}", f"{spanning:,} diagrams", total)
    listed = sorted(enumeration.diagrams(allowed, axes_of(outputs), axes_of(inputs)), key=cost_key)
    maps, prime = irreps.chosen(group, listed, inputs, outputs)
    if len(maps) != dimension:
        raise GroupError(
            f"{len(maps)} maps {order_text(inputs)} -> {order_text(outputs)} of {group} are found, but the "
            f"dimension is {dimension}: this contradicts the theory, please report it"
        )
    elements, turns = tuple(element for element, _ in maps), tuple(own for _, own in maps)
    certificate = Certificate(dimension, spanning, "images", prime)
    return Basis(group, inputs, outputs, elements, certificate, () if all(len(own) == 1 for own in turns) else turns)


def _symmetric_basis(group: Group, inputs: Order, outputs: Order, choose: str) -> Basis:
    """The basis where inputs or outputs are symmetric or alternating, from that for all tensors."""
    if group.diagrammatic:
        allowed, total = maps_of(group, inputs, outputs), axes_of(inputs) + axes_of(outputs)
        count = dimensions.dimension(allowed, total)
        if _plain_argument(group, plain(inputs), plain(outputs), choose) == "standard":
            if (spanned := _spanned_basis(group, inputs, outputs)) is not None:
                return spanned
            # Exchanges of axes do not keep them, so that matrices will tell: those that are too large are not begun.
            index_symmetries.afford_entries(group, count, inputs, outputs)
        else:
            index_symmetries.afford_orbits(group, count, inputs, outputs)
    whole = _basis(group, plain(inputs), plain(outputs), choose)
    elements, prime = whole.diagrams, 0
    if group.coarsens and not group.symbolic:
        # Permutations of axes keep the number of blocks.
        listed = enumeration.diagrams(allowed, axes_of(outputs), axes_of(inputs))
        fitting = (diagram for diagram in listed if diagram.head or len(diagram.blocks) <= int(group.n))
        # In the order of all bases: weights for n a letter are weights for every number.
        elements = (*sorted(fitting, key=lambda diagram: diagram.key),)
    selection = index_symmetries.by_diagrams(group, elements, inputs, outputs)
    if selection is None:
        order = range(len(elements))
        if group.diagrammatic and (spanned := _spanned_basis(group, inputs, outputs)) is not None:
            return spanned
        if group.diagrammatic:
            order = sorted(order, key=lambda at: cost_key(whole.flat(at)))  # type: ignore[assignment]
        (pivots, turns), prime = index_symmetries.by_entries(group, [elements[at] for at in order], inputs, outputs)
        in_order = sorted((order[pivot], permutations) for pivot, permutations in zip(pivots, turns, strict=True))
        selection = tuple(at for at, _ in in_order), tuple(permutations for _, permutations in in_order)
    places, turns = selection
    chosen = [elements[at] for at in places]
    if any(isinstance(element, Orbit | MatrixMap) for element in chosen):
        tables = [_summed_table(group, *pair, outputs) for pair in zip(chosen, turns, strict=True)]
        chosen, turns = [element for element, _ in tables], tuple(permutations for _, permutations in tables)
        if sum(len(element.entries) for element in chosen if isinstance(element, MatrixMap)) > MAX_LISTED:
            raise SizeError(
                f"the maps {order_text(inputs)} -> {order_text(outputs)} of {group} have more than {MAX_LISTED:,} "
                f"entries in lists: ask for the orders {order_text(plain(inputs))} -> {order_text(plain(outputs))}"
            )
    if group.diagrammatic:
        dimension = dimensions.symmetric_dimension(allowed, *tensor_parts(inputs), *tensor_parts(outputs))
        if dimension != len(places):
            raise GroupError(
                f"{len(places)} maps {order_text(inputs)} -> {order_text(outputs)} of {group} are found, but the "
                f"dimension is {dimension}: this contradicts the theory, please report it"
            )
    certificate = Certificate(len(places), whole.certificate.spanning, "means" if prime else "cosets", prime)
    single = all(len(permutations) == 1 for permutations in turns)
    return Basis(group, inputs, outputs, tuple(chosen), certificate, () if single else turns)


def _spanned_basis(group: Group, inputs: Order, outputs: Order) -> Basis | None:
    """One diagram of each orbit of all diagrams under exchanges of axes, where there are as many as the dimension.

    Their sums span all maps, whether the diagrams are independent or not. None where there are more orbits.
    """
    allowed, sides = maps_of(group, inputs, outputs), (axes_of(outputs), axes_of(inputs))
    if group.maps == "nested":
        return None
    count = enumeration.count(allowed, sum(sides))
    if count > MAX_DIAGRAMS:
        return None
    index_symmetries.afford_orbits(group, count, inputs, outputs)
    listed = sorted(enumeration.diagrams(allowed, *sides), key=lambda diagram: diagram.key)
    selection = index_symmetries.by_diagrams(group, listed, inputs, outputs)
    dimension = dimensions.symmetric_dimension(allowed, *tensor_parts(inputs), *tensor_parts(outputs))
    if selection is None or len(selection[0]) != dimension:
        return None
    places, turns = selection
    if (added := sum(map(len, turns))) > MAX_TURNS:
        raise SizeError(
            f"the maps of {group} {order_text(inputs)} -> {order_text(outputs)} add up {added:,} orders of the axes of "
            f"outputs, more than {MAX_TURNS:,}: ask for lower orders"
        )
    single = all(len(permutations) == 1 for permutations in turns)
    chosen, certificate = tuple(listed[place] for place in places), Certificate(dimension, count, "orbits of all")
    return Basis(group, inputs, outputs, chosen, certificate, () if single else turns)


def _summed_table(
    group: Group, element: Element, permutations: tuple[Turn, ...], outputs: Order
) -> tuple[Element, tuple[Turn, ...]]:
    """The sum of a table over permutations of axes, a table too; diagrams stay as they are, with their permutations."""
    if not isinstance(element, Orbit | MatrixMap):
        return element, permutations
    import numpy as np

    n = int(group.n)
    split = functor.matrix(group, element, n).reshape(*[n] * element.outputs, -1)
    total = sum((sign * np.transpose(split, (*axes, len(axes))) for axes, sign in permutations), np.zeros_like(split))
    matrix = total.reshape(n**element.outputs, -1)
    entries = tuple((int(r), int(c), int(matrix[r, c])) for r, c in zip(*matrix.nonzero(), strict=True))
    return MatrixMap(element.outputs, element.inputs, entries), ((tuple(range(axes_of(outputs))), 1),)


def _product_basis(group: Group, inputs: Sequence[FactorOrder], outputs: Sequence[FactorOrder], choose: str) -> Basis:
    problems = [*zip(group.factors, inputs, outputs, strict=True)]
    for factor, below, above in problems:
        if factor.split and takes_kernel(factor, below, above) and len(_basis(factor, below, above, choose)):
            raise GroupError(
                f"{factor} has no maps between {order_text(below)} and {order_text(above)} as a factor of a product, "
                "one of which is twisted by its determinant: leave .det out there, or take that group alone"
            )

    def refuse_large(count: int) -> None:
        if count > MAX_DIAGRAMS:
            raise SizeError(
                f"{group} {order_text(tuple(inputs))} -> {order_text(tuple(outputs))} has {count:,} maps, "
                f"more than {MAX_DIAGRAMS:,}: "
                "ask for lower orders"
            )

    if all(factor.diagrammatic and is_plain(k) and is_plain(lo) for factor, k, lo in problems):
        # Too many are refused before the factors' own are listed.
        totals = [(maps_of(*problem), axes_of(problem[1]) + axes_of(problem[2])) for problem in problems]
        refuse_large(prod(dimensions.dimension(*of_factor) for of_factor in totals))
    bases = [_basis(*problem, choose) for problem in problems]
    count = prod(len(part) for part in bases)
    refuse_large(count)
    numbered = product(*(range(len(part)) for part in bases))
    elements = [
        (tuple(single for part, at in zip(bases, number, strict=True) for single in part.parts(at)), number)
        for number in numbered
    ]
    if group.diagrammatic:
        elements.sort(key=lambda pair: join([part for part in pair[0] if isinstance(part, Diagram)]).key)
    turns: tuple[tuple[Turn, ...], ...] = ()
    if any(part.turns for part in bases):
        turns = tuple(
            products([part.turned(at) for part, at in zip(bases, number, strict=True)]) for _, number in elements
        )
    spanning = prod(part.certificate.spanning for part in bases)
    certificate = Certificate(count, spanning, "product")
    return Basis(group, tuple(inputs), tuple(outputs), tuple(element for element, _ in elements), certificate, turns)


def _nested_basis(group: Group, given: Order, wanted: Order, choose: str) -> Basis:
    """Nested partitions, those that are not zero: at most n blocks, each of them cut into at most m.

    A nested partition is the sum of the orbits of those that join more of its blocks, or of the blocks that they are
    cut into, and of itself, where these are not zero: the change to the basis of orbits is unitriangular at every n, m.
    """
    inputs, outputs = axes_of(given), axes_of(wanted)
    total = inputs + outputs
    spanning, dimension = enumeration.count(group, total), dimensions.dimension(group, total)
    if spanning > MAX_DIAGRAMS:
        # Those that are kept at small sizes are found among all.
        problem = f"{group} {order_text(given)} -> {order_text(wanted)}"
        raise _too_many(problem, f"{spanning:,} nested partitions", total)
    if choose == "cheapest" and dimension < spanning:
        raise GroupError(
            f"the nested partitions of {group} are chosen by a rule, at most n blocks of at most m: leave choose out"
        )
    elements = [tuple(Diagram(outputs, inputs, blocks) for blocks in nested) for nested in group.nested_blocks(total)]
    elements.sort(key=lambda parts: join(parts).key)
    certificate = Certificate(dimension, spanning, "stable" if dimension == spanning else "nested")
    return Basis(group, given, wanted, tuple(elements), certificate)


def _signed_nested_basis(group: Group, inputs: Order, outputs: Order) -> Basis:
    """The maps between tensors that the determinant twists and others: none, or an exact null space.

    Raises GroupError for symmetric tensors, SizeError where there are maps and the null space is too large.
    """
    if not (is_plain(inputs) and is_plain(outputs)):
        raise GroupError(
            f"{group} has no basis between {order_text(inputs)} and {order_text(outputs)}, one of which is twisted by "
            f"the determinant: ask for {order_text(plain(inputs))} and {order_text(plain(outputs))}"
        )
    expected = group.headed_dimension(axes_of(inputs) + axes_of(outputs))
    basis = _kernel_basis(group, inputs, outputs) if expected else _no_maps(group, inputs, outputs)
    if len(basis) != expected:
        raise GroupError(
            f"{len(basis)} maps {order_text(inputs)} -> {order_text(outputs)} of {group} are found, but the dimension "
            f"is {expected}: this contradicts the theory, please report it"
        )
    return basis


def _no_maps(group: Group, inputs: Order, outputs: Order) -> Basis:
    return Basis(group, inputs, outputs, (), Certificate(0, 0, "kernel"))


def _orbit_basis(group: Group, given: Order, wanted: Order) -> Basis:
    inputs, outputs = axes_of(given), axes_of(wanted)
    labels = functor.orbits_of(group, inputs + outputs)
    least = [tuple(map(int, index)) for index in representatives(labels)]
    graph = group.kept_graph
    if graph is None:
        elements: tuple[Element, ...] = tuple(Orbit(outputs, inputs, index) for index in least)
        certificate = Certificate(len(elements), len(elements), "disjoint")
    else:
        chosen = affordable(graph, labels, outputs, inputs, choose(graph, labels, outputs, inputs))
        elements = (*chosen.diagrams, *(Orbit(outputs, inputs, least[orbit]) for orbit in chosen.orbits))
        certificate = Certificate(len(least), chosen.tried + len(least), "representatives", PRIME)
    return Basis(group, given, wanted, elements, certificate)


def _kernel_basis(group: Group, inputs: Order, outputs: Order) -> Basis:
    from eqsynth.bases.constraints import nullspace

    below, above = axes_of(inputs), axes_of(outputs)
    signed = None if mixed(group, inputs, outputs) else group.signed_permutations
    if signed is not None:
        elements = _signed_elements(group, signed, below, above)
    else:
        elements = tuple(
            MatrixMap(above, below, tuple((int(r), int(c), int(m[r, c])) for r, c in zip(*m.nonzero(), strict=True)))
            for m in nullspace(group, inputs, outputs)
        )
    return Basis(group, inputs, outputs, elements, Certificate(len(elements), len(elements), "kernel"))


def _signed_elements(
    group: Group, generators: Sequence[Permutation], inputs: int, outputs: int
) -> tuple[MatrixMap, ...]:
    """The same kernel where generators are permutations with signs: one map for each orbit that keeps its sign."""
    n = group.number
    labels, signs = signed_orbits(generators, n, inputs + outputs)
    entries = int((signs != 0).sum())
    if entries > MAX_LISTED:
        raise SizeError(
            f"the maps {inputs} -> {outputs} of {group} have {entries:,} entries, more than {MAX_LISTED:,}: ask for a "
            "smaller n or lower orders"
        )
    return tuple(
        MatrixMap(
            outputs,
            inputs,
            tuple((place // n**inputs, place % n**inputs, sign) for place, sign in zip(places, own, strict=True)),
        )
        for places, own in ((table[0].tolist(), table[1].tolist()) for table in signed_tables(labels, signs))
    )


def _diagram_basis(group: Group, inputs: Order, outputs: Order, choose: str = "auto") -> Basis:
    allowed, below, above = maps_of(group, inputs, outputs), axes_of(inputs), axes_of(outputs)
    argument = _plain_argument(group, inputs, outputs, choose)
    spanning, dimension = enumeration.count(allowed, below + above), dimensions.dimension(allowed, below + above)
    listed = list((standard.standard if argument == "standard" else enumeration.diagrams)(allowed, above, below))
    if argument:
        if argument == "blocks":
            listed = [diagram for diagram in listed if diagram.head or len(diagram.blocks) <= int(group.n)]
        certificate = Certificate(dimension, spanning, argument)
    else:
        listed.sort(key=cost_key)
        pivots, prime = gram.greedy_basis(allowed, listed, dimension)
        several = any(len(diagram.head) > group.number for diagram in listed)
        listed = [listed[pivot] for pivot in pivots]
        why = "orbits" if group.coarsens else "values" if several else "gram"
        certificate = Certificate(dimension, spanning, why, prime)
    listed.sort(key=lambda diagram: diagram.key)
    return Basis(group, inputs, outputs, tuple(listed), certificate)


def cost_key(diagram: Diagram) -> tuple[object, ...]:
    """Cheapest first: mixing channels costs n^axes, reading and writing n^blocks of a row."""
    mixed = words.axes_mixed(diagram)
    return (mixed, diagram.bottom_only + diagram.top_only, diagram.key)
