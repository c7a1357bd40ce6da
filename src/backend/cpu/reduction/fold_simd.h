#pragma once

#include "backend/cpu/reduction/fold_loops.h"
#include "backend/cpu/simd_functions.h"

namespace halftone::cpu {
namespace {

constexpr int64_t kPartRows = 128;

/// A fold as a start, what becomes of an element, and how two folds become one.
struct SumFold {
  static constexpr float kStart = 0;
  static Float of(Float x) { return x; }
  static Float join(Float a, Float b) { return Simd::add(a, b); }
  static float join(float a, float b) { return a + b; }
};
struct MagnitudeFold : SumFold {
  static Float of(Float x) { return Simd::abs(x); }
};
struct SquareFold : SumFold {
  static Float of(Float x) { return Simd::mul(x, x); }
};
struct ProductFold {
  static constexpr float kStart = 1;
  static Float of(Float x) { return x; }
  static Float join(Float a, Float b) { return Simd::mul(a, b); }
  static float join(float a, float b) { return a * b; }
};
struct MaxFold {
  static constexpr float kStart = -__builtin_inff();
  static Float of(Float x) { return x; }
  static Float join(Float a, Float b) { return higher(a, b); }
  static float join(float a, float b) { return a > b || a != a ? a : b; }
};
struct MinFold {
  static constexpr float kStart = __builtin_inff();
  static Float of(Float x) { return x; }
  static Float join(Float a, Float b) { return lower(a, b); }
  static float join(float a, float b) { return a < b || a != a ? a : b; }
};

template <class F>
void visit_fold(Fold fold, F f) {
  switch (fold) {
    case Fold::sum:
      return f(SumFold());
    case Fold::sum_of_magnitudes:
      return f(MagnitudeFold());
    case Fold::sum_of_squares:
      return f(SquareFold());
    case Fold::product:
      return f(ProductFold());
    case Fold::max:
      return f(MaxFold());
    case Fold::min:
      return f(MinFold());
  }
}

/// The first `count` elements, the start of the fold behind them.
template <class F>
Float folded_part(const float* x, int64_t count) {
  float all[Simd::kWidth];
  Simd::store(all, Simd::broadcast(F::kStart));
  Simd::store_part(all, F::of(Simd::load_part(x, count)), count);
  return Simd::load(all);
}

template <class F>
float folded_lanes(Float lanes) {
  float all[Simd::kWidth];
  Simd::store(all, lanes);
  for (int half = Simd::kWidth / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) all[i] = F::join(all[i], all[i + half]);
  return all[0];
}

/// Four vectors at a time, each over kPartRows elements of a lane before it joins the others.
template <class F>
float fold_run(const float* x, int64_t count) {
  constexpr int kWidth = Simd::kWidth, kFour = 4 * kWidth;
  const Float start = Simd::broadcast(F::kStart);
  Float all = start;
  int64_t i = 0;
  while (i + kFour <= count) {
    const int64_t end = count - i < kPartRows * kFour ? count : i + kPartRows * kFour;
    Float a = start, b = start, c = start, d = start;
    for (; i + kFour <= end; i += kFour) {
      a = F::join(a, F::of(Simd::load(x + i)));
      b = F::join(b, F::of(Simd::load(x + i + kWidth)));
      c = F::join(c, F::of(Simd::load(x + i + 2 * kWidth)));
      d = F::join(d, F::of(Simd::load(x + i + 3 * kWidth)));
    }
    all = F::join(all, F::join(F::join(a, b), F::join(c, d)));
  }
  for (; i + kWidth <= count; i += kWidth) all = F::join(all, F::of(Simd::load(x + i)));
  if (i < count) all = F::join(all, folded_part<F>(x + i, count - i));
  return folded_lanes<F>(all);
}

/// One vector of columns (or `part` of it) over all rows.
template <class F>
void fold_column(const float* x, int64_t rows, int64_t step, float* y, int64_t part) {
  auto load = [part](const float* p) {
    return part < Simd::kWidth ? Simd::load_part(p, part) : Simd::load(p);
  };
  Float all = load(y);
  for (int64_t r = 0; r < rows;) {
    const int64_t end = rows - r < kPartRows ? rows : r + kPartRows;
    Float sums = Simd::broadcast(F::kStart);
    for (; r < end; ++r) sums = F::join(sums, F::of(load(x + r * step)));
    all = F::join(all, sums);
  }
  if (part < Simd::kWidth)
    Simd::store_part(y, all, part);
  else
    Simd::store(y, all);
}

/// Columns in groups of kMost, the folds of which stay in the nearest cache, so that rows are read along.
template <class F>
void fold_rows(const float* x, int64_t rows, int64_t step, float* y, int64_t columns) {
  constexpr int kWidth = Simd::kWidth, kMost = 1024;
  float sums[kMost];
  int64_t first = 0;
  while (columns - first >= kWidth) {
    const int64_t left = columns - first, count = left < kMost ? left / kWidth * kWidth : kMost;
    for (int64_t r = 0; r < rows;) {
      const int64_t end = rows - r < kPartRows ? rows : r + kPartRows;
      for (int64_t i = 0; i < count; i += kWidth)
        Simd::store(sums + i, F::of(Simd::load(x + r * step + first + i)));
      for (++r; r + 1 < end; r += 2) {
        const float* row = x + r * step + first;
        for (int64_t i = 0; i < count; i += kWidth) {
          const Float two = F::join(Simd::load(sums + i), F::of(Simd::load(row + i)));
          Simd::store(sums + i, F::join(two, F::of(Simd::load(row + step + i))));
        }
      }
      for (; r < end; ++r)
        for (int64_t i = 0; i < count; i += kWidth)
          Simd::store(sums + i, F::join(Simd::load(sums + i), F::of(Simd::load(x + r * step + first + i))));
      for (int64_t i = 0; i < count; i += kWidth)
        Simd::store(y + first + i, F::join(Simd::load(y + first + i), Simd::load(sums + i)));
    }
    first += count;
  }
  if (first < columns) fold_column<F>(x + first, rows, step, y + first, columns - first);
}

float run(Fold fold, const float* x, int64_t count) {
  float y = 0;
  visit_fold(fold, [&](auto f) { y = fold_run<decltype(f)>(x, count); });
  return y;
}

void rows(Fold fold, const float* x, int64_t count, int64_t step, float* y, int64_t columns) {
  visit_fold(fold, [&](auto f) { fold_rows<decltype(f)>(x, count, step, y, columns); });
}

}  // namespace
}  // namespace halftone::cpu
