#pragma once

// The loops of window_loops.h over Simd, for the per-ISA sources only, as simd.h.

#include "backend/cpu/window/max_simd.h"

namespace halftone::cpu {
namespace {

struct AverageOp {
  float row_divisor;
  const float* column_divisors;
  Float start() const { return Simd::zero(); }
  Float tap(Float sum, Float x, int64_t) const { return Simd::add(sum, x); }
  Float finish(Float sum, int64_t column) const {
    return Simd::div(sum, Simd::broadcast(row_divisor * column_divisors[column]));
  }
};

template <bool kWhole>
struct DepthwiseOp {
  const WindowRow& row;
  const DepthwiseTaps& taps;
  int64_t c;

  Float start() const { return Simd::load(taps.bias + c); }
  Float tap(Float sum, Float x, int64_t tap) const {
    return Simd::fma(x, Simd::load(taps.weights + tap * taps.step + c), sum);
  }
  Float finish(Float sum, int64_t column) const {
    if (taps.residual)
      sum =
          Simd::add(sum, load_channels<kWhole>(taps.residual + column * row.channels + c, row.channels - c));
    return Simd::min(Simd::max(sum, Simd::broadcast(taps.low)), Simd::broadcast(taps.high));
  }
};

/// Columns [begin, end), whose 3 x 3 windows lie inside, with the weights in registers.
template <bool kWhole>
void slide_3x3(const WindowRow& row, const DepthwiseOp<kWhole>& op, int64_t c, int64_t begin, int64_t end) {
  const int64_t count = row.channels - c;
  Float weights[9];
#pragma GCC unroll 9
  for (int t = 0; t < 9; ++t) weights[t] = Simd::load(op.taps.weights + t * op.taps.step + c);
  const float* x = row.x + (row.top * row.columns + begin * row.stride_x - row.pad_left) * row.channels + c;
  const int64_t down = row.dilation_y * row.columns * row.channels, right = row.dilation_x * row.channels;
  int64_t first = begin;
  if (row.stride_x == 1 && row.dilation_x == 1) {  // two columns read four places together, not three each
    for (; first + 2 <= end; first += 2, x += 2 * row.channels) {
      Float left = op.start(), next = left;
#pragma GCC unroll 3
      for (int ky = 0; ky < 3; ++ky) {
        Float at[4];
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) at[i] = load_channels<kWhole>(x + ky * down + i * right, count);
#pragma GCC unroll 3
        for (int kx = 0; kx < 3; ++kx) {
          left = Simd::fma(at[kx], weights[ky * 3 + kx], left);
          next = Simd::fma(at[kx + 1], weights[ky * 3 + kx], next);
        }
      }
      store_channels<kWhole>(row.y + first * row.y_step + c, op.finish(left, first), count);
      store_channels<kWhole>(row.y + (first + 1) * row.y_step + c, op.finish(next, first + 1), count);
    }
  }
  for (int64_t column = first; column < end; ++column, x += row.stride_x * row.channels) {
    Float sum = op.start();
#pragma GCC unroll 3
    for (int ky = 0; ky < 3; ++ky)
#pragma GCC unroll 3
      for (int kx = 0; kx < 3; ++kx)
        sum = Simd::fma(load_channels<kWhole>(x + ky * down + kx * right, count), weights[ky * 3 + kx], sum);
    store_channels<kWhole>(row.y + column * row.y_step + c, op.finish(sum, column), count);
  }
}

template <bool kWhole>
void depthwise_channels(const WindowRow& row, const DepthwiseTaps& taps, int64_t c) {
  const DepthwiseOp<kWhole> op{row, taps, c};
  const InnerColumns<3> inner(row);
  slide<kWhole>(row, op, c, 0, inner.begin);
  if (inner.begin < inner.end) slide_3x3<kWhole>(row, op, c, inner.begin, inner.end);
  slide<kWhole>(row, op, c, inner.end, row.out_columns);
}

void depthwise(const WindowRow& row, const DepthwiseTaps& taps) {
  int64_t c = 0;
  for (; c + Simd::kWidth <= row.channels; c += Simd::kWidth) depthwise_channels<true>(row, taps, c);
  if (c < row.channels) depthwise_channels<false>(row, taps, c);
}

void average(const WindowRow& row, float row_divisor, const float* column_divisors) {
  slide_all(row, [&](int64_t) { return AverageOp{row_divisor, column_divisors}; });
}

constexpr WindowLoops kWindowLoops = {Simd::kWidth, depthwise, max, average};

}  // namespace
}  // namespace halftone::cpu
