#pragma once

#include "backend/cuda/gemm/fragment_scales.h"

namespace halftone::cuda {

/// What makes weights of the codes of a warp's four tiles and a group of columns.
/// kHeld: each lane keeps them as it needs them, rather than getting them from other lanes again and again.
template <WeightKind kind, bool kSharedZero, bool kHeld>
class WarpScales {
 public:
  static constexpr bool kIntegers = Unpack<kind>::kIntegers, kScaled = Unpack<kind>::kScaled;

  /// `first_tile`: the warp's first. Lane l converts for outputs l % 8 and l % 8 + 8 of tile l / 8.
  DEVICE_MEMBER WarpScales(const WeightsView& w, int first_tile) {
    if constexpr (kScaled) {
      UNROLL
      for (int h = 0; h < 2; ++h) inverse_[h] = inverse_factor(w, first_tile + lane() / 8, lane() % 8, h);
    }
  }

  /// Group `group` of the `groups` that are in shared memory for each tile: scales at `scales`, zeros or
  /// minima at `offsets`, from the warp's first tile on.
  DEVICE_MEMBER void load(const WeightsView& w, Shared<std::byte> scales, Shared<std::byte> offsets,
                          int group, int groups) {
    if constexpr (kScaled) {
      const int l = again(lane()), first = (l / 8 * groups + group) * kTileRows + l % 8;
      float scale[2];
      UNROLL
      for (int h = 0; h < 2; ++h)
        scale[h] =
            fragment_scale<kind, kSharedZero>(stored_number(w, scales, first + 8 * h) * inverse_[h], h);
      scales_.set(f16x2_of(scale[0], scale[1]));
      if constexpr (kIntegers && !kSharedZero) {
        biases_.set(
            f16x2_of(code_bias<kind>(w, offsets, first, 0), code_bias<kind>(w, offsets, first + 8, 1)));
        has_minima_ = w.offset_kind == OffsetKind::minima;
        if (has_minima_)
          minima_.set(f16x2_of(stored_number(w, offsets, first) * inverse_[0],
                               stored_number(w, offsets, first + 8) * inverse_[1]));
      }
    }
  }

  /// Scales raw fragments of tile i.
  DEVICE_MEMBER void apply(const WeightsView& w, int i, uint32_t (&a)[2][4]) const {
    if constexpr (kScaled) {
      const OfOutputs scale = scales_.of(i);
      OfOutputs bias{}, minimum{};
      if constexpr (kIntegers && kSharedZero) {
        UNROLL
        for (int h = 0; h < 2; ++h) bias.twice[h] = shared_bias<kind>(w, scale.twice[h], h);
      } else if constexpr (kIntegers) {
        bias = biases_.of(i);
        if (has_minima_) minimum = minima_.of(i);
      }
      UNROLL
      for (int s = 0; s < 2; ++s)
        scale_fragment<kind, kSharedZero>(scale.twice, bias.twice, minimum.twice, a[s]);
    }
  }

 private:
  /// Of a lane's outputs g and g + 8 of a tile.
  struct OfOutputs {
    uint32_t twice[2];
  };
  /// A number for each output of the warp, as lanes made them.
  class Numbers {
   public:
    DEVICE_MEMBER void set(uint32_t pair) {
      pair_ = pair;
      if constexpr (kHeld) {
        UNROLL
        for (int i = 0; i < kWarpTiles; ++i) held_[i] = get(i);
      }
    }
    DEVICE_MEMBER OfOutputs of(int i) const {
      if constexpr (kHeld)
        return held_[i];
      else
        return get(i);
    }

   private:
    DEVICE_MEMBER OfOutputs get(int i) const {
      const uint32_t both = shuffle(pair_, 8 * i + lane() / 4);
      return {{pick_bytes(both, both, 0x1010u), pick_bytes(both, both, 0x3232u)}};
    }
    uint32_t pair_ = 0;
    OfOutputs held_[kHeld ? kWarpTiles : 1] = {};
  };

  float inverse_[2] = {1, 1};
  Numbers scales_, biases_, minima_;
  bool has_minima_ = false;
};

}  // namespace halftone::cuda
