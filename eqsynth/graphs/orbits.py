"""Orbits of a permutation group on index tuples: the general basis for any group of permutations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import factorial
from typing import TYPE_CHECKING

from eqsynth.errors import GroupError, SizeError, VerificationError, shown
from eqsynth.exact.limits import Steps
from eqsynth.exact.permutations import Permutation, sign

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_TUPLES = 20_000_000
#: NumPy's arrays have no more axes in all its versions.
MAX_AXES = 32
#: So many orbits are listed one by one.
MAX_ORBITS = 1_000_000
MAX_ELEMENTS = 100_000
#: On so many points chains of stabilisers are found in seconds.
MAX_CHAIN = 100
#: So many tuples of an array are looked at in the time of a step of Python.
TUPLES_A_STEP = 20


def orbit_labels(generators: Sequence[Sequence[int]], n: int, m: int) -> NDArray[np.int64]:
    """The number of the orbit of each index tuple under the group that the permutations generate.

    >>> from eqsynth.graphs.orbits import orbit_labels
    >>> orbit_labels([(1, 2, 3, 0), (3, 2, 1, 0)], 4, 2)  # the symmetries of a square, on pairs
    array([[0, 1, 2, 1],
           [1, 0, 1, 2],
           [2, 1, 0, 1],
           [1, 2, 1, 0]])

    Shape ``(n,) * m``. A permutation g sends i to ``g[i]`` and a tuple to the tuple of its images. Orbits are
    numbered from 0 in the order of their lexicographically least tuples.

    Raises GroupError for what is no permutation of n points, SizeError above 20 million tuples.
    """
    import numpy as np

    count = _check(generators, n, m)
    least = _joined(count, lambda: _moved_tuples(generators, n, m, count), f"{m}-tuples of {n} points")
    first = least == np.arange(count, dtype=np.int32)
    return (np.cumsum(first, dtype=np.int64) - 1)[least].reshape((n,) * m)


def _joined(count: int, moves: Callable[[], Iterator[NDArray[np.int32]]], what: str) -> NDArray[np.int32]:
    """The least place that each place is moved to, in some steps: ``moves`` gives places and where they go to."""
    import numpy as np

    # Every place points at a lesser or equal place of its orbit; in the end at the least one.
    least = np.arange(count, dtype=np.int32)
    steps = Steps(f"finding the orbits on {what}", "ask for fewer generators or lower orders")
    changed = True
    while changed:
        changed = False
        for places, images in moves():
            steps.take(1 + len(places) // TUPLES_A_STEP)
            here, there = least[places], least[images]
            different = np.flatnonzero(here != there)
            if not len(different):
                continue
            changed = True
            here, there = here[different], there[different]
            # Roots that meet: the greater one points at the least it meets from now on, then chains are cut short.
            np.minimum.at(least, np.maximum(here, there), np.minimum(here, there))
            while True:
                steps.take(1 + count // TUPLES_A_STEP)
                shorter = least[least]
                if np.array_equal(shorter, least):
                    break
                least = shorter
    return least


def signed_orbits(generators: Sequence[Sequence[int]], n: int, m: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The orbit of each index tuple under signed permutations of n basis vectors, and the sign that it comes with.

    >>> from eqsynth.graphs.orbits import signed_orbits
    >>> labels, signs = signed_orbits([(1, 2, 3, 0)], 2, 2)  # a quarter turn of the plane, on matrices
    >>> labels.tolist(), signs.tolist()
    ([[0, 1], [1, 0]], [[1, -1], [1, 1]])

    Signed permutations are permutations of 2n points: vector i is point i, its negative point n + i. Orbits are
    numbered as by :func:`orbit_labels`; the last tuple of each has the sign 1. Where some element moves a tuple to
    itself and changes its sign, no tensor but 0 is kept there, and the signs of the whole orbit are 0.

    Raises GroupError for what is no signed permutation, SizeError above 20 million tuples with signs.
    """
    import numpy as np

    for generator in generators:
        if any((generator[i] + n) % (2 * n) != generator[n + i] for i in range(n)):
            raise GroupError(f"{shown(tuple(generator))} is no signed permutation: negatives go to negatives")
    count = _check([[image % n for image in generator[:n]] for generator in generators], n, m)
    if 2 * count > MAX_TUPLES:
        raise SizeError(
            f"signed orbits on {m}-tuples of {n} vectors would number {2 * count:,} tuples with signs, more than "
            f"{MAX_TUPLES:,}: ask for a smaller n or lower orders"
        )
    # Each tuple is there twice, the second time with the sign reversed.
    both = _joined(2 * count, lambda: _signed_moves(generators, n, m, count), f"{m}-tuples of {n} vectors")
    plain, reverse = both[:count], both[count:]
    least = np.minimum(plain, reverse)
    labels = (np.cumsum(least == np.arange(count), dtype=np.int64) - 1)[least]
    signs = np.where(plain == reverse, 0, np.where(plain == least, 1, -1))
    last = np.zeros(int(labels.max()) + 1, np.int64)
    last[labels] = np.arange(count)
    return labels.reshape((n,) * m), (signs * signs[last][labels]).reshape((n,) * m)


def _signed_moves(generators: Sequence[Sequence[int]], n: int, m: int, count: int) -> Iterator[NDArray[np.int32]]:
    """Where each generator moves each tuple with either sign, as places of ``signed_orbits``: shape (2, 2 n^m)."""
    import numpy as np

    places = np.arange(2 * count, dtype=np.int32)
    for generator in generators:
        points = np.asarray(generator[:n], np.int32)
        images, reversals = np.zeros(1, np.int32), np.zeros(1, np.int32)
        for _ in range(m):
            images = (images[:, None] * np.int32(n) + points % n).ravel()
            reversals = (reversals[:, None] ^ (points >= n)).ravel()
        yield np.stack([places, np.concatenate([images + count * reversals, images + count * (1 - reversals)])])


def signed_tables(labels: NDArray[np.int64], signs: NDArray[np.int64]) -> list[tuple[NDArray[np.int64], ...]]:
    """The tensors that signed permutations keep: for each orbit with signs the places of its tuples, and the signs.

    >>> from eqsynth.graphs.orbits import signed_orbits, signed_tables
    >>> [[part.tolist() for part in table] for table in signed_tables(*signed_orbits([(1, 2, 3, 0)], 2, 2))]
    [[[1, 2], [-1, 1]], [[0, 3], [1, 1]]]

    Places are those in row-major order; tensors are in the order of their last tuples.
    """
    import numpy as np

    places = np.flatnonzero(signs)
    if not len(places):
        return []
    order = np.argsort(labels.ravel()[places], kind="stable")
    places = places[order]
    ends = np.flatnonzero(np.diff(labels.ravel()[places])) + 1
    tables = [(table, signs.ravel()[table]) for table in np.split(places, ends)]
    return sorted(tables, key=lambda table: int(table[0][-1]))


def orbit_count(labels: NDArray[np.int64]) -> int:
    """The number of orbits, from their labels.

    >>> from eqsynth.graphs.orbits import orbit_count, orbit_labels
    >>> orbit_count(orbit_labels([(1, 0)], 2, 3))
    4
    """
    return int(labels.max()) + 1


def representatives(labels: NDArray[np.int64]) -> list[Permutation]:
    """The lexicographically least tuple of each orbit, in the order of the orbits' numbers.

    >>> from eqsynth.graphs.orbits import orbit_labels, representatives
    >>> representatives(orbit_labels([(1, 2, 0)], 3, 2))
    [(0, 0), (0, 1), (0, 2)]
    """
    if orbit_count(labels) > MAX_ORBITS:
        raise SizeError(f"there are {orbit_count(labels):,} orbits, more than {MAX_ORBITS:,}: ask for lower orders")
    return [tuple(row) for row in representative_array(labels).tolist()]


def representative_array(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """:func:`representatives` as an array, shape (orbits, m).

    >>> from eqsynth.graphs.orbits import orbit_labels, representative_array
    >>> representative_array(orbit_labels([(1, 0)], 2, 2))
    array([[0, 0],
           [0, 1]])
    """
    import numpy as np

    flat = labels.ravel()
    first = np.empty(orbit_count(labels), np.int64)
    first[flat[::-1]] = np.arange(len(flat))[::-1]
    if not labels.ndim:
        return np.empty((1, 0), np.int64)
    return np.stack(np.unravel_index(first, labels.shape), axis=1)


def burnside_count(generators: Sequence[Sequence[int]], n: int, m: int) -> int:
    """The number of orbits on m-tuples by Burnside's lemma: the mean of fixed points to the power m.

    >>> from eqsynth.graphs.orbits import burnside_count
    >>> burnside_count([(1, 2, 3, 0), (3, 2, 1, 0)], 4, 3)
    10

    It lists the whole group, sees no tuple, and so proves what :func:`orbit_labels` counts.
    Raises SizeError for groups of more than a hundred thousand elements.
    """
    _check(generators, n, min(m, 0))
    group = elements(generators, n)
    total = 0
    for element in group:
        fixed = sum(1 for point, image in enumerate(element) if image == point)
        total += int(fixed**m)
    return total // len(group)


def signed_count(generators: Sequence[Sequence[int]], n: int, m: int) -> int:
    """The number of independent tensors with m axes that signed permutations keep: the mean of their traces' powers.

    >>> from eqsynth.graphs.orbits import signed_count
    >>> signed_count([(1, 2, 3, 0)], 2, 2)
    2

    Generators as in :func:`signed_orbits`, whose tables it counts without seeing a tuple.
    Raises SizeError for groups of more than a hundred thousand elements.
    """
    group = elements(generators, 2 * n)
    traces = (sum((image == i) - (image == n + i) for i, image in enumerate(element[:n])) for element in group)
    return sum(int(trace**m) for trace in traces) // len(group)


def elements(generators: Sequence[Sequence[int]], n: int) -> list[Permutation]:
    """Every element of the group that the permutations generate, the identity first.

    >>> from eqsynth.graphs.orbits import elements
    >>> elements([(1, 2, 0)], 3)
    [(0, 1, 2), (1, 2, 0), (2, 0, 1)]

    Raises SizeError for groups of more than a hundred thousand elements.
    """
    _check(generators, n, 0)
    listed = [tuple(range(n))]
    seen = set(listed)
    for element in listed:
        for generator in generators:
            product = tuple(generator[image] for image in element)
            if product not in seen:
                if len(seen) == MAX_ELEMENTS:
                    raise SizeError(
                        f"the group of {n} points has more than {MAX_ELEMENTS:,} elements, too many to list: "
                        "count its orbits with orbit_labels"
                    )
                seen.add(product)
                listed.append(product)
    return listed


def group_order(generators: Sequence[Sequence[int]], n: int) -> int:
    """The number of elements of the group that the permutations generate, exactly.

    >>> from eqsynth.graphs.orbits import group_order
    >>> group_order([(1, 2, 3, 4, 0), (1, 0, 2, 3, 4)], 5)
    120

    By a chain of stabilisers (Schreier and Sims) in SymPy. Raises SizeError above a hundred points that move, where the
    group has more than a hundred thousand elements.
    """
    _check(generators, n, 0)
    moved = [point for point in range(n) if any(generator[point] != point for generator in generators)]
    number = {point: place for place, point in enumerate(moved)}
    kept = [tuple(number[generator[point]] for point in moved) for generator in generators]
    if len(moved) > MAX_CHAIN:
        try:
            return len(elements(kept, len(moved)))
        except SizeError as error:
            raise SizeError(
                f"the order of a group of {len(moved):,} points and more than {MAX_ELEMENTS:,} elements takes long to "
                "find: ask for fewer points"
            ) from error
    if not kept or not moved:
        return 1
    from sympy.combinatorics import Permutation as Element
    from sympy.combinatorics import PermutationGroup as Chain

    group = Chain([Element(list(generator)) for generator in kept])
    # A group that is found to hold all even permutations does.
    even = len(moved) > 8 and group.is_alt_sym()
    if even:
        return factorial(len(moved)) // (1 if any(sign(generator) < 0 for generator in kept) else 2)
    return int(group.order())


def check_orbits(generators: Sequence[Sequence[int]], labels: NDArray[np.int64]) -> None:
    """Raise VerificationError unless every generator keeps every label and orbits are numbered in order.

    >>> import numpy as np
    >>> from eqsynth.graphs.orbits import check_orbits
    >>> check_orbits([(1, 0)], np.array([[0, 1], [1, 0]]))

    What is not checked is that orbits are no unions of orbits; :func:`burnside_count` counts them.
    """
    import numpy as np

    n, m = (labels.shape[0], labels.ndim) if labels.ndim else (1, 0)
    flat = labels.ravel()
    for generator in generators if m else ():
        for places, images in _moved_tuples([generator], n, m, 1):
            if not np.array_equal(flat[images], flat[places]):
                raise VerificationError(
                    f"the orbit labels change under the generator {shown(tuple(generator))}: recompute them"
                )
    highest = np.maximum.accumulate(flat)
    if flat[0] != 0 or np.any(np.diff(highest) > 1):
        raise VerificationError("the orbits are not numbered by their least tuples: recompute them")


def _moved_tuples(generators: Sequence[Sequence[int]], n: int, m: int, most: int) -> Iterator[NDArray[np.int32]]:
    """The tuples that generators move and where to, each as its position in row-major order: shape (2, tuples).

    Generators come together until they move ``most`` tuples.
    """
    import numpy as np

    everything = np.arange(n, dtype=np.int32)
    waiting: list[NDArray[np.int32]] = []
    count = 0
    for generator in generators:
        both = np.stack([everything, np.asarray(generator, np.int32)])
        still = both[0] == both[1]
        # A tuple that moves has a first entry that does.
        for first in range(0 if still.all() else m):
            moves = np.zeros((2, 1), np.int32)
            for points in [both[:, still]] * first + [both[:, ~still]] + [both] * (m - first - 1):
                moves = (moves[:, :, None] * np.int32(n) + points[:, None]).reshape(2, -1)
            waiting.append(moves)
            count += moves.shape[1]
        if count >= most:
            yield np.concatenate(waiting, axis=1)
            waiting, count = [], 0
    if waiting:
        yield np.concatenate(waiting, axis=1)


def _check(generators: Sequence[Sequence[int]], n: int, m: int) -> int:
    """The number of tuples, if it is small enough and the generators are permutations."""
    if n < 1 or m < 0:
        raise GroupError(f"there are no {m}-tuples of {n} points: ask for n >= 1 and m >= 0")
    for generator in generators:
        if sorted(generator) != list(range(n)):
            raise GroupError(
                f"{shown(tuple(generator))} is no permutation of {n} points: "
                f"list the image of each of 0 to {n - 1} once"
            )
    if n**m > MAX_TUPLES or m > MAX_AXES:
        raise SizeError(
            f"orbits on {m}-tuples of {n} points would number {n**m:,} tuples on {m} axes, more than "
            f"{MAX_TUPLES:,} or {MAX_AXES} axes: ask for a smaller graph or lower orders"
        )
    return int(n**m)
