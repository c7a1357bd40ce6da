#pragma once

#include "backend/cuda/gemm/gemm_output.h"
#include "backend/cuda/gemm/weights.h"
#include "backend/cuda/launch.h"

namespace halftone::cuda {

/// Whether some_tokens takes a product of m rows.
bool multiplied_by_some(Device& device, const WeightsView& weights, int m);
size_t some_workspace(const WeightsView& weights, int m);
/// The workspace must be 256-byte aligned.
void multiply_some(Device& device, const WeightsView& weights, const Floats& a, const GemmOutput& out,
                   std::byte* workspace);

}  // namespace halftone::cuda
