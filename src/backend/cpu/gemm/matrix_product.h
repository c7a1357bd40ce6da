#pragma once

#include "backend/cpu/gemm/gemm_float.h"

namespace halftone::cpu {

/// y [m, n] = alpha A B for plain matrices on one thread. A's rows lie a_step apart.
struct MatrixProduct {
  const FloatGemmLoops& loops;
  std::byte* scratch;  ///< loops.scratch_bytes, 64-byte aligned

  /// B is given as its transpose [n, k].
  void by_rows(const float* a, int64_t a_step, int64_t m, const MatrixView& b, float* y,
               float alpha = 1) const {
    const WeightRows rows = rows_of(b);
    for (int64_t n = 0; n < b.rows; n += loops.tile_outputs)
      loops.many_rows(rows, a, a_step, m, {y, alpha, 0, nullptr, 0, 0}, n, end_of(n, b.rows), scratch);
  }
  /// B is [k, n].
  void by_columns(const float* a, int64_t a_step, int64_t m, const MatrixView& b, float* y,
                  float alpha = 1) const {
    for (int64_t n = 0; n < b.columns; n += loops.tile_outputs)
      loops.many_columns(b, a, a_step, m, {y, alpha, 0, nullptr, 0, 0}, n, end_of(n, b.columns), scratch);
  }

 private:
  int64_t end_of(int64_t n, int64_t count) const {
    return n + loops.tile_outputs < count ? n + loops.tile_outputs : count;
  }
};

}  // namespace halftone::cpu
