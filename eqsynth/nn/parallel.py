"""Tensor parallelism: the channels of layers split over processes, with torch's DTensor and parallelize_module."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from typing import Any

import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Partial, Placement, Replicate, Shard, distribute_tensor
from torch.distributed.tensor.parallel import ParallelStyle

from eqsynth.errors import EqsynthError, SpaceError, shown
from eqsynth.exact.numbers import flag, whole
from eqsynth.families.hom import NAMES
from eqsynth.layers.linear import Linear
from eqsynth.layers.products import PolynomialLayer, Power, TensorProduct
from eqsynth.nn.activations import Activation, Gated, NormActivation, Pairings, Tensors, joined
from eqsynth.nn.networks import Residual, Sequential, problem_of
from eqsynth.nn.normalising import BatchNorm, Dropout, LayerNorm, Pool
from eqsynth.nn.padding import Padded
from eqsynth.spaces.space import Space

WHOLE, SPLIT, SUMMAND = Replicate(), Shard(-1), Partial()
PRODUCTS = (TensorProduct, Power, PolynomialLayer)


# --- styles -----------------------------------------------------------------------------------------


class _Style(ParallelStyle):
    """What the styles share: layouts of inputs and outputs as in torch, one DTensor for each parameter."""

    #: The layout that the computation takes, and the one that it makes.
    takes: Placement = WHOLE
    makes: Placement = WHOLE

    def __init__(
        self,
        *,
        input_layouts: Placement | None = None,
        output_layouts: Placement | None = None,
        use_local_output: bool = True,
    ) -> None:
        super().__init__()
        self.input_layouts = input_layouts or self.takes
        self.output_layouts = output_layouts or (WHOLE if self.makes == SUMMAND else self.makes)
        self.use_local_output = flag("use_local_output", use_local_output)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(input_layouts={self.input_layouts!r}, output_layouts={self.output_layouts!r}, "
            f"use_local_output={self.use_local_output})"
        )

    def placement(self, module: nn.Module, name: str) -> Placement:
        """How a parameter or a buffer is split; raises for modules that this style does not split."""
        raise NotImplementedError

    def prepare(self, module: Any, size: int) -> None:
        """Change what the module says of its channels to what one process has of them."""

    def _apply(self, module: nn.Module, device_mesh: DeviceMesh) -> nn.Module:
        if device_mesh.ndim != 1:
            raise EqsynthError(f"channels are split over a mesh of one dimension, not {device_mesh.ndim}: name it")
        if isinstance(module, _Split):
            raise EqsynthError(f"{type(module).__name__} is split already: apply one style to a module")
        named = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
        placed = [(name, value, self.placement(module, name)) for name, value in named]
        self.prepare(module, device_mesh.size())
        for name, value, placement in placed:
            if name not in module._parameters and placement == WHOLE:
                continue  # tables and counters are made by each process
            split = distribute_tensor(value.detach(), device_mesh, [placement], src_data_rank=self.src_data_rank)
            if name in module._parameters:
                module.register_parameter(name, nn.Parameter(split, requires_grad=value.requires_grad))
            else:
                module.register_buffer(name, split, persistent=name not in module._non_persistent_buffers_set)
        names = tuple(name for name, _ in named if isinstance({**module._parameters, **module._buffers}[name], DTensor))
        module.__class__ = _split_class(type(module), names)  # type: ignore[arg-type]
        module._split = (self, device_mesh)  # type: ignore[assignment]
        return module


class ColwiseParallel(_Style):
    """Splits the output channels of a layer over processes: each computes some channels from the whole input.

    >>> import eqsynth as eq
    >>> eq.nn.ColwiseParallel()
    ColwiseParallel(input_layouts=Replicate(), output_layouts=Shard(dim=-1), use_local_output=True)

    For ``torch.distributed.tensor.parallel.parallelize_module``, with the arguments of torch's own ColwiseParallel.
    Takes eq.Linear, eq.TensorProduct, eq.Power, eq.PolynomialLayer and eq.nn.Pairings. ``weight[maps, channels_out,
    channels_in]`` becomes a DTensor that is split on axis 1, with the name that it had: each process has the same layer
    with ``channels_out / processes`` channels in each term. Nothing is sent forwards, gradients of the input are added
    up backwards. ``output_layouts=Replicate()`` gathers the outputs.

    Raises SpaceError for channels that the number of processes does not divide, EqsynthError for other modules.
    """

    takes, makes = WHOLE, SPLIT

    def placement(self, module: nn.Module, name: str) -> Placement:
        """On the axis of output channels. Raises EqsynthError for other modules."""
        if isinstance(module, Pairings):
            return Shard(0)
        if not isinstance(module, (Linear, *PRODUCTS)):
            raise EqsynthError(_refused(module, "output channels"))
        return Shard(1) if name in module._parameters else WHOLE

    def prepare(self, module: Any, size: int) -> None:
        """Fewer output channels."""
        out = _parts(problem_of(module).space_out if isinstance(module, Pairings) else _space_out(module), size)
        if not isinstance(module, Pairings):
            module.channels_out = _numbers(out)


class RowwiseParallel(_Style):
    """Splits the input channels of a layer over processes: each computes a summand of the output from some channels.

    >>> import eqsynth as eq
    >>> eq.nn.RowwiseParallel()
    RowwiseParallel(input_layouts=Shard(dim=-1), output_layouts=Replicate(), use_local_output=True)

    As torch's RowwiseParallel, for eq.Linear, eq.Power, eq.PolynomialLayer and eq.TensorProduct with ``mode="paired"``:
    what comes behind ColwiseParallel and modules that treat each channel by itself. Weights are split on axis 2, the
    outputs are added up once, and the bias is added once. ``input_layouts=Replicate()`` takes whole inputs.

    Raises SpaceError for channels that the number of processes does not divide, EqsynthError for other modules.
    """

    takes, makes = SPLIT, SUMMAND

    def placement(self, module: nn.Module, name: str) -> Placement:
        """On the axis of input channels; biases are whole. Raises EqsynthError for other modules."""
        mixes_all = isinstance(module, TensorProduct) and module.problem.full
        if mixes_all or not isinstance(module, (Linear, *PRODUCTS)):
            raise EqsynthError(_refused(module, "input channels"))
        return Shard(2) if name.startswith("weight") and name in module._parameters else WHOLE

    def prepare(self, module: Any, size: int) -> None:
        """Fewer input channels."""
        if isinstance(module, Linear):
            setattr(module, "channels_in", _numbers(_parts(module.hom.space_in, size)))  # noqa: B010 - of the emitted class
            return
        given = {
            f"channels_{name}": _numbers(_parts(space, size))
            for name, space in zip(NAMES, module.problem.operands, strict=False)
        }
        small = _emitted(module)(**given, channels_out=module.channels_out, device="meta")
        for name in (*given, "channels_in"):
            setattr(module, name, getattr(small, name))


class ChannelwiseParallel(_Style):
    """Splits a module that treats each channel by itself: each process has some of the channels.

    >>> import eqsynth as eq
    >>> eq.nn.ChannelwiseParallel()
    ChannelwiseParallel(input_layouts=Shard(dim=-1), output_layouts=Shard(dim=-1), use_local_output=True)

    For eq.nn.Activation, Gated, NormActivation, BatchNorm, Dropout and Pool, between ColwiseParallel and
    RowwiseParallel. Nothing is sent. Dropout draws the numbers of all channels in each process, so that with equal
    seeds it drops what one process would.

    Raises EqsynthError where channels meet: LayerNorm, Pairings, Pool with learned mixtures, functions with parameters.
    """

    takes, makes = SPLIT, SPLIT

    def placement(self, module: nn.Module, name: str) -> Placement:
        """On the only axis of the parameters of channels. Raises EqsynthError for other modules."""
        if not _by_channel(module):
            raise EqsynthError(_refused(module, "channels"))
        return WHOLE if name == "num_batches_tracked" else Shard(0)

    def prepare(self, module: Any, size: int) -> None:
        """Fewer channels in every term. Raises EqsynthError for modules that are not split so."""
        if not _by_channel(module):  # also where there is no parameter to place
            raise EqsynthError(_refused(module, "channels"))
        channels = _parts(module.space_in, size)
        module._shapes = tuple((count, axes) for count, (_, axes) in zip(channels, module._shapes, strict=True))


class ReplicateParallel(_Style):
    """Keeps a module whole in each process, with parameters that are DTensors as those of the modules around it.

    >>> import eqsynth as eq
    >>> eq.nn.ReplicateParallel()
    ReplicateParallel(input_layouts=Replicate(), output_layouts=Replicate(), use_local_output=True)

    For what mixes channels and is not worth splitting, such as LayerNorm: optimisers and ``clip_grad_norm_`` do not
    take DTensors and plain tensors together.
    """

    def placement(self, module: nn.Module, name: str) -> Placement:  # noqa: ARG002 - all alike
        """Whole."""
        return WHOLE

    def _apply(self, module: nn.Module, device_mesh: DeviceMesh) -> nn.Module:
        inner = ReplicateParallel()
        inner.src_data_rank = self.src_data_rank
        for child in module.children():
            if any(True for _ in child.parameters()):
                inner._apply(child, device_mesh)
        return super()._apply(module, device_mesh)


def _parts(space: Space, size: int) -> tuple[int, ...]:
    """The channels of each term that one process has."""
    for channels in space.channels:
        if channels % size:
            raise SpaceError(
                f"{channels} channels of {space} cannot be split over {size} processes: make them a multiple of {size}"
            )
    return tuple(channels // size for channels in space.channels)


def _numbers(channels: tuple[int, ...]) -> int | tuple[int, ...]:
    """Channels as emitted classes hold them."""
    return channels[0] if len(channels) == 1 else channels


def _space_out(module: Any) -> Space:
    space: Space = module.hom.space_out if isinstance(module, Linear) else module.problem.space_out
    return space


def _emitted(module: nn.Module) -> Any:
    """The class that was emitted for a layer."""
    return next(kind for kind in type(module).__mro__ if kind.__name__ in ("EquivariantLinear", "EquivariantProduct"))


def _by_channel(module: nn.Module) -> bool:
    """Whether each channel is treated by itself, in the same way wherever it is."""
    if isinstance(module, Pool):
        return not len(module.linear)
    kinds = (Activation, Gated, NormActivation, BatchNorm, Dropout)
    return isinstance(module, kinds) and not any(True for child in module.children() for _ in child.parameters())


def _refused(module: nn.Module, what: str) -> str:
    name = type(module).__name__
    start = f"the {what} of {name} cannot be split over processes"
    if isinstance(module, LayerNorm):
        return f"{start}: its means are taken over channels. Keep it whole (eq.nn.ReplicateParallel), or use BatchNorm"
    if isinstance(module, Pairings):
        return f"{start}: each of its pairings needs all of them. Split what it makes: eq.nn.ColwiseParallel"
    if isinstance(module, TensorProduct):
        return f"{start}: each channel meets each. Use mode='paired', or split its outputs: eq.nn.ColwiseParallel"
    if isinstance(module, (Linear, *PRODUCTS)):
        return f"{start}: they are mixed. Use eq.nn.ColwiseParallel or eq.nn.RowwiseParallel"
    if isinstance(module, Pool):
        return f"{start}: it mixes them. Use components='norm', or keep it whole (eq.nn.ReplicateParallel)"
    if isinstance(module, (Activation, Gated, NormActivation)):
        return f"{start}: its function has parameters that all channels share. Keep it whole (eq.nn.ReplicateParallel)"
    return f"{start} here. ColwiseParallel and RowwiseParallel are for layers, ChannelwiseParallel for what is between"


# --- the modules ------------------------------------------------------------------------------------


class _Split(nn.Module):
    """What a module becomes: it computes with its part of every parameter, as a smaller module of its kind.

    ``weight``, ``parameters()`` and ``state_dict()`` have DTensors, which tell the whole; within ``forward`` the
    attributes are the parts.
    """

    _split: tuple[_Style, DeviceMesh]
    _within = False

    def forward(self, *inputs: Any, **sizes: Any) -> Any:
        style, _ = self._split
        count = len(self.problem.operands) if isinstance(self, TensorProduct) else 1
        return self._leave(self._compute(*[self._enter(x) for x in inputs[:count]], *inputs[count:], **sizes), style)

    def _compute(self, *inputs: Any, **sizes: Any) -> Any:
        return self._with_parts(super().forward, *inputs, **sizes)

    def _with_parts(self, function: Any, *inputs: Any, **sizes: Any) -> Any:
        self._within = True
        try:
            return function(*inputs, **sizes)
        finally:
            self._within = False

    def _enter(self, x: Any) -> Any:
        """The part of each tensor that the computation takes."""
        style, mesh = self._split
        if not isinstance(x, tuple | list):
            return _entered(x, style, mesh)
        return tuple([_entered(term, style, mesh) for term in x])

    def _leave(self, y: Any, style: _Style) -> Any:
        """Each tensor in the layout that was asked for."""
        _, mesh = self._split
        if style.makes == style.output_layouts and style.use_local_output:
            return y
        outputs = []
        for term in y if isinstance(y, tuple) else (y,):
            whole = DTensor.from_local(term, mesh, [style.makes], run_check=False)
            whole = whole.redistribute(placements=[style.output_layouts])
            outputs.append(whole.to_local() if style.use_local_output else whole)
        return joined(outputs)

    def __reduce_ex__(self, protocol: Any) -> Any:
        kind = next(kind for kind in type(self).__mro__ if not issubclass(kind, _Split))
        layer = isinstance(self, (Linear, *PRODUCTS))
        recipe = super().__reduce_ex__(protocol)[:2] if layer else (kind.__new__, (kind,))
        return _again, (*recipe, type(self)._names), self.__getstate__()  # type: ignore[attr-defined, no-untyped-call]


class _SplitPairings(_Split, Pairings):
    """Pairings of all channels, added to the channels that this process has."""

    def _compute(self, x: Any, *others: Any) -> Tensors:
        style, mesh = self._split
        terms = list(self.terms_of(x, *others))
        mine = [_part(term, mesh) for term in terms] if style.makes == SPLIT else terms
        return joined(self._with_parts(self.paired, terms, mine))


class _SplitDropout(_Split, Dropout):
    """Masks of all channels, of which this process has some: with equal seeds the same as in one process."""

    def mask(self, term: torch.Tensor, batch: Sequence[int], channels: int) -> torch.Tensor:
        _, mesh = self._split
        return _part(Dropout.mask(self, term, batch, channels * mesh.size()), mesh)


class _SplitBatchNorm(_Split, BatchNorm):
    """Statistics of each channel: the same wherever the channel is."""

    def together(self, inputs: Sequence[Any]) -> list[Tensors]:
        return self._with_parts(super().together, inputs)  # type: ignore[no-any-return]


def _entered(term: Any, style: _Style, mesh: DeviceMesh) -> Any:
    summed = style.takes == WHOLE != style.makes
    if not isinstance(term, DTensor):
        if not isinstance(term, torch.Tensor) or not (summed or style.input_layouts != style.takes):
            return term
        term = DTensor.from_local(term, mesh, [style.input_layouts], run_check=False)
    whole = term.redistribute(placements=[style.takes])
    # Each process knows the gradient of what it computes: they are added up.
    return whole.to_local(grad_placements=[SUMMAND]) if summed else whole.to_local()


def _part(x: torch.Tensor, mesh: DeviceMesh) -> torch.Tensor:
    """The channels of a process."""
    count = x.shape[-1] // mesh.size()
    return x.narrow(-1, mesh.get_local_rank() * count, count)


def _named(name: str, self: Any) -> Any:
    return _own(self, name)


def _own(self: Any, name: str) -> Any:
    """A parameter or buffer; within a computation the part of it that this process has."""
    value = self._parameters[name] if name in self._parameters else self._buffers[name]
    if not self._within or not isinstance(value, DTensor):
        return value
    style, mesh = self._split
    part = value.to_local()
    if style.makes == SUMMAND and name.startswith("bias") and mesh.get_local_rank():
        return part - part.detach()  # added once, with the same gradient everywhere
    return part


@lru_cache(maxsize=256)
def _split_class(kind: type[nn.Module], names: tuple[str, ...]) -> type[nn.Module]:
    """The class of a split module, whose attributes of these names are parts."""
    special = {Pairings: _SplitPairings, Dropout: _SplitDropout, BatchNorm: _SplitBatchNorm}
    base = next((mixin for known, mixin in special.items() if issubclass(kind, known)), _Split)
    parts = {name: property(partial(_named, name)) for name in names}
    body = {"__module__": __name__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__, "_names": names}
    return type(kind.__name__, (base, kind), body | parts)


def _again(make: Any, arguments: tuple[Any, ...], names: tuple[str, ...]) -> nn.Module:
    """A split module without state, for pickle and copy to fill."""
    module: nn.Module = make(*arguments)
    module.__class__ = _split_class(type(module), names)  # type: ignore[arg-type]
    return module


# --- plans ------------------------------------------------------------------------------------------


def parallel_plan(model: nn.Module, size: int) -> dict[str, ParallelStyle]:
    """How to split the channels of a whole model over ``size`` processes: a style for each module in it.

    >>> import eqsynth as eq
    >>> net = eq.nn.MLP("S(n)", ["1x2", "16x2", "16x1", "1x0"])
    >>> for name, style in eq.nn.parallel_plan(net, 2).items():
    ...     print(name, type(net[int(name)]).__name__, style)
    0 Linear ColwiseParallel(input_layouts=Replicate(), output_layouts=Shard(dim=-1), use_local_output=True)
    1 Activation ChannelwiseParallel(input_layouts=Shard(dim=-1), output_layouts=Shard(dim=-1), use_local_output=True)
    2 Linear RowwiseParallel(input_layouts=Shard(dim=-1), output_layouts=Replicate(), use_local_output=True)
    4 Linear RowwiseParallel(input_layouts=Replicate(), output_layouts=Replicate(), use_local_output=True)

    Give it to ``torch.distributed.tensor.parallel.parallelize_module(net, mesh, plan)``. Takes eq.nn.MLP, Sequential
    and Residual, Padded around them, and single layers. Layers are split by output channels and by input channels in
    turn, with what treats each channel by itself between them; what mixes channels otherwise (LayerNorm, modules of
    your own) stays whole, with the layer before it giving whole outputs. Inputs and outputs of the model are whole in
    every process, so every process is given the same batch, and the same random seed where there is dropout.

    Raises SpaceError where neither the input nor the output channels of a layer can be split evenly, EqsynthError for
    models whose parts are not known to follow each other.
    """
    processes = whole(size)
    if processes is None or processes < 1:
        raise EqsynthError(f"a plan is for a number of processes, such as mesh.size(), not {shown(size)}")
    size = processes
    plan: dict[str, ParallelStyle] = {}
    if isinstance(model, Padded):
        pieces = list(_pieces("module", model.module))
    elif isinstance(model, (Sequential, Residual, Linear, Power, PolynomialLayer)):
        pieces = list(_pieces("", model))
    elif isinstance(model, TensorProduct):
        pieces = [("", model)]
    else:
        raise EqsynthError(
            f"how the parts of {type(model).__name__} follow each other is not known: ask for plans of its parts, each "
            "an eq.nn.Sequential, and put the names in front; or write the plan yourself, as for torch's "
            "parallelize_module, with eq.nn.ColwiseParallel and eq.nn.RowwiseParallel"
        )
    _plan_pieces(pieces, size, plan)
    return plan


def _pieces(name: str, module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """What follows each other, with its name in the model."""
    if isinstance(module, Sequential):
        for child, part in module.named_children():
            yield from _pieces(_joined(name, child), part)
    else:
        yield name, module


def _joined(*names: str) -> str:
    return ".".join(name for name in names if name)


def _plan_pieces(pieces: list[tuple[str, nn.Module]], size: int, plan: dict[str, ParallelStyle]) -> None:
    """Styles of pieces whose input and output are whole."""
    split = False
    for place, (name, module) in enumerate(pieces):
        ahead = _split_ahead([piece for _, piece in pieces[place + 1 :]], size)
        if isinstance(module, (Linear, *PRODUCTS)):
            style, split = _layer_style(module, size, split, ahead)
            plan[name] = style
        elif isinstance(module, Pairings) and _divides(module.space_out, size):
            plan[name] = ColwiseParallel() if ahead else ColwiseParallel(output_layouts=WHOLE)
            split = ahead
        elif isinstance(module, Residual):
            _plan_pieces(list(_pieces(_joined(name, "module"), module.module)), size, plan)
        elif split:
            plan[name] = ChannelwiseParallel()
        elif any(True for _ in module.parameters()):
            plan[name] = ReplicateParallel()


def _split_ahead(pieces: list[nn.Module], size: int) -> bool:
    """Whether what follows takes split channels, up to a layer that puts them together."""
    for module in pieces:
        if isinstance(module, (Linear, Power, PolynomialLayer)):
            return _divides(problem_of(module).space_in, size)
        if not _by_channel(module) or isinstance(module, Pool):
            return False
    return False


def _layer_style(module: Any, size: int, split: bool, ahead: bool) -> tuple[ParallelStyle, bool]:
    """The style of a layer, and whether its outputs are split."""
    if split:
        return RowwiseParallel(), False
    if _divides(_space_out(module), size):
        return (ColwiseParallel(), True) if ahead else (ColwiseParallel(output_layouts=WHOLE), False)
    full = isinstance(module, TensorProduct) and module.problem.full
    if not full and all(_divides(space, size) for space in module.problem.operands):
        return RowwiseParallel(input_layouts=WHOLE), False
    raise SpaceError(
        f"neither the inputs nor the outputs of {module} can be split over {size} processes: give one of them channels "
        f"that are multiples of {size}, or split the model over fewer processes"
    )


def _divides(space: Space, size: int) -> bool:
    return all(channels % size == 0 for channels in space.channels)
