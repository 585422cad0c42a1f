"""eq.testing: it passes what commutes, and fails what does not, whatever is wrong."""

import numpy as np
import pytest
import torch
from torch import nn

import eqsynth as eq
from eqsynth.errors import EqsynthError, EquivarianceError, VerificationError
from eqsynth.families.representation import random_element

GROUPS = [
    *("S(n)", "S(4)", "A(4)", "Aut(petersen)", "O(n)", "O(3)", "SO(3)", "Sp(n)", "H(3)"),
    *("Perm(4: 1 2 3 0)", "Matrix([[0,1],[-1,0]]; )"),
]


class Wrong(nn.Module):
    """Does something to entry 0 of the last axis of positions."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        first = torch.zeros_like(x)
        first[..., 0, :] = 1
        if self.kind == "weight":
            return x * (1 + 0.01 * first)
        if self.kind == "bias":
            return x + self.bias * first
        if self.kind == "nan":
            return x / (1 - first)
        return x.sort(-2).values if self.kind == "sort" else x.cumsum(-2)


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("kind", ["weight", "bias", "sort", "cumsum", "nan"])
def test_wrong_modules_fail(group, order, kind):
    message = r"Wrong gives values in output 0.* not finite" if kind == "nan" else "Wrong is not equivariant under"
    with pytest.raises(EquivarianceError, match=message):
        eq.testing.assert_equivariant(Wrong(kind), group, f"2x{order}", f"2x{order}", trials=6)


@pytest.mark.parametrize("group", GROUPS)
def test_right_modules_pass(group):
    eq.testing.assert_equivariant(eq.Linear(group, "2x1 + 1x0", "3x2 + 2x1"))
    eq.testing.assert_equivariant(nn.Linear(2, 2, bias=False), group, "2x1", "2x1")
    eq.testing.assert_equivariant(lambda x: 2 * x, group, "2x2", "2x2")


def test_a_bias_that_starts_at_zero_is_tried():
    eq.testing.assert_equivariant(Wrong("bias"), "S(4)", "2x1", "2x1", perturb=0.0)
    eq.testing.assert_equivariant(Wrong("bias"), "S(4)", "2x1", "2x1", trials=1)
    with pytest.raises(EquivarianceError):
        eq.testing.assert_equivariant(Wrong("bias"), "S(4)", "2x1", "2x1", trials=6)


def test_the_message_has_the_worst_entry():
    def wrong(x):
        y = x.clone()
        y[:, 1, 0] += 100
        return y

    with pytest.raises(EquivarianceError) as failed:
        eq.testing.assert_equivariant(wrong, "S(n)", "2x1", "2x1", n=3)
    message = str(failed.value)
    for part in (
        "wrong is not",
        "S(n) at n = 3",
        "output 0",
        ", 0] of",
        "difference of 1.0e+02",
        "2x1 -> 2x1",
        "g = [[",
    ):
        assert part in message
    assert isinstance(failed.value, AssertionError)
    assert isinstance(failed.value, VerificationError)


def test_wrong_shapes_fail():
    with pytest.raises(EquivarianceError, match=r"gives tensors of shapes \[\(4, 2\)\].*n = 3.*\[\(4, 3, 2\)\]"):
        eq.testing.assert_equivariant(lambda x: x.sum(-2), "S(n)", "2x1", "2x1", n=3)


def test_what_must_be_said():
    with pytest.raises(EqsynthError, match="what is the group of Linear"):
        eq.testing.assert_equivariant(nn.Linear(2, 2))
    with pytest.raises(EqsynthError, match=r"letters \['n'\]"):
        eq.testing.assert_equivariant(torch.relu, "S(n)", "2x1", "2x1", n={"m": 3})
    with pytest.raises(EqsynthError, match="none"):
        eq.testing.assert_equivariant(torch.relu, "S(3)", "2x1", "2x1", n={"m": 3})


def test_sizes_of_letters():
    seen = []

    def note(x):
        seen.append(tuple(x.shape[1:-1]))
        return x

    eq.testing.assert_equivariant(note, "S(n) x Sp(m)", "2x(1,1)", "2x(1,1)", trials=1)
    assert set(seen) == {(4, 2), (4, 6), (4, 4)}
    seen.clear()
    eq.testing.assert_equivariant(note, "S(n) x Sp(m)", "2x(1,1)", "2x(1,1)", n={"n": 3, "m": 2})
    assert set(seen) == {(3, 2)}
    seen.clear()
    eq.testing.assert_equivariant(note, "S(n)", "2x1", "2x1")
    assert len(set(seen)) >= 3


def test_the_module_is_left_alone():
    norm = eq.nn.BatchNorm("S(n)", "2x1")
    before = {name: value.clone() for name, value in norm.state_dict().items()}
    torch.manual_seed(7)
    wanted = torch.rand(3)
    torch.manual_seed(7)
    eq.testing.assert_equivariant(norm)
    assert torch.equal(torch.rand(3), wanted)
    assert all(torch.equal(value, before[name]) for name, value in norm.state_dict().items())
    assert next(norm.parameters()).dtype == torch.float32


@pytest.mark.parametrize(
    ("group", "count"),
    [
        (eq.PermutationGroup([[1, 2, 3, 0]]), 4),
        (eq.PermutationGroup([[1, 0, 2], [0, 2, 1]]), 6),
        (eq.Aut("cycle5"), 10),
        (eq.MatrixGroup([[[0, -1], [1, 0]]]), 4),
        (eq.MatrixGroup([[[-1]]]), 2),
        (eq.PermutationGroup([], 3), 1),
    ],
    ids=str,
)
def test_random_elements_reach_the_whole_group(group, count):
    """A fixed number of random moves would be one of even moves only, or none at all."""
    rng = np.random.default_rng(0)
    assert len({(random_element(group, rng) + 0.0).tobytes() for _ in range(300)}) == count


def test_float32():
    eq.testing.assert_equivariant(eq.nn.MLP("O(3)", ["2x1", "4x1 + 4x0", "1x1"]), dtype=torch.float32)
    with pytest.raises(EquivarianceError):
        eq.testing.assert_equivariant(Wrong("weight"), "S(3)", "2x1", "2x1", dtype=torch.float32)
    eq.testing.assert_equivariant(Wrong("weight"), "S(3)", "2x1", "2x1", dtype=torch.float32, tolerance=1.0)
