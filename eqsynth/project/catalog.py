"""The catalog: entries that hold a layer as data, and the commands that list, build, prove and prune them.

An entry is addressed by the digest of its problem. It has the bases with their certificates, digests of plan, source
and drawing, and perhaps the texts of the last two, which are there to be read: what runs is always emitted anew.
"""

from __future__ import annotations

import contextlib
import keyword
import os
import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import eqsynth
from eqsynth.bases import table
from eqsynth.bases.basis import SHOWN, Basis, basis, from_data, to_data
from eqsynth.codegen.artifact import artifact_of, check_name
from eqsynth.diagrams import svg
from eqsynth.diagrams.diagram import LETTERS, Multiplied
from eqsynth.errors import CatalogError, EqsynthError, ExportError, abridged, shown
from eqsynth.exact.numbers import choice
from eqsynth.families.group import Group
from eqsynth.families.hom import MODES, Hom, ProductHom, parse_problem
from eqsynth.plans.lowering import plain_plan, plan_by, scaled
from eqsynth.plans.plan import METHODS, Plan
from eqsynth.plans.products import maps, plan_problem, plan_products
from eqsynth.project.tables import check_table, read_toml
from eqsynth.proof.verification import check_basis, check_module
from eqsynth.spaces.space import (
    Order,
    Space,
    Twisted,
    Valence,
    axes_of,
    axis_counts,
    is_number,
    is_plain,
    none_of,
    order_text,
    plain_order,
    read_order,
    stored_full,
    valence,
)
from eqsynth.store import cache, files
from eqsynth.store.cache import Store, canonical, digest

#: The list of what a catalog holds, and the list of what is in it.
RECIPE, INDEX = "catalog.toml", "index.json"
#: Longer lists of problems are not read.
MAX_RECIPE = 1_000_000
#: Names of more characters leave no room for what neighbours of a file are called.
MAX_NAME = 100


@dataclass(frozen=True, slots=True)
class Problem:
    """What an entry is about: a Hom, a bias or none, a normalization; ``texts``: keep source and drawing in full.

    >>> from eqsynth.project.catalog import Problem
    >>> Problem("S(n): 1x2 -> 1x1").key[:16]
    '915c146571849193'

    A product of two spaces has a ``mode``, too: how channels meet.
    """

    hom: str
    bias: bool = True
    normalization: str = "variance"
    texts: bool = True
    mode: str | None = None

    @classmethod
    def of(cls, hom: Hom | ProductHom, *, texts: bool = True) -> Problem:
        """That of a problem of maps.

        >>> from eqsynth.families.hom import parse_problem
        >>> from eqsynth.project.catalog import Problem
        >>> Problem.of(parse_problem("O(3): 1x1 (x) 1x1 -> 1x2")).mode
        'full'
        """
        mode = hom.mode if isinstance(hom, ProductHom) and not hom.degrees else None
        return cls(str(hom), normalization=scaled(hom.hom, "variance"), texts=texts, mode=mode)

    @property
    def data(self) -> dict[str, Any]:
        """What the key is the digest of."""
        how = {} if self.mode is None else {"mode": self.mode}
        return {"kind": "layer", "hom": self.hom, **how, "bias": self.bias, "normalization": self.normalization}

    @property
    def key(self) -> str:
        """The key of the entry."""
        return digest(self.data)


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer that the catalog keeps as a readable Python file; without ``method``, by diagrams or tables."""

    file: str
    name: str
    hom: Hom | ProductHom
    method: str | None = None

    @property
    def plan(self) -> Plan:
        """The plan behind it."""
        if isinstance(self.hom, ProductHom):
            return plan_problem(self.hom, method=self.method or "auto")
        what = self.hom, True, "variance"
        return plan_by(*what, self.method) if self.method else plain_plan(*what)

    @property
    def source(self) -> bytes:
        """What is in the file."""
        return artifact_of(self.plan, self.name).source.encode()


def make_entry(problem: Problem) -> dict[str, Any]:
    """The entry of a problem; the same on every machine.

    What takes long is taken from the user's cache, or kept there, as by ``eq.basis`` and ``eq.Linear``.

    >>> from eqsynth.project.catalog import Problem, make_entry
    >>> entry = make_entry(Problem("S(n): 1x2 -> 1x1"))
    >>> entry["bases"][0]["certificate"]
    [5, 5, 'stable', 0]
    """
    hom = parse_problem(problem.hom, mode=problem.mode)
    plan = _plan(hom, problem.bias, problem.normalization)
    source = artifact_of(plan).source
    bases = _bases(hom, problem.bias)
    picture = _drawing(maps(hom, 0, 0), hom.multiplied(0))
    entry = {
        **problem.data,
        "made": eqsynth.__version__,
        "bases": [{"inputs": _plain(one.inputs), "outputs": _plain(one.outputs), **to_data(one)} for one in bases],
        **({"weights": _weights(hom)} if isinstance(hom, ProductHom) else {}),
        "plan": _sha(repr(plan.steps)),
        "source": _sha(source),
        "drawing": _sha(picture),
    }
    if problem.texts:
        entry["texts"] = {"source": source, "drawing": picture}
    return entry


def _plan(hom: Hom | ProductHom, bias: bool, normalization: str) -> Plan:
    if isinstance(hom, ProductHom):
        return plan_products(hom, bias, normalization)
    return plain_plan(hom, bias, normalization)


def _weights(hom: ProductHom) -> list[list[int]]:
    """For each product and output term the numbers of the maps that have a weight: those that stay independent.

    Maps of equal or of symmetric factors may agree, so these may be fewer than the maps of their product.
    """
    weights = []
    for i, k in enumerate(hom.hom.space_in.orders):
        for o, lo in enumerate(hom.space_out.orders):
            place = {diagram: number for number, diagram in enumerate(basis(hom.group, k, lo).diagrams)}
            weights.append([place[diagram] for diagram in maps(hom, i, o).diagrams])
    return weights


def check_entry(key: str, entry: dict[str, Any], *, prove: bool = False, run: bool = False) -> str:
    """Check an entry, and say what it is: by its form and certificates, or with ``prove`` from the mathematics.

    The proof re-derives independence and completeness of every basis, plans and emits anew, and compares all
    digests. ``run`` also tries the layer on random group elements. Nothing of the entry is run.

    Raises CatalogError for an entry that is not right, VerificationError for a basis that is none.
    """
    with cache.paused() if prove else contextlib.nullcontext():
        return _check_entry(key, entry, prove, run)


def _check_entry(key: str, entry: dict[str, Any], prove: bool, run: bool) -> str:
    match entry:
        case {"kind": "basis", "group": str(group), "inputs": inputs, "outputs": outputs, "basis": data}:
            # A basis that is not the one that layers use says how it was chosen.
            chosen = {"choose": "standard"} if entry.get("choose") == "standard" else {}
            named = {"kind": "basis", "group": group, "inputs": inputs, "outputs": outputs, **chosen}
            _same_key(key, named)
            of = Group.parse(group, files=False)
            if entry.keys() != {*named, "basis", "made"} or str(of) != group:
                raise CatalogError("it holds other things than a basis, or its group is not written as it prints")
            stored = from_data(of, _order(inputs), _order(outputs), data, **chosen)
            if prove:
                check_basis(stored)
            return f"{group}: order {inputs} -> {outputs}{', standard diagrams' if chosen else ''}"
        case {"kind": "layer", "hom": str(text), "bias": bool(bias), "normalization": str(scale), "bases": [*listed]}:
            how = entry.get("mode")
            if "mode" in entry and not isinstance(how, str):
                raise CatalogError("its mode is no text")
            problem = Problem(text, bias, scale, "texts" in entry, how)
            _same_key(key, problem.data)
            hom = known_hom(text, how)
            needed = _orders(hom, bias)
            if len(listed) != len(needed):
                raise CatalogError(f"it has {len(listed)} bases, not {len(needed)}")
            for (inputs, outputs), data in zip(needed, listed, strict=True):
                if not isinstance(data, dict):
                    raise CatalogError("a basis is no JSON object")
                inner = dict(data)
                # As texts: true is 1 for Python, and no order.
                said = [inner.pop("inputs", None), inner.pop("outputs", None)]
                if canonical(said) != canonical([_plain(inputs), _plain(outputs)]):
                    raise CatalogError("a basis is of other orders")
                stored = from_data(hom.group, inputs, outputs, inner)
                if prove:
                    check_basis(stored)
            _check_texts(entry)
            _check_weights(entry, hom)
            if prove:
                anew = make_entry(problem)
                wrong = ", ".join(name for name in sorted({*anew, *entry}) if anew.get(name) != entry.get(name))
                if wrong:
                    raise CatalogError(f"this version of eqsynth makes it otherwise: {wrong}")
            if run:
                check_module(_plan(hom, bias, scale))
            return text
    raise CatalogError("it is no entry of a kind that is known")


def _check_texts(entry: dict[str, Any]) -> None:
    names = ("plan", "source", "drawing", "made")
    if not all(isinstance(entry.get(name), str) for name in names):
        raise CatalogError("it lacks a digest")
    known = {"kind", "hom", "mode", "bias", "normalization", "bases", "weights", "texts", *names}
    if entry.keys() - known:
        raise CatalogError(f"it has {', '.join(sorted(entry.keys() - known))}, which no entry has")
    match entry.get("texts"):
        case None:
            return
        case {"source": str(source), "drawing": str(drawing), **rest} if not rest:
            if (_sha(source), _sha(drawing)) == (entry["source"], entry["drawing"]):
                return
    raise CatalogError("its texts do not fit their digests")


def _check_weights(entry: dict[str, Any], hom: Hom | ProductHom) -> None:
    """Raise CatalogError unless the maps of products that have weights are numbered as they can be."""
    listed = entry.get("weights")
    if not isinstance(hom, ProductHom):
        if "weights" in entry:
            raise CatalogError("it says which maps of products have weights, but there are no products")
        return
    orders = [(k, lo) for k in hom.hom.space_in.orders for lo in hom.space_out.orders]
    if not isinstance(listed, list) or len(listed) != len(orders):
        raise CatalogError(f"it does not say which maps have weights, for {len(orders)} products and outputs")
    for numbers, (inputs, outputs) in zip(listed, orders, strict=True):
        count = len(basis(hom.group, inputs, stored_full(outputs)))
        rising = isinstance(numbers, list) and all(type(number) is int for number in numbers)
        if not rising or numbers != sorted(set(numbers)) or not all(0 <= number < count for number in numbers):
            raise CatalogError(f"the numbers of maps with weights are no rising list below {count}")


def known_hom(text: str, mode: str | None = None) -> Hom | ProductHom:
    """A problem from text of which nothing is known, written as it prints: its graph is never that of a file."""
    hom = parse_problem(text, False, mode)
    if str(hom) != text:
        raise CatalogError(f"its problem {shown(text)} is not written as {shown(str(hom))}")
    if Problem.of(hom).mode != mode:
        raise CatalogError(f"it does not say how the channels of {shown(text)} meet")
    return hom


def _same_key(key: str, problem: dict[str, Any]) -> None:
    if digest(problem) != key:
        raise CatalogError("it is the entry of another problem")


def _sha(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _plain(order: Order) -> Any:
    if not is_number(order):
        return order_text(order)
    return list(axis_counts(order)) if isinstance(order, tuple) else order


def _order(value: Any) -> Order:
    """The order of a basis that is kept for itself: a number, or as text one with ``.det``, or with axes of V*."""
    order: Any = value
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9.]+\.det|\([0-9,]+\)", value):
        order = read_order(value)
        order = valence(axis_counts(order)) if isinstance(order, tuple) else order
    known = isinstance(order, Twisted | Valence) if isinstance(value, str) else type(value) is int
    if not known or not is_plain(order) or not 0 <= axes_of(order) <= len(LETTERS) or value != _plain(order):
        raise CatalogError(f"{str(value)[:40]} is no order of a basis that is kept")
    return cast("Order", order)


def _orders(hom: Hom | ProductHom, bias: bool) -> list[tuple[Order, Order]]:
    """The orders of every basis that a layer needs, each once."""
    hom = hom.hom
    outs = hom.space_out.orders
    pairs = [(k, lo) for k in hom.space_in.orders for lo in outs] + [(none_of(lo), lo) for lo in outs if bias]
    # Maps are the same however tensors are stored.
    return list(dict.fromkeys((stored_full(k), stored_full(lo)) for k, lo in pairs))


def _bases(hom: Hom | ProductHom, bias: bool) -> list[Basis]:
    return [basis(hom.group, k, lo) for k, lo in _orders(hom, bias)]


def _drawing(first: Basis, multiplied: Sequence[Multiplied] = ()) -> str:
    """An SVG sheet of the first maps of a basis."""
    drawings, captions = table.drawings(first, SHOWN, multiplied)
    return svg.sheet(
        drawings,
        captions,
        f"{abridged(first.group)}: order {order_text(first.inputs)} -> order {order_text(first.outputs)}",
    )


# --- what a catalog holds -------------------------------------------------------------------------


def read_recipe(path: Path) -> tuple[list[Problem], list[Layer]]:
    """Read a list of problems and layers.

    ``[[sweep]]`` with ``groups`` and ``orders = 3`` stands for all problems of one channel from order 0, ..., 3 to
    order 0, ..., 3 (for a product, ``orders`` is a list of tuples); ``[[problem]]`` has ``hom``; ``[[layer]]`` has
    ``file``, ``name``, ``hom`` and perhaps ``method``. Problems and layers of products may have a ``mode``.
    ``texts = true`` keeps sources and drawings in full.

    Raises CatalogError.
    """
    data = read_toml(path, MAX_RECIPE, CatalogError)
    where = path.name
    sections = dict.fromkeys(("sweep", "problem", "layer"), (list,))
    check_table(data, {"texts": (bool,), **sections}, where, CatalogError)
    texts = data.get("texts", False)
    problems: list[Problem] = []
    layers: list[Layer] = []
    for name, known, needed in (
        ("sweep", {"groups": (list,), "orders": (int, list)}, "groups orders"),
        ("problem", {"hom": (str,), "mode": (str,)}, "hom"),
        ("layer", dict.fromkeys(("file", "name", "hom", "method", "mode"), (str,)), "file name hom"),
    ):
        for number, given in enumerate(data.get(name, []), 1):
            at = f"{where}, [[{name}]] {number}"
            check_table(given, known, at, CatalogError, needed)
            try:
                if name == "sweep":
                    problems += [Problem.of(hom, texts=texts) for hom in _sweep(given, path.parent)]
                    continue
                problem = parse_problem(given["hom"], path.parent, given.get("mode"))
                if name == "problem":
                    problems.append(Problem.of(problem, texts=texts))
                else:
                    layers.append(_layer(given, problem, layers))
            except EqsynthError as error:
                raise CatalogError(f"{at}: {error}") from error
    return list(dict.fromkeys(problems)), layers


def _sweep(given: Mapping[str, Any], folder: Path) -> list[Hom]:
    """All problems of one channel between the orders of a sweep."""
    orders = given["orders"]
    if isinstance(orders, int):
        orders = range(plain_order(orders) + 1)
    listed = [read_order(order) for order in orders]
    homs = []
    for text in given["groups"]:
        group = Group.parse(text, folder)
        homs += [Hom(group, Space(((1, k),)), Space(((1, lo),))) for k in listed for lo in listed]
    return homs


def _layer(given: Mapping[str, Any], problem: Hom | ProductHom, others: Sequence[Layer]) -> Layer:
    """A layer of the list, whose file is no other's."""
    file, method = given["file"], given.get("method")
    if not (file.isidentifier() and file.isascii()) or keyword.iskeyword(file) or len(file) > MAX_NAME:
        raise CatalogError(f"{shown(file)} cannot name a file: use letters, digits and _, and no word of Python")
    if method is not None:
        choice("method", method, METHODS)
    check_name(given["name"])
    if any(other.file.casefold() == file.casefold() for other in others):
        raise CatalogError(f"two layers would share the file {file}.py: give one of them another name")
    return Layer(file, given["name"], problem, method)


def problems_of(what: Sequence[str], mode: str | None = None) -> tuple[list[Problem], list[Layer]]:
    """Problems as people name them: their texts, of products in a ``mode``, or files that list them."""
    problems: list[Problem] = []
    layers: list[Layer] = []
    for text in what:
        if text.endswith(".toml"):
            if mode is not None:
                raise CatalogError(f"{text} says the mode of each product itself: leave the mode out")
            more = read_recipe(Path(text))
            problems += more[0]
            layers += more[1]
        else:
            problems.append(Problem.of(parse_problem(text, mode=mode)))
    return list(dict.fromkeys(problems)), layers


def open_store(path: Path | None, *, new: bool = False) -> Store:
    """The store in a folder, the one of a catalog if the folder has a list of problems; without a path the user's.

    Raises CatalogError for a folder that is not there, unless it may be ``new``, and if the user's cache is off.
    """
    if path is not None:
        if not new and not path.is_dir():
            raise CatalogError(f"there is no folder {str(path)!r}: name one that `eqsynth catalog build` has made")
        return Store(path / "entries") if (path / RECIPE).exists() else Store(path)
    store = cache.user_store()
    if store is None:
        raise CatalogError("the cache is turned off, or there is no home folder for it: name a folder with --store")
    return store


# --- commands -------------------------------------------------------------------------------------

Made = Iterator[tuple[Problem, dict[str, Any] | None, str]]


def attempt(problem: Problem) -> tuple[dict[str, Any] | None, str]:
    """An entry, or the reason why there is none."""
    try:
        return make_entry(problem), ""
    except EqsynthError as error:
        return None, str(error)


def make_all(problems: Sequence[Problem], jobs: int = 1, scheduler: str | None = None) -> Made:
    """Entries as they are finished: here, in ``jobs`` processes, or on the Dask cluster at ``scheduler``."""
    if scheduler is not None:
        yield from _on_cluster(problems, scheduler)
    elif jobs == 1 or len(problems) < 2:
        for problem in problems:
            yield (problem, *attempt(problem))
    else:
        from concurrent.futures import ProcessPoolExecutor, as_completed
        from multiprocessing import get_context

        with ProcessPoolExecutor(min(jobs, len(problems)), get_context("spawn")) as pool:
            futures = {pool.submit(attempt, problem): problem for problem in problems}
            try:
                for future in as_completed(futures):
                    yield (futures[future], *future.result())
            finally:
                pool.shutdown(cancel_futures=True)


def _on_cluster(problems: Sequence[Problem], scheduler: str) -> Made:
    try:
        from distributed import Client, as_completed
    except ImportError as error:
        raise CatalogError("a Dask cluster needs another package: pip install 'eqsynth[dask]'") from error
    try:
        client = Client(scheduler, timeout=30)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise CatalogError(f"there is no Dask scheduler at {scheduler!r}: {error}") from error
    with client:
        try:
            versions = set(client.run(_version).values())
        except ImportError as error:
            raise CatalogError(f"the workers at {scheduler} lack a package: {error}") from error
        if versions - {eqsynth.__version__}:
            raise CatalogError(f"the workers have eqsynth {', '.join(sorted(versions))}, not {eqsynth.__version__}")
        futures = client.map(attempt, problems, pure=False, retries=2)
        at = {future.key: problem for future, problem in zip(futures, problems, strict=True)}
        for future, result in as_completed(futures, with_results=True):  # type: ignore[no-untyped-call]
            yield (at[future.key], *result)


def _version() -> str:
    return eqsynth.__version__


@dataclass(frozen=True, slots=True)
class Built:
    """What a build did: how many entries were there, made, and not made and why; files that differ or were written.

    ``strangers`` are files in places of the catalog that no build wrote, or that were edited; they stay.
    """

    kept: int
    made: int
    failed: tuple[str, ...]
    files: tuple[str, ...]
    strangers: tuple[str, ...] = ()


def build(
    path: Path | None,
    what: Sequence[str],
    *,
    mode: str | None = None,
    jobs: int = 1,
    scheduler: str | None = None,
    fresh: bool = False,
    check: bool = False,
    force: bool = False,
    progress: Callable[[Iterable[Any], int], Iterable[Any]] = lambda items, _: items,
) -> Built:
    """Make the entries of a list of problems in a store, or with ``check`` say what differs from it.

    Entries that are there, whole and of this version are kept, so that a build that was interrupted goes on where
    it stopped; ``fresh`` makes all again. In a folder with a ``catalog.toml`` the build also writes its layers as
    Python files and ``index.json``, which names them with their digests, and deletes entries that are not in the list
    and files that the last index named. A file that has another digest than the index says, or that no index names, is
    replaced with ``force`` only, and never deleted.

    Raises CatalogError for a list that cannot be read, ExportError for a folder that cannot be written, or where files
    that are not eqsynth's are in the way: then nothing is written.
    """
    store = open_store(path, new=True)
    recipe = path / RECIPE if path is not None and (path / RECIPE).exists() else None
    whole = recipe is not None and not what
    problems, layers = problems_of([str(recipe)] if whole else list(what), mode)
    if not problems and not layers:
        raise CatalogError("nothing to build: name problems such as 'S(n): 1x2 -> 1x2', or a list of them, FILE.toml")
    wanted = {f"{layer.file}.py": layer.source for layer in layers}
    if whole and path is not None and not (check or force):
        _refuse_strangers(path, wanted)
    todo = [problem for problem in problems if check or fresh or not _usable(store, problem)]
    failed: list[str] = []
    changed: list[str] = []
    strangers: list[str] = []
    for problem, entry, why in progress(make_all(todo, jobs, scheduler), len(todo)):
        if entry is None:
            failed.append(f"{abridged(problem.hom)}: {why}")
        elif check:
            if _bytes(store.path(problem.key)) != cache.pack(entry):
                changed.append(problem.hom)
        elif not store.put(problem.key, entry):
            raise ExportError(f"cannot write to {store.folder}: nothing more was built")
    if whole and path is not None:
        wanted[INDEX] = _index(store, problems, layers, wanted)
        more, strangers = _write_files(path, store, {problem.key for problem in problems}, wanted, check=check)
        changed += more
    built = len(todo) - len(failed)
    return Built(len(problems) - len(todo), built, *map(tuple, map(sorted, (failed, changed, strangers))))


def _usable(store: Store, problem: Problem) -> bool:
    entry = store.get(problem.key)
    if entry is None or entry.get("made") != eqsynth.__version__ or ("texts" in entry) < problem.texts:
        return False
    try:
        check_entry(problem.key, entry)
    except EqsynthError as error:
        store.set_aside(problem.key, str(error))
        return False
    return True


def _index(store: Store, problems: Sequence[Problem], layers: Sequence[Layer], sources: Mapping[str, bytes]) -> bytes:
    """The list of what a catalog has, with the digest of each file and of the list itself."""

    def named(problem: Problem) -> dict[str, str]:
        return {"problem": problem.hom} | ({"mode": problem.mode} if problem.mode else {})

    listed = [
        {"file": file, "name": layer.name, **named(Problem.of(layer.hom)), "sha256": sha256(sources[file]).hexdigest()}
        for layer in layers
        for file in (f"{layer.file}.py",)
    ]
    entries = [
        {"key": problem.key, **named(problem), "sha256": sha256(_bytes(store.path(problem.key))).hexdigest()}
        for problem in problems
    ]
    index = {"eqsynth": eqsynth.__version__, "schema": cache.SCHEMA, "layers": listed, "entries": entries}
    # One line for each entry, so that differences can be read.
    text = canonical({**index, "sha256": digest(index)})
    return text.replace(b'{"file"', b'\n{"file"').replace(b'{"key"', b'\n{"key"') + b"\n"


def _named(path: Path) -> dict[str, str] | None:
    """The digests of the files that a catalog's index names, its own too; None where no build wrote the index."""
    try:
        content = files.plain(files.read(path / INDEX, cache.MAX_BYTES))
    except FileNotFoundError:
        return {}
    except OSError:
        return None
    try:
        match cache.strict_json(content):
            case {"sha256": str(own), "layers": [*layers], **rest} if digest({"layers": layers, **rest}) == own:
                named = {str(layer["file"]): str(layer["sha256"]) for layer in layers}
                return {**named, INDEX: sha256(content).hexdigest()}
    except (CatalogError, KeyError, TypeError):
        pass
    return None


def _is_named(path: Path, named: Mapping[str, str]) -> bool:
    """Whether a file has the digest that the index names."""
    content = _bytes(path)
    return bool(content) and sha256(files.plain(content)).hexdigest() == named.get(path.name)


def _refuse_strangers(path: Path, wanted: Mapping[str, bytes]) -> None:
    """Raise ExportError where files that no build wrote, or that were edited, are in the way of a catalog's files."""
    named = _named(path)
    in_the_way = [] if named is not None else [path / INDEX]
    for file, content in wanted.items():
        if os.path.lexists(path / file) and not (_same(path / file, content) or _is_named(path / file, named or {})):
            in_the_way.append(path / file)
    if in_the_way:
        listed = "\n".join(f"  {file}" for file in in_the_way)
        raise ExportError(
            f"these files would be replaced, and are not as a build wrote them:\n{listed}\n"
            f"Nothing was written. Move them, choose other names in {RECIPE}, or replace them with --force"
        )


def _write_files(
    path: Path, store: Store, keys: Collection[str], wanted: Mapping[str, bytes], *, check: bool
) -> tuple[list[str], list[str]]:
    """Write, or compare, the files of a catalog; delete, or name, what was its own and is listed no longer.

    Returns the files that differ or were written or deleted, and those of others, which stay.
    """
    changed = [path / file for file, content in wanted.items() if not _same(path / file, content)]
    unlisted: list[Path] = []
    strangers: list[Path] = []
    named = _named(path) or {}
    for file in named:
        old = path / file
        if file not in wanted and file.removesuffix(".py").isidentifier() and os.path.lexists(old):
            (unlisted if _is_named(old, named) else strangers).append(old)
    for key in store:
        if key not in keys:
            (unlisted if _is_entry(store, key) else strangers).append(store.path(key))
    if not check:
        for place in changed:
            files.save(place, wanted[place.name], force=True)
        for place in [*unlisted, *store.leftovers()]:
            files.remove(place)
    below = [[str(file.relative_to(path)) for file in listed] for listed in ([*changed, *unlisted], strangers)]
    return below[0], below[1]


def _is_entry(store: Store, key: str) -> bool:
    """Whether a file holds an entry, whatever it is of: the digest in it is that of its content."""
    try:
        store.peek(key)
    except cache.NewerError:
        return True
    except CatalogError:
        return False
    return True


def _bytes(path: Path) -> bytes:
    """The content of a file; empty where there is none that can be read."""
    try:
        return files.read(path, cache.MAX_BYTES)
    except OSError:
        return b""


def _same(path: Path, content: bytes) -> bool:
    return files.plain(_bytes(path)) == files.plain(content)


@dataclass(frozen=True, slots=True)
class Row:
    """One entry in a list."""

    key: str
    kind: str
    problem: str
    maps: int
    size: int
    made: str
    mode: str | None = None


def rows(store: Store) -> Iterator[Row]:
    """Every entry that can be read."""
    for key in store:
        try:
            entry = store.peek(key)
        except CatalogError:
            continue
        what = entry.get("hom") or f"{entry.get('group')}: order {entry.get('inputs')} -> {entry.get('outputs')}"
        match entry:
            # What others wrote may be of any form.
            case {"weights": [[*numbers], *_]}:
                count = len(numbers)
            case {"bases": [{"certificate": [int(count), *_]}, *_]} | {"basis": {"certificate": [int(count), *_]}}:
                pass
            case _:
                count = 0
        size = store.path(key).stat().st_size
        version = str(entry.get("made")).split(" ", maxsplit=1)[0]
        mode = str(entry["mode"]) if "mode" in entry else None
        yield Row(key, str(entry.get("kind")), str(what), count, size, version, mode)


def _keys_of(store: Store, text: str) -> list[str]:
    """The key of a problem, or those of both modes of a product, as far as there are entries."""
    problem = Problem.of(parse_problem(text))
    modes = MODES if problem.mode else (None,)
    keys = [replace(problem, mode=mode).key for mode in modes]
    return [key for key in keys if store.path(key).exists()]


def find(store: Store, text: str) -> tuple[str, dict[str, Any]]:
    """The entry of a problem, or with a key that begins so. Raises CatalogError where there is none, or several."""
    if "->" in text:
        keys = _keys_of(store, text)
    else:
        keys = [key for key in store if key.startswith(text.lower())] if text else []
    if len(keys) > 1 and "->" in text:
        listed = " or ".join(f"{key[:12]} ({mode})" for key, mode in zip(keys, MODES, strict=True))
        raise CatalogError(f"there are two entries for {text!r}, one for each mode: give the key, {listed}")
    if len(keys) > 1:
        raise CatalogError(f"{len(keys)} entries begin with {text!r}: give more of the key")
    if not keys or not store.path(keys[0]).exists():
        raise CatalogError(f"{store.folder} has no entry for {text!r}; `eqsynth catalog list` shows what it has")
    try:
        return keys[0], store.peek(keys[0])
    except CatalogError as error:
        raise CatalogError(f"{store.path(keys[0])} is no entry: {error}") from error


def describe(key: str, entry: dict[str, Any], *, source: bool = False) -> str:
    """An entry in words, after its checks; with ``source`` the layer's source, emitted anew.

    Raises CatalogError for an entry that is not right.
    """
    what = check_entry(key, entry)
    if source:
        if entry["kind"] == "basis":
            raise CatalogError("the entry of a basis has no source: give the problem of a layer")
        hom = known_hom(entry["hom"], entry.get("mode"))
        return artifact_of(_plan(hom, entry["bias"], entry["normalization"])).source
    lines = [f"{entry['kind']} {abridged(what)}", f"key {key}, made by eqsynth {entry['made']}"]
    if entry["kind"] == "layer":
        hom = known_hom(what, entry.get("mode"))
        mode = f", mode={entry['mode']!r}" if "mode" in entry else ""
        lines[0] += f"{mode}, bias={entry['bias']}, normalization={entry['normalization']!r}"
        for stored in _bases(hom, entry["bias"]):
            lines.append(f"order {order_text(stored.inputs)} -> {order_text(stored.outputs)}: {stored.certificate}")
        if isinstance(hom, ProductHom):
            counts = ", ".join(str(len(numbers)) for numbers in entry["weights"])
            lines.append(f"maps with weights, for each product and output: {counts}")
        lines += [f"{name} sha256 {entry[name]}" for name in ("plan", "source", "drawing")]
    elif entry["kind"] == "basis":
        of, chosen = Group.parse(entry["group"], files=False), entry.get("choose", "auto")
        lines.append(str(basis(of, entry["inputs"], entry["outputs"], choose=chosen).certificate))
    return "\n".join(lines)


def prove(store: Store, keys: Sequence[str], jobs: int = 1, run: bool = False) -> Iterator[tuple[str, str, str]]:
    """Prove entries; for each its key, what it is, and what is wrong with it, empty where nothing is."""
    tasks = [(str(store.folder), key, run) for key in keys]
    if jobs == 1 or len(tasks) < 2:
        yield from map(_prove_one, tasks)
        return
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(min(jobs, len(tasks)), get_context("spawn")) as pool:
        yield from pool.map(_prove_one, tasks, chunksize=4)


def _prove_one(task: tuple[str, str, bool]) -> tuple[str, str, str]:
    folder, key, run = task
    try:
        # Straight from the file, so that nothing is set aside while it is looked at.
        entry = Store(folder).peek(key)
    except CatalogError as error:
        return key, "?", str(error)
    try:
        return key, check_entry(key, entry, prove=True, run=run), ""
    except EqsynthError as error:
        return key, str(entry.get("hom") or entry.get("group")), str(error)


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many files were deleted, and their bytes; files in places of entries that are none, which stay."""

    files: int
    size: int
    strangers: tuple[str, ...] = ()


def prune(
    store: Store,
    days: float | None = None,
    megabytes: float | None = None,
    every: bool = False,
    force: bool = False,
) -> Pruned:
    """Delete what was set aside, what interrupted writers left, and what other versions made.

    With ``days`` also what was written longer ago, with ``megabytes`` the oldest until the rest fits, with ``every``
    all entries. Entries of a newer schema are kept, except with ``every``; files that hold no entry are kept, except
    with ``force``.
    """
    try:
        with store.locked():
            strangers = [] if force else [str(store.path(key)) for key in store if not _is_entry(store, key)]
            gone = list(_useless(store, days, megabytes, every, force))
            for path, _ in gone:
                path.unlink(missing_ok=True)
    except OSError as error:
        raise ExportError(f"cannot prune {store.folder}: {error.strerror or error}") from error
    return Pruned(len(gone), sum(size for _, size in gone), tuple(strangers))


def _useless(
    store: Store, days: float | None, megabytes: float | None, every: bool, force: bool
) -> Iterator[tuple[Path, int]]:
    for path in store.leftovers():
        yield path, path.lstat().st_size
    held: list[tuple[float, Path, int]] = []
    for key in store:
        path = store.path(key)
        state = path.lstat()
        old = every or (days is not None and time.time() - state.st_mtime > 86_400 * days)
        try:
            version = str(store.peek(key).get("made"))
        except cache.NewerError:
            version = eqsynth.__version__
        except CatalogError:
            if force:
                yield path, state.st_size
            continue
        if old or version.split(" ", maxsplit=1)[0] != eqsynth.__version__:
            yield path, state.st_size
        else:
            held.append((state.st_mtime, path, state.st_size))
    if megabytes is not None:
        room = sum(size for *_, size in held) - 1_000_000 * megabytes
        for _, path, size in sorted(held):
            if room <= 0:
                return
            room -= size
            yield path, size
