"""The ``eqsynth`` command: show a basis, synthesise layers, keep a project's layers in step, verify a file."""

from __future__ import annotations

import contextlib
import errno
import inspect
import io
import json
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

import eqsynth
from eqsynth.errors import CatalogError, ConfigError, EqsynthError, ExportError, SpaceError, abridged, counted, shown
from eqsynth.spaces.space import Order, Space, order_text, read_order
from eqsynth.store.screen import HANDLER, Screen, is_ascii, is_terminal
from eqsynth.store.waiting import alone, waiting

if TYPE_CHECKING:
    from eqsynth.bases.basis import Basis
    from eqsynth.diagrams.shapes import Drawing
    from eqsynth.families.hom import Problem
    from eqsynth.plans.plan import Plan
    from eqsynth.project.syncing import State

app = typer.Typer(
    help="Every linear map with a given symmetry: look at the diagrams, write the PyTorch layer, check it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

catalog_app = typer.Typer(help="Layers kept as data: list, show, build, prove and prune them.", no_args_is_help=True)
app.add_typer(catalog_app, name="catalog")
examples_app = typer.Typer(help="Known architectures in short files: list them, copy one.", no_args_is_help=True)
app.add_typer(examples_app, name="examples")

#: What is said where a page is asked for some of the maps alone.
ALL_MAPS = "pages show all maps, and say of each at which sizes it means the same: leave --transfer out"
#: The file name that stands for the standard output.
STDOUT = Path("-")
#: How helps are set in boxes.
MARKUP = app.rich_markup_mode
#: The columns from which on the boxes of a help leave room for every name.
BOXED = 70
#: What a shell says of a program whose reader has gone: 128 and the number of SIGPIPE.
GONE = 141


def _say(text: str) -> None:
    """An answer, on the standard output, as it is laid out."""
    print(text)


def _tell(text: str) -> None:
    """What was done, a note, an error: on the standard error, within its columns."""
    print(Screen.of(sys.stderr).fitted(text), file=sys.stderr)


def _pour(content: bytes) -> None:
    """The bytes of a file, on the standard output, whatever its encoding."""
    if sys.stdout is None:
        return
    sys.stdout.flush()
    buffer = getattr(sys.stdout, "buffer", None)
    if buffer is None:
        sys.stdout.write(content.decode())
    else:
        buffer.write(content)
        buffer.flush()


def _save(path: Path, content: bytes, done: str, **how: Any) -> None:
    """Write a file and say so; ``-`` is the standard output."""
    from eqsynth.store import files

    if path == STDOUT:
        _pour(content)
        return
    files.save(path, content, **how)
    _tell(f"wrote {path}: {done}")


def _json(data: Any, **how: Any) -> str:
    return json.dumps(data, ensure_ascii=is_ascii(sys.stdout), indent=1, **how)


def _one_of(*values: str) -> Callable[[], list[str]]:
    """What a shell offers to complete an option with."""
    return lambda: [*values]


class _OfProblem(TyperCommand):
    """A command of a group, an input and an output, which may be one text, as problems are elsewhere."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        from eqsynth.families.hom import problem_parts

        if not ctx.resilient_parsing:  # as in completion, of words that may not be whole
            words = [problem_parts(word) if "->" in word and word[0] != "-" else [word] for word in args]
            args = [part for parts in words for part in parts]
        # An order of -1 is to reach the check that explains it, so it must not read as an option.
        ctx.ignore_unknown_options = any(re.match("-[0-9]", word) for word in args)
        return super().parse_args(ctx, args)


GroupArgument = Annotated[
    str,
    typer.Argument(
        help="Group, such as 'S(5)', 'O(3)' or 'S(n)' with n left open; or, alone, the whole problem: 'O(3): 2 -> 1'."
    ),
]
Method = Annotated[
    str,
    typer.Option(
        help="How to compute the layer: auto (what costs least), diagrams, fourier, irreps or matrix.",
        autocompletion=_one_of("auto", "diagrams", "fourier", "irreps", "matrix"),
    ),
]
Parameters = Annotated[
    str,
    typer.Option(
        help="What weights are: coefficients of diagrams, or blocks (of irreps, with --method irreps).",
        autocompletion=_one_of("diagrams", "blocks"),
    ),
]
Mode = Annotated[
    str | None,
    typer.Option(
        help="How channels of two spaces meet: full (each with each, as without this) or paired.",
        autocompletion=_one_of("full", "paired"),
    ),
]
Transfer = Annotated[
    str | None,
    typer.Option(
        help="Keep the maps that mean the same at every size: repeat (sums/n, graphons) or pad (nodes of 0).",
        autocompletion=_one_of("repeat", "pad"),
    ),
]
Normalization = Annotated[
    str,
    typer.Option(
        help="Scale of a sum over an index: variance (n^-1/2), mean (1/n) or sum (1).",
        autocompletion=_one_of("variance", "mean", "sum"),
    ),
]


def _version(wanted: bool) -> None:
    if wanted:
        _say(f"eqsynth {eqsynth.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


@app.command(cls=_OfProblem)
def show(
    group: GroupArgument,
    inputs: Annotated[
        str,
        typer.Argument(
            metavar="K",
            help="Order of the input: 2, S2 or A2, or 2,1 for a product group. For products of inputs two spaces, "
            "'4x1 (x) 4x2', or the powers of one, 'powers 1, 2 of 8x1'.",
        ),
    ],
    outputs: Annotated[str, typer.Argument(metavar="L", help="Order of the output tensor; with products, its space.")],
    every: Annotated[bool, typer.Option("--all", help="Show every diagram, however many.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Show the plan of the one-channel layer instead.")] = False,
    source: Annotated[bool, typer.Option("--source", help="Show the emitted PyTorch source instead.")] = False,
    index: Annotated[int | None, typer.Option("--index", help="Show or draw one diagram alone, by its number.")] = None,
    method: Annotated[
        str | None, typer.Option(help="The method of --plan and --source: see synth; by diagrams where there are any.")
    ] = None,
    mode: Mode = None,
    transfer: Transfer = None,
    sizes: Annotated[
        bool, typer.Option("--sizes", help="Say which maps mean the same at every size, and in which sense.")
    ] = False,
    choose: Annotated[
        str,
        typer.Option(
            help="Which diagrams are kept where they are dependent: auto, as layers have them, cheapest or standard."
        ),
    ] = "auto",
    certificate: Annotated[bool, typer.Option("--certificate", help="Show why this is a basis instead.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the basis as JSON instead.")] = False,
    svg: Annotated[
        Path | None,
        typer.Option("--svg", help="Draw to an SVG file, for pages; - is the standard output here and below."),
    ] = None,
    tikz: Annotated[
        Path | None, typer.Option("--tikz", help="Draw to a LaTeX file that papers \\input, rows as wide as a column.")
    ] = None,
    standalone: Annotated[
        bool, typer.Option("--standalone", help="Make the file of --tikz a LaTeX document of its own.")
    ] = False,
    png: Annotated[Path | None, typer.Option("--png", help="Draw to a PNG file; needs the extra draw.")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write a page about the maps to an HTML file.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files with other content.")] = False,
) -> None:
    """Show the basis diagrams of all equivariant maps of order K to order L."""
    from eqsynth.bases import table
    from eqsynth.bases.basis import SHOWN, basis
    from eqsynth.diagrams.layout import drawing
    from eqsynth.families.hom import Hom, is_product, problem_of, with_transfer
    from eqsynth.plans.lowering import plain_plan, plan_hom

    if method is not None and not (plan or source):
        raise ConfigError("--method says how a layer computes: ask for --plan or --source with it, or leave it out")
    if standalone and not tikz:
        raise ConfigError("--standalone says what the file of --tikz is: ask for --tikz FILE, too, or leave it out")
    if is_product(inputs):
        pictures, way = (svg, tikz, png), method or "diagrams"
        wanted = _Shown(every, plan, source, index, way, sizes, certificate, as_json, pictures, standalone, html, force)
        if choose != "auto":
            raise ConfigError("products have the diagrams of --choose auto: leave it out")
        _show_products(with_transfer(problem_of(group, inputs, outputs, mode=mode), transfer), wanted)
        return
    if mode is not None:
        raise ConfigError("--mode is for products of two spaces, such as '4x2 (x) 4x1': leave it out")
    order_in, order_out = _order(inputs), _order(outputs)
    if html and transfer is not None:
        raise ConfigError(ALL_MAPS)
    if choose != "auto" and (html or plan or source):
        raise ConfigError("layers and pages have the diagrams of --choose auto: leave it out")
    _check_paths(svg, tikz, png, html)
    if html:
        from eqsynth.show import page

        with waiting(f"writing a page on {group} {inputs} -> {outputs}"):
            text, count = page.html(group, order_in, order_out), len(basis(group, order_in, order_out))
        _save(html, text.encode(), _page_size(count, text), force=force)
        if not (svg or tikz or png):
            return
    if plan or source:
        hom = Hom.parse(group, Space(((1, order_in),)), Space(((1, order_out),)), transfer=transfer)
        _show_plan(plan_hom(hom, method=method) if method else plain_plan(hom, True, "variance"), source)
        return
    maps = basis(group, order_in, order_out, choose=choose, transfer=transfer)
    if index is not None:
        _check_index(maps, index)
    if svg or tikz or png:
        title = f"{abridged(maps.group)}: order {order_text(maps.inputs)} -> order {order_text(maps.outputs)}"
        if index is None:
            drawings, captions = table.drawings(maps)
        else:
            drawings, captions = [drawing(maps.group, maps[index])], []
        _draw(drawings, captions, title, (svg, tikz, png), standalone, force)
    elif as_json:
        with waiting(f"describing maps of {group}"):
            text = _json(table.basis_data(maps, index))
        _say(text)
    elif certificate:
        _say(Screen.of(sys.stdout).fitted(str(maps.certificate)))
    else:
        with waiting(f"drawing maps of {group}"):
            text = table.basis_table(maps, None if every else SHOWN, index, sizes=sizes, screen=Screen.of(sys.stdout))
        _say(text)


def _page_size(count: int, text: str) -> str:
    return f"{counted(count, 'map')}, {len(text.encode()) / 1000:,.0f} kB"


def _check_paths(*paths: Path | None) -> None:
    """Raise ConfigError where several files are to go to the standard output."""
    if paths.count(STDOUT) > 1:
        raise ConfigError("one file alone can go to the standard output, -: name the others, or ask for one at a time")


def _show_plan(layer_plan: Plan, source: bool) -> None:
    """A plan, or the source of its layer, which is a file's text and so in UTF-8 everywhere."""
    from eqsynth.codegen.emit import emit

    if source:
        _pour(emit(layer_plan).source.encode())
    else:
        _say(layer_plan.table(Screen.of(sys.stdout)))


@dataclass(frozen=True, slots=True)
class _Shown:
    """What ``show`` is asked to show of products."""

    every: bool
    plan: bool
    source: bool
    index: int | None
    method: str
    sizes: bool
    certificate: bool
    as_json: bool
    drawings: tuple[Path | None, Path | None, Path | None]
    standalone: bool
    html: Path | None
    force: bool


def _show_products(problem: Problem, wanted: _Shown) -> None:
    """What ``show`` does for products of inputs."""
    from eqsynth.bases.basis import SHOWN
    from eqsynth.families.hom import ProductHom
    from eqsynth.plans.products import plan_problem
    from eqsynth.show import products

    assert isinstance(problem, ProductHom)  # noqa: S101 - others are shown by their orders
    index = wanted.index
    screen = Screen.of(sys.stdout)
    _check_paths(*wanted.drawings, wanted.html)
    if wanted.html and problem.transfer:
        raise ConfigError(ALL_MAPS)
    if wanted.html:
        from eqsynth.show import page

        with waiting(f"writing a page on {problem}"):
            text, count = page.problem_html(problem), len(products.only(problem).maps)
        _save(wanted.html, text.encode(), _page_size(count, text), force=wanted.force)
        if not any(wanted.drawings):
            return
    if wanted.plan or wanted.source:
        _show_plan(plan_problem(problem, method=wanted.method), wanted.source)
        return
    if index is not None:
        _check_index(products.only(problem).maps, index)
    if any(wanted.drawings):
        drawings, captions = products.product_drawings(problem)
        if index is not None:
            drawings, captions = [drawings[index]], []
        _draw(drawings, captions, str(problem), wanted.drawings, wanted.standalone, wanted.force)
    elif wanted.as_json:
        _say(_json(products.product_data(problem, index)))
    elif wanted.certificate:
        for part in products.parts(problem):
            said = "; ".join(filter(None, (f"{part.equation}: {part.linear.certificate}", part.fewer)))
            _say(screen.fitted(said))
    else:
        with waiting(f"drawing maps of {problem}"):
            text = products.product_table(problem, None if wanted.every else SHOWN, index, screen, wanted.sizes)
        _say(text)


def _check_index(maps: Basis, index: int) -> None:
    """Raise SpaceError for the number of a diagram that is not there."""
    if 0 <= index < len(maps):
        return
    have = {
        0: "none exists: only the zero map has the symmetry",
        1: "the only map is number 0",
    }.get(len(maps), f"the {len(maps):,} maps are numbered 0 to {len(maps) - 1}")
    raise SpaceError(f"there is no diagram {index}: {have}")


def _draw(
    drawings: Sequence[Drawing],
    captions: Sequence[str],
    title: str,
    paths: Sequence[Path | None],
    standalone: bool,
    force: bool,
) -> None:
    """Write drawings as SVG, LaTeX and PNG, each to its path: a sheet, or one drawing alone where it has no caption."""
    from eqsynth.diagrams import svg as svgs
    from eqsynth.diagrams import tikz as papers
    from eqsynth.store import files

    alone = len(drawings) == 1 and not captions
    page = svgs.svg(drawings[0]) if alone else svgs.sheet(drawings, captions, title)
    paper = papers.tikz(drawings[0], standalone) if alone else papers.sheet(drawings, captions, standalone)
    # Pixels first: they are refused where their library is missing, and then nothing should be written.
    contents = page.encode(), paper.encode(), svgs.png(page) if paths[2] else b""
    wanted = [(path, content) for path, content in zip(paths, contents, strict=True) if path]
    done = counted(len(drawings), "diagram")
    if not drawings:
        done = f"{done}: every map with this symmetry is zero"
        if STDOUT in paths:
            _tell(f"note: {title} has {done}")
    # All or none: what may not be written is refused before anything else is written.
    if not force:
        for path, content in wanted:
            if path != STDOUT:
                files.refuse(path, content)
    for path, content in wanted:
        _save(path, content, done, force=force)


def _order(text: str) -> Order:
    """An order as people type it: 2, 1.det, [ijk=ikj], irreps 2e, {2,1}, and for products 2,1, (2,1) or ((1,1),2)."""
    if re.fullmatch(r"[0-9(),\s]*\([0-9,\s]+\)[0-9(),\s]*", text.strip()[1:]):
        return read_order(text.strip())
    if re.match(r"\s*[0-9]+\s*x", text):
        terms = Space.parse(text).terms
        # A space: the maps between two terms are the same for each pair of their channels.
        return terms[0][1] if len(terms) == 1 else read_order(text)
    # Commas inside of braces are those of a partition.
    listed = re.findall(r"(?:\{[^{}]*\}|[^,{])+|\{", text.strip().removeprefix("(").removesuffix(")"))
    parts = [part.strip() for part in listed if part.strip()]
    if not parts:
        raise SpaceError(f"the order {shown(text)} is empty: ask for 0, 1, 2, ...")
    if any(re.fullmatch("-[0-9]+", part) for part in parts):
        raise SpaceError(f"the order {shown(text)} is negative: ask for 0, 1, 2, ...")
    one = r"(?:[SA]?[0-9]+|[0-9]+[eo]|\{[^{}]*\}|\[[^\[\]]*\])(\.packed|\.det)*"
    if not all(re.fullmatch(one, part) for part in parts):
        raise SpaceError(
            f"the order {shown(text)} is no whole number: ask for 0, 1, 2, ..., for S2 or A2 (symmetric and "
            "alternating tensors), [ijk=ikj] (other symmetries of indices), or for 2,1 with a product"
        )
    return read_order(tuple(parts) if len(parts) > 1 else parts[0])


@app.command(cls=_OfProblem)
def synth(
    group: GroupArgument,
    space_in: Annotated[
        str,
        typer.Argument(
            help="Input space: '16x2 + 8x1' is 16 channels of order 2 and 8 of order 1. For a layer of products two of "
            "them, '4x2 (x) 8x1', or the powers of one, 'powers 1, 2 of 8x1'."
        ),
    ],
    space_out: Annotated[str, typer.Argument(help="Output space.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File to write; without it, or with -, print.")
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the class.")] = "EquivariantLinear",
    bias: Annotated[bool, typer.Option(help="Give the layer a bias.")] = True,
    normalization: Normalization = "variance",
    method: Method = "auto",
    parameters: Parameters = "diagrams",
    mode: Mode = None,
    transfer: Transfer = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file that was edited, or is not eqsynth's.")
    ] = False,
) -> None:
    """Write a layer as one Python file that needs torch and nothing else."""
    from eqsynth.codegen.artifact import artifact_of
    from eqsynth.families.hom import problem_of, with_transfer
    from eqsynth.plans.products import plan_problem
    from eqsynth.proof.verification import is_exported

    problem = with_transfer(problem_of(group, space_in, space_out, mode=mode), transfer)
    plan = plan_problem(problem, bias, normalization, method, parameters)
    artifact = artifact_of(plan, name)
    maps = counted(sum(plan.dims.values()), "map")
    done = f"class {name}, {abridged(problem)}, {maps}, sha256 {artifact.digest[:16]}"
    cure = "it was edited, or is no layer of this version. Write to another path, or replace it with --force"
    _save(output or STDOUT, artifact.source.encode(), done, force=force, ours=is_exported, cure=cure)
    if output is not None:
        for sentence in plan.notes():
            _tell(f"note: {sentence}")


@app.command()
def export(
    problems: Annotated[
        list[str],
        typer.Argument(
            metavar="HOM...",
            help="Problems: 'S(n): 16x2 -> 32x2', a product 'O(3): 4x1 (x) 4x2 -> 8x1', or NAME='S(n): 16x2 -> 32x2'.",
        ),
    ],
    to: Annotated[Path, typer.Option("--to", help="Folder to write to; layers that it has already stay.")],
    form: Annotated[
        str, typer.Option("--format", help="module (Python source), pt2 (torch.export) or onnx (needs the extra onnx).")
    ] = "module",
    bias: Annotated[bool, typer.Option(help="Give the layers a bias.")] = True,
    normalization: Normalization = "variance",
    method: Method = "auto",
    parameters: Parameters = "diagrams",
    mode: Mode = None,
    weights: Annotated[
        Path | None, typer.Option(help="Trained weights for pt2 or onnx, of one layer: .safetensors, or torch.save's.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace files that were edited, or are not eqsynth's.")
    ] = False,
) -> None:
    """Write layers to a folder, one file each, as a package that imports them when they are used."""
    from eqsynth.project import syncing

    if weights is not None and len(problems) > 1:
        raise ConfigError(
            f"the weights {str(weights)!r} belong to one layer, not to {len(problems)}: export them apart"
        )
    if to == STDOUT:
        raise ConfigError(
            "--to is a folder, which has no place on the standard output: print a layer with eqsynth synth"
        )
    more = bias, normalization, form, weights, method, parameters, mode
    with waiting(f"writing {counted(len(problems), 'layer')} to {to}"):
        layers = tuple(syncing.layer_of(text, *more) for text in problems)
        state = syncing.sync(syncing.Project("the command", to, layers), force=force, keep=True)
    _report(state)


@app.command()
def sync(
    config: Annotated[
        Path | None, typer.Option("--config", help="The project's eqsynth.toml; else the nearest one upwards.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 1 if a file is not up to date.")
    ] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Write nothing; show what would change.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace or remove even files that were edited, or are not eqsynth's.")
    ] = False,
    prune: Annotated[bool, typer.Option("--prune", help="Remove files that are no longer listed.")] = False,
) -> None:
    """Write the layers and networks that the project's eqsynth.toml lists, or check that they are up to date."""
    from eqsynth.project import syncing

    project = syncing.read_project(syncing.find_config() if config is None else config)
    with waiting(f"{'comparing' if check or diff else 'writing'} {syncing.shown(project.folder)}"):
        looking = check or diff
        state = syncing.compare(project) if looking else syncing.sync(project, force=force, prune=prune)
        text = syncing.diff(state) if diff else ""
    if not looking:
        _report(state)
        return
    _pour(text.encode())
    if check and state.changes:
        listed = "\n".join(f"  {sentence}" for sentence in str(state).splitlines())
        raise ExportError(f"these files are not what {project.source} asks for:\n{listed}\nRun eqsynth sync")
    if check:
        _report(replace(state, notes=()))


def _report(state: State) -> None:
    """What was done to a folder, a line for each file."""
    from eqsynth.project.syncing import Network, shown

    project = state.project
    problems = {file: f": {abridged(problem)}" for file, problem in state.problems.items()}
    for note in state.notes:
        _tell(f"note: {note}")
    for change in state.changes:
        did = "removed" if change.unlisted else "wrote"
        _tell(f"{did} {shown(project.folder / change.file)}{problems.get(change.file, '')}")
    if not state.changes:
        networks = sum(isinstance(layer, Network) for layer in project.layers)
        counts = {"layer": len(project.layers) - networks, "network": networks}
        listed = " and ".join(counted(count, kind) for kind, count in counts.items() if count)
        _tell(f"{shown(project.folder)}: {listed}, up to date")


@app.command()
def verify(
    subjects: Annotated[
        list[str],
        typer.Argument(
            metavar="SUBJECT",
            help="Exported files, or problems: 'S(n): 16x2 -> 32x2', 'O(3): 4x1 (x) 4x2 -> 8x1'. Of a folder's files, "
            "FOLDER/*.py, __init__.py is passed over.",
        ),
    ],
    trials: Annotated[int, typer.Option(min=1, help="Random group elements for each size.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the random elements and weights.")] = 0,
    mode: Mode = None,
) -> None:
    """Check a layer or a network: equivariant under random group elements, layers independent and complete."""
    from eqsynth.families.hom import parse_problem

    layers = [subject for subject in subjects if Path(subject).name != "__init__.py"]
    for subject in layers or subjects:
        with waiting(f"verifying {subject}"):
            from eqsynth.project.verifying import verify as check

            report = check(subject if mode is None else parse_problem(subject, mode=mode), trials=trials, seed=seed)
        _say(Screen.of(sys.stdout).fitted(str(report), 6))


StoreOption = Annotated[
    Path | None,
    typer.Option("--store", help="Folder of a catalog or cache; without it, your cache (EQSYNTH_CACHE)."),
]
JobsOption = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes to use.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead.")]


def _progress(what: str) -> Callable[[Iterable[Any], int], Iterable[Any]]:
    """A progress bar in a terminal, nothing elsewhere."""
    if not is_terminal(sys.stderr):
        return lambda items, _: items
    from rich.console import Console
    from rich.progress import track

    def shown(items: Iterable[Any], total: int) -> Iterable[Any]:
        with alone():
            yield from track(items, what, total, console=Console(stderr=True), transient=True)

    return shown


def _entries(count: int) -> str:
    return counted(count, "entry", "entries")


@catalog_app.command("list")
def catalog_list(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """List every entry: its key, kind, problem, number of maps, size and version."""
    from dataclasses import asdict

    from eqsynth.project import catalog

    place = catalog.open_store(store)
    with waiting(f"reading {place.folder}"):
        rows = list(catalog.rows(place))
    if as_json:
        _say(_json([asdict(row) for row in rows]))
        return
    screen = Screen.of(sys.stdout)
    for row in rows:
        size = f"{row.maps:>7,}  {row.size / 1000:>8,.1f} kB"
        mode = f", mode={row.mode!r}" if row.mode else ""
        left = f"{row.key[:12]}  {row.kind:5}  {size}  {row.made:8}  "
        _say("\n".join(screen.beside(left, f"{abridged(row.problem)}{mode}")))
    total = sum(row.size for row in rows)
    _tell(f"{_entries(len(rows))}, {total / 1000:,.1f} kB, in {place.folder}")


@catalog_app.command("show")
def catalog_show(
    what: Annotated[str, typer.Argument(help="A problem, 'S(n): 1x2 -> 1x2', or the beginning of a key.")],
    store: StoreOption = None,
    as_json: JsonOption = False,
    source: Annotated[bool, typer.Option("--source", help="Print the source, emitted anew.")] = False,
) -> None:
    """Show one entry, checked against its certificates."""
    from eqsynth.project import catalog

    key, entry = catalog.find(catalog.open_store(store), what)
    if as_json:
        _say(_json(entry, sort_keys=True))
        return
    with waiting(f"checking {what}"):
        text = catalog.describe(key, entry, source=source)
    if source:
        _pour(text.encode())
    else:
        _say(Screen.of(sys.stdout).fitted(text))


@catalog_app.command("build")
def catalog_build(
    what: Annotated[
        list[str] | None,
        typer.Argument(help="Problems, 'S(n): 1x2 -> 1x2', or lists of them, FILE.toml; none: the catalog's own list."),
    ] = None,
    store: StoreOption = None,
    mode: Mode = None,
    jobs: JobsOption = 1,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a Dask scheduler, tcp://host:8786; needs eqsynth[dask].")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Make entries again that are there.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 if something differs.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace files of the catalog that were edited, or are not eqsynth's.")
    ] = False,
) -> None:
    """Make entries; those that are there are kept, so an interrupted build goes on where it stopped."""
    from eqsynth.project import catalog

    done = catalog.build(
        store,
        what or [],
        mode=mode,
        jobs=jobs,
        scheduler=scheduler,
        fresh=fresh,
        check=check,
        force=force,
        progress=_progress("catalog"),
    )
    for file in done.strangers:
        _tell(f"kept, since it is not as eqsynth wrote it: {file}")
    for failure in done.failed:
        _tell(f"not built: {failure}")
    if check:
        for file in done.files:
            _tell(f"differs from what eqsynth makes: {file}")
        count = len(done.files)
        _tell(f"{_entries(done.made)} compared, {count} {'differs' if count == 1 else 'differ'}")
    else:
        written = f"; files: {', '.join(done.files)}" if done.files else ""
        _tell(f"{_entries(done.made)} made, {done.kept} {'was' if done.kept == 1 else 'were'} there{written}")
    if done.failed or (check and done.files):
        raise typer.Exit(1)


@catalog_app.command("verify")
def catalog_verify(
    what: Annotated[list[str] | None, typer.Argument(help="Problems or keys; none: every entry.")] = None,
    store: StoreOption = None,
    jobs: JobsOption = 1,
    run: Annotated[bool, typer.Option("--run", help="Also try each layer on random group elements.")] = False,
) -> None:
    """Prove entries: bases independent and complete, plan, source and drawing what eqsynth makes."""
    from eqsynth.project import catalog

    place = catalog.open_store(store)
    keys = [catalog.find(place, text)[0] for text in what] if what else list(place)
    if not keys:
        raise CatalogError(f"{place.folder} has no entry to verify: build some with `eqsynth catalog build`")
    wrong, screen = 0, Screen.of(sys.stdout)
    for key, problem, failure in _progress("verify")(catalog.prove(place, keys, jobs, run), len(keys)):
        if failure:
            wrong += 1
            _say("\n".join(screen.wrapped(f"WRONG  {key[:12]}  {abridged(problem)}: {failure}")))
    _tell(f"{len(keys) - wrong} of {_entries(len(keys))} proven")
    if wrong:
        raise typer.Exit(1)


@catalog_app.command("prune")
def catalog_prune(
    store: StoreOption = None,
    days: Annotated[float | None, typer.Option(min=0, help="Also delete what is older.")] = None,
    max_size: Annotated[float | None, typer.Option(min=0, help="Delete the oldest beyond this many megabytes.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Delete every entry.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Delete what is no entry in an entry's place, too.")] = False,
) -> None:
    """Delete what was set aside, leftovers, and what other versions of eqsynth made; files of others stay."""
    from eqsynth.project import catalog

    place = catalog.open_store(store)
    with waiting(f"looking through {place.folder}"):
        gone = catalog.prune(place, days, max_size, every, force)
    for file in gone.strangers:
        _tell(f"kept, since it is no entry of eqsynth: {file} (--force deletes it)")
    _tell(f"{counted(gone.files, 'file')} deleted, {gone.size / 1000:,.1f} kB")


@examples_app.command("list")
def examples_list() -> None:
    """List the examples: their names, and what each is about."""
    from eqsynth.project import examples

    screen, about = Screen.of(sys.stdout), examples.listed()
    wide = max(map(len, about)) + 2
    for name, said in about.items():
        _say("\n".join(screen.beside(f"{name:{wide}}", said)))


def _example_names(incomplete: str) -> list[str]:
    from eqsynth.project import examples

    return [name for name in examples.listed() if name.startswith(incomplete)]


@examples_app.command("copy")
def examples_copy(
    name: Annotated[str, typer.Argument(help="An example, as list has it.", autocompletion=_example_names)],
    to: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Folder to copy to; it is made where it is missing.")
    ] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Replace files with other content.")] = False,
) -> None:
    """Copy an example, and the files that it imports, to start from."""
    from eqsynth.project import examples

    for path in examples.copy(name, to, force=force):
        _tell(f"copied {path}")


def main() -> None:
    """Run the command; errors of eqsynth are one message and exit code 1 (an interruption 130), not a traceback.

    So is an output that cannot be written, such as that to a full disk; a reader that has gone (``| head``) is no news,
    and the exit code 141, as of other programs.
    """
    for stream in (sys.stdout, sys.stderr):
        if not isinstance(stream, io.TextIOWrapper):
            continue
        if is_ascii(stream):
            stream.reconfigure(encoding="ascii", errors=HANDLER)
        elif stream.encoding.lower().replace("-", "") != "utf8":
            # Diagrams need more than the code pages that some systems give to pipes.
            stream.reconfigure(encoding="utf-8")
    warnings.formatwarning = lambda message, *_, **__: f"{Screen.of(sys.stderr).fitted(f'warning: {message}')}\n"
    code: int | str | None = 1
    try:
        try:
            app(prog_name="eqsynth", **_help_within(Screen.of(sys.stdout).width))
        except SystemExit as end:
            # Where the reader has gone, typer and rich end so.
            code = GONE if isinstance(end.__context__, BrokenPipeError) else end.code
        except EqsynthError as error:
            _tell(f"error: {error}")
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except OSError as error:
        # Errors of files have a name, those of the standard streams have none.
        if error.filename is not None:
            raise
        code = GONE if error.errno == errno.EPIPE else 1
        _discard_output()
        if error.errno != errno.EPIPE:
            with contextlib.suppress(OSError):
                _tell(f"error: cannot write the output: {error.strerror or error}")
                sys.stderr.flush()
    sys.exit(code)


def _help_within(width: int | None) -> dict[str, Any]:
    """What Click is told so that helps keep to so many columns: in boxes, or where these would cut names, without."""
    boxed = width is None or width >= BOXED
    app.rich_markup_mode = MARKUP if boxed else None
    if boxed:
        return {}
    for part in (app, catalog_app, examples_app):
        for command in part.registered_commands:
            # What is said to be short is shown whole, the first sentence of a help cut.
            command.short_help = (inspect.getdoc(command.callback) or "").partition("\n\n")[0]
        for group in part.registered_groups:
            group.short_help = group.typer_instance.info.help if group.typer_instance else None
    return {"terminal_width": width}


def _discard_output() -> None:
    """What is still in the buffer of the standard output is not tried again when Python ends."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
