"""Diagrams as values: which there are, what they mean as matrices, inner products, words and pictures."""
