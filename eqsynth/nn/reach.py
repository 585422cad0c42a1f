"""What networks can reach: linear maps between orders, products beyond gates and pairings, paths from inputs on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import combinations_with_replacement
from math import prod
from typing import Any

from eqsynth.bases.basis import basis
from eqsynth.bases.couplings import coupling, is_coupled
from eqsynth.bases.dimension import dimension
from eqsynth.bases.irreps import has_irreps
from eqsynth.bases.pointwise import positional
from eqsynth.families.group import Group
from eqsynth.families.hom import ProductHom, maps_of, mixed
from eqsynth.layers.emitted import EmittedLayer
from eqsynth.nn.activations import Gated, Pairings
from eqsynth.plans.products import maps
from eqsynth.spaces.space import (
    Order,
    Space,
    axes_of,
    axis_counts,
    is_decomposed,
    is_plain,
    orders_of,
    stored_full,
    twists_of,
)

#: Products are chosen by themselves where they have at most so many maps; of a factor without diagrams, where a map has
#: at most so many entries.
MOST_MAPS, MOST_ENTRIES = 300, 256
#: The inputs that a tensor may depend on: none where it is constant; None where it is always zero.
Sources = frozenset[int] | None


def map_exists(group: Group, order_in: Order, order_out: Order) -> bool:
    """Whether there is a linear map besides 0.

    >>> from eqsynth import Group
    >>> from eqsynth.nn.reach import map_exists
    >>> map_exists(Group("O", 3), 2, 0), map_exists(Group("O", 3), 1, 0)
    (True, False)
    """
    order_in, order_out = (stored_full(order) if is_decomposed(order) else order for order in (order_in, order_out))
    if not (is_plain(order_in) and is_plain(order_out)):
        return len(basis(group, order_in, order_out)) > 0
    for factor, k, lo in zip(group.factors, orders_of(order_in), orders_of(order_out), strict=True):
        if factor.permuting and not mixed(factor, k, lo):
            continue  # the sum of all entries, at every position
        if not _maps(factor, (k,), lo):
            return False
    return True


@lru_cache(maxsize=4096)
def _maps(factor: Group, operands: tuple[Order, ...], out: Order) -> int:
    """How many multilinear maps of tensors of some orders there are; constants where there are no operands."""
    if has_irreps(*operands, out):
        if len(operands) < 2:
            given: Order = operands[0] if operands else 0
            return len(basis(factor, given, out))
        return len(maps(ProductHom(factor, tuple(Space(((1, one),)) for one in operands), Space(((1, out),))), 0, 0))
    spaces = tuple(Space(((1, order),)) for order in operands) or (Space(((1, 0),)),)
    (order,) = ProductHom(factor, spaces, Space(((1, out),))).hom.space_in.orders
    if factor.diagrammatic and is_plain(order) and is_plain(out):
        return dimension(maps_of(factor, order, out), axes_of(order) + axes_of(out))
    return len(basis(factor, order, out))


def products_add(group: Group, orders: Sequence[Order], outputs: Sequence[Order]) -> bool:
    """Whether products of two tensors of ``orders`` give ``outputs`` something that gates and pairings do not.

    >>> from eqsynth import Group
    >>> from eqsynth.nn.reach import products_add
    >>> products_add(Group("O", 3), [1, 0], [1, 0]), products_add(Group("O", 3), [2, 0], [2, 0])
    (False, True)

    Linear layers, gates and pairings make bilinear maps of u and v that are a linear map of one times an invariant of
    the other, or a constant times an invariant of both: for vectors of O(n) that is all there is. An equivariant map of
    u (x) v into w is an invariant of w (x) u (x) v. Split each of the three into its invariants and the rest: the other
    maps are the invariants of the product of the three rests. They are counted from numbers of maps alone.

    False where that takes long, or products would: with more than 300 maps, or without diagrams and with more than
    256 entries in one.
    """
    pairs = list(combinations_with_replacement(dict.fromkeys(orders), 2))
    triples = [(*pair, out) for pair in pairs for out in dict.fromkeys(outputs)]
    parts = [list(_components(group, triple)) for triple in triples]
    if sum(_most_maps(group, triple) for triple in triples) > MOST_MAPS:
        return False
    return any(_beyond(part) for part in parts)


def alternating_add(group: Group, order: Order, outputs: Sequence[Order]) -> bool:
    """The same for products of u and v that are lost where these are equal, as cross products and commutators are.

    >>> from eqsynth import Group
    >>> from eqsynth.nn.reach import alternating_add
    >>> [alternating_add(Group(name, 3), 1, [1, 0]) for name in ("O", "SO")]
    [False, True]
    """
    return any(_alternating_beyond(list(_components(group, (order, order, out)))) for out in outputs)


def only_constants(group: Group, inputs: Sequence[Order], read: Sequence[Order], out: Order) -> bool:
    """Whether linear maps of what is read give an output fixed tensors times invariants, and inputs hold more.

    >>> from eqsynth import Group
    >>> from eqsynth.nn.reach import only_constants
    >>> only_constants(Group("O", 3), [1], [0], 2), only_constants(Group("O", 3), [1], [0], 0)
    (True, False)

    So it is in a factor of the group where all that is read is invariant, and neither the output nor all inputs are.
    Groups that permute positions are left out: there one value for all nodes is what is meant.
    """
    for place, factor in enumerate(group.factors):
        target, *others = (orders_of(stored_full(order))[place] for order in (out, *inputs, *read))
        before, behind = others[: len(inputs)], others[len(inputs) :]
        invariants = _maps(factor, (), target)
        if (
            positional(factor, target) != target
            and not any(map(axes_of, behind))
            and any(map(axes_of, before))
            and invariants
            and _maps(factor, (target,), target) > invariants**2
        ):
            return True
    return False


def is_read(group: Group, order: Order, orders: Sequence[Order], outputs: Sequence[Order]) -> bool:
    """Whether some output is a linear map of a tensor, or a map of its product with one of ``orders``."""
    pairs: list[tuple[Order, ...]] = [(order, other) for other in orders if other != order]
    pairs += [(order,) if orders.count(order) == 1 else (order, order)]
    return any(map_exists(group, order, out) or any(_products(group, pair, out) for pair in pairs) for out in outputs)


@lru_cache(maxsize=4096)
def _products(group: Group, operands: tuple[Order, ...], out: Order) -> int:
    """How many maps of the product of two tensors there are, or of the square of one."""
    spaces = tuple(Space(((1, order),)) for order in operands)
    return len(maps(ProductHom(group, spaces, Space(((1, out),)), "paired", (2,) if len(spaces) == 1 else ()), 0, 0))


def _components(group: Group, triple: tuple[Order, ...]) -> Iterator[tuple[Group, tuple[Order, ...]]]:
    """The factors of a group that mix the components of tensors of some orders, with their part of these.

    Permutations mix them where they change signs, in twisted tensors, and in irreps; else activations of single entries
    do the rest.
    """
    left = zip(*(orders_of(positional(group, order)) for order in triple), strict=True)
    parts = zip(*map(orders_of, triple), strict=True)
    for factor, own, free in zip(group.factors, parts, left, strict=True):
        mixed_ones = not factor.permuting or has_irreps(*own) or any(map(any, map(twists_of, own)))
        if own != free and mixed_ones:
            yield factor, own


def _most_maps(group: Group, triple: tuple[Order, ...]) -> int:
    """At least as many as the maps of a product; too many where a group without diagrams makes them slowly."""
    most = 1
    if is_coupled(group, triple[:-1], triple[-1]):
        return int(coupling(group, triple[:-1], triple[-1]) is not None)
    for factor, *counts in zip(group.factors, *map(axis_counts, triple), strict=True):
        total = sum(counts)
        if factor.diagrammatic:
            most *= dimension(factor, total)
        elif not isinstance(factor.n, int) or factor.n**total > MOST_ENTRIES:
            return MOST_MAPS + 1
    return most


def _beyond(part: list[tuple[Group, tuple[Order, ...]]]) -> int:
    """The bilinear maps into the last of three orders that are no products of maps and invariants."""

    def count(*places: int) -> int:
        return prod(
            _maps(factor, tuple(triple[place] for place in places if place < 2), triple[2] if 2 in places else 0)
            for factor, triple in part
        )

    u, v, w = count(0), count(1), count(2)
    return count(0, 1, 2) - w * count(0, 1) - v * count(0, 2) - u * count(1, 2) + 2 * u * v * w


def _alternating_beyond(part: list[tuple[Group, tuple[Order, ...]]]) -> int:
    """Those of them that change sign as u and v are exchanged, where these are of one order."""

    def alternating(invariant: bool) -> int:
        both, signed = 1, 1
        for factor, (order, _, out) in part:
            target = 0 if invariant else out
            own, square = _products(factor, (order, order), target), _products(factor, (order,), target)
            both, signed = both * own, signed * (2 * square - own)
        return (both - signed) // 2

    u = prod(_maps(factor, (order,), 0) for factor, (order, _, _) in part)
    w = prod(_maps(factor, (), out) for factor, (_, _, out) in part)
    linear = prod(_maps(factor, (order,), out) for factor, (order, _, out) in part)
    return alternating(False) - w * alternating(True) - u * (linear - w * u)


# --- paths --------------------------------------------------------------------------------------------


def reached(modules: Sequence[Any], count: int) -> list[Sources]:
    """For each term behind some modules the terms in front, ``count`` in number, that it may depend on."""
    terms: list[Sources] = [frozenset([place]) for place in range(count)]
    for module in modules:
        terms = _behind(module, terms)
    return terms


def _behind(module: Any, terms: list[Sources]) -> list[Sources]:
    """The sources of the terms behind one module, from those in front of it."""
    if isinstance(module, EmittedLayer):
        return _behind_layer(module, terms)
    if isinstance(module, Pairings):
        return [
            _together([term, *(terms[source] for source, target in module.paired_terms if target == place)])
            for place, term in enumerate(terms)
        ]
    gates: list[int | None] = [None] * len(terms)
    if isinstance(module, Gated):
        gates = list(module.gate_of)
    listed: list[Sources] = []
    for term, gate, order in zip(terms, gates, module.space_out.orders, strict=False):
        if term is None and gate is None and positional(module.group, order) == order:
            listed.append(frozenset())  # a function of 0, or a bias
        else:
            listed.append(term if term is None or gate is None else _together([term, terms[gate]]))
    return listed


def _behind_layer(layer: EmittedLayer, terms: list[Sources]) -> list[Sources]:
    """The same for a layer of linear maps or products: each of its maps reads all of its factors."""
    plan, problem = layer.plan, layer.problem
    listed: list[Sources] = []
    for place, constants in enumerate(plan.bias_dims):
        sources: list[Sources] = [frozenset() if constants else None]
        for pair in plan.pairs:
            factors = [terms[number] for number in problem.terms[pair.term_in]]
            if pair.term_out == place and None not in factors:
                sources.append(_together(factors))
        listed.append(_together(sources))
    return listed


def _together(sources: Sequence[Sources]) -> Sources:
    """What a sum depends on; None where all of it is zero."""
    kept = [source for source in sources if source is not None]
    return frozenset().union(*kept) if kept else None
