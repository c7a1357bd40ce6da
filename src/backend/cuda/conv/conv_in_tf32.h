#pragma once

#include "backend/cuda/conv/conv_kernels.h"
#include "backend/cuda/device/tf32.h"

namespace halftone::cuda {

/// The sums of a warp of conv_gemm anew, X in tf32: what X has beyond f16's range made them infinite or NaN.
/// Weights, f16 under a power of two of their output, are exact in tf32. Nothing is shared with other warps:
/// numbers come from global memory, `kVector` 2 or more two at a time. `places`: those of the warp's rows.
template <int kVector, int kRowTiles, int kColumnTiles>
DEVICE void sum_in_tf32(const FloatConvArgs& args, Shared<Words4> places, int first_tile,
                        float (&sums)[kRowTiles][kColumnTiles][4]) {
  const ConvGeometry& at = args.at;
  const float* x = static_cast<const float*>(args.x) + int64_t{block_z()} * at.group_inputs * at.x_channel;
  /// Columns `column` and the next of a place's window.
  const auto pair_at = [&](const Words4& place, int column) {
    const auto first = static_cast<int64_t>(uint64_t{place.w} << 32 | place.x);
    float pair[2] = {};
    UNROLL
    for (int e = 0; e < 2; ++e) {
      const int tap = (column + e) / at.group_inputs, channel = column + e - tap * at.group_inputs;
      const int h = tap / at.kernel_width * at.dilation_h, w = tap % at.kernel_width * at.dilation_w;
      const bool inside =
          column + e < args.weights.columns &&
          static_cast<uint32_t>(static_cast<int>(place.y) + h) < static_cast<uint32_t>(at.height) &&
          static_cast<uint32_t>(static_cast<int>(place.z) + w) < static_cast<uint32_t>(at.width);
      const float* from = x + (first + h * at.x_row + w * at.x_column + channel * at.x_channel);
      if constexpr (kVector > 1) return inside ? load_wide<Vec2>(from) : Vec2{};
      pair[e] = inside ? *from : 0.0f;
    }
    return Vec2{pair[0], pair[1]};
  };

  UNROLL
  for (int i = 0; i < kRowTiles; ++i) UNROLL
  for (int j = 0; j < kColumnTiles; ++j) UNROLL
  for (int r = 0; r < 4; ++r) sums[i][j][r] = 0;
  UNROLL_ONE
  for (int eight = 0; eight < 4 * args.weights.chunks; ++eight) {
    const int chunk = eight / 4, word = eight % 4;
    uint32_t a[kRowTiles][4];
    UNROLL
    for (int i = 0; i < kRowTiles; ++i) UNROLL
    for (int part = 0; part < 2; ++part) {
      const Vec2 pair = pair_at(places[i * 16 + part * 8 + lane() / 4], eight * 8 + lane() % 4 * 2);
      a[i][part] = tf32_of(pair.x);
      a[i][part + 2] = tf32_of(pair.y);
    }
    UNROLL
    for (int j = 0; j < kColumnTiles; ++j) {
      const Tf32Halves weights = tf32_of_f16x2(
          args.weights.fragments[((int64_t{first_tile} + j) * args.weights.chunks + chunk) * (4 * kWarp) +
                                 4 * lane() + word]);
      const uint32_t b[2] = {weights.low, weights.high};
      UNROLL
      for (int i = 0; i < kRowTiles; ++i) mma_tf32(sums[i][j], a[i], b);
    }
  }
}

}  // namespace halftone::cuda
