#pragma once

// The innermost loop of multiply(), over a vector type V, for the per-ISA sources only. Everything is in an
// unnamed namespace and calls no inline function of another header: a copy compiled for one processor must
// not be shared with code for another.

#include "quant/matrix/multiply_kernel.h"

namespace halftone {
namespace {

template <class V>
void multiply_tile(int64_t depth, const float* a, const float* b, float* out) {
  constexpr int kRows = V::kRows, kVectors = V::kColumns / V::kWidth;
  typename V::Float sum[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sum[r][v] = V::broadcast(0.0f);
  for (int64_t k = 0; k < depth; ++k, a += kRows, b += V::kColumns) {
    typename V::Float column[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) column[v] = V::load(b + v * V::kWidth);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const typename V::Float row = V::broadcast(a[r]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[r][v] = V::fma(row, column[v], sum[r][v]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) V::store(out + r * V::kColumns + v * V::kWidth, sum[r][v]);
}

}  // namespace
}  // namespace halftone
