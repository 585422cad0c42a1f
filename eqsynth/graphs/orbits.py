"""Orbits of a permutation group on index tuples: the general basis for any group of permutations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from eqsynth.errors import GroupError, SizeError, VerificationError, shown
from eqsynth.exact.limits import Steps

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Permutation = tuple[int, ...]

MAX_TUPLES = 20_000_000
#: NumPy's arrays have no more axes in all its versions.
MAX_AXES = 32
#: So many orbits are listed one by one.
MAX_ORBITS = 1_000_000
MAX_ELEMENTS = 100_000
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
    # Every tuple points at a lesser or equal tuple of its orbit; in the end at the least one.
    least = np.arange(count, dtype=np.int32)
    steps = Steps(f"finding the orbits on {m}-tuples of {n} points", "ask for fewer generators or lower orders")
    changed = True
    while changed:
        changed = False
        for places, images in _moved_tuples(generators, n, m, count):
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
    first = least == np.arange(count, dtype=np.int32)
    return (np.cumsum(first, dtype=np.int64) - 1)[least].reshape((n,) * m)


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
