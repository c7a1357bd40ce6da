#!/bin/sh
# run.sh [BUILD] [TABLES]: every benchmark of the CUDA backend on the first GPU, in under 8 minutes; writes tables in Markdown to
# TABLES (default: cuda-benchmarks.md) and to standard output. BUILD (default: build) is a build folder of -DHALFTONE_BENCH=ON with
# a CUDA toolkit, or an unpacked bundle of tools/device_bundle.sh. What it takes at most, in seconds: GEMM_SECONDS (products, 120),
# MODEL_SECONDS (each model end to end, 75).
# STAND_IN=1 tries the script on the host in place of a GPU.
set -e
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${1:-$root/build}
tables=${2:-cuda-benchmarks.md}
for folder in "$build/bench" "$build/bin"; do [ -x "$folder/gemm_cuda_bench" ] && benches=$folder; done
for folder in "$build" "$build/bin"; do [ -x "$folder/halftone" ] && [ -f "$folder/halftone" ] && halftone=$folder/halftone; done
if [ -z "$benches" ] || [ -z "$halftone" ]; then
  echo "run.sh: no benchmarks in $build: cmake --preset release -DHALFTONE_BENCH=ON && cmake --build --preset release" >&2
  exit 4
fi

device=cuda stand_in='' name=llama-3-8b model='--synthetic llama-3-8b' length='-p 512,2048 -n 128 -d 0,1024,8192 -r 3'
if [ -n "$STAND_IN" ]; then
  device=cuda-on-host stand_in=--stand-in name='zoo/llm on the host' model="-m $root/zoo/llm" length='-p 4 -n 2 -d 0 -r 1'
fi

end_to_end() {
  printf '\n## %s, weights in %s\n\n```\n' "$name" "$1"
  timeout "${MODEL_SECONDS:-75}" "$halftone" bench --device "$device" $model --recipe "$1" $length 2>>"$tables.log" ||
    echo "(ended: exit code $?; $tables.log says more)"
  printf '```\n'
}

{
  printf '# Benchmarks of the CUDA backend\n\n%s, ' "$(date -u +%Y-%m-%d)"
  nvidia-smi --query-gpu=name,driver_version,clocks.sm,clocks.mem --format=csv,noheader 2>/dev/null || echo 'no nvidia-smi'
  for recipe in f16 rtn-w8 rtn-w4g128; do end_to_end $recipe; done
  printf '\n## Attention\n\n'
  "$benches/attention_bench" $stand_in
  printf '\n## Convolutions\n\n'
  "$benches/conv_cuda_bench" $stand_in
  printf '\n## Products\n\n'
  "$benches/gemm_cuda_bench" --seconds "${GEMM_SECONDS:-120}" $stand_in
} | tee "$tables"
