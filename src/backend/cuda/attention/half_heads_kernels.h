#pragma once

#include "backend/cuda/paged_attention/attention_view.h"

namespace halftone::cuda {

/// Heads of f32 as f16 [sequences, heads, length, padded], zeros behind dim; beyond f16's range infinity.
/// Block (position, head, sequence).
struct HalfHeadsArgs {
  const float* from;
  HeadsView at;
  f16* to;
  int length, heads, dim, padded;
};
constexpr int kHalfHeadsThreads = 64;

DECLARE_DEVICE_KERNEL(half_heads_kernel, HalfHeadsArgs);

}  // namespace halftone::cuda
