#pragma once

#include "backend/cuda/paged_attention/score_mask.h"

namespace halftone::cuda {

/// Attention with a mask, a past or padding, computed in f32: softmax(cap(scale Q K^T) + mask) V. Keys and
/// values are older ones, mask.past of them, and then those of this run. A query that sees nothing gives 0.
///
/// A block has four queries of a head and goes through the keys 128 at a time, a thread each. Grid: queries
/// by four, heads, sequences.
struct MaskedAttentionArgs {
  AttentionView view;  ///< its keys and values are those below, older ones counted
  ScoreMask mask;
  const void *queries, *keys, *values;  ///< of the kernel's type, as what follows
  const void *past_keys, *past_values;  ///< null: none
  void* results;
  HeadsView key_at, value_at, past_key_at, past_value_at;
};
constexpr int kMaskedRows = 4, kMaskedThreads = 128;
HOST_AND_DEVICE size_t masked_attention_shared(int dim, int value_dim) {
  return (static_cast<size_t>(kMaskedRows) * static_cast<size_t>(dim + value_dim + kMaskedThreads) +
          2 * kWarp) *
         sizeof(float);
}

DECLARE_DEVICE_KERNEL(masked_attention_f32, MaskedAttentionArgs);
DECLARE_DEVICE_KERNEL(masked_attention_f16, MaskedAttentionArgs);
DECLARE_DEVICE_KERNEL(masked_attention_bf16, MaskedAttentionArgs);

}  // namespace halftone::cuda
