"""``eqsynth.Linear``: the emitted source, compiled, as a torch.nn.Module."""

from __future__ import annotations

import inspect
import linecache
import sys
import warnings
from functools import lru_cache, wraps
from math import prod
from types import ModuleType
from typing import Any, NoReturn

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from eqsynth.bases.basis import Basis, basis
from eqsynth.codegen.emit import Artifact, emit
from eqsynth.codegen.meaning import refusal
from eqsynth.errors import (
    EqsynthError,
    IgnoredInputWarning,
    ShapeError,
    WeightsError,
    ZeroOutputWarning,
    abridged,
)
from eqsynth.exact.limits import afford_parameters, afford_tensors
from eqsynth.exact.numbers import flag, whole
from eqsynth.families.group import Group
from eqsynth.families.hom import Hom
from eqsynth.plans.lowering import plan_hom
from eqsynth.plans.plan import Plan
from eqsynth.spaces.space import Space, lengths
from eqsynth.store.cache import no_collection

#: From so many entries in a channel on it is worked out whether the output of a layer fits in memory.
MANY_ENTRIES = 1 << 20


class Linear(nn.Module):
    """Every linear map between two spaces that commutes with a group, with one weight per map.

    >>> import torch, eqsynth as eq
    >>> layer = eq.Linear("S(n)", "16x2 + 8x1", "32x1")
    >>> layer
    Linear(S(n): 16x2 + 8x1 -> 32x1, 7 maps, 3104 parameters, bias=True, normalization='variance')
    >>> layer((torch.randn(4, 9, 9, 16), torch.randn(4, 9, 8))).shape
    torch.Size([4, 9, 32])

    Tensors are channels-last, ``(*batch, n, ..., n, channels)`` with as many axes of length n as the
    order. A space of one term takes and gives a tensor, several terms a tuple. With n a letter one
    set of weights serves every n; where no input has an axis of length n, pass it: ``layer(x, n)``.

    Parameters: ``weight`` of shape ``(maps, channels_out, channels_in)``, one matrix per diagram of
    ``eq.basis(group, k, l)``, and ``bias`` of shape ``(maps of order 0 -> l, channels_out)``; in a layer
    of several terms ``weight_i_o`` and ``bias_o``. The layer computes the sum over diagrams of
    weight times diagram, where each sum over an index of length n is scaled by ``normalization``:
    n^(-1/2) (``"variance"``), 1/n (``"mean"``) or 1 (``"sum"``). For O(n) with output order l above input
    order k the weights are also multiplied by n^((l-k)/4), since most output entries are zero.

    Initial weights give outputs of variance near 1 for inputs of independent entries of variance 1:
    for n a number the mean over entries is exactly 1, for n a letter it lies between 0.8 and 1.2, at
    every n, k and l (``"sum"`` and ``"mean"`` scale with n as they say). Of symmetric and alternating tensors each
    entry counts once, as where they are packed; with them and n a letter the mean is exactly 1 at n = 16. (Where it
    would take long to compute, at high orders and large n, it is near to that.) Biases start at zero.

    ``method`` says how the layer is computed, never what: ``"diagrams"``, ``"fourier"``, ``"irreps"``, ``"matrix"``, or
    ``"auto"`` for what is estimated to cost least; ``print(layer.plan)`` compares them (:func:`eqsynth.plan`). With
    ``parameters="blocks"`` the weights are not coefficients of diagrams but entries of the blocks of irreducible
    parts, as many as before: these layers need no map from the one to the other.

    ``layer.basis``, ``layer.plan`` and ``layer.source`` show how it was made.

    Raises ParseError, GroupError, SpaceError or SizeError for the problem, ShapeError for a tensor.
    """

    hom: Hom
    plan: Plan
    artifact: Artifact

    def __new__(  # noqa: D102 - the class docstring describes it
        cls,
        group: str | Group,
        space_in: str | int | Space,
        space_out: str | int | Space,
        bias: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
        normalization: str = "variance",
        method: str = "auto",
        parameters: str = "diagrams",
    ) -> Linear:
        with no_collection():
            hom = Hom.parse(group, space_in, space_out)
            made = plan_hom(hom, flag("bias", bias), normalization, method, parameters)
            found = _layer_class(made)
        for message in made.zero_outputs():
            warnings.warn(message, category=ZeroOutputWarning, stacklevel=2)
        for message in made.ignored_inputs():
            warnings.warn(message, category=IgnoredInputWarning, stacklevel=2)
        return super().__new__(found)

    def __init_subclass__(cls, made: bool = False) -> None:
        """Refuse subclasses: the class of a layer is made for its problem. Torch may wrap that class in its own."""
        if not made and Linear in cls.__bases__:
            raise EqsynthError("eq.Linear cannot be subclassed: keep the layer as an attribute of your own nn.Module")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # The class that __new__ makes has an __init__ of its own, whose super() call ends here.
        super().__init__()

    @property
    def source(self) -> str:
        """The emitted source that this layer runs."""
        return self.artifact.source

    @property
    def basis(self) -> dict[tuple[int, int], Basis]:
        """The basis behind each (input term, output term)."""
        orders_in, orders_out = self.hom.space_in.orders, self.hom.space_out.orders
        return {
            (i, o): basis(self.hom.group, k, lo) for i, k in enumerate(orders_in) for o, lo in enumerate(orders_out)
        }

    def extra_repr(self) -> str:
        """The problem, and how many maps and parameters the layer has."""
        maps = sum(pair.dim for pair in self.plan.pairs)
        count = sum(parameter.numel() for parameter in self.parameters())
        return (
            f"{abridged(self.hom)}, {maps} map{'s' if maps != 1 else ''}, {count} parameters, "
            f"bias={self.plan.bias}, normalization={self.plan.normalization!r}"
            f"{', parameters=' + repr(self.plan.parameters) if self.plan.parameters != 'diagrams' else ''}"
        )

    def _repr_html_(self) -> str:
        """What Jupyter shows: the layer and the steps of its plan."""
        from html import escape

        return f"<div><code>{escape(repr(self))}</code>{self.plan._repr_html_()}</div>"

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        # Torch refuses here to pickle a layer that it has wrapped in a class of its own.
        state = self.__getstate__()  # type: ignore[no-untyped-call]
        plan = self.plan
        return _blank, (plan.hom, plan.bias, plan.normalization, plan.asked, plan.parameters), state


def from_plan(plan: Plan, device: Any = None, dtype: torch.dtype | None = None) -> Linear:
    """The layer that runs a plan; outputs that are always zero are no surprise here."""
    hom = plan.hom
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZeroOutputWarning)
        more = plan.normalization, plan.asked, plan.parameters
        return Linear(hom.group, hom.space_in, hom.space_out, plan.bias, device, dtype, *more)


def _blank(hom: Hom, bias: bool, normalization: str, method: str = "diagrams", parameters: str = "diagrams") -> Linear:
    """A layer without parameters, for pickle and copy to fill."""
    cls = _layer_class(plan_hom(hom, bias, normalization, method, parameters))
    layer: Linear = nn.Module.__new__(cls)
    return layer


@lru_cache(maxsize=256)
def _layer_class(plan: Plan) -> type[Linear]:
    """The class that the emitted source defines, joined with Linear."""
    artifact = emit(plan)
    emitted = compile_source(artifact)

    def initialise(
        self: Any,
        group: Any,
        space_in: Any,
        space_out: Any,
        bias: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
        normalization: str = "variance",
        method: str = "auto",
        parameters: str = "diagrams",
    ) -> None:
        afford_layer(plan, device, dtype)
        emitted.__init__(self, device=device, dtype=dtype)

    def blank(cls: type[Linear], *args: Any, **kwargs: Any) -> Linear:
        """Torch makes replicas with no arguments, and fills them."""
        return Linear(*args, **kwargs) if args or kwargs else nn.Module.__new__(cls)

    body = {
        **overridden(emitted, plan),
        "__new__": blank,
        "__init__": initialise,
        "__module__": __name__,
        "__doc__": Linear.__doc__,
        "__qualname__": "Linear",
        "extra_repr": Linear.extra_repr,
        "ShapeError": ShapeError,
        "hom": plan.hom,
        "plan": plan,
        "artifact": artifact,
    }
    return type("Linear", (emitted, Linear), body, made=True)


def afford_layer(plan: Plan, device: Any, dtype: Any) -> None:
    """Refuse a layer whose parameters do not fit in memory, before torch asks for it."""
    ins, outs = plan.hom.space_in.channels, plan.hom.space_out.channels
    count = sum(pair.dim * outs[pair.term_out] * ins[pair.term_in] for pair in plan.pairs)
    count += sum(dim * wide for dim, wide in zip(plan.bias_dims, outs, strict=True))
    problem = getattr(plan, "problem", plan.hom)
    full = getattr(problem, "mode", "") == "full"
    cure = "take fewer channels" + (", or mode='paired', where each channel meets its own" if full else "")
    afford_parameters(str(problem), cure, count, device, dtype)


def overridden(emitted: Any, plan: Plan) -> dict[str, Any]:
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

    @wraps(emitted.forward)
    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        if sizes:
            args, kwargs = _with_sizes(plan, sizes, large, args, kwargs)
        if torch.compiler.is_compiling():
            return compute(self, *args, **kwargs)
        try:
            return compute(self, *args, **kwargs)
        except RuntimeError:
            own = next(iter(self._parameters.values()), None)
            for x in tree_leaves((args, kwargs)):
                if isinstance(x, torch.Tensor):
                    require_dtype(self, x, own)
            raise

    # Torch counts how often it compiles a code object: layers of different problems have each their own.
    own_code: Any = forward
    own_code.__code__ = own_code.__code__.replace()

    def load(self: Any, state: dict[str, Any], prefix: str, *others: Any) -> None:
        key = f"{prefix}_extra_state"
        if key in state:
            text = saved_text(state[key])
            if text not in (None, self.weights_of):
                raise WeightsError(refusal(key, str(text), self.plan))
            # Text that is told anew: casts and averages have made it inexact.
            del state[key]
        emitted._load_from_state_dict(self, state, prefix, *others)

    made: dict[str, Any] = {
        "forward": forward,
        "reset_parameters": reset_parameters,
        "__prepare_scriptable__": refuse_script,
    }
    if hasattr(emitted, "weights_of"):
        made["_load_from_state_dict"] = load
    return made


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
    factors, space_in, space_out = plan.hom.group.factors, plan.hom.space_in, plan.hom.space_out
    sizes = [factor.n if isinstance(factor.n, int) else known.get(factor.n, 1) for factor in factors]
    problem = getattr(plan, "problem", None)
    operand = problem.operands[0] if problem else space_in
    axes = len(lengths(operand.orders[0], sizes))
    batch = prod(inputs[0].shape[: max(inputs[0].ndim - axes - 1, 0)])
    entries = sum(channels * prod(lengths(order, sizes)) for channels, order in space_out)
    afford_tensors(
        f"the output of {plan.hom} at {', '.join(f'{name} = {size:,}' for name, size in known.items())}",
        "pass a smaller size",
        batch * entries * inputs[0].element_size(),
        inputs[0].device,
    )


def require_dtype(module: nn.Module, x: torch.Tensor, own: torch.Tensor | None, smaller: bool = False) -> None:
    """Raise ShapeError for an input of another dtype than the parameters, where torch does not mix them.

    ``smaller``: whether inputs of fewer bytes than the parameters will do.
    """
    if own is None or x.dtype == own.dtype or (smaller and x.dtype.itemsize < own.dtype.itemsize):
        return
    if not x.is_meta and torch.is_autocast_enabled(x.device.type):
        return
    raise ShapeError(
        f"the input is {x.dtype}, but the parameters of this {type(module).__name__} are {own.dtype}: pass "
        f"x.to({own.dtype}), or convert the module, module.to({x.dtype})"
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


def compile_source(artifact: Artifact, name: str = "EquivariantLinear") -> type[nn.Module]:
    """The class in source that eqsynth has just emitted; tracebacks show its lines."""
    filename = f"<eqsynth {artifact.digest[:16]}>"
    module = ModuleType(f"eqsynth.emitted_{artifact.digest[:16]}")
    # torch.export looks for the module of a class by its name.
    sys.modules[module.__name__] = module
    namespace = module.__dict__
    exec(compile(artifact.source, filename, "exec"), namespace)  # noqa: S102 - text that emit just made
    lines = artifact.source.splitlines(keepends=True)
    linecache.cache[filename] = (len(artifact.source), None, lines, filename)
    found: type[nn.Module] = namespace[name]
    return found
