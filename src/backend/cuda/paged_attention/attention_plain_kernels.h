#pragma once

#include "backend/cuda/paged_attention/attention_view.h"

namespace halftone::cuda {

/// Attention of any sizes in f32, without Tensor Cores: block (row of the flat axis, query head), a thread a
/// key of each tile, then a thread an element of the result. Rows of no sequence stay as they are.
constexpr int kPlainThreads = 128;
/// Shared memory: the query, the sum, the weights of a tile, scratch.
constexpr size_t plain_attention_shared(int dim, int value_dim) {
  return sizeof(float) *
         static_cast<size_t>((dim + 3) / 4 * 4 + (value_dim + 3) / 4 * 4 + kPlainThreads + 3 * kWarp);
}

DECLARE_DEVICE_KERNEL(attention_plain_f32, AttentionView);
DECLARE_DEVICE_KERNEL(attention_plain_f16, AttentionView);
DECLARE_DEVICE_KERNEL(attention_plain_bf16, AttentionView);
DECLARE_DEVICE_KERNEL(attention_plain_int8, AttentionView);

}  // namespace halftone::cuda
