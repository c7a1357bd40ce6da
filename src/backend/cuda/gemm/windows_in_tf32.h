#pragma once

#include "backend/cuda/device/tf32.h"
#include "backend/cuda/gemm/many_tokens_kernels.h"

namespace halftone::cuda {

DEVICE Vec4 four_numbers(const float* at, bool aligned) {
  return aligned ? load_wide<Vec4>(at) : Vec4{at[0], at[1], at[2], at[3]};
}

/// The sums of a tile of Y in shared memory anew, 32 windows at a time, where one of these has a number
/// beyond f16's range, which made all its sums infinite or NaN: by tf32 from the picture in f32. Weights are
/// exact in tf32. A warp has 32 outputs of the tile and reads and writes those alone.
template <class S>
DEVICE void sum_windows_in_tf32(const ManyTokensArgs& args, int token0, int tile0) {
  constexpr int kTiles = 2, kWindows = 4;  // a warp's, 16 outputs and 8 windows each
  static_assert(S::kThreads / kWarp * kTiles * kTileRows == S::kOutputs && S::kTokens % kWarp == 0);
  const PictureRows& in = args.picture;
  const WeightsView& w = args.weights;
  const int g = lane() / 4, t = lane() % 4, tile = warp() * kTiles;
  const bool aligned = reinterpret_cast<uintptr_t>(args.exact) % alignof(Vec4) == 0;
  const int blocks = in.kernel_height * in.kernel_width * in.channels / kBlockColumns;
  UNROLL_ONE
  for (int row = 0; row < S::kTokens; row += kWarp) {
    const Shared<float> mine = shared_memory<float>(0) + (row * kTileRowFloats<S> + tile * kTileRows);
    if (!ballot(is_beyond_f16(mine[lane() * kTileRowFloats<S>]))) continue;
    sync_warp();  // lanes write what others have read

    int h[kWindows], column[kWindows], at[kWindows];
    UNROLL
    for (int j = 0; j < kWindows; ++j) {
      const int place = token0 + row + 8 * j + g;
      const int picture = place / in.out_places, within = place - picture * in.out_places;
      const int out_row = within / in.out_width;
      h[j] = place < args.out.m ? out_row * in.stride_h - in.pad_h : -(1 << 29);
      column[j] = (within - out_row * in.out_width) * in.stride_w - in.pad_w;
      at[j] = ((picture * in.height + out_row * in.stride_h - in.pad_h) * in.width + column[j]) * in.channels;
    }
    float sums[kTiles][kWindows][4] = {};
    int channel = 0, tap_h = 0, tap_w = 0;
    UNROLL_ONE
    for (int block = 0; block < blocks; ++block) {
      const int down = tap_h * in.dilation_h, right = tap_w * in.dilation_w;
      const int offset = (down * in.width + right) * in.channels + channel + 8 * t;
      Vec4 x[kWindows][2];  // by step: the lane's columns of it
      UNROLL
      for (int j = 0; j < kWindows; ++j) {
        const bool there = static_cast<uint32_t>(h[j] + down) < static_cast<uint32_t>(in.height) &&
                           static_cast<uint32_t>(column[j] + right) < static_cast<uint32_t>(in.width);
        UNROLL
        for (int s = 0; s < 2; ++s)
          x[j][s] = there ? four_numbers(args.exact + (at[j] + offset + 4 * s), aligned) : Vec4{};
      }
      UNROLL
      for (int i = 0; i < kTiles; ++i) {
        const int64_t unit =
            (int64_t{tile0} + tile + i) * (w.packed_k / kBlockColumns * 2) + int64_t{block} * 2;
        UNROLL
        for (int s = 0; s < 2; ++s) {
          const Words4 words = tile0 + tile + i < tiles_of(w.n)
                                   ? load_wide<Words4>(w.codes + (unit + s) * kUnitBytes + lane() * 16)
                                   : Words4{};
          const Tf32Halves first[2] = {tf32_of_f16x2(words.x), tf32_of_f16x2(words.y)};
          const Tf32Halves second[2] = {tf32_of_f16x2(words.z), tf32_of_f16x2(words.w)};
          const uint32_t a[2][4] = {{first[0].low, first[1].low, first[0].high, first[1].high},
                                    {second[0].low, second[1].low, second[0].high, second[1].high}};
          UNROLL
          for (int j = 0; j < kWindows; ++j) {
            const uint32_t b[2][2] = {{tf32_of(x[j][s].x), tf32_of(x[j][s].y)},
                                      {tf32_of(x[j][s].z), tf32_of(x[j][s].w)}};
            UNROLL
            for (int p = 0; p < 2; ++p) mma_tf32(sums[i][j], a[p], b[p]);
          }
        }
      }
      channel += kBlockColumns;
      if (channel < in.channels) continue;
      channel = 0;
      if (++tap_w < in.kernel_width) continue;
      tap_w = 0;
      ++tap_h;
    }
    UNROLL
    for (int i = 0; i < kTiles; ++i) UNROLL
    for (int j = 0; j < kWindows; ++j) UNROLL
    for (int r = 0; r < 4; ++r)
      mine[(8 * j + 2 * t + r % 2) * kTileRowFloats<S> + i * kTileRows + g + r / 2 * 8] = sums[i][j][r];
  }
}

}  // namespace halftone::cuda
