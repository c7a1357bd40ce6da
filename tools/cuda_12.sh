#!/usr/bin/env bash
# Puts CUDA 12.4's compiler into the folder given, as CMake's CUDAToolkit_ROOT takes it: the programs from Debian 13 (non-free,
# its signatures checked), the headers from NVIDIA's packages on PyPI. Nothing is installed. NVIDIA's licences hold for it.
set -euo pipefail
folder=${1:?usage: tools/cuda_12.sh FOLDER}
wheels=(nvidia-cuda-nvcc-cu12==12.4.131 nvidia-cuda-runtime-cu12==12.4.127 nvidia-cuda-cccl-cu12==12.4.127.post1)
[ "$(cat "$folder/complete" 2>/dev/null)" != "${wheels[*]}" ] || exit 0
rm -rf "$folder"
mkdir -p "$folder"/{bin,nvvm/bin,lib64,include}
tools=$(realpath "$(dirname "$0")")
cd "$folder"

"$tools/debian_packages.sh" debian trixie non-free nvidia-cuda-toolkit libnvvm4
python3 -m venv venv
venv/bin/pip -q download --no-deps -d wheels "${wheels[@]}"
for wheel in wheels/*.whl; do python3 -m zipfile -e "$wheel" pypi; done

mv debian/usr/lib/nvidia-cuda-toolkit/bin/nvcc debian/usr/bin/{cudafe++,ptxas,fatbinary,nvlink,cuobjdump,nvdisasm} bin
mv debian/usr/lib/nvidia-cuda-toolkit/bin/cicc nvvm/bin
mv debian/usr/lib/nvidia-cuda-toolkit/libdevice nvvm
for part in nvcc runtime cccl; do cp -r "pypi/nvidia/cuda_$part/include/." include; done
mv pypi/nvidia/cuda_runtime/lib/libcudart.so.12 lib64
ln -s libcudart.so.12 lib64/libcudart.so
cat >bin/nvcc.profile <<'END'
TOP                = $(_HERE_)/..
CICC_PATH          = $(TOP)/nvvm/bin
NVVMIR_LIBRARY_DIR = $(TOP)/nvvm/libdevice
PATH              += $(CICC_PATH):$(_HERE_):
INCLUDES          += "-I$(TOP)/include" $(_SPACE_)
LIBRARIES         =+ $(_SPACE_) "-L$(TOP)/lib64"
END
rm -rf debian pypi wheels venv
echo "${wheels[*]}" >complete
