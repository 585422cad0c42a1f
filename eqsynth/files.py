"""Files: one bounded way to read them, and one way to write them whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from pathlib import Path


def read(path: str | os.PathLike[str], limit: int) -> bytes:
    """The content of a regular file of at most ``limit`` bytes.

    >>> import pathlib, tempfile
    >>> from eqsynth import files
    >>> path = pathlib.Path(tempfile.mkdtemp(), "note")
    >>> files.write(path, b"abc")
    >>> files.read(path, 10)
    b'abc'

    Raises OSError, also for a pipe, a device or a folder (EINVAL), which are not waited for, and for a larger file
    (EFBIG), of which no more is read than the limit.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(handle, "rb") as file:  # noqa: PTH123 - a descriptor, opened so that a pipe is not waited for
        state = os.fstat(handle)
        if not stat.S_ISREG(state.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", os.fspath(path))
        content = file.read(limit + 1) if state.st_size <= limit else b""
    if max(len(content), state.st_size) > limit:
        raise OSError(errno.EFBIG, f"it is larger than {limit:,} bytes", os.fspath(path))
    return content


def write(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file through a neighbour that takes its place, so that a reader sees all of it or none.

    Folders on the way are made. A file that is there keeps its mode, a new one gets what the umask leaves; a link stays
    and what it points to is written; pipes, terminals and other devices (``/dev/stdout``, too) are written to as
    they are.

    Raises OSError where that fails, with nothing left behind.
    """
    path = Path(path)
    try:
        there = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        there = None
    if there is not None and stat.S_ISDIR(there.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
    if _passed_through(path) or (there is not None and not stat.S_ISREG(there.st_mode)):
        handle = os.open(path, os.O_WRONLY | os.O_APPEND)
        with open(handle, "wb") as file:  # noqa: PTH123 - a descriptor, opened without cutting anything off
            file.write(content)
        return
    if path.is_symlink():
        path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name[:40]}.{os.getpid()}.{time.monotonic_ns()}.part")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        with open(handle, "wb") as file:  # noqa: PTH123 - a descriptor, whose mode the umask has set
            file.write(content)
            file.flush()
            os.fsync(handle)
        if there is not None:
            temporary.chmod(stat.S_IMODE(there.st_mode))
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


def _passed_through(path: Path) -> bool:
    """Whether a path names an open descriptor of some process, such as /dev/stdout, whatever that is."""
    for _ in range(40):
        if path.parent.as_posix() in ("/dev/fd", "/proc/self/fd") or path.match("/proc/*/fd/*"):
            return True
        if not path.is_symlink():
            return False
        path = path.parent / path.readlink()
    return False
