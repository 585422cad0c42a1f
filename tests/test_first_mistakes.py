"""What people pass by mistake at first, and that what they read says what to pass instead."""

import inspect
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import eqsynth as eq
from eqsynth.errors import EqsynthError, IgnoredInputWarning, ShapeError, SizeError, ZeroOutputWarning
from eqsynth.spaces.space import is_packed, lengths

EDGES, NODES = torch.randn(4, 5, 5, 2), torch.randn(4, 5, 3)
SPACE = "2x2 + 3x1"
TWO = {
    "Linear": lambda: eq.Linear("S(n)", SPACE, "1x1"),
    "Activation": lambda: eq.nn.Activation("S(n)", SPACE),
    "Gated": lambda: eq.nn.Gated("S(n)", SPACE),
    "NormActivation": lambda: eq.nn.NormActivation("S(n)", SPACE),
    "LayerNorm": lambda: eq.nn.LayerNorm("S(n)", SPACE),
    "BatchNorm": lambda: eq.nn.BatchNorm("S(n)", SPACE),
    "Dropout": lambda: eq.nn.Dropout("S(n)", SPACE),
    "Pool": lambda: eq.nn.Pool("S(n)", SPACE),
    "MLP": lambda: eq.nn.MLP("S(n)", [SPACE, "2x1", "1x1"]),
    "Sequential": lambda: eq.nn.Sequential(eq.nn.Dropout("S(n)", SPACE), eq.Linear("S(n)", SPACE, "1x1")),
    "Residual": lambda: eq.nn.Residual(eq.Linear("S(n)", SPACE, SPACE)),
    "PolynomialLayer": lambda: eq.PolynomialLayer("S(n)", "3x2 + 3x1", 1, "1x1"),
}


@pytest.mark.parametrize("name", TWO)
def test_two_tensors_in_place_of_a_tuple(name):
    module = TWO[name]()
    for wrong in ((EDGES, NODES), (EDGES,), ((EDGES,),), (None,), ((EDGES, NODES), 5)):
        with pytest.raises(ShapeError, match=r"call (module|layer)\(\(\w+, \w+\)"):
            module(*wrong)


@pytest.mark.parametrize("name", [name for name in TWO if name not in ("PolynomialLayer", "Sequential", "MLP")])
def test_tensors_of_other_kinds(name):
    module = TWO[name]()
    for wrong, why in [
        (None, "type NoneType.*expected a tensor of shape"),
        (NODES.numpy(), "type ndarray.*expected a tensor of shape"),
        ([NODES], "type list.*expected a tensor of shape"),
        (NODES[0, 0, :], "expected a tensor of shape"),
        (NODES[..., :2], r"expected a tensor of shape \(\*batch, (n|5), 3\)"),
        (NODES[:, :4], "expected a tensor of shape"),
        (NODES.long(), r"x\.float\(\)"),
        (NODES > 0, r"x\.float\(\)"),
        (NODES[:3], "give all terms the same batch shape"),
    ]:
        with pytest.raises(ShapeError, match=why):
            module((EDGES, wrong))


FLAGS = {
    "Linear bias": lambda value: eq.Linear("S(n)", 2, 1, bias=value),
    "plan bias": lambda value: eq.plan("S(n)", 2, 1, bias=value),
    "TensorProduct bias": lambda value: eq.TensorProduct("O(3)", 1, 1, 0, bias=value),
    "Power bias": lambda value: eq.Power("O(3)", 1, 2, 0, bias=value),
    "PolynomialLayer bias": lambda value: eq.PolynomialLayer("O(3)", 1, 2, 0, bias=value),
    "nn.MLP bias": lambda value: eq.nn.MLP("S(n)", ["1x1", "4x1", "1x1"], bias=value),
    "nn.Activation odd": lambda value: eq.nn.Activation("S(n)", "2x1", "tanh", odd=value),
    "nn.Activation homogeneous": lambda value: eq.nn.Activation("S(n)", "2x1", homogeneous=value),
    "nn.BatchNorm affine": lambda value: eq.nn.BatchNorm("S(n)", "2x1", affine=value),
    "nn.LayerNorm affine": lambda value: eq.nn.LayerNorm("S(n)", "2x1", affine=value),
    "nn.NormActivation affine": lambda value: eq.nn.NormActivation("O(3)", "2x1", affine=value),
    "nn.Gated gated": lambda value: eq.nn.Gated("O(3)", "2x1", gated=[value]),
    "nn.Sparse restrict": lambda value: eq.nn.Sparse(eq.Linear("S(n)", "2x2", "2x1"), value),
    "nn.from_pyg sparse": lambda value: eq.nn.from_pyg(SimpleNamespace(edge_index=torch.ones(2, 1)), None, value),
    **{
        f"nn.{name} use_local_output": lambda value, name=name: getattr(eq.nn, name)(use_local_output=value)
        for name in ("ChannelwiseParallel", "ColwiseParallel", "ReplicateParallel", "RowwiseParallel")
    },
    "from_e3nn biases": lambda value: eq.from_e3nn({"weight": torch.ones(1)}, "1x0e", "1x0e", biases=value),
    "to_e3nn biases": lambda value: eq.to_e3nn({"weight": torch.ones(1, 1, 1)}, "1x0e", "1x0e", biases=value),
    "Basis.table sizes": lambda value: eq.basis("S(n)", 1, 1).table(sizes=value),
    **{
        f"nn.GraphPolynomials {name}": lambda value, name=name: eq.nn.GraphPolynomials("S(n)", 2, 0, 2, **{name: value})
        for name in ("loops", "multiple", "connected", "densities")
    },
    "nn.Message traceless": lambda value: eq.nn.Message("O(3)", "2x0", "2x1", 2.0, traceless=value),
    "Basis.matrices turned": lambda value: eq.basis("O(3)", 2, 2).matrices(turned=value),
    "Diagram.letters paired": eq.basis("O(3)", 2, 2)[0].letters,
    "Diagram.marks paired": eq.basis("O(3)", 2, 2)[0].marks,
    # None says neither.
    "Aut directed": lambda value: eq.Aut([(0, 1), (1, 2)], directed="" if value is None else value),
    "Graph.of directed": lambda value: eq.Graph.of([(0, 1), (1, 2)], directed="" if value is None else value),
    "Graph directed": lambda value: eq.Graph(2, ((0, 1),), value),
    "Graph.read directed": lambda value: eq.Graph.read("missing.s6", value),
    "Group.parse files": lambda value: eq.Group.parse("S(3)", value),
    "Hom.parse files": lambda value: eq.Hom.parse("S(3)", 1, 1, value),
    "export force": lambda value: eq.export(eq.plan("O(3)", 1, 1), "missing/o3.py", force=value),
    "page.write force": lambda value: eq.page.write("missing/o3.html", "O(3)", 1, 1, force=value),
    "voigt mandel": lambda value: eq.voigt(torch.randn(3, 3, 1), "stress", value),
    "from_voigt mandel": lambda value: eq.from_voigt(torch.randn(6, 1), "stress", value),
}  # fmt: skip


@pytest.mark.parametrize("name", FLAGS)
def test_options_that_are_on_or_off_are_true_or_false(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "missing.s6").write_text(":An\n")
    for wrong in ("no", "False", "", 0, 1, None, [], torch.tensor(True), np.array([True])):
        with pytest.raises(EqsynthError, match=r"True or False"):
            FLAGS[name](wrong)
    for right in (True, False) if name == "nn.Gated gated" else (np.bool_(True), np.bool_(False), True, False):
        try:
            FLAGS[name](right)
        except EqsynthError as error:
            assert "True or False" not in str(error)  # noqa: PT017 - some need more to be allowed


def test_every_option_that_is_on_or_off_is_known_here():
    listed = {
        f"{home}{name} {option}"
        for home, module in (("", eq), ("nn.", eq.nn), ("page.", eq.page), ("symbolic.", eq.symbolic))
        for name, option in flags_of(module)
    }
    # What other functions make, and what classes of groups read for Group.parse.
    inside = {"Plan bias", *(name for name in listed if name.endswith((".of_text files", ".between inputs")))}
    inside |= {name for name in listed if name.endswith((".between outputs", ".nested_misfit limits"))}
    assert listed - inside <= FLAGS.keys()
    assert len(listed) > 20


GROUPS = ("Aut", "Group", "MatrixGroup", "PermutationGroup", "ProductGroup")


def flags_of(module):
    """The options of a module's functions, classes and their methods that are annotated as truth values."""
    for name in module.__all__:
        value = getattr(module, name)
        methods = [(f"{name}.{key}", getattr(value, key)) for key in vars(value)] if isinstance(value, type) else []
        for called, function in [(name, value), *methods]:
            if called.rpartition(".")[2].startswith("_") or not callable(function):
                continue
            for option, parameter in inspect.signature(function).parameters.items():
                if "bool" in str(parameter.annotation):
                    yield called, option


SIZED = {
    "linear": lambda: eq.Linear("S(n)", "2x0", "2x1"),
    "terms": lambda: eq.Linear("S(n)", "2x0 + 1x0", "2x2 + 1x0"),
    "product": lambda: eq.TensorProduct("S(n)", "2x0", "2x0", "2x2"),
    "power": lambda: eq.Power("S(n)", "2x0", 2, "2x2"),
    "network": lambda: eq.nn.MLP("S(n)", ["2x0", "4x1", "2x1"]),
    "pairs": lambda: eq.Linear("S(n) x S(m)", "2x(1,0)", "2x(1,2)"),
}


@pytest.mark.parametrize("name", SIZED)
def test_open_sizes_are_whole_numbers_of_any_kind_that_fit_in_memory(name):
    module = SIZED[name]()
    operands = len(module.problem.operands) if name == "product" else 1
    space = eq.Space.parse("2x0") if name == "product" else eq.Space.parse(module.space_in)
    group = eq.Group.parse("S(3) x S(m)" if name == "pairs" else "S(3)")
    tensors = tuple(torch.randn(4, *lengths(order, [3, 1][: len(group.factors)]), width) for width, order in space)
    x = (tensors[0] if len(tensors) == 1 else tensors,) * operands

    def call(n):
        y = module(*x, n)
        return y[0] if isinstance(y, tuple) else y

    expected = call(5)
    for n in (np.int64(5), np.uint8(5), np.array(5), torch.tensor(5)):
        assert torch.equal(call(n), expected)
    for huge in (10**12, np.int64(10**12), 10**300):
        with pytest.raises(SizeError, match=r"= 1.*000 would take .* bytes"):
            call(huge)
    for wrong in ("5", 5.0, True, 0, -1, torch.tensor([5]), np.float64(5)):
        with pytest.raises(ShapeError):
            call(wrong)
    compiled = torch.compile(module, backend="eager", fullgraph=name != "network")
    assert torch.equal(compiled(*x, 5)[0], module(*x, 5)[0])
    assert compiled(*x, 6)[0].shape == module(*x, 6)[0].shape
    program = torch.export.export(module, (*x, 5)).module()
    assert torch.equal(program(*x, 5)[0], module(*x, 5)[0])


@pytest.mark.parametrize("make", [
    lambda: eq.Linear("S(n)", "2x2", "2x1"),
    lambda: eq.Linear("SO(3)", "2x2", "2x2", method="irreps"),
    lambda: eq.Linear("SO(3)", "2x2", "2x2", method="matrix"),
    lambda: eq.Linear("S(4)", "2x2", "2x2", method="fourier"),
    lambda: eq.Linear("Aut(petersen)", "2x1", "2x1"),
    lambda: eq.Power("O(3)", "2x1", 2, "2x0"),
    lambda: eq.nn.MLP("S(n)", ["2x1", "4x1", "2x1"], norm="layer"),
])  # fmt: skip
def test_floats_of_other_kinds_are_refused_with_the_cure(make):
    module = make()
    n = eq.Group.parse(module.group).n
    axes = lengths(eq.Space.parse(module.space_in).orders[0], [n if isinstance(n, int) else 4])
    x = torch.randn(3, *axes, 2)
    for wrong in (x.double(), x.half(), x.to(torch.complex64)):
        with pytest.raises(
            ShapeError, match=rf"is {wrong.dtype}, but .* are torch\.float32: pass x\.to\(torch\.float32"
        ):
            module(wrong)
    with torch.autocast("cpu", torch.bfloat16):
        module(x)
    module.to(torch.float64)
    assert module(x.double()).dtype == torch.float64
    with pytest.raises(ShapeError, match=r"module\.to\(torch\.float32\)"):
        module(x)


def test_other_devices_and_dtypes():
    norm = eq.nn.LayerNorm("S(n)", SPACE)
    with pytest.raises(ShapeError, match="move all terms to one device"):
        norm((EDGES.to("meta"), NODES))
    for module in (
        norm,
        eq.nn.BatchNorm("S(n)", SPACE),
        eq.nn.NormActivation("O(3)", "2x1"),
        eq.nn.Pairings("O(3)", "2x1 + 1x0"),
    ):
        terms = tuple(torch.randn(2, *lengths(order, [3]), c, device="meta") for c, order in module.space_in)
        with pytest.raises(ShapeError, match=r"module\.to\('meta'\)"):
            module(terms if len(terms) > 1 else terms[0])
    for module in (norm, eq.nn.BatchNorm("S(n)", SPACE), eq.nn.Pairings("O(3)", "2x1 + 1x0")):
        terms = tuple(torch.randn(2, *lengths(order, [3]), c, dtype=torch.float64) for c, order in module.space_in)
        with pytest.raises(ShapeError, match=r"x\.to\(torch\.float32\), or convert the module"):
            module(terms)
        module.double()(terms)
    for module in (norm, eq.nn.BatchNorm("S(n)", SPACE), eq.nn.Pool("S(n)", SPACE, "max")):
        with pytest.raises(ShapeError, match="real and imaginary parts"):
            module((EDGES.cfloat(), NODES.cfloat()))
    eq.nn.Pool("S(n)", SPACE)((EDGES.cfloat(), NODES.cfloat()))


@pytest.mark.parametrize("size", [None, 0, -1, 2.0, "5", True, torch.ones(100, 100)])
def test_sizes_that_no_input_shows(size):
    modules = (
        eq.Linear("S(n)", "2x0", "1x1"),
        eq.nn.Sequential(eq.Linear("S(n)", "2x0", "1x1")),
        eq.nn.Residual(eq.Linear("S(n) x O(m)", "2x(1,0)", "2x(1,0)")),
        eq.TensorProduct("S(n)", "2x0", "2x0", "1x1"),
    )
    x = torch.randn(4, 2)
    for module in modules:
        given = (
            (x.expand(5, 4, 2),)
            if isinstance(module, eq.nn.Residual)
            else (x,) * (2 if isinstance(module, eq.TensorProduct) else 1)
        )
        with pytest.raises(ShapeError, match=r"call (module|layer)\(\w+(, v)?, [nm]\)") as raised:
            module(*given, *([] if size is None else [size]))
        assert len(str(raised.value)) < 300
    assert modules[1](x, np.int64(5)).shape == (4, 5, 1)


def test_products_say_what_is_missing():
    layer = eq.TensorProduct("O(3)", "2x1", "2x1 + 1x0", "1x0 + 1x1")
    u, v = torch.randn(4, 3, 2), (torch.randn(4, 3, 2), torch.randn(4, 1))
    for wrong in ((u,), (u, *v), (u, v[0])):
        with pytest.raises(ShapeError, match=r"call layer\(u, \(v0, v1\)\)"):
            layer(*wrong)
    with pytest.raises(ShapeError, match=r"v is missing: call layer\(u, v\)"):
        eq.TensorProduct("O(3)", "2x1", "2x1", "1x0")(u)


@pytest.mark.parametrize("wrong", [(), (None,), (NODES,), ([5, 5, 5, 5], 5)])
def test_padded_without_sizes(wrong):
    net = eq.nn.Padded(eq.Linear("S(n)", SPACE, "1x1"))
    for x in (EDGES, (EDGES, NODES)) if wrong != (NODES,) else (EDGES,):
        with pytest.raises(ShapeError, match=r"module\(\(x0, x1\), sizes\)"):
            net(x, *wrong)


@pytest.mark.parametrize("sizes", ["abc", [1, 2, "a", 4], [5, None, 5, 5], [[1], [2, 3]], 5, [5.5] * 4])
def test_sizes_that_are_none(sizes):
    with pytest.raises(ShapeError, match=r"sizes"):
        eq.nn.Padded(eq.Linear("S(n)", SPACE, "1x1"))((EDGES, NODES), sizes)
    with pytest.raises(ShapeError, match=r"sizes"):
        eq.nn.unpad((EDGES, NODES), sizes)


INDEX, VALUES, X = torch.tensor([[0, 1], [1, 0]]), torch.randn(2, 2), torch.randn(3, 3)


@pytest.mark.parametrize(
    ("x", "more", "why"),
    [
        (INDEX, (VALUES, X), r"call module\(\(x0, x1\), batch\).*\(edge_index, edge_attr\)"),
        ((INDEX, VALUES), (), "expected a pair"),
        (((INDEX.float(), VALUES), X), (), r"index\.long\(\)"),
        (((INDEX.bool(), VALUES), X), (), r"index\.long\(\)"),
        (((INDEX[0], VALUES), X), (), r"expected a tensor \(2, entries\)"),
        (((INDEX + 5, VALUES), X), (), "names nodes from 5 to 6, of 3: number them from 0"),
        (((INDEX - 1, VALUES), X), (), "names nodes from -1 to 0, of 3: number them from 0"),
        (((INDEX.tolist(), VALUES), X), (), r"expected a tensor \(2, entries\)"),
        (((INDEX.numpy(), VALUES), X), (), r"torch\.from_numpy"),
        (((INDEX, VALUES.long()), X), (), r"x\.float\(\)"),
        (((INDEX, VALUES), X.long()), (), r"x\.float\(\)"),
        (((INDEX, VALUES.double()), X.double()), (), r"x\.to\(torch\.float32\)"),
        (((INDEX, VALUES), X.double()), (), r"x\.to\(torch\.float32\)"),
        (((INDEX, VALUES), X.to("meta")), (), "meta"),
        (((INDEX, VALUES), X), (torch.tensor([0, 0]),), r"expected a dense tensor \(nodes, channels\): \(2, 3\)"),
        (((INDEX, VALUES), X), ([0, 0, 1],), "expected the graph of each node"),
        (((INDEX, VALUES), X), (torch.tensor([0.0, 0, 1]),), "expected the graph of each node"),
        (((INDEX, VALUES), X), (torch.tensor([0, 0, 5]), None, 3), "number them from 0"),
        (((INDEX, VALUES), X), (torch.tensor([0, 0, 1]), None, "a"), "graphs is the number of graphs"),
        (((INDEX, VALUES), X), (torch.tensor([0, 0, 1]), None, 2.5), "graphs is the number of graphs"),
        (((INDEX, VALUES), X), (None, 3), "or a list of them"),
        (((INDEX, VALUES), X), (None, "edges"), "or a list of them"),
        (((INDEX, None), X), (), r"expected \(2, 2\)"),
        (((INDEX, VALUES[:1]), X), (), r"expected \(2, 2\)"),
        (((INDEX, VALUES), None), (), r"module\(x, batch\)"),
        (None, (), "expected a tuple of 2 terms"),
    ],
)  # fmt: skip
def test_sparse_inputs_that_do_not_fit(x, more, why):
    sparse = eq.nn.Sparse(eq.Linear("S(n)", SPACE, "1x1"))
    with pytest.raises(ShapeError, match=why):
        sparse(x, *more)


@pytest.mark.parametrize("wrong", [None, [1.0], np.zeros((2, 2, 1)), "x"])
def test_packing_takes_tensors(wrong):
    for function in (eq.pack, eq.unpack, eq.symmetrise):
        with pytest.raises(ShapeError, match="expected a tensor"):
            function(wrong, "S2")


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (lambda: eq.nn.pad(None), "expected a list of samples"),
        (lambda: eq.nn.pad([np.zeros((2, 2, 1))]), "torch.from_numpy"),
        (lambda: eq.nn.pad([None]), "expected a list of samples"),
        (lambda: eq.nn.unpad(None, [1]), "expected a tensor"),
        (lambda: eq.nn.from_pyg([None]), "edge_index"),
        (lambda: eq.nn.Dropout("S(n)", "2x1", "a"), "a number from 0 to 1"),
        (lambda: eq.nn.Dropout("S(n)", "2x1", float("nan")), "a number from 0 to 1"),
        (lambda: eq.nn.MLP("S(n)", None), "a list of spaces"),
        (lambda: eq.nn.MLP("S(n)", ["1x1", "1x1"], dropout="a"), "a number from 0 to 1"),
        (lambda: eq.nn.Gated("S(n)", "2x1", gated=3), "a list of True or False"),
        (lambda: eq.nn.Sequential(None), "use a module of eqsynth"),
        (lambda: eq.nn.Residual(None), "use a module of eqsynth"),
        (lambda: eq.nn.Padded(None), "use a module of eqsynth"),
        (lambda: eq.nn.Sparse(None), "use a module of eqsynth"),
        (lambda: eq.inspect(None), "load its state_dict into the layer of the same problem"),
        (lambda: eq.inspect(eq.Linear("S(n)", 1, 1), 2.5), "a whole number"),
        (lambda: eq.inspect(eq.Linear("S(n)", 1, 1), "a"), "a whole number"),
    ],
)
def test_other_arguments(call, why):
    with pytest.raises(EqsynthError, match=why):
        call()


def test_whole_numbers_of_every_library():
    assert eq.inspect(eq.Linear("S(n)", 1, 1), np.int64(4)).sizes == (4,)
    assert eq.nn.Dropout("S(n)", "2x1", np.float32(0.25)).p == 0.25


# --- terms that are ignored ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: eq.Linear("SO(3)", "2x1", "1x0"), "input term 0"),
        (lambda: eq.Linear("O(3)", "4x1 + 2x2", "8x1"), "input term 1"),
        (lambda: eq.TensorProduct("O(3)", "2x1 + 2x0", "2x0", "1x1"), "term 1 of u"),
        (lambda: eq.Power("O(3)", "2x1", 3, "1x0"), "input term 0"),
        (lambda: eq.PolynomialLayer("O(3)", "2x1 + 2x0", 1, "1x0"), "input term 0"),
        (lambda: eq.nn.MLP("O(3)", ["4x1 + 2x2", "8x1", "1x1"], activation="norm"), "input term 1"),
    ],
)
def test_a_term_that_is_ignored_is_named_once(make, what):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        make()
    (warning,) = caught
    assert warning.category is IgnoredInputWarning
    assert str(warning.message).startswith(what)
    assert "is ignored: no map out of it has this symmetry" in str(warning.message)
    assert warning.filename == __file__


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: eq.Linear("SO(3)", "2x1", "1x0", bias=False), "always zero"),
        (lambda: eq.nn.MLP("SO(3)", ["2x1", "8x0", "1x0"]), "this network is constant"),
        (lambda: eq.nn.MLP("O(3)", ["2x1", "8x1 + 8x0", "1x0 + 1x3"], bias=False), None),
    ],
)
def test_what_is_zero_or_constant_is_not_said_twice(make, what):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        make()
    assert [warning.category for warning in caught] == [ZeroOutputWarning] * (what is not None)
    assert all(what in str(warning.message) for warning in caught)


def test_reports_and_plans_say_it_too():
    assert "is ignored" in str(eq.verify("O(3): 1x1 + 1x2 -> 1x1"))
    assert eq.plan("O(3)", "1x1 + 1x2", "1x1").notes() == eq.plan("O(3)", "1x1 + 1x2", "1x1").ignored_inputs()
    assert not eq.plan("S(n)", "2x2 + 1x1 + 1x0", "1x1").notes()


# --- packed tensors --------------------------------------------------------------------------------------


POINTWISE = {
    "Linear": lambda group, space: eq.Linear(group, space, space),
    "Activation": lambda group, space: eq.nn.Activation(group, space, "tanh"),
    "Activation, relu": lambda group, space: eq.nn.Activation(group, space, "relu"),
    "Gated": eq.nn.Gated,
    "NormActivation": eq.nn.NormActivation,
    "Pairings": lambda group, space: eq.nn.Pairings(group, f"{space} + 3x{'(0,0)' if ' x ' in group else 0}"),
    "LayerNorm": eq.nn.LayerNorm,
    "LayerNorm, all": lambda group, space: eq.nn.LayerNorm(group, space, over="all"),
    "BatchNorm": eq.nn.BatchNorm,
    "Dropout": eq.nn.Dropout,
    "Pool": eq.nn.Pool,
    "Pool, max": lambda group, space: eq.nn.Pool(group, space, "max"),
    "Pool, norm": lambda group, space: eq.nn.Pool(group, space, components="norm"),
    "MLP": lambda group, space: eq.nn.MLP(group, [space, space, space]),
    "Residual": lambda group, space: eq.nn.Residual(eq.nn.LayerNorm(group, space)),
}
PACKED = [
    ("S(n)", "S2"), ("S(n)", "A2"), ("S(n)", "S3"), ("O(3)", "S2"), ("O(3)", "A2"), ("O(1)", "S2"), ("Sp(4)", "S2"),
    ("A(4)", "A2"), ("Aut(path4)", "S2"), ("S(n) x O(3)", "(S2,1)"), ("S(n) x O(3)", "(1,S2)"),
    ("S(n) x O(3)", "(A2,0)"),
]  # fmt: skip


def packed(order):
    return order.replace("S2", "S2.packed").replace("A2", "A2.packed").replace("S3", "S3.packed")


@pytest.mark.parametrize("name", POINTWISE)
def test_packed_tensors_give_what_full_ones_give_or_are_refused(name):
    """Unpacking behind a module is as unpacking before it."""
    taken = 0
    for group, order in PACKED:
        try:
            small = POINTWISE[name](group, f"4x{packed(order)}")
        except EqsynthError:
            continue
        large = POINTWISE[name](group, f"4x{order}")
        large.load_state_dict(small.state_dict())
        hom = eq.nn.Sequential(small)
        sizes = [factor.n if isinstance(factor.n, int) else 4 for factor in hom.group.factors]
        terms = [torch.randn(5, *lengths(one, sizes), c) for c, one in hom.space_in]
        torch.manual_seed(0)
        y = small(terms[0] if len(terms) == 1 else tuple(terms))
        torch.manual_seed(0)
        z = large(unpacked(terms, hom.space_in)[0] if len(terms) == 1 else tuple(unpacked(terms, hom.space_in)))
        listed = unpacked(y if isinstance(y, tuple) else [y], hom.space_out)
        for left, right in zip(listed, z if isinstance(z, tuple) else [z], strict=True):
            assert torch.allclose(left, right, atol=1e-5), (group, order)
        taken += 1
    assert taken or name in ("Pairings", "LayerNorm, all", "BatchNorm", "Pool", "Pool, max", "Pool, norm")


def unpacked(terms, space):
    return [eq.unpack(x, order) if is_packed(order) else x for x, order in zip(terms, space.orders, strict=True)]


def test_means_over_all_positions_of_packed_tensors_are_refused():
    with pytest.raises(EqsynthError, match=r"LayerNorm with over='all' adds up all entries.*ask for S2.*eq\.unpack"):
        eq.nn.LayerNorm("S(n)", "4xS2.packed", over="all")


@pytest.mark.parametrize(("wrong", "message"), [
    (lambda: eq.nn.BatchNorm("S(n)", "2x1", momentum="x"), "momentum is a number from 0 to 1"),
    (lambda: eq.nn.BatchNorm("S(n)", "2x1", eps=-1), "eps is a number from 0 on"),
    (lambda: eq.nn.LayerNorm("S(n)", "2x1", eps="1e-5"), "eps is a number from 0 on"),
    (lambda: eq.Linear("S(n)", "2x1", "2x1", dtype=torch.int32), "floating-point or complex"),
    (lambda: eq.PermutationGroup([{0: 1, 1: 2, 2: 0}]), "has no order"),
    (lambda: eq.PermutationGroup([{2, 0, 1}]), "has no order"),
    (lambda: eq.MatrixGroup([[{1: 0, 0: 1}, {0: 1, 1: 0}]]), "is no matrix"),
    (lambda: eq.MatrixGroup([np.ma.masked_array(np.eye(2), mask=[[0, 1], [1, 0]])]), "is no matrix"),
    (lambda: eq.Graph(3, [(0, 1)], colours={0: 1, 1: 0, 2: 0}), "has no order"),
    (lambda: eq.Linear("S(n)", "2x1", "2x1", dtype="float"), "such as torch.float64, not 'float'"),
])  # fmt: skip
def test_numbers_and_dtypes_that_are_none_are_refused(wrong, message):
    with pytest.raises(eq.EqsynthError, match=message):
        wrong()


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("Oh", r"eq\.point_group\('m-3m'\)"),
        ("m-3m", r"eq\.point_group\('m-3m'\)"),
        ("D4h", r"eq\.point_group\('m-3m'\)"),
        ("D4", r"Write D\(4\)"),
        ("C(4) wr S(n)", r"Z\(r\) wr S\(n\), not of C\(4\): give generators of others"),
        ("O(3) wr S(n)", r"S\(n\) x O\(3\), where all points turn alike"),
    ],
)
def test_groups_that_are_no_families(text, cure):
    with pytest.raises(EqsynthError, match=cure):
        eq.Group.parse(text)
    with pytest.raises(EqsynthError, match="an axis of V and one of V"):
        eq.Linear("SU(3)", "4xV*", "4x1")


@pytest.mark.parametrize(
    ("call", "cure"),
    [
        (lambda: eq.Linear("4x1", "O(3)", "4x1"), "This is a space, and the group comes first"),
        (lambda: eq.TensorProduct("O(3)", "4x1", "4x1", "SO(3)"), "This looks like a group, which comes first"),
        (lambda: eq.TensorProduct("4x1", "4x1", "4x2", "O(3)"), "This is a space, and the group comes first"),
        (lambda: eq.PolynomialLayer("O(3)", "4x1", "4x2", 2), "it stands before the outputs"),
        (lambda: eq.Power("O(3)", "4x1", "4x2", 2), "it stands before the outputs"),
        (lambda: eq.plan("O(3)", "2x2", "2x2", method="fourier"), "Ask for method='irreps' or 'diagrams'"),
    ],
)
def test_arguments_in_another_order_say_where_they_belong(call, cure):
    with pytest.raises(EqsynthError, match=cure):
        call()
