"""The quickstart in short form, and the scripts that every newcomer runs."""

import os
import subprocess
import sys
from pathlib import Path

import quickstart
import torch

ROOT = Path(__file__).parents[1]


def test_the_quickstart_fails_when_training_fails(monkeypatch, capsys):
    """The gate on quality can close: two steps of training are not enough."""
    monkeypatch.setattr(sys, "argv", ["quickstart.py", "--steps", "2"])
    monkeypatch.setattr(quickstart, "run_elsewhere", lambda model, _, large, *__: quickstart.predictions(model, large))
    threads = torch.get_num_threads()
    try:
        assert quickstart.main() == 1
    finally:
        torch.set_num_threads(threads)
    assert "FAILED: the S(n) network errs" in capsys.readouterr().err


def test_the_scripts_say_when_python_is_too_old(tmp_path):
    old = tmp_path / "python-old"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    for script in ("quickstart.sh", "test.sh"):
        done = subprocess.run(
            ["bash", ROOT / "scripts" / script],
            capture_output=True, text=True, check=False, env={**os.environ, "PYTHON": str(old)},
        )  # fmt: skip
        assert done.returncode == 1
        assert "Python 3.11 or newer" in done.stderr
