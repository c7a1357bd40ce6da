#!/usr/bin/env bash
# Installs what Halftone needs from Debian's / Ubuntu's own packages; does nothing where all is there.
# Usage: tools/bootstrap.sh [build] [fuzz] [lint] [aarch64] [cuda12]     (default: build)
set -euo pipefail

packages_build=(
  g++ cmake ninja-build make pkg-config git   # compiler (11 or later), build system
  ccache                          # rebuilds in seconds
  libfmt-dev                      # text formatting; std::format needs g++ 13, JetPack 6 has 11
  libcli11-dev                    # the command line
  nlohmann-json3-dev              # JSON
  libyaml-cpp-dev                 # recipes
  libpcre2-dev                    # the regular expressions of BPE pre-tokenizers
  libutf8proc-dev                 # Unicode normalisation
  libsentencepiece-dev            # tokenizer.model: the library is the reference
  libjpeg-dev libpng-dev libwebp-dev   # pictures; libjpeg is libjpeg-turbo, so pixels are those that everybody sees
  libboost-context-dev            # fibers: the threads of a GPU block, where the host stands in for it
  libedit-dev                     # line editing in `halftone chat`
  libgtest-dev python3            # tests
)
packages_fuzz=(clang llvm)        # libFuzzer, the sanitizers and their symbolizer; their runtime is added below
packages_lint=(clang-format clang-tidy)
packages_aarch64=(g++-aarch64-linux-gnu qemu-user)   # arm64 libraries: see tools/aarch64.sh
packages_cuda12=(debian-archive-keyring python3-venv)   # see tools/cuda_12.sh

case "$(uname -m)" in
  x86_64 | aarch64) ;;
  *) echo "bootstrap: $(uname -m) is not a supported processor (x86_64, aarch64)" >&2; exit 4 ;;
esac

wanted=()
as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)
for group in "${@:-build}"; do
  if [ "$group" = aarch64 ] && ! dpkg --print-foreign-architectures | grep -qx arm64; then
    "${as_root[@]}" dpkg --add-architecture arm64   # on Ubuntu, its ports archive must be among the sources
    "${as_root[@]}" apt-get update -qq
  fi
  list="packages_$group[@]"
  wanted+=("${!list}")
done

# Where the distribution splits clang's run-time libraries off, they are in a package named after its version.
if [[ " ${wanted[*]} " == *" clang "* ]]; then
  version=$(apt-cache policy clang | sed -nE 's/^ *Candidate: ([0-9]+:)?([0-9]+)\..*/\2/p')
  runtime="libclang-rt-$version-dev"
  if apt-cache show "$runtime" >/dev/null 2>&1; then wanted+=("$runtime"); fi
fi

missing() {
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || echo "$package"
  done
}

mapfile -t needed < <(missing "${wanted[@]}")
if [ "${#needed[@]}" -gt 0 ]; then
  if ! command -v apt-get >/dev/null; then
    echo "bootstrap: no apt-get here; install by hand: ${needed[*]}" >&2
    exit 4
  fi
  echo "bootstrap: installing ${needed[*]}"
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${needed[@]}" >/dev/null
fi
