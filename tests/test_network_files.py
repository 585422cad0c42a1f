"""Whole networks as files that need torch alone: the same numbers and gradients from the same state_dict."""

import copy
import inspect
from functools import partial

import pytest
import torch
from torch import nn

import eqsynth as eq
from alone import run_alone
from eqsynth.errors import EqsynthError, ExportError
from eqsynth.nn.activations import PackedLength, axis_lengths
from eqsynth.nn.networks import problem_of
from eqsynth.project.networks import HOLDING, SINGLE, is_network_file, network_artifact

D = torch.float64
BOOST = eq.MatrixGroup([], [[[0, 1], [1, 0]]])
LATTICE = eq.MatrixGroup([[[0, -1], [1, -1]]])
PRELU = nn.PReLU(dtype=D)


def chain(group, *spaces):
    """A network with layer normalisation and residual blocks in it."""
    first, last = eq.Linear(group, *spaces[:2], dtype=D), eq.Linear(group, *spaces[1:], dtype=D)
    middle = eq.nn.Residual(
        eq.nn.Sequential(eq.nn.LayerNorm(group, spaces[1], dtype=D), eq.nn.Dropout(group, spaces[1]))
    )
    return eq.nn.Sequential(first, middle, last)


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
    "unitary, numbers": lambda: eq.nn.Gated("SU(2)", "2x1 + 3x0"),
    "matrices": lambda: eq.nn.Pairings(BOOST, "3x1 + 2x0", dtype=D),
    "lattice": lambda: SEQ(eq.nn.LayerNorm(LATTICE, "3x1", dtype=D), eq.nn.NormActivation(LATTICE, "3x1", dtype=D)),
    "signs": lambda: MLP("H(n)", ["2x1", "3x1 + 3x0", "1x0"], norm="layer"),
    "product": lambda: MLP("S(n) x O(3)", ["2x(1,1)", "3x(1,1) + 3x(1,0)", "2x(0,1)"], norm="batch"),
    "matrix products": lambda: MLP("O(3)", ["1xS2", "3xS2 + 2x0", "1xS2"]),
    "irreps": lambda: MLP("O(3)", ["2x1o", "3x1o + 2x0e", "2x1o"], norm="layer"),
    "wreath": lambda: MLP("S(2) wr S(3)", ["2x1", "3x1 + 2x1", "1x0"]),
    "chain": lambda: chain("O(3)", "2x1 + 1x0", "3x1 + 2x0", "2x1 + 1x0"),
    "chain of one term": lambda: chain("S(n)", "2x1", "3x1", "2x2"),
    "size inside": lambda: SEQ(eq.Linear("S(n)", "1x2", "3x0", dtype=D), eq.Linear("S(n)", "3x0", "2x1", dtype=D)),
    "size in a packed axis": lambda: SEQ(
        eq.Linear("S(n)", "1xS2.packed", "3x0", dtype=D), eq.Linear("S(n)", "3x0", "2x1", dtype=D)
    ),
    "size given": lambda: eq.nn.Residual(
        SEQ(eq.Linear("S(n)", "2x0", "3x1", dtype=D), eq.nn.Pool("S(n)", "3x1"), eq.Linear("S(n)", "3x0", "2x0", dtype=D))
    ),
    "functions": lambda: eq.nn.Activation("S(n)", "2x1 + 3x0 + 2x0 + 2x0", (None, PRELU, nn.Hardtanh(-0.5, 0.7), PRELU)),
    "gates": lambda: eq.nn.Gated("O(3)", "2x1 + 3x2 + 2x0", torch.tanh, PRELU, [False, True, True]),
    "norms": lambda: eq.nn.NormActivation("S(n) x O(3)", "2x(1,1) + 3x(1,0)", affine=False),
    "over all": lambda: eq.nn.LayerNorm("S(n) x O(3)", "2x(1,1) + 3x(2,0)", over="all", affine=False),
    "no weights": lambda: eq.nn.BatchNorm("O(n)", "2x1 + 3x0", affine=False, dtype=D),
    "traces": lambda: eq.nn.Pool("O(3)", "2x2 + 3x1", dtype=D),
    "sums": lambda: eq.nn.Pool("S(n) x O(3)", "2x(1,2) + 3x(1,1) + 2x(2,0)", "sum", dtype=D),
    "maxima": lambda: eq.nn.Pool("S(n) x O(3)", "2x(1,1) + 2x(2,0)", "max", "norm"),
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
    return terms[0] if len(terms) == 1 else tuple(terms)


def flat(x):
    return [x] if isinstance(x, torch.Tensor) else [*x]


def computed(net, x, sizes):
    """Outputs in training and in evaluation, gradients of all inputs and parameters, and buffers."""
    x = [term.clone().requires_grad_() for term in flat(x)]
    torch.manual_seed(1)
    trained = flat(net.train()(x[0] if len(x) == 1 else tuple(x), *sizes))
    wanted = [*x, *net.parameters()]
    loss = sum((y.abs() ** 2).sum() for y in trained)
    gradients = torch.autograd.grad(loss, wanted, allow_unused=True, materialize_grads=True)
    evaluated = flat(net.eval()(x[0] if len(x) == 1 else tuple(x), *sizes))
    return [value.detach() for value in (*trained, *gradients, *evaluated, *net.buffers())]


def network(name):
    torch.manual_seed(0)
    net = NETWORKS[name]()
    for parameter in net.parameters():
        nn.init.normal_(torch.view_as_real(parameter.detach()) if parameter.is_complex() else parameter)
    for key, value in net.named_buffers():
        if "running" in key:
            value.uniform_(0.5, 1.5)
    return net


def test_every_kind_is_among_the_networks():
    kinds = {kind for name in NETWORKS for module in network(name).modules() for kind in type(module).__mro__}
    assert {*SINGLE, *HOLDING} <= kinds


def test_files_compute_the_same_without_eqsynth(tmp_path):
    cases = {}
    for number, name in enumerate(NETWORKS):
        net, path = network(name), f"net{number}"
        eq.export(net, tmp_path / f"{path}.py")
        x, sizes = inputs_for(net), [4] * len(getattr(net, "sizes", ()))
        # A copy: in training running statistics change.
        state = {key: value.clone() for key, value in net.state_dict().items()}
        cases[path] = {"name": name, "x": x, "sizes": sizes, "state": state, "values": computed(net, x, sizes)}
    torch.save(cases, tmp_path / "cases.pt")
    source = f"""
import importlib, sys, torch
sys.path.insert(0, {str(tmp_path)!r})

def flat(x):
    return [x] if isinstance(x, torch.Tensor) else [*x]

{inspect.getsource(computed)}
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
