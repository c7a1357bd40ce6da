#!/usr/bin/env bash
# clang-format as .clang-format says, the clang-tidy allow-list of .clang-tidy, and who may include whom.
# Usage: tools/lint.sh BUILD [FILE...]      (default: every source; clang-tidy reads BUILD/compile_commands.json)
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:?usage: tools/lint.sh BUILD [FILE...]}
shift
mapfile -t files < <(if [ $# -gt 0 ]; then printf '%s\n' "$@"; else git ls-files '*.h' '*.cpp'; fi)
python3 tools/check_includes.py
clang-format --dry-run --Werror "${files[@]}"
mapfile -t compiled < <(printf '%s\n' "${files[@]}" | grep '\.cpp$' | grep -vE '_(neon|neondot|neoni8mm)\.cpp$|^fuzz/|^bench/')
mkdir -p "$build/lint"   # without g++'s precompiled headers, which clang cannot read
sed -E 's/ -(Winvalid-pch|fpch-preprocess)//g; s/ -include [^ ]*cmake_pch\.hxx//' "$build/compile_commands.json" >"$build/lint/compile_commands.json"
printf '%s\n' "${compiled[@]}" | xargs -P "$(nproc)" -n 4 clang-tidy -p "$build/lint" --quiet
