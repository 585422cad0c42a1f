"""Make the catalog of this repository again, or check that it is what eqsynth makes now.

usage: python scripts/catalog.py [--check] [--force]

The same as ``eqsynth catalog build --store catalog --fresh``, or ``--check``. With ``--force`` files that were edited
are replaced, too.
"""

from __future__ import annotations

import sys
from pathlib import Path

from eqsynth.errors import ExportError
from eqsynth.project.catalog import RECIPE, build, read_recipe

CATALOG = Path(__file__).resolve().parents[1] / "catalog"
#: The readable files.
LAYERS = tuple(read_recipe(CATALOG / RECIPE)[1])


def main(arguments: list[str]) -> int:
    """Build or check every entry; the exit code is 1 when one differs."""
    check = "--check" in arguments
    try:
        done = build(CATALOG, [], fresh=True, check=check, force="--force" in arguments)
    except ExportError as error:
        print(f"catalog: {error}")
        return 1
    if done.failed or (check and done.files):
        differ = ", ".join(done.files) or "none"
        print(f"catalog: these differ from what eqsynth makes: {differ}. Run python scripts/catalog.py")
        print(*(f"catalog: not built: {failure}" for failure in done.failed), sep="\n", end="")
        return 1
    print(f"catalog: {done.made} entries" + (f", written: {', '.join(done.files)}" if done.files else ", up to date"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
