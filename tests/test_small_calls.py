"""Small calls: a layer asks torch for no more operators, views included, than the same layer written by hand."""

import pytest
import torch
from torch.nn.functional import linear
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

import eqsynth as eq
from oracle import randomise


class Operators(TorchDispatchMode):
    """Lists the operators that reach the dispatcher."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        self.names.append(str(operator))
        return operator(*args, **(kwargs or {}))


def handed_on(y):
    """What was changed in place, as a view of its own: with hooks on the former, as fully_shard puts, torch crashes."""
    return y.view_as(y)


def vector_to_vector_of_permutations(layer, x):
    by_sum, by_entry = layer.weight.unbind()
    y = linear(x, by_entry, layer.bias[0])
    y += linear(x.sum(1) * x.shape[1] ** -0.5, by_sum).unsqueeze(1)
    return handed_on(y)


def matrix_to_vector_of_permutations(layer, x):
    wide, scale = x.shape[-1], x.shape[1] ** -0.5
    weights = layer.weight.transpose(0, 1).reshape(-1, 5 * wide)
    by_number, by_vector = weights.split((2 * wide, 3 * wide), 1)
    diagonal = x.diagonal(0, 1, 2).transpose(1, 2)
    rows, columns = x.sum(2) * scale, x.sum(1) * scale
    numbers = torch.cat((diagonal.sum(1) * scale, columns.sum(1) * scale), -1)
    y = linear(torch.cat((diagonal, rows, columns), -1), by_vector, layer.bias[0])
    y += linear(numbers, by_number).unsqueeze(1)
    return handed_on(y)


def vector_to_vector_of_rotations(layer, x):
    return linear(x, layer.weight[0])


def matrix_to_matrix_of_rotations(layer, x):
    """The trace is not added in place: with one x and many biases, under vmap, there would be no place for the sum."""
    wide, scale = x.shape[-1], 3**-0.5
    weights = layer.weight.transpose(0, 1).reshape(-1, 3 * wide)
    by_trace, by_matrix = weights.split((wide, 2 * wide), 1)
    trace = linear(x.diagonal(0, 1, 2).sum(-1) * scale, by_trace, layer.bias[0])
    y = linear(torch.cat((x, x.transpose(1, 2)), -1), by_matrix)
    added = trace.unsqueeze(1).expand(-1, 3, -1)
    return y.flatten(1, 2).index_add(1, layer.places_0, added).unflatten(1, (3, 3))


BY_HAND = {
    ("S(n)", 1, 1): vector_to_vector_of_permutations,
    ("S(n)", 2, 1): matrix_to_vector_of_permutations,
    ("O(3)", 1, 1): vector_to_vector_of_rotations,
    ("O(3)", 2, 2): matrix_to_matrix_of_rotations,
}


@pytest.mark.parametrize("problem", BY_HAND, ids=str)
@pytest.mark.parametrize("gradients", [False, True], ids=["without gradients", "with gradients"])
def test_no_more_operators_than_by_hand(problem, gradients):
    group, inputs, outputs = problem
    layer = randomise(eq.Linear(group, f"4x{inputs}", f"5x{outputs}", method="diagrams", dtype=torch.float64))
    x = torch.randn(1, *[3] * inputs, 4, dtype=torch.float64)
    with torch.set_grad_enabled(gradients):
        with Operators() as ours:
            y = layer(x)
        with Operators() as theirs:
            expected = BY_HAND[problem](layer, x)
    assert_close(y, expected)
    assert len(ours.names) <= len(theirs.names), f"{ours.names}, by hand {theirs.names}"


@pytest.mark.parametrize("problem", BY_HAND, ids=str)
@pytest.mark.parametrize("batch", [(), (2, 3), (0,), (2, 0)], ids=str)
def test_batches_of_any_number_of_axes(problem, batch):
    group, inputs, outputs = problem
    layer = randomise(eq.Linear(group, f"4x{inputs}", f"5x{outputs}", method="diagrams", dtype=torch.float64))
    x = torch.randn(*batch, *[3] * inputs, 4, dtype=torch.float64)
    y = layer(x)
    assert y.shape == (*batch, *[3] * outputs, 5)
    assert_close(y.flatten(0, len(batch) - 1) if batch else y[None], layer(x.reshape(-1, *[3] * inputs, 4)))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("problem", BY_HAND, ids=str)
def test_a_trace_refuses_another_number_of_batch_axes(problem):
    """A trace keeps no branches: one of tensors that are not folded would take a batch axis for an axis of theirs."""
    group, inputs, outputs = problem
    layer = eq.Linear(group, f"4x{inputs}", f"4x{outputs}", method="diagrams")
    x = torch.randn(3, 3, *[3] * inputs, 4)
    traced = torch.jit.trace(layer, x[0])
    assert_close(traced(x[1]), layer(x[1]))
    with pytest.raises(RuntimeError, match="shape"):
        traced(x)
