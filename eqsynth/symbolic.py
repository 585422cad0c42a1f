"""Exact results about bases as formulas in n: Gram matrices, determinants, Weingarten functions, dimensions."""

from eqsynth.bases.haar import moment, weingarten_function
from eqsynth.bases.projection import Projection, project
from eqsynth.bases.symbolic import (
    DimensionTable,
    Product,
    change_of_basis,
    degenerate_sizes,
    dimension_table,
    gram,
    gram_determinant,
    inner,
    weingarten,
)
from eqsynth.exact.matrix import ExactMatrix
from eqsynth.exact.ring import RationalFunction

__all__ = [
    "DimensionTable",
    "ExactMatrix",
    "Product",
    "Projection",
    "RationalFunction",
    "change_of_basis",
    "degenerate_sizes",
    "dimension_table",
    "gram",
    "gram_determinant",
    "inner",
    "moment",
    "project",
    "weingarten",
    "weingarten_function",
]
