"""Change emitted code, files, entries, bases and modules in small ways, and count what the checkers let pass.

usage: python scripts/sabotage.py [code] [files] [entries] [bases] [modules] [--share=0.1] [--write]

Each line of the table that is printed counts the changes of one kind, those that are refused, those that are proven to
change nothing, and those that pass. Nothing may pass; the exit code is 1 if something does, and then it is listed.
``--share`` tries a part of them, chosen at random by a fixed seed; ``--write`` keeps the table in docs/sabotage.md.
"""

from __future__ import annotations

import ast
import copy
import random
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

import eqsynth as eq
from eqsynth.codegen.artifact import artifact_of
from eqsynth.families.group import FAMILIES, OTHERS
from eqsynth.project.catalog import Problem, check_entry, make_entry
from eqsynth.proof.verification import check_basis, check_module
from eqsynth.spaces.space import lengths
from eqsynth.store.files import write

ROOT = Path(__file__).resolve().parents[1]
#: Layers whose emitted code is changed: every kind of step, letters and numbers, products.
LAYERS: tuple[Callable[[], Any], ...] = (
    lambda: eq.plan("S(n)", "2x2 + 1x1", "2x2 + 1x0"),
    lambda: eq.plan("S(3)", "2x2", "2x2"),
    lambda: eq.plan("A(3)", "2x2", "2x1"),
    lambda: eq.plan("O(3)", "2x2", "2x2", method="diagrams"),
    lambda: eq.plan("SO(3)", "2x2", "2x1"),
    lambda: eq.plan("Sp(4)", "2x2", "2x2", method="diagrams"),
    lambda: eq.plan("O(3)", "2x2", "2x2", method="irreps"),
    lambda: eq.plan("S(4)", "2x2", "2x2", method="fourier"),
    lambda: eq.plan("Aut(path4)", "2x1", "2x1"),
    lambda: eq.plan("S(n) x O(3)", "2x(1,1)", "2x(1,1)"),
    lambda: eq.plan("S(n)", "2xS2.packed", "2xS2"),
    lambda: eq.TensorProduct("SO(3)", "2x1", "2x1", "2x1 + 1x0").plan,
    lambda: eq.TensorProduct("S(n) x S(m)", "1x(1,1)", "1x(1,1)", "1x(1,1)").plan,
    lambda: eq.PolynomialLayer("S(n)", "2x1", 2, "2x1").plan,
)
BASES = (
    ("S(n)", 2, 1), ("S(2)", 2, 2), ("A(3)", 2, 1), ("O(2)", 3, 3), ("SO(3)", 2, 3), ("Sp(2)", 2, 2),
    ("S(n)", "S2", "A2"), ("Aut(cycle4)", 1, 1), ("Perm(3: 1 2 0)", 1, 1), ("Matrix([[0,1],[-1,0]]; )", 1, 1),
    ("S(2) x O(2)", (1, 1), (1, 1)),
)  # fmt: skip


@dataclass(slots=True)
class Count:
    """What became of the changes of one kind."""

    kind: str
    refused: int = 0
    equal: int = 0
    passed: list[str] = field(default_factory=list)

    def add(self, what: str, refused: bool, equal: bool = False) -> None:
        """Count one change."""
        self.refused += refused
        self.equal += equal and not refused
        if not (refused or equal):
            self.passed.append(what)

    def __str__(self) -> str:
        total = self.refused + self.equal + len(self.passed)
        return f"| {self.kind} | {total:,} | {self.refused:,} | {self.equal:,} | {len(self.passed):,} |"


def refuses(check: Callable[[], object]) -> bool:
    """Whether a check ends in an error, of ours or of what was broken."""
    try:
        check()
    except Exception:  # noqa: BLE001 - broken code may raise anything, which is as good as a refusal
        return True
    return False


# --- emitted code ---------------------------------------------------------------------------------


def is_refusal(node: ast.stmt) -> bool:
    """Whether a statement only refuses wrong inputs, which are not what is checked here."""
    return isinstance(node, ast.If) and all(
        "_reject" in text or "raise" in text for text in map(ast.unparse, node.body)
    )


def setting(name: str, value: Any) -> Callable[[Any], None]:
    """A change that sets an attribute of a node."""
    return lambda node: setattr(node, name, value)


def changes(function: ast.FunctionDef) -> Iterator[tuple[str, Callable[[ast.FunctionDef], None]]]:
    """Ways to change a function in one place, each with what it does in words."""
    names = sorted({n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)})
    skipped = {id(part) for node in ast.walk(function) if isinstance(node, ast.stmt) and is_refusal(node)
               for part in ast.walk(node)}  # fmt: skip
    for place, node in enumerate(ast.walk(function)):
        if id(node) in skipped:
            continue
        text = ast.unparse(node)[:50] if isinstance(node, ast.expr) else ""

        def edit(change: Callable[[Any], None], place: int = place) -> Callable[[ast.FunctionDef], None]:
            def apply(copied: ast.FunctionDef) -> None:
                change([*ast.walk(copied)][place])

            return apply

        match node:
            case ast.Constant(value=bool()):
                continue
            case ast.Constant(value=int(value)):
                for other in (value + 1, value - 1, -value):
                    if other != value:
                        yield f"{value} -> {other}", edit(setting("value", other))
            case ast.Constant(value=float(value)) if value:
                yield f"{value} -> {value * 1.001}", edit(setting("value", value * 1.001))
            case ast.BinOp(op=ast.Add() | ast.Sub()):
                opposite: ast.operator = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
                yield f"sign in {text}", edit(setting("op", opposite))
            case ast.BinOp(op=ast.Mult() | ast.Div()):
                inverse: ast.operator = ast.Div() if isinstance(node.op, ast.Mult) else ast.Mult()
                yield f"factor in {text}", edit(setting("op", inverse))
            case ast.Call(args=[_, _, *_]):

                def swap(n: Any) -> None:
                    n.args[0], n.args[1] = n.args[1], n.args[0]

                yield f"arguments of {text}", edit(swap)
            case ast.Name(id=name, ctx=ast.Load()) if name in names and len(names) > 1:
                another = names[(names.index(name) + 1) % len(names)]
                yield f"{name} -> {another}", edit(setting("id", another))
            case ast.Assign() | ast.AugAssign():

                def zero(n: Any) -> None:
                    n.value = ast.BinOp(n.value, ast.Mult(), ast.Constant(2))

                yield f"twice {ast.unparse(node)[:40]}", edit(zero)


def mutants(plan: Any, share: float, rng: random.Random) -> Iterator[tuple[str, str]]:
    """Changed sources of a plan's layer."""
    tree = ast.parse(artifact_of(plan).source)
    where = [
        (number, function)
        for number, function in enumerate(ast.walk(tree))
        if isinstance(function, ast.FunctionDef)
        and function.name not in ("__init__", "reset_parameters", "extra_repr", "_reject", "_apply")
        and "state" not in function.name
        and not function.name.startswith("_load")
    ]
    for number, function in where:
        for what, change in changes(function):
            if rng.random() > share:
                continue
            changed = copy.deepcopy(tree)
            target = [*ast.walk(changed)][number]
            assert isinstance(target, ast.FunctionDef)  # noqa: S101 - for the type checker
            change(target)
            yield f"{function.name}: {what}", ast.unparse(ast.fix_missing_locations(changed))


def run_source(source: str) -> Any:
    """An instance of the class that a source defines."""
    namespace: dict[str, Any] = {"__name__": "sabotaged"}
    exec(compile(source, "<sabotaged>", "exec"), namespace)  # noqa: S102 - emitted code, changed here
    return next(v for k, v in namespace.items() if isinstance(v, type) and k.startswith("Equivariant"))()


def same_numbers(plan: Any, source: str) -> bool:
    """Whether changed code gives the same numbers, but for rounding, at sizes and batches that checks do not try."""
    layers = [run_source(text).double() for text in (artifact_of(plan).source, source)]
    rng = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in layers[0].parameters():
            parameter.copy_(torch.randn(parameter.shape, dtype=torch.float64, generator=rng))
    layers[1].load_state_dict(layers[0].state_dict())
    for base, batch in ((7, (3, 1, 2)), (4, (1,)), (6, (5,))):
        letters = sorted({f.n for f in plan.hom.group.factors if isinstance(f.n, str)})
        sizes = [f.n if isinstance(f.n, int) else base + letters.index(f.n) for f in plan.hom.group.factors]
        arguments = []
        for space in plan.problem.operands:
            tensors = tuple(
                torch.randn(*batch, *lengths(order, sizes), channels, dtype=torch.float64, generator=rng)
                for channels, order in space
            )
            arguments.append(tensors if len(tensors) > 1 else tensors[0])
        ours, theirs = (layer(*arguments) for layer in layers)
        for one, other in zip(*((y if isinstance(y, tuple) else (y,)) for y in (ours, theirs)), strict=True):
            if one.shape != other.shape or not torch.allclose(one, other, rtol=1e-11, atol=1e-11):
                return False
    return True


def _check_source(plan: Any, source: str) -> None:
    check_module(plan, trials=1, layer=run_source(source))


def code(share: float) -> Count:
    """Change constants, signs, factors, arguments and names in what emitted layers run."""
    count, rng = Count("emitted code"), random.Random(0)  # noqa: S311 - no secret
    for make in LAYERS:
        plan = make()
        for what, source in mutants(plan, share, rng):
            refused = refuses(partial(_check_source, plan, source))
            count.add(f"{plan.problem}: {what}", refused, not refused and same_numbers(plan, source))
    return count


# --- files ----------------------------------------------------------------------------------------


def files(share: float) -> Count:
    """Change one sign of an exported file."""
    count, rng = Count("exported files"), random.Random(1)  # noqa: S311
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "layer.py"
        for hom in (("S(n)", "2x2", "2x1"), ("O(3)", "1x2", "1x2"), ("Aut(path3)", "1x1", "1x1")):
            text = artifact_of(eq.plan(*hom)).source
            for _ in range(round(200 * share) + 1):
                place, sign = rng.randrange(len(text)), rng.choice("0123456789abnx_.,()=+-*:# \n\"'")
                changed = text[:place] + sign + text[place + rng.randrange(2) :]
                path.write_bytes(changed.encode())
                refused = refuses(partial(eq.verify, path, trials=1))
                # A class may have any name: then the file is what is emitted for that name.
                name = re.findall(r"^class (\w+)", changed, re.MULTILINE)
                renamed = len(name) == 1 and not refused and artifact_of(eq.plan(*hom), name[0]).source == changed
                count.add(f"{hom}: {sign!r} at {place}", refused, changed == text or renamed)
    return count


# --- entries --------------------------------------------------------------------------------------


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of all that an entry holds."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from leaves(inner, (*path, key))


def entries(share: float) -> Count:
    """Change a value of an entry, which is then given a right digest."""
    count, rng = Count("stored entries"), random.Random(2)  # noqa: S311
    values: tuple[Any, ...] = (0, 1, 2, -1, True, None, "x", [], [0], {})
    homs = "S(n): 1x2 -> 1x1", "S(2): 1x2 -> 1x2", "O(2): 1x3 -> 1x3", "Aut(cycle4): 1x1 -> 1x1", "S(n): 1xS2 -> 1xA2"
    for hom in homs:
        problem = Problem(hom)
        entry = make_entry(problem)
        for path in leaves(entry):
            if rng.random() > share:
                continue
            changed = copy.deepcopy(entry)
            holder: Any = changed
            for key in path[:-1]:
                holder = holder[key]
            old, new = holder[path[-1]], rng.choice(values)
            if type(old) is type(new) and old == new:
                continue
            holder[path[-1]] = new
            refused = refuses(partial(check_entry, problem.key, changed, prove=True))
            count.add(f"{hom}: {path} {old!r:.20} -> {new!r}", refused)
    return count


# --- bases and certificates -----------------------------------------------------------------------


def basis_changes(basis: eq.Basis) -> Iterator[tuple[str, eq.Basis]]:
    """Other elements, other sums, and other certificates."""
    proof, elements = basis.certificate, basis.diagrams
    for place in range(len(elements)):
        rest = (*elements[:place], *elements[place + 1 :])
        turns = (*basis.turns[:place], *basis.turns[place + 1 :])
        for count in (proof.dimension, len(rest)):
            fewer = replace(proof, dimension=count)
            yield f"without {place}", replace(basis, diagrams=rest, turns=turns, certificate=fewer)
        if len(elements) > 1:
            again = (*elements[:place], elements[place - 1], *elements[place + 1 :])
            yield f"{place} is {place - 1}", replace(basis, diagrams=again)
    for name in sorted(
        {
            *(name for known in (*FAMILIES.values(), *OTHERS.values()) for name in known.arguments),
            "product",
            "cosets",
            "means",
        }
    ):
        if name != proof.independence:
            yield name, replace(basis, certificate=replace(proof, independence=name))
    for prime in (0, 1, 7, 2**31 - 1, 2**31):
        if prime != proof.prime:
            yield f"prime {prime}", replace(basis, certificate=replace(proof, prime=prime))
    for change in (-1, 1, 10**6):
        yield f"dimension {change:+}", replace(basis, certificate=replace(proof, dimension=proof.dimension + change))
    yield "spanning", replace(basis, certificate=replace(proof, spanning=proof.spanning + 10**6))
    if basis.turns:
        yield "no sums", replace(basis, turns=())
        yield "fewer sums", replace(basis, turns=basis.turns[1:])


def certificates(share: float) -> Count:
    """Change a basis or its certificate."""
    count, rng = Count("bases and certificates"), random.Random(3)  # noqa: S311
    for problem in BASES:
        basis = eq.basis(*problem)
        for what, changed in basis_changes(basis):
            if rng.random() <= max(share, 0.3):
                refused = refuses(partial(check_basis, changed))
                # An argument that holds may stand in the place of another.
                holds = (
                    not refused and what == "blocks" and max(len(d.blocks) for d in basis.plain()[0]) <= basis.size()
                )
                count.add(f"{problem}: {what}", refused, holds)
    return count


# --- modules --------------------------------------------------------------------------------------

WRONG: tuple[tuple[str, Callable[[Any], Any], str, str], ...] = (
    ("position", lambda x: x * torch.arange(1, x.shape[-2] + 1, dtype=x.dtype)[:, None], "Aut(path4)", "1x1 -> 1x1"),
    ("cross product", lambda x: torch.linalg.cross(x[0], x[1], dim=-2), "O(3)", "1x1 + 1x1 -> 1x1"),
    ("flip", lambda x: x.flip(-2), "S(n)", "1x1 -> 1x1"),
    ("first entry", lambda x: x[..., :1, :].expand_as(x), "Perm(3: 1 2 0)", "1x1 -> 1x1"),
    ("absolute value", lambda x: x.abs(), "O(2)", "1x1 -> 1x1"),
    ("sorted", lambda x: x.sort(-2).values, "A(4)", "1x1 -> 1x1"),
    ("transposed", lambda x: x.transpose(-2, -3), "Sp(2)", "1x2 -> 1xA2"),
    ("a coordinate", lambda x: x[..., :1, :], "SO(2)", "1x1 -> 1x0"),
    ("plus one", lambda x: x + 1, "O(n)", "1x1 -> 1x1"),
)


def modules(share: float) -> Count:
    """Give modules that are not equivariant to assert_equivariant, with many seeds."""
    count = Count("modules")
    for name, module, group, spaces in WRONG:
        for seed in range(round(100 * share) + 1):
            space_in, space_out = spaces.split(" -> ")
            check = partial(eq.testing.assert_equivariant, module, group, space_in, space_out, trials=1, seed=seed)
            count.add(f"{name} as {group}, seed {seed}", refuses(check))
    return count


KINDS = {"code": code, "files": files, "entries": entries, "bases": certificates, "modules": modules}
HEADER = "| what is changed | changes | refused | changes nothing | passed |\n| --- | --- | --- | --- | --- |"
PAGE = """# What checkers are held against

`python scripts/sabotage.py --write{share}` wrote this page. It changes what eqsynth makes or reads in one place at a
time, and asks the checkers: `eq.verify` for emitted code and files, `eqsynth catalog verify` for entries whose digest
was made right again, the check of certificates for bases, `eq.testing.assert_equivariant` for modules. A change of
code that "changes nothing" gives the same numbers, up to rounding, at other sizes and batches, too, such as 0 turned
into -0, or blocks that are named otherwise; of files, it is another name of the class, of certificates another
argument that holds. Nothing else may pass.

{table}
"""


def main(arguments: list[str]) -> int:
    """Run the kinds that are named, or all."""
    share = next((float(name.removeprefix("--share=")) for name in arguments if name.startswith("--share=")), 1.0)
    named = [name for name in arguments if not name.startswith("--")]
    unknown = [name for name in named if name not in KINDS]
    if unknown:
        print(f"sabotage: there is no kind {', '.join(unknown)}; there are {', '.join(KINDS)}")
        return 2
    counts = []
    print(HEADER)
    for name in named or KINDS:
        counts.append(KINDS[name](share))
        print(counts[-1], flush=True)
    for count in counts:
        for what in count.passed:
            print(f"passed: {count.kind}: {what}")
    if "--write" in arguments:
        table = "\n".join([HEADER, *map(str, counts)])
        page = PAGE.format(share=f" --share={share}" if share < 1 else "", table=table)
        write(ROOT / "docs" / "sabotage.md", page.encode())
    return int(any(count.passed for count in counts))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
