#pragma once

#include "backend/cuda/gemm/few_tokens_kernels.h"
#include "backend/cuda/gemm/weight_scales.h"

namespace halftone::cuda {

/// What the loop of few_tokens knows of scales when it is compiled.
enum class ScaleForm : uint8_t {
  none,
  half,        ///< f16, at most one zero for all
  half_zeros,  ///< f16, each with a zero
  any,
};

/// The weights of one tile that a warp streams, kAhead pieces under way. `whole`: a piece has one scale.
template <WeightKind kind, ScaleForm form, bool whole>
class WeightStream {
 public:
  using Piece = FewPiece<kind>;

  /// Before 9.0 the rest of the loop takes more registers, and chips read less than half as much an SM: half
  /// of four pieces is enough.
  static constexpr int kMost = !kSince90 && Piece::kAhead == 4 ? 2 : Piece::kAhead;
  static constexpr int kAhead = form == ScaleForm::any && kMost > kAnyScalesAhead ? kAnyScalesAhead : kMost;

  /// `pieces`: where the tile ends.
  DEVICE_MEMBER WeightStream(const FewTokensArgs& args, const FewProduct& product, int tile, int pieces)
      : args_(args),
        product_(product),
        pieces_(pieces),
        column_(whole
                    ? 0
                    : (lane() % 4 % Piece::kBlocks >> args.flush_shift) * kBlockColumns << args.flush_shift),
        codes_(product.codes +
               int64_t{tile} * (args.weights.packed_k / Piece::kColumns) * (Piece::kWords * kUnitBytes) +
               lane() * 16),
        first_(int64_t{tile} * args.weights.groups * kTileRows + lane() / 4),
        scales_of_tile_(static_cast<const std::byte*>(product.scales) + 2 * first_),
        zeros_of_tile_(static_cast<const std::byte*>(product.offsets) + first_) {}

  /// Orders `piece` for slot i. Lane t of four orders the scales of the t-th flush.
  DEVICE_MEMBER void order(int i, int piece) {
    if (piece >= pieces_) return;
    const std::byte* from = codes_ + static_cast<uint32_t>(piece) * (Piece::kWords * kUnitBytes);
    UNROLL
    for (int j = 0; j < Piece::kWords; ++j)
      words_[i][j] = load_once(reinterpret_cast<const Words4*>(from + j * kUnitBytes));
    if constexpr (form == ScaleForm::none) return;
    const uint32_t group =
        high_product(static_cast<uint32_t>(piece * Piece::kColumns + column_), args_.group_reciprocal);
    if constexpr (form == ScaleForm::any) {
      const WeightsView& w = args_.weights;
      const int64_t at = first_ + group * kTileRows;
      load_numbers(product_.scales, at, scales_[i].scale);
      if (w.offset_kind == OffsetKind::minima) load_numbers(product_.offsets, at, scales_[i].offset);
      if (w.offset_kind == OffsetKind::zeros)
        load_two(static_cast<const uint8_t*>(product_.offsets) + at, scales_[i].offset);
    } else {
      load_two(reinterpret_cast<const uint16_t*>(scales_of_tile_ + group * (2 * kTileRows)),
               scales_[i].scale);
      if constexpr (form == ScaleForm::half_zeros)
        load_two(reinterpret_cast<const uint8_t*>(zeros_of_tile_ + group * kTileRows), scales_[i].offset);
    }
  }

  DEVICE_MEMBER void take(int i, uint32_t (&words)[4 * Piece::kWords], ScaleBits& scales) const {
    UNROLL
    for (int j = 0; j < Piece::kWords; ++j) {
      words[4 * j] = words_[i][j].x;
      words[4 * j + 1] = words_[i][j].y;
      words[4 * j + 2] = words_[i][j].z;
      words[4 * j + 3] = words_[i][j].w;
    }
    scales = scales_[i];
  }

  /// Of outputs g and g + 8, in units of raw_scale(): a weight is scale * (code + zero) + minimum.
  struct Factors {
    float scale[2], zero[2], minimum[2];
  };
  DEVICE_MEMBER Factors factors(const ScaleBits& bits) const {
    const WeightsView& w = args_.weights;
    Factors f{};
    UNROLL
    for (int h = 0; h < 2; ++h) {
      const float raw = 1 / Unpack<kind>::raw_scale(h);
      f.scale[h] = scale_of(bits.scale[h], form == ScaleForm::any && w.f32_scales);
      if constexpr (!Unpack<kind>::kIntegers) continue;
      if (form == ScaleForm::any && w.offset_kind == OffsetKind::minima)
        f.minimum[h] = scale_of(bits.offset[h], w.f32_scales) * raw;
      else if (form == ScaleForm::half)
        f.zero[h] = -static_cast<float>(w.zero) * raw;
      else
        f.zero[h] =
            -(form == ScaleForm::any ? zero_of(w, bits.offset[h]) : static_cast<float>(bits.offset[h])) * raw;
    }
    return f;
  }

 private:
  template <class T>
  DEVICE_MEMBER static void load_two(const T* from, uint32_t (&bits)[2]) {
    bits[0] = load_cached(from);
    bits[1] = load_cached(from + 8);
  }
  /// Scales or minima.
  DEVICE_MEMBER void load_numbers(const void* numbers, int64_t at, uint32_t (&bits)[2]) const {
    if (args_.weights.f32_scales)
      load_two(static_cast<const uint32_t*>(numbers) + at, bits);
    else
      load_two(static_cast<const uint16_t*>(numbers) + at, bits);
  }

  const FewTokensArgs& args_;
  const FewProduct& product_;
  int pieces_, column_;
  const std::byte* codes_;
  int64_t first_;                                     ///< the lane's scale in group 0
  const std::byte *scales_of_tile_, *zeros_of_tile_;  ///< where f16 scales and zeros are that far
  Words4 words_[kAhead][Piece::kWords];
  ScaleBits scales_[kAhead];
};

}  // namespace halftone::cuda
