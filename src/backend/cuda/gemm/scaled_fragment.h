#pragma once

#include "backend/cuda/gemm/weight_scales.h"

namespace halftone::cuda {

DEVICE uint32_t twice(float value) {
  return f16x2_of(value, value);
}

/// Scales of the lane's outputs g and g + 8 in one group as pairs of f16, divided by the row's factor.
template <WeightKind kind>
struct HalfScales {
  uint32_t scale[2];
  uint32_t bias[2];  ///< integers: takes the magic number and the zero away
  uint32_t minimum[2];
};

/// Codes are read as 1024 + c * 2^bits_above: this brings c back.
template <WeightKind kind>
DEVICE float code_factor(int h) {
  return Unpack<kind>::raw_scale(h) * 0x1p-24f;
}

/// `inverse`: of the row factors of outputs g and g + 8.
template <WeightKind kind>
DEVICE HalfScales<kind> half_scales(const WeightsView& w, const ScaleBits& bits, const float (&inverse)[2]) {
  HalfScales<kind> result{};
  UNROLL
  for (int h = 0; h < 2; ++h) {
    const float scale = scale_of(bits.scale[h], w.f32_scales) * inverse[h];
    if constexpr (Unpack<kind>::kIntegers) {
      const bool minima = w.offset_kind == OffsetKind::minima;
      result.scale[h] = twice(scale);
      result.bias[h] = twice(-1024 * code_factor<kind>(h) - zero_of(w, bits.offset[h]));
      result.minimum[h] = twice(minima ? scale_of(bits.offset[h], w.f32_scales) * inverse[h] : 0.0f);
    } else if constexpr (Unpack<kind>::kScaled) {
      result.scale[h] = twice(scale * Unpack<kind>::raw_scale(h));
    }
  }
  return result;
}

/// Scales a raw fragment: weight / row factor, rounded once (under minima c * scale + minimum).
template <WeightKind kind>
DEVICE void apply_scales(const HalfScales<kind>& scales, uint32_t (&a)[4]) {
  UNROLL
  for (int i = 0; i < 4; ++i) {
    const int h = i % 2;
    if constexpr (Unpack<kind>::kIntegers) {
      const uint32_t code = f16x2_fma(a[i] | 0x64006400u, twice(code_factor<kind>(h)), scales.bias[h]);
      a[i] = f16x2_fma(code, scales.scale[h], scales.minimum[h]);
    } else if constexpr (Unpack<kind>::kScaled) {
      a[i] = f16x2_mul(a[i], scales.scale[h]);
    }
  }
}

}  // namespace halftone::cuda
