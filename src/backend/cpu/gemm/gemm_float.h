#pragma once

#include <cstddef>
#include <cstdint>

namespace halftone::cpu {

/// How f32 numbers come from the bytes of a row.
enum class RowKind : int32_t {
  f32,
  f16,
  bf16,
  integers,  ///< (code - zero) * scale
  minimum,   ///< code * scale + minimum
  table      ///< table[code] * scale
};

/// Weights [n, k] as stored, row by row, plain data for code of any instruction set. Any alignment.
struct WeightRows {
  RowKind kind;
  int32_t bits;  ///< of a code; rows of codes are little-endian bit streams
  int64_t n, k;
  const std::byte* data;
  const std::byte* data_end;
  int64_t row_bytes;
  int64_t group;       ///< columns that share a scale
  int64_t scale_step;  ///< scales from one row to the next; 0 when all rows share them
  RowKind scale_kind;  ///< f32, f16 or bf16, of scales and minima
  const std::byte* scales;
  const std::byte* minima;
  const uint8_t* zeros;  ///< null: shared_zero
  int32_t shared_zero;
  const float* table;  ///< [2^bits], 16 at least
};

/// A plain matrix of activations.
struct MatrixView {
  const float* data;
  int64_t rows, columns;
  int64_t step;  ///< from one row to the next
};

/// The same as weights [n, k] for many_rows().
inline WeightRows rows_of(const MatrixView& matrix) {
  WeightRows rows{};
  rows.kind = RowKind::f32;
  rows.n = matrix.rows;
  rows.k = rows.group = matrix.columns;
  rows.row_bytes = matrix.step * static_cast<int64_t>(sizeof(float));
  rows.data = reinterpret_cast<const std::byte*>(matrix.data);
  rows.data_end =
      reinterpret_cast<const std::byte*>(matrix.data + (matrix.rows - 1) * matrix.step + matrix.columns);
  return rows;
}

/// Where products go: Y = alpha * product + beta * C.
struct FloatOutput {
  float* y;  ///< [m, n]
  float alpha, beta;
  const float* c;  ///< null when absent
  int64_t c_row_step, c_column_step;
};

/// The loops for one instruction set.
struct FloatGemmLoops {
  int64_t tile_outputs;   ///< outputs that many_rows() takes at a time
  int64_t scratch_bytes;  ///< that it needs
  /// All rows of `a` [m, k] (few) times outputs [begin, end), reading the weights once.
  void (*few_rows)(const WeightRows& weights, const float* a, int64_t m, const FloatOutput& out,
                   int64_t begin, int64_t end);
  /// All rows, a_step elements apart, times outputs [begin, end), tile_outputs at most. Scratch: 64-byte
  /// aligned.
  void (*many_rows)(const WeightRows& weights, const float* a, int64_t a_step, int64_t m,
                    const FloatOutput& out, int64_t begin, int64_t end, std::byte* scratch);
  /// The same for B [k, n] as it lies.
  void (*many_columns)(const MatrixView& b, const float* a, int64_t a_step, int64_t m, const FloatOutput& out,
                       int64_t begin, int64_t end, std::byte* scratch);
};

/// Rows that few_rows() takes.
inline constexpr int64_t kFewFloatRows = 8;

extern const FloatGemmLoops float_gemm_avx512vnni;
extern const FloatGemmLoops float_gemm_avx2;
extern const FloatGemmLoops float_gemm_neon;

}  // namespace halftone::cpu
