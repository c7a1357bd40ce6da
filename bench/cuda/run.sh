#!/bin/sh
# run.sh [BUILD] [TABLES]: every benchmark of the CUDA backend on the first GPU, in under 8 minutes; writes tables in Markdown to
# TABLES (default: cuda-benchmarks.md) and to standard output. BUILD (default: build) is a build folder of -DHALFTONE_BENCH=ON with
# a CUDA toolkit, or an unpacked bundle of tools/device_bundle.sh. What it takes at most, in seconds: GEMM_SECONDS (products, 60),
# MODEL_SECONDS (each of six models end to end, 60).
# STAND_IN=1 tries the script on the host in place of a GPU. A part that fails is told in the tables and leaves the others to run;
# the exit status is then 1.
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

# Random matrices follow each other: their memory stays with the process.
export MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=100000000000

failures=$(mktemp)
trap 'rm -f "$failures"' EXIT
# ended STATUS: what a part ended with; a time limit is none of its faults.
ended() {
  echo "(ended: exit code $1; $tables.log says more)"
  [ "$1" -eq 124 ] || echo "$1" >>"$failures"
}

device=cuda stand_in=''
if [ -n "$STAND_IN" ]; then device=cuda-on-host stand_in=--stand-in; fi

# end_to_end SHAPE "RECIPE..." "LENGTHS"; of a context of 8192, 128 tokens behind 8064 are the last, and no prompt is read there. --exact keeps activations floating, so that weights alone have 4 or 8 bits.
end_to_end() {
  model="--synthetic $1" length=$3
  if [ -n "$STAND_IN" ]; then model="-m $root/zoo/llm" length='-p 4 -n 2 -d 0 -r 1'; fi
  printf '\n## %s, %s\n\n```\n' "$1" "$2"
  timeout "${MODEL_SECONDS:-60}" "$halftone" bench --device "$device" $model --recipe $2 $length 2>>"$tables.log" || ended $?
  printf '```\n'
}

# part TITLE PROGRAM ARGUMENT...
part() {
  printf '\n## %s\n\n' "$1"
  shift
  "$@" 2>>"$tables.log" || ended $?
}

{
  printf '# Benchmarks of the CUDA backend\n\n%s, ' "$(date -u +%Y-%m-%d)"
  nvidia-smi --query-gpu=name,driver_version,clocks.sm,clocks.mem --format=csv,noheader 2>/dev/null || echo 'no nvidia-smi'
  for recipe in f16 'rtn-w8 --exact' 'rtn-w4g128 --exact' rtn-w8; do
    end_to_end llama-3-8b "$recipe" '-c 8192 -p 512,2048 -n 128 -d 0,1024,8064 -r 3'
  done
  for recipe in f16 'rtn-w4g128 --exact'; do end_to_end llama-2-13b "$recipe" '-p 512 -n 128 -d 0 -r 3'; done
  part Attention "$benches/attention_bench" $stand_in
  part Convolutions "$benches/conv_cuda_bench" $stand_in
  part 'Other operators' "$benches/operators_cuda_bench" $stand_in
  part Products "$benches/gemm_cuda_bench" --seconds "${GEMM_SECONDS:-60}" $stand_in
} | tee "$tables"
[ ! -s "$failures" ]
