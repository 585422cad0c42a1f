"""Layers in projects of their own: export, catalog, sync."""
