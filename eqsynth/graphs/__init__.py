"""Graphs and their automorphisms; the orbits of permutations."""

from eqsynth.graphs.graph import Graph

__all__ = ["Graph"]
