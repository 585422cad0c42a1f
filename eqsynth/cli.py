"""The ``eqsynth`` command: show a basis, synthesise a layer, verify a file."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Annotated

import typer

import eqsynth
from eqsynth.errors import EqsynthError, SpaceError
from eqsynth.space import Order, Space

app = typer.Typer(
    help="Every linear map with a given symmetry: look at the diagrams, write the PyTorch layer, check it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

GroupArgument = Annotated[str, typer.Argument(help="Group, such as 'S(5)', 'O(3)' or 'S(n)' with n left open.")]
Normalization = Annotated[
    str, typer.Option(help="Scale of a sum over an index: variance (n^-1/2), mean (1/n) or sum (1).")
]


def _version(wanted: bool) -> None:
    if wanted:
        print(f"eqsynth {eqsynth.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


# An order of -1 is to reach the check that explains it, so it must not read as an option.
@app.command(context_settings={"ignore_unknown_options": True})
def show(
    group: GroupArgument,
    inputs: Annotated[str, typer.Argument(metavar="K", help="Order of the input: 2, or 2,1 for a product group.")],
    outputs: Annotated[str, typer.Argument(metavar="L", help="Order of the output tensor.")],
    every: Annotated[bool, typer.Option("--all", help="Show every diagram, however many.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Show the plan of the one-channel layer instead.")] = False,
    source: Annotated[bool, typer.Option("--source", help="Show the emitted PyTorch source instead.")] = False,
) -> None:
    """Show the basis diagrams of all equivariant maps of order K to order L."""
    from eqsynth.bases import basis
    from eqsynth.emit import emit
    from eqsynth.lower import plan as make_plan

    order_in, order_out = _order(inputs), _order(outputs)
    if plan or source:
        made = make_plan(group, Space(((1, order_in),)), Space(((1, order_out),)))
        print(emit(made).source if source else made)
        return
    print(basis(group, order_in, order_out).table(None if every else 60))


def _order(text: str) -> Order:
    """An order as people type it: 2, 2,1 or (2,1)."""
    parts = text.strip().removeprefix("(").removesuffix(")").split(",")
    try:
        numbers = tuple(int(part) for part in parts if part.strip())
    except ValueError:
        raise SpaceError(f"the order {text!r} is no whole number: ask for 0, 1, 2, ..., or 2,1 for a product") from None
    if not numbers:
        raise SpaceError(f"the order {text!r} is empty: ask for 0, 1, 2, ...")
    return numbers if len(numbers) > 1 else numbers[0]


@app.command()
def synth(
    group: GroupArgument,
    space_in: Annotated[
        str, typer.Argument(help="Input space: '16x2 + 8x1' is 16 channels of order 2 and 8 of order 1.")
    ],
    space_out: Annotated[str, typer.Argument(help="Output space.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File to write; without it, print.")] = None,
    name: Annotated[str, typer.Option(help="Name of the class.")] = "EquivariantLinear",
    bias: Annotated[bool, typer.Option(help="Give the layer a bias.")] = True,
    normalization: Normalization = "variance",
) -> None:
    """Write a layer as one Python file that needs torch and nothing else."""
    from eqsynth.exporting import artifact_of, write_text
    from eqsynth.lower import plan as make_plan

    made = make_plan(group, space_in, space_out, bias=bias, normalization=normalization)
    artifact = artifact_of(made, name)
    if output is None:
        print(artifact.source, end="")
        return
    write_text(output, artifact.source)
    for sentence in made.zero_outputs():
        print(f"note: {sentence}", file=sys.stderr)
    maps = sum(made.dims.values())
    print(f"wrote {output}: class {name}, {made.hom}, {maps} maps, sha256 {artifact.digest[:16]}", file=sys.stderr)


@app.command()
def verify(
    subject: Annotated[str, typer.Argument(help="An exported file, or a problem: 'S(n): 16x2 -> 32x2'.")],
    trials: Annotated[int, typer.Option(min=1, help="Random group elements for each size.")] = 5,
    seed: Annotated[int, typer.Option(help="Seed of the random elements and weights.")] = 0,
) -> None:
    """Check a layer: equivariant under random group elements, independent, complete."""
    from eqsynth.verification import verify as check

    print(check(subject, trials=trials, seed=seed))


def main() -> None:
    """Run the command; errors of eqsynth are one message and exit code 1 (an interruption 130), not a traceback."""
    for stream in (sys.stdout, sys.stderr):
        # Diagrams need more than the code pages that some systems give to pipes.
        if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower().replace("-", "") != "utf8":
            stream.reconfigure(encoding="utf-8")
    try:
        app()
    except EqsynthError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
