"""Irreps as spaces: {2,1} and 1o beside tensors; what tensors consist of; weights and features of e3nn."""

import itertools
import warnings
from dataclasses import replace
from fractions import Fraction
from math import factorial, prod

import numpy as np
import pytest
import torch

import eqsynth as eq
from alone import run_alone
from eqsynth import Group, Space
from eqsynth.bases import irreps as counted
from eqsynth.bases.couplings import Coupling
from eqsynth.diagrams import functor
from eqsynth.errors import (
    ActivationError,
    EqsynthError,
    GroupError,
    ParseError,
    ShapeError,
    SizeError,
    SpaceError,
    SymbolicError,
    VerificationError,
    ZeroOutputWarning,
)
from eqsynth.exact.partitions import conjugate, partitions
from eqsynth.families.hom import ProductHom
from eqsynth.families.irreps import coordinates, fitted, vectors
from eqsynth.plans.products import maps
from eqsynth.plans.steps import Couple, Input, Join, Mix, Output, Pack, Unpack
from eqsynth.proof.couplings import misfit, multiplicity
from eqsynth.proof.verification import check_basis
from eqsynth.show.page import document
from eqsynth.spaces.space import Irrep, Twisted, entries_of, read_order

#: What e3nn 0.6 gives for o3.spherical_harmonics(l, (0.3, -0.5, 0.7), normalize=False, normalization="component").
POINT = (0.3, -0.5, 0.7)
HARMONICS = (
    (1.0,),
    (0.519615242271, -0.866025403784, 1.212435565298),
    (0.813326502704, -0.580947501931, -0.0894427191, -1.355544171173, 0.774596669241),
    (0.865943127463, -1.075929830426, 0.204143332, 0.82018290643, 0.476334441333, -1.024695076596, 0.322114110216),
    (
        *(0.745426052671, -1.298914691194, 0.648012499879, 0.263259615209, -0.73905),
        *(0.614272435488, 0.61715476179, -0.483171165323, -0.036383890666),
    ),
)
#: o3.Linear of e3nn 0.6, weights 1/4, 2/4, ..., the bias 1/8, of the input -2, -1, ..., 3.
E3NN = ("2x0e + 1x1o + 1x0e", "1x0e + 2x1o")
E3NN_OUTPUTS = {
    "element": (1.7127132402714706, 0.0, 0.75, 1.5, 0.0, 1.0, 2.0),
    "path": (2.2766504294495533, 0.0, 0.75, 1.5, 0.0, 1.0, 2.0),
}

IRREPS = {
    "O(3)": ["0e", "0o", "1o", "1e", "2e", "3o"],
    "O(2)": ["{1}", "{3}"],
    "O(4)": ["{2}", "{1,1}", "{2,1}", "{2,2}"],
    "SO(2)": ["{1}", "{2}"],
    "SO(5)": ["{1,1}", "{2,1}"],
    "Sp(4)": ["{1}", "{2}", "{1,1}", "{2,1}"],
    "S(4)": ["{4}", "{3,1}", "{2,2}", "{2,1,1}", "{1,1,1,1}"],
    "S(5)": ["{3,2}", "{3,1,1}"],
    "A(4)": ["{3,1}", "{2,2}"],
    "H(3)": ["{2,1;}", "{2;1}", "{1;1,1}", "{1;2}", "{-;2,1}"],
}
ALL = [(group, name) for group, names in IRREPS.items() for name in names]


def bound(group, name):
    """An irrep of a group, and whether the determinant twists it."""
    order = fitted(Group.parse(group), read_order(name))
    return entries_of(order)[0], isinstance(order, Twisted)


def matrix_of(one, element):
    """What an element does to coordinates."""
    rows = coordinates(one)
    power = np.ones((1, 1))
    for _ in range(one.order):
        power = np.kron(power, element)
    return rows @ power @ rows.T


def elements(group):
    """All elements of a small finite group."""
    generators = [np.array(one) for one in Group.parse(group).generating_matrices()[0]]
    found = {np.eye(len(generators[0]), dtype=int).tobytes(): np.eye(len(generators[0]), dtype=int)}
    agenda = list(found.values())
    while agenda:
        one = agenda.pop()
        for generator in generators:
            new = generator @ one
            if new.tobytes() not in found:
                found[new.tobytes()] = new
                agenda.append(new)
    return list(found.values())


class TestCoordinates:
    @pytest.mark.parametrize(("group", "name"), ALL)
    def test_they_are_orthogonal_and_elements_keep_them(self, group, name):
        one, _ = bound(group, name)
        rows = vectors(one)
        inner = rows @ rows.T
        assert (inner == np.diag(np.diag(inner))).all()
        assert np.diag(inner).all()
        rng = np.random.default_rng(0)
        g, h = (Group.parse(group).random_element(rng) for _ in range(2))
        assert np.allclose(matrix_of(one, g @ h), matrix_of(one, g) @ matrix_of(one, h))
        assert one.dim == len(rows)

    def test_those_of_o3_are_spherical_harmonics_in_the_order_and_with_the_signs_of_e3nn(self):
        for degree, expected in enumerate(HARMONICS):
            power = np.ones(1)
            for _ in range(degree):
                power = np.kron(power, POINT)
            ours = coordinates(Irrep.of_degree(degree)) @ power
            scale = np.linalg.norm(expected) / np.linalg.norm(ours)
            assert np.allclose(ours * scale, expected, atol=1e-10)

    def test_degree_two_are_these_matrices(self):
        half, sixth = 2**-0.5, 6**-0.5
        expected = np.zeros((5, 3, 3))
        for row, (i, j) in ((0, (0, 2)), (1, (0, 1)), (3, (1, 2))):
            expected[row, i, j] = expected[row, j, i] = half
        expected[2] = np.diag([-sixth, 2 * sixth, -sixth])
        expected[4] = np.diag([-half, 0, half])
        units = torch.eye(5, dtype=torch.float64)[:, :, None]
        assert np.allclose(eq.unpack(units, "2e")[..., 0], expected)
        assert np.allclose(eq.pack(torch.from_numpy(expected)[..., None], "2e")[..., 0], np.eye(5))

    def test_degree_three_at_these_places(self):
        tensor = eq.unpack(torch.eye(7, dtype=torch.float64)[:, :, None], "3o")[..., 0].numpy()
        assert np.allclose(tensor[3, 1, 1, 1], 2 * 10**-0.5)  # y³ of y (2 y² - 3 x² - 3 z²)
        assert np.allclose(tensor[3, 0, 0, 1], -(10**-0.5))
        assert np.allclose(tensor[1, 0, 1, 2], 6**-0.5)  # x y z
        assert np.allclose(tensor[0, 2, 2, 0], 0.5)
        assert np.allclose(tensor[0, 0, 0, 0], -0.5)
        assert np.allclose(tensor[6, 2, 2, 2], 0.5)
        assert np.allclose(tensor[6, 0, 0, 2], -0.5)

    @pytest.mark.parametrize("group", ["S(4)", "A(4)", "H(3)"])
    def test_characters_of_finite_groups_say_the_same(self, group):
        parsed, every = Group.parse(group), elements(group)
        powers = np.array([np.trace(g) for g in every])
        signs = np.array([np.sign(np.linalg.det(g)) for g in every])
        for name in IRREPS[group]:
            one, twisted = bound(group, name)
            own = np.array([np.trace(matrix_of(one, g)) for g in every]) * (signs if twisted else 1)
            order = Twisted(one) if twisted else one
            assert round((own**2).mean()) == counted.dimension(parsed, order, order)
            for axes in range(4):
                assert round((own * powers**axes).mean()) == counted.dimension(parsed, order, axes)
                twist = round((own * powers**axes * signs).mean())
                assert twist == counted.dimension(parsed, Twisted(axes), order)


class TestDimensions:
    def test_hook_formula(self):
        for n in (3, 4, 5, 6):
            for label in partitions(n):
                columns = conjugate(label)
                hooks = prod(
                    length - column + columns[column] - row - 1
                    for row, length in enumerate(label)
                    for column in range(length)
                )
                assert Group("S", n).part_dimension(label) == factorial(n) // hooks
            assert sum(Group("S", n).part_dimension(one) ** 2 for one in partitions(n)) == factorial(n)

    @pytest.mark.parametrize(("family", "n"), [("SO", 3), ("SO", 5), ("SO", 7), ("Sp", 2), ("Sp", 4), ("Sp", 6)])
    def test_weyl_formula(self, family, n):
        # Types B and C: rho is (r - 1/2, ..., 1/2), or (r, ..., 1); all roots e_i - e_j, e_i + e_j, and e_i.
        rank, shift = n // 2, Fraction(1, 2) if family == "SO" else Fraction(1)
        rho = [rank - 1 - i + shift for i in range(rank)]
        for label in [one for boxes in range(5) for one in partitions(boxes) if len(one) <= rank]:
            moved = [r + part for r, part in itertools.zip_longest(rho, label, fillvalue=0)]
            dim = prod((a / b for a, b in zip(moved, rho, strict=True)), start=Fraction(1))
            for i, j in itertools.combinations(range(rank), 2):
                dim *= (moved[i] ** 2 - moved[j] ** 2) / (rho[i] ** 2 - rho[j] ** 2)
            assert Group(family, n).part_dimension(label) == dim

    def test_degrees(self):
        assert [bound("O(3)", f"{{{degree}}}")[0].dim for degree in range(1, 8)] == [3, 5, 7, 9, 11, 13, 15]


class TestWhatTensorsConsistOf:
    @pytest.mark.parametrize(
        "group",
        [*IRREPS, "SO(3)", "SO(4)", "A(5)", "B(4)", "S'(3)", "B'(4)", "O(1,3)", "S(3) x O(3)", "SO(2) x SO(2)"],
    )
    def test_dimensions_and_maps_add_up(self, group):
        parsed = Group.parse(group)
        for axes in range(3):
            order = (axes,) * len(parsed.factors) if len(parsed.factors) > 1 else axes
            whole = eq.irreps(group, order)
            assert int(str(whole.dim)) == prod(factor.number**axes for factor in parsed.factors)
            maps = sum(part.delta * part.copies_in[0] ** 2 for part in whole.parts)
            assert maps == len(eq.basis(group, order, order))

    @pytest.mark.parametrize("family", ["S", "A", "O", "SO", "Sp", "H", "B", "S'", "B'"])
    def test_letters_hold_for_numbers(self, family):
        whole = eq.irreps(f"{family}(n)", 2)
        assert str(whole.dim) == "n²"
        n = 8
        numbers = eq.irreps(f"{family}({n})", 2)
        assert sorted((str(part.dim(n=n)), part.copies_in) for part in whole.parts) == sorted(
            (str(part.dim), part.copies_in) for part in numbers.parts
        )

    def test_it_is_a_space_of_layers(self):
        whole = eq.irreps("O(3)", 3)
        assert str(whole.space) == "3x1o + 1x0o + 2x2o + 1x3o" == " + ".join(f"{m}x{name}" for name, m in whole)
        layer = eq.Linear("O(3)", "1x3", whole.space)
        assert layer.plan.dims == {(0, 0): 3, (0, 1): 1, (0, 2): 2, (0, 3): 1}
        assert str(eq.irreps("S(3) x O(3)", "(1,1)").space) == "1x({3},1o) + 1x({2,1},1o)"
        assert [name for name, _ in eq.irreps("S'(n)", 1)] == ["{n}'", "{n-1,1}'"]
        assert [name for name, _ in eq.irreps("B'(3)", 2)] == ["{}", "{1}", "{}'.det", "{2}"]
        assert "{n-2,1,1}  1      1/2 n² - 3/2 n + 1" in str(eq.irreps("S(n)", 2))
        assert "complex multiples" in str(eq.irreps("SO(2)", 1))

    def test_what_cannot_be_said_is_refused(self):
        with pytest.raises(GroupError, match="parts of C\\(4\\) are not known from partitions"):
            eq.irreps("C(4)", 2)
        with pytest.raises(SymbolicError, match="leaves a size open"):
            _ = eq.irreps("S(n)", 2).space
        with pytest.raises(GroupError, match=r"\{3,1,1\}\+ is half of a part"):
            _ = eq.irreps("A(5)", 3).space


class TestText:
    def test_it_reads_as_it_prints(self):
        for text in (
            "16x1o + 8x0e + 4x2",
            "1x{2,1} + 1x{2;1} + 1x{3;-}",
            "2x(1o,{2,1}) + 1x{}.det",
            "1x{1}.det + 1x2o",
        ):
            space = Space.parse(text)
            assert str(space) == text
            assert Space.parse(str(space)) == space
            assert eval(repr(space)) == space
        hom = eq.Hom.parse("O(4)", "2x{2}", "3x{2} + 1x2")
        assert eval(repr(hom), {"Hom": eq.Hom, "Group": Group, "Space": Space, "Irrep": Irrep}) == hom

    def test_each_irrep_has_one_name(self):
        hom = eq.Hom.parse("O(3)", "2x{1} + 2x{2,1} + 2x{1,1} + 2x{1,1,1} + 2x{2}.det", "1x{}")
        assert str(hom.space_in) == "2x1o + 2x2o + 2x1e + 2x0o + 2x2o"
        assert str(hom.space_out) == "1x0e"
        assert str(eq.Hom.parse("SO(3)", "2x{1,1}", "2x1e")) == "SO(3): 2x1o -> 2x1e"
        assert str(eq.Hom.parse("S(4)", "1x{2,1,1}", "1x{3,1}.det")) == "S(4): 1x{3,1}.det -> 1x{3,1}.det"

    @pytest.mark.parametrize(
        ("text", "match"),
        [
            ("{1,2}", r"rows grow: write \{2,1\}"),
            ("{n-1,1}", "irreps are spaces only where n is a number"),
            ("{2;1;1}", "has 3 partitions"),
            ("2e.det", "2e.det has a parity already: write 2o"),
            ("1o.packed", "is packed as it is"),
            ("{2}.det.det", "twice twisted"),
            ("1oo", "expected here"),
        ],
    )
    def test_what_is_no_irrep_is_refused(self, text, match):
        with pytest.raises(ParseError, match=match):
            Space.parse(text)

    @pytest.mark.parametrize(
        ("group", "text", "kind", "match"),
        [
            ("S(4)", "{3,2}", GroupError, r"no irrep \{3,2\}: \{3,1\} is one"),
            ("S(4)", "1o", GroupError, r"names an irrep of O\(3\)"),
            ("O(n)", "{2}", GroupError, r"ask for O\(4\)"),
            ("O(n)", "2e", GroupError, r"those of O\(n\) are written \{1\}"),
            ("SO(4)", "{1,1}", GroupError, "falls in two parts"),
            ("S'(3)", "{3}", GroupError, "no irreps with coordinates"),
            ("C(4)", "{2}", GroupError, "no irreps with coordinates"),
            ("O(1,2)", "{2}", GroupError, r"no irreps with coordinates.*eq.irreps\('O\(1,2\)', 2\) lists"),
            ("GL(2)", "{2;1}", GroupError, r"no irreps with coordinates.*eq.irreps\('GL\(2\)', 2\) lists"),
            ("SU(n)", "{1;1}", GroupError, r"no irreps with coordinates.*eq.irreps\('SU\(n\)', 2\) lists"),
            (
                "S(2) wr S(3)",
                "{1}",
                GroupError,
                r"no irreps with coordinates.*eq.irreps\('S\(2\) wr S\(3\)', 2\) lists",
            ),
            ("S(m) wr S(3)", "{1}", GroupError, "no irreps with coordinates.*ask for tensors of an order$"),
            ("S(2) wr S(3)", "{2:2;1,1:1}", ParseError, "part of tensors of a wreath product"),
            ("O(3)", "12e", SizeError, "degrees up to 11"),
            ("S(7)", "{1,1,1,1,1,1,1}", None, ""),
            ("S(9)", "{5,1,1,1,1}", SizeError, "ask for"),
        ],
    )
    def test_groups_say_which_they_have(self, group, text, kind, match):
        if kind is None:
            assert str(eq.Hom.parse(group, text, text).space_in) == "1x{7}.det"
            return
        with pytest.raises(kind, match=match):
            eq.verify(eq.Hom.parse(group, text, text))


PROBLEMS = [
    ("O(3)", "4x1o + 3x0e + 2x2", "2x2e + 1x4 + 2x0"),
    ("O(3)", "2x1o + 2x1e + 2x2o + 2x0o + 2x0.det", "2x2 + 3x1e + 1x0e + 1x0 + 2x2.det"),
    ("SO(3)", "2x1o + 2x1e", "2x2 + 3x1o + 1x0e"),
    ("SO(2)", "2x{1} + 2x{2}", "3x{1} + 2x{2} + 2x2"),
    ("O(4)", "2x{2,1} + 2x{1,1} + 1x[ijk=ikj]", "2x{2,1} + 1x{1,1}.det + 2x3"),
    ("Sp(4)", "2x{1,1} + 2x{2,1} + 2x2", "2x{1,1} + 1x3 + 2xS2.packed"),
    ("A(4)", "2x{3,1} + 2x{2,2}", "3x{3,1} + 2x2"),
    ("H(3)", "2x{2,1;} + 2x{2;1} + 2xS2", "3x{2,1;-} + 2x{1;2} + 2x2"),
    ("S(4)", "2x{3,1}.det + 2x{1,1,1,1}", "2x2.det + 3x0.det + 2x{2,2} + 2x3"),
    ("S(3) x O(3)", "2x({2,1},1o) + 1x(1,1)", "2x({2,1},1o) + 2x(1,2e) + 2x({3},1o) + 2x(S2,1)"),
]


@pytest.mark.filterwarnings("ignore::eqsynth.errors.ZeroOutputWarning", "ignore::eqsynth.errors.IgnoredInputWarning")
class TestLayers:
    @pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem[0])
    def test_they_are_what_they_claim(self, problem):
        layer = eq.Linear(*problem)
        report = str(eq.verify(layer, trials=2))
        assert "images of a vector" in report or "the products of" in report
        assert eq.Linear(*problem).load_state_dict(layer.state_dict())
        assert repr(layer).startswith(f"Linear({layer.plan.hom}")

    def test_between_irreps_there_are_the_weights_of_e3nn_and_nothing_is_changed(self):
        layer = eq.Linear("O(3)", "16x1o + 8x0e + 4x2e + 3x1o", "5x1o + 2x2e + 4x0e + 3x0o", bias=False)
        assert sum(weight.numel() for weight in layer.parameters()) == 16 * 5 + 8 * 4 + 4 * 2 + 3 * 5
        changes = [step for step in layer.plan.steps if isinstance(step, Pack | Unpack)]
        assert all(layer.plan.packs[step.size - 1][1].order == 0 for step in changes)
        assert layer.plan.mixing == layer.plan.floor
        assert eq.plan("O(3)", "4x9o", "4x9o").mixing == eq.floor("O(3)", "4x9o", "4x9o")
        assert eq.plan("SO(3)", "2x9o", "2x9e").dims == {(0, 0): 1}
        mixes = [step for step in eq.plan("O(3)", "8x2", "8x2e").steps if isinstance(step, Mix)]
        assert [mix.sizes for mix in mixes] == [(1,)]  # five coordinates, not nine entries

    def test_it_is_a_change_of_basis(self):
        for group, name in (("O(3)", "2e"), ("O(3)", "3o"), ("S(4)", "{2,2}"), ("O(4)", "{2,1}")):
            one, _ = bound(group, name)
            into = eq.Linear(group, one.order, Space(((1, one),)), bias=False, dtype=torch.float64)
            back = eq.Linear(group, Space(((1, one),)), one.order, bias=False, dtype=torch.float64)
            x = torch.randn(3, one.dim, 1, dtype=torch.float64)
            full = torch.from_numpy(coordinates(one)).T @ x
            for layer in (into, back):
                torch.nn.init.zeros_(layer.weight)
            identity = counted.identity(one)
            for layer, orders in ((into, (one.order, one)), (back, (one, one.order))):
                places = [place for place, diagram in enumerate(eq.basis(group, *orders)) if diagram == identity]
                with torch.no_grad():
                    layer.weight[places[0]] = 1
            assert torch.allclose(into(full.reshape(3, *[int(group[-2])] * one.order, 1)), x)
            assert torch.allclose(back(x).reshape(3, -1, 1), full)

    def test_inputs_of_another_shape_are_refused(self):
        layer = eq.Linear("H(3)", "2x{2,1;-} + 1x1", "2x{2,1;-} + 1x1")
        with pytest.raises(ShapeError, match=r"expected a tensor of shape \(\*batch, 2, 2\)"):
            layer((torch.zeros(3, 3, 2), torch.zeros(3, 3, 1)))
        with pytest.raises(ShapeError, match=r"one per term of 2x\{2,1;-\} \+ 1x1"):
            layer(torch.zeros(3, 2, 2))

    def test_exported_files_need_no_eqsynth(self, tmp_path):
        path = tmp_path / "layer.py"
        layer = eq.Linear("O(3)", "2x2e + 1x{}", "2x4 + 1x0e", dtype=torch.float64)
        eq.export(layer, path)
        assert "byte for byte" in str(eq.verify(path, trials=1))
        x = torch.randn(3, 5, 2, dtype=torch.float64), torch.randn(3, 1, 1, dtype=torch.float64)
        torch.save({"state": layer.state_dict(), "x": x, "y": layer(x)}, tmp_path / "saved.pt")
        done = run_alone(
            "import sys, torch\n"
            "sys.path.insert(0, '.')\n"
            "import layer\n"
            "saved = torch.load('saved.pt', weights_only=True)\n"
            "module = layer.EquivariantLinear(dtype=torch.float64)\n"
            "module.load_state_dict(saved['state'])\n"
            "y = module(saved['x'])\n"
            "assert all(torch.allclose(a, b) for a, b in zip(y, saved['y']))\n",
            tmp_path,
        )
        assert done.returncode == 0, done.stderr

    def test_what_is_shown_says_what_irreps_are(self):
        assert "Irreps are spaces of tensors" in document("O(3)", "2e", 4)["left"]["note"]
        assert "5 coordinates of a 3 × 3 matrix in the irrep 2e of O(3)" in str(eq.basis("O(3)", "2e", 4))

    @pytest.mark.parametrize(
        ("call", "kind", "match"),
        [
            (
                lambda: eq.Linear("O(3)", "2x1o", "2x1o", method="irreps"),
                GroupError,
                "is for tensors, and .* has irreps",
            ),
            (lambda: eq.Linear("O(3)", "2x1o", "2x1", method="matrix"), GroupError, "or irreps, are sums"),
            (lambda: eq.basis("O(3)", "2e", 2).project(np.zeros((9, 9))), GroupError, "diagrams on the tensors"),
            (lambda: eq.Linear("O(3)", "1x9o", "1x9"), SizeError, "34,459,425 diagrams"),
            (lambda: eq.pack(torch.zeros(3, 3, 1), "{2}"), SpaceError, "an irrep of several groups"),
            (lambda: eq.pack(torch.zeros(4, 4, 1), "2e"), ShapeError, "2 axes of length 3"),
            (lambda: eq.symmetrise(torch.zeros(5, 1), "2e"), SpaceError, "no axes to exchange"),
        ],
    )
    def test_what_is_not_there_is_refused(self, call, kind, match):
        with pytest.raises(kind, match=match):
            call()


ELASTICITY = "[ijkl=jikl=klij]"


@pytest.mark.filterwarnings("ignore::eqsynth.errors.ZeroOutputWarning")
class TestSymmetric:
    """Between irreps and tensors with symmetries of indices."""

    @pytest.mark.parametrize(
        ("group", "order"),
        [("O(3)", ELASTICITY), ("SO(3)", "[ijk=ikj]"), ("O(3)", "[ijk=jki]"), ("Sp(4)", "[ijk=-jik]"), ("S(4)", "S3")],
    )
    def test_images_of_all_irreps_are_all_symmetric_tensors(self, group, order):
        whole = eq.irreps(group, order)
        columns, read = [], read_order(order)
        for name, times in whole:
            maps, (one,) = eq.basis(group, name, order), entries_of(fitted(Group.parse(group), read_order(name)))
            assert len(maps) == len(eq.basis(group, order, name)) == times
            assert "images of a vector" in check_basis(maps) or not one.order
            columns += [*(maps.matrices() @ vectors(one).T)]
        matrix = np.concatenate(columns, 1)
        dim = sum(part.copies_in[0] * int(part.dim()) for part in whole.parts)
        assert np.linalg.matrix_rank(matrix) == matrix.shape[1] == dim
        tensors = matrix.reshape(*[Group.parse(group).number] * read.order, dim)
        for axes, sign in read.generators:
            assert (tensors == sign * tensors.transpose(*axes, read.order)).all()

    def test_weights_are_the_same_however_tensors_are_stored(self):
        full = eq.Linear("O(3)", f"2x{ELASTICITY} + 1x2e", "3xS2 + 2x2e + 1x4e", dtype=torch.float64)
        packed = eq.Linear("O(3)", f"2x{ELASTICITY}.packed + 1x2e", "3xS2.packed + 2x2e + 1x4e", dtype=torch.float64)
        packed.load_state_dict(full.state_dict())
        x = eq.symmetrise(torch.randn(4, 3, 3, 3, 3, 2, dtype=torch.float64), ELASTICITY)
        y = torch.randn(4, 5, 1, dtype=torch.float64)
        for ours, theirs in zip(packed((eq.pack(x, ELASTICITY), y)), full((x, y)), strict=True):
            assert torch.allclose(ours, eq.pack(theirs, "S2") if theirs.ndim == 4 else theirs)

    @pytest.mark.parametrize(("inputs", "outputs"), [("2e", "[ijkl=jikl=klij].packed"), ("S4.packed", "2e")])
    def test_unit_variance_stays(self, inputs, outputs):
        layer = eq.Linear("O(3)", f"1x{inputs}", f"1x{outputs}", bias=False, dtype=torch.float64)
        (pair,) = layer.plan.pairs
        total = 0.0
        size = 5 if inputs == "2e" else 15
        for number, variance in enumerate(pair.variances):
            with torch.no_grad():
                layer.weight.zero_()
                layer.weight[number] = variance**0.5
            y = layer(torch.eye(size, dtype=torch.float64)[..., None]).detach()
            total += float(y.square().sum()) / y.shape[1]
        assert total == pytest.approx(1)

    def test_a_map_that_misses_an_order_of_its_axes_is_noticed(self):
        basis = eq.basis("O(3)", "2e", ELASTICITY)
        assert max(map(len, basis.turns)) > 1
        turns = tuple(turns[:1] for turns in basis.turns)
        with pytest.raises(VerificationError, match="in which it differs"):
            check_basis(replace(basis, turns=turns))


class TestProducts:
    """Irreps as inputs and outputs of products."""

    def test_they_are_as_many_as_clebsch_gordan_says(self):
        for a, b, c in itertools.product(range(3), range(3), range(4)):
            for parity in "eo":
                left, right, out = f"1x{a}e", f"1x{b}o", f"1x{c}{parity}"
                count = len(maps(ProductHom.parse("O(3)", [left, right], out), 0, 0))
                assert count == (abs(a - b) <= c <= a + b and parity == "o")

    def test_of_groups_of_permutations_they_are_kronecker_coefficients(self):
        every = elements("S(4)")
        names = IRREPS["S(4)"][:3]
        traces = {name: np.array([np.trace(matrix_of(bound("S(4)", name)[0], g)) for g in every]) for name in names}
        for names_of in itertools.product(names, repeat=3):
            first, second, out = (f"1x{name}" for name in names_of)
            count = len(maps(ProductHom.parse("S(4)", [first, second], out), 0, 0))
            assert count == round(np.mean(np.prod([traces[name] for name in names_of], 0)))

    @pytest.mark.parametrize(
        "make",
        [
            lambda: eq.TensorProduct("O(3)", "2x1o + 1xS2", "1x2e + 1x1", "2x3o + 1xS2.packed + 1x1e"),
            lambda: eq.TensorProduct("O(3)", "2x1o", "2x2e", "2x1o", mode="paired"),
            lambda: eq.TensorProduct("S(3) x O(3)", "1x({2,1},1o)", "1x(1,1)", "1x({2,1},2e)"),
            lambda: eq.Power("O(3)", "2x2e", 2, "1x0e + 1x2e + 1x4e"),
            lambda: eq.PolynomialLayer("SO(3)", "2x1o + 2x0", 2, "2x1o + 2x2e"),
        ],
    )
    def test_layers_are_what_they_claim(self, make):
        report = str(eq.verify(make(), trials=1))
        assert "independent and complete" in report

    def test_a_product_has_unit_variance(self):
        layer = eq.TensorProduct("O(3)", "1x1o", "1x2e", "1x3o", bias=False, dtype=torch.float64)
        (pair,) = layer.plan.pairs
        with torch.no_grad():
            layer.weight.fill_(pair.variances[0] ** 0.5)
        u, v = torch.eye(3, dtype=torch.float64)[:, None], torch.eye(5, dtype=torch.float64)[None]
        y = layer(u.expand(3, 5, 3)[..., None], v.expand(3, 5, 5)[..., None]).detach()
        assert float(y.square().sum()) / 7 == pytest.approx(1)

    @pytest.mark.parametrize("degrees", [(1, 1, 0), (1, 1, 1), (2, 1, 2), (2, 2, 2), (2, 2, 3), (2, 3, 4), (0, 2, 2)])
    def test_couplings_are_the_maps_of_their_diagrams(self, degrees):
        one = Coupling(*degrees)
        left, right, out = (coordinates(Irrep.of_degree(degree)) for degree in degrees)
        matrix = functor.matrix(Group("SO", 3), one.diagram, 3).reshape(len(out[0]), len(left[0]), len(right[0]))
        assert np.allclose(np.einsum("kc,cab,ia,jb->kij", out, matrix, left, right), one.table())

    def test_couplings_of_any_degrees_are_known_at_once(self):
        for degrees in itertools.product((0, 4, 7, 10, 11), repeat=3):
            left, right, out = degrees
            assert multiplicity(*degrees) == (abs(left - right) <= out <= left + right)
        for degrees in ((4, 4, 4), (5, 6, 10), (11, 8, 4)):
            one = Coupling(*degrees)
            assert misfit(one) == ""
            rows = one.table().reshape(one.dims[0], -1)
            assert np.allclose(rows @ rows.T, float(one.square) * np.eye(one.dims[0]))

    def test_products_of_high_degree_are_layers(self):
        """From tensors, 4e x 4e -> 4e took hundreds of millions of steps."""
        layer = eq.TensorProduct("O(3)", "2x4e", "2x3o + 2x4e", "2x7o + 1x4e", mode="paired", dtype=torch.float64)
        assert layer.plan.dims == {(0, 0): 1, (1, 1): 1}
        assert "by highest weights, which rotations keep" in str(eq.verify(layer, trials=1))
        names = [f"4x{degree}{parity}" for degree in range(5) for parity in "eo"]
        wide = eq.plan("O(3): " + " (x) ".join([" + ".join(names)] * 2) + " -> " + " + ".join(names), mode="paired")
        assert len(wide.dims) == 260
        assert {type(step) for step in wide.steps} == {Input, Join, Couple, Mix, Output}

    def test_products_of_coordinates_are_those_of_tensors(self):
        """The same weight, for irreps and for the tensors that they are."""
        tensors = eq.TensorProduct("O(3)", "1x2", "1x2", "1x2", bias=False, dtype=torch.float64)
        irreps = eq.TensorProduct("O(3)", "1x2e", "1x2e", "1x2e", bias=False, dtype=torch.float64)
        (basis,) = tensors.basis.values()
        place = basis.formulas(tensors.plan.problem.multiplied(0)).index("y[a,b] += u[a,c] v[c,b]")
        with torch.no_grad():
            tensors.weight.zero_()
            tensors.weight[place] = irreps.weight[0]
        u, v = torch.randn(2, 4, 5, 1, dtype=torch.float64)
        y = tensors(eq.unpack(u, "2e"), eq.unpack(v, "2e"))
        assert torch.allclose(eq.pack(eq.symmetrise(y, "S2"), "2e"), irreps(u, v))

    @pytest.mark.parametrize("change", ["zero", "sign", "size", "no root"])
    def test_wrong_coefficients_are_noticed(self, change, monkeypatch):
        one = Coupling(2, 2, 3)
        entries = one.entries()
        (k, i, j, value), *rest = entries
        changed = {"zero": [], "sign": [(k, i, j, -value), *rest], "size": [(k, i, j, 4 * value), *rest]}
        changed["no root"] = [(k, i, j, 2 * value), *rest]
        layer = eq.TensorProduct("O(3)", "1x2e", "1x2e", "1x3e")
        assert misfit(one) == ""
        monkeypatch.setattr(Coupling, "entries", lambda _: changed[change])
        assert misfit(one)
        with pytest.raises(VerificationError, match=r"the maps of .* are wrong: "):
            eq.verify(layer, trials=1)

    def test_squares_have_no_alternating_part(self):
        with pytest.warns(ZeroOutputWarning, match="output term 0"):
            layer = eq.Power("O(3)", "1x1o", 2, "1x1e + 1x2e + 1x0e", bias=False)
        assert layer.plan.dims == {(0, 1): 1, (0, 2): 1}

    def test_powers_with_too_many_maps_are_refused_before_these_are_made(self, monkeypatch):
        monkeypatch.setattr("eqsynth.plans.products.basis", None)
        with pytest.raises(SizeError, match=r"the maps 9 -> 3o of a product would take about"):
            eq.Power("O(3)", "1x3o", 3, "1x3o")


class TestProofs:
    def test_wrong_bases_are_noticed(self):
        basis = eq.basis("O(3)", "2e", 4)
        assert check_basis(basis).startswith("6 maps, images of a vector of full rank")
        with pytest.raises(VerificationError, match="5 maps, but the dimension"):
            check_basis(
                replace(basis, diagrams=basis.diagrams[1:], certificate=replace(basis.certificate, dimension=5))
            )
        with pytest.raises(VerificationError, match="have rank 5"):
            check_basis(replace(basis, diagrams=(basis[0], basis[0], *basis[2:])))
        with pytest.raises(VerificationError, match="argument 'gram' proves nothing"):
            check_basis(replace(basis, certificate=replace(basis.certificate, independence="gram")))
        identity = eq.basis("O(3)", "2e", "2e")
        assert check_basis(identity) == "1 map, by Schur's lemma"
        with pytest.raises(VerificationError, match="not the multiples of the identity"):
            check_basis(replace(identity, diagrams=eq.basis("O(3)", 2, 2).diagrams[:1]))

    def test_vectors_that_the_group_does_not_keep_are_noticed(self, monkeypatch):
        from eqsynth.proof import verification

        rows = vectors(Irrep.of_degree(2)).copy()
        basis = eq.basis("O(3)", "2e", 4)
        wrong = rows.copy()
        wrong[2] = np.diag([1, 0, 0]).reshape(-1)
        for changed, match in ((wrong, "do not span|not orthogonal"), (rows[:4], "are not orthogonal, or not 5")):
            monkeypatch.setattr(verification, "vectors", lambda _, changed=changed: changed)
            with pytest.raises(VerificationError, match=match):
                check_basis(basis)


class TestNetworks:
    @pytest.mark.parametrize(
        "module",
        [
            lambda: eq.nn.Activation("O(3)", "2x1o + 3x0e + 2x0o", (None, "silu", "tanh")),
            lambda: eq.nn.Gated("O(3)", "2x1o + 3x0e + 2x2e + 1x2"),
            lambda: eq.nn.NormActivation("O(3)", "2x1o + 3x0e + 2x2e"),
            lambda: eq.nn.LayerNorm("O(3)", "2x1o + 3x0e + 2x2e"),
            lambda: eq.nn.BatchNorm("S(4)", "2x{3,1} + 3x{4} + 2x{2,2}"),
            lambda: eq.nn.Pairings("O(3)", "2x1o + 3x0"),
            lambda: eq.nn.MLP("O(3)", ["2x1o", "4x1o + 4x0", "2x1o + 1x0e"]),
            lambda: eq.nn.Pool("O(3)", "2x1o + 3x0e + 2x2"),
            lambda: eq.nn.Gated("S(n) x O(3)", "2x(1,2e) + 1x(2,0)"),
            lambda: eq.nn.Gated("Sp(4)", "2x{2} + 3x{}"),
        ],
    )
    def test_modules_take_irreps(self, module):
        made = module()
        eq.testing.assert_equivariant(made, made.group, made.space_in, made.space_out)

    def test_what_would_break_the_symmetry_is_refused(self):
        with pytest.raises(ActivationError, match="mix the coordinates of the irrep 1o"):
            eq.nn.Activation("O(3)", "2x1o", "tanh")
        with pytest.raises(ActivationError, match=r"not known in the coordinates of the irrep \{2\}"):
            eq.nn.NormActivation("Sp(4)", "2x{2}")
        with pytest.raises(SpaceError, match="Sparse does not take"):
            eq.nn.Sparse(eq.Linear("S(4)", "2x{3,1}", "2x1"))

    def test_a_wrong_module_is_noticed(self):
        with pytest.raises(EqsynthError, match="not equivariant"):
            eq.testing.assert_equivariant(torch.nn.ReLU(), "O(3)", "2x1o", "2x1o")


class TestE3nn:
    @pytest.mark.parametrize("normalization", list(E3NN_OUTPUTS))
    def test_the_same_weights_give_the_same_numbers(self, normalization):
        state = {"weight": torch.arange(1.0, 6.0).double() / 4, "bias": torch.tensor([0.125]).double()}
        layer = eq.Linear("O(3)", *E3NN, dtype=torch.float64)
        layer.load_state_dict(eq.from_e3nn(state, *E3NN, normalization))
        x = torch.arange(6.0).double() - 2
        y = eq.join_irreps(layer(eq.split_irreps(x, E3NN[0])), E3NN[1])
        assert np.allclose(y.detach(), E3NN_OUTPUTS[normalization])
        back = eq.to_e3nn(layer.state_dict(), *E3NN, normalization)
        assert all(torch.allclose(back[name], value) for name, value in state.items())
        assert back["output_mask"].tolist() == [1] * 7
        without = eq.from_e3nn(state, *E3NN, normalization, biases=False)
        assert eq.Linear("O(3)", *E3NN, bias=False).load_state_dict(without)
        assert eq.to_e3nn(without, *E3NN, normalization, biases=False)["bias"].shape == (0,)

    def test_features_are_split_and_joined(self):
        x = torch.arange(2.0 * 3 * 14).reshape(2, 3, 14)
        vector, scalar = eq.split_irreps(x, "4x1o + 2x0e")
        assert torch.equal(vector[..., 1, 2], x[..., 7])
        assert torch.equal(scalar[..., 0, 1], x[..., 13])
        assert torch.equal(eq.join_irreps((vector, scalar), "4x1o + 2x0e"), x)
        assert torch.equal(eq.join_irreps(eq.split_irreps(x, "2x3e"), "2x3e"), x)

    def test_unreached_outputs_are_masked_as_in_e3nn(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            state = eq.Linear("O(3)", "2x1o", "1x0e + 1x2e + 1x1o").state_dict()
        assert eq.to_e3nn(state, "2x1o", "1x0e + 1x2e + 1x1o")["output_mask"].tolist() == [1] + [0] * 5 + [1] * 3
        masked = eq.to_e3nn(state, "2x1o", "1x0e + 1x2e + 1x1o", biases=False)["output_mask"]
        assert masked.tolist() == [0] * 6 + [1] * 3

    @pytest.mark.parametrize(
        ("call", "kind", "match"),
        [
            (lambda: eq.from_e3nn({"weight": torch.zeros(5)}, "2x1o", "3x1o"), ShapeError, "has 6 numbers"),
            (lambda: eq.from_e3nn({}, "2x1o", "3x1o"), ShapeError, "has 6 numbers, not None"),
            (lambda: eq.from_e3nn({}, "2x1", "3x1o"), SpaceError, "1 is no irrep of O"),
            (lambda: eq.to_e3nn({}, "2x1o", "3x1o"), ShapeError, "has the shape .*not None"),
            (lambda: eq.split_irreps(torch.zeros(5), "2x1o"), ShapeError, r"expected \(\*batch, 6\)"),
            (lambda: eq.join_irreps(torch.zeros(3, 2), "2x1o + 1x0e"), ShapeError, "one for each irrep"),
            (lambda: eq.from_e3nn({}, "2x1o", "3x1o", "none"), EqsynthError, "path_normalization"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, call, kind, match):
        with pytest.raises(kind, match=match):
            call()
