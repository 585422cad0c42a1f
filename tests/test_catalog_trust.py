"""Entries are data from anywhere: nothing in them runs, and what is wrong in them is refused."""

import ast
import copy
import json
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import eqsynth as eq
from eqsynth.bases import basis as bases
from eqsynth.codegen.artifact import artifact_of
from eqsynth.errors import CatalogError, EqsynthError
from eqsynth.store import cache
from eqsynth.store.cache import Store, pack, unpack

#: Problems whose entries are changed at random; together they have every kind of element.
PROBLEMS = [("S(3)", 2, 2), ("O(n)", 2, 2), ("SO(3)", 2, 3), ("A(3)", 1, 2), ("Aut(path3)", 1, 1), ("Sp(2)", 2, 2)]
ENTRIES = [(problem, bases.to_data(eq.basis(*problem))) for problem in PROBLEMS]


def framed(text):
    """A file with a right digest around any JSON: what someone who means harm would write."""
    from hashlib import sha256

    body = b'"entry":' + (text if isinstance(text, bytes) else text.encode()) + b',"schema":1}\n'
    return b'{"digest":"' + sha256(body).hexdigest().encode() + b'",' + body


def test_the_frame_is_the_one_that_entries_have():
    assert unpack(framed('{"kind":"basis"}')) == {"kind": "basis"}
    assert framed('{"kind":"basis"}') == pack({"kind": "basis"})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[" * 200_000 + "]" * 200_000, "nested too deeply"),
        ('{"a":' * 50_000 + "1" + "}" * 50_000, "nested too deeply"),
        ("{" + f'"n":{"9" * 1_000_000}' + "}", "1000000 digits"),
        ("{" + f'"n":-{"9" * 5_000}' + "}", "digits"),
        ('{"n":1.5}', "no whole number"),
        ('{"n":1e999999999}', "no whole number"),
        ('{"n":NaN}', "no whole number"),
        ('{"n":-Infinity}', "no whole number"),
        ('{"a":1,"a":2}', "stands twice"),
        ('{"a":{"b":1,"b":1}}', "stands twice"),
        ("[]", "no JSON object"),
        ('"text"', "no JSON object"),
        ("null", "no JSON object"),
        ("", "no JSON"),
        ("{'a': 1}", "no JSON"),
        ('{"a":1}}', "no JSON"),
        (b'{"a":"\xff"}', "no JSON"),
        ("__import__('os').system('true')", "no JSON"),
    ],
)
def test_hostile_json_is_refused(text, why):
    with pytest.raises(CatalogError, match=why):
        unpack(framed(text))


def test_long_numbers_are_refused_whatever_python_was_told():
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        with pytest.raises(CatalogError, match="digits"):
            unpack(framed('{"n":' + "7" * 10_000_000 + "}"))
    finally:
        sys.set_int_max_str_digits(before)


def test_digits_in_text_are_no_number():
    assert unpack(pack({"text": "1" * 100})) == {"text": "1" * 100}


def test_large_files_are_not_read(tmp_path):
    store, key = Store(tmp_path), "0" * 64
    store.put(key, {"a": 1})
    with store.path(key).open("r+b") as file:
        file.truncate(10**12)  # sparse: it takes no room
    with pytest.warns(eq.errors.CacheWarning, match="larger than"):
        assert store.get(key) is None


@pytest.mark.parametrize(
    "key",
    ["", "../../etc/passwd", "a" * 63, "A" * 64, "a" * 64 + "\n", "../" + "a" * 61, "/" + "a" * 63, None, 3, b"a" * 64],
)
def test_names_that_lead_elsewhere_are_no_keys(tmp_path, key):
    for act in (Store(tmp_path).path, Store(tmp_path).get):
        with pytest.raises(CatalogError, match="no key"):
            act(key)


@pytest.mark.parametrize("value", [1.0, {1: 2}, {"a": (1, 2)}, {"a": {1}}, [0.0]])
def test_only_exact_data_is_written(value):
    with pytest.raises(CatalogError):
        cache.canonical(value)


# --- the content ----------------------------------------------------------------------------------

S3 = ENTRIES[0][1]


@pytest.mark.parametrize(
    "change",
    [
        {"rows": S3["rows"][:-4]},
        {"rows": S3["rows"][:-1]},
        {"rows": [*S3["rows"][:-4], *S3["rows"][-8:-4]]},
        {"rows": [*S3["rows"][4:], *S3["rows"][:4]]},
        {"rows": [True, *S3["rows"][1:]]},
        {"rows": [-1, *S3["rows"][1:]]},
        {"rows": [10**17, *S3["rows"][1:]]},
        {"rows": [*S3["rows"][:2], 10**17, *S3["rows"][3:]]},
        {"rows": ["0", *S3["rows"][1:]]},
        {"rows": {}},
        {"rows": None},
        {"middles": [[0, 0], *S3["middles"]]},
        {"middles": S3["middles"][::-1]},
        {"tops": S3["tops"][::-1]},
        {"tops": []},
        {"tops": [[[0, 10**9], [], []], *S3["tops"][1:]]},
        {"bottoms": [[[1, 0], [], []], *S3["bottoms"][1:]]},
        {"bottoms": [[[0, 0], [5], []], *S3["bottoms"][1:]]},
        {"bottoms": [[[0, 0, 0], [], []], *S3["bottoms"][1:]]},
        {"certificate": [14, 15, "stable", 0]},
        {"certificate": [14, 15, "gram", 2147483647]},
        {"certificate": [14, 15, "orbits", 7]},
        {"certificate": [15, 15, "orbits", 2147483647]},
        {"certificate": [14, 14, "orbits", 2147483647]},
        {"certificate": [True, 15, "orbits", 2147483647]},
        {"certificate": [14, 15, "__import__('os')", 2147483647]},
        {"certificate": []},
        {"certificate": None},
        {"extra": 1},
        {"elements": []},
    ],
)
def test_wrong_content_is_refused(change):
    group = eq.Group.parse("S(3)")
    assert bases.from_data(group, 2, 2, S3) == eq.basis("S(3)", 2, 2)
    with pytest.raises(CatalogError):
        bases.from_data(group, 2, 2, {**S3, **change})


def test_elements_of_another_group_are_refused():
    for (name, inputs, outputs), data in ENTRIES:
        for other in ("S(4)", "O(2)", "SO(4)", "A(5)", "Aut(cycle4)", "Sp(n)", "S(n) x O(3)"):
            group = eq.Group.parse(other)
            k, lo = (inputs, outputs) if " x " not in other else ((inputs, 0), (outputs, 0))
            try:
                found = bases.from_data(group, k, lo, data)
            except CatalogError:
                continue
            # O(n) and Sp(n) have the same diagrams where n is large.
            assert found == eq.basis(group, k, lo)
        with pytest.raises(CatalogError):
            bases.from_data(eq.Group.parse(name), inputs + 1, outputs + 1, data)


def test_a_dependent_set_of_graphs_is_refused():
    data = copy.deepcopy(ENTRIES[4][1])
    assert "blocks" in data["elements"][0]
    data["elements"][1] = data["elements"][0]
    with pytest.raises(CatalogError, match="another one"):
        bases.from_data(eq.Group.parse("Aut(path3)"), 1, 1, data)


#: Chance of thousands of entries: each seed of it is an example for Hypothesis, for which entries of hundreds of
#: numbers, drawn number by number, would take longer than all that is tested with them.
DICE = st.randoms(use_true_random=True)


def text(dice):
    ranges = ((32, 127), (0, 256), (0, 0xD800), (0xE000, 0x110000))
    return "".join(chr(dice.randrange(*dice.choice(ranges))) for _ in range(dice.randrange(6)))


def number(dice):
    large = 10 ** dice.randrange(3, 19)
    return dice.choice([dice.randint(-5, 20), dice.randint(-large, large), large, -large])


def anything(dice, depth=3):
    """Any JSON: lists and objects in each other, of numbers, texts and the rest."""
    kind = dice.randrange(6 if depth else 4)
    if kind < 2:
        return number(dice)
    if kind < 4:
        return dice.choice([None, False, True, text(dice), text(dice)])
    inner = [anything(dice, depth - 1) for _ in range(dice.randrange(5))]
    return inner if kind == 4 else {text(dice): value for value in inner}


def places(value, path=()):
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, child in children:
        yield from places(child, (*path, name))


def changed(data, path, value):
    if not path:
        return value
    made = copy.copy(data)
    made[path[0]] = changed(data[path[0]], path[1:], value)
    return made


def mutated(dice):
    """An entry with one to three places changed."""
    problem, data = dice.choice(ENTRIES)
    for _ in range(dice.randint(1, 3)):
        small = [dice.randint(0, 3) for _ in range(dice.randrange(5))]
        value = dice.choice([anything(dice), anything(dice), dice.randint(0, 3), small])
        data = changed(data, dice.choice(list(places(data))), value)
        if not isinstance(data, dict):
            break
    return problem, data


@settings(max_examples=2000)
@given(DICE)
def test_two_thousand_mutated_entries_give_the_right_basis_or_none(dice):
    (name, inputs, outputs), data = mutated(dice)
    group = eq.Group.parse(name)
    try:
        found = bases.from_data(group, inputs, outputs, data)
    except CatalogError:
        return
    # What is accepted is the one basis that is made, in all that a layer depends on.
    assert found == eq.basis(name, inputs, outputs)


def assert_refused(value):
    written = json.dumps(value, ensure_ascii=True)
    try:
        entry = unpack(framed(written))
    except CatalogError:
        assert not isinstance(value, dict) or any(abs(n) >= 10**18 for n in _numbers(value))
        return
    with pytest.raises(CatalogError):
        bases.from_data(eq.Group.parse("S(3)"), 2, 2, entry)


def test_an_edge_to_a_far_vertex_is_refused():
    assert_refused(
        {"elements": [{"blocks": [[0, 1], [2, 3]], "edges": [[0, 10**9]]}], "certificate": [1, 1, "stable", 0]}
    )


@settings(max_examples=2000)
@given(DICE)
def test_two_thousand_arbitrary_values_are_refused(dice):
    fields = dice.choice([None, tuple(S3), ("elements",)])
    assert_refused(anything(dice) if fields is None else {name: anything(dice) for name in fields})


def _numbers(value):
    if type(value) is int:
        yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _numbers(child)


# --- the emitter ----------------------------------------------------------------------------------

#: What an emitted file may import, and the names that it may call or read without having made them.
IMPORTS = {("torch",), ("math",), ("torch", "nn"), ("torch.nn.functional", "linear"), ("itertools", "permutations"),
           ("itertools", "combinations"), ("itertools", "product")}  # fmt: skip
FORBIDDEN = {"exec", "eval", "open", "compile", "__import__", "globals", "locals", "vars", "getattr", "setattr",
             "delattr", "input", "breakpoint", "os", "sys", "subprocess", "builtins", "importlib"}  # fmt: skip
DUNDERS = {"__init__", "__name__", "__class__"}
STATEMENTS = (ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef, ast.Assign, ast.AugAssign, ast.AnnAssign,
              ast.Return, ast.Expr, ast.For, ast.While, ast.If, ast.Raise, ast.Pass, ast.Continue, ast.Break,
              ast.With)  # fmt: skip


def grammar(source):
    """Raise AssertionError unless a source is of the kind that the emitter writes."""
    tree = ast.parse(source)
    first, *rest = tree.body
    assert isinstance(first, ast.Expr), "a file begins with its docstring"
    assert isinstance(first.value, ast.Constant), "a file begins with its docstring"
    for node in rest:
        assert isinstance(node, ast.Import | ast.ImportFrom | ast.ClassDef | ast.FunctionDef), ast.dump(node)
    *helpers, _ = classes = [node for node in rest if isinstance(node, ast.ClassDef)]
    named = [node.name for node in helpers]
    assert named in ([], ["_Combine", "_Transformed"], ["_Product"]), "one class, after its helpers"
    assert classes[-1] is rest[-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt):
            assert isinstance(node, STATEMENTS), ast.dump(node)
        if isinstance(node, ast.Import):
            assert all((alias.name,) in IMPORTS and not alias.asname for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert all((node.module, alias.name) in IMPORTS and not alias.asname for alias in node.names)
        assert not isinstance(node, ast.Await | ast.Yield | ast.YieldFrom | ast.NamedExpr), ast.dump(node)
        name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
        assert name not in FORBIDDEN, name
        assert not name.startswith("__") or name in DUNDERS, name
        assert name.isascii(), name


@pytest.mark.parametrize(
    "bad",
    [
        "import os", "exec('1')", "x = __import__('os')", "def f(x):\n    return x.__globals__",
        "class B:\n    pass", "async def f():\n    pass", "from torch import load", "import torch as t",
        "def f():\n    yield 1", "print(1)",
    ],
)  # fmt: skip
def test_the_grammar_check_sees_what_is_not_in_it(bad):
    good = artifact_of(eq.Hom.parse("S(3)", 1, 1)).source
    grammar(good)
    with pytest.raises(AssertionError):
        grammar(good + "\n\n" + bad + "\n")


SIZES = st.sampled_from(["n", "m", "1", "2", "3", "4", "e", "T"])
FACTORS = st.builds("{}({})".format, st.sampled_from(["S", "O", "A", "SO", "Sp", "H"]), SIZES)
GRAPHS = st.sampled_from(
    ["Aut(path3)", "Aut(cycle4)", "Aut(star2)", "Aut(3: 0-1 1-2 | 0 1 0)", "Aut(3: 0>1 1>2)", "Aut(2: 0-0 0-1)"]
)
OTHERS = st.sampled_from(
    [
        "Perm(3: 1 2 0)", "Perm(4: 1 0 3 2)", "Perm(2: )", "Matrix([[0,1],[-1,0]]; )",
        "Matrix([[0,1],[1,0]]; [[1,0],[0,-1]])",
    ]
)  # fmt: skip


@st.composite
def homs(draw):
    """The text of a group and two spaces, most of which make a problem."""
    factors = draw(st.lists(FACTORS, min_size=1, max_size=2))
    group = draw(st.sampled_from([" x ".join(factors)] * 3 + [draw(GRAPHS), draw(OTHERS)]))
    count = len(factors) if group == " x ".join(factors) else 1

    def space():
        terms = []
        for _ in range(draw(st.integers(1, 2))):
            orders = [draw(st.integers(0, 2 if count == 1 else 1)) for _ in range(count)]
            order = str(orders[0]) if count == 1 else f"({','.join(map(str, orders))})"
            terms.append(f"{draw(st.integers(1, 3))}x{order}")
        return " + ".join(terms)

    return group, space(), space()


NAMES = st.sampled_from(["EquivariantLinear", "A", "Layer_1", "Ω", "x y", "class", "torch", "A:\n pass", "__A", "A()"])


@settings(max_examples=150)
@given(
    homs(),
    NAMES,
    st.sampled_from(["variance", "mean", "sum", "sum\n"]),
    st.booleans(),
    st.sampled_from(["auto", "diagrams", "fourier", "irreps", "matrix"]),
)
def test_the_emitter_keeps_to_its_grammar(problem, name, normalization, bias, method):
    try:
        plan = eq.plan(*problem, bias=bias, normalization=normalization, method=method)
        source = artifact_of(plan, name).source
    except EqsynthError:
        return
    grammar(source)
    assert f"class {name}(nn.Module):" in source
    assert name in ("EquivariantLinear", "A", "Layer_1")


@settings(max_examples=500)
@given(st.text(max_size=30) | st.text("SOAp()n0123456789x +:;,[]-|>'\"\n\\#", max_size=30), st.text(max_size=10))
def test_any_text_is_a_problem_or_is_refused(group, space):
    for wrapped in (group, f"S({group})", f"Aut({group})", f"Perm({group})"):
        try:
            hom = eq.Hom.parse(wrapped, 1, space)
        except EqsynthError:
            continue
        # What is a problem prints as one line that is read again, with nothing that could end a string.
        assert eq.Hom.parse(str(hom.group), str(hom.space_in), str(hom.space_out)) == hom
        assert not set(str(hom)) & set("\n\r\"'\\")
