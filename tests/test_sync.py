"""A project's layers: written, kept in step, guarded, and used where eqsynth is not installed."""

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch.testing import assert_close

import eqsynth as eq
import terminal
from alone import run_alone
from eqsynth.codegen.artifact import artifact_of
from eqsynth.errors import ConfigError, EqsynthError, ExportError
from eqsynth.project import syncing
from eqsynth.project.exporting import program
from eqsynth.store import files

ROOT = Path(__file__).parents[1]
FIVE = """
[eqsynth]
to = "mypkg/layers"

[layers.Edges]
hom = "S(n): 4x2 -> 3x2"

[layers.EdgesToNodes]
hom = "S(n): 3x2 -> 2x1"
bias = false
normalization = "mean"

[layers.Vectors]
hom = "O(3): 2x1 + 1x2 -> 3x1 + 2x2"

[layers.Petersen]
hom = "Aut(petersen): 2x1 -> 3x1"

[layers.PointClouds]
hom = "S(n) x O(3): 2x(1,1) -> 3x(1,1) + 2x(2,1)"
"""
ONE = '[eqsynth]\nto = "layers"\n[layers.Swap]\nhom = "O(3): 2 -> 2"\n'
FILES = {"edges", "edges_to_nodes", "vectors", "petersen", "point_clouds"}


def eqsynth(*arguments, cwd, code=0):
    done = terminal.eqsynth(*arguments, cwd=cwd)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def project(folder, text=ONE):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "eqsynth.toml").write_text(text, encoding="utf-8")
    return syncing.read_project(folder / "eqsynth.toml")


def kinds(project):
    return {change.file: change.kind for change in syncing.compare(project).changes}


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- a project, from its list of layers to numbers elsewhere ------------------------------------

TRAIN = """
import sys
sys.path.insert(0, ".")
import torch
from safetensors.torch import save_file
from mypkg.layers import Edges, EdgesToNodes, Petersen, PointClouds, Vectors

torch.manual_seed(0)
class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.edges, self.nodes, self.vectors, self.petersen, self.clouds = (
            Edges(), EdgesToNodes(), Vectors(), Petersen(), PointClouds()
        )
    def forward(self, graphs, vectors, signals, clouds):
        return (
            self.nodes(torch.relu(self.edges(graphs))),
            *self.vectors(vectors),
            self.petersen(signals),
            *self.clouds(clouds),
        )
def data(n):
    r = torch.randn
    return r(5, n, n, 4), (r(5, 3, 2), r(5, 3, 3, 1)), r(5, 10, 2), r(5, n, 3, 2)
"""
FIRST = """
model, teacher = Model(), Model()
first = {name: value.clone() for name, value in model.state_dict().items()}
x = data(4)
with torch.no_grad():
    for parameter in teacher.parameters():
        parameter.normal_()
    meant = teacher(*x)
adam, losses = torch.optim.Adam(model.parameters(), 0.02), []
for _ in range(30):
    loss = sum((a - b).square().mean() for a, b in zip(model(*x), meant))
    losses.append(loss.item())
    adam.zero_grad(); loss.backward(); adam.step()
assert losses[-1] < losses[0] / 2, losses
assert not any(torch.equal(value, first[name]) for name, value in model.named_parameters())
save_file(model.state_dict(), "model.safetensors")
torch.save(model.state_dict(), "model.pt")
x = [data(n) for n in (4, 6)]
torch.save({"x": x, "y": [[y.detach() for y in model(*inputs)] for inputs in x]}, "expected.pt")
"""
SECOND = """
from safetensors.torch import load_file
kept = torch.load("expected.pt", weights_only=True)
for state in (load_file("model.safetensors"), torch.load("model.pt", weights_only=True)):
    model = Model()
    model.load_state_dict(state, strict=True)
    for x, meant in zip(kept["x"], kept["y"], strict=True):
        for ours, theirs in zip(model(*x), meant, strict=True):
            assert torch.equal(ours, theirs)
print("the same numbers")
"""


def test_layers_are_synced_trained_saved_moved_and_give_the_same_numbers(tmp_path):
    home, away = tmp_path / "home", tmp_path / "away"
    project(home, FIVE)
    assert "wrote mypkg/layers/edges_to_nodes.py: EdgesToNodes, S(n): 3x2 -> 2x1" in eqsynth("sync", cwd=home)
    done = run_alone(TRAIN + FIRST, home)
    assert done.returncode == 0, done.stderr
    shutil.copytree(home, away, ignore=shutil.ignore_patterns("__pycache__", "eqsynth.toml"))
    shutil.rmtree(home)
    done = run_alone(TRAIN + SECOND, away)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "the same numbers"


def test_an_edit_is_noticed_kept_and_repaired(tmp_path):
    project(tmp_path, FIVE)
    eqsynth("sync", cwd=tmp_path)
    assert "5 layers, up to date" in eqsynth("sync", "--check", cwd=tmp_path)
    before = contents(tmp_path)
    edited = tmp_path / "mypkg" / "layers" / "vectors.py"
    edited.write_text(edited.read_text() + "# mine\n")
    with_edit = contents(tmp_path)
    assert "mypkg/layers/vectors.py was edited" in eqsynth("sync", "--check", cwd=tmp_path, code=1)
    assert "-# mine\n" in eqsynth("sync", "--diff", cwd=tmp_path)
    assert "-# mine\n" in eqsynth("sync", "--diff", "--check", cwd=tmp_path, code=1)
    assert "Nothing was written" in eqsynth("sync", cwd=tmp_path, code=1)
    assert contents(tmp_path) == with_edit
    assert eqsynth("sync", "--force", cwd=tmp_path).startswith("wrote mypkg/layers/vectors.py")
    assert contents(tmp_path) == before
    eqsynth("sync", "--check", cwd=tmp_path / "mypkg" / "layers")


@pytest.mark.parametrize("stem", sorted(FILES))
def test_verify_accepts_what_sync_writes(tmp_path, stem):
    found = project(tmp_path, FIVE)
    syncing.sync(found)
    path = tmp_path / "mypkg" / "layers" / f"{stem}.py"
    assert "byte for byte" in str(eq.verify(path, trials=1))
    layer = next(layer for layer in found.layers if layer.file == path.name)
    record = json.loads((path.parent / syncing.LOCK).read_text())["files"][path.name]
    assert record["sha256"] == artifact_of(layer.plan(), layer.name).digest
    assert (record["hom"], record["eqsynth"]) == (str(layer.hom), eq.__version__)


# --- the files ----------------------------------------------------------------------------------


def test_the_order_in_the_list_does_not_matter(tmp_path):
    one = project(tmp_path / "1", FIVE)
    two = syncing.Project(one.source, tmp_path / "2", one.layers[::-1])
    syncing.sync(one)
    syncing.sync(two)
    assert contents(one.folder) == contents(two.folder)


def test_the_package_loads_a_layer_when_it_is_first_used(tmp_path, monkeypatch):
    syncing.sync(project(tmp_path, FIVE.replace("mypkg/layers", "lazy_layers")))
    monkeypatch.syspath_prepend(tmp_path)
    package = import_module("lazy_layers")
    loaded = [name for name in sys.modules if name.startswith("lazy_layers.")]
    assert loaded == []
    assert sorted(package.__all__) == ["Edges", "EdgesToNodes", "Petersen", "PointClouds", "Vectors"]
    assert {"__all__", "Edges"} <= set(dir(package))
    assert package.Edges.__module__ == "lazy_layers.edges"
    assert package.Edges is import_module("lazy_layers.edges").Edges
    with pytest.raises(AttributeError, match="no attribute 'Edge'"):
        package.Edge  # noqa: B018
    for name in [name for name in sys.modules if name.startswith("lazy_layers")]:
        del sys.modules[name]


def test_the_package_is_clean_for_formatters_and_type_checkers(tmp_path):
    found = project(tmp_path, FIVE)
    syncing.sync(found)
    package = str(found.folder / "__init__.py")
    for command in (
        ["ruff", "check", "--isolated", "--line-length=120", "--select=E,F,I,UP,W,D2", "--ignore=D203,D213", package],
        ["ruff", "format", "--isolated", "--line-length=120", "--check", package],
    ):
        done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
    (tmp_path / "use.py").write_text(
        "from mypkg.layers import Edges\nfrom mypkg.layers import Edge\n\nreveal_type(Edges())\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--follow-imports=skip", "--explicit-package-bases", "use.py", "mypkg"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert 'no attribute "Edge"' in done.stdout
    assert 'Revealed type is "mypkg.layers.edges.Edges"' in done.stdout
    assert "Found 1 error" in done.stdout


def test_a_graph_file_is_looked_for_beside_the_list(tmp_path, monkeypatch):
    (tmp_path / "path.edgelist").write_text("0 1\n1 2\n")
    monkeypatch.chdir("/")
    found = project(tmp_path, ONE.replace("O(3): 2 -> 2", "Aut(path.edgelist): 1 -> 1"))
    assert str(found.layers[0].hom) == "Aut(3: 0-1 1-2): 1x1 -> 1x1"
    with pytest.raises(ConfigError, match=r"\[layers\.Swap\]: .*no\.edgelist"):
        project(tmp_path, ONE.replace("O(3): 2 -> 2", "Aut(no.edgelist): 1 -> 1"))


# --- what happens to files ----------------------------------------------------------------------


def test_every_kind_of_difference_has_its_name(tmp_path):
    found = project(tmp_path)
    assert kinds(found) == dict.fromkeys(("swap.py", "__init__.py", syncing.LOCK), "missing")
    assert len(syncing.sync(found).changes) == 3
    assert kinds(found) == {}
    assert syncing.sync(found).changes == ()

    changed = project(tmp_path, ONE.replace("2 -> 2", "2x2 -> 2"))
    assert kinds(changed) == dict.fromkeys(("swap.py", "__init__.py", syncing.LOCK), "outdated")
    syncing.sync(changed)
    assert kinds(changed) == {}

    path = found.folder / "swap.py"
    path.write_text("mine")
    assert kinds(changed) == {"swap.py": "edited"}
    path.unlink()
    assert kinds(changed) == {"swap.py": "missing"}
    syncing.sync(changed)
    assert kinds(changed) == {}

    (found.folder / "other.py").write_text("a file of the project's own is nobody's business")
    more = project(tmp_path, ONE.replace("2 -> 2", "2x2 -> 2") + '[layers.Other]\nhom = "O(3): 1 -> 1"')
    assert kinds(more) == {"other.py": "foreign", "__init__.py": "outdated", syncing.LOCK: "outdated"}
    with pytest.raises(ExportError, match=r"other\.py was not written by eqsynth"):
        syncing.sync(more)
    assert (found.folder / "other.py").read_text().startswith("a file of")


def test_files_that_are_no_longer_listed(tmp_path):
    two = project(tmp_path, ONE + '[layers.Gone]\nhom = "O(3): 1 -> 1"')
    syncing.sync(two)
    one, gone = project(tmp_path), tmp_path / "layers" / "gone.py"
    assert kinds(one)["gone.py"] == "unlisted"
    assert "gone.py is no longer listed: --prune removes it" in str(syncing.sync(one).notes)
    assert gone.exists()
    assert kinds(one) == {"gone.py": "unlisted"}
    text = gone.read_text()
    gone.write_text("mine")
    assert kinds(one) == {"gone.py": "unlisted and edited"}
    assert "--force removes it" in str(syncing.sync(one, prune=True).notes)
    assert gone.read_text() == "mine"
    gone.write_text(text)
    assert syncing.sync(one, prune=True).changes == (
        syncing.Change("gone.py", "unlisted"),
        syncing.Change(syncing.LOCK, "outdated"),
    )
    assert not gone.exists()
    assert kinds(one) == {}
    syncing.sync(two)
    gone.write_text("mine")
    syncing.sync(one, force=True)
    assert not gone.exists()
    assert kinds(one) == {}


def test_a_foreign_package_is_not_taken_over(tmp_path):
    found = project(tmp_path)
    (tmp_path / "layers").mkdir()
    (tmp_path / "layers" / "__init__.py").write_text("mine")
    before = contents(tmp_path)
    with pytest.raises(ExportError, match=r"__init__\.py was not written by eqsynth"):
        syncing.sync(found)
    assert contents(tmp_path) == before
    syncing.sync(found, force=True)
    assert kinds(found) == {}


def test_the_ends_of_lines_are_gits_business(tmp_path):
    found = project(tmp_path)
    syncing.sync(found)
    for path in found.folder.iterdir():
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert kinds(found) == {}
    assert kinds(project(tmp_path, ONE.replace("2 -> 2", "2x2 -> 2")))["swap.py"] == "outdated"


@pytest.mark.parametrize(
    "text",
    [
        "", "null", "[]", "{", "<<<<<<< HEAD", "[" * 100_000,
        '{"schema": "1", "files": {}}', '{"schema": 1, "files": []}',
        '{"schema": 1, "files": {"../../keep.py": {"sha256": "DIGEST", "class": "Keep", "hom": "O(3): 1 -> 1"}}}',
        '{"schema": 1, "files": {"/keep.py": {"sha256": "DIGEST", "class": "Keep", "hom": "O(3): 1 -> 1"}}}',
        '{"schema": 1, "files": {"keep.py": {"sha256": "DIGEST", "class": "Keep", "hom": "\\"\\"\\"\\nimport os"}}}',
        '{"schema": 1, "files": {"keep.py": {"sha256": "DIGEST", "class": "Keep\\nimport os", "hom": "O(3): 1 -> 1"}}}',
        '{"schema": 1, "files": {"keep.py": {"sha256": "DIGEST", "class": "Other", "hom": "O(3): 1 -> 1"}}}',
        '{"schema": 1, "files": {"keep.py": {"sha256": 1, "class": "Keep", "hom": "O(3): 1 -> 1"}}}',
        '{"schema": 1, "files": {"keep.py": 1}}',
        '{"schema": 1, "files": {"__init__.py": {"sha256": "DIGEST", "x": 1}}}',
    ],
)  # fmt: skip
def test_a_damaged_lock_file_makes_no_file_ours(tmp_path, text):
    keep = tmp_path / "keep.py"
    keep.write_text("keep me")
    found = project(tmp_path / "below" / "below")
    syncing.sync(found)
    good = contents(found.folder)
    (found.folder / syncing.LOCK).write_text(text.replace("DIGEST", syncing._digest(b"keep me")))
    assert kinds(found) == {syncing.LOCK: "edited"}
    with pytest.raises(ExportError, match="was edited"):
        syncing.sync(found, prune=True)
    (found.folder / "swap.py").write_text("mine")
    assert kinds(found) == {syncing.LOCK: "edited", "swap.py": "foreign"}
    syncing.sync(found, force=True, prune=True)
    assert contents(found.folder) == good
    assert keep.read_text() == "keep me"


NAMES = st.sampled_from(["swap.py", "keep.py", "__init__.py", "../keep.py", "a/b.py", "keep.pt2"])
RECORDS = st.fixed_dictionaries(
    {"sha256": st.sampled_from(["0" * 64, syncing._digest(b"keep me"), "x"])},
    optional={
        "class": st.sampled_from(["Swap", "Keep", "keep", "x\ny"]),
        "hom": st.sampled_from(["O(3): 1x2 -> 1x2", '"""', "x"]) | st.text(max_size=4),
        "bias": st.none() | st.booleans() | st.lists(st.floats()),
    },
)
LOCKS = st.fixed_dictionaries(
    {
        "schema": st.sampled_from([1, 1, 1, 0, None, "1"]),
        "files": st.dictionaries(NAMES, RECORDS | st.text(), max_size=4),
    }
)


@example({"schema": 1, "files": {"keep.py": {"sha256": "x", "class": "Keep", "hom": "x"}}}, False, True)
@given(LOCKS, st.booleans(), st.booleans())
def test_no_lock_file_makes_sync_touch_files_of_others(lock, prune, keep):
    with tempfile.TemporaryDirectory() as folder:
        found = project(Path(folder, "below"))
        (Path(folder) / "below" / "keep.py").write_text("keep me")
        found.folder.mkdir()
        (found.folder / "swap.py").write_text("mine")
        (found.folder / syncing.LOCK).write_text(json.dumps(lock))
        try:
            syncing.sync(found, prune=prune, keep=keep)
        except EqsynthError:
            assert {path.name for path in found.folder.iterdir()} == {"swap.py", syncing.LOCK}
        else:
            raise AssertionError("a file of others was taken for one of eqsynth's")
        syncing.sync(found, prune=prune, keep=keep, force=True)
        assert kinds(found) == {}
        assert (Path(folder) / "below" / "keep.py").read_text() == "keep me"
        compile((found.folder / "__init__.py").read_text(), "", "exec")


def test_a_lock_file_of_a_newer_version_is_left_alone(tmp_path):
    found = project(tmp_path)
    syncing.sync(found)
    (found.folder / syncing.LOCK).write_text('{"schema": 2, "layers": []}')
    with pytest.raises(ConfigError, match="newer eqsynth"):
        syncing.sync(found, force=True)


def test_another_version_of_eqsynth_brings_its_files_up_to_date(tmp_path, monkeypatch):
    found = project(tmp_path)
    syncing.sync(found)
    monkeypatch.setattr(eq, "__version__", "9.9.9")
    syncing.artifact_of.__globals__["emit"].cache_clear()
    try:
        assert kinds(found) == dict.fromkeys(("swap.py", "__init__.py", syncing.LOCK), "outdated")
        syncing.sync(found)
        assert "Generated by eqsynth 9.9.9" in (found.folder / "swap.py").read_text()
    finally:
        syncing.artifact_of.__globals__["emit"].cache_clear()


# --- folders that cannot be written -------------------------------------------------------------


def test_an_interrupted_run_is_finished_by_the_next(tmp_path, monkeypatch):
    found = project(tmp_path, FIVE)
    syncing.sync(project(tmp_path / "good", FIVE))
    good = contents(tmp_path / "good" / "mypkg")
    real, calls = files._pour, []

    def full(*arguments, **options):
        calls.append(arguments)
        if len(calls) % 3 == 0:
            os.close(arguments[0])
            raise OSError(28, "No space left on device")
        return real(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(files, "_pour", full)
        for _ in range(3):
            with pytest.raises(ExportError, match="No space left on device"):
                syncing.sync(found)
    half = contents(tmp_path / "mypkg")
    assert 1 < len(half) < len(good)
    assert all(content == good[file] for file, content in half.items() if not file.endswith(syncing.LOCK))
    syncing.sync(found)
    assert contents(tmp_path / "mypkg") == good


@pytest.mark.parametrize("step", range(1, 7))
def test_a_run_that_died_leaves_nothing_to_force_whatever_is_asked_for_next(tmp_path, monkeypatch, step):
    """Power fails before the file number ``step`` is in place; then the list changes."""
    gone = '[layers.Gone]\nhom = "O(3): 1 -> 1"\n'
    syncing.sync(project(tmp_path, ONE + gone))
    real, calls = Path.replace, []

    def die(path, target):
        calls.append(target.name)
        if len(calls) == step:
            raise KeyboardInterrupt
        return real(path, target)

    changed = project(tmp_path, ONE.replace("2 -> 2", "2x2 -> 2") + gone.replace("1 -> 1", "1 -> 2"))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", die)
        if step < 6:
            with pytest.raises(KeyboardInterrupt):
                syncing.sync(changed)
        else:
            syncing.sync(changed)
            assert calls == [syncing.LOCK, "swap.py", "gone.py", "__init__.py", syncing.LOCK]
        # The list changes once more, and power fails again, before anything but the lock file is written.
        calls[:] = [None] * (step - 2)
        if step > 1:
            with pytest.raises(KeyboardInterrupt):
                syncing.sync(project(tmp_path, ONE.replace("2 -> 2", "2x2 -> 4x2") + gone.replace("1 -> 1", "1 -> 3")))
    last = project(tmp_path, ONE.replace("2 -> 2", "2x2 -> 3x2"))
    assert not any(change.guarded for change in syncing.compare(last).changes)
    syncing.sync(last, prune=True)
    syncing.sync(project(tmp_path / "fresh", ONE.replace("2 -> 2", "2x2 -> 3x2")))
    assert contents(last.folder) == contents(tmp_path / "fresh" / "layers")


def test_a_folder_that_may_not_be_written(tmp_path, monkeypatch):
    found = project(tmp_path)
    syncing.sync(found)
    before = contents(tmp_path)

    def refuse(*_arguments, **_options):
        raise PermissionError(13, "Permission denied")

    # The user root, who may run the tests, may write to every folder.
    monkeypatch.setattr(files, "_pour", refuse)
    assert syncing.sync(found).changes == ()
    with pytest.raises(ExportError, match=r"cannot write .*layers/.*: Permission denied"):
        syncing.sync(project(tmp_path, ONE.replace("2 -> 2", "2x2 -> 2")))
    (tmp_path / "eqsynth.toml").write_text(ONE)
    assert contents(tmp_path) == before


def test_something_else_in_the_place_of_a_file_or_folder(tmp_path):
    found = project(tmp_path)
    (tmp_path / "layers").write_text("a file")
    with pytest.raises(ExportError, match="Not a directory"):
        syncing.sync(found, force=True)
    (tmp_path / "layers").unlink()
    (tmp_path / "layers" / "swap.py").mkdir(parents=True)
    with pytest.raises(ExportError, match="it is a folder"):
        syncing.sync(found, force=True)
    long = project(tmp_path, ONE.replace('"layers"', f'"{"x" * 300}"'))
    with pytest.raises(ExportError, match="too long"):
        syncing.sync(long)


# --- eqsynth.toml -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "does not say where"),
        ("[eqsynth]", 'to = "mypkg/layers"'),
        ('[eqsynth]\nto = "a"', "lists no layers"),
        ("[eqsynth", "cannot read"),
        ('[eqsynth]\nto = "a"\nfolder = "b"', r"\[eqsynth\]: there is no key 'folder'. Did you mean 'format'\?"),
        ('[eqsynth]\nto = ""', "is no folder"),
        ("[eqsynth]\nto = 3", "to is a number, where a text is expected"),
        ('[eqsynths]\nto = "a"', "Did you mean 'eqsynth'"),
        ('[eqsynth]\nto = "a"\n[layer.A]', "Did you mean 'layers'"),
        ('layers = 1\n[eqsynth]\nto = "a"', "layers is a number, where a table is expected"),
        ('[eqsynth]\nto = "a"\n[layers]\nA = "S(n)"', r"\[layers\.A\] is a text, where a table is expected"),
        (ONE.replace("hom", "Hom"), r"\[layers\.Swap\]: there is no key 'Hom'. Did you mean 'hom'"),
        (ONE + "bias = 1", "bias is a number, where true or false is expected"),
        (ONE + "bias = 1979-05-27", "bias is a date or a time"),
        (ONE + 'normalization = "max"', "ask for 'variance', 'mean', 'sum'"),
        (ONE + 'format = "jit"', "there is no format 'jit': ask for 'module', 'pt2', 'onnx'"),
        (ONE + 'weights = "w.pt"', "load_state_dict"),
        (ONE + 'format = "pt2"\nweights = "a\\u0000b"', "no file of weights"),
        ('[eqsynth]\nto = "a"\n[layers.A]\nbias = true', "does not say which layer"),
        (ONE + 'mode = "paired"', "mode 'paired' is for products of two spaces"),
        (ONE.replace("2 ->", "2x1 (x) 3x1 ->") + 'mode = "paired"', "ask for equal numbers of channels"),
        (ONE.replace("2 ->", "1 (x) 1 (x) 1 ->"), r"\[layers\.Swap\]: a product of 3 spaces is more than one layer"),
        (ONE.replace("2 ->", "powers 2 of 1 ->") + 'mode = "full"', "powers are always paired"),
        (ONE.replace("O(3): 2 -> 2", "Z(3): 2 -> 2"), r"\[layers\.Swap\]: cannot read the group"),
        (ONE.replace("O(3): 2 -> 2", "Aut(a\\u0000b.g6): 2 -> 2"), "cannot read the graph file"),
        (ONE.replace("O(3): 2 -> 2", "O(3) 2"), r"\[layers\.Swap\]: cannot read the problem"),
        (ONE.replace("Swap", "swap"), "write it with a capital, such as Swap"),
        (ONE.replace("Swap", "'a b'"), "cannot name a class"),
        (ONE.replace("Swap", "None"), "cannot name a class"),
        (ONE.replace("Swap", "TYPE_CHECKING"), "uses that name itself"),
        (ONE + '[layers.SWAP]\nhom = "O(3): 1 -> 1"', "would share the file"),
    ],
)
def test_what_is_wrong_with_a_list_is_said(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        project(tmp_path, text)
    assert "error: " in eqsynth("sync", "--config", "missing.toml", cwd=tmp_path, code=1) if not text else True


@pytest.mark.parametrize("how", ['method = "irreps"', 'parameters = "blocks"'])
def test_products_have_neither_methods_nor_blocks(tmp_path, how):
    found = project(tmp_path, ONE.replace("2 ->", "1 (x) 1 ->") + how)
    with pytest.raises(ConfigError, match="layer Swap: layers of products are computed in one way"):
        syncing.compare(found)


PRODUCTS = """
[eqsynth]
to = "layers"
[layers.Stress]
hom = "O(3): 2xS2 (x) 2xS2 -> 2xS2"
mode = "paired"
[layers.Square]
hom = "S(n): powers 1, 2 of 2x1 -> 3x1"
[layers.Outer]
hom = "S(n): 2x1 (x) 3x1 -> 2x2"
format = "pt2"
weights = "outer.pt"
"""


def test_products_are_synced_and_give_the_same_numbers(tmp_path, monkeypatch):
    outer = eq.TensorProduct("S(n)", "2x1", "3x1", "2x2")
    torch.save(outer.state_dict(), tmp_path / "outer.pt")
    found = project(tmp_path, PRODUCTS)
    assert [layer.hom.mode for layer in found.layers] == ["paired", "paired", "full"]
    syncing.sync(found)
    assert kinds(found) == {}
    record = json.loads((tmp_path / "layers" / syncing.LOCK).read_text())["files"]
    assert [record[file].get("mode") for file in ("stress.py", "square.py", "outer.pt2")] == ["paired", None, "full"]
    run = torch.export.load(tmp_path / "layers" / "outer.pt2").module()
    for n in (2, 5):
        u, v = torch.randn(4, n, 2), torch.randn(4, n, 3)
        assert_close(run(u, v), outer(u, v))
    monkeypatch.syspath_prepend(tmp_path)
    made = import_module("layers")
    stress = eq.TensorProduct("O(3)", "2xS2", "2xS2", "2xS2", "paired")
    square = eq.PolynomialLayer("S(n)", "2x1", 2, "3x1")
    for ours, theirs, xs in (
        (made.Stress(), stress, [eq.symmetrise(torch.randn(4, 3, 3, 2), "S2") for _ in "uv"]),
        (made.Square(), square, [torch.randn(4, 5, 2)]),
    ):
        ours.load_state_dict(theirs.state_dict())
        assert_close(ours(*xs), theirs(*xs))
    # Another mode is another layer.
    paired = PRODUCTS.replace("2x1 (x) 3x1", "2x1 (x) 2x1")
    torch.save(eq.TensorProduct("S(n)", "2x1", "2x1", "2x2").state_dict(), tmp_path / "outer.pt")
    syncing.sync(project(tmp_path, paired))
    torch.save(eq.TensorProduct("S(n)", "2x1", "2x1", "2x2", "paired").state_dict(), tmp_path / "outer.pt")
    changed = project(tmp_path, paired.replace('format = "pt2"', 'mode = "paired"\nformat = "pt2"'))
    assert kinds(changed)["outer.pt2"] == "outdated"
    del sys.modules["layers"]


@pytest.mark.usefixtures("open_sizes", "one_exporter")
@pytest.mark.filterwarnings("ignore:`isinstance:FutureWarning")  # torch's exporter, of its own use
def test_an_onnx_program_of_a_product(tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    layer = syncing.layer_of("Square=O(3): powers 2 of 2x1 -> 2x2 + 1x0", form="onnx")
    syncing.sync(syncing.Project("a test", tmp_path / "out", (layer,)))
    twin = eq.Power("O(3)", "2x1", 2, "2x2 + 1x0")
    torch.manual_seed(0)
    twin.reset_parameters()
    session = runtime.InferenceSession(tmp_path / "out" / "square.onnx", providers=["CPUExecutionProvider"])
    x = torch.randn(7, 3, 2)
    for ours, theirs in zip(session.run(None, {session.get_inputs()[0].name: x.numpy()}), twin(x), strict=True):
        assert_close(torch.from_numpy(ours), theirs)


def test_export_writes_products(tmp_path):
    said = eqsynth(
        "export", "O(3): 2x1 (x) 2x2 -> 3x1", "Cube=O(3): 2x0 (x) 2x0 -> 1x0", "--mode", "paired", "--to", "out",
        cwd=tmp_path,
    )  # fmt: skip
    assert "wrote out/o3_2x1_and_2x2_paired_to_3x1.py: O3_2x1_and_2x2_paired_to_3x1, O(3): 2x1 (x) 2x2" in said
    assert 'mode = "paired"' in (tmp_path / "out" / "cube.py").read_text()
    assert "byte for byte" in eqsynth("verify", "out/cube.py", cwd=tmp_path)


def test_layers_that_cannot_be_made_are_named(tmp_path):
    found = project(tmp_path, ONE.replace("O(3): 2 -> 2", "S(n): 7 -> 7"))
    with pytest.raises(ConfigError, match=r"layer Swap: .*190,899,322"):
        syncing.sync(found)
    assert not (tmp_path / "layers").exists()


def test_where_there_is_no_list(tmp_path):
    assert "there is no eqsynth.toml" in eqsynth("sync", cwd=tmp_path, code=1)


TEXTS = st.one_of(
    st.text(max_size=12), st.sampled_from(["S(n): 2 -> 2", "O(3): 2x1 -> 3x2", "module", "pt2", "mean", "a"])
)
LEAVES = st.one_of(TEXTS, st.booleans(), st.integers(), st.floats(), st.dates(), st.times(), st.datetimes())
KEYS = st.one_of(
    st.sampled_from(["eqsynth", "layers", "to", "format", "hom", "bias", "normalization", "weights", "Swap"]),
    st.text(max_size=8),
)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4))
LAYER = st.fixed_dictionaries({"hom": TEXTS}, optional={"bias": VALUES, "format": VALUES, "normalization": VALUES})
NEAR = st.fixed_dictionaries(
    {"eqsynth": st.fixed_dictionaries({"to": TEXTS}), "layers": st.dictionaries(KEYS, LAYER, min_size=1, max_size=3)}
)


@given(st.dictionaries(KEYS, VALUES, max_size=4) | NEAR)
def test_any_table_is_understood_or_refused_in_words(data):
    try:
        found = syncing.project_of(data, Path("eqsynth.toml"))
    except EqsynthError:
        pass
    else:
        assert [layer.name for layer in found.layers] == list(data["layers"])
        assert [layer.bias for layer in found.layers] == [table.get("bias", True) for table in data["layers"].values()]


@given(st.text() | st.binary().map(lambda content: content.decode("latin-1")))
def test_any_text_is_understood_or_refused_in_words(text):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "eqsynth.toml")
        path.write_text(ONE + text, encoding="utf-8", newline="")
        try:
            found = syncing.read_project(path)
        except EqsynthError:
            return
        assert tomllib.loads(path.read_bytes().decode())["layers"].keys() == {layer.name for layer in found.layers}


@given(st.from_regex(r"[A-Z][A-Za-z0-9_]{0,12}", fullmatch=True))
def test_names_of_files_can_be_imported_and_are_not_names_of_classes(name):
    stem = syncing._stem(name)
    assert stem.isidentifier()
    assert stem == stem.lower() != name
    assert syncing._FILE.fullmatch(f"{stem}.py")
    compile(f"from .{stem} import x", "", "exec")


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("EdgesToNodes", "edges_to_nodes"),
        ("SO3Layer", "so3_layer"),
        ("Class", "class_"),
        ("Con", "con_"),
        ("GNN", "gnn"),
    ],
)
def test_names_of_files(name, stem):
    assert syncing._stem(name) == stem


# --- eqsynth export -----------------------------------------------------------------------------


def test_export_adds_layers_to_a_folder(tmp_path):
    said = eqsynth("export", "S(n): 2x2 -> 3x1", "Ring=Aut(cycle6): 2x1 -> 2x1", "--to", "my layers", cwd=tmp_path)
    assert "wrote my layers/sn_2x2_to_3x1.py: Sn_2x2_to_3x1, S(n): 2x2 -> 3x1" in said
    eqsynth("export", "Stress=O(3): 2x2 -> 2x2", "--no-bias", "--to", "my layers", cwd=tmp_path)
    assert "1 layer, up to date" in eqsynth(
        "export", "Stress=O(3): 2x2 -> 2x2", "--no-bias", "--to", "my layers", cwd=tmp_path
    )
    folder = tmp_path / "my layers"
    assert {path.name for path in folder.iterdir()} == {
        "sn_2x2_to_3x1.py", "ring.py", "stress.py", "__init__.py", syncing.LOCK
    }  # fmt: skip
    text = (folder / "__init__.py").read_text()
    assert all(f'"{name}"' in text for name in ("Ring", "Sn_2x2_to_3x1", "Stress"))
    assert "self.bias" not in (folder / "stress.py").read_text()
    # A list with the same layers is content with them.
    listed = [f'[layers.{name}]\nhom = "{hom}"\nbias = {bias}' for name, hom, bias in (
        ("Sn_2x2_to_3x1", "S(n): 2x2 -> 3x1", "true"), ("Ring", "Aut(cycle6): 2x1 -> 2x1", "true"),
        ("Stress", "O(3): 2x2 -> 2x2", "false"),
    )]  # fmt: skip
    assert kinds(project(tmp_path, "\n".join(['[eqsynth]\nto = "my layers"', *listed]))) == {}
    (folder / "ring.py").write_text("mine")
    eqsynth("export", "Other=O(3): 1 -> 1", "--to", "my layers", cwd=tmp_path)
    assert "ring.py was edited" in eqsynth("export", "Ring=O(3): 1 -> 1", "--to", "my layers", cwd=tmp_path, code=1)
    eqsynth("export", "Ring=O(3): 1 -> 1", "--to", "my layers", "--force", cwd=tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "cannot read the problem"),
        (["O(3): 1 -> 1", "--mode", "paired"], "is for products of two spaces"),
        (["O(3): 1 (x) 1 -> 1", "--method", "irreps"], "products are computed in one way"),
        (["O(3): 1 -> 1", "O(3): 1 -> 1"], "would share the file"),
        (["nn=O(3): 1 -> 1"], "cannot name a class"),
        (["O(3): 1 -> 1", "--format", "jit"], "there is no format"),
        (["O(3): 1 -> 1", "O(3): 1 -> 2", "--weights", "w.pt"], "belong to one layer"),
        (["O(3): 1 -> 1", "--format", "pt2", "--weights", "w.pt"], "cannot read the weights"),
    ],
)
def test_what_export_refuses(tmp_path, arguments, message):
    assert message in eqsynth("export", *arguments, "--to", "out", cwd=tmp_path, code=1)
    assert not list(tmp_path.iterdir())


GROUPS = [
    "S(n)",
    "S(5)",
    "O(3)",
    "O(1,3)",
    "O(3,1)",
    "SO(1,3)",
    "SO(3)",
    "Sp(4)",
    "A(4)",
    "Aut(petersen)",
    "Aut(3: 0-1 1-2)",
    "Perm(3: 1 2 0)",
]


@given(
    st.lists(
        st.tuples(st.sampled_from(GROUPS), st.integers(0, 3), st.integers(1, 20)), min_size=2, max_size=2, unique=True
    )
)
def test_derived_names_tell_problems_apart(problems):
    one, two = (eq.Hom.parse(group, f"{c}x{k} + 1x{k}", f"{c}x1") for group, k, c in problems)
    assert syncing.derived_name(one) != syncing.derived_name(two)
    assert syncing._stem(syncing.derived_name(one)) != syncing._stem(syncing.derived_name(two))


# --- programs -----------------------------------------------------------------------------------


def tensors(made):
    return made if isinstance(made, tuple) else (made,)


PROGRAMS = {
    "S(n): 2x2 -> 3x1": lambda b, n: (torch.randn(b, n, n, 2),),
    "S(n): 2x2 + 1x1 -> 3x1 + 2x2": lambda b, n: ((torch.randn(b, n, n, 2), torch.randn(b, n, 1)),),
    "S(n): 2x0 -> 3x1": lambda b, n: (torch.randn(b, 2), n),
    "Sp(n): 2x2 -> 2x2 + 1x0": lambda b, n: (torch.randn(b, 2 * n, 2 * n, 2),),
    "SO(3): 2x2 -> 2x1": lambda b, _: (torch.randn(b, 3, 3, 2),),
    "Aut(petersen): 2x1 -> 3x1": lambda b, _: (torch.randn(b, 10, 2),),
    "S(n) x O(m): 2x(2,1) -> 3x(1,1)": lambda b, n: (torch.randn(b, n, n, n + 2, 2),),
    "S(n) x S(m): 2x(1,0) -> 1x(1,1)": lambda b, n: (torch.randn(b, n, 2), n + 3),
}


@pytest.mark.usefixtures("open_sizes")
@pytest.mark.parametrize("hom", PROGRAMS)
def test_programs_of_torch_export_serve_every_batch_and_size(hom):
    layer = syncing.layer_of(hom)
    twin = eq.Linear(layer.hom.group, layer.hom.space_in, layer.hom.space_out)
    content = program(layer.plan(), "pt2", twin.state_dict())
    run = torch.export.load(io.BytesIO(content)).module()
    for b, n in ((1, 2), (5, 3), (2, 7)):
        x = PROGRAMS[hom](b, n)
        for ours, theirs in zip(tensors(run(*x)), tensors(twin(*x)), strict=True):
            assert_close(ours, theirs)


@pytest.mark.usefixtures("open_sizes", "one_exporter")
@pytest.mark.filterwarnings("ignore:`isinstance:FutureWarning")  # torch's exporter, of its own use
@pytest.mark.parametrize(
    "hom",
    PROGRAMS,
)
def test_onnx_programs_serve_every_batch_and_size(hom):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    layer = syncing.layer_of(hom)
    twin = eq.Linear(layer.hom.group, layer.hom.space_in, layer.hom.space_out)
    content = program(layer.plan(), "onnx", twin.state_dict())
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [put.name for put in session.get_inputs()]
    assert names[0] == ("x0" if "+" in hom.partition("->")[0] else "x")
    for b, n in ((1, 2), (5, 3), (2, 7)):
        x = PROGRAMS[hom](b, n)
        given = [torch.as_tensor(leaf).numpy() for leaf in torch.utils._pytree.tree_leaves(x)]
        made = session.run(None, dict(zip(names, given, strict=True)))
        for ours, theirs in zip(made, tensors(twin(*x)), strict=True):
            assert_close(torch.from_numpy(ours), theirs, rtol=1e-4, atol=1e-4)


def test_onnx_without_its_packages_names_them(monkeypatch):
    from eqsynth.project import exporting

    monkeypatch.setattr(exporting, "find_spec", lambda _name: None)
    with pytest.raises(ExportError, match=r"pip install 'eqsynth\[onnx\]'"):
        program(eq.plan("O(3)", 1, 1), "onnx")


def test_what_torch_cannot_export_is_said(monkeypatch):
    def refuse(*_arguments, **_options):
        raise RuntimeError("Constraints violated (batch)!\nFor more information")

    monkeypatch.setattr(torch.export, "export", refuse)
    with pytest.raises(ExportError, match=r"cannot export O\(3\): 1x1 -> 1x1: Constraints violated \(batch\)! Ask"):
        program(eq.plan("O(3)", 1, 1), "pt2")


PT2 = '[eqsynth]\nto = "out"\nformat = "pt2"\n[layers.Swap]\nhom = "O(3): 2 -> 2"\nweights = "trained.WHAT"\n'


@pytest.mark.parametrize("what", ["safetensors", "pt"])
def test_programs_in_a_project_carry_weights_and_are_kept_in_step(tmp_path, what):
    layer = eq.Linear("O(3)", 2, 2)

    def train():
        for parameter in layer.parameters():
            torch.nn.init.normal_(parameter)
        path = tmp_path / f"trained.{what}"
        (save_file if what == "safetensors" else torch.save)(layer.state_dict(), path)

    train()
    found = project(tmp_path, PT2.replace("WHAT", what))
    assert kinds(found) == {"swap.pt2": "missing", syncing.LOCK: "missing"}
    syncing.sync(found)
    assert {path.name for path in found.folder.iterdir()} == {"swap.pt2", syncing.LOCK}
    assert kinds(found) == {}
    made = (found.folder / "swap.pt2").read_bytes()
    assert syncing.sync(found).changes == ()
    x = torch.randn(2, 3, 3, 1)
    (tmp_path / "x.pt").write_bytes(b"")
    torch.save({"x": x, "y": layer(x)}, tmp_path / "x.pt")
    done = run_alone(
        """
import torch
data = torch.load("x.pt", weights_only=True)
torch.testing.assert_close(torch.export.load("out/swap.pt2").module()(data["x"]), data["y"])
""",
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    train()
    assert kinds(found) == {"swap.pt2": "outdated", syncing.LOCK: "outdated"}
    assert "swap.pt2 is out of date" in syncing.diff(syncing.compare(found))
    syncing.sync(found)
    assert (found.folder / "swap.pt2").read_bytes() != made
    assert_close(torch.export.load(found.folder / "swap.pt2").module()(x), layer(x))
    (found.folder / "swap.pt2").write_bytes(made)
    assert kinds(found) == {"swap.pt2": "edited"}
    with pytest.raises(ExportError, match="was edited"):
        syncing.sync(found)
    # As git leaves the file of somebody who has not fetched it.
    (found.folder / "swap.pt2").unlink()
    assert kinds(found) == {"swap.pt2": "missing"}


@pytest.mark.parametrize(
    ("what", "content", "message"),
    [
        ("safetensors", b"junk", "does not read as safetensors"),
        ("pt", b"junk", "does not read as tensors of torch.save"),
        ("pt", b"", "does not read as tensors of torch.save"),
        ("pt", [1, 2], "holds no state_dict"),
        ("pt", {"weight": torch.ones(3)}, "no weights of"),
        ("pt", {"other": torch.ones(3)}, "no weights of"),
        ("pt", torch.nn.Linear(1, 1), "does not read as tensors of torch.save"),
    ],
)
def test_weights_that_are_none(tmp_path, what, content, message):
    path = tmp_path / f"trained.{what}"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(EqsynthError, match=message):
        syncing.sync(project(tmp_path, PT2.replace("WHAT", what)))
    assert not (tmp_path / "out").exists()


# --- networks -----------------------------------------------------------------------------------------

NETWORKS = """
[eqsynth]
to = "package/layers"
format = "pt2"                        # of layers
[networks.Force]
group = "O(3)"
spaces = ["2x1", "3x1 + 2x0", "1x1"]
norm = "layer"
[networks.Triangles]
object = "models_of_a_test:triangles"
[networks.Kept]
object = "models_of_a_test:Box.kept"
[networks.Single]
object = "models_of_a_test:Box.layer"
[networks.Spread]
group = "S(n)"
spaces = ["1x1", "2x1", "1x0"]
transfer = "pad"
"""
MODELS = """
import eqsynth as eq
def triangles():
    return eq.nn.MLP("S(n)", ["1x2", "2x1", "1x0"])
class Box:
    layer = eq.Linear("O(3)", "2x1", "1x1")
    kept = eq.nn.Pool("O(3)", "2x1")
nothing, fails = 5, lambda: 1 / 0
def function():
    return eq.nn.Sequential(eq.nn.Activation("S(n)", "1x1", lambda x: x + 1))
"""


def test_networks_are_kept_in_step_as_layers_are(tmp_path, monkeypatch):
    (tmp_path / "models_of_a_test.py").write_text(MODELS)
    (tmp_path / "eqsynth.toml").write_text(NETWORKS)
    done = eqsynth("sync", cwd=tmp_path)
    assert "wrote package/layers/force.py: Force, O(3): 2x1 -> 1x1\n" in done
    assert "wrote package/layers/triangles.py: Triangles, S(n): 1x2 -> 1x0\n" in done
    assert 'transfer = "pad"' in (tmp_path / "package" / "layers" / "spread.py").read_text()
    assert "5 networks, up to date" in eqsynth("sync", "--check", cwd=tmp_path)
    proven = {"force": "MLP O(3): 2x1 -> 1x1", "single": "O(3): 2x1 -> 1x1"}
    for name, what in proven.items():
        said = eqsynth("verify", f"package/layers/{name}.py", "--trials", "1", cwd=tmp_path)
        assert said.startswith(f"verified {what}\n")
    monkeypatch.syspath_prepend(tmp_path / "package")
    layers = import_module("layers")
    net = eq.nn.MLP("O(3)", ["2x1", "3x1 + 2x0", "1x1"], norm="layer")
    alone, x = layers.Force(), torch.randn(4, 3, 2)
    alone.load_state_dict(net.state_dict())
    torch.testing.assert_close(alone(x), net(x))
    for name in [name for name in sys.modules if name.partition(".")[0] == "layers"]:
        monkeypatch.delitem(sys.modules, name)
    # What changes in the list is out of date; what is edited is kept.
    (tmp_path / "eqsynth.toml").write_text(NETWORKS.replace("3x1 + 2x0", "4x1 + 2x0"))
    assert "force.py is out of date" in eqsynth("sync", "--check", cwd=tmp_path, code=1)
    with (tmp_path / "package" / "layers" / "kept.py").open("a") as file:
        file.write("# mine")
    assert "kept.py was edited" in eqsynth("sync", cwd=tmp_path, code=1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('object = "models_of_a_test"', "names no object of Python"),
        ('object = "models_of_a_test:gone"', "has no attribute 'gone'"),
        ('object = "models_of_no_test:gone"', "No module named 'models_of_no_test'"),
        ('object = "models_of_a_test:nothing"', "'int' object is not callable"),
        ('object = "models_of_a_test:fails"', "ZeroDivisionError: division by zero"),
        ('object = "models_of_a_test:function"', "a function of your own"),
        ('object = "torch:get_num_threads"', "which is no network: return a module of eq.nn"),
        ('object = "torch.nn:Identity"', "which eqsynth cannot write as source"),
        ('object = "models_of_a_test:triangles"\nbias = true', "leave bias out"),
        ('group = "O(3)"', "does not say which network it is"),
        ('group = "O(3)"\nspaces = ["1x1", 2]', "spaces are texts"),
        ('group = "O(3)"\nspaces = ["1x1"]', "an MLP needs a list of spaces"),
        ('group = "O(3)"\nspaces = ["1x1", "1x0"]\nnorm = "each"', "norm is "),
        ('group = "S(n)"\nspaces = ["1x1", "1x0"]\ntransfer = "padding"', "did you mean 'pad'?"),
        ('hom = "O(3): 1 -> 1"', "there is no key 'hom'"),
        ('object = "os:getcwd"\nformat = "pt2"', "there is no key 'format'"),
    ],
)
def test_what_is_no_network_is_said(text, message, tmp_path):
    (tmp_path / "models_of_a_test.py").write_text(MODELS)
    (tmp_path / "eqsynth.toml").write_text(f'[eqsynth]\nto = "layers"\n[networks.Net]\n{text}\n')
    done = eqsynth("sync", cwd=tmp_path, code=1)
    assert message in done
    assert "Net" in done
    assert not (tmp_path / "layers").exists()
