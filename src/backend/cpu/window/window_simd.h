#pragma once

// The loops of window_loops.h over Simd, for the per-ISA sources only, as simd.h.

#include "backend/cpu/simd.h"
#include "backend/cpu/window/window_loops.h"

namespace halftone::cpu {
namespace {

/// Taps [begin, end) of a window of `kernel` taps from `first` on that fall into [0, size).
struct TapRange {
  int64_t begin = 0, end;
  TapRange(int64_t first, int64_t kernel, int64_t dilation, int64_t size) : end(kernel) {
    if (first < 0) begin = (dilation - 1 - first) / dilation;
    if (first + (kernel - 1) * dilation >= size) end = size > first ? (size - 1 - first) / dilation + 1 : 0;
  }
};

/// The vector at p: whole, or its first `count` floats and 0 behind.
template <bool kWhole>
Float load_channels(const float* p, int64_t count) {
  if constexpr (kWhole) return Simd::load(p);
  return Simd::load_part(p, count);
}
template <bool kWhole>
void store_channels(float* p, Float x, int64_t count) {
  if constexpr (kWhole)
    Simd::store(p, x);
  else
    Simd::store_part(p, x, count);
}

/// Columns [begin, end) of one vector of channels from c on: op.start(), op.tap(sum, x, tap), op.finish(sum,
/// column).
template <bool kWhole, class Op>
void slide(const WindowRow& row, const Op& op, int64_t c, int64_t begin, int64_t end) {
  const int64_t count = row.channels - c;
  const TapRange ys(row.top, row.kernel_y, row.dilation_y, row.rows);
  for (int64_t column = begin; column < end; ++column) {
    const int64_t left = column * row.stride_x - row.pad_left;
    const TapRange xs(left, row.kernel_x, row.dilation_x, row.columns);
    Float sum = op.start();
    for (int64_t ky = ys.begin; ky < ys.end; ++ky) {
      const int64_t place = (row.top + ky * row.dilation_y) * row.columns + left;
      for (int64_t kx = xs.begin; kx < xs.end; ++kx)
        sum = op.tap(sum,
                     load_channels<kWhole>(row.x + (place + kx * row.dilation_x) * row.channels + c, count),
                     ky * row.kernel_x + kx);
    }
    store_channels<kWhole>(row.y + column * row.channels + c, op.finish(sum, column), count);
  }
}

/// `op(c)` makes the operation for the vector of channels from c on.
template <class MakeOp>
void slide_all(const WindowRow& row, MakeOp make) {
  int64_t c = 0;
  for (; c + Simd::kWidth <= row.channels; c += Simd::kWidth)
    slide<true>(row, make(c), c, 0, row.out_columns);
  if (c < row.channels) slide<false>(row, make(c), c, 0, row.out_columns);
}

struct MaxOp {
  Float start() const { return Simd::broadcast(-__builtin_inff()); }
  Float tap(Float sum, Float x, int64_t) const { return Simd::max(sum, x); }
  Float finish(Float sum, int64_t) const { return sum; }
};

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
      store_channels<kWhole>(row.y + first * row.channels + c, op.finish(left, first), count);
      store_channels<kWhole>(row.y + (first + 1) * row.channels + c, op.finish(next, first + 1), count);
    }
  }
  for (int64_t column = first; column < end; ++column, x += row.stride_x * row.channels) {
    Float sum = op.start();
#pragma GCC unroll 3
    for (int ky = 0; ky < 3; ++ky)
#pragma GCC unroll 3
      for (int kx = 0; kx < 3; ++kx)
        sum = Simd::fma(load_channels<kWhole>(x + ky * down + kx * right, count), weights[ky * 3 + kx], sum);
    store_channels<kWhole>(row.y + column * row.channels + c, op.finish(sum, column), count);
  }
}

/// The columns whose windows of kKernel x kKernel lie inside; none where the window is another.
template <int kKernel>
struct InnerColumns {
  int64_t begin = 0, end = 0;
  explicit InnerColumns(const WindowRow& row) {
    constexpr int64_t kSteps = kKernel - 1;
    if (row.kernel_y != kKernel || row.kernel_x != kKernel || row.top < 0 ||
        row.top + kSteps * row.dilation_y >= row.rows)
      return;
    begin = (row.pad_left + row.stride_x - 1) / row.stride_x;
    const int64_t last = row.columns - 1 - kSteps * row.dilation_x + row.pad_left;
    end = last < 0 ? 0 : last / row.stride_x + 1;
    if (end > row.out_columns) end = row.out_columns;
    if (end < begin) begin = end = 0;
  }
};

template <bool kWhole>
void depthwise_channels(const WindowRow& row, const DepthwiseTaps& taps, int64_t c) {
  const DepthwiseOp<kWhole> op{row, taps, c};
  const InnerColumns<3> inner(row);
  slide<kWhole>(row, op, c, 0, inner.begin);
  if (inner.begin < inner.end) slide_3x3<kWhole>(row, op, c, inner.begin, inner.end);
  slide<kWhole>(row, op, c, inner.end, row.out_columns);
}

template <bool kWhole, int kKernel>
void max_inside(const WindowRow& row, int64_t c, int64_t begin, int64_t end) {
  const int64_t count = row.channels - c;
  const int64_t down = row.dilation_y * row.columns * row.channels, right = row.dilation_x * row.channels;
  const float* x = row.x + (row.top * row.columns + begin * row.stride_x - row.pad_left) * row.channels + c;
  for (int64_t column = begin; column < end; ++column, x += row.stride_x * row.channels) {
    Float largest = MaxOp().start();
#pragma GCC unroll 3
    for (int ky = 0; ky < kKernel; ++ky)
#pragma GCC unroll 3
      for (int kx = 0; kx < kKernel; ++kx)
        largest = Simd::max(largest, load_channels<kWhole>(x + ky * down + kx * right, count));
    store_channels<kWhole>(row.y + column * row.channels + c, largest, count);
  }
}

template <bool kWhole>
void max_channels(const WindowRow& row, int64_t c) {
  const InnerColumns<2> two(row);
  const InnerColumns<3> three(row);
  const int64_t begin = two.begin + three.begin, end = two.end + three.end;  // one of them has none
  slide<kWhole>(row, MaxOp{}, c, 0, begin);
  max_inside<kWhole, 2>(row, c, two.begin, two.end);
  max_inside<kWhole, 3>(row, c, three.begin, three.end);
  slide<kWhole>(row, MaxOp{}, c, end, row.out_columns);
}

void depthwise(const WindowRow& row, const DepthwiseTaps& taps) {
  int64_t c = 0;
  for (; c + Simd::kWidth <= row.channels; c += Simd::kWidth) depthwise_channels<true>(row, taps, c);
  if (c < row.channels) depthwise_channels<false>(row, taps, c);
}

void max(const WindowRow& row) {
  int64_t c = 0;
  for (; c + Simd::kWidth <= row.channels; c += Simd::kWidth) max_channels<true>(row, c);
  if (c < row.channels) max_channels<false>(row, c);
}

void average(const WindowRow& row, float row_divisor, const float* column_divisors) {
  slide_all(row, [&](int64_t) { return AverageOp{row_divisor, column_divisors}; });
}

constexpr WindowLoops kWindowLoops = {Simd::kWidth, depthwise, max, average};

}  // namespace
}  // namespace halftone::cpu
