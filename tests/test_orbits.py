"""Orbits of permutation groups on tuples: against Burnside's lemma and a direct search."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy.combinatorics import Permutation, PermutationGroup

from eqsynth.errors import GroupError, SizeError, VerificationError
from eqsynth.graphs import orbits
from eqsynth.graphs.graph import Graph
from eqsynth.graphs.orbits import (
    burnside_count,
    check_orbits,
    elements,
    orbit_count,
    orbit_labels,
    representative_array,
    representatives,
)


@st.composite
def permutation_groups(draw, largest=6):
    n = draw(st.integers(1, largest))
    return draw(st.lists(st.permutations(range(n)).map(tuple), max_size=3)), n


def searched(generators, n, m):
    """Orbits by walking from each tuple in order."""
    labels, count = np.full((n,) * m, -1, np.int64), 0
    for start in product(range(n), repeat=m):
        if labels[start] >= 0:
            continue
        todo = [start]
        labels[start] = count
        while todo:
            here = todo.pop()
            for generator in generators:
                there = tuple(generator[point] for point in here)
                if labels[there] < 0:
                    labels[there] = count
                    todo.append(there)
        count += 1
    return labels


@settings(deadline=None)
@given(permutation_groups(), st.integers(0, 3))
def test_labels_are_those_of_a_direct_search(group, m):
    generators, n = group
    labels = orbit_labels(generators, n, m)
    assert labels.dtype == np.int64
    assert labels.shape == (n,) * m
    assert np.array_equal(labels, searched(generators, n, m))


@settings(deadline=None)
@given(permutation_groups(), st.integers(0, 3))
def test_labels_do_not_change_under_generators(group, m):
    generators, n = group
    labels = orbit_labels(generators, n, m)
    check_orbits(generators, labels)
    for generator in generators:
        moved = labels[np.ix_(*[list(generator)] * m)] if m else labels
        assert np.array_equal(moved, labels)


@settings(deadline=None)
@given(permutation_groups(), st.integers(0, 4))
def test_orbits_are_as_many_as_burnside_says(group, m):
    generators, n = group
    assert orbit_count(orbit_labels(generators, n, m)) == burnside_count(generators, n, m)


@settings(deadline=None, max_examples=30)
@given(permutation_groups(5))
def test_elements_are_as_many_as_sympy_says(group):
    generators, n = group
    listed = elements(generators, n)
    order = PermutationGroup([Permutation(list(g)) for g in generators] or [Permutation(n - 1)]).order()
    assert len(listed) == len(set(listed)) == order
    assert listed[0] == tuple(range(n))


@settings(deadline=None)
@given(permutation_groups(), st.integers(0, 3))
def test_representatives_are_the_least_tuples_in_order(group, m):
    generators, n = group
    labels = orbit_labels(generators, n, m)
    found = representatives(labels)
    assert found == sorted(found)
    assert [int(labels[index]) for index in found] == list(range(orbit_count(labels)))
    for index in product(range(n), repeat=m):
        assert found[labels[index]] <= index
    assert representative_array(labels).tolist() == [list(index) for index in found]


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("C4", {1: 1, 2: 3, 3: 10}),
        ("P3", {1: 2, 2: 5, 3: 14}),
        ("petersen", {2: 3, 3: 15}),
        ("frucht", {2: 144}),
        ("karate", {2: 735}),
        ("cube", {2: 4}),
    ],
)
def test_known_numbers_of_orbits(name, counts):
    graph = Graph.named(name)
    generators = graph.automorphisms()
    for m, count in counts.items():
        assert orbit_count(orbit_labels(generators, graph.n, m)) == count == burnside_count(generators, graph.n, m)


def test_generators_that_move_few_points_take_few_steps(monkeypatch):
    """Exchanges of neighbours: each moves a few of the pairs, and is looked at there alone."""
    taken = []
    monkeypatch.setattr(orbits.Steps, "take", lambda _, count=1: taken.append(count))
    n = 200
    exchanges = [(*range(i), i + 1, i, *range(i + 2, n)) for i in range(n - 1)]
    assert orbit_count(orbit_labels(exchanges, n, 2)) == 2
    assert sum(taken) * orbits.TUPLES_A_STEP < n**2 * n // 2


def test_a_search_that_is_too_long_is_refused(monkeypatch):
    monkeypatch.setenv("EQSYNTH_MAX_STEPS", "10")
    with pytest.raises(SizeError, match="takes more than 10 steps"):
        orbit_labels([(*range(1, 40), 0)], 40, 2)


def test_long_cycles_in_any_order_take_few_rounds():
    n = 100_000
    order = np.random.default_rng(0).permutation(n)
    generator = np.empty(n, np.int64)
    generator[order] = np.roll(order, -1)
    assert not orbit_labels([generator.tolist()], n, 1).any()


def test_the_trivial_group_has_one_orbit_per_tuple():
    assert orbit_labels([], 3, 2).ravel().tolist() == list(range(9))
    assert orbit_labels([(0, 1, 2)], 3, 0).tolist() == 0
    assert representatives(orbit_labels([], 3, 0)) == [()]


@pytest.mark.parametrize("function", [orbit_labels, burnside_count])
def test_what_is_no_permutation_is_refused(function):
    for generator in [(0, 0), (1, 2), (0,), (0, 1, 2)]:
        with pytest.raises(GroupError, match="no permutation of 2 points"):
            function([generator], 2, 1)
    with pytest.raises(GroupError, match="n >= 1"):
        function([], 0, 1)
    with pytest.raises(GroupError, match="m >= 0"):
        function([], 2, -1)


def test_too_many_tuples_are_refused_before_they_are_listed():
    with pytest.raises(SizeError, match="100,000,000"):
        orbit_labels([], 10_000, 2)


def test_too_many_elements_are_refused(monkeypatch):
    monkeypatch.setattr(orbits, "MAX_ELEMENTS", 100)
    assert len(elements([(1, 2, 3, 0), (1, 0, 2, 3)], 4)) == 24
    with pytest.raises(SizeError, match="too many to list"):
        elements([(1, 2, 3, 4, 0), (1, 0, 2, 3, 4)], 5)


def test_the_check_fails_on_sabotaged_labels():
    generators = [(1, 2, 3, 0)]
    labels = orbit_labels(generators, 4, 2)
    check_orbits(generators, labels)
    wrong = labels.copy()
    wrong[2, 3] = wrong[0, 0]
    with pytest.raises(VerificationError, match="change under the generator"):
        check_orbits(generators, wrong)
    with pytest.raises(VerificationError, match="not numbered"):
        check_orbits(generators, labels.max() - labels)
