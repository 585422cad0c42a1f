"""The page that ``eqsynth show --html`` writes: all maps of a problem, to look at in a browser."""

from eqsynth.show.page import (
    document,
    html,
    write,
)

__all__ = [
    "document",
    "html",
    "write",
]
