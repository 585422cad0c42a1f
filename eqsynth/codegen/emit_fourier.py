"""Source for mixing by the Fourier transform over S_c, for the emitter of the other steps."""

from __future__ import annotations

from itertools import groupby, permutations
from typing import TYPE_CHECKING

from eqsynth.bases.fourier import irreducible_dimensions
from eqsynth.plans.steps import Mix, Operand, Pair

if TYPE_CHECKING:
    from eqsynth.codegen.emit import _Emitter


def mix(emitter: _Emitter, step: Mix) -> None:
    """Lines for a Mix with ``fourier``: one call, for all its operands and targets."""
    c, n = step.axes, emitter.ns[step.sizes[0]]
    names, sources = [target.name for target in step.targets], step.sources
    maps = f"{len(step.entries)} map{'s' if len(step.entries) != 1 else ''}"
    emitter.fourier = True
    emitter._say("")
    emitter._say(f"# mixing on {c} axes with all labels different, by the Fourier transform over S_{c}: {maps}")
    moved = [emitter.rename[operand.source] for operand in sources]
    joined = f"torch.cat(({', '.join(moved)}), -1)" if len(moved) > 1 else moved[0]
    wide = emitter._widths([operand.term for operand in sources])
    high = " + ".join(
        _times(len(list(group)), emitter._c_out(term)) for term, group in groupby(t.term for t in step.targets)
    )
    tables = _tables(emitter, c, n)
    emitter._say(f"w = {_matrices(emitter, step, sources)}")
    made = names[0] if len(names) == 1 else "z"
    places = str(int(n) ** c) if n.isdigit() else f"{n}**{c}"
    shape = ", ".join(["b", *[n] * c, high])
    emitter._say(f"{made} = _mix_orbits(")
    emitter._say(f"    {joined}.reshape(b, {places}, {wide}), w, {tables}")
    emitter._say(f").reshape({shape})")
    for target in step.targets:
        name = target.name
        emitter.sizes[name], emitter.thin[name] = step.sizes, frozenset()
        emitter.rename[name], emitter.term_of[name] = name, ("out", target.term)
        emitter.needs[name] = emitter._needs(step)
    if len(names) == 1:
        emitter.owned.add(made)
        emitter.straight.add(made)
        return
    sizes = " + ".join(
        f"[{emitter._c_out(term)}] * {len(list(group))}" for term, group in groupby(t.term for t in step.targets)
    )
    emitter._say(f"{', '.join(names)} = z.split({emitter._c_out(0) if emitter.single_out else sizes}, -1)")


def _tables(emitter: _Emitter, c: int, n: str) -> str:
    """The transform and the orbits: made once where n is a number, in each call where it is a letter."""
    say = emitter.builders.append
    say(f"young, shares = _young({c})")
    say(f'self._table("young_{c}", young)')
    say(f'self._table("shares_{c}", shares)')
    kinds = ("young", "there", "orbit", "turns")
    if n.isdigit():
        say(f"{', '.join(kinds)} = _tuples({n}, {c}, young)")
        for kind in kinds[1:]:
            say(f'self._table("{kind}_{c}", {kind})')
        tables = ", ".join(f"self.{kind}_{c}" for kind in kinds)
    else:
        tables = f"*_tuples({n}, {c}, self.young_{c})"
    dims = tuple((len(list(group)), f) for f, group in groupby(irreducible_dimensions(c)))
    return f"self.shares_{c}, {dims}, {tables}"


def _matrices(emitter: _Emitter, step: Mix, sources: tuple[Operand, ...]) -> str:
    """Expression of the (c!, targets x C_out, sources x C_in) matrices, one for each permutation."""
    rows = []
    for term_out, targets in groupby(range(len(step.targets)), key=lambda t: step.targets[t].term):
        listed = list(targets)
        row = [
            _block(emitter, step, term_in, term_out, [source.source for source in group], listed)
            for term_in, group in groupby(sources, key=lambda source: source.term)
        ]
        rows.append(row[0] if len(row) == 1 else f"torch.cat(({', '.join(row)}), 2)")
    return rows[0] if len(rows) == 1 else f"torch.cat(({', '.join(rows)}), 1)"


def _block(emitter: _Emitter, step: Mix, i: int, o: int, sources: list[str], targets: list[int]) -> str:
    """The matrices of one pair of terms."""
    orders = list(permutations(range(step.axes)))
    co, ci, high, wide = emitter._c_out(o), emitter._c_in(i), len(targets), len(sources)
    at = {}
    for entry in step.entries:
        operand = step.operands[entry.operand]
        at[entry.target, operand.source, operand.middle] = entry.element
    table = [at.get((t, source, order)) for order in orders for t in targets for source in sources]
    shape = f"{len(orders)}, {_times(high, co)}, {_times(wide, ci)}"
    if not any(element is not None for element in table):
        return emitter._zeros(shape)
    pair = next(pair for pair in emitter.plan.pairs if (pair.term_in, pair.term_out) == (i, o))
    weight = emitter._weight(pair)
    part = emitter._gathered(step, weight, i, o, table, pair.dim)
    first = table[0]
    if first is not None and table == list(range(first, first + len(table))):
        part = f"{weight}[{first}:{first + len(table)}]"
    if wide == 1:
        return f"{part}.reshape({shape})" if high > 1 else part
    return f"{part}.reshape({len(orders)}, {high}, {wide}, {co}, {ci}).transpose(2, 3).reshape({shape})"


def summed(emitter: _Emitter, pair: Pair, name: str) -> str:
    """The weights of a pair after its sums, made once for all their uses."""
    into, elements, times = zip(*pair.sums, strict=True)
    emitter.buffers[f"{name}_into"], emitter.buffers[f"{name}_from"] = into, elements
    taken = f"self.{name}.index_select(0, self.{name}_from)"
    if {*times} != {1}:
        emitter.buffers[f"signs_{name}"] = times
        taken = f"{taken} * self.signs_{name}[:, None, None]"
    line = f"{name} = self.{name}.index_add(0, self.{name}_into, {taken})  # with labels that may agree counted apart"
    if line not in emitter.weights:
        emitter.weights.append(line)
    return name


def _times(number: int, channels: str) -> str:
    return channels if number == 1 else f"{number} * {channels}"
