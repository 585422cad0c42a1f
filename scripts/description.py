"""What a package index shows of eqsynth: README, whose links lead into the repository, where it has none.

A link becomes its words and the name of the file; a picture the drawing in characters of the layer of that name in
``catalog/``, or its caption. The build of the package runs this as a hook of hatchling.
"""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
NOTE = "Files that are named in parentheses are in the source distribution.\n"
#: Where a layer of the catalog shows the maps behind its weights.
DRAWN = re.compile(r"\nweight\[i\] belongs to map i[^\n]*\n\n(.*?)\n\nCertificate: ", re.DOTALL)


def description(text: str) -> str:
    """A page in Markdown without relative links: they become `the words (file)`."""
    text = re.sub(r"!\[([^\]]*)\]\((?!\w+:)([^()\s]+)\)", _pictured, text)
    text = re.sub(r"\[([^\]]*)\]\((?!\w+:|#)([^()\s#]+)(#[^()\s]*)?\)", r"\1 (`\2`)", text)
    title, _, rest = text.partition("\n\n")
    return f"{title}\n\n{NOTE}\n{rest}"


def _pictured(picture: re.Match[str]) -> str:
    """A picture in characters, between its caption and its name, where the catalog has one."""
    layer = ROOT / "catalog" / f"{Path(picture[2]).stem}.py"
    drawn = DRAWN.search(layer.read_text(encoding="utf-8")) if layer.exists() else None
    caption = f"*{picture[1]}* (`{picture[2]}`)"
    return f"{caption}\n\n```text\n{dedent(drawn[1])}\n```" if drawn else caption


class Description(MetadataHookInterface):
    """The hook."""

    PLUGIN_NAME = "custom"

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the long description."""
        text = description(README.read_text(encoding="utf-8"))
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
