"""What an editor shows: signatures, names, docstrings, and types (``tests/typed_use.py``, which mypy reads)."""

import ast
import inspect
import pydoc
import textwrap
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
import typed_use

import eqsynth as eq
from eqsynth import errors

ROOT = Path(__file__).parents[1]
MODULES = ("algebra", "errors", "nn", "page", "symbolic", "testing")
#: Calls that take any number of arguments on purpose, and types that are none of ours.
OPEN = {"Sequential", "compile", "Term", "Scalar"}


def public(module):
    """The public names of a module, with their values."""
    return {name: getattr(module, name) for name in module.__all__}


@pytest.mark.parametrize("name", ["", *MODULES])
def test_completion_shows_public_names_only(name):
    module = import_module(f"eqsynth.{name}".rstrip("."))
    shown = [one for one in dir(module) if not one.startswith("_")]
    extra = MODULES if module is eq else ()
    assert sorted(shown) == sorted([*(one for one in module.__all__ if not one.startswith("_")), *extra])


@pytest.mark.parametrize("name", ["", *MODULES])
def test_signatures_are_those_that_one_writes(name):
    module = import_module(f"eqsynth.{name}".rstrip("."))
    for own, value in public(module).items():
        if not callable(value) or own in OPEN or (isinstance(value, type) and issubclass(value, Exception)):
            continue
        parameters = inspect.signature(value).parameters.values()
        assert not [one for one in parameters if one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD)], own
        assert not [one for one in parameters if one.annotation is one.empty], own


def test_a_layer_has_the_signature_of_its_class():
    written = list(inspect.signature(eq.Linear).parameters)
    assert written[:4] == ["group", "space_in", "space_out", "bias"]
    assert list(inspect.signature(type(eq.Linear("S(n)", 1, 1))).parameters) == written
    assert list(inspect.signature(eq.Linear.__init__).parameters) == ["self", *written]
    assert list(inspect.signature(eq.Linear("S(n)", 0, 1).forward).parameters)[:2] == ["x", "n"]


@pytest.mark.parametrize("name", MODULES)
def test_everything_public_has_a_docstring_that_help_shows(name):
    module = import_module(f"eqsynth.{name}")
    for own, value in public(module).items():
        if own not in OPEN:
            first = inspect.getdoc(value).splitlines()[0]
            assert first in pydoc.render_doc(value, renderer=pydoc.plaintext), own


@pytest.mark.parametrize("name", ["eqsynth", *(f"eqsynth.{name}" for name in MODULES)])
def test_everything_public_has_an_example(name):
    """The tests of docstrings run them."""
    module = import_module(name)
    lacking = [own for own, value in public(module).items() if inspect.isclass(value) or inspect.isfunction(value)
               if ">>>" not in (inspect.getdoc(value) or "")]  # fmt: skip
    assert not lacking


def raised(function):
    """The errors of eqsynth that the body of a function raises itself, and not what it calls."""
    body = ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function))))
    called = {ast.unparse(one.exc.func) for one in body if isinstance(one, ast.Raise) and isinstance(one.exc, ast.Call)}
    return called & {*errors.__all__}


def functions(value):
    """A public function, or the methods and properties that a public class defines for its users."""
    own = [one for key, one in vars(value).items() if key[0] != "_"] if inspect.isclass(value) else [value]
    bare = [getattr(one, "fget", getattr(one, "__func__", one)) for one in own]
    return [one for one in map(inspect.unwrap, bare) if inspect.isfunction(one)]


@pytest.mark.parametrize("name", ["eqsynth", "eqsynth.algebra", "eqsynth.nn", "eqsynth.symbolic", "eqsynth.testing"])
def test_docstrings_name_the_errors_that_are_raised(name):
    listed = [one for value in public(import_module(name)).values() for one in functions(value)]
    assert any(map(raised, listed))
    lacking = [(one.__qualname__, error) for one in listed for error in raised(one) if error not in (one.__doc__ or "")]
    assert not lacking


def test_help_shows_what_a_layer_is():
    shown = pydoc.render_doc(eq.Linear, renderer=pydoc.plaintext)
    assert "Every linear map between two spaces that commutes with a group" in shown
    assert "group: 'str | Group', space_in: 'str | int | Space'" in shown


def test_mypy_reads_the_file_and_types_are_told():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    assert "tests/typed_use.py" in settings["mypy"]["files"]
    assert settings["mypy"]["strict"]
    # The wheel has all of the package, with the mark that its types are meant.
    assert settings["hatch"]["build"]["targets"]["wheel"]["packages"] == ["eqsynth"]
    assert (ROOT / "eqsynth" / "py.typed").exists()


@pytest.mark.parametrize("name", ["layers_give_tensors", "networks_give_tensors", "bases_have_formulas"])
def test_what_users_write_runs(name):
    getattr(typed_use, name)()


def test_what_type_checkers_refuse_is_refused_when_it_runs():
    for call in typed_use.misspelt():
        with pytest.raises((eq.EqsynthError, AttributeError, TypeError)):
            call()
