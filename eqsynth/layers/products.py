"""``eqsynth.TensorProduct``, ``Power`` and ``PolynomialLayer``: emitted source, compiled, as torch.nn.Modules."""

from __future__ import annotations

import warnings
from functools import lru_cache
from html import escape
from typing import Any

import torch
from torch import nn

from eqsynth.bases.basis import Basis
from eqsynth.codegen.emit import Artifact
from eqsynth.codegen.emit_products import emit_products
from eqsynth.errors import EqsynthError, IgnoredInputWarning, ShapeError, ZeroOutputWarning, abridged, shown
from eqsynth.exact.numbers import flag, whole
from eqsynth.families.group import Group
from eqsynth.layers.linear import afford_layer, compile_source, overridden
from eqsynth.plans.products import MAX_DEGREE, Problem, ProductPlan, plan_products
from eqsynth.spaces.space import Space

#: What a space may be given as.
SpaceLike = str | int | Space


class _Product(nn.Module):
    """What layers of products share: the class of a layer is made for its problem, as that of eq.Linear is."""

    problem: Problem
    plan: ProductPlan
    artifact: Artifact

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # The class that is made has an __init__ of its own, whose super() call ends here.
        super().__init__()

    def __init_subclass__(cls, made: bool = False, kind: bool = False) -> None:
        """Refuse subclasses: the class of a layer is made for its problem. Torch may wrap that class in its own."""
        if not made and not kind and _Product in (base for each in cls.__bases__ for base in each.__bases__):
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
        """The maps behind each weight: (term of u, term of v, output term), or the inputs of a power and the term."""
        terms = self.problem.terms
        starts = [0] if self.problem.degrees else [0, len(self.problem.operands[0])]
        return {
            (*(number - (starts[place] if len(starts) > 1 else 0) for place, number in enumerate(terms[i])), o):
            self.plan.basis(i, o)
            for i in range(len(terms))
            for o in range(len(self.problem.space_out))
        }  # fmt: skip

    def extra_repr(self) -> str:
        """The problem, and how many maps and parameters the layer has."""
        maps = sum(pair.dim for pair in self.plan.pairs)
        count = sum(parameter.numel() for parameter in self.parameters())
        mode = "" if self.problem.degrees else f"mode={self.problem.mode!r}, "
        return (
            f"{abridged(self.problem)}, {maps} map{'s' if maps != 1 else ''}, {count} parameters, {mode}"
            f"bias={self.plan.bias}, normalization={self.plan.normalization!r}"
        )

    def _repr_html_(self) -> str:
        """What Jupyter shows: the layer and the steps of its plan."""
        return f"<div><code>{escape(repr(self))}</code>{self.plan._repr_html_()}</div>"

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        # Torch refuses here to pickle a layer that it has wrapped in a class of its own.
        state = self.__getstate__()  # type: ignore[no-untyped-call]
        kind = next(kind.__name__ for kind in type(self).__mro__ if kind in KINDS)
        return _blank, (kind, self.problem, self.plan.bias, self.plan.normalization), state


class TensorProduct(_Product, kind=True):
    """Every bilinear map of two inputs that commutes with a group, with one weight per map.

    >>> import torch, eqsynth as eq
    >>> layer = eq.TensorProduct("S(n)", "4x2", "8x1", "16x1")
    >>> layer
    TensorProduct(S(n): 4x2 (x) 8x1 -> 16x1, 15 maps, 7696 parameters, mode='full', bias=True, normalization='variance')
    >>> layer(torch.randn(4, 9, 9, 4), torch.randn(4, 9, 8)).shape
    torch.Size([4, 9, 16])

    Tensors are channels-last as in :class:`eqsynth.Linear`; a space of several terms takes a tuple. The maps are the
    diagrams of order k + l, ``eq.basis(group, k + l, m)``, whose first k inputs belong to u and the others to v. Each
    is computed as reductions of u, reductions of v, one contraction, one mixing of channels and one spreading: their
    outer product, which has n^(k+l) entries, is not formed, unless a map needs it whole. ``print(layer.plan)`` shows
    this. Maps of permutation and matrix groups that are no diagrams are one tied matrix, for small n and orders.

    ``mode`` says how channels meet. ``"full"``: each channel of u with each of v, ``weight`` of shape
    ``(maps, channels_out, channels_u, channels_v)``; e3nn calls this ``uvw``. ``"paired"``: each with its own, both
    inputs having equally many, then mixed, ``weight`` of shape ``(maps, channels_out, channels)``: e3nn's ``uuw``.
    It has fewer weights by a factor of the channels, and needs as much less memory.
    With several terms the weights are ``weight_i_j_o``, for terms i of u, j of v and o of the output.

    ``bias``: the constant maps, as in Linear. ``normalization`` is that of Linear, for sums in u, in v, and over both;
    initial weights give outputs of variance near 1 for independent inputs of entries with variance 1.

    Raises ParseError, GroupError, SpaceError or SizeError for the problem, ShapeError for a tensor.

    Source: arXiv 2304.14165 and 2412.10837 for the factoring of diagrams.
    """

    def __new__(  # noqa: D102 - the class docstring describes it
        cls,
        group: str | Group,
        space_1: SpaceLike,
        space_2: SpaceLike,
        space_out: SpaceLike,
        mode: str = "full",
        bias: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
        normalization: str = "variance",
    ) -> TensorProduct:
        problem = Problem.parse(group, (space_1, space_2), space_out, mode)
        return _made("TensorProduct", problem, bias, normalization)  # type: ignore[return-value]


class Power(_Product, kind=True):
    """Every equivariant map of the power x (x) ... (x) x of one input, with one weight per map.

    >>> import torch, eqsynth as eq
    >>> layer = eq.Power("O(3)", "16x1", 2, "8x2 + 8x0")
    >>> layer
    Power(O(3): powers 2 of 16x1 -> 8x2 + 8x0, 3 maps, 400 parameters, bias=True, normalization='variance')
    >>> square, norm = layer(torch.randn(4, 3, 16))
    >>> square.shape, torch.allclose(square, square.transpose(1, 2))
    (torch.Size([4, 3, 3, 8]), True)

    Each channel is multiplied by itself, then channels are mixed: ``weight`` of shape ``(maps, channels_out,
    channels)``; a Linear layer before gives products of different channels. Maps that agree wherever all factors are
    equal are one map: an independent set of them is kept, exactly as many as there are. Here these are u v^T and
    v u^T. In a space of several terms, all of equally many channels, different terms are multiplied too:
    ``weight_0_0_o``, ``weight_0_1_o``, ...

    Initial weights give outputs of mean square near 1
    for independent normal inputs (exactly for n a number; at n = 16 for n a letter).

    Raises EqsynthError for a degree below 1 or above 6, and what TensorProduct raises.
    """

    def __new__(  # noqa: D102 - the class docstring describes it
        cls,
        group: str | Group,
        space: SpaceLike,
        degree: int,
        space_out: SpaceLike,
        bias: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
        normalization: str = "variance",
    ) -> Power:
        problem = Problem.parse(group, (space,), space_out, "paired", (_degree(degree),))
        return _made("Power", problem, bias, normalization)  # type: ignore[return-value]


class PolynomialLayer(_Product, kind=True):
    """Every equivariant polynomial of one input up to a degree, channel by channel, then mixed.

    >>> import torch, eqsynth as eq
    >>> layer = eq.PolynomialLayer("S(n)", "8x1", 2, "4x1")
    >>> layer
    PolynomialLayer(S(n): powers 1, 2 of 8x1 -> 4x1, 6 maps, 196 parameters, bias=True, normalization='variance')
    >>> layer(torch.randn(4, 9, 8)).shape
    torch.Size([4, 9, 4])

    The sum of the powers 1 to ``degree`` (:class:`Power`) and, as the bias, of degree 0, in one plan: reductions of
    the input are shared, and channels of all degrees are mixed together. ``weight_0_o`` belongs to degree 1,
    ``weight_0_0_o`` to degree 2, and so on.
    """

    def __new__(  # noqa: D102 - the class docstring describes it
        cls,
        group: str | Group,
        space: SpaceLike,
        degree: int,
        space_out: SpaceLike,
        bias: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
        normalization: str = "variance",
    ) -> PolynomialLayer:
        problem = Problem.parse(group, (space,), space_out, "paired", tuple(range(1, _degree(degree) + 1)))
        return _made("PolynomialLayer", problem, bias, normalization)  # type: ignore[return-value]


KINDS = (TensorProduct, Power, PolynomialLayer)


def _degree(degree: object) -> int:
    number = whole(degree)
    if number is None or not 1 <= number <= MAX_DEGREE:
        raise EqsynthError(f"the degree {shown(degree)} of a power is no whole number from 1 to {MAX_DEGREE}")
    return number


def _made(kind: str, problem: Problem, bias: bool, normalization: str) -> _Product:
    """A layer without parameters, of the class that is made for the problem."""
    plan = plan_products(problem, flag("bias", bias), normalization)
    for message in plan.zero_outputs():
        warnings.warn(message, category=ZeroOutputWarning, stacklevel=3)
    for message in plan.ignored_inputs():
        warnings.warn(message, category=IgnoredInputWarning, stacklevel=3)
    layer: _Product = nn.Module.__new__(_layer_class(kind, plan))
    return layer


def _blank(kind: str, problem: Problem, bias: bool, normalization: str) -> _Product:
    """A layer without parameters, for pickle and copy to fill."""
    layer: _Product = nn.Module.__new__(_layer_class(kind, plan_products(problem, bias, normalization)))
    return layer


@lru_cache(maxsize=256)
def _layer_class(name: str, plan: ProductPlan) -> type[_Product]:
    """The class that the emitted source defines, joined with that of its kind."""
    (kind,) = (kind for kind in KINDS if kind.__name__ == name)
    artifact = emit_products(plan)
    emitted = compile_source(artifact, "EquivariantProduct")
    # Device and dtype by place follow those of the problem and the bias, and of the mode of two inputs.
    places = 6

    def initialise(self: Any, *args: Any, device: Any = None, dtype: Any = None, **kwargs: Any) -> None:
        given = args[places - (name != "TensorProduct") :]
        device, dtype = (*given[:2], *(device, dtype)[len(given[:2]) :])
        afford_layer(plan, device, dtype)
        emitted.__init__(self, device=device, dtype=dtype)

    def blank(cls: type[_Product], *args: Any, **kwargs: Any) -> Any:
        """Torch makes replicas with no arguments, and fills them."""
        return kind(*args, **kwargs) if args or kwargs else nn.Module.__new__(cls)

    body = {
        **overridden(emitted, plan),
        "__new__": blank,
        "__init__": initialise,
        "__module__": __name__,
        "__doc__": kind.__doc__,
        "__qualname__": name,
        "extra_repr": kind.extra_repr,
        "ShapeError": ShapeError,
        "problem": plan.problem,
        "plan": plan,
        "artifact": artifact,
    }
    if plan.problem.degrees:
        # One input: eq.nn.Sequential and eq.testing know what it is.
        body["space_in"] = str(plan.problem.operands[0])
    return type(name, (emitted, kind), body, made=True)
