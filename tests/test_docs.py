"""The documentation as a whole: links lead somewhere, and the reference has every public name."""

import inspect
import json
import re
from collections import Counter
from pathlib import Path

import pytest

import eqsynth as eq
from eqsynth import drawing, svg, tikz

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / ".github").rglob("*.md")])
FENCE = re.compile(r"^(```+)[^`\n]*\n.*?^\1$", re.MULTILINE | re.DOTALL)


def prose(page):
    """A page without what it shows as code."""
    return re.sub(r"`[^`\n]+`", "", FENCE.sub("", page.read_text(encoding="utf-8")))


def links(page):
    return [link for link in re.findall(r"\]\(([^()\s]+)\)", prose(page)) if "://" not in link]


def anchors(page):
    """What headings are called in links: small letters, and - between words."""
    titles = re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken(page):
    """The links of a page that lead nowhere."""
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    assert not list(broken(page))


def test_a_broken_link_is_noticed(tmp_path):
    page = tmp_path / "page.md"
    text = "# One, two\n[a](#one-two) [b](#three) [c](page.md#one-two) ![d](gone.svg) `[e](code)`\n```x\n[f](g)\n```\n"
    page.write_text(text)
    assert list(broken(page)) == ["#three", "gone.svg"]


# --- the reference --------------------------------------------------------------------------------

#: What Sphinx writes an entry for, name by name.
ENTRY = re.compile(r"^\.\. auto(?:class|function|exception|data):: (\S+)$", re.MULTILINE)
MODULES = [eq, eq.nn, eq.algebra, eq.symbolic, eq.testing, eq.page, drawing, svg, tikz]


def public():
    """Every name that users may import, from where they import it."""
    yield from (f"{module.__name__}.{name}" for module in MODULES for name in module.__all__)
    yield from (f"eqsynth.errors.{name}" for name, value in vars(eq.errors).items() if is_error(value))


def is_error(value):
    return inspect.isclass(value) and issubclass(value, BaseException) and value.__module__ == "eqsynth.errors"


def test_the_reference_has_every_public_name_once():
    """A new name goes into one of the pages of docs/reference."""
    pages = (path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "reference").glob("*.md"))
    entries = Counter(name for page in pages for name in ENTRY.findall(page))
    elsewhere = {"eqsynth.__version__", "eqsynth.EqsynthError"}  # no entry of its own; eqsynth.errors has it
    wanted = set(public()) - elsewhere
    assert not sorted(wanted - set(entries)), "these have no entry in docs/reference"
    assert not sorted(set(entries) - wanted), "these are not public"
    assert max(entries.values()) == 1


def test_the_citation_is_of_this_version():
    assert f"\nversion: {eq.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_pages_say_how_many_problems_the_catalog_has():
    count = len(json.loads((ROOT / "catalog" / "index.json").read_text(encoding="utf-8"))["entries"])
    for name, words in (("docs/guide/cache.md", "problems of common groups"), ("CHANGELOG.md", "problems.")):
        assert f" {count} {words}" in (ROOT / name).read_text(encoding="utf-8")
