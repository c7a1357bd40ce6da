#include "backend/cuda/cuda.h"

#include <cassert>
#include <vector>

#include "backend/cuda/sampling/sampling.h"

namespace halftone::cuda {

#define HALFTONE_CUDA_KERNEL(name) extern const Kernel name;
#include "backend/cuda/kernels.inc"
#undef HALFTONE_CUDA_KERNEL

namespace {

thread_local Device* preparing = nullptr;

}  // namespace

CudaBackend::CudaBackend(Device& device) : device_(device) {}

std::span<const Kernel> cuda_kernels() {
  static const std::vector<Kernel> list = {
#define HALFTONE_CUDA_KERNEL(name) name,
#include "backend/cuda/kernels.inc"
#undef HALFTONE_CUDA_KERNEL
  };
  return list;
}

std::unique_ptr<TokenDrawer> CudaBackend::token_drawer(const SamplingOptions& options,
                                                       int64_t vocabulary) const {
  if (!DeviceSampler::refusal(options, vocabulary).empty()) return nullptr;
  return std::make_unique<DeviceSampler>(device_, options, vocabulary);
}

std::unique_ptr<PreparedKernel> CudaBackend::prepare(const Kernel& kernel, const OpSite& site,
                                                     ThreadPool& threads) const {
  preparing = &device_;
  return kernel.prepare(site, threads);
}

CudaKernel::CudaKernel() : device_(*preparing) {
  assert(preparing);
}

std::shared_ptr<std::byte> CudaKernel::upload(std::span<const std::byte> packed, std::string_view what) {
  std::shared_ptr<std::byte> memory = device_.allocate(packed.size(), what);
  device_.upload(memory.get(), packed.data(), packed.size());
  return memory;
}

}  // namespace halftone::cuda
