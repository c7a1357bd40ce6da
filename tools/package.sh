#!/usr/bin/env bash
# Builds dist/halftone-VERSION-linux-PROCESSOR.tar.xz: the program, its library for embedders, and every shared library that
# either needs beyond the C library. It runs from wherever it is unpacked. CUDA, where a toolkit is found, for all five
# architectures.
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=${1:-$(nproc)}

cmake --preset package >/dev/null
cmake --build --preset package -j "$jobs"
name=halftone-$(sed -nE 's/^project\(Halftone VERSION ([0-9.]+).*/\1/p' CMakeLists.txt)-linux-$(uname -m)
tree=build-package/$name
rm -rf "$tree"
cmake --install build-package --prefix "$tree" --strip >/dev/null
cp LICENSE README.md "$tree"

# The C library and what belongs to it must be the machine's own; so must the loader.
own='^(linux-vdso|ld-linux|libc|libm|libdl|libpthread|librt|libresolv)[.-]'
mkdir -p "$tree/lib" "$tree/share/licences"
owner() {  # of a file: the Debian package, which may know it without the /usr that merged systems put before it
  { dpkg-query -S "$1" || dpkg-query -S "${1#/usr}"; } 2>/dev/null | cut -d: -f1 | head -1
}
licence() {
  cp "/usr/share/doc/$1/copyright" "$tree/share/licences/$1"
}
for binary in "$tree"/bin/halftone "$tree"/lib*/libhalftone.so.*.*.*; do
  [ -e "$binary" ] && ldd "$binary"
done | sed -nE 's/^\t([^ ]+) => ([^ ]+) .*/\1 \2/p' | sort -u | while read -r soname path; do
  if [[ $soname =~ $own ]] || [[ $path == *"/$name/"* ]]; then continue; fi
  cp -L "$path" "$tree/lib/$soname"
  licence "$(owner "$(readlink -f "$path")")"
done
# Compiled in: headers and static libraries.
for package in libcli11-dev nlohmann-json3-dev libboost-context-dev; do licence "$package"; done

mkdir -p dist
tar -C build-package -cJf "dist/$name.tar.xz" "$name"
echo "dist/$name.tar.xz: $(du -h --apparent-size "dist/$name.tar.xz" | cut -f1), unpacked $(du -sh "$tree" | cut -f1)"
