"""The problem itself: a group and two spaces."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from eqsynth.errors import EqsynthError, SpaceError
from eqsynth.families.group import Group
from eqsynth.spaces.space import Order, Space, axes_of, order_text


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
        if not isinstance(self.group, Group) or not all(isinstance(s, Space) for s in (self.space_in, self.space_out)):
            raise EqsynthError("a Hom is made of a Group and two Spaces: for texts write eq.Hom.parse(...)")
        for space in (self.space_in, self.space_out):
            for order in space.orders:
                check_order_fits(self.group, order)

    @classmethod
    def parse(
        cls, group: str | Group, space_in: str | int | Space, space_out: str | int | Space, files: bool | Path = True
    ) -> Hom:
        """Read group and spaces as strings, or take them as they are; ``files`` as in :meth:`Group.parse`."""
        return cls(Group.parse(group, files), Space.parse(space_in), Space.parse(space_out))

    def __str__(self) -> str:
        return f"{self.group}: {self.space_in} -> {self.space_out}"


def check_order_fits(group: Group, order: Order) -> None:
    """Raise SpaceError unless the order has one entry per factor of the group."""
    count = len(group.factors)
    if count == 1 and isinstance(order, tuple):
        raise SpaceError(
            f"the order {order_text(order)} has one entry per factor of a product group, "
            f"but {group} has one factor: write a plain number such as {axes_of(order)}"
        )
    if count > 1 and (not isinstance(order, tuple) or len(order) != count):
        example = ",".join(["1"] * count)
        raise SpaceError(
            f"the order {order_text(order)} does not fit {group}: give one entry per factor, such as ({example})"
        )
