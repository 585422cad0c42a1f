"""The command line in the process of the tests: what a process of its own prints, without a second import of torch."""

import io
import os
import sys
import warnings
from subprocess import CompletedProcess
from unittest import mock

from eqsynth.cli import main

#: What says how texts are laid out and written: the same here for everybody. GNU's readline, which pytest loads,
#: sets COLUMNS for processes that are started.
SURROUNDINGS = ("COLUMNS", "LINES", "LANG", "LC_ALL", "LC_CTYPE", "PYTHONIOENCODING", "PYTHONUTF8")


def plain_environment():
    """The environment without what says how to lay out texts, for a process of its own."""
    return {name: value for name, value in os.environ.items() if name not in SURROUNDINGS}


class Stream(io.TextIOWrapper):
    """A pipe as a process has it, text in UTF-8, or a terminal."""

    def __init__(self, terminal=False, encoding="utf-8"):
        super().__init__(io.BytesIO(), encoding=encoding, newline="\n")
        self.terminal = terminal

    def isatty(self):
        return self.terminal

    def text(self):
        self.flush()
        return self.buffer.getvalue().decode("utf-8")


def eqsynth(*arguments, cwd=None, out=None, err=None, **surroundings):
    """What ``eqsynth ARGUMENTS`` does, run in a folder: its exit code and what it printed."""
    out, err = out or Stream(), err or Stream()
    before, formatted = os.getcwd(), warnings.formatwarning  # noqa: PTH109 - as it is, to go back to

    def show(message, category, filename, lineno, file=None, line=None):  # noqa: ARG001 - what Python calls
        err.write(warnings.formatwarning(message, category, filename, lineno, line))

    code = 0
    try:
        os.chdir(cwd or before)
        with (
            mock.patch.dict(os.environ, plain_environment() | surroundings, clear=True),
            mock.patch.object(sys, "argv", ["eqsynth", *map(str, arguments)]),
            mock.patch.object(sys, "stdout", out),
            mock.patch.object(sys, "stderr", err),
            warnings.catch_warnings(),
        ):
            # As in a process of its own, and not as pytest has it: warnings are shown, once each.
            warnings.resetwarnings()
            for ignored in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
                warnings.simplefilter("ignore", ignored)
            warnings.showwarning = show
            main()
    except SystemExit as end:
        code = end.code or 0
    finally:
        warnings.formatwarning = formatted
        os.chdir(before)
    return CompletedProcess(arguments, code, out.text(), err.text())
