# Sourced by the other scripts: makes a virtual environment once and installs the project into it.
# usage: make_environment FOLDER [EXTRA], leaves the interpreter in $ENV_PYTHON

make_environment() {
    local folder=$1 what=.${2:+[$2]} python=${PYTHON:-}
    if [ -z "$python" ]; then
        for candidate in python3 python python3.11 python3.12 python3.13; do
            if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
                python=$candidate
                break
            fi
        done
    fi
    if [ -z "$python" ] || ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        echo "eqsynth needs Python 3.11 or newer: install one, or name it: PYTHON=/path/to/python3.11 bash $0" >&2
        exit 1
    fi
    if [ ! -x "$folder/bin/python" ]; then
        echo "making the environment $folder with $("$python" --version)"
        "$python" -m venv "$folder"
        echo '*' >"$folder/.gitignore"
    fi
    ENV_PYTHON=$folder/bin/python
    echo "installing eqsynth (the first time this takes a few minutes)"
    "$ENV_PYTHON" -m pip install -q --disable-pip-version-check -c constraints.txt -e "$what"
}
