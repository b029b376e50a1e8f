#!/usr/bin/env bash
# Start train.py or test.py in GPUS processes; dist_train.sh and dist_test.sh
# call it. On several nodes run it on each, with these set:
#   NNODES       number of nodes
#   NODE_RANK    number of this node, from 0
#   MASTER_ADDR  address of node 0
#   PORT         a free port on node 0
# PYTHON is the interpreter (python).
set -euo pipefail
gpus=$1 script=$2 config=$3
python=${PYTHON:-python}
if ! [[ $gpus =~ ^[1-9][0-9]*$ ]]; then
    echo "error: GPUS must be a number of processes, got '$gpus'" >&2
    exit 2
fi
if [ ! -f "$config" ]; then
    echo "error: no such config: $config" >&2
    exit 2
fi

tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export PYTHONPATH="$tools/..${PYTHONPATH:+:$PYTHONPATH}"
# Left alone, torchrun and mmengine give every process one thread and warn.
share=$("$python" -c "import os; print(max(1, os.cpu_count() // $gpus))")
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$share}
export MKL_NUM_THREADS=${MKL_NUM_THREADS:-$OMP_NUM_THREADS}
exec "$python" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="${PORT:-29500}" \
    --nproc_per_node="$gpus" \
    "$tools/$script" "${@:3}" --launcher pytorch
