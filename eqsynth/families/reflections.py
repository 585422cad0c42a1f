"""Z(r) wr S(n): permutations of n coordinates times r-th roots of unity, the complex reflection groups G(r,1,n)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from math import comb, factorial
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from eqsynth.errors import GroupError, explain_calls, shown
from eqsynth.exact.numbers import whole
from eqsynth.exact.partitions import Blocks
from eqsynth.families.group import Generators, Group, fill
from eqsynth.families.hermitian import Hermitian
from eqsynth.families.partition_groups import PartitionGroup, orbits_of_partitions
from eqsynth.families.symmetric import Symmetric
from eqsynth.spaces.space import Symmetry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: The highest r: orders that are handled are far below.
MAX_ROOT = 1_000
#: What families there are for the lowest ones.
REAL = {1: "S", 2: "H"}


class Phased(Hermitian, PartitionGroup):
    """What the group has in common with what it says about diagrams on axes of certain kinds."""

    __slots__ = ()
    about = "complex reflection group: all permutations of n coordinates times roots of unity"
    action = "permute the coordinates{} and multiply them by roots of unity"
    diagram_kind = "phased partition"
    sources: ClassVar[dict[str, str]] = {"phased partition": "set partitions, V minus V* a multiple of r in each block"}
    duals = True
    counted_by = "partitions into blocks with V minus V* a multiple of r"
    spanning = "set partitions with V minus V*, inputs counted as outputs of the other kind, a multiple of r in a block"
    stride = 0

    r: int

    def rows(self, order: int, through: int) -> None:
        """Rows with equally many blocks do not all fit together."""


@explain_calls
@dataclass(frozen=True, slots=True, init=False, repr=False)
class ComplexReflections(Phased):
    """The group Z(r) wr S(n) on complex tensors: in each row and column one entry, an r-th root of unity, r at least 3.

    >>> import eqsynth as eq
    >>> group = eq.Group.parse("Z(3) wr S(2)")
    >>> print(group, group.n, group.r, group.order)
    Z(3) wr S(2) 2 3 18
    >>> eq.basis(group, 2, (0, 1)).formulas()
    ['y[a] += x[a,a]']
    >>> [len(eq.basis(f"Z(3) wr S({n})", 2, 2)) for n in (1, 2, 3)]
    [1, 3, 3]

    Axes are of V = C^n and of its conjugate V*, orders ``(k,k')`` as for U(n). Maps are set partitions into at most n
    blocks; in each block the numbers of vertices of V and of V*, inputs counted as outputs of the other kind, differ
    by a multiple of r. Z(2) wr S(n) is H(n), and Z(1) wr S(n) is S(n): on real tensors, where V* is V.

    Raises GroupError where r is no number from 3 to 1,000, or for a size that S(n) lacks.
    """

    compound: ClassVar[bool] = True
    example: ClassVar[str] = "Z(r) wr S(n)"
    how: ClassVar[str] = "Write Z(3) wr S(4), or a letter for the size, Z(3) wr S(n)."

    r: int

    def __init__(self, r: object, n: object) -> None:
        root = whole(r)
        if root in REAL:
            raise GroupError(f"Z({root}) wr S({n}) is {REAL[root]}({n}), on real tensors: write that")
        if root is None or not 3 <= root <= MAX_ROOT:
            raise GroupError(
                f"Z(r) wr S(n) has r-th roots of unity, r a number from 3 to {MAX_ROOT:,}, not {shown(r)}: write "
                "Z(3) wr S(n), or U(n) for all numbers of length 1, which mixes coordinates besides"
            )
        fill(self, family=f"Z({root}) wr S", n=Symmetric("S", n).n, r=root)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return f"Group.parse({str(self)!r})"

    def at(self, n: int | str) -> Group:
        """The group of the same roots of unity and another size."""
        return ComplexReflections(self.r, n)

    def between(self, inputs: tuple[bool, ...], outputs: tuple[bool, ...]) -> PhasedMaps:
        """The maps between tensors, as those of a group; for each axis whether it is one of V*."""
        return PhasedMaps(self, inputs, outputs)

    def _balanced(self, total: int) -> PhasedMaps:
        """Those to numbers from as many axes of V as of V*, or from one more of V."""
        return self.between(tuple(axis >= (total + 1) // 2 for axis in range(total)), ())

    def headless_blocks(self, total: int) -> Iterator[Blocks]:
        """Those on as many axes of V as of V*."""
        return self._balanced(total).headless_blocks(total)

    def blocks_count(self, total: int, blocks: int) -> int:
        """How many of them have so many blocks."""
        return self._balanced(total).blocks_count(total, blocks)

    def misfit(self, blocks: Blocks, head: tuple[int, ...]) -> str:  # noqa: ARG002 - blocks may be of any kinds
        """Why blocks and a head are no diagram, whatever kinds the axes are of; empty where they are."""
        return "it has a head" if head else ""

    def stable_from(self, total: int) -> int:
        """Half of the sum of both orders."""
        return self._balanced(total).stable_from(total)

    def gain(self, inputs: int, outputs: int) -> int:
        """Blocks have two vertices or more: outputs beyond the inputs stand in pairs, at least."""
        return max(outputs - inputs, 0)

    @property
    def flips(self) -> bool:
        """Raises GroupError: determinants are roots of unity, and no signs."""
        raise GroupError(
            f"{self} has elements whose determinants are roots of unity, by which tensors are not twisted here: ask "
            "for orders without .det"
        )

    @property
    def order(self) -> int:
        """All permutations with all roots of unity."""
        return int(factorial(self.number) * self.r**self.number)

    def start(self) -> NoReturn:
        """Irreducible parts of tensors of V and V* have no labels here."""
        self._lacks("labels of its irreducible parts: ask for method='diagrams'")

    def generating_matrices(self) -> Generators:
        """Those of S(n), and a root of unity at the first coordinate, in floating point."""
        import numpy as np

        turn = np.eye(self.number, dtype=complex)
        turn[0, 0] = _roots(self.r)[1]
        moves, _ = Symmetric("S", self.n).generating_matrices()
        return [*moves, turn], []

    def generator_count(self) -> int:
        """Three."""
        return 3

    def random_element(self, rng: np.random.Generator) -> NDArray[Any]:
        """Uniform."""
        import numpy as np

        permutation = np.eye(self.number)[rng.permutation(self.number)]
        return np.asarray(permutation * rng.choice(_roots(self.r), self.number))

    def pointwise(self, order: int) -> tuple[tuple[str, ...], str]:  # noqa: ARG002 - the same for all
        """Functions of real numbers do not go with roots of unity; see ``eq.nn.NormActivation``."""
        return ("linear",), f"elements of {self} multiply entries by complex numbers"


@dataclass(frozen=True, slots=True, init=False, repr=False)
class PhasedMaps(Phased):
    """What the group says about its diagrams between tensors whose axes are of these kinds.

    >>> from eqsynth import Group
    >>> maps = Group.parse("Z(3) wr S(n)").between((False,) * 2, (False,) * 2)
    >>> maps.count(4), [*maps.headless_blocks(4)]
    (3, [((0, 1, 2, 3),), ((0, 2), (1, 3)), ((0, 3), (1, 2))])

    ``inputs`` and ``outputs`` say for each axis whether it is one of V*.
    """

    r: int
    inputs: tuple[bool, ...]
    outputs: tuple[bool, ...]

    def __init__(self, whole: ComplexReflections, inputs: tuple[bool, ...], outputs: tuple[bool, ...]) -> None:
        fill(self, family=whole.family, n=whole.n, r=whole.r, inputs=inputs, outputs=outputs)

    def at(self, n: int | str) -> Group:
        """The group itself, at another size."""
        return ComplexReflections(self.r, n)

    def resized(self, n: int) -> PhasedMaps:
        """The same at a number n."""
        return PhasedMaps(ComplexReflections(self.r, n), self.inputs, self.outputs)

    @property
    def sides(self) -> tuple[bool, ...]:
        """For each vertex, outputs first, whether it counts as one of V as an output."""
        return (*(not dual for dual in self.outputs), *self.inputs)

    def headless_blocks(self, total: int) -> Iterator[Blocks]:  # noqa: ARG002 - of these vertices
        """All set partitions whose blocks have V minus V* a multiple of r."""
        weights = tuple(1 if left else -1 for left in self.sides)
        return _phased(tuple(range(len(weights))), weights, self.r) if sum(weights) % self.r == 0 else iter(())

    def blocks_count(self, total: int, blocks: int) -> int:  # noqa: ARG002 - of these vertices
        """How many of them have so many blocks."""
        left = sum(self.sides)
        return phased_stirling2(left, len(self.sides) - left, blocks, self.r)

    def misfit(self, blocks: Blocks, head: tuple[int, ...]) -> str:
        """Why blocks and a head are no diagram; empty where they are."""
        if head:
            return "it has a head"
        sides = self.sides
        if any(sum(1 if sides[vertex] else -1 for vertex in block) % self.r for block in blocks):
            return f"in a block the numbers of axes of V and of V*, as outputs, do not differ by a multiple of {self.r}"
        return ""

    def stable_from(self, total: int) -> int:  # noqa: ARG002 - of these vertices
        """As many as there can be blocks: pairs of V and V*, and what is left over in blocks of r."""
        left = sum(self.sides)
        fewer, more = sorted((left, len(self.sides) - left))
        return 1 if (more - fewer) % self.r else max(fewer + (more - fewer) // self.r, 1)

    def symmetric_dimension(self, parts: Sequence[int | Symmetry]) -> int:
        """The same between symmetric, alternating and plain tensors; inputs come first."""
        sides = iter((*self.inputs, *(not dual for dual in self.outputs)))
        kinds, weights = [], []
        for part in parts:
            own = [part.order] if isinstance(part, Symmetry) else [1] * part
            for count in own:
                left, *_ = (next(sides) for _ in range(count))
                kinds.append((isinstance(part, Symmetry) and part.kind == "A", count))
                weights.append(1 if left else -1)
        counted = orbits_of_partitions(tuple(kinds), False, self.r, weights=tuple(weights))
        most = len(self.sides) if isinstance(self.n, str) else self.n
        return sum(ways for blocks, ways in counted.items() if blocks <= most)


def reads_reflections(inner: str, outer: Group) -> ComplexReflections | None:
    """The group of what stands before wr and the group behind it; None where the first is no Z(r).

    >>> from eqsynth import Group
    >>> from eqsynth.families.reflections import reads_reflections
    >>> print(reads_reflections("Z(4)", Group("S", 3)), reads_reflections("S(4)", Group("S", 3)))
    Z(4) wr S(3) None
    """
    match = re.fullmatch(r"\s*Z\s*\(\s*(-?\w+)\s*\)\s*", inner)
    if match is None:
        return None
    if type(outer) is not Symmetric:
        raise GroupError(f"Z({match[1]}) wr {outer} is not here: a wreath product of Z(r) is one with S(n)")
    root = match[1]
    return ComplexReflections(int(root[:20]) if re.fullmatch("-?[0-9]+", root) else root, outer.n)


def _roots(r: int) -> NDArray[Any]:
    """The r-th roots of unity."""
    import numpy as np

    return np.asarray(np.exp(2j * np.pi * np.arange(r) / r))


def _phased(vertices: tuple[int, ...], weights: tuple[int, ...], r: int) -> Iterator[Blocks]:
    """Set partitions of vertices into blocks whose weights add up to a multiple of r; all weights together do."""
    if not vertices:
        yield ()
        return
    first, *others = vertices
    for size in range(len(others), -1, -1):
        for chosen in combinations(others, size):
            block = (first, *chosen)
            if sum(weights[vertex] for vertex in block) % r == 0:
                rest = tuple(vertex for vertex in others if vertex not in chosen)
                for blocks in _phased(rest, weights, r):
                    yield (block, *blocks)


@lru_cache(maxsize=4096)
def phased_stirling2(left: int, right: int, blocks: int, r: int) -> int:
    """Partitions of so many vertices of V and of V* into so many blocks, in each V minus V* a multiple of r.

    >>> from eqsynth.families.reflections import phased_stirling2
    >>> [sum(phased_stirling2(k, k, blocks, 3) for blocks in range(2 * k + 1)) for k in range(5)]
    [1, 1, 3, 17, 155]
    """
    if left < right:
        return phased_stirling2(right, left, blocks, r)
    if not left or not blocks:
        return int(not left and not blocks)
    # The block of the first vertex of V has some of the others.
    return sum(
        comb(left - 1, more) * comb(right, dual) * phased_stirling2(left - 1 - more, right - dual, blocks - 1, r)
        for more in range(left)
        for dual in range(right + 1)
        if (1 + more - dual) % r == 0
    )
