#!/bin/sh
# run.sh [BUILD]: the benchmarks of this folder on the first GPU; tables on standard output. BUILD is a build folder of
# -DHALFTONE_BENCH=ON with a CUDA toolkit (default: build; configured and built here where the programs are missing). The products
# stop after GEMM_SECONDS (default 180).
set -e
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${1:-$root/build}
if [ ! -x "$build/bench/gemm_cuda_bench" ] || [ ! -x "$build/bench/attention_bench" ]; then
  cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DHALFTONE_BENCH=ON >"$build.configure.log"
  cmake --build "$build" -j"$(nproc)" --target gemm_cuda_bench attention_bench >"$build.build.log"
fi
nvidia-smi --query-gpu=name,driver_version,clocks.sm,clocks.mem --format=csv,noheader 2>/dev/null || true
date -u +%Y-%m-%d
"$build/bench/gemm_cuda_bench" --seconds "${GEMM_SECONDS:-180}"
"$build/bench/attention_bench"
