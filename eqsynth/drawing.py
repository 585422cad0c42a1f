"""Drawings of maps as data: dots, strands and labels with their places."""

from eqsynth.diagrams.layout import drawing
from eqsynth.diagrams.shapes import Drawing

__all__ = ["Drawing", "drawing"]
