"""Functions and methods that emitted files carry: they build constant tables from short exact recipes, and apply them.

Nothing here runs inside eqsynth: ``carry.py`` reads the text of this module, and copies what a file needs, without
annotations, in the order in which it stands here. A change of a body is a change of every file that carries it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import combinations, permutations, product
from typing import Any, NoReturn

import torch
from torch import nn
from torch.nn.functional import linear

from eqsynth.codegen.meaning import LENGTH

Tensor = torch.Tensor
#: Rows of whole numbers, as a file writes them.
Table = Sequence[Sequence[int]]
#: A tensor for each irreducible part, or for each class of positions.
Parts = Sequence[Tensor]
#: All maps, (maps, rows, columns), by order of output and of input.
Spaces = Sequence[Sequence[Tensor]]


def _epsilon(n: int, tied: int, taken: int, given: int) -> Tensor:
    """The matrix from x[K, I] to y[K, J] = sum over I of epsilon(K, J, I, the label that is left) x[K, I]."""
    matrix = torch.zeros(n ** (tied + given), n ** (tied + taken), dtype=torch.float64)
    for labels in permutations(range(n)):
        k, j, i = labels[:tied], labels[tied : tied + given], labels[tied + given : tied + given + taken]
        matrix[_place(k + j, n), _place(k + i, n)] += _parity(labels)
    return matrix


def _star_tables(n: int, tied: int, taken: int, given: int) -> tuple[Table, Table, Table, list[list[float]]]:
    """Tables for y[K, J] = sum over I of epsilon(K, J, I, the label that is left) x[K, I].

    Antisymmetrising x over I leaves one row for each K and set S: the sum of the rows ``even`` less the rows
    ``odd``. Row (K, J) of y adds up the rows ``give``, with ``sign`` 1, -1 or 0.
    """
    rows, even, odd, give, sign = {}, [], [], [], []
    for k in permutations(range(n), tied):
        for s in combinations([label for label in range(n) if label not in k], taken):
            # One label needs no antisymmetrising: its row is that of x.
            rows[k, s] = len(rows) if taken > 1 else _place((*k, *s), n)
            places = {parity: [] for parity in (1, -1)}
            for i in permutations(s):
                places[_parity(i)].append(_place((*k, *i), n))
            even.append(places[1])
            odd.append(places[-1])
    width = math.comb(n - tied - given, taken)
    for kj in product(range(n), repeat=tied + given):
        free = [label for label in range(n) if label not in kj]
        sets = list(combinations(free, taken)) if len(free) == n - tied - given else []
        left = [tuple(label for label in free if label not in s) for s in sets]
        give.append([rows[kj[:tied], s] for s in sets] or [0] * width)
        sign.append([float(_parity((*kj, *s, *m))) for s, m in zip(sets, left)] or [0.0] * width)
    return even, odd, give, sign


def _eta(n: int, plus: int, axes: int) -> Tensor:
    """The sign of each index tuple: -1 for every index from ``plus`` on."""
    signs = torch.ones(1, dtype=torch.float64)
    for _ in range(axes):
        signs = (signs[:, None] * (1 - 2 * (torch.arange(n) >= plus).double())).flatten()
    return signs


def _antisymmetrise(x: Tensor, even: Tensor, odd: Tensor) -> Tensor:
    """(b, n^in, channels) -> one row for each even[r]."""
    return _add_up(x, even) - _add_up(x, odd)


def _star(x: Tensor, give: Tensor, sign: Tensor) -> Tensor:
    """(b, rows, channels) -> (b, n^out, channels)."""
    return _add_up(x, give, sign)


def _add_up(x: Tensor, rows: Tensor, sign: Tensor | None = None) -> Tensor:
    """Row r of the result adds up rows[r] of x, (b, rows of x, channels), each with its sign."""
    picked = x.index_select(1, rows.flatten())
    if sign is not None:
        picked.mul_(sign)
    return picked if rows.shape[1] == 1 else picked.reshape(x.shape[0], *rows.shape, x.shape[-1]).sum(2)


def _place(index: Iterable[int], n: int) -> int:
    place = 0
    for label in index:
        place = n * place + label
    return place


def _parity(labels: Sequence[int]) -> int:
    return (-1) ** sum(a > b for i, b in enumerate(labels) for a in labels[:i])


# fmt: off
def _packing(
    n: int, order: int, alternating: bool, device: torch.device | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Where each entry of a symmetric or alternating tensor stands first, which stands at each place, and its sign.

    Entries are numbered as their ascending tuples of indices are sorted.
    """
    places = torch.arange(n**order, device=device)
    index = torch.stack([places // n**power % n for power in reversed(range(order))])
    signs = torch.ones_like(places)
    if alternating:
        for later in range(order):
            for earlier in range(later):
                signs = signs * (index[later] - index[earlier]).sign()
    ascending = index.sort(0).values
    # Strictly ascending numbers below m: how many tuples come after each one.
    m = n if alternating else n + order - 1
    count = _choose(m, order)
    numbers = torch.zeros_like(places) + count - 1
    for place in range(order):
        numbers = numbers - _choose(m - 1 - ascending[place] - (0 if alternating else place), order - place)
    # Entries that are always zero are left out.
    first = torch.full_like(places[:1], n**order).expand(count + 1).scatter_reduce(
        0, torch.where(signs == 0, count, numbers), places, "amin"
    )
    return first[:count], numbers * signs.abs(), signs
# fmt: on


# fmt: off
def _packing_of(
    n: int, text: str, device: torch.device | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """The same for equations between entries, as "ijkl=jikl=klij": entries are numbered as their first places are."""
    turns = _exchanges(text)
    order = len(turns[0][0])
    places = torch.arange(n**order, device=device)
    index = torch.stack([places // n**power % n for power in reversed(range(order))])
    least, signs, zero = places, torch.ones_like(places), places < 0
    for axes, sign in turns:
        image = sum(index[axis] * n ** (order - 1 - place) for place, axis in enumerate(axes))
        signs = torch.where(image < least, torch.full_like(signs, sign), signs)
        least = torch.minimum(image, least)
        zero = zero | ((image == places) & (sign < 0))
    count = _entries_of(n, turns)
    numbers = (((least == places) & ~zero).cumsum(0) - 1).index_select(0, least)
    # Entries that are always zero are left out.
    first = torch.full_like(places[:1], n**order).expand(count + 1).scatter_reduce(
        0, torch.where(zero, count, numbers), places, "amin"
    )
    return first[:count], torch.where(zero, 0, numbers), torch.where(zero, 0, signs)
# fmt: on


def _exchanges(text: str) -> list[tuple[list[int], int]]:
    """The orders of indices, with signs, that follow from equations between entries."""
    first, *words = text.split("=")
    signs = {first: 1}
    for at in (agenda := [first]):
        for word in words:
            sign = -1 if word.startswith("-") else 1
            image = "".join(at[first.index(letter)] for letter in word.removeprefix("-"))
            if image not in signs:
                signs[image] = signs[at] * sign
                agenda.append(image)
    return [([first.index(letter) for letter in word], sign) for word, sign in signs.items()]


def _entries_of(n: Any, turns: list[tuple[list[int], int]]) -> Any:
    """How many independent entries there are: the mean of n to the number of cycles, with signs."""
    count = 0
    for axes, sign in turns:
        left, cycles = {*axes}, 0
        while left:
            cycles += 1
            axis = left.pop()
            while (axis := axes[axis]) in left:
                left.remove(axis)
        count = count + sign * n**cycles
    return count // len(turns)


def _side_of(length: int, text: str) -> int:
    """The n for which tensors with equations between entries have so many of them; 0 where there is none."""
    turns, n = _exchanges(text), 1
    while _entries_of(n, turns) < length:
        n += 1
    return n if _entries_of(n, turns) == length and length else 0


def _choose(m: Any, k: int) -> Any:
    """The binomial coefficient."""
    found = 1
    for step in range(k):
        found = found * (m - step)
    return found // math.factorial(k)


def _side(length: int, order: int, alternating: bool) -> int:
    """The n for which tensors of an order have so many entries; 0 where there is none."""
    n = 1
    while math.comb(n if alternating else n + order - 1, order) < length:
        n += 1
    return n if math.comb(n if alternating else n + order - 1, order) == length and length else 0


def _orbits(generators: Table, n: int, m: int, last: list[int]) -> tuple[Tensor, Tensor]:
    """The number of the orbit of each index tuple, n^m of them, and one tuple of each orbit.

    Orbits are numbered by their least tuple, but those in ``last`` come last.
    """
    # Every tuple points at a lesser or equal one of its orbit; where two roots meet, the greater points at the less.
    least, changed = torch.arange(n**m), True
    while changed:
        before = least
        for g in generators:
            moved = least.reshape((n,) * m)
            for axis in range(m):
                moved = moved.index_select(axis, torch.tensor(g))
            moved = moved.flatten()
            roots, lesser = torch.maximum(least, moved), torch.minimum(least, moved)
            least = least.scatter_reduce(0, roots, lesser, "amin")
            least = least[least]
        changed = not torch.equal(before, least)
    tuples, labels = torch.unique(least, return_inverse=True)
    behind = torch.zeros(len(tuples))
    behind[last] = 1
    order = torch.argsort(behind, stable=True)
    return torch.argsort(order)[labels], tuples[order]


def _adjacency(n: int, edges: Table) -> Tensor:
    matrix = torch.zeros(n, n, dtype=torch.float64)
    matrix[tuple(torch.tensor(edges, dtype=torch.long).reshape(-1, 2).T)] = 1
    return matrix


def _multiply(matrix: Tensor, x: Tensor) -> Tensor:
    """The matrix times each sample: (b, n, channels) -> (b, n, channels), contiguous."""
    return torch.bmm(matrix.expand(x.shape[0], -1, -1), x)


def _along(ends: Tensor, starts: Tensor, x: Tensor) -> Tensor:
    """Row ends[e] adds up the rows starts[e] of x, over the edges e: (b, n, channels) -> (b, n, channels)."""
    return x.new_zeros(x.shape).index_add(1, ends, x.index_select(1, starts))


def _homomorphisms(adjacency: Tensor, graphs: Sequence[tuple[list[int], int, Table]]) -> Tensor:
    """Homomorphism numbers of bilabelled graphs (label of each vertex, number of labels, edges)."""
    n, counts = len(adjacency), []
    for vertices, labels, pairs in graphs:
        shown = sorted(set(vertices))
        factors: list[Any] = [(adjacency, (i, j)) if i != j else (adjacency.diagonal(), (i,)) for i, j in pairs]
        factors += [(torch.ones(n, dtype=torch.float64), (label,)) for label in shown]
        # Labels that are not shown are summed one at a time, those with the fewest neighbours first.
        hidden = set(range(labels)) - set(shown)
        while hidden:
            near = {v: {u for _, at in factors if v in at for u in at} for v in sorted(hidden)}
            label = min(near, key=lambda v: len(near[v]))
            touched = [operand for factor in factors if label in factor[1] for operand in factor]
            left = tuple(sorted(near[label] - {label}))
            factors = [factor for factor in factors if label not in factor[1]]
            factors.append((torch.einsum(*touched, left), left))
            hidden.remove(label)
        values = torch.einsum(*[operand for factor in factors for operand in factor], shown) if factors else 1.0
        index = torch.meshgrid(*[torch.arange(n)] * len(shown), indexing="ij") if shown else ()
        count = torch.zeros((n,) * len(vertices), dtype=torch.float64)
        count[tuple(index[shown.index(label)] for label in vertices)] = values
        counts.append(count)
    return torch.stack(counts)


def _entries(listed: Sequence[Sequence[Sequence[int]]], rows: int, columns: int) -> Tensor:
    """Matrices from lists of (row, column, value)."""
    maps = torch.zeros(len(listed), rows, columns, dtype=torch.float64)
    for number, entries in enumerate(listed):
        for row, column, value in entries:
            maps[number, row, column] = value
    return maps


def _roots(entries: Sequence[Sequence[int]], rows: int, columns: int) -> Tensor:
    """A matrix of square roots from (row, column, numerator, denominator); the numerator has the sign of the root."""
    table = torch.zeros(rows, columns, dtype=torch.float64)
    for row, column, above, below in entries:
        table[row, column] = math.copysign(math.sqrt(abs(above) / below), above)
    return table


def _scale(maps: Tensor | None, orbits: Tensor | None, count: int) -> Tensor:
    """For each map, the largest sum of squares in a row; ``count`` orbits have places of their own."""
    found = []
    if maps is not None:
        found.append((maps**2).sum(2).amax(1))
    if orbits is not None:
        rows = torch.arange(orbits.shape[0])[:, None] * (orbits.max() + 1)
        reached = torch.unique(rows + orbits) % (orbits.max() + 1)
        found.append((orbits.flatten().bincount().double() / reached.bincount())[:count])
    return torch.cat(found)


def _diagrams(
    n: int, outputs: int, inputs: int, listed: Sequence[Any], heads: bool = False, forms: bool = False
) -> Tensor:
    """Matrices of diagrams, each given by the labels of its vertices, outputs first.

    An entry is 1 where equal labels have equal indices. With ``heads``: times epsilon of the indices of the labels
    that are listed behind, and of the one that is missing. With ``forms``: pairs in a row carry the symplectic form.
    """
    maps = torch.zeros(len(listed), n ** (outputs + inputs), dtype=torch.float64)
    for entries, labels in zip(maps, listed):
        labels, head = labels if heads else (labels, [])
        count = max([*labels, *head, -1]) + 1
        index: Any = torch.arange(n**count) // n ** torch.arange(count)[:, None] % n
        value, at = torch.ones(n**count, dtype=torch.float64), [index[label] for label in labels]
        for right, label in enumerate(labels if forms else []):
            left = labels.index(label)
            if left < right and (left < outputs) == (right < outputs):
                value = value * (1 - 2 * (at[left] % 2))
                at[right] = at[right] ^ 1
        if head:
            tied = [index[label] for label in head]
            tied += [n * (n - 1) // 2 - sum(tied)] if len(head) == n - 1 else []
            for last in range(n):
                for first in range(last):
                    value = value * (tied[last] - tied[first]).sign()
        place = torch.zeros(n**count, dtype=torch.long)
        for each in at:
            place = n * place + each
        entries.index_add_(0, place, value)
    return maps.reshape(-1, n**outputs, n**inputs)


def _with_eta(maps: Tensor, n: int, plus: int, outputs: int, inputs: int, heads: Sequence[int]) -> Tensor:
    """Diagrams of O(n) and SO(n) as those of a form with signs: times i for each index from ``plus`` on, or by it.

    What is left is a sign, for a head (1 in ``heads``) once det eta = (-1)^(n - plus) is taken out as i^(n - plus).
    """
    power = torch.zeros(1, 1, 1, dtype=torch.long)
    for axes, step in ((outputs, 1), (inputs, -1)):
        for _ in range(axes):
            power = power[..., None] + step * (torch.arange(n) >= plus).long()
    power = power.reshape(1, n**outputs, n**inputs) - (n - plus) * torch.arange(1 + max(heads))[:, None, None]
    signs = (1 - power % 4).to(maps.dtype)
    return maps.mul_(signs if len(signs) == 1 else signs[heads])


def _units(unpacked: Tensor, signs: Tensor) -> Tensor:
    """For each entry of a symmetric tensor that stands once, the tensor of length 1 that it stands for: a row."""
    rows = (unpacked == torch.arange(int(unpacked.max()) + 1)[:, None]) * signs.double()
    return rows / rows.norm(dim=1, keepdim=True)


def _adapted(
    spaces: Spaces,
    seed: int,
    irreps: Sequence[Any],
    same: Sequence[int | None],
    columns: Any = None,
) -> tuple[list[Parts], list[Parts], Any]:
    """Orthonormal rows in which every map is one small matrix for each irreducible part.

    spaces[b][a] holds all maps from input order a to output order b. Of a part are given: the dimension of the
    algebra of its own maps, where one copy is among the singular vectors of a generic map, class of positions by
    class, and the maps (order on the other side, number) that take this copy to a set of independent ones. Returns
    for each input order and part the rows (columns, copies, positions), the same for outputs, and the places. An
    output order that is an input order too, number same[b] of them, has its rows from there.
    """
    generic, classes = _generic(spaces, seed), _support(spaces)
    samples = [_generic(spaces, seed + 8 * (2 + number)) for number in range(4 if columns else 0)]
    left = [torch.linalg.svd(generic[rows][:, cols], full_matrices=False)[0] for rows, cols in classes]
    outs = [row[0].shape[1] for row in spaces]
    ins = [part.shape[2] for part in spaces[0]]
    into, back = [[] for _ in ins], [[] for _ in outs]
    for division, reference, picks_in, picks_out in irreps:
        copy = torch.zeros(sum(count for _, count in reference), len(generic), dtype=torch.float64)
        start = 0
        for (rows, _), vectors, (first, count) in zip(classes, left, reference):
            copy[start : start + count, rows] = vectors[:, first : first + count].T
            start += count
        other = copy @ generic
        other = other / (other**2).sum().div(len(copy)).sqrt()
        turn = columns(samples, copy, other, reference, division) if division > 1 else None
        for made, picks, source, sizes in ((into, picks_in, copy, outs), (back, picks_out, other, ins)):
            parts = source.split(sizes, 1)
            for order, wanted in enumerate(picks):
                if made is back and same[order] is not None:
                    continue
                images = [
                    parts[far] @ (spaces[far][order][k] if made is into else spaces[order][far][k].T)
                    for far, k in wanted
                ]
                if images:
                    images = torch.stack(images)
                    gram = torch.einsum("aci,bci->ab", images, images) / len(copy)
                    images = images if turn is None else turn @ images
                    images = torch.linalg.solve(torch.linalg.cholesky(gram), images.flatten(1)).reshape(images.shape)
                    made[order].append(images.transpose(0, 1))
                else:
                    rows = len(copy) // division
                    made[order].append(copy.new_zeros(rows, 0, (ins if made is into else outs)[order]))
    places = [
        [[part - start for part in parts] for parts, start in zip(zip(*split), starts)]
        for split, starts in ((_split(classes, 1, ins), _starts(ins)), (_split(classes, 0, outs), _starts(outs)))
    ]
    into = [_polish(rows) for rows in into]
    back = [_polish(rows) if place is None else into[place] for rows, place in zip(back, same)]
    return into, back, places


def _generic(spaces: Spaces, seed: int) -> Tensor:
    """A combination of all maps, from all inputs to all outputs, with fixed whole numbers that look random."""
    rows = []
    for b, row in enumerate(spaces):
        parts = []
        for a, maps in enumerate(row):
            start = 1009 * seed + 101 * a + 317 * b + 1
            numbers = [pow(5, start + k, 10007) - 5003.0 for k in range(len(maps))]
            numbers = torch.tensor(numbers, dtype=torch.float64)
            parts.append(torch.tensordot(numbers / maps.flatten(1).norm(dim=1), maps, 1))
        rows.append(torch.cat(parts, 1))
    return torch.cat(rows)


def _support(spaces: Spaces) -> list[tuple[Tensor, Tensor]]:
    """Classes of rows and columns that entries of the maps connect, the small ones first."""
    linked = torch.cat([torch.cat([(maps.abs() > 1e-8).any(0) for maps in row], 1) for row in spaces])
    count, none = len(linked), sum(linked.shape)
    label, before = torch.arange(none), None
    while before is None or not torch.equal(label, before):
        before = label
        top, low = label[:count], label[count:]
        top = torch.minimum(top, torch.where(linked, low, none).amin(1))
        low = torch.minimum(low, torch.where(linked, top[:, None], none).amin(0))
        label = torch.cat([top, low])
    found = [((top == least).nonzero()[:, 0], (low == least).nonzero()[:, 0]) for least in torch.unique(label)]
    found = [(rows, cols) for rows, cols in found if len(rows) and len(cols)]
    return sorted(found, key=lambda pair: (len(pair[0]), len(pair[1]), int(pair[0][0])))


def _starts(sizes: Sequence[int]) -> list[int]:
    return [sum(sizes[:place]) for place in range(len(sizes))]


def _split(classes: Sequence[tuple[Tensor, Tensor]], side: int, sizes: Sequence[int]) -> list[Parts]:
    """The rows (side 0) or columns of each class, order by order."""
    ends = [(start, start + size) for start, size in zip(_starts(sizes), sizes)]
    return [[pair[side][(pair[side] >= s) & (pair[side] < t)] for s, t in ends] for pair in classes]


def _polish(rows: Parts) -> Parts:
    """The same rows, orthonormal to the last digit."""
    flat = torch.cat([part.flatten(0, 1) for part in rows])
    flat = 1.5 * flat - 0.5 * (flat @ flat.T) @ flat
    split = flat.split([part.shape[0] * part.shape[1] for part in rows])
    return [part.reshape(old.shape) for part, old in zip(split, rows)]


def _blocks(maps: Tensor, into: Parts, back: Parts) -> Tensor:
    """From coefficients of maps to the entries of the blocks of all parts: all columns of a part see the same one."""
    return torch.cat(_by_part(maps, into, back))


def _by_part(maps: Tensor, into: Parts, back: Parts) -> list[Tensor]:
    """The entries of the blocks of each part: (entries, maps)."""
    rows = torch.cat([y[0] for y in back]) @ maps
    found = rows.split([y.shape[1] for y in back], 1)
    return [torch.einsum("maj,bj->abm", part, x[0]).flatten(0, 1) for part, x in zip(found, into)]


def _copies(maps: Tensor, rows: Tensor) -> Tensor:
    """Orthonormal copies of an irrep, (coordinates, copies, positions): what maps make of its own vectors.

    Inner products of copies are the same for each coordinate.
    """
    images = torch.einsum("mij,cj->cmi", maps, rows)
    return torch.linalg.solve(torch.linalg.cholesky(images[0] @ images[0].T), images)


def _unit_maps(into: Parts, back: Parts) -> Tensor:
    """The map of each block that has one entry 1 and else 0, part by part."""
    found = [torch.einsum("cai,cbj->abij", y, x).flatten(0, 1) for x, y in zip(into, back)]
    return torch.cat(found)


def _product(x: Tensor, w: Tensor, start: Tensor | None = None) -> Tensor:
    """linear(x, w) of matrices, plus ``start``; large ones of float32 on CPUs by oneDNN.

    That takes the widest vectors that a CPU has, which the library behind linear may not.
    """
    if torch.compiler.is_compiling() or x.shape[0] * w.numel() < 1_500_000 or not _is_plain(x, w):
        return linear(x, w) if start is None else torch.addmm(start, x, w.mT)
    # Of other strides oneDNN would take each entry by itself.
    x, w = (one if one.is_contiguous() or one.mT.is_contiguous() else one.contiguous() for one in (x, w))
    if torch.is_grad_enabled() and (x.requires_grad or w.requires_grad):
        z = _Product.apply(x, w)
    else:
        z = torch.ops.mkldnn._linear_pointwise(x, w, None, "none", [], "")
    return z if start is None else z + start


class _Product(torch.autograd.Function):
    """linear(x, w) of matrices by oneDNN; its gradients are such products, too."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor) -> Tensor:
        ctx.save_for_backward(x, w)
        return torch.ops.mkldnn._linear_pointwise(x, w, None, "none", [], "")

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, w = ctx.saved_tensors
        grad = grad.contiguous()
        to_x, to_w = None, None
        if ctx.needs_input_grad[0]:
            to_x = _product(grad, w.mT)
        if ctx.needs_input_grad[1]:
            # The first operand is copied, since it is transposed: the smaller one.
            to_w = _product(grad.mT, x.mT) if grad.shape[1] <= x.shape[1] else _product(x.mT, grad.mT).mT
        return to_x, to_w


def _is_plain(x: Tensor, w: Tensor) -> bool:
    """Whether these are float32 on a CPU that has oneDNN, and nothing transforms, records or casts what is computed.

    Some of this torch tells by names of its own alone: a version without one of them takes the usual products.
    """
    asked = ("_get_tracing_state", "_are_functorch_transforms_active", "_len_torch_dispatch_stack")
    known = all(hasattr(torch._C, name) for name in asked) and hasattr(torch.autograd.forward_ad, "_current_level")
    return known and not (
        x.dtype is not torch.float32
        or w.dtype is not torch.float32
        or not x.is_cpu
        or type(x) is not torch.Tensor
        or type(w) not in (torch.Tensor, nn.Parameter)
        or torch.is_autocast_enabled("cpu")
        or torch._C._get_tracing_state() is not None
        or torch._C._are_functorch_transforms_active()
        or torch._C._len_torch_dispatch_stack()
        or torch.autograd.forward_ad._current_level >= 0
        or not torch.backends.mkldnn.enabled
        or not hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )


def _classes(parts: Parts, places: Parts, columns: Table, first: int, last: int) -> tuple[Tensor, Tensor]:
    """The rows of some classes of positions, (classes, rows, positions of a class), and their positions."""
    found = []
    for number in range(first, last):
        rows = []
        for part, counts in zip(parts, columns):
            start = sum(counts[:number])
            rows.append(part[start : start + counts[number]].flatten(0, 1)[:, places[number]])
        found.append(torch.cat(rows))
    return torch.stack(found), torch.cat(list(places[first:last]))


def _columns(samples: Sequence[Tensor], copy: Tensor, other: Tensor, reference: Table, division: int) -> Tensor:
    """Unit vectors of a part whose images under its own maps are all orthogonal, as many for each class."""
    own = [torch.eye(len(copy), dtype=torch.float64)]
    samples = [copy @ sample @ other.T for sample in samples]
    size = max(float(sample.abs().max()) for sample in samples)
    for sample in samples:
        for known in own:
            sample = sample - known * ((known * sample).sum() / len(copy))
        if len(own) < division and float(sample.abs().max()) > 1e-8 * size:
            own.append(sample / (sample**2).sum().div(len(copy)).sqrt())
    chosen, taken, start = [], torch.zeros(0, len(copy), dtype=torch.float64), 0
    for _, count in reference:
        for _ in range(count // division):
            rest = torch.eye(len(copy), dtype=torch.float64)[start : start + count]
            rest = rest - (rest @ taken.T) @ taken
            new = rest[int((rest**2).sum(1).argmax())]
            new = new / new.norm()
            chosen.append(new)
            taken = torch.cat([taken, torch.stack([new @ turn.T for turn in own])])
        start += count
    return torch.stack(chosen)


def _frames(maps: Tensor, into: Parts, back: Parts, division: Sequence[int]) -> Tensor:
    """Orthonormal sets of blocks, a column for each independent entry, for parts that are not of real type."""
    found = []
    for block, step in zip(_by_part(maps, into, back), division):
        if step == 1:
            found.append(torch.eye(len(block), dtype=torch.float64))
            continue
        kept = []
        for column in block.T:
            if len(kept) == len(block) // step:
                break
            for known in kept:
                column = column - known * (known @ column)
            if float(column.norm()) > 1e-6:
                kept.append(column / column.norm())
        found.append(torch.stack(kept, 1) if kept else block.new_zeros(len(block), 0))
    return torch.block_diag(*found)


def _young(c: int) -> tuple[Tensor, Tensor]:
    """The Fourier transform over S_c: rows (part, i, j), columns permutations, in Young's orthogonal form.

    Small parts come first. Also the same with each part times its dimension / c!, whose transpose is the inverse.
    """
    shapes, transform, shares = {}, [], []
    for w in product(range(c), repeat=c):
        # A standard tableau is the word that tells the row of each number.
        if all(w[:k].count(row - 1) > w[:k].count(row) for k, row in enumerate(w) if row):
            shapes.setdefault(tuple(w.count(row) for row in range(c)), []).append(w)
    for tableaux in sorted(shapes.values(), key=len):
        swaps = [torch.zeros(len(tableaux), len(tableaux), dtype=torch.float64) for _ in range(c - 1)]
        for place, w in enumerate(tableaux):
            content = [w[:k].count(w[k]) - w[k] for k in range(c)]
            for k, swap in enumerate(swaps):
                distance = content[k + 1] - content[k]
                swap[place, place] = 1 / distance
                other = (*w[:k], w[k + 1], w[k], *w[k + 2 :])
                if abs(distance) > 1:
                    swap[tableaux.index(other), place] = (1 - distance**-2) ** 0.5
        maps = {}
        for g in permutations(range(c)):
            k = next((k for k in range(c - 1) if g[k] > g[k + 1]), None)
            if k is None:
                maps[g] = torch.eye(len(tableaux), dtype=torch.float64)
            else:
                maps[g] = maps[(*g[:k], g[k + 1], g[k], *g[k + 2 :])] @ swaps[k]
        transform.append(torch.stack([matrix.flatten() for matrix in maps.values()], 1))
        shares.append(transform[-1] * len(tableaux) / math.factorial(c))
    return torch.cat(transform), torch.cat(shares)


def _tuples(n: int, c: int, young: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The transform ``young`` and tables of the n over c orbits of tuples of c different labels.

    ``there[o, g]``: the place among all n^c of orbit o, a rising tuple, with its labels in the order g. ``orbit``
    and ``turns``: for each tuple its orbit and the column of ``young`` of its order, zeros where two labels agree.
    """
    place = torch.arange(n**c, device=young.device)
    powers = [n ** (c - 1 - p) for p in range(c)]
    labels = [place // power % n for power in powers]
    rising = torch.stack([a < b for a, b in zip(labels, labels[1:])]).all(0)
    sets, count = 1, len(young)
    for less in range(c):
        sets = sets * (n - less) // (less + 1)
    # With fewer labels than axes one orbit of zeros stands in, to which no tuple belongs.
    orbits = max(sets, 1)
    # The rising tuples, as nonzero() tells them, but with a shape that does not depend on values.
    slot = torch.where(rising, rising.cumsum(0) - 1, orbits)
    first = slot.new_zeros(orbits + 1).scatter(0, slot, place).narrow(0, 0, orbits)
    labels = [first // power % n for power in powers]
    there = torch.stack([sum(labels[g[p]] * powers[p] for p in range(c)) for g in permutations(range(c))])
    number = torch.arange(orbits * count, device=young.device) + (orbits - sets) * count
    number = torch.full_like(place, orbits * count).scatter(0, there.flatten(), number.clamp(max=orbits * count))
    turns = nn.functional.pad(young.mT, (0, 0, 0, 1)).index_select(0, number // orbits)
    return young * min(sets, 1), there.mT.contiguous(), number % orbits, turns


class _Combine(torch.autograd.Function):
    """Row r of the result adds up weights[r, k] times row pick[r, k] of x; the last two tables do the transpose.

    The gradient is gathered too: that of an index would be added up row by row.
    """

    @staticmethod
    def forward(x: Tensor, pick: Tensor, weights: Tensor, back: Tensor, weights_back: Tensor) -> Tensor:
        return nn.functional.embedding_bag(pick, x, mode="sum", per_sample_weights=weights)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[1:])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None, None]:
        pick, weights, back, weights_back = ctx.saved_tensors
        return _combine(grad.contiguous(), back, weights_back, pick, weights), None, None, None, None


class _Transformed(_Combine):
    """The same for torch.func too, in methods that torch.compile refuses."""

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[1:])
        ctx.save_for_forward(*inputs[1:])

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: Any) -> Tensor:
        return _combine(tangent, *ctx.saved_tensors)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], x: Tensor, *tables: Tensor) -> tuple[Tensor, int | None]:
        # Stacked tables, as those of an ensemble, are copies of one.
        tables = [part if axis is None else part.select(axis, 0) for part, axis in zip(tables, in_dims[1:])]
        if in_dims[0] is None:
            return _combine(x, *tables), None
        x = x.movedim(in_dims[0], 1)
        found = _combine(x.reshape(x.shape[0], -1), *tables).reshape(-1, info.batch_size, x.shape[-1])
        return found.transpose(0, 1).contiguous(), 0


def _combine(x: Tensor, *tables: Tensor) -> Tensor:
    return (_Combine if torch.compiler.is_compiling() else _Transformed).apply(x, *tables)


def _mix_orbits(
    x: Tensor, w: Tensor, shares: Tensor, dims: Table, young: Tensor, there: Tensor, orbit: Tensor, turns: Tensor
) -> Tensor:
    """Mixing on tuples of different labels: (b, n^c, channels in) -> (b, n^c, channels out), elsewhere zero.

    ``w`` has a matrix (channels out, channels in) for each permutation, which becomes one for each irreducible
    part. ``dims``: how many parts have which dimension.
    """
    (b, places, wide), (orbits, count), made = x.shape, there.shape, w.shape[1]
    rows = b * orbits
    batch = torch.arange(b, device=x.device).reshape(b, 1, 1)
    there = (there + places * batch).reshape(1, rows, 1, count)
    orbit = orbit.unsqueeze(1) + orbits * batch
    turns = turns.expand(b, places, count).reshape(-1, count).to(x.dtype)
    # Rows are gathered in the order of the products: part, i, sample, orbit, j.
    pick, forth, back, first = [], [], [], 0
    for parts, f in dims:
        shape, maps = (parts * f, rows, f, count), young[first : first + parts * f * f]
        pick.append(there.expand(shape).reshape(-1, count))
        forth.append(maps.reshape(parts * f, 1, f, count).expand(shape).reshape(-1, count).to(x.dtype))
        start = rows * f * torch.arange(parts * f, device=x.device).unsqueeze(1) + torch.arange(f, device=x.device)
        back.append(f * orbit + (first * rows + start).flatten())
        first += parts * f * f
    pick, forth, back = _joined(pick), _joined(forth), _joined(back, -1).reshape(-1, count)
    x = _combine(x.reshape(b * places, wide), pick, forth, back, turns)
    w = shares @ w.reshape(count, made * wide)
    mixed, first = [], 0
    for parts, f in dims:
        # Rows (i, sample, orbit), columns (j, channel) times matrices (j, channel in), (j', channel out).
        left = x[first * rows : (first + parts * f * f) * rows].reshape(parts, f * rows, f * wide)
        right = w[first : first + parts * f * f].reshape(parts, f, f, made, wide).permute(0, 1, 4, 2, 3)
        mixed.append(torch.bmm(left, right.reshape(parts, f * wide, f * made)).reshape(-1, made))
        first += parts * f * f
    x = _joined(mixed)
    x = _combine(x, back, turns.to(x.dtype), pick, forth.to(x.dtype))
    return x.reshape(b, places, made)


def _joined(parts: list[Tensor], axis: int = 0) -> Tensor:
    return torch.cat(parts, axis) if len(parts) > 1 else parts[0]


def _terms(
    x: Any, shapes: Sequence[Sequence[int | str]], over_complex: Sequence[bool], serves: str, empty: bool = False
) -> list[Tensor]:
    """The tensors of an input, one per term, of shapes (*batch, *shape); raises ValueError where they do not fit.

    ``empty``: letters may be 0.
    """
    several = isinstance(x, (tuple, list))
    terms = list(x) if several else [x]
    fits = several == (len(shapes) > 1) and len(terms) == len(shapes)
    sizes = {}
    for term, shape in zip(terms, shapes) if fits else ():
        number = isinstance(term, torch.Tensor) and (term.is_floating_point() or term.is_complex())
        fits = fits and number and term.is_complex() in over_complex and term.ndim >= len(shape)
        if fits:
            batch, own = term.shape[: term.ndim - len(shape)], term.shape[term.ndim - len(shape) :]
            fits = batch == sizes.setdefault("batch shape", batch)
            for size, length in zip(own, shape):
                meant = sizes.setdefault(length, size) if isinstance(length, str) else length
                fits = fits and size == meant and (size != 0 or length == 0 or (empty and isinstance(length, str)))
    if not fits:
        expected = " and ".join(f"({', '.join(['*batch', *map(str, shape)])})" for shape in shapes)
        got = ", ".join(str(tuple(term.shape)) if isinstance(term, torch.Tensor) else str(term) for term in terms)
        numbers = "complex" if False not in over_complex else "floating-point"
        raise ValueError(f"expected {numbers} numbers of shape {expected}, channels last, for {serves}, got {got}")
    return terms


def _full_precision(x: Tensor) -> AbstractContextManager[Any]:
    """Autocast off: what is computed in here keeps its own dtype."""
    return nullcontext() if x.is_meta else torch.autocast(x.device.type, enabled=False)


def _whole(x: Tensor) -> Tensor:
    """In float32 at least: sums of squares overflow in half precision."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _lower_omega(x: Tensor, axis: int) -> Tensor:
    """Sum over j of omega[i, j] x[j] along an axis, which is counted from the end: (x[1], -x[0], x[3], -x[2], ...)."""
    pairs = x.unflatten(axis, (x.shape[axis] // 2, 2))
    first, second = pairs.select(axis, 0), pairs.select(axis, 1)
    return torch.stack((second, -first), axis).flatten(axis - 1, axis)


def _lower_eta(x: Tensor, axis: int, plus: int) -> Tensor:
    """The entries from ``plus`` on with their signs turned."""
    kept, turned = x.narrow(axis, 0, plus), x.narrow(axis, plus, x.shape[axis] - plus)
    return torch.cat((kept, -turned), axis)


def _lower_table(x: Tensor, axis: int, table: Table) -> Tensor:
    """Sum over j of B[i, j] x[j] along an axis, B scaled to the mean square entry of a unit matrix."""
    scale = (len(table) / sum(entry * entry for row in table for entry in row)) ** 0.5
    rows = []
    for row in table:
        parts = [x.select(axis, place) * (entry * scale) for place, entry in enumerate(row) if entry]
        rows.append(sum(parts[1:], parts[0]) if parts else torch.zeros_like(x.select(axis, 0)))
    return torch.stack(rows, axis)


class Carried(nn.Module):
    """The methods that the classes of emitted files share.

    Their text is copied, with the words that stand for what differs from file to file replaced: ``LENGTH`` by its
    value, ``self.first`` by the first parameter, ``{self.serves}`` by the problem that the layer serves.
    """

    weights_of: str
    ShapeError: type[Exception] = ValueError
    first: nn.Parameter
    serves: str
    reset_tables: Callable[[], None]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Carried:
        before = self.first.dtype, self.first.is_meta
        super()._apply(fn, recurse)
        if (self.first.dtype, self.first.is_meta) != before:
            self.reset_tables()  # made anew, not rounded twice
        return self

    def _table(self, name: str, values: Tensor) -> None:
        like = self.first
        dtype = like.dtype if values.is_floating_point() else values.dtype
        values = values.to(device=like.device, dtype=dtype).clone(memory_format=torch.contiguous_format)
        self.register_buffer(name, values, persistent=False)

    def _reject(self, which: str, x: Any, expected: str, note: str = "") -> NoReturn:
        if isinstance(x, torch.Tensor) and not (x.is_floating_point() or x.is_complex()):
            why = f"{which} holds {x.dtype}: pass floating-point or complex numbers, such as x.float()"
            raise self.ShapeError(why)
        got = f"shape {tuple(x.shape)}" if isinstance(x, torch.Tensor) else f"type {type(x).__name__}"
        raise self.ShapeError(
            f"{which} has {got}, expected a tensor of shape (*batch, {expected}){note}, "
            f"channels last, for {self.serves}"
        )

    def get_extra_state(self) -> Tensor:
        """Which function the weights belong to, as text in bytes: they load into no other one."""
        text = self.weights_of.encode().ljust(LENGTH)
        return torch.tensor(list(text), dtype=torch.uint8, device=next(self.parameters()).device)

    def set_extra_state(self, state: Tensor) -> None:  # noqa: ARG002 - torch calls it
        """Called with the weights in place, whose text was compared before: tables follow those that were assigned."""
        like = self.first
        for table in self.buffers(False):
            if table.device != like.device or (table.dtype.is_floating_point and table.dtype != like.dtype):
                self.reset_tables()
                break

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *others: Any) -> None:
        key, own = f"{prefix}_extra_state", self.get_extra_state()
        saved = state.setdefault(key, own)  # weights of eqsynth 0.1.0 do not say
        if not (saved is own or saved.is_meta or hasattr(saved, "fake_mode")):
            text = bytes(saved.round().to(torch.uint8).tolist()).decode(errors="replace").strip()
            if text != self.weights_of:
                why = f"these weights are those of {text}, not of {self.weights_of}"
                raise RuntimeError(f"{why}: build that layer, or delete {key!r} to load them all the same")
        super()._load_from_state_dict(state, prefix, *others)
