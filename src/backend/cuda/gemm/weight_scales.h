#pragma once

#include "backend/cuda/gemm/unpack.h"

namespace halftone::cuda {

/// A scale or minimum: its bits as stored, and its value. Loads are apart from conversions so that what waits
/// for a load can be put off until the value is needed.
DEVICE uint32_t scale_bits(const void* scales, bool f32, int64_t i) {
  return f32 ? load_cached(static_cast<const uint32_t*>(scales) + i)
             : load_cached(static_cast<const uint16_t*>(scales) + i);
}
DEVICE float scale_of(uint32_t bits, bool f32) {
  return f32 ? float_of(bits) : f32_of_f16x2(bits).x;
}
DEVICE float scale_at(const void* scales, bool f32, int64_t i) {
  return scale_of(scale_bits(scales, f32, i), f32);
}

/// Scales, and zeros or minima, of the lane's outputs g and g + 8 in one group, as stored.
struct ScaleBits {
  uint32_t scale[2], offset[2];
};
template <WeightKind kind>
DEVICE ScaleBits load_scale_bits(const WeightsView& w, int tile, int group) {
  ScaleBits bits{};
  if constexpr (Unpack<kind>::kScaled) {
    const int64_t first = (int64_t{tile} * w.groups + group) * kTileRows + lane() / 4;
    UNROLL
    for (int h = 0; h < 2; ++h) {
      bits.scale[h] = scale_bits(w.scales, w.f32_scales, first + 8 * h);
      if (Unpack<kind>::kIntegers && w.offset_kind == OffsetKind::zeros)
        bits.offset[h] = load_cached(static_cast<const uint8_t*>(w.offsets) + first + 8 * h);
      if (Unpack<kind>::kIntegers && w.offset_kind == OffsetKind::minima)
        bits.offset[h] = scale_bits(w.offsets, w.f32_scales, first + 8 * h);
    }
  }
  return bits;
}
/// The code that means 0 where `offset` stands beside the scale; 0 under minima.
DEVICE float zero_of(const WeightsView& w, uint32_t offset) {
  return w.offset_kind == OffsetKind::shared_zero ? static_cast<float>(w.zero)
         : w.offset_kind == OffsetKind::zeros     ? static_cast<float>(offset)
                                                  : 0.0f;
}

}  // namespace halftone::cuda
