"""The committed layers are what eqsynth makes, and the check notices when they are not."""

import importlib.util
import shutil
from pathlib import Path

import pytest
import torch

import eqsynth as eq
from eqsynth.space import each

ROOT = Path(__file__).parents[1]


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


catalog = load(ROOT / "scripts" / "catalog.py")


def test_the_catalog_is_up_to_date():
    assert catalog.main(["--check"]) == 0


def test_the_check_notices_an_edit_a_stranger_and_a_loss(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "catalog", tmp_path / "catalog")
    monkeypatch.setattr(catalog, "CATALOG", tmp_path / "catalog")
    assert catalog.main(["--check"]) == 0
    edited = tmp_path / "catalog" / "s_n_2_2.py"
    edited.write_text(edited.read_text().replace("channels last", "channels first"))
    assert catalog.main(["--check"]) == 1
    assert catalog.main([]) == 0
    assert catalog.main(["--check"]) == 0
    (tmp_path / "catalog" / "o_3_2_2.py").unlink()
    assert catalog.main(["--check"]) == 1
    catalog.main([])
    (tmp_path / "catalog" / "stranger.py").write_text("")
    assert catalog.main(["--check"]) == 1


@pytest.mark.parametrize(("stem", "name", "group", "space_in", "space_out"), catalog.LAYERS)
def test_every_entry_computes_what_the_library_computes(stem, name, group, space_in, space_out):
    layer = eq.Linear(group, space_in, space_out)
    ours = getattr(load(ROOT / "catalog" / f"{stem}.py"), name)()
    ours.load_state_dict(layer.state_dict())
    sizes = [factor.n if isinstance(factor.n, int) else 3 for factor in layer.hom.group.factors]
    x = tuple(
        torch.randn(2, *[s for s, count in zip(sizes, each(k), strict=True) for _ in range(count)], c)
        for c, k in layer.hom.space_in
    )
    x = x[0] if len(x) == 1 else x
    for mine, theirs in zip(
        *[(y if isinstance(y, tuple) else (y,)) for y in (ours(x), layer(x))],
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs)
