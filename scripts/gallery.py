"""Draw ``docs/gallery.md`` and its pictures again, or check that they are what eqsynth draws now.

usage: python scripts/gallery.py [--check] [--goldens] [--force] [--pages FOLDER]

``--goldens`` writes, besides, the drawings that the tests compare with: look at the pictures before you commit them.
Files that are there with other content are replaced with ``--force`` only, since somebody may have drawn them; pictures
that the gallery does not have are named, never removed. ``--pages`` writes nothing but the interactive pages that the
gallery links to, which ``scripts/docs.sh`` puts beside those of the site.
"""

from __future__ import annotations

import json
import sys
from itertools import product
from pathlib import Path

import eqsynth as eq
from catalog import LAYERS
from eqsynth import page
from eqsynth.bases import table
from eqsynth.diagrams.diagram import Diagram, Element, MatrixMap, Orbit
from eqsynth.diagrams.layout import drawing
from eqsynth.diagrams.shapes import Drawing
from eqsynth.diagrams.svg import sheet, svg
from eqsynth.families.group import Group
from eqsynth.families.hom import Hom, Problem, ProductHom
from eqsynth.plans.products import maps
from eqsynth.spaces.space import Order, order_text
from eqsynth.store import files

ROOT = Path(__file__).resolve().parents[1]
GOLDENS = ROOT / "tests" / "goldens"
#: Name, title, group, element, what to see, source.
FIGURES: tuple[tuple[str, str, str, Element, str, str], ...] = (
    (
        "partition", "A partition of S(n)", "S(n)", Diagram(4, 5, ((0, 1, 4), (2, 8), (3,), (5, 7), (6,))),
        "Outputs are the top row, inputs the bottom row; vertices that are joined share an index, a block of inputs "
        "alone is summed, a block of outputs alone is filled with equal values.", "arXiv 2212.08648",
    ),
    (
        "even_partition", "An even partition of H(n)", "H(n)", Diagram(3, 5, ((0, 1, 3, 6), (2, 5), (4, 7))),
        "Blocks have an even number of vertices, so that the sign of each coordinate comes in pairs.",
        "arXiv 0808.2628",
    ),
    (
        "partial_matching", "A partial matching of B(n)", "B(n)", Diagram(3, 4, ((0, 4), (1,), (2, 3), (5,), (6,))),
        "Pairs as for O(n); a single input is summed, a single output is filled with equal values.", "arXiv 0808.2628",
    ),
    (
        "brauer", "A Brauer diagram of O(n)", "O(n)", Diagram(5, 5, ((0, 2), (1, 9), (3, 5), (4, 7), (6, 8))),
        "Every vertex has one partner: a pair of inputs is a contraction, a pair of outputs a Kronecker delta.",
        "arXiv 2212.08630",
    ),
    (
        "walled", "A walled Brauer diagram of GL(n)", "GL(n)", Diagram(3, 5, ((0, 2), (1, 4), (3, 6), (5, 7))),
        "From order (3,2) to (2,1): the first axes of each row are those of V, the others of the dual V*. A pair "
        "inside a row joins V with V*, a pair across the rows two of one kind.", "first fundamental theorem of GL(n)",
    ),
    (
        "signature", "A diagram of the Lorentz group", "O(1,3)", Diagram(3, 5, ((0, 2), (1, 5), (3, 6), (4, 7))),
        "Pairs as for O(n); inside a row they carry η = diag(+,-,-,-), in place of equal indices.", "arXiv 2212.08630",
    ),
    (
        "symplectic", "A Brauer diagram of Sp(n)", "Sp(4)", Diagram(3, 5, ((0, 2), (1, 5), (3, 6), (4, 7))),
        "A pair within a row carries the symplectic form of its left and its right index, so it has a direction.",
        "arXiv 2212.08630",
    ),
    (
        "free_vertices", "Free vertices of SO(3)", "SO(3)",
        Diagram(3, 4, ((0,), (1, 6), (2,), (3,), (4, 5)), head=(0, 2, 3)),
        "The n vertices without a partner are tied to the Levi-Civita tensor, drawn as a head, which takes them from "
        "left to right, outputs first.", "arXiv 2212.08630",
    ),
    (
        "jellyfish", "A jellyfish of A(n) with n blocks", "A(4)",
        Diagram(4, 3, ((0, 1), (2, 5), (3,), (4, 6)), head=(0, 1, 2, 3)),
        "All blocks hang on the head: the value is the sign of their indices as a permutation, 0 where two are equal.",
        "arXiv 2301.10152",
    ),
    (
        "jellyfish_loose", "A jellyfish of A(n) with n - 1 blocks", "A(4)",
        Diagram(3, 3, ((0, 3), (1, 2), (4, 5)), head=(0, 1, 2)),
        "One leg ends in a ring: its index is the one that is missing.", "arXiv 2301.10152",
    ),
    (
        "bilabelled", "A bilabelled graph of Aut(G)", "Aut(petersen)",
        Diagram(2, 3, ((0,), (1, 3), (2,), (4,), (), ()), ((0, 1), (0, 4), (2, 4), (3, 5), (4, 5))),
        "Thin wires lead from the labels to vertices of a small graph, thick lines are its edges; the entry is the "
        "number of ways to place that graph in G, so the vertices without a label are summed.", "arXiv 2307.07810",
    ),
    (
        "directed", "A bilabelled graph of a directed graph", "Aut(4: 0>1 1>2 2>3 3>0)",
        Diagram(2, 1, ((0,), (1,), (2,), ()), ((0, 3), (2, 3), (3, 1))),
        "Edges have the direction that they have in G.", "arXiv 2307.07810",
    ),
    (
        "product", "A product: S(4) x SO(2) x Sp(2)", "S(4) x SO(2) x Sp(2)",
        (Diagram(2, 2, ((0, 1, 2), (3,))), Diagram(1, 1, ((0,), (1,)), head=(0, 1)), Diagram(1, 3, ((0, 2), (1, 3)))),
        "One diagram for each factor, side by side: the map is their Kronecker product.", "arXiv 2304.14144",
    ),
    (
        "phased", "A phased partition of Z(3) wr S(n)", "Z(3) wr S(n)",
        Diagram(2, 5, ((0, 2), (1, 3, 4, 5, 6))),
        "In each block outputs minus inputs are a multiple of 3, so that the phases of each coordinate cancel.",
        "set partitions, V minus V* a multiple of r in each block",
    ),
    (
        "nested", "A nested partition of S(3) wr S(n)", "S(3) wr S(n)",
        (Diagram(2, 3, ((0, 2, 3), (1, 4))), Diagram(2, 3, ((0, 2), (1, 4), (3,)))),
        "The first diagram says which indices are of one group of points, the second, which cuts its blocks, which of "
        "them are of one point.", "chains of two set partitions",
    ),
    (
        "orbit", "An orbit of a group of permutations", "Perm(4: 1 2 3 0)", Orbit(2, 2, (0, 1, 2, 0)),
        "The numbers are one index tuple of the orbit; the map is 1 on all its images, and squares say that it is no "
        "diagram.", "arXiv 2307.07810",
    ),
    (
        "matrix", "A matrix, for groups without diagrams", "Matrix([[0,1],[-1,0]]; )",
        MatrixMap(2, 2, ((1, 3, -1), (2, 0, 1))),
        "The entries that are not zero, negative ones hollow.", "the exact null space of the generators' constraints",
    ),
)  # fmt: skip


def figures() -> dict[str, Drawing]:
    """The drawings of single elements, by name."""
    return {name: drawing(group, element) for name, _, group, element, _, _ in FIGURES}


def pages() -> dict[Path, str]:
    """The files of the gallery."""
    folder, made = ROOT / "docs" / "gallery", dict[Path, str]()
    text = ["# Gallery", "", "Every kind of picture that eqsynth draws, written by `python scripts/gallery.py`."]
    text += ["`eqsynth show` draws those of any basis; `--svg`, `--tikz` and `--png` write them to a file.", ""]
    for (name, title, group, _, sentence, source), drawn in zip(FIGURES, figures().values(), strict=True):
        made[folder / f"{name}.svg"] = svg(drawn)
        text += [f"## {title}", "", f"![{title}](gallery/{name}.svg)", "", f"`{drawn.formula}` for {group}. {sentence}"]
        text += [f"In words: {drawn.words}", "", f"Source: {source}.", ""]
    made[folder / "so_3_3_2.svg"], title = whole(eq.Hom.parse("SO(3)", "1x3", "1x2"))
    text += [f"## {title}", "", f"![{title}](gallery/so_3_3_2.svg)", ""]
    text += links()
    text += ["## The catalog", "", "Every map of every layer in `catalog/`: what one weight of it does.", ""]
    for layer in LAYERS:
        name = layer.file
        made[folder / f"{name}.svg"], title = whole(layer.hom)
        text += [f"### {layer.name}", "", f"[{name}.py](../catalog/{name}.py). {title}.", ""]
        text += [f"![{title}](gallery/{name}.svg)", ""]
    made[ROOT / "docs" / "gallery.md"] = "\n".join(text).rstrip() + "\n"
    return made


def interactive() -> dict[str, tuple[Group, Order, Order]]:
    """The interactive pages by name: for each group of the catalog the maps of its first layer."""
    chosen: dict[str, tuple[Group, Order, Order]] = {}
    for layer in LAYERS:
        hom = layer.hom
        if isinstance(hom, Hom) and hom.group not in [group for group, _, _ in chosen.values()]:
            chosen[layer.file] = hom.group, hom.space_in.orders[0], hom.space_out.orders[0]
    return chosen


def links() -> list[str]:
    """The part of the gallery that links to the interactive pages."""
    text = [
        "## Interactive pages",
        "",
        "One for each group of the catalog, as `eqsynth show GROUP K L --html FILE` writes it:",
    ]
    text += ["maps to filter and sort, their matrices entry by entry, what was left out and why, the plan.", ""]
    text += [
        f'- <a href="gallery/pages/{name}.html">{group}: order {order_text(inputs)} to order {order_text(outputs)}</a>'
        for name, (group, inputs, outputs) in interactive().items()
    ]
    return [*text, ""]


def write_pages(folder: Path) -> int:
    """Write the interactive pages to ``gallery/pages`` in a folder of their own."""
    for name, (group, inputs, outputs) in interactive().items():
        path = folder / "gallery" / "pages" / f"{name}.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        page.write(path, group, inputs, outputs, force=True)
    print(f"gallery: {len(interactive())} pages")
    return 0


def whole(hom: Problem) -> tuple[str, str]:
    """One sheet with every map of a layer, and its title."""
    shown: list[Drawing] = []
    captions: list[str] = []
    for i, o in product(range(len(hom.terms)), range(len(hom.space_out))):
        drawn, said = table.drawings(maps(hom, i, o), multiplied=hom.multiplied(i))
        shown += drawn
        captions += said
    orders = [f"{'orders' if len(space) > 1 else 'order'} {', '.join(map(order_text, space.orders))}"
              for space in (*hom.operands, hom.space_out)]  # fmt: skip
    count = f"The {len(shown)} maps" if len(shown) > 1 else "The one map"
    source = f"powers {', '.join(map(str, hom.degrees))} of " if isinstance(hom, ProductHom) and hom.degrees else ""
    title = f"{count} of {hom.group} from {source}{' (x) '.join(orders[:-1])} to {orders[-1]}"
    return sheet(shown, captions, title), title


def goldens() -> dict[Path, str]:
    """The drawings as data, which the tests compare with."""
    return {
        GOLDENS / f"{name}.json": json.dumps(drawn.data(), ensure_ascii=False, indent=1) + "\n"
        for name, drawn in figures().items()
    }


def main(arguments: list[str]) -> int:
    """Write or check the gallery; the exit code is 1 when a file differs."""
    if "--pages" in arguments:
        return write_pages(Path(arguments[arguments.index("--pages") + 1]))
    wanted = pages() | (goldens() if "--goldens" in arguments else {})
    folder = ROOT / "docs" / "gallery"
    stale = [path for path, text in wanted.items() if not files.same(path, text.encode())]
    unknown = [path for path in sorted(folder.glob("*.svg")) if path not in wanted]
    if "--check" in arguments:
        if stale or unknown:
            names = ", ".join(path.name for path in [*stale, *unknown])
            print(f"gallery: {names} differ from what eqsynth draws: run python scripts/gallery.py")
            return 1
        print(f"gallery: {len(wanted)} files, all up to date")
        return 0
    kept = [path for path in stale if path.exists() and "--force" not in arguments]
    if kept:
        names = ", ".join(path.name for path in kept)
        print(f"gallery: {names} would be replaced: look at the difference, then run python scripts/gallery.py --force")
        return 1
    for path in stale:
        files.save(path, wanted[path].encode(), force=True)
    for path in unknown:
        print(f"gallery: {path} is none of its pictures: remove it if nobody needs it")
    print(f"gallery: {len(wanted)} files, written: {', '.join(path.name for path in stale) or 'none'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
