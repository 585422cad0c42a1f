"""How Sphinx builds the site: ``bash scripts/docs.sh``."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from sphinx.application import Sphinx

import eqsynth
from eqsynth import cli

project = "eqsynth"
author = "the eqsynth authors"
copyright = author  # noqa: A001 - the name that Sphinx reads
version = release = eqsynth.__version__
html_title = f"eqsynth {version}"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.intersphinx", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_static_path = ["_static"]
# What scripts/gallery.py --pages writes; without it, links to interactive pages lead nowhere.
html_extra_path = ["_build/pages"] if Path(__file__).with_name("_build").joinpath("pages").exists() else []
html_css_files = ["site.css"]
html_show_sourcelink = False

# Links between pages are those of GitHub: files, and headings in small letters.
myst_heading_anchors = 4

autodoc_member_order = "groupwise"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100

# Names of other packages become links where the network is there to ask for them: EQSYNTH_DOCS_ONLINE=1.
intersphinx_mapping = (
    {
        "python": ("https://docs.python.org/3", None),
        "numpy": ("https://numpy.org/doc/stable", None),
        "sympy": ("https://docs.sympy.org/latest", None),
        "torch": ("https://docs.pytorch.org/docs/stable", None),
    }
    if os.environ.get("EQSYNTH_DOCS_ONLINE")
    else {}
)


def rows(command: Any) -> Iterator[str]:
    """A table of what a command takes."""
    yield from ("| | |", "| --- | --- |")
    for parameter in command.params:
        if "--help" in parameter.opts or getattr(parameter, "hidden", False):
            continue
        is_option = parameter.param_type_name == "option"
        names = (
            [*parameter.opts, *parameter.secondary_opts] if is_option else [parameter.metavar or parameter.name.upper()]
        )
        yield f"| {', '.join(f'`{name}`' for name in names)} | {' '.join((parameter.help or '').split())} |"


def sections(command: Any, name: str) -> Iterator[str]:
    """A section for a command, and for those in it."""
    yield from ("", f"{'#' * len(name.split())} {name}", "", command.help or "", "")
    if hasattr(command, "commands"):
        for part, inner in command.commands.items():
            yield from sections(inner, f"{name} {part}")
    else:
        yield from rows(command)


def write_commands(app: Sphinx) -> None:
    """Write a page that says what ``eqsynth --help`` says."""
    page = "\n".join(sections(typer.main.get_command(cli.app), "Commands")).replace("# Commands ", "# eqsynth ")
    Path(app.srcdir, "reference", "commands.md").write_text(page.strip() + "\n", encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Add the page of commands before pages are read."""
    app.connect("builder-inited", write_commands)
