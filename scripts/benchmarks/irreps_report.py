"""The tables, the page and the files of a report of :mod:`benchmarks.irreps`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from benchmarks.irreps import NAMES
from benchmarks.report import cell, command, missed_ratios, table, write_files
from benchmarks.startup import REPEAT

WORDS = f"""\
## What is compared, and why

A tensor of order k over R^3 looks like 3^k numbers, but a rotation never mixes all of them: a 3 x 3 matrix is a trace
(1 number), an antisymmetric part (3) and a traceless symmetric part (5), and a rotation keeps each to itself. Such
parts are called irreducible representations, irreps for short. Schur's lemma says that an equivariant map can only
send a part to parts of the same kind, and always by one number per pair of copies, the same for all entries of the
part. So a layer may first change to coordinates in which the parts lie side by side, then mix channels with one small
matrix product for each kind of part, and change back. The matrix products then have

    sum over kinds of part of (copies in the input) x (copies in the output) x (entries of the part)

multiply-adds for each sample and pair of channels, and no exact way to mix channels has fewer. That is **Schur's
floor**. Our other way to compute a layer, from diagrams, needs no change of coordinates but mixes more: twice the floor
for O(3) 2 -> 2, seven times for 4 -> 4. Changes of basis cost something for each channel, mixing for each pair of
channels: the more channels, the more the floor is worth.

Every layer has as many channels in as out, and no bias. Times are medians of interleaved runs, each after a call that
does not count, so that all find the caches as they like them; a ratio is the median over rounds of two runs next to
each other, and above 1 where ours is faster. The process keeps memory that is freed (`mallopt`): else outputs of a few
MB would be mapped anew in each call of any contender, and page faults would take longer than the products. The
contenders:

- **ours**: `eq.Linear(group, space_in, space_out)`, which chooses a method by its cost model; the notes say which.
- **diagrams**, **irreps**, **fourier**, **matrix**: the same layer with `method="diagrams"` and so on. "Fourier" mixes
  what permutations of indices do to each other by the irreps of the permutations, and keeps n open; "matrix" makes one
  big matrix from the weights in every call, which pays where everything is small. All have the same parameters, the
  coefficients of diagrams, and are checked to give the same outputs.
- **blocks**: `method="irreps", parameters="blocks"`, whose parameters are the matrices of the products themselves, so
  that nothing has to be computed from the coefficients of diagrams in each call.
- **.irreps**: the same layer between tensors that are stored in coordinates of their irreducible parts: no basis is
  changed. Its rival is e3nn's `o3.Linear` alone over O(3), our own layer on full tensors elsewhere. "Prepared": after
  `layer.prepare()`, which keeps what is computed from weights, for calls without gradients of weights.
- **e3nn**: e3nn's change of basis to irreps, `o3.Linear`, and back, on tensors laid out as suits e3nn. Not compiled.
- **e3nn, features in irreps**: `o3.Linear` alone, for networks that keep their features in irreps; what `.irreps` has
  to be compared with. "Compiled": the same through `torch.compile`.
- **by hand**: what a PyTorch programmer writes who has read Schur's lemma: one product with a dense 3^k x 3^k matrix, a
  matrix product per kind of part, one product back, on tensors with channels last. The matrices are e3nn's, the
  parameters are the blocks. It is checked to be equivariant and to have as many parameters, and so is "blocks".
- **products**: the matrix products alone, one for each kind of part, on memory that is there already. They compute
  nothing useful; a layer that reaches their time spends nothing on changes of basis, copies and calls.

Over O(3) the target is how many times faster than e3nn ours must be, over the other groups, most of which e3nn does not
have, how many times faster than our own diagrams. The small shapes, 16 channels, measure calls more than arithmetic.
Forward + backward computes the gradients of input and weights.

Mixing counts multiply-adds per sample that join a channel of the input with one of the output, from `layer.plan`; the
rest of all multiply-adds are changes of basis and sums. The floor is `eq.floor(group, space_in, space_out)`. Calls are
torch operators of a forward pass, views included.

Set-up is measured in fresh processes, {REPEAT} of each kind in turn: how long `from eqsynth import Linear` or
`import e3nn.o3` takes after `import torch`, then how long it takes until the layer is there, then until it has also
computed its first output. An empty cache is that of a new user; a warm one holds what the process before has left.
e3nn's set-up is `ReducedTensorProducts` (once where both orders are the same) and `o3.Linear`. `import eqsynth` loads
neither torch nor numpy, and is measured before torch.

## Where the time goes at 64 channels

What follows is from the profiles of the first machine on which this page was made, an AMD EPYC on which the library
behind torch's matrix products (MKL) reaches 50 multiply-adds per nanosecond on one thread. There the bare products
alone take a third of e3nn's time at O(3) 3 -> 3 and nearly half at 4 -> 4. The targets of e3nn / ours were 2.4 and 1.8
at first, which would have asked that everything else be almost free (and 2.8 at 2 -> 4). It is not:

- **3 -> 3**: products 0.26 ms, the two changes of basis 0.16 to 0.2, from coefficients of diagrams to blocks 0.05, the
  rest copies and the calls of some 50 operators.
- **4 -> 4**: products 1.3 ms, from coefficients to blocks 1.0 (a 91 x 91 map for each of 4,096 pairs of channels; the
  column "blocks" does without), changes of basis 0.5, gathering positions and bringing rows together 0.7.
- **2 -> 4**: products 0.25 ms; bringing 51 rows back to 81 positions takes more than the products.

What was tried, and what it gave: the change of basis as one product for all samples (the copies that it needs cost
what it gains), part by part (more calls, slower), and class by class of positions that no map connects, which takes a
quarter of the multiply-adds (gains from 81 positions on); one product for each row where every part stands once
(2 -> 2: from 2.7 to 3.1 times faster than e3nn, from 2.1 to 2.9 with gradients); splitting tensors where slices would
each cost a tensor of zeros in the backward pass (10 % with gradients); products with a strided operand in place of
copies (nothing); large products by oneDNN, which takes the full width of the vector units where MKL does not (on a CPU
with AVX-512 up to twice as fast as the bare products of this page, which MKL computes; as 1 x 1 convolutions, where
they had been before, 20 % at 4 -> 4); between tensors in coordinates of irreps the map of weights to blocks by oneDNN
(4 -> 4: from 0.74 to 0.33 ms), and the whole layer as one step of the graph of gradients, with a backward pass by hand
(nothing: what torch saves is what Python costs).

What keeps the last targets away:

- **2 -> 4, `.irreps`** (1.7 to 1.8 of 1.8): e3nn's Linear takes 1.74 times the bare products, so that products by MKL
  could never do it. oneDNN takes 0.15 ms of their 0.26; weights to blocks are 0.03, writing 81 rows of which 30 are
  zero 0.03, calls and copies of rows 0.05. Tried: the zeros in place and copies beside them (as long), one zero that
  is expanded (kept: 20 % of that step), weights to blocks by oneDNN (as long).
- **2 -> 2, `.irreps`** (1.40 to 1.43 of the products, of 1.4): of 0.07 ms the products of rows are 0.05, the map from
  3 weights to 9 rows 0.007, seven calls and checks of shapes the rest. One product for each part takes 0.07 by
  itself.
- **Sp(4) 4 -> 4 and SO(5) 3 -> 3, `.irreps` against full, both** (1.8 to 2.0, and 1.9 to 2.1, of 2): at Sp(4) full
  tensors take 1.3 times the bare products of both passes, `.irreps` takes 0.69 of them, as oneDNN computes them.
- **Networks** (1.6 of 1.8): of 1.7 ms products are 1.1, which are in the full network, too. The rest is gates (0.1),
  rows brought together and taken apart (0.25), small matrices of weights (0.1), Python. With gradients the products
  are 3.3 of 5.4 ms, and 1.8 would leave 0.8 for the rest. Tried: all terms in one step of the graph of gradients, in
  place, and by splitting; a lean version for one term; a backward pass by hand for one shape (17 % at 3 -> 3, not
  kept: one for every plan would be a second emitter); weights of only maps as they are, without products by 1 and
  without gradients that fill zeros (kept: 4 % forward, 4 % with gradients).

With two other processes that compute all the time, on two cores (load 2 to 3), ten runs of these cases met each
target for `.irreps` and e3nn / ours in 8 runs at least, but for 2 -> 4 (2 runs, median 1.71; with gradients 6 runs,
median 1.53 of 1.5), the products at 2 -> 2 (1 run, median 1.42), Sp(4) with gradients (1 run, median 1.96) and the
network (none, median 1.58).

For S(n), orbits of index tuples are gathered and transformed in one pass (`embedding_bag`), whose gradient is a gather
too: an index whose gradient adds up row by row was slower than what the transform saves."""

#: What is measured in fresh processes.
SETUP = {
    "empty imported": "our imports",
    "e3nn imported": "e3nn's import",
    "empty made": "ours, empty cache",
    "warm made": "ours, warm cache",
    "e3nn made": "e3nn",
    "empty ran": "ours, empty, to first output",
    "warm ran": "ours, warm, to first output",
    "e3nn ran": "e3nn, to first output",
}


#: Ratios of layers between tensors in coordinates of irreps.
STORED = ("rival / .irreps", "rival / .irreps, both", ".irreps / products", ".irreps, prepared / products")


def tables(report: dict[str, Any]) -> dict[str, list[str]]:
    """Every table of the report, by its title."""
    cases, fresh = report["cases"], report["fresh"]
    made = {}
    for suffix, title in (("", "Forward"), (" both", "Forward + backward")):
        timed = _present(cases, {f"{name}{suffix}": shown for name, shown in NAMES.items()})
        made[f"{title}, milliseconds"] = _table("case", cases, {"maps": "maps"}, timed)
        names = [f"{shown} / ours{suffix and ', both'}" for shown in timed.values() if shown != "ours"]
        ratios = [name for name in names if any(name in row["ratios"] for row in cases)]
        made[f"{title}, ratios and targets"] = _table("case", cases, ratios=ratios)
    stored = [row for row in cases if "stored" in row["ms"]]
    if stored:
        made["Tensors in coordinates of irreps, ratios and targets"] = _table("case", stored, ratios=STORED)
    work = {"floor": "floor", "mixing": "our mixing", "diagrams": "mixing of diagrams", "all": "all of ours"}
    made["Multiply-adds per sample"] = table(
        ["case", *work.values(), "mixing / floor"],
        ([row["case"], *[f"{row['work'][name]:,}" for name in work], cell(row, "mixing / floor")] for row in cases),
    )
    called = {name: shown for name, shown in NAMES.items() if any(name in row["calls"] for row in cases)}
    made["Calls of torch operators, forward"] = table(
        ["case", *called.values()], ([row["case"], *[row["calls"].get(name, "-") for name in called]] for row in cases)
    )
    if report["networks"]:
        timed = {
            "irreps": 'storage="irreps"',
            "full": 'storage="full"',
            "irreps both": "both",
            "full both": "both, full",
        }
        ratios = list(report["networks"][0]["ratios"])
        made["Networks, milliseconds"] = _table("network", report["networks"], times=timed, ratios=ratios)
    if fresh:
        made["Import"] = _table("what", fresh[:1], ratios=["milliseconds"])
        ratios = list(fresh[1]["ratios"])
        made["Set-up, milliseconds"] = _table("layer", fresh[1:], times=_present(fresh[1:], SETUP), ratios=ratios)
    return made


def _present(rows: Sequence[dict[str, Any]], names: dict[str, str]) -> dict[str, str]:
    """What was measured in some row."""
    return {name: shown for name, shown in names.items() if any(name in row["ms"] for row in rows)}


def _table(
    head: str,
    rows: Sequence[dict[str, Any]],
    plain: Mapping[str, str] = MappingProxyType({}),
    times: Mapping[str, str] = MappingProxyType({}),
    ratios: Sequence[str] = (),
) -> list[str]:
    """A row per case: plain entries, milliseconds, and ratios beside their targets."""
    return table(
        [head, *plain.values(), *times.values(), *ratios],
        (
            [
                row["case"],
                *[row[key] for key in plain],
                *[f"{row['ms'][name]:g}" if name in row["ms"] else "-" for name in times],
                *[cell(row, name) for name in ratios],
            ]
            for row in rows
        ),
    )


def missed(report: dict[str, Any]) -> list[str]:
    """Every target that is missed, in words."""
    return missed_ratios([*report["cases"], *report["networks"], *report["fresh"]])


def page(report: dict[str, Any], picture: str | None) -> str:
    """The report as a Markdown page."""
    lines = [
        "# Down to Schur's floor: layers against e3nn, and against our own diagrams",
        "",
        f"`{command('irreps', report['options'])}` wrote this page: {report['about']}.",
        "",
    ]
    if picture:
        lines += [f"![Time of every contender over ours]({picture})", ""]
    lines += [WORDS, ""]
    for title, made in tables(report).items():
        lines += [f"## {title}", "", *made, ""]
    lines += ["## Notes", ""]
    for row in report["cases"]:
        lines += [f"- {row['case']}: {NAMES[name]}: {note}" for name, note in row["notes"].items()]
    lines += ["", "Missed targets:" if missed(report) else "No target is missed.", ""]
    lines += [f"- {line}" for line in missed(report)]
    return "\n".join(lines).rstrip() + "\n"


def write(report: dict[str, Any], folder: Path) -> None:
    """irreps.json, irreps.svg (where matplotlib is installed) and irreps.md."""
    write_files(report, folder, "irreps", page)
