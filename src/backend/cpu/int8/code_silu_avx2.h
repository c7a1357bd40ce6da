#pragma once

// For *_avx2.cpp sources only (see code_tile_loops.h).

#include <immintrin.h>

#include "ops/silu_polynomial.h"

namespace halftone::cpu {
namespace {

struct CodeSiluAvx2 {
  /// silu_by_polynomial() on 8 lanes.
  static __m256 silu(__m256 x) {
    const __m256 size = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
    const __m256 u = _mm256_min_ps(size, _mm256_set1_ps(kSiluReach));
    __m256 r = _mm256_set1_ps(kSiluCoefficients[0]);
#pragma GCC unroll 6
    for (int i = 1; i <= kSiluDegree; ++i) r = _mm256_fmadd_ps(r, u, _mm256_set1_ps(kSiluCoefficients[i]));
    r = _mm256_mul_ps(r, r);
    r = _mm256_mul_ps(r, r);
    return _mm256_fnmadd_ps(u, r, _mm256_max_ps(x, _mm256_setzero_ps()));
  }
};

}  // namespace
}  // namespace halftone::cpu
