#pragma once

#include "backend/cuda/gemm/many_tokens_kernels.h"
#include "backend/cuda/launch.h"

namespace halftone::cuda {

/// Products of any number of rows by many_tokens. The workspace must be 256-byte aligned.
size_t many_workspace(Device& device, const WeightsView& weights, int m);
void multiply_many(Device& device, const WeightsView& weights, const Floats& a, const GemmOutput& out,
                   std::byte* workspace);

/// The same with windows of a picture of f16 as rows (PictureRows), by weights of f16. The caller's kernel
/// before it sets `zero_count` ints at `zeros` to 0 and lays the picture out `as_fragments` or not. `exact`:
/// the picture as it was before it became f16, null where it was that.
struct WindowsPlan {
  bool as_fragments;
  int zero_count;
  size_t zeros, bytes;  ///< of the workspace
};
WindowsPlan plan_windows(Device& device, const WeightsView& weights, int m);
void multiply_windows(Device& device, const WeightsView& weights, const PictureRows& picture,
                      const float* exact, const GemmOutput& out, std::byte* workspace);

}  // namespace halftone::cuda
