"""The command line as a person meets it: what it prints, its exit codes, its messages."""

import json
import subprocess
import sys

import pytest

import eqsynth as eq
from eqsynth.errors import EqsynthError
from terminal import eqsynth, plain_environment


@pytest.mark.parametrize(
    "arguments", [("show", "S(n)", "2", "1"), ("show", "S(3)", "1", "x"), ("synth", "O(3)", "8x2", "8x1")]
)
def test_a_process_of_its_own_prints_what_this_one_prints(arguments):
    """Answers, errors and notes: the other tests need not start Python again."""
    command = [sys.executable, "-m", "eqsynth", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=plain_environment())
    here = eqsynth(*arguments)
    assert (done.returncode, done.stdout, done.stderr) == (here.returncode, here.stdout, here.stderr)


def test_show_prints_the_basis():
    done = eqsynth("show", "S(n)", "2", "1")
    assert done.returncode == 0
    assert done.stdout.strip() == str(eq.basis("S(n)", 2, 1))


def test_show_prints_plan_and_source():
    assert eqsynth("show", "O(3)", "2", "2", "--plan").stdout.strip() == str(eq.plan("O(3)", 2, 2, method="diagrams"))
    by_irreps = eqsynth("show", "O(3)", "2", "2", "--plan", "--method", "irreps").stdout
    assert by_irreps.strip() == str(eq.plan("O(3)", 2, 2, method="irreps"))
    standard = eqsynth("show", "O(2)", "3", "3", "--choose", "standard").stdout.strip()
    assert standard == str(eq.basis("O(2)", 3, 3, choose="standard"))
    assert standard != eqsynth("show", "O(2)", "3", "3").stdout.strip()
    for choose, *more in (["best"], ["standard", "--plan"], ["standard", "--html", "x.html"]):
        refused = eqsynth("show", "O(2)", "3", "3", "--choose", choose, *more)
        assert refused.returncode == 1
        assert "ask for" in refused.stderr or "not '" in refused.stderr or "leave it out" in refused.stderr
    assert "class EquivariantLinear" in eqsynth("show", "O(3)", "2", "2", "--source").stdout


def test_show_cuts_long_bases_unless_told():
    assert "143 more" in eqsynth("show", "S(n)", "3", "3").stdout
    assert "more:" not in eqsynth("show", "S(n)", "3", "3", "--all").stdout


def test_synth_and_verify(tmp_path):
    done = eqsynth("synth", "S(n)", "4x2+2x1", "3x1", "-o", "sub/layer.py", "--name", "Mine", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "wrote sub/layer.py: class Mine, S(n): 4x2 + 2x1 -> 3x1, 7 maps" in done.stderr
    printed = eqsynth("synth", "S(n)", "4x2+2x1", "3x1", "--name", "Mine").stdout
    assert printed == (tmp_path / "sub" / "layer.py").read_text()
    (tmp_path / "sub" / "__init__.py").touch()
    done = eqsynth("verify", "sub/__init__.py", "sub/layer.py", "S(1): 1x0 -> 1x0", cwd=tmp_path)
    assert done.returncode == 0
    assert "byte for byte" in done.stdout
    assert "equivariant" in done.stdout
    assert [line for line in done.stdout.splitlines() if line.startswith("verified")] == [
        "verified S(n): 4x2 + 2x1 -> 3x1",
        "verified S(1): 1x0 -> 1x0",
    ]
    (tmp_path / "sub" / "layer.py").write_text(printed.replace(".sum(2)", ".sum(1)"))
    done = eqsynth("verify", "sub/layer.py", "S(1): 1x0 -> 1x0", cwd=tmp_path)
    assert done.returncode == 1
    assert not done.stdout
    assert "export it again" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_layer_of_products_is_written_too(tmp_path):
    done = eqsynth("synth", "S(n)", "4x2 (x) 4x1", "2x1", "--mode", "paired", "-o", "product.py", cwd=tmp_path)
    assert "class EquivariantLinear, S(n): 4x2 (x) 4x1 -> 2x1, 15 maps" in done.stderr
    made = eq.TensorProduct("S(n)", "4x2", "4x1", "2x1", "paired")
    assert (tmp_path / "product.py").read_text() == eq.export(made, tmp_path / "same.py").source


def test_show_prints_products(tmp_path):
    done = eqsynth("show", "O(3)", "4x1 (x) 4x2", "2x1")
    lines = done.stdout.splitlines()
    assert lines[:2] == [
        "O(3): 4x1 (x) 4x2 -> 2x1",
        "x[a,b,c] = u[a] v[b,c] -> order 1, 3 independent equivariant maps",
    ]
    assert lines[3].startswith("Every map that is linear in u, a vector of 3 numbers, and in v, a 3 × 3 matrix, to y,")
    layer = eq.TensorProduct("O(3)", "4x1", "4x2", "2x1")
    formulas = layer.basis[0, 0, 0].formulas(layer.problem.multiplied(0))
    assert formulas[0] == "y[a] += u[a] v[b,b]"
    assert all(formula in done.stdout for formula in formulas)
    assert done.stdout.count("u   v   v") == 3
    assert "cost" not in done.stdout
    assert eqsynth("show", "O(3)", "4x1 (x) 4x2", "2x1", "--plan").stdout.strip() == str(layer.plan)
    assert eqsynth("show", "O(3)", "4x1 (x) 4x2", "2x1", "--source").stdout.strip() == layer.source.strip()
    paired = eq.TensorProduct("O(3)", "4x1", "4x2", "2x1", "paired")
    assert eqsynth("show", "O(3)", "4x1 (x) 4x2", "2x1", "--plan", "--mode", "paired").stdout.strip() == str(
        paired.plan
    )
    alone = eqsynth("show", "O(3)", "4x1 (x) 4x2", "2x1", "--index", "1").stdout
    assert formulas[1] in alone
    assert formulas[0] not in alone
    assert eqsynth("show", "O(3)", "4x1 (x) 4x2", "2x1", "--certificate").stdout.startswith(
        "x[a,b,c] = u[a] v[b,c]: 3;"
    )
    done = eqsynth(
        "show", "O(3)", "4x1 (x) 4x2", "2x1", "--svg", "a.svg", "--tikz", "a.tex", "--html", "a.html", cwd=tmp_path
    )
    assert [line.split(",")[0] for line in done.stderr.splitlines()] == [
        "wrote a.html: 3 maps", "wrote a.svg: 3 diagrams", "wrote a.tex: 3 diagrams"
    ]  # fmt: skip
    assert "u[b] v[a,b]" in (tmp_path / "a.svg").read_text()
    assert "<title>O(3): 4x1 (x) 4x2 -&gt; 2x1</title>" in (tmp_path / "a.svg").read_text()
    data = json.loads(eqsynth("show", "O(3)", "4x1 (x) 4x2", "2x1", "--json").stdout)
    assert (data["problem"], data["mode"]) == ("O(3): 4x1 (x) 4x2 -> 2x1", "full")
    assert [element["formula"] for element in data["products"][0]["elements"]] == formulas


def test_show_prints_powers_degree_by_degree():
    text = eqsynth("show", "S(n)", "powers 1, 2 of 8x1", "2x1").stdout
    assert "x[a] = u[a] -> order 1, 2 independent equivariant maps: weight_0_0[i]" in text
    assert "x[a,b] = u[a] u[b] -> order 1, 4 independent equivariant maps: weight_0_0_0[i]" in text
    assert "Every map of degree 2 in u, a vector of n numbers, to y, a vector of n numbers, with this symmetry" in text
    assert "4 of the 5 maps of x stay independent, since a factor is multiplied by itself" in text
    data = json.loads(eqsynth("show", "S(n)", "powers 1, 2 of 8x1", "2x1", "--json").stdout)
    layer = eq.PolynomialLayer("S(n)", "8x1", 2, "2x1")
    assert [part["weights"] for part in data["products"]] == ["weight_0_0", "weight_0_0_0"]
    assert [len(part["elements"]) for part in data["products"]] == list(map(len, layer.basis.values()))
    stress = eqsynth("show", "O(3)", "S2 (x) S2", "S2").stdout
    assert "5 of the 9 maps of x stay independent, since factors are symmetric or alternating" in stress
    assert "y[a,b], y[b,a] += u[a,c] v[c,b]" in stress
    mixed = eqsynth("show", "O(3)", "powers 2 of 4x1 + 4x0", "4x1").stdout
    assert "Every map that is linear in u0, a vector of 3 numbers, and in u1, one number, to y," in mixed
    assert "to y, a vector of 3 numbers, with this symmetry is zero." in mixed


def test_products_and_pipes_without_unicode():
    expected = str(eq.basis("S(3) x O(2)", (2, 1), (1, 1)))
    for orders in (("2,1", "1,1"), ("(2,1)", "(1,1)")):
        assert eqsynth("show", "S(3) x O(2)", *orders).stdout.strip() == expected
    command = [sys.executable, "-m", "eqsynth.cli", "show", "S(n)", "1", "1"]
    done = subprocess.run(
        command, capture_output=True, check=True, env=plain_environment() | {"PYTHONIOENCODING": "cp1252"}
    )
    assert done.stdout.decode("utf-8").strip() == str(eq.basis("S(n)", 1, 1))


def test_an_output_that_is_always_zero_is_noted(tmp_path):
    done = eqsynth("synth", "O(3)", "8x2", "8x1", "-o", "zero.py", cwd=tmp_path)
    assert "note: output term 0" in done.stderr
    done = eqsynth("verify", "zero.py", cwd=tmp_path)
    assert "always zero" in done.stdout
    assert not done.stderr


def test_no_bias():
    assert "self.bias" in eqsynth("synth", "S(n)", "1", "1").stdout
    assert "self.bias" not in eqsynth("synth", "S(n)", "1", "1", "--no-bias").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "S(0)", "1", "1"), "n >= 1"),
        (("show", "Q(3)", "1", "1"), "families are"),
        (("show", "S(3)", "1", "-1"), "negative"),
        (("show", "S(3)", "1", "99"), "absurdly"),
        (("show", "S(3)", "1", "x"), "no whole number"),
        (("show", "S(3) x O(2)", "1", "1"), "one entry per factor"),
        (("verify", "O(3): 2x2"), "neither a file nor a problem"),
        (("show", "S(n)", "7", "7"), "190,899,322"),
        (("synth", "S(3)", "4x", "1"), "an order is expected"),
        (("synth", "Sp(3)", "1", "1"), "Sp(4)"),
        (("synth", "S(3)", "1", "1", "-o", "/dev/null/x.py"), "cannot write"),
        (("show", "S(3)", "1", "1", "--method", "irreps"), "ask for --plan or --source with it"),
        (("synth", "S(3)", "1", "1", "--normalization", "max"), "'variance', 'mean' or 'sum', not 'max'"),
        (("synth", "S(3)", "1", "1", "--mode", "paired"), "products of two spaces"),
        (("synth", "S(3)", "powers 2 of 1", "1", "--mode", "full"), "powers are always paired"),
        (("show", "S(3)", "1", "1", "--mode", "paired"), "products of two spaces"),
        (("show", "S(3)", "1 (x) 1 (x) 1", "1"), "multiply two, and the result with the next"),
        (("show", "S(3)", "1 (x) 1", "1", "--plan", "--method", "irreps"), "computed in one way"),
        (("show", "S(3)", "1 (x) 1", "1", "--choose", "standard"), "leave it out"),
        (("show", "S(3)", "2x1 (x) 3x1", "1", "--mode", "paired"), "ask for equal numbers of channels"),
        (("show", "S(3)", "powers 1, 2 of 1", "1", "--html", "a.html"), "one product with one output"),
        (("show", "S(3)", "1 (x) 1", "1+0", "--index", "0"), "one product with one output"),
        (("show", "S(3)", "1 (x) 1", "1", "--index", "9"), "there is no diagram 9"),
        (("synth", "S(3)", "1 (x) 1", "1", "--method", "matrix"), "computed in one way"),
        (("verify", "no-such-file.py"), "cannot read"),
        (("verify", "/"), "it is a folder"),
        (("show", "S(n) 2 -> 1"), "write it as S(n): 16x2 -> 32x2"),
        (("show", "S(n)", "2 -> 1"), "write it as S(n): 16x2 -> 32x2"),
        (("verify", "S(n): 2x2 -> "), "a term is expected"),
    ],
)
def test_errors_are_one_message_and_exit_code_one(arguments, message, tmp_path):
    done = eqsynth(*arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_orders_may_be_spaces_of_one_term():
    from eqsynth.cli import _order
    from eqsynth.spaces.space import read_order

    assert (_order("1x2"), _order("4x2"), _order("3x(2,1)")) == (2, 2, (2, 1))
    for several, cure in (("4x2 + 1x1", "2 terms, not an order: write one of 2, 1"), ("4x2 + 1x2", "order: write 2$")):
        with pytest.raises(EqsynthError, match=cure):
            _order(several)
    with pytest.raises(EqsynthError, match="'4x2' is a space of 4 channels, not an order: write 2"):
        read_order("4x2")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("O(1,3): 2x1 -> 3x1", ("O(1,3)", "2x1", "3x1")),
        ("Perm(3: 1 2 0): 1 -> 1", ("Perm(3: 1 2 0)", "1", "1")),
        ("SO(3): 2x1 (x) 2x1 -> 1x1", ("SO(3)", "2x1 (x) 2x1", "1x1")),
        ("S(n): -1 -> 1", ("S(n)", "-1", "1")),
    ],
)
def test_show_and_synth_take_a_problem_in_one_text(text, parts):
    for command in ("show", "synth"):
        whole, apart = eqsynth(command, text), eqsynth(command, *parts)
        assert (whole.returncode, whole.stdout, whole.stderr) == (apart.returncode, apart.stdout, apart.stderr)
    assert "Missing" not in whole.stderr


def test_an_option_that_is_not_there_is_named():
    for command in ("show", "synth"):
        for words in (["S(n)", "1", "1", "--modd", "full"], ["--modd", "full", "S(n): 1 -> 1"]):
            done = eqsynth(command, *words)
            assert done.returncode == 2
            assert "--modd" in done.stderr
            assert "--mode" in done.stderr


def test_version():
    assert eqsynth("--version").stdout.strip() == f"eqsynth {eq.__version__}"


@pytest.mark.parametrize("group", ["C(3)", "Z(2)^2", "Perm(3: 1 2 0)", "C(3) \u00d7 Z(2)^2"])
def test_plans_are_shown_where_no_map_is_a_diagram(group):
    order = "1,1" if "\u00d7" in group else "1"
    shown = eqsynth("show", group, order, order, "--plan")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "plan of" in shown.stdout
