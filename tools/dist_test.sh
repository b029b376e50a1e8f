#!/usr/bin/env bash
# Test on several GPUs, or in several CPU processes where there is no GPU:
#   bash tools/dist_test.sh CONFIG CHECKPOINT GPUS [arguments of test.py]
# Several nodes: see dist_run.sh.
set -euo pipefail
if [ $# -lt 3 ]; then
    echo "usage: $0 CONFIG CHECKPOINT GPUS [arguments of test.py]" >&2
    exit 2
fi
exec bash "$(dirname "${BASH_SOURCE[0]}")/dist_run.sh" \
    "$3" test.py "$1" "$2" "${@:4}"
