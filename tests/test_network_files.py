"""Whole networks as files that need torch alone: the same numbers and gradients from the same state_dict."""

import inspect
import io
import re
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

import eqsynth as eq
from alone import run_alone
from eqsynth.errors import EqsynthError, ExportError, VerificationError
from eqsynth.nn.activations import PackedLength, axis_lengths, joined
from eqsynth.nn.folded import node_order
from eqsynth.nn.networks import problem_of, sizes_asked
from eqsynth.project.exporting import program
from eqsynth.project.networks import HOLDING, SINGLE, is_network_file, network_artifact
from eqsynth.project.verifying import rebuilt

D = torch.float64
BOOST = eq.MatrixGroup([], [[[0, 1], [1, 0]]])
LATTICE = eq.MatrixGroup([[[0, -1], [1, -1]]])
PRELU, CLAMP = nn.PReLU(dtype=D), nn.Hardtanh(-0.5, 0.7)
SHRINK = nn.Softshrink(0.3)
DOWN = "3x0", "2x0"


def chain(group, *spaces):
    """A network with layer normalisation and residual blocks in it."""
    first, last = eq.Linear(group, *spaces[:2], dtype=D), eq.Linear(group, *spaces[1:], dtype=D)
    middle = eq.nn.Residual(
        eq.nn.Sequential(eq.nn.LayerNorm(group, spaces[1], dtype=D), eq.nn.Dropout(group, spaces[1]))
    )
    return eq.nn.Sequential(first, middle, last)


NUMBERS = "2x1 + 3x0"
EDGES = "2x2 + 2x1"
MLP, SEQ = partial(eq.nn.MLP, dtype=D), eq.nn.Sequential
NETWORKS = {
    "batch": lambda: MLP("O(3)", ["2x1", "4x1 + 3x0", "2x1 + 1x0"], norm="batch", dropout=0.3),
    "graphs": lambda: MLP("S(n)", ["1x2", "3x2 + 2x1", "1x0"], norm="layer", dropout=0.3),
    "symplectic": lambda: MLP("Sp(4)", ["2x1", "3x1 + 3x0", "1x0"]),
    "symplectic, open": lambda: eq.nn.NormActivation("Sp(n)", "3x2", dtype=D),
    "Lorentz": lambda: MLP("O(1,3)", ["2x1", "3x1 + 3x0", "2x1"], "norm"),
    "Lorentz, pairs": lambda: MLP("O(1,3)", ["2x1", "3x1 + 3x0", "2x1"]),
    "unitary": lambda: eq.nn.MLP("U(2)", ["2x1", "3x1 + 3x0", "2x1"], dtype=torch.complex128),
    "unitary, norms": lambda: eq.nn.MLP("U(n)", ["2x1", "3x1", "2x1"], "norm", dtype=torch.complex128),
    "unitary, numbers": lambda: SEQ(
        eq.nn.Gated("SU(2)", NUMBERS),
        eq.nn.BatchNorm("SU(2)", NUMBERS, dtype=torch.complex128),
        eq.nn.LayerNorm("SU(2)", NUMBERS, dtype=torch.complex128),
        eq.nn.Dropout("SU(2)", NUMBERS, 0.3),
        eq.nn.Pool("SU(2)", NUMBERS, components="norm"),
    ),
    "matrices": lambda: eq.nn.Pairings(BOOST, "3x1 + 2x0", dtype=D),
    "lattice": lambda: SEQ(eq.nn.LayerNorm(LATTICE, "3x1", dtype=D), eq.nn.NormActivation(LATTICE, "3x1", dtype=D)),
    "signs": lambda: MLP("H(n)", ["2x1", "3x1 + 3x0", "1x0"], norm="layer"),
    "product": lambda: MLP("S(n) x O(3)", ["2x(1,1)", "3x(1,1) + 3x(1,0)", "2x(0,1)"], norm="batch"),
    "matrix products": lambda: MLP("O(3)", ["1xS2", "3xS2 + 2x0", "1xS2"]),
    "irreps": lambda: MLP("O(3)", ["2x1o", "3x1o + 2x0e", "2x1o"], norm="layer"),
    "decomposed": lambda: MLP("O(3)", ["2x3", "2x3 + 3x0", "2x1"], norm="batch", storage="irreps"),
    "symmetric decomposed": lambda: SEQ(
        *(
            module("O(3)", "3xS2.irreps + 3x0", dtype=D)
            for module in (eq.nn.BatchNorm, eq.nn.LayerNorm, eq.nn.NormActivation, eq.nn.Pairings)
        )
    ),
    "wreath": lambda: MLP("S(2) wr S(3)", ["2x1", "3x1 + 2x1", "1x0"]),
    "chain": lambda: chain("O(3)", "2x1 + 1x0", "3x1 + 2x0", "2x1 + 1x0"),
    "chain of one term": lambda: chain("S(n)", "2x1", "3x1", "2x2"),
    "size inside": lambda: SEQ(eq.Linear("S(n)", "1x2", "3x0", dtype=D), eq.Linear("S(n)", "3x0", "2x1", dtype=D)),
    "size in a packed axis": lambda: SEQ(
        eq.Linear("S(n)", "1xS2.packed", "3x0", dtype=D), eq.Linear("S(n)", "3x0", "2x1", dtype=D)
    ),
    "size given": lambda: eq.nn.Residual(
        SEQ(eq.Linear("S(n)", "2x0", "3x1", dtype=D), eq.nn.Pool("S(n)", "3x1"), eq.Linear("S(n)", *DOWN, dtype=D))
    ),
    "functions": lambda: eq.nn.Activation("S(n)", "2x1 + 3x0 + 2x0 + 2x0 + 1x0", (None, PRELU, CLAMP, PRELU, SHRINK)),
    "gates": lambda: eq.nn.Gated("O(3)", "2x1 + 3x2 + 2x0", torch.tanh, PRELU, [False, True, True]),
    "norms": lambda: eq.nn.NormActivation("S(n) x O(3)", "2x(1,1) + 3x(1,0)", affine=False),
    "over all": lambda: eq.nn.LayerNorm("S(n) x O(3)", "2x(1,1) + 3x(2,0)", over="all", affine=False),
    "no weights": lambda: eq.nn.BatchNorm("O(n)", "2x1 + 3x0", affine=False, dtype=D),
    "traces": lambda: eq.nn.Pool("O(3)", "2x2 + 3x1", dtype=D),
    "sums": lambda: eq.nn.Pool("S(n) x O(3)", "2x(1,2) + 3x(1,1) + 2x(2,0)", "sum", dtype=D),
    "padded": lambda: eq.nn.Padded(
        MLP("S(n) x O(3)", ["2x(1,1)", "3x(1,1) + 3x(1,0)", "2x(0,1)"], norm="batch", dropout=0.3)
    ),
    "padded, residual": lambda: eq.nn.Padded(
        SEQ(
            eq.Linear("S(n)", "1x2 + 2x0", "2x0 + 2x1", dtype=D),
            eq.nn.Residual(SEQ(eq.nn.BatchNorm("S(n)", "2x0 + 2x1", dtype=D), eq.nn.Dropout("S(n)", "2x0 + 2x1"))),
        )
    ),
    "padded, empty": lambda: eq.nn.Padded(
        SEQ(eq.nn.Residual(MLP("S(n)", ["2x1", "3x1 + 3x0", "2x1"])), eq.nn.Pool("S(n)", "2x1", components="norm"))
    ),
    "padded, two letters": lambda: eq.nn.Padded(eq.Linear("S(n) x S(m)", "2x(1,1)", "1x(1,0) + 2x(0,0)", dtype=D)),
    "padded, components": lambda: eq.nn.Padded(eq.nn.BatchNorm("O(n)", "2x2 + 1x0", dtype=D)),
    "maxima": lambda: eq.nn.Pool("S(n) x O(3)", "2x(1,1) + 2x(2,0)", "max", "norm"),
    "sparse": lambda: eq.nn.Sparse(MLP("S(n)", ["1x2 + 2x1", "3x1 + 2x0", "2x1 + 1x0"], norm="batch", dropout=0.3)),
    "sparse, entries": lambda: eq.nn.Sparse(
        SEQ(
            eq.Linear("S(n)", "2x2 + 1x0", EDGES, dtype=D),
            eq.nn.Residual(SEQ(eq.nn.LayerNorm("S(n)", EDGES, dtype=D), eq.nn.Dropout("S(n)", EDGES, 0.3))),
            eq.nn.Activation("S(n)", EDGES, (PRELU, "tanh")),
            eq.Linear("S(n)", EDGES, "1x2 + 2x1 + 2x2", dtype=D),
        ),
        restrict=True,
    ),
    "sparse, vectors": lambda: eq.nn.Sparse(
        MLP("S(n) x O(3)", ["2x(2,1) + 1x(1,1)", "3x(1,1) + 3x(1,0)", "2x(0,1)"], "norm", norm="layer")
    ),
    "sparse, pairs": lambda: eq.nn.Sparse(MLP("S(n) x O(1,2)", ["1x(2,1)", "2x(1,1) + 3x(1,0)", "2x(0,1)"])),
    "sparse, tensors": lambda: eq.nn.Sparse(
        eq.Linear("S(n) x SO(3)", "2x(2,1) + 1x(1,2) + 1x(0,0)", "2x(2,1) + 2x(2,0) + 1x(1,0)", dtype=D)
    ),
    "sparse, sums": lambda: eq.nn.Sparse(eq.nn.Pool("S(n) x O(3)", "2x(1,2) + 3x(2,1) + 2x(2,0)", "sum", dtype=D)),
    "sparse, means": lambda: eq.nn.Sparse(eq.nn.Pool("S(n) x O(3)", "2x(1,2) + 3x(2,1) + 2x(0,1)", components="norm")),
    "sparse, maxima": lambda: eq.nn.Sparse(eq.nn.Pool("S(n) x O(3)", "2x(1,1) + 2x(1,0)", "max", "norm")),
    "sparse, length given": lambda: eq.nn.Sparse(eq.Linear("S(n) x S(m)", "2x(2,0)", "1x(1,1)", dtype=D)),
    "sparse, length shown": lambda: eq.nn.Sparse(MLP("S(n) x S(m)", ["2x(2,1)", "2x(1,1) + 2x(1,0)", "1x(0,2)"])),
    "sparse, packed": lambda: eq.nn.Sparse(eq.Linear("S(n) x O(3)", "2x(2,S2.packed)", "1x(1,S2.packed)", dtype=D)),
    "sparse, repeated": lambda: eq.nn.Sparse(eq.Linear("S(n)", EDGES, "2x2 + 1x1 + 1x0", transfer="repeat", dtype=D)),
    "sparse, scaled": lambda: eq.nn.Sparse(eq.Linear("S(n)", EDGES, "2x2 + 1x1", normalization="sum", dtype=D)),
    "sparse, few maps": lambda: eq.nn.Sparse(eq.Linear("S(n) x S(2)", "1x(2,2)", "2x(1,2)", transfer="pad", dtype=D)),
    "sparse, signs": lambda: eq.nn.Sparse(eq.Linear("H(n) x O(2)", "2x(3,1)", "1x(1,1) + 1x(3,1)", dtype=D)),
    "sparse, scaled by sizes": lambda: eq.nn.Sparse(eq.Linear("H(n)", "2x2 + 1x4 + 1x0", "1x4 + 2x2", dtype=D)),
    "sparse, unitary": lambda: eq.nn.Sparse(
        eq.nn.MLP("S(n) x U(2)", ["2x(2,1)", "2x(1,1) + 2x(1,0)", "1x(1,1)"], dtype=torch.complex128)
    ),
    "sparse, one size": lambda: eq.nn.Sparse(eq.Linear("S(4)", "2x2", "2x1 + 1x2", dtype=D)),
}  # fmt: skip


def inputs_for(net, batch=(5,), n=4):
    """Random tensors for a network, one where there is one term."""
    hom = problem_of(net)
    dtype = torch.complex128 if hom.group.over_complex else D
    terms = []
    for channels, order in hom.space_in:
        lengths = [
            one.symmetry.length(n) if isinstance(one, PackedLength) else n if isinstance(one, str) else one
            for one in axis_lengths(hom.group, order)
        ]
        terms.append(torch.randn(*batch, *lengths, channels, dtype=dtype))
    return joined(terms)


def call_for(net):
    """Random arguments of a network; entries of batches of graphs, of which one has no nodes."""
    if not isinstance(net, eq.nn.Sparse):
        return inputs_for(net), sizes_for(net)
    torch.manual_seed(2)
    orders, asked = [*map(node_order, net.space_in.orders)], sizes_asked(net.module)
    dense = net.thinned([x.numpy() for x in flat(inputs_for(net))], np.random.default_rng(2))
    x, batch, at, count, sizes = net.entries_of(joined([*map(torch.as_tensor, dense)]), *[4] * len(asked))
    if isinstance(net.group.factors[0].n, int):
        return x, [batch, at, count, sizes]
    terms = x if len(orders) > 1 else (x,)
    more = [torch.cat((t[:2], t[:1], t[2:])) if not order else t for t, order in zip(terms, orders, strict=True)]
    return joined(more), [batch + (batch > 1), at, count + 1, sizes]


def sizes_for(net):
    """What a dense network takes behind its input."""
    if isinstance(net, eq.nn.Padded):
        letters = {factor.n for factor in net.group.factors if isinstance(factor.n, str)}
        # Statistics of training need entries.
        none = 4 if any(isinstance(part, eq.nn.BatchNorm) for part in net.modules()) else 0
        return [{letter: [4, 2, none, 4, 2] for letter in letters}]
    return [4] * len(getattr(net, "sizes", ()))


def flat(x):
    """All tensors of numbers in tuples of them."""
    if isinstance(x, torch.Tensor):
        return [x] if x.is_floating_point() or x.is_complex() else []
    return [one for item in x for one in flat(item)]


def tracked(x):
    """The same tuples, with tensors of numbers that take gradients."""
    if isinstance(x, torch.Tensor):
        return x.clone().requires_grad_() if flat(x) else x
    return tuple(map(tracked, x))


def computed(net, x, sizes):
    """Outputs in training and in evaluation, gradients of all inputs and parameters, and buffers."""
    x = tracked(x)
    torch.manual_seed(1)
    trained = flat(net.train()(x, *sizes))
    wanted = [*flat(x), *net.parameters()]
    loss = sum((y.abs() ** 2).sum() for y in trained)
    gradients = torch.autograd.grad(loss, wanted, allow_unused=True, materialize_grads=True)
    evaluated = flat(net.eval()(x, *sizes))
    return [value.detach() for value in (*trained, *gradients, *evaluated, *net.buffers())]


def network(name):
    torch.manual_seed(0)
    net = NETWORKS[name]()
    for parameter in net.parameters():
        nn.init.normal_(torch.view_as_real(parameter.detach()) if parameter.is_complex() else parameter)
    for key, value in net.named_buffers():
        if "running" in key:
            (torch.view_as_real(value) if value.is_complex() else value).uniform_(0.5, 1.5)
    return net


def test_every_kind_is_among_the_networks():
    kinds = {kind for name in NETWORKS for module in network(name).modules() for kind in type(module).__mro__}
    assert {*SINGLE, *HOLDING} <= kinds


def test_files_compute_the_same_without_eqsynth(tmp_path):
    cases = {}
    for number, name in enumerate(NETWORKS):
        net, path = network(name), f"net{number}"
        eq.export(net, tmp_path / f"{path}.py")
        x, sizes = call_for(net)
        # A copy: in training running statistics change.
        state = {key: value.clone() for key, value in net.state_dict().items()}
        cases[path] = {"name": name, "x": x, "sizes": sizes, "state": state, "values": computed(net, x, sizes)}
    torch.save(cases, tmp_path / "cases.pt")
    source = f"""
import importlib, sys, torch
sys.path.insert(0, {str(tmp_path)!r})

{"".join(map(inspect.getsource, (flat, tracked, computed)))}
for path, case in torch.load("cases.pt", weights_only=True).items():
    over_complex = flat(case["x"])[0].is_complex()
    net = importlib.import_module(path).Network(dtype=torch.complex128 if over_complex else torch.float64)
    assert net.state_dict().keys() == case["state"].keys(), case["name"]
    net.load_state_dict(case["state"])
    values = computed(net, case["x"], case["sizes"])
    assert len(values) == len(case["values"]), case["name"]
    for ours, meant in zip(values, case["values"]):
        torch.testing.assert_close(ours, meant, rtol=1e-9, atol=1e-9, msg=lambda why: case["name"] + ": " + why)
    print(case["name"])
"""
    done = run_alone(source, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == [*NETWORKS]


def built(net, **options):
    """A network as its file has it, in this process."""
    space = {}
    exec(compile(network_artifact(net).source, "network", "exec"), space)
    twin = space["Network"](**options)
    twin.load_state_dict(net.state_dict())
    return twin


@pytest.mark.filterwarnings("ignore::eqsynth.errors.ZeroOutputWarning")
@pytest.mark.parametrize("problem", [("H(n) x O(2)", "2x(1,1)", "2x(0,1) + 1x(1,1)"), ("H(n)", "2x1", "1x0 + 2x1")])
@pytest.mark.parametrize("bias", [True, False])
def test_files_have_zeros_where_no_map_leads(problem, bias):
    net = eq.nn.Sparse(eq.Linear(*problem, bias=bias, dtype=D))
    x, arguments = call_for(net)
    for ours, meant in zip(built(net, dtype=D)(x, *arguments), net(x, *arguments), strict=True):
        torch.testing.assert_close(ours, meant)


def test_files_take_batches_without_nodes():
    net = network("padded, empty").eval()
    twin = built(net, dtype=D).eval()
    for count in (0, 2):
        x = inputs_for(net, (count,), 0)
        ours, meant = (flat(one(x, [0] * count)) for one in (net, twin))
        assert all(torch.equal(y, z) for y, z in zip(ours, meant, strict=True))


@pytest.mark.parametrize("name", ["batch", "product", "norms", "maxima", "lattice"])
def test_half_precision_is_the_same(name):
    net = network(name).float()
    x = joined([term.float() for term in flat(inputs_for(net))])
    with torch.autocast("cpu", torch.bfloat16):
        for ours, meant in zip(computed(built(net), x, ()), computed(net, x, ()), strict=True):
            torch.testing.assert_close(ours, meant)
    net, x = net.bfloat16(), joined([term.bfloat16() for term in flat(x)])
    for ours, meant in zip(computed(built(net).bfloat16(), x, ()), computed(net, x, ()), strict=True):
        torch.testing.assert_close(ours, meant)


def test_new_networks_have_weights_of_the_same_variance():
    torch.manual_seed(0)
    for net in (eq.nn.Pairings("O(3)", "400x1 + 30x0"), eq.nn.Pairings("U(2)", "400x1 + 30x0")):
        space = {}
        exec(compile(network_artifact(net).source, "network", "exec"), space)
        for ours, meant in zip(space["Network"]().parameters(), net.parameters(), strict=True):
            assert ours.dtype == meant.dtype
            assert ours.abs().max().item() == pytest.approx(meant.abs().max().item(), rel=0.02)
            assert ours.var().item() == pytest.approx(meant.var().item(), rel=0.05)


def test_modules_that_are_alike_share_a_class():
    block = lambda: eq.nn.Residual(SEQ(eq.nn.LayerNorm("O(3)", "4x1"), eq.Linear("O(3)", "4x1", "4x1")))  # noqa: E731
    source = network_artifact(SEQ(block(), block(), block()), "Linear1").source
    names = [line.split("(")[0].removeprefix("class ") for line in source.splitlines() if line.startswith("class ")]
    assert names == ["LayerNorm1", "Linear2", "Sequential1", "Residual1", "Linear1"]


class Own(nn.Module):
    group, space_in, space_out = "S(n)", "2x1", "2x1"

    def forward(self, x):
        return x


class Doubled(eq.nn.Gated):
    def of_terms(self, terms):
        return super().of_terms([2 * term for term in terms])


def tied():
    first, second = eq.Linear("S(n)", "2x1", "2x1"), eq.Linear("S(n)", "2x1", "2x1")
    second.weight = first.weight
    return SEQ(first, second)


def hooked():
    net = SEQ(eq.Linear("S(n)", "2x1", "2x1"))
    net[0].register_forward_hook(lambda *_: None)
    return net


def scaled():
    net = SEQ(eq.Linear("S(n)", "2x1", "2x1"))
    nn.utils.parametrizations.weight_norm(net[0])
    return net


INNER = partial(eq.Linear, "S(n)", "2x1", "2x1")
REFUSED = {
    "open packed lengths": (
        lambda: eq.nn.Sparse(eq.Linear("S(n) x O(m)", "1x(1,S2.packed)", "1x(1,0)")),
        "network.module has packed tensors of length m_S2, where m is open, .*: store tensors full, or give m",
    ),
    "frames": (lambda: eq.nn.FrameAverage(nn.Identity(), "SO(3)", "1x1", "1x1"), "a FrameAverage, .*not of eq.nn"),
    "canonical": (lambda: eq.nn.Canonicalise(nn.Identity(), "SO(3)", "2x1", "1x1"), "a Canonicalise, .*not of eq.nn"),
    "compiled": (lambda: eq.compile(INNER()), "network is a Compiled, .*network.module"),
    "compiled by torch": (lambda: torch.compile(SEQ(INNER())), "network is a OptimizedModule, .*network._orig_mod"),
    "own": (lambda: SEQ(INNER(), eq.nn.Residual(Own())), "network.1.module is a Own, .*only layers, and Seq"),
    "own forward": (lambda: Doubled("S(n)", "2x1"), "network is a Doubled, "),
    "of torch": (lambda: nn.Sequential(INNER()), "network is a Sequential, .*use these, or torch.export"),
    "tied": (tied, "network.1 and network.0 share parameters"),
    "hooked": (hooked, "network.0, a Linear, has hooks"),
    "scaled": (scaled, "network.0, a .*Linear, has parametrizations"),
    "lambda": (lambda: eq.nn.Activation("S(n)", 1, lambda x: x + 1), "network applies <lambda>, a function of your"),
    "modules": (lambda: eq.nn.Activation("S(n)", 1, nn.Sequential(nn.Tanh())), "network applies Sequential, a module"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_written_is_refused_by_name(name, tmp_path):
    make, message = REFUSED[name]
    with pytest.raises(ExportError, match=message):
        eq.export(make(), tmp_path / "net.py")
    assert not [*tmp_path.iterdir()]


def test_files_say_how_to_load_them_and_edited_ones_are_kept(tmp_path):
    net, path = network("graphs"), tmp_path / "net.py"
    artifact = eq.export(net, path, "Graphs")
    assert artifact.source == path.read_text()
    assert (artifact.name, str(artifact.problem)) == ("Graphs", "S(n): 1x2 -> 1x0")
    assert (
        'network = Graphs(dtype=torch.float64)\n    network.load_state_dict(torch.load("weights.pt"))'
        in artifact.source
    )
    eq.export(network("batch"), path)
    assert is_network_file(path)
    for text in (path.read_text().replace("0.3", "0.2"), "", "# sha256 of the lines above: 0\n"):
        path.write_text(text)
        assert not is_network_file(path)
        with pytest.raises(ExportError, match="it was edited"):
            eq.export(net, path)
    eq.export(net, path, force=True)
    eq.export(INNER(), path)
    assert "class EquivariantLinear" in path.read_text()
    assert not is_network_file(tmp_path / "missing.py")


def test_names_are_refused_where_the_file_has_them():
    """Networks on entries carry ``read`` and classes behind those of their layers; others leave the names to users."""
    sparse = eq.nn.Sparse(INNER())
    for name in ("read", "torch"):
        with pytest.raises(EqsynthError, match=f"'{name}' cannot name a class"):
            network_artifact(sparse, name)
    assert "\nclass read(nn.Module)" in network_artifact(eq.nn.Residual(INNER()), "read").source
    classes = re.findall(r"^class (\w+)", network_artifact(sparse, "Linear1OnEntries").source, re.MULTILINE)
    assert classes.count("Linear1OnEntries") == 1
    assert classes[-1] == "Linear1OnEntries"


def test_inputs_that_do_not_fit_are_refused():
    net = built(eq.nn.Gated("S(n) x O(3)", "2x(1,1) + 3x(1,0)"))
    good = inputs_for(eq.nn.Gated("S(n) x O(3)", "2x(1,1) + 3x(1,0)"))
    net(good)
    wrong = [
        good[0], good[:2], (*good[:2], good[2][..., :1]), (good[0][:, :3], *good[1:]), (good[0][:1], *good[1:]),
        (good[0].long(), *good[1:]), (3, *good[1:]), tuple(term[:, :0] for term in good), (good[0][0, 0], *good[1:]),
    ]  # fmt: skip
    for x in wrong:
        with pytest.raises(ValueError, match=r"expected floating-point numbers of shape \(\*batch, n, 3, 2\) and "):
            net(x)
    with pytest.raises(ValueError, match="expected complex numbers"):
        built(eq.nn.Gated("U(2)", "2x1"))((torch.zeros(2, 2, 2), torch.zeros(2, 2)))
    with pytest.raises(ValueError, match="one value for each channel has no variance"):
        built(eq.nn.BatchNorm("S(n)", "2x0"))(torch.zeros(1, 2))


@pytest.mark.usefixtures("open_sizes")
def test_one_program_serves_networks_and_their_files_at_every_size():
    """With open batch and n, which the network is given; docs/guide/networks-export.md does it where x shows n."""
    net = SEQ(eq.nn.MLP("S(n)", ["1x0", "3x1", "2x0"], norm="layer"), eq.Linear("S(n)", "2x0", "2x1"))
    program_of_net = torch.export.load(io.BytesIO(program(net, "pt2"))).module()
    alone = built(net)
    assert net.training
    for batch, n in ((2, 4), (7, 9)):
        x = torch.randn(batch, 1)
        torch.testing.assert_close(program_of_net(x, n), net.eval()(x, n))
        torch.testing.assert_close(program_of_net(x, n), alone.eval()(x, n))
        net.train()
    with pytest.raises(ExportError, match="Padded reads sizes"):
        program(eq.nn.Padded(INNER()), "pt2")


# --- proven again, from the file alone ----------------------------------------------------------------


def test_files_of_every_kind_are_proven_again(tmp_path):
    """The network is made anew from what its file says: the same text, each layer proven, the whole tried."""
    for number, name in enumerate(NETWORKS):
        path = tmp_path / f"net{number}.py"
        eq.export(network(name), path, "Mine")
        network_again, called = rebuilt(path, path.read_text(encoding="utf-8"))
        assert called == "Mine"
        assert network_artifact(network_again, called).source == path.read_text(encoding="utf-8"), name
    report = eq.verify(tmp_path / "net0.py", trials=1)
    assert report.subject == "MLP O(3): 2x1 -> 2x1 + 1x0"
    assert [check.partition(":")[0] for check in report.checks] == [
        "the file is byte for byte what eqsynth emits for O(3)", "0, O(3)", "5, O(3)",
        "equivariant as a whole, in float64, in evaluation", "the file computes what the network computes",
    ]  # fmt: skip


EDITS = {
    "forward": (("x = module(x)", "x = 2 * module(x)"), "differs from what eqsynth emits"),
    "a recipe": (("p=0.25", "p=0.5"), "differs from what eqsynth emits"),
    "no recipes": (("# How eqsynth.nn makes", "# How it makes"), "does not say how its modules are made"),
    "a file": (("torch.sigmoid", "torch.load"), "says of its modules 'torch.load'"),
    "code": (("nn.functional.silu", "print('a')"), "says of its modules"),
    "attention": (("nn.functional.silu", "nn.MultiheadAttention(8, 8)"), "says of its modules"),
    "a missing part": (("(Linear1, Gated1", "(Linear1, Gated9"), "says of its modules 'Gated9'"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_edited_files_are_refused(edit, tmp_path):
    (old, new), message = EDITS[edit]
    path = tmp_path / "net.py"
    net = SEQ(eq.Linear("O(3)", "1x1", "2x1 + 2x0"), eq.nn.Gated("O(3)", "2x1"), eq.nn.Dropout("O(3)", "2x1", 0.25))
    above, marked, below = eq.export(net, path).source.rpartition("# How eqsynth.nn")
    text = above.replace(old, new) + marked + below if edit == "forward" else above + (marked + below).replace(old, new)
    assert text != path.read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(VerificationError, match=re.escape(message)):
        eq.verify(path, trials=1)


def test_networks_are_verified_without_a_file():
    net = eq.nn.MLP("S(n)", ["1x1", "2x1", "1x0"])
    assert [check.partition(":")[0] for check in eq.verify(net, trials=1).checks[:2]] == ["0, S(n)", "2, S(n)"]
    wrong = SEQ(eq.Linear("O(3)", "1x1", "2x1"), eq.nn.Activation("O(3)", "2x1", "identity"))
    wrong[1].functions[0].function = torch.tanh
    with pytest.raises(VerificationError, match="is not equivariant"):
        eq.verify(wrong, trials=1)
    with pytest.raises(EqsynthError, match="does not say what its group"):
        eq.verify(nn.Linear(2, 2))
