#!/usr/bin/env bash
# Check the style, build the docs, run the tests; sets up its own environment.
# Arguments go to pytest: bash tools/run_tests.sh tests/ops -k scan
# All cases of the campaigns: bash tools/run_tests.sh --robustness
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/setup_env.sh
setup_env requirements/run.txt requirements/tests.txt requirements/docs.txt

step 'Style'
bash tools/check_style.sh

step 'Docs'
bash tools/build_docs.sh

if [ $# -eq 0 ] && [ "$(uname)" = Linux ] && command -v "${CXX:-g++}" >/dev/null
then
    step 'CPU kernels under AddressSanitizer'
    bash tools/sanitize_kernels.sh
fi

# The campaigns alone, unless tests are named.
[ "$*" != --robustness ] || set -- tests/robustness --robustness -s

step 'Tests'
if [ $# -eq 0 ]; then
    # Two files at a time, of one thread each.
    OMP_NUM_THREADS=1 python -m pytest -n 2 --dist loadfile
else
    python -m pytest "$@"
fi
