"""Every command and session that README shows does what README shows."""

import doctest
import re
import shlex
from pathlib import Path

import pytest

import terminal
from eqsynth.project.syncing import read_project, sync

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
#: The eqsynth.toml that README shows.
LIST = "\n".join(text for language, text in BLOCKS if language == "toml")
SESSIONS = [text for language, text in BLOCKS if language == "console" and text.startswith("$")]


def commands(session):
    """(command, expected output) for each line after a $."""
    for piece in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]:
        command, _, expected = piece.partition("\n")
        yield command, expected


def pattern(expected):
    """Expected output as a regular expression; capitals stand for what differs between machines."""
    escaped = re.escape(expected.strip())
    return escaped.replace("DIGEST", "[0-9a-f]{16}").replace("SMALL", r"\d\.\de-1\d").replace("SIZE", r"\d+")


@pytest.mark.parametrize("session", SESSIONS, ids=range(len(SESSIONS)))
def test_console_sessions(session, tmp_path):
    (tmp_path / "eqsynth.toml").write_text(LIST)
    for command, expected in commands(session):
        program, *arguments = shlex.split(command)
        assert program == "eqsynth"
        done = terminal.eqsynth(*arguments, cwd=tmp_path)
        assert re.fullmatch(pattern(expected), (done.stdout + done.stderr).strip()), done.stdout + done.stderr


def test_the_session_checker_notices_a_difference():
    assert not re.fullmatch(pattern("5 maps, error SMALL"), "6 maps, error 1.2e-16")
    assert not re.fullmatch(pattern("5 maps, error SMALL"), "5 maps, error 1.2e-02")
    assert re.fullmatch(pattern("5 maps, error SMALL"), "5 maps, error 1.2e-16")
    assert len(SESSIONS) >= 3


def test_python_sessions(tmp_path, monkeypatch):
    (tmp_path / "eqsynth.toml").write_text(LIST)
    sync(read_project(tmp_path / "eqsynth.toml"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    source = "\n".join(text for language, text in BLOCKS if language == "python")
    example = doctest.DocTestParser().get_doctest(source, {}, "README", "README.md", 0)
    assert len(example.examples) > 8
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    runner.run(example)
    assert runner.failures == 0
