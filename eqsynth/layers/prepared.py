"""What a layer computes from its weights alone, kept from one call to the next: ``layer.prepare()``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils._pytree import tree_leaves, tree_map

from eqsynth.errors import EqsynthError, explain_calls, shown

ModuleT = TypeVar("ModuleT", bound=nn.Module)
#: How many steps optimisers have taken since something was prepared: fused ones change weights without their versions.
_steps = [0]


def _count_step(*_: Any) -> None:
    _steps[0] += 1


@lru_cache(maxsize=1)
def _watch_optimisers() -> None:
    register_optimizer_step_post_hook(_count_step)


@dataclass(frozen=True, slots=True)
class Seen:
    """A tensor as it was: the object, its memory (held, so that no other gets its address), its version and dtype."""

    tensor: torch.Tensor
    memory: torch.Tensor
    version: int
    dtype: torch.dtype
    turned: bool

    @classmethod
    def of(cls, tensor: torch.Tensor) -> Seen:
        """The tensor as it is."""
        return cls(tensor, tensor.detach(), tensor._version, tensor.dtype, _is_turned(tensor))

    def is_still(self, tensor: torch.Tensor | None) -> bool:
        """Whether this is the same object, nothing was written to it, and it has the same memory and layout."""
        return (
            tensor is self.tensor
            and tensor._version == self.version
            and tensor.is_set_to(self.memory)
            and tensor.dtype is self.dtype
            and _is_turned(tensor) is self.turned
        )


@dataclass(frozen=True, slots=True)
class Prepared:
    """Values that depend on weights alone, and the tensors that they were computed from, by name."""

    values: tuple[Any, ...]
    parameters: dict[str, Seen]
    tables: dict[str, Seen]
    steps: int
    device: str

    def holds(self, layer: nn.Module) -> bool:
        """Whether the values are still those that this call of the layer would compute, and may stand for them."""
        if torch.is_grad_enabled() and any(one.tensor.requires_grad for one in self.parameters.values()):
            return False
        return not (_is_traced() or torch.is_autocast_enabled(self.device)) and self.unchanged(layer)

    def unchanged(self, layer: nn.Module) -> bool:
        """Whether the tensors are those that the values were computed from, with the values that they had."""
        if self.steps != _steps[0]:
            return False
        for own, seen in ((layer._parameters, self.parameters), (layer._buffers, self.tables)):
            for name, one in seen.items():
                if not one.is_still(own.get(name)):
                    return False
        return True


def prepared(layer: nn.Module, matrices: Any, names: frozenset[str]) -> Prepared | None:
    """The values of a layer; None where they would not be noticed to change, or do not come from its own tensors.

    Also None where nothing is computed from weights.
    """
    parameters = {name: value for name, value in layer._parameters.items() if value is not None and name in names}
    tables = {name: value for name, value in layer._buffers.items() if value is not None and name in names}
    tensors = [*parameters.values(), *tables.values()]
    # Weights that are made of others at each call, as parametrised or pruned ones, are no tensors of the layer.
    others = [name for name in names - {*parameters, *tables} if isinstance(getattr(layer, name), torch.Tensor)]
    if (
        others
        or not parameters
        or any(type(one) not in (nn.Parameter, torch.Tensor) or one.is_inference() or one.is_meta for one in tensors)
    ):
        return None
    _watch_optimisers()
    seen, kept = ({name: Seen.of(one) for name, one in some.items()} for some in (parameters, tables))
    device = tensors[0].device.type
    if _is_traced() or torch.is_autocast_enabled(device):
        return None
    with torch.inference_mode(False), torch.no_grad():
        values = tuple(tree_map(_detached, matrices(layer)))
        made = Prepared(values, seen, kept, _steps[0], device)
    memory = {one.untyped_storage().data_ptr() for one in parameters.values()}
    if all(isinstance(one, torch.Tensor) and one.untyped_storage().data_ptr() in memory for one in tree_leaves(values)):
        return None  # views of weights: to see that these are the same takes longer than to make them
    # Weights that another thread changes meanwhile are those of no moment.
    return made if made.unchanged(layer) else None


@explain_calls
def prepare(module: ModuleT) -> ModuleT:
    """Prepare every layer of eqsynth in a module for calls that need no gradient of weights; returns the module.

    >>> import torch, eqsynth as eq
    >>> net = eq.nn.prepare(eq.nn.MLP("O(3)", ["4x1", "8x1 + 8x0", "2x1"]).eval())
    >>> with torch.no_grad():
    ...     y = net(torch.randn(5, 3, 4))
    >>> y.shape
    torch.Size([5, 3, 2])

    The same as ``layer.prepare()`` of each :class:`eqsynth.Linear`, :class:`eqsynth.TensorProduct` and so on: that
    says when what was prepared is used, and which changes of weights nobody can notice.

    Raises EqsynthError for what is no module.
    """
    if not isinstance(module, nn.Module):
        raise EqsynthError(f"{shown(module)} is no torch.nn.Module: pass a layer or a network")
    layers: list[Any] = [part for part in module.modules() if hasattr(type(part), "artifact")]
    for layer in layers:
        layer.prepare()
    return module


def _detached(value: Any) -> Any:
    return value.detach() if isinstance(value, torch.Tensor) else value


def _is_turned(tensor: torch.Tensor) -> bool:
    """Whether entries are the conjugates or the negatives of those in memory."""
    return tensor.is_conj() or tensor.is_neg()


def _is_traced() -> bool:
    return bool(
        torch.compiler.is_compiling()
        or torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        or torch._C._functorch.peek_interpreter_stack() is not None
        or torch._C._len_torch_dispatch_stack()
        or torch._C._len_torch_function_stack()
    )
