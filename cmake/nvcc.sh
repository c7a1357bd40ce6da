#!/bin/sh
# nvcc.sh REPORT NVCC ARGS...: runs nvcc; what it says (registers, shared memory, spills of each kernel) goes to REPORT, and to
# standard error when it fails.
report=$1
shift
"$@" 2>"$report" || { cat "$report" >&2; exit 1; }
