#pragma once

#include "backend/cuda/paged_attention/attention_view.h"

namespace halftone::cuda {

/// Heads of f32 as f16, zeros behind dim; beyond f16's range infinity: positions [first, first + the grid's)
/// of `to` [sequences, heads, length, padded]. Those from valid[sequence] on (null: none) become zeros.
/// Block (position, head, sequence).
struct HalfHeadsArgs {
  const float* from;
  HeadsView at;
  f16* to;
  const int64_t* valid;
  int first, length, heads, dim, padded;
};
constexpr int kHalfHeadsThreads = 64;

DECLARE_DEVICE_KERNEL(half_heads_kernel, HalfHeadsArgs);

}  // namespace halftone::cuda
