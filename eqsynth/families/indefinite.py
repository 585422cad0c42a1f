"""O(p,q) and SO(p,q): the linear maps of R^n, n = p + q, that keep a form with p signs + and q signs -.

Over the complex numbers they are O(n) and SO(n): times i, the last q coordinates have the signs of the others. So the
diagrams, their relations and all dimensions are those of O(n) and SO(n) (Weyl's unitarian trick), and each map is that
of O(n) with such factors on its rows and columns: what is left of them are the signs of eta.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from eqsynth.errors import GroupError, shown
from eqsynth.exact.numbers import whole
from eqsynth.families.group import MAX_N, Generators, Group, fill
from eqsynth.families.matrix import exponential
from eqsynth.families.orthogonal import Orthogonal
from eqsynth.families.special_orthogonal import SpecialOrthogonal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from eqsynth.families.group import Label

#: Elements are exponentials of elements of the Lie algebra whose entries are at most this, over the root of n.
SMALL = 0.6


class Indefinite(Orthogonal):
    """What both families share: names, the form, and that a letter n stands for the definite form."""

    __slots__ = ()
    diagram_kind = "Brauer with η"
    haar = ""
    action = "boost, rotate or reflect the coordinates{}"
    frames = ""

    p: int
    q: int

    def __init__(self, p: object, q: object) -> None:
        fill_signature(self, "SO" if self.heads else "O", p, q)

    @classmethod
    def of_signs(cls, p: object, q: object) -> Group:
        """The group of so many signs + and -."""
        return cls(p, q)

    def __str__(self) -> str:
        return f"{self.family}({self.p},{self.q})"

    def __repr__(self) -> str:
        return f"Group.parse({str(self)!r})"

    @property
    def signature(self) -> tuple[int, int]:
        """How many signs are +, and how many -."""
        return self.p, self.q

    def at(self, n: int | str) -> Group:
        """Itself at its own size; O(n) or SO(n) where n is a letter: the group of the same diagrams."""
        if isinstance(n, str):
            return Group(self.family, n)
        if n != self.n:
            raise GroupError(f"{self} has n = {self.n}, not {shown(n)}: give p and q in place of n")
        return self

    def pair_form(self, n: int) -> NDArray[np.int64]:  # noqa: ARG002 - it has one size
        """The matrix eta."""
        return eta(self.p, self.q)

    def part_words(self, label: Label) -> str:
        """What a part is, in words; empty where it has no name."""
        return words(Orthogonal.part_words(self, label))


@dataclass(frozen=True, slots=True, init=False, repr=False)
class IndefiniteOrthogonal(Indefinite):
    """The indefinite orthogonal group O(p,q): all maps that keep eta; O(1,3) is the Lorentz group.

    >>> from eqsynth import Group
    >>> lorentz = Group.parse("O(1,3)")
    >>> print(lorentz, lorentz.n, lorentz.signature, [lorentz.dimension(total) for total in (2, 4, 6, 8)])
    O(1,3) 4 (1, 3) [1, 3, 15, 105]

    Perfect matchings, whose pairs inside a row carry eta. Raises GroupError where p or q is no number above 0.
    """

    sources: ClassVar[dict[str, str]] = {
        "Brauer with η": "perfect matchings with the form η inside a row: those of O(n), arXiv 2212.08630, with signs"
    }

    p: int
    q: int

    @property
    def title(self) -> str:
        """What the group is, in words."""
        lorentz = "Lorentz group, the " if (self.p, self.q) in ((1, 3), (3, 1)) else ""
        form = diagonal(self.p, self.q)
        return f"{lorentz}indefinite orthogonal group: all linear maps of R^{self.n} that keep η = {form}"

    def generating_matrices(self) -> Generators:
        """A reflection of either kind of axis; rotations and a boost in neighbouring coordinates."""
        return reflections(self.p, self.q), boosts(self.p, self.q)

    def random_element(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """A small element of the Lie algebra, as an exponential, times reflections at random: it is not compact."""
        element = near_one(self.p, self.q, rng)
        for axis in (0, self.number - 1):
            element[axis] *= rng.choice([-1.0, 1.0])
        return element


@dataclass(frozen=True, slots=True, init=False, repr=False)
class IndefiniteSpecialOrthogonal(Indefinite, SpecialOrthogonal):
    """The group SO(p,q): the maps of O(p,q) of determinant 1.

    >>> from eqsynth import Group
    >>> [Group.parse("SO(1,3)").dimension(total) for total in (2, 4, 6, 8)]
    [1, 4, 25, 196]

    The maps of O(p,q), and n free vertices on a head beside pairs, with eta on the axes of the input.
    """

    action = "boost or rotate the coordinates{}, or negate two of them"
    sources: ClassVar[dict[str, str]] = {}

    p: int
    q: int

    @property
    def title(self) -> str:
        """What the group is, in words."""
        form = diagonal(self.p, self.q)
        return f"special indefinite orthogonal group: the linear maps of R^{self.n} that keep η = {form} and volumes"

    def complex_halves(self, label: Label) -> bool:  # noqa: ARG002 - the same for all
        """Where the Hodge star of n/2 axes squares to -1, which each sign of eta turns around."""
        return (self.number // 2 + self.q) % 2 == 1

    def generating_matrices(self) -> Generators:
        """Two reflections at once, of either kind of axis; rotations and a boost in neighbouring coordinates."""
        first, second = reflections(self.p, self.q)
        return [first @ second], boosts(self.p, self.q)

    def random_element(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """A small element of the Lie algebra, as an exponential, or that times two reflections: it is not compact."""
        element = near_one(self.p, self.q, rng)
        element[[0, self.number - 1]] *= rng.choice([-1.0, 1.0])
        return element


def fill_signature(group: Group, name: str, p: object, q: object) -> None:
    """Set the fields of a group that is being made; raises GroupError for numbers that give none."""
    asked = f"{name}({_said(p)},{_said(q)})"
    plus, minus = whole(p), whole(q)
    if plus is None or minus is None:
        why = f"{asked} needs whole numbers: p signs + and q signs -"
        raise GroupError(f"{why}; ask for {name}(1,3), or for {name}(n), whose size may be a letter")
    if min(plus, minus) < 0:
        raise GroupError(f"{asked} has a negative number of signs: ask for {name}(1,3)")
    if 0 in (plus, minus):
        n = max(plus, minus)
        cure = f"ask for {name}({n})" if n else f"ask for {name}(1,3)"
        raise GroupError(f"{asked} keeps a form whose signs are all the same, that of {name}({n}): {cure}")
    if plus + minus > MAX_N:
        raise GroupError(f"{asked} is beyond the largest size, p + q = {MAX_N}")
    fill(group, family=name, n=plus + minus, p=plus, q=minus)


def _said(number: object) -> str:
    plain = isinstance(number, str) and number.replace(".", "").isalnum() and len(number) < 20
    return str(number) if plain else shown(number)


def diagonal(p: int, q: int) -> str:
    """The form in words.

    >>> from eqsynth.families.indefinite import diagonal
    >>> diagonal(1, 3), diagonal(9, 1)
    ('diag(+,-,-,-)', 'diag(+ 9 times, - 1 time)')
    """
    if p + q <= 6:
        return f"diag({','.join('+' * p + '-' * q)})"
    return f"diag({', '.join(f'{sign} {count} time' + 's' * (count > 1) for sign, count in (('+', p), ('-', q)))})"


def words(said: str) -> str:
    """Words for parts of O(n), for a form with signs."""
    said = said.replace(" (for n = 3, like vectors)", "").replace("reflections negate", "maps of determinant -1 negate")
    return said.replace("trace 0", "η-trace 0").replace("traceless", "η-traceless")


def eta(p: int, q: int) -> NDArray[np.int64]:
    """The form: 1 at the first p places of the diagonal, -1 at the others.

    >>> from eqsynth.families.indefinite import eta
    >>> eta(1, 2).tolist()
    [[1, 0, 0], [0, -1, 0], [0, 0, -1]]
    """
    import numpy as np

    return np.diag(np.array([1] * p + [-1] * q, np.int64))


def reflections(p: int, q: int) -> list[NDArray[np.int64]]:
    """The reflections of the first axis and of the last: one of either sign."""
    import numpy as np

    matrices = []
    for axis in (0, p + q - 1):
        reflection = np.eye(p + q, dtype=np.int64)
        reflection[axis, axis] = -1
        matrices.append(reflection)
    return matrices


def boosts(p: int, q: int) -> list[NDArray[np.int64]]:
    """Generators of the Lie algebra in neighbouring coordinates: rotations, and where the sign changes a boost."""
    import numpy as np

    listed = []
    for axis in range(p + q - 1):
        generator = np.zeros((p + q, p + q), np.int64)
        generator[axis, axis + 1], generator[axis + 1, axis] = 1, 1 if axis == p - 1 else -1
        listed.append(generator)
    return listed


def near_one(p: int, q: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """The exponential of a small random element of the Lie algebra: eta times an antisymmetric matrix."""
    import numpy as np

    n = p + q
    entries = rng.uniform(-SMALL, SMALL, (n, n)) / np.sqrt(n)
    return np.asarray(exponential(1.0, eta(p, q) @ (entries - entries.T)))
