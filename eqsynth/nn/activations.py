"""Non-linear layers that commute with a group: pointwise functions, gates, functions of norms, pairings of channels."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from math import prod
from typing import TYPE_CHECKING, Any, NoReturn, cast

import torch
from torch import nn
from torch.nn import functional

from eqsynth.bases.forms import Form, form, form_of_coordinates
from eqsynth.bases.pointwise import PROPERTIES, demand, gates, positional, positions, refusal
from eqsynth.errors import ActivationError, ShapeError, SpaceError, abridged, explain_calls, shown
from eqsynth.exact.limits import afford_parameters, check_factory
from eqsynth.exact.numbers import bounded, flag
from eqsynth.families.group import Group
from eqsynth.families.hom import Hom, fitted_space
from eqsynth.layers.converting import apply_complex
from eqsynth.layers.emitted import Output, refuse_script, require_dtype
from eqsynth.spaces.space import (
    Decomposed,
    Irrep,
    Order,
    Space,
    Symmetry,
    axis_counts,
    entries_of,
    order_text,
    stored_packed,
)

Function = str | Callable[[torch.Tensor], torch.Tensor]
Tensors = torch.Tensor | tuple[torch.Tensor, ...]

#: Points at which functions are tried, in three rows of four, not sorted.
POINTS = (0.45, -7.5, 4.2, -0.02, 0.0, -3.1, 0.1, 1.7, -1.2, 0.9, -0.3, -0.6)
MULTIPLIERS = (0.25, 1.5, 3.0)


# --- what every module here shares ----------------------------------------------------------------


class EquivariantModule(nn.Module):
    """A module that knows its ``group``, ``space_in`` and ``space_out``, and the shapes of its tensors."""

    group: Group
    space_in: Space
    space_out: Space
    #: What is raised where complex numbers would become real.
    ShapeError = ShapeError
    #: Whether complex numbers mean something here.
    takes_complex = True
    #: Whether tensors may have no entries along an axis whose length is a letter.
    takes_empty = False

    if TYPE_CHECKING:

        def __call__(self, *args: Any, **kwargs: Any) -> Output:
            """What the module computes."""

    def __init__(
        self, group: str | Group, space_in: Any, space_out: Any, device: Any = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        check_factory(device, dtype)
        hom = Hom.parse(group, space_in, space_out)
        self.group, self.space_in, self.space_out = hom.group, hom.space_in, hom.space_out
        self._shapes = tuple((channels, axis_lengths(hom.group, order)) for channels, order in hom.space_in)
        #: For each open size the number that divides it.
        open_sizes = [factor for factor in hom.group.factors if factor.symbolic]
        self._multiple = {f.n: max(g.multiple for g in open_sizes if g.n == f.n) for f in open_sizes}

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        """Scales and variances stay real where a module of complex tensors is converted, ``.to(torch.complex128)``."""
        if self.group.over_complex:
            return apply_complex(self, fn, recurse)
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]

    def _empty(self, *shape: int, device: Any, dtype: torch.dtype | None) -> torch.Tensor:
        """A tensor for a parameter or a buffer; SizeError where it does not fit in memory."""
        what = f"{type(self).__name__} of {self.space_in}"
        afford_parameters(what, "take fewer channels", prod(shape), device, dtype)
        return torch.empty(shape, device=device, dtype=dtype)

    def _numbers(self, dtype: torch.dtype | None) -> torch.dtype | None:
        """The dtype of parameters that mix channels: complex for groups whose tensors are that."""
        return torch.get_default_dtype().to_complex() if dtype is None and self.group.over_complex else dtype

    def terms_of(self, x: Any, *others: Any) -> tuple[torch.Tensor, ...]:
        """The tensors of the input, one per term; raises ShapeError where they do not fit, or ``others`` were given."""
        count = len(self._shapes)
        if others or (count > 1 and (not isinstance(x, tuple | list) or len(x) != count)):
            raise ShapeError(wrong_call(type(self).__name__, self.space_in, x, *others))
        listed = tuple(x) if count > 1 else (x,)
        sizes: dict[str, int] = {}
        packed: list[tuple[int, int, PackedLength]] = []
        for place, (tensor, (channels, lengths)) in enumerate(zip(listed, self._shapes, strict=True)):
            axes = len(lengths)
            if not isinstance(tensor, torch.Tensor) or tensor.ndim <= axes or tensor.shape[-1] != channels:
                self._reject(place, tensor)
            over_complex = self.group.over_complex
            if not (tensor.is_complex() and (self.takes_complex or over_complex)) and (
                over_complex or not tensor.is_floating_point()
            ):
                self._reject(place, tensor)
            for size, length in zip(tensor.shape[tensor.ndim - axes - 1 : -1], lengths, strict=True):
                if isinstance(length, PackedLength):
                    packed.append((place, size, length))
                    continue
                meant = sizes.setdefault(length, size) if isinstance(length, str) else length
                if size != meant or self._absent(size, length) or size % self._multiple.get(length, 1):
                    self._reject(place, tensor)
            batch = tensor.shape[: tensor.ndim - axes - 1]
            first = listed[0].shape[: listed[0].ndim - len(self._shapes[0][1]) - 1]
            if batch != first:
                raise ShapeError(
                    f"input {place} has batch shape {tuple(batch)}, but input 0 has {tuple(first)}: "
                    "give all terms the same batch shape"
                )
            if tensor.device != listed[0].device:
                raise ShapeError(
                    f"input {place} is on {tensor.device}, but input 0 on {listed[0].device}: move all terms to one "
                    "device"
                )
        for place, size, length in packed:
            # An alternating tensor without entries does not say what n is.
            n = sizes.setdefault(length.letter, length.symmetry.side(size)) if size else sizes.get(length.letter, 1)
            if length.symmetry.length(n) != size or not n or n % self._multiple.get(length.letter, 1):
                self._reject(place, listed[place])
        self._require_device(listed[0].device)
        return listed

    def _absent(self, size: int, length: Any) -> bool:
        """Whether an axis has no entries where it should have some."""
        return size == 0 and length != 0 and not (self.takes_empty and isinstance(length, str))

    def _require_device(self, device: torch.device) -> None:
        """Raise ShapeError where parameters are on another device than the input."""
        for own in (*self._parameters.values(), *self._buffers.values()):
            if own is not None and own.device != device:
                raise ShapeError(
                    f"the input is on {device}, but the parameters of this {type(self).__name__} are on {own.device}: "
                    f"move one of them, as by module.to({str(device)!r})"
                )

    def _reject(self, place: int, tensor: Any) -> None:
        channels, lengths = self._shapes[place]
        expected = ", ".join(["*batch", *map(str, lengths), str(channels)])
        which = "input" if len(self._shapes) == 1 else f"input {place}"
        if isinstance(tensor, torch.Tensor) and not (tensor.is_floating_point() or tensor.is_complex()):
            raise ShapeError(f"{which} holds {tensor.dtype}: pass floating-point or complex numbers, such as x.float()")
        if isinstance(tensor, torch.Tensor) and tensor.is_floating_point() and self.group.over_complex:
            raise ShapeError(
                f"{which} holds {tensor.dtype}, and tensors of {self.group} are complex numbers: pass them as these, "
                "x.to(torch.complex64)"
            )
        over_complex = self.group.over_complex
        if isinstance(tensor, torch.Tensor) and tensor.is_complex() and not (self.takes_complex or over_complex):
            raise ShapeError(
                f"{which} holds {tensor.dtype}, and sizes of complex numbers are no sums of squares: pass real and "
                f"imaginary parts to {type(self).__name__} as channels, torch.cat((x.real, x.imag), -1)"
            )
        letters = dict.fromkeys(str(length) for length in lengths if type(length) is str)
        bounds = " and ".join(f"{letter} >= {int(not self.takes_empty)}" for letter in letters)
        least = f" with {bounds}" if letters else ""
        raise ShapeError(
            f"{which} has {got(tensor)}, expected a tensor of shape ({expected}){least}, channels last, "
            f"for {self.space_in} of {self.group}"
        )

    def __prepare_scriptable__(self) -> NoReturn:
        refuse_script(self)

    def options(self) -> tuple[str, ...]:
        """What is shown behind the problem."""
        return ()

    def extra_repr(self) -> str:
        """The problem and the options."""
        spaces = str(self.space_in)
        if self.space_in != self.space_out:
            spaces += f" -> {self.space_out}"
        return ", ".join([f"{abridged(self.group)}: {spaces}", *self.options()])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.extra_repr()})"


def got(value: Any) -> str:
    """What was given where a tensor is expected, with the cure where it is near to one."""
    if isinstance(value, torch.Tensor):
        return f"shape {tuple(value.shape)}"
    name = f"type {type(value).__name__}"
    if type(value).__module__.split(".")[0] == "numpy":
        return f"{name} (torch.from_numpy makes it a tensor)"
    if isinstance(value, tuple | list):
        return f"{name} of {len(value)} (torch.stack makes tensors of one shape one tensor)"
    return name


def wrong_call(name: str, space: Space, *inputs: Any) -> str:
    """What is wrong with a call that does not pass one tensor for one term, and one tuple of tensors for several."""
    count = len(space)
    call = "module(x)" if count == 1 else f"module(({', '.join(f'x{place}' for place in range(count))}))"
    what = "one tensor" if count == 1 else f"a tuple of {count} tensors, one per term"
    given = got(inputs[0]) if len(inputs) == 1 else f"{len(inputs)} arguments"
    if len(inputs) == 1 and isinstance(inputs[0], tuple | list):
        given = str(len(inputs[0]))
    return f"{name} expected {what} of {space}, got {given}: call {call}"


def joined(tensors: list[torch.Tensor]) -> Tensors:
    """One tensor for one term, a tuple for several."""
    return tensors[0] if len(tensors) == 1 else tuple(tensors)


class PackedLength(str):
    """The length of a packed axis where n is open: ``n_S2`` for ``S2.packed``."""

    __slots__ = ("letter", "symmetry")

    letter: str
    symmetry: Symmetry

    @classmethod
    def of(cls, letter: str, symmetry: Symmetry) -> PackedLength:
        """The length for tensors over the letter."""
        length = cls(f"{letter}_{symmetry.name}")
        length.letter, length.symmetry = letter, symmetry
        return length


def axis_lengths(group: Group, order: Order) -> tuple[int | str, ...]:
    """The length of each axis of a tensor: a number, the letter that stands for it, or a PackedLength."""
    lengths: list[int | str] = []
    for factor, one, count in zip(group.factors, entries_of(order), axis_counts(order), strict=True):
        if not stored_packed(one):
            lengths += [factor.n] * count
        elif not isinstance(one, Symmetry):
            lengths.append(one.length(factor.number))
        else:
            lengths.append(one.length(factor.n) if isinstance(factor.n, int) else PackedLength.of(factor.n, one))
    return tuple(lengths)


def real_dtype(dtype: torch.dtype | None) -> torch.dtype | None:
    """The dtype of real numbers beside numbers of a dtype."""
    return dtype.to_real() if dtype is not None and dtype.is_complex else dtype


def suffix(space: Space, place: int) -> str:
    """The end of the name of a parameter: nothing where there is one term."""
    return "" if len(space) == 1 else f"_{place}"


def whole(value: torch.Tensor) -> torch.Tensor:
    """The tensor in float32 at least: sums of squares overflow in half precision."""
    return value.to(torch.promote_types(value.dtype, torch.float32))


@contextmanager
def full_precision(x: torch.Tensor) -> Iterator[None]:
    """Autocast off: what is computed in here keeps its own dtype. Tensors on the meta device have none."""
    with nullcontext() if x.is_meta else torch.autocast(x.device.type, enabled=False):
        yield


# --- functions --------------------------------------------------------------------------------------


def _named(name: str) -> Callable[..., torch.Tensor]:
    if name == "identity":
        return identity
    return cast(Callable[..., torch.Tensor], getattr(torch, name, None) or getattr(functional, name))


def identity(x: torch.Tensor) -> torch.Tensor:
    """No function: the tensor itself."""
    return x


#: The functions and the modules of torch behind the names.
_CALLABLES: dict[Any, str] = {}
for _name in PROPERTIES:
    for _home in (torch, functional):
        if hasattr(_home, _name):
            _CALLABLES[getattr(_home, _name)] = _name
_MODULES: dict[type[nn.Module], str] = {
    nn.Identity: "identity",
    nn.Hardshrink: "hardshrink",
    nn.Hardtanh: "hardtanh",
    nn.LeakyReLU: "leaky_relu",
    nn.PReLU: "leaky_relu",
    nn.ReLU: "relu",
    nn.Softshrink: "softshrink",
    nn.Softsign: "softsign",
    nn.Tanh: "tanh",
    nn.Tanhshrink: "tanhshrink",
}


class Apply(nn.Module):
    """A function as a module, so that functions and modules are kept alike."""

    def __init__(self, function: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The function of each entry."""
        value: torch.Tensor = self.function(x)
        return value


def read_function(function: Function | None) -> tuple[nn.Module, str, frozenset[str]]:
    """A function as a module, with its name and what is known of it."""
    if function is None:
        function = "identity"
    if isinstance(function, str):
        if function not in PROPERTIES:
            raise ActivationError(
                f"there is no function {shown(function)} here: name one of {', '.join(sorted(PROPERTIES))}, "
                "or give a function of one tensor, such as torch.tanh"
            )
        return Apply(_named(function)), function, PROPERTIES[function]
    if isinstance(function, nn.Module):
        known = _MODULES.get(type(function))
        return function, known or type(function).__name__, PROPERTIES[known] if known else frozenset()
    if not callable(function):
        raise ActivationError(
            f"{shown(function)} is no function: give a name such as 'relu', or a function of one tensor"
        )
    known = next((name for candidate, name in _CALLABLES.items() if candidate is function), None)
    name = known or str(getattr(function, "__name__", type(function).__name__))
    return Apply(function), name, PROPERTIES[known] if known else frozenset()


def _try(module: nn.Module, name: str, claims: frozenset[str]) -> None:
    """Raise ActivationError unless the function acts on each number by itself and is what it is said to be."""
    if any(tensor.is_meta for tensor in (*module.parameters(), *module.buffers())):
        return  # there are no numbers to compute with
    with torch.device("cpu"):  # whatever device new modules are made on
        _try_on_numbers(copy.deepcopy(module).cpu().double(), name, claims)


def _try_on_numbers(tried: nn.Module, name: str, claims: frozenset[str]) -> None:
    points = torch.tensor(POINTS, dtype=torch.float64).reshape(3, 4)

    def at(x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            value: torch.Tensor = tried(x)
        return value

    try:
        values = at(points)
        alone = torch.cat([at(point.reshape(1, 1)) for point in points.flatten()]).reshape(3, 4)
    except Exception as error:
        raise ActivationError(
            f"{name} cannot be tried on a tensor of shape (3, 4): {error}. Give a function of one tensor of any shape "
            "(such as torch.nn.PReLU() with one parameter: torch counts channels on axis 1, here they are last)"
        ) from error
    if values.shape != points.shape or not _close(values, alone):
        raise ActivationError(
            f"{name} does not act on each number by itself: its value at a point changes with the tensor that the "
            "point is in, or by chance. Use a pointwise function"
        )
    if "odd" in claims and not _close(at(-points), -values):
        raise ActivationError(f"{name} is said to be odd, but f(-t) = -f(t) fails at one of {POINTS}")
    if "homogeneous" in claims and not all(_close(at(m * points), m * values) for m in MULTIPLIERS):
        raise ActivationError(f"{name} is said to be homogeneous, but f(m t) = m f(t) fails for an m of {MULTIPLIERS}")


def _close(values: torch.Tensor, others: torch.Tensor) -> bool:
    return torch.allclose(values, others, rtol=1e-6, atol=1e-9, equal_nan=True)


@explain_calls
class Activation(EquivariantModule):
    """A function applied to each number by itself, where that commutes with the group; refused where it does not.

    >>> import torch, eqsynth as eq
    >>> act = eq.nn.Activation("S(n)", "16x2 + 8x1", "relu")
    >>> act
    Activation(S(n): 16x2 + 8x1, relu)
    >>> y = act((torch.randn(4, 9, 9, 16), torch.randn(4, 9, 8)))
    >>> eq.nn.Activation("O(3)", "8x1 + 4x0", ("identity", "silu"))
    Activation(O(3): 8x1 + 4x0, identity, silu)
    >>> eq.nn.Activation("O(3)", "8x1", "relu")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    eqsynth.errors.ActivationError: relu cannot be applied entry by entry to tensors of order 1 of O(3): ...

    ``function`` is a name (``relu``, ``tanh``, ``silu``, ...), a function of one tensor, a module such as
    ``torch.nn.PReLU()``, None for no function, or a tuple with one of these for each term. Allowed are:

    - any function where the group permutes positions: S(n), A(n), Aut(G), groups of permutations; and at order 0;
    - odd functions, f(-t) = -f(t), where matrices of the group have one entry 1 or -1 in each row, as for O(1);
    - homogeneous functions, f(m t) = m f(t) for m > 0, such as relu, where that one entry is positive;
    - elsewhere, and for O(n), SO(n) and Sp(n) from order 1 on, only multiples of the identity: by the theorem
      functions that commute are affine.

    In a product every factor that acts on a term must allow the function. What a function of your own is, say with
    ``odd`` and ``homogeneous``. Every function is tried on a few numbers when the module is made.

    Raises ActivationError for a refused function, with what to use instead. Source: arXiv 2401.09235.
    """

    def __init__(
        self,
        group: str | Group,
        space: str | int | Space,
        function: Function | tuple[Function | None, ...] | list[Function | None] | None = "relu",
        odd: bool = False,
        homogeneous: bool = False,
    ) -> None:
        parsed = Group.parse(group)
        if parsed.over_complex:
            raise ActivationError(
                f"functions of complex numbers, entry by entry, are bounded and smooth only where they are constant, "
                f"so that none is applied to tensors of {parsed}: use eq.nn.NormActivation, which scales each number "
                "by a function of its modulus, or eq.nn.Gated"
            )
        super().__init__(parsed, space, space)
        functions = list(function) if isinstance(function, tuple | list) else [function] * len(self.space_in)
        if len(functions) != len(self.space_in):
            raise ActivationError(
                f"{len(functions)} functions were given for the {len(self.space_in)} terms of {self.space_in}: "
                "give one function, or one for each term"
            )
        declared = frozenset(["odd"] * flag("odd", odd) + ["homogeneous"] * flag("homogeneous", homogeneous))
        modules, names = [], []
        for given, order in zip(functions, self.space_in.orders, strict=True):
            module, name, known = read_function(given)
            claims = known | declared if "linear" not in known else known
            if not demand(self.group, order).allows(claims):
                raise ActivationError(refusal(self.group, order, name, claims))
            _try(module, name, claims.intersection(demand(self.group, order).properties))
            modules.append(module)
            names.append(name)
        self.functions, self.declared = nn.ModuleList(modules), declared
        self.names = tuple(names[:1] if len(set(names)) == 1 else names)

    def options(self) -> tuple[str, ...]:
        """The functions, one where they are alike."""
        return self.names

    def forward(self, x: Any, *others: Any) -> Tensors:
        """The function of each entry."""
        return joined(self.of_terms(self.terms_of(x, *others)))

    def of_terms(self, terms: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """The same for terms whose positions may be listed."""
        return [function(term) for function, term in zip(self.functions, terms, strict=True)]


# --- gates, norms, pairings ---------------------------------------------------------------------------


@explain_calls
class Gated(EquivariantModule):
    """Each channel with components is multiplied by a function of a channel without: the usual non-linearity of O(3).

    >>> import torch, eqsynth as eq
    >>> gated = eq.nn.Gated("O(3)", "16x1 + 8x0")
    >>> gated
    Gated(O(3): 16x1 + 8x0 + 16x0 -> 16x1 + 8x0, silu, gate=sigmoid)
    >>> layer = eq.Linear("O(3)", "4x1", gated.space_in)    # makes the gates, too
    >>> [y.shape for y in gated(layer(torch.randn(5, 3, 4)))]
    [torch.Size([5, 3, 16]), torch.Size([5, 8])]

    ``space`` is what comes out. What goes in has one more term for each term with components: a gate for each of its
    channels, of order 0, or in a product of the order that permutations act on: in ``S(n) x O(3)`` a term ``(1,1)`` has
    gates ``(1,0)``, one at each position. Terms without components go through ``function``. Works for every group:
    for U(n) and SU(n), on complex tensors, gates are functions of real parts, those of numbers of their own.
    ``gated`` has a truth value for each term of ``space``: False lets a term pass as it is.

    Raises ActivationError for functions that are not pointwise. Source: arXiv 1802.08219, section 4.
    """

    def __init__(
        self,
        group: str | Group,
        space: str | int | Space,
        function: Function = "silu",
        gate: Function = "sigmoid",
        gated: Sequence[bool] | None = None,
    ) -> None:
        parsed = Group.parse(group)
        out = fitted_space(parsed, Space.parse(space))
        chosen = [True] * len(out) if gated is None else list(gated) if isinstance(gated, tuple | list) else [gated]
        if len(chosen) != len(out) or not all(isinstance(wanted, bool) for wanted in chosen):
            raise ActivationError(
                f"gated is {shown(gated)}, but {out} has {len(out)} terms: give a list of True or False for each"
            )
        terms = tuple(term for term, wanted in zip(out, chosen, strict=True) if wanted)
        extra = gates(parsed, Space(terms)) if terms else None
        super().__init__(parsed, Space((*out.terms, *extra.terms)) if extra else out, out)
        self.function, name, _ = read_function(function)
        self.gate, gate_name, _ = read_function(gate)
        for module, called in ((self.function, name), (self.gate, gate_name)):
            _try(module, called, frozenset())
        self.names = (name, f"gate={gate_name}") if extra else (name,)
        self.gated = tuple(chosen)
        self._positions = tuple(positions(parsed, order, added=False) for order in out.orders)
        behind = iter(range(len(out), len(self.space_in)))
        #: For each term the number of the term that holds its gates, None where it has none.
        self.gate_of = tuple(
            next(behind) if wanted and positional(parsed, order) != order else None
            for wanted, order in zip(chosen, out.orders, strict=True)
        )

    def options(self) -> tuple[str, ...]:
        """The two functions."""
        return self.names

    def forward(self, x: Any, *others: Any) -> Tensors:
        """Gate every term that has components; functions of the others."""
        return joined(self.of_terms(self.terms_of(x, *others)))

    def of_terms(self, terms: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """The same for terms whose positions may be listed: axes of positions count from the end."""
        outputs = []
        unitary = self.group.over_complex
        for term, gate, gated, permuted in zip(terms, self.gate_of, self.gated, self._positions, strict=False):
            if gate is not None:
                opened = terms[gate].real if unitary else terms[gate]
                outputs.append(term * spread(self.gate(opened), permuted))
            elif gated:
                outputs.append(term * self.gate(term.real) if unitary else self.function(term))
            else:
                outputs.append(term)
        return outputs


def spread(value: torch.Tensor, permuted: tuple[bool, ...]) -> torch.Tensor:
    """One value for all components: axes of length 1 where ``permuted`` is False."""
    start = value.ndim - 1 - sum(permuted)
    for place, is_permuted in enumerate(permuted):
        if not is_permuted:
            value = value.unsqueeze(start + place)
    return value


def lower(x: torch.Tensor, permuted: tuple[bool, ...], forms: tuple[Form | None, ...]) -> torch.Tensor:
    """B x on the axes of components: what is paired entry by entry with another tensor."""
    start = x.ndim - 1 - len(permuted)
    for place, (is_permuted, b) in enumerate(zip(permuted, forms, strict=True)):
        if not is_permuted and b is not None:
            x = apply_form(b, x, start + place)
    conjugate = any(b is not None and b.kind == "hermitian" for b in forms)
    return x.conj() if conjugate else x


def apply_form(b: Form, x: torch.Tensor, axis: int) -> torch.Tensor:
    """Sum over j of B[i, j] x[j] along one axis."""
    if b.kind in ("delta", "hermitian"):
        return x
    if b.kind == "omega":
        pairs = x.reshape(*x.shape[:axis], x.shape[axis] // 2, 2, *x.shape[axis + 1 :])
        first, second = pairs.select(axis + 1, 0), pairs.select(axis + 1, 1)
        return torch.stack((second, -first), axis + 1).flatten(axis, axis + 1)
    if b.kind == "eta":
        positive = b.rows[0].count(1)
        kept, turned = x.narrow(axis, 0, positive), x.narrow(axis, positive, len(b.rows[0]) - positive)
        return torch.cat((kept, -turned), axis)
    # Scaled so that pairings have the variance that the dot product gives.
    scale = (len(b.rows) / sum(entry * entry for row in b.rows for entry in row)) ** 0.5
    # Few entries differ from 0, and constants need no table that follows devices and dtypes.
    rows = []
    for row in b.rows:
        parts = [x.select(axis, place) * (entry * scale) for place, entry in enumerate(row) if entry]
        rows.append(sum(parts[1:], parts[0]) if parts else torch.zeros_like(x.select(axis, 0)))
    return torch.stack(rows, axis)


def forms_of(group: Group, order: Order) -> tuple[Form | None, ...]:
    """The invariant form of each axis."""
    forms: list[Form | None] = []
    for factor, one, count in zip(group.factors, entries_of(order), axis_counts(order), strict=True):
        if isinstance(one, Irrep | Decomposed):
            forms.append(form_of_coordinates(factor, one))
            continue
        packed = stored_packed(one)
        own = form(factor)
        if group.over_complex and own is not None and own.kind == "delta":
            own = Form("hermitian", (), 1, True)
        forms += [own] * (1 if packed else count)
    return tuple(forms)


def component_axes(permuted: tuple[bool, ...]) -> tuple[int, ...]:
    """The axes of components, counted from the end: channels are -1."""
    return tuple(place - len(permuted) - 1 for place, is_permuted in enumerate(permuted) if not is_permuted)


def share_of(forms: tuple[Form | None, ...]) -> float:
    """How many coordinates there are for each entry of full tensors: fewer than one where tensors are symmetric."""
    share = 1.0
    for b in forms:
        if b is not None:
            share = share * b.share[0] / b.share[1]
    return share


def mean_over(x: torch.Tensor, axes: tuple[int, ...], forms: tuple[Form | None, ...] = ()) -> torch.Tensor:
    """The mean over axes, which stay with length 1, over none of them each value by itself.

    With the ``forms`` of these axes it is the mean over the entries of full tensors.
    """
    mean = x.mean(axes, keepdim=True) if axes else x
    share = share_of(forms)
    return mean if share == 1 else mean * share


def product_sign(permuted: tuple[bool, ...], forms: tuple[Form | None, ...]) -> int:
    """1 where the product of the forms over axes of components is symmetric, -1 where alternating, 0 without one."""
    sign = 1
    for is_permuted, b in zip(permuted, forms, strict=True):
        if not is_permuted:
            sign *= b.sign if b is not None else 0
    return sign


def all_definite(permuted: tuple[bool, ...], forms: tuple[Form | None, ...]) -> bool:
    """Whether B(x, x) is the square of a norm."""
    return all(is_permuted or (b is not None and b.definite) for is_permuted, b in zip(permuted, forms, strict=True))


@explain_calls
class NormActivation(EquivariantModule):
    """Each channel with components is multiplied by a function of its own norm.

    >>> import torch, eqsynth as eq
    >>> act = eq.nn.NormActivation("O(3)", "16x1 + 8x0")
    >>> act
    NormActivation(O(3): 16x1 + 8x0, sigmoid, scalars=silu)
    >>> [y.shape for y in act((torch.randn(5, 3, 16), torch.randn(5, 8)))]
    [torch.Size([5, 3, 16]), torch.Size([5, 8])]

    Channel c becomes ``x_c f(weight_c |x_c| + bias_c)``, where ``|x_c|`` is the root mean square of its components. For
    groups that keep a form of other signature, such as the Lorentz group, it is the form of x_c with itself, over
    n^(k/2), which may be negative. Terms without components go through ``scalars``. ``affine=False`` leaves weight and
    bias out.
    For U(n) and SU(n) ``|x_c|`` is the length of complex vectors, and numbers, too, are scaled by functions of their
    modulus, in place of ``scalars``.

    Raises ActivationError where the group has no such form: Sp(n) at odd orders, since
    omega(x, x) = 0; general linear groups.
    """

    takes_complex = False

    def __init__(
        self,
        group: str | Group,
        space: str | int | Space,
        function: Function = "sigmoid",
        scalars: Function = "silu",
        affine: bool = True,
        eps: float = 1e-6,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(group, space, space, device, dtype)
        self.function, name, _ = read_function(function)
        self.scalars, scalar_name, _ = read_function(scalars)
        for module, called in ((self.function, name), (self.scalars, scalar_name)):
            _try(module, called, frozenset())
        self.names = (name, f"scalars={scalar_name}")
        self.eps, self.affine = bounded("eps", eps), flag("affine", affine)
        plans = []
        for place, (channels, order) in enumerate(self.space_in):
            permuted, forms = positions(self.group, order), forms_of(self.group, order)
            unitary = self.group.over_complex
            free = positional(self.group, order) == order and not unitary
            plans.append((permuted, forms, all_definite(permuted, forms), free))
            if unitary and not all_definite(permuted, forms):
                raise ActivationError(_no_norm(self.group, order, product_sign(permuted, forms)))
            if free:
                continue
            if product_sign(permuted, forms) != 1:
                raise ActivationError(_no_norm(self.group, order, product_sign(permuted, forms)))
            if self.affine:
                end = suffix(self.space_in, place)
                for kind in ("weight", "bias"):
                    empty = self._empty(channels, device=device, dtype=real_dtype(dtype))
                    self.register_parameter(f"{kind}{end}", nn.Parameter(empty))
        self._plans = tuple(plans)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weights 1, biases 0."""
        for name, parameter in self.named_parameters(recurse=False):
            nn.init.constant_(parameter, float(name.startswith("weight")))

    def options(self) -> tuple[str, ...]:
        """The two functions."""
        return self.names

    def forward(self, x: Any, *others: Any) -> Tensors:
        """Scale every term that has components; functions of the others."""
        return joined(self.of_terms(self.terms_of(x, *others)))

    def of_terms(self, terms: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """The same for terms whose positions may be listed."""
        outputs = []
        for place, (term, (permuted, forms, definite, free)) in enumerate(zip(terms, self._plans, strict=True)):
            if free:
                outputs.append(self.scalars(term))
                continue
            with full_precision(term):
                value = whole(term)
                square = value.abs() ** 2 if value.is_complex() else value * lower(value, permuted, forms)
                axes = component_axes(permuted)
                if definite:
                    size = (mean_over(square, axes, forms).clamp_min(0) + self.eps).sqrt()
                else:
                    count = 1
                    for axis in axes:
                        count = count * square.shape[axis]
                    size = square.sum(axes, keepdim=True) * count**-0.5
                if self.affine:
                    end = suffix(self.space_in, place)
                    size = size * getattr(self, f"weight{end}") + getattr(self, f"bias{end}")
                outputs.append(term * self.function(size).to(term.dtype))
        return outputs


def _across(group: Group) -> str:
    """What makes invariants where axes of V are paired with those of V* alone."""
    pairs = any(factor.duals for factor in group.factors)
    return ", or eq.TensorProduct and eq.Power, which pair axes of V with those of V*" if pairs else ""


def _no_norm(group: Group, order: Order, sign: int) -> str:
    where = f"order {order_text(order)} of {group}"
    if sign < 0:
        why = "its invariant form is alternating, B(x, x) = 0, so that one channel alone has no invariant size"
    else:
        why = "the group keeps no bilinear form, so that one channel alone has no invariant size"
        return f"there is no norm at {where}: {why}. Use eq.nn.Gated with gates of order 0{_across(group)}"
    return f"there is no norm at {where}: {why}. Use eq.nn.Pairings, which pairs different channels, and eq.nn.Gated"


@explain_calls
class Pairings(EquivariantModule):
    """Adds pairings of channels, such as dot products of vectors, to the terms without components.

    >>> import torch, eqsynth as eq
    >>> pair = eq.nn.Pairings("O(3)", "16x1 + 8x0")
    >>> pair
    Pairings(O(3): 16x1 + 8x0, 1 -> 0)
    >>> [y.shape for y in pair((torch.randn(5, 3, 16), torch.randn(5, 8)))]
    [torch.Size([5, 3, 16]), torch.Size([5, 8])]

    Between vectors and numbers O(n), SO(n) and Sp(n) have no linear map but 0. This layer makes that step: each channel
    of order 0 gets B(u, v), where u and v are two learned mixtures of the channels of a term with components, and B is
    the invariant form of the group: the dot product, omega for Sp(n), the form of a group of matrices, x* y, with the
    conjugate of one of them, for U(n). It is quadratic,
    and needs no norm, so that it serves groups that are not compact. In ``S(n) x O(3)`` terms ``(1,1)`` are paired at
    each position and added to the terms ``(1,0)``. Pairings have variance near 1 for inputs of variance 1.

    Raises SpaceError where no term can be paired, or none can take the pairings; ActivationError without a form.
    """

    def __init__(
        self,
        group: str | Group,
        space: str | int | Space,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(group, space, space, device, dtype)
        orders = self.space_in.orders
        pairs = []
        for source, (wide, order) in enumerate(self.space_in):
            if positional(self.group, order) == order:
                continue
            permuted, forms = positions(self.group, order), forms_of(self.group, order)
            if product_sign(permuted, forms) == 0:
                raise ActivationError(
                    f"channels of order {order_text(order)} of {self.group} cannot be paired: the group keeps no "
                    f"bilinear form. Use eq.nn.Gated with gates of order 0{_across(self.group)}"
                )
            for target, channels in enumerate(self.space_in.channels):
                if orders[target] != positional(self.group, order):
                    continue
                pairs.append((source, target, permuted, forms))
                for side in ("left", "right"):
                    empty = self._empty(channels, wide, device=device, dtype=self._numbers(dtype))
                    self.register_parameter(f"{side}_{source}_{target}", nn.Parameter(empty))
        if not pairs:
            raise SpaceError(
                f"nothing can be paired in {self.space_in} of {self.group}: it takes a term whose order has axes that "
                "the group mixes, not only relabels, and a term of order 0 to add to, such as 16x1 + 8x0 of O(3)"
            )
        self._pairs = tuple(pairs)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Mixtures of variance 1: uniform, within sqrt(3 / channels)."""
        for parameter in self.parameters():
            parts = torch.view_as_real(parameter.detach()) if self.group.over_complex else parameter
            bound = (3 / parameter.shape[1] / (2 if self.group.over_complex else 1)) ** 0.5
            nn.init.uniform_(parts, -bound, bound)

    @property
    def paired_terms(self) -> tuple[tuple[int, int], ...]:
        """The terms that are paired, each with the term that the pairings are added to."""
        return tuple((source, target) for source, target, *_ in self._pairs)

    def options(self) -> tuple[str, ...]:
        """Which orders are paired into which."""
        orders = self.space_in.orders
        shown = [f"{order_text(orders[source])} -> {order_text(orders[target])}" for source, target, *_ in self._pairs]
        return tuple(dict.fromkeys(shown))

    def forward(self, x: Any, *others: Any) -> Tensors:
        """The same terms, pairings added to those without components."""
        return joined(self.of_terms(self.terms_of(x, *others)))

    def of_terms(self, terms: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """The same for terms whose positions may be listed."""
        return self.paired(terms, list(terms))

    def paired(self, terms: Sequence[torch.Tensor], outputs: list[torch.Tensor]) -> list[torch.Tensor]:
        """Pairings of the terms, added to the outputs."""
        for source, target, permuted, forms in self._pairs:
            require_dtype(self, terms[source], getattr(self, f"left_{source}_{target}"), False)
            left = functional.linear(terms[source], getattr(self, f"left_{source}_{target}"))
            right = functional.linear(terms[source], getattr(self, f"right_{source}_{target}"))
            with full_precision(left):
                product = whole(left) * lower(whole(right), permuted, forms)
                axes = component_axes(permuted)
                count = 1
                for axis in axes:
                    count = count * product.shape[axis]
                pairing = product.sum(axes) * (count / share_of(forms)) ** -0.5 if axes else product
            outputs[target] = outputs[target] + pairing.to(left.dtype)
        return outputs
