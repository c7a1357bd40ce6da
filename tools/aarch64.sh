#!/usr/bin/env bash
# Cross build for 64-bit Arm, then the unit tests of the portable folders under qemu-user.
set -euo pipefail
cd "$(dirname "$0")/.."
sysroot=$PWD/build-aarch64/sysroot
tools/sysroot_aarch64.sh "$sysroot"

cmake --preset aarch64 -DHALFTONE_SYSROOT="$sysroot" >/dev/null
folders=(base core scheme ops formats tokenizer backend_cpu backend_cuda)
cmake --build --preset aarch64 -j "$(nproc)" --target "${folders[@]/%/_test}"
ctest --test-dir build-aarch64 --output-on-failure -j "$(nproc)" -L "^($(IFS='|'; echo "${folders[*]}"))$"
