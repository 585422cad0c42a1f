"""Standard diagrams: a basis of O(n), SO(n) and Sp(n) at every n that no rank chooses."""

import random
from collections import Counter
from dataclasses import replace
from itertools import pairwise, permutations

import numpy as np
import pytest

import eqsynth as eq
from eqsynth.bases import basis as bases
from eqsynth.bases.dimension import dimension
from eqsynth.codegen.tables import MAX_TERMS, runs
from eqsynth.diagrams import enumeration, gram
from eqsynth.diagrams.standard import _tableaux, excess, longest, standard, word
from eqsynth.errors import EqsynthError, GroupError, SizeError, VerificationError
from eqsynth.exact.partitions import partitions, tableaux
from eqsynth.project import catalog
from eqsynth.proof.verification import check_basis
from eqsynth.store.cache import Store

#: The numbers of MATHS.md, section 7: group, m, and the size of the basis.
NUMBERS = [
    ("O(2)", 10, 126), ("O(3)", 10, 603), ("O(3)", 12, 4213), ("Sp(4)", 10, 594), ("SO(2)", 8, 35 + 35),
    ("SO(3)", 7, 36), ("SO(4)", 8, 91 + 105),
]  # fmt: skip
#: All groups and numbers of vertices that are compared with what linear algebra says.
SMALL = [
    *((f"O({n})", m) for n in (1, 2, 3, 4) for m in range(9)),
    *((f"SO({n})", m) for n in (1, 2, 3, 4) for m in range(9)),
    *((f"Sp({n})", m) for n in (2, 4, 6) for m in range(9)),
    ("O(2)", 10), ("O(3)", 10), ("Sp(2)", 10), ("Sp(4)", 10),
]  # fmt: skip


def listed(group, total):
    return list(standard(eq.Group.parse(group), total // 2, total - total // 2))


@pytest.mark.parametrize(("group", "total", "count"), NUMBERS)
def test_the_numbers_of_the_specification(group, total, count):
    found = listed(group, total)
    assert len(found) == len(set(found)) == count == dimension(eq.Group.parse(group), total)
    heads = {"SO(2)": 35, "SO(4)": 91}
    assert sum(bool(diagram.head) for diagram in found) == heads.get(group, 36 if group == "SO(3)" else 0)


def test_orders_of_the_specification():
    """O(3) 6 -> 6 beyond the ranks; Sp(4) 5 -> 5 and SO(3) 5 -> 4 on demand."""
    found = eq.basis("O(3)", 6, 6)
    assert (len(found), found.certificate.spanning, found.certificate.independence) == (4213, 10395, "standard")
    for group, inputs, outputs, count in (("Sp(4)", 5, 5, 594), ("SO(3)", 5, 4, 232)):
        found = eq.basis(group, inputs, outputs, choose="standard")
        assert (len(found), found.certificate.independence) == (count, "standard")
        assert check_basis(found)


@pytest.mark.parametrize(("group", "total"), SMALL)
def test_what_is_listed_is_what_the_rule_keeps_and_is_a_basis(group, total):
    """The tableaux list what subsequences decide; Gram matrices, which know of neither, have full rank."""
    parsed = eq.Group.parse(group)
    found = listed(group, total)
    every = enumeration.diagrams(parsed, total // 2, total - total // 2)
    assert Counter(found) == Counter(diagram for diagram in every if not excess(parsed, diagram))
    assert len(found) == dimension(parsed, total)
    assert not found or gram.gram_modulo(parsed, found, gram.PRIMES[0]).rank() == len(found)


@pytest.mark.parametrize("n", range(1, 5))
def test_permutations_without_long_subsequences_are_as_many_as_maps_of_the_linear_group(n):
    """MATHS.md, sections 7 and 8: GL(n) has a basis of permutations, counted by squares of numbers of tableaux."""
    counts = {2: [1, 2, 5, 14, 42, 132], 3: [1, 2, 6, 23, 103, 513]}
    for total in range(7):
        words = list(permutations(range(total)))
        short = sum(longest(each) <= n for each in words)
        assert short == sum(longest(reversed(each)) <= n for each in words)
        shapes = [shape for shape in partitions(total) if len(shape) <= n]
        assert short == sum(tableaux(shape) ** 2 for shape in shapes)
        if n in counts and total:
            assert short == counts[n][total - 1]


def test_every_tableau_is_listed_once():
    for total in range(8):
        for shape in partitions(total):
            found = [tuple(map(tuple, rows)) for rows in _tableaux(shape)]
            assert len(found) == len(set(found)) == tableaux(shape)
            for rows in found:
                assert all(list(row) == sorted(row) for row in rows)
                assert all(low > high for above, row in pairwise(rows) for high, low in zip(above, row, strict=False))


@pytest.mark.parametrize(("n", "total"), [(1, 5), (2, 6), (3, 7), (3, 8), (2, 8), (4, 8)])
def test_diagrams_are_triangular_at_the_tuples_of_their_colours(n, total):
    """The proof of independence, step by step, for matchings of O(n) and heads of SO(n)."""
    every = listed(f"SO({n})", total)

    def colours(diagram):
        """Chains of pairs inside one another: each vertex takes the first colour whose innermost pair holds it."""
        # Dilworth's chains from a matching in the bipartite graph of what may follow in a chain.
        letters = word(diagram)
        pairs = [(vertex, to) for vertex, to in enumerate(letters) if vertex <= to]
        inside = {a: [b for b in pairs if a[0] < b[0] and b[1] < a[1]] for a in pairs}
        follows = {}

        def augment(a, seen):
            for b in inside[a]:
                if b not in seen:
                    seen.add(b)
                    if b not in follows or augment(follows[b], seen):
                        follows[b] = a
                        return True
            return False

        for a in pairs:
            augment(a, set())
        number, label = {}, [0] * total
        for a in sorted(pairs, key=lambda pair: pair[0] - pair[1]):
            number[a] = number[follows[a]] if a in follows else len(set(number.values()))
            for vertex in a:
                label[vertex] = number[a]
        assert len(set(label)) <= n
        return label

    def value(diagram, label):
        """Whether a diagram is not zero at an index tuple."""
        ends = [label[block[0]] for block in diagram.blocks if len(block) == 1]
        return len(set(ends)) == len(ends) and all(len({label[v] for v in block}) == 1 for block in diagram.blocks)

    def lengths(diagram):
        return sum((block[-1] - block[0]) ** 2 for block in diagram.blocks)

    for kind in (True, False):
        diagrams = [diagram for diagram in every if bool(diagram.head) == kind]
        for one in diagrams:
            label = colours(one)
            assert value(one, label)
            assert all(lengths(other) < lengths(one) for other in diagrams if other != one and value(other, label))


@pytest.mark.parametrize(("n", "total"), [(2, 6), (2, 8), (4, 8)])
def test_symplectic_diagrams_are_triangular_at_the_tuples_of_their_colours(n, total):
    """The same for Sp(n): colours are levels of nesting, and each has two basis vectors, one for each end of a pair."""
    diagrams = listed(f"Sp({n})", total)

    def level(pair, pairs):
        return 1 + max((level(other, pairs) for other in pairs if other[0] < pair[0] and pair[1] < other[1]), default=0)

    for one in diagrams:
        label = {}
        for pair in one.blocks:
            colour = level(pair, one.blocks)
            assert 2 * colour <= n
            label |= {pair[0]: (colour, 0), pair[1]: (colour, 1)}
        fitting = [
            other
            for other in diagrams
            if all(label[a][0] == label[b][0] and label[a][1] != label[b][1] for a, b in other.blocks)
        ]
        sums = [sum((b - a) ** 2 for a, b in other.blocks) for other in fitting]
        own = sums[fitting.index(one)]
        assert own == min(sums)
        assert sums.count(own) == 1


def test_the_longest_subsequence_is_the_longest():
    rng = random.Random(0)
    for _ in range(200):
        letters = rng.sample(range(20), rng.randrange(8))
        best = [1] * len(letters)
        for at, letter in enumerate(letters):
            best[at] += max((best[before] for before in range(at) if letters[before] < letter), default=0)
        assert longest(letters) == max(best, default=0)


@pytest.mark.parametrize(
    ("group", "inputs", "outputs"),
    [("O(1)", 1, 3), ("O(2)", 2, 2), ("SO(2)", 2, 2), ("SO(3)", 3, 2), ("Sp(2)", 2, 2), ("Sp(2)", 3, 3)],
)
def test_the_maps_span_what_the_cheapest_ones_span(group, inputs, outputs):
    one, other = (eq.basis(group, inputs, outputs, choose=way) for way in ("cheapest", "standard"))
    rows = [found.matrices().reshape(len(found), -1) for found in (one, other)]
    assert len(one) == len(other) == np.linalg.matrix_rank(rows[1]) == np.linalg.matrix_rank(np.concatenate(rows))


# --- what is chosen --------------------------------------------------------------------------------


def test_what_could_be_had_before_stays():
    """Trained weights keep their meaning: ranks choose wherever they did."""
    for group, inputs, outputs, argument in (
        ("O(2)", 3, 3, "gram"), ("O(3)", 4, 4, "gram"), ("Sp(2)", 2, 2, "gram"), ("SO(3)", 3, 2, "gram"),
        ("S(2)", 2, 2, "orbits"), ("A(3)", 2, 2, "orbits"), ("O(4)", 4, 4, "stable"), ("S(n)", 3, 3, "stable"),
    ):  # fmt: skip
        found = eq.basis(group, inputs, outputs)
        assert found.certificate.independence == argument
        assert found is eq.basis(group, inputs, outputs, choose="cheapest")
        if argument == "stable":
            assert found is eq.basis(group, inputs, outputs, choose="standard")


def test_two_bases_of_one_problem_are_not_confused(tmp_path, monkeypatch):
    monkeypatch.setenv("EQSYNTH_CACHE", str(tmp_path))
    monkeypatch.setattr(bases, "WORTH_KEEPING", 1)
    problems = [("Sp(2)", 3, 3), ("O(2)", 3, 3), ("SO(3)", 3, 4), ("S(3)", 2, 2), ("A(3)", 2, 2)]
    bases._basis.cache_clear()
    first = [[eq.basis(*problem, choose=way) for way in bases.CHOICES] for problem in problems]
    store = Store(tmp_path)
    assert len(list(store)) == len(problems)
    for key in store:
        entry = store.peek(key)
        assert "standard diagrams" in catalog.check_entry(key, entry, prove=True)
        assert "complete" in catalog.describe(key, entry)
        for name in ("auto", "cheapest", None, 1):
            with pytest.raises(EqsynthError):
                catalog.check_entry(key, {**entry, "choose": name})
    for order in (1, -1):
        bases._basis.cache_clear()
        for problem, known in zip(problems[::order], first[::order], strict=True):
            for way, right in [*zip(bases.CHOICES, known, strict=True)][::order]:
                assert eq.basis(*problem, choose=way) == right
    for auto, cheapest, rule in first:
        assert auto == cheapest != rule
        assert rule.certificate.independence in ("standard", "blocks")
        data = bases.to_data(rule)
        assert bases.from_data(rule.group, rule.inputs, rule.outputs, data, "standard") == rule
        with pytest.raises(EqsynthError, match="another one"):
            bases.from_data(rule.group, rule.inputs, rule.outputs, data)
        with pytest.raises(EqsynthError, match="certificate"):
            bases.from_data(rule.group, rule.inputs, rule.outputs, bases.to_data(auto), "standard")
    bases._basis.cache_clear()


def test_a_stored_basis_has_standard_diagrams_alone():
    right = eq.basis("O(2)", 3, 3, choose="standard")
    other = next(d for d in enumeration.diagrams(right.group, 3, 3) if d not in right.diagrams)
    wrong = sorted([*right.diagrams[1:], other], key=lambda diagram: diagram.key)
    data = bases.to_data(replace(right, diagrams=tuple(wrong)))
    with pytest.raises(EqsynthError, match="increasing subsequence of 3"):
        bases.from_data(right.group, 3, 3, data, "standard")


def test_products_are_made_of_either():
    found = eq.basis("O(2) x S(2)", (3, 1), (3, 1), choose="standard")
    assert {element[0] for element in found} == set(eq.basis("O(2)", 3, 3, choose="standard"))
    assert check_basis(found)
    usual = eq.basis("O(2) x S(2)", (3, 1), (3, 1))
    assert usual != found
    assert check_basis(usual)
    other = next(element for element in usual if element not in found.diagrams)
    mixed = replace(found, diagrams=(other, *found.diagrams[1:]))
    with pytest.raises(VerificationError):
        check_basis(mixed)


def test_choices_that_are_not_there_say_so():
    with pytest.raises(EqsynthError, match="'best'"):
        eq.basis("O(3)", 1, 1, choose="best")
    for group, inputs, outputs in (("Perm(3: 1 2 0)", 1, 1), ("O(3)", "S2", "S2"), ("Aut(path3)", 1, 1)):
        with pytest.raises(GroupError, match="leave choose out"):
            eq.basis(group, inputs, outputs, choose="standard")
        assert len(eq.basis(group, inputs, outputs, choose="cheapest"))


# --- what checks it ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("group", "inputs", "outputs"), [("O(2)", 3, 3), ("SO(2)", 2, 3), ("SO(3)", 3, 4), ("Sp(2)", 3, 3)]
)
def test_the_checker_needs_no_listing(group, inputs, outputs, monkeypatch):
    found = eq.basis(group, inputs, outputs, choose="standard")
    if not len(found):
        found = eq.basis(group, inputs, outputs + 1, choose="standard")
    spare = [d for d in enumeration.diagrams(found.group, found.outputs, found.inputs) if d not in found.diagrams]

    def fail(*_):
        pytest.fail("the checker lists diagrams, or asks for ranks")

    for module, names in ((enumeration, ("diagrams",)), (gram, ("gram_modulo",))):
        for name in names:
            monkeypatch.setattr(module, name, fail)
    monkeypatch.setattr("eqsynth.diagrams.standard.standard", fail)
    assert "standard" in check_basis(found)
    kind = "decreasing" if group.startswith("Sp") else "increasing"
    for place in range(len(found)):
        rest = (*found.diagrams[:place], *found.diagrams[place + 1 :])
        for long in spare:
            with pytest.raises(VerificationError, match=kind):
                check_basis(replace(found, diagrams=(*rest, long)))
        if rest:
            with pytest.raises(VerificationError, match="twice"):
                check_basis(replace(found, diagrams=(*rest, rest[0])))
        with pytest.raises(VerificationError, match="dimension"):
            check_basis(replace(found, diagrams=rest, certificate=replace(found.certificate, dimension=len(rest))))
        with pytest.raises(VerificationError, match="certificate"):
            check_basis(replace(found, diagrams=rest))


def test_the_argument_belongs_to_its_groups():
    stable = eq.basis("O(3)", 2, 2)
    for found, why in ((stable, "'standard'"), (eq.basis("S(2)", 2, 2, choose="standard"), "proves nothing")):
        with pytest.raises(VerificationError, match=why):
            check_basis(replace(found, certificate=replace(found.certificate, independence="standard")))
    found = eq.basis("O(2)", 3, 3, choose="standard")
    for change in ({"prime": gram.PRIMES[0]}, {"spanning": 16}, {"independence": "stable"}, {"independence": "gram"}):
        with pytest.raises(VerificationError):
            check_basis(replace(found, certificate=replace(found.certificate, **change)))


def test_pairs_side_by_side_count_as_increasing():
    """Not crossings alone: O(1) leaves out two loops beside each other."""
    assert excess(eq.Group("O", 1), eq.Diagram(2, 2, ((0, 1), (2, 3))))
    assert excess(eq.Group("O", 1), eq.Diagram(2, 2, ((0, 2), (1, 3))))
    assert not excess(eq.Group("O", 1), eq.Diagram(2, 2, ((0, 3), (1, 2))))
    assert excess(eq.Group("Sp", 2), eq.Diagram(2, 2, ((0, 3), (1, 2))))


# --- what goes on from it ----------------------------------------------------------------------------


def test_a_layer_beyond_the_ranks():
    """O(3) 6 -> 5 has none; SO(3) 6 -> 5 has 1,585 maps of 17,325 diagrams."""
    import torch

    layer = eq.Linear("SO(3)", "1x6", "1x5", dtype=torch.float64)
    assert layer.weight.shape == (1585, 1, 1)
    assert len(layer.basis[0, 0]) == 1585
    assert "1,585 maps, all standard" in str(eq.verify(layer, trials=1))


def test_what_is_too_large_is_refused_before_it_starts():
    for inputs, outputs, why in (
        ("S8", "S8", "choosing among more than"),
        (2, "S10", "add up 10,395 orders"),
        (9, 9, "1,730,787 independent maps"),
        (40, 40, "independent maps, more than 1,000,000"),
    ):
        with pytest.raises(SizeError, match=why):
            eq.basis("O(3)", inputs, outputs)
    with pytest.raises(SizeError, match="51,744,875,625 maps"):
        eq.basis("O(3) x O(3)", (8, 8), (8, 8))
    for ask in (eq.plan, eq.Linear):
        with pytest.raises(SizeError, match="lower orders"):
            ask("O(3)", "1x9", "1x9")
    with pytest.raises(SizeError, match="more evenly between input and output"):
        eq.Linear("O(3)", "1x0", "1x14")
    with pytest.raises(SizeError, match="choose='standard'"):
        eq.basis("O(3)", 6, 6, choose="cheapest")
    found = eq.basis("SO(3)", 6, 5)
    for ask in (found.matrices, lambda: found.project([[1]]), lambda: eq.symbolic.gram("SO(3)", 6, 5)):
        with pytest.raises(SizeError):
            ask()


def test_long_listings_are_asked_for(monkeypatch):
    monkeypatch.setenv("EQSYNTH_MAX_STEPS", "1000000")
    with pytest.raises(SizeError, match="lower orders, or raise EQSYNTH_MAX_STEPS"):
        eq.basis("O(3)", 7, 7)


def test_many_terms_of_a_table_are_no_deeper():
    """A sum of thousands of lists is more than Python compiles."""
    values = [number for at in range(3000) for number in (*[7] * 5, at)]
    text = runs(values)
    assert eval(text) == values
    few = values[: 5 * MAX_TERMS // 4]
    assert " + " in runs(few)
    assert eval(runs(few)) == few
