"""Padded batches taken apart into samples of one size, and put together again.

eq.nn.Padded runs these functions, and files of networks with one carry them: ``codegen/carry.py`` copies their text,
without annotations, ValueError in place of ShapeError. They use nothing but torch and each other.

The shape of a term is that of one sample, channels last: a number for each axis, or the letter that stands for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from eqsynth.errors import ShapeError

#: The shape of a term of a sample.
Shape = Sequence[int | str]
#: The sizes of the letters, and how many samples have them.
Run = tuple[dict[str, int], int]


def computed_padded(
    terms: list[torch.Tensor],
    sizes: Mapping[str, Any],
    shapes: Sequence[Shape],
    shapes_out: Sequence[Shape],
    asked: Sequence[str],
    compute: Callable[[list[list[torch.Tensor]], list[dict[str, int]]], Sequence[Any]],
    at_size_zero: Callable[[list[torch.Tensor], dict[str, int]], Sequence[torch.Tensor]],
) -> list[torch.Tensor]:
    """The outputs for a padded batch: ``compute`` gets the samples of each size, without their padding."""
    batch = terms[0].shape[: terms[0].ndim - len(shapes[0])]
    if not batch:
        raise ShapeError("expected tensors with a batch axis: one sample alone is not padded, call the module")
    columns, full = read_sizes(sizes, batch, lengths_shown(terms, shapes))
    for letter in asked:
        if letter not in full:
            raise ShapeError(f"no input has an axis of length {letter}: give sizes for it, {{{letter!r}: ...}}")
    places, runs = runs_of(columns, batch.numel())
    if not runs:
        return [terms[0].new_zeros(batch + numbers_of(shape, full)) for shape in shapes_out]
    inputs = taken_apart(terms, shapes, places, runs)
    known = [{**full, **size} for size, _ in runs]
    # First what may be refused, before any statistics change.
    outputs = {}
    for place, (size, count) in enumerate(runs):
        if 0 in size.values():
            own = [numbers_of(shape, known[place]) for shape in shapes_out]
            nothing = all(0 in shape for shape in own)
            zeros = [terms[0].new_zeros((count, *shape)) for shape in own]
            outputs[place] = zeros if nothing else at_size_zero(inputs[place], known[place])
    nonempty = [place for place in range(len(runs)) if place not in outputs]
    computed = compute([inputs[at] for at in nonempty], [known[at] for at in nonempty]) if nonempty else []
    for place, y in zip(nonempty, computed):
        outputs[place] = y if isinstance(y, (tuple, list)) else [y]
    return put_together([outputs[place] for place in range(len(runs))], shapes_out, places, full, batch)


def taken_apart(
    terms: Sequence[torch.Tensor], shapes: Sequence[Shape], places: list[int], runs: Sequence[Run]
) -> list[list[torch.Tensor]]:
    """For each run of samples of one size their terms, without padding."""
    # One permutation of the batch, then pieces: going back touches every entry once, however many sizes there are.
    pieces = []
    for term, shape in zip(terms, shapes):
        flat = term.flatten(0, term.ndim - len(shape) - 1)
        if places != sorted(places):
            flat = flat.index_select(0, torch.tensor(places, device=flat.device))
        parts = torch.split(flat, [count for _, count in runs])
        # Contiguous, as a sample alone is, so that the same kernels run.
        pieces.append([narrowed(part, shape, size).contiguous() for part, (size, _) in zip(parts, runs)])
    return [list(piece) for piece in zip(*pieces)]


def put_together(
    outputs: Sequence[Sequence[torch.Tensor]],
    shapes: Sequence[Shape],
    places: list[int],
    full: Mapping[str, int],
    batch: torch.Size,
) -> list[torch.Tensor]:
    """The outputs of the runs as one padded batch, in the order of the input."""
    terms = []
    for parts, shape in zip(zip(*outputs), shapes):
        whole = torch.cat([filled(part, shape, full) for part in parts])
        if places != sorted(places):
            whole = whole.index_select(0, torch.tensor(places, device=whole.device).argsort())
        terms.append(whole.reshape(batch + numbers_of(shape, full)))
    return terms


def computed_at_size_zero(
    module: Any,
    terms: Sequence[torch.Tensor],
    sizes: Mapping[str, int],
    shapes: Sequence[Shape],
    shapes_out: Sequence[Shape],
    asked: Sequence[str],
    least: Mapping[str, int],
    norms: bool,
) -> list[torch.Tensor]:
    """What a module makes of samples where some sizes are 0, with one batch axis: of zeros at their ``least`` sizes.

    ``norms``: whether the module takes norms, of which those of zeros are not quite 0.
    """
    batch = terms[0].shape[:1]
    grown = {letter: size or least.get(letter, 1) for letter, size in sizes.items()}
    wanted = [batch + numbers_of(shape, grown) for shape in shapes]
    inputs = [term if term.shape == shape else term.new_zeros(shape) for term, shape in zip(terms, wanted)]
    y = module(inputs[0] if len(inputs) == 1 else tuple(inputs), *[grown[letter] for letter in asked])
    outputs = list(y) if isinstance(y, tuple) else [y]
    right = [batch + numbers_of(shape, sizes) for shape in shapes_out]
    nothing = [not term.numel() for term in terms] if norms else [False] * len(outputs)
    return [y.new_zeros(shape) if empty or y.shape != shape else y for y, shape, empty in zip(outputs, right, nothing)]


def lengths_shown(terms: Sequence[torch.Tensor], shapes: Sequence[Shape]) -> dict[str, int]:
    """The length of the axes of each letter; ShapeError where they differ."""
    shown: dict[str, int] = {}
    for term, shape in zip(terms, shapes):
        for size, length in zip(term.shape[term.ndim - len(shape) : -1], shape):
            meant = shown.setdefault(length, size) if isinstance(length, str) else length
            if size != meant:
                raise ShapeError(
                    f"a tensor of shape {tuple(term.shape)} has an axis of {size} where {length} is {meant}"
                )
    return shown


def read_sizes(
    sizes: Mapping[str, Any], batch: torch.Size, shown: Mapping[str, int]
) -> tuple[dict[str, list[int]], dict[str, int]]:
    """For each letter the size of each sample, and the full length."""
    columns, full = {}, dict(shown)
    for letter, given in sizes.items():
        columns[letter], full[letter] = read_column(given, letter, batch, shown.get(letter))
    return columns, full


def read_column(given: Any, letter: str, batch: torch.Size, length: int | None) -> tuple[list[int], int]:
    """The sizes of a letter, which may be given as a mask, and the full length."""
    try:
        table = torch.as_tensor(given)
    except (TypeError, ValueError, RuntimeError):
        raise ShapeError(
            f"sizes of {letter} are no numbers, but of type {type(given).__name__}: give a tensor or a list with the "
            "size of each sample, such as [3, 5], or a mask of truth values"
        ) from None
    longest = length
    if table.dtype == torch.bool:
        if table.shape[:-1] != batch or (length is not None and table.shape[-1] != length):
            meant = ", ".join([*map(str, batch), letter if length is None else str(length)])
            raise ShapeError(f"the mask has shape {tuple(table.shape)}, expected ({meant})")
        longest, mask = table.shape[-1], table
        table = mask.sum(-1)
        if not torch.equal(mask, torch.arange(longest, device=mask.device) < table.unsqueeze(-1)):
            raise ShapeError(
                "the mask has holes: what is there must come first on every axis. Sort the nodes of each sample so, by "
                "mask.int().argsort(dim=-1, descending=True, stable=True), and every axis of its other tensors along"
            )
    if table.dtype.is_floating_point or table.dtype.is_complex:
        if table.numel():
            raise ShapeError(f"sizes are whole numbers, or a mask of truth values, not {table.dtype}")
        table = table.long()
    if table.shape != batch:
        raise ShapeError(
            f"sizes have shape {tuple(table.shape)}, but the batch has {tuple(batch)}: one for each sample"
        )
    column = table.flatten().tolist()
    longest = max(column, default=1) if longest is None else longest
    for place, size in enumerate(column):
        if not 0 <= size <= longest:
            raise ShapeError(f"sample {place} is said to have {letter} = {size}, expected 0 to {longest}")
    return column, longest


def runs_of(columns: Mapping[str, list[int]], count: int) -> tuple[list[int], list[Run]]:
    """The samples in order of their sizes, and how many in turn have which."""
    keys = [tuple(column[place] for column in columns.values()) for place in range(count)]
    places = sorted(range(count), key=keys.__getitem__)
    counts: dict[tuple[int, ...], int] = {}
    for place in places:
        counts[keys[place]] = counts.get(keys[place], 0) + 1
    return places, [(dict(zip(columns, key)), many) for key, many in counts.items()]


def numbers_of(shape: Shape, sizes: Mapping[str, int]) -> tuple[int, ...]:
    """The shape at given sizes."""
    return tuple([sizes[length] if isinstance(length, str) else length for length in shape])


def narrowed(term: torch.Tensor, shape: Shape, sizes: Mapping[str, int]) -> torch.Tensor:
    """(samples, N, ..., channels) -> (samples, n, ..., channels), for the letters in sizes."""
    for axis, length in enumerate(shape, start=1):
        if isinstance(length, str) and length in sizes:
            term = term.narrow(axis, 0, sizes[length])
    return term


def filled(term: torch.Tensor, shape: Shape, full: Mapping[str, int]) -> torch.Tensor:
    """(samples, n, ..., channels) -> (samples, N, ..., channels), zeros behind."""
    behind = []
    for size, length in zip(reversed(term.shape), reversed(shape)):
        behind += [0, full[length] - size if isinstance(length, str) else 0]
    return nn.functional.pad(term, behind) if any(behind) else term


def rows_together(terms: Sequence[torch.Tensor], components: Sequence[int]) -> torch.Tensor:
    """Tensors of several batches as one, (rows, components, channels); ``components``: their axes, from the end."""
    rows = []
    for term in terms:
        ends = tuple(range(-1 - len(components), -1))
        moved = term.movedim(tuple(components), ends)
        rows.append(moved.flatten(0, moved.ndim - 2 - len(components)))
    return torch.cat(rows)


def rows_apart(rows: torch.Tensor, terms: Sequence[torch.Tensor], components: Sequence[int]) -> list[torch.Tensor]:
    """The inverse of rows_together."""
    ends = tuple(range(-1 - len(components), -1))
    shapes = [term.movedim(tuple(components), ends).shape for term in terms]
    counts = [shape[: len(shape) - 1 - len(components)].numel() for shape in shapes]
    parts = torch.split(rows, counts)
    return [part.reshape(shape).movedim(ends, tuple(components)) for part, shape in zip(parts, shapes)]
