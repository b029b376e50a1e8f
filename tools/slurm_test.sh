#!/usr/bin/env bash
# Test under Slurm:
#   bash tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT \
#       [arguments of test.py]
# See slurm_run.sh for the number of GPUs.
set -euo pipefail
if [ $# -lt 4 ]; then
    echo "usage: $0 PARTITION JOB_NAME CONFIG CHECKPOINT" \
        "[arguments of test.py]" >&2
    exit 2
fi
exec bash "$(dirname "${BASH_SOURCE[0]}")/slurm_run.sh" test.py "$@"
