#!/usr/bin/env bash
# Train under Slurm:
#   bash tools/slurm_train.sh PARTITION JOB_NAME CONFIG [arguments of train.py]
# See slurm_run.sh for the number of GPUs.
set -euo pipefail
if [ $# -lt 3 ]; then
    echo "usage: $0 PARTITION JOB_NAME CONFIG [arguments of train.py]" >&2
    exit 2
fi
exec bash "$(dirname "${BASH_SOURCE[0]}")/slurm_run.sh" train.py "$@"
