"""``python -m eqsynth``: the command ``eqsynth``."""

from eqsynth.cli import main

if __name__ == "__main__":
    main()
