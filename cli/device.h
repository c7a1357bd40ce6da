#pragma once

#include <string>

#include "backend/kernel.h"

namespace halftone::cli {

/// The backend that `device` names: "cpu", "cuda", "cuda:1", or "cuda-on-host", where the host runs the
/// kernels of CUDA (for checks; slow). Throws UsageError, UnsupportedError.
const Backend* backend_for_device(const std::string& device);

/// Whether this build has kernels for NVIDIA's GPUs.
bool built_with_cuda();

/// What the NVIDIA driver says of its GPUs, a line each; or one line that says why there is none.
std::vector<std::string> gpu_lines();

}  // namespace halftone::cli
