"""A sign of life: what a terminal shows while work takes longer than a second."""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from eqsynth.store.screen import is_terminal

#: Seconds before anything is shown, and between two signs.
PATIENCE = 1.0
_busy = threading.local()


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Say what is being done, and for how long, in a terminal, once it has taken a second; nothing elsewhere.

    >>> from eqsynth.store.waiting import waiting
    >>> with waiting("planning S(n): 1x5 -> 1x5"):
    ...     pass

    The line is wiped at the end. Of work inside work the outermost is named. Nothing else prints meanwhile.
    """
    terminal = sys.stderr
    if getattr(_busy, "here", False) or not is_terminal(terminal):
        yield
        return
    done = threading.Event()
    thread = threading.Thread(target=_tell, args=(terminal, what, done), daemon=True)
    _busy.here = True
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        _busy.here = False


@contextmanager
def alone() -> Iterator[None]:
    """While something else shows how far work is: nothing here says it, too.

    >>> from eqsynth.store.waiting import alone, waiting
    >>> with alone(), waiting("planning S(n): 1x5 -> 1x5"):
    ...     pass
    """
    before, _busy.here = getattr(_busy, "here", False), True
    try:
        yield
    finally:
        _busy.here = before


def _tell(terminal: TextIO, what: str, done: threading.Event) -> None:
    seconds = 0
    while not done.wait(PATIENCE):
        seconds += 1
        told = f" ... {seconds} s"
        # A line that wraps could not be wiped.
        room = max(0, shutil.get_terminal_size().columns - len(told) - 1)
        terminal.write(f"\r\x1b[K{what[:room]}{told}")
        terminal.flush()
    if seconds:
        terminal.write("\r\x1b[K")
        terminal.flush()
