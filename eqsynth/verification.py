"""Check that a layer keeps its promise: equivariant, independent, complete, and computed as written."""

from __future__ import annotations

import ast
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eqsynth import bases, dimension, gram
from eqsynth.bases import Basis
from eqsynth.diagram import Diagram
from eqsynth.errors import EqsynthError, ExportError, VerificationError
from eqsynth.exporting import artifact_of
from eqsynth.group import Group, Hom
from eqsynth.lower import plan_hom
from eqsynth.plans import Plan
from eqsynth.representation import act, random_element

if TYPE_CHECKING:
    from eqsynth.module import Linear

#: Sizes at which a layer with n open is tried.
SIZES = (1, 2, 3, 5)
EVEN_SIZES = (2, 4, 6)
TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Report:
    """What :func:`verify` checked, one line each; ``print`` shows them."""

    subject: str
    checks: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join([f"verified {self.subject}", *(f"  ok  {check}" for check in self.checks)])


def verify(subject: Linear | Plan | Hom | str | os.PathLike[str], *, trials: int = 5, seed: int = 0) -> Report:
    """Prove again what a layer claims, and try it on random group elements in float64.

    >>> import eqsynth as eq
    >>> print(eq.verify(eq.Hom.parse("O(3)", "2x2", "3x2 + 1x0")))  # doctest: +ELLIPSIS
    verified O(3): 2x2 -> 3x2 + 1x0
      ok  independent and complete, 2 -> 2: 3 maps...

    ``subject`` is a layer, a plan, a Hom, its text (``"S(n): 16x2 -> 32x2"``), or the path of an
    exported file. A file is read, never run: its problem is parsed, the source emitted anew and
    compared, and the new source is what runs.

    Raises VerificationError with the failed check; ParseError or ExportError for what cannot be read.
    """
    plan, checks = _plan_of(subject)
    hom = plan.hom
    seen = set()
    for i, k in enumerate(hom.space_in.orders):
        for o, lo in enumerate(hom.space_out.orders):
            if isinstance(k, int) and isinstance(lo, int) and (k, lo) not in seen:
                seen.add((k, lo))
                found = bases.basis(hom.group, k, lo)
                checks.append(f"independent and complete, {k} -> {lo}: {check_basis(found)}")
                dim = plan.dims.get((i, o), 0)
                if dim != len(found):
                    raise VerificationError(f"{hom} has {dim} weights for {k} -> {lo}, but {len(found)} maps exist")
    checks += check_module(plan, trials=trials, seed=seed)
    return Report(str(hom), tuple(checks))


def check_basis(basis: Basis) -> str:
    """Re-check the claims of a basis without the enumerator; returns the argument in words.

    Every diagram must be allowed by the group and stand once; their number must be the dimension;
    their independence is re-derived. Raises VerificationError.
    """
    group, total = basis.group, basis.inputs + basis.outputs
    expected = dimension.dimension(group, total)
    for diagram in basis:
        if (diagram.outputs, diagram.inputs) != (basis.outputs, basis.inputs):
            raise VerificationError(f"{diagram.formula()} does not map order {basis.inputs} to {basis.outputs}")
        problem = _not_allowed(group, diagram)
        if problem:
            raise VerificationError(f"{diagram.formula()} is not equivariant under {group}: {problem}")
    if len(set(basis.diagrams)) != len(basis):
        raise VerificationError(f"a diagram stands twice among the {len(basis)} of {group}")
    if len(basis) != expected:
        raise VerificationError(f"{len(basis)} diagrams, but the dimension of the equivariant maps is {expected}")
    n = group.n
    if isinstance(n, str) or n >= dimension.stable_from(group, total):
        return f"{expected} maps, all independent for n >= {dimension.stable_from(group, total)}"
    if group.family in ("S", "A") and all(diagram.head or len(diagram.blocks) <= n for diagram in basis):
        return f"{expected} maps, partitions into at most n blocks and heads of disjoint support"
    _, prime = _full_rank(basis)
    return f"{expected} maps, Gram matrix of full rank modulo {prime}"


def _not_allowed(group: Group, diagram: Diagram) -> str:
    """Why a diagram is not one of the group's, or nothing."""
    head = [diagram.blocks[block] for block in diagram.head]
    if diagram.edges:
        return "it has edges"
    if head and (group.family not in ("SO", "A") or isinstance(group.n, str)):
        return "it has a head"
    if group.family in ("S", "A"):
        if head and (list(diagram.head) != list(range(len(diagram.blocks)))):
            return "its head does not hold all blocks in order"
        return "its head has no n or n - 1 blocks" if head and group.n not in (len(head), len(head) + 1) else ""
    if any(len(block) != 1 for block in head) or list(diagram.head) != sorted(diagram.head):
        return "its head does not hold single vertices in order"
    if head and len(head) != group.n:
        return f"its head has {len(head)} vertices"
    if any(len(block) != 2 for number, block in enumerate(diagram.blocks) if number not in diagram.head):
        return "its blocks are no pairs"
    return ""


def _full_rank(basis: Basis) -> tuple[int, int]:
    for prime in gram.PRIMES:
        rank = gram.gram_modulo(basis.group, basis.diagrams, prime).rank()
        if rank == len(basis):
            return rank, prime
    raise VerificationError(f"the {len(basis)} diagrams of {basis.group} are dependent: their rank is {rank}")


def check_module(plan: Plan, *, trials: int = 5, seed: int = 0, layer: Any = None) -> list[str]:
    """Run the emitted module in float64 against random group elements and against the interpreter."""
    import numpy as np
    import torch

    from eqsynth.interpret import interpret
    from eqsynth.module import from_plan

    hom, group = plan.hom, plan.hom.group
    layer = from_plan(plan, dtype=torch.float64) if layer is None else layer
    rng = np.random.default_rng(seed)
    for parameter in layer.parameters():
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(rng.standard_normal(parameter.shape)))
    parameters = {name: value.detach().numpy() for name, value in layer.state_dict().items()}
    sizes = (group.n,) if isinstance(group.n, int) else EVEN_SIZES if group.family == "Sp" else SIZES
    worst = agreement = 0.0
    for n in sizes:
        run = _runner(layer, plan, n)
        inputs = [rng.standard_normal((2, *[n] * int(k), c)) for c, k in hom.space_in.terms]  # type: ignore[arg-type]
        outputs = run(inputs)
        for ours, meant in zip(outputs, interpret(plan, parameters, inputs, n), strict=True):
            agreement = max(agreement, _distance(ours, meant))
        for _ in range(trials):
            element = random_element(Group(group.family, n), rng)
            moved = run([act(element, x) for x in inputs])
            for ours, meant in zip(moved, [act(element, y) for y in outputs], strict=True):
                worst = max(worst, _distance(ours, meant))
    if worst > TOLERANCE:
        raise VerificationError(f"{hom} is not equivariant: relative error {worst:.1e} under a random group element")
    if agreement > TOLERANCE:
        raise VerificationError(f"the emitted source of {hom} differs from its plan by {agreement:.1e}")
    where = f"n = {', '.join(map(str, sizes))}"
    return [
        f"equivariant: relative error {worst:.1e} over {trials * len(sizes)} random elements, float64, {where}",
        f"emitted source agrees with the plan's reference meaning: relative error {agreement:.1e}",
    ]


def _runner(layer: Any, plan: Plan, n: int) -> Callable[[list[Any]], list[Any]]:
    import torch

    needs_n = isinstance(plan.hom.group.n, str) and not any(plan.hom.space_in.orders)

    def run(inputs: list[Any]) -> list[Any]:
        tensors = tuple(torch.from_numpy(array) for array in inputs)
        with torch.no_grad():
            made = layer(tensors[0] if len(tensors) == 1 else tensors, *([n] if needs_n else []))
        return [tensor.numpy() for tensor in (made if isinstance(made, tuple) else (made,))]

    return run


def _distance(ours: Any, meant: Any) -> float:
    import numpy as np

    return float(np.abs(ours - meant).max(initial=0.0) / max(1.0, np.abs(meant).max(initial=0.0)))


def _plan_of(subject: Any) -> tuple[Plan, list[str]]:
    if isinstance(subject, str) and ":" in subject and "->" in subject and not Path(subject).exists():
        return plan_hom(parse_hom(subject)), []
    if isinstance(subject, str | os.PathLike):
        return _read_exported(Path(subject))
    if isinstance(subject, Hom):
        return plan_hom(subject), []
    plan = subject if isinstance(subject, Plan) else getattr(subject, "plan", None)
    if not isinstance(plan, Plan):
        raise EqsynthError(f"only a layer, plan, Hom or exported file can be verified, not {type(subject).__name__}")
    return plan, []


def parse_hom(text: str) -> Hom:
    """Read a problem as it prints: ``S(n): 16x2 -> 32x2``."""
    group, _, spaces = text.partition(":")
    space_in, arrow, space_out = spaces.partition("->")
    if not arrow:
        raise EqsynthError(f"cannot read the problem {text!r}: write it as S(n): 16x2 -> 32x2")
    return Hom.parse(group.strip(), space_in.strip(), space_out.strip())


def _read_exported(path: Path) -> tuple[Plan, list[str]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ExportError(
            f"cannot read {path}: {error}. Give an exported file, or a problem: 'S(n): 2x2 -> 2x1'"
        ) from error
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise VerificationError(f"{path} is not Python source: {error}") from error
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    facts: dict[str, Any] = {}
    for node in classes[0].body if classes else ():
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and isinstance(node.value, ast.Constant)
        ):
            facts[node.targets[0].id] = node.value.value
    missing = {"group", "space_in", "space_out", "normalization", "bias_terms"} - facts.keys()
    if missing:
        raise VerificationError(f"{path} is no layer exported by eqsynth: it lacks {', '.join(sorted(missing))}")
    hom = Hom.parse(facts["group"], facts["space_in"], facts["space_out"])
    plan = plan_hom(hom, bool(facts["bias_terms"]), facts["normalization"])
    source = artifact_of(plan, classes[0].name).source
    if source != text:
        for number, (theirs, ours) in enumerate(zip(text.splitlines(), source.splitlines(), strict=False), 1):
            if theirs != ours:
                raise VerificationError(
                    f"{path} differs from what eqsynth emits for {hom}, first in line {number}:\n"
                    f"  file: {theirs.strip()}\n  ours: {ours.strip()}\n"
                    "It was edited, or made by another version: export it again"
                )
        raise VerificationError(f"{path} differs from what eqsynth emits for {hom} in length: export it again")
    return plan, [f"the file is byte for byte what eqsynth emits for {hom}"]
