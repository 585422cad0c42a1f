"""The ``forward`` of an emitted layer, line by line: the second of two passes, which only prints.

What it needs to know about values is in the plan (axes and channels) and in the ``Analysis`` (memory, layout, what is
broadcast). A line is a statement, with a comment that says what it does in formulas and half-diagrams.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from math import prod
from textwrap import indent

from eqsynth.bases.basis import basis
from eqsynth.bases.decomposed import Fixed
from eqsynth.codegen import fourier
from eqsynth.codegen.analysis import (
    Analysis,
    MergedHeads,
    Sum,
    Summand,
    analyse,
    epsilon_of,
    is_small,
    missing,
)
from eqsynth.codegen.decomposed import FixedCode, decomposition_lines
from eqsynth.codegen.irreps import SchurCode, coordinate_lines, coupling_lines
from eqsynth.codegen.names import (
    Names,
    Size,
    binomial,
    half,
    literal,
    packing_arguments,
    packing_function,
    permuted,
    shape,
    times,
    whole_length,
)
from eqsynth.codegen.tables import Buffer, Tables
from eqsynth.codegen.tied import TabledCode, TiedCode
from eqsynth.diagrams.diagram import LETTERS
from eqsynth.diagrams.functor import index_order
from eqsynth.diagrams.text import fragment
from eqsynth.errors import abridged
from eqsynth.exact.permutations import inverse
from eqsynth.families.group import Group
from eqsynth.families.hom import indices_beside, indices_of
from eqsynth.plans.infer import Value
from eqsynth.plans.plan import POWERS, Plan
from eqsynth.plans.steps import (
    Contract,
    Couple,
    Entry,
    Hodge,
    Input,
    Join,
    Mix,
    Output,
    Pack,
    Pair,
    Part,
    Pattern,
    Reduce,
    Schur,
    Spread,
    Step,
    Tabled,
    Tied,
    Twist,
    Unpack,
    Weigh,
    describe,
)
from eqsynth.spaces.space import Decomposed, Irrep, Order, Symmetry

CLONE = "clone(memory_format=torch.contiguous_format)"


class Forward:
    """Prints the steps of a plan; ``tables`` is what its lines need to be there."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.names = plan, Names(plan)
        self.analysis: Analysis = analyse(plan)
        #: The types of values, of those too that stand for several steps.
        self.values: dict[str, Value] = {**plan.values}
        #: What scales sums of squares, in code.
        self.tables = Tables(f" ** {POWERS[plan.normalization]:g}")
        self.lines: list[str] = []
        #: Lines that scale weights, once for all their uses.
        self.weights: list[str] = []
        #: The code of each value: a variable, or an expression that is written where it is used.
        self.code: dict[str, str] = {}
        #: Operands of products that are scaled, and their names.
        self.scaled_operands: dict[tuple[str, str], str] = {}
        self.place_tables = 0
        #: What the names of tables that mixes apply begin with: mixes with the same ones share them.
        self.tabled: dict[Tabled, str] = {}
        #: Diagonals that are only summed: their code, with the axis of the sum last, and what they are.
        self.traced: dict[str, tuple[str, str]] = {}
        #: Variables that lines change in place.
        self.changed: set[str] = set()
        self.mixes = [step for step in plan.steps if isinstance(step, Mix)]
        self.weighs = [step for step in plan.steps if isinstance(step, Weigh)]

    def text(self) -> str:
        """The method; fills ``tables``."""
        body = self._body()
        self.tables.add_graphs()
        missing_sizes = self._missing_sizes()
        head = Head(self, missing_sizes).lines(self.names.used)
        first, *more = [name for name, _ in self.names.operands]
        arguments = ["self", first, *(f"{name}=None" for name in (*more, *missing_sizes)), "*others"]
        return f"def forward({', '.join(arguments)}):\n{indent(chr(10).join([*head, *body]), '    ')}"

    def _body(self) -> list[str]:
        for step in self.plan.steps:
            self._step(step)
        self._return()
        return self.lines

    def _missing_sizes(self) -> list[str]:
        """The open sizes that no input shows, which are arguments."""
        sizes = {size for _, order in self.plan.problem.inputs for size in self.plan.axes(order)}
        shown = {self.names.sizes[index] for size in sizes for index in self.names.indices_of(size)}
        return [name for name in self.names.open if name not in shown]

    def _step(self, step: Step) -> None:
        match step:
            case Input(target):
                self.code[target] = target
            case Reduce():
                self._reduce(step)
            case Hodge():
                self._hodge(step)
            case Contract():
                self._contract(step)
            case Twist():
                self._twist(step)
            case Join():
                self._join(step)
            case Couple():
                self._couple(step)
            case Weigh():
                self._weigh(step)
            case Mix():
                self._mix(step)
            case Spread():
                self._spread(step)
            case Tied():
                self._tied(step)
            case Schur():
                self._schur(step)
            case Pack() | Unpack():
                self._repack(step)
            case Output():
                pass

    # --- lines and words ----------------------------------------------------------------------------

    def say(self, code: str, comment: str = "", of: str = "") -> None:
        """A line of code, with a comment and the half-diagram of the value ``of``."""
        comment = " ".join(part for part in (self.drawn(of), comment) if part)
        self.lines.append(f"{code}  # {comment}" if comment else code)

    def drawn(self, value: str) -> str:
        """The half-diagram of a value, if it has one."""
        return fragment(*self.plan.halves[value]) if value in self.plan.halves else ""

    def sizes(self, axes: Iterable[int]) -> list[Size]:
        """The lengths of axes."""
        return [self.names.sizes[size] for size in axes]

    def stored(self, order: Order) -> list[Size]:
        """The lengths of the axes of a tensor as it is stored: those of several indices are products."""
        return [whole_length(own) for count, own in self.runs(order) for _ in range(count)]

    def runs(self, order: Order) -> list[tuple[int, list[Size]]]:
        """How many axes a tensor has of each factor as it is stored, and the lengths of the indices of each."""
        return self.plan.runs(order, self.names.sizes)

    def axes(self, value: str) -> list[Size]:
        """The lengths of the axes of a value."""
        return self.sizes(self.values[value].axes)

    def channels(self, value: str) -> str:
        """The channels of a value."""
        return self.names.channels(self.values[value])

    def repeated(self, value: str) -> frozenset[int]:
        """The places along which a value is yet to be repeated."""
        return self.analysis.layouts[value].repeated

    def pair(self, term_in: int, term_out: int) -> Pair:
        """What the plan says about the weights between two terms."""
        return next(pair for pair in self.plan.pairs if (pair.term_in, pair.term_out) == (term_in, term_out))

    def _return(self) -> None:
        results = []
        for step in self.plan.steps:
            if not isinstance(step, Output):
                continue
            order = self.plan.problem.space_out.orders[step.term]
            lengths = shape("*batch", self.stored(order), self.names.c_out(step.term))
            if step.source is None:
                results.append(f"{self.names.inputs[0][0]}.new_zeros({lengths})")
                continue
            code, layout = self.code[step.source], self.analysis.layouts[step.source]
            if 0 in layout.repeated:
                # A clone even where nothing is repeated: the value may be a view of a parameter.
                if self.is_split(order):
                    code = self._joined_constant(step.source, order)
                results.append(f"{code}.squeeze(0).expand({lengths}).{CLONE}")
                continue
            if layout.repeated:
                self.say(f"{code} = {self._filled(step.source)}")
            elif not layout.contiguous:
                code += ".contiguous()"
            if self.is_split(order):
                code = permuted(code, inverse(index_order(self.runs(order))))
                results.append(f"{code}.reshape({lengths})")
                continue
            self.names.used.add("folded")
            # A new view of what was changed in place: what puts hooks on outputs, as fully_shard does, needs one.
            results.append(f"{code}.reshape({lengths}){'' if code in self.changed else f' if folded else {code}'}")
        self.say(f"return {', '.join(results)}")

    def is_split(self, order: Order) -> bool:
        """Whether some axes of a tensor, or those of its group that is no product, are made of several indices."""
        runs = self.runs(order)
        return any(len(own) > 1 and (count or len(runs) == 1) for count, own in runs)

    def _joined_constant(self, value: str, order: Order) -> str:
        """What is the same for all samples, with several indices as one axis."""
        lengths = shape(1, self.axes(value), self.channels(value))
        code = permuted(f"{self.code[value]}.expand({lengths})", inverse(index_order(self.runs(order))))
        return f"{code}.reshape({shape(1, self.stored(order), self.channels(value))})"

    def _filled(self, value: str) -> str:
        """The value at full shape, with axes of length 1 repeated, in memory of its own."""
        lengths = shape(self.names.batch, self.axes(value), self.channels(value))
        return f"{self.code[value]}.expand({lengths}).{CLONE}"

    # --- packed tensors -------------------------------------------------------------------------

    def _repack(self, step: Pack | Unpack) -> None:
        """Entries of a symmetric or alternating tensor, each once, from all of them; or the other way round."""
        place = step.size - self.names.factors
        factor, symmetry = self.plan.packs[place]
        if isinstance(symmetry, Irrep | Decomposed):
            self._change_basis(step, place, symmetry)
            return
        channels, source = self.channels(step.source), self.code[step.source]
        if self.repeated(step.source):
            self.say(f"{source} = {self._filled(step.source)}")
        packing = isinstance(step, Pack)
        before = self.plan.values[step.source].axes
        n, own = self.names.axis(factor), indices_beside(self.plan.hom.group, factor)
        entries = times([n] * symmetry.order)
        rest = before[step.start + (symmetry.order * len(own) if packing else 1) :]
        # Axes before those that are packed go with the batch, axes behind them with the channels.
        length, behind = entries if packing else self.names.sizes[step.size], times([*self.sizes(rest), channels])
        table, signs = f"{'packed' if packing else 'unpacked'}_{place}", f"signs_{place}"
        signed = symmetry.signed and not packing
        self.tables.helpers.add(packing_function(symmetry))
        if isinstance(n, int):
            self._packing_tables(place, n, symmetry, [table, signs] if signed else [table])
            table, signs = f"self.{table}", f"self.{signs}"
        else:
            self.names.used.add(f"packing_{place}")
        ahead = times([self.names.batch, *self.sizes(before[: step.start])])
        several, order = len(own) > 1, index_order([(symmetry.order, own)])
        if packing and several:
            apart = [self.names.sizes[one] for one in own for _ in range(symmetry.order)]
            source = permuted(f"{source}.reshape({shape(ahead, apart, behind)})", inverse(order))
        code = f"{source}.reshape({ahead}, {length}, {behind}).index_select(1, {table})"
        if signed:
            code = f"({code} * {signs}[:, None].to({source}.dtype))"
        lengths = shape(self.names.batch, self.axes(step.target), channels)
        if several and not packing:
            apart = [self.names.sizes[one] for one in own] * symmetry.order
            code = permuted(f"{code}.reshape({shape(ahead, apart, behind)})", order)
        code = f"{code}.reshape({lengths})"
        if signed and isinstance(n, str):
            # Without entries there are none to take: sums over none are 0, and have a gradient.
            none = f"{source}.reshape({ahead}, {length}, {behind}).sum(1, keepdim=True)"
            none = f"{none}.expand(-1, {entries}, -1).contiguous().reshape({lengths})"
            code += f" if {n} >= {symmetry.least} else {none}"
        text = f"each entry of {symmetry.full} once" if packing else f"all entries of {symmetry.full}"
        self.say(f"{step.target} = {code}", text)
        self.code[step.target] = step.target

    def _change_basis(self, step: Pack | Unpack, place: int, irrep: Irrep | Decomposed) -> None:
        """The coordinates of a tensor in an irrep, or in all of its parts; or the tensor from them."""
        channels, source = self.channels(step.source), self.code[step.source]
        if self.repeated(step.source):
            self.say(f"{source} = {self._filled(step.source)}")
        packing = isinstance(step, Pack)
        lengths = shape(self.names.batch, self.axes(step.target), channels)
        code = source
        n = self.names.sizes[self.plan.packs[place][0]]
        # The coordinates of vectors and numbers are their entries.
        dim = int(self.names.sizes[step.size])
        if irrep.order > 1 or times([n] * irrep.order) != str(dim):
            before = self.plan.values[step.source].axes
            length = times([n] * irrep.order) if packing else dim
            ahead = times([self.names.batch, *self.sizes(before[: step.start])])
            behind = times([*self.sizes(before[step.start + (irrep.order if packing else 1) :]), channels])
            table = f"self.irrep_{place}{'' if packing else '.mT'}"
            code = f"{table} @ {source}.reshape({ahead}, {length}, {behind})"
            self._coordinates(irrep, f"irrep_{place}")
            code = f"({code})"
        text = f"coordinates in {irrep}" if packing else f"the tensor with these coordinates in {irrep}"
        self.say(f"{step.target} = {code}.reshape({lengths})", text)
        self.code[step.target] = step.target

    def _coordinates(self, one: Irrep | Decomposed, name: str) -> None:
        """Lines that make the table from tensors to coordinates."""
        builders = self.tables.builders
        if isinstance(one, Irrep):
            lines, helpers = coordinate_lines(one, name)
        else:
            source, lines, helpers = decomposition_lines(self.plan.hom.group, one, builders)
            lines = [*lines, f'self._table("{name}", torch.cat([rows.flatten(0, 1) for rows in {source}]))']
        builders += lines if lines[-1] not in builders else []
        self.tables.helpers |= helpers

    def _packing_tables(self, place: int, n: int, symmetry: Symmetry, names: Sequence[str]) -> None:
        """Lines of __init__ that make the tables of a packed axis."""
        builders = self.tables.builders
        line = f"packed, unpacked, signs = {packing_function(symmetry)}({n}, {packing_arguments(symmetry)})"
        for name in names:
            table = f'self._table("{name}", {name.removesuffix(f"_{place}")})'
            if table not in builders:
                # Tables of one axis are made together.
                at = builders.index(line) + 1 if line in builders else len(builders)
                builders[at:at] = [table] if line in builders else [line, table]

    # --- reductions ---------------------------------------------------------------------------

    def _reduce(self, step: Reduce) -> None:
        trace = self.traced.get(step.source)
        source, axes = trace[0] if trace else self.code[step.source], self.plan.values[step.source].axes
        letters = _letters(step.pattern)
        summed = [size for size, axis in zip(axes, step.pattern, strict=True) if axis is None]
        operation = "mean" if summed and self.plan.sums(summed[0]) == "mean" else "sum"
        if step.forms:
            ((left, right),) = step.forms
            signature = self.plan.problem.group.indices[axes[left]].signature
            if signature is None:
                first, second = (f"{source}.diagonal({by}, {left + 1}, {right + 1})[..., ::2]" for by in (1, -1))
                # The omega-trace has n terms, half of them in each diagonal.
                halved = " / 2" if operation == "mean" else ""
                code = f"({first} - {second}).{operation}(-1){halved}{self._sum_scale(axes[left])}"
            else:
                diagonal, plus = f"{source}.diagonal(0, {left + 1}, {right + 1})", signature[0]
                scale = f" / {sum(signature)}" if operation == "mean" else self._sum_scale(axes[left])
                code = f"({diagonal}[..., :{plus}].sum(-1) - {diagonal}[..., {plus}:].sum(-1)){scale}"
            text = f"{step.form}-trace of {step.source}[{letters}]"
        elif step.summed:
            axis = step.pattern.index(None)
            code = f"{source}.{operation}({-1 if trace else axis + 1}){self._sum_scale(axes[axis])}"
            text = f"sum over {LETTERS[step.axes]} of {trace[1] if trace else f'{step.source}[{letters}]'}"
        else:
            code, text = _diagonal(source, step.pattern), f"{step.source}[{letters}]"
            if self._is_trace(step):
                # Nothing else reads the diagonal: it is summed where torch puts it, behind the channels.
                self.traced[step.target] = (_diagonal(source, step.pattern, ordered=False), text)
                return
        self.say(f"{step.target} = {code}", text, of=step.target)
        self.code[step.target] = step.target

    def _is_trace(self, step: Reduce) -> bool:
        """Whether a diagonal of two axes is read once, by a sum over it that leaves all other axes in their order."""
        readers = [other for other in self.plan.steps if step.target in other.reads]
        axes = [axis for axis in step.pattern if axis is not None]
        labels = [axis for axis in axes if axes.count(axis) > 1]
        kept = [axis for axis in axes if axis not in labels]
        if len(readers) != 1 or len(labels) != 2 or kept != sorted(kept) or not isinstance(readers[0], Reduce):
            return False
        return readers[0].summed == 1 and not readers[0].forms and readers[0].pattern.index(None) == labels[0]

    def _sum_scale(self, factor: int) -> str:
        return f" * {self.names.scale(factor)}" if self.plan.sums(factor) == "variance" else ""

    # --- the Levi-Civita tensor ---------------------------------------------------------------------

    def _hodge(self, step: Hodge) -> None:
        if step.target in self.analysis.done:
            return
        source = permuted(self.code[step.source], step.order)
        code = self._contracted(step, source, self.channels(step.source))
        self.code[step.target] = step.target
        if step.target in self.analysis.inlined:
            self.code[step.target] = code
        else:
            self.say(f"{step.target} = {code}", _epsilon_text(step))

    def _contracted(self, step: Hodge, source: str, channels: str) -> str:
        """The code of a Hodge step for a source that is permuted already."""
        epsilon = epsilon_of(step, self.plan.problem.group)
        number = self.tables.epsilon(epsilon)
        flat = f"{source}.reshape(-1, {step.n ** (step.tied + step.taken)}, {channels})"
        lengths = shape(-1, self.axes_after(step), channels)
        if is_small(epsilon):
            self.tables.applied.add(number)
            if step.tied + step.taken == 0:
                return f"({flat} * self.epsilon_{number}.to({source}.dtype)).reshape({lengths})"
            self.tables.helpers.add("_multiply")
            return f"_multiply(self.epsilon_{number}, {flat}).reshape({lengths})"
        if step.taken > 1:
            flat = f"_antisymmetrise({flat}, self.even_{number}, self.odd_{number})"
        return f"_star({flat}, self.give_{number}, self.sign_{number}).reshape({lengths})"

    def axes_after(self, step: Hodge) -> list[Size]:
        """The lengths of the axes of what a Hodge step gives."""
        return self.sizes(self.plan.values[step.target].axes)

    def _merged_heads(self, step: Mix, merged: MergedHeads) -> None:
        """Heads and their places in the output as one small matrix."""
        heads, spread = merged.heads, merged.spread
        epsilon = epsilon_of(heads[0], self.plan.problem.group)
        number = self.tables.epsilon(epsilon)
        rows, places = (prod(map(_number, self.sizes(sizes))) for sizes in (spread.sizes, step.sizes))
        # The matrix is what the steps that it stands for make of unit vectors.
        lengths = shape(-1, self.axes_after(heads[0]), 1)
        unit = f"torch.eye({places}, dtype=torch.float64).reshape({shape(-1, self.sizes(step.sizes), 1)})"
        contracted = heads[0].n ** (heads[0].tied + heads[0].taken)
        self.tables.helpers.add("_multiply")
        say, name = self.tables.builders.append, f"spread_{merged.number}"
        say(f"x = {permuted(unit, heads[0].order)}.reshape(-1, {contracted}, 1)")
        say(f"y = _multiply(epsilon_{number}, x).reshape({lengths})")
        spots = [f"{permuted('y', _axes_of(part))}.reshape({places}, {rows})" for part in merged.parts]
        stacked = f"torch.stack(({', '.join(spots)}), 1)"
        say(f'self._table("{name}", {stacked}.reshape({places * len(heads)}, {rows}).T)')
        channels = self.names.c_out(spread.term)
        lengths = shape(-1, self.sizes(spread.sizes), channels)
        flat = f"z.reshape(-1, {places * len(heads)}, {channels})"
        text = f"epsilon takes {heads[0].taken} and gives {heads[0].given}, for {len(heads)} tensors at once"
        self.say(f"{merged.name} = _multiply(self.{name}, {flat}).reshape({lengths})", text)
        self.code[merged.name] = merged.name
        batch = self.values[heads[0].source].batch
        self.values[merged.name] = Value(spread.sizes, (), spread.term, batch)

    # --- contraction with the adjacency matrix --------------------------------------------------------

    def _contract(self, step: Contract) -> None:
        source, channels, n = self.code[step.source], self.channels(step.source), self.names.sizes[step.factor]
        factors = self.plan.problem.group.indices
        graph = factors[step.factor].kept_graph
        assert graph is not None  # noqa: S101 - only graphs have edges
        several = sum(factor.kept_graph is not None for factor in factors) > 1
        tables = self.tables.graph(graph, f"_{step.factor}" if several else "")
        if step.along is not None:
            place, transposed = step.along
            behind = times([*self.axes(step.source)[place + 1 :], channels])
            flat = f"{source}.reshape(-1, {n}, {behind})"
            lengths = shape(-1, self.axes(step.target), channels)
            code = f"{tables.neighbours(transposed, flat)}.reshape({lengths})"
        else:
            new = "".join(f".unsqueeze({len(step.labels) + 1 + i})" for i in range(len(step.kept) - len(step.labels)))
            ends = {end for edge in step.edges for end in edge}
            lengths = shape([n if label in ends else 1 for label in step.kept], 1)
            inner = ",".join(LETTERS[u] + LETTERS[v] for u, v in step.edges)
            outer = "".join(LETTERS[label] for label in step.kept if label in ends)
            same = len(step.edges) == 1 and inner == outer
            table = "A" if same else f'torch.einsum("{inner}->{outer}", {", ".join(["A"] * len(step.edges))})'
            name = tables.factor(f"{table}.reshape({lengths})")
            code = f"{source}{new} * self.{name}.to({source}.dtype)"
        self.say(f"{step.target} = {code}", describe(step))
        self.code[step.target] = step.target

    # --- products of inputs -----------------------------------------------------------------------

    def _twist(self, step: Twist) -> None:
        source, axis = self.code[step.source], step.axis + 1
        size = self.axes(step.source)[step.axis]
        signature = self.plan.problem.group.indices[self.plan.values[step.source].axes[step.axis]].signature
        if signature is not None:
            plus, minus = signature
            kept, turned = f"{source}.narrow({axis}, 0, {plus})", f"{source}.narrow({axis}, {plus}, {minus})"
            self.say(f"{step.target} = torch.cat(({kept}, -{turned}), {axis})", describe(step))
            self.code[step.target] = step.target
            return
        pairs = f"{source}.unflatten({axis}, ({half(size)}, 2))"
        code = f"torch.stack(({pairs}.select({axis + 1}, 1), -{pairs}.select({axis + 1}, 0)), {axis + 1})"
        self.say(f"{step.target} = {code}.flatten({axis}, {axis + 1})", describe(step))
        self.code[step.target] = step.target

    def _join(self, step: Join) -> None:
        left, right = (self.code[source] for source in step.sources)
        scale = self._join_scale(step)
        # The smaller one is scaled, once for all its products.
        if len(step.left) <= len(step.right):
            left = self._scaled_operand(left, scale)
        else:
            right = self._scaled_operand(right, scale)
        if step.entrywise:
            factors = (_aligned(left, step.left, step), _aligned(right, step.right, step))
            over = ", ".join(str(1 + label) for label in step.summed)
            over = f"({over})" if len(step.summed) > 1 else over
            code = f"({' * '.join(factors)}).sum({over})" if step.summed else " * ".join(factors)
        else:
            flat = ".flatten(-2)" if step.full else ""
            code = f'torch.einsum("{step.equation()}", {left}, {right}){flat}'
        self.say(f"{step.target} = {code}", describe(step).partition(" = ")[2], of=step.target)
        self.code[step.target] = step.target

    def _couple(self, step: Couple) -> None:
        """A product of two irreps in the coordinates of a third: a table of coupling coefficients times it."""
        one, channels = step.coupling, self.channels(step.source)
        lengths = shape(self.names.batch, self.axes(step.target), channels)
        code = self.code[step.source]
        if not one.trivial:
            name = f"coupling_{one.left}_{one.right}_{one.out}"
            lines, helpers = coupling_lines(one, self.plan.normalization, name)
            self.tables.builders += lines if lines[-1] not in self.tables.builders else []
            self.tables.helpers |= helpers
            rows = one.dims[1] * one.dims[2]
            code = f"(self.{name} @ {code}.reshape({self.names.batch}, {rows}, {channels}))"
        self.say(f"{step.target} = {code}.reshape({lengths})", f"the part of degree {one.out}")
        self.code[step.target] = step.target

    def _scaled_operand(self, source: str, scale: str) -> str:
        """The name of a value times a scale."""
        if scale and (source, scale) not in self.scaled_operands:
            number = sum(name == source for name, _ in self.scaled_operands)
            self.scaled_operands[source, scale] = f"{source}_r{number or ''}"
            self.say(f"{self.scaled_operands[source, scale]} = {source} * {scale}")
        return self.scaled_operands.get((source, scale), source)

    def _join_scale(self, step: Join) -> str:
        """What scales the sums of a product."""
        power, factors = POWERS[self.plan.normalization], []
        for factor in (step.sizes[label] for label in step.scaled):
            match self.plan.sums(factor):
                case "mean":
                    factors.append(f"{self.names.sizes[factor]} ** -1")
                case "variance":
                    factors.append(self.names.scale(factor))
        # Heads come from factors with diagrams.
        factors += [f"{step.terms} ** {power:g}"] if step.terms > 1 and power else []
        return f"({' * '.join(factors)})" if len(factors) > 1 else "".join(factors)

    def _weigh(self, step: Weigh) -> None:
        """Channels of one value are mixed, for each channel of the other; then the two are multiplied."""
        c_out = self.names.c_out(step.term_out)
        first, second = step.sources[step.first], step.sources[1 - step.first]
        wide = [self.names.c_input(number) for number in self.plan.problem.terms[step.term_in]]
        pair, count = self.pair(step.term_in, step.term_out), len(step.elements)
        weight, start = self.weight(pair), step.elements[0]
        if step.elements == tuple(range(start, start + count)):
            part = weight if count == pair.dim else f"{weight}[{start}:{start + count}]"
        else:
            name = f"weighed_{self.weighs.index(step)}"
            self.tables.buffers[name] = Buffer(step.elements)
            part = f"{weight}.index_select(0, self.{name})"
        if step.first == 0:
            part = f"{part}.unflatten(2, ({wide[0]}, {wide[1]})).transpose(2, 3)"
        contiguous = ".contiguous()" if self.analysis.layouts[first].strided else ""
        self.say("")
        self.say(f"# {describe(step).partition(' = ')[2]}")
        self.say(f"w = {part}.reshape(-1, {wide[step.first]})")
        mixed = f"({times([count, c_out])}, {wide[1 - step.first]})"
        self.say(f"w_{first} = linear({self.code[first]}{contiguous}, w).unflatten(-1, {mixed})")
        factors = (f"w_{first}", self.code[second])[:: 1 - 2 * step.first]
        product = step.targets[0] if count == 1 else "z"
        self.say(f'{product} = torch.einsum("{step.labels}", {", ".join(factors)})')
        if count > 1:
            self.say(f"{', '.join(step.targets)} = z.split({c_out}, -1)")
        self.code |= {name: name for name in step.targets}

    # --- mixing -------------------------------------------------------------------------------

    def _mix(self, step: Mix) -> None:
        self.code |= {name: name for name in step.writes}
        maps = f"{len(step.entries)} map{'s' if len(step.entries) != 1 else ''}"
        self.say("")
        if step.fourier:
            fourier.mix(self, step, maps)
            return
        if step.tabled:
            TabledCode(self, step, step.tabled).run()
            return
        ends = [
            list(dict.fromkeys(filter(None, map(self.drawn, names))))
            for names in ([operand.source for operand in step.operands], step.writes)
        ]
        drawn = f", from {', '.join(ends[0])} to {', '.join(ends[1])}" if all(0 < len(end) <= 8 for end in ends) else ""
        self.say(f"# mixing on {step.axes} {'axis' if step.axes == 1 else 'axes'}: {maps}{drawn}")
        bias = self._bias(step)
        product = step.writes[0] if len(step.writes) == 1 else "z"
        if step.operands:
            self._say_product(step, product, bias)
        else:
            self.say(f"{product} = {bias}.unsqueeze(0)")
        first = step.writes[0]
        if first in self.analysis.merged:
            self._merged_heads(step, self.analysis.merged[first])
            return
        names: Sequence[str] = step.writes
        if heads := self.analysis.together.get(first):
            code = self._contracted(heads[0], permuted("z", heads[0].order), "z.shape[-1]")
            self.say(f"z = {code}", _epsilon_text(heads[0]))
            names = [head.target for head in heads]
            self.code |= {name: name for name in names}
        if len(names) > 1:
            self.say_split(step, names)

    def say_split(self, step: Mix, names: Sequence[str]) -> None:
        """A line that names the targets of a mix, pieces of z."""
        widths = " + ".join(
            f"[{self.names.c_out(term)}] * {len(list(group))}"
            for term, group in groupby(step.targets, key=lambda target: target.term)
        )
        single = len(self.plan.problem.space_out) == 1
        self.say(f"{', '.join(names)} = z.split({self.names.c_out(0) if single else widths}, -1)")

    def _say_product(self, step: Mix, product: str, bias: str) -> None:
        """Lines that multiply all operands by the matrix of a mix."""
        axes_moved = [permuted(self.code[operand.source], operand.middle) for operand in step.operands]
        per = -(-len(axes_moved) // step.products)
        parts = [axes_moved[start : start + per] for start in range(0, len(axes_moved), per)]
        weights = ["w"] if len(parts) == 1 else [f"w_{number}" for number in range(len(parts))]
        if len(axes_moved) == 1:
            # A strided view would send linear down a slow path, one small product per index.
            (operand,) = step.operands
            straight = operand.middle == tuple(range(step.axes)) and not self.analysis.layouts[operand.source].strided
            operands = [axes_moved[0] if straight else f"{axes_moved[0]}.contiguous()"]
        else:
            operands = [f"torch.cat(({', '.join(part)}), -1)" if len(part) > 1 else part[0] for part in parts]
        matrix = self._matrix(step)
        terms = [operand.term for operand in step.operands]
        if len(parts) == 1 and matrix.isidentifier():
            weights = [matrix]
        elif len(parts) == 1:
            self.say(f"w = {matrix}")
        if len(parts) > 1:
            widths = [self.widths(terms[start : start + per]) for start in range(0, len(terms), per)]
            self.say("# in several products, so that the copies of operands stay small")
            self.say(f"{', '.join(weights)} = ({matrix}).split(({', '.join(widths)}), 1)")
        self.say(f"{product} = linear({operands[0]}, {weights[0]}{', ' + bias if bias else ''})")
        several = len(set(terms)) > 1
        for weight, columns in zip(weights[1:], operands[1:], strict=True):
            self.say(f"{product} {f'= {product} +' if several else '+='} linear({columns}, {weight})")

    def widths(self, terms: Sequence[int], out: bool = False) -> str:
        """The channels of some operands together, or of targets."""
        channels_of = self.names.c_out if out else self.names.c_in
        counted = [(channels_of(term), len(list(group))) for term, group in groupby(terms)]
        return " + ".join(channels if count == 1 else f"{count} * {channels}" for channels, count in counted)

    def _matrix(self, step: Mix) -> str:
        """Expression of the (targets x C_out, operands x C_in) matrix of a Mix."""
        rows = []
        for term_out, targets in groupby(range(len(step.targets)), key=lambda t: step.targets[t].term):
            target_list = list(targets)
            row = []
            for term_in, operands in groupby(range(len(step.operands)), key=lambda s: step.operands[s].term):
                row.append(self._block(step, term_in, term_out, list(operands), target_list))
            rows.append(row[0] if len(row) == 1 else _concatenated(row, 1))
        return rows[0] if len(rows) == 1 else _concatenated(rows, 0)

    def _block(self, step: Mix, i: int, o: int, operands: list[int], targets: list[int]) -> str:
        wide, high = len(operands), len(targets)
        entries = _entries_at(step, operands, targets)
        if not any(entries):
            return self.zeros(f"{high} * {self.names.c_out(o)}, {wide} * {self.names.c_in(i)}")
        if rows := self._rows(self.pair(i, o)):
            return rows[min(entry.element for entry in entries if entry)]
        part = self.weights_at(step, i, o, entries)
        if wide == high == 1:
            return f"{part}.squeeze(0)"
        c_out, c_in = self.names.c_out(o), self.names.c_in(i)
        if wide == 1:
            return f"{part}.reshape({high} * {c_out}, {c_in})"
        if high == 1:
            return f"{part}.transpose(0, 1).reshape({c_out}, {wide} * {c_in})"
        lengths = f"{high}, {wide}, {c_out}, {c_in}"
        return f"{part}.reshape({lengths}).transpose(1, 2).reshape({high} * {c_out}, {wide} * {c_in})"

    def weights_at(self, step: Mix, i: int, o: int, entries: Sequence[Entry | None]) -> str:
        """The weights of a pair that entries of a mix name, in their order, with signs; zeros where there is none."""
        table = [None if entry is None else entry.element for entry in entries]
        pair = self.pair(i, o)
        weight, first = self.weight(pair), min(element for element in table if element is not None)
        if table == list(range(first, first + len(table))):
            part = weight if len(table) == pair.dim else f"{weight}[{first}:{first + len(table)}]"
        else:
            part = self.gathered(step, weight, i, o, table, pair.dim)
        if any(entry is not None and entry.sign < 0 for entry in entries):
            signs = tuple(1 if entry is None else entry.sign for entry in entries)
            name = self._buffer("signs", step, i, o, Buffer(signs, "factors"))
            part = f"({part} * self.{name}[:, None, None])"
        return part

    def _rows(self, pair: Pair) -> dict[int, str]:
        """Names of the matrices of a pair by their first map, where each is one row of consecutive maps.

        Slices would each cost operators here, and a tensor of all weights in the backward pass.
        """
        counts: dict[int, int] = {}
        for step in self.mixes:
            targets = [place for place, target in enumerate(step.targets) if target.term == pair.term_out]
            operands = [place for place, operand in enumerate(step.operands) if operand.term == pair.term_in]
            entries = _entries_at(step, operands, targets)
            if step.fourier or step.tabled or not any(entries):
                continue
            if len(targets) > 1 or not all(entry and entry.sign > 0 for entry in entries):
                return {}
            elements = [entry.element for entry in entries if entry]
            if elements != _range(elements[0], len(elements)):
                return {}
            counts[elements[0]] = len(elements)
        if len(counts) < 2 or sum(counts.values()) != pair.dim:
            return {}
        weight = self.weight(pair)
        # Weights of products have names as weight_0_0 and weight_0_0_1: a number behind these would be another's.
        name = self.plan.weight_name(pair.term_in, pair.term_out).replace("weight", "matrix")
        names = {first: f"{name}_{number}" for number, first in enumerate(sorted(counts))}
        c_out, c_in = self.names.c_out(pair.term_out), self.names.c_in(pair.term_in)
        code = f"{weight}.unbind()"
        if len(counts) < pair.dim:
            widths = ", ".join(times([counts[first], c_in]) for first in names)
            code = f"{weight}.transpose(0, 1).reshape({c_out}, {pair.dim} * {c_in}).split(({widths}), 1)"
        line = f"{', '.join(names.values())} = {code}  # the matrix of each mixing"
        if line not in self.weights:
            self.weights.append(line)
        return names

    def weight(self, pair: Pair) -> str:
        """The weights of a pair, scaled once for all their uses."""
        name, weights = (
            self.plan.weight_name(pair.term_in, pair.term_out),
            self.names.weight(pair.term_in, pair.term_out),
        )
        if pair.sums:
            return fourier.summed(self, pair, name)
        factors = self.gain_factors(pair)
        if max(pair.squares, default=1) > 1:
            self.tables.buffers[f"{name}_scale"] = Buffer(pair.squares, "squares")
            factors.append(f"self.{name}_scale[:, None, None]")
        if not factors:
            return weights
        line = f"{name} = {weights} * {' * '.join(factors)}"
        if line not in self.weights:
            self.weights.append(line)
        return name

    def gain_factors(self, pair: Pair) -> list[str]:
        """The powers of n by which the weights of a pair grow."""
        return [f"{n} ** {gain / 4}" for n, gain in zip(self.names.sizes, pair.gains, strict=False) if gain]

    def _constant(self, term: int) -> str:
        """The bias of a term, scaled once for all its uses."""
        name, squares = self.plan.bias_name(term), self.plan.bias_squares[term]
        if max(squares, default=1) == 1:
            return self.names.bias(term)
        self.tables.buffers[f"{name}_scale"] = Buffer(squares, "squares")
        line = f"{name} = {self.names.bias(term)} * self.{name}_scale[:, None]"
        if line not in self.weights:
            self.weights.append(line)
        return name

    def zeros(self, lengths: str) -> str:
        """Zeros like weights."""
        pair = self.plan.pairs[0]
        return f"self.{self.plan.weight_name(pair.term_in, pair.term_out)}.new_zeros({lengths})"

    def gathered(self, step: Mix, weight: str, i: int, o: int, table: Sequence[int | None], dim: int) -> str:
        """Basis elements in the order of the matrix; places without an element take a zero."""
        places = tuple(dim if element is None else element for element in table)
        buffer = self._buffer("order", step, i, o, Buffer(places))
        padded = f"nn.functional.pad({weight}, (0, 0, 0, 0, 0, 1))" if None in table else weight
        return f"{padded}.index_select(0, self.{buffer})"

    def _buffer(self, kind: str, step: Mix, i: int, o: int, buffer: Buffer) -> str:
        """The name of a buffer for one block of a Mix."""
        problem = self.plan.problem
        suffix = "" if len(problem.terms) == len(problem.space_out) == 1 else f"_{i}_{o}"
        name = f"{kind}{suffix}_{self.mixes.index(step)}"
        self.tables.buffers[name] = buffer
        return name

    def _bias(self, step: Mix) -> str:
        if not step.biases:
            return ""
        pieces = []
        element_at = {entry.target: entry.element for entry in step.biases}
        for o, group in groupby(range(len(step.targets)), key=lambda t: step.targets[t].term):
            table = [element_at.get(target) for target in group]
            if set(table) == {None}:
                pieces.append(self.zeros(f"{len(table)} * {self.names.c_out(o)}"))
            else:
                pieces.append(f"{self.biases_at(step, o, table)}.flatten()")
        return pieces[0] if len(pieces) == 1 else f"torch.cat(({', '.join(pieces)}))"

    def biases_at(self, step: Mix, o: int, table: Sequence[int | None]) -> str:
        """The biases of a term that a table names, in its order; zeros where there is none."""
        bias, dim = self._constant(o), self.plan.bias_dims[o]
        filled = [place for place, element in enumerate(table) if element is not None]
        run = [element for element in table if element is not None]
        if filled == _range(filled[0], len(filled)) and run == _range(run[0], len(run)):
            part = bias if len(run) == dim else f"{bias}[{run[0]}:{run[0] + len(run)}]"
            around = f"{filled[0]}, {len(table) - 1 - filled[-1]}"
            return part if around == "0, 0" else f"nn.functional.pad({part}, (0, 0, {around}))"
        places = tuple(dim if element is None else element for element in table)
        buffer = self._buffer("bias_order", step, 0, o, Buffer(places))
        padded = f"nn.functional.pad({bias}, (0, 0, 0, 1))" if None in table else bias
        return f"{padded}.index_select(0, self.{buffer})"

    # --- maps that are no diagrams ----------------------------------------------------------------

    def gain(self, term_in: int, term_out: int) -> str:
        """The powers of n by which the weights of a pair grow, as factors behind another."""
        return "".join(f" * {factor}" for factor in self.gain_factors(self.pair(term_in, term_out)))

    def _schur(self, step: Schur) -> None:
        code = (FixedCode if isinstance(step.bases, Fixed) else SchurCode)(self, step)
        bases = step.bases
        code.build(lambda order_in, order_out: basis(bases.group, order_in, order_out))
        code.run()
        kinds = ", ".join(f"{part.dim}" for part in bases.irreps)
        self.say("")
        self.say(f"# in a basis of irreducible parts, of dimension {kinds}: each mixes its copies and the channels")
        for line in code.lines:
            self.say(line)
        for end in step.targets:
            lengths = shape(self.names.batch, self.axes(end.name), self.names.c_out(end.term))
            self.say(f"{end.name} = {end.name}.reshape({lengths})")
            self.code[end.name] = end.name

    def _tied(self, step: Tied) -> None:
        TiedCode(self, step).run()
        self.code[step.target] = step.target

    # --- spreading ----------------------------------------------------------------------------

    def _spread(self, step: Spread) -> None:
        layout = self.analysis.sums[step.target]
        if layout.base is not None:
            name = self.code[layout.base.source]
            self._add_to_base(step, name, layout)
        else:
            name = step.target
            self._say_sum(step, name, layout)
        self.code[step.target] = name
        for summand in layout.embedded:
            self._embed(step, name, summand)

    def _add_to_base(self, step: Spread, name: str, layout: Sum) -> None:
        """Lines that add parts to a tensor of our own that is already in place."""
        for summand in layout.placed:
            part = summand.part
            cast = "" if self.values[part.source].batch else f".to({name}.dtype)"
            by = "-" if part.sign < 0 else "+"
            start = f"{name} {by}=" if summand.inside else f"{name} = {name} {by}"
            self.changed |= {name} if summand.inside else set()
            self.say(f"{start} {self._placed(part)}{cast}", self._part_text(step, part), of=part.source)
        if layout.anew and layout.embedded:
            # Under vmap a new sum may have its axes in another order.
            self.say(f"{name} = {name}.contiguous()")

    def _say_sum(self, step: Spread, name: str, layout: Sum) -> None:
        """A line that adds up parts as views, and one that gives the sum memory of its own where it needs it."""
        parts = [summand.part for summand in layout.placed]
        if parts:
            code = _signed((self._placed(part), part.sign) for part in parts)
            texts = [self._part_text(step, replace(part, sign=1)).partition(" += ") for part in parts]
            sums = _signed((right, part.sign) for part, (_, _, right) in zip(parts, texts, strict=True))
            same = len({left for left, _, _ in texts}) == 1 and texts[0][0]
            text = f"{texts[0][0]} = {sums}" if same else "; ".join(self._part_text(step, part) for part in parts)
            self.say(f"{name} = {code}", text, of=name)
        if not layout.memory:
            return
        source = self.code[layout.embedded[0].part.source]
        match layout.memory:
            case "zeros":
                code = f"{source}.new_zeros({self._full(step)})"
            case "repeated":
                # Zeros from a tensor that has the batch: never a view of a parameter.
                code = f"({source}.new_zeros({self._full(step)}) + {name}).contiguous()"
            case "copied":
                code = f"{name}.{CLONE}"
            case "contiguous":
                code = f"{name}.contiguous()"
        self.say(f"{name} = {code}")

    def _full(self, step: Spread) -> str:
        return shape(self.names.batch, self.sizes(step.sizes), self.names.c_out(step.term))

    def _embed(self, step: Spread, name: str, summand: Summand) -> None:
        """Add a part to a diagonal, or along a form."""
        part, inside = summand.part, summand.inside
        sizes, channels = self.sizes(step.sizes), self.names.c_out(step.term)
        text = " ".join(filter(None, (self.drawn(part.source), self._part_text(step, part))))
        # The places of each axis of the part, or of the form.
        places: dict[int | None, list[int]] = {}
        for place, axis in enumerate(part.pattern):
            places.setdefault(axis, []).append(place)
        labels = [axis for axis in places if axis is not None]
        repeated = [run for axis, run in places.items() if len(run) > 1]
        if inside and not part.forms and len(repeated) == 1 and repeated[0] == _range(repeated[0][0], len(repeated[0])):
            self._embed_neighbours(step, name, part, repeated[0], labels, text)
            return
        labels.sort()
        code, absent = self._placed_with_missing(Part(part.source, tuple(labels)))
        lengths = self._lengths(step, part, labels)
        total = times(sizes)
        fixed = all(isinstance(size, int) for size in sizes)
        device = "" if fixed else f", device={name}.device"
        ones = f"torch.arange({total}{device}).reshape({shape(1, sizes, 1)})"
        if part.forms:
            # Entries with the sign + and with -: how many there are, and where.
            halves: list[tuple[Size | str, str, int]]
            ((left, right),) = part.forms
            signature = self.plan.problem.group.indices[step.sizes[left]].signature
            if signature is None:
                at = f"{ones}.diagonal({{}}, {left + 1}, {right + 1})[..., ::2]"
                halves = [(half(sizes[left]), at.format(by), by) for by in (1, -1)]
            else:
                at, (plus, minus) = f"{ones}.diagonal(0, {left + 1}, {right + 1})", signature
                halves = [(plus, f"{at}[..., :{plus}]", 1), (minus, f"{at}[..., {plus}:]", -1)]
            diagonals = [
                (f"{code}.unsqueeze(-2).expand({shape([*lengths[:-1], length, channels])})", diagonal, by)
                for length, diagonal, by in halves
            ]
        else:
            if absent:
                code = f"{code}.expand({shape(lengths)})"
            diagonals = [(code, _diagonal(ones, part.pattern), 1)]
        batch = self.names.batch
        for code, diagonal, by in diagonals:
            added = f"{code}.flatten(1, -2).to({name}.dtype)"
            at = f"{diagonal}.flatten()"
            if fixed:
                self.tables.builders.append(f'self._table("places_{self.place_tables}", {at})')
                at, self.place_tables = f"self.places_{self.place_tables}", self.place_tables + 1
            what = f"(1, {at}, {added}{', alpha=-1' if by * part.sign < 0 else ''})"
            if inside:
                self.changed.add(name)
                self.say(f"{name}.view({batch}, {total}, {channels}).index_add_{what}", text)
            else:
                back = f"reshape({shape(batch, sizes, channels)})"
                self.say(f"{name} = {name}.reshape({batch}, {total}, {channels}).index_add{what}.{back}", text)
            text, inside = "", True

    def _embed_neighbours(
        self, step: Spread, name: str, part: Part, run: list[int], labels: list[int], text: str
    ) -> None:
        """The axes that agree are neighbours: one axis of a flattened view, and their diagonal a slice of it."""
        sizes, channels = self.sizes(step.sizes), self.names.c_out(step.term)
        code, absent = self._placed_with_missing(Part(part.source, tuple(labels)))
        middle = frozenset({run[0] + 1})
        n = sizes[run[0]]
        behind = times([*sizes[run[-1] + 1 :], channels])
        if absent - middle - {0} or (0 in absent and len(labels) > 1):
            code = f"{code}.expand({shape(self._lengths(step, part, labels, absent & middle))})"
        if len(labels) > 1:
            code = f"{code}.reshape(-1, {1 if absent & middle else n}, {behind})"
        if isinstance(n, int):
            stride = str(sum(n**power for power in range(len(run))))
        else:
            stride = " + ".join([*(times([n] * power) for power in range(len(run) - 1, 0, -1)), "1"])
        view = f"{name}.view(-1, {times([n] * len(run))}, {behind})[:, :: {stride}]"
        self.changed.add(name)
        self.say(f"{view}.{'sub_' if part.sign < 0 else 'add_'}({code})", text)

    def _lengths(
        self, step: Spread, part: Part, labels: Sequence[int], one: frozenset[int] = frozenset()
    ) -> list[Size]:
        """The lengths of a part with all axes in place: batch, labels, channels; 1 for the axes in ``one``."""
        axes = [self.names.sizes[step.sizes[part.pattern.index(label)]] for label in labels]
        lengths: list[Size] = [self.names.batch, *axes]
        return [*(1 if place in one else length for place, length in enumerate(lengths)), self.names.c_out(step.term)]

    def _placed(self, part: Part) -> str:
        """The source with its axes in the target's order, axes of length 1 where it is repeated."""
        code = permuted(self.code[part.source], tuple(axis for axis in part.pattern if axis is not None))
        return code + "".join(f".unsqueeze({1 + place})" for place, axis in enumerate(part.pattern) if axis is None)

    def _placed_with_missing(self, part: Part) -> tuple[str, frozenset[int]]:
        return self._placed(part), missing(part, self.repeated(part.source))

    def _part_text(self, step: Spread, part: Part) -> str:
        free = iter(LETTERS[len({a for a in part.pattern if a is not None}) :])
        left = [LETTERS[axis] if axis is not None else next(free) for axis in part.pattern]
        right = ",".join(LETTERS[axis] for axis in sorted({axis for axis in part.pattern if axis is not None}))
        forms = "".join(f"{part.form}[{left[i]},{left[j]}] " for i, j in part.forms)
        by = "-=" if part.sign < 0 else "+="
        return f"{step.target}[{','.join(left)}] {by} {forms}{part.source}[{right}]" if left else ""


class Head:
    """The first lines of ``forward``: shapes are checked, sizes read, batch axes folded into one, weights scaled."""

    def __init__(self, forward: Forward, missing_sizes: Sequence[str]) -> None:
        self.plan, self.names, self.forward = forward.plan, forward.names, forward
        self.missing = missing_sizes
        self.raw = [name for name, *_ in self.names.inputs]
        self.axes = [self.plan.axes(order) for _, order in self.plan.problem.inputs]
        #: The lengths of the axes of each input as it is given.
        self.lengths = [forward.stored(order) for _, order in self.plan.problem.inputs]
        self.say = forward.say

    def lines(self, used: set[str]) -> list[str]:
        """The lines, for a body that uses some variables."""
        used, body = {*used}, self.forward.lines
        self.forward.lines = []
        self._say_arguments()
        self._say_channels(used)
        self._say_sizes()
        self._say_batch(used)
        self._say_scales(used)
        head, self.forward.lines = self.forward.lines, body
        return head

    def _call(self) -> str:
        """How the layer is called."""
        names = self.names
        inputs = [
            name if len(space) == 1 else f"({', '.join(f'{name}{term}' for term in range(len(space)))})"
            for name, space in names.operands
        ]
        return f"layer({', '.join([*inputs, *self.missing])})"

    def _say_arguments(self) -> None:
        self.say("if others:")
        count = len(self.names.operands) + len(self.missing)
        self.say(f'    raise self.ShapeError(f"got {{{count} + len(others)}} arguments: call {self._call()}")')
        for name, _ in self.names.operands[1:]:
            self.say(f"if {name} is None:")
            self.say(f'    raise self.ShapeError("{name} is missing: call {self._call()}")')
        for name, space in self.names.operands:
            if len(space) == 1:
                continue
            which = f"{name}: " if self.names.multilinear else ""
            self.say(f"if not isinstance({name}, (tuple, list)) or len({name}) != {len(space)}:")
            self.say(f"    got = len({name}) if isinstance({name}, (tuple, list)) else type({name}).__name__")
            self.say(
                f'    raise self.ShapeError(f"{which}expected a tuple of {len(space)} tensors, '
                f'one per term of {literal(str(space))}, got {{got}}: call {self._call()}")'
            )
            self.say(f"{', '.join(f'{name}{term}' for term in range(len(space)))} = {name}")

    def _say_channels(self, used: set[str]) -> None:
        if self.names.multilinear:
            operands = [f"channels_{name}" for name, _ in self.names.operands]
            derived = [name for name in ("channels_in", "channels_out") if name in used]
            wide = [*operands, *derived]
        else:
            wide = ["channels_in", "channels_out"]
        self.say(f"{', '.join(wide)} = {', '.join(f'self.{name}' for name in wide)}")

    def _say_sizes(self) -> None:
        """Lines that read open sizes off the tensors, and refuse wrong shapes."""
        names, group = self.names, self.plan.problem.group
        #: Sizes that are known by now, which messages show as numbers.
        known: set[str] = set(self.missing)
        shown_by: dict[int, set[str]] = {}
        for name in names.open:
            shown = [number for number, axes in enumerate(self.axes) if name in self.forward.sizes(axes)]
            if name in self.missing:
                self.say(f"if isinstance({name}, bool) or not isinstance({name}, (int, torch.SymInt)) or {name} < 1:")
                self.say(
                    f'    raise self.ShapeError(f"the size {name} must be an int from 1 on, not {{{name}!r:.40}}: no '
                    f'input has an axis of this length, so call {self._call()}")'
                )
            elif not shown:
                self._say_side(name, known)
            else:
                place = self._place(shown[0], name)
                self.say(f"{name} = {self._length(shown[0], place, partial(self._of_axis, name))}")
                self.say(f"if {name} == 0:")
                self.say(f"    {self._refusal(shown[0], known, f' with {name} >= 1')}")
                shown_by.setdefault(shown[0], set()).add(name)
            if any(names.sizes[place] == name and one.multiple > 1 for place, one in enumerate(group.indices)):
                self.say(f"if {name} % 2:")
                self.say(f'    raise self.ShapeError(f"n = {{{name}}} is odd, but {group} needs an even n")')
            owner = self._split_factor(name)
            if name in self.missing and owner is not None and owner.multiple > 1:
                self.say(f"if {name} % {owner.multiple}:")
                self.say(
                    f'    raise self.ShapeError(f"{owner} has no axes of length {{{name}}}: it is a multiple of '
                    f'{owner.multiple}")'
                )
                self.say(f"{name} //= {owner.multiple}", f"an axis has {owner.multiple} * {name} entries")
        for (factor, symmetry), size in zip(self.plan.packs, names.sizes[names.factors :], strict=True):
            if isinstance(size, str) and isinstance(symmetry, Symmetry):
                self.say(f"{size} = {binomial(names.axis(factor), symmetry)}", f"entries of {symmetry.full}")
        for number, axes in enumerate(self.axes):
            x = self.raw[number]
            lengths, count = shape(self.lengths[number], names.c_input(number)), len(self.lengths[number])
            fits = f"isinstance({x}, torch.Tensor) and {x}.shape[-{count + 1}:] == ({lengths}{'' if count else ','})"
            numbers = f"({x}.is_floating_point() or {x}.is_complex())"
            if group.over_complex:
                numbers = f"{x}.is_complex()"
                self.say(f"if isinstance({x}, torch.Tensor) and not {x}.is_complex():")
                cure = f"tensors of {abridged(group)} are complex numbers: pass them as these, x.to(torch.complex64)"
                self.say(f'    raise self.ShapeError(f"{self._which(number)} holds {{{x}.dtype}}, and {cure}")')
            self.say(f"if not ({fits} and {numbers}):")
            hints = [
                f"{names.sizes[size]} = {binomial(names.axis(factor), symmetry)}"
                for size in axes
                if size >= names.factors and isinstance(names.sizes[size], str)
                for factor, symmetry in [self.plan.packs[size - names.factors]]
                if isinstance(symmetry, Symmetry)
            ]
            hint = f" with {' and '.join(dict.fromkeys(hints))}" if hints else ""
            self.say(f"    {self._refusal(number, set(names.open) - shown_by.get(number, set()), hint)}")

    def _length(self, number: int, place: int, of: Callable[[str], str] = str) -> str:
        """The length of an axis of an input, 0 where there is none; ``of``: what is made of it."""
        x, count = self.raw[number], len(self.lengths[number])
        at = f"{x}.shape[{place - count - 1}]"
        return f"{of(at)} if isinstance({x}, torch.Tensor) and {x}.ndim > {count} else 0"

    def _place(self, number: int, name: str) -> int:
        """The first axis of an input, as it is given, that shows an open size."""
        _, order = self.plan.problem.inputs[number]
        return [name in own for count, own in self.forward.runs(order) for _ in range(count)].index(True)

    def _split_factor(self, name: str) -> Group | None:
        """The factor of the group with axes of two indices one of which is an open size."""
        group, sizes = self.plan.problem.group, self.names.sizes
        factors = zip(group.factors, indices_of(group), strict=True)
        return next((factor for factor, own in factors if factor.split and name in [sizes[i] for i in own]), None)

    def _of_axis(self, name: str, length: str) -> str:
        """An open size from the length of an axis."""
        factor = self._split_factor(name)
        return f"{length} // {factor.multiple}" if factor is not None and factor.multiple > 1 else length

    def _say_side(self, name: str, known: set[str]) -> None:
        """Lines that find an open size from the length of a packed axis."""
        names = self.names
        number, place, size = next(
            (number, place, size)
            for number, axes in enumerate(self.axes)
            for place, size in enumerate(axes)
            if name in [names.sizes[index] for index in names.indices_of(size)]
        )
        index, symmetry = self.plan.packs[size - names.factors]
        assert isinstance(symmetry, Symmetry)  # noqa: S101 - irreps have lengths that are known
        function = "_side" if symmetry.short else "_side_of"
        self.forward.tables.helpers.add(function)
        side = self._length(
            number, place, lambda at: self._of_axis(name, f"{function}({at}, {packing_arguments(symmetry)})")
        )
        self.say(f"{name} = {side}")
        self.say(f"if {name} == 0:")
        packed = str(names.sizes[size])
        least = ", at least 1: without entries it does not say what the size is" if symmetry.least > 1 else ""
        note = f" with {packed} = {binomial(names.axis(index), symmetry)}{least}"
        self.say(f"    {self._refusal(number, known - {packed}, note)}")

    def _which(self, number: int) -> str:
        """What messages call an input."""
        return self.raw[number] if self.names.multilinear else "input" if len(self.raw) == 1 else f"input {number}"

    def _refusal(self, number: int, known: set[str], note: str) -> str:
        """A call that refuses an input; sizes that are ``known`` are shown as numbers."""
        x = self.raw[number]
        lengths = [f"{{{size}}}" if size in known else size for size in self.lengths[number]]
        more = f', "{note}"' if note else ""
        expected = shape(lengths, f"{{{self.names.c_input(number)}}}")
        return f'self._reject("{self._which(number)}", {x}, f"{expected}"{more})'

    def _say_batch(self, used: set[str]) -> None:
        """Lines that compare batch axes, and fold them into one."""
        for number in range(len(self.axes)):
            lead = f"{self.raw[number]}.shape[:-{len(self.lengths[number]) + 1}]"
            if number == 0:
                if "folded" in used:
                    # A trace is of one number of axes: its reshapes refuse others.
                    several = f"{self.raw[number]}.ndim != {len(self.lengths[number]) + 2}"
                    self.say(f"batch, folded = {lead}, {several} or torch.jit.is_tracing()")
                else:
                    self.say(f"batch = {lead}")
                continue
            ours, first, what = f"input {number}", "input 0", "terms"
            if self.names.multilinear:
                ours, first, what = self.raw[number], self.raw[0], "inputs"
            self.say(f"if {lead} != batch:")
            self.say(
                f'    raise self.ShapeError(f"{ours} has batch shape {{tuple({lead})}}, '
                f'but {first} has {{tuple(batch)}}: give all {what} the same batch shape")'
            )
        names = self.names
        inputs = {step.term: step.target for step in self.plan.steps if isinstance(step, Input)}
        read = {name for step in self.plan.steps for name in step.reads}
        for number, axes in enumerate(self.axes):
            if number not in inputs or (self.names.multilinear and number and inputs[number] not in read):
                continue
            lengths = shape(self.forward.sizes(axes), self.names.c_input(number))
            # A packed tensor can be empty where there are signs, and then a -1 stands for any number.
            packs = [self.plan.packs[size - self.names.factors] for size in axes if size >= self.names.factors]
            known = [(one.least, self.plan.problem.group.indices[factor].n) for factor, one in packs]
            empty = any(least > 1 and (isinstance(n, str) or n < least) for least, n in known)
            folded = "batch.numel()" if empty else "-1"
            order = self.plan.problem.inputs[number][1]
            if axes and self.forward.is_split(order):
                runs = self.forward.runs(order)
                lengths = shape([size for count, own in runs for size in own * count], names.c_input(number))
                code = permuted(f"{self.raw[number]}.reshape({folded}, {lengths})", index_order(runs))
                self.say(f"{inputs[number]} = {code}", "first which group, then which of its members")
                continue
            code = f"{self.raw[number]}.reshape({folded}, {lengths})"
            self.say(f"{inputs[number]} = {code}{f' if folded else {self.raw[number]}' if 'folded' in used else ''}")
        if "b" in used:
            self.say(f"b = {inputs[min(inputs)]}.shape[0]" if inputs else "b = batch.numel()")

    def _say_scales(self, used: set[str]) -> None:
        """Lines that scale the weights, and the scales of sums that the body uses."""
        names = self.names
        for line in self.forward.weights:
            self.say(line, "" if "#" in line else "every map at the same size")
        for place, (factor, symmetry) in enumerate(self.plan.packs):
            if f"packing_{place}" in used and isinstance(symmetry, Symmetry):
                tables = [f"{table}_{place}" for table in ("packed", "unpacked", "signs")]
                of_inputs = enumerate(self.axes)
                holding = [at for at, axes in of_inputs if any(factor in names.indices_of(size) for size in axes)]
                device = f"{self.raw[holding[0] if holding else 0]}.device"
                n = names.axis(factor)
                code = f"{packing_function(symmetry)}({n}, {packing_arguments(symmetry)}, {device})"
                self.say(f"{', '.join(tables)} = {code}", f"places of the entries of {symmetry.full}")
        for factor, size in enumerate(names.sizes[: names.factors]):
            if (name := names.scale(factor)) in used:
                self.say(f"{name} = {size} ** -0.5", "scale of a sum over one index")


# --- code for tensors -----------------------------------------------------------------------------------


def _diagonal(code: str, pattern: Pattern, ordered: bool = True) -> str:
    """A view of the diagonal on which axes with the same entry of ``pattern`` agree.

    Not ``ordered``: its axes stand as torch leaves them, the last diagonal behind the channels.
    """
    # Axes of the running view, as target axes; the channels are -1.
    axes: list[int] = [axis for axis in pattern if axis is not None] + [-1]
    while True:
        pair = next(
            ((i, j) for j in range(len(axes)) for i in range(j) if axes[i] == axes[j]),
            None,
        )
        if pair is None:
            break
        first, second = pair
        label = axes[first]
        code += f".diagonal(0, {first + 1}, {second + 1})"
        axes = [axis for position, axis in enumerate(axes) if position not in pair] + [label]
    target = [*sorted(axis for axis in axes if axis != -1), -1]
    if axes != target and ordered:
        if len(axes) == 2:
            code += ".transpose(1, 2)"
        else:
            code += f".permute(0, {', '.join(str(axes.index(axis) + 1) for axis in target)})"
    return code


def _aligned(source: str, labels: Sequence[int], step: Join) -> str:
    """A factor with an axis for each label, of length 1 where it lacks it."""
    code = permuted(source, tuple(sorted(range(len(labels)), key=lambda axis: labels[axis])))
    return code + "".join(f".unsqueeze({1 + label})" for label in range(len(step.sizes)) if label not in labels)


def _concatenated(parts: Sequence[str], axis: int) -> str:
    inner = "".join(f"{indent(part, '    ')},\n" for part in parts)
    return f"torch.cat((\n{inner}), {axis})"


def _entries_at(step: Mix, operands: Sequence[int], targets: Sequence[int]) -> list[Entry | None]:
    """The entries of a block of a mix, row by row."""
    at = {(entry.target, entry.operand): entry for entry in step.entries}
    return [at.get((target, operand)) for target in targets for operand in operands]


def _signed(terms: Iterable[tuple[str, int]]) -> str:
    """A sum in code, with signs."""
    (first, sign), *others = terms
    rest = "".join(f" {'-' if by < 0 else '+'} {code}" for code, by in others)
    return f"{'-' * (sign < 0)}{first}{rest}"


def _letters(pattern: Pattern) -> str:
    free = iter(LETTERS[len({a for a in pattern if a is not None}) :])
    return ",".join(LETTERS[axis] if axis is not None else next(free) for axis in pattern)


def _epsilon_text(step: Hodge) -> str:
    return f"epsilon takes {step.taken} {'axis' if step.taken == 1 else 'axes'} and gives {step.given}"


def _axes_of(part: Part) -> tuple[int, ...]:
    """The pattern of a part that repeats nothing."""
    return tuple(axis for axis in part.pattern if axis is not None)


def _number(size: Size) -> int:
    assert isinstance(size, int)  # noqa: S101 - open sizes are not merged
    return size


def _range(start: int, count: int) -> list[int]:
    return list(range(start, start + count))
