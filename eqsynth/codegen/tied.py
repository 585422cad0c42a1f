"""Code of a Tied step: maps that are tables, as one matrix whose entries are tied."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from math import prod
from typing import TYPE_CHECKING

from eqsynth.codegen.irreps import map_lines, product_lines, scaled_maps
from eqsynth.codegen.names import permuted, shape
from eqsynth.codegen.tables import edge_lines
from eqsynth.diagrams import functor
from eqsynth.diagrams.diagram import Diagram, Element, MatrixMap, Orbit
from eqsynth.errors import abridged
from eqsynth.families.group import Group
from eqsynth.plans.steps import Mix, Tabled, Tied, summed_whole

if TYPE_CHECKING:
    from eqsynth.codegen.forward import Forward

#: A matrix of so many entries is copied in a cache.
CACHED = 1 << 20


class TiedCode:
    """The lines of a Tied step, for the printer of the other steps."""

    def __init__(self, forward: Forward, step: Tied) -> None:
        self.forward, self.step, self.plan = forward, step, forward.plan
        self.names, self.tables, self.say = forward.names, forward.tables, forward.say
        self.group = self.plan.problem.group
        #: Tables of orbits that have a table of scales.
        self.scaled: set[str] = set()

    def run(self) -> None:
        """Print the step."""
        step, names = self.step, self.names
        c_out = names.c_out(step.term)
        rows = _entries(self.forward, step.sizes)
        self.say("")
        bias = ""
        if step.constants:
            prefix = f"b{step.term}"
            scale = f"maps * ((maps**2).sum(2).amax(1){self.tables.power})[:, None, None]"
            self._build(prefix, step.constants, rows, 1, scale, constant=True)
            self._combine(prefix, step.constants, c_out, f"{names.bias(step.term)}{_from(step.first)}", weights=False)
            bias = "w" if self._dense(step.constants) else f"w.index_select(0, self.{prefix}_places)"
        if bias and step.tables:
            self.say(f"constants = {bias}.flatten()")
            bias = "constants"
        total = ""
        for table in step.tables:
            c_in = names.c_in(table.term)
            columns = _entries(self.forward, self.plan.values[table.source].axes)
            self.say(f"# {len(table.elements)} maps, entries of one matrix tied together")
            prefix = f"t{table.term}_{step.term}"
            scale = scaled_maps(self.forward, table.term, step.term)
            self._build(prefix, table.elements, rows, columns, scale)
            weight = f"{names.weight(table.term, step.term)}{_from(table.first)}"
            self._combine(prefix, table.elements, f"{c_out}, {c_in}", weight)
            if not self._dense(table.elements):
                self._gather(prefix, rows, columns, table.term)
            x = f"{self.forward.code[table.source]}.reshape(-1, {columns} * {c_in})"
            product = f"linear({x}, w.reshape({rows} * {c_out}, {columns} * {c_in}){', ' + bias if bias else ''})"
            self.say(f"{step.target} = {total}{product}")
            total, bias = f"{step.target} + ", ""
        lengths = shape(-1, self.forward.sizes(step.sizes), c_out)
        self.say(f"{step.target} = {step.target if total else bias}.reshape({lengths})")

    def _dense(self, elements: Sequence[Element]) -> bool:
        """Whether maps are no sums of orbits: the whole matrix is a sum of theirs."""
        return summed_whole(self.group, elements)

    def _gather(self, prefix: str, rows: int, columns: int, term_in: int) -> None:
        """The matrix from the weights of all orbits."""
        c_out, c_in, term_out = self.names.c_out(self.step.term), self.names.c_in(term_in), self.step.term
        channels = self.plan.hom.space_in.channels[term_in] * self.plan.problem.space_out.channels[term_out]
        builders, places = self.tables.builders, "places"
        if rows * columns * channels <= CACHED:
            self.say(f"w = w.index_select(0, self.{prefix}_places).reshape({rows}, {columns}, {c_out}, {c_in})")
            self.say("w = w.transpose(1, 2)", "rows of the matrix are output indices and channels")
        else:
            # Row by row in the order of the matrix, so that it is there once.
            self.say(f"w = nn.functional.embedding(self.{prefix}_places, w.reshape(-1, {c_in}))")
            builders.append(f"channels = torch.arange({c_out.replace('channels', 'self.channels')})[:, None]")
            places = f"places.reshape({rows}, 1, {columns}) * len(channels) + channels"
        builders.append(f'self._table("{prefix}_places", {places})')

    def _combine(
        self, prefix: str, elements: Sequence[Element], channels: str, weight: str, weights: bool = True
    ) -> None:
        """``w``: from the weights of maps to those of all orbits, or for exact kernels to the matrix itself."""
        graphs = sum(isinstance(element, Diagram) for element in elements)
        orbits = sum(isinstance(element, Orbit) for element in elements)
        if self._dense(elements):
            letters = ("doc", "joic") if weights else ("do", "jo")
            self.say(f'w = torch.einsum("dji,{letters[0]}->{letters[1]}", self.{prefix}_maps, {weight})')
            return
        scale = f" * self.{prefix}_scale[:, None{', None' * weights}]" if prefix in self.scaled else ""
        absent = _orbit_count(self.group, _order(elements)) - orbits
        if graphs:
            part = f"self.{prefix}_maps @ {weight if not orbits else f'{weight}[:{graphs}]'}"
            part = f"({part}.flatten(1)).reshape(-1, {channels})" if weights else part
            self.say(f"w = {part}", "a graph is a sum of orbits")
            if orbits:
                self.say(f"w[:{orbits}] += {weight}[{graphs}:]{scale}")
        elif absent or scale:
            pads = ", ".join(["0, 0"] * (1 + weights))
            padded = f"nn.functional.pad({weight}{scale}, ({pads}, 0, {absent}))"
            self.say(f"w = {padded if absent else weight + scale}")
        else:
            self.say(f"w = {weight}")

    def _build(
        self, prefix: str, elements: Sequence[Element], rows: int, columns: int, scale: str, constant: bool = False
    ) -> None:
        """Lines of __init__ that make the tables of some elements from a short exact recipe."""
        group, tables = self.group, self.tables
        n, say = self.names.sizes[0], tables.builders.append
        if self._dense(elements):
            lines, helpers = map_lines(group, elements, rows, columns)
            tables.builders += lines
            tables.helpers |= helpers
            say(f'self._table("{prefix}_maps", {scale})')
            return
        graphs = [element for element in elements if isinstance(element, Diagram)]
        orbits = [element for element in elements if isinstance(element, Orbit)]
        tables.helpers |= {"_orbits", "_scale"}
        total = _order(elements)
        generators = [list(g) for g in group.permutations]
        labels = functor.orbits_of(group, total)
        numbers = {int(labels[orbit.representative]) for orbit in orbits}
        last = sorted(set(range(int(labels.max()) + 1)) - numbers) if orbits else []
        say(f"places, tuples = _orbits({generators}, {n}, {total}, {last})")
        if graphs:
            graph = group.kept_graph
            assert graph is not None  # noqa: S101 - only graphs have edges
            tables.helpers |= {"_adjacency", "_homomorphisms"}
            tables.builders += edge_lines(graph)
            say("graphs = [")
            for one in graphs:
                say(f"    ({list(one.labels)}, {len(one.blocks)}, {[list(edge) for edge in one.edges]}),")
            say("]")
            say(f"maps = _homomorphisms(_adjacency({n}, edges), graphs).reshape({len(graphs)}, {rows}, {columns})")
        own = f"places.reshape({rows}, {columns}), {len(orbits)}" if orbits else "None, 0"
        say(f"scale = _scale({'maps' if graphs else 'None'}, {own}){tables.power}")
        if graphs:
            say(f'self._table("{prefix}_maps", (maps.flatten(1)[:, tuples] * scale[:{len(graphs)}, None]).T)')
        if orbits and columns > 1:
            self.scaled.add(prefix)
            say(f'self._table("{prefix}_scale", scale[{len(graphs)}:])')
        if constant:
            say(f'self._table("{prefix}_places", places)')


class TabledCode:
    """The lines of a Mix that applies tables of factors: one matrix product on their axes and the channels."""

    def __init__(self, forward: Forward, step: Mix, tabled: Tabled) -> None:
        self.forward, self.step, self.tabled = forward, step, tabled
        self.names, self.tables, self.say = forward.names, forward.tables, forward.say
        self.factors = [forward.plan.problem.group.indices[factor] for factor in tabled.factors]
        self.shared = tabled in forward.tabled
        self.prefix = forward.tabled.setdefault(tabled, f"m{forward.mixes.index(step)}")
        self.rows, self.columns = (_entries(forward, axes) for axes in (tabled.given, tabled.taken))
        #: The elements of each factor, where the tables are all their products and not just orbits.
        self.grid = None if tabled.orbits else tabled.grid
        #: Whether what is known of each table is then put in the places of their matrix.
        alone = len(self.factors) == 1 and any(isinstance(part, MatrixMap) for (part, *_) in tabled.maps)
        self.placed = (tabled.orbits or self.grid is not None) and not alone
        self.wide_in = forward.widths([operand.term for operand in step.operands])
        self.wide_out = forward.widths([target.term for target in step.targets], out=True)

    def run(self) -> None:
        """Print the step."""
        step, count = self.step, len(self.tabled.maps)
        on = f" on {step.axes} {'axis' if step.axes == 1 else 'axes'}" if step.axes else ""
        maps = f"{len(step.entries)} map{'s' * (len(step.entries) != 1)}" if step.entries else "constants"
        of = " x ".join(abridged(factor) for factor in self.factors)
        self.say(f"# mixing{on}, with {count} table{'s' * (count != 1)} of {of}: {maps}")
        if not self.shared:
            self._build()
        bias = ""
        if step.biases:
            self.say(f"constants = {self._biases()}")
            self._place("constants", weights=False)
            bias = "constants"
        product = step.writes[0] if len(step.writes) == 1 else "z"
        sizes = shape(-1, self.forward.sizes(step.axes_out), self.wide_out)
        if step.operands:
            self.say(f"w = {self._weights()}")
            self._place("w", weights=True)
            operands = [permuted(self.forward.code[one.source], one.middle) for one in step.operands]
            x = operands[0] if len(operands) == 1 else f"torch.cat(({', '.join(operands)}), -1)"
            x = f"{x}.reshape(-1, {_times(self.columns, self.wide_in)})"
            self.say(f"{product} = linear({x}, w{', ' + bias if bias else ''}).reshape({sizes})")
        else:
            self.say(f"{product} = {bias}.reshape({sizes})")
        if len(step.writes) > 1:
            self.forward.say_split(step, step.writes)

    def _weights(self) -> str:
        """The weights of the maps, table by table a matrix (targets x C_out, operands x C_in)."""
        step, count = self.step, len(self.tabled.maps)
        at = {(entry.table, entry.target, entry.operand): entry for entry in step.entries}
        rows = []
        for o, targets in groupby(range(len(step.targets)), key=lambda t: step.targets[t].term):
            high, row = list(targets), []
            for i, operands in groupby(range(len(step.operands)), key=lambda s: step.operands[s].term):
                wide = list(operands)
                c_out, c_in = self.names.c_out(o), self.names.c_in(i)
                entries = [at.get((m, t, s)) for m in range(count) for t in high for s in wide]
                lengths = f"{count}, {_times(len(high), c_out)}, {_times(len(wide), c_in)}"
                if not any(entries):
                    row.append(self.forward.zeros(lengths))
                    continue
                part = self.forward.weights_at(step, i, o, entries)
                if len(high) * len(wide) > 1:
                    part = f"{part}.reshape({count}, {len(high)}, {len(wide)}, {c_out}, {c_in})"
                    part = f"{part}.transpose(2, 3).reshape({lengths})"
                row.append(part)
            rows.append(row[0] if len(row) == 1 else f"torch.cat(({', '.join(row)}), 2)")
        return rows[0] if len(rows) == 1 else f"torch.cat(({', '.join(rows)}), 1)"

    def _biases(self) -> str:
        """The biases, table by table those of all targets."""
        step, count = self.step, len(self.tabled.maps)
        at = {(entry.table, entry.target): entry.element for entry in step.biases}
        pieces = []
        for o, targets in groupby(range(len(step.targets)), key=lambda t: step.targets[t].term):
            high = list(targets)
            table = [at.get((m, t)) for m in range(count) for t in high]
            lengths = f"{count}, {_times(len(high), self.names.c_out(o))}"
            if set(table) == {None}:
                pieces.append(self.forward.zeros(lengths))
            else:
                pieces.append(f"{self.forward.biases_at(step, o, table)}.reshape({lengths})")
        return pieces[0] if len(pieces) == 1 else f"torch.cat(({', '.join(pieces)}), 1)"

    def _place(self, name: str, weights: bool) -> None:
        """Lines that make the matrix, or the constants, from what belongs to each table."""
        high, wide = _times(self.rows, self.wide_out), _times(self.columns, self.wide_in)
        lengths, maps = f"{high}, {wide}" if weights else "-1", f"self.{self.prefix}_maps"
        channels = f"{self.wide_out}, {self.wide_in}" if weights else self.wide_out
        code = name
        if self.tabled.orbits and self.absent:
            self.say(f"{name} = nn.functional.pad({name}, ({'0, 0, ' * (1 + weights)}0, 1))")
        elif self.grid:
            before = len(self.tabled.maps)
            for number, own in reversed([*enumerate(self.grid)]):
                before //= len(own)
                lead = f"{before}, " if before > 1 else ""
                graphs = any(isinstance(part, Diagram) for part in own)
                comment = "a graph is a sum of orbits" if graphs else ""
                self.say(f"{name} = {maps}{self._suffix(number)} @ {name}.reshape({lead}{len(own)}, -1)", comment)
            code = f"{name}.reshape(-1, {channels})"
        elif not self.tabled.orbits:
            equation = "mji,moc->jioc" if weights else "mji,mo->jio"
            self.say(f'{name} = torch.einsum("{equation}", {maps}, {name})')
        if self.placed:
            code += f"[self.{self.prefix}_places]"
        if weights and self.columns > 1:
            # Rows of the matrix are output indices and channels.
            code += f".reshape({self.rows}, {self.columns}, {channels}).transpose(1, 2)"
        self.say(f"{name} = {code}.reshape({lengths})")

    def _suffix(self, number: int) -> str:
        """What the name of a table of one of several factors ends with."""
        return f"_{number}" if len(self.factors) > 1 else ""

    @property
    def absent(self) -> bool:
        """Whether some orbits belong to no table."""
        return len(self.tabled.maps) < prod(map(_orbit_count, self.factors, self._totals()))

    def _totals(self) -> list[int]:
        """The orders of inputs and outputs of each factor together."""
        return [part.outputs + part.inputs for part in self.tabled.maps[0]]

    def _build(self) -> None:
        """Lines of __init__ that make the tables."""
        say, tables = self.tables.builders.append, self.tables
        if not self.tabled.orbits and not self.grid:
            lines, helpers = product_lines(self.factors, self.tabled.maps)
            tables.builders += lines
            tables.helpers |= helpers
            say(f'self._table("{self.prefix}_maps", maps)')
            return
        counts = [
            self._build_factor(number, factor, total)
            for number, (factor, total) in enumerate(zip(self.factors, self._totals(), strict=True))
        ]
        if len(counts) > 1:
            self._say_joined(counts)
        if self.tabled.orbits:
            self._say_order(counts)
        if self.placed:
            say(f'self._table("{self.prefix}_places", places)')

    def _build_factor(self, number: int, factor: Group, total: int) -> int:
        """Lines that number what the entries of a factor's tables can differ in, and how many these are.

        Orbits, or for a group of matrices the entries themselves; unless all tables are orbits, with the values that
        each table has there.
        """
        say, own = self.tables.builders.append, self.grid[number] if self.grid else ()
        matrices = any(isinstance(part, MatrixMap) for part in own)
        places = f"places{self._suffix(number)}"
        if not self.tabled.orbits:
            # Before places, which these lines have their own of.
            lines, helpers = product_lines([factor], [(part,) for part in own])
            self.tables.builders += lines
            self.tables.helpers |= helpers
        if matrices and self.placed:
            say(f"{places} = torch.arange({factor.number**total})")
        if not matrices:
            self.tables.helpers.add("_orbits")
            tuples = "_" if self.tabled.orbits else "tuples"
            say(f"{places}, {tuples} = _orbits({[list(g) for g in factor.permutations]}, {factor.n}, {total}, [])")
        if not self.tabled.orbits:
            values = "maps.flatten(1)" if matrices else "maps.flatten(1)[:, tuples]"
            say(f'self._table("{self.prefix}_maps{self._suffix(number)}", {values}.T)')
        return factor.number**total if matrices else _orbit_count(factor, total)

    def _say_joined(self, counts: Sequence[int]) -> None:
        """A line that numbers the products of orbits of all factors, at the places of the product of their matrices."""
        parts = self.tabled.maps[0]
        terms = []
        for number, (factor, part) in enumerate(zip(self.factors, parts, strict=True)):
            lengths = [1] * (2 * len(parts))
            lengths[number], lengths[len(parts) + number] = factor.number**part.outputs, factor.number**part.inputs
            behind = prod(counts[number + 1 :])
            terms.append(f"{behind} * places_{number}.reshape({shape(lengths)})")
        self.tables.builders.append(f"places = ({' + '.join(terms)}).flatten()")

    def _say_order(self, counts: Sequence[int]) -> None:
        """Lines that number orbits as their tables stand; those without a table come last."""
        numbers = []
        for parts in self.tabled.maps:
            number = 0
            for factor, part, count, total in zip(self.factors, parts, counts, self._totals(), strict=True):
                assert isinstance(part, Orbit)  # noqa: S101 - others are sums of orbits
                number = number * count + int(functor.orbits_of(factor, total)[part.representative])
            numbers.append(number)
        if numbers != list(range(prod(counts))):
            self.tables.builders += [
                f"order = torch.full(({prod(counts)},), {len(numbers)})",
                f"order[{numbers}] = torch.arange({len(numbers)})",
                "places = order[places]",
            ]


def _orbit_count(group: Group, total: int) -> int:
    return int(functor.orbits_of(group, total).max()) + 1


def _entries(forward: Forward, axes: Sequence[int]) -> int:
    return prod(size for size in forward.sizes(axes) if isinstance(size, int))


def _times(count: int, channels: str) -> str:
    """So many times a sum of channels, in code."""
    if count == 1:
        return channels
    return f"{count} * ({channels})" if " + " in channels else f"{count} * {channels}"


def _order(elements: Sequence[Element]) -> int:
    """The orders of input and output together."""
    (first, *_) = elements
    assert not isinstance(first, tuple)  # noqa: S101 - matrices of products are sums of theirs
    return first.outputs + first.inputs


def _from(first: int) -> str:
    return f"[{first}:]" if first else ""
