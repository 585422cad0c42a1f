"""Settings for every test."""

import os

from hypothesis import settings

# Time limits say more about the machine than about the code; examples are the same in every automatic run.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")
