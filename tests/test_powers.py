"""Powers of high degree: as many maps as characters count, right values, and what is too much."""

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from itertools import permutations, product

import pytest
import torch

import eqsynth as eq
from eqsynth.families.hom import ProductHom, parse_problem
from eqsynth.plans import powers, products
from eqsynth.plans.powers import check_powers, power_maps


def maps_of(group, space, degree, out):
    problem = ProductHom.parse(group, [f"1x{space}"], f"1x{out}", "paired", (degree,))
    return problem, products.maps(problem, 0, 0)


def weights(space):
    """How often each weight of a rotation about an axis stands in a space of tensors on R^3."""
    vector = [-1, 0, 1]
    pairs = [(a, b) for i, a in enumerate(vector) for b in (vector[i:] if space == "S2" else vector)]
    return Counter({"0": [0], "1": vector}.get(space) or [a + b for a, b in pairs])


def invariants(listed):
    """How many invariants of SO(3) there are: parts of degree 0 begin at weight 0, and have no weight 1."""
    return listed[0] - listed[1]


def test_numbers_of_maps_of_rotations_follow_from_weights():
    for space, degree, out in [("1", 4, "2"), ("2", 3, "2"), ("2", 4, "1"), ("2", 4, "2"), ("S2", 4, "S2")]:
        # The symmetric power, weight by weight: a weight stands any number of times in a product.
        power = Counter({(0, 0): 1})
        for weight in weights(space).elements():
            power = Counter(
                {
                    (total, used): sum(power[total - times * weight, used - times] for times in range(used + 1))
                    for total in range(-10, 11)
                    for used in range(degree + 1)
                }
            )
        listed = Counter()
        for (total, used), times in power.items():
            for weight, more in weights(out).items() if used == degree else ():
                listed[total + weight] += times * more
        axes = degree * (2 if space in ("2", "S2") else 1) + (2 if out in ("2", "S2") else int(out))
        expected = invariants(listed)
        assert len(maps_of("SO(3)", space, degree, out)[1]) == expected, (space, out)
        assert len(maps_of("O(3)", space, degree, out)[1]) == (0 if axes % 2 else expected), (space, out)


def traces(space, fixed):
    """The character at g^j of a space, from the traces of the powers of g."""
    square = fixed[1] ** 2
    return {"0": 1, "1": fixed[1], "2": square, "S2": Fraction(square + fixed[2], 2)}[space]


def complete(values):
    """The complete symmetric function of the degree that there are power sums for: m h_m = sum of p_i h_(m-i)."""
    h = [Fraction(1)]
    for m in range(1, len(values) + 1):
        h.append(sum(values[i - 1] * h[m - i] for i in range(1, m + 1)) / m)
    return h[-1]


def test_numbers_of_maps_of_permutations_are_means_of_characters():
    n = 3
    elements = list(permutations(range(n)))

    def trace(images, power):
        at = range(n)
        for _ in range(power):
            at = [images[point] for point in at]
        return sum(point == start for start, point in enumerate(at))

    for space, degree, out in [("2", 3, "2"), ("2", 4, "0"), ("S2", 4, "0")]:
        mean = sum(
            complete([traces(space, [n, trace(g, j), trace(g, 2 * j)]) for j in range(1, degree + 1)])
            * traces(out, [n, trace(g, 1), trace(g, 2)])
            for g in elements
        ) / len(elements)
        assert len(maps_of(f"S({n})", space, degree, out)[1]) == mean, (space, degree, out)


def test_powers_of_a_matrix_are_what_traces_say():
    torch.manual_seed(0)
    layer = eq.Power("O(3)", "1xS2", 4, "1x0 + 1xS2", bias=False, dtype=torch.float64)
    x = torch.randn(40, 3, 3, dtype=torch.float64)
    x = x + x.mT
    x.requires_grad_()
    values, matrices = layer(x.unsqueeze(-1))
    t1, t2, t3 = (torch.linalg.matrix_power(x, k).diagonal(dim1=-2, dim2=-1).sum(-1) for k in (1, 2, 3))
    invariants = torch.stack([t1**4, t1**2 * t2, t2**2, t1 * t3], -1)
    weights = torch.linalg.lstsq(invariants.detach(), values.detach()).solution
    by_traces = invariants @ weights
    torch.testing.assert_close(values, by_traces)
    ours, theirs = (torch.autograd.grad(y.sum(), x, retain_graph=True)[0] for y in (values, by_traces))
    torch.testing.assert_close(ours + ours.mT, theirs + theirs.mT)
    # Cayley-Hamilton: X^3 and X^4 are combinations of I, X and X^2.
    eye = torch.eye(3, dtype=x.dtype).expand_as(x)
    cubes = torch.stack([t1**3, t1 * t2, t3], -1)
    squares = torch.stack([t1**2, t2], -1)
    covariants = torch.cat(
        [
            numbers[..., None, None] * power[:, None]
            for numbers, power in ((invariants, eye), (cubes, x), (squares, x @ x))
        ],
        1,
    ).movedim(1, -1)
    flat = covariants.detach().reshape(-1, 9)
    assert torch.linalg.matrix_rank(flat) == len(layer.basis[0, 0, 0, 0, 1]) == 9
    fitted = flat @ torch.linalg.lstsq(flat, matrices.detach().reshape(-1, 1)).solution
    torch.testing.assert_close(fitted, matrices.detach().reshape(-1, 1))


@pytest.mark.parametrize(
    "text",
    [
        "O(3): powers 3 of 1x2 -> 1xA2",
        "SO(3): powers 3 of 1xS2 + 1x1 -> 1x1",
        "Sp(4): powers 3 of 1xA2 -> 1x2",
        "O(2): powers 3 of 1xA2 + 1x1.det -> 1xA2 + 1x0.det",
        "S(n): powers 2 of 1xA2 -> 1xS2",
        "B(3): powers 3 of 1xS2 -> 1x1",
        "H(2): powers 3 of 1xA2 -> 1xA2",
        "SO(1,2): powers 2 of 1x2 -> 1x1",
    ],
)
def test_patterns_say_what_a_list_of_all_diagrams_says(monkeypatch, text):
    problem = parse_problem(text)
    for number, out in product(range(len(problem.terms)), range(len(problem.space_out))):
        listed = products.maps.__wrapped__(problem, number, out)
        assert listed.certificate.independence not in powers.ARGUMENTS
        monkeypatch.setattr(powers, "FEW", 0)
        by_patterns = power_maps(problem, number, out)
        monkeypatch.undo()
        assert by_patterns is None or len(by_patterns) == len(listed)
        assert by_patterns is None or not check_powers(by_patterns, problem, number)


def test_maps_that_are_wrong_are_told():
    problem, maps = maps_of("O(3)", "S2", 4, "S2")
    assert check_powers(maps, problem, 0) == ""
    assert "rank 8" in check_powers(replace(maps, diagrams=(*maps.diagrams[:8], maps[7])), problem, 0)
    assert "dimension is 9" in check_powers(replace(maps, diagrams=maps.diagrams[:8]), problem, 0)
    assert "all orders" in check_powers(replace(maps, turns=((((1, 0), -1),),) * 9), problem, 0)
    assert "8 -> S2: 9 maps, whose values" in str(eq.verify(problem))


def test_too_many_maps_are_refused_before_they_are_listed():
    with pytest.raises(eq.errors.SizeError, match=r"at least 4,832 maps 8 -> 2 of .* ask for a lower degree"):
        eq.Power("S(n)", "4x2", 4, "4x2")
