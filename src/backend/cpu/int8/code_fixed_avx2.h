#pragma once

// For *_avx2.cpp sources only (see code_tile_loops.h).

#include <immintrin.h>

#include "backend/cpu/int8/code_tile.h"

namespace halftone::cpu {
namespace {

struct CodeFixedAvx2 {
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

  /// Sums times the Q31 multipliers of `f`.
  static __m256i fixed(__m256i sum, const CodeFinish& f, int64_t output) {
    __m256i mantissa = load(f.mantissas + output);
    __m256i shift = load(f.shifts + output);
    if (f.mantissas_below) {
      const __m256i negative = _mm256_srai_epi32(sum, 31);
      mantissa = _mm256_blendv_epi8(mantissa, load(f.mantissas_below + output), negative);
      shift = _mm256_blendv_epi8(shift, load(f.shifts_below + output), negative);
    }
    return multiply_fixed(sum, mantissa, shift);
  }
};

}  // namespace
}  // namespace halftone::cpu
