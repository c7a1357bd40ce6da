#pragma once

#include "backend/cuda/device/floats.h"
#include "backend/cuda/gemm/power_of_two.h"
#include "backend/cuda/paged_attention/attention_view.h"

namespace halftone::cuda {

/// Queries and results are the view's; queries become 16 bits with the scale of scores.
struct PlainEnds {
  static constexpr bool kRanged = false;
};

/// Queries and results of any type. A query becomes 16 bits under a power of two of its own, keys and values
/// are under one of their head: none leaves f16's range, and of a row no more is lost than what lies 2^-25
/// below its largest number. Scores are scaled where they are.
struct RangedEnds {
  static constexpr bool kRanged = true;

  Floats queries;
  FloatsOut results;
  const float* key_back;    ///< [sequences, KV heads]: what their numbers were divided by; null: 1
  const float* value_back;  ///< the same

  /// Numbers i and i + 1; i is even.
  DEVICE_MEMBER static Vec2 two(const void* data, FloatType type, int64_t i) {
    if (type == FloatType::f32) return load_wide<Vec2>(static_cast<const float*>(data) + i);
    const auto pair = load_wide<uint32_t>(static_cast<const uint16_t*>(data) + i);
    return type == FloatType::half ? f32_of_f16x2(pair) : f32_of_bf16x2(pair);
  }
  DEVICE_MEMBER void store_two(int64_t i, const Vec2& x) const {
    if (results.type == FloatType::f32)
      store_wide(static_cast<float*>(results.data) + i, x);
    else
      store_wide(static_cast<uint16_t*>(results.data) + i,
                 results.type == FloatType::half ? f16x2_of(x.x, x.y) : bf16x2_of(x.x, x.y));
  }
};

/// What a product of a query and a key, under the inverses of whose powers of two these are, is multiplied
/// by; positive and finite, as -infinity times it must be that (scale's sign goes to the query).
DEVICE float score_factor(const AttentionView& view, float query_back, float key_back) {
  const float factor = absolute(query_factor(view)) * query_back * key_back;
  return factor < 0x1p-126f ? 0x1p-126f : factor > 0x1p127f ? 0x1p127f : factor;
}

}  // namespace halftone::cuda
