"""S(8): 16x3 -> 16x3

Every linear map with this symmetry: 203 independent maps per pair of channels.
Group: symmetric group: all permutations of n points. Tensors are channels-last, (*batch, n, ..., n, channels).

weight[i] belongs to map i, outputs y on top, inputs x below:

    0: y[a,a,a] += x[b,b,b]     1: y[a,a,a] += x[b,c,c]     2: y[a,a,a] += x[b,b,c]
    3: y[a,a,a] += x[b,c,b]     4: y[a,a,a] += x[b,c,d]     5: y[a,b,b] += x[c,c,c]
    6: y[a,b,b] += x[c,d,d]     7: y[a,b,b] += x[c,c,d]     8: y[a,b,b] += x[c,d,c]
    9: y[a,b,b] += x[c,d,e]     10: y[a,a,b] += x[c,c,c]    11: y[a,a,b] += x[c,d,d]
    12: y[a,a,b] += x[c,c,d]    13: y[a,a,b] += x[c,d,c]    14: y[a,a,b] += x[c,d,e]
    15: y[a,b,a] += x[c,c,c]    16: y[a,b,a] += x[c,d,d]    17: y[a,b,a] += x[c,c,d]
    18: y[a,b,a] += x[c,d,c]    19: y[a,b,a] += x[c,d,e]    20: y[a,b,c] += x[d,d,d]
    21: y[a,b,c] += x[d,e,e]    22: y[a,b,c] += x[d,d,e]    23: y[a,b,c] += x[d,e,d]
    24: y[a,b,c] += x[d,e,f]    25: y[a,a,a] += x[a,a,a]    26: y[a,a,a] += x[a,b,b]
    27: y[a,a,a] += x[b,a,a]    28: y[a,a,a] += x[a,a,b]    29: y[a,a,a] += x[b,b,a]
    30: y[a,a,a] += x[a,b,a]    31: y[a,a,a] += x[b,a,b]    32: y[a,a,a] += x[a,b,c]
    33: y[a,a,a] += x[b,a,c]    34: y[a,a,a] += x[b,c,a]    35: y[a,b,b] += x[a,a,a]
    36: y[a,b,b] += x[a,c,c]    37: y[a,b,b] += x[c,a,a]    38: y[a,b,b] += x[a,a,c]
    39: y[a,b,b] += x[c,c,a]    40: y[a,b,b] += x[a,c,a]    41: y[a,b,b] += x[c,a,c]
    42: y[a,b,b] += x[a,c,d]    43: y[a,b,b] += x[c,a,d]    44: y[a,b,b] += x[c,d,a]
    45: y[a,b,b] += x[b,b,b]    46: y[a,b,b] += x[b,c,c]    47: y[a,b,b] += x[c,b,b]
    48: y[a,b,b] += x[b,b,c]    49: y[a,b,b] += x[c,c,b]    50: y[a,b,b] += x[b,c,b]
    51: y[a,b,b] += x[c,b,c]    52: y[a,b,b] += x[b,c,d]    53: y[a,b,b] += x[c,b,d]
    54: y[a,b,b] += x[c,d,b]    55: y[a,a,b] += x[a,a,a]    56: y[a,a,b] += x[a,c,c]
    57: y[a,a,b] += x[c,a,a]    58: y[a,a,b] += x[a,a,c]    59: y[a,a,b] += x[c,c,a]
    60: y[a,a,b] += x[a,c,a]    61: y[a,a,b] += x[c,a,c]    62: y[a,a,b] += x[a,c,d]
    63: y[a,a,b] += x[c,a,d]    64: y[a,a,b] += x[c,d,a]    65: y[a,a,b] += x[b,b,b]
    66: y[a,a,b] += x[b,c,c]    67: y[a,a,b] += x[c,b,b]    68: y[a,a,b] += x[b,b,c]
    69: y[a,a,b] += x[c,c,b]    70: y[a,a,b] += x[b,c,b]    71: y[a,a,b] += x[c,b,c]
    72: y[a,a,b] += x[b,c,d]    73: y[a,a,b] += x[c,b,d]    74: y[a,a,b] += x[c,d,b]
    75: y[a,b,a] += x[a,a,a]    76: y[a,b,a] += x[a,c,c]    77: y[a,b,a] += x[c,a,a]
    78: y[a,b,a] += x[a,a,c]    79: y[a,b,a] += x[c,c,a]    80: y[a,b,a] += x[a,c,a]
    81: y[a,b,a] += x[c,a,c]    82: y[a,b,a] += x[a,c,d]    83: y[a,b,a] += x[c,a,d]
    84: y[a,b,a] += x[c,d,a]    85: y[a,b,a] += x[b,b,b]    86: y[a,b,a] += x[b,c,c]
    87: y[a,b,a] += x[c,b,b]    88: y[a,b,a] += x[b,b,c]    89: y[a,b,a] += x[c,c,b]
    90: y[a,b,a] += x[b,c,b]    91: y[a,b,a] += x[c,b,c]    92: y[a,b,a] += x[b,c,d]
    93: y[a,b,a] += x[c,b,d]    94: y[a,b,a] += x[c,d,b]    95: y[a,b,c] += x[a,a,a]
    96: y[a,b,c] += x[a,d,d]    97: y[a,b,c] += x[d,a,a]    98: y[a,b,c] += x[a,a,d]
    99: y[a,b,c] += x[d,d,a]    100: y[a,b,c] += x[a,d,a]   101: y[a,b,c] += x[d,a,d]
    102: y[a,b,c] += x[a,d,e]   103: y[a,b,c] += x[d,a,e]   104: y[a,b,c] += x[d,e,a]
    105: y[a,b,c] += x[b,b,b]   106: y[a,b,c] += x[b,d,d]   107: y[a,b,c] += x[d,b,b]
    108: y[a,b,c] += x[b,b,d]   109: y[a,b,c] += x[d,d,b]   110: y[a,b,c] += x[b,d,b]
    111: y[a,b,c] += x[d,b,d]   112: y[a,b,c] += x[b,d,e]   113: y[a,b,c] += x[d,b,e]
    114: y[a,b,c] += x[d,e,b]   115: y[a,b,c] += x[c,c,c]   116: y[a,b,c] += x[c,d,d]
    117: y[a,b,c] += x[d,c,c]   118: y[a,b,c] += x[c,c,d]   119: y[a,b,c] += x[d,d,c]
    120: y[a,b,c] += x[c,d,c]   121: y[a,b,c] += x[d,c,d]   122: y[a,b,c] += x[c,d,e]
    123: y[a,b,c] += x[d,c,e]   124: y[a,b,c] += x[d,e,c]   125: y[a,b,b] += x[a,b,b]
    126: y[a,b,b] += x[b,a,a]   127: y[a,b,b] += x[a,a,b]   128: y[a,b,b] += x[b,b,a]
    129: y[a,b,b] += x[a,b,a]   130: y[a,b,b] += x[b,a,b]   131: y[a,b,b] += x[a,b,c]
    132: y[a,b,b] += x[b,a,c]   133: y[a,b,b] += x[a,c,b]   134: y[a,b,b] += x[b,c,a]
    135: y[a,b,b] += x[c,a,b]   136: y[a,b,b] += x[c,b,a]   137: y[a,a,b] += x[a,b,b]
    138: y[a,a,b] += x[b,a,a]   139: y[a,a,b] += x[a,a,b]   140: y[a,a,b] += x[b,b,a]
    141: y[a,a,b] += x[a,b,a]   142: y[a,a,b] += x[b,a,b]   143: y[a,a,b] += x[a,b,c]
    144: y[a,a,b] += x[b,a,c]   145: y[a,a,b] += x[a,c,b]   146: y[a,a,b] += x[b,c,a]
    147: y[a,a,b] += x[c,a,b]   148: y[a,a,b] += x[c,b,a]   149: y[a,b,a] += x[a,b,b]
    150: y[a,b,a] += x[b,a,a]   151: y[a,b,a] += x[a,a,b]   152: y[a,b,a] += x[b,b,a]
    153: y[a,b,a] += x[a,b,a]   154: y[a,b,a] += x[b,a,b]   155: y[a,b,a] += x[a,b,c]
    156: y[a,b,a] += x[b,a,c]   157: y[a,b,a] += x[a,c,b]   158: y[a,b,a] += x[b,c,a]
    159: y[a,b,a] += x[c,a,b]   160: y[a,b,a] += x[c,b,a]   161: y[a,b,c] += x[a,b,b]
    162: y[a,b,c] += x[b,a,a]   163: y[a,b,c] += x[a,a,b]   164: y[a,b,c] += x[b,b,a]
    165: y[a,b,c] += x[a,b,a]   166: y[a,b,c] += x[b,a,b]   167: y[a,b,c] += x[a,b,d]
    168: y[a,b,c] += x[b,a,d]   169: y[a,b,c] += x[a,d,b]   170: y[a,b,c] += x[b,d,a]
    171: y[a,b,c] += x[d,a,b]   172: y[a,b,c] += x[d,b,a]   173: y[a,b,c] += x[a,c,c]
    174: y[a,b,c] += x[c,a,a]   175: y[a,b,c] += x[a,a,c]   176: y[a,b,c] += x[c,c,a]
    177: y[a,b,c] += x[a,c,a]   178: y[a,b,c] += x[c,a,c]   179: y[a,b,c] += x[a,c,d]
    180: y[a,b,c] += x[c,a,d]   181: y[a,b,c] += x[a,d,c]   182: y[a,b,c] += x[c,d,a]
    183: y[a,b,c] += x[d,a,c]   184: y[a,b,c] += x[d,c,a]   185: y[a,b,c] += x[b,c,c]
    186: y[a,b,c] += x[c,b,b]   187: y[a,b,c] += x[b,b,c]   188: y[a,b,c] += x[c,c,b]
    189: y[a,b,c] += x[b,c,b]   190: y[a,b,c] += x[c,b,c]   191: y[a,b,c] += x[b,c,d]
    192: y[a,b,c] += x[c,b,d]   193: y[a,b,c] += x[b,d,c]   194: y[a,b,c] += x[c,d,b]
    195: y[a,b,c] += x[d,b,c]   196: y[a,b,c] += x[d,c,b]   197: y[a,b,c] += x[a,b,c]
    198: y[a,b,c] += x[a,c,b]   199: y[a,b,c] += x[b,a,c]   200: y[a,b,c] += x[c,a,b]
    201: y[a,b,c] += x[b,c,a]   202: y[a,b,c] += x[c,b,a]

Certificate: 203; independent: all diagrams are independent at this size; complete: the dimension is 203.

bias[i] belongs to constant i:

    ●   ●   ●          ●   ●   ●          ●   ●   ●          ●   ●   ●          ●   ●   ●
    ╰───┴───╯              ╰───╯          ╰───╯              ╰───────╯
    0: y[a,a,a] += x   1: y[a,b,b] += x   2: y[a,a,b] += x   3: y[a,b,a] += x   4: y[a,b,c] += x

Generated by eqsynth 0.2.0. Do not edit: generate again instead.
"""

import math
from itertools import combinations, permutations, product

import torch
from torch import nn
from torch.nn.functional import linear


def _young(c):
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


def _tuples(n, c, young):
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
    def forward(x, pick, weights, back, weights_back):
        return nn.functional.embedding_bag(pick, x, mode="sum", per_sample_weights=weights)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs[1:])

    @staticmethod
    def backward(ctx, grad):
        pick, weights, back, weights_back = ctx.saved_tensors
        return _combine(grad.contiguous(), back, weights_back, pick, weights), None, None, None, None


class _Transformed(_Combine):
    """The same for torch.func too, in methods that torch.compile refuses."""

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs[1:])
        ctx.save_for_forward(*inputs[1:])

    @staticmethod
    def jvp(ctx, tangent, *_):
        return _combine(tangent, *ctx.saved_tensors)

    @staticmethod
    def vmap(info, in_dims, x, *tables):
        # Stacked tables, as those of an ensemble, are copies of one.
        tables = [part if axis is None else part.select(axis, 0) for part, axis in zip(tables, in_dims[1:])]
        if in_dims[0] is None:
            return _combine(x, *tables), None
        x = x.movedim(in_dims[0], 1)
        found = _combine(x.reshape(x.shape[0], -1), *tables).reshape(-1, info.batch_size, x.shape[-1])
        return found.transpose(0, 1).contiguous(), 0


def _combine(x, *tables):
    return (_Combine if torch.compiler.is_compiling() else _Transformed).apply(x, *tables)


def _mix_orbits(x, w, shares, dims, young, there, orbit, turns):
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


def _joined(parts, axis=0):
    return torch.cat(parts, axis) if len(parts) > 1 else parts[0]


class TriplesByFourier(nn.Module):
    """Linear layer S(8): 16x3 -> 16x3; any numbers of channels in the same places."""

    group = "S(8)"
    space_in = "16x3"
    space_out = "16x3"
    normalization = "variance"
    bias_terms = True
    method = "fourier"
    weights_of = "eqsynth 1; S(n): 3 -> 3; normalization=variance; parameters=diagrams"
    ShapeError = ValueError

    def __init__(self, channels_in=16, channels_out=16, device=None, dtype=None):
        super().__init__()
        self.channels_in, self.channels_out = channels_in, channels_out
        kwargs = {"device": device, "dtype": dtype}
        self.weight = nn.Parameter(torch.empty(203, channels_out, channels_in, **kwargs))
        self.bias = nn.Parameter(torch.empty(5, channels_out, **kwargs))
        self.reset_parameters()

    def reset_tables(self):
        """Constants from exact recipes, on the device and in the dtype of the weights; not in state_dict."""
        with torch.device("cpu"):
            self._table("weight_into", torch.tensor([25] * 24 + [27] * 6 + [28] * 6 + [30] * 6 + [45] * 6 + [47, 47, 48, 48, 50, 50] + [55] * 6 + [57, 57, 58, 58, 60, 60] + [75] * 6 + [77, 77, 78, 78, 80, 80, 125, 125, 128, 128, 130, 130, 138, 138, 139, 139, 141, 141, 150, 150, 151, 151, 153, 153]))
            self._table("weight_from", torch.tensor([125, 126, 127, 128, 129, 130, 137, 138, 139, 140, 141, 142, 149, 150, 151, 152, 153, 154, 197, 198, 199, 200, 201, 202, 135, 136, 147, 148, 159, 160, 131, 132, 143, 144, 155, 156, 133, 134, 145, 146, 157, 158, 185, 186, 187, 188, 189, 190, 195, 196, 191, 192, 193, 194, 161, 162, 163, 164, 165, 166, 171, 172, 167, 168, 169, 170, 173, 174, 175, 176, 177, 178, 183, 184, 179, 180, 181, 182, 197, 198, 201, 202, 199, 200, 200, 202, 197, 199, 198, 201, 199, 201, 198, 200, 197, 202]))
            self._table("order_2", torch.tensor([125, 127, 129, 131, 133, 135, 137, 139, 141, 143, 145, 147, 149, 151, 153, 155, 157, 159, 161, 163, 165, 167, 169, 171, 173, 175, 177, 179, 181, 183, 185, 187, 189, 191, 193, 195, 126, 128, 130, 132, 134, 136, 138, 140, 142, 144, 146, 148, 150, 152, 154, 156, 158, 160, 162, 164, 166, 168, 170, 172, 174, 176, 178, 180, 182, 184, 186, 188, 190, 192, 194, 196]))
            self._table("order_3", torch.tensor([197, 198, 199, 200, 201, 202]))
            young, shares = _young(2)
            self._table("young_2", young)
            self._table("shares_2", shares)
            young, there, orbit, turns = _tuples(8, 2, young)
            self._table("there_2", there)
            self._table("orbit_2", orbit)
            self._table("turns_2", turns)
            young, shares = _young(3)
            self._table("young_3", young)
            self._table("shares_3", shares)
            young, there, orbit, turns = _tuples(8, 3, young)
            self._table("there_3", there)
            self._table("orbit_3", orbit)
            self._table("turns_3", turns)
            self._table("places_0", torch.arange(64).reshape(1, 8, 8, 1).diagonal(0, 1, 2).transpose(1, 2).flatten())
            self._table("places_1", torch.arange(64).reshape(1, 8, 8, 1).diagonal(0, 1, 2).transpose(1, 2).flatten())
            self._table("places_2", torch.arange(512).reshape(1, 8, 8, 8, 1).diagonal(0, 1, 3).permute(0, 3, 1, 2).flatten())

    def _apply(self, fn, recurse=True):
        before = self.weight.dtype, self.weight.is_meta
        super()._apply(fn, recurse)
        if (self.weight.dtype, self.weight.is_meta) != before:
            self.reset_tables()  # made anew, not rounded twice
        return self

    def _table(self, name, values):
        like = self.weight
        dtype = like.dtype if values.is_floating_point() else values.dtype
        values = values.to(device=like.device, dtype=dtype).clone(memory_format=torch.contiguous_format)
        self.register_buffer(name, values, persistent=False)

    def set_extra_state(self, state):
        """Called with the weights in place, whose text was compared before: tables follow those that were assigned."""
        like = self.weight
        for table in self.buffers(False):
            if table.device != like.device or (table.dtype.is_floating_point and table.dtype != like.dtype):
                self.reset_tables()
                break

    def reset_parameters(self):
        """Output variance near input variance: bounds sqrt(3 v / fan-in), v per map; biases 0."""
        self.reset_tables()
        channels_in = self.channels_in
        for weight, variances, fan_in in (
            (self.weight, [0.003757853326287358] * 20 + [0.012298429067849536] * 5 + [0.003757853326287358] * 70 + [0.012298429067849536] * 30 + [0.003757853326287358] * 36 + [0.012298429067849536] * 42, channels_in),
        ):
            bound = torch.tensor(variances, dtype=weight.dtype, device=weight.device)
            with torch.no_grad():
                weight.uniform_(-1, 1).mul_((bound * 3 / fan_in).sqrt()[:, None, None])
        nn.init.zeros_(self.bias)

    def _reject(self, which, x, expected, note=""):
        if isinstance(x, torch.Tensor) and not (x.is_floating_point() or x.is_complex()):
            why = f"{which} holds {x.dtype}: pass floating-point or complex numbers, such as x.float()"
            raise self.ShapeError(why)
        got = f"shape {tuple(x.shape)}" if isinstance(x, torch.Tensor) else f"type {type(x).__name__}"
        raise self.ShapeError(
            f"{which} has {got}, expected a tensor of shape (*batch, {expected}){note}, "
            f"channels last, for {self.space_in} of {self.group}"
        )

    def get_extra_state(self):
        """Which function the weights belong to, as text in bytes: they load into no other one."""
        text = self.weights_of.encode().ljust(256)
        return torch.tensor(list(text), dtype=torch.uint8, device=next(self.parameters()).device)

    def _load_from_state_dict(self, state, prefix, *others):
        key, own = f"{prefix}_extra_state", self.get_extra_state()
        saved = state.setdefault(key, own)  # weights of eqsynth 0.1.0 do not say
        if not (saved is own or saved.is_meta or hasattr(saved, "fake_mode")):
            text = bytes(saved.round().to(torch.uint8).tolist()).decode(errors="replace").strip()
            if text != self.weights_of:
                why = f"these weights are those of {text}, not of {self.weights_of}"
                raise RuntimeError(f"{why}: build that layer, or delete {key!r} to load them all the same")
        super()._load_from_state_dict(state, prefix, *others)

    def extra_repr(self):
        return f"S(8): {self.channels_in}x3 -> {self.channels_out}x3"

    def forward(self, x, *others):
        if others:
            raise self.ShapeError(f"got {1 + len(others)} arguments: call layer(x)")
        channels_in, channels_out = self.channels_in, self.channels_out
        if not (isinstance(x, torch.Tensor) and x.shape[-4:] == (8, 8, 8, channels_in) and (x.is_floating_point() or x.is_complex())):
            self._reject("input", x, f"8, 8, 8, {channels_in}")
        batch, folded = x.shape[:-4], x.ndim != 5 or torch.jit.is_tracing()
        x_abc = x.reshape(-1, 8, 8, 8, channels_in) if folded else x
        b = x_abc.shape[0]
        weight = self.weight.index_add(0, self.weight_into, self.weight.index_select(0, self.weight_from))  # with labels that may agree counted apart
        r = 8 ** -0.5  # scale of a sum over one index
        x_aaa = x_abc.diagonal(0, 1, 2).diagonal(0, 1, 3).transpose(1, 2)  # ╭┴┬─╮ x_abc[a,a,a]
        x_abb = x_abc.diagonal(0, 2, 3).permute(0, 1, 3, 2)  # │ ╭┴╮ x_abc[a,b,b]
        x_aab = x_abc.diagonal(0, 1, 2).permute(0, 3, 1, 2)  # ╭┴╮ │ x_abc[a,a,b]
        x_aba = x_abc.diagonal(0, 1, 3).permute(0, 3, 1, 2)  # ╭┴│─╮ x_abc[a,b,a]
        x_111 = x_aaa.sum(1) * r  # ╭─┬─╮ sum over a of x_aaa[a]
        x_a11 = x_abb.sum(2) * r  # │ ╭─╮ sum over b of x_abb[a,b]
        x_1ab = x_abc.sum(1) * r  # • │ │ sum over c of x_abc[c,a,b]
        x_1aa = x_1ab.diagonal(0, 1, 2).transpose(1, 2)  # • ╭┴╮ x_1ab[a,a]
        x_ab1 = x_abc.sum(3) * r  # │ │ • sum over c of x_abc[a,b,c]
        x_aa1 = x_ab1.diagonal(0, 1, 2).transpose(1, 2)  # ╭┴╮ • x_ab1[a,a]
        x_11a = x_aab.sum(1) * r  # ╭─╮ │ sum over b of x_aab[b,a]
        x_a1b = x_abc.sum(2) * r  # │ • │ sum over c of x_abc[a,c,b]
        x_a1a = x_a1b.diagonal(0, 1, 2).transpose(1, 2)  # ╭┴•─╮ x_a1b[a,a]
        x_1a1 = x_aba.sum(1) * r  # ╭─│─╮ sum over b of x_aba[b,a]
        x_122 = x_1aa.sum(1) * r  # • ╭─╮ sum over a of x_1aa[a]
        x_112 = x_aa1.sum(1) * r  # ╭─╮ • sum over a of x_aa1[a]
        x_121 = x_a1a.sum(1) * r  # ╭─•─╮ sum over a of x_a1a[a]
        x_a12 = x_a1b.sum(2) * r  # │ • • sum over b of x_a1b[a,b]
        x_1a2 = x_1ab.sum(2) * r  # • │ • sum over b of x_1ab[a,b]
        x_12a = x_1ab.sum(1) * r  # • • │ sum over b of x_1ab[b,a]
        x_123 = x_12a.sum(1) * r  # • • • sum over a of x_12a[a]

        # mixing on 0 axes: 25 maps, from ╭─┬─╮, • ╭─╮, ╭─╮ •, ╭─•─╮, • • • to ╰─┴─╯, • ╰─╯, ╰─╯ •, ╰─•─╯, • • •
        w = weight[0:25].reshape(5, 5, channels_out, channels_in).transpose(1, 2).reshape(5 * channels_out, 5 * channels_in)
        z = linear(torch.cat((x_111, x_122, x_112, x_121, x_123), -1), w, self.bias.flatten())
        z_111, z_122, z_112, z_121, z_123 = z.split(channels_out, -1)

        # mixing on 1 axis: 100 maps
        w = weight[25:125].reshape(10, 10, channels_out, channels_in).transpose(1, 2).reshape(10 * channels_out, 10 * channels_in)
        z = linear(torch.cat((x_aaa, x_a11, x_1aa, x_aa1, x_11a, x_a1a, x_1a1, x_a12, x_1a2, x_12a), -1), w)
        z_aaa, z_a11, z_1aa, z_aa1, z_11a, z_a1a, z_1a1, z_a12, z_1a2, z_12a = z.split(channels_out, -1)

        # mixing on 2 axes with all labels different, by the Fourier transform over S_2: 72 maps
        w = weight.index_select(0, self.order_2).reshape(2, 6, 6, channels_out, channels_in).transpose(2, 3).reshape(2, 6 * channels_out, 6 * channels_in)
        z = _mix_orbits(
            torch.cat((x_abb, x_aab, x_aba, x_ab1, x_a1b, x_1ab), -1).reshape(b, 64, 6 * channels_in), w, self.shares_2, ((2, 1),), self.young_2, self.there_2, self.orbit_2, self.turns_2
        ).reshape(b, 8, 8, 6 * channels_out)
        z_abb, z_aab, z_aba, z_ab1, z_a1b, z_1ab = z.split(channels_out, -1)

        # mixing on 3 axes with all labels different, by the Fourier transform over S_3: 6 maps
        w = weight[197:203]
        z_abc = _mix_orbits(
            x_abc.reshape(b, 512, channels_in), w, self.shares_3, ((2, 1), (1, 2)), self.young_3, self.there_3, self.orbit_3, self.turns_3
        ).reshape(b, 8, 8, 8, channels_out)
        y_12a = z_12a + z_123.unsqueeze(1)  # • • │ y_12a[a] = z_12a[a] + z_123[]
        y_a1a = z_a1a + z_121.unsqueeze(1)  # ╰┬•─╯ y_a1a[a] = z_a1a[a] + z_121[]
        y_a1b = z_a1b + z_a12.unsqueeze(2)  # │ • │ y_a1b[a,b] = z_a1b[a,b] + z_a12[a]
        y_a1b = y_a1b.contiguous()
        y_a1b = y_a1b.reshape(b, 64, channels_out).index_add(1, self.places_0, y_a1a.flatten(1, -2).to(y_a1b.dtype)).reshape(b, 8, 8, channels_out)  # ╰┬•─╯ y_a1b[a,a] += y_a1a[a]
        y_aa1 = z_aa1 + z_112.unsqueeze(1)  # ╰┬╯ • y_aa1[a] = z_aa1[a] + z_112[]
        y_ab1 = z_ab1  # │ │ • y_ab1[a,b] = z_ab1[a,b]
        y_ab1 = y_ab1.clone(memory_format=torch.contiguous_format)
        y_ab1 = y_ab1.reshape(b, 64, channels_out).index_add(1, self.places_1, y_aa1.flatten(1, -2).to(y_ab1.dtype)).reshape(b, 8, 8, channels_out)  # ╰┬╯ • y_ab1[a,a] += y_aa1[a]
        y_1aa = z_1aa + z_122.unsqueeze(1)  # • ╰┬╯ y_1aa[a] = z_1aa[a] + z_122[]
        y_1ab = z_1ab + y_12a.unsqueeze(1) + z_1a2.unsqueeze(2)  # • │ │ y_1ab[a,b] += z_1ab[a,b]; y_1ab[b,a] += y_12a[a]; y_1ab[a,b] += z_1a2[a]
        y_1ab = y_1ab.contiguous()
        y_1ab.view(-1, 64, channels_out)[:, :: 9].add_(y_1aa)  # • ╰┬╯ y_1ab[a,a] += y_1aa[a]
        y_aba = z_aba + z_1a1.unsqueeze(1)  # ╰┬│─╯ y_aba[a,b] += z_aba[a,b]; y_aba[b,a] += z_1a1[a]
        y_aab = z_aab + z_11a.unsqueeze(1)  # ╰┬╯ │ y_aab[a,b] += z_aab[a,b]; y_aab[b,a] += z_11a[a]
        y_abb = z_abb + z_a11.unsqueeze(2)  # │ ╰┬╯ y_abb[a,b] = z_abb[a,b] + z_a11[a]
        y_aaa = z_aaa + z_111.unsqueeze(1)  # ╰┬┴─╯ y_aaa[a] = z_aaa[a] + z_111[]
        z_abc = z_abc + y_a1b.unsqueeze(2)  # │ • │ y_abc[a,c,b] += y_a1b[a,b]
        z_abc += y_ab1.unsqueeze(3)  # │ │ • y_abc[a,b,c] += y_ab1[a,b]
        z_abc += y_1ab.unsqueeze(1)  # • │ │ y_abc[c,a,b] += y_1ab[a,b]
        z_abc = z_abc.contiguous()
        z_abc.view(b, 512, channels_out).index_add_(1, self.places_2, y_aba.flatten(1, -2).to(z_abc.dtype))  # ╰┬│─╯ y_abc[a,b,a] += y_aba[a,b]
        z_abc.view(-1, 64, 8 * channels_out)[:, :: 9].add_(y_aab.reshape(-1, 8, 8 * channels_out))  # ╰┬╯ │ y_abc[a,a,b] += y_aab[a,b]
        z_abc.view(-1, 64, channels_out)[:, :: 9].add_(y_abb.reshape(-1, 8, channels_out))  # │ ╰┬╯ y_abc[a,b,b] += y_abb[a,b]
        z_abc.view(-1, 512, channels_out)[:, :: 73].add_(y_aaa)  # ╰┬┴─╯ y_abc[a,a,a] += y_aaa[a]
        return z_abc.reshape(*batch, 8, 8, 8, channels_out)
