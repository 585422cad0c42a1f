"""From a plan to PyTorch source: one readable class that needs torch and nothing else.

The text depends on the plan alone, so the same problem gives the same bytes everywhere.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from itertools import groupby
from math import factorial, perm, prod
from textwrap import indent

import eqsynth
from eqsynth.bases.basis import Basis, basis
from eqsynth.codegen.emit_irreps import Names, SchurCode, edge_lines, map_lines, scaled
from eqsynth.codegen.meaning import weights_of
from eqsynth.codegen.runtime import EPSILON, FOURIER, PARITY, STAR, STATE, TABLES
from eqsynth.diagrams import functor
from eqsynth.diagrams.diagram import LETTERS, Diagram, Element, MatrixMap, Orbit
from eqsynth.diagrams.text import picture
from eqsynth.errors import abridged
from eqsynth.families.hom import Hom
from eqsynth.plans.plan import (
    POWERS,
    Contract,
    Hodge,
    Input,
    Mix,
    Output,
    Pack,
    Pair,
    Part,
    Pattern,
    Plan,
    Reduce,
    Schur,
    Spread,
    Tied,
    Unpack,
    describe,
)
from eqsynth.spaces.space import Symmetry, none_of, order_text

#: From more terms on a sum of lists is written as one list.
MAX_TERMS = 500
#: Diagrams beyond this number are listed by formula, and beyond the second one only counted.
DRAWN, LISTED = 40, 400
WIDTH = 100
#: A matrix of so many entries is copied in a cache.
CACHED = 1 << 20
#: A is applied by gathers over its edges where it has fewer entries than 1 / GATHER of all.
GATHER = 16

#: Up to this many entries a step is one matrix; beyond, tables whose size is that of the tensors.
SMALL = 4096


def _small(kind: tuple[int, int, int, int]) -> bool:
    n, tied, taken, given = kind
    return int(n ** (2 * tied + taken + given)) <= SMALL


#: How a method begins that refuses an input.
REJECT = (
    'def _reject(self, which, x, expected, note=""):',
    "    if isinstance(x, torch.Tensor) and not (x.is_floating_point() or x.is_complex()):",
    '        why = f"{which} holds {x.dtype}: pass floating-point or complex numbers, such as x.float()"',
    "        raise self.ShapeError(why)",
)


@dataclass(frozen=True, slots=True)
class Artifact:
    """Emitted source, the problem it serves, and the SHA-256 of its UTF-8 bytes."""

    hom: Hom
    source: str

    @property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of the source."""
        return sha256(self.source.encode()).hexdigest()

    def __repr__(self) -> str:
        lines = self.source.count("\n")
        return f"<Artifact {abridged(self.hom)}, {lines:,} lines, sha256 {self.digest[:16]}>"


@lru_cache(maxsize=64)
def emit(plan: Plan, name: str = "EquivariantLinear") -> Artifact:
    """Source of a torch.nn.Module class called ``name`` that runs the plan.

    >>> import eqsynth as eq
    >>> from eqsynth.codegen.emit import emit
    >>> source = emit(eq.plan("S(n)", 1, 1)).source
    >>> "import torch" in source and "eqsynth" not in source.split('"' * 3)[2]
    True
    """
    return Artifact(plan.hom, _Emitter(plan, name).module())


class _Emitter:
    def __init__(self, plan: Plan, name: str) -> None:
        self.plan, self.name = plan, name
        self.hom = plan.hom
        #: What sums of squares are raised to, in code.
        self.power = f" ** {POWERS[plan.normalization]:g}"
        self.single_in = len(self.hom.space_in) == 1
        self.single_out = len(self.hom.space_out) == 1
        letters = sorted({factor.n for factor in self.hom.group.factors if isinstance(factor.n, str)})
        #: The size of each factor in the emitted code: a number, ``n``, or its letter where there are several.
        self.ns = [
            str(factor.n) if isinstance(factor.n, int) else "n" if len(letters) == 1 else _size_name(factor.n)
            for factor in self.hom.group.factors
        ]
        self.open = sorted({name for name in self.ns if not name.isdigit()})
        #: How many of them belong to factors; the others are lengths of packed axes.
        self.factor_count = len(self.ns)
        self.ns += [self._packed_length(factor, symmetry) for factor, symmetry in plan.packs]
        self.sizes_in = [plan.axes(order) for order in self.hom.space_in.orders]
        self.sizes_out = [plan.axes(order) for order in self.hom.space_out.orders]
        self.lines: list[str] = []
        self.buffers: dict[str, tuple[int, ...]] = {}
        #: Lines that scale weights.
        self.weights: list[str] = []
        #: Buffers of sums of squares, raised to ``power``.
        self.squares: set[str] = set()
        self.epsilons: list[tuple[int, int, int, int]] = []
        #: Those that are applied as matrices.
        self.applied: set[int] = set()
        #: Parts of a Spread that another value already holds.
        self.merged: dict[str, Part] = {}
        #: Lines of __init__ that build tables, and the functions that they need.
        self.builders: list[str] = []
        self.helpers: set[str] = set()
        #: What contractions need: gathers over edges, the matrix A, tables made of A.
        self.along = self.adjacent = False
        self.factors: list[str] = []
        #: Whether some mix is by Fourier transform.
        self.fourier = False
        #: Tied matrices whose orbits have a table of scales.
        self.scaled: set[str] = set()
        #: Steps that were emitted together with earlier ones.
        self.done: set[str] = set()
        #: Tensors that no one else holds, of full shape: safe to add to in place.
        self.owned: set[str] = set()
        #: Values that are part of several others, or of one in several orders of its axes.
        self.shared = _shared(plan)
        #: Diagonals, which are views with long strides.
        self.views: set[str] = set()
        #: Tensors of our own that are contiguous, whatever the strides of the input.
        self.straight: set[str] = set()
        #: Axes (0 is the batch) along which a value has length 1 and is yet to be repeated.
        self.thin: dict[str, frozenset[int]] = {}
        self.sizes: dict[str, tuple[int, ...]] = {}
        #: The inputs and parameters that a value depends on.
        self.needs: dict[str, frozenset[str]] = {}
        #: How many tables of places there are.
        self.places = 0
        self.rename: dict[str, str] = {}
        self.term_of: dict[str, tuple[str, int]] = {}

    # --- the file -----------------------------------------------------------------------------

    def module(self) -> str:
        forward = self._forward()
        large = not all(map(_small, self.epsilons))
        helpers = [EPSILON] if any(map(_small, self.epsilons)) else []
        helpers += [STAR] if large else []
        helpers += [PARITY] if self.epsilons else []
        helpers += [text for kind, text in TABLES.items() if kind in self.helpers]
        helpers += FOURIER.values() if self.fourier else []
        large |= self.fourier
        body = [
            f'"""{self._docstring()}"""',
            "",
            *(["import math"] if large or self.helpers & {"packing", "side"} else []),
            *(
                [f"from itertools import {'combinations, permutations, product' if large else 'permutations'}", ""]
                if self.epsilons or self.fourier
                else []
            ),
            "import torch",
            "from torch import nn",
            *(
                ["from torch.nn.functional import linear"]
                if "linear(" in forward or self.fourier or "product" in self.helpers
                else []
            ),
            "",
            "",
            *(text.rstrip() + "\n\n" for text in helpers),
            f"class {self.name}(nn.Module):",
            indent(self._class(), "    "),
            "",
            indent(forward, "    "),
        ]
        return "\n".join(body).rstrip() + "\n"

    def _docstring(self) -> str:
        hom, plan = self.hom, self.plan
        total = sum(pair.dim for pair in plan.pairs)
        parts = [
            f"{hom}",
            "",
            f"Every linear map with this symmetry: {total} independent maps per pair of channels.",
            f"Group: {hom.group.title}. Tensors are channels-last, (*batch, n, ..., n, channels).",
        ]
        for pair in plan.pairs:
            found = basis(hom.group, hom.space_in.orders[pair.term_in], hom.space_out.orders[pair.term_out])
            weight = plan.weight_name(pair.term_in, pair.term_out)
            parts += ["", f"{weight}[i] belongs to map i, outputs y on top, inputs x below:", ""]
            parts.append(_gallery(found))
            parts += ["", f"Certificate: {found.certificate}."]
        for term, dim in enumerate(plan.bias_dims):
            if dim:
                order = hom.space_out.orders[term]
                found = basis(hom.group, none_of(order), order)
                parts += ["", f"{plan.bias_name(term)}[i] belongs to constant i:", "", _gallery(found)]
        parts += ["", f"Generated by eqsynth {eqsynth.__version__}. Do not edit: generate again instead.", ""]
        return "\n".join(parts)

    def _class(self) -> str:
        plan, hom = self.plan, self.hom
        c_in, c_out = hom.space_in.channels, hom.space_out.channels
        default_in = str(c_in[0]) if self.single_in else str(c_in)
        default_out = str(c_out[0]) if self.single_out else str(c_out)
        lines = [
            f'"""Linear layer {hom}; any numbers of channels in the same places."""',
            "",
            f'group = "{hom.group}"',
            f'space_in = "{hom.space_in}"',
            f'space_out = "{hom.space_out}"',
            f'normalization = "{plan.normalization}"',
            f"bias_terms = {plan.bias}",
            f'method = "{plan.method}"',
            *([f'parameters_are = "{plan.parameters}"'] if plan.parameters != "diagrams" else []),
            *([f'weights_of = "{weights_of(plan)}"'] if self._parameters() else []),
            "ShapeError = ValueError",
            "",
            f"def __init__(self, channels_in={default_in}, channels_out={default_out}, device=None, dtype=None):",
            "    super().__init__()",
            "    self.channels_in, self.channels_out = channels_in, channels_out",
            *self._check_channels(),
            *(['    kwargs = {"device": device, "dtype": dtype}'] if plan.pairs or any(plan.bias_dims) else []),
        ]
        for pair in plan.pairs:
            shape = f"{pair.dim}, {self._c_out(pair.term_out)}, {self._c_in(pair.term_in)}"
            weight = plan.weight_name(pair.term_in, pair.term_out)
            lines.append(f"    self.{weight} = nn.Parameter(torch.empty({shape}, **kwargs))")
        for term, dim in enumerate(plan.bias_dims):
            if dim:
                lines.append(
                    f"    self.{plan.bias_name(term)} = nn.Parameter(torch.empty({dim}, {self._c_out(term)}, **kwargs))"
                )
        tables = self._tables()
        lines += [
            "    self.reset_parameters()",
            "",
            *tables,
            "def reset_parameters(self):",
            '    """Output variance near input variance: bounds sqrt(3 v / fan-in), v per map; biases 0."""',
        ]
        if tables:
            lines.append("    self.reset_tables()")
        start = len(lines)
        if plan.pairs:
            lines += ["    channels_in = self.channels_in", "    for weight, variances, fan_in in ("]
            for pair in plan.pairs:
                fan = [self._c_in(other.term_in) for other in plan.pairs if other.term_out == pair.term_out]
                weight = plan.weight_name(pair.term_in, pair.term_out)
                lines.append(f"        (self.{weight}, {_runs(pair.variances)}, {' + '.join(fan)}),")
            lines += [
                "    ):",
                "        bound = torch.tensor(variances, dtype=weight.dtype, device=weight.device)",
                "        with torch.no_grad():",
                "            weight.uniform_(-1, 1).mul_((bound * 3 / fan_in).sqrt()[:, None, None])",
            ]
        for term, dim in enumerate(plan.bias_dims):
            if dim:
                lines.append(f"    nn.init.zeros_(self.{plan.bias_name(term)})")
        if len(lines) == start:
            lines.append("    # Only the zero map has this symmetry: there is nothing to set.")
        lines += [
            "",
            *REJECT,
            '    got = f"shape {tuple(x.shape)}" if isinstance(x, torch.Tensor) else f"type {type(x).__name__}"',
            "    raise self.ShapeError(",
            '        f"{which} has {got}, expected a tensor of shape (*batch, {expected}){note}, "',
            f'        f"channels last, for {{self.space_in}} of {self._group_shown()}"',
            "    )",
            "",
            *([STATE] if self._parameters() else []),
            "def extra_repr(self):",
            f'    return f"{abridged(hom.group)}: {self._space_text("in")} -> {self._space_text("out")}'
            f'{self._unusual()}"',
        ]
        return "\n".join(lines)

    def _group_shown(self) -> str:
        """The group in messages of the emitted class: its attribute, except where that is very long."""
        whole = str(self.hom.group)
        return "{self.group}" if abridged(whole) == whole else abridged(whole)

    def _parameters(self) -> list[str]:
        """The names of the parameters."""
        plan = self.plan
        names = [plan.weight_name(pair.term_in, pair.term_out) for pair in plan.pairs]
        return names + [plan.bias_name(term) for term, dim in enumerate(plan.bias_dims) if dim]

    def _unusual(self) -> str:
        """What differs from what is made where nothing is said, as the layer prints it."""
        plan = self.plan
        usual = {"bias": True, "normalization": "variance", "parameters": "diagrams"}
        return "".join(
            f", {name}={getattr(plan, name)!r}" for name, value in usual.items() if getattr(plan, name) != value
        )

    def _tables(self) -> list[str]:
        """The method that makes the constant tables, which no state_dict holds."""
        if not (self.buffers or self.epsilons or self.builders):
            return []
        names = self._parameters()
        lines: list[str] = []
        for buffer, values in self.buffers.items():
            dtype = ", dtype=torch.float64" if buffer.startswith("signs") or buffer in self.squares else ""
            power = self.power if buffer in self.squares else ""
            lines.append(f'self._table("{buffer}", torch.tensor({_runs(values)}{dtype}){power})')
        for number, kind in enumerate(self.epsilons):
            n, tied, taken, given = kind
            by = f"{perm(n - tied - given, taken)}{self.power}"
            if _small(kind):
                lines.append(f"epsilon_{number} = {by} * _epsilon({n}, {tied}, {taken}, {given})")
                if number in self.applied:
                    lines.append(f'self._table("epsilon_{number}", epsilon_{number})')
                continue
            lines.append(f"even, odd, give, sign = _star_tables({n}, {tied}, {taken}, {given})")
            if taken > 1:
                lines.append(f'self._table("even_{number}", torch.tensor(even))')
                lines.append(f'self._table("odd_{number}", torch.tensor(odd))')
            lines.append(f'self._table("give_{number}", torch.tensor(give))')
            scaled = f"{by} * torch.tensor(sign, dtype=torch.float64).reshape(-1, 1)"
            lines.append(f'self._table("sign_{number}", {scaled})')
        lines += self.builders
        return [
            "def reset_tables(self):",
            '    """Constants from exact recipes, on the device and in the dtype of the weights; not in state_dict."""',
            '    with torch.device("cpu"):',
            *(f"        {line}" for line in lines),
            "",
            "def _apply(self, fn, recurse=True):",
            f"    before = self.{names[0]}.dtype, self.{names[0]}.is_meta",
            "    super()._apply(fn, recurse)",
            f"    if (self.{names[0]}.dtype, self.{names[0]}.is_meta) != before:",
            "        self.reset_tables()  # made anew, not rounded twice",
            "    return self",
            "",
            "def _table(self, name, values):",
            f"    like = self.{names[0]}",
            "    dtype = like.dtype if values.is_floating_point() else values.dtype",
            "    values = values.to(device=like.device, dtype=dtype).clone(memory_format=torch.contiguous_format)",
            "    self.register_buffer(name, values, persistent=False)",
            "",
        ]

    def _check_channels(self) -> list[str]:
        """Lines that refuse the wrong number of channel numbers, in a layer of several terms."""
        lines = []
        for side, terms, single in (("in", self.sizes_in, self.single_in), ("out", self.sizes_out, self.single_out)):
            if not single:
                name = f"channels_{side}"
                lines += [
                    f"    if not isinstance({name}, (tuple, list)) or len({name}) != {len(terms)}:",
                    f'        raise ValueError(f"{name} needs {len(terms)} numbers, one per term, not {{{name}!r}}")',
                ]
        return lines

    def _c_in(self, term: int) -> str:
        return "channels_in" if self.single_in else f"channels_in[{term}]"

    def _c_out(self, term: int) -> str:
        return "channels_out" if self.single_out else f"channels_out[{term}]"

    def _space_text(self, side: str) -> str:
        orders = self.hom.space_in.orders if side == "in" else self.hom.space_out.orders
        several = len(orders) > 1
        each = [
            f"{{self.channels_{side}{f'[{i}]' if several else ''}}}x{order_text(order)}"
            for i, order in enumerate(orders)
        ]
        return " + ".join(each)

    # --- forward ------------------------------------------------------------------------------

    def _forward(self) -> str:
        """The lines of ``forward``; also fills ``buffers`` and ``epsilons``, which ``__init__`` registers."""
        shown = {self.ns[factor] for sizes in self.sizes_in for factor in self._factors(sizes)}
        missing = [name for name in self.open if name not in shown]
        for step in self.plan.steps:
            match step:
                case Input(target, term, sizes):
                    self.term_of[target] = ("in", term)
                    self.sizes[target], self.thin[target], self.rename[target] = sizes, frozenset(), target
                    self.needs[target] = frozenset({f"x{term}"})
                case _:
                    self._linear(step)
        self._tail()
        self.builders = self._graph_builders() + self.builders
        body = self.lines
        self.lines = []
        self._head(missing, used="\n".join(body))
        text = "\n".join([*self.lines, *body])
        return self._signature(["x"], missing) + indent(text, "    ")

    @staticmethod
    def _signature(inputs: Sequence[str], missing: Sequence[str]) -> str:
        """Sizes that no input shows are asked for, and what is too much is named, where they are checked."""
        first, *more = inputs
        return (
            f"def forward({', '.join(['self', first, *(f'{name}=None' for name in (*more, *missing)), '*others'])}):\n"
        )

    def _call(self, missing: Sequence[str]) -> str:
        """How the layer is called."""
        x = "x" if self.single_in else f"({', '.join(f'x{i}' for i in range(len(self.sizes_in)))})"
        return f"layer({', '.join([x, *missing])})"

    def _say_too_many(self, call: str, count: int) -> None:
        self._say("if others:")
        self._say(f'    raise self.ShapeError(f"got {{{count} + len(others)}} arguments: call {call}")')

    def _linear(self, step: object) -> None:
        """The code of a step of a linear layer."""
        match step:
            case Reduce():
                self._reduce(step)
            case Hodge():
                self._hodge(step)
            case Contract():
                self._contract(step)
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

    def _say(self, code: str, comment: str = "", of: str = "") -> None:
        """A line of code, with a comment and the half-diagram of the value ``of``."""
        comment = " ".join(part for part in (_fragment(of), comment) if part)
        self.lines.append(f"{code}  # {comment}" if comment else code)

    def _head(self, missing: Sequence[str], used: str) -> None:
        """Shapes are checked, sizes read, batch axes folded into one."""
        names = {step.term: step.target for step in self.plan.steps if isinstance(step, Input)}
        raw = ["x"] if self.single_in else [f"x{i}" for i in range(len(self.sizes_in))]
        call = self._call(missing)
        self._say_too_many(call, 1 + len(missing))
        if not self.single_in:
            self._say(f"if not isinstance(x, (tuple, list)) or len(x) != {len(raw)}:")
            self._say("    got = len(x) if isinstance(x, (tuple, list)) else type(x).__name__")
            self._say(
                f'    raise self.ShapeError(f"expected a tuple of {len(raw)} tensors, '
                f'one per term of {self.hom.space_in}, got {{got}}: call {call}")'
            )
            self._say(f"{', '.join(raw)} = x")
        self._say("channels_in, channels_out = self.channels_in, self.channels_out")
        self._say_sizes(raw, self.sizes_in, missing, self._c_in, self._wrong, call)
        for i, sizes in enumerate(self.sizes_in):
            lead = f"{raw[i]}.shape[:-{len(sizes) + 1}]"
            if i == 0:
                self._say(f"batch = {lead}")
            else:
                self._say(f"if {lead} != batch:")
                self._say(
                    f'    raise self.ShapeError(f"input {i} has batch shape {{tuple({lead})}}, '
                    f'but input 0 has {{tuple(batch)}}: give all terms the same batch shape")'
                )
        for i, sizes in enumerate(self.sizes_in):
            if i in names:
                shape = ", ".join([*[self.ns[factor] for factor in sizes], self._c_in(i)])
                # A packed alternating tensor can be empty, and then a -1 stands for any number.
                packs = [self.plan.packs[size - self.factor_count] for size in sizes if size >= self.factor_count]
                empty = any(one.kind == "A" and not self.ns[factor].isdigit() for factor, one in packs)
                self._say(f"{names[i]} = {raw[i]}.reshape({'batch.numel()' if empty else '-1'}, {shape})")
        if _uses(used, "b"):
            self._say(f"b = {names[min(names)]}.shape[0]" if names else "b = batch.numel()")
        self._say_scales(used)

    def _say_sizes(
        self,
        raw: Sequence[str],
        inputs: Sequence[tuple[int, ...]],
        missing: Sequence[str],
        channels: Callable[[int], str],
        wrong: Callable[[str, int, set[str], str], str],
        call: str,
    ) -> None:
        """Lines that read open sizes off the tensors ``raw``, and refuse wrong shapes; ``inputs``: factors of axes."""
        #: Sizes that are known by now, which messages show as numbers.
        known: set[str] = set(missing)
        shown_by: dict[int, set[str]] = {}
        for name in self.open:
            if name in missing:
                self._say(f"if isinstance({name}, bool) or not isinstance({name}, (int, torch.SymInt)) or {name} < 1:")
                self._say(
                    f'    raise self.ShapeError(f"the size {name} must be an int from 1 on, not {{{name}!r:.40}}: no '
                    f'input has an axis of this length, so call {call}")'
                )
            elif not any(name in [self.ns[f] for f in sizes] for sizes in inputs):
                self._say_side(name, raw, inputs, known, wrong)
            else:
                number, sizes = next((i, z) for i, z in enumerate(inputs) if name in [self.ns[f] for f in z])
                place = [self.ns[factor] for factor in sizes].index(name)
                at = f"{raw[number]}.shape[{place - len(sizes) - 1}]"
                there = f"isinstance({raw[number]}, torch.Tensor) and {raw[number]}.ndim > {len(sizes)}"
                self._say(f"{name} = {at} if {there} else 0")
                self._say(f"if {name} == 0:")
                self._say(f"    {wrong(raw[number], number, known, f' with {name} >= 1')}")
                shown_by[number] = shown_by.get(number, set()) | {name}
            if any(self.ns[i] == name and f.even for i, f in enumerate(self.hom.group.factors)):
                self._say(f"if {name} % 2:")
                self._say(f'    raise self.ShapeError(f"n = {{{name}}} is odd, but {self.hom.group} needs an even n")')
        for (factor, symmetry), name in zip(self.plan.packs, self.ns[self.factor_count :], strict=True):
            if not name.isdigit():
                self._say(f"{name} = {_binomial(self.ns[factor], symmetry)}", f"entries of {symmetry.full}")
        for number, sizes in enumerate(inputs):
            shape = ", ".join([*[self.ns[factor] for factor in sizes], channels(number)])
            comma = "" if sizes else ","
            x = raw[number]
            fits = f"isinstance({x}, torch.Tensor) and {x}.shape[-{len(sizes) + 1}:] == ({shape}{comma})"
            self._say(f"if not ({fits} and ({x}.is_floating_point() or {x}.is_complex())):")
            hints = [
                f"{self.ns[size]} = {_binomial(self.ns[factor], symmetry)}"
                for size in sizes
                if size >= self.factor_count and not self.ns[size].isdigit()
                for factor, symmetry in [self.plan.packs[size - self.factor_count]]
            ]
            hint = f" with {' and '.join(dict.fromkeys(hints))}" if hints else ""
            self._say(f"    {wrong(x, number, set(self.open) - shown_by.get(number, set()), hint)}")

    def _say_scales(self, used: str) -> None:
        """Lines that scale the weights, and the scales of sums that the code ``used`` needs."""
        for line in self.weights:
            self._say(line, "" if "#" in line else "every map at the same size")
        for place, (factor, symmetry) in enumerate(self.plan.packs):
            names = [f"{each}_{place}" for each in ("packed", "unpacked", "signs")]
            if not self.ns[factor].isdigit() and any(_uses(used, name) for name in names):
                device = next((i for i, z in enumerate(self.sizes_in) if factor in self._factors(z)), 0)
                x = "x" if self.single_in else f"x{device}"
                made = f"_packing({self.ns[factor]}, {symmetry.order}, {symmetry.kind == 'A'}, {x}.device)"
                self._say(f"{', '.join(names)} = {made}", f"places of the entries of {symmetry.full}")
        for factor, size in enumerate(self.ns[: self.factor_count]):
            if _uses(used, self._scale(factor)):
                self._say(f"{self._scale(factor)} = {size} ** -0.5", "scale of a sum over one index")

    def _scale(self, factor: int) -> str:
        return "r" if self.factor_count == 1 else f"r{factor}"

    def _wrong(self, raw: str, term: int, known: set[str], note: str = "") -> str:
        names = [self.ns[factor] for factor in self.sizes_in[term]]
        sizes = ", ".join([*[f"{{{name}}}" if name in known else name for name in names], f"{{{self._c_in(term)}}}"])
        which = "input" if self.single_in else f"input {term}"
        more = f', "{note}"' if note else ""
        return f'self._reject("{which}", {raw}, f"{sizes}"{more})'

    def _tail(self) -> None:
        results = []
        for step in self.plan.steps:
            if isinstance(step, Output):
                shape = ", ".join(["*batch", *[self.ns[f] for f in self.sizes_out[step.term]], self._c_out(step.term)])
                if step.source is None:
                    x = "x" if self.single_in else "x0"
                    results.append(f"{x}.new_zeros({shape})")
                    continue
                name = self.rename[step.source]
                if 0 in self.thin[step.source]:
                    # A clone even where nothing is repeated: the value may be a view of a parameter.
                    copy = "clone(memory_format=torch.contiguous_format)"
                    results.append(f"{name}.squeeze(0).expand({shape}).{copy}")
                    continue
                if self.thin[step.source]:
                    self._say(f"{name} = {self._filled(step.source, step.term)}")
                elif step.source not in self.straight:
                    name += ".contiguous()"
                results.append(f"{name}.reshape({shape})")
        self._say(f"return {', '.join(results)}")

    def _filled(self, value: str, term: int) -> str:
        """The value at full shape, with axes of length 1 repeated, in memory of its own."""
        sizes = ", ".join(["b", *[self.ns[factor] for factor in self.sizes[value]], self._c_out(term)])
        return f"{self.rename[value]}.expand({sizes}).clone(memory_format=torch.contiguous_format)"

    # --- packed tensors -------------------------------------------------------------------------

    def _packed_length(self, factor: int, symmetry: Symmetry) -> str:
        """The length of an axis that holds each entry once: a number, or the name of a variable."""
        n = self.ns[factor]
        return str(symmetry.length(int(n))) if n.isdigit() else f"{n}_{symmetry.kind}{symmetry.order}"

    def _factors(self, sizes: Sequence[int]) -> list[int]:
        """The factors of the group that axes belong to, packed or not."""
        return [self.plan.packs[z - self.factor_count][0] if z >= self.factor_count else z for z in sizes]

    def _say_side(
        self,
        name: str,
        raw: Sequence[str],
        inputs: Sequence[tuple[int, ...]],
        known: set[str],
        wrong: Callable[[str, int, set[str], str], str],
    ) -> None:
        """Lines that find an open size from the length of a packed axis."""
        number, place, size = next(
            (number, place, size)
            for number, sizes in enumerate(inputs)
            for place, (size, factor) in enumerate(zip(sizes, self._factors(sizes), strict=True))
            if self.ns[factor] == name
        )
        _, symmetry = self.plan.packs[size - self.factor_count]
        at = f"{raw[number]}.shape[{place - len(inputs[number]) - 1}]"
        there = f"isinstance({raw[number]}, torch.Tensor) and {raw[number]}.ndim > {len(inputs[number])}"
        self.helpers.add("side")
        self._say(f"{name} = _side({at}, {symmetry.order}, {symmetry.kind == 'A'}) if {there} else 0")
        self._say(f"if {name} == 0:")
        hint = f" with {self.ns[size]} = {_binomial(name, symmetry)}"
        self._say(f"    {wrong(raw[number], number, known - {self.ns[size]}, hint)}")

    def _repack(self, step: Pack | Unpack) -> None:
        """Entries of a symmetric or alternating tensor, each once, from all of them; or the other way round."""
        source, place = step.source, step.size - self.factor_count
        factor, symmetry = self.plan.packs[place]
        side, term = self.term_of[source]
        channels = self._c_in(term) if side == "in" else self._c_out(term)
        name = self.rename[source]
        if self.thin[source]:
            self._say(f"{name} = {self._filled(source, term)}")
        packing = isinstance(step, Pack)
        before = self.sizes[source]
        after = self.plan.packed(before, step) if packing else self.plan.unpacked(before, step)
        n = self.ns[factor]
        whole = _times([n] * symmetry.order)
        rest = before[step.start + (symmetry.order if packing else 1) :]
        # Axes before those that are packed go with the batch, axes behind them with the channels.
        length, behind = whole if packing else self.ns[step.size], [*(self.ns[size] for size in rest), channels]
        table, signs = f"{'packed' if packing else 'unpacked'}_{place}", f"signs_{place}"
        signed = symmetry.kind == "A" and not packing
        self.helpers.add("packing")
        if n.isdigit():
            self._repack_tables(place, n, symmetry, [table, signs] if signed else [table])
            table, signs = f"self.{table}", f"self.{signs}"
        ahead = _times(["b", *(self.ns[size] for size in before[: step.start])])
        code = f"{name}.reshape({ahead}, {length}, {_times(behind)}).index_select(1, {table})"
        if signed:
            code = f"({code} * {signs}[:, None].to({name}.dtype))"
        shape = ", ".join(["b", *[self.ns[size] for size in after], channels])
        text = f"each entry of {symmetry.full} once" if packing else f"all entries of {symmetry.full}"
        code = f"{code}.reshape({shape})"
        if signed and not n.isdigit():
            # Without entries there are none to take: sums over none are 0, and have a gradient.
            none = f"{name}.reshape({ahead}, {length}, {_times(behind)}).sum(1, keepdim=True)"
            code += f" if {n} >= {symmetry.order} else {none}.expand(-1, {whole}, -1).contiguous().reshape({shape})"
        self._say(f"{step.target} = {code}", text)
        self.sizes[step.target], self.rename[step.target] = after, step.target
        self.thin[step.target], self.term_of[step.target] = frozenset(), (side, term)
        self.needs[step.target] = self.needs[source]
        self.owned.add(step.target)
        self.straight.add(step.target)

    def _repack_tables(self, place: int, n: str, symmetry: Symmetry, names: Sequence[str]) -> None:
        """Lines of __init__ that make the tables of a packed axis."""
        line = f"packed, unpacked, signs = _packing({n}, {symmetry.order}, {symmetry.kind == 'A'})"
        for name in names:
            made = f'self._table("{name}", {name.removesuffix(f"_{place}")})'
            if made not in self.builders:
                # Tables of one axis are made together.
                at = self.builders.index(line) + 1 if line in self.builders else len(self.builders)
                self.builders[at:at] = [made] if line in self.builders else [line, made]

    # --- reductions ---------------------------------------------------------------------------

    def _reduce(self, step: Reduce) -> None:
        source, sizes = self.rename[step.source], self.sizes[step.source]
        letters = _letters(step.pattern)
        summed = [axis for axis, where in enumerate(step.pattern) if where is None]
        if step.forms:
            ((left, right),) = step.forms
            first, second = (f"{source}.diagonal({by}, {left + 1}, {right + 1})[..., ::2]" for by in (1, -1))
            operation = "mean" if self.plan.sums == "mean" else "sum"
            # The omega-trace has n terms, half of them in each diagonal.
            half = " / 2" if operation == "mean" else ""
            code = f"({first} - {second}).{operation}(-1){half}{self._times(sizes[left])}"
            self._say(f"{step.target} = {code}", f"omega-trace of {step.source}[{letters}]", of=step.target)
        elif summed:
            (axis,) = summed
            operation = "mean" if self.plan.sums == "mean" else "sum"
            over = LETTERS[step.axes]
            self._say(
                f"{step.target} = {source}.{operation}({axis + 1}){self._times(sizes[axis])}",
                f"sum over {over} of {step.source}[{letters}]",
                of=step.target,
            )
        else:
            self._say(f"{step.target} = {_diagonal(source, step.pattern)}", f"{step.source}[{letters}]", of=step.target)
            self.views.add(step.target)
        kept = {where: sizes[axis] for axis, where in enumerate(step.pattern) if where is not None}
        self.sizes[step.target] = tuple(kept[where] for where in sorted(kept))
        self.term_of[step.target] = self.term_of[step.source]
        self.needs[step.target] = self.needs[step.source]
        # Only the batch can be thin here: axes are repeated later.
        self.thin[step.target] = self.thin[step.source]
        self.rename[step.target] = step.target

    def _channels(self, value: str) -> str:
        """The channels of a value: those of an output term once it is mixed, of an input term before."""
        side, term = self.term_of[value]
        return self._c_out(term) if side == "out" else self._c_in(term)

    def _times(self, factor: int) -> str:
        return f" * {self._scale(factor)}" if self.plan.sums == "variance" else ""

    def _hodge(self, step: Hodge) -> None:
        if step.target in self.done:
            return
        code = self._starred(step, _permuted(self.rename[step.source], step.order), self._channels(step.source))
        self._after_star(step)
        readers = [
            operand
            for mix in self.plan.steps
            if isinstance(mix, Mix)
            for operand in mix.operands
            if operand.source == step.target
        ]
        if len(readers) == 1:
            # Written where it is used, so that its memory is given back there.
            self.rename[step.target] = code
        else:
            self._say(f"{step.target} = {code}", _star_text(step))

    def _merge(self, step: Mix, stars: Sequence[Hodge]) -> bool:
        """Heads and their places in the output as one small matrix, where all targets of a Mix go to one tensor."""
        made = [star.target for star in stars]
        spreads = [
            spread
            for spread in self.plan.steps
            if isinstance(spread, Spread) and any(part.source in made for part in spread.parts)
        ]
        if len(spreads) != 1:
            return False
        (spread,) = spreads
        part_of = {part.source: part for part in spread.parts if part.source in made}
        axes = [self.ns[factor] for factor in (*step.sizes, *spread.sizes)]
        whole = all(sorted(part.pattern, key=str) == list(range(spread.axes)) for part in part_of.values())
        once = sum(part.source in part_of for part in spread.parts) == len(part_of)
        whole = whole and once and all(part.sign > 0 for part in part_of.values())
        if sorted(part_of) != sorted(made) or not whole or not all(axis.isdigit() for axis in axes):
            return False
        rows, places = (prod(int(self.ns[f]) for f in sizes) for sizes in (spread.sizes, step.sizes))
        kind = (stars[0].n, stars[0].tied, stars[0].taken, stars[0].given)
        if not _small(kind) or rows * places * len(stars) > SMALL or len({target.term for target in step.targets}) > 1:
            return False
        if kind not in self.epsilons:
            self.epsilons.append(kind)
        name = f"spread_{len(self.merged)}"
        # The matrix is what the steps that it stands for make of unit vectors.
        sizes = ", ".join(["-1", *[self.ns[factor] for factor in self._star_sizes(stars[0])], "1"])
        unit = f"torch.eye({places}, dtype=torch.float64).reshape({', '.join(['-1', *axes[: step.axes], '1'])})"
        eaten = stars[0].n ** (stars[0].tied + stars[0].taken)
        self.helpers.add("apply")
        self.builders.append(f"x = {_permuted(unit, stars[0].order)}.reshape(-1, {eaten}, 1)")
        self.builders.append(f"y = _multiply(epsilon_{self.epsilons.index(kind)}, x).reshape({sizes})")
        spots = [f"{_permuted('y', _whole(part_of[target]))}.reshape({places}, {rows})" for target in made]
        stacked = f"torch.stack(({', '.join(spots)}), 1)"
        self.builders.append(f'self._table("{name}", {stacked}.reshape({places * len(stars)}, {rows}).T)')
        (term,) = {target.term for target in step.targets}
        channels = self._c_out(term)
        shape = ", ".join(["-1", *[self.ns[factor] for factor in spread.sizes], channels])
        target = f"{spread.target}_h{len(self.merged)}" if self.merged else f"{spread.target}_h"
        flat = f"z.reshape(-1, {places * len(stars)}, {channels})"
        text = f"epsilon takes {stars[0].taken} and gives {stars[0].given}, for {len(stars)} tensors at once"
        self._say(f"{target} = _multiply(self.{name}, {flat}).reshape({shape})", text)
        self.sizes[target], self.rename[target] = spread.sizes, target
        self.thin[target], self.term_of[target] = self.thin[stars[0].source], ("out", term)
        self.needs[target] = self.needs[stars[0].source]
        if not self.thin[target]:
            self.owned.add(target)
            self.straight.add(target)
        part = Part(target, tuple(range(spread.axes)))
        self.merged |= dict.fromkeys(made, part)
        self.done |= set(made)
        return True

    def _starred(self, step: Hodge, source: str, channels: str) -> str:
        """The code of a Hodge step for a source that is permuted already."""
        kind = (step.n, step.tied, step.taken, step.given)
        if kind not in self.epsilons:
            self.epsilons.append(kind)
        number = self.epsilons.index(kind)
        flat = f"{source}.reshape(-1, {step.n ** (step.tied + step.taken)}, {channels})"
        if _small(kind):
            self.applied.add(number)
            shape = ", ".join(["-1", *[self.ns[factor] for factor in self._star_sizes(step)], channels])
            if step.tied + step.taken == 0:
                return f"({flat} * self.epsilon_{number}.to({source}.dtype)).reshape({shape})"
            self.helpers.add("apply")
            return f"_multiply(self.epsilon_{number}, {flat}).reshape({shape})"
        if step.taken > 1:
            flat = f"_antisymmetrise({flat}, self.even_{number}, self.odd_{number})"
        shape = ", ".join(["-1", *[self.ns[factor] for factor in self._star_sizes(step)], channels])
        return f"_star({flat}, self.give_{number}, self.sign_{number}).reshape({shape})"

    def _star_sizes(self, step: Hodge) -> tuple[int, ...]:
        left = [self.sizes[step.source][axis] for axis in step.order[: step.carried + step.tied]]
        return (*left, *[step.factor] * step.given)

    def _after_star(self, step: Hodge, alone: bool = True) -> None:
        self.sizes[step.target], self.thin[step.target] = self._star_sizes(step), self.thin[step.source]
        self.needs[step.target] = self.needs[step.source]
        self.rename[step.target] = step.target
        self.term_of[step.target] = self.term_of[step.source]
        if alone and not self.thin[step.source]:
            self.owned.add(step.target)
            self.straight.add(step.target)

    # --- contraction with the adjacency matrix --------------------------------------------------------

    def _contract(self, step: Contract) -> None:
        source, thin = self.rename[step.source], self.thin[step.source]
        channels, n = self._channels(step.source), self.ns[0]
        comment = describe(step)
        if step.along is not None:
            place, transposed = step.along
            after = [n] * (len(step.labels) - place - 1)
            wide = _times([*after, channels])
            flat = f"{source}.reshape(-1, {n}, {wide})"
            shape = ", ".join(["-1", *[n] * len(step.kept), channels])
            self._say(f"{step.target} = {self._neighbours(transposed, flat)}.reshape({shape})", comment)
            if not thin:
                self.owned.add(step.target)
                self.straight.add(step.target)
        else:
            new = "".join(f".unsqueeze({len(step.labels) + 1 + i})" for i in range(len(step.kept) - len(step.labels)))
            ends = {end for edge in step.edges for end in edge}
            shape = ", ".join([*(n if label in ends else "1" for label in step.kept), "1"])
            inner = ",".join(LETTERS[u] + LETTERS[v] for u, v in step.edges)
            outer = "".join(LETTERS[label] for label in step.kept if label in ends)
            same = len(step.edges) == 1 and inner == outer
            table = "A" if same else f'torch.einsum("{inner}->{outer}", {", ".join(["A"] * len(step.edges))})'
            code = f"{table}.reshape({shape})"
            if code not in self.factors:
                self.factors.append(code)
            self._say(
                f"{step.target} = {source}{new} * self.factor_{self.factors.index(code)}.to({source}.dtype)", comment
            )
            if not thin:
                self.owned.add(step.target)
        self.sizes[step.target], self.thin[step.target] = (0,) * len(step.kept), thin
        self.needs[step.target] = self.needs[step.source]
        self.rename[step.target], self.term_of[step.target] = step.target, self.term_of[step.source]

    def _neighbours(self, transposed: bool, flat: str) -> str:
        """A, or its transpose, times the middle axis of ``flat``."""
        graph = self.hom.group.kept_graph
        assert graph is not None  # noqa: S101 - only graphs have edges
        transposed &= graph.directed
        edges = len(graph.edges) * (1 if graph.directed else 2)
        if edges * GATHER < graph.n**2:
            self.along = True
            return f"_along(self.{'heads, self.tails' if transposed else 'tails, self.heads'}, {flat})"
        self.adjacent = True
        return f"_multiply(self.adjacency{'.mT' if transposed else ''}, {flat})"

    def _graph_builders(self) -> list[str]:
        """Lines that build what contractions need."""
        if not (self.along or self.adjacent or self.factors):
            return []
        lines = self._edges()
        if self.along:
            self.helpers.add("along")
            lines += [
                'self._table("tails", torch.tensor([i for i, _ in edges]))',
                'self._table("heads", torch.tensor([j for _, j in edges]))',
            ]
        if self.adjacent or self.factors:
            self.helpers.add("adjacency")
            lines.append(f"A = _adjacency({self.ns[0]}, edges)")
        if self.adjacent:
            self.helpers.add("apply")
            lines.append('self._table("adjacency", A)')
        lines += [f'self._table("factor_{number}", {code})' for number, code in enumerate(self.factors)]
        return lines

    def _edges(self) -> list[str]:
        graph = self.hom.group.kept_graph
        assert graph is not None  # noqa: S101 - only graphs have edges
        return edge_lines(graph)

    # --- mixing -------------------------------------------------------------------------------

    def _mix(self, step: Mix) -> None:
        if step.fourier:
            from eqsynth.codegen import emit_fourier

            emit_fourier.mix(self, step)
            return
        maps = f"{len(step.entries)} map{'s' if len(step.entries) != 1 else ''}"
        self._say("")
        ends = [
            list(dict.fromkeys(filter(None, map(_fragment, names))))
            for names in ([o.source for o in step.operands], [target.name for target in step.targets])
        ]
        drawn = f", from {', '.join(ends[0])} to {', '.join(ends[1])}" if all(0 < len(end) <= 8 for end in ends) else ""
        self._say(f"# mixing on {step.axes} {'axis' if step.axes == 1 else 'axes'}: {maps}{drawn}")
        bias = self._bias(step)
        names = [target.name for target in step.targets]
        single = len(names) == 1
        # Heads that come after the mixing are the same for all targets, and applied to them together.
        stars = [other for other in self.plan.steps if isinstance(other, Hodge) and other.source in names]
        together = not single and [star.source for star in stars] == names
        made = names[0] if single else "z"
        if step.operands:
            moved = [_permuted(self.rename[operand.source], operand.middle) for operand in step.operands]
            per = -(-len(moved) // step.products)
            parts = [moved[start : start + per] for start in range(0, len(moved), per)]
            weights = ["w"] if len(parts) == 1 else [f"w_{number}" for number in range(len(parts))]
            if len(moved) == 1:
                # A strided view would send linear down a slow path, one small product per index.
                straight = (
                    step.operands[0].middle == tuple(range(step.axes)) and step.operands[0].source not in self.views
                )
                operands = [moved[0] if straight else f"{moved[0]}.contiguous()"]
            else:
                operands = [f"torch.cat(({', '.join(part)}), -1)" if len(part) > 1 else part[0] for part in parts]
            matrix = self._matrix(step)
            if len(parts) == 1:
                self._say(f"w = {matrix}")
            else:
                terms = [operand.term for operand in step.operands]
                widths = [self._widths(terms[start : start + per]) for start in range(0, len(moved), per)]
                self._say("# in several products, so that the copies of operands stay small")
                self._say(f"{', '.join(weights)} = ({matrix}).split(({', '.join(widths)}), 1)")
            self._say(f"{made} = linear({operands[0]}, {weights[0]}{', ' + bias if bias else ''})")
            several = len({operand.term for operand in step.operands}) > 1
            for weight, operand in zip(weights[1:], operands[1:], strict=True):
                self._say(f"{made} {f'= {made} +' if several else '+='} linear({operand}, {weight})")
            if single:
                self.owned.add(made)
                self.straight.add(made)
            thin = frozenset[int]()
        else:
            self._say(f"{made} = {bias}.unsqueeze(0)")
            thin = frozenset({0})
        for target in step.targets:
            self.sizes[target.name], self.thin[target.name] = step.sizes, thin
            self.rename[target.name] = target.name
            self.term_of[target.name] = ("out", target.term)
            self.needs[target.name] = self._needs(step)
        if together and self._merge(step, stars):
            return
        if together:
            self._say(
                f"z = {self._starred(stars[0], _permuted('z', stars[0].order), 'z.shape[-1]')}", _star_text(stars[0])
            )
            names = [star.target for star in stars]
            for star in stars:
                self._after_star(star, alone=False)
                self.done.add(star.target)
        if not single:
            sizes = " + ".join(
                f"[{self._c_out(term)}] * {len(list(group))}"
                for term, group in groupby(step.targets, key=lambda target: target.term)
            )
            self._say(f"{', '.join(names)} = z.split({self._c_out(0) if self.single_out else sizes}, -1)")

    def _needs(self, step: Mix) -> frozenset[str]:
        """The inputs and parameters that come into a mix."""
        pairs = {(step.operands[e.operand].term, step.targets[e.target].term) for e in step.entries}
        found = {self.plan.weight_name(i, o) for i, o in pairs}
        found |= {self.plan.bias_name(step.targets[e.target].term) for e in step.biases}
        return frozenset(found).union(*(self.needs[operand.source] for operand in step.operands))

    def _widths(self, terms: Sequence[int]) -> str:
        """The channels of some operands together."""
        counted = [(self._c_in(term), len(list(group))) for term, group in groupby(terms)]
        return " + ".join(channels if count == 1 else f"{count} * {channels}" for channels, count in counted)

    def _matrix(self, step: Mix) -> str:
        """Expression of the (targets x C_out, operands x C_in) matrix of a Mix."""
        rows = []
        for term_out, targets in groupby(range(len(step.targets)), key=lambda t: step.targets[t].term):
            target_list = list(targets)
            row = []
            for term_in, operands in groupby(range(len(step.operands)), key=lambda s: step.operands[s].term):
                row.append(self._block(step, term_in, term_out, list(operands), target_list))
            rows.append(row[0] if len(row) == 1 else _cat(row, 1))
        return rows[0] if len(rows) == 1 else _cat(rows, 0)

    def _block(self, step: Mix, i: int, o: int, operands: list[int], targets: list[int]) -> str:
        co, ci = self._c_out(o), self._c_in(i)
        wide, high = len(operands), len(targets)
        here = [e for e in step.entries if e.target in targets and e.operand in operands]
        at = {(e.target, e.operand): e.element for e in here}
        if not at:
            return self._zeros(f"{high} * {co}, {wide} * {ci}")
        table = [at.get((t, s)) for t in targets for s in operands]
        pair = next(pair for pair in self.plan.pairs if (pair.term_in, pair.term_out) == (i, o))
        weight = self._weight(pair)
        first, dim = min(at.values()), pair.dim
        consecutive = table == list(range(first, first + len(table)))
        if consecutive:
            part = weight if len(table) == dim else f"{weight}[{first}:{first + len(table)}]"
        else:
            part = self._gathered(step, weight, i, o, table, dim)
        if any(e.sign < 0 for e in here):
            sign_at = {(e.target, e.operand): e.sign for e in here}
            name = self._buffer("signs", step, i, o, [sign_at.get((t, s), 1) for t in targets for s in operands])
            part = f"({part} * self.{name}[:, None, None])"
        if wide == 1:
            return f"{part}.reshape({high} * {co}, {ci})" if high > 1 else f"{part}.squeeze(0)"
        if high == 1:
            return f"{part}.transpose(0, 1).reshape({co}, {wide} * {ci})"
        return f"{part}.reshape({high}, {wide}, {co}, {ci}).transpose(1, 2).reshape({high} * {co}, {wide} * {ci})"

    def _weight(self, pair: Pair) -> str:
        """The weights of a pair, scaled once for all its uses."""
        name = self.plan.weight_name(pair.term_in, pair.term_out)
        if pair.sums:
            from eqsynth.codegen import emit_fourier

            return emit_fourier.summed(self, pair, name)
        factors = [
            f"{size} ** {gain / 4}" for size, gain in zip(self.ns[: self.factor_count], pair.gains, strict=True) if gain
        ]
        if max(pair.squares, default=1) > 1:
            scale = f"{name}_scale"
            self.buffers[scale] = pair.squares
            self.squares.add(scale)
            factors.append(f"self.{scale}[:, None, None]")
        if not factors:
            return f"self.{name}"
        line = f"{name} = self.{name} * {' * '.join(factors)}"
        if line not in self.weights:
            self.weights.append(line)
        return name

    def _constant(self, term: int) -> str:
        """The bias of a term, scaled once for all its uses."""
        name, squares = self.plan.bias_name(term), self.plan.bias_squares[term]
        if max(squares, default=1) == 1:
            return f"self.{name}"
        scale = f"{name}_scale"
        self.buffers[scale] = squares
        self.squares.add(scale)
        line = f"{name} = self.{name} * self.{scale}[:, None]"
        if line not in self.weights:
            self.weights.append(line)
        return name

    def _zeros(self, shape: str) -> str:
        pair = self.plan.pairs[0]
        return f"self.{self.plan.weight_name(pair.term_in, pair.term_out)}.new_zeros({shape})"

    def _gathered(self, step: Mix, weight: str, i: int, o: int, table: Sequence[int | None], dim: int) -> str:
        """Basis elements in the order of the matrix; places without an element take a zero."""
        missing = None in table
        buffer = self._buffer("order", step, i, o, [dim if element is None else element for element in table])
        padded = f"nn.functional.pad({weight}, (0, 0, 0, 0, 0, 1))" if missing else weight
        return f"{padded}.index_select(0, self.{buffer})"

    def _buffer(self, kind: str, step: Mix, i: int, o: int, values: Sequence[int]) -> str:
        """The name of a buffer of whole numbers for one block of a Mix."""
        mixes = [other for other in self.plan.steps if isinstance(other, Mix)]
        suffix = "" if self.single_in and self.single_out else f"_{i}_{o}"
        name = f"{kind}{suffix}_{mixes.index(step)}"
        self.buffers[name] = tuple(values)
        return name

    def _bias(self, step: Mix) -> str:
        if not step.biases:
            return ""
        pieces = []
        element_at = {entry.target: entry.element for entry in step.biases}
        for o, group in groupby(range(len(step.targets)), key=lambda t: step.targets[t].term):
            targets = list(group)
            table = [element_at.get(t) for t in targets]
            bias, dim = self._constant(o), self.plan.bias_dims[o]
            there = [place for place, element in enumerate(table) if element is not None]
            run = [element for element in table if element is not None]
            if (
                there
                and there == list(range(there[0], there[-1] + 1))
                and run == list(range(run[0], run[0] + len(run)))
            ):
                part = bias if len(run) == dim else f"{bias}[{run[0]}:{run[0] + len(run)}]"
                around = f"{there[0]}, {len(table) - 1 - there[-1]}"
                part = part if around == "0, 0" else f"nn.functional.pad({part}, (0, 0, {around}))"
                pieces.append(f"{part}.flatten()")
            elif not there:
                pieces.append(self._zeros(f"{len(targets)} * {self._c_out(o)}"))
            else:
                buffer = self._buffer("bias_order", step, 0, o, [dim if e is None else e for e in table])
                padded = f"nn.functional.pad({bias}, (0, 0, 0, 1))" if None in table else bias
                pieces.append(f"{padded}.index_select(0, self.{buffer}).flatten()")
        return pieces[0] if len(pieces) == 1 else f"torch.cat(({', '.join(pieces)}))"

    # --- irreducible parts ------------------------------------------------------------------------

    def _names(self) -> Names:
        return Names(self._c_in, self._c_out, self.plan.weight_name, self.power, self._gain)

    def _gain(self, term_in: int, term_out: int) -> str:
        """The powers of n by which the weights of a pair grow, as a factor."""
        pair = next(pair for pair in self.plan.pairs if (pair.term_in, pair.term_out) == (term_in, term_out))
        return "".join(
            f" * {n} ** {gain / 4}" for n, gain in zip(self.ns[: self.factor_count], pair.gains, strict=True) if gain
        )

    def _schur(self, step: Schur) -> None:
        pairs = [(pair.term_in, pair.term_out) for pair in self.plan.pairs]
        code = SchurCode(step, self._names(), self.plan.parameters == "blocks", pairs)
        bases = step.bases
        code.build(lambda a, b: basis(self.hom.group, bases.ins[a], bases.outs[b]).diagrams)
        code.run(self.rename.__getitem__)
        self.builders += code.builders
        self.helpers |= code.helpers
        kinds = ", ".join(f"{part.dim}" for part in bases.irreps)
        self._say("")
        self._say(f"# in a basis of irreducible parts, of dimension {kinds}: each mixes its copies and the channels")
        for line in code.lines:
            self._say(line)
        for end in step.targets:
            sizes = self.sizes_out[end.term]
            shape = ", ".join(["b", *[self.ns[factor] for factor in sizes], self._c_out(end.term)])
            self._say(f"{end.name} = {end.name}.reshape({shape})")
            self.sizes[end.name], self.rename[end.name] = sizes, end.name
            self.term_of[end.name], self.thin[end.name] = ("out", end.term), frozenset()
            used = {self.plan.weight_name(i, o) for i, o in pairs if o == end.term}
            self.needs[end.name] = frozenset(used).union(*(self.needs[source.name] for source in step.sources))
            self.owned.add(end.name)
            self.straight.add(end.name)

    # --- tied matrices --------------------------------------------------------------------------

    def _tied(self, step: Tied) -> None:
        co = self._c_out(step.term)
        rows = prod(int(self.ns[factor]) for factor in step.sizes)
        shape = ", ".join(["-1", *[self.ns[factor] for factor in step.sizes], co])
        self._say("")
        bias, needs = "", set[str]()
        if step.constants:
            prefix = f"b{step.term}"
            self._build(
                prefix, step.constants, rows, 1, f"maps * ((maps**2).sum(2).amax(1){self.power})[:, None, None]"
            )
            self._join(prefix, step.constants, co, f"self.{self.plan.bias_name(step.term)}{_from(step.first)}")
            bias = "w" if self._plain(step.constants) else f"w.index_select(0, self.{prefix}_places)"
            needs.add(self.plan.bias_name(step.term))
        if bias and step.tables:
            self._say(f"constants = {bias}.flatten()")
            bias = "constants"
        made = ""
        for table in step.tables:
            ci = self._c_in(table.term)
            columns = prod(int(self.ns[factor]) for factor in self.sizes[table.source])
            self._say(f"# {len(table.elements)} maps, entries of one matrix tied together")
            prefix = f"t{table.term}_{step.term}"
            self._build(prefix, table.elements, rows, columns, scaled(self._names(), table.term, step.term))
            weight = f"self.{self.plan.weight_name(table.term, step.term)}{_from(table.first)}"
            self._join(prefix, table.elements, f"{co}, {ci}", weight)
            if not self._plain(table.elements):
                self._gather(prefix, rows, columns, co, ci, table.term, step.term)
            x = f"{self.rename[table.source]}.reshape(-1, {columns} * {ci})"
            product = f"linear({x}, w.reshape({rows} * {co}, {columns} * {ci}){', ' + bias if bias else ''})"
            self._say(f"{step.target} = {made}{product}")
            made, bias = f"{step.target} + ", ""
            needs |= {self.plan.weight_name(table.term, step.term), *self.needs[table.source]}
        self._say(f"{step.target} = {step.target if made else bias}.reshape({shape})")
        self.sizes[step.target], self.rename[step.target] = step.sizes, step.target
        self.term_of[step.target], self.needs[step.target] = ("out", step.term), frozenset(needs)
        self.thin[step.target] = frozenset() if made else frozenset({0})
        if made:
            self.owned.add(step.target)
            self.straight.add(step.target)

    def _gather(self, prefix: str, rows: int, columns: int, co: str, ci: str, term_in: int, term_out: int) -> None:
        """The matrix from the weights of all orbits."""
        places = "places"
        channels = self.hom.space_in.channels[term_in] * self.hom.space_out.channels[term_out]
        if rows * columns * channels <= CACHED:
            self._say(f"w = w.index_select(0, self.{prefix}_places).reshape({rows}, {columns}, {co}, {ci})")
            self._say("w = w.transpose(1, 2)", "rows of the matrix are output indices and channels")
        else:
            # Row by row in the order of the matrix, so that it is there once.
            self._say(f"w = nn.functional.embedding(self.{prefix}_places, w.reshape(-1, {ci}))")
            self.builders.append(f"channels = torch.arange({co.replace('channels', 'self.channels')})[:, None]")
            places = f"places.reshape({rows}, 1, {columns}) * len(channels) + channels"
        self.builders.append(f'self._table("{prefix}_places", {places})')

    def _join(self, prefix: str, elements: Sequence[Element], channels: str, weight: str) -> None:
        """``w``: from the weights of maps to those of all orbits, or for exact kernels to the matrix itself."""
        graphs = sum(isinstance(element, Diagram) for element in elements)
        orbits = sum(isinstance(element, Orbit) for element in elements)
        weights = "," in channels
        if self._plain(elements):
            letters = ("doc", "joic") if weights else ("do", "jo")
            self._say(f'w = torch.einsum("dji,{letters[0]}->{letters[1]}", self.{prefix}_maps, {weight})')
            return
        scale = f" * self.{prefix}_scale[:, None{', None' * weights}]"
        missing = self._orbit_count(elements) - orbits
        scale = scale if prefix in self.scaled else ""
        if graphs:
            part = f"self.{prefix}_maps @ {weight if not orbits else f'{weight}[:{graphs}]'}"
            part = f"({part}.flatten(1)).reshape(-1, {channels})" if weights else part
            self._say(f"w = {part}", "a graph is a sum of orbits")
            if orbits:
                self._say(f"w[:{orbits}] += {weight}[{graphs}:]{scale}")
        elif missing or scale:
            pads = ", ".join(["0, 0"] * (1 + weights))
            padded = f"nn.functional.pad({weight}{scale}, ({pads}, 0, {missing}))"
            self._say(f"w = {padded if missing else weight + scale}")
        else:
            self._say(f"w = {weight}")

    def _orbit_count(self, elements: Sequence[Element]) -> int:
        return int(functor.orbits_of(self.hom.group, _order(elements)).max()) + 1

    def _plain(self, elements: Sequence[Element]) -> bool:
        """Whether maps are no sums of orbits: the whole matrix is a sum of theirs."""
        return self.hom.group.diagrammatic or isinstance(elements[0], MatrixMap)

    def _build(self, prefix: str, elements: Sequence[Element], rows: int, columns: int, scale: str) -> None:
        """Lines of __init__ that make the tables of some elements from a short exact recipe."""
        group = self.hom.group
        n, say = self.ns[0], self.builders.append
        if self._plain(elements):
            lines, helpers = map_lines(group, elements, rows, columns)
            self.builders += lines
            self.helpers |= helpers
            say(f'self._table("{prefix}_maps", {scale})')
            return
        graphs = [element for element in elements if isinstance(element, Diagram)]
        orbits = [element for element in elements if isinstance(element, Orbit)]
        self.helpers.add("orbits")
        total = _order(elements)
        generators = [list(g) for g in group.permutations]
        labels = functor.orbits_of(group, total)
        numbers = {int(labels[orbit.representative]) for orbit in orbits}
        last = sorted(set(range(int(labels.max()) + 1)) - numbers) if orbits else []
        say(f"places, tuples = _orbits({generators}, {n}, {total}, {last})")
        if graphs:
            self.helpers |= {"adjacency", "homomorphisms"}
            self.builders += self._edges()
            say("graphs = [")
            for graph in graphs:
                say(f"    ({list(graph.labels)}, {len(graph.blocks)}, {[list(edge) for edge in graph.edges]}),")
            say("]")
            say(f"maps = _homomorphisms(_adjacency({n}, edges), graphs).reshape({len(graphs)}, {rows}, {columns})")
        self.helpers.add("scale")
        tables = f"places.reshape({rows}, {columns}), {len(orbits)}" if orbits else "None, 0"
        say(f"scale = _scale({'maps' if graphs else 'None'}, {tables}){self.power}")
        if graphs:
            say(f'self._table("{prefix}_maps", (maps.flatten(1)[:, tuples] * scale[:{len(graphs)}, None]).T)')
        if orbits and columns > 1:
            self.scaled.add(prefix)
            say(f'self._table("{prefix}_scale", scale[{len(graphs)}:])')
        if prefix.startswith("b"):
            say(f'self._table("{prefix}_places", places)')

    # --- spreading ----------------------------------------------------------------------------

    def _spread(self, step: Spread) -> None:
        target, term = step.target, step.term
        self.sizes[target] = step.sizes
        self.rename[target] = target
        self.term_of[target] = ("out", term)
        parts = list(dict.fromkeys(self.merged.get(part.source, part) for part in step.parts))
        parts.sort(key=lambda part: part not in self.merged.values())
        plain = [part for part in parts if not _repeats(part)]
        embedded = [part for part in parts if _repeats(part)]
        # A tensor of our own that is already in place takes the other parts.
        base = next((part for part in plain if self._takes(part, step)), None)
        rest = [part for part in plain if part is not base]
        thin = frozenset(range(step.axes + 1))
        placed = [self._placed(part) for part in rest]
        full = ", ".join(["b", *[self.ns[factor] for factor in step.sizes], self._c_out(term)])
        if base is not None:
            self.rename[target] = self.rename[base.source]
            name = self.rename[target]
            self.owned.discard(base.source)
            thin, needs, anew = frozenset[int](), self.needs[base.source], False
            for part, (code, _) in zip(rest, placed, strict=True):
                cast = f".to({name}.dtype)" if self._loose(part.source) else ""
                inside = self.needs[part.source] <= needs
                by = "-" if part.sign < 0 else "+"
                sign = f"{name} {by}=" if inside else f"{name} = {name} {by}"
                anew |= not inside
                self._say(f"{sign} {code}{cast}", self._part_text(step, part), of=part.source)
                needs |= self.needs[part.source]
            if anew and embedded:
                # Under vmap a new sum may have its axes in another order.
                self._say(f"{name} = {name}.contiguous()")
        else:
            name, needs = target, frozenset[str]()
            for part, (_, missing) in zip(rest, placed, strict=True):
                thin &= missing
                needs |= self.needs[part.source]
            if placed:
                code = _signed((code, part.sign) for part, (code, _) in zip(rest, placed, strict=True))
                texts = [self._part_text(step, replace(part, sign=1)).partition(" += ") for part in rest]
                sums = _signed((right, part.sign) for part, (_, _, right) in zip(rest, texts, strict=True))
                same = len({left for left, _, _ in texts}) == 1 and texts[0][0]
                text = f"{texts[0][0]} = {sums}" if same else "; ".join(self._part_text(step, part) for part in rest)
                self._say(f"{name} = {code}", text, of=name)
            self.thin[target] = thin
            if embedded:
                source = self.rename[embedded[0].source]
                if not placed or thin:
                    needs |= self.needs[embedded[0].source]
                if not placed:
                    self._say(f"{name} = {source}.new_zeros({full})")
                elif thin:
                    # Zeros from a tensor that has the batch: never a view of a parameter.
                    self._say(f"{name} = ({source}.new_zeros({full}) + {name}).contiguous()")
                else:
                    copy = "clone(memory_format=torch.contiguous_format)" if len(placed) == 1 else "contiguous()"
                    self._say(f"{name} = {name}.{copy}")
                thin = frozenset()
        for part in embedded:
            self._embed(step, name, part, inside=self.needs[part.source] <= needs)
            needs |= self.needs[part.source]
        self.thin[target], self.needs[target] = thin, needs
        if not thin and (base is not None or embedded):
            self.straight.add(target)
            self.owned.add(target)
        elif not thin and len(placed) > 1:
            self.owned.add(target)

    def _takes(self, part: Part, step: Spread) -> bool:
        """Whether the other parts can be added to a part in place."""
        plain = part.pattern == tuple(range(step.axes)) and part.sign > 0
        return part.source in self.owned & self.straight and plain and part.source not in self.shared

    def _loose(self, value: str) -> bool:
        """Whether a value is made of parameters alone, so that autocast leaves it in their dtype."""
        return not any(need.startswith("x") for need in self.needs[value])

    def _embed(self, step: Spread, name: str, part: Part, inside: bool) -> None:
        """Add a part to a diagonal, or along the symplectic form.

        Not ``inside``: the part depends on more than ``name`` does, so torch.func needs a new tensor.
        """
        sizes, channels = [self.ns[factor] for factor in step.sizes], self._c_out(step.term)
        text = " ".join(filter(None, (_fragment(part.source), self._part_text(step, part))))
        # The places of each axis of the part, or of the form.
        places: dict[int | None, list[int]] = {}
        for place, axis in enumerate(part.pattern):
            places.setdefault(axis, []).append(place)
        labels = [axis for axis in places if axis is not None]
        repeated = [run for axis, run in places.items() if len(run) > 1]
        (first, *others) = repeated
        if inside and not part.forms and not others and first[-1] - first[0] + 1 == len(first):
            # The axes that agree are neighbours: one axis of a flattened view, and their diagonal a slice of it.
            code, missing = self._placed(Part(part.source, tuple(labels)))
            middle = frozenset({first[0] + 1})
            n = sizes[first[0]]
            after = _times([*sizes[first[-1] + 1 :], channels])
            if missing - middle - {0} or (0 in missing and len(labels) > 1):
                code = f"{code}.expand({', '.join(self._lengths(step, part, labels, channels, missing & middle))})"
            if len(labels) > 1:
                code = f"{code}.reshape(-1, {'1' if missing & middle else n}, {after})"
            powers = [_times([n] * power) for power in range(len(first) - 1, 0, -1)]
            view = f"{name}.view(-1, {_times([n] * len(first))}, {after})[:, :: {_plus([*powers, '1'])}]"
            self._say(f"{view}.{'sub_' if part.sign < 0 else 'add_'}({code})", text)
            return
        labels.sort()
        code, missing = self._placed(Part(part.source, tuple(labels)))
        lengths = self._lengths(step, part, labels, channels)
        total = _times(sizes)
        fixed = all(size.isdigit() for size in sizes)
        ones = f"torch.arange({total}{'' if fixed else f', device={name}.device'}).reshape(1, {', '.join(sizes)}, 1)"
        if part.forms:
            ((left, right),) = part.forms
            half = str(int(sizes[left]) // 2) if sizes[left].isdigit() else f"{sizes[left]} // 2"
            lengths = [*lengths[:-1], half, channels]
            code = f"{code}.unsqueeze(-2).expand({', '.join(lengths)})"
            diagonals = [(f"{ones}.diagonal({by}, {left + 1}, {right + 1})[..., ::2]", by) for by in (1, -1)]
        else:
            diagonals = [(_diagonal(ones, part.pattern), 1)]
            if missing:
                code = f"{code}.expand({', '.join(lengths)})"
        added = f"{code}.flatten(1, -2).to({name}.dtype)"
        for diagonal, by in diagonals:
            sign = by * part.sign
            at = f"{diagonal}.flatten()"
            if fixed:
                self.builders.append(f'self._table("places_{self.places}", {at})')
                at, self.places = f"self.places_{self.places}", self.places + 1
            what = f"(1, {at}, {added}{', alpha=-1' if sign < 0 else ''})"
            if inside:
                self._say(f"{name}.view(b, {total}, {channels}).index_add_{what}", text)
            else:
                back = f"reshape(b, {', '.join(sizes)}, {channels})"
                self._say(f"{name} = {name}.reshape(b, {total}, {channels}).index_add{what}.{back}", text)
            text, inside = "", True

    def _lengths(
        self, step: Spread, part: Part, labels: Sequence[int], channels: str, one: frozenset[int] = frozenset()
    ) -> list[str]:
        """The lengths of a part with all axes in place: batch, labels, channels; 1 for the axes in ``one``."""
        axes = [self.ns[step.sizes[part.pattern.index(label)]] for label in labels]
        return [*("1" if place in one else length for place, length in enumerate(["b", *axes])), channels]

    def _placed(self, part: Part) -> tuple[str, frozenset[int]]:
        """The source with its axes in the target's order, axes of length 1 where it is repeated."""
        code = self.rename[part.source]
        order = [axis for axis in part.pattern if axis is not None]
        code = _permuted(code, tuple(order))
        source_thin = self.thin[part.source]
        missing = {0} if 0 in source_thin else set()
        for position, axis in enumerate(part.pattern):
            if axis is None:
                code += f".unsqueeze({position + 1})"
                missing.add(position + 1)
            elif axis + 1 in source_thin:
                missing.add(position + 1)
        return code, frozenset(missing)

    def _part_text(self, step: Spread, part: Part) -> str:
        free = iter(LETTERS[len({a for a in part.pattern if a is not None}) :])
        left = ",".join(LETTERS[axis] if axis is not None else next(free) for axis in part.pattern)
        axes = sorted({axis for axis in part.pattern if axis is not None})
        right = ",".join(LETTERS[axis] for axis in axes)
        forms = "".join(f"omega[{left.split(',')[i]},{left.split(',')[j]}] " for i, j in part.forms)
        by = "-=" if part.sign < 0 else "+="
        return f"{step.target}[{left}] {by} {forms}{part.source}[{right}]" if left else ""


def _fragment(name: str) -> str:
    """The half-diagram of a value in one line, from the marks in its name; nothing where its blocks are tangled.

    >>> _fragment("x_aa1"), _fragment("y_aba")
    ('╭┴╮ •', '╰┬│─╯')
    """
    found = re.fullmatch(r"([xyz])\d*_([a-z1-9A-Z]+)(_v\d+)?", name)
    if not found:
        return ""
    marks, above = found[2], found[1] != "x"
    # Inputs are below and their blocks lead up; outputs are above.
    left, right, joint, leg = "╰╯┴┬" if above else "╭╮┬┴"
    line = list(" ".join("│" if mark.islower() else "•" for mark in marks))
    covered: set[int] = set()
    for mark in dict.fromkeys(marks):
        first, last = marks.index(mark), marks.rindex(mark)
        inside = {place for place in range(first + 1, last) if marks[place] != mark}
        if first == last:
            continue
        if covered & set(range(first, last + 1)) or any(marks.count(marks[place]) > 1 for place in inside):
            return ""
        covered |= set(range(first, last + 1))
        line[2 * first], line[2 * last] = left, right
        for column in range(2 * first + 1, 2 * last):
            if column % 2:
                line[column] = "─"
            elif column // 2 not in inside:
                line[column] = joint
        if mark.islower():
            line[2 * first + 1] = leg
    return "".join(line)


def _star_text(step: Hodge) -> str:
    return f"epsilon takes {step.taken} {'axis' if step.taken == 1 else 'axes'} and gives {step.given}"


def _times(factors: Sequence[str]) -> str:
    """A product in code, with the numbers multiplied."""
    number = prod(int(factor) for factor in factors if factor.isdigit())
    symbols = [factor for factor in factors if not factor.isdigit()]
    return " * ".join([str(number), *symbols] if number != 1 or not symbols else symbols)


def _plus(terms: Sequence[str]) -> str:
    """A sum in code, added up where all terms are numbers."""
    return str(sum(map(int, terms))) if all(term.isdigit() for term in terms) else " + ".join(terms)


def _whole(part: Part) -> tuple[int, ...]:
    """The pattern of a part that repeats nothing."""
    return tuple(axis for axis in part.pattern if axis is not None)


def _order(elements: Sequence[Element]) -> int:
    """The orders of input and output together."""
    (first, *_) = elements
    assert not isinstance(first, tuple)  # noqa: S101 - products are not made of tables
    return first.outputs + first.inputs


def _from(first: int) -> str:
    return f"[{first}:]" if first else ""


def _uses(text: str, name: str) -> bool:
    """Whether emitted code uses a local variable."""
    return re.search(rf"(?<![\w.]){name}(?![\w(\[])", re.sub(r"#.*", "", text)) is not None


def _cat(parts: Sequence[str], axis: int) -> str:
    inner = "".join(f"{indent(part, '    ')},\n" for part in parts)
    return f"torch.cat((\n{inner}), {axis})"


def _size_name(letter: str) -> str:
    """The letter, unless the emitted code has another use for it."""
    return f"n_{letter}" if letter in "bhrwxyz" else letter


def _binomial(n: str, symmetry: Symmetry) -> str:
    """How many entries a symmetric or alternating tensor has, in code."""
    by = "+" if symmetry.kind == "S" else "-"
    factors = " * ".join([n, *(f"({n} {by} {step})" for step in range(1, symmetry.order))])
    return f"{factors} // {factorial(symmetry.order)}"


def _shared(plan: Plan) -> set[str]:
    """The values that are placed more than once."""
    placed = Counter(part.source for step in plan.steps if isinstance(step, Spread) for part in step.parts)
    return {source for source, times in placed.items() if times > 1}


def _signed(terms: Iterable[tuple[str, int]]) -> str:
    """A sum in code, with signs."""
    text = "".join(f" {'-' if sign < 0 else '+'} {code}" for code, sign in terms)
    return text.removeprefix(" + ") if text.startswith(" +") else f"-{text[3:]}"


def _repeats(part: Part) -> bool:
    """Whether a part reaches a diagonal alone."""
    axes = [axis for axis in part.pattern if axis is not None]
    return len(set(axes)) < len(axes) or bool(part.forms)


def _permuted(code: str, order: tuple[int, ...]) -> str:
    moved = [axis for axis, source in enumerate(order) if axis != source]
    if not moved:
        return code
    if len(moved) == 2:
        return f"{code}.transpose({moved[0] + 1}, {moved[1] + 1})"
    return f"{code}.permute(0, {', '.join(str(axis + 1) for axis in order)}, {len(order) + 1})"


def _diagonal(code: str, pattern: Pattern) -> str:
    """A view of the diagonal on which axes with the same entry of ``pattern`` agree."""
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
    if axes != target:
        if len(axes) == 2:
            code += ".transpose(1, 2)"
        else:
            code += f".permute(0, {', '.join(str(axes.index(axis) + 1) for axis in target)})"
    return code


def _letters(pattern: Pattern) -> str:
    free = iter(LETTERS[len({a for a in pattern if a is not None}) :])
    return ",".join(LETTERS[axis] if axis is not None else next(free) for axis in pattern)


def _runs(values: Sequence[float]) -> str:
    """A list of numbers as source, with long repeats folded."""
    parts: list[str] = []
    plain: list[float] = []
    for value, count in ((v, len(list(group))) for v, group in groupby(values)):
        if count < 4:
            plain += [value] * count
            continue
        parts += [repr(plain)] if plain else []
        parts.append(f"[{value!r}] * {count}")
        plain = []
    terms = [*parts, repr(plain)] if plain or not parts else parts
    # Python compiles only so many sums inside one another; the items of a list are no deeper for being many.
    return " + ".join(terms) if len(terms) <= MAX_TERMS else f"[{', '.join(f'*{term}' for term in terms)}]"


def _gallery(found: Basis) -> str:
    """Pictures side by side, or formulas where there are many."""
    formulas = found.formulas()
    if len(found) > LISTED:
        return f"    {len(found)} maps, from {formulas[0]} to {formulas[-1]}"
    captions = [f"{index}: {formula}" for index, formula in enumerate(formulas)]
    pictures = [picture(found[i]).split("\n") if len(found) <= DRAWN else [] for i in range(len(found))]
    width = max(max(map(len, [caption, *picture])) for caption, picture in zip(captions, pictures, strict=True)) + 3
    per_row = max(1, (WIDTH - 4) // width)
    lines = []
    for start in range(0, len(found), per_row):
        row = range(start, min(start + per_row, len(found)))
        height = max(len(pictures[index]) for index in row)
        for line in range(height):
            cells = [(pictures[i][line] if line < len(pictures[i]) else "").ljust(width) for i in row]
            lines.append(("    " + "".join(cells)).rstrip())
        lines.append(("    " + "".join(captions[i].ljust(width) for i in row)).rstrip())
        if height:
            lines.append("")
    return "\n".join(lines).rstrip()
