#pragma once

// Codes in KvOrder::fours token by token, for those who read rows; for per-ISA sources only (simd.h).

#include "backend/cpu/paged_attention/attention_loops.h"
#include "backend/cpu/simd_transpose.h"

namespace halftone::cpu {
namespace {

/// visit(token, column, 16 codes) for 32 tokens of keys.
template <class Visit>
void unfold_keys(const std::byte* stored, int64_t dim, Visit visit) {
  const __m512i offset = _mm512_set1_epi8(-128);
  for (int64_t t = 0; t < kFoursTokens; t += 16)
    for (int64_t i = 0; i < dim; i += 64) {
      __m512i rows[16];
      for (int64_t r = 0; r < 16; ++r) {
        const int64_t column = i + 4 * r < dim ? i + 4 * r : i;
        rows[r] = _mm512_xor_si512(_mm512_loadu_si512(stored + column * kFoursTokens + t * 4), offset);
      }
      transpose_16x16(rows);
      for (int64_t r = 0; r < 16; ++r) {
        alignas(64) std::byte codes[64];
        _mm512_store_si512(codes, rows[r]);
        for (int64_t c = 0; c < 64 && i + c < dim; c += 16) visit(t + r, i + c, codes + c);
      }
    }
}

/// The same of values.
template <class Visit>
void unfold_values(const std::byte* stored, int64_t dim, Visit visit) {
  const __m512i by_token =
      _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
  const __m512i lanes = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  for (int64_t t = 0; t < kFoursTokens; t += 4)
    for (int64_t i = 0; i < dim; i += 16) {
      const __m512i fours = _mm512_loadu_si512(stored + t * dim + i * 4);
      alignas(64) std::byte codes[64];
      _mm512_store_si512(codes, _mm512_permutexvar_epi32(lanes, _mm512_shuffle_epi8(fours, by_token)));
      for (int64_t r = 0; r < 4; ++r) visit(t + r, i, codes + 16 * r);
    }
}

template <class Visit>
void unfold(const std::byte* stored, bool keys, int64_t dim, Visit visit) {
  if (keys)
    unfold_keys(stored, dim, visit);
  else
    unfold_values(stored, dim, visit);
}

}  // namespace
}  // namespace halftone::cpu
