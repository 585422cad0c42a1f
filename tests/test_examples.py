"""The examples: equal weights give what the same architectures written by hand give, and every file runs."""

import ast
import re
import runpy
import sys
from pathlib import Path

import deep_sets
import flint
import invariant_graph_network as ign
import lattice_gauge
import lorentz
import low_rank_weights
import networkx as nx
import numpy as np
import points_forces
import pytest
import subgraph_network as spen
import torch
import vector_neurons
import weight_spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

import eqsynth as eq
from eqsynth.errors import EquivarianceError

ROOT = Path(__file__).parents[1]
#: Comparisons by training, train_*.py, have tests of their own in test_training.py.
FILES = sorted(path for path in (ROOT / "examples").glob("*.py") if not path.name.startswith("train"))


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.stem)
def test_examples_start_with_and_without_a_number_of_steps(path, monkeypatch):
    """What a file does when it is run, up to the call of its main function."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    last = tree.body[-1]
    if not isinstance(last, ast.If) or "add_argument" not in ast.unparse(last):
        return  # training.py is imported by others, which have options of its own
    imports = [line for line in tree.body if isinstance(line, ast.ImportFrom) and line.module == "argparse"]
    code = compile(ast.Module([*imports, *last.body], []), str(path), "exec")
    calls = []
    for arguments in ([], ["7"]):
        monkeypatch.setattr(sys, "argv", [str(path), *arguments])
        exec(code, {"__doc__": "An example.", "main": lambda **given: calls.append(given)})
    assert len(calls) == 2
    assert calls[1]["steps"] == 7


def randomised(module, seed=0):
    """In float64, with noise on every parameter: biases start at zero, and equal zeros would prove nothing."""
    torch.manual_seed(seed)
    module = module.double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return module


def gradients(module, inputs):
    """Values, gradients by the input and by every parameter, in the order of the parameters."""
    leaf = inputs.clone().requires_grad_()
    value = module(leaf)
    found = torch.autograd.grad(value.sin().sum(), [leaf, *module.parameters()])
    return value, found[0], found[1:]


def assert_same(net, by_hand, inputs):
    """Values and gradients; parameters of both are matched by shape and entries, so their order is free."""
    value, at_input, at_parameters = gradients(net, inputs)
    theirs, at_theirs, at_copies = gradients(by_hand, inputs)
    assert_close(theirs, value)
    assert_close(at_theirs, at_input)
    originals = list(net.parameters())
    for parameter, gradient in zip(by_hand.parameters(), at_copies, strict=True):
        place = next(i for i, p in enumerate(originals) if p.shape == parameter.shape and torch.equal(p, parameter))
        assert_close(gradient, at_parameters[place])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_example_runs(path, monkeypatch, capsys):
    """As a script, with three steps of training."""
    monkeypatch.setattr(sys, "argv", [str(path), "3"])
    runpy.run_path(str(path), run_name="__main__")
    assert len(capsys.readouterr().out.splitlines()) >= 2


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_example_says_what_it_takes(path, monkeypatch, capsys):
    for arguments, code in ((["--help"], 0), (["many"], 2), (["3", "4", "5"], 2)):
        monkeypatch.setattr(sys, "argv", [str(path), *arguments])
        with pytest.raises(SystemExit) as left:
            runpy.run_path(str(path), run_name="__main__")
        assert left.value.code == code
        out, err = capsys.readouterr()
        assert (err if code else out).startswith("usage: ")


def test_an_example_learns(capsys):
    """The first one as it is: a fifth of the error of the average, also for sets larger than any it has seen."""
    deep_sets.main()
    found = re.findall(r"sets of +(\d+): error ([\d.]+), where .* errs by ([\d.]+)", capsys.readouterr().out)
    assert [int(n) for n, _, _ in found] == [5, 12, 100]
    assert all(float(error) < float(spread) / 5 for _, error, spread in found)


def test_the_guide_names_every_example():
    page = (ROOT / "docs" / "guide" / "examples.md").read_text(encoding="utf-8")
    assert len(FILES) >= 6
    for path in FILES:
        assert f"`python examples/{path.name}`" in page
        assert f"usage: python examples/{path.name} [STEPS]\n" in path.read_text(encoding="utf-8")


NETWORKS = {
    "deep sets": deep_sets.network,
    "invariant graph network": ign.network,
    "VNReLU": lambda: vector_neurons.VNReLU(2, 3),
    "vector neurons": vector_neurons.vector_neurons,
    "pairings and gates": vector_neurons.gated,
    "lorentz": lorentz.network,
    "weight spaces": lambda: weight_spaces.network(channels=2),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_commute_with_their_group(name):
    torch.manual_seed(0)
    eq.testing.assert_equivariant(NETWORKS[name](), trials=2)


def test_energies_of_points_do_not_depend_on_where_they_are():
    eq.testing.assert_equivariant(points_forces.Potential(), positions=True, trials=2)
    torch.manual_seed(0)
    net = points_forces.Potential()
    x, batch, _, forces = points_forces.clusters(3, 4)
    assert_close(forces.unflatten(0, (3, 4)).sum(1), torch.zeros(3, 3), atol=1e-4, rtol=0)
    found, slopes = points_forces.predicted(net, x, batch)
    other, turned = points_forces.predicted(net, *[points_forces.turned(x, slopes)[0], batch])
    assert_close(found, other, atol=1e-3, rtol=1e-3)
    assert_close(slopes.norm(dim=1), turned.norm(dim=1), atol=1e-3, rtol=1e-3)
    # Each cluster is computed as if it were alone.
    alone, _ = points_forces.predicted(net, x[4:8], torch.zeros(4).long())
    assert_close(alone, found[1:2])


# --- Deep Sets ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 7])
def test_deep_sets_by_hand(n):
    net = randomised(deep_sets.network())
    assert_same(net, deep_sets.HandWritten(net), torch.randn(3, n, 1, dtype=torch.float64))


@pytest.mark.parametrize(("normalization", "power"), [("sum", 0), ("variance", 0.5), ("mean", 1)])
def test_the_layer_of_deep_sets_with_every_normalization(normalization, power):
    layer = randomised(eq.Linear("S(n)", "3x1", "4x1", normalization=normalization))
    x = torch.randn(2, 6, 3, dtype=torch.float64)
    weight = layer.weight * torch.tensor([6.0 ** (1 - power), 1]).reshape(2, 1, 1).double()
    assert_close(deep_sets.members(x, weight, layer.bias), layer(x))


def test_other_weights_give_something_else():
    """The comparison with the network written by hand can fail."""
    net = randomised(deep_sets.network())
    by_hand = deep_sets.HandWritten(net)
    with torch.no_grad():
        by_hand.weights[1][0, 0, 0] += 0.1
    with pytest.raises(AssertionError):
        assert_same(net, by_hand, torch.randn(3, 5, 1, dtype=torch.float64))


# --- the invariant graph network --------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 3, 6])
def test_invariant_graph_network_by_hand(n):
    net = randomised(ign.network())
    assert_same(net, ign.HandWritten(net), torch.randn(3, n, n, 1, dtype=torch.float64))


@pytest.mark.parametrize("pair", ign.OPERATIONS)
def test_each_operation_is_the_diagram_that_is_said(pair):
    """As matrices of whole numbers, so that a wrong permutation is noticed; each diagram occurs once."""
    k, l = pair  # noqa: E741 - the name in the papers
    n = 4
    units = torch.eye(n**k, dtype=torch.int64).reshape(n**k, *[n] * k, 1)
    diagrams = eq.basis("S(n)", k, l).matrices(n=n)
    order = ign.ORDER_OF_EQSYNTH[pair]
    assert sorted(order) == list(range(len(diagrams)))
    for operation, place in zip(ign.OPERATIONS[pair], order, strict=True):
        matrix = operation(units, n, torch.sum).reshape(n**k, n**l).T
        assert np.array_equal(matrix.numpy(), diagrams[place].reshape(n**l, n**k))


@pytest.mark.parametrize("pair", [(2, 2), (2, 1), (2, 0)])
@pytest.mark.parametrize(("normalization", "add"), [("sum", torch.sum), ("mean", torch.mean)])
def test_layers_of_the_graph_network_by_hand(pair, normalization, add):
    layer = randomised(eq.Linear("S(n)", f"2x{pair[0]}", f"3x{pair[1]}", bias=False, normalization=normalization))
    x = torch.randn(2, 5, 5, 2, dtype=torch.float64)
    assert_close(ign.operate(pair, x, layer.weight, 5, add), layer(x))


def test_how_many_of_the_15_operations_are_independent():
    assert [ign.rank(ign.matrices(n)) for n in (1, 2, 3, 4, 5)] == [1, 8, 14, 15, 15]
    assert [len(eq.basis(f"S({n})", 2, 2)) for n in (1, 2, 3, 4, 5)] == [1, 8, 14, 15, 15]


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_small_graphs_have_the_same_maps_with_fewer_weights(n):
    """The operations span what the basis spans, and weights of one become weights of the other."""
    basis = [matrix.tolist() for matrix in eq.basis(f"S({n})", 2, 2).matrices()]
    assert ign.rank(ign.matrices(n) + basis) == ign.rank(basis) == len(basis)
    layer = eq.Linear(f"S({n})", "2x2", "3x2", bias=False, normalization="sum").double()
    weight = torch.randn(15, 3, 2, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(ign.weights_at(n, weight))
    x = torch.randn(2, n, n, 2, dtype=torch.float64)
    by_hand = sum(op(x @ w.T, n, torch.sum) for op, w in zip(ign.OPERATIONS[2, 2], weight, strict=True))
    assert_close(layer(x), by_hand)


# --- vector neurons ---------------------------------------------------------------------------------------


def test_vector_neurons_by_hand():
    """The layer of the paper, with channels first as it has them; values and gradients."""
    layer = randomised(vector_neurons.VNReLU(4, 3))
    weights = [layer.feature.weight, layer.direction.weight]
    x = torch.randn(2, 5, 3, 4, dtype=torch.float64, requires_grad=True)
    ours = layer(x)
    theirs = vector_neurons.vn_relu_by_hand(x.transpose(-1, -2), weights[0][0], weights[1][0]).transpose(-1, -2)
    assert_close(theirs, ours)
    found = [torch.autograd.grad(value.sin().sum(), [x, *weights], retain_graph=True) for value in (ours, theirs)]
    assert_close(found[0], found[1])


def test_linear_vector_neurons_are_one_of_two_maps():
    """S(n) x O(3) also has the mean over points; without it the paper's layer is left."""
    layer = randomised(eq.Linear("S(n) x O(3)", "4x(1,1)", "3x(1,1)", bias=False, normalization="mean"))
    x = torch.randn(2, 5, 3, 4, dtype=torch.float64)
    mean, itself = layer.weight
    assert_close(layer(x), x @ itself.T + (x.mean(1, keepdim=True) @ mean.T))
    alone = eq.Linear("O(3)", "4x1", "3x1", bias=False).double()
    with torch.no_grad():
        mean.zero_()
        alone.weight.copy_(itself.unsqueeze(0))
    assert_close(layer(x), alone(x))


def test_relu_of_coordinates_is_noticed():
    with pytest.raises(EquivarianceError):
        eq.testing.assert_equivariant(torch.relu, "S(n) x O(3)", "2x(1,1)", "2x(1,1)")


def test_neurons_of_clouds_turn_with_them():
    torch.manual_seed(0)
    points = torch.randn(3, 9, 3, dtype=torch.float64)
    turn, order = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64)).Q, torch.randperm(9)
    moved = vector_neurons.neurons(points[:, order] @ turn.T)
    assert_close(moved, torch.einsum("ij,bnjc->bnic", turn, vector_neurons.neurons(points)[:, order]))


# --- the Lorentz group ------------------------------------------------------------------------------------


def test_lorentz_network_by_hand():
    net = randomised(lorentz.network())
    assert_same(net, lorentz.HandWritten(net), torch.randn(5, 4, 2, dtype=torch.float64))


def test_lorentz_tensors_by_hand():
    assert [len(eq.basis(lorentz.LORENTZ, k, 0)) for k in (1, 2, 3, 4)] == [0, 1, 0, 3]
    assert [len(eq.basis(lorentz.ALGEBRA, k, 0)) for k in (1, 2, 3, 4)] == [0, 1, 0, 3]
    layer = randomised(eq.Linear(lorentz.LORENTZ, "2x2", "3x2", bias=False, normalization="sum"))
    x = torch.randn(5, 4, 4, 2, dtype=torch.float64)
    assert_close(lorentz.tensors_by_hand(x, layer.weight), layer(x))


def test_all_observers_see_the_same():
    net = randomised(lorentz.network())
    x, y = (tensor.double() for tensor in lorentz.particles(20))
    moved = lorentz.seen_by_another(x)
    assert (moved - x).abs().max() > 1
    assert_close(net(moved), net(x))
    again = (moved.sum(2).square() * lorentz.METRIC).sum(1, keepdim=True)
    assert_close(again, y, rtol=1e-5, atol=1e-5)


# --- low-rank weights, lattice gauge theory ---------------------------------------------------------------


def test_low_rank_weights_by_hand():
    net = randomised(low_rank_weights.Network())
    u, v, _ = (tensor.double() for tensor in low_rank_weights.weights(5))
    expected = low_rank_weights.HandWritten(net)(u, v)
    assert_close(net(u, v), expected)
    moved = low_rank_weights.rewritten(u, v, torch.tensor([[2.0, 1.0], [-1.0, 0.5]], dtype=torch.float64))
    assert (moved[0] - u).abs().max() > 1
    assert_close(net(*moved), expected)


def test_lattice_gauge_products_by_hand():
    torch.manual_seed(0)
    spaces, options = ("2x(1,1)", "2x(1,1)", "3x(1,1)"), {"bias": False, "normalization": "sum"}
    layer = eq.TensorProduct("SU(3)", *spaces, "paired", dtype=torch.complex128, **options)
    a, b = torch.randn(2, 4, 3, 3, 2, dtype=torch.complex128)
    assert_close(layer(a, b), lattice_gauge.by_hand(layer.weight, a, b))


def test_lattice_gauge_network_sees_no_gauge():
    torch.manual_seed(0)
    net, u = lattice_gauge.Network(), lattice_gauge.links(3)
    moved = lattice_gauge.gauged(u, lattice_gauge.special_unitary(3, lattice_gauge.SIZE, lattice_gauge.SIZE))
    assert (moved - u).abs().max() > 0.5
    y = net(lattice_gauge.plaquettes(u))
    assert y.std() > 0
    assert_close(net(lattice_gauge.plaquettes(moved)), y, rtol=1e-3, atol=1e-4)


# --- weight spaces ----------------------------------------------------------------------------------------

FIXED = {"in": 2, "out": 1, "dy": 1, "dx": 2}
SPECS = {
    "perceptron": (weight_spaces.PERCEPTRON, {"h": 2, "k": 3}),
    "convolutions": (weight_spaces.CONVOLUTIONS, {"h": 2, "k": 2}),
    "recurrent": (weight_spaces.RECURRENT, {"h": 3}),
}


def flat_permutations(tensors, lengths, kinds):
    """Where each weight goes when two neighbours of one kind change places: permutations of all weights in a row."""
    shapes = {name: tuple(lengths[axis] for axis in axes) for name, axes in tensors.items()}
    starts = np.cumsum([0, *[int(np.prod(shape)) for shape in shapes.values()]])
    for kind in kinds:
        for i in range(lengths[kind] - 1):
            swap = list(range(lengths[kind]))
            swap[i], swap[i + 1] = swap[i + 1], swap[i]
            moved = []
            for (name, axes), start in zip(tensors.items(), starts, strict=False):
                places = start + np.arange(np.prod(shapes[name])).reshape(shapes[name])
                for axis, name_of_axis in enumerate(axes):
                    if name_of_axis == kind:
                        places = np.take(places, swap, axis)
                moved.append(places.ravel())
            yield np.concatenate(moved)


def brute_force_dimension(permutations, size):
    """Unknowns minus the rank of W P = P W, for every generator P, exactly."""
    eye, rows = np.eye(size, dtype=np.int64), []
    for permutation in permutations:
        p = eye[permutation]
        rows.append(np.unique(np.kron(eye, p.T) - np.kron(p, eye), axis=0))
    stacked = np.concatenate(rows)
    return size * size - flint.nmod_mat(*stacked.shape, [int(v) for v in stacked.ravel()], 2**31 - 1).rank()


@pytest.mark.parametrize("name", SPECS)
def test_weight_space_layers_are_the_whole_null_space(name):
    """Every map of the layer commutes, all are independent, and they are as many as the null space has dimensions."""
    tensors, widths = SPECS[name]
    used = {axis: FIXED[axis] for axes in tensors.values() for axis in axes if axis in FIXED}
    lengths = {**used, **widths}
    space = weight_spaces.weight_space(tensors, used, widths)
    shapes = {key: tuple(lengths[axis] for axis in axes) for key, axes in tensors.items()}
    sizes = [int(np.prod(shape)) for shape in shapes.values()]
    units = torch.eye(sum(sizes), dtype=torch.float64).split(sizes, 1)
    inputs = space.pack({key: unit.reshape(-1, *shapes[key]) for key, unit in zip(shapes, units, strict=True)})
    layer = eq.Linear(space.group, space.space(), space.space(), bias=False, normalization="sum").double()
    # Outputs come packed; packing the places of all weights says which is which.
    places = torch.arange(sum(sizes)).split(sizes)
    packed = space.pack({key: part.reshape(1, *shapes[key]) for key, part in zip(shapes, places, strict=True)})
    back = torch.cat([part.flatten() for part in packed]).argsort()
    found = []
    for parameter in layer.parameters():
        for entry in range(parameter.numel()):
            with torch.no_grad():
                for other in layer.parameters():
                    other.zero_()
                parameter.view(-1)[entry] = 1
                outputs = torch.cat([part.flatten(1) for part in layer(inputs)], 1)
            found.append(outputs[:, back].T.numpy())
    permutations = list(flat_permutations(tensors, lengths, widths))
    for matrix in found:
        assert np.abs(matrix - matrix.round()).max() < 1e-9
        for permutation in permutations:
            assert np.allclose(matrix[permutation][:, permutation], matrix, atol=1e-9)
    whole = [int(value) for matrix in found for value in matrix.round().ravel()]
    rank = flint.nmod_mat(len(found), sum(sizes) ** 2, whole, 2**31 - 1).rank()
    assert rank == len(found) == brute_force_dimension(permutations, sum(sizes))


def test_the_null_space_notices_a_missing_generator():
    lengths = {**FIXED, "h": 3}
    permutations = list(flat_permutations(weight_spaces.RECURRENT, lengths, ["h"]))
    assert brute_force_dimension(permutations[:1], 21) > brute_force_dimension(permutations, 21)


def test_the_specification_is_the_symmetry_of_the_networks():
    """Shuffled by the specification, networks compute the same, and what reads them sees no difference."""
    torch.manual_seed(0)
    weights = {name: x.double() for name, x in weight_spaces.perceptrons(5, 4, 3).items()}
    orders = {"h": torch.tensor([2, 0, 3, 1]), "k": torch.tensor([1, 2, 0])}
    shuffled = dict(weights)
    for name, axes in weight_spaces.PERCEPTRON.items():
        for place, axis in enumerate(axes):
            if axis in orders:
                shuffled[name] = shuffled[name].index_select(1 + place, orders[axis])
    points = torch.linspace(-1, 1, 5, dtype=torch.float64)
    assert not torch.equal(shuffled["w2"], weights["w2"])
    assert_close(weight_spaces.run(shuffled, points), weight_spaces.run(weights, points))
    net = randomised(weight_spaces.network(channels=2))
    assert_close(net(weight_spaces.SPACE.pack(shuffled)), net(weight_spaces.SPACE.pack(weights)))
    wrong = {**shuffled, "w1": weights["w1"]}
    assert not torch.allclose(net(weight_spaces.SPACE.pack(wrong)), net(weight_spaces.SPACE.pack(weights)))


def test_specifications_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="widths are for shuffled axes, h, not for k"):
        weight_spaces.weight_space({"w": ("h", "in")}, {"in": 2}, {"k": 3})
    with pytest.raises(ValueError, match="27 kinds of neurons"):
        weight_spaces.weight_space({f"w{i}": (f"h{i}",) for i in range(27)}, {})
    with pytest.raises(ValueError, match="no axis is shuffled"):
        weight_spaces.weight_space({"w": ("out", "in")}, {"in": 2, "out": 1})


# --- subgraph networks ------------------------------------------------------------------------------------


def some_graphs():
    """One with three neighbours at each node, and two with fewer at some."""
    return [*spen.cubic(1, (8,), 3), nx.Graph([(0, 1), (1, 2), (2, 0), (2, 3)]), nx.path_graph(3)]


def relabelled(graph, seed):
    """The same graph with its nodes in another order, and where each went."""
    order = np.random.default_rng(seed).permutation(len(graph)).tolist()
    moved = nx.Graph()
    moved.add_nodes_from(range(len(graph)))
    moved.add_edges_from((order[i], order[j]) for i, j in graph.edges)
    return moved, order


def subgraph_network(kinds, add, seed=0):
    torch.manual_seed(seed)
    return randomised(spen.SubgraphNetwork(kinds, add))


@pytest.mark.parametrize(("add", "hops", "most"), [("mean", 1, 4), ("sum", 1, 3), ("sum", 2, 3)])
def test_subgraph_network_by_hand(add, hops, most):
    """Values, and gradients by every parameter, with layers for some kinds and the layer of S(n) for the others."""
    graphs = some_graphs()[hops - 1 :]
    kinds = [kind for kind in spen.common(graphs, hops) if kind.n <= most]
    net = subgraph_network(kinds, add)
    by_hand = spen.HandWritten(net, hops)
    ours, theirs = net(spen.cut(graphs, kinds, hops)), by_hand(graphs)
    assert_close(theirs, ours)
    found = torch.autograd.grad(
        ours.sin().sum(), [*net.local.parameters(), *net.head.parameters()], allow_unused=True, materialize_grads=True
    )
    copies = [by_hand.weights[name.replace(".", " ")] for name, _ in net.local.named_parameters()]
    expected = torch.autograd.grad(
        theirs.sin().sum(), [*copies, *by_hand.head.parameters()], allow_unused=True, materialize_grads=True
    )
    for gradient, other in zip(found, expected, strict=True):
        assert_close(gradient, other)
    used = {places.kind for places in spen.cut(graphs, kinds, hops).places}
    assert set(kinds) <= used
    assert (None in used) == (add == "sum")
    with torch.no_grad():
        by_hand.weights[f"0 layers {kinds[-1].name} bias_1"] += 0.1
    with pytest.raises(AssertionError):
        assert_close(by_hand(graphs), ours)


def check_relabelling(graph, hops, seed, every=2):
    kinds = [kind for kind in spen.common([graph], hops) if kind.n <= 4][::every]
    moved, order = relabelled(graph, seed)
    for add in ("mean", "sum"):
        net = subgraph_network(kinds, add)
        before, after = (spen.cut([g], kinds, hops) for g in (graph, moved))
        assert_close(net(after), net(before), rtol=1e-10, atol=1e-10)
        (pairs, nodes), (pairs_after, nodes_after) = net.features(before), net.features(after)
        assert_close(nodes_after[order], nodes, rtol=1e-10, atol=1e-10)
        place = {pair: row for row, pair in enumerate(map(tuple, after.pairs.tolist()))}
        rows = [place[order[i], order[j]] for i, j in before.pairs.tolist()]
        assert_close(pairs_after[rows], pairs, rtol=1e-10, atol=1e-10)


@given(st.integers(2, 7), st.integers(0, 15), st.integers(1, 2), st.integers(0, 99))
@settings(deadline=None, max_examples=6)
def test_subgraph_networks_do_not_see_how_nodes_are_numbered(n, edges, hops, seed):
    """One number for the graph, the same features at each node and pair wherever they went."""
    check_relabelling(nx.gnm_random_graph(n, edges, seed=seed), hops, seed)


def test_an_order_that_is_no_isomorphism_is_noticed(monkeypatch):
    right = spen.canonical

    def wrong(n, edges):
        kind, _ = right(n, edges)
        return kind, tuple(range(n))

    graph = nx.Graph([(0, 1), (0, 2), (0, 3), (1, 2), (3, 4)])
    check_relabelling(graph, 1, 2, every=1)
    monkeypatch.setattr(spen, "canonical", wrong)
    with pytest.raises(AssertionError):
        check_relabelling(graph, 1, 2, every=1)


@given(st.integers(2, 7), st.integers(0, 12), st.integers(0, 99))
@settings(deadline=None, max_examples=60)
def test_kinds_are_classes_of_graphs_with_a_middle(n, edges, seed):
    """Of two graphs, one perhaps moved: equal kinds exactly if networkx finds an isomorphism that keeps the middle."""
    first = nx.gnm_random_graph(n, edges, seed=seed)
    middle = next(iter(relabelled(nx.empty_graph(n), seed)[1]))
    others = [(relabelled(first, seed)[0], middle), (nx.gnm_random_graph(n, edges, seed=seed + 1), 0)]
    kinds = []
    for graph, root in [(first, 0), *others]:
        listed = {node: place for place, node in enumerate([root, *(set(range(n)) - {root})])}
        moved = tuple(sorted(tuple(sorted((listed[i], listed[j]))) for i, j in graph.edges))
        kind, order = spen.canonical(n, moved)
        assert order[0] == 0
        assert kind.edges == tuple(sorted(tuple(sorted((order.index(i), order.index(j)))) for i, j in moved))
        kinds.append(kind)
    for kind, (graph, root) in zip(kinds[1:], others, strict=True):
        nx.set_node_attributes(first, {node: node == 0 for node in first}, "middle")
        nx.set_node_attributes(graph, {node: node == root for node in graph}, "middle")
        same = nx.is_isomorphic(first, graph, node_match=lambda a, b: a["middle"] == b["middle"])
        assert (kind == kinds[0]) == same


def test_what_subgraph_networks_tell_apart():
    """Message passing along edges tells none of these pairs apart; averages lose in how many small graphs a pair is."""
    cycle, disjoint = nx.cycle_graph, nx.disjoint_union
    hexagon, triangles = cycle(6), disjoint(cycle(3), cycle(3))
    octagon, squares = cycle(8), disjoint(cycle(4), cycle(4))
    prism, bipartite = nx.circular_ladder_graph(3), nx.complete_bipartite_graph(3, 3)

    def apart(first, second, add, hops):
        # Colours of nodes are never refined where all have as many neighbours.
        (degree,) = {degree for graph in (first, second) for _, degree in graph.degree}
        assert degree > 1
        assert len(first) == len(second)
        graphs = [first, second]
        kinds = [kind for kind in spen.common(graphs, hops) if kind.n <= 5]
        return subgraph_network(kinds, add)(spen.cut(graphs, kinds, hops)).diff(dim=0).abs().item() > 1e-6

    assert apart(hexagon, triangles, "mean", 1)
    assert apart(prism, bipartite, "mean", 1)
    assert not apart(octagon, squares, "mean", 1)
    assert apart(octagon, squares, "sum", 1)
    assert apart(octagon, squares, "mean", 2)


@pytest.mark.parametrize("kind", spen.common(spen.cubic(30, (6, 8), 0)), ids=lambda kind: kind.name)
def test_layers_of_small_graphs_are_all_maps_there_are(kind):
    """As many as orbits, each counted by listing all symmetries; each commutes with them; all are independent."""
    n, moves = kind.n, spen.symmetries(kind.n, kind.edges)
    for k, l in ((2, 2), (2, 1), (1, 2), (1, 1), (2, 0), (1, 0), (0, 2)):  # noqa: E741 - as in the papers
        places = np.indices((n,) * (k + l)).reshape(k + l, -1)
        orbits = {min(tuple(p[i] for i in place) for p in moves) for place in places.T.tolist()}
        found = [
            spen.matrix_by_hand(f, n, kind.edges, k, l).numpy().astype(int)
            for f in eq.basis(kind.group, k, l).formulas()
        ]
        for matrix in found:
            for p in moves:
                assert np.array_equal(matrix[np.ix_(*[p] * (k + l))], matrix)
        rows = flint.nmod_mat(len(found), n ** (k + l), [int(v) for m in found for v in m.ravel()], 2**31 - 1)
        assert rows.rank() == len(found) == len(orbits)


def test_squares_are_counted():
    assert [spen.squares(g) for g in (nx.cycle_graph(4), nx.complete_graph(4), nx.complete_bipartite_graph(3, 3))] == [
        1,
        3,
        9,
    ]
