"""Which maps exist, and why: bases with certificates, dimensions, irreducible parts, exact results."""
