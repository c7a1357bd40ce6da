#pragma once

// For per-ISA sources only, as simd.h.

#include <immintrin.h>

namespace halftone::cpu {
namespace {

inline __m512 floats_of(__m256i bf16) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bf16), 16));
}

/// 32 numbers as sums of bf16 ones: the nearest, the nearest to what is left, and so on.
template <int kParts>
inline void split(__m512 low, __m512 high, __m512i (&parts)[kParts]) {
#pragma GCC unroll 3
  for (int p = 0; p < kParts; ++p) {
    parts[p] = (__m512i)_mm512_cvtne2ps_pbh(high, low);
    if (p + 1 == kParts) break;
    low = _mm512_sub_ps(low, floats_of(_mm512_castsi512_si256(parts[p])));
    high = _mm512_sub_ps(high, floats_of(_mm512_extracti64x4_epi64(parts[p], 1)));
  }
}

}  // namespace
}  // namespace halftone::cpu
