#!/usr/bin/env bash
# Train on several GPUs, or in several CPU processes where there is no GPU:
#   bash tools/dist_train.sh CONFIG GPUS [arguments of train.py]
# Several nodes: see launch_dist in launch.sh.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/launch.sh"
[ $# -ge 2 ] || usage 'CONFIG GPUS [arguments of train.py]'
launch_dist "$2" train.py "$1" "${@:3}"
