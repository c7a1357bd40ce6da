#!/usr/bin/env bash
# Puts CUDA 12.4's compiler into the folder given, as CMake's CUDAToolkit_ROOT takes it: the programs from Debian 13 (non-free,
# its signatures checked), the headers from NVIDIA's packages on PyPI. Nothing is installed. NVIDIA's licences hold for it.
set -euo pipefail
folder=${1:?usage: tools/cuda_12.sh FOLDER}
wheels=(nvidia-cuda-nvcc-cu12==12.4.131 nvidia-cuda-runtime-cu12==12.4.127 nvidia-cuda-cccl-cu12==12.4.127.post1)
[ "$(cat "$folder/complete" 2>/dev/null)" != "${wheels[*]}" ] || exit 0
rm -rf "$folder"
mkdir -p "$folder"/{apt/partial,archives/partial,bin,nvvm/bin,lib64,include}
cd "$folder"

mirror=$(apt-get indextargets --format '$(REPO_URI)' | grep -m 1 '/debian/$' || echo https://deb.debian.org/debian/)
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie non-free" >trixie.list
apt=(apt-get -qq -o Dir::Etc::SourceList="$PWD/trixie.list" -o Dir::Etc::SourceParts=- -o Dir::State::Lists="$PWD/apt" \
  -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root)
"${apt[@]}" update
"${apt[@]}" download nvidia-cuda-toolkit libnvvm4
for package in *.deb; do dpkg -x "$package" debian; done
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
rm -rf apt archives debian pypi wheels venv trixie.list ./*.deb
echo "${wheels[*]}" >complete
