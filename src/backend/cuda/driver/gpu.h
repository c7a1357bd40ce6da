#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backend/cuda/cuda.h"

namespace halftone::cuda {

/// A GPU as doctor prints it.
struct GpuDescription {
  std::string name;
  int compute = 0;  ///< 90: compute capability 9.0
  int multiprocessors = 0;
  size_t memory_bytes = 0;
  bool shares_host_memory = false;
};

/// Why no GPU can be used; empty when there is one.
std::string gpu_trouble();
/// By number. Empty where gpu_trouble() says something.
std::vector<GpuDescription> gpus();

/// A GPU opened for work, kept to the program's end. Throws UnsupportedError when there is no such GPU, or
/// when the build has no kernels for it.
Device& open_gpu(int number);
const CudaBackend& gpu_backend(int number);

/// Why products of many rows are not made by cuBLASLt; empty when they are.
std::string gpu_library_trouble(Device& gpu);

/// Has cuBLASLt, where it is there, multiply from `rows` rows on: to compare it with Halftone's own kernels.
void gpu_library_from(Device& gpu, int rows);

/// Milliseconds that `work` takes on the GPU, by events around it.
float gpu_milliseconds(Device& gpu, const std::function<void()>& work);

}  // namespace halftone::cuda
