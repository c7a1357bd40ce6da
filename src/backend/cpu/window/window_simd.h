#pragma once

// The loops of window_loops.h over Simd, for the per-ISA sources only, as simd.h.

#include "backend/cpu/window/depthwise_simd.h"
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

/// Columns [begin, end), whose 3 x 3 windows lie inside but for lines that are no of [kFirst, kLast), with
/// the weights in registers. What it reads of `from` and `taps` it copies: stores of vectors might change
/// them.
template <bool kWhole, int kFirst, int kLast>
void slide_3x3(const WindowRow& from, const DepthwiseTaps& taps, int64_t c, int64_t begin, int64_t end) {
  const WindowRow row = from;
  const int64_t count = row.channels - c, next = row.stride_x * row.channels, y_step = row.y_step;
  Float weights[9];
#pragma GCC unroll 9
  for (int t = 3 * kFirst; t < 3 * kLast; ++t) weights[t] = Simd::load(taps.weights + t * taps.step + c);
  const Float bias = Simd::load(taps.bias + c);
  const Float low = Simd::broadcast(taps.low), high = Simd::broadcast(taps.high);
  const bool swishes = taps.hard_swish;
  const int64_t down = row.dilation_y * row.columns * row.channels, right = row.dilation_x * row.channels;
  const int64_t first_place = (row.top + kFirst * row.dilation_y) * row.columns - row.pad_left;
  const float* x = row.x + (first_place + begin * row.stride_x) * row.channels + c;
  const float* residual = taps.residual ? taps.residual + begin * row.channels + c : nullptr;
  float* y = row.y + begin * y_step + c;
  const auto store = [&](Float sum) {
    if (residual) {
      sum = Simd::add(sum, load_channels<kWhole>(residual, count));
      residual += row.channels;
    }
    sum = Simd::min(Simd::max(sum, low), high);
    store_channels<kWhole>(y, swishes ? hard_swish(sum) : sum, count);
    y += y_step;
  };
  int64_t column = begin;
  if (row.stride_x == 1 && row.dilation_x == 1) {  // two columns read four places together, not three each
    for (; column + 2 <= end; column += 2, x += 2 * next) {
      Float sum = bias, after = bias;
#pragma GCC unroll 3
      for (int ky = kFirst; ky < kLast; ++ky) {
        Float at[4];
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i)
          at[i] = load_channels<kWhole>(x + (ky - kFirst) * down + i * right, count);
#pragma GCC unroll 3
        for (int kx = 0; kx < 3; ++kx) {
          sum = Simd::fma(at[kx], weights[ky * 3 + kx], sum);
          after = Simd::fma(at[kx + 1], weights[ky * 3 + kx], after);
        }
      }
      store(sum);
      store(after);
    }
  }
  for (; column < end; ++column, x += next) {
    Float sum = bias;
#pragma GCC unroll 3
    for (int ky = kFirst; ky < kLast; ++ky)
#pragma GCC unroll 3
      for (int kx = 0; kx < 3; ++kx)
        sum = Simd::fma(load_channels<kWhole>(x + (ky - kFirst) * down + kx * right, count),
                        weights[ky * 3 + kx], sum);
    store(sum);
  }
}

template <int kFirst, int kLast>
void depthwise_3x3(const WindowRow& row, const DepthwiseTaps& taps, const InnerColumns<3>& inner) {
  for (int64_t begin = inner.begin; begin < inner.end; begin += kNearColumns) {
    const int64_t end = inner.end - begin < kNearColumns ? inner.end : begin + kNearColumns;
    each_vector(row.channels,
                [&]<bool kWhole>(int64_t c) { slide_3x3<kWhole, kFirst, kLast>(row, taps, c, begin, end); });
  }
}

void depthwise(const WindowRow& row, const DepthwiseTaps& taps) {
  const TapRange ys(row.top, row.kernel_y, row.dilation_y, row.rows);
  if (row.kernel_y != 3 || row.kernel_x != 3) return depthwise_of_any_size(row, taps, ys);
  InnerColumns<3> inner = InnerColumns<3>::of_any_lines(row);
  if (inner.begin < inner.end && ys.begin == 0 && ys.end == 3)
    depthwise_3x3<0, 3>(row, taps, inner);
  else if (inner.begin < inner.end && ys.begin == 1 && ys.end == 3)
    depthwise_3x3<1, 3>(row, taps, inner);
  else if (inner.begin < inner.end && ys.begin == 0 && ys.end == 2)
    depthwise_3x3<0, 2>(row, taps, inner);
  else
    inner.begin = inner.end = 0;
  for (int64_t column = 0; column < inner.begin; ++column) depthwise_column(row, taps, ys, column);
  for (int64_t column = inner.end; column < row.out_columns; ++column)
    depthwise_column(row, taps, ys, column);
}

void gather_rows(const float* from, int64_t step, int64_t count, float* to) {
  for (int64_t i = 0; i < count; ++i, from += step, to += 2 * Simd::kWidth) {
    Simd::store(to, Simd::load(from));
    Simd::store(to + Simd::kWidth, Simd::load(from + Simd::kWidth));
  }
}

void average(const WindowRow& row, float row_divisor, const float* column_divisors) {
  slide_all(row, [&](int64_t) { return AverageOp{row_divisor, column_divisors}; });
}

constexpr WindowLoops kWindowLoops = {Simd::kWidth, depthwise, gather_rows, max, average};

}  // namespace
}  // namespace halftone::cpu
