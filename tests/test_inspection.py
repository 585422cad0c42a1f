"""``eq.inspect``: norms and shares of the diagrams of a layer."""

import numpy as np
import pytest
import torch

import eqsynth as eq
from eqsynth.errors import EqsynthError
from oracle import dense, inputs_for, randomise, shape, sizes_of


def mean_square(layer, n, term_out=0):
    """The mean square of an output entry for inputs of variance 1, measured on unit inputs; and the bias alone."""
    sizes = sizes_of(layer, n)
    hom = layer.hom
    zeros = [torch.zeros_like(x[:1, 0]) for x in inputs_for(layer, n, batch=(1, 1))]
    constant = dense(layer, zeros, n)[term_out].detach()
    total = (constant**2).sum()
    for term, (channels, order) in enumerate(hom.space_in):
        entries = int(np.prod(shape(order, sizes), dtype=int)) * channels
        units = torch.eye(entries, dtype=torch.float64).reshape(entries, *zeros[term].shape[1:])
        batch = [units if other == term else x.expand(entries, *x.shape[1:]) for other, x in enumerate(zeros)]
        total = total + ((dense(layer, batch, n)[term_out].detach() - constant) ** 2).sum()
    return float(total / constant.numel())


@pytest.mark.parametrize("normalization", ["variance", "mean", "sum"])
@pytest.mark.parametrize(
    ("group", "space_in", "space_out", "n"),
    [("S(n)", "2x2 + 3x1", "2x1", 4), ("O(3)", "2x2", "2x2", 3), ("SO(3)", "2x2", "3x1", 3), ("O(3)", "2x1", "1x3", 3),
     ("A(3)", "1x1", "2x2", 3), ("Sp(4)", "1x2", "2x2", 4), ("Aut(path3)", "2x1", "2x1", 3),
     ("S(2) x O(2)", "2x(1,1)", "1x(1,1)", (2, 2))],
)  # fmt: skip
def test_the_variance_of_each_diagram_is_what_the_layer_gives_with_that_diagram_alone(
    group, space_in, space_out, n, normalization
):
    layer = eq.Linear(group, space_in, space_out, dtype=torch.float64, normalization=normalization)
    with torch.no_grad():
        randomise(layer)
        whole = {name: value.clone() for name, value in layer.named_parameters()}
        found = eq.inspect(layer, n if layer.hom.group.symbolic else None)
        for use in found.uses:
            name = use.name
            for other, value in layer.named_parameters():
                value.zero_()
                if other == name:
                    value[use.element] = whole[name][use.element]
            assert mean_square(layer, n) == pytest.approx(use.variance)
            assert use.norm == pytest.approx(float(whole[name][use.element].norm()))
    assert sum(use.share for use in found.uses) == pytest.approx(1)
    shares = [use.share for use in found.uses]
    assert shares == sorted(shares, reverse=True)


def test_several_outputs_have_shares_of_their_own():
    found = eq.inspect(eq.Linear("S(n)", "2x2", "2x1 + 1x0"))
    for term in (0, 1):
        assert sum(use.share for use in found.uses if use.term_out == term) == pytest.approx(1)
    assert {use.name for use in found.uses} == {"weight_0_0", "weight_0_1", "bias_0", "bias_1"}


def test_tables_show_what_is_used_and_are_cut():
    layer = eq.Linear("S(n)", 2, 2, bias=False)
    layer.weight.data.zero_()
    layer.weight.data[14] = 2.0
    found = eq.inspect(layer)
    assert len(found) == 15
    assert found[0].formula == "y[a,b] += x[b,a]"
    assert (found[0].element, found[0].share, found[0].norm) == (14, 1.0, 2.0)
    text = str(found)
    assert "weight[14]" in text
    assert "100.0%" in text
    assert "█" * 20 in text
    assert "14 more" in found.table(1)
    html = found._repr_html_()
    assert html.count("<svg") == 15
    assert html.count('<tr title="Transposes the input.">') == 1
    assert "y[a,b] += x[b,a]" in html


def test_constants_are_counted_apart_from_maps():
    for layer, counts in (
        (eq.Linear("S(n)", 2, 1), "5 maps and 1 constant,"),
        (eq.Linear("S(n)", 1, 2), "5 maps and 2 constants,"),
        (eq.Linear("O(3)", 1, 1), "1 map,"),
        (eq.Linear("S(n)", 2, 1, bias=False), "5 maps,"),
    ):
        assert f": {counts} most used first" in str(eq.inspect(layer))


def test_a_layer_of_zeros_is_no_division_by_zero():
    layer = eq.Linear("O(3)", 2, 2)
    for value in layer.parameters():
        value.data.zero_()
    assert all(use.share == 0 for use in eq.inspect(layer).uses)
    assert "0.0%" in str(eq.inspect(layer))


def grid(layer, sizes):
    """Inputs of one channel, and their weights, that integrate polynomials of degree 6 over normal inputs exactly."""
    shapes = [(*shape(order, sizes), channels) for channels, order in layer.problem.inputs]
    counts = [int(np.prod(of, dtype=int)) for of in shapes]
    points, weights = np.polynomial.hermite_e.hermegauss(4 if layer.problem.degrees else 2)
    many = np.meshgrid(*[points] * sum(counts), indexing="ij")
    values = torch.tensor(np.stack([axis.ravel() for axis in many], -1))
    share = np.prod(np.meshgrid(*[weights / weights.sum()] * sum(counts), indexing="ij"), axis=0).ravel()
    parts = torch.split(values, counts, dim=1)
    return [part.reshape(len(values), *of) for part, of in zip(parts, shapes, strict=True)], torch.tensor(share)


@pytest.mark.parametrize("normalization", ["variance", "sum"])
@pytest.mark.parametrize(
    ("layer", "n"),
    [
        (lambda how: eq.TensorProduct("O(3)", "1x1", "1x1", "2x2", **how), None),
        (lambda how: eq.TensorProduct("SO(2)", "2x1", "1x2", "1x1", **how), None),
        (lambda how: eq.TensorProduct("S(n)", "1x1", "2x1", "2x2", **how), 2),
        (lambda how: eq.TensorProduct("S(n)", "2x1", "2x1", "2x1 + 1x0", "paired", **how), 2),
        (lambda how: eq.TensorProduct("Perm(3: 1 2 0)", "1x1", "1x1", "1x1", **how), None),
        (lambda how: eq.TensorProduct("S(2) x O(2)", "1x(1,1)", "1x(1,1)", "1x(1,0)", **how), None),
        (lambda how: eq.Power("O(3)", "1x1", 2, "2x2 + 1x0", **how), None),
        (lambda how: eq.Power("O(2)", "1x2", 2, "1x0", **how), None),
        (lambda how: eq.Power("Sp(2)", "1x1", 2, "1x2", **how), None),
        (lambda how: eq.Power("SO(3)", "1x1", 3, "1x1", **how), None),
        (lambda how: eq.PolynomialLayer("S(n)", "1x1", 3, "1x1", **how), 3),
        (lambda how: eq.PolynomialLayer("O(n)", "1x1 + 1x0", 2, "1x1 + 1x0", **how), 2),
    ],
)  # fmt: skip
def test_the_variance_of_each_map_of_a_product_is_what_the_layer_gives_with_it_alone(layer, n, normalization):
    layer = layer({"dtype": torch.float64, "normalization": normalization})
    sizes = [factor.n if isinstance(factor.n, int) else n for factor in layer.problem.group.factors]
    with torch.no_grad():
        randomise(layer)
        whole = {name: value.clone() for name, value in layer.named_parameters()}
        found = eq.inspect(layer, n)
        inputs, weights = grid(layer, sizes)
        at = 0
        operands = []
        for space in layer.problem.operands:
            terms = tuple(inputs[at : at + len(space)])
            operands.append(terms if len(terms) > 1 else terms[0])
            at += len(space)
        for use in found.uses:
            assert use.place == f"{use.name}[{use.element}]"
            for name, value in layer.named_parameters():
                value.zero_()
                if name == use.name:
                    value[use.element] = whole[name][use.element]
            made = layer(*operands)
            made = made[use.term_out] if isinstance(made, tuple) else made
            mean = (made.flatten(1) ** 2).mean(1) @ weights
            assert float(mean) == pytest.approx(use.variance), use.formula
            assert use.norm == pytest.approx(float(whole[use.name][use.element].norm()))
    outputs = range(len(layer.problem.space_out))
    assert all(sum(use.share for use in found.uses if use.term_out == term) == pytest.approx(1) for term in outputs)


def test_maps_of_products_name_their_inputs_and_weights():
    layer = eq.TensorProduct("O(3)", "2x1 + 1x0", "1x2", "1x1 + 1x0")
    for value in layer.parameters():
        value.data.zero_()
    layer.get_parameter("weight_0_0_0").data[1] = 1.0
    found = eq.inspect(layer)
    first = found[0]
    assert (first.place, first.formula, first.share) == ("weight_0_0_0[1]", "y[a] += u0[b] v[b,a]", 1.0)
    assert {use.name for use in found} == {name for name, _ in layer.named_parameters()}
    text = str(found)
    assert "weight_0_0_0[1]" in text
    assert "u0  v   v" in text
    assert "normal" not in text
    assert ">u0</text>" in found._repr_html_()
    cube = eq.inspect(eq.PolynomialLayer("O(3)", "2x1", 3, "2x1"))
    assert [use.formula for use in cube if use.name == "weight_0_0_0_0"] == ["y[a] += u[a] u[b] u[b]"]
    assert "independent normal inputs" in str(cube)
    stress = eq.inspect(eq.TensorProduct("O(3)", "2xS2", "2xS2", "2xS2", "paired", bias=False))
    assert "y[a,b], y[b,a] += u[a,c] v[c,b]" in {use.formula for use in stress}
    clouds = eq.inspect(eq.TensorProduct("S(n) x O(3)", "1x(1,1)", "1x(0,1)", "1x(1,0)"), (4, 3))
    assert "y[a] += u[a] v ⊗ y += u[a] v[a]" in {use.formula for use in clouds}
    orbits = eq.inspect(eq.TensorProduct("Perm(3: 1 2 0)", 1, 1, 0, bias=False))
    assert "y += u[0] v[1], and the images" in {use.formula for use in orbits}


def test_initial_weights_of_products_share_the_variance():
    """On average over draws, each output has the variance 1 that its initial weights are drawn for."""
    for layer in (eq.Power("O(3)", "8x1", 2, "64x2"), eq.TensorProduct("S(5)", "4x1", "4x2", "64x1")):
        totals = []
        for seed in range(20):
            torch.manual_seed(seed)
            layer.reset_parameters()
            totals.append(sum(use.variance for use in eq.inspect(layer)))
        assert np.mean(totals) == pytest.approx(1, abs=0.05)


def test_networks_are_inspected_layer_by_layer():
    net = torch.nn.Sequential(eq.nn.MLP("S(n)", ["1x2", "3x1", "1x0"]), torch.nn.Identity())
    found = eq.inspect(net, 5)
    assert [*found] == ["0.0", "0.2"]
    assert len(found) == 2
    for name, inspection in found.layers.items():
        assert inspection == found[name] == eq.inspect(net.get_submodule(name), 5)
        assert f"{name}: {inspection}" in str(found)
        assert f"{name}: {inspection.table(1)}" in found.table(1)
        assert inspection._repr_html_() in found._repr_html_()
    assert eq.inspect(net)["0.0"].sizes == (10,)


def test_only_layers_and_what_holds_them_can_be_inspected():
    for thing in (torch.nn.Sequential(torch.nn.Linear(2, 2)), 3):
        with pytest.raises(EqsynthError, match=f"not {type(thing).__name__}: for an exported class"):
            eq.inspect(thing)


def test_notebooks_show_plans_and_layers_as_tables():
    layer = eq.Linear("S(n)", 2, 1)
    table = layer.plan._repr_html_()
    assert table.count("<tr>") == 1 + len(layer.plan.steps)
    assert "multiply-adds" in table
    assert "-&gt;" in table
    assert table in layer._repr_html_()
