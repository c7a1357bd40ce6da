#pragma once

// Elementary functions on vectors of floats. For per-ISA sources only, as simd.h.

#include <initializer_list>

#include "backend/cpu/simd.h"

namespace halftone::cpu {
namespace {

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

/// 1 / (1 + e^-x), 0 below -87.3; the exponential by its Taylor polynomial of degree 6, within its bounds one
/// power of two away.
inline Float sigmoid(Float x) {
  const Float most = Simd::broadcast(87.33f), one = Simd::broadcast(1.0f);
  const Float least = Simd::sub(Simd::zero(), most);
  const Float y = Simd::sub(Simd::zero(), Simd::min(most, Simd::max(least, x)));
  const Float n = Simd::round(Simd::mul(y, Simd::broadcast(1.44269504f)));
  Float r = Simd::fma(n, Simd::broadcast(-0.693359375f), y);
  r = Simd::fma(n, Simd::broadcast(2.12194440e-4f), r);
  Float p = Simd::broadcast(1.0f / 720);
  for (float c : {1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f}) p = Simd::fma(p, r, Simd::broadcast(c));
  const Float inverse = Simd::inverse(Simd::add(one, Simd::times_power_of_two(p, n)));
  return Simd::where_less(x, least, Simd::zero(), inverse);
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

/// Within 1.5e-7: Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26.
inline Float erf(Float x) {
  const Float one = Simd::broadcast(1.0f);
  const Float size = Simd::abs(x);
  const Float t = Simd::div(one, Simd::fma(Simd::broadcast(0.3275911f), size, one));
  Float p = Simd::broadcast(1.061405429f);
  for (float c : {-1.453152027f, 1.421413741f, -0.284496736f, 0.254829592f})
    p = Simd::fma(p, t, Simd::broadcast(c));
  const Float tail = Simd::mul(Simd::mul(p, t), exp(Simd::sub(Simd::zero(), Simd::mul(x, x))));
  const Float y = Simd::sub(one, tail);
  return Simd::where_less(x, Simd::zero(), Simd::sub(Simd::zero(), y), y);
}

}  // namespace
}  // namespace halftone::cpu
