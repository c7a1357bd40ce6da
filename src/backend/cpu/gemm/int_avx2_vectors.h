#pragma once

// Vectors of integer products on AVX2, for gemm_int_avx2.cpp and gemm_int_avxvnni.cpp only (gemm_int_loops.h
// says why all of it is in an unnamed namespace).

#include <immintrin.h>

#include "backend/cpu/gemm/int_segment.h"

namespace halftone::cpu {
namespace {

/// Eight outputs: half of a panel.
struct Avx2 {
  using Int = __m256i;
  using Float = __m256;
  static constexpr int64_t kLanes = 8;

  static constexpr int32_t code_bias(int) { return 0; }

  static Int broadcast(int32_t x) { return _mm256_set1_epi32(x); }
  static Float broadcast(float x) { return _mm256_set1_ps(x); }
  static Int add(Int a, Int b) { return _mm256_add_epi32(a, b); }
  static Int multiply(Int a, Int b) { return _mm256_mullo_epi32(a, b); }
  static Float multiply(Float a, Float b) { return _mm256_mul_ps(a, b); }
  static Float fma(Float a, Float b, Float c) { return _mm256_fmadd_ps(a, b, c); }
  static Float to_float(Int x) { return _mm256_cvtepi32_ps(x); }

  static Int bias_minus_zeros(const std::byte* zeros, int32_t bias) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(zeros));
    return _mm256_sub_epi32(_mm256_set1_epi32(bias), _mm256_cvtepu8_epi32(bytes));
  }
  static Float load_scales(const std::byte* scales, ScaleType type, int64_t index) {
    if (type == ScaleType::f32) return _mm256_load_ps(reinterpret_cast<const float*>(scales) + index);
    const __m128i bits = _mm_load_si128(reinterpret_cast<const __m128i*>(scales + index * 2));
    if (type == ScaleType::f16) return _mm256_cvtph_ps(bits);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
  }

  /// Half a unit -> the codes of its quads, each a byte.
  template <int kBits>
  static void unpack(const std::byte* from, __m256i* quads) {
    const __m256i packed = _mm256_load_si256(reinterpret_cast<const __m256i*>(from));
    if constexpr (kBits == 8) {
      quads[0] = packed;
    } else {
      const __m256i mask = _mm256_set1_epi8(static_cast<char>((1 << kBits) - 1));
#pragma GCC unroll 4
      for (int q = 0; q < 8 / kBits; ++q)
        quads[q] = _mm256_and_si256(q == 0 ? packed : _mm256_srli_epi16(packed, q * kBits), mask);
    }
  }
};

inline __m256i broadcast_word(const void* from) {
  int32_t word;
  __builtin_memcpy(&word, from, sizeof(word));
  return _mm256_set1_epi32(word);
}

/// sum += x, here and now: compilers reorder chains of integer sums, and hold more values than there are
/// registers.
inline void add_32(__m256i& sum, __m256i x) {
  sum = _mm256_add_epi32(sum, x);
  asm("" : "+x"(sum));
}
inline void add_16(__m256i& sum, __m256i x) {
  sum = _mm256_add_epi16(sum, x);
  asm("" : "+x"(sum));
}

}  // namespace
}  // namespace halftone::cpu
