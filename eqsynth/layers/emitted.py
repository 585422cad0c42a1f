"""What all layers share: the emitted source of a plan, compiled, and joined with the class that users know."""

from __future__ import annotations

import inspect
import linecache
import sys
from collections.abc import Callable, Sequence
from functools import lru_cache, wraps
from math import prod
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import torch
from torch import nn
from torch.utils._python_dispatch import _get_current_dispatch_mode
from torch.utils._pytree import tree_leaves

from eqsynth.bases.basis import Basis
from eqsynth.codegen.emit import Artifact, emit
from eqsynth.codegen.meaning import refusal
from eqsynth.errors import (
    EqsynthError,
    IgnoredInputWarning,
    ShapeError,
    WeightsError,
    ZeroOutputWarning,
    abridged,
    shown,
    warn,
)
from eqsynth.exact.limits import afford_parameters, afford_tensors
from eqsynth.exact.numbers import whole
from eqsynth.families.hom import Problem, ProductHom
from eqsynth.layers.converting import apply_complex
from eqsynth.layers.prepared import prepared
from eqsynth.layers.slices import Slices, slices
from eqsynth.layers.weights import Weights, weight_shapes, with_weights
from eqsynth.plans.plan import Plan
from eqsynth.plans.products import maps, plan_problem
from eqsynth.spaces.space import lengths

#: From so many entries in a channel on it is worked out whether the output of a layer fits in memory.
MANY_ENTRIES = 1 << 20
#: The classes of layers that users call, by name.
KINDS: dict[str, type[EmittedLayer]] = {}
#: Tables of so many entries in all are kept for the next layer of a class: a megabyte, of at most 256 classes.
MOST_KEPT = 1 << 17
LayerT = TypeVar("LayerT", bound="EmittedLayer")
#: What a call gives: a tensor where the output space has one term, a tuple of tensors where it has several. That stands
#: in the text of a space, which type checkers do not read: with ``Any`` beside it ``a, b = layer(x)`` passes, too.
Output = torch.Tensor | Any


class EmittedLayer(nn.Module):
    """A layer that runs emitted source. The class of a layer is made for its problem, from its ``kind``, as eq.Linear.

    ``layer.plan`` and ``layer.source`` show how it was made, ``layer.basis`` the maps behind its weights.
    """

    problem: Problem
    plan: Plan
    artifact: Artifact
    slices: Slices
    #: Whether weights are passed to each call, and the layer has none.
    external: bool = False

    if TYPE_CHECKING:

        def __call__(
            self,
            x: torch.Tensor | Sequence[torch.Tensor],
            *others: torch.Tensor | Sequence[torch.Tensor] | int,
            weights: Weights | None = None,
            **sizes: int,
        ) -> Output:
            """What the layer computes; sizes are those that no input shows."""

    def __init_subclass__(cls, generated: bool = False, kind: bool = False) -> None:
        """Refuse subclasses: the class of a layer is made for its problem. Torch may wrap that class in its own."""
        if kind:
            KINDS[cls.__name__] = cls
        elif not generated and set(cls.__bases__) & set(KINDS.values()):
            raise EqsynthError(
                f"eq.{cls.__bases__[0].__name__} cannot be subclassed: keep the layer as an attribute of your own "
                "nn.Module"
            )

    @property
    def source(self) -> str:
        """The emitted source that this layer runs."""
        return self.artifact.source

    @property
    def basis(self) -> dict[tuple[int, ...], Basis]:
        """The maps behind each weight: by term of the input, or of each factor of a product, and output term."""
        problem = self.problem
        return {
            (*problem.places(i), o): maps(problem, i, o)
            for i in range(len(problem.terms))
            for o in range(len(problem.space_out))
        }

    @property
    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each weight and bias, by name: what ``layer(x, weights=...)`` takes, after batch axes.

        >>> import torch, eqsynth as eq
        >>> layer = eq.Linear("O(3)", "4x1", "2x1", weights="external")
        >>> layer.weight_shapes
        {'weight': (1, 2, 4)}
        >>> x, w = torch.randn(5, 3, 4), torch.randn(5, 1, 2, 4)
        >>> layer(x, weights=w).shape
        torch.Size([5, 3, 2])
        """
        return weight_shapes(self.plan)

    def prepare(self: LayerT) -> LayerT:
        """Keep what depends on weights alone, for calls that need no gradient of them; returns the layer.

        >>> import torch, eqsynth as eq
        >>> layer = eq.Linear("O(3)", "16x4", "16x4").prepare()
        >>> with torch.no_grad():
        ...     y = layer(torch.randn(2, 3, 3, 3, 3, 16))
        >>> y.shape
        torch.Size([2, 3, 3, 3, 3, 16])

        Blocks of irreducible parts, scaled and reshaped matrices and the like are computed here, once. Where weights
        are used as they are, or as views, nothing is kept: there is nothing to gain. Each call compares the weights
        with those of now: the tensors, their memory, layout and version. Where these differ, where a gradient of
        weights is wanted, under autocast, and while torch traces, compiles or transforms, the call computes all anew,
        as if nothing had been prepared; call ``prepare()`` again after weights have changed. ``train()``, moves to a
        device or dtype, loading weights, copies and pickles drop what was prepared.

        No version tells of ``p.data.mul_(2)``, of writes through NumPy, DLPack or ``untyped_storage()``, and of memory
        that is shared with another process: call ``prepare()`` after such changes.
        """
        self.__dict__["_prepared"] = prepared(self, self.slices.matrices, self.slices.tensors)
        return self

    def train(self: LayerT, mode: bool = True) -> LayerT:
        """Set the mode of training, as torch does; what was prepared is dropped when it begins."""
        if mode:
            self.__dict__.pop("_prepared", None)
        super().train(mode)
        return self

    def extra_repr(self) -> str:
        """The problem, and how many maps and parameters the layer has."""
        plan, problem = self.plan, self.problem
        dimension, weights = sum(pair.dim for pair in plan.pairs), sum(map(prod, self.weight_shapes.values()))
        weights = weights if self.external else sum(weight.numel() for weight in self.parameters())
        parts = [
            abridged(problem),
            *(
                f"{count} {what}{'' if count == 1 else 's'}"
                for count, what in ((dimension, "map"), (weights, "parameter"))
            ),
            *([f"mode={problem.mode!r}"] if isinstance(problem, ProductHom) and not problem.degrees else []),
            f"bias={plan.bias}",
            f"normalization={plan.normalization!r}",
            *([f"parameters={plan.parameters!r}"] if plan.parameters != "diagrams" else []),
            *(["weights='external'"] if self.external else []),
        ]
        return ", ".join(parts)

    def _repr_html_(self) -> str:
        """What Jupyter shows: the layer and the steps of its plan."""
        from html import escape

        return f"<div><code>{escape(repr(self))}</code>{self.plan._repr_html_()}</div>"

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        # Torch refuses here to pickle a layer that it has wrapped in a class of its own.
        state = {**self.__getstate__()}  # type: ignore[no-untyped-call]
        state.pop("_prepared", None)
        kind = next(cls.__name__ for cls in type(self).__mro__ if cls in KINDS.values())
        plan = self.plan
        return _blank, (kind, plan.problem, plan.bias, plan.normalization, plan.asked, plan.parameters), state


def _blank(kind: str, problem: Problem, *how: Any) -> EmittedLayer:
    """A layer without parameters, for pickle and copy to fill."""
    layer: EmittedLayer = nn.Module.__new__(layer_class(kind, plan_problem(problem, *how)))
    return layer


class _Ends(nn.Module):
    """Where ``super().__init__()`` of emitted classes ends, before the class that users know."""

    def __init__(self) -> None:
        nn.Module.__init__(self)


def become_layer(layer: EmittedLayer, plan: Plan, device: Any, dtype: Any, weights: object) -> None:
    """Give a new layer the class of its problem, and parameters.

    Warns of outputs that are always zero, and of inputs that are ignored.
    """
    outside(weights)
    emitted = layer_class(type(layer).__name__, plan)
    for message in plan.zero_outputs():
        warn(message, ZeroOutputWarning)
    for message in plan.ignored_inputs():
        warn(message, IgnoredInputWarning)
    object.__setattr__(layer, "__class__", emitted)
    emitted.__init__(layer, device=device, dtype=dtype, weights=weights)


def outside(weights: object) -> bool:
    """Whether weights are passed to each call: ``"own"`` or ``"external"``."""
    if isinstance(weights, str) and weights in ("own", "external"):
        return weights == "external"
    raise EqsynthError(
        f"weights={shown(weights)} is not known: 'own', parameters of the layer, or 'external', passed to each call as "
        "layer(x, weights=w)"
    )


def layer_of(plan: Plan, device: Any = None, dtype: torch.dtype | None = None) -> Any:
    """The layer that runs a plan; outputs that are always zero are no surprise here.

    >>> import eqsynth as eq
    >>> from eqsynth.layers.emitted import layer_of
    >>> layer_of(eq.plan("S(n)", 1, 1))
    Linear(S(n): 1x1 -> 1x1, 2 maps, 3 parameters, bias=True, normalization='variance')
    """
    problem = plan.problem
    if not isinstance(problem, ProductHom):
        kind = "Linear"
    elif problem.degrees:
        kind = "Power" if len(problem.degrees) == 1 else "PolynomialLayer"
    else:
        kind = "TensorProduct"
    layer: Any = nn.Module.__new__(layer_class(kind, plan))
    layer.__init__(device=device, dtype=dtype)
    return layer


@lru_cache(maxsize=256)
def layer_class(name: str, plan: Plan) -> type[Any]:
    """The class that the emitted source defines, joined with that of its kind."""
    # A plan or a pickle may come before any layer was made: their classes are there once their modules are.
    from eqsynth.layers import linear, products  # noqa: F401

    kind, artifact = KINDS[name], emit(plan)
    emitted = compile_source(artifact)

    known: list[Slices] = []

    def rewritten() -> Slices:
        """Only layers that are prepared, or get other weights, need their text read again."""
        if not known:
            label = f"<eqsynth {artifact.digest[:16]}, rewritten>"
            names = [*weight_shapes(plan)]
            known.append(slices(artifact.source, artifact.name, emitted.forward.__globals__, names, label))
        return known[0]

    def initialise(
        self: Any, *given: Any, device: Any = None, dtype: Any = None, weights: str = "own", **named: Any
    ) -> None:
        if given or named:
            return  # the call has gone through ``blank``, and the layer is there
        afford_layer(plan, device, dtype)
        emitted.__init__(self, device=device, dtype=dtype)
        if outside(weights):
            self.external = True
            self._parameters.clear()
            rewritten()

    def restore(self: Any, state: dict[str, Any]) -> None:
        kind.__setstate__(self, state)  # type: ignore[no-untyped-call]
        if self.external:
            rewritten()

    @wraps(kind.__init__)
    def blank(cls: type[EmittedLayer], *args: Any, **kwargs: Any) -> Any:
        """Torch makes replicas with no arguments, and fills them."""
        return kind(*args, **kwargs) if args or kwargs else nn.Module.__new__(cls)

    body: dict[str, Any] = {
        **overridden(emitted, plan, known, rewritten),
        **kept_tables(emitted),
        "slices": property(lambda _: rewritten()),
        "__new__": blank,
        "__init__": initialise,
        "__setstate__": restore,
        "__module__": kind.__module__,
        "__doc__": kind.__doc__,
        "__qualname__": name,
        "extra_repr": kind.extra_repr,
        "ShapeError": ShapeError,
        "problem": plan.problem,
        "plan": plan,
        "artifact": artifact,
    }
    if not plan.problem.multilinear:
        body["hom"] = plan.hom
    elif len(plan.problem.operands) == 1:
        # One input: eq.nn.Sequential and eq.testing know what it is.
        body["space_in"] = str(plan.problem.operands[0])
    return type(name, (emitted, _Ends, kind), body, generated=True)


def kept_tables(emitted: Any) -> dict[str, Any]:
    """The method that makes tables of constants: it follows their recipes once, and copies what they gave from then on.

    Recipes take longer than all else in a new layer. ``inspect.unwrap`` gives the method that always follows them.
    """
    if not hasattr(emitted, "reset_tables"):
        return {}
    kept: dict[str, torch.Tensor] = {}

    @wraps(emitted.reset_tables)
    def reset_tables(self: Any) -> None:
        if _get_current_dispatch_mode() is not None:
            emitted.reset_tables(self)  # tensors are stand-ins, as those of a compiler
            return
        if not kept:
            made: dict[str, torch.Tensor] = {}

            def table(name: str, values: torch.Tensor) -> None:
                made[name] = values
                emitted._table(self, name, values)

            self.__dict__["_table"] = table
            try:
                emitted.reset_tables(self)
            finally:
                del self.__dict__["_table"]
            if sum(values.numel() for values in made.values()) <= MOST_KEPT and not any(
                map(_is_passing, made.values())
            ):
                kept.update(
                    {name: values.clone(memory_format=torch.contiguous_format) for name, values in made.items()}
                )
            return
        for name, values in kept.items():
            emitted._table(self, name, values)

    return {"reset_tables": reset_tables}


def _is_passing(tensor: torch.Tensor) -> bool:
    """Whether a tensor is of use only within a transform, or within inference."""
    return tensor.is_inference() or torch._C._functorch.is_functorch_wrapped_tensor(tensor)


def afford_layer(plan: Plan, device: Any, dtype: Any) -> None:
    """Refuse a layer whose parameters do not fit in memory, before torch asks for it."""
    ins, outs = plan.hom.space_in.channels, plan.hom.space_out.channels
    count = sum(pair.dim * outs[pair.term_out] * ins[pair.term_in] for pair in plan.pairs)
    count += sum(dim * wide for dim, wide in zip(plan.bias_dims, outs, strict=True))
    if plan.problem.group.over_complex and isinstance(dtype, torch.dtype) and not dtype.is_complex:
        raise EqsynthError(
            f"weights of {abridged(plan.problem.group)} are complex numbers, not {dtype}: ask for dtype=torch.complex64"
        )
    paired = ", or mode='paired', where each channel meets its own" if plan.problem.full else ""
    afford_parameters(str(plan.problem), f"take fewer channels{paired}", count, device, dtype)


def overridden(emitted: Any, plan: Plan, known: list[Slices], rewritten: Callable[[], Slices]) -> dict[str, Any]:
    """Methods of an emitted class, made to work where torch changes its parameters behind its back.

    They also say what is wrong where the emitted ones would leave it to torch: sizes that do not fit in memory, dtypes
    that it does not mix.
    """
    #: Where open sizes stand among the arguments that no tensor shows.
    sizes = [
        (place, name)
        for place, (name, parameter) in enumerate(list(inspect.signature(emitted.forward).parameters.items())[1:])
        if parameter.default is None
    ]
    axes = max(len(lengths(order, [1] * len(plan.hom.group.factors))) for order in plan.hom.space_out.orders)
    large = MANY_ENTRIES ** (1 / max(axes, 1))

    def reset_parameters(self: Any) -> None:
        if self.external:
            return
        first: Any = next(self.parameters(), None)
        if not hasattr(first, "device_mesh"):
            emitted.reset_parameters(self)
            return
        # Parts of DTensors, as after fully_shard on the meta device: parts of what a whole layer draws.
        from torch.distributed.tensor import distribute_tensor

        if hasattr(self, "reset_tables"):
            self.reset_tables()
        whole = emitted(device=first.device, dtype=first.dtype)
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                drawn = whole.get_parameter(name).detach()
                parameter.copy_(distribute_tensor(drawn, parameter.device_mesh, parameter.placements))

    def with_tables(self: Any, *args: Any, **kwargs: Any) -> Any:
        tables = {name: table for name, table in self._buffers.items() if table.is_floating_point()}
        dtype = next((getattr(self, name).dtype for name in self._parameters), None)
        if all(table.dtype == dtype for table in tables.values()):
            return emitted.forward(self, *args, **kwargs)
        # Mixed precision of fully_shard lends parameters of another dtype for the time of this call.
        try:
            self._buffers.update({name: table.to(dtype) for name, table in tables.items()})
            return emitted.forward(self, *args, **kwargs)
        finally:
            self._buffers.update(tables)

    compute = with_tables if hasattr(emitted, "reset_tables") else emitted.forward

    def given(layer: Any, named: Any, *args: Any, **kwargs: Any) -> Any:
        if known:
            return known[0].given(layer, named, *args, **kwargs)
        if torch.compiler.is_compiling():
            # The text cannot be read while torch follows the call.
            return torch.func.functional_call(layer, named, args, kwargs)
        return rewritten().given(layer, named, *args, **kwargs)

    @wraps(emitted.forward)
    def forward(self: Any, *args: Any, weights: Any = None, **kwargs: Any) -> Any:
        if sizes:
            args, kwargs = _with_sizes(plan, sizes, large, args, kwargs)
        passed = weights is not None or self.external
        if torch.compiler.is_compiling():
            if passed:
                return with_weights(self, given, weights, args, kwargs)
            return compute(self, *args, **kwargs)
        try:
            if passed:
                return with_weights(self, given, weights, args, kwargs)
            kept = self.__dict__.get("_prepared")
            if kept is not None and kept.holds(self):
                return rewritten().rest(self, kept.values, *args, **kwargs)
            return compute(self, *args, **kwargs)
        except RuntimeError:
            own = next((one for one in (*tree_leaves(weights), *self._parameters.values()) if _is_tensor(one)), None)
            for x in filter(_is_tensor, tree_leaves((args, kwargs))):
                require_dtype(self, x, own, passed=weights is not None)
            raise

    # Export binds arguments to what the signature says.
    signature = inspect.signature(emitted.forward)
    passed = inspect.Parameter("weights", inspect.Parameter.KEYWORD_ONLY, default=None)
    forward.__signature__ = signature.replace(parameters=[*signature.parameters.values(), passed])  # type: ignore[attr-defined]

    # Torch counts how often it compiles a code object: layers of different problems have each their own.
    own: Any = forward
    own.__code__ = own.__code__.replace()

    def apply(self: Any, function: Any, recurse: bool = True) -> Any:
        self.__dict__.pop("_prepared", None)
        if not self.external:
            return emitted._apply(self, function, recurse)
        before = [(table.dtype, table.is_meta) for table in self._buffers.values()]
        if plan.problem.group.over_complex:
            apply_complex(self, function, recurse)
        else:
            nn.Module._apply(self, function, recurse)  # type: ignore[no-untyped-call]
        if before != [(table.dtype, table.is_meta) for table in self._buffers.values()]:
            like: Any = next((table for table in self._buffers.values() if table.is_floating_point()), None)
            if like is not None:
                # Made anew, not rounded twice.
                self._buffers.update(emitted(device=like.device, dtype=like.dtype)._buffers)
        return self

    def save(self: Any, *args: Any) -> None:
        if not self.external:
            emitted._save_to_state_dict(self, *args)

    def load(self: Any, state: dict[str, Any], prefix: str, *others: Any) -> None:
        self.__dict__.pop("_prepared", None)
        if self.external:
            # Nothing is expected; torch itself says what is there all the same.
            _strict, unexpected = others[1], others[3]
            unexpected += [key for key in state if key.startswith(prefix) and _strict]
            return
        key = f"{prefix}_extra_state"
        if key in state:
            text = saved_text(state[key])
            if text not in (None, self.weights_of):
                raise WeightsError(refusal(key, str(text), self.plan))
            # Text that is told anew: casts and averages have made it inexact.
            del state[key]
        emitted._load_from_state_dict(self, state, prefix, *others)

    methods: dict[str, Any] = {
        "forward": forward,
        "reset_parameters": reset_parameters,
        "_apply": apply,
        "_save_to_state_dict": save,
        "__prepare_scriptable__": refuse_script,
    }
    if hasattr(emitted, "weights_of"):
        methods["_load_from_state_dict"] = load
    return methods


def _is_tensor(value: object) -> bool:
    return isinstance(value, torch.Tensor)


def _with_sizes(
    plan: Plan, sizes: list[tuple[int, str]], large: float, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a call, with open sizes as ints; SizeError where the outputs would not fit in memory.

    That is worked out from the size ``large`` on.
    """
    listed, named, known = list(args), dict(kwargs), {}
    for place, name in sizes:
        given = listed[place] if place < len(listed) else named.get(name)
        # Reading a size that torch leaves open would make it a number.
        if type(given) is not int:
            if given is None or isinstance(given, torch.SymInt) or (number := whole(given)) is None:
                continue
            if place < len(listed):
                listed[place] = number
            else:
                named[name] = number
            given = number
        known[name] = given
    if known and not torch.compiler.is_compiling() and max(known.values()) >= large:
        _afford_outputs(plan, known, [x for x in tree_leaves(args) if isinstance(x, torch.Tensor)])
    return tuple(listed), named


def _afford_outputs(plan: Plan, known: dict[str, int], inputs: list[torch.Tensor]) -> None:
    """Refuse outputs that do not fit in memory; lengths that are not among those known count as 1."""
    if not inputs:
        return
    problem = plan.problem
    sizes = [factor.n if isinstance(factor.n, int) else known.get(factor.n, 1) for factor in problem.group.factors]
    axes = len(lengths(problem.inputs[0][1], sizes))
    batch = prod(inputs[0].shape[: max(inputs[0].ndim - axes - 1, 0)])
    entries = sum(channels * prod(lengths(order, sizes)) for channels, order in problem.space_out)
    afford_tensors(
        f"the output of {problem} at {', '.join(f'{name} = {size:,}' for name, size in known.items())}",
        "pass a smaller size",
        batch * entries * inputs[0].element_size(),
        inputs[0].device,
    )


def require_dtype(
    module: nn.Module, x: torch.Tensor, own: torch.Tensor | None, smaller: bool = False, passed: bool = False
) -> None:
    """Raise ShapeError for an input of another dtype than the parameters, where torch does not mix them.

    ``smaller``: whether inputs of fewer bytes than the parameters will do; ``passed``: the weights come with the call.
    """
    if own is None or x.dtype == own.dtype or (smaller and x.dtype.itemsize < own.dtype.itemsize):
        return
    if not x.is_meta and torch.is_autocast_enabled(x.device.type):
        return
    what = "weights passed to" if passed else "parameters of"
    cure = f"convert the weights, w.to({x.dtype})" if passed else f"convert the module, module.to({x.dtype})"
    raise ShapeError(
        f"the input is {x.dtype}, but the {what} this {type(module).__name__} are {own.dtype}: pass "
        f"x.to({own.dtype}), or {cure}"
    )


def saved_text(state: Any) -> str | None:
    """The text that a state_dict holds beside weights; None for a tensor without values."""
    if not isinstance(state, torch.Tensor):
        return repr(state)
    if state.is_meta or hasattr(state, "fake_mode"):
        return None
    codes = state.detach().flatten().float().nan_to_num().round().clamp(0, 255).tolist()
    return bytes(map(int, codes)).decode(errors="replace").strip()


def refuse_script(module: nn.Module) -> NoReturn:
    """What torch.jit.script calls first: say why it cannot, where its own errors speak of lines that nobody wrote."""
    raise EqsynthError(
        f"torch.jit.script cannot read {type(module).__name__}: TorchScript has no tuples of open length, as the batch "
        "axes are, and torch has given it up. Take torch.export.export, torch.compile or torch.jit.trace(module, x)"
    )


def compile_source(artifact: Artifact) -> type[nn.Module]:
    """The class in source that eqsynth has just emitted; tracebacks show its lines."""
    filename = f"<eqsynth {artifact.digest[:16]}>"
    module = ModuleType(f"eqsynth.emitted_{artifact.digest[:16]}")
    # torch.export looks for the module of a class by its name.
    sys.modules[module.__name__] = module
    namespace = module.__dict__
    exec(compile(artifact.source, filename, "exec"), namespace)  # noqa: S102 - text that emit just made
    lines = artifact.source.splitlines(keepends=True)
    linecache.cache[filename] = (len(artifact.source), None, lines, filename)
    emitted: type[nn.Module] = namespace[artifact.name]
    return emitted
