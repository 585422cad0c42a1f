"""Bilabelled graphs: homomorphism counts against a product loop, candidates, and bases of Aut(G)."""

from dataclasses import replace
from itertools import permutations, product

import flint
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eqsynth.diagrams import bilabelled
from eqsynth.diagrams.bilabelled import PRIME, Budget, Chosen, candidates, check_basis, choose, counts, values
from eqsynth.diagrams.diagram import Diagram
from eqsynth.errors import EqsynthError, SizeError, VerificationError
from eqsynth.graphs.graph import Graph
from eqsynth.graphs.orbits import orbit_count, orbit_labels, representatives

LOOPED = Graph(3, ((0, 0), (0, 1), (1, 2)))
DIRECTED = Graph(4, ((0, 1), (1, 2), (2, 0), (2, 3), (3, 3)), directed=True)


def counted(graph, diagram, index):
    """The definition: all maps from the blocks to the vertices that keep labels and edges."""
    matrix = graph.adjacency()
    found = 0
    for image in product(range(graph.n), repeat=len(diagram.blocks)):
        agrees = all(image[label] == index[vertex] for vertex, label in enumerate(diagram.labels))
        found += agrees and all(matrix[image[tail], image[head]] for tail, head in diagram.edges)
    return int(found)


def orbits_of(graph, m):
    return orbit_labels(graph.automorphisms(), graph.n, m)


def dense_rank(graph, diagrams, m):
    """The rank over Q of the diagrams' full matrices."""
    indices = list(product(range(graph.n), repeat=m))
    rows = [values(graph, diagram, indices) for diagram in diagrams]
    return int(flint.fmpz_mat(rows).rank()) if rows else 0


@st.composite
def problems(draw, largest=4, most=3):
    n = draw(st.integers(1, largest))
    directed = draw(st.booleans())
    edges = draw(st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=2 * n))
    return Graph(n, tuple(edges), directed), draw(st.integers(0, most))


@st.composite
def diagrams_on(draw, m):
    outputs = draw(st.integers(0, m))
    labels = [draw(st.integers(0, 2)) for _ in range(m)]
    groups = {}
    for vertex, label in enumerate(labels):
        groups.setdefault(label, []).append(vertex)
    plain = Diagram.of(outputs, m - outputs, groups.values())
    blocks = plain.blocks + ((),) * draw(st.integers(0, 2))
    if not blocks:
        return Diagram(outputs, m - outputs, ())
    ends = st.integers(0, len(blocks) - 1)
    edges = sorted(set(draw(st.lists(st.tuples(ends, ends), max_size=5))))
    return Diagram(outputs, m - outputs, blocks, tuple(edges))


# -- homomorphism counts


@settings(deadline=None, max_examples=200)
@given(problems(), st.data())
def test_values_are_the_homomorphism_counts(problem, data):
    graph, m = problem
    diagram = data.draw(diagrams_on(m))
    indices = list(product(range(graph.n), repeat=m))
    assert values(graph, diagram, indices) == [counted(graph, diagram, index) for index in indices]


@pytest.mark.parametrize("graph", [Graph.named("P3"), LOOPED, DIRECTED], ids=str)
def test_values_of_every_small_candidate(graph):
    indices = list(product(range(graph.n), repeat=2))
    for diagram in candidates(1, 1, graph.directed, graph.loops, max_internal=2, max_edges=2):
        assert values(graph, diagram, indices) == [counted(graph, diagram, index) for index in indices]


@settings(deadline=None, max_examples=50)
@given(problems(), st.data())
def test_values_are_constant_on_orbits(problem, data):
    graph, m = problem
    diagram = data.draw(diagrams_on(m))
    labels = orbits_of(graph, m)
    on_orbits = values(graph, diagram, representatives(labels))
    indices = list(product(range(graph.n), repeat=m))
    assert values(graph, diagram, indices) == [on_orbits[labels[index]] for index in indices]


def test_a_path_of_internal_vertices_is_a_power_of_the_adjacency_matrix():
    graph, steps = Graph.named("dicycle3"), 4
    walk = Diagram(1, 1, ((0,), (1,), *((),) * (steps - 1)), ((0, 2), *((i, i + 1) for i in range(2, steps)), (4, 1)))
    power = np.linalg.matrix_power(graph.adjacency(), steps)
    assert values(graph, walk, list(product(range(3), repeat=2))) == power.ravel().tolist()


def test_values_beyond_the_precision_of_floats_are_exact():
    length = 16
    tail = Diagram(1, 0, ((0,), *((),) * length), tuple((i, i + 1) for i in range(length)))
    assert 20**length > 2**63
    assert values(Graph.named("K20"), tail, [(0,), (7,)]) == [19**length] * 2


def test_values_at_no_tuple_and_without_vertices():
    assert values(Graph.named("P3"), Diagram(1, 1, ((0, 1),)), []) == []
    assert values(Graph.named("P3"), Diagram(0, 0, ()), [()]) == [1]
    edge = Diagram(0, 0, ((), ()), ((0, 1),))
    assert values(Graph.named("P3"), edge, [()]) == [4]


def test_values_are_the_same_in_small_parts(monkeypatch):
    graph, diagram = Graph.named("cube"), Diagram(1, 1, ((0,), (1,), (), ()), ((0, 2), (1, 3), (2, 3)))
    indices = list(product(range(8), repeat=2))
    whole = values(graph, diagram, indices)
    monkeypatch.setattr(bilabelled, "_widest", lambda *_: (1 << 22, 1))
    assert values(graph, diagram, indices) == whole


def test_values_refuse_what_does_not_fit():
    graph, diagram = Graph.named("P3"), Diagram(1, 1, ((0, 1),))
    with pytest.raises(EqsynthError, match="length 2"):
        values(graph, diagram, [(0,)])
    for index in [(0, 3), (-1, 0)]:
        with pytest.raises(EqsynthError, match="0 to 2"):
            values(graph, diagram, [index])
    with pytest.raises(SizeError, match="51 internal"):
        values(graph, Diagram(1, 0, ((0,), *((),) * 51)), [(0,)])


# -- candidates


def canonical(diagram, directed):
    first = sum(1 for block in diagram.blocks if block)
    forms = []
    for renumbered in permutations(range(first, len(diagram.blocks))):
        number = (*range(first), *renumbered)
        edges = [(number[tail], number[head]) for tail, head in diagram.edges]
        forms.append(sorted(edges if directed else map(tuple, map(sorted, edges))))
    return diagram.blocks, str(min(forms))


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("loops", [False, True])
def test_candidates_are_each_form_once_in_order(directed, loops):
    found = list(candidates(1, 1, directed, loops, max_internal=2, max_edges=3))
    sizes = [(sum(not block for block in diagram.blocks), len(diagram.edges)) for diagram in found]
    assert sizes == sorted(sizes)
    forms = {canonical(diagram, directed) for diagram in found}
    assert len(forms) == len(found)
    expected = set()
    for blocks in (((0,), (1,)), ((0, 1),)):
        for internal in range(3):
            total = len(blocks) + internal
            pairs = [
                (i, j)
                for i, j in product(range(total), repeat=2)
                if (i < j) or (i == j and loops) or (i > j and directed)
            ]
            for number in range(1 << len(pairs)):
                edges = tuple(pair for place, pair in enumerate(pairs) if number >> place & 1)
                if len(edges) > 3:
                    continue
                reached = set(range(len(blocks)))
                for _ in range(total):
                    reached |= {end for edge in edges if reached & set(edge) for end in edge}
                if len(reached) == total:
                    expected.add(canonical(Diagram(1, 1, blocks + ((),) * internal, edges), directed))
    assert forms == expected


def test_candidates_have_their_edges_in_order():
    for diagram in candidates(1, 2, directed=True, loops=True, max_internal=1, max_edges=3):
        assert list(diagram.edges) == sorted(set(diagram.edges))
    for diagram in candidates(1, 2, loops=True, max_internal=2, max_edges=3):
        assert all(tail <= head for tail, head in diagram.edges)


def test_candidates_without_vertices_are_one():
    assert list(candidates(0, 0)) == [Diagram(0, 0, ())]


def test_candidates_without_internal_vertices_or_edges_are_set_partitions():
    assert len(list(candidates(2, 2, max_internal=0, max_edges=0))) == 15


# -- bases


@pytest.mark.parametrize("name", ["C4", "P3", "P4", "petersen", "C6", "cube", "C8"])
def test_small_diagrams_suffice_for_symmetric_graphs(name):
    graph = Graph.named(name)
    labels = orbits_of(graph, 2)
    found = choose(graph, labels, 1, 1)
    assert found.orbits == ()
    assert len(found.diagrams) == orbit_count(labels) == dense_rank(graph, found.diagrams, 2)
    for diagram in found.diagrams:
        assert sum(not block for block in diagram.blocks) <= 2
        assert len(diagram.edges) <= 3
    check_basis(graph, labels, found)


@pytest.mark.parametrize(("outputs", "inputs"), [(0, 3), (1, 2), (3, 0)])
def test_petersen_needs_few_candidates_for_three_vertices(outputs, inputs):
    graph = Graph.named("petersen")
    labels = orbits_of(graph, 3)
    found = choose(graph, labels, outputs, inputs)
    assert (len(found.diagrams), found.orbits) == (15, ())
    assert found.tried < 80
    check_basis(graph, labels, found)


def test_frucht_needs_orbits():
    graph = Graph.named("frucht")
    labels = orbits_of(graph, 2)
    found = choose(graph, labels, 1, 1, Budget(internal=3, edges=6))
    assert len(found.diagrams) == 45
    assert len(found.diagrams) + len(found.orbits) == 144
    check_basis(graph, labels, found)


def test_karate_club():
    graph = Graph.named("karate")
    labels = orbits_of(graph, 2)
    found = choose(graph, labels, 1, 1, Budget(candidates=100))
    assert found.tried == 100
    assert len(found.diagrams) + len(found.orbits) == 735
    check_basis(graph, labels, found)


@settings(deadline=None, max_examples=60)
@given(problems(largest=5, most=2), st.booleans(), st.data())
def test_chosen_is_a_basis_over_the_rationals(problem, coloured, data):
    graph, m = problem
    if coloured:
        graph = replace(graph, colours=data.draw(st.tuples(*[st.integers(0, 1)] * graph.n)))
    labels = orbits_of(graph, m)
    found = choose(graph, labels, m, 0, Budget(candidates=60, internal=2, edges=4))
    check_basis(graph, labels, found)
    size = orbit_count(labels)
    rows = [values(graph, diagram, representatives(labels)) for diagram in found.diagrams]
    rows += [[int(place == orbit) for place in range(size)] for orbit in found.orbits]
    assert int(flint.fmpz_mat(rows).rank()) == len(rows) == size


def test_the_first_independent_diagrams_and_orbits_are_kept():
    graph = Graph.named("P4")
    labels = orbits_of(graph, 2)
    budget = Budget(candidates=5)
    found = choose(graph, labels, 1, 1, budget)
    tried = list(candidates(1, 1))[:5]
    rank, kept = 0, []
    for diagram in tried:
        if dense_rank(graph, [*kept, diagram], 2) > rank:
            kept.append(diagram)
            rank += 1
    assert list(found.diagrams) == kept
    size = orbit_count(labels)
    rows = [values(graph, diagram, representatives(labels)) for diagram in kept]
    orbits = []
    for orbit in range(size):
        longer = [*rows, [int(place == orbit) for place in range(size)]]
        if int(flint.fmpz_mat(longer).rank()) == len(longer):
            rows, orbits = longer, [*orbits, orbit]
    assert list(found.orbits) == orbits


def test_directions_and_loops_are_seen_by_diagrams():
    for graph in (LOOPED, DIRECTED, Graph.named("dicycle5"), Graph.named("dipath3")):
        labels = orbits_of(graph, 2)
        found = choose(graph, labels, 1, 1)
        assert found.orbits == ()
        assert len(found.diagrams) == orbit_count(labels)
    assert any(tail == head for d in choose(LOOPED, orbits_of(LOOPED, 1), 1, 0).diagrams for tail, head in d.edges)


def test_colours_are_left_to_orbits():
    plain = Graph.named("C4")
    graph = replace(plain, colours=(0, 1, 1, 1))
    labels = orbits_of(graph, 1)
    found = choose(graph, labels, 1, 0)
    assert (orbit_count(labels), len(found.diagrams), len(found.orbits)) == (3, 1, 2)
    assert found.tried == 1, "one diagram spans what C4 without colours has"
    check_basis(graph, labels, found)


@pytest.mark.parametrize(
    ("budget", "kept", "tried"),
    [
        (Budget(candidates=0), 0, 0),
        (Budget(candidates=2), 2, 2),
        (Budget(multiply_adds=0), 0, 0),
        (Budget(internal=0), 3, 3),
        (Budget(internal=0, edges=0), 2, 2),
    ],
)
def test_budgets_end_the_search_and_orbits_complete_it(budget, kept, tried):
    graph = Graph.named("P3")
    labels = orbits_of(graph, 2)
    found = choose(graph, labels, 1, 1, budget)
    assert (len(found.diagrams), len(found.orbits), found.tried) == (kept, 5 - kept, tried)
    check_basis(graph, labels, found)


def test_memory_ends_the_search_too(monkeypatch):
    monkeypatch.setattr(bilabelled, "MAX_ENTRIES", 10)
    graph = Graph.named("P3")
    assert len(choose(graph, orbits_of(graph, 2), 1, 1).diagrams) == 2


def test_no_vertices_have_one_map():
    graph = Graph.named("P3")
    found = choose(graph, orbits_of(graph, 0), 0, 0)
    assert found == Chosen((Diagram(0, 0, ()),), (), 1)
    check_basis(graph, orbits_of(graph, 0), found)


def test_chosen_and_budget_are_plain_values():
    graph = Graph.named("P3")
    found = choose(graph, orbits_of(graph, 1), 1, 0)
    assert eval(repr(found)) == found
    assert eval(repr(Budget())) == Budget()


def test_choose_refuses_what_does_not_fit():
    graph = Graph.named("P3")
    with pytest.raises(EqsynthError, match="orbit labels of shape"):
        choose(graph, orbits_of(graph, 2), 1, 2)
    with pytest.raises(SizeError, match="negative"):
        Budget(edges=-1)


def test_the_check_fails_on_sabotaged_bases():
    graph = Graph.named("P4")
    labels = orbits_of(graph, 2)
    found = choose(graph, labels, 1, 1, Budget(candidates=4))
    check_basis(graph, labels, found)
    twice = replace(found, diagrams=(*found.diagrams[:-1], found.diagrams[0]))
    with pytest.raises(VerificationError, match="depend on each other"):
        check_basis(graph, labels, twice)
    with pytest.raises(VerificationError, match="no basis of dimension 8"):
        check_basis(graph, labels, replace(found, orbits=found.orbits[1:]))
    with pytest.raises(VerificationError, match="no basis"):
        check_basis(graph, labels, replace(found, orbits=(*found.orbits[1:], found.orbits[1])))
    with pytest.raises(VerificationError, match="depend on each other"):
        check_basis(graph, labels, replace(found, orbits=(*found.orbits[1:], 99)))


# -- elimination modulo the prime


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(st.integers(0, 2) | st.integers(PRIME - 2, PRIME - 1), min_size=5, max_size=5), max_size=12))
def test_the_span_is_the_rank_modulo_the_prime(vectors):
    span, taken = bilabelled._Span(5), []
    for vector in vectors:
        longer = flint.nmod_mat([*taken, vector], PRIME)
        grows = int(longer.rank()) == len(taken) + 1
        assert span.add(np.array(vector, np.int64)) == grows
        if grows:
            taken.append(vector)
    units = [[int(place == end) for place in range(5)] for end in span.missing()]
    assert len(taken) + len(units) == 5
    assert int(flint.nmod_mat([*taken, *units], PRIME).rank()) == 5


def test_counts_are_floats_that_are_whole():
    found = counts(Graph.named("K4").adjacency(), Diagram(1, 0, ((0,), ()), ((0, 1),)), np.array([[0]]))
    assert found.dtype == np.float64
    assert found.tolist() == [3]
