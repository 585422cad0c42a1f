"""Whole networks of equivariant modules: sequences that are checked when they are built, residual blocks, MLPs."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from eqsynth.bases.basis import basis
from eqsynth.bases.pointwise import demand, gates, positional, positions
from eqsynth.diagrams.transfer import WORDS
from eqsynth.errors import (
    ActivationError,
    EqsynthError,
    IgnoredInputWarning,
    ShapeError,
    SpaceError,
    ZeroOutputWarning,
    abridged,
    explain_calls,
    warn,
)
from eqsynth.exact.numbers import bounded, choice, whole
from eqsynth.families.group import Group
from eqsynth.families.hom import Hom, check_transfer, fitted_space, negated
from eqsynth.families.irreps import check_parts, has_parts
from eqsynth.layers.emitted import Output
from eqsynth.layers.linear import Linear
from eqsynth.layers.products import PolynomialLayer
from eqsynth.nn.activations import (
    Activation,
    Function,
    Gated,
    NormActivation,
    PackedLength,
    Pairings,
    Tensors,
    axis_lengths,
    forms_of,
    joined,
    product_sign,
    wrong_call,
)
from eqsynth.nn.normalising import BatchNorm, Dropout, LayerNorm
from eqsynth.nn.reach import alternating_add, is_read, map_exists, only_constants, products_add, reached
from eqsynth.spaces.space import (
    Decomposed,
    Irrep,
    Order,
    Space,
    Symmetry,
    axes_of,
    axis_counts,
    entries_of,
    is_packed,
    order_text,
    twists_of,
    with_twists,
)

#: How tensors stand between the layers of a network, and the most coordinates that "auto" works out.
STORAGES, MOST_COORDINATES = ("auto", "full", "irreps"), 256
#: Activations that are pairings and gates where neither pointwise functions nor products are taken.
PAIRING = ("auto", "pairings")


def problem_of(module: Any) -> Hom:
    """The group and the spaces of a module: its ``hom``, or its ``group``, ``space_in`` and ``space_out``."""
    hom = getattr(module, "hom", None)
    if isinstance(hom, Hom):
        return hom
    values: list[Any] = [getattr(module, name, None) for name in ("group", "space_in", "space_out")]
    if any(value is None for value in values):
        name = type(module).__name__
        raise EqsynthError(
            f"{name} does not say what its group and its spaces are: use a module of eqsynth (for {name} of torch, see "
            "eq.nn.Activation, eq.nn.LayerNorm, eq.nn.Dropout), or give it attributes group, space_in and space_out"
        )
    return Hom.parse(*values)


def letters_shown(hom: Hom) -> set[str]:
    """The letters whose size can be read from the input."""
    return {
        factor.n
        for order in hom.space_in.orders
        for factor, count in zip(hom.group.factors, axis_counts(order), strict=True)
        if count and isinstance(factor.n, str)
    }


def sizes_asked(module: Any) -> tuple[str, ...]:
    """The letters whose size ``forward`` takes behind the input, in order."""
    asked = getattr(module, "sizes", None)
    if isinstance(asked, tuple):
        return asked
    hom = problem_of(module)
    if isinstance(getattr(module, "hom", None), Hom):
        return sizes_asked_by(hom)
    letters = {factor.n for factor in hom.group.factors if isinstance(factor.n, str)}
    return tuple(name for name in inspect.signature(module.forward).parameters if name in letters)


def sizes_asked_by(hom: Hom) -> tuple[str, ...]:
    """The letters whose size the ``forward`` of a linear layer takes behind the input, in order."""
    letters = {factor.n for factor in hom.group.factors if isinstance(factor.n, str)}
    return tuple(sorted(letters - letters_shown(hom)))


@explain_calls
class Sequential(nn.Module):
    """Modules one behind the other, whose groups and spaces must fit: checked when it is built.

    >>> import torch, eqsynth as eq
    >>> net = eq.nn.Sequential(
    ...     eq.Linear("S(n)", "1x2", "16x1"),
    ...     eq.nn.Activation("S(n)", "16x1", "relu"),
    ...     eq.Linear("S(n)", "16x1", "3x0"),
    ... )
    >>> net.space_in, net.space_out
    (Space(terms=((1, 2),)), Space(terms=((3, 0),)))
    >>> net(torch.randn(4, 9, 9, 1)).shape
    torch.Size([4, 3])
    >>> eq.nn.Sequential(eq.Linear("S(n)", "1x2", "16x1"), eq.nn.Activation("S(n)", "8x1"))
    Traceback (most recent call last):
    ...
    eqsynth.errors.SpaceError: modules 0 and 1 do not fit: Linear gives 16x1, but Activation takes 8x1

    Where a layer inside needs n because its own input does not show it, it gets the n of the input of the whole; where
    that does not show it either, pass it: ``net(x, n)`` (``net.sizes`` lists the letters). Modules of your own need
    attributes ``group``, ``space_in`` and ``space_out``, as texts or as objects.

    Raises EqsynthError for a module without them, SpaceError where groups or spaces do not fit.
    """

    if TYPE_CHECKING:

        def __call__(self, x: Any, *sizes: Any, **named: Any) -> Output:
            """What the module computes; sizes are those that ``sizes`` lists."""

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__()
        if not modules:
            raise EqsynthError("an eq.nn.Sequential needs at least one module")
        homs = [problem_of(module) for module in modules]
        names = [type(module).__name__ for module in modules]
        for place in range(1, len(modules)):
            before, after = homs[place - 1], homs[place]
            between = f"modules {place - 1} and {place} do not fit: {names[place - 1]}"
            if _unnamed(before.group) != _unnamed(after.group):
                raise SpaceError(f"{between} commutes with {before.group}, but {names[place]} with {after.group}")
            if before.space_out != after.space_in:
                raise SpaceError(f"{between} gives {before.space_out}, but {names[place]} takes {after.space_in}")
        self.group, self.space_in, self.space_out = homs[0].group, homs[0].space_in, homs[-1].space_out
        for place, module in enumerate(modules):
            self.add_module(str(place), module)
        self.asked = tuple(sizes_asked(module) for module in modules)
        wanted = {letter for asked in self.asked for letter in asked}
        shown = letters_shown(homs[0])
        self.sizes = tuple(sorted(wanted - shown))
        self.read = tuple((letter, *_place_of(homs[0], letter)) for letter in sorted(wanted & shown))

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[nn.Module]:
        return iter(self.children())

    def __getitem__(self, place: int | slice) -> Any:
        chosen = list(self.children())[place]
        return Sequential(*chosen) if isinstance(chosen, list) else chosen

    def forward(self, x: Any, *sizes: Any, **named: Any) -> Tensors:
        """The modules one after the other; sizes are those that ``net.sizes`` lists.

        Raises ShapeError for inputs that do not fit.
        """
        known = _sizes_given(self.space_in, self.sizes, sizes, named)
        for letter, term, axis, symmetry in self.read:
            fits = len(self.space_in) == 1 or (isinstance(x, tuple | list) and len(x) == len(self.space_in))
            tensor = (x if len(self.space_in) == 1 else x[term]) if fits else None
            if not isinstance(tensor, torch.Tensor) or tensor.ndim < -axis:
                raise ShapeError(wrong_call("eq.nn.Sequential", self.space_in, x))
            known[letter] = tensor.shape[axis] if symmetry is None else symmetry.side(tensor.shape[axis])
        for module, asked in zip(self._modules.values(), self.asked, strict=True):
            x = module(x, *[known[letter] for letter in asked])  # type: ignore[misc]
        return x  # type: ignore[no-any-return]


def _unnamed(group: Group) -> tuple[Group, ...]:
    """The factors of a group without the names that people gave them."""
    return tuple(factor.unnamed for factor in group.factors)


def _place_of(hom: Hom, letter: str) -> tuple[int, int, Symmetry | None]:
    """The term of the input, and the axis of it counted from the end, that shows a letter; how, where it is packed."""
    places: list[tuple[int, int, Symmetry | None]] = []
    for term, order in enumerate(hom.space_in.orders):
        lengths = axis_lengths(hom.group, order)
        for place, length in enumerate(lengths):
            if length == letter:
                places.insert(0, (term, place - len(lengths) - 1, None))
            elif isinstance(length, PackedLength) and length.letter == letter:
                places.append((term, place - len(lengths) - 1, length.symmetry))
    if places:
        return places[0]
    raise EqsynthError(f"no input has an axis of length {letter}")


def _sizes_given(space: Space, asked: tuple[str, ...], sizes: tuple[Any, ...], named: dict[str, Any]) -> dict[str, int]:
    """The sizes of the letters that no input shows, as they were passed."""
    known = {**dict(zip(asked, sizes, strict=False)), **named}
    # Reading a size that torch leaves open would make it a number.
    read: dict[str, Any] = {
        letter: size if isinstance(size, torch.SymInt) else whole(size) for letter, size in known.items()
    }
    wrong = [letter for letter, size in read.items() if size is None or size < 1]
    if len(sizes) + len(named) != len(asked) or set(known) != set(asked) or wrong:
        x = "x" if len(space) == 1 else f"({', '.join(f'x{place}' for place in range(len(space)))})"
        why = "with whole numbers for lengths that no input shows" if asked else f"with the terms of {space} only"
        raise ShapeError(f"call module({', '.join([x, *asked])}), {why}")
    return {letter: size for letter, size in read.items() if size is not None}


@explain_calls
class Residual(nn.Module):
    """A module, and its input added to its output.

    >>> import torch, eqsynth as eq
    >>> block = eq.nn.Residual(eq.nn.Sequential(eq.nn.LayerNorm("O(3)", "8x1"), eq.Linear("O(3)", "8x1", "8x1")))
    >>> block(torch.randn(5, 3, 8)).shape
    torch.Size([5, 3, 8])

    Raises SpaceError where the module's input and output are different spaces.
    """

    if TYPE_CHECKING:

        def __call__(self, x: Any, *sizes: Any, **named: Any) -> Output:
            """What the module computes; sizes are those that ``sizes`` lists."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        hom = problem_of(module)
        if hom.space_in != hom.space_out:
            raise SpaceError(
                f"{type(module).__name__} goes from {hom.space_in} to {hom.space_out}, which cannot be added: make it "
                "end where it begins, with an eq.Linear"
            )
        self.group, self.space_in, self.space_out = hom.group, hom.space_in, hom.space_out
        self.module = module
        self.sizes = sizes_asked(module)

    def forward(self, x: Any, *sizes: Any, **named: Any) -> Tensors:
        """The input plus the module's output."""
        known = _sizes_given(self.space_in, self.sizes, sizes, named)
        return self.added(x, self.module(x, *[known[letter] for letter in self.sizes]))

    def added(self, x: Any, y: Any) -> Tensors:
        """The sum of two inputs, term by term."""
        if len(self.space_in) == 1:
            return x + y  # type: ignore[no-any-return]
        return joined([before + change for before, change in zip(x, y, strict=True)])


@explain_calls
class MLP(Sequential):
    """Linear layers with non-linearities between them that the group allows.

    >>> import torch, eqsynth as eq
    >>> net = eq.nn.MLP("S(n)", ["1x2", "16x2", "16x1", "1x0"])
    >>> [type(module).__name__ for module in net]
    ['Linear', 'Activation', 'Linear', 'Activation', 'Linear']
    >>> net(torch.randn(4, 9, 9, 1)).shape
    torch.Size([4, 1])
    >>> net = eq.nn.MLP("O(3)", ["4x1", "16x1 + 16x0", "1x0"])
    >>> [type(module).__name__ for module in net]
    ['Linear', 'Pairings', 'Gated', 'Linear']
    >>> net = eq.nn.MLP("O(3)", ["1xS2", "16xS2 + 16x0", "1xS2"])    # matrix products of symmetric matrices
    >>> [type(module).__name__ for module in net]
    ['Linear', 'PolynomialLayer', 'Gated', 'Linear']

    ``spaces`` are the input, the hidden spaces and the output. ``activation="auto"`` takes relu where pointwise
    functions are allowed (leaky_relu where they must be homogeneous, tanh for alternating tensors), and elsewhere, also
    where the group flips signs, Pairings and then Gated, for which the linear layers make the gates. Between these it
    takes products in place of Pairings where they give something that gates and pairings do not: matrix products of
    tensors of order 2, tensors of order 2 from vectors, cross products. ``"products"`` asks for them,
    with any group: a PolynomialLayer of degree 2, and then Gated. Irreps of hidden spaces are multiplied as they are;
    those of no index, 0e of O(3), stand there as order 0. All tensors of the hidden space that the space before it
    reaches are multiplied with each other, each with as many channels as the widest term has. They cost more than the
    rest of the network (``print(net[1].plan)``), so that "auto" leaves out what has more than 300 maps.
    ``"pairings"`` is "auto" without products, ``"gated"`` asks for Gated alone, ``"norm"`` for
    NormActivation; any other name or function is given to Activation, which may refuse it. ``norm`` is None,
    ``"layer"`` or ``"batch"``, in front of each non-linearity; ``dropout`` is the p of a Dropout behind it.
    ``normalization`` and ``bias`` are those of eq.Linear, and of products.

    ``storage`` says how tensors of order 2 and more stand between the layers: ``"full"``, with an axis for each index,
    or ``"irreps"``, in coordinates of their irreducible parts (``64x3.irreps``), where linear layers are products of
    matrices alone. ``"auto"`` takes these where they pay: for O(n) and SO(n), n a number, in hidden spaces with tensors
    of order 3 or more, symmetric ones too, beside gates, pairings and norms, or packed ones of any order beside
    pairings and norms, for Sp(n) beside gates; products of tensors need all indices, and groups that relabel positions
    have no such coordinates. Input and output are as they are given, weights mean the same, and a state_dict of one is
    one of the other. ``print(net)`` shows it.

    ``transfer="repeat"`` or ``"pad"``, with n a letter, makes a network that means the same at every size, as in
    eq.Linear: its linear layers have these maps alone, and the other parts must keep them. There are no products.

    With O(n), SO(n), Sp(n) or H(n), give hidden spaces channels of order 0: what there is to know of lengths and angles
    goes there.

    What nothing reads is not made, so that every parameter gets a gradient: vectors in front of an invariant output
    need no gates, and terms of hidden spaces that no map takes to what follows are left out. Warns of inputs from which
    no path leads to an output, of outputs to which none leads, and of those that only invariants reach though they are
    no invariants: such an output is the identity, or another constant tensor, times numbers.

    Raises EqsynthError for fewer than two spaces, SpaceError where the output reads nothing of a hidden space,
    ActivationError where the group does not allow what is asked.
    """

    def __init__(
        self,
        group: str | Group,
        spaces: Sequence[str | int | Space],
        activation: Function = "auto",
        norm: str | None = None,
        dropout: float = 0.0,
        normalization: str = "variance",
        bias: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
        storage: str = "auto",
        transfer: str | None = None,
    ) -> None:
        if not isinstance(spaces, tuple | list) or len(spaces) < 2:
            raise EqsynthError("an MLP needs a list of spaces, from the input to the output: ['1x2', '16x2', '1x0']")
        chance = bounded("dropout", dropout, 1)
        choice("norm", norm, (None, "layer", "batch"))
        choice("storage", storage, STORAGES)
        parsed = Group.parse(group)
        factory_kwargs = {"device": device, "dtype": dtype}
        listed = [fitted_space(parsed, Space.parse(space)) for space in spaces]
        listed[1:-1] = map(_with_numbers, listed[1:-1])
        modules: list[nn.Module] = []
        before = listed[0]
        check_transfer(transfer, parsed, [order for space in listed for order in space.orders])
        how = _Block(parsed, activation, normalization, bias, factory_kwargs, storage, transfer)
        for place, (hidden, block) in enumerate(_blocks(how, listed), 1):
            start = problem_of(block[0]).space_in
            modules.append(_mixing(how, before, start, place))
            if norm is not None:
                modules.append((LayerNorm if norm == "layer" else BatchNorm)(parsed, start, **factory_kwargs))
            modules += block
            if chance:
                modules.append(Dropout(parsed, hidden, chance))
            before = hidden
        modules.append(_mixing(how, before, listed[-1], len(listed) - 1))
        if transfer:
            _check_parts_transfer(modules, transfer)
        super().__init__(*modules)
        for message, category in _without_path(modules, listed):
            warn(message, category)


def _without_path(modules: Sequence[nn.Module], spaces: Sequence[Space]) -> list[tuple[str, type[Warning]]]:
    """What to warn of: inputs that reach no output, outputs that no input reaches.

    What hidden layers leave out is meant so; what the ends of the network leave out may not be.
    """
    layers = [module for module in modules if isinstance(module, Linear)]
    if not all(layer.plan.pairs for layer in layers):
        return []  # the network is constant, which was said
    warned: list[tuple[str, type[Warning]]] = [
        *((message, IgnoredInputWarning) for message in layers[0].plan.ignored_inputs()),
        *((message, ZeroOutputWarning) for message in layers[-1].plan.zero_outputs()),
    ]
    sources = reached(modules, len(spaces[0]))
    read = frozenset().union(*(own for own in sources if own is not None))
    known = {pair.term_in for pair in layers[0].plan.pairs}
    cure = "give the hidden spaces terms of more orders"
    multiplied = any(isinstance(module, PolynomialLayer) for module in modules)
    cure += ", or add a hidden space" if multiplied else ", add a hidden space, or take activation='products'"
    for place, order in enumerate(spaces[0].orders):
        if place in known and place not in read:
            what = f"input term {place} of this network, of order {order_text(order)}, is ignored"
            warned.append((f"{what}: no path leads from it to an output; {cure}", IgnoredInputWarning))
    zero = {pair.term_out for pair in layers[-1].plan.pairs}
    for place, order in enumerate(spaces[-1].orders):
        if place in zero and not sources[place]:
            what = f"output term {place} of this network, of order {order_text(order)}, is constant"
            warned.append((f"{what}: no path leads to it from an input; {cure}", ZeroOutputWarning))
    last = layers[-1].plan
    for place, order in enumerate(spaces[-1].orders):
        read_orders = [last.hom.space_in.orders[pair.term_in] for pair in last.pairs if pair.term_out == place]
        if sources[place] and only_constants(last.hom.group, spaces[0].orders, read_orders, order):
            text = order_text(order)
            what = (
                f"output term {place} of this network, of order {text}, is made of constant tensors alone, each times"
            )
            why = "an invariant, since nothing else is read for it: give the hidden space before it a term of order"
            warned.append((f"{what} {why} {text}", ZeroOutputWarning))
    return warned


def _check_parts_transfer(modules: Sequence[nn.Module], transfer: str) -> None:
    """Refuse parts of a network that do not mean the same at every size; linear layers and gates do.

    Pairings divide their sums by roots of n. With absent nodes entries must stay zero, so that biases, and functions
    that are not zero at zero, are for invariants and for axes whose length is a number.
    """
    for module in modules:
        hom, why = problem_of(module), ""
        group, orders = hom.group, hom.space_in.orders
        summed = any(_grows(group, order) > _grows(group, positional(group, order)) for order in orders)
        if isinstance(module, Pairings) and summed:
            why = "Pairings divide sums by roots of n: take activation='gated'"
        if transfer == "pad" and isinstance(module, NormActivation) and summed:
            why = "NormActivation divides norms by roots of n: take activation='gated'"
        if transfer == "pad" and isinstance(module, LayerNorm | BatchNorm):
            why = f"{type(module).__name__} adds a bias at absent nodes: leave norm out"
        if transfer == "pad" and isinstance(module, Activation):
            pairs = zip(module.functions, orders, strict=True)
            if any(_grows(group, order) and not _keeps_zero(function) for function, order in pairs):
                why = f"{', '.join(module.names)} is not zero at zero, where absent nodes must stay: take relu or tanh"
        if why:
            raise ActivationError(f"with transfer={transfer!r} every part must mean the same at every size; {why}")


def _grows(group: Group, order: Order) -> int:
    """How many axes have a letter for their length."""
    pairs = zip(group.factors, axis_counts(order), strict=True)
    return sum(count for factor, count in pairs if factor.symbolic)


def _keeps_zero(function: nn.Module) -> bool:
    parameter = next(function.parameters(), torch.zeros(()))
    with torch.no_grad():
        return not function(torch.zeros(1, dtype=parameter.dtype, device=parameter.device)).any()


@dataclass(frozen=True, slots=True)
class _Block:
    """How the layers of a network are made."""

    group: Group
    activation: Function
    normalization: str
    bias: bool
    factory_kwargs: dict[str, Any]
    storage: str
    transfer: str | None

    @property
    def kept(self) -> str:
        """Which maps linear layers have, where these are not all, for messages."""
        return f"that commutes with {WORDS[self.transfer]} " if self.transfer else ""

    def map_exists(self, before: Order, after: Order) -> bool:
        """Whether a linear layer of the network has a map besides 0."""
        if self.transfer is None:
            return map_exists(self.group, before, after)
        return len(basis(self.group, before, after, transfer=self.transfer)) > 0

    def stored(self, space: Space) -> Space:
        """A hidden space as it stands between layers, where no products are in it."""
        if self.storage == "full" or (self.storage == "auto" and not self._pays(space)):
            return space
        return fitted_space(self.group, Space(tuple((channels, self._stored(order)) for channels, order in space)))

    def _pays(self, space: Space) -> bool:
        """Whether some tensors are of order 3 or more, or packed, and the coordinates of all are quick to find.

        Components of packed tensors have no norms and pairings as they are.
        """
        group, most = self.group, max(map(axes_of, space.orders))
        # Only forms that are the dot product are known in these coordinates.
        known = len(group.factors) == 1 and (group.form == "delta" or self.activation == "gated")
        if not known or group.symbolic or not all(map(_may_be_stored, space.orders)):
            return False
        if self.activation in PAIRING and _usual(group, space) is not None:
            return False
        if most < 3 and (self.activation == "gated" or not any(map(is_packed, space.orders))):
            return False
        return group.number**most <= MOST_COORDINATES and has_parts(group, most)

    def _stored(self, order: Order) -> Order:
        axes = axes_of(order)
        if axes < 2 or not _may_be_stored(order):
            return order
        check_parts(self.group, axes)
        (one,) = entries_of(order)
        return with_twists(Decomposed(axes, kind=one.kind if isinstance(one, Symmetry) else ""), twists_of(order))


def _may_be_stored(order: Order) -> bool:
    """Whether tensors are all of those with some indices, of V, and a symmetry of these: not irreps."""
    (one, *others) = entries_of(order)
    return not others and (isinstance(one, int) or (isinstance(one, Symmetry) and not one.runs))


def _mixing(how: _Block, before: Space, after: Space, place: int) -> Linear:
    """A linear layer of a network, into the space number ``place``; warns where the network is constant by it."""
    with warnings.catch_warnings():
        # Channels of order 0 that no linear map reaches are what pairings are added to.
        warnings.simplefilter("ignore", ZeroOutputWarning)
        layer = Linear(
            how.group,
            before,
            after,
            how.bias,
            normalization=how.normalization,
            transfer=how.transfer,
            **how.factory_kwargs,
        )
    if not layer.plan.pairs:
        message = (
            f"this network is constant: nothing of {before} reaches {after}, the terms of spaces[{place}] that are "
            f"used, since {abridged(how.group)} has no linear map but 0 {how.kept}between them. Give spaces[{place}] a "
            f"term that has one and is used, such as channels of order {order_text(before.orders[0])}"
        )
        warn(message, ZeroOutputWarning)
    return layer


def _blocks(how: _Block, spaces: Sequence[Space]) -> list[tuple[Space, list[nn.Module]]]:
    """For each hidden space the terms of it that are used, and the modules that end in them.

    They are found from the end: what is used depends on what follows.
    """
    group, blocks, after = how.group, [], spaces[-1]
    for before, space in reversed(list(pairwise(spaces[:-1]))):
        read = [any(how.map_exists(order, other) for other in after.orders) for order in space.orders]
        if not any(read):
            raise SpaceError(
                f"nothing of the hidden space {space} reaches {after}: {group} has no linear map but 0 {how.kept}"
                "between them. Give it a term that has one, such as channels of the same order"
            )
        block: list[nn.Module]
        used = Space(tuple(term for term, wanted in zip(space, read, strict=True) if wanted))
        factors = _factors(how, before, space, used)
        if factors and how.storage == "irreps":
            raise SpaceError(
                f"products of the tensors of the hidden space {space} need an axis for each index: take "
                "storage='auto', which stores it so there, or activation='gated'"
            )
        if factors:
            used, block = _products(how, factors, used)
        else:
            paired = [_is_paired(how, space, place, read) for place in range(len(space))]
            used_places = [place for place in range(len(space)) if read[place] or paired[place]]
            used = how.stored(Space(tuple(space.terms[place] for place in used_places)))
            # A copy for each block: functions may have parameters.
            block = _non_linearity(how, used, [read[place] for place in used_places])
        blocks.append((used, block))
        after = problem_of(block[0]).space_in
    return blocks[::-1]


def _with_numbers(space: Space) -> Space:
    """A space with order 0 in place of irreps of no index, 0e of O(3): numbers, which pairings are added to."""
    terms = []
    for channels, order in space:
        parts = [0 if isinstance(one, Irrep) and not one.order else one for one in entries_of(order)]
        terms.append((channels, with_twists(tuple(parts) if isinstance(order, tuple) else parts[0], twists_of(order))))
    return Space(tuple(terms))


def _factors(how: _Block, before: Space, space: Space, used: Space) -> tuple[Order, ...]:
    """The orders of a hidden space that are multiplied with each other: those that the space before it reaches.

    None where there are no products in this place.
    """
    orders = tuple(
        order for order in dict.fromkeys(space.orders) if any(how.map_exists(other, order) for other in before.orders)
    )
    wanted, free = how.activation == "products", how.activation == "auto" and how.transfer is None
    if free and _usual(how.group, space) is None:
        wanted = products_add(how.group, orders, used.orders)
    if how.activation == "products" and not orders:
        raise ActivationError(
            f"nothing of {before} reaches the hidden space {space}, whose tensors activation='products' multiplies: "
            f"{abridged(how.group)} has no linear map but 0 {how.kept}between them. Give it a term that has one, "
            f"such as channels of order {order_text(before.orders[0])}"
        )
    return orders if wanted else ()


def _products(how: _Block, factors: tuple[Order, ...], used: Space) -> tuple[Space, list[nn.Module]]:
    """Products of all factors with each other, with as many channels as the space has at most, and gates for them.

    And the space behind them: terms that no product reaches are left out.
    """
    gated = Gated(how.group, used)
    wide = max(used.channels)
    outputs = tuple(dict.fromkeys(gated.space_in.orders))
    # Each channel is multiplied by itself: what vanishes there takes a second set of channels.
    copies = [order for order in factors for _ in range(1 + alternating_add(how.group, order, outputs))]
    listed = tuple(order for order in copies if is_read(how.group, order, copies, outputs))
    if not listed:
        raise ActivationError(
            f"no product of tensors of orders {', '.join(map(order_text, factors))} of {abridged(how.group)} reaches "
            f"{used}: give the hidden spaces terms of more orders, or take another activation"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZeroOutputWarning)
        layer = PolynomialLayer(
            how.group,
            Space(tuple((wide, order) for order in listed)),
            2,
            gated.space_in,
            how.bias,
            normalization=how.normalization,
            transfer=how.transfer,
            **how.factory_kwargs,
        )
    written = {pair.term_out for pair in layer.plan.pairs}
    kept = [term for place, term in enumerate(used) if place in written or layer.plan.bias_dims[place]]
    if 0 < len(kept) < len(used):
        return _products(how, factors, Space(tuple(kept)))
    return used, [layer, gated]


def _is_paired(how: _Block, space: Space, place: int, read: list[bool]) -> bool:
    """Whether a term that nothing reads behind a block is paired with itself inside it, for a term that is read."""
    group, target = how.group, positional(how.group, space.orders[place])
    if how.activation not in PAIRING or target == space.orders[place] or _usual(group, space):
        return False
    return any(wanted and positional(group, order) == target for wanted, order in zip(read, space.orders, strict=True))


def _usual(group: Group, space: Space) -> tuple[str, ...] | None:
    """The usual pointwise function of each term; None where the group asks for more than these.

    Odd functions alone make no even ones: where the group flips signs, lengths and products would be out of reach.
    """
    asked = [demand(group, order).properties for order in space.orders]
    if group.over_complex or any(_flips_signs(group, order) for order in space.orders):
        return None
    if max(map(len, asked)) < 2 and ("linear",) not in asked:
        usual = {(): "relu", ("odd",): "tanh", ("homogeneous",): "leaky_relu"}
        return tuple(usual[properties] for properties in asked)
    return None


def _flips_signs(group: Group, order: Order) -> bool:
    """Whether elements of the group, and not exchanges of axes alone, change the sign of entries."""
    counts = zip(group.factors, axis_counts(order), strict=True)
    return any(negated(group, order)) or any("odd" in factor.pointwise(count)[0] for factor, count in counts if count)


def _non_linearity(how: _Block, space: Space, read: list[bool]) -> list[nn.Module]:
    """The modules between two linear layers, which end in ``space``; terms not ``read`` there have no gates."""
    group, activation = how.group, how.activation
    if isinstance(activation, nn.Module):
        import copy

        activation = copy.deepcopy(activation)
    if activation == "norm":
        return [NormActivation(group, space, **how.factory_kwargs)]
    if activation == "gated":
        return [Gated(group, space, gated=read)]
    if activation not in PAIRING:
        return [Activation(group, space, activation)]
    functions = _usual(group, space)
    if functions is not None:
        return [Activation(group, space, functions)]
    gated = Gated(group, space, gated=read)
    for order in space.orders:
        if positional(group, order) != order and not product_sign(positions(group, order), forms_of(group, order)):
            raise ActivationError(
                f"{group} keeps no bilinear form, so that no non-linearity is known that makes a network by itself: "
                "give invariant inputs and activation='gated', or multiply tensors: activation='products'"
            )
    return [Pairings(group, gated.space_in, **how.factory_kwargs), gated] if gates(group, space) else [gated]
