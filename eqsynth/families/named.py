"""Finite groups with a name: C(n) and D(n) on a ring, C4(5x5) and D4(5x5) on the pixels of an image, Z(2)^k by signs.

They are groups of permutations and of matrices, with generators that nobody need write down.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from eqsynth.errors import GroupError, counted, shown
from eqsynth.exact.permutations import Permutation
from eqsynth.families.group import MAX_N, Group, fill
from eqsynth.families.matrix import MatrixGroup
from eqsynth.families.permutation import PermutationGroup

#: Z(2)^k has so many signs, at most.
MAX_SIGNS = 64


def _number(text: str, family: str, most: int, what: str) -> int:
    """A size as text, which is a number; GroupError for a letter, with what to ask instead."""
    if re.fullmatch("[A-Za-z]", text):
        raise GroupError(
            f"{family} has no letter for its size, since its maps at one size say nothing of another: give {what} as a "
            "number"
        )
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text[:10]) <= most:
        raise GroupError(f"{family} takes {what}, a number from 1 to {most:,}, not {shown(text)}")
    return int(text)


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Ring(PermutationGroup):
    """A group of permutations that its own text makes again."""

    @classmethod
    def of_text(cls, inside: str, files: bool | Path) -> Group:  # noqa: ARG003 - it names no files
        """Read the number of points."""
        return cls(inside)  # type: ignore[arg-type]  # those of a ring take their size

    def __repr__(self) -> str:
        return f"Group.parse({str(self)!r})"

    def __str__(self) -> str:
        return f"{self.family}({self.n})"


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Cyclic(Ring):
    """The cyclic group C(n): the rotations of n points in a ring.

    >>> from eqsynth import Group
    >>> rotations = Group.parse("C(5)")
    >>> print(rotations, rotations.order, rotations.generators)
    C(5) 5 ((1, 2, 3, 4, 0),)

    Its maps V -> V are the circulant matrices. Raises GroupError for a size that is no number from 1 on.
    """

    action: ClassVar[str] = "rotate the ring of points{}"
    how: ClassVar[str] = "Write C(5): so many points in a ring. A quarter turn of the plane is in SO(2)."

    def __init__(self, n: Any) -> None:
        points = _number(str(n), "C(n)", MAX_N, "the points of a ring")
        fill(self, family="C", n=points, generators=_rotation(points), name="")

    @property
    def order(self) -> int:
        """As many as there are points."""
        return self.number

    @property
    def title(self) -> str:
        """What the group is, in words."""
        return f"cyclic group: the rotations of {counted(self.number, 'point')} in a ring"


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Dihedral(Ring):
    """The dihedral group D(n): the rotations and reflections of n points in a ring.

    >>> from eqsynth import Group
    >>> symmetries = Group.parse("D(5)")
    >>> print(symmetries, symmetries.order, symmetries.generators)
    D(5) 10 ((1, 2, 3, 4, 0), (0, 4, 3, 2, 1))

    It has 2n elements for n above 2; two points can only be exchanged, and a single one only stay. Raises GroupError
    for a size that is no number from 1 on.
    """

    action: ClassVar[str] = "rotate and reflect the ring of points{}"
    how: ClassVar[str] = "Write D(5): so many points in a ring. All rotations and reflections of the plane are O(2)."

    def __init__(self, n: Any) -> None:
        points = _number(str(n), "D(n)", MAX_N, "the points of a ring")
        reflection = tuple(-point % points for point in range(points))
        generators = (*_rotation(points), *([reflection] if points > 2 else []))
        fill(self, family="D", n=points, generators=generators, name="")

    @property
    def order(self) -> int:
        """Twice as many as there are points, but for one and two."""
        return 2 * self.number if self.number > 2 else self.number

    @property
    def title(self) -> str:
        """What the group is, in words."""
        return f"dihedral group: the rotations and reflections of {counted(self.number, 'point')} in a ring"


def _rotation(points: int) -> tuple[Permutation, ...]:
    return ((*range(1, points), 0),) if points > 1 else ()


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Turns(Ring):
    """The quarter turns of an image of m x m pixels, C4(mxm): R^n with n = m^2, pixels row by row.

    >>> from eqsynth import Group
    >>> turns = Group.parse("C4(3x3)")
    >>> print(turns, turns.n, turns.order, turns.generators)
    C4(3x3) 9 4 ((2, 5, 8, 1, 4, 7, 0, 3, 6),)

    Raises GroupError for an image that is not square, whose turns change its form.
    """

    action: ClassVar[str] = "turn the image{} by quarters"
    how: ClassVar[str] = "Write C4(5x5): the quarter turns of an image of 5 x 5 pixels."

    letters: ClassVar[str] = "C4"
    mirrored: ClassVar[bool] = False

    side: int

    def __init__(self, side: Any) -> None:
        rows = _number(str(side), f"{self.letters}(mxm)", 1_000, "the pixels of a side")
        turns = [_pixels(rows, lambda row, column: (column, rows - 1 - row))] if rows > 1 else []
        mirror = [_pixels(rows, lambda row, column: (row, rows - 1 - column))] if self.mirrored and rows > 1 else []
        generators = (*turns, *mirror)
        fill(self, family=self.letters, n=rows * rows, generators=generators, name="", side=rows)

    def __str__(self) -> str:
        return f"{self.family}({self.side}x{self.side})"

    @classmethod
    def of_text(cls, inside: str, files: bool | Path) -> Group:  # noqa: ARG003 - it names no files
        """Read the form of the image, 5x5."""
        return cls(_side(inside, cls.letters))

    @property
    def order(self) -> int:
        """Four, but for a single pixel."""
        return 4 if self.side > 1 else 1

    @property
    def title(self) -> str:
        """What the group is, in words."""
        return f"quarter turns of an image of {self.side} x {self.side} pixels"


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Reflections(Turns):
    """The quarter turns and reflections of an image of m x m pixels, D4(mxm).

    >>> from eqsynth import Group
    >>> symmetries = Group.parse("D4(3x3)")
    >>> print(symmetries, symmetries.order, len(symmetries.generators))
    D4(3x3) 8 2
    """

    action: ClassVar[str] = "turn and reflect the image{}"
    how: ClassVar[str] = "Write D4(5x5): the quarter turns and reflections of an image of 5 x 5 pixels."

    letters: ClassVar[str] = "D4"
    mirrored: ClassVar[bool] = True

    @property
    def order(self) -> int:
        """Eight, but for a single pixel."""
        return 8 if self.side > 1 else 1

    @property
    def title(self) -> str:
        """What the group is, in words."""
        return f"quarter turns and reflections of an image of {self.side} x {self.side} pixels"


def _pixels(rows: int, moved: Callable[[int, int], tuple[int, int]]) -> Permutation:
    """Where each pixel of a square image goes."""
    images = (moved(row, column) for row in range(rows) for column in range(rows))
    return tuple(row * rows + column for row, column in images)


def _side(text: str, family: str) -> str:
    form = re.fullmatch(r"\s*(\w+)\s*x\s*(\w+)\s*", text)
    if form is None:
        raise GroupError(f"{family} takes the form of an image, such as {family}(5x5), not {shown(text)}")
    if form[1] != form[2]:
        raise GroupError(
            f"quarter turns of an image of {form[1]} x {form[2]} pixels change its form: ask for a square, {family}"
            f"({form[1]}x{form[1]}); half a turn and the reflections of a rectangle are Aut(grid{form[1]}x{form[2]})"
        )
    return form[1]


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Signs(MatrixGroup):
    """The group Z(2)^k: the signs of k coordinates, each by itself.

    >>> import eqsynth as eq
    >>> signs = eq.Group.parse("Z(2)^3")
    >>> print(signs, signs.n, signs.order, len(eq.basis(signs, 1, 1)))
    Z(2)^3 3 8 3

    The maps V -> V are the diagonal matrices. Raises GroupError where k is no number from 1 to 64.
    """

    action: ClassVar[str] = "flip the signs of coordinates{}"
    sources: ClassVar[dict[str, str]] = {}
    how: ClassVar[str] = (
        "Write Z(2)^3: the signs of three coordinates; S'(n) and B'(n) have one sign for all. Rotations of n points in "
        "a ring are C(n)."
    )

    def __init__(self, k: Any) -> None:
        count = _number(str(k), "Z(2)^k", MAX_SIGNS, "the coordinates whose signs flip")
        kept, flipped = (
            [tuple(sign * (row == column) for column in range(count)) for row in range(count)] for sign in (1, -1)
        )
        generators = tuple((*kept[:place], flipped[place], *kept[place + 1 :]) for place in range(count))
        fill(self, family="Z", n=count, generators=generators, lie_algebra=(), name="")

    def __repr__(self) -> str:
        return f"Group.parse({str(self)!r})"

    def __str__(self) -> str:
        return f"Z(2)^{self.n}"

    @classmethod
    def of_text(cls, inside: str, files: bool | Path) -> Group:  # noqa: ARG003 - it names no files
        """Refuse what may mean two things."""
        if inside == "2":
            raise GroupError("Z(2) flips the sign of a coordinate, Z(2)^1, or exchanges two points, C(2): write one")
        raise GroupError(f"Z({inside[:20]}) is not here, but for n points in a ring: write C({inside[:20]})")

    @classmethod
    def of_power(cls, inside: str, power: str) -> Group:
        """Read ``Z(2)^3``."""
        if inside != "2":
            raise GroupError(f"powers of Z({inside[:20]}) are not here: Z(2)^k flips the signs of k coordinates")
        return cls(power)

    @property
    def order(self) -> int:
        """Two signs for each coordinate."""
        return 1 << self.number

    @property
    def title(self) -> str:
        """What the group is, in words."""
        return f"signs of {counted(self.number, 'coordinate')}, each by itself"
