"""The documentation as a whole: links lead somewhere, and the reference has every public name."""

import re
from pathlib import Path

import pytest

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
