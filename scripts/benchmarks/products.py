"""Layers of products against e3nn, cuEquivariance and one dense einsum: forward, backward and second derivatives.

e3nn and cuEquivariance get features in irreps, which is how they want them; ours and the einsum get tensors.
"""

from __future__ import annotations

import statistics
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import eqsynth as eq
from benchmarks.layers import Options, why
from benchmarks.measuring import interleaved, ratio
from benchmarks.tables import table, write

BATCH = 64
HEAD = ("product", "contender", "maps", "forward, ms", "both, ms", "double backward, ms",
        "over ours: forward", "both", "double backward")  # fmt: skip
#: What is timed of each contender.
KINDS = ("forward", "both", "double")


@dataclass(frozen=True, slots=True)
class Case:
    """Products of tensors of SO(3) of these orders: of two inputs, or with ``degrees`` of one with itself."""

    orders: tuple[int, ...]
    out: int
    channels: int
    mode: str = "full"
    degrees: tuple[int, ...] = ()

    def __str__(self) -> str:
        if self.degrees:
            powers = " + ".join(f"x^{degree}" for degree in self.degrees)
            return f"{powers} of {self.channels}x{self.orders[0]} -> {self.channels}x{self.out}"
        inputs = " x ".join(f"{self.channels}x{order}" for order in self.orders)
        return f"{inputs} -> {self.channels}x{self.out}, {self.mode}"

    @property
    def full(self) -> bool:
        """Whether each channel of an input meets each of the other."""
        return self.mode == "full" and not self.degrees

    def layer(self) -> Any:
        """Ours."""
        spaces, out = [f"{self.channels}x{order}" for order in self.orders], f"{self.channels}x{self.out}"
        if len(self.degrees) == 1:
            return eq.Power("SO(3)", spaces[0], self.degrees[0], out, bias=False)
        if self.degrees:
            return eq.PolynomialLayer("SO(3)", spaces[0], self.degrees[-1], out, bias=False)
        return eq.TensorProduct("SO(3)", spaces[0], spaces[1], out, mode=self.mode, bias=False)


CASES = (
    Case((1, 1), 1, 16),
    Case((1, 1), 2, 16),
    Case((2, 1), 1, 16),
    Case((2, 2), 2, 8),
    Case((1, 1), 2, 64, "paired"),
    Case((2, 2), 2, 32, "paired"),
    Case((1,), 2, 32, degrees=(2,)),
    Case((2,), 2, 16, degrees=(2,)),
    Case((1,), 1, 32, degrees=(3,)),
    Case((1,), 1, 32, degrees=(1, 2, 3)),
)
QUICK_CASES = (Case((1, 1), 1, 4), Case((1, 1), 2, 4, "paired"), Case((1,), 1, 4, degrees=(1, 2)))


class Dense(nn.Module):
    """All maps of the layer as one array, contracted with the weights and the inputs in one einsum for each power.

    The weights are those of the layer, and the maps are scaled as it scales them.
    """

    def __init__(self, layer: Any, case: Case) -> None:
        super().__init__()
        self.equations: list[str] = []
        self.weights = nn.ParameterList()
        # Powers without maps have no weights.
        maps_of = [(len(terms) - 1, found) for terms, found in layer.basis.items() if len(found)]
        for place, ((name, weight), (degree, found)) in enumerate(zip(layer.named_parameters(), maps_of, strict=True)):
            letters, many = "ijk"[:degree], case.full
            channels = "cde"[:degree] if many else "c" * degree
            read = ",".join(f"b{letter}{channel}" for letter, channel in zip(letters, channels, strict=True))
            self.equations.append(f"my{letters},mo{'cd' if many else 'c'},{read}->byo")
            axes = case.orders * degree if case.degrees else case.orders
            maps = torch.from_numpy(found.matrices().copy()).float().reshape(-1, 3**case.out, *[3**k for k in axes])
            self.register_buffer(f"maps_{place}", maps)
            self.weights.append(weight)
            self._scale(layer, case, place, name)

    def _scale(self, layer: Any, case: Case, place: int, name: str) -> None:
        """Multiply each map by what the layer multiplies it by."""
        given = inputs(case)
        maps = getattr(self, f"maps_{place}")
        with torch.no_grad():
            kept = {key: value.clone() for key, value in layer.named_parameters()}
            for number in range(len(maps)):
                for key, value in layer.named_parameters():
                    value.zero_()
                    value[number, 0] += key == name
                wanted = layer(*given).flatten()
                made = self.power(place, *(x.reshape(BATCH, -1, case.channels) for x in given)).flatten()
                maps[number] *= (wanted @ made) / (made @ made)
            for key, value in layer.named_parameters():
                value.copy_(kept[key])

    def power(self, place: int, *flat: Tensor) -> Tensor:
        """The products of one degree."""
        equation = self.equations[place]
        count = equation.count("b") - 1
        factors = flat if len(flat) == count else flat * count
        return torch.einsum(equation, getattr(self, f"maps_{place}"), self.weights[place], *factors)

    def forward(self, *given: Tensor) -> Tensor:
        """(batch, 3^m, channels)."""
        flat = [x.reshape(len(x), -1, x.shape[-1]) for x in given]
        total = self.power(0, *flat)
        for place in range(1, len(self.equations)):
            total = total + self.power(place, *flat)
        return total


class Twice(nn.Module):
    """A product of two inputs, of one with itself."""

    def __init__(self, product: nn.Module) -> None:
        super().__init__()
        self.product = product

    def forward(self, x: Tensor) -> Tensor:
        """The product of x with x."""
        return self.product(x, x)  # type: ignore[no-any-return]


def inputs(case: Case) -> list[Tensor]:
    """Random tensors."""
    return [torch.randn(BATCH, *[3] * order, case.channels) for order in case.orders]


def contenders(case: Case, options: Options) -> tuple[dict[str, tuple[nn.Module, list[Tensor], int]], dict[str, str]]:
    """Every layer with its inputs and its number of maps, and notes on those that cannot run.

    The einsum has our weights and must agree. Raises AssertionError where it does not.
    """
    layer, x = case.layer(), inputs(case)
    count = sum(len(found) for found in layer.basis.values())
    dense = Dense(layer, case)
    with torch.no_grad():
        wanted = layer(*x)
        torch.testing.assert_close(dense(*x).reshape(wanted.shape), wanted, rtol=1e-3, atol=1e-3)
    listed: dict[str, tuple[nn.Module, list[Tensor], int]] = {
        "ours": (layer, x, count),
        "dense einsum": (dense, x, count),
    }
    notes: dict[str, str] = {}
    if options.peers and case.degrees in ((), (2,)):
        from benchmarks import peers

        for name, make in (("e3nn", peers.e3nn_product), ("cuEquivariance", peers.cue_product)):
            if name == "cuEquivariance" and not case.full:
                continue
            try:
                module, given, weights = make(
                    case.orders * (2 if case.degrees else 1), case.out, case.channels, case.full, BATCH
                )
            except Exception as error:  # noqa: BLE001 - a peer that cannot run is reported, whatever the reason
                notes[name] = why(error)
                continue
            shape = case.channels ** (3 if case.full else 2)
            if case.degrees:
                module, given = Twice(module), given[:1]
            listed[name] = module, given, weights // shape
    return listed, notes


def run(options: Options, folder: Path | None = None) -> int:
    """Measure every case, print and write the table; 1 where results differ."""
    warnings.simplefilter("ignore")  # of third parties, about each other
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rows: list[dict[str, object]] = []
    told: list[str] = []
    for case in QUICK_CASES if options.quick else CASES:
        if options.cases not in str(case):
            continue
        try:
            listed, notes = contenders(case, options)
        except AssertionError as error:
            print(f"{case}: {error}", file=sys.stderr)
            return 1
        runs = _runs(listed, notes, options)
        rows += _rows(case, {name: one[2] for name, one in listed.items()}, runs, options)
        told += [f"{case}: {name}: {note}" for name, note in notes.items()]
        print(f"{case}: done", file=sys.stderr, flush=True)
    lines = table(HEAD, rows)
    print("\n".join([*lines, *told]))
    if folder:
        notes_of = ["", *(f"- {one}" for one in told)] if told else []
        write(
            folder, "products", "Products of tensors", ABOUT, [*lines, *notes_of], rows, options.repeat, options.device
        )
    return 0


ABOUT = [
    "Products of SO(3), batch 64, without biases. e3nn (`FullyConnectedTensorProduct`, and `uuw` where channels",
    "are paired) and cuEquivariance (its naive method on CPUs) get features in irreps, so that no basis is",
    'changed; ours and the einsum (all maps as one array) get tensors. "Maps" counts weights for each choice of',
    "channels: where it is the same, layers can compute the same. Powers in e3nn are products of an input with",
    'itself, with more weights than there are different maps. "Both" is forward and backward, for gradients of',
    'inputs and weights; "double backward" the gradient of a squared gradient of the inputs, as for forces.',
    '"Compiled" is `torch.compile`, which has no double backward. FlashCart 0.1.0 installs, but multiplies all',
    "ranks up to the largest at once, without the couplings that an epsilon makes, so that it has no layer to",
    "compare with.",
]


def _runs(
    listed: dict[str, tuple[nn.Module, list[Tensor], int]], notes: dict[str, str], options: Options
) -> dict[str, dict[str, Callable[[], object]]]:
    """For each kind of measurement a run of each contender that can."""
    runs: dict[str, dict[str, Callable[[], object]]] = {kind: {} for kind in KINDS}
    for name, (module, x, _) in listed.items():
        module.to(options.device)
        leaves = [one.to(options.device).requires_grad_() for one in x]
        calls = {name: module}
        if options.compiled and name in ("ours", "e3nn"):
            torch._dynamo.reset()
            calls[f"{name}, compiled"] = torch.compile(module)  # type: ignore[assignment]
        for title, call in calls.items():
            for kind, how in (("forward", _forward), ("both", _both), ("double", _double)):
                if kind == "double" and title != name:
                    continue
                one = partial(how, call, leaves)
                try:
                    one()
                except Exception as error:  # noqa: BLE001 - what cannot run is reported, whatever the reason
                    notes[f"{title}, {kind}"] = why(error)
                else:
                    runs[kind][title] = one
    return runs


def _forward(call: Callable[..., Tensor], x: Sequence[Tensor]) -> Tensor:
    with torch.no_grad():
        return call(*x)


def _both(call: Callable[..., Tensor], x: Sequence[Tensor]) -> None:
    call(*x).sum().backward()  # type: ignore[no-untyped-call]


def _double(call: Callable[..., Tensor], x: Sequence[Tensor]) -> None:
    gradients = torch.autograd.grad(call(*x).square().sum(), list(x), create_graph=True)
    torch.stack([one.square().sum() for one in gradients]).sum().backward()  # type: ignore[no-untyped-call]


def _rows(
    case: Case, maps: dict[str, int], runs: dict[str, dict[str, Callable[[], object]]], options: Options
) -> list[dict[str, object]]:
    times = {kind: interleaved(runs[kind], options.repeat, device=options.device) for kind in KINDS}
    rows = []
    for name in runs["forward"]:
        row: dict[str, object] = {
            "product": str(case),
            "contender": name,
            "maps": maps[name.removesuffix(", compiled")],
        }
        for kind in KINDS:
            taken = times[kind].get(name)
            row[f"{kind}_ms"] = None if taken is None else round(1e3 * statistics.median(taken), 3)
        for kind in KINDS:
            value = None if name == "ours" else ratio(times[kind], name, "ours")
            row[f"{kind}_ratio"] = None if value is None else round(value, 2)
        rows.append(row)
    return rows
