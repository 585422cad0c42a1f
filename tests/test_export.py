"""Exported files: run alone, deterministic, whole or not at all; and verified without being run."""

import os
from pathlib import Path

import pytest
import torch

import eqsynth as eq
from alone import run_alone
from eqsynth.errors import EqsynthError, ExportError, VerificationError

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("group", "space_in", "space_out"),
    [
        ("S(n)", "4x2", "3x2"),
        ("S(2)", "2x3 + 1x1", "3x3 + 2x0"),
        ("O(3)", "2x3 + 2x1", "3x3 + 4x1"),
        ("O(n)", "2x2", "3x2"),
        ("S(n)", "4x0", "3x2"),
        ("SO(3)", "2x2 + 2x1", "3x2 + 1x3"),
        ("Sp(4)", "2x2", "3x2"),
        ("A(3)", "2x2", "3x2"),
    ],
)
def test_an_exported_file_runs_alone(tmp_path, group, space_in, space_out):
    layer = eq.Linear(group, space_in, space_out)
    torch.nn.init.normal_(next(layer.parameters()))
    n = 3 if layer.hom.group.symbolic else layer.hom.group.n
    x = tuple(torch.randn(2, *[n] * k, c) for c, k in layer.hom.space_in)
    x = x[0] if len(x) == 1 else x
    extra = (n,) if group == "S(n)" and space_in == "4x0" else ()
    eq.export(layer, tmp_path / "mine.py", name="Mine")
    torch.save({"x": x, "extra": extra, "y": layer(x, *extra), "state": layer.state_dict()}, tmp_path / "data.pt")
    done = run_alone(
        f"""
import importlib.util, torch
spec = importlib.util.spec_from_file_location("mine", {str(tmp_path / "mine.py")!r})
mine = importlib.util.module_from_spec(spec)
spec.loader.exec_module(mine)
data = torch.load({str(tmp_path / "data.pt")!r}, weights_only=True)
layer = mine.Mine()
layer.load_state_dict(data["state"])
y = layer(data["x"], *data["extra"])
torch.testing.assert_close(y, data["y"], rtol=0, atol=0)
print(layer)
try:
    layer(torch.zeros(2, 77), *data["extra"])
except ValueError as error:
    print(error)
""",
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert f"Mine({layer.hom})" in done.stdout
    assert "expected" in done.stdout


def test_other_channel_numbers(tmp_path):
    eq.export(eq.Linear("S(n)", "4x2", "3x1"), tmp_path / "mine.py", name="Mine")
    done = run_alone(
        f"""
import sys; sys.path.insert(0, {str(tmp_path)!r})
import torch
from mine import Mine
layer = Mine(5, 7)
print(layer, tuple(layer.weight.shape), tuple(layer(torch.randn(2, 6, 6, 5)).shape))
assert Mine(channels_out=2, dtype=torch.float64).weight.dtype == torch.float64
""",
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "Mine(S(n): 5x2 -> 7x1) (5, 7, 5) (2, 6, 7)"


def test_other_channel_numbers_compute_the_same_map():
    wide = eq.Linear("S(n)", "5x3 + 2x1", "2x3")
    from eqsynth.layers.emitted import compile_source

    narrow = eq.Linear("S(n)", "1x3 + 3x1", "4x3")
    same = compile_source(narrow.artifact)((5, 2), 2)
    same.load_state_dict(wide.state_dict())
    x = torch.randn(2, 3, 3, 3, 5), torch.randn(2, 3, 2)
    torch.testing.assert_close(same(x), wide(x))


def test_a_plan_and_a_problem_export_like_the_layer(tmp_path):
    layer = eq.Linear("O(3)", "2x2", "2x2")
    texts = {eq.export(what, tmp_path / "o3.py").source for what in (layer, layer.plan, layer.hom)}
    assert texts == {layer.source}


def test_what_cannot_be_written_leaves_nothing(tmp_path):
    layer = eq.Linear("O(3)", "2x2", "2x2")
    (tmp_path / "file").write_text("keep me")
    for path in (tmp_path / "file" / "below.py", tmp_path, tmp_path / ("x" * 300), tmp_path / "nul\0"):
        with pytest.raises((ExportError, ValueError)):
            eq.export(layer, path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "keep me"


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    target = tmp_path / "layer.py"
    target.write_text("old")

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ExportError, match="No space left"):
        eq.export(eq.Hom.parse("O(3)", 1, 1), target, force=True)
    assert target.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_names_that_are_no_class_names():
    for name in ("", "2x", "a b", "x;import os", "é"):
        with pytest.raises(EqsynthError, match="cannot name a class"):
            eq.export(eq.Hom.parse("O(3)", 1, 1), "never.py", name=name)
    for thing in (3, torch.nn.Linear(2, 2)):
        with pytest.raises(EqsynthError, match="can be exported"):
            eq.export(thing, "never.py")
    assert not Path("never.py").exists()


@pytest.mark.parametrize(
    "name", ["class", "None", "torch", "nn", "linear", "math", "product", "sum", "_star", "__debug__", "min", 3]
)
def test_names_that_would_break_the_file(name):
    with pytest.raises(EqsynthError, match="cannot name a class"):
        eq.export(eq.Hom.parse("O(3)", 2, 2), "never.py", name=name)


def test_verify_reads_a_file_and_never_runs_it(tmp_path):
    path = tmp_path / "layer.py"
    source = eq.export(eq.Hom.parse("S(n)", "2x2", "2x1"), path, name="Mine").source
    assert "byte for byte" in str(eq.verify(path))
    trap = tmp_path / "trap"
    path.write_text(source + f"\nopen({str(trap)!r}, 'w').close()\n")
    with pytest.raises(VerificationError, match="export it again"):
        eq.verify(path)
    assert not trap.exists()
    path.write_text(source.replace(".sum(2)", ".sum(1)", 1))
    with pytest.raises(VerificationError, match="first in line"):
        eq.verify(str(path))
    for junk in ("", "class A: pass", "def (", "x = 1\n" * 10):
        path.write_text(junk)
        with pytest.raises(VerificationError):
            eq.verify(path)
    with pytest.raises(ExportError, match="cannot read"):
        eq.verify(tmp_path / "missing.py")
    with pytest.raises(ExportError, match="cannot read"):
        eq.verify("a\0b")
    path.write_bytes(source.replace("\n", "\r\n").encode())
    assert "but for the ends of its lines" in str(eq.verify(path))


def test_verify_opens_no_file_that_a_file_names(tmp_path):
    other = tmp_path / "graph.edgelist"
    other.write_text("0 1\n")
    path = tmp_path / "layer.py"
    source = eq.export(eq.Hom.parse("Aut(2: 0-1)", "2x1", "2x1"), path).source
    assert "byte for byte" in str(eq.verify(path))
    path.write_text(source.replace("Aut(2: 0-1)", f"Aut({other})"))
    with pytest.raises(EqsynthError, match="no graph called"):
        eq.verify(path)


def test_verify_accepts_every_form():
    layer = eq.Linear("O(3)", "2x2", "3x2")
    for subject in (layer, layer.plan, layer.hom, str(layer.hom)):
        report = eq.verify(subject, trials=1)
        assert report.subject == "O(3): 2x2 -> 3x2"
        assert "equivariant" in str(report)
    with pytest.raises(EqsynthError, match="can be verified"):
        eq.verify(3.5)
