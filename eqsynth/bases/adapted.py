"""Symmetry-adapted bases: orthonormal coordinates in which every equivariant map is one small matrix per irrep.

They are found from the maps themselves, by Schur's lemma, so every group has them whose maps are closed under
transposition. Numbers are floating-point here and decide nothing: what they claim is counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate, pairwise
from math import prod
from typing import TYPE_CHECKING, Any

from eqsynth.bases.basis import basis
from eqsynth.errors import GroupError, SizeError
from eqsynth.families.group import Group
from eqsynth.families.representation import packing
from eqsynth.spaces.space import Order, Symmetry, axes_of, entries_of, is_packed, lengths

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

#: The largest number of entries of all maps together, and of positions of one tensor.
MAX_ENTRIES, MAX_POSITIONS = 1 << 24, 2048
#: The largest number of entries that are added up for maps of symmetric tensors.
MAX_ADDED = 1 << 31
#: Positions up to which an adapted basis is tried where no method is asked for.
TRIED = 512
#: Modulus and base of the coefficients of a generic map; combinations that are tried.
MODULUS, BASE, SEEDS = 10007, 5, 8
#: Relative sizes below which a number is rounding, and by which two singular values differ.
ROUNDING, APART = 1e-9, 1e-5
#: A combination that sets singular values so far apart is good enough.
WELL = 0.02
#: How far a map may be from its blocks.
CLOSE = 1e-8
#: The least part of a block that is new in an orthonormal set of blocks.
FRAME = 1e-6


@dataclass(frozen=True, slots=True)
class Irrep:
    """An irreducible part that some input and some output order share.

    ``dim`` is its real dimension, ``division`` the dimension of the algebra of its own maps: 1, 2 or 4 (real,
    complex, quaternionic type). Maps mix ``copies`` and leave ``columns`` alone: dim / division of them, counted
    for each class of positions. ``copies_in`` and ``copies_out`` hold, for each order, division * multiplicity.

    The recipe: columns ``reference[c] = (first, count)`` of the left singular vectors of a generic map in class c
    are one copy; maps ``picks_in[a]``, pairs (order out, element), take it to independent copies in order a, and
    maps ``picks_out[b]``, pairs (order in, element), take the copy of the inputs to those in order b. Where order b
    is an input order too, its picks are those of the input.
    """

    dim: int
    division: int
    columns: tuple[int, ...]
    reference: tuple[tuple[int, int], ...]
    picks_in: tuple[tuple[tuple[int, int], ...], ...]
    picks_out: tuple[tuple[tuple[int, int], ...], ...]

    @property
    def copies_in(self) -> tuple[int, ...]:
        """Columns of the mixing matrix for each input order."""
        return tuple(map(len, self.picks_in))

    @property
    def copies_out(self) -> tuple[int, ...]:
        """Rows of the mixing matrix for each output order."""
        return tuple(map(len, self.picks_out))


@dataclass(frozen=True, slots=True)
class Adapted:
    """Adapted bases of some tensor powers of V, and the exact recipe that makes them. See :func:`adapted`."""

    group: Group
    ins: tuple[Order, ...]
    outs: tuple[Order, ...]
    seed: int
    #: For each class of positions that maps connect: those in each input order, and in each output order.
    classes: tuple[tuple[tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...]], ...]
    irreps: tuple[Irrep, ...]

    @property
    def same(self) -> tuple[int | None, ...]:
        """For each output order its place among the input orders, where it is one: both have one basis then."""
        return tuple(self.ins.index(order) if order in self.ins else None for order in self.outs)

    def matrices(self) -> tuple[list[list[Array]], list[list[Array]]]:
        """For each input order and irrep the rows of the basis, (columns, copies, n^k); the same for outputs."""
        maps = _maps(self.group, self.ins, self.outs)
        return _matrices(maps, self)

    def blocks(self, order_in: int, order_out: int) -> list[Array]:
        """For each irrep the matrices of all maps between two orders: (copies out, copies in, maps)."""
        maps = _maps(self.group, self.ins, self.outs)
        into, back = _matrices(maps, self)
        return _blocks(maps[order_in, order_out], into[order_in], back[order_out])

    def coefficients(self, order_in: int, order_out: int) -> Array:
        """The matrix from independent entries of the blocks to coefficients of the maps between two orders."""
        import numpy as np

        blocks = self.blocks(order_in, order_out)
        frames = [_frame(block, part.division) for block, part in zip(blocks, self.irreps, strict=True)]
        rows = np.concatenate([block.reshape(-1, block.shape[-1]) for block in blocks])
        columns = sum(frame.shape[1] for frame in frames)
        spread, row, column = np.zeros((len(rows), columns)), 0, 0
        for frame in frames:
            spread[row : row + frame.shape[0], column : column + frame.shape[1]] = frame
            row, column = row + frame.shape[0], column + frame.shape[1]
        return np.asarray(np.linalg.lstsq(rows, spread, rcond=None)[0])


class _Pair:
    """All maps between two orders, (maps, n^l, n^k), as what combines them and what they make of vectors."""

    def __init__(self, matrices: Array) -> None:
        import numpy as np

        self.matrices = matrices
        squares = matrices**2
        self.lengths = np.sqrt(squares.sum((1, 2)))
        #: Where no two maps share an entry, as with orbits: the map that each entry belongs to, and its value.
        self.owner: NDArray[np.int64] | None = None
        nonzero = matrices != 0
        if len(matrices) > 1 and np.count_nonzero(nonzero) == np.count_nonzero(nonzero.any(0)):
            number, row, column = np.nonzero(nonzero)
            self.owner, self.entries = np.zeros(matrices.shape[1:], np.int64), np.zeros(matrices.shape[1:])
            self.owner[row, column], self.entries[row, column] = number, matrices[number, row, column]

    def combined(self, coefficients: Array) -> Array:
        """The sum of all maps of length 1, each with its coefficient."""
        import numpy as np

        scaled = coefficients / self.lengths
        if self.owner is None:
            return np.asarray(np.tensordot(scaled, self.matrices, 1))
        return np.asarray(scaled[self.owner] * self.entries)

    def images(self, copy: Array, into: bool) -> Array:
        """What each map makes of rows of outputs, read backwards (``into``), or of rows of inputs."""
        import numpy as np

        if self.owner is None:
            return np.asarray(np.einsum("ci,mij->mcj" if into else "cj,mij->mci", copy, self.matrices, optimize=True))
        owner, entries = (self.owner, self.entries) if into else (self.owner.T, self.entries.T)
        size, count = owner.shape[1], len(self.matrices)
        places = (owner * size + np.arange(size)).ravel()
        sums = [np.bincount(places, (row[:, None] * entries).ravel(), count * size) for row in copy]
        return np.asarray(np.stack(sums).reshape(len(copy), count, size).transpose(1, 0, 2), float)


class Maps(dict[tuple[int, int], "Array"]):
    """For each pair of orders (in, out) all maps, (maps, n^l, n^k), with what is worked out of them once."""

    def __init__(self, maps: Mapping[tuple[int, int], Array]) -> None:
        super().__init__(maps)
        self.decompositions: dict[int, tuple[Array, list[Any]]] = {}
        self.samples: dict[int, list[Array]] = {}
        self.pairs = {pair: _Pair(matrices) for pair, matrices in self.items()}

    @cached_property
    def classes(self) -> list[tuple[Any, Any]]:
        """Rows and columns that entries of the maps connect, class by class."""
        ins, outs = (1 + max(pair[side] for pair in self) for side in (0, 1))
        return _classes(self, ins, outs)


@lru_cache(maxsize=64)
def adapted(group: Group, ins: tuple[Order, ...], outs: tuple[Order, ...]) -> Adapted:
    """Bases adapted to all maps between some input orders and some output orders.

    >>> from eqsynth import Group
    >>> from eqsynth.bases.adapted import adapted
    >>> [(part.dim, part.copies_in, part.copies_out) for part in adapted(Group("O", 3), (3,), (3,)).irreps]
    [(7, (1,), (1,)), (5, (2,), (2,)), (3, (3,), (3,)), (1, (1,), (1,))]

    A generic map (a fixed combination of all) has one singular value for each copy of an irreducible part, so its
    singular vectors are copies; every map takes copies to copies, and those that span them all are picked. The
    singular value decomposition is made class by class: positions belong to one class if maps connect them.

    What is claimed is counted: for every pair of orders the products of multiplicities, times ``division``, must add
    up to the exact number of maps, and the bases must bring a map to its blocks, or else the next combination is
    tried. Raises GroupError where none passes, as for groups whose maps are not closed under transposition; SizeError
    beyond 2,048 positions or 16 million entries; SymbolicError where n is open.

    Orders with a symmetry of indices are packed ones; coordinates are their entries times the square root of how often
    they stand in the full tensor, which keeps lengths.

    Source: Schur's lemma; Maehara and Murota, Japan J. Indust. Appl. Math. 27 (2010) 263, for the idea.
    """
    maps = _maps(group, ins, outs)
    tried: list[tuple[float, int]] = []
    for seed in range(SEEDS):
        tried.append((-_separation(maps, seed, len(ins), len(outs)), seed))
        if tried[-1][0] < -WELL:
            break
    for _, seed in sorted(tried):
        candidate = _try(group, maps, ins, outs, seed)
        if candidate is not None:
            return candidate
    raise GroupError(
        f"{group} has no orthonormal basis that is adapted to its maps, which are not closed under transposition: "
        "ask for another method"
    )


def sound(bases: Adapted) -> bool:
    """Whether bases are what some combination of the maps leads to, in every field.

    >>> from dataclasses import replace
    >>> from eqsynth import Group
    >>> from eqsynth.bases.adapted import adapted, sound
    >>> bases = adapted(Group("O", 3), (2,), (2,))
    >>> sound(bases), sound(replace(bases, irreps=bases.irreps[1:]))
    (True, False)
    """
    group, ins, outs = bases.group, bases.ins, bases.outs
    if bases == adapted(group, ins, outs):
        return True
    return bases.seed in range(SEEDS) and bases == _try(group, _maps(group, ins, outs), ins, outs, bases.seed)


def positions(group: Group, order: Order) -> int:
    """Entries of a tensor of one channel, as it is stored.

    >>> from eqsynth import Group
    >>> from eqsynth.bases.adapted import positions
    >>> from eqsynth.spaces.space import Symmetry
    >>> positions(Group("O", 3), 2), positions(Group("O", 3), Symmetry("S", 2, packed=True))
    (9, 6)
    """
    return prod(lengths(order, [int(factor.n) for factor in group.factors]))


def units(group: Group, order: Order) -> Array | None:
    """For each packed entry the tensor of length 1 that it stands for, a row; None where none is packed.

    >>> from eqsynth import Group
    >>> from eqsynth.bases.adapted import units
    >>> from eqsynth.spaces.space import Symmetry
    >>> (units(Group("O", 2), Symmetry("A", 2, packed=True)) * 2**0.5).round(5).tolist()
    [[0.0, 1.0, -1.0, 0.0]]
    """
    import numpy as np

    rows: Array = np.ones((1, 1))
    for factor, one in zip(group.factors, entries_of(order), strict=True):
        if isinstance(one, Symmetry) and one.packed:
            places, ranks, signs = packing(one, factor.number)
            own = (ranks == np.arange(len(places))[:, None]) * signs.astype(np.float64)
            rows = np.kron(rows, own / np.sqrt((own**2).sum(1, keepdims=True)))
        else:
            rows = np.asarray(np.kron(rows, np.eye(prod(lengths(one, [factor.number])))), np.float64)
    return rows if is_packed(order) else None


def check_size(group: Group, ins: Sequence[Order], outs: Sequence[Order]) -> None:
    """Raise SizeError where the maps are too large to be written as matrices, before they are made."""
    if not _within(group, ins, outs, MAX_POSITIONS, MAX_ENTRIES):
        most = max(positions(group, order) for order in (*ins, *outs))
        raise SizeError(
            f"the maps of {group} between tensors of {most:,} entries are too large to be written as matrices: "
            f"beyond {MAX_POSITIONS:,} rows, or {MAX_ENTRIES:,} entries of all maps, "
            "ask for another method"
        )


def fits(group: Group, ins: Sequence[Order], outs: Sequence[Order]) -> bool:
    """Whether the maps are small enough to try an adapted basis without being asked to."""
    return _within(group, [*{*ins}], [*{*outs}], TRIED, MAX_ENTRIES // 2)


def _within(group: Group, ins: Sequence[Order], outs: Sequence[Order], most: int, entries: int) -> bool:
    """Whether no tensor has more than ``most`` positions, and all maps together no more than ``entries`` entries."""
    size = {order: positions(group, order) for order in (*ins, *outs)}
    # The bases are only asked for where they are small.
    if max(size.values()) > most:
        return False
    bases = {(k, lo): basis(group, k, lo) for k in {*ins} for lo in {*outs}}
    # Maps of symmetric tensors are added up in several orders of the axes of full ones.
    added = sum(
        sum(map(len, maps.turns)) * group.number ** (axes_of(k) + axes_of(lo)) for (k, lo), maps in bases.items()
    )
    return added <= MAX_ADDED and sum(len(bases[k, lo]) * size[k] * size[lo] for k in ins for lo in outs) <= entries


def _maps(group: Group, ins: Sequence[Order], outs: Sequence[Order]) -> Maps:
    import numpy as np

    check_size(group, ins, outs)

    def stored(k: Order, lo: Order) -> Array:
        maps = basis(group, k, lo).matrices().astype(np.float64)
        above, below = units(group, lo), units(group, k)
        maps = maps if above is None else above @ maps
        return maps if below is None else maps @ below.T

    return Maps({(a, b): stored(k, lo) for a, k in enumerate(ins) for b, lo in enumerate(outs)})


def _generic(maps: Mapping[tuple[int, int], _Pair], seed: int, count_in: int, count_out: int) -> Array:
    """A combination of all maps, from all inputs to all outputs."""
    import numpy as np

    rows = []
    for b in range(count_out):
        row = []
        for a in range(count_in):
            start, count = seed * 1009 + a * 101 + b * 317, len(maps[a, b].matrices)
            coefficients = np.array([pow(BASE, start + i + 1, MODULUS) - MODULUS // 2 for i in range(count)], float)
            row.append(maps[a, b].combined(coefficients))
        rows.append(np.concatenate(row, 1))
    return np.concatenate(rows, 0)


def _classes(maps: Maps, count_in: int, count_out: int) -> list[tuple[Any, Any]]:
    """What ``Maps.classes`` holds."""
    import numpy as np

    # Entries that are zero are so up to rounding where tensors are packed.
    support = np.block([[(abs(maps[a, b]) > CLOSE).any(0) for a in range(count_in)] for b in range(count_out)])
    rows, columns = support.shape
    label = np.arange(rows + columns)
    while True:
        before = label
        top = np.minimum(label[:rows], np.where(support, label[rows:], rows + columns).min(1, initial=rows + columns))
        low = np.minimum(label[rows:], np.where(support, top[:, None], rows + columns).min(0, initial=rows + columns))
        label = np.concatenate([top, low])
        if (label == before).all():
            break
    classes = ((np.flatnonzero(top == least), np.flatnonzero(low == least)) for least in np.unique(label))
    # Classes of one size stand together, so that one product serves them all.
    return sorted(((r, c) for r, c in classes if len(r) and len(c)), key=lambda pair: (*map(len, pair), pair[0][0]))


def _decomposed(maps: Maps, seed: int, count_in: int, count_out: int) -> tuple[Any, list[Any], list[Any]]:
    """A generic map, the classes, and its singular value decomposition in each: made once for each seed."""
    import numpy as np

    if seed not in maps.decompositions:
        generic = _generic(maps.pairs, seed, count_in, count_out)
        svd = [np.linalg.svd(generic[np.ix_(r, c)], full_matrices=False) for r, c in maps.classes]
        maps.decompositions[seed] = generic, svd
    generic, svd = maps.decompositions[seed]
    return generic, maps.classes, svd


def _levels(svd: Sequence[Any]) -> tuple[list[float], float]:
    """The distinct singular values, and how far apart they are, relative to the largest."""
    import numpy as np

    values = np.sort(np.concatenate([np.zeros(1), *[s for _, s, _ in svd]]))[::-1]
    largest = values[0]
    if largest == 0:
        return [], 1.0
    values = values[values > ROUNDING * largest]
    steps = (values[:-1] - values[1:]) / largest
    ends = [*np.flatnonzero(steps > ROUNDING), len(values) - 1]
    apart = min([*steps[steps > ROUNDING], values[-1] / largest])
    return [float(values[end]) for end in ends], float(apart)


def _separation(maps: Maps, seed: int, count_in: int, count_out: int) -> float:
    return _levels(_decomposed(maps, seed, count_in, count_out)[2])[1]


def _try(group: Group, maps: Maps, ins: tuple[Order, ...], outs: tuple[Order, ...], seed: int) -> Adapted | None:
    """The adapted bases that a combination leads to; None where it does not separate the copies."""
    levels, apart = _levels(_decomposed(maps, seed, len(ins), len(outs))[2])
    if apart < APART:
        return None
    at_in = _starts(group, ins)
    at_out = _starts(group, outs)
    samples = _samples(maps, seed, len(ins), len(outs))
    irreps = []
    for reference, left, right in _different_copies(maps, seed, levels, len(ins), len(outs)):
        division = len(_endomorphisms(samples, left, right))
        if division not in (1, 2, 4) or any(count % division for _, count in reference):
            return None
        picks_in = tuple(_pick(maps, left, at_out, a, True) for a in range(len(ins)))
        picks_out = tuple(
            picks_in[ins.index(order)] if order in ins else _pick(maps, right, at_in, b, False)
            for b, order in enumerate(outs)
        )
        columns = tuple(count // division for _, count in reference)
        irreps.append(Irrep(len(left), division, columns, reference, picks_in, picks_out))
    irreps.sort(key=lambda part: (-part.dim, part.copies_in, part.copies_out, part.columns, part.reference))
    listed = tuple(
        (
            tuple(tuple(int(p) - s for p in c if s <= p < t) for s, t in pairwise(at_in)),
            tuple(tuple(int(p) - s for p in r if s <= p < t) for s, t in pairwise(at_out)),
        )
        for r, c in maps.classes
    )
    bases = Adapted(group, ins, outs, seed, listed, tuple(irreps))
    return bases if _holds(bases, maps) else None


def _different_copies(
    maps: Maps, seed: int, levels: Sequence[float], count_in: int, count_out: int
) -> list[tuple[tuple[tuple[int, int], ...], Array, Array]]:
    """One copy of each irrep: its place among the singular vectors of each class, and rows of outputs and inputs."""
    import numpy as np

    generic, classes, svd = _decomposed(maps, seed, count_in, count_out)
    other = _generic(maps.pairs, seed + SEEDS, count_in, count_out)
    largest = max((s.max(initial=0.0) for _, s, _ in svd), default=0.0)
    copies: list[tuple[tuple[tuple[int, int], ...], Array, Array]] = []
    for value in levels:
        places = (np.flatnonzero(abs(s - value) < ROUNDING * 10 * largest) for _, s, _ in svd)
        reference = tuple((int(at[0]), len(at)) if len(at) else (0, 0) for at in places)
        left, right = _copy(generic, classes, svd, reference)
        moved = left @ other
        # By Schur's lemma a generic map between copies of different irreps is zero.
        if not any(
            len(left) == len(known) and abs(moved @ inputs.T).max() > CLOSE * largest for _, known, inputs in copies
        ):
            copies.append((reference, left, right))
    return copies


def _starts(group: Group, orders: Sequence[Order]) -> list[int]:
    return list(accumulate((positions(group, order) for order in orders), initial=0))


def _copy(generic: Array, classes: Sequence[Any], svd: Sequence[Any], reference: Sequence[tuple[int, int]]) -> Any:
    """One copy of an irrep as rows: in the outputs, and the same one in the inputs."""
    import numpy as np

    rows = []
    for (r, _), (u, _, _), (first, count) in zip(classes, svd, reference, strict=True):
        part = np.zeros((count, generic.shape[0]))
        part[:, r] = u[:, first : first + count].T
        rows.append(part)
    left = np.concatenate(rows)
    right = left @ generic
    return left, right / np.sqrt((right**2).sum() / len(right))


def _samples(maps: Maps, seed: int, count_in: int, count_out: int) -> list[Array]:
    """As many generic maps as an irrep can have independent maps of its own."""
    if seed not in maps.samples:
        seeds = [seed + (2 + number) * SEEDS for number in range(4)]
        maps.samples[seed] = [_generic(maps.pairs, own, count_in, count_out) for own in seeds]
    return maps.samples[seed]


def _endomorphisms(generic: Sequence[Array], left: Array, right: Array) -> list[Array]:
    """An orthogonal set of the maps of an irrep to itself: the identity and, for complex type, a rotation by 90°."""
    import numpy as np

    samples = [left @ matrix @ right.T for matrix in generic]
    endomorphisms: list[Array] = [np.eye(len(left))]
    size = max(abs(sample).max() for sample in samples)
    for sample in samples:
        residual = sample
        for known in endomorphisms:
            residual = residual - known * ((known * residual).sum() / len(left))
        if abs(residual).max() > CLOSE * size:
            endomorphisms.append(residual / np.sqrt((residual**2).sum() / len(left)))
    return endomorphisms


def _images(maps: Maps, copy: Array, starts: Sequence[int], order: int, into: bool) -> tuple[list[Any], Array]:
    """What all maps make of a copy in one order; the maps as pairs (order on the other side, element)."""
    import numpy as np

    names, images = [], []
    for other, (start, stop) in enumerate(pairwise(starts)):
        pair = maps.pairs[(order, other) if into else (other, order)]
        names += [(other, element) for element in range(len(pair.matrices))]
        images.append(pair.images(copy[:, start:stop], into))
    return names, np.concatenate(images)


def _pick(maps: Maps, copy: Array, starts: Sequence[int], order: int, into: bool) -> tuple[tuple[int, int], ...]:
    """Maps whose images of a copy are independent, by Gram-Schmidt: each time the one with the longest residual."""
    import numpy as np

    names, images = _images(maps, copy, starts, order, into)
    flat = images.reshape(len(images), images[0].size if len(images) else 0)
    lengths = np.sqrt((flat**2).sum(1, keepdims=True))
    flat = np.where(lengths > ROUNDING, flat / np.where(lengths > ROUNDING, lengths, 1), 0)
    picks = []
    while len(flat):
        squares = (flat**2).sum(1)
        if squares.max() < CLOSE:
            break
        # The first of those that are as good as the best: rounding must not choose.
        best = int((squares > squares.max() * (1 - APART)).argmax())
        picks.append(names[best])
        new = flat[best] / np.sqrt(squares[best])
        flat = flat - np.outer(flat @ new, new)
    return tuple(picks)


def _columns(endomorphisms: Sequence[Array], reference: Sequence[tuple[int, int]]) -> Array:
    """Unit vectors of an irrep whose images under its own maps are all orthogonal; as many for each class."""
    import numpy as np

    size = sum(count for _, count in reference)
    chosen: list[Array] = []
    taken, start = np.zeros((0, size)), 0
    for _, count in reference:
        for _ in range(count // len(endomorphisms)):
            residual = np.eye(size)[start : start + count]
            residual = residual - (residual @ taken.T) @ taken
            new = np.asarray(residual[int((residual**2).sum(1).argmax())])
            new = new / float(np.sqrt((new**2).sum()))
            chosen.append(new)
            taken = np.concatenate([taken, np.stack([new @ endomorphism.T for endomorphism in endomorphisms])])
        start += count
    return np.asarray(np.stack(chosen))


def _matrices(maps: Maps, bases: Adapted) -> tuple[list[list[Array]], list[list[Array]]]:
    """Orthonormal rows, (columns, copies, positions), for each input order and irrep; the same for outputs."""
    generic, classes, svd = _decomposed(maps, bases.seed, len(bases.ins), len(bases.outs))
    at_in, at_out = _starts(bases.group, bases.ins), _starts(bases.group, bases.outs)
    into: list[list[Array]] = [[] for _ in bases.ins]
    back: list[list[Array]] = [[] for _ in bases.outs]
    for part in bases.irreps:
        left, right = _copy(generic, classes, svd, part.reference)
        if part.division > 1:
            samples = _samples(maps, bases.seed, len(bases.ins), len(bases.outs))
            columns = _columns(_endomorphisms(samples, left, right), part.reference)
            lefts, rights = columns @ left, columns @ right
        else:
            lefts, rights = left, right
        for order, picks in enumerate(part.picks_in):
            size = at_in[order + 1] - at_in[order]
            into[order].append(_copies(maps, left, lefts, at_out, order, picks, True, size))
        for order, picks in enumerate(part.picks_out):
            if bases.same[order] is None:
                size = at_out[order + 1] - at_out[order]
                back[order].append(_copies(maps, right, rights, at_in, order, picks, False, size))
    rows_in = [_polished(parts) for parts in into]
    rows_out = [
        _polished(parts) if place is None else rows_in[place] for parts, place in zip(back, bases.same, strict=True)
    ]
    return rows_in, rows_out


def _copies(
    maps: Maps,
    copy: Array,
    rows: Array,
    starts: Sequence[int],
    order: int,
    picks: Sequence[tuple[int, int]],
    into: bool,
    size: int,
) -> Array:
    """Images of some rows of a copy under the picks, which are made orthonormal: (rows, picks, positions)."""
    import numpy as np

    if not picks:
        return np.zeros((len(rows), 0, size))
    wholes = np.stack([_image(maps, copy, starts, order, pick, into) for pick in picks])
    images = np.stack([_image(maps, rows, starts, order, pick, into) for pick in picks])
    root = np.linalg.cholesky(np.einsum("aci,bci->ab", wholes, wholes) / len(copy))
    orthonormal = np.linalg.solve(root, images.reshape(len(picks), -1)).astype(np.float64)
    return orthonormal.reshape(images.shape).transpose(1, 0, 2)


def _image(maps: Maps, copy: Array, starts: Sequence[int], order: int, pick: tuple[int, int], into: bool) -> Array:
    import numpy as np

    other, element = pick
    part = copy[:, starts[other] : starts[other + 1]]
    matrix = maps[order, other][element] if into else maps[other, order][element].T
    return np.asarray(part @ matrix)


def _polished(rows: Sequence[Array]) -> list[Array]:
    """The same rows, orthonormal to the last digit."""
    import numpy as np

    flat = np.concatenate([part.reshape(-1, part.shape[-1]) for part in rows])
    flat = 1.5 * flat - 0.5 * (flat @ flat.T) @ flat
    ends = list(accumulate((part.shape[0] * part.shape[1] for part in rows), initial=0))
    return [flat[s:t].reshape(part.shape) for part, s, t in zip(rows, ends, ends[1:], strict=False)]


def _blocks(maps: Array, into: Sequence[Array], back: Sequence[Array]) -> list[Array]:
    """All columns of an irrep see the same matrix: it is read off the first."""
    import numpy as np

    return [np.einsum("ai,mij,bj->abm", y[0], maps, x[0], optimize=True) for x, y in zip(into, back, strict=True)]


def _frame(block: Array, division: int) -> Array:
    """An orthonormal set of blocks, a column for each independent entry: the entries themselves for real type."""
    import numpy as np

    flat = block.reshape(-1, block.shape[-1])
    if division == 1:
        return np.eye(len(flat))
    frame: list[Array] = []
    for column in flat.T:
        residual = column
        for known in frame:
            residual = residual - known * (known @ residual)
        length = float(np.sqrt(residual @ residual))
        if length > FRAME and len(frame) < len(flat) // division:
            frame.append(residual / length)
    return np.stack(frame, 1) if frame else np.zeros((len(flat), 0))


def _holds(bases: Adapted, maps: Maps) -> bool:
    """Whether the irreps account for all maps, and the rows are orthonormal and bring maps to their blocks."""
    import numpy as np

    for (a, b), matrices in maps.items():
        count = sum(p.copies_in[a] * p.copies_out[b] // p.division for p in bases.irreps)
        if count != len(matrices):
            return False
    into, back = _matrices(maps, bases)
    for rows in (*into, *back):
        flat = np.concatenate([part.reshape(-1, part.shape[-1]) for part in rows])
        if abs(flat @ flat.T - np.eye(len(flat))).max(initial=0.0) > CLOSE:
            return False
    for (a, b), matrices in maps.items():
        generic = (
            _generic({(0, 0): maps.pairs[a, b]}, bases.seed + 7 * SEEDS, 1, 1)
            if len(matrices)
            else np.zeros(matrices.shape[1:])
        )
        rebuilt = np.zeros_like(generic)
        for x, y in zip(into[a], back[b], strict=True):
            if len(x):
                moved = (y[0] @ generic @ x[0].T) @ x
                rebuilt += y.reshape(-1, y.shape[2]).T @ moved.reshape(-1, x.shape[2])
        if abs(rebuilt - generic).max(initial=0.0) > CLOSE * max(1.0, abs(generic).max(initial=0.0)):
            return False
    return True
