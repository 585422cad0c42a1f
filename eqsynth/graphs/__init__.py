"""Graphs and their automorphisms; the orbits of permutations."""
