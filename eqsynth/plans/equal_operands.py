"""Maps of products of equal inputs: which stay independent, and how large their values are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations
from math import prod
from typing import TYPE_CHECKING, Any

from eqsynth.bases.basis import Basis
from eqsynth.bases.index_symmetries import permuted
from eqsynth.diagrams.diagram import Diagram
from eqsynth.diagrams.gram import independent_rows
from eqsynth.exact.partitions import components, perfect_matchings
from eqsynth.plans.plan import NOMINAL_N
from eqsynth.plans.steps import Pair
from eqsynth.spaces.space import axis_counts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: The operand of each axis of a product, and the axis there (``Problem.owners``).
Owners = Sequence[tuple[int, int]]
#: The most entries of matrices that second moments are computed from.
MAX_MOMENTS = 4_000_000
#: The size at which they are where n is a letter and pairs carry the symplectic form.
SMALL_N = 4


def independent(found: Basis, owners: Owners, term: Sequence[int]) -> tuple[int, ...]:
    """The places of maps that are independent, and as many as can be, where operands with equal numbers are equal.

    >>> import eqsynth as eq
    >>> from eqsynth.plans.equal_operands import independent
    >>> independent(eq.basis("S(n)", 2, 0), [(0, 0), (1, 0)], (0, 0))
    (0, 1)
    >>> independent(eq.basis("Sp(n)", 2, 0), [(0, 0), (1, 0)], (0, 0))
    ()

    A map of x (x) x sees only its mean over all ways to exchange equal operands. Where exchanges carry diagrams to
    diagrams, up to a sign, one of each orbit is kept, unless an exchange carries it to its own negative. Elsewhere
    the means are taken as matrices, and their exact rank decides.

    Raises SizeError where these matrices are too large.
    """
    swaps = list(_swaps(owners, term))
    if all(factor.diagrammatic for factor in found.group.factors):
        kept = _orbits(found, [found.flat(place) for place in range(len(found))], swaps)
        if kept is not None:
            return kept
    return _by_matrices(found, swaps)


def _swaps(owners: Owners, term: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """All ways to exchange equal operands: for each axis of the product the axis that it goes to."""
    at = {owner: axis for axis, owner in enumerate(owners)}
    for order in permutations(range(len(term))):
        if all(term[place] == term[to] for place, to in enumerate(order)):
            yield tuple(at[order[place], axis] for place, axis in owners)


def _orbits(found: Basis, flat: Sequence[Diagram], swaps: Sequence[tuple[int, ...]]) -> tuple[int, ...] | None:
    """One element of each orbit that does not vanish; None where the exchanges lead out of the basis."""
    outs, ins = _factors(found)
    forms = {v for v, factor in enumerate([*outs, *ins]) if found.group.factors[factor].symplectic}
    place = {(diagram.blocks, diagram.head): number for number, diagram in enumerate(flat)}
    kept, seen = [], set()
    for number, diagram in enumerate(flat):
        images: dict[int, set[int]] = {}
        for swap in swaps:
            turned, sign = permuted(diagram, swap, len(outs), forms)
            image = place.get((turned.blocks, turned.head))
            if image is None:
                return None
            images.setdefault(image, set()).add(sign)
        vanishes = len(images[number]) > 1
        if not vanishes and number not in seen:
            kept.append(number)
        seen |= set(images)
    return tuple(kept)


def _factors(found: Basis) -> tuple[list[int], list[int]]:
    """The factor of the group of each output and of each input axis."""
    outs, ins = (
        [factor for factor, count in enumerate(axis_counts(order)) for _ in range(count)]
        for order in (found.outputs, found.inputs)
    )
    return outs, ins


def _by_matrices(found: Basis, swaps: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    import numpy as np

    matrices = found.matrices()
    lengths = [found.sizes()[factor] for factor in _factors(found)[1]]
    split = matrices.reshape(*matrices.shape[:2], *lengths)
    total = sum((np.transpose(split, (0, 1, *(2 + axis for axis in swap))) for swap in swaps), np.zeros_like(split))
    return independent_rows(total.reshape(len(found), -1))[0]


def moments(found: Basis, owners: Owners, term: Sequence[int], pair: Pair) -> tuple[float, ...]:
    """The variances of weights for products of equal inputs, from those for independent ones.

    Entries of x (x) x are not independent: the sum of the squares of n entries has the mean n. Each map is made
    smaller by what its mean square is larger for inputs of independent normal entries; exact where n is a number,
    and for n = 16 where it is a letter.

    Source: Wick's theorem: the mean of a product of normal variables is a sum over pairings.
    """
    copies = len(term)
    pairings = [
        pairing
        for pairing in perfect_matchings(tuple(range(2 * copies)))
        if all(term[a % copies] == term[b % copies] for a, b in pairing)
    ]
    ratios = _by_loops(found, owners, pairings, copies)
    if ratios is None:
        ratios = _by_entries(found, owners, pairings, copies)
    return tuple(variance * ratio for variance, ratio in zip(pair.variances, ratios, strict=True))


Pairings = Sequence[tuple[tuple[int, ...], ...]]


def _by_loops(found: Basis, owners: Owners, pairings: Pairings, copies: int) -> list[float] | None:
    """For diagrams whose entries are 0 and 1: every sum is a power of n for each closed component."""
    plain = all(factor.diagrammatic and not factor.symplectic for factor in found.group.factors)
    if not plain or any(found.flat(number).head for number in range(len(found))):
        return None
    sizes = [factor.n if isinstance(factor.n, int) else NOMINAL_N for factor in found.group.factors]
    outs, ins = _factors(found)
    above, below = len(outs), len(ins)
    lengths = [sizes[factor] for factor in (*outs, *ins, *ins)]
    at = {owner: axis for axis, owner in enumerate(owners)}
    glued = [
        [
            (above + (a // copies) * below + at[a % copies, axis], above + (b // copies) * below + at[b % copies, axis])
            for a, b in pairing
            for place, axis in owners
            if place == a % copies
        ]
        for pairing in pairings
    ]
    ratios = []
    for number in range(len(found)):
        diagram = found.flat(number)
        doubled = [
            (block[0] + shift * (block[0] >= above), vertex + shift * (vertex >= above))
            for shift in (0, below)
            for block in diagram.blocks
            for vertex in block
        ]
        single = _free_labels(doubled[: len(doubled) // 2], lengths[: above + below])
        ratios.append(single / sum(_free_labels([*doubled, *pairs], lengths) for pairs in glued))
    return ratios


def _free_labels(links: Sequence[tuple[int, int]], lengths: Sequence[int]) -> int:
    """The product of the lengths of the components that the links join vertices to."""
    root = components(len(lengths), links)
    return prod(length for vertex, length in enumerate(lengths) if root[vertex] == vertex)


def _by_entries(found: Basis, owners: Owners, pairings: Pairings, copies: int) -> list[float]:
    """The same from the matrices; where they are too large, as if no operand met itself."""
    import numpy as np

    n = SMALL_N if found.group.symbolic else None
    sizes = found.sizes(n)
    outs, ins = _factors(found)
    entries = len(found)
    for factor in (*outs, *ins):
        entries *= sizes[factor]
    if entries > MAX_MOMENTS:
        exchanges = sum(all(a < copies <= b for a, b in pairing) for pairing in pairings)
        return [1 / exchanges] * len(found)
    # One axis for each operand.
    order = [axis for place in range(copies) for axis, (owner, _) in enumerate(owners) if owner == place]
    lengths = [1] * copies
    for axis, (place, _) in enumerate(owners):
        lengths[place] *= sizes[ins[axis]]
    ratios = []
    for matrix in found.matrices(n).astype(float):
        split: NDArray[np.float64] = matrix.reshape(len(matrix), *[sizes[factor] for factor in ins])
        split = np.transpose(split, (0, *(1 + axis for axis in order))).reshape(len(matrix), *lengths)
        total = 0.0
        for pairing in pairings:
            labels = [0] * (2 * copies)
            for number, (a, b) in enumerate(pairing):
                labels[a] = labels[b] = 1 + number
            first, second = [0, *labels[:copies]], [0, *labels[copies:]]
            arguments: list[Any] = [split, first, split, second, []]
            total += float(np.einsum(*arguments))
        ratios.append(float((split**2).sum()) / total)
    return ratios
