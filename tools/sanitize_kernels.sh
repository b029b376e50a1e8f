#!/usr/bin/env bash
# Run the CPU kernels under AddressSanitizer and UBSan: every instruction set
# that this processor has, at sizes that divide nothing, in memory that ends
# where the tensors end. Uninitialised memory reads as NaN. About a minute.
#
#     tools/sanitize_kernels.sh          (CXX=clang++ for another compiler)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

csrc=mmvideomamba/ops/csrc
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
flags=(
    -std=c++17 -O1 -g -fno-omit-frame-pointer -fopenmp -Wall -Wextra
    -fsanitize=address,undefined -fno-sanitize-recover=all
)
cxx=${CXX:-g++}

compile() {
    local isa=$1
    shift
    for source in "$csrc"/*.cpp; do
        "$cxx" "${flags[@]}" "$@" -DISA="$isa" -c "$source" \
            -o "$build/$(basename "$source" .cpp)_$isa.o"
    done
}

features=$(grep -m1 '^flags' /proc/cpuinfo || true)
isas=(baseline)
compile baseline
if [[ $features == *' avx2 '* ]]; then
    isas+=(avx2)
    compile avx2 -mavx2 -mfma
fi
if [[ $features == *' avx512vl '* ]]; then
    isas+=(avx512)
    compile avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma
fi

# 0xff in every byte of new memory is a NaN.
export ASAN_OPTIONS=max_malloc_fill_size=1000000000:malloc_fill_byte=255
for isa in "${isas[@]}"; do
    "$cxx" "${flags[@]}" -I "$csrc" -DISA="$isa" tests/ops/exercise_kernels.cpp \
        "$build"/*_"$isa".o -o "$build/exercise"
    "$build/exercise"
done
