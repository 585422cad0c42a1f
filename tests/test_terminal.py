"""Commands at a terminal: width, characters, patience, completions; files to the standard output; examples."""

import json
import os
import re
import threading
from types import SimpleNamespace
from unittest import mock

import pytest

import eqsynth as eq
from eqsynth.bases.table import basis_table
from eqsynth.diagrams.text import picture
from eqsynth.store import waiting
from eqsynth.store.screen import Screen, is_ascii, plain
from terminal import Stream, eqsynth

#: Commands with long lines elsewhere: tables, plans, products, words, errors.
WIDE = [
    ("show", "S(n)", "3", "2", "--sizes"),
    ("show", "O(3)", "[ijkl=jikl=klij]", "S2"),
    ("show", "S(2) wr S(n)", "1", "2"),
    ("show", "Perm(4: 1 2 3 0)", "1", "1"),
    ("show", "S(n)", "3", "2", "--plan"),
    ("show", "O(3)", "1 (x) 2", "1"),
    ("show", "O(3)", "3", "3", "--certificate"),
    ("examples", "list"),
    ("show", "Q(3)", "1", "1"),
]


@pytest.mark.parametrize("columns", [80, 50])
@pytest.mark.parametrize("arguments", WIDE, ids=" ".join)
def test_lines_keep_to_the_width_of_the_terminal(arguments, columns):
    done = eqsynth(*arguments, out=Stream(True), COLUMNS=str(columns))
    wide = eqsynth(*arguments)
    lines = (done.stdout + done.stderr).splitlines()
    assert max(map(len, lines)) <= columns < max(map(len, (wide.stdout + wide.stderr).splitlines()))
    # Nothing is lost: the same words, but for heads of columns.
    heads = {"diagram", "formula", "cost", "from", "transfer", "step", "multiply-adds", "elements", "moved"}
    words = [[word for word in text.replace(":", " ").split() if word not in heads] for text in
             (done.stdout + done.stderr, wide.stdout + wide.stderr)]  # fmt: skip
    assert sorted(words[0]) == sorted(words[1])


@pytest.mark.parametrize("columns", [40, 69, 70, 80])
@pytest.mark.parametrize("command", ["", "show", "synth", "export", "sync", "catalog build", "catalog prune"])
def test_helps_cut_no_words(command, columns):
    """Boxes shorten what does not fit: there are none where that would be."""
    done = eqsynth(*command.split(), "--help", COLUMNS=str(columns))
    assert (done.returncode, done.stderr) == (0, "")
    assert max(map(len, done.stdout.splitlines())) <= columns
    assert ("│" in done.stdout) == (columns >= 70)
    assert not re.search(r"(?m)…|[a-z]\.\.\.$", done.stdout)
    whole = eqsynth(*command.split(), "--help", COLUMNS="200").stdout
    assert set(re.findall(r"--[a-z-]+", whole)) == set(re.findall(r"--[a-z-]+", done.stdout))


def test_nothing_to_draw_is_said(tmp_path):
    done = eqsynth("show", "O(3)", "1", "0", "--svg", "no.svg", cwd=tmp_path)
    assert done.stderr == "wrote no.svg: 0 diagrams: every map with this symmetry is zero\n"
    done = eqsynth("show", "O(3)", "1 (x) 1", "1", "--svg", "-", cwd=tmp_path)
    assert done.stdout.startswith("<svg")
    assert done.stderr == ("note: O(3): 1x1 (x) 1x1 -> 1x1 has 0 diagrams: every map with this symmetry is zero\n")


def test_pictures_are_not_torn():
    """Beside words where there is room, above them where there is none; the same picture in both."""
    basis = eq.basis("S(n)", 3, 3)
    rows = picture(basis[100], basis.group).split("\n")
    for width in (None, 80, 30):
        table = basis_table(basis, None, 100, screen=Screen(width)).split("\n")
        assert all(any(row in line for line in table) for row in rows)
        alone = any(line.strip().removeprefix("100").strip() == rows[len(rows) // 2].strip() for line in table)
        assert alone == (width == 30)


@pytest.mark.parametrize("surroundings", [{"LANG": "C"}, {"LC_ALL": "POSIX"}, {}])
def test_ascii_where_it_is_asked_for(surroundings):
    out = Stream(encoding="utf-8" if surroundings else "ascii")
    text = eqsynth("show", "SO(3)", "2", "3", out=out, **surroundings).stdout
    assert text.isascii()
    assert "ε" not in text and "eps" in text  # noqa: PT018 - one question
    # Columns stay columns.
    full = eqsynth("show", "SO(3)", "2", "3").stdout
    assert len(text.splitlines()) == len(full.splitlines())
    starts = {line.rindex("Brauer") for line in text.splitlines() if line.endswith("   Brauer")}
    assert len(starts) <= 1
    data = eqsynth("show", "O(3)", "2", "2", "--json", out=Stream(encoding="ascii")).stdout
    assert data.isascii()
    assert json.loads(data) == json.loads(eqsynth("show", "O(3)", "2", "2", "--json").stdout)
    # The text of a file is that of a file.
    source = eqsynth("show", "O(3)", "2", "2", "--source", out=Stream(encoding="ascii"), **surroundings).stdout
    assert source == eqsynth("show", "O(3)", "2", "2", "--source").stdout
    assert "●" in source


def test_who_asks_for_ascii():
    ask = {"LANG": "C.UTF-8"}, {}, {"LANG": "C", "PYTHONIOENCODING": "utf-8"}, {"LC_ALL": "C"}, {"LANG": "POSIX"}
    answers = []
    for variables in ask:
        with mock.patch.dict(os.environ, variables, clear=True):
            answers.append(is_ascii(Stream()))
    assert answers == [False, False, False, True, True]
    assert plain("╰─╮ 3 × n²⁵ → ●") == "'-. 3 x n^25 -> *"
    assert plain("Ж") == "\\u0416"


@pytest.mark.parametrize(
    ("option", "begins"), [("--svg", b"<svg"), ("--tikz", b"% put \\usepackage{tikz}"), ("--html", b"<!doctype html>")]
)
def test_a_dash_is_the_standard_output(option, begins, tmp_path):
    done = eqsynth("show", "S(n)", "1", "1", option, "-", cwd=tmp_path)
    assert done.stdout.encode().lower().startswith(begins)
    assert (done.returncode, done.stderr, list(tmp_path.iterdir())) == (0, "", [])
    eqsynth("show", "S(n)", "1", "1", option, "file", cwd=tmp_path)
    assert (tmp_path / "file").read_text(encoding="utf-8") == done.stdout


def test_what_goes_to_the_standard_output_and_what_does_not(tmp_path):
    written = eqsynth("synth", "S(n)", "1", "1", "-o", "-", cwd=tmp_path)
    assert written.stdout == eqsynth("synth", "S(n)", "1", "1").stdout
    both = eqsynth("show", "S(n)", "1", "1", "--svg", "-", "--tikz", "-")
    assert both.stderr == (
        "error: one file alone can go to the standard output, -: name the others, or ask for one at a time\n"
    )
    folder = eqsynth("export", "S(n): 1 -> 1", "--to", "-", cwd=tmp_path)
    assert folder.stderr.startswith("error: --to is a folder")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", [BrokenPipeError, OSError])
def test_an_output_that_fails(kind):
    """A reader that has gone is no news, as for other programs; a full disk is a message. No traceback."""

    class Failing(Stream):
        def write(self, _):
            raise kind(32 if kind is BrokenPipeError else 28, "No space left on device")

    done = eqsynth("examples", "list", out=Failing())
    told = "" if kind is BrokenPipeError else "error: cannot write the output: No space left on device\n"
    assert (done.returncode, done.stderr) == (141 if kind is BrokenPipeError else 1, told)


def test_what_takes_long_says_so_at_a_terminal_alone(monkeypatch, tmp_path):

    class Slow(threading.Event):
        """Work that takes long, whatever time it takes: it is not done when that is first asked."""

        asked = False

        def wait(self, timeout=None):
            first, self.asked = not self.asked, True
            return False if first else super().wait(timeout)

    monkeypatch.setattr(waiting, "threading", SimpleNamespace(Event=Slow, Thread=threading.Thread))
    (tmp_path / "eqsynth.toml").write_text('[eqsynth]\nto = "out"\n[layers.Swap]\nhom = "O(2): 2 -> 2"\n')
    for arguments, what in (
        (("verify", "S(2): 1 -> 0"), "verifying S(2): 1 -> 0 ... "),
        (("show", "S(n)", "2", "2", "--json"), "describing maps of S(n) ... "),
        (("sync",), "writing out ... "),
    ):
        done = eqsynth(*arguments, err=Stream(True), cwd=tmp_path)
        assert what in done.stderr
        # It is wiped before what follows.
        assert " s" not in done.stderr.rpartition("\r\x1b[K")[2]
        assert what not in eqsynth(*arguments, cwd=tmp_path).stderr


@pytest.mark.parametrize(
    ("shell", "variables"),
    [
        ("bash", {"COMP_WORDS": "eqsynth examples copy train_g", "COMP_CWORD": "3"}),
        ("zsh", {"_TYPER_COMPLETE_ARGS": "eqsynth examples copy train_g"}),
        ("fish", {"_TYPER_COMPLETE_ARGS": "eqsynth examples copy train_g", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}),
    ],
)
def test_shells_complete_names(shell, variables):
    told = eqsynth(_EQSYNTH_COMPLETE=f"complete_{shell}", **variables).stdout
    known = "train_graphs", "train_graph_signals", "deep_sets", "train_molecules"
    assert [name in told for name in known] == [True, True, False, False]
    assert "--install-completion" in eqsynth("--help").stdout


@pytest.mark.parametrize("words", ["S(n):1->1", "S(n)->", "-1"])
def test_options_are_completed_behind_a_problem_that_is_not_whole(words):
    told = eqsynth(_EQSYNTH_COMPLETE="complete_bash", COMP_WORDS=f"eqsynth show {words} --mo", COMP_CWORD="3")
    assert told.stdout.split() == ["--mode"]


def test_examples_are_listed_and_copied(tmp_path):
    assert "deep_sets                Deep Sets: a network for sets" in eqsynth("examples", "list").stdout
    done = eqsynth("examples", "copy", "deep_sets", "mine", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, f"copied {os.path.join('mine', 'deep_sets.py')}\n")  # noqa: PTH118
    copy = tmp_path / "mine" / "deep_sets.py"
    assert eqsynth("examples", "copy", "deep_sets", "mine", cwd=tmp_path).returncode == 0
    copy.write_text("changed")
    for arguments, message in (
        (("deep_sets", "mine"), "is there already, with other content: copy to another folder, or use --force"),
        (("deep_set",), "Did you mean deep_sets? There are atoms_forces, deep_sets, "),
        (("training",), "there is no example 'training'"),
        (("deep_sets", "mine/deep_sets.py"), "is no folder"),
    ):
        done = eqsynth("examples", "copy", *arguments, cwd=tmp_path)
        assert done.returncode == 1
        assert message in done.stderr
    assert copy.read_text() == "changed"
    assert eqsynth("examples", "copy", "deep_sets", "mine", "--force", cwd=tmp_path).returncode == 0
    assert copy.read_text() != "changed"


def test_counts_are_english():
    assert "1 map, all independent for n >= 1" in eqsynth("verify", "O(3): 2 -> 0").stdout
    assert "plan of O(3): 1x1 -> 1x1: 1 independent map," in eqsynth("show", "O(3)", "1", "1", "--plan").stdout
    assert "O(3): order 1 -> order 1, 1 independent equivariant map\n" in eqsynth("show", "O(3)", "1", "1").stdout
    assert "there is no diagram 3: the only map is number 0" in eqsynth("show", "O(3)", "1", "1", "--index", "3").stderr
    assert "the 3 maps are numbered 0 to 2" in eqsynth("show", "O(3)", "2", "2", "--index", "3").stderr
