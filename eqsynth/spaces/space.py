"""Tensor spaces: ``16x2 + 8x1`` is 16 channels of order 2 beside 8 channels of order 1."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, combinations_with_replacement, product
from math import comb
from typing import TypeGuard

from eqsynth.errors import ParseError, SpaceError, explain_calls, shown
from eqsynth.exact.numbers import whole
from eqsynth.spaces import exchanges
from eqsynth.spaces.exchanges import Turn

MAX_ORDER = 64
MAX_CHANNELS = 1 << 24
#: Symmetric and alternating tensors have short forms: a letter before the order.
KINDS = {"S": "symmetric", "A": "alternating"}

_BLANK = re.compile(r"\s*")
_CHANNELS = re.compile(r"([0-9]+)\s*x")
_ONE = re.compile(r"(?:([SA]?)([0-9]+)|(\[[^\[\]]*\]))((?:\.packed|\.irreps|\.det)*)(?![A-WYZa-wyz0-9_.])")
_IRREP = re.compile(r"(?:([0-9]+)([eo])(?![A-WYZa-wyz0-9_])|\{([^{}]*)\})((?:\.packed|\.irreps|\.det)*)")
_CURE = (
    "Write terms such as 16x2 + 8x1: channels, the letter x, the order; or an order alone. "
    "S2 are symmetric and A2 alternating tensors of order 2, S2.packed the same with each value stored once, "
    "[ijkl=jikl=klij] tensors of any other symmetry, 1.det tensors of order 1 twisted by the determinant, "
    "{2,1} and 1o irreps, 3.irreps tensors of order 3 in the coordinates of their irreducible parts, (1,1) tensors "
    "with an axis of V and one of V*, or of both factors of a product."
)
_PAIRS = (
    "Symmetries of some of the indices are equations: [ijkl=jikl=ijlk] is symmetric in the first two and in the last "
    "two, [ijkl=jikl=klij] (elasticity) in the two pairs, too; (S2,S2) is a tensor of a product of two groups."
)
_DUALS = "A vector is 1, a dual vector, of V*, is (0,1), and (1,1) are tensors with an axis of V and one of V*."
_TIMES = re.compile(r"\(\s*[xX]\s*\)|[xX\u2297\u00d7]")
_PRODUCT = (
    "For the product of two spaces write eq.TensorProduct('O(3)', '8x1', '8x2', '4x1'), or as the text of a problem, "
    "for eq.plan, eq.verify and the commands, 'O(3): 8x1 (x) 8x2 -> 4x1'."
)


@explain_calls
@dataclass(frozen=True, slots=True)
class Symmetry:
    """Tensors with a symmetry of their indices: ``S2``, ``A3`` or ``[ijkl=jikl=klij]`` in the text of a space.

    >>> from eqsynth.spaces.space import Space, Symmetry
    >>> Space.parse("16xS2 + 8x1").orders
    (Symmetry(kind='S', order=2, packed=False), 1)
    >>> print(Symmetry("S", 2, packed=True), Symmetry("[abc = acb]", 3), Symmetry("[ij=-ji]", 2))
    S2.packed [ijk=ikj] A2

    ``kind`` is ``"S"`` (an exchange of two axes changes nothing), ``"A"`` (it changes the sign), or the text of
    equations between entries, :mod:`eqsynth.spaces.exchanges`: what follows from them is a group of permutations of
    the indices with signs. Equations that say the same have one text, and S and A where that is what they say. Stored
    full, a tensor has one axis of length n for each index; ``packed``, a single axis holds each independent entry once:
    of those that are equal, up to signs, the one with the first indices, sorted as tuples. These are i <= j <= ... for
    S and i < j < ... for A; entries that are zero because of the symmetry are left out.

    ``runs`` where some axes are of V*: as those of a :class:`Valence`, each a number or a symmetry of its own. Made by
    :func:`valence`, ``(S2,1)`` in the text of a space.

    Raises SpaceError for another kind, for equations that contradict each other, and where there is nothing to
    exchange.
    """

    kind: str
    order: int
    packed: bool = False
    runs: tuple[int | Symmetry, ...] = ()

    def __post_init__(self) -> None:
        kind = self.kind
        if not isinstance(kind, str) or (kind not in KINDS and not (kind[:1] == "[" and kind[-1:] == "]")):
            raise SpaceError(
                f"there are no tensors of kind {shown(kind)}: ask for S (symmetric), A (alternating) or equations "
                "between entries, such as [ijkl=jikl=klij]"
            )
        object.__setattr__(self, "order", _number(self.order, self.order))
        if not isinstance(self.packed, bool):
            raise SpaceError(f"packed is True or False, not {shown(self.packed)}")
        order = self.order
        if kind not in KINDS:
            kind, order = exchanges.normal_form(kind)
            if order != self.order:
                raise SpaceError(f"{shown(self.kind)} has {order} indices, not {self.order}: ask for the order {order}")
            object.__setattr__(self, "kind", kind)
        if order < 2 or not kind:
            what = self.kind if self.kind not in KINDS else f"{kind}{order}"
            raise SpaceError(f"{what or 'the symmetry'} has nothing to exchange: write the order {order}")

    def __str__(self) -> str:
        if self.runs:
            mark = ".packed" * self.packed
            return f"({','.join(f'{run}{mark * (run != 0)}' for run in self.runs)})"
        return self._text + ".packed" * self.packed

    def __repr__(self) -> str:
        runs = f", runs={self.runs!r}" * bool(self.runs)
        return f"Symmetry(kind={self.kind!r}, order={self.order!r}, packed={self.packed!r}{runs})"

    @property
    def _text(self) -> str:
        return f"{self.kind}{self.order if self.short else ''}"

    @property
    def duals(self) -> tuple[bool, ...]:
        """For each axis whether it is one of V*."""
        return _kinds(self.runs) if self.runs else (False,) * self.order

    @property
    def pieces(self) -> tuple[int | Symmetry, ...]:
        """The tensor spaces that are multiplied, each with axes of one kind."""
        return tuple(run for run in self.runs if run != 0) or (self,)

    @property
    def short(self) -> bool:
        """Whether all indices are exchanged: ``S2`` and ``A2`` are short for the equations."""
        return self.kind in KINDS

    @property
    def name(self) -> str:
        """A name for variables: ``S2``, ``ijkl_jikl_klij``."""
        return self._text.strip("[]").replace("-", "minus_").replace("=", "_")

    @property
    def full(self) -> Symmetry:
        """The same tensors, stored full."""
        return replace(self, packed=False)

    @property
    def generators(self) -> tuple[Turn, ...]:
        """Permutations of the axes, with signs, that leave a tensor as it is; all others follow from them."""
        return exchanges.generators(self.kind, self.order)

    @property
    def size(self) -> int:
        """How many permutations there are."""
        return exchanges.size(self.kind, self.order)

    def turns(self) -> Iterator[Turn]:
        """All of them."""
        return exchanges.elements(self.kind, self.order)

    def sign(self, axes: tuple[int, ...]) -> int:
        """The sign of one, 0 for an order of axes that the symmetry does not allow."""
        return exchanges.sign_in(self.kind, axes)

    @property
    def signed(self) -> bool:
        """Whether some of them change the sign."""
        return any(sign < 0 for _, sign in self.generators)

    def length(self, n: int) -> int:
        """How many independent entries a tensor has: the length of its axis where it is packed."""
        if self.short:
            return comb(n + self.order - 1 if self.kind == "S" else n, self.order)
        coefficients = exchanges.length_coefficients(self.kind, self.order)
        return int(sum(count * n**power for power, count in enumerate(coefficients))) // self.size

    @property
    def least(self) -> int:
        """The least n for which there is an independent entry."""
        if self.short:
            return 1 if self.kind == "S" else self.order
        return next(n for n in range(1, self.order + 1) if self.length(n))

    def side(self, entries: int) -> int:
        """The n for which there are so many independent entries; 0 where there is none."""
        n = 1
        while self.length(n) < entries:
            n += 1
        return n if entries and self.length(n) == entries else 0

    def indices(self, n: int) -> list[tuple[int, ...]]:
        """The indices of the independent entries, sorted.

        >>> from eqsynth.spaces.space import Symmetry
        >>> Symmetry("A", 2).indices(3), len(Symmetry("[ijkl=jikl=klij]", 4).indices(3))
        ([(0, 1), (0, 2), (1, 2)], 21)
        """
        if self.short:
            listed = combinations_with_replacement if self.kind == "S" else combinations
            return [*listed(range(n), self.order)]
        turns, least = [*self.turns()], []
        for index in product(range(n), repeat=self.order):
            images = [(tuple([index[axis] for axis in axes]), sign) for axes, sign in turns]
            if (index, -1) not in images and min(images)[0] == index:
                least.append(index)
        return least


@explain_calls
@dataclass(frozen=True, slots=True)
class Twisted:
    """Tensors of some order times the determinant of the group's matrix: ``1.det`` in the text of a space.

    >>> from eqsynth.spaces.space import Space, Twisted
    >>> Space.parse("8x1.det + 4xS2.packed.det").orders
    (Twisted(order=1), Twisted(order=Symmetry(kind='S', order=2, packed=True)))
    >>> print(Twisted(0))
    0.det

    An element g acts as on tensors of the order, and then multiplies by its determinant: the sign of a permutation, -1
    of a reflection. So ``1.det`` of O(3) are axial vectors (pseudovectors), ``0.det`` pseudoscalars, and ``0.det`` of
    S(n) is the sign representation. They are stored as all others. A product of two twisted tensors is not twisted.

    Raises SpaceError for what is no order.
    """

    order: int | Symmetry | Irrep | Decomposed

    def __post_init__(self) -> None:
        if not isinstance(self.order, Symmetry | Irrep | Decomposed):
            object.__setattr__(self, "order", _number(self.order, self.order))

    def __str__(self) -> str:
        return self.order.twisted_text if isinstance(self.order, Irrep) else f"{self.order}.det"


#: What names an irrep: the rows of a partition, or two partitions one after the other.
Label = tuple[int, ...] | tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Irrep:
    """An irreducible representation: ``{2,1}`` or, for O(3) and SO(3), ``1o`` in the text of a space.

    >>> from eqsynth.spaces.space import Irrep, Space
    >>> Space.parse("16x1o + 8x{2,1}").orders
    (Irrep(label=(1,), order=1, dim=3, spherical=True), Irrep(label=(2, 1)))
    >>> print(Irrep.of_degree(2), Twisted(Irrep.of_degree(2)))
    2e 2o

    ``label`` is a partition. A tensor has one axis of length ``dim`` with the coordinates of a tensor with ``order``
    indices, of an irreducible space of those; the group says how many there are and which (``families.irreps``), and
    ``group`` is its text. Irreps with ``spherical`` are written with degree and parity, as e3nn does, for any of both
    groups: their coordinates belong to real spherical harmonics. Not ``packed`` they are the tensors themselves.
    """

    label: Label
    group: str = ""
    order: int = -1
    dim: int = 0
    spherical: bool = False
    packed: bool = True

    @classmethod
    def of_degree(cls, degree: int) -> Irrep:
        """Traceless symmetric tensors of O(3), which the inversion takes to (-1)^degree times themselves."""
        return cls((degree,) * (degree > 0), "", _number(degree, degree), 2 * degree + 1, spherical=True)

    def __repr__(self) -> str:
        rest = {"group": "", "order": -1, "dim": 0, "spherical": False, "packed": True}
        shown_ones = [f"{name}={getattr(self, name)!r}" for name, usual in rest.items() if getattr(self, name) != usual]
        return f"Irrep({', '.join([f'label={self.label!r}', *shown_ones])})"

    def __str__(self) -> str:
        if self.spherical:
            return f"{self.order}{'eo'[self.order % 2]}"
        parts = self.label if any(isinstance(part, tuple) for part in self.label) else (self.label,)
        return "{" + ";".join(",".join(map(str, part)) or "-" * (len(parts) > 1) for part in parts) + "}"  # type: ignore[arg-type]

    @property
    def twisted_text(self) -> str:
        """How the irrep times the determinant is written."""
        return f"{self.order}{'oe'[self.order % 2]}" if self.spherical else f"{self}.det"

    @property
    def full(self) -> Irrep:
        """The same tensors, with all their entries."""
        return replace(self, packed=False)

    @property
    def least(self) -> int:
        """The least n for which its axis has an entry: it has some in any case."""
        return 1

    @property
    def alike(self) -> int:
        """1 where an exchange of two axes changes nothing, -1 where it changes the sign, else 0."""
        one = self.order < 2 or (len(self.label) < 2 and self.label == (self.order,))
        return 1 if one else -(self.label == (1,) * self.order)

    def length(self, n: int) -> int:  # noqa: ARG002 - as for symmetric tensors
        """The length of its axis."""
        return self.dim


@dataclass(frozen=True, slots=True)
class Decomposed:
    """Tensors in the coordinates of their irreducible parts: ``3.irreps`` in the text of a space.

    >>> from eqsynth.spaces.space import Decomposed, Space
    >>> Space.parse("64x3.irreps + 8x0").orders
    (Decomposed(order=3), 0)
    >>> print(Decomposed(2), Twisted(Decomposed(2)))
    2.irreps 2.irreps.det

    All tensors of the order, with one axis of n^order coordinates in place of their indices: those of each irreducible
    part in turn (``bases.decomposed``). ``group`` is the text of the group that they are irreducible for, which a
    problem fills in. With ``kind`` they have that symmetry of indices: ``S2.irreps``, ``[ijk=ikj].irreps``. Raises
    SpaceError for orders 0 and 1, which have nothing to change.
    """

    order: int
    group: str = ""
    kind: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "order", _number(self.order, self.order))
        if self.order < 2:
            raise SpaceError(
                f"{self.order}.irreps would be stored as tensors of order {self.order} are: write {self.order}"
            )

    def __repr__(self) -> str:
        more = "".join(f", {name}={value!r}" for name, value in (("group", self.group), ("kind", self.kind)) if value)
        return f"Decomposed(order={self.order}{more})"

    def __str__(self) -> str:
        return f"{self.full}.irreps"

    @property
    def packed(self) -> bool:
        """It has one axis."""
        return True

    @property
    def full(self) -> int | Symmetry:
        """The same tensors with an axis for each index."""
        return Symmetry(self.kind, self.order) if self.kind else self.order

    @property
    def least(self) -> int:
        """The least n for which its axis has an entry."""
        return 1

    def length(self, n: int) -> int:
        """The length of its axis."""
        return Symmetry(self.kind, self.order, packed=True).length(n) if self.kind else int(n**self.order)


#: What may be stored with one axis for all indices.
Stored = Symmetry | Irrep | Decomposed


@dataclass(frozen=True, slots=True)
class Valence:
    """Tensors with axes of V and of its dual V*: ``(1,1)`` in the text of a space for GL(n), SL(n), U(n), SU(n).

    >>> from eqsynth.spaces.space import Valence
    >>> print(Valence((2, 1)), Valence((2, 1)).order, Valence((0, 1, 1)).duals)
    (2,1) 3 (True, False)

    ``runs`` are axes of V, then of V*, then of V again, and so on: ``(2,1)`` has two axes of V before one of V*, and
    ``(0,1,1)`` one of V* before one of V. An element g acts on axes of V as it is, on those of V* as the transpose of
    its inverse. Without axes of V* an order is a number (:func:`valence`).

    Raises SpaceError for runs that are no whole numbers, or are empty where others follow.
    """

    runs: tuple[int, ...]

    def __post_init__(self) -> None:
        runs = tuple(_number(run, self.runs) for run in self.runs)
        _number(sum(runs), self.runs)
        if len(runs) < 2 or not all(runs[1:]):
            raise SpaceError(f"{shown(runs)} are no runs of axes of V and V*: write valence({shown(runs)})")
        object.__setattr__(self, "runs", runs)

    def __str__(self) -> str:
        return f"({','.join(map(str, self.runs))})"

    @property
    def order(self) -> int:
        """How many axes there are."""
        return sum(self.runs)

    @property
    def duals(self) -> tuple[bool, ...]:
        """For each axis whether it is one of V*."""
        return _kinds(self.runs)


def _kinds(runs: Sequence[int | Symmetry]) -> tuple[bool, ...]:
    """For each axis of some runs whether it is one of V*."""
    counts = [run if isinstance(run, int) else run.order for run in runs]
    return tuple(place % 2 == 1 for place, count in enumerate(counts) for _ in range(count))


def valence(runs: Sequence[int | str | Symmetry]) -> int | Valence | Symmetry:
    """The order with these axes of V, of V*, of V again, ...: a number where there are none of V*.

    >>> from eqsynth.spaces.space import valence
    >>> valence((2, 0)), valence((1, 1)), valence((1, 0, 2, 1))
    (2, Valence(runs=(1, 1)), Valence(runs=(3, 1)))
    >>> print(valence(("S2", 1)), valence((0, "[ij=-ji]")), valence(("S2", 0)), valence((1, 0, "S2")))
    (S2,1) (0,A2) S2 [ijk=ikj]

    A run is a number of axes, or a symmetry of some: axes of V and of V* are not exchanged.
    """
    read = [_read_one(run) if isinstance(run, str) else run for run in runs]
    if not any(isinstance(run, Symmetry) for run in read):
        numbers_of = [_number(run, tuple(runs)) for run in read]
        kinds = [(place % 2 == 1, min(run, MAX_ORDER + 1)) for place, run in enumerate(numbers_of)]
        return of_duals([dual for dual, run in kinds for _ in range(run)])
    pieces = [
        (place % 2 == 1, run if isinstance(run, Symmetry) else _number(run, tuple(runs)))
        for place, run in enumerate(read)
    ]
    return _symmetric_runs([(dual, run) for dual, run in pieces if run != 0])


def _symmetric_runs(pieces: Sequence[tuple[bool, int | Symmetry]]) -> Symmetry:
    """The product of tensor spaces of V and V*, some of them symmetric or alternating."""
    packed = {run.packed for _, run in pieces if isinstance(run, Symmetry)}
    listed: list[int | Symmetry] = [0]
    for dual, run in pieces:
        last = listed[-1] if len(listed) % 2 == dual + 1 else 0
        if isinstance(run, int) and isinstance(last, int) and last:
            listed[-1] = last + run
            continue
        if last:
            listed.append(0)
        if len(listed) % 2 != dual + 1:
            listed.append(0)
        listed[-1] = run if isinstance(run, int) else run.full
    if True in packed and len(pieces) > 1:
        text = ",".join(map(str, listed))
        raise SpaceError(f"({text}) is stored full, packed are tensors of one run alone, (0,S2.packed): write ({text})")
    turns, order = [], sum(run if isinstance(run, int) else run.order for run in listed)
    start = 0
    for run in listed:
        turns += _placed(run.generators, start, order) if isinstance(run, Symmetry) else []
        start += run if isinstance(run, int) else run.order
    kind, _ = exchanges.normal_form(exchanges.written(turns))
    return Symmetry(kind, order, True in packed, tuple(listed) if any(dual for dual, _ in pieces) else ())


def of_duals(duals: Sequence[bool]) -> int | Valence:
    """The order of which axis i is one of V* where ``duals[i]``.

    >>> from eqsynth.spaces.space import of_duals
    >>> of_duals([False, True]), of_duals([False, False])
    (Valence(runs=(1, 1)), 2)
    """
    runs = [0]
    for dual in duals:
        if dual != (len(runs) % 2 == 0):
            runs.append(0)
        runs[-1] += 1
    return Valence(tuple(runs)) if len(runs) > 1 else _number(runs[0], runs[0])


def has_duals(order: Order) -> bool:
    """Whether some axes are of V*."""
    return any(duals_of(order))


#: What is said about the axes of one factor: how many, whether they can be exchanged, whether some are of V*; an irrep.
FactorAxes = int | Symmetry | Valence | Irrep | Decomposed
#: Order of tensors of a group that is no product: a number, or a symmetry of so many indices, perhaps twisted, axes
#: of V and V*, or an irrep.
FactorOrder = int | Symmetry | Twisted | Valence | Irrep | Decomposed
#: Order of a tensor: such a one, or one for each factor of a product group.
Order = FactorOrder | tuple[FactorOrder, ...]


@explain_calls
@dataclass(frozen=True, slots=True)
class Space:
    """A direct sum of tensor powers of R^n, each with a number of channels.

    >>> from eqsynth import Space
    >>> space = Space.parse("16x2 + 8x1 + 0")
    >>> space.terms
    ((16, 2), (8, 1), (1, 0))
    >>> print(space)
    16x2 + 8x1 + 1x0

    ``terms`` is a tuple of ``(channels, order)``. For a product group an order is a tuple with
    one entry per factor: ``16x(2,1)``. A tensor of the term ``(c, k)`` has shape
    ``(*batch, n, ..., n, c)`` with k axes of length n. Symmetric and alternating tensors are ``S2`` and ``A2``
    in place of the order, those of any symmetry of indices ``[ijk=ikj]`` (:class:`Symmetry`), ``1.det`` are tensors
    of order 1 twisted by the determinant (:class:`Twisted`), and ``{2,1}`` or ``1o`` is an irrep (:class:`Irrep`), of
    shape ``(*batch, dim, c)``; ``3.irreps`` are tensors of order 3 in the coordinates of their irreducible parts,
    ``(*batch, n^3, c)`` (:class:`Decomposed`). For groups that tell V from its dual, ``(k,k')`` are tensors with k axes
    of V and k' of V* (:class:`Valence`), for a factor of a product ``((k,k'),2)``, and ``(S2,1)`` some that are
    symmetric in the axes of V.

    Raises ParseError for text that is no space, SpaceError for channels or orders out of range.
    """

    terms: tuple[tuple[int, Order], ...]

    def __post_init__(self) -> None:
        try:
            pairs = [(channels, order) for channels, order in self.terms]
        except (TypeError, ValueError):
            raise SpaceError(
                f"{shown(self.terms)} are no terms: give pairs of channels and order, ((16, 2), (8, 1)), or write "
                'Space.parse("16x2 + 8x1")'
            ) from None
        if not pairs:
            raise SpaceError("a space needs at least one term, such as 16x2")
        terms = []
        for given, order in pairs:
            channels = whole(given)
            if channels is None or channels < 1:
                raise SpaceError(f"a space cannot have {shown(given)} channels: ask for 1 or more")
            if channels > MAX_CHANNELS:
                raise SpaceError(f"{shown(channels)} channels are too many: ask for at most {MAX_CHANNELS}")
            terms.append((channels, check_order(order)))
        object.__setattr__(self, "terms", tuple(terms))

    def __deepcopy__(self, memo: object) -> Space:
        return self  # nothing in it changes, and modules hold it

    @classmethod
    @explain_calls
    def parse(cls, text: str | Order | Space) -> Space:
        """Read ``"16x2 + 8x1"``; an order k alone (text or number) means ``1xk``.

        Raises ParseError, which points at the place, for what is no space.
        """
        if isinstance(text, Space):
            return text
        if not isinstance(text, str):
            return cls(((1, read_order(text)),))
        terms: list[tuple[int, Order]] = []
        position = 0
        while True:
            channels, order, position = _read_term(text, position)
            terms.append((channels, order))
            if position == len(text):
                return cls(tuple(terms))
            if text[position] != "+":
                cure = _PRODUCT if _TIMES.match(text, position) else _PAIRS if text[position] == "," else _CURE
                cure = _DUALS if re.match(r"\*(?![\s\d])", text[position:] + ")") else cure
                raise ParseError("space", text, position, "terms are joined by +", cure)
            position += 1

    def __str__(self) -> str:
        return " + ".join(f"{channels}x{order_text(order)}" for channels, order in self.terms)

    def __len__(self) -> int:
        return len(self.terms)

    def __iter__(self) -> Iterator[tuple[int, Order]]:
        return iter(self.terms)

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of each term."""
        return tuple(channels for channels, _ in self.terms)

    @property
    def orders(self) -> tuple[Order, ...]:
        """Order of each term."""
        return tuple(order for _, order in self.terms)


def _read_term(text: str, position: int) -> tuple[int, Order, int]:
    """The term that begins at a place, and the place of what follows it."""
    start = _skip(text, position)
    before = _CHANNELS.match(text, start)
    at = _skip(text, before.end()) if before else start
    try:
        order, end = _read_order(text, at)
    except SpaceError as error:
        raise ParseError("space", text, at, str(error), _CURE) from None
    if end < 0:
        if not before and "-" in text[start : start + 2]:
            raise ParseError("space", text, start, "orders and channels are not negative", _CURE)
        cure = _PAIRS if text[at : at + 1] in KINDS and text.startswith("(", at + 1) else _CURE
        if not before and re.match(r"[A-Z][A-Za-z']*\([0-9a-z]+\)", text[at:]):
            cure = "This looks like a group, which comes first: eq.Linear('O(3)', '4x1', '8x1'), and all other layers."
        cure = _DUALS if "*" in text[at:].partition("+")[0] else cure
        raise ParseError("space", text, at, f"{'an order' if before else 'a term'} is expected here", cure)
    channels = int(before[1][:20]) if before else 1
    if not 1 <= channels <= MAX_CHANNELS:
        raise ParseError("space", text, at, f"channels go from 1 to {MAX_CHANNELS}", _CURE)
    return channels, order, _skip(text, end)


def _skip(text: str, position: int) -> int:
    """The place of what follows white space."""
    match = _BLANK.match(text, position)
    return match.end() if match else position


def _read_order(text: str, position: int) -> tuple[Order, int]:
    """The order that begins at a place, and where it ends: -1 where there is none."""
    if not text.startswith("(", position):
        return _read_one_at(text, position)
    entries: list[FactorOrder] = []
    position = _skip(text, position + 1)
    while True:
        entry, end = _read_runs(text, position) if text.startswith("(", position) else _read_one_at(text, position)
        if end < 0:
            break
        entries.append(entry)
        position = _skip(text, end)
        if not text.startswith(",", position):
            break
        position = _skip(text, position + 1)
    ends = bool(entries) and text.startswith(")", position)
    if ends and text.startswith(".det", position + 1):
        example = ",".join([*map(str, entries[:-1]), f"{entries[-1]}.det"])
        raise SpaceError(
            f"each factor of a product has a determinant of its own: write ({example}), or no .det where all are 1"
        )
    if ends and text.startswith(".packed", position + 1):
        raise SpaceError(
            "packed are tensors of a symmetry, inside of the brackets: write (S2.packed,0), or leave it out"
        )
    if ends and text.startswith(".irreps", position + 1):
        raise SpaceError(
            "tensors of products, and of V and V*, have no coordinates of irreducible parts here: leave .irreps out"
        )
    return tuple(entries), position + 1 if ends else -1


def _read_one_at(text: str, position: int) -> tuple[FactorOrder, int]:
    """The order for one factor that begins at a place, and where it ends: -1 where there is none."""
    if match := _IRREP.match(text, position):
        return _irrep_of(match), match.end()
    match = _ONE.match(text, position)
    return (_one_of(match), match.end()) if match else (0, -1)


def _irrep_of(match: re.Match[str]) -> Irrep | Twisted:
    degree, parity, label, suffixes = match.groups()
    for suffix in (".packed", ".irreps"):
        if suffix in suffixes:
            raise SpaceError(f"{match[0]} is packed as it is, coordinates are all that there is: leave {suffix} out")
    if degree:
        one = Irrep.of_degree(int(degree[:20]))
        twisted = parity != "eo"[one.order % 2]
        if suffixes:
            other = one if twisted else Twisted(one)
            raise SpaceError(f"{match[0]} has a parity already: write {other}")
        return Twisted(one) if twisted else one
    if suffixes.count(".det") > 1:
        raise SpaceError(f"{match[0]} is twice twisted, which is not twisted: write .det once, or leave it out")
    parts = tuple(_rows(part, match[0]) for part in label.split(";"))
    if len(parts) > 2:
        raise SpaceError(f"{match[0]} has {len(parts)} partitions: write one, {{2,1}}, or two, {{2,1;1}}")
    named = Irrep(parts[0] if len(parts) == 1 else (parts[0], parts[1]))
    return Twisted(named) if suffixes else named


def _rows(text: str, whole_text: str) -> tuple[int, ...]:
    """A partition as it is written: rows that do not grow; a bar or nothing where there are none."""
    words = [] if text.strip() in ("", "-") else [word.strip() for word in text.split(",")]
    if ":" in text:
        raise SpaceError(
            f"{whole_text} names a part of tensors of a wreath product, and these have no coordinates here: ask for "
            "tensors of an order, such as 2"
        )
    if not all(re.fullmatch("[1-9][0-9]{0,6}", word) for word in words):
        raise SpaceError(
            f"{whole_text} is no irrep: write the rows of a partition as numbers, {{2,1}}, {{}} where there are none; "
            "irreps are spaces only where n is a number"
        )
    rows = tuple(map(int, words))
    if list(rows) != sorted(rows, reverse=True):
        ordered = ",".join(map(str, sorted(rows, reverse=True)))
        raise SpaceError(f"{whole_text} is no partition, its rows grow: write {{{ordered}}}")
    return rows


def _read_runs(text: str, position: int) -> tuple[FactorOrder, int]:
    """The axes of V and V* of a factor that begin at a place, and where they end."""
    runs: list[int | Symmetry] = []
    position = _skip(text, position + 1)
    while match := _ONE.match(text, position):
        run = _one_of(match)
        if not isinstance(run, int | Symmetry):
            raise SpaceError(f"axes of V and of V* have no determinant and no parts of their own: write {run.order}")
        runs.append(run)
        position = _skip(text, match.end())
        if not text.startswith(",", position):
            break
        position = _skip(text, position + 1)
    if not runs or not text.startswith(")", position):
        raise SpaceError("axes of V and of V* are two numbers, or symmetries of so many: write ((1,1),2) or ((0,S2),2)")
    return valence(runs), position + 1


def _one_of(match: re.Match[str]) -> int | Symmetry | Twisted | Decomposed:
    kind, order = exchanges.normal_form(match[3]) if match[3] else (match[1], _number(int(match[2][:20]), match[2]))
    packed, twisted, decomposed = (match[4].count(suffix) for suffix in (".packed", ".det", ".irreps"))
    if decomposed:
        if packed or decomposed > 1:
            raise SpaceError(f"{match[0]} is stored in two ways: leave {'.packed' if packed else 'one .irreps'} out")
        if twisted > 1:
            raise SpaceError(f"{match[0]} is twice twisted, which is not twisted: write .det once, or leave it out")
        stored = Decomposed(order, kind=kind)
        return Twisted(stored) if twisted else stored
    if packed and not (kind and order > 1):
        raise SpaceError(f"only tensors with a symmetry can be packed: write {order}, or S2.packed")
    if packed > 1 or twisted > 1:
        again = "twice packed" if packed > 1 else "twice twisted, which is not twisted"
        raise SpaceError(f"{match[0]} is {again}: write each of .packed and .det once, or leave it out")
    one = Symmetry(kind, order, bool(packed)) if kind and order > 1 else order
    return Twisted(one) if twisted else one


def read_order(order: str | Order | Sequence[str | FactorOrder | Sequence[int]]) -> Order:
    """An order as people give it: a number, ``"S2"``, ``"(S2,1)"``, or a tuple or list of such.

    >>> from eqsynth.spaces.space import read_order
    >>> read_order(("S2", 1))
    (Symmetry(kind='S', order=2, packed=False), 1)
    >>> read_order(((1, 1), 2))
    (Valence(runs=(1, 1)), 2)
    """
    if isinstance(order, str):
        terms = Space.parse(order).terms
        channels, read = terms[0]
        if channels != 1 or len(terms) > 1:
            what = f"{len(terms)} terms" if len(terms) > 1 else f"{channels} channels"
            orders = list(dict.fromkeys(order_text(each) for _, each in terms))
            cure = "write" if len(orders) == 1 else "write one of"
            raise SpaceError(f"{shown(order)} is a space of {what}, not an order: {cure} {', '.join(orders)}")
        return read
    if isinstance(order, tuple | list):
        order = tuple(_read_one(entry) if isinstance(entry, str) else entry for entry in order)
    return check_order(order)


def _read_one(text: str) -> FactorOrder:
    one, end = _read_one_at(text.strip(), 0)
    if end != len(text.strip()):
        raise SpaceError(
            f"{shown(text)} is no order: write a number, S2 or A2 for symmetric or alternating tensors, equations such "
            "as [ijk=ikj] for other symmetries, or 1.det"
        )
    return one


def order_text(order: Order) -> str:
    """An order as spaces print it: ``2``, ``S2`` or ``(2,1)``."""
    if isinstance(order, tuple):
        return "(" + ",".join(map(str, order)) + ("," if len(order) == 1 else "") + ")"
    return str(order)


def orders_of(order: Order) -> tuple[FactorOrder, ...]:
    """The order for each factor of the group."""
    return order if isinstance(order, tuple) else (order,)


def entries_of(order: Order) -> tuple[FactorAxes, ...]:
    """The same without twists, which change neither shapes nor exchanges of axes.

    >>> from eqsynth.spaces.space import Twisted, entries_of
    >>> entries_of((2, Twisted(1)))
    (2, 1)
    """
    if isinstance(order, int):
        return (order,)
    return tuple(one.order if isinstance(one, Twisted) else one for one in orders_of(order))


def twists_of(order: Order) -> tuple[bool, ...]:
    """For each factor of the group whether tensors are twisted by its determinant."""
    return tuple(isinstance(one, Twisted) for one in orders_of(order))


def with_twists(order: Order, twists: Sequence[bool]) -> Order:
    """The same tensors, twisted by the determinants of these factors and no others.

    >>> from eqsynth.spaces.space import with_twists
    >>> print(with_twists(2, [True]))
    2.det
    """
    parts = tuple(_twist(one) if twist else one for one, twist in zip(entries_of(order), twists, strict=True))
    return parts if isinstance(order, tuple) else parts[0]


def _twist(one: FactorAxes) -> Twisted:
    if isinstance(one, Valence) or (isinstance(one, Symmetry) and one.runs):
        raise SpaceError(f"{one}.det is there for no group with axes of V*: write {one}")
    return Twisted(one)


def untwisted(order: Order) -> Order:
    """Tensors of the same shape that no determinant twists."""
    return with_twists(order, [False] * len(orders_of(order)))


def axis_counts(order: Order) -> tuple[int, ...]:
    """How many indices a tensor has for each factor of the group."""
    return tuple(one if isinstance(one, int) else one.order for one in entries_of(order))


def duals_of(order: Order) -> tuple[bool, ...]:
    """For each axis of a tensor, stored full, whether it is one of V*."""
    return tuple(
        dual
        for one, count in zip(entries_of(order), axis_counts(order), strict=True)
        for dual in (one.duals if isinstance(one, Valence | Symmetry) else (False,) * count)
    )


def axes_of(order: Order) -> int:
    """How many indices a tensor of this order has: its axes, where it is stored full."""
    return sum(axis_counts(order))


def is_plain(order: Order) -> bool:
    """Whether no part of an order has a symmetry, or is an irrep: all tensors have it."""
    return not any(isinstance(one, Stored) for one in entries_of(order))


def tensor_parts(order: Order) -> tuple[int | Symmetry | Valence, ...]:
    """The parts of an order that are no irreps."""
    return tuple(one for one in entries_of(stored_full(order)) if not isinstance(one, Irrep | Decomposed))


def irreps_of(order: Order) -> tuple[Irrep | None, ...]:
    """For each factor of the group the irrep that a part of an order is."""
    return tuple(one if isinstance(one, Irrep) else None for one in entries_of(order))


def is_decomposed(order: Order) -> bool:
    """Whether tensors are stored in the coordinates of their irreducible parts."""
    return any(isinstance(one, Decomposed) for one in entries_of(order))


def is_number(order: Order) -> bool:
    """Whether an order is a number, or one for each factor: without a symmetry, not twisted, without axes of V*."""
    return all(isinstance(one, int) for one in orders_of(order))


def numbers(order: Order) -> int | tuple[int, ...]:
    """How many indices tensors have: a number, or one for each factor."""
    return axis_counts(order) if isinstance(order, tuple) else axis_counts(order)[0]


def plain(order: Order) -> Order:
    """The order of all tensors, symmetric or not, twisted as they are, with the same axes of V*."""
    parts = tuple(
        of_duals(one.duals) if isinstance(one, Symmetry) else one.order if isinstance(one, Stored) else one
        for one in entries_of(order)
    )
    return with_twists(parts if isinstance(order, tuple) else parts[0], twists_of(order))


def lengths(order: Order, sizes: Sequence[int]) -> list[int]:
    """The lengths of the axes of a tensor as it is stored; ``sizes``: n for each factor of the group.

    >>> from eqsynth.spaces.space import Symmetry, lengths
    >>> lengths((2, 1), (4, 3)), lengths(Symmetry("S", 2), [4]), lengths(Symmetry("S", 2, packed=True), [4])
    ([4, 4, 3], [4, 4], [10])
    """
    axes: list[int] = []
    for one, count, n in zip(entries_of(order), axis_counts(order), sizes, strict=True):
        axes += [one.length(n)] if stored_packed(one) else [n] * count
    return axes


def packed_lengths(order: Order, sizes: Sequence[int]) -> list[int]:
    """The lengths of the axes if every part with a symmetry were packed."""
    packed = (replace(one, packed=True) if isinstance(one, Symmetry | Irrep) else one for one in entries_of(order))
    return lengths(tuple(packed), sizes)


def stored_packed(one: object) -> TypeGuard[Stored]:
    """Whether an entry of an order is stored packed, with one axis."""
    return isinstance(one, Stored) and one.packed


def is_packed(order: Order) -> bool:
    """Whether some part of an order is stored packed."""
    return any(stored_packed(one) for one in entries_of(order))


def least_shown(space: Space) -> int:
    """The least n that packed tensors show: an alternating one of order k has no entry where n < k."""
    packs = [one for order in space.orders for one in entries_of(order) if stored_packed(one)]
    return max((one.least for one in packs), default=1)


def stored_full(order: Order) -> Order:
    """The same tensors, stored full."""
    full = tuple(one.full if isinstance(one, Stored) else one for one in entries_of(order))
    return with_twists(full if isinstance(order, tuple) else full[0], twists_of(order))


def stored_once(order: Order) -> Order:
    """The same tensors, those with a symmetry of indices packed: each entry once."""
    packed = tuple(replace(one, packed=True) if isinstance(one, Symmetry) else one for one in entries_of(order))
    return with_twists(packed if isinstance(order, tuple) else packed[0], twists_of(order))


def all_turns(order: Order) -> Iterator[Turn]:
    """All orders of axes that a tensor of this order allows, each with its sign."""
    factors: list[Sequence[Turn]] = []
    for one, count in zip(entries_of(order), axis_counts(order), strict=True):
        factors.append([*one.turns()] if isinstance(one, Symmetry) else [(tuple(range(count)), 1)])
    yield from products(factors)


def generators_of(order: Order) -> list[Turn]:
    """Exchanges of axes that a tensor of this order allows, each with its sign; all others follow from them.

    >>> from eqsynth.spaces.space import Symmetry, generators_of
    >>> generators_of((1, Symmetry("A", 3)))
    [((0, 2, 1, 3), -1), ((0, 1, 3, 2), -1)]
    """
    return [turn for one, start in _symmetric_parts(order) for turn in _placed(one.generators, start, axes_of(order))]


def symmetrising(order: Order) -> Iterator[list[Turn]]:
    """Steps to the sum over all orders of axes with signs: what is added to a tensor in each.

    >>> from eqsynth.spaces.space import Symmetry, symmetrising
    >>> list(symmetrising((1, Symmetry("A", 3))))
    [[((0, 2, 1, 3), -1)], [((0, 3, 2, 1), -1), ((0, 1, 3, 2), -1)]]

    For k axes that are all exchanged k (k - 1) / 2 exchanges do in place of k! orders (``exchanges.steps``).
    """
    for one, start in _symmetric_parts(order):
        for step in exchanges.steps(one.kind, one.order):
            yield _placed(step, start, axes_of(order))


def _symmetric_parts(order: Order) -> Iterator[tuple[Symmetry, int]]:
    """The parts of an order that have a symmetry, and where their axes begin."""
    start = 0
    for one, count in zip(entries_of(order), axis_counts(order), strict=True):
        if isinstance(one, Symmetry):
            yield one, start
        start += count


def _placed(turns: Sequence[Turn], start: int, axes: int) -> list[Turn]:
    """The same for a part of the axes of a tensor."""
    return [
        ((*range(start), *(start + axis for axis in own), *range(start + len(own), axes)), sign) for own, sign in turns
    ]


def products(factors: Sequence[Sequence[Turn]]) -> tuple[Turn, ...]:
    """Turns of the axes of several factors at once.

    >>> from eqsynth.spaces.space import products
    >>> products([[((0, 1), 1), ((1, 0), -1)], [((0,), 1)]])
    (((0, 1, 2), 1), ((1, 0, 2), -1))
    """
    turns: list[Turn] = [((), 1)]
    for listed in factors:
        turns = [
            ((*axes, *(len(axes) + axis for axis in more)), sign * other)
            for axes, sign in turns
            for more, other in listed
        ]
    return tuple(turns)


def none_of(order: Order) -> Order:
    """The order 0 for the same group."""
    return (0,) * len(order) if isinstance(order, tuple) else 0


def check_order(order: object) -> Order:
    """The order with its numbers as plain ints; SpaceError unless they are whole, one or a tuple of them, in range."""
    if not isinstance(order, tuple):
        return order if isinstance(order, Symmetry | Twisted | Valence | Irrep | Decomposed) else _number(order, order)
    if not order:
        raise SpaceError("the order () is empty: give one number per factor of the group")
    return tuple(_check_part(part, order) for part in order)


def _check_part(part: object, order: tuple[object, ...]) -> FactorOrder:
    if isinstance(part, tuple | list) and part:
        return valence(part)
    inner = part.order if isinstance(part, Twisted) else part
    if isinstance(inner, Decomposed):
        full = with_twists(inner.full, twists_of(part)) if isinstance(part, Twisted) else inner.full
        raise SpaceError(f"{part} is there for groups that are no product: write {full}")
    return part if isinstance(part, Symmetry | Twisted | Valence | Irrep) else _number(part, order)


def plain_order(order: object) -> int:
    """The order of all tensors, as a plain int; SpaceError for others."""
    return _number(order, order)


def _number(given: object, order: object) -> int:
    number = whole(given)
    if number is None:
        raise SpaceError(f"the order {shown(order)} is not a whole number: ask for 0, 1, 2, ...")
    if number < 0:
        raise SpaceError(f"the order {shown(order)} is negative: ask for 0, 1, 2, ...")
    if number > MAX_ORDER:
        raise SpaceError(f"the order {shown(order)} is absurdly high: ask for at most {MAX_ORDER}")
    return number
