#!/usr/bin/env bash
# Cross build for 64-bit Arm, then the unit tests of the portable folders under qemu-user.
set -euo pipefail
cd "$(dirname "$0")/.."

# The arm64 libraries are unpacked beside the build, not installed: some of Debian's -dev packages cannot be installed for two
# processors at once.
sysroot=$PWD/build-aarch64/sysroot
libraries=(libfmt-dev libyaml-cpp-dev libpcre2-dev libutf8proc-dev libsentencepiece-dev libgtest-dev libgomp1
  libjpeg-dev libjpeg62-turbo-dev libpng-dev libwebp-dev zlib1g-dev)
libraries+=("$(apt-cache depends libboost-context-dev | sed -nE 's/^ +Depends: (lib.*-dev)$/\1/p')")   # the version's own
if [ ! -e "$sysroot/complete" ]; then
  mkdir -p "$sysroot"
  packages=("${libraries[@]/%/:arm64}")
  mapfile -t needed < <(apt-cache depends "${packages[@]}" | sed -nE 's/^ +Depends: (lib[^ ]*):arm64$/\1:arm64/p' |
    grep -vE '^lib(c6|c6-dev|gcc-s1|stdc\+\+6):' | sort -u)
  (cd "$sysroot" && apt-get download -qq "${packages[@]}" "${needed[@]}" 2>/dev/null)
  for package in "$sysroot"/*.deb; do dpkg -x "$package" "$sysroot"; done
  rm "$sysroot"/*.deb
  touch "$sysroot/complete"
fi

cmake --preset aarch64 -DHALFTONE_SYSROOT="$sysroot" >/dev/null
folders=(base core scheme ops formats tokenizer backend_cpu backend_cuda)
cmake --build --preset aarch64 -j "$(nproc)" --target "${folders[@]/%/_test}"
ctest --test-dir build-aarch64 --output-on-failure -j "$(nproc)" -L "^($(IFS='|'; echo "${folders[*]}"))$"
