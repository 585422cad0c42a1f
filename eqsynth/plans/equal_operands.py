"""Maps of products of symmetric or equal inputs, or irreps: which stay independent, how large their values are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from math import factorial, prod
from typing import TYPE_CHECKING, Any

from eqsynth.bases import irreps
from eqsynth.bases.basis import Basis
from eqsynth.bases.couplings import Coupling
from eqsynth.bases.index_symmetries import Key, forms_of, images_under
from eqsynth.diagrams.diagram import Diagram
from eqsynth.diagrams.gram import independent_rows
from eqsynth.exact.limits import afford
from eqsynth.exact.partitions import components, perfect_matchings
from eqsynth.families.group import Group
from eqsynth.families.hom import ProductHom, index_sizes, split_turn
from eqsynth.families.irreps import coordinates, vectors
from eqsynth.plans.infer import full_axes
from eqsynth.plans.plan import NOMINAL_N
from eqsynth.plans.powers import independent_values
from eqsynth.plans.steps import Pair
from eqsynth.spaces.exchanges import Turn, generated
from eqsynth.spaces.space import Order, Symmetry, axes_of, axis_counts, entries_of, generators_of, order_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: The operand of each axis of a product, and the axis there (``ProductHom.owners``).
Owners = Sequence[tuple[int, int]]
#: The most entries of matrices that second moments are computed from.
MAX_MOMENTS = 4_000_000
#: The most pairings of operands, times maps, that second moments are counted from; beyond, no operand meets itself.
MAX_LOOPS = 300_000
#: The size at which they are where n is a letter and pairs carry a form.
SMALL_N = 4


def independent(maps: Basis, problem: ProductHom, number: int) -> tuple[int, ...]:
    """The places of maps of a product that are independent, and as many as can be.

    >>> import eqsynth as eq
    >>> from eqsynth.families.hom import ProductHom
    >>> from eqsynth.plans.equal_operands import independent
    >>> square = ProductHom.parse("Sp(n)", [1], 0, "paired", (2,))
    >>> independent(eq.basis("Sp(n)", 2, 0), square, 0)
    ()
    >>> independent(eq.basis("O(n)", 4, 0), ProductHom.parse("O(n)", ["S2", "S2"], 0), 0)
    (0, 1)
    >>> from eqsynth.plans.products import maps
    >>> [len(maps(ProductHom.parse("O(3)", ["1x2e", "1x2e"], f"1x{degree}e"), 0, 0)) for degree in (0, 1, 2, 4)]
    [1, 1, 1, 1]

    A map of x (x) x sees only its mean over all ways to exchange equal operands, and one of symmetric tensors that over
    all orders of their axes, with signs for alternating ones. Where exchanges carry diagrams to diagrams, up to a
    sign, one of each orbit is kept, unless an exchange carries it to its own negative. Elsewhere values of the maps at
    random tensors decide, modulo a prime, or the means are taken as matrices, and their exact rank does; of irreps, in
    the vectors of their coordinates. ``number``: the place of the product in ``problem.terms``.

    Raises SizeError where these matrices are too large.
    """
    orders = [problem.inputs[factor][1] for factor in problem.terms[number]]
    swaps, some_irreps = list(_exchanges(problem, number)), irreps.has_irreps(*orders)
    if not (swaps or some_irreps) or not len(maps):
        return tuple(range(len(maps)))
    if not some_irreps and _of_diagrams(maps):
        places = _by_orbits(maps, swaps)
        if places is not None:
            return places
    by_values = None if irreps.has_irreps(*orders, maps.outputs) else independent_values(maps, problem, number)
    if by_values is not None:
        return by_values
    return _by_matrices(maps, swaps, _exchange_count(problem, number), orders)


def afford_irreps(problem: ProductHom, number: int, term_out: int) -> None:
    """Refuse a product of irreps whose maps :func:`independent` would refuse, before the maps themselves are made.

    >>> from eqsynth.families.hom import ProductHom
    >>> from eqsynth.plans.equal_operands import afford_irreps
    >>> afford_irreps(ProductHom.parse("O(3)", ["1x2e"], "1x2e", "paired", (3,)), 0, 0)

    Raises SizeError.
    """
    group, ins, out = problem.group, problem.hom.space_in.orders[number], problem.space_out.orders[term_out]
    inputs = [problem.inputs[factor][1] for factor in problem.terms[number]]
    if len(group.factors) == 1 and isinstance(group.n, int) and irreps.has_irreps(*inputs):
        columns = group.n ** (axes_of(ins) + axes_of(out))
        _afford_ranks(ins, out, irreps.dimension(group, ins, out), columns, _exchange_count(problem, number))


def _exchange_count(problem: ProductHom, number: int) -> int:
    """How many exchanges of equal operands and of the axes of symmetric ones there are."""
    orders = [problem.inputs[factor][1] for factor in problem.terms[number]]
    symmetric = prod(entry.size for k in orders for entry in entries_of(k) if isinstance(entry, Symmetry))
    return symmetric * prod(map(factorial, Counter(problem.terms[number]).values()))


def _afford_ranks(inputs: Order, outputs: Order, count: int, columns: int, exchanges: int) -> None:
    """Refuse exact ranks, and sums over all exchanges, of so many maps with so many entries."""
    what = f"the maps {order_text(inputs)} -> {order_text(outputs)} of a product"
    afford(what, "ask for lower orders", steps=count * columns * max(count, 10 * exchanges) // 100)


def _of_diagrams(maps: Basis) -> bool:
    """Whether every element is a diagram for each index of an axis; maps of twisted tensors may be tables."""
    diagrams = all(isinstance(part, Diagram) for number in range(len(maps)) for part in maps.parts(number))
    return diagrams and all(factor.diagrammatic for factor in maps.group.factors)


def _exchanges(problem: ProductHom, number: int) -> Iterator[Turn]:
    """What generates the exchanges that a product does not see: for each of its axes the one it goes to, and a sign."""
    term = problem.terms[number]
    owners = problem.owners(term)
    at = {owner: axis for axis, owner in enumerate(owners)}
    for place, later in product(range(len(term)), repeat=2):
        if place < later and term[place] == term[later]:
            to = {place: later, later: place}
            yield tuple(at[to.get(owner, owner), axis] for owner, axis in owners), 1
    for place, factor in enumerate(term):
        order = problem.inputs[factor][1]
        for axes, sign in (split_turn(problem.group, axis_counts(order), turn) for turn in generators_of(order)):
            yield tuple(at[place, axes[axis]] if owner == place else at[owner, axis] for owner, axis in owners), sign


def _by_orbits(maps: Basis, swaps: Sequence[Turn]) -> tuple[int, ...] | None:
    """One element of each orbit that does not vanish; None where the exchanges lead out of the basis."""
    outs, ins = full_axes(maps.group, maps.outputs), full_axes(maps.group, maps.inputs)
    elements = [maps.factors(number) for number in range(len(maps))]
    #: The map that a diagram is a summand of, and its sign there: maps to symmetric outputs are sums.
    summand: dict[tuple[Key, ...], tuple[int, int]] = {}
    for number, element in enumerate(elements):
        for axes, sign in (split_turn(maps.group, axis_counts(maps.outputs), turn) for turn in maps.turned(number)):
            key, by = _moved(maps.group, [axes.index(axis) for axis in range(len(axes))], outs, above=True)(element)
            summand.setdefault(key, (number, sign * by))
    places, signs = [], dict[int, int]()
    exchanges = [(_moved(maps.group, swap, ins), sign) for swap, sign in swaps]
    for number in range(len(maps)):
        if number in signs:
            continue
        signs[number], agenda, vanishes = 1, [number], False
        while agenda:
            here = agenda.pop()
            for exchange, sign in exchanges:
                key, by = exchange(elements[here])
                if key not in summand:
                    return None
                there, own = summand[key]
                reached = signs[here] * sign * by * own
                if there not in signs:
                    signs[there] = reached
                    agenda.append(there)
                vanishes |= signs[there] != reached
        if not vanishes:
            places.append(number)
    return tuple(places)


def _moved(
    group: Group, swap: Sequence[int], owners: Sequence[int], above: bool = False
) -> Callable[[Sequence[Diagram]], tuple[tuple[Key, ...], int]]:
    """What a permutation of the axes of one row makes of an element, a diagram for each index of the group, and a sign.

    Each diagram is moved by itself, since its heads are: those of two of them may be of different sizes.
    """
    images: dict[tuple[int, int], Callable[[Diagram], tuple[Key, int]]] = {}

    def moved(element: Sequence[Diagram]) -> tuple[tuple[Key, ...], int]:
        keys, sign = [], 1
        for index, diagram in enumerate(element):
            if (index, diagram.outputs) not in images:
                own = [axis for axis, owner in enumerate(owners) if owner == index]
                local = [own.index(swap[axis]) for axis in own]
                forms = forms_of(group.indices[index], diagram.outputs + diagram.inputs)
                images[index, diagram.outputs] = images_under(local, 0 if above else diagram.outputs, forms)
            key, by = images[index, diagram.outputs](diagram)
            keys.append(key)
            sign *= by
        return tuple(keys), sign

    return moved


def _by_matrices(maps: Basis, swaps: Sequence[Turn], exchanges: int, orders: Sequence[Order]) -> tuple[int, ...]:
    import numpy as np

    counts = zip(axis_counts(maps.inputs), axis_counts(maps.outputs), strict=True)
    # Where n is a letter, any size will do at which the diagrams are independent.
    sizes = [
        factor.n if isinstance(factor.n, int) else _fitting(factor, max(factor.stable_from(k + lo), 1))
        for factor, (k, lo) in zip(maps.group.factors, counts, strict=True)
    ]
    lengths = index_sizes(maps.group, sizes)
    columns = prod(
        lengths[index] for index in (*full_axes(maps.group, maps.outputs), *full_axes(maps.group, maps.inputs))
    )
    _afford_ranks(maps.inputs, maps.outputs, len(maps), columns, exchanges)
    every = (generated(swaps) if swaps else None) or {tuple(range(len(full_axes(maps.group, maps.inputs)))): 1}
    matrices = maps.matrices(sizes)
    if irreps.has_irreps(*orders, maps.outputs):
        matrices = irreps.on_vectors(matrices, 1, [maps.outputs], sizes, vectors)
    split = _by_indices(maps, matrices, sizes)
    total = np.zeros_like(split)
    for swap, sign in every.items():
        total += sign * np.transpose(split, (0, 1, *(2 + axis for axis in swap)))
    total = irreps.on_vectors(total.reshape(matrices.shape), 2, orders, sizes, vectors)
    return independent_rows(total.reshape(len(maps), -1))[0]


def _by_indices(maps: Basis, matrices: NDArray[Any], sizes: Sequence[int]) -> NDArray[Any]:
    """Matrices with an axis for each index of the inputs, in the order of ``full_axes``."""
    import numpy as np

    lengths, places = list[int](), list[int]()
    for factor, count, size in zip(maps.group.factors, axis_counts(maps.inputs), sizes, strict=True):
        own, first = factor.index_lengths(size), len(lengths)
        lengths += own * count
        places += [first + axis * len(own) + index for index in range(len(own)) for axis in range(count)]
    split = matrices.reshape(*matrices.shape[:-1], *lengths)
    return np.transpose(split, (*range(matrices.ndim - 1), *(matrices.ndim - 1 + place for place in places)))


def _fitting(factor: Group, size: int) -> int:
    """The size, or the next one that the factor has."""
    return size + -size % factor.multiple


def moments(maps: Basis, problem: ProductHom, number: int, pair: Pair) -> tuple[float, ...]:
    """The variances of weights for products of equal inputs, from those for independent ones.

    Entries of x (x) x are not independent: the sum of the squares of n entries has the mean n. Each map is made
    smaller by what its mean square is larger for inputs of independent normal entries; exact where n is a number,
    and for n = 16 where it is a letter.

    Source: Wick's theorem: the mean of a product of normal variables is a sum over pairings.
    """
    smaller = ratios(maps, problem, number)
    return tuple(variance * ratio for variance, ratio in zip(pair.variances, smaller, strict=True))


def ratios(maps: Basis, problem: ProductHom, number: int, sizes: Sequence[int] | None = None) -> list[float]:
    """For each map its mean square for independent entries of the product, over that for independent normal inputs.

    >>> import eqsynth as eq
    >>> from eqsynth.families.hom import ProductHom
    >>> from eqsynth.plans.equal_operands import ratios
    >>> ratios(eq.basis("O(3)", 2, 0), ProductHom.parse("O(3)", [1], 0, "paired", (2,)), 0)   # 3 of 15
    [0.2]

    ``sizes``: one for each factor of the group; without them, those of :func:`moments`.
    """
    term = problem.terms[number]
    some_irreps = irreps.has_irreps(*(problem.inputs[factor][1] for factor in term))
    if len(set(term)) == len(term) and not some_irreps:
        return [1.0] * len(maps)
    copies, owners = len(term), problem.owners(term)
    pairings = [
        pairing
        for pairing in perfect_matchings(tuple(range(2 * copies)))
        if all(term[a % copies] == term[b % copies] for a, b in pairing)
    ]
    counted = None
    if len(pairings) * len(maps) <= MAX_LOOPS and not some_irreps:
        counted = _by_loops(maps, owners, pairings, copies, sizes)
    orders = [problem.inputs[factor][1] for factor in term]
    return _by_entries(maps, owners, pairings, orders, sizes) if counted is None else counted


def coupled_variance(one: Coupling, problem: ProductHom, number: int, normalization: str) -> float:
    """The variance of the weight of a product of two irreps, times the fan-in, such that unit variance stays.

    >>> from eqsynth.bases.couplings import Coupling
    >>> from eqsynth.families.hom import ProductHom
    >>> from eqsynth.plans.equal_operands import coupled_variance
    >>> product = ProductHom.parse("O(3)", ["1x1o", "1x1o"], "1x0e")
    >>> square = ProductHom.parse("O(3)", ["1x1o"], "1x0e", "paired", (2,))
    >>> [coupled_variance(Coupling(1, 1, 0), problem, 0, "sum") for problem in (product, square)]
    [0.3333333333333333, 0.06666666666666667]

    The mean square of an output is the sum of the squares of the coefficients; of equal inputs, by Wick's theorem, also
    that of all pairs of coefficients whose inputs meet otherwise.
    """
    import numpy as np

    square = float(one.square)
    first, second = problem.terms[number]
    if first == second:
        table = one.table()
        crossed = (table * table.transpose(0, 2, 1)).sum() + (np.trace(table, axis1=1, axis2=2) ** 2).sum()
        square += float(crossed) / len(table)
    return (1 if normalization == "sum" else one.terms) / square


Pairings = Sequence[tuple[tuple[int, ...], ...]]


def _by_loops(
    maps: Basis, owners: Owners, pairings: Pairings, copies: int, wanted: Sequence[int] | None
) -> list[float] | None:
    """For diagrams whose entries are 0 and 1: every sum is a power of n for each closed component."""
    plain = _of_diagrams(maps) and not any(factor.paired for factor in maps.group.factors)
    if not plain or any(maps.flat(number).head for number in range(len(maps))):
        return None
    own = [factor.n if isinstance(factor.n, int) else NOMINAL_N for factor in maps.group.indices]
    sizes = index_sizes(maps.group, wanted) if wanted else own
    outs, ins = full_axes(maps.group, maps.outputs), full_axes(maps.group, maps.inputs)
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
    for number in range(len(maps)):
        diagram = maps.flat(number)
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


def _by_entries(
    maps: Basis, owners: Owners, pairings: Pairings, orders: Sequence[Order], wanted: Sequence[int] | None
) -> list[float]:
    """The same from the matrices; where they are too large, as if no operand met itself, or were an irrep."""
    import numpy as np

    copies = len(orders)
    sizes = wanted or [
        factor.n if isinstance(factor.n, int) else _fitting(factor, SMALL_N) for factor in maps.group.factors
    ]
    sides = index_sizes(maps.group, sizes)
    outs, ins = full_axes(maps.group, maps.outputs), full_axes(maps.group, maps.inputs)
    entries = len(maps) * prod(sides[index] for index in (*outs, *ins))
    if entries > MAX_MOMENTS or len(pairings) * len(maps) > MAX_LOOPS:
        exchanges = sum(all(a < copies <= b for a, b in pairing) for pairing in pairings)
        return [1 / exchanges] * len(maps)
    # One axis for each operand.
    order = [axis for place in range(copies) for axis, (owner, _) in enumerate(owners) if owner == place]
    lengths = [1] * copies
    for axis, (place, _) in enumerate(owners):
        lengths[place] *= sides[ins[axis]]
    ratios = []
    for matrix in maps.matrices(sizes).astype(float):
        split = _by_indices(maps, matrix, sizes)
        split = np.transpose(split, (0, *(1 + axis for axis in order))).reshape(len(matrix), *lengths)
        split = irreps.on_vectors(split, 0, [maps.outputs], sizes, coordinates)
        square, total = float((split**2).sum()), 0.0
        for place, operand in enumerate(orders):
            split = irreps.on_vectors(split, 1 + place, [operand], sizes, coordinates)
        for pairing in pairings:
            labels = [0] * (2 * copies)
            for number, (a, b) in enumerate(pairing):
                labels[a] = labels[b] = 1 + number
            first, second = [0, *labels[:copies]], [0, *labels[copies:]]
            arguments: list[Any] = [split, first, split, second, []]
            total += float(np.einsum(*arguments))
        ratios.append(square / total)
    return ratios
