"""Exact bases of equivariant maps, made of diagrams, with the certificate that proves them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, overload

from eqsynth import dimension as dimensions
from eqsynth import draw, enumeration, functor, gram
from eqsynth.diagram import Diagram
from eqsynth.errors import SizeError, SymbolicError
from eqsynth.group import Group, check_order_fits
from eqsynth.space import check_order

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: The largest spanning set that is listed, and the largest that a Gram matrix is built for.
MAX_DIAGRAMS = 1_000_000
MAX_GRAM = 6_000
#: The largest number of entries that ``matrices`` fills.
MAX_ENTRIES = 50_000_000


@dataclass(frozen=True, slots=True)
class Certificate:
    """Why a set of diagrams is a basis: its size, and the argument for its independence.

    ``dimension`` comes from representation theory; ``spanning`` diagrams were considered.
    ``independence`` names the argument: ``"stable"`` (the group's theorem for large n),
    ``"blocks"`` (S(n): partitions into at most n blocks; their change to the orbit basis is
    unitriangular), ``"orbits"`` (S(n): coordinates in the orbit basis of full rank modulo ``prime``) or
    ``"gram"`` (the Gram matrix has full rank modulo ``prime``).
    """

    dimension: int
    spanning: int
    independence: str
    prime: int = 0

    def __str__(self) -> str:
        why = {
            "stable": "all diagrams are independent at this size",
            "blocks": "partitions into at most n blocks are unitriangular to the orbit basis",
            "gram": f"their Gram matrix has full rank modulo {self.prime}",
            "orbits": f"their coordinates in the orbit basis have full rank modulo {self.prime}",
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
    """

    group: Group
    inputs: int
    outputs: int
    diagrams: tuple[Diagram, ...]
    certificate: Certificate

    def __len__(self) -> int:
        return len(self.diagrams)

    def __iter__(self) -> Iterator[Diagram]:
        return iter(self.diagrams)

    @overload
    def __getitem__(self, index: int) -> Diagram: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Diagram, ...]: ...
    def __getitem__(self, index: int | slice) -> Diagram | tuple[Diagram, ...]:
        return self.diagrams[index]

    def flat(self, index: int) -> Diagram:
        """Element ``index`` as one diagram on all axes of the tensors."""
        return self.diagrams[index]

    def factors(self, index: int) -> tuple[Diagram, ...]:
        """Element ``index`` as one diagram for each factor of the group."""
        return (self.diagrams[index],)

    def formulas(self) -> list[str]:
        """The index formula of every element."""
        return [diagram.formula(self.group.family == "Sp") for diagram in self.diagrams]

    def matrices(self, n: int | None = None) -> NDArray[np.int64]:
        """The basis as integer matrices, shape ``(len(self), n**outputs, n**inputs)``.

        ``n`` is needed when the group leaves it open, and then any n >= 1 will do. Rows and columns
        run over index tuples with the first axis most significant.

        Raises SizeError above 50 million entries, SymbolicError without a number for n.
        """
        import numpy as np

        size = self.size(n)
        entries = len(self) * size ** (self.inputs + self.outputs)
        if entries > MAX_ENTRIES:
            raise SizeError(
                f"the {len(self)} matrices of {self.group} {self.inputs} -> {self.outputs} at n = {size} have "
                f"{entries:,} entries, more than {MAX_ENTRIES:,}: ask for a smaller n, or use eq.Linear, "
                "which never forms them"
            )
        shape = (len(self), size**self.outputs, size**self.inputs)
        filled = np.zeros(shape, np.int64)
        for index, diagram in enumerate(self.diagrams):
            filled[index] = functor.matrix(self.group, diagram, size)
        return filled

    def size(self, n: int | None = None) -> int:
        """The number n: the group's own, or the one given where the group leaves it open."""
        if isinstance(self.group.n, int):
            if n is not None and n != self.group.n:
                raise SymbolicError(f"{self.group} has n = {self.group.n}, not {n}: leave the argument out")
            return self.group.n
        if n is None:
            raise SymbolicError(f"{self.group} leaves n open: say which, for example matrices(n=4)")
        return Group(self.group.family, n).n  # type: ignore[return-value]  # a number went in

    def __str__(self) -> str:
        return self.table()

    def table(self, limit: int | None = 60) -> str:
        """The basis as text: number, picture, index formula, cost; ``limit=None`` shows every row."""
        return draw.basis_table(self, limit)


def basis(group: str | Group, inputs: int, outputs: int) -> Basis:
    """The exact basis of all equivariant maps V^inputs -> V^outputs.

    >>> import eqsynth as eq
    >>> [len(eq.basis(f"S({n})", 2, 2)) for n in (1, 2, 3, 4)]
    [1, 8, 14, 15]
    >>> len(eq.basis("O(n)", 3, 3))
    15

    ``group`` is a string such as ``"S(5)"``, ``"O(3)"`` or ``"S(n)"``; ``inputs`` and ``outputs`` are
    the orders k and l. With n a letter the basis is exact for every n that is large enough
    (``dimension.stable_from``); below that it still spans for S(n), O(n) and Sp(n), while SO(n) and A(n)
    have further maps there. A number in place of the letter gives a true basis at that n: the cheapest
    independent diagrams, proven complete by the dimension formula.

    Raises ParseError or GroupError for the group, SpaceError for the orders, SizeError for a
    spanning set of more than a million diagrams.

    Source: arXiv 2212.08648 (S), 2212.08630 (O, SO, Sp), 2301.10152 (A).
    """
    group = Group.parse(group)
    for order in (inputs, outputs):
        check_order(order)
        check_order_fits(group, order)
    return _basis(group, inputs, outputs)


@lru_cache(maxsize=256)
def _basis(group: Group, inputs: int, outputs: int) -> Basis:
    total = inputs + outputs
    spanning = enumeration.count(group, total)
    dimension = dimensions.dimension(group, total)
    _refuse_large(group, inputs, outputs, spanning)
    listed = list(enumeration.diagrams(group, outputs, inputs))
    if dimension == spanning:
        certificate = Certificate(dimension, spanning, "stable")
    elif group.family in ("S", "A") and spanning > MAX_GRAM and isinstance(group.n, int):
        listed = [diagram for diagram in listed if diagram.head or len(diagram.blocks) <= group.n]
        certificate = Certificate(dimension, spanning, "blocks")
    elif spanning > MAX_GRAM:
        raise SizeError(
            f"{group} {inputs} -> {outputs} has {spanning:,} dependent diagrams, and choosing among more than "
            f"{MAX_GRAM:,} takes too long: ask for lower orders, or for n >= {dimensions.stable_from(group, total)}, "
            "where all are independent"
        )
    else:
        listed.sort(key=_cost_key)
        pivots, prime = gram.greedy_basis(group, listed, dimension)
        listed = [listed[pivot] for pivot in pivots]
        certificate = Certificate(dimension, spanning, "orbits" if group.family in ("S", "A") else "gram", prime)
    listed.sort(key=lambda diagram: diagram.key)
    return Basis(group, inputs, outputs, tuple(listed), certificate)


def _refuse_large(group: Group, inputs: int, outputs: int, spanning: int) -> None:
    if spanning > MAX_DIAGRAMS:
        raise SizeError(
            f"{group} {inputs} -> {outputs} has {spanning:,} diagrams, more than {MAX_DIAGRAMS:,}: "
            f"ask for lower orders; the sum of both orders counts, here {inputs + outputs}"
        )


def _cost_key(diagram: Diagram) -> tuple[object, ...]:
    """Cheapest first: mixing channels costs n^axes, reading and writing n^blocks of a row."""
    mixed = diagram.through + min(len(diagram.top.head), len(diagram.bottom.head))
    return (mixed, diagram.bottom_only + diagram.top_only, diagram.key)
