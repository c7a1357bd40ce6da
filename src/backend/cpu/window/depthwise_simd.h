#pragma once

// Depthwise windows of any size over Simd, for the per-ISA sources only, as simd.h.

#include "backend/cpu/window/slide_simd.h"

namespace halftone::cpu {
namespace {

/// step(c, whole) for every vector of channels from c on.
template <class Step>
void each_vector(int64_t channels, Step step) {
  int64_t c = 0;
  for (; c + Simd::kWidth <= channels; c += Simd::kWidth) step.template operator()<true>(c);
  if (c < channels) step.template operator()<false>(c);
}

/// Columns whose windows are worked on for all channels before the next: where a line of cache holds several
/// vectors, it is still near when the second is read.
constexpr int64_t kNearColumns = Simd::kWidth < 16 ? 16 : int64_t{1} << 30;

/// Taps of a window that lie inside.
struct TapRectangle {
  int64_t top, bottom, left, right;
};

/// kColumns neighbouring columns of kVectors vectors of channels from c on, all with the same taps inside: so
/// many sums at a time that none waits for itself. Never inlined: each has the registers to itself.
template <bool kWhole, int kVectors, int kColumns>
[[gnu::noinline]] void depthwise_block(const WindowRow& row, const DepthwiseTaps& taps,
                                       const TapRectangle& inside, int64_t c, int64_t column) {
  const int64_t channels = row.channels, count = channels - c, next = row.stride_x * channels;
  const int64_t right = row.dilation_x * channels, step = taps.step;
  const int64_t first = row.top * row.columns + column * row.stride_x - row.pad_left;
  Float sum[kColumns][kVectors];
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v)
#pragma GCC unroll 4
    for (int i = 0; i < kColumns; ++i) sum[i][v] = Simd::load(taps.bias + c + v * Simd::kWidth);
  for (int64_t ky = inside.top; ky < inside.bottom; ++ky) {
    const int64_t place = first + ky * row.dilation_y * row.columns + inside.left * row.dilation_x;
    const float* x = row.x + place * channels + c;
    const float* weights = taps.weights + (ky * row.kernel_x + inside.left) * step + c;
    for (const float* end = weights + (inside.right - inside.left) * step; weights < end; weights += step) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        const Float weight = Simd::load(weights + v * Simd::kWidth);
        const float* from = x + v * Simd::kWidth;
#pragma GCC unroll 4
        for (int i = 0; i < kColumns; ++i)
          sum[i][v] = Simd::fma(load_channels<kWhole>(from + i * next, count), weight, sum[i][v]);
      }
      x += right;
    }
  }
  const Float low = Simd::broadcast(taps.low), high = Simd::broadcast(taps.high);
#pragma GCC unroll 4
  for (int i = 0; i < kColumns; ++i)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const int64_t at = c + v * Simd::kWidth;
      if (taps.residual)
        sum[i][v] =
            Simd::add(sum[i][v], load_channels<kWhole>(taps.residual + (column + i) * channels + at, count));
      sum[i][v] = Simd::min(Simd::max(sum[i][v], low), high);
      if (taps.hard_swish) sum[i][v] = hard_swish(sum[i][v]);
      store_channels<kWhole>(row.y + (column + i) * row.y_step + at, sum[i][v], count);
    }
}

/// Columns [begin, end) of kVectors vectors of channels, all of whose taps along the line lie inside.
template <bool kWhole, int kVectors>
void depthwise_whole_columns(const WindowRow& row, const DepthwiseTaps& taps, const TapRectangle& inside,
                             int64_t c, int64_t begin, int64_t end) {
  constexpr int kTogether = kVectors < 2 ? kVectors : 2;
  int64_t column = begin;
  for (; column + 4 <= end; column += 4)
    for (int v = 0; v < kVectors; v += kTogether)
      depthwise_block<kWhole, kTogether, 4>(row, taps, inside, c + v * Simd::kWidth, column);
  if (column + 2 <= end) {
    depthwise_block<kWhole, kVectors, 2>(row, taps, inside, c, column);
    column += 2;
  }
  if (column < end) depthwise_block<kWhole, kVectors, 1>(row, taps, inside, c, column);
}

/// All columns of kVectors vectors of channels: their weights stay near from column to column.
template <bool kWhole, int kVectors>
void depthwise_channels(const WindowRow& row, const DepthwiseTaps& taps, const TapRange& ys, int64_t c) {
  const WholeColumns whole(row);
  const auto at_edge = [&](int64_t column) {
    const TapRange xs(column * row.stride_x - row.pad_left, row.kernel_x, row.dilation_x, row.columns);
    depthwise_block<kWhole, kVectors, 1>(row, taps, {ys.begin, ys.end, xs.begin, xs.end}, c, column);
  };
  for (int64_t column = 0; column < whole.begin; ++column) at_edge(column);
  depthwise_whole_columns<kWhole, kVectors>(row, taps, {ys.begin, ys.end, 0, row.kernel_x}, c, whole.begin,
                                            whole.end);
  for (int64_t column = whole.end; column < row.out_columns; ++column) at_edge(column);
}

void depthwise_of_any_size(const WindowRow& row, const DepthwiseTaps& taps, const TapRange& ys) {
  int64_t c = 0;
  for (; c + 4 * Simd::kWidth <= row.channels; c += 4 * Simd::kWidth)
    depthwise_channels<true, 4>(row, taps, ys, c);
  for (; c + 2 * Simd::kWidth <= row.channels; c += 2 * Simd::kWidth)
    depthwise_channels<true, 2>(row, taps, ys, c);
  if (c + Simd::kWidth <= row.channels) {
    depthwise_channels<true, 1>(row, taps, ys, c);
    c += Simd::kWidth;
  }
  if (c < row.channels) depthwise_channels<false, 1>(row, taps, ys, c);
}

/// One column of any window, of whose lines `ys` are inside.
void depthwise_column(const WindowRow& row, const DepthwiseTaps& taps, const TapRange& ys, int64_t column) {
  const TapRange xs(column * row.stride_x - row.pad_left, row.kernel_x, row.dilation_x, row.columns);
  const TapRectangle inside{ys.begin, ys.end, xs.begin, xs.end};
  int64_t c = 0;
  for (; c + 4 * Simd::kWidth <= row.channels; c += 4 * Simd::kWidth)
    depthwise_block<true, 4, 1>(row, taps, inside, c, column);
  for (; c + Simd::kWidth <= row.channels; c += Simd::kWidth)
    depthwise_block<true, 1, 1>(row, taps, inside, c, column);
  if (c < row.channels) depthwise_block<false, 1, 1>(row, taps, inside, c, column);
}

}  // namespace
}  // namespace halftone::cpu
