# Sourced by quickstart.sh and run_tests.sh, from the repository root.
#
#   setup_env requirements/run.txt ...
#
# makes ready the active virtual environment, or else `.venv`: the pinned
# requirements and this package, editable. When all is there it takes seconds
# and needs no network. PYTHON chooses the interpreter of a new `.venv`.

step() { printf '\n==> %s\n' "$*"; }

setup_env() {
    if [ -z "${VIRTUAL_ENV:-}" ] &&
        [ "${CONDA_DEFAULT_ENV:-base}" = base ]; then
        activate_venv
    fi
    step "Environment: $(python -c 'import sys; print(sys.prefix)')"

    local file requirements=()
    for file in "$@"; do
        requirements+=(-r "$file")
    done
    echo 'Checking the pinned requirements (installing takes minutes)'
    quiet_pip install "${requirements[@]}"
    install_package
}

activate_venv() {
    local python=${PYTHON:-python3}
    if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
        if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))'
        then
            echo "Python >= 3.10 is needed, but $python is" \
                "$("$python" --version 2>&1). Set PYTHON to another." >&2
            return 1
        fi
        step 'Creating .venv'
        "$python" -m venv --clear .venv
    fi
    . .venv/bin/activate
}

# An editable install asks the network for setuptools and compiles, so it is
# done again only when what it reads has changed or what it made is gone.
install_package() {
    local stamp
    stamp=$(python -c 'import sys; print(sys.prefix)')/mmvideomamba-install
    if [ "$(install_state)" != "$(cat "$stamp" 2>/dev/null)" ]; then
        echo 'Installing mmvideomamba, editable'
        quiet_pip install --no-deps --editable .
        install_state >"$stamp"
    fi
}

install_state() {
    pwd
    cat pyproject.toml setup.py mmvideomamba/version.py mmvideomamba/ops/csrc/*
    ls -d mmvideomamba/.mim/* mmvideomamba/ops/*.so 2>/dev/null || true
}

# Of pip's output keep what it downloads; errors come on stderr.
quiet_pip() {
    python -m pip "$@" --disable-pip-version-check --no-input \
        --progress-bar off | awk '
            /^ *Downloading / && !/\.metadata/ { print "  " $2, $3, $4 }
            /^Installing collected/ { print "  installing" }
            { fflush() }'
}
