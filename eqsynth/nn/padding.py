"""Samples of different sizes in one batch: padded tensors, each sample computed as if it were alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from eqsynth.errors import EqsynthError, ShapeError, SpaceError, explain_calls
from eqsynth.exact.numbers import ordered
from eqsynth.families.group import Group
from eqsynth.layers.emitted import EmittedLayer
from eqsynth.nn.activations import EquivariantModule, Tensors, axis_lengths, got, joined
from eqsynth.nn.networks import Residual, Sequential, problem_of, sizes_asked
from eqsynth.nn.normalising import BatchNorm, Pool
from eqsynth.nn.samples import (
    Shape,
    computed_at_size_zero,
    computed_padded,
    filled,
    lengths_shown,
    narrowed,
    read_sizes,
)
from eqsynth.spaces.space import Order, Space, Symmetry, axis_counts, entries_of, order_text, stored_full

BATCH_NORMS = (BatchNorm, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
#: Why samples of size 0 are refused in training.
NO_STATISTICS = (
    "a sample of size 0 has no entries for the statistics of batch normalisation in training: leave such samples out "
    "of the batch, or use eq.nn.LayerNorm"
)


@explain_calls
class Padded(EquivariantModule):
    """A module for batches of samples of different sizes: each gets exactly what the module gives for it alone.

    >>> import torch, eqsynth as eq
    >>> net = eq.nn.Padded(eq.nn.MLP("S(n)", ["1x2", "16x2", "16x1"]))
    >>> net
    Padded(S(n): 1x2 -> 16x1, MLP)
    >>> graphs, sizes = eq.nn.pad([torch.randn(3, 3, 1), torch.randn(5, 5, 1), torch.randn(3, 3, 1)])
    >>> graphs.shape, sizes
    (torch.Size([3, 5, 5, 1]), tensor([3, 5, 3]))
    >>> y = net(graphs, sizes)
    >>> y.shape, y[0, 3:].abs().max().item()
    (torch.Size([3, 5, 16]), 0.0)
    >>> torch.allclose(y[1], net.module(graphs[1]), atol=1e-5)
    True

    ``module`` is any module that knows its group and spaces: a layer, a part of eq.nn or, at best, a whole network. The
    group has a letter, as S(n). Tensors are padded at the end of every axis of the letter, ``(*batch, N, ..., N,
    channels)``; axes of numbers, as in ``S(n) x O(3)``, and terms of order 0 are not padded. ``sizes`` has the n of
    each sample, of shape ``batch``, as a tensor or a list, or is a mask, True for what is there, of shape
    ``(*batch, N)``. For a group with several letters it is a dict, ``{"n": ..., "m": ...}``; letters that are left out
    are not padded.

    What the padding holds, even NaN, has no influence, and its gradients are 0. Outputs are 0 there, and have the N of
    the input; where no input shows n, the largest size. Samples of one size are computed together, one call of the
    module for each size, so that many sizes take many calls; ``sizes`` on a GPU are copied to the CPU. As in any batch,
    a matrix product may add in another order than for one sample alone, so that last bits can differ.

    A sample of size 0, as a graph without nodes, has outputs at no position. What is made of it at order 0, where sums
    over its nodes are 0, is known for all modules of eqsynth, and for no others.

    Two modules are more than samples alone. eq.nn.Dropout draws a mask for each sample. eq.nn.BatchNorm in training
    takes its statistics over all samples and what is there of them, once for the batch, in eq.nn.Sequential, MLP and
    Residual (whose own hooks are not called then); inside other modules it is refused. Samples depend on each other
    then, as always with batch normalisation.

    ``torch.compile`` goes inside: ``Padded(torch.compile(net))``, as does eq.compile. Torch compiles for the first
    sizes, and then once with n and the number of samples open; sizes are read outside of the compiled part.

    Raises EqsynthError for a group without a letter, ShapeError for sizes below 0 or above N, for masks with holes (put
    the nodes that are there first: a mask does not say how to order them) and for tensors that do not fit.
    """

    takes_empty = True

    def __init__(self, module: nn.Module) -> None:
        hom = problem_of(module)
        super().__init__(hom.group, hom.space_in, hom.space_out)
        self._letters = _letters(hom.group)
        if isinstance(module, Padded):
            raise EqsynthError("this module is an eq.nn.Padded already: use it as it is")
        _refuse_packed((*hom.space_in.orders, *hom.space_out.orders))
        self._shapes_out = tuple(axis_lengths(hom.group, order) for order in hom.space_out.orders)
        self._asked = sizes_asked(module)
        self.module = module

    def options(self) -> tuple[str, ...]:
        """What is inside."""
        return (type(self.module).__name__,)

    def forward(self, x: Any, sizes: Any = None, *others: Any) -> Tensors:
        """The module for each sample, without its padding. Raises ShapeError for inputs and sizes that do not fit."""
        if sizes is None or others or (len(self._shapes) > 1 and isinstance(x, torch.Tensor)):
            call = (
                "x" if len(self._shapes) == 1 else f"({', '.join(f'x{place}' for place in range(len(self._shapes)))})"
            )
            raise ShapeError(
                f"call eq.nn.Padded as module({call}, sizes), where sizes has the {', '.join(self._letters)} of each "
                f"sample, such as [3, 5], or is a mask of what is there; one sample without padding is for the module "
                "inside, padded.module"
            )
        terms = self.terms_of(x)
        shapes, shapes_out = (shapes_of(self.group, space) for space in (self.space_in, self.space_out))
        listed, asked = _by_letter(sizes, self._letters), self._asked
        return joined(
            computed_padded(list(terms), listed, shapes, shapes_out, asked, self._computed, self._at_size_zero)
        )

    def _computed(self, inputs: Sequence[Sequence[torch.Tensor]], sizes: list[dict[str, int]]) -> list[Any]:
        """The outputs of the module for each of several inputs."""
        return run_computed(self.module, [joined(list(terms)) for terms in inputs], sizes)

    def _at_size_zero(self, terms: Sequence[torch.Tensor], sizes: Mapping[str, int]) -> list[torch.Tensor]:
        """What is made of samples of size 0, where some output has entries for them."""
        if any(isinstance(part, BATCH_NORMS) and part.training for part in self.module.modules()):
            raise ShapeError(NO_STATISTICS)
        return at_size_zero(self.module, terms, sizes)

    def on_dense(self, x: Any, *sizes: int) -> Tensors:
        """The module on samples that have one batch axis and no padding: for eq.testing.

        ``sizes`` are those that the module inside asks for.
        """
        terms = self.terms_of(x)
        known = dict(zip(self._asked, sizes, strict=True)) | lengths_shown(terms, shapes_of(self.group, self.space_in))
        return self(x, {letter: [size] * len(terms[0]) for letter, size in known.items()})


def shapes_of(group: Group, space: Space) -> list[tuple[int | str, ...]]:
    """The shapes of the tensors of a space, behind the axis of the batch."""
    return [(*axis_lengths(group, order), channels) for channels, order in space]


def at_size_zero(module: Any, terms: Sequence[torch.Tensor], sizes: Mapping[str, int]) -> list[torch.Tensor]:
    """What a module makes of samples where some sizes are 0, with one batch axis.

    What has no axis of these lengths reads other tensors by their sums alone, and these are 0: so they are for one node
    with zeros, for each layer by itself.
    """
    module = getattr(module, "_orig_mod", module)  # that of torch.compile
    if type(module).forward is Sequential.forward:
        for part in module:
            terms = at_size_zero(part, terms, sizes)
        return list(terms)
    if isinstance(module, Residual):
        changes = at_size_zero(module.module, terms, sizes)
        return [before + change for before, change in zip(terms, changes, strict=True)]
    if not isinstance(module, EmittedLayer | EquivariantModule):
        raise ShapeError(
            f"a sample has size 0, and what {type(module).__name__} makes of that at order 0 is not known, as it is of "
            "modules of eqsynth. Leave such samples out"
        )
    if isinstance(module, EquivariantModule) and module.takes_empty:
        y = module(joined(list(terms)))
        return list(y) if isinstance(y, tuple) else [y]
    hom = problem_of(module)
    shapes, shapes_out = (shapes_of(hom.group, space) for space in (hom.space_in, hom.space_out))
    least = least_sizes(hom.group)
    return computed_at_size_zero(
        module, terms, sizes, shapes, shapes_out, sizes_asked(module), least, isinstance(module, Pool)
    )


def least_sizes(group: Group) -> dict[str, int]:
    """The least size of each letter, where there is anything."""
    return {factor.n: factor.multiple for factor in group.factors if isinstance(factor.n, str)}


def run_computed(module: Any, inputs: list[Any], sizes: list[dict[str, int]]) -> list[Any]:
    """The module for each of several inputs, which have sizes of their own; batch normalisation sees them all."""
    norms = [part for part in module.modules() if isinstance(part, BATCH_NORMS) and part.training]
    if not norms or len(inputs) == 1:
        asked = sizes_asked(module)
        return [module(x, *[size[letter] for letter in asked]) for x, size in zip(inputs, sizes, strict=True)]
    if isinstance(module, BatchNorm):
        return list(module.together(inputs))
    if type(module).forward is Sequential.forward:
        for part in module:
            inputs = run_computed(part, inputs, sizes)
        return inputs
    if type(module).forward is Residual.forward:
        changes = run_computed(module.module, inputs, sizes)
        return [module.added(x, y) for x, y in zip(inputs, changes, strict=True)]
    raise EqsynthError(
        f"{type(module).__name__} has batch normalisation inside, in training, which eq.nn.Padded cannot reach: it "
        "would see the samples of one size at a time. Use eq.nn.LayerNorm, or eq.nn.BatchNorm in eq.nn.Sequential, "
        "MLP or Residual, or call .eval()"
    )


@explain_calls
def pad(samples: Iterable[Any], group: str | Group = "S(n)", space: str | int | Space | None = None) -> tuple[Any, Any]:
    """One padded batch of samples of different sizes, and their sizes, for eq.nn.Padded.

    >>> import torch, eqsynth as eq
    >>> x, sizes = eq.nn.pad([torch.ones(2, 2, 1), torch.ones(3, 3, 1)])
    >>> x.shape, sizes
    (torch.Size([2, 3, 3, 1]), tensor([2, 3]))
    >>> (edges, nodes), sizes = eq.nn.pad([(torch.ones(n, n, 4), torch.ones(n, 8)) for n in (2, 5)])
    >>> edges.shape, nodes.shape
    (torch.Size([2, 5, 5, 4]), torch.Size([2, 5, 8]))
    >>> cloud, _ = eq.nn.pad([torch.ones(n, 3, 2) for n in (4, 6)], "S(n) x O(3)", "2x(1,1)")
    >>> cloud.shape
    torch.Size([2, 6, 3, 2])

    A sample is a tensor ``(n, ..., n, channels)``, or a tuple of them, one per term, without a batch axis. A nested
    tensor of torch is a list of samples, too. Sizes are a tensor, or a dict of them where the group has several
    letters. A product of groups needs the space, which says which axes belong to which group.

    Raises ShapeError for samples that do not fit each other, or that do not show n.
    """
    parsed = Group.parse(group)
    letters = _letters(parsed)
    if isinstance(samples, torch.Tensor) and samples.is_nested:
        samples = samples.unbind()
    if not (ordered(samples) or (isinstance(samples, torch.Tensor) and samples.ndim)):
        raise ShapeError(
            f"expected a list of samples, tensors (n, ..., n, channels) or tuples of them, got {got(samples)}"
        )
    items = [tuple(item) if isinstance(item, tuple | list) else (item,) for item in samples]
    if not items or not all(isinstance(term, torch.Tensor) and term.ndim for item in items for term in item):
        first = next((got(term) for item in items for term in item if not isinstance(term, torch.Tensor)), "no sample")
        raise ShapeError(f"expected a list of samples: tensors (n, ..., n, channels), or tuples of them, got {first}")
    shapes = _shapes_of_samples(parsed, space, items[0], 1)
    sizes: list[dict[str, int]] = []
    for place, item in enumerate(items):
        fits = len(item) == len(shapes) and all(term.ndim == len(a) for term, a in zip(item, shapes, strict=False))
        if not fits or [t.shape[-1] for t in item] != [t.shape[-1] for t in items[0]]:
            shapes = [tuple(term.shape) for term in item]
            raise ShapeError(f"sample {place} has shapes {shapes}, which are not those of sample 0 at another size")
        sizes.append(lengths_shown(item, shapes))
    absent = [letter for letter in letters if letter not in sizes[0]]
    if absent:
        raise ShapeError(f"no term has an axis of length {absent[0]}: stack these samples, there is nothing to pad")
    full = {letter: max(size[letter] for size in sizes) for letter in letters}
    terms = [
        torch.stack([filled(term[None], shape, full)[0] for term in column])
        for column, shape in zip(zip(*items, strict=True), shapes, strict=True)
    ]
    device = terms[0].device
    columns = {letter: torch.tensor([size[letter] for size in sizes], device=device) for letter in letters}
    return joined(terms), columns if len(letters) > 1 else columns[letters[0]]


@explain_calls
def unpad(
    x: Any, sizes: Any, group: str | Group = "S(n)", space: str | int | Space | None = None
) -> list[torch.Tensor] | list[tuple[torch.Tensor, ...]]:
    """The samples of a padded batch, without their padding: the inverse of eq.nn.pad.

    >>> import torch, eqsynth as eq
    >>> [sample.shape for sample in eq.nn.unpad(torch.ones(2, 3, 3, 1), [2, 3])]
    [torch.Size([2, 2, 1]), torch.Size([3, 3, 1])]

    ``x`` is a tensor ``(batch, N, ..., N, channels)`` or a tuple of them, ``sizes`` as for eq.nn.Padded. Samples are
    views of the batch. Raises ShapeError where they do not fit.
    """
    parsed = Group.parse(group)
    letters = _letters(parsed)
    terms = tuple(x) if isinstance(x, tuple | list) else (x,)
    if not terms or not all(isinstance(term, torch.Tensor) and term.ndim > 1 for term in terms):
        raise ShapeError("expected a tensor (batch, N, ..., N, channels), or a tuple of them")
    shapes = _shapes_of_samples(parsed, space, terms, 2)
    batch = terms[0].shape[:1]
    if any(term.shape[:1] != batch for term in terms):
        raise ShapeError(f"the terms have batches of {[term.shape[0] for term in terms]} samples")
    columns, _ = read_sizes(_by_letter(sizes, letters), batch, lengths_shown(terms, shapes))
    samples = []
    for place in range(batch.numel()):
        size = {letter: column[place] for letter, column in columns.items()}
        cut = [narrowed(t[place : place + 1], a, size)[0] for t, a in zip(terms, shapes, strict=True)]
        samples.append(cut[0] if not isinstance(x, tuple | list) else tuple(cut))
    return samples  # type: ignore[return-value]


# --- sizes and axes -------------------------------------------------------------------------------


def _letters(group: Group) -> tuple[str, ...]:
    letters = tuple(sorted({factor.n for factor in group.factors if isinstance(factor.n, str)}))
    if not letters:
        raise EqsynthError(
            f"all samples of {group} have the same size: there is nothing to pad. Name a letter, as S(n)"
        )
    return letters


def _by_letter(sizes: Any, letters: tuple[str, ...]) -> Mapping[str, Any]:
    """The sizes of each letter, for which one letter need not be named."""
    if not isinstance(sizes, Mapping):
        if len(letters) > 1:
            raise ShapeError(
                f"which of {', '.join(letters)} are these sizes of? Give a dict, {{{letters[0]!r}: sizes}}"
            )
        return {letters[0]: sizes}
    unknown = sorted(set(sizes) - set(letters))
    if unknown:
        raise ShapeError(f"sizes were given for {unknown[0]!r}, but the letters are {', '.join(letters)}")
    return sizes


def _refuse_packed(orders: Sequence[Order]) -> None:
    for order in orders:
        if any(isinstance(one, Symmetry) and one.packed for one in entries_of(order)):
            raise SpaceError(
                f"tensors of {order_text(order)} have no axis of length n to pad: ask for "
                f"{order_text(stored_full(order))}"
            )


def _shapes_of_samples(group: Group, space: Any, terms: Sequence[torch.Tensor], others: int) -> list[Shape]:
    """The shape of each term of a sample; ``others``: how many axes a term has beside those of lengths."""
    orders = [term.ndim - others for term in terms] if space is None else Space.parse(space).orders
    if space is None and len(group.factors) > 1:
        raise ShapeError(f"which axes belong to which group of {group}? Give the space, as in '4x(1,1)'")
    if space is not None:
        _refuse_packed(orders)
        if [axis_count(group, order) for order in orders] != [term.ndim - others for term in terms]:
            raise ShapeError(f"tensors of shapes {[tuple(term.shape) for term in terms]} are not those of {space}")
    return [(*axis_lengths(group, order), term.shape[-1]) for order, term in zip(orders, terms, strict=True)]


def axis_count(group: Group, order: Any) -> int:
    """How many axes of lengths of the group a tensor of an order has."""
    counts = axis_counts(order)
    if len(counts) != len(group.factors):
        raise ShapeError(f"the order {order_text(order)} does not have one number for each group of {group}")
    return len(axis_lengths(group, order))
