#pragma once

#include "backend/cpu/gemm/gemm_float.h"

namespace halftone::cpu {

// Floating products on instructions that multiply bf16 and sum f32. A number is written as the sum of up to
// three bf16 numbers, its parts: the nearest one, the nearest to what is left, and once more. Three hold all
// 24 bits of an f32; one alone is the number rounded. Part i of a weight meets part j of an activation where
// i + j < kMostParts; what is left out is below 2^-24 of the product. Denormals count as 0, as the
// instructions have it.
inline constexpr int kMostParts = 3;

/// Rows and outputs of a tile, and columns.
inline constexpr int64_t kBf16Side = 16, kBf16Depth = 32, kBf16TileBytes = 1024;

/// Activations [rows, k] in parts. Columns are cut into blocks (the last may be shorter). One after the other
/// lie the blocks, in each the tiles of 16 rows, in each its steps of 32 columns, in each the parts, each
/// [16 pairs of columns][16 rows][2]; rows and columns that do not exist are 0.
struct Bf16Rows {
  std::byte* tiles;
  int64_t rows, k;
  int64_t row_tiles;  ///< that hold the rows
  int64_t block;      ///< columns of a block, a multiple of kBf16Depth
  int parts;
  uint8_t* odd;  ///< [rows], of three parts: whether the row holds what parts cannot (is_odd_row())
};

/// Magnitudes outside which the largest of a row makes the row odd: a part may round to infinity, or what is
/// left may be denormal. 0 is neither.
inline constexpr float kSmallestInParts = 0x1p-60f, kLargestInParts = 0x1p120f;

struct Bf16Weights {
  WeightRows rows;
  int parts;
  const float* row_scales;  ///< [n], times the sums; null: none
};

/// The loops for one instruction set.
struct Bf16GemmLoops {
  /// Tiles [begin, end) of 16 rows; `a` is the first row of the first, rows lie a_step apart.
  void (*pack)(const Bf16Rows& to, const float* a, int64_t a_step, int64_t begin, int64_t end);
  /// All rows times outputs [begin, end), kBf16Outputs at most. Scratch: bf16_scratch_bytes(),
  /// 64-byte aligned.
  void (*multiply)(const Bf16Weights& weights, const Bf16Rows& a, const FloatOutput& out, int64_t begin,
                   int64_t end, std::byte* scratch);
};

/// Outputs that multiply() takes at a time: their sums stay in the second cache, with the rows of a
/// block.
inline constexpr int64_t kBf16Outputs = 256;

/// The usual Bf16Rows::block: two tiles of outputs' weights stay in the first cache, the rows in the second.
inline constexpr int64_t kBf16Block = 256;

/// multiply()'s scratch: the sums, two tiles of outputs' weights of a block, and one row as it is decoded.
constexpr int64_t bf16_scratch_bytes(const Bf16Rows& a, int weight_parts) {
  const int64_t sums = a.row_tiles * kBf16Side * kBf16Outputs * 4;
  return sums + 2 * kBf16Side * a.block * weight_parts * 2 + (a.block + kBf16Depth) * 4;
}

extern const Bf16GemmLoops bf16_gemm_amx;
extern const Bf16GemmLoops bf16_gemm_avx512bf16;

}  // namespace halftone::cpu
