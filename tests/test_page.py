"""The page of ``show --html``: its data are exact, it is one file, and it works in a browser."""

import hashlib
import json
import re
import shutil
from fractions import Fraction
from math import lcm
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import eqsynth as eq
import terminal
from eqsynth.bases.basis import Basis
from eqsynth.bases.bratteli import bratteli, irreducible_dimension
from eqsynth.bases.dimension import dimension
from eqsynth.bases.relations import MAX_LEFT_OUT, Relation, left_out, relations
from eqsynth.diagrams.functor import matrix
from eqsynth.errors import EqsynthError, GroupError, SizeError
from eqsynth.families.hom import parse_problem
from eqsynth.plans.products import maps, plan_products
from eqsynth.show import page

ROOT = Path(__file__).parents[1]
FAMILIES = st.sampled_from(["S", "A", "O", "SO", "Sp", "H"])


# --- relations ----------------------------------------------------------------------------------------


def holds(basis, relation):
    """Whether the left-out diagram's matrix is the combination of basis matrices that the relation says."""
    n = int(basis.group.n)
    # In whole numbers: 64 bits are far more than these take.
    common = lcm(*(Fraction(value).denominator for _, value in relation.terms))
    total = common * matrix(basis.group, relation.element, n)
    for number, value in relation.terms:
        total = total - int(common * value) * matrix(basis.group, basis[number], n)
    return not total.any()


GROUPS = (
    "S(1)", "S(2)", "S(3)", "O(1)", "O(2)", "SO(1)", "SO(2)", "SO(3)", "SO(4)", "Sp(2)", "Sp(4)", "A(2)", "A(3)",
    "Aut(path3)", "Aut(cycle4)", "Aut(3: 0-1 1-2 | 0 1 0)", "Aut(3: 0>1 1>2 2>0)", "Aut(3: 0-0 0-1)",
)  # fmt: skip


@pytest.mark.parametrize("group", GROUPS)
def test_every_left_out_diagram_is_the_combination_that_its_relation_says(group):
    explained = 0
    for inputs, outputs in ((k, total - k) for total in range(7) for k in (0, total // 2, total)):
        if group.startswith("Aut") and inputs + outputs > 3:
            continue
        basis = eq.basis(group, inputs, outputs)
        if left_out(basis) > 80:
            continue
        found = relations(basis)
        assert len(found) == left_out(basis)
        assert len({relation.element for relation in found} | set(basis)) == len(found) + len(basis)
        assert all(holds(basis, relation) for relation in found)
        explained += len(found)
    assert explained


def test_the_check_of_relations_sees_a_wrong_coefficient():
    basis = eq.basis("S(2)", 2, 2)
    right = relations(basis)[0]
    (number, value), *rest = right.terms
    assert holds(basis, right)
    assert not holds(basis, Relation(right.element, ((number, value + Fraction(1, 7)), *rest)))


def test_relations_are_refused_where_they_are_too_many():
    basis = eq.basis("S(2)", 4, 4)
    assert left_out(basis) > MAX_LEFT_OUT
    with pytest.raises(SizeError, match="4,012"):
        relations(basis)
    note = page.document("S(2)", 4, 4)["left"]["note"]
    assert "4,012" in note


def test_relations_read_as_equations():
    assert str(Relation((), ((0, Fraction(-1)), (2, Fraction(1, 2)), (3, Fraction(1))))) == "-[0] + 1/2 [2] + [3]"
    assert str(Relation((), ())) == "0"


# --- Bratteli diagrams --------------------------------------------------------------------------------


@settings(max_examples=60)
@given(FAMILIES, st.integers(1, 7), st.integers(0, 4), st.integers(0, 3))
def test_walks_count_the_maps(family, n, inputs, outputs):
    n += n % 2 if family == "Sp" else 0
    group = eq.Group(family, n)
    found = bratteli(group, inputs, outputs)
    assert found.paths == dimension(group, inputs + outputs) == sum(one * two for _, one, two in found.meeting)
    assert len(found.levels) == found.stride * (inputs + outputs) + 1
    for step, pairs in enumerate(found.edges):
        ahead = [0] * len(found.levels[step + 1])
        back = [0] * len(found.levels[step])
        for start, stop in pairs:
            ahead[stop] += found.before[step][start]
            back[start] += found.after[step + 1][stop]
            one, two = found.levels[step][start], found.levels[step + 1][stop]
            if family == "H":  # a box goes from one partition to the other
                assert sum(map(sum, one)) == sum(map(sum, two)) == n
                assert abs(sum(one[0]) - sum(two[0])) == 1
            else:
                assert abs(sum(one) - sum(two)) == 1
        assert tuple(ahead) == found.before[step + 1]
        assert tuple(back) == found.after[step]


@settings(max_examples=40)
@given(st.sampled_from(["S", "O", "Sp", "H"]), st.integers(1, 6), st.integers(0, 4))
def test_parts_fill_the_tensor_space(family, n, order):
    n += n % 2 if family == "Sp" else 0
    group = eq.Group(family, n)
    parts = bratteli(group, order, order).meeting
    assert sum(times * irreducible_dimension(group, shape) for shape, times, _ in parts) == n**order


def test_bratteli_diagrams_need_a_family():
    with pytest.raises(GroupError, match="no Bratteli diagram"):
        bratteli(eq.Aut("petersen"), 1, 1)


# --- the document -------------------------------------------------------------------------------------

PAGES = {
    "S": ("S(n)", 2, 2),
    "SO": ("SO(3)", 2, 2),
    "cross": ("SO(3)", 3, 2),
    "O": ("O(2)", 2, 2),
    "Sp": ("Sp(2)", 2, 2),
    "H": ("H(3)", 2, 2),
    "A": ("A(3)", 1, 2),
    "Aut": ("Aut(petersen)", 1, 1),
    "Perm": ("Perm(4: 1 2 3 0)", 1, 1),
    "Matrix": ("Matrix([[0,1],[-1,0]]; )", 1, 1),
    "product": ("S(2) x O(2)", (2, 2), (1, 2)),
    "zero": ("O(3)", 2, 1),
    "numbers": ("S(3)", 0, 0),
    "S33": ("S(n)", 3, 3),
    "S2": ("S(n)", "S2", "S2"),
    "elasticity": ("O(3)", "S2", "[ijkl=jikl=klij]"),
    "alternating": ("SO(3)", "A2", 1),
    "table": ("C(3)", "S2", "A2"),
    "factor": ("S(n) x O(3)", "(1,S2)", "(0,S2)"),
    "irreps": ("O(3)", "2e", 4),
    "twisted": ("O(1,3)", "1.det", 3),
    "signed table": ("Perm(4: 1 2 3 0)", "1.det", 1),
    "wreath": ("S(3) wr S(n)", 1, 1),
}


def decoded(document, number):
    grid = document["matrix"]
    shape = (np.prod(grid["outputs"], dtype=int), np.prod(grid["inputs"], dtype=int))
    values = [{"+": 1, "-": -1, "0": 0}.get(value, value) for value in document["maps"][number]["matrix"]]
    return np.array(values).reshape(shape)


@pytest.mark.parametrize("name", PAGES)
def test_the_document_is_exact_and_plain(name):
    group, inputs, outputs = PAGES[name]
    basis = eq.basis(group, inputs, outputs)
    found = page.document(group, inputs, outputs)
    assert json.loads(json.dumps(found)) == found
    assert found["count"] == len(basis) == len(found["maps"])
    assert [entry["formula"] for entry in found["maps"]] == basis.formulas()
    sizes = found["matrix"]["sizes"]
    matrices = basis.matrices(sizes if basis.group.symbolic or len(sizes) > 1 else None)
    for number in range(len(basis)):
        assert (decoded(found, number) == matrices[number]).all()
        assert all(mark < len(found["pieces"]) for mark in found["maps"][number]["picture"]["marks"])
    for section in found["dimension"]:
        for n, value in section["points"] if basis.plain_orders and name != "twisted" else ():
            assert value == dimension(eq.Group(section["family"], n), section["total"])
        if len(basis.group.factors) == 1:
            at_four = [value for n, value in section["points"] if n == 4]
            assert at_four == [len(eq.basis(basis.group.at(4), inputs, outputs))]
        assert len(section["points"]) >= (4 if section["family"] == "Sp" else 8)
        assert section["points"][-1][1] == section["stable"]
    walks = [section.get("paths", section.get("orbits", len(basis))) for section in found["walks"]]
    assert np.prod(walks, dtype=object) == len(basis)
    assert found["left"]["count"] == left_out(basis)


PRODUCTS = {
    "vectors": "O(3): 4x1 (x) 4x2 -> 2x1",
    "cross": "SO(3): 1x1 (x) 1x1 -> 1x1",
    "edges": "S(2): 1x2 (x) 1x1 -> 1x1",
    "square": "S(n): powers 2 of 8x1 -> 4x1",
    "cube": "O(n): powers 3 of 4x1 -> 4x1",
    "symplectic": "Sp(4): 2x1 (x) 2x1 -> 1x0",
    "symmetric": "O(3): 2xS2 (x) 2xS2 -> 1x0",
    "symmetric outputs": "O(3): 4x1 (x) 4x1 -> 4xS2",
    "orbits": "Perm(3: 1 2 0): 1x1 (x) 1x1 -> 1x1",
    "graph": "Aut(path3): 1x1 (x) 1x1 -> 1x1",
    "factors": "S(n) x O(3): 1x(1,1) (x) 1x(1,1) -> 1x(1,0)",
    "zero": "O(3): 1x1 (x) 1x1 -> 1x1",
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_the_document_of_a_product_is_that_of_its_linear_maps_with_its_plan_and_weights(name):
    problem = parse_problem(PRODUCTS[name])
    found = page.problem_document(problem)
    assert json.loads(json.dumps(found)) == found
    linear = eq.basis(problem.group, problem.hom.space_in.orders[0], problem.space_out.orders[0])
    kept = maps(problem, 0, 0)
    assert found["count"] == len(linear) == len(found["maps"])
    assert found["product"]["kept"] == len(kept) == sum(bool(entry["weight"]) for entry in found["maps"])
    assert bool(found["product"]["fewer"]) == (len(kept) < len(linear))
    weighed = [entry for entry in found["maps"] if entry["weight"]]
    assert [entry["weight"] for entry in weighed] == [f"weight[{number}]" for number in range(len(kept))]
    assert [entry["formula"] for entry in weighed] == kept.formulas(problem.multiplied(0))
    sizes = found["matrix"]["sizes"]
    matrices = linear.matrices(sizes if linear.group.symbolic or len(sizes) > 1 else None)
    assert all((decoded(found, number) == matrices[number]).all() for number in range(len(linear)))
    plan = plan_products(problem, False)
    assert [step["text"] for step in found["plan"]["steps"]] == (
        list(map(plan.describe, plan.steps)) if len(linear) else []
    )
    assert found["certificate"]["command"] == f'eqsynth verify "{problem}"'
    group, _, spaces = str(problem).rpartition(": ")
    assert found == page.document(group, *spaces.split(" -> "))
    assert page.problem_html(problem) == page.html(group, *spaces.split(" -> "))


def test_the_axes_of_the_inputs_are_told_apart():
    found = page.problem_document(parse_problem(PRODUCTS["vectors"]))
    for entry in found["maps"]:
        marks = "".join(found["pieces"][mark] for mark in entry["picture"]["marks"])
        assert (marks.count("eq-frame"), marks.count(">u</text>"), marks.count(">v</text>")) == (2, 1, 1)
    steps = page.problem_document(parse_problem("Sp(4): 2x1 (x) 2x1 -> 1x2"))["plan"]["steps"]
    kinds = {step["kind"] for step in steps}
    assert {"input", "omega", "multiply", "multiply and mix", "mix channels", "spread", "output"} == kinds


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        ("O(3): powers 1, 2 of 4x1 -> 4x1", "one product with one output, and .* has 2: .*'powers 2 of 1'"),
        ("O(3): 4x1 + 4x0 (x) 4x1 -> 4x1", "has 2: give each space one term"),
        ("O(3): 4x1 + 4x0 -> 4x1", "one input and one output"),
    ],
)
def test_a_page_is_about_one_product(problem, message):
    with pytest.raises(EqsynthError, match=message):
        page.problem_html(parse_problem(problem))


def test_a_problem_of_linear_maps_has_the_page_of_its_orders():
    assert page.problem_html(parse_problem("O(2): 4x1 -> 2x1")) == page.html("O(2)", 1, 1)


def test_burnside_adds_up():
    section = page.document("Aut(petersen)", 1, 1)["walks"][0]
    assert section["order"] == 120
    assert sum(points ** section["power"] * count for points, count in section["fixed"]) == 120 * section["orbits"]


def test_large_matrices_are_cut_to_a_corner_or_left_out():
    corner = page.document("S(30)", 2, 1)
    assert corner["matrix"]["corner"]
    n = corner["matrix"]["sizes"][0]
    whole = eq.basis("S(30)", 2, 1).matrices()[3].reshape(30, 30, 30)
    assert (decoded(corner, 3).reshape(n, n, n) == whole[:n, :n, :n]).all()
    assert page.document("SO(4)", 4, 4)["matrix"] is None


@pytest.mark.parametrize("name", PAGES)
def test_the_plan_runs_from_left_to_right(name):
    plan = page.document(*PAGES[name])["plan"]
    steps = plan["steps"]
    assert steps or plan["note"]
    for step in steps:
        assert all(steps[source]["layer"] < step["layer"] for source in step["from"])
        assert step["from"] or step["kind"] == "input" or "zero" in step["text"]
    assert {step["kind"] for step in steps} <= set(page.KINDS.values())


# --- the file -----------------------------------------------------------------------------------------


def outside(text):
    """What in a page would make a browser fetch something."""
    found = re.findall(r"""https?://[^\s"'<)]+|(?:src|srcset|action)=|@import|url\(|href="(?!#|data:,)""", text)
    return [thing for thing in found if thing != "http://www.w3.org/2000/svg"]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_needs_nothing_else(name):
    text = page.html(*PAGES[name])
    assert outside(text) == []
    assert "@@" not in text
    assert text.count("</script>") == 2


def test_the_check_for_outside_things_sees_them():
    assert outside('<img src="a.png"><a href="x"><style>@import url(b)</style>https://example.org') == [
        "src=", 'href="', "@import", "url(", "https://example.org",
    ]  # fmt: skip


HOSTILE = "</script><script>document.title='owned'</script><!-- <b onclick=x> & \" ' \u2028"


@pytest.fixture
def hostile(monkeypatch):
    monkeypatch.setattr(page.words, "meaning", lambda *_: HOSTILE)
    monkeypatch.setattr(page.words, "symmetry", lambda *_: HOSTILE)
    monkeypatch.setattr(page.words, "formula", lambda *_, **__: HOSTILE)
    monkeypatch.setattr(Basis, "table", lambda *_: HOSTILE)
    return page.html("S(2)", 1, 1)


def test_hostile_texts_are_only_texts(hostile):
    assert hostile.count("<script") == 2
    assert hostile.count("</script>") == 2
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', hostile, re.DOTALL)[1]
    assert json.loads(data)["maps"][0]["words"] == HOSTILE
    assert "<b onclick" not in hostile


def test_show_writes_a_page(tmp_path):
    def show(*arguments):
        return terminal.eqsynth("show", *arguments, cwd=tmp_path)

    done = show("SO(3)", "2", "2", "--html", "maps/so3.html")
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"wrote maps/so3.html: 3 maps, \d+ kB\n", done.stderr)
    assert (tmp_path / "maps" / "so3.html").read_text(encoding="utf-8") == page.html("SO(3)", 2, 2)
    done = show("O(2)", "1", "1", "--html", "a.html", "--svg", "a.svg")
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["wrote a.html", "wrote a.svg"]
    assert show("S(n)", "1", "1", "--html", "/dev/null/x.html").stderr.startswith("error: cannot write")


def test_a_large_basis_gets_its_first_cards(monkeypatch):
    monkeypatch.setattr(page, "MAX_CARDS", 4)
    found = page.document("S(n)", 2, 2)
    assert (found["count"], len(found["maps"])) == (15, 4)
    assert "15 maps takes minutes" in found["plan"]["note"]


# --- in a browser -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("chromium and chromedriver are not on the PATH")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (
        "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--force-prefers-reduced-motion",
        "--window-size=1280,1000",
        f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):  # fmt: skip
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    opened = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield opened
    opened.quit()


@pytest.fixture
def visit(browser, tmp_path):
    def opened(text):
        path = tmp_path / f"{hashlib.sha256(text.encode()).hexdigest()[:8]}.html"
        path.write_text(text, encoding="utf-8")
        browser.get(path.as_uri())
        assert browser.find_element("tag name", "html").get_attribute("data-ready") == "yes"
        return browser

    yield opened
    # Whatever a test did, the page must not have complained or fetched anything.
    assert browser.get_log("browser") == []
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0


def shown(browser):
    return [card.get_attribute("id") for card in browser.find_elements("css selector", "#cards > .card")]


def keys(browser, *pressed):
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(browser, duration=0).send_keys(*pressed).perform()


def hover(browser, element):
    """The tooltip that pointing at an element shows."""
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.support.wait import WebDriverWait

    ActionChains(browser, duration=0).scroll_to_element(element).move_to_element(element).perform()
    WebDriverWait(browser, 20).until(lambda _: browser.find_element("id", "tip").is_displayed())
    return browser.find_element("id", "tip").text


def choose(browser, select, value):
    from selenium.webdriver.support.select import Select

    Select(browser.find_element("id", select)).select_by_value(value)


@pytest.mark.parametrize("name", PAGES)
def test_pages_open_and_say_what_they_contain(visit, name):
    found = page.document(*PAGES[name])
    browser = visit(page.html(*PAGES[name]))
    assert len(shown(browser)) == min(found["count"], 48)
    lead = browser.find_element("id", "lead").text
    none = "There is none: every map with this symmetry is zero." in browser.find_element("id", "maps").text
    assert none == (not found["count"])
    assert ("exactly when" in lead and f"{found['count']} map" in lead) if found["count"] else "always zero" in lead
    for number, card in enumerate(browser.find_elements("css selector", "#cards > .card")[:3]):
        assert found["maps"][number]["words"] in card.get_attribute("textContent")
    for section in ("left", "plan", "dimension", "walks", "certificate"):
        assert browser.find_element("id", f"{section}-body").text
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    # What the page says of an entry fits its value: a reason for a zero, signs that multiply to the value.
    said = browser.execute_script("""
        const found = [];
        const cells = eqsynth.data.matrix.outputs.concat(eqsynth.data.matrix.inputs).reduce((a, b) => a * b, 1);
        eqsynth.data.maps.slice(0, 40).forEach((map, number) => {
            const step = 1 + Math.floor(cells / 300);
            for (let place = 0; place < cells; place += step) found.push(eqsynth.meaning(number, place));
        });
        return found.map(({ value, why, receives }) => [value, why, receives]);""")
    diagrams = all("labels" in part for entry in found["maps"] for part in entry["parts"] or [{}])
    for value, why, receives in said if diagrams else []:
        zero = re.search(r"must agree|needs different|so it is 0", why)
        assert bool(zero) == (value == 0), why
        if value:
            assert (-1) ** why.count("= −1") == value, why
        assert ("does not see" in receives) == (value == 0)
        assert re.match(r"[A-Zεω]", why), why


@pytest.mark.parametrize("name", PRODUCTS)
def test_pages_of_products_open_and_say_what_they_contain(visit, name):
    problem = parse_problem(PRODUCTS[name])
    found = page.problem_document(problem)
    browser = visit(page.problem_html(problem))
    assert len(shown(browser)) == found["count"]
    lead = browser.find_element("id", "lead").text
    if found["count"]:
        assert f"{found['product']['kept']} map" in lead
        assert found["product"]["equation"] in lead
        assert found["product"]["fewer"] in lead
        assert "multipl" in browser.find_element("id", "plan-body").text
    else:
        assert "always zero" in lead
    for entry, card in zip(found["maps"], browser.find_elements("css selector", "#cards > .card"), strict=True):
        text = card.get_attribute("textContent")
        assert entry["formula"] in text
        assert (entry["weight"] or "no weight of its own") in text
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")


def test_filter_sort_and_more(visit):
    browser = visit(page.html(*PAGES["S33"]))
    field = browser.find_element("id", "filter")
    assert len(shown(browser)) == 48
    keys(browser, "/")
    browser.execute_script("document.getElementById('more').click()")
    assert len(shown(browser)) == 96
    assert browser.switch_to.active_element.get_attribute("id") == "map-48"
    keys(browser, "/")
    keys(browser, "reorders")
    assert browser.switch_to.active_element.get_attribute("id") == "filter"
    assert len(shown(browser)) == 5
    assert browser.find_element("id", "shown").text == "5 of 203 maps"
    field.clear()
    field.send_keys("#7")
    assert shown(browser) == ["map-7"]
    field.clear()
    field.send_keys("nothing like it")
    assert shown(browser) == []
    assert browser.find_element("id", "shown").text == "no map matches"
    field.clear()
    field.send_keys(" ")
    choose(browser, "axes", "3")
    assert browser.find_element("id", "shown").text == "6 of 203 maps"
    choose(browser, "axes", "")
    entries = page.document(*PAGES["S33"])["maps"]
    choose(browser, "sort", "costly")
    assert [entries[int(name[4:])]["key"] for name in shown(browser)] == sorted(
        (entry["key"] for entry in entries), reverse=True
    )[:48]
    choose(browser, "sort", "full")
    most = [sum(value != "0" for value in entries[int(name[4:])]["matrix"]) for name in shown(browser)]
    assert most == sorted(most, reverse=True)


def test_pointer_and_keyboard_read_the_entries(visit):
    from selenium.webdriver.common.keys import Keys

    browser = visit(page.html(*PAGES["cross"]))
    said = hover(browser, browser.find_element("css selector", "#map-2 .matrix"))
    assert re.search(r"Row \(\d, \d\), column \(\d, \d, \d\): ", said)
    inside = "return document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    assert browser.execute_script(inside), "the tooltip of the last card in a row widens the page"
    browser.execute_script("document.getElementById('map-0').focus()")
    keys(browser, Keys.ARROW_RIGHT)
    assert browser.switch_to.active_element.get_attribute("id") == "map-1"
    keys(browser, Keys.ENTER)
    assert browser.switch_to.active_element.get_attribute("aria-roledescription") == "matrix"
    keys(browser, Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
    said = browser.find_element("id", "say").get_attribute("textContent")
    assert said.startswith("Row (0, 1), column (0, 0, 1): 0. y[0,1] does not see x[0,0,1]. Input axis 1 is 0, but")
    found = eq.basis("SO(3)", 3, 2)
    assert matrix(found.group, found[1], 3)[1, 1] == 0
    keys(browser, Keys.ESCAPE)
    assert browser.switch_to.active_element.get_attribute("id") == "map-1"
    assert not browser.find_element("id", "tip").is_displayed()


#: What sticks out of its card, or of the page.
OUTSIDE = """
    const found = [];
    for (const card of document.querySelectorAll('.card')) {
        const right = card.getBoundingClientRect().right;
        for (const inner of card.querySelectorAll('*'))
            if (inner.getBoundingClientRect().right > right + 1) found.push(inner.outerHTML.slice(0, 80));
    }
    if (document.documentElement.scrollWidth > innerWidth) found.push('page');
    return found;"""


@pytest.mark.parametrize("name", ["S", "Aut", "product", "cross", "Sp"])
def test_nothing_is_cut_off_on_a_phone(visit, name):
    browser = visit(page.html(*PAGES[name]))
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 360, "height": 700, "deviceScaleFactor": 1, "mobile": True}
    )
    try:
        # Browsers tell scripts of another width a frame later.
        from selenium.webdriver.support.wait import WebDriverWait

        WebDriverWait(browser, 20).until(lambda _: not browser.find_element("id", "sieve").get_attribute("open"))
        # Where something sticks out, a phone shows a wider page in smaller letters.
        assert browser.execute_script("return innerWidth") == 360
        assert browser.execute_script(OUTSIDE) == []
        # The first map begins in the upper part of the first screen; what is above it opens when it is asked for.
        top = "return document.querySelector('#cards > .card').getBoundingClientRect().top"
        assert browser.execute_script(top) < 450
        browser.find_element("css selector", "#sieve > summary").click()
        assert browser.find_element("id", "filter").is_displayed()
        browser.execute_script("document.querySelector('.card p').style.width = '2000px'")
        assert browser.execute_script(OUTSIDE)
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_print_shows_everything_and_no_controls(visit):
    browser = visit(page.html(*PAGES["S"]))
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 700, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    )
    try:
        browser.execute_script("dispatchEvent(new Event('beforeprint'))")
        assert not browser.find_element("css selector", "nav").is_displayed()
        assert not browser.find_element("id", "tools").is_displayed()
        assert all(each.get_attribute("open") for each in browser.find_elements("css selector", "details"))
        assert len(shown(browser)) == 15
        assert browser.execute_script(OUTSIDE) == []
        paper = browser.find_element("tag name", "body").value_of_css_property("background-color")
        assert paper in {"rgba(255, 255, 255, 1)", "rgb(255, 255, 255)"}
        browser.execute_script("dispatchEvent(new Event('afterprint'))")
        assert not all(each.get_attribute("open") for each in browser.find_elements("css selector", "details"))
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_thousands_of_maps_stay_usable(visit):
    browser = visit(page.html("S(n)", 4, 4))
    assert len(shown(browser)) == 48
    assert browser.execute_script("return document.querySelectorAll('*').length") < 10_000
    assert browser.find_element("id", "shown").text == "4,140 of 4,140 maps"
    browser.find_element("id", "filter").send_keys("reorders")
    assert len(shown(browser)) == 23
    browser.find_element("id", "filter").clear()
    browser.find_element("id", "filter").send_keys("#4139")
    assert shown(browser) == ["map-4139"]
    assert "Row (" in hover(browser, browser.find_element("css selector", "#map-4139 .matrix"))


def test_letters_of_drawings_stay_within_the_view_box_in_real_fonts(browser, tmp_path):
    """The box of a letter is guessed where drawings are made; here the browser measures it."""
    pictures = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs" / "gallery").glob("*.svg")))
    measure = """
        const found = [];
        for (const svg of document.querySelectorAll('svg')) {
            const box = svg.getBoundingClientRect();
            for (const mark of svg.querySelectorAll('text, path, circle, rect')) {
                const { left, top, right, bottom } = mark.getBoundingClientRect();
                const beside = left < box.left - 0.5 || right > box.right + 0.5;
                if (beside || top < box.top - 0.5 || bottom > box.bottom + 0.5)
                    found.push([svg.querySelector('title').textContent, mark.outerHTML]);
            }
        }
        return found;"""
    (tmp_path / "all.html").write_text(f"<meta charset=utf-8><body>{pictures}", encoding="utf-8")
    browser.get((tmp_path / "all.html").as_uri())
    assert browser.execute_script("return document.querySelectorAll('text').length") > 100
    assert browser.execute_script(measure) == []
    browser.execute_script("document.querySelector('text').setAttribute('x', -9)")
    assert browser.execute_script(measure)


def test_relations_lead_to_their_maps(visit):
    browser = visit(page.html("S(2)", 2, 2))
    links = browser.find_elements("css selector", "#left .relation a")
    wanted = links[1].get_attribute("href").split("#")[1]
    assert "+=" in hover(browser, links[1])
    browser.find_element("id", "filter").send_keys("trace")
    links[1].click()
    assert browser.switch_to.active_element.get_attribute("id") == wanted
    assert len(browser.find_elements("css selector", "#left .card")) == 7


def test_graphs_explain_their_parts_and_colours_change(visit):
    browser = visit(page.html(*PAGES["S"]))
    assert "15 walks pass here" in hover(browser, browser.find_element("css selector", "#walks .node"))
    assert "x_ab = input 0" in hover(browser, browser.find_element("css selector", "#plan .node"))
    assert browser.find_elements("css selector", "#plan .edge.on")
    before = browser.find_element("tag name", "body").value_of_css_property("background-color")
    browser.find_element("id", "theme").click()
    assert browser.find_element("tag name", "body").value_of_css_property("background-color") != before


def test_everything_with_a_role_has_a_name(visit):
    browser = visit(page.html(*PAGES["S"]))
    nameless = browser.execute_script("""
        return [...document.querySelectorAll('[role]:not(#tip), [tabindex="0"], button, input, select, a')]
            .filter((each) => !(each.getAttribute('aria-label') || each.getAttribute('aria-labelledby')
                || each.textContent.trim() || (each.labels && each.labels.length)))
            .map((each) => each.outerHTML.slice(0, 80));""")
    assert nameless == []
    assert browser.execute_script("return document.querySelectorAll('[id]').length") == browser.execute_script(
        "return new Set([...document.querySelectorAll('[id]')].map((each) => each.id)).size"
    )


def test_hostile_texts_do_nothing_in_a_browser(visit, hostile):
    browser = visit(hostile)
    assert "owned" not in browser.title
    assert HOSTILE in browser.find_element("css selector", "#cards > .card").get_attribute("textContent")


def test_a_broken_page_would_be_noticed(browser, tmp_path):
    broken = page.html("S(2)", 1, 1).replace("const data =", "const other =")
    (tmp_path / "broken.html").write_text(broken, encoding="utf-8")
    browser.get((tmp_path / "broken.html").as_uri())
    assert browser.find_element("tag name", "html").get_attribute("data-ready") is None
    assert browser.get_log("browser")


def test_errors_pass_through():
    with pytest.raises(EqsynthError, match="negative"):
        page.html("S(3)", -1, 1)
