"""Weights that are passed to layers: the same as a layer with these weights, for all samples or for each."""

import copy
import pickle

import pytest
import torch
from torch.func import functional_call
from torch.utils._pytree import tree_leaves, tree_map

import eqsynth as eq
from eqsynth.errors import EqsynthError, ShapeError

KINDS = {
    "Linear": eq.Linear,
    "TensorProduct": eq.TensorProduct,
    "Power": eq.Power,
    "PolynomialLayer": eq.PolynomialLayer,
}
#: A kind of layer for each kind of plan, its arguments, the shapes of its inputs and the sizes that it asks for.
CASES = [
    ("Linear", ("S(n)", "2x2 + 3x1", "2x1 + 1x2"), {}, ((4, 4, 2), (4, 3)), ()),
    ("Linear", ("S(n)", "2x0", "3x2"), {}, ((2,),), (3,)),
    ("Linear", ("S(n)", "1x3", "2x3"), {"method": "fourier"}, ((4, 4, 4, 1),), ()),
    ("Linear", ("O(3)", "1x4", "2x4"), {"method": "irreps"}, ((3, 3, 3, 3, 1),), ()),
    ("Linear", ("SO(3)", "2x2", "1x3"), {}, ((3, 3, 2),), ()),
    ("Linear", ("Perm(4: 1 2 3 0)", "2x1", "3x2"), {}, ((4, 2),), ()),
    ("Linear", ("S(3) wr S(n)", "2x1", "3x1"), {}, ((6, 2),), ()),
    ("Linear", ("Aut(petersen)", "2x1", "3x1"), {}, ((10, 2),), ()),
    ("Linear", ("U(3)", "2x(1,1)", "1x(1,1)"), {}, ((3, 3, 2),), ()),
    ("Linear", ("O(3)", "2xS2", "1xS2"), {}, ((3, 3, 2),), ()),
    ("TensorProduct", ("O(3)", "2x1", "3x1", "2x2"), {}, ((3, 2), (3, 3)), ()),
    ("TensorProduct", ("S(n)", "2x1", "2x1", "3x1"), {"mode": "paired"}, ((4, 2), (4, 2)), ()),
    ("Power", ("S(n)", "2x1", 2, "3x1"), {}, ((4, 2),), ()),
    ("PolynomialLayer", ("O(3)", "2x1", 2, "1x2 + 1x1"), {}, ((3, 2),), ()),
]


def case(kind, arguments, options, shapes, sizes, batch=(3, 2)):
    """A layer without weights, one with them, and the arguments of a call, all double."""
    dtype = torch.complex128 if arguments[0] == "U(3)" else torch.float64
    external, own = (
        KINDS[kind](*arguments, dtype=dtype, weights=weights, **options) for weights in ("external", "own")
    )
    inputs = tuple(torch.randn(*batch, *shape, dtype=dtype) for shape in shapes)
    return external, own, ((inputs,) if kind == "Linear" and len(shapes) > 1 else inputs, sizes)


def drawn(layer, batch=()):
    """Weights for a layer, with batch axes."""
    dtype = torch.complex128 if layer.problem.group.over_complex else torch.float64
    return {name: torch.randn(*batch, *shape, dtype=dtype) for name, shape in layer.weight_shapes.items()}


@pytest.mark.parametrize("parts", CASES, ids=str)
def test_the_same_as_layers_with_these_weights(parts):
    external, own, (inputs, sizes) = case(*parts)
    assert not external.state_dict()
    assert external.weight_shapes == {name: tuple(value.shape) for name, value in own.named_parameters()}
    shared = drawn(external)
    wanted = functional_call(own, shared, (*inputs, *sizes))
    for layer in (external, own):
        results = layer(*inputs, *sizes, weights=shared)
        assert all(map(torch.equal, tree_leaves(results), tree_leaves(wanted)))
    for batch in ((3,), (3, 2)):
        weights = drawn(external, batch)
        results = external(*inputs, *sizes, weights=weights)
        for place in ((0,), (2,)) if len(batch) == 1 else ((0, 1), (2, 0)):
            values, xs = ({name: w[place] for name, w in weights.items()}, tree_map(lambda x, at=place: x[at], inputs))
            torch.testing.assert_close(
                tree_map(lambda y, at=place: y[at], results), functional_call(own, values, (*xs, *sizes))
            )
    none = external(*tree_map(lambda x: x[:0], inputs), *sizes, weights=drawn(external, (0,)))
    assert [y.shape for y in tree_leaves(none)] == [(0, *y.shape[1:]) for y in tree_leaves(results)]


@pytest.mark.parametrize("number", [0, 3, 8, 10], ids=lambda number: str(CASES[number][1]))
def test_gradients(number):
    external, _, (inputs, sizes) = case(*CASES[number], batch=(2,))
    weights = drawn(external, (2,))
    inputs = tree_map(torch.Tensor.requires_grad_, inputs)
    leaves = [value.requires_grad_() for value in weights.values()]

    def function(*values):
        return tuple(tree_leaves(external(*inputs, *sizes, weights=dict(zip(weights, values, strict=True)))))

    assert torch.autograd.gradcheck(function, leaves, fast_mode=True)
    x = torch.autograd.grad(sum(y.abs().sum() for y in function(*leaves)), tree_leaves(inputs))
    assert all(value.abs().sum() > 0 for value in x)


def test_a_network_of_distances():
    layer = eq.Linear("O(3)", "4x1 + 2x3", "4x1", weights="external", bias=False)
    sizes = [torch.Size(shape).numel() for shape in layer.weight_shapes.values()]
    radial = torch.nn.Linear(1, sum(sizes))
    x, distances = (torch.randn(7, 3, 4), torch.randn(7, 3, 3, 3, 2)), torch.rand(7, 1)
    parts = radial(distances).split(sizes, -1)
    weights = tuple(w.unflatten(-1, s) for w, s in zip(parts, layer.weight_shapes.values(), strict=True))
    y = layer(x, weights=weights)
    y.sum().backward()
    assert radial.weight.grad.abs().sum() > 0
    torch.testing.assert_close(layer(x, weights=dict(zip(layer.weight_shapes, weights, strict=True))), y)


def test_channels_that_do_not_mix_are_batch_axes():
    """Weights (edges, channels, maps, 1, 1): each channel its own, as e3nn's uvu; much less than full matrices."""
    layer = eq.TensorProduct("O(3)", "1x1", "1x1", "1x2", bias=False, weights="external")
    ((maps, *_),) = layer.weight_shapes.values()
    x, r, w = torch.randn(7, 4, 3), torch.randn(7, 3), torch.randn(7, 4, maps)
    y = layer(x[..., None], r[:, None, :, None].expand(7, 4, 3, 1), weights=w[..., None, None, None])
    one = layer(x[2, 1, :, None], r[2, :, None], weights=w[2, 1, :, None, None, None])
    torch.testing.assert_close(y[2, 1], one)


def test_own_weights_stand_for_those_that_are_not_passed():
    layer = eq.Linear("S(n)", "2x1", "3x1")
    torch.nn.init.normal_(layer.bias)
    x, w = torch.randn(5, 4, 2), torch.randn(5, *layer.weight_shapes["weight"])
    wanted = layer(x, weights={"weight": w, "bias": layer.bias})
    assert torch.equal(layer(x, weights=w), wanted)
    wanted.sum().backward()
    assert layer.bias.grad is not None
    assert layer.weight.grad is None


def test_emitted_files_take_weights_through_torch():
    layer = eq.Linear("O(3)", "2x2", "3x2", weights="external")
    namespace = {}
    exec(layer.source, namespace)
    file = namespace["EquivariantLinear"]()
    x, w = torch.randn(5, 3, 3, 2), {name: torch.randn(5, *shape) for name, shape in layer.weight_shapes.items()}
    each = torch.func.vmap(lambda w, x: functional_call(file, w, (x,)))
    torch.testing.assert_close(each(w, x), layer(x, weights=w))


def test_compiled_and_exported():
    layer = eq.Linear("S(n)", "2x1", "3x1", weights="external")
    x, w = torch.randn(5, 4, 2), {name: torch.randn(*shape) for name, shape in layer.weight_shapes.items()}
    each = {name: value.expand(5, *value.shape) for name, value in w.items()}
    compiled = torch.compile(layer, backend="eager", fullgraph=True)
    for weights in (w, each):
        torch.testing.assert_close(compiled(x, weights=weights), layer(x, weights=weights))
    program = torch.export.export(layer, (x,), {"weights": w}).module()
    torch.testing.assert_close(program(x, weights=w), layer(x, weights=w))


def test_layers_without_weights_are_moved_copied_and_saved():
    layer = eq.Linear("O(3)", "2x4", "3x4", weights="external")
    double = copy.deepcopy(layer).double()
    exact = eq.Linear("O(3)", "2x4", "3x4", weights="external", dtype=torch.float64)
    assert [*double._buffers]
    assert all(torch.equal(double._buffers[name], exact._buffers[name]) for name in exact._buffers)
    x, w = torch.randn(2, 3, 3, 3, 3, 2), {name: torch.randn(shape) for name, shape in layer.weight_shapes.items()}
    again = pickle.loads(pickle.dumps(layer))
    again.load_state_dict({})
    again.reset_parameters()
    assert torch.equal(again(x, weights=w), layer(x, weights=w))
    assert "weights='external'" in repr(again)
    with pytest.raises(RuntimeError, match="Unexpected"):
        layer.load_state_dict({"weight": torch.ones(1)})


def test_errors():
    layer, own = (eq.Linear("S(3)", "2x1", "3x1", weights=weights) for weights in ("external", "own"))
    x, w, b = torch.randn(5, 3, 2), torch.randn(2, 3, 2), torch.randn(1, 3)
    for weights, message in (
        (None, "no weights of its own: pass them"),
        (w, "bias is missing"),
        ((w, b, b), "3 weights are passed"),
        ("w", "is no tensor"),
        ((w.double(), b.double()), r"weights passed to this Linear are torch.float64: .* w.to\(torch.float32\)"),
        ({"weight": w, "bias": b, "other": b}, "no weight 'other'"),
        (
            {"weight": w[..., :1], "bias": b},
            r"weight has shape \(2, 3, 1\), expected a tensor of shape \(\*batch, 2, 3",
        ),
        ({"weight": 1.0, "bias": b}, "weight has type float"),
        ({"weight": w.expand(4, 2, 3, 2), "bias": b}, r"batch axes \(4,\), but an input has shape \(5, 3, 2\)"),
        ({"weight": w.expand(5, 2, 3, 2), "bias": b.expand(4, 1, 3)}, r"bias has batch axes \(4,\), but others"),
        ({"weight": w, "bias": b.double()}, "convert"),
    ):
        with pytest.raises(ShapeError, match=message):
            layer(x, weights=weights)
    with pytest.raises(ShapeError, match="convert"):
        own(x, weights=w.double())
    with pytest.raises(EqsynthError, match="weights='mine' is not known"):
        eq.Linear("S(3)", "2x1", "3x1", weights="mine")
