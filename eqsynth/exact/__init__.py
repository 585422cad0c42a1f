"""Exact numbers: what is read as one, how much may be asked for, polynomials."""
