"""Groups of permutations of n points, given by generators; their maps are orbits on index tuples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from eqsynth.errors import GroupError, counted, explain_calls, shown
from eqsynth.exact.numbers import ordered, whole
from eqsynth.exact.permutations import Permutation, inverse, sign
from eqsynth.families.group import MAX_N, Generators, Group, fill
from eqsynth.families.text import checked_name, named_text, split_name
from eqsynth.graphs.orbits import group_order

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class PermutingGroup(Group):
    """A group of permutations that some permutations generate: Perm(...) and Aut(...)."""

    __slots__ = ()
    permuting = True

    def generating_matrices(self) -> Generators:
        """The permutations as matrices."""
        import numpy as np

        unit = np.eye(self.number, dtype=np.int64)
        return [unit[:, list(inverse(images))] for images in self.permutations], []

    def generator_count(self) -> int:
        """As many as there are permutations."""
        return len(self.permutations)

    @property
    def order(self) -> int:
        """The number of elements."""
        return group_order(self.permutations, self.number)

    def random_element(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """A product of a random number of generators: always four of a cycle of four points would be none at all."""
        import numpy as np

        element, moves = np.eye(self.number), self.permutations
        for choice in rng.integers(0, max(len(moves), 1), rng.integers(1, 8 * len(moves) + 2)) if moves else ():
            element = element[list(moves[choice])]
        return element

    @property
    def flips(self) -> bool:
        """Whether a generator is odd."""
        return any(sign(images) < 0 for images in self.permutations)

    def pointwise(self, order: int) -> tuple[tuple[str, ...], str]:  # noqa: ARG002 - the same for all
        """Any function: permutations only move entries."""
        return (), ""


@explain_calls
@dataclass(frozen=True, slots=True, init=False, repr=False)
class PermutationGroup(PermutingGroup):
    """The group of permutations of n points that some permutations generate.

    >>> from eqsynth import PermutationGroup
    >>> print(PermutationGroup([(1, 2, 3, 0)]))
    Perm(4: 1 2 3 0)

    Each generator lists the images of 0, ..., n - 1. Its maps are spanned by the orbits on index tuples. With a
    ``name`` messages and layers say that in place of the generators; texts keep both, so that they are read as the same
    group.

    >>> ring = PermutationGroup([(1, 2, 3, 0)], name="ring")
    >>> print(ring, ring.order)
    Perm(ring = 4: 1 2 3 0) 4
    >>> ring
    <PermutationGroup ring: 4 points, 1 generator>

    Raises GroupError for what is no permutation, and for a name that could be read as a family.
    """

    action: ClassVar[str] = "move the points{} by a permutation of the group"
    sources: ClassVar[dict[str, str]] = {"orbit": "one orbit of the group on places of the matrix"}
    maps: ClassVar[str] = "orbits"
    arguments: ClassVar[tuple[str, ...]] = ("disjoint",)
    how: ClassVar[str] = "Write Perm(4: 1 2 3 0, 1 0 2 3): the number of points, then the images under each generator."

    generators: tuple[Permutation, ...]
    name: str

    def __init__(self, generators: Iterable[Sequence[int]], n: int | None = None, name: str = "") -> None:
        generators = [*generators] if ordered(generators) else generators
        if any(isinstance(part, Mapping | Set) for part in (generators, *(generators if ordered(generators) else ()))):
            raise GroupError(
                "a dict or a set has no order: list the image of each point, [images[point] for point in range(n)]"
            )
        given: list[tuple[Any, ...]] = [("",)]
        if ordered(generators) and all(map(ordered, generators)):
            given = [tuple(generator) for generator in generators]
        listed = tuple(tuple(image for image in map(whole, generator) if image is not None) for generator in given)
        if any(len(read) != len(generator) for read, generator in zip(listed, given, strict=True)):
            raise GroupError(f"generators are lists of images, such as [[1, 2, 3, 0]], not {shown(generators)}")
        if n is None:
            if not listed:
                raise GroupError("a permutation group without generators needs n: PermutationGroup([], n=4)")
            n = len(listed[0])
        points = whole(n)
        if points is None or not 1 <= points <= MAX_N:
            raise GroupError(f"a permutation group acts on 1 to {MAX_N} points, not on {shown(n)}")
        for generator in listed:
            if len(generator) != points or sorted(generator) != list(range(points)):
                raise GroupError(
                    f"{shown(generator)} is no permutation of 0, ..., {points - 1}: list the image of each point once"
                )
        fill(self, family="Perm", n=points, generators=listed, name=checked_name(name))

    def __repr__(self) -> str:
        if self.name:
            generators = counted(len(self.generators), "generator")
            return f"<PermutationGroup {self.name}: {counted(self.number, 'point')}, {generators}>"
        return f"PermutationGroup({self.generators!r}, {self.n})"

    def __str__(self) -> str:
        images = ", ".join(" ".join(map(str, g)) for g in self.generators)
        return named_text("Perm", self.name, f"{self.n}: {images}")

    @property
    def unnamed(self) -> Group:
        """The same group without its name."""
        return PermutationGroup(self.generators, self.number) if self.name else self

    @property
    def permutations(self) -> tuple[Permutation, ...]:
        """The generators."""
        return self.generators

    @classmethod
    def of_text(cls, inside: str, files: bool | Path) -> Group:  # noqa: ARG003 - it names no files
        """Read ``4: 1 2 3 0, 1 0 2 3``. Raises GroupError for other texts."""
        name, written = split_name(inside)
        size, colon, rest = written.partition(":")
        generators = [part.split() for part in rest.split(",") if part.strip()]
        numbers = [size.strip(), *(word for generator in generators for word in generator)]
        if not colon or not all(word.isascii() and word.isdecimal() for word in numbers):
            raise GroupError(f"{shown(inside)} does not list permutations")
        if any(len(word) > 9 for word in numbers):
            raise GroupError("the numbers of points are too large")
        return PermutationGroup([[int(word) for word in generator] for generator in generators], int(size), name)

    @property
    def title(self) -> str:
        """What the group is, in words."""
        said = f"{self.name}, a group" if self.name else "group"
        points, generators = counted(self.number, "point"), counted(len(self.generators), "generator")
        return f"{said} of permutations of {points} with {generators}"
