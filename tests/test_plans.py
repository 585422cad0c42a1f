"""Plans: what they cost, which one is chosen, and that the choice changes nothing but the cost."""

import ast
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import eqsynth as eq
import oracle
from benchmarks.measuring import peak_bytes
from eqsynth.codegen.emit import emit
from eqsynth.errors import GroupError, SizeError, SymbolicError
from eqsynth.exact.polynomial import Polynomial
from eqsynth.layers.emitted import compile_source
from eqsynth.plans.lowering import plan_hom
from eqsynth.plans.steps import Contract, Hodge, Mix, Tied

WAYS = ("diagrams", "matrix")


def layer_of(plan):
    """The layer of a plan that ``eq.Linear`` might not choose."""
    layer = compile_source(emit(plan))(dtype=torch.float64)
    layer.plan, layer.hom = plan, plan.hom
    return oracle.randomise(layer)


# --- polynomials ----------------------------------------------------------------------------------

monomials = st.dictionaries(st.sampled_from("ncd"), st.integers(1, 3)).map(lambda powers: tuple(sorted(powers.items())))
polynomials = st.dictionaries(monomials, st.integers(-9, 9).filter(bool)).map(Polynomial)
values = st.fixed_dictionaries({symbol: st.integers(0, 5) for symbol in "ncd"})


@given(polynomials, polynomials, values)
def test_polynomials_compute_with_values(p, q, at):
    assert (p + q)(at) == p(at) + q(at)
    assert (p * q)(at) == p(at) * q(at)
    assert (p * 3 + 2)(at) == 3 * p(at) + 2
    assert (p**2)(at) == p(at) ** 2
    assert p + q == q + p
    assert p * q == q * p


def test_polynomials_print_sizes_before_channels():
    n, c = Polynomial.of("n"), Polynomial.of("c_in")
    assert str(c + n * n * c * 2 + n * 1000 + 5) == "2 n² c_in + 1,000 n + c_in + 5"
    assert str(Polynomial()) == "0"
    assert str(Polynomial.of("n1") * Polynomial.of("n2")) == "n1 n2"


# --- costs ------------------------------------------------------------------------------------------


def test_costs_of_known_plans():
    total = eq.plan("S(n)", "16x2", "32x2").total()
    n = {"n": 10, "c_in": 16, "c_out": 32}
    mixed = sum(cost.multiply_adds(n) for cost in eq.plan("S(n)", "16x2", "32x2").costs() if isinstance(cost.step, Mix))
    assert mixed == 16 * 32 * (2 * 100 + 9 * 10 + 4)
    assert total.multiply_adds(n) > mixed
    levels = {
        cost.step.axes: str(cost.multiply_adds) for cost in eq.plan("O(n)", 3, 3).costs() if isinstance(cost.step, Mix)
    }
    assert levels == {1: "9 n c_in c_out", 3: "6 n³ c_in c_out"}
    (tied,) = (cost for cost in eq.plan("Perm(4: 1 2 3 0)", "2x2", "3x1", bias=False).costs() if cost.weight_traffic)
    assert str(tied.multiply_adds) == "n³ c_in c_out"


def test_sizes_of_products_have_symbols_of_their_own():
    plan = eq.plan("S(n) x O(3)", "2x(2,1)", "3x(1,1)")
    assert plan.sizes(7) == {"n1": 7, "n2": 3, "c_in": 2, "c_out": 3}
    assert "n1² n2 c_in" in str(plan)
    assert "n1 for S(n), n2 for O(3)" in str(plan)
    with pytest.raises(eq.errors.SymbolicError, match="say which"):
        plan.sizes()


@pytest.mark.parametrize(
    ("group", "space_in", "space_out", "n"),
    [
        ("S(n)", "16x2", "16x2", 24),
        ("S(n)", "8x3", "8x3", 10),
        ("S(n)", "16x2 + 4x1", "8x2 + 8x0", 24),
        ("O(n)", "8x3", "8x3", 8),
        ("SO(3)", "16x2", "16x3", 3),
        ("Sp(4)", "8x3", "8x3", 4),
        ("A(5)", "16x2", "16x2", 5),
        ("Aut(petersen)", "16x2", "16x1", 10),
        ("Aut(karate)", "4x1", "4x1", 34),
    ],
)
def test_the_memory_that_a_plan_tells_is_what_a_forward_takes(group, space_in, space_out, n):
    layer = eq.Linear(group, space_in, space_out, bias=False)
    batch = 64
    x = [torch.randn(batch, *[n] * k, c) for c, k in layer.hom.space_in]
    given = x[0] if len(x) == 1 else tuple(x)

    def run():
        with torch.no_grad():
            return layer(given)

    run()
    sizes, total = layer.plan.sizes(n), layer.plan.total()
    told = 4 * (batch * (total.memory + total.scratch)(sizes) + total.weight_memory(sizes))
    assert 0.6 < told / peak_bytes(run) < 1.6


# --- the choice ---------------------------------------------------------------------------------------

GRAPHS = [
    ("Aut(petersen)", 10, ["2x2 -> 3x1", "2x1 -> 3x2", "2x1 + 1x2 -> 2x1 + 1x0", "1x0 -> 2x2"]),
    ("Aut(C5)", 5, ["2x1 -> 3x1", "1x2 -> 1x2", "2x0 -> 2x1"]),
    ("Aut(path3)", 3, ["2x1 -> 3x2", "1x2 -> 1x2", "2x2 -> 1x0"]),
    ("Aut(dicycle4)", 4, ["2x1 -> 3x2", "2x2 -> 3x1"]),
    ("Aut(4: 0>1 1>2 2>2 | 0 0 1 1)", 4, ["2x1 -> 3x1"]),
    ("Aut(bull)", 5, ["2x1 -> 3x1", "1x2 -> 1x1"]),
    ("Aut(karate)", 34, ["2x1 -> 3x1", "1x1 -> 1x0"]),
    ("Aut(C60)", 60, ["2x1 -> 3x1"]),  # few edges: gathers in place of products with A
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("group", "n", "spaces"), [(group, n, spaces) for group, n, listed in GRAPHS for spaces in listed]
)
def test_both_ways_to_compute_a_graph_layer_agree_with_the_oracle(group, n, spaces, way):
    for normalization in ("variance", "mean"):
        plan = plan_hom(eq.Hom.parse(group, *spaces.split(" -> ")), True, normalization, way)
        kinds = {type(step) for step in plan.steps}
        assert (Contract in kinds or Mix in kinds) == (way == WAYS[0])
        oracle.assert_all_agree(layer_of(plan), n)


def test_the_cheaper_way_is_chosen_and_shown():
    many, few = eq.plan("Aut(petersen)", "64x2", "64x2"), eq.plan("Aut(bull)", "2x1", "2x1")
    assert many.method == "irreps"
    assert [name for name, _ in few.alternatives if name in WAYS] == list(WAYS[::-1])
    for plan in (many, few):
        costs = [cost for _, cost in plan.alternatives]
        assert costs == sorted(costs)
        assert costs[0] == plan.estimate()
        chosen, other, *_ = plan.alternatives
        assert chosen[0] == plan.method
        assert f"chosen: {chosen[0]}" in str(plan)
        assert f"{other[0]}: {other[1]:,}" in str(plan)


def test_sparse_graphs_are_applied_by_gathers():
    sparse = emit(plan_hom(eq.Hom.parse("Aut(C60)", 1, 1), True, "variance", WAYS[0])).source
    dense = emit(plan_hom(eq.Hom.parse("Aut(petersen)", 1, 1), True, "variance", WAYS[0])).source
    assert "index_add" in sparse
    assert "index_add" not in dense
    assert "self.adjacency" in dense
    assert "self.adjacency" not in sparse


def test_few_graphs_are_kept_where_orbits_are_needed_anyway():
    basis = eq.basis("Aut(frucht)", 1, 1)
    graphs = sum(isinstance(element, eq.Diagram) for element in basis)
    assert (graphs, len(basis)) == (14, 144)  # 12 on one axis of 12, as much as the matrix, and 2 on none
    assert all(isinstance(element, eq.Diagram) for element in eq.basis("Aut(petersen)", 2, 1))


def test_products_save_memory_and_change_nothing():
    plan = eq.plan("S(n)", "2x3", "2x3")
    (wide,) = (step for step in plan.steps if isinstance(step, Mix) and step.axes == 3)
    assert wide.products == 3
    whole = replace(
        plan, steps=tuple(replace(step, products=1) if isinstance(step, Mix) else step for step in plan.steps)
    )
    assert whole.total().scratch({"n": 4, "c_in": 2, "c_out": 2}) > plan.total().scratch(
        {"n": 4, "c_in": 2, "c_out": 2}
    )
    oracle.assert_all_agree(layer_of(whole), 3)
    oracle.assert_all_agree(layer_of(plan), 3)


def test_heads_are_applied_together_where_that_is_one_matrix():
    plan = eq.plan("SO(3)", "4x2", "4x3", method="diagrams")
    assert "2 tensors at once" in emit(plan).source
    assert sum(isinstance(step, Hodge) and step.given == 2 for step in plan.steps) == 2


def test_orbits_are_gathered_and_tables_of_numbers_are_not():
    def made(space):
        return emit(eq.plan("Perm(4: 1 2 3 0)", space, space, method="matrix"))

    assert any(isinstance(step, Tied) for step in eq.plan("Perm(4: 1 2 3 0)", 1, 1, method="matrix").steps)
    assert "index_select" in made(1).source
    assert "embedding" in made("512x1").source
    large = compile_source(made("512x1"))(dtype=torch.float64)
    small = compile_source(made("2x1"))(512, 512, dtype=torch.float64)
    small.load_state_dict(large.state_dict())
    x = torch.randn(3, 4, 512, dtype=torch.float64)
    torch.testing.assert_close(large(x), small(x))


# --- the emitted source ---------------------------------------------------------------------------------

SHOWN = [
    ("S(n)", "4x2", "4x2"),
    ("S(n)", "4x2 + 2x1", "4x3 + 2x0"),
    ("S(3)", "4x3", "4x3"),
    ("O(n)", "4x3", "4x3"),
    ("SO(3)", "4x2", "4x3"),
    ("SO(6)", "1x3", "1x3"),
    ("Sp(n)", "4x3", "4x3"),
    ("A(4)", "4x2", "4x2"),
    ("Aut(petersen)", "64x2", "64x2"),
    ("Aut(karate)", "4x1", "4x1"),
    ("Perm(4: 1 2 3 0)", "4x2", "4x1"),
    ("Matrix([[0,1],[-1,0]]; )", "4x2", "4x1"),
    ("S(n) x O(3)", "2x(2,1)", "2x(1,1)"),
]


def dead(source):
    """Names that a function of the source assigns and never reads."""
    found = []
    for function in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)):
        names = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
        read = {node.id for node in names if isinstance(node.ctx, ast.Load)}
        found += [node.id for node in names if isinstance(node.ctx, ast.Store) and node.id not in read]
    return found


def loops(source):
    """Loops in ``forward``."""
    kinds = (ast.For, ast.While, ast.ListComp, ast.GeneratorExp, ast.DictComp, ast.SetComp)
    return [
        type(node).__name__
        for function in ast.walk(ast.parse(source))
        if isinstance(function, ast.FunctionDef) and function.name == "forward"
        for node in ast.walk(function)
        if isinstance(node, kinds)
    ]


def test_the_checkers_of_sources_see_what_they_look_for():
    bad = "def forward(x):\n    y = 1\n    return [a for a in x]"
    assert dead(bad) == ["y"]
    assert loops(bad) == ["ListComp"]


@pytest.mark.parametrize(("group", "space_in", "space_out"), SHOWN)
def test_emitted_code_has_no_dead_lines_and_no_loops_in_forward(group, space_in, space_out):
    for bias, method in ((True, "auto"), (False, "auto"), (True, "diagrams"), (True, "irreps"), (True, "matrix")):
        try:
            source = emit(eq.plan(group, space_in, space_out, bias=bias, method=method)).source
        except (GroupError, SizeError, SymbolicError):
            assert method != "auto"
            continue
        # A tuple of tables may have one that a small head does not need, and channels are read together.
        allowed = {"channels_in", "channels_out", "batch", "even", "odd", "scale", "tuples", "_"}
        assert set(dead(source)) <= allowed
        assert loops(source) == []


def test_the_layer_of_a_graph_network_fits_on_two_screens():
    assert emit(eq.plan("S(n)", "16x2", "16x2")).source.count("\n") <= 144


def test_steps_have_their_half_diagram_beside_them():
    source = emit(eq.plan("S(n)", "16x2", "16x2")).source
    for line in ("# ╭┴╮ x_ab[a,a]", "# ╭─╮ sum over a", "# │ • sum over b", "# ╰┬╯ y_ab[a,a] += y_aa[a]"):
        assert line in source
    assert "from ╭┴╮, │ •, • │ to ╰┬╯, │ •, • │" in source
