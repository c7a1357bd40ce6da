#pragma once

#include <cstdint>

namespace halftone::cpu {

/// What makes one number of many; root, logarithm and quotient come last.
enum class Fold : int32_t { sum, sum_of_magnitudes, sum_of_squares, product, max, min };

/// Loops over floats for one instruction set. NaN stays. Sums are made of parts of 128 elements, so their
/// error grows with the root of the count and not with the count.
struct FoldLoops {
  /// The fold of `count` neighbours, more than none.
  float (*run)(Fold fold, const float* x, int64_t count);
  /// y[i] becomes itself with x[i + r step] for all r below `rows`, for each i below `columns`.
  void (*rows)(Fold fold, const float* x, int64_t rows, int64_t step, float* y, int64_t columns);
  /// Where the largest (or smallest) of x[i + r step] stands among the rows, the first or the last of equal
  /// ones, for each i below `columns`. NaN is larger, and smaller, than everything.
  void (*places)(bool smallest, bool last, const float* x, int64_t rows, int64_t step, int64_t* places,
                 int64_t columns);
};

extern const FoldLoops fold_loops_avx512vnni;
extern const FoldLoops fold_loops_avx2;
extern const FoldLoops fold_loops_neon;

}  // namespace halftone::cpu
