#pragma once

#include "backend/cuda/gemm/gemm_output.h"
#include "backend/cuda/gemm/weights.h"
#include "backend/cuda/launch.h"

namespace halftone::cuda {

/// Products of many rows by the vendor's library, whatever the weights' format: some outputs' weights at a
/// time become rows of f16, which stay in the cache until the library has read them. Rounds as many_tokens
/// does.

/// Whether m rows are multiplied so. Weights of f32 are not: f16 lose too much of them.
bool multiplied_by_library(Device& device, const WeightsView& weights, int m);
size_t library_workspace(Device& device, const WeightsView& weights, int m, FloatType type);
/// `a`: [m, k].
void multiply_by_library(Device& device, const WeightsView& weights, const Floats& a, const GemmOutput& out,
                         std::byte* workspace);

}  // namespace halftone::cuda
