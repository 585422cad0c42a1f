"""What ``python scripts/bench.py`` runs: ``bases`` times the symbolic engine, ``layers`` and ``irreps`` the layers."""
