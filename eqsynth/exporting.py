"""Write a layer as one Python file that needs torch and nothing else."""

from __future__ import annotations

import builtins
import keyword
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eqsynth.emit import Artifact, emit
from eqsynth.errors import EqsynthError, ExportError
from eqsynth.group import Hom
from eqsynth.lower import plan_hom
from eqsynth.plans import Plan

if TYPE_CHECKING:
    from eqsynth.module import Linear

#: Names that an emitted file uses itself, besides those that begin with an underscore.
RESERVED = frozenset({*dir(builtins), "torch", "nn", "linear", "math", "combinations", "permutations", "product"})


def export(layer: Linear | Plan | Hom, path: str | os.PathLike[str], name: str = "EquivariantLinear") -> Artifact:
    """Write the source of a layer, plan or problem to ``path`` as a class called ``name``.

    >>> import tempfile, pathlib, eqsynth as eq
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> artifact = eq.export(eq.Linear("O(3)", "8x2", "8x2 + 4x0"), folder / "o3.py")
    >>> (folder / "o3.py").read_text() == artifact.source
    True

    The file imports torch alone. Its class builds with no arguments, or with other numbers of
    channels, and loads the layer's ``state_dict``. Folders on the way are made. The file appears
    whole or not at all; an existing file is replaced.

    Raises ExportError where the path cannot be written, EqsynthError for a name that is no class name.
    """
    artifact = artifact_of(layer, name)
    if not isinstance(path, str | os.PathLike):
        raise ExportError(f"{path!r} is no path: give the name of a file")
    write_text(Path(path), artifact.source)
    return artifact


def artifact_of(layer: Linear | Plan | Hom | Any, name: str = "EquivariantLinear") -> Artifact:
    """The emitted source of a layer, plan or problem."""
    usable = isinstance(name, str) and name.isidentifier() and name.isascii() and not name.startswith("_")
    if not usable or keyword.iskeyword(name) or name in RESERVED:
        raise EqsynthError(
            f"{name!r} cannot name a class: use letters, digits and _, not starting with a digit, "
            "and no word that Python or the file uses itself"
        )
    if isinstance(layer, Hom):
        layer = plan_hom(layer)
    plan = layer if isinstance(layer, Plan) else getattr(layer, "plan", None)
    if not isinstance(plan, Plan):
        raise EqsynthError(f"only an eqsynth layer, plan or Hom can be exported, not {type(layer).__name__}")
    return emit(plan, name)


def write_text(path: Path, text: str) -> None:
    """Write a file so that it appears whole or not at all, making its folders."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """The same for bytes."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(21, "it is a folder", str(path))
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise ExportError(
            f"cannot write {str(path)!r}: {why}. Nothing was written; choose a path that you may write to"
        ) from error
