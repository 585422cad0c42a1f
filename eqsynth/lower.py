"""From a problem to its plan: factor every diagram, share reductions, mix once per level, spread once.

Source: MATHS of fast evaluation, arXiv 2304.14165 and 2412.10837, here for all diagrams at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import permutations

from eqsynth.bases import Basis, basis
from eqsynth.diagram import LETTERS, Half
from eqsynth.errors import EqsynthError
from eqsynth.group import Group, Hom
from eqsynth.plans import (
    NORMALIZATIONS,
    Entry,
    Input,
    Mix,
    Operand,
    Output,
    Pair,
    Part,
    Pattern,
    Plan,
    Reduce,
    Spread,
    Step,
    Target,
)
from eqsynth.space import Space

#: Shares of the output variance at initialisation: maps that reach every output entry, and maps
#: that reach diagonals alone. Every entry then has a variance between 0.8 and 1.2, at every n.
SHARE_EVERYWHERE, SHARE_DIAGONALS = 0.8, 0.4


def plan(
    group: str | Group,
    space_in: str | int | Space,
    space_out: str | int | Space,
    *,
    bias: bool = True,
    normalization: str = "variance",
) -> Plan:
    """The plan of the layer with all equivariant maps between two spaces.

    >>> import eqsynth as eq
    >>> print(eq.plan("O(3)", "2x2", "2x2", bias=False).dims)
    {(0, 0): 3}

    ``normalization`` scales each sum over an index of length n by n^(-1/2) (``"variance"``, which
    keeps the variance of random inputs), n^-1 (``"mean"``) or 1 (``"sum"``).
    """
    return plan_hom(Hom.parse(group, space_in, space_out), bias, normalization)


@lru_cache(maxsize=256)
def plan_hom(hom: Hom, bias: bool = True, normalization: str = "variance") -> Plan:
    """The plan of a problem that is already parsed."""
    if normalization not in NORMALIZATIONS:
        known = ", ".join(repr(name) for name in NORMALIZATIONS)
        raise EqsynthError(f"there is no normalization {normalization!r}: ask for one of {known}")
    orders_in = [_plain(order) for order in hom.space_in.orders]
    orders_out = [_plain(order) for order in hom.space_out.orders]
    bases = {(i, o): basis(hom.group, k, lo) for i, k in enumerate(orders_in) for o, lo in enumerate(orders_out)}
    biases = [basis(hom.group, 0, lo) if bias else None for lo in orders_out]
    bottoms: list[dict[Half, str]] = [{} for _ in orders_in]
    tops: list[dict[Half, str]] = [{} for _ in orders_out]
    mixes = _mixes(hom, bases, biases, bottoms, tops)
    steps: list[Step] = []
    several_in, several_out = len(orders_in) > 1, len(orders_out) > 1
    for term, order in enumerate(orders_in):
        steps += _reductions(term, order, bottoms[term], several_in)
    steps += mixes
    for term, order in enumerate(orders_out):
        steps += _spreads(term, order, tops[term], mixes, several_out)
    pairs = tuple(
        Pair(i, o, len(found), gain(hom.group, found), _variances(hom.group, found, normalization))
        for (i, o), found in bases.items()
        if len(found)
    )
    bias_dims = tuple(len(found) if found is not None else 0 for found in biases)
    return Plan(hom, bias, normalization, tuple(steps), pairs, bias_dims)


def _plain(order: object) -> int:
    if not isinstance(order, int):
        raise EqsynthError(f"the order {order!r} needs a product group")
    return order


# --- mixing -----------------------------------------------------------------------------------


def _mixes(
    hom: Hom,
    bases: dict[tuple[int, int], Basis],
    biases: list[Basis | None],
    bottoms: list[dict[Half, str]],
    tops: list[dict[Half, str]],
) -> list[Mix]:
    """One Mix per number of transferred blocks; names the halves that they use."""
    several_in, several_out = len(hom.space_in) > 1, len(hom.space_out) > 1
    levels = {diagram.through for found in bases.values() for diagram in found}
    if any(found is not None and len(found) for found in biases):
        levels.add(0)
    mixes = []
    for level in sorted(levels):
        uses = [
            (i, o, element, diagram.bottom, diagram.top, diagram.middle)
            for (i, o), found in bases.items()
            for element, diagram in enumerate(found)
            if diagram.through == level
        ]
        elements = [
            (o, element, diagram.top)
            for o, found in enumerate(biases)
            if found is not None and level == 0
            for element, diagram in enumerate(found)
        ]
        halves_in = sorted({(i, bottom) for i, _, _, bottom, _, _ in uses}, key=lambda use: (use[0], use[1].key))
        halves_out = sorted(
            {(o, top) for _, o, _, _, top, _ in uses} | {(o, top) for o, _, top in elements},
            key=lambda use: (use[0], use[1].key),
        )
        # The c! permutations go to the side that has fewer channels to copy.
        wide_in = sum(hom.space_in.channels[i] for i, _ in halves_in)
        wide_out = sum(hom.space_out.channels[o] for o, _ in halves_out)
        straight = tuple(range(level))
        middles = sorted({middle for *_, middle in uses}) or [straight]
        permute_inputs = wide_in <= wide_out
        operands = [(i, half, m) for i, half in halves_in for m in (middles if permute_inputs else [straight])]
        targets = [(o, half, m) for o, half in halves_out for m in ([straight] if permute_inputs else middles)]
        if permute_inputs:
            keys = [((o, top, straight), (i, bottom, m), e) for i, o, e, bottom, top, m in uses]
        else:
            keys = [((o, top, m), (i, bottom, straight), e) for i, o, e, bottom, top, m in uses]
        operands = [operand for operand in operands if any(operand == key[1] for key in keys)]
        wanted = {key[0] for key in keys} | {(o, top, straight) for o, _, top in elements}
        targets = [target for target in targets if target in wanted]
        operand_at = {operand: index for index, operand in enumerate(operands)}
        target_at = {target: index for index, target in enumerate(targets)}
        for i, half in halves_in:
            bottoms[i][half] = _name("x", i, half, several_in)
        names = []
        for o, half, middle in targets:
            tops[o][half] = _name("y", o, half, several_out)
            suffix = "" if middle == straight else "_" + "".join(LETTERS[axis] for axis in middle)
            names.append(Target(_name("z", o, half, several_out) + suffix, o))
        mixes.append(
            Mix(
                level,
                tuple(Operand(bottoms[i][half], i, middle) for i, half, middle in operands),
                tuple(names),
                tuple(Entry(target_at[t], operand_at[s], element) for t, s, element in keys),
                tuple((target_at[o, top, straight], element) for o, element, top in elements),
            )
        )
    return mixes


def _name(prefix: str, term: int, half: Half, several: bool) -> str:
    """``x_a1``: letters are kept indices, digits are dropped ones, equal marks are one block."""
    marks = _marks(half)
    stem = f"{prefix}{term}" if several else prefix
    return f"{stem}_{marks}" if marks else stem


def _marks(half: Half) -> str:
    letters = {block: LETTERS[position] for position, block in enumerate(half.kept)}
    digits = {block: str(position + 1) for position, block in enumerate(half.dropped)}
    if len(digits) > 9:
        digits = {block: f"({number})" for block, number in digits.items()}
    named = letters | digits
    of_vertex = {vertex: named[block] for block, row in enumerate(half.blocks) for vertex in row}
    return "".join(of_vertex[vertex] for vertex in range(len(of_vertex)))


# --- reductions of an input, and their transposes -----------------------------------------------


def whole(order: int) -> Half:
    """The half-diagram that does nothing: every vertex a kept block of its own."""
    return Half(tuple((vertex,) for vertex in range(order)), tuple(range(order)))


def parent(half: Half, made: Iterable[Half] = ()) -> tuple[Half, Pattern] | None:
    """The half-diagram that ``half`` is one step away from, and that step as a Reduce pattern.

    Sums over single vertices come first (they shrink the tensor), then diagonals (free views),
    then sums over diagonals. Among several possible parents one already in ``made`` is preferred.
    """
    made = set(made)
    blocks, kept = half.blocks, half.kept
    long_dropped = [block for block in half.dropped if len(blocks[block]) > 1]
    if long_dropped:
        options = [Half(blocks, tuple(sorted((*kept, block)))) for block in long_dropped]
    elif any(len(blocks[block]) > 1 for block in kept):
        singles = tuple(sorted((vertex,) for block in blocks for vertex in block))
        dropped = {blocks[block][0] for block in half.dropped}
        finer = Half(singles, tuple(index for index, (vertex,) in enumerate(singles) if vertex not in dropped))
        axis_of = {vertex: axis for axis, block in enumerate(kept) for vertex in blocks[block]}
        return finer, tuple(axis_of[singles[block][0]] for block in finer.kept)
    elif half.dropped:
        options = [Half(blocks, tuple(sorted((*kept, block)))) for block in reversed(half.dropped)]
    else:
        return None
    chosen = next((option for option in options if option in made), options[0])
    return chosen, tuple(kept.index(block) if block in kept else None for block in chosen.kept)


def _tree(order: int, halves: Iterable[Half]) -> list[tuple[Half, Half, Pattern]]:
    """Every half needed and its ancestors, as (half, parent, pattern), parents first."""
    known = {whole(order), *halves}
    edges: dict[Half, tuple[Half, Pattern]] = {}
    # Large dropped sets first, so that their ancestors are shared by what follows.
    agenda = sorted(known, key=lambda half: half.key, reverse=True)
    while agenda:
        half = agenda.pop()
        step = parent(half, known)
        if step is None or half in edges:
            continue
        edges[half] = step
        if step[0] not in known:
            known.add(step[0])
        agenda.append(step[0])
    ordered: list[tuple[Half, Half, Pattern]] = []
    placed = {whole(order)}

    def place(half: Half) -> None:
        if half not in placed:
            source, pattern = edges[half]
            place(source)
            placed.add(half)
            ordered.append((half, source, pattern))

    for half in sorted(edges, key=lambda half: (len(half.dropped), half.key)):
        place(half)
    return ordered


def _reductions(term: int, order: int, wanted: dict[Half, str], several: bool) -> list[Step]:
    if not wanted:
        return []
    names = {whole(order): _name("x", term, whole(order), several)} | wanted
    steps: list[Step] = [Input(names[whole(order)], term, order)]
    for half, source, pattern in _tree(order, wanted):
        names.setdefault(half, _name("x", term, half, several))
        steps.append(Reduce(names[half], names[source], pattern))
    return steps


def _spreads(term: int, order: int, wanted: dict[Half, str], mixes: list[Mix], several: bool) -> list[Step]:
    """The transpose of the reductions: small tensors are added together before they are spread."""
    if not wanted:
        return [Output(term, None)]
    made: dict[Half, list[Part]] = {}
    for half in wanted:
        stem = _name("z", term, half, several)
        for mix in mixes:
            straight = tuple(range(mix.axes))
            for middle in permutations(straight) if len(half.kept) == mix.axes else ():
                suffix = "" if middle == straight else "_" + "".join(LETTERS[axis] for axis in middle)
                if any(target.name == stem + suffix for target in mix.targets):
                    made.setdefault(half, []).append(Part(stem + suffix, middle))
    steps: list[Step] = []
    value: dict[Half, str] = {}

    def finish(half: Half) -> None:
        """All parts of a half are known: its value is their sum."""
        parts = made[half]
        if len(parts) == 1 and parts[0].pattern == tuple(range(len(half.kept))):
            value[half] = parts[0].source
            return
        value[half] = _name("y", term, half, several)
        steps.append(Spread(value[half], len(half.kept), term, tuple(parts)))

    for half, target, pattern in reversed(_tree(order, wanted)):
        finish(half)
        made.setdefault(target, []).append(Part(value[half], pattern))
    finish(whole(order))
    steps.append(Output(term, value[whole(order)]))
    return steps


# --- initial variance -----------------------------------------------------------------------------


def gain(group: Group, found: Basis) -> int:
    """The power of n^(1/4) by which the weights of a pair are multiplied.

    Maps of O(n) to a higher order reach few entries: each has l - blocks forced repeats of an index,
    and only n^blocks of the n^l entries can differ from zero. The gain makes up for it, so that the
    mean square of the output does not depend on n.
    """
    return max(found.outputs - found.inputs, 0) if group.family == "O" else 0


def _variances(group: Group, found: Basis, normalization: str) -> tuple[float, ...]:
    """Variance of each weight, times the fan-in, such that unit variance in gives about one out.

    For inputs of independent entries with variance 1 the output entry J has variance
    sum over d of var(weight_d) * (nonzero entries in row J of diagram d, scaled). Rows that a diagram
    reaches: a fraction n^(blocks of the top - l).
    """
    if not len(found):
        return ()
    rank = [len(diagram.top.blocks) for diagram in found]
    finest = max(rank)
    everywhere = sum(1 for blocks in rank if blocks == finest)
    diagonals = len(rank) - everywhere
    share = [SHARE_EVERYWHERE / everywhere if blocks == finest else SHARE_DIAGONALS / diagonals for blocks in rank]
    if isinstance(group.n, int):
        n = group.n
        lift = gain(group, found) / 2 - found.outputs
        mean = sum(s * n ** (blocks + lift) for s, blocks in zip(share, rank, strict=True))
        share = [s / mean for s in share]
        if normalization == "sum":
            share = [s / n**diagram.bottom_only for s, diagram in zip(share, found, strict=True)]
    return tuple(share)
