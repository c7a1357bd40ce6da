#!/usr/bin/env bash
# Builds dist/device-bundle.tar.xz: the tests, benchmarks and program for the GPU of another machine that needs nothing but
# NVIDIA's driver, tar and xz. There: tar -xJf device-bundle.tar.xz && device-bundle/run all
# Usage: tools/device_bundle.sh [ARCHITECTURES]     (a CMake list; default 90; $BUILD: the build folder, default build-device)
set -euo pipefail
cd "$(dirname "$0")/.."
architectures=${1:-90}
build=${BUILD:-build-device}
programs=(halftone backend_cuda_test device_present_test device_session_test device_sampling_test cuda_llm_test cuda_vision_test
  gemm_cuda_bench attention_bench conv_cuda_bench operators_cuda_bench)

cmake -S . -B $build -G Ninja -DCMAKE_BUILD_TYPE=Release -DHALFTONE_CUDA_ARCHITECTURES="$architectures" >/dev/null
cmake --build $build -j "${JOBS:-$(nproc)}" --target "${programs[@]}"
tree=$build/device-bundle
rm -rf $tree
mkdir -p $tree/bin $tree/lib $tree/src/models $tree/bench/cuda
for program in "${programs[@]}"; do
  strip -o "$tree/bin/$program" "$(find $build -name "$program" -type f -perm -u+x)"
done
# The C library and what belongs to it are the other machine's own.
own='^(linux-vdso|ld-linux|libc|libm|libdl|libpthread|librt|libresolv)[.-]'
for program in "$tree"/bin/*; do ldd "$program"; done | sed -nE 's/^\t([^ ]+) => ([^ ]+) .*/\1 \2/p' | sort -u |
  while read -r soname path; do [[ $soname =~ $own ]] || cp -L "$path" "$tree/lib/$soname"; done
cp -r src/models/testdata $tree/src/models/
cp -r zoo $tree/
cp bench/cuda/run.sh $tree/bench/cuda/
cp tools/device_run.sh $tree/run
mkdir -p dist
tar -C $build -cf - device-bundle | xz -T0 --lzma2=preset=6,dict=128MiB >dist/device-bundle.tar.xz
echo "dist/device-bundle.tar.xz: $(du -h --apparent-size dist/device-bundle.tar.xz | cut -f1), unpacked $(du -sh $tree | cut -f1)"
