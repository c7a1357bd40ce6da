#pragma once

// For *_avx2.cpp sources only (see code_tile_loops.h).

#include <immintrin.h>

#include "backend/cpu/int8/code_tile.h"

namespace halftone::cpu {
namespace {

struct CodeFinishAvx2 {
  /// multiply_fixed() on 8 lanes.
  static __m256i multiply_fixed(__m256i x, __m256i mantissa, __m256i shift) {
    const __m256i zero = _mm256_setzero_si256();
    const __m256i left = _mm256_max_epi32(shift, zero);
    const __m256i right = _mm256_max_epi32(_mm256_sub_epi32(zero, shift), zero);
    const __m256i limit = _mm256_srlv_epi32(_mm256_set1_epi32(0x7fffffff), left);
    x = _mm256_min_epi32(_mm256_max_epi32(x, _mm256_sub_epi32(zero, limit)), limit);
    x = _mm256_sllv_epi32(x, left);
    const __m256i half = _mm256_set1_epi64x(int64_t{1} << 30);
    const __m256i even = _mm256_add_epi64(_mm256_mul_epi32(x, mantissa), half);
    const __m256i odd =
        _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64(x, 32), _mm256_srli_epi64(mantissa, 32)), half);
    const __m256i high = _mm256_blend_epi32(_mm256_srli_epi64(even, 31), _mm256_slli_epi64(odd, 1), 0xaa);
    const __m256i mask =
        _mm256_sub_epi32(_mm256_sllv_epi32(_mm256_set1_epi32(1), right), _mm256_set1_epi32(1));
    const __m256i threshold = _mm256_sub_epi32(_mm256_srli_epi32(mask, 1), _mm256_srai_epi32(high, 31));
    const __m256i up = _mm256_cmpgt_epi32(_mm256_and_si256(high, mask), threshold);
    return _mm256_sub_epi32(_mm256_srav_epi32(high, right), up);
  }

  static __m256i load(const int32_t* from) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  }

  static __m256i requantize(__m256i sum, const CodeFinish& f, int64_t output) {
    if (!f.mantissas) {
      const __m256 product = scaled(sum, f, output);  // below -2^31 the conversion gives the smallest number
      return _mm256_cvtps_epi32(f.large ? _mm256_min_ps(product, _mm256_set1_ps(1e9f)) : product);
    }
    __m256i mantissa = load(f.mantissas + output);
    __m256i shift = load(f.shifts + output);
    if (f.mantissas_below) {
      const __m256i negative = _mm256_srai_epi32(sum, 31);
      mantissa = _mm256_blendv_epi8(mantissa, load(f.mantissas_below + output), negative);
      shift = _mm256_blendv_epi8(shift, load(f.shifts_below + output), negative);
    }
    return multiply_fixed(sum, mantissa, shift);
  }

  /// Both halves of a sum shifted, and the residual of 16 outputs (of which `count` are there) added.
  static void join(__m256i& low, __m256i& high, const CodeFinish& f, int64_t output, const uint8_t* residual,
                   int64_t count) {
    uint8_t all[16] = {};
    for (int64_t i = 0; i < (count < 16 ? count : 16); ++i) all[i] = residual[i];
    const __m128i codes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(all));
    const __m256i zero = _mm256_set1_epi32(f.residual_zero);
    const auto add = [&](__m256i sum, __m128i eight, const int32_t* factors) {
      const __m256i moved = _mm256_sub_epi32(_mm256_cvtepu8_epi32(eight), zero);
      return _mm256_add_epi32(_mm256_slli_epi32(sum, f.sum_shift), _mm256_mullo_epi32(moved, load(factors)));
    };
    low = add(low, codes, f.residual_factors + output);
    high = add(high, _mm_srli_si128(codes, 8), f.residual_factors + output + 8);
  }

  static __m256 scaled(__m256i sum, const CodeFinish& f, int64_t output) {
    __m256 multiplier = _mm256_loadu_ps(f.multipliers + output);
    if (f.below)
      multiplier = _mm256_blendv_ps(multiplier, _mm256_loadu_ps(f.below + output), _mm256_castsi256_ps(sum));
    return _mm256_mul_ps(_mm256_cvtepi32_ps(sum), multiplier);
  }

  /// Two vectors of 8 sums, already multiplied, as 16 codes in order.
  static __m128i codes_of(__m256i low, __m256i high, const CodeFinish& f) {
    const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xd8);
    const __m256i moved = _mm256_adds_epi16(words, _mm256_set1_epi16(static_cast<int16_t>(f.zero)));
    __m128i codes = _mm_packus_epi16(_mm256_castsi256_si128(moved), _mm256_extracti128_si256(moved, 1));
    codes = _mm_max_epu8(codes, _mm_set1_epi8(static_cast<char>(f.lowest)));
    return _mm_min_epu8(codes, _mm_set1_epi8(static_cast<char>(f.highest)));
  }

  /// `count` of 16 codes, through the table where there is one.
  static void store_codes(uint8_t* to, __m128i codes, int64_t count, const uint8_t* table) {
    if (count == 16 && !table) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to), codes);
      return;
    }
    uint8_t all[16];
    _mm_storeu_si128(reinterpret_cast<__m128i*>(all), codes);
    for (int64_t i = 0; i < count; ++i) to[i] = table ? table[all[i]] : all[i];
  }

  static void store_floats_of(__m256i low, __m256i high, const CodeFinish& f, int64_t output, float* to,
                              int64_t count) {
    float all[16];
    _mm256_storeu_ps(all, scaled(low, f, output));
    _mm256_storeu_ps(all + 8, scaled(high, f, output + 8));
    for (int64_t i = 0; i < count; ++i) to[i] = all[i];
  }
};

}  // namespace
}  // namespace halftone::cpu
