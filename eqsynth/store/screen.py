"""What a terminal can show: how many columns, and whether more than ASCII; texts and tables that keep to it."""

from __future__ import annotations

import codecs
import os
import re
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TextIO

#: Narrower columns of text are not set beside something else.
NARROWEST = 24
#: What stands for characters of pictures and formulas in ASCII. What is in pictures has one character for one.
PLAIN = {
    "●": "*", "○": "o", "•": "*", "▸": ">", "│": "|", "─": "-", "╭": ".", "╮": ".", "╰": "'", "╯": "'",
    "├": "+", "┤": "+", "┬": "+", "┴": "+", "█": "#", "▏": "|", "·": ".", "−": "-", "×": "x", "→": "->", "⊗": "(x)",
    "ε": "eps", "η": "eta", "ω": "omega",
}  # fmt: skip
#: The name of what translates the characters that an ASCII stream lacks.
HANDLER = "eqsynth.plain"
_POWER = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹]+")


def plain(text: str) -> str:
    """A text in ASCII.

    >>> from eqsynth.store.screen import plain
    >>> plain("n² c_in ─ 3 × 3"), plain("é")
    ('n^2 c_in - 3 x 3', 'e')
    """
    if text.isascii():
        return text
    text = _POWER.sub(lambda power: f"^{unicodedata.normalize('NFKD', power[0])}", text)
    text = text.translate({ord(mark): shown for mark, shown in PLAIN.items()})
    base = "".join(mark for mark in unicodedata.normalize("NFKD", text) if not unicodedata.combining(mark))
    return base.encode("ascii", "backslashreplace").decode()


def _translate(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)  # noqa: S101 - nothing is read with it
    return plain(error.object[error.start : error.end]), error.end


codecs.register_error(HANDLER, _translate)


@dataclass(frozen=True, slots=True)
class Screen:
    """Where a text will stand: ``width`` columns, None for any number, in ASCII or not.

    >>> from eqsynth.store.screen import Screen
    >>> print(*Screen(20).wrapped("certificate: 5; all are independent"), sep=chr(10))
    certificate: 5; all
        are independent

    Without a width nothing is broken into lines: files and other programs read texts as they are.
    """

    width: int | None = None
    ascii: bool = False

    @classmethod
    def of(cls, stream: TextIO | None) -> Screen:
        """That of a stream: the columns of a terminal, or those of COLUMNS; ASCII where its encoding is."""
        columns = os.environ.get("COLUMNS", "")
        fixed = columns.isascii() and columns.isdecimal() and int(columns[:9]) > 0
        wide = shutil.get_terminal_size().columns if fixed or is_terminal(stream) else None
        return cls(wide, is_ascii(stream))

    def text(self, text: str) -> str:
        """A text in the characters that there are."""
        return plain(text) if self.ascii else text

    def wrapped(self, line: str, hang: int = 4, within: int | None = None) -> list[str]:
        """A line as one or several, the later ones ``hang`` columns further in; at most ``within`` columns wide."""
        line = self.text(line)
        wide = min((size for size in (self.width, within) if size is not None), default=None)
        if wide is None or len(line) <= wide:
            return [line]
        margin = len(line) - len(line.lstrip())
        room = max(wide, margin + hang + NARROWEST // 2)
        return textwrap.wrap(
            line.lstrip(), room, initial_indent=" " * margin, subsequent_indent=" " * (margin + hang),
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip

    def fitted(self, text: str, hang: int = 4) -> str:
        """A text of several lines, each wrapped."""
        return "\n".join(piece for line in text.split("\n") for piece in self.wrapped(line, hang))

    def beside(self, left: str, text: str) -> list[str]:
        """A text to the right of another one, in a column of its own where there is room, else below."""
        left, text = self.text(left), self.text(text)
        if self.width is None or len(left) + len(text) <= self.width:
            return [(left + text).rstrip()]
        if self.width - len(left) < NARROWEST:
            return [left.rstrip(), *self.wrapped(f"    {text}")]
        first, *rest = self.wrapped(text, 2, self.width - len(left))
        return [left + first, *(" " * len(left) + line for line in rest)]

    def columns(self, head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
        """A table; where it is too wide, each row in lines of its own: the first cell, and below it the others by name.

        >>> from eqsynth.store.screen import Screen
        >>> table = ("step", "multiply-adds"), [("y = mix(x)", "2 n c_in c_out")]
        >>> print(*Screen().columns(*table), sep=chr(10))
        step        multiply-adds
        y = mix(x)  2 n c_in c_out
        >>> print(*Screen(24).columns(*table), sep=chr(10))
        y = mix(x)
            multiply-adds: 2 n
                c_in c_out
        """
        listed = [tuple(map(self.text, row)) for row in rows]
        wide = [max(map(len, column)) for column in zip(head, *listed, strict=True)]
        if self.width is None or sum(wide) + 2 * (len(wide) - 1) <= self.width:
            return ["  ".join(map(str.ljust, row, wide)).rstrip() for row in (head, *listed)]
        lines = []
        for first, *others in listed:
            lines += self.wrapped(first)
            for name, cell in zip(head[1:], others, strict=True):
                lines += self.wrapped(f"    {name}: {cell}") if cell else []
        return lines


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody looks at what is written to a stream."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        # A closed stream.
        return False


def is_ascii(stream: TextIO | None) -> bool:
    """Whether a stream is asked to stay within ASCII: by its encoding, or by the locale that somebody chose.

    Python takes UTF-8 where the locale is C, since it usually is that because nobody chose one. Where LC_ALL, LC_CTYPE
    or LANG say C or POSIX, somebody did.
    """
    encoding = getattr(stream, "encoding", None) or "utf-8"
    if codecs.lookup(encoding).name == "ascii":
        return True
    if os.environ.get("PYTHONIOENCODING") or os.environ.get("PYTHONUTF8") == "1":
        return False
    kind = os.environ.get("LC_CTYPE")
    # What Python itself puts in the place of C.
    kind = None if sys.flags.utf8_mode and kind in ("C.UTF-8", "C.utf8", "UTF-8") else kind
    return (os.environ.get("LC_ALL") or kind or os.environ.get("LANG")) in ("C", "POSIX")
