#pragma once

// For *_avx2.cpp and *_avxvnni.cpp sources only (see code_tile_loops.h).

#include "backend/cpu/activation/activation_loops.h"
#include "backend/cpu/int8/code_finish_avx2.h"

namespace halftone::cpu {
namespace {

// Sums of a batch of rows and a panel of outputs lie in memory, 16 a row, so that what they are multiplied by
// is loaded once a batch. Sums::make(tile, store) calls store(first row, rows, first output, outputs, sums)
// for each.

template <class Sums>
void sums_to_codes(const CodeTile& tile, const CodeFinish& finish, uint8_t* out) {
  Sums::make(tile, [&](int64_t row, int64_t rows, int64_t output, int64_t count, const int32_t* sums) {
    const int64_t at = (tile.places ? 0 : row * tile.out_step) + output;
    CodeFinishAvx2::to_codes({sums, rows, tile.places ? tile.places + row : nullptr, output, count,
                              tile.residual ? tile.residual + at : nullptr, tile.out_step, out + at},
                             finish);
  });
}

/// Whole rows, with the multipliers in registers.
inline void store_rows(const int32_t* sums, int64_t rows, const float* multipliers, const int64_t* places,
                       int64_t step, float* out) {
  const __m256 first = _mm256_loadu_ps(multipliers), last = _mm256_loadu_ps(multipliers + 8);
  for (int64_t r = 0; r < rows; ++r, sums += kCodePanel) {
    float* to = out + (places ? places[r] : r) * step;
    _mm256_storeu_ps(to, _mm256_mul_ps(_mm256_cvtepi32_ps(CodeFinishAvx2::load(sums)), first));
    _mm256_storeu_ps(to + 8, _mm256_mul_ps(_mm256_cvtepi32_ps(CodeFinishAvx2::load(sums + 8)), last));
  }
}

template <class Sums>
void sums_to_floats(const CodeTile& tile, const CodeFinish& finish, float* out) {
  Sums::make(tile, [&](int64_t row, int64_t rows, int64_t output, int64_t count, const int32_t* sums) {
    if (count >= kCodePanel && !finish.below && !tile.residual)
      return store_rows(sums, rows, finish.multipliers + output, tile.places ? tile.places + row : nullptr,
                        tile.out_step, out + (tile.places ? 0 : row * tile.out_step) + output);
    for (int64_t r = 0; r < rows; ++r, sums += kCodePanel) {
      const int64_t place = tile.places ? tile.places[row + r] : row + r;
      const int64_t at = place * tile.out_step + output;
      __m256i low = CodeFinishAvx2::load(sums), high = CodeFinishAvx2::load(sums + 8);
      if (tile.residual) CodeFinishAvx2::join(low, high, finish, output, tile.residual + at, count);
      CodeFinishAvx2::store_floats(low, high, finish, output, out + at, count);
    }
  });
}

}  // namespace
}  // namespace halftone::cpu
