"""Drawings: exact as data, whole as SVG and TikZ, telling in text, and the same everywhere."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import eqsynth as eq
from eqsynth import Diagram, Group
from eqsynth.bases.table import basis_data, drawings, how_to_read
from eqsynth.diagrams import layout, shapes, tikz, words
from eqsynth.diagrams import svg as svgs
from eqsynth.diagrams.diagram import MatrixMap, Orbit
from eqsynth.diagrams.functor import matrix
from eqsynth.diagrams.shapes import Drawing, along
from eqsynth.diagrams.svg import COLOURS, DASHES, EM, SCALE, sheet, svg
from eqsynth.diagrams.text import picture
from eqsynth.errors import EqsynthError, SizeError
from eqsynth.families.hom import parse_problem
from eqsynth.plans.products import plan_problem
from terminal import eqsynth

ROOT = Path(__file__).parents[1]
SPEC = importlib.util.spec_from_file_location("gallery", ROOT / "scripts" / "gallery.py")
gallery = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(gallery)

FAMILIES = ("S(9)", "O(9)", "SO", "Sp(8)", "A", "A-", "Aut(cycle5)", "Aut(3: 0>1 1>2)", "Perm(4: 1 2 3 0)", "Matrix")


FAMILIES_OF_FACTORS = {"S", "O", "SO", "Sp", "A", "H"}


def split(draw, total):
    outputs = draw(st.integers(0, total))
    return outputs, total - outputs


def partition(draw, outputs, inputs):
    labels = draw(st.lists(st.integers(0, 4), min_size=outputs + inputs, max_size=outputs + inputs))
    return Diagram.of(outputs, inputs, [[v for v, at in enumerate(labels) if at == n] for n in sorted(set(labels))])


@st.composite
def drawn_elements(draw, most=10):
    """A group and an element of any kind with at most ten vertices."""
    family = draw(st.sampled_from((*FAMILIES, "product")))
    if family == "product":
        parts = [draw(drawn_elements(3).filter(lambda part: part[0].family in FAMILIES_OF_FACTORS)) for _ in range(2)]
        return eq.ProductGroup([group for group, _ in parts]), tuple(element for _, element in parts)
    if family == "Matrix":
        outputs, inputs = draw(st.sampled_from([(0, 1), (1, 1), (2, 1), (2, 2)]))
        places = st.tuples(st.integers(0, 2**outputs - 1), st.integers(0, 2**inputs - 1))
        entries = draw(st.dictionaries(places, st.integers(-99, 99).filter(bool), min_size=1))
        group = Group.parse("Matrix([[0,1],[-1,0]]; )")
        return group, MatrixMap(outputs, inputs, tuple((*place, value) for place, value in sorted(entries.items())))
    outputs, inputs = split(draw, draw(st.integers(0, most)))
    if family.startswith("Perm"):
        indices = draw(st.lists(st.integers(0, 3), min_size=outputs + inputs, max_size=outputs + inputs))
        return Group.parse(family), Orbit(outputs, inputs, tuple(indices))
    if family.startswith("Aut"):
        base = partition(draw, outputs, inputs)
        blocks = base.blocks + ((),) * draw(st.integers(0, 3))
        pairs = [(a, b) for a in range(len(blocks)) for b in range(a, len(blocks))]
        edges = draw(st.lists(st.sampled_from(pairs), max_size=6, unique=True)) if pairs else []
        return Group.parse(family), Diagram(outputs, inputs, blocks, tuple(sorted(edges)))
    if family == "S(9)":
        return Group.parse(family), partition(draw, outputs, inputs)
    if family in {"A", "A-"}:
        base = partition(draw, outputs, inputs)
        count = len(base.blocks)
        if not count:
            return Group("A", 3), base
        head = tuple(range(count))
        return Group("A", count + (family == "A-")), Diagram(outputs, inputs, base.blocks, head=head)
    vertices = draw(st.permutations(range(outputs + inputs)))
    free = draw(st.integers(0, len(vertices))) if family == "SO" else 0
    free += (len(vertices) - free) % 2
    if family != "SO" and free:
        vertices, free = [], 0
        outputs = inputs = 0
    rest = vertices[free:]
    base = Diagram.of(outputs, inputs, [*([v] for v in vertices[:free]), *zip(rest[::2], rest[1::2], strict=True)])
    head = tuple(number for number, block in enumerate(base.blocks) if len(block) == 1)
    group = Group("SO", max(free, 1)) if family == "SO" else Group.parse(family)
    return group, Diagram(outputs, inputs, base.blocks, head=head)


def numbers(text):
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", text)]


def extents(root):
    """The bounds of every mark, read from the file alone: (left, top, right, bottom, tag)."""
    for node, (dx, dy) in walk(root, (0.0, 0.0)):
        tag = node.tag.split("}")[1]
        pen = float(node.get("stroke-width", "0.06")) / 2
        if tag == "path":
            x = y = 0.0
            points = []
            for letter, rest in re.findall(r"([MCLhvzZ])([^MCLhvzZ]*)", node.get("d")):
                values = numbers(rest)
                if letter in "MCL":
                    points += list(zip(values[::2], values[1::2], strict=True))
                elif values:
                    x, y = points[-1]
                    points.append((x + values[0], y) if letter == "h" else (x, y + values[0]))
            yield (
                min(x for x, _ in points) + dx - pen, min(y for _, y in points) + dy - pen,
                max(x for x, _ in points) + dx + pen, max(y for _, y in points) + dy + pen, tag,
            )  # fmt: skip
        elif tag == "circle":
            x, y, r = (float(node.get(name)) for name in ("cx", "cy", "r"))
            yield x + dx - r, y + dy - r, x + dx + r, y + dy + r, tag
        elif tag == "rect" and node.get("class") != "eq-paper":
            x, y, w, h = (float(node.get(name)) for name in ("x", "y", "width", "height"))
            yield x + dx, y + dy, x + dx + w, y + dy + h, tag
        elif tag == "text":
            x, y, size = (float(node.get(name)) for name in ("x", "y", "font-size"))
            half = EM * size * len(node.text) / 2
            # Ascenders and descenders of the fonts that are asked for stay within these.
            yield x + dx - half, y + dy - 0.75 * size, x + dx + half, y + dy + 0.25 * size, tag


def walk(node, shift):
    found = re.match(r"translate\((\S+) (\S+)\)", node.get("transform", ""))
    if found:
        shift = (shift[0] + float(found[1]), shift[1] + float(found[2]))
    yield node, shift
    for child in node:
        yield from walk(child, shift)


def check_within(source):
    root = ET.fromstring(source)
    _, _, width, height = map(float, root.get("viewBox").split())
    marks = list(extents(root))
    for left, top, right, bottom, tag in marks:
        assert left >= -0.002, tag
        assert top >= -0.002, tag
        assert right <= width + 0.002, tag
        assert bottom <= height + 0.002, tag
    return marks


@settings(max_examples=150, deadline=None)
@given(drawn_elements())
def test_svg_of_every_kind_is_sound(case):
    group, element = case
    drawn = layout.drawing(group, element)
    source = svg(drawn, "a <title> & more")
    root = ET.fromstring(source)
    assert check_within(source)
    assert root.get("role") == "img"
    assert root.get("aria-label") == root[0].text == "a <title> & more"
    assert root[1].tag.endswith("desc")
    assert root[1].text == drawn.words
    assert 'id="' not in source
    assert "url(" not in source
    assert len(source) < 30_000
    assert source == svg(layout.drawing(group, element), "a <title> & more")
    parts = element if isinstance(element, tuple) else (element,)
    assert sum(dot.kind in {"vertex", "index"} for dot in drawn.dots) == sum(
        part.outputs + part.inputs for part in parts if not isinstance(part, MatrixMap)
    )
    text = tikz.tikz(drawn)
    assert text.count("{") == text.count("}")
    assert text.count(r"\draw") + text.count(r"\fill") + text.count(r"\node") >= len(drawn.dots) + len(drawn.labels)


def test_the_view_box_check_notices_what_leaves_it():
    source = svg(layout.drawing("S(n)", Diagram(2, 2, ((0, 3), (1, 2)))))
    check_within(source)
    small = re.sub(r'viewBox="0 0 (\S+) (\S+)"', lambda m: f'viewBox="0 0 {float(m[1]) - 0.3} {m[2]}"', source)
    with pytest.raises(AssertionError, match=r"text|circle|path"):
        check_within(small)


def ends(strand):
    return strand.points[0], strand.points[-1]


def components(vertices, strands):
    """Which vertices strands join, by their positions alone."""
    places = {(dot.x, dot.y): index for index, dot in enumerate(vertices)}
    parent = list(range(len(vertices)))

    def root(index):
        return index if parent[index] == index else root(parent[index])

    for strand in strands:
        one, other = (root(places[end]) for end in ends(strand))
        parent[one] = other
    return {frozenset(i for i in range(len(parent)) if root(i) == top) for top in map(root, range(len(parent)))}


def test_a_lost_strand_is_noticed():
    drawn = layout.drawing("S(n)", Diagram(2, 1, ((0, 1, 2),)))
    assert components(drawn.dots, drawn.strands) == {frozenset({0, 1, 2})}
    assert components(drawn.dots, drawn.strands[1:]) == {frozenset({0, 2}), frozenset({1})}


@given(drawn_elements().filter(lambda case: isinstance(case[1], Diagram) and case[0].family != "Aut"))
def test_strands_join_what_the_diagram_joins(case):
    group, diagram = case
    drawn = layout.drawing(group, diagram)
    vertices = [dot for dot in drawn.dots if dot.kind == "vertex"]
    found = components(vertices, [strand for strand in drawn.strands if strand.kind in {"strand", "form"}])
    assert found == {frozenset(block) for block in diagram.blocks}
    legs = [strand for strand in drawn.strands if strand.kind == "leg" and strand.block >= 0]
    assert sorted(leg.block for leg in legs) == sorted(diagram.head)
    assert len(drawn.heads) == bool(diagram.head)
    for leg in legs:
        head = drawn.heads[0]
        start, end = ends(leg)
        assert diagram.labels[[(dot.x, dot.y) for dot in vertices].index(start)] == leg.block
        assert abs(end[0] - head.x) <= head.width / 2 + 0.002
        assert abs(end[1] - head.y) <= shapes.DOME + 0.002
    tops, bottoms = vertices[: diagram.outputs], vertices[diagram.outputs :]
    assert len({dot.y for dot in tops}) <= 1 >= len({dot.y for dot in bottoms})
    for row in (tops, bottoms):
        assert [dot.x for dot in row] == sorted(dot.x for dot in row)
    if tops and bottoms:
        assert tops[0].y < bottoms[0].y
    marks = [label.text for label in drawn.labels if label.kind == "index"]
    assert tuple(marks) == diagram.marks(group.family == "Sp")


@given(drawn_elements().filter(lambda case: isinstance(case[1], Diagram) and case[0].family == "Aut"))
def test_wires_and_edges_of_a_bilabelled_graph(case):
    group, diagram = case
    drawn = layout.drawing(group, diagram)
    nodes = {dot.block: (dot.x, dot.y) for dot in drawn.dots if dot.kind == "node"}
    assert sorted(nodes) == list(range(len(diagram.blocks)))
    assert len(set(nodes.values())) == len(nodes)
    edges = [strand for strand in drawn.strands if strand.kind == "edge"]
    assert [ends(edge) for edge in edges] == [(nodes[a], nodes[b]) for a, b in diagram.edges]
    assert all((edge.arrow > 0) == group.graph.directed for edge in edges)
    vertices = [(dot.x, dot.y) for dot in drawn.dots if dot.kind == "vertex"]
    wires = {ends(strand) for strand in drawn.strands if strand.kind == "wire"}
    assert wires == {(vertices[v], nodes[number]) for v, number in enumerate(diagram.labels)}


@given(drawn_elements())
def test_blocks_are_told_apart_by_more_than_colour(case):
    group, element = case
    drawn = layout.drawing(group, element)
    looks = [(style.mark, DASHES[style.dash % len(DASHES)]) for style in drawn.styles]
    if isinstance(element, tuple):
        return  # each factor looks as it does alone
    assert sorted(style.dash for style in drawn.styles) == list(range(len(looks)))
    assert len({mark for mark, _ in looks}) == len(looks)
    strands = {strand.block for strand in drawn.strands if strand.block >= 0}
    # Up to seven blocks with strands differ by the dash alone.
    if len(strands) <= len(DASHES):
        assert len({looks[block][1] for block in strands}) == len(strands)


def test_colours_and_dashes_tell_56_strands_apart():
    assert len({(COLOURS[n % len(COLOURS)], DASHES[n % len(DASHES)]) for n in range(56)}) == 56


def luminance(colour):
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("paper", ["#ffffff", "#0d1117"])
def test_colours_stand_out_on_light_and_dark(colour, paper):
    low, high = sorted((luminance(colour), luminance(paper)))
    assert (high + 0.05) / (low + 0.05) >= 3


@given(*[drawn_elements(5).filter(lambda case: case[0].family in FAMILIES_OF_FACTORS)] * 2)
def test_factors_of_a_product_stand_side_by_side(first, second):
    (group, element), (other_group, other) = first, second
    whole = layout.drawing(eq.ProductGroup([group, other_group]), (element, other))
    parts = [layout.drawing(group, element), layout.drawing(other_group, other)]
    assert whole.kind == " x ".join(part.kind for part in parts)
    (sign,) = [label for label in whole.labels if label.text == "⊗"]
    for part, within in zip(parts, (lambda x: x < sign.x, lambda x: x > sign.x), strict=True):
        # The same marks, letters and colours as alone, except that rows may be farther apart.
        looks = [(dot.kind, whole.styles[dot.block] if dot.block >= 0 else None) for dot in whole.dots if within(dot.x)]
        assert looks == [(dot.kind, part.styles[dot.block] if dot.block >= 0 else None) for dot in part.dots]
        assert [strand.kind for strand in whole.strands if within(strand.points[0][0])] == [
            strand.kind for strand in part.strands
        ]
        texts = [label.text for label in whole.labels if within(label.x)]
        assert texts == [label.text for label in part.labels]


@settings(max_examples=150, deadline=None)
@given(drawn_elements())
def test_up_to_ten_vertices_letters_and_dots_keep_apart(case):
    drawn = layout.drawing(*case)
    boxes = [shapes.box(label) for label in drawn.labels]
    for place, (left, top, right, bottom) in enumerate(boxes):
        for other_left, other_top, other_right, other_bottom in boxes[:place]:
            assert right <= other_left or other_right <= left or bottom <= other_top or other_bottom <= top
    for place, dot in enumerate(drawn.dots):
        for other in drawn.dots[:place]:
            assert abs(dot.x - other.x) + abs(dot.y - other.y) > 2 * shapes.DOT, (dot, other)
    # At its own size a letter is as large as the text of a page.
    assert shapes.FONT * SCALE >= 12


def test_symplectic_pairs_point_from_left_to_right():
    drawn = layout.drawing("Sp(4)", Diagram(2, 4, ((0, 1), (2, 4), (3, 5))))
    assert [strand.kind for strand in drawn.strands] == ["form"] * 3
    for strand in drawn.strands:
        assert strand.points[0][0] < strand.points[-1][0]
        assert 0 < strand.arrow < 1
        assert along(strand.points, strand.arrow)[1][0] > 0.9
    assert svg(drawn).count("eq-tip") == 3
    assert not any(strand.arrow for strand in layout.drawing("O(4)", Diagram(0, 2, ((0, 1),))).strands)


def test_a_missing_index_has_a_leg_of_its_own():
    loose = Diagram(1, 1, ((0,), (1,)), head=(0, 1))
    assert [dot.kind for dot in layout.drawing("A(3)", loose).dots].count("free") == 1
    assert [dot.kind for dot in layout.drawing("A(2)", loose).dots].count("free") == 0
    assert [dot.kind for dot in layout.drawing("SO(2)", loose).dots].count("free") == 0


@pytest.mark.parametrize("name", sorted(gallery.figures()))
def test_drawings_are_the_golden_ones(name):
    golden = json.loads((ROOT / "tests" / "goldens" / f"{name}.json").read_text(encoding="utf-8"))
    assert json.loads(json.dumps(gallery.figures()[name].data())) == golden


def test_every_golden_belongs_to_a_figure():
    assert {path.stem for path in (ROOT / "tests" / "goldens").glob("*.json")} == set(gallery.figures())


def test_the_gallery_is_up_to_date():
    assert gallery.main(["--check"]) == 0


def test_the_gallery_check_notices_an_edit_a_loss_and_a_stranger(tmp_path, monkeypatch):
    (tmp_path / "docs").mkdir()
    shutil.copytree(ROOT / "docs" / "gallery", tmp_path / "docs" / "gallery")
    shutil.copy(ROOT / "docs" / "gallery.md", tmp_path / "docs")
    monkeypatch.setattr(gallery, "ROOT", tmp_path)
    monkeypatch.setattr(gallery, "GOLDENS", tmp_path / "goldens")
    assert gallery.main(["--check"]) == 0
    folder = tmp_path / "docs" / "gallery"
    for spoil in (
        lambda: (folder / "orbit.svg").write_text("other"),
        (folder / "orbit.svg").unlink,
        lambda: (tmp_path / "docs" / "gallery.md").write_text("other"),
    ):
        spoil()
        assert gallery.main(["--check"]) == 1
        assert gallery.main(["--force"]) == 0
        assert gallery.main(["--check"]) == 0
    (folder / "stranger.svg").write_text("x")
    assert gallery.main(["--check"]) == 1
    assert gallery.main(["--force"]) == 0
    assert (folder / "stranger.svg").read_text() == "x"
    assert not (tmp_path / "goldens").exists()
    assert gallery.main(["--goldens"]) == 0
    assert len(list((tmp_path / "goldens").iterdir())) == len(gallery.FIGURES)


def test_the_gallery_has_every_kind_and_the_whole_catalog():
    kinds = {name for drawn in gallery.figures().values() for name in drawn.kind.split(" x ")}
    assert kinds == set(words.SOURCES)
    files = {path.name: text for path, text in gallery.pages().items()}
    entries = sorted((ROOT / "catalog").glob("*.py"))
    assert len(entries) >= 19
    for path in entries:
        found = re.match(r'"""(.*): (.*) -> (.*)\n', path.read_text(encoding="utf-8"))
        problem = parse_problem(f"{found[1]}: {found[2]} -> {found[3]}")
        count = sum(plan_problem(problem).dims.values())
        assert files[f"{path.stem}.svg"].count('class="eq-caption"') == count
        assert f"(../catalog/{path.name})" in files["gallery.md"]


def test_every_group_of_the_catalog_has_an_interactive_page(tmp_path, monkeypatch):
    listed = gallery.interactive()
    assert {group for group, _, _ in listed.values()} == {layer.hom.group for layer in gallery.LAYERS}
    text = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    assert [f'<a href="gallery/pages/{name}.html">' in text for name in listed] == [True] * len(listed)
    monkeypatch.setattr(gallery, "interactive", lambda: {name: listed[name] for name in ("s_n_1_1", "s_3_wr_s_n_1_1")})
    assert gallery.main(["--pages", str(tmp_path / "site")]) == 0
    written = sorted(path.name for path in (tmp_path / "site" / "gallery" / "pages").iterdir())
    assert written == ["s_3_wr_s_n_1_1.html", "s_n_1_1.html"]


def belongs(group, element):
    """Whether an element is a map of the group; bilabelled graphs always are."""
    if group.maps == "nested":
        return not group.nested_misfit(*(part.blocks for part in element))
    if isinstance(element, tuple):
        return all(belongs(factor, part) for factor, part in zip(group.factors, element, strict=True))
    if group.family == "Aut":
        return True
    if group.duals:
        return not group.misfit(element.blocks, element.head)
    listed = eq.basis(group, element.inputs, element.outputs)
    if element in tuple(listed):
        return True
    if not isinstance(element, Diagram):
        return False
    # Where diagrams are dependent the basis spans those that it leaves out.
    small = Group(group.family, 2) if group.symbolic else group
    listed = eq.basis(small, element.inputs, element.outputs)
    whole = matrix(small, element, small.n)
    return (listed.project(whole).matrix() == whole).all()


def test_figures_of_the_gallery_are_maps_of_their_groups():
    """A picture of a map that the group does not have would teach something false."""
    for name, _, group, element, _, _ in gallery.FIGURES:
        assert belongs(Group.parse(group), element), name
    crossing = (Diagram(1, 1, ((0,), (1,))), Diagram(1, 1, ((0, 1),)))
    assert not belongs(Group.parse("S(3) wr S(n)"), crossing)
    assert not belongs(Group("O", 3), Diagram(1, 2, ((0,), (1, 2))))
    assert not belongs(Group.parse("Matrix([[0,1],[-1,0]]; )"), MatrixMap(1, 1, ((0, 0, 1),)))


def papers():
    """LaTeX files: all kinds in a column that is narrower than some of them, and documents of their own."""
    shown = list(gallery.figures().values())
    captions = [f"{number}\u00a0\u00a0{drawn.formula}" for number, drawn in enumerate(shown)]
    paper = r"\documentclass[twocolumn]{article}\usepackage{tikz}\begin{document}\input{sheet}Text.\end{document}"
    return {
        "sheet": tikz.sheet(shown, captions),
        "paper": paper,
        "all": tikz.sheet(shown, captions, standalone=True),
        "one": tikz.tikz(layout.drawing("S(n)", Diagram(0, 0, ())), standalone=True),
        "none": tikz.sheet([], [], standalone=True),
    }


@pytest.mark.parametrize("engine", ["pdflatex", "lualatex", "xelatex"])
def test_tikz_compiles(tmp_path, engine):
    if not shutil.which(engine):
        pytest.skip(f"no {engine} here")
    for name, source in papers().items():
        (tmp_path / f"{name}.tex").write_text(source, encoding="utf-8")
    for name in ("paper", "one", "none") if engine == "pdflatex" else ("all",):
        command = [engine, "-interaction=nonstopmode", "-halt-on-error", f"{name}.tex"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == 0, done.stdout[-2000:]
        assert name == "paper" or "1 page" in done.stdout
        assert "Overfull" not in done.stdout
        assert "Missing character" not in done.stdout + (tmp_path / f"{name}.log").read_text(errors="replace")


def balanced(source):
    """Whether groups, environments and conditionals of a LaTeX file close in the order in which they open."""
    opened = []
    pairs = {"}": "{", r"\endgroup": r"\begingroup", r"\fi": r"\if"}
    for token in re.findall(r"\\(?:begin|end)\{\w+\}|\\[a-zA-Z]+|\\.|%[^\n]*|[{}]", source):
        opener = token.replace("end", "begin", 1) if token.startswith(r"\end{") else pairs.get(token)
        if opener and (not opened or opened.pop() != opener):
            return False
        if token in ("{", r"\begingroup") or token.startswith(r"\begin{"):
            opened.append(token)
        elif token in (r"\ifdim", r"\ifdefined"):
            opened.append(r"\if")
    return not opened


def test_tikz_is_sound_where_no_latex_is():
    """Structure: what opens closes, every colour is known where it is used, a fragment is no document."""
    for name, source in papers().items():
        assert balanced(source), name
        assert ("documentclass" in source) == (name != "sheet")
        for drawn in source.split(r"\begin{tikzpicture}")[1:]:
            used = re.findall(r"(?<!definecolor{)(eqsynth\d)", drawn)
            assert set(used) <= set(re.findall(r"definecolor{(\w+)}", drawn))
    assert not balanced(r"\begin{scope}{\end{scope}}")
    assert not balanced(r"\ifdim\wd0>1pt {\fi}")
    with pytest.raises(EqsynthError, match="True or False"):
        tikz.sheet([], [], standalone="no")


def test_tikz_is_ascii_so_that_any_latex_reads_it():
    for drawn in gallery.figures().values():
        assert tikz.sheet([drawn], [f"0\u00a0\u00a0{drawn.formula}"]).isascii()


def test_text_pictures_show_heads_forms_edges_orbits_and_matrices():
    shown = {
        ("SO(3)", Diagram(1, 2, ((0,), (1,), (2,)), head=(0, 1, 2))): "○\n  ○   ○",
        ("Sp(4)", Diagram(0, 2, ((0, 1),))): "╭─▸─╮\n●   ●",
        ("Sp(4)", Diagram(3, 1, ((0, 2), (1, 3)))): "●   ●   ●\n╰──▸│───╯\n  ╭─╯\n  ●",
        ("Aut(cycle5)", Diagram(1, 1, ((0,), (1,), ()), ((0, 2), (1, 2)))): "a\na─c b─c\n  b",
        ("Aut(3: 0>1)", Diagram(1, 1, ((0,), (1,)), ((1, 0),))): "a\nb→a\n  b",
        ("Perm(4: 1 2 3 0)", Orbit(2, 1, (0, 3, 1))): "0   3\n  1",
        ("Matrix([[0,1],[-1,0]]; )", MatrixMap(1, 1, ((0, 1, -1), (1, 0, 1)))): "· −1\n1  ·",
    }
    for (group, element), text in shown.items():
        found = picture(element, Group.parse(group))
        assert [line.strip() for line in found.split("\n")] == [line.strip() for line in text.split("\n")], found
    many = MatrixMap(6, 0, ((0, 0, 1),))
    assert picture(many, Group.parse("Matrix([[0,1],[-1,0]]; )")) == ""


def test_show_writes_files(tmp_path):
    done = eqsynth("show", "SO(3)", "3", "2", "--svg", "deep/all.svg", "--tikz", "all.tex", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "wrote all.tex: 6 diagrams" in done.stderr
    root = ET.fromstring((tmp_path / "deep" / "all.svg").read_text(encoding="utf-8"))
    captions = [node.text for node, _ in walk(root, (0, 0)) if node.get("class") == "eq-caption"]
    assert captions == [
        f"{number}\u00a0\u00a0{formula}" for number, formula in enumerate(eq.basis("SO(3)", 3, 2).formulas())
    ]
    assert "documentclass" not in (tmp_path / "all.tex").read_text()
    done = eqsynth("show", "SO(3)", "1", "1", "--tikz", "own.tex", "--standalone", cwd=tmp_path)
    assert (tmp_path / "own.tex").read_text().startswith(r"\documentclass"), done.stderr
    assert "ask for --tikz FILE" in eqsynth("show", "SO(3)", "1", "1", "--standalone", cwd=tmp_path).stderr
    done = eqsynth("show", "SO(3)", "3", "2", "--index", "4", "--svg", "one.svg", cwd=tmp_path)
    assert "1 diagram\n" in done.stderr
    basis = eq.basis("SO(3)", 3, 2)
    assert (tmp_path / "one.svg").read_text(encoding="utf-8") == svg(layout.drawing(basis.group, basis[4]))


def test_sheets_hold_their_drawings_and_captions():
    for group, inputs, outputs in (("SO(3)", 3, 2), ("Aut(cycle5)", 1, 1), ("Perm(4: 1 2 3 0)", 1, 1), ("SO(2)", 1, 0)):
        check_within(sheet(*drawings(eq.basis(group, inputs, outputs)), "a sheet"))
    with pytest.raises(SizeError, match="--index"):
        drawings(eq.basis("S(n)", 4, 4))


def test_show_prints_json_certificate_and_one_diagram():
    basis = eq.basis("A(3)", 1, 1)
    data = json.loads(eqsynth("show", "A(3)", "1", "1", "--json").stdout)
    assert data == json.loads(json.dumps(basis_data(basis)))
    assert data["dimension"] == len(basis) == len(data["elements"])
    assert data["certificate"]["text"] == str(basis.certificate)
    for number, (entry, element) in enumerate(zip(data["elements"], basis, strict=True)):
        assert entry["index"] == number
        (factor,) = entry["factors"]
        rebuilt = Diagram(
            factor["outputs"], factor["inputs"], tuple(map(tuple, factor["blocks"])),
            tuple(map(tuple, factor["edges"])), tuple(factor["head"]),
        )  # fmt: skip
        assert rebuilt == element
        assert entry["kind"] == ("jellyfish" if element.head else "partition")
        assert entry["formula"] == basis.formulas()[number]
        assert entry["drawing"]["width"] > 0
    assert eqsynth("show", "A(3)", "1", "1", "--certificate").stdout.strip() == str(basis.certificate)
    shown = eqsynth("show", "S(n)", "3", "3", "--index", "150").stdout
    assert basis_data(eq.basis("S(n)", 3, 3), 150)["elements"][0]["formula"] in shown
    assert "more:" not in shown
    assert "\n149 " not in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("S(n)", "2", "1", "--index", "5"), "numbered 0 to 4"),
        (("S(n)", "2", "1", "--index", "-1"), "numbered 0 to 4"),
        (("SO(2)", "1", "0", "--index", "0"), "only the zero map"),
        (("S(n)", "4", "4", "--svg", "x.svg"), "choose one with --index"),
        (("S(n)", "1", "1", "--svg", "/dev/null/x.svg"), "cannot write"),
    ],
)
def test_what_show_refuses(arguments, message, tmp_path):
    done = eqsynth("show", *arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert not list(tmp_path.iterdir())


def test_show_tells_a_newcomer_which_maps_there_are():
    said = eqsynth("show", "SO(3)", "2", "2").stdout
    for sentence in (
        "Rotate the coordinates of the input, and the output changes in the same way.",
        "Every linear map with this symmetry from x, a 3 × 3 matrix, to y, a 3 × 3 matrix, is a weighted sum of these.",
        "Takes the trace (the sum of the diagonal) and writes it everywhere on the diagonal.",
        "Copies the input.",
        "Transposes the input.",
        "Brauer: perfect matchings, arXiv 2212.08630",
    ):
        assert sentence in said
    assert [line.split() for line in said.splitlines() if "diagram " in line][-1] == [
        "diagram",
        "formula",
        "cost",
        "from",
    ]
    assert "is zero." in eqsynth("show", "O(3)", "2", "1").stdout


def test_the_table_names_the_kind():
    rows = [line.split("   ") for line in str(eq.basis("SO(3)", 2, 1)).split("\n")]
    assert [cell.strip() for cell in rows[-3][-3:]] == [
        "y[a] += ε[a,b,c] x[b,c]",
        "3 C² + (3² + 3) C",
        "head (Levi-Civita)",
    ]
    kinds = {
        ("S(n)", 1, 1): "partition", ("O(n)", 1, 1): "Brauer", ("Sp(n)", 1, 1): "symplectic Brauer",
        ("A(2)", 1, 1): "jellyfish", ("Aut(cycle5)", 1, 1): "bilabelled graph", ("Perm(4: 1 2 3 0)", 1, 1): "orbit",
        ("Matrix([[0,1],[-1,0]]; )", 1, 1): "matrix",
    }  # fmt: skip
    for problem, kind in kinds.items():
        assert any(line.endswith(kind) for line in str(eq.basis(*problem)).split("\n")), problem


def test_png(tmp_path):
    resvg = pytest.importorskip("resvg_py")
    assert resvg
    done = eqsynth("show", "O(3)", "1", "1", "--png", "o.png", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    content = (tmp_path / "o.png").read_bytes()
    drawn, captions = drawings(eq.basis("O(3)", 1, 1))
    width, height, _, _ = svgs.grid(drawn, captions)
    assert content.startswith(b"\x89PNG")
    sizes = int.from_bytes(content[16:20]), int.from_bytes(content[20:24])
    assert sizes == pytest.approx((2 * SCALE * width, 2 * SCALE * height), abs=2)


def test_png_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(EqsynthError, match=r"pip install 'eqsynth\[draw\]'"):
        svgs.png("<svg/>")


def test_notebooks_show_cards_and_pictures():
    page = eq.basis("S(n)", 3, 3)._repr_html_()
    assert page.count("<svg") == page.count("<figure") == 60
    assert "143 more" in page
    assert "&gt;" in page
    ET.fromstring(page.replace("&nbsp;", " "))
    assert "more" not in eq.basis("O(n)", 2, 2)._repr_html_()
    assert eq.basis("SO(2)", 1, 0)._repr_html_().count("<figure") == 0
    alone = Diagram(1, 1, ((0,), (1,)), head=(0, 1))._repr_svg_()
    assert "jellyfish" in words.kind(None, Diagram(1, 1, ((0,), (1,)), head=(0, 1)))
    assert alone.count("eq-leg") == 2
    check_within(alone)
    check_within(Diagram(1, 1, ((0,), (1,), ()), ((2, 0), (2, 1)))._repr_svg_())


def test_files_are_dark_ink_on_white_paper_whatever_the_system_prefers():
    drawn = layout.drawing("S(n)", Diagram(1, 1, ((0, 1),)))
    text = svg(drawn)
    assert "prefers-color-scheme" not in text
    root = ET.fromstring(text)
    paper = next(node for node in root if node.get("class") == "eq-paper")
    assert [root.get("viewBox").split()[2:]] == [[paper.get("width"), paper.get("height")]]
    # Only a file is a document with this element at its root: within a page, the paper has no colour.
    assert paper.get("fill") == "none"
    assert ":root.eqsynth-drawing>.eq-paper{fill:#fff}" in text


LEGENDS = {
    ("S(n)", 1, 1): "joined dots share an index|input that nothing joins is summed; an output that nothing joins is",
    ("O(n)", 2, 2): "joined dots share an index",
    ("Sp(4)", 2, 2): "joined dots|an arrow joins two axes of one row: ω, with ω[2k,2k+1] = 1",
    ("O(1,3)", 2, 2): "joined dots|a pair inside a row is η",
    ("O(1,3)", "1.det", 3): "joined dots|tied to the head: the Levi-Civita|inputs come to the head through η",
    ("A(3)", 1, 1): "joined dots|nothing joins is|tied to the head|lacks one index",
    ("U(n)", "(1,1)", "(1,1)"): "joined dots|axes of V come first, then those of its dual",
    (
        "S(3) wr S(n)",
        1,
        1,
    ): "joined dots|nothing joins|in their group, S(n); right, which agree in their member, S(3)",
    ("S(n) x O(3)", (1, 1), (1, 1)): "joined dots|nothing joins|for one factor each; their entries are multiplied",
    ("S(n)", "S2", "S2"): "joined dots|nothing joins|symmetric outputs: a map is the sum|symmetric inputs: of pictures",
    ("O(3)", "2e", 2): "joined dots|irreps are drawn as the tensors that they are",
    ("Perm(4: 1 2 3 0)", 1, 1): "joined dots|squares with numbers are one index tuple",
    ("Perm(4: 1 2 3 0)", "1.det", 1): "a square is an entry of the matrix",
    ("Aut(petersen)", 1, 1): "joined dots|nothing joins|discs between the rows are vertices of a graph",
    ("O(3)", 2, 1): "",
}


@pytest.mark.parametrize("problem", LEGENDS, ids=str)
def test_the_legend_says_what_occurs_and_nothing_else(problem):
    lines = how_to_read(eq.basis(*problem))
    expected = [part for part in LEGENDS[problem].split("|") if part]
    assert len(lines) == len(expected), lines
    assert all(part in line for part, line in zip(expected, lines, strict=True)), lines
    # What terminals show has no dome, no squares and no discs.
    shown = how_to_read(eq.basis(*problem), characters=True)
    assert not any(word in line for line in shown for word in ("dome", "square", "disc", "dots", "arrow"))


def test_a_legend_of_a_product_names_the_inputs():
    lines = how_to_read(eq.basis("O(3)", 2, 0), [[("u", 1), ("v", 1)]])
    assert lines[-1] == "lines below the dots say which axes are those of u and of v"
    assert lines[0].startswith("outputs y on top, inputs below")


def test_formulas_of_tables_are_their_entries_where_these_are_few():
    group = Group.parse("Matrix([[0,1],[-1,0]]; )")
    few = MatrixMap(2, 1, ((1, 0, 2), (1, 1, -1), (3, 0, -1)))
    assert words.formula(group, few) == "y[0,1] += 2 x[0] - x[1], y[1,1] += -x[0]"
    assert words.formula(group, few, multiplied=[[("u", 1)]]) == "y[0,1] += 2 u[0] - u[1], y[1,1] += -u[0]"
    many = MatrixMap(1, 3, tuple((row, column, 1) for row in range(2) for column in range(4)))
    assert words.formula(group, many) == "y[0] += x[0,0,0], ... 8 entries"
    assert words.formula(group, few, listed=False) == "3 entries, first 2 at row 1, column 0"
    # Exactly those entries of the matrix that are not zero, for every map of a basis.
    basis = eq.basis(group, 1, 1)
    for formula, values in zip(basis.formulas(), basis.matrices(), strict=True):
        read = {}
        for row, summands in re.findall(r"y\[(\d)\] \+= ([^,]+)", formula):
            for sign, size, column in re.findall(r"(-?) ?(\d*) ?x\[(\d)\]", summands):
                read[int(row), int(column)] = int(size or 1) * (-1 if sign else 1)
        assert read == {(i, j): int(values[i, j]) for i in range(2) for j in range(2) if values[i, j]}


def test_a_drawing_is_plain_frozen_data():
    drawn = layout.drawing("S(n)", Diagram(1, 1, ((0, 1),)))
    assert isinstance(drawn, Drawing)
    assert hash(drawn) == hash(layout.drawing(Group("S", "n"), Diagram(1, 1, ((0, 1),))))
    assert eval(repr(drawn), vars(shapes)) == drawn
    assert json.loads(json.dumps(drawn.data()))["formula"] == "y[a] += x[a]"
