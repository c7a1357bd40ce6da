#pragma once

#include "backend/cpu/gemm/int_panels.h"

namespace halftone::cpu {

/// Quantized rows of A in the padded order of IntSegment, plain data for code of any instruction set.
struct IntRows {
  int64_t rows;
  int8_t* codes;        ///< [rows, stride]
  int64_t stride;       ///< codes from one row to the next, a multiple of 64
  std::byte* other;     ///< the same codes in a form of the loops' own, or null
  int64_t other_bytes;  ///< of a row; 16 rows lie together
  /// [segments, sums_step]: the sum of the codes, under ZeroKind::shared times what it adds to their
  /// products.
  int32_t* sums;
  int64_t sums_step;  ///< rows of the whole run, of which these may be a part
  float* scales;      ///< [rows, groups]
  int64_t groups;
  int64_t group;  ///< columns of A' that share a scale
};

/// Where products go: Y = alpha * product + beta * C.
struct IntOutput {
  float* y;  ///< [rows, n]
  float alpha, beta;
  const float* c;  ///< null when absent
  int64_t c_row_step, c_column_step;
};

/// The loops for one instruction set. Bit for bit the same results from each (ops/gemm/gemm.h).
struct IntGemmLoops {
  int64_t tile_panels;  ///< panels that many_rows() takes at a time
  int64_t chunk_rows;   ///< rows that it takes at a time; 0: as many as lie in the cache
  int64_t (*few_rows_most)(const IntPanelsView& weights);  ///< rows up to which few_rows() is the faster
  /// IntRows::other_bytes of rows of `stride` codes; 0: no other form is wanted.
  int64_t (*other_bytes)(const IntPanelsView& weights, int64_t stride);
  /// Quantizes rows [begin, end) of `a` [rows, k] into `to`.
  void (*quantize)(const IntPanelsView& weights, const float* a, const IntRows& to, int64_t begin,
                   int64_t end);
  /// All rows (few) times panels [begin, end), reading the weights once.
  void (*few_rows)(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t begin,
                   int64_t end);
  int64_t (*scratch_bytes)(const IntPanelsView& weights, int64_t rows);  ///< of many_rows()
  /// All rows times panels [begin, end), tile_panels at most, by way of `scratch`: scratch_bytes(), 64-byte
  /// aligned.
  void (*many_rows)(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t begin,
                    int64_t end, std::byte* scratch);
};

extern const IntGemmLoops int_gemm_amx;
extern const IntGemmLoops int_gemm_avx512vnni;
extern const IntGemmLoops int_gemm_avxvnni;
extern const IntGemmLoops int_gemm_avx2;
extern const IntGemmLoops int_gemm_neoni8mm;
extern const IntGemmLoops int_gemm_neondot;

}  // namespace halftone::cpu
