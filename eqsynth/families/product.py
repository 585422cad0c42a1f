"""Products of groups, each acting on index axes of its own; their maps are products of the factors' maps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, NoReturn

from eqsynth.errors import GroupError, explain_calls, shown
from eqsynth.exact.numbers import ordered
from eqsynth.families.group import Group, fill


@explain_calls
@dataclass(frozen=True, slots=True, init=False, repr=False)
class ProductGroup(Group):
    """A product of groups, each acting on index axes of its own (local symmetries).

    >>> from eqsynth import Group
    >>> product = Group.parse("S(4) x O(3)")
    >>> print(product, [str(factor) for factor in product.factors])
    S(4) x O(3) ['S(4)', 'O(3)']

    Any groups can be factors. Orders are tuples with one entry per factor; the axes of the first factor come first.
    The maps are products of the factors' maps: dimensions multiply. A product of groups of permutations that act on one
    set of points is a :class:`PermutationGroup` instead.

    Raises GroupError for fewer than two factors, ParseError for texts that are no groups.
    """

    maps: ClassVar[str] = "factors"
    arguments: ClassVar[tuple[str, ...]] = ("product",)

    parts: tuple[Group, ...]

    def __init__(self, factors: Iterable[Group | str]) -> None:
        if not ordered(factors):
            raise GroupError(f"a product is made of a list of groups, not of {shown(factors)}")
        listed = tuple(part for factor in factors for part in Group.parse(factor).factors)
        if len(listed) < 2:
            raise GroupError("a product needs two or more groups, such as S(4) x O(3)")
        _check_letters(listed)
        fill(self, family="Product", n=0, parts=listed)

    def __repr__(self) -> str:
        return f"ProductGroup({list(self.parts)!r})"

    def __str__(self) -> str:
        return " x ".join(f"({part})" if part.compound else str(part) for part in self.parts)

    @property
    def factors(self) -> tuple[Group, ...]:
        """The groups that are multiplied."""
        return self.parts

    @property
    def indices(self) -> tuple[Group, ...]:
        """Those of all factors; axes of a wreath product have two."""
        return tuple(index for part in self.parts for index in part.indices)

    def require_lengths(self) -> None:
        """Raise SymbolicError where that of an axis does not say what both sizes of a wreath product are."""
        for part in self.parts:
            part.require_lengths()

    @property
    def symbolic(self) -> bool:
        """Whether the size of a factor is a letter."""
        return any(part.symbolic for part in self.parts)

    @property
    def generators(self) -> NoReturn:
        """There are no matrices of the whole product. Raises GroupError always: factors have theirs."""
        raise GroupError(
            f"each factor of {self} acts on axes of its own, so that no matrices generate it: take those of its "
            "factors, [factor.generators for factor in group.factors]"
        )

    @property
    def title(self) -> str:
        """What the group is, in words."""
        return "product of " + " and ".join(f"the {part.title}" for part in self.parts)

    @property
    def diagrammatic(self) -> bool:
        """Whether all factors have diagrams at every order; plans handle the others factor by factor."""
        return all(part.diagrammatic for part in self.parts)


def _check_letters(factors: Sequence[Group]) -> None:
    """Refuse a letter that is the number of groups, or of points in each, in one factor, and another size elsewhere."""
    sizes = [(part, {index.n for index in part.indices if index.symbolic}) for part in factors if part.split]
    for part, letters in sizes:
        for other in factors if letters else ():
            shared = [str(index.n) for index in other.indices if index.n in letters]
            if other != part and shared:
                raise GroupError(
                    f"{shared[0]} is a size of {part} and one of {other}, whose axes have other lengths: take another "
                    f"letter, or a number"
                )
