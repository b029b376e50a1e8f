#!/usr/bin/env bash
# Train under Slurm:
#   bash tools/slurm_train.sh PARTITION JOB_NAME CONFIG [arguments of train.py]
# The number of GPUs and more: see launch_slurm in launch.sh.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/launch.sh"
[ $# -ge 3 ] || usage 'PARTITION JOB_NAME CONFIG [arguments of train.py]'
launch_slurm train.py "$@"
