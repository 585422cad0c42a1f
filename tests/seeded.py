"""Everything that eqsynth writes, by its name: the same bytes in every process, whatever Python's hashes are."""

import json
import sys
from pathlib import Path

import eqsynth as eq
import terminal
from eqsynth.bases import basis as bases
from eqsynth.codegen.emit import emit
from eqsynth.families.hom import ProductHom
from eqsynth.plans.lowering import _fourier_plan
from eqsynth.plans.products import plan_products
from eqsynth.project import catalog
from eqsynth.show.page import html
from eqsynth.store.cache import digest

BASES = (("S(3)", 2, 2), ("SO(3)", 2, 3), ("A(4)", 2, 2), ("Aut(petersen)", 1, 1))
PRODUCTS = (
    ("S(n)", ["2x2 + 1x1", "2x1"], "2x2"),
    ("SO(3)", ["2x2", "2x1"], "2x2"),
    ("A(3)", ["2x1"], 1, "paired", (1, 2)),
)
IRREPS = (
    ("O(3)", "2x3", "2x3"),
    ("SO(2)", 2, 2),
    ("Aut(petersen)", 1, 2),
    ("S(2) x O(2)", "1x(1,1)", "1x(1,1)"),
)


def contents(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes().decode() for path in files}


def written(folder, project, homs):
    """Texts and digests: bases, layers by every method, drawings, pages, a project with this file, catalog entries."""
    folder.mkdir()
    exported = eq.export(eq.Hom.parse("S(2)", "2x3 + 1x1", "3x3"), folder / "layer.py").digest
    (folder / "eqsynth.toml").write_text(project, "utf-8")
    synced = terminal.eqsynth("sync", cwd=folder)
    assert synced.returncode == 0, synced.stderr
    shown = terminal.eqsynth("show", "Aut(cycle6)", "2", "1", "--json")
    assert len(shown.stdout) > 1_000, shown.stderr
    by_fourier = _fourier_plan(eq.Hom.parse("S(n)", "2x3 + 1x2", "2x2 + 1x3"), True, "variance", [2, 3])
    return {
        "bases": [digest(bases.to_data(eq.basis(*problem))) for problem in BASES],
        "export": exported,
        "files": contents(folder),
        "drawing": shown.stdout,
        "page": [html(group, 1, 2) for group in ("S(2)", "A(3)", "Aut(path4)")],
        "fourier": emit(by_fourier).digest,
        "irreps": [emit(eq.plan(*problem, method="irreps")).digest for problem in IRREPS],
        "products": [emit(plan_products(ProductHom.parse(*problem))).digest for problem in PRODUCTS],
        "entries": {hom: digest(catalog.make_entry(catalog.Problem(hom))) for hom in homs},
    }


if __name__ == "__main__":
    folder, project, *homs = json.load(sys.stdin)
    json.dump(written(Path(folder), project, homs), sys.stdout)
