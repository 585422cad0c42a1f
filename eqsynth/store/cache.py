"""Entries on disk: canonical JSON under the digest of a problem, written whole or not at all, checked when read.

A store is a folder. It knows nothing of diagrams: an entry is a JSON object without floats. Whoever reads one
decodes it with checks of its own, and asks the store to set aside what fails them.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import importlib.resources
import importlib.resources.abc
import json
import os
import re
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from eqsynth.errors import CacheWarning, CatalogError, warn
from eqsynth.store import files

#: The version of the format of entries; ``MIGRATIONS[s]`` turns an entry of schema s into one of schema s + 1.
SCHEMA = 1
#: Larger files are refused unread.
MAX_BYTES = 64_000_000
#: Whole numbers of more digits are refused.
MAX_DIGITS = 18
#: How long to wait for others who write to the same folder, in seconds.
PATIENCE = 20.0

_LONG = re.compile(rb"[0-9]{%d}" % MAX_DIGITS)
_KEY = re.compile(r"[0-9a-f]{64}")
_ASIDE = re.compile(r"[0-9a-f]{64}\.([0-9a-f]{16})\.damaged")
#: This frame is the same in every schema, so that a newer entry is told from a damaged one.
_FRAME = re.compile(rb'\{"digest":"([0-9a-f]{64})",("entry":(.*),"schema":([0-9]{1,9})\}\n)', re.DOTALL)

Entry = dict[str, Any]


def _basis_for_kind(entry: Entry) -> Entry:
    """Schema 0 had bases alone and did not say so."""
    if "kind" in entry:
        raise CatalogError("an entry of schema 0 does not name its kind")
    return {"kind": "basis", **entry}


MIGRATIONS: dict[int, Callable[[Entry], Entry]] = {0: _basis_for_kind}


class NewerError(CatalogError):
    """An entry that a newer eqsynth wrote."""


def canonical(value: Any) -> bytes:
    """The one JSON text of a value: sorted keys, no spaces, UTF-8, no floats.

    >>> from eqsynth.store.cache import canonical
    >>> canonical({"b": [1, "ε"], "a": None}).decode()
    '{"a":null,"b":[1,"ε"]}'

    Raises CatalogError for a float or a key that is no string: they have no text that is the same everywhere.
    """
    _check_exact(value)
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return text.encode()


def _check_exact(value: Any) -> None:
    match value:
        case float():
            raise CatalogError(f"the float {value!r} cannot be stored: write it as text, value.hex()")
        case dict():
            if not all(isinstance(key, str) for key in value):
                raise CatalogError("the keys of an entry are strings")
            for part in value.values():
                _check_exact(part)
        case list():
            for part in value:
                if type(part) is not int:
                    _check_exact(part)
        case tuple() | set() | frozenset():
            raise CatalogError(f"a {type(value).__name__} cannot be stored: make it a list")


def digest(value: Any) -> str:
    """Hexadecimal SHA-256 of the canonical JSON of a value: the key of a problem.

    >>> from eqsynth.store.cache import digest
    >>> digest({"group": "S(n)", "inputs": 2})[:16]
    '470f1632de8d6867'
    """
    return sha256(canonical(value)).hexdigest()


def pack(entry: Entry, schema: int = SCHEMA) -> bytes:
    """The file of an entry: the entry, its schema, and the digest of both."""
    body = b'"entry":' + canonical(entry) + b',"schema":%d}\n' % schema
    return b'{"digest":"' + sha256(body).hexdigest().encode() + b'",' + body


def unpack(raw: bytes) -> Entry:
    """Read the file of an entry, an older schema migrated.

    >>> from eqsynth.store.cache import pack, unpack
    >>> unpack(pack({"kind": "basis"}))
    {'kind': 'basis'}

    Raises CatalogError for bytes that are not what :func:`pack` writes: a wrong digest, JSON with numbers that
    are not whole or too long, a key that stands twice, nesting too deep; NewerError for a newer schema.
    """
    match = _FRAME.fullmatch(raw)
    if match is None:
        raise CatalogError("it is not an entry of eqsynth, or was cut short")
    if sha256(match[2]).hexdigest() != match[1].decode():
        raise CatalogError("its digest does not fit its content")
    schema = int(match[4])
    if schema > SCHEMA:
        raise NewerError(f"it has schema {schema}, and this version of eqsynth reads up to {SCHEMA}")
    entry: Entry = strict_json(match[3])
    if not isinstance(entry, dict):
        raise CatalogError("it holds no JSON object")
    while schema < SCHEMA:
        entry = MIGRATIONS[schema](entry)
        schema += 1
    return entry


def strict_json(raw: bytes) -> Any:
    """JSON of whole numbers, strings, lists and objects; CatalogError for anything else."""
    # Python takes quadratic time to read a long number. A call for each number costs time too, so it is made only
    # where there are that many digits in a row, perhaps inside a string.
    number = _whole if _LONG.search(raw) else None
    try:
        return json.loads(
            raw.decode("utf-8"),
            parse_int=number,
            parse_float=_refuse,
            parse_constant=_refuse,
            object_pairs_hook=_object,
        )
    except RecursionError:
        raise CatalogError("its JSON is nested too deeply") from None
    except CatalogError:
        raise
    except ValueError as error:
        raise CatalogError(f"it is no JSON: {error}") from None


def _whole(text: str) -> int:
    if len(text) > MAX_DIGITS + 1:
        raise CatalogError(f"a number has {len(text)} digits, more than {MAX_DIGITS}")
    return int(text)


def _refuse(text: str) -> Any:
    raise CatalogError(f"{text[:40]!r} is no whole number")


def _object(pairs: list[tuple[str, Any]]) -> Entry:
    entry = dict(pairs)
    if len(entry) != len(pairs):
        raise CatalogError("a key stands twice in one JSON object")
    return entry


@dataclass(frozen=True, slots=True)
class Store:
    """A folder of entries, by key.

    >>> import tempfile
    >>> from eqsynth.store.cache import Store, digest
    >>> store, key = Store(tempfile.mkdtemp()), digest("an example")
    >>> store.put(key, {"kind": "example", "value": 3})
    True
    >>> store.get(key)["value"], list(store) == [key]
    (3, True)

    Many processes may read and write at once. A file is written beside its place, flushed to the disk, and moved
    there under a lock, so that a reader sees all of it or none. An entry whose digest does not fit is renamed to
    ``*.DIGEST.damaged``, one of a newer schema is left alone, and both count as missing. Where the folder cannot be
    read or written, or the disk is full, a CacheWarning says so once, and the work goes on without it.
    """

    folder: str | os.PathLike[str]

    def path(self, key: str) -> Path:
        """Where an entry is, or would be; CatalogError for what is no key."""
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            raise CatalogError(f"{key!r} is no key: a key has 64 hexadecimal digits")
        return Path(self.folder) / key[:2] / f"{key}.json"

    def get(self, key: str) -> Entry | None:
        """The entry under a key; None where there is none that can be used."""
        path = self.path(key)
        try:
            raw = _read(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            _tell(self.folder, f"cannot read {path}: {error.strerror or error}")
            return None
        except CatalogError as error:
            self.set_aside(key, str(error))
            return None
        try:
            return unpack(raw)
        except NewerError as error:
            _tell(self.folder, f"{path} is left alone: {error}")
        except CatalogError as error:
            self.set_aside(key, str(error), raw)
        return None

    def peek(self, key: str) -> Entry:
        """The entry in a file, which stays where it is, whatever it holds; CatalogError for what is none."""
        try:
            return unpack(_read(self.path(key)))
        except OSError as error:
            raise CatalogError(f"it cannot be read: {error.strerror or error}") from None

    def put(self, key: str, entry: Entry) -> bool:
        """Write an entry; whether it is there now."""
        path, content = self.path(key), pack(entry)
        try:
            with self.locked():
                try:
                    there = _read(path)
                    if there == content:
                        return True
                    unpack(there)
                except NewerError:
                    return False
                except CatalogError:
                    self._move_aside(path)
                except OSError:
                    pass  # missing: written anew
                files.write(path, content)
        except OSError as error:
            _tell(self.folder, f"cannot write {path}: {error.strerror or error}")
            return False
        return True

    def __iter__(self) -> Iterator[str]:
        """Every key that has a file, in order."""
        for path in sorted(Path(self.folder).glob("[0-9a-f][0-9a-f]/*.json")):
            if _KEY.fullmatch(path.stem) and path.parent.name == path.stem[:2]:
                yield path.stem

    def leftovers(self) -> Iterator[Path]:
        """Damaged entries that were set aside, and what interrupted writers left for more than an hour."""
        for path in sorted(Path(self.folder).glob("[0-9a-f][0-9a-f]/*")):
            if _was_set_aside(path) or files.left_behind(path):
                yield path

    def set_aside(self, key: str, why: str, raw: bytes | None = None) -> None:
        """Rename a damaged entry, unless someone has written another since ``raw`` was read."""
        path = self.path(key)
        try:
            with self.locked():
                if raw is not None and _read(path) != raw:
                    return
                aside = self._move_aside(path)
        except (FileNotFoundError, CatalogError):
            return  # someone else was faster
        except OSError as error:
            _tell(self.folder, f"{path} is damaged ({why}) and cannot be set aside: {error.strerror or error}")
            return
        warn(
            f"the entry {path} is damaged: {why}. It was moved to {aside.name} and is made anew; "
            "`eqsynth catalog prune` deletes what was set aside",
            CacheWarning,
        )

    @staticmethod
    def _move_aside(path: Path) -> Path:
        """Rename what is no entry, under a lock; the new name has the digest of what it holds, so none is lost."""
        try:
            mark = sha256(_read(path)).hexdigest()[:16]
        except CatalogError:
            mark = f"{time.time_ns()}"
        return path.replace(path.with_suffix(f".{mark}.damaged"))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """While no one else writes here; OSError where the lock cannot be had."""
        with files.locked(Path(self.folder) / ".lock", PATIENCE):
            yield


def _was_set_aside(path: Path) -> bool:
    """Whether a file was set aside by a store: its name has the digest of what it holds."""
    match = _ASIDE.fullmatch(path.name)
    try:
        return match is not None and sha256(_read(path)).hexdigest()[:16] == match[1]
    except (OSError, CatalogError):
        return False


def _read(path: Path) -> bytes:
    """The content of an entry's file; OSError where it cannot be had, CatalogError for what cannot be an entry.

    What stands in its place, a link, a pipe or a device, is neither read nor written through, but set aside.
    """
    kind = stat.S_IFMT(path.lstat().st_mode)
    if kind not in (stat.S_IFREG, stat.S_IFDIR):
        raise CatalogError("it is no regular file")
    try:
        return files.read(path, MAX_BYTES)
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise CatalogError(str(error.strerror)) from None
        raise


_told: set[tuple[str, str]] = set()


def _tell(folder: str | os.PathLike[str], what: str) -> None:
    """Say once for each folder and kind of trouble that the cache is not used."""
    mark = (os.fspath(folder), what.split()[1] if what.startswith("cannot") else what)
    if mark in _told:
        return
    _told.add(mark)
    warn(
        f"{what}. eqsynth goes on without it; EQSYNTH_CACHE names another folder, EQSYNTH_CACHE=off uses none",
        CacheWarning,
    )


_paused = 0


@contextlib.contextmanager
def paused() -> Iterator[None]:
    """While nothing is taken from the user's cache or kept in it, as proofs need it."""
    global _paused  # noqa: PLW0603 - one switch for the process, like EQSYNTH_CACHE
    _paused += 1
    try:
        yield
    finally:
        _paused -= 1


def user_store() -> Store | None:
    """The user's cache: the folder that EQSYNTH_CACHE names, or the system's for caches; None where it is ``off``."""
    if _paused:
        return None
    folder = os.environ.get("EQSYNTH_CACHE", "").strip()
    if folder.lower() in ("off", "0", "none"):
        return None
    try:
        if not folder:
            from platformdirs import user_cache_dir

            folder = str(Path(user_cache_dir("eqsynth", appauthor=False)) / "entries")
        place = Path(folder).expanduser()
    except RuntimeError as error:
        _tell(folder, f"cannot find the folder of the cache: {error}")
        return None
    return Store(place)


@lru_cache(maxsize=16)
def made_by(rooms: tuple[str, ...]) -> str:
    """The version of eqsynth with the digest of the folders that make an entry: what others made is made anew.

    Raises FileNotFoundError where a folder has no modules: it was renamed, and its name in ``rooms`` was not.
    """
    import eqsynth

    package = importlib.resources.files("eqsynth")
    code_digest = sha256()
    for room in rooms:
        for name, code in _code(package / room):
            code_digest.update(b"%s/%s %d " % (room.encode(), name.encode(), len(code)) + code)
    return f"{eqsynth.__version__} {code_digest.hexdigest()[:16]}"


def _code(folder: importlib.resources.abc.Traversable) -> list[tuple[str, bytes]]:
    """The sources of the modules of a folder, also in a zip; or, where there are only compiled modules, those."""
    files_there = {file.name: file for file in folder.iterdir()} if folder.is_dir() else {}
    for ending in (".py", ".pyc"):
        modules = sorted(name for name in files_there if name.endswith(ending))
        if modules:
            return [(name, files_there[name].read_bytes()) for name in modules]
    raise FileNotFoundError(errno.ENOENT, "a folder that decides what is in an entry has no modules", folder.name)


def remembered(problem: Mapping[str, Any], version: str, name: str, decode: Callable[[Any], Any]) -> Any:
    """What the user's cache has under a name for a problem, decoded; None where it has nothing that can be used.

    ``decode`` raises CatalogError for data that are not right; the entry is then set aside.
    """
    store = user_store()
    if store is None:
        return None
    key = digest(problem)
    entry = store.get(key)
    if entry is None or entry.get("made") != version:
        return None
    try:
        if digest({part: entry.get(part) for part in problem}) != key:
            raise CatalogError("it is the entry of another problem")
        if entry.keys() != {*problem, "made", name}:
            raise CatalogError(f"it holds other things than {', '.join(sorted({*problem, 'made', name}))}")
        with no_collection():
            return decode(entry[name])
    except CatalogError as error:
        store.set_aside(key, str(error))
        return None


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """Thousands of new objects, none of them garbage, would have Python look through all others, those of torch too.

    That takes longer than reading does. What was made here is counted among the old objects, which are looked
    through in their turn.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            # Frozen and thawed, all objects are old; but what others have frozen stays so.
            if not gc.get_freeze_count():
                gc.freeze()
                gc.unfreeze()
            gc.enable()


def remember(problem: Mapping[str, Any], version: str, content: Callable[[], Mapping[str, Any]]) -> None:
    """Keep an entry in the user's cache, if there is one; ``content`` is asked for only then."""
    store = user_store()
    if store is not None:
        store.put(digest(problem), {**problem, "made": version, **content()})
