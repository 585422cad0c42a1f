"""Checkers under sabotage: wrong modules, layers and certificates are refused, whatever the random numbers are."""

import inspect
from dataclasses import replace
from functools import wraps

import numpy as np
import pytest
import torch
from torch import nn

import eqsynth as eq
from eqsynth.diagrams import bilabelled, gram
from eqsynth.diagrams.diagram import Diagram
from eqsynth.errors import EquivarianceError, VerificationError
from eqsynth.families.representation import elements_to_try
from eqsynth.layers import emitted
from eqsynth.proof.trials import distance, sizes_to_try
from eqsynth.proof.verification import check_basis


def by_position(x):
    return x * torch.arange(1, x.shape[-2] + 1, dtype=x.dtype)[:, None]


def cross(x):
    return torch.linalg.cross(x[0], x[1], dim=-2)


@pytest.mark.parametrize("seed", range(40))
def test_one_generator_that_does_not_commute_is_enough(seed):
    """A random element of a group of two is the identity half of the time; a random rotation is no reflection."""
    for module, group, space_in, space_out in (
        (by_position, "Aut(path4)", "1x1", "1x1"),
        (by_position, "Perm(3: 1 0 2)", "1x1", "1x1"),
        (cross, "O(3)", "1x1 + 1x1", "1x1"),
        (lambda x: x.flip(-2), "S(n)", "1x1", "1x1"),
        (lambda x: x * x.sign().prod(-2, keepdim=True), "O(2)", "1x1", "1x1"),
        (lambda x: x.abs(), "Matrix([[-1]]; )", "1x1", "1x1"),
        (lambda x: x[..., :1, :].expand_as(x), "S(2) x O(3)", "1x(0,1)", "1x(0,1)"),
    ):
        with pytest.raises(EquivarianceError):
            eq.testing.assert_equivariant(module, group, space_in, space_out, trials=1, seed=seed)
    eq.testing.assert_equivariant(cross, "SO(3)", "1x1 + 1x1", "1x1", seed=seed)


def test_each_component_is_reached():
    lorentz = eq.MatrixGroup([[[-1, 0, 0], [0, 1, 0], [0, 0, 1]]], [[[0, 1, 0], [1, 0, 0], [0, 0, 0]]])
    dets = [np.linalg.det(elements[0]) for elements in elements_to_try([lorentz], np.random.default_rng(0), 0)]
    assert {round(float(value)) for value in dets} == {1, -1}

    def determinant(xs):
        return torch.linalg.det(torch.stack([x[..., 0] for x in xs], -1))[..., None]

    spaces = "1x1 + 1x1 + 1x1", "1x0"
    connected = eq.MatrixGroup([], lorentz.lie_algebra)
    eq.testing.assert_equivariant(determinant, connected, *spaces)
    with pytest.raises(EquivarianceError):
        eq.testing.assert_equivariant(determinant, lorentz, *spaces, trials=1)


class Sabotaged(nn.Module):
    """A layer whose forward does one thing more, for ``eq.verify`` to see."""

    def __init__(self, layer, change):
        super().__init__()
        self.layer, self.change, self.plan = layer, change, layer.plan

    def forward(self, *arguments):
        y = self.layer(*arguments)
        if isinstance(y, tuple):
            return (self.change(y[0], arguments[0]), *y[1:])
        return self.change(y, arguments[0])

    def reset_tables(self):
        self.layer.reset_tables()

    def __getattr__(self, name):
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("layer"), name)

    def state_dict(self, *arguments, **more):
        return self.layer.state_dict(*arguments, **more)

    def named_parameters(self, *arguments, **more):
        return self.layer.named_parameters(*arguments, **more)


def one_entry(y):
    first = torch.zeros_like(y)
    if first.numel():
        first.view(-1)[0] = 1
    return first


CHANGES = {
    "an entry": lambda y, _: y + one_entry(y),
    "not a number": lambda y, _: y * float("nan"),
    "infinite": lambda y, _: y + one_entry(y) * float("inf"),
    "a batch of two": lambda y, x: 2 * y if x.ndim == 4 and len(x) == 2 else y,
    "two batch axes": lambda y, x: 2 * y if x.ndim == 5 else y,
    "no batch": lambda y, x: y + 1 if x.ndim == 3 else y,
    "a batch of one": lambda y, x: y + 1 if x.ndim == 4 and len(x) == 1 else y,
    "another shape of zeros": lambda y, _: y[..., :1],
    "one axis too many": lambda y, _: y[..., None],
    "an empty batch": lambda y, x: y[..., :1] if x.numel() == 0 else y,
    "weights": lambda y, _: y * 1.0001,
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("group", ["S(n)", "O(3)", "Sp(2)", "Aut(path3)"])
def test_sabotaged_layers_are_refused(group, change):
    layer = eq.Linear(group, "2x2", "2x2")
    assert eq.verify(Sabotaged(layer, lambda y, _: y), trials=1)
    with pytest.raises(VerificationError):
        eq.verify(Sabotaged(layer, CHANGES[change]), trials=1)


def unequal(y, x):
    """One more at an entry, where the two letters have different sizes."""
    x = x[0] if isinstance(x, tuple) else x
    return y + one_entry(y) if x.shape[-2] != x.shape[-3] else y


def test_products_are_tried_where_letters_differ():
    layer = eq.TensorProduct("S(n) x S(m)", "1x(1,1)", "1x(1,1)", "1x(1,1)")
    assert eq.verify(Sabotaged(layer, lambda y, _: y), trials=1)
    for change in (unequal, CHANGES["an entry"], CHANGES["not a number"], CHANGES["one axis too many"]):
        with pytest.raises(VerificationError):
            eq.verify(Sabotaged(layer, change), trials=1)
    linear = eq.Linear("S(n) x S(m)", "1x(1,1)", "1x(1,1)")
    with pytest.raises(VerificationError):
        eq.verify(Sabotaged(linear, unequal), trials=1)


def test_something_is_always_tried():
    """Packed tensors that show no n below 6 were once tried at no size at all."""
    assert sizes_to_try(eq.Group.parse("S(n)"), least=6) == [{"n": 6}]
    assert sizes_to_try(eq.Group.parse("Sp(n)"), least=7) == [{"n": 8}]
    layer = eq.Linear("Sp(n)", "1xA6.packed", "1x0")
    assert "n = 6" in str(eq.verify(layer, trials=1))
    with pytest.raises(VerificationError):
        eq.verify(Sabotaged(layer, CHANGES["an entry"]), trials=1)


def test_letters_get_sizes_of_their_own():
    """Any order of sizes, and all the same: a layer may go wrong where n < m, where n > m or where n = m."""
    tried = sizes_to_try(eq.Group.parse("S(n) x O(m) x Sp(k)"))
    assert all(size % 2 == 0 for sizes in tried for size in sizes.values())
    assert {(s["k"] < s["m"], s["k"] > s["m"]) for s in tried} == {(True, False), (False, True), (False, False)}
    assert {len(set(sizes.values())) for sizes in tried} == {1, 3}


@pytest.mark.parametrize("make", [
    lambda: eq.TensorProduct("S(n) x O(m)", "1x(1,1)", "1x(1,0)", "1x(1,1)"),
    lambda: eq.Linear("S(n) x O(m)", "1x(1,1)", "1x(1,1)"),
])  # fmt: skip
@pytest.mark.parametrize("where", ["__lt__", "__gt__", "__eq__"])
def test_layers_that_go_wrong_at_some_sizes_are_refused(make, where):
    def change(y, x):
        x = x[0] if isinstance(x, tuple) else x
        return 2 * y if getattr(x.shape[-3], where)(x.shape[-2]) else y

    with pytest.raises(VerificationError):
        eq.verify(Sabotaged(make(), change), trials=1)


def test_tables_of_products_are_compared_with_their_recipes():
    layer = eq.TensorProduct("SO(3)", "1x1", "1x1", "1x1")
    tables = dict(layer.named_buffers())
    assert tables
    next(iter(tables.values())).zero_()
    with pytest.raises(VerificationError, match="recipe"):
        eq.verify(layer, trials=1)


def test_recipes_of_tables_are_followed_once_for_all_layers_of_a_class(monkeypatch):
    def made(**options):
        return eq.TensorProduct("SO(3)", "1x1", "1x1", "1x1", **options)

    emitted.layer_class.cache_clear()
    with torch.inference_mode():
        recipes = inspect.unwrap(type(made()).reset_tables)  # those tables are of no use outside
    first = made(dtype=torch.float64)
    tables = {name: table.clone() for name, table in first.named_buffers()}
    for table in first.buffers():
        table.zero_()
    monkeypatch.delitem(recipes.__globals__, "_epsilon")
    with pytest.raises(NameError):
        recipes(made())
    for layer in (made(dtype=torch.float64), made().double(), made(device="meta").to_empty(device="cpu").double()):
        layer.reset_tables()
        assert tables.keys() == dict(layer.named_buffers()).keys() != set()
        assert all(torch.equal(table, tables[name]) for name, table in layer.named_buffers())
    with torch._subclasses.FakeTensorMode(), pytest.raises(NameError):
        made()  # numbers are not for stand-ins


def test_a_table_that_is_kept_wrong_is_noticed(monkeypatch):
    layer = eq.TensorProduct("SO(3)", "1x1", "1x1", "1x1")
    recipes = inspect.unwrap(type(layer).reset_tables)

    def others(self):
        recipes(self)
        for table in self.buffers():
            table.mul_(2)

    monkeypatch.setattr(type(layer), "reset_tables", wraps(recipes)(others))
    layer.reset_tables()
    with pytest.raises(VerificationError, match="recipe"):
        eq.verify(layer, trials=1)


def test_what_is_no_number_is_infinitely_far():
    for odd in (np.nan, np.inf, -np.inf):
        assert distance("", [np.array([odd])], [np.array([1.0])]) == np.inf
        assert distance("", [np.array([1.0]), np.array([odd])], [np.array([1.0]), np.array([1.0])]) == np.inf
        assert distance("", [np.array([odd]), np.array([1.0])], [np.array([1.0]), np.array([1.0])]) == np.inf
    with pytest.raises(VerificationError, match="shapes"):
        distance("", [np.zeros(1)], [np.zeros(2)])
    with pytest.raises(VerificationError, match="shapes"):
        distance("", [np.zeros(1)], [])


#: Group, orders, and the argument of the certificate.
CERTIFICATES = [
    ("S(n)", 2, 2, "stable"),
    ("S(2)", 2, 1, "orbits"),
    ("S(3)", 2, 2, "orbits"),
    ("A(3)", 2, 2, "orbits"),
    ("O(2)", 3, 3, "gram"),
    ("SO(3)", 3, 2, "gram"),
    ("Sp(2)", 2, 2, "gram"),
    ("Perm(3: 1 2 0)", 1, 1, "disjoint"),
    ("Aut(cycle4)", 1, 1, "representatives"),
    ("Matrix([[0,1],[-1,0]]; )", 1, 1, "kernel"),
    ("S(2) x O(2)", (1, 1), (1, 1), "product"),
    ("S(n)", "S2", "S2", "cosets"),
    ("SO(2)", 1, "S3", "orbits of all"),
    ("O(2)", "S2", 4, "means"),
]
ARGUMENTS = {argument for *_, argument in CERTIFICATES} | {"blocks", "standard"}


@pytest.mark.parametrize(("group", "inputs", "outputs", "argument"), CERTIFICATES)
def test_each_field_of_a_certificate_counts(group, inputs, outputs, argument):
    basis = eq.basis(group, inputs, outputs)
    certificate = basis.certificate
    assert check_basis(basis)
    assert certificate.independence == argument
    changes = [{"independence": other} for other in sorted(ARGUMENTS - {certificate.independence})]
    changes += [{"prime": prime} for prime in (1, 2, 7, 2**31, -1) if prime != certificate.prime]
    changes += [{"prime": 0 if certificate.prime else gram.PRIMES[0]}, {"prime": bilabelled.PRIME + 2}]
    # How many graphs were tried is known from the search alone, but not fewer than those that were kept.
    graphs = sum(isinstance(element, Diagram) for element in basis) if argument == "representatives" else 0
    few = certificate.dimension + graphs if graphs else certificate.spanning
    changes += [{"spanning": few - 1}, {"spanning": certificate.spanning + 10**6}]
    changes += [{"dimension": certificate.dimension + 1}, {"dimension": certificate.dimension - 1}]
    for change in changes:
        with pytest.raises(VerificationError):
            check_basis(replace(basis, certificate=replace(certificate, **change)))


@pytest.mark.parametrize(("group", "inputs", "outputs"), [case[:3] for case in CERTIFICATES])
def test_each_element_of_a_basis_counts(group, inputs, outputs):
    basis = eq.basis(group, inputs, outputs)
    if len(basis) < 2:
        pytest.fail("the case is too small to be sabotaged")
    first, second, *rest = basis.diagrams
    turns = basis.turns
    for elements, sums in (
        ((first, first, *rest), turns),
        ((second, *rest), turns[1:]),
        ((first, second, *rest, first), (*turns, *turns[:1])),
    ):
        for count in (len(elements), len(basis)):
            certificate = replace(basis.certificate, dimension=count)
            with pytest.raises(VerificationError):
                check_basis(replace(basis, diagrams=elements, turns=sums, certificate=certificate))


def test_sums_over_exchanges_count():
    for group, inputs, outputs in (
        ("S(2) x S(2)", (1, 0), ("A2", 0)),
        ("S(2) x S(2)", (1, 1), ("S2", 1)),
        ("S(n)", 2, "S2"),
        ("O(3)", 2, "A2"),
    ):
        basis = eq.basis(group, inputs, outputs)
        assert basis.turns
        for turns in ((), basis.turns[:-1], basis.turns[1:], tuple(turn[:1] for turn in basis.turns)):
            with pytest.raises(VerificationError):
                check_basis(replace(basis, turns=turns))
    plain = eq.basis("S(n)", 1, 1)
    with pytest.raises(VerificationError, match="exchanges"):
        check_basis(replace(plain, turns=(((0,), 1),) * 2))


def test_dependent_partitions_are_seen_from_either_side():
    """S(2) and S(3), order 2 -> 2: 8 or 14 of 15 partitions are a basis, but not any 8; ranks by floats agree."""
    rng = np.random.default_rng(0)
    every = eq.basis("S(n)", 2, 2).diagrams
    answers = set()
    for n, trials in ((2, 150), (3, 15)):
        basis = eq.basis(f"S({n})", 2, 2)
        for _ in range(trials):
            chosen = sorted(rng.choice(len(every), len(basis), replace=False))
            tried = replace(basis, diagrams=tuple(every[place] for place in chosen))
            rank = np.linalg.matrix_rank(tried.matrices().reshape(len(basis), -1))
            answers.add((n, bool(rank == len(basis))))
            if rank == len(basis):
                assert check_basis(tried)
            else:
                with pytest.raises(VerificationError, match="dependent"):
                    check_basis(tried)
    assert answers >= {(2, True), (2, False), (3, True)}


def test_too_many_blocks_are_no_argument():
    """The wrong argument with the right number of maps: a partition of three blocks at n = 2."""
    basis = eq.basis("S(2)", 2, 1)
    certificate = replace(basis.certificate, independence="blocks", prime=0)
    few = tuple(diagram for diagram in eq.basis("S(n)", 2, 1) if len(diagram.blocks) <= 2)
    assert check_basis(replace(basis, diagrams=few, certificate=certificate))
    three = Diagram(1, 2, ((0,), (1,), (2,)))
    with pytest.raises(VerificationError, match="more than n = 2 blocks"):
        check_basis(replace(basis, diagrams=(*few[:-1], three), certificate=certificate))
