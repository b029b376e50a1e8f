#!/usr/bin/env bash
# Test under Slurm:
#   bash tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT \
#       [arguments of test.py]
# The number of GPUs and more: see launch_slurm in launch.sh.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/launch.sh"
[ $# -ge 4 ] || usage \
    'PARTITION JOB_NAME CONFIG CHECKPOINT [arguments of test.py]'
launch_slurm test.py "$@"
