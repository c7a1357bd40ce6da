#pragma once

// Activations into the tiles of gemm_bf16.h, for the per-ISA sources only (gemm_float_loops.h says why all of
// it is in an unnamed namespace).

#include "backend/cpu/bf16_parts_avx512.h"
#include "backend/cpu/gemm/avx512_vectors.h"
#include "backend/cpu/gemm/gemm_bf16.h"

namespace halftone::cpu {
namespace {

/// Lanes of 16 that lie before `end`, from `from` on.
inline __mmask16 lanes_before(int64_t from, int64_t end) {
  const int64_t count = end - from;
  return count >= 16 ? 0xffff : count <= 0 ? 0 : static_cast<__mmask16>((1u << count) - 1);
}

inline uint8_t is_odd_row(__m512i magnitudes) {
  const uint32_t most = _mm512_reduce_max_epu32(magnitudes);
  return most >= __builtin_bit_cast(uint32_t, kLargestInParts) ||
         (most != 0 && most < __builtin_bit_cast(uint32_t, kSmallestInParts));
}

/// Tile `tile` of 16 rows, `a` its first.
template <int kParts>
void pack_tile(const Bf16Rows& to, const float* a, int64_t a_step, int64_t tile) {
  alignas(64) float pairs[kParts][kBf16Side][kBf16Side];  // bit patterns: row, pair of columns
  const __m512i no_sign = _mm512_set1_epi32(0x7fffffff);
  __m512i most[kBf16Side];
  for (__m512i& x : most) x = _mm512_setzero_si512();
  const int64_t first = tile * kBf16Side;
  for (int64_t k = 0; k < to.k; k += kBf16Depth) {
    const __mmask16 low_lanes = lanes_before(k, to.k), high_lanes = lanes_before(k + 16, to.k);
    for (int64_t r = 0; r < kBf16Side; ++r) {
      const bool is_row = first + r < to.rows;
      const float* from = a + (is_row ? r : 0) * a_step + k;
      const __m512 low = _mm512_maskz_loadu_ps(is_row ? low_lanes : 0, from);
      const __m512 high = _mm512_maskz_loadu_ps(is_row ? high_lanes : 0, from + 16);
      if constexpr (kParts == kMostParts) {
        most[r] = _mm512_max_epu32(most[r], _mm512_and_si512(_mm512_castps_si512(low), no_sign));
        most[r] = _mm512_max_epu32(most[r], _mm512_and_si512(_mm512_castps_si512(high), no_sign));
      }
      __m512i parts[kParts];
      split<kParts>(low, high, parts);
      for (int p = 0; p < kParts; ++p) _mm512_store_si512(pairs[p][r], parts[p]);
    }
    const int64_t block = k / to.block, steps_before = block * to.block / kBf16Depth;
    const int64_t left = to.k - block * to.block;
    const int64_t steps = ((left < to.block ? left : to.block) + kBf16Depth - 1) / kBf16Depth;
    const int64_t at = steps_before * to.row_tiles + tile * steps + (k / kBf16Depth - steps_before);
    for (int p = 0; p < kParts; ++p)
      Avx512::transpose(pairs[p][0], kBf16Side,
                        reinterpret_cast<float*>(to.tiles + (at * kParts + p) * kBf16TileBytes));
  }
  if constexpr (kParts == kMostParts)
    for (int64_t r = 0; r < kBf16Side && first + r < to.rows; ++r) to.odd[first + r] = is_odd_row(most[r]);
}

void pack(const Bf16Rows& to, const float* a, int64_t a_step, int64_t begin, int64_t end) {
  for (int64_t tile = begin; tile < end; ++tile, a += kBf16Side * a_step)
    to.parts == 1 ? pack_tile<1>(to, a, a_step, tile) : pack_tile<kMostParts>(to, a, a_step, tile);
}

}  // namespace
}  // namespace halftone::cpu
