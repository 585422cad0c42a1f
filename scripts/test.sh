#!/usr/bin/env bash
# Makes an environment of its own (.venv-test, or $EQSYNTH_TEST_ENV) and runs every check.
# Arguments go to pytest: bash scripts/test.sh -k layers
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/environment.sh
make_environment "${EQSYNTH_TEST_ENV:-$PWD/.venv-test}" dev

bin=$(dirname "$ENV_PYTHON")
"$bin/ruff" check .
"$bin/ruff" format --check .
"$bin/mypy"
# Processes share what they compile, those that tests start, too.
unset PYTHONDONTWRITEBYTECODE
# Neighbours share what they have made, so that each process keeps a stretch of tests until another has none left.
"$ENV_PYTHON" -m pytest -n auto --dist worksteal "$@"
