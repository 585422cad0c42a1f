"""What a package index shows of eqsynth: README, whose links lead into the repository, where it has none.

A link becomes its words and the name of the file, a picture its caption. The build of the package runs this as a hook
of hatchling.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

README = Path(__file__).resolve().parents[1] / "README.md"
NOTE = "Files that are named in parentheses, and the pictures, are in the source distribution.\n"


def description(text: str) -> str:
    """A page in Markdown without relative links: they become `the words (file)`."""
    text = re.sub(r"!\[([^\]]*)\]\((?!\w+:)([^()\s]+)\)", r"*\1* (`\2`)", text)
    text = re.sub(r"\[([^\]]*)\]\((?!\w+:|#)([^()\s#]+)(#[^()\s]*)?\)", r"\1 (`\2`)", text)
    title, _, rest = text.partition("\n\n")
    return f"{title}\n\n{NOTE}\n{rest}"


class Description(MetadataHookInterface):
    """The hook."""

    PLUGIN_NAME = "custom"

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the long description."""
        text = description(README.read_text(encoding="utf-8"))
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
