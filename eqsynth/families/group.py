"""What every group answers: its name and size, its diagrams, its dimensions and irreducible parts, its elements.

A family is a class in a file of its own, listed in ``eqsynth.families``. Nothing else asks which family a group is of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from inspect import Parameter, Signature
from math import prod
from operator import mul
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from eqsynth.errors import GroupError, SymbolicError, explain_calls, shown
from eqsynth.exact.numbers import flag, whole
from eqsynth.exact.partitions import Blocks, Shape
from eqsynth.exact.permutations import signed_permutation
from eqsynth.graphs.orbits import group_order

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from eqsynth.exact.permutations import Permutation
    from eqsynth.graphs.graph import Graph
    from eqsynth.spaces.space import Symmetry

MAX_N = 1_000_000
#: The most matrices that are listed to count the elements of a group.
MAX_LISTED = 20_000

#: The families that have a name and a size, such as S(5), and those that are given otherwise, such as Aut(petersen).
FAMILIES: dict[str, type[Group]] = {}
OTHERS: dict[str, type[Group]] = {}
#: The families whose names take two numbers, too, as O(1,3) does: how many signs of a form are + and -.
SIGNED: dict[str, type[Group]] = {}
#: The families that are made of two groups, as S(m) wr S(n) is, and so have no name and size.
COMPOUND: list[type[Group]] = []
#: For a family with elements of determinant -1 its maps between twisted and other tensors, as those of a group.
HEADED: dict[type[Group], Callable[[Group], Group]] = {}

#: Generators of a group as matrices: elements, and elements of the Lie algebra.
Generators = tuple[list["NDArray[Any]"], list["NDArray[Any]"]]
#: A partition that names an irreducible part; for signed permutations two of them, one after the other.
Label = tuple[Any, ...]


def families_with(has: Callable[[type[Group]], object]) -> str:
    """The groups that have something, as messages list them.

    >>> from eqsynth.families.group import families_with
    >>> families_with(lambda kind: kind.duals), families_with(lambda kind: kind.maps == "graphs")
    ('GL(n), SL(n), U(n), SU(n), Z(r) wr S(n)', 'Aut(...)')
    >>> families_with(lambda kind: kind.spanning).endswith("O(p,q), SO(p,q), S(m) wr S(n), Z(r) wr S(n), Aut(...)")
    True
    """
    names = [f"{name}(n)" for name, kind in FAMILIES.items() if has(kind)]
    names += [f"{name}(p,q)" for name, kind in SIGNED.items() if has(kind)]
    names += [kind.example for kind in COMPOUND if has(kind)]
    return ", ".join([*names, *(f"{name}(...)" for name, kind in OTHERS.items() if has(kind))])


def _no_family(family: object, kind: type[Group]) -> str:
    """Why a name is that of no family, or not of this class, and what to write."""
    from eqsynth.families.text import suggestion

    if isinstance(family, str) and family in FAMILIES:
        return f"{kind.__name__} holds no groups of the family {family}: write eq.Group({family!r}, 3)"
    if isinstance(family, str) and family in OTHERS:
        return f"eq.Group takes a family and a size, and {family} is read from text: {OTHERS[family].how}"
    if isinstance(family, str) and "(" in family:
        return f"{shown(family)} is a group as text, and no family: write eq.Group.parse({shown(family)})"
    return f"there is no group family {shown(family)}: {suggestion(family if isinstance(family, str) else '')}"


@explain_calls
@dataclass(frozen=True, slots=True)
class Group:
    """A group acting on R^n: a family and a size, which may be a letter.

    >>> from eqsynth import Group
    >>> Group.parse("S(5)")
    Group(family='S', n=5)
    >>> print(Group.parse("O(n)"), Group.parse("O(n)").symbolic)
    O(n) True

    Raises ParseError for text that is no group, GroupError for a size that the family lacks.
    """

    family: str
    n: int | str

    #: What the group is, in words; what commuting with it means for an input, with a place for which axes.
    about: ClassVar[str] = ""
    action: ClassVar[str] = ""
    #: The kind of its diagrams in the words of the papers, and for each kind of map that comes with it the source.
    diagram_kind: ClassVar[str] = ""
    sources: ClassVar[dict[str, str]] = {}
    #: What maps are made of: ``"diagrams"``, ``"graphs"``, ``"orbits"``, ``"matrices"``, ``"factors"``, ``"nested"``.
    maps: ClassVar[str] = "diagrams"
    #: Whether diagrams are partitions into blocks; otherwise they are pairs of vertices.
    partitions: ClassVar[bool] = False
    #: Whether diagrams stay diagrams where blocks are joined: then they are sums of orbit matrices.
    coarsens: ClassVar[bool] = False
    #: Whether single vertices, which stand for ones, may be beside pairs.
    singles: ClassVar[bool] = False
    #: Whether a pair of vertices inside one row carries the symplectic form in place of a delta.
    symplectic: ClassVar[bool] = False
    #: Whether a head holds all blocks, as in a jellyfish; otherwise it holds single vertices.
    jellyfish: ClassVar[bool] = False
    #: Whether there are diagrams with a head at some sizes.
    heads: ClassVar[bool] = False
    #: What tells parts apart that only the elements outside of the group exchange: a sign, a determinant.
    twist: ClassVar[str] = ""
    #: How the tensor factors of a walk in the Bratteli diagram change labels, and what counts the maps, in words.
    walk: ClassVar[str] = "Each axis of a tensor is one step that adds or takes away a box."
    counted_by: ClassVar[str] = "walks in the Bratteli diagram"
    #: Whether the elements are permutation matrices.
    permuting: ClassVar[bool] = False
    #: How an input names elements of the group: ``"pca"``, the axes of its second moments, ``"sort"``, an order of its
    #: points; empty where it does not.
    frames: ClassVar[str] = ""
    #: The family with the same diagrams and no heads.
    headless: ClassVar[str] = ""
    #: Whether tensors have axes of the dual space V* beside those of V, which the group acts on in another way.
    duals: ClassVar[bool] = False
    #: The ways to grow n that maps may commute with: repeating nodes, and padding by zeros.
    transfers: ClassVar[tuple[str, ...]] = ("repeat", "pad")
    #: Of which kind the matrices of the group are where moments of their entries are known: ``"permutation"``,
    #: ``"signed permutation"``, ``"orthogonal"``, ``"symplectic"``, ``"unitary"``; those of determinant 1 among them
    #: ``"even permutation"``, ``"special orthogonal"``, ``"special unitary"``.
    haar: ClassVar[str] = ""
    #: Which diagrams are a basis at every n without a choice: ``"blocks"``, at most n, or ``"standard"``.
    rule: ClassVar[str] = ""
    #: Arguments for independence that a certificate may name, besides those for symmetric tensors.
    arguments: ClassVar[tuple[str, ...]] = ("stable", "gram")
    #: What the algebra of diagrams takes, in words; empty where there is none.
    spanning: ClassVar[str] = ""

    def __deepcopy__(self, memo: object) -> Group:
        return self  # nothing in it changes, and modules hold it

    def __new__(cls, family: object = None, *size: object, **named: object) -> Group:
        """An object of the family's own class; copies are made without a family."""
        if cls is Group and family is not None and not size and "n" not in named:
            if FAMILIES.get(family) if isinstance(family, str) else None:
                raise GroupError(f"a group of the family {family} has a size: write eq.Group({family!r}, 3)")
            raise GroupError(_no_family(family, cls))
        own = FAMILIES.get(family) if cls is Group and isinstance(family, str) else None
        return object.__new__(own or cls)

    # What people write, which is what __init__ takes.
    __new__.__signature__ = Signature(  # type: ignore[attr-defined]
        [
            Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, annotation=kind)
            for name, kind in (("cls", Parameter.empty), ("family", "str"), ("n", "int | str"))
        ]
    )

    def __post_init__(self) -> None:
        if not isinstance(self.family, str) or FAMILIES.get(self.family) is not type(self):
            raise GroupError(_no_family(self.family, type(self)))
        if isinstance(self.n, str):
            if not (len(self.n) == 1 and self.n.isalpha() and self.n.isascii()):
                raise GroupError(f"a symbolic size is one letter, not {shown(self.n)}: write {self.family}(n)")
            fill(self, n=str(self.n))
            return
        n = whole(self.n)
        if n is None:
            raise GroupError(f"the size of a group is a whole number or a letter, not {shown(self.n)}")
        if n < 1:
            raise GroupError(f"{self.family}({shown(n)}) does not act on anything: ask for n >= {self.multiple}")
        if n > MAX_N:
            raise GroupError(
                f"{self.family}({shown(n)}) is beyond the largest size, {MAX_N}: leave it open, {self.family}(n)"
            )
        if n % self.multiple:
            near = f"{self.family}({n + 1})"
            raise GroupError(f"{self.family}({n}) does not exist, omega needs an even dimension: ask for {near}")
        fill(self, n=n)

    #: Whether a name is written in brackets where it is a factor of a product.
    compound: ClassVar[bool] = False
    #: How to write a group that is given otherwise than by a size.
    how: ClassVar[str] = ""
    #: How names of such groups look, for those that are made of two.
    example: ClassVar[str] = ""

    @classmethod
    def of_text(cls, inside: str, files: bool | Path) -> Group:
        """The group that is given by what stands in brackets after the name; ``files`` as in :meth:`parse`.

        Raises GroupError for what gives none.
        """
        raise GroupError(f"{shown(inside)} gives no group{'' if files else ' here'}")

    @classmethod
    def of_power(cls, inside: str, power: str) -> Group:
        """The group that is written as a power, as Z(2)^3 is. Raises GroupError for every other group."""
        raise GroupError(f"powers such as ({inside[:20]})^{power[:20]} are there for signs alone, Z(2)^k")

    @classmethod
    def of_signs(cls, p: object, q: object) -> Group:
        """The group that keeps a form with so many signs + and -: O(p,q) and SO(p,q).

        Raises GroupError for every other group.
        """
        raise GroupError(f"{cls.about} takes one size, not {shown(p)} and {shown(q)}")

    @classmethod
    @explain_calls
    def parse(cls, text: str | Group, files: bool | Path = True) -> Group:
        """Read ``"S(5)"`` or ``"O(n)"``.

        A graph in ``Aut(...)`` may be a file: with ``files=False`` none is opened, as text from elsewhere needs; with
        a folder it is one beside that.
        """
        from eqsynth.families.text import parse

        files = files if isinstance(files, Path) else flag("files", files)
        return text if isinstance(text, Group) else parse(text, files)

    def __repr__(self) -> str:
        return f"Group(family={self.family!r}, n={self.n!r})"

    def __str__(self) -> str:
        return f"{self.family}({self.n})"

    # --- what it is ---------------------------------------------------------------------------------------

    @property
    def factors(self) -> tuple[Group, ...]:
        """The factors of a product; a group that is no product is its own only factor."""
        return (self,)

    @property
    def indices(self) -> tuple[Group, ...]:
        """The groups of the indices that steps of plans work on: the factors, or those that an axis is made of."""
        return self.factors

    @property
    def split(self) -> bool:
        """Whether some axes are made of several indices."""
        return len(self.indices) > len(self.factors)

    @property
    def length_text(self) -> str:
        """The length of an axis, in words and formulas."""
        return str(self.n)

    def index_lengths(self, n: int) -> tuple[int, ...]:
        """The lengths of the indices of an axis of length n."""
        return (n,)

    @property
    def multiple(self) -> int:
        """The number that divides every size that there is: 2 where it must be even."""
        return 1

    @property
    def symbolic(self) -> bool:
        """Whether n is a letter."""
        return isinstance(self.n, str)

    @property
    def title(self) -> str:
        """What the group is, in words."""
        return self.about

    @property
    def diagrammatic(self) -> bool:
        """Whether the group has diagrams at every order; the others are handled through tables."""
        return self.maps == "diagrams"

    @property
    def number(self) -> int:
        """The number n; raises SymbolicError where it is a letter."""
        if isinstance(self.n, str):
            raise SymbolicError(f"{self} leaves n open: ask for a number, such as {self.family}(4)")
        return self.n

    def require_numbers(self) -> None:
        """Raise SymbolicError where a size is a letter."""
        if self.symbolic:
            raise SymbolicError(f"{self} leaves sizes open: ask for numbers in place of letters")

    def at(self, n: int | str) -> Group:
        """The group of the same family and another size."""
        return Group(self.family, n)

    def resized(self, n: int) -> Group:
        """The same at a number n, for what is said about diagrams between certain tensors, too."""
        return self.at(n)

    def require_lengths(self) -> None:
        """Raise SymbolicError where the length of an axis does not say what all sizes are that are left open."""

    @property
    def kept_graph(self) -> Graph | None:
        """The graph whose edges the group keeps, if it is given by one."""
        return None

    # --- its diagrams -------------------------------------------------------------------------------------

    def headless_blocks(self, total: int) -> Iterator[Blocks]:
        """The blocks of every diagram without a head on so many vertices, always in the same order."""
        self._lacks(f"diagrams on {total} vertices")

    def rows(self, order: int, through: int) -> list[tuple[Blocks, tuple[int, ...]]] | None:  # noqa: ARG002 - of some families
        """The rows of diagrams without a head: blocks, and those of them, so many at most, that go on to the other row.

        None where rows with equally many such blocks do not all fit together.
        """
        return None

    def grows(self, sizes: Sequence[int], more: int) -> bool | None:  # noqa: ARG002 - of some families
        """Whether blocks of these sizes may grow into a diagram with so many vertices more; None where nobody knows."""
        return None

    def nested_blocks(self, total: int) -> Iterator[tuple[Blocks, Blocks]]:
        """The nested partitions of a basis on so many vertices: a partition, and one that cuts its blocks."""
        self._lacks(f"nested partitions on {total} vertices")

    def nested_misfit(self, outer: Blocks, inner: Blocks, *, limits: bool = True) -> str:  # noqa: ARG002 - of some families
        """Why two partitions are no nested partition, with ``limits`` one of the basis; empty where they are."""
        self._lacks(f"nested partitions such as {outer} and {inner}")

    def named_by_letters(self, total: int) -> str:
        """The group as text, with letters in place of numbers at which it has the same maps on so many vertices."""
        self._lacks(f"the maps of a letter on {total} vertices")

    def headed_blocks(self, total: int) -> Iterator[tuple[Blocks, tuple[int, ...]]]:  # noqa: ARG002 - of some families
        """Blocks and head of every diagram with a head; none with n a letter."""
        return iter(())

    def headed_count(self, total: int) -> int:  # noqa: ARG002 - of some families
        """How many diagrams with a head there are on so many vertices."""
        return 0

    def headed_dimension(self, total: int) -> int:
        """How many of them are independent; they are so of all others."""
        return self.headed_count(total)

    def headed_symmetric_dimension(self, parts: Sequence[int | Symmetry]) -> int:
        """The same between symmetric, alternating and plain tensors."""
        self._lacks(f"formula for its diagrams with a head between {len(parts)} spaces")

    def headed_shapes(self, total: int) -> Iterator[Shape]:
        """The shapes of the tableaux that are read as standard diagrams with a head."""
        self._lacks(f"standard diagrams with a head on {total} vertices")

    def degenerate_heads(self, total: int) -> Iterable[int]:  # noqa: ARG002 - of some families
        """The sizes at which diagrams with a head of so many vertices are dependent."""
        return ()

    def count(self, total: int) -> int:
        """How many diagrams there are on so many vertices."""
        self._lacks(f"diagrams on {total} vertices")

    def standard_shapes(self, total: int) -> Iterator[Shape]:
        """The shapes of the tableaux that are read as standard diagrams on so many vertices."""
        self._lacks(f"standard diagrams on {total} vertices")

    @property
    def standard_size(self) -> int:
        """The longest monotone subsequence of the words of standard diagrams."""
        return self.number

    def gram_roots(self, total: int) -> Counter[int]:
        """The numbers z that the Gram determinant of all diagrams without a head is a product of n - z of."""
        self._lacks(f"formula for the Gram determinant on {total} vertices")

    def blocks_count(self, total: int, blocks: int) -> int:
        """How many diagrams without a head on so many vertices have so many blocks."""
        self._lacks(f"partitions of {total} vertices into {blocks} blocks")

    def misfit(self, blocks: Blocks, head: tuple[int, ...]) -> str:
        """Why blocks and a head are no diagram of the group; empty where they are.

        Decided from the diagram alone: nothing is listed, so that a check need not trust the listing.
        """
        return f"{self} has no diagram of {len(blocks)} blocks with {len(head)} at a head"

    def gain(self, inputs: int, outputs: int) -> int:  # noqa: ARG002 - of some families
        """The power of n^(1/4) by which the weights of maps between these orders are multiplied.

        Maps to a higher order reach few entries where every block has two vertices or more: each has (l - k)/2 forced
        pairs of outputs, and only n^(blocks) of the n^l entries can differ from zero. The gain makes up for it, so
        that the mean square of the output does not depend on n.
        """
        return 0

    # --- the dual space --------------------------------------------------------------------------------------

    def between(self, inputs: tuple[bool, ...], outputs: tuple[bool, ...]) -> Group:  # noqa: ARG002 - of some families
        """The maps between tensors, as those of a group; for each axis whether it is one of V*."""
        return self

    @property
    def over_complex(self) -> bool:
        """Whether tensors and weights are complex numbers; then V* is the conjugate of V."""
        return any(factor.over_complex for factor in self.factors if factor is not self)

    @property
    def sides(self) -> tuple[bool, ...] | None:
        """For each vertex of a diagram on which side of the wall it is, where pairs join one of either side."""
        return None

    # --- the determinant ----------------------------------------------------------------------------------

    @property
    def flips(self) -> bool:
        """Whether some element has determinant -1: only then tensors that the determinant twists differ from others.

        Raises GroupError where elements have other determinants than 1 and -1.
        """
        return type(self) in HEADED

    @property
    def headed(self) -> Group:
        """The maps between twisted and other tensors, as those of a group: all of its diagrams have a head."""
        if type(self) not in HEADED:
            self._lacks("diagrams between twisted and other tensors")
        return HEADED[type(self)](self)

    # --- how many maps there are --------------------------------------------------------------------------

    def dimension(self, total: int) -> int:
        """How many independent maps V^k -> V^l there are with k + l = ``total``, from representation theory alone."""
        self._lacks(f"formula for its dimension on {total} vertices")

    def fewest(self, total: int) -> int:  # noqa: ARG002 - of some families
        """A number that the dimension is not below, known at once, with n a number."""
        return 0

    def symmetric_dimension(self, parts: Sequence[int | Symmetry]) -> int:
        """The same between symmetric, alternating and plain tensors, of inputs and outputs alike."""
        self._lacks(f"formula for its dimension between {len(parts)} spaces")

    def stable_from(self, total: int) -> int:
        """The least n from which the dimension no longer changes and every headless diagram is needed."""
        self._lacks(f"a size from which its maps on {total} vertices stay the same")

    # --- its irreducible parts ----------------------------------------------------------------------------

    #: How many steps of the Bratteli diagram a tensor factor takes; 0 where irreducible parts are not known.
    stride: ClassVar[int] = 0
    #: Whether irreducible parts of tensors with axes of V and V* have labels, which ``copies`` counts.
    rational: ClassVar[bool] = False
    #: Whether a part is what the Schur functors of its boxes hold beyond parts of fewer boxes, and whole.
    schur: ClassVar[bool] = False

    def copies(self, parts: Sequence[int | Symmetry]) -> Counter[Label]:
        """How often tensors hold each irreducible part, for groups that tell V from V*; ``parts`` as there are axes."""
        self._lacks(f"labels of the irreducible parts of {len(parts)} tensors")

    def start(self) -> Label:
        """The label of the trivial part."""
        self._lacks("labels of its irreducible parts")

    def ends(self, total: int) -> list[Label]:
        """The labels of the parts that no element changes, as far as walks of ``total`` tensor factors may reach.

        The sign or determinant is out of reach unless so few steps can build a whole column.
        """
        start = self.start()
        return [start, (1,) * self.number] if self.twist and self.number <= total + 1 else [start]

    def neighbours(self, step: int, label: Label) -> list[Label]:
        """The parts that a walk reaches from a part in step number ``step``."""
        self._lacks(f"a branching rule for {label} in step {step}")

    def times_power_sum(self, label: Label, length: int) -> Counter[Label]:  # noqa: ARG002 - the family says
        """A part times the class function g -> trace of g^length, as a sum of parts with whole coefficients.

        On tensors, the trace of g with axes permuted is a product of these, one for each cycle of the axes; on axes
        of V* they are those of negative length.
        """
        self._lacks(f"a rule for its part {label} times traces of powers")

    def twisted_part(self, label: Label) -> Label:
        """The label of a part times the determinant, at a number n."""
        self._lacks(f"label for the part {label} times the determinant")

    def dimension_factors(self, label: Label) -> tuple[tuple[int, ...], int]:
        """The dimension of a part as a polynomial: the product of (n + offset), divided by a number."""
        self._lacks(f"a dimension of the part {label}")

    def part_dimension(self, label: Label) -> int:
        """The dimension of a part, at numbers."""
        offsets, divisor = self.dimension_factors(label)
        return prod(self.number + offset for offset in offsets) // divisor

    def require_parts(self, refusal: str) -> None:
        """Raise GroupError unless the irreducible parts are known; ``refusal``: what is said before what to ask for."""
        if not self.stride and not self.rational:
            raise GroupError(f"{refusal}: ask for {families_with(lambda kind: kind.stride or kind.rational)}")

    def step_value(self, step: int, label: Label, other: Label) -> tuple[int, int]:  # noqa: ARG002 - of some families
        """The eigenvalue a n + b, as (a, b), of the Jucys-Murphy element of a step where a walk goes from a part on."""
        self.lacks_steps()

    def lacks_steps(self) -> NoReturn:
        """Raise GroupError: there are no Jucys-Murphy elements, whose values steps have."""
        self._lacks("Jucys-Murphy elements here: ask for S(n), O(n), Sp(n), GL(n) or U(n)")

    def boxes(self, label: Label) -> int:
        """The number of boxes of a label that do not come with n."""
        return sum(label)

    @property
    def spherical(self) -> bool:
        """Whether irreps are named by degree and parity, and have the coordinates of spherical harmonics."""
        return False

    def exists(self, label: Label) -> bool:  # noqa: ARG002 - the family says
        """Whether a label names an irreducible part at this n."""
        self._lacks("irreps with coordinates: ask for tensors of an order")

    def least_order(self, label: Label) -> int:
        """The number of indices of the least tensors that hold a part."""
        return self.boxes(label)

    def seats(self, label: Label) -> tuple[tuple[Shape, int, bool], ...]:
        """How the tensors of a part are indexed: shapes of boxes, each an index that stands on so many axes.

        Exchanges of the boxes act as on a tableau of the shape. Last, whether sums over an index vanish. Where there
        are axes of V and of V*, the first shape is one of V, the second of V*.
        """
        return ((label, 1, False),)

    def part_words(self, label: Label) -> str:  # noqa: ARG002 - of some families
        """What a part is, in words; empty where it has no name."""
        return ""

    def sort_key(self, label: Label) -> tuple[Any, ...]:
        """The order in which parts are listed: by size, then by the rows."""
        return sum(label), label

    def part_name(self, label: Label, symbol: str) -> str:  # noqa: ARG002 - of some families
        """A part as text; with n a letter, ``symbol`` stands for it."""
        return f"({','.join(map(str, label))})"

    def joined(self, label: Label) -> Label:
        """The first of the labels that name the same part, for groups that cannot tell some apart."""
        return label

    def splits(self, label: Label) -> bool:  # noqa: ARG002 - of some families
        """Whether a part named by a label falls in two halves."""
        return False

    def complex_halves(self, label: Label) -> bool:  # noqa: ARG002 - of some families
        """Whether these halves are each other's conjugates."""
        return False

    # --- its elements -------------------------------------------------------------------------------------

    def generating_matrices(self) -> Generators:
        """Exact matrices that generate the group: elements g, and elements X that generate its Lie algebra."""
        self._lacks("generators as matrices")

    def generator_count(self) -> int:
        """How many generators there are, as far as it matters for the memory that they take."""
        return self.number

    def random_element(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """A random element as an n x n matrix."""
        self._lacks(f"random elements from {rng}")

    @property
    def order(self) -> int:
        """The number of elements, exactly.

        >>> from eqsynth import Group
        >>> Group("S", 5).order, Group("A", 5).order, Group("H", 3).order, Group.parse("D(5)").order
        (120, 60, 48, 10)

        Raises GroupError where there are infinitely many, SymbolicError with n a letter, SizeError where it takes too
        long to find.
        """
        from eqsynth.families.representation import generators

        if len(self.factors) > 1:
            self.require_numbers()
            return prod(factor.order for factor in self.factors)
        elements, algebra = generators(self)
        if algebra:
            self._infinite()
        signed = tuple(images for images in map(signed_permutation, elements) if images is not None)
        if len(signed) < len(elements):
            return listed_order(str(self), elements)
        return group_order(signed, 2 * self.number)

    @property
    def generators(self) -> tuple[Any, ...]:
        """Elements that generate the group: permutations as images of 0, ..., n - 1 where it permutes, else matrices.

        >>> from eqsynth import Group
        >>> Group("S", 4).generators
        ((1, 0, 2, 3), (3, 0, 1, 2))

        Raises GroupError where the group is generated by no finite number of elements; ``generating_matrices`` has
        those of its Lie algebra, too.
        """
        from eqsynth.families.representation import generators

        elements, algebra = generators(self)
        if algebra:
            raise GroupError(
                f"{self} has infinitely many elements, which no list generates: generating_matrices() has generators "
                "of its Lie algebra beside some elements"
            )
        if self.permuting:
            return tuple(tuple(int(place) for place in element.argmax(1)) for element in elements)
        return tuple(tuple(map(tuple, element.tolist())) for element in elements)

    @property
    def unnamed(self) -> Group:
        """The same group without the name that somebody gave it."""
        return self

    @property
    def permutations(self) -> tuple[Permutation, ...]:
        """The permutations that generate the group, for groups that are given by some.

        Raises GroupError for the others.
        """
        raise GroupError(f"{self} is not given by permutations")

    @property
    def signed_permutations(self) -> tuple[Permutation, ...] | None:
        """Generators of a group of matrices that all permute coordinates with signs, as ``signed_orbits`` reads them.

        None where some do not, and for groups that have other bases.
        """
        return None

    def pointwise(self, order: int) -> tuple[tuple[str, ...], str]:  # noqa: ARG002 - of some families
        """What functions must be to commute with the group entry by entry on V^order, order above 0, and why.

        Properties as in ``bases.pointwise.Demand``: none, ``"odd"``, ``"homogeneous"``, ``"linear"``.
        """
        return ("linear",), f"elements of {self} have rows with several non-zero entries"

    # --- the form that it keeps -----------------------------------------------------------------------------

    @property
    def signature(self) -> tuple[int, int] | None:
        """How many signs + and - there are on the diagonal of eta, where a pair inside a row carries that.

        Then a head carries eta on the axes of the input.
        """
        return None

    @property
    def paired(self) -> bool:
        """Whether a pair of vertices inside one row carries a form in place of a delta: omega, or eta."""
        return self.symplectic or self.signature is not None

    @property
    def form(self) -> str:
        """The invariant bilinear form: ``"delta"``, ``"omega"``, ``"eta"``, or empty where it must be looked for."""
        return "omega" if self.symplectic else "delta" if self.signature is None else "eta"

    @property
    def determinant(self) -> int:
        """The determinant of the form that pairs carry."""
        return 1 if self.signature is None else (-1) ** self.signature[1]

    def pair_form(self, n: int) -> NDArray[np.int64]:
        """The matrix of what a pair of vertices inside one row carries, at a size."""
        import numpy as np

        return np.eye(n, dtype=np.int64)

    def _infinite(self) -> NoReturn:
        raise GroupError(f"{self} has infinitely many elements: only finite groups have an order")

    def _lacks(self, what: str) -> NoReturn:
        raise GroupError(f"{self} has no {what}")


def fill(group: Group, **values: object) -> None:
    """Set the fields of a group that is being made."""
    for name, value in values.items():
        object.__setattr__(group, name, value)


def listed_order(name: str, generators: Sequence[Any]) -> int:
    """How many matrices some matrices generate, by listing them; GroupError beyond so many that there may be no end.

    >>> from eqsynth.families.group import listed_order
    >>> listed_order("sixths of a turn", [[[1, -1], [1, 0]]])
    6
    """
    matrices = [tuple(map(tuple, g)) for g in generators]
    size = len(matrices[0])
    unit = tuple(tuple(int(row == column) for column in range(size)) for row in range(size))
    seen, agenda = {unit}, [unit]
    while agenda:
        element = agenda.pop()
        for g in matrices:
            columns = list(zip(*g, strict=True))
            product = tuple(tuple(sum(map(mul, row, column)) for column in columns) for row in element)
            if product not in seen:
                seen.add(product)
                agenda.append(product)
        if len(seen) > MAX_LISTED:
            raise GroupError(
                f"the order of {name} is not known: it has infinitely many elements, or more than {MAX_LISTED:,}, "
                "which are not listed"
            )
    return len(seen)
