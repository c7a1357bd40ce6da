#!/usr/bin/env bash
# Cross build for 64-bit Arm, then the unit tests of the portable folders under qemu-user.
set -euo pipefail
cd "$(dirname "$0")/.."

# Debian's libdnnl-dev cannot be installed for two processors at once, so the arm64 one is unpacked beside the build.
sysroot=$PWD/build-aarch64/sysroot
if [ ! -e "$sysroot/usr/include/dnnl.h" ]; then
  mkdir -p "$sysroot"
  (cd "$sysroot" && apt-get download -qq libdnnl-dev:arm64 "$(apt-cache depends libdnnl-dev:arm64 | sed -nE 's/.*Depends: (libdnnl[0-9.]+):?.*/\1/p' | head -n 1):arm64")
  for package in "$sysroot"/*.deb; do dpkg -x "$package" "$sysroot"; done
fi

cmake --preset aarch64 -DCMAKE_PREFIX_PATH="$sysroot/usr" >/dev/null
export LD_LIBRARY_PATH=$sysroot/usr/lib/aarch64-linux-gnu   # qemu-user hands it on
folders=(base core scheme ops formats tokenizer backend_cpu)
cmake --build --preset aarch64 -j "$(nproc)" --target "${folders[@]/%/_test}"
ctest --test-dir build-aarch64 --output-on-failure -j "$(nproc)" -L "^($(IFS='|'; echo "${folders[*]}"))$"
