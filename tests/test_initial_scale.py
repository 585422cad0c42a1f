"""Initial weights keep variance, and ``eq.inspect`` says what each map adds: against second moments by brute force."""

import warnings
from math import prod

import pytest
import torch

import eqsynth as eq
from eqsynth.errors import ZeroOutputWarning
from eqsynth.plans.lowering import gains, mean_squares
from eqsynth.spaces.space import axes_of, axis_counts, is_packed, is_plain, packed_lengths

FAMILIES = ["S(1)", "S(2)", "S(3)", "A(2)", "A(3)", "A(4)", "O(2)", "O(3)", "SO(2)", "SO(3)", "Sp(2)", "Sp(4)"]
GROUPS = [*FAMILIES, "Aut(path3)", "Perm(4: 1 0 3 2)", "Matrix([[0,-1],[1,0]]; )"]
ORDERS = [0, 1, 2, "S2", "A2", "S3", "A3"]


def units(order, sizes):
    """Each independent entry of a tensor alone, as a batch of tensors with one channel."""
    lengths = packed_lengths(order, sizes)
    count = prod(lengths)
    x = torch.eye(count, dtype=torch.float64).reshape(count, *lengths, 1)
    if not is_plain(order) and not is_packed(order):
        n = sizes[0]
        x = eq.unpack(x, order) if count else x.new_zeros(0, *[n] * axes_of(order), 1)
    return x


def entries(y, order):
    """The independent entries of a tensor."""
    return y if is_plain(order) or is_packed(order) else eq.pack(y, order)


def responses(layer, sizes):
    """For each weight of a layer of one channel the mean square of output entries that it makes alone."""
    (_, order_in), (_, order_out) = layer.hom.space_in.terms[0], layer.hom.space_out.terms[0]
    shown = {f.n for f, count in zip(layer.hom.group.factors, axis_counts(order_in), strict=True) if count}
    letters = {
        f.n: size for f, size in zip(layer.hom.group.factors, sizes, strict=True) if isinstance(f.n, str)
    }  # fmt: skip
    missing = [letters[letter] for letter in sorted(letters) if letter not in shown]
    x, found = units(order_in, sizes), []
    with torch.no_grad():
        for weight in range(len(layer.weight) if layer.plan.pairs else 0):
            for parameter in layer.parameters():
                parameter.zero_()
            layer.weight[weight] = 1
            y = entries(layer(x, *missing), order_out)
            rows = prod(y.shape[1:])
            found.append(float((y**2).sum()) / rows if rows else 0.0)
    return found


def size_of(order):
    return axes_of(eq.Hom.parse("S(n)", order, 0).space_in.orders[0])


def cases(total):
    return [(k, lo) for k in ORDERS for lo in ORDERS if size_of(k) + size_of(lo) <= total]


def known(group, k, lo, n=None, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZeroOutputWarning)
        layer = eq.Linear(group, k, lo, dtype=torch.float64, **options)
    return layer, eq.basis(group, k, lo).sizes(n)


def mean_square(layer, sizes):
    """The mean square of output entries over initial weights and inputs of independent entries of variance 1."""
    (pair,) = layer.plan.pairs
    return sum(v * square for v, square in zip(pair.variances, responses(layer, sizes), strict=True))


@pytest.mark.parametrize("group", GROUPS)
def test_the_mean_square_of_outputs_is_one_where_n_is_a_number(group):
    for k, lo in cases(4 if group in FAMILIES else 3):
        layer, sizes = known(group, k, lo, bias=False)
        if layer.plan.pairs:
            assert mean_square(layer, sizes) == pytest.approx(1), (group, k, lo)


@pytest.mark.parametrize(("k", "lo"), [("S2", 1), (1, "A2"), ("S2", "S2")])
def test_sums_start_at_the_same_scale(k, lo):
    layer, sizes = known("A(3)", k, lo, bias=False, normalization="sum")
    assert mean_square(layer, sizes) == pytest.approx(1)


@pytest.mark.parametrize(
    ("group", "k", "lo"),
    [("S(3) x O(2)", "(S2,1)", "(1,S3)"), ("S(2) x S(2)", "(1,0)", "(A2,0)"), ("O(2) x S(2)", "(2,1)", "(S2,S2)"),
     ("S(2) x A(2)", "(1,1)", "(S2,A2)"), ("SO(3) x S(2)", "(1,0)", "(A2.packed,1)")],
)  # fmt: skip
def test_products_of_groups(group, k, lo):
    layer, sizes = known(group, k, lo, bias=False)
    assert mean_square(layer, sizes) == pytest.approx(1)


@pytest.mark.parametrize("family", ["S", "O", "Sp", "H"])
def test_the_scale_of_symmetric_tensors_is_one_at_sixteen_where_n_is_a_letter(family):
    for k, lo in cases(4):
        found = eq.basis(f"{family}(n)", k, lo)
        layer, _ = known(f"{family}(n)", k, lo, 4, bias=False)
        for pair in layer.plan.pairs if not found.plain_orders else ():
            for n, bound in ((16, 1e-9), (40, 0.3)):
                squares = mean_squares(found, [n], gained=gains(found))
                total = sum(v * square for v, square in zip(pair.variances, squares, strict=True))
                assert total == pytest.approx(1, abs=bound), (k, lo, n)


def test_storage_does_not_change_initial_weights():
    full, packed = (eq.plan("O(3)", f"4x{order}", f"4x{order}") for order in ("S2", "S2.packed"))
    assert full.pairs == packed.pairs


@pytest.mark.parametrize("group", ["S(n)", "O(n)", "Sp(n)", "A(2)", "SO(3)", "Aut(path3)"])
def test_inspect_shows_the_mean_square_of_each_map(group):
    for k, lo in cases(3):
        for n in ((2,) if group == "Sp(n)" else (1, 2, 3)) if "n" in group else (None,):
            layer, sizes = known(group, k, lo, n, bias=False)
            squares = responses(layer, sizes)
            with torch.no_grad():
                torch.nn.init.constant_(layer.weight, 1) if layer.plan.pairs else None
            uses = eq.inspect(layer, n).uses
            assert {use.element: use.variance for use in uses} == pytest.approx(dict(enumerate(squares)))
            total = sum(squares) or 1
            assert {use.element: use.share for use in uses} == pytest.approx(
                {element: square / total for element, square in enumerate(squares)}
            )


def test_shares_of_maps_whose_terms_meet():
    """The matrices of A(2): 1 -> A2 have as many entries, whatever their diagrams look like."""
    layer, _ = known("A(2)", 1, "A2", bias=False)
    torch.nn.init.constant_(layer.weight, 1)
    assert [use.share for use in eq.inspect(layer).uses] == [0.5, 0.5]


def test_large_tensors_get_the_scale_that_they_come_near_to():
    found = eq.basis("S(n)", "S2", 2)
    exact = mean_squares(found, [300])
    assert mean_squares(found, [1100]) == pytest.approx(exact, rel=0.02, abs=0.02)


@pytest.mark.parametrize(
    ("group", "order", "out"),
    [("S(4)", "1", "1"), ("S(4) x S(3)", "(1,1)", "(1,1)"), ("S(4) x C(3)", "(1,1)", "(1,1)"),
     ("C(3) x C(2)", "(1,1)", "(1,1)"), ("O(3) x C(2)", "(1,1)", "(0,1)"),
     ("S(2) x C(2) x C(2)", "(1,1,1)", "(1,0,1)"), ("(S(2) wr S(2)) x C(2)", "(1,1)", "(1,1)")],
)  # fmt: skip
@pytest.mark.parametrize("normalization", ["variance", "sum"])
def test_powers_of_products_of_groups_start_at_one(group, order, out, normalization):
    """Half of the maps of x (x) y are those of x (x) x: they share what all of them would have."""
    power = eq.Power(group, f"1x{order}", 2, f"1x{out}", bias=False, normalization=normalization, dtype=torch.float64)
    shape = [factor.n for factor in power.problem.group.factors]
    place = torch.eye(prod(shape), dtype=torch.float64)
    (pair,), total = power.plan.pairs, 0.0
    for number, variance in enumerate(pair.variances):
        with torch.no_grad():
            power.weight.zero_()[number] = 1
            sums = power((place[:, None] + place).reshape(-1, *shape, 1)).reshape(*[prod(shape)] * 2, -1)
        # The bilinear form behind y = B(x, x), and by Wick's theorem the mean of y^2 for normal x.
        alone = sums.diagonal().T / 4
        form = (sums - alone[:, None] - alone) / 2
        total += variance * float((form.diagonal().sum(-1) ** 2 + 2 * (form**2).sum((0, 1))).mean())
    assert total == pytest.approx(1, rel=1e-9)
