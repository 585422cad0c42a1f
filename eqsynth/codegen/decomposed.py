"""Emitted code for a Schur step where tensors are stored in coordinates of irreducible parts: the products alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from eqsynth.bases.basis import basis
from eqsynth.bases.decomposed import Fixed, embeddings, parts
from eqsynth.codegen.irreps import UNIT, SchurCode, map_lines, part_of_rows, times_turned, unit_lines, vector_lines
from eqsynth.families.group import Group
from eqsynth.plans.steps import Schur, Source
from eqsynth.spaces.space import Order, Symmetry, axes_of, stored_full, stored_once, twists_of, untwisted

if TYPE_CHECKING:
    from eqsynth.codegen.forward import Forward


def decomposition_lines(group: Group, order: Order, known: Sequence[str]) -> tuple[str, list[str], set[str]]:
    """A name for the copies of each irreducible part of tensors, lines that make it, and the functions that these need.

    What ``known`` lines have made is not made again.
    """
    count, (twisted,) = axes_of(order), twists_of(order)
    full = untwisted(stored_full(order))
    text = str(full).replace("-", "_minus_")
    kind = f"_{re.sub('[^0-9A-Za-z]+', '_', text).strip('_')}" if isinstance(full, Symmetry) else f"_{count}"
    name, lines, helpers = f"parts{kind}{'_det' * twisted}", list[str](), {"_copies"}
    start = f"{name} = []  # copies of each irreducible part in tensors of order {stored_full(order)}"
    if start in known:
        return name, [], set()
    lines.append(start)
    units, needed = unit_lines(group, stored_once(stored_full(order)))
    if units:
        lines.append(f"units = {units}  # entries of {full}")
        helpers |= needed
    for part, maps in zip(parts(group, order), embeddings(group, order), strict=True):
        slug = re.sub("[^0-9a-z]+", "_", str(part.irrep)).strip("_")
        unit = f"irrep_{slug} = {UNIT}"
        if unit not in (*known, *lines):
            made, needed = vector_lines(part.irrep)
            lines += [*made, unit]
            helpers |= needed
        made, needed = map_lines(group, maps.diagrams, group.number**count, group.number**part.irrep.order)
        if units:
            made.append(f"maps = units.mT @ (units @ maps){times_turned(maps)}")
        lines += [*made, f"{name}.append(_copies(maps, irrep_{slug}))"]
        helpers |= needed
    return name, lines, helpers


class FixedCode(SchurCode):
    """The lines of a Schur step whose bases belong to the group, not to the maps."""

    def __init__(self, forward: Forward, step: Schur) -> None:
        super().__init__(forward, step)
        #: Pairs of terms without a table: the weight is the entry of the block.
        self.ones: set[tuple[int, int]] = set()

    @property
    def fixed(self) -> Fixed:
        """The bases."""
        assert isinstance(self.step.bases, Fixed)  # noqa: S101 - asked for these alone
        return self.step.bases

    def add_bases(self) -> None:
        """Lines that make ``into`` and ``back``; where weights are entries of blocks, also the bases of these."""
        if self.blocks:
            self.add_adapted(self.fixed.meant, "into_given, back_given")
        for name, orders in (("into", self.fixed.ins), ("back", self.fixed.outs)):
            listed = []
            for order in orders:
                source, lines, helpers = decomposition_lines(self.fixed.group, order, self.builders)
                self.builders += lines
                self.helpers |= helpers
                places = {(part.irrep, part.twisted): at for at, part in enumerate(parts(self.fixed.group, order))}
                wanted = [places.get((part.irrep, part.twisted)) for part in self.fixed.irreps]
                wide = self.positions(stored_full(order))
                none = [f"torch.zeros({part.dim}, 0, {wide}, dtype=torch.float64)" for part in self.parts]
                rows = [none[at] if place is None else f"{source}[{place}]" for at, place in enumerate(wanted)]
                listed.append(f"[{', '.join(rows)}]")
            self.builders.append(f"{name} = [{', '.join(listed)}]")

    def add_mixer(self, term_in: int, term_out: int, place: tuple[int, int], bases: str) -> None:
        """Lines that make the table from weights, whatever they are, to entries of blocks."""
        if self._is_one(term_in, term_out):
            self.ones.add((term_in, term_out))
            return
        say = self.builders.append
        if self.blocks:
            self.helpers.add("_unit_maps")
            say(f"maps = _unit_maps(into_given[{place[0]}], back_given[{place[1]}])")
        else:
            say(f"maps = spaces[{place[1]}][{place[0]}]")
            say(f"maps = {self.scaled(term_in, term_out, place)}")
        which = f"[{part_of_rows(self.columns)}]" if self.simple else ""
        say(f'self._table("{self.mixer(term_in, term_out)}", _blocks(maps, {bases}){which})')

    @property
    def mixes(self) -> bool:
        """Entries of blocks in these bases are sums of weights."""
        return True

    @property
    def simple(self) -> bool:
        """Whether one product for each row does it all: where no coordinates are left out, and all stand in order."""
        ends = ((True, self.fixed.ins), (False, self.fixed.outs))
        return self.step.simple and all(
            self.step.changes(side, at) or self._layout(order) == list(range(len(self.parts)))
            for side, orders in ends
            for at, order in enumerate(orders)
        )

    def _layout(self, order: Order) -> list[int | None]:
        """The part of the products that each part of stored tensors is; None where it is none of them."""
        places = {(part.irrep, part.twisted): at for at, part in enumerate(self.fixed.irreps)}
        return [places.get((part.irrep, part.twisted)) for part in parts(self.fixed.group, order)]

    def add_constants(self) -> None:
        """Lines that make the tables from biases to the coordinates of the trivial part."""
        for one in self.step.constants:
            order = self._order_out(one.term)
            if self.positions(order) > 1:
                lines, helpers = map_lines(self.fixed.group, one.elements, self.positions(order), 1)
                self.builders += lines
                self.helpers |= helpers
                rows = f"back[{self.fixed.outs.index(order)}][{self.fixed.trivial}]"
                scaled = f"maps * ((maps**2).sum(2).amax(1){self.forward.tables.power})[:, None, None]"
                self.builders.append("ones = torch.ones(1, 1, 1, dtype=torch.float64)")
                self.builders.append(f'self._table("constants_{one.term}", _blocks({scaled}, [ones], [{rows}]))')

    def _order_in(self, term: int) -> Order:
        return self.fixed.ins[next(end.order for end in self.step.sources if end.term == term)]

    def _order_out(self, term: int) -> Order:
        return self.fixed.outs[next(end.order for end in self.step.targets if end.term == term)]

    def _constants(self) -> str:
        """The biases in the coordinates of the trivial part, those of all targets one behind the other."""
        pieces = []
        for one in self.step.constants:
            bias = self.names.bias(one.term)
            made = bias if self.positions(self._order_out(one.term)) == 1 else f"(self.constants_{one.term} @ {bias})"
            pieces.append(f"{made}.flatten()")
        return pieces[0] if len(pieces) == 1 else f"torch.cat(({', '.join(pieces)}))"

    def say_weights(self) -> None:
        """``w_0_1``: the matrix of part 0 from source 1 to all targets; where there is one source, ``w_0``."""
        for i, o in self.pairs:
            if not self._scales(i, o):
                self.say_blocks(i, o)
        for index in range(len(self.parts)):
            for number, source in enumerate(self.step.sources):
                rows = [code for target in self.step.targets if (code := self.block_code(index, source, target))]
                if rows:
                    joined = rows[0] if len(rows) == 1 else f"torch.cat(({', '.join(rows)}))"
                    self.lines.append(f"{self._matrix(index, number)} = {joined}")

    def _scales(self, term_in: int, term_out: int) -> bool:
        """Whether there is one map between two terms, so that its weight is scaled."""
        return sum(self.block_sizes(term_in, term_out)) == 1

    def _is_one(self, term_in: int, term_out: int) -> bool:
        """Whether the weight between two terms is the entry of their block.

        So it is where the only map leads to numbers, and is as long as it is scaled: it is the inner product with the
        vector of the only coordinate that numbers can come from. On symmetric tensors it may be another one, whose
        values are those of this vector's multiple: y += x[a,b,a,b] for x[a,b,c,d] = -x[b,a,c,d].
        """
        order_in, order_out = self._order_in(term_in), self._order_out(term_out)
        length_one = self.forward.plan.normalization == "variance" and not self.forward.gain(term_in, term_out)
        if self.blocks or not length_one or axes_of(order_out) or not self._scales(term_in, term_out):
            return False
        group, (number,) = self.fixed.group, parts(self.fixed.group, order_out)
        (start,) = (
            maps
            for part, maps in zip(parts(group, order_in), embeddings(group, order_in), strict=True)
            if part.order == number.order
        )
        read = basis(group, stored_full(order_in), order_out)
        return bool((read.matrices()[0, 0] == start.matrices()[0, :, 0]).all())

    def block_code(self, index: int, source: Source, target: Source) -> str:
        """The block of a part between two terms as a matrix."""
        code = super().block_code(index, source, target)
        if code and self._scales(source.term, target.term):
            weight = self.names.weight(source.term, target.term)
            if (source.term, target.term) in self.ones:
                return f"{weight}.squeeze(0)"
            return f"({weight} * self.{self.mixer(source.term, target.term)}).squeeze(0)"
        return code

    def _matrix(self, index: int, number: int) -> str:
        return f"w_{index}_{number}" if len(self.step.sources) > 1 else f"w_{index}"

    def say_product(self, index: int) -> None:
        """The products of the rows of a part, added up over the sources; biases on the trivial part."""
        start = f", {self._constants()}" if self.step.constants and index == self.fixed.trivial else ""
        self.helpers.add("_product")
        for number, end in enumerate(self.step.sources):
            if operand := self.operand(number, end, index):
                self.lines.append(f"z_{index} = _product({operand}, {self._matrix(index, number)}{start})")
                start = f", z_{index}"

    def row_weights(self, term_in: int, term_out: int) -> str:
        """The matrices of all rows; the weight where it is the one entry that there is."""
        if (term_in, term_out) in self.ones:
            return self.names.weight(term_in, term_out)
        return super().row_weights(term_in, term_out)

    def row_products(self) -> str:
        """The products of all rows; biases on that of the trivial part."""
        if not self.step.constants:
            return super().row_products()
        at = next(row for row, part in enumerate(part_of_rows(self.columns)) if part == self.fixed.trivial)
        self.lines.append(f"constants = {self._constants()}.reshape(1, 1, -1)")
        pads = f"0, 0, 0, 0, {at}, {sum(self.columns) - at - 1}"
        return f"torch.baddbmm(nn.functional.pad(constants, ({pads})), u.transpose(0, 1), w.mT)"

    def into(self, number: int, end: Source, x: str) -> None:
        """Source ``number`` part by part."""
        if self.step.changes(True, end.order):
            super().into(number, end, x)
            return
        order = self.fixed.ins[end.order]
        names = ["_" if at is None else f"u{number}_{at}" for at in self._layout(order)]
        sizes = [part.irrep.dim * part.count for part in parts(self.fixed.group, order)]
        self.say_split(names, self.flat(end, x), sizes, 1)

    def back(self, end: Source) -> None:
        """A target, its parts one behind the other; those that no map reaches are zero."""
        if self.step.changes(False, end.order):
            super().back(end)
            return
        order, co = self.fixed.outs[end.order], self.names.c_out(end.term)
        tail = "" if len(self.step.targets) == 1 else f"_{end.term}"
        layout = self._layout(order)
        like = f"z_{next(at for at in layout if at is not None)}{tail}"
        pieces = []
        # Parts that no map reaches, one behind the other, are one piece.
        listed = [part.irrep.dim * part.count for part in parts(self.fixed.group, order)]
        for missing, run in groupby(zip(layout, listed, strict=True), key=lambda one: one[0] is None):
            sizes = list(run)
            if missing:
                pieces.append(f"{like}.new_zeros(1, 1, 1).expand(b, {sum(rows for _, rows in sizes)}, {co})")
            else:
                pieces += [f"z_{at}{tail}.reshape(b, {rows}, {co})" for at, rows in sizes]
        self.say_cat(end.name, pieces, 1)
