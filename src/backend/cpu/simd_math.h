#pragma once

// Elementary functions on vectors of floats. For per-ISA sources only, as simd.h.

#include <initializer_list>

#include "backend/cpu/simd.h"

namespace halftone::cpu {
namespace {

/// min(max(x, 0), 1).
inline Float saturate(Float x) {
  return Simd::min(Simd::max(x, Simd::zero()), Simd::broadcast(1.0f));
}

/// x min(max(x / 6 + 1/2, 0), 1).
inline Float hard_swish(Float x) {
  return Simd::mul(x, saturate(Simd::fma(x, Simd::broadcast(1.0f / 6), Simd::broadcast(0.5f))));
}

/// 1.5 * 2^23: adding it to a number within 2^22 rounds that to the nearest whole one, which then stands in
/// the lowest bits.
constexpr float kRounder = 12582912.0f;

/// e^x within 2 units in the last place; 0 below -87.3 (where it would be subnormal), infinity above 88.7,
/// NaN for NaN. x = n log 2 + r, |r| <= log(2) / 2; e^r by its Taylor polynomial of degree 7.
inline Float exp(Float x) {
  const Float least = Simd::broadcast(-87.33f);
  const Float most = Simd::broadcast(88.72f);
  // The operands' order matters: the vector min and max of x86 return the second where one is NaN.
  const Float bounded = Simd::min(most, Simd::max(least, x));
  const Float n = Simd::round(Simd::mul(bounded, Simd::broadcast(1.44269504f)));
  Float r = Simd::fma(n, Simd::broadcast(-0.693359375f), bounded);
  r = Simd::fma(n, Simd::broadcast(2.12194440e-4f), r);
  Float p = Simd::broadcast(1.0f / 5040);
  for (float c : {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f})
    p = Simd::fma(p, r, Simd::broadcast(c));
  // 2^n in two steps: n reaches 128, one more than an exponent holds.
  const Float half = Simd::round(Simd::mul(n, Simd::broadcast(0.5f)));
  Float y = Simd::times_power_of_two(Simd::times_power_of_two(p, half), Simd::sub(n, half));
  y = Simd::where_less(x, least, Simd::zero(), y);
  return Simd::where_less(most, x, Simd::broadcast(__builtin_inff()), y);
}

#if defined(__AVX2__) && !defined(__AVX512F__)

/// 1 + e^-x for x within 87.33, and beyond what it is at those ends: relative error below 4e-7 up to 20,
/// below 2e-6 everywhere. 2^-(x log2 e) = 2^n 2^(m / 8) 2^f, |f| <= 1/16; 2^(m / 8) from a vector of eight,
/// 2^f by the polynomial of degree 3 of least relative error (2.5e-8).
inline Float one_plus_exp_minus(Float x) {
  const Float most = Simd::broadcast(87.33f), rounder = Simd::broadcast(kRounder / 8);
  const Float scale = Simd::broadcast(-1.44269504f);
  const Float eighths = _mm256_setr_ps(1.0f, 1.09050773f, 1.18920712f, 1.29683955f, 1.41421356f, 1.54221083f,
                                       1.68179283f, 1.83400809f);
  const Float bounded = Simd::min(most, Simd::max(Simd::broadcast(-87.33f), x));
  const Float shifted = Simd::fma(bounded, scale, rounder);  // 8 n + m in the lowest bits
  const Float f = Simd::fma(bounded, scale, Simd::sub(rounder, shifted));
  Float p = Simd::broadcast(5.54962200e-2f);
  for (float c : {0.240257630f, 0.693147210f}) p = Simd::fma(p, f, Simd::broadcast(c));
  const __m256i whole = _mm256_castps_si256(shifted);
  const __m256i exponent = _mm256_slli_epi32(_mm256_srli_epi32(whole, 3), 23);
  const __m256i part = _mm256_castps_si256(_mm256_permutevar8x32_ps(eighths, whole));
  const Float power = _mm256_castsi256_ps(_mm256_add_epi32(part, exponent));
  return Simd::fma(Simd::mul(power, f), p, Simd::add(power, Simd::broadcast(1.0f)));
}

#else

/// 1 + e^-x for x within 87.33, and beyond what it is at those ends: relative error below 3e-7 up to 20,
/// below 2e-6 everywhere. 2^-(x log2 e) = 2^n 2^f, |f| <= 1/2; 2^f by the polynomial of degree 5 of least
/// relative error (7.5e-8).
inline Float one_plus_exp_minus(Float x) {
  const Float most = Simd::broadcast(87.33f), rounder = Simd::broadcast(kRounder);
  const Float scale = Simd::broadcast(-1.44269504f);
  const Float bounded = Simd::min(most, Simd::max(Simd::broadcast(-87.33f), x));
  const Float shifted = Simd::fma(bounded, scale, rounder);
  const Float f = Simd::fma(bounded, scale, Simd::sub(rounder, shifted));
  Float p = Simd::broadcast(1.32764690e-3f);
  for (float c : {9.67554096e-3f, 5.55071346e-2f, 0.240221202f, 0.693146944f, 1.00000012f})
    p = Simd::fma(p, f, Simd::broadcast(c));
  return Simd::add(Simd::broadcast(1.0f), Simd::times_shifted_power(p, shifted));
}

#endif

/// 1 / (1 + e^-x), 0 below -87.33.
inline Float sigmoid(Float x) {
  const Float inverse = Simd::inverse(one_plus_exp_minus(x));
  return Simd::where_less(x, Simd::broadcast(-87.33f), Simd::zero(), inverse);
}

/// x / (1 + e^-x), below -87.33 within 1e-38 |x| of 0.
inline Float silu(Float x) {
  return Simd::quotient(x, one_plus_exp_minus(x));
}

/// e^x for x <= 0 within 3 units in the last place; 0 below -87.3, NaN for NaN. As exp(), with no other end.
inline Float exp_negative(Float x) {
  const Float least = Simd::broadcast(-87.33f), rounder = Simd::broadcast(kRounder);
  const Float bounded = Simd::max(least, x);
  const Float shifted = Simd::fma(bounded, Simd::broadcast(1.44269504f), rounder);
  const Float n = Simd::sub(shifted, rounder);
  Float r = Simd::fma(n, Simd::broadcast(-0.693359375f), bounded);
  r = Simd::fma(n, Simd::broadcast(2.12194440e-4f), r);
  Float p = Simd::broadcast(1.38368423e-3f);  // of least relative error (2e-9)
  for (float c : {8.37481767e-3f, 4.16682251e-2f, 0.166664198f, 0.499999911f, 1.0f, 1.0f})
    p = Simd::fma(p, r, Simd::broadcast(c));
  return Simd::where_less(x, least, Simd::zero(), Simd::times_shifted_power(p, shifted));
}

/// 2 sigmoid(2x) - 1, with an absolute error of about 1e-7; near 0, where that would be much of the result,
/// its Taylor polynomial of degree 7: relative error below 1e-6 everywhere.
inline Float tanh(Float x) {
  const Float two = Simd::broadcast(2.0f);
  const Float far = Simd::fma(two, sigmoid(Simd::mul(two, x)), Simd::broadcast(-1.0f));
  const Float square = Simd::mul(x, x);
  Float p = Simd::broadcast(-17.0f / 315);
  for (float c : {2.0f / 15, -1.0f / 3, 1.0f}) p = Simd::fma(p, square, Simd::broadcast(c));
  return Simd::where_less(Simd::abs(x), Simd::broadcast(0.25f), Simd::mul(x, p), far);
}

/// erf(x / sqrt 2) for |x| up to 5.2, and beyond what it is at those ends (1 within 2e-7): x P(x^2) / Q(x^2),
/// of degree 5 each, whose error is least (6e-9).
inline Float erf_of_shares(Float x) {
  const Float bounded = Simd::min(Simd::broadcast(5.2f), Simd::max(Simd::broadcast(-5.2f), x));
  const Float square = Simd::mul(bounded, bounded);
  Float p = Simd::broadcast(4.94614341e-8f), q = Simd::broadcast(1.25884515e-6f);
  for (float c : {1.28154625e-5f, 3.13711294e-4f, 9.21721384e-3f, 6.50881901e-2f, 0.797884524f})
    p = Simd::fma(p, square, Simd::broadcast(c));
  for (float c : {7.04936028e-5f, 1.81716913e-3f, 2.79264003e-2f, 0.248242289f, 1.0f})
    q = Simd::fma(q, square, Simd::broadcast(c));
  return Simd::quotient(Simd::mul(bounded, p), q);
}

/// x times the share of the normal distribution below x, x (1 + erf(x / sqrt 2)) / 2, within 3e-7 max(1,
/// |x|).
inline Float gelu(Float x) {
  const Float half = Simd::broadcast(0.5f);
  const Float y = Simd::mul(x, Simd::fma(half, erf_of_shares(x), half));
  return Simd::where_less(Simd::broadcast(5.2f), Simd::abs(x), Simd::max(x, Simd::zero()), y);
}

}  // namespace
}  // namespace halftone::cpu
