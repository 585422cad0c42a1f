#!/usr/bin/env bash
# Makes an environment of its own (.venv-docs, or $EQSYNTH_DOCS_ENV) and builds the documentation in docs/_build/html.
# Warnings are errors. Arguments go to sphinx-build: bash scripts/docs.sh -E
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/environment.sh
make_environment "${EQSYNTH_DOCS_ENV:-$PWD/.venv-docs}" docs

# Interactive pages, which docs/gallery.md links to; docs/conf.py puts them beside the others.
"$ENV_PYTHON" scripts/gallery.py --pages docs/_build/pages
"$ENV_PYTHON" -m sphinx -W --keep-going -b html "$@" docs docs/_build/html
echo "open docs/_build/html/index.html"
