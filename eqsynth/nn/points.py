"""Points in space: neighbour lists, and messages between neighbours that turn with the points, wherever they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise, product
from math import ceil, pi, prod
from typing import Any

import torch
from torch import nn

from eqsynth.bases.forms import Form, form
from eqsynth.bases.irreps import has_irreps
from eqsynth.errors import EqsynthError, GroupError, ShapeError, ZeroOutputWarning, explain_calls, shown, warn
from eqsynth.exact.limits import afford
from eqsynth.exact.numbers import bounded, choice, flag, whole
from eqsynth.families.group import Group
from eqsynth.families.hom import ProductHom
from eqsynth.families.irreps import MAX_DEGREE as MAX_HARMONIC
from eqsynth.layers.emitted import layer_of, require_dtype
from eqsynth.layers.linear import Linear
from eqsynth.nn.activations import EquivariantModule, Tensors, apply_form, full_precision, got, joined
from eqsynth.nn.activations import whole as full_digits
from eqsynth.nn.entries import whole_numbers
from eqsynth.plans.products import plan_products
from eqsynth.spaces.space import Irrep, Order, Space, Symmetry, is_decomposed, stored_full

#: Pairs of points whose distances are computed at once, and so many that all are.
CHUNK, FEW_PAIRS = 1 << 20, 1 << 16
#: The most cells along an axis, and by how much they are wider than the cutoff: more than rounding takes.
MAX_CELLS, SLACK = 1 << 13, 1.01
#: The highest power of a direction as a tensor, and the most numbers of radial functions and hidden channels.
MAX_DEGREE, MAX_WIDTH = 4, 1 << 16
#: Below it sin(t) / t is a series, exact to 1e-13.
SMALL = 0.1
#: The exponent of the envelope, whose first and second derivatives are 0 at the cutoff (arXiv 2003.03123).
SMOOTHNESS = 6
BASES = ("bessel", "gaussian")


@explain_calls
def neighbors(
    positions: torch.Tensor, cutoff: float, batch: torch.Tensor | None = None, cell: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """All pairs of points nearer than a cutoff, as ``edge_index``, and the shifts of pairs across a periodic box.

    >>> import torch, eqsynth as eq
    >>> positions = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 3.0]])
    >>> eq.nn.neighbors(positions, 1.5)
    (tensor([[0, 1],
            [1, 0]]), None)
    >>> edge_index, shifts = eq.nn.neighbors(torch.zeros(1, 3), 1.1, cell=torch.eye(3))    # a cubic crystal
    >>> edge_index.shape, shifts.shape
    (torch.Size([2, 6]), torch.Size([6, 3]))

    ``positions`` are ``(points, d)``, d any number; ``batch`` has the graph of each point, None is one graph. Pairs are
    listed in both directions, sorted, without pairs of a point and itself. ``cell`` has the d vectors of a periodic box
    as rows, for one graph; pairs are then those of all images (also of a point and its own), and the vector of an edge
    from i to j is ``positions[j] + shifts - positions[i]``. Points are sorted into cells as
    wide as the cutoff: time and memory grow with the number of points and of pairs. A pair is there in both directions
    or in none, also where the distance is the cutoff up to rounding. No gradients flow: differentiate
    what is made of positions.

    Raises ShapeError for tensors that do not fit, EqsynthError for a cutoff that is not above 0, SizeError where it
    reaches across too many images of a box.
    """
    positions = full_digits(_read_positions(positions).detach())
    if positions.is_meta or positions.layout != torch.strided or not bool(positions.isfinite().all()):
        raise ShapeError(f"positions of {got(positions)} have entries that are no finite numbers, or no entries at all")
    reach = _cutoff(cutoff)
    graph = _graphs(batch, len(positions))
    if cell is None:
        return _in_order(*_close(positions, positions, reach, graph), len(positions)), None
    vectors = _read_cell(cell, positions)
    if graph is not None:
        raise ShapeError("a cell belongs to one graph: call neighbors for each graph, without batch")
    # Points may lie outside of the box: they are taken into it, and shifts are those of where they were.
    inverse = torch.linalg.inv(vectors)
    boxes = (positions @ inverse).floor()
    inside = positions - boxes @ vectors
    others, origin, images = _images(inside, vectors, reach * SLACK, 1 / inverse.norm(dim=0))
    source, place = _close(inside, others, reach, None)
    target, moved = origin[place], images[place]
    shifts = (moved + boxes[source] - boxes[target]) @ vectors
    # Boxes are listed in the order of their numbers.
    most = int(moved.abs().max()) if moved.numel() else 0
    rank = torch.zeros(2 * len(moved), dtype=torch.long, device=moved.device)
    for axis in range(moved.shape[1]):
        rank = rank * (2 * most + 1) + torch.cat((moved[:, axis], -moved[:, axis])).long()
    order = _order(torch.cat((source, target)), torch.cat((target, source)), len(positions), rank)
    return _mirrored(source, target)[:, order], (torch.cat((shifts, -shifts)) + 0.0)[order]


def _images(
    inside: torch.Tensor, vectors: torch.Tensor, reach: float, heights: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The points of a box, and half of their images that may be near to some: where they are, whose, and in which box.

    Of an image and the opposite one, one is there: each pair is seen once.
    """
    counts = [ceil(reach / height + 1) for height in heights.tolist()]
    places, owners, boxes = [inside], [torch.arange(len(inside), device=inside.device)], [torch.zeros_like(inside)]
    widths = [2 * count + 1 for count in counts]
    total = prod(widths)
    afford(
        f"{total:,} images of a periodic box within a cutoff that is {reach / float(heights.min()):,.0f} times as long",
        "check the units of cutoff and cell, or give a smaller cutoff",
        steps=total * len(inside),
    )
    strides = [prod(widths[axis + 1 :]) for axis in range(len(widths))]
    # By number, images are in lexicographic order, the box itself in the middle.
    numbers = torch.arange(total // 2 + 1, total, device=inside.device)
    for some in torch.split(numbers, max(CHUNK // len(inside), 1)) if len(inside) else ():
        digits = [some // stride % width - count for stride, width, count in zip(strides, widths, counts, strict=True)]
        moved_by = torch.stack(digits, 1).to(inside.dtype)
        # Row by row, so that an image is at the same place whatever else there is.
        shift = sum(moved_by[:, axis, None] * vector for axis, vector in enumerate(vectors))
        place = inside + shift[:, None]
        near = ((place > inside.amin(0) - reach) & (place < inside.amax(0) + reach)).all(2)
        image, owner = near.nonzero().T
        places.append(place[near])
        owners.append(owner)
        boxes.append(moved_by[image])
    return torch.cat(places), torch.cat(owners), torch.cat(boxes)


def _close(
    points: torch.Tensor, others: torch.Tensor, reach: float, graph: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """The pairs (point, other) nearer than the reach, in one graph; the first of the others are the points.

    Of two points each pair is there once, from the lesser to the greater number.
    """
    listed = [(torch.zeros(0, dtype=torch.long, device=points.device),) * 2]
    for first, second in _candidates(points, others, reach, graph):
        kept = first < second
        if graph is not None:
            kept &= graph[first] == graph[second]
        a, b = first[kept], second[kept]
        # Entry by entry, so that a distance is the same number whatever else there is.
        difference = others[b] - points[a]
        square = points.new_zeros(len(a))
        for axis in range(points.shape[1]):
            square = square + difference[:, axis] * difference[:, axis]
        near = square.sqrt() < reach
        listed.append((a[near], b[near]))
    return torch.cat([a for a, _ in listed]), torch.cat([b for _, b in listed])


def _candidates(
    points: torch.Tensor, others: torch.Tensor, reach: float, graph: torch.Tensor | None
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """All pairs of points and others that may be near, some at a time: those in cells of a grid that touch.

    The grid has the first three axes at most: what is near is near along each.
    """
    if len(points) * len(others) <= FEW_PAIRS:
        a, b = torch.cartesian_prod(*(torch.arange(len(x), device=x.device) for x in (points, others))).T
        yield a, b
        return
    axes = min(points.shape[1], 3)
    low, high = others[:, :axes].amin(0), others[:, :axes].amax(0)
    width = ((high - low) / MAX_CELLS).clamp(min=reach * SLACK)
    strides = torch.tensor([(MAX_CELLS + 4) ** (axes - 1 - axis) for axis in range(axes)], device=points.device)

    def key(x: torch.Tensor) -> torch.Tensor:
        cells = (((x[:, :axes] - low) / width).floor().long() + 1) * strides
        number = 0 if graph is None else torch.unique(graph, return_inverse=True)[1] * (MAX_CELLS + 4) ** axes
        return cells.sum(1) + number

    own, (theirs, order) = key(points), key(others).sort()
    # Neighbours along the last axis have keys in a row.
    for offset in product((-1, 0, 1), repeat=axes - 1):
        wanted = own + (torch.tensor([*offset, 0], device=own.device) * strides).sum()
        start, stop = torch.searchsorted(theirs, wanted - 1), torch.searchsorted(theirs, wanted + 1, right=True)
        counts = stop - start
        ends = counts.cumsum(0)
        pieces = torch.searchsorted(
            ends, CHUNK * torch.arange(1, max(ceil(int(ends[-1]) / CHUNK), 1), device=own.device)
        )
        for first, last in pairwise([0, *pieces.tolist(), len(points)]):
            some = counts[first:last]
            a = torch.repeat_interleave(torch.arange(first, last, device=own.device), some)
            before = ends[a] - counts[a] - (ends[first] - counts[first] if len(a) else 0)
            yield a, order[start[a] + torch.arange(len(a), device=own.device) - before]


def _mirrored(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Pairs, and then the same in the other direction."""
    return torch.stack((torch.cat((source, target)), torch.cat((target, source))))


def _order(source: torch.Tensor, target: torch.Tensor, points: int, rank: torch.Tensor | None = None) -> torch.Tensor:
    """The order by sources, then targets, then ranks."""
    first = torch.arange(len(source), device=source.device) if rank is None else rank.argsort(stable=True)
    return first[(source * points + target)[first].argsort(stable=True)]


def _in_order(source: torch.Tensor, target: torch.Tensor, points: int) -> torch.Tensor:
    """Pairs in both directions, sorted."""
    pairs = _mirrored(source, target)
    return pairs[:, _order(pairs[0], pairs[1], points)]


def _graphs(batch: Any, points: int) -> torch.Tensor | None:
    """The graph of each point; ShapeError for what is not one number for each."""
    fits = isinstance(batch, torch.Tensor) and batch.shape == (points,) and whole_numbers(batch)
    if batch is not None and (not fits or batch.is_meta):
        raise ShapeError(f"batch is of {got(batch)}, expected the graph of each of {points} points, as whole numbers")
    return batch  # type: ignore[no-any-return]


def _cutoff(cutoff: object) -> float:
    try:
        value = bounded("cutoff", cutoff)
    except EqsynthError:
        value = 0
    if not value > 0:
        raise EqsynthError(f"cutoff is a distance above 0, not {shown(cutoff)}: write cutoff=5.0")
    return value


def _read_positions(positions: Any, points: int | None = None, d: int | None = None) -> torch.Tensor:
    fits = isinstance(positions, torch.Tensor) and positions.ndim == 2 and positions.is_floating_point()
    fits = fits and positions.element_size() > 1
    fits = fits and points in (None, len(positions)) and d in (None, positions.shape[1]) and positions.shape[1] > 0
    if not fits:
        expected = f"({'points' if points is None else points}, {'d' if d is None else d})"
        raise ShapeError(f"positions are of {got(positions)}, expected floating-point numbers of shape {expected}")
    result: torch.Tensor = positions
    return result


def _read_cell(cell: Any, positions: torch.Tensor) -> torch.Tensor:
    d = positions.shape[1]
    fits = isinstance(cell, torch.Tensor) and cell.shape == (d, d) and cell.is_floating_point()
    if fits and cell.device == positions.device and bool(cell.isfinite().all()):
        vectors: torch.Tensor = cell.detach().to(positions.dtype)
        if bool(torch.linalg.det(vectors).abs() > 0):
            return vectors
    raise ShapeError(
        f"the cell is of {got(cell)}, expected {d} independent vectors of finite floating-point numbers as rows, of "
        f"shape ({d}, {d}), where the positions are; a direction that does not repeat gets a vector longer than all"
    )


# --- functions of distances and directions --------------------------------------------------------


def envelope(u: torch.Tensor) -> torch.Tensor:
    """A polynomial from 1 at 0 to 0 at 1, where its first and second derivatives are 0; 0 beyond."""
    p = SMOOTHNESS
    u = u.abs().clamp(max=1)
    return 1 - (p + 1) * (p + 2) / 2 * u**p + p * (p + 2) * u ** (p + 1) - p * (p + 1) / 2 * u ** (p + 2)


def radial_functions(u: torch.Tensor, count: int, basis: str, signed: bool) -> torch.Tensor:
    """Functions of distances in units of the cutoff: (edges,) -> (edges, count); ``signed``: from -1 to 1."""
    numbers = torch.arange(1, count + 1, device=u.device, dtype=u.dtype)
    u = u.unsqueeze(1)
    if basis == "bessel" and signed:
        # Sines that vanish at both ends, -1 and 1, and tell the signs apart.
        return 2**0.5 * torch.sin(numbers * (pi / 2) * (u + 1))
    if basis == "bessel":
        # sqrt(2) sin(n pi u) / u.
        return 2**0.5 * pi * numbers * _sine_over(pi * numbers * u)
    low = -1.0 if signed else 0.0
    width = (1 - low) / max(count - 1, 1)
    return torch.exp(-(((u - low) / width - (numbers - 1)) ** 2) / 2)


def _sine_over(t: torch.Tensor) -> torch.Tensor:
    """The function sin(t) / t with all its derivatives, also at 0, where those of torch.sinc are not numbers."""
    small = t.abs() < SMALL
    square, away = t * t, torch.where(small, 1.0, t)
    series = 1 - square / 6 * (1 - square / 20 * (1 - square / 42))
    return torch.where(small, series, torch.sin(away) / away)


def tensor_powers(
    vectors: torch.Tensor, degree: int, square: torch.Tensor, metric: torch.Tensor | None
) -> list[torch.Tensor]:
    """The powers 0 to ``degree`` of vectors (edges, d): shapes (edges,), (edges, d), (edges, d, d), ...

    With a metric their traceless parts: of x (x) x it is x (x) x - x.x / d times the metric, and so on. ``square`` is
    x.x of each vector.
    """
    powers = [vectors.new_ones(len(vectors))]
    for k in range(degree):
        powers.append(powers[-1].unsqueeze(-1) * vectors[(slice(None), *[None] * k)])
    return powers if metric is None else [_traceless(powers, k, square, metric) for k in range(degree + 1)]


def _traceless(powers: list[torch.Tensor], k: int, square: torch.Tensor, metric: torch.Tensor) -> torch.Tensor:
    """Power k less what its traces say: the sum over sets of j pairs of axes of a_j (x.x)^j metric^j x^(k - 2j)."""
    total, factor = powers[k], 1.0
    for j in range(1, k // 2 + 1):
        factor /= -(len(metric) + 2 * k - 2 - 2 * j)
        lead = powers[k - 2 * j] * (factor * square**j).reshape(-1, *[1] * (k - 2 * j))
        for _ in range(j):
            lead = lead.unsqueeze(-1).unsqueeze(-1) * metric
        for pairs in _pairings(tuple(range(k)), j):
            rest = [axis for axis in range(k) if axis not in {a for pair in pairs for a in pair}]
            places = [*rest, *[axis for pair in pairs for axis in pair]]
            total = total + lead.permute(0, *[1 + places.index(axis) for axis in range(k)])
    return total


def _pairings(axes: tuple[int, ...], count: int) -> list[tuple[tuple[int, int], ...]]:
    """The sets of ``count`` disjoint pairs of axes."""
    every = combinations(list(combinations(axes, 2)), count)
    return [pairs for pairs in every if len({axis for pair in pairs for axis in pair}) == 2 * count]


def harmonics(vectors: torch.Tensor, raising: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """The traceless parts of the powers of vectors (edges, 3), in the coordinates of irreps of O(3).

    Shapes (edges,), (edges, 3), (edges, 5), ...: the vector itself, and harmonics whose squares sum to 2k + 1 where
    those of the vector sum to 3. Each is coupled from the one before and the vector, by a table of :func:`raising`, and
    keeps all digits so.
    """
    powers = [vectors.new_ones(len(vectors)), vectors]
    with full_precision(vectors):
        for table in raising:
            pairs = (powers[-1].unsqueeze(2) * vectors.unsqueeze(1)).flatten(1)
            powers.append(pairs @ table.to(vectors))
    return powers


def raising(degree: int) -> list[torch.Tensor]:
    """Tables from products of harmonics of degree k with a vector to degree k + 1, for k from 1 below ``degree``.

    They have 3 (2k + 1) rows and 2k + 3 columns.
    """
    from eqsynth.bases.couplings import Coupling

    tables = []
    for k in range(1, degree):
        one = Coupling(k, 1, k + 1)
        # The share of degree k + 1 in such a product is (k + 1) / (2k + 1) for a vector with itself.
        scale = ((2 * k + 3) / float(3 * (k + 1) * one.square)) ** 0.5
        tables.append(torch.from_numpy(one.table().reshape(2 * k + 3, -1).T * scale).contiguous())
    return tables


# --- messages -------------------------------------------------------------------------------------


@explain_calls
class Message(EquivariantModule):
    """Messages between neighbouring points: products of a point's features with directions, weighted by distances.

    >>> import torch, eqsynth as eq
    >>> layer = eq.nn.Message("O(3)", "8x0 + 4x1", "16x0 + 8x1", cutoff=2.0)
    >>> layer
    Message(O(3): 8x0 + 4x1 -> 16x0 + 8x1, cutoff=2.0, degree=2, bessel, sum)
    >>> positions, batch = torch.randn(20, 3), torch.arange(20) // 10            # two clouds of ten points
    >>> edge_index, _ = eq.nn.neighbors(positions, 2.0, batch)
    >>> numbers, vectors = layer((torch.randn(20, 8), torch.randn(20, 3, 4)), positions, edge_index)
    >>> numbers.shape, vectors.shape
    (torch.Size([20, 16]), torch.Size([20, 3, 8]))

    Features are those of ``eq.Linear`` for the group that turns the points, with the points as batch axis: ``8x1`` of
    O(3) is ``(points, 3, 8)``. All of eq.nn for that group goes between messages: activations, norms, eq.Linear. The
    message from point i to point j, an edge of ``edge_index``, is made of the features of i, mixed by an eq.Linear to
    ``channels`` for each term (None: as many as there are), and of r = x_j - x_i. Each mixed channel is multiplied by a
    function of ``|r|``, a small perceptron of ``functions`` radial functions (``basis``: ``"bessel"`` or
    ``"gaussian"``) with ``hidden`` units, times an envelope that goes to 0 smoothly at the cutoff. Then all equivariant
    products with the powers r^0, ..., r^degree of the direction ``r / |r|`` are taken (eq.TensorProduct), and
    messages are added at j (``reduce="sum"``), or divided by the sum of the envelopes at j, where that is above 1
    (``"mean"``: smooth, too, as neighbours come and go).

    Features may be irreps, too, or tensors stored as ``.irreps``. Powers are symmetric tensors up to degree 4, or, with
    ``traceless=True``, their traceless parts, for O(n), SO(n) and O(p,q). Those of O(3) and SO(3) are the spherical
    harmonics, up to degree 11: the same messages as of all powers up to that degree, with fewer weights. They are taken
    in any case where irreps are among the features, with which they couple at any degree.

    >>> layer = eq.nn.Message("O(3)", "16x1o + 8x0e", "32x2e", cutoff=2.0)
    >>> layer
    Message(O(3): 16x1o + 8x0e -> 32x2e, cutoff=2.0, degree=2, bessel, sum)
    >>> layer((torch.randn(20, 3, 16), torch.randn(20, 1, 8)), positions, edge_index).shape
    torch.Size([20, 5, 32])

    Only differences of positions count: moving all points changes nothing, and turning them turns the output. Gradients
    flow to positions, also second ones: forces are derivatives of energies. Points at the same place have no direction,
    and 0 is taken.

    ``edge_index`` are pairs of points, numbered through the batch, as of :func:`eqsynth.nn.neighbors`; without it all
    pairs within the cutoff are taken, in each graph of ``batch``. ``shifts`` are added to r, for edges across a box
    that is periodic.

    With ``edge_dim`` the perceptron of distances reads as many numbers of each edge besides, ``edge_attr`` of shape
    ``(edges, edge_dim)``, in the order of ``edge_index``: kinds of bonds, products of charges, lengths on another
    scale, numbers of both ends, ``torch.cat((x[edge_index[0]], x[edge_index[1]]), 1)``. They are used as they are:
    numbers that turn with the points, such as coordinates, would spoil the symmetry.

    >>> bonded = eq.nn.Message("O(3)", "8x0", "8x0 + 4x1", cutoff=2.0, edge_dim=1)
    >>> bonds = torch.ones(edge_index.shape[1], 1)
    >>> [y.shape for y in bonded(torch.randn(20, 8), positions, edge_index, edge_attr=bonds)]
    [torch.Size([20, 8]), torch.Size([20, 3, 4])]

    The group keeps a symmetric form of vectors: O(n), SO(n), n any number, groups of orthogonal matrices, O(p,q). Of
    O(p,q) the form r.r in units of ``cutoff`` squared stands for the distance, may be negative (``"bessel"`` are sines
    from -1 to 1 there), and directions are r / cutoff; without an ``edge_index`` all pairs are taken.

    ``cutoff=None`` asks for no distances: powers are those of r itself, weights depend on ``edge_attr`` alone (on
    nothing without ``edge_dim``), edges are those of ``edge_index``, or all pairs, and the mean is over these. That
    suits groups that keep no lengths: Sp(n), which turns points of phase space, SL(n) and GL(n). Spherical harmonics
    leave r.r out, which may be one of ``edge_attr``.

    >>> areas = eq.nn.Message("Sp(4)", "2x1", "3x0", cutoff=None, degree=1)              # sums of omega(x_i, r)
    >>> areas(torch.randn(5, 4, 2), torch.randn(5, 4)).shape
    torch.Size([5, 3])

    Raises GroupError for a cutoff where the group keeps no such form, as Sp(n), where r.r = 0, for groups of complex
    matrices, and for products (the points need no S(n), they are the batch axis); ShapeError for tensors that do not
    fit.

    Sources: arXiv 1802.08219 (tensor field networks), 2003.03123 (radial functions and envelope).
    """

    takes_complex = False

    def __init__(
        self,
        group: str | Group,
        space_in: str | int | Space,
        space_out: str | int | Space,
        cutoff: float | None,
        degree: int = 2,
        channels: int | None = None,
        basis: str = "bessel",
        functions: int = 8,
        hidden: int = 32,
        traceless: bool = False,
        reduce: str = "sum",
        edge_dim: int = 0,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        parsed = _group_of_points(group)
        super().__init__(parsed, space_in, space_out, device, dtype)
        self.traceless = flag("traceless", traceless)
        some_irreps = has_irreps(*self.space_in.orders, *self.space_out.orders)
        self._harmonic = parsed.spherical and (self.traceless or some_irreps)
        self._form = None if cutoff is None and not self.traceless else _form_of(parsed, self.traceless)
        self.cutoff = None if cutoff is None else _cutoff(cutoff)
        self.degree = _degree(degree, parsed, self._harmonic)
        #: Tables in float64, as positions may be: they follow no dtype of the layer.
        self._raising = raising(self.degree) if self._harmonic else []
        self.functions, width = _number("functions", functions, 1), _number("hidden", hidden, 1)
        self.edge_dim = _number("edge_dim", edge_dim, 0)
        own = None if channels is None else _number("channels", channels, 1)
        choice("basis", basis, BASES)
        choice("reduce", reduce, ("sum", "mean"))
        self.basis, self.reduce = basis, reduce
        mixed = Space(tuple((own or wide, _multiplied(order)) for wide, order in self.space_in))
        powers = Space(tuple((1, _power(k, self._harmonic)) for k in range(self.degree + 1)))
        received = Space(tuple((wide, _multiplied(order)) for wide, order in self.space_out))
        problem = ProductHom(parsed, (mixed, powers), received)
        plan = plan_products(problem, False)
        for message in plan.zero_outputs():
            warn(message, ZeroOutputWarning)
        factory: Any = {"device": device, "dtype": dtype}
        self.mix = Linear(parsed, self.space_in, mixed, **factory)
        self.product = layer_of(plan, **factory)
        known = self.edge_dim + (0 if self.cutoff is None else self.functions)
        self.radial = (
            None
            if not known
            else nn.Sequential(
                nn.Linear(known, width, **factory),
                nn.SiLU(),
                nn.Linear(width, sum(mixed.channels), **factory),
            )
        )

    def options(self) -> tuple[str, ...]:
        """The radius, the highest power, the radial functions and how messages are added."""
        traceless = ["traceless=True"] if self.traceless else []
        edges = [f"edge_dim={self.edge_dim}"] if self.edge_dim else []
        basis = [] if self.cutoff is None else [self.basis]
        return f"cutoff={self.cutoff}", f"degree={self.degree}", *basis, self.reduce, *traceless, *edges

    def forward(
        self,
        x: Any,
        positions: Any = None,
        edge_index: torch.Tensor | None = None,
        batch: torch.Tensor | None = None,
        shifts: torch.Tensor | None = None,
        edge_attr: torch.Tensor | None = None,
    ) -> Tensors:
        """What each point receives. Raises ShapeError for features, edges or shifts that do not fit each other."""
        terms = self.terms_of(x)
        if terms[0].ndim != len(self._shapes[0][1]) + 2:
            raise ShapeError(f"expected features (points, ..., channels), got shape {tuple(terms[0].shape)}")
        if positions is None:
            raise ShapeError(
                "messages need positions: call layer(x, positions, edge_index), and to test the layer "
                "eq.testing.assert_equivariant(layer, positions=True)"
            )
        points, own = len(terms[0]), next(self.parameters())
        for term in terms:
            require_dtype(self, term, own)
        positions = _read_positions(positions, points, self.group.number)
        source, target = self._edges(positions, edge_index, batch)
        r = positions[target] - positions[source]
        if shifts is not None:
            fits = isinstance(shifts, torch.Tensor) and shifts.shape == r.shape and shifts.is_floating_point()
            if not fits or shifts.device != r.device:
                raise ShapeError(f"shifts are of {got(shifts)}, expected one for each edge, of shape {tuple(r.shape)}")
            r = r + shifts
        numbers = self._read_edge_attr(edge_attr, edge_index, len(r), terms[0])
        nearness, weights, powers = self._geometry(full_digits(r), numbers, terms[0].dtype)
        mixed = self.mix(terms if len(terms) > 1 else terms[0])
        mixed = mixed if isinstance(mixed, tuple) else (mixed,)
        sent = [term[source] for term in mixed]
        if weights is not None:
            parts = torch.split(weights, [term.shape[-1] for term in mixed], 1)
            sent = [
                term * part[(slice(None), *[None] * (term.ndim - 2))] for term, part in zip(sent, parts, strict=True)
            ]
        messages = self.product(joined(sent), joined([power.unsqueeze(-1) for power in powers]))
        messages = messages if isinstance(messages, tuple) else (messages,)
        received = [y.new_zeros(points, *y.shape[1:]).index_add(0, target, y) for y in messages]
        if self.reduce == "mean":
            counts = nearness.new_zeros(points).index_add(0, target, nearness).clamp(min=1)
            received = [y / counts.to(y.dtype).reshape(-1, *[1] * (y.ndim - 1)) for y in received]
        return joined(self._stored(received))

    def _stored(self, received: list[torch.Tensor]) -> list[torch.Tensor]:
        """Outputs as they are stored."""
        if not any(map(is_decomposed, self.space_out.orders)):
            return received
        from eqsynth.layers.packing import to_irreps  # which loads torch's compiler

        return [
            to_irreps(y, self.group, order) if is_decomposed(order) else y
            for y, order in zip(received, self.space_out.orders, strict=True)
        ]

    def _read_edge_attr(self, edge_attr: Any, edge_index: Any, edges: int, like: torch.Tensor) -> torch.Tensor | None:
        """The numbers of each edge, None where the layer takes none."""
        if not self.edge_dim:
            if edge_attr is not None:
                raise ShapeError(
                    f"this layer reads no numbers of edges, got edge_attr of {got(edge_attr)}: set edge_dim"
                )
            return None
        if edge_index is None:
            raise ShapeError(
                f"this layer reads {self.edge_dim} numbers of each edge: give edge_attr, and the edge_index it belongs "
                "to, as of eq.nn.neighbors"
            )
        shape = edges, self.edge_dim
        fits = isinstance(edge_attr, torch.Tensor) and edge_attr.shape == shape and edge_attr.is_floating_point()
        if not fits or edge_attr.device != like.device:
            raise ShapeError(f"edge_attr is of {got(edge_attr)}, expected floating-point numbers of shape {shape}")
        numbers: torch.Tensor = edge_attr.to(like.dtype)
        return numbers

    def _geometry(
        self, r: torch.Tensor, numbers: torch.Tensor | None, dtype: torch.dtype
    ) -> tuple[torch.Tensor, torch.Tensor | None, list[torch.Tensor]]:
        """The envelope, weight of each mixed channel and powers of the direction for each edge, in a dtype.

        That is the dtype of features; distances are computed in that of positions.
        """
        known = [] if numbers is None else [numbers]
        x, nearness = r, r.new_ones(len(r))
        if self.cutoff is not None:
            x, u = self._measured(r, self.cutoff)
            functions = radial_functions(u, self.functions, self.basis, not self._is_definite)
            known, nearness = [functions.to(dtype), *known], envelope(u)
        nearness = nearness.to(dtype)
        weights = None if self.radial is None else self.radial(torch.cat(known, 1)) * nearness.unsqueeze(1)
        return nearness, weights, [power.to(dtype) for power in self._powers(x)]

    def _measured(self, r: torch.Tensor, cutoff: float) -> tuple[torch.Tensor, torch.Tensor]:
        """The direction of each edge, so long that components have variance near 1, and its length by the cutoff."""
        square, scale = self._square(r), r.shape[1] ** 0.5
        if not self._is_definite:
            return r / cutoff * scale, square / cutoff**2
        apart = ~(square <= 0)  # what is no number is no place of its own
        length = torch.where(apart, square, 1.0).sqrt()
        direction = torch.where(apart.unsqueeze(1), r / length.unsqueeze(1), 0.0)
        return direction * scale, torch.where(apart, length, 0.0) / cutoff

    @property
    def _is_definite(self) -> bool:
        return self._form is not None and self._form.definite

    def _lowered(self, x: torch.Tensor) -> torch.Tensor:
        """What the form makes of vectors."""
        return x if self._form is None else apply_form(self._form, x, 1)

    def _square(self, x: torch.Tensor) -> torch.Tensor:
        return (x * self._lowered(x)).sum(1)

    def _powers(self, x: torch.Tensor) -> list[torch.Tensor]:
        """The powers of vectors."""
        if self._harmonic:
            return harmonics(x, self._raising)[: self.degree + 1]
        metric = self._lowered(torch.eye(x.shape[1], dtype=x.dtype, device=x.device)) if self.traceless else None
        return tensor_powers(x, self.degree, self._square(x), metric)

    def _edges(self, positions: torch.Tensor, edge_index: Any, batch: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """The points that edges go from and to."""
        points = len(positions)
        if edge_index is None:
            if self.cutoff is not None and self._form is not None and self._form.kind == "delta":
                edge_index = neighbors(positions, self.cutoff, batch)[0]
            else:
                edge_index = _all_pairs(points, batch, positions.device)
            return edge_index[0], edge_index[1]
        fits = isinstance(edge_index, torch.Tensor) and edge_index.ndim == 2 and len(edge_index) == 2
        if not fits or not whole_numbers(edge_index) or edge_index.device != positions.device:
            raise ShapeError(
                f"edge_index is of {got(edge_index)}, expected whole numbers of shape (2, edges), where positions are"
            )
        source, target = edge_index.long()
        if torch.compiler.is_compiling():  # which has no values to look at
            return source, target
        if edge_index.numel() and not 0 <= int(edge_index.min()) <= int(edge_index.max()) < points:
            raise ShapeError(
                f"edge_index names points from {int(edge_index.min())} to {int(edge_index.max())}, of {points}"
            )
        graph = _graphs(batch, points)
        if graph is not None and not torch.equal(graph[source], graph[target]):
            raise ShapeError("an edge joins points of two graphs of batch: edge_index counts points through the batch")
        return source, target


def _all_pairs(points: int, batch: Any, device: torch.device) -> torch.Tensor:
    """The pairs of different points of each graph."""
    graph = _graphs(batch, points)
    graph = torch.zeros(points, device=device) if graph is None else graph
    pairs = (graph[:, None] == graph).nonzero().T
    return pairs[:, pairs[0] != pairs[1]]


def _group_of_points(group: str | Group) -> Group:
    """The group that turns points in space."""
    parsed = Group.parse(group)
    if len(parsed.factors) != 1 or parsed.symbolic:
        raise GroupError(
            f"eq.nn.Message takes the group that turns points, with a number of coordinates, as O(3), not {parsed}: "
            "points may be listed in any order, without S(n), and are the batch axis of features"
        )
    if parsed.over_complex:
        raise GroupError(
            f"{parsed} turns vectors of complex numbers, and positions are real: take a group of real matrices, such "
            "as O(3), or products of complex features alone, eq.TensorProduct"
        )
    return parsed


def _form_of(group: Group, traceless: bool) -> Form:
    """The form by which vectors of the group are measured."""
    own = form(group)
    if traceless and (own is None or own.sign != 1 or own.kind == "table"):
        raise GroupError(f"traceless parts are there for O(n), SO(n) and O(p,q), not {group}: leave traceless out")
    if own is None or own.sign != 1:
        why = "the form of a vector with itself is 0" if own is not None else "it keeps no form of two vectors"
        raise GroupError(
            f"{group} keeps no symmetric form, so that a vector has no length that messages could depend on ({why}): "
            "ask for messages without distances, cutoff=None, whose weights may depend on edge_attr, or take O(n), "
            "SO(n), O(p,q) or a group of orthogonal matrices"
        )
    return own


def _multiplied(order: Order) -> Order:
    """What stands in products for an order: tensors stored as .irreps with an axis for each index."""
    return stored_full(order) if is_decomposed(order) else order


def _power(k: int, harmonic: bool) -> Order:
    """The space of a power of a direction."""
    return k if k < 2 else Irrep.of_degree(k) if harmonic else Symmetry("S", k)


def _degree(degree: object, group: Group, harmonic: bool) -> int:
    """The highest power of directions."""
    try:
        return _number("degree", degree, 0, MAX_HARMONIC if harmonic else MAX_DEGREE)
    except EqsynthError as error:
        if harmonic or not group.spherical:
            raise
        raise EqsynthError(f"{error}; traceless=True goes to {MAX_HARMONIC}") from None


def _number(name: str, value: object, low: int, high: int = MAX_WIDTH) -> int:
    number = whole(value)
    if number is None or not low <= number <= high:
        raise EqsynthError(f"{name} is a whole number from {low} to {high:,}, not {shown(value)}")
    return number
