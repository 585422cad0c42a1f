"""Write the committed layers of ``catalog/`` again, or check that they are what eqsynth makes now.

usage: python scripts/catalog.py [--check]
"""

from __future__ import annotations

import sys
from pathlib import Path

import eqsynth as eq
from eqsynth.exporting import artifact_of, write_text

CATALOG = Path(__file__).resolve().parents[1] / "catalog"
#: File name, class name, group, input space, output space.
LAYERS = (
    ("s_n_1_1", "DeepSets", "S(n)", "16x1", "16x1"),
    ("s_n_2_0", "Invariant", "S(n)", "16x2", "16x0"),
    ("s_n_2_1", "EdgesToNodes", "S(n)", "16x2", "16x1"),
    ("s_n_1_2", "NodesToEdges", "S(n)", "16x1", "16x2"),
    ("s_n_2_2", "Edges", "S(n)", "16x2", "16x2"),
    ("s_n_graph", "Graph", "S(n)", "16x2 + 16x1 + 16x0", "16x2 + 16x1 + 16x0"),
    ("s_3_2_2", "Edges3", "S(3)", "16x2", "16x2"),
    ("s_4_3_1", "Triples4", "S(4)", "16x3", "16x1"),
    ("o_2_2_2", "Matrices2", "O(2)", "16x2", "16x2"),
    ("o_3_2_2", "Matrices3", "O(3)", "16x2", "16x2"),
    ("o_3_3_3", "Tensors3", "O(3)", "16x3", "16x3"),
    ("o_n_1_3", "VectorsToTensors", "O(n)", "16x1", "16x3"),
    ("so_3_vectors", "CrossProducts", "SO(3)", "16x2 + 16x1", "16x2 + 16x1 + 16x0"),
    ("sp_4_2_2", "PhaseSpace4", "Sp(4)", "16x2", "16x2"),
    ("a_3_1_1", "Alternating3", "A(3)", "16x1", "16x1"),
    ("aut_petersen_1_1", "Petersen", "Aut(petersen)", "16x1", "16x1"),
    ("aut_cycle6_1_1", "Ring6", "Aut(cycle6)", "16x1", "16x1"),
    ("perm_4_cyclic_1_1", "Cyclic4", "Perm(4: 1 2 3 0)", "16x1", "16x1"),
    ("s_n_x_o_3", "PointClouds", "S(n) x O(3)", "16x(1,1) + 16x(1,0)", "16x(1,1) + 16x(1,0)"),
)


def main(arguments: list[str]) -> int:
    """Build or check every entry; the exit code is 1 when one differs."""
    stale = []
    for stem, name, group, space_in, space_out in LAYERS:
        source = artifact_of(eq.Hom.parse(group, space_in, space_out), name).source
        path = CATALOG / f"{stem}.py"
        if path.exists() and path.read_text(encoding="utf-8") == source:
            continue
        stale.append(path.name)
        if "--check" not in arguments:
            write_text(path, source)
    known = {f"{stem}.py" for stem, *_ in LAYERS}
    stale += [path.name for path in CATALOG.glob("*.py") if path.name not in known]
    if "--check" in arguments and stale:
        print(f"catalog: {', '.join(sorted(stale))} differ from what eqsynth makes: run python scripts/catalog.py")
        return 1
    print(f"catalog: {len(LAYERS)} layers" + (f", written: {', '.join(stale)}" if stale else ", all up to date"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
