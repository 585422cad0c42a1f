"""The committed catalog is what eqsynth makes, every entry is proven, and the commands notice when it is not."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import eqsynth as eq
from eqsynth.bases import basis as bases
from eqsynth.cli import app
from eqsynth.errors import CacheWarning, CatalogError, EqsynthError
from eqsynth.families.hom import parse_problem
from eqsynth.layers.emitted import layer_of
from eqsynth.plans.lowering import plan_by
from eqsynth.plans.products import plan_problem
from eqsynth.project import catalog
from eqsynth.project.catalog import Problem, make_entry
from eqsynth.spaces.space import Symmetry, lengths
from eqsynth.store import cache
from eqsynth.store.cache import Store, pack, unpack
from terminal import SURROUNDINGS

ROOT = Path(__file__).parents[1]
COMMITTED = ROOT / "catalog"
PROBLEMS, LAYERS = catalog.read_recipe(COMMITTED / catalog.RECIPE)

RECIPE = """
[[sweep]]
groups = ["S(n)", "O(3)"]
orders = 1

[[sweep]]
groups = ["S(n) x O(3)"]
orders = [[1, 0], [1, 1]]

[[problem]]
hom = "Aut(path3): 2x1 -> 1x1"

[[layer]]
file = "sets"
name = "Sets"
hom = "S(n): 4x1 -> 4x1"
"""
#: Problems that the recipe stands for.
COUNT = 4 + 4 + 4 + 1


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def command(*arguments, code=0):
    done = CliRunner(env=dict.fromkeys(SURROUNDINGS)).invoke(app, ["catalog", *map(str, arguments)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.output
    return done.stdout, done.stderr


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "ein Katalog ε"
    place.mkdir()
    (place / catalog.RECIPE).write_text(RECIPE)
    return place


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A small catalog, made once; tests copy it."""
    place = tmp_path_factory.mktemp("built")
    (place / catalog.RECIPE).write_text(RECIPE)
    catalog.build(place, [])
    return place


def tree(place):
    return {
        str(path.relative_to(place)): path.read_bytes()
        for path in sorted(place.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


# --- the committed catalog ------------------------------------------------------------------------


def test_the_committed_catalog_is_what_eqsynth_makes():
    done = load(ROOT / "scripts" / "catalog.py").main(["--check"])
    assert done == 0


def test_every_committed_entry_is_proven():
    store = catalog.open_store(COMMITTED)
    keys = list(store)
    assert sorted(problem.key for problem in PROBLEMS) == keys
    assert [failure for _, _, failure in catalog.prove(store, keys) if failure] == []


def test_the_committed_catalog_has_what_it_should_and_is_small():
    homs = {problem.hom for problem in PROBLEMS}
    groups = ["S(n)", *(f"{family}({n})" for family in ("O", "SO") for n in (2, 3, 4)), "Sp(2)", "Sp(4)"]
    groups += [f"A({n})" for n in (3, 4, 5)]
    assert {f"{group}: 1x{k} -> 1x{lo}" for group in groups for k in range(4) for lo in range(4)} <= homs
    assert sum(hom.startswith("Aut(") for hom in homs) > 10
    assert {"S(n) x O(3): 1x(1,1) -> 1x(1,1)", "Aut(petersen) x O(3): 1x(1,1) -> 1x(1,1)"} <= homs
    products = [problem for problem in PROBLEMS if "(x)" in problem.hom or " of " in problem.hom]
    assert {problem.mode for problem in products} == {"full", "paired", None}
    assert sum("S2 (x)" in problem.hom for problem in products) == 2
    assert {f"{group}: 1x1 -> 1x1" for group in ("C(5)", "D(5)", "C4(3x3)", "D4(3x3)", "Z(2)^3")} <= homs
    assert len(PROBLEMS) - len(products) == 357
    assert sum(path.stat().st_size for path in COMMITTED.rglob("*") if path.is_file()) < 3_000_000


def test_the_index_names_every_entry_with_its_digest():
    from hashlib import sha256

    index = json.loads((COMMITTED / catalog.INDEX).read_text())
    store = catalog.open_store(COMMITTED)
    assert {entry["key"]: entry["sha256"] for entry in index["entries"]} == {
        key: sha256(store.path(key).read_bytes()).hexdigest() for key in store
    }
    assert {entry["file"] for entry in index["layers"]} == {path.name for path in COMMITTED.glob("*.py")}


def tensor_of(order, x):
    """A tensor with the symmetry of an order."""
    return eq.symmetrise(x, str(order)) if isinstance(order, Symmetry) and not order.packed else x


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.file)
def test_every_file_computes_what_the_library_computes(layer):
    theirs = layer_of(plan_problem(layer.hom))
    ours = getattr(load(COMMITTED / f"{layer.file}.py"), layer.name)()
    ours.load_state_dict(theirs.state_dict())
    sizes = [factor.n if isinstance(factor.n, int) else 3 for factor in layer.hom.group.factors]
    xs = [tuple(tensor_of(k, torch.randn(2, *lengths(k, sizes), c)) for c, k in space) for space in layer.hom.operands]
    xs = [x[0] if len(x) == 1 else x for x in xs]
    for mine, other in zip(
        *[(y if isinstance(y, tuple) else (y,)) for y in (ours(*xs), theirs(*xs))],
        strict=True,
    ):
        torch.testing.assert_close(mine, other)


# --- entries --------------------------------------------------------------------------------------

EVERY_KIND = [
    "S(3): 2x2 -> 1x1",
    "SO(3): 1x2 -> 1x1",
    "A(3): 1x1 -> 1x1",
    "Sp(2): 1x1 -> 1x1",
    "Aut(path3): 1x1 -> 1x1",
    "S(n) x O(3): 1x(1,1) -> 1x(1,1)",
    "Perm(3: 1 2 0): 1x1 -> 1x1",
    "Matrix([[0,1],[-1,0]]; ): 1x1 -> 1x1",
    "O(3): 1x1 -> 1x0",
    "S(n): 1xS2 + 1x1 -> 1xS2.packed",
    "S(n) x O(3): 1x(A2,1) -> 1x(1,1)",
    "Perm(3: 1 2 0): 1xS2 -> 1x1",
]


@pytest.mark.parametrize("hom", EVERY_KIND)
def test_an_entry_is_checked_and_proven_for_every_kind_of_group(hom):
    problem = Problem(hom)
    entry = unpack(pack(make_entry(problem)))
    assert catalog.check_entry(problem.key, entry, prove=True, run=True) == hom
    assert set(entry["texts"]) == {"source", "drawing"}


PRODUCTS = [
    ("O(3): 2xS2 (x) 2xS2 -> 1xS2", "paired"),
    ("S(n) x O(3): 1x(1,1) (x) 2x(1,1) -> 1x(1,0)", "full"),
    ("Aut(path3): 1x1 (x) 1x1 -> 1x1", "full"),
    ("SO(3): powers 1, 2 of 2x1 -> 1x2 + 1x0", None),
    ("Sp(n): powers 2 of 1x1 -> 1x2", None),
]


@pytest.mark.parametrize(("hom", "mode"), PRODUCTS)
def test_products_are_entries_too(hom, mode):
    problem = Problem(hom, mode=mode)
    assert problem == Problem.of(parse_problem(hom, mode=mode))
    entry = unpack(pack(make_entry(problem)))
    assert catalog.check_entry(problem.key, entry, prove=True, run=True) == hom
    layer = layer_of(plan_problem(parse_problem(hom, mode=mode)))
    assert [len(numbers) for numbers in entry["weights"]] == [len(maps) for maps in layer.basis.values()]
    said = catalog.describe(problem.key, entry)
    assert ("mode" in said) == (mode is not None)
    assert catalog.describe(problem.key, entry, source=True) == layer.source


def test_an_entry_of_a_product_that_is_wrong_is_refused():
    problem = Problem("SO(3): 1x1 (x) 1x1 -> 1x1", mode="full")
    entry = make_entry(problem)
    changes = (
        ({"weights": None}, "does not say which maps"),
        ({"weights": [[0], [0]]}, "does not say which maps"),
        ({"weights": [[1]]}, "no rising list below 1"),
        ({"weights": [[0, 0]]}, "no rising list"),
        ({"weights": [[False]]}, "no rising list"),
        ({"weights": ["0"]}, "no rising list"),
        ({"mode": "paired"}, "another problem"),
        ({"mode": 1}, "no text"),
    )
    for change, why in changes:
        with pytest.raises(CatalogError, match=why):
            catalog.check_entry(problem.key, {**entry, **change})
    with pytest.raises(CatalogError, match="makes it otherwise: weights"):
        catalog.check_entry(problem.key, {**entry, "weights": [[]]}, prove=True)
    # A product without a mode, and a mode without a product.
    named = Problem(problem.hom)
    with pytest.raises(CatalogError, match="does not say how the channels"):
        catalog.check_entry(named.key, {name: value for name, value in entry.items() if name != "mode"})
    named = Problem("S(3): 1x2 -> 1x1", mode="full")
    with pytest.raises(EqsynthError, match="is for products of two spaces"):
        catalog.check_entry(named.key, {**ENTRY, "mode": "full"})
    with pytest.raises(CatalogError, match="there are no products"):
        catalog.check_entry(Problem("S(3): 1x2 -> 1x1").key, {**ENTRY, "weights": [[0]]})


def test_products_in_lists_and_commands(tmp_path):
    listed = [f"[[problem]]\nhom = 'O(2): 2x1 (x) 2x1 -> 1x2'\nmode = '{mode}'" for mode in ("full", "paired")]
    listed += ["[[problem]]\nhom = 'O(2): powers 2 of 2x1 -> 1x0'"]
    listed += ["[[layer]]\nfile = 'dot'\nname = 'Dot'\nhom = 'O(2): 4x1 (x) 4x1 -> 4x0'\nmode = 'paired'"]
    (tmp_path / catalog.RECIPE).write_text("\n".join(listed))
    assert "3 entries made" in command("build", "--store", tmp_path)[1]
    assert 'mode = "paired"' in (tmp_path / "dot.py").read_text()
    assert "3 entries compared, 0 differ" in command("build", "--store", tmp_path, "--check")[1]
    assert "3 of 3 entries proven" in command("verify", "--store", tmp_path, "--run")[1]
    out = command("list", "--store", tmp_path)[0]
    assert sorted(line.split(f"{eq.__version__}     ")[-1] for line in out.splitlines()) == [
        "O(2): 2x1 (x) 2x1 -> 1x2, mode='full'", "O(2): 2x1 (x) 2x1 -> 1x2, mode='paired'",
        "O(2): powers 2 of 2x1 -> 1x0",
    ]  # fmt: skip
    assert (
        "maps with weights, for each product and output: 1"
        in command("show", "O(2): powers 2 of 2x1 -> 1x0", "--store", tmp_path)[0]
    )
    with pytest.raises(CatalogError, match=r"one for each mode: give the key, .* \(full\) or .* \(paired\)"):
        command("show", "O(2): 2x1 (x) 2x1 -> 1x2", "--store", tmp_path)
    # One of them alone is found by its text, whichever it is.
    store = catalog.open_store(tmp_path)
    store.path(Problem("O(2): 2x1 (x) 2x1 -> 1x2", mode="full").key).unlink()
    assert "mode='paired'" in command("show", "O(2): 2x1 (x) 2x1 -> 1x2", "--store", tmp_path)[0]
    with pytest.raises(CatalogError, match="no entry"):
        command("show", "O(2): 2x1 (x) 3x1 -> 1x2", "--store", tmp_path)


ENTRY = make_entry(Problem("S(3): 1x2 -> 1x1"))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"kind": "other"}, "kind that is known"),
        ({"kind": ["layer"]}, "kind that is known"),
        ({"hom": "S(3): 1x1 -> 1x1"}, "another problem"),
        ({"bias": 1}, "kind that is known"),
        ({"bias": False}, "another problem"),
        ({"bases": []}, "has 0 bases"),
        ({"bases": ENTRY["bases"][::-1]}, "other orders"),
        ({"bases": [ENTRY["bases"][0], None]}, "no JSON object"),
        ({"texts": {"source": "import os", "drawing": "<svg/>"}}, "do not fit"),
        ({"texts": {"source": ENTRY["texts"]["source"]}}, "do not fit"),
        ({"source": None}, "lacks a digest"),
        ({"code": "import os"}, "has code"),
    ],
)
def test_an_entry_that_is_wrong_is_refused_before_any_proof(change, why):
    key = Problem("S(3): 1x2 -> 1x1").key
    catalog.check_entry(key, ENTRY)
    with pytest.raises(CatalogError, match=why):
        catalog.check_entry(key, {**ENTRY, **change})


def test_a_proof_finds_what_a_check_cannot():
    key = Problem("S(3): 1x2 -> 1x1").key
    other = {**ENTRY, "plan": "0" * 64}
    catalog.check_entry(key, other)
    with pytest.raises(CatalogError, match="makes it otherwise: plan"):
        catalog.check_entry(key, other, prove=True)


def test_a_dependent_basis_in_an_entry_is_found():
    """In form all is right: as many diagrams as the dimension, allowed, different, in order."""
    hom = "S(2): 1x2 -> 1x2"
    entry = make_entry(Problem(hom))
    group = eq.Group.parse("S(2)")
    found = eq.basis(group, 2, 2)
    every = sorted(eq.basis("S(n)", 2, 2).diagrams, key=lambda diagram: diagram.key)
    swapped = tuple(every[: len(found)])
    from eqsynth.bases import basis as bases

    wrong = bases.Basis(group, 2, 2, swapped, found.certificate)
    assert swapped != found.diagrams
    data = {"inputs": 2, "outputs": 2, **bases.to_data(wrong)}
    changed = {**entry, "bases": [data, *entry["bases"][1:]]}
    for prove in (False, True):
        with pytest.raises(CatalogError, match="another one"):
            catalog.check_entry(Problem(hom).key, changed, prove=prove)


def test_a_graph_in_an_entry_never_names_a_file(tmp_path):
    path = tmp_path / "secret.edgelist"
    path.write_text("0 1\n")
    for text in (f"Aut({path}): 1x1 -> 1x1", f"Aut( {path} ): 1x1 -> 1x1"):
        entry = {**ENTRY, "hom": text}
        with pytest.raises(EqsynthError, match="no graph called"):
            catalog.check_entry(Problem(text).key, entry)
    assert eq.Hom.parse(f"Aut({path})", 1, 1)  # people may


# --- layers from kept bases -----------------------------------------------------------------------


def no_synthesis(monkeypatch):
    """No basis that is worth keeping is made."""
    make = bases._diagram_basis
    monkeypatch.setattr(
        bases, "_diagram_basis", lambda *of: make(*of) if sum(of[1:3]) < 7 else pytest.fail("a basis was made again")
    )


def test_another_process_gets_the_layer_from_the_cache(tmp_path):
    script = (
        "import eqsynth as eq, sys\n"
        "from eqsynth.bases import basis as bases\n"
        "from eqsynth.codegen.emit import emit\n"
        "make = bases._diagram_basis\n"
        "if sys.argv[1:]: bases._diagram_basis = lambda *of: make(*of) if sum(of[1:3]) < 7 else None\n"
        "print(emit(eq.plan('S(n)', '2x4', '1x3', method='diagrams')).source)\n"
    )
    environment = {**os.environ, "EQSYNTH_CACHE": str(tmp_path)}
    made, found = (
        subprocess.run(
            [sys.executable, "-c", script, *more], capture_output=True, text=True, check=True, env=environment
        ).stdout
        for more in ([], ["again"])
    )
    assert made == found
    assert made.strip() == eq.Linear("S(n)", "2x4", "1x3", method="diagrams").source.strip()


# --- commands -------------------------------------------------------------------------------------


def test_a_build_is_complete_and_the_same_again(folder):
    command("build", "--store", folder)
    first = tree(folder)
    assert len([name for name in first if name.startswith("entries")]) == COUNT
    assert {"sets.py", "index.json", "catalog.toml"} <= set(first)
    _, told = command("build", "--store", folder)
    assert f"0 entries made, {COUNT} were there" in told
    _, told = command("build", "--store", folder, "--fresh")
    assert f"{COUNT} entries made" in told
    assert tree(folder) == first
    command("build", "--store", folder, "--check")
    _, told = command("verify", "--store", folder)
    assert f"{COUNT} of {COUNT} entries proven" in told


def test_the_check_notices_an_edit_a_loss_and_damage(built, tmp_path):
    place = tmp_path / "copy"
    shutil.copytree(built, place)
    good = tree(place)
    store = catalog.open_store(place)
    key = next(iter(store))

    def edit():
        (place / "sets.py").write_text((place / "sets.py").read_text().replace("channels last", "channels first"))

    def lose():
        store.path(key).unlink()

    def damage():
        store.path(key).write_bytes(store.path(key).read_bytes()[:-9])

    def foreign():
        other = Problem("S(n): 1x3 -> 1x3", texts=False)
        store.put(other.key, make_entry(other))

    def index():
        (place / "index.json").unlink()

    for change in (edit, lose, damage, foreign, index):
        change()
        _, told = command("build", "--store", place, "--check", code=1)
        assert "differs from what eqsynth makes" in told
        if change is damage:
            with pytest.warns(CacheWarning, match="set aside|damaged"):
                command("build", "--store", place)
        else:
            command("build", "--store", place, *(["--force"] if change is edit else []))
        assert tree(place) == good, change


def test_an_interrupted_build_goes_on_where_it_stopped(folder, monkeypatch):
    real, made = catalog.make_entry, []

    def interrupted(problem):
        if len(made) == 5:
            raise KeyboardInterrupt
        made.append(problem)
        return real(problem)

    monkeypatch.setattr(catalog, "make_entry", interrupted)
    with pytest.raises(KeyboardInterrupt):
        catalog.build(folder, [])
    assert len(list(catalog.open_store(folder))) == 5
    monkeypatch.undo()
    done = catalog.build(folder, [])
    assert (done.kept, done.made) == (5, COUNT - 5)


def test_processes_make_the_same_bytes(built, folder):
    command("build", "--store", folder, "--jobs", 2)
    assert tree(folder) == tree(built)
    _, told = command("verify", "--store", folder, "--jobs", 2, "--run")
    assert f"{COUNT} of {COUNT} entries proven" in told


def test_a_cluster_makes_the_same_bytes(built, folder):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None, protocol="tcp"
    ) as cluster:
        command("build", "--store", folder, "--scheduler", cluster.scheduler_address)
    assert tree(folder) == tree(built)


def test_a_cluster_that_is_not_there_is_refused(folder):
    pytest.importorskip("distributed")
    with pytest.raises(CatalogError, match="no Dask scheduler"):
        catalog.build(folder, [], scheduler="nonsense://here")


def test_problems_that_cannot_be_built_are_named_and_the_others_built(tmp_path):
    _, told = command("build", "S(n): 1x1 -> 1x1", "S(n): 1x9 -> 1x9", "--store", tmp_path, code=1)
    assert "not built: S(n): 1x9 -> 1x9" in told
    assert "1 entry made" in told
    assert len(list(Store(tmp_path))) == 1


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.warns(CacheWarning), pytest.raises(EqsynthError, match="cannot write"):
        catalog.build(tmp_path / "file", ["S(n): 1x1 -> 1x1"])


def test_list_show_and_json(built):
    out, told = command("list", "--store", built)
    assert len(out.splitlines()) == COUNT
    assert f"{COUNT} entries" in told
    listed = json.loads(command("list", "--store", built, "--json")[0])
    assert {row["problem"] for row in listed} >= {"S(n): 1x1 -> 1x1", "Aut(path3): 2x1 -> 1x1"}
    out, _ = command("show", "S(n): 1x1 -> 1x1", "--store", built)
    assert "2; independent" in out
    assert "source sha256" in out
    key = Problem("S(n): 1x1 -> 1x1").key
    assert command("show", key[:9], "--store", built)[0] == out
    assert json.loads(command("show", key, "--store", built, "--json")[0])["hom"] == "S(n): 1x1 -> 1x1"
    source, _ = command("show", key, "--store", built, "--source")
    assert source.startswith('"""S(n): 1x1 -> 1x1')
    for what, why in (("S(n): 7x1 -> 7x1", "no entry"), ("ffffffffffff", "no entry"), ("../x", "no entry")):
        with pytest.raises(CatalogError, match=why):
            command("show", what, "--store", built)


def test_the_users_cache_is_the_store_unless_another_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("EQSYNTH_CACHE", str(tmp_path))
    command("build", "S(n): 2x1 -> 1x1")
    assert "S(n): 2x1 -> 1x1" in command("list")[0]
    monkeypatch.setenv("EQSYNTH_CACHE", "off")
    with pytest.raises(CatalogError, match="turned off"):
        command("list")


def test_a_folder_that_is_not_there_proves_nothing(tmp_path):
    for name in ("list", "verify", "prune"):
        with pytest.raises(CatalogError, match="no folder"):
            command(name, "--store", tmp_path / "absent")
    with pytest.raises(CatalogError, match="no entry to verify"):
        command("verify", "--store", tmp_path)


def test_what_is_built_is_ready_for_layers(tmp_path, monkeypatch):
    monkeypatch.setenv("EQSYNTH_CACHE", str(tmp_path))
    bases._basis.cache_clear()
    command("build", "S(n): 1x4 -> 1x3")
    assert sorted(unpack(path.read_bytes())["kind"] for path in tmp_path.rglob("*.json")) == ["basis", "layer"]
    bases._basis.cache_clear()
    plan_by.cache_clear()
    no_synthesis(monkeypatch)
    eq.Linear("S(n)", "1x4", "1x3")


def test_a_proof_takes_nothing_from_the_cache(tmp_path, monkeypatch):
    problem = Problem("S(n): 1x4 -> 1x3")
    monkeypatch.setenv("EQSYNTH_CACHE", str(tmp_path / "other"))
    bases._basis.cache_clear()
    plan_by.cache_clear()
    entry = make_entry(problem)
    assert [path.name for path in (tmp_path / "other").iterdir() if path.is_dir()]
    monkeypatch.setenv("EQSYNTH_CACHE", str(tmp_path / "own"))
    bases._basis.cache_clear()
    plan_by.cache_clear()
    catalog.check_entry(problem.key, entry, prove=True)
    assert not (tmp_path / "own").exists()


def test_verify_names_what_is_wrong_and_moves_nothing(built, tmp_path):
    shutil.copytree(built, tmp_path / "copy")
    store = catalog.open_store(tmp_path / "copy")
    broken, tampered = list(store)[:2]
    store.path(broken).write_bytes(b"not JSON")
    store.path(tampered).write_bytes(pack({**unpack(store.path(tampered).read_bytes()), "source": "0" * 64}))
    before = tree(tmp_path)
    out, told = command("verify", "--store", tmp_path / "copy", code=1)
    assert f"{COUNT - 2} of {COUNT} entries proven" in told
    assert [line.split()[1] for line in out.splitlines()] == [broken[:12], tampered[:12]]
    assert tree(tmp_path) == before


def test_prune_deletes_what_is_of_no_use_and_nothing_else(tmp_path):
    store = Store(tmp_path)
    problems = [Problem(f"S(n): 1x{k} -> 1x{lo}") for k in range(3) for lo in range(2)]
    for problem in problems:
        store.put(problem.key, make_entry(problem))
    damaged, newer, other, *good = [problem.key for problem in problems]
    store.path(damaged).write_bytes(b"x")
    with pytest.warns(CacheWarning):
        store.get(damaged)
    store.path(newer).write_bytes(pack({}, cache.SCHEMA + 1))
    store.path(other).write_bytes(pack({**ENTRY, "made": "0.0.1"}))
    _, told = command("prune", "--store", tmp_path)
    assert told.startswith("2 files deleted")
    assert sorted(store) == sorted([newer, *good])
    os.utime(store.path(good[0]), (time.time() - 3 * 86_400,) * 2)
    command("prune", "--store", tmp_path, "--days", 2)
    assert sorted(store) == sorted([newer, *good[1:]])
    os.utime(store.path(good[1]), (time.time() - 86_400,) * 2)
    size = sum(store.path(key).stat().st_size for key in store)
    command("prune", "--store", tmp_path, "--max-size", (size - 1) / 1e6)
    assert sorted(store) == sorted([newer, *good[2:]])
    command("prune", "--store", tmp_path, "--all")
    assert list(store) == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[[sweep]]\ngroups = 3", r"catalog.toml, \[\[sweep\]\] 1: groups is a number, where a list is expected"),
        ("[[sweep]]\ngroups = 'O(2)'\norders = 1", "groups is a text, where a list"),
        ("[[sweep]]\ngroups = ['O(2)']", "does not say its orders"),
        ("[[sweep]]\ngroups = ['O(2)']\norders = true", "orders is true or false"),
        ("[[sweep]]\ngroups = ['O(2)']\norders = -1", "the order -1 is negative"),
        ("[[sweep]]\ngroups = ['O(2)']\norders = 1000000000000", "absurdly high"),
        ("[[sweep]]\ngroups = ['O(2)']\norders = [1.5]", "not a whole number"),
        ("[[problem]]\nhom = 'S(3): 1 -> 1'\nbias = false", r"\[\[problem\]\] 1: there is no key 'bias'"),
        ("text = true\n[[problem]]\nhom = 'S(3): 1 -> 1'", "Did you mean 'texts'"),
        ("texts = 'yes'\n[[problem]]\nhom = 'S(3): 1 -> 1'", "texts is a text, where true or false"),
        ("[[problem]]\nhom = 'S(3): 1 -> 1'\n[[problem]]\nhom = 'S(3)'", r"\[\[problem\]\] 2: cannot read"),
        ("[[layer]]\nfile = 'class'\nname = 'X'\nhom = 'S(3): 1 -> 1'", "no word of Python"),
        ("[[layer]]\nfile = 'x'\nname = 'X'\nmethod = 'irrep'\nhom = 'S(3): 1 -> 1'", "did you mean 'irreps'"),
        (
            "\n".join(f"[[layer]]\nfile = '{file}'\nname = 'X'\nhom = 'S(3): 1 -> 1'" for file in "xX"),
            "two layers would share the file X.py",
        ),
        ("a = " + "[" * 50_000, "cannot read"),
        ("[[layer]]\nfile = '../x'\nname = 'X'\nhom = 'S(n): 1x1 -> 1x1'", "cannot name a file"),
        ("[[problem]]\nhom = 3", "hom is a number, where a text is expected"),
        ("[[problem]]\nhom = 'S(3): 1x1 -> 1x1'\nmode = 'full'", "mode 'full' is for products"),
        ("[[problem]]\nhom = 'S(3): 1 (x) 1 -> 1'\nmode = 'sideways'", "mode is 'full' or 'paired', not 'sideways'"),
        ("[[problem]]\nhom = 'S(3): 1 (x) 1 (x) 1 -> 1'", "multiply two, and the result with the next"),
        (
            "[[layer]]\nfile = 'x'\nname = 'X'\nhom = 'S(3): 1 (x) 1 -> 1'\nmethod = 'irreps'",
            "products are computed in one way",
        ),
        ("sweep = 1", "sweep is a number, where a list"),
        ("sweep = [1]", r"\[\[sweep\]\] 1 is a number, where a table"),
        ("???", "cannot read"),
        ("", "nothing to build"),
    ],
)
def test_a_list_that_is_wrong_is_refused(tmp_path, text, why):
    (tmp_path / catalog.RECIPE).write_text(text)
    with pytest.raises(EqsynthError, match=why):
        catalog.build(tmp_path, [])
