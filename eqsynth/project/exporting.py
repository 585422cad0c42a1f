"""Write a layer or a network as one Python file that needs torch alone, or as a program of torch.export or ONNX."""

from __future__ import annotations

import io
import logging
import os
import pickletools
import sys
import warnings
import zipfile
from collections.abc import Mapping
from importlib.util import find_spec
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eqsynth.codegen.artifact import artifact_of
from eqsynth.codegen.emit import Artifact, emit
from eqsynth.errors import EqsynthError, ExportError, explain_calls
from eqsynth.families.hom import NAMES, Problem
from eqsynth.plans.plan import Plan
from eqsynth.spaces.space import axis_counts, is_packed, lengths, order_text, stored_full
from eqsynth.store import files

if TYPE_CHECKING:
    from torch import nn

#: What stands in a file of torch.save that holds tensors.
_SAVED = {"collections.OrderedDict", "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter"}
_STORAGES = ("Double", "Float", "Half", "BFloat16", "ComplexDouble", "ComplexFloat", "Long", "Int", "Short", "Char",
             "Byte", "Bool")  # fmt: skip
#: What to do about a file that is there already, from Python.
CURE = "it was edited, or is no file of this version. Write to another path, or replace it with force=True"


@explain_calls
def export(
    layer: nn.Module | Plan | Problem,
    path: str | os.PathLike[str],
    name: str | None = None,
    *,
    force: bool = False,
) -> Artifact:
    """Write the source of a layer, a network, plan or problem to ``path`` as a class called ``name``.

    >>> import tempfile, pathlib, eqsynth as eq
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> artifact = eq.export(eq.Linear("O(3)", "8x2", "8x2 + 4x0"), folder / "o3.py")
    >>> (folder / "o3.py").read_text() == artifact.source
    True
    >>> artifact  # doctest: +ELLIPSIS
    <Artifact O(3): 8x2 -> 8x2 + 4x0, ... lines, sha256 ...>

    The file imports torch alone. Its class builds with no arguments, or with other numbers of
    channels, and loads the layer's ``state_dict``. Without ``name`` it is EquivariantLinear.

    >>> network = eq.nn.MLP("O(3)", ["4x1", "16x1 + 16x0", "8x1"])
    >>> artifact = eq.export(network, folder / "network.py")
    >>> [line.split("(")[0] for line in artifact.source.splitlines() if line.startswith("class ")]
    ['class Linear1', 'class Pairings1', 'class Gated1', 'class Linear2', 'class Network']

    A network is a module of eq.nn, such as Sequential and MLP, with layers in it. Its file has a class for each kind of
    module, written for its group and spaces, and the class Network, or ``name``, which gives the same numbers from the
    network's own ``state_dict``. Channels are those of the network.

    Folders on the way are made. The file appears whole or not at all. An existing file is replaced if it is a layer's
    as this version of eqsynth writes it, or an exported network that nobody edited, or with ``force``.

    Raises ExportError where the path cannot be written or holds something else, and for a module that cannot be written
    as source, by its place in the network; EqsynthError for a name that is no class name.
    """
    artifact = written(layer, name)
    files.save(files.path_of(path), artifact.source.encode(), force=force, ours=_is_ours, cure=CURE)
    return artifact


def written(layer: nn.Module | Plan | Problem, name: str | None = None) -> Artifact:
    """The source of a layer or a network, as :func:`export` writes it."""
    torch = sys.modules.get("torch")  # who has a network has loaded it
    if torch is not None and isinstance(layer, torch.nn.Module) and not isinstance(getattr(layer, "plan", None), Plan):
        from eqsynth.project.networks import network_artifact

        return network_artifact(layer, "Network" if name is None else name)
    return artifact_of(layer, "EquivariantLinear" if name is None else name)


def _is_ours(path: Path) -> bool:
    """Whether a file holds a layer as eqsynth writes it, or a network that nobody edited."""
    from eqsynth.project.networks import is_network_file
    from eqsynth.proof.verification import is_exported

    return is_network_file(path) or is_exported(path)


def program(subject: Plan | nn.Module, form: str, state: Mapping[str, Any] | None = None) -> bytes:
    """A layer or a network as the bytes of a ``"pt2"`` file (torch.export) or an ``"onnx"`` file, with its weights.

    >>> import io, torch, eqsynth as eq
    >>> from eqsynth.project.exporting import program
    >>> content = program(eq.plan("S(n)", "4x2", "3x1"), "pt2")
    >>> layer = torch.export.load(io.BytesIO(content)).module()
    >>> layer(torch.randn(2, 9, 9, 4)).shape
    torch.Size([2, 9, 3])

    ``subject`` is a layer, a network of eq.nn, or a plan. Tensors have one batch axis, whose length is open, as is n
    where it is a letter. A network is written as it is in evaluation, in its own numbers. ``state`` is a state_dict of
    the layer of a plan; without it the weights are those of ``torch.manual_seed(0)``, the numbers float32.

    Raises ExportError where torch cannot write the subject or a package is missing, EqsynthError for weights that
    do not fit.
    """
    import torch

    if form == "onnx" and not (find_spec("onnx") and find_spec("onnxscript")):
        raise ExportError("ONNX files need packages of their own: pip install 'eqsynth[onnx]'")
    module, problem, asked = _with_weights(subject, state) if isinstance(subject, Plan) else _in_evaluation(subject)
    arguments, shapes, names = _example(problem, module, asked)
    with warnings.catch_warnings():
        # The exporters warn of guesses of theirs at names of axes, and of their own use of deprecated functions.
        warnings.simplefilter("ignore")
        try:
            exported = torch.export.export(module, arguments, dynamic_shapes=shapes)
        except RuntimeError as error:
            why = str(error).strip().partition("\n")[0]
            raise ExportError(f'torch cannot export {problem}: {why} Ask for the format "module"') from error
        if form == "pt2":
            file = io.BytesIO()
            torch.export.save(exported, file)
            return file.getvalue()
        onnx = _onnx(exported, names, problem)
    return bytes(onnx.model_proto.SerializeToString())


def _with_weights(plan: Plan, state: Mapping[str, Any] | None) -> tuple[Any, Problem, None]:
    """The layer of a plan, and its problem."""
    import torch

    from eqsynth.layers.emitted import afford_layer, compile_source

    afford_layer(plan, None, None)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layer = compile_source(emit(plan))()
    if state is not None:
        try:
            layer.load_state_dict(state)
        except (RuntimeError, TypeError) as error:
            raise EqsynthError(f"these are no weights of {plan.problem}: {error}") from error
    return layer, plan.problem, None


def _in_evaluation(network: nn.Module) -> tuple[Any, Problem, tuple[str, ...]]:
    """A copy of a layer or a network, its problem, and the sizes that it asks for."""
    from copy import deepcopy

    from eqsynth.layers.emitted import EmittedLayer
    from eqsynth.nn.networks import problem_of, sizes_asked
    from eqsynth.nn.padding import Padded
    from eqsynth.nn.sparse import Sparse

    if isinstance(network, EmittedLayer):
        problem: Problem = network.problem
    else:
        problem = problem_of(network)
    if isinstance(network, Padded | Sparse):
        raise ExportError(
            f"{type(network).__name__} reads sizes or positions from its tensors, and a program cannot depend on them: "
            "export the module inside, network.module, or write the source of the network, eq.export"
        )
    return deepcopy(network).cpu().eval(), problem, sizes_asked(network)


def _onnx(exported: Any, names: list[str], problem: Problem) -> Any:
    import torch

    # They warn that torchvision, which no layer uses, is not installed, and of details of their own.
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        return torch.onnx.export(
            exported,
            dynamo=True,
            input_names=names,
            output_names=["y"] if len(problem.space_out) == 1 else [f"y{o}" for o in range(len(problem.space_out))],
            verbose=False,
        )
    except torch.onnx.OnnxExporterError as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        why = str(cause).strip().partition("\n")[0]
        raise ExportError(
            f'torch cannot write {problem} as ONNX: {why}. Ask for the format "pt2" or "module"'
        ) from error
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _example(
    problem: Problem, module: nn.Module, asked: tuple[str, ...] | None
) -> tuple[tuple[Any, ...], tuple[Any, ...], list[str]]:
    """Arguments of ``forward``, which axes of them are open, and their names.

    ``asked``: the letters whose sizes it takes; None is all that no input shows.
    """
    import torch

    factors = problem.group.factors
    own = next((value.dtype for value in module.parameters()), torch.get_default_dtype())
    dtype = own.to_complex() if problem.group.over_complex and not own.is_complex else own
    letters = sorted({factor.n for factor in factors if isinstance(factor.n, str)})
    multiple = {letter: max(factor.multiple for factor in factors if factor.n == letter) for letter in letters}
    # All even, since Sp(n) needs it, and different, so that torch does not take two letters for one.
    size = {letter: multiple[letter] * 2 if multiple[letter] > 2 else 4 + 2 * p for p, letter in enumerate(letters)}
    dims = {letter: _open_length(letter, multiple[letter]) for letter in letters}
    batch = torch.export.Dim("batch")
    spaces = (*problem.operands, problem.space_out)
    for order in (order for space in spaces for order in space.orders):
        if is_packed(order) and letters:
            raise ExportError(
                f"{problem} packs tensors of open size, which a program of fixed shapes cannot: ask for "
                f"{order_text(stored_full(order))}, or for a number in place of {', '.join(letters)}"
            )
    arguments: list[Any] = []
    open_axes: list[Any] = []
    names: list[str] = []
    seen: set[str] = set()
    for operand, space in enumerate(problem.operands):
        tensors, axes = [], []
        for channels, order in space:
            sizes = [f.n if isinstance(f.n, int) else 0 for f in factors]
            full = [f.n for f, k in zip(factors, axis_counts(order), strict=True) for _ in range(k)]
            shown: list[int | str] = [*lengths(order, sizes)] if is_packed(order) else full
            seen |= {length for length in shown if isinstance(length, str)}
            tensors.append(torch.zeros(3, *(size.get(str(n)) or int(n) for n in shown), channels, dtype=dtype))
            axes.append({0: batch} | {place: dims[n] for place, n in enumerate(shown, 1) if isinstance(n, str)})
        single = len(space) == 1
        arguments.append(tensors[0] if single else tuple(tensors))
        open_axes.append(axes[0] if single else tuple(axes))
        name = NAMES[operand] if problem.multilinear else "x"
        names += [name] if single else [f"{name}{place}" for place in range(len(space))]
    needed = [letter for letter in letters if letter not in seen] if asked is None else asked
    open_axes += [torch.export.Dim.DYNAMIC for _ in needed]
    kinds = [one.kind for one in signature(module.forward).parameters.values()]
    named = sum(kind is Parameter.POSITIONAL_OR_KEYWORD for kind in kinds)
    # Torch takes what goes to *sizes as one argument.
    open_axes = [*open_axes[:named], *([tuple(open_axes[named:])] * (len(open_axes) > named))]
    return (*arguments, *(size[letter] for letter in needed)), tuple(open_axes), [*names, *needed]


def _open_length(letter: str, multiple: int) -> Any:
    """What torch.export knows of a length that a letter leaves open."""
    import torch

    if multiple == 1:
        return torch.export.Dim(f"size_{letter}")
    return multiple * torch.export.Dim(f"half_{letter}" if multiple == 2 else f"part_{letter}")


def read_weights(content: bytes, name: str) -> dict[str, Any]:
    """The tensors in the bytes of a safetensors file, or of a file of torch.save; no code in it is run.

    >>> import io, torch
    >>> from eqsynth.project.exporting import read_weights
    >>> file = io.BytesIO()
    >>> torch.save({"weight": torch.ones(2)}, file)
    >>> read_weights(file.getvalue(), "weights.pt")
    {'weight': tensor([1., 1.])}

    Raises EqsynthError for other content, also for archives that unpack to more than they are.
    """
    import torch

    if name.endswith(".safetensors"):
        try:
            from safetensors import SafetensorError
            from safetensors.torch import load
        except ImportError:
            raise EqsynthError(f"{name} needs a package of its own: pip install 'eqsynth[safetensors]'") from None
        try:
            return dict(load(content))
        except SafetensorError as error:
            raise EqsynthError(f"{name} does not read as safetensors: {error}") from error
    _check_archive(content, name)
    try:
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:
        why = str(error).partition("\n")[0] or type(error).__name__
        raise EqsynthError(f"{name} does not read as tensors of torch.save: {why}") from error
    if not isinstance(state, Mapping) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise EqsynthError(f"{name} holds no state_dict: save layer.state_dict(), or use safetensors")
    return dict(state)


def _check_archive(content: bytes, name: str) -> None:
    """Raise EqsynthError for what torch.save does not write of tensors, and could take any memory to read."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            packed = any(member.compress_type != zipfile.ZIP_STORED for member in members)
            if packed or sum(member.file_size for member in members) > len(content):
                raise EqsynthError(f"{name} does not read as tensors of torch.save: it unpacks to more than it holds")
            pickles = [archive.read(member) for member in members if member.filename.lower().endswith(".pkl")]
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, ValueError) as error:
        raise EqsynthError(
            f"{name} does not read as tensors of torch.save: {error}. Save layer.state_dict() again, with torch.save "
            "as it is by default, or with safetensors"
        ) from error
    try:
        names = {
            str(argument).replace(" ", ".") if code.name == "GLOBAL" else code.name
            for pickle in pickles
            for code, argument, _ in pickletools.genops(pickle)
            if code.name in ("GLOBAL", "STACK_GLOBAL", "INST", "EXT1", "EXT2", "EXT4")
        }
    except Exception as error:
        raise EqsynthError(f"{name} does not read as tensors of torch.save: {error}") from error
    others = sorted(names - _SAVED - {f"torch.{kind}Storage" for kind in _STORAGES})
    if others:
        raise EqsynthError(
            f"{name} does not read as tensors of torch.save: it has {', '.join(others)[:200]}. "
            "Save layer.state_dict() alone, or use safetensors"
        )
