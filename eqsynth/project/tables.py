"""Lists that people write as TOML, ``eqsynth.toml`` and ``catalog.toml``: faults in them are told with their place."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from eqsynth.errors import EqsynthError
from eqsynth.store import files

_KINDS = {
    str: "a text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "a table",
}


def read_toml(path: Path, limit: int, error: type[EqsynthError]) -> dict[str, Any]:
    """A file of at most ``limit`` bytes as a table; ``error`` for one that cannot be read or understood.

    >>> import pathlib, tempfile
    >>> from eqsynth.errors import ConfigError
    >>> from eqsynth.project.tables import read_toml
    >>> path = pathlib.Path(tempfile.mkdtemp(), "a.toml")
    >>> _ = path.write_text("x = 1")
    >>> read_toml(path, 100, ConfigError)
    {'x': 1}
    """
    try:
        return tomllib.loads(files.read(path, limit).decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as problem:
        why = getattr(problem, "strerror", None) or problem
        raise error(f"cannot read {str(path)!r}: {why}") from problem


def check_table(
    table: object, known: Mapping[str, Collection[type]], where: str, error: type[EqsynthError], needed: str = ""
) -> None:
    """Refuse what is no table, keys of it that are not known, values of other types, and a table without what it needs.

    >>> from eqsynth.errors import ConfigError
    >>> from eqsynth.project.tables import check_table
    >>> check_table({"ham": "O(3): 1 -> 1"}, {"hom": (str,)}, "eqsynth.toml", ConfigError)
    Traceback (most recent call last):
    ...
    eqsynth.errors.ConfigError: eqsynth.toml: there is no key 'ham'. Did you mean 'hom'? There are 'hom'

    A number that is wanted is no truth value. ``needed`` are words.
    """
    if not isinstance(table, dict):
        raise error(f"{where} is {kind_of(table)}, where a table is expected")
    for key, value in table.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0)
            listed = ", ".join(map(repr, known))
            raise error(f"{where}: there is no key {key!r}. Did you mean {near[0]!r}? There are {listed}")
        if type(value) not in known[key]:
            expected = " or ".join(_KINDS[kind] for kind in known[key])
            raise error(f"{where}: {key} is {kind_of(value)}, where {expected} is expected")
    for key in needed.split():
        if key not in table:
            raise error(f"{where} does not say its {key}: write {key} = ...")


def kind_of(value: object) -> str:
    """What a value is, in words of TOML."""
    return _KINDS.get(type(value), "a date or a time")
