"""Checking again what others made: bases, layers, files, and modules that users wrote."""
