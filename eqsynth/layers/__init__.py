"""Torch modules that are computed by a plan: linear layers, products, packed tensors."""
