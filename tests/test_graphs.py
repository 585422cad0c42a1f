"""Graphs: names, files, networkx, and automorphism groups against brute force."""

import contextlib
import pickle
import re
from itertools import permutations, product
from math import factorial

import networkx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eqsynth.errors import EqsynthError, ExportError, GroupError, SizeError, VerificationError
from eqsynth.families.automorphism import Aut
from eqsynth.families.group import Group
from eqsynth.graphs import graph as graphs
from eqsynth.graphs.graph import FAMILIES, NAMED, Graph, is_automorphism
from eqsynth.graphs.orbits import elements


@st.composite
def any_graph(draw, largest=5):
    n = draw(st.integers(1, largest))
    directed = draw(st.booleans())
    pairs = list(product(range(n), repeat=2))
    edges = draw(st.lists(st.sampled_from(pairs), max_size=2 * n, unique=True))
    colours = draw(st.one_of(st.just(()), st.tuples(*[st.integers(0, 1)] * n)))
    return Graph(n, tuple(edges), directed, colours)


def preserves(graph, permutation):
    """The definition, by matrices."""
    matrix, colours = graph.adjacency(), graph.colours or (0,) * graph.n
    moved = matrix[np.ix_(permutation, permutation)]
    return np.array_equal(moved, matrix) and all(colours[permutation[i]] == colours[i] for i in range(graph.n))


# -- the value itself


@given(any_graph())
def test_graph_is_a_plain_value(graph):
    assert eval(repr(graph)) == graph == pickle.loads(pickle.dumps(graph))
    assert hash(graph) == hash(eval(repr(graph)))
    assert list(graph.edges) == sorted(set(graph.edges))
    assert graph.directed or all(tail <= head for tail, head in graph.edges)


def test_graph_puts_edges_in_order_and_keeps_each_once():
    assert Graph(3, ((2, 1), (1, 0), (1, 2), (0, 0))).edges == ((0, 0), (0, 1), (1, 2))
    assert Graph(3, ((2, 1), (1, 2), (1, 2)), directed=True).edges == ((1, 2), (2, 1))


def test_graph_takes_numpy_numbers_and_lists():
    graph = Graph(np.int64(2), [np.array([1, 0])], colours=[np.int32(1), 2])
    assert graph == Graph(2, ((0, 1),), colours=(1, 2))
    assert repr(graph) == "Graph(n=2, edges=((0, 1),), directed=False, colours=(1, 2), name='')"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, ()), "at least 1"),
        (("3", ()), "whole number"),
        ((True, ()), "whole number"),
        ((2, ((0, 2),)), "from 0 to 1"),
        ((2, ((-1, 0),)), "from 0 to 1"),
        ((2, ((0, 1, 1),)), "no edge"),
        ((2, (7,)), "no edge"),
        ((2, ((0, 0.5),)), "no edge"),
        ((2, (), False, (1,)), "one whole number for each vertex"),
        ((2, (), False, ("a", "b")), "one whole number for each vertex"),
        ((2, (), False, (), 5), "the name of a graph is a text, not 5: write name='5'"),
        ((2, (), False, (), None), "the name of a graph is a text"),
    ],
)
def test_graph_refuses_what_does_not_fit(arguments, message):
    with pytest.raises(GroupError, match=message):
        Graph(*arguments)


def test_graph_refuses_too_many_vertices():
    with pytest.raises(SizeError, match="5,000"):
        Graph(5_001, ())


def test_str_is_the_name_or_a_description():
    assert str(Graph.named("Petersen")) == "petersen"
    assert str(Graph(2, ((0, 1),), True)) == "digraph(2 vertices, 1 edge)"
    assert str(Graph(2, (), colours=(0, 1))) == "graph(2 vertices, 0 edges, 2 colours)"


@given(any_graph())
def test_adjacency_says_what_edges_say(graph):
    matrix = graph.adjacency()
    assert matrix.dtype == np.int64
    for tail, head in product(range(graph.n), repeat=2):
        there = (tail, head) in graph.edges or (not graph.directed and (head, tail) in graph.edges)
        assert matrix[tail, head] == int(there)
    assert graph.loops == bool(np.trace(matrix))


# -- names


@pytest.mark.parametrize("name", NAMED)
def test_named_graphs_are_those_of_networkx(name):
    graph = Graph.named(name)
    assert str(graph) == name
    assert Graph.parse(str(graph)) == graph
    assert np.array_equal(graph.adjacency(), networkx.to_numpy_array(getattr(networkx, NAMED[name][0])(), weight=None))


@pytest.mark.parametrize(
    ("text", "name", "same"),
    [
        ("C5", "cycle5", networkx.cycle_graph(5)),
        ("cycle3", "cycle3", networkx.cycle_graph(3)),
        ("P4", "path4", networkx.path_graph(4)),
        ("path1", "path1", networkx.path_graph(1)),
        ("k4", "complete4", networkx.complete_graph(4)),
        ("star5", "star5", networkx.star_graph(5)),
        ("empty3", "empty3", networkx.empty_graph(3)),
        ("Q3", "hypercube3", networkx.cubical_graph()),
        ("dicycle4", "dicycle4", networkx.cycle_graph(4, create_using=networkx.DiGraph)),
        ("dipath3", "dipath3", networkx.path_graph(3, create_using=networkx.DiGraph)),
        ("K2,3", "bipartite2x3", networkx.complete_bipartite_graph(2, 3)),
        ("grid2x3", "grid2x3", networkx.grid_2d_graph(2, 3)),
        ("torus3x4", "torus3x4", networkx.grid_2d_graph(3, 4, periodic=True)),
    ],
)
def test_sized_graphs_are_those_of_networkx(text, name, same):
    graph = Graph.named(text)
    assert str(graph) == name
    assert Graph.named(name) == graph
    assert graph.directed == same.is_directed()
    built = networkx.from_numpy_array(graph.adjacency(), create_using=networkx.DiGraph)
    assert networkx.is_isomorphic(built, networkx.DiGraph(same))


def test_every_family_has_a_test():
    tested = {mark.args[1][i][1] for mark in test_sized_graphs_are_those_of_networkx.pytestmark for i in range(13)}
    assert {name.rstrip("0123456789x") for name in tested} == set(FAMILIES)
    assert FAMILIES["cycle"].pattern == "cycleN"
    assert FAMILIES["grid"].pattern == "gridAxB"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("petersn", r"Did you mean petersen\? Named"),
        ("cycel5", "Did you mean cycleN"),
        ("zzz", "Named graphs are"),
        ("grid4", "Did you mean gridAxB"),
        ("cycle2", "starts at 3"),
        ("K0", "starts at 1"),
        ("", "Named graphs are"),
    ],
)
def test_unknown_names_suggest_others(text, message):
    with pytest.raises(GroupError, match=message):
        Graph.parse(text)


@pytest.mark.parametrize(
    "text", ["complete99999", "hypercube13", "grid2500x3", "bipartite4000x4000", "complete4000", "hypercube999999"]
)
def test_names_too_large_are_refused_before_they_are_built(text):
    with pytest.raises(SizeError, match="fewer"):
        Graph.named(text)


def test_parse_takes_graphs_and_refuses_other_things():
    graph = Graph.named("bull")
    assert Graph.parse(graph) is graph
    with pytest.raises(GroupError, match=r"Graph\.of"):
        Graph.parse(networkx.path_graph(2))
    with pytest.raises(GroupError, match="Named graphs"):
        Graph.parse("x" * 5_000)


# -- networkx


def test_of_numbers_nodes_in_their_order():
    source = networkx.Graph()
    source.add_nodes_from(["z", "a", ("b", 1)])
    source.add_edge("z", ("b", 1), weight=7)
    assert Graph.of(source) == Graph(3, ((0, 2),))


def test_of_keeps_directions_loops_and_colours():
    source = networkx.DiGraph([(1, 0), (0, 0)])
    networkx.set_node_attributes(source, {0: "red", 1: "blue"}, "color")
    assert Graph.of(source, "mine") == Graph(2, ((0, 1), (1, 1)), True, (0, 1), "mine")
    networkx.set_node_attributes(source, {0: 9, 1: 4}, "colour")
    assert Graph.of(source).colours == (4, 9)


@pytest.mark.parametrize("kind", [networkx.MultiGraph, networkx.MultiDiGraph])
def test_edges_of_multigraphs_are_counted(kind):
    graph = Graph.of(kind([(0, 1), (0, 1), (1, 2)]))
    assert (graph.edges, graph.edge_colours) == (((0, 1), (1, 2)), (2, 1))


def test_of_refuses_empty_graphs_half_coloured_ones_and_other_things():
    with pytest.raises(GroupError, match="no vertex"):
        Graph.of(networkx.Graph())
    half = networkx.path_graph(3)
    half.nodes[0]["colour"] = 1
    with pytest.raises(GroupError, match="2 of 3 vertices have no colour"):
        Graph.of(half)
    with pytest.raises(GroupError, match="no graph"):
        Graph.of(5)


# -- files


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize(("suffix", "writer"), [(".g6", "to_graph6_bytes"), (".s6", "to_sparse6_bytes")])
def test_read_graph6_and_sparse6(write, suffix, writer):
    content = getattr(networkx, writer)(networkx.petersen_graph())
    path = write("petersen" + suffix, content)
    graph = Graph.read(path)
    assert graph.edges == Graph.named("petersen").edges
    assert Graph.parse(str(graph)) == graph
    with pytest.raises(ExportError, match="it holds 2"):
        Graph.read(write("two" + suffix, content + content))
    with pytest.raises(GroupError, match="leave out directed"):
        Graph.read(path, directed=True)


def test_edges_of_sparse6_multigraphs_are_counted(write):
    content = networkx.to_sparse6_bytes(networkx.MultiGraph([(0, 1), (0, 1), (1, 2)]))
    assert Graph.read(write("many.s6", content)).edge_colours == (2, 1)


def test_read_edge_lists(write):
    weighted = write("a.txt", "# comment\n10 2 0.5\n\n% weight 3\n2 1 3\n")
    assert Graph.read(weighted, weights=False).edges == ((0, 1), (1, 2))
    assert Graph.read(write("a1.txt", "10 2\n2 1\n7\n")).edges == ((0, 1), (1, 3))
    assert Graph.read(write("b.edges", "b a\na c\n")).edges == ((0, 1), (1, 2))
    both = write("c.edgelist", "0 1\n1 0\n1 1\n")
    assert Graph.read(both, directed=True) == Graph(2, ((0, 1), (1, 0), (1, 1)), True, name=both.as_posix())
    assert Graph.read(both).edges == ((0, 1), (1, 1))
    with pytest.raises(GroupError, match=r"line 1 and again in line 3, the other way round.*directed=True"):
        Graph.read(write("d.txt", "0 1\n1 2\n1 0\n"))
    assert Graph.read(write("e.txt", "0 1\n1 2\n0 1\n"), weights=False).edges == ((0, 1), (1, 2))


@pytest.mark.parametrize(
    "content",
    [
        "a,b\nb,c\n",
        "a, b\nb, c\n",
        "a;b\nb;c\n",
        "a\tb\nb\tc\n",
        "a b\r\nb c\r\n",
        "a b\rb c",
        "\ufeffa b\nb c",
        "a b 1\nb c 2.5e-3\n",
        "a b {}\nb c {'weight': 3, 'name': 'x y'}\n",
        "a,b,1\nb,c,nan\n",
        '"a",b\nb,"c"\n'.replace('"a"', "a").replace('"c"', "c"),
        "'a 1',b\nb,c\n",
        '"a, 1",b\nb,c\n',
        '"a ""1""",b\nb,c\n',
        "(0, 1) (0, 2)\n(0, 2) (0, 3)\n",
        "(0, 1) (0, 2) {}\n(0, 2) (0, 3) {}\n",
        "('a )', 1) [2, 3]\n[2, 3] frozenset({1, 2})\n",
        "New York\tBoston\nBoston\tRome\n",
        "source,target\n0,1\n1,2\n",
        "Source\tTarget\tWeight\n0\t1\t2\n1\t2\t2\n",
        "# source target\na b\nb c\n",
        "a b\nb a\nb c\nc b\n",
        "O'Brien b\nb c\n",
    ],
)
def test_a_path_of_three_in_many_ways(write, content):
    graph = Graph.read(write("path.txt", content.encode()), weights=False)
    assert graph.edges == ((0, 1), (1, 2))
    assert not graph.edge_colours


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("New York Boston\n", "is no weight"),
        ("a b\nb c d\n", "columns"),
        ("a b # note\n", "comments in lines of their own"),
        ("#a b\nb c\n", "Put a blank behind"),
        ("source target\n0 1\n1 2\n", "a header, or an edge"),
        ("names of\n0 1\n", "a header, or an edge"),
        ("New York,Boston\n", "quotation marks"),
        ("a,,b\n", "empty label"),
        ("a,b,\n", "last column is empty"),
        ("a\tb\nb c\n", "where other lines have tabs"),
        ("a,b\nb;c\n", "mixed"),
        ("0;0\n0;x,y\n", "mixed"),
        ('1 " 1 " {}\n', "begins or ends with a blank"),
        ('1 "x y" 3\n', "quotation marks are read only in tables"),
        ("source,source\n0,0\n", "a header, or an edge"),
        ("source,target,1\n0,1,1\n", "a header, or an edge"),
        ("%0,0\n0,1\n", "Put a blank behind"),
        ("'a 1' b\nb c\n", "quotation marks"),
        ("','\n", "begins or ends with"),
        ('"a,b"\nc,d\n', "two labels with quotation marks"),
        ("1,1\n%,0\n", "Put a blank behind"),
        ("0-1\n1-2\n", "one edge in a line"),
        ("a-b\nb-c\n", "no line has two labels"),
        ("#x.py\n# GMT Fri Nov 27\n#\n0 1 2\n1 2 0\n2 0 1\n", "lists of neighbours"),
        ("a b\n" + "x" * 10_001 + " y\n", "more than 10,000 characters"),
        ("'a b\n", "not closed"),
        ("(0, 1 2\n", "not closed"),
        (":) b\n", "closes nothing"),
        ("a b 3\nc\n", "a vertex, or part of a label"),
        ('"a",b\na,c\n', "without them elsewhere"),
        ("1 2\n01 3\n", "the same number"),
        ("x\ty b {}\n", "braces within a label"),
        ("a b {\n", "not closed"),
        ("a {}\n", "braces"),
        ('" ",b\n', "begins or ends with a blank"),
    ],
)
def test_lines_that_may_mean_two_things_are_refused(write, content, message):
    with pytest.raises((ExportError, GroupError), match=message) as refused:
        Graph.read(write("path.txt", content))
    assert isinstance(refused.value, GroupError) or any(line[:4] in str(refused.value) for line in content.splitlines())


#: Labels as people have them, in networkx; a line break, a tab or a comment's sign and a blank in them cannot be seen.
odd_labels = st.one_of(
    st.integers(-20, 20),
    st.tuples(st.integers(0, 3), st.integers(0, 3)),
    st.frozensets(st.integers(0, 2), max_size=2),
    st.text("ab1 ,;'\"()[]{}#%.-\u00a0\x0b\u2028é", min_size=1, max_size=5).filter(
        lambda label: not re.match(r"[#%](?:[\s#%!:=*-]|$)", label)
    ),
)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.tuples(odd_labels, odd_labels), min_size=1, max_size=4),
    st.sampled_from(["data", "weights", "plain"]),
    st.sampled_from(" ,;\t"),
    st.booleans(),
)
def test_what_networkx_writes_is_read_or_refused(tmp_path_factory, edges, kind, delimiter, directed):
    """Never another graph: the same up to the order of vertices, or an error that names the line."""
    source = (networkx.DiGraph if directed else networkx.Graph)(edges)
    path = tmp_path_factory.getbasetemp() / "odd.edgelist"
    # Without the attributes at the end, a label with the delimiter inside may look like a label and a weight.
    if kind != "data" and any(delimiter in str(node) or str(node) != str(node).strip() for node in source):
        return
    if kind == "weights":
        networkx.set_edge_attributes(source, 0.5, "weight")
        networkx.write_weighted_edgelist(source, path, delimiter=delimiter)
    else:
        networkx.write_edgelist(source, path, data=kind == "data", delimiter=delimiter)
    try:
        graph = Graph.read(path, directed=directed)
    except (ExportError, GroupError):
        return
    again = type(source)(graph.edges)
    again.add_nodes_from(range(graph.n))
    texts = [str(node) for node in source]
    if len(set(texts)) == len(texts):
        assert networkx.is_isomorphic(again, source), path.read_text()


def test_plain_labels_of_networkx_come_back(tmp_path):
    for source in (networkx.grid_2d_graph(2, 3), networkx.petersen_graph(), networkx.davis_southern_women_graph()):
        for more in ({}, {"data": False}, {"delimiter": "\t"}, {"delimiter": ",", "data": False}):
            if more.get("delimiter") == "," and any(" " in str(node) for node in source):
                continue
            path = tmp_path / "graph.edgelist"
            networkx.write_edgelist(source, path, **more)
            if any(" " in str(node) and "(" not in str(node) for node in source) and "delimiter" not in more:
                with pytest.raises(ExportError, match="line 1"):
                    Graph.read(path)
                continue
            assert networkx.is_isomorphic(networkx.Graph(Graph.read(path).edges), source)


def test_sizes_are_checked_before_graphs_are_built(write):
    for content in (b":~~?@????A", b":~~_?????"):
        with pytest.raises(SizeError, match="5,000"):
            Graph.read(write("wide.s6", content))
    with pytest.raises(SizeError, match="5,000"):
        Graph.read(write("wide.g6", b"~~?@????"))
    with pytest.raises(SizeError, match="5,000"):
        Graph.read(write("wide.s6", b":~~?@ABCDEF"))
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><graphml>&b;</graphml>'
    with pytest.raises(ExportError, match="entities"):
        Graph.read(write("bomb.graphml", bomb))


@pytest.mark.parametrize("text", ["0 1.0\n1 2\n", "0.0 1.0\n1 2\n", "1e1 2\n10 3\n"])
def test_a_number_with_a_point_is_no_other_vertex(text, tmp_path):
    path = tmp_path / "graph.edgelist"
    path.write_text(text)
    with pytest.raises(GroupError, match="the same number"):
        Graph.read(path)


def test_negative_colours_are_text_like_others():
    group = Aut(Graph(2, (), False, (-1, 0)))
    assert str(group) == "Aut(2: | -1 0)"
    assert Group.parse(str(group)) == group


@pytest.mark.parametrize("text", [
    "4 3\n0 1\n1 2\n2 3\n",
    "5 2\n1 2\n2 3\n",
    "4 2\n0 1\n1 0\n2 3\n3 2\n",
    "4,3\n0,1\n1,2\n2,3\n",
    "4 3\n0 1 0.5\n1 2 1\n2 3 1\n",
    "3 3 2\n1 2 5\n2 3 1\n",
    "3 2\n2\n1 3\n2\n",
    "5\n0 1\n1 2\n",
    "4\n0 1\n1 2\n2 3\n",
    "p sp 3 2\na 1 2 5\na 2 3 1\n",
    "*Vertices 3\n*Edges\n1 2\n2 3\n",
])  # fmt: skip
def test_first_lines_that_may_count_are_refused(text, write):
    for directed in (False, True):
        with pytest.raises(ExportError, match=r"line 1: .* or an? |line 1: a file of") as refused:
            Graph.read(write("graph.txt", text), directed=directed)
        assert str(refused.value).endswith(text.splitlines()[0])


@pytest.mark.parametrize(("text", "vertices", "edges"), [
    ("0 1\n1 2\n2 3\n", 4, 3),
    ("# 4 3\n0 1\n1 2\n2 3\n", 4, 3),
    ("4 3\n0 1\n1 2\n", 5, 3),
    ("4 2\n4 3\n5 0\n", 5, 3),
    ("0 1\n1 2\n4\n", 4, 2),
    ("3\n1 2\n2 3\n", 3, 2),
    ("3\n0 1\n1 3\n", 3, 2),
    ("7\n10 2\n2 1\n", 4, 2),
    ("x\n0 1\n1 2\n", 4, 2),
])  # fmt: skip
def test_first_lines_that_cannot_count_are_vertices_and_edges(text, vertices, edges, write):
    graph = Graph.read(write("graph.txt", text))
    assert (graph.n, len(graph.edges)) == (vertices, edges)


@pytest.mark.parametrize(("text", "why"), [
    ("%%MatrixMarket matrix coordinate real general\n3 3 2\n1 2 5\n2 3 1\n", "Matrix Market"),
    ("0-1 1-2\n", "one edge in a line"),
    ("0 1\n1>2\n", "one edge in a line"),
    ("0 1\n3 4 2.5\n", "all lines a weight or none"),
    ('"new york" boston\n', "only in tables"),
])  # fmt: skip
def test_what_newcomers_write_is_refused_with_the_cure(text, why, tmp_path):
    path = tmp_path / "graph.txt"
    path.write_text(text)
    with pytest.raises(ExportError, match=why):
        Graph.read(path)


def test_colours_are_told_apart_exactly():
    def colours(*values):
        graph = networkx.path_graph(len(values))
        networkx.set_node_attributes(graph, dict(enumerate(values)), "colour")
        return Graph.of(graph).colours

    assert len(set(colours(1, 1.0, np.float32(1), np.int8(1)))) == 1
    assert len(set(colours(0.1, 0.2, 0.1))) == 2
    assert len(set(colours("1", 1, "a", True))) == 4
    assert len(set(colours((0, "a"), (0, "a"), (1, "a")))) == 2
    for odd in (object(), [1], float("nan"), np.zeros(2), {1: 2}):
        with pytest.raises(GroupError, match="colour"):
            colours("a", odd)


@settings(max_examples=100, deadline=None)
@given(any_graph(9), st.sampled_from(["graph6", "sparse6", "graphml"]))
def test_files_of_networkx_come_back(tmp_path_factory, graph, kind):
    source = (networkx.DiGraph if graph.directed else networkx.Graph)(graph.edges)
    source = type(source)(source.subgraph([]))
    source.add_nodes_from(range(graph.n))
    source.add_edges_from(graph.edges)
    if graph.colours:
        networkx.set_node_attributes(source, dict(enumerate(graph.colours)), "colour")
    suffix = {"graph6": "g6", "sparse6": "s6", "graphml": "graphml"}[kind]
    path = tmp_path_factory.getbasetemp() / f"again.{suffix}"
    if (graph.directed and kind != "graphml") or (graph.loops and (kind == "graph6" or graph.n == 1)):
        return
    getattr(networkx, f"write_{kind}")(source, path)
    again = Graph.read(path)
    assert again.edges == graph.edges
    assert again.n == graph.n
    assert kind != "graphml" or (again.directed, again.colours) == (graph.directed, graph.colours)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([".g6", ".s6", ".txt", ".graphml"]),
    st.one_of(
        st.binary(max_size=60),
        st.text("ab01 ,;\t'\"(){}[]#%\n\r\\", max_size=60).map(str.encode),
        st.text("?@A~BC:_^", max_size=30).map(str.encode),
        st.lists(
            st.sampled_from(
                re.findall(
                    r"\S+.*",
                    """
                    <graphml>
                    <graph edgedefault="directed">
                    <node id="a"/>
                    <node id="b"><data key="k">
                    <edge source="a" target="a"/>
                    <key id="k" for="node" attr.name="color" attr.type="int"/>
                    3
                    </data></node>
                    </graph>
                    </graphml>
                    """,
                )
            ),
            max_size=12,
        ).map(lambda parts: "".join(parts).encode()),
    ),
)
def test_any_content_is_a_graph_or_an_error_of_ours(tmp_path_factory, suffix, content):
    path = tmp_path_factory.getbasetemp() / f"any{suffix}"
    path.write_bytes(content)
    with contextlib.suppress(EqsynthError):
        assert Graph.read(path).n >= 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('<graph edgedefault="directed"/><graph edgedefault="directed"/>', "more than one graph"),
        (
            '<graph edgedefault="directed"><node id="a"><graph edgedefault="directed"/></node></graph>',
            "none in a vertex",
        ),
        ('<graph edgedefault="directed"><node id="a"/><node id="a"/></graph>', "stands twice"),
        ('<graph edgedefault="directed"><node id="a"/><edge source="a" target="b"/></graph>', "no vertex of the graph"),
        ('<graph edgedefault="directed"><node/></graph>', "missing"),
        ('<graph><node id="a"/></graph>', "edgedefault"),
        ('<graph edgedefault="directed"><hyperedge/></graph>', "hyperedges"),
        (
            '<graph edgedefault="undirected"><node id="a"/><edge source="a" target="a" directed="true"/></graph>',
            "others are not",
        ),
        (
            '<key id="k" for="node" attr.name="color" attr.type="int"/><graph edgedefault="directed"><node id="a">'
            '<data key="k">red</data></node></graph>',
            "'red' is no int",
        ),
        ("<x>" * 200, "100 deep"),
    ],
)
def test_graphml_that_says_more_than_a_graph_is_refused(write, body, message):
    with pytest.raises(ExportError, match=message):
        Graph.read(write("odd.graphml", f"<graphml>{body}</graphml>"))


def test_defaults_of_graphml_are_colours(write):
    content = (
        '<graphml><key id="k" for="node" attr.name="color" attr.type="int"><default>7</default></key>'
        '<graph edgedefault="undirected"><node id="a"/><node id="b"><data key="k">2</data></node></graph></graphml>'
    )
    assert Graph.read(write("default.graphml", content)).colours == (7, 2)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_graphml_with_entities_is_refused_in_any_encoding(write, encoding):
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><graphml>&b;</graphml>'
    with pytest.raises(ExportError, match="entities"):
        Graph.read(write("bomb.graphml", bomb.encode(encoding)))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.s6", b":Fa@x^\x1f", "signs that are not used"),
        ("b.s6", b":Fa@x^~~~", "goes on behind"),
        ("c.s6", b":@N", "two ways"),
        ("d.s6", b":~~?", "ends within"),
        ("e.g6", b"Bx", "goes on behind"),
        ("f.g6", b"Bww", "not graph6"),
        ("g.g6", b"&B", "not graph6"),
    ],
)
def test_damaged_graph6_and_sparse6_is_refused(write, name, content, message):
    with pytest.raises(ExportError, match=message):
        Graph.read(write(name, content))


def test_long_files_are_refused_before_they_are_taken_apart(write, monkeypatch):
    monkeypatch.setattr(graphs, "MAX_EDGES", 10)
    monkeypatch.setattr(graphs, "MAX_VERTICES", 5)
    with pytest.raises(SizeError, match="more than 15 lines"):
        Graph.read(write("many.txt", "0 1\n" * 20))
    with pytest.raises(SizeError, match="more than 10 edges"):
        Graph.read(write("many.s6", b":C" + b"?" * 100))
    many = "".join(f'<node id="{number}"/>' for number in range(9))
    with pytest.raises(SizeError, match="more than 5 vertices"):
        Graph.read(write("many.graphml", f'<graphml><graph edgedefault="directed">{many}</graph></graphml>'))
    monkeypatch.setattr(graphs, "MAX_FILE", 10)
    with pytest.raises(ExportError, match="larger than 10 bytes"):
        Graph.read(write("long.txt", "0 1\n" * 3))


def test_read_graphml(tmp_path):
    source = networkx.DiGraph([("x", "y"), ("y", "z")])
    networkx.set_node_attributes(source, {"x": 1, "y": 2, "z": 1}, "color")
    path = tmp_path / "g.graphml"
    networkx.write_graphml(source, path)
    assert Graph.read(path) == Graph(3, ((0, 1), (1, 2)), True, (1, 2, 1), path.as_posix())
    networkx.write_graphml(networkx.MultiGraph([(0, 1), (0, 1), (1, 2)]), path)
    assert Graph.read(path).edge_colours == (2, 1)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.g6", "", "empty"),
        ("blank.txt", " \n", "empty"),
        ("comments.txt", "# nothing\n", "comments and blank lines only"),
        ("bad.g6", "\x01\x02", "not graph6"),
        ("bad.s6", "Bw", "not sparse6"),
        ("bad.graphml", "<graphml", "not GraphML"),
        ("other.graphml", "<svg/>", "not GraphML"),
        ("binary.txt", b"\xff\xfe\x00", "no UTF-8"),
        ("graph.docx", "0 1", "its suffix is"),
    ],
)
def test_read_refuses_files_it_cannot_read(write, name, content, message):
    with pytest.raises(ExportError, match=message):
        Graph.read(write(name, content))


def test_read_refuses_missing_files(tmp_path):
    for path in (tmp_path / "absent.g6", tmp_path / "absent.txt"):
        with pytest.raises(ExportError, match="check the path"):
            Graph.parse(str(path))


def test_missing_package_says_how_to_get_it():
    with pytest.raises(EqsynthError, match="pip install no_such_package"):
        graphs._need("no_such_package")


# -- automorphisms


@pytest.mark.parametrize(
    ("graph", "order"),
    [
        (Graph.named("petersen"), 120),
        (Graph.named("cube"), 48),
        (Graph.named("frucht"), 1),
        (Graph.named("karate"), 480),
        (Graph.named("C5"), 10),
        (Graph.named("dicycle5"), 5),
        (Graph.named("dipath3"), 1),
        (Graph.named("heawood"), 336),
        (Graph.named("star5"), 120),
        (Graph.named("tutte"), 3),
        (Graph(4, ((0, 1), (1, 2), (2, 3), (3, 0)), colours=(5, 7, 5, 7)), 4),
        (Graph(4, ((0, 1), (1, 2), (2, 3), (3, 0)), colours=(1, 0, 0, 0)), 2),
        (Graph(3, ((0, 1), (1, 2), (0, 0))), 1),
        (Graph(2, ((0, 1), (1, 0), (0, 0)), directed=True), 1),
        (Graph(1, ((0, 0),)), 1),
    ],
    ids=str,
)
def test_automorphism_groups_have_the_known_order(graph, order):
    generators = graph.automorphisms()
    assert all(preserves(graph, generator) for generator in generators)
    assert len(elements(generators, graph.n)) == order == graph.automorphism_count()


@settings(max_examples=200, deadline=None)
@given(any_graph())
def test_automorphisms_are_all_there_are(graph):
    expected = {p for p in permutations(range(graph.n)) if preserves(graph, p)}
    assert set(elements(graph.automorphisms(), graph.n)) == expected
    assert graph.automorphism_count() == len(expected)


def test_automorphisms_of_every_small_digraph():
    pairs = list(product(range(3), repeat=2))
    for number in range(1 << len(pairs)):
        graph = Graph(3, tuple(pair for place, pair in enumerate(pairs) if number >> place & 1), directed=True)
        expected = {p for p in permutations(range(3)) if preserves(graph, p)}
        assert set(elements(graph.automorphisms(), 3)) == expected


def test_automorphism_count_is_exact_for_large_groups():
    assert Graph.named("K30").automorphism_count() == 265252859812191058636308480000000


@settings(deadline=None)
@given(any_graph(), st.data())
def test_is_automorphism_is_the_definition(graph, data):
    permutation = data.draw(st.permutations(range(graph.n)))
    assert is_automorphism(graph, permutation) == preserves(graph, permutation)


def test_is_automorphism_refuses_what_is_no_permutation():
    assert not is_automorphism(Graph.named("empty3"), (0, 0, 1))
    assert not is_automorphism(Graph.named("empty3"), (0, 1))


@pytest.mark.parametrize(
    ("name", "count", "most"),
    [("complete40", factorial(40), 2), ("star30", factorial(30), 2), ("bipartite3x3", 72, 3), ("empty3", 6, 2)],
)
def test_twins_need_few_generators(name, count, most):
    graph = Graph.named(name)
    assert graph.automorphism_count() == count
    generators = graph.automorphisms()
    assert len(generators) <= most
    if graph.n < 9:
        assert len(elements(generators, graph.n)) == count


def test_twins_of_twins_need_few_generators():
    """Copies of an edge, and their complement."""
    edges = tuple((2 * i, 2 * i + 1) for i in range(50))
    others = tuple(pair for pair in product(range(100), repeat=2) if pair[0] < pair[1] and pair not in set(edges))
    for graph in (Graph(100, edges), Graph(100, others)):
        assert len(graph.automorphisms()) <= 3
        assert graph.automorphism_count() == factorial(50) * 2**50


def test_edges_may_come_one_by_one():
    assert Graph(3, iter([(0, 1), [2, 1]]), colours=iter([0, 1, 0])) == Graph(3, ((0, 1), (1, 2)), colours=(0, 1, 0))
    with pytest.raises(GroupError, match="list of pairs"):
        Graph(3, None)


def test_automorphisms_check_what_they_give_out(monkeypatch):
    def lie(_, kinds, *__):
        return [[1, 0, *range(2, len(kinds))]]

    monkeypatch.setattr(graphs, "_twins", lambda _, kinds: [(vertex,) for vertex in range(len(kinds))])
    monkeypatch.setattr(graphs, "_bliss", lie)
    assert Graph.named("K3").automorphisms() == ((1, 0, 2),)
    with pytest.raises(VerificationError, match="does not keep its edges"):
        Graph.named("P3").automorphisms()


def test_sparse_tensors_are_adjacency_matrices():
    """Entries at one place add up, as in the dense matrix."""
    places, values = torch.tensor([[0, 0, 1, 1], [1, 1, 0, 2]]), torch.tensor([1.0, 1.0, 2.0, 3.0])
    sparse = torch.sparse_coo_tensor(places, values, (3, 3), check_invariants=True)
    for weights in (True, False):
        assert Graph.of(sparse, weights=weights) == Graph.of(sparse.to_dense(), weights=weights)
    assert Graph.of(sparse.T, weights=True) == Graph.of(sparse.to_dense().T, weights=True)
    for shape in ((3, 4), (3,)):
        with pytest.raises(GroupError, match=r"is no graph|no matrix of edges"):
            Graph.of(torch.zeros(shape).to_sparse())
