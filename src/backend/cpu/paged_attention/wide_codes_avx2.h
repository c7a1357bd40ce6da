#pragma once

// Integers of 16 bits for products with int8 codes: floats turned into them, and vectors of them; for per-ISA
// sources only (simd.h). Such an integer is off by 2^-16 of the largest of its row, where a code is off by
// 2^-8.

#include "backend/cpu/dot_products_avxvnni.h"
#include "backend/cpu/paged_attention/query_sums_simd.h"

namespace halftone::cpu {
namespace {

#if defined(__AVX2__) && !defined(__AVX512F__)

constexpr float kWideMost = 32767;  ///< of the integers of 16 bits

/// `count` numbers, a multiple of the vector's width, as scale * codes. Where one is not finite the scale is
/// NaN.
inline float to_wide_codes(const float* from, int64_t count, int16_t* codes) {
  Float top = Simd::zero(), poison = Simd::zero();
  for (int64_t i = 0; i < count; i += Simd::kWidth) {
    const Float x = Simd::load(from + i);
    top = Simd::max(top, Simd::abs(x));
    poison = Simd::fma(x, Simd::zero(), poison);
  }
  const float largest = Simd::highest(top), nan = Simd::sum(poison);
  const bool any = largest > 0x1p-100f && nan == 0;
  const Float inverse = Simd::broadcast(any ? kWideMost / largest : 0.0f);
  for (int64_t i = 0; i < count; i += Simd::kWidth) {
    const Float x = any ? Simd::round(Simd::mul(Simd::load(from + i), inverse)) : Simd::zero();
    const __m256i wide = _mm256_cvtps_epi32(x);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(codes + i),
                     _mm_packs_epi32(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1)));
  }
  return (any ? largest / kWideMost : 0.0f) + nan;
}

struct Wide {
  using Vector = __m256i;
  static constexpr int64_t kCodes = 16;
  static Vector zero() { return _mm256_setzero_si256(); }
  static Vector load(const int16_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
  static Vector pair(const int16_t* p) {
    int both;
    __builtin_memcpy(&both, p, sizeof(both));
    return _mm256_set1_epi32(both);
  }
  static Vector load_codes(const std::byte* p) {
    return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  /// a and b in pairs: of columns 0 to 7, then of 8 to 15.
  static void pairs(const std::byte* a, const std::byte* b, Vector& first, Vector& second) {
    const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(a));
    const __m128i y = _mm_loadu_si128(reinterpret_cast<const __m128i*>(b));
    first = _mm256_cvtepi8_epi16(_mm_unpacklo_epi8(x, y));
    second = _mm256_cvtepi8_epi16(_mm_unpackhi_epi8(x, y));
  }
  static Vector add_products(Vector sum, Vector a, Vector b) {
#if defined(__AVXVNNI__)
    return add_word_products(sum, a, b);
#else
    return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
#endif
  }
  /// The same of four rows of two vectors.
  static Float sums_of_all(const Vector (&sums)[4][2]) {
    Float bits[4][2];
    for (int q = 0; q < 4; ++q)
      for (int t = 0; t < 2; ++t) bits[q][t] = _mm256_castsi256_ps(sums[q][t]);
    const Float all = cpu::sums_of_all(bits, [](Float a, Float b) {
      return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), _mm256_castps_si256(b)));
    });
    return _mm256_cvtepi32_ps(_mm256_castps_si256(all));
  }
  static float sum(Vector a) {
    __m128i x = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    x = _mm_add_epi32(x, _mm_shuffle_epi32(x, 0x4e));
    return static_cast<float>(_mm_cvtsi128_si32(_mm_add_epi32(x, _mm_shuffle_epi32(x, 0xb1))));
  }
  static void keep(Vector& a) {
    asm("" : "+x"(a));
  }
};

#endif

}  // namespace
}  // namespace halftone::cpu
