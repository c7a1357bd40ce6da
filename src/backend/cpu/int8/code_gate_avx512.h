#pragma once

// For *_avx512vnni.cpp and *_amx.cpp sources only (see code_tile_loops.h).

#include <immintrin.h>

#include "ops/gate_polynomial.h"

namespace halftone::cpu {
namespace {

struct CodeGateAvx512 {
  /// gated() on 16 lanes.
  static __m512 gated(__m512 x, const GatePolynomial& by) {
    const __m512 u = _mm512_min_ps(_mm512_abs_ps(x), _mm512_set1_ps(by.reach));
    __m512 r = _mm512_set1_ps(by.coefficients[0]);
#pragma GCC unroll 6
    for (int i = 1; i <= GatePolynomial::kDegree; ++i)
      r = _mm512_fmadd_ps(r, u, _mm512_set1_ps(by.coefficients[i]));
    if (by.fourth_power) {
      r = _mm512_mul_ps(r, r);
      r = _mm512_mul_ps(r, r);
    }
    return _mm512_fnmadd_ps(u, r, _mm512_max_ps(x, _mm512_setzero_ps()));
  }
};

}  // namespace
}  // namespace halftone::cpu
