#!/usr/bin/env bash
# Unpacks Debian's arm64 libraries that Halftone needs into the folder given: usr/, lib/, and `owners`, a line for each library
# file with its package. They are not installed: some of Debian's -dev packages cannot be for two processors at once.
set -euo pipefail
sysroot=${1:?usage: tools/sysroot_aarch64.sh FOLDER}
libraries=(libfmt-dev libyaml-cpp-dev libpcre2-dev libutf8proc-dev libsentencepiece-dev libgtest-dev libgomp1
  libjpeg-dev libjpeg62-turbo-dev libpng-dev libwebp-dev zlib1g-dev zlib1g libedit-dev libbsd-dev libmd-dev libtinfo6)
libraries+=("$(apt-cache depends libboost-context-dev | sed -nE 's/^ +Depends: (lib.*-dev)$/\1/p')")   # the version's own
[ "$(cat "$sysroot/complete" 2>/dev/null)" != "${libraries[*]}" ] || exit 0
rm -rf "$sysroot"
mkdir -p "$sysroot"
cd "$sysroot"
packages=("${libraries[@]/%/:arm64}")
mapfile -t needed < <(apt-cache depends "${packages[@]}" | sed -nE 's/^ +Depends: (lib[^ ]*):arm64$/\1:arm64/p' |
  grep -vE '^lib(c6|c6-dev|gcc-s1|stdc\+\+6):' | sort -u)
apt-get -qq -o APT::Sandbox::User=root download "${packages[@]}" "${needed[@]}"
for package in *.deb; do
  dpkg -x "$package" .
  dpkg-deb -c "$package" | sed -nE "s|^.* \./([^ ]*\.so[^ ]*).*|\1 $(dpkg-deb -f "$package" Package)|p" >>owners
done
rm ./*.deb
echo "${libraries[*]}" >complete
