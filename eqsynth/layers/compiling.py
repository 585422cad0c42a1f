"""``eq.compile``: torch.compile with derivatives of every order.

Torch gives what it compiles one backward pass, and refuses to differentiate that in its turn. Here the backward pass
is the vector-Jacobian product, a function like any other: it is compiled when it is first needed, with a backward
pass of its own, and so on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from inspect import signature
from itertools import count
from types import FunctionType
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import linear
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, _get_current_dispatch_mode

from eqsynth.errors import EqsynthError, explain_calls
from eqsynth.layers.emitted import Output

Function = Callable[..., tuple[Tensor, ...]]
_numbers = count()


@explain_calls
def compile(module: nn.Module, **options: Any) -> Compiled:  # noqa: A001 - the name that it has in torch
    """A module compiled by torch that can be differentiated as often as you like, for forces and gradient penalties.

    >>> import torch, eqsynth as eq
    >>> layer = eq.Linear("O(3)", "4x1", "2x1")
    >>> compiled = eq.compile(layer, backend="aot_eager")
    >>> x = torch.randn(5, 3, 4, requires_grad=True)
    >>> (force,) = torch.autograd.grad(compiled(x).square().sum(), x, create_graph=True)
    >>> force.square().sum().backward()
    >>> layer.weight.grad.shape
    torch.Size([1, 2, 4])

    ``module`` is a layer, or a whole network, that takes tensors (also in tuples) and other values, and gives a tensor
    or a tuple of tensors. ``options`` go to torch.compile: ``backend``, ``mode``, ``dynamic``. The compiled module
    shares its parameters with ``module``. Each order of derivatives is compiled when it is first asked for.
    Backward passes start from the inputs, as in torch.utils.checkpoint, so that nothing in between is kept.

    Raises EqsynthError at the first call for a module that draws random numbers or changes its buffers, as dropout and
    batch normalisation do in training: computed again in a backward pass, it would give something else.
    """
    # A misspelt option is refused here, by its name, not at the first call.
    signature(torch.compile).bind(module, **options)
    return Compiled(module, options)


class Compiled(nn.Module):
    """What :func:`compile` makes: ``module``, with its calls compiled."""

    if TYPE_CHECKING:

        def __call__(self, *args: Any, **kwargs: Any) -> Output:
            """What the module computes."""

    def __init__(self, module: nn.Module, options: dict[str, Any]) -> None:
        super().__init__()
        self.module = module
        self.options = options
        self._made: dict[Any, tuple[_Smooth, bool]] = {}

    def __getattr__(self, name: str) -> Any:
        """What the module says of its group and its spaces, so that it can stand in a larger network."""
        own = name not in ("hom", "group", "space_in", "space_out", "sizes")
        return super().__getattr__(name) if own else getattr(self.module, name)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes."""
        if torch.compiler.is_compiling() or isinstance(_get_current_dispatch_mode(), _NoChance):
            # A part of something larger that is compiled, or is about to be.
            return self.module(*args, **kwargs)
        tensors: list[Tensor] = []
        kinds: list[type] = []  # True, 1 and 1.0 are equal, and may mean different things to a module
        form = _form((*args, *kwargs.values()), tensors, kinds)
        key = form, *kinds, *kwargs, *(one.training for one in self.module.modules())
        if key not in self._made:
            self._made[key] = _Smooth(self._function(form, tuple(kwargs)), self.options), self._checked(args, kwargs)
        smooth, single = self._made[key]
        outputs = smooth(*self.module.parameters(), *tensors)
        return outputs[0] if single else outputs

    def _function(self, form: tuple[Any, ...], names: tuple[str, ...]) -> Function:
        """The module as a function of its parameters and of the tensors among its arguments."""
        module, parameters = self.module, [name for name, _ in self.module.named_parameters()]

        def function(*tensors: Tensor) -> tuple[Tensor, ...]:
            args = _filled(form, iter(tensors[len(parameters) :]))
            positional = len(form) - len(names)
            weights = dict(zip(parameters, tensors[: len(parameters)], strict=True))
            outputs = torch.func.functional_call(
                module, weights, args[:positional], dict(zip(names, args[positional:], strict=True))
            )
            return (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)

        return function

    def _checked(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Whether the module gives a single tensor; EqsynthError unless it always computes the same."""
        buffers = list(self.module.buffers())
        before = [buffer._version for buffer in buffers]
        with torch.no_grad(), _NoChance():  # type: ignore[no-untyped-call]
            outputs = self.module(*args, **kwargs)
        now = list(self.module.buffers())
        if [*map(id, now)] != [*map(id, buffers)] or [buffer._version for buffer in now] != before:
            raise EqsynthError(
                f"{type(self.module).__name__} changes its buffers when it is called, and a backward pass would change "
                "them again: call eval() where that stops it, or compile the parts around it"
            )
        single = isinstance(outputs, Tensor)
        if not single and not (isinstance(outputs, tuple | list) and all(isinstance(one, Tensor) for one in outputs)):
            raise EqsynthError(f"{type(self.module).__name__} gives neither a tensor nor a tuple of tensors")
        return single

    def __getstate__(self) -> dict[str, Any]:
        # What is compiled belongs to this module; a copy compiles its own.
        return {**self.__dict__, "_made": {}}


def _form(value: Any, tensors: list[Tensor], kinds: list[type]) -> Any:
    """The value with Tensor in the place of one tensor, and lists as tuples; what is outputs on the way is listed."""
    if isinstance(value, Tensor):
        tensors.append(value)
        return Tensor
    if isinstance(value, tuple | list):
        return tuple([_form(part, tensors, kinds) for part in value])
    kinds.append(type(value))
    return value


def _filled(form: Any, tensors: Iterator[Tensor]) -> Any:
    if form is Tensor:
        return next(tensors)
    return tuple([_filled(part, tensors) for part in form]) if isinstance(form, tuple) else form


class _NoChance(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Refuses operations that draw random numbers."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if torch.Tag.nondeterministic_seeded in func.tags:
            raise EqsynthError(
                f"{func} draws random numbers, and a backward pass would draw others: call eval() where that stops it, "
                "or compile the parts around it"
            )
        return func(*args, **(kwargs or {}))


class _Smooth:
    """A compiled function of tensors, and its vector-Jacobian products, which are functions of the same kind."""

    def __init__(self, function: Function, options: dict[str, Any]) -> None:
        self.function = function
        self.options = options
        self.run = torch.compile(_own_code(function), fullgraph=True, **options)
        self.pullbacks: dict[Any, _Smooth] = {}

    def __call__(self, *xs: Tensor) -> tuple[Tensor, ...]:
        return cast("tuple[Tensor, ...]", _Call.apply(self, *xs))  # type: ignore[no-untyped-call]

    def pullback(self, needed: Sequence[bool], given: Sequence[bool]) -> _Smooth:
        """The gradients of the inputs that need one, as a function of all inputs and the gradients that are given."""
        key = tuple(needed), tuple(given)
        if key not in self.pullbacks:
            self.pullbacks[key] = _Smooth(_pullback(self.function, *key), self.options)
        return self.pullbacks[key]


def _pullback(function: Function, needed: tuple[bool, ...], given: tuple[bool, ...]) -> Function:
    def pullback(*tensors: Tensor) -> tuple[Tensor, ...]:
        inputs, gradients = tensors[: len(needed)], tensors[len(needed) :]

        def part(*some: Tensor) -> tuple[Tensor, ...]:
            left = iter(some)
            outputs = function(*[next(left) if need else x for x, need in zip(inputs, needed, strict=True)])
            return tuple(y for y, wanted in zip(outputs, given, strict=True) if wanted)

        back = torch.func.vjp(part, *[x for x, need in zip(inputs, needed, strict=True) if need])[1]
        return tuple(back(gradients))

    return pullback


class _OpenSizes(TorchFunctionMode):
    """Keeps torch.func from fixing the sizes of x in linear(x, weight, bias) with three axes, as it does to flatten x.

    What it fixes is compiled anew for every batch, until torch gives up.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is linear and args[0].dim() == 3:
            flat = linear(args[0].flatten(0, 1), *args[1:], **(kwargs or {}))
            return flat.unflatten(0, args[0].shape[:2])
        if getattr(func, "__module__", "") == "torch._tensor":
            # Methods written in Python have no name of their own in the graphs of older torch (pytorch 160077).
            return getattr(args[0], func.__name__)(*args[1:], **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _own_code(function: Function) -> Function:
    """The same function with code of its own: torch counts compilations by code, and gives up after a few."""
    compiled = cast("FunctionType", function)
    code = compiled.__code__.replace(co_name=f"{compiled.__name__}_{next(_numbers)}")
    return FunctionType(code, compiled.__globals__, code.co_name, compiled.__defaults__, compiled.__closure__)


class _Call(torch.autograd.Function):
    """A call of a smooth function, with its pullback as backward pass."""

    @staticmethod
    def forward(ctx: Any, smooth: _Smooth, *xs: Tensor) -> tuple[Tensor, ...]:
        ctx.smooth = smooth
        ctx.save_for_backward(*xs)
        ctx.set_materialize_grads(False)
        ctx.autocast = _autocast(xs)
        # Torch takes the shapes of parameters to be fixed, whatever is said about those of other tensors.
        with _OpenSizes():
            return smooth.run(*[x if isinstance(x, nn.Parameter) else x.detach() for x in xs])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        needed = ctx.needs_input_grad[1:]
        # One memory layout, since torch compiles anew for one.
        known = [gradient.contiguous() for gradient in gradients if gradient is not None]
        if not known:
            return (None,) * len(ctx.needs_input_grad)
        with ctx.autocast:
            smooth = ctx.smooth.pullback(needed, [gradient is not None for gradient in gradients])
            outputs = iter(smooth(*ctx.saved_tensors, *known))
        return (None, *[next(outputs) if need else None for need in needed])


def _autocast(xs: Sequence[Tensor]) -> Any:
    """The state of autocast for these tensors, to be the same in the backward pass."""
    kinds = {x.device.type for x in xs}
    if len(kinds) != 1 or not torch.amp.is_autocast_available(kind := kinds.pop()):
        return nullcontext()
    return torch.autocast(kind, torch.get_autocast_dtype(kind), torch.is_autocast_enabled(kind))
