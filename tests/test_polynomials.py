"""Patterns up to isomorphism, their polynomials exactly and in layers, dense and sparse."""

import pickle
from collections import Counter
from fractions import Fraction
from itertools import permutations, product
from math import factorial, gcd, lcm, prod

import networkx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networkx.algorithms.isomorphism import GraphMatcher
from sympy.utilities.iterables import partitions as partitions_of
from torch.autograd import gradcheck
from torch.testing import assert_close

import eqsynth as eq
from eqsynth.diagrams.patterns import Channel, GraphPattern, Kinds, canonical, patterns
from eqsynth.errors import EqsynthError, GroupError, ShapeError, SizeError, SpaceError
from eqsynth.exact.partitions import set_partitions
from eqsynth.plans.contraction import contraction, exact_counts

PLAIN, SYMMETRIC = Channel(2), Channel(2, symmetric=True)
SIMPLE = Kinds(loops=False, multiple=False)


# --- which patterns there are ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("channel", "kinds", "order", "counts"),
    [
        (SYMMETRIC, Kinds(loops=False), 0, [1, 1, 3, 8, 23, 66]),  # OEIS A050535, multigraphs without loops
        (SYMMETRIC, Kinds(), 0, [1, 2, 7, 23, 79]),  # A007717, multigraphs with loops
        (SYMMETRIC, Kinds(loops=False), 1, [1, 2, 7, 23, 79]),  # A007717 again: rooted at a vertex, without loops
        (PLAIN, Kinds(), 0, [1, 2, 11, 52, 296]),  # A052171, directed multigraphs with loops
        (SYMMETRIC, SIMPLE, 0, [1, 1, 2, 5, 11, 26]),  # A000664, graphs with so many edges
        (Channel(1), Kinds(), 0, [1, 1, 2, 3, 5, 7, 11, 15]),  # A000041: moments are partitions
        (Channel(0), Kinds(), 0, [1, 1, 1, 1]),
    ],
)
def test_as_many_patterns_as_multigraphs(channel, kinds, order, counts):
    listed = patterns([channel], order, len(counts) - 1, kinds)
    degrees = Counter(pattern.degree for pattern in listed)
    assert [degrees[degree] for degree in range(len(counts))] == counts


def turned(channels, cycles):
    """The lengths of the cycles in which a permutation turns the entries of some channels."""
    for channel in channels:
        if channel.order == 0:
            yield 1
        elif channel.order == 1:
            yield from cycles
        elif not channel.symmetric:
            yield from (lcm(a, b) for a in cycles for b in cycles for _ in range(gcd(a, b)))
        else:
            for i, a in enumerate(cycles):
                yield from [a] * ((a + 1) // 2) + [a // 2] * (a % 2 == 0)
                yield from (lcm(a, b) for b in cycles[:i] for _ in range(gcd(a, b)))


@pytest.mark.parametrize(
    ("channels", "order", "degree"),
    [([SYMMETRIC], 2, 3), ([PLAIN], 1, 3), ([PLAIN], 2, 2), ([SYMMETRIC, Channel(1), Channel(0)], 1, 2)],
)
def test_as_many_patterns_as_equivariant_polynomials(channels, order, degree):
    """Molien's series: the multiplicity of order ``order`` in the symmetric powers of the input, for large n."""
    n = 2 * degree + order
    total = [Fraction(0)] * (degree + 1)
    for partition in partitions_of(n):
        cycles = [length for length, count in partition.items() for _ in range(count)]
        size = prod(length**count * factorial(count) for length, count in partition.items())
        series = [1] + [0] * degree  # of 1 / det(1 - t g)
        for length in turned(channels, cycles):
            for power in range(length, degree + 1):
                series[power] += series[power - length]
        for power in range(degree + 1):
            total[power] += Fraction(series[power] * partition.get(1, 0) ** order, size)
    degrees = Counter(pattern.degree for pattern in patterns(channels, order, degree))
    assert [degrees[power] for power in range(degree + 1)] == total


def test_patterns_are_independent_at_the_least_size_that_is_promised():
    layer = eq.nn.GraphPolynomials("S(n)", "1x2", "1x1", 2, dtype=torch.float64)
    count = len(layer.patterns[0])
    values = layer.features(torch.randn(count, 5, 5, 1, dtype=torch.float64)).flatten(0, 1)
    assert torch.linalg.matrix_rank(values) == count == 1 + 5 + 32


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_isomorphic_patterns_have_one_representative(data):
    channels = [PLAIN, SYMMETRIC, Channel(1)]
    count = data.draw(st.integers(1, 5))
    vertex = st.integers(0, count - 1)
    one = st.sampled_from([0, 1, 2]).flatmap(
        lambda channel: st.tuples(st.just(channel), st.tuples(*[vertex] * channels[channel].order))
    )
    factors = data.draw(st.lists(one, max_size=6))
    labels = tuple(data.draw(st.lists(vertex, max_size=2)))
    pattern = canonical(GraphPattern(labels, tuple(factors), count), channels)
    turn = data.draw(st.permutations(range(count)))
    moved = [(channel, tuple(turn[v] for v in ends)) for channel, ends in data.draw(st.permutations(factors))]
    moved = [(channel, ends[::-1] if channel == 1 else ends) for channel, ends in moved]
    assert canonical(GraphPattern(tuple(turn[v] for v in labels), tuple(moved), count), channels) == pattern
    assert canonical(pattern, channels) == pattern


def test_listed_patterns_are_no_two_isomorphic_for_networkx():
    graphs = []
    for pattern in patterns([SYMMETRIC], 0, 5, SIMPLE):
        graphs.append(networkx.Graph([ends for _, ends in pattern.factors]))
    assert not any(networkx.is_isomorphic(one, other) for i, one in enumerate(graphs) for other in graphs[:i])


# --- counts ---------------------------------------------------------------------------------------


def over_all_maps(pattern, arrays):
    n = max(len(array) for array in arrays if array.ndim)
    total = np.zeros((n,) * len(pattern.labels), object)
    for image in product(range(n), repeat=pattern.vertices):
        term = 1
        for channel, ends in pattern.factors:
            term *= arrays[channel][tuple(image[v] for v in ends)].item()
        total[tuple(image[v] for v in pattern.labels)] += term
    return total


@pytest.mark.parametrize(("symmetric", "order", "degree"), [(True, 0, 3), (True, 2, 2), (False, 1, 2), (False, 2, 2)])
def test_exact_counts_are_sums_over_all_maps(symmetric, order, degree):
    channel = Channel(2, symmetric)
    listed = patterns([channel], order, degree)
    matrix = np.random.default_rng(0).integers(-2, 3, (2, 2))
    matrix = matrix + matrix.T if symmetric else matrix
    for pattern, value in zip(listed, exact_counts(contraction(listed, [channel]), matrix, listed), strict=True):
        assert np.array_equal(value, over_all_maps(pattern, [matrix])), pattern


def quotients(graph):
    """The graphs in which some vertices without edges between them are one."""
    nodes = list(graph)
    for blocks in set_partitions(len(nodes)):
        part = {nodes[place]: number for number, block in enumerate(blocks) for place in block}
        if all(part[u] != part[v] for u, v in graph.edges):
            yield networkx.Graph([(part[u], part[v]) for u, v in graph.edges])


@pytest.mark.parametrize("name", ["P4", "C4", "K4", "star3", "C5", "bull", "diamond", "K2,3"])
def test_homomorphisms_are_injective_ones_of_quotients(name):
    """hom(F, G) is the sum of inj(F / partition, G); networkx finds the injective ones, and the automorphisms."""
    graph = eq.Graph.named(name)
    pattern = networkx.Graph(graph.edges)
    target = networkx.gnp_random_graph(6, 0.6, seed=3)
    injective = sum(
        sum(1 for _ in GraphMatcher(target, quotient).subgraph_monomorphisms_iter()) for quotient in quotients(pattern)
    )
    assert eq.nn.count_homomorphisms(pattern, target) == eq.nn.count_homomorphisms(name, target) == injective
    proper = sum(eq.nn.count_homomorphisms(quotient, pattern) > 0 for quotient in quotients(pattern))
    assert proper >= 1


def test_counts_of_labelled_multigraphs_and_directed_patterns():
    walk = networkx.DiGraph([("a", "b"), ("b", "c")])
    cycle = eq.Graph.named("dicycle5")
    pairs = eq.nn.count_homomorphisms((walk, ("c", "a")), cycle)
    assert (pairs == np.roll(np.eye(5, dtype=int), 2, 0)).all()
    double = networkx.MultiGraph([(0, 1), (0, 1), (1, 2)])
    assert eq.nn.count_homomorphisms(double, "K4") == eq.nn.count_homomorphisms("P3", "K4") == 36
    both, apart, nothing = eq.nn.count_homomorphisms(
        [("P2", (0, 0)), (networkx.empty_graph(2), (0, 1)), networkx.Graph()], "path3"
    )
    assert both.tolist() == np.diag([1, 2, 1]).tolist()
    assert (apart == 1).all()
    assert (eq.nn.count_homomorphisms(("P2", torch.tensor([0])), "path3") == [1, 2, 1]).all()
    assert nothing == 1


def test_counts_beyond_any_machine_number_are_exact():
    assert eq.nn.count_homomorphisms("star11", "K40") == 40 * 39**11 > 2**63
    assert eq.nn.count_homomorphisms("C12", "K30") == 29**12 + 29 > 2**53


def test_counts_that_do_not_fit_are_refused():
    ring = networkx.cycle_graph(400)
    with pytest.raises(SizeError, match=r"400 vertices, with an array of n\^4 numbers.*eq\.nn\.GraphPolynomials"):
        eq.nn.count_homomorphisms("K5", ring)
    layer = eq.nn.GraphPolynomials("S(n)", "1xS2", "1x0", patterns=["K5"], densities=False)
    edges = torch.tensor([*ring.edges, *[(b, a) for a, b in ring.edges]]).T
    assert layer.features((edges, torch.ones(edges.shape[1], 1)), torch.zeros(400, dtype=torch.long)).tolist() == [[0]]


def test_pairs_of_graphs_that_message_passing_does_not_tell_apart():
    """Trees count the same in graphs that colour refinement does not tell apart (Dvorak); cycles and cliques do not."""
    trees = [networkx.Graph(list(tree.edges)) for n in range(2, 7) for tree in networkx.nonisomorphic_trees(n)]
    rings = networkx.cycle_graph(6), networkx.disjoint_union(networkx.cycle_graph(3), networkx.cycle_graph(3))
    decalin = networkx.Graph([*networkx.cycle_graph(10).edges, (0, 5)])
    bicyclopentyl = networkx.Graph(
        [*networkx.cycle_graph(5).edges, *((u + 5, v + 5) for u, v in networkx.cycle_graph(5).edges), (0, 5)]
    )
    for (one, other), cycle in [(rings, "C3"), ((decalin, bicyclopentyl), "C5")]:
        assert eq.nn.count_homomorphisms(trees, one) == eq.nn.count_homomorphisms(trees, other)
        assert eq.nn.count_homomorphisms(cycle, one) < eq.nn.count_homomorphisms(cycle, other)


def rook_and_shrikhande():
    cells = list(product(range(4), repeat=2))
    rook = [(u, v) for u in cells for v in cells if (u[0] == v[0]) != (u[1] == v[1])]
    steps = {(0, 1), (0, 3), (1, 0), (3, 0), (1, 1), (3, 3)}
    shrikhande = [(u, v) for u in cells for v in cells if ((u[0] - v[0]) % 4, (u[1] - v[1]) % 4) in steps]
    return [
        torch.tensor([[cells.index(pair[side]) for pair in edges] for side in (0, 1)]) for edges in (rook, shrikhande)
    ]


def test_cliques_tell_the_rooks_graph_from_shrikhandes():
    """Strongly regular, same parameters: patterns of tree width 2 agree, K4 does not: 8 cliques against none."""
    layer = eq.nn.GraphPolynomials(
        "S(n)", "1xS2", "1x0", patterns=["C3", "C4", "C5", "diamond", "K4"], densities=False, dtype=torch.float64
    )
    edges = rook_and_shrikhande()
    index = torch.cat([edges[0], edges[1] + 16], 1)
    batch = torch.arange(32) // 16
    values = layer.features((index, torch.ones(index.shape[1], 1, dtype=torch.float64)), batch)
    assert torch.equal(values[0, :4], values[1, :4])
    assert values[:, 4].tolist() == [8 * 24, 0]
    counts = [eq.nn.count_homomorphisms("K4", networkx.Graph(own.T.tolist())) for own in edges]
    assert counts == [8 * 24, 0]


# --- contraction ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "cost"),
    [
        ("P5", "2 n^2 + n"),  # matrix times vector
        ("star6", "n^2 + 3 n"),
        ("C4", "n^3 + n^2"),
        ("C8", "2 n^3 + n^2"),  # the square of the square
        ("K4", "n^4 + 2 n^3 + n^2"),
        ("K2,3", "n^3 + 2 n^2"),
    ],
)
def test_costs_of_the_cheapest_contraction(name, cost):
    layer = eq.nn.GraphPolynomials("S(n)", "1xS2", "1x0", patterns=[name])
    assert layer.cost == f"order 0: {cost}"


def test_no_order_of_elimination_is_cheaper():
    """The largest power is tree width and one, here by trying all orders in which vertices are summed."""
    for pattern in patterns([SYMMETRIC], 0, 5, Kinds(False, False, True))[2:]:
        graph = networkx.Graph([ends for _, ends in pattern.factors])
        widths = []
        for order in permutations(graph):
            left, width = graph.copy(), 0
            for vertex in order:
                around = list(left[vertex])
                width = max(width, len(around) + 1)
                left.remove_node(vertex)
                left.add_edges_from((u, v) for u in around for v in around if u < v)
            widths.append(width)
        cost = contraction([pattern], [SYMMETRIC]).cost
        assert (f"n^{min(widths)}" if min(widths) > 1 else "n") == cost.split(" + ")[0].split()[-1], pattern


def test_what_patterns_share_is_computed_once():
    listed = patterns([SYMMETRIC], 1, 3)
    together = contraction(listed, [SYMMETRIC]).steps
    alone = sum(len(contraction([pattern], [SYMMETRIC]).steps) for pattern in listed)
    assert len(set(together)) == len(together) < alone / 3


# --- layers ---------------------------------------------------------------------------------------

LAYERS = [
    ("S(n)", "1xS2", "2x2 + 2x1 + 3x0", {"degree": 3}),
    ("S(n)", "2x2 + 1x1 + 1x0", "2x2 + 2x1", {"degree": 1}),
    ("S(n)", "1xS2 + 2x1", "1x1 + 2x0", {"degree": 3, "loops": False, "multiple": False, "densities": False}),
    ("S(4)", "1x2", "1x2 + 1x0", {"degree": 2, "connected": True}),
    ("S(n)", "2x1", "2x0 + 1x2", {"degree": 3}),
    ("A(4)", "1xS2", "1x1", {"degree": 1}),
]


@pytest.mark.parametrize(("group", "space_in", "space_out", "options"), LAYERS)
def test_layers_commute_with_permutations(group, space_in, space_out, options):
    layer = eq.nn.GraphPolynomials(group, space_in, space_out, **options)
    eq.testing.assert_equivariant(layer, trials=1, n={"n": 4} if "n" in group else None)


@pytest.mark.parametrize("densities", [False, True])
def test_features_are_sums_over_all_maps(densities):
    layer = eq.nn.GraphPolynomials("S(n)", "1x2 + 1xS2 + 1x1 + 1x0", "1x2 + 1x0", 2, densities=densities)
    generator = torch.Generator().manual_seed(0)
    terms = [torch.randn(*[2] * order, 1, generator=generator, dtype=torch.float64) for order in (2, 2, 1, 0)]
    terms[1] = terms[1] + terms[1].transpose(0, 1)
    arrays = [term[..., 0].numpy() for term in terms]
    for listed, values in zip(layer.patterns, layer.features(tuple(terms)), strict=True):
        for pattern, value in zip(listed, values.unbind(-1), strict=True):
            meant = over_all_maps(pattern, arrays).astype(float) / (2**pattern.internal if densities else 1)
            np.testing.assert_allclose(value.numpy(), meant, rtol=1e-10, atol=1e-12, err_msg=str(pattern))


def some_graphs(symmetric, seed=0):
    """A batch of graphs of 3, 0, 4 and 1 nodes: edges with loops, and the graph of each node."""
    rng = np.random.default_rng(seed)
    edges, start = [], 0
    for size in (3, 0, 4, 1):
        for i, j in product(range(size), repeat=2):
            if rng.random() < 0.5:
                edges += [(start + i, start + j)] + [(start + j, start + i)] * (symmetric and i != j)
        start += size
    index = torch.tensor(sorted(set(edges))).T
    batch = torch.tensor([0, 0, 0, 2, 2, 2, 2, 3])
    value = torch.from_numpy(rng.normal(size=(start, start)))
    value = value + value.T if symmetric else value
    return index, value[index[0], index[1]][:, None], batch


@pytest.mark.parametrize(("space_in", "degree"), [("1xS2", 3), ("1x2", 2), ("1xS2 + 1x1 + 1x0", 2)])
def test_sparse_graphs_get_what_dense_ones_get(space_in, degree):
    layer = eq.nn.GraphPolynomials("S(n)", space_in, "2x2 + 1x1 + 2x0", degree, dtype=torch.float64)
    index, value, batch = some_graphs("S" in space_in)
    value.requires_grad_()
    nodes, graphs = torch.randn(8, 1, dtype=torch.float64), torch.randn(4, 1, dtype=torch.float64)
    several = "+" in space_in
    (at, edges), at_nodes, at_graphs = layer(
        ((index, value), nodes, graphs) if several else (index, value), batch, graphs=4
    )
    assert torch.equal(at, index)
    total = 0
    for graph in (0, 2, 3):
        own = (batch == graph).nonzero().squeeze(1)
        here = batch[index[0]] == graph
        ends = index[:, here] - own[0]
        dense = torch.zeros(len(own), len(own), 1, dtype=torch.float64).index_put(tuple(ends), value[here])
        meant = layer((dense, nodes[own], graphs[graph]) if several else dense)
        assert_close(edges[here], meant[0][tuple(ends)])
        assert_close(at_nodes[own], meant[1])
        assert_close(at_graphs[graph], meant[2])
        total = total + meant[0][tuple(ends)].sum() + meant[1].sum() + meant[2].sum()
    sparse = edges.sum() + at_nodes.sum() + at_graphs[[0, 2, 3]].sum()
    assert_close(torch.autograd.grad(sparse, value)[0], torch.autograd.grad(total, value)[0])


def test_dense_patterns_are_counted_on_sparse_graphs():
    """Tree width 3 and 4: joins of edges to triples and quadruples of nodes."""
    names = ["K4", "K5", "C6", "K3,3", "star4", "bull"]
    layer = eq.nn.GraphPolynomials("S(n)", "1xS2", "1x0", patterns=names, densities=False, dtype=torch.float64)
    target = networkx.gnp_random_graph(8, 0.8, seed=1)
    index = torch.from_numpy(np.array(networkx.to_numpy_array(target).nonzero()))
    counted = layer.features(
        (index, torch.ones(index.shape[1], 1, dtype=torch.float64)), torch.zeros(8, dtype=torch.long)
    )
    assert counted[0].tolist() == eq.nn.count_homomorphisms(names, target)
    assert min(counted[0]) > 0


def test_a_vertex_alone_counts_nodes():
    pattern = networkx.Graph([(0, 1)])
    pattern.add_nodes_from([2, 3])
    assert eq.nn.count_homomorphisms(pattern, "path3") == 4 * 3**2
    assert eq.nn.count_homomorphisms((pattern, (2,)), "path3").tolist() == [12] * 3
    layer = eq.nn.GraphPolynomials("S(n)", "1xS2", "1x0 + 1x1", patterns=[pattern, (pattern, (2,))], densities=False)
    index = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    dense = torch.zeros(3, 3, 1).index_put((index[0], index[1]), torch.ones(4, 1))
    for total, nodes in (
        layer.features(dense),
        layer.features(dense[None]),
        layer.features((index, torch.ones(4, 1)), torch.zeros(3, dtype=torch.long)),
    ):
        assert total.tolist() in ([36], [[36]])
        assert nodes.flatten().tolist() == [12] * 3


@pytest.mark.parametrize("densities", [True, False])
def test_graphs_without_nodes(densities):
    """The same alone, in padded batches, and in sparse ones: no vertex fits, and constants stay."""
    options = {"patterns": [networkx.empty_graph(0), "K1", "K2"], "densities": densities}
    layer = eq.nn.GraphPolynomials("S(n)", "1xS2", "3x0", **options)
    nothing = torch.zeros(2, 0, dtype=torch.long)
    alone = layer.features(torch.zeros(0, 0, 1))
    assert alone.tolist() == [1, 0, 0]
    sparse = layer((nothing, torch.zeros(0, 1)), nothing[0], graphs=1)
    padded = eq.nn.Padded(layer)
    assert_close(layer(torch.zeros(1, 0, 0, 1)), sparse)
    assert_close(padded(torch.randn(2, 3, 3, 1), [0, 3])[:1], sparse)
    assert_close(padded(torch.zeros(1, 0, 0, 1), [0]), sparse)


def test_outputs_at_other_places_and_sparse_tensors():
    layer = eq.nn.GraphPolynomials("S(n)", "1x2", "1x2", 2, dtype=torch.float64)
    index, value, batch = some_graphs(False)
    everywhere = torch.tensor([(i, j) for i in range(8) for j in range(8) if batch[i] == batch[j]]).T
    at, edges = layer((index, value), batch, at=everywhere)
    assert torch.equal(at, everywhere)
    full = torch.sparse_coo_tensor(index, value, (8, 8, 1), check_invariants=True).coalesce()
    there = layer(full, batch)
    assert there.layout == torch.sparse_coo
    assert_close(
        there.to_dense()[tuple(index)],
        edges[[torch.eq(everywhere.T, pair).all(1).nonzero().item() for pair in index.T]],
    )


def test_large_patterns_take_an_order_that_is_found_step_by_step():
    """More than 12 edges: powers of the matrix, products up a tree, and a count by hand."""
    graph = networkx.gnp_random_graph(7, 0.6, seed=1)
    matrix = networkx.to_numpy_array(graph, dtype=np.int64).astype(object)
    ones = np.ones(7, object)
    tree = ones
    for _ in range(4):  # a vertex with two equal branches
        tree = (matrix @ tree) ** 2
    count = eq.nn.count_homomorphisms
    petersen = networkx.petersen_graph()
    path, cycle, branches, labelled, cliques, fives = count(
        [
            networkx.path_graph(31),
            networkx.cycle_graph(13),
            networkx.balanced_tree(2, 4),
            (networkx.path_graph(15), (0, 14)),
            "K6",
            networkx.circular_ladder_graph(5),
        ],
        graph,
    )
    assert path == ones @ np.linalg.matrix_power(matrix, 30) @ ones
    assert cycle == np.trace(np.linalg.matrix_power(matrix, 13))
    assert branches == tree.sum()
    assert (labelled == np.linalg.matrix_power(matrix, 14)).all()
    assert (cliques, count("K6", "K8")) == (0, 8 * 7 * 6 * 5 * 4 * 3)
    # A prism over a cycle: closed walks of edges that move along edges.
    moves = [(a, b) for a in range(7) for b in range(7) if matrix[a, b]]
    steps = np.array([[matrix[a, c] * matrix[b, d] for c, d in moves] for a, b in moves], object)
    assert fives == np.trace(np.linalg.matrix_power(steps, 5))
    assert count(networkx.path_graph(1200), networkx.cycle_graph(5)) == 5 * 2**1199
    # Automorphisms of Petersen's graph are all of its maps to itself.
    assert count(petersen, petersen) == 120
    layer = eq.nn.GraphPolynomials("S(n)", "1xS2", "1x0", patterns=["petersen"], densities=False, dtype=torch.float64)
    dense = torch.tensor(matrix.astype(float))[None, ..., None]
    index = torch.tensor(matrix.astype(float)).nonzero().T
    sparse = layer.features((index, torch.ones(index.shape[1], 1, dtype=torch.float64)), batch=torch.zeros(7).long())
    assert layer.features(dense).item() == sparse.item() == count(petersen, graph) > 0


def test_gradients():
    layer = eq.nn.GraphPolynomials("S(n)", "1x2", "1x2 + 1x0", 2, connected=True, dtype=torch.float64)
    assert gradcheck(layer, torch.randn(3, 3, 1, dtype=torch.float64, requires_grad=True))


def test_weights_are_saved_and_loaded():
    layer, other = (eq.nn.GraphPolynomials("S(n)", "1xS2", "3x1 + 1x0", 2) for _ in range(2))
    other.load_state_dict(layer.state_dict())
    other = pickle.loads(pickle.dumps(other))
    x = torch.randn(2, 5, 5, 1)
    assert all(torch.equal(one, two) for one, two in zip(layer(x), other(x), strict=True))
    assert [*layer.state_dict()] == ["weight_0", "weight_1"]


def test_dense_calls_are_one_graph_for_torch_compile():
    layer = eq.nn.GraphPolynomials("S(n)", "1xS2", "2x1 + 1x0", 2, connected=True)
    x = torch.randn(2, 4, 4, 1)
    torch._dynamo.reset()
    compiled = torch.compile(layer, fullgraph=True, backend="eager")
    for one, two in zip(layer(x), compiled(x), strict=True):
        assert_close(one, two)


def test_patterns_of_several_channels():
    """A triangle of one kind of edges at a marked node, with an edge of another kind."""
    pattern = GraphPattern((0,), ((0, (0, 1)), (1, (1, 2)), (2, (0,))), 3)
    layer = eq.nn.GraphPolynomials("S(n)", "2x2 + 1x1", "1x1", patterns=[pattern], densities=False)
    edges, nodes = torch.randn(4, 4, 2), torch.randn(4, 1)
    meant = (edges[..., 0] @ edges[..., 1]).sum(1) * nodes[:, 0]
    assert_close(layer.features((edges, nodes))[:, 0], meant)


@pytest.mark.parametrize(
    ("options", "error", "why"),
    [
        ({"group": "O(3)"}, GroupError, "sums over nodes, which O\\(3\\) does not permute"),
        ({"group": "S(n) x O(3)", "space_in": "1x(2,1)", "space_out": "1x(1,1)"}, GroupError, "ask for S\\(n\\)"),
        ({"space_in": "1x3"}, SpaceError, "know no order 3"),
        ({"space_in": "1xA2"}, SpaceError, "know no order A2"),
        ({"space_out": "1xS2"}, SpaceError, "know no order S2"),
        ({"space_in": "1x0"}, SpaceError, "how many nodes"),
        ({"degree": -1}, EqsynthError, "takes a degree"),
        ({"patterns": ["K3"]}, EqsynthError, "takes a degree"),
        ({"degree": None}, EqsynthError, "takes a degree"),
        ({"degree": 9}, SizeError, "more than 5,000 patterns"),
        ({"degree": None, "patterns": "K3"}, EqsynthError, "a list of graphs"),
        ({"degree": None, "patterns": ["K3"]}, EqsynthError, "label other vertices"),
        ({"degree": None, "patterns": [("K3", (3,))]}, EqsynthError, "up to two of its vertices"),
        ({"degree": None, "patterns": [("K3", [np.ones(2)])]}, EqsynthError, "up to two of its vertices"),
        ({"degree": None, "patterns": []}, EqsynthError, "no pattern has 1 labels"),
        ({"degree": None, "patterns": [("K28", (0,))]}, SizeError, "n\\^2[78] places at once"),
        ({"degree": None, "patterns": [("K3", (0,))], "space_in": "1x2"}, EqsynthError, "have no direction"),
        ({"degree": None, "patterns": [GraphPattern((0,), ((1, (0,)),), 1)]}, EqsynthError, "do not fit"),
    ],
)
def test_what_is_no_layer_is_refused(options, error, why):
    with pytest.raises(error, match=why):
        eq.nn.GraphPolynomials(**{"group": "S(n)", "space_in": "1xS2", "space_out": "1x1", "degree": 1, **options})


def test_inputs_that_do_not_fit_are_refused():
    layer = eq.nn.GraphPolynomials("S(n)", "1xS2", "1x1", 1)
    with pytest.raises(ShapeError, match="expected a tensor of shape"):
        layer(torch.ones(3, 4, 1))
    with pytest.raises(ShapeError, match="names nodes from 0 to 5"):
        layer((torch.tensor([[0], [5]]), torch.ones(1, 1)), torch.zeros(2, dtype=torch.long))
    with pytest.raises(ShapeError, match="parameters of this GraphPolynomials"):
        layer(torch.ones(3, 3, 1, dtype=torch.float64))
    with pytest.raises(EqsynthError, match="is directed"):
        eq.nn.count_homomorphisms("K3", "dicycle4")


def test_products_of_sparse_tensors_that_do_not_fit_are_refused(monkeypatch):
    monkeypatch.setenv("EQSYNTH_MAX_BYTES", "4000")
    layer = eq.nn.GraphPolynomials("S(n)", "1xS2", "1x0", patterns=["C4"])
    star = torch.tensor([[0] * 20, list(range(1, 21))])
    with pytest.raises(SizeError, match="420 pairs of entries meet"):
        layer((torch.cat([star, star.flip(0)], 1), torch.ones(40, 1)), torch.zeros(21, dtype=torch.long))
