"""Functions that emitted files carry: they build constant tables from short exact recipes, and apply them.

Each is the text of a function, which a file holds only where it needs it.
"""

#: The parts of a file that know the Levi-Civita tensor; emitted where a plan has a Hodge step.
EPSILON = '''def _epsilon(n, tied, taken, given):
    """The matrix from x[K, I] to y[K, J] = sum over I of epsilon(K, J, I, the label that is left) x[K, I]."""
    matrix = torch.zeros(n ** (tied + given), n ** (tied + taken), dtype=torch.float64)
    for labels in permutations(range(n)):
        k, j, i = labels[:tied], labels[tied : tied + given], labels[tied + given : tied + given + taken]
        matrix[_place(k + j, n), _place(k + i, n)] += _parity(labels)
    return matrix


'''
STAR = '''def _star_tables(n, tied, taken, given):
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


def _antisymmetrise(x, even, odd):
    """(b, n^in, channels) -> one row for each even[r]."""
    return _add_up(x, even) - _add_up(x, odd)


def _star(x, give, sign):
    """(b, rows, channels) -> (b, n^out, channels)."""
    return _add_up(x, give, sign)


def _add_up(x, rows, sign=None):
    """Row r of the result adds up rows[r] of x, (b, rows of x, channels), each with its sign."""
    picked = x.index_select(1, rows.flatten())
    if sign is not None:
        picked.mul_(sign)
    return picked if rows.shape[1] == 1 else picked.reshape(x.shape[0], *rows.shape, x.shape[-1]).sum(2)


'''
PARITY = """def _place(index, n):
    place = 0
    for label in index:
        place = n * place + label
    return place


def _parity(labels):
    return (-1) ** sum(a > b for i, b in enumerate(labels) for a in labels[:i])


"""

#: Functions that build the tables of a Tied step from short exact recipes.
TABLES = {
    "orbits": '''def _orbits(generators, n, m, last):
    """The number of the orbit of each index tuple, n^m of them, and one tuple of each orbit.

    Orbits are numbered by their least tuple, but those in ``last`` come last.
    """
    least, changed = torch.arange(n**m).reshape((n,) * m), True
    while changed:
        before = least
        for g in generators:
            moved = least
            for axis in range(m):
                moved = moved.index_select(axis, torch.tensor(g))
            least = torch.minimum(least, moved)
            least = least.flatten()[least.flatten()].reshape((n,) * m)
        changed = not torch.equal(before, least)
    tuples, labels = torch.unique(least, return_inverse=True)
    behind = torch.zeros(len(tuples))
    behind[last] = 1
    order = torch.argsort(behind, stable=True)
    return torch.argsort(order)[labels.flatten()], tuples[order]


''',
    "adjacency": """def _adjacency(n, edges):
    matrix = torch.zeros(n, n, dtype=torch.float64)
    matrix[tuple(torch.tensor(edges, dtype=torch.long).reshape(-1, 2).T)] = 1
    return matrix


""",
    "apply": '''def _multiply(matrix, x):
    """The matrix times each sample: (b, n, channels) -> (b, n, channels), contiguous."""
    return torch.bmm(matrix.expand(x.shape[0], -1, -1), x)


''',
    "along": '''def _along(ends, starts, x):
    """Row ends[e] adds up the rows starts[e] of x, over the edges e: (b, n, channels) -> (b, n, channels)."""
    return x.new_zeros(x.shape).index_add(1, ends, x.index_select(1, starts))


''',
    "homomorphisms": '''def _homomorphisms(adjacency, graphs):
    """Homomorphism numbers of bilabelled graphs (label of each vertex, number of labels, edges)."""
    n, counts = len(adjacency), []
    for vertices, labels, pairs in graphs:
        shown = sorted(set(vertices))
        factors = [(adjacency, (i, j)) if i != j else (adjacency.diagonal(), (i,)) for i, j in pairs]
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


''',
    "entries": '''def _entries(listed, rows, columns):
    """Matrices from lists of (row, column, value)."""
    maps = torch.zeros(len(listed), rows, columns, dtype=torch.float64)
    for number, entries in enumerate(listed):
        for row, column, value in entries:
            maps[number, row, column] = value
    return maps


''',
    "scale": '''def _scale(maps, orbits, count):
    """For each map, the largest sum of squares in a row; ``count`` orbits have places of their own."""
    found = []
    if maps is not None:
        found.append((maps**2).sum(2).amax(1))
    if orbits is not None:
        rows = torch.arange(orbits.shape[0])[:, None] * (orbits.max() + 1)
        reached = torch.unique(rows + orbits) % (orbits.max() + 1)
        found.append((orbits.flatten().bincount().double() / reached.bincount())[:count])
    return torch.cat(found)


''',
}

#: Functions and a class for mixing by the Fourier transform over S_c.
FOURIER = {
    "young": '''def _young(c):
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


''',
    "tuples": '''def _tuples(n, c, young):
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


''',
    "combine": '''class _Combine(torch.autograd.Function):
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
        x = x.movedim(in_dims[0], 1)
        found = _combine(x.reshape(x.shape[0], -1), *tables).reshape(-1, info.batch_size, x.shape[-1])
        return found.transpose(0, 1).contiguous(), 0


def _combine(x, *tables):
    return (_Combine if torch.compiler.is_compiling() else _Transformed).apply(x, *tables)


''',
    "orbits": '''def _mix_orbits(x, w, shares, dims, young, there, orbit, turns):
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


''',
}
