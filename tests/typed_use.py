"""What users write, as type checkers see it: ``mypy`` reads this file, and ``tests/test_editor.py`` runs it.

Lines that a type checker must refuse say which error they expect; mypy complains where that error is not there.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, assert_type

import torch

import eqsynth as eq
from eqsynth.diagrams.diagram import MatrixMap, Orbit, Parts
from eqsynth.layers.compiling import Compiled


def layers_give_tensors() -> None:
    """A tensor or several: both can be written down without a cast."""
    layer = eq.Linear("S(n)", "3x2 + 2x1", "2x1", bias=False)
    y = layer((torch.randn(4, 5, 5, 3), torch.randn(4, 5, 2)))
    assert_type(y, torch.Tensor | Any)
    assert y.shape == (4, 5, 2)
    matrix, vector = eq.Linear("S(n)", "2x1", "1x2 + 1x1").prepare()(torch.randn(5, 2))
    assert (matrix.shape, vector.shape) == ((5, 5, 1), (5, 1))
    product = eq.TensorProduct("O(3)", "2x1", "2x1", "1x0", mode="paired")
    assert_type(product(torch.randn(3, 2), torch.randn(3, 2)), torch.Tensor | Any)
    assert_type(layer.weight_shapes, dict[str, tuple[int, ...]])
    constant = eq.Linear("S(n)", "1x0", "1x1")
    assert constant(torch.randn(1), n=4).shape == constant(torch.randn(1), 4).shape == (4, 1)


def networks_give_tensors() -> None:
    """Modules of eq.nn, and what is made of them."""
    net = eq.nn.MLP("O(3)", ["2x1", "2x1 + 2x0", "1x1 + 1x0"])
    vector, number = net(torch.randn(5, 3, 2))
    assert (vector.shape, number.shape) == ((5, 3, 1), (5, 1))
    whole = eq.nn.Sequential(
        eq.Linear("S(n)", "2x1", "4x1"), eq.nn.Activation("S(n)", "4x1"), eq.nn.Pool("S(n)", "4x1")
    )
    assert_type(whole(torch.randn(5, 2)), torch.Tensor | Any)
    whole(torch.randn(5, 2)).sum().backward()
    assert_type(eq.nn.prepare(whole), eq.nn.Sequential)
    eq.testing.assert_equivariant(net)
    assert_type(eq.compile(whole), Compiled)


def bases_have_formulas() -> None:
    """Elements of every kind of basis."""
    basis = eq.basis("S(n)", 2, 2)
    assert_type(basis[14], eq.Diagram | Orbit | MatrixMap | Parts)
    assert basis[14].formula() == "y[a,b] += x[b,a]"
    assert [one.formula() for one in basis[:2]] == basis.formulas()[:2]
    for group in ("C(5)", "Matrix([[0,1],[-1,0]]; )"):
        assert all(one.formula() for one in eq.basis(group, 1, 1))
    assert eq.basis("S(n) x O(3)", (1, 1), (0, 0)).formulas() == []
    assert str(basis.map(0) >> basis.map(0).T)
    assert str(eq.symbolic.weingarten("O(n)", 2, 2)[0, 0]).endswith("(n (n - 1) (n + 2))")
    assert_type(eq.Group("S", 5), eq.Group)


def misspelt() -> list[Callable[[], object]]:
    """Calls that no type checker lets pass, and Python neither."""
    layer = eq.Linear("S(n)", 1, 1)
    return [
        lambda: eq.Linear("S(n)", 1, 1, biass=False),  # type: ignore[call-arg]
        lambda: eq.Linear("S(n)", 1),  # type: ignore[call-arg]
        lambda: eq.Linear(3, 1, 1),  # type: ignore[arg-type]
        lambda: eq.TensorProduct("O(3)", 1, 1, 0, modus="full"),  # type: ignore[call-arg]
        lambda: eq.Power("O(3)", 1, 2, 0, norm="mean"),  # type: ignore[call-arg]
        lambda: eq.PolynomialLayer("O(3)", 1, degre=2, space_out=0),  # type: ignore[call-arg]
        lambda: eq.basis("S(n)", 1, 1, chose="standard"),  # type: ignore[call-arg]
        lambda: eq.Group("S", m=5),  # type: ignore[call-arg]
        lambda: eq.MatrixGroup(generator=[[[1]]]),  # type: ignore[call-arg]
        lambda: eq.nn.MLP("O(3)", ["4x1", "1x0"], activaton="relu"),  # type: ignore[call-arg]
        lambda: eq.nn.LayerNorm("S(n)", "4x1", epsilon=1e-3),  # type: ignore[call-arg]
        lambda: eq.symbolic.gram("S(n)", input=1, outputs=1),  # type: ignore[call-arg]
        lambda: eq.export(layer, Path("unwritten.py"), forced=True),  # type: ignore[call-arg]
        lambda: layer(torch.randn(5, 1), weight={}),  # type: ignore[arg-type]
        lambda: layer.basis[0, 0][0].matrices(n=3),  # type: ignore[union-attr]
        lambda: layer(torch.randn(5, 1)).shpae,  # type: ignore[union-attr]
    ]
