"""The forward of an emitted class, rewritten: with weights that are passed, and in two parts.

The parts are what needs weights alone, and the rest. All follows from its text, for every kind of plan: names are
followed from line to line. What may be written to, or is returned, is never taken from one call to the next.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

#: Functions whose results share no memory with what they are given.
FRESH = {"cat", "stack", "bmm", "matmul", "linear", "new_zeros", "addmm", "baddbmm", "pad", "_product"}
#: What makes lines too hard to follow: names of their own.
OPAQUE = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.NamedExpr)


@dataclass(frozen=True)
class Slices:
    """``given(self, weights, *inputs)``, and ``rest(self, values, *inputs)`` of ``values = matrices(self)``.

    ``tensors``: the names of the parameters and tables that the values depend on; none where nothing can be prepared.
    """

    given: Callable[..., Any]
    matrices: Callable[..., tuple[Any, ...]]
    rest: Callable[..., Any]
    tensors: frozenset[str]


def slices(source: str, name: str, namespace: dict[str, Any], parameters: Sequence[str], label: str) -> Slices:
    """The forward of the class ``name`` of a file, rewritten; ``label``: what tracebacks call its text."""
    text = next(one for one in ast.parse(source).body if isinstance(one, ast.ClassDef) and one.name == name)
    forward = next(one for one in text.body if isinstance(one, ast.FunctionDef) and one.name == "forward")
    split = _Split(forward, frozenset(parameters))
    arguments = ast.unparse(forward.args).removeprefix("self, ")
    passed = _Passed(frozenset(parameters))
    bodies = {
        f"given(self, _weights, {arguments})": [ast.unparse(passed.visit(line)) for line in _copy(forward).body],
        "matrices(self)": ["_values = []", *map(ast.unparse, split.before), "return (*_values,)"],
        f"rest(self, _values, {arguments})": [ast.unparse(line) for line in split.after],
    }
    lines = [
        line
        for head, body in bodies.items()
        for line in (f"def {head}:", *("    " + one for part in body for one in part.split("\n")), "")
    ]
    whole = "\n".join(lines)
    linecache.cache[label] = (len(whole), None, whole.splitlines(keepends=True), label)
    local: dict[str, Any] = {}
    exec(compile(whole, label, "exec"), namespace, local)  # noqa: S102 - the text of emit, rearranged
    used = {one.attr for line in split.before for one in ast.walk(line) if isinstance(one, ast.Attribute) and _own(one)}
    tensors = frozenset(used) if split.count else frozenset()
    return Slices(local["given"], local["matrices"], local["rest"], tensors)


def _copy(forward: ast.FunctionDef) -> ast.FunctionDef:
    copied = ast.parse(ast.unparse(forward)).body[0]
    assert isinstance(copied, ast.FunctionDef)  # noqa: S101 - the text of one
    return copied


def _own(node: ast.Attribute) -> bool:
    """Whether this is an attribute of the layer."""
    return isinstance(node.value, ast.Name) and node.value.id == "self"


class _Passed(ast.NodeTransformer):
    """Takes parameters from the argument ``_weights``."""

    def __init__(self, parameters: frozenset[str]) -> None:
        self.parameters = parameters

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        if _own(node) and node.attr in self.parameters:
            return ast.parse(f"_weights[{node.attr!r}]", mode="eval").body
        self.generic_visit(node)
        return node


class _Split:
    """Lines that need weights alone, ``before``, and the others, ``after``, which take values from these."""

    def __init__(self, forward: ast.FunctionDef, parameters: frozenset[str]) -> None:
        self.parameters, self.body = parameters, _copy(forward).body
        arguments = forward.args
        self.local = {one.arg for one in (*arguments.args, *arguments.kwonlyargs)}
        self.local |= {one.arg for one in (arguments.vararg, arguments.kwarg) if one}
        self.local |= {one.id for one in _nodes(self.body) if isinstance(one, ast.Name) and _stored(one)}
        self.written = self._written()
        #: Names that no input changes, and whether weights do.
        self.fixed: dict[str, bool] = {}
        self.before: list[ast.stmt] = []
        self.after: list[ast.stmt] = []
        self.places: dict[str, int] = {}
        self.count = 0
        for line in self.body:
            self._line(line)

    # --- what may be written to ---------------------------------------------------------------------

    def _written(self) -> set[str]:
        """The names whose memory is written to or returned, or may be."""
        nodes = list(_nodes(self.body))
        written: set[str] = set()
        for node in nodes:
            match node:
                case ast.Call() if (target := _in_place(node)) is not None:
                    written |= self._shared(target)
                case ast.keyword(arg="out", value=value) | ast.AugAssign(target=value):
                    written |= self._shared(value)
                case ast.Return(value=ast.expr() as value):
                    written |= self._shared(value)
                case ast.Assign(targets=targets):
                    for target in targets:
                        written |= self._shared(target) if isinstance(target, ast.Subscript) else set()
        assigned = [node for node in nodes if isinstance(node, ast.Assign)]
        before = -1
        while len(written) > before:
            before = len(written)
            for node in assigned:
                if written & _names(node):
                    written |= self._shared(node.value)
        return written

    def _shared(self, node: ast.expr) -> set[str]:
        """The names whose memory the value of an expression may share."""
        return {one.id for part in _aliases(node) for one in ast.walk(part) if isinstance(one, ast.Name)} & self.local

    # --- what depends on what -----------------------------------------------------------------------

    def _is_fixed(self, node: ast.AST) -> bool:
        """Whether no input changes an expression."""
        for one in ast.walk(node):
            match one:
                case ast.Call(func=ast.Attribute() as function) if _own(function) or function.attr.endswith("_"):
                    return False
                case ast.Name(id="self"):
                    continue
                case ast.Name(id=name) if name in self.local and name not in self.fixed:
                    return False
            if isinstance(one, OPAQUE):
                return False
        own = {one.value for one in ast.walk(node) if isinstance(one, ast.Attribute) and _own(one)}
        return all(one in own for one in ast.walk(node) if isinstance(one, ast.Name) and one.id == "self")

    def _weighted(self, node: ast.AST) -> bool:
        """Whether weights change an expression."""
        return any(
            (isinstance(one, ast.Attribute) and _own(one) and one.attr in self.parameters)
            or (isinstance(one, ast.Name) and self.fixed.get(one.id, False))
            for one in ast.walk(node)
        )

    # --- lines --------------------------------------------------------------------------------------

    def _line(self, line: ast.stmt) -> None:
        if isinstance(line, ast.Assign) and not self.written & _names(line) and self._plain(line):
            weighted = self._weighted(line.value)
            self._forget()
            self.fixed |= dict.fromkeys(_names(line), weighted)
            self.before.append(line)
            if not weighted:
                self.after.append(line)
            return
        match line:
            case ast.Assign():
                line.value = self._taken(line.value, bool(self.written & _names(line)))
            case ast.AugAssign():
                line.value = self._taken(line.value, False)
            case ast.Return(value=ast.expr() as value):
                line.value = self._taken(value, True)
            case ast.Expr():
                line.value = self._taken(line.value, False)
            case _:
                line = _Named(self).visit(line)
        stored = {one.id for one in ast.walk(line) if isinstance(one, ast.Name) and _stored(one)}
        if stored & self.fixed.keys():
            self._forget()
            self.fixed = {name: weighted for name, weighted in self.fixed.items() if name not in stored}
        self.after.append(line)

    def _plain(self, line: ast.Assign) -> bool:
        """Whether a line only gives names to what no input changes."""
        nodes = [one for target in line.targets for one in ast.walk(target) if isinstance(one, ast.expr)]
        return all(isinstance(one, ast.Name | ast.Tuple) for one in nodes) and self._is_fixed(line.value)

    def _forget(self) -> None:
        """From here on the same text may mean another value."""
        self.places = {}

    def _taken(self, node: ast.expr, shared: bool) -> ast.expr:
        """The expression with all that weights alone decide taken from the values, unless memory is ``shared``."""
        if isinstance(node, ast.Starred):
            node.value = self._taken(node.value, shared)
            return node
        trivial = isinstance(node, ast.Attribute) and _own(node)
        if not trivial and not shared and self._weighted(node) and self._is_fixed(node):
            return self.value(node)
        if isinstance(node, OPAQUE):
            return _Named(self).visit(node)  # type: ignore[no-any-return]
        behind = set(_aliases(node, deep=False)) if shared else set()
        if isinstance(node, ast.Call) and (target := _in_place(node)) is not None:
            behind.add(target)
        for field, value in ast.iter_fields(node):
            if isinstance(value, ast.expr):
                # What a call is of is a function: only what this is an attribute of is a value.
                if field == "func" and isinstance(value, ast.Attribute):
                    value.value = self._taken(value.value, value.value in behind)
                elif field != "func":
                    setattr(node, field, self._taken(value, value in behind))
            elif isinstance(value, list):
                value[:] = [self._taken(one, one in behind) if isinstance(one, ast.expr) else one for one in value]
                for one in value:
                    if isinstance(one, ast.keyword):
                        one.value = self._taken(one.value, one.value in behind)
        return node

    def value(self, node: ast.expr) -> ast.expr:
        """The expression, from the values."""
        text = ast.unparse(node)
        if text not in self.places:
            self.places[text] = self.count
            self.count += 1
            self.before += ast.parse(f"_values.append({text})").body
        return ast.parse(f"_values[{self.places[text]}]", mode="eval").body


class _Named(ast.NodeTransformer):
    """Takes names that weights decide from the values, and nothing else."""

    def __init__(self, split: _Split) -> None:
        self.split = split

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.split.value(node) if not _stored(node) and self.split.fixed.get(node.id, False) else node


def _nodes(body: Sequence[ast.stmt]) -> Iterator[ast.AST]:
    return (node for line in body for node in ast.walk(line))


def _stored(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store)


def _names(line: ast.Assign) -> set[str]:
    """The names that a line gives."""
    return {one.id for target in line.targets for one in ast.walk(target) if isinstance(one, ast.Name) and _stored(one)}


def _in_place(node: ast.Call) -> ast.expr | None:
    """What a method such as ``add_`` writes to."""
    function = node.func
    if isinstance(function, ast.Attribute) and function.attr.endswith("_") and not function.attr.endswith("__"):
        return function.value
    return None


def _aliases(node: ast.expr, deep: bool = True) -> list[ast.expr]:
    """The parts of an expression whose memory its value may share; with ``deep`` down to names."""
    match node:
        case ast.Subscript(value=value) | ast.Attribute(value=value) | ast.Starred(value=value):
            parts = [value]
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.BoolOp(values=parts):
            pass
        case ast.IfExp(body=body, orelse=orelse):
            parts = [body, orelse]
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)) if name in FRESH or name == "clone":
            parts = []
        case ast.Call(func=ast.Attribute(attr="einsum"), args=[_, _, _, *_]):
            parts = []
        case ast.Call(func=ast.Attribute(value=value)) if not _is_module(value):
            # The result of a method may be a view of what it is of, not of its arguments.
            parts = [value]
        case ast.Call(args=arguments, keywords=keywords):
            parts = [*arguments, *(one.value for one in keywords)]
        case ast.Name():
            return [node] if deep else []
        case ast.BinOp() | ast.UnaryOp() | ast.Compare() | ast.Constant():
            parts = []
        case _:
            parts = [one for one in ast.iter_child_nodes(node) if isinstance(one, ast.expr)]
    return [one for part in parts for one in _aliases(part)] if deep else parts


def _is_module(node: ast.expr) -> bool:
    """Whether this is ``torch``, ``nn`` or a part of them."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name) and node.id in ("torch", "nn")
