"""A part of the sabotage of scripts/sabotage.py: nothing passes, and what is harmless is told apart."""

import pytest
import sabotage

import eqsynth as eq
from eqsynth.codegen.artifact import artifact_of


@pytest.mark.parametrize(
    ("kind", "share", "least"),
    [("code", 0.004, 15), ("files", 0.1, 30), ("entries", 0.1, 15), ("bases", 0.1, 50), ("modules", 0.02, 20)],
)
def test_nothing_passes(kind, share, least):
    count = sabotage.KINDS[kind](share)
    assert not count.passed
    assert count.refused >= least


def test_what_passes_is_listed(monkeypatch, capsys):
    monkeypatch.setattr(sabotage, "WRONG", (("right", lambda x: 2 * x, "S(n)", "1x1 -> 1x1"),))
    assert sabotage.main(["modules", "--share=0.01"]) == 1
    assert "passed: modules: right as S(n), seed 0" in capsys.readouterr().out
    assert sabotage.main(["nothing"]) == 2


def test_harmless_changes_are_told_from_others():
    plan = eq.plan("S(n)", "2x2", "2x1")
    source = artifact_of(plan).source
    assert sabotage.same_numbers(plan, source.replace("import torch\n", "import torch\n\nUNUSED = 1\n", 1))
    assert not sabotage.same_numbers(plan, source.replace("r = n ** -0.5", "r = n ** -0.501", 1))
