#pragma once

// For per-ISA sources only (see code_tile_loops.h): loops that compilers vectorise.

#include "backend/cpu/int8/code_elements.h"

namespace halftone::cpu {
namespace {

void add(int16_t a_factor, int16_t b_factor, int32_t offset, int32_t shift, const uint8_t* __restrict a,
         const uint8_t* __restrict b, uint8_t* __restrict y, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const int32_t sum = (a[i] * a_factor + b[i] * b_factor + offset) >> shift;
    const int32_t above = sum < 0 ? 0 : sum;
    y[i] = static_cast<uint8_t>(above > 255 ? 255 : above);
  }
}

void multiply(const CodeProductScale& scale, const uint8_t* __restrict a, const uint8_t* __restrict b,
              uint8_t* __restrict y, int64_t count) {
  const int32_t a_zero = scale.a_zero, b_zero = scale.b_zero;
  const float multiplier = scale.multiplier, zero = static_cast<float>(scale.zero);
  for (int64_t i = 0; i < count; ++i) {
    const float product = static_cast<float>((a[i] - a_zero) * (b[i] - b_zero)) * multiplier;
    const float code = __builtin_nearbyintf(product) + zero;
    const float above = code < 0.0f ? 0.0f : code;
    y[i] = static_cast<uint8_t>(static_cast<int32_t>(above > 255.0f ? 255.0f : above));
  }
}

void map_plain(const uint8_t* table, const uint8_t* x, uint8_t* y, int64_t count) {
  for (int64_t i = 0; i < count; ++i) y[i] = table[x[i]];
}

inline uint8_t shifted_code(int32_t sum, int32_t shift) {
  const int32_t code = sum >> shift;
  const int32_t above = code < 0 ? 0 : code;
  return static_cast<uint8_t>(above > 255 ? 255 : above);
}

void blend(const uint8_t* const* rows, const int32_t* weights, int64_t taps, int32_t shift,
           uint8_t* __restrict y, int64_t count) {
  const int32_t half = 1 << (shift - 1);
  if (taps == 4) {
    const uint8_t* __restrict a = rows[0], * __restrict b = rows[1], * __restrict c = rows[2], * __restrict d = rows[3];
    const int32_t wa = weights[0], wb = weights[1], wc = weights[2], wd = weights[3];
    for (int64_t i = 0; i < count; ++i)
      y[i] = shifted_code(a[i] * wa + b[i] * wb + c[i] * wc + d[i] * wd + half, shift);
    return;
  }
  for (int64_t i = 0; i < count; ++i) {
    int32_t sum = half;
    for (int64_t t = 0; t < taps; ++t) sum += weights[t] * rows[t][i];
    y[i] = shifted_code(sum, shift);
  }
}

void encode(const float* __restrict x, float scale, int32_t zero, uint8_t* __restrict y, int64_t count) {
  const float z = static_cast<float>(zero);
  for (int64_t i = 0; i < count; ++i) {
    const float code = __builtin_nearbyintf(x[i] / scale) + z;
    const float number = code == code ? code : z;
    const float above = number < 0.0f ? 0.0f : number;
    y[i] = static_cast<uint8_t>(static_cast<int32_t>(above > 255.0f ? 255.0f : above));
  }
}

void decode(const uint8_t* __restrict x, float scale, int32_t zero, float* __restrict y, int64_t count) {
  for (int64_t i = 0; i < count; ++i) y[i] = static_cast<float>(x[i] - zero) * scale;
}

}  // namespace
}  // namespace halftone::cpu
