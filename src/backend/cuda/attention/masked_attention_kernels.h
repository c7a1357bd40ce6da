#pragma once

#include "backend/cuda/paged_attention/attention_view.h"

namespace halftone::cuda {

/// Attention with a mask, a past or padding, in f32: softmax(cap(scale Q K^T) + mask) V. Keys and values are
/// `past` older ones and then those of this run. Query r sees keys up to past + r (`causal`) and the last
/// `window` of those (0: all); with valid_keys, a count for each sequence, keys beyond it are padding and
/// `past` is the count less the queries. A query that sees nothing gives 0.
///
/// A block has four queries of a head and goes through the keys 128 at a time, a thread each. Grid: queries
/// by four, heads, sequences.
struct MaskedAttentionArgs {
  const float* query;
  const float *keys, *values;
  const float *past_keys, *past_values;  ///< null: none
  const void* mask;                      ///< null: none
  const int64_t* valid_keys;             ///< null: all
  float* result;
  HeadsView query_at, key_at, value_at, past_key_at, past_value_at, result_at;
  int64_t mask_steps[4];  ///< by sequence, head, query, key
  int32_t mask_keys;      ///< keys beyond are hidden
  int32_t rows, length, past, group, dim, value_dim, window;
  float scale, softcap;  ///< 0: no cap
  bool mask_is_bool, causal;
};
constexpr int kMaskedRows = 4, kMaskedThreads = 128;
HOST_AND_DEVICE size_t masked_attention_shared(int dim, int value_dim) {
  return (static_cast<size_t>(kMaskedRows) * static_cast<size_t>(dim + value_dim + kMaskedThreads) +
          2 * kWarp) *
         sizeof(float);
}

DECLARE_DEVICE_KERNEL(masked_attention_kernel, MaskedAttentionArgs);

}  // namespace halftone::cuda
