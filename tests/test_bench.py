"""The benchmark runs, writes its files, and fails where it must; long work shows progress and can be stopped."""

import importlib.util
import io
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import eqsynth as eq
from eqsynth import bases

ROOT = Path(__file__).parents[1]


@pytest.fixture
def bench(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("bench", ROOT / "scripts" / "bench.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    monkeypatch.setattr(module, "CASES", (("S(3)", 2, 2, 14, 60), ("SO(3)", 1, 2, 1, 60)))
    return module


def test_it_writes_a_table(bench, tmp_path, capsys):
    assert bench.main(["--repeat", "1", "--check"]) == 0
    assert "S(3) 2 -> 2" in capsys.readouterr().out
    assert "SO(3) 1 -> 2" in (tmp_path / "bases.md").read_text()
    assert '"maps": 14' in (tmp_path / "bases.json").read_text()


def test_it_fails_on_a_wrong_dimension_and_on_a_broken_limit(bench, monkeypatch):
    monkeypatch.setattr(bench, "CASES", (("S(3)", 2, 2, 15, 60),))
    assert bench.main(["--repeat", "1"]) == 1
    monkeypatch.setattr(bench, "CASES", (("S(3)", 2, 2, 14, 0),))
    assert bench.main(["--repeat", "1", "--check"]) == 1
    assert bench.main(["--repeat", "1"]) == 0


def test_its_numerical_baseline_finds_the_same_dimension(bench):
    for case in (("S(3)", 2, 2), ("SO(3)", 2, 3), ("Sp(2)", 2, 2), ("A(3)", 2, 1)):
        assert bench.numerical(*case) == len(eq.basis(*case))


def test_progress_is_shown_in_a_terminal_and_changes_nothing(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(bases, "LONG", 10)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    bases._basis.cache_clear()
    assert len(eq.basis("S(n)", 2, 2)) == 15
    assert "S(n) 2 -> 2" in terminal.getvalue()
    bases._basis.cache_clear()


def test_long_work_can_be_interrupted():
    running = subprocess.Popen(
        [sys.executable, "-m", "eqsynth.cli", "show", "S(n)", "5", "6"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    time.sleep(5)  # long enough to be at work, far less than the work takes
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "Traceback" not in errors
