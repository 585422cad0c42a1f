"""The errors that eqsynth raises: one root, so that one ``except`` catches them all.

Every message says what was asked, why it cannot be, and what to ask instead.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, TypeVar, cast

__all__ = [
    "ActivationError",
    "CacheWarning",
    "CallError",
    "CatalogError",
    "ConfigError",
    "EqsynthError",
    "EquivarianceError",
    "ExportError",
    "GroupError",
    "IgnoredInputWarning",
    "IgnoredWeightsWarning",
    "OperandError",
    "ParseError",
    "PlanError",
    "ShapeError",
    "SizeError",
    "SpaceError",
    "SymbolicError",
    "VerificationError",
    "WeightsError",
    "ZeroOutputWarning",
]

CallT = TypeVar("CallT", bound=Callable[..., Any])

#: Up to so many characters a group that is written out, which has as many digits as it takes, is shown whole.
SHOWN_WHOLE = 100
#: How many characters of a text are shown around the place of an error.
WINDOW = 70

_BRACKETS = re.compile(r"(Matrix|Perm|Aut)?\(|\)")
#: How a group that is written out begins where somebody gave it a name.
NAMED = re.compile(r"(?:(?:Matrix|Perm|Aut)\()?\s*(?P<name>(?:[^\W_]|-(?=\w))(?:[\w .+/-]{0,38}[\w.+-])?)\s=\s+")


def shown(value: object, most: int = WINDOW) -> str:
    """What somebody gave, for a message: its repr in one line, cut in the middle where it is long.

    >>> from eqsynth.errors import shown
    >>> shown([1.5, "a"]), shown(list(range(100)), 20)
    ("[1.5, 'a']", '[0, 1, 2,... 98, 99]')
    """
    try:
        text = " ".join(repr(value).split())
    except Exception:  # noqa: BLE001 - a repr of any kind may fail, as that of a number of 5,000 digits does
        text = f"<{type(value).__name__}>"
    kept = (most - 3) // 2
    return text if len(text) <= most else f"{text[: most - 3 - kept]}...{text[len(text) - kept :]}"


def abridged(what: object) -> str:
    """A text for people to read: groups that are written out at great length get their beginning and a digest.

    Those with a name get that.

    >>> from eqsynth.errors import abridged
    >>> abridged("order 1 of Perm(4: 1 2 3 0)")
    'order 1 of Perm(4: 1 2 3 0)'
    >>> abridged(f"order 1 of Perm(60: {' '.join(map(str, range(60)))})")
    'order 1 of Perm(60: 0 1 2 3 4 5 6 7...; 179 characters, sha256 a15a0c27)'
    >>> abridged("order 1 of Perm(ring = 4: 1 2 3 0)")
    'order 1 of ring'
    """
    text = str(what)
    if len(text) <= SHOWN_WHOLE and " = " not in text:
        return text
    pieces, position = [], 0
    for start, stop in _written_out(text):
        if named := NAMED.match(text, start, stop):
            pieces.append(text[position:start] + named["name"])
            position = stop
        elif stop - start > SHOWN_WHOLE:
            from hashlib import sha256

            whole = text[start:stop]
            digest = sha256(whole.encode("utf-8", "backslashreplace")).hexdigest()[:8]
            pieces.append(f"{text[position:start]}{whole[:24]}...; {len(whole)} characters, sha256 {digest})")
            position = stop
    return "".join(pieces) + text[position:]


def _written_out(text: str) -> Iterator[tuple[int, int]]:
    """Where groups that are written out begin and end in a text."""
    start = depth = 0
    for match in _BRACKETS.finditer(text):
        if match[0] != ")":
            start = start if depth else match.start()
            depth += bool(depth or match[1])
        elif depth:
            depth -= 1
            if not depth:
                yield start, match.end()


class EqsynthError(Exception):
    """The root of every error that eqsynth raises on purpose; groups in its message are :func:`abridged`.

    >>> import eqsynth as eq
    >>> try:
    ...     eq.basis("S(n)", 2, -1)
    ... except eq.EqsynthError as error:
    ...     print(f"{type(error).__name__}: {error}")
    SpaceError: the order -1 is negative: ask for 0, 1, 2, ...
    """

    def __init__(self, *args: object) -> None:
        super().__init__(*(abridged(value) if isinstance(value, str) else value for value in args))


def counted(number: int, one: str, several: str | None = None) -> str:
    """A number of things, in words.

    >>> from eqsynth.errors import counted
    >>> counted(1, "map"), counted(1200, "map"), counted(2, "entry", "entries")
    ('1 map', '1,200 maps', '2 entries')
    """
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"


def require(name: str, value: object, kind: type, cure: str) -> None:
    """Refuse an argument that is no object of a class.

    >>> from eqsynth.errors import require
    >>> require("basis", "O(3)", int, "write eq.basis(group, inputs, outputs)")
    Traceback (most recent call last):
    ...
    eqsynth.errors.EqsynthError: basis takes int, not 'O(3)': write eq.basis(group, inputs, outputs)
    """
    if not isinstance(value, kind):
        raise EqsynthError(f"{name} takes {kind.__name__}, not {shown(value)}: {cure}")


class CallError(EqsynthError, TypeError):
    """A call with arguments that nothing takes, or without some that are needed.

    >>> import eqsynth as eq
    >>> eq.nn.Sparse(eq.Linear("S(n)", 1, 1), restricted=True)
    Traceback (most recent call last):
    ...
    eqsynth.errors.CallError: Sparse takes no restricted, did you mean restrict? Write Sparse(module, restrict=False)

    A TypeError, too.
    """


class OperandError(EqsynthError, TypeError):
    """Operators between things that they do not join, as a map and a number.

    >>> from eqsynth.algebra import identity
    >>> identity("S(n)", 1) >> 3
    Traceback (most recent call last):
    ...
    eqsynth.errors.OperandError: (S(n): 1 -> 1) >> 3 is not defined: c * f is a multiple of f

    A TypeError, too.
    """


def explain_calls(called: CallT) -> CallT:
    """Make a function, or a class, say in its own words what it takes where Python refuses a call.

    >>> from eqsynth.errors import explain_calls
    >>> @explain_calls
    ... def scaled(x, factor=2):
    ...     return factor * x
    >>> scaled(3, factro=5)
    Traceback (most recent call last):
    ...
    eqsynth.errors.CallError: scaled takes no factro, did you mean factor? Write scaled(x, factor=2)
    """
    if isinstance(called, type):
        for name in {"__new__", "__init__"} & vars(called).keys():
            setattr(called, name, _explained(getattr(called, name)))
        return called
    return cast("CallT", _explained(called))


def _explained(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except TypeError as error:
            # Only where the call itself was refused: then nothing inside has run.
            if error.__traceback__ is None or error.__traceback__.tb_next is not None:
                raise
            raise CallError(_refused_call(function, args, kwargs)) from None

    return call


def _refused_call(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """Why Python does not make a call, and how it is written."""
    import inspect
    from difflib import get_close_matches

    name = re.sub(r"\.__(new|init)__$", "", function.__qualname__)
    parameters = [one.replace(annotation=one.empty) for one in inspect.signature(function).parameters.values()]
    own = int(bool(parameters) and parameters[0].name in ("self", "cls"))
    taken = parameters[own:]
    by_name = [one.name for one in taken if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    places = [one.name for one in taken if one.kind in (one.POSITIONAL_OR_KEYWORD, one.POSITIONAL_ONLY)]
    given = places[: len(args) - own]
    unknown = [key for key in kwargs if key not in by_name]
    twice = [key for key in kwargs if key in given]
    lacking = [one.name for one in taken if one.default is one.empty and one.name not in (*given, *kwargs)]
    if unknown:
        near = get_close_matches(unknown[0].lower()[:80], by_name, n=1)
        why = f"takes no {unknown[0]}" + (f", did you mean {near[0]}?" if near else ".")
    elif twice:
        why = f"is given {twice[0]} twice, by its place and by its name."
    elif len(args) - own > len(places):
        why = f"takes at most {len(places)} arguments without their names, not {len(args) - own}."
    else:
        why = f"needs {' and '.join(filter(None, [', '.join(lacking[:-1]), *lacking[-1:]]))}, too."
    return f"{name} {why} Write {name}{inspect.Signature(taken)}"


class ParseError(EqsynthError, ValueError):
    """A group or space string that does not parse; the message points at the place.

    >>> import eqsynth as eq
    >>> eq.Group.parse("Sp(3)")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    eqsynth.errors.ParseError: cannot read the group 'Sp(3)': Sp(3) does not exist, omega needs an even ...
        Sp(3)
           ^
    Write a family and a size, such as S(5) or O(3); a letter, S(n), leaves the size open.

    ``text`` is what was read, ``position`` the place in it. A ValueError, too.
    """

    def __init__(self, what: str, text: str, position: int, why: str, cure: str) -> None:
        self.text, self.position = text, position
        start = max(0, min(position - WINDOW // 2, len(text) - WINDOW))
        before, after = "..." * (start > 0), "..." * (start + WINDOW < len(text))
        # One character for each, so that the mark stands below its place.
        line = "".join(mark if mark.isprintable() else " " for mark in text[start : start + WINDOW])
        under = " " * (len(before) + position - start)
        # The text as it was written: a name in place of what it stands for would move it away from its mark.
        message = f"cannot read the {what} {shown(text)}: {why}\n    {before}{line}{after}\n    {under}^\n{cure}"
        Exception.__init__(self, message)

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild_parse_error, (str(self), self.text, self.position))


def _rebuild_parse_error(message: str, text: str, position: int) -> ParseError:
    error = ParseError.__new__(ParseError)
    Exception.__init__(error, message)
    error.text, error.position = text, position
    return error


class GroupError(EqsynthError, ValueError):
    """A group that does not exist, such as Sp(3), or that a function does not take.

    >>> import eqsynth as eq
    >>> eq.Group("Sp", 3)
    Traceback (most recent call last):
    ...
    eqsynth.errors.GroupError: Sp(3) does not exist, omega needs an even dimension: ask for Sp(4)

    In a text it is a ParseError, which shows the place. A ValueError, too.
    """


class SpaceError(EqsynthError, ValueError):
    """A tensor space or an order that does not exist, such as order -1.

    >>> import eqsynth as eq
    >>> eq.basis("S(n)", -1, 1)
    Traceback (most recent call last):
    ...
    eqsynth.errors.SpaceError: the order -1 is negative: ask for 0, 1, 2, ...

    A ValueError, too.
    """


class SizeError(EqsynthError, ValueError):
    """A request that would not fit in time or memory, refused before it starts.

    >>> import eqsynth as eq
    >>> eq.basis("S(n)", 9, 9)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    eqsynth.errors.SizeError: S(n) 9 -> 9 has 682,076,806,159 diagrams, more than 1,000,000: ask for lower ...

    A ValueError, too.
    """


class SymbolicError(EqsynthError, ValueError):
    """A number was needed where n is a letter.

    >>> import eqsynth as eq
    >>> eq.basis("S(n)", 1, 1).matrices()
    Traceback (most recent call last):
    ...
    eqsynth.errors.SymbolicError: S(n) leaves n open: say which, for example n=4

    A ValueError, too.
    """


class PlanError(EqsynthError, ValueError):
    """A plan whose steps do not fit together.

    >>> import eqsynth as eq
    >>> from dataclasses import replace
    >>> plan = eq.plan("S(n)", 1, 1)
    >>> replace(plan, steps=plan.steps[1:])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    eqsynth.errors.PlanError: a step of a plan of S(n): 1x1 -> 1x1 does not fit, x_1 = sum of x_a [*]: no step ...

    A ValueError, too.
    """


class ShapeError(EqsynthError, ValueError):
    """A tensor of the wrong shape reached a layer.

    >>> import torch, eqsynth as eq
    >>> eq.Linear("S(n)", "2x2", "1x1")(torch.zeros(3, 3, 5))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    eqsynth.errors.ShapeError: input has shape (3, 3, 5), expected a tensor of shape (*batch, n, n, 2), ...

    A ValueError, too.
    """


class WeightsError(EqsynthError, RuntimeError):
    """Weights that belong to another function than that of the layer that is to take them.

    >>> import eqsynth as eq
    >>> layer, other = eq.Linear("S(n)", 1, 1), eq.Linear("S(n)", 1, 1, normalization="mean")
    >>> layer.load_state_dict(other.state_dict())  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    eqsynth.errors.WeightsError: these weights belong to another function:
        they are those of S(n): 1 -> 1; normalization=mean; parameters=diagrams
        the layer is      S(n): 1 -> 1; normalization=variance; parameters=diagrams
    Build the layer with normalization='mean'. ...

    A RuntimeError, too.
    """


class ActivationError(EqsynthError, ValueError):
    """A non-linear or normalising layer that would break the symmetry, or that the group does not allow.

    >>> import eqsynth as eq
    >>> eq.nn.LayerNorm("Sp(4)", "8x1")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    eqsynth.errors.ActivationError: tensors of order 1 of Sp(4) cannot be normalised: no positive definite form ...

    A ValueError, too.
    """


class ExportError(EqsynthError, OSError):
    """A file could not be written or read.

    >>> import eqsynth as eq
    >>> eq.verify("missing.py")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    eqsynth.errors.ExportError: cannot read 'missing.py': it is neither a file nor a problem. Give an exported ...

    An OSError, too.
    """


class CatalogError(EqsynthError, ValueError):
    """An entry of a catalog or of the cache that is damaged, malformed, or from a newer version.

    >>> from eqsynth.store.cache import Store
    >>> Store("cache").path("../layers")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    eqsynth.errors.CatalogError: ...

    A ValueError, too.
    """


class ConfigError(EqsynthError, ValueError):
    r"""An eqsynth.toml, or what a command asks in its place, that is not understood.

    >>> import pathlib, tempfile
    >>> from eqsynth.project.syncing import read_project
    >>> path = pathlib.Path(tempfile.mkdtemp(), "eqsynth.toml")
    >>> _ = path.write_text('[eqsynth]\nto = "mypkg/layers"\n[layrs.Mean]\n')
    >>> read_project(path)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    eqsynth.errors.ConfigError: ...

    A ValueError, too.
    """


class VerificationError(EqsynthError):
    """A layer, basis or certificate that does not keep its promise.

    >>> import pathlib, tempfile, eqsynth as eq
    >>> path = pathlib.Path(tempfile.mkdtemp(), "layer.py")
    >>> artifact = eq.export(eq.Linear("S(n)", 1, 1), path)
    >>> _ = path.write_text(artifact.source.replace("-0.5", "-0.4"))
    >>> eq.verify(path)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    eqsynth.errors.VerificationError: ...
    """


class EquivarianceError(VerificationError, AssertionError):
    """A module that does not commute with its group.

    >>> import torch, eqsynth as eq
    >>> class Relu(torch.nn.ReLU):
    ...     group, space_in, space_out = "O(3)", "1x1", "1x1"
    >>> eq.testing.assert_equivariant(Relu())  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    eqsynth.errors.EquivarianceError: Relu is not equivariant under O(3): module(g x) is ...

    An AssertionError, too, so that tests fail with it.
    """


class ZeroOutputWarning(UserWarning):
    """An output term of a layer is always zero, because only the zero map has the symmetry.

    >>> import warnings, eqsynth as eq
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error")
    ...     eq.Linear("O(3)", "1x1", "1x1 + 1x0", bias=False)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    eqsynth.errors.ZeroOutputWarning: output term 1 of O(3): 1x1 -> 1x1 + 1x0 is always zero: no map into it ...
    """


class IgnoredWeightsWarning(UserWarning):
    """Edges of a graph have weights that nobody asked for, and the group is that of the graph without them.

    >>> import warnings, networkx, eqsynth as eq
    >>> graph = networkx.Graph()
    >>> graph.add_weighted_edges_from([(0, 1, 2.0), (1, 2, 1.0)])
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error")
    ...     eq.Aut(graph)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    eqsynth.errors.IgnoredWeightsWarning: ...
    """


class IgnoredInputWarning(ZeroOutputWarning):
    """A term of the input of a layer has no influence on the output, because only the zero map has the symmetry.

    >>> import warnings, eqsynth as eq
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error")
    ...     eq.Linear("O(3)", "1x1 + 1x0", "1x0")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    eqsynth.errors.IgnoredInputWarning: input term 0 of O(3): 1x1 + 1x0 -> 1x0 is ignored: no map out of it has ...
    """


class CacheWarning(UserWarning):
    """The cache is damaged or out of use; results are right all the same, and slower.

    >>> import pathlib, tempfile, warnings
    >>> from eqsynth.store.cache import Store
    >>> store, key = Store(tempfile.mkdtemp()), 64 * "0"
    >>> store.path(key).parent.mkdir(parents=True)
    >>> _ = store.path(key).write_text("damaged")
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error")
    ...     store.get(key)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    eqsynth.errors.CacheWarning: ...
    """


def warn(message: str, category: type[Warning]) -> None:
    """Warn at the line outside of eqsynth that led here."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "eqsynth":
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def __dir__() -> list[str]:
    return sorted(__all__)
