#pragma once

// Maxima under a window over Simd, for the per-ISA sources only, as simd.h.

#include "backend/cpu/window/slide_simd.h"

namespace halftone::cpu {
namespace {

struct MaxOp {
  Float start() const { return Simd::broadcast(-__builtin_inff()); }
  Float tap(Float sum, Float x, int64_t) const { return Simd::max(sum, x); }
  Float finish(Float sum, int64_t) const { return sum; }
};

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
    store_channels<kWhole>(row.y + column * row.y_step + c, largest, count);
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

void max(const WindowRow& row) {
  int64_t c = 0;
  for (; c + Simd::kWidth <= row.channels; c += Simd::kWidth) max_channels<true>(row, c);
  if (c < row.channels) max_channels<false>(row, c);
}

}  // namespace
}  // namespace halftone::cpu
