#pragma once

#include "backend/cpu/gemm/gemm_float.h"

namespace halftone::cpu {

/// Few rows times weights of 4-bit codes, which are looked up in a table of 16 numbers word by word: a word
/// has eight codes, and its code j is in the low bits once it is shifted by 4 j, so nothing is unpacked. The
/// activations lie in that order.
struct NibbleLoops {
  /// to[128 b + 16 j + w] = a[128 b + 8 w + j] over `count` numbers, a multiple of kNibbleBlock.
  void (*arrange)(const float* a, int64_t count, float* to);
  /// As FloatGemmLoops::few_rows(), of arranged rows.
  void (*few_rows)(const WeightRows& weights, const float* arranged, int64_t m, const FloatOutput& out,
                   int64_t begin, int64_t end);
};

/// Codes that are looked at together: 16 words.
inline constexpr int64_t kNibbleBlock = 128;

/// Whether NibbleLoops take these weights.
inline bool has_nibbles(const WeightRows& w) {
  if (w.bits != 4 || (w.kind != RowKind::integers && w.kind != RowKind::table)) return false;
  const bool whole_groups =
      w.group >= w.k || w.group % kNibbleBlock == 0 || (w.group % 8 == 0 && kNibbleBlock % w.group == 0);
  return w.k % kNibbleBlock == 0 && whole_groups;
}

extern const NibbleLoops nibble_rows_avx512vnni;

}  // namespace halftone::cpu
