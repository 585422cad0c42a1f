"""Products with any factor: bases are products of bases, and plans go factor by factor."""

import warnings
from fractions import Fraction
from functools import reduce
from itertools import combinations_with_replacement, product
from math import prod

import flint
import numpy as np
import pytest
import torch

import eqsynth as eq
from eqsynth.diagrams import functor
from eqsynth.diagrams.codec import decode, encode
from eqsynth.errors import CatalogError, EqsynthError, GroupError, ParseError, SizeError, SpaceError, SymbolicError
from eqsynth.families.hom import Hom, ProductHom
from eqsynth.families.representation import generators
from eqsynth.layers.emitted import layer_of
from eqsynth.plans import lowering
from eqsynth.plans.products import maps
from eqsynth.plans.steps import Contract, Mix, Schur, Tied
from eqsynth.show.page import html
from eqsynth.spaces.space import packed_lengths
from oracle import assert_all_agree, randomise, ways

PRIME = 1_000_003
TURN = "Matrix([[0,-1],[1,0]]; )"
#: Groups with diagrams of every kind, and all that are handled through tables or graphs.
DIAGRAMMATIC = ["S(2)", "S(3)", "A(2)", "A(3)", "H(2)", "O(2)", "SO(2)", "Sp(2)", "O(1,1)", "SO(1,1)"]
TABLED = [
    "Perm(3: 1 2 0)", "Perm(2: )", TURN, "Matrix(; [[0,1],[0,0]])", "Matrix([[2,0],[0,1/2]]; )", "Aut(path3)",
    "Aut(3: 0>1 1>2 2>0)", "Aut(3: 0-1 | 0 0 1)", "Aut(cycle4)",
]  # fmt: skip
#: Every pair with a factor that is no family of diagrams, either way round.
PAIRS = [pair for pair in product(DIAGRAMMATIC + TABLED, repeat=2) if {*pair} & {*TABLED}]


def quiet(make, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make(*args, **kwargs)


# --- bases ----------------------------------------------------------------------------------------------


def modulo(matrix):
    """An exact matrix modulo a prime."""
    fractions = [[Fraction(entry) for entry in row] for row in np.array(matrix, object).tolist()]
    return np.array([[x.numerator * pow(x.denominator, -1, PRIME) % PRIME for x in row] for row in fractions], np.int64)


def kron(matrices):
    return reduce(lambda a, b: np.kron(a, b) % PRIME, matrices, np.ones((1, 1), np.int64))


def action(factors, place, matrix, order, algebra):
    """A generator of one factor on a tensor of some order: on its axes, and nothing on those of the others."""
    units = [np.eye(factor.n**k, dtype=np.int64) for factor, k in zip(factors, order, strict=True)]
    unit, axes = np.eye(len(matrix), dtype=np.int64), range(order[place])
    if algebra:
        own = sum((kron([matrix if axis == at else unit for at in axes]) for axis in axes), 0 * units[place])
    else:
        own = kron([matrix] * order[place])
    return kron([*units[:place], own, *units[place + 1 :]])


def constraints(group, inputs, outputs):
    """The equations rho(g) W = W rho(g) of all generators of all factors, for the entries of W row by row."""
    rows = []
    for place, factor in enumerate(group.factors):
        for algebra, listed in enumerate(generators(factor)):
            for matrix in map(modulo, listed):
                above, below = (action(group.factors, place, matrix, order, algebra) for order in (outputs, inputs))
                units = [np.eye(len(side), dtype=np.int64) for side in (above, below)]
                rows.append(np.kron(above, units[1]) - np.kron(units[0], below.T))
    return np.concatenate(rows) % PRIME if rows else np.zeros((0, 0), np.int64)


def assert_spans(name, inputs, outputs):
    group, found = eq.Group.parse(name), eq.basis(name, inputs, outputs)
    entries = prod(f.n ** (k + lo) for f, k, lo in zip(group.factors, inputs, outputs, strict=True))
    equations = constraints(group, inputs, outputs)
    rank = flint.nmod_mat(equations.tolist(), PRIME).rank() if len(equations) else 0
    # A rank modulo a prime is at most the rank: that many maps, and not one more.
    assert len(found) == entries - rank, (name, inputs, outputs)
    flat = found.matrices().reshape(len(found), entries)
    if len(found):
        assert flint.fmpz_mat(flat.tolist()).rank() == len(found)
        assert not len(equations) or not (equations @ flat.T % PRIME).any()


@pytest.mark.parametrize("first", DIAGRAMMATIC + TABLED)
def test_bases_are_the_null_space_of_the_whole_product(first):
    for _, second in (pair for pair in PAIRS if pair[0] == first):
        assert_spans(f"{first} x {second}", (1, 1), (1, 0))
        assert_spans(f"{first} x {second}", (1, 1), (0, 1))


def test_bases_of_three_factors_are_products():
    for name, inputs, outputs in [
        ("S(2) x Perm(3: 1 2 0) x SO(2)", (1, 1, 1), (1, 0, 1)), (f"Aut(path3) x {TURN} x A(2)", (1, 1, 1), (0, 1, 1)),
    ]:  # fmt: skip
        assert_spans(name, inputs, outputs)
        factors = eq.Group.parse(name).factors
        own = [len(eq.basis(*problem)) for problem in zip(factors, inputs, outputs, strict=True)]
        assert len(eq.basis(name, inputs, outputs)) == prod(own)


def test_dimensions_multiply():
    assert len(eq.basis("Aut(petersen) x O(3)", (1, 2), (1, 2))) == 3 * 3
    assert len(eq.basis("S(n) x Perm(4: 1 2 3 0)", (2, 1), (2, 1))) == 15 * 4
    assert len(eq.basis("S(n) x O(1,3)", (1, 2), (1, 2))) == 2 * 3
    assert len(eq.basis("Aut(cycle5) x Aut(path4)", ("S2", 0), ("A2", 1))) == (
        len(eq.basis("Aut(cycle5)", "S2", "A2")) * len(eq.basis("Aut(path4)", 0, 1))
    )


def test_what_bases_of_mixed_products_say():
    found = eq.basis("Aut(path3) x SO(2)", (1, 1), (1, 1))
    assert found.formula(4) == "y[a] += A[a,b] x[b] ⊗ y[a] += x[a]"
    assert "On the Aut(path3) axes: sums the input over the neighbours of each vertex." in str(found)
    assert found.certificate.independence == "product"
    assert [len(part) for part in found.factor_bases()] == [5, 2]
    orbits = eq.basis("Perm(3: 1 2 0) x Aut(path3)", (1, 1), (1, 1))
    with pytest.raises(GroupError, match="is not a diagram"):
        orbits.flat(0)
    with pytest.raises(GroupError, match="products of maps of its factors"):
        found.plain()
    for one in (found, orbits, eq.basis(f"{TURN} x O(2)", (1, 1), (1, 1))):
        data = encode(one.diagrams)
        assert decode(data, one.inputs, one.outputs) == one.diagrams
        data["elements"][0]["product"].pop()
        with pytest.raises(CatalogError):
            decode(data, one.inputs, one.outputs)


def test_squares_of_products_are_those_of_their_matrices():
    for name, k, lo in [("Aut(cycle4) x SO(2)", (1, 1), (1, 1)), (f"S(3) x {TURN}", (2, 1), (1, 1))]:
        found = eq.basis(name, k, lo)
        matrices = found.matrices()
        expected = [(int((m**2).sum()), int((m**2).sum(1).max())) for m in matrices]
        assert functor.squares(found.group, found.diagrams, found.sizes()) == expected


# --- layers ---------------------------------------------------------------------------------------------


def tabled(plan):
    """The steps of a plan that mix with tables."""
    return [step for step in plan.steps if isinstance(step, Mix) and step.tabled is not None]


#: A factor with heads of each kind, one with each form, a letter; and every kind of table.
DIAGRAMS, TABLES = ["A(3)", "SO(2)", "Sp(2)", "O(1,1)", "S(n)"], ["Perm(3: 1 2 0)", TURN, "Aut(path3)"]
LAYERS = [
    *(f"{first} x {second}" for first, second in product(DIAGRAMS, TABLES)),
    *(f"{first} x {second}" for first, second in combinations_with_replacement([*TABLES, "Aut(3: 0>1 1>2 2>0)"], 2)),
]


@pytest.mark.parametrize(("name", "normalization"), [
    (name, ("variance", "mean", "sum")[number % 3]) for number, name in enumerate(LAYERS)
])  # fmt: skip
def test_oracle_interpreter_and_module_agree(name, normalization):
    """In values and gradients, whether graphs are contracted or tables."""
    torch.manual_seed(0)
    spaces = ("2x(1,1)", "1x(1,1)") if name in LAYERS[::2] else ("2x(1,1) + 1x(1,0)", "1x(1,1) + 2x(0,1)")
    for plan in ways((name, *spaces), normalization):
        assert_all_agree(randomise(layer_of(plan, dtype=torch.float64)), 3)


def test_graphs_are_contracted_or_tables():
    contracted, tables = ways(("O(2) x Aut(cycle4)", "1x(1,1)", "1x(1,2)"))
    assert any(isinstance(step, Contract) and step.factor == 1 for step in contracted.steps)
    assert not tabled(contracted)
    assert tabled(tables)
    assert not any(isinstance(step, Contract) for step in tables.steps)
    assert eq.plan("O(2) x Aut(cycle4)", "1x(1,1)", "1x(1,2)", method="diagrams") in (contracted, tables)


def test_steps_show_what_only_products_have_where_they_have_it():
    """Digests of plans are those of their steps as text: those of other groups stay what they were."""
    alone, beside = eq.plan("S(n)", "1x1", "1x1"), eq.plan("S(n) x Perm(3: 1 2 0)", "1x(1,1)", "1x(1,1)")
    assert not any(word in repr(alone.steps) for word in ("table", "factor="))
    assert "Entry(target=0, operand=0, element=1, sign=1, table=1)" in repr(beside.steps)
    assert "tabled=Tabled(factors=(1,), taken=(1,), given=(1,), maps=((Orbit(" in repr(beside.steps)
    assert "z_ab = mix 3 maps, 3 tables: x_ab" in str(beside)


@pytest.mark.parametrize("problem", [
    ("S(n) x Perm(3: 1 2 0) x SO(2)", "1x(1,1,1)", "1x(1,0,1) + 1x(0,1,0)"),
    (f"A(3) x Aut(path3) x {TURN}", "1x(1,1,1)", "2x(1,1,1)"),
    ("Perm(3: 1 2 0) x Aut(path3)", "1x(S2,1)", "1x(A2.packed,1) + 1x(1,S2)"),
    ("O(2) x Perm(3: 1 2 0)", "1x(S2.packed,A2.packed)", "1x(S2.packed,1)"),
    ("Perm(3: 1 2 0) x S(m)", "1x(0,0)", "1x(2,1)"),
    (f"Aut(3: 0-0 0-1) x {TURN}", "1x(2,1)", "1x(A2,1)"),
    ("Aut(4: 0>1 1>2 2>3 3>0 0>2) x H(2)", "1x(2,0)", "1x(1,0)"),
    ("A(2) x Aut(3: 0-0 0-1)", "1x(1,S2) + 1x(1,2)", "1x(0,S2.packed) + 1x(1,1)"),
])  # fmt: skip
def test_three_factors_and_symmetric_tensors(problem):
    for plan in ways(problem):
        assert "emitted source agrees" in str(eq.verify(plan, trials=2))


@pytest.mark.parametrize("name", ["Aut(path3) x SO(2)", "O(2) x Perm(3: 1 2 0)", f"{TURN} x Aut(path3)"])
def test_outputs_begin_with_variance_one(name):
    plan, found = eq.plan(name, "2x(1,1)", "1x(1,1)"), eq.basis(name, (1, 1), (1, 1))
    squares = lowering.mean_squares(found, found.sizes(), gained=lowering.gains(found))
    assert sum(v * square for v, square in zip(plan.pairs[0].variances, squares, strict=True)) == pytest.approx(1)


@pytest.mark.parametrize("method", ["irreps", "matrix"])
@pytest.mark.parametrize("name", ["Aut(path3) x SO(2)", "O(2) x Perm(3: 1 2 0)", f"{TURN} x Aut(path3)"])
def test_other_methods(name, method):
    plan = eq.plan(name, "2x(1,1)", "1x(1,1) + 1x(0,1)", method=method)
    assert any(isinstance(step, Schur if method == "irreps" else Tied) for step in plan.steps)
    assert_all_agree(randomise(layer_of(plan, dtype=torch.float64)), 3)


def test_the_product_of_all_tables_is_not_formed():
    """Aut(cycle5) has 63 maps 2 -> 2 in tables of 25 x 25, O(3) three diagrams: products of both are 225 x 225."""
    plan = eq.plan("Aut(cycle5) x O(3)", "2x(2,2)", "2x(2,2)")
    assert len(eq.basis("Aut(cycle5)", 2, 2)) * 3 == plan.dims[0, 0] == 63 * 3
    assert not any(isinstance(step, Tied | Schur) for step in plan.steps)
    assert all(set(step.tabled.factors) == {0} for step in tabled(plan))
    values = plan.sizes()
    dense = 225**2 * 2 * 2
    assert plan.total().multiply_adds(values) * 4 < dense
    assert plan.total().weight_memory(values) * 10 < dense


@pytest.mark.parametrize("make", [
    lambda: eq.TensorProduct("Aut(path3) x O(2)", "2x(1,1)", "1x(1,0) + 1x(0,1)", "1x(1,1)"),
    lambda: eq.TensorProduct("S(n) x Perm(3: 1 2 0)", "1x(1,1)", "1x(1,0)", "1x(1,1)", mode="paired"),
    lambda: eq.TensorProduct(f"SO(2) x {TURN}", "1x(1,1)", "1x(1,1)", "1x(0,2)"),
    lambda: eq.PolynomialLayer("S(n) x Aut(path3)", "1x(1,1)", 2, "1x(1,0)"),
    lambda: eq.Power("Sp(n) x Perm(2: 1 0)", "1x(1,1)", 2, "1x(0,1)"),
    lambda: eq.TensorProduct("O(2) x Perm(2: 1 0)", "1x(S2,1)", "1x(1,0)", "1x(1,1)"),
], ids=range(6))  # fmt: skip
def test_products_of_inputs(make):
    assert "diagram by diagram" in str(eq.verify(quiet(make), trials=2))


def test_tables_of_several_factors_are_added_up_factor_by_factor():
    """cycle5 has 63 maps 2 -> 2 and path4 8 maps 1 -> 1: their 504 products are never tables of 100 x 100 each."""
    _, plan = ways(("Aut(cycle5) x Aut(path4)", "2x(2,1)", "2x(2,1)"))
    mix = tabled(plan)[-1]
    assert [len(own) for own in mix.tabled.grid] == [63, 8]
    assert plan.total().weight_multiply_adds(plan.sizes()) < 100 * 100 * 2 * 2 * 10


@pytest.mark.parametrize(("name", "inputs", "outputs", "power"), [
    (f"{TURN} x Aut(path3)", "1x(1,1)", "2x(1,1)", "1x(2,1)"),
    (f"Perm(2: 1 0) x {TURN} x Aut(path3)", "1x(1,1,1)", "1x(0,1,1)", "1x(0,0,1)"),
    (f"{TURN} x Perm(2: 1 0)", "1x(1,1)", "1x(1,1) + 1x(0,2)", "1x(2,1)"),
])  # fmt: skip
def test_tables_of_matrices_beside_others(name, inputs, outputs, power):
    """Also where the tables are not all products, since some maps of an input with itself are not independent."""
    for plan in ways((name, inputs, outputs)):
        assert_all_agree(randomise(layer_of(plan, dtype=torch.float64)), 3)
    assert "agrees" in str(eq.verify(eq.Power(name, inputs, 2, power), trials=1))


def test_powers_with_a_letter_have_as_many_maps_as_with_numbers():
    numbers = [len(maps(ProductHom.parse(f"S({n}) x Perm(2: 1 0)", ["1x(1,1)"], "1x(1,0)", "paired", (2,)), 0, 0))
               for n in ("n", 3, 4)]  # fmt: skip
    assert len(set(numbers)) == 1


def test_a_network_and_a_file(tmp_path):
    name, space = "S(n) x Perm(4: 1 2 3 0)", "4x(1,1) + 4x(0,0)"
    net = eq.nn.MLP(name, [space, space, "2x(1,0)"])
    eq.testing.assert_equivariant(net, name, space, "2x(1,0)")
    layer = eq.Linear(name, space, "2x(1,0)")
    eq.export(layer, tmp_path / "layer.py")
    assert "byte for byte" in str(eq.verify(tmp_path / "layer.py", trials=1))
    again = eq.Linear(name, space, "2x(1,0)")
    again.load_state_dict(layer.state_dict())
    x = torch.randn(2, 3, 4, 4), torch.randn(2, 4)
    assert torch.equal(layer(x), again(x))
    batch = [torch.randn(0, 3, 4, 4), torch.randn(0, 4)]
    assert layer(batch).shape == (0, 3, 2)


def test_samples_of_different_sizes_are_each_as_if_alone():
    name, spaces = "Aut(path3) x S(n)", ("2x(1,1)", "1x(0,2)")
    layer = eq.Linear(name, *spaces, dtype=torch.float64)
    samples = [torch.randn(3, n, 2, dtype=torch.float64) for n in (2, 4)]
    made = eq.nn.Padded(layer)(*eq.nn.pad(samples, name, spaces[0]))
    for one, sample, n in zip(made, samples, (2, 4), strict=True):
        torch.testing.assert_close(one[:n, :n], layer(sample))


def test_pages_and_inspection_speak_of_each_factor():
    page = html("S(2) x Perm(3: 1 2 0)", (1, 1), (1, 1))
    assert "for S(2) the number that Stirling numbers count and for Perm(3: 1 2 0) the number of orbits" in page
    shown = str(eq.inspect(eq.Linear(f"{TURN} x Aut(path3)", "2x(1,1)", "1x(1,1)")))
    assert "⊗ y[a] += A[a,b] x[b]" in shown
    # A number is the size of what is open, as for eq.basis(...).matrices.
    layer = eq.Linear("S(n) x C(4)", "2x(1,1)", "1x(1,1)")
    assert eq.inspect(layer, 3) == eq.inspect(layer, (3, 4))
    with pytest.raises(SymbolicError, match=r"C\(4\) has n = 4, not 3"):
        eq.inspect(layer, (3, 3))


def test_groups_are_values_and_texts():
    for text in (*LAYERS, "Aut(petersen) x O(3) x Perm(4: 1 2 3 0)"):
        group = eq.Group.parse(text)
        assert eq.Group.parse(str(group)) == group
        assert eval(repr(group), {name: getattr(eq, name) for name in eq.__all__}) == group
        assert "product of" in group.title
    assert not eq.Group.parse("S(n) x Aut(path3)").diagrammatic
    assert eq.ProductGroup([eq.Aut("path3"), "S(n) x O(3)"]).symbolic


@pytest.mark.parametrize(("ask", "kind", "message"), [
    (lambda: eq.Group.parse("S(3) x Aut(nothing)"), ParseError, "nothing"),
    (lambda: eq.Group.parse("S(3) x Perm(2: 0 0)"), ParseError, "no permutation"),
    (lambda: eq.ProductGroup([eq.Aut("path3")]), GroupError, "two or more groups"),
    (lambda: eq.basis("S(3) x Aut(path3)", 2, 2), SpaceError, r"one entry per factor, such as \(1,1\)"),
    (lambda: eq.basis("S(3) x Aut(path3)", (1, 1), (1, 1), choose="standard"), GroupError, "no standard diagrams"),
    (lambda: eq.plan("S(n) x Aut(path3)", "1x(1,1)", "1x(1,1)", method="matrix"), SymbolicError, "leaves n open"),
    (lambda: eq.plan("S(3) x Aut(path3)", "1x(1,1)", "1x(1,1)", method="fourier"), GroupError, "orders in which"),
    (lambda: eq.floor("S(3) x Aut(path3)", "1x(1,1)", "1x(1,1)"), GroupError, "a product of these"),
    (lambda: eq.nn.Activation("S(n) x Aut(path3) x O(2)", "1x(1,1,1)", "relu"), EqsynthError, r"O\(2\)"),
    (lambda: eq.nn.Sparse(eq.Linear("Aut(path3) x S(n)", "1x(1,1)", "1x(1,1)")), EqsynthError, r"S\(n\) x Aut"),
    (lambda: eq.basis("S(n) x Aut(path3)", (1, 1), (1, 1)).matrices(), SymbolicError, "leaves n open"),
    (lambda: eq.basis("S(n) x Aut(path3)", (1, 1), (1, 1)).matrices((3, 4)), SymbolicError, "has n = 3, not 4"),
    (lambda: eq.Linear("S(n) x Aut(path3)", "1x(1,1)", "1x(1,1)")(torch.randn(2, 5, 4, 1)), ValueError, "n, 3"),
    (lambda: eq.plan("S(2) x Aut(path3)", "1x(S2,1)", "1x(1,1)", method="matrix"), GroupError, "method='diagrams'"),
])  # fmt: skip
def test_what_cannot_be_is_said_in_words(ask, kind, message):
    with pytest.raises(kind, match=message):
        ask()


def test_tables_that_are_too_large_are_refused(monkeypatch):
    monkeypatch.setattr(lowering, "MAX_TABLE", 100)
    with pytest.raises(SizeError, match=r"Perm\(3: 1 2 0\) takes 2 axes to 3 by tables of 243 entries"):
        lowering.plan_by(Hom.parse("Perm(3: 1 2 0) x O(2)", "1x(2,1)", "1x(3,1)"), False, "sum", "diagrams")
    # Of the two ways for graphs one is left.
    assert len([*ways(("Aut(path3) x O(2)", "1x(2,1)", "1x(2,1)"))]) == 1


@pytest.mark.parametrize(
    ("group", "space", "output", "count"),
    [("SL(1) x S(2)", "(1,1)", "(0,0)", 2), ("SL(1) x SL(2)", "(1,2)", "(0,0)", 2),
     ("SL(2) x B(3)", "(2,1)", "(0,1.det)", 2), ("SL(1) x B(3)", "((0,1),1)", "(1,1)", 3),
     ("SL(2) x A(2)", "(2,1)", "(0,1)", 12), ("SO(2) x SO(3)", "(1,1)", "(0,1)", 1)],
)  # fmt: skip
def test_powers_of_products_keep_heads_apart(group, space, output, count):
    """As many maps of x (x) x as those of x (x) y are independent on it: each factor may have several determinants."""
    power = eq.Power(group, f"1x{space}", 2, f"1x{output}", bias=False, dtype=torch.float64)
    every = eq.TensorProduct(group, f"1x{space}", f"1x{space}", f"1x{output}", bias=False, dtype=torch.float64)
    (order,) = {one for _, one in every.problem.inputs}
    lengths = packed_lengths(order, [factor.n for factor in every.problem.group.factors])
    x, values = torch.randn(30, *lengths, 1, dtype=torch.float64), []
    with torch.no_grad():
        for weight in range(len(every.weight)):
            every.weight.zero_()[weight] = 1
            values.append(every(x, x).flatten())
    assert torch.linalg.matrix_rank(torch.stack(values), rtol=1e-9) == len(power.weight) == count
    eq.verify(power, trials=1)
