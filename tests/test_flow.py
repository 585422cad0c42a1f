"""The architecture: one direction of imports, a light package, and no stale names."""

import ast
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

import eqsynth as eq
from eqsynth.bases import basis
from eqsynth.families.group import FAMILIES, OTHERS
from eqsynth.families.product import ProductGroup

PACKAGE = Path(eq.__file__).parent
#: From the ground up: a room uses itself and those before it, in hints for type checkers, too.
ROOMS = (
    "errors", "exact", "store", "spaces", "graphs", "families", "diagrams", "bases", "plans", "codegen", "layers", "nn",
    "proof", "show", "project", "cli",
)  # fmt: skip
#: What users import; each only names what a room has.
DOORS = {
    "drawing": "diagrams",
    "svg": "diagrams",
    "tikz": "diagrams",
    "algebra": "bases",
    "symbolic": "bases",
    "page": "show",
    "testing": "proof",
}


def modules(package=PACKAGE):
    """Every module of the package under its name without ``eqsynth.``, with its syntax tree."""
    listed = {}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package).with_suffix("").parts
        listed[".".join(parts).removesuffix(".__init__")] = ast.parse(path.read_text(encoding="utf-8"))
    return listed


def imports(trees, name, lazy=True):
    """The modules of eqsynth that a module imports, anywhere in it; with ``lazy=False`` when it is imported itself."""
    tree = trees[name]
    kinds = (ast.FunctionDef, ast.If)  # nothing but hints for type checkers is imported under a condition
    inside = {node for block in ast.walk(tree) if isinstance(block, kinds) and not lazy for node in ast.walk(block)}
    used = set()
    for node in ast.walk(tree):
        if node in inside:
            continue
        names = []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: write imports in full"
            names = [(node.module, f"{node.module}.{alias.name}") for alias in node.names]
        if isinstance(node, ast.Import):
            names = [(alias.name, alias.name) for alias in node.names]
        for module, member in names:
            if module.split(".")[0] == "eqsynth":
                inner = member.partition(".")[2]
                used.add(inner if inner in trees else module.partition(".")[2])
    return used


def upward(trees):
    """Imports of a later room, or of what is no room."""
    order = {room: floor for floor, room in enumerate(ROOMS)}
    found = []
    for name in trees:
        room = name.split(".")[0]
        for used in imports(trees, name) if room in order else ():
            other = used.split(".")[0]
            if other not in order or order[other] > order[room]:
                # The version is all that the package itself is asked for.
                found += [(name, used)] if used else []
    return sorted(found)


def test_every_module_is_in_a_room():
    rooms = {name.split(".")[0] for name in modules()} - {"__init__", "__main__"}
    assert rooms == {*ROOMS, *DOORS}


def test_rooms_use_lower_rooms_alone():
    assert upward(modules()) == []


def test_families_alone_ask_which_family_a_group_is_of():
    """A condition on a family elsewhere would have to be found and changed for every further one."""
    kinds = {kind.__name__ for kind in (*FAMILIES.values(), *OTHERS.values(), ProductGroup)}
    for path in PACKAGE.rglob("*"):
        if path.suffix not in (".py", ".js") or "families" in path.parts:
            continue
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"family (==|!=|in|not in)", text), path
        for node in ast.walk(ast.parse(text)) if path.suffix == ".py" else ():
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("isinstance", "issubclass", "type"):
                assert not kinds & {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}, (
                    path,
                    node.lineno,
                )
            assert not isinstance(node, ast.MatchClass) or ast.unparse(node.cls) not in kinds, (path, node.lineno)


def test_doors_only_name_what_a_room_has():
    trees = modules()
    for door, room in DOORS.items():
        assert {room} <= {used.split(".")[0] for used in imports(trees, door)} <= {room, "exact"}
        assert not any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in ast.walk(trees[door]))
        module = import_module(f"eqsynth.{door}")
        assert module.__all__ == sorted(module.__all__)
        assert all(hasattr(module, name) for name in module.__all__)


def circle(trees):
    """Modules that need each other when they are imported; None where there are none."""
    graph = {name: imports(trees, name, lazy=False) - {""} for name in trees if name != "__init__"}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return None


def test_no_module_needs_itself():
    assert circle(modules()) is None


def test_the_checkers_see_backward_imports_and_circles(tmp_path):
    (tmp_path / "spaces").mkdir()
    (tmp_path / "codegen").mkdir()
    bad = tmp_path / "spaces" / "space.py"
    bad.write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from eqsynth.codegen import emit\n"
        "def f():\n    import eqsynth.layers.linear\n"
    )
    (tmp_path / "codegen" / "emit.py").write_text("from eqsynth.spaces.space import f\n")
    trees = modules(tmp_path)
    assert upward(trees) == [("spaces.space", "codegen.emit"), ("spaces.space", "layers.linear")]
    assert circle(trees) is None
    bad.write_text("from eqsynth.codegen import emit\n")
    assert set(circle(modules(tmp_path))) == {"spaces.space", "codegen.emit"}
    bad.write_text("from .codegen import emit\n")
    with pytest.raises(AssertionError, match="in full"):
        upward(modules(tmp_path))


def test_the_digest_of_a_basis_covers_all_that_makes_it():
    """A room that decides what is in an entry, and is left out, would leave old entries in use."""
    trees, reached, agenda = modules(), set(), ["bases.basis"]
    while agenda:
        name = agenda.pop()
        if name not in reached:
            reached.add(name)
            agenda += imports(trees, name) & trees.keys()
    # Messages of errors and how entries are stored change no basis.
    assert {name.split(".")[0] for name in reached} - {"errors", "store"} == set(basis.MAKERS)


def test_importing_eqsynth_is_light():
    heavy = {"torch", "sympy", "numpy", "flint", "rich", "typer", "networkx", "igraph", "filelock", "platformdirs"}
    code = f"import sys, eqsynth; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_bases_and_plans_need_no_torch():
    code = (
        "import sys, eqsynth as eq; eq.basis('O(2)', 3, 3).matrices(); eq.plan('S(n)', '2x2', '3x2');"
        "from eqsynth.codegen.emit import emit; emit(eq.plan('S(n)', '2x2', '3x2'));"
        "print(sorted({'torch', 'sympy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def loaded_by(heavy, *steps):
    """Which of the modules are loaded after each step that come with neither torch nor Python's start."""
    told = f"print(sorted({heavy} & (set(sys.modules) - before)))"
    code = "; ".join(["import sys, torch; before = set(sys.modules)", *(f"{step}; {told}" for step in steps)])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_making_a_layer_loads_little():
    """What takes longer to import than a layer takes to make is loaded when something needs it."""
    heavy = {"flint", "sympy", "networkx", "igraph", "rich", "filelock", "fractions", "decimal", "html", "xml"}
    heavy |= {f"eqsynth.diagrams.{name}" for name in ("layout", "shapes", "svg", "tikz")}
    heavy |= {f"eqsynth.bases.{name}" for name in ("constraints", "symbolic", "relations", "table")}
    heavy |= {
        "eqsynth.codegen.runtime",
        "eqsynth.layers.compiling",
        "eqsynth.plans.interpret",
        "eqsynth.proof",
        "eqsynth.show",
        "eqsynth.project",
    }
    assert all(
        (PACKAGE / "/".join(name.split(".")[1:])).with_suffix(".py").exists()
        or (PACKAGE / "/".join(name.split(".")[1:])).is_dir()
        for name in heavy
        if name.startswith("eqsynth.")
    )
    heavy |= {"more_itertools", "torch._dynamo", "torch._inductor"}
    made = "import eqsynth as eq; eq.Linear('O(3)', '8x4', '8x4'); eq.Linear('S(n)', '2x2', '2x2'); eq.nn"
    light, drawn = loaded_by(heavy, made, "eq.basis('O(3)', 2, 2)._repr_html_()")
    assert light == "[]"
    assert drawn != "[]"


def test_every_public_name_loads_and_is_documented_with_an_example():
    for name in eq.__all__:
        value = getattr(eq, name)
        if callable(value) and not issubclass(type(value), str):
            assert value.__doc__, name
            if not (isinstance(value, type) and issubclass(value, Exception)):
                assert ">>>" in value.__doc__ or name in {"Report", "Certificate"}, name
    assert "Linear" in dir(eq)


def test_functions_are_not_hidden_by_modules():
    """`eqsynth.basis` must stay the function, whatever is imported first."""
    code = (
        "import eqsynth.cli, eqsynth.bases, eqsynth as eq; eq.Basis; eq.Linear;"
        "print(*map(callable, (eq.basis, eq.plan, eq.verify, eq.export)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True True True True"
