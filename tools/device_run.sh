#!/bin/sh
# run PART... : what a bundle of tools/device_bundle.sh does on a machine with a GPU. PART: tests (every test of kernels and
# sessions, about a minute), sanitize (compute-sanitizer's memcheck and racecheck over the kernels' tests, at most SANITIZE_SECONDS,
# default 240), bench (every benchmark, under 8 minutes), all. Results go to $RESULTS (default: results beside this script).
here=$(cd "$(dirname "$0")" && pwd)
results=${RESULTS:-$here/results}
mkdir -p "$results"
export LD_LIBRARY_PATH="$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" HALFTONE_SOURCE="$here" HALFTONE_TEST_DEVICE="${HALFTONE_TEST_DEVICE-cuda}"
[ $# -gt 0 ] || set -- all
[ "$1" != all ] || set -- tests sanitize bench
failed=0

"$here/bin/halftone" doctor | tee "$results/doctor.txt"
"$here/bin/device_present_test" --gtest_brief=1 || exit 4

for part in "$@"; do
  case $part in
    tests)
      for program in "$here"/bin/*_test; do
        name=$(basename "$program")
        if "$program" --gtest_brief=1 >"$results/$name.txt" 2>&1; then word=passed; else word=FAILED failed=1; fi
        echo "$name: $word ($(grep -E '^\[ +(PASSED|FAILED) +\] [0-9]+ test' "$results/$name.txt" | head -2 | tr '\n' ' '))"
      done
      ;;
    sanitize)
      if ! command -v compute-sanitizer >/dev/null; then
        echo 'sanitize: no compute-sanitizer on this machine'
        continue
      fi
      for tool in memcheck racecheck; do
        if timeout $((${SANITIZE_SECONDS:-240} / 2)) compute-sanitizer --tool $tool --error-exitcode 9 "$here/bin/backend_cuda_test" \
          --gtest_brief=1 --gtest_filter='-*Fault*:CudaDevice.FindsWhatAGpuWouldLetPass' >"$results/$tool.txt" 2>&1; then
          word=clean
        else
          word="exit code $?" failed=1
        fi
        echo "$tool: $word ($(grep 'SUMMARY' "$results/$tool.txt" | tail -1))"
      done
      ;;
    bench) sh "$here/bench/cuda/run.sh" "$here" "$results/cuda-benchmarks.md" || failed=1 ;;
    *)
      echo "run: what is \"$part\"? tests, sanitize, bench, all" >&2
      exit 2
      ;;
  esac
done
exit $failed
