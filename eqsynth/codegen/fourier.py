"""Code for mixing by the Fourier transform over S_c, for the printer of the other steps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, permutations
from typing import TYPE_CHECKING

from eqsynth.bases.fourier import irreducible_dimensions
from eqsynth.codegen.names import Size, shape, times
from eqsynth.codegen.tables import Buffer
from eqsynth.plans.steps import Mix, Operand, Pair

if TYPE_CHECKING:
    from eqsynth.codegen.forward import Forward


def mix(forward: Forward, step: Mix, maps: str) -> None:
    """Lines for a Mix with ``fourier``: one call, for all its operands and targets."""
    names, sources = forward.names, step.sources
    axes, n = step.axes, names.sizes[step.sizes[0]]
    forward.tables.helpers |= {"_young", "_tuples", "_mix_orbits"}
    forward.say(f"# mixing on {axes} axes with all labels different, by the Fourier transform over S_{axes}: {maps}")
    operands = [forward.code[operand.source] for operand in sources]
    joined = f"torch.cat(({', '.join(operands)}), -1)" if len(operands) > 1 else operands[0]
    wide = forward.widths([operand.term for operand in sources])
    high = " + ".join(
        times([len(list(group)), names.c_out(term)]) for term, group in groupby(t.term for t in step.targets)
    )
    tables = _tables(forward, axes, n)
    forward.say(f"w = {_matrices(forward, step, sources)}")
    product = step.writes[0] if len(step.writes) == 1 else "z"
    places = str(n**axes) if isinstance(n, int) else f"{n}**{axes}"
    forward.say(f"{product} = _mix_orbits(")
    forward.say(f"    {joined}.reshape({names.batch}, {places}, {wide}), w, {tables}")
    forward.say(f").reshape({shape(names.batch, [n] * axes, high)})")
    if len(step.writes) > 1:
        forward.say_split(step, step.writes)


def _tables(forward: Forward, axes: int, n: Size) -> str:
    """The transform and the orbits: made once where n is a number, in each call where it is a letter."""
    say = forward.tables.builders.append
    say(f"young, shares = _young({axes})")
    say(f'self._table("young_{axes}", young)')
    say(f'self._table("shares_{axes}", shares)')
    kinds = ("young", "there", "orbit", "turns")
    if isinstance(n, int):
        say(f"{', '.join(kinds)} = _tuples({n}, {axes}, young)")
        for kind in kinds[1:]:
            say(f'self._table("{kind}_{axes}", {kind})')
        tables = ", ".join(f"self.{kind}_{axes}" for kind in kinds)
    else:
        tables = f"*_tuples({n}, {axes}, self.young_{axes})"
    dims = tuple((len(list(group)), f) for f, group in groupby(irreducible_dimensions(axes)))
    return f"self.shares_{axes}, {dims}, {tables}"


def _matrices(forward: Forward, step: Mix, sources: Sequence[Operand]) -> str:
    """Expression of the (c!, targets x C_out, sources x C_in) matrices, one for each permutation."""
    rows = []
    for term_out, targets in groupby(range(len(step.targets)), key=lambda t: step.targets[t].term):
        listed = list(targets)
        row = [
            _block(forward, step, term_in, term_out, [source.source for source in group], listed)
            for term_in, group in groupby(sources, key=lambda source: source.term)
        ]
        rows.append(row[0] if len(row) == 1 else f"torch.cat(({', '.join(row)}), 2)")
    return rows[0] if len(rows) == 1 else f"torch.cat(({', '.join(rows)}), 1)"


def _block(forward: Forward, step: Mix, i: int, o: int, sources: list[str], targets: list[int]) -> str:
    """The matrices of one pair of terms."""
    orders = list(permutations(range(step.axes)))
    c_out, c_in, high, wide = forward.names.c_out(o), forward.names.c_in(i), len(targets), len(sources)
    at = {}
    for entry in step.entries:
        operand = step.operands[entry.operand]
        at[entry.target, operand.source, operand.middle] = entry.element
    table = [at.get((t, source, order)) for order in orders for t in targets for source in sources]
    lengths = shape(len(orders), times([high, c_out]), times([wide, c_in]))
    if not any(element is not None for element in table):
        return forward.zeros(lengths)
    pair = forward.pair(i, o)
    weight = forward.weight(pair)
    part = forward.gathered(step, weight, i, o, table, pair.dim)
    first = table[0]
    if first is not None and table == list(range(first, first + len(table))):
        part = f"{weight}[{first}:{first + len(table)}]"
    if wide == 1:
        return f"{part}.reshape({lengths})" if high > 1 else part
    return f"{part}.reshape({len(orders)}, {high}, {wide}, {c_out}, {c_in}).transpose(2, 3).reshape({lengths})"


def summed(forward: Forward, pair: Pair, name: str) -> str:
    """The weights of a pair after its sums, made once for all their uses."""
    into, elements, factors = zip(*pair.sums, strict=True)
    buffers, weight = forward.tables.buffers, forward.names.weight(pair.term_in, pair.term_out)
    buffers[f"{name}_into"], buffers[f"{name}_from"] = Buffer(into), Buffer(elements)
    added = f"{weight}.index_select(0, self.{name}_from)"
    if {*factors} != {1}:
        buffers[f"signs_{name}"] = Buffer(factors, "factors")
        added = f"{added} * self.signs_{name}[:, None, None]"
    line = f"{name} = {weight}.index_add(0, self.{name}_into, {added})  # with labels that may agree counted apart"
    if line not in forward.weights:
        forward.weights.append(line)
    return name
