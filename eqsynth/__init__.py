"""eqsynth: every linear map with a given symmetry, as a fast PyTorch layer, with a proof.

>>> import eqsynth as eq
>>> print(len(eq.basis("S(n)", 2, 2)))
15
>>> layer = eq.Linear("S(n)", "16x2", "32x2")   # one set of weights for every n

Names are loaded when they are first used: importing eqsynth loads neither torch nor sympy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from eqsynth import algebra as algebra
    from eqsynth import errors as errors
    from eqsynth import nn as nn
    from eqsynth import page as page
    from eqsynth import symbolic as symbolic
    from eqsynth import testing as testing
    from eqsynth.bases.basis import Basis as Basis
    from eqsynth.bases.basis import Certificate as Certificate
    from eqsynth.bases.basis import basis as basis
    from eqsynth.bases.bratteli import bratteli as bratteli
    from eqsynth.bases.schur import floor as floor
    from eqsynth.bases.schur import irreps as irreps
    from eqsynth.diagrams.diagram import Diagram as Diagram
    from eqsynth.diagrams.diagram import Half as Half
    from eqsynth.errors import EqsynthError as EqsynthError
    from eqsynth.families.automorphism import Aut as Aut
    from eqsynth.families.crystals import point_group as point_group
    from eqsynth.families.group import Group as Group
    from eqsynth.families.hom import Hom as Hom
    from eqsynth.families.matrix import MatrixGroup as MatrixGroup
    from eqsynth.families.permutation import PermutationGroup as PermutationGroup
    from eqsynth.families.product import ProductGroup as ProductGroup
    from eqsynth.families.wreath import WreathProduct as WreathProduct
    from eqsynth.graphs.graph import Graph as Graph
    from eqsynth.layers.compiling import compile as compile  # noqa: A004 - the name that it has in torch
    from eqsynth.layers.e3nn import from_e3nn as from_e3nn
    from eqsynth.layers.e3nn import join_irreps as join_irreps
    from eqsynth.layers.e3nn import split_irreps as split_irreps
    from eqsynth.layers.e3nn import to_e3nn as to_e3nn
    from eqsynth.layers.linear import Linear as Linear
    from eqsynth.layers.packing import from_irreps as from_irreps
    from eqsynth.layers.packing import pack as pack
    from eqsynth.layers.packing import symmetrise as symmetrise
    from eqsynth.layers.packing import to_irreps as to_irreps
    from eqsynth.layers.packing import unpack as unpack
    from eqsynth.layers.products import PolynomialLayer as PolynomialLayer
    from eqsynth.layers.products import Power as Power
    from eqsynth.layers.products import TensorProduct as TensorProduct
    from eqsynth.layers.voigt import from_voigt as from_voigt
    from eqsynth.layers.voigt import voigt as voigt
    from eqsynth.plans.plan import Plan as Plan
    from eqsynth.plans.products import plan as plan
    from eqsynth.project.exporting import export as export
    from eqsynth.project.verifying import verify as verify
    from eqsynth.show.inspection import inspect as inspect
    from eqsynth.spaces.space import Space as Space

_HOMES = {
    "Basis": "bases.basis",
    "Certificate": "bases.basis",
    "basis": "bases.basis",
    "Diagram": "diagrams.diagram",
    "Half": "diagrams.diagram",
    "EqsynthError": "errors",
    "Aut": "families.automorphism",
    "point_group": "families.crystals",
    "Group": "families.group",
    "MatrixGroup": "families.matrix",
    "PermutationGroup": "families.permutation",
    "ProductGroup": "families.product",
    "WreathProduct": "families.wreath",
    "Graph": "graphs.graph",
    "compile": "layers.compiling",
    "from_e3nn": "layers.e3nn",
    "join_irreps": "layers.e3nn",
    "split_irreps": "layers.e3nn",
    "to_e3nn": "layers.e3nn",
    "from_irreps": "layers.packing",
    "pack": "layers.packing",
    "symmetrise": "layers.packing",
    "to_irreps": "layers.packing",
    "unpack": "layers.packing",
    "plan": "plans.products",
    "Plan": "plans.plan",
    "bratteli": "bases.bratteli",
    "floor": "bases.schur",
    "irreps": "bases.schur",
    "Linear": "layers.linear",
    "PolynomialLayer": "layers.products",
    "Power": "layers.products",
    "TensorProduct": "layers.products",
    "from_voigt": "layers.voigt",
    "voigt": "layers.voigt",
    "inspect": "show.inspection",
    "export": "project.exporting",
    "verify": "project.verifying",
    "Hom": "families.hom",
    "Space": "spaces.space",
}

#: Modules that are public as they are.
_MODULES = ("algebra", "errors", "nn", "page", "symbolic", "testing")

__all__ = ["__version__", *sorted(_HOMES)]  # noqa: PLE0604 - the keys are strings


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"eqsynth.{name}")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'eqsynth' has no attribute {name!r}")
    value = getattr(import_module(f"eqsynth.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *_MODULES})
