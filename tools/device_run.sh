#!/bin/sh
# run PART... : what a bundle of tools/device_bundle.sh does on a machine with a GPU. PART: tests (every test of kernels and
# sessions, each in a process of its own, so that a fault of one does not fell those behind it; $TESTS_AT_ONCE of them side by
# side, default 6; half a minute on 16 cores), sanitize (compute-sanitizer's memcheck and racecheck over the kernels' tests, at most SANITIZE_SECONDS,
# default 240), bench (every benchmark, under 8 minutes), all. Results go to $RESULTS (default: results beside this script).
here=$(cd "$(dirname "$0")" && pwd)
results=${RESULTS:-$here/results}
export RESULTS="$results"
mkdir -p "$results"
# cuBLASLt may lie in a toolkit's folder that the loader does not know.
library=$(find /usr/local /opt -name 'libcublasLt.so.1[23]' 2>/dev/null | head -1)
export LD_LIBRARY_PATH="$here/lib${library:+:${library%/*}}${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" HALFTONE_SOURCE="$here" HALFTONE_TEST_DEVICE="${HALFTONE_TEST_DEVICE-cuda}"
[ $# -gt 0 ] || set -- all
[ "$1" != all ] || set -- tests sanitize bench
failed=0

"$here/bin/halftone" doctor | tee "$results/doctor.txt"
"$here/bin/device_present_test" --gtest_brief=1 || exit 4

for part in "$@"; do
  case $part in
    tests)
      mkdir -p "$results/tests"
      for program in "$here"/bin/*_test; do
        "$program" --gtest_list_tests | awk -v program="$program" '/^[^ ]/ {suite = $1} /^  / {print program, suite $1}'
      done >"$results/tests/list"
      # A test that passed leaves no log.
      xargs -P "${TESTS_AT_ONCE:-6}" -L 1 sh -c '
        log="$RESULTS/tests/$(basename "$0").$(echo "$1" | tr / _).txt"
        timeout 100 "$0" --gtest_brief=1 --gtest_filter="$1" >"$log" 2>&1 && rm "$log"; true' <"$results/tests/list"
      bad=$(find "$results/tests" -name '*.txt' | wc -l)
      [ "$bad" -eq 0 ] || failed=1
      echo "tests: $(($(wc -l <"$results/tests/list") - bad)) of $(wc -l <"$results/tests/list") passed"
      find "$results/tests" -name '*.txt' | sed 's/^/FAILED, its log: /'
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
