"""The notebooks of the tutorials: text, Python without prompts, what it prints, and the pictures that it draws.

python scripts/tutorial_notebook.py            # writes docs/tutorials/NAME.ipynb from each NAME.md
python scripts/tutorial_notebook.py --check    # tells whether they are up to date

Each example that prints something ends a cell. ``tests/test_readme.py`` runs the pages, and holds notebooks to them.
"""

import argparse
import doctest
import io
import json
import re
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from eqsynth.diagrams.svg import Picture

PAGES = sorted((Path(__file__).parents[1] / "docs" / "tutorials").glob("*.md"))
BLOCK = re.compile(r"^```python\n(.*?)^```\n", re.MULTILINE | re.DOTALL)


def text_cell(text: str) -> dict[str, Any]:
    """A cell of text."""
    return {"cell_type": "markdown", "metadata": {}, "source": text.strip().splitlines(keepends=True)}


def code_cell(source: str, printed: str, picture: str | None = None) -> dict[str, Any]:
    """A cell of Python, and what it prints or draws."""
    text = printed.splitlines(keepends=True)
    outputs: list[dict[str, Any]] = [{"name": "stdout", "output_type": "stream", "text": text}] if printed else []
    if picture is not None:
        data = {"image/svg+xml": picture.splitlines(keepends=True), "text/plain": text}
        outputs = [{"data": data, "execution_count": None, "metadata": {}, "output_type": "execute_result"}]
    lines = source.rstrip("\n").splitlines(keepends=True)
    return {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": outputs, "source": lines}


@contextmanager
def elsewhere() -> Iterator[None]:
    """Inside, files are written to a folder of their own, from which modules are imported, and which goes."""
    path, modules = [*sys.path], {*sys.modules}
    with TemporaryDirectory() as folder, chdir(folder):
        sys.path.insert(0, folder)
        try:
            yield
        finally:
            sys.path[:] = path
            for name in {*sys.modules} - modules:
                if str(getattr(sys.modules[name], "__file__", "")).startswith(folder):
                    del sys.modules[name]


class Session:
    """The examples of a page, run one after the other, for the pictures that they draw."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {}

    def drawn(self, source: str) -> str | None:
        """The picture that an example gives, if it gives one."""
        values: list[Any] = []
        shows, prints = sys.displayhook, sys.stdout
        sys.displayhook, sys.stdout = values.append, io.StringIO()
        try:
            exec(compile(source, "<page>", "single"), self.names)  # noqa: S102 - examples of the page
        finally:
            sys.displayhook, sys.stdout = shows, prints
        picture: str | None = values[-1] if values and isinstance(values[-1], Picture) else None
        return picture


def cells(page: str) -> Iterator[dict[str, Any]]:
    """The cells of a page, in its order."""
    session = Session()
    for place, piece in enumerate(BLOCK.split(page)):
        if place % 2 == 0:
            if piece.strip():
                yield text_cell(piece)
            continue
        source = ""
        for example in doctest.DocTestParser().get_examples(piece):
            source += example.source
            picture = session.drawn(example.source)
            if example.want:
                yield code_cell(source, example.want, picture)
                source = ""
        if source:
            yield code_cell(source, "")


def notebook(page: Path) -> str:
    """The notebook of a page as the text of its file."""
    text = page.read_text(encoding="utf-8")
    with elsewhere():
        numbered = [{"id": f"cell-{number}", **cell} for number, cell in enumerate(cells(text))]
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    whole = {"cells": numbered, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def main() -> int:
    """Write the notebooks, or check them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only tell whether the notebooks are up to date")
    check, stale = parser.parse_args().check, 0
    for page in PAGES:
        path, text = page.with_suffix(".ipynb"), notebook(page)
        if not check:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path}")
            continue
        fresh = path.is_file() and path.read_text(encoding="utf-8") == text
        print(f"{path.name} is {'up to date' if fresh else 'out of date: run python scripts/tutorial_notebook.py'}")
        stale += not fresh
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
