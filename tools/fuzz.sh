#!/usr/bin/env bash
# Builds the libFuzzer targets and runs each for a number of seconds (60) on its kept corpus.
# Inputs that find something new go to build-fuzz/found/TARGET; a crash ends the run with its input named.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
cmake --preset fuzz >/dev/null
targets=(fuzz/*_fuzz.cpp)
targets=("${targets[@]#fuzz/}")
targets=("${targets[@]%_fuzz.cpp}")
cmake --build --preset fuzz -j "$(nproc)" --target "${targets[@]/%/_fuzz}"
for target in "${targets[@]}"; do
  program=build-fuzz/fuzz/${target}_fuzz
  mkdir -p "build-fuzz/found/$target"
  echo "fuzz: $target for $seconds s"
  "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0 \
    -artifact_prefix="build-fuzz/$target-" "build-fuzz/found/$target" "fuzz/corpus/$target"
done
echo "fuzz: nothing found"
