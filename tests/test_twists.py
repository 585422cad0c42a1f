"""Orders twisted by the determinant: pseudovectors of O(n), the sign of S(n), and the same in every other family."""

import warnings
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

import eqsynth as eq
from eqsynth.bases.basis import from_data, to_data
from eqsynth.bases.constraints import nullspace
from eqsynth.bases.dimension import symmetric_dimension
from eqsynth.bases.schur import parts
from eqsynth.codegen.meaning import weights_of
from eqsynth.diagrams import enumeration
from eqsynth.diagrams.standard import excess
from eqsynth.errors import (
    ActivationError,
    CatalogError,
    GroupError,
    ParseError,
    PlanError,
    SpaceError,
    VerificationError,
)
from eqsynth.families.hom import Hom, maps_of, parse_problem
from eqsynth.families.representation import act
from eqsynth.project.catalog import Problem, check_entry, make_entry
from eqsynth.proof.verification import check_basis, check_module
from eqsynth.spaces.space import Symmetry, Twisted, axes_of, axis_counts, order_text, plain, stored_full, with_twists
from eqsynth.store.cache import digest
from eqsynth.symbolic import gram
from oracle import assert_all_agree, randomise

TABLES = ["Perm(4: 1 2 3 0)", "Perm(3: 1 2 0)", "Aut(path3)", "Matrix([[0,-1],[1,0]] [[1,0],[0,-1]]; )"]
NAMES = [f"{family}({n})" for family in ("S", "O", "H", "B", "S'", "B'") for n in (1, 2, 3)]
NAMES += ["S(4)", "B(4)", "O(1,1)", "O(1,2)", "O(2,1)", "A(3)", "SO(2)", "SO(1,1)", "Sp(2)", *TABLES]


def quiet(make):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make()


# --- as text and as values --------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "order"), [
    ("8x1.det", Twisted(1)), ("8x0.det", Twisted(0)), ("8xS2.det", Twisted(Symmetry("S", 2))),
    ("8xS2.packed.det", Twisted(Symmetry("S", 2, packed=True))), ("8xA3.packed.det", Twisted(Symmetry("A", 3, True))),
    ("8x(2,1.det)", (2, Twisted(1))), ("8x(S2.det,0)", (Twisted(Symmetry("S", 2)), 0)), ("8xS1.det", Twisted(1)),
])  # fmt: skip
def test_spaces_are_read_and_printed(text, order):
    space = eq.Space.parse(text)
    assert space.orders == (order,)
    assert eq.Space.parse(str(space)) == space == eval(repr(space), {"Space": eq.Space, **globals()})
    assert eq.Space(((8, order),)) == space


def test_both_orders_of_suffixes_are_accepted():
    assert str(eq.Space.parse("4xS2.det.packed")) == "4xS2.packed.det"


@pytest.mark.parametrize(("text", "message"), [
    ("8x1.det.det", "twice twisted"), ("8xS2.packed.packed", "twice packed"), ("8x1.packed.det", "can be packed"),
    ("8x(2,1).det", r"write \(2,1.det\)"), ("8x1.dot", "expected"), ("8x1.", "expected"), ("8xdet", "expected"),
    ("8x1 .det", "joined by"),
])  # fmt: skip
def test_other_texts_are_refused(text, message):
    with pytest.raises(ParseError, match=message):
        eq.Space.parse(text)


def test_values_are_checked():
    assert Twisted(np.int64(2)) == Twisted(2)
    for wrong in (-1, "1", Twisted(1), (1, 2), None):
        with pytest.raises(SpaceError):
            Twisted(wrong)
    assert order_text(plain((Twisted(Symmetry("S", 2)), 1))) == "(2.det,1)"
    assert stored_full(Twisted(Symmetry("A", 2, True))) == Twisted(Symmetry("A", 2))
    assert axis_counts((Twisted(Symmetry("S", 2)), Twisted(1))) == (2, 1)


def test_determinants_that_are_no_signs_are_refused():
    for text in ("Matrix([[2]]; )", "Matrix(; [[1,0],[0,0]])"):
        assert len(eq.basis(text, 1, 1)) == (1 if "[[2]]" in text else 2)
        with pytest.raises(GroupError, match="orders without"):
            eq.basis(text, "1.det", 1)


# --- which maps there are ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_bases_span_the_null_space_of_the_twisted_action(name):
    """Each pair of orders, and each way to choose a basis; the null space asks the generators alone."""
    group = eq.Group.parse(name)
    ways = ("auto", "standard") if group.diagrammatic else ("auto",)
    for total in range(7):
        if group.number**total > 32:
            break
        for k in {0, total // 2}:
            for inputs, outputs in ((Twisted(k), total - k), (Twisted(k), Twisted(total - k))):
                kernel = nullspace(group, inputs, outputs)
                for choose in ways:
                    basis = eq.basis(group, inputs, outputs, choose=choose)
                    assert len(basis) == len(kernel)
                    if len(basis):
                        both = np.concatenate([basis.matrices(), kernel]).reshape(2 * len(basis), -1).astype(float)
                        assert np.linalg.matrix_rank(both) == len(basis)
                        assert str(len(basis)) in check_basis(basis)


@pytest.mark.parametrize("name", [name for name in NAMES if eq.Group.parse(name).diagrammatic])
def test_two_twists_are_none(name):
    group = eq.Group.parse(name)
    for k, lo in ((1, 1), (2, 1), (0, 2)):
        assert eq.basis(group, Twisted(k), Twisted(lo)).diagrams == eq.basis(group, k, lo).diagrams
        turned = eq.basis(group, k, Twisted(lo)), eq.basis(group, Twisted(k), lo)
        assert turned[0].diagrams == turned[1].diagrams


@pytest.mark.parametrize(("twisted", "special"), [("O", "SO"), ("S", "A")])
def test_they_are_the_heads_of_the_special_group(twisted, special):
    for n, k, lo in ((2, 2, 2), (3, 2, 1), (3, 2, 3), (4, 2, 2)):
        heads = [diagram for diagram in enumeration.diagrams(eq.Group(special, n), lo, k) if diagram.head]
        allowed = maps_of(eq.Group(twisted, n), Twisted(k), lo)
        assert [*enumeration.diagrams(allowed, lo, k)] == heads
        assert {*eq.basis(f"{twisted}({n})", Twisted(k), lo)} <= {*heads}


def test_with_a_letter_there_are_none():
    for family in ("S", "O", "H", "B", "S'", "B'"):
        assert not len(eq.basis(f"{family}(n)", "2.det", 2))
        assert not len(eq.basis(f"{family}(n)", "S2.det", 2))
        assert len(eq.basis(f"{family}(n)", "2.det", "2.det")) == len(eq.basis(f"{family}(n)", 2, 2))


@pytest.mark.parametrize("family", ["S", "O", "H", "B", "S'", "B'"])
def test_symmetric_dimensions_are_ranks(family):
    for n in (1, 2, 3):
        for pair in (
            ("S2.det", "1"),
            ("S3.det", "2"),
            ("A2", "1.det"),
            ("S2", "A2.det"),
            ("A3.det", "0"),
            ("A2", "2.det"),
        ):
            basis = eq.basis(f"{family}({n})", *pair)  # raises where the ranks of means are not the dimension
            check_basis(basis)
            assert basis.certificate.dimension == len(basis)
    two = Symmetry("A", 2)
    assert (
        symmetric_dimension(eq.Group("O", 3).headed, two, 1) == symmetric_dimension(eq.Group("O", 2).headed, two) == 1
    )


def test_standard_diagrams_are_kept_without_ranks():
    for name, pair, spanning in (("O(2)", ("4.det", 4), 28 * 15), ("B(3)", ("4.det", 4), 420 + 1260 + 420 + 28)):
        basis = eq.basis(name, *pair, choose="standard")
        assert (basis.certificate.independence, basis.certificate.spanning) == ("standard", spanning)
        allowed = maps_of(basis.group, basis.inputs, basis.outputs)
        assert not any(excess(allowed, diagram) for diagram in basis)
        assert check_basis(basis)
        assert from_data(basis.group, basis.inputs, basis.outputs, to_data(basis), "standard") == basis


def test_parts_count_the_maps():
    """Multiplicities of parts times the determinant, at numbers and at letters."""
    for name in [*(name for name in NAMES if eq.Group.parse(name).stride), "S(5)", "O(n)", "S(n)", "H(n)", "B'(n)"]:
        for k, lo in ((1, 2), (2, 2), (1, 1), (2, 1)):
            for ins, outs in ((f"1x{k}.det", f"1x{lo}"), (f"1x{k}.det", f"1x{lo}.det")):
                shared = parts(name, ins, outs)
                count = sum(part.delta * part.copies_in[0] * part.copies_out[0] for part in shared)
                assert count == len(eq.basis(name, ins[2:], outs[2:])), (name, ins, outs)
    assert str(eq.floor("O(3)", "8x1.det", "8x2")) == "3 c_in c_out"
    assert [part.name for part in parts("S(n)", "1x1.det", "1x1.det + 1x1")] == ["(n) det", "(n-1,1) det"]


def test_what_is_wrong_with_a_basis_is_found():
    good = eq.basis("O(3)", "1.det", 2)
    assert from_data(good.group, good.inputs, good.outputs, to_data(good)) == good
    for other in (eq.basis("O(3)", 1, 2), eq.basis("SO(3)", 2, 1), eq.basis("O(3)", 1, 1)):
        with pytest.raises(CatalogError):
            from_data(good.group, good.inputs, good.outputs, to_data(other))
    for wrong in (
        replace(good, inputs=1),  # a head between plain orders
        replace(good, outputs=Twisted(2)),
        replace(good, diagrams=()),
        replace(good, group=eq.Group("O", 4)),
        replace(eq.basis("O(3)", 2, 2), inputs=Twisted(2)),  # matchings between a twisted order and another
        replace(eq.basis("H(2)", "2.det", 2), group=eq.Group("S", 2)),
        replace(eq.basis("S(3)", "2.det", 1), group=eq.Group("H", 3)),
        replace(eq.basis("B(3)", "1.det", 2), group=eq.Group("B'", 3), inputs=Twisted(2), outputs=1),
        replace(eq.basis("Perm(4: 1 2 3 0)", 1, 1), inputs=Twisted(1)),
        replace(eq.basis("Perm(4: 1 2 3 0)", "1.det", 1), inputs=1),
    ):
        with pytest.raises(VerificationError):
            check_basis(wrong)


# --- layers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "spaces", "method"), [
    ("O(3)", ("2x1 + 1x2.det", "1x1.det + 2x2 + 1x0.det"), "diagrams"),
    ("O(3)", ("2x1 + 1x2.det", "1x1.det + 2x2 + 1x0.det"), "irreps"),
    ("S(3)", ("2x2.det + 1x1", "1x1.det + 1x1 + 1x0"), "diagrams"),
    ("S(3)", ("1x2.det + 1x2", "1x2 + 1x0.det"), "fourier"),
    ("S(2)", ("1x2.det", "2x1 + 1x0.det"), "matrix"),
    ("H(2)", ("2x2.det + 1x1", "1x2 + 1x1.det"), "diagrams"),
    ("B(3)", ("1x2.det + 1x1", "2x1 + 1x1.det + 1x0"), "diagrams"),
    ("B'(2)", ("1x2.det + 1x1", "2x2 + 1x1.det"), "diagrams"),
    ("S'(3)", ("1x2.det", "2x1 + 1x2.det"), "diagrams"),
    ("O(1,2)", ("1x2.det + 1x1", "2x1 + 1x2.det"), "diagrams"),
    ("O(2)", ("1xS2.det + 1xA2.packed", "1xA2 + 1x1.det + 1xS2.packed.det"), "diagrams"),
    ("Perm(3: 1 0 2)", ("1x1.det + 1x1", "1x1 + 1x0.det"), "matrix"),
    ("Aut(path3)", ("1x1.det + 1x1", "1x1 + 1x0.det"), "auto"),
])  # fmt: skip
def test_oracle_interpreter_and_module_agree(name, spaces, method):
    layer = quiet(lambda: eq.Linear(name, *spaces, method=method, dtype=torch.float64))
    assert_all_agree(randomise(layer), layer.hom.group.n)


@pytest.mark.parametrize("make", [
    lambda: "O(n): 2x1.det + 1x2 -> 1x2 + 2x1.det",
    lambda: "S(n): 2x1.det -> 1x2.det + 1x0",
    lambda: "SO(3): 1x1.det -> 1x1 + 1x2",
    lambda: eq.Linear("S(3) x O(3)", "2x(1,1.det) + 1x(1.det,1)", "1x(2,2)"),
    lambda: eq.Linear("Perm(3: 1 0 2) x O(2)", "1x(1.det,1)", "1x(1,1.det)"),
    lambda: eq.Linear("O(3)", "2x1.det", "2x2", parameters="blocks"),
    lambda: eq.TensorProduct("O(3)", "2x1", "2x1", "2x1.det + 1x2"),
    lambda: eq.TensorProduct("B(3)", "1x1.det", "2x1", "1x1.det + 1x1"),
    lambda: eq.TensorProduct("S(3)", "1xS2.det", "1x1.det", "1x1.det"),
    lambda: eq.Power("O(3)", "2x1.det", 2, "1x2 + 1x0"),
    lambda: eq.PolynomialLayer("O(3)", "1x1.det + 1x1", 2, "1x1.det + 1x0.det"),
])  # fmt: skip
def test_layers_and_products_are_proven(make):
    assert "equivariant" in str(quiet(lambda: eq.verify(make())))


def test_the_cross_product_is_a_pseudovector():
    layer = eq.TensorProduct("O(3)", "1x1", "1x1", "1x1.det", bias=False, dtype=torch.float64)
    assert sum(weight.numel() for weight in layer.parameters()) == 1
    u, v = torch.randn(2, 5, 3, 1, dtype=torch.float64)
    value, cross = layer(u, v), torch.linalg.cross(u, v, dim=1)
    torch.testing.assert_close(value / cross, (value / cross)[:1, :1].expand_as(value))
    mirror = torch.diag(torch.tensor([-1.0, 1, 1], dtype=torch.float64))
    mirrored = layer(*(torch.einsum("ij,bjc->bic", mirror, x) for x in (u, v)))
    torch.testing.assert_close(mirrored, -torch.einsum("ij,bjc->bic", mirror, value))
    # Between plain orders there is none.
    with pytest.warns(eq.errors.ZeroOutputWarning):
        eq.TensorProduct("O(3)", "1x1", "1x1", "1x1")


def test_elements_act_with_their_determinants():
    rng = np.random.default_rng(0)
    mirror, turn = np.diag([-1.0, 1, 1]), np.eye(3)[[1, 2, 0]]
    x = rng.standard_normal((2, 3, 4))
    np.testing.assert_allclose(act([mirror], Twisted(1), x), -act([mirror], 1, x))
    np.testing.assert_allclose(act([turn], Twisted(1), x), act([turn], 1, x))
    pair = (Twisted(0), Twisted(1))
    np.testing.assert_allclose(act([mirror, mirror], pair, x), act([mirror, mirror], (0, 1), x))
    packed = rng.standard_normal((2, 6, 4))
    order = Symmetry("S", 2, packed=True)
    np.testing.assert_allclose(act([mirror], Twisted(order), packed), -act([mirror], order, packed))


def test_biases_go_to_what_does_not_change():
    layer = quiet(lambda: eq.Linear("O(2)", "1x1", "1x0 + 1x0.det + 1x2 + 1x2.det"))
    assert layer.plan.bias_dims == (1, 0, 1, 1)
    assert quiet(lambda: eq.Linear("S(3)", "1x1", "1x0 + 1x0.det + 1x1.det + 1x2.det")).plan.bias_dims == (1, 0, 0, 1)


def test_weights_say_that_they_are_twisted():
    layers = [eq.Linear("O(3)", space, space) for space in ("2x1", "2x1.det")]
    assert weights_of(layers[1].plan) == "eqsynth 1; O(n): 1.det -> 1.det; parameters=diagrams"
    with pytest.raises(RuntimeError, match=r"1.det -> 1.det"):
        layers[0].load_state_dict(layers[1].state_dict())
    with pytest.raises(RuntimeError, match=r"those of O\(3\): 1 -> 1;"):
        layers[1].load_state_dict(layers[0].state_dict())
    # Where all determinants are 1, the function is the same.
    plain_layer, named = eq.Linear("SO(3)", "2x1", "2x2"), eq.Linear("SO(3)", "2x1.det", "2x2")
    named.load_state_dict(plain_layer.state_dict())
    x = torch.randn(4, 3, 2)
    torch.testing.assert_close(named(x), plain_layer(x))


@pytest.mark.parametrize("name", ["O(3)", "S(3)", "B(3)"])
def test_where_all_is_twisted_nothing_else_changes(name):
    first, second = (
        eq.plan(name, f"2x2{twist}", f"2x1{twist} + 1x2{twist}", bias=False, method="diagrams")
        for twist in ("", ".det")
    )
    assert first.steps == second.steps
    assert first.pairs == second.pairs


@pytest.mark.parametrize("swap", [("2x1.det", "2x1"), ("1x2 +", "1x2.det +")])
def test_a_layer_that_lies_about_a_twist_is_caught(swap):
    layer = quiet(lambda: eq.Linear("O(3)", "2x1.det", "1x2 + 1x1.det"))
    eq.testing.assert_equivariant(layer)
    ins, outs = str(layer.space_in).replace(*swap), str(layer.space_out).replace(*swap)
    with pytest.raises(eq.errors.EquivarianceError):
        eq.testing.assert_equivariant(layer, "O(3)", ins, outs)


@pytest.mark.parametrize(("right", "wrong"), [
    (("O(2)", "1x1.det", "1x1"), ("O(2)", "1x1", "1x1")),
    (("O(2)", "1x1", "1x1"), ("O(2)", "1x1", "1x1.det")),
    (("H(2)", "1x2.det", "1x2"), ("H(2)", "1x2", "1x2")),
    (("S(2)", "1x1.det", "1x1"), ("S(2)", "1x1", "1x1")),
])  # fmt: skip
def test_a_plan_of_other_twists_is_caught(right, wrong):
    plan = eq.plan(*right, bias=False, method="diagrams")
    assert check_module(plan)
    with pytest.raises((PlanError, VerificationError)):
        check_module(replace(plan, problem=Hom.parse(*wrong)))


def test_files_stand_alone(tmp_path):
    listed = ("O(3)", "2x1.det", "2x2"), ("B(3)", "2x1.det", "2x1"), ("S(3) x O(2)", "1x(1,1.det)", "1x(1,1)")
    path = tmp_path / "layer.py"
    for arguments in listed:
        path.unlink(missing_ok=True)
        eq.export(eq.Linear(*arguments), path)
        assert arguments[1] in path.read_text()
        assert "byte for byte" in str(eq.verify(path))
    text = path.read_text()
    path.write_text(text.replace("(1,1.det)", "(1,1)"))
    with pytest.raises((VerificationError, eq.errors.ExportError)):
        eq.verify(path)


def test_catalogs_hold_them():
    for hom in ("O(3): 1x1.det -> 1x2", "S(3): 1x1 -> 1x2.det", "O(3): 1x1 (x) 1x1 -> 1x1.det"):
        problem = Problem.of(parse_problem(hom))
        entry = make_entry(problem)
        assert check_entry(digest(problem.data), entry, prove=True)
        wrong = {**entry, "bases": [{**entry["bases"][0], "inputs": 1, "outputs": 2}]}
        with pytest.raises(CatalogError):
            check_entry(digest(problem.data), wrong)


def test_pages_and_words_say_it():
    (section,) = eq.page.document("O(3)", "1.det", 2)["dimension"]
    assert section["value"] == 1
    assert [count for _, count in section["points"][:4]] == [1, 0, 1, 0]
    assert "determinant" in eq.page.document("S(3)", "1.det", 2)["walks"][0]["note"]
    assert "elements of determinant -1 negate" in str(eq.basis("O(3)", "1.det", 2))
    assert "negate" not in str(eq.basis("SO(3)", "1.det", 2))
    assert "sums over its last index" in str(eq.basis("B(3)", "1.det", 1))
    document = eq.page.document("O(2)", "2.det", 2)
    assert document["left"]["count"] == 3


def test_projections_find_the_coefficients():
    rng = np.random.default_rng(0)
    for name in ("O(2)", "S(3)", "B(3)", "H(2)"):
        basis = eq.basis(name, "2.det", 2)
        weights = rng.integers(-3, 4, len(basis))
        projection = basis.project(np.tensordot(weights, basis.matrices(), 1))
        assert [int(value) for value in projection.coefficients] == weights.tolist()


# --- eq.nn ------------------------------------------------------------------------------------------------


def test_only_odd_functions_of_pseudoscalars():
    for name, space in (("O(3)", "2x0.det"), ("S(4)", "2x1.det"), ("S(3) x O(3)", "2x(1,0.det)"), ("O(1)", "2x0.det")):
        eq.testing.assert_equivariant(eq.nn.Activation(name, space, "tanh"))
        with pytest.raises(ActivationError, match="odd"):
            eq.nn.Activation(name, space, "relu")
    # V is the determinant of O(1), and determinants of A(n) and SO(n) are 1.
    for name, space in (("O(1)", "2x1.det"), ("A(4)", "2x1.det"), ("SO(3)", "2x0.det"), ("S(1)", "2x1.det")):
        eq.testing.assert_equivariant(eq.nn.Activation(name, space, "relu"))
    with pytest.raises(ActivationError, match="affine"):
        eq.nn.Activation("O(3)", "2x1.det", "tanh")


@pytest.mark.parametrize("make", [
    lambda: eq.nn.Gated("O(3)", "2x1.det + 2x0.det + 1x0"),
    lambda: eq.nn.Gated("S(4)", "2x1.det + 1x0.det"),
    lambda: eq.nn.NormActivation("S(4)", "2x1.det + 1x0.det + 1x0"),
    lambda: eq.nn.NormActivation("O(3)", "2x1.det + 1x0.det + 1x0"),
    lambda: eq.nn.Pairings("S(4)", "2x1.det + 1x0.det + 1x0 + 1x1"),
    lambda: eq.nn.LayerNorm("S(4)", "2x1.det + 2x0.det + 2x0"),
    lambda: eq.nn.LayerNorm("S(4)", "2x1.det + 2x2", over="all"),
    lambda: eq.nn.BatchNorm("O(3)", "2x1.det + 2x0.det + 2x0"),
    lambda: eq.nn.BatchNorm("S(4)", "2x1.det + 2x0.det"),
    lambda: eq.nn.Dropout("S(4)", "2x1.det + 2x0.det", p=0.5).eval(),
    lambda: eq.nn.Pool("S(3)", "2x2.det + 1x1.det + 1x0.det", "max"),
    lambda: eq.nn.Pool("O(3)", "2x3.det + 1x1.det + 1x0.det"),
    lambda: eq.nn.MLP("O(3)", ["1x1", "2x1.det + 2x1 + 2x0.det + 2x0", "1x1.det + 1x0"]),
    lambda: eq.nn.MLP("S(3)", ["1x1.det", "2x1.det", "1x1.det + 1x0"], norm="batch"),
])  # fmt: skip
def test_modules_are_equivariant(make):
    eq.testing.assert_equivariant(quiet(make), trials=1)


def test_gates_and_norms_have_no_sign():
    assert str(eq.nn.Gated("S(4)", "2x1.det + 1x0.det").space_in) == "2x1.det + 1x0.det + 2x1 + 1x0"
    assert str(eq.nn.Pool("O(3)", "2x0.det").space_out) == "2x0"
    norm = eq.nn.BatchNorm("O(3)", "2x0.det + 2x0")
    assert [name for name, _ in norm.named_parameters()] == ["weight_0", "weight_1", "bias_1"]


def test_sparse_tensors_are_refused():
    with pytest.raises(SpaceError, match="have heads"):
        eq.nn.Sparse(eq.Linear("S(n)", "2x2.det", "2x1.det"))


def test_padded_samples_are_those_alone():
    net = eq.nn.Sequential(eq.Linear("S(n)", "2x2.det", "3x1.det"), eq.nn.Pool("S(n)", "3x1.det"))
    samples = [torch.randn(n, n, 2) for n in (2, 4)]
    padded, sizes = eq.nn.pad(samples, "S(n)", "2x2.det")
    for value, sample in zip(eq.nn.Padded(net)(padded, sizes), samples, strict=True):
        torch.testing.assert_close(value, net(sample[None])[0])


def test_twists_of_products_are_added():
    assert with_twists((2, Twisted(1)), [True, False]) == (Twisted(2), 1)
    layer = quiet(lambda: eq.TensorProduct("S(3) x O(2)", "1x(1.det,1)", "1x(1.det,1.det)", "1x(0,0.det)"))
    assert str(layer.plan.problem.hom.space_in) == "1x(2,2.det)"


@pytest.mark.parametrize("problem", [
    "Aut(2: 0-1): 2x2.det -> 2xS2", "Aut(cycle4): 1x1.det + 1x1 -> 1xS2 + 1x1.det", "Aut(2:): 1xS2.det -> 1xS2",
])  # fmt: skip
def test_constants_that_are_sums_of_diagrams_stand_beside_tables(problem):
    """Both methods once refused them, and each named the other."""
    assert "equivariant" in str(eq.verify(problem, trials=1))


def test_null_spaces_of_whole_matrices_are_counted_in_whole_numbers():
    """2,401 unknowns: as fractions they took minutes."""
    assert not len(eq.basis("Z(2)^7", "2.det", 2))


# --- algebra ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["O(2)", "S(3)", "H(2)", "B(3)", "B'(1)", "O(1,2)"])
def test_maps_compose_as_their_matrices_do(name):
    rng = np.random.default_rng(0)
    orders = (0, 1, 2, "0.det", "1.det")
    bases = [basis for pair in product(orders, orders) if len(basis := eq.basis(name, *pair))]
    maps = [basis.map(int(rng.integers(len(basis)))) for basis in bases]
    for basis in bases:
        matrices = basis.matrices().reshape(len(basis), -1)
        rows = gram(name, basis.inputs, basis.outputs).rows
        assert [[int(value) for value in row] for row in rows] == (matrices @ matrices.T).tolist()
    for first in maps:
        np.testing.assert_array_equal(first.T.matrix(), first.matrix().T)
        for second in (maps[int(place)] for place in rng.integers(len(maps), size=2)):
            if sum(axes_of(order) for map_ in (first, second) for order in (map_.inputs, map_.outputs)) < 7:
                both = first @ second
                np.testing.assert_array_equal(both.matrix(), np.kron(first.matrix(), second.matrix()))
        for second in [other for other in maps if other.inputs == first.outputs][:4]:
            both = first >> second
            assert (both.inputs, both.outputs) == (first.inputs, second.outputs)
            np.testing.assert_array_equal(both.matrix(), second.matrix() @ first.matrix())


def test_twisted_orders_of_maps():
    one = eq.algebra.identity("O(3)", "1.det")
    assert (str((one @ one).outputs), eq.algebra.trace(one)) == ("2", 3)
    assert eq.algebra.identity("SO(3)", "1.det") == eq.algebra.identity("SO(3)", 1)
    assert eq.symbolic.gram_determinant("O(n)", "1.det", "1.det") == eq.symbolic.gram_determinant("O(n)", 1, 1)
    assert eq.symbolic.gram_determinant("O(n)", "1.det", 1) == 1
    with pytest.raises(eq.errors.SpaceError, match="must be equal"):
        one >> eq.algebra.identity("O(3)", 1)
