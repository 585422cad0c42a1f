"""Any network made equivariant around it: averaged over frames, or run on a canonical form of its input."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from eqsynth.errors import (
    EqsynthError,
    GroupError,
    IgnoredInputWarning,
    ShapeError,
    SizeError,
    SpaceError,
    ZeroOutputWarning,
    counted,
    explain_calls,
    shown,
)
from eqsynth.exact.numbers import choice
from eqsynth.exact.permutations import signed_permutation
from eqsynth.families.group import Group
from eqsynth.families.representation import generators
from eqsynth.graphs.orbits import elements as all_elements
from eqsynth.nn.activations import EquivariantModule, Tensors, joined
from eqsynth.nn.networks import MLP, problem_of, sizes_asked
from eqsynth.spaces.space import Order, Space, axis_counts, is_packed, is_plain, order_text, twists_of, untwisted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: The most elements of a frame: signs of the axes of R^6, or all elements of a finite group.
MAX_FRAME = 64
MAX_ELEMENTS = 1_000
#: The hidden channels of each term of a network that is made to find canonical forms.
HIDDEN = 16
#: The length of axes whose size is open, where a random input is tried, and how close to dependent its vectors may be.
TRIED = 8
DEPENDENT = 1e-9


@dataclass(frozen=True, slots=True)
class _Moves:
    """An element of each factor for each sample: a matrix ``(samples, n, n)``, an order ``(samples, n)``, or none."""

    factors: tuple[torch.Tensor | None, ...]

    def act(self, x: torch.Tensor, order: Order, back: bool = False) -> torch.Tensor:
        """The elements applied to ``(samples, n, ..., n, channels)``; ``back``: their inverses."""
        axis = 1
        for element, count, twisted in zip(self.factors, axis_counts(order), twists_of(order), strict=True):
            for place in range(axis, axis + count if element is not None else axis):
                x = _moved(x, place, element, back)
            if element is not None and twisted:
                x = x * _determinant(element).reshape(-1, *[1] * (x.ndim - 1)).to(x.dtype)
            axis += count
        return x

    def repeated(self, times: int, place: int, element: torch.Tensor) -> _Moves:
        """Each so many times, one after the other, with another element of a factor beside it."""
        listed = [None if one is None else one.repeat(times, *[1] * (one.ndim - 1)) for one in self.factors]
        listed[place] = element
        return replace(self, factors=tuple(listed))


def _moved(x: torch.Tensor, axis: int, element: torch.Tensor | None, back: bool) -> torch.Tensor:
    """One axis moved. An order lists which point comes first, second, ...: its inverse sorts."""
    if element is None:
        return x
    if element.is_floating_point():
        rows = x.movedim(axis, 1)
        flat = rows.reshape(*rows.shape[:2], prod(rows.shape[2:]))
        return torch.bmm(element.mT if back else element, flat).reshape(rows.shape).movedim(1, axis)
    places = element if back else element.argsort(1)
    shape = [len(x), *[1] * (x.ndim - 1)]
    shape[axis] = places.shape[1]
    taken: torch.Tensor = x.take_along_dim(places.reshape(shape), axis)
    return taken


def _determinant(element: torch.Tensor) -> torch.Tensor:
    matrix = element if element.is_floating_point() else nn.functional.one_hot(element, element.shape[1]).double()
    determinant: torch.Tensor = torch.linalg.det(matrix)
    return determinant.sign()


class _Wrapped(EquivariantModule):
    """A module of any kind that sees inputs moved by elements of a group, and whose outputs are moved back."""

    def __init__(self, module: nn.Module, group: str | Group, space_in: Any, space_out: Any) -> None:
        super().__init__(group, space_in, space_out)
        if not callable(module):
            raise EqsynthError(f"{type(self).__name__} takes a torch module, not {shown(module)}")
        packed = [order for space in (self.space_in, self.space_out) for order in space.orders if is_packed(order)]
        if packed:
            raise SpaceError(
                f"tensors of order {order_text(packed[0])} are stored packed, and elements are applied to axes of "
                f"length n: ask {type(self).__name__} for tensors stored full, and eq.unpack or eq.from_irreps before"
            )
        if self.group.over_complex or any(factor.duals for factor in self.group.factors):
            raise GroupError(f"{type(self).__name__} serves groups of real orthogonal matrices, not {self.group}")
        self.module = module
        known = hasattr(module, "hom") or hasattr(module, "sizes")
        self.sizes = sizes_asked(module) if known else ()

    def forward(self, x: Any, *sizes: Any) -> Tensors:
        """Outputs that move with the input."""
        listed = self.terms_of(x)
        axes = [sum(axis_counts(order)) + 1 for order in self.space_in.orders]
        batch = listed[0].shape[: listed[0].ndim - axes[0]]
        terms = [term.reshape(prod(batch), *term.shape[len(batch) :]) for term in listed]
        times, moves = self.moves(terms)
        outputs = self._run(terms, times, moves, sizes)
        return joined(
            [y.reshape(times, len(terms[0]), *y.shape[1:]).mean(0).reshape(*batch, *y.shape[1:]) for y in outputs]
        )

    def moves(self, terms: Sequence[torch.Tensor]) -> tuple[int, _Moves]:
        """How many elements there are for each sample, and these: all samples once, then all again."""
        raise NotImplementedError

    def _seen(self, terms: Sequence[torch.Tensor], times: int, moves: _Moves) -> list[torch.Tensor]:
        """All samples once for each element, moved by its inverse."""
        return [
            moves.act(term.repeat(times, *[1] * (term.ndim - 1)), order, back=True)
            for term, order in zip(terms, self.space_in.orders, strict=True)
        ]

    def _run(
        self, terms: Sequence[torch.Tensor], times: int, moves: _Moves, sizes: Sequence[Any]
    ) -> list[torch.Tensor]:
        seen = self._seen(terms, times, moves)
        result = self.module(joined(seen), *sizes)
        outputs = [*result] if isinstance(result, tuple | list) else [result]
        meant = [(channels, sum(axis_counts(order)) + 2) for channels, order in self.space_out]
        shapes = [tuple(y.shape) for y in outputs]
        if [(shape[-1], len(shape)) for shape in shapes if shape] != meant or any(s[0] != len(seen[0]) for s in shapes):
            raise ShapeError(
                f"{type(self.module).__name__} gives tensors of shapes {shapes} for a batch of {len(seen[0])}, and "
                f"{self.space_out} of {self.group} has channels last, after an axis for each index"
            )
        lengths = {n: size for term, order in zip(terms, self.space_in.orders, strict=True)
                   for n, size in zip(self._lengths(order), term.shape[1:-1], strict=True)}  # fmt: skip
        for y, order in zip(outputs, self.space_out.orders, strict=True):
            wanted = [n if isinstance(n, int) else lengths.get(n) for n in self._lengths(order)]
            if any(n not in (None, size) for n, size in zip(wanted, y.shape[1:-1], strict=True)):
                raise ShapeError(
                    f"{type(self.module).__name__} gives tensors of shapes {shapes}, and axes of {order_text(order)} "
                    f"have lengths {wanted} here"
                )
        return [moves.act(y, order) for y, order in zip(outputs, self.space_out.orders, strict=True)]

    def _drawn(self) -> list[torch.Tensor]:
        """One random input, in double precision: what holds for it does for almost all."""
        from eqsynth.layers.packing import symmetrise  # it loads torch's compiler

        drawn, generator = [], torch.Generator().manual_seed(0)
        for channels, order in self.space_in:
            sizes = [n if isinstance(n, int) else TRIED for n in self._lengths(order)]
            x = torch.randn(1, *sizes, channels, dtype=torch.float64, generator=generator, device="cpu")
            drawn.append(x if is_plain(order) else symmetrise(x, order_text(untwisted(order))))
        return drawn

    def _lengths(self, order: Order) -> list[int | str]:
        """The length of each axis of an index: a number, or the letter of it."""
        counts = zip(self.group.factors, axis_counts(order), strict=True)
        return [factor.n for factor, count in counts for _ in range(count)]


@explain_calls
class FrameAverage(_Wrapped):
    """Any torch module, averaged over a few elements of the group that the input itself names: exactly equivariant.

    >>> import torch, eqsynth as eq
    >>> plain = torch.nn.Sequential(
    ...     torch.nn.Flatten(), torch.nn.Linear(12, 32), torch.nn.Tanh(), torch.nn.Linear(32, 3),
    ...     torch.nn.Unflatten(1, (3, 1)),
    ... )
    >>> net = eq.nn.FrameAverage(plain, "O(3)", "4x1", "1x1")
    >>> eq.testing.assert_equivariant(net)
    >>> net(torch.randn(5, 3, 4)).shape
    torch.Size([5, 3, 1])

    The module takes the tensors of ``space_in``, channels last, with one batch axis, and gives those of ``space_out``.
    It is called once, on a batch as many times as large as there are elements in a frame:

    - O(n): the axes of the second moments of the input, with all signs, 2^n elements; SO(n): the half of them that
      turns. Moments are sums over points, channels and further axes; nothing is centred: subtract the mean for clouds
      of points that also move.
    - S(n): the one order of points by a generic invariant of each point, the mean over the other axes. Where two points
      tie that are no twins it is not equivariant, as for graphs that colours of nodes do not tell apart.
    - Every other group of permutations, with signs or without, of up to 1000 elements: all of them. So are S(n) and
      factors of a product with ``frames="group"``.

    In a product the factors are named one after the other, rotations first. Frames jump where moments have equal axes
    or points change places, and with them the function; gradients near such inputs are large.

    Raises GroupError for infinite groups without frames, SizeError for too many elements, SpaceError where no term of
    the input has an axis of a factor, and for outputs of order 2 and more where moments of every input have equal axes,
    as those of one vector, ShapeError for other outputs of the module. Source: arXiv 2110.03336.
    """

    def __init__(
        self, module: nn.Module, group: str | Group, space_in: Any, space_out: Any, frames: str = "auto"
    ) -> None:
        super().__init__(module, group, space_in, space_out)
        choice("frames", frames, ("auto", "group"))
        self.frames = frames
        kinds = [factor.frames if frames == "auto" and factor.frames else "group" for factor in self.group.factors]
        for place, (factor, kind) in enumerate(zip(self.group.factors, kinds, strict=True)):
            if kind == "group":
                _elements(factor)
            else:
                _require_axes(self.group, self.space_in, place)
            if kind == "pca" and any(axis_counts(order)[place] > 1 for order in self.space_out.orders):
                self._require_axes_apart(place)
        self._kinds = tuple(sorted(enumerate(kinds), key=lambda pair: ("pca", "group", "sort").index(pair[1])))

    def _require_axes_apart(self, place: int) -> None:
        """Raise SpaceError where every input has moments with equal axes: what is turned there is not averaged out.

        Vectors are, by the signs of the axes; products of two axes and more are not.
        """
        rows = _unfolded(self._drawn(), self.space_in, place)
        sizes = torch.linalg.eigvalsh(torch.stack([row @ row.mT for row in rows]).sum(0))[0]
        if len(sizes) > 1 and float(sizes.diff().min()) < DEPENDENT * float(sizes[-1]):
            raise SpaceError(
                f"second moments of {self.space_in} have equal axes under {self.group.factors[place]} at every input, "
                f"so that they name no frame for {self.space_out}: give more vectors, or take eq.nn.MLP"
            )

    def moves(self, terms: Sequence[torch.Tensor]) -> tuple[int, _Moves]:
        """The frame of each sample."""
        times, moves = 1, _Moves((None,) * len(self.group.factors))
        for place, kind in self._kinds:
            seen = self._seen(terms, times, moves)
            if kind == "group":
                listed = torch.from_numpy(_elements(self.group.factors[place])).to(seen[0])
                found = listed[:, None].expand(-1, len(seen[0]), -1, -1).flatten(0, 1)
            elif kind == "pca":
                found = _axes(seen, self.space_in, place, self.group.factors[place].flips)
            else:
                later = [other for other, sorts in self._kinds if sorts == "sort" and moves.factors[other] is None]
                found = _scores(seen, self.space_in, place, later).argsort(dim=1, stable=True)
            more = len(found) // max(len(seen[0]), 1) or 1
            times, moves = times * more, moves.repeated(more, place, found)
        return times, moves

    def options(self) -> tuple[str, ...]:
        """How elements are named, where it was asked for."""
        return (f"frames={self.frames!r}",) if self.frames != "auto" else ()


@explain_calls
class Canonicalise(_Wrapped):
    """Any torch module, run on a canonical form of its input that an equivariant network finds: exactly equivariant.

    >>> import torch, eqsynth as eq
    >>> plain = torch.nn.Sequential(
    ...     torch.nn.Flatten(), torch.nn.Linear(12, 32), torch.nn.Tanh(), torch.nn.Linear(32, 3),
    ...     torch.nn.Unflatten(1, (3, 1)),
    ... )
    >>> net = eq.nn.Canonicalise(plain, "SO(3)", "4x1", "1x1")
    >>> eq.testing.assert_equivariant(net)
    >>> net.canonical[0].space_out
    Space(terms=((2, 1),))

    The module is called once, with one batch axis, on inputs that are turned and sorted, and its outputs are turned and
    sorted back. What is canonical is learnt along with it: for O(n) the network ``canonical`` gives n vectors, which
    Gram and Schmidt make a frame, for SO(n) n - 1; for S(n) it gives a score for each point, by which they are sorted.
    A list has one network for each factor of a product, equivariant under the whole product. None: an ``eq.nn.MLP``
    with one hidden layer for each. Orders of scores have no gradient: a network that sorts stays as it began.

    Vectors must be independent and scores different. n vectors of O(n) need an input that spans R^n; where no input of
    the space does, as one vector or a matrix alone, take FrameAverage. Points in a smaller space are not noticed:
    rounding decides there.

    Raises GroupError for other groups than products of O(n), SO(n) and S(n), n a number for rotations, SpaceError for
    networks between other spaces and for inputs that name no frame, ShapeError for other outputs of the module.
    Source: arXiv 2211.06489.
    """

    def __init__(
        self, module: nn.Module, group: str | Group, space_in: Any, space_out: Any, canonical: Any = None
    ) -> None:
        super().__init__(module, group, space_in, space_out)
        factors = self.group.factors
        for factor in factors:
            if not factor.frames:
                raise GroupError(
                    f"{factor} has no canonical forms here, which are those of O(n), SO(n) and S(n): take "
                    "eq.nn.FrameAverage, over all elements of a small finite group"
                )
        given = [*canonical] if isinstance(canonical, list | tuple | nn.ModuleList) else [canonical]
        if canonical is not None and len(given) != len(factors):
            raise EqsynthError(
                f"{self.group} has {len(factors)} factors: give a network for each in a list, not {len(given)}"
            )
        networks = []
        for place in range(len(factors)):
            _require_axes(self.group, self.space_in, place)
            target = self._target(place)
            network = self._network(target) if canonical is None else given[place]
            own = problem_of(network)
            if (own.group, own.space_in, own.space_out) != (self.group, self.space_in, target):
                raise SpaceError(
                    f"canonical forms under {factors[place]} come from a network {self.group}: {self.space_in} -> "
                    f"{target}, not {own}"
                )
            if canonical is None:
                self._require_canonical(network, place)
            networks.append(network)
        self.canonical = nn.ModuleList(networks)

    def _require_canonical(self, network: MLP, place: int) -> None:
        """Raise SpaceError where the vectors that a network finds are dependent for every input, or scores equal."""
        factor = self.group.factors[place]
        sorts = factor.frames == "sort"
        if any(one.is_meta for one in network.parameters()) or (not sorts and factor.number == 1 and not factor.flips):
            return
        with torch.no_grad():
            found = deepcopy(network).to("cpu", torch.float64)(joined(self._drawn()))
        if sorts:
            scores = found.flatten().sort().values
            apart = not len(scores) > 1 or float(scores.diff().min()) > DEPENDENT * float(scores.abs().max())
            wanted = "different scores of points"
        else:
            lengths = torch.linalg.qr(found.reshape(factor.number, found.shape[-1])).R.diagonal().abs()
            apart = float(lengths.min()) > DEPENDENT * float(lengths.max())
            wanted = counted(found.shape[-1], "vector that is not zero", "independent vectors")
        if not apart:
            raise SpaceError(
                f"canonical forms under {factor} take {wanted}, and the network that is made to find them gives none "
                f"for {self.space_in}: take eq.nn.FrameAverage, an input with more vectors, or a network of your own, "
                "canonical="
            )

    def _target(self, place: int) -> Space:
        """The vectors or scores that name an element of a factor."""
        factor, several = self.group.factors[place], len(self.group.factors)
        orders = tuple(int(at == place) for at in range(several))
        wide = 1 if factor.frames == "sort" else max(factor.number - (not factor.flips), 1)
        return Space(((wide, orders if several > 1 else orders[0]),))

    def _network(self, target: Space) -> MLP:
        """A perceptron from the input to the target, by way of the same, of scalars and of vectors at each point."""
        several = len(self.group.factors)
        ones, zeros = (1,) * several, (0,) * several
        wanted = [target.orders[0], ones if several > 1 else 1, zeros if several > 1 else 0]
        hidden = Space(tuple((HIDDEN, order) for order in dict.fromkeys(wanted)))
        with warnings.catch_warnings():
            # What it reads and gives is looked at below, by what it finds.
            warnings.simplefilter("ignore", (IgnoredInputWarning, ZeroOutputWarning))
            return MLP(self.group, [self.space_in, hidden, target])

    def moves(self, terms: Sequence[torch.Tensor]) -> tuple[int, _Moves]:
        """One element for each sample."""
        named: list[torch.Tensor | None] = []
        for factor, network in zip(self.group.factors, self.canonical, strict=True):
            y = network(joined([*terms]))
            named.append(y[..., 0].argsort(dim=1, stable=True) if factor.frames == "sort" else _gram_schmidt(y, factor))
        return 1, _Moves(tuple(named))


def _require_axes(group: Group, space: Space, place: int) -> None:
    if not any(axis_counts(order)[place] for order in space.orders):
        raise SpaceError(
            f"nothing in {space} moves under {group.factors[place]}, so that it names no element: give an input with "
            "an axis of it"
        )


@lru_cache(maxsize=16)
def _elements(group: Group) -> NDArray[np.float64]:
    """All elements of a finite group of permutations with signs, as matrices."""
    import numpy as np

    listed, algebra = generators(group)
    signed = [images for images in map(signed_permutation, listed) if images is not None]
    if algebra or len(signed) < len(listed):
        raise GroupError(
            f"{group} has no frames here: they are there for O(n), SO(n) and S(n), and for finite groups of "
            "permutations with signs"
        )
    if group.order > MAX_ELEMENTS:
        raise SizeError(f"{group} has {group.order:,} elements, more than {MAX_ELEMENTS:,}: ask for a smaller group")
    n = group.number
    images = np.array(all_elements(signed, 2 * n))[:, :n]
    matrices = np.zeros((len(images), n, n))
    matrices[np.arange(len(images))[:, None], images % n, np.arange(n)] = np.where(images < n, 1.0, -1.0)
    return matrices


def _unfolded(terms: Sequence[torch.Tensor], space: Space, place: int) -> list[torch.Tensor]:
    """For each axis of a factor that a term has all entries as ``(samples, n, rest)``."""
    listed = []
    for term, order in zip(terms, space.orders, strict=True):
        counts = axis_counts(order)
        start = 1 + sum(counts[:place])
        for axis in range(start, start + counts[place]):
            rows = term.movedim(axis, 1)
            listed.append(rows.reshape(*rows.shape[:2], prod(rows.shape[2:])))
    return listed


def _axes(terms: Sequence[torch.Tensor], space: Space, place: int, flips: bool) -> torch.Tensor:
    """The axes of the second moments with all signs, those of determinant 1 where the group does not flip."""
    rows = _unfolded(terms, space, place)
    moments = torch.stack([row @ row.mT for row in rows]).sum(0)
    vectors: torch.Tensor = torch.linalg.eigh(moments).eigenvectors
    n = vectors.shape[-1]
    free = n if flips else n - 1
    if 2**free > MAX_FRAME:
        raise SizeError(f"a frame of R^{n} has {2**free:,} elements, more than {MAX_FRAME}: take eq.nn.Canonicalise")
    signs = torch.tensor([*product((1.0, -1.0), repeat=free)], dtype=vectors.dtype, device=vectors.device)
    signs = signs.reshape(-1, 1, free).expand(-1, len(vectors), -1)
    if not flips:
        last = torch.linalg.det(vectors).sign() * signs.prod(-1)
        signs = torch.cat([signs, last[..., None]], -1)
    return (vectors * signs[:, :, None, :]).flatten(0, 1)


def _scores(terms: Sequence[torch.Tensor], space: Space, place: int, unsorted: Sequence[int]) -> torch.Tensor:
    """A generic invariant of each point, ``(samples, n)``: of its entries, means over other axes, and diagonals.

    ``unsorted``: the factors, this one included, whose points are in any order. Of the axes of others there are means
    of the first powers of entries, so that their order does not count.
    """
    scores = []
    for whole, order in zip(terms, space.orders, strict=True):
        counts = axis_counts(order)
        starts = [1 + sum(counts[:factor]) for factor in range(len(counts))]
        own = [*range(starts[place], starts[place] + counts[place])]
        beside = [starts[other] + axis for other in unsorted if other != place for axis in range(counts[other])]
        powers = [(whole**power).mean(beside, keepdim=True) for power in (1, 2, 3)] if beside else [whole]
        term = torch.cat(powers, -1)
        for axis in own:
            others = [one for one in own if one != axis]
            for values in (term, term.square()):
                scores.append(_combined((values.mean(others, keepdim=True) if others else values).movedim(axis, 1)))
        if len(own) > 1:
            diagonal = term.movedim(own, [*range(1, 1 + len(own))])
            while diagonal.ndim > term.ndim - len(own) + 1:
                diagonal = diagonal.diagonal(dim1=1, dim2=2).movedim(-1, 1)
            scores.append(_combined(diagonal))
    return _combined(torch.stack(scores, -1))


def _combined(values: torch.Tensor) -> torch.Tensor:
    """One number for each point, from ``(samples, n, ...)``."""
    rows = values.reshape(*values.shape[:2], prod(values.shape[2:]))
    weights = torch.arange(1, rows.shape[2] + 1, dtype=rows.dtype, device=rows.device).cos()
    combined: torch.Tensor = torch.matmul(rows, weights)
    return combined


def _gram_schmidt(vectors: torch.Tensor, group: Group) -> torch.Tensor:
    """The orthogonal matrix of vectors ``(samples, n, n)``, or of n - 1 and the one that makes the determinant 1."""
    n = vectors.shape[1]
    if not group.flips and n == 1:
        return torch.ones_like(vectors)
    basis, triangle = torch.linalg.qr(vectors)
    signs = triangle.diagonal(dim1=-2, dim2=-1).sign()
    basis = basis * torch.where(signs == 0, 1.0, signs)[:, None, :]
    if group.flips:
        return basis  # type: ignore[no-any-return]  # torch has no hint
    units = torch.eye(n, dtype=basis.dtype, device=basis.device)
    filled = torch.cat([basis[:, None].expand(-1, n, -1, -1), units[:, :, None].expand(len(basis), -1, -1, -1)], -1)
    last: torch.Tensor = torch.linalg.det(filled)
    return torch.cat([basis, last[..., None]], -1)
