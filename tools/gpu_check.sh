#!/usr/bin/env bash
# Check and measure everything on this machine's GPU, in at most 10 minutes:
#
#   bash tools/gpu_check.sh
#
# Needs torch and Triton; what needs more says so and is skipped, or is brought
# along (--wheels DIR); what hangs is killed. Results go to
# docs/benchmarks/<gpu>.jsonl line by line, and to .md after every part; a
# summary comes last. --dry tries all of it without a GPU. See
# docs/gpu_kernels.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
exec "${PYTHON:-python3}" tools/gpu_check.py "$@"
