"""Keep the layers and networks that a project lists in its eqsynth.toml as files that need torch and nothing else.

A lock file beside them holds the digest of every file as it was written, so that an edited file is noticed.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import json
import keyword
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any

import eqsynth
from eqsynth.codegen.artifact import artifact_of, check_name
from eqsynth.codegen.emit import Artifact
from eqsynth.errors import ConfigError, EqsynthError, ExportError
from eqsynth.errors import shown as shown_value
from eqsynth.exact import limits
from eqsynth.families.group import Group
from eqsynth.families.hom import Problem, ProductHom, parse_problem
from eqsynth.plans.plan import METHODS, NORMALIZATIONS, PARAMETERS, Plan
from eqsynth.plans.products import plan_problem
from eqsynth.project.exporting import program, read_weights, written
from eqsynth.project.tables import check_table, kind_of, read_toml
from eqsynth.spaces.space import Space, order_text
from eqsynth.store import files

CONFIG = "eqsynth.toml"
LOCK = "eqsynth.lock.json"
PACKAGE = "__init__.py"
#: Larger lists of layers are refused unread.
MAX_CONFIG = 10_000_000
#: How long to wait for another process that writes to the same folder, in seconds.
PATIENCE = 600.0
#: Version of the lock file's own format.
SCHEMA = 1
#: The suffix of each format's files.
FORMATS = {"module": ".py", "pt2": ".pt2", "onnx": ".onnx"}
#: Class names that the package's ``__init__`` uses itself, and file names that Windows keeps for devices.
TAKEN = frozenset({"TYPE_CHECKING", "import_module"})
DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{port}{i}" for port in ("com", "lpt") for i in range(1, 10))})
EXAMPLE = '[layers.EdgesToNodes]\nhom = "S(n): 16x2 -> 32x1"'
#: The keys of a network that is described; each is an argument of eq.nn.MLP.
DESCRIBED: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("group", "activation", "norm", "normalization", "storage", "transfer"), (str,)),
    "spaces": (list,), "dropout": (float, int), "bias": (bool,),
}  # fmt: skip

_REFERENCE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
_FILE = re.compile(r"[a-z0-9][a-z0-9_]*\.(py|pt2|onnx)")
_DIGEST = re.compile(r"[0-9a-f]{64}")
#: A problem as it prints: nothing in it can end a docstring.
_HOM = re.compile(r"[\w ()\[\],:;+*=^'><|/.-]+")


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of a project: its class name, its problem, and how it is written.

    >>> import eqsynth as eq
    >>> from eqsynth.project.syncing import Layer
    >>> Layer("EdgesToNodes", eq.Hom.parse("S(n)", "16x2", "32x1")).file
    'edges_to_nodes.py'

    ``weights`` is a file of trained weights for the formats ``"pt2"`` and ``"onnx"``, which contain them.
    Raises ConfigError for a name, format or normalization that does not exist.
    """

    name: str
    hom: Problem
    bias: bool = True
    normalization: str = "variance"
    format: str = "module"
    weights: Path | None = None
    method: str = "auto"
    parameters: str = "diagrams"

    def __post_init__(self) -> None:
        _check_class(self.name)
        for what, value, known in (
            ("format", self.format, FORMATS),
            ("normalization", self.normalization, NORMALIZATIONS),
            ("method", self.method, ("auto", *METHODS)),
            ("kind of parameters", self.parameters, PARAMETERS),
        ):
            if value not in known:
                raise ConfigError(f"there is no {what} {value!r}: ask for {_one_of(known)}")
        if self.weights is not None and self.format == "module":
            raise ConfigError(
                f"{self.name} is a module, whose weights are loaded with load_state_dict: "
                'leave weights out, or ask for the format "pt2" or "onnx"'
            )

    @property
    def file(self) -> str:
        """The name of its file."""
        return _stem(self.name) + FORMATS[self.format]

    def plan(self) -> Plan:
        """The plan behind it."""
        return plan_problem(self.hom, self.bias, self.normalization, self.method, self.parameters)


@dataclass(frozen=True, slots=True)
class Network:
    """One network of a project: its class name, and where it comes from.

    >>> import pathlib
    >>> from eqsynth.project.syncing import Network
    >>> force = Network("Force", description=(("group", "O(3)"), ("spaces", ("4x1", "8x1 + 8x0", "1x1"))))
    >>> force.file, str(force.artifact().problem)
    ('force.py', 'O(3): 4x1 -> 1x1')

    ``reference`` names a module of eq.nn, or a function that makes one, in Python that is found from ``folder`` on, as
    ``"mypkg.models:denoiser"``; else ``description`` has the arguments of eq.nn.MLP.
    """

    name: str
    reference: str | None = None
    folder: Path = Path()
    description: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        _check_class(self.name)
        if self.reference is not None and not _REFERENCE.fullmatch(self.reference):
            raise ConfigError(
                f"{self.reference!r} names no object of Python: write its module, a colon and its name, such as "
                '"mypkg.models:denoiser"'
            )

    @property
    def file(self) -> str:
        """The name of its file."""
        return _stem(self.name) + FORMATS["module"]

    def artifact(self) -> Artifact:
        """Its source. Raises ConfigError for an object that is none, ExportError for one that cannot be written."""
        import torch

        with torch.random.fork_rng(devices=[]):
            network = self._described() if self.reference is None else self._referred(self.reference)
        return written(network, self.name)

    def facts(self) -> dict[str, Any]:
        """What says in the lock file where it comes from."""
        return {"network": dict(self.description) if self.reference is None else self.reference}

    def _described(self) -> Any:
        from eqsynth.nn.networks import MLP

        arguments: dict[str, Any] = dict(self.description)
        return MLP(**arguments)

    def _referred(self, reference: str) -> Any:
        """The network that a reference names, or that the function gives which it names."""
        from torch import nn

        module, _, name = reference.partition(":")
        folder = os.path.realpath(self.folder)
        sys.path.insert(0, folder)
        try:
            network: Any = import_module(module)
            for part in name.split("."):
                network = getattr(network, part)
            if not isinstance(network, nn.Module):
                network = network()
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            raise ConfigError(
                f"{reference} gives no network: {why}. Name a module of eq.nn, or a function without arguments that "
                f"makes one, in a file of Python below {folder!r} or an installed package"
            ) from error
        finally:
            sys.path.remove(folder)
        if not isinstance(network, nn.Module):
            raise ConfigError(
                f"{reference} gives {shown_value(network)}, which is no network: return a module of eq.nn"
            )
        return network


def _check_class(name: str) -> None:
    """Raise ConfigError for what cannot name the class in a file of a package."""
    try:
        check_name(name)
    except EqsynthError as error:
        raise ConfigError(str(error)) from None
    if name in TAKEN:
        raise ConfigError(f"{name!r} cannot name a class: the package uses that name itself")
    if name == _stem(name):
        raise ConfigError(
            f"the class {name} would have the name of its file: "
            f"write it with a capital, such as {name.title().replace('_', '')}"
        )


@dataclass(frozen=True, slots=True)
class Project:
    """The layers and networks that belong into a folder; ``source`` is what lists them."""

    source: str
    folder: Path
    layers: tuple[Layer | Network, ...]

    def __post_init__(self) -> None:
        if not self.layers:
            raise ConfigError(f"{self.source} lists no layers: add one, such as\n{EXAMPLE}")
        by_file: dict[str, Layer | Network] = {}
        for layer in self.layers:
            other = by_file.setdefault(layer.file.casefold(), layer)
            if other is not layer:
                raise ConfigError(
                    f"{self.source}: {other.name} and {layer.name} would share the file {layer.file}: "
                    "give one of them another name"
                )


@dataclass(frozen=True, slots=True)
class Change:
    """A file that is not as it should be: ``kind`` is a key of ``KINDS``."""

    file: str
    kind: str

    @property
    def guarded(self) -> bool:
        """Whether only ``force`` may touch the file."""
        return self.kind in ("edited", "foreign", "unlisted and edited")

    @property
    def unlisted(self) -> bool:
        """Whether the file is one that the project no longer lists."""
        return self.kind.startswith("unlisted")

    def __str__(self) -> str:
        return f"{self.file}: {KINDS[self.kind]}"


#: What can be wrong with a file, in words.
KINDS = {
    "missing": "is missing",
    "outdated": "is out of date",
    "edited": "was edited after eqsynth wrote it",
    "foreign": "was not written by eqsynth",
    "unlisted": "is no longer listed",
    "unlisted and edited": "is no longer listed, and was edited",
}


@dataclass(frozen=True, slots=True)
class _Target:
    """A file as it should be; ``content`` is None where it is known only once it is made."""

    file: str
    facts: tuple[tuple[str, Any], ...]
    content: bytes | None
    layer: Layer | None = None


@dataclass(frozen=True, slots=True)
class State:
    """How a folder compares with its project: what :func:`compare` finds and :func:`sync` puts right."""

    project: Project
    changes: tuple[Change, ...]
    targets: tuple[_Target, ...]
    #: Records of the lock file: those of files that stay as they are.
    records: tuple[tuple[str, tuple[tuple[str, Any], ...]], ...]
    #: Sentences about layers with outputs that are always zero.
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join(self.sentence(change) for change in self.changes)

    @property
    def problems(self) -> dict[str, str]:
        """What the files hold, by their names: class and problem."""
        facts = {target.file: dict(target.facts) for target in self.targets if target.facts}
        return {file: f"{fact['class']}, {fact['hom']}" for file, fact in facts.items()}

    def sentence(self, change: Change) -> str:
        """What is wrong with a file, with its path as one types it here."""
        return f"{shown(self.project.folder / change.file)} {KINDS[change.kind]}"


def find_config(start: Path | None = None) -> Path:
    """The nearest eqsynth.toml, in ``start`` (the working directory) or a folder above it.

    >>> import tempfile, pathlib
    >>> from eqsynth.project.syncing import find_config
    >>> top = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (top / "eqsynth.toml").write_text("")
    >>> (top / "below").mkdir()
    >>> find_config(top / "below") == top / "eqsynth.toml"
    True

    Raises ConfigError where there is none.
    """
    start = Path.cwd() if start is None else start
    for folder in (start, *start.parents):
        if (folder / CONFIG).is_file():
            return folder / CONFIG
    raise ConfigError(
        f"there is no {CONFIG} in {str(start)!r} or above it: write one, such as\n"
        f'[eqsynth]\nto = "mypkg/layers"\n{EXAMPLE}'
    )


def read_project(path: Path) -> Project:
    """The project that an eqsynth.toml describes.

    >>> import tempfile, pathlib
    >>> from eqsynth.project.syncing import read_project
    >>> path = pathlib.Path(tempfile.mkdtemp(), "eqsynth.toml")
    >>> _ = path.write_text('''
    ... [eqsynth]
    ... to = "mypkg/layers"
    ... [layers.EdgesToNodes]
    ... hom = "S(n): 16x2 -> 32x1"
    ... ''')
    >>> [str(layer.hom) for layer in read_project(path).layers]
    ['S(n): 16x2 -> 32x1']

    Raises ConfigError for a file that cannot be read or understood.
    """
    return project_of(read_toml(path, MAX_CONFIG, ConfigError), path)


def project_of(data: Mapping[str, Any], path: Path) -> Project:
    """The same from parsed TOML; ``path`` says what folders and files are relative to.

    >>> import pathlib
    >>> from eqsynth.project.syncing import project_of
    >>> data = {"eqsynth": {"to": "layers"}, "layers": {"Swap": {"hom": "O(3): 2 -> 2", "bias": False}}}
    >>> project_of(data, pathlib.Path("eqsynth.toml")).layers[0].bias
    False
    """
    where = path.name
    check_table(data, {"eqsynth": (dict,), "layers": (dict,), "networks": (dict,)}, where, ConfigError)
    check_table(data.get("eqsynth", {}), {"to": (str,), "format": (str,)}, f"{where}, [eqsynth]", ConfigError)
    settings = data.get("eqsynth", {})
    if "to" not in settings:
        raise ConfigError(f'{where} does not say where the layers belong: write to = "mypkg/layers" under [eqsynth]')
    folder = _inside(settings["to"], path)
    layers: list[Layer | Network] = []
    for name, table in data.get("layers", {}).items():
        at = f"{where}, [layers.{name}]"
        if not isinstance(table, dict):
            raise ConfigError(f"{at} is {kind_of(table)}, where a table is expected, such as\n{EXAMPLE}")
        texts = dict.fromkeys(("hom", "mode", "normalization", "format", "weights", "method", "parameters"), (str,))
        check_table(table, {**texts, "bias": (bool,)}, at, ConfigError)
        if "hom" not in table:
            raise ConfigError(f'{at} does not say which layer it is: write hom = "S(n): 16x2 -> 32x1"')
        weights = table.get("weights")
        if weights is not None and ("\0" in weights or not weights.strip()):
            raise ConfigError(f"{at}: {weights!r} is no file of weights")
        try:
            layer = Layer(
                name,
                parse_problem(table["hom"], path.parent, table.get("mode")),
                table.get("bias", True),
                table.get("normalization", "variance"),
                table.get("format", settings.get("format", "module")),
                None if weights is None else path.parent / weights,
                table.get("method", "auto"),
                table.get("parameters", "diagrams"),
            )
        except EqsynthError as error:
            raise ConfigError(f"{at}: {error}") from error
        layers.append(layer)
    layers += [_network(name, table, path) for name, table in data.get("networks", {}).items()]
    return Project(where, folder, tuple(layers))


def _network(name: str, table: Any, path: Path) -> Network:
    """A network as an eqsynth.toml has it: ``object``, or ``group`` and ``spaces`` and what else eq.nn.MLP takes."""
    at = f"{path.name}, [networks.{name}]"
    check_table(table, {"object": (str,), **DESCRIBED}, at, ConfigError)
    if "object" in table:
        others = ", ".join(table.keys() - {"object"})
        if others:
            raise ConfigError(f"{at}: the object says what the network is: leave {others} out")
    elif not {"group", "spaces"} <= table.keys():
        raise ConfigError(
            f'{at} does not say which network it is: write object = "mypkg.models:denoiser", a module of eq.nn or a '
            'function that makes one, or group = "O(3)" and spaces = ["4x1", "16x1 + 16x0", "1x0"]'
        )
    spaces = table.get("spaces", [])
    if not all(isinstance(space, str) for space in spaces):
        raise ConfigError(f'{at}: spaces are texts, from the input to the output: ["4x1", "16x1 + 16x0", "1x0"]')
    described = {key: tuple(value) if key == "spaces" else value for key, value in table.items() if key != "object"}
    try:
        return Network(name, table.get("object"), path.parent, tuple(described.items()))
    except ConfigError as error:
        raise ConfigError(f"{at}: {error}") from error


def _inside(to: str, path: Path) -> Path:
    """The folder that a list of layers names; ConfigError where it leads out of the list's own, also by links."""
    where = f"{path.name}, [eqsynth]"
    if "\0" in to or not to.strip():
        raise ConfigError(f"{where}: {to!r} is no folder")
    top, folder = (Path(os.path.realpath(place)) for place in (path.parent, path.parent / to))
    if not folder.is_relative_to(top):
        raise ConfigError(
            f"{where}: to = {to!r} leads to {str(folder)!r}, out of {str(top)!r}: name a folder below the {path.name}, "
            f'such as "mypkg/layers", move that file up, or write there yourself: eqsynth export HOM... --to {to!r}'
        )
    return path.parent / folder.relative_to(top)


def layer_of(
    text: str,
    bias: bool = True,
    normalization: str = "variance",
    form: str = "module",
    weights: Path | None = None,
    method: str = "auto",
    parameters: str = "diagrams",
    mode: str | None = None,
) -> Layer:
    """A layer as the command line names it: a problem, or ``NAME=PROBLEM``.

    >>> from eqsynth.project.syncing import layer_of
    >>> layer_of("S(n): 16x2 + 8x1 -> 32x2").name
    'Sn_16x2_8x1_to_32x2'
    >>> layer_of("Edges=S(n): 16x2 -> 32x2").name
    'Edges'
    """
    match = re.match(r"\s*(\w+)\s*=\s*", text)
    hom = parse_problem(text[match.end() :] if match else text, mode=mode)
    name = match[1] if match else derived_name(hom)
    return Layer(name, hom, bias, normalization, form, weights, method, parameters)


def derived_name(hom: Problem) -> str:
    """The class name for a problem that was given none.

    >>> import eqsynth as eq
    >>> from eqsynth.project.syncing import derived_name
    >>> derived_name(eq.Hom.parse("S(n) x O(3)", "16x(1,1)", "8x(1,0)"))
    'Sn_x_O3_16x1_1_to_8x1_0'
    >>> derived_name(eq.Hom.parse("S(n)", "4xS2", "4xA2.packed"))
    'Sn_4xS2_to_4xA2_packed'
    >>> derived_name(eq.Hom.parse("O(1,3)", "4x1", "4x2"))
    'O1_3_4x1_to_4x2'
    >>> derived_name(eq.Hom.parse("Aut(3: 0-1 1-2)", "4x1", "4x1"))
    'Aut3_66d716a3_4x1_to_4x1'
    >>> from eqsynth.families.hom import parse_problem
    >>> derived_name(parse_problem("O(3): 4x1 (x) 4x2 -> 8x1", mode="paired"))
    'O3_4x1_and_4x2_paired_to_8x1'
    >>> derived_name(parse_problem("O(3): powers 1, 2 of 4x1 -> 8x1"))
    'O3_powers_1_2_of_4x1_to_8x1'
    >>> derived_name(parse_problem("S'(n): 4x1 -> 4x1"))
    'S_prime_n_4x1_to_4x1'
    >>> derived_name(parse_problem("S(n): 4x1 -> 4x1, transfer=pad"))
    'Sn_4x1_to_4x1_transfer_pad'

    A group that is written out at length appears as its size and the start of the SHA-256 of its text.
    """
    groups = "_x_".join(map(_group_name, hom.group.factors))
    inputs = "_and_".join(map(_space_name, hom.operands))
    if isinstance(hom, ProductHom):
        inputs += "" if hom.full or hom.degrees else "_paired"
        inputs = "_".join(["powers", *map(str, hom.degrees), "of", inputs]) if hom.degrees else inputs
    transfer = f"_transfer_{hom.hom.transfer}" if hom.hom.transfer else ""
    return f"{groups}_{inputs}_to_{_space_name(hom.space_out)}{transfer}"


def _space_name(space: Space) -> str:
    return "_".join(f"{channels}x{_plain_name(order_text(order))}" for channels, order in space)


def _plain_name(text: str) -> str:
    return re.sub("[^0-9A-Za-z]+", "_", text).strip("_")


def _group_name(group: Group) -> str:
    match = re.fullmatch(r"(\w+)\((\w+(?:,\w+)*)\)", str(group).replace("'", "_prime_"))
    if match and str(group).isascii():
        between, size = "_" * match[1][-1].isdigit(), match[2].replace(",", "_")
        return match[1] + between + (size if group.kept_graph is None else size.capitalize())
    return f"{_plain_name(group.family)}{group.n}_{sha256(str(group).encode()).hexdigest()[:8]}"


def compare(project: Project, *, keep: bool = False) -> State:
    """Which files of a project are missing, out of date, edited, or no longer listed; nothing is written.

    >>> import tempfile, pathlib
    >>> from eqsynth.project.syncing import Project, compare, layer_of, sync
    >>> project = Project("example", pathlib.Path(tempfile.mkdtemp(), "layers"), (layer_of("O(3): 1 -> 1"),))
    >>> [str(change) for change in compare(project).changes]
    ['o3_1x1_to_1x1.py: is missing', '__init__.py: is missing', 'eqsynth.lock.json: is missing']
    >>> [change.file for change in sync(project).changes]
    ['o3_1x1_to_1x1.py', '__init__.py', 'eqsynth.lock.json']
    >>> compare(project).changes
    ()

    With ``keep``, files that the folder has besides the project's belong to it too.
    Files of the formats pt2 and onnx depend on the version of torch; they are compared by what they are made of.

    Raises ExportError for a file that cannot be read, ConfigError for a lock file of a newer eqsynth or a layer
    that cannot be made.
    """
    folder = project.folder
    lock, recorded = _read_lock(folder / LOCK)
    wanted = {layer.file for layer in project.layers} | {PACKAGE}
    # What is recorded and gone is nothing to import.
    kept = [file for file in recorded if keep and file not in wanted and _read(folder / file) is not None]
    unlisted = {file: recorded[file] for file in kept}
    targets, notes = _targets(project, unlisted)
    records = dict(unlisted)
    changes = []
    for target in targets:
        record = recorded.get(target.file)
        actual = _read(folder / target.file)
        kind, digest = _judge(target, record, actual)
        if kind:
            changes.append(Change(target.file, kind))
        records[target.file] = {**dict(target.facts), "sha256": digest}
    for file, record in sorted(recorded.items()):
        if file in records:
            continue
        actual = _read(folder / file)
        if actual is not None:
            ours = _wrote(record, _digest(actual))
            changes.append(Change(file, "unlisted" if ours else "unlisted and edited"))
            records[file] = record
    text = _lock_text(records)
    if lock is None:
        changes.append(Change(LOCK, "missing"))
    elif not recorded and not _is_lock(lock):
        changes.append(Change(LOCK, "edited"))
    elif files.plain(lock) != text:
        changes.append(Change(LOCK, "outdated"))
    everything = (*targets, _Target(LOCK, (), text))
    frozen = tuple((file, tuple(record.items())) for file, record in records.items())
    return State(project, tuple(changes), everything, frozen, notes)


def sync(project: Project, *, force: bool = False, prune: bool = False, keep: bool = False) -> State:
    """Write the files of a project that are not as they should be, and say which they were.

    Of several processes that do so at once on one machine, one waits for the other.

    Files that were edited, or that eqsynth did not write, are only replaced with ``force``: without it nothing at
    all is written. Files that are no longer listed are removed with ``prune`` (unless edited) or ``force``.
    Each file appears whole or not at all. The lock file names the new digests before the first file is written, so that
    the next run finishes one that was interrupted, whatever it asks for by then.

    Raises ExportError for files that are guarded or cannot be written, and what :func:`compare` raises.
    """
    with _locked(project.folder):
        return _sync(project, force=force, prune=prune, keep=keep)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """While no other process of this user writes to a folder; the lock is no file of the folder."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    mark = sha256(os.path.realpath(folder).encode(errors="surrogateescape")).hexdigest()[:32]
    with contextlib.ExitStack() as stack:
        try:
            place = Path(tempfile.gettempdir(), f"eqsynth-{user}-{mark}.lock")
            stack.enter_context(files.locked(place, PATIENCE))
        except OSError as error:
            raise ExportError(
                f"cannot lock {str(folder)!r}: {error}. Run it again when the other process is done"
            ) from error
        yield


def _sync(project: Project, *, force: bool, prune: bool, keep: bool) -> State:
    state = compare(project, keep=keep)
    folder = project.folder
    files.sweep(folder, {LOCK, *(target.file for target in state.targets), *dict(state.records)})
    guarded = [change for change in state.changes if change.guarded and not change.unlisted]
    if guarded and not force:
        listed = "\n".join(f"  {state.sentence(change)}" for change in guarded)
        raise ExportError(
            f"these files would be overwritten:\n{listed}\n"
            "Nothing was written. Look at the difference (--diff), keep what is yours elsewhere, then use --force"
        )
    targets = {target.file: target for target in state.targets}
    records = {file: dict(record) for file, record in state.records}
    contents = {}
    for change in state.changes:
        if change.file in targets and change.file != LOCK:
            target = targets[change.file]
            contents[change.file] = content = target.content if target.content is not None else _program(target)
            records[change.file]["sha256"] = _digest(content)
    if contents:
        _, promised = _read_lock(folder / LOCK)
        for file in contents:
            record, actual = promised.get(file, records[file]), _read(folder / file)
            now = _digest(actual or b"")
            known = file in promised and _wrote(promised[file], now)
            if not (force or actual is None or known or now == records[file]["sha256"]):
                raise ExportError(
                    f"{shown(folder / file)} was changed while this ran. Nothing was written: run it again"
                )
            # What an interrupted run wrote is ours in the next one, too.
            last = now if _wrote(record, now) else record["sha256"]
            promised[file] = {**record, "sha256": last, "next": records[file]["sha256"]}
        files.save(folder / LOCK, _lock_text(promised), force=True)
    for file, content in contents.items():
        files.save(folder / file, content, force=True)
    done, notes = [], list(state.notes if state.changes else ())
    for change in state.changes:
        if change.unlisted:
            if not (force or (prune and not change.guarded)):
                notes.append(f"{state.sentence(change)}: {'--force' if change.guarded else '--prune'} removes it")
                continue
            files.remove(folder / change.file)
            del records[change.file]
        done.append(change)
    text = _lock_text(records)
    stale = any(change.file == LOCK for change in state.changes)
    if stale or contents or text != targets[LOCK].content:
        files.save(folder / LOCK, text, force=True)
        if not stale and text != targets[LOCK].content:
            done.append(Change(LOCK, "outdated"))
    return State(project, tuple(done), state.targets, state.records, tuple(notes))


def diff(state: State) -> str:
    """What :func:`sync` would change, as unified diffs; files that are not text are named.

    >>> import tempfile, pathlib
    >>> from eqsynth.project.syncing import Project, compare, diff, layer_of, sync
    >>> project = Project("example", pathlib.Path(tempfile.mkdtemp(), "layers"), (layer_of("O(3): 1 -> 1"),))
    >>> print(diff(compare(project)).splitlines()[0])
    --- /dev/null
    """
    targets = {target.file: target for target in state.targets}
    pieces = []
    for change in state.changes:
        path = state.project.folder / change.file
        if change.unlisted:
            pieces.append(f"{state.sentence(change)}\n")
            continue
        content, actual = targets[change.file].content, _read(path)
        if content is None:
            pieces.append(f"{state.sentence(change)}\n")
            continue
        old = [] if actual is None else actual.decode("utf-8", "replace").splitlines(keepends=True)
        new = content.decode().splitlines(keepends=True)
        after = str(shown(path))
        for line in difflib.unified_diff(old, new, "/dev/null" if actual is None else after, after):
            pieces.append(line if line.endswith("\n") else line + "\n\\ No newline at end of file\n")
    return "".join(pieces)


def shown(path: Path) -> Path:
    """A path as one types it in the working directory."""
    try:
        return path.relative_to(Path.cwd())
    except ValueError:
        return path


def _targets(
    project: Project, unlisted: Mapping[str, Mapping[str, Any]]
) -> tuple[tuple[_Target, ...], tuple[str, ...]]:
    """The files of the layers and, where there are modules, of their package."""
    targets, notes = [], []
    classes = {
        record["class"]: (file, record["hom"], record["sha256"])
        for file, record in unlisted.items()
        if file.endswith(".py") and "class" in record
    }
    for layer in project.layers:
        kind = "network" if isinstance(layer, Network) else "layer"
        try:
            said: list[str] = []
            if isinstance(layer, Network):
                artifact = layer.artifact()
            else:
                plan = layer.plan()
                artifact, said = artifact_of(plan, layer.name), plan.notes()
            facts = _facts(layer, artifact)
        except EqsynthError as error:
            raise ConfigError(f"{project.source}, {kind} {layer.name}: {error}") from error
        notes += [f"{layer.name}: {sentence}" for sentence in said]
        module = isinstance(layer, Network) or layer.format == "module"
        content = artifact.source.encode() if module else None
        targets.append(_Target(layer.file, facts, content, None if isinstance(layer, Network) else layer))
        if module:
            classes[layer.name] = (layer.file, str(artifact.problem), artifact.digest)
    if classes:
        targets.append(_Target(PACKAGE, (), _package(classes).encode()))
    return tuple(targets), tuple(notes)


def _facts(layer: Layer | Network, artifact: Artifact) -> tuple[tuple[str, Any], ...]:
    """What a file is made of."""
    if isinstance(layer, Network):
        named = {"class": layer.name, "eqsynth": eqsynth.__version__, "hom": str(artifact.problem)}
        return tuple({**named, **layer.facts()}.items())
    facts: dict[str, Any] = {
        "bias": layer.bias,
        "class": layer.name,
        "eqsynth": eqsynth.__version__,
        "hom": str(layer.hom),
        "normalization": layer.normalization,
    }
    if isinstance(layer.hom, ProductHom) and not layer.hom.degrees:
        facts["mode"] = layer.hom.mode
    if layer.method != "auto":
        facts["method"] = layer.method
    if layer.parameters != "diagrams":
        facts["parameters"] = layer.parameters
    if layer.format != "module":
        facts["source"] = artifact.digest
        if layer.weights is not None:
            facts["weights"] = sha256(_weights(layer)).hexdigest()
    return tuple(facts.items())


def _package(classes: Mapping[str, tuple[str, str, str]]) -> str:
    """The source of a package's ``__init__``: each class is loaded when it is first used."""
    names = sorted(classes)
    stems = {name: classes[name][0].removesuffix(".py") for name in names}
    about = [f"{name} ({classes[name][0]}, sha256 {classes[name][2][:16]})\n    {classes[name][1]}\n" for name in names]
    hints = "\n".join(f"    from .{stems[name]} import {name} as {name}" for name in sorted(names, key=stems.get))  # type: ignore[arg-type]
    return f'''"""Equivariant layers for PyTorch, one class in each file, loaded when it is first used.

{chr(10).join(about)}
Generated by eqsynth {eqsynth.__version__}. Do not edit: generate again instead.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
{hints}

__all__ = [
{chr(10).join(f'    "{name}",' for name in names)}
]

_FILES = {{
{chr(10).join(f'    "{name}": "{stems[name]}",' for name in names)}
}}

if not TYPE_CHECKING:

    def __getattr__(name):
        if name not in _FILES:
            raise AttributeError(f"module {{__name__!r}} has no attribute {{name!r}}")
        value = getattr(import_module(f".{{_FILES[name]}}", __name__), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({{*globals(), *_FILES}})
'''


def _program(target: _Target) -> bytes:
    layer = target.layer
    assert layer is not None  # noqa: S101 - only layers are made when they are written
    try:
        state = None if layer.weights is None else read_weights(_weights(layer), layer.weights.name)
        return program(layer.plan(), layer.format, state)
    except EqsynthError as error:
        raise ExportError(f"cannot write {layer.name}: {error}") from error


def _weights(layer: Layer) -> bytes:
    """The file with the weights of a layer, which has a few bytes for each."""
    assert layer.weights is not None  # noqa: S101 - asked for where there are some
    plan = layer.plan()
    ins, outs = plan.hom.space_in.channels, plan.hom.space_out.channels
    count = sum(pair.dim * ins[pair.term_in] * outs[pair.term_out] for pair in plan.pairs)
    count += sum(dim * channels for dim, channels in zip(plan.bias_dims, outs, strict=True))
    try:
        return files.read(layer.weights, 1_000_000 + 16 * count)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        cure = "name a file of layer.state_dict()"
        if getattr(error, "errno", None) == errno.EFBIG:
            cure = f"the layer has {count:,} weights; save its own state_dict alone, each tensor with .clone()"
        raise ConfigError(f"cannot read the weights {str(layer.weights)!r}: {why}: {cure}") from error


def _judge(target: _Target, record: Mapping[str, Any] | None, actual: bytes | None) -> tuple[str, str]:
    """What is wrong with a file, or "", and the digest that belongs into the lock file, as far as it is known."""
    expected = None if target.content is None else _digest(target.content)
    known = expected or (str(record["sha256"]) if record else "")
    if actual is None:
        return "missing", known
    digest = _digest(actual)
    if digest == expected:
        return "", known
    if record is None:
        return "foreign", known
    if not _wrote(record, digest):
        return "edited", known
    made_of_the_same = expected is None and record == {**dict(target.facts), "sha256": digest}
    return ("" if made_of_the_same else "outdated"), known


def _wrote(record: Mapping[str, Any], digest: str) -> bool:
    """Whether a file has a digest that eqsynth gave it; an interrupted run leaves some files the new one."""
    return digest in (record["sha256"], record.get("next"))


def _digest(content: bytes) -> str:
    return sha256(files.plain(content)).hexdigest()


def _lock_text(records: Mapping[str, Mapping[str, Any]]) -> bytes:
    data = {"files": records, "schema": SCHEMA}
    return (json.dumps(data, indent=2, sort_keys=True, ensure_ascii=True) + "\n").encode()


def _read_lock(path: Path) -> tuple[bytes | None, dict[str, dict[str, Any]]]:
    """The lock file and its records; none where it is missing or damaged, so that no file passes for ours."""
    content = _read(path)
    data = _parse_lock(content)
    if isinstance(data, dict):
        schema = data.get("schema")
        if isinstance(schema, int) and schema > SCHEMA:
            raise ConfigError(f"{str(path)!r} was written by a newer eqsynth: install that version, or a newer one")
        files = data.get("files")
        if schema == SCHEMA and isinstance(files, dict) and all(map(_is_record, files, files.values())):
            return content, files
    return content, {}


def _is_lock(content: bytes) -> bool:
    return bool(_parse_lock(content) == {"files": {}, "schema": SCHEMA})


def _parse_lock(content: bytes | None) -> Any:
    try:
        return json.loads(content or b"null")
    except (ValueError, RecursionError):
        return None


def _is_record(file: Any, record: Any) -> bool:
    """Whether an entry is one that eqsynth writes: its names become paths and source, so they must be plain."""
    if not isinstance(record, dict) or "sha256" not in record:
        return False
    digests = {key: value for key, value in record.items() if key in ("sha256", "next")}
    if not all(isinstance(value, str) and _DIGEST.fullmatch(value) for value in digests.values()):
        return False
    if file == PACKAGE:
        return record == digests
    name, hom = record.get("class"), record.get("hom")
    try:
        check_name(name)
    except EqsynthError:
        return False
    if not _FILE.fullmatch(str(file)) or str(file).rpartition(".")[0] != _stem(str(name)) or name in TAKEN:
        return False
    return isinstance(hom, str) and _HOM.fullmatch(hom) is not None


def _read(path: Path) -> bytes | None:
    """A file of a project's folder; None where there is none."""
    try:
        if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(path.parent)):
            raise OSError(errno.EPERM, f"it is a link out of its folder, to {os.path.realpath(path)!r}")
        return files.read(path, limits.budget("EQSYNTH_MAX_BYTES", limits.MAX_BYTES))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise ExportError(f"cannot read {str(path)!r}: {why}. Move what is there, or choose another folder") from error


def _stem(name: str) -> str:
    """``EdgesToNodes`` lives in ``edges_to_nodes``; words of Python and names of devices get a mark."""
    stem = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
    return stem + "_" if keyword.iskeyword(stem) or stem in DEVICES else stem


def _one_of(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)
