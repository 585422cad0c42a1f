"""Against e3nn itself: coordinates, linear layers from the same weights, symmetric tensors, products of irreps.

Not part of the default suite, since it needs e3nn: ``pip install .[bench]``.

usage: python -m pytest tests/against_e3nn.py
"""

import warnings
from itertools import product

import pytest
import torch

import eqsynth as eq
from eqsynth.bases.couplings import Coupling
from eqsynth.families.irreps import MAX_DEGREE, coordinates
from eqsynth.nn.points import harmonics, raising
from eqsynth.spaces.space import Irrep


@pytest.fixture
def o3():
    """What e3nn calls so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from e3nn import o3
    return o3


LAYERS = [
    ("16x1o + 8x0e + 4x2e + 3x1o", "5x1o + 2x2e + 4x0e + 3x0o + 2x2e", False),
    ("2x1o", "3x1o", False),
    ("3x0e + 2x1e + 1x0e", "4x0e + 2x1e", True),
    ("3x0o + 2x4e + 5x4e", "2x0o + 7x4e", False),
]


@pytest.mark.parametrize("degree", range(MAX_DEGREE + 1))
def test_coordinates_are_spherical_harmonics(o3, degree) -> None:
    x = torch.randn(4, 3, dtype=torch.float64)
    power = torch.ones(4, 1, dtype=torch.float64)
    for _ in range(degree):
        power = (power[:, :, None] * x[:, None]).flatten(1)
    ours = power @ torch.from_numpy(coordinates(Irrep.of_degree(degree))).T
    theirs = o3.spherical_harmonics(degree, x, normalize=False)
    assert torch.allclose(ours / ours.norm(dim=1, keepdim=True), theirs / theirs.norm(dim=1, keepdim=True))


def test_powers_of_directions_in_messages_are_spherical_harmonics(o3) -> None:
    x = torch.nn.functional.normalize(torch.randn(4, 3, dtype=torch.float64))
    for degree, ours in enumerate(harmonics(3**0.5 * x, raising(MAX_DEGREE))):
        theirs = o3.spherical_harmonics(degree, x, normalize=False, normalization="component")
        assert torch.allclose(ours.reshape(4, -1), theirs)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("normalization", ["element", "path"])
@pytest.mark.parametrize(("irreps_in", "irreps_out", "biases"), LAYERS)
def test_layers_give_the_same_numbers(o3, irreps_in, irreps_out, biases, normalization) -> None:
    theirs = o3.Linear(irreps_in, irreps_out, biases=biases, path_normalization=normalization).double()
    if biases:
        torch.nn.init.normal_(theirs.bias)
    layer = eq.Linear("O(3)", irreps_in, irreps_out, bias=biases, dtype=torch.float64)
    names = irreps_in, irreps_out, normalization
    layer.load_state_dict(eq.from_e3nn(theirs.state_dict(), *names, biases=biases))
    assert sum(p.numel() for name, p in layer.named_parameters() if "weight" in name) == theirs.weight_numel
    x = torch.randn(6, 2, theirs.irreps_in.dim, dtype=torch.float64)
    y = eq.join_irreps(layer(eq.split_irreps(x, irreps_in)), irreps_out)
    assert torch.allclose(y, theirs(x))
    back = eq.to_e3nn(layer.state_dict(), *names, biases=biases)
    assert all(torch.allclose(back[name], value) for name, value in theirs.state_dict().items())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("equations", ["ij=ji", "ij=-ji", "ijk=ikj", "ijkl=jikl=klij", "ijk=jki"])
def test_symmetric_tensors_are_the_same_and_consist_of_the_same(o3, equations) -> None:
    theirs = o3.ReducedTensorProducts(equations, **dict.fromkeys(equations.partition("=")[0], "1o"))
    order = f"[{equations}]"
    irreps = eq.irreps("O(3)", order)
    assert {str(one): times for times, one in theirs.irreps_out.simplify()} == dict(irreps)
    # Their change of basis has orthonormal rows, which span the tensors that ours does, irrep by irrep.
    axes = equations.index("=")
    rows = theirs.change_of_basis.double().reshape(-1, 3**axes)
    start = 0
    for times, one in theirs.irreps_out.simplify():
        stop = start + times * one.dim
        layer = eq.Linear("O(3)", f"1x{one}", f"{times}x{order}", bias=False, dtype=torch.float64)
        x = torch.eye(one.dim, dtype=torch.float64)[..., None]
        span = layer(x).detach().reshape(one.dim, 3**axes, times).transpose(1, 2).flatten(0, 1)
        part = rows[start:stop]
        assert torch.linalg.matrix_rank(span) == stop - start
        assert torch.allclose(span @ part.T @ part, span, atol=1e-6)
        start = stop


@pytest.mark.parametrize("most", [4, 11])
def test_couplings_are_multiples_of_wigner_3j(o3, most) -> None:
    """All that there are up to degree 4, and some of high degree: one factor, and one sign, for each three degrees."""
    degrees = list(product(range(5), repeat=3)) if most == 4 else [(11, 11, 11), (11, 10, 6), (9, 8, 4), (7, 5, 11)]
    for left, right, out in degrees:
        if not abs(left - right) <= out <= left + right:
            continue
        ours = torch.from_numpy(Coupling(left, right, out).table()).permute(1, 2, 0)
        theirs = o3.wigner_3j(left, right, out, dtype=torch.float64)
        factor = (ours * theirs).sum()
        assert abs(factor) ** 2 == pytest.approx(float(ours.square().sum()))
        assert torch.allclose(ours, factor * theirs, atol=1e-7)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("left", "right"), [("1o", "1o"), ("1o", "2e"), ("2e", "2e"), ("3o", "2e"), ("4e", "4e"), ("4o", "3o")]
)
def test_products_are_those_of_clebsch_and_gordan(o3, left, right) -> None:
    theirs = o3.FullTensorProduct(f"1x{left}", f"1x{right}")
    outputs = " + ".join(f"1x{one}" for _, one in theirs.irreps_out)
    ours = eq.TensorProduct("O(3)", f"1x{left}", f"1x{right}", outputs, bias=False, dtype=torch.float64)
    assert set(ours.plan.dims.values()) == {1}
    u, v = (torch.randn(7, o3.Irrep(one).dim, dtype=torch.float64) for one in (left, right))
    y = ours(u[..., None], v[..., None])
    for mine, yours in zip(y, theirs.double()(u, v).split([one.dim for _, one in theirs.irreps_out], 1), strict=True):
        scale = mine.flatten() @ yours.flatten() / yours.square().sum()
        assert torch.allclose(mine[..., 0], scale * yours, atol=1e-6)
        assert abs(scale) > 1e-3
