"""From a plan to PyTorch source: one readable class that needs torch and nothing else.

The text depends on the plan alone, so the same problem gives the same bytes everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from textwrap import indent

import eqsynth
from eqsynth.bases.basis import Basis
from eqsynth.codegen import carry
from eqsynth.codegen.forward import Forward
from eqsynth.codegen.meaning import weights_of
from eqsynth.codegen.names import Names, literal
from eqsynth.codegen.tables import runs
from eqsynth.diagrams import words
from eqsynth.diagrams.diagram import Multiplied
from eqsynth.diagrams.text import picture
from eqsynth.diagrams.transfer import WORDS
from eqsynth.errors import abridged
from eqsynth.families.hom import Problem, ProductHom, negated
from eqsynth.plans.lowering import constants
from eqsynth.plans.plan import Plan
from eqsynth.plans.products import maps
from eqsynth.spaces.space import Space, order_text
from eqsynth.store.waiting import waiting

#: Diagrams beyond this number are listed by formula, and beyond the second one only counted.
DRAWN, LISTED = 40, 400
WIDTH = 100
#: Methods by which a state_dict says which function its weights belong to, and weights of another one are refused.
STATE = ("get_extra_state", "_load_from_state_dict")
#: Torch asks for this method of what keeps such text; where there are tables, they follow new weights in it.
NO_TABLES = ["def set_extra_state(self, state):", "    pass  # compared before weights are copied", ""]


@dataclass(frozen=True, slots=True)
class Artifact:
    """Emitted source, the problem that it serves, and the name of its class."""

    problem: Problem
    source: str
    name: str

    @property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of the source, in UTF-8."""
        return sha256(self.source.encode()).hexdigest()

    def __repr__(self) -> str:
        lines = self.source.count("\n")
        return f"<Artifact {abridged(self.problem)}, {lines:,} lines, sha256 {self.digest[:16]}>"


@lru_cache(maxsize=64)
def emit(plan: Plan, name: str | None = None) -> Artifact:
    """Source of a torch.nn.Module class called ``name``, or EquivariantLinear or EquivariantProduct, that runs a plan.

    >>> import eqsynth as eq
    >>> from eqsynth.codegen.emit import emit
    >>> source = emit(eq.plan("S(n)", 1, 1)).source
    >>> "import torch" in source and "eqsynth" not in source.split('"' * 3)[2]
    True
    """
    name = name or ("EquivariantProduct" if plan.problem.multilinear else "EquivariantLinear")
    with waiting(f"writing the code of {plan.problem}"):
        return Artifact(plan.problem, _File(plan, name).text(), name)


@dataclass(frozen=True, slots=True)
class ClassSource:
    """The text of a class, the functions of ``runtime.py`` that it calls, and what it imports beside torch and nn."""

    text: str
    helpers: frozenset[str] = frozenset()
    uses: frozenset[str] = frozenset()


def emit_class(plan: Plan, name: str) -> ClassSource:
    """The class that runs a plan, to stand in a file beside others; its docstring shows the maps behind its weights.

    >>> import eqsynth as eq
    >>> from eqsynth.codegen.emit import emit_class
    >>> emit_class(eq.plan("S(n)", 1, 1), "Mean").text.split("(")[0]
    'class Mean'
    """
    with waiting(f"writing the code of {plan.problem}"):
        return _File(plan, name).described()


def header(sources: Sequence[ClassSource]) -> list[str]:
    """The lines in front of classes: imports, and the functions that they carry."""
    needed = _needed(sources)
    uses = {"torch", "nn"}.union(*(one.uses for one in needed), *(one.uses for one in sources))
    return [*carry.imports(uses), "", "", *(f"{one.text}\n\n" for one in needed)]


def carried(sources: Sequence[ClassSource]) -> frozenset[str]:
    """The names of the functions and classes that stand in front of classes."""
    return frozenset(one.name for one in _needed(sources))


def _needed(sources: Sequence[ClassSource]) -> list[carry.Definition]:
    return carry.definitions(frozenset[str]().union(*(one.helpers for one in sources)))


class _File:
    """A file with the class that runs a plan: what it says of itself, the functions that it carries, the class."""

    def __init__(self, plan: Plan, name: str) -> None:
        self.plan, self.name, self.problem = plan, name, plan.problem
        self.forward = Forward(plan)
        self.names = Names(plan)

    def text(self) -> str:
        """The file."""
        problem = self.problem
        kind = "Product" if problem.multilinear else "Linear"
        own = self.source(f"{kind} layer {problem}; any numbers of channels in the same places.")
        return "\n".join([f'"""{self._docstring()}"""', "", *header([own]), own.text]).rstrip() + "\n"

    def described(self) -> ClassSource:
        """The class, with what the file would say of it in its own docstring."""
        return self.source("\n".join([*self._words(), ""]))

    def source(self, docstring: str) -> ClassSource:
        """The class."""
        forward = self.forward.text()
        converts = {"apply_complex"} if self._keeps_complex() else set()
        helpers = frozenset(self.forward.tables.helpers | converts)
        uses = {"linear"} if "linear(" in forward else set()
        # More than their functions use; without it all these files would be others.
        uses |= {"linear", "combinations"} if "_mix_orbits" in helpers else set()
        body = [f"class {self.name}(nn.Module):", indent(self._class(docstring), "    "), "", indent(forward, "    ")]
        return ClassSource("\n".join(body), helpers, frozenset(uses))

    # --- what it says of itself -----------------------------------------------------------------------

    def _docstring(self) -> str:
        signed = f"Generated by eqsynth {eqsynth.__version__}. Do not edit: generate again instead."
        return "\n".join([*self._words(), "", signed, ""])

    def _words(self) -> list[str]:
        problem, plan = self.problem, self.plan
        count = sum(pair.dim for pair in plan.pairs)
        kept = f" that commutes with {WORDS[plan.hom.transfer]}" if plan.hom.transfer else ""
        what = f"Every linear map with this symmetry{kept}: {count} independent maps per pair of channels."
        parts = [f"{problem}", "", what]
        if isinstance(problem, ProductHom):
            parts = [f"{problem}", "", *_product_words(problem, count)]
        parts.append(f"Group: {problem.group.title}. Tensors are channels-last, (*batch, n, ..., n, channels).")
        orders = [order for _, order in problem.inputs] + list(problem.space_out.orders)
        if any(any(negated(problem.group, order)) for order in orders):
            parts.append("Tensors of an order with .det are multiplied by the determinant, too, when an element acts.")
        for pair in plan.pairs:
            listed = maps(problem, pair.term_in, pair.term_out)
            weight = plan.weight_name(pair.term_in, pair.term_out)
            if problem.multilinear:
                factors = " ".join(self.names.inputs[number][0] for number in problem.terms[pair.term_in])
                parts += [
                    "",
                    f"{weight}[i] belongs to map i of the product {factors}, outputs y on top, inputs below:",
                ]
                parts += ["", _gallery(listed, problem.multiplied(pair.term_in))]
            else:
                parts += ["", f"{weight}[i] belongs to map i, outputs y on top, inputs x below:", "", _gallery(listed)]
                parts += ["", f"Certificate: {listed.certificate}."]
        for term, dim in enumerate(plan.bias_dims):
            if dim:
                order = problem.space_out.orders[term]
                parts += ["", f"{plan.bias_name(term)}[i] belongs to constant i:"]
                parts += ["", _gallery(constants(plan.hom, order))]
        return parts

    # --- the class ------------------------------------------------------------------------------------

    def _class(self, docstring: str) -> str:
        parameters, tables = self.names.parameters(), self.forward.tables
        methods = tables.methods(parameters[0]) if parameters else []
        has_tables = bool(methods)
        if self._keeps_complex():
            of_torch, own = "super()._apply(", "apply_complex(self, "
            methods = [line.replace(of_torch, own) for line in methods] if methods else [carry.APPLY_COMPLEX]
        lines = [
            f'"""{docstring}"""',
            "",
            *self._attributes(),
            "",
            *self._init(),
            "    self.reset_parameters()",
            "",
            *methods,
            *self._reset_parameters(has_tables),
            "",
            carry.methods("_reject", serves=self._serves()),
            *([carry.methods(*STATE)] if parameters else []),
            *(NO_TABLES if parameters and not has_tables else []),
            "def extra_repr(self):",
            f'    return f"{abridged(self.problem.group)}: {self._shown_inputs()} -> '
            f'{self._shown("out", self.problem.space_out)}{self._unusual()}"',
        ]
        return "\n".join(lines)

    def _keeps_complex(self) -> bool:
        """Whether the class has complex parameters, which no conversion may make real."""
        return self.problem.group.over_complex and bool(self.names.parameters())

    def _attributes(self) -> list[str]:
        """What the class says about itself."""
        plan, problem = self.plan, self.problem
        product = isinstance(problem, ProductHom)
        spaces = self.names.operands if product else [("in", problem.operands[0])]
        return [
            f'group = "{problem.group}"',
            *(f'space_{name} = "{space}"' for name, space in spaces),
            f'space_out = "{problem.space_out}"',
            *([f'transfer = "{plan.hom.transfer}"'] if plan.hom.transfer else []),
            *([f'mode = "{problem.mode}"'] if isinstance(problem, ProductHom) else []),
            *([f"degrees = {problem.degrees}"] if isinstance(problem, ProductHom) and problem.degrees else []),
            f'normalization = "{plan.normalization}"',
            f"bias_terms = {plan.bias}",
            *([] if product else [f'method = "{plan.method}"']),
            *([f'parameters_are = "{plan.parameters}"'] if plan.parameters != "diagrams" else []),
            *([f'weights_of = "{weights_of(plan)}"'] if self.names.parameters() else []),
            "ShapeError = ValueError",
        ]

    def _init(self) -> list[str]:
        """The lines of __init__ up to the parameters."""
        plan, names = self.plan, self.names
        sides = [*self._sides(), ("out", self.problem.space_out)]
        defaults = ", ".join(f"channels_{side}={_default(space)}" for side, space in sides)
        lines = [f"def __init__(self, {defaults}, device=None, dtype=None):", "    super().__init__()"]
        if names.multilinear:
            lines += [f"    self.channels_{side} = channels_{side}" for side, _ in sides]
        else:
            lines.append("    self.channels_in, self.channels_out = channels_in, channels_out")
        for side, space in sides:
            lines += _count_check(f"channels_{side}", len(space))
        if names.multilinear:
            lines += self._pairing_check()
            lines.append(f"    self.channels_in = {names.products()}  # of each product")
            lines += ["    channels_in = self.channels_in"] if plan.pairs else []
        if self.problem.group.over_complex:
            lines += [
                "    dtype = torch.get_default_dtype().to_complex() if dtype is None else dtype",
                "    if not dtype.is_complex:",
                f'        why = f"weights of {abridged(self.problem.group)} are complex numbers, not {{dtype}}"',
                '        raise ValueError(f"{why}: ask for dtype=torch.complex64")',
            ]
        lines += ['    kwargs = {"device": device, "dtype": dtype}'] if names.parameters() else []
        for pair in plan.pairs:
            inputs = self.problem.terms[pair.term_in]
            wide = ", ".join(map(names.c_input, inputs)) if self.problem.full else names.c_in(pair.term_in)
            lengths = f"{pair.dim}, {names.c_out(pair.term_out)}, {wide}"
            weight = plan.weight_name(pair.term_in, pair.term_out)
            lines.append(f"    self.{weight} = nn.Parameter(torch.empty({lengths}, **kwargs))")
        for term, dim in enumerate(plan.bias_dims):
            if dim:
                lengths = f"{dim}, {names.c_out(term)}"
                lines.append(f"    {names.bias(term)} = nn.Parameter(torch.empty({lengths}, **kwargs))")
        return lines

    def _sides(self) -> list[tuple[str, Space]]:
        """The inputs, as arguments name their channels."""
        return self.names.operands if self.names.multilinear else [("in", self.problem.operands[0])]

    def _pairing_check(self) -> list[str]:
        """Lines that refuse different numbers of channels where each is multiplied by its own."""
        if self.problem.full or len(self.problem.inputs) == 1:
            return []
        several = ", ".join(map(self.names.c_input, range(len(self.problem.inputs))))
        return [
            f"    if len({{{several}}}) > 1:",
            f'        raise ValueError(f"channels are multiplied each by its own, not {{({several})}}: '
            'give equal numbers")',
        ]

    def _reset_parameters(self, tables: bool) -> list[str]:
        """The method that draws weights anew."""
        plan, names, product = self.plan, self.names, self.problem.multilinear
        near = "near 1 for such inputs" if product else "near input variance"
        both = "sqrt(3 v / 2 / fan-in) of both parts"
        bounds = both if self.problem.group.over_complex else "sqrt(3 v / fan-in)"
        lines = [
            "def reset_parameters(self):",
            f'    """Output variance {near}: bounds {bounds}, v per map; biases 0."""',
            *(["    self.reset_tables()"] if tables else []),
        ]
        if plan.pairs:
            lines += ["    channels_in = self.channels_in", "    for weight, variances, fan_in in ("]
            for pair in plan.pairs:
                fan = [names.c_in(other.term_in) for other in plan.pairs if other.term_out == pair.term_out]
                weight = plan.weight_name(pair.term_in, pair.term_out)
                lines.append(f"        (self.{weight}, {runs(pair.variances)}, {' + '.join(fan)}),")
            over_complex = self.problem.group.over_complex
            # Both parts of a complex number have half of its variance.
            weight, times, part = ("torch.view_as_real(weight)", "1.5", 1) if over_complex else ("weight", "3", 0)
            lines += [
                "    ):",
                f"        bound = torch.tensor(variances, dtype=weight{'.real' * part}.dtype, device=weight.device)",
                "        with torch.no_grad():",
            ]
            if product:
                lines.append(f"            scale = (bound * {times} / fan_in).sqrt()")
                dims = ", None" * (2 + self.problem.full + part)
                lines.append(f"            {weight}.uniform_(-1, 1).mul_(scale[:{dims}])")
            else:
                dims = ", None" * (2 + part)
                lines.append(f"            {weight}.uniform_(-1, 1).mul_((bound * {times} / fan_in).sqrt()[:{dims}])")
        lines += [f"    nn.init.zeros_({names.bias(term)})" for term, dim in enumerate(plan.bias_dims) if dim]
        if not names.parameters():
            lines.append("    # Only the zero map has this symmetry: there is nothing to set.")
        return lines

    # --- words ------------------------------------------------------------------------------------------

    def _serves(self) -> str:
        """What messages of the class call its problem, in an f-string: attributes, except where these are very long."""
        if self.problem.multilinear:
            return literal(abridged(self.problem))
        group = str(self.problem.group)
        return f"{{self.space_in}} of {'{self.group}' if abridged(group) == group else abridged(group)}"

    def _shown_inputs(self) -> str:
        shown = " (x) ".join(self._shown(side, space) for side, space in self._sides())
        if isinstance(self.problem, ProductHom) and self.problem.degrees:
            return f"powers {', '.join(map(str, self.problem.degrees))} of {shown}"
        return shown

    @staticmethod
    def _shown(side: str, space: Space) -> str:
        """A space with the numbers of channels that a layer has, in an f-string."""
        name, several = f"self.channels_{side}", len(space) > 1
        return " + ".join(
            f"{{{name}{f'[{term}]' * several}}}x{literal(order_text(order))}" for term, order in enumerate(space.orders)
        )

    def _unusual(self) -> str:
        """What differs from what is made where nothing is said, as the layer prints it."""
        plan, problem = self.plan, self.problem
        usual = {"bias": True, "normalization": "variance", "parameters": "diagrams"}
        listed = {name: getattr(plan, name) for name, value in usual.items() if getattr(plan, name) != value}
        if plan.hom.transfer:
            # It brings its normalization.
            listed = {"transfer": plan.hom.transfer, **listed}
            del listed["normalization"]
        if isinstance(problem, ProductHom) and not problem.degrees and not problem.full:
            listed = {"mode": problem.mode, **listed}
        return "".join(f", {name}={value!r}" for name, value in listed.items())


def _product_words(problem: ProductHom, count: int) -> list[str]:
    """What a file says about products of inputs."""
    if problem.degrees:
        what = f"Every polynomial map with this symmetry, of degree {', '.join(map(str, problem.degrees))}"
        meets = "Each channel is multiplied by itself."
    else:
        what = "Every bilinear map with this symmetry"
        how = "each with each" if problem.full else "each with its own"
        meets = f"Channels are multiplied {how}; the outer product of u and v is formed only where it is a map."
    kept = f" that commutes with {WORDS[problem.transfer]}" if problem.transfer else ""
    return [f"{what}{kept}: {count} independent maps per {'triple' if problem.full else 'pair'} of channels.", meets]


def _default(space: Space) -> str:
    return str(space.channels[0]) if len(space) == 1 else str(space.channels)


def _count_check(name: str, count: int) -> list[str]:
    """Lines that refuse the wrong number of channel numbers, for a space of several terms."""
    if count == 1:
        return []
    return [
        f"    if not isinstance({name}, (tuple, list)) or len({name}) != {count}:",
        f'        raise ValueError(f"{name} needs {count} numbers, one per term, not {{{name}!r}}")',
    ]


def _gallery(maps_of: Basis, multiplied: Sequence[Multiplied] = ()) -> str:
    """Pictures side by side, or formulas where there are many."""
    count = len(maps_of)
    shown = range(count) if count <= LISTED else (0, count - 1)
    formulas = [words.formula(maps_of.group, maps_of[i], maps_of.turned(i), multiplied, listed=False) for i in shown]
    if count > LISTED:
        return f"    {count} maps, from {formulas[0]} to {formulas[-1]}"
    captions = [f"{index}: {formula}" for index, formula in enumerate(formulas)]
    pictures = [picture(maps_of[i], None, multiplied).split("\n") if count <= DRAWN else [] for i in range(count)]
    width = max(max(map(len, [caption, *picture])) for caption, picture in zip(captions, pictures, strict=True)) + 3
    per_row = max(1, (WIDTH - 4) // width)
    lines = []
    for start in range(0, count, per_row):
        row = range(start, min(start + per_row, count))
        height = max(len(pictures[index]) for index in row)
        for line in range(height):
            cells = [(pictures[i][line] if line < len(pictures[i]) else "").ljust(width) for i in row]
            lines.append(("    " + "".join(cells)).rstrip())
        lines.append(("    " + "".join(captions[i].ljust(width) for i in row)).rstrip())
        if height:
            lines.append("")
    return "\n".join(lines).rstrip()
