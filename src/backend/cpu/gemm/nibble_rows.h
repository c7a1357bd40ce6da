#pragma once

#include "backend/cpu/gemm/gemm_float.h"

namespace halftone::cpu {

/// Few rows times weights of 4-bit codes, which are looked up in a table of 16 numbers, many at a time. The
/// activations lie in the order in which the numbers come.
struct NibbleLoops {
  int64_t least_group;  ///< columns that share a scale, at least
  /// Puts `count` activations, a multiple of kNibbleBlock, in order.
  void (*arrange)(const float* a, int64_t count, float* to);
  /// As FloatGemmLoops::few_rows(), of arranged rows.
  void (*few_rows)(const WeightRows& weights, const float* arranged, int64_t m, const FloatOutput& out,
                   int64_t begin, int64_t end);
};

/// Rows are of so many codes times a whole number.
inline constexpr int64_t kNibbleBlock = 128;

/// Whether `loops` take these weights.
inline bool takes_nibbles(const NibbleLoops& loops, const WeightRows& w) {
  if (w.bits != 4 || (w.kind != RowKind::integers && w.kind != RowKind::table)) return false;
  const bool whole_groups = w.group >= w.k || w.group % kNibbleBlock == 0 ||
                            (w.group >= loops.least_group && kNibbleBlock % w.group == 0);
  return w.k % kNibbleBlock == 0 && whole_groups;
}

extern const NibbleLoops nibble_rows_avx512vnni;
extern const NibbleLoops nibble_rows_avx2;
extern const NibbleLoops nibble_rows_neon;

}  // namespace halftone::cpu
