"""Code of a Tied step: maps that are tables, as one matrix whose entries are tied."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

from eqsynth.codegen.irreps import map_lines, scaled_maps
from eqsynth.codegen.names import shape
from eqsynth.codegen.tables import edge_lines
from eqsynth.diagrams import functor
from eqsynth.diagrams.diagram import Diagram, Element, MatrixMap, Orbit
from eqsynth.plans.steps import Tied

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
        rows = self._entries(step.sizes)
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
            columns = self._entries(self.plan.values[table.source].axes)
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

    def _entries(self, axes: Sequence[int]) -> int:
        sizes = self.forward.sizes(axes)
        return prod(size for size in sizes if isinstance(size, int))

    def _dense(self, elements: Sequence[Element]) -> bool:
        """Whether maps are no sums of orbits: the whole matrix is a sum of theirs."""
        return self.group.diagrammatic or isinstance(elements[0], MatrixMap)

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
        absent = self._orbit_count(elements) - orbits
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

    def _orbit_count(self, elements: Sequence[Element]) -> int:
        return int(functor.orbits_of(self.group, _order(elements)).max()) + 1

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


def _order(elements: Sequence[Element]) -> int:
    """The orders of input and output together."""
    (first, *_) = elements
    assert not isinstance(first, tuple)  # noqa: S101 - products are not made of tables
    return first.outputs + first.inputs


def _from(first: int) -> str:
    return f"[{first}:]" if first else ""
