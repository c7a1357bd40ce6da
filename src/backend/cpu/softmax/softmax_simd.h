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

/// x less the logarithm of the sum of e^x.
void log_softmax_row(const float* x, float* y, int64_t width) {
  constexpr int kWidth = Simd::kWidth;
  const int64_t whole = width / kWidth * kWidth, rest = width - whole;
  Float highest = Simd::broadcast(-__builtin_inff());
  for (int64_t i = 0; i < whole; i += kWidth) highest = Simd::max(highest, Simd::load(x + i));
  float top = Simd::highest(highest);
  for (int64_t i = whole; i < width; ++i) top = x[i] > top ? x[i] : top;

  const Float shift = Simd::broadcast(top);
  Float sums = Simd::zero();
  for (int64_t i = 0; i < whole; i += kWidth)
    sums = Simd::add(sums, exp_negative(Simd::sub(Simd::load(x + i), shift)));
  float sum = Simd::sum(sums);
  if (rest > 0) {
    float last[kWidth];
    Simd::store(last, exp_negative(Simd::sub(Simd::load_part(x + whole, rest), shift)));
    for (int64_t i = 0; i < rest; ++i) sum += last[i];
  }
  const Float logarithm = Simd::broadcast(__builtin_logf(sum));
  for (int64_t i = 0; i < whole; i += kWidth)
    Simd::store(y + i, Simd::sub(Simd::sub(Simd::load(x + i), shift), logarithm));
  if (rest > 0)
    Simd::store_part(y + whole, Simd::sub(Simd::sub(Simd::load_part(x + whole, rest), shift), logarithm),
                     rest);
}

void softmax_rows(const float* x, float* y, int64_t rows, int64_t width) {
  for (int64_t row = 0; row < rows; ++row) softmax_row(x + row * width, y + row * width, width);
}
void log_softmax_rows(const float* x, float* y, int64_t rows, int64_t width) {
  for (int64_t row = 0; row < rows; ++row) log_softmax_row(x + row * width, y + row * width, width);
}

Float load_columns(const float* p, int64_t count) {
  return count < Simd::kWidth ? Simd::load_part(p, count) : Simd::load(p);
}
void store_columns(float* p, Float x, int64_t count) {
  if (count < Simd::kWidth)
    Simd::store_part(p, x, count);
  else
    Simd::store(p, x);
}

/// In groups of kMost columns, whose highest numbers and sums stay in the nearest cache.
void softmax_columns(bool logarithm, const float* x, float* y, int64_t size, int64_t step, int64_t columns) {
  constexpr int kWidth = Simd::kWidth, kMost = 128;
  for (int64_t first = 0; first < columns; first += kMost, x += kMost, y += kMost) {
    const int64_t count = columns - first < kMost ? columns - first : kMost;
    float tops[kMost], sums[kMost];
    for (int i = 0; i < kMost; ++i) {
      tops[i] = -__builtin_inff();
      sums[i] = 0;
    }
    for (int64_t r = 0; r < size; ++r)
      for (int64_t i = 0; i < count; i += kWidth)
        Simd::store(tops + i, Simd::max(Simd::load(tops + i), load_columns(x + r * step + i, count - i)));
    for (int64_t r = 0; r < size; ++r)
      for (int64_t i = 0; i < count; i += kWidth) {
        const Float e =
            exp_negative(Simd::sub(load_columns(x + r * step + i, count - i), Simd::load(tops + i)));
        Simd::store(sums + i, Simd::add(Simd::load(sums + i), e));
        if (!logarithm) store_columns(y + r * step + i, e, count - i);
      }
    if (logarithm) {
      for (int i = 0; i < count; ++i) sums[i] = __builtin_logf(sums[i]);
      for (int64_t r = 0; r < size; ++r)
        for (int64_t i = 0; i < count; i += kWidth) {
          const Float less = Simd::sub(load_columns(x + r * step + i, count - i), Simd::load(tops + i));
          store_columns(y + r * step + i, Simd::sub(less, Simd::load(sums + i)), count - i);
        }
    } else {
      for (int i = 0; i < kMost; ++i) sums[i] = 1.0f / sums[i];
      for (int64_t r = 0; r < size; ++r)
        for (int64_t i = 0; i < count; i += kWidth)
          store_columns(y + r * step + i,
                        Simd::mul(load_columns(y + r * step + i, count - i), Simd::load(sums + i)),
                        count - i);
    }
  }
}

constexpr SoftmaxLoops kSoftmaxLoops{softmax_rows, log_softmax_rows, softmax_columns};

}  // namespace
}  // namespace halftone::cpu
