"""Odd values for every argument of what is public: a result, or an error of eqsynth, and never one of Python's own."""

import inspect
import re
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import networkx
import numpy as np
import pytest
import torch

import eqsynth as eq
from eqsynth import algebra, symbolic, testing
from eqsynth.errors import (
    CallError,
    EqsynthError,
    ExportError,
    GroupError,
    ShapeError,
    SizeError,
    SymbolicError,
    explain_calls,
)
from eqsynth.symbolic import ExactMatrix, RationalFunction


class Silent:
    """An object whose repr fails."""

    def __repr__(self):
        raise ValueError("no repr")


ODD = [
    None, "", "x", "S(n)", "\ud800", b"\x01\x00", True, -1, 10**30, 1.5, float("nan"), 1j, (), [None], ["x"], {0: 1},
    {1}, np.array(3), np.array([1.5, 2]), torch.tensor(3), torch.tensor([1, 2]), Silent(), int, Path("x"), slice(0, 1),
]  # fmt: skip

DIAGRAM = eq.Diagram(1, 1, ((0, 1),))
MATRIX = ExactMatrix.of([["n", 1], ["1/n", 2]])
LAYER = eq.Linear("S(n)", "2x2", "2x2")
ONE = algebra.identity("S(n)", 1)
GRAPHS = SimpleNamespace(edge_index=torch.tensor([[0, 1], [1, 0]]))
PROBLEM = {"group": "S(3)", "space": "2x1 + 2x0"}


def of_graphs(name, value):
    """What comes of graphs with an attribute of this value."""
    return eq.nn.from_pyg(SimpleNamespace(**{**vars(GRAPHS), name: value}))


#: Each public callable with arguments that it takes; those that take nothing else than others do are left out.
CALLS = {
    eq.Linear: {"group": "S(3)", "space_in": 1, "space_out": 1},
    eq.TensorProduct: {"group": "S(3)", "space_1": 1, "space_2": 1, "space_out": 1},
    eq.Power: {"group": "S(3)", "space": 1, "degree": 2, "space_out": 1},
    eq.PolynomialLayer: {"group": "S(3)", "space": 1, "degree": 1, "space_out": 1},
    eq.point_group: {"name": "m-3m"},
    eq.basis: {"group": "S(3)", "inputs": 1, "outputs": 1},
    eq.plan: {"group": "S(3)", "space_in": 1, "space_out": 1},
    eq.bratteli: {"group": "S(3)", "inputs": 1},
    algebra.character: {"group": "S(3)", "irrep": "{2,1}", "cycles": (2, 1)},
    algebra.kronecker: {"group": "S(3)", "first": "{2,1}", "second": "{2,1}"},
    algebra.jucys_murphy: {"group": "S(3)", "order": 1},
    algebra.central_idempotents: {"group": "S(3)", "order": 1},
    algebra.primitive_idempotents: {"group": "S(3)", "order": 1},
    algebra.matrix_units: {"group": "S(3)", "inputs": 1, "outputs": 1},
    ONE.power: {"exponent": 2},
    ONE.matrix: {"n": 2},
    eq.basis("S(n)", 1, 1).map: {"index": 0},
    symbolic.change_of_basis: {"group": "S(3)", "inputs": 1, "outputs": 1},
    eq.floor: {"group": "S(3)", "space_in": 1, "space_out": 1},
    eq.Graph: {"n": 3, "edges": [(0, 1)]},
    eq.Graph.read: {"path": "absent.g6"},
    eq.Graph.named: {"name": "bull"},
    eq.Graph.of: {"graph": networkx.path_graph(3)},
    eq.Graph.parse: {"text": "path3"},
    eq.Aut: {"graph": "path3"},
    eq.MatrixGroup: {"generators": [[[0, 1], [-1, 0]]]},
    eq.PermutationGroup: {"generators": [[1, 0]]},
    eq.ProductGroup: {"factors": ["S(3)", "O(3)"]},
    eq.WreathProduct: {"inner": "S(3)", "outer": "S(n)"},
    eq.Group.parse: {"text": "S(3)"},
    eq.Space.parse: {"text": "2x1"},
    eq.Diagram: {"outputs": 1, "inputs": 1, "blocks": ((0, 1),)},
    eq.Diagram.of: {"outputs": 1, "inputs": 1, "blocks": ((0, 1),)},
    eq.nn.prepare: {"module": LAYER},
    eq.verify: {"subject": "S(2): 1x1 -> 1x1"},
    eq.inspect: {"layer": LAYER, "n": 4},
    eq.pack: {"x": torch.ones(3, 3, 1), "order": "S2"},
    eq.unpack: {"x": torch.ones(6, 1), "order": "S2"},
    eq.to_irreps: {"x": torch.ones(2, 2, 1), "group": "O(2)", "order": 2},
    eq.from_irreps: {"x": torch.ones(4, 1), "group": "O(2)", "order": 2},
    eq.symmetrise: {"x": torch.ones(3, 3, 1), "order": "S2"},
    eq.irreps: {"group": "O(3)", "order": 2},
    eq.split_irreps: {"x": torch.ones(5), "irreps": "1x1o + 2x0e"},
    eq.join_irreps: {"terms": torch.ones(3, 1), "irreps": "1x1o"},
    eq.from_e3nn: {"state": {"weight": torch.ones(1)}, "irreps_in": "1x1o", "irreps_out": "1x1o"},
    eq.to_e3nn: {"state": {"weight": torch.ones(1, 1, 1)}, "irreps_in": "1x1o", "irreps_out": "1x1o"},
    eq.voigt: {"x": torch.ones(3, 3, 1), "kind": "stress"},
    eq.from_voigt: {"x": torch.ones(6, 1), "kind": "stress"},
    testing.assert_equivariant: {"module": eq.Linear("S(n)", 1, 1), "n": 2, "trials": 1},
    testing.assert_transfers: {
        "module": eq.Linear("S(n)", 2, 1, transfer="pad"),
        "transfer": "pad",
        "n": 2,
        "trials": 1,
    },
    RationalFunction: {"value": "n"},
    RationalFunction.from_roots: {"roots": {0: 1}},
    ExactMatrix.of: {"rows": [[1]]},
    MATRIX.at: {"n": 3},
    MATRIX.__getitem__: {"place": (0, 1)},
    symbolic.project: {"basis": eq.basis("O(3)", 1, 1), "matrix": np.eye(3)},
    symbolic.gram: {"subject": "O(3)", "inputs": 1, "outputs": 1},
    symbolic.moment: {"group": "O(3)", "entries": [(0, 0), (0, 0)]},
    symbolic.weingarten_function: {"group": "O(3)", "kind": (2, 1)},
    symbolic.inner: {"group": "S(3)", "first": DIAGRAM, "second": DIAGRAM},
    symbolic.dimension_table: {"family": "S", "total": 2},
    algebra.Map: {"group": eq.Group("S", 3), "outputs": 1, "inputs": 1, "terms": ((1, DIAGRAM),)},
    algebra.Map.of: {"group": "S(3)", "diagram": DIAGRAM},
    algebra.compose: {"group": "S(3)", "first": DIAGRAM, "second": DIAGRAM},
    algebra.tensor: {"group": "S(3)", "left": DIAGRAM, "right": DIAGRAM},
    algebra.transpose: {"group": "S(3)", "diagram": DIAGRAM},
    algebra.permute: {"group": "S(3)", "permutation": (1, 0)},
    algebra.matrix: {"map_": ONE, "n": 2},
    algebra.same: {"left": ONE, "right": ONE},
    algebra.inner: {"left": ONE, "right": ONE},
    algebra.trace: {"map_": ONE},
    algebra.to_orbits: {"map_": ONE},
    algebra.from_orbits: {"orbits": algebra.to_orbits(ONE)},
    eq.nn.Activation: PROBLEM,
    eq.nn.Gated: PROBLEM,
    eq.nn.NormActivation: {"group": "O(3)", "space": "2x1 + 2x0"},
    eq.nn.Pairings: {"group": "O(3)", "space": "2x1 + 2x0"},
    eq.nn.LayerNorm: PROBLEM,
    eq.nn.BatchNorm: PROBLEM,
    eq.nn.Dropout: PROBLEM,
    eq.nn.Pool: PROBLEM,
    eq.nn.MLP: {"group": "S(3)", "spaces": [1, 1]},
    eq.nn.Residual: {"module": LAYER},
    eq.nn.Padded: {"module": LAYER},
    eq.nn.Sparse: {"module": LAYER},
    eq.nn.Message: {"group": "O(2)", "space_in": "1x0", "space_out": "1x0", "cutoff": 1.0, "hidden": 2, "degree": 1},
    eq.nn.GraphPolynomials: {"group": "S(3)", "space_in": "1xS2", "space_out": "1x0", "degree": 1},
    eq.nn.count_homomorphisms: {"pattern": "K3", "graph": "K4"},
    eq.nn.neighbors: {"positions": torch.ones(2, 2), "cutoff": 1.0},
    eq.nn.pad: {"samples": [torch.ones(3, 1)]},
    eq.nn.project: {"weight": torch.ones(3, 3), "group": "S(n)", "space_in": 1, "space_out": 1, "n": 3},
    eq.nn.project_: {"layer": torch.nn.Linear(3, 3), "group": "S(3)", "space_in": 1, "space_out": 1},
    eq.nn.equivariance_gap: {"layer": torch.nn.Linear(3, 3), "group": "S(3)", "space_in": 1, "space_out": 1},
    eq.nn.FrameAverage: {"module": torch.nn.Identity(), "group": "O(3)", "space_in": "1x1", "space_out": "1x1"},
    eq.nn.Canonicalise: {"module": torch.nn.Identity(), "group": "SO(2)", "space_in": "1x1", "space_out": "1x1"},
    eq.nn.unpad: {"x": torch.ones(1, 3, 1), "sizes": [3]},
    eq.nn.from_pyg: {"data": GRAPHS},
    eq.nn.to_pyg: {"edges": torch.ones(1, 2, 2, 1), "nodes": None, "sizes": [2]},
    **{partial(of_graphs, name): {"value": None} for name in ("edge_index", "x", "edge_attr", "ptr", "num_nodes")},
}


def named(function):
    if isinstance(function, partial):
        return f"graphs with {function.args[0]}"
    return function.__qualname__


def parameters(function):
    own_new = inspect.isclass(function) and function.__new__ is not object.__new__ and "__new__" in vars(function)
    own = inspect.signature(function.__new__ if own_new else function).parameters.values()
    return [one for one in own if one.name not in ("cls", "self") and one.kind not in (one.VAR_KEYWORD,)]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("function", CALLS, ids=named)
def test_a_result_or_an_error_of_ours(function):
    for parameter in parameters(function):
        for value in ODD:
            positional = [*CALLS[function].values()] if parameter.kind is parameter.POSITIONAL_ONLY else []
            given = {**CALLS[function], parameter.name: value}
            if parameter.name == "make" and callable(value):
                continue  # what somebody else's function raises is theirs
            try:
                function(*(positional and [value]), **({} if positional else given))
            except EqsynthError:
                continue


#: Options of modules that are a number, or True or False: what each default is tells which.
OPTIONS = [
    (module, option.name, option.default)
    for module in CALLS
    for option in parameters(module)
    if inspect.isclass(module) and issubclass(module, torch.nn.Module) and isinstance(option.default, bool | float)
]


@pytest.mark.parametrize(("module", "name", "default"), OPTIONS)
def test_options_of_modules_are_read_as_what_they_are(module, name, default):
    wrong = (
        ["yes", None, 0, 1.5] if isinstance(default, bool) else ["0.1", None, -1, float("nan"), True, 10**400, [0.1]]
    )
    for value in wrong:
        with pytest.raises(EqsynthError, match=rf"^{name} is "):
            module(**CALLS[module], **{name: value})
    kind = np.bool_ if isinstance(default, bool) else np.float64
    module(**CALLS[module], **{name: kind(default)})


FACTORIES = [function for function in CALLS if {"device", "dtype"} <= {one.name for one in parameters(function)}]


@pytest.mark.parametrize("module", FACTORIES, ids=named)
def test_devices_and_dtypes_that_are_not_there(module):
    for device in ("gpu", "cuda:99", -1, 1.5, []):
        with pytest.raises(EqsynthError, match=r"torch has no device .* here: ask for 'cpu'"):
            module(**CALLS[module], device=device)
    for dtype, why in (("float", "is one of torch"), (np.float32, "is one of torch"), (torch.int32, "floating-point")):
        with pytest.raises(EqsynthError, match=why):
            module(**CALLS[module], dtype=dtype)
    module(**CALLS[module], device="meta", dtype=torch.float64)


def test_what_fits_nowhere_is_refused_before_torch_allocates():
    with pytest.raises(SizeError, match="take fewer channels"):
        eq.nn.Pairings("O(3)", f"{2**24}x1 + {2**24}x0")
    with pytest.raises(SizeError, match="use sparse=True"):
        eq.nn.from_pyg(GRAPHS, n=10**7)


@pytest.mark.parametrize("text", [
    "0 1 0\n1 0 1\n0 1 0\n", "0,1,0\n1,0,1\n0,1,0\n", "0.0 1.0 0.0\n1.0 0.0 1.0\n0.0 1.0 0.0\n", "1 0\n0 1\n",
    "0 2 0\n2 0 3\n0 3 0\n", "0 2 0\n0 0 3\n4 0 0\n", "0 1 2\n0 1 0\n1 0 1\n0 1 0\n", "0 0 1 0\n1 1 0 1\n2 0 1 0\n",
    "a,0,1,0\nb,1,0,1\nc,0,1,0\n", "x 0 1 2\n0 0 1 0\n1 1 0 1\n2 0 1 0\n", "1 0 0\n1 1 0\n0 1 1\n0 0 1\n",
    "e 1 2\ne 2 3\n", "a 1 2 5\na 2 3 1\n", "c a graph\np edge 3 2\ne 1 2\ne 2 3\n", "0 1 2\n1 2 0\n2 0 1\n",
])  # fmt: skip
def test_other_formats_are_no_lists_of_edges(tmp_path, text):
    """Matrices of graphs, files of DIMACS without a header and lists of neighbours are quoted, not read as edges."""
    (tmp_path / "graph.txt").write_text(text)
    for directed in (False, True):
        with pytest.raises((ExportError, GroupError), match=r"line [123]"):
            eq.Graph.read(tmp_path / "graph.txt", directed)


@pytest.mark.parametrize("size", range(2, 6))
def test_no_adjacency_matrix_is_read_as_another_graph(tmp_path, size):
    rng = np.random.default_rng(size)
    for directed in (False, True):
        for _ in range(20):
            upper = np.triu(rng.integers(0, 2, (size, size)), 1)
            matrix = upper if directed else upper + upper.T
            np.savetxt(tmp_path / "graph.txt", matrix, fmt="%d")
            try:
                graph = eq.Graph.read(tmp_path / "graph.txt", directed)
            except (ExportError, GroupError):
                continue
            assert (graph.adjacency() == matrix).all()


@pytest.mark.parametrize(("text", "edges"), [
    ("0 1\n1 0\n", 1), ("0 1 1\n1 2 1\n2 3 1\n", 3), ("0 1 0.5\n1 2 0.5\n2 0 0.5\n", 3), ("e a\ne b\n", 2),
    ("1 2 5\n2 3 4\n3 4 6\n", 3), ("e 1 2 x\n", None),
])  # fmt: skip
def test_weights_are_still_read(tmp_path, text, edges):
    (tmp_path / "graph.txt").write_text(text)
    if edges is not None:
        assert len(eq.Graph.read(tmp_path / "graph.txt", weights=False).edges) == edges
        return
    with pytest.raises(ExportError, match="is no weight"):
        eq.Graph.read(tmp_path / "graph.txt")


@pytest.mark.parametrize(("call", "error", "why"), [
    (lambda: RationalFunction(b"12"), SymbolicError, "no exact scalar"),
    (lambda: RationalFunction([b"1"]), SymbolicError, "no exact scalar"),
    (lambda: ExactMatrix.of([b"12", b"34"]), ShapeError, "is no matrix"),
    (lambda: eq.MatrixGroup([[b"1"]]), GroupError, "is no matrix"),
    (lambda: eq.PermutationGroup([b"\x01\x00"]), GroupError, "lists of images"),
    (lambda: eq.Graph(3, [b"\x00\x01"]), GroupError, "is no edge"),
    (lambda: eq.Graph(2, [(0, 1)], colours=b"\x00\x01"), GroupError, "a list of numbers"),
    (lambda: MATRIX[2], ShapeError, "matrix of 2 rows and 2 columns"),
    (lambda: MATRIX[0, -3], ShapeError, "no place"),
    (lambda: MATRIX[0, 0, 0], ShapeError, "no place"),
    (lambda: MATRIX.at({"c": 1}), SymbolicError, "no number stands for n"),
    (lambda: symbolic.project("O(3)", [[1]]), EqsynthError, r"not 'O\(3\)': write eq\.basis"),
    (lambda: eq.nn.from_pyg(SimpleNamespace(edge_index=torch.ones(2, 1))), ShapeError, r"pass edge_index\.long\(\)"),
    (lambda: eq.plan("S(n)", 1, 1, method="irrep"), EqsynthError, "did you mean 'irreps'"),
])  # fmt: skip
def test_what_is_asked_instead(call, error, why):
    with pytest.raises(error, match=why):
        call()


def test_graphs_without_edges_come_from_pyg():
    edges, nodes, sizes = eq.nn.from_pyg(SimpleNamespace(edge_index=torch.empty(2, 0)))
    assert (edges.shape, nodes.shape, sizes.tolist()) == ((1, 0, 0, 1), (1, 0, 1), [0])


def test_plans_read_problems_as_they_print():
    for mode in ("full", "paired"):
        layer = eq.TensorProduct("O(3)", "4x1", "4x1", "4x2", mode)
        assert layer.plan == eq.plan(str(layer.problem), mode=mode) == eq.plan("O(3)", "4x1 (x) 4x1", "4x2", mode=mode)
    for text in ("S(n): 4x2 + 1x1 -> 3x1", "O(3): powers 1, 2 of 4x1 -> 4x2"):
        assert str(eq.plan(text).problem) == text
    with pytest.raises(EqsynthError, match="two spaces"):
        eq.plan("O(3)", 1)


def test_symmetric_tensors_among_too_many_diagrams_are_refused_at_once():
    for orders in (("S9", "S2"), ("A9", "S2"), ("S2", "S9")):
        with pytest.raises(SizeError, match="of tensors of all kinds would take"):
            eq.basis("S(n)", *orders)


def test_files_load_weights_while_they_are_on_meta():
    """The text of what weights mean is compared, wherever the tensors are."""
    layer, other = (eq.Linear("S(n)", "2x2", "2x1", normalization=how) for how in ("variance", "mean"))
    namespace = {}
    exec(layer.source, namespace)
    for saved in (layer.state_dict(), {name: value.double() for name, value in layer.state_dict().items()}):
        empty = namespace["EquivariantLinear"](device="meta")
        empty.load_state_dict(saved, assign=True)
        assert torch.equal(empty.weight.float(), layer.weight)
    with pytest.raises(RuntimeError, match=r"normalization=mean.*, not of .*normalization=variance"):
        namespace["EquivariantLinear"](device="meta").load_state_dict(other.state_dict(), assign=True)


@pytest.mark.parametrize(
    ("problem", "sizes"),
    [
        ("O(3): 2x3 -> 2x3", (3, 3, 3)),
        ("O(3): 2x1 -> 2x3.irreps", (3,)),
        ("SO(3): 2x2 -> 2x2", (3, 3)),
        ("Aut(petersen): 2x1 -> 2x1", (10,)),
        ("U(2): 2x(1,1) -> 2x(1,1)", (2, 2)),
    ],
)
def test_tables_of_files_follow_weights_that_are_assigned(problem, sizes):
    group, space_in, space_out = re.split(": | -> ", problem)
    layer = eq.Linear(group, space_in, space_out)
    namespace = {}
    exec(layer.source, namespace)
    empty = namespace["EquivariantLinear"](device="meta")
    empty.load_state_dict(layer.state_dict(), assign=True)
    x = torch.randn(4, *sizes, 2, dtype=layer.weight.dtype)
    torch.testing.assert_close(empty(x), layer(x))
    wide = {
        name: value.to(torch.promote_types(value.dtype, torch.float64)) for name, value in layer.state_dict().items()
    }
    wide["_extra_state"] = layer.state_dict()["_extra_state"]
    empty.load_state_dict(wide, assign=True)
    torch.testing.assert_close(empty(x.to(empty.weight.dtype)).to(x.dtype), layer(x))


def test_packed_inputs_without_entries_are_told_apart_from_wrong_shapes():
    with pytest.raises(ShapeError, match="without entries it does not say what the size is"):
        eq.Linear("S(n)", "2xA2.packed", "1x1")(torch.ones(4, 0, 2))


WRITTEN = {function: given for function, given in CALLS.items() if not isinstance(function, partial)}
#: Python's own protocol, which takes no names.
del WRITTEN[MATRIX.__getitem__]


@pytest.mark.parametrize("function", WRITTEN, ids=named)
def test_a_misspelt_argument_is_answered_with_the_near_one(function):
    for one in parameters(function):
        if one.kind is one.POSITIONAL_OR_KEYWORD or one.kind is one.KEYWORD_ONLY:
            near = one.name[:-1] + "q" + one.name[-1]
            with pytest.raises(CallError, match=f" takes no {near}, did you mean {one.name}\\? Write "):
                function(**{near: 1})


@pytest.mark.parametrize("function", WRITTEN, ids=named)
def test_missing_and_superfluous_arguments_are_named(function):
    needed = [one.name for one in parameters(function) if one.default is one.empty]
    if needed:
        with pytest.raises(CallError, match=f"needs .*{needed[-1]}, too. Write "):
            function()
    first = parameters(function)[0]
    if first.kind is first.POSITIONAL_OR_KEYWORD:
        with pytest.raises(CallError, match=f"{first.name} twice"):
            function(1, **{first.name: 1})
    with pytest.raises(CallError, match="takes at most "):
        function(*range(99))


def test_errors_inside_of_a_call_are_not_those_of_the_call():
    @explain_calls
    def outer(make):
        return make()

    with pytest.raises(TypeError, match="positional argument") as caught:
        outer(lambda x: x)
    assert not isinstance(caught.value, EqsynthError)


def test_what_is_shown_of_a_call_is_what_it_takes():
    with pytest.raises(CallError, match=r"^Linear takes no biass, did you mean bias\? Write Linear\(group, space_in, "):
        eq.Linear("S(n)", 1, 1, biass=True)
    with pytest.raises(CallError, match=r"^TensorProduct needs space_out, too\. Write TensorProduct\(group, space_1, "):
        eq.TensorProduct("O(3)", "8xS2 (x) 8xS2", "8xS2")
    assert [*inspect.signature(eq.Linear).parameters][:3] == ["group", "space_in", "space_out"]
