"""Groups by name, ``S(5)``, ``O(n)``, and the problem to solve, ``Hom``."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from eqsynth.errors import GroupError, ParseError, SpaceError
from eqsynth.space import Order, Space, order_text

MAX_N = 1_000_000


@dataclass(frozen=True, slots=True)
class Family:
    """What a name such as ``S`` stands for."""

    name: str
    title: str
    even: bool = False


FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family("S", "symmetric group: all permutations of n points"),
        Family("O", "orthogonal group: all rotations and reflections of R^n"),
        Family("A", "alternating group: the even permutations of n points"),
        Family("SO", "special orthogonal group: the rotations of R^n"),
        Family("Sp", "symplectic group: the linear maps of R^n that keep omega", even=True),
    )
}

_GROUP = re.compile(r"\s*(?P<family>[A-Za-z]+)(?P<open>\s*\(\s*)?(?P<size>-?\w+)?(?P<close>\s*\))?")
_CURE = "Write a family and a size, such as S(5) or O(3); a letter, S(n), leaves the size open."


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

    def __post_init__(self) -> None:
        family = FAMILIES.get(self.family)
        if family is None:
            raise GroupError(f"there is no group family {self.family!r}: {_suggest(self.family)}")
        if isinstance(self.n, str):
            if not (len(self.n) == 1 and self.n.isalpha() and self.n.isascii()):
                raise GroupError(f"a symbolic size is one letter, not {self.n!r}: write {self.family}(n)")
            return
        if not isinstance(self.n, int) or isinstance(self.n, bool):
            raise GroupError(f"the size of a group is a whole number or a letter, not {self.n!r}")
        if self.n < 1:
            raise GroupError(f"{self} does not act on anything: ask for n >= {2 if family.even else 1}")
        if self.n > MAX_N:
            raise GroupError(f"{self} is beyond the largest size, {MAX_N}: leave it open, {self.family}(n)")
        if family.even and self.n % 2:
            near = f"{self.family}({self.n + 1})"
            raise GroupError(f"{self} does not exist, omega needs an even dimension: ask for {near}")

    @classmethod
    def parse(cls, text: str | Group) -> Group:
        """Read ``"S(5)"`` or ``"O(n)"``."""
        if isinstance(text, Group):
            return text
        if not isinstance(text, str):
            raise GroupError(f"a group is a string such as 'S(5)', not {text!r}")
        match = _GROUP.match(text)
        if match is None:
            raise ParseError("group", text, len(text) - len(text.lstrip()), "a group name is expected", _CURE)
        name = match["family"]
        if name not in FAMILIES:
            raise ParseError("group", text, match.start("family"), f"no family is called {name!r}", _suggest(name))
        if not match["open"]:
            raise ParseError("group", text, match.end("family"), "( and a size are expected here", _CURE)
        if not match["size"]:
            raise ParseError("group", text, match.end("open"), "a size is expected here", _CURE)
        if not match["close"]:
            raise ParseError("group", text, match.end("size"), ") is expected here", _CURE)
        if text[match.end() :].strip():
            raise ParseError("group", text, match.end(), "nothing more is expected here", _CURE)
        size = match["size"]
        try:
            return cls(name, int(size) if re.fullmatch(r"-?\d+", size) else size)
        except GroupError as error:
            raise ParseError("group", text, match.start("size"), str(error), _CURE) from None

    def __str__(self) -> str:
        return f"{self.family}({self.n})"

    @property
    def factors(self) -> tuple[Group, ...]:
        """The factors of a product; a group that is no product is its own only factor."""
        return (self,)

    @property
    def symbolic(self) -> bool:
        """Whether n is a letter."""
        return isinstance(self.n, str)

    @property
    def title(self) -> str:
        """What the group is, in words."""
        return FAMILIES[self.family].title


def _suggest(name: str) -> str:
    known = ", ".join(f"{family}(n)" for family in FAMILIES)
    close = difflib.get_close_matches(name, FAMILIES, n=1, cutoff=0.3)
    near = next((family for family in FAMILIES if family.lower() == name.lower()), close[0] if close else "")
    return f"Did you mean {near}? The families are {known}." if near else f"The families are {known}."


@dataclass(frozen=True, slots=True)
class Hom:
    """The problem itself: every linear map between two spaces that commutes with a group.

    >>> from eqsynth import Hom
    >>> hom = Hom.parse("S(n)", "16x2 + 8x1", "32x1")
    >>> print(hom)
    S(n): 16x2 + 8x1 -> 32x1
    >>> eval(repr(hom)) == hom
    True
    """

    group: Group
    space_in: Space
    space_out: Space

    def __post_init__(self) -> None:
        for space in (self.space_in, self.space_out):
            for order in space.orders:
                check_order_fits(self.group, order)

    @classmethod
    def parse(cls, group: str | Group, space_in: str | int | Space, space_out: str | int | Space) -> Hom:
        """Read group and spaces as strings, or take them as they are."""
        return cls(Group.parse(group), Space.parse(space_in), Space.parse(space_out))

    def __str__(self) -> str:
        return f"{self.group}: {self.space_in} -> {self.space_out}"


def check_order_fits(group: Group, order: Order) -> None:
    """Raise SpaceError unless the order has one entry per factor of the group."""
    if isinstance(order, tuple):
        raise SpaceError(
            f"the order {order_text(order)} has one entry per factor of a product group, "
            f"but {group} has one factor: write a plain number such as {sum(order)}"
        )
