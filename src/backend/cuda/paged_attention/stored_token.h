#pragma once

#include "backend/cuda/paged_attention/attention_view.h"
#include "backend/cuda/paged_attention/stored_pairs.h"

namespace halftone::cuda {

/// Below this a row counts as zero (kSmallestAbsmax of scheme/dynamic.h).
constexpr float kSmallestAbsmax = 0x1p-120f;

/// What a row of this largest magnitude (bits) becomes codes by, and its scale.
struct TokenScale {
  float inverse, scale;
  bool zero;
};
DEVICE TokenScale token_scale(int magnitude) {
  const float absmax = float_of(static_cast<uint32_t>(magnitude));
  const bool finite = magnitude < 0x7f800000;
  const bool zero = !finite || absmax < kSmallestAbsmax;
  return {zero ? 0.0f : 127.0f / absmax, zero ? (finite ? 0.0f : float_of(0x7fc00000u)) : absmax / 127.0f,
          zero};
}
DEVICE int token_code(const TokenScale& scale, float value) {
  return scale.zero ? 0 : round_to_int(product(value, scale.inverse));
}
DEVICE int magnitude_of(float value) {
  return static_cast<int>(bits_of(value) & 0x7fffffffu);
}

/// A token's key (or value) of one head in a warp: lane l has elements 4l to 4l + 3 and those 128 further.
struct HeldToken {
  Vec4 part[2];
};
/// For heads a multiple of 4 up to 256.
DEVICE bool can_hold_token(int dim) {
  return dim % 4 == 0 && dim <= 256;
}
DEVICE HeldToken hold_token(const float* from, int dim) {
  HeldToken held{};
  UNROLL
  for (int i = 0; i < 2; ++i)
    if (const int d = 4 * lane() + 128 * i; d < dim) held.part[i] = load_wide<Vec4>(from + d);
  return held;
}

/// Puts it at its place, rounded to the cache's format.
template <class T>
DEVICE void put_token(const HeldToken& held, int dim, const KvSide& side, int64_t block, int head, int slot) {
  T* to = reinterpret_cast<T*>(side.at(block, head, slot));
  TokenScale scale{};
  if constexpr (sizeof(T) == 1) {
    int magnitude = 0;
    UNROLL
    for (int i = 0; i < 2; ++i) {
      const Vec4& v = held.part[i];
      const int all[4] = {magnitude_of(v.x), magnitude_of(v.y), magnitude_of(v.z), magnitude_of(v.w)};
      UNROLL
      for (int j = 0; j < 4; ++j) magnitude = all[j] > magnitude ? all[j] : magnitude;
    }
    scale = token_scale(warp_max(magnitude));
    if (lane() == 0) store_alike(side.scale_at(block, head, slot), scale.scale);
  }
  UNROLL
  for (int i = 0; i < 2; ++i) {
    const int d = 4 * lane() + 128 * i;
    if (d >= dim) continue;
    const Vec4& v = held.part[i];
    if constexpr (sizeof(T) == 1) {
      const auto code = [&](float value) { return static_cast<uint32_t>(token_code(scale, value)) & 0xffu; };
      store_alike(to + d, code(v.x) | code(v.y) << 8 | code(v.z) << 16 | code(v.w) << 24);
    } else if constexpr (sizeof(T) == 4) {
      store_alike(to + d, v);
    } else {
      using Pairs = StoredPairs<T>;
      store_alike(to + d, Words2{Pairs::pack(v.x, v.y), Pairs::pack(v.z, v.w)});
    }
  }
}

/// Both, for heads of any length.
template <class T>
DEVICE void store_token(const float* from, int dim, const KvSide& side, int64_t block, int head, int slot) {
  T* to = reinterpret_cast<T*>(side.at(block, head, slot));
  if constexpr (sizeof(T) == 1) {
    int magnitude = 0;
    for (int d = lane(); d < dim; d += kWarp) {
      const int own = magnitude_of(from[d]);
      magnitude = own > magnitude ? own : magnitude;
    }
    const TokenScale scale = token_scale(warp_max(magnitude));
    for (int d = lane(); d < dim; d += kWarp) to[d] = static_cast<int8_t>(token_code(scale, from[d]));
    if (lane() == 0) *side.scale_at(block, head, slot) = scale.scale;
  } else {
    for (int d = lane(); d < dim; d += kWarp) to[d] = from_f32<T>(from[d]);
  }
}

}  // namespace halftone::cuda
