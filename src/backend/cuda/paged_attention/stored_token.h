#pragma once

#include "backend/cuda/paged_attention/attention_view.h"

namespace halftone::cuda {

/// Below this a row counts as zero (kSmallestAbsmax of scheme/dynamic.h).
constexpr float kSmallestAbsmax = 0x1p-120f;

DEVICE void store_quantized(const float* from, int dim, int8_t* to, float* scale) {
  int magnitude = 0;
  for (int d = lane(); d < dim; d += kWarp) {
    const int bits = static_cast<int>(bits_of(from[d]) & 0x7fffffffu);
    magnitude = bits > magnitude ? bits : magnitude;
  }
  magnitude = warp_max(magnitude);
  const float absmax = float_of(static_cast<uint32_t>(magnitude));
  const bool finite = magnitude < 0x7f800000;
  const bool zero = !finite || absmax < kSmallestAbsmax;
  const float inverse = zero ? 0.0f : 127.0f / absmax;
  for (int d = lane(); d < dim; d += kWarp)
    to[d] = zero ? int8_t{0} : static_cast<int8_t>(round_to_int(product(from[d], inverse)));
  if (lane() == 0) *scale = zero ? (finite ? 0.0f : float_of(0x7fc00000u)) : absmax / 127.0f;
}

/// A warp puts a token's key (or value) of one head at its place, rounded to the cache's format.
template <class T>
DEVICE void store_token(const float* from, int dim, const KvSide& side, int64_t block, int head, int slot) {
  T* to = reinterpret_cast<T*>(side.at(block, head, slot));
  if constexpr (sizeof(T) == 1)
    store_quantized(from, dim, to, side.scale_at(block, head, slot));
  else
    for (int d = lane(); d < dim; d += kWarp) to[d] = from_f32<T>(from[d]);
}

}  // namespace halftone::cuda
