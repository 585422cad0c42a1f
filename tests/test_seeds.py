"""Bytes do not depend on the process that makes them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import seeded
from test_catalog import EVERY_KIND
from test_sync import FILES, FIVE


def test_everything_written_is_the_same_under_every_hash_seed(tmp_path):
    here = seeded.written(tmp_path / "here", FIVE, EVERY_KIND)
    assert set(here["files"]) == {
        "layer.py", "eqsynth.toml", "mypkg/layers/__init__.py", "mypkg/layers/eqsynth.lock.json",
        *(f"mypkg/layers/{stem}.py" for stem in FILES),
    }  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "EQSYNTH_CACHE": "off"}
    for seed in ("0", "1"):
        job = json.dumps([str(tmp_path / f"Ärger mit {seed}"), FIVE, *EVERY_KIND])
        done = subprocess.run(
            [sys.executable, seeded.__file__], input=job, capture_output=True, text=True, check=False,
            env={**environment, "PYTHONHASHSEED": seed},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        there = json.loads(done.stdout)
        assert there.keys() == here.keys()
        for what, text in here.items():
            assert there[what] == text, (what, seed)


def test_a_text_that_depends_on_the_hash_seed_differs_there():
    """The check can fail: processes with other seeds order sets otherwise."""
    orders = {
        subprocess.run(
            [sys.executable, "-S", "-c", "print(*{str(i) for i in range(100)})"],
            capture_output=True, check=True, env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("0", "1")
    }  # fmt: skip
    assert len(orders) == 2
