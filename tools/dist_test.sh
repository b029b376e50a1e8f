#!/usr/bin/env bash
# Test on several GPUs, or in several CPU processes where there is no GPU:
#   bash tools/dist_test.sh CONFIG CHECKPOINT GPUS [arguments of test.py]
# Several nodes: see launch_dist in launch.sh.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/launch.sh"
[ $# -ge 3 ] || usage 'CONFIG CHECKPOINT GPUS [arguments of test.py]'
launch_dist "$3" test.py "$1" "$2" "${@:4}"
