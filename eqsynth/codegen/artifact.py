"""The emitted source of whatever has a plan: layers, products, problems."""

from __future__ import annotations

import builtins
import keyword
from typing import Any

from eqsynth.codegen.carry import importable
from eqsynth.codegen.emit import Artifact, emit
from eqsynth.errors import EqsynthError, shown
from eqsynth.families.hom import Problem
from eqsynth.plans.plan import Plan
from eqsynth.plans.products import plan_problem


def artifact_of(layer: Plan | Problem | Any, name: str | None = None) -> Artifact:
    """The emitted source of a layer, plan or problem."""
    if name is not None:
        check_name(name)
    if isinstance(layer, Problem):
        layer = plan_problem(layer)
    plan = layer if isinstance(layer, Plan) else getattr(layer, "plan", None)
    if not isinstance(plan, Plan):
        raise EqsynthError(
            f"only an eqsynth layer, plan or Hom can be exported, not {type(layer).__name__}: a network of eq.nn "
            "takes eq.export"
        )
    return emit(plan, name)


def check_name(name: object, carried: frozenset[str] = frozenset()) -> None:
    """Raise EqsynthError for what cannot name the class of an emitted file, which carries functions of these names."""
    usable = isinstance(name, str) and name.isidentifier() and name.isascii() and not name.startswith("_")
    if not usable or keyword.iskeyword(str(name)) or name in {*dir(builtins), *importable(), *carried}:
        raise EqsynthError(
            f"{shown(name)} cannot name a class: use letters, digits and _, not starting with a digit, "
            "and no word that Python or the file uses itself"
        )
