"""Files: one bounded way to read them, one way to write them whole or not at all, and what may be replaced."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import sys
import time
from collections.abc import Callable, Collection, Iterator
from hashlib import sha256
from pathlib import Path

from eqsynth.errors import ExportError, shown
from eqsynth.exact.numbers import flag

#: What a writer that was killed leaves is removed when it is older, in seconds.
STALE = 3600.0
_TEMPORARY = re.compile(r"(\..{1,40}\.[0-9]+-[0-9]+)\.([0-9a-f]{16})\.part", re.DOTALL)

#: What to do about a file that is there already, on a command line.
CURE = "write to another path, or use --force to replace it"


def read(path: str | os.PathLike[str], limit: int) -> bytes:
    """The content of a regular file of at most ``limit`` bytes.

    >>> import pathlib, tempfile
    >>> from eqsynth.store import files
    >>> path = pathlib.Path(tempfile.mkdtemp(), "note")
    >>> files.write(path, b"abc")
    >>> files.read(path, 10)
    b'abc'

    Raises OSError, also for a pipe, a device or a folder (EINVAL), which are not waited for, and for a larger file
    (EFBIG), of which no more is read than the limit.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    state = os.fstat(handle)
    if not stat.S_ISREG(state.st_mode):
        os.close(handle)
        what = "it is a folder" if stat.S_ISDIR(state.st_mode) else "it is no regular file"
        raise OSError(errno.EINVAL, what, os.fspath(path))
    with open(handle, "rb") as file:  # noqa: PTH123 - a descriptor, opened so that a pipe is not waited for
        content = file.read(limit + 1) if state.st_size <= limit else b""
    if max(len(content), state.st_size) > limit:
        raise OSError(errno.EFBIG, f"it is larger than {limit:,} bytes", os.fspath(path))
    return content


def path_of(path: object) -> Path:
    """What somebody gave as the name of a file, as a path; ExportError for what is none.

    >>> from eqsynth.store import files
    >>> files.path_of("a.svg").suffix
    '.svg'
    >>> files.path_of(None)
    Traceback (most recent call last):
    ...
    eqsynth.errors.ExportError: None is no path: give the name of a file
    """
    if not isinstance(path, str | os.PathLike) or isinstance(os.fspath(path), bytes):
        raise ExportError(f"{shown(path)} is no path: give the name of a file")
    return Path(path)


def plain(content: bytes) -> bytes:
    r"""Content as it was written: git, or an editor, may have turned the ends of a text's lines into those of Windows.

    >>> from eqsynth.store import files
    >>> files.plain(b"a\r\nb\r\n") == files.plain(b"a\nb\n")
    True

    Two files are the same if this is equal. What has a zero byte is no text, as it is for git.
    """
    return content if b"\0" in content else content.replace(b"\r\n", b"\n")


def write(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file through a neighbour that takes its place, so that a reader sees all of it or none.

    Folders on the way are made. A file that is there keeps its mode and owner (its other hard links keep the old
    content), a new one gets what the umask leaves. A link stays, and what it points to is written. Pipes and
    terminals are written to as they are, which waits for a pipe's reader, and so is what is open already:
    ``/dev/stdout`` and its like, wherever they lead.

    Raises OSError where that fails, also for a file without the right to write it, for a disk's device and for a
    folder. Then the file is as it was, and nothing is beside it.
    """
    path = Path(path)
    descriptor = _descriptor(path)
    if descriptor is not None:
        if descriptor == 1 and sys.stdout is not None:
            sys.stdout.flush()
        _pour(os.dup(descriptor), content)
        return
    try:
        there = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        there = None
    if there is not None and not stat.S_ISREG(there.st_mode):
        if stat.S_ISDIR(there.st_mode):
            raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
        if stat.S_ISBLK(there.st_mode):
            raise OSError(errno.EINVAL, "it is the device of a disk", str(path))
        _pour(os.open(path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_NOCTTY", 0)), content)
        return
    if there is not None and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, "it is write-protected", str(path))
    if path.is_symlink():
        path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(_temporary_name(path.name))
    try:
        mode = 0o666 if there is None else stat.S_IMODE(there.st_mode)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
        _pour(handle, content, there)
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    # The new name is to survive a loss of power too; not every system can flush a folder.
    with contextlib.suppress(OSError):
        handle = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def save(
    path: str | os.PathLike[str],
    content: bytes,
    *,
    force: bool = False,
    ours: Callable[[Path], bool] = lambda _: False,
    cure: str = CURE,
) -> None:
    """Write to a path that somebody chose: a file that is there is replaced only if that loses nothing.

    >>> import pathlib, tempfile
    >>> from eqsynth.store import files
    >>> path = pathlib.Path(tempfile.mkdtemp(), "notes.svg")
    >>> files.save(path, b"mine")
    >>> files.save(path, b"another")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    eqsynth.errors.ExportError: '...notes.svg' is there already, with other content: write to another path, or ...

    A file with the same content stays as it is. Another one is replaced with ``force``, or where ``ours`` says that
    it can be made again. Pipes, terminals and other devices hold nothing that could be lost.

    Raises ExportError.
    """
    path, force = path_of(path), flag("force", force)
    if not force:
        refuse(path, content, ours, cure)
    with _in_words(path):
        if force or not (_holds(path) and same(path, content)):
            write(path, content)


def refuse(path: Path, content: bytes, ours: Callable[[Path], bool] = lambda _: False, cure: str = CURE) -> None:
    """Raise ExportError where :func:`save` would, without ``force``, before anything is written."""
    with _in_words(path):
        if _holds(path) and not same(path, content) and not ours(path):
            raise ExportError(f"{str(path)!r} is there already, with other content: {cure}")


@contextlib.contextmanager
def _in_words(path: Path) -> Iterator[None]:
    try:
        yield
    except ExportError:
        raise
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise ExportError(
            f"cannot write {str(path)!r}: {why}. Nothing was written; choose a path that you may write to"
        ) from error


def remove(path: Path) -> None:
    """Remove a file, if it is there; ExportError where that fails."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ExportError(f"cannot remove {str(path)!r}: {error.strerror or error}") from error


def _holds(path: Path) -> bool:
    """Whether a path is a file that could be lost, and no pipe, terminal or descriptor of this process."""
    return path.is_file() and _descriptor(path) is None


def same(path: Path, content: bytes) -> bool:
    """Whether a file has a content, whatever the ends of its lines."""
    try:
        return plain(read(path, 2 * len(content))) == plain(content)
    except OSError as error:
        if error.errno in (errno.EFBIG, errno.ENOENT, errno.ENOTDIR, errno.EINVAL):
            return False
        raise


def left_behind(path: Path) -> bool:
    """Whether a file is what a writer here left that was killed, by its name and its age."""
    if not _is_temporary(path.name):
        return False
    try:
        return time.time() - path.stat().st_mtime > STALE
    except OSError:
        return False


def sweep(folder: Path, names: Collection[str]) -> None:
    """Remove what killed writers of these files left in a folder, however new it is: nobody may be writing them now."""
    beginnings = tuple(f".{name[:40]}." for name in names)
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            if path.name.startswith(beginnings) and _is_temporary(path.name):
                path.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(place: Path, patience: float) -> Iterator[None]:
    """While no other process holds the lock with this file; OSError where it cannot be had in ``patience`` seconds.

    Where something else than a regular file has the name of the lock, a link among it, it is left alone: OSError.
    """
    from filelock import FileLock, Timeout

    place.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(place.lstat().st_mode):
            raise OSError(errno.EINVAL, f"its lock {place} is no regular file", str(place))
    lock = FileLock(place, timeout=patience)
    try:
        lock.acquire()
    except Timeout:
        raise OSError(f"another process has held the lock {place} for {patience:.0f} s") from None
    except NotImplementedError as error:
        raise OSError(str(error)) from None
    try:
        yield
    finally:
        lock.release()


def _pour(handle: int, content: bytes, like: os.stat_result | None = None) -> None:
    """Write to an open descriptor and close it; a new file is flushed to the disk, with the mode of the one before."""
    with open(handle, "wb") as file:
        file.write(content)
        file.flush()
        if stat.S_ISREG(os.fstat(handle).st_mode):
            os.fsync(handle)
        if like is not None:
            if hasattr(os, "fchown"):
                with contextlib.suppress(OSError):  # only root gives files away
                    os.fchown(handle, like.st_uid, like.st_gid)
            if hasattr(os, "fchmod"):
                os.fchmod(handle, stat.S_IMODE(like.st_mode))


def _temporary_name(name: str) -> str:
    """A hidden name that nobody else gives to a file by chance: it ends with a digest of its beginning."""
    begin = f".{name[:40]}.{os.getpid()}-{time.monotonic_ns()}"
    return f"{begin}.{_seal(begin)}.part"


def _is_temporary(name: str) -> bool:
    match = _TEMPORARY.fullmatch(name)
    return match is not None and _seal(match[1]) == match[2]


def _seal(text: str) -> str:
    return sha256(f"written by eqsynth: {text}".encode(errors="surrogateescape")).hexdigest()[:16]


def _descriptor(path: Path) -> int | None:
    """The descriptor of this process that a path names, as /dev/stdout names 1."""
    for _ in range(40):
        folder, name = path.parent.as_posix(), path.name
        if folder in ("/dev/fd", "/proc/self/fd", f"/proc/{os.getpid()}/fd") and name.isdecimal():
            return int(name)
        if not path.is_symlink():
            return None
        path = path.parent / path.readlink()
    return None
