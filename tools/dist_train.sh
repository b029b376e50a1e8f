#!/usr/bin/env bash
# Train on several GPUs, or in several CPU processes where there is no GPU:
#   bash tools/dist_train.sh CONFIG GPUS [arguments of train.py]
# Several nodes: see dist_run.sh.
set -euo pipefail
if [ $# -lt 2 ]; then
    echo "usage: $0 CONFIG GPUS [arguments of train.py]" >&2
    exit 2
fi
exec bash "$(dirname "${BASH_SOURCE[0]}")/dist_run.sh" \
    "$2" train.py "$1" "${@:3}"
