#pragma once

#include "backend/cpu/simd_math.h"
#include "backend/cpu/softmax/softmax_loops.h"

namespace halftone::cpu {
namespace {

void softmax_row(const float* x, float* y, int64_t width) {
  constexpr int kWidth = Simd::kWidth;
  const int64_t whole = width / kWidth * kWidth;
  Float highest = Simd::broadcast(-__builtin_inff());
  for (int64_t i = 0; i < whole; i += kWidth) highest = Simd::max(highest, Simd::load(x + i));
  float top = Simd::highest(highest);
  for (int64_t i = whole; i < width; ++i) top = x[i] > top ? x[i] : top;

  const Float shift = Simd::broadcast(top);
  Float sums = Simd::zero();
  for (int64_t i = 0; i < whole; i += kWidth) {
    const Float e = exp_negative(Simd::sub(Simd::load(x + i), shift));
    sums = Simd::add(sums, e);
    Simd::store(y + i, e);
  }
  float sum = Simd::sum(sums);
  if (whole < width) {
    Simd::store_part(y + whole, exp_negative(Simd::sub(Simd::load_part(x + whole, width - whole), shift)),
                     width - whole);
    for (int64_t i = whole; i < width; ++i) sum += y[i];
  }
  const Float inverse = Simd::broadcast(1.0f / sum);
  for (int64_t i = 0; i < whole; i += kWidth) Simd::store(y + i, Simd::mul(Simd::load(y + i), inverse));
  for (int64_t i = whole; i < width; ++i) y[i] *= 1.0f / sum;
}

void softmax_rows(const float* x, float* y, int64_t rows, int64_t width) {
  for (int64_t row = 0; row < rows; ++row) softmax_row(x + row * width, y + row * width, width);
}

constexpr SoftmaxLoops kSoftmaxLoops{softmax_rows};

}  // namespace
}  // namespace halftone::cpu
