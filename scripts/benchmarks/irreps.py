"""Time layers that work in irreducible representations against e3nn, a layer written by hand and our diagram plan.

With what such layers must do at least: the matrix products alone, and Schur's floor. And how long it takes until a
layer is there, in processes of their own.
"""

from __future__ import annotations

import math
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

import eqsynth as eq
from benchmarks import startup
from benchmarks.contenders import ByIrreps, check_equivariant, products
from benchmarks.layers import Options, Problem, about, both, channels_first, forward, on_device, rated, why
from benchmarks.measuring import interleaved, operator_calls, ratio
from eqsynth.bases.schur import parts
from eqsynth.exact.polynomial import Polynomial
from eqsynth.families.irreps import has_parts
from eqsynth.spaces.space import axes_of

#: Ways to compute a layer that can be forced.
IRREPS, FOURIER, SMALL = ("diagrams", "irreps"), ("diagrams", "fourier"), ("diagrams", "irreps", "matrix")
#: Names of the contenders in the order of the table.
NAMES = {
    "ours": "ours",
    "diagrams": "diagrams",
    "irreps": "irreps",
    "fourier": "fourier",
    "matrix": "matrix",
    "blocks": "blocks",
    "stored": ".irreps",
    "stored prepared": ".irreps, prepared",
    "e3nn": "e3nn",
    "e3nn alone": "e3nn, features in irreps",
    "e3nn compiled": "e3nn, features in irreps, compiled",
    "hand": "by hand",
    "products": "products",
}


@dataclass(frozen=True, slots=True)
class Case(Problem):
    """``methods`` are forced. Targets: rival / ours at least, also with the gradients, and mixing / floor at most.

    ``stored``: the same for tensors in coordinates of irreps against e3nn's Linear alone, or our own on full tensors:
    rival / .irreps at least, also with the gradients, and .irreps / products at most.
    """

    rival: str
    methods: tuple[str, ...]
    forward: float
    both: float | None
    floor: float | None
    stored: tuple[float | None, float | None, float | None] = (None, None, None)


CASES = (
    Case("O(3)", 2, 2, 64, 3, 64, "e3nn", IRREPS, 3, 2, 1, (2, 1.7, 1.4)),
    Case("O(3)", 3, 3, 64, 3, 64, "e3nn", IRREPS, 1.5, 1.4, 1, (1.5, 1.4, 1.3)),
    Case("O(3)", 2, 4, 64, 3, 64, "e3nn", IRREPS, 1.3, None, 1, (1.8, 1.5, 1.4)),
    Case("O(3)", 4, 4, 64, 3, 64, "e3nn", IRREPS, 1.3, None, 1, (1.3, 1.25, 1.2)),
    Case("O(3)", 1, 1, 16, 3, 64, "e3nn", SMALL, 3, 2, None, (2, 1.7, None)),
    Case("O(3)", 2, 2, 16, 3, 64, "e3nn", SMALL, 3, 2, None, (2, 1.7, None)),
    Case("S(16)", 3, 3, 64, 16, 4, "diagrams", FOURIER, 1.8, None, 1.3),
    Case("S(64)", 2, 2, 64, 64, 8, "diagrams", FOURIER, 1.2, None, 1.2),
    Case("SO(3)", 4, 4, 64, 3, 64, "diagrams", IRREPS, 3, None, 1),
    Case("Sp(4)", 4, 4, 64, 4, 64, "diagrams", IRREPS, 3, None, 1, (2, 2, 1.4)),
    Case("SO(5)", 3, 3, 64, 5, 64, "diagrams", IRREPS, 1, None, 1, (2, 2, 1.4)),
    Case("SO(4)", 3, 3, 64, 4, 64, "diagrams", IRREPS, 3, None, 1),
)
#: Sizes that take no time, for tests and a first look.
QUICK_CASES = (
    Case("O(3)", 2, 2, 4, 3, 2, "e3nn", SMALL, 3, 2, 1),
    Case("S(n)", 2, 2, 4, 5, 2, "diagrams", FOURIER, 1.2, None, 1.2),
    Case("Sp(2)", 2, 2, 4, 2, 2, "diagrams", IRREPS, 3, None, 1),
)


def mixing(layer: eq.Linear, n: int) -> int:
    """Multiply-adds per sample that join a channel of the input with one of the output.

    Changes of basis, sums and spreading stay within the channels of one side. What is done once in a call, for the
    weights, does not count.
    """
    joined = {
        monomial: count
        for monomial, count in layer.plan.total().multiply_adds.terms.items()
        if {"c_in", "c_out"} <= {symbol for symbol, _ in monomial}
    }
    return int(Polynomial(joined)(layer.plan.sizes(n)))


def floor(layer: eq.Linear, n: int) -> int:
    """The multiply-adds per sample that Schur's lemma demands of any exact mixing of channels."""
    demanded: Polynomial = eq.floor(layer.hom.group, layer.hom.space_in, layer.hom.space_out)
    return int(demanded(layer.plan.sizes(n)))


def shared(layer: eq.Linear, n: int) -> list[tuple[int, int, int]]:
    """For each irreducible part that input and output share: dimension, copies in the input, copies in the output.

    Of complex type a part counts twice: its numbers take four multiply-adds for two entries.
    """
    sizes = layer.plan.sizes(n)
    return [
        (part.dim(sizes) * part.delta, part.copies_in[0], part.copies_out[0])
        for part in parts(layer.hom.group, layer.hom.space_in, layer.hom.space_out)
    ]


def contenders(case: Case, x: Tensor, peers: bool = True) -> tuple[dict[str, tuple[nn.Module, Tensor]], dict[str, str]]:
    """Every layer with its input, and notes on what is missing or special.

    Ours share their weights and must agree; those with parameters of their own must be equivariant and have as many.
    Raises AssertionError where that is not so.
    """
    layer = case.layer()
    found: dict[str, tuple[nn.Module, Tensor]] = {"ours": (layer, x)}
    notes: dict[str, str] = {}
    if layer.plan.alternatives:
        notes["ours"] = f"chose {layer.plan.alternatives[0][0]}"
    for method in case.methods:
        found[method] = case.layer(method=method), x
        _agree(layer, found[method][0], x)
    if "irreps" in case.methods:
        found["blocks"] = case.layer(method="irreps", parameters="blocks"), x
    if "irreps" in case.methods and has_parts(layer.hom.group, max(case.inputs, case.outputs)):
        found["stored"] = _stored(case, layer, x)
        found["stored prepared"] = _stored(case, layer, x)
    if peers and case.rival == "e3nn":
        try:
            from benchmarks.peers import E3nn, adapted, alone

            peer = E3nn(layer)
            found |= {"e3nn": (peer, channels_first(x)), "e3nn alone": alone(peer, case.batch)}
            sides = [adapted(case.group, order) for order in (case.inputs, case.outputs)]
            found["hand"] = ByIrreps(sides[0], sides[1], case.channels, case.channels), x
        except ImportError as error:
            notes["e3nn"] = why(error)
    for name in ("blocks", "hand"):
        if name in found:
            _same_space(layer, found[name][0], x, case.n)
    return found, notes


def _stored(case: Case, layer: eq.Linear, x: Tensor) -> tuple[nn.Module, Tensor]:
    """The layer on tensors in coordinates of their irreducible parts, and its input."""
    space_in, space_out = (f"{case.channels}x{order}{'.irreps' * (order > 1)}" for order in (case.inputs, case.outputs))
    stored = eq.Linear(case.group, space_in, space_out, bias=False)
    stored.load_state_dict(layer.state_dict())
    given = eq.to_irreps(x, case.group, case.inputs) if case.inputs > 1 else x
    with torch.no_grad():
        meant = eq.to_irreps(layer(x), case.group, case.outputs) if case.outputs > 1 else layer(x)
        torch.testing.assert_close(stored(given), meant, rtol=1e-3, atol=1e-3)
    return stored, given


def _agree(layer: eq.Linear, other: nn.Module, x: Tensor) -> None:
    other.load_state_dict(layer.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(other(x), layer(x), rtol=1e-3, atol=1e-3)


def _same_space(layer: eq.Linear, other: nn.Module, x: Tensor, n: int) -> None:
    check_equivariant(other, layer, x, n)
    counts = [sum(parameter.numel() for parameter in module.parameters()) for module in (other, layer)]
    if counts[0] != counts[1]:
        raise AssertionError(f"{counts[0]} parameters instead of {counts[1]}")


def measure(case: Case, options: Options) -> dict[str, Any]:
    """Times, ratios and multiply-adds of one case; all contenders have been checked."""
    found, notes = contenders(case, case.input(), options.peers)
    found = on_device(found, options.device)
    if "stored prepared" in found:
        eq.nn.prepare(found["stored prepared"][0])
    runs: dict[str, Callable[[], object]] = {}
    for name, (module, given) in found.items():
        runs[name] = forward(module, given)
        if name != "stored prepared":  # a backward pass computes all anew
            runs[f"{name} both"] = both(module, given)
    if "e3nn alone" in found and options.compiled:
        _add_compiled(runs, *found["e3nn alone"], notes)
    layer, diagrams = found["ours"][0], found["diagrams"][0]
    assert isinstance(layer, eq.Linear)  # noqa: S101 - for the type checker
    assert isinstance(diagrams, eq.Linear)  # noqa: S101
    bare = products(shared(layer, case.n), case.channels, case.batch, options.device)
    runs["products"], runs["products both"] = bare
    times = interleaved(runs, options.repeat, device=options.device)
    work = {
        "floor": floor(layer, case.n),
        "mixing": mixing(layer, case.n),
        "diagrams": mixing(diagrams, case.n),
        "all": layer.plan.total().multiply_adds(layer.plan.sizes(case.n)),
    }
    targets: list[tuple[str, float | None, float | None, bool]] = []
    for suffix, target in (("", case.forward), (" both", case.both)):
        for name, title in list(NAMES.items())[1:]:
            value = ratio(times, f"{name}{suffix}", f"ours{suffix}")
            aim = target if name == case.rival else None
            targets.append((f"{title} / ours{suffix and ', both'}", value, aim, False))
    alone, (least, least_both, most) = "e3nn alone" if case.rival == "e3nn" else "ours", case.stored
    for suffix, aim in (("", least), (" both", least_both)):
        value = ratio(times, f"{alone}{suffix}", f"stored{suffix}")
        targets.append((f"rival / .irreps{suffix and ', both'}", value, aim, False))
    targets.append((".irreps / products", ratio(times, "stored", "products"), most, True))
    targets.append((".irreps, prepared / products", ratio(times, "stored prepared", "products"), None, True))
    # Rounded up: what is above the floor at all is to be seen.
    over = math.ceil(100 * work["mixing"] / work["floor"]) / 100
    targets.append(("mixing / floor", over, case.floor, True))
    return {
        "case": str(case),
        "maps": len(layer.basis[0, 0]),
        "ms": {name: round(1e3 * statistics.median(value), 4) for name, value in times.items()},
        "work": work,
        "calls": {name: operator_calls(runs[name]) for name in NAMES if name in runs},
        "notes": notes,
        "rival": f"{NAMES[case.rival]} / ours",
        "ratios": rated(targets),
    }


def _add_compiled(runs: dict[str, Callable[[], object]], module: nn.Module, x: Tensor, notes: dict[str, str]) -> None:
    """e3nn's layer through torch.compile, as a further run, or a note that says why there is none."""
    torch._dynamo.reset()
    try:
        compiled: Any = torch.compile(module)
        one, other = forward(compiled, x), both(compiled, x)
        one()
        other()
    except Exception as error:  # noqa: BLE001 - without a C++ compiler the rest can still be measured
        notes["e3nn compiled"] = why(error)
        return
    runs["e3nn compiled"], runs["e3nn compiled both"] = one, other


#: Hidden spaces, group and input of networks that are measured with storage="auto" and "full", and the target.
NETWORKS = (("O(3)", "2x3 + 2x2 + 2x0", "64x3 + 64x2 + 64x0", 64, 1.8),)
QUICK_NETWORKS = (("O(2)", "2x3", "2x3 + 2x0", 2, None),)


def networks(options: Options) -> list[dict[str, Any]]:
    """Networks of three hidden layers and gates, whose hidden tensors are stored in coordinates of irreps or full."""
    rows = []
    for group, ends, hidden, batch, target in QUICK_NETWORKS if options.quick else NETWORKS:
        spaces = [ends, *[hidden] * 3, ends]
        nets = {how: eq.nn.MLP(group, spaces, activation="gated", storage=how) for how in ("irreps", "full")}
        nets["full"].load_state_dict(nets["irreps"].state_dict())
        n = int(eq.Group.parse(group).n)
        terms = [torch.randn(batch, *[n] * axes_of(order), channels) for channels, order in eq.Space.parse(ends)]
        x: Any = tuple(terms) if len(terms) > 1 else terms[0]
        for one, other in zip(tree_leaves(nets["irreps"](x)), tree_leaves(nets["full"](x)), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)
        x = tree_map(lambda one: one.to(options.device), x)
        runs: dict[str, Callable[[], object]] = {}
        for name, net in nets.items():
            runs[name] = forward(net.to(options.device), x)
            runs[f"{name} both"] = partial(_backward, net, x)
        times = interleaved(runs, options.repeat, device=options.device)
        values = {
            f"full / irreps{end and ', both'}": ratio(times, f"full{end}", f"irreps{end}") for end in ("", " both")
        }
        rows.append(
            {
                "case": f"{group}, hidden {hidden}, three layers, batch {batch}",
                "ms": {name: round(1e3 * statistics.median(value), 4) for name, value in times.items()},
                "ratios": rated(
                    (name, value, None if "both" in name else target, False) for name, value in values.items()
                ),
            }
        )
    return rows


def _backward(net: nn.Module, x: Any) -> None:
    net.zero_grad()
    torch.cat([y.flatten() for y in tree_leaves(net(x))]).sum().backward()  # type: ignore[no-untyped-call]


def run(options: Options) -> dict[str, Any]:
    """Measure everything that was asked for."""
    warnings.simplefilter("ignore")  # of third parties, about each other
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rows = []
    for case in QUICK_CASES if options.quick else CASES:
        if options.cases not in str(case):
            continue
        start = time.perf_counter()
        rows.append(measure(case, options))
        took = time.perf_counter() - start
        print(f"{case}: {rows[-1]['ms']['ours']:g} ms ({took:.0f} s)", file=sys.stderr, flush=True)
    return {
        "about": about(options),
        "options": asdict(options),
        "cases": rows,
        "networks": [] if options.cases else networks(options),
        "fresh": [] if options.cases else startup.measure(options.quick, options.peers),
    }
