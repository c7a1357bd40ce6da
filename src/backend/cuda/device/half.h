#pragma once

// 16-bit floats: one, and two in one word.

#ifndef __CUDACC__
#include <bit>
#include <cmath>

#include "core/float16.h"
#endif

#include "backend/cuda/device/math.h"

namespace halftone::cuda {

#ifdef __CUDACC__
using f16 = __half;
using bf16 = __nv_bfloat16;

DEVICE float to_f32(f16 value) {
  return __half2float(value);
}
DEVICE float to_f32(bf16 value) {
  return __bfloat162float(value);
}
DEVICE float to_f32(float value) {
  return value;
}
template <class T>
DEVICE T from_f32(float value) {
  if constexpr (sizeof(T) == 4)
    return value;
  else if constexpr (__is_same(T, f16))
    return __float2half_rn(value);
  else
    return __float2bfloat16_rn(value);
}

/// Two f16 in one word, the first in the low half: a * b + c, a - b and a * b, each rounded once.
DEVICE uint32_t f16x2_fma(uint32_t a, uint32_t b, uint32_t c) {
  uint32_t d;
  asm("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
  return d;
}
DEVICE uint32_t f16x2_sub(uint32_t a, uint32_t b) {
  uint32_t d;
  asm("sub.rn.f16x2 %0, %1, %2;" : "=r"(d) : "r"(a), "r"(b));
  return d;
}
DEVICE uint32_t f16x2_mul(uint32_t a, uint32_t b) {
  uint32_t d;
  asm("mul.rn.f16x2 %0, %1, %2;" : "=r"(d) : "r"(a), "r"(b));
  return d;
}
/// Two f32 rounded to f16 (bf16), `low` in the low half.
DEVICE uint32_t f16x2_of(float low, float high) {
  uint32_t d;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(d) : "f"(high), "f"(low));
  return d;
}
DEVICE uint32_t bf16x2_of(float low, float high) {
  uint32_t d;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(d) : "f"(high), "f"(low));
  return d;
}
DEVICE Vec2 f32_of_f16x2(uint32_t pair) {
  const float2 both = __half22float2(*reinterpret_cast<const __half2*>(&pair));
  return {both.x, both.y};
}
DEVICE Vec2 f32_of_bf16x2(uint32_t pair) {
  return {__uint_as_float(pair << 16), __uint_as_float(pair & 0xffff0000u)};
}
#else
using f16 = Half;
using bf16 = BFloat16;

inline float to_f32(f16 value) {
  return to_float(value);
}
inline float to_f32(bf16 value) {
  return to_float(value);
}
inline float to_f32(float value) {
  return value;
}
template <class T>
T from_f32(float value) {
  if constexpr (std::is_same_v<T, float>)
    return value;
  else if constexpr (std::is_same_v<T, f16>)
    return to_half(value);
  else
    return to_bfloat16(value);
}

namespace host {
inline float low_f16(uint32_t pair) {
  return to_float(Half{static_cast<uint16_t>(pair)});
}
inline float high_f16(uint32_t pair) {
  return to_float(Half{static_cast<uint16_t>(pair >> 16)});
}
/// Rounded once: on the way the f32 gets an odd last bit wherever it is not exact, which keeps it off the
/// middle between two halves. Sums and products of halves that do not overflow one are exact in f64 or
/// nowhere near such a middle.
inline uint32_t half_bits(double value) {
  float near = static_cast<float>(value);
  if (near == value || value != value) return to_half(near).bits;
  if (std::fabs(near) > std::fabs(value)) near = std::nextafter(near, 0.0f);
  return to_half(std::bit_cast<float>(std::bit_cast<uint32_t>(near) | 1)).bits;
}
inline uint32_t halves(double low, double high) {
  return half_bits(low) | (half_bits(high) << 16);
}
}  // namespace host

inline uint32_t f16x2_of(float low, float high) {
  return uint32_t{to_half(low).bits} | (uint32_t{to_half(high).bits} << 16);
}
inline uint32_t bf16x2_of(float low, float high) {
  return uint32_t{to_bfloat16(low).bits} | (uint32_t{to_bfloat16(high).bits} << 16);
}
inline Vec2 f32_of_f16x2(uint32_t pair) {
  return {host::low_f16(pair), host::high_f16(pair)};
}
inline Vec2 f32_of_bf16x2(uint32_t pair) {
  return {float_of(pair << 16), float_of(pair & 0xffff0000u)};
}
inline uint32_t f16x2_fma(uint32_t a, uint32_t b, uint32_t c) {
  using namespace host;
  return halves(double{low_f16(a)} * low_f16(b) + low_f16(c),
                double{high_f16(a)} * high_f16(b) + high_f16(c));
}
inline uint32_t f16x2_sub(uint32_t a, uint32_t b) {
  return host::halves(double{host::low_f16(a)} - host::low_f16(b),
                      double{host::high_f16(a)} - host::high_f16(b));
}
inline uint32_t f16x2_mul(uint32_t a, uint32_t b) {
  return f16x2_of(host::low_f16(a) * host::low_f16(b), host::high_f16(a) * host::high_f16(b));
}
#endif

}  // namespace halftone::cuda
