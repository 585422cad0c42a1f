"""Weights saved by every released version give today's layers, and today's files, the outputs of that version."""

import hashlib
import importlib.util
import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.testing import assert_close

import eqsynth as eq

ROOT = Path(__file__).parents[1]
FIXTURES = ROOT / "tests" / "fixtures" / "weights"
SAVED = [
    pytest.param(folder, name, facts, id=f"{folder.name}-{name}")
    for folder in sorted(FIXTURES.iterdir())
    for name, facts in json.loads((folder / "index.json").read_text(encoding="utf-8")).items()
]


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def assert_outputs(layer, folder, name, facts):
    values = load_file(folder / f"{name}.values.safetensors")
    for n in facts["sizes"]:
        inputs, outputs = (
            tuple(values[key] for key in sorted(values) if key.startswith(f"n{n}.{side}")) for side in "xy"
        )
        assert inputs
        assert outputs
        made = layer(inputs[0] if len(inputs) == 1 else inputs)
        for ours, theirs in zip(made if isinstance(made, tuple) else (made,), outputs, strict=True):
            assert ours.dtype == torch.float64
            assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def layer_for(facts):
    return eq.Linear(
        facts["group"],
        facts["space_in"],
        facts["space_out"],
        bias=facts["bias"],
        dtype=torch.float64,
        normalization=facts["normalization"],
    )


def test_this_version_is_kept():
    kept = {folder.name for folder in FIXTURES.iterdir()}
    assert eq.__version__ in kept, (
        "run python scripts/weights_fixtures.py before the release, and commit what it writes"
    )


def test_the_first_version_is_kept_with_a_layer_of_each_kind():
    index = json.loads((FIXTURES / "0.1.0" / "index.json").read_text(encoding="utf-8"))
    groups = {facts["group"].partition("(")[0] for facts in index.values()}
    assert groups == {"S", "O", "SO", "Sp", "A", "Aut", "Perm", "Matrix"}
    assert any(" x " in facts["group"] for facts in index.values())
    assert {facts["normalization"] for facts in index.values()} == {"variance", "mean", "sum"}
    assert len(SAVED) >= 11


@pytest.mark.parametrize("how", ["safetensors", "pt"])
@pytest.mark.parametrize(("folder", "name", "facts"), SAVED)
def test_saved_weights_load_into_layers_and_exported_files(folder, name, facts, how, tmp_path):
    path = folder / f"{name}.{how}"
    state = load_file(path) if how == "safetensors" else torch.load(path, weights_only=True)
    layer = layer_for(facts)
    eq.export(layer, tmp_path / "mine.py", name="Mine")
    for ours in (layer, load(tmp_path / "mine.py").Mine(dtype=torch.float64)):
        ours.load_state_dict(state, strict=True)
        assert_outputs(ours, folder, name, facts)


def test_the_comparison_can_fail():
    folder, name, facts = SAVED[0].values
    layer = layer_for(facts)
    state = load_file(folder / f"{name}.safetensors")
    layer.load_state_dict({key: value.flip(0) for key, value in state.items()})
    with pytest.raises(AssertionError):
        assert_outputs(layer, folder, name, facts)
    state.popitem()
    with pytest.raises(RuntimeError, match="Missing key"):
        layer.load_state_dict(state, strict=True)


def test_a_released_version_is_not_written_again(tmp_path, capsys, monkeypatch):
    script = load(ROOT / "scripts" / "weights_fixtures.py")
    monkeypatch.setattr(script, "LAYERS", script.LAYERS[:1])
    assert script.main(tmp_path) == 0
    before = {path: hashlib.sha256(path.read_bytes()).digest() for path in (tmp_path / eq.__version__).iterdir()}
    assert len(before) == 4
    assert script.main(tmp_path) == 1
    assert "stays as it is" in capsys.readouterr().out
    assert before == {path: hashlib.sha256(path.read_bytes()).digest() for path in before}
    # The same weights again, so that a version is made the same way on every machine.
    shutil.rmtree(tmp_path / eq.__version__)
    script.main(tmp_path)
    assert before == {path: hashlib.sha256(path.read_bytes()).digest() for path in before}
