#!/usr/bin/env bash
# Makes an environment of its own (.venv-quickstart, or $EQSYNTH_QUICKSTART_ENV), installs eqsynth and
# trains, tests and exports a network. Arguments go to quickstart.py: bash scripts/quickstart.sh --fast
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/environment.sh
make_environment "${EQSYNTH_QUICKSTART_ENV:-$PWD/.venv-quickstart}"
exec "$ENV_PYTHON" scripts/quickstart.py "$@"
