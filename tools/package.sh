#!/usr/bin/env bash
# Builds dist/halftone-VERSION-linux-PROCESSOR.tar.xz: the program, its library for embedders, and every shared library that
# either needs beyond the C and C++ libraries. It runs from wherever it is unpacked. CUDA where a toolkit is found.
# Usage: tools/package.sh [JOBS [aarch64|jetpack6]]
#   aarch64   by the cross compiler
#   jetpack6  the same for Jetson Orin, by CUDA 12.4, which JetPack 6's driver takes
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=${1:-$(nproc)}
cross=${2:-}

preset=package target=$(uname -m) sysroot=''
if [ -n "$cross" ]; then
  preset=package-$cross target=aarch64 sysroot=$PWD/build-aarch64/sysroot
  case $cross in
    aarch64) ;;
    jetpack6) target=aarch64-jetpack6; tools/cuda_12.sh "$PWD/build-cuda-12" ;;
    *) echo "package.sh: $cross: neither aarch64 nor jetpack6" >&2; exit 2 ;;
  esac
  tools/sysroot_aarch64.sh "$sysroot"
fi
build=build-$preset
cmake --preset "$preset" ${sysroot:+-DHALFTONE_SYSROOT="$sysroot"} >/dev/null
cmake --build --preset "$preset" -j "$jobs"
name=halftone-$(sed -nE 's/^project\(Halftone VERSION ([0-9.]+).*/\1/p' CMakeLists.txt)-linux-$target
tree=$build/$name
rm -rf "$tree"
cmake --install "$build" --prefix "$tree" --strip >/dev/null
cp LICENSE README.md "$tree"

libraries_of() {  # a binary's, as ldd prints them
  if [ -z "$cross" ]; then ldd "$1"; return; fi
  local lib=lib/aarch64-linux-gnu
  qemu-aarch64 -E LD_LIBRARY_PATH="$sysroot/usr/$lib:$sysroot/$lib:/usr/aarch64-linux-gnu/lib" \
    /usr/aarch64-linux-gnu/lib/ld-linux-aarch64.so.1 --list "$1"
}
owner() {  # of a file: the Debian package, which may know it without the /usr that merged systems put before it
  if [ -n "$cross" ] && [[ $1 == "$sysroot"/* ]]; then
    awk -v file="${1#"$sysroot"/}" '$1 == file { print $2; exit }' "$sysroot/owners"
  else
    { dpkg-query -S "$1" || dpkg-query -S "${1#/usr}"; } 2>/dev/null | cut -d: -f1 | head -1
  fi
}
licence() {
  local copyright=/usr/share/doc/$1/copyright
  [ -e "$sysroot$copyright" ] && copyright=$sysroot$copyright
  cp "$copyright" "$tree/share/licences/$1"
}

# The C library and what belongs to it must be the machine's own; so must the loader. The C++ library is: ours would ask for
# our C library.
own='^(linux-vdso|ld-linux|libc|libm|libdl|libpthread|librt|libresolv|libstdc\+\+|libgcc_s)[.-]'
mkdir -p "$tree/lib" "$tree/share/licences"
for binary in "$tree"/bin/halftone "$tree"/lib*/libhalftone.so.*.*.*; do
  [ -e "$binary" ] && libraries_of "$binary"
done | sed -nE 's/^\t([^ ]+) => ([^ ]+) .*/\1 \2/p' | sort -u | while read -r soname path; do
  soname=${soname##*/}
  if [[ $soname =~ $own ]] || [[ $path == *"/$name/"* ]]; then continue; fi
  cp -L "$path" "$tree/lib/$soname"
  licence "$(owner "$(readlink -f "$path")")"
done
# Compiled in: headers and static libraries.
for package in libcli11-dev nlohmann-json3-dev libboost-context-dev; do licence "$package"; done

newest() {  # version of a library's symbols that any of the binaries asks for
  find "$tree" -type f \( -name halftone -o -name '*.so*' \) -exec readelf -W -V {} + 2>/dev/null |
    grep -oE "$1_[0-9.]+" | sort -uV | tail -1
}

mkdir -p dist
tar -C "$build" -cJf "dist/$name.tar.xz" "$name"
echo "dist/$name.tar.xz: $(du -h --apparent-size "dist/$name.tar.xz" | cut -f1), unpacked $(du -sh "$tree" | cut -f1)"
echo "needs $(newest GLIBC) and $(newest GLIBCXX) or newer"
