"""Whole networks as one Python file that needs torch and nothing else: a class for each kind of module in it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from textwrap import indent
from typing import Any

import torch
from torch import nn

import eqsynth
from eqsynth.bases.forms import Form
from eqsynth.bases.pointwise import positional, positions
from eqsynth.codegen import carry
from eqsynth.codegen.artifact import check_name
from eqsynth.codegen.emit import Artifact, ClassSource, carried, emit_class, header
from eqsynth.codegen.names import packing_arguments
from eqsynth.errors import EqsynthError, ExportError, abridged
from eqsynth.layers.emitted import EmittedLayer
from eqsynth.nn.activations import (
    Activation,
    Apply,
    EquivariantModule,
    Gated,
    NormActivation,
    Pairings,
    all_definite,
    axis_lengths,
    component_axes,
    forms_of,
    identity,
    share_of,
    suffix,
)
from eqsynth.nn.folded import node_order
from eqsynth.nn.networks import Residual, Sequential, problem_of, sizes_asked
from eqsynth.nn.normalising import LEAST_NORM, BatchNorm, Dropout, LayerNorm, Pool
from eqsynth.nn.padding import NO_STATISTICS, Padded, least_sizes, shapes_of
from eqsynth.nn.sparse import NO_ENTRIES, Sparse
from eqsynth.plans.plan import Plan
from eqsynth.project.on_entries import (
    ARGUMENTS,
    entry_shape,
    entry_shapes,
    entry_words,
    linear_on_entries,
    numbers,
    row,
    write_dropout,
    write_pool,
    write_residual,
    write_sequential,
    write_sparse,
)
from eqsynth.store import files

#: How messages call a network as a whole.
ROOT = "network"
#: What stands above the lines that say how the modules are made.
RECIPES = "# How eqsynth.nn makes these modules, for eqsynth verify:"
#: What stands in front of the digest in the last line of a file.
SIGNED = "# sha256 of the lines above: "
#: The number of bytes up to which a file is read to see whether it is one of ours.
MAX_FILE = 1 << 26
#: Modules of torch that hold a pointwise function and nothing else.
FUNCTIONS = ("torch.nn.modules.activation", "torch.nn.modules.linear")
#: What to do about modules that cannot be written, by the names of their classes; ``{}`` is the place of one.
CURES = {
    **dict.fromkeys(("FrameAverage", "Canonicalise"), "it calls a module that is not of eq.nn; use torch.export"),
    "Compiled": "export what was compiled, {}.module",
    "OptimizedModule": "export what was compiled, {}._orig_mod",
}
#: The methods that compute what a module gives.
COMPUTING = ("forward", "of_terms")
KNOWN = (
    "layers, and Sequential, MLP, Residual, Activation, Gated, NormActivation, Pairings, LayerNorm, BatchNorm, "
    "Dropout, Pool, Padded and Sparse of eq.nn"
)


def network_artifact(network: nn.Module, name: str = "Network") -> Artifact:
    """The source of a file with a class called ``name`` that computes what a network does, from the same state_dict.

    >>> import eqsynth as eq
    >>> from eqsynth.project.networks import network_artifact
    >>> source = network_artifact(eq.nn.MLP("S(n)", ["1x2", "4x1", "1x0"])).source
    >>> [line.split("(")[0] for line in source.splitlines() if line.startswith("class ")]
    ['class Linear1', 'class Activation1', 'class Linear2', 'class Network']

    Modules that would have the same text share a class. Raises ExportError for a module that cannot be written, by its
    place in the network and its class.
    """
    check_name(name)
    writer = Writer(name)
    writer.write(network, ROOT)
    check_name(name, carried(writer.sources))
    text = "\n\n\n".join(source.text.rstrip() for source in writer.sources)
    made = [RECIPES, *(f"#     {name} = {recipe}" for name, recipe in writer.recipes.items())]
    body = [f'"""{_docstring(network, name)}"""', "", *header(writer.sources), text, "", "", *made]
    lines = "\n".join(body)
    return Artifact(problem_of(network), f"{lines}\n{SIGNED}{sha256(lines.encode()).hexdigest()}\n", name)


def is_network_file(path: Path) -> bool:
    """Whether a file is a network as it was exported: replacing it loses nothing that anybody wrote by hand."""
    try:
        text = files.plain(files.read(path, MAX_FILE)).decode("utf-8")
    except (OSError, ValueError, EqsynthError):
        return False
    lines, _, digest = text.rpartition(f"\n{SIGNED}")
    return digest == f"{sha256(lines.encode()).hexdigest()}\n"


def _docstring(network: nn.Module, name: str) -> str:
    """What the file says of itself."""
    hom = problem_of(network)
    dtypes = {value.dtype for value in network.parameters()}
    usual = torch.complex64 if hom.group.over_complex else torch.float32
    dtype = f"dtype={next(iter(dtypes))}" if len(dtypes) == 1 and dtypes != {usual} else ""
    shapes = [f"(*batch, {', '.join(_shape(hom.group, term))})" for term in hom.space_in]
    x = "x" if len(shapes) == 1 else f"({', '.join(f'x{place}' for place in range(len(shapes)))})"
    call, notes = ", ".join([x, *sizes_asked(network)]), list[str]()
    if isinstance(network, Padded):
        call, notes = f"{x}, sizes", _padding(network)
    if isinstance(network, Sparse):
        call, notes = ", ".join([x, "batch", *["sizes=sizes"] * bool(network.sizes)]), entry_words(network)
        shapes = [entry_shape(hom.group, *term) for term in hom.space_in]
    return "\n".join(
        [
            f"{type(network).__name__} {abridged(hom.group)}: {hom.space_in} -> {hom.space_out}",
            "",
            f"A network with the symmetry of the {hom.group.title}. It needs torch and nothing else.",
            'With the weights that torch.save(network.state_dict(), "weights.pt") has kept of the network in eqsynth:',
            "",
            f"    network = {name}({dtype})",
            '    network.load_state_dict(torch.load("weights.pt"))',
            "    network.eval()",
            f"    y = network({call})",
            "",
            f"Tensors are channels-last. Input: {' and '.join(shapes)}.",
            *notes,
            "",
            f"Generated by eqsynth {eqsynth.__version__}. Do not edit: generate again instead.",
            "",
        ]
    )


def _padding(network: Padded) -> list[str]:
    """What a file says of samples of different sizes."""
    letters = least_sizes(network.group)
    one = next(iter(letters))
    named = f", in a dict, {{{one!r}: ...}}" if len(letters) > 1 else ""
    return [
        f"Samples are padded behind, on each axis of {' and '.join(letters)}; what the padding holds has no influence.",
        f"Sizes: the {one} of each sample, (*batch,), or a mask of what is there, (*batch, {one}){named}.",
    ]


def _shape(group: Any, term: tuple[int, Any]) -> list[str]:
    """The lengths of the axes of a term, and its channels."""
    return [*map(str, axis_lengths(group, term[1])), str(term[0])]


class Body:
    """The lines of a class: attributes, ``__init__``, ``forward``; and the helpers that they call."""

    def __init__(self, module: nn.Module, place: str, padded: bool = False, listed: bool = False) -> None:
        hom = problem_of(module)
        self.place = place
        #: Whether the samples have different sizes.
        self.padded = padded
        #: Whether terms are entries with their positions.
        self.listed = listed
        self.group, self.space = hom.group, hom.space_in
        self.over_complex = hom.group.over_complex
        out = "" if hom.space_in == hom.space_out else f" -> {hom.space_out}"
        own = isinstance(module, EquivariantModule)
        self.title = repr(module) if own else f"{type(module).__name__}({abridged(hom.group)}: {hom.space_in}{out})"
        self.attributes: list[str] = []
        self.init: list[str] = []
        self.arguments = ["x"]
        #: The lines above ``forward``.
        self.decorators: list[str] = []
        self.forward: list[str] = []
        #: Further methods: their text.
        self.methods: list[str] = []
        self.helpers: set[str] = set()
        #: Modules of torch that apply functions, and the attributes that hold them.
        self.kept: dict[nn.Module, str] = {}
        #: The factory arguments of numbers that are real for every group.
        self.real = "**real" if self.over_complex else "**kwargs"

    def source(self, name: str) -> ClassSource:
        """The class."""
        lines = [f'"""{self.title}."""', "", *self.attributes, *([""] if self.attributes else [])]
        if self.init or self.place == ROOT:  # a network is always given device and dtype
            lines += [*self._head(), *(f"    {line}" for line in self.init), ""]
        lines += [
            *self.decorators,
            f"def forward(self, {', '.join(self.arguments)}):",
            *(f"    {line}".rstrip() for line in self.forward),
        ]
        if self.over_complex and any(".Parameter(" in line or "register_buffer(" in line for line in self.init):
            self.helpers.add("apply_complex")
            self.methods.append(carry.APPLY_COMPLEX)
        for method in self.methods:
            lines += ["", method]
        text = "\n".join(lines)
        return ClassSource(f"class {name}(nn.Module):\n{indent(text, '    ')}", frozenset(self.helpers))

    def _head(self) -> list[str]:
        """The first lines of ``__init__``."""
        init = "\n".join(self.init)
        lines = ["def __init__(self, device=None, dtype=None):", "    super().__init__()"]
        if self.over_complex and "**kwargs" in init:
            lines.append("    dtype = torch.get_default_dtype().to_complex() if dtype is None else dtype")
        if "**kwargs" in init:
            lines.append('    kwargs = {"device": device, "dtype": dtype}')
        if "**real" in init:
            lines.append('    real = {"device": device, "dtype": dtype and dtype.to_real()}')
        return lines

    def call(self, helper: str, *arguments: object) -> str:
        """A call of a function that the file carries."""
        self.helpers.add(helper)
        return f"{helper}({', '.join(map(str, arguments))})"

    def read(self, module: EquivariantModule) -> list[str]:
        """The names of the terms of the input, which are checked first."""
        names = [f"x{place}" for place in range(len(self.space))]
        if self.listed:
            self.arguments = [*ARGUMENTS]
            listed = row([numbers(shape) for shape in entry_shapes(self.group, self.space, self.place)])
            self.forward.append(f"places, {row(names)} = {self.call('at_positions', 'terms', listed, 'wanted')}")
            return names
        lengths = [(*axis_lengths(self.group, order), wide) for wide, order in self.space]
        shapes = [_quoted(shape) for shape in lengths]
        kinds = (True,) if self.over_complex else (False, True) if module.takes_complex else (False,)
        self.attributes.append(f"shapes = {row(shapes)}")
        empty = [True] * module.takes_empty
        serves = repr(f"{self.space} of {abridged(self.group)}")
        terms = self.call("_terms", "x", "self.shapes", kinds, serves, *empty)
        self.forward.append(f"{', '.join(names)} = {terms}" if len(names) > 1 else f"(x0,) = {terms}")
        return names

    def named(self, term: _Term, value: str) -> str:
        """The name of an output, after a line that computes it."""
        self.forward.append(f"y{term.place} = {value}")
        return f"y{term.place}"

    def vector(self, name: str, values: str, term: _Term, how: str = "**kwargs") -> None:
        """A parameter with a number for each channel."""
        self.init.append(f"self.{name} = nn.Parameter(torch.{values}({term.channels}, {how}))")

    def affine(self, module: nn.Module, term: _Term) -> tuple[str, str]:
        """The weight and the bias of a normalisation in code, "" where it has none; ``__init__`` makes them."""
        texts = list[str]()
        for name, values, how in (("weight", "ones", self.real), ("bias", "zeros", "**kwargs")):
            has = getattr(module, f"{name}{term.end}", None) is not None
            texts.append(f"self.{name}{term.end}" if has else "")
            if has:
                self.vector(f"{name}{term.end}", values, term, how)
        return texts[0], texts[1]

    def give(self, names: Sequence[str]) -> None:
        """The last line of ``forward``."""
        returned = self.call("flattened", "places", f"[{', '.join(names)}]") if self.listed else ", ".join(names)
        self.forward.append(f"return {returned}")

    def terms(self) -> Iterator[_Term]:
        """The terms of the input."""
        for place, (wide, order) in enumerate(self.space):
            free = positional(self.group, order) == order
            end = suffix(self.space, place)
            lengths, forms = axis_lengths(self.group, order), forms_of(self.group, order)
            first = node_order(order) if self.listed else 0  # one axis of entries is in place of those of nodes
            permuted = positions(self.group, order, added=False)
            yield _Term(place, end, wide, lengths[first:], permuted[first:], forms[first:], free)

    def lowered(self, value: str, term: _Term) -> str:
        """B value, where B is the form on the axes of components."""
        for axis, (permuted, b) in enumerate(zip(term.permuted, term.forms, strict=True), -1 - len(term.permuted)):
            if permuted or b is None:
                continue
            if b.kind == "omega":
                value = self.call("_lower_omega", value, axis)
            elif b.kind == "eta":
                value = self.call("_lower_eta", value, axis, b.rows[0].count(1))
            elif b.kind == "table":
                value = self.call("_lower_table", value, axis, b.rows)
        return f"{value}.conj()" if any(b is not None and b.kind == "hermitian" for b in term.forms) else value

    def squared(self, value: str, term: _Term) -> str:
        """What is added up to the square of a norm, entry by entry."""
        return f"{value}.abs() ** 2" if self.over_complex else f"{value} * {self.lowered(value, term)}"

    def norm(self, name: str, x: str, term: _Term) -> None:
        """The lines that name the norms over components."""
        square = term.mean(f"({self.squared('value', term)})", term.components)
        self.forward += [
            f"with {self.call('_full_precision', x)}:",
            f"    value = {self.call('_whole', x)}",
            f"    {name} = ({square}.clamp_min(0) + {LEAST_NORM**2}).sqrt().to({x}.dtype)",
        ]

    def function(self, module: nn.Module, owner: str) -> Callable[[str], str]:
        """What calls a pointwise function; a module of torch is kept as the attribute ``owner``."""
        if not isinstance(module, Apply):
            first = self.kept.setdefault(module, owner)
            value = self.constructed(module) if first == owner else f"self.{first}"
            self.init.append(f"self.{owner} = {value}")
            return lambda x: f"self.{owner}({x})"
        if module.function is identity:
            return lambda x: x
        if written := in_torch(module.function):
            return lambda x: f"{written}({x})"
        name = getattr(module.function, "__name__", type(module.function).__name__)
        raise ExportError(
            f"{self.place} applies {name}, a function of your own, whose source eqsynth does not copy: name one of "
            "torch, such as torch.tanh or 'silu', or use torch.export"
        )

    def constructed(self, module: nn.Module) -> str:
        """The call that makes a module of torch that is a pointwise function, as its repr has it."""
        kind, text = type(module), repr(module)
        known = kind.__module__ in FUNCTIONS and getattr(nn, kind.__name__, None) is kind
        if known and not any(True for _ in module.children()):
            call = ast.parse(text, mode="eval").body
            assert isinstance(call, ast.Call)  # noqa: S101 - so reprs of these modules are
            listed = [ast.literal_eval(one) for one in call.args]
            named = {str(one.arg): ast.literal_eval(one.value) for one in call.keywords}
            arguments = [*map(repr, listed), *(f"{name}={value!r}" for name, value in named.items())]
            if repr(kind(*listed, **named)) == text:
                arguments += [self.real] if any(True for _ in module.parameters()) else []
                return f"nn.{kind.__name__}({', '.join(arguments)})"
        raise ExportError(
            f"{self.place} applies {kind.__name__}, a module whose source eqsynth does not copy: take a function of "
            "torch, such as torch.tanh, or a module such as torch.nn.PReLU(), or use torch.export"
        )


def in_torch(function: Any) -> str | None:
    """What a function of torch is called in code."""
    for home, prefix in ((torch, "torch"), (nn.functional, "nn.functional")):
        for name, one in vars(home).items():
            if one is function and not name.startswith("_"):
                return f"{prefix}.{name}"
    return None


@dataclass(frozen=True, slots=True)
class _Term:
    """A term of an input: its number, the end of its parameters' names, its channels, axes, and forms on these."""

    place: int
    end: str
    channels: int
    lengths: tuple[int | str, ...]
    permuted: tuple[bool, ...]
    forms: tuple[Form | None, ...]
    #: Whether it has no components.
    free: bool

    @property
    def components(self) -> tuple[int, ...]:
        """The axes of components, counted from the end."""
        return component_axes(self.permuted)

    @property
    def axes(self) -> tuple[int, ...]:
        """All axes but those of the batch and channels, counted from the end."""
        return tuple(range(-1 - len(self.permuted), -1))

    @property
    def fixed(self) -> tuple[int, ...]:
        """The axes of components whose length is a number; norms on others are sums of squares."""
        return tuple(axis for axis in self.components if isinstance(self.lengths[axis + 1], int))

    def rows(self) -> _Term:
        """The same where one axis stands for all but those."""
        return replace(self, permuted=(False,) * len(self.fixed), forms=tuple(self.forms[at + 1] for at in self.fixed))

    @property
    def definite(self) -> bool:
        """Whether its form is the square of a norm."""
        return all_definite(self.permuted, self.forms)

    def count(self, x: str) -> str:
        """How many components a channel of the tensor ``x`` has, in code."""
        lengths = " * ".join(f"{x}.shape[{axis}]" for axis in self.components)
        if share_of(self.forms) != 1:
            lengths = f"{lengths} / {share_of(self.forms)!r}"
            return f"({lengths})"
        return f"({lengths})" if len(self.components) > 1 else lengths

    def mean(self, value: str, axes: tuple[int, ...]) -> str:
        """The mean over axes, as if tensors were full."""
        return self.scaled(_mean(value, axes))

    def scaled(self, mean: str) -> str:
        """A mean over coordinates as that over the entries of full tensors."""
        share = share_of(self.forms)
        return mean if share == 1 else f"({mean} * {share!r})"

    def spread(self, value: str, permuted: tuple[bool, ...] | None = None) -> str:
        """One value for all components."""
        permuted = self.permuted if permuted is None else permuted
        axes = ", ".join(":" if is_permuted else "None" for is_permuted in permuted)
        return value if all(permuted) else f"{value}[..., {axes}, :]"


def _mean(value: str, axes: tuple[int, ...]) -> str:
    return f"{value}.mean({axes}, keepdim=True)" if axes else value


# --- a function for each kind of module -------------------------------------------------------------------


def _activation(body: Body, module: Activation) -> None:
    names = body.read(module)
    if not all(isinstance(one, Apply) for one in module.functions):
        body.init.append("self.functions = nn.ModuleDict()")
    calls = [body.function(one, f'functions["{place}"]') for place, one in enumerate(module.functions)]
    body.give([call(name) for call, name in zip(calls, names, strict=True)])


def _gated(body: Body, module: Gated) -> None:
    names = body.read(module)
    function, gate = body.function(module.function, "function"), body.function(module.gate, "gate")
    real = ".real" if body.over_complex else ""
    outputs = []
    for term, at, gated in zip(body.terms(), module.gate_of, module.gated, strict=False):
        x = names[term.place]
        value = f"{x} * {gate(f'{x}.real')}" if body.over_complex else function(x)
        if at is not None:
            value = f"{x} * {term.spread(gate(names[at] + real))}"
        outputs.append(body.named(term, value if gated else x))
    body.give(outputs)


def _norm_activation(body: Body, module: NormActivation) -> None:
    names = body.read(module)
    function, scalars = body.function(module.function, "function"), body.function(module.scalars, "scalars")
    outputs = []
    for term in body.terms():
        x, y = names[term.place], f"y{term.place}"
        outputs.append(y)
        if term.free and not body.over_complex:
            body.forward.append(f"{y} = {scalars(x)}")
            continue
        square = body.squared("value", term)
        size = f"({term.mean('square', term.components)}.clamp_min(0) + {module.eps}).sqrt()"
        if not term.definite:
            size = f"square.sum({term.components}, keepdim=True) * {term.count(x)} ** -0.5"
        if module.affine:
            body.vector(f"weight{term.end}", "ones", term, body.real)
            body.vector(f"bias{term.end}", "zeros", term, body.real)
            size = f"({size}) * self.weight{term.end} + self.bias{term.end}"
        body.forward += [
            f"with {body.call('_full_precision', x)}:",
            f"    value = {body.call('_whole', x)}",
            f"    square = {square}",
            f"    size = {size}",
            f"    {y} = {x} * {function('size')}.to({x}.dtype)",
        ]
    body.give(outputs)


def _pairings(body: Body, module: Pairings) -> None:
    outputs = names = body.read(module)
    terms = [*body.terms()]
    for source, target in module.paired_terms:
        term, x, y = terms[source], names[source], f"y{target}"
        for side in ("left", "right"):
            shape = f"{terms[target].channels}, {term.channels}"
            body.init.append(f"self.{side}_{source}_{target} = nn.Parameter(torch.empty({shape}, **kwargs))")
            body.forward.append(f"{side} = nn.functional.linear({x}, self.{side}_{source}_{target})")
        product = f"{body.call('_whole', 'left')} * {body.lowered(body.call('_whole', 'right'), term)}"
        mean = f"({product}).sum({term.components}) * {term.count(x)} ** -0.5" if term.components else product
        body.forward += [
            f"with {body.call('_full_precision', 'left')}:",
            f"    pairing = {mean}",
            f"{y} = {outputs[target]} + pairing.to(left.dtype)",
        ]
        outputs = [y if place == target else output for place, output in enumerate(outputs)]
    drawn, half = ("torch.view_as_real(parameter.detach())", " / 2") if body.over_complex else ("parameter", "")
    body.init += [
        "for parameter in self.parameters():",
        f"    bound = (3 / parameter.shape[1]{half}) ** 0.5",
        f"    nn.init.uniform_({drawn}, -bound, bound)",
    ]
    body.give(outputs)


def _layer_norm(body: Body, module: LayerNorm) -> None:
    names, outputs = body.read(module), []
    for term in body.terms():
        x, y = names[term.place], f"y{term.place}"
        outputs.append(y)
        weight, bias = body.affine(module, term)
        if term.free and module.over == "channels" and not body.over_complex:
            arguments = f"{x}.shape[-1:], {weight or None}, {bias or None}, {module.eps}"
            body.forward.append(f"{y} = nn.functional.layer_norm({x}, {arguments})")
            continue
        axes = (*(term.axes if module.over == "all" else term.components), -1)
        square = term.mean(f"({body.squared('value', term)})", axes)
        body.forward += [
            f"with {body.call('_full_precision', x)}:",
            f"    value = {body.call('_whole', x)}",
            *([f"    value = value - {_mean('value', axes)}"] if term.free else []),
            f"    value = value * ({square} + {module.eps}).rsqrt()",
            *([f"    value = value * {weight}"] if weight else []),
            *([f"    value = value + {bias}"] if bias else []),
            f"{y} = value.to({x}.dtype)",
        ]
    body.give(outputs)


def _batch_norm(body: Body, module: BatchNorm) -> None:
    if body.listed and any(node_order(order) > 1 for order in module.space_in.orders):
        body.forward += ["if self.training:", f'    raise ValueError("{NO_ENTRIES}")']
    names, outputs, terms = body.read(module), [], [*body.terms()]
    above = body.forward
    if body.padded:  # the lines below are those of ``together``
        body.forward = []
        terms = [term.rows() for term in terms]
    rows = [f"{names[term.place]}.shape[:-1].numel()" for term in terms if term.free]
    body.forward.append("if self.training:")
    if rows:
        body.forward += [
            f"    if 1 in {row(rows)}:",
            '        raise ValueError("one value for each channel has no variance: call .eval()")',
        ]
    body.forward += [
        f"    self.num_batches_tracked.add_(int({' or '.join(f'{name}.numel() > 0' for name in names)}))",
    ]
    for term in terms:
        x, y, end = names[term.place], f"y{term.place}", term.end
        outputs.append(y)
        weight, bias = body.affine(module, term)
        for buffer, values, how in [
            *[("running_mean", "zeros", "**kwargs")] * term.free,
            ("running_var", "ones", body.real),
        ]:
            body.init.append(f'self.register_buffer("{buffer}{end}", torch.{values}({term.channels}, {how}))')
        training = f"self.training and {x}.numel() > 0"
        if term.free and body.over_complex:
            body.forward += _complex_batch_norm(term, x, y, module, training, weight, bias)
            continue
        square = body.squared("value", term)
        if term.free:
            running = f"self.running_mean{end}, self.running_var{end}"
            arguments = f"{running}, {weight or None}, {bias or None}, {training}, {module.momentum}, {module.eps}"
            body.forward += [
                f"rows = {x}.reshape(-1, {term.channels})",
                f"{y} = nn.functional.batch_norm(rows, {arguments}).reshape({x}.shape)",
            ]
            continue
        body.forward += [
            f"with {body.call('_full_precision', x)}:",
            f"    value, square = {body.call('_whole', x)}, self.running_var{end}",
            f"    if {training}:",
            f"        square = {term.scaled(f'({square}).mean(tuple(range(value.ndim - 1)))')}",
            "        with torch.no_grad():",
            f"            self.running_var{end}.lerp_(square.to(self.running_var{end}.dtype), {module.momentum})",
            f"    value = value * (square + {module.eps}).rsqrt()",
            *([f"    value = value * {weight}"] if weight else []),
            f"{y} = value.to({x}.dtype)",
        ]
    body.init.append('self.register_buffer("num_batches_tracked", torch.tensor(0, dtype=torch.long, device=device))')
    if body.padded:
        _together(body, names, outputs)
        above.append(f"return self.together([{_tuple_or_one(names)}])[0]")
        body.forward = above
    else:
        body.give(outputs)


def _together(body: Body, names: Sequence[str], outputs: Sequence[str]) -> None:
    """The method of a batch normalisation that takes batches of several sizes, around lines for all of their rows."""
    lines = [
        "def together(self, inputs):",
        '    """Several batches, of different sizes, with the statistics that they have together."""',
    ]
    columns, listed = list[str](), []
    for term, x in zip(body.terms(), names, strict=True):
        columns.append(f"[x[{term.place}] for x in inputs]" if len(names) > 1 else "inputs")
        lines.append(f"    {x} = {body.call('rows_together', columns[-1], term.fixed)}")
    lines += [f"    {line}" for line in body.forward]
    for term, y, column in zip(body.terms(), outputs, columns, strict=True):
        listed.append(body.call("rows_apart", y, column, term.fixed))
    lines.append(f"    return {listed[0]}" if len(listed) == 1 else f"    return list(zip({', '.join(listed)}))")
    body.methods.append("\n".join(lines))


def _tuple_or_one(names: Sequence[str]) -> str:
    """The terms of an input in code, one where there is one."""
    return names[0] if len(names) == 1 else f"({', '.join(names)})"


def _complex_batch_norm(
    term: _Term, x: str, y: str, module: BatchNorm, training: str, weight: str, bias: str
) -> list[str]:
    """The lines for complex numbers without components: variances are means of squares of moduli."""
    mean, variance = f"self.running_mean{term.end}", f"self.running_var{term.end}"
    return [
        f"rows = {x}.reshape(-1, {term.channels})",
        f"mean, square = {mean}, {variance}",
        f"if {training}:",
        "    mean = rows.mean(0)",
        "    square = ((rows - mean).abs() ** 2).mean(0)",
        "    with torch.no_grad():",
        f"        {mean}.lerp_(mean.to({mean}.dtype), {module.momentum})",
        "        unbiased = square * (len(rows) / (len(rows) - 1))",
        f"        {variance}.lerp_(unbiased.to({variance}.dtype), {module.momentum})",
        f"rows = (rows - mean) * (square + {module.eps}).rsqrt()",
        *([f"rows = rows * {weight}"] if weight else []),
        *([f"rows = rows + {bias}"] if bias else []),
        f"{y} = rows.reshape({x}.shape)",
    ]


def _dropout(body: Body, module: Dropout) -> None:
    if body.listed:
        write_dropout(body, module)
        return
    names = body.read(module)
    body.forward.append("if self.training:")
    for term in body.terms():
        x, axes = names[term.place], len(term.permuted)
        batch = f"{x}.shape[: {x}.ndim - {axes + 1}]"
        ones = f"{x}.real.new_ones" if body.over_complex else f"{x}.new_ones"
        mask = f"nn.functional.dropout({ones}((*{batch}, {term.channels})), {module.p})"
        body.forward.append(f"    {x} = {x} * {term.spread(mask, (False,) * axes)}")
    body.give(names)


def _pool(body: Body, module: Pool, writer: Writer) -> None:
    if body.listed:
        write_pool(body, module, writer)
        return
    names, outputs = body.read(module), []
    if len(module.linear):
        body.init.append("self.linear = nn.ModuleDict()")
    for term, way, unused in zip(body.terms(), module.ways, module.unused, strict=True):
        value = x = names[term.place]
        if way == "linear":
            name = writer.write(module.linear[str(term.place)], f"{body.place}.linear.{term.place}")
            body.init.append(f'self.linear["{term.place}"] = {name}')
            value = f'self.linear["{term.place}"]({", ".join(map(str, (x, *unused)))})'
        if way == "norm":
            value = f"y{term.place}"
            body.norm(value, x, term)
        if way != "linear" and term.axes:
            value = f"{value}.{'amax' if module.reduce == 'max' else module.reduce}({term.axes})"
        outputs.append(body.named(term, value))
    body.give(outputs)


def _residual(body: Body, module: Residual, writer: Writer) -> None:
    inside = writer.write(module.module, f"{body.place}.module")
    if body.listed:
        write_residual(body, inside)
        return
    body.arguments += module.sizes
    body.init.append(f"self.module = {inside}")
    body.forward.append(f"y = self.module({', '.join(body.arguments)})")
    several = "tuple(before + change for before, change in zip(x, y))"
    body.give([several if len(body.space) > 1 else "x + y"])


def _sequential(body: Body, module: Sequential, writer: Writer) -> None:
    if body.listed:
        write_sequential(body, [writer.write(one, f"{body.place}.{at}") for at, one in enumerate(module)])
        return
    body.arguments += module.sizes
    for letter, term, axis, symmetry in module.read:
        length = f"{'x' if len(body.space) == 1 else f'x[{term}]'}.shape[{axis}]"
        if symmetry is not None:
            length = body.call("_side" if symmetry.short else "_side_of", length, packing_arguments(symmetry))
        body.forward.append(f"{letter} = {length}")
    for place, (child, asked) in enumerate(zip(module, module.asked, strict=True)):
        body.init.append(f'self.add_module("{place}", {writer.write(child, f"{body.place}.{place}")})')
        if any(module.asked):
            body.forward.append(f'x = self.get_submodule("{place}")({", ".join(("x", *asked))})')
    if not any(module.asked):
        body.forward += ["for module in self.children():", "    x = module(x)"]
    body.give(["x"])


def _padded(body: Body, module: Padded, writer: Writer) -> None:
    writer.padded = True
    body.init.append(f"self.module = {writer.write(module.module, f'{body.place}.module')}")
    writer.padded = False
    body.arguments.append("sizes")
    names, letters, inner = body.read(module), [*least_sizes(module.group)], module.module
    body.attributes.append(f"shapes_out = {_shapes_of(module, module.space_out)}")
    if len(letters) == 1:
        body.forward.append(f"sizes = sizes if isinstance(sizes, dict) else {{{letters[0]!r}: sizes}}")
    # Where every output has axes of all letters, there is nothing to compute at size 0.
    empty = all({*letters} <= {*shape} for shape in shapes_of(module.group, module.space_out))
    methods = f"self.computed, {None if empty else 'self.at_size_zero'}"
    arguments = "sizes, self.shapes, self.shapes_out", _quoted(sizes_asked(inner)), methods
    y = body.call("computed_padded", f"[{', '.join(names)}]", *arguments)
    body.forward.append(f"return {y}[0]" if len(module.space_out) == 1 else f"return tuple({y})")
    norms = [name for name, part in module.named_modules() if isinstance(part, BatchNorm)]
    body.methods.append(_computed(body, inner, norms))
    if not empty:
        body.methods.append(_at_size_zero(body, module, norms))


def _sparse(body: Body, module: Sparse, writer: Writer) -> None:
    writer.listed = True
    inside = writer.write(module.module, f"{body.place}.module")
    writer.listed = False
    write_sparse(body, module, inside)


def _computed(body: Body, inner: nn.Module, norms: Sequence[str]) -> str:
    """The method that computes outputs at several sizes; batch normalisation sees them all."""
    x = "terms[0]" if len(body.space) == 1 else "tuple(terms)"
    lines = ["def computed(self, inputs, sizes):", '    """The outputs for inputs of several sizes."""']

    def run(called: str, module: nn.Module) -> str:
        numbers = [f"size[{letter!r}]" for letter in sizes_asked(module)]
        call = f"{called}({', '.join(['x', *numbers])})"
        return f"[{call} for x, size in zip(inputs, sizes)]" if numbers else f"[{call} for x in inputs]"

    def walk(module: nn.Module, name: str, depth: int) -> None:
        if isinstance(module, Sequential):
            for place, part in enumerate(module):
                walk(part, f"{name}.{place}", depth)
        elif isinstance(module, Residual):
            lines.append(f"    before{depth} = inputs")
            walk(module.module, f"{name}.module", depth + 1)
            several = len(problem_of(module).space_in) > 1
            added = "tuple(a + b for a, b in zip(x, y))" if several else "x + y"
            lines.append(f"    inputs = [{added} for x, y in zip(before{depth}, inputs)]")
        elif isinstance(module, BatchNorm):
            lines.append(f'    inputs = self.get_submodule("{name}").together(inputs)')
        else:
            call = f'self.get_submodule("{name}")'
            lines.append(f"    inputs = {run(call, module)}")

    lines.append(f"    inputs = [{x} for terms in inputs]")
    if norms:
        walk(inner, "module", 0)
    return "\n".join([*lines, f"    return {'inputs' if norms else run('self.module', inner)}"])


def _at_size_zero(body: Body, padded: Padded, norms: Sequence[str]) -> str:
    """The method that computes what is made of samples of size 0, module by module."""
    lines = ["def at_size_zero(self, terms, sizes):", '    """The outputs for samples of size 0."""']
    if norms:
        parts = ", ".join(f'self.get_submodule("{name}")' for name in norms)
        lines += [
            f"    if any(part.training for part in {row([parts])}):",
            f'        raise ValueError("{NO_STATISTICS}")',
        ]
    least = least_sizes(padded.group)

    def walk(module: nn.Module, name: str, depth: int) -> None:
        if isinstance(module, Sequential):
            for place, part in enumerate(module):
                walk(part, f"{name}.{place}", depth)
        elif isinstance(module, Residual):
            lines.append(f"    before{depth} = terms")
            walk(module.module, f"{name}.module", depth + 1)
            lines.append(f"    terms = [before + change for before, change in zip(before{depth}, terms)]")
        else:
            hom = problem_of(module)
            shapes = _shapes_of(padded, hom.space_in), _shapes_of(padded, hom.space_out)
            rest = *shapes, _quoted(sizes_asked(module)), least, isinstance(module, Pool)
            call = body.call("computed_at_size_zero", f'self.get_submodule("{name}")', "terms", "sizes", *rest)
            lines.append(f"    terms = {call}")

    walk(padded.module, "module", 0)
    return "\n".join([*lines, "    return terms"])


def _shapes_of(module: Padded, space: Any) -> str:
    """The shapes of the terms of a space, in code."""
    return row([_quoted(shape) for shape in shapes_of(module.group, space)])


def _quoted(items: Sequence[int | str]) -> str:
    """Letters and numbers as a tuple in code."""
    return row([f'"{one}"' if isinstance(one, str) else one for one in items])


#: What writes the body of each kind of module; kinds that hold others are given the writer of these.
SINGLE: dict[type[nn.Module], Callable[[Body, Any], None]] = {
    Activation: _activation,
    Gated: _gated,
    NormActivation: _norm_activation,
    Pairings: _pairings,
    LayerNorm: _layer_norm,
    BatchNorm: _batch_norm,
    Dropout: _dropout,
}
HOLDING: dict[type[nn.Module], Callable[[Body, Any, Writer], None]] = {
    Pool: _pool,
    Residual: _residual,
    Sequential: _sequential,
    Padded: _padded,
    Sparse: _sparse,
}


def _recipe(module: Any, kind: type[nn.Module], names: Mapping[int, str]) -> str:
    """The call that makes a module, in code; ``names`` are those of its parts' classes by their ids."""

    def function(one: Any) -> str:
        if not isinstance(one, Apply):
            return f"nn.{one!r}"
        return repr("identity") if one.function is identity else str(in_torch(one.function))

    arguments: list[str] = []
    match module:
        case Sequential():
            arguments = [names[id(child)] for child in module]
        case Residual() | Padded():
            arguments = [names[id(module.module)]]
        case Sparse():
            arguments = [names[id(module.module)], *["restrict=True"] * module.restrict]
        case Activation():
            ones = [*module.functions]
            # A module that serves several terms is named by the first of them.
            first = [next(at for at, other in enumerate(ones) if other is one) for one in ones]
            listed = [str(at) if at < place else function(ones[place]) for place, at in enumerate(first)]
            arguments = [f"[{', '.join(listed)}]", *(f"{name}=True" for name in sorted(module.declared))]
        case Gated():
            arguments = [function(module.function), function(module.gate), str([*module.gated])]
        case NormActivation():
            scalars = 0 if module.scalars is module.function else function(module.scalars)
            arguments = [function(module.function), str(scalars), f"affine={module.affine}", f"eps={module.eps}"]
        case LayerNorm():
            arguments = [f"over={module.over!r}", f"eps={module.eps}", f"affine={module.affine}"]
        case BatchNorm():
            arguments = [f"eps={module.eps}", f"momentum={module.momentum}", f"affine={module.affine}"]
        case Dropout():
            arguments = [f"p={module.p}"]
        case Pool():
            arguments = [f"reduce={module.reduce!r}", f"components={module.components!r}"]
    if isinstance(module, EquivariantModule) and not isinstance(module, Padded | Sparse):
        space = module.space_out if isinstance(module, Gated) else module.space_in
        arguments = [repr(str(module.group)), repr(str(space)), *arguments]
    if type(module) is not kind:
        arguments.append(f"called={type(module).__name__!r}")
    return f"{kind.__name__}({', '.join(arguments)})"


class Writer:
    """The classes of a network, those of parts before those of what holds them."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.sources: list[ClassSource] = []
        #: The names of classes, by the plan of a layer, or by the text behind the name.
        self.names: dict[Plan | str, str] = {}
        #: The call that makes the module of a class, in eqsynth; the classes of layers say it themselves.
        self.recipes: dict[str, str] = {}
        #: The names of the classes of modules, by their ids.
        self.classes: dict[int, str] = {}
        #: Whether what is written is inside of a Padded, or of a Sparse.
        self.padded = self.listed = False
        #: Where each parameter and buffer stands, by its id.
        self.owners: dict[int, str] = {}

    def write(self, module: nn.Module, place: str) -> str:
        """Write the class of a module, unless it is there, and say how the module is made."""
        if isinstance(module, EmittedLayer):
            _check(module, type(module), place)
            self._own(module, place)
            plan = module.plan
            self.classes[id(module)] = name = self._layer(plan, type(module).__name__)
            if self.listed:
                name = self._on_entries(module, name, place)
            return f"{name}(**kwargs)"
        kind = next((kind for kind in (*SINGLE, *HOLDING) if isinstance(module, kind)), None)
        if kind is None or any(getattr(type(module), one, None) is not getattr(kind, one, None) for one in COMPUTING):
            name = type(module).__name__
            cure = CURES.get(name, f"only {KNOWN} can be exported: use these, or torch.export").replace("{}", place)
            raise ExportError(f"{place} is a {name}, which eqsynth cannot write as source: {cure}")
        _check(module, kind, place)
        body = Body(module, place, self.padded, self.listed)
        if kind in SINGLE:
            self._own(module, place)
            for part in module.modules():
                _check(part, type(part), place)
            SINGLE[kind](body, module)
        else:
            HOLDING[kind](body, module, self)
        text = body.source("").text
        known = self.names.get(text)
        name = known or (self.root if place == ROOT else self._named(kind.__name__, text))
        if known is None:
            self.sources.append(body.source(name))
            self.recipes[name] = _recipe(module, kind, self.classes)
        self.classes[id(module)] = name
        return f"{name}({'**kwargs' * bool(body.init)})"

    def _layer(self, plan: Plan, kind: str = "Linear") -> str:
        """The name of the class of a plan, which is written unless it is there."""
        if plan not in self.names:
            self.sources.append(emit_class(plan, self._named(kind, plan)))
        return self.names[plan]

    def _on_entries(self, layer: Any, dense: str, place: str) -> str:
        """The name of the class of a layer on entries, which is written unless it is there."""
        key = f"{dense} on entries"
        if key not in self.names:
            name = f"{dense}OnEntries"
            self.names[key] = name if name != self.root else f"{name}1"
            self.sources.append(linear_on_entries(layer, self.names[key], dense, place, self._layer))
        return self.names[key]

    def _named(self, kind: str, key: Plan | str) -> str:
        """A new name for a class."""
        taken, number = {self.root, *self.names.values()}, 1
        while f"{kind}{number}" in taken:
            number += 1
        self.names[key] = f"{kind}{number}"
        return self.names[key]

    def _own(self, module: nn.Module, place: str) -> None:
        """Note whose the tensors of a module are; raises ExportError where another one has them, too."""
        for tensor in (*module.parameters(), *module.buffers()):
            owner = self.owners.setdefault(id(tensor), place)
            if owner != place:
                raise ExportError(
                    f"{place} and {owner} share parameters, which classes of a file do not: give each its own, or use "
                    "torch.export"
                )


def _check(module: nn.Module, kind: type[nn.Module], place: str) -> None:
    """Raise ExportError for a module that computes something else than its class says."""
    hooks = (module._forward_pre_hooks, module._forward_hooks, module._backward_pre_hooks, module._backward_hooks)
    changed = ["hooks"] * any(hooks)
    changed += ["parametrizations"] * hasattr(module, "parametrizations")
    if changed:
        raise ExportError(
            f"{place}, a {kind.__name__}, has {changed[0]}, which eqsynth cannot write as source: remove them, or use "
            "torch.export"
        )
