"""Source of the modules inside of an eq.nn.Sparse: what they do with the entries that are there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from textwrap import indent
from typing import TYPE_CHECKING

from eqsynth.codegen.emit import ClassSource
from eqsynth.errors import ExportError
from eqsynth.families.group import Group
from eqsynth.layers.linear import Linear
from eqsynth.nn.activations import PackedLength
from eqsynth.nn.entries import Pattern
from eqsynth.nn.folded import Block, Folded, Mixing, Part, component_lengths, folded, node_order, weights_by_name
from eqsynth.nn.networks import sizes_asked_by
from eqsynth.nn.normalising import LEAST_NORM, Dropout, Pool
from eqsynth.nn.positions import demands, power
from eqsynth.nn.sparse import Sparse
from eqsynth.plans.plan import Plan
from eqsynth.plans.steps import Input, Mix, Operand, Output, Reduce, Spread
from eqsynth.spaces.space import Order, Space

if TYPE_CHECKING:
    from eqsynth.project.networks import Body, Writer

#: What every module inside takes: terms with their positions, positions by order, and sizes of letters.
ARGUMENTS = ["terms", "wanted", "sizes"]


def row(items: Sequence[object]) -> str:
    """A tuple in code."""
    return f"({', '.join(map(str, items))}{',' * (len(items) == 1)})"


def numbers(shape: Sequence[int | str]) -> str:
    """A shape in code, letters looked up."""
    return row([one if isinstance(one, int) else f'sizes["{one}"]' for one in shape])


def entry_shapes(group: Group, space: Space, place: str) -> list[tuple[int | str, ...]]:
    """The components and channels of an entry of each term; ExportError for lengths that no letter stands for."""
    shapes = [(*component_lengths(group, order), channels) for channels, order in space]
    for shape in shapes:
        packed = next((one for one in shape if isinstance(one, PackedLength)), None)
        if packed is not None:
            raise ExportError(
                f"{place} has packed tensors of length {packed}, where {packed.letter} is open, which files of sparse "
                f"networks do not read: store tensors full, or give {packed.letter} as a number"
            )
    return shapes


def entry_shape(group: Group, channels: int, order: Order) -> str:
    """What a term of the input is, in words."""
    nodes, entry = node_order(order), ", ".join(map(str, (*component_lengths(group, order), channels)))
    if nodes > 1:
        return f"a pair, index ({nodes}, entries) and values (entries, {entry})"
    return f"({'nodes' if nodes else 'graphs'}, {entry})"


def entry_words(network: Sparse) -> list[str]:
    """What a file says of batches of graphs."""
    lines = [
        "Nodes of all graphs are counted through; batch has the graph of each, in any order, and None is one graph.",
        "Give graphs, their number, where the last have no nodes. Entries that are not listed are 0; a pair may be a",
        "tensor of torch.sparse_coo, too.",
    ]
    if network.sampled:
        lines += [
            f"Outputs of order {' and '.join(map(str, network.sampled))} are pairs, computed at positions, at=index,",
            "or where inputs of that order have entries.",
        ]
    if network.sizes:
        lines.append(f"No input shows these lengths: sizes={{{', '.join(f'{one!r}: ...' for one in network.sizes)}}}.")
    return lines


# --- the module around, and parts that see entries ------------------------------------------------


def write_sparse(body: Body, module: Sparse, inside: str) -> None:
    """Write ``forward`` of an eq.nn.Sparse; ``inside`` makes the module in it."""
    spaces = (module.space_in, module.space_out)
    shapes = [entry_shapes(module.group, space, body.place) for space in spaces]
    body.init.append(f"self.module = {inside}")
    body.decorators.append("@torch.compiler.disable")
    body.arguments += ["batch=None", "at=None", "graphs=None", "sizes=None"]
    orders = row([node_order(order) for order in module.space_in.orders])
    count, letters = len(module.space_in), row([repr(letter) for letter in module.sizes])
    open_lengths = sorted({one for shape in shapes[0] for one in shape if isinstance(one, str)})
    shown = body.call("letters_shown", "terms", row([_quoted(shape) for shape in shapes[0]]))
    body.forward += [
        f"terms = {body.call('listed_terms', 'x', repr(str(module.space_in)), count)}",
        f"sizes = {body.call('letters_given', letters, 'sizes')}",
    ]
    if open_lengths:  # a length that no tensor shows is that of a tensor without axes, which is refused
        body.forward.append(f"sizes = {{**{dict.fromkeys(open_lengths, 1)}, **{shown}, **sizes}}")
    body.forward += ["", "def compute(values, wanted):", "    return self.module(values, wanted, sizes)", ""]
    known = (row([numbers(shape) for shape in listed]) for listed in shapes)
    n = repr(module.group.factors[0].n)
    arguments = ["terms", "batch", "at", "graphs", n, orders, *known, row(module.sampled), "compute"]
    body.forward.append(f"return {body.call('computed_on_entries', *arguments)}")


def _quoted(items: Sequence[int | str]) -> str:
    return row([f'"{one}"' if isinstance(one, str) else one for one in items])


def write_dropout(body: Body, module: Dropout) -> None:
    """One mask for each graph."""
    names = body.read(module)
    body.forward.append("if self.training:")
    for place, (x, channels) in enumerate(zip(names, module.space_in.channels, strict=True)):
        ones = f"{x}.real.new_ones" if body.over_complex else f"{x}.new_ones"
        graphs = f"len(places[{place}].nodes.sizes)"
        mask = f"nn.functional.dropout({ones}(({graphs}, {channels})), {module.p})"
        body.forward.append(f"    {x} = {body.call('masked', x, mask, f'places[{place}]')}")
    body.give(names)


def write_pool(body: Body, module: Pool, writer: Writer) -> None:
    """Invariants of each graph."""
    body.arguments = [*ARGUMENTS]
    shapes = entry_shapes(module.group, module.space_in, body.place)
    if len(module.linear):
        body.init.append("self.linear = nn.ModuleDict()")
    outputs = []
    for term, way, shape in zip(body.terms(), module.ways, shapes, strict=True):
        place, x, y = term.place, f"x{term.place}", f"y{term.place}"
        outputs.append(y)
        if way == "linear":
            inside = writer.write(module.linear[str(place)], f"{body.place}.linear.{place}")
            body.init.append(f'self.linear["{place}"] = {inside}')
            body.forward.append(f'({y},) = self.linear["{place}"](terms[{place} : {place + 1}], wanted, sizes)')
            continue
        body.forward += [f"at, {x} = terms[{place}]", f"{x} = {x}.reshape(len(at), *{numbers(shape)})"]
        if way == "norm":
            body.norm(x, x, term)
        pooled = body.call("pooled", "at", x, repr(module.reduce), LEAST_NORM if way == "norm" else 0.0)
        body.forward.append(f"{y} = {pooled}")
    body.forward.append(f"return [{', '.join(outputs)}]")


def write_residual(body: Body, inside: str) -> None:
    """Terms with their changes."""
    body.arguments = [*ARGUMENTS]
    body.init.append(f"self.module = {inside}")
    body.forward.append(f"return {body.call('added', 'terms', 'self.module(terms, wanted, sizes)')}")


def write_sequential(body: Body, inside: Sequence[str]) -> None:
    """One module after the other."""
    body.arguments = [*ARGUMENTS]
    body.init += [f'self.add_module("{place}", {made})' for place, made in enumerate(inside)]
    body.forward += ["for module in self.children():", "    terms = module(terms, wanted, sizes)", "return terms"]


# --- linear layers --------------------------------------------------------------------------------


def linear_on_entries(layer: Linear, name: str, dense: str, place: str, named: Callable[[Plan], str]) -> ClassSource:
    """A subclass of the class of a layer, ``dense``, that takes entries; ``named`` writes the class of another plan."""
    return _Lines(layer, name, dense, place, named).source()


class _Lines:
    """The steps of a plan, one line or a few for each."""

    def __init__(self, layer: Linear, name: str, dense: str, place: str, named: Callable[[Plan], str]) -> None:
        plan = layer.plan
        self.layer: Folded = folded(plan.hom, plan.bias, plan.normalization, plan.parameters)
        self.name, self.dense, self.named = name, dense, named
        hom = self.layer.hom
        self.shapes_in = entry_shapes(hom.group, hom.space_in, place)
        self.shapes_out = entry_shapes(hom.group, hom.space_out, place)
        first = next((name for name, _ in layer.named_parameters()), None)
        #: What has the dtype and the device of the weights.
        self.like = f"self.{first}" if first else "terms[0][1]"
        self.lines: list[str] = []
        self.helpers: set[str] = set()
        #: Where values between mixing and output are computed, in code.
        self.at: dict[str, str] = {}

    def call(self, helper: str, *arguments: object) -> str:
        """A call of a function that the file carries."""
        self.helpers.add(helper)
        return f"{helper}({', '.join(map(str, arguments))})"

    def source(self) -> ClassSource:
        """The class."""
        self._demands()
        self._steps()
        words = f'"""{self.dense} on the entries that are there, with the same weights."""'
        head = ["", f"def forward(self, {', '.join(ARGUMENTS)}):"]
        text = "\n".join([words, *head, *(f"    {line}".rstrip() for line in self.lines)])
        return ClassSource(f"class {self.name}({self.dense}):\n{indent(text, '    ')}", frozenset(self.helpers))

    def _demands(self) -> None:
        """The lines that say where values are asked for, from the outputs back."""
        written: dict[str, str] = {}

        def pulled(reader: str | int, pattern: Pattern | None) -> str:
            at = self.at[reader] if isinstance(reader, str) else f"wanted[{reader}]"
            return at if pattern is None else f"{at}.reduced({pattern})[2]"

        for name, demand in demands(self.layer.plan).items():
            if demand.axes < 2:
                self.at[name] = f"wanted[{demand.axes}]"
                continue
            listed = list(dict.fromkeys(pulled(*one) for one in demand.readers))
            value = listed[0] if len(listed) == 1 else self.call("united", f"[{', '.join(listed)}]")
            if value.isidentifier() or value in (f"wanted[{order}]" for order in range(99)):
                self.at[name] = value
                continue
            if value not in written:
                written[value] = f"at_{name}"
                self.lines.append(f"at_{name} = {value}")
            self.at[name] = written[value]
        if self.lines:
            self.lines.insert(0, "# Where values are computed that others read, from the outputs back.")

    def _steps(self) -> None:
        plan, outputs = self.layer.plan, []
        for step in plan.steps:
            match step:
                case Input(target, term):
                    self.lines.append(f"{target} = terms[{term}]")
                case Reduce(target, source, pattern):
                    scale = power(plan, step)
                    arguments = (source, pattern, scale) if scale else (source, pattern)
                    self.lines.append(f"{target} = {self.call('reduced', *arguments)}")
                case Mix():
                    if step.targets:
                        self._mix(self.layer.mixings[step], self.at[step.targets[0].name])
                case Spread(target, parts=parts):
                    listed = ", ".join(f"({part.source}, {part.pattern})" for part in parts)
                    self.lines.append(f"{target} = {self.call('spread', f'[{listed}]', self.at[target])}")
                case Output(term, source):
                    at = f"wanted[{node_order(self.layer.hom.space_out.orders[term])}]"
                    value = self._nothing(term, at) if source is None else self.call("read", source, at)
                    outputs.append(f"({at}, {value})")
        self.lines.append(f"return [{', '.join(outputs)}]")

    def _mix(self, mixing: Mixing, at: str) -> None:
        """The lines of one matrix product, or of one layer of the other factors."""
        several = len(mixing.parts) > 1
        self.lines += ["", f"at = {at}"]
        self._listed(
            "columns",
            [[self._operand(operand) for operand in operands] for operands in mixing.operands.values()],
        )
        for number, part in enumerate(mixing.parts):
            self.lines.append(f"z = {self._mixed(part, mixing)}")
            if part.gain:
                self.lines.append(f"z = [one * {self.call('scales', 'at', part.gain / 4, 'one.dtype')} for one in z]")
            if several:
                self.lines.append("total = [a + b for a, b in zip(total, z)]" if number else "total = z")
        for place, (term, names) in enumerate(mixing.targets.items()):
            made = "total" if several else "z"
            parted = self.call("parted", f"{made}[{place}]", numbers(self.shapes_out[term]), len(names))
            left = f"{', '.join(names)}" if len(names) > 1 else f"({names[0]},)"
            self.lines.append(f"{left} = [(at, one) for one in {parted}]")

    def _operand(self, operand: Operand) -> str:
        if operand.middle == tuple(range(len(operand.middle))):
            return self.call("read", operand.source, "at")
        return f"at.read({operand.middle}, {operand.source})[1]"

    def _nothing(self, term: int, at: str, count: int = 1) -> str:
        """The zeros of an output that no map reaches, or of as many targets."""
        shape = numbers((*([count] if count > 1 else []), *self.shapes_out[term]))
        return f"{self.like}.new_zeros(len({at}), torch.Size({shape}).numel())"

    def _mixed(self, part: Part, mixing: Mixing) -> str:
        blocks = [[self._weights(one) for one in row] for row in part.blocks]
        biases = [f"{self._weights(one, '.unsqueeze(-1)')}[..., 0]" for one in part.biases]
        if part.plan is None:
            self._listed("blocks", blocks)
            self._listed("biases", [[bias] for bias in biases], flat=True)
            return self.call("mixed_channels", "columns", "blocks", "biases", "at")
        weights = weights_by_name(part.plan, blocks, biases)
        if not mixing.operands and not weights:
            return f"[{', '.join(self._nothing(term, 'at', len(names)) for term, names in mixing.targets.items())}]"
        kind = self.named(part.plan)
        layer = self.call("component_layer", kind, f"{self.like}.device", f"{self.like}.dtype")
        self.lines += ["weights = {", *(f'    "{name}": {value},' for name, value in weights.items()), "}"]
        asked = [f'sizes["{letter}"]' for letter in sizes_asked_by(part.plan.hom)]
        shapes = f"[{', '.join(numbers(self.shapes_in[i]) for i in mixing.operands)}]"
        return self.call("mixed_components", layer, "columns", shapes, "weights", f"[{', '.join(asked)}]", "at")

    def _weights(self, one: Block, column: str = "") -> str:
        if one.name is None:
            return f"{self.like}.new_zeros({one.size})"
        order, nodes, components = one.numbers
        by_maps = self.call(
            "by_maps", f"self.{one.name}{column}", nodes, components, *([] if order is None else [order])
        )
        return self.call("block", by_maps, [*one.cells], one.targets, one.operands)

    def _listed(self, name: str, rows: Sequence[Sequence[str]], flat: bool = False) -> None:
        """A list of lists, or of what they hold, one line for each."""
        listed = [", ".join(one) if flat else f"[{', '.join(one)}]" for one in rows]
        if sum(map(len, listed)) < 80:
            self.lines.append(f"{name} = [{', '.join(listed)}]")
        else:
            self.lines += [f"{name} = [", *(f"    {one}," for one in listed), "]"]
