"""Emitted code for a Schur step: change of basis, one product per irreducible part, change back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from itertools import groupby
from typing import TYPE_CHECKING

from eqsynth.bases.adapted import Adapted, Irrep, positions
from eqsynth.bases.basis import Basis
from eqsynth.bases.couplings import Coupling
from eqsynth.bases.decomposed import Part
from eqsynth.codegen.names import packing_arguments, packing_function
from eqsynth.codegen.tables import edge_lines, runs
from eqsynth.diagrams import functor
from eqsynth.diagrams.diagram import Diagram, Element, MatrixMap, Orbit, Single, table_key
from eqsynth.exact.permutations import heads_of
from eqsynth.families.group import Group
from eqsynth.families.irreps import vectors
from eqsynth.families.representation import packing
from eqsynth.plans.steps import Schur, Source
from eqsynth.spaces import space
from eqsynth.spaces.space import Order, stored_full

if TYPE_CHECKING:
    from eqsynth.codegen.forward import Forward

#: Vectors of length 1 in code.
UNIT = "rows / (rows**2).sum(1, keepdim=True).sqrt()"
#: The largest sum of squares in a row of each map.
SQUARES = "(maps**2).sum(2).amax(1)"
#: A literal of at most so many characters stands on one line.
LINE = 100
#: From so many maps on the product that makes blocks of weights may be a large one.
MANY = 16


def map_lines(group: Group, elements: Sequence[Element], rows: int, columns: int) -> tuple[list[str], set[str]]:
    """Lines that make ``maps``, the matrices of some elements, (maps, rows, columns); and the functions they need.

    Elements that are diagrams come first, then orbits, in the order of their indices, then matrices.
    """
    if isinstance(elements[0], tuple):
        return product_lines(group.indices, [element for element in elements if isinstance(element, tuple)])
    if group.diagrammatic and not isinstance(elements[0], MatrixMap):
        return _diagram_lines(group, [element for element in elements if isinstance(element, Diagram)], "maps")
    lines, helpers, parts = [], set[str](), []
    graphs = [element for element in elements if isinstance(element, Diagram)]
    orbits = [element for element in elements if isinstance(element, Orbit)]
    if graphs:
        kept = group.kept_graph
        assert kept is not None  # noqa: S101 - only graphs have edges
        helpers |= {"_adjacency", "_homomorphisms"}
        lines += edge_lines(kept)
        listed = [(list(graph.labels), len(graph.blocks), [list(edge) for edge in graph.edges]) for graph in graphs]
        lines += literal_lines("graphs", listed)
        lines.append(f"maps = _homomorphisms(_adjacency({group.n}, edges), graphs).reshape(-1, {rows}, {columns})")
        parts.append("maps")
    if orbits:
        helpers.add("_orbits")
        total = orbits[0].outputs + orbits[0].inputs
        labels = functor.orbits_of(group, total)
        numbers = {int(labels[orbit.representative]) for orbit in orbits}
        last = sorted(set(range(int(labels.max()) + 1)) - numbers)
        generators = [list(g) for g in group.permutations]
        lines.append(f"places, _ = _orbits({generators}, {group.n}, {total}, {last})")
        lines.append(f"orbits = places.reshape({rows}, {columns}) == torch.arange({len(orbits)})[:, None, None]")
        parts.append("orbits.double()")
    if matrices := [[list(entry) for entry in e.entries] for e in elements if isinstance(e, MatrixMap)]:
        helpers.add("_entries")
        lines += literal_lines("entries", matrices)
        parts.append(f"_entries(entries, {rows}, {columns})")
    lines.append(f"maps = torch.cat(({', '.join(parts)}))" if len(parts) > 1 else f"maps = {parts[0]}")
    return [line for line in lines if line != "maps = maps"], helpers


def _diagram_lines(group: Group, diagrams: Sequence[Diagram], name: str) -> tuple[list[str], set[str]]:
    """Diagrams as the labels of their vertices, outputs first, and the labels that are tied to epsilon.

    Those with several heads are products, entry by entry, of those with one of them each.
    """
    first = diagrams[0]
    heads = any(diagram.head for diagram in diagrams)
    several = len(heads_of(first.head, group.number)) if heads else 0
    if several > 1:
        listed_heads = [[(list(d.labels), list(h)) for h in heads_of(d.head, group.number)] for d in diagrams]
        code = f"_diagrams({group.n}, {first.outputs}, {first.inputs}, {{}}, heads=True)"
        factors = [code.format(f"[listed[{place}] for listed in diagrams]") for place in range(several)]
        product = [f"{name} = {factors[0]}", *(f"{name} *= {factor}" for factor in factors[1:])]
        return [*literal_lines("diagrams", listed_heads), *product], {"_diagrams"}
    listed = [(list(d.labels), list(d.head)) if heads else list(d.labels) for d in diagrams]
    options = (", heads=True" if heads else "") + (", forms=True" if group.symplectic else "")
    lines = literal_lines("diagrams", listed)
    lines.append(f"{name} = _diagrams({group.n}, {first.outputs}, {first.inputs}, diagrams{options})")
    if group.signature is None:
        return lines, {"_diagrams"}
    held = runs([int(bool(diagram.head)) for diagram in diagrams])
    plus = group.signature[0]
    lines.append(f"{name} = _with_eta({name}, {group.n}, {plus}, {first.outputs}, {first.inputs}, {held})")
    return lines, {"_diagrams", "_with_eta"}


def product_lines(factors: Sequence[Group], elements: Sequence[tuple[Single, ...]]) -> tuple[list[str], set[str]]:
    """The same for products of elements of some factors, one of each."""
    if len(factors) == 1:
        ((factor,), first) = factors, elements[0][0]
        rows, columns = (factor.number**axes for axes in (first.outputs, first.inputs))
        return map_lines(factor, [part for (part,) in elements], rows, columns)
    lines, helpers = [], set[str]()
    numbers = []
    for place, factor in enumerate(factors):
        unique = sorted(dict.fromkeys(element[place] for element in elements), key=table_key)
        numbers.append([unique.index(element[place]) for element in elements])
        if factor.diagrammatic:
            diagrams = [part for part in unique if isinstance(part, Diagram)]
            own, needed = _diagram_lines(factor, diagrams, f"maps_{place}")
        else:
            rows, columns = (factor.number**axes for axes in (unique[0].outputs, unique[0].inputs))
            own, needed = map_lines(factor, unique, rows, columns)
            own[-1] = own[-1].replace("maps = ", f"maps_{place} = ", 1)
        lines += own
        helpers |= needed
    lines += literal_lines("pairs", list(zip(*numbers, strict=True)))
    names = [f"maps_{place}[pair[{place}]]" for place in range(len(numbers))]
    code = names[0]
    for name in names[1:]:
        code = f"torch.kron({code}, {name})"
    lines.append(f"maps = torch.stack([{code} for pair in pairs])")
    return lines, helpers


def literal_lines(name: str, value: Sequence[object]) -> list[str]:
    """An assignment, on several lines where it is long."""
    if len(repr(value)) <= LINE:
        return [f"{name} = {list(value)!r}"]
    lines, line = [f"{name} = ["], ""
    for item in value:
        text = f"{item!r},"
        if line and len(line) + len(text) > LINE:
            lines.append(f"    {line}")
            line = ""
        line = f"{line} {text}".lstrip()
    return [*lines, f"    {line}", "]"]


def scaled_maps(forward: Forward, term_in: int, term_out: int, squares: str = SQUARES) -> str:
    """The maps of a pair, scaled as its weights are; ``squares`` of maps that are not as diagrams have them."""
    scale = f"{forward.tables.power}{forward.gain(term_in, term_out)}"
    return f"maps * ({squares}{scale})[:, None, None]"


def _meant(order: Order) -> Order:
    """The order of tensors whose maps are wanted: with an axis for each index in place of coordinates of parts."""
    return stored_full(order) if space.is_decomposed(order) else order


def coordinate_lines(irrep: space.Irrep, name: str) -> tuple[list[str], set[str]]:
    """Lines that make the table of an irrep, from tensors to coordinates, and the functions that they need."""
    lines, helpers = vector_lines(irrep)
    return [*lines, f'self._table("{name}", {UNIT})'], helpers


def vector_lines(irrep: space.Irrep) -> tuple[list[str], set[str]]:
    """Lines that make ``rows``, the vectors of the coordinates of an irrep, and the functions that they need.

    They are whole numbers, divided by their lengths; those of symmetric and alternating tensors are given by the
    entries that differ.
    """
    rows, helpers, spread = vectors(irrep), {"_entries"}, ""
    kind = {1: "S", -1: "A"}.get(irrep.alike if irrep.order > 1 else 0)
    n = round(rows.shape[1] ** (1 / irrep.order)) if irrep.order else 1
    lines, places = list[str](), range(rows.shape[1])
    if kind:
        helpers.add("_packing")
        lines.append(f"_, unpacked, signs = _packing({n}, {irrep.order}, {kind == 'A'})")
        spread, places = "[:, unpacked] * signs", packing(space.Symmetry(kind, irrep.order), n)[0].tolist()
    entries = [
        (row, column, int(rows[row, place]))
        for row in range(irrep.dim)
        for column, place in enumerate(places)
        if rows[row, place]
    ]
    lines += literal_lines("entries", entries)
    lines.append(f"rows = _entries([entries], {irrep.dim}, {len(places)})[0]{spread}")
    return lines, helpers


def coupling_lines(one: Coupling, normalization: str, name: str) -> tuple[list[str], set[str]]:
    """Lines that make the table of coupling coefficients, with the scale of its sums, and the functions they need.

    Each is the square root of a fraction: its entry has numerator, with its sign, and denominator.
    """
    power = {"sum": 0, "variance": 1, "mean": 2}[normalization]
    _, left, right = one.dims
    entries = []
    for k, i, j, value in one.entries():
        scaled = value / one.terms**power
        entries.append((k, i * right + j, scaled.numerator, scaled.denominator))
    lines = literal_lines("entries", entries)
    return [*lines, f'self._table("{name}", _roots(entries, {2 * one.out + 1}, {left * right}))'], {"_roots"}


def unit_lines(group: Group, order: Order) -> tuple[str, set[str]]:
    """Code of the tensors of length 1 that packed entries stand for, one in each row, and the functions it needs."""
    codes, helpers = [], set[str]()
    for factor, one in zip(group.factors, space.entries_of(order), strict=True):
        if isinstance(one, space.Symmetry):
            helpers |= {packing_function(one), "_units"}
            codes.append(f"_units(*{packing_function(one)}({factor.n}, {packing_arguments(one)})[1:])")
        else:
            codes.append(f"torch.eye({positions(factor, one)}, dtype=torch.float64)")
    return (reduce(lambda left, right: f"torch.kron({left}, {right})", codes), helpers) if helpers else ("", helpers)


def times_turned(maps: Basis) -> str:
    """How many exchanges of its output axes each map is the sum of, which are the same on symmetric tensors."""
    counts = [len(maps.turned(number)) for number in range(len(maps))]
    return f" * torch.tensor({counts})[:, None, None]" if {*counts} != {1} else ""


class SchurCode:
    """The lines of a Schur step, for the printer of the other steps."""

    def __init__(self, forward: Forward, step: Schur) -> None:
        self.forward, self.step, self.names = forward, step, forward.names
        plan = forward.plan
        self.blocks = plan.parameters == "blocks"
        self.pairs = [(pair.term_in, pair.term_out) for pair in plan.pairs]
        self.builders, self.helpers = forward.tables.builders, forward.tables.helpers
        self.helpers.add("_blocks")
        self.lines: list[str] = []
        #: Names of tables of units by packed order, and those of sums of squares of maps between some.
        self.units: dict[Order, str] = {}
        self.squares: set[str] = set()
        self.parts: Sequence[Irrep | Part] = step.bases.irreps
        self.columns = [sum(part.columns) for part in self.parts]
        #: Runs of classes that one product serves: (first class, classes).
        self.runs = self._runs()

    def _runs(self) -> list[tuple[int, int]]:
        if not self.step.factored:
            return []
        classes = self.step.bases.classes

        def kind(number: int) -> tuple[object, ...]:
            into, back = classes[number]
            return (*map(len, into), *map(len, back), *(part.columns[number] for part in self.parts))

        runs = []
        for _, run in groupby(range(len(classes)), key=kind):
            listed = list(run)
            runs.append((listed[0], len(listed)))
        return runs

    # --- tables -----------------------------------------------------------------------------------

    def build(self, maps_between: Callable[[Order, Order], Basis]) -> None:
        """Lines that make the tables; ``maps_between`` gives the basis of (order in, order out)."""
        bases, say = self.step.bases, self.builders.append
        ins, outs = (list(dict.fromkeys(map(_meant, orders))) for orders in (bases.ins, bases.outs))
        rows, columns = ([self.positions(order) for order in orders] for orders in (outs, ins))
        above, below = ([self._unit_lines(order) for order in orders] for orders in (outs, ins))
        say(f"spaces = [[None] * {len(columns)} for _ in range({len(rows)})]  # all maps, by order of output and input")
        for b, high in enumerate(rows):
            for a, wide in enumerate(columns):
                maps = maps_between(ins[a], outs[b])
                if len(maps):
                    full = (positions(bases.group, stored_full(order)) for order in (outs[b], ins[a]))
                    lines, helpers = map_lines(bases.group, maps.diagrams, *full)
                    self.builders += lines
                    self.helpers |= helpers
                    self._store_lines(maps, above[b], below[a], f"squares_{b}_{a}")
                    say(f"spaces[{b}][{a}] = maps")
                else:
                    say(f"spaces[{b}][{a}] = torch.zeros(0, {high}, {wide}, dtype=torch.float64)")
        self.add_bases()
        for side, ends in (("into", self.step.sources), ("back", self.step.targets)):
            for end in ends:
                if self.step.changes(side == "into", end.order):
                    self._change(end, side, end.order)
        for term_in, term_out in self.pairs:
            a = next(end.order for end in self.step.sources if end.term == term_in)
            b = next(end.order for end in self.step.targets if end.term == term_out)
            at = ins.index(_meant(bases.ins[a])), outs.index(_meant(bases.outs[b]))
            self.add_mixer(term_in, term_out, at, f"into[{a}], back[{b}]")
        self.add_constants()

    def add_constants(self) -> None:
        """Lines that make tables for biases: only where bases are those of the group are they part of the step."""

    def _unit_lines(self, order: Order) -> str:
        """The name of the table whose rows are the tensors of length 1 that packed entries stand for, if some are."""
        if not space.is_packed(order):
            return ""
        if order not in self.units:
            code, helpers = unit_lines(self.step.bases.group, order)
            self.helpers |= helpers
            self.units[order] = name = f"units_{len(self.units)}"
            self.builders.append(f"{name} = {code}  # entries of {space.order_text(stored_full(order))}")
        return self.units[order]

    def _store_lines(self, maps: Basis, above: str, below: str, squares: str) -> None:
        """Lines that take maps of symmetric tensors to packed entries, times what keeps lengths."""
        by = times_turned(maps)
        if not (above or below or by):
            return
        if not self.blocks:
            self.builders.append(f"{squares} = {SQUARES}")
            self.squares.add(squares)
        code = f"{above} @ maps" if above else "maps"
        self.builders.append(f"maps = {code}{f' @ {below}.mT' * bool(below)}{by}")

    def add_bases(self) -> None:
        """Lines that make ``into`` and ``back``, the bases of the orders of inputs and outputs."""
        assert isinstance(self.step.bases, Adapted)  # noqa: S101 - others have code of their own
        self.add_adapted(self.step.bases, "into, back")

    def add_adapted(self, bases: Adapted, names: str) -> None:
        """Lines that find the bases that are adapted to all maps."""
        self.helpers.add("_adapted")
        self.builders += literal_lines("irreps", [self._recipe(part, bases.same) for part in bases.irreps])
        places = "places" if self.step.factored else "_"
        more = ""
        if any(part.division > 1 for part in bases.irreps):
            self.helpers.add("_columns")
            more = ", _columns"
        self.builders.append(f"{names}, {places} = _adapted(spaces, {bases.seed}, irreps, {list(bases.same)}{more})")

    def add_mixer(self, term_in: int, term_out: int, place: tuple[int, int], bases: str) -> None:
        """Lines that make the table from weights to entries of blocks; ``place``: that of the maps in ``spaces``."""
        say = self.builders.append
        say(f"maps = spaces[{place[1]}][{place[0]}]")
        if not self.blocks:
            say(f"maps = {self.scaled(term_in, term_out, place)}")
            which = f"[{part_of_rows(self.columns)}]" if self.simple else ""
            say(f'self._table("{self.mixer(term_in, term_out)}", _blocks(maps, {bases}){which})')
        elif self.mixes:
            self.helpers.add("_frames")
            division = [part.division for part in self.parts]
            say(f'self._table("{self.mixer(term_in, term_out)}", _frames(maps, {bases}, {division}))')

    def scaled(self, term_in: int, term_out: int, place: tuple[int, int]) -> str:
        """The maps of a pair, scaled as its weights are."""
        squares = f"squares_{place[1]}_{place[0]}"
        return scaled_maps(self.forward, term_in, term_out, squares if squares in self.squares else SQUARES)

    @property
    def mixes(self) -> bool:
        """Whether entries of blocks are sums of several weights, or one weight stands in several places."""
        return not self.blocks or any(part.division > 1 for part in self.parts)

    @property
    def simple(self) -> bool:
        """Whether one product for each row does it all."""
        return self.step.simple

    def positions(self, order: Order) -> int:
        """Entries of a tensor of one channel."""
        return positions(self.step.bases.group, order)

    @staticmethod
    def _recipe(part: Irrep, same: Sequence[int | None]) -> tuple[object, ...]:
        return (
            part.division,
            [list(pair) for pair in part.reference],
            [[list(pick) for pick in picks] for picks in part.picks_in],
            [
                [list(pick) for pick in picks] if place is None else []
                for picks, place in zip(part.picks_out, same, strict=True)
            ],
        )

    def mixer(self, term_in: int, term_out: int) -> str:
        """The name of the table from weights to entries of blocks."""
        return self.forward.plan.weight_name(term_in, term_out).replace("weight", "blocks")

    def _suffix(self, end: Source, side: str) -> str:
        ends = self.step.sources if side == "into" else self.step.targets
        return "" if len({other.order for other in ends}) == 1 else f"_{end.order}"

    def _change(self, end: Source, side: str, order: int) -> None:
        """Tables of the change of basis of one order, once for all terms that have it."""
        suffix, say = self._suffix(end, side), self.builders.append
        transposed = "" if side == "into" else ".mT"
        start = f"{side}[{order}]"
        orders = self.step.bases.ins if side == "into" else self.step.bases.outs
        if units := self.units.get(orders[order]):
            # From entries to what keeps lengths, or back.
            start = f"[rows {'/' if side == 'into' else '*'} {units}.abs().amax(1) for rows in {start}]"
        if not self.step.factored:
            rows = f"torch.cat([rows.flatten(0, 1) for rows in {start}])"
            line = f'self._table("{side}{suffix}", {rows}{transposed})'
            if line not in self.builders:
                say(line)
            return
        self.helpers.add("_classes")
        which = 0 if side == "into" else 1
        for number, (first, count) in enumerate(self.runs):
            name = f"{side}{suffix}_{number}"
            counts = [list(part.columns) for part in self.parts]
            line = f"rows, at = _classes({start}, places[{which}][{order}], {counts}, {first}, {first + count})"
            if line in self.builders:
                return
            say(line)
            say(f'self._table("{name}", rows{transposed})')
            say(f'self._table("{side}_places{suffix}_{number}", at)')
        if side == "back":
            say(f'self._table("order{suffix}", torch.cat(places[1][{order}]).argsort())')

    # --- the forward pass -------------------------------------------------------------------------

    def run(self) -> None:
        """Lines that compute the targets from the sources."""
        step = self.step
        if self.simple:
            self._run_rows(self.forward.code[step.sources[0].name])
            return
        self.say_weights()
        for number, end in enumerate(step.sources):
            self.into(number, end, self.forward.code[end.name])
        for index in range(len(self.parts)):
            self.say_product(index)
        self._split_targets()
        for end in step.targets:
            self.back(end)

    def say_product(self, index: int) -> None:
        """The product of the rows of a part, those of all sources side by side, with its matrix."""
        pieces = [piece for number, end in enumerate(self.step.sources) if (piece := self.operand(number, end, index))]
        operand = pieces[0] if len(pieces) == 1 else f"torch.cat(({', '.join(pieces)}), 1)"
        self.helpers.add("_product")
        self.lines.append(f"z_{index} = _product({operand}, w_{index})")

    def _run_rows(self, x: str) -> None:
        """Every part stands alone: one product for each row of the adapted basis, all in one call."""
        (source,), (target,) = self.step.sources, self.step.targets
        self.lines.append(f"w = {self.row_weights(source.term, target.term)}")
        u, v = self.flat(source, x), "v.transpose(0, 1)"
        if self.step.changes(True, 0):
            u = f"torch.bmm(self.into.expand(b, -1, -1), {u})"
        if self.step.changes(False, 0):
            v = f"torch.bmm(self.back.expand(b, -1, -1), {v})"
        self.lines += [f"u = {u}", f"v = {self.row_products()}  # row by row", f"{target.name} = {v}"]

    def row_weights(self, term_in: int, term_out: int) -> str:
        """The matrices of all rows, (rows, channels out, channels in), where one product for each row does it all."""
        weight = self.names.weight(term_in, term_out)
        if not self.mixes:
            self.builders.append(f'self._table("row_part", torch.tensor({part_of_rows(self.columns)}))')
            return f"{weight}.index_select(0, self.row_part)"
        ci, co = self.names.c_in(term_in), self.names.c_out(term_out)
        return f"(self.{self.mixer(term_in, term_out)} @ {weight}.flatten(1)).reshape({sum(self.columns)}, {co}, {ci})"

    def row_products(self) -> str:
        """The products of all rows, where one for each row does it all."""
        return "torch.bmm(u.transpose(0, 1), w.mT)"

    def say_cat(self, name: str, pieces: Sequence[str], axis: int) -> None:
        """A line that joins values along an axis."""
        if len(pieces) == 1 and pieces[0][0] != "*":
            self.lines.append(f"{name} = {pieces[0]}")
            return
        self.lines += [f"{name} = torch.cat((", *(f"    {piece}," for piece in pieces), f"), {axis})"]

    def say_split(self, names: Sequence[str], code: str, sizes: Sequence[str | int], axis: int) -> None:
        """Names for consecutive pieces of a value. Slices would each cost a full tensor in the backward pass."""
        shown = [name for name, size in zip(names, sizes, strict=True) if size]
        kept = [str(size) for size in sizes if size]
        split = f".split(({', '.join(kept)}), {axis})" if len(shown) > 1 else ""
        self.lines.append(f"{', '.join(shown)} = {code}{split}")

    def say_weights(self) -> None:
        """``w_0``, ``w_1``, ...: the matrix of each part, from weights."""
        step = self.step
        for i, o in self.pairs:
            self.say_blocks(i, o)
        for index in range(len(self.parts)):
            rows = []
            for target in step.targets:
                row = [piece for source in step.sources if (piece := self.block_code(index, source, target))]
                if row:
                    rows.append(row[0] if len(row) == 1 else f"torch.cat(({', '.join(row)}), 1)")
            code = rows[0] if len(rows) == 1 else f"torch.cat(({', '.join(rows)}))"
            self.lines.append(f"w_{index} = {code}")

    def say_blocks(self, term_in: int, term_out: int) -> None:
        """The blocks of all parts between two terms, (copies out * copies in, channels out, channels in)."""
        sizes = self.block_sizes(term_in, term_out)
        code = weight = self.names.weight(term_in, term_out)
        if self.mixes:
            mixer = f"self.{self.mixer(term_in, term_out)}"
            product = f"({mixer} @ {weight}.flatten(1))"
            if sum(sizes) >= MANY:
                self.helpers.add("_product")
                product = f"_product({mixer}, {weight}.flatten(1).mT)"
            code = f"{product}.reshape(-1, *{weight}.shape[1:])"
        self.say_split([self._block(index, term_in, term_out) for index in range(len(sizes))], code, sizes, 0)

    def block_sizes(self, term_in: int, term_out: int) -> list[int]:
        """How many entries the block of each part has between two terms."""
        a = next(end.order for end in self.step.sources if end.term == term_in)
        b = next(end.order for end in self.step.targets if end.term == term_out)
        return [part.copies_out[b] * part.copies_in[a] for part in self.parts]

    def block_code(self, index: int, source: Source, target: Source) -> str:
        """The block of a part between two terms as a matrix, (copies and channels out, copies and channels in)."""
        part = self.parts[index]
        high, wide = part.copies_out[target.order], part.copies_in[source.order]
        if not high or not wide:
            return ""
        co, ci = self.names.c_out(target.term), self.names.c_in(source.term)
        piece = self._block(index, source.term, target.term)
        if high == wide == 1:
            return f"{piece}.squeeze(0)"
        if wide == 1:
            return f"{piece}.reshape({high} * {co}, {ci})"
        if high == 1:
            return f"{piece}.transpose(0, 1).reshape({co}, {wide} * {ci})"
        return f"{piece}.reshape({high}, {wide}, {co}, {ci}).transpose(1, 2).reshape({high} * {co}, {wide} * {ci})"

    def _block(self, index: int, term_in: int, term_out: int) -> str:
        return f"w{term_in}_{term_out}_{index}" if len(self.pairs) > 1 else f"w_{index}"

    def into(self, number: int, end: Source, x: str) -> None:
        """Source ``number`` in the adapted basis: rows (irrep, column, copy), for each run of classes."""
        suffix, ci = self._suffix(end, "into"), self.names.c_in(end.term)
        flat = self.flat(end, x)
        kept = f"flat{number}"
        copies = [part.copies_in[end.order] for part in self.parts]
        if not self.step.factored:
            names = [f"u{number}_{index}" for index in range(len(self.parts))]
            sizes = [count * m for count, m in zip(self.columns, copies, strict=True)]
            self.say_split(names, f"torch.bmm(self.into{suffix}.expand(b, -1, -1), {flat})", sizes, 1)
            return
        self.lines.append(f"{kept} = {flat}")
        for run, (first, count) in enumerate(self.runs):
            rows, places = self._size(end, True, first)
            if not rows:
                continue
            classes = f"{count} classes of {places} positions" if count > 1 else f"a class of {places} positions"
            part = f"{kept}.index_select(1, self.into_places{suffix}_{run})"
            part += f".reshape(-1, {places}, {ci})" if count > 1 else ""
            self.lines.append(f"u = {part}  # {classes}")
            table = f"self.into{suffix}_{run}" + (".expand(b, -1, -1)" if count == 1 else ".repeat(b, 1, 1)")
            names = [f"u{number}_{run}_{index}" for index in range(len(self.parts))]
            sizes = [p.columns[first] * m for p, m in zip(self.parts, copies, strict=True)]
            code = f"torch.bmm({table}, u)" + (f".reshape(b, {count}, {rows}, {ci})" if count > 1 else "")
            self.say_split(names, code, sizes, 1 if count == 1 else 2)

    def flat(self, end: Source, x: str) -> str:
        """A source with one axis for all positions."""
        if len(self.forward.axes(end.name)) == 1:
            return x
        return f"{x}.reshape(b, {self.positions(self.step.bases.ins[end.order])}, {self.names.c_in(end.term)})"

    def _size(self, end: Source, into: bool, number: int) -> tuple[int, int]:
        """Rows and positions of a class."""
        copies = [(part.copies_in if into else part.copies_out)[end.order] for part in self.parts]
        rows = sum(part.columns[number] * m for part, m in zip(self.parts, copies, strict=True))
        return rows, len(self.step.bases.classes[number][0 if into else 1][end.order])

    def operand(self, number: int, end: Source, index: int) -> str:
        """The rows of one part: (batch * columns, copies * channels)."""
        part, ci = self.parts[index], self.names.c_in(end.term)
        m = part.copies_in[end.order]
        if not m:
            return ""
        wide = _product(m, ci)
        if not self.step.factored:
            return f"u{number}_{index}.reshape(-1, {wide})"
        pieces = []
        for run, (first, count) in enumerate(self.runs):
            here = part.columns[first]
            if here and min(here, count) == 1:
                pieces.append(f"u{number}_{run}_{index}.reshape(b, {here * count}, {wide})")
            elif here:
                pieces.append(f"*u{number}_{run}_{index}.reshape(b, {count}, {here}, {wide}).unbind(1)")
        if len(pieces) == 1 and pieces[0][0] != "*":
            return f"{pieces[0]}.reshape(-1, {wide})"
        name = f"u{number}_{index}"
        self.say_cat(name, pieces, 1)
        return f"{name}.reshape(-1, {wide})"

    def _split_targets(self) -> None:
        """``z_0_1``: the product of part 0 for target 1, where there are several targets."""
        if len(self.step.targets) == 1:
            return
        for index, part in enumerate(self.parts):
            widths = [
                _product(m, self.names.c_out(end.term)) if (m := part.copies_out[end.order]) else 0
                for end in self.step.targets
            ]
            self.say_split([f"z_{index}_{end.term}" for end in self.step.targets], f"z_{index}", widths, 1)

    def back(self, end: Source) -> None:
        """A target, from the products of all parts."""
        step, co = self.step, self.names.c_out(end.term)
        suffix = self._suffix(end, "back")
        high = self.positions(step.bases.outs[end.order])
        shown = [(index, part) for index, part in enumerate(self.parts) if part.copies_out[end.order]]
        tail = "" if len(step.targets) == 1 else f"_{end.term}"
        if not step.factored:
            pieces = [
                f"z_{index}{tail}.reshape(b, {self.columns[index] * part.copies_out[end.order]}, {co})"
                for index, part in shown
            ]
            self.say_cat(end.name, pieces, 1)
            self.lines.append(f"{end.name} = torch.bmm(self.back{suffix}.expand(b, -1, -1), {end.name})")
            return
        for index, part in shown:
            whole = f"z_{index}{tail}.reshape(b, {self.columns[index]}, {_product(part.copies_out[end.order], co)})"
            names = [f"z_{index}{tail}_{run}" for run in range(len(self.runs))]
            self.say_split(names, whole, [part.columns[first] * count for first, count in self.runs], 1)
        classes = []
        for run, (first, count) in enumerate(self.runs):
            rows, places = self._size(end, False, first)
            if not rows:
                continue
            pieces = [
                f"z_{index}{tail}_{run}.reshape(b, {count}, {part.columns[first] * part.copies_out[end.order]}, {co})"
                for index, part in shown
                if part.columns[first]
            ]
            self.say_cat("v", pieces, 2)
            table = f"self.back{suffix}_{run}" + (".expand(b, -1, -1)" if count == 1 else ".repeat(b, 1, 1)")
            classes.append(f"v_{run}")
            self.lines.append(
                f"v_{run} = torch.bmm({table}, v.reshape(-1, {rows}, {co})).reshape(b, {count * places}, {co})"
            )
        self.say_cat(end.name, classes, 1)
        covered = sum(len(back[end.order]) for _, back in step.bases.classes)
        if covered == high:
            self.lines.append(f"{end.name} = {end.name}.index_select(1, self.order{suffix})")
            return
        at = [
            f"self.back_places{suffix}_{run}"
            for run, (first, _) in enumerate(self.runs)
            if self._size(end, False, first)[0]
        ]
        joined = at[0] if len(at) == 1 else f"torch.cat(({', '.join(at)}))"
        zeros = f"{end.name}.new_zeros(b, {high}, {co})"
        self.lines.append(f"{end.name} = {zeros}.index_copy(1, {joined}, {end.name})")


def part_of_rows(columns: Sequence[int]) -> list[int]:
    """The part of each row of a basis in which every part stands once."""
    return [part for part, count in enumerate(columns) for _ in range(count)]


def _product(count: int, channels: str) -> str:
    return channels if count == 1 else f"{count} * {channels}"
