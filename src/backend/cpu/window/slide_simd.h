#pragma once

// A window that slides along a row over Simd, for the per-ISA sources only, as simd.h.

#include "backend/cpu/simd_math.h"
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
    store_channels<kWhole>(row.y + column * row.y_step + c, op.finish(sum, column), count);
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

/// The columns whose taps all lie inside [0, columns), whatever their lines.
struct WholeColumns {
  int64_t begin, end;
  explicit WholeColumns(const WindowRow& row) {
    begin = (row.pad_left + row.stride_x - 1) / row.stride_x;
    const int64_t last = row.columns - 1 - (row.kernel_x - 1) * row.dilation_x + row.pad_left;
    end = last < 0 ? 0 : last / row.stride_x + 1;
    if (end > row.out_columns) end = row.out_columns;
    if (end < begin) begin = end = 0;
  }
};

/// The columns whose windows of kKernel x kKernel lie inside; none where the window is another.
template <int kKernel>
struct InnerColumns {
  static constexpr int64_t kSteps = kKernel - 1;
  int64_t begin = 0, end = 0;

  explicit InnerColumns(const WindowRow& row) {
    if (row.top >= 0 && row.top + kSteps * row.dilation_y < row.rows) *this = of_any_lines(row);
  }

  /// Of windows whose lines need not all lie inside.
  static InnerColumns of_any_lines(const WindowRow& row) {
    InnerColumns inner;
    if (row.kernel_y != kKernel || row.kernel_x != kKernel) return inner;
    const WholeColumns whole(row);
    inner.begin = whole.begin;
    inner.end = whole.end;
    return inner;
  }

 private:
  InnerColumns() = default;
};

}  // namespace
}  // namespace halftone::cpu
