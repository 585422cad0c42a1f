"""What emitted files carry, function by function: against NumPy, lists of all cases, and exact matrices of diagrams."""

import ast
import builtins
import inspect
import math
import textwrap
from itertools import combinations, combinations_with_replacement, permutations, product
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import jvp, vmap

import eqsynth as eq
from alone import run_alone
from eqsynth.bases import adapted as adapting
from eqsynth.bases.adapted import adapted
from eqsynth.bases.fourier import irreducible_dimensions
from eqsynth.codegen import carry, runtime
from eqsynth.codegen.artifact import artifact_of
from eqsynth.codegen.meaning import LENGTH
from eqsynth.diagrams import functor
from eqsynth.errors import EqsynthError
from eqsynth.graphs.orbits import orbit_labels, representatives
from eqsynth.nn import entries, samples
from eqsynth.project.networks import network_artifact

SOURCE = Path(runtime.__file__).read_text(encoding="utf-8")
#: Every function and class that a file may carry whole.
NAMES = [
    node.name
    for node in ast.parse(SOURCE).body
    if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name != "Carried"
]
#: Those that eqsynth runs, too.
FUNCTIONS = [
    name for home in (entries, samples) for name, value in vars(home).items() if inspect.getmodule(value) is home
]
METHODS = [name for name, value in vars(runtime.Carried).items() if inspect.isfunction(value)]
QUATERNIONS = "Perm(8: 1 2 3 0 5 6 7 4, 4 7 6 5 2 1 0 3)"
RING = " ".join(f"{i}-{(i + 1) % 40}" for i in range(40))
#: Layers that carry all of it together.
LAYERS = {
    "plain": lambda: eq.plan("S(n)", "2x2", "2x2"),
    "star": lambda: eq.plan("SO(3)", "2x1", "2x1 + 1x2", method="diagrams"),
    "large star": lambda: eq.plan("A(5)", "1x3", "1x3", method="diagrams"),
    "signs": lambda: eq.plan("SO(1,2)", "2x1", "2x1 + 1x2", method="diagrams"),
    "matrices with signs": lambda: eq.plan("SO(1,1)", "2x1", "2x1 + 1x2", method="matrix"),
    "packed": lambda: eq.plan("Sp(n)", "2xA2.packed", "2xA2.packed"),
    "symmetric, by irreps": lambda: eq.plan("O(3)", "1xS2", "1xS2.packed", method="irreps"),
    "packed by equations": lambda: eq.plan("S(n)", "1x[ijk=jki].packed", "1x1"),
    "edges": lambda: eq.plan(f"Aut(40: {RING})", "2x1", "2x1", method="diagrams"),
    "adjacency": lambda: eq.plan("Aut(petersen)", "2x1", "2x1", method="diagrams"),
    "homomorphisms": lambda: eq.plan("Aut(path3)", "2x1", "2x1", method="matrix"),
    "matrices": lambda: eq.plan("Matrix([[0,1],[-1,0]]; )", "2x1", "2x1", method="matrix"),
    "irreps": lambda: eq.plan("O(3)", "1x3", "1x3", method="irreps"),
    "classes": lambda: eq.plan("O(4)", "64x3", "64x3", method="irreps"),
    "stored in irreps": lambda: eq.plan("O(3)", "1x2.irreps", "1x2", method="irreps", parameters="blocks"),
    "frames": lambda: eq.plan("SO(2)", "2x2", "2x2", method="irreps", parameters="blocks"),
    "fourier": lambda: eq.plan("S(n)", "8x2", "8x2", method="fourier"),
    "irreps multiplied": lambda: eq.TensorProduct("O(3)", "1x2e", "1x2e", "1x2e").plan,
    "product": lambda: eq.TensorProduct("SO(3)", "2x1", "2x1", "2x1").plan,
}

#: Networks that carry all that layers do not.
MODULES = (
    lambda: eq.nn.Pairings("Sp(4)", "2x1 + 2x0"),
    lambda: eq.nn.Pairings("O(1,3)", "2x1 + 2x0"),
    lambda: eq.nn.Pairings(eq.MatrixGroup([], [[[0, 1], [1, 0]]]), "2x1 + 2x0"),
)


@pytest.fixture(autouse=True)
def _double():
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def equal(ours, meant):
    np.testing.assert_allclose(np.asarray(ours), np.asarray(meant), rtol=1e-12, atol=1e-12)


# --- carrying -------------------------------------------------------------------------------------------


def carried_by(source):
    """The functions and classes of a file before its own class, and the methods of that."""
    nodes = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    return [node.name for node in nodes[:-1]], {node.name for node in nodes[-1].body if hasattr(node, "name")}


def test_every_function_and_method_is_in_some_file_and_tested_here():
    carried, shared = set(), set()
    for make in LAYERS.values():
        functions, methods = carried_by(artifact_of(make()).source)
        assert functions == [name for name in NAMES if name in functions], "in the order of the module"
        carried |= {*functions}
        shared |= methods
    for make in MODULES:
        carried |= {*carried_by(network_artifact(make()).source)[0]}
    assert carried == {*NAMES}
    assert {*METHODS} <= shared
    here = ast.parse(Path(__file__).read_text(encoding="utf-8"))
    tested = {node.attr for node in ast.walk(here) if isinstance(node, ast.Attribute)}
    assert {*NAMES, *METHODS} <= tested


@pytest.mark.parametrize("name", LAYERS)
def test_files_run_with_torch_alone(name, tmp_path):
    source = artifact_of(LAYERS[name](), "Layer").source
    done = run_alone(source + "\n\nlayer = Layer()\nlayer.half().float()\n", tmp_path)
    assert done.returncode == 0, done.stderr


def test_copies_are_orthonormal_images():
    rows = torch.eye(3)
    maps = torch.stack([torch.cat((rows, rows)), torch.cat((rows, 0 * rows))])
    copies = runtime._copies(maps, rows)
    assert copies.shape == (3, 2, 6)
    flat = copies.flatten(0, 1)
    equal(flat @ flat.T, torch.eye(6))
    equal(copies[:, 0], torch.cat((rows, rows), 1) / 2**0.5)


def test_unit_maps_are_the_blocks_of_one_entry():
    into, back = [torch.eye(4).reshape(2, 2, 4)], [torch.eye(6).reshape(2, 3, 6)]
    units = runtime._unit_maps(into, back)
    assert units.shape == (6, 6, 4)
    equal(runtime._blocks(units, into, back), torch.eye(6))


@pytest.mark.parametrize("name", [*NAMES, *FUNCTIONS])
def test_a_definition_and_what_it_needs_are_complete(name):
    """Every name in a function is its own, a builtin, imported, or another function that comes with it."""
    found = carry.definitions([name])
    uses = frozenset().union(*(one.uses for one in found))
    text = "\n".join([*carry.imports(uses), *(one.text for one in found)])
    space = {}
    exec(compile(text, "carried", "exec"), space)
    bound = {name for node in ast.walk(ast.parse(text)) for name in _bound(node)}
    assert uses <= bound | {*dir(builtins)}
    assert name in space
    assert not any(isinstance(node, ast.AnnAssign) for node in ast.walk(ast.parse(text)))
    assert not [node for node in ast.walk(ast.parse(text)) if getattr(node, "annotation", None)]
    assert "noqa" not in text
    assert "fmt:" not in text


def _bound(node):
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield from (alias.name for alias in node.names)
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield node.name
    if isinstance(node, ast.arg):
        yield node.arg
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id


def test_a_definition_says_what_the_module_says():
    """Only annotations go: the trees are the same without them."""
    for node in ast.parse(SOURCE).body:
        if getattr(node, "name", None) in NAMES:
            (one,) = [one for one in carry.definitions([node.name]) if one.name == node.name]
            assert ast.dump(_Bare().visit(node)) == ast.dump(ast.parse(one.text).body[0])
            assert one.text.isascii()


class _Bare(ast.NodeTransformer):
    def visit_FunctionDef(self, node):
        node.returns = None
        return self.generic_visit(node)

    def visit_arg(self, node):
        node.annotation = None
        return node

    def visit_AnnAssign(self, node):
        return ast.Assign([node.target], node.value, lineno=0)


def test_needs_come_along_once_and_in_order():
    names = [one.name for one in carry.definitions(["_parity", "_star", "_star_tables", "_epsilon"])]
    assert names == ["_epsilon", "_star_tables", "_star", "_add_up", "_place", "_parity"]
    assert [one.name for one in carry.definitions(["_combine"])] == ["_Combine", "_Transformed", "_combine"]
    assert carry.definitions([]) == []
    assert carry.imports([]) == []


def test_imports_are_those_of_what_is_used():
    assert carry.imports({"nn", "torch", "linear", "Any"} & carry.importable()) == [
        "import torch",
        "from torch import nn",
        "from torch.nn.functional import linear",
    ]
    # Names that hints alone use are imported by no file.
    names = ("math", "nullcontext", "lru_cache", "combinations", "permutations", "product", "torch", "nn", "linear")
    assert carry.importable() == {*names, "warnings", "apply_complex"}
    # What else files of layers carry takes no name from their classes.
    assert all(name.startswith("_") for name in NAMES)


def test_unknown_names_are_refused():
    for name in ("_nothing", "math", "Tensor", "Carried", "_table"):
        with pytest.raises(EqsynthError, match=f"cannot carry '{name}'"):
            carry.definitions([name])
    with pytest.raises(EqsynthError, match="cannot carry '_parity'"):
        carry.methods("_parity")


def test_methods_are_written_for_their_file():
    text = carry.methods("_apply", "_table", first="bias")
    assert text.startswith("def _apply(self, fn, recurse=True):\n    before = self.bias.dtype, self.bias.is_meta\n")
    assert "\n\ndef _table(self, name, values):\n    like = self.bias\n" in text
    assert text.endswith("persistent=False)\n")
    assert 'note=""' in carry.methods("_reject", serves="it")
    assert f".ljust({LENGTH})" in carry.methods("get_extra_state")
    with pytest.raises(EqsynthError, match=r"holds self\.first"):
        carry.methods("_table")
    with pytest.raises(EqsynthError, match="serves"):
        carry.methods("_reject", first="weight")


# --- the methods ----------------------------------------------------------------------------------------


class Layer(runtime.Carried):
    weights_of = "a test"
    serves = "tests"

    def __init__(self, name="a test"):
        super().__init__()
        self.weights_of = name
        self.first = nn.Parameter(torch.ones(2, 2))
        self.reset_tables()

    def reset_tables(self):
        self._table("third", torch.tensor([1 / 3], dtype=torch.float64))
        self._table("places", torch.arange(6).reshape(2, 3).T)


def test_tables_follow_the_first_parameter():
    layer = Layer()
    assert layer.places.is_contiguous()
    assert not [name for name in layer.state_dict() if name in ("third", "places")]
    layer.float()
    assert (layer.third.dtype, layer.places.dtype) == (torch.float32, torch.int64)
    # Made anew: a third that was rounded to 32 bits is no third of 64.
    assert layer.double().third.item() == 1 / 3
    empty = Layer().to("meta").to_empty(device="cpu")
    assert empty.places.tolist() == [[0, 3], [1, 4], [2, 5]]
    assert layer._apply(lambda tensor: tensor) is layer


def test_weights_say_what_they_belong_to():
    layer, other = Layer(), Layer("another test")
    text = layer.get_extra_state()
    assert (text.dtype, len(text), bytes(text.tolist()).decode().strip()) == (torch.uint8, LENGTH, "a test")
    assert layer.set_extra_state(text) is None
    Layer().load_state_dict(layer.state_dict())
    Layer().load_state_dict({"first": torch.zeros(2, 2)})
    with pytest.raises(RuntimeError, match="those of a test, not of another test: build that layer, or delete"):
        other._load_from_state_dict(layer.state_dict(), "", {}, True, [], [], [])
    with pytest.raises(RuntimeError, match="a test"):
        nn.Sequential(other).load_state_dict(nn.Sequential(layer).state_dict())


def test_inputs_are_refused_with_what_they_are():
    layer = Layer()
    with pytest.raises(ValueError, match=r"x holds torch.int64: pass floating-point or complex"):
        layer._reject("x", torch.arange(3), "3, 1")
    with pytest.raises(ValueError, match=r"x has shape \(3,\), expected .* \(\*batch, 3, 1\) with n = 3, .* for tests"):
        layer._reject("x", torch.zeros(3), "3, 1", " with n = 3")
    with pytest.raises(ValueError, match="x has type list"):
        layer._reject("x", [], "3, 1")


# --- labels, signs, epsilon -----------------------------------------------------------------------------


def test_places_and_parities():
    for n, m in product((1, 2, 3), (1, 2, 3)):
        for index in product(range(n), repeat=m):
            assert runtime._place(index, n) == np.ravel_multi_index(index, (n,) * m)
    assert runtime._place((), 3) == 0
    for n in range(5):
        for labels in permutations(range(n)):
            assert runtime._parity(labels) == round(np.linalg.det(np.eye(n)[list(labels)]))


#: (n, tied, taken, given): epsilon has n labels, at most one of which is left.
EPSILONS = [
    (n, tied, taken, left - tied - taken)
    for n in range(1, 5)
    for left in (n - 1, n)
    for tied in range(left + 1)
    for taken in range(left - tied + 1)
]


def levi_civita(n, tied, taken, given):
    """The matrix from x[K, I] to y[K, J]: epsilon(K, J, I, the label that is left)."""
    matrix = np.zeros((n ** (tied + given), n ** (tied + taken)), np.int64)
    axes = tied + given + taken
    labels = np.indices((n,) * axes).reshape(axes, n**axes)
    for column, sign in zip(labels.T, functor.signs(labels, n), strict=True):
        k, j, i = np.split(column, [tied, tied + given])
        row, place = (int("".join(map(str, [0, *k, *end])), n) if n > 1 else 0 for end in (j, i))
        matrix[row, place] += sign
    return matrix


@pytest.mark.parametrize("kind", EPSILONS, ids=str)
def test_epsilon_is_the_levi_civita_tensor(kind):
    equal(runtime._epsilon(*kind), levi_civita(*kind))


@pytest.mark.parametrize("kind", [kind for kind in EPSILONS if kind[0] > 1], ids=str)
def test_tables_of_the_star_apply_epsilon(kind):
    n, tied, taken, _ = kind
    even, odd, give, sign = runtime._star_tables(*kind)
    x = torch.randn(2, n ** (tied + taken), 3)
    z = runtime._antisymmetrise(x, torch.tensor(even), torch.tensor(odd)) if taken > 1 else x
    y = runtime._star(z, torch.tensor(give), torch.tensor(sign).reshape(-1, 1))
    torch.testing.assert_close(y, torch.from_numpy(levi_civita(*kind)).double() @ x)


def test_rows_add_up():
    x = torch.randn(2, 4, 3)
    rows, sign = torch.tensor([[0, 3], [2, 2], [1, 0]]), torch.tensor([1.0, -1, 0, 2, 1, 1]).reshape(-1, 1)
    torch.testing.assert_close(runtime._add_up(x, rows), x[:, rows].sum(2))
    torch.testing.assert_close(runtime._add_up(x, rows, sign), (x[:, rows] * sign.reshape(3, 2, 1)).sum(2))
    assert torch.equal(runtime._add_up(x, rows[:, :1]), x[:, rows[:, 0]])
    assert runtime._add_up(x[:0], rows).shape == (0, 3, 3)


# --- packed tensors -------------------------------------------------------------------------------------


@pytest.mark.parametrize("alternating", [False, True])
@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("n", [1, 2, 4])
def test_packed_entries_are_ascending_tuples(n, order, alternating):
    kept = [*(combinations if alternating else combinations_with_replacement)(range(n), order)]
    packed, unpacked, signs = runtime._packing(n, order, alternating)
    everything = list(product(range(n), repeat=order))
    assert [everything[place] for place in packed] == kept
    for index, place, sign in zip(everything, unpacked.tolist(), signs.tolist(), strict=True):
        if alternating and len({*index}) < order:
            assert (place, sign) == (0, 0)
        else:
            assert kept[place] == tuple(sorted(index))
            assert sign == (runtime._parity(index) if alternating else 1)


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("text", ["ijk=jki", "ijk=-ikj", "ijkl=jikl=klij", "ij=-ji"])
def test_packed_entries_are_the_first_that_are_equal(n, text):
    turns = runtime._exchanges(text)
    first, *words = text.split("=")
    assert {tuple(range(len(first)))} | {tuple(map(first.index, word.strip("-"))) for word in words} <= {
        tuple(axes) for axes, _ in turns
    }
    packed, unpacked, signs = runtime._packing_of(n, text)
    assert len(packed) == runtime._entries_of(n, turns)
    x = torch.randn(n ** len(first))
    split = x.reshape([n] * len(first))
    x = sum(sign * split.permute(axes) for axes, sign in turns).reshape(-1)
    equal(x[packed][unpacked] * signs if len(packed) else x * 0, x)
    assert packed.tolist() == sorted(packed.tolist())
    if len(packed):
        units = runtime._units(unpacked, signs)
        equal(units @ units.T, np.eye(len(packed)))
        equal(units.T @ (units @ x), x)
    known = {runtime._entries_of(m, turns): m for m in range(6, 0, -1)}
    for length in range(runtime._entries_of(6, turns)):
        assert runtime._side_of(length, text) == (known.get(length, 0) if length else 0)


def test_sides_and_binomials():
    for m, k in product(range(8), range(5)):
        assert runtime._choose(m, k) == math.comb(m, k)
    many = torch.arange(8)
    assert runtime._choose(many, 3).tolist() == [math.comb(m, 3) for m in range(8)]
    for order, alternating in product((1, 2, 3), (False, True)):
        lengths = {math.comb(n if alternating else n + order - 1, order): n for n in range(8, 0, -1)}
        for length in range(1, 40):
            side = runtime._side(length, order, alternating)
            assert side == lengths.get(length, side if side > 8 else 0)
        assert runtime._side(0, order, alternating) == 0


# --- orbits and graphs ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("generators", "n"),
    [([[1, 2, 3, 0]], 4), ([[1, 2, 0, 3], [1, 0, 2, 3]], 4), ([], 3), ([[0]], 1), ([[1, 2, 0, 4, 3]], 5)],
)
@pytest.mark.parametrize("m", [0, 1, 2, 3])
def test_orbits_are_those_of_the_library(generators, n, m):
    meant = orbit_labels(generators, n, m)
    numbers, tuples = runtime._orbits(generators, n, m, [])
    assert np.array_equal(numbers, meant.ravel())
    everything = list(product(range(n), repeat=m))
    assert [everything[place] for place in tuples] == representatives(meant)
    # Some orbits last, the others in their order.
    count = int(meant.max()) + 1
    last = list(range(0, count, 2))
    order = [*(o for o in range(count) if o not in last), *last]
    numbers, tuples = runtime._orbits(generators, n, m, last)
    assert numbers.tolist() == [order.index(label) for label in meant.ravel()]
    assert [int(meant.ravel()[place]) for place in tuples] == order


def test_adjacency_and_its_products():
    edges = [[0, 1], [1, 2], [2, 2]]
    matrix = runtime._adjacency(4, edges)
    equal(matrix, eq.Group.parse("Aut(4: 0>1 1>2 2>2)").graph.adjacency())
    equal(runtime._adjacency(2, []), np.zeros((2, 2)))
    x = torch.randn(3, 4, 2)
    ends, starts = torch.tensor(edges).T
    meant = np.einsum("ij,bjc->bic", matrix, x)
    equal(runtime._along(ends, starts, x), meant)
    equal(runtime._multiply(matrix, x), meant)
    assert runtime._multiply(matrix, x.transpose(1, 2).contiguous().transpose(1, 2)).is_contiguous()
    none = torch.zeros(0, dtype=torch.long)
    assert not runtime._along(none, none, x).any()
    assert runtime._multiply(matrix, x[:0]).shape == (0, 4, 2)


#: Labels of vertices, number of labels, edges.
SMALL_GRAPHS = [
    ([], 0, []),
    ([], 2, [[0, 1]]),
    ([0], 1, []),
    ([0], 1, [[0, 0]]),
    ([0, 0], 1, []),
    ([0, 1], 2, [[1, 0]]),
    ([1, 0], 4, [[0, 2], [2, 3], [3, 1], [2, 2]]),
    ([0, 1, 0], 3, [[0, 2], [1, 2]]),
]


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("graph", SMALL_GRAPHS, ids=str)
def test_homomorphisms_are_counted(graph, n):
    vertices, labels, edges = graph
    adjacency = torch.randint(0, 2, (n, n)).double()
    meant = np.zeros((n,) * len(vertices))
    for images in product(range(n), repeat=labels):
        meant[tuple(images[label] for label in vertices)] += math.prod(
            float(adjacency[images[i], images[j]]) for i, j in edges
        )
    equal(runtime._homomorphisms(adjacency, [graph])[0], meant)
    equal(runtime._homomorphisms(adjacency, [graph] * 2)[1], meant)


@pytest.mark.parametrize("name", ["Aut(path3)", "Aut(3: 0>1 1>2)", "Aut(2: 0-0 0-1)"])
def test_homomorphisms_are_matrices_of_graphs(name):
    group = eq.Group.parse(name)
    graphs = [element for element in eq.basis(group, 1, 1).diagrams if isinstance(element, eq.Diagram)]
    listed = [(list(graph.labels), len(graph.blocks), [list(edge) for edge in graph.edges]) for graph in graphs]
    found = runtime._homomorphisms(torch.from_numpy(group.graph.adjacency()).double(), listed)
    equal(found, [functor.matrix(group, graph, group.n) for graph in graphs])


# --- matrices of maps -----------------------------------------------------------------------------------


def test_roots():
    equal(
        runtime._roots([(0, 1, 9, 4), (1, 0, -2, 1), (1, 2, 10**40, 10**38)], 2, 3), [[0, 1.5, 0], [-(2**0.5), 0, 10]]
    )


def test_entries():
    equal(runtime._entries([[(0, 1, 2), (1, 0, -3)], []], 2, 3), [[[0, 2, 0], [-3, 0, 0]], np.zeros((2, 3))])
    assert runtime._entries([], 2, 3).shape == (0, 2, 3)
    equal(runtime._entries([[(0, 0, 5)]], 1, 1), [[[5]]])


def test_scales_are_the_largest_sums_of_squares_in_a_row():
    maps = torch.tensor([[[1.0, 2], [0, 1]], [[0, 0], [3, 0]]])
    assert runtime._scale(maps, None, 0).tolist() == [5, 9]
    group = eq.Group.parse("Perm(4: 1 2 0 3)")
    for outputs, inputs in ((0, 1), (1, 1), (2, 1), (1, 0)):
        orbits = eq.basis(group, inputs, outputs).diagrams
        meant = [row for _, row in functor.squares(group, orbits, 4)]
        labels = torch.from_numpy(functor.orbits_of(group, outputs + inputs).reshape(4**outputs, 4**inputs).copy())
        assert runtime._scale(None, labels, len(orbits)).tolist() == meant
        assert runtime._scale(maps, labels, len(orbits) - 1).tolist() == [5, 9, *meant[:-1]]


@pytest.mark.parametrize(
    ("name", "orders"),
    [
        ("S(1)", [(0, 0), (1, 1)]),
        ("S(3)", [(0, 0), (0, 2), (2, 1)]),
        ("O(2)", [(1, 1), (2, 2)]),
        ("SO(2)", [(1, 1), (0, 2), (2, 0)]),
        ("SO(3)", [(1, 1), (2, 1), (1, 2)]),
        ("A(3)", [(1, 1), (2, 1)]),
        ("Sp(2)", [(1, 1), (0, 2), (2, 2)]),
        ("Sp(4)", [(1, 1), (2, 2)]),
    ],
)
def test_matrices_of_diagrams(name, orders):
    group = eq.Group.parse(name)
    for inputs, outputs in orders:
        diagrams = eq.basis(group, inputs, outputs).diagrams
        heads = any(diagram.head for diagram in diagrams)
        listed = [(list(d.labels), list(d.head)) if heads else list(d.labels) for d in diagrams]
        found = runtime._diagrams(group.n, outputs, inputs, listed, heads=heads, forms=group.symplectic)
        equal(found, [functor.matrix(group, diagram, group.n) for diagram in diagrams])
    assert runtime._diagrams(3, 1, 2, []).shape == (0, 3, 9)


@pytest.mark.parametrize("name", ["O(1,2)", "O(2,1)", "SO(1,1)", "SO(1,2)", "SO(2,1)", "SO(1,3)"])
def test_matrices_of_diagrams_with_eta(name):
    group = eq.Group.parse(name)
    for inputs, outputs in ((1, 1), (0, 2), (2, 0), (2, 1), (1, 2), (2, 2), (0, group.n), (group.n, 0)):
        diagrams = eq.basis(group, inputs, outputs).diagrams
        if not diagrams:
            continue
        listed = [(list(d.labels), list(d.head)) for d in diagrams]
        definite = runtime._diagrams(group.n, outputs, inputs, listed, heads=True)
        heads = [int(bool(diagram.head)) for diagram in diagrams]
        found = runtime._with_eta(definite, group.n, group.signature[0], outputs, inputs, heads)
        equal(found, [functor.matrix(group, diagram, group.n) for diagram in diagrams])


def test_signs_of_index_tuples():
    equal(runtime._eta(3, 1, 0), [1])
    equal(runtime._eta(3, 1, 1), [1, -1, -1])
    equal(runtime._eta(2, 1, 2), [1, -1, -1, 1])


# --- irreducible parts ----------------------------------------------------------------------------------


def test_pieces_of_orders():
    assert runtime._starts([2, 0, 3]) == [0, 2, 2]
    assert runtime._starts([]) == []
    classes = [(torch.tensor([0, 2]), torch.tensor([1, 3])), (torch.tensor([1]), torch.tensor([0, 2]))]
    assert [[part.tolist() for part in parts] for parts in runtime._split(classes, 0, [1, 2])] == [
        [[0], [2]],
        [[], [1]],
    ]
    assert [[part.tolist() for part in parts] for parts in runtime._split(classes, 1, [4])] == [[[1, 3]], [[0, 2]]]


def test_classes_of_positions_are_those_that_maps_connect():
    first = torch.tensor([[[1.0, 0, 0], [0, 0, 0], [0, 0, 2]], [[0, 0, 0], [0, 0, 0], [0, 0, 0]]])
    second = torch.tensor([[[0.0, 0], [0, 0], [0, 3]]])
    found = runtime._support([[first, second]])
    assert [(rows.tolist(), columns.tolist()) for rows, columns in found] == [([0], [0]), ([2], [2, 4])]
    # Classes of one size stand in the order of their rows.
    crossed = runtime._support([[torch.tensor([[[0.0, 1], [1, 0]]])]])
    assert [(rows.tolist(), columns.tolist()) for rows, columns in crossed] == [([0], [1]), ([1], [0])]
    assert runtime._support([[torch.zeros(0, 2, 3)]]) == []


def test_generic_maps_are_fixed_combinations_of_all():
    maps = [[torch.randn(3, 2, 4), torch.randn(0, 2, 5)], [torch.randn(1, 1, 4), torch.randn(2, 1, 5)]]
    found = runtime._generic(maps, 3)
    assert found.shape == (3, 9)
    assert torch.equal(found, runtime._generic(maps, 3))
    assert not torch.allclose(found, runtime._generic(maps, 4))
    assert not found[:2, 4:].any()
    numbers = torch.linalg.lstsq(maps[0][0].flatten(1).T, found[:2, :4].reshape(-1, 1)).solution
    torch.testing.assert_close((numbers.T @ maps[0][0].flatten(1)).reshape(2, 4), found[:2, :4])
    assert (numbers != 0).all()


@pytest.mark.parametrize("case", [("O(3)", (3, 1), (3,)), ("A(3)", (1, 2), (2, 0))], ids=str)
def test_generic_maps_and_classes_are_those_that_plans_were_made_with(case):
    """Plans tell files which maps and singular vectors to take; both sides have to look at the same combination."""
    name, ins, outs = case
    listed = product(enumerate(ins), enumerate(outs))
    maps = adapting.Maps(
        {(a, b): eq.basis(eq.Group.parse(name), k, lo).matrices().astype(float) for (a, k), (b, lo) in listed}
    )
    spaces = [[torch.from_numpy(maps[a, b]) for a in range(len(ins))] for b in range(len(outs))]
    for seed in (0, 3, adapting.SEEDS):
        equal(runtime._generic(spaces, seed), adapting._generic(maps.pairs, seed, len(ins), len(outs)))
    meant = maps.classes
    for ours, theirs in zip(runtime._support(spaces), meant, strict=True):
        assert [part.tolist() for part in ours] == [part.tolist() for part in theirs]


def test_polishing_leaves_orthonormal_rows():
    rows = torch.linalg.qr(torch.randn(6, 6))[0]
    near = rows + 1e-5 * torch.randn(6, 6)
    parts = [near[:4].reshape(2, 2, 6), near[4:4].reshape(1, 0, 6), near[4:].reshape(1, 2, 6)]
    made = runtime._polish(parts)
    assert [part.shape for part in made] == [part.shape for part in parts]
    flat = torch.cat([part.flatten(0, 1) for part in made])
    assert abs(flat @ flat.T - torch.eye(6)).max() < 1e-8
    assert abs(flat - near).max() < 1e-4


#: Parts of real, complex and quaternionic type, several orders and classes, pairs of orders without maps.
ADAPTED = [
    ("O(3)", (3,), (3,)),
    ("O(4)", (3, 2), (1, 0)),
    ("S(3)", (1, 2), (2, 0)),
    ("S(1)", (1,), (1,)),
    ("SO(2)", (1, 2), (1, 2)),
    ("A(3)", (1, 0), (2,)),
    ("Perm(4: 1 2 3 0)", (1,), (1,)),
    (QUATERNIONS, (1,), (1,)),
    ("Sp(2)", (1, 3), (1,)),
]


def recipe(name, ins, outs):
    """All maps, the adapted bases of the library, and what files are told of them."""
    group = eq.Group.parse(name)
    spaces = [[torch.from_numpy(eq.basis(group, k, lo).matrices()).double() for k in ins] for lo in outs]
    found = adapted(group, ins, outs)
    irreps = [
        (
            part.division,
            part.reference,
            part.picks_in,
            [picks if same is None else [] for picks, same in zip(part.picks_out, found.same, strict=True)],
        )
        for part in found.irreps
    ]
    columns = runtime._columns if any(part.division > 1 for part in found.irreps) else None
    return spaces, found, runtime._adapted(spaces, found.seed, irreps, list(found.same), columns)


@pytest.mark.parametrize("case", ADAPTED, ids=str)
def test_adapted_rows_are_orthonormal_and_bring_every_map_to_blocks(case):
    spaces, found, (into, back, places) = recipe(*case)
    for rows in (*into, *back):
        flat = torch.cat([part.flatten(0, 1) for part in rows])
        equal(flat @ flat.T, np.eye(len(flat)))
    for part, rows in zip(found.irreps, zip(*into, strict=True), strict=True):
        assert [tuple(row.shape[:2]) for row in rows] == [(sum(part.columns), copies) for copies in part.copies_in]
    for (b, y), (a, x) in product(enumerate(back), enumerate(into)):
        blocks = runtime._by_part(spaces[b][a], x, y)
        assert torch.equal(torch.cat(blocks), runtime._blocks(spaces[b][a], x, y))
        made = torch.zeros_like(spaces[b][a])
        for rows, columns, block in zip(y, x, blocks, strict=True):
            matrices = block.reshape(rows.shape[1], columns.shape[1], len(made))
            made += torch.einsum("cai,abm,cbj->mij", rows, matrices, columns)
        torch.testing.assert_close(made, spaces[b][a], rtol=0, atol=1e-10)
    for side, orders in enumerate((into, back)):
        for order, _ in enumerate(orders):
            meant = [sorted(part[side][order]) for part in found.classes]
            assert [sorted(part.tolist()) for part in places[side][order]] == meant


@pytest.mark.parametrize("case", ADAPTED, ids=str)
def test_rows_of_classes_are_the_rows_where_they_stand(case):
    _, found, (into, _, places) = recipe(*case)
    columns = [list(part.columns) for part in found.irreps]
    for order, rows in enumerate(into):
        for number in range(len(found.classes)):
            cut, at = runtime._classes(rows, places[0][order], columns, number, number + 1)
            assert torch.equal(at, places[0][order][number])
            whole = torch.zeros(cut.shape[1], rows[0].shape[2])
            whole[:, at] = cut[0]
            meant = [
                part[sum(counts[:number]) : sum(counts[: number + 1])].flatten(0, 1)
                for part, counts in zip(rows, columns, strict=True)
            ]
            equal(whole, torch.cat(meant))


@pytest.mark.parametrize("case", [case for case in ADAPTED if case[0] in ("SO(2)", "A(3)", QUATERNIONS)], ids=str)
def test_frames_span_the_blocks_of_all_maps(case):
    spaces, found, (into, back, _) = recipe(*case)
    division = [part.division for part in found.irreps]
    assert max(division) > 1
    blocks = runtime._blocks(spaces[0][0], into[0], back[0])
    frame = runtime._frames(spaces[0][0], into[0], back[0], division)
    equal(frame.T @ frame, np.eye(frame.shape[1]))
    assert frame.shape[1] == len(spaces[0][0])
    torch.testing.assert_close(frame @ (frame.T @ blocks), blocks)


def test_products_are_linear_whatever_computes_them():
    for dtype, rows, wide, made in ((torch.float32, 6, 3, 2), (torch.float64, 6, 3, 2), (torch.float32, 1024, 80, 80)):
        x, w = torch.randn(rows, wide, dtype=dtype), torch.randn(made, wide, dtype=dtype)
        torch.testing.assert_close(runtime._product(x, w), x @ w.T, rtol=1e-4, atol=1e-4)
        start = torch.randn(rows, made, dtype=dtype)
        torch.testing.assert_close(runtime._product(x, w, start), start + x @ w.T, rtol=1e-4, atol=1e-4)
    assert runtime._product(torch.zeros(0, 3), torch.zeros(2, 3)).shape == (0, 2)


def test_a_torch_without_its_own_names_takes_the_usual_products(monkeypatch):
    x, w = torch.randn(1000, 64, dtype=torch.float32), torch.randn(64, 64, dtype=torch.float32)
    assert runtime._is_plain(x, w)
    monkeypatch.delattr(torch._C, "_len_torch_dispatch_stack")
    assert not runtime._is_plain(x, w)
    torch.testing.assert_close(runtime._product(x, w), x @ w.T, rtol=1e-4, atol=1e-4)


def test_gradients_of_large_products_are_exact_whatever_the_strides():
    """Rows of larger tensors, and matrices that are transposed in memory."""
    torch.set_default_dtype(torch.float32)
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(160, 3, 100, generator=rng)[:, 1, :96].requires_grad_()
    w = torch.randn(96, 128, generator=rng).T.requires_grad_()
    start = torch.randn(128, generator=rng, requires_grad=True)
    assert len(x) * w.numel() >= 1_500_000
    z, meant = runtime._product(x, w, start), torch.addmm(start.double(), x.double(), w.double().T)
    assert runtime._is_plain(x, w)
    assert not runtime._is_plain(x.double(), w)
    torch.testing.assert_close(z.double(), meant, rtol=1e-4, atol=1e-4)
    cotangent = torch.randn(3 * 160, 128, generator=rng)[::3]
    got = torch.autograd.grad(z, (x, w, start), cotangent)
    wanted = torch.autograd.grad(meant, (x, w, start), cotangent.double())
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
    x, w = x.detach(), w.detach()
    (slope,) = torch.autograd.grad(runtime._Product.apply(x.requires_grad_(), w).sum(), x)
    torch.testing.assert_close(slope, w.sum(0).expand_as(x), rtol=1e-4, atol=1e-4)


# --- the Fourier transform ------------------------------------------------------------------------------


@pytest.mark.parametrize("c", [0, 1, 2, 3, 4])
def test_young_is_a_homomorphism_and_its_own_inverse(c):
    young, shares = runtime._young(c)
    torch.testing.assert_close(shares.T @ young, torch.eye(len(young)))
    group = list(permutations(range(c)))
    first = 0
    for f in irreducible_dimensions(c) if c else (1,):
        maps = young[first : first + f * f].T.reshape(-1, f, f)
        first += f * f
        for g, left in zip(group, maps, strict=True):
            for h, right in zip(group, maps, strict=True):
                torch.testing.assert_close(maps[group.index(tuple(g[p] for p in h))], left @ right)
    assert first == len(group)


#: Levels of one axis have nothing to transform.
TUPLES = [(1, 2), (2, 2), (5, 2), (4, 3), (2, 3), (5, 4)]


@pytest.mark.parametrize(("n", "c"), TUPLES)
def test_tables_of_tuples(n, c):
    young, _ = runtime._young(c)
    again, there, orbit, turns = runtime._tuples(n, c, young)
    rising = list(combinations(range(n), c))
    if not rising:
        assert not again.any()
        assert not turns.any()
        return
    places = {tuple(index): number for number, index in enumerate(np.ndindex(*(n,) * c))}
    expected = [[places[tuple(labels[p] for p in g)] for g in permutations(range(c))] for labels in rising]
    assert there.tolist() == expected
    for index, place in places.items():
        if len({*index}) < c:
            assert not turns[place].any()
        else:
            row = expected[int(orbit[place])]
            assert torch.equal(turns[place], young[:, row.index(place)])


@pytest.mark.parametrize(("n", "c"), TUPLES)
def test_mixing_by_the_transform_is_the_sum_over_all_orders(n, c):
    young, shares = runtime._young(c)
    group = list(permutations(range(c)))
    sizes = irreducible_dimensions(c)
    dims = [(sizes.count(f), f) for f in sorted({*sizes})]
    x, w = torch.randn(2, n**c, 3), torch.randn(len(group), 4, 3)
    found = runtime._mix_orbits(x, w, shares, dims, *runtime._tuples(n, c, young))
    meant = torch.zeros(2, *[n] * c, 4)
    for index in permutations(range(n), c):
        for g, matrix in zip(group, w, strict=True):
            source = x.reshape(2, *[n] * c, 3)[(slice(None), *index)]
            meant[(slice(None), *(index[p] for p in g))] += source @ matrix.T
    torch.testing.assert_close(found, meant.reshape(2, n**c, 4))


def tables():
    """Tables of a combination of rows, and those of its transpose: both are one matrix."""
    matrix = torch.tensor([[0.0, 2, -1], [3, 1, 0], [0, 0, 0], [1, 0, 5]])
    pick, weights = torch.arange(3).expand(4, 3).contiguous(), matrix
    back, weights_back = torch.arange(4).expand(3, 4).contiguous(), matrix.T.contiguous()
    return matrix, (pick, weights, back, weights_back)


@pytest.mark.parametrize("function", [runtime._Combine, runtime._Transformed])
def test_combinations_are_a_matrix_with_its_transpose_as_gradient(function):
    matrix, made = tables()
    x = torch.randn(3, 2, requires_grad=True)
    torch.testing.assert_close(function.apply(x, *made), matrix @ x)
    torch.testing.assert_close(function.forward(x, *made), matrix @ x)
    grad = torch.randn(4, 2)
    function.apply(x, *made).backward(grad)
    torch.testing.assert_close(x.grad, matrix.T @ grad)
    assert torch.autograd.gradcheck(lambda x: function.apply(x, *made), x)
    assert torch.autograd.gradgradcheck(lambda x: function.apply(x, *made), x)


def test_combinations_are_transformed():
    matrix, made = tables()
    x, tangent = torch.randn(5, 3, 2), torch.randn(3, 2)
    torch.testing.assert_close(runtime._combine(x[0], *made), matrix @ x[0])
    value, along = jvp(lambda x: runtime._combine(x, *made), (x[0],), (tangent,))
    torch.testing.assert_close(value, matrix @ x[0])
    torch.testing.assert_close(along, matrix @ tangent)
    many = vmap(lambda x: runtime._combine(x, *made), in_dims=1, out_dims=1)(x.transpose(0, 1))
    torch.testing.assert_close(many, (matrix @ x).transpose(0, 1))
    # Tables stacked as those of an ensemble, with one input for all.
    stacked = [table.expand(2, *table.shape) for table in made]
    each = vmap(runtime._combine, in_dims=(None, 0, 0, 0, 0))(x[0], *stacked)
    torch.testing.assert_close(each, (matrix @ x[0]).expand(2, -1, -1))


def test_joining():
    one = torch.randn(2, 3)
    assert runtime._joined([one]) is one
    assert torch.equal(runtime._joined([one, one], -1), torch.cat([one, one], 1))


# --- the checkers see what is wrong ---------------------------------------------------------------------


def test_a_function_that_needs_what_files_lack_is_seen(monkeypatch):
    text = SOURCE + textwrap.dedent(
        """

        def _wrong(x: Tensor) -> Tensor:
            y: Tensor = _multiply(x, x)
            return Tensor(os.path.sep, y)
        """
    )
    module = text.split("\n"), ast.parse(text)
    read = carry._module
    monkeypatch.setattr(carry, "_module", lambda path: module if path == carry.MODULES[0] else read(path))
    carry._definition.cache_clear()
    carry._defined.cache_clear()
    (needed, wrong) = carry.definitions(["_wrong"])
    assert needed.name == "_multiply"
    assert wrong.text == ("def _wrong(x):\n    y = _multiply(x, x)\n    return Tensor(os.path.sep, y)")
    assert {"os", "Tensor"} <= wrong.uses
    assert "os" not in carry.importable.__wrapped__()
    carry._definition.cache_clear()
    carry._defined.cache_clear()


# --- what networks carry ----------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [-2, -3])
def test_forms_lower_one_axis(axis):
    x = torch.randn(5, 4, 4, 3)
    omega = np.kron(np.eye(2), [[0, 1], [-1, 0]])
    eta = np.diag([1, -1, -1, -1])
    table = ((0, 2, 0, 1), (2, 0, 0, 0), (0, 0, 0, 0), (1, 0, 0, -3))
    scale = (4 / sum(entry**2 for row in table for entry in row)) ** 0.5
    for ours, matrix in (
        (runtime._lower_omega(x, axis), omega),
        (runtime._lower_eta(x, axis, 1), eta),
        (runtime._lower_table(x, axis, table), scale * np.array(table)),
    ):
        equal(ours.movedim(axis, -1), x.movedim(axis, -1).numpy() @ matrix.T)


def test_full_precision_is_kept_under_autocast():
    x = torch.randn(3, 3, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        assert (x @ x).dtype == torch.bfloat16
        with runtime._full_precision(x):
            assert (x @ x).dtype == torch.float32
        with runtime._full_precision(x.to("meta")):
            pass
    assert runtime._whole(x.half()).dtype == torch.float32
    assert runtime._whole(x.double()).dtype == torch.float64
    assert runtime._whole(x.to(torch.complex64)).dtype == torch.complex64


def test_terms_are_checked():
    """The rest of what is refused is in test_network_files.py."""
    shapes = (("n", 3, 2), ("n", "n", 1), (4,))
    x = torch.zeros(5, 6, 3, 2), torch.zeros(5, 6, 6, 1), torch.zeros(5, 4)
    assert all(ours is term for ours, term in zip(runtime._terms(x, shapes, (False,), "here"), x, strict=True))
    assert runtime._terms(x[2], shapes[2:], (False,), "here")[0] is x[2]
    for wrong in ((x[0][:, :5], *x[1:]), (*x[:2], x[2][:4]), (*x[:2], x[2].to(torch.complex64))):
        with pytest.raises(ValueError, match=r"and \(\*batch, 4\), channels last, for here, got \(5,"):
            runtime._terms(wrong, shapes, (False,), "here")
