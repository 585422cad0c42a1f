"""The architecture: one direction of imports, a light package, and no stale names."""

import ast
import subprocess
import sys
from pathlib import Path

import eqsynth as eq

PACKAGE = Path(eq.__file__).parent
#: Later modules may import earlier ones, never the other way round.
FLOW = [
    "errors",
    "numbers",
    "limits",
    "files",
    "cache",
    "space",
    "orbits",
    "graphs",
    "group",
    "diagram",
    "codec",
    "enumeration",
    "bilabelled",
    "dimension",
    "bratteli",
    "words",
    "representation",
    "trials",
    "constraints",
    "functor",
    "gram",
    "cosets",
    "figure",
    "drawing",
    "draw",
    "svg",
    "tikz",
    "bases",
    "pointwise",
    "forms",
    "adapted",
    "algebra",
    "symbolic",
    "relations",
    "polynomial",
    "schur",
    "fourier",
    "plans",
    "lower",
    "symmetric",
    "products",
    "interpret",
    "interpret_products",
    "meaning",
    "recipes",
    "emit_irreps",
    "emit_fourier",
    "emit",
    "emit_products",
    "module",
    "tensor",
    "packing",
    "verify_products",
    "compiling",
    "activations",
    "normalising",
    "building",
    "geometric",
    "support",
    "sparse",
    "padding",
    "parallel",
    "nn",
    "testing",
    "inspection",
    "exporting",
    "page",
    "verification",
    "catalog",
    "syncing",
    "cli",
]


def imports(path):
    """Modules of eqsynth that a file needs at run time, with the names used under TYPE_CHECKING left out."""
    tree = ast.parse(path.read_text())
    hints = [
        node
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    ]
    found = set()
    for node in ast.walk(tree):
        if node in hints:
            continue
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "eqsynth":
            parts = node.module.split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("eqsynth.")}
    return found


#: basis.project(M) is where people look for it; it only forwards to symbolic.project(basis, M). Jupyter looks for
#: the picture of a diagram in the diagram. Export asks verification what it may replace.
FORWARDED = {("bases", "symbolic"), ("diagram", "drawing"), ("diagram", "svg"), ("exporting", "verification")}


def backward(flow, graph):
    pairs = {(module, used) for module, needs in graph.items() for used in needs}
    return sorted((module, used) for module, used in pairs - FORWARDED if flow.index(used) >= flow.index(module))


def test_imports_flow_one_way():
    graph = {path.stem: imports(path) for path in PACKAGE.glob("*.py") if path.stem != "__init__"}
    assert sorted(graph) == sorted(FLOW)
    assert backward(FLOW, graph) == []


def test_the_flow_checker_sees_a_backward_import(tmp_path):
    bad = tmp_path / "space.py"
    bad.write_text("def f():\n    from eqsynth.emit import emit\n    import eqsynth.module\n")
    assert imports(bad) == {"emit", "module"}
    assert len(backward(FLOW, {"space": imports(bad)})) == 2


def test_importing_eqsynth_is_light():
    heavy = {"torch", "sympy", "numpy", "flint", "rich", "typer", "networkx", "igraph", "filelock", "platformdirs"}
    code = f"import sys, eqsynth; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_bases_and_plans_need_no_torch():
    code = (
        "import sys, eqsynth as eq; eq.basis('O(2)', 3, 3).matrices(); eq.plan('S(n)', '2x2', '3x2');"
        "from eqsynth.emit import emit; emit(eq.plan('S(n)', '2x2', '3x2'));"
        "print(sorted({'torch', 'sympy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def loaded_by(code, heavy):
    """Which of the modules are loaded by code that come with neither torch nor Python's start."""
    code = f"import sys, torch; before = set(sys.modules); {code}; print(sorted({heavy} & (set(sys.modules) - before)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_making_a_layer_loads_little():
    """What takes longer to import than a layer takes to make is loaded when something needs it."""
    heavy = {"flint", "sympy", "networkx", "igraph", "rich", "filelock", "fractions", "decimal", "html", "xml"}
    heavy |= {f"eqsynth.{name}" for name in ("drawing", "figure", "svg", "constraints", "symbolic", "verification")}
    heavy |= {f"eqsynth.{name}" for name in ("compiling", "page", "catalog", "interpret")}
    made = "import eqsynth as eq; eq.Linear('O(3)', '8x4', '8x4')"
    assert loaded_by(made, heavy) == "[]"
    assert loaded_by("import eqsynth as eq; eq.basis('O(3)', 2, 2)._repr_html_()", heavy) != "[]"


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
