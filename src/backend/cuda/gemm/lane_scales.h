#pragma once

#include "backend/cuda/gemm/fragment_scales.h"

namespace halftone::cuda {

/// WarpScales of one tile, which each lane loads for its own two outputs.
template <WeightKind kind, bool kSharedZero>
class LaneScales {
 public:
  DEVICE_MEMBER void set_tile(const WeightsView& w, int tile) {
    if constexpr (Unpack<kind>::kScaled) {
      UNROLL
      for (int h = 0; h < 2; ++h) inverse_[h] = inverse_factor(w, tile, lane() / 4, h);
    }
  }
  /// Inverses of the row factors of the lane's outputs.
  DEVICE_MEMBER void set_factors(float first, float second) {
    inverse_[0] = first;
    inverse_[1] = second;
  }
  /// Group `group` of those whose scales and zeros or minima of the tile lie in shared memory.
  DEVICE_MEMBER void load(const WeightsView& w, Shared<std::byte> scales, Shared<std::byte> offsets,
                          int group) {
    const int first = group * kTileRows + again(lane()) / 4;
    UNROLL
    for (int h = 0; h < 2; ++h) {
      const float scale =
          fragment_scale<kind, kSharedZero>(stored_number(w, scales, first + 8 * h) * inverse_[h], h);
      scale_[h] = f16x2_of(scale, scale);
      if constexpr (Unpack<kind>::kIntegers && kSharedZero) {
        bias_[h] = shared_bias<kind>(w, scale_[h], h);
      } else if constexpr (Unpack<kind>::kIntegers) {
        const float bias = code_bias<kind>(w, offsets, first + 8 * h, h);
        bias_[h] = f16x2_of(bias, bias);
        const bool has = w.offset_kind == OffsetKind::minima;
        const float minimum = has ? stored_number(w, offsets, first + 8 * h) * inverse_[h] : 0.0f;
        minimum_[h] = f16x2_of(minimum, minimum);
      }
    }
  }
  DEVICE_MEMBER void apply(uint32_t (&a)[4]) const {
    scale_fragment<kind, kSharedZero>(scale_, bias_, minimum_, a);
  }

 private:
  float inverse_[2] = {1, 1};
  uint32_t scale_[2] = {}, bias_[2] = {}, minimum_[2] = {};
};

}  // namespace halftone::cuda
