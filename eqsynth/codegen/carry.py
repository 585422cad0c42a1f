"""The text of what emitted files carry: definitions of some modules without annotations, with what they need.

Modules are read, not imported: making a source needs no torch.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from textwrap import dedent

from eqsynth.codegen.meaning import LENGTH
from eqsynth.errors import EqsynthError

#: The modules, in order; what they define has different names, and the first imports what all of it needs.
MODULES = ("codegen/runtime.py", "layers/converting.py", "nn/samples.py", "nn/entries.py")
#: The class whose methods are copied one by one.
SHARED = "Carried"
#: The method of a class over the complex numbers, which calls a function that it carries.
APPLY_COMPLEX = "def _apply(self, fn, recurse=True):\n    return apply_complex(self, fn, recurse)\n"


@dataclass(frozen=True, slots=True)
class Definition:
    """A function or class: its text, and all names that it uses and does not bind itself."""

    name: str
    text: str
    uses: frozenset[str]


def definitions(names: Iterable[str]) -> list[Definition]:
    """The definitions with these names and those that they need, in the order of the modules.

    >>> from eqsynth.codegen.carry import definitions
    >>> [one.name for one in definitions(["_epsilon"])]
    ['_epsilon', '_place', '_parity']
    >>> print(definitions(["_parity"])[0].text)
    def _parity(labels):
        return (-1) ** sum(a > b for i, b in enumerate(labels) for a in labels[:i])

    Raises EqsynthError for a name that is not defined there.
    """
    order = _defined()
    wanted, carried = [*names], dict[str, Definition]()
    while wanted:
        name = wanted.pop()
        if name not in carried:
            carried[name] = _definition(name)
            wanted += carried[name].uses & {*order}
    return [carried[name] for name in order if name in carried]


def imports(uses: Iterable[str]) -> list[str]:
    """The lines that import those of the names that the modules import, from the standard library first.

    >>> from eqsynth.codegen.carry import imports
    >>> imports({"torch", "math", "product", "x"})
    ['import math', 'from itertools import product', '', 'import torch']
    """
    uses = {*uses}
    standard: list[str] = []
    others: list[str] = []
    for where, listed in _imported():
        names = [name for name in listed if name in uses]
        uses -= {*names}
        if names:
            (others if "torch" in (where or names[0]) else standard).append(
                f"from {where} import {', '.join(names)}" if where else f"import {', '.join(names)}"
            )
    if standard and standard[-1].startswith(("from functools ", "from itertools ")):
        standard.append("")
    return standard + others


def _imported() -> list[tuple[str, list[str]]]:
    """The names that the modules import from elsewhere, and where they come from; "" for a whole module."""
    nodes = [node for path in MODULES for node in _module(path)[1].body]
    whole = [("", [alias.name for alias in node.names]) for node in nodes if isinstance(node, ast.Import)]
    parts = [(str(one.module), [a.name for a in one.names]) for one in nodes if isinstance(one, ast.ImportFrom)]
    return whole + sorted(part for part in parts if not part[0].startswith("eqsynth"))


@cache
def importable() -> frozenset[str]:
    """The names that a file may import, and that of what files of complex layers carry."""
    bound = {name for _, names in _imported() for name in names}
    used = {name for one in definitions(_defined()) for name in one.uses}
    return frozenset(bound & used) | {"apply_complex"}


def methods(*names: str, first: str | None = None, serves: str | None = None) -> str:
    """Methods of the shared class, each with a blank line behind.

    >>> from eqsynth.codegen.carry import methods
    >>> print(methods("_table", first="weight").split(chr(10))[1])
        like = self.weight

    ``first``: the parameter whose dtype and device tables have. ``serves``: the problem, in words of an f-string.
    Raises EqsynthError for a name that the class does not have, and where a method needs one of both.
    """
    text = "".join(f"{_method(name)}\n\n" for name in names)
    for word, written in (
        ("LENGTH", str(LENGTH)),
        ("self.first", first and f"self.{first}"),
        ("{self.serves}", serves),
    ):
        if word in text and written is None:
            raise EqsynthError(f"{', '.join(names)} of {SHARED} holds {word}: say what a file has in its place")
        text = text.replace(word, written or "")
    return text.removesuffix("\n")


@cache
def _module(path: str) -> tuple[list[str], ast.Module]:
    """The lines of a module, and what they mean."""
    source = resources.files("eqsynth").joinpath(*path.split("/")).read_text(encoding="utf-8")
    return source.split("\n"), ast.parse(source)


@cache
def _defined() -> dict[str, str]:
    """The functions and classes that files may carry whole, in order, and the module of each."""
    return {
        node.name: path
        for path in MODULES
        for node in _module(path)[1].body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name != SHARED
    }


@cache
def _definition(name: str) -> Definition:
    path = _defined().get(name, MODULES[0])
    lines, module = _module(path)
    node = _found(name, [] if name == SHARED else module.body)
    # Files know one kind of error.
    text = _stripped(node, lines)
    for error in ("ShapeError", "SizeError"):
        text = text.replace(f"raise {error}(", "raise ValueError(")
    nodes = list(ast.walk(ast.parse(text)))
    names = [one for one in nodes if isinstance(one, ast.Name)]
    own = {one.id for one in names if isinstance(one.ctx, ast.Store)} | {o.arg for o in nodes if isinstance(o, ast.arg)}
    return Definition(name, text, frozenset(one.id for one in names) - own)


@cache
def _method(name: str) -> str:
    lines, module = _module(MODULES[0])
    shared = _found(SHARED, module.body)
    return dedent(_stripped(_found(name, shared.body), lines))


def _found(name: str, nodes: list[ast.stmt]) -> ast.FunctionDef | ast.ClassDef:
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            return node
    raise EqsynthError(f"files cannot carry {name!r}: {' and '.join(MODULES)} define nothing of that name there")


def _stripped(node: ast.FunctionDef | ast.ClassDef, text: list[str]) -> str:
    """The lines of a definition, with no annotations in them."""
    start = min([node, *node.decorator_list], key=lambda one: one.lineno).lineno - 1
    lines = text[start : node.end_lineno]
    # From the last line up, so that lines above keep their numbers.
    for inner in sorted(_annotated(node), key=lambda one: one.lineno, reverse=True):
        first = inner.lineno - 1 - start
        if isinstance(inner, ast.AnnAssign):
            assert inner.value is not None  # noqa: S101 - without a value there is nothing to keep
            before, after = lines[first][: inner.target.end_col_offset], lines[first][inner.value.col_offset :]
            lines[first] = f"{before} = {after}"
        else:
            assert inner.returns is not None  # noqa: S101 - mypy holds it
            head = f"{' ' * inner.col_offset}def {inner.name}({', '.join(_arguments(inner.args, text))}):"
            lines[first : (inner.returns.end_lineno or 0) - start] = [head]
    return "\n".join(lines)


def _annotated(node: ast.AST) -> list[ast.FunctionDef | ast.AnnAssign]:
    return [inner for inner in ast.walk(node) if isinstance(inner, ast.FunctionDef | ast.AnnAssign)]


def _arguments(listed: ast.arguments, text: list[str]) -> list[str]:
    """Names with their defaults, as they are written."""
    arguments = [argument.arg for argument in listed.args]
    for place, default in enumerate(listed.defaults, len(arguments) - len(listed.defaults)):
        line = text[default.lineno - 1]
        arguments[place] += f"={line[default.col_offset : default.end_col_offset]}"
    return arguments + ([f"*{listed.vararg.arg}"] if listed.vararg else [])
