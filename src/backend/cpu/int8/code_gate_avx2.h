#pragma once

// For *_avx2.cpp sources only (see code_tile_loops.h).

#include <immintrin.h>
#include <iterator>

#include "ops/gate_polynomial.h"

namespace halftone::cpu {
namespace {

/// GatePolynomial, each number on 8 lanes: operands that multiply-adds read from memory.
struct GateLanes {
  alignas(32) float reach[8], coefficients[GatePolynomial::kDegree + 1][8];
  bool fourth_power;
};
constexpr GateLanes lanes_of(const GatePolynomial& by) {
  GateLanes lanes{};
  lanes.fourth_power = by.fourth_power;
  for (int lane = 0; lane < 8; ++lane) {
    lanes.reach[lane] = by.reach;
    for (int i = 0; i <= GatePolynomial::kDegree; ++i) lanes.coefficients[i][lane] = by.coefficients[i];
  }
  return lanes;
}
constexpr GateLanes kGateLanes[] = {lanes_of(kGatePolynomials[0]), lanes_of(kGatePolynomials[1]),
                                    lanes_of(kGatePolynomials[2]), lanes_of(kGatePolynomials[3]),
                                    lanes_of(kGatePolynomials[4])};
static_assert(std::size(kGateLanes) == std::size(kGatePolynomials));

struct CodeGateAvx2 {
  /// gated() on 8 lanes.
  static __m256 gated(__m256 x, const GateLanes& by) {
    const __m256 size = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
    const __m256 u = _mm256_min_ps(size, _mm256_load_ps(by.reach));
    __m256 r = _mm256_load_ps(by.coefficients[0]);
#pragma GCC unroll 6
    for (int i = 1; i <= GatePolynomial::kDegree; ++i)
      r = _mm256_fmadd_ps(r, u, _mm256_load_ps(by.coefficients[i]));
    if (by.fourth_power) {
      r = _mm256_mul_ps(r, r);
      r = _mm256_mul_ps(r, r);
    }
    return _mm256_fnmadd_ps(u, r, _mm256_max_ps(x, _mm256_setzero_ps()));
  }
};

}  // namespace
}  // namespace halftone::cpu
