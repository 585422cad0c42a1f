"""How to compute a layer: steps with their costs, and an interpreter in NumPy."""
