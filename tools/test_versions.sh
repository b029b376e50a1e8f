#!/usr/bin/env bash
# Test with the oldest or the newest packages that pyproject.toml allows:
#   bash tools/test_versions.sh oldest|newest [arguments of pytest]
# Makes an environment, build/oldest or build/newest. PYTHON is the interpreter
# (python3), TORCH another version of torch than the oldest or the newest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Where pyproject.toml has no bound, "oldest" is of the spring of 2024, as
# torch 2.4 is, and newer than what has no wheel for Python 3.12.
case ${1:-} in
oldest)
    packages=("torch==${TORCH:-2.4.0}" mmcv-lite==2.0.0 mmengine==0.10.7
        av==14.1.0 matplotlib==3.8.4 numpy==1.26.4 'opencv-python<4.12'
        'opencv-contrib-python<4.12' pillow==10.3.0 pyparsing==3.1.4
        safetensors==0.4.3 scipy==1.13.0 pytest==8.0.0) ;;
newest)
    packages=("torch${TORCH:+==$TORCH}" 'mmcv-lite<2.2' 'mmengine<1.0' av
        matplotlib numpy opencv-python opencv-contrib-python pillow
        safetensors scipy pytest) ;;
*)
    echo "usage: $0 oldest|newest [arguments of pytest]" >&2
    exit 2
    ;;
esac
environment=build/$1
shift
# Seconds of each: the operators, models, weights, videos, repairs.
[ $# -gt 0 ] || set -- tests/ops/test_cpu.py tests/models tests/test_apis.py \
    tests/checkpoints/test_loading.py tests/test_compat.py

"${PYTHON:-python3}" -m venv --clear "$environment"
. "$environment/bin/activate"
pip install --quiet mmaction2==1.2.0 decord einops hypothesis \
    'setuptools>=77.0.3' "${packages[@]}"
pip list --format=freeze
[ -f mmvideomamba/ops/_kernels.so ] || python setup.py -q build_ext --inplace
PYTHONPATH="$PWD" python -m pytest "$@"
