#pragma once

#include <cstdint>

namespace halftone::cpu {

/// Where the products of a tile go and what becomes of them: y = min(max(sum + bias + residual, low), high).
struct TileOutput {
  float* y;  ///< y[place(r) * y_step + n]
  int64_t y_step;
  const float* bias;      ///< [n], padded to whole vectors
  const float* residual;  ///< null, or residual[place(r) * residual_step + n]
  int64_t residual_step;
  float low, high;
  const int64_t* places = nullptr;  ///< place(r) is places[r], or r where this is null
};

/// Products of m rows and n outputs of packed weights for one instruction set. Weights are packed in panels
/// of `width` outputs, [k][width] each; the last one is half as wide when that holds what is left. Each
/// output is summed in the order of k, whatever m and n are.
struct FloatTileLoops {
  int64_t rows;   ///< of A that are held in registers at a time: blocks should be multiples of it
  int64_t width;  ///< outputs of a panel

  /// A[r][i] = a[r * a_step + i].
  void (*dense)(const float* a, int64_t a_step, int64_t m, int64_t k, const float* packed, int64_t n,
                const TileOutput& out);
  /// A[r][t * k + i] = pointers[t * m + r][i] for t in [0, taps): a window's taps.
  void (*indirect)(const float* const* pointers, int64_t taps, int64_t m, int64_t k, const float* packed,
                   int64_t n, const TileOutput& out);
  /// A[r][i] = a[r * a_step + offsets[i]].
  void (*gathered)(const float* a, int64_t a_step, const int32_t* offsets, int64_t m, int64_t k,
                   const float* packed, int64_t n, const TileOutput& out);
};

extern const FloatTileLoops float_tile_avx512vnni;
extern const FloatTileLoops float_tile_avx2;
extern const FloatTileLoops float_tile_neon;

}  // namespace halftone::cpu
