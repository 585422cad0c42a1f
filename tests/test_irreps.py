"""Plans in symmetry-adapted bases and as one matrix: the same function, at Schur's floor, chosen by cost."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

import eqsynth as eq
import oracle
from eqsynth.bases import adapted as adapting
from eqsynth.bases.adapted import adapted
from eqsynth.codegen.emit import emit
from eqsynth.errors import EqsynthError, GroupError, SizeError, SymbolicError
from eqsynth.layers.emitted import compile_source
from eqsynth.plans.interpret import block_coefficients
from eqsynth.plans.lowering import plan_hom
from eqsynth.plans.steps import Schur

#: Groups of all kinds with spaces between which they have maps; among them parts of complex and quaternionic type.
QUATERNIONS = eq.PermutationGroup([[1, 2, 3, 0, 5, 6, 7, 4], [4, 7, 6, 5, 2, 1, 0, 3]])
LORENTZ_LIKE = eq.MatrixGroup([[[0, 1, 0], [1, 0, 0], [0, 0, 1]], [[1, 0, 0], [0, 0, 1], [0, 1, 0]]])
CASES = [
    ("O(3)", "2x3", "3x3"),
    ("O(3)", "2x2", "1x4"),
    ("O(2)", "2x4", "1x2"),
    ("O(3)", "2x2 + 3x2 + 1x1", "2x0 + 1x2 + 2x1"),
    ("SO(3)", "2x2 + 1x1", "3x3 + 2x1 + 1x0"),
    ("SO(2)", "2x2 + 1x1", "2x2 + 1x3"),
    ("SO(4)", "2x2", "1x2 + 1x4"),
    ("SO(6)", "1x3", "1x3"),
    ("Sp(4)", "2x3", "1x3 + 2x1"),
    ("Sp(2)", "2x2", "2x4"),
    ("S(5)", "2x2 + 3x1", "2x1 + 1x2"),
    ("S(4)", "1x3", "2x2"),
    ("S(2)", "2x3", "2x2"),
    ("S(1)", "2x2", "1x2"),
    ("A(4)", "2x2", "2x2"),
    ("A(3)", "2x1", "2x2 + 1x1"),
    ("Aut(petersen)", "2x1", "1x2"),
    ("Aut(C5)", "2x2", "1x1 + 2x2"),
    ("Aut(dicycle4)", "2x1", "3x1"),
    ("Aut(bull)", "2x1", "1x2"),
    ("S(3) x O(2)", "2x(1,2)", "1x(1,2) + 2x(2,0)"),
    ("SO(2) x SO(2)", "2x(1,1)", "2x(1,1)"),
    ("S(2) x Sp(2)", "2x(1,1)", "2x(2,1)"),
    (QUATERNIONS, "2x1", "2x1"),
    (LORENTZ_LIKE, "2x2", "1x2 + 2x1"),
]
NAMES = [f"{group}: {k} -> {lo}"[:40] for group, k, lo in CASES]


def layer_of(plan, dtype=torch.float64):
    layer = compile_source(emit(plan))(dtype=dtype)
    layer.plan, layer.hom = plan, plan.hom
    return oracle.randomise(layer)


def with_classes(plan, factored):
    """The same plan with the change of basis class by class, or as one matrix."""
    steps = tuple(replace(step, factored=factored) if isinstance(step, Schur) else step for step in plan.steps)
    return replace(plan, steps=steps)


def orders(hom, side):
    return tuple(dict.fromkeys(getattr(hom, side).orders))


# --- values and gradients ---------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=NAMES)
@pytest.mark.parametrize("method", ["whole", "by classes", "matrix"])
def test_layers_agree_with_oracle_and_interpreter(case, method):
    hom = eq.Hom.parse(*case)
    for normalization in ("variance", "mean"):
        plan = plan_hom(hom, True, normalization, "matrix" if method == "matrix" else "irreps")
        plan = plan if method == "matrix" else with_classes(plan, method == "by classes")
        oracle.assert_all_agree(layer_of(plan), 1)


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_blocks_are_the_same_maps_in_other_coordinates(case):
    plan = plan_hom(eq.Hom.parse(*case), True, "variance", "irreps", "blocks")
    layer = layer_of(plan)
    plain = layer_of(plan_hom(plan.hom, True, "sum", "irreps"))
    weights = {name: value.detach().numpy() for name, value in layer.named_parameters()}
    values = dict(plain.named_parameters())
    with torch.no_grad():
        for pair in plan.pairs:
            found = torch.from_numpy(block_coefficients(plan, weights, pair.term_in, pair.term_out))
            gains = [
                size ** (gain / 4)
                for size, gain in zip(oracle.sizes_of(layer, 1), _gains(plain.plan, pair), strict=True)
            ]
            values[plan.weight_name(pair.term_in, pair.term_out)].copy_(found / np.prod(gains))
        for term, dim in enumerate(plan.bias_dims):
            if dim:
                squares = plan.bias_squares[term] or (1,) * dim
                scale = torch.tensor([square**-0.5 for square in squares], dtype=torch.float64)
                values[plan.bias_name(term)].copy_(weights_of(layer, plan.bias_name(term)) * scale[:, None])
    inputs = oracle.inputs_for(layer, 1)
    for ours, theirs in zip(oracle.run(layer, inputs, 1), oracle.run(plain, inputs, 1), strict=True):
        torch.testing.assert_close(ours, theirs)
    flat = [x.detach().numpy().reshape(-1, *x.shape[2:]) for x in inputs]
    from eqsynth.plans.interpret import interpret

    for ours, theirs in zip(
        oracle.run(layer, inputs, 1), interpret(plan, weights, flat, oracle.sizes_of(layer, 1)), strict=True
    ):
        torch.testing.assert_close(ours.detach().reshape(theirs.shape), torch.from_numpy(theirs))


def _gains(plan, pair):
    return next(p.gains for p in plan.pairs if (p.term_in, p.term_out) == (pair.term_in, pair.term_out))


def weights_of(layer, name):
    return dict(layer.named_parameters())[name].detach()


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(["O(3)", "SO(3)", "SO(2)", "Sp(2)", "S(3)", "S(4)", "A(3)", "A(4)", "Aut(C4)", "Aut(path3)"]),
    st.lists(st.tuples(st.integers(1, 3), st.integers(0, 2)), min_size=1, max_size=3),
    st.lists(st.tuples(st.integers(1, 3), st.integers(0, 2)), min_size=1, max_size=3),
    st.booleans(),
    st.booleans(),
)
def test_any_spaces_agree_with_the_oracle(group, ins, outs, bias, factored):
    hom = eq.Hom.parse(group, eq.Space(tuple(ins)), eq.Space(tuple(outs)))
    oracle.assert_all_agree(layer_of(with_classes(plan_hom(hom, bias, "variance", "irreps"), factored)), 1)


def test_the_combination_that_finds_a_basis_changes_nothing():
    plan = plan_hom(eq.Hom.parse("O(3)", "2x3", "2x3"), True, "variance", "irreps")
    maps = adapting._maps(plan.hom.group, (3,), (3,))
    (step,) = (step for step in plan.steps if isinstance(step, Schur))
    others = [adapting._try(plan.hom.group, maps, (3,), (3,), seed) for seed in range(8)]
    others = [other for other in others if other is not None and other.seed != step.bases.seed]
    assert len(others) > 1
    layer = layer_of(plan)
    x = torch.randn(2, 3, 3, 3, 2, dtype=torch.float64)
    for other in others:
        steps = tuple(replace(s, bases=other) if isinstance(s, Schur) else s for s in plan.steps)
        again = layer_of(replace(plan, steps=steps))
        again.load_state_dict(layer.state_dict())
        torch.testing.assert_close(again(x), layer(x), rtol=1e-10, atol=1e-10)
        into, twice = again.get_buffer("into"), layer.get_buffer("into")
        assert not torch.allclose(into, twice)


# --- the bases ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_bases_are_orthonormal_and_bring_every_map_to_blocks(case):
    hom = eq.Hom.parse(*case)
    found = adapted(hom.group, orders(hom, "space_in"), orders(hom, "space_out"))
    into, back = found.matrices()
    for rows in (*into, *back):
        flat = np.concatenate([part.reshape(-1, part.shape[-1]) for part in rows])
        assert abs(flat @ flat.T - np.eye(len(flat))).max(initial=0) < 1e-14
    for a, k in enumerate(found.ins):
        for b, lo in enumerate(found.outs):
            basis = eq.basis(hom.group, k, lo)
            counted = sum(p.copies_in[a] * p.copies_out[b] // p.division for p in found.irreps)
            assert counted == len(basis)
            if not len(basis):
                continue
            made = np.zeros(basis.matrices().shape)
            for x, y, block in zip(into[a], back[b], found.blocks(a, b), strict=True):
                made += np.einsum("cai,abm,cbj->mij", y, block, x)
            np.testing.assert_allclose(made, basis.matrices(), atol=1e-11)


def test_orders_without_maps_between_them_have_bases():
    bases = adapted(eq.Group("O", 3), (3, 2), (2,))
    assert [(part.dim, part.copies_in, part.copies_out) for part in bases.irreps] == [
        (5, (0, 1), (1,)),
        (3, (0, 1), (1,)),
        (1, (0, 1), (1,)),
    ]
    assert [rows.shape for rows in bases.matrices()[0][0]] == [(part.dim, 0, 27) for part in bases.irreps]


def test_parts_are_those_of_representation_theory():
    def kinds(group, k, lo):
        return [(p.dim, p.division, p.copies_in, p.copies_out) for p in adapted(eq.Group(*group), (k,), (lo,)).irreps]

    assert kinds(("O", 3), 4, 4) == [
        (9, 1, (1,), (1,)),
        (7, 1, (3,), (3,)),
        (5, 1, (6,), (6,)),
        (3, 1, (6,), (6,)),
        (1, 1, (3,), (3,)),
    ]
    assert kinds(("SO", 2), 1, 1) == [(2, 2, (2,), (2,))]
    assert (20, 2, (2,), (2,)) in kinds(("SO", 6), 3, 3)
    assert kinds(("A", 4), 2, 2) == [(3, 1, (4,), (4,)), (2, 2, (2,), (2,)), (1, 1, (2,), (2,))]
    quaternionic = adapted(QUATERNIONS, (1,), (1,)).irreps
    assert (4, 4, (4,), (4,)) in [(p.dim, p.division, p.copies_in, p.copies_out) for p in quaternionic]


@pytest.mark.parametrize(
    ("group", "k", "lo", "least"),
    [
        ("O(3)", 2, 2, 9),
        ("O(3)", 3, 3, 55),
        ("O(3)", 4, 4, 369),
        ("SO(3)", 2, 3, None),
        ("SO(4)", 3, 3, None),
        ("SO(2)", 3, 3, None),
        ("Sp(4)", 3, 3, None),
        ("S(4)", 2, 2, None),
        ("A(4)", 2, 2, None),
        ("A(5)", 2, 1, None),
    ],
)
def test_mixing_is_at_the_floor(group, k, lo, least):
    plan = eq.plan(group, f"5x{k}", f"3x{lo}", bias=False, method="irreps")
    floor = eq.floor(group, f"5x{k}", f"3x{lo}")
    assert plan.mixing == floor
    assert least is None or str(floor) == f"{least} c_in c_out"


def test_groups_that_have_no_orthonormal_basis_are_refused():
    shear = eq.MatrixGroup([[[1, 1], [0, 1]]])
    with pytest.raises(GroupError, match="not closed under transposition"):
        eq.plan(shear, 1, 1, method="irreps")
    assert eq.plan(shear, 1, 1).method == "matrix"
    with pytest.raises(SymbolicError, match="leaves n open"):
        eq.plan("O(n)", 2, 2, method="irreps")
    with pytest.raises(SymbolicError, match="leaves n open"):
        eq.plan("S(n)", 2, 2, method="matrix")
    with pytest.raises(SizeError, match="another method"):
        eq.plan("O(16)", 3, 3, method="irreps")
    with pytest.raises(SizeError, match="another method"):
        eq.plan("O(16)", 3, 3, method="matrix")
    with pytest.raises(GroupError, match="no diagrams"):
        eq.plan(shear, 1, 1, method="diagrams")


def test_wrong_methods_and_parameters_are_refused():
    with pytest.raises(EqsynthError, match=r"method is 'auto', .* or 'matrix', not 'fast'"):
        eq.plan("O(3)", 2, 2, method="fast")
    with pytest.raises(EqsynthError, match="parameters is 'diagrams' or 'blocks', not 'entries'"):
        eq.Linear("O(3)", 2, 2, parameters="entries")
    with pytest.raises(EqsynthError, match="only with method='irreps'"):
        eq.Linear("O(3)", 2, 2, method="diagrams", parameters="blocks")


@pytest.mark.parametrize("damage", ["a pick twice", "a copy less", "another copy"])
def test_a_wrong_recipe_is_noticed(damage):
    found = adapted(eq.Group("O", 3), (3,), (3,))
    maps = adapting._maps(found.group, (3,), (3,))
    assert adapting._holds(found, maps)
    place = next(i for i, part in enumerate(found.irreps) if part.copies_in == (2,))
    part = found.irreps[place]
    if damage == "a copy less":
        wrong = replace(part, picks_in=(part.picks_in[0][:1],))
    elif damage == "another copy":
        # Singular vectors of two parts, which no map takes into each other.
        wrong = replace(part, reference=tuple((first + 1, count) for first, count in part.reference))
    else:
        (first, _) = part.picks_in[0]
        wrong = replace(part, picks_in=((first, (first[0], first[1] - 1)),))
    changed = replace(found, irreps=(*found.irreps[:place], wrong, *found.irreps[place + 1 :]))
    if damage == "a pick twice":
        into, _ = changed.matrices()
        assert into[0][place].shape[1] == 2
        return
    assert not adapting._holds(changed, maps)


# --- the choice -----------------------------------------------------------------------------------------


def test_the_cheapest_method_is_chosen_and_all_costs_are_shown():
    wide, narrow = eq.plan("O(3)", "64x3", "64x3"), eq.plan("O(3)", "1x1", "1x1")
    assert wide.method == "irreps"
    assert narrow.method == "diagrams"
    assert eq.plan("O(3)", "64x3", "64x3", method="diagrams").method == "diagrams"
    costs = dict(wide.alternatives)
    assert list(costs.values()) == sorted(costs.values())
    assert costs["irreps"] == wide.estimate()
    assert "chosen: irreps" in str(wide)
    assert f"diagrams: {costs['diagrams']:,}" in str(wide)
    assert "1.00 times Schur's floor of 225,280" in str(wide)
    by_diagrams = eq.plan("O(3)", "64x3", "64x3", method="diagrams")
    assert "3.44 times Schur's floor of 225,280" in str(by_diagrams)
    assert by_diagrams.alternatives == ()


def test_layers_of_all_methods_share_their_state():
    layers = {m: eq.Linear("SO(3)", "4x2", "3x2", method=m) for m in ("auto", "diagrams", "irreps", "matrix")}
    state = layers["auto"].state_dict()
    assert [*state] == ["weight", "bias", "_extra_state"]
    x = torch.randn(5, 3, 3, 4)
    outputs = []
    for name, layer in layers.items():
        layer.load_state_dict(state)
        assert name in ("auto", layer.plan.method)
        outputs.append(layer(x))
    for output in outputs[1:]:
        torch.testing.assert_close(output, outputs[0])


@pytest.mark.parametrize("options", [{"method": "irreps"}, {"method": "matrix"}, {"parameters": "blocks"}])
def test_layers_survive_copies_pickles_and_devices(options):
    layer = eq.Linear("O(3)", "4x3", "2x3", **options)
    x = torch.randn(2, 3, 3, 3, 4)
    for again in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert again.plan == replace(layer.plan, alternatives=again.plan.alternatives)
        torch.testing.assert_close(again(x), layer(x))
    empty = eq.Linear("O(3)", "4x3", "2x3", device="meta", **options)
    empty.to_empty(device="cpu").reset_parameters()
    empty.load_state_dict(layer.state_dict())
    torch.testing.assert_close(empty(x), layer(x))


@pytest.mark.parametrize("factored", [False, True])
def test_tables_are_rebuilt_in_double_precision(factored):
    plan = with_classes(plan_hom(eq.Hom.parse("O(3)", "2x3", "2x3"), False, "variance", "irreps"), factored)
    layer, exact = layer_of(plan, torch.float32), layer_of(plan)
    layer.double()
    names = [name for name, _ in layer.named_buffers()]
    assert names
    for name in names:
        assert torch.equal(layer.get_buffer(name), exact.get_buffer(name))
    rows = torch.block_diag(*[q for n in names if n.startswith("into") and "places" not in n
                              for q in layer.get_buffer(n).reshape(-1, *layer.get_buffer(n).shape[-2:])])  # fmt: skip
    assert float((rows @ rows.T - torch.eye(len(rows))).abs().max()) < 1e-14
    assert not any(name in layer.state_dict() for name in names)


def test_the_variance_of_outputs_is_that_of_inputs():
    torch.manual_seed(0)
    for options in ({"method": "irreps"}, {"parameters": "blocks"}):
        for group, k, lo in (("O(3)", 3, 3), ("SO(3)", 2, 4), ("S(5)", 2, 2), ("SO(2)", 2, 2), ("Aut(C5)", 1, 2)):
            layer = eq.Linear(group, f"64x{k}", f"64x{lo}", bias=False, **options)
            n = int(layer.hom.group.n)
            with torch.no_grad():
                square = float((layer(torch.randn(200, *[n] * k, 64)) ** 2).mean())
            assert 0.8 < square < 1.25, (group, options, square)


# --- what torch does with them ------------------------------------------------------------------------


@pytest.mark.parametrize("group", ["O(3)", "SO(2)", "Aut(C5)"])
@pytest.mark.parametrize("factored", [False, True])
def test_layers_can_be_differentiated_mapped_and_compiled(group, factored):
    plan = with_classes(plan_hom(eq.Hom.parse(group, "2x2", "2x2"), True, "variance", "irreps"), factored)
    layer = layer_of(plan)
    n = int(plan.hom.group.n)
    x = torch.randn(3, n, n, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(layer, (x,))
    weights = {name: torch.stack([value, 2 * value]).detach() for name, value in layer.named_parameters()}
    both = torch.func.vmap(lambda w, x: torch.func.functional_call(layer, w, (x,)), (0, None))(weights, x)
    torch.testing.assert_close(both[0], layer(x))
    torch.testing.assert_close(both[1], 2 * layer(x))
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), layer(x))
    with torch.autocast("cpu", torch.bfloat16):
        near = layer.float()(x.float())
    torch.testing.assert_close(near.double(), layer.double()(x), rtol=0.1, atol=0.2)


@pytest.mark.parametrize("options", [{"method": "irreps"}, {"method": "matrix"}, {"parameters": "blocks"}])
def test_exported_files_are_verified(tmp_path, options):
    for group, k, lo in (("SO(3)", "2x2", "1x3"), ("SO(2)", "2x2", "2x2 + 1x4"), ("Aut(C5)", "1x1", "2x2")):
        layer = eq.Linear(group, k, lo, **options)
        path = tmp_path / "layer.py"
        eq.export(layer, path, force=True)
        assert f'method = "{layer.plan.method}"' in path.read_text()
        eq.verify(path)
        path.write_text(path.read_text().replace("7", "9", 1))
        with pytest.raises(EqsynthError):
            eq.verify(path)


def test_inspection_reads_diagrams_off_blocks():
    layer = eq.Linear("O(3)", 2, 2, bias=False, parameters="blocks")
    # The same multiple of every part is the identity.
    with torch.no_grad():
        layer.weight.fill_(3.0)
    first, *others = eq.inspect(layer).uses
    assert first.formula == "y[a,b] += x[a,b]"
    assert first.norm == pytest.approx(3)
    assert first.share == pytest.approx(1)
    assert all(use.norm == pytest.approx(0, abs=1e-6) for use in others)


def test_large_products_are_those_of_onednn_and_change_nothing(monkeypatch):
    """On CPUs in float32; a compiler, a tracer, a transform and double precision see plain products."""
    layer = eq.Linear("O(3)", "64x3", "64x3", bias=False, method="irreps")
    calls = []
    product = torch.ops.mkldnn._linear_pointwise
    monkeypatch.setattr(torch.ops.mkldnn, "_linear_pointwise", lambda *given: calls.append(given) or product(*given))
    x = torch.randn(64, 3, 3, 3, 64, requires_grad=True)
    y = layer(x)
    assert len(calls) == 3
    exact = copy.deepcopy(layer).double()
    twin = x.detach().double().requires_grad_()
    meant = exact(twin)
    assert len(calls) == 3
    torch.testing.assert_close(y.double(), meant, rtol=1e-4, atol=1e-4)
    for leaf, result, module in ((x, y, layer), (twin, meant, exact)):
        (slope,) = torch.autograd.grad(result.square().sum() / 1000, leaf, create_graph=True)
        slope.square().sum().backward()
        assert module.weight.grad is not None
    torch.testing.assert_close(x.grad.double(), twin.grad, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(layer.weight.grad.double(), exact.weight.grad, rtol=1e-3, atol=1e-2)
    before, kept, tangent = len(calls), x.detach(), torch.randn(x.shape)
    mapped = torch.func.vmap(layer)(kept.reshape(2, 32, 3, 3, 3, 64))
    torch.testing.assert_close(mapped.reshape(y.shape), y.detach(), rtol=1e-4, atol=1e-4)
    with torch.autograd.forward_ad.dual_level():
        moved = layer(torch.autograd.forward_ad.make_dual(kept, tangent))
        moved = torch.autograd.forward_ad.unpack_dual(moved).tangent
    torch.testing.assert_close(moved, layer(tangent), rtol=1e-4, atol=1e-4)
    before += 3  # of the last line
    torch.testing.assert_close(torch.func.jvp(layer, (kept,), (tangent,))[1], moved, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(torch.compile(layer, backend="eager")(x), y, rtol=1e-4, atol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(kept).dtype == torch.bfloat16
    with FlopCounterMode(display=False) as counter:
        layer(kept)
    assert counter.get_total_flops() >= 2 * 64 * 64 * 64 * 55
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", False)
    torch.testing.assert_close(layer(kept), y, rtol=1e-4, atol=1e-4)
    assert len(calls) == before
