"""Drawings of maps as TikZ, for papers."""

from eqsynth.diagrams.tikz import sheet, tikz

__all__ = ["sheet", "tikz"]
