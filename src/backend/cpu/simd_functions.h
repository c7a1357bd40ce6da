#pragma once

// Further elementary functions on vectors of floats, each within a few units in the last place of the larger
// of its result and 1e-7. For per-ISA sources only, as simd.h.

#include "backend/cpu/simd_math.h"

namespace halftone::cpu {
namespace {

#if defined(__AVX512F__)

inline Float square_root(Float x) {
  return _mm512_sqrt_ps(x);
}
inline Float floor(Float x) {
  return _mm512_roundscale_ps(x, 0x09);
}
inline Float ceil(Float x) {
  return _mm512_roundscale_ps(x, 0x0A);
}
/// The larger and the smaller of a and b; NaN where either is.
inline Float higher(Float a, Float b) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q), _mm512_max_ps(a, b), a);
}
inline Float lower(Float a, Float b) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q), _mm512_min_ps(a, b), a);
}
/// x = mantissa 2^exponent, the mantissa from sqrt(1/2) to sqrt(2), for positive normal x.
inline Float mantissa(Float x, Float& exponent) {
  const __m512i bits = _mm512_castps_si512(x);
  const __m512i e = _mm512_srai_epi32(_mm512_sub_epi32(bits, _mm512_set1_epi32(0x3f3504f3)), 23);
  exponent = _mm512_cvtepi32_ps(e);
  return _mm512_castsi512_ps(_mm512_sub_epi32(bits, _mm512_slli_epi32(e, 23)));
}

#elif defined(__AVX2__)

inline Float square_root(Float x) {
  return _mm256_sqrt_ps(x);
}
inline Float floor(Float x) {
  return _mm256_floor_ps(x);
}
inline Float ceil(Float x) {
  return _mm256_ceil_ps(x);
}
inline Float higher(Float a, Float b) {
  return _mm256_blendv_ps(_mm256_max_ps(a, b), a, _mm256_cmp_ps(a, a, _CMP_UNORD_Q));
}
inline Float lower(Float a, Float b) {
  return _mm256_blendv_ps(_mm256_min_ps(a, b), a, _mm256_cmp_ps(a, a, _CMP_UNORD_Q));
}
inline Float mantissa(Float x, Float& exponent) {
  const __m256i bits = _mm256_castps_si256(x);
  const __m256i e = _mm256_srai_epi32(_mm256_sub_epi32(bits, _mm256_set1_epi32(0x3f3504f3)), 23);
  exponent = _mm256_cvtepi32_ps(e);
  return _mm256_castsi256_ps(_mm256_sub_epi32(bits, _mm256_slli_epi32(e, 23)));
}

#elif defined(__ARM_NEON)

inline Float square_root(Float x) {
  return vsqrtq_f32(x);
}
inline Float floor(Float x) {
  return vrndmq_f32(x);
}
inline Float ceil(Float x) {
  return vrndpq_f32(x);
}
inline Float higher(Float a, Float b) {
  return vmaxq_f32(a, b);
}
inline Float lower(Float a, Float b) {
  return vminq_f32(a, b);
}
inline Float mantissa(Float x, Float& exponent) {
  const int32x4_t bits = vreinterpretq_s32_f32(x);
  const int32x4_t e = vshrq_n_s32(vsubq_s32(bits, vdupq_n_s32(0x3f3504f3)), 23);
  exponent = vcvtq_f32_s32(e);
  return vreinterpretq_f32_s32(vsubq_s32(bits, vshlq_n_s32(e, 23)));
}

#endif

/// The polynomial of these coefficients, the highest power's first.
template <int kCount>
Float polynomial(Float x, const float (&coefficients)[kCount]) {
  Float y = Simd::broadcast(coefficients[0]);
  for (int i = 1; i < kCount; ++i) y = Simd::fma(y, x, Simd::broadcast(coefficients[i]));
  return y;
}

/// log x; -infinity of 0, NaN below. x = 2^e m; log m = 2 atanh(s), s = (m - 1) / (m + 1), |s| < 0.172.
inline Float log(Float x) {
  const Float least = Simd::broadcast(0x1p-126f), one = Simd::broadcast(1.0f);
  Float exponent;
  const Float m = mantissa(Simd::where_less(x, least, Simd::mul(x, Simd::broadcast(0x1p23f)), x), exponent);
  exponent = Simd::where_less(x, least, Simd::sub(exponent, Simd::broadcast(23.0f)), exponent);
  const Float f = Simd::sub(m, one), s = Simd::div(f, Simd::add(m, one));
  const Float square = Simd::mul(s, s), twice = Simd::add(s, s);
  const Float p = polynomial(square, {1.0f / 9, 1.0f / 7, 1.0f / 5, 1.0f / 3});
  Float y = Simd::fma(Simd::mul(twice, square), p, twice);
  y = Simd::add(Simd::fma(exponent, Simd::broadcast(-2.12194440e-4f), y),
                Simd::mul(exponent, Simd::broadcast(0.693359375f)));
  y = Simd::where_less(Simd::broadcast(0x1.fffffep127f), x, x, y);
  const Float nothing = Simd::add(x, Simd::broadcast(-__builtin_inff()));  // of 0, or NaN
  const Float end = Simd::where_less(x, Simd::zero(), Simd::broadcast(__builtin_nanf("")), nothing);
  return Simd::where_less(Simd::zero(), x, y, end);
}

/// log(1 + x) for x from 0 to 1: 2 atanh(s), s = x / (2 + x) <= 1/3.
inline Float log_of_one_plus(Float x) {
  const Float s = Simd::div(x, Simd::add(x, Simd::broadcast(2.0f)));
  const Float square = Simd::mul(s, s), twice = Simd::add(s, s);
  const Float p =
      polynomial(square, {1.0f / 15, 1.0f / 13, 1.0f / 11, 1.0f / 9, 1.0f / 7, 1.0f / 5, 1.0f / 3});
  return Simd::fma(Simd::mul(twice, square), p, twice);
}

/// e^x - 1 for x <= 0; near 0 its Taylor polynomial of degree 7.
inline Float exp_less_one(Float x) {
  const Float far = Simd::sub(exp_negative(x), Simd::broadcast(1.0f));
  const Float p = polynomial(x, {1.0f / 5040, 1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f});
  return Simd::where_less(Simd::abs(x), Simd::broadcast(0.35f), Simd::mul(x, p), far);
}

/// log(1 + e^x).
inline Float softplus(Float x) {
  const Float e = exp_negative(Simd::sub(Simd::zero(), Simd::abs(x)));
  return Simd::add(Simd::max(Simd::zero(), x), log_of_one_plus(e));
}

/// x tanh(log(1 + e^x)): with e = e^x, the tanh is e (e + 2) / (e (e + 2) + 2); 1 from 20 on.
inline Float mish(Float x) {
  const Float two = Simd::broadcast(2.0f);
  const Float e = exp(Simd::min(Simd::broadcast(20.0f), x));
  const Float t = Simd::mul(e, Simd::add(e, two));
  return Simd::mul(x, Simd::div(t, Simd::add(t, two)));
}

inline Float erf(Float x) {
  const Float one = Simd::broadcast(1.0f), share = Simd::mul(x, Simd::broadcast(1.41421356f));
  const Float end = Simd::where_less(Simd::zero(), x, one, Simd::broadcast(-1.0f));
  return Simd::where_less(Simd::broadcast(5.2f), Simd::abs(share), end, erf_of_shares(share));
}

/// Beyond this sine_of_quarters() loses digits.
constexpr float kFarthestAngle = 65536.0f;

/// sin(x + quarters pi / 2) for |x| up to kFarthestAngle. x = n pi / 2 + r with pi / 2 in three parts, |r| <=
/// pi / 4; Taylor polynomials of degree 9 and 10.
inline Float sine_of_quarters(Float x, float quarters) {
  const Float n = Simd::round(Simd::mul(x, Simd::broadcast(0.636619772f)));
  Float r = Simd::fma(n, Simd::broadcast(-1.57079637f), x);
  r = Simd::fma(n, Simd::broadcast(4.37113883e-8f), r);
  r = Simd::fma(n, Simd::broadcast(1.71512451e-15f), r);
  const Float square = Simd::mul(r, r);
  const Float s = Simd::fma(Simd::mul(r, square),
                            polynomial(square, {1.0f / 362880, -1.0f / 5040, 1.0f / 120, -1.0f / 6}), r);
  const Float c = polynomial(square, {-1.0f / 3628800, 1.0f / 40320, -1.0f / 720, 1.0f / 24, -0.5f, 1.0f});
  // Where in the circle: -2 to 2 quarters.
  const Float turns = Simd::add(n, Simd::broadcast(quarters));
  const Float circles = Simd::round(Simd::mul(turns, Simd::broadcast(0.25f)));
  const Float q = Simd::fma(circles, Simd::broadcast(-4.0f), turns);
  const Float half = Simd::broadcast(0.5f), most = Simd::broadcast(1.5f), size = Simd::abs(q);
  const Float y = Simd::where_less(half, size, Simd::where_less(size, most, c, s), s);
  const Float minus = Simd::sub(Simd::zero(), y);
  return Simd::where_less(q, Simd::broadcast(-0.5f), minus, Simd::where_less(most, q, minus, y));
}

}  // namespace
}  // namespace halftone::cpu
