"""The examples that come with eqsynth: known architectures in short files, to copy and to start from."""

from __future__ import annotations

import ast
import difflib
from pathlib import Path

import eqsynth
from eqsynth.errors import EqsynthError, ExportError, shown
from eqsynth.store import files

#: Larger files are no examples.
MAX_EXAMPLE = 1_000_000


def folder() -> Path:
    """Where the examples lie: in the package as it is installed, beside it in the repository.

    >>> from eqsynth.project.examples import folder
    >>> (folder() / "deep_sets.py").is_file()
    True

    Raises EqsynthError where neither has them.
    """
    package = Path(eqsynth.__file__).resolve().parent
    for place in (package / "examples", package.parent / "examples"):
        if (place / "deep_sets.py").is_file():
            return place
    raise EqsynthError(f"this installation has no examples beside {str(package)!r}: install eqsynth again")


def listed() -> dict[str, str]:
    """The examples by name, with what each is about.

    >>> from eqsynth.project.examples import listed
    >>> listed()["deep_sets"]
    'Deep Sets: a network for sets of any size, whose members come in no order'
    """
    about = {}
    for path in sorted(folder().glob("*.py")):
        tree = ast.parse(files.read(path, MAX_EXAMPLE))
        first, _, usage = (ast.get_docstring(tree) or "").partition("\n\n")
        if "usage:" in usage:  # else it is for others to import
            about[path.stem] = " ".join(first.split()).rstrip(".")
    return about


def parts(name: str) -> list[Path]:
    """The file of an example, and those beside it that it imports.

    >>> from eqsynth.project.examples import parts
    >>> [path.name for path in parts("train_graphs")]
    ['train_graphs.py', 'training.py']

    Raises EqsynthError for a name that no example has.
    """
    known = listed()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        meant = f" Did you mean {near[0]}?" if near else ""
        raise EqsynthError(f"there is no example {shown(name)}.{meant} There are {', '.join(known)}")
    place, agenda, needed = folder(), [name], list[Path]()
    while agenda:
        path = place / f"{agenda.pop()}.py"
        if path.is_file() and path not in needed:
            needed.append(path)
            for node in ast.walk(ast.parse(files.read(path, MAX_EXAMPLE))):
                agenda += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
    return needed


def copy(name: str, to: Path, *, force: bool = False) -> list[Path]:
    """Copy an example, with what it imports, to a folder; all files or none. Returns what lies there now.

    >>> import pathlib, tempfile
    >>> from eqsynth.project.examples import copy
    >>> [path.name for path in copy("deep_sets", pathlib.Path(tempfile.mkdtemp()))]
    ['deep_sets.py']

    Raises ExportError where a file with other content is there, without ``force``.
    """
    if to.exists() and not to.is_dir():
        raise ExportError(f"{str(to)!r} is no folder: name one to copy the example to")
    contents = {to / path.name: files.read(path, MAX_EXAMPLE) for path in parts(name)}
    if not force:
        for path, content in contents.items():
            files.refuse(path, content, cure="copy to another folder, or use --force to replace it")
    for path, content in contents.items():
        files.save(path, content, force=force)
    return [*contents]
