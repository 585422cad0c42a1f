"""README, guide, tutorials and explanations do what they show: each page runs from top to bottom, in its own folder."""

import ast
import doctest
import json
import re
import shlex
import sys
from pathlib import Path

import pytest

import terminal
import tutorial_notebook

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
FOLDERS = [ROOT / "docs" / name for name in ("guide", "tutorials", "explanation")]
PAGES = [README, *(path for folder in FOLDERS for path in sorted(folder.glob("*.md")))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
#: Of these, blocks are not run: commands that take minutes, and programs to read.
SHOWN = {"bash", "text", "yaml", "latex", "bibtex"}


def commands(session):
    """(command, expected output) for each line after a $."""
    for piece in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]:
        command, _, expected = piece.partition("\n")
        yield command, expected


def pattern(expected):
    """Expected output as a regular expression; capitals stand for what differs between machines."""
    escaped = re.escape(expected.strip())
    return escaped.replace("DIGEST", "[0-9a-f]{16}").replace("SMALL", r"\d\.\de-1\d").replace("SIZE", r"\d+")


def console(session, folder):
    for command, expected in commands(session):
        program, *arguments = shlex.split(command)
        assert program == "eqsynth", command
        done = terminal.eqsynth(*arguments, cwd=folder)
        assert re.fullmatch(pattern(expected), (done.stdout + done.stderr).strip()), done.stdout + done.stderr


def python(session, names, page, line):
    """A session as doctest reads it, among the names of the page."""
    example = doctest.DocTestParser().get_doctest(session, {}, page.stem, str(page), line)
    assert example.examples, f"no >>> in a python block of {page.name}:\n{session}"
    example.globs = names
    runner, output = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE), []
    runner.run(example, out=output.append, clear_globs=False)
    assert not runner.failures, "".join(output)


def run(page, folder):
    """Run what a page shows, in its order, with one namespace for its Python."""
    text, names = page.read_text(encoding="utf-8"), {}
    for block in BLOCK.finditer(text):
        language, content = block.groups()
        if language == "console" and content.startswith("$"):
            console(content, folder)
        elif language == "python":
            python(content, names, page, text.count("\n", 0, block.start(2)))
        elif language == "toml":
            (folder / "eqsynth.toml").write_text(content, encoding="utf-8")
        else:
            assert language in SHOWN | {"console"}, f"nothing runs the {language} block of {page.name}"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty folder to run a page in; what it imports from there is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.stem}")
def test_a_page_does_what_it_shows(page, place):
    run(page, place)


@pytest.mark.parametrize(
    "wrong",
    [
        "```python\n>>> 1 + 1\n3\n```\n",
        "```python\n>>> a = 1\n```\n\n```python\n>>> a\n2\n```\n",
        "```python\n1 + 1\n```\n",
        '```console\n$ eqsynth show "S(n)" 1 0\nno maps\n```\n',
        "```console\n$ ls\n```\n",
        "```pyhton\n>>> 1 + 1\n2\n```\n",
    ],
)
def test_a_page_that_shows_something_else_is_noticed(wrong, place):
    page = place / "page.md"
    page.write_text(wrong)
    with pytest.raises(AssertionError):
        run(page, place)


def test_the_session_checker_notices_a_difference():
    assert not re.fullmatch(pattern("5 maps, error SMALL"), "6 maps, error 1.2e-16")
    assert not re.fullmatch(pattern("5 maps, error SMALL"), "5 maps, error 1.2e-02")
    assert re.fullmatch(pattern("5 maps, error SMALL"), "5 maps, error 1.2e-16")


def test_readme_can_be_read_in_minutes():
    assert len(README.read_text(encoding="utf-8").split()) <= 1500


@pytest.mark.parametrize("name", ["graphs", "physics", "mathematics"])
def test_the_notebook_is_the_page(name):
    """The page runs above; the notebook has its text, its code in cells that Python reads, and what it prints."""
    page = ROOT / "docs" / "tutorials" / f"{name}.md"
    file = page.with_suffix(".ipynb").read_text(encoding="utf-8")
    assert file == tutorial_notebook.notebook(page), "run python scripts/tutorial_notebook.py"
    cells = json.loads(file)["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    drawn = ["".join(output["data"]["image/svg+xml"]) for output in outputs if "data" in output]
    assert [picture.count("<circle") for picture in drawn] == ([15] if name == "mathematics" else [])
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    blocks = [block[1] for block in BLOCK.findall(page.read_text(encoding="utf-8")) if block[0] == "python"]
    examples = [example for block in blocks for example in doctest.DocTestParser().get_examples(block)]
    assert ast.dump(ast.parse("\n".join(code))) == ast.dump(ast.parse("".join(one.source for one in examples)))
    printed = ["".join(output["data"]["text/plain"] if "data" in output else output["text"]) for output in outputs]
    assert printed == [example.want for example in examples if example.want]
