"""Drawings of maps as SVG."""

from eqsynth.diagrams.svg import cards, sheet, svg

__all__ = ["cards", "sheet", "svg"]
