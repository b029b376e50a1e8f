# Sourced by dist_*.sh and slurm_*.sh: starts train.py or test.py in several
# processes. PYTHON is the interpreter (python).
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=${PYTHON:-python}

usage() {
    echo "usage: $0 $*" >&2
    exit 2
}

# prepare CONFIG THREADS: refuse a config that is not there; let the processes
# import mmvideomamba, with that many threads each.
prepare() {
    if [ ! -f "$1" ]; then
        echo "error: no such config: $1" >&2
        exit 2
    fi
    # An installed package comes first: its kernels are built.
    if ! is_installed; then
        export PYTHONPATH="$tools/..${PYTHONPATH:+:$PYTHONPATH}"
    fi
    # Left alone, torchrun and mmengine give every process one thread and warn.
    export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$2}
    export MKL_NUM_THREADS=${MKL_NUM_THREADS:-$OMP_NUM_THREADS}
}

# Whether the processes will find mmvideomamba: not in the current folder.
is_installed() {
    "$python" -c 'import importlib.util, sys
sys.path = [folder for folder in sys.path if folder]
sys.exit(importlib.util.find_spec("mmvideomamba") is None)'
}

# launch_dist GPUS SCRIPT CONFIG [ARGUMENTS]: through torchrun. On several
# nodes run it on each, with these set:
#   NNODES       number of nodes
#   NODE_RANK    number of this node, from 0
#   MASTER_ADDR  address of node 0
#   PORT         a free port on node 0
# and, without GPUs, often GLOO_SOCKET_IFNAME: see docs/training.md.
launch_dist() {
    local gpus=$1 script=$2 config=$3 threads
    if ! [[ $gpus =~ ^[1-9][0-9]*$ ]]; then
        echo "error: GPUS must be a number of processes, got '$gpus'" >&2
        exit 2
    fi
    threads=$("$python" -c "import os; print(max(1, os.cpu_count() // $gpus))")
    prepare "$config" "$threads"
    # The option --signals-to-handle, where torchrun has it (not in torch 2.8):
    # it hands these on, and would die of SIGUSR1.
    export PET_SIGNALS_TO_HANDLE=${PET_SIGNALS_TO_HANDLE:-SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1}
    exec "$python" -m torch.distributed.run \
        --nnodes="${NNODES:-1}" \
        --node_rank="${NODE_RANK:-0}" \
        --master_addr="${MASTER_ADDR:-127.0.0.1}" \
        --master_port="${PORT:-29500}" \
        --nproc_per_node="$gpus" \
        "$tools/$script" "${@:3}" --launcher pytorch
}

# launch_slurm SCRIPT PARTITION JOB_NAME CONFIG [ARGUMENTS]: through srun.
# These may be set:
#   GPUS           processes, one on each GPU (8)
#   GPUS_PER_NODE  how many of them on one node (8, or GPUS if fewer)
#   CPUS_PER_TASK  CPUs of each process (5)
#   SRUN_ARGS      further arguments of srun
#   PORT           a free port on the first node (drawn at random)
launch_slurm() {
    local script=$1 partition=$2 job_name=$3 config=$4
    local gpus=${GPUS:-8} cpus_per_task=${CPUS_PER_TASK:-5}
    local gpus_per_node=${GPUS_PER_NODE:-$((gpus < 8 ? gpus : 8))}
    prepare "$config" "$cpus_per_task"
    export MASTER_PORT=${PORT:-$((12000 + RANDOM % 20000))}
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
        "$python" -u "$tools/$script" "${@:4}" --launcher slurm
}
