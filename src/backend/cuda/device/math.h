#pragma once

// Functions of f32.

#ifndef __CUDACC__
#include <bit>
#include <cmath>
#endif

#include "backend/cuda/device/kernel.h"

namespace halftone::cuda {

constexpr float kInfinity = __builtin_huge_valf();

#ifdef __CUDACC__
DEVICE uint32_t bits_of(float value) {
  return __float_as_uint(value);
}
DEVICE float float_of(uint32_t bits) {
  return __uint_as_float(bits);
}

/// e^x to about 2 ulp + 2^-21 |x|.
DEVICE float fast_exp(float x) {
  return __expf(x);
}
/// 2^x to about 2 ulp.
DEVICE float fast_exp2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
/// 1 / x to 1 ulp.
DEVICE float fast_reciprocal(float x) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
DEVICE float fast_rsqrt(float x) {
  return rsqrtf(x);
}
/// To 2 ulp.
DEVICE float accurate_exp(float x) {
  return expf(x);
}
/// To the nearest float but for once in millions.
DEVICE float nearest_exp(float x) {
  return static_cast<float>(exp(static_cast<double>(x)));
}
DEVICE float accurate_tanh(float x) {
  return tanhf(x);
}
DEVICE float accurate_erf(float x) {
  return erff(x);
}
DEVICE float multiply_add(float a, float b, float c) {
  return fmaf(a, b, c);
}
/// a * b, rounded before anything is added to it: nvcc fuses other products with sums.
DEVICE float product(float a, float b) {
  return __fmul_rn(a, b);
}
DEVICE double product(double a, double b) {
  return __dmul_rn(a, b);
}
DEVICE float absolute(float x) {
  return fabsf(x);
}
/// Of a number and a NaN, the number.
DEVICE float larger(float a, float b) {
  return fmaxf(a, b);
}
/// To the nearest integer, ties to even; the nearest end of int's range beyond it, 0 for NaN.
DEVICE int round_to_int(float x) {
  return __float2int_rn(x);
}
#else
inline float absolute(float x) {
  return std::fabs(x);
}
inline float larger(float a, float b) {
  return std::fmax(a, b);
}
inline uint32_t bits_of(float value) {
  return std::bit_cast<uint32_t>(value);
}
inline float float_of(uint32_t bits) {
  return std::bit_cast<float>(bits);
}

inline float fast_exp(float x) {
  return std::exp(x);
}
inline float fast_exp2(float x) {
  return std::exp2(x);
}
inline float fast_reciprocal(float x) {
  return 1.0f / x;
}
inline float fast_rsqrt(float x) {
  return 1.0f / std::sqrt(x);
}
inline float accurate_exp(float x) {
  return std::exp(x);
}
inline float nearest_exp(float x) {
  return static_cast<float>(std::exp(static_cast<double>(x)));
}
inline float accurate_tanh(float x) {
  return std::tanh(x);
}
inline float accurate_erf(float x) {
  return std::erf(x);
}
inline float multiply_add(float a, float b, float c) {
  return std::fma(a, b, c);
}
inline float product(float a, float b) {
  return a * b;
}
inline double product(double a, double b) {
  return a * b;
}
inline int round_to_int(float x) {
  if (x != x) return 0;
  if (x >= 0x1p31f) return INT32_MAX;
  if (x <= -0x1p31f) return INT32_MIN;
  return static_cast<int>(std::nearbyint(x));
}
#endif

}  // namespace halftone::cuda
