#!/usr/bin/env bash
# Start train.py or test.py under Slurm; slurm_train.sh and slurm_test.sh call
# it. These may be set:
#   GPUS           processes, one on each GPU (8)
#   GPUS_PER_NODE  how many of them on one node (8, or GPUS if fewer)
#   CPUS_PER_TASK  CPUs of each process (5)
#   SRUN_ARGS      further arguments of srun
#   PORT           a free port on the first node (drawn at random)
#   PYTHON         the interpreter (python)
set -euo pipefail
script=$1 partition=$2 job_name=$3 config=$4
if [ ! -f "$config" ]; then
    echo "error: no such config: $config" >&2
    exit 2
fi

gpus=${GPUS:-8}
gpus_per_node=${GPUS_PER_NODE:-$((gpus < 8 ? gpus : 8))}
cpus_per_task=${CPUS_PER_TASK:-5}
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export PYTHONPATH="$tools/..${PYTHONPATH:+:$PYTHONPATH}"
export MASTER_PORT=${PORT:-$((12000 + RANDOM % 20000))}
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$cpus_per_task}
export MKL_NUM_THREADS=${MKL_NUM_THREADS:-$OMP_NUM_THREADS}
# SRUN_ARGS is meant to split into words.
# shellcheck disable=SC2086
exec srun --partition="$partition" \
    --job-name="$job_name" \
    --gres=gpu:"$gpus_per_node" \
    --ntasks="$gpus" \
    --ntasks-per-node="$gpus_per_node" \
    --cpus-per-task="$cpus_per_task" \
    --kill-on-bad-exit=1 \
    ${SRUN_ARGS:-} \
    "${PYTHON:-python}" -u "$tools/$script" "${@:4}" --launcher slurm
