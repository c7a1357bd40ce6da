#!/usr/bin/env bash
# Installs what Halftone needs from Debian's / Ubuntu's own packages; does nothing where all is there.
# Usage: tools/bootstrap.sh [build] [fuzz] [lint] [aarch64]     (default: build)
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
  libdnnl-dev                     # oneDNN: floating-point GEMM on the CPU
  libgtest-dev                    # tests
)
packages_fuzz=(clang)             # libFuzzer and its sanitizers (their runtime is added below)
packages_lint=(clang-format clang-tidy python3)
packages_aarch64=(g++-aarch64-linux-gnu qemu-user)

case "$(uname -m)" in
  x86_64 | aarch64) ;;
  *) echo "bootstrap: $(uname -m) is not a supported processor (x86_64, aarch64)" >&2; exit 4 ;;
esac

wanted=()
for group in "${@:-build}"; do
  list="packages_$group[@]"
  wanted+=("${!list}")
done

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
  as_root=()
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${needed[@]}" >/dev/null
fi
