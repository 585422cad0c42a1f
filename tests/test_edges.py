"""Colours of edges: automorphisms keep weights and repeated edges where asked to, and nothing is dropped in silence."""

from itertools import permutations

import flint
import igraph
import networkx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import eqsynth as eq
from eqsynth.bases.constraints import nullspace
from eqsynth.errors import ExportError, GroupError, IgnoredWeightsWarning, ParseError, VerificationError
from eqsynth.graphs import graph as graphs
from eqsynth.graphs.graph import Graph, is_automorphism
from eqsynth.graphs.orbits import burnside_count, elements
from eqsynth.proof.verification import check_basis
from oracle import assert_all_agree, randomise

#: A triangle with one edge apart from the others, and single and double bonds in turn.
TRIANGLE = "Aut(3: 0-1*5 0-2*7 1-2*7)"
BONDS = "Aut(6: 0-1*2 0-5 1-2 2-3*2 3-4 4-5*2)"


def keeps(graph, images):
    """Whether a permutation keeps all that a graph has, edge by edge."""
    colour = dict(zip(graph.edges, graph.edge_colours or [0] * len(graph.edges), strict=True))
    if not graph.directed:
        colour |= {edge[::-1]: own for edge, own in colour.items()}
    marks = graph.colours or [0] * graph.n
    same = all(marks[images[vertex]] == marks[vertex] for vertex in range(graph.n))
    return same and all(colour.get((images[tail], images[head])) == own for (tail, head), own in colour.items())


@st.composite
def coloured_graphs(draw):
    n, directed = draw(st.integers(1, 5)), draw(st.booleans())
    pairs = [(tail, head) for tail in range(n) for head in range(n) if directed or tail <= head]
    edges = draw(st.lists(st.sampled_from(pairs), unique=True))
    palette = draw(st.sampled_from([[1], [1, 2], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [-3, 10**17]]))
    drawn = [draw(st.sampled_from(palette)) for _ in edges]
    marks = draw(st.one_of(st.just(()), st.tuples(*[st.integers(0, 1)] * n)))
    return Graph(n, tuple(edges), directed, marks, edge_colours=tuple(drawn))


# -- automorphisms


@settings(max_examples=60, deadline=None)
@given(coloured_graphs())
def test_automorphisms_keep_colours_and_there_are_no_others(graph):
    kept = {images for images in permutations(range(graph.n)) if keeps(graph, images)}
    assert set(elements(graph.automorphisms(), graph.n)) == kept
    assert graph.automorphism_count() == eq.Aut(graph).order == len(kept)
    assert all(is_automorphism(graph, images) == (images in kept) for images in permutations(range(graph.n)))


@settings(max_examples=30, deadline=None)
@given(coloured_graphs())
def test_text_and_repr_give_the_graph_back(graph):
    assert eval(repr(graph), {"Graph": Graph}) == graph
    group = eq.Aut(graph)
    assert eq.Group.parse(str(group)) == eq.Aut(str(group)[4:-1]) == group
    assert group.graph.edge_colours == graph.edge_colours


def test_many_colours_and_twins_of_each():
    # All pairs among 12 vertices, in 66 colours: nothing moves; in one colour within two halves: what twins allow.
    pairs = [(tail, head) for tail in range(12) for head in range(tail)]
    assert Graph(12, tuple(pairs), edge_colours=tuple(range(66))).automorphism_count() == 1
    halves = tuple(1 + (tail < 6) + 2 * (head >= 6) for tail, head in pairs)
    assert len(set(halves)) == 3
    assert Graph(12, tuple(pairs), edge_colours=halves).automorphism_count() == 720 * 720
    equal = tuple(7 if (tail < 6) == (head < 6) else 9 for tail, head in pairs)
    assert Graph(12, tuple(pairs), edge_colours=equal).automorphism_count() == 2 * 720 * 720
    assert Graph(12, tuple(pairs), edge_colours=(4,) * 66) == Graph.named("K12").__class__(12, tuple(pairs))


def test_wrong_symmetries_are_caught(monkeypatch):
    graph = Graph(3, ((0, 1), (1, 2)), edge_colours=(1, 2))
    monkeypatch.setattr(graphs, "_lifted", lambda *_: [(2, 1, 0)])
    monkeypatch.setattr(graphs, "_twins", lambda *_: [(0,)])
    with pytest.raises(VerificationError, match="does not keep its edges and colours"):
        graph.automorphisms()


@pytest.mark.parametrize(
    ("colours", "message"),
    [
        ((1,), "do not fit a graph of 2 edges"),
        ((1, 2, 3), "do not fit"),
        ((1, 0.5), "do not fit"),
        ({1: 2}, "no order"),
    ],
)
def test_colours_that_do_not_fit_are_refused(colours, message):
    with pytest.raises(GroupError, match=message):
        Graph(3, ((0, 1), (1, 2)), edge_colours=colours)


def test_an_edge_has_one_colour():
    with pytest.raises(GroupError, match="the edge 1 0 has the colours 1 and 2"):
        Graph(2, ((0, 1), (1, 0)), edge_colours=(1, 2))
    with pytest.raises(ParseError, match="the colours 1 and 3"):
        eq.Group.parse("Aut(2: 0-1 0-1*3)")
    with pytest.warns(IgnoredWeightsWarning, match=r"write 0-1\*2"):
        assert eq.Aut("3: 0-1 1-0 1-2") == eq.Aut("3: 0-1 1-2")
    with pytest.raises(ParseError, match="an edge is expected"):
        eq.Aut("2: 0-1*x")


# -- maps and layers


@pytest.mark.parametrize(
    "text",
    [TRIANGLE, BONDS, "Aut(4: 0>1*2 1>2 2>3*2 3>0)", "Aut(4: 0-0*3 0-1*2 0-3 1-1 1-2 2-2 2-3*2 3-3 | 0 1 1 0)"],
)
def test_maps_are_the_exact_null_space(text):
    group = eq.Group.parse(text)
    for inputs, outputs in ((0, 1), (1, 1), (0, 2)) + ((2, 1),) * (group.n < 5):
        basis, kernel = eq.basis(group, inputs, outputs), nullspace(group, inputs, outputs)
        rows = [block.reshape(len(block), -1).tolist() for block in (basis.matrices(), kernel)]
        ranks = {flint.fmpz_mat(part).rank() for part in (*rows, [*rows[0], *rows[1]])}
        assert ranks == {len(basis)}
        assert len(basis) == burnside_count(group.generators, group.n, inputs + outputs)
        assert check_basis(basis)


@pytest.mark.parametrize("text", [TRIANGLE, "Aut(4: 0-1*2 0-3 1-2 2-3*2)"])
def test_layers_see_colours_by_every_method(text):
    group = eq.Group.parse(text)
    for method in ("auto", "diagrams", "matrix", "irreps"):
        layer = randomise(eq.Linear(group, "2x2 + 1x1", "2x1 + 1x0", method=method, dtype=torch.float64))
        assert layer.plan.pairs[1].dim == len(eq.basis(group, 1, 1))
        assert_all_agree(layer, group.n)
    # Not those of the graph without colours, whose group is larger.
    assert len(eq.basis(group, 1, 1)) > len(eq.basis(eq.Aut(Graph(group.n, group.graph.edges)), 1, 1))
    assert eq.verify(eq.TensorProduct(group, "2x1", "2x1", "2x1"))


def test_the_cure_of_a_doubled_edge_is_the_group_that_was_meant():
    doubled = networkx.MultiGraph([(0, 1), (0, 1), (1, 2), (2, 0)])
    assert (eq.Aut(doubled).order, eq.Aut(networkx.Graph(doubled)).order) == (2, 6)


# -- what people hold

PATH = eq.Aut("3: 0-1 1-2")


@pytest.mark.parametrize(
    "held",
    [
        [(0, 1), (1, 2)],
        ((1, 0), (2, 1)),
        iter([(0, 1), (1, 2)]),
        [(0, 1), (1, 0), (1, 2), (2, 1)],
        [[0, 1, 0], [1, 0, 1], [0, 1, 0]],
        [[False, True, False], [True, False, True], [False, True, False]],
        np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]]),
        torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]),
        torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]),
        np.array([[0, 1], [1, 2], [1, 0], [2, 1]]),
        [[0, 1, 1, 2], [1, 0, 2, 1]],
        [np.array([0, 1, 1, 2]), np.array([1, 0, 2, 1])],
        networkx.path_graph(3),
        networkx.to_scipy_sparse_array(networkx.path_graph(3)),
        igraph.Graph([(0, 1), (2, 1)]),
    ],
    ids=lambda held: type(held).__name__,
)
def test_a_path_as_people_hold_it(held):
    assert eq.Aut(held) == PATH


def test_directions_are_said_or_seen():
    arcs = eq.Aut("3: 0>1 1>2")
    one_way = torch.tensor([[0, 1], [1, 2]]).T.repeat(1, 2)[:, [0, 3]]
    assert eq.Aut([(0, 1), (1, 2)], directed=True) == arcs
    assert eq.Aut(np.array([[0, 1, 0], [0, 0, 1], [0, 0, 0]])) == arcs
    assert eq.Aut(igraph.Graph([(0, 1), (1, 2)], directed=True)) == arcs
    assert one_way.shape == (2, 2)
    longer = np.array([[0, 1, 2], [1, 2, 3]])
    with pytest.raises(GroupError, match="say directed=True, or directed=False"):
        eq.Aut(longer)
    assert eq.Aut(longer, directed=True) == eq.Aut("4: 0>1 1>2 2>3")
    assert eq.Aut(longer, directed=False) == eq.Aut("4: 0-1 1-2 2-3")
    with pytest.raises(GroupError, match="the edge 0 1 in both directions, but others in one"):
        eq.Aut([(0, 1), (1, 0), (1, 2)])
    with pytest.raises(GroupError, match="is not symmetric"):
        eq.Aut(np.array([[0, 1, 0], [0, 0, 1], [0, 0, 0]]), directed=False)


def test_vertices_without_edges_are_counted():
    # A matrix, two edges and an edge_index in one, and the same graph.
    assert eq.Aut(torch.tensor([[0, 1], [1, 0]])) == eq.Aut([[0, 1], [1, 0]]) == eq.Aut([(0, 1)]) == eq.Aut("2: 0-1")
    assert eq.Aut([(0, 1)], n=3) == eq.Aut("3: 0-1")
    assert eq.Aut([], n=2) == eq.Aut("2:")
    with pytest.raises(GroupError, match="give n, as in n=3"):
        eq.Aut([])
    with pytest.raises(GroupError, match="leave that out"):
        eq.Aut(networkx.path_graph(2), n=3)
    with pytest.raises(GroupError, match="leave it out"):
        eq.Aut("petersen", weights=True)
    with pytest.raises(GroupError, match="a matrix of 3 rows has 3 vertices"):
        eq.Aut(np.zeros((3, 3), int), n=4)


@pytest.mark.parametrize(
    ("held", "message"),
    [
        (np.array([[0, 1], [1, 1]]), "may be two edges, a matrix, or an edge_index"),
        ([[0, 1], [1, 2]], "write edges as tuples"),
        ([[0, 1, 2], [1, 2, 0]], "write edges as tuples"),
        ([(0, 1), (1,)], "is no graph"),
        ([(0, 1, 2, 3)], "is no graph"),
        ([(0, -1)], "numbers from 0 on"),
        ([("a", "b")], "whose nodes have names"),
        (np.zeros((2, 3, 3)), r"an array of shape \(2, 3, 3\)"),
        (np.full((3, 3), np.nan), "no numbers"),
        ([["", "a", ""]] * 3, "is no number"),
        ({0: [1]}, "is no graph"),
        (5, "is no graph"),
    ],
    ids=str,
)
def test_what_may_mean_two_things_or_none_is_refused(held, message):
    with pytest.raises(GroupError, match=message):
        eq.Aut(held)


# -- weights

WEIGHTED = [
    ([(0, 1, 5), (0, 2, 7), (1, 2, 7.0)], True),
    ([(0, 1, {"weight": 5}), (0, 2, {"weight": 7}), (1, 2, {"weight": 7})], True),
    (np.array([[0, 5, 7], [5, 0, 7], [7, 7, 0]]), True),
    ([[0, 5, 7], [5, 0, 7], [7, 7, 0]], True),
    (networkx.from_numpy_array(np.array([[0, 5, 7], [5, 0, 7], [7, 7, 0]])), True),
    (networkx.from_numpy_array(np.array([[0, 5, 7], [5, 0, 7], [7, 7, 0]]), edge_attr="km"), "km"),
    (igraph.Graph([(0, 1), (0, 2), (1, 2)], edge_attrs={"weight": [5, 7, 7]}), True),
    (torch.tensor([[0, 0, 1], [1, 2, 2]]).repeat(1, 2)[:, :3].clone(), torch.tensor([5, 7, 7])),
    ([(0, 1), (0, 2), (1, 2)], [5, 7, 7]),
]


@pytest.mark.parametrize(("held", "weights"), WEIGHTED, ids=lambda value: type(value).__name__)
def test_weights_are_kept_where_they_are_asked_for(held, weights):
    more = {"directed": False} if isinstance(held, torch.Tensor) else {}
    group = eq.Aut(held, weights=weights, **more)
    assert group == eq.Group.parse(TRIANGLE)
    assert group.order == 2
    assert eq.Aut(held, weights=False, **more).order == 6


@pytest.mark.parametrize("held", [held for held, weights in WEIGHTED if weights is True], ids=str)
def test_weights_that_are_not_asked_for_are_not_dropped_in_silence(held):
    with pytest.warns(IgnoredWeightsWarning, match=r"Say weights=.* to keep them, or weights=False"):
        assert eq.Aut(held).order == 6


def test_equal_weights_are_one_colour_and_no_warning():
    assert eq.Aut([(0, 1, 0.5), (1, 2, 0.5)]) == eq.Aut([(0, 1, 0.5), (1, 2, 0.5)], weights=True) == PATH
    assert eq.Aut([(0, 1, 0.1 + 0.2), (1, 2, 0.3)], weights=True).order == 1
    assert eq.Aut([(0, 1, 1), (1, 2, True)], weights=True).order == 1
    assert eq.Aut([(0, 1, "double"), (1, 2, "single")], weights=True).graph.edge_colours == (0, 1)
    assert eq.Aut([(0, 1, 10**30), (1, 2, 1)], weights=True).order == 1
    with pytest.raises(GroupError, match="neither a number nor a text"):
        eq.Aut([(0, 1, float("nan")), (1, 2, 1)], weights=True)


def test_repeated_edges_have_all_their_weights():
    twice = networkx.MultiGraph()
    twice.add_weighted_edges_from([(0, 1, 1), (0, 1, 2), (1, 2, 2), (1, 2, 1), (2, 0, 3)])
    assert eq.Aut(twice, weights=True).order == 2
    twice[0][1][0]["weight"] = 2
    assert eq.Aut(twice, weights=True).order == 1
    both = [(0, 1, 5), (1, 0, 6), (1, 2, 5), (2, 1, 5)]
    with pytest.raises(GroupError, match="other weights, or more edges, from"):
        eq.Aut(both, weights=True)
    assert eq.Aut(both, weights=True, directed=True).order == 1


@pytest.mark.parametrize(
    ("held", "weights", "message"),
    [
        ([(0, 1), (1, 2)], True, "has no weights"),
        ([(0, 1), (1, 2)], [1], "1 weights do not fit 2 edges"),
        ([(0, 1), (1, 2)], 5, "neither True, False"),
        (networkx.path_graph(3), True, "2 of 2 edges of the graph have no attribute 'weight'"),
        (np.zeros((3, 3), int), "km", "say weights=True"),
    ],
    ids=str,
)
def test_weights_that_are_not_there_are_refused(held, weights, message):
    with pytest.raises(GroupError, match=message):
        eq.Aut(held, weights=weights)


# -- files


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


@pytest.mark.parametrize(
    "content",
    [
        "0 1 5\n0 2 7\n1 2 7.0\n",
        "0,1,5\n1,0,5\n0,2,7\n2,0,7\n1,2,7\n2,1,7\n",
        "0 1 {'weight': 5, 'name': 'x'}\n0 2 {'weight': 7}\n1 2 {'weight': 7}\n",
        "source\ttarget\tweight\n0\t1\t5\n0\t2\t7\n1\t2\t7\n",
    ],
)
def test_weights_of_edge_lists(write, content):
    path = write("roads.edgelist", content)
    assert eq.Aut(path, weights=True) == eq.Aut(f"{path} | weights") == eq.Group.parse(TRIANGLE)
    assert eq.Group.parse(f"Aut({path.name} | weights)", path.parent) == eq.Group.parse(TRIANGLE)
    assert eq.Aut(str(path), weights=False).order == 6
    with pytest.warns(IgnoredWeightsWarning, match=r"roads\.edgelist differ"):
        assert eq.Aut(path).order == 6


def test_repeated_lines_and_columns_without_a_meaning(write):
    path = write("twice.txt", "0 1\n0 1\n1 2\n2 0\n")
    assert eq.Aut(path, weights=True) == eq.Aut("3: 0-1*2 0-2 1-2")
    with pytest.warns(IgnoredWeightsWarning, match="repeated"):
        assert eq.Aut(path).order == 6
    assert eq.Aut(write("two.txt", "0 1 1 2\n1 2 2 1\n2 0 1 2\n"), weights=True).order == 2
    with pytest.raises(GroupError, match="columns without names"):
        eq.Aut(write("km.txt", "0 1 1\n1 2 2\n"), weights="km")
    with pytest.raises(GroupError, match="no attributes"):
        eq.Aut(write("none.txt", "0 1\n1 2\n"), weights="km")
    with pytest.raises(ExportError, match=r"attributes in .*line 1"):
        eq.Aut(write("code.txt", "0 1 {'weight': f()}\n1 2 {}\n"), weights=True)
    with pytest.raises(GroupError, match="other weights"):
        eq.Aut(write("ways.txt", "0 1 1\n1 0 2\n"), weights=True)
    with pytest.raises(GroupError, match="without weights"):
        eq.Aut(write("a.g6", "Bw\n"), weights=True)
    with pytest.raises(GroupError, match="neither a number"):
        eq.Aut(write("nan.txt", "0 1 nan\n1 2 1\n"), weights=True)


def test_weights_of_graphml(tmp_path):
    path = tmp_path / "roads.graphml"
    source = networkx.Graph(
        [(0, 1, {"weight": 5, "km": 1.5}), (0, 2, {"weight": 7, "km": 1.5}), (1, 2, {"weight": 7, "km": 2.5})]
    )
    networkx.write_graphml(source, path)
    assert eq.Aut(path, weights=True) == eq.Group.parse(TRIANGLE)
    assert eq.Aut(path, weights="km").order == 2
    assert eq.Aut(path, weights=False).order == 6
    with pytest.raises(GroupError, match=r"roads\.graphml.*no attribute 'miles'"):
        eq.Aut(path, weights="miles")
    with pytest.warns(IgnoredWeightsWarning):
        assert eq.Aut(path).order == 6
    text = path.read_text().replace('<data key="d0">5</data>', "", 1)
    path.write_text(text)
    with pytest.raises(GroupError, match="1 of 3 edges"):
        eq.Aut(path, weights=True)
