#pragma once

#include "backend/cuda/gemm/gemm_output.h"
#include "backend/cuda/gemm/weights.h"
#include "backend/cuda/launch.h"

namespace halftone::cuda {

/// Most rows of A that multiply_few() takes.
inline constexpr int kFewRows = 8;

/// Products of few rows of A by weights (few_tokens_kernels.h). Those of the same A that follow each other,
/// as a layer's q, k and v do, share a launch: it waits (Device::put_off) until something else is asked of
/// the device. All that is computed is f32.
void multiply_few(Device& device, const WeightsView& weights, const float* a, const GemmOutput& out);

}  // namespace halftone::cuda
