"""From a problem to its plan: factor every diagram, share reductions, mix once per level, spread once.

Source: MATHS of fast evaluation, arXiv 2304.14165 and 2412.10837, here for all diagrams at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import accumulate, product, starmap
from math import factorial, fsum, prod
from typing import TYPE_CHECKING, NamedTuple

from eqsynth.bases import fourier, index_symmetries, irreps
from eqsynth.bases.adapted import adapted, check_size, fits, positions, units
from eqsynth.bases.basis import Basis, basis, takes_kernel
from eqsynth.bases.decomposed import Fixed
from eqsynth.diagrams import functor
from eqsynth.diagrams.bilabelled import below, separator
from eqsynth.diagrams.diagram import LETTERS, Diagram, Element, Half, MatrixMap, Orbit, Single, table_key
from eqsynth.diagrams.functor import entries, terms
from eqsynth.errors import EqsynthError, GroupError, SizeError, SymbolicError
from eqsynth.exact.limits import afford
from eqsynth.exact.numbers import choice, flag
from eqsynth.exact.permutations import sign as sign_of
from eqsynth.families.group import Group
from eqsynth.families.hom import TRANSFERS, Hom, index_counts, index_sizes, indices_beside, indices_of, split_turn
from eqsynth.plans.infer import full_axes, stored_axes
from eqsynth.plans.plan import METHODS, NOMINAL_BATCH, NOMINAL_N, NORMALIZATIONS, PARAMETERS, Halves, Plan
from eqsynth.plans.steps import (
    Constants,
    Contract,
    Entry,
    Forms,
    Hodge,
    Input,
    Mix,
    Operand,
    Output,
    Pack,
    Pair,
    Part,
    Pattern,
    Reduce,
    Schur,
    Source,
    Spread,
    Step,
    Table,
    Tabled,
    Target,
    Tied,
    Unpack,
    as_read,
)
from eqsynth.spaces.exchanges import Turn
from eqsynth.spaces.space import (
    FactorAxes,
    Irrep,
    Order,
    Stored,
    Symmetry,
    all_turns,
    axes_of,
    axis_counts,
    entries_of,
    is_decomposed,
    is_packed,
    is_plain,
    none_of,
    order_text,
    packed_lengths,
    plain,
    stored_full,
    stored_once,
    stored_packed,
)
from eqsynth.store.cache import no_collection
from eqsynth.store.waiting import waiting

if TYPE_CHECKING:
    from fractions import Fraction

#: Shares of the output variance at initialisation: maps that reach every output entry, and maps
#: that reach diagonals alone. Every entry then has a variance between 0.8 and 1.2, at every n.
SHARE_EVERYWHERE, SHARE_DIAGONALS = 0.8, 0.4
#: Marks of dropped blocks in the names of values, one for each axis that a tensor may have.
DIGITS = "123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#: The most entries of the tables of factors of a product.
MAX_TABLE = 1 << 24


def plan_hom(
    hom: Hom,
    bias: bool = True,
    normalization: str = "variance",
    method: str = "auto",
    parameters: str = "diagrams",
) -> Plan:
    """The plan of a problem that is already parsed."""
    normalization = scaled(hom, normalization)
    choice("method", method, ("auto", *METHODS))
    choice("parameters", parameters, PARAMETERS)
    for order in (*hom.space_in.orders, *hom.space_out.orders):
        if axes_of(order) > len(LETTERS):
            raise SizeError(f"a tensor of order {order} has more than {len(LETTERS)} axes: ask for lower orders")
    if parameters == "blocks" and method not in ("auto", "irreps"):
        raise EqsynthError(f"weights are blocks of irreps only with method='irreps', not {method!r}")
    method = "irreps" if parameters == "blocks" else method
    return _chosen(hom, flag("bias", bias), normalization, method, parameters)


def scaled(hom: Hom, normalization: str) -> str:
    """The normalization of a problem: with ``transfer`` that which goes with it, in place of the usual one.

    >>> from eqsynth.families.hom import Hom
    >>> from eqsynth.plans.lowering import scaled
    >>> scaled(Hom.parse("S(n)", 1, 1), "variance"), scaled(Hom.parse("S(n)", 1, 1, transfer="repeat"), "variance")
    ('variance', 'mean')
    """
    choice("normalization", normalization, NORMALIZATIONS)
    if hom.transfer is None:
        return normalization
    own = TRANSFERS[hom.transfer]
    if normalization not in ("variance", own):
        raise EqsynthError(
            f"with normalization={normalization!r} no sum means the same at every size as transfer={hom.transfer!r} "
            f"asks: it takes {own!r}, leave normalization out"
        )
    return own


def plain_plan(hom: Hom, bias: bool, normalization: str) -> Plan:
    """The plan that shows the maps, whatever the channels: by diagrams, or by tables where there are none."""
    plans: list[Plan] = []
    for method in ("diagrams", "matrix"):
        if plans and (hom.group.diagrammatic or hom.group.symbolic):
            break
        try:
            plans.append(plan_hom(hom, bias, normalization, method))
        except GroupError:
            continue
    return min(plans, key=lambda plan: plan.estimate())


@lru_cache(maxsize=256)
def _chosen(hom: Hom, bias: bool, normalization: str, method: str, parameters: str) -> Plan:
    with waiting(f"planning {hom}"), no_collection():
        return _cheapest(hom, bias, normalization, method, parameters)


def _cheapest(hom: Hom, bias: bool, normalization: str, method: str, parameters: str) -> Plan:
    """The plan by the method that is asked for, or that costs least, with the costs of the others."""
    plans: dict[str, Plan] = {}
    refused: dict[str, EqsynthError] = {}
    for name in METHODS if method == "auto" else (method,):
        if method == "auto" and name != "irreps" and _in_irreps(hom):
            continue
        if method == "auto" and not _worth_trying(hom, name, plans):
            continue
        try:
            plans[name] = plan_by(hom, bias, normalization, name, parameters)
        except (GroupError, SizeError, SymbolicError) as error:
            refused[name] = error
    if not plans:
        raise refused[method] if method in refused else next(iter(refused.values()))
    if len(plans) == 1:
        (plan,) = plans.values()
        return plan
    costs = sorted((plan.estimate(), METHODS.index(name), name) for name, plan in plans.items())
    return replace(plans[costs[0][2]], alternatives=tuple((name, cost) for cost, _, name in costs))


def _in_irreps(hom: Hom) -> bool:
    """Whether some tensors are stored in coordinates of irreducible parts."""
    return any(map(is_decomposed, (*hom.space_in.orders, *hom.space_out.orders)))


def _worth_trying(hom: Hom, method: str, plans: dict[str, Plan]) -> bool:
    """Whether a method can cost less than those that are planned: told without making its plan."""
    if method == "diagrams" or not plans:
        return True
    if hom.group.symbolic:
        # At small n the plan by diagrams is the quickest, and it is the one that stays open in every export.
        return False
    if hom.group.split:
        # One matrix is there where it is asked for: layers keep the plan that they had before it was.
        return False
    if method == "fourier":
        return True
    ins, outs = hom.space_in, hom.space_out
    least = min(plan.estimate() for plan in plans.values())
    if method == "matrix":
        entries = sum(positions(hom.group, k) * c * positions(hom.group, lo) * d for c, k in ins for d, lo in outs)
        return NOMINAL_BATCH * entries < least
    return fits(hom.group, [*map(stored_once, ins.orders)], [*map(stored_once, outs.orders)])


@lru_cache(maxsize=256)
def plan_by(hom: Hom, bias: bool, normalization: str, method: str, parameters: str = "diagrams") -> Plan:
    """The plan by one method. Raises SymbolicError, GroupError or SizeError where it is not to be had."""
    group = hom.group
    if group.split and method in ("fourier", "irreps"):
        raise GroupError(
            f"layers of {group} have no method={method!r}, which is written for axes of one index: ask for "
            "method='diagrams' or 'matrix'"
        )
    orders = (*hom.space_in.orders, *hom.space_out.orders)
    if decomposed := next((order for order in orders if is_decomposed(order)), None):
        _check_decomposed(hom, decomposed, method, parameters)
    elif method in ("fourier", "irreps") and irreps.has_irreps(*orders):
        raise GroupError(f"method={method!r} is for tensors, and {hom} has irreps: ask for method='diagrams'")
    if method == "fourier":
        return _fourier_plan(hom, bias, normalization)
    if method == "matrix":
        _check_matrix(hom)
    outs = hom.space_out.orders
    bases = _bases(hom)
    if method == "diagrams":
        _afford_halves(hom, bases.values())
    biases = _biases(hom) if bias else {}
    # Constants that are sums of diagrams are no tables.
    needed = (*bases.values(), *(maps for maps in biases.values() if not maps.plain_orders))
    if (
        method == "diagrams"
        and not any(isinstance(element, Diagram | tuple) for maps in needed for element in maps.diagrams)
        and any(map(len, bases.values()))
    ):
        other = "" if group.split or irreps.has_irreps(*orders) else " or 'irreps'"
        raise GroupError(f"the maps of {hom} are no diagrams: ask for method='matrix'{other}")
    if method == "matrix" and any(
        isinstance(element, Diagram | tuple)
        for maps in (*bases.values(), *biases.values())
        if not maps.plain_orders
        for element in maps
    ):
        raise GroupError(
            f"the maps of {hom} between symmetric tensors, or irreps, are sums of diagrams: ask for method='diagrams'"
        )
    schur = _schur(hom, bases, biases) if method == "irreps" else None
    blocks = schur if parameters == "blocks" else None
    pairs = tuple(_pair(i, o, maps, normalization, blocks) for (i, o), maps in bases.items() if len(maps))
    dims = tuple(len(biases[o]) if bias else 0 for o in range(len(outs)))
    squares = tuple(_largest(_squares(biases[o])) if bias else () for o in range(len(outs)))
    plans = [
        Plan(hom, bias, normalization, steps, pairs, dims, squares, (), method, parameters, packs, halves)
        for steps, packs, halves in _ways(hom, bases, biases, method, schur)
    ]
    # An estimate takes as long as all else, so it is asked for only where there is a choice.
    return min(plans, key=lambda plan: plan.estimate()) if len(plans) > 1 else plans[0]


def _bases(hom: Hom) -> dict[tuple[int, int], Basis]:
    """The maps behind the weights, by term of the input and of the output."""
    ins, outs = enumerate(hom.space_in.orders), hom.space_out.orders
    return {(i, o): basis(hom.group, k, lo, transfer=hom.transfer) for i, k in ins for o, lo in enumerate(outs)}


def _biases(hom: Hom) -> dict[int, Basis]:
    """The constants behind the biases, by term of the output."""
    return {o: constants(hom, lo) for o, lo in enumerate(hom.space_out.orders)}


def constants(hom: Hom, order: Order) -> Basis:
    """The tensors of an order that no element of the group changes: what a bias is made of.

    >>> from eqsynth.families.hom import Hom
    >>> from eqsynth.plans.lowering import constants
    >>> [constants(Hom.parse("S(n)", 1, 2, transfer=way), 2).formulas() for way in (None, "repeat", "pad")]
    [['y[a,a] += x', 'y[a,b] += x'], ['y[a,b] += x'], []]
    """
    return basis(hom.group, none_of(order), order, transfer=hom.transfer)


def _check_decomposed(hom: Hom, one: Order, method: str, parameters: str) -> None:
    """Raise where a problem has tensors in coordinates of irreducible parts, and a method or terms that do not go."""
    orders = (*hom.space_in.orders, *hom.space_out.orders)
    if parameters == "blocks" and not all(is_plain(stored_full(order)) for order in orders):
        raise GroupError(
            f"weights of {hom} are no entries of blocks, since {order_text(one)} stands beside symmetric tensors: "
            f"leave parameters out, or ask for {order_text(stored_full(one))}"
        )
    if method != "irreps":
        raise GroupError(
            f"method={method!r} is for tensors with an axis for each index, and {order_text(one)} is stored in "
            f"coordinates of irreducible parts: ask for method='irreps', or for {order_text(stored_full(one))}"
        )
    for order in orders:
        if irreps.has_irreps(order):
            raise GroupError(
                f"{order_text(order)} and {order_text(one)} are not mixed in one layer: ask for "
                f"{order_text(plain(order))} in place of {order_text(order)}, or for {order_text(stored_full(one))} "
                f"in place of {order_text(one)}"
            )


def _afford_halves(hom: Hom, bases: Iterable[Basis]) -> None:
    """Refuse to plan, and to write out, the reductions and spreadings of more rows of diagrams than one call may."""
    steps = 0
    for maps in bases:
        # All others are smaller, since ranks had to choose them, or have been there from the start.
        if maps.certificate.independence == "standard":
            listed, inputs, outputs = maps.plain()
            steps += outputs * len({diagram.top for diagram in listed})
            steps += inputs * len({diagram.bottom for diagram in listed})
    cure = "ask for lower orders, or for some that are shared more evenly between input and output"
    afford(f"a plan of {hom}", cure, steps=1_500 * steps)


#: The axes that are packed: factor of the group, and the kind of tensor.
Packs = tuple[tuple[int, Stored], ...]


def _ways(
    hom: Hom, bases: dict[tuple[int, int], Basis], biases: dict[int, Basis], method: str, schur: Schur | None
) -> list[tuple[tuple[Step, ...], Packs, Halves]]:
    """The steps, the axes that they pack, and the half-diagrams of values; several where a method leaves a choice."""
    ways: list[tuple[tuple[Step, ...], Packs, Halves]] = []
    if schur:
        for factored in dict.fromkeys((False, len(schur.bases.classes) > 1)):
            lowering = _Lowering(hom)
            steps = lowering.steps(bases, biases, method, replace(schur, factored=factored))
            ways.append((steps, tuple(lowering.packs), lowering.halves))
        return ways
    orders = (*hom.space_in.orders, *hom.space_out.orders)
    # Where tensors are stored full and n is a letter, places of entries would be maps anew in each call.
    worth = any(map(is_packed, orders)) or not hom.group.symbolic
    packings = (False, True) if worth and not all(map(is_plain, orders)) and method == "diagrams" else (False,)
    # Bilabelled graphs of a factor are contracted with A, or added up to tables.
    graphs = (
        method == "diagrams" and len(hom.group.factors) > 1 and any(f.kept_graph is not None for f in hom.group.factors)
    )
    for packing, as_tables in product(packings, (False, True) if graphs else (False,)):
        lowering = _Lowering(hom, packing=packing, as_tables=as_tables)
        try:
            steps = lowering.steps(bases, biases, method)
        except SizeError:
            if not ways:
                raise
            continue  # of two ways the tables of one are too large
        ways.append((steps, tuple(lowering.packs), lowering.halves))
    return ways


def _check_matrix(hom: Hom) -> None:
    """Raise where one matrix would be too large, or of unknown size."""
    group = hom.group
    if group.symbolic:
        raise SymbolicError(f"{group} leaves n open, so that there is no one matrix: ask for method='diagrams'")
    if group.diagrammatic or group.maps == "factors":
        check_size(group, hom.space_in.orders, hom.space_out.orders)


def _schur(hom: Hom, bases: dict[tuple[int, int], Basis], biases: dict[int, Basis]) -> Schur | None:
    """The step that does the work in adapted bases, with the biases if it can; None where there are no maps."""
    if hom.group.symbolic:
        raise SymbolicError(f"{hom.group} leaves n open, and its irreps with it: ask for another method")
    live = [pair for pair, maps in bases.items() if len(maps)]
    if not live:
        return None
    terms_in, terms_out = (sorted({pair[side] for pair in live}) for side in (0, 1))
    stays = _in_irreps(hom)
    orders_in, orders_out = ([as_read(k, stays) for k in space.orders] for space in (hom.space_in, hom.space_out))
    ins = tuple(dict.fromkeys(orders_in[term] for term in terms_in))
    outs = tuple(dict.fromkeys(orders_out[term] for term in terms_out))
    sources = tuple(Source("", term, ins.index(orders_in[term])) for term in terms_in)
    targets = tuple(Source("", term, outs.index(orders_out[term])) for term in terms_out)
    if not stays:
        return Schur(sources, targets, adapted(hom.group, ins, outs), False)
    fixed = Fixed(hom.group, ins, outs)
    # Constants of symmetric tensors are sums of diagrams, which are spread as without irreps.
    there = biases and fixed.trivial is not None and all(is_plain(stored_full(order)) for order in outs)
    made = tuple(Constants(o, biases[o].diagrams) for o in terms_out if there and len(biases[o]))
    return Schur(sources, targets, fixed, False, made)


def _fourier_plan(hom: Hom, bias: bool, normalization: str, levels: Collection[int] | None = None) -> Plan:
    """The plan that mixes by Fourier transforms over S_c: at the given levels c, or else where that costs less.

    Where no level gains, the one that loses least is transformed, if any has two transferred blocks or more.
    """
    if not hom.group.coarsens:
        raise GroupError(
            "method='fourier' is a transform over the orders in which a map reads positions that differ, as those of "
            f"S(n) do; {hom.group} has other maps. Ask for method='irreps' or 'diagrams', or leave it out"
        )
    if hom.group.over_complex:
        raise GroupError(
            f"{hom.group} has no plan by Fourier transform: it is written for real numbers. Ask for another method"
        )
    bases, biases = _bases(hom), _biases(hom) if bias else {}
    by_diagrams = plan_by(hom, bias, normalization, "diagrams")
    if by_diagrams.packs:
        # Levels are those of tensors that are mixed full.
        lowering = _Lowering(hom)
        steps = lowering.steps(bases, biases)
        by_diagrams = replace(by_diagrams, steps=steps, packs=tuple(lowering.packs), halves=lowering.halves)
    if levels is None:
        mixed = {step.axes for step in by_diagrams.steps if isinstance(step, Mix)}
        every = _fourier_plan(hom, bias, normalization, sorted(mixed - {0, 1}))
        gain = {c: by_diagrams.level_cost(c) - every.level_cost(c) for c in sorted(mixed - {0, 1})}
        levels = [c for c in gain if gain[c] > 0] or sorted(gain, key=lambda c: -gain[c])[:1]
        if levels == list(gain):
            return every
    if not levels:
        raise GroupError(f"no map of {hom} joins two blocks of each row: ask for method='diagrams', which is the same")
    lowering = _Lowering(hom, levels)
    steps = lowering.steps(bases, biases)
    pairs = tuple(
        replace(pair, sums=fourier.sums(bases[pair.term_in, pair.term_out], levels)) for pair in by_diagrams.pairs
    )
    return replace(by_diagrams, steps=steps, pairs=pairs, method="fourier", halves=lowering.halves)


def _pair(term_in: int, term_out: int, maps: Basis, normalization: str, blocks: Schur | None = None) -> Pair:
    if blocks:
        none = (0,) * len(maps.group.indices)
        return Pair(term_in, term_out, len(maps), none, _block_variances(term_in, term_out, blocks))
    if maps.group.maps == "factors" and not maps.group.diagrammatic:
        return _product_pair(term_in, term_out, maps, normalization)
    squares = _squares(maps)
    variances = _tied_variances(maps, squares, normalization) if squares else _variances(maps, normalization)
    return Pair(term_in, term_out, len(maps), gains(maps), variances, _largest(squares))


def _product_pair(term_in: int, term_out: int, maps: Basis, normalization: str) -> Pair:
    """The same where factors of the group have maps that are tables: variances are products of the factors' own.

    Of a product of equal inputs not all products of the factors' maps are kept, and those that are share what all have.
    """
    own = maps.factor_bases()
    variances = _variances_by_factors(maps, own, normalization)
    if len(maps) < prod(map(len, own)):
        shares = _variances_by_factors(maps, own, "variance")
        squares = mean_squares(maps, _nominal(maps.group), gained=gains(maps))
        kept = fsum(s * square for s, square in zip(shares, squares, strict=True))
        variances = tuple(variance / kept for variance in variances)
    return Pair(term_in, term_out, len(maps), gains(maps), variances, _largest(_squares(maps)))


def _variances_by_factors(maps: Basis, own: Sequence[Basis], normalization: str) -> tuple[float, ...]:
    known = [dict(zip(one.diagrams, _pair(0, 0, one, normalization).variances, strict=True)) for one in own]
    parts = map(maps.factor_parts, range(len(maps)))
    return tuple(prod(of[part] for of, part in zip(known, listed, strict=True)) for listed in parts)


def _nominal(group: Group) -> list[int]:
    """The sizes at which variances are taken: those that are known, and for letters a usual one."""
    return [f.n if isinstance(f.n, int) else NOMINAL_N + -NOMINAL_N % f.multiple for f in group.factors]


def _squares(maps: Basis) -> list[tuple[int, int]]:
    """Sums of squares of each map, in all and the largest in a row, for maps that are scaled as a whole."""
    kernel = takes_kernel(maps.group, maps.inputs, maps.outputs)
    if not len(maps) or (maps.group.diagrammatic and not kernel):
        return []
    if maps.group.maps != "factors":
        return functor.squares(maps.group, maps.diagrams, int(maps.group.n))
    # Factors with diagrams scale each sum.
    known = [dict(zip(own.diagrams, _squares(own), strict=False)) for own in maps.factor_bases()]
    listed = map(maps.factor_parts, range(len(maps)))
    parts = [[of.get(part, (1, 1)) for of, part in zip(known, own, strict=True)] for own in listed]
    return [(prod(total for total, _ in part), prod(largest for _, largest in part)) for part in parts]


def _largest(squares: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    return tuple(largest for _, largest in squares)


#: Which axis of a value is meant: a transferred one by its place in its row, or one of a head or a table, by
#: side (taken or given), factor and place; or one of a bilabelled graph that is yet to be contracted ("graph").
Label = tuple[str, int] | tuple[str, int, int]
#: For a factor of the group: transferred blocks, the axes that each head takes and gives, and whether the head is tied
#: to the transferred blocks too; for each factor that.
Legs = tuple[tuple[int, int], ...]
Shape = tuple[int, Legs, bool]
Profile = tuple[Shape, ...]
#: The term of the uses that belong to the bias, and the operand of their entries.
BIAS = -1
#: Part of a bilabelled graph: the labels of the axes that it starts from, its edges, and the labels of the axes
#: that it leads to. All other labels are summed.
Web = tuple[tuple[int, ...], tuple[tuple[int, int], ...], tuple[int, ...]]
NO_WEB: Web = ((), (), ())


@dataclass(frozen=True, slots=True)
class _Use:
    """One basis element, factored: bottom half, middle, top half."""

    term_in: int
    term_out: int
    element: int
    bottom: Half
    top: Half
    middle: tuple[int, ...]
    profile: Profile
    #: For each factor of the group what bilabelled graphs do below and above the mixing.
    below: tuple[Web, ...] = ()
    above: tuple[Web, ...] = ()
    #: The factors whose maps are tables, and these.
    tabled: tuple[int, ...] = ()
    table: tuple[Single, ...] = ()
    #: The orders of the output's axes, with signs, in which the map is added; none: as it is.
    turns: tuple[Turn, ...] = ()
    #: For each factor how its transferred axes are packed while channels are mixed; the sign of that, and of heads.
    packs: tuple[Stored | None, ...] = ()
    sign: int = 1


def _uses(group: Group, term_in: int, term_out: int, maps: Basis, as_tables: bool = False) -> list[_Use]:
    """The elements of a basis, factored; tables of groups with one factor have no factors.

    ``as_tables``: bilabelled graphs of factors are tables, too.
    """
    uses, several = [], len(group.indices) > 1
    # Elements of products share their parts.
    of_part = lru_cache(maxsize=None)(_factored)
    # What long lists have in common is one object.
    profiles: dict[Shape, Profile] = {}
    no_webs = (NO_WEB,), (NO_WEB,)
    for element, parts_of in enumerate(map(maps.parts, range(len(maps)))):
        if len(parts_of) == 1 and isinstance(parts_of[0], Orbit | MatrixMap):
            continue
        turns = maps.turns[element] if maps.turns and len(maps.turns[element]) > 1 else ()
        turns = tuple(split_turn(group, axis_counts(maps.outputs), turn) for turn in turns) if group.split else turns
        if not several:
            one = _factored(group, parts_of[0], as_tables)
            profile = profiles.setdefault(one.profile, (one.profile,))
            halves = one.bottom, one.top, one.middle
            webs = ((one.below,), (one.above,)) if one.below is not NO_WEB or one.above is not NO_WEB else no_webs
            uses.append(_Use(term_in, term_out, element, *halves, profile, *webs, turns=turns, sign=one.sign))
            continue
        parts = [of_part(factor, part, as_tables) for factor, part in zip(group.indices, parts_of, strict=True)]
        # Columns of parts: their halves, middles, profiles, webs, tables and signs.
        bottoms, tops, middles, profile, lower, upper, table, signs = zip(*parts, strict=True)
        uses.append(
            _Use(
                term_in,
                term_out,
                element,
                _beside(bottoms),
                _beside(tops),
                _joined_middle(middles),
                profile,
                lower,
                upper,
                tuple([place for place, one in enumerate(table) if one is not None]),
                tuple([one for one in table if one is not None]),
                turns,
                sign=prod(signs),
            )
        )
    return uses


class _Factored(NamedTuple):
    """An element of one factor: its halves and middle, its profile and sign, its webs, or the table that it is."""

    bottom: Half
    top: Half
    middle: tuple[int, ...]
    profile: Shape
    below: Web = NO_WEB
    above: Web = NO_WEB
    table: Single | None = None
    sign: int = 1


def _factored(factor: Group, part: Single, as_tables: bool) -> _Factored:
    if not isinstance(part, Diagram) or (as_tables and factor.kept_graph is not None):
        # All axes are taken and given, like those of a head.
        bottom, top = (
            Half(whole(axes).blocks, whole(axes).kept, whole(axes).kept) for axes in (part.inputs, part.outputs)
        )
        taken_given = ((part.inputs, part.outputs),) if part.inputs or part.outputs else ()
        return _Factored(bottom, top, (), (0, taken_given, False), table=part)
    if factor.kept_graph is not None:
        return _graph_factored(part)
    top, bottom, middle = part.factored
    if not part.head:
        return _Factored(bottom, top, middle, (len(middle), (), False))
    profile = (len(middle), tuple(functor.legs(part, factor.number)), factor.jellyfish)
    return _Factored(bottom, top, middle, profile, sign=_sign(top, middle, profile) if profile[-1] else 1)


def _graph_factored(diagram: Diagram) -> _Factored:
    """A bilabelled graph, factored at a separator: what is below it acts on the input, the rest on the output."""
    cut = separator(diagram)
    lower = below(diagram, cut)
    lower_edges = tuple(e for e in diagram.edges if lower.intersection(e) or set(e) <= set(cut))
    upper_edges = tuple(e for e in diagram.edges if e not in lower_edges)
    top, upper = _row_half(diagram, 0, diagram.outputs, {*cut, *(end for e in upper_edges for end in e)})
    bottom, under = _row_half(
        diagram, diagram.outputs, diagram.outputs + diagram.inputs, {*cut, *(end for e in lower_edges for end in e)}
    )
    # The separator's blocks in the order of each side: those of the row first.
    order_in = sorted(cut, key=lambda block: (block not in under, under.index(block) if block in under else block))
    order_out = sorted(cut, key=lambda block: (block not in upper, upper.index(block) if block in upper else block))
    return _Factored(
        bottom,
        top,
        tuple(order_in.index(block) for block in order_out),
        (len(cut), (), False),
        _web(under, lower_edges, order_in),
        _web(order_out, upper_edges, upper),
    )


@lru_cache(maxsize=1 << 16)
def _beside(halves: tuple[Half, ...]) -> Half:
    """The halves of the factors as one: the axes of each stand behind those of the factors before."""
    blocks: list[tuple[int, ...]] = []
    kept: list[int] = []
    head: list[int] = []
    vertices = 0
    for half in halves:
        kept += [len(blocks) + block for block in half.kept]
        head += [len(blocks) + block for block in half.head]
        blocks += [tuple([vertices + vertex for vertex in block]) for block in half.blocks]
        vertices += sum(map(len, half.blocks))
    return Half(tuple(blocks), tuple(kept), tuple(head))


def _joined_middle(middles: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    joined: list[int] = []
    for middle in middles:
        start = len(joined)
        joined += [start + place for place in middle]
    return tuple(joined)


def _row_half(diagram: Diagram, start: int, stop: int, keep: Collection[int]) -> tuple[Half, list[int]]:
    """The row with the blocks in ``keep`` kept, and the numbers of these blocks in order."""
    rows = sorted(
        (tuple(vertex - start for vertex in block if start <= vertex < stop), number)
        for number, block in enumerate(diagram.blocks)
    )
    rows = [(row, number) for row, number in rows if row]
    kept = [(index, number) for index, (_, number) in enumerate(rows) if number in keep]
    return Half(tuple(row for row, _ in rows), tuple(index for index, _ in kept)), [number for _, number in kept]


def _web(start: Sequence[int], edges: Sequence[tuple[int, int]], wanted: Sequence[int]) -> Web:
    """The same with labels numbered from 0: those of the start first, then the others in order."""
    others = sorted({*wanted, *(end for edge in edges for end in edge)} - set(start))
    number = {block: label for label, block in enumerate([*start, *others])}
    return (
        tuple(range(len(start))),
        tuple(sorted((number[u], number[v]) for u, v in edges)),
        tuple(number[block] for block in wanted),
    )


def _with_constants_above(uses: Sequence[_Use], levels: Collection[int] = ()) -> list[_Use]:
    """The same uses; constants that are the same everywhere are added where the whole output is mixed.

    But not at the ``levels`` that mix different labels alone.
    """
    above = {
        use.term_out: use
        for use in reversed(uses)
        if use.term_in != BIAS
        and use.middle
        and use.top == whole(len(use.top.blocks))
        and not any(edges for _, edges, _ in use.above)
        and not use.turns
        and not use.packs
        and not use.tabled
        and not _by_fourier(use.profile, levels)
    }
    moved_up = []
    for use in uses:
        like = above.get(use.term_out)
        if like and use.term_in == BIAS and _everywhere(use):
            moved_up.append(replace(use, top=like.top, middle=like.middle, profile=like.profile, above=like.above))
        else:
            moved_up.append(use)
    return moved_up


def _by_fourier(profile: Profile, levels: Collection[int]) -> bool:
    """Whether a profile is a level that mixes different labels by Fourier transform."""
    ((through, heads, _), *others) = profile
    return through in levels and not (heads or others)


def _everywhere(use: _Use) -> bool:
    edges = any(edges for _, edges, _ in use.above)
    return not use.top.kept and not edges and all(len(block) == 1 for block in use.top.blocks)


class _Lowering:
    """Collects what the mixes need, then writes reductions, mixes and spreadings in order."""

    def __init__(self, hom: Hom, levels: Collection[int] = (), packing: bool = False, as_tables: bool = False) -> None:
        self.hom, self.levels, self.packing, self.as_tables = hom, levels, packing, as_tables
        self.factors = hom.group.indices
        #: The axes that are packed.
        self.packs: list[tuple[int, Stored]] = []
        self._add_packs((*hom.space_in.orders, *hom.space_out.orders))
        #: Values with their axes packed, by the value that they come from; the packed inputs that are mixed as they
        #: are, and what is mixed packed and is a part of a packed output.
        self.packed: dict[tuple[str, tuple[tuple[int, int], ...]], str] = {}
        self.read_packed: set[int] = set()
        self.ready: list[list[str]] = [[] for _ in hom.space_out]
        #: Contractions that are made: (source, labels, edges, kept, factor) to the name of the value.
        self.contracted: dict[tuple[object, ...], str] = {}
        self.several_in, self.several_out = len(hom.space_in) > 1, len(hom.space_out) > 1
        #: Names of the reductions that are needed, and the parts that reach each top half.
        self.bottoms: list[dict[Half, str]] = [{} for _ in hom.space_in]
        self.tops: list[dict[Half, list[Part]]] = [{} for _ in hom.space_out]
        #: What heads and graphs make of reductions, to value and arrangement.
        self.heads: dict[tuple[object, ...], tuple[str, list[Label]]] = {}
        self.middle_steps: list[Step] = []
        self.names: set[str] = set()
        #: The half-diagrams that reduce, or spread, to values, and whether they are those of an output.
        self.halves: dict[str, tuple[Half, bool]] = {}

    def steps(
        self,
        bases: dict[tuple[int, int], Basis],
        biases: dict[int, Basis],
        method: str = "diagrams",
        schur: Schur | None = None,
    ) -> tuple[Step, ...]:
        """The steps. Maps that are tables become tied matrices, unless a Schur step does all."""
        group = self.hom.group
        # Constants of diagrams are cheap as they are, and those of symmetric tensors are sums of them; those of a table
        # go with it, or stand alone.
        summed = any(constants.turns for constants in biases.values())
        as_diagrams = group.diagrammatic or method == "diagrams" or summed
        if schur:
            self._add_schur(schur)
        weights = {} if schur else bases
        uses: list[_Use] = []
        for (i, o), basis_of in weights.items():
            uses += _uses(group, i, o, basis_of, self.as_tables) if method != "matrix" else []
        if schur:
            biases = {o: maps for o, maps in biases.items() if o not in {one.term for one in schur.constants}}
        for o, constants in biases.items():
            uses += _uses(group, BIAS, o, constants, self.as_tables) if as_diagrams else []
        uses = [self._packable(use) for use in uses] if self.packing else uses
        uses = _with_constants_above(uses, self.levels)
        for o in range(len(self.hom.space_out)):
            self._tie(
                o,
                {i: basis_of for (i, to), basis_of in weights.items() if to == o},
                biases.get(o),
                0 if method == "matrix" else None,
                None if as_diagrams else 0,
            )
        for profile in sorted({use.profile for use in uses}, key=_mixed_axes):
            alike = [use for use in uses if use.profile == profile]
            for kind in dict.fromkeys((use.packs, use.tabled) for use in alike):
                self._mix(profile, [use for use in alike if (use.packs, use.tabled) == kind])
        steps: list[Step] = []
        for term, order in enumerate(self.hom.space_in.orders):
            read = self._reductions(term, order, self.bottoms[term], partial(self._input_name, term))
            steps += self._unpacked_input(term, order, read) if is_packed(order) else read
        steps += self.middle_steps
        for term, order in enumerate(self.hom.space_out.orders):
            spread = self._spreads(term, order, self.tops[term])
            steps += self._packed_output(term, order, spread) if is_packed(order) else spread
        return tuple(steps)

    # --- reductions of an input, and their transposes -----------------------------------------------

    def _reductions(
        self, number: int, order: Order, wanted: dict[Half, str], name: Callable[[Half], str]
    ) -> list[Step]:
        """An input, and the steps that reduce it to the halves that are wanted; ``name`` names those on the way."""
        if not wanted:
            return []
        sizes = full_axes(self.hom.group, order)
        start = whole(len(sizes))
        names = {start: name(start)} | wanted
        steps: list[Step] = [Input(names[start], number, sizes)]
        for half, link in _tree(len(sizes), wanted, self._forms(order)):
            names.setdefault(half, name(half))
            form = self._form(sizes, link)
            steps.append(Reduce(names[half], names[link.source], link.pattern, link.forms, form))
        return steps

    def _spreads(self, term: int, order: Order, wanted: dict[Half, list[Part]]) -> list[Step]:
        """The transpose of the reductions: small tensors are added together before they are spread."""
        if not wanted:
            return [Output(term, None)]
        sizes = full_axes(self.hom.group, order)
        steps: list[Step] = []
        value: dict[Half, str] = {}
        #: Sums that are made: outputs in several orders of their axes are sums of the same parts.
        sums: dict[tuple[tuple[int, ...], tuple[Part, ...]], str] = {}
        parts_of = {half: list(parts) for half, parts in wanted.items()}

        def finish(half: Half) -> None:
            """All parts of a half are known: its value is their sum."""
            parts = parts_of[half]
            axes = tuple(sizes[half.blocks[block][0]] for block in half.kept)
            key = axes, tuple(parts)
            if parts == [Part(parts[0].source, tuple(range(len(half.kept))))]:
                value[half] = parts[0].source
            elif key in sums:
                value[half] = sums[key]
            else:
                value[half] = sums[key] = self._half_name("y", term, half, self.several_out)
                steps.append(Spread(value[half], term, axes, tuple(parts)))

        for half, link in reversed(_tree(len(sizes), wanted, self._forms(order))):
            finish(half)
            part = Part(value[half], link.pattern, link.forms, form=self._form(sizes, link))
            parts_of.setdefault(link.source, []).append(part)
        finish(whole(len(sizes)))
        steps.append(Output(term, value[whole(len(sizes))]))
        return steps

    def _input_name(self, term: int, half: Half) -> str:
        return self._half_name("x", term, half, self.several_in)

    def _add_packs(self, orders: Iterable[Order]) -> None:
        """Packed axes of tensors as they are stored."""
        for order in orders:
            for index, one in enumerate(self._index_entries(order)):
                if stored_packed(one):
                    self._pack_size(index, one)

    def _index_entries(self, order: Order) -> list[FactorAxes | None]:
        """What an order says of each factor, at the first of its indices."""
        listed = list[FactorAxes | None]([None] * len(self.factors))
        for own, one in zip(indices_of(self.hom.group), entries_of(order), strict=True):
            listed[own[0]] = one
        return listed

    def _stored_packings(self, order: Order) -> list[tuple[int, int]]:
        """Where a tensor is packed as it is stored, and the sizes of these axes."""
        return self._packings(self._index_entries(order), index_counts(self.hom.group, order))

    # --- packed tensors -----------------------------------------------------------------------------

    def _pack_size(self, factor: int, symmetry: Stored) -> int:
        """The size of a packed axis."""
        if (factor, symmetry) not in self.packs:
            self.packs.append((factor, symmetry))
        return len(self.hom.group.indices) + self.packs.index((factor, symmetry))

    def _packings(self, entries: Sequence[FactorAxes | None], counts: Sequence[int]) -> list[tuple[int, int]]:
        """Where axes are packed, and the size that they get: from the last, so that the earlier stay in place."""
        packings = []
        for factor, (one, start) in enumerate(zip(entries, accumulate((0, *counts[:-1])), strict=True)):
            if stored_packed(one):
                packings.append((start, self._pack_size(factor, one)))
        return packings[::-1]

    def _pack(self, source: str, target: str, packings: Sequence[tuple[int, int]]) -> list[Step]:
        names = [*(f"{target}_p{number}" for number in range(1, len(packings))), target]
        steps: list[Step] = []
        for name, (start, size) in zip(names, packings, strict=True):
            steps.append(Pack(name, source, start, size))
            source = name
        return steps

    def _unpack(self, source: str, target: str, packings: Sequence[tuple[int, int]]) -> list[Step]:
        names = [*(f"{target}_u{number}" for number in range(1, len(packings))), target]
        steps: list[Step] = []
        for name, (start, size) in zip(names, reversed(packings), strict=True):
            # With the earlier axes unpacked, an axis is where it is in the full tensor.
            steps.append(Unpack(name, source, start, size))
            source = name
        return steps

    def _packed_name(self, term: int) -> str:
        return _name("p", term, whole(0), self.several_in)

    def _unpacked_input(self, term: int, order: Order, read: list[Step]) -> list[Step]:
        """The steps that read a packed input: it is unpacked where it is needed full."""
        name = self._packed_name(term)
        if not read and term not in self.read_packed:
            return []
        steps: list[Step] = [Input(name, term, stored_axes(self.hom.group, order, self.packs))]
        if read:
            (first, *rest) = read
            assert isinstance(first, Input)  # noqa: S101 - reductions begin with their input
            steps += [
                *self._unpack(name, first.target, self._stored_packings(order)),
                *rest,
            ]
        return steps

    def _packed_output(self, term: int, order: Order, spread: list[Step]) -> list[Step]:
        """The steps that make a packed output: what is mixed packed is added to what was spread and is packed."""
        *steps, last = spread
        assert isinstance(last, Output)  # noqa: S101 - spreadings end with their output
        ready = list(self.ready[term])
        if last.source is not None:
            packed = self._fresh(_name("q", term, whole(0), self.several_out))
            steps += self._pack(last.source, packed, self._stored_packings(order))
            ready.append(packed)
        if not ready:
            return [last]
        axes = stored_axes(self.hom.group, order, self.packs)
        if len(ready) > 1:
            total = self._fresh(_name("q_sum", term, whole(0), self.several_out))
            straight = tuple(range(len(axes)))
            steps.append(Spread(total, term, axes, tuple(Part(name, straight) for name in ready)))
            ready = [total]
        return [*steps, Output(term, ready[0])]

    def _packable(self, use: _Use) -> _Use:
        """The same use, mixed packed in the factors in which its reduction is symmetric or alternating.

        It is in blocks that all take equally many axes of one symmetric input, or one axis each of an alternating one;
        for other symmetries of indices where nothing is reduced.
        """
        if use.term_in == BIAS or any(heads for _, heads, _ in use.profile):
            return use
        if any(factor.kept_graph is not None for factor in self.factors):
            return use
        packs: list[Stored | None] = []
        middle, sign, start = list(use.middle), 1, 0
        kept = [use.bottom.blocks[block] for block in use.bottom.kept]
        orders = self.hom.space_in.orders[use.term_in], self.hom.space_out.orders[use.term_out]
        # Axes of several indices are mixed with all of their entries.
        single = [len(indices_beside(self.hom.group, index)) == 1 for index in range(len(self.factors))]
        entries = (
            [one if alone else None for one, alone in zip(self._index_entries(order), single, strict=True)]
            for order in orders
        )
        for (count, *_), one, other in zip(use.profile, *entries, strict=True):
            lengths = {len(block) for block in kept[start : start + count]}
            alike = len(lengths) == 1 and isinstance(one, Symmetry) and (lengths == {1} or not one.signed)
            order = tuple(place - start for place in middle[start : start + count])
            irrep = next((part for part in (one, other) if isinstance(part, Irrep) and part.order == count > 0), None)
            by = 0
            if irrep is not None and (irrep.alike or order == tuple(sorted(order))):
                # All of its axes go on to the other row.
                packs.append(irrep)
                by = sign_of(order) if irrep.alike < 0 else 1
            elif count > 1 and alike and isinstance(one, Symmetry) and (one.short or count == one.order):
                whole_of = count == one.order
                packs.append(replace(one, packed=True) if whole_of else Symmetry(one.kind, count, packed=True))
                by = one.sign(order)
            else:
                packs.append(None)
            if by:
                sign *= by
                middle[start : start + count] = range(start, start + count)
            start += count
        if not any(packs):
            return use
        return replace(use, packs=tuple(packs), middle=tuple(middle), sign=sign)

    def _forms(self, order: Order) -> frozenset[int]:
        """The vertices of a row whose pairs carry a form."""
        sizes = full_axes(self.hom.group, order)
        return frozenset(v for v, factor in enumerate(sizes) if self.hom.group.indices[factor].paired)

    def _form(self, sizes: Sequence[int], link: Link) -> str:
        """The form that a link contracts with, if any: that of the axes of its pair."""
        if not link.forms:
            return "omega"
        ((left, _),) = link.forms
        (vertex, *_) = link.source.blocks[link.source.kept[left]]
        return self.hom.group.indices[sizes[vertex]].form

    def _fresh(self, name: str) -> str:
        """The name, or one like it that is not taken."""
        fresh, number = name, 2
        while fresh in self.names:
            fresh, number = f"{name}_v{number}", number + 1
        self.names.add(fresh)
        if name in self.halves:
            self.halves[fresh] = self.halves[name]
        return fresh

    def _half_name(self, prefix: str, term: int, half: Half, several: bool) -> str:
        """The name of a value that a half-diagram reduces or spreads to."""
        name = _name(prefix, term, half, several)
        self.halves[name] = half, prefix != "x"
        return name

    # --- maps that are tables ---------------------------------------------------------------------

    def _add_schur(self, step: Schur) -> None:
        sources, targets, after = [], [], list[Step]()
        for end in step.sources:
            order = self.hom.space_in.orders[end.term]
            once = step.bases.ins[end.order]
            if is_packed(order) and order == once:
                sources.append(replace(end, name=self._read_packed(end.term)))
                continue
            half = whole(axes_of(order))
            name = self.bottoms[end.term].setdefault(half, _name("x", end.term, half, self.several_in))
            if is_packed(once):
                full, name = name, self._fresh(f"{name}_p")
                self.middle_steps += self._pack(full, name, self._packings(entries_of(once), axis_counts(order)))
            sources.append(replace(end, name=name))
        for end in step.targets:
            order = self.hom.space_out.orders[end.term]
            once, count = step.bases.outs[end.order], axes_of(order)
            name = self._fresh(_name("s", end.term, whole(count), self.several_out))
            targets.append(replace(end, name=name))
            if is_packed(order) and order == once:
                self.ready[end.term].append(name)
                continue
            if is_packed(once):
                packed, name = name, self._fresh(_name("u", end.term, whole(count), self.several_out))
                after += self._unpack(packed, name, self._packings(entries_of(once), axis_counts(order)))
            self.tops[end.term].setdefault(whole(count), []).append(Part(name, tuple(range(count))))
        self.middle_steps += [replace(step, sources=tuple(sources), targets=tuple(targets)), *after]

    def _tie(
        self,
        term_out: int,
        bases: dict[int, Basis],
        biases: Basis | None,
        first_weight: int | None,
        first_constant: int | None,
    ) -> None:
        """One tied matrix for the maps into a term, from an element on; None: from the first that is a table."""
        orders_in, sizes = self.hom.space_in.orders, full_axes(self.hom.group, self.hom.space_out.orders[term_out])
        order = len(sizes)

        def first(maps: Basis, start: int | None) -> int:
            return (
                sum(not isinstance(element, Orbit | MatrixMap) for element in maps.diagrams) if start is None else start
            )

        tables = []
        for i, maps in bases.items():
            start = first(maps, first_weight)
            if listed := self._on_indices(maps, start):
                half = whole(len(full_axes(self.hom.group, orders_in[i])))
                name = self.bottoms[i].setdefault(half, _name("x", i, half, self.several_in))
                tables.append(Table(name, i, listed, start))
        start = first(biases, first_constant) if biases else 0
        constants = self._on_indices(biases, start) if biases else ()
        if tables or constants:
            target = self._fresh(_name("t", term_out, whole(order), self.several_out))
            self.middle_steps.append(
                Tied(
                    target,
                    term_out,
                    sizes,
                    tuple(tables),
                    constants,
                    start,
                )
            )
            self.tops[term_out].setdefault(whole(order), []).append(Part(target, tuple(range(order))))

    def _on_indices(self, maps: Basis, start: int) -> tuple[Element, ...]:
        """Elements from one on, tables of axes that are made of several indices as those of these indices."""
        elements = maps.diagrams[start:]
        if not self.hom.group.split or not any(isinstance(element, MatrixMap) for element in elements):
            return elements
        own = self.hom.group.index_lengths(self.hom.group.number)
        return tuple(functor.on_indices(element, own) for element in elements if isinstance(element, MatrixMap))

    # --- contraction with the adjacency matrix --------------------------------------------------------

    def _contracted(
        self, source: str, arrangement: list[Label], use: _Use, middle: Sequence[int], above: bool
    ) -> tuple[str, list[Label]]:
        """Steps that apply what bilabelled graphs do below or above the mixing; the axes of other factors ride along.

        ``middle``: for each transferred axis by its place in the top row, the label that it has in the arrangement.
        """
        start = 0
        for factor, web in enumerate(use.above if above else use.below):
            count = use.profile[factor][0]
            if self.factors[factor].kept_graph is not None and factor not in use.tabled:
                transferred: list[Label] = [("t", middle[start + place]) for place in range(count)]
                hanging: list[Label] = [("graph", factor, place) for place in range(len(web[2 if above else 0]))]
                begin, end = (transferred, hanging) if above else (hanging, transferred)
                # Axes that ride along have labels behind those of the web.
                free = 1 + max([-1, *web[0], *web[2], *(label for edge in web[1] for label in edge)])
                axes = [
                    web[0][begin.index(label)] if label in begin else free + place
                    for place, label in enumerate(arrangement)
                ]
                riding = {free + place: label for place, label in enumerate(arrangement) if label not in begin}
                source, axes = self._contract(source, axes, factor, web[1], [*web[2], *riding])
                arrangement = [riding[label] if label in riding else end[web[2].index(label)] for label in axes]
            start += count
        return source, arrangement

    def _contract(
        self,
        source: str,
        axes: Sequence[int],
        factor: int,
        edges: Sequence[tuple[int, int]],
        wanted: Sequence[int],
    ) -> tuple[str, list[int]]:
        """Steps that multiply by entries of A and sum, one label at a time, those not wanted; labels of the axes."""
        axes, edges = list(axes), list(edges)
        while left := sorted({*axes, *(end for edge in edges for end in edge)} - set(wanted)):
            # The label that leaves the fewest axes goes first.
            label = min(left, key=lambda one: len({*axes, *_near(one, edges)} - {one}))
            touching = [edge for edge in edges if label in edge]
            edges = [edge for edge in edges if label not in edge]
            if label not in axes:
                source, axes = self._weigh(source, axes, factor, touching, hidden=label)
                continue
            for edge in touching:
                if all(end in axes for end in edge):
                    source, axes = self._weigh(source, axes, factor, [edge])
            onward = [edge for edge in touching if not all(end in axes for end in edge)]
            last = [edge for edge in onward if set(edge) == set(onward[-1])] if onward else []
            for neighbour in sorted(_near(label, onward)):
                if len(last) > 1 or neighbour not in last[0]:
                    source, axes = self._weigh(source, axes, factor, [edge for edge in onward if neighbour in edge])
            place = axes.index(label)
            if len(last) == 1:
                (new,) = _near(label, last)
                source = self._step(source, axes, factor, last, [*axes[:place], new, *axes[place + 1 :]])
                axes[place] = new
            else:
                source = self._sum(source, axes, label)
                axes.remove(label)
        for edge in edges:
            source, axes = self._weigh(source, axes, factor, [edge])
        return source, axes

    def _weigh(
        self,
        source: str,
        axes: list[int],
        factor: int,
        edges: Sequence[tuple[int, int]],
        hidden: int | None = None,
    ) -> tuple[str, list[int]]:
        """Multiply by entries of A, summed over the label ``hidden``; ends that are no axes yet become axes."""
        new = sorted({end for edge in edges for end in edge} - {*axes, hidden})
        return self._step(source, axes, factor, edges, [*axes, *new]), [*axes, *new]

    def _step(
        self,
        source: str,
        axes: Sequence[int],
        factor: int,
        edges: Sequence[tuple[int, int]],
        kept: Sequence[int],
    ) -> str:
        """A Contract step, made once for equal ones; labels numbered by the axes of the source."""
        graph = self.factors[factor].kept_graph
        directed = graph is not None and graph.directed
        others = sorted({*kept, *(end for edge in edges for end in edge)} - set(axes))
        number = {label: place for place, label in enumerate([*axes, *others])}
        pairs = [(number[u], number[v]) for u, v in edges]
        pairs = sorted(pairs if directed else [(min(pair), max(pair)) for pair in pairs])
        key = (source, tuple(range(len(axes))), tuple(pairs), tuple(number[label] for label in kept), factor)
        if key not in self.contracted:
            self.contracted[key] = self._fresh(f"{source}_A")
            self.middle_steps.append(Contract(self.contracted[key], *key))
        return self.contracted[key]

    def _sum(self, source: str, axes: Sequence[int], label: int) -> str:
        left = iter(range(len(axes)))
        pattern = tuple(None if axis == label else next(left) for axis in axes)
        key = (source, pattern)
        if key not in self.contracted:
            self.contracted[key] = self._fresh(f"{source}_s")
            self.middle_steps.append(Reduce(self.contracted[key], source, pattern))
        return self.contracted[key]

    # --- one Mix per profile ----------------------------------------------------------------------

    def _mix(self, profile: Profile, uses: Sequence[_Use]) -> None:
        weights = [use for use in uses if use.term_in != BIAS]
        straight = tuple(range(sum(count for count, *_ in profile)))
        by_fourier = _by_fourier(profile, self.levels)
        permute_inputs = by_fourier or (all(map(_packs_straight, weights)) and self._permutes_inputs(profile, uses))
        tabled = uses[0].tabled
        labels = _canonical(profile, tabled)
        sizes = [factor for factor, (count, *_) in enumerate(profile) for _ in range(count)]
        sizes += [int(label[1]) for label in labels[len(straight) :]]
        taken, given = _table_labels(profile, tabled)

        def operand_key(use: _Use) -> tuple[object, ...]:
            return (use.term_in, use.bottom.key, use.below, use.middle if permute_inputs else straight)

        def target_key(use: _Use) -> tuple[object, ...]:
            return (use.term_out, use.top.key, use.above, straight if permute_inputs else use.middle, use.turns)

        operand_keys, target_keys = [operand_key(use) for use in weights], [target_key(use) for use in uses]
        operand_of = dict(zip(operand_keys, weights, strict=True))
        target_of = dict(zip(target_keys, uses, strict=True))
        operand_at = {key: index for index, key in enumerate(sorted(operand_of))}
        target_at = {key: index for index, key in enumerate(sorted(target_of))}
        packs, counts = uses[0].packs, [count for count, *_ in profile]
        packings = self._packings(packs, counts) if packs else []
        reduced = [
            (use, *((self._read_packed(use.term_in), labels) if self._is_read(use) else self._reduced(use)))
            for use in map(operand_of.__getitem__, operand_at)
        ]

        def orders() -> list[tuple[int, ...]]:
            """For each operand the axis of its value that every mixed axis is."""
            return [
                tuple(map(arrangement.index, _arranged([*labels, *taken], use.middle if permute_inputs else straight)))
                for use, _, arrangement in reduced
            ]

        if not by_fourier and not tabled and len(same := set(orders())) == 1:
            # One order for all operands: mix in that order, and nothing is permuted.
            (order,) = same
            labels = [labels[order.index(axis)] for axis in range(len(order))]
            sizes = [sizes[order.index(axis)] for axis in range(len(order))]
        operands = [Operand(name, use.term_in, order) for (use, name, _), order in zip(reduced, orders(), strict=True)]
        if packings:
            sizes, place = self._packed_axes(packs, counts)
            operands = [
                Operand(self._packed(one, packings), one.term, tuple(dict.fromkeys(place[a] for a in one.middle)))
                for one in operands
            ]
        targets = [
            Target(self._fresh(self._half_name("z", use.term_out, use.top.headless, self.several_out)), use.term_out)
            for use in map(target_of.__getitem__, target_at)
        ]
        read = iter(operand_keys)
        tables = {table: number for number, table in enumerate(_tables(uses))}
        joined = [
            Entry(target_at[to], BIAS if use.term_in == BIAS else operand_at[next(read)], use.element, use.sign, table)
            for use, to in zip(uses, target_keys, strict=True)
            for table in [tables[use.table]]
        ]
        entries, biases = (tuple(e for e in joined if (e.operand == BIAS) == bias) for bias in (False, True))
        products = 1 if by_fourier or tabled else self._products(sizes, [operand.term for operand in operands])
        applied = self._tabled(tabled, taken, given, tuple(tables))
        mixed = (tuple(sizes), tuple(operands), tuple(targets), entries, biases, products, by_fourier, applied)
        self.middle_steps.append(Mix(*mixed))
        for key, target in zip(target_at, targets, strict=True):
            use = target_of[key]
            self._finish(use, target.name, [*labels, *given], straight if permute_inputs else use.middle, packings)

    def _tabled(
        self,
        tabled: tuple[int, ...],
        taken: Sequence[Label],
        given: Sequence[Label],
        tables: tuple[tuple[Single, ...], ...],
    ) -> Tabled | None:
        """What a mixing applies of the factors whose maps are tables."""
        if not tabled:
            return None
        sides = (tuple(int(label[1]) for label in taken), tuple(int(label[1]) for label in given))
        applied = Tabled(tabled, *sides, tables)
        lengths = [self.factors[factor].number ** applied.axes(factor) for factor in tabled]
        entries = prod(lengths)
        if not applied.orbits:
            # Orbits are one table of places together, all others a table each: of a factor, or of the product.
            grid = applied.grid
            each = [length * len(own) for length, own in zip(lengths, grid, strict=True)] if grid else []
            entries = max(entries, *each) if grid else entries * len(tables)
        if entries > MAX_TABLE:
            raise SizeError(
                f"{' x '.join(str(self.factors[factor]) for factor in tabled)} takes {len(taken)} axes to {len(given)} "
                f"by tables of {entries:,} entries, more than {MAX_TABLE:,}: ask for lower orders"
            )
        return applied

    def _permutes_inputs(self, profile: Profile, uses: Sequence[_Use]) -> bool:
        """Whether operands are copied in all orders of their axes, rather than targets placed in them."""
        weights = [use for use in uses if use.term_in != BIAS]
        # A tied head needs its axes in one order; behind a loose head, one permutation for all costs nothing
        # on the outputs, which are placed axis by axis anyway.
        if any(flag for *_, flag in profile):
            return True
        tabled = uses[0].tabled
        if any(heads for factor, (_, heads, _) in enumerate(profile) if factor not in tabled):
            return len({use.middle for use in weights}) != 1
        # The c! permutations go to the side that has fewer channels to copy.
        wide_in = sum(self.hom.space_in.channels[i] for i, *_ in {(u.term_in, u.bottom, u.below) for u in weights})
        wide_out = sum(self.hom.space_out.channels[o] for o, *_ in {(u.term_out, u.top, u.above) for u in uses})
        return 2 * wide_in <= 3 * wide_out

    def _packed_axes(self, packs: Sequence[Stored | None], counts: Sequence[int]) -> tuple[list[int], list[int]]:
        """The sizes of mixed axes where some are packed, and for each axis the one that it becomes."""
        sizes = [
            size
            for factor, (one, count) in enumerate(zip(packs, counts, strict=True))
            for size in ([self._pack_size(factor, one)] if one else [factor] * count)
        ]
        lengths = [1 if one else count for one, count in zip(packs, counts, strict=True)]
        starts = accumulate((0, *lengths[:-1]))
        place = [
            start + (0 if one else axis)
            for one, count, start in zip(packs, counts, starts, strict=True)
            for axis in range(count)
        ]
        return sizes, place

    def _finish(
        self,
        use: _Use,
        value: str,
        arrangement: list[Label],
        middle: tuple[int, ...],
        packings: Sequence[tuple[int, int]],
    ) -> None:
        """What comes after the mixing of a target, up to its place in the output."""
        if packings and middle == tuple(range(len(middle))) and self._is_ready(use):
            self.ready[use.term_out].append(value)
            return
        if packings:
            full = self._fresh(_name("u", use.term_out, use.top.headless, self.several_out))
            self.middle_steps += self._unpack(value, full, packings)
            value = full
        for factor, head in _heads(use):
            if _takes_after(use.profile[factor][1][head]):
                value, arrangement = self._hodge(value, arrangement, use.profile, factor, head)
        value, arrangement = self._contracted(value, arrangement, use, middle, above=True)
        row = self._row(use.top, use, "given", full_axes(self.hom.group, self.hom.space_out.orders[use.term_out]))
        self._place(use, Part(value, tuple(map(arrangement.index, _arranged(row, middle)))))

    def _packed(self, operand: Operand, packings: Sequence[tuple[int, int]]) -> str:
        """The value of an operand with its axes packed."""
        name = operand.source
        if name == self._packed_name(operand.term):
            return name
        key = name, tuple(packings)
        if key not in self.packed:
            self.packed[key] = self._fresh(f"{name}_p")
            self.middle_steps += self._pack(name, self.packed[key], packings)
        return self.packed[key]

    def _read_packed(self, term: int) -> str:
        self.read_packed.add(term)
        return self._packed_name(term)

    def _is_read(self, use: _Use) -> bool:
        """Whether a packed input is mixed as it is."""
        return self._stays_packed(use.packs, use.bottom, self.hom.space_in.orders[use.term_in])

    def _is_ready(self, use: _Use) -> bool:
        """Whether what is mixed packed is, as it is, a part of a packed output."""
        return self._stays_packed(use.packs, use.top, self.hom.space_out.orders[use.term_out]) and not use.turns

    def _stays_packed(self, packs: Sequence[Stored | None], half: Half, order: Order) -> bool:
        """Whether all axes of a tensor are mixed packed as they are stored."""
        stored = tuple(one if stored_packed(one) else None for one in self._index_entries(order))
        return packs == stored and half == whole(len(full_axes(self.hom.group, order)))

    def _place(self, use: _Use, part: Part) -> None:
        """A part of an output, on its axes in all orders in which it is added."""
        sizes = full_axes(self.hom.group, self.hom.space_out.orders[use.term_out])
        directed = frozenset(v for v, factor in enumerate(sizes) if self.hom.group.indices[factor].symplectic)
        for half, placed in _turned(use.top.headless, part, use.turns, directed):
            self.tops[use.term_out].setdefault(half, []).append(placed)

    def _products(self, axes: Sequence[int], terms_in: Sequence[int]) -> int:
        """How many products a Mix takes: copies of its operands stay below the input and output together."""
        sizes = [factor.n if isinstance(factor.n, int) else NOMINAL_N for factor in self.hom.group.indices]
        beside = [indices_beside(self.hom.group, index) for index, _ in self.packs]
        sizes += [one.length(prod(sizes[own] for own in at)) for at, (_, one) in zip(beside, self.packs, strict=True)]
        held = sum(
            channels * prod(sizes[factor] for factor in stored_axes(self.hom.group, order, self.packs))
            for space in (self.hom.space_in, self.hom.space_out)
            for channels, order in space
        )
        copied = sum(self.hom.space_in.channels[term] for term in terms_in) * prod(sizes[factor] for factor in axes)
        return max(1, min(len(terms_in), -(-copied // held)))

    def _reduced(self, use: _Use) -> tuple[str, list[Label]]:
        """The reduction that a use needs, with the heads applied that come before the mixing."""
        half = use.bottom.headless
        name = self.bottoms[use.term_in].setdefault(half, self._input_name(use.term_in, half))
        cached = (use.term_in, use.bottom, use.profile, use.below, use.tabled)
        if cached not in self.heads:
            sizes = full_axes(self.hom.group, self.hom.space_in.orders[use.term_in])
            arrangement = self._row(use.bottom, use, "taken", sizes)
            for factor, head in _heads(use):
                if not _takes_after(use.profile[factor][1][head]):
                    name, arrangement = self._hodge(name, arrangement, use.profile, factor, head)
            places = range(sum(count for count, *_ in use.profile))
            self.heads[cached] = self._contracted(name, arrangement, use, places, above=False)
        return self.heads[cached]

    def _row(self, half: Half, use: _Use, side: str, sizes: Sequence[int]) -> list[Label]:
        """What each kept block of a row is."""
        labels: list[Label] = []
        through = list(accumulate((0, *(count for count, *_ in use.profile[:-1]))))
        placed = [0] * len(use.profile)
        # The blocks of a head in its order, those of one head after those of another.
        tied: dict[int, int] = {}
        for block in half.head:
            factor = sizes[half.blocks[block][0]]
            tied[block] = placed[factor]
            placed[factor] += 1
        for block in half.kept:
            factor = sizes[half.blocks[block][0]]
            if block in tied:
                labels.append((side, factor, tied[block]))
            elif self.factors[factor].kept_graph is None:
                labels.append(("t", through[factor]))
                through[factor] += 1
            else:
                labels.append(("graph", factor, placed[factor]))
                placed[factor] += 1
        return labels

    def _hodge(
        self, source: str, arrangement: list[Label], profile: Profile, factor: int, head: int
    ) -> tuple[str, list[Label]]:
        count, heads, tied = profile[factor]
        taken, given = heads[head]
        start = sum(other for other, *_ in profile[:factor])
        bound: list[Label] = [("t", place) for place in range(start, start + count)] if tied else []
        eaten, free = _labels_of_head(factor, heads, head)
        carried = [label for label in arrangement if label not in bound and label not in eaten]
        order = tuple(arrangement.index(label) for label in [*carried, *bound, *eaten])
        n = self.hom.group.indices[factor].n
        assert isinstance(n, int), "a head exists only where n is a number"  # noqa: S101 - for the type checker
        target = self._fresh(f"{source}_h{given}")
        self.middle_steps.append(Hodge(target, source, order, factor, n, len(bound), taken, given))
        return target, [*carried, *bound, *free]


def _arranged(labels: Sequence[Label], middle: Sequence[int]) -> list[Label]:
    """The same labels, transferred axes by their places in the other row."""
    return [("t", middle[int(label[1])]) if label[0] == "t" else label for label in labels]


def _turned(half: Half, part: Part, turns: Sequence[Turn], directed: frozenset[int]) -> list[tuple[Half, Part]]:
    """A top half and the part for it, with the axes of the output in other orders.

    ``directed``: the vertices whose pairs carry a form that exchanging them negates.
    """
    if not turns:
        return [(half, part)]
    images = []
    for axes, sign in turns:
        rows = [tuple(axes.index(vertex) for vertex in block) for block in half.blocks]
        # omega(right, left) = -omega(left, right)
        pairs = [rows[block] for block in half.dropped if rows[block][0] in directed]
        by = sign * (-1) ** sum(pair[0] > pair[-1] for pair in pairs)
        order = sorted(range(len(rows)), key=lambda block: sorted(rows[block]))
        kept = [block for block in order if block in half.kept]
        turned = Half(tuple(tuple(sorted(rows[block])) for block in order), tuple(order.index(block) for block in kept))
        pattern = tuple(part.pattern[half.kept.index(block)] for block in kept)
        images.append((turned, Part(part.source, pattern, sign=by)))
    return images


def _packs_straight(use: _Use) -> bool:
    """Whether axes that are packed are mixed in their order; where one stays in another, outputs are placed in it."""
    starts = accumulate((0, *(count for count, *_ in use.profile[:-1])))
    return all(
        use.middle[start + axis] == start + axis
        for one, start in zip(use.packs, starts, strict=False)
        for axis in range(one.order if one else 0)
    )


def _takes_after(taken_given: tuple[int, int]) -> bool:
    """Whether a head comes after the mixing: where that leaves fewer axes to mix on."""
    taken, given = taken_given
    return given > taken


def _heads(use: _Use) -> list[tuple[int, int]]:
    """The heads of a use that are no tables: factor and number of each."""
    return [
        (factor, head)
        for factor, (_, heads, _) in enumerate(use.profile)
        if factor not in use.tabled
        for head in range(len(heads))
    ]


def _labels_of_head(factor: int, heads: Legs, head: int) -> tuple[list[Label], list[Label]]:
    """The axes that a head takes, and those that it gives."""
    starts = [sum(legs[side] for legs in heads[:head]) for side in (0, 1)]
    taken, given = ([*range(start, start + count)] for start, count in zip(starts, heads[head], strict=True))
    return [("taken", factor, place) for place in taken], [("given", factor, place) for place in given]


def _mixed_axes(profile: Profile) -> tuple[object, ...]:
    return (sum(count + sum(map(min, heads)) for count, heads, _ in profile), profile)


def _tables(uses: Sequence[_Use]) -> list[tuple[Single, ...]]:
    """The tables of some uses, each once: in the order of their parts, those of the first factor first."""
    listed = dict.fromkeys(use.table for use in uses)
    # Terms with tensors of other kinds bring other elements: of each factor they stand as code lists them.
    parts = [sorted(dict.fromkeys(column), key=table_key) for column in zip(*listed, strict=True)]
    places = [{part: place for place, part in enumerate(own)} for own in parts]
    return sorted(listed, key=lambda table: [place[part] for place, part in zip(places, table, strict=True)])


def _table_labels(profile: Profile, tabled: Sequence[int]) -> tuple[list[Label], list[Label]]:
    """The axes that tables take, and those that they give."""
    sides = [_labels_of_head(factor, profile[factor][1], 0) for factor in tabled if profile[factor][1]]
    return [label for taken, _ in sides for label in taken], [label for _, given in sides for label in given]


def _canonical(profile: Profile, tabled: Sequence[int]) -> list[Label]:
    """The axes on which a profile is mixed: transferred ones, then those of the heads."""
    labels: list[Label] = [("t", place) for place in range(sum(count for count, *_ in profile))]
    for factor, (_, heads, _) in enumerate(profile):
        for head, taken_given in enumerate(heads if factor not in tabled else ()):
            taken, given = _labels_of_head(factor, heads, head)
            labels += taken if _takes_after(taken_given) else given
    return labels


def _sign(top: Half, middle: Sequence[int], profile: Shape) -> int:
    """The sign between the order in which a tied head is applied and the order of the diagram's blocks.

    The diagram has epsilon(blocks that touch outputs, left to right, then the others); the step has
    epsilon(transferred, given, taken), the transferred ones in the order in which it sees them.
    """
    through, given, sequence = 0, len(middle), []
    for block in top.kept:
        if block in top.head:
            sequence.append(given)
            given += 1
        else:
            sequence.append(through if _takes_after(profile[1][0]) else middle[through])
            through += 1
    return sign_of(sequence)


def _name(prefix: str, term: int, half: Half, several: bool) -> str:
    """``x_a1``: letters are kept indices, digits are dropped ones, equal marks are one block."""
    marks = _marks(half)
    stem = f"{prefix}{term}" if several else prefix
    return f"{stem}_{marks}" if marks else stem


def _marks(half: Half) -> str:
    letters = {block: LETTERS[position] for position, block in enumerate(half.kept)}
    digits = {block: DIGITS[position] for position, block in enumerate(half.dropped)}
    named = letters | digits
    of_vertex = {vertex: named[block] for block, row in enumerate(half.blocks) for vertex in row}
    return "".join(of_vertex[vertex] for vertex in range(len(of_vertex)))


def _near(label: int, edges: Iterable[tuple[int, int]]) -> set[int]:
    """The other ends of the edges at a label."""
    return {end for edge in edges if label in edge for end in edge} - {label}


# --- half-diagrams ------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def whole(order: int) -> Half:
    """The half-diagram that does nothing: every vertex a kept block of its own."""
    return Half(tuple((vertex,) for vertex in range(order)), tuple(range(order)))


@dataclass(frozen=True, slots=True)
class Link:
    """One step from a half-diagram to another: the source, and the step as a Reduce."""

    source: Half
    pattern: Pattern
    forms: Forms = ()


def parent(half: Half, known: Iterable[Half] = (), forms: frozenset[int] = frozenset()) -> Link | None:
    """The half-diagram that ``half`` is one step away from, and that step.

    Sums over single vertices come first (they shrink the tensor), then diagonals (free views),
    then sums over diagonals. Dropped pairs of vertices in ``forms`` are contracted with the form of the
    group. Among several possible parents one already in ``known`` is preferred.
    """
    if not isinstance(known, set):
        known = set(known)
    blocks, kept = half.blocks, half.kept
    paired = [block for block in half.dropped if blocks[block][0] in forms]
    if paired:
        links = [_split_pair(half, block) for block in paired]
        return next((link for link in links if link.source in known), links[0])
    long_dropped = [block for block in half.dropped if len(blocks[block]) > 1]
    if long_dropped:
        options = [Half(blocks, tuple(sorted((*kept, block)))) for block in long_dropped]
    elif any(len(blocks[block]) > 1 for block in kept):
        singles = tuple(sorted((vertex,) for block in blocks for vertex in block))
        dropped = {blocks[block][0] for block in half.dropped}
        finer = Half(singles, tuple(index for index, (vertex,) in enumerate(singles) if vertex not in dropped))
        axis_of = {vertex: axis for axis, block in enumerate(kept) for vertex in blocks[block]}
        return Link(finer, tuple(axis_of[singles[block][0]] for block in finer.kept))
    elif half.dropped:
        options = [Half(blocks, tuple(sorted((*kept, block)))) for block in reversed(half.dropped)]
    else:
        return None
    chosen = next((option for option in options if option in known), options[0])
    return Link(chosen, tuple(kept.index(block) if block in kept else None for block in chosen.kept))


def _split_pair(half: Half, block: int) -> Link:
    """The half in which a dropped pair is two kept single vertices."""
    pair = half.blocks[block]
    rows = sorted(
        [(row, number in half.kept) for number, row in enumerate(half.blocks) if number != block]
        + [((vertex,), True) for vertex in pair]
    )
    source = Half(tuple(row for row, _ in rows), tuple(index for index, (_, keep) in enumerate(rows) if keep))
    kept_rows = [half.blocks[number] for number in half.kept]
    source_rows = [source.blocks[number] for number in source.kept]
    pattern = tuple(kept_rows.index(row) if row in kept_rows else None for row in source_rows)
    left, right = (source_rows.index((vertex,)) for vertex in pair)
    return Link(source, pattern, ((left, right),))


def _tree(order: int, halves: Iterable[Half], forms: frozenset[int]) -> list[tuple[Half, Link]]:
    """Every half needed and its ancestors with the step that makes them, parents first."""
    known = {whole(order), *halves}
    links: dict[Half, Link] = {}
    agenda = sorted(known, key=lambda half: half.key, reverse=True)
    while agenda:
        half = agenda.pop()
        link = parent(half, known, forms)
        if link is None or half in links:
            continue
        links[half] = link
        known.add(link.source)
        agenda.append(link.source)
    ordered: list[tuple[Half, Link]] = []
    placed = {whole(order)}

    def place(half: Half) -> None:
        if half not in placed:
            place(links[half].source)
            placed.add(half)
            ordered.append((half, links[half]))

    for half in sorted(links, key=lambda half: (len(half.dropped), half.key)):
        place(half)
    return ordered


# --- initial variance -----------------------------------------------------------------------------


def gains(maps: Basis) -> tuple[int, ...]:
    """For each factor of the group, the power of n^(1/4) by which the weights of a pair are multiplied.

    Maps of O(n), SO(n) and Sp(n) to a higher order reach few entries: each has (l - k)/2 forced pairs of
    outputs, and only n^(blocks) of the n^l entries can differ from zero. The gain makes up for it, so
    that the mean square of the output does not depend on n. Maps that are to mean the same at every size have none.
    """
    group = maps.group
    if maps.transfer:
        return (0,) * len(group.indices)
    return tuple(
        factor.gain(k, lo)
        for factor, k, lo in zip(
            group.indices, index_counts(group, maps.inputs), index_counts(group, maps.outputs), strict=True
        )
    )


def _variances(maps: Basis, normalization: str) -> tuple[float, ...]:
    """Variance of each weight, times the fan-in, such that unit variance in gives about one out.

    For inputs of independent entries with variance 1 the output entry J has variance
    sum over d of var(weight_d) * (entries in row J of diagram d, squared and scaled).
    """
    # The blocks of the output row are all but those of input vertices alone.
    rank = [sum([len(d.top.blocks) for d in maps.factors(element)]) for element in range(len(maps))]
    most = max(rank)
    everywhere = rank.count(most)
    diagonals = len(rank) - everywhere
    share = [SHARE_EVERYWHERE / everywhere if blocks == most else SHARE_DIAGONALS / diagonals for blocks in rank]
    if maps.group.symbolic and maps.plain_orders:
        return tuple(share)
    share = [s / _times(maps, element) for element, s in enumerate(share)]
    sizes = _nominal(maps.group)
    squares = mean_squares(maps, sizes, gained=gains(maps))
    # Rounded once, so that every version of Python finds the same digits.
    mean = fsum(s * square for s, square in zip(share, squares, strict=True))
    if normalization != "sum" or maps.group.symbolic:
        return tuple(s / mean for s in share)
    own = index_sizes(maps.group, sizes)
    parts = (zip(maps.group.indices, maps.factors(element), own, strict=True) for element in range(len(maps)))
    return tuple(s / mean / prod(starmap(terms, part)) for s, part in zip(share, parts, strict=True))


def mean_squares(
    maps: Basis, sizes: Sequence[int], power: float = 0.5, gained: Sequence[int] | None = None
) -> list[float]:
    """For each map the mean square of an output entry, for inputs of independent entries of variance 1.

    >>> import eqsynth as eq
    >>> from eqsynth.plans.lowering import mean_squares
    >>> mean_squares(eq.basis("S(n)", 2, 0), [4], power=0), mean_squares(eq.basis("S(n)", 2, 0), [4])
    ([4.0, 16.0], [1.0, 1.0])
    >>> mean_squares(eq.basis("S(n)", 1, "A2"), [1])
    [0.0]

    ``power``: the power of their number by which sums are divided; ``gained``: quarter powers of n as in ``gains``. Of
    symmetric and alternating tensors each entry counts once, as where they are packed. Exact where that
    takes at most a million entries, and else what it comes near to as n grows.
    """
    gained = gained or (0,) * len(maps.group.indices)
    if len(maps.group.factors) > 1:
        left = iter(gained)
        own_gains = [[next(left) for _ in factor.indices] for factor in maps.group.factors]
        squares = [
            dict(zip(one.diagrams, mean_squares(one, [n], power, own), strict=True))
            for one, n, own in zip(maps.factor_bases(), sizes, own_gains, strict=True)
        ]
        parts = map(maps.factor_parts, range(len(maps)))
        return [prod(known[part] for known, part in zip(squares, listed, strict=True)) for listed in parts]
    # An axis of several indices is one of permutations, whose maps have no gain.
    group, n, gain = maps.group, sizes[0], gained[0]
    if group.diagrammatic and not takes_kernel(group, maps.inputs, maps.outputs):
        own = group.index_lengths(n)
        listed = [[*zip(group.indices, maps.factors(at), own, strict=True)] for at in range(len(maps))]
        totals = [(prod(entries(one, size) for _, one, size in part), prod(starmap(terms, part))) for part in listed]
    else:
        totals = functor.squares(group, maps.diagrams, n)
    means = []
    for element, (total, added) in enumerate(totals):
        rows: int = n ** axes_of(maps.outputs)
        square: int | Fraction = total * _times(maps, element)
        if irreps.has_irreps(maps.inputs, maps.outputs):
            rows = prod(packed_lengths(maps.outputs, sizes))
            square = irreps.squares(group, maps.parts(element)[0], maps.turned(element), maps.inputs, maps.outputs)
        elif not maps.plain_orders:
            turns, one = maps.turned(element), maps[element]
            packed = index_symmetries.squares(group, one, turns, maps.inputs, maps.outputs, n)
            if packed is not None:
                rows, square = prod(packed_lengths(maps.outputs, sizes)), packed
        means.append(square / added ** round(2 * power) / rows * n ** (gain / 2) if rows else 0.0)
    return means


def _times(maps: Basis, element: int) -> int:
    """By what a map of large symmetric tensors is larger than its diagram: terms of the output, equal ones of sums."""
    return 1 if maps.plain_orders else len(maps.turned(element)) * _alike(maps, element)


def _alike(maps: Basis, index: int) -> int:
    """How many orders of the input's axes that its symmetry allows exchange blocks of a diagram and leave it as it is.

    So many entries that a sum adds up are equal, and its variance is larger by that.
    """
    element = maps[index]
    if not isinstance(element, Diagram | tuple) or is_plain(maps.inputs):
        return 1
    diagram = maps.flat(index)
    if maps.group.split or not all(one.short for one in entries_of(maps.inputs) if isinstance(one, Symmetry)):
        start, counts = diagram.outputs, axis_counts(maps.inputs)
        block_of = {vertex: number for number, block in enumerate(diagram.blocks) for vertex in block}
        turns = (split_turn(maps.group, counts, turn) for turn in all_turns(maps.inputs))
        images = [[block_of[start + axis] for axis in axes] for axes, _ in turns]
        # Two orders that take the axes to the same blocks differ by one that stays inside the blocks.
        kept = {tuple(image) for image in images if _same_blocks(diagram, image, block_of)}
        return len(kept)
    parts: list[int] = []
    for number, (one, count) in enumerate(zip(entries_of(maps.inputs), axis_counts(maps.inputs), strict=True)):
        # Each plain axis is a part of its own.
        parts += [number] * count if isinstance(one, Symmetry) else [-1 - len(parts) - axis for axis in range(count)]
    # Blocks that read equally many axes of every part, and reach the same outputs, can change places.
    kinds: Counter[tuple[tuple[int, ...], tuple[int, ...]]] = Counter()
    for block in diagram.blocks:
        reads = tuple(sorted(parts[vertex - diagram.outputs] for vertex in block if vertex >= diagram.outputs))
        if reads:
            kinds[tuple(vertex for vertex in block if vertex < diagram.outputs), reads] += 1
    return prod(map(factorial, kinds.values()))


def _same_blocks(diagram: Diagram, image: Sequence[int], block_of: dict[int, int]) -> bool:
    """Whether a diagram is the same with its inputs in the places of these blocks."""
    to: dict[int, int] = {}
    for axis, number in enumerate(image):
        own = block_of[diagram.outputs + axis]
        if to.setdefault(own, number) != number:
            return False
    return all(
        [v for v in diagram.blocks[a] if v < diagram.outputs] == [v for v in diagram.blocks[b] if v < diagram.outputs]
        and len(diagram.blocks[a]) == len(diagram.blocks[b])
        for a, b in to.items()
    )


def _block_variances(term_in: int, term_out: int, step: Schur) -> tuple[float, ...]:
    """The same for entries of blocks: every part that is reached gets the same variance, the mean over entries is 1.

    Blocks of complex or quaternionic type have fewer weights than entries, and an entry is a part of one.
    """
    a = next(end.order for end in step.sources if end.term == term_in)
    b = next(end.order for end in step.targets if end.term == term_out)
    bases = step.bases
    if isinstance(bases, Fixed):
        full_in, full_out = stored_full(bases.ins[a]), stored_full(bases.outs[b])
        bases = bases.meant
        a, b = bases.ins.index(full_in), bases.outs.index(full_out)
    reached = sum(sum(p.columns) * p.copies_out[b] for p in bases.irreps if p.copies_in[a])
    share = positions(bases.group, bases.outs[b]) / reached
    # Entries that stand in several places of a tensor are coordinates divided by the square root of how many.
    before, after = (units(bases.group, order) for order in (bases.ins[a], bases.outs[b]))
    share /= 1 if before is None else float((abs(before).max(1) ** -2.0).mean())
    share /= 1 if after is None else float((abs(after).max(1) ** 2).mean())
    return tuple(
        share * part.division / part.copies_in[a]
        for part in bases.irreps
        for _ in range(part.copies_in[a] * part.copies_out[b] // part.division)
    )


def _tied_variances(maps: Basis, squares: Sequence[tuple[int, int]], normalization: str) -> tuple[float, ...]:
    """The same for elements that are tables: equal shares, from their squares, summed over all entries and by row."""
    share = [1 / len(squares) / _times(maps, element) for element in range(len(maps))]
    mean = fsum(s * square for s, square in zip(share, mean_squares(maps, maps.sizes()), strict=True))
    return tuple(
        s / mean / (largest if normalization == "sum" else 1) for s, (_, largest) in zip(share, squares, strict=True)
    )
