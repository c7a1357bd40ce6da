#pragma once

#include "backend/cuda/paged_attention/attention_view.h"

namespace halftone::cuda {

/// Puts the run's keys and values, [rows, kv_heads, dim], at their places in the cache, rounded to its
/// format, int8 as quantize_token() of scheme/dynamic.h does it. Rows of no sequence get a result of zeros
/// instead. Block (row, part), a warp for K or V of a head.
struct KvStoreArgs {
  AttentionView view;
  const float* key;
  const float* value;
  int kv_heads;
};
constexpr int kKvStoreThreads = 128;
constexpr size_t kKvStoreShared = 16;

DECLARE_DEVICE_KERNEL(kv_store_f32, KvStoreArgs);
DECLARE_DEVICE_KERNEL(kv_store_f16, KvStoreArgs);
DECLARE_DEVICE_KERNEL(kv_store_bf16, KvStoreArgs);
DECLARE_DEVICE_KERNEL(kv_store_int8, KvStoreArgs);

}  // namespace halftone::cuda
